/* SPDX-License-Identifier: MIT */
#include "audit/note.h"

#include "audit_kit.h"

static void secret_of(const char *path, const struct identity *id, uint8_t ret_id[16],
		      uint8_t ret_secret[32])
{
	struct segment_reader *r = NULL;
	struct buf file = tap_file(path);

	CHECK_ERR(segment_reader_open(buf_view(&file), 1, id, &r), OK);
	CHECK(segment_reader_secret(r, ret_secret));
	memcpy(ret_id, segment_reader_header(r)->segment_id, 16);
	segment_reader_free(r);
	buf_done(&file);
}

/* What verify finds with that key alone. */
static struct kit_verdict verify_as(struct kit_log *k, const struct identity *id)
{
	struct kit_verdict v = {0};
	const struct verify_options options = {.directory = k->directory,
					       .identity_count = 1,
					       .identities = id,
					       .context = &v,
					       .on_finding = kit_on_finding};

	v.err = verify(&options, &v.result);
	return v;
}

static void a_note_lets_a_new_recipient_read_an_old_segment(void)
{
	struct kit_log *k = kit_new();
	struct identity other, third;
	uint8_t id[16], secret[32];
	struct buf image = {0}, more = {0};
	struct note note;

	CHECK_ERR(seal_new_identity(&other), OK);
	CHECK_ERR(seal_new_identity(&third), OK);
	CHECK_ERR(kit_append(k, "one"), OK);
	CHECK_ERR(kit_close(k), OK);
	struct buf before = tap_file(kit_segment(k, 0));
	CHECK_U64(verify_as(k, &other).result.unopened, 3);
	secret_of(kit_segment(k, 0), &k->identity, id, secret);
	CHECK_ERR(note_make(id, secret, NULL, 1, &other.recipient, &image), OK);
	CHECK_ERR(note_save(kit_segment(k, 0), buf_view(&image)), OK);
	CHECK_U64(verify_as(k, &other).result.unopened, 0);
	CHECK_U64(verify_as(k, &third).result.unopened, 3);
	/* another one joins, and the first stays */
	CHECK_ERR(note_parse(buf_view(&image), &note), OK);
	CHECK(note_has(&note, &other.recipient) && !note_has(&note, &third.recipient));
	CHECK_ERR(note_make(id, secret, &note, 1, &third.recipient, &more), OK);
	CHECK_ERR(note_save(kit_segment(k, 0), buf_view(&more)), OK);
	CHECK_U64(verify_as(k, &other).result.unopened, 0);
	CHECK_U64(verify_as(k, &third).result.unopened, 0);
	/* the segment was not touched, and the log is whole for everybody */
	struct buf after = tap_file(kit_segment(k, 0));
	CHECK(bytes_equal(buf_view(&before), buf_view(&after)));
	KIT_EXPECT(verify_as(k, &third), VERDICT_WHOLE, NULL);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	buf_done(&before);
	buf_done(&after);
	buf_done(&image);
	buf_done(&more);
	kit_free(k);
}

/* Whoever can write beside a segment can write notes: they may open nothing, and forge nothing. */
static void a_note_with_another_secret_counts_for_nothing(void)
{
	struct kit_log *k = kit_new();
	struct identity other;
	uint8_t id[16], secret[32];
	struct buf image = {0};

	CHECK_ERR(seal_new_identity(&other), OK);
	CHECK_ERR(kit_append(k, "one"), OK);
	CHECK_ERR(kit_close(k), OK);
	secret_of(kit_segment(k, 0), &k->identity, id, secret);
	secret[5] ^= 1;
	CHECK_ERR(note_make(id, secret, NULL, 1, &other.recipient, &image), OK);
	CHECK_ERR(note_save(kit_segment(k, 0), buf_view(&image)), OK);
	struct kit_verdict v = verify_as(k, &other);
	CHECK_U64(v.result.unopened, 3);
	KIT_EXPECT(v, VERDICT_WHOLE, NULL);
	/* of another segment */
	secret[5] ^= 1;
	id[0] ^= 1;
	buf_reset(&image);
	CHECK_ERR(note_make(id, secret, NULL, 1, &other.recipient, &image), OK);
	CHECK_ERR(note_save(kit_segment(k, 0), buf_view(&image)), OK);
	CHECK_U64(verify_as(k, &other).result.unopened, 3);
	buf_done(&image);
	kit_free(k);
}

static void every_changed_bit_and_every_cut_of_a_note_is_refused(void)
{
	const uint8_t id[16] = {1}, secret[32] = {2};
	struct identity other;
	struct buf image = {0};
	struct note note;

	CHECK_ERR(seal_new_identity(&other), OK);
	CHECK_ERR(note_make(id, secret, NULL, 1, &other.recipient, &image), OK);
	CHECK_U64(image.len, 32 + 88 + 32);
	CHECK_ERR(note_parse(tap_guarded(buf_view(&image)), &note), OK);
	for (size_t bit = 0; bit < image.len * 8; bit++) {
		image.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		enum err e = note_parse(buf_view(&image), &note);
		/* version bits: of the future, or of the past */
		CHECK(e == ERR_BAD || (e == ERR_UNSUPPORTED && bit / 8 >= 8 && bit / 8 < 10));
		image.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t n = 0; n < image.len; n++)
		CHECK_ERR(note_parse(tap_guarded(bytes_slice(buf_view(&image), 0, n)), &note),
			  ERR_BAD);
	buf_done(&image);
}

static void a_note_holds_so_many_recipients_and_no_more(void)
{
	static struct recipient many[NOTE_RECIPIENTS_MAX + 1];
	const uint8_t id[16] = {1}, secret[32] = {2};
	struct identity other;
	struct buf image = {0};
	struct note note;

	CHECK_ERR(seal_new_identity(&other), OK);
	for (size_t i = 0; i < NOTE_RECIPIENTS_MAX + 1; i++)
		many[i] = other.recipient;
	CHECK_ERR(note_make(id, secret, NULL, NOTE_RECIPIENTS_MAX, many, &image), OK);
	CHECK_U64(image.len, NOTE_BYTES_MAX);
	CHECK_ERR(note_parse(buf_view(&image), &note), OK);
	buf_reset(&image);
	CHECK_ERR(note_make(id, secret, NULL, NOTE_RECIPIENTS_MAX + 1, many, &image), ERR_LIMIT);
	CHECK_ERR(note_make(id, secret, NULL, 0, many, &image), ERR_LIMIT);
	buf_done(&image);
}

/* ---- notes one behind the other: the ledger's ---- */

static void put_note(struct buf *notes, uint8_t id, const struct recipient *r)
{
	uint8_t ids[16], secret[32];

	memset(ids, id, sizeof ids);
	memset(secret, id, sizeof secret);
	CHECK_ERR(note_make(ids, secret, NULL, 1, r, notes), OK);
}

static void notes_are_found_by_id_until_one_is_none(void)
{
	struct identity other;
	struct buf notes = {0};
	uint8_t id[16];
	struct note note;
	uint32_t looks = 100;

	CHECK_ERR(seal_new_identity(&other), OK);
	for (uint8_t i = 1; i <= 3; i++)
		put_note(&notes, i, &other.recipient);
	size_t one = notes.len / 3;
	for (uint8_t i = 1; i <= 4; i++) {
		memset(id, i, sizeof id);
		CHECK_ERR(note_find(tap_guarded(buf_view(&notes)), id, &looks, &note),
			  i <= 3 ? OK : ERR_MISSING);
	}
	CHECK_U64(looks, 100 - 1 - 2 - 3 - 3);
	/* cut anywhere, the whole ones before are found */
	memset(id, 2, sizeof id);
	for (size_t len = 0; len <= notes.len; len += 7) {
		looks = 3;
		CHECK_ERR(note_find(tap_guarded(bytes_slice(buf_view(&notes), 0, len)), id, &looks,
				    &note),
			  len >= 2 * one ? OK : ERR_MISSING);
	}
	looks = 100;
	/* a damaged one is passed over by its length, one that lies about its length ends them */
	notes.at[one + one / 2] ^= 1;
	CHECK_ERR(note_find(buf_view(&notes), id, &looks, &note), ERR_MISSING);
	memset(id, 3, sizeof id);
	CHECK_ERR(note_find(buf_view(&notes), id, &looks, &note), OK);
	notes.at[one + 12] = 0;
	CHECK_ERR(note_find(buf_view(&notes), id, &looks, &note), ERR_MISSING);
	looks = 1;
	CHECK_ERR(note_find(buf_view(&notes), id, &looks, &note), ERR_LIMIT);
	buf_done(&notes);
}

/* What the ledger says with that key and these notes. */
static void read_ledger(struct kit_log *k, const struct identity *id, struct bytes notes,
			unsigned *ret_checked, unsigned *ret_wrong, uint8_t ret_seed[32],
			uint8_t ret_commitment[32])
{
	struct buf file = tap_file(kit_path(k, LEDGER_FILE));
	struct ledger_reader r;
	struct ledger_found f;

	*ret_checked = *ret_wrong = 0;
	ledger_reader_init(&r, buf_view(&file), 1, id);
	ledger_reader_use_notes(&r, notes);
	while (ledger_next(&r, &f) == OK) {
		*ret_checked += f.mac_checked;
		*ret_wrong += f.mac_checked && !f.mac_right;
		if (f.entry.kind != FORMAT_LEDGER_EPOCH)
			continue;
		*ret_wrong += !f.seed_right;
		memcpy(ret_commitment, f.item.body.at, 32);
		if (r.has_seed)
			memcpy(ret_seed, r.seed, 32);
	}
	ledger_reader_done(&r);
	buf_done(&file);
}

static void a_note_lets_a_new_recipient_check_the_ledgers_macs(void)
{
	struct kit_log *k = kit_new();
	struct identity other;
	struct buf notes = {0}, foreign = {0};
	uint8_t seed[32], ignored[32], commitment[32], wrong_seed[32] = {9};
	unsigned checked, wrong;

	CHECK_ERR(seal_new_identity(&other), OK);
	CHECK_ERR(kit_append(k, "one"), OK);
	CHECK_ERR(kit_close(k), OK);
	read_ledger(k, &k->identity, BYTES_NONE, &checked, &wrong, seed, commitment);
	CHECK_U64(checked, 3); /* epoch, opened, closed */
	CHECK_U64(wrong, 0);
	read_ledger(k, &other, BYTES_NONE, &checked, &wrong, ignored, ignored);
	CHECK_U64(checked, 0);
	CHECK_ERR(note_make(commitment, seed, NULL, 1, &other.recipient, &notes), OK);
	read_ledger(k, &other, buf_view(&notes), &checked, &wrong, ignored, ignored);
	CHECK_U64(checked, 3);
	CHECK_U64(wrong, 0);
	/* a seed that does not fit is as if it were not there: nobody can accuse with a note */
	CHECK_ERR(note_make(commitment, wrong_seed, NULL, 1, &other.recipient, &foreign), OK);
	read_ledger(k, &other, buf_view(&foreign), &checked, &wrong, ignored, ignored);
	CHECK_U64(checked, 0);
	CHECK_U64(wrong, 0);
	/* verify takes it from beside the ledger */
	CHECK_U64(verify_as(k, &other).result.ledger_unsealed, 3);
	kit_write(kit_path(k, LEDGER_NOTES_FILE), buf_view(&notes));
	KIT_EXPECT(verify_as(k, &other), VERDICT_WHOLE, NULL);
	CHECK_U64(verify_as(k, &other).result.ledger_unsealed, 0);
	buf_done(&notes);
	buf_done(&foreign);
	kit_free(k);
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(notes_are_found_by_id_until_one_is_none),
		  TEST(a_note_lets_a_new_recipient_check_the_ledgers_macs),
		  TEST(a_note_lets_a_new_recipient_read_an_old_segment),
		  TEST(a_note_with_another_secret_counts_for_nothing),
		  TEST(every_changed_bit_and_every_cut_of_a_note_is_refused),
		  TEST(a_note_holds_so_many_recipients_and_no_more));
}
