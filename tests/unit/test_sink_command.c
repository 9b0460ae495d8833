/* SPDX-License-Identifier: MIT
 *
 * The sink `command`: whole lines into a program that has nothing of ours but its standard input,
 * is started again when it ends, and is never a zombie.
 */
#include "drain/sink_command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define LARGE_LINES 30
#define LARGE_BYTES 100000 /* with LARGE_LINES more than a pipe takes */
#define WAITS_MAX   5000   /* of a millisecond */

static char directory[] = "/tmp/aigw-test-command-XXXXXX";
static char large[LARGE_LINES][LARGE_BYTES];

/* A sink over `sh -c SCRIPT` with the test's directory as $1. */
struct script {
	struct drain config;
	struct bytes words[5];
	void *sink;
	struct sink_answer answer;
};

static void begin(struct script *s, const char *text)
{
	*s = (struct script){.config = {.type = DRAIN_COMMAND, .timeout_ms = 10000}};
	s->words[0] = BYTES("/bin/sh");
	s->words[1] = BYTES("-c");
	s->words[2] = bytes_str(text);
	s->words[3] = BYTES("sh");
	s->words[4] = bytes_str(directory);
	s->config.command.words = s->words;
	s->config.command.word_count = 5;
	CHECK_ERR(sink_command.open(&s->config, &s->answer, &s->sink), OK);
}

static void end(struct script *s)
{
	sink_command.close(s->sink);
}

static enum sink_result send_line(struct script *s, const char *line)
{
	struct sink_event event = {.json = bytes_str(line)};
	struct sink_batch batch = {1, &event};

	s->answer = (struct sink_answer){.result = SINK_PARTLY};
	sink_command.send(s->sink, &batch, &s->answer);
	return s->answer.result;
}

static enum sink_result send_large(struct script *s)
{
	struct sink_event events[LARGE_LINES] = {0};
	struct sink_batch batch = {LARGE_LINES, events};

	for (int i = 0; i < LARGE_LINES; i++)
		events[i].json = bytes_of(large[i], LARGE_BYTES);
	s->answer = (struct sink_answer){.result = SINK_PARTLY};
	sink_command.send(s->sink, &batch, &s->answer);
	return s->answer.result;
}

static const char *path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static void check_file(const char *name, const char *text)
{
	struct buf content = tap_file(path_of(name));

	CHECK_BYTES(buf_view(&content), text);
	buf_done(&content);
	unlink(path_of(name));
}

/* A number that a script wrote; 0: not yet. */
static long number_in(const char *name)
{
	FILE *f = fopen(path_of(name), "r");
	long number = 0;
	int c = 0;

	if (f && fscanf(f, "%ld", &number) == 1)
		c = fgetc(f);
	if (f)
		fclose(f);
	return c == '\n' ? number : 0;
}

static void a_program_gets_a_line_for_each_event(void)
{
	static const char all[] = "{\"a\":1}\n{\"b\":2}\n";
	struct script s;

	begin(&s, "cat >$1/out");
	CHECK(send_line(&s, "{\"a\":1}") == SINK_DELIVERED);
	CHECK_STR(s.answer.text, "written to /bin/sh");
	CHECK(send_line(&s, "{\"b\":2}") == SINK_DELIVERED);
	end(&s);
	check_file("out", all);
}

static void more_than_a_pipe_takes_goes_through(void)
{
	struct script s;

	begin(&s, "wc -lc >$1/out");
	CHECK(send_large(&s) == SINK_DELIVERED);
	CHECK(send_large(&s) == SINK_DELIVERED);
	end(&s);
	struct buf content = tap_file(path_of("out"));
	size_t lines = 0, bytes = 0;
	CHECK_ERR(buf_put_u8(&content, 0), OK);
	CHECK(sscanf((char *)content.at, "%zu %zu", &lines, &bytes) == 2);
	CHECK_U64(lines, 2 * LARGE_LINES);
	CHECK_U64(bytes, 2ull * LARGE_LINES * (LARGE_BYTES + 1));
	buf_done(&content);
	unlink(path_of("out"));
}

static void a_program_has_nothing_of_ours(void)
{
	int inherited = open("/dev/null", O_RDONLY), high = fcntl(inherited, F_DUPFD, 200);
	struct script s;

	setenv("AIGW_SECRET", "x", 1);
	begin(&s,
	      "tr '\\0' '\\n' </proc/$$/environ >$1/variables; (exec ls /proc/self/fd >$1/fds)\n"
	      /* by the shell itself: while it waits for a program it may have signals blocked */
	      "while read -r l; do case $l in SigBlk:*) echo \"$l\" ;; esac; done "
	      "</proc/$$/status >$1/blocked; pwd >$1/place\n"
	      "grep -c '^SigIgn:.0000000[01][08]0000000' /proc/$$/status >$1/ignored\n"
	      "cut -d' ' -f6 /proc/$$/stat >$1/session; echo $$ >$1/pid; cat >/dev/null");
	CHECK(send_line(&s, "{}") == SINK_DELIVERED);
	end(&s);
	close(inherited);
	close(high);
	check_file("variables",
		   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
	check_file("fds", "0\n1\n2\n3\n"); /* 3: ls looks at the directory */
	check_file("blocked", "SigBlk:\t0000000000000000\n");
	check_file("ignored", "1\n"); /* none but glibc's own two */
	check_file("place", "/\n");
	CHECK(number_in("session") > 0 && number_in("session") == number_in("pid"));
	unlink(path_of("pid"));
}

/* Without a batch in between: who ends is not kept until the next one. */
static void a_program_that_ends_is_no_zombie_and_is_started_again(void)
{
	struct script s;

	begin(&s, "read line; echo \"$line\" >>$1/out; echo $$ >$1/pid");
	for (int i = 0; i < 3; i++) {
		long pid = 0;
		int waits = 0;
		CHECK(send_line(&s, "{\"a\":1}") == SINK_DELIVERED);
		while (!(pid = number_in("pid")) && waits++ < WAITS_MAX)
			usleep(1000);
		while (pid && !(kill((pid_t)pid, 0) && errno == ESRCH) && waits++ < WAITS_MAX)
			usleep(1000);
		CHECK(waits < WAITS_MAX);
		unlink(path_of("pid"));
	}
	end(&s);
	check_file("out", "{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n");
}

static void a_program_that_ends_in_the_middle_is_told_of(void)
{
	struct script s;

	begin(&s, "exit 3");
	CHECK(send_large(&s) == SINK_RETRY);
	CHECK_STR(s.answer.text, "/bin/sh ended with status 3");
	end(&s);
	begin(&s, "kill -9 $$");
	CHECK(send_large(&s) == SINK_RETRY);
	CHECK_STR(s.answer.text, "/bin/sh was ended by signal 9");
	end(&s);
	begin(&s, "exec <&-; sleep 100");
	CHECK(send_large(&s) == SINK_RETRY);
	CHECK_STR(s.answer.text, "/bin/sh closed its standard input, went on, and was killed");
	end(&s);
}

static void what_cannot_be_started_is_told_of(void)
{
	struct script s;

	begin(&s, "");
	s.words[0] = BYTES("/nowhere/program");
	end(&s);
	CHECK_ERR(sink_command.open(&s.config, &s.answer, &s.sink), OK);
	CHECK(send_line(&s, "{}") == SINK_WRONG);
	CHECK_STR(s.answer.text, "there is no program /nowhere/program");
	end(&s);
	s.words[0] = BYTES("/etc/passwd");
	CHECK_ERR(sink_command.open(&s.config, &s.answer, &s.sink), OK);
	CHECK(send_line(&s, "{}") == SINK_WRONG);
	CHECK_STR(s.answer.text, "no permission to start /etc/passwd");
	end(&s);
	s.config.command.word_count = 0;
	CHECK_ERR(sink_command.open(&s.config, &s.answer, &s.sink), ERR_USAGE);
}

/* Each line of the file is one that was sent, as a whole. */
static void check_whole_lines(const char *name)
{
	struct buf content = tap_file(path_of(name));
	struct bytes rest = buf_view(&content);
	bool seen[LARGE_LINES] = {false};

	CHECK(bytes_ends(rest, BYTES("\n")));
	while (rest.len) {
		struct bytes line = bytes_cut(&rest, '\n');
		int i = line.len == LARGE_BYTES ? line.at[1] - 'A' : -1;
		if (i < 0 || i >= LARGE_LINES || memcmp(line.at, large[i], LARGE_BYTES) != 0)
			tap_fail(__FILE__, __LINE__, "a line of %zu bytes", line.len);
		else
			seen[i] = true;
	}
	for (int i = 0; i < LARGE_LINES; i++)
		CHECK(seen[i]);
	buf_done(&content);
}

/* The pipe takes a part of a line: what comes next is the rest of that line. */
static void a_slow_program_never_sees_half_a_line(void)
{
	struct script s;
	FILE *go;

	begin(&s, "until [ -e $1/go ]; do sleep 0.01; done; cat >$1/out");
	s.config.timeout_ms = 100;
	CHECK(send_large(&s) == SINK_RETRY);
	CHECK_STR(s.answer.text, "does not read what it gets: /bin/sh");
	CHECK(send_large(&s) == SINK_RETRY);
	go = fopen(path_of("go"), "w");
	if (go)
		fclose(go);
	s.config.timeout_ms = 10000;
	CHECK(send_large(&s) == SINK_DELIVERED);
	end(&s);
	check_whole_lines("out");
}

/* It is another's child: whether its state is one of a process that goes on. */
static bool is_alive(long pid)
{
	char path[64], state = 'X';
	FILE *f;

	for (int waits = 0; waits < WAITS_MAX; waits++) {
		snprintf(path, sizeof path, "/proc/%ld/stat", pid);
		f = fopen(path, "r");
		if (!f)
			return false;
		if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 'X';
		fclose(f);
		if (state == 'Z' || state == 'X')
			return false;
		usleep(1000);
	}
	return true;
}

static void a_program_that_does_not_end_is_killed(void)
{
	struct script s;
	long pid = 0;

	begin(&s, "sleep 1000 & echo $! >$1/child; echo $$ >$1/pid; wait");
	CHECK(send_line(&s, "{}") == SINK_DELIVERED);
	for (int waits = 0; !(pid = number_in("pid")) && waits < WAITS_MAX; waits++)
		usleep(1000);
	CHECK(pid > 0 && kill((pid_t)pid, 0) == 0);
	end(&s);
	CHECK(pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH);
	pid = number_in("child"); /* as long as nobody has waited for it, it is there */
	CHECK(pid > 0 && !is_alive(pid));
}

static enum err open_and_send(void)
{
	static struct script s;
	struct bytes words[1] = {BYTES("/bin/cat")};
	enum err e;

	s.config = (struct drain){.type = DRAIN_COMMAND, .timeout_ms = 10000};
	s.config.command.words = words;
	s.config.command.word_count = 1;
	s.sink = NULL;
	e = sink_command.open(&s.config, &s.answer, &s.sink);
	if (!e && send_line(&s, "{}") == SINK_RETRY)
		e = ERR_NOMEM;
	sink_command.close(s.sink);
	return e;
}

static void every_failing_allocation_is_noticed(void)
{
	tap_fail_each_allocation(open_and_send);
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
	for (int i = 0; i < LARGE_LINES; i++) {
		memset(large[i], 'x', LARGE_BYTES);
		large[i][0] = '{';
		large[i][1] = (char)('A' + i);
	}
	RUN_TESTS(TEST(a_program_gets_a_line_for_each_event),
		  TEST(more_than_a_pipe_takes_goes_through), TEST(a_program_has_nothing_of_ours),
		  TEST(a_program_that_ends_is_no_zombie_and_is_started_again),
		  TEST(a_program_that_ends_in_the_middle_is_told_of),
		  TEST(what_cannot_be_started_is_told_of),
		  TEST(a_slow_program_never_sees_half_a_line),
		  TEST(a_program_that_does_not_end_is_killed),
		  TEST(every_failing_allocation_is_noticed), TEST(nothing_is_left_behind));
}
