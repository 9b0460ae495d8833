/* SPDX-License-Identifier: MIT */
#include "drain/http/secret.h"

#include <string.h>

bool secret_is_token(struct bytes value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] < 0x20 || value.at[i] > 0x7e)
			return false;
	return value.len > 0 && value.len <= SECRET_TOKEN_BYTES_MAX;
}

static enum err read_value(const struct secret *s, struct buf *ret_value)
{
	enum err e = sink_read_file(s->file, true, ret_value);

	if (!e && s->form == SECRET_TOKEN && !secret_is_token(buf_view(ret_value)))
		e = ERR_UNSUPPORTED;
	return e;
}

static const char *why(enum err e)
{
	switch (e) {
	case ERR_BAD:
		return "it must be a file that is not empty, and that others cannot read: ";
	case ERR_UNSUPPORTED:
		return "the secret in this file is not one line of ASCII: ";
	case ERR_MISSING:
		return "this file of a secret is missing: ";
	case ERR_ACCESS:
		return "this file of a secret may not be read: ";
	default:
		return "this file of a secret cannot be read: ";
	}
}

enum err secret_load(struct secret *s, struct sink_answer *answer)
{
	enum err e;

	if (!s->file.len)
		return OK;
	e = read_value(s, &s->value);
	if (e) {
		buf_done(&s->value);
		s->value = (struct buf){0};
		sink_answer(answer, SINK_WRONG, why(e), s->file);
	}
	return e;
}

bool secret_renew(struct secret *s)
{
	struct buf fresh = {0};

	if (!s->file.len || read_value(s, &fresh) ||
	    bytes_equal(buf_view(&fresh), buf_view(&s->value))) {
		buf_done(&fresh);
		return false;
	}
	buf_done(&s->value);
	s->value = fresh;
	return true;
}

void secret_mask(uint8_t *text, size_t len, struct bytes secret)
{
	struct bytes rest = bytes_of(text, len);
	size_t at, part;

	if (secret.len < SECRET_MASKED_MIN)
		return;
	while ((at = bytes_find(rest, secret)) != SIZE_MAX) {
		memset(text + (len - rest.len) + at, '*', secret.len);
		rest = bytes_from(rest, at + secret.len);
	}
	part = secret.len < len ? secret.len : len;
	while (part >= SECRET_MASKED_MIN &&
	       !bytes_ends(bytes_of(text, len), bytes_slice(secret, 0, part)))
		part--;
	if (part >= SECRET_MASKED_MIN)
		memset(text + len - part, '*', part);
}

void secret_done(struct secret *s)
{
	buf_done(&s->value);
	s->value = (struct buf){0};
}
