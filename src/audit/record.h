/* SPDX-License-Identifier: MIT
 *
 * record: what one sealed record says, as tagged fields; the only code that knows their layout.
 * A record's plaintext is a run of fields: u16 number, u16 zero, u32 length, bytes (all
 * little-endian). Unknown numbers are passed over by older readers.
 *
 * Pure. Views borrow.
 */
#ifndef AIGW_AUDIT_RECORD_H
#define AIGW_AUDIT_RECORD_H

#include "base/bytes.h"

/* RECORD(number on disk, NAME, "type in --json") */
#define RECORDS(RECORD)                                                                            \
	RECORD(1, REC_START, "start")                                                              \
	RECORD(2, REC_REQUEST, "request")                                                          \
	RECORD(3, REC_RESPONSE_PART, "response_part")                                              \
	RECORD(4, REC_RESPONSE, "response")                                                        \
	RECORD(5, REC_ABORTED, "aborted")                                                          \
	RECORD(6, REC_REFUSED_CONNECTION, "refused_connection")                                    \
	RECORD(7, REC_POLICY_CHANGE, "policy_change")                                              \
	RECORD(8, REC_KEY_CHANGE, "key_change")                                                    \
	RECORD(9, REC_GAP, "gap")                                                                  \
	RECORD(10, REC_END, "end")                                                                 \
	RECORD(11, REC_CONNECTION, "connection")                                                   \
	RECORD(12, REC_ACCESS, "access")                                                           \
	RECORD(13, REC_HOLD, "hold")                                                               \
	RECORD(14, REC_RETENTION, "retention")                                                     \
	RECORD(15, REC_NOTICE, "notice")                                                           \
	RECORD(16, REC_LIMIT, "limit")

enum record_kind {
#define RECORD(number, name, text) name = number,
	RECORDS(RECORD)
#undef RECORD
};

const char *record_kind_name(unsigned kind); /* NULL for an unknown one */

enum field_type { FIELD_STR, FIELD_U64, FIELD_BOOL, FIELD_JSON, FIELD_BODY, FIELD_LIST };

enum field {
#define FIELD(number, name, type, path) F_##name = number,
#include "audit/record.def"
#undef FIELD
};

struct field_info {
	uint16_t number;
	enum field_type type;
	const char *path; /* "process.pid" */
};

const struct field_info *record_field_info(unsigned number); /* NULL for an unknown one */

MUST_USE enum err record_put(struct buf *record, enum field f, struct bytes value);
/* As record_put but an empty value is left out. */
MUST_USE enum err record_put_if(struct buf *record, enum field f, struct bytes value);
MUST_USE enum err record_put_u64(struct buf *record, enum field f, uint64_t value);
MUST_USE enum err record_put_bool(struct buf *record, enum field f, bool value);

/* A field whose value is put together where it stands: record_open begins it, whatever is appended
 * to the record up to record_close is its value, and an empty one is taken away again. After an
 * error of either the record is of no use. ERR_LIMIT: longer than a field can be. */
MUST_USE enum err record_open(struct buf *record, enum field f, size_t *ret_at);
MUST_USE enum err record_close(struct buf *record, size_t at);

struct record_field {
	unsigned number;
	struct bytes value;
};

/* The next field. OK, ERR_END, ERR_BAD (a length runs past the end). */
MUST_USE enum err record_next(struct cursor *c, struct record_field *ret_field);

/* The first field of that number in a record; OK, ERR_MISSING, ERR_BAD. */
MUST_USE enum err record_find(struct bytes record, enum field f, struct bytes *ret_value);
/* As record_find for U64 and BOOL fields. */
MUST_USE enum err record_find_u64(struct bytes record, enum field f, uint64_t *ret_value);

#define ULID_CHARS 26
/* A ULID (github.com/ulid/spec): 48 bits of milliseconds, 80 random bits, Crockford base 32. */
void record_make_id(uint64_t now_ms, const uint8_t random[10], char ret_id[ULID_CHARS + 1]);

#endif
