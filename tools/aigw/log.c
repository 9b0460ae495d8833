/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "day.h"
#include "map.h"
#include "print.h"

#define NS_PER_S       UINT64_C(1000000000)
#define DAY_MARGIN_NS  (3600 * NS_PER_S)   /* a record is filed under the day of its append */
#define FILE_BYTES_MAX (UINT64_C(1) << 30) /* no segment is that large: SEGMENT_BYTES_MAX */

/* ---- state ---- */

/* What is known of one segment file between two passes. */
struct segment_state {
	uint64_t bytes_seen, next_sequence, bad_seen;
	bool no_key, unreadable;
	struct log_process *process;
};

struct log_state {
	struct map ids, segments, senders;
	struct log_process **sender_list; /* of what collectors kept */
	size_t sender_count, sender_cap;
	struct segment_state **segment_list;
	size_t segment_count, segment_cap, entry_cap;
	size_t waiting; /* exchanges without an answer */
	uint64_t order;
	char first_day[DAY_CHARS + 1]; /* "" : from the beginning */
};

/* The value of an id that the filter left out, or that was told and forgotten. */
static struct log_entry dropped;

void log_init(struct log *l, const struct log_options *options)
{
	*l = (struct log){.options = *options};
	l->state = need_memory(sizeof *l->state);
}

void log_done(struct log *l)
{
	if (!l->state)
		return;
	for (size_t i = 0; i < l->entry_count; i++)
		entry_free(l->entries[i]);
	free(l->entries);
	for (size_t i = 0; i < l->state->segment_count; i++) {
		struct segment_state *s = l->state->segment_list[i];
		if (s->process)
			buf_done(&s->process->fields);
		free(s->process);
		free(s);
	}
	for (size_t i = 0; i < l->state->sender_count; i++) {
		buf_done(&l->state->sender_list[i]->fields);
		free(l->state->sender_list[i]);
	}
	free(l->state->sender_list);
	map_done(&l->state->senders);
	free(l->state->segment_list);
	map_done(&l->state->ids);
	map_done(&l->state->segments);
	free(l->state);
	*l = (struct log){0};
}

void log_forget_told(struct log *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->entry_count; i++) {
		struct log_entry *entry = l->entries[i];
		if (!entry->told) {
			l->entries[kept++] = entry;
			continue;
		}
		if (entry->id[0])
			map_put(&l->state->ids, entry->key, &dropped);
		entry_free(entry);
	}
	l->entry_count = kept;
}

/* ---- entries ---- */

static void note_damage(struct log *l, const char *path, const char *what, uint64_t offset)
{
	if (l->damage.first[0] == 0)
		snprintf(l->damage.first, sizeof l->damage.first, "%s: %s at byte %llu", path, what,
			 (unsigned long long)offset);
}

/* Takes a record's fields over: bodies where they are wanted, the rest into entry->fields. */
static enum err take_fields(const struct log *l, struct log_entry *entry, struct bytes record)
{
	const struct log_options *o = &l->options;
	bool bodies = o->with_bodies && (!o->only_id || strcmp(o->only_id, entry->id) == 0);
	struct cursor c = cursor_over(record);
	struct record_field field;
	enum err e;

	while ((e = record_next(&c, &field)) == OK) {
		switch (field.number) {
		case F_ID:
			break;
		case F_REQUEST_BODY:
			entry->has_request_body = true;
			if (bodies)
				need(buf_put(&entry->request_body, field.value));
			break;
		case F_RESPONSE_BODY:
			entry->has_response_body = true;
			if (bodies)
				need(buf_put(&entry->response_body, field.value));
			break;
		case F_REQUEST_HEADERS:
		case F_RESPONSE_HEADERS:
			if (!o->with_headers)
				break;
			/* fall through */
		default:
			need(record_put(&entry->fields, (enum field)field.number, field.value));
		}
	}
	return e == ERR_END ? OK : e;
}

/* The record's id as text that is safe as a key; "" when it has none. */
static void copy_id(struct bytes record, char ret_id[ULID_CHARS + 1])
{
	struct bytes id = BYTES_NONE;

	if (record_find(record, F_ID, &id) != OK || id.len > ULID_CHARS)
		id.len = 0;
	for (size_t i = 0; i < id.len; i++) {
		bool plain = (id.at[i] >= '0' && id.at[i] <= '9') ||
			     (id.at[i] >= 'A' && id.at[i] <= 'Z');
		ret_id[i] = plain ? (char)id.at[i] : '?';
	}
	ret_id[id.len] = 0;
}

/* Under a collector an answer belongs to a request only when the same user sent both: nobody can
 * put words into another's exchange. */
static void make_key(const char *id, const struct segment_record *r, char ret_key[ENTRY_KEY_CHARS])
{
	uint64_t uid;

	if (r->kind != REC_START && record_find_u64(r->plain, F_UID, &uid) == OK)
		snprintf(ret_key, ENTRY_KEY_CHARS, "%s@%llu", id, (unsigned long long)uid);
	else
		snprintf(ret_key, ENTRY_KEY_CHARS, "%s", id);
}

static struct log_entry *entry_new(struct log *l, enum record_kind kind, const char *id,
				   const struct segment_record *r, struct log_process *process)
{
	struct log_entry *entry = need_memory(sizeof *entry);

	entry->kind = kind;
	memcpy(entry->id, id, strlen(id) + 1);
	make_key(id, r, entry->key);
	entry->time_ns = r->time_ns;
	entry->order = l->state->order++;
	entry->process = process;
	return entry;
}

/* Adds the entry, or frees it when the filter leaves it out. */
static struct log_entry *entry_keep(struct log *l, struct log_entry *entry)
{
	bool kept = entry_passes(entry, &l->options.filter);

	if (entry->id[0])
		map_put(&l->state->ids, entry->key, kept ? entry : &dropped);
	if (!kept) {
		entry_free(entry);
		return NULL;
	}
	if (l->entry_count == l->state->entry_cap) {
		size_t cap = l->state->entry_cap ? l->state->entry_cap * 2 : 256;
		struct log_entry **more = need_memory(cap * sizeof *more);
		if (l->entry_count)
			memcpy(more, l->entries, l->entry_count * sizeof *more);
		free(l->entries);
		l->entries = more;
		l->state->entry_cap = cap;
	}
	l->entries[l->entry_count++] = entry;
	return entry;
}

static void tell(struct log *l, struct log_entry *entry)
{
	if (l->options.on_answered && l->options.on_answered(l->options.context, entry))
		entry->told = true;
}

/* Takes an entry out of the list again. */
static void drop_entry(struct log *l, struct log_entry *entry)
{
	size_t i = 0;

	while (i < l->entry_count && l->entries[i] != entry)
		i++;
	if (i == l->entry_count)
		return;
	l->entry_count--;
	memmove(l->entries + i, l->entries + i + 1,
		(l->entry_count - i) * sizeof(struct log_entry *));
	if (!entry->answered)
		l->state->waiting--;
	entry_free(entry);
}

/* A request whose head went out before its body was decided on (Expect: 100-continue) has two
 * records; the second one says everything. */
static void forget_head(struct log *l, const char *key)
{
	struct log_entry *head = map_find(&l->state->ids, key);

	if (head && head != &dropped && !head->told && !head->orphan)
		drop_entry(l, head);
}

/* A request, or a record that stands for itself. */
static enum err take_entry(struct log *l, const struct segment_record *r,
			   struct log_process *process)
{
	char id[ULID_CHARS + 1], key[ENTRY_KEY_CHARS];
	struct bytes ignored;

	copy_id(r->plain, id);
	make_key(id, r, key);
	if (r->kind == REC_REQUEST && id[0])
		forget_head(l, key);
	struct log_entry *entry = entry_new(l, r->kind, id, r, process);
	enum err e = r->kind == REC_START ? OK : take_fields(l, entry, r->plain);
	/* A refused request says so itself and has no answer to wait for. */
	entry->answered = r->kind != REC_REQUEST || entry_find(entry, F_OUTCOME, &ignored) == OK;
	entry = entry_keep(l, entry);
	if (entry && entry->answered)
		tell(l, entry);
	else if (entry)
		l->state->waiting++;
	return e;
}

/* True when the request of this id may stand before what is being read. */
static bool is_before_range(const struct log *l, const struct segment_record *r)
{
	return l->options.filter.since_ns > 0 || l->state->first_day[0] ||
	       (l->options.filter.until_ns && r->time_ns >= l->options.filter.until_ns);
}

static enum err take_answer(struct log *l, const struct segment_record *r,
			    struct log_process *process)
{
	char id[ULID_CHARS + 1], key[ENTRY_KEY_CHARS];

	copy_id(r->plain, id);
	make_key(id, r, key);
	struct log_entry *entry = id[0] ? map_find(&l->state->ids, key) : NULL;
	if (entry == &dropped || (!entry && is_before_range(l, r)))
		return OK;
	if (!entry) {
		entry = entry_new(l, REC_REQUEST, id, r, process);
		entry->orphan = true;
		enum err e = take_fields(l, entry, r->plain);
		entry->answered = r->kind != REC_RESPONSE_PART;
		entry = entry_keep(l, entry);
		if (entry && entry->answered)
			tell(l, entry);
		else if (entry)
			l->state->waiting++;
		return e;
	}
	enum err e = take_fields(l, entry, r->plain);
	if (r->kind != REC_RESPONSE_PART && !entry->answered) {
		entry->answered = true;
		l->state->waiting--;
		tell(l, entry);
	}
	return e;
}

/* In a collector's log each record says itself which process sent it. */
static struct log_process *find_sender(struct log *l, const struct segment_record *r,
				       struct log_process *collector)
{
	struct log_state *state = l->state;
	struct bytes host;
	uint64_t pid, start = 0;
	char key[ENTRY_KEY_CHARS];

	if (r->kind == REC_START || record_find_u64(r->plain, F_PID, &pid))
		return collector;
	(void)!record_find_u64(r->plain, F_PROCESS_START, &start);
	snprintf(key, sizeof key, "%llu/%llu", (unsigned long long)pid, (unsigned long long)start);
	struct log_process *p = map_find(&state->senders, key);
	if (p)
		return p;
	p = need_memory(sizeof *p);
	memcpy(p->boot_id, collector->boot_id, sizeof p->boot_id);
	p->pid = pid;
	p->started_ns = r->time_ns;
	/* Of the collector's own facts only those of the host are the sender's too. */
	if (record_find(buf_view(&collector->fields), F_HOST, &host) == OK)
		need(record_put(&p->fields, F_HOST, host));
	need(record_put(&p->fields, F_BOOT_ID, bytes_str(p->boot_id)));
	map_put(&state->senders, key, p);
	if (state->sender_count == state->sender_cap) {
		size_t cap = state->sender_cap ? state->sender_cap * 2 : 64;
		struct log_process **more = need_memory(cap * sizeof(struct log_process *));
		if (state->sender_count)
			memcpy(more, state->sender_list,
			       state->sender_count * sizeof(struct log_process *));
		free(state->sender_list);
		state->sender_list = more;
		state->sender_cap = cap;
	}
	state->sender_list[state->sender_count++] = p;
	return p;
}

static enum err take_record(struct log *l, const struct segment_record *r,
			    struct log_process *process)
{
	l->records++;
	process = find_sender(l, r, process);
	switch (r->kind) {
	case REC_END:
		return OK;
	case REC_RESPONSE_PART:
	case REC_RESPONSE:
	case REC_ABORTED:
		return take_answer(l, r, process);
	case REC_START:
		if (process->fields.len == 0)
			need(buf_put(&process->fields, r->plain));
		return take_entry(l, r, process);
	default:
		return take_entry(l, r, process);
	}
}

/* ---- segments ---- */

static struct segment_state *find_segment(struct log *l, const char *path)
{
	struct log_state *state = l->state;
	struct segment_state *s = map_find(&state->segments, path);

	if (s)
		return s;
	s = need_memory(sizeof *s);
	map_put(&state->segments, path, s);
	if (state->segment_count == state->segment_cap) {
		size_t cap = state->segment_cap ? state->segment_cap * 2 : 64;
		struct segment_state **more = need_memory(cap * sizeof *more);
		if (state->segment_count)
			memcpy(more, state->segment_list, state->segment_count * sizeof *more);
		free(state->segment_list);
		state->segment_list = more;
		state->segment_cap = cap;
	}
	state->segment_list[state->segment_count++] = s;
	l->segments++;
	return s;
}

/* The whole file in memory: a map would kill us if somebody cut the file meanwhile. */
static enum err read_whole(const char *path, struct bytes *ret_file)
{
	struct stat st;
	int fd = sys_open(path, O_RDONLY, 0);

	if (fd < 0)
		return err_from_errno(fd);
	enum err e = err_from_errno(sys_fstat(fd, &st));
	if (!e && (st.st_size < 0 || (uint64_t)st.st_size > FILE_BYTES_MAX))
		e = ERR_LIMIT;
	if (!e) {
		size_t len = (size_t)st.st_size;
		uint8_t *at = malloc(len ? len : 1);
		if (!at)
			e = ERR_NOMEM;
		else
			e = sys_read_full(fd, at, len, &len);
		if (e)
			free(at);
		else
			*ret_file = bytes_of(at, len);
	}
	sys_close(fd);
	return e;
}

static void fill_process(struct log_process *process, const struct segment_header *header)
{
	memcpy(process->boot_id, header->boot_id, sizeof process->boot_id);
	process->pid = header->pid;
	process->started_ns = header->started_ns;
}

static enum err read_records(struct log *l, const char *path, struct segment_state *s,
			     struct segment_reader *reader)
{
	uint64_t bad = 0, next_sequence = s->next_sequence;
	struct segment_record r = {0};

	for (;;) {
		enum err e = segment_next(reader, &r);
		bool is_new = e == OK || e == ERR_SEAL ? r.sequence >= next_sequence : false;
		if (e == OK && is_new && r.opened)
			e = take_record(l, &r, s->process);
		if (is_new)
			s->next_sequence = r.sequence + 1;
		switch (e) {
		case OK:
			break;
		case ERR_SEAL:
			if (is_new) {
				l->damage.records++;
				note_damage(l, path, "a record does not open", r.offset);
			}
			break;
		case ERR_BAD:
			if (++bad > s->bad_seen) {
				s->bad_seen = bad;
				l->damage.records++;
				note_damage(l, path, "bytes that are no record after the one",
					    r.offset);
			}
			break;
		case ERR_END:
		case ERR_TORN: /* of a living process; else never acknowledged: nothing is lost */
			return OK;
		default:
			return e;
		}
	}
}

static enum err read_segment(struct log *l, const struct segment_place *place)
{
	struct segment_state *s = find_segment(l, place->path);
	struct segment_reader *reader = NULL;
	struct bytes file = BYTES_NONE;

	if (place->bytes == s->bytes_seen || s->unreadable)
		return OK;
	enum err e = read_whole(place->path, &file);
	/* Retention may have removed it since it was listed. */
	if (e == ERR_MISSING)
		return OK;
	if (!e)
		e = segment_reader_open(file, l->options.identity_count, l->options.identities,
					&reader);
	if (e == ERR_NOMEM)
		goto out;
	if (e) {
		s->unreadable = true;
		l->damage.unreadable_files++;
		note_damage(l, place->path, err_text(e), 0);
		e = OK;
		goto out;
	}
	if (!s->process) {
		s->process = need_memory(sizeof *s->process);
		fill_process(s->process, segment_reader_header(reader));
		s->no_key = !segment_reader_has_key(reader);
		l->damage.unopened_segments += s->no_key;
	}
	if (!s->no_key)
		e = read_records(l, place->path, s, reader);
	if (!e)
		s->bytes_seen = file.len;
out:
	segment_reader_free(reader);
	free((void *)(uintptr_t)file.at);
	return e;
}

static int by_time(const void *a, const void *b)
{
	const struct log_entry *x = *(struct log_entry *const *)a;
	const struct log_entry *y = *(struct log_entry *const *)b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static enum err read_places(struct log *l, const struct segment_place *places, size_t count)
{
	const struct log_filter *f = &l->options.filter;
	char since[DAY_CHARS + 1] = "", until[DAY_CHARS + 1] = "~", day[DAY_CHARS + 1];
	enum err e = OK;

	if (f->since_ns > DAY_MARGIN_NS)
		day_of_time(f->since_ns - DAY_MARGIN_NS, since);
	if (f->until_ns)
		day_of_time(f->until_ns + DAY_MARGIN_NS, until);
	for (size_t i = 0; i < count && !e; i++) {
		day_of_path(places[i].path, day);
		if (strcmp(day, since) < 0 || strcmp(day, l->state->first_day) < 0)
			continue;
		/* Later days matter only as long as an answer may stand there. */
		if (strcmp(day, until) > 0 && l->state->waiting == 0)
			break;
		e = read_segment(l, &places[i]);
		if (l->options.on_answered)
			log_forget_told(l);
	}
	if (l->entry_count)
		qsort(l->entries, l->entry_count, sizeof *l->entries, by_time);
	return e;
}

enum err log_read(struct log *l)
{
	struct segment_place *places = NULL;
	size_t count = 0;
	enum err e = segment_list(l->options.directory, &places, &count);

	if (e)
		return e;
	e = read_places(l, places, count);
	free(places);
	return e;
}

static void keep_newest(struct log *l, uint64_t limit)
{
	if (limit == 0 || l->entry_count <= limit)
		return;
	for (size_t i = 0; i < l->entry_count - limit; i++) {
		struct log_entry *entry = l->entries[i];
		entry->told = entry->answered || !l->options.keep_running ||
			      !log_process_runs(entry->process);
	}
	log_forget_told(l);
}

enum err log_read_newest(struct log *l, const struct log_options *options, uint64_t limit)
{
	struct segment_place *places = NULL;
	size_t count = 0;
	enum err e = segment_list(options->directory, &places, &count);

	log_init(l, options);
	if (e)
		return e;
	for (size_t days = 1; !e; days *= 4) {
		char first[DAY_CHARS + 1] = "";
		if (limit)
			day_find_first(places, count, days, first);
		memcpy(l->state->first_day, first, sizeof first);
		e = read_places(l, places, count);
		if (e || l->entry_count >= limit || first[0] == 0)
			break;
		log_done(l);
		log_init(l, options);
	}
	free(places);
	if (!e)
		keep_newest(l, limit);
	return e;
}
