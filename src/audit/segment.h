/* SPDX-License-Identifier: MIT
 *
 * segment: one file, one writer, one key. The writer appends sealed records that survive kill -9
 * of anybody once segment_append returned OK; the reader opens them with an identity, or walks
 * their frames without one. Format, chain, ledger: docs/audit-format.md.
 *
 * The writer is used by one thread at a time (the caller locks). One descriptor is kept
 * between calls, and looked at before each use (but see SEGMENT_LOOK_NS). All I/O through
 * base/sys. errno is never touched.
 */
#ifndef AIGW_AUDIT_SEGMENT_H
#define AIGW_AUDIT_SEGMENT_H

#include "audit/file_digest.h"
#include "audit/ledger.h"
#include "audit/record.h"
#include "audit/seal.h"

#define SEGMENT_BYTES_MAX      (64u << 20) /* a new segment begins beyond */
#define SEGMENT_RECORD_MAX     (48u << 20) /* plaintext of one record; larger: ERR_LIMIT */
#define SEGMENT_RECIPIENTS_MAX 16
#define SEGMENT_PATH_MAX       1100
/* Is the kept descriptor that of the file still, and the file as it was left? An answer serves for
 * so long, or until segment_doubt: calls to a model are further apart, and what calls in a loop
 * need not pay for it each time. */
#define SEGMENT_LOOK_NS 1000000u
#define SEGMENT_FD_MIN  900 /* the kept descriptor's number is not below */

struct segment_config {
	const char *directory; /* the audit directory; made 0700 when missing */
	size_t recipient_count;
	const struct recipient *recipients;
	bool synced;  /* fdatasync before segment_append returns */
	bool grouped; /* ... but that of records is left to segment_sync, once for many */
	uint8_t policy_digest[32];
	const char *host;          /* for the header and file name, at most 64 bytes are used */
	const char *boot_id;       /* 36 characters or "" */
	enum seal_cipher cipher;   /* 0: seal_best_cipher */
	struct bytes start_record; /* plaintext of the `start` record; becomes the first of each
				      segment */
};

struct segment_secret;

/* Everything the writer keeps between appends: keys, chain, counters. Zero-initialised is closed.
 * Holds secrets and memory: segment_close or segment_forget wipes and frees them. */
struct segment_writer {
	bool open;
	bool pid_tells; /* the kernel cannot wipe pages on fork: compare pids */
	int64_t pid;    /* of the process that opened it */
	char path[SEGMENT_PATH_MAX];
	uint8_t segment_id[16];
	struct segment_secret *secret; /* ratchet state k(i), in a page that fork wipes */
	uint8_t chain[SEAL_DIGEST_BYTES];
	uint64_t sequence;  /* of the next record, from 0 */
	uint64_t offset;    /* file length so far */
	uint64_t bytes_max; /* rotate beyond: SEGMENT_BYTES_MAX or half of RLIMIT_FSIZE */
	uint64_t day;       /* days since 1970 when it was opened */
	uint64_t device, inode;
	size_t recipient_count; /* as sealed into the header */
	uint8_t recipients[SEGMENT_RECIPIENTS_MAX][SEAL_KEY_BYTES];
	enum seal_cipher cipher;
	struct file_digest digest; /* of all bytes of the file but those in `frame` */
	uint8_t *frame;            /* the file's last bytes, not digested yet */
	size_t frame_len, frame_cap;
	size_t frame_digested; /* of frame_len */
	int fd_plus_one;       /* kept between appends, high and close-on-exec; 0: none */
	uint64_t fd_since_ns;  /* when it was opened: looked at by path again after a second */
	uint64_t looked_ns;    /* when it was last seen to be that of our file */
	unsigned doubts;       /* ... as many as there had been then */
	bool trusted;          /* this time without a look */
	bool unsynced;         /* grouped: records wait for segment_sync */
	bool sync_lost;        /* grouped: the segment was given up while they did */
	bool owes;             /* `owed` could not be written to the ledger so far */
	struct ledger_entry owed;
};

/* Appends one record; opens the first segment and rotates as needed (size, UTC midnight, fork,
 * removed or torn file). `kind` is never REC_START or REC_END (the writer adds those).
 * OK: the record is in the kernel's hands (or on the disk when synced). Otherwise the record does
 * not count as written and the segment is given up where it was torn: ERR_FULL, ERR_ACCESS, ERR_IO,
 * ERR_LIMIT (too large), ERR_NOMEM, ERR_MISSING (no recipients), ERR_BAD (a recipient is none).
 * ERR_ACCESS also stands for an audit directory that others may write to or that is not ours. */
MUST_USE enum err segment_append(struct segment_writer *w, const struct segment_config *config,
				 enum record_kind kind, uint64_t now_ns, struct bytes record);

/* A program of its own accord has closed the descriptor `fd`, or put another one there: it may have
 * been a writer's, which looks before it writes again. Any thread, at any time. */
void segment_doubt(int fd);

/* Digests up to `bytes_max` bytes of the last records (0.25 to 1.7 us per KB), or a whole step
 * (file_digest_step) when that is more; a later append or close does it otherwise: for a caller who
 * has answered the program and has time now. True: there are more. */
bool segment_settle(struct segment_writer *w, size_t bytes_max);

/* With `grouped`: what was appended since the last call is on the disk. Otherwise (ERR_IO) none of
 * it counts as written, and the segment is given up. Fine when nothing waits. Whatever the
 * configuration says, the file is synced when something was appended since. */
MUST_USE enum err segment_sync(struct segment_writer *w, const struct segment_config *config,
			       uint64_t now_ns);

/* How far the open segment is. */
struct segment_tip {
	uint8_t segment_id[16]; /* zeros, like all of it: none is open */
	uint64_t records, bytes;
	uint8_t chain[SEAL_DIGEST_BYTES], digest[SEAL_DIGEST_BYTES]; /* of the first `bytes` */
};
/* Digests all that is due first (0.25 to 1.7 us per KB). */
void segment_tip(struct segment_writer *w, struct segment_tip *ret_tip);

/* Writes the `end` record and the ledger's closing entry, wipes the writer. Fine on a closed one.
 */
enum err segment_close(struct segment_writer *w, const struct segment_config *config,
		       uint64_t now_ns);

/* Wipes the writer without writing: the child after fork must not touch its parent's segment. */
void segment_forget(struct segment_writer *w);

/* ---- reading ---- */

struct segment_header {
	uint16_t version;
	uint16_t cipher;
	uint8_t segment_id[16];
	uint8_t policy_digest[32];
	char host[65], boot_id[41];
	uint64_t pid, started_ns;
	uint64_t process_start;  /* clock ticks after boot; 0: unknown */
	uint64_t ledger_entries; /* the ledger's length and chain when the segment was made */
	uint8_t ledger_chain[32];
	uint8_t digest[32]; /* computed over the header as it stands */
	bool changed;       /* ... and it is not the one the header says */
	bool seal_wrong;    /* sealed to an identity, yet does not open or is another secret */
	uint64_t bytes;     /* the first record begins here */
	size_t recipient_count;
	uint8_t recipient_key_ids[SEGMENT_RECIPIENTS_MAX][8];
};

struct segment_record {
	enum record_kind kind;
	uint64_t sequence, time_ns;
	uint64_t offset, end; /* of its frame in the file, or of the bytes that are none */
	bool chained;         /* it follows the record before it in the file (true when unknown) */
	bool opened;          /* `plain` is the plaintext; else no identity fits the segment */
	struct bytes plain;   /* valid until the next call */
};

/* Reads a segment from memory (the whole file, mapped or read by the caller; must outlive it). */
struct segment_reader;

/* OK, ERR_BAD (not a segment, header beyond use), ERR_UNSUPPORTED (a newer incompatible format),
 * ERR_TORN (header incomplete), ERR_NOMEM. A header with changed bytes is used as far as it goes
 * and says `changed`. Without identities frames are walked but not opened. The identities must
 * outlive the call only. */
MUST_USE enum err segment_reader_open(struct bytes file, size_t identity_count,
				      const struct identity *identities,
				      struct segment_reader **ret_reader);
/* A note beside the segment (audit/note.h) whose secret one of the identities opens and that fits
 * the segment's commitment gives the reader its key, when the header did not. To be called before
 * the first segment_next. True: the reader has a key now. Any bytes are harmless. */
bool segment_reader_use_note(struct segment_reader *r, struct bytes note, size_t identity_count,
			     const struct identity *identities);
/* The same with the note that stands beside the segment at `path`; nothing is read when the reader
 * has a key. */
bool segment_reader_find_note(struct segment_reader *r, const char *path, size_t identity_count,
			      const struct identity *identities);
/* The segment's secret, for sealing it to somebody else; the caller wipes it. false: no key, or the
 * secret does not fit the commitment. */
bool segment_reader_secret(const struct segment_reader *r, uint8_t ret_secret[SEAL_KEY_BYTES]);
const struct segment_header *segment_reader_header(const struct segment_reader *r);
bool segment_reader_has_key(const struct segment_reader *r);
/* OK; ERR_END at the end of the file; ERR_TORN (an incomplete last record, as a killed writer
 * leaves it: offset and end are set); ERR_SEAL (this record does not open: *ret_record says which;
 * the next call goes on behind it); ERR_BAD (bytes that are no frame, from offset to end; the next
 * call resumes at the next valid frame head, or gives ERR_END); ERR_NOMEM (the same record again
 * next time). */
MUST_USE enum err segment_next(struct segment_reader *r, struct segment_record *ret_record);
/* The sequence that a record behind the last one should have. */
uint64_t segment_reader_sequence(const struct segment_reader *r);
/* The chain value after the last record; false when damage made it unknown. */
bool segment_reader_chain(const struct segment_reader *r, uint8_t ret_chain[32]);
void segment_reader_free(struct segment_reader *r);

/* Where a reader stands between two records: enough to go on there later, with a part of the file
 * only. Holds a key of the ratchet: wipe it. */
struct segment_mark {
	uint64_t offset, sequence; /* of the next record */
	bool has_chain;
	uint8_t chain[SEAL_DIGEST_BYTES];
	uint8_t key[SEAL_KEY_BYTES]; /* k(sequence), when the reader has the segment's key */
	enum seal_cipher cipher;     /* the segment's; only a reader without its header asks */
};

/* ERR_LIMIT: the ratchet is too far away. */
MUST_USE enum err segment_reader_mark(struct segment_reader *r, struct segment_mark *ret_mark);
/* Goes on at `mark`, with `part` being the bytes of the file from mark->offset on, as many as there
 * are. The part must outlive the reader or the next call of this. A mark that was not made from
 * this segment leads to records that do not open. */
void segment_reader_extend(struct segment_reader *r, const struct segment_mark *mark,
			   struct bytes part);
/* A reader for that part without the segment's header: cheap, but with the mark's key only, so that
 * records whose sequence is below the mark's, or far ahead of it, do not open. The mark must have a
 * key. Header, notes and secret are not to be asked of it. ERR_NOMEM. */
MUST_USE enum err segment_reader_resume(const struct segment_mark *mark, struct bytes part,
					struct segment_reader **ret_reader);

#endif
