/* SPDX-License-Identifier: MIT */
#include "audit/ledger.h"

#include <string.h>

#include "audit/frame.h"
#include "audit/note.h"

/* Steps of the ratchet a reader takes at most over what the entries themselves need. */
#define STEPS_EXTRA (1u << 16)
/* Notes it looks at, and what opening a box counts as. */
#define NOTES_LOOKS (1u << 20)
#define BOX_LOOKS   128u

void ledger_reader_init(struct ledger_reader *r, struct bytes file, size_t identity_count,
			const struct identity *identities)
{
	memset(r, 0, sizeof *r);
	r->file = file;
	r->identity_count = identity_count;
	r->identities = identities;
	r->has_chain = true; /* of nothing: zeros */
	r->steps_left = STEPS_EXTRA + file.len / sizeof(struct format_ledger);
}

void ledger_reader_use_notes(struct ledger_reader *r, struct bytes notes)
{
	r->notes = notes;
	r->notes_looks = NOTES_LOOKS;
}

void ledger_reader_done(struct ledger_reader *r)
{
	wipe(r, sizeof *r);
}

/* Walks the key forward to entry `number`; without a way there the key is given up. */
static void reach(struct ledger_reader *r, uint64_t number)
{
	uint8_t unused[32];

	if (!r->has_key || number == r->number)
		return;
	if (number < r->number || number - r->number > r->steps_left) {
		r->has_key = false;
		return;
	}
	for (uint64_t i = r->number; i < number; i++)
		ledger_step(r->key, unused, r->key);
	r->steps_left -= number - r->number;
	wipe(unused, sizeof unused);
}

static struct format_recipient box_at(struct bytes boxes, size_t i)
{
	struct format_recipient box;

	memcpy(&box, boxes.at + i * sizeof box, sizeof box);
	return box;
}

static bool fits_commitment(const uint8_t seed[32], const struct format_epoch *epoch)
{
	uint8_t commitment[32];

	ledger_commitment(seed, commitment);
	return seal_equal(commitment, epoch->commitment);
}

/* Sealed to one of our identities in the entry itself. *wrong: a box of ours does not open. */
static bool seed_in_entry(const struct ledger_reader *r, struct bytes boxes, size_t count,
			  uint8_t ret_seed[32], bool *wrong)
{
	for (size_t i = 0; i < count; i++) {
		struct format_recipient box = box_at(boxes, i);
		for (size_t k = 0; k < r->identity_count; k++) {
			const struct identity *id = &r->identities[k];
			if (memcmp(id->recipient.key_id, box.key_id, sizeof box.key_id) != 0)
				continue;
			if (seal_open_box(id, box.box, ret_seed) == OK)
				return true;
			*wrong = true;
		}
	}
	return false;
}

/* In a note. It proves nothing: what does not fit is as if it were not there. */
static bool seed_in_note(struct ledger_reader *r, const struct format_epoch *epoch,
			 uint8_t ret_seed[32])
{
	struct note note;

	if (r->identity_count == 0 ||
	    note_find(r->notes, epoch->commitment, &r->notes_looks, &note))
		return false;
	for (size_t i = 0; i < note.recipient_count; i++) {
		struct format_recipient box = box_at(note.boxes, i);
		for (size_t k = 0; k < r->identity_count; k++) {
			const struct identity *id = &r->identities[k];
			if (memcmp(id->recipient.key_id, box.key_id, sizeof box.key_id) != 0 ||
			    r->notes_looks < BOX_LOOKS)
				continue;
			r->notes_looks -= BOX_LOOKS;
			if (seal_open_box(id, box.box, ret_seed) == OK &&
			    fits_commitment(ret_seed, epoch))
				return true;
		}
	}
	return false;
}

/* Looks for the seed of an epoch: sealed to one of our identities, else by descent, else in a note.
 */
static void enter_epoch(struct ledger_reader *r, struct ledger_found *found)
{
	struct format_epoch epoch;
	uint8_t derived[32], seed[32];
	bool has_derived = r->has_key && !(found->entry.epoch_flags & FORMAT_EPOCH_STATE_LOST);
	bool wrong = false, has_seed;

	memcpy(&epoch, found->item.body.at, sizeof epoch);
	if (has_derived)
		ledger_derive_seed(r->key, epoch.recipients_digest, found->item.head.previous,
				   derived);
	has_seed = seed_in_entry(r, bytes_from(found->item.body, sizeof epoch),
				 epoch.recipient_count, seed, &wrong);
	found->seed_right = !wrong;
	if (has_seed && has_derived && !seal_equal(seed, derived))
		found->seed_right = false;
	if (!has_seed && has_derived)
		memcpy(seed, derived, sizeof seed);
	has_seed = has_seed || has_derived || seed_in_note(r, &epoch, seed);
	r->has_seed = has_seed && fits_commitment(seed, &epoch);
	if (has_seed && !r->has_seed)
		found->seed_right = false;
	if (has_seed)
		memcpy(r->key, seed, sizeof seed);
	if (r->has_seed)
		memcpy(r->seed, seed, sizeof seed);
	r->has_key = has_seed;
	wipe(derived, sizeof derived);
	wipe(seed, sizeof seed);
}

static void check_mac(struct ledger_reader *r, struct ledger_found *found)
{
	uint8_t mac_key[32], mac[32];

	reach(r, found->item.head.number);
	if (found->known && found->entry.kind == FORMAT_LEDGER_EPOCH)
		enter_epoch(r, found);
	if (!r->has_key)
		return;
	ledger_step(r->key, mac_key, r->key);
	ledger_mac(mac_key, found->skipped, found->item.whole, mac);
	found->mac_checked = true;
	found->mac_right = seal_equal(mac, found->item.mac);
	wipe(mac_key, sizeof mac_key);
}

/* Could a killed writer have left these bytes? They are then the beginning of an entry. */
static bool looks_torn(const struct ledger_reader *r, struct bytes tail)
{
	struct format_ledger head;

	if (tail.len < sizeof head.magic)
		return memcmp(tail.at, FORMAT_LEDGER_MAGIC, tail.len) == 0;
	if (memcmp(tail.at, FORMAT_LEDGER_MAGIC, sizeof head.magic) != 0)
		return false;
	if (tail.len < sizeof head)
		return true;
	memcpy(&head, tail.at, sizeof head);
	return head.number == r->number && head.body_bytes <= LEDGER_BODY_MAX &&
	       tail.len - sizeof head < head.body_bytes + (size_t)FORMAT_MAC_BYTES;
}

/* Several writers may have been killed one after the other before one came through. */
static bool look_torn(const struct ledger_reader *r, struct bytes skipped)
{
	while (skipped.len) {
		size_t next = bytes_find(bytes_from(skipped, 1), BYTES(FORMAT_LEDGER_MAGIC));
		size_t len = next == SIZE_MAX ? skipped.len : next + 1;
		if (!looks_torn(r, bytes_slice(skipped, 0, len)))
			return false;
		skipped = bytes_from(skipped, len);
	}
	return true;
}

enum err ledger_next(struct ledger_reader *r, struct ledger_found *ret_found)
{
	struct ledger_found found = {0};
	size_t at = r->at;

	if (at >= r->file.len)
		return ERR_END;
	at = ledger_find(r->file, at);
	if (at >= r->file.len) { /* nothing whole follows */
		struct bytes tail = bytes_from(r->file, r->at);
		found.item.offset = r->at;
		r->at = r->file.len;
		*ret_found = found;
		return look_torn(r, tail) ? ERR_TORN : ERR_BAD;
	}
	if (!ledger_parse(r->file, at, &found.item))
		return ERR_BAD; /* cannot be: ledger_find looked */
	if (at - r->at != found.item.head.skipped_bytes) {
		/* Bytes that no entry accounts for: told once, then the entry is read without them.
		 */
		if (at > r->at) {
			found.item.offset = r->at;
			r->at = at;
			r->has_chain = false;
			*ret_found = found;
			return ERR_BAD;
		}
		if (found.item.head.skipped_bytes <= at)
			found.skipped = bytes_slice(r->file, at - found.item.head.skipped_bytes,
						    found.item.head.skipped_bytes);
		found.skip_torn = true;
	} else {
		found.skip_right = true;
		found.skipped = bytes_slice(r->file, r->at, found.item.head.skipped_bytes);
		found.skip_torn = look_torn(r, found.skipped);
	}
	found.known = ledger_decode(&found.item, &found.entry) == OK;
	found.chained = found.item.head.number == r->number &&
			(!r->has_chain || memcmp(found.item.head.previous, r->chain, 32) == 0);
	check_mac(r, &found);
	ledger_chain(found.skipped, found.item.whole, found.item.mac, r->chain);
	r->has_chain = true;
	r->number = found.item.head.number + 1;
	r->at = (size_t)(found.item.mac + FORMAT_MAC_BYTES - r->file.at);
	*ret_found = found;
	return OK;
}
