/* SPDX-License-Identifier: MIT */
#include "audit/ledger.h"

#include <string.h>

#include "audit/frame.h"
#include "audit/segment.h"

bool ledger_parse(struct bytes file, size_t at, struct ledger_item *ret_item)
{
	struct ledger_item item = {.offset = at};

	if (at > file.len || file.len - at < sizeof item.head + FORMAT_MAC_BYTES)
		return false;
	memcpy(&item.head, file.at + at, sizeof item.head);
	if (memcmp(item.head.magic, FORMAT_LEDGER_MAGIC, sizeof item.head.magic) != 0 ||
	    item.head.version != FORMAT_VERSION || item.head.body_bytes > LEDGER_BODY_MAX ||
	    item.head.skipped_bytes > LEDGER_SKIP_MAX ||
	    item.head.crc !=
		    frame_crc32c(0, bytes_of(&item.head, offsetof(struct format_ledger, crc))) ||
	    file.len - at - sizeof item.head - FORMAT_MAC_BYTES < item.head.body_bytes)
		return false;
	item.whole = bytes_slice(file, at, sizeof item.head + item.head.body_bytes);
	item.body = bytes_of(item.whole.at + sizeof item.head, item.head.body_bytes);
	item.mac = item.whole.at + item.whole.len;
	if (item.head.body_crc !=
	    frame_crc32c(0, bytes_of(item.body.at, item.body.len + FORMAT_MAC_BYTES)))
		return false;
	*ret_item = item;
	return true;
}

/* A torn entry of which only a few bytes were missing looks whole when what was written behind it
 * happens to begin with just these bytes. That says that it skipped the torn one. */
static size_t find_skipping(struct bytes file, const struct ledger_item *torn)
{
	size_t end = torn->offset + torn->whole.len + FORMAT_MAC_BYTES, at = torn->offset + 1;
	struct ledger_item item;

	while (at < end) {
		size_t hit = bytes_find(
			bytes_slice(file, at, end - at + sizeof FORMAT_LEDGER_MAGIC),
			BYTES(FORMAT_LEDGER_MAGIC));
		if (hit == SIZE_MAX)
			break;
		at += hit;
		if (at < end && ledger_parse(file, at, &item) &&
		    at - torn->offset <= item.head.skipped_bytes)
			return at;
		at++;
	}
	return torn->offset;
}

size_t ledger_find(struct bytes file, size_t from)
{
	struct ledger_item item;

	while (from < file.len) {
		size_t hit = bytes_find(bytes_from(file, from), BYTES(FORMAT_LEDGER_MAGIC));
		if (hit == SIZE_MAX)
			return file.len;
		if (ledger_parse(file, from + hit, &item))
			return find_skipping(file, &item);
		from += hit + 1;
	}
	return file.len;
}

/* The fixed part of a body; what follows it in *ret_rest. */
static bool take_fixed(struct bytes body, void *ret_fixed, size_t len, struct bytes *ret_rest)
{
	if (body.len < len)
		return false;
	memcpy(ret_fixed, body.at, len);
	*ret_rest = bytes_from(body, len);
	return true;
}

enum err ledger_decode(const struct ledger_item *item, struct ledger_entry *ret_entry)
{
	struct ledger_entry entry = {.kind = (enum format_ledger_kind)item->head.kind};
	struct format_epoch epoch;
	struct format_opened opened;
	struct format_closed closed;
	struct format_given_up given_up;
	struct format_retired retired;
	struct bytes rest;

	switch (item->head.kind) {
	case FORMAT_LEDGER_EPOCH:
		if (!take_fixed(item->body, &epoch, sizeof epoch, &rest) ||
		    epoch.recipient_count == 0 || epoch.recipient_count > SEGMENT_RECIPIENTS_MAX ||
		    rest.len != epoch.recipient_count * sizeof(struct format_recipient))
			return ERR_BAD;
		entry.epoch_flags = epoch.flags;
		break;
	case FORMAT_LEDGER_OPENED:
		if (!take_fixed(item->body, &opened, sizeof opened, &rest) ||
		    rest.len != opened.path_bytes || rest.len == 0 || rest.len > LEDGER_PATH_MAX)
			return ERR_BAD;
		memcpy(entry.segment_id, opened.segment_id, 16);
		memcpy(entry.header_digest, opened.header_digest, 32);
		entry.started_ns = opened.started_ns;
		entry.path = rest;
		break;
	case FORMAT_LEDGER_CLOSED:
		if (!take_fixed(item->body, &closed, sizeof closed, &rest) || rest.len)
			return ERR_BAD;
		memcpy(entry.segment_id, closed.segment_id, 16);
		memcpy(entry.chain, closed.chain, 32);
		memcpy(entry.digest, closed.digest, 32);
		entry.records = closed.records;
		entry.bytes = closed.bytes;
		break;
	case FORMAT_LEDGER_GIVEN_UP:
		if (!take_fixed(item->body, &given_up, sizeof given_up, &rest) || rest.len)
			return ERR_BAD;
		memcpy(entry.segment_id, given_up.segment_id, 16);
		memcpy(entry.chain, given_up.chain, 32);
		memcpy(entry.digest, given_up.digest, 32);
		memcpy(entry.found_digest, given_up.found_digest, 32);
		entry.records = given_up.records;
		entry.bytes = given_up.bytes;
		entry.found_bytes = given_up.found_bytes;
		entry.why = given_up.why;
		entry.has_found_digest = given_up.has_found_digest == 1;
		break;
	case FORMAT_LEDGER_RETIRED:
		if (!take_fixed(item->body, &retired, sizeof retired, &rest) || rest.len)
			return ERR_BAD;
		memcpy(entry.segment_id, retired.segment_id, 16);
		memcpy(entry.digest, retired.digest, 32);
		entry.records = retired.records;
		entry.bytes = retired.bytes;
		entry.why = retired.why;
		break;
	default:
		return ERR_UNSUPPORTED;
	}
	*ret_entry = entry;
	return OK;
}

enum err ledger_encode(const struct ledger_entry *entry, uint8_t *ret_body, size_t *ret_len)
{
	struct format_opened opened = {{0}, {0}, entry->started_ns, 0, {0}};
	struct format_closed closed = {{0}, entry->records, entry->bytes, {0}, {0}};
	struct format_given_up given_up = {
		{0},        entry->records,          entry->bytes, entry->found_bytes,
		entry->why, entry->has_found_digest, {0},          {0},
		{0}};
	struct format_retired retired = {{0}, entry->records, entry->bytes, {0}, entry->why, 0};

	switch (entry->kind) {
	case FORMAT_LEDGER_OPENED:
		if (entry->path.len > LEDGER_PATH_MAX)
			return ERR_LIMIT;
		memcpy(opened.segment_id, entry->segment_id, 16);
		memcpy(opened.header_digest, entry->header_digest, 32);
		opened.path_bytes = (uint16_t)entry->path.len;
		memcpy(ret_body, &opened, sizeof opened);
		memcpy(ret_body + sizeof opened, entry->path.at, entry->path.len);
		*ret_len = sizeof opened + entry->path.len;
		return OK;
	case FORMAT_LEDGER_CLOSED:
		memcpy(closed.segment_id, entry->segment_id, 16);
		memcpy(closed.chain, entry->chain, 32);
		memcpy(closed.digest, entry->digest, 32);
		memcpy(ret_body, &closed, *ret_len = sizeof closed);
		return OK;
	case FORMAT_LEDGER_GIVEN_UP:
		memcpy(given_up.segment_id, entry->segment_id, 16);
		memcpy(given_up.chain, entry->chain, 32);
		memcpy(given_up.digest, entry->digest, 32);
		memcpy(given_up.found_digest, entry->found_digest, 32);
		memcpy(ret_body, &given_up, *ret_len = sizeof given_up);
		return OK;
	case FORMAT_LEDGER_RETIRED:
		memcpy(retired.segment_id, entry->segment_id, 16);
		memcpy(retired.digest, entry->digest, 32);
		memcpy(ret_body, &retired, *ret_len = sizeof retired);
		return OK;
	default:
		return ERR_STATE;
	}
}

/* ---- the writers' state ---- */

enum err ledger_parse_state(struct bytes file, struct format_state *ret_state)
{
	struct format_state state;
	struct bytes covered = {file.at, offsetof(struct format_state, digest)};
	uint8_t digest[32];
	enum err e = ERR_BAD;

	if (file.len != sizeof state)
		return ERR_BAD;
	memcpy(&state, file.at, sizeof state);
	seal_digest(NULL, &covered, 1, digest);
	if (memcmp(state.magic, FORMAT_STATE_MAGIC, 8) == 0 && state.version == FORMAT_VERSION &&
	    seal_equal(digest, state.digest)) {
		*ret_state = state;
		e = OK;
	}
	wipe(&state, sizeof state);
	return e;
}

/* ---- keys and chain ---- */

void ledger_mac(const uint8_t mac_key[32], struct bytes skipped, struct bytes whole,
		uint8_t ret_mac[32])
{
	/* The two checksums, which cover the MAC themselves, are left out. */
	struct bytes parts[] = {skipped,
				bytes_slice(whole, 0, offsetof(struct format_ledger, body_crc)),
				bytes_from(whole, sizeof(struct format_ledger))};

	seal_digest(mac_key, parts, 3, ret_mac);
}

void ledger_chain(struct bytes skipped, struct bytes whole, const uint8_t mac[32],
		  uint8_t ret_chain[32])
{
	struct bytes parts[] = {skipped, whole, bytes_of(mac, 32)};

	seal_digest(NULL, parts, 3, ret_chain);
}

void ledger_step(const uint8_t key[32], uint8_t ret_mac_key[32], uint8_t ret_next[32])
{
	seal_step(key, BYTES("aigw ledger entry v1"), ret_mac_key, ret_next);
}

void ledger_derive_seed(const uint8_t key[32], const uint8_t recipients_digest[32],
			const uint8_t previous[32], uint8_t ret_seed[32])
{
	struct bytes parts[] = {BYTES("aigw ledger epoch v1"), bytes_of(recipients_digest, 32),
				bytes_of(previous, 32)};

	seal_digest(key, parts, 3, ret_seed);
}

void ledger_commitment(const uint8_t seed[32], uint8_t ret_commitment[32])
{
	struct bytes part = BYTES("aigw ledger commitment v1");

	seal_digest(seed, &part, 1, ret_commitment);
}
