/* SPDX-License-Identifier: MIT */
#include "drain/source_state.h"

#include <string.h>

struct loading {
	size_t bytes_max;
	bool over; /* payloads are more than that */
};

static enum err take_body(struct buf *body, struct loading *l, const struct log_entry *entry,
			  struct bytes value)
{
	size_t have = entry->request_body.len + entry->response_body.len;

	if (l->over || value.len > l->bytes_max || have > l->bytes_max - value.len) {
		l->over = true;
		return OK;
	}
	return buf_put(body, value);
}

static enum err take_large(struct log_entry *entry, struct loading *l, struct bytes record)
{
	struct cursor c = cursor_over(record);
	struct record_field field;
	enum err e = OK;

	while (!e && record_next(&c, &field) == OK) {
		if (field.number == F_REQUEST_BODY)
			e = take_body(&entry->request_body, l, entry, field.value);
		else if (field.number == F_RESPONSE_BODY)
			e = take_body(&entry->response_body, l, entry, field.value);
		else if (field.number == F_REQUEST_HEADERS || field.number == F_RESPONSE_HEADERS)
			e = record_put(&entry->fields, (enum field)field.number, field.value);
	}
	return e;
}

/* The frame of a part: in the window, where most are, or read again. */
static enum err find_part(struct source *s, const struct source_ref *ref, uint32_t bytes,
			  struct bytes *ret_frame)
{
	const struct source_segment *g = ref->segment;
	uint64_t end = s->window_from + s->window.len;
	enum err e;

	if (s->window_of == g && ref->offset >= s->window_from &&
	    (uint64_t)ref->offset + bytes <= end) {
		*ret_frame = bytes_slice(buf_view(&s->window),
					 (size_t)(ref->offset - s->window_from), bytes);
		return OK;
	}
	e = read_part(g->path, ref->offset, (uint64_t)ref->offset + bytes, &s->again, NULL);
	*ret_frame = buf_view(&s->again);
	return e;
}

static enum err load_part(struct source *s, struct item *i, const struct source_part *part,
			  struct loading *l)
{
	const struct source_ref *ref = &i->refs[part->ref];
	struct segment_mark mark = {
		.offset = ref->offset, .sequence = ref->sequence, .cipher = ref->segment->cipher};
	struct segment_reader *r = NULL;
	struct segment_record record = {0};
	struct bytes frame;
	enum err e = find_part(s, ref, part->bytes, &frame);

	if (e)
		return e;
	memcpy(mark.key, part->key, sizeof mark.key);
	e = segment_reader_resume(&mark, frame, &r);
	if (!e)
		e = segment_next(r, &record);
	if (!e)
		e = take_large(&i->entry, l, record.plain);
	else if (e != ERR_NOMEM)
		e = ERR_SEAL;
	segment_reader_free(r);
	wipe(&mark, sizeof mark);
	return e;
}

enum err source_load_bodies(struct source *s, struct source_item *told, size_t bytes_max)
{
	struct item *i = (struct item *)told;
	struct loading l = {.bytes_max = bytes_max};
	size_t fields = i->entry.fields.len;
	enum err e = OK;

	if (i != s->current || (i->part_count && !i->refs))
		return ERR_STATE;
	if (i->loaded)
		return OK;
	if (i->keeps)
		e = take_large(&i->entry, &l, buf_view(&i->kept));
	for (size_t p = 0; !e && !i->keeps && p < i->part_count; p++)
		e = load_part(s, i, &i->parts[p], &l);
	if (e || l.over) {
		buf_done(&i->entry.request_body);
		buf_done(&i->entry.response_body);
	}
	if (e)
		i->entry.fields.len = fields;
	i->loaded = !e;
	return e ? e : l.over ? ERR_LIMIT : OK;
}
