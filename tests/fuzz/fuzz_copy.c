/* SPDX-License-Identifier: MIT
 *
 * Input: a text, a newline, a record. A row is one line of ten columns whatever they are, nothing
 * in it is half an escape, and the record in it is JSON without what jsonb refuses.
 */
#include <stdlib.h>

#include "drain/postgres/copy.h"
#include "wire/json.h"

#define COLUMNS 10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* As the server reads it. */
static void put_read(struct buf *out, struct bytes column)
{
	for (size_t i = 0; i < column.len; i++) {
		uint8_t c = column.at[i];
		must(c != '\n' && c != '\r' && c != '\t' && c != 0);
		if (c == '\\') {
			must(++i < column.len);
			c = column.at[i];
			must(c == '\\' || c == 'n' || c == 'r' || c == 't' || c == 'N');
			c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
		}
		must(buf_put_u8(out, c) == OK);
	}
	must(bytes_is_utf8(buf_view(out)));
}

static void check_record(struct bytes record)
{
	struct buf meaning = {0};
	struct json_token token;
	struct json scan;
	enum err e;

	json_init(&scan, record, JSON_STRICT);
	while (!(e = json_next(&scan, &token))) {
		buf_reset(&meaning);
		if (token.kind == JSON_STRING || token.kind == JSON_KEY) {
			must(json_put_unescaped(&meaning, &token) == OK);
			must(bytes_find_byte(buf_view(&meaning), 0) == SIZE_MAX);
		}
		must(token.kind != JSON_NUMBER || token.raw.len <= COPY_NUMBER_CHARS_MAX);
	}
	must(e == ERR_END);
	buf_done(&meaning);
}

static void check_row(struct bytes row)
{
	struct buf column = {0};

	must(bytes_find_byte(row, '\n') == row.len - 1);
	row.len--;
	for (int i = 0; i < COLUMNS; i++) {
		must(i == 0 || row.len > 0);
		buf_reset(&column);
		put_read(&column, bytes_cut(&row, '\t'));
	}
	must(row.len == 0);
	check_record(buf_view(&column));
	buf_done(&column);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes json = {data, size}, text = bytes_cut(&json, '\n');
	struct sink_event event = {.id = text, .model = text, .kind = REC_REQUEST, .json = json};
	struct buf out = {0};
	enum err e = copy_put_row(&out, &event);

	must((e == OK) == (json_check(json, NULL, NULL) == OK));
	if (e == OK)
		check_row(buf_view(&out));
	buf_reset(&out);
	must(copy_bad_row(text) <= SIZE_MAX);
	if (copy_put_table(&out, text) == OK)
		must(out.at[0] == '"' && out.at[out.len - 1] == '"' &&
		     bytes_is_utf8(buf_view(&out)));
	buf_done(&out);
	return 0;
}
