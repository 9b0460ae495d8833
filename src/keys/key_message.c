/* SPDX-License-Identifier: MIT */
#include "keys/key_message.h"

#include <string.h>

_Static_assert(KEYHOLD_SECRET_BYTES == KEY_SECRET_BYTES_MAX, "as long as a secret may be");

static void put_u16(uint16_t *field, size_t value)
{
	uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};

	memcpy(field, bytes, sizeof bytes);
}

static size_t get_u16(const uint16_t *field)
{
	uint8_t bytes[2];

	memcpy(bytes, field, sizeof bytes);
	return (size_t)(bytes[0] | bytes[1] << 8);
}

static void make_head(struct keyhold_head *head, enum keyhold_type type)
{
	memset(head, 0, sizeof *head);
	memcpy(head->magic, KEYHOLD_MAGIC, sizeof head->magic);
	put_u16(&head->version, KEYHOLD_VERSION);
	put_u16(&head->type, type);
}

static enum err check_head(const struct keyhold_head *head, enum keyhold_type type)
{
	if (memcmp(head->magic, KEYHOLD_MAGIC, sizeof head->magic) != 0)
		return ERR_BAD;
	if (get_u16(&head->version) != KEYHOLD_VERSION)
		return ERR_UNSUPPORTED;
	return get_u16(&head->type) == (size_t)type ? OK : ERR_BAD;
}

static enum err put_text(struct buf *out, struct bytes text)
{
	enum err e = buf_put_u16(out, (uint16_t)text.len);

	return e ? e : buf_put(out, text);
}

enum err key_ask_put(struct buf *out, struct bytes key, struct bytes provider)
{
	struct keyhold_head head;
	enum err e;

	if (key.len > GATEWAY_KEY_BYTES_MAX || provider.len > GATEWAY_KEY_NAME_MAX)
		return ERR_LIMIT;
	make_head(&head, KEYHOLD_ASK);
	e = buf_put(out, bytes_of(&head, sizeof head));
	if (!e)
		e = put_text(out, key);
	return e ? e : put_text(out, provider);
}

enum err key_ask_parse(struct bytes datagram, struct bytes *ret_key, struct bytes *ret_provider)
{
	struct cursor c = cursor_over(datagram);
	struct bytes fixed = cursor_take(&c, sizeof(struct keyhold_head)), key, provider;
	struct keyhold_head head;
	enum err e;

	if (c.bad)
		return ERR_BAD;
	memcpy(&head, fixed.at, sizeof head);
	e = check_head(&head, KEYHOLD_ASK);
	if (e)
		return e;
	key = cursor_take(&c, cursor_u16(&c));
	provider = cursor_take(&c, cursor_u16(&c));
	if (c.bad || cursor_left(&c) || key.len > GATEWAY_KEY_BYTES_MAX ||
	    provider.len > GATEWAY_KEY_NAME_MAX)
		return ERR_BAD;
	*ret_key = key;
	*ret_provider = provider;
	return OK;
}

void key_answer_make(const struct key_answer *a, struct keyhold_head *ret_head)
{
	make_head(ret_head, KEYHOLD_ANSWER);
	put_u16(&ret_head->status, a->status);
	put_u16(&ret_head->verdict, a->verdict);
	put_u16(&ret_head->secret_bytes, a->secret_bytes);
	put_u16(&ret_head->entry_bytes, a->entry_bytes);
}

enum err key_answer_parse(const struct keyhold_head *head, size_t entry_bytes,
			  struct key_answer *ret_answer)
{
	size_t status = get_u16(&head->status), verdict = get_u16(&head->verdict);
	struct key_answer a = {(enum keyhold_status)status, (enum key_verdict)verdict,
			       get_u16(&head->secret_bytes), get_u16(&head->entry_bytes)};
	enum err e = check_head(head, KEYHOLD_ANSWER);

	if (e)
		return e;
	if (status > KEYHOLD_TROUBLE || verdict > KEY_ROTATED ||
	    a.secret_bytes > KEYHOLD_SECRET_BYTES || a.entry_bytes != entry_bytes)
		return ERR_BAD;
	/* A secret comes with a valid key alone, and such a key with what it is for. */
	if ((a.secret_bytes && (status != KEYHOLD_JUDGED || verdict != KEY_VALID)) ||
	    (status != KEYHOLD_TROUBLE && verdict == KEY_VALID && !a.entry_bytes))
		return ERR_BAD;
	*ret_answer = a;
	return OK;
}
