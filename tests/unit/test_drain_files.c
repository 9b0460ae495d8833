/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drain/dead.h"
#include "drain/status.h"
#include "tap.h"

static struct dead_letter letter(const char *id)
{
	struct dead_letter d = {.offset = 77,
				.sequence = 3,
				.time_ns = 1764500000000000000ull,
				.since_ns = 1764500001000000000ull,
				.refusals = 5,
				.cursor_hex = BYTES("00fe"),
				.reason = "400: \"no such field\" \xC3\xA9"};

	strcpy(d.id, id);
	memset(d.segment_id, 0xA7, sizeof d.segment_id);
	return d;
}

static bool same(const struct dead_letter *a, const struct dead_letter *b)
{
	return strcmp(a->id, b->id) == 0 && memcmp(a->segment_id, b->segment_id, 16) == 0 &&
	       a->offset == b->offset && a->sequence == b->sequence && a->time_ns == b->time_ns &&
	       a->since_ns == b->since_ns && a->refusals == b->refusals &&
	       strcmp(a->reason, b->reason) == 0 && bytes_equal(a->cursor_hex, b->cursor_hex);
}

static char *scratch(const char *name)
{
	static char directory[64], path[128];

	if (!directory[0]) {
		strcpy(directory, "/tmp/aigw-test-XXXXXX");
		CHECK(mkdtemp(directory));
	}
	if (!name) {
		rmdir(directory);
		return NULL;
	}
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static void a_dead_letter_is_read_as_it_was_written(void)
{
	struct dead_letter d = letter("01J\"\\x"), back;
	struct buf line = {0};

	CHECK_ERR(dead_put(&line, &d), OK);
	CHECK_U64(line.at[line.len - 1], '\n');
	CHECK_ERR(dead_parse(bytes_slice(buf_view(&line), 0, line.len - 1), &back), OK);
	CHECK(same(&d, &back));
	line.len = 0;
	CHECK_ERR(dead_cursor(&d, &line), OK);
	CHECK_U64(line.len, 2);
	CHECK(line.at[0] == 0 && line.at[1] == 0xFE);
	buf_done(&line);
}

static void a_line_that_is_none_is_refused(void)
{
#define WITH(id, segment, offset)                                                                  \
	"{\"id\":" id ",\"segment\":\"" segment "\",\"offset\":" offset                            \
	",\"sequence\":1,\"time_unix_nano\":1,\"since_unix_nano\":1,\"refusals\":1,"               \
	"\"cursor\":\"0a\",\"reason\":\"r\""
#define HEX "00112233445566778899aabbccddeeff"
	static const struct {
		const char *line;
		enum err e;
	} cases[] = {
		{WITH("\"a\"", HEX, "1") "}", OK},
		{WITH("\"a\"", HEX, "1") ",\"later\":{\"x\":[1]}}", OK},
		{WITH("\"a\"", HEX, "1"), ERR_BAD},
		{WITH("\"a\"", HEX, "1") "}}", ERR_BAD},
		{WITH("\"\"", HEX, "1") "}", ERR_BAD},
		{WITH("\"a\\u0000b\"", HEX, "1") "}", ERR_BAD},
		{WITH("7", HEX, "1") "}", ERR_BAD},
		{WITH("\"a\"", "0011", "1") "}", ERR_BAD},
		{WITH("\"a\"", "Z0112233445566778899aabbccddeeff", "1") "}", ERR_BAD},
		{WITH("\"a\"", HEX, "-1") "}", ERR_BAD},
		{WITH("\"a\"", HEX, "18446744073709551616") "}", ERR_BAD},
		{WITH("\"a\"", HEX, "1") ",\"id\":\"b\"}", ERR_BAD},
		{WITH("\"a\"", HEX, "1,\"cursor\":\"0\"") "}", ERR_BAD},
		{WITH("\"a\"", HEX, "1,\"cursor\":\"0G\"") "}", ERR_BAD},
		{"{\"id\":\"a\"}", ERR_BAD},
		{"[]", ERR_BAD},
		{"", ERR_BAD},
		{"{", ERR_BAD},
	};
	struct dead_letter d;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK_ERR(dead_parse(tap_guarded(bytes_str(cases[i].line)), &d), cases[i].e);
	char *large = calloc(1, DEAD_LINE_MAX + 1);
	memset(large, ' ', DEAD_LINE_MAX + 1);
	memcpy(large, cases[0].line, strlen(cases[0].line));
	CHECK_ERR(dead_parse(bytes_of(large, DEAD_LINE_MAX), &d), OK);
	CHECK_ERR(dead_parse(bytes_of(large, DEAD_LINE_MAX + 1), &d), ERR_LIMIT);
	free(large);
}

static bool is_b(void *context, struct bytes id)
{
	return bytes_equal(id, BYTES("b"));
}

static bool is_any(void *context, struct bytes id)
{
	return true;
}

static void letters_are_kept_and_taken_out_one_by_one(void)
{
	const char *path = scratch("s.dead");
	struct dead_letter d;
	uint64_t count = 9;
	struct stat st;
	FILE *f;

	CHECK_ERR(dead_count(path, &count), OK);
	CHECK_U64(count, 0);
	CHECK_ERR(dead_remove(path, is_b, NULL), OK);
	d = letter("a");
	CHECK_ERR(dead_append(path, &d), OK);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	f = fopen(path, "a"); /* a kill in the middle of a line */
	fputs("{\"id\":\"torn", f);
	fclose(f);
	d = letter("b");
	CHECK_ERR(dead_append(path, &d), OK);
	d = letter("c");
	CHECK_ERR(dead_append(path, &d), OK);
	CHECK_ERR(dead_count(path, &count), OK);
	CHECK_U64(count, 3);
	CHECK_ERR(dead_remove(path, is_b, NULL), OK);
	struct buf file = tap_file(path);
	struct bytes rest = buf_view(&file);
	CHECK_ERR(dead_next(&rest, &d), OK);
	CHECK_STR(d.id, "a");
	CHECK_ERR(dead_next(&rest, &d), OK);
	CHECK_STR(d.id, "c");
	CHECK_ERR(dead_next(&rest, &d), ERR_END);
	CHECK(bytes_find(buf_view(&file), BYTES("torn")) != SIZE_MAX);
	buf_done(&file);
	CHECK_ERR(dead_remove(path, is_any, NULL), OK);
	CHECK_ERR(dead_count(path, &count), OK);
	CHECK_U64(count, 0);
	unlink(path);
	scratch(NULL);
}

static void a_status_is_read_as_it_was_written(void)
{
	struct drain_status s = {.sink = "archive",
				 .type = "file",
				 .delivered = UINT64_MAX,
				 .duplicates = 7,
				 .required = true,
				 .answer = "200 \"fine\"\\",
				 .failure = "refused: \xE2\x82\xAC"};
	struct drain_status back = {0};
	struct buf text = {0};

	CHECK_ERR(status_put(&text, &s), OK);
	CHECK(text.len < STATUS_BYTES_MAX);
	CHECK_ERR(status_parse(buf_view(&text), &back), OK);
	CHECK(memcmp(&s, &back, sizeof s) == 0);
	for (size_t i = 0; i + 2 < text.len; i++)
		CHECK_ERR(status_parse(tap_guarded(bytes_slice(buf_view(&text), 0, i)), &back),
			  ERR_BAD);
	buf_done(&text);
	CHECK_ERR(status_parse(BYTES("{\"new\":[1,{}],\"dead_letters\":4}"), &back), OK);
	CHECK_U64(back.dead, 4);
	CHECK_ERR(status_parse(BYTES("{\"dead_letters\":\"4\"}"), &back), ERR_BAD);
	CHECK_ERR(status_parse(BYTES("{\"required\":1}"), &back), ERR_BAD);
	CHECK_ERR(status_parse(BYTES("{\"type\":\"0123456789012345\"}"), &back), ERR_BAD);
	CHECK_ERR(status_parse(BYTES("{\"type\":\"012345678901234\"}"), &back), OK);
}

static void two_statuses_are_the_same_when_they_say_the_same(void)
{
	struct drain_status a, b;

	memset(&a, 0, sizeof a);
	memset(&b, 0xA5, sizeof b); /* between and behind what is said */
#define FIELD(member, key) a.member = b.member = 7;
	STATUS_NUMBERS(FIELD)
#undef FIELD
	a.required = b.required = true;
	a.wrong = b.wrong = false;
	for (char *const *text =
		     (char *const[]){b.sink, b.type, b.answer, b.failure, b.problem, NULL};
	     *text; text++)
		**text = '\0';
	CHECK(status_is_same(&a, &b));
#define FIELD(member, key)                                                                         \
	b.member++;                                                                                \
	CHECK(!status_is_same(&a, &b));                                                            \
	b.member--;
	STATUS_NUMBERS(FIELD)
#undef FIELD
	b.wrong = true;
	CHECK(!status_is_same(&a, &b));
	b.wrong = false;
	strcpy(b.failure, "no");
	CHECK(!status_is_same(&a, &b));
	b.failure[0] = '\0';
	strcpy(a.type, "file");
	CHECK(!status_is_same(&a, &b));
}

static void a_text_is_cut_between_characters(void)
{
	char text[2 * STATUS_TEXT_MAX], cut[STATUS_TEXT_MAX];

	memset(text, 'a', sizeof text);
	memcpy(text + STATUS_TEXT_MAX - 2, "\xC3\xA9", 2);
	status_text(cut, bytes_of(text, sizeof text));
	CHECK_U64(strlen(cut), STATUS_TEXT_MAX - 2);
	status_text(cut, BYTES(""));
	CHECK_STR(cut, "");
}

static void a_sink_is_well_or_it_is_said_why_not(void)
{
	const uint64_t s = 1000000000u, now = 1000 * s;
	struct drain_status d = {.updated_ns = now - 2 * s, .max_lag_s = 60};

	CHECK(status_trouble(&d, now) == NULL);
	CHECK_U64(status_age_s(&d, now), 0);
	d.oldest_ns = now - 60 * s;
	CHECK_U64(status_age_s(&d, now), 60);
	CHECK(status_trouble(&d, now) == NULL);
	d.oldest_ns -= s;
	CHECK_STR(status_trouble(&d, now), "it is behind its max_lag");
	d.max_lag_s = 0;
	CHECK(status_trouble(&d, now) == NULL);
	d.dead = 1;
	CHECK_STR(status_trouble(&d, now), "it has dead letters");
	d.wrong = true;
	CHECK_STR(status_trouble(&d, now), "its configuration does not work");
	d.updated_ns = now - STATUS_STALE_NS - 1;
	CHECK_STR(status_trouble(&d, now), "its feeder does not run");
	strcpy(d.problem, "no key");
	CHECK_STR(status_trouble(&d, now), "no key");
}

int main(void)
{
	RUN_TESTS(
		TEST(a_dead_letter_is_read_as_it_was_written), TEST(a_line_that_is_none_is_refused),
		TEST(letters_are_kept_and_taken_out_one_by_one),
		TEST(a_status_is_read_as_it_was_written),
		TEST(two_statuses_are_the_same_when_they_say_the_same),
		TEST(a_text_is_cut_between_characters), TEST(a_sink_is_well_or_it_is_said_why_not));
}
