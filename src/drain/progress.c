/* SPDX-License-Identifier: MIT */
#include "drain/progress.h"

#include <string.h>

#include "audit/frame.h"
#include "audit/place.h"

#define MAGIC                                                                                      \
	"\x89"                                                                                     \
	"AIGWcur"
#define FLAG_SINGLE    1u
#define FLAG_SEALED    2u
#define FLAG_LOST      4u
#define KIND_END       0u
#define KIND_DONE      1u
#define KIND_OPEN      2u
#define OPEN_TOLD      1u
#define NAME_BYTES_MAX 255u
#define VARINT_BYTES   10
#define SUFFIX         ".aigw"

enum err progress_put_head(struct buf *out, const struct progress_head *head)
{
	enum err e;
	unsigned flags = (head->single ? FLAG_SINGLE : 0) | (head->sealed ? FLAG_SEALED : 0) |
			 (head->lost ? FLAG_LOST : 0);

	buf_reset(out);
	(void)!((e = buf_put(out, BYTES(MAGIC))) || (e = buf_put_u16(out, PROGRESS_VERSION)) ||
		(e = buf_put_u16(out, (uint16_t)flags)) ||
		(e = buf_put_u64(out, head->ledger.entries)) ||
		(e = buf_put_u64(out, head->ledger.offset)) ||
		(e = buf_put(out, bytes_of(head->ledger.mac, sizeof head->ledger.mac))) ||
		(e = buf_put_u32(out, (uint32_t)head->first_day)) ||
		(e = buf_put_u32(out, (uint32_t)head->last_day)));
	return e;
}

static enum err put_varint(struct buf *out, uint64_t v)
{
	enum err e = OK;

	for (; v >= 0x80 && !e; v >>= 7)
		e = buf_put_u8(out, (uint8_t)(v | 0x80));
	return e ? e : buf_put_u8(out, (uint8_t)v);
}

static uint64_t take_varint(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < VARINT_BYTES; i++) {
		uint8_t byte = cursor_u8(c);
		v |= (uint64_t)(byte & 0x7F) << (7 * i);
		if (!(byte & 0x80)) {
			c->bad |= i == VARINT_BYTES - 1 && byte > 1;
			return v;
		}
	}
	c->bad = true;
	return 0;
}

enum err progress_put_segment(struct buf *out, const struct progress_segment *s)
{
	enum err e;

	if (s->done) {
		(void)!((e = buf_put_u8(out, KIND_DONE)) ||
			(e = buf_put_u64(out, s->path_digest)) ||
			(e = buf_put_u32(out, (uint32_t)s->day)));
		return e;
	}
	(void)!((e = buf_put_u8(out, KIND_OPEN)) ||
		(e = buf_put_u8(out, s->unopened_told ? OPEN_TOLD : 0)) ||
		(e = buf_put(out, bytes_of(s->id, sizeof s->id))) ||
		(e = buf_put_u64(out, s->started_ns)) || (e = buf_put_u32(out, s->read)) ||
		(e = buf_put_u32(out, s->resume_offset)) ||
		(e = buf_put_u32(out, s->resume_sequence)) || (e = buf_put_u32(out, s->damaged)) ||
		(e = buf_put_u8(out, (uint8_t)s->path.len)) || (e = buf_put(out, s->path)) ||
		(e = put_varint(out, s->spot_count)));
	return e;
}

enum err progress_put_spot(struct buf *out, uint32_t before, struct progress_spot spot)
{
	return put_varint(out, (uint64_t)(spot.offset - before) << 1 | spot.last);
}

enum err progress_put_end(struct buf *out)
{
	enum err e = buf_put_u8(out, KIND_END);

	return e ? e : buf_put_u32(out, frame_crc32c(0, buf_view(out)));
}

bool progress_is_path(struct bytes path, uint64_t *ret_day)
{
	struct bytes name = path, day = bytes_cut(&name, '/');

	if (path.len > NAME_BYTES_MAX || !bytes_ends(name, BYTES(SUFFIX)) || name.at[0] == '.' ||
	    bytes_find_byte(name, '/') != SIZE_MAX || bytes_find_byte(name, '\0') != SIZE_MAX)
		return false;
	return place_parse_day(day, ret_day) == OK && *ret_day <= PROGRESS_DAY_MAX;
}

uint64_t progress_path_digest(struct bytes path)
{
	uint8_t digest[SEAL_DIGEST_BYTES];
	uint64_t v;

	seal_digest(NULL, &path, 1, digest);
	memcpy(&v, digest, sizeof v);
	return v;
}

enum err progress_next_spot(struct bytes *spots, uint32_t before, struct progress_spot *ret_spot)
{
	struct cursor c = cursor_over(*spots);

	if (spots->len == 0)
		return ERR_END;
	uint64_t v = take_varint(&c), distance = v >> 1;
	if (c.bad || distance == 0 || distance > UINT32_MAX - before)
		return ERR_BAD;
	ret_spot->offset = before + (uint32_t)distance;
	ret_spot->last = v & 1;
	*spots = bytes_of(c.at, cursor_left(&c));
	return OK;
}

/* As many spots as it says, all of them between where reading is resumed and where it was. */
static enum err take_spots(struct cursor *c, struct progress_segment *s)
{
	uint64_t count = take_varint(c);
	struct bytes rest = bytes_of(c->at, cursor_left(c)), from = rest;
	struct progress_spot spot = {0};

	if (c->bad || count > rest.len)
		return ERR_BAD;
	for (uint64_t i = 0; i < count; i++)
		if (progress_next_spot(&rest, spot.offset, &spot) != OK || spot.offset >= s->read ||
		    spot.offset < s->resume_offset)
			return ERR_BAD;
	s->spot_count = (size_t)count;
	s->spots = bytes_of(from.at, from.len - rest.len);
	(void)cursor_take(c, s->spots.len);
	return OK;
}

static enum err take_open(struct cursor *c, struct progress_segment *s)
{
	uint8_t flags = cursor_u8(c);
	struct bytes id = cursor_take(c, sizeof s->id);

	if (id.len)
		memcpy(s->id, id.at, sizeof s->id);
	s->unopened_told = flags & OPEN_TOLD;
	s->started_ns = cursor_u64(c);
	s->read = cursor_u32(c);
	s->resume_offset = cursor_u32(c);
	s->resume_sequence = cursor_u32(c);
	s->damaged = cursor_u32(c);
	s->path = cursor_take(c, cursor_u8(c));
	if (c->bad || flags & ~OPEN_TOLD || s->resume_offset > s->read ||
	    s->resume_sequence > FRAME_SEQUENCE_MAX || !progress_is_path(s->path, &s->day))
		return ERR_BAD;
	return take_spots(c, s);
}

enum err progress_next_segment(struct bytes *rest, struct progress_segment *ret_segment)
{
	struct cursor c = cursor_over(*rest);
	struct progress_segment s = {0};
	uint8_t kind = cursor_u8(&c);
	enum err e = OK;

	if (kind == KIND_DONE) {
		s.done = true;
		s.path_digest = cursor_u64(&c);
		s.day = cursor_u32(&c);
		e = s.day > PROGRESS_DAY_MAX ? ERR_BAD : OK;
	} else if (kind == KIND_OPEN) {
		e = take_open(&c, &s);
	} else if (!c.bad) {
		return kind == KIND_END && cursor_left(&c) == 0 ? ERR_END : ERR_BAD;
	}
	if (c.bad || e)
		return ERR_BAD;
	*rest = bytes_of(c.at, cursor_left(&c));
	*ret_segment = s;
	return OK;
}

enum err progress_parse(struct bytes file, struct progress_head *ret_head, struct bytes *ret_rest)
{
	struct cursor c = cursor_over(file);
	struct progress_head head = {0};
	struct progress_segment segment;
	struct bytes rest, mac;
	enum err e;

	if (!bytes_equal(cursor_take(&c, sizeof MAGIC - 1), BYTES(MAGIC)))
		return ERR_BAD;
	uint16_t version = cursor_u16(&c), flags = cursor_u16(&c);
	if (c.bad || version == 0)
		return ERR_BAD;
	if (version > PROGRESS_VERSION || flags & ~(FLAG_SINGLE | FLAG_SEALED | FLAG_LOST))
		return ERR_UNSUPPORTED;
	head.single = flags & FLAG_SINGLE;
	head.sealed = flags & FLAG_SEALED;
	head.lost = flags & FLAG_LOST;
	head.ledger.entries = cursor_u64(&c);
	head.ledger.offset = cursor_u64(&c);
	mac = cursor_take(&c, sizeof head.ledger.mac);
	if (mac.len)
		memcpy(head.ledger.mac, mac.at, sizeof head.ledger.mac);
	head.first_day = cursor_u32(&c);
	head.last_day = cursor_u32(&c);
	if (c.bad || head.ledger.offset > LEDGER_BYTES_MAX || head.first_day > PROGRESS_DAY_MAX ||
	    head.last_day > PROGRESS_DAY_MAX || cursor_left(&c) < sizeof(uint32_t))
		return ERR_BAD;
	struct cursor end = cursor_over(bytes_from(file, file.len - sizeof(uint32_t)));
	if (frame_crc32c(0, bytes_slice(file, 0, file.len - sizeof(uint32_t))) != cursor_u32(&end))
		return ERR_BAD;
	rest = bytes_of(c.at, cursor_left(&c) - sizeof(uint32_t));
	struct bytes all = rest;
	while ((e = progress_next_segment(&rest, &segment)) == OK)
		;
	if (e != ERR_END)
		return ERR_BAD;
	*ret_head = head;
	*ret_rest = all;
	return OK;
}
