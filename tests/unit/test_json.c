/* SPDX-License-Identifier: MIT */
#include "wire/json.h"

#include <dirent.h>

#include "tap.h"

#define VECTORS "tests/vectors/json/"

static enum err check(struct bytes text)
{
	return json_check(tap_guarded(text), NULL, NULL);
}

/* The JSONTestSuite: y_ must be accepted, n_ must be rejected, i_ is ours to decide. */

static void every_vector_is_accepted_or_rejected_as_it_must_be(void)
{
	DIR *dir = opendir(VECTORS);
	unsigned accepted = 0, rejected = 0;
	struct dirent *entry;
	char path[512];

	CHECK(dir != NULL);
	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		if ((name[0] != 'y' && name[0] != 'n') || name[1] != '_')
			continue;
		snprintf(path, sizeof path, VECTORS "%s", name);
		struct buf text = tap_file(path);
		enum err e = check(buf_view(&text));
		if (name[0] == 'y' ? e != OK : e != ERR_BAD && e != ERR_LIMIT)
			tap_fail(__FILE__, __LINE__, "%s gives %s", name, err_name(e));
		accepted += name[0] == 'y';
		rejected += name[0] == 'n';
		buf_done(&text);
	}
	if (dir)
		closedir(dir);
	CHECK_U64(accepted, 95);
	CHECK_U64(rejected, 188);
}

static void what_the_standard_leaves_open_is_decided_as_documented_here(void)
{
	static const struct {
		const char *file;
		enum err expected;
	} decided[] = {
		/* Numbers are not converted: any size and exponent is a number. */
		{"i_number_double_huge_neg_exp", OK},
		{"i_number_huge_exp", OK},
		{"i_number_neg_int_huge_exp", OK},
		{"i_number_pos_double_huge_exp", OK},
		{"i_number_real_neg_overflow", OK},
		{"i_number_real_pos_overflow", OK},
		{"i_number_real_underflow", OK},
		{"i_number_too_big_neg_int", OK},
		{"i_number_too_big_pos_int", OK},
		{"i_number_very_big_negative_int", OK},
		/* Lone surrogate escapes follow the grammar; they mean U+FFFD. */
		{"i_object_key_lone_2nd_surrogate", OK},
		{"i_string_1st_surrogate_but_2nd_missing", OK},
		{"i_string_1st_valid_surrogate_2nd_invalid", OK},
		{"i_string_incomplete_surrogate_and_escape_valid", OK},
		{"i_string_incomplete_surrogate_pair", OK},
		{"i_string_incomplete_surrogates_escape_valid", OK},
		{"i_string_invalid_lonely_surrogate", OK},
		{"i_string_invalid_surrogate", OK},
		{"i_string_inverted_surrogates_U+1D11E", OK},
		{"i_string_lone_second_surrogate", OK},
		/* The text itself is UTF-8, well-formed, without a byte-order mark. */
		{"i_string_UTF-16LE_with_BOM", ERR_BAD},
		{"i_string_UTF-8_invalid_sequence", ERR_BAD},
		{"i_string_UTF8_surrogate_U+D800", ERR_BAD},
		{"i_string_invalid_utf-8", ERR_BAD},
		{"i_string_iso_latin_1", ERR_BAD},
		{"i_string_lone_utf8_continuation_byte", ERR_BAD},
		{"i_string_not_in_unicode_range", ERR_BAD},
		{"i_string_overlong_sequence_2_bytes", ERR_BAD},
		{"i_string_overlong_sequence_6_bytes", ERR_BAD},
		{"i_string_overlong_sequence_6_bytes_null", ERR_BAD},
		{"i_string_truncated-utf-8", ERR_BAD},
		{"i_string_utf16BE_no_BOM", ERR_BAD},
		{"i_string_utf16LE_no_BOM", ERR_BAD},
		{"i_structure_UTF-8_BOM_empty_object", ERR_BAD},
		/* Below JSON_DEPTH_MAX. */
		{"i_structure_500_nested_arrays", OK},
	};
	char path[512];
	unsigned left_open = 0;
	struct dirent *entry;
	DIR *dir = opendir(VECTORS);

	for (size_t i = 0; i < sizeof decided / sizeof decided[0]; i++) {
		snprintf(path, sizeof path, VECTORS "%s.json", decided[i].file);
		struct buf text = tap_file(path);
		enum err e = check(buf_view(&text));
		if (e != decided[i].expected)
			tap_fail(__FILE__, __LINE__, "%s gives %s", decided[i].file, err_name(e));
		buf_done(&text);
	}
	while (dir && (entry = readdir(dir)))
		left_open += entry->d_name[0] == 'i';
	if (dir)
		closedir(dir);
	CHECK_U64(left_open, sizeof decided / sizeof decided[0]);
}

/* One line per token: kind, depth, start-end, raw. */
static void describe(struct bytes text, enum json_option options, struct buf *ret_lines)
{
	static const char kinds[] = "{}[]k\"#tfn";
	struct json j;
	struct json_token t;
	char line[256];
	enum err e;

	json_init(&j, text, options);
	while (!(e = json_next(&j, &t))) {
		CHECK(t.start < t.end && t.end == j.at);
		snprintf(line, sizeof line, "%c%u %zu-%zu %s%.*s\n", kinds[t.kind], t.depth,
			 t.start, t.end, t.escaped ? "\\" : "", (int)t.raw.len,
			 (const char *)t.raw.at);
		CHECK_ERR(buf_put_str(ret_lines, line), OK);
	}
	CHECK_ERR(buf_put_str(ret_lines, err_name(e)), OK);
	CHECK_ERR(json_next(&j, &t), e);
}

static void check_tokens(struct bytes text, enum json_option options, const char *expected)
{
	struct buf lines = {0};

	describe(tap_guarded(text), options, &lines);
	CHECK_BYTES(buf_view(&lines), expected);
	buf_done(&lines);
}

static void tokens_say_where_they_stand_and_how_deep(void)
{
	check_tokens(BYTES(" {\"a\" : [1, -2.5e+3,\"x\\n\"],\"b\":{}} "), JSON_STRICT,
		     "{0 1-2 {\n"
		     "k1 2-5 a\n"
		     "[1 8-9 [\n"
		     "#2 9-10 1\n"
		     "#2 12-19 -2.5e+3\n"
		     "\"2 20-25 \\x\\n\n"
		     "]1 25-26 ]\n"
		     "k1 27-30 b\n"
		     "{1 31-32 {\n"
		     "}1 32-33 }\n"
		     "}0 33-34 }\n"
		     "ERR_END");
	check_tokens(BYTES("[true,false,null,[]]"), JSON_STRICT,
		     "[0 0-1 [\nt1 1-5 true\nf1 6-11 false\nn1 12-16 null\n[1 17-18 [\n]1 18-19 ]\n"
		     "]0 19-20 ]\nERR_END");
	check_tokens(BYTES("\"\""), JSON_STRICT, "\"0 0-2 \nERR_END");
	check_tokens(BYTES("0"), JSON_STRICT, "#0 0-1 0\nERR_END");
	check_tokens(BYTES("[1,]"), JSON_STRICT, "[0 0-1 [\n#1 1-2 1\nERR_BAD");
}

/* `space` that many times, between all tokens of a text. */
static void put_spaced(struct buf *text, uint8_t space, size_t count)
{
	static const char *const tokens[] = {"{", "\"a\"", ":", "[", "1", ",", "true", "]", "}"};

	for (size_t i = 0; i <= sizeof tokens / sizeof tokens[0]; i++) {
		for (size_t k = 0; k < count; k++)
			CHECK_ERR(buf_put_u8(text, space), OK);
		if (i < sizeof tokens / sizeof tokens[0])
			CHECK_ERR(buf_put_str(text, tokens[i]), OK);
	}
}

static void white_space_of_any_length_is_passed_over_and_nothing_else(void)
{
	static const uint8_t spaces[] = {' ', '\n', '\r', '\t'},
			     others[] = {0, 1, 0x0B, 0x0C, 0x1F, 0x7F, 0x80, 0xA0};
	struct buf text = {0};

	for (size_t count = 0; count <= 70; count++)
		for (size_t i = 0; i < sizeof spaces; i++) {
			buf_reset(&text);
			put_spaced(&text, spaces[i], count);
			CHECK_ERR(check(tap_guarded(buf_view(&text))), OK);
			/* One other byte in the run, or at its end, is an error where it stands. */
			for (size_t k = 0; k < sizeof others && count; k++) {
				size_t at = count / 2, where = SIZE_MAX;
				uint8_t kept = text.at[at];
				text.at[at] = others[k];
				CHECK_ERR(json_check(tap_guarded(buf_view(&text)), &where, NULL),
					  ERR_BAD);
				CHECK_U64(where, at);
				text.at[at] = kept;
				text.at[text.len - 1] = others[k];
				CHECK_ERR(json_check(tap_guarded(buf_view(&text)), &where, NULL),
					  ERR_BAD);
				CHECK_U64(where, text.len - 1);
				text.at[text.len - 1] = spaces[i];
			}
		}
	buf_done(&text);
}

static void a_number_or_word_that_goes_on_is_no_token_at_all(void)
{
	static const char *const texts[] = {"01",   "1a",    "1.5.1", "1\"\"",
					    "-0x1", "truex", "nul",   "fals\xC3\xA9",
					    "1-1",  "1:",    "1{",    "null["};
	struct json j;
	struct json_token t;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		json_init(&j, tap_guarded(bytes_str(texts[i])), JSON_STRICT);
		if (json_next(&j, &t) != ERR_BAD)
			tap_fail(__FILE__, __LINE__, "%s has a token", texts[i]);
	}
}

static void an_error_says_where_and_what_was_expected(void)
{
	static const struct {
		const char *text;
		size_t at;
		const char *problem;
	} cases[] = {
		{"", 0, "a value was expected"},
		{"  ", 2, "a value was expected"},
		{"[1 2]", 3, "a comma or ] was expected"},
		{"[1", 2, "a comma or ] was expected"},
		{"[1,]", 3, "a value was expected"},
		{"[", 1, "a value was expected"},
		{"{\"a\":1 \"b\":2}", 7, "a comma or } was expected"},
		{"{\"a\" 1}", 5, "a colon was expected"},
		{"{\"a\"", 4, "a colon was expected"},
		{"{\"a\":", 5, "a value was expected"},
		{"{\"a\":1,}", 7, "a name in quotes was expected"},
		{"{a:1}", 1, "a name in quotes was expected"},
		{"{", 1, "a name in quotes was expected"},
		{"{]", 1, "a name in quotes was expected"},
		{"[}", 1, "a value was expected"},
		{"\"abc", 0, "the string does not end"},
		{"[\"abc\\", 5, "no such escape"},
		{"\"a\\x\"", 2, "no such escape"},
		{"\"\\u12G4\"", 1, "no such escape"},
		{"\"\\u123\"", 1, "no such escape"},
		{"\"a\nb\"", 2, "a control character in a string must be escaped"},
		{"\"a\x80\"", 2, "the string is not UTF-8"},
		{"-", 1, "a digit was expected"},
		{"1.", 2, "a digit was expected after the point"},
		{"1e+", 3, "a digit was expected in the exponent"},
		{"01", 1, "the number is malformed"},
		{"tru", 0, "a value was expected"},
		{"1 1", 2, "nothing may follow the value"},
		{"/**/1", 0, "a value was expected"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t at = SIZE_MAX;
		const char *problem = NULL;
		CHECK_ERR(json_check(tap_guarded(bytes_str(cases[i].text)), &at, &problem),
			  ERR_BAD);
		CHECK_U64(at, cases[i].at);
		CHECK_STR(problem, cases[i].problem);
	}
}

static void comments_are_white_space_where_they_are_allowed(void)
{
	static const struct {
		const char *text;
		enum err expected;
	} cases[] = {
		{"//\n1", ERR_END},
		{"1//", ERR_END},
		{"1/**/", ERR_END},
		{"/* a */[/*b*/1/*c*/,//d\n2]// e", ERR_END},
		{"{/**/\"a\"/**/:/**/1/**/}/***/", ERR_END},
		{"/* \xC3\xA9 */true", ERR_END},
		{"// only", ERR_BAD},
		{"1/", ERR_BAD},
		{"1/*", ERR_BAD},
		{"1/*/", ERR_BAD},
		{"1 /* * /", ERR_BAD},
		{"/x/1", ERR_BAD},
		{"# x\n1", ERR_BAD},
		{"1/*\xFF*/", ERR_BAD},
		{"1//\xC3", ERR_BAD},
		{"tr/**/ue", ERR_BAD},
		{"[1,/**/]", ERR_BAD}, /* no trailing commas either */
	};
	struct json j;
	struct json_token t;
	enum err e;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_init(&j, tap_guarded(bytes_str(cases[i].text)), JSON_COMMENTS);
		while (!(e = json_next(&j, &t)))
			;
		if (e != cases[i].expected)
			tap_fail(__FILE__, __LINE__, "%s gives %s", cases[i].text, err_name(e));
	}
	check_tokens(BYTES("/*1*/\"/*2*/\"//3"), JSON_COMMENTS, "\"0 5-12 /*2*/\nERR_END");
}

/* depth times `open`, then `middle`, then depth times `close`. */
static struct buf nested(size_t depth, const char *open, const char *middle, const char *close)
{
	struct buf text = {0};

	for (size_t i = 0; i < depth; i++)
		CHECK_ERR(buf_put_str(&text, open), OK);
	CHECK_ERR(buf_put_str(&text, middle), OK);
	for (size_t i = 0; i < depth; i++)
		CHECK_ERR(buf_put_str(&text, close), OK);
	return text;
}

static void nesting_ends_at_the_limit(void)
{
	static const struct {
		const char *open, *middle, *close;
	} shapes[] = {{"[", "", "]"}, {"{\"a\":", "1", "}"}, {"[{\"a\":", "1", "}]"}};

	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		size_t each = i == 2 ? 2 : 1, at = 0;
		const char *problem = NULL;
		struct buf text = nested(JSON_DEPTH_MAX / each, shapes[i].open, shapes[i].middle,
					 shapes[i].close);
		CHECK_ERR(check(buf_view(&text)), OK);
		struct buf one_more = {0};
		CHECK_ERR(buf_put_str(&one_more, "["), OK);
		CHECK_ERR(buf_put(&one_more, buf_view(&text)), OK);
		CHECK_ERR(buf_put_str(&one_more, "]"), OK);
		CHECK_ERR(json_check(buf_view(&one_more), &at, &problem), ERR_LIMIT);
		CHECK_STR(problem, "nested too deeply");
		CHECK(at < one_more.len && (one_more.at[at] == '[' || one_more.at[at] == '{'));
		struct json j;
		struct json_token t;
		enum err e;
		json_init(&j, buf_view(&one_more), JSON_STRICT);
		while (!(e = json_next(&j, &t)))
			;
		CHECK_ERR(e, ERR_LIMIT);
		CHECK_ERR(json_next(&j, &t), ERR_LIMIT);
		buf_done(&text);
		buf_done(&one_more);
	}
}

static void a_failed_call_leaves_the_token_alone(void)
{
	struct json_token t = {.start = 4711}, before = t;
	struct json j;

	json_init(&j, BYTES("\"x"), JSON_STRICT);
	CHECK_ERR(json_next(&j, &t), ERR_BAD);
	CHECK(memcmp(&t, &before, sizeof t) == 0);
}

/* What the string scanner does in words, done byte by byte. */
static bool is_plain_string(struct bytes inner)
{
	for (size_t i = 0; i < inner.len; i++)
		if (inner.at[i] < 0x20 || inner.at[i] == '"' || inner.at[i] == '\\')
			return false;
	return bytes_is_utf8(inner);
}

static void every_byte_counts_at_every_place_of_a_string(void)
{
	uint8_t text[128];

	for (size_t len = 1; len <= 100; len += len < 36 ? 1 : 13) {
		for (size_t at = 0; at < len; at++) {
			for (unsigned byte = 0; byte < 256; byte++) {
				memset(text, 'x', sizeof text);
				text[0] = text[len + 1] = '"';
				text[1 + at] = (uint8_t)byte;
				struct bytes whole = bytes_of(text, len + 2);
				bool plain = is_plain_string(bytes_slice(whole, 1, len));
				if ((json_check(whole, NULL, NULL) == OK) != plain)
					tap_fail(__FILE__, __LINE__, "byte %u at %zu of %zu", byte,
						 at, len);
			}
		}
	}
}

static void strings_take_exactly_the_well_formed_utf8_sequences(void)
{
	/* every lead byte with the tails at and around each boundary */
	static const uint8_t tails[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90,
					0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
	const size_t n = sizeof tails;
	uint8_t text[6] = {'"'};
	unsigned valid = 0;

	for (unsigned lead = 0x80; lead < 0x100; lead++) {
		for (size_t i = 0; i < n * n * n; i++) {
			text[1] = (uint8_t)lead;
			text[2] = tails[i % n];
			text[3] = tails[i / n % n];
			text[4] = tails[i / n / n];
			for (size_t len = 1; len <= 4; len++) {
				uint8_t saved = text[1 + len];
				text[1 + len] = '"';
				struct bytes whole = bytes_of(text, len + 2);
				bool plain = is_plain_string(bytes_slice(whole, 1, len));
				valid += plain;
				if ((json_check(whole, NULL, NULL) == OK) != plain)
					tap_fail(__FILE__, __LINE__,
						 "%02x %02x %02x %02x, %zu long", lead, text[2],
						 text[3], text[4], len);
				text[1 + len] = saved;
			}
		}
	}
	CHECK(valid > 1000);
}

static void no_part_of_a_text_is_a_text(void)
{
	struct bytes text = BYTES(
		"{\"k\\u00e9y\":[1.5e3,\"a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\\n\","
		"true,false,null,{\"b\":-0}]}");

	CHECK_ERR(check(text), OK);
	for (size_t len = 0; len < text.len; len++)
		CHECK_ERR(check(bytes_slice(text, 0, len)), ERR_BAD);
}

static void skipping_ends_behind_the_value(void)
{
	struct bytes text = BYTES("{\"a\":{\"b\":[1,{\"c\":2}],\"d\":3},\"e\":\"f\",\"g\":[]}");
	struct json j;
	struct json_token t, key;
	size_t end = 0;

	json_init(&j, text, JSON_STRICT);
	CHECK_ERR(json_next(&j, &t), OK);
	CHECK_ERR(json_next(&j, &key), OK);
	CHECK_ERR(json_skip(&j, &key, &end), OK); /* a key: its value */
	CHECK_U64(end, 28);
	CHECK_ERR(json_next(&j, &key), OK);
	CHECK_BYTES(key.raw, "e");
	CHECK_ERR(json_next(&j, &t), OK);
	CHECK_ERR(json_skip(&j, &t, &end), OK); /* a scalar: nothing to do */
	CHECK_U64(end, t.end);
	CHECK_ERR(json_next(&j, &key), OK);
	CHECK_BYTES(key.raw, "g");
	CHECK_ERR(json_next(&j, &t), OK);
	CHECK_ERR(json_skip(&j, &t, &end), OK); /* a container */
	CHECK_U64(end, text.len - 1);
	CHECK_ERR(json_skip(&j, &t, &end), ERR_STATE); /* left behind */
	CHECK_ERR(json_next(&j, &t), OK);
	CHECK(t.kind == JSON_OBJECT_END);
	CHECK_ERR(json_next(&j, &t), ERR_END);

	/* from inside, out of a container that was entered */
	json_init(&j, text, JSON_STRICT);
	CHECK_ERR(json_next(&j, &t), OK);
	CHECK_ERR(json_next(&j, &key), OK);
	CHECK_ERR(json_next(&j, &key), OK);
	CHECK_ERR(json_skip(&j, &t, &end), OK);
	CHECK_U64(end, text.len);
	CHECK_ERR(json_next(&j, &t), ERR_END);

	end = 4711;
	json_init(&j, BYTES("[1,x]"), JSON_STRICT);
	CHECK_ERR(json_next(&j, &t), OK);
	CHECK_ERR(json_skip(&j, &t, &end), ERR_BAD);
	CHECK_U64(end, 4711);
}

/* The first string or key in `text` (which is a whole JSON text). */
static struct json_token text_token(struct bytes text)
{
	struct json j;
	struct json_token t;

	json_init(&j, text, JSON_STRICT);
	CHECK_ERR(json_next(&j, &t), OK);
	CHECK(t.kind == JSON_STRING);
	return t;
}

#define FFFD "\xEF\xBF\xBD"

static const struct {
	const char *text, *meaning;
} strings[] = {
	{"\"\"", ""},
	{"\"plain\"", "plain"},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
	{"\"a\\nb\\n\"", "a\nb\n"},
	{"\"\\u0041\\u00e9\\u20AC\"", "A\xC3\xA9\xE2\x82\xAC"},
	{"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", "\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF"},
	{"\"\\ud834\\udd1e\"", "\xF0\x9D\x84\x9E"},
	{"\"\\uD800\\uDC00\\uDBFF\\uDFFF\"", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"},
	{"\"\\ud834\"", FFFD},
	{"\"\\ud834x\"", FFFD "x"},
	{"\"\\ud834\\n\"", FFFD "\n"},
	{"\"\\ud834\\u0041\"", FFFD "A"},
	{"\"\\ud834\\ud834\\udd1e\"", FFFD "\xF0\x9D\x84\x9E"},
	{"\"\\udd1e\\ud834\"", FFFD FFFD},
	{"\"\\udd1e\\udd1e\"", FFFD FFFD},
	{"\"\\\\u0041\"", "\\u0041"},
	{"\"\xC3\xA9\\t\xF0\x9F\x98\x80\"", "\xC3\xA9\t\xF0\x9F\x98\x80"},
};

static void escapes_are_resolved(void)
{
	for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
		struct json_token t = text_token(tap_guarded(bytes_str(strings[i].text)));
		struct bytes meaning = bytes_str(strings[i].meaning);
		struct buf out = {0};
		CHECK_ERR(buf_put_str(&out, "before "), OK);
		CHECK_ERR(json_put_unescaped(&out, &t), OK);
		CHECK_BYTES(bytes_from(buf_view(&out), 7), strings[i].meaning);
		CHECK(json_token_is(&t, meaning));
		/* not a part of it, and not something longer or changed */
		if (meaning.len) {
			CHECK(!json_token_is(&t, bytes_slice(meaning, 0, meaning.len - 1)));
			CHECK(!json_token_is(&t, BYTES_NONE));
			buf_reset(&out);
			CHECK_ERR(buf_put(&out, meaning), OK);
			out.at[meaning.len - 1] ^= 1;
			CHECK(!json_token_is(&t, buf_view(&out)));
		}
		buf_reset(&out);
		CHECK_ERR(buf_put(&out, meaning), OK);
		CHECK_ERR(buf_put_u8(&out, 'x'), OK);
		CHECK(!json_token_is(&t, buf_view(&out)));
		buf_done(&out);
	}
}

static void an_escaped_nul_is_a_byte_like_any_other(void)
{
	struct json_token t = text_token(BYTES("\"a\\u0000b\""));
	struct buf out = {0};

	CHECK(json_token_is(&t, BYTES("a\0b")));
	CHECK(!json_token_is(&t, BYTES("a")));
	CHECK_ERR(json_put_unescaped(&out, &t), OK);
	CHECK(bytes_equal(buf_view(&out), BYTES("a\0b")));
	buf_done(&out);
}

static void only_keys_and_strings_have_text(void)
{
	struct json j;
	struct json_token t;
	struct buf out = {0};

	json_init(&j, BYTES("12"), JSON_STRICT);
	CHECK_ERR(json_next(&j, &t), OK);
	CHECK(!json_token_is(&t, BYTES("12")));
	CHECK_ERR(json_put_unescaped(&out, &t), ERR_BAD);
	CHECK_U64(out.len, 0);
	buf_done(&out);
}

static void unescaping_is_all_or_nothing(void)
{
	struct json_token t = text_token(BYTES("\"abc\\ndefg\\u0041\""));
	struct buf out = {.max = 12};

	CHECK_ERR(buf_put_str(&out, "123"), OK); /* and 9 more are exactly the limit */
	CHECK_ERR(json_put_unescaped(&out, &t), OK);
	CHECK_BYTES(buf_view(&out), "123abc\ndefgA");
	out.len = 4;
	CHECK_ERR(json_put_unescaped(&out, &t), ERR_LIMIT);
	CHECK_BYTES(buf_view(&out), "123a");
	buf_done(&out);
}

static void unescaping_survives_each_failing_allocation(void)
{
	struct buf text = nested(300, "\\n", "x", "y\\t");
	struct json_token t = {.kind = JSON_STRING, .escaped = true, .raw = buf_view(&text)};

	for (unsigned long n = 1;; n++) {
		struct buf out = {0};
		tap_fail_allocation(n);
		enum err e = json_put_unescaped(&out, &t);
		tap_fail_allocation(0);
		CHECK_U64(out.len, e ? 0 : 901);
		buf_done(&out);
		if (!e) {
			CHECK(n > 1);
			break;
		}
		CHECK_ERR(e, ERR_NOMEM);
	}
	buf_done(&text);
}

static void scanning_never_allocates(void)
{
	struct json_token t;
	struct bytes raw;

	tap_allocations();
	CHECK_ERR(json_check(BYTES("{\"a\":[1,\"\\u0041\"]}"), NULL, NULL), OK);
	CHECK_ERR(json_find(BYTES("{\"a\":[1,\"\\u0041\"]}"), "/a/1", &t, &raw), OK);
	CHECK(json_token_is(&t, BYTES("A")));
	CHECK_U64(tap_allocations(), 0);
}

static void counts_are_read_in_every_notation(void)
{
	static const struct {
		const char *text;
		enum err expected;
		uint64_t value;
	} cases[] = {
		{"0", OK, 0},
		{"7", OK, 7},
		{"12.0", OK, 12},
		{"12.000e0", OK, 12},
		{"1e3", OK, 1000},
		{"1E+3", OK, 1000},
		{"1.5e1", OK, 15},
		{"1.50e1", OK, 15},
		{"1.25e1", ERR_BAD, 0},
		{"1200e-2", OK, 12},
		{"1200e-3", ERR_BAD, 0},
		{"0.0", OK, 0},
		{"0.5", ERR_BAD, 0},
		{"0.0e99999999999999999999999", OK, 0},
		{"0e-99999999999999999999999", OK, 0},
		{"1e99999999999999999999999", ERR_BAD, 0},
		{"1e-99999999999999999999999", ERR_BAD, 0},
		{"0.00000000000000000000000000001e29", OK, 1},
		{"100000000000000000000000000000e-29", OK, 1},
		{"18446744073709551615", OK, UINT64_MAX},
		{"18446744073709551615.0", OK, UINT64_MAX},
		{"1844674407370955161500e-2", OK, UINT64_MAX},
		{"18446744073709551616", ERR_BAD, 0},
		{"1e19", OK, UINT64_C(10000000000000000000)},
		{"2e19", ERR_BAD, 0},
		{"1e20", ERR_BAD, 0},
		{"-1", ERR_BAD, 0},
		{"-0", ERR_BAD, 0},
		{"\"7\"", ERR_BAD, 0},
		{"true", ERR_BAD, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct json j;
		struct json_token t;
		uint64_t value = 4711;
		json_init(&j, tap_guarded(bytes_str(cases[i].text)), JSON_STRICT);
		CHECK_ERR(json_next(&j, &t), OK);
		enum err e = json_number_u64(&t, &value);
		if (e != cases[i].expected || value != (e ? 4711 : cases[i].value))
			tap_fail(__FILE__, __LINE__, "%s gives %s, %llu", cases[i].text,
				 err_name(e), (unsigned long long)value);
	}
}

static void a_pointer_finds_its_value(void)
{
	static const char document[] =
		"{\"a\":1,\"b\":{\"c\":[10,{\"d\":\"x\"},[[30]]],\"\":\"empty\"},\"a\":2,"
		"\"k\\u0065y\":true,\"b\":{\"late\":5},\"s\":\"t\",\"0\":\"zero\",\"e\":[],\"x/"
		"y\":3}";
	static const struct {
		const char *pointer, *raw; /* NULL: ERR_MISSING */
	} cases[] = {
		{"", document},
		{"/a", "1"}, /* the first of two */
		{"/b/c", "[10,{\"d\":\"x\"},[[30]]]"},
		{"/b/c/0", "10"},
		{"/b/c/1", "{\"d\":\"x\"}"},
		{"/b/c/1/d", "\"x\""},
		{"/b/c/2/0/0", "30"},
		{"/b/", "\"empty\""},
		{"/b/late", "5"}, /* only the second b has it */
		{"/key", "true"}, /* escapes are resolved */
		{"/0", "\"zero\""},
		{"/e", "[]"},
		{"/nothing", NULL},
		{"/", NULL},
		{"a", NULL},
		{"/a/0", NULL},
		{"/b/c/3", NULL},
		{"/b/c/00", NULL},
		{"/b/c/01", NULL},
		{"/b/c/-1", NULL},
		{"/b/c/-", NULL},
		{"/b/c/", NULL},
		{"/b/c/18446744073709551615", NULL},
		{"/b/c/18446744073709551616", NULL},
		{"/b/c/1/d/0", NULL},
		{"/b/c/2/0/0/0", NULL},
		{"/b/c/2/1", NULL},
		{"/e/0", NULL},
		{"/s/t", NULL},
		{"/x/y", NULL},
		{"/b/c/1/d/", NULL},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes text = tap_guarded(bytes_str(document)), raw = BYTES_NONE;
		struct json_token t = {.start = 4711};
		enum err e = json_find(text, cases[i].pointer, &t, &raw);
		if (e != (cases[i].raw ? OK : ERR_MISSING) ||
		    !bytes_equal(raw, bytes_str(cases[i].raw)))
			tap_fail(__FILE__, __LINE__, "\"%s\" gives %s, %.*s", cases[i].pointer,
				 err_name(e), (int)raw.len, (const char *)raw.at);
		CHECK(e ? t.start == 4711 : text.at + t.start == raw.at);
		CHECK_ERR(json_find(text, cases[i].pointer, &t, NULL), e);
	}
}

static void a_search_takes_the_step_back_that_arrays_need(void)
{
	struct json_token t;
	struct bytes raw;

	/* the first match of /1/a is in the second element; the first "x" leads nowhere */
	CHECK_ERR(json_find(BYTES("[{\"a\":0},{\"b\":[1],\"a\":2},{\"a\":3}]"), "/1/a", &t, &raw),
		  OK);
	CHECK_BYTES(raw, "2");
	CHECK_ERR(json_find(BYTES("[[1,[2]],[3,[4]]]"), "/0/1/1", &t, &raw), ERR_MISSING);
	CHECK_ERR(json_find(BYTES("{\"x\":[[1],[2]],\"x\":[[3],[4,5]]}"), "/x/1/1", &t, &raw), OK);
	CHECK_BYTES(raw, "5");
	CHECK_ERR(json_find(BYTES("{\"x\":7,\"x\":{\"y\":8}}"), "/x/y", &t, &raw), OK);
	CHECK_BYTES(raw, "8");
	/* the third element is not the second, although the second had one element */
	CHECK_ERR(json_find(BYTES("[[0],[7],[1,2,3,4]]"), "/1/3", &t, &raw), ERR_MISSING);
	CHECK_ERR(json_find(BYTES("7"), "/x", &t, &raw), ERR_MISSING);
}

static void a_search_looks_at_all_that_stands_before_the_end_of_the_match(void)
{
	struct json_token t;
	struct bytes raw;

	CHECK_ERR(json_find(BYTES("{\"a\":1,]"), "/a", &t, &raw), OK); /* after: not looked at */
	CHECK_ERR(json_find(BYTES("{\"z\":[1,],\"a\":1}"), "/a", &t, &raw), ERR_BAD);
	CHECK_ERR(json_find(BYTES("{\"a\":[1,]}"), "/a", &t, NULL), ERR_BAD);
	CHECK_ERR(json_find(BYTES("{\"b\":1} x"), "/a", &t, &raw), ERR_BAD);
	CHECK_ERR(json_find(BYTES("{\"b\":1"), "/a", &t, &raw), ERR_BAD);
	CHECK_ERR(json_find(BYTES("7 7"), "/a", &t, &raw), ERR_BAD);
	CHECK_ERR(json_find(BYTES(""), "", &t, &raw), ERR_BAD);
	struct buf deep = nested(JSON_DEPTH_MAX + 1, "[", "", "]");
	CHECK_ERR(json_find(buf_view(&deep), "/1", &t, &raw), ERR_LIMIT);
	buf_done(&deep);
	deep = nested(JSON_DEPTH_MAX, "[", "", "]");
	CHECK_ERR(json_find(buf_view(&deep), "/1", &t, &raw), ERR_MISSING);
	struct buf pointer = nested(JSON_DEPTH_MAX - 1, "/0", "", "");
	CHECK_ERR(buf_put_u8(&pointer, 0), OK);
	CHECK_ERR(json_find(buf_view(&deep), (const char *)pointer.at, &t, &raw), OK);
	CHECK_BYTES(raw, "[]");
	buf_done(&pointer);
	buf_done(&deep);
}

static void a_position_is_a_line_and_a_column(void)
{
	static const struct {
		size_t at;
		uint32_t line, column;
	} cases[] = {{0, 1, 1}, {1, 1, 2}, {2, 1, 3}, {3, 2, 1},
		     {4, 3, 1}, {5, 3, 2}, {6, 3, 3}, {99, 3, 3}};
	uint32_t line, column;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_position(tap_guarded(BYTES("ab\n\ncd")), cases[i].at, &line, &column);
		CHECK_U64(line, cases[i].line);
		CHECK_U64(column, cases[i].column);
	}
	json_position(BYTES_NONE, 0, &line, &column);
	CHECK(line == 1 && column == 1);
}

int main(void)
{
	RUN_TESTS(TEST(every_vector_is_accepted_or_rejected_as_it_must_be),
		  TEST(what_the_standard_leaves_open_is_decided_as_documented_here),
		  TEST(tokens_say_where_they_stand_and_how_deep),
		  TEST(white_space_of_any_length_is_passed_over_and_nothing_else),
		  TEST(a_number_or_word_that_goes_on_is_no_token_at_all),
		  TEST(an_error_says_where_and_what_was_expected),
		  TEST(comments_are_white_space_where_they_are_allowed),
		  TEST(nesting_ends_at_the_limit), TEST(a_failed_call_leaves_the_token_alone),
		  TEST(every_byte_counts_at_every_place_of_a_string),
		  TEST(strings_take_exactly_the_well_formed_utf8_sequences),
		  TEST(no_part_of_a_text_is_a_text), TEST(skipping_ends_behind_the_value),
		  TEST(escapes_are_resolved), TEST(an_escaped_nul_is_a_byte_like_any_other),
		  TEST(only_keys_and_strings_have_text), TEST(unescaping_is_all_or_nothing),
		  TEST(unescaping_survives_each_failing_allocation), TEST(scanning_never_allocates),
		  TEST(counts_are_read_in_every_notation), TEST(a_pointer_finds_its_value),
		  TEST(a_search_takes_the_step_back_that_arrays_need),
		  TEST(a_search_looks_at_all_that_stands_before_the_end_of_the_match),
		  TEST(a_position_is_a_line_and_a_column));
}
