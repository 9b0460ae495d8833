/* SPDX-License-Identifier: MIT */
#include "drain/feed_part.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "audit/acked.h"
#include "base/files.h"
#include "base/sys.h"
#include "drain/place.h"

#define NEW_FLAGS      (O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NOCTTY)
#define LOCK_FLAGS     (O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY)
#define LOCK_TRIES     600 /* another one, that is ending, may need that long */
#define LOCK_PAUSE_MS  100
#define SEGMENT_ID_LEN 16

/* ---- the directory ---- */

static enum err name_files(struct feed *f)
{
	const struct {
		char *path;
		const char *suffix;
	} files[] = {
		{f->cursor_path, FEED_CURSOR_SUFFIX}, {f->now_path, FEED_NOW_SUFFIX},
		{f->dead_path, DEAD_SUFFIX},          {f->replay_path, FEED_REPLAY_SUFFIX},
		{f->status_path, STATUS_SUFFIX},      {f->lock_path, FEED_LOCK_SUFFIX},
	};
	enum err e = acked_is_name(f->config->name) ? OK : ERR_USAGE;

	if (!e) {
		memcpy(f->name, f->config->name.at, f->config->name.len);
		f->name[f->config->name.len] = '\0';
	}
	for (size_t i = 0; !e && i < sizeof files / sizeof files[0]; i++)
		e = place_file(f->o->sinks, f->config->name, files[i].suffix, files[i].path);
	return e;
}

/* The one before us may be ending yet. A signal ends the waiting. */
static enum err take_lock(struct feed *f)
{
	struct pollfd signal = {.fd = f->o->signal_fd, .events = POLLIN};

	f->lock_fd = sys_open(f->lock_path, LOCK_FLAGS, 0600);
	if (f->lock_fd < 0)
		return err_from_errno(f->lock_fd);
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (sys_flock(f->lock_fd, LOCK_EX | LOCK_NB) >= 0)
			return OK;
		if (poll(&signal, 1, LOCK_PAUSE_MS) > 0)
			break;
	}
	return ERR_STATE;
}

enum err feed_files_open(struct feed *f)
{
	enum err e = name_files(f);

	f->lock_fd = -1;
	if (!e)
		e = sys_make_directories(f->o->sinks, 0700);
	return e ? e : take_lock(f);
}

void feed_files_close(struct feed *f)
{
	if (f->lock_fd >= 0)
		sys_close(f->lock_fd);
	f->lock_fd = -1;
	buf_done(&f->cursor);
	buf_done(&f->replay_file);
	buf_done(&f->replay_ids);
	buf_done(&f->revived);
	free(f->dead);
	f->dead = NULL;
}

static enum err write_file(const char *path, struct bytes content, bool synced)
{
	struct buf beside = {0};
	size_t written;
	enum err e = buf_put_str(&beside, path);
	int fd = -1;

	if (!e)
		e = buf_put(&beside, bytes_of(".new", 5));
	if (!e) {
		fd = sys_open((const char *)beside.at, NEW_FLAGS, 0600);
		e = fd < 0 ? err_from_errno(fd)
			   : sys_write_full(fd, content.at, content.len, &written);
	}
	if (!e && synced)
		e = err_from_errno(sys_fdatasync(fd));
	if (fd >= 0)
		sys_close(fd);
	if (!e)
		e = err_from_errno(sys_rename((const char *)beside.at, path));
	buf_done(&beside);
	return e;
}

static void trouble(struct feed *f, const char *what, enum err e)
{
	struct buf text = {0};

	if (!buf_put_str(&text, what) && !buf_put_str(&text, ": ") &&
	    !buf_put_str(&text, err_text(e)))
		status_text(f->status.problem, buf_view(&text));
	buf_done(&text);
}

/* ---- dead letters ---- */

static void know_dead(struct feed *f)
{
	struct buf file = {0};
	struct dead_letter letter;
	struct bytes rest;
	size_t count = 0, room = 0;
	enum err e = files_load(f->dead_path, DEAD_FILE_MAX, &file);

	if (e && e != ERR_MISSING) {
		trouble(f, "the dead letters cannot be read", e);
		return; /* what was known before still counts */
	}
	for (rest = buf_view(&file); dead_next(&rest, &letter) == OK;)
		room++;
	struct feed_dead *all = calloc(room + 1, sizeof *all);
	for (rest = buf_view(&file); all && count < room && dead_next(&rest, &letter) == OK;) {
		memcpy(all[count].segment_id, letter.segment_id, SEGMENT_ID_LEN);
		all[count++].offset = letter.offset;
	}
	buf_done(&file);
	if (!all)
		return;
	free(f->dead);
	f->dead = all;
	f->dead_count = f->status.dead = count;
}

static enum err put_cursor_hex(struct feed *f, const struct line_event *event, struct buf *hex)
{
	struct buf single = {0};
	enum err e = source_single_put(f->source, event->ticket, &single);

	if (!e)
		e = buf_put_hex(hex, buf_view(&single));
	buf_done(&single);
	return e;
}

static enum err bury(struct feed *f, const struct line_event *event)
{
	struct dead_letter letter = {.offset = event->offset,
				     .sequence = event->sequence,
				     .time_ns = event->event.time_ns,
				     .since_ns = sys_now_ns(),
				     .refusals = event->refusals};
	struct bytes reason = bytes_str(f->status.failure);
	struct buf hex = {0};
	enum err e = event->event.id.len < sizeof letter.id ? OK : ERR_LIMIT;

	if (!e)
		e = put_cursor_hex(f, event, &hex);
	if (!e) {
		memcpy(letter.id, event->event.id.at, event->event.id.len);
		memcpy(letter.segment_id, event->segment_id, SEGMENT_ID_LEN);
		memcpy(letter.reason, reason.at,
		       reason.len < DEAD_REASON_MAX ? reason.len : DEAD_REASON_MAX);
		letter.cursor_hex = buf_view(&hex);
		e = dead_append(f->dead_path, &letter);
	}
	buf_done(&hex);
	return e;
}

void feed_bury(struct feed *f, struct line_event *event, struct bytes reason)
{
	enum err e;

	if (reason.len)
		status_text(f->status.failure, reason);
	/* The letter is on the disk before the cursor moves past the event. */
	e = bury(f, event);
	if (e) {
		trouble(f, "a dead letter cannot be kept", e);
		event->next = f->stuck;
		f->stuck = event;
		return;
	}
	(void)source_ack(f->source, event->ticket);
	f->acked = true;
	free(event);
	know_dead(f);
}

void feed_bury_stuck(struct feed *f)
{
	struct line_event *all = f->stuck;

	f->stuck = NULL;
	while (all) {
		struct line_event *next = all->next;
		feed_bury(f, all, BYTES_NONE);
		all = next;
	}
}

/* ---- trying dead letters again ---- */

void feed_look_for_replay(struct feed *f)
{
	if (f->replay_rest.len || f->replaying)
		return; /* one after the other */
	buf_reset(&f->replay_ids);
	if (files_load(f->replay_path, FEED_REPLAY_MAX, &f->replay_ids))
		return;
	(void)sys_unlink(f->replay_path);
	buf_reset(&f->replay_file);
	if (files_load(f->dead_path, DEAD_FILE_MAX, &f->replay_file) == OK)
		f->replay_rest = buf_view(&f->replay_file);
}

static bool is_asked_for(const struct feed *f, const char *id)
{
	struct bytes rest = buf_view(&f->replay_ids);

	while (rest.len) {
		struct bytes line = bytes_cut(&rest, '\n');
		if (bytes_equal(line, bytes_str(id)) || bytes_equal(line, BYTES(FEED_REPLAY_ALL)))
			return true;
	}
	return false;
}

enum err feed_next_replay(struct feed *f, struct dead_letter *ret_letter)
{
	enum err e;

	while ((e = dead_next(&f->replay_rest, ret_letter)) == OK)
		if (is_asked_for(f, ret_letter->id))
			return OK;
	return e;
}

static bool is_revived(void *context, struct bytes id)
{
	struct bytes rest = buf_view(&((struct feed *)context)->revived);

	while (rest.len)
		if (bytes_equal(bytes_cut(&rest, '\0'), id))
			return true;
	return false;
}

static void forget_revived(struct feed *f)
{
	enum err e;

	if (!f->revived.len)
		return;
	e = dead_remove(f->dead_path, is_revived, f);
	if (e) {
		trouble(f, "the dead letters cannot be written", e);
		return;
	}
	buf_reset(&f->revived);
	know_dead(f);
	f->unsaved = true; /* retention may go on */
}

/* ---- what was acknowledged ---- */

static enum err load_cursor(struct feed *f)
{
	const char *const paths[] = {f->now_path, f->cursor_path};
	struct source_options options = {.directory = f->o->directory,
					 .identity_count = f->o->identity_count,
					 .identities = f->o->identities,
					 .with_bodies = f->wants_payloads};
	bool damaged = false;
	enum err e = ERR_MISSING;

	for (size_t i = 0; e && i < sizeof paths / sizeof paths[0]; i++) {
		buf_reset(&f->cursor);
		e = files_load(paths[i], SOURCE_CURSOR_BYTES_MAX, &f->cursor);
		damaged |= e != OK && e != ERR_MISSING;
		/* An empty one is what a power cut left, never the beginning. */
		if (!e && !f->cursor.len)
			e = ERR_BAD;
		if (!e)
			e = source_open(&options, buf_view(&f->cursor), &f->source);
		damaged |= e == ERR_BAD;
		if (e == ERR_NOMEM || e == ERR_UNSUPPORTED)
			return e;
	}
	if (!e)
		return OK;
	/* Nothing may be lost because of a damaged file: then everything comes again. */
	options.from_now = f->config->from_now && !damaged;
	if (damaged)
		status_text(f->status.failure,
			    BYTES("the cursor was damaged: the log is sent from its beginning"));
	return source_open(&options, BYTES_NONE, &f->source);
}

/* The numbers go on where the last feeder stopped. */
static void load_numbers(struct feed *f)
{
	struct drain_status before;

	if (status_load(f->status_path, &before))
		return;
	f->status.delivered = before.delivered;
	f->status.filtered = before.filtered;
	f->status.heartbeats = before.heartbeats;
	f->status.batches = before.batches;
	f->status.bytes = before.bytes;
	f->status.duplicates = before.duplicates;
	f->status.retries = before.retries;
	f->status.refused = before.refused;
	f->status.restarts = before.restarts;
	f->status.success_ns = before.success_ns;
	f->status.failure_ns = before.failure_ns;
	memcpy(f->status.failure, before.failure, sizeof before.failure);
}

enum err feed_files_load(struct feed *f)
{
	load_numbers(f);
	know_dead(f);
	return load_cursor(f);
}

void feed_save_now(struct feed *f)
{
	enum err e;

	if (!f->acked)
		return;
	e = source_cursor_put(f->source, &f->cursor);
	if (!e)
		e = write_file(f->now_path, buf_view(&f->cursor), false);
	if (e)
		trouble(f, "the cursor cannot be written", e);
	f->acked = false;
	f->unsaved = true;
}

static enum err save_acked(struct feed *f)
{
	struct acked_open *open = NULL, *all;
	uint64_t entries = 0;
	size_t count = 0;
	enum err e = source_acked(f->source, &entries, &open, &count);

	if (e)
		return e;
	all = realloc(open, (count + f->dead_count + 1) * sizeof *all);
	if (!all) {
		free(open);
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < f->dead_count; i++) {
		memcpy(all[count].segment_id, f->dead[i].segment_id, SEGMENT_ID_LEN);
		all[count++].bytes = f->dead[i].offset;
	}
	e = acked_save(f->o->sinks, f->name, f->config->required, entries, all, count);
	free(all);
	return e;
}

void feed_save(struct feed *f, uint64_t now_ns)
{
	enum err e;

	feed_save_now(f);
	forget_revived(f);
	f->saved_ns = now_ns;
	if (!f->unsaved)
		return;
	e = write_file(f->cursor_path, buf_view(&f->cursor), true);
	if (!e)
		e = save_acked(f);
	if (e)
		trouble(f, "what was acknowledged cannot be kept", e);
	else
		f->unsaved = false;
}

/* ---- how it is ---- */

void feed_say(struct feed *f, uint64_t now_ns, bool always)
{
	bool changed;

	f->status.updated_ns = f->said.updated_ns;
	changed = !status_is_same(&f->status, &f->said);
	if (!always && !changed && sys_now_ns() - f->said.updated_ns < STATUS_IDLE_NS)
		return;
	f->status.updated_ns = sys_now_ns();
	f->said_ns = now_ns;
	/* Nothing depends on it: a full disk shows by the file's age. */
	if (status_save(f->status_path, &f->status) == OK)
		f->said = f->status;
}
