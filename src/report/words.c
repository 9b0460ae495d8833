/* SPDX-License-Identifier: MIT */
#include "report/words.h"

#include "llm/dialect.h"
#include "llm/framing.h"
#include "report/text.h"
#include "wire/coding.h"
#include "wire/json.h"

#define HTTP_SWITCHING_PROTOCOLS 101

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
		text_put(ret_body, body);
		return true;
	}
	enum err e = coding_new(coding, &decoder);
	if (!e)
		e = coding_feed(decoder, body, ret_body);
	if (!e)
		e = coding_check_end(decoder);
	coding_free(decoder);
	if (e == ERR_NOMEM)
		text_keep(ret_body, e);
	return e == OK;
}

/* One event's words. Beyond the text's limit nothing is appended, and nothing is wrong. */
static void read_event(const struct dialect *dialect, const struct sse_event *event,
		       struct answer *answer, struct buf *ret_text)
{
	if (dialect->read_event(event, answer, ret_text) == ERR_NOMEM)
		text_keep(ret_text, ERR_NOMEM);
}

/* What follows an event that cannot be read is not read either. */
static void assemble_stream(const struct dialect *dialect, struct framing *framing,
			    struct bytes body, struct buf *ret_text)
{
	struct answer answer = {0};
	struct framing_event event;
	enum err e;

	while (!(e = framing_next(framing, &body, &event)))
		read_event(dialect, &event.event, &answer, ret_text);
	if (e == ERR_NOMEM)
		text_keep(ret_text, e);
	while (e == ERR_MORE && framing_end(framing, &event) == OK)
		read_event(dialect, &event.event, &answer, ret_text);
}

/* The messages of a WebSocket, one a line: their type is the event's name. */
static void assemble_messages(const struct dialect *dialect, struct bytes lines,
			      struct buf *ret_text)
{
	struct answer answer = {0};
	struct buf name = {0};

	while (lines.len) {
		struct sse_event event = {.data = bytes_cut(&lines, '\n')};
		struct json_token type;
		buf_reset(&name);
		if (json_find(event.data, "/type", &type, NULL) == OK && type.kind == JSON_STRING)
			text_keep(ret_text, json_put_unescaped(&name, &type));
		event.name = buf_view(&name);
		read_event(dialect, &event, &answer, ret_text);
	}
	buf_done(&name);
}

void words_assemble(const struct log_entry *entry, struct buf *ret_text)
{
	const struct dialect *dialect = dialect_find(entry_text(entry, F_DIALECT));
	struct bytes headers = entry_text(entry, F_RESPONSE_HEADERS);
	struct framing framing;
	struct buf body = {0};
	struct answer answer = {0};
	uint64_t status;

	if (!dialect || entry->response_body.len == 0)
		return;
	if (entry_find_u64(entry, F_STATUS, &status) == OK && status == HTTP_SWITCHING_PROTOCOLS) {
		assemble_messages(dialect, buf_view(&entry->response_body), ret_text);
		return;
	}
	(void)words_decode(headers, buf_view(&entry->response_body), &body);
	framing_init(&framing, framing_of(words_header(headers, BYTES("content-type"))));
	(void)framing_settle(&framing, buf_view(&body));
	if (framing_is_stream(&framing))
		assemble_stream(dialect, &framing, buf_view(&body), ret_text);
	else if (dialect->read_body(buf_view(&body), &answer, ret_text) == ERR_NOMEM)
		text_keep(ret_text, ERR_NOMEM);
	text_keep(ret_text, body.failed);
	framing_done(&framing);
	buf_done(&body);
}
