/* SPDX-License-Identifier: MIT */
#include "llm/upgrade.h"

#include <string.h>

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A part of a query, percent-encoding and `+` resolved. ERR_LIMIT: it does not fit into *into. */
static enum err decode(struct bytes text, struct buf *into)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < text.len; i++) {
		uint8_t c = text.at[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%' && text.len - i > 2) {
			int high = hex_value(text.at[i + 1]), low = hex_value(text.at[i + 2]);
			if (high >= 0 && low >= 0) {
				c = (uint8_t)(high << 4 | low);
				i += 2;
			}
		}
		e = buf_put_u8(into, c);
	}
	return e;
}

static bool is_model(struct bytes name)
{
	uint8_t room[8];
	struct buf plain = {.at = room, .cap = sizeof room, .max = sizeof room};

	return decode(name, &plain) == OK && bytes_equal(buf_view(&plain), BYTES("model"));
}

static enum err refuse(struct fault *ret_fault, enum err e, const char *reason)
{
	*ret_fault = (struct fault){e == ERR_AMBIGUOUS ? "ambiguous_request" : "malformed_request",
				    reason, SIZE_MAX};
	return e;
}

static enum err take_model(struct bytes value, struct call *call, struct fault *ret_fault)
{
	uint8_t room[MODEL_BYTES_MAX];
	struct buf model = {.at = room, .cap = sizeof room, .max = sizeof room};

	if (decode(value, &model))
		return refuse(ret_fault, ERR_LIMIT,
			      "The model in the address is longer than 256 bytes.");
	if (model.len == 0 || bytes_find_byte(buf_view(&model), 0) != SIZE_MAX)
		return refuse(ret_fault, ERR_BAD,
			      "The model in the address is empty or holds a NUL character; name "
			      "the model.");
	if (call->model_len &&
	    !bytes_equal(buf_view(&model), bytes_of(call->model, call->model_len)))
		return refuse(ret_fault, ERR_AMBIGUOUS,
			      "The address names two different models; name exactly one.");
	memcpy(call->model, model.at, model.len);
	call->model[model.len] = '\0';
	call->model_len = model.len;
	return OK;
}

enum err upgrade_read_call(const struct provider *p, const struct request_view *request,
			   struct call *ret_call, struct fault *ret_fault)
{
	struct bytes query = request->query;
	struct call call = {0};
	enum err e = provider_read_call(p, request, &call, ret_fault);

	while (!e && query.len) {
		struct bytes value = bytes_cut(&query, '&');
		struct bytes name = bytes_cut(&value, '=');
		if (is_model(name))
			e = take_model(value, &call, ret_fault);
	}
	if (e)
		return e;
	call.stream = true;
	*ret_call = call;
	return OK;
}
