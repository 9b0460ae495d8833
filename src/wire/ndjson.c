/* SPDX-License-Identifier: MIT */
#include "wire/ndjson.h"

void ndjson_done(struct ndjson *n)
{
	buf_done(&n->line);
	*n = (struct ndjson){0};
}

/* A line without the \r before its \n; false when nothing but white space is left. */
static bool has_text(struct bytes *line)
{
	if (line->len && line->at[line->len - 1] == '\r')
		line->len--;
	for (size_t i = 0; i < line->len; i++)
		if (line->at[i] != ' ' && line->at[i] != '\t' && line->at[i] != '\r')
			return true;
	return false;
}

static void forget_given(struct ndjson *n)
{
	if (n->given)
		buf_reset(&n->line);
	n->given = false;
}

/* The next line, as far as it is in *in: OK when it is whole, ERR_MORE when *in is used up. */
static enum err take_line(struct ndjson *n, struct bytes *in, struct bytes *ret_line)
{
	size_t end = bytes_find_byte(*in, '\n');
	bool whole = end != SIZE_MAX;
	struct bytes line = bytes_slice(*in, 0, whole ? end : in->len);

	if (line.len > NDJSON_LINE_BYTES_MAX - n->line.len)
		return ERR_LIMIT;
	if (!whole || n->line.len) {
		enum err e = buf_put(&n->line, line);
		if (e)
			return e;
		n->given = whole;
		*ret_line = buf_view(&n->line);
	} else {
		*ret_line = line;
	}
	*in = bytes_from(*in, line.len + whole);
	return whole ? OK : ERR_MORE;
}

enum err ndjson_next(struct ndjson *n, struct bytes *in, struct bytes *ret_line)
{
	struct bytes line;

	if (n->over_limit)
		return ERR_LIMIT;
	while (in->len) {
		forget_given(n);
		enum err e = take_line(n, in, &line);
		n->over_limit = e == ERR_LIMIT;
		if (e)
			return e;
		if (has_text(&line)) {
			*ret_line = line;
			return OK;
		}
	}
	forget_given(n);
	return ERR_MORE;
}

enum err ndjson_end(struct ndjson *n, struct bytes *ret_line)
{
	struct bytes line;

	forget_given(n);
	line = buf_view(&n->line);
	n->given = true;
	if (n->over_limit || !has_text(&line))
		return ERR_END;
	*ret_line = line;
	return OK;
}
