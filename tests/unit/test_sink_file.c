/* SPDX-License-Identifier: MIT
 *
 * The sink `file`: whole batches of whole lines, whatever happens to the file, the disk or the
 * sender.
 */
#include "drain/sink_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define KILLS 30

static char directory[] = "/tmp/aigw-test-file-XXXXXX";
static char path[200];

/* A sink over a file of its own, as the policy's defaults make it. */
static struct drain config_of(const char *name)
{
	struct drain d = {.type = DRAIN_FILE, .timeout_ms = 1000};

	snprintf(path, sizeof path, "%s/%s", directory, name);
	d.to = bytes_str(path);
	d.file.keep = 3;
	return d;
}

static void *opened(const struct drain *config)
{
	struct sink_answer answer = {0};
	void *sink = NULL;

	CHECK_ERR(sink_file.open(config, &answer, &sink), OK);
	return sink;
}

static enum sink_result send_lines(void *sink, const char *const *lines, size_t count,
				   struct sink_answer *answer)
{
	struct sink_event events[8] = {0};
	struct sink_batch batch = {count, events};

	for (size_t i = 0; i < count; i++)
		events[i].json = bytes_str(lines[i]);
	*answer = (struct sink_answer){.result = SINK_PARTLY};
	sink_file.send(sink, &batch, answer);
	return answer->result;
}

static enum sink_result send_one(void *sink, const char *line)
{
	struct sink_answer answer;

	return send_lines(sink, &line, 1, &answer);
}

/* A batch that does not get through, and what is said about it: begins like this. */
static void check_fails(const struct drain *config, enum sink_result result, const char *text)
{
	struct sink_answer answer;
	const char *line = "{\"a\":1}";
	void *sink = opened(config);

	CHECK(send_lines(sink, &line, 1, &answer) == result);
	if (strncmp(answer.text, text, strlen(text)) != 0)
		tap_fail(__FILE__, __LINE__, "%s", answer.text);
	sink_file.close(sink);
}

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static void check_file(const char *suffix, const char *text)
{
	char name[300];

	snprintf(name, sizeof name, "%s%s", path, suffix);
	struct buf content = tap_file(name);
	CHECK_BYTES(buf_view(&content), text);
	buf_done(&content);
}

static bool exists(const char *suffix)
{
	char name[300];

	snprintf(name, sizeof name, "%s%s", path, suffix);
	return access(name, F_OK) == 0;
}

static void each_event_is_a_line_of_a_private_file(void)
{
	static const char *const lines[] = {"{\"a\":1}", "{\"b\":2}", "{}"};
	struct drain config = config_of("lines");
	struct sink_answer answer;
	struct stat st;
	void *sink;

	for (int synced = 0; synced < 2; synced++) {
		config.file.synced = synced;
		sink = opened(&config);
		CHECK(send_lines(sink, lines, 3, &answer) == SINK_DELIVERED);
		CHECK(send_one(sink, "{\"c\":3}") == SINK_DELIVERED);
		sink_file.close(sink);
	}
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
	check_file("",
		   "{\"a\":1}\n{\"b\":2}\n{}\n{\"c\":3}\n{\"a\":1}\n{\"b\":2}\n{}\n{\"c\":3}\n");
}

static void the_mode_that_somebody_gave_the_file_stays(void)
{
	struct drain config = config_of("mode");
	struct stat st;
	void *sink;

	put_file(path, "{}\n");
	CHECK(chmod(path, 0640) == 0);
	sink = opened(&config);
	CHECK(send_one(sink, "{}") == SINK_DELIVERED);
	sink_file.close(sink);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640);
	check_file("", "{}\n{}\n");
}

static void what_a_killed_sender_left_of_a_line_is_cut_off(void)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{"{\"a\":1}\n{\"b\":", "{\"a\":1}\n{}\n"},
		{"{\"a\"", "{}\n"},
		{"{", "{}\n"},
		{"", "{}\n"},
		{"{\"a\":1}\n", "{\"a\":1}\n{}\n"},
		{"a comment\n{\"b\":", "a comment\n{}\n"},
	};
	struct drain config = config_of("torn");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put_file(path, cases[i].before);
		void *sink = opened(&config);
		CHECK(send_one(sink, "{}") == SINK_DELIVERED);
		sink_file.close(sink);
		check_file("", cases[i].after);
	}
}

static void a_torn_line_longer_than_a_page_is_cut_off(void)
{
	struct drain config = config_of("long");
	static char text[30000];
	void *sink;

	memset(text, 'x', sizeof text - 1);
	memcpy(text, "{\"a\":1}\n{", 9);
	put_file(path, text);
	sink = opened(&config);
	CHECK(send_one(sink, "{}") == SINK_DELIVERED);
	sink_file.close(sink);
	check_file("", "{\"a\":1}\n{}\n");
}

/* A path typed wrongly must not cost somebody a file. */
static void a_file_of_somebody_else_is_not_touched(void)
{
	struct drain config = config_of("foreign");

	put_file(path, "host.example");
	check_fails(&config, SINK_WRONG, "not a file of lines, and not written to: ");
	check_file("", "host.example");
	put_file(path, "one\ntwo");
	check_fails(&config, SINK_WRONG, "not a file of lines, and not written to: ");
	check_file("", "one\ntwo");
}

static void what_is_no_regular_file_is_refused(void)
{
	static const char text[] = "no regular file, and not written to: ";
	struct drain config = config_of("odd");
	char target[300];

	snprintf(target, sizeof target, "%s/target", directory);
	CHECK(symlink(target, path) == 0);
	check_fails(&config, SINK_WRONG, text);
	CHECK(access(target, F_OK) != 0);
	unlink(path);
	CHECK(mkfifo(path, 0600) == 0);
	check_fails(&config, SINK_WRONG, text);
	unlink(path);
	CHECK(mkdir(path, 0700) == 0);
	check_fails(&config, SINK_WRONG, text);
	config.to = BYTES("/dev/null");
	check_fails(&config, SINK_WRONG, text);
	config = config_of("none/file");
	check_fails(&config, SINK_WRONG, "there is no directory for ");
}

static void a_full_file_is_rotated_and_the_oldest_goes(void)
{
	struct drain config = config_of("rotated");
	char line[16];
	void *sink;

	config.file.rotate_bytes = 10;
	config.file.synced = true;
	sink = opened(&config);
	for (int i = 0; i < 12; i++) {
		snprintf(line, sizeof line, "{%02d}", i);
		CHECK(send_one(sink, line) == SINK_DELIVERED);
	}
	sink_file.close(sink);
	check_file("", "{10}\n{11}\n");
	check_file(".1", "{08}\n{09}\n");
	check_file(".2", "{06}\n{07}\n");
	check_file(".3", "{04}\n{05}\n");
	CHECK(!exists(".4"));
}

static void a_batch_larger_than_a_file_may_be_stays_together(void)
{
	static const char *const lines[] = {"{1}", "{2}", "{3}", "{4}"};
	struct drain config = config_of("together");
	struct sink_answer answer;
	void *sink;

	config.file.rotate_bytes = 10;
	sink = opened(&config);
	CHECK(send_lines(sink, lines, 4, &answer) == SINK_DELIVERED);
	CHECK(!exists(".1"));
	CHECK(send_lines(sink, lines, 1, &answer) == SINK_DELIVERED);
	sink_file.close(sink);
	check_file(".1", "{1}\n{2}\n{3}\n{4}\n");
	check_file("", "{1}\n");
}

static void a_file_that_is_moved_away_is_begun_anew(void)
{
	struct drain config = config_of("moved");
	char away[300];
	void *sink = opened(&config);

	snprintf(away, sizeof away, "%s.away", path);
	CHECK(send_one(sink, "{1}") == SINK_DELIVERED);
	CHECK(rename(path, away) == 0);
	CHECK(send_one(sink, "{2}") == SINK_DELIVERED);
	check_file(".away", "{1}\n");
	check_file("", "{2}\n");
	CHECK(unlink(path) == 0);
	CHECK(send_one(sink, "{3}") == SINK_DELIVERED);
	check_file("", "{3}\n");
	CHECK(truncate(path, 0) == 0); /* logrotate's copytruncate */
	CHECK(send_one(sink, "{4}") == SINK_DELIVERED);
	check_file("", "{4}\n");
	sink_file.close(sink);
}

static void two_processes_do_not_write_at_once(void)
{
	struct drain config = config_of("locked");
	struct sink_answer answer;
	const char *line = "{}";
	void *sink = opened(&config);
	int other;

	CHECK(send_one(sink, "{}") == SINK_DELIVERED);
	other = open(path, O_RDWR);
	CHECK(flock(other, LOCK_EX | LOCK_NB) == 0); /* it is held during a batch only */
	CHECK(send_lines(sink, &line, 1, &answer) == SINK_RETRY);
	CHECK(strncmp(answer.text, "another process writes to ", 26) == 0);
	close(other);
	CHECK(send_one(sink, "{}") == SINK_DELIVERED);
	sink_file.close(sink);
	check_file("", "{}\n{}\n");
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* As on a full disk: the first part of the batch goes in, the rest does not. */
static void a_batch_that_does_not_fit_leaves_nothing_behind(void)
{
	static const char *const lines[] = {"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"};
	struct drain config = config_of("full");
	struct sink_answer answer;
	void *sink = opened(&config);

	CHECK(send_one(sink, "{}") == SINK_DELIVERED);
	set_file_limit(3 + 12);
	CHECK(send_lines(sink, lines, 3, &answer) == SINK_RETRY);
	check_file("", "{}\n");
	set_file_limit(RLIM_INFINITY);
	CHECK(send_lines(sink, lines, 3, &answer) == SINK_DELIVERED);
	sink_file.close(sink);
	check_file("", "{}\n{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
}

/* ---- kill -9 ---- */

static void write_until_killed(const struct drain *config)
{
	static char text[4][300000];
	const char *lines[4];
	void *sink = opened(config);

	for (int i = 0; i < 4; i++) {
		memset(text[i], 'a' + i, sizeof text[i] - 2);
		text[i][0] = '{';
		text[i][sizeof text[i] - 2] = '}';
		lines[i] = text[i];
	}
	for (;;) {
		struct sink_answer answer;
		(void)send_lines(sink, lines, 4, &answer);
	}
}

static void check_whole_lines(void)
{
	struct buf content = tap_file(path);
	struct bytes rest = buf_view(&content);

	CHECK(bytes_ends(rest, BYTES("\n")));
	while (rest.len) {
		struct bytes line = bytes_cut(&rest, '\n');
		if (line.len < 2 || line.at[0] != '{' || line.at[line.len - 1] != '}')
			tap_fail(__FILE__, __LINE__, "a line of %zu bytes", line.len);
	}
	buf_done(&content);
}

static void no_kill_leaves_half_a_line(void)
{
	struct drain config = config_of("killed");
	unsigned torn = 0;

	config.file.rotate_bytes = 6000000;
	for (unsigned i = 0; i < KILLS; i++) {
		pid_t pid = fork();
		struct stat st;
		if (pid == 0)
			write_until_killed(&config);
		for (unsigned tries = 0; tries < 100000 && (stat(path, &st) || st.st_size == 0);)
			tries++;
		usleep(1000 * (i % 7));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		int fd = open(path, O_RDONLY);
		char last = '\n';
		if (fd >= 0 && lseek(fd, -1, SEEK_END) >= 0)
			(void)!read(fd, &last, 1);
		close(fd);
		torn += last != '\n';
		void *sink = opened(&config);
		CHECK(send_one(sink, "{}") == SINK_DELIVERED);
		sink_file.close(sink);
		check_whole_lines();
	}
	printf("# %u of %d kills left half a line\n", torn, KILLS);
}

static enum err open_and_send(void)
{
	struct drain config = config_of("memory");
	struct sink_answer answer = {0};
	void *sink = NULL;
	enum err e = sink_file.open(&config, &answer, &sink);

	if (!e && send_one(sink, "{}") == SINK_RETRY)
		e = ERR_NOMEM;
	sink_file.close(sink);
	return e;
}

static void every_failing_allocation_is_noticed(void)
{
	tap_fail_each_allocation(open_and_send);
	check_file("", "{}\n");
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
	RUN_TESTS(TEST(each_event_is_a_line_of_a_private_file),
		  TEST(the_mode_that_somebody_gave_the_file_stays),
		  TEST(what_a_killed_sender_left_of_a_line_is_cut_off),
		  TEST(a_torn_line_longer_than_a_page_is_cut_off),
		  TEST(a_file_of_somebody_else_is_not_touched),
		  TEST(what_is_no_regular_file_is_refused),
		  TEST(a_full_file_is_rotated_and_the_oldest_goes),
		  TEST(a_batch_larger_than_a_file_may_be_stays_together),
		  TEST(a_file_that_is_moved_away_is_begun_anew),
		  TEST(two_processes_do_not_write_at_once),
		  TEST(a_batch_that_does_not_fit_leaves_nothing_behind),
		  TEST(no_kill_leaves_half_a_line), TEST(every_failing_allocation_is_noticed),
		  TEST(nothing_is_left_behind));
}
