/* SPDX-License-Identifier: MIT */
#include "llm/dialect.h"

static const struct dialect *const dialects[] = {&dialect_openai, &dialect_anthropic};

static const struct {
	int status;
	const char *line;
} statuses[] = {
	{400, "400 Bad Request"},       {401, "401 Unauthorized"},
	{403, "403 Forbidden"},         {413, "413 Content Too Large"},
	{429, "429 Too Many Requests"}, {503, "503 Service Unavailable"},
};

#define STATUS_COUNT (sizeof statuses / sizeof statuses[0])

const struct dialect *dialect_find(struct bytes name)
{
	for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++)
		if (bytes_equal(name, bytes_str(dialects[i]->name)))
			return dialects[i];
	return NULL;
}

const char *dialect_names(void)
{
	return "openai, anthropic";
}

/* A status outside of the table would be our own fault, and is answered as such: 503. */
static const char *status_line(int status)
{
	size_t i = 0;

	while (i < STATUS_COUNT - 1 && statuses[i].status != status)
		i++;
	return statuses[i].line;
}

/* A header field. Bytes that are not printable ASCII become '?': no value can end its line and
 * begin another. */
static enum err put_header(struct buf *out, const char *name, struct bytes value)
{
	enum err e = buf_put_str(out, name);

	if (!e)
		e = buf_put_str(out, ": ");
	for (size_t i = 0; i < value.len && !e; i++) {
		uint8_t c = value.at[i];
		e = buf_put_u8(out, c >= 0x20 && c < 0x7F ? c : '?');
	}
	return e ? e : buf_put_str(out, "\r\n");
}

static enum err put_head(const struct dialect *d, const struct refusal *refusal, size_t body_bytes,
			 struct buf *out)
{
	enum err e = buf_put_str(out, "HTTP/1.1 ");

	if (!e)
		e = buf_put_str(out, status_line(refusal->status));
	if (!e)
		e = buf_put_str(out, "\r\ncontent-type: application/json\r\ncontent-length: ");
	if (!e)
		e = buf_put_decimal(out, body_bytes);
	if (!e)
		e = buf_put_str(out, "\r\nconnection: close\r\n");
	if (!e)
		e = put_header(out, "x-aigw-decision", refusal->id);
	if (!e)
		e = put_header(out, "x-aigw-rule", refusal->rule);
	if (!e)
		e = put_header(out, "x-should-retry", BYTES("false"));
	if (!e)
		e = put_header(out, d->request_id_header, refusal->id);
	return e ? e : buf_put_str(out, "\r\n");
}

enum err dialect_put_refusal(const struct dialect *d, const struct refusal *refusal,
			     struct buf *out)
{
	size_t len_before = out->len;
	struct buf body = {0};
	enum err e = d->put_error(refusal, &body);

	if (!e)
		e = put_head(d, refusal, body.len, out);
	if (!e && !refusal->head)
		e = buf_put(out, buf_view(&body));
	if (e)
		out->len = len_before;
	buf_done(&body);
	return e;
}
