/* SPDX-License-Identifier: MIT
 *
 * The store that all processes of a user share: taking and settling, what is left of a process that
 * was killed at any of its system calls, and files that somebody else wrote.
 */
#include "limits/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "tap.h"

#define SECOND UINT64_C(1000000000)
#define DAY    (86400 * SECOND)
#define NOON   (UINT64_C(20781) * DAY + DAY / 2)

static struct limits_kept kept;
static char root[32], directory[64], file[96];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static void begin(void)
{
	strcpy(root, "/tmp/aigw-test-XXXXXX");
	if (!mkdtemp(root)) {
		puts("Bail out! no directory below /tmp");
		exit(1);
	}
	snprintf(directory, sizeof directory, "%s/state/aigw", root);
	snprintf(file, sizeof file, "%s/" LIMITS_FILE_NAME, directory);
}

static void end(void)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct limits_scope scope(const char *name, enum limit_kind kind, uint64_t value)
{
	struct limits_scope s;

	memset(&s, 0, sizeof s);
	strcpy(s.name, name);
	s.values.given = 1u << kind;
	s.values.value[kind] = value;
	return s;
}

static struct limits_process self(void)
{
	struct limits_process me;

	limits_process_self(&me);
	return me;
}

static enum err take(const struct limits_scope *scopes, size_t count, struct limits_amounts wanted,
		     uint64_t now_ns, struct limits_ticket *t, struct limits_refusal *r)
{
	const struct limits_process me = self();

	memset(r, 0, sizeof *r);
	return limits_take(&kept, directory, &me, scopes, count, &wanted, now_ns, t, r);
}

static enum err settle(const struct limits_ticket *t, struct limits_amounts used, uint64_t now_ns)
{
	struct limits_alert alerts[LIMITS_ALERTS_MAX];
	size_t count;

	return limits_settle(&kept, directory, t, &used, now_ns, alerts, &count);
}

static struct meter read_meter(const char *name, uint64_t now_ns)
{
	struct meter m;

	memset(&m, 0, sizeof m);
	CHECK_ERR(limits_read(directory, name, now_ns, &m), OK);
	return m;
}

static uint64_t spent(const char *name, enum limit_kind kind)
{
	return read_meter(name, NOON).spent[kind - LIMIT_TOKENS_PER_DAY];
}

#define PRODUCTION "environments.production"

static void what_one_call_takes_the_next_finds(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_TOKENS_PER_DAY, 100);
	struct limits_ticket t, u;
	struct limits_refusal r;
	struct meter m;
	struct stat st;

	begin();
	CHECK_ERR(limits_read(directory, PRODUCTION, NOON, &m), ERR_MISSING);
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 60, 0}, NOON, &t, &r), OK);
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 60, 0}, NOON, &u, &r), ERR_LIMIT);
	CHECK(r.at.kind == LIMIT_TOKENS_PER_DAY && r.scope == 0 && r.alert);
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 60, 0}, NOON, &u, &r), ERR_LIMIT);
	CHECK(!r.alert);
	CHECK_ERR(settle(&t, (struct limits_amounts){1, 10, 0}, NOON), OK);
	CHECK_U64(spent(PRODUCTION, LIMIT_TOKENS_PER_DAY), 10);
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 90, 0}, NOON, &u, &r), OK);
	CHECK_ERR(limits_read(directory, "organization", NOON, &m), ERR_MISSING);
	CHECK(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600 &&
	      st.st_size == LIMITS_FILE_BYTES);
	CHECK(stat(directory, &st) == 0 && (st.st_mode & 0777) == 0700);
	end();
}

static void all_scopes_take_or_none_does(void)
{
	struct limits_scope s[3] = {scope("organization", LIMIT_TOKENS_PER_DAY, 1000),
				    {.name = "environments.free"},
				    scope("applications.bot", LIMIT_USD_PER_MONTH, 50)};
	struct limits_ticket t;
	struct limits_refusal r;

	begin();
	CHECK_ERR(take(s, 3, (struct limits_amounts){1, 60, 40}, NOON, &t, &r), OK);
	CHECK_ERR(take(s, 3, (struct limits_amounts){1, 60, 40}, NOON, &t, &r), ERR_LIMIT);
	CHECK_U64(r.scope, 2);
	CHECK(r.at.kind == LIMIT_USD_PER_MONTH);
	CHECK_U64(spent("organization", LIMIT_TOKENS_PER_DAY), 60);
	CHECK_U64(spent("applications.bot", LIMIT_USD_PER_MONTH), 40);
	end();
}

static void scopes_without_limits_touch_no_file(void)
{
	const struct limits_scope s = {.name = "organization"};
	struct limits_ticket t;
	struct limits_refusal r;
	struct stat st;

	begin();
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 1, 1}, NOON, &t, &r), OK);
	CHECK_ERR(settle(&t, (struct limits_amounts){1, 1, 1}, NOON), OK);
	CHECK(stat(file, &st) < 0);
	end();
}

static void what_settling_does_not_change_is_not_touched(void)
{
	struct limits_scope s = scope(PRODUCTION, LIMIT_REQUESTS_PER_MINUTE, 10);
	const struct limits_amounts one = {1, 60, 40};
	struct limits_ticket t;
	struct limits_refusal r;

	begin();
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), OK);
	CHECK(chmod(file, 0620) == 0); /* now it is not to be used */
	CHECK_ERR(settle(&t, (struct limits_amounts){1, 10, 0}, NOON), OK);
	CHECK_ERR(settle(&t, (struct limits_amounts){0, 0, 0}, NOON), ERR_ACCESS);
	CHECK(chmod(file, 0600) == 0);
	s.values.given |= 1u << LIMIT_TOKENS_PER_MINUTE;
	s.values.value[LIMIT_TOKENS_PER_MINUTE] = 1000;
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), OK);
	CHECK(chmod(file, 0620) == 0);
	CHECK_ERR(settle(&t, one, NOON), OK);
	CHECK_ERR(settle(&t, (struct limits_amounts){1, 10, 0}, NOON), ERR_ACCESS);
	end();
}

static void what_only_observes_refuses_nothing_and_counts(void)
{
	struct limits_scope s[2] = {scope("organization", LIMIT_TOKENS_PER_DAY, 100),
				    scope(PRODUCTION, LIMIT_TOKENS_PER_DAY, 200)};
	const struct limits_amounts some = {1, 80, 0};
	struct limits_ticket t;
	struct limits_refusal r;

	s[0].observed = true;
	begin();
	CHECK_ERR(take(s, 2, some, NOON, &t, &r), OK);
	CHECK(!r.observed);
	CHECK_ERR(take(s, 2, some, NOON, &t, &r), OK);
	CHECK(r.observed && r.scope == 0 && r.alert && r.at.limit == 100);
	CHECK_U64(spent("organization", LIMIT_TOKENS_PER_DAY), 160);
	/* Beside one that enforces it has nothing to say. */
	CHECK_ERR(take(s, 2, some, NOON, &t, &r), ERR_LIMIT);
	CHECK(!r.observed && r.scope == 1 && r.at.limit == 200);
	CHECK_U64(spent("organization", LIMIT_TOKENS_PER_DAY), 160);
	CHECK_U64(spent(PRODUCTION, LIMIT_TOKENS_PER_DAY), 160);
	s[0].observed = false;
	s[1].observed = true;
	CHECK_ERR(take(s, 2, some, NOON, &t, &r), ERR_LIMIT);
	CHECK(!r.observed && r.scope == 0);
	CHECK_ERR(settle(&t, some, NOON), OK);
	end();
}

static void alerts_come_with_what_settles(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_TOKENS_PER_DAY, 100);
	const struct limits_amounts used = {1, 85, 0};
	struct limits_alert alerts[LIMITS_ALERTS_MAX];
	struct limits_ticket t;
	struct limits_refusal r;
	size_t count;

	begin();
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 90, 0}, NOON, &t, &r), OK);
	CHECK_ERR(limits_settle(&kept, directory, &t, &used, NOON, alerts, &count), OK);
	CHECK_U64(count, 1);
	CHECK_U64(alerts[0].percent, 80);
	CHECK_U64(alerts[0].used, 85);
	CHECK_U64(alerts[0].resets_ns, NOON + DAY / 2);
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 5, 0}, NOON, &t, &r), OK);
	CHECK_ERR(limits_settle(&kept, directory, &t, &used, NOON, alerts, &count), OK);
	CHECK_U64(count, 1);
	CHECK_U64(alerts[0].percent, 100);
	end();
}

static void only_so_many_are_under_way(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_CONCURRENT_REQUESTS, 2);
	const struct limits_amounts one = {1, 0, 0};
	struct limits_ticket t[2], u;
	struct limits_refusal r;

	begin();
	CHECK_ERR(take(&s, 1, one, NOON, &t[0], &r), OK);
	CHECK_ERR(take(&s, 1, one, NOON, &t[1], &r), OK);
	CHECK_ERR(take(&s, 1, one, NOON, &u, &r), ERR_LIMIT);
	CHECK(r.at.kind == LIMIT_CONCURRENT_REQUESTS);
	CHECK_U64(read_meter(PRODUCTION, NOON).running, 2);
	CHECK_ERR(settle(&t[0], one, NOON), OK);
	CHECK_ERR(take(&s, 1, one, NOON, &u, &r), OK);
	CHECK_ERR(settle(&t[1], one, NOON), OK);
	CHECK_ERR(settle(&u, one, NOON), OK);
	CHECK_ERR(settle(&u, one, NOON), OK); /* once too often does no harm */
	CHECK_U64(read_meter(PRODUCTION, NOON).running, 0);
	end();
}

static void a_dead_process_holds_nothing(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_CONCURRENT_REQUESTS, 1);
	const struct limits_amounts one = {1, 0, 0};
	struct limits_ticket t;
	struct limits_refusal r;

	begin();
	pid_t pid = fork();
	if (pid == 0)
		_exit(take(&s, 1, one, NOON, &t, &r) != OK);
	int status = -1;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_U64(read_meter(PRODUCTION, NOON).running, 0);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), OK);
	/* What lives is not swept away with it. */
	CHECK_ERR(take(&s, 1, one, NOON + 5 * SECOND, &t, &r), ERR_LIMIT);
	end();
}

/* Runs `body` in a child; true: it found all as it should be. */
static bool in_a_child(bool (*body)(struct limits_ticket *t), struct limits_ticket *t)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(!body(t));
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool adopt(struct limits_ticket *t)
{
	const struct limits_process me = self();

	return limits_adopt(&kept, directory, &me, NOON, t) == OK && t->who.pid == me.pid;
}

static bool adopt_and_settle(struct limits_ticket *t)
{
	return adopt(t) && settle(t, (struct limits_amounts){1, 10, 0}, NOON) == OK;
}

/* While it lives, the taker has settled its copy by what it took, as it does. */
static bool adopt_see_and_settle(struct limits_ticket *t)
{
	struct limits_ticket parents = *t;

	return adopt(t) && settle(&parents, parents.taken, NOON) == OK &&
	       read_meter(PRODUCTION, NOON).running == 1 &&
	       settle(t, (struct limits_amounts){1, 10, 0}, NOON) == OK;
}

static void a_child_that_carries_on_settles(void)
{
	struct limits_scope s = scope(PRODUCTION, LIMIT_CONCURRENT_REQUESTS, 1);
	struct limits_ticket t;
	struct limits_refusal r;

	s.values.given |= 1u << LIMIT_TOKENS_PER_DAY;
	s.values.value[LIMIT_TOKENS_PER_DAY] = 1000;
	begin();
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 60, 0}, NOON, &t, &r), OK);
	CHECK(in_a_child(adopt_and_settle, &t));
	CHECK_U64(read_meter(PRODUCTION, NOON).running, 0);
	CHECK_U64(spent(PRODUCTION, LIMIT_TOKENS_PER_DAY), 10);
	/* The parent does as well, when it frees its copy: that changes nothing. */
	CHECK_ERR(settle(&t, t.taken, NOON), OK);
	CHECK_U64(read_meter(PRODUCTION, NOON).running, 0);
	CHECK_U64(spent(PRODUCTION, LIMIT_TOKENS_PER_DAY), 10);
	/* The parent, which lives, holds nothing any more. */
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 60, 0}, NOON, &t, &r), OK);
	CHECK(in_a_child(adopt_see_and_settle, &t));
	CHECK_U64(read_meter(PRODUCTION, NOON).running, 0);
	CHECK_U64(spent(PRODUCTION, LIMIT_TOKENS_PER_DAY), 20);
	/* One that ends without a word is a dead process as any. */
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 60, 0}, NOON, &t, &r), OK);
	CHECK(in_a_child(adopt, &t));
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 60, 0}, NOON + SECOND, &t, &r), OK);
	CHECK_U64(read_meter(PRODUCTION, NOON).running, 1);
	end();
}

static void what_a_dead_parent_held_is_held_by_the_child(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_CONCURRENT_REQUESTS, 1);
	const struct limits_amounts one = {1, 0, 0};
	struct limits_process dead = self();
	const struct limits_process me = self();
	struct limits_ticket t, u;
	struct limits_refusal r;

	dead.start--; /* there was one with our number before */
	begin();
	CHECK_ERR(limits_take(&kept, directory, &dead, &s, 1, &one, NOON, &t, &r), OK);
	CHECK_ERR(take(&s, 1, one, NOON, &u, &r), OK); /* what the dead one held was struck out */
	CHECK_ERR(limits_adopt(&kept, directory, &me, NOON, &t), OK);
	CHECK_U64(read_meter(PRODUCTION, NOON).running, 2);
	CHECK_ERR(settle(&u, one, NOON), OK);
	CHECK_ERR(take(&s, 1, one, NOON, &u, &r), ERR_LIMIT);
	CHECK_ERR(settle(&t, one, NOON), OK);
	CHECK_ERR(take(&s, 1, one, NOON, &u, &r), OK);
	CHECK_ERR(settle(&u, one, NOON), OK);
	end();
}

static void the_next_process_of_that_number_is_another(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_CONCURRENT_REQUESTS, 1);
	const struct limits_amounts one = {1, 0, 0};
	struct limits_process before = self(), elsewhere = self();
	struct limits_ticket t;
	struct limits_refusal r;

	before.start--;
	elsewhere.space++;
	begin();
	CHECK_ERR(limits_take(&kept, directory, &before, &s, 1, &one, NOON, &t, &r), OK);
	CHECK_ERR(limits_take(&kept, directory, &elsewhere, &s, 1, &one, NOON, &t, &r), OK);
	/* Of another namespace nothing is known: it counts for an hour. */
	CHECK_ERR(take(&s, 1, one, NOON + 2 * SECOND, &t, &r), ERR_LIMIT);
	CHECK_ERR(take(&s, 1, one, NOON + LIMITS_STRANGER_NS + 2 * SECOND, &t, &r), OK);
	end();
}

static void scopes_that_have_no_room_in_front_are_found_behind(void)
{
	enum { SCOPES = 40 };
	static struct limits_scope s[SCOPES];
	static struct limits_ticket t[SCOPES];
	struct limits_ticket u;
	struct limits_refusal r;
	char name[40];

	begin();
	for (int i = 0; i < SCOPES; i++) {
		snprintf(name, sizeof name, "keys.%d", i);
		s[i] = scope(name, LIMIT_TOKENS_PER_DAY, 100);
		CHECK_ERR(take(&s[i], 1, (struct limits_amounts){1, 60, 0}, NOON, &t[i], &r), OK);
	}
	/* One in front and one behind: all or none. */
	CHECK_ERR(take(&s[SCOPES - 1], 1, (struct limits_amounts){1, 20, 0}, NOON, &u, &r), OK);
	const struct limits_scope both[2] = {s[0], s[SCOPES - 1]};
	CHECK_ERR(take(both, 2, (struct limits_amounts){1, 30, 0}, NOON, &u, &r), ERR_LIMIT);
	CHECK_U64(r.scope, 1);
	CHECK_ERR(take(both, 2, (struct limits_amounts){1, 20, 0}, NOON, &u, &r), OK);
	for (int i = 0; i < SCOPES; i++) {
		CHECK_ERR(settle(&t[i], (struct limits_amounts){1, 10, 0}, NOON), OK);
		CHECK_U64(spent(s[i].name, LIMIT_TOKENS_PER_DAY), i == 0            ? 30
								  : i == SCOPES - 1 ? 50
										    : 10);
	}
	end();
}

static void unused_scopes_make_room(void)
{
	struct limits_ticket t;
	struct limits_refusal r;
	unsigned fine = 0, full = 0;

	begin();
	for (int round = 0; round < 2; round++) {
		uint64_t now_ns = NOON + (uint64_t)round * 70 * DAY;
		fine = full = 0;
		for (int i = 0; i < LIMITS_METERS_MAX + 200; i++) {
			char name[40];
			snprintf(name, sizeof name, "keys.%d-%d", round, i);
			const struct limits_scope s = scope(name, LIMIT_TOKENS_PER_DAY, 100);
			enum err e = take(&s, 1, (struct limits_amounts){1, 1, 0}, now_ns, &t, &r);
			fine += e == OK;
			full += e == ERR_FULL;
		}
		CHECK_U64(fine + full, LIMITS_METERS_MAX + 200);
		CHECK(fine > LIMITS_METERS_MAX * 3 / 4 && fine <= LIMITS_METERS_MAX);
	}
	end();
}

static void a_file_that_was_shortened_begins_anew(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_TOKENS_PER_DAY, 100);
	static const off_t lengths[] = {0, 1, METER_BYTES - 1, LIMITS_FILE_BYTES / 2,
					LIMITS_FILE_BYTES - 1};
	struct limits_ticket t, u;
	struct limits_refusal r;
	struct stat st;

	begin();
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 1, 0}, NOON, &t, &r), OK);
		CHECK(truncate(file, lengths[i]) == 0);
		CHECK_ERR(settle(&t, (struct limits_amounts){1, 1, 0}, NOON), OK);
		CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 1, 0}, NOON, &u, &r), OK);
		CHECK(stat(file, &st) == 0 && st.st_size == LIMITS_FILE_BYTES);
	}
	CHECK(unlink(file) == 0);
	CHECK_ERR(settle(&t, (struct limits_amounts){1, 1, 0}, NOON), OK);
	end();
}

static void the_programs_own_files_are_left_alone(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_TOKENS_PER_DAY, 100);
	const struct limits_amounts one = {1, 1, 0};
	struct limits_ticket t;
	struct limits_refusal r;
	char other[128];
	struct stat st;

	begin();
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), OK);
	int fd = kept.fd_plus_one - 1;
	CHECK(fd >= 900 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	/* It closes what it does not know, and opens a file of its own, locked, in that place. */
	snprintf(other, sizeof other, "%s/other", directory);
	int own = open(other, O_RDWR | O_CREAT, 0600);
	CHECK(own >= 0 && dup2(own, fd) == fd && close(own) == 0);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), OK);
	CHECK_ERR(settle(&t, one, NOON), OK);
	CHECK(fcntl(fd, F_GETFD) >= 0 && fstat(fd, &st) == 0 && st.st_size == 0);
	CHECK(kept.fd_plus_one - 1 != fd);
	CHECK_U64(spent(PRODUCTION, LIMIT_TOKENS_PER_DAY), 2);
	close(fd);
	/* Closed, and nothing in its place. */
	close(kept.fd_plus_one - 1);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), OK);
	/* Deleted: a new one is begun, not the old one carried on. */
	CHECK(unlink(file) == 0);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), OK);
	CHECK_U64(spent(PRODUCTION, LIMIT_TOKENS_PER_DAY), 1);
	end();
}

static void a_child_and_its_parent_do_not_share_a_lock(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_TOKENS_PER_DAY, 100000);
	struct limits_ticket t;
	struct limits_refusal r;
	int status = -1;

	begin();
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 1, 0}, NOON, &t, &r), OK);
	pid_t pid = fork();
	for (int i = 0; i < 1000; i++)
		if (take(&s, 1, (struct limits_amounts){1, 1, 0}, NOON, &t, &r))
			_exit(1);
	if (pid == 0)
		_exit(0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_U64(spent(PRODUCTION, LIMIT_TOKENS_PER_DAY), 2001);
	end();
}

static void what_is_no_private_file_is_not_used(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_TOKENS_PER_DAY, 100);
	const struct limits_amounts one = {1, 1, 0};
	struct limits_ticket t;
	struct limits_refusal r;
	char other[128];

	begin();
	snprintf(other, sizeof other, "%s/other", directory);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), OK);
	CHECK(chmod(file, 0620) == 0);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), ERR_ACCESS);
	CHECK(chmod(file, 0600) == 0 && link(file, other) == 0);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), ERR_ACCESS);
	CHECK(unlink(file) == 0 && symlink("other", file) == 0);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), ERR_ACCESS);
	CHECK(unlink(file) == 0 && mkfifo(file, 0600) == 0);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), ERR_ACCESS);
	CHECK(unlink(file) == 0 && mkdir(file, 0700) == 0);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), ERR_ACCESS);
	CHECK(rmdir(file) == 0 && chmod(directory, 0770) == 0);
	CHECK_ERR(take(&s, 1, one, NOON, &t, &r), ERR_ACCESS);
	end();
}

static void a_limit_on_file_sizes_kills_nobody(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_TOKENS_PER_DAY, 100);
	struct limits_ticket t;
	struct limits_refusal r;
	int status = -1;

	begin();
	pid_t pid = fork();
	if (pid == 0) {
		const struct rlimit small = {100, 100};
		setrlimit(RLIMIT_FSIZE, &small);
		_exit(take(&s, 1, (struct limits_amounts){1, 1, 0}, NOON, &t, &r) != ERR_FULL);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	end();
}

static void a_holder_that_was_stopped_is_not_waited_for_for_ever(void)
{
	const struct limits_scope s = scope(PRODUCTION, LIMIT_TOKENS_PER_DAY, 100);
	struct limits_ticket t;
	struct limits_refusal r;
	int ready[2];
	char byte;

	begin();
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 1, 0}, NOON, &t, &r), OK);
	CHECK(pipe(ready) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
		int fd = open(file, O_RDWR);
		if (fcntl(fd, F_SETLK, &range) < 0 || write(ready[1], "x", 1) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	uint64_t before_ns = sys_monotonic_ns();
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 1, 0}, NOON, &t, &r), ERR_IO);
	CHECK(sys_monotonic_ns() - before_ns >= LIMITS_WAIT_NS);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK_ERR(take(&s, 1, (struct limits_amounts){1, 1, 0}, NOON, &t, &r), OK);
	close(ready[0]);
	close(ready[1]);
	end();
}

/* ---- killed at each of its system calls ---- */

static const struct limits_amounts taken = {1, 70, 7}, used = {1, 20, 2};

static void put_scopes(struct limits_scope s[2])
{
	s[0] = scope("organization", LIMIT_TOKENS_PER_DAY, 100);
	s[1] = scope(PRODUCTION, LIMIT_CONCURRENT_REQUESTS, 1);
}

static void be_killed(void)
{
	struct limits_scope s[2];
	struct limits_ticket t;
	struct limits_refusal r;

	put_scopes(s);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
		_exit(9);
	raise(SIGSTOP);
	if (take(s, 2, taken, NOON, &t, &r) || settle(&t, used, NOON))
		_exit(8);
	_exit(0);
}

/* Lets a child run until it stops before or after its n-th system call, and kills it there. False:
 * it has ended before. */
static bool kill_at(unsigned n, int *ret_status)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		be_killed();
	waitpid(pid, &status, 0);
	for (unsigned i = 0; i < n && WIFSTOPPED(status); i++) {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &status, 0);
	}
	*ret_status = status;
	if (!WIFSTOPPED(status))
		return false;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return true;
}

static void killed_anywhere_it_leaves_what_was_in_flight_at_most(void)
{
	struct limits_scope s[2];
	struct limits_ticket t;
	struct limits_refusal r;
	unsigned n = 1;
	int status;

	put_scopes(s);
	for (bool more = true; more && n < 1000; n++) {
		struct meter m;
		begin();
		more = kill_at(n, &status);
		if (n == 1 && WIFEXITED(status) && WEXITSTATUS(status) == 9) {
			tap_skip("ptrace is not allowed here");
			end();
			return;
		}
		uint64_t tokens = limits_read(directory, "organization", NOON, &m) == OK
					  ? m.spent[0]
					  : 0;
		CHECK(tokens == 0 || tokens == taken.tokens || tokens == used.tokens);
		if (!more)
			CHECK(status == 0 && tokens == used.tokens);
		/* Nobody holds the one that may be under way. */
		CHECK_ERR(take(&s[1], 1, taken, NOON + 2 * SECOND, &t, &r), OK);
		CHECK_ERR(take(&s[1], 1, taken, NOON + 4 * SECOND, &t, &r), ERR_LIMIT);
		end();
	}
	CHECK(n > 40 && n < 1000);
}

/* ---- what it costs ---- */

static void take_and_settle(const struct limits_scope *s, size_t count)
{
	const struct limits_process me = self();
	struct limits_alert alerts[LIMITS_ALERTS_MAX];
	struct limits_ticket t;
	struct limits_refusal r;
	size_t alert_count;

	for (int warm = 1; warm >= 0; warm--) {
		if (!warm && ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(9);
		if (!warm)
			raise(SIGSTOP);
		if (limits_take(&kept, directory, &me, s, count, &taken, NOON, &t, &r) ||
		    limits_settle(&kept, directory, &t, &used, NOON, alerts, &alert_count))
			_exit(1);
	}
	_exit(0);
}

/* 0: they cannot be counted here. */
static unsigned system_calls_once(const struct limits_scope *s, size_t count)
{
	unsigned stops = 0;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		take_and_settle(s, count);
	waitpid(pid, &status, 0);
	while (WIFSTOPPED(status)) {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &status, 0);
		stops += WIFSTOPPED(status);
	}
	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
	return WEXITSTATUS(status) ? 0 : stops / 2; /* the last one, exit, has only a beginning */
}

/* The least of some: a descriptor that was kept for a second is opened anew. */
static unsigned system_calls(const struct limits_scope *s, size_t count)
{
	unsigned least = system_calls_once(s, count);

	for (int i = 0; i < 4; i++) {
		unsigned n = system_calls_once(s, count);
		least = n < least ? n : least;
	}
	return least;
}

static void all_scopes_of_a_call_cost_as_much_as_one(void)
{
	const struct limits_scope s[LIMITS_SCOPES_MAX] = {
		scope("organization", LIMIT_TOKENS_PER_DAY, 1000),
		scope(PRODUCTION, LIMIT_TOKENS_PER_MONTH, 1000),
		scope("applications.bot", LIMIT_USD_PER_DAY, 1000),
		scope("keys.one", LIMIT_USD_PER_MONTH, 1000)};

	begin();
	unsigned one = system_calls(s, 1);
	if (one) {
		CHECK(one >= 12 && one <= 18); /* four are clocks, where these are system calls */
		CHECK_U64(system_calls(s, LIMITS_SCOPES_MAX), one);
	} else {
		tap_skip("ptrace is not allowed here");
	}
	end();
}

int main(void)
{
	RUN_TESTS(TEST(what_one_call_takes_the_next_finds), TEST(all_scopes_take_or_none_does),
		  TEST(scopes_without_limits_touch_no_file),
		  TEST(what_settling_does_not_change_is_not_touched),
		  TEST(what_only_observes_refuses_nothing_and_counts),
		  TEST(alerts_come_with_what_settles), TEST(only_so_many_are_under_way),
		  TEST(a_dead_process_holds_nothing), TEST(a_child_that_carries_on_settles),
		  TEST(what_a_dead_parent_held_is_held_by_the_child),
		  TEST(the_next_process_of_that_number_is_another),
		  TEST(scopes_that_have_no_room_in_front_are_found_behind),
		  TEST(unused_scopes_make_room), TEST(a_file_that_was_shortened_begins_anew),
		  TEST(the_programs_own_files_are_left_alone),
		  TEST(a_child_and_its_parent_do_not_share_a_lock),
		  TEST(what_is_no_private_file_is_not_used),
		  TEST(a_limit_on_file_sizes_kills_nobody),
		  TEST(a_holder_that_was_stopped_is_not_waited_for_for_ever),
		  TEST(killed_anywhere_it_leaves_what_was_in_flight_at_most),
		  TEST(all_scopes_of_a_call_cost_as_much_as_one));
}
