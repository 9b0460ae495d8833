/* SPDX-License-Identifier: MIT
 *
 * kill-writers KILLS WRITERS written|synced [WAIT_US [FILE_BYTES]]: kills writers of one audit log
 * at random moments, so many at a time, and looks whether every record that was acknowledged is
 * there afterwards. FILE_BYTES: their limit of a file's size, so that they go on in a new segment
 * again and again.
 *
 * Prints a line of figures. Exit status 0: no acknowledged record was lost, and verify finds
 * nothing worse than what a kill explains.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "audit_kit.h"

#define RECORD_MAX   20000
#define KILL_WAIT_US 20000
#define WRITERS_MAX  64
#define RECORDS_EACH                                                                               \
	100 /* then a writer waits for its end: a busy machine must not fill its disk */

static rlim_t file_bytes; /* 0: no limit */

struct child {
	pid_t pid;
	int from;
	unsigned number;
};

/* Records are named "<child>-<number> ..."; each number is said on the pipe once acknowledged. */
static void write_until_killed(struct kit_log *k, unsigned child, int to)
{
	static char text[RECORD_MAX + 1];

	for (uint64_t n = 0; n < RECORDS_EACH; n++) {
		size_t len = 40 + (size_t)((n * 7919 + child * 104729ull) % (RECORD_MAX - 40));
		memset(text, '.', len);
		int named = snprintf(text, 40, "%u-%llu", child, (unsigned long long)n);
		text[named] = ' ';
		text[len] = '\0';
		/* the real time: segments are listed, and read back, in the order of their start */
		enum err e = segment_append(&k->writer, &k->config, REC_REQUEST, sys_now_ns(),
					    bytes_str(text));
		if (e || write(to, &n, sizeof n) != sizeof n)
			_exit(1);
	}
	for (;;)
		pause();
}

static struct child start(struct kit_log *k, unsigned number)
{
	int ends[2];

	if (pipe(ends))
		kit_bail("pipe");
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit limit = {file_bytes, file_bytes};
		if (file_bytes && setrlimit(RLIMIT_FSIZE, &limit))
			_exit(1);
		close(ends[0]);
		write_until_killed(k, number, ends[1]);
	}
	close(ends[1]);
	return (struct child){pid, ends[0], number};
}

/* Half of them at any moment, start-up included, half while they are writing. */
static uint64_t end(const struct child *c, bool is_writing, unsigned wait_us)
{
	uint64_t n, acknowledged = 0;
	int status;

	if (is_writing && read(c->from, &n, sizeof n) == sizeof n)
		acknowledged = n + 1;
	usleep(wait_us);
	kill(c->pid, SIGKILL);
	while (read(c->from, &n, sizeof n) == sizeof n)
		acknowledged = n + 1;
	close(c->from);
	waitpid(c->pid, &status, 0);
	if (!WIFSIGNALED(status))
		kit_bail("a writer ended by itself");
	return acknowledged;
}

/* Which of its records are there; those of a writer may stand in several segments. */
struct found {
	bool record[RECORDS_EACH];
};

static uint64_t count_lost(const struct found *f, uint64_t acknowledged)
{
	uint64_t lost = 0;

	for (uint64_t n = 0; n < acknowledged; n++)
		lost += !f->record[n];
	return lost;
}

static void read_back(struct kit_log *k, struct found *found, unsigned children, unsigned *ret_torn,
		      size_t *ret_segments)
{
	struct segment_place *places = NULL;
	size_t count = 0;

	if (segment_list(k->directory, &places, &count))
		kit_bail("no log");
	*ret_segments = count;
	for (size_t i = 0; i < count; i++) {
		struct segment_reader *r = NULL;
		struct segment_record record;
		struct buf file = {0};
		if (files_load(places[i].path, SIZE_MAX / 4, &file) ||
		    segment_reader_open(buf_view(&file), 1, &k->identity, &r))
			kit_bail("a segment that cannot be read");
		for (enum err e; (e = segment_next(r, &record)) != ERR_END;) {
			unsigned child;
			unsigned long long n;
			*ret_torn += e == ERR_TORN;
			if (e || record.kind != REC_REQUEST)
				continue;
			char name[40] = {0};
			memcpy(name, record.plain.at, sizeof name - 1);
			if (sscanf(name, "%u-%llu ", &child, &n) == 2 && child < children &&
			    n < RECORDS_EACH)
				found[child].record[n] = true;
		}
		segment_reader_free(r);
		buf_done(&file);
	}
	free(places);
}

int main(int argc, char **argv)
{
	unsigned kills = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	unsigned writers = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	struct child running[WRITERS_MAX];
	unsigned started = 0, killed = 0, torn = 0, seed = 20261124;
	uint64_t total = 0, lost = 0;

	unsigned wait_us = argc > 4 ? (unsigned)atoi(argv[4]) : KILL_WAIT_US;

	if (argc < 4 || wait_us == 0 || kills == 0 || writers == 0 || writers > WRITERS_MAX ||
	    writers > kills)
		return 2;
	file_bytes = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
	signal(SIGPIPE, SIG_IGN);
	struct kit_log *k = kit_new();
	k->config.synced = strcmp(argv[3], "synced") == 0;
	uint64_t *acknowledged = calloc(kills, sizeof *acknowledged);
	struct found *found = calloc(kills, sizeof *found);
	size_t segments = 0;
	if (!acknowledged || !found)
		return 3;
	for (; started < writers; started++)
		running[started] = start(k, started);
	for (; killed < kills; killed++) {
		struct child *c = &running[(unsigned)rand_r(&seed) % writers];
		while (c->pid == 0)
			c = &running[(unsigned)(c - running + 1) % writers];
		acknowledged[c->number] = end(c, killed % 2, (unsigned)rand_r(&seed) % wait_us);
		*c = (struct child){0, -1, 0};
		if (started < kills) {
			*c = start(k, started);
			started++;
		}
	}
	read_back(k, found, kills, &torn, &segments);
	for (unsigned i = 0; i < kills; i++) {
		total += acknowledged[i];
		lost += count_lost(&found[i], acknowledged[i]);
	}
	struct kit_verdict v = kit_verify(k);
	printf("%u kills, %u writers, %s: %llu acknowledged records in %zu segments, %llu lost, %u "
	       "torn tails, verify: %s\n",
	       kills, writers, argv[3], (unsigned long long)total, segments,
	       (unsigned long long)lost, torn, verdict_name(v.result.verdict));
	if (v.result.verdict != VERDICT_INCOMPLETE)
		printf("findings:%s\n", v.codes);
	kit_free(k);
	return lost || total == 0 || v.err || v.result.verdict != VERDICT_INCOMPLETE;
}
