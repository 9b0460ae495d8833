/* SPDX-License-Identifier: MIT */
#include "audit/retain.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "audit/note.h"
#include "audit/place.h"
#include "audit/verify.h"
#include "base/files.h"
#include "base/sys.h"

#define NS_PER_DAY       (86400ull * 1000000000u)
#define SEGMENT_FILE_MAX ((size_t)SEGMENT_BYTES_MAX + SEGMENT_RECORD_MAX + (1u << 20))
#define BOOT_CHARS       36
#define SUFFIX           ".aigw"

/* What the ledger says of one segment; the last word of each kind counts. */
struct known {
	uint8_t segment_id[16];
	uint64_t number;                 /* of its opening */
	size_t opened, closed, given_up; /* offset of the entry + 1; 0: none */
	bool retired;
};

struct sink {
	char name[ACKED_NAME_MAX + 1];
	struct buf file;
	struct acked acked; /* required, and of no entry, when the file is missing or damaged */
};

struct run {
	const struct retain_options *options;
	struct retain_result result;
	struct buf ledger, image;
	struct known *known; /* sorted by segment_id */
	size_t known_count, known_cap;
	struct sink *sinks;
	size_t sink_count;
	char boot_id[BOOT_CHARS + 1];
};

/* One segment file under judgement. */
struct candidate {
	const char *path, *below;
	const struct known *known;
	uint8_t segment_id[16], header_digest[32], digest[32];
	char boot_id[41];
	uint64_t pid, process_start, records, bytes;
	bool damaged;
};

const char *retain_outcome_name(enum retain_outcome o)
{
	static const char names[][16] = {"removed", "finished", "held",     "unacknowledged",
					 "open",    "changed",  "unlisted", "failed"};

	return names[o];
}

static void tell(struct run *v, enum retain_outcome outcome, const struct candidate *c,
		 struct bytes by, enum err err)
{
	struct retain_event event = {outcome, c->path, c->records, c->bytes, by, err};

	v->result.counts[outcome]++;
	if (outcome == RETAIN_REMOVED) {
		v->result.removed_records += c->records;
		v->result.removed_bytes += c->bytes;
	}
	if (v->options->on_event)
		v->options->on_event(v->options->context, &event);
}

static enum err join(const char *directory, const char *name, const char *suffix,
		     char ret_path[SEGMENT_PATH_MAX])
{
	struct buf path = {
		.at = (uint8_t *)ret_path, .cap = SEGMENT_PATH_MAX, .max = SEGMENT_PATH_MAX};
	enum err e = buf_put_str(&path, directory);

	if (!e && name[0])
		e = buf_put_u8(&path, '/');
	if (!e)
		e = buf_put_str(&path, name);
	return e ? e : buf_put(&path, bytes_of(suffix, strlen(suffix) + 1));
}

/* ---- the ledger ---- */

static int compare_ids(const void *a, const void *b)
{
	const struct known *x = a, *y = b;
	int order = memcmp(x->segment_id, y->segment_id, sizeof x->segment_id);

	/* entries of one segment stay in the order of the file */
	return order ? order : (x->number > y->number) - (x->number < y->number);
}

static enum err keep_entry(struct run *v, const struct ledger_found *found)
{
	struct known k = {.number = found->item.head.number};
	size_t at = found->item.offset + 1;

	memcpy(k.segment_id, found->entry.segment_id, sizeof k.segment_id);
	switch (found->entry.kind) {
	case FORMAT_LEDGER_OPENED:
		k.opened = at;
		break;
	case FORMAT_LEDGER_CLOSED:
		k.closed = at;
		break;
	case FORMAT_LEDGER_GIVEN_UP:
		k.given_up = at;
		break;
	case FORMAT_LEDGER_RETIRED:
		k.retired = true;
		break;
	default:
		return OK;
	}
	if (v->known_count == v->known_cap) {
		size_t cap = v->known_cap ? v->known_cap * 2 : 64;
		struct known *more = realloc(v->known, cap * sizeof *more);
		if (!more)
			return ERR_NOMEM;
		v->known = more;
		v->known_cap = cap;
	}
	v->known[v->known_count++] = k;
	return OK;
}

/* Sorted, with all that was said of one segment in one place. */
static void gather(struct run *v)
{
	size_t kept = 0;

	if (v->known_count)
		qsort(v->known, v->known_count, sizeof *v->known, compare_ids);
	for (size_t i = 0; i < v->known_count; i++) {
		struct known *k = &v->known[i], *last = kept ? &v->known[kept - 1] : NULL;
		if (!last || memcmp(last->segment_id, k->segment_id, sizeof k->segment_id) != 0) {
			v->known[kept++] = *k;
			continue;
		}
		if (k->opened) {
			last->opened = k->opened;
			last->number = k->number;
		}
		last->closed = k->closed ? k->closed : last->closed;
		last->given_up = k->given_up ? k->given_up : last->given_up;
		last->retired |= k->retired;
	}
	v->known_count = kept;
}

/* Whatever is wrong with the ledger is verify's to tell: a segment that cannot be found in it
 * stays.
 */
static enum err read_ledger(struct run *v)
{
	char path[SEGMENT_PATH_MAX];
	struct ledger_reader r;
	struct ledger_found found;
	enum err e = join(v->options->ledger.directory, LEDGER_FILE, "", path), n;

	if (!e)
		e = files_load(path, LEDGER_BYTES_MAX, &v->ledger);
	if (e == ERR_MISSING)
		return OK; /* no segment is known, so none goes */
	if (e)
		return e;
	ledger_reader_init(&r, buf_view(&v->ledger), 0, NULL);
	while (!e && (n = ledger_next(&r, &found)) != ERR_END) {
		if (n == OK && found.known)
			e = keep_entry(v, &found);
	}
	ledger_reader_done(&r);
	gather(v);
	return e;
}

static const struct known *find_known(const struct run *v, const uint8_t segment_id[16])
{
	struct known key = {.opened = 0};
	size_t low = 0, high = v->known_count;

	memcpy(key.segment_id, segment_id, sizeof key.segment_id);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(v->known[middle].segment_id, segment_id, 16);
		if (order == 0)
			return &v->known[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool entry_at(const struct run *v, size_t offset_plus_one, struct ledger_entry *ret_entry)
{
	struct ledger_item item;

	return offset_plus_one && ledger_parse(buf_view(&v->ledger), offset_plus_one - 1, &item) &&
	       ledger_decode(&item, ret_entry) == OK;
}

/* ---- the sinks ---- */

static enum err add_sink(struct run *v, struct bytes name)
{
	struct sink *more;

	for (size_t i = 0; i < v->sink_count; i++)
		if (bytes_equal(bytes_str(v->sinks[i].name), name))
			return OK;
	if (!acked_is_name(name))
		return OK;
	more = realloc(v->sinks, (v->sink_count + 1) * sizeof *more);
	if (!more)
		return ERR_NOMEM;
	v->sinks = more;
	struct sink *s = &more[v->sink_count++];
	memset(s, 0, sizeof *s);
	memcpy(s->name, name.at, name.len);
	enum err e = v->options->sinks_directory
			     ? acked_load(v->options->sinks_directory, s->name, &s->file, &s->acked)
			     : ERR_MISSING;
	if (e)
		s->acked = (struct acked){.required = true};
	return e == ERR_NOMEM ? e : OK;
}

static enum err read_sinks(struct run *v)
{
	const struct retain_options *o = v->options;
	struct buf names = {0};
	const char *name;
	size_t at = 0;
	enum err e = OK;

	for (size_t i = 0; !e && i < o->required_count; i++) {
		if (!acked_is_name(bytes_str(o->required[i])))
			return ERR_BAD;
		e = add_sink(v, bytes_str(o->required[i]));
		v->sinks[v->sink_count - 1].acked.required = true;
	}
	if (!e && o->sinks_directory)
		e = files_list(o->sinks_directory, &names);
	if (e == ERR_MISSING)
		e = OK;
	while (!e && (name = files_next_name(&names, &at))) {
		struct bytes whole = bytes_str(name), suffix = BYTES(ACKED_SUFFIX);
		if (bytes_ends(whole, suffix))
			e = add_sink(v, bytes_slice(whole, 0, whole.len - suffix.len));
	}
	buf_done(&names);
	return e;
}

static const struct sink *missing_sink(const struct run *v, const struct candidate *c)
{
	for (size_t i = 0; i < v->sink_count; i++)
		if (v->sinks[i].acked.required &&
		    !acked_covers(&v->sinks[i].acked, c->segment_id, c->known->number, c->bytes))
			return &v->sinks[i];
	return NULL;
}

/* ---- judging ---- */

/* Frames and chain, without a key: what it has to be worth a RETIRED entry. */
static enum err walk(struct run *v, struct candidate *c)
{
	struct bytes file = buf_view(&v->image);
	struct segment_reader *r = NULL;
	struct segment_record record;
	enum err e = segment_reader_open(file, 0, NULL, &r), n;

	c->bytes = file.len;
	file_digest_of(file, c->digest);
	if (e)
		return e;
	const struct segment_header *h = segment_reader_header(r);
	c->damaged = h->changed;
	memcpy(c->segment_id, h->segment_id, sizeof c->segment_id);
	memcpy(c->header_digest, h->digest, sizeof c->header_digest);
	memcpy(c->boot_id, h->boot_id, sizeof c->boot_id);
	c->pid = h->pid;
	c->process_start = h->process_start;
	while ((n = segment_next(r, &record)) != ERR_END) {
		c->damaged |= n != ERR_TORN && (n || !record.chained);
		c->records += n == OK;
	}
	segment_reader_free(r);
	return OK;
}

static bool is_alive(const struct run *v, const struct candidate *c)
{
	uint64_t start;

	if (c->boot_id[0] && strcmp(c->boot_id, v->boot_id) != 0)
		return false;
	return sys_process_start(c->pid, &start) &&
	       (c->process_start == 0 || c->process_start == start);
}

/* Is the file what its writer closed or gave up? */
static bool is_as_left(struct run *v, const struct candidate *c)
{
	struct ledger_entry opened, last;
	uint8_t digest[32];

	if (c->damaged || !entry_at(v, c->known->opened, &opened) ||
	    !bytes_equal(opened.path, bytes_str(c->below)) ||
	    !seal_equal(opened.header_digest, c->header_digest))
		return false;
	if (entry_at(v, c->known->closed, &last))
		return last.bytes == c->bytes && seal_equal(last.digest, c->digest);
	if (!entry_at(v, c->known->given_up, &last))
		return true; /* of a process that was killed: nobody said how long it was */
	if (last.bytes > c->bytes)
		return false;
	struct bytes valid = bytes_slice(buf_view(&v->image), 0, (size_t)last.bytes);
	file_digest_of(valid, digest);
	return seal_equal(digest, last.digest) && last.found_bytes == c->bytes &&
	       (!last.has_found_digest || seal_equal(last.found_digest, c->digest));
}

/* ---- removing ---- */

/* The collector keeps its files append-only where the file system can. */
static void allow_change(int fd)
{
	long flags = 0;

	if (sys_call(SYS_ioctl, fd, FS_IOC_GETFLAGS, (long)&flags, 0, 0, 0) == 0 &&
	    (flags & (FS_APPEND_FL | FS_IMMUTABLE_FL))) {
		flags &= ~(long)(FS_APPEND_FL | FS_IMMUTABLE_FL);
		sys_call(SYS_ioctl, fd, FS_IOC_SETFLAGS, (long)&flags, 0, 0, 0);
	}
}

/* Zeros over the sealed boxes behind `from`; then the file goes. */
static enum err destroy(const char *path, size_t from, size_t count)
{
	static const uint8_t zeros[NOTE_RECIPIENTS_MAX * sizeof(struct format_recipient)];
	size_t len = count * sizeof(struct format_recipient);
	int fd = sys_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0), n = 0;

	if (fd < 0)
		return err_from_errno(fd);
	allow_change(fd);
	sys_close(fd);
	fd = sys_open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return err_from_errno(fd);
	if (len > sizeof zeros)
		len = sizeof zeros;
	if (len)
		n = sys_pwrite(fd, zeros, len, (off_t)from) == (ssize_t)len ? sys_fdatasync(fd)
									    : -1;
	sys_close(fd);
	/* A disk that takes no writes must not keep what may go. */
	(void)n;
	return err_from_errno(sys_unlink(path));
}

static enum err destroy_segment(const char *path)
{
	struct format_segment head = {.recipient_count = 0};
	size_t got = 0;
	enum err e = files_peek(path, &head, sizeof head, &got);

	if (e)
		return e;
	if (got != sizeof head || head.recipient_count > SEGMENT_RECIPIENTS_MAX)
		head.recipient_count = 0;
	return destroy(path, sizeof head, head.recipient_count);
}

static enum err destroy_note(const char *segment_path)
{
	char path[SEGMENT_PATH_MAX];
	struct format_note head = {.recipient_count = 0};
	size_t got = 0;
	enum err e = note_path(segment_path, path);

	if (!e)
		e = files_peek(path, &head, sizeof head, &got);
	if (e)
		return e == ERR_MISSING ? OK : e;
	if (got != sizeof head || head.recipient_count > NOTE_RECIPIENTS_MAX)
		head.recipient_count = 0;
	return destroy(path, sizeof head, head.recipient_count);
}

static void remove_empty_day(const char *path)
{
	char day[SEGMENT_PATH_MAX];
	size_t len = strlen(path);

	memcpy(day, path, len + 1);
	while (len && day[len - 1] != '/')
		len--;
	if (!len)
		return;
	day[len - 1] = '\0';
	/* of others still in it: stays */
	sys_call(SYS_unlinkat, AT_FDCWD, (long)day, AT_REMOVEDIR, 0, 0, 0);
}

static enum err remove_file(const char *path)
{
	char retired[SEGMENT_PATH_MAX];
	enum err e = join(path, "", RETAIN_SUFFIX, retired);

	if (!e)
		e = destroy_note(path);
	if (!e)
		e = err_from_errno(sys_rename(path, retired));
	if (!e)
		e = destroy_segment(retired);
	if (!e)
		remove_empty_day(path);
	return e;
}

static enum err retire(struct run *v, const struct candidate *c)
{
	struct ledger_config config = v->options->ledger;
	struct ledger_entry entry = {
		.kind = FORMAT_LEDGER_RETIRED,
		.records = c->records,
		.bytes = c->bytes,
		.why = FORMAT_RETIRED_AGE,
	};
	enum err e;

	memcpy(entry.segment_id, c->segment_id, sizeof entry.segment_id);
	memcpy(entry.digest, c->digest, sizeof entry.digest);
	config.synced = true; /* on the disk before the file goes */
	e = ledger_append(&config, v->options->now_ns, &entry);
	return e ? e : remove_file(c->path);
}

static enum err judge(struct run *v, struct candidate *c, struct bytes holds)
{
	const struct sink *sink;
	struct hold hold;
	enum err e;

	if (hold_find(holds, bytes_str(c->below), &hold)) {
		tell(v, RETAIN_HELD, c,
		     hold.reason.len ? hold.reason : BYTES("a line of the file is no hold"), OK);
		return OK;
	}
	e = files_load(c->path, SEGMENT_FILE_MAX, &v->image);
	if (!e)
		e = walk(v, c);
	if (e) {
		if (e != ERR_MISSING && e != ERR_NOMEM)
			tell(v, e == ERR_ACCESS || e == ERR_IO ? RETAIN_FAILED : RETAIN_CHANGED, c,
			     BYTES_NONE, e);
		return e == ERR_NOMEM ? e : OK;
	}
	c->known = find_known(v, c->segment_id);
	if (!c->known || !c->known->opened) {
		tell(v, RETAIN_UNLISTED, c, BYTES_NONE, OK);
	} else if (c->known->retired) {
		e = v->options->dry_run ? OK : remove_file(c->path);
		tell(v, e ? RETAIN_FAILED : RETAIN_FINISHED, c, BYTES_NONE, e);
	} else if (!is_as_left(v, c)) {
		tell(v, RETAIN_CHANGED, c, BYTES_NONE, OK);
	} else if (!c->known->closed && !c->known->given_up && is_alive(v, c)) {
		tell(v, RETAIN_OPEN, c, BYTES_NONE, OK);
	} else if ((sink = missing_sink(v, c))) {
		tell(v, RETAIN_UNACKED, c, bytes_str(sink->name), OK);
	} else {
		e = v->options->dry_run ? OK : retire(v, c);
		tell(v, e ? RETAIN_FAILED : RETAIN_REMOVED, c, BYTES_NONE, e);
	}
	return OK;
}

/* Locked anew for each segment, so that a hold that is wanted now need not wait for years of log;
 * the holds are read under the lock. */
static enum err judge_locked(struct run *v, struct candidate *c)
{
	struct buf holds = {0};
	int fd;
	enum err e = hold_lock(v->options->ledger.directory, &fd);

	if (e)
		return e;
	e = hold_load(v->options->ledger.directory, &holds);
	if (!e)
		e = judge(v, c, buf_view(&holds));
	buf_done(&holds);
	hold_unlock(fd);
	return e;
}

static bool is_old(const struct run *v, const char *below)
{
	uint64_t day, today = v->options->now_ns / NS_PER_DAY;
	struct bytes rest = bytes_str(below);

	return v->options->days && place_parse_day(bytes_cut(&rest, '/'), &day) == OK &&
	       today > day && today - day > v->options->days;
}

static enum err judge_all(struct run *v)
{
	const char *directory = v->options->ledger.directory;
	struct segment_place *places = NULL;
	size_t count = 0;
	enum err e = segment_list(directory, &places, &count);

	for (size_t i = 0; !e && i < count; i++) {
		struct candidate c = {.path = places[i].path,
				      .below = places[i].path + strlen(directory) + 1};
		if (!is_old(v, c.below))
			continue;
		v->result.segments++;
		e = judge_locked(v, &c);
	}
	free(places);
	return e;
}

/* ---- what a killed run left ---- */

static enum err finish_one(struct run *v, const char *path)
{
	struct format_segment head;
	struct candidate c = {.path = path};
	size_t got = 0;

	if (files_peek(path, &head, sizeof head, &got) || got != sizeof head)
		return OK;
	c.known = find_known(v, head.segment_id);
	if (!c.known || !c.known->retired) {
		tell(v, RETAIN_UNLISTED, &c, BYTES_NONE, OK);
		return OK;
	}
	enum err e = v->options->dry_run ? OK : destroy_segment(path);
	if (!e && !v->options->dry_run)
		remove_empty_day(path);
	tell(v, e ? RETAIN_FAILED : RETAIN_FINISHED, &c, BYTES_NONE, e);
	return OK;
}

static enum err finish_day(struct run *v, const char *day)
{
	char directory[SEGMENT_PATH_MAX], path[SEGMENT_PATH_MAX];
	struct buf names = {0};
	const char *name;
	size_t at = 0;
	enum err e = join(v->options->ledger.directory, day, "", directory);

	if (!e && files_list(directory, &names))
		buf_reset(&names);
	while (!e && (name = files_next_name(&names, &at)))
		if (bytes_ends(bytes_str(name), BYTES(SUFFIX RETAIN_SUFFIX)) &&
		    join(directory, name, "", path) == OK)
			e = finish_one(v, path);
	buf_done(&names);
	return e;
}

static enum err finish_all(struct run *v)
{
	struct buf names = {0};
	const char *name;
	uint64_t day;
	size_t at = 0;
	int fd;
	enum err e = hold_lock(v->options->ledger.directory, &fd);

	if (e)
		return e;
	e = files_list(v->options->ledger.directory, &names);
	while (!e && (name = files_next_name(&names, &at)))
		if (place_parse_day(bytes_str(name), &day) == OK)
			e = finish_day(v, name);
	buf_done(&names);
	hold_unlock(fd);
	return e;
}

enum err retain(const struct retain_options *options, struct retain_result *ret_result)
{
	struct run v = {.options = options};
	size_t len = 0;
	enum err e;

	if (files_peek("/proc/sys/kernel/random/boot_id", v.boot_id, BOOT_CHARS, &len))
		v.boot_id[0] = '\0';
	if ((e = read_ledger(&v)) || (e = read_sinks(&v)) || (e = finish_all(&v)) ||
	    (e = judge_all(&v)))
		goto out;
	*ret_result = v.result;
out:
	for (size_t i = 0; i < v.sink_count; i++)
		buf_done(&v.sinks[i].file);
	free(v.sinks);
	free(v.known);
	buf_done(&v.ledger);
	buf_done(&v.image);
	return e;
}
