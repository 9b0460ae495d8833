/* SPDX-License-Identifier: MIT */
#include "limits/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/sys.h"
#include "limits/holders.h"
#include "limits/rows.h"

#define PATH_BYTES_MAX 1100
#define FD_MIN         900 /* where a kept descriptor is moved to, out of the program's way */
#define LOCK_PAUSE_NS  20000
#define LOCK_PAUSE_MAX 1000000
#define BUCKET_METERS  8 /* read at once: 2 KiB of a foreign stack */
#define BUCKETS        (LIMITS_METERS_MAX / BUCKET_METERS)
#define BUCKETS_PROBED 16
#define METER_IDLE_NS  (METER_IDLE_DAYS * UINT64_C(86400000000000))

/* ---- the file ---- */

static bool put_path(char path[PATH_BYTES_MAX], const char *directory)
{
	size_t len = strlen(directory);

	if (len + sizeof "/" LIMITS_FILE_NAME > PATH_BYTES_MAX)
		return false;
	memcpy(path, directory, len);
	memcpy(path + len, "/" LIMITS_FILE_NAME, sizeof "/" LIMITS_FILE_NAME);
	return true;
}

static bool is_private(const struct stat *st)
{
	uid_t me = (uid_t)sys_call(SYS_geteuid, 0, 0, 0, 0, 0, 0);

	return st->st_uid == me && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int create(const char *directory, const char *path, enum err *ret_error)
{
	struct stat st;

	*ret_error = sys_make_directories(directory, 0700) ? ERR_IO : OK;
	if (*ret_error)
		return -1;
	if (sys_stat(directory, &st) < 0 || !is_private(&st)) {
		*ret_error = ERR_ACCESS;
		return -1;
	}
	return sys_open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static enum err lock_file(int fd, short type)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
	struct timespec pause = {0, LOCK_PAUSE_NS};
	uint64_t until_ns = 0;

	for (;;) {
		long n = sys_call(SYS_fcntl, fd, F_SETLK, (long)&range, 0, 0, 0);
		if (n == 0)
			return OK;
		if (n != -EAGAIN && n != -EACCES && n != -EINTR)
			return err_from_errno(n);
		uint64_t now_ns = sys_monotonic_ns();
		if (!until_ns)
			until_ns = now_ns + LIMITS_WAIT_NS;
		if (now_ns >= until_ns)
			return ERR_IO;
		sys_call(SYS_nanosleep, (long)&pause, 0, 0, 0, 0, 0);
		if (pause.tv_nsec < LOCK_PAUSE_MAX)
			pause.tv_nsec *= 2;
	}
}

/* ---- the descriptor that is kept ---- */

/* The program may have closed it, and the number may be of a file of its own now: then it is
 * forgotten, and not touched. */
static int kept_descriptor(struct limits_kept *k, const char *directory, struct stat *ret_st)
{
	int fd = k->fd_plus_one - 1;

	if (fd < 0)
		return -1;
	if (sys_fstat(fd, ret_st) < 0 || ret_st->st_dev != k->device ||
	    ret_st->st_ino != k->inode) {
		k->fd_plus_one = 0;
		return -1;
	}
	if (ret_st->st_nlink == 1 && !(ret_st->st_mode & (S_IWGRP | S_IWOTH)) &&
	    sys_monotonic_ns() - k->since_ns < LIMITS_KEEP_NS &&
	    rows_hash(bytes_str(directory)) == k->directory_hash)
		return fd;
	k->fd_plus_one = 0;
	sys_close(fd);
	return -1;
}

/* Moves it out of the program's way to stay there; where there is no room, it serves once. */
static int keep_descriptor(struct limits_kept *k, const char *directory, const struct stat *st,
			   int fd)
{
	long high = sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FD_MIN, 0, 0, 0);

	if (high < 0)
		return fd;
	sys_close(fd);
	*k = (struct limits_kept){(int)high + 1, st->st_dev, st->st_ino, sys_monotonic_ns(),
				  rows_hash(bytes_str(directory))};
	return (int)high;
}

static enum err open_path(const char *directory, struct stat *ret_st, int *ret_fd)
{
	char path[PATH_BYTES_MAX];
	enum err e = OK;
	int fd = -1;

	if (!put_path(path, directory))
		return ERR_IO;
	fd = sys_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd == -ENOENT)
		fd = create(directory, path, &e);
	if (fd < 0)
		return e                                               ? e
		       : fd == -ELOOP || fd == -EISDIR || fd == -ENXIO ? ERR_ACCESS
								       : err_from_errno(fd);
	*ret_fd = fd;
	if (sys_fstat(fd, ret_st) == 0 && S_ISREG(ret_st->st_mode) && ret_st->st_nlink <= 1 &&
	    is_private(ret_st))
		return OK;
	sys_close(fd);
	return ERR_ACCESS;
}

/* Drops the lock. */
static void finish(const struct limits_kept *k, int fd)
{
	if (k->fd_plus_one != fd + 1)
		sys_close(fd);
	else
		(void)!lock_file(fd, F_UNLCK);
}

/* Open, checked, locked, of full length; to be given back by finish. */
static enum err open_store(struct limits_kept *k, const char *directory, int *ret_fd)
{
	enum err e = OK;
	struct stat st = {0};
	int fd;

	/* Writing past RLIMIT_FSIZE would kill the program (SIGXFSZ). */
	if (sys_file_limit() < LIMITS_FILE_BYTES)
		return ERR_FULL;
	fd = kept_descriptor(k, directory, &st);
	if (fd < 0) {
		e = open_path(directory, &st, &fd);
		if (e)
			return e;
		fd = keep_descriptor(k, directory, &st, fd);
	}
	e = lock_file(fd, F_WRLCK);
	/* Another process may have done this meanwhile: it is the same length. */
	if (!e && st.st_size < LIMITS_FILE_BYTES) {
		long n = sys_call(SYS_ftruncate, fd, LIMITS_FILE_BYTES, 0, 0, 0, 0);
		e = n < 0 ? err_from_errno(n) : OK;
	}
	if (e)
		finish(k, fd);
	else
		*ret_fd = fd;
	return e;
}

/* ---- meters ---- */

static bool is_unused(const struct meter *a)
{
	return a->name[0] == '\0' && a->check == 0;
}

static bool is_free(const struct meter *a, uint64_t now_ns)
{
	return !meter_is_sealed(a) ||
	       (a->touched_ns < now_ns && now_ns - a->touched_ns > METER_IDLE_NS);
}

struct place {
	off_t at;
	bool found, has_free; /* not found: `at` is where it can go */
};

/* In its bucket or, when that is full, in one behind it. Records are never taken out, only taken
 * over: behind a bucket with one that was never used there is nothing. */
static enum err find_meter(int fd, const char *name, uint64_t now_ns, struct meter *ret_meter,
			   struct place *ret_place)
{
	struct meter rows[BUCKET_METERS], wanted;
	uint64_t first = rows_hash(bytes_str(name)) % BUCKETS;
	bool last = false;

	meter_open(&wanted, name);
	memset(ret_place, 0, sizeof *ret_place);
	for (uint64_t i = 0; i < BUCKETS_PROBED && !last; i++) {
		off_t at = (off_t)((first + i) % BUCKETS * sizeof rows);
		enum err e = rows_read(fd, rows, sizeof rows, at);
		if (e)
			return e;
		for (size_t k = 0; k < BUCKET_METERS; k++) {
			off_t row_at = at + (off_t)(k * sizeof rows[0]);
			last = last || is_unused(&rows[k]);
			if (meter_is_sealed(&rows[k]) &&
			    memcmp(rows[k].name, wanted.name, sizeof wanted.name) == 0) {
				*ret_meter = rows[k];
				*ret_place = (struct place){row_at, true, false};
				return OK;
			}
			if (!ret_place->has_free && is_free(&rows[k], now_ns))
				*ret_place = (struct place){row_at, false, true};
		}
	}
	*ret_meter = wanted;
	return OK;
}

static enum err write_meter(int fd, struct meter *a, off_t at)
{
	meter_seal(a);
	return rows_write(fd, a, sizeof *a, at);
}

/* ---- taking ---- */

/* The meters of one call, as they were and as they will be. */
struct work {
	int fd;
	size_t count;
	const struct limits_scope *scopes;
	struct meter before[LIMITS_SCOPES_MAX], after[LIMITS_SCOPES_MAX];
	struct place places[LIMITS_SCOPES_MAX];
};

static bool is_held(const struct limits_scope *s)
{
	return limit_given(&s->values, LIMIT_CONCURRENT_REQUESTS);
}

/* Before a limit on what is under way refuses, what dead processes held is taken off. */
static enum err recount_if_met(struct work *w, size_t i, uint64_t now_ns)
{
	struct meter *a = &w->after[i];

	if (!is_held(&w->scopes[i]) || !a->running ||
	    a->running < w->scopes[i].values.value[LIMIT_CONCURRENT_REQUESTS] ||
	    (now_ns >= a->recounted_ns && now_ns - a->recounted_ns < LIMITS_RECOUNT_NS))
		return OK;
	a->recounted_ns = now_ns;
	enum err e = holders_count(w->fd, bytes_str(a->name), now_ns, true, &a->running);
	return e ? e : write_meter(w->fd, a, w->places[i].at);
}

static enum err load(struct work *w, uint64_t now_ns)
{
	for (size_t i = 0; i < w->count; i++) {
		struct meter *a = &w->after[i];
		enum err e = find_meter(w->fd, w->scopes[i].name, now_ns, a, &w->places[i]);
		if (e)
			return e;
		if (!w->places[i].found && !w->places[i].has_free)
			return ERR_FULL;
		meter_roll(a, now_ns);
		if (w->places[i].found)
			e = recount_if_met(w, i, now_ns);
		if (e)
			return e;
		w->before[i] = *a;
		/* Two new ones must not go to the same place. */
		if (!w->places[i].found)
			e = write_meter(w->fd, &w->before[i], w->places[i].at);
		if (e)
			return e;
	}
	return OK;
}

static enum err refuse_if_met(struct work *w, const struct limits_amounts *wanted, uint64_t now_ns,
			      struct limits_refusal *ret_refusal)
{
	struct meter_refusal r;
	bool refused = false;

	ret_refusal->observed = false;
	for (size_t i = 0; i < w->count; i++) {
		bool observed = w->scopes[i].observed;
		if (meter_allows(&w->after[i], &w->scopes[i].values, wanted, now_ns, &r))
			continue;
		if (refused && observed && !ret_refusal->observed)
			continue;
		if (!refused || observed != ret_refusal->observed ||
		    meter_holds_longer(&r, &ret_refusal->at))
			*ret_refusal = (struct limits_refusal){i, r, false, observed};
		refused = true;
	}
	if (!refused)
		return OK;
	struct meter *a = &w->after[ret_refusal->scope];
	ret_refusal->alert = meter_tell_refusal(a, ret_refusal->at.kind);
	if (ret_refusal->alert)
		(void)!write_meter(w->fd, a, w->places[ret_refusal->scope].at);
	return ret_refusal->observed ? OK : ERR_LIMIT;
}

/* Who holds is written before what is held: what a killed process leaves is never too little. */
static enum err charge(struct work *w, const struct limits_process *me,
		       const struct limits_amounts *wanted, uint64_t now_ns)
{
	size_t held = 0, written = 0;
	enum err e = OK;
	bool had;

	for (; held < w->count; held++) {
		if (is_held(&w->scopes[held]))
			e = holders_add(w->fd, bytes_str(w->after[held].name), me, now_ns);
		if (e)
			break;
	}
	for (; written < w->count && !e; written++) {
		struct meter *a = &w->after[written];
		meter_charge(a, &w->scopes[written].values, wanted, now_ns);
		if (is_held(&w->scopes[written]))
			a->running = a->running < UINT32_MAX ? a->running + 1 : UINT32_MAX;
		e = write_meter(w->fd, a, w->places[written].at);
	}
	if (!e)
		return OK;
	/* All or none. */
	while (written > 0) {
		written--;
		(void)!write_meter(w->fd, &w->before[written], w->places[written].at);
	}
	while (held > 0) {
		held--;
		if (is_held(&w->scopes[held]))
			(void)!holders_remove(w->fd, bytes_str(w->after[held].name), me, now_ns,
					      &had);
	}
	return e;
}

static void put_ticket(const struct work *w, const struct limits_process *me,
		       const struct limits_amounts *wanted, struct limits_ticket *t)
{
	t->count = w->count;
	t->taken = *wanted;
	t->who = *me;
	for (size_t i = 0; i < w->count; i++) {
		t->scopes[i] = w->scopes[i];
		t->windows[i] = (struct meter_windows){w->after[i].day, w->after[i].month};
	}
}

/* Of the scopes that were given, those without limits too. */
static size_t place_among(const struct limits_scope *scopes, size_t count, const char *name)
{
	size_t i = 0;

	while (i + 1 < count && strcmp(scopes[i].name, name) != 0)
		i++;
	return i;
}

enum err limits_take(struct limits_kept *kept, const char *directory,
		     const struct limits_process *me, const struct limits_scope *scopes,
		     size_t count, const struct limits_amounts *wanted, uint64_t now_ns,
		     struct limits_ticket *ret_ticket, struct limits_refusal *ret_refusal)
{
	struct limits_scope with[LIMITS_SCOPES_MAX];
	struct work w = {.fd = -1, .scopes = with};
	enum err e;

	if (count > LIMITS_SCOPES_MAX)
		return ERR_USAGE;
	for (size_t i = 0; i < count; i++)
		if (scopes[i].values.given)
			with[w.count++] = scopes[i];
	ret_refusal->observed = false;
	if (!w.count) {
		put_ticket(&w, me, wanted, ret_ticket);
		return OK;
	}
	e = open_store(kept, directory, &w.fd);
	if (e)
		return e;
	e = load(&w, now_ns);
	if (!e)
		e = refuse_if_met(&w, wanted, now_ns, ret_refusal);
	if (e == ERR_LIMIT || (!e && ret_refusal->observed))
		ret_refusal->scope = place_among(scopes, count, with[ret_refusal->scope].name);
	if (!e)
		e = charge(&w, me, wanted, now_ns);
	finish(kept, w.fd);
	if (!e)
		put_ticket(&w, me, wanted, ret_ticket);
	return e;
}

/* ---- carried on by a child ---- */

/* When the taker is dead, what it held may have been taken off already. */
static enum err hand_over(int fd, const char *name, const struct limits_process *from,
			  const struct limits_process *to, uint64_t now_ns)
{
	struct meter a;
	struct place place;
	bool had = false;
	enum err e = holders_add(fd, bytes_str(name), to, now_ns);

	if (!e)
		e = holders_remove(fd, bytes_str(name), from, now_ns, &had);
	if (e || had)
		return e;
	e = find_meter(fd, name, now_ns, &a, &place);
	if (e || !place.found || a.running == UINT32_MAX)
		return e;
	a.running++;
	return write_meter(fd, &a, place.at);
}

enum err limits_adopt(struct limits_kept *kept, const char *directory,
		      const struct limits_process *me, uint64_t now_ns,
		      struct limits_ticket *ticket)
{
	bool held = false;
	enum err e = OK;
	int fd = -1;

	for (size_t i = 0; i < ticket->count && i < LIMITS_SCOPES_MAX; i++)
		held = held || is_held(&ticket->scopes[i]);
	if (held)
		e = open_store(kept, directory, &fd);
	if (e)
		return e;
	for (size_t i = 0; held && i < ticket->count && i < LIMITS_SCOPES_MAX && !e; i++)
		if (is_held(&ticket->scopes[i]))
			e = hand_over(fd, ticket->scopes[i].name, &ticket->who, me, now_ns);
	if (held)
		finish(kept, fd);
	if (!e)
		ticket->who = *me;
	return e;
}

/* ---- settling ---- */

static enum err settle_one(int fd, const struct limits_ticket *t, size_t i,
			   const struct limits_amounts *used, uint64_t now_ns,
			   struct limits_alert *alerts, size_t *alert_count)
{
	const struct limits_scope *s = &t->scopes[i];
	struct meter a;
	struct place place;
	enum limit_kind kind;
	enum err e = OK;
	bool held = false;
	unsigned percent;

	/* What was taken off as a dead process's, or went to a child, is not under way twice. */
	if (is_held(s))
		e = holders_remove(fd, bytes_str(s->name), &t->who, now_ns, &held);
	if (!e)
		e = find_meter(fd, s->name, now_ns, &a, &place);
	if (e || !place.found)
		return e;
	meter_roll(&a, now_ns);
	meter_settle(&a, &s->values, &t->taken, used, t->windows[i], now_ns);
	if (held && a.running)
		a.running--;
	while ((percent = meter_next_alert(&a, &s->values, &kind)) &&
	       *alert_count < LIMITS_ALERTS_MAX)
		alerts[(*alert_count)++] = (struct limits_alert){
			i,
			kind,
			percent,
			meter_used(&a, &s->values, kind, now_ns),
			s->values.value[kind],
			meter_resets_ns(&a, kind, now_ns)};
	return write_meter(fd, &a, place.at);
}

static bool has_to_settle(const struct limits_ticket *t, size_t i,
			  const struct limits_amounts *used)
{
	return is_held(&t->scopes[i]) || meter_has_to_settle(&t->scopes[i].values, &t->taken, used);
}

enum err limits_settle(struct limits_kept *kept, const char *directory,
		       const struct limits_ticket *ticket, const struct limits_amounts *used,
		       uint64_t now_ns, struct limits_alert ret_alerts[LIMITS_ALERTS_MAX],
		       size_t *ret_alert_count)
{
	size_t count = ticket->count < LIMITS_SCOPES_MAX ? ticket->count : LIMITS_SCOPES_MAX;
	enum err e, first = OK;
	bool any = false;
	int fd = -1;

	*ret_alert_count = 0;
	for (size_t i = 0; i < count; i++)
		any = any || has_to_settle(ticket, i, used);
	if (!any)
		return OK;
	e = open_store(kept, directory, &fd);
	if (e)
		return e;
	for (size_t i = 0; i < count; i++) {
		e = has_to_settle(ticket, i, used)
			    ? settle_one(fd, ticket, i, used, now_ns, ret_alerts, ret_alert_count)
			    : OK;
		if (!first)
			first = e;
	}
	finish(kept, fd);
	return first;
}

/* ---- reading ---- */

enum err limits_read(const char *directory, const char *name, uint64_t now_ns,
		     struct meter *ret_meter)
{
	char path[PATH_BYTES_MAX];
	struct place place;
	struct meter a;
	enum err e;
	int fd = -1;

	if (!put_path(path, directory))
		return ERR_IO;
	fd = sys_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return err_from_errno(fd);
	e = lock_file(fd, F_RDLCK);
	if (!e)
		e = find_meter(fd, name, now_ns, &a, &place);
	if (!e && !place.found)
		e = ERR_MISSING;
	if (!e)
		e = holders_count(fd, bytes_str(name), now_ns, false, &a.running);
	sys_close(fd);
	if (e)
		return e;
	meter_roll(&a, now_ns);
	*ret_meter = a;
	return OK;
}
