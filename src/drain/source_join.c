/* SPDX-License-Identifier: MIT */
#include "drain/source_state.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_RECORD_MAX  (64u << 10)
#define REFS_FIRST       4
#define FIELD_HEAD_BYTES 8 /* audit/record.h */
#define FNV_START        UINT64_C(14695981039346656037)
#define FNV_PRIME        UINT64_C(1099511628211)

/* ---- text in arrays ---- */

static void text_begin(struct buf *b, char *room, size_t cap)
{
	*b = (struct buf){.at = (uint8_t *)room, .cap = cap - 1, .max = cap - 1}; /* never grows */
}

static void text_end(struct buf *b)
{
	b->at[b->len] = 0;
}

/* ---- what a record says of itself ---- */

struct look {
	struct bytes id, host;
	uint64_t uid, pid, start;
	size_t small_bytes, large_bytes; /* of the fields that are kept, and the others */
	bool has_uid, has_pid, has_outcome, headers_only, has_request_body, has_response_body;
};

static uint64_t u64_of(struct bytes value)
{
	struct cursor c = cursor_over(value);

	return cursor_u64(&c);
}

static bool is_large(unsigned number)
{
	return number == F_REQUEST_BODY || number == F_RESPONSE_BODY ||
	       number == F_REQUEST_HEADERS || number == F_RESPONSE_HEADERS;
}

static void look_at(const struct record_field *f, struct look *l)
{
	switch (f->number) {
	case F_ID:
		l->id = f->value;
		break;
	case F_UID:
		l->has_uid = f->value.len == sizeof l->uid;
		l->uid = u64_of(f->value);
		break;
	case F_PID:
		l->has_pid = f->value.len == sizeof l->pid;
		l->pid = u64_of(f->value);
		break;
	case F_PROCESS_START:
		l->start = u64_of(f->value);
		break;
	case F_OUTCOME:
		l->has_outcome = true;
		break;
	case F_COVERAGE:
		l->headers_only = bytes_equal(f->value, BYTES("headers_only"));
		break;
	case F_REQUEST_BODY:
		l->has_request_body = true;
		break;
	case F_RESPONSE_BODY:
		l->has_response_body = true;
		break;
	default:
		break;
	}
	*(is_large(f->number) ? &l->large_bytes : &l->small_bytes) += FIELD_HEAD_BYTES +
								      f->value.len;
}

static struct look look_into(struct bytes record)
{
	struct cursor c = cursor_over(record);
	struct record_field field;
	struct look l = {0};

	while (record_next(&c, &field) == OK)
		look_at(&field, &l);
	return l;
}

/* What is large, or all else but the id, in runs. */
static enum err copy_fields(struct buf *to, struct bytes record, bool large)
{
	struct cursor c = cursor_over(record);
	const uint8_t *run = c.at, *at = c.at;
	struct record_field field;
	enum err e = OK;

	while (!e && record_next(&c, &field) == OK) {
		if (is_large(field.number) != large || field.number == F_ID) {
			e = buf_put(to, bytes_of(run, (size_t)(at - run)));
			run = c.at;
		}
		at = c.at;
	}
	return e ? e : buf_put(to, bytes_of(run, (size_t)(at - run)));
}

/* As in every listing of the log: what is no part of an id becomes '?'. */
static void copy_id(struct bytes id, char ret_id[ULID_CHARS + 1])
{
	if (id.len > ULID_CHARS)
		id.len = 0;
	for (size_t i = 0; i < id.len; i++) {
		bool plain = (id.at[i] >= '0' && id.at[i] <= '9') ||
			     (id.at[i] >= 'A' && id.at[i] <= 'Z');
		ret_id[i] = (char)(plain ? id.at[i] : '?');
	}
	ret_id[id.len] = 0;
}

/* Under a collector an answer belongs to a request only when the same user sent both. */
static void make_key(const char *id, const struct look *l, bool is_start,
		     char ret_key[ENTRY_KEY_CHARS])
{
	struct buf key;

	text_begin(&key, ret_key, ENTRY_KEY_CHARS);
	(void)!buf_put_str(&key, id);
	if (l->has_uid && !is_start) {
		(void)!buf_put_u8(&key, '@');
		(void)!buf_put_decimal(&key, l->uid);
	}
	text_end(&key);
}

/* ---- items ---- */

void refs_drop(struct source_ref *refs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		refs[i].segment->refs--;
	free(refs);
}

void item_slim(struct item *i)
{
	buf_done(&i->entry.fields);
	buf_done(&i->entry.request_body);
	buf_done(&i->entry.response_body);
	buf_done(&i->kept);
	if (i->parts)
		wipe(i->parts, i->part_cap * sizeof *i->parts);
	free(i->parts);
	i->parts = NULL;
	i->part_count = i->part_cap = 0;
}

void item_free(struct item *i)
{
	if (!i)
		return;
	item_slim(i);
	refs_drop(i->refs, i->ref_count);
	free(i);
}

static void put_segment_id(struct buf *text, const struct source_segment *g)
{
	(void)!buf_put_hex(text, bytes_of(g->id, sizeof g->id));
	(void)!buf_put_u8(text, '-');
}

/* BOOT-PID-START */
static void name_process(struct item *i, const char *boot_id)
{
	struct buf text;

	text_begin(&text, i->process, sizeof i->process);
	(void)!buf_put_str(&text, boot_id);
	(void)!buf_put_u8(&text, '-');
	(void)!buf_put_decimal(&text, i->pid);
	(void)!buf_put_u8(&text, '-');
	(void)!buf_put_decimal(&text, i->process_start);
	text_end(&text);
	i->told.process = bytes_of(i->process, text.len);
}

static struct item *item_new(struct source *s, struct source_segment *g, enum record_kind kind,
			     uint64_t time_ns, uint64_t offset, uint64_t sequence)
{
	struct item *i = s->spare ? s->spare : malloc(sizeof *i);

	s->spare = NULL;
	if (!i)
		return NULL;
	*i = (struct item){.pid = g->pid, .process_start = g->process_start, .last_ns = time_ns};
	i->keeps = s->options.with_bodies;
	i->told.kind = SOURCE_ENTRY;
	i->told.time_ns = time_ns;
	i->told.entry = &i->entry;
	i->told.sequence = sequence;
	i->told.offset = offset;
	i->told.path = g->path;
	memcpy(i->told.segment_id, g->id, sizeof g->id);
	i->entry.kind = kind;
	i->entry.time_ns = time_ns;
	i->entry.order = s->order++;
	i->entry.process = &g->process;
	return i;
}

/* ULID[@UID] where that is enough, else with the place of the first record. */
static void name_item(struct item *i, const struct source_segment *g, bool by_place)
{
	struct buf text;

	text_begin(&text, i->id, sizeof i->id);
	(void)!buf_put_str(&text, i->entry.key);
	if (by_place) {
		if (text.len)
			(void)!buf_put_u8(&text, '-');
		put_segment_id(&text, g);
		(void)!buf_put_decimal(&text, i->told.sequence);
	}
	text_end(&text);
	i->told.id = bytes_of(i->id, text.len);
}

/* In a collector's log each record says itself which process sent it. */
static void name_sender(struct item *i, struct source_segment *g, const struct look *l,
			uint64_t time_ns)
{
	struct log_process *p = &i->sender;

	i->pid = l->pid;
	i->process_start = l->start;
	memcpy(p->boot_id, g->process.boot_id, sizeof p->boot_id);
	p->pid = l->pid;
	p->started_ns = time_ns;
	p->fields = g->sender_fields; /* borrowed: the segment outlives its items */
	i->entry.process = p;
}

static enum err grow(void *array, size_t count, size_t *cap, size_t size, size_t first)
{
	void **at = array;
	size_t more = *cap ? *cap * 2 : first;
	uint8_t *new;

	if (count < *cap)
		return OK;
	new = malloc(more * size);
	if (!new)
		return ERR_NOMEM;
	if (*at) {
		memcpy(new, *at, count * size);
		wipe(*at, count * size); /* keys of the ratchet */
		free(*at);
	}
	*at = new;
	*cap = more;
	return OK;
}

/* Small payloads that will be asked for are kept as long as little is: opening a record twice
 * costs more. */
static enum err reserve_kept(const struct source *s, struct item *i, const struct look *l)
{
	if (!l->large_bytes || !i->keeps)
		return OK;
	i->keeps = l->large_bytes <= KEPT_RECORD_MAX &&
		   s->waiting_bytes + l->large_bytes <= SOURCE_WAITING_BYTES_MAX / 2;
	if (i->keeps)
		return buf_reserve(&i->kept, l->large_bytes);
	buf_done(&i->kept);
	return OK;
}

/* Room for one more record in the item and for its spot: what comes then cannot fail. */
static enum err reserve(const struct source *s, struct item *i, struct source_segment *g,
			const struct look *l)
{
	enum err e = grow(&i->refs, i->ref_count, &i->ref_cap, sizeof *i->refs, REFS_FIRST);

	if (!e)
		e = grow(&i->parts, i->part_count, &i->part_cap, sizeof *i->parts, REFS_FIRST);
	if (!e)
		e = buf_reserve(&i->entry.fields, l->small_bytes);
	if (!e)
		e = reserve_kept(s, i, l);
	return e ? e : spots_reserve(&g->spots);
}

static void add_ref(struct item *i, struct source_segment *g, uint64_t offset, uint64_t sequence,
		    bool last)
{
	i->refs[i->ref_count++] = (struct source_ref){g, (uint32_t)offset,
						      (uint32_t)(sequence & SPOT_SEQUENCE)};
	g->refs++;
	spots_add(&g->spots, (uint32_t)offset, (uint32_t)sequence, last);
}

/* After reserve: the record is the item's. */
static void add_record(struct item *i, struct source_segment *g, const struct segment_record *r,
		       const struct segment_mark *before, const struct look *l, bool last)
{
	if (l->large_bytes) {
		if (i->keeps)
			(void)!copy_fields(&i->kept, r->plain, true);
		struct source_part *part = &i->parts[i->part_count++];
		part->ref = (uint32_t)i->ref_count;
		part->bytes = (uint32_t)(r->end - r->offset);
		memcpy(part->key, before->key, sizeof part->key);
	}
	add_ref(i, g, r->offset, before->sequence, last);
	if (r->kind != REC_START)
		(void)!copy_fields(&i->entry.fields, r->plain, false);
	i->entry.has_request_body |= l->has_request_body;
	i->entry.has_response_body |= l->has_response_body;
	i->last_ns = r->time_ns;
}

/* ---- what waits, what is ready ---- */

static struct item **bucket_of(struct source *s, const char *key)
{
	uint64_t hash = FNV_START ^ s->hash_seed;

	for (; *key; key++)
		hash = (hash ^ (uint8_t)*key) * FNV_PRIME;
	return &s->bucket[(hash ^ hash >> 32) % SOURCE_BUCKETS];
}

static struct item *find_waiting(struct source *s, const char *key)
{
	struct item *i = key[0] ? *bucket_of(s, key) : NULL;

	while (i && strcmp(i->entry.key, key) != 0)
		i = i->next;
	return i;
}

static void count_cost(struct source *s, struct item *i)
{
	s->waiting_bytes -= i->cost;
	i->cost = i->entry.fields.cap + i->kept.cap + i->part_cap * sizeof *i->parts +
		  i->ref_cap * sizeof *i->refs;
	s->waiting_bytes += i->cost;
}

static void wait_for(struct source *s, struct item *i)
{
	struct item **bucket = bucket_of(s, i->entry.key);

	i->next = *bucket;
	*bucket = i;
	i->older = s->newest;
	i->newer = NULL;
	*(s->newest ? &s->newest->newer : &s->oldest) = i;
	s->newest = i;
	s->waiting++;
	i->cost = 0;
	count_cost(s, i);
}

static void wait_no_longer(struct source *s, struct item *i)
{
	struct item **at = bucket_of(s, i->entry.key);

	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	*(i->older ? &i->older->newer : &s->oldest) = i->newer;
	*(i->newer ? &i->newer->older : &s->newest) = i->older;
	i->older = i->newer = i->next = NULL;
	s->waiting--;
	s->waiting_bytes -= i->cost;
	i->cost = 0;
}

static void make_ready(struct source *s, struct item *i)
{
	name_process(i, i->entry.process->boot_id);
	i->next = NULL;
	*(s->ready ? s->ready_end : &s->ready) = i;
	s->ready_end = &i->next;
}

struct item *join_take_ready(struct source *s)
{
	struct item *i = s->ready;

	if (i)
		s->ready = i->next;
	return i;
}

/* Without the answer: after a restart it is told by the same records again. */
static void tell_as_it_is(struct source *s, struct item *i)
{
	struct source_ref *last = &i->refs[i->ref_count - 1];

	spots_set_last(&last->segment->spots, last->offset);
	wait_no_longer(s, i);
	make_ready(s, i);
}

static void keep_few(struct source *s)
{
	while (s->waiting > SOURCE_WAITING_MAX ||
	       (s->waiting_bytes > SOURCE_WAITING_BYTES_MAX && s->waiting > 1))
		tell_as_it_is(s, s->oldest);
}

/* In a log of its own, a process that was taken to be over and wrote again is somewhere where it
 * cannot be found; whom a collector names, the kernel has named to it. */
static bool is_over(struct source *s, const struct item *i)
{
	const struct source_segment *g = i->refs[i->ref_count - 1].segment;
	bool own = i->entry.process != &i->sender;

	return read_is_over(s, i->pid, i->process_start, i->entry.process->boot_id, i->last_ns,
			    own && g->unsure);
}

void join_tell_gone(struct source *s)
{
	const struct item *alive = NULL;

	for (struct item *i = s->oldest, *newer; i; i = newer) {
		newer = i->newer;
		/* Neighbours are often of one process, and that lives. */
		if (alive && alive->pid == i->pid && alive->process_start == i->process_start)
			continue;
		if (!is_over(s, i)) {
			alive = i;
			continue;
		}
		i->entry.process->gone = true;
		if (i->entry.process != &i->sender)
			i->refs[i->ref_count - 1].segment->gone_seen = true;
		tell_as_it_is(s, i);
	}
}

void join_tell_all(struct source *s)
{
	while (s->oldest)
		tell_as_it_is(s, s->oldest);
}

/* ---- records ---- */

static enum err new_item(struct source *s, struct source_segment *g, const struct segment_record *r,
			 const struct look *l, const char *id, const char *key,
			 struct item **ret_item)
{
	struct item *i = item_new(s, g, r->kind, r->time_ns, r->offset, r->sequence);
	enum err e;

	if (!i)
		return ERR_NOMEM;
	memcpy(i->entry.id, id, strlen(id) + 1);
	memcpy(i->entry.key, key, strlen(key) + 1);
	if (l->has_pid && r->kind != REC_START)
		name_sender(i, g, l, r->time_ns);
	e = reserve(s, i, g, l);
	if (e) {
		item_free(i);
		return e;
	}
	*ret_item = i;
	return OK;
}

/* A request whose head went out before its body was decided on (Expect: 100-continue) has two
 * records; the second one says everything. */
static enum err replace_head(struct source *s, struct item *i, struct source_segment *g,
			     const struct segment_record *r, const struct segment_mark *before,
			     const struct look *l, bool last)
{
	enum err e = reserve(s, i, g, l);

	if (e)
		return e;
	i->part_count = 0;
	buf_reset(&i->kept);
	buf_reset(&i->entry.fields);
	i->entry.has_request_body = i->entry.has_response_body = false;
	i->told.time_ns = i->entry.time_ns = r->time_ns;
	i->headers_only = l->headers_only;
	add_record(i, g, r, before, l, last);
	i->entry.answered = l->has_outcome;
	if (i->entry.answered) {
		wait_no_longer(s, i);
		make_ready(s, i);
	} else if (last) {
		tell_as_it_is(s, i);
	}
	return OK;
}

static enum err join_new(struct source *s, struct source_segment *g, const struct segment_record *r,
			 const struct segment_mark *before, const struct look *l, const char *id,
			 const char *key, bool last)
{
	struct item *i = NULL, *same = r->kind == REC_REQUEST ? find_waiting(s, key) : NULL;

	if (same && same->headers_only)
		return replace_head(s, same, g, r, before, l, last);
	enum err e = new_item(s, g, r, l, id, key, &i);
	if (e)
		return e;
	if (same) /* twice the same id: neither hides the other */
		tell_as_it_is(s, same);
	add_record(i, g, r, before, l, last);
	name_item(i, g, same || r->kind != REC_REQUEST || !id[0]);
	/* A refused request says so itself and has no answer to wait for. */
	i->entry.answered = r->kind != REC_REQUEST || l->has_outcome || !id[0];
	i->headers_only = l->headers_only;
	if (i->entry.answered) {
		make_ready(s, i);
		return OK;
	}
	wait_for(s, i);
	if (last)
		tell_as_it_is(s, i);
	keep_few(s);
	return OK;
}

static enum err join_answer(struct source *s, struct source_segment *g,
			    const struct segment_record *r, const struct segment_mark *before,
			    const struct look *l, const char *id, const char *key, bool last)
{
	struct item *i = find_waiting(s, key);
	bool ends = r->kind != REC_RESPONSE_PART, is_new = !i;
	enum err e;

	if (i && i->ref_count >= SOURCE_EXCHANGE_PARTS_MAX) {
		tell_as_it_is(s, i);
		is_new = true;
	}
	e = is_new ? new_item(s, g, r, l, id, key, &i) : reserve(s, i, g, l);
	if (e)
		return e;
	add_record(i, g, r, before, l, last);
	if (is_new) {
		i->entry.kind = REC_REQUEST;
		i->entry.orphan = true;
		name_item(i, g, true);
		if (!ends && id[0])
			wait_for(s, i);
	}
	if (!ends && id[0]) {
		count_cost(s, i);
		if (last)
			tell_as_it_is(s, i);
		keep_few(s);
		return OK;
	}
	i->entry.answered = true;
	if (!is_new)
		wait_no_longer(s, i);
	make_ready(s, i);
	return OK;
}

enum err join_record(struct source *s, struct source_segment *g, const struct segment_record *r,
		     const struct segment_mark *before, bool last)
{
	char id[ULID_CHARS + 1], key[ENTRY_KEY_CHARS];
	struct look l;

	if (r->kind == REC_END)
		return OK;
	l = look_into(r->plain);
	copy_id(l.id, id);
	make_key(id, &l, r->kind == REC_START, key);
	if (r->kind == REC_RESPONSE_PART || r->kind == REC_RESPONSE || r->kind == REC_ABORTED)
		return join_answer(s, g, r, before, &l, id, key, last);
	return join_new(s, g, r, before, &l, id, key, last);
}

/* ---- what is no record ---- */

/* A notice of our own that says `what`. */
static enum err put_problem(struct item *i, const struct source_segment *g, const char *what,
			    uint64_t offset)
{
	struct buf text = {0};
	enum err e;

	(void)!((e = buf_put_str(&text, what)) || (e = buf_put_str(&text, " at byte ")) ||
		(e = buf_put_decimal(&text, offset)) || (e = buf_put_str(&text, " of ")) ||
		(e = buf_put(&text, segment_below(g))) ||
		(e = record_put(&i->entry.fields, F_PROBLEM, buf_view(&text))));
	buf_done(&text);
	return e;
}

static struct item *made_up(struct source *s, struct source_segment *g, enum source_kind kind,
			    uint64_t offset, uint64_t sequence)
{
	uint64_t time_ns = g->last_ns ? g->last_ns : g->started_ns;
	struct item *i = item_new(s, g, REC_NOTICE, time_ns, offset, sequence);

	if (i) {
		i->told.kind = kind;
		i->entry.answered = true;
	}
	return i;
}

/* SEGMENTHEX-damage-OFFSET and the like */
static void name_made_up(struct item *i, const struct source_segment *g, const char *what,
			 bool has_number, uint64_t number)
{
	struct buf text;

	text_begin(&text, i->id, sizeof i->id);
	put_segment_id(&text, g);
	(void)!buf_put_str(&text, what);
	if (has_number)
		(void)!buf_put_decimal(&text, number);
	text_end(&text);
	i->told.id = bytes_of(i->id, text.len);
}

enum err join_damage(struct source *s, struct source_segment *g, uint64_t offset,
		     const struct segment_mark *before, const char *what)
{
	const struct look none = {0};
	struct item *i = made_up(s, g, SOURCE_DAMAGE, offset, before->sequence);
	enum err e = i ? reserve(s, i, g, &none) : ERR_NOMEM;

	if (!e)
		e = put_problem(i, g, what, offset);
	if (e) {
		item_free(i);
		return e;
	}
	add_ref(i, g, offset, before->sequence, false);
	name_made_up(i, g, "damage-", true, offset);
	make_ready(s, i);
	return OK;
}

/* A reference that stands for the segment, not for a record of it. */
static enum err refer(struct item *i, struct source_segment *g, uint64_t bytes)
{
	enum err e = grow(&i->refs, i->ref_count, &i->ref_cap, sizeof *i->refs, 1);

	if (e)
		return e;
	i->refs[i->ref_count++] = (struct source_ref){g, (uint32_t)bytes, 0};
	g->refs++;
	return OK;
}

enum err join_unopened(struct source *s, struct source_segment *g, const char *what)
{
	struct item *i = made_up(s, g, SOURCE_UNOPENED, 0, 0);
	enum err e = i ? refer(i, g, 0) : ERR_NOMEM;

	if (!e)
		e = put_problem(i, g, what, 0);
	if (e) {
		item_free(i);
		return e;
	}
	name_made_up(i, g, "unopened", false, 0);
	make_ready(s, i);
	return OK;
}

enum err join_sealed(struct source *s, struct source_segment *g, uint64_t bytes, uint64_t records,
		     const uint8_t digest[SEAL_DIGEST_BYTES])
{
	struct item *i = made_up(s, g, SOURCE_SEGMENT, 0, 0);
	enum err e = i ? refer(i, g, bytes) : ERR_NOMEM;

	if (e) {
		item_free(i);
		return e;
	}
	i->told.entry = NULL;
	i->told.time_ns = g->started_ns;
	i->told.bytes = bytes;
	i->told.records = records;
	i->told.ended = g->ended;
	memcpy(i->told.digest, digest, sizeof i->told.digest);
	name_made_up(i, g, "", true, bytes);
	make_ready(s, i);
	return OK;
}
