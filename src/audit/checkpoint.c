/* SPDX-License-Identifier: MIT */
#include "audit/checkpoint.h"

#include <string.h>

#include "audit/frame.h"

#define LABEL      BYTES("aigw checkpoint v1")
#define CHECKPOINT sizeof(struct format_checkpoint)

_Static_assert(offsetof(struct format_checkpoint, signature) + 32 < SEAL_SIGNED_SMALL,
	       "a checkpoint and its label are small");

static const uint8_t no_key[SEAL_KEY_BYTES];

/* ---- one checkpoint ---- */

static struct bytes signed_part(const struct format_checkpoint *c)
{
	return bytes_of(c, offsetof(struct format_checkpoint, signature));
}

static uint32_t sum(const struct format_checkpoint *c)
{
	return frame_crc32c(0, bytes_of(c, offsetof(struct format_checkpoint, crc)));
}

void checkpoint_sign(struct format_checkpoint *c, const uint8_t seed[SEAL_KEY_BYTES])
{
	struct signer signer;

	memcpy(c->magic, FORMAT_CHECKPOINT_MAGIC, sizeof c->magic);
	c->version = FORMAT_VERSION;
	seal_make_signer(seed, &signer);
	memcpy(c->key, signer.public_key, sizeof c->key);
	(void)!seal_sign(&signer, LABEL, signed_part(c), c->signature); /* small: it cannot fail */
	wipe(&signer, sizeof signer);
	c->crc = sum(c);
}

bool checkpoint_is_signed(const struct format_checkpoint *c)
{
	return seal_check_signature(c->key, LABEL, signed_part(c), c->signature) == OK;
}

void checkpoint_public(const uint8_t seed[SEAL_KEY_BYTES], uint8_t ret_public[SEAL_KEY_BYTES])
{
	struct signer signer;

	seal_make_signer(seed, &signer);
	memcpy(ret_public, signer.public_key, SEAL_KEY_BYTES);
	wipe(&signer, sizeof signer);
}

void checkpoint_digest(const struct format_checkpoint *c, uint8_t ret_digest[32])
{
	struct bytes whole = bytes_of(c, CHECKPOINT);

	seal_digest(NULL, &whole, 1, ret_digest);
}

bool checkpoint_evolves(const struct format_checkpoint *c)
{
	return memcmp(c->next, no_key, sizeof no_key) != 0;
}

bool checkpoint_parse(struct bytes file, size_t at, struct format_checkpoint *ret_c)
{
	struct format_checkpoint c;

	if (at > file.len || file.len - at < CHECKPOINT)
		return false;
	memcpy(&c, file.at + at, CHECKPOINT);
	if (memcmp(c.magic, FORMAT_CHECKPOINT_MAGIC, sizeof c.magic) != 0 ||
	    c.version != FORMAT_VERSION || c.zero || c.zero_too || c.crc != sum(&c) ||
	    c.kind < FORMAT_CHECKPOINT_FIRST || c.kind > FORMAT_CHECKPOINT_END)
		return false;
	*ret_c = c;
	return true;
}

size_t checkpoint_find_last(struct bytes file)
{
	struct format_checkpoint c;

	if (file.len < CHECKPOINT)
		return SIZE_MAX;
	for (size_t at = file.len - CHECKPOINT + 1; at-- > 0;)
		if (file.at[at] == (uint8_t)FORMAT_CHECKPOINT_MAGIC[0] &&
		    checkpoint_parse(file, at, &c) && checkpoint_is_signed(&c))
			return at;
	return SIZE_MAX;
}

/* ---- reading ---- */

void checkpoint_reader_init(struct checkpoint_reader *r, struct bytes file)
{
	*r = (struct checkpoint_reader){.file = file};
}

static size_t find(struct bytes file, size_t from)
{
	struct format_checkpoint c;

	for (; from < file.len; from++)
		if (file.at[from] == (uint8_t)FORMAT_CHECKPOINT_MAGIC[0] &&
		    checkpoint_parse(file, from, &c))
			break;
	return from;
}

/* A killed writer leaves the beginning of a checkpoint; a power cut may leave zeros. */
static bool is_torn(struct bytes tail)
{
	size_t magic = tail.len < 4 ? tail.len : 4, i = 0;

	if (tail.len < CHECKPOINT && memcmp(tail.at, FORMAT_CHECKPOINT_MAGIC, magic) == 0)
		return true;
	while (i < tail.len && tail.at[i] == 0)
		i++;
	return i == tail.len;
}

static void judge(struct checkpoint_reader *r, struct checkpoint_found *f)
{
	const struct format_checkpoint *before = &r->previous;
	bool first = f->c.kind == FORMAT_CHECKPOINT_FIRST;

	checkpoint_digest(&f->c, f->digest);
	if (r->has_previous) {
		f->numbered = f->c.number == before->number + 1;
		f->chained = !first && memcmp(f->c.previous, r->previous_digest, 32) == 0;
		f->key_right = memcmp(f->c.key,
				      checkpoint_evolves(before) ? before->next : before->key,
				      SEAL_KEY_BYTES) == 0;
	} else {
		/* A copy may begin later than the log does. */
		f->numbered = f->key_right = true;
		f->chained = first == (f->c.number == 0) &&
			     (!first || memcmp(f->c.previous, no_key, sizeof no_key) == 0);
	}
	r->has_previous = true;
	r->previous = f->c;
	memcpy(r->previous_digest, f->digest, sizeof f->digest);
}

enum err checkpoint_next(struct checkpoint_reader *r, struct checkpoint_found *ret_found)
{
	struct checkpoint_found f = {.offset = r->at};
	size_t at;

	if (r->at >= r->file.len)
		return ERR_END;
	at = find(r->file, r->at);
	if (at == r->file.len) {
		r->at = at;
		ret_found->offset = f.offset;
		return is_torn(bytes_from(r->file, f.offset)) ? ERR_TORN : ERR_BAD;
	}
	bool counted = checkpoint_parse(r->file, at, &f.c) && f.c.skipped_bytes == at - r->at;
	/* Torn bytes that the writer accounted for are nothing new. */
	if (at != r->at && !counted) {
		ret_found->offset = f.offset;
		r->at = at;
		r->resumed = true;
		return ERR_BAD;
	}
	f.offset = at;
	r->at = at + CHECKPOINT;
	judge(r, &f);
	f.chained = f.chained && (counted || r->resumed);
	r->resumed = false;
	*ret_found = f;
	return OK;
}

/* ---- the keys ---- */

static void digest_state(const struct format_checkpoint_state *state, uint8_t ret_digest[32])
{
	struct bytes covered = bytes_of(state, offsetof(struct format_checkpoint_state, digest));

	seal_digest(NULL, &covered, 1, ret_digest);
}

void checkpoint_seal_state(struct format_checkpoint_state *state)
{
	memcpy(state->magic, FORMAT_CHECKPOINT_STATE_MAGIC, sizeof state->magic);
	state->version = FORMAT_VERSION;
	digest_state(state, state->digest);
}

enum err checkpoint_parse_state(struct bytes file, struct format_checkpoint_state *ret_state)
{
	struct format_checkpoint_state best = {0}, one;
	uint8_t digest[32];
	bool found = false;

	for (size_t slot = 0; slot < FORMAT_CHECKPOINT_SLOTS; slot++) {
		struct bytes at = bytes_slice(file, slot * FORMAT_CHECKPOINT_SLOT_BYTES,
					      sizeof one);
		if (at.len < sizeof one)
			continue;
		memcpy(&one, at.at, sizeof one);
		digest_state(&one, digest);
		if (memcmp(one.magic, FORMAT_CHECKPOINT_STATE_MAGIC, sizeof one.magic) != 0 ||
		    one.version != FORMAT_VERSION || !seal_equal(digest, one.digest) ||
		    one.generation % FORMAT_CHECKPOINT_SLOTS != slot)
			continue;
		if (!found || one.generation > best.generation)
			best = one;
		found = true;
	}
	if (found)
		*ret_state = best;
	wipe(&one, sizeof one);
	wipe(&best, sizeof best);
	return found ? OK : ERR_BAD;
}

enum err checkpoint_fit_state(struct format_checkpoint_state *state,
			      const struct format_checkpoint *last, bool *ret_evolve)
{
	uint8_t active[SEAL_KEY_BYTES], next[SEAL_KEY_BYTES], digest[32];
	bool ahead = last->number == state->number + 1 &&
		     memcmp(last->previous, state->last, sizeof state->last) == 0;

	checkpoint_digest(last, digest);
	checkpoint_public(state->active, active);
	checkpoint_public(state->next, next);
	*ret_evolve = false;
	if (!ahead) {
		/* What the state saw last is the last there is, and its key is the one due now. */
		const uint8_t *due = checkpoint_evolves(last) ? last->next : last->key;
		return last->number == state->number && seal_equal(digest, state->last) &&
				       seal_equal(due, active)
			       ? OK
			       : ERR_SEAL;
	}
	if (!seal_equal(last->key, active) || !checkpoint_is_signed(last))
		return ERR_SEAL;
	if (checkpoint_evolves(last)) {
		if (!seal_equal(last->next, next))
			return ERR_SEAL;
		*ret_evolve = true;
	}
	state->number = last->number;
	memcpy(state->last, digest, sizeof digest);
	return OK;
}
