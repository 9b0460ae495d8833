/* SPDX-License-Identifier: MIT
 *
 * Input: a JSON pointer, a line feed, the text. Whatever the text, the scanner must agree with
 * itself: tokens stand in order inside the text, what it resolves is what it compares, skipping and
 * stepping end at the same byte, and what is found is the same value when scanned alone.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_text_token(const struct json_token *t)
{
	struct buf meaning = {0}, again = {0};
	struct json_token t2;
	struct json j;

	must(json_put_unescaped(&meaning, t) == OK);
	must(bytes_is_utf8(buf_view(&meaning)));
	must(meaning.len <= t->raw.len);
	must(json_token_is(t, buf_view(&meaning)));
	must(t->escaped || bytes_equal(t->raw, buf_view(&meaning)));
	/* written anew it means the same */
	must(buf_put_json_string(&again, buf_view(&meaning)) == OK);
	json_init(&j, buf_view(&again), JSON_STRICT);
	must(json_next(&j, &t2) == OK && t2.kind == JSON_STRING);
	must(json_token_is(&t2, buf_view(&meaning)));
	must(json_next(&j, &t2) == ERR_END);
	must(buf_put_u8(&meaning, 'x') == OK);
	must(!json_token_is(t, buf_view(&meaning)));
	buf_done(&meaning);
	buf_done(&again);
}

static enum err check_scan(struct bytes text, enum json_option options)
{
	struct json j;
	struct json_token t = {0};
	size_t at = 0;
	uint64_t number;
	enum err e;

	json_init(&j, text, options);
	while (!(e = json_next(&j, &t))) {
		bool is_text = t.kind == JSON_KEY || t.kind == JSON_STRING;
		size_t quote = is_text ? 1 : 0;
		must(t.start >= at && t.end > t.start && t.end <= text.len && t.end == j.at);
		must(t.raw.at == text.at + t.start + quote);
		must(t.raw.len == t.end - t.start - 2 * quote);
		must(t.depth <= JSON_DEPTH_MAX && j.depth <= JSON_DEPTH_MAX);
		if (is_text)
			check_text_token(&t);
		if (json_number_u64(&t, &number) == OK)
			must(t.kind == JSON_NUMBER && t.raw.at[0] != '-');
		at = t.end;
	}
	must(e == ERR_END || e == ERR_BAD || e == ERR_LIMIT);
	must(j.at <= text.len && (e == ERR_END || j.problem));
	must(json_next(&j, &t) == e);

	/* The same by skipping the whole value at once. */
	size_t end = SIZE_MAX;
	enum err e_skip;
	json_init(&j, text, options);
	e_skip = json_next(&j, &t);
	if (!e_skip)
		e_skip = json_skip(&j, &t, &end);
	if (!e_skip) {
		must(end == j.at);
		e_skip = json_next(&j, &t);
	}
	must(e_skip == e);
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char pointer[64] = "";
	struct bytes text = {data, size}, raw, first = bytes_cut(&text, '\n');
	struct json_token t;
	const char *problem = NULL;
	size_t at = SIZE_MAX;
	uint32_t line = 0, column = 0;

	memcpy(pointer, first.at, first.len < sizeof pointer ? first.len : sizeof pointer - 1);
	/* a copy of its own, so that a sanitizer sees a read before its start */
	uint8_t *copy = malloc(text.len ? text.len : 1);
	if (!copy)
		return 0;
	if (text.len)
		memcpy(copy, text.at, text.len);
	text.at = copy;

	enum err e = check_scan(text, JSON_STRICT);
	enum err e_comments = check_scan(text, JSON_COMMENTS);
	must(e != ERR_END || e_comments == ERR_END);
	must(json_check(text, &at, &problem) == (e == ERR_END ? OK : e));
	must(e == ERR_END || (problem && at <= text.len));
	json_position(text, at, &line, &column);
	must(line >= 1 && column >= 1);

	enum err e_find = json_find(text, pointer, &t, &raw);
	must(e_find != ERR_MISSING || *pointer != '/' || e == ERR_END);
	if (!e_find) {
		must(raw.at == text.at + t.start && raw.len >= t.end - t.start);
		must(json_check(raw, NULL, NULL) == OK);
	}
	free(copy);
	return 0;
}
