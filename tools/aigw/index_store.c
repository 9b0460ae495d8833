/* SPDX-License-Identifier: MIT */
#include "index_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/sys.h"
#include "policy/load.h"
#include "print.h"

#define NAME_BYTES     8 /* of the directory for one log and one key */
#define FILE_BYTES_MAX (UINT64_C(1) << 30)
#define PENDING_MAX    (8u << 20) /* written when there is more */

void index_store_init(struct index_store *s, const char *state, const char *directory,
		      const struct identity *identity)
{
	uint8_t name[32];
	struct buf path = {0};

	*s = (struct index_store){.fd = -1, .on = state != NULL};
	if (!state)
		return;
	index_key(identity, directory, s->key);
	seal_keyed_digest(s->key, BYTES("aigw index directory v1"), name);
	need(buf_put_str(&path, state));
	need(buf_put_str(&path, "/index/"));
	need(buf_put_hex(&path, bytes_of(name, NAME_BYTES)));
	need(buf_put_u8(&path, 0));
	s->directory = (char *)path.at;
}

static char *day_path(const struct index_store *s)
{
	size_t len = strlen(s->directory) + 1 + SEGMENT_DAY_CHARS + 1;
	char *path = need_memory(len);

	snprintf(path, len, "%s/%s", s->directory, s->day);
	return path;
}

/* ---- writing ---- */

static void append_pending(struct index_store *s, int fd)
{
	struct stat st;
	size_t written;

	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0 || sys_fstat(fd, &st) < 0 ||
	    (uint64_t)st.st_size != s->file_bytes)
		return;
	enum err e = OK;
	if (st.st_size == 0)
		e = sys_write_full(fd, INDEX_MAGIC, INDEX_MAGIC_BYTES, &written);
	/* A short write leaves a torn block: the next reader throws the file away. */
	if (!e)
		e = sys_write_full(fd, s->pending.at, s->pending.len, &written);
	if (!e && sys_fstat(fd, &st) >= 0)
		s->file_bytes = (uint64_t)st.st_size;
}

static void save(struct index_store *s)
{
	if (!s->day[0] || (!s->stale && s->pending.len == 0))
		return;
	char *path = day_path(s);
	if (s->stale) {
		sys_unlink(path);
	} else if (sys_make_directories(s->directory, 0700) == OK) {
		int fd = sys_open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
		if (fd >= 0) {
			append_pending(s, fd);
			sys_close(fd);
		}
	}
	buf_reset(&s->pending);
	free(path);
}

static void forget_day(struct index_store *s)
{
	if (s->fd >= 0)
		sys_close(s->fd);
	s->fd = -1;
	free(s->blocks);
	s->blocks = NULL;
	s->count = 0;
	s->file_bytes = 0;
	s->stale = false;
	s->day[0] = 0;
}

void index_store_done(struct index_store *s)
{
	if (!s->on)
		return;
	save(s);
	forget_day(s);
	buf_done(&s->pending);
	free(s->directory);
	wipe(s->key, sizeof s->key);
	*s = (struct index_store){.fd = -1};
}

/* ---- reading ---- */

static int compare_blocks(const void *a, const void *b)
{
	const struct index_block *x = a, *y = b;
	int order = memcmp(x->head.segment_id, y->head.segment_id, sizeof x->head.segment_id);

	return order ? order : (x->head.from > y->head.from) - (x->head.from < y->head.from);
}

/* The blocks of a segment follow on each other without a hole. */
static bool fit_together(const struct index_store *s)
{
	for (size_t i = 1; i < s->count; i++) {
		const struct index_head *a = &s->blocks[i - 1].head, *b = &s->blocks[i].head;
		if (memcmp(a->segment_id, b->segment_id, sizeof a->segment_id) == 0 &&
		    (a->to != b->from || a->first_sequence + a->records != b->first_sequence))
			return false;
	}
	return true;
}

static bool seal_fits(const struct index_store *s, const struct index_head *head)
{
	struct segment_mark before, behind;
	bool fits = index_open(head, s->key, &before, &behind) == OK;

	wipe(&before, sizeof before);
	wipe(&behind, sizeof behind);
	return fits;
}

static bool load_blocks(struct index_store *s)
{
	uint8_t at_hand[sizeof(struct index_head)];
	uint64_t at = INDEX_MAGIC_BYTES;
	size_t cap = 0;

	if (sys_pread(s->fd, at_hand, INDEX_MAGIC_BYTES, 0) != INDEX_MAGIC_BYTES ||
	    memcmp(at_hand, INDEX_MAGIC, INDEX_MAGIC_BYTES) != 0)
		return false;
	while (at < s->file_bytes) {
		struct index_block block = {.ids_at = at + sizeof at_hand};
		ssize_t got = sys_pread(s->fd, at_hand, sizeof at_hand, (off_t)at);
		if (got < 0 || index_parse(bytes_of(at_hand, (size_t)got), &block.head) ||
		    !seal_fits(s, &block.head))
			return false;
		at = block.ids_at + (uint64_t)block.head.id_count * INDEX_ID_BYTES;
		if (s->count == cap) {
			struct index_block *more = need_memory((cap * 2 + 64) * sizeof *more);
			if (s->count)
				memcpy(more, s->blocks, s->count * sizeof *more);
			free(s->blocks);
			s->blocks = more;
			cap = cap * 2 + 64;
		}
		s->blocks[s->count++] = block;
	}
	if (s->count)
		qsort(s->blocks, s->count, sizeof *s->blocks, compare_blocks);
	return at == s->file_bytes && fit_together(s);
}

void index_store_day(struct index_store *s, const char *day)
{
	struct stat st;

	if (!s->on || strcmp(s->day, day) == 0)
		return;
	save(s);
	forget_day(s);
	if (strlen(day) != SEGMENT_DAY_CHARS)
		return;
	memcpy(s->day, day, sizeof s->day);
	char *path = day_path(s);
	s->fd = sys_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	free(path);
	if (s->fd < 0 || sys_fstat(s->fd, &st) < 0)
		return;
	s->file_bytes = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || s->file_bytes > FILE_BYTES_MAX ||
	    (s->file_bytes && !load_blocks(s)))
		index_store_discard(s);
}

void index_store_discard(struct index_store *s)
{
	free(s->blocks);
	s->blocks = NULL;
	s->count = 0;
	s->stale = true;
	/* At once, so that what is read now makes a new one. */
	save(s);
	s->stale = false;
	s->file_bytes = 0;
}

const struct index_block *index_store_find(const struct index_store *s,
					   const uint8_t segment_id[16], size_t *ret_count)
{
	size_t low = 0, high = s->count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(s->blocks[middle].head.segment_id, segment_id, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < s->count; end++)
		if (memcmp(s->blocks[end].head.segment_id, segment_id, 16) != 0)
			break;
	*ret_count = end - low;
	return end > low ? &s->blocks[low] : NULL;
}

bool index_store_may_have(struct index_store *s, const struct index_block *block,
			  struct bytes prefix)
{
	uint8_t ids[INDEX_BLOCK_RECORDS * INDEX_ID_BYTES];
	size_t len = (size_t)block->head.id_count * INDEX_ID_BYTES;

	if (block->head.flags & INDEX_ODD_IDS)
		return true;
	if (!index_spans_prefix(&block->head, prefix))
		return false;
	if (s->fd < 0 || sys_pread(s->fd, ids, len, (off_t)block->ids_at) != (ssize_t)len)
		return true;
	struct bytes view = bytes_of(ids, len);
	return !index_ids_fit(&block->head, view) || index_has_prefix(view, prefix);
}

/* ---- what retention took ---- */

static int compare_names(const void *a, const void *b)
{
	return memcmp(a, b, SEGMENT_DAY_CHARS + 1);
}

/* Has the day's directory changed after the index was written or looked through? */
static bool has_changed(const struct index_store *s, const char *directory, const char *day)
{
	char of_log[PATH_MAX_BYTES + 64], of_index[PATH_MAX_BYTES + 64];
	struct stat log, index;
	int a = snprintf(of_log, sizeof of_log, "%s/%s", directory, day);
	int b = snprintf(of_index, sizeof of_index, "%s/%s", s->directory, day);

	if (a < 0 || (size_t)a >= sizeof of_log || b < 0 || (size_t)b >= sizeof of_index ||
	    sys_stat(of_log, &log) < 0 || sys_stat(of_index, &index) < 0)
		return false;
	return log.st_mtim.tv_sec > index.st_mtim.tv_sec ||
	       (log.st_mtim.tv_sec == index.st_mtim.tv_sec &&
		log.st_mtim.tv_nsec >= index.st_mtim.tv_nsec);
}

static int compare_places(const void *a, const void *b)
{
	const struct segment_place *x = a, *y = b;

	return memcmp(x->segment_id, y->segment_id, sizeof x->segment_id);
}

/* Is there a block of a segment that is not there any more? Where a file does not say what it is,
 * nothing is. */
static bool has_orphans(const struct index_store *s, struct segment_place *places, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!places[i].has_id)
			return false;
	if (count)
		qsort(places, count, sizeof *places, compare_places);
	for (size_t i = 0; i < s->count; i++) {
		struct segment_place wanted = {.has_id = true};
		const uint8_t *id = s->blocks[i].head.segment_id;
		if (i && memcmp(id, s->blocks[i - 1].head.segment_id, 16) == 0)
			continue;
		memcpy(wanted.segment_id, id, sizeof wanted.segment_id);
		if (!count || !bsearch(&wanted, places, count, sizeof *places, compare_places))
			return true;
	}
	return false;
}

static void check_day(struct index_store *s, const char *directory, const char *day)
{
	struct segment_place *places = NULL;
	size_t count = 0;

	index_store_day(s, day);
	if (segment_list_days(directory, day, day, &places, &count))
		return;
	if (has_orphans(s, places, count)) {
		index_store_discard(s);
	} else {
		char *path = day_path(s);
		(void)utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW); /* looked through */
		free(path);
	}
	free(places);
}

void index_store_prune(struct index_store *s, const char *directory,
		       char (*days)[SEGMENT_DAY_CHARS + 1], size_t count)
{
	struct buf names = {0};
	const char *name;
	size_t at = 0;

	if (!s->on || files_list(s->directory, &names))
		return;
	while ((name = files_next_name(&names, &at))) {
		char path[PATH_MAX_BYTES + 64];
		bool kept = strlen(name) != SEGMENT_DAY_CHARS ||
			    (count && bsearch(name, days, count, sizeof *days, compare_names));
		int len = snprintf(path, sizeof path, "%s/%s", s->directory, name);
		if (!kept && len > 0 && (size_t)len < sizeof path)
			sys_unlink(path);
	}
	buf_done(&names);
	for (size_t i = 0; i < count; i++)
		if (has_changed(s, directory, days[i]))
			check_day(s, directory, days[i]);
}

void index_store_forget(const char *state, const char *day)
{
	char path[PATH_MAX_BYTES + 128];
	struct buf names = {0};
	const char *name;
	size_t at = 0;

	snprintf(path, sizeof path, "%s/index", state);
	if (files_list(path, &names))
		return;
	while ((name = files_next_name(&names, &at))) {
		int len = snprintf(path, sizeof path, "%s/index/%s/%s", state, name, day);
		if (len > 0 && (size_t)len < sizeof path)
			sys_unlink(path);
	}
	buf_done(&names);
}
