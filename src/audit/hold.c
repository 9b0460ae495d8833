/* SPDX-License-Identifier: MIT */
#include "audit/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>

#include "audit/place.h"
#include "base/files.h"
#include "base/sys.h"

#define MS_PER_DAY   86400000u
#define LOCK_STEP_NS 20000000
#define NEW_FLAGS    (O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NOCTTY)

const char *hold_kind_name(enum hold_kind kind)
{
	return kind == HOLD_DAY ? "day" : kind == HOLD_SEGMENT ? "segment" : "range";
}

/* The time of a ULID: 48 bits in its first ten digits. */
static bool id_time(struct bytes id, uint64_t *ret_ms)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64_t ms = 0;

	if (id.len != ULID_CHARS || id.at[0] > '7')
		return false;
	for (size_t i = 0; i < id.len; i++) {
		const char *hit = id.at[i] ? strchr(digits, id.at[i]) : NULL;
		if (!hit)
			return false;
		if (i < 10)
			ms = ms << 5 | (uint64_t)(hit - digits);
	}
	*ret_ms = ms;
	return true;
}

static bool is_below(struct bytes path)
{
	uint64_t day;
	struct bytes rest = path, name = bytes_cut(&rest, '/');

	return path.len <= LEDGER_PATH_MAX && place_parse_day(name, &day) == OK && rest.len > 5 &&
	       bytes_ends(rest, BYTES(".aigw")) && bytes_find_byte(rest, '/') == SIZE_MAX &&
	       bytes_find_byte(rest, ' ') == SIZE_MAX;
}

static bool is_plain(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < ' ' || text.at[i] == 0x7F)
			return false;
	return bytes_is_utf8(text);
}

enum err hold_check(const struct hold *h)
{
	uint64_t day, first, last;
	bool fine = false;

	if (h->reason.len == 0 || h->reason.len > HOLD_REASON_MAX || !is_plain(h->reason))
		return ERR_BAD;
	if (h->kind == HOLD_DAY)
		fine = place_parse_day(h->first, &day) == OK;
	else if (h->kind == HOLD_SEGMENT)
		fine = is_plain(h->first) && is_below(h->first);
	else
		fine = id_time(h->first, &first) && id_time(h->last, &last) &&
		       bytes_compare(h->first, h->last) <= 0;
	return fine ? OK : ERR_BAD;
}

enum err hold_next(struct bytes *rest, struct hold *ret_hold)
{
	struct hold h = {.kind = HOLD_DAY};
	struct bytes line, word;

	do {
		if (rest->len == 0)
			return ERR_END;
		line = bytes_cut(rest, '\n');
	} while (line.len == 0);
	word = bytes_cut(&line, ' ');
	if (bytes_equal(word, BYTES("segment")))
		h.kind = HOLD_SEGMENT;
	else if (bytes_equal(word, BYTES("range")))
		h.kind = HOLD_RANGE;
	else if (!bytes_equal(word, BYTES("day")))
		return ERR_BAD;
	h.first = bytes_cut(&line, ' ');
	if (h.kind == HOLD_RANGE)
		h.last = bytes_cut(&line, ' ');
	if (bytes_parse_u64(bytes_cut(&line, ' '), UINT64_MAX, &h.since_ns))
		return ERR_BAD;
	h.reason = line;
	if (hold_check(&h))
		return ERR_BAD;
	*ret_hold = h;
	return OK;
}

enum err hold_put(struct buf *out, const struct hold *h)
{
	enum err e = buf_put_str(out, hold_kind_name(h->kind));

	if (!e)
		e = buf_put_u8(out, ' ');
	if (!e)
		e = buf_put(out, h->first);
	if (!e && h->kind == HOLD_RANGE) {
		e = buf_put_u8(out, ' ');
		if (!e)
			e = buf_put(out, h->last);
	}
	if (!e)
		e = buf_put_u8(out, ' ');
	if (!e)
		e = buf_put_decimal(out, h->since_ns);
	if (!e)
		e = buf_put_u8(out, ' ');
	if (!e)
		e = buf_put(out, h->reason);
	return e ? e : buf_put_u8(out, '\n');
}

bool hold_covers(const struct hold *h, struct bytes below)
{
	uint64_t day, first, last;
	struct bytes name = below, text = bytes_cut(&name, '/');

	if (h->kind == HOLD_SEGMENT)
		return bytes_equal(h->first, below);
	if (h->kind == HOLD_DAY)
		return bytes_equal(h->first, text);
	if (!id_time(h->first, &first) || !id_time(h->last, &last) || place_parse_day(text, &day))
		return true; /* cannot be told: kept */
	return day >= first / MS_PER_DAY && day <= last / MS_PER_DAY + 1;
}

bool hold_find(struct bytes file, struct bytes below, struct hold *ret_hold)
{
	struct hold h;
	enum err e;

	while ((e = hold_next(&file, &h)) != ERR_END) {
		if (e)
			h = (struct hold){.kind = HOLD_DAY};
		if (e || hold_covers(&h, below)) {
			*ret_hold = h;
			return true;
		}
	}
	return false;
}

/* ---- the file ---- */

static enum err put_path(struct buf *path, const char *directory, const char *name)
{
	enum err e = buf_put_str(path, directory);

	if (!e)
		e = buf_put_u8(path, '/');
	return e ? e : buf_put(path, bytes_of(name, strlen(name) + 1));
}

enum err hold_load(const char *directory, struct buf *ret_file)
{
	struct buf path = {0};
	enum err e = put_path(&path, directory, HOLD_FILE);

	buf_reset(ret_file);
	if (!e)
		e = files_load((const char *)path.at, HOLD_BYTES_MAX, ret_file);
	buf_done(&path);
	if (e == ERR_MISSING) {
		buf_reset(ret_file);
		e = OK;
	}
	return e;
}

enum err hold_save(const char *directory, struct bytes file)
{
	struct buf path = {0}, beside = {0};
	size_t written;
	enum err e = put_path(&path, directory, HOLD_FILE);

	if (!e)
		e = put_path(&beside, directory, HOLD_FILE ".new");
	if (!e && file.len > HOLD_BYTES_MAX)
		e = ERR_LIMIT;
	if (e)
		goto out;
	int fd = sys_open((const char *)beside.at, NEW_FLAGS, 0600);
	if (fd < 0) {
		e = err_from_errno(fd);
		goto out;
	}
	e = sys_write_full(fd, file.at, file.len, &written);
	if (!e)
		e = err_from_errno(sys_fdatasync(fd));
	sys_close(fd);
	if (!e)
		e = err_from_errno(sys_rename((const char *)beside.at, (const char *)path.at));
	if (e)
		sys_unlink((const char *)beside.at);
out:
	buf_done(&path);
	buf_done(&beside);
	return e;
}

enum err hold_lock(const char *directory, int *ret_fd)
{
	uint64_t deadline = sys_monotonic_ns() + HOLD_WAIT_NS;
	struct timespec wait = {0, LOCK_STEP_NS};
	int fd = sys_open(directory, O_RDONLY | O_DIRECTORY, 0), n;

	if (fd < 0)
		return err_from_errno(fd);
	while ((n = sys_flock(fd, LOCK_EX | LOCK_NB)) < 0) {
		if ((n != -EWOULDBLOCK && n != -EINTR) || sys_monotonic_ns() > deadline) {
			sys_close(fd);
			return n == -EWOULDBLOCK || n == -EINTR ? ERR_STATE : err_from_errno(n);
		}
		sys_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&wait, 0, 0, 0);
	}
	*ret_fd = fd;
	return OK;
}

void hold_unlock(int fd)
{
	sys_flock(fd, LOCK_UN);
	sys_close(fd);
}
