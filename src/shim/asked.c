/* SPDX-License-Identifier: MIT */
#include "shim/asked.h"

#include <string.h>

/* An item: the id, the operation (4), the lengths (2 each) and bytes of provider and model. */

enum err asked_put(struct buf *list, const char id[static ULID_CHARS],
		   const struct provider *provider, const struct call *call)
{
	struct bytes name = bytes_str(provider->name),
		     model = bytes_of(call->model, call->model_len);
	enum err e;

	if (name.len > ASKED_PROVIDER_BYTES_MAX || model.len > MODEL_BYTES_MAX)
		return ERR_LIMIT;
	/* All or nothing: once there is room, nothing below can fail. */
	e = buf_reserve(list, ULID_CHARS + 8 + name.len + model.len);
	if (!e)
		e = buf_put(list, bytes_of(id, ULID_CHARS));
	if (!e)
		e = buf_put_u32(list, (uint32_t)call->operation);
	if (!e)
		e = buf_put_u16(list, (uint16_t)name.len);
	if (!e)
		e = buf_put_u16(list, (uint16_t)model.len);
	if (!e)
		e = buf_put(list, name);
	return e ? e : buf_put(list, model);
}

static void copy(char *to, struct bytes from)
{
	if (from.len)
		memcpy(to, from.at, from.len);
	to[from.len] = '\0';
}

bool asked_take(struct buf *list, const char id[static ULID_CHARS], struct asked *ret_asked)
{
	struct cursor c = cursor_over(buf_view(list));

	while (cursor_left(&c)) {
		bool found = bytes_equal(cursor_take(&c, ULID_CHARS), bytes_of(id, ULID_CHARS));
		enum operation operation = (enum operation)cursor_u32(&c);
		size_t name_len = cursor_u16(&c), model_len = cursor_u16(&c);
		struct bytes name = cursor_take(&c, name_len), model = cursor_take(&c, model_len);
		if (!found)
			continue;
		ret_asked->operation = operation;
		copy(ret_asked->provider, name);
		copy(ret_asked->model, model);
		buf_drop_front(list, list->len - cursor_left(&c));
		return true;
	}
	return false;
}
