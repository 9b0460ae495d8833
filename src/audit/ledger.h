/* SPDX-License-Identifier: MIT
 *
 * ledger: what an audit directory holds, in one small file that many processes append to: a chained
 * entry per segment opened, closed, given up or retired, each under a MAC whose key evolves and is
 * then forgotten. A missing or shortened segment is noticed by it. Format: docs/audit-format.md.
 *
 * Writing: under a lock (flock) that is held for microseconds and waited for at most
 * LEDGER_WAIT_NS. A torn entry of a killed writer stays where it is and is covered by the next
 * entry's MAC. Reading: from memory, hostile input.
 */
#ifndef AIGW_AUDIT_LEDGER_H
#define AIGW_AUDIT_LEDGER_H

#include "aigw/format.h"
#include "audit/seal.h"

#define LEDGER_FILE       "ledger"
#define LEDGER_NOTES_FILE "ledger.keys"
#define LEDGER_STATE_FILE "ledger.key"
#define LEDGER_WAIT_NS    2000000000u /* then ERR_IO */
#define LEDGER_BODY_MAX   4096u
#define LEDGER_SKIP_MAX   (1u << 20) /* torn bytes one entry can account for */
#define LEDGER_PATH_MAX   256u       /* of a segment, below the audit directory */
#define LEDGER_BYTES_MAX  (1u << 30) /* what a reader accepts */

struct ledger_entry {
	enum format_ledger_kind kind; /* never EPOCH when appending */
	uint8_t segment_id[16];
	uint8_t header_digest[32]; /* OPENED */
	uint64_t started_ns;       /* OPENED */
	struct bytes path;         /* OPENED: "2026-11-24/host-17-0123456789abcdef.aigw" */
	uint64_t records, bytes;   /* CLOSED, GIVEN_UP, RETIRED */
	uint64_t found_bytes;      /* GIVEN_UP; UINT64_MAX: the file was not there or another one */
	uint32_t why;              /* GIVEN_UP, RETIRED */
	bool has_found_digest;     /* GIVEN_UP */
	uint8_t chain[32];         /* CLOSED, GIVEN_UP */
	uint8_t digest[32];        /* CLOSED, GIVEN_UP, RETIRED */
	uint8_t found_digest[32];  /* GIVEN_UP */
	/* EPOCH, when reading */
	uint32_t epoch_flags;
};

struct ledger_config {
	const char *directory;
	size_t recipient_count; /* 1 to SEGMENT_RECIPIENTS_MAX */
	const struct recipient *recipients;
	const char *boot_id;
	bool synced; /* fdatasync, after the lock is released */
};

/* Appends one entry; the first one, and the first after a change of recipients, is preceded by an
 * epoch entry with the sealed seed. OK: the entry is in the file. ERR_FULL, ERR_ACCESS, ERR_IO
 * (also: the lock was not to be had), ERR_NOMEM, ERR_LIMIT (path too long), ERR_STATE (kind),
 * ERR_BAD (a recipient is none). */
MUST_USE enum err ledger_append(const struct ledger_config *config, uint64_t now_ns,
				const struct ledger_entry *entry);

/* How many entries the ledger has and their chain value; zeros when there is none. Takes no lock.
 */
void ledger_tip(const char *directory, uint64_t *ret_entries, uint8_t ret_chain[32]);

/* The state file's content. ERR_BAD: damaged or not one. */
MUST_USE enum err ledger_parse_state(struct bytes file, struct format_state *ret_state);

/* One entry as it stands in the file. */
struct ledger_item {
	struct format_ledger head;
	size_t offset; /* of the head; skipped bytes come before it */
	struct bytes body;
	struct bytes whole; /* head and body: what MAC and chain cover */
	const uint8_t *mac;
};

/* true: a whole entry with valid checksums stands at `at`. Neither chain nor MAC are looked at. */
MUST_USE bool ledger_parse(struct bytes file, size_t at, struct ledger_item *ret_item);
/* The offset of the first such entry from `from` on, or file.len. */
size_t ledger_find(struct bytes file, size_t from);
/* The body in one structure; views borrow from the item. ERR_BAD: lengths do not fit;
 * ERR_UNSUPPORTED: a kind that this version does not know. */
MUST_USE enum err ledger_decode(const struct ledger_item *item, struct ledger_entry *ret_entry);

/* The other way round. ret_body has room for LEDGER_BODY_MAX. ERR_LIMIT: the path is too long;
 * ERR_STATE: an epoch, which is made elsewhere, or no kind. */
MUST_USE enum err ledger_encode(const struct ledger_entry *entry, uint8_t *ret_body,
				size_t *ret_len);

/* Keys and chain, shared by writer and reader. `skipped` are the torn bytes before the entry. */
void ledger_mac(const uint8_t mac_key[32], struct bytes skipped, struct bytes whole,
		uint8_t ret_mac[32]);
void ledger_chain(struct bytes skipped, struct bytes whole, const uint8_t mac[32],
		  uint8_t ret_chain[32]);
void ledger_step(const uint8_t key[32], uint8_t ret_mac_key[32], uint8_t ret_next[32]);
/* The seed of the epoch that follows, from the key that would have been next. */
void ledger_derive_seed(const uint8_t key[32], const uint8_t recipients_digest[32],
			const uint8_t previous[32], uint8_t ret_seed[32]);
void ledger_commitment(const uint8_t seed[32], uint8_t ret_commitment[32]);

/* ---- reading ---- */

struct ledger_reader {
	struct bytes file;
	size_t identity_count;
	const struct identity *identities;
	size_t at;       /* end of the last whole entry */
	uint64_t number; /* of the entry expected next */
	bool has_chain, has_key;
	uint8_t chain[32]; /* of the entries so far */
	uint8_t key[32];   /* for entry `number` */
	bool has_seed;     /* `seed` is that of the last epoch, and fits its commitment */
	uint8_t seed[32];
	struct bytes notes;   /* ledger.keys */
	uint32_t notes_looks; /* as steps_left */
	uint64_t steps_left;  /* so that a hostile file cannot ask for endless work */
};

struct ledger_found {
	struct ledger_item item;
	struct ledger_entry entry;
	struct bytes skipped;
	bool chained;     /* number and chain follow on the entry before */
	bool skip_right;  /* its skipped_bytes are what stands before it */
	bool skip_torn;   /* ... and they look like a torn entry, or there are none */
	bool mac_checked; /* a key was there */
	bool mac_right;   /* meaningful when mac_checked */
	bool seed_right;  /* EPOCH: box, commitment and derivation agree as far as known */
	bool known;       /* `entry` is filled: the kind is known and the body fits it */
};

/* The file and the identities must outlive the reader. Wipe it (ledger_reader_done) at the end. */
void ledger_reader_init(struct ledger_reader *r, struct bytes file, size_t identity_count,
			const struct identity *identities);
/* The bytes of ledger.keys, which must outlive the reader: for epochs that no identity opens
 * otherwise. To be called before the first ledger_next. Any bytes are harmless. */
void ledger_reader_use_notes(struct ledger_reader *r, struct bytes notes);
void ledger_reader_done(struct ledger_reader *r);
/* OK; ERR_END; ERR_TORN: an incomplete last entry, at ret_found->item.offset; ERR_BAD: bytes that
 * are no entry from ret_found->item.offset on (the next call goes on behind them). */
MUST_USE enum err ledger_next(struct ledger_reader *r, struct ledger_found *ret_found);

#endif
