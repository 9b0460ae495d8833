/* SPDX-License-Identifier: MIT
 *
 * A log entry made of any fields, as people and other systems read it. Input: flags, the length of
 * the process' part; then fields: a number, a length, so many bytes. Whatever stands in them, the
 * JSON and the OTLP message are one line of valid JSON, and text for people is UTF-8.
 */
#include <stdlib.h>
#include <string.h>

#include "report/entry_json.h"
#include "report/otlp.h"
#include "report/text.h"
#include "report/words.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WITH_PAYLOADS = 1, RAW = 2, ANSWERED = 4, OTHER_KIND = 8, ORPHAN = 16 };

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void put_fields(struct buf *fields, struct cursor *c, size_t len, bool raw)
{
	struct bytes part = cursor_take(c, len < cursor_left(c) ? len : cursor_left(c));
	struct cursor in = cursor_over(part);

	if (raw) {
		must(buf_put(fields, part) == OK);
		return;
	}
	while (cursor_left(&in) > 2) {
		unsigned number = cursor_u8(&in);
		size_t bytes = cursor_u8(&in);
		struct bytes value = cursor_take(&in, bytes < cursor_left(&in) ? bytes
									       : cursor_left(&in));
		must(record_put(fields, (enum field)number, value) == OK);
	}
}

static void check_line(const struct buf *line)
{
	must(!line->failed && line->len > 0);
	must(bytes_find_byte(buf_view(line), '\n') == SIZE_MAX);
	must(json_check(buf_view(line), NULL, NULL) == OK);
}

static void check_entry(const struct log_entry *entry, bool payloads)
{
	struct buf text = {0};

	put_entry_json(&text, entry, payloads);
	check_line(&text);
	buf_reset(&text);
	put_entry_otlp(&text, entry, payloads);
	check_line(&text);
	buf_reset(&text);
	words_assemble(entry, &text);
	must(bytes_is_utf8(buf_view(&text)));
	buf_done(&text);
}

static void check_words(struct bytes headers, struct bytes body)
{
	struct bytes rest = headers, name, value;
	struct buf decoded = {0};

	while (words_next_header(&rest, &name, &value))
		must(rest.len < headers.len && name.len + value.len <= headers.len);
	(void)words_decode(headers, body, &decoded);
	buf_done(&decoded);
}

/* Empty patterns let everything pass that has no times to be left out for. */
static void check_filter(const struct log_entry *entry)
{
	struct log_filter all = {0}, none = {.since_ns = entry->time_ns + 1};
	struct log_filter own = {.provider = entry_text(entry, F_PROVIDER)};

	must(entry_passes(entry, &all) && !entry_passes(entry, &none));
	(void)entry_passes(entry, &own);
	must(entry_outcome(entry).len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(bytes_of(data, size));
	struct log_process process = {.gone = true};
	struct log_entry entry = {.kind = REC_REQUEST, .time_ns = 1795000000000000000u};
	unsigned flags = cursor_u8(&c);
	struct bytes headers, body;

	entry.process = &process;
	put_fields(&process.fields, &c, cursor_u8(&c), flags & RAW);
	put_fields(&entry.fields, &c, SIZE_MAX, flags & RAW);
	headers = entry_text(&entry, F_RESPONSE_HEADERS);
	body = entry_text(&entry, F_RESPONSE_BODY);
	must(buf_put(&entry.request_body, entry_text(&entry, F_REQUEST_BODY)) == OK);
	must(buf_put(&entry.response_body, body) == OK);
	entry.has_request_body = entry.has_response_body = flags & WITH_PAYLOADS;
	entry.answered = flags & ANSWERED;
	entry.orphan = flags & ORPHAN;
	if (flags & OTHER_KIND)
		entry.kind = REC_POLICY_CHANGE;
	memcpy(entry.id, "01JD00000000000000000000", 25);
	check_entry(&entry, flags & WITH_PAYLOADS);
	check_words(headers, body);
	check_filter(&entry);
	buf_done(&process.fields);
	buf_done(&entry.fields);
	buf_done(&entry.request_body);
	buf_done(&entry.response_body);
	return 0;
}
