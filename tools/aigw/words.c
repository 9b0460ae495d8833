/* SPDX-License-Identifier: MIT */
#include "words.h"

#include "llm/dialect.h"
#include "print.h"
#include "wire/coding.h"
#include "wire/sse.h"

bool words_next_header(struct bytes *rest, struct bytes *ret_name, struct bytes *ret_value)
{
	while (rest->len) {
		struct bytes line = bytes_cut(rest, '\n');
		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			continue;
		*ret_name = bytes_trim(bytes_cut(&line, ':'));
		*ret_value = bytes_trim(line);
		return true;
	}
	return false;
}

struct bytes words_header(struct bytes lines, struct bytes name)
{
	struct bytes found, value;

	while (words_next_header(&lines, &found, &value))
		if (bytes_equal_nocase(found, name))
			return value;
	return BYTES_NONE;
}

bool words_decode(struct bytes headers, struct bytes body, struct buf *ret_body)
{
	enum coding coding = coding_parse(words_header(headers, BYTES("content-encoding")));
	struct coding_decoder *decoder = NULL;

	if (coding == CODING_IDENTITY || body.len == 0) {
		need(buf_put(ret_body, body));
		return true;
	}
	enum err e = coding_new(coding, &decoder);
	if (!e)
		e = coding_feed(decoder, body, ret_body);
	if (!e)
		e = coding_check_end(decoder);
	coding_free(decoder);
	if (e == ERR_NOMEM)
		need(e);
	return e == OK;
}

static void assemble_stream(const struct dialect *dialect, struct bytes body, struct buf *ret_text)
{
	struct answer answer = {0};
	struct sse parser = {0};
	struct sse_event event;
	enum err e = OK;

	while (!e || e == ERR_LIMIT) {
		e = sse_next(&parser, &body, &event);
		if (!e)
			e = dialect->read_event(&event, &answer, ret_text);
	}
	sse_done(&parser);
	if (e == ERR_NOMEM)
		need(e);
}

void words_assemble(const struct log_entry *entry, struct buf *ret_text)
{
	const struct dialect *dialect = dialect_find(entry_text(entry, F_DIALECT));
	struct bytes headers = entry_text(entry, F_RESPONSE_HEADERS);
	struct bytes type = words_header(headers, BYTES("content-type"));
	struct buf body = {0};
	struct answer answer = {0};

	if (!dialect || entry->response_body.len == 0)
		return;
	(void)words_decode(headers, buf_view(&entry->response_body), &body);
	if (bytes_equal_nocase(bytes_slice(type, 0, 17), BYTES("text/event-stream")))
		assemble_stream(dialect, buf_view(&body), ret_text);
	else if (dialect->read_body(buf_view(&body), &answer, ret_text) == ERR_NOMEM)
		need(ERR_NOMEM);
	buf_done(&body);
}
