/* SPDX-License-Identifier: MIT */
#include "daemon/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/ledger.h"
#include "audit/verify.h"
#include "base/files.h"
#include "base/sys.h"
#include "daemon/note.h"

#define TAIL_BYTES  (64u << 10) /* where the last checkpoint is looked for */
#define FILE_FLAGS  (O_RDWR | O_CLOEXEC | O_NOFOLLOW)
#define NAME_DIGITS 16 /* of a segment's id in its file's name */

static enum err put_path(const char *directory, const char *name, char ret_path[SEGMENT_PATH_MAX])
{
	size_t d = strlen(directory), n = strlen(name);

	if (d + n + 2 > SEGMENT_PATH_MAX)
		return ERR_LIMIT;
	memcpy(ret_path, directory, d);
	ret_path[d] = '/';
	memcpy(ret_path + d + 1, name, n + 1);
	return OK;
}

static enum err open_file(const char *directory, const char *name, int flags, int *ret_fd,
			  uint64_t *ret_bytes)
{
	char path[SEGMENT_PATH_MAX];
	enum err e = put_path(directory, name, path);
	struct stat st;

	if (e)
		return e;
	*ret_fd = sys_open(path, flags, 0600);
	/* Nothing is made before it is known that everything fits together. */
	if (*ret_fd == -ENOENT) {
		*ret_fd = -1;
		*ret_bytes = 0;
		return OK;
	}
	if (*ret_fd < 0)
		return err_from_errno(*ret_fd);
	if (sys_fstat(*ret_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ERR_ACCESS;
	*ret_bytes = (uint64_t)st.st_size;
	return OK;
}

static void close_files(struct checkpoint_writer *w)
{
	if (w->fd >= 0)
		sys_close(w->fd);
	if (w->state_fd >= 0)
		sys_close(w->state_fd);
	w->fd = w->state_fd = -1;
}

/* ---- the keys ---- */

static enum err write_slot(int fd, const void *content, size_t len, uint64_t slot)
{
	ssize_t n = sys_pwrite(
		fd, content, len,
		(off_t)(slot % FORMAT_CHECKPOINT_SLOTS * FORMAT_CHECKPOINT_SLOT_BYTES));

	if (n < 0)
		return err_from_errno(n);
	return (size_t)n == len ? OK : ERR_FULL;
}

static enum err save_state(struct checkpoint_writer *w)
{
	w->state.generation++;
	checkpoint_seal_state(&w->state);
	return write_slot(w->state_fd, &w->state, sizeof w->state, w->state.generation);
}

/* The next key becomes the active one. Only when the slot that holds it is on the disk is the other
 * slot, with the key whose time is over, overwritten. */
static enum err evolve(struct checkpoint_writer *w)
{
	const struct format_checkpoint_state nothing = {0};
	enum err e;

	memcpy(w->state.active, w->state.next, sizeof w->state.active);
	e = sys_random(w->state.next, sizeof w->state.next);
	if (!e)
		e = save_state(w);
	if (!e)
		e = err_from_errno(sys_fdatasync(w->state_fd));
	if (!e)
		e = write_slot(w->state_fd, &nothing, sizeof nothing, w->state.generation + 1);
	return e ? e : err_from_errno(sys_fdatasync(w->state_fd));
}

/* ---- does everything fit together? ---- */

static enum err refuse(const struct checkpoint_writer *w, const char *why)
{
	note(NOTE_ALARM, "refusing to start on ", w->directory, ": ", why,
	     ". Something was lost, removed or put back to an older state. Keep these files, look "
	     "into them with 'aigw verify --checkpoints' and a copy from outside, and let the "
	     "collector begin in another directory");
	return ERR_SEAL;
}

/* The segment of the last checkpoint must be as long as that says. Its name holds half of its id.
 */
static bool has_segment(const struct checkpoint_writer *w)
{
	static const uint8_t none[16];
	struct segment_place *places = NULL;
	struct buf name = {0};
	size_t count = 0;
	bool found = memcmp(w->last.segment_id, none, sizeof none) == 0;

	if (found)
		return true;
	if (buf_put_hex(&name, bytes_of(w->last.segment_id, NAME_DIGITS / 2)) ||
	    buf_put_str(&name, ".aigw") || segment_list(w->directory, &places, &count))
		count = 0;
	for (size_t i = count; i-- > 0 && !found;)
		found = bytes_ends(bytes_str(places[i].path), buf_view(&name)) &&
			places[i].bytes >= w->last.bytes;
	free(places);
	buf_done(&name);
	return found;
}

static enum err check_log(const struct checkpoint_writer *w)
{
	uint8_t chain[32];
	uint64_t entries;

	ledger_tip(w->directory, &entries, chain);
	if (entries < w->last.ledger_entries)
		return refuse(w, "the ledger is shorter than the last checkpoint says");
	if (entries == w->last.ledger_entries && !seal_equal(chain, w->last.ledger_chain))
		return refuse(w, "the ledger is not the one of the last checkpoint");
	return has_segment(w) ? OK
			      : refuse(w, "the last segment is gone, or shorter than the last "
					  "checkpoint says");
}

static enum err load_last(struct checkpoint_writer *w, uint64_t bytes)
{
	uint64_t from = bytes > TAIL_BYTES ? bytes - TAIL_BYTES : 0;
	static uint8_t tail[TAIL_BYTES];
	ssize_t n = sys_pread(w->fd, tail, sizeof tail, (off_t)from);
	struct bytes view = bytes_of(tail, n > 0 ? (size_t)n : 0);
	size_t at = checkpoint_find_last(view);

	if (n < 0)
		return err_from_errno(n);
	if (at == SIZE_MAX)
		return refuse(w, "there is no checkpoint at the end of the checkpoints");
	w->has_last = checkpoint_parse(view, at, &w->last);
	w->torn_bytes = view.len - at - sizeof w->last;
	return OK;
}

static enum err take_up(struct checkpoint_writer *w, uint64_t bytes)
{
	uint8_t slots[CHECKPOINT_STATE_BYTES];
	ssize_t n = w->state_fd < 0 ? 0 : sys_pread(w->state_fd, slots, sizeof slots, 0);
	bool evolved = false;
	enum err e = load_last(w, bytes);

	if (!e && checkpoint_parse_state(bytes_of(slots, n > 0 ? (size_t)n : 0), &w->state))
		e = refuse(w, "the checkpoints' keys are gone or damaged");
	if (!e && checkpoint_fit_state(&w->state, &w->last, &evolved))
		e = refuse(w, "the checkpoints' keys do not fit the last checkpoint");
	if (!e)
		e = check_log(w);
	/* A key whose time was over may still stand in the other slot: it goes now. */
	if (!e)
		e = evolved ? evolve(w) : save_state(w);
	wipe(slots, sizeof slots);
	return e;
}

static bool has_ledger(const struct checkpoint_writer *w)
{
	char path[SEGMENT_PATH_MAX];
	struct stat st;

	return !put_path(w->directory, LEDGER_FILE, path) && sys_stat(path, &st) == 0;
}

static enum err open_files(struct checkpoint_writer *w, int more_flags, uint64_t *ret_bytes)
{
	uint64_t ignored = 0;
	enum err e = open_file(w->directory, CHECKPOINT_STATE_FILE, FILE_FLAGS | more_flags,
			       &w->state_fd, &ignored);

	if (!e)
		e = open_file(w->directory, CHECKPOINT_FILE, FILE_FLAGS | O_APPEND | more_flags,
			      &w->fd, ret_bytes);
	return e;
}

static enum err begin(struct checkpoint_writer *w, uint64_t now_ns)
{
	const struct segment_tip nothing = {0};
	uint64_t bytes = 0;
	enum err e = sys_random(w->state.active, sizeof w->state.active);

	if (!e)
		e = sys_random(w->state.next, sizeof w->state.next);
	close_files(w);
	if (!e)
		e = open_files(w, O_CREAT, &bytes);
	w->torn_bytes = bytes;
	return e ? e : checkpoint_make(w, FORMAT_CHECKPOINT_FIRST, &nothing, 0, now_ns);
}

static void say_key(const struct checkpoint_writer *w)
{
	struct buf hex = {0};

	if (!buf_put_hex(&hex, bytes_of(w->last.key, sizeof w->last.key)) && !buf_put_u8(&hex, 0))
		note(NOTE_INFO, "checkpoints are signed with ", (const char *)hex.at);
	buf_done(&hex);
}

enum err checkpoint_open(struct checkpoint_writer *w, const char *directory, uint64_t now_ns)
{
	uint64_t bytes = 0;
	enum err e;

	*w = (struct checkpoint_writer){.fd = -1, .state_fd = -1, .evolved_ns = now_ns};
	if (strlen(directory) >= sizeof w->directory)
		return ERR_LIMIT;
	memcpy(w->directory, directory, strlen(directory) + 1);
	e = open_files(w, 0, &bytes);
	if (e) {
		note_error(NOTE_WRONG, e, "the checkpoints in ", directory);
		return e;
	}
	/* The first checkpoint comes before the first record: without one there is no log either,
	 * unless somebody took the checkpoints away. */
	if (bytes >= sizeof w->last)
		e = take_up(w, bytes);
	else if (has_ledger(w))
		e = refuse(w, "there is a log, but no checkpoints of it");
	else
		e = begin(w, now_ns);
	if (!e)
		say_key(w);
	return e;
}

/* ---- making one ---- */

static enum err append(struct checkpoint_writer *w, const struct format_checkpoint *c)
{
	size_t written = 0;
	enum err e = sys_write_full(w->fd, c, sizeof *c, &written);

	if (!e)
		e = err_from_errno(sys_fdatasync(w->fd));
	if (e)
		w->torn_bytes += written;
	return e;
}

static enum err make(struct checkpoint_writer *w, struct format_checkpoint *c, uint64_t now_ns)
{
	bool evolves = now_ns - w->evolved_ns >= CHECKPOINT_EVOLVE_NS;
	enum err e;

	if (evolves)
		checkpoint_public(w->state.next, c->next);
	checkpoint_sign(c, w->state.active);
	if (c->kind == FORMAT_CHECKPOINT_FIRST) {
		/* The keys first: a checkpoint whose key was never kept could not be followed. */
		w->state.number = UINT64_MAX;
		e = save_state(w);
		if (!e)
			e = err_from_errno(sys_fdatasync(w->state_fd));
		if (e)
			return e;
	}
	e = append(w, c);
	if (e)
		return e;
	w->last = *c;
	w->has_last = true;
	w->torn_bytes = 0;
	w->made_ns = now_ns;
	w->state.number = c->number;
	checkpoint_digest(c, w->state.last);
	if (!evolves)
		return save_state(w);
	w->evolved_ns = now_ns;
	return evolve(w);
}

enum err checkpoint_make(struct checkpoint_writer *w, enum format_checkpoint_kind kind,
			 const struct segment_tip *tip, uint64_t kept, uint64_t now_ns)
{
	struct format_checkpoint c = {
		.kind = (uint16_t)kind,
		.time_ns = now_ns,
		.skipped_bytes = (uint32_t)w->torn_bytes,
		.records = tip->records,
		.bytes = tip->bytes,
	};
	enum err e;

	if (w->has_last) {
		c.number = w->last.number + 1;
		checkpoint_digest(&w->last, c.previous);
	}
	c.kept = (w->has_last ? w->last.kept : 0) + kept;
	memcpy(c.segment_id, tip->segment_id, sizeof c.segment_id);
	memcpy(c.chain, tip->chain, sizeof c.chain);
	memcpy(c.digest, tip->digest, sizeof c.digest);
	ledger_tip(w->directory, &c.ledger_entries, c.ledger_chain);
	e = make(w, &c, now_ns);
	if (e && !w->failing)
		note_error(NOTE_ALARM, e, "no checkpoint can be made in ", w->directory);
	w->failing = e != OK;
	return e;
}

void checkpoint_close(struct checkpoint_writer *w)
{
	close_files(w);
	wipe(&w->state, sizeof w->state);
}
