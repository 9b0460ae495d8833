/* SPDX-License-Identifier: MIT
 *
 * What all sinks share: answers, what an HTTP status means, files that the configuration names.
 */
#include "drain/sink.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char directory[] = "/tmp/aigw-test-sink-XXXXXX";

/* PATH of a file with that content, or the path alone. */
static struct bytes file(const char *name, const char *content, size_t len, mode_t mode)
{
	static char path[200];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	f = content ? fopen(path, "wb") : NULL;
	if (f) {
		fwrite(content, 1, len, f);
		fclose(f);
		chmod(path, mode);
	}
	return bytes_str(path);
}

static void an_answer_is_one_harmless_line(void)
{
	struct sink_answer answer = {.retry_after_ms = 7};
	char detail[600];

	sink_answer(&answer, SINK_REFUSED, "400: ", BYTES("bad\r\n\x1b[1mid \xff"));
	CHECK(answer.result == SINK_REFUSED);
	CHECK_U64(answer.retry_after_ms, 7);
	CHECK_STR(answer.text, "400: bad???[1mid ?");
	memset(detail, 'd', sizeof detail);
	sink_answer(&answer, SINK_RETRY, "", bytes_of(detail, sizeof detail));
	CHECK_U64(strlen(answer.text), SINK_ANSWER_MAX - 1);
	CHECK(bytes_ends(bytes_str(answer.text), BYTES("d...")));
	sink_answer(&answer, SINK_DELIVERED, "", BYTES_NONE);
	CHECK_STR(answer.text, "");
}

static void each_http_status_means_what_the_header_says(void)
{
	static const struct {
		unsigned from, to;
		enum sink_result result;
	} cases[] = {
		{200, 299, SINK_DELIVERED}, {300, 399, SINK_WRONG},   {400, 400, SINK_REFUSED},
		{401, 401, SINK_WRONG},     {402, 402, SINK_REFUSED}, {403, 404, SINK_WRONG},
		{405, 406, SINK_REFUSED},   {407, 407, SINK_WRONG},   {408, 408, SINK_RETRY},
		{409, 424, SINK_REFUSED},   {425, 425, SINK_RETRY},   {426, 428, SINK_REFUSED},
		{429, 429, SINK_RETRY},     {430, 499, SINK_REFUSED}, {500, 599, SINK_RETRY},
		{0, 199, SINK_RETRY},       {600, 999, SINK_RETRY},
	};
	unsigned seen = 0;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (unsigned s = cases[i].from; s <= cases[i].to; s++, seen++)
			if (sink_result_of_status(s) != cases[i].result)
				tap_fail(__FILE__, __LINE__, "%u", s);
	CHECK_U64(seen, 1000);
}

static void a_files_content_comes_without_the_white_space_behind_it(void)
{
	struct buf content = {0};

	CHECK_ERR(sink_read_file(file("token", "  s3 cret \t\r\n\n", 13, 0600), true, &content),
		  OK);
	CHECK_BYTES(buf_view(&content), "  s3 cret");
	CHECK_ERR(sink_read_file(file("empty", "\n", 1, 0600), false, &content), OK);
	CHECK_U64(content.len, 0);
	CHECK_ERR(sink_read_file(file("empty", NULL, 0, 0), true, &content), ERR_BAD);
	buf_done(&content);
}

static void a_secret_that_others_may_read_or_change_is_refused(void)
{
	static const struct {
		mode_t mode;
		enum err expected;
	} cases[] = {{0400, OK},      {0600, OK},      {0640, OK},      {0660, OK},
		     {0604, ERR_BAD}, {0602, ERR_BAD}, {0601, ERR_BAD}, {0644, ERR_BAD}};
	struct buf content = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes path = file("mode", "x", 1, cases[i].mode);
		enum err e = sink_read_file(path, true, &content);
		if (e != cases[i].expected)
			tap_fail(__FILE__, __LINE__, "%o: %s", (unsigned)cases[i].mode,
				 err_name(e));
		unlink((const char *)path.at);
	}
	CHECK_ERR(sink_read_file(file("open", "x", 1, 0666), false, &content), OK);
	buf_done(&content);
}

static void what_is_no_file_of_a_fitting_size_is_refused(void)
{
	struct buf content = {0};
	char *large = calloc(1, SINK_FILE_MAX + 1);

	CHECK_ERR(buf_put_str(&content, "kept"), OK);
	CHECK_ERR(sink_read_file(file("absent", NULL, 0, 0), true, &content), ERR_MISSING);
	CHECK_ERR(sink_read_file(bytes_str(directory), false, &content), ERR_BAD);
	CHECK_ERR(sink_read_file(BYTES("/dev/zero"), false, &content), ERR_BAD);
	struct bytes pipe = file("pipe", NULL, 0, 0);
	CHECK(mkfifo((const char *)pipe.at, 0600) == 0);
	CHECK_ERR(sink_read_file(pipe, true, &content), ERR_BAD);
	CHECK_ERR(sink_read_file(BYTES("name"), true, &content), ERR_USAGE);
	CHECK_ERR(sink_read_file(BYTES("a/b"), true, &content), ERR_USAGE);
	CHECK_ERR(sink_read_file(BYTES_NONE, true, &content), ERR_USAGE);
	CHECK_ERR(sink_read_file(BYTES("/etc/passwd\0x"), false, &content), ERR_USAGE);
	if (large) {
		memset(large, 'x', SINK_FILE_MAX + 1);
		struct bytes path = file("large", large, SINK_FILE_MAX + 1, 0600);
		CHECK_ERR(sink_read_file(path, true, &content), ERR_LIMIT);
		CHECK_BYTES(buf_view(&content), "kept");
		path = file("large", large, SINK_FILE_MAX, 0600);
		CHECK_ERR(sink_read_file(path, true, &content), OK);
		CHECK_U64(content.len, SINK_FILE_MAX);
	}
	free(large);
	buf_done(&content);
}

static enum err read_one(void)
{
	struct buf content = {0};
	enum err e = sink_read_file(file("token", NULL, 0, 0), true, &content);

	buf_done(&content);
	return e;
}

static void every_failing_allocation_is_noticed(void)
{
	tap_fail_each_allocation(read_one);
}

static void nothing_is_left_behind(void)
{
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", directory);
	CHECK(system(command) == 0);
}

int main(void)
{
	if (!mkdtemp(directory))
		return 1;
	RUN_TESTS(TEST(an_answer_is_one_harmless_line),
		  TEST(each_http_status_means_what_the_header_says),
		  TEST(a_files_content_comes_without_the_white_space_behind_it),
		  TEST(a_secret_that_others_may_read_or_change_is_refused),
		  TEST(what_is_no_file_of_a_fitting_size_is_refused),
		  TEST(every_failing_allocation_is_noticed), TEST(nothing_is_left_behind));
}
