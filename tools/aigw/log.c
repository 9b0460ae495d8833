/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log_state.h"
#include "print.h"

/* The value of an id that the filter left out, or that was told and forgotten. */
static struct log_entry dropped;

void log_init(struct log *l, const struct log_options *options)
{
	*l = (struct log){.options = *options};
	l->state = need_memory(sizeof *l->state);
	index_store_init(&l->state->index, options->state, options->directory, options->identities);
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
		wipe(&s->mark, sizeof s->mark);
		free(s->told.path);
		free(s);
	}
	for (size_t i = 0; i < l->state->sender_count; i++) {
		buf_done(&l->state->sender_list[i]->fields);
		free(l->state->sender_list[i]);
	}
	free(l->state->sender_list);
	map_done(&l->state->senders);
	free(l->state->segment_list);
	index_store_done(&l->state->index);
	buf_done(&l->state->part);
	index_maker_done(&l->state->maker);
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

void log_note_damage(struct log *l, const char *path, const char *what, uint64_t offset)
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

void log_copy_id(struct bytes record, char ret_id[ULID_CHARS + 1])
{
	struct bytes id = BYTES_NONE;

	if (record_find(record, F_ID, &id) != OK || id.len > ULID_CHARS)
		id.len = 0;
	for (size_t i = 0; i < id.len; i++) {
		bool plain = (id.at[i] >= '0' && id.at[i] <= '9') ||
			     (id.at[i] >= 'A' && id.at[i] <= 'Z');
		ret_id[i] = (char)(plain ? id.at[i] : '?');
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

	log_copy_id(r->plain, id);
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

	log_copy_id(r->plain, id);
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

enum err log_take_record(struct log *l, const struct segment_record *r, struct log_process *process)
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
