/* SPDX-License-Identifier: MIT */
#include "audit/record.h"

#include <string.h>

#include "aigw/format.h" /* refuses to compile where numbers are not little-endian */

#define FIELD_HEAD_BYTES 8

const char *record_kind_name(unsigned kind)
{
	switch (kind) {
#define RECORD(number, name, text)                                                                 \
	case number:                                                                               \
		return text;
		RECORDS(RECORD)
#undef RECORD
	default:
		return NULL;
	}
}

static const struct field_info fields[] = {
#define FIELD(number, name, type, path) {number, FIELD_##type, path},
#include "audit/record.def"
#undef FIELD
};

const struct field_info *record_field_info(unsigned number)
{
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (fields[i].number == number)
			return &fields[i];
	return NULL;
}

/* Number, two zeros, length: little-endian, as the processor is. */
static void set_head(uint8_t *at, enum field f, uint32_t len)
{
	uint64_t head = (uint16_t)f | (uint64_t)len << 32;

	memcpy(at, &head, FIELD_HEAD_BYTES);
}

enum err record_put(struct buf *record, enum field f, struct bytes value)
{
	enum err e;
	uint8_t *at;

	if (value.len > UINT32_MAX - FIELD_HEAD_BYTES)
		return ERR_LIMIT;
	e = buf_reserve(record, FIELD_HEAD_BYTES + value.len);
	if (e)
		return e;
	at = record->at + record->len;
	set_head(at, f, (uint32_t)value.len);
	if (value.len)
		memcpy(at + FIELD_HEAD_BYTES, value.at, value.len);
	record->len += FIELD_HEAD_BYTES + value.len;
	return OK;
}

enum err record_put_if(struct buf *record, enum field f, struct bytes value)
{
	return value.len ? record_put(record, f, value) : OK;
}

enum err record_put_u64(struct buf *record, enum field f, uint64_t value)
{
	return record_put(record, f, bytes_of(&value, sizeof value));
}

enum err record_open(struct buf *record, enum field f, size_t *ret_at)
{
	enum err e = buf_reserve(record, FIELD_HEAD_BYTES);

	if (e)
		return e;
	set_head(record->at + record->len, f, 0);
	*ret_at = record->len;
	record->len += FIELD_HEAD_BYTES;
	return OK;
}

enum err record_close(struct buf *record, size_t at)
{
	size_t bytes = record->len - at - FIELD_HEAD_BYTES;
	uint32_t len = (uint32_t)bytes;

	if (bytes > UINT32_MAX - FIELD_HEAD_BYTES)
		return ERR_LIMIT;
	if (bytes)
		memcpy(record->at + at + 4, &len, sizeof len);
	else
		record->len = at;
	return OK;
}

enum err record_put_bool(struct buf *record, enum field f, bool value)
{
	uint8_t out = value;

	return record_put(record, f, bytes_of(&out, 1));
}

/* Read without the cursor's own steps: listing a long log is mostly this. */
enum err record_next(struct cursor *c, struct record_field *ret_field)
{
	size_t left = cursor_left(c);
	uint16_t number, zero;
	uint32_t len;

	if (left == 0)
		return c->bad ? ERR_BAD : ERR_END;
	if (left < FIELD_HEAD_BYTES)
		goto bad;
	memcpy(&number, c->at, sizeof number);
	memcpy(&zero, c->at + 2, sizeof zero);
	memcpy(&len, c->at + 4, sizeof len);
	if (zero || len > left - FIELD_HEAD_BYTES)
		goto bad;
	ret_field->number = number;
	ret_field->value = bytes_of(c->at + FIELD_HEAD_BYTES, len);
	c->at += FIELD_HEAD_BYTES + (size_t)len;
	return OK;
bad:
	c->bad = true;
	return ERR_BAD;
}

enum err record_find(struct bytes record, enum field f, struct bytes *ret_value)
{
	struct cursor c = cursor_over(record);
	struct record_field field;
	enum err e;

	while ((e = record_next(&c, &field)) == OK) {
		if (field.number == (unsigned)f) {
			*ret_value = field.value;
			return OK;
		}
	}
	return e == ERR_END ? ERR_MISSING : e;
}

enum err record_find_u64(struct bytes record, enum field f, uint64_t *ret_value)
{
	struct bytes value;
	enum err e = record_find(record, f, &value);

	if (e)
		return e;
	if (value.len != 8 && value.len != 1)
		return ERR_BAD;
	struct cursor c = cursor_over(value);
	*ret_value = value.len == 8 ? cursor_u64(&c) : cursor_u8(&c);
	return OK;
}

void record_make_id(uint64_t now_ms, const uint8_t random[10], char ret_id[ULID_CHARS + 1])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64_t high = (uint64_t)random[0] << 32 | (uint64_t)random[1] << 24 |
			(uint64_t)random[2] << 16 | (uint64_t)random[3] << 8 | random[4];
	uint64_t low = (uint64_t)random[5] << 32 | (uint64_t)random[6] << 24 |
		       (uint64_t)random[7] << 16 | (uint64_t)random[8] << 8 | random[9];

	now_ms &= 0xFFFFFFFFFFFF;
	for (int i = 0; i < 10; i++)
		ret_id[i] = digits[now_ms >> (45 - 5 * i) & 31];
	for (int i = 0; i < 8; i++) {
		ret_id[10 + i] = digits[high >> (35 - 5 * i) & 31];
		ret_id[18 + i] = digits[low >> (35 - 5 * i) & 31];
	}
	ret_id[ULID_CHARS] = '\0';
}
