/* SPDX-License-Identifier: MIT */
#include "limits/holders.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/sys.h"
#include "limits/rows.h"

#define PART_BEGIN     ((off_t)LIMITS_METERS_MAX * METER_BYTES)
#define WINDOW         16 /* read at once: 1 KiB */
#define WINDOWS        (LIMITS_HOLDERS_MAX / WINDOW)
#define WINDOWS_PROBED 8
#define CHECK_SEED     UINT64_C(0x61696777206c6831) /* "aigw lh1" */
#define CHECK_FACTOR   UINT64_C(0x9e3779b97f4a7c15)

struct holder {
	uint64_t scope; /* hash of its name */
	uint64_t start; /* of the process: limits_process */
	uint64_t touched_ns;
	uint32_t pid, space;
	uint32_t count; /* requests under way; 0: nobody's */
	uint32_t spare[5];
	uint64_t check;
};
_Static_assert(sizeof(struct holder) == 64, "the file's layout");

static uint64_t checksum(const struct holder *h)
{
	uint64_t words[sizeof *h / 8], sum = CHECK_SEED;

	memcpy(words, h, sizeof words);
	for (size_t i = 0; i + 1 < sizeof words / sizeof words[0]; i++) {
		sum = (sum ^ words[i]) * CHECK_FACTOR;
		sum ^= sum >> 29;
	}
	return sum;
}

static bool is_live_record(const struct holder *h)
{
	return h->count && h->check == checksum(h);
}

void limits_process_self(struct limits_process *ret_process)
{
	struct stat st;
	uint64_t start = 0;

	memset(&st, 0, sizeof st);
	ret_process->pid = (uint32_t)sys_getpid();
	ret_process->space = sys_stat("/proc/self/ns/pid", &st) < 0 ? 0 : (uint32_t)st.st_ino;
	(void)!sys_process_start(ret_process->pid, &start);
	ret_process->start = start;
}

static uint32_t own_space(void)
{
	struct stat st;

	return sys_stat("/proc/self/ns/pid", &st) < 0 ? 0 : (uint32_t)st.st_ino;
}

/* Without /proc, whoever has the number counts as the one. */
static bool is_dead(const struct holder *h, uint32_t space, uint64_t now_ns)
{
	uint64_t start;

	if (h->space != space)
		return h->touched_ns > now_ns || now_ns - h->touched_ns > LIMITS_STRANGER_NS;
	if (h->pid == 0 || h->pid > INT32_MAX)
		return true;
	if (sys_call(SYS_kill, (long)h->pid, 0, 0, 0, 0, 0) == -ESRCH)
		return true;
	return space && (!sys_process_start(h->pid, &start) || start != h->start);
}

static off_t place_of(uint64_t window, size_t i)
{
	return PART_BEGIN + (off_t)((window * WINDOW + i) * sizeof(struct holder));
}

static enum err write_holder(int fd, struct holder *h, off_t at)
{
	h->check = checksum(h);
	return rows_write(fd, h, sizeof *h, at);
}

/* *ret_at 0: it is not there, and (of all windows that it can be in) none is free. */
static enum err find_holder(int fd, uint64_t scope, const struct limits_process *who,
			    uint64_t now_ns, struct holder *ret_holder, off_t *ret_at)
{
	struct holder rows[WINDOW];
	uint64_t first = (scope ^ (who->pid * CHECK_FACTOR)) % WINDOWS;
	off_t room = 0;

	*ret_at = 0;
	for (uint64_t i = 0; i < WINDOWS_PROBED; i++) {
		uint64_t window = (first + i) % WINDOWS;
		enum err e = rows_read(fd, rows, sizeof rows, place_of(window, 0));
		bool was_unused = false;
		if (e)
			return e;
		for (size_t k = 0; k < WINDOW; k++) {
			const struct holder *h = &rows[k];
			bool live = is_live_record(h);
			if (live && h->scope == scope && h->pid == who->pid &&
			    h->space == who->space && h->start == who->start) {
				*ret_holder = *h;
				*ret_at = place_of(window, k);
				return OK;
			}
			was_unused |= h->check == 0;
			if (!room && !live)
				room = place_of(window, k);
		}
		if (was_unused)
			break; /* nothing was ever put behind it */
	}
	*ret_at = room;
	*ret_holder = (struct holder){
		.scope = scope, .start = who->start, .pid = who->pid, .space = who->space};
	return OK;
}

static enum err sweep_windows(int fd, uint64_t scope, uint32_t pid, uint64_t now_ns)
{
	struct holder rows[WINDOW];
	uint64_t first = (scope ^ (pid * CHECK_FACTOR)) % WINDOWS;
	uint32_t space = own_space();

	for (uint64_t i = 0; i < WINDOWS_PROBED; i++) {
		uint64_t window = (first + i) % WINDOWS;
		enum err e = rows_read(fd, rows, sizeof rows, place_of(window, 0));
		for (size_t k = 0; k < WINDOW && !e; k++) {
			if (!is_live_record(&rows[k]) || !is_dead(&rows[k], space, now_ns))
				continue;
			rows[k].count = 0;
			e = write_holder(fd, &rows[k], place_of(window, k));
		}
		if (e)
			return e;
	}
	return OK;
}

static enum err change(int fd, struct holder *h, off_t at, uint32_t count, uint64_t now_ns)
{
	h->count = count;
	h->touched_ns = now_ns;
	return write_holder(fd, h, at);
}

enum err holders_add(int fd, struct bytes scope, const struct limits_process *who, uint64_t now_ns)
{
	uint64_t hash = rows_hash(scope);
	struct holder h;
	off_t at;
	enum err e = find_holder(fd, hash, who, now_ns, &h, &at);

	if (!e && !at) {
		e = sweep_windows(fd, hash, who->pid, now_ns);
		if (!e)
			e = find_holder(fd, hash, who, now_ns, &h, &at);
	}
	if (e)
		return e;
	if (!at)
		return ERR_FULL;
	return change(fd, &h, at, h.count < UINT32_MAX ? h.count + 1 : h.count, now_ns);
}

enum err holders_remove(int fd, struct bytes scope, const struct limits_process *who,
			uint64_t now_ns, bool *ret_had)
{
	struct holder h;
	off_t at;
	enum err e = find_holder(fd, rows_hash(scope), who, now_ns, &h, &at);

	if (e)
		return e;
	*ret_had = at && h.count;
	return *ret_had ? change(fd, &h, at, h.count - 1, now_ns) : OK;
}

enum err holders_count(int fd, struct bytes scope, uint64_t now_ns, bool sweep, uint32_t *ret_count)
{
	struct holder rows[WINDOW];
	uint64_t hash = rows_hash(scope), sum = 0;
	uint32_t space = own_space();

	for (uint64_t window = 0; window < WINDOWS; window++) {
		enum err e = rows_read(fd, rows, sizeof rows, place_of(window, 0));
		for (size_t k = 0; k < WINDOW && !e; k++) {
			struct holder *h = &rows[k];
			if (!is_live_record(h) || h->scope != hash)
				continue;
			if (!is_dead(h, space, now_ns))
				sum += h->count;
			else if (sweep) {
				h->count = 0;
				e = write_holder(fd, h, place_of(window, k));
			}
		}
		if (e)
			return e;
	}
	*ret_count = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
	return OK;
}
