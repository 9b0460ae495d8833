/* SPDX-License-Identifier: MIT */
#include "csv.h"

void csv_init(struct csv *c, struct bytes text)
{
	if (bytes_starts(text, BYTES("\xEF\xBB\xBF")))
		text = bytes_from(text, 3);
	*c = (struct csv){.rest = text, .next_line = 1};
}

void csv_done(struct csv *c)
{
	buf_done(&c->text);
}

static enum err bad(struct csv *c, enum err e, const char *problem)
{
	c->problem = problem;
	return e;
}

static bool starts_line_end(struct bytes b, size_t *ret_len)
{
	*ret_len = bytes_starts(b, BYTES("\r\n")) ? 2 : 1;
	return b.len && (b.at[0] == '\n' || *ret_len == 2);
}

/* Up to the next comma or line end. */
static enum err take_plain(struct csv *c)
{
	size_t len = 0, ignored;

	while (len < c->rest.len && c->rest.at[len] != ',' &&
	       !starts_line_end(bytes_from(c->rest, len), &ignored)) {
		uint8_t byte = c->rest.at[len++];
		if (byte == '"')
			return bad(c, ERR_BAD, "a quote stands inside a field without quotes");
		if (byte == '\r' || byte == '\0')
			return bad(c, ERR_BAD, "a field holds a lone CR or a NUL");
	}
	if (len > CSV_FIELD_BYTES_MAX)
		return bad(c, ERR_LIMIT, "a field is longer than 64 KiB");
	enum err e = buf_put(&c->text, bytes_slice(c->rest, 0, len));
	c->rest = bytes_from(c->rest, len);
	return e;
}

/* Behind the opening quote, up to behind the closing one. */
static enum err take_quoted(struct csv *c)
{
	size_t from = c->text.len;

	for (;;) {
		size_t quote = bytes_find_byte(c->rest, '"');
		struct bytes part = bytes_slice(c->rest, 0, quote);
		if (quote == SIZE_MAX)
			return bad(c, ERR_BAD, "a quote is not closed");
		for (size_t i = 0; i < part.len; i++)
			c->next_line += part.at[i] == '\n';
		if (bytes_find_byte(part, '\0') != SIZE_MAX)
			return bad(c, ERR_BAD, "a field holds a NUL");
		if (part.len > CSV_FIELD_BYTES_MAX || c->text.len - from > CSV_FIELD_BYTES_MAX)
			return bad(c, ERR_LIMIT, "a field is longer than 64 KiB");
		enum err e = buf_put(&c->text, part);
		if (e)
			return e;
		c->rest = bytes_from(c->rest, quote + 1);
		if (!bytes_starts(c->rest, BYTES("\"")))
			return OK;
		e = buf_put_u8(&c->text, '"');
		if (e)
			return e;
		c->rest = bytes_from(c->rest, 1);
	}
}

static enum err take_field(struct csv *c)
{
	size_t ignored;

	if (!bytes_starts(c->rest, BYTES("\"")))
		return take_plain(c);
	c->rest = bytes_from(c->rest, 1);
	enum err e = take_quoted(c);
	if (!e && c->rest.len && c->rest.at[0] != ',' && !starts_line_end(c->rest, &ignored))
		e = bad(c, ERR_BAD, "text stands behind a closing quote");
	return e;
}

/* The fields' ends in `text` first: it moves while it grows. */
static enum err take_record(struct csv *c)
{
	size_t ends[CSV_FIELDS_MAX], from = 0, len;
	bool more = true;

	while (more) {
		if (c->count == CSV_FIELDS_MAX)
			return bad(c, ERR_LIMIT, "a record has more than 256 fields");
		enum err e = take_field(c);
		if (e)
			return e;
		ends[c->count++] = c->text.len;
		more = bytes_starts(c->rest, BYTES(","));
		c->rest = bytes_from(c->rest, more);
	}
	if (starts_line_end(c->rest, &len)) {
		c->rest = bytes_from(c->rest, len);
		c->next_line++;
	}
	for (size_t i = 0; i < c->count; i++) {
		c->fields[i] = bytes_slice(buf_view(&c->text), from, ends[i] - from);
		from = ends[i];
	}
	return OK;
}

enum err csv_next(struct csv *c)
{
	size_t len;

	c->count = 0;
	buf_reset(&c->text);
	if (c->problem)
		return ERR_BAD;
	while (starts_line_end(c->rest, &len)) {
		c->rest = bytes_from(c->rest, len);
		c->next_line++;
	}
	c->line = c->next_line;
	if (c->rest.len == 0)
		return ERR_END;
	enum err e = take_record(c);
	if (e)
		c->count = 0;
	return e;
}

enum err csv_put(struct buf *out, struct bytes text)
{
	static const char formula[] = "=+-@\t\r";
	bool strange = text.len && bytes_find_byte(bytes_str(formula), text.at[0]) != SIZE_MAX;
	bool quoted = strange || bytes_starts(text, BYTES("\xEF\xBB\xBF")); /* no mark of order */
	enum err e = OK;

	for (size_t i = 0; i < text.len; i++)
		quoted |= text.at[i] == ',' || text.at[i] == '"' || text.at[i] < 0x20;
	if (!quoted)
		return buf_put(out, text);
	e = buf_put_str(out, strange ? "\"'" : "\"");
	for (size_t i = 0; i < text.len && !e; i++) {
		if (text.at[i] == '"')
			e = buf_put_u8(out, '"');
		if (!e)
			e = buf_put_u8(out, text.at[i]);
	}
	return e ? e : buf_put_u8(out, '"');
}
