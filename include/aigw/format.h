/* SPDX-License-Identifier: MIT
 *
 * format: the bytes of the audit log on disk, as structures whose sizes and offsets the compiler
 * checks. All numbers are little-endian, all fields naturally aligned, no padding. The meaning of
 * each field, the keys and the chain: docs/audit-format.md.
 */
#ifndef AIGW_FORMAT_H
#define AIGW_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the audit format is written by copying little-endian structures"
#endif

#define FORMAT_VERSION 1

/* ---- a segment: header, recipients, header digest, frames ---- */

#define FORMAT_SEGMENT_MAGIC                                                                       \
	"\x89"                                                                                     \
	"AIGWseg"
#define FORMAT_CIPHER_XCHACHA20_POLY1305 1
#define FORMAT_CIPHER_AES_256_GCM        2 /* and SHA-256 as the file's digest */
#define FORMAT_CIPHER_AES_256_GCM_TREE   3 /* ... and BLAKE2b in its tree mode instead */

struct format_segment {
	uint8_t magic[8];
	uint16_t version;
	uint16_t cipher;
	uint32_t flags_compatible;   /* unknown bits: read on */
	uint32_t flags_incompatible; /* unknown bits: do not read */
	uint32_t header_bytes;       /* this structure, the recipients and the digest */
	uint8_t segment_id[16];
	uint64_t pid;
	uint64_t process_start; /* clock ticks after boot, /proc/PID/stat field 22; 0: unknown */
	uint64_t started_ns;
	uint8_t policy_digest[32];
	uint8_t host[64];        /* NUL-padded */
	uint8_t boot_id[40];     /* NUL-padded */
	uint64_t ledger_entries; /* in the ledger when this segment was made */
	uint8_t ledger_chain[32];
	uint8_t commitment[32];
	uint16_t recipient_count;
	uint8_t zero[6];
};

struct format_recipient {
	uint8_t key_id[8];
	uint8_t box[80];
};

#define FORMAT_FRAME_MAGIC                                                                         \
	"\xA1"                                                                                     \
	"gwr"

struct format_frame {
	uint8_t magic[4];
	uint16_t kind;
	uint16_t flags; /* 0 */
	uint64_t sequence;
	uint64_t time_ns;
	uint8_t previous[32]; /* chain value of the record before */
	uint8_t nonce[24];
	uint32_t body_bytes; /* of the ciphertext, which a 16-byte tag follows */
	uint32_t crc;        /* CRC-32C of all bytes before */
};

/* ---- the ledger: entries of head, body, MAC ---- */

#define FORMAT_LEDGER_MAGIC                                                                        \
	"\xA1"                                                                                     \
	"gwl"

enum format_ledger_kind {
	FORMAT_LEDGER_EPOCH = 1,
	FORMAT_LEDGER_OPENED = 2,
	FORMAT_LEDGER_CLOSED = 3,
	FORMAT_LEDGER_GIVEN_UP = 4,
	FORMAT_LEDGER_RETIRED = 5,
};

struct format_ledger {
	uint8_t magic[4];
	uint16_t kind;
	uint16_t version;
	uint32_t body_bytes;
	uint32_t skipped_bytes; /* torn bytes right before this entry, covered by MAC and chain */
	uint64_t number;
	uint64_t time_ns;
	uint8_t previous[32];
	uint32_t body_crc; /* CRC-32C of body and MAC: a torn MAC is not taken for one */
	uint32_t crc;      /* CRC-32C of all bytes before in this head */
};

enum format_epoch_flags {
	FORMAT_EPOCH_STATE_LOST = 1,   /* ledger.key was missing or damaged */
	FORMAT_EPOCH_LEDGER_SHORT = 2, /* the ledger was shorter than ledger.key says */
	FORMAT_EPOCH_UNFIT = 4,        /* too many bytes behind what ledger.key knows */
	FORMAT_EPOCH_REBOOTED = 8,     /* ... and the host had been started anew in between */
};

struct format_epoch { /* struct format_recipient follows, recipient_count times */
	uint8_t commitment[32];
	uint8_t recipients_digest[32];
	uint32_t flags;
	uint16_t recipient_count;
	uint16_t zero;
};

struct format_opened { /* the path below the audit directory follows */
	uint8_t segment_id[16];
	uint8_t header_digest[32];
	uint64_t started_ns;
	uint16_t path_bytes;
	uint16_t zero[3];
};

struct format_closed {
	uint8_t segment_id[16];
	uint64_t records;
	uint64_t bytes;
	uint8_t chain[32];
	uint8_t digest[32];
};

enum format_given_up_why {
	FORMAT_WHY_SHORT_WRITE = 1,
	FORMAT_WHY_VANISHED = 2,
	FORMAT_WHY_REPLACED = 3,
	FORMAT_WHY_SIZE = 4,
	FORMAT_WHY_SYNC = 5,
	FORMAT_WHY_CLOSE = 6,
	FORMAT_WHY_FOUND_OPEN = 7, /* by `aigw verify --repair`, its process being gone */
};

struct format_given_up {
	uint8_t segment_id[16];
	uint64_t records;
	uint64_t bytes;       /* the writer's own, all of them acknowledged */
	uint64_t found_bytes; /* UINT64_MAX: the file was gone or another one */
	uint32_t why;
	uint32_t has_found_digest;
	uint8_t chain[32];
	uint8_t digest[32];       /* of the first `bytes` */
	uint8_t found_digest[32]; /* of the first `found_bytes`, when has_found_digest is 1 */
};

enum format_retired_why {
	FORMAT_RETIRED_AGE = 1, /* older than the policy's retain_days */
};

struct format_retired {
	uint8_t segment_id[16];
	uint64_t records;
	uint64_t bytes;
	uint8_t digest[32];
	uint32_t why;
	uint32_t zero;
};

/* ---- ledger.key: the writers' state, one write within one page ---- */

#define FORMAT_STATE_MAGIC                                                                         \
	"\x89"                                                                                     \
	"AIGWldk"

struct format_state {
	uint8_t magic[8];
	uint16_t version;
	uint16_t zero;
	uint32_t epoch_flags; /* not 0: an epoch must begin next, for these reasons */
	uint64_t entries;     /* number of the next entry */
	uint64_t bytes;       /* length of the ledger */
	uint8_t key[32];
	uint8_t chain[32];
	uint8_t recipients_digest[32];
	uint8_t boot_id[40];
	uint8_t digest[32]; /* of all bytes before */
};

/* ---- checkpoints: what a collector has signed, and its keys ---- */

#define FORMAT_CHECKPOINT_MAGIC                                                                    \
	"\xA1"                                                                                     \
	"gwc"

enum format_checkpoint_kind {
	FORMAT_CHECKPOINT_FIRST = 1,   /* of this log; there is nothing before it */
	FORMAT_CHECKPOINT_RECORDS = 2, /* there are new records */
	FORMAT_CHECKPOINT_IDLE = 3,    /* there are none, and the collector lives */
	FORMAT_CHECKPOINT_START = 4,   /* the collector was started */
	FORMAT_CHECKPOINT_END = 5,     /* it ended, cleanly */
};

struct format_checkpoint {
	uint8_t magic[4];
	uint16_t version;
	uint16_t kind;
	uint64_t number; /* from 0 */
	uint64_t time_ns;
	uint32_t skipped_bytes; /* torn bytes right before this one */
	uint32_t zero;
	uint8_t previous[32];    /* digest of the one before, with its signature; zeros: none */
	uint8_t segment_id[16];  /* the open segment; zeros: none is open */
	uint64_t records, bytes; /* in it */
	uint64_t ledger_entries;
	uint64_t kept; /* records of programs since the first checkpoint */
	uint8_t chain[32];
	uint8_t digest[32]; /* of the segment's first `bytes` */
	uint8_t ledger_chain[32];
	uint8_t key[32];       /* Ed25519: signed with this one */
	uint8_t next[32];      /* and all later ones with this one; zeros: with the same */
	uint8_t signature[64]; /* of all bytes before, behind a label */
	uint32_t zero_too;
	uint32_t crc; /* CRC-32C of all bytes before: the part of a torn one is not taken for one */
};

#define FORMAT_CHECKPOINT_STATE_MAGIC                                                              \
	"\x89"                                                                                     \
	"AIGWcpk"
#define FORMAT_CHECKPOINT_SLOTS      2
#define FORMAT_CHECKPOINT_SLOT_BYTES 512 /* from one slot to the next: a sector each */

struct format_checkpoint_state {
	uint8_t magic[8];
	uint16_t version;
	uint8_t zero[6];
	uint64_t generation;          /* the higher one counts; it stands in slot generation % 2 */
	uint64_t number;              /* of the last checkpoint */
	uint8_t last[32];             /* its digest */
	uint8_t active[32], next[32]; /* seeds of Ed25519 keys */
	uint8_t digest[32];           /* of all bytes before */
};

/* ---- NAME.aigw.keys: the secret of the segment beside it, sealed to further recipients ---- */

#define FORMAT_NOTE_MAGIC                                                                          \
	"\x89"                                                                                     \
	"AIGWkey"

struct format_note { /* struct format_recipient follows, recipient_count times, then a digest */
	uint8_t magic[8];
	uint16_t version;
	uint16_t recipient_count;
	uint32_t note_bytes; /* this structure, the recipients and the digest of all bytes before */
	uint8_t segment_id[16];
};

#define FORMAT_AT(type, field, offset)                                                             \
	_Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define FORMAT_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

FORMAT_SIZE(format_segment, 280);
FORMAT_AT(format_segment, version, 8);
FORMAT_AT(format_segment, header_bytes, 20);
FORMAT_AT(format_segment, segment_id, 24);
FORMAT_AT(format_segment, pid, 40);
FORMAT_AT(format_segment, started_ns, 56);
FORMAT_AT(format_segment, policy_digest, 64);
FORMAT_AT(format_segment, host, 96);
FORMAT_AT(format_segment, boot_id, 160);
FORMAT_AT(format_segment, ledger_entries, 200);
FORMAT_AT(format_segment, commitment, 240);
FORMAT_AT(format_segment, recipient_count, 272);
FORMAT_SIZE(format_recipient, 88);
FORMAT_SIZE(format_frame, 88);
FORMAT_AT(format_frame, sequence, 8);
FORMAT_AT(format_frame, previous, 24);
FORMAT_AT(format_frame, nonce, 56);
FORMAT_AT(format_frame, body_bytes, 80);
FORMAT_AT(format_frame, crc, 84);
FORMAT_SIZE(format_ledger, 72);
FORMAT_AT(format_ledger, number, 16);
FORMAT_AT(format_ledger, previous, 32);
FORMAT_AT(format_ledger, body_crc, 64);
FORMAT_AT(format_ledger, crc, 68);
FORMAT_SIZE(format_epoch, 72);
FORMAT_SIZE(format_opened, 64);
FORMAT_SIZE(format_closed, 96);
FORMAT_SIZE(format_given_up, 144);
FORMAT_SIZE(format_retired, 72);
FORMAT_SIZE(format_state, 200);
FORMAT_SIZE(format_note, 32);
FORMAT_AT(format_note, note_bytes, 12);
FORMAT_AT(format_state, key, 32);
FORMAT_AT(format_state, digest, 168);

FORMAT_SIZE(format_checkpoint, 344);
FORMAT_AT(format_checkpoint, previous, 32);
FORMAT_AT(format_checkpoint, records, 80);
FORMAT_AT(format_checkpoint, chain, 112);
FORMAT_AT(format_checkpoint, key, 208);
FORMAT_AT(format_checkpoint, signature, 272);
FORMAT_AT(format_checkpoint, crc, 340);
FORMAT_SIZE(format_checkpoint_state, 160);
FORMAT_AT(format_checkpoint_state, last, 32);
FORMAT_AT(format_checkpoint_state, digest, 128);

#define FORMAT_TAG_BYTES    16
#define FORMAT_DIGEST_BYTES 32
#define FORMAT_MAC_BYTES    32
/* The shortest possible record: an empty one. */
#define FORMAT_FRAME_MIN (sizeof(struct format_frame) + FORMAT_TAG_BYTES)

#endif
