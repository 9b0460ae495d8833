/* SPDX-License-Identifier: MIT */
#include "audit/checkpoint.h"
#include "tap.h"

#define COUNT 8
#define SIZE  sizeof(struct format_checkpoint)

/* COUNT checkpoints, of which 2 and 5 certify another key. */
struct log {
	uint8_t seeds[3][32];
	struct format_checkpoint c[COUNT];
};

static void make_log(struct log *l)
{
	unsigned key = 0;

	if (seal_init())
		tap_fail(__FILE__, __LINE__, "no libsodium");
	memset(l, 0, sizeof *l);
	for (unsigned i = 0; i < 3; i++)
		memset(l->seeds[i], (int)(i + 1), 32);
	for (unsigned i = 0; i < COUNT; i++) {
		struct format_checkpoint *c = &l->c[i];
		c->kind = i ? FORMAT_CHECKPOINT_RECORDS : FORMAT_CHECKPOINT_FIRST;
		c->number = i;
		c->records = i * 10;
		if (i)
			checkpoint_digest(c - 1, c->previous);
		if (i == 2 || i == 5)
			checkpoint_public(l->seeds[key + 1], c->next);
		checkpoint_sign(c, l->seeds[key]);
		key += i == 2 || i == 5;
	}
}

struct seen {
	unsigned fine, wrong, torn, bad;
};

static struct seen look(struct bytes file)
{
	struct checkpoint_reader r;
	struct checkpoint_found f;
	struct seen s = {0};
	size_t at = 0;
	enum err e;

	checkpoint_reader_init(&r, file);
	while ((e = checkpoint_next(&r, &f)) != ERR_END) {
		if (r.at <= at || r.at > file.len)
			tap_fail(__FILE__, __LINE__, "the reader stands still");
		at = r.at;
		s.torn += e == ERR_TORN;
		s.bad += e == ERR_BAD;
		if (e)
			continue;
		bool fine = f.numbered && f.chained && f.key_right && checkpoint_is_signed(&f.c);
		s.fine += fine;
		s.wrong += !fine;
	}
	return s;
}

static void checkpoints_come_back_under_the_keys_that_were_due(void)
{
	struct log l;
	struct seen s;

	make_log(&l);
	s = look(tap_guarded(bytes_of(l.c, sizeof l.c)));
	CHECK_U64(s.fine, COUNT);
	CHECK_U64(s.wrong + s.bad + s.torn, 0);
}

static void every_flipped_bit_is_found(void)
{
	struct log l;
	unsigned missed = 0;

	make_log(&l);
	uint8_t *at = (uint8_t *)l.c;
	for (size_t bit = 0; bit < 4 * SIZE * 8; bit++) {
		at[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		struct seen s = look(bytes_of(at, 4 * SIZE));
		missed += s.wrong + s.bad + s.torn == 0;
		at[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	CHECK_U64(missed, 0);
}

static void one_that_is_removed_swapped_or_repeated_is_found(void)
{
	struct log l;
	struct format_checkpoint edited[COUNT + 1];

	make_log(&l);
	for (size_t i = 0; i + 1 < COUNT; i++) {
		memcpy(edited, l.c, i * SIZE);
		memcpy(edited + i, l.c + i + 1, (COUNT - i - 1) * SIZE);
		struct seen s = look(bytes_of(edited, (COUNT - 1) * SIZE));
		/* A copy may begin later: the verifier asks the log's own for the first one. */
		CHECK_U64(s.wrong, i ? 1 : 0);
		memcpy(edited, l.c, sizeof l.c);
		edited[i] = l.c[i + 1];
		edited[i + 1] = l.c[i];
		CHECK(look(bytes_of(edited, sizeof l.c)).wrong > 0);
		memcpy(edited, l.c, (i + 1) * SIZE);
		memcpy(edited + i + 1, l.c + i, (COUNT - i) * SIZE);
		CHECK(look(bytes_of(edited, (COUNT + 1) * SIZE)).wrong > 0);
	}
}

/* Its time is over: whoever finds an old key can sign nothing that counts. */
static void only_the_next_key_is_accepted_not_any_valid_one(void)
{
	struct log l;

	make_log(&l);
	for (unsigned key = 0; key < 3; key++) {
		struct format_checkpoint forged = l.c[4];
		forged.records = 99;
		checkpoint_sign(&forged, l.seeds[key]);
		CHECK(checkpoint_is_signed(&forged));
		struct format_checkpoint all[5];
		memcpy(all, l.c, 4 * SIZE);
		all[4] = forged;
		CHECK_U64(look(bytes_of(all, sizeof all)).wrong, key == 1 ? 0 : 1);
	}
}

static void a_torn_tail_is_told_from_a_change(void)
{
	static uint8_t file[COUNT * SIZE];
	struct log l;

	make_log(&l);
	memcpy(file, l.c, sizeof file);
	for (size_t cut = 1; cut < SIZE; cut++) {
		struct seen s = look(tap_guarded(bytes_of(file, sizeof file - cut)));
		CHECK_U64(s.torn, 1);
		CHECK_U64(s.fine, COUNT - 1);
		CHECK_U64(s.bad + s.wrong, 0);
	}
	memcpy(file + (COUNT - 1) * SIZE, "foreign", 7);
	CHECK_U64(look(bytes_of(file, sizeof file - 10)).bad, 1);
}

static void torn_bytes_that_the_next_one_counts_are_fine_and_others_are_not(void)
{
	static uint8_t file[3 * SIZE];
	struct log l;

	make_log(&l);
	l.c[1].skipped_bytes = 100;
	checkpoint_sign(&l.c[1], l.seeds[0]);
	memcpy(file, l.c, SIZE);
	memcpy(file + SIZE, &l.c[1], 100);
	memcpy(file + SIZE + 100, &l.c[1], SIZE);
	struct seen s = look(bytes_of(file, 2 * SIZE + 100));
	CHECK_U64(s.fine, 2);
	CHECK_U64(s.bad + s.wrong + s.torn, 0);
	memmove(file + SIZE + 101, file + SIZE + 100, SIZE);
	s = look(bytes_of(file, 2 * SIZE + 101));
	CHECK_U64(s.bad, 1);
	CHECK_U64(s.fine, 2);
}

static void the_last_one_is_found_behind_torn_bytes(void)
{
	static uint8_t file[COUNT * SIZE + 50];
	struct log l;

	make_log(&l);
	memcpy(file, l.c, sizeof l.c);
	memcpy(file + sizeof l.c, l.c, 50);
	CHECK_U64(checkpoint_find_last(tap_guarded(bytes_of(file, sizeof file))), 7 * SIZE);
	CHECK(checkpoint_find_last(bytes_of(file, SIZE - 1)) == SIZE_MAX);
	CHECK(checkpoint_find_last(BYTES("")) == SIZE_MAX);
}

/* ---- the keys ---- */

static struct format_checkpoint_state state_behind(const struct log *l, unsigned number,
						   unsigned key)
{
	struct format_checkpoint_state s = {.generation = number, .number = number};

	checkpoint_digest(&l->c[number], s.last);
	memcpy(s.active, l->seeds[key], 32);
	memcpy(s.next, key + 1 < 3 ? l->seeds[key + 1] : l->seeds[0], 32);
	checkpoint_seal_state(&s);
	return s;
}

static void the_newer_slot_counts_and_a_damaged_one_does_not(void)
{
	uint8_t file[CHECKPOINT_STATE_BYTES] = {0};
	struct format_checkpoint_state a, b, found;
	struct log l;

	make_log(&l);
	a = state_behind(&l, 4, 1);
	b = state_behind(&l, 5, 2);
	CHECK_ERR(checkpoint_parse_state(bytes_of(file, sizeof file), &found), ERR_BAD);
	CHECK_ERR(checkpoint_parse_state(BYTES(""), &found), ERR_BAD);
	memcpy(file, &a, sizeof a);
	memcpy(file + FORMAT_CHECKPOINT_SLOT_BYTES, &b, sizeof b);
	CHECK_ERR(checkpoint_parse_state(bytes_of(file, sizeof file), &found), OK);
	CHECK_U64(found.generation, 5);
	for (size_t bit = 0; bit < sizeof b * 8; bit++) {
		file[FORMAT_CHECKPOINT_SLOT_BYTES + bit / 8] ^= (uint8_t)(1u << (bit % 8));
		CHECK_ERR(checkpoint_parse_state(bytes_of(file, sizeof file), &found), OK);
		CHECK_U64(found.generation, 4);
		file[FORMAT_CHECKPOINT_SLOT_BYTES + bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	memcpy(file, &b, sizeof b); /* in the wrong slot */
	memset(file + FORMAT_CHECKPOINT_SLOT_BYTES, 0, sizeof b);
	CHECK_ERR(checkpoint_parse_state(bytes_of(file, sizeof file), &found), ERR_BAD);
}

static void keys_that_fit_go_on_and_others_are_refused(void)
{
	static const unsigned key_after[COUNT] = {0, 0, 1, 1, 1, 2, 2, 2};
	bool evolve;
	struct log l;

	make_log(&l);
	for (unsigned state = 0; state + 2 < COUNT; state++)
		for (unsigned last = 0; last + 1 < COUNT; last++) {
			struct format_checkpoint_state s = state_behind(&l, state,
									key_after[state]);
			bool fits = last == state || last == state + 1;
			CHECK_ERR(checkpoint_fit_state(&s, &l.c[last], &evolve),
				  fits ? OK : ERR_SEAL);
			if (!fits)
				continue;
			CHECK(evolve == (last == state + 1 && (last == 2 || last == 5)));
			CHECK_U64(s.number, last);
		}
}

static void a_state_with_another_key_or_memory_does_not_fit(void)
{
	struct format_checkpoint_state s;
	bool evolve;
	struct log l;

	make_log(&l);
	s = state_behind(&l, 3, 0);
	CHECK_ERR(checkpoint_fit_state(&s, &l.c[3], &evolve), ERR_SEAL);
	s = state_behind(&l, 3, 1);
	s.last[0] ^= 1;
	CHECK_ERR(checkpoint_fit_state(&s, &l.c[3], &evolve), ERR_SEAL);
	CHECK_ERR(checkpoint_fit_state(&s, &l.c[4], &evolve), ERR_SEAL);
	s = state_behind(&l, 1, 0);
	s.next[0] ^= 1;
	CHECK_ERR(checkpoint_fit_state(&s, &l.c[2], &evolve), ERR_SEAL);
}

int main(void)
{
	RUN_TESTS(TEST(checkpoints_come_back_under_the_keys_that_were_due),
		  TEST(every_flipped_bit_is_found),
		  TEST(one_that_is_removed_swapped_or_repeated_is_found),
		  TEST(only_the_next_key_is_accepted_not_any_valid_one),
		  TEST(a_torn_tail_is_told_from_a_change),
		  TEST(torn_bytes_that_the_next_one_counts_are_fine_and_others_are_not),
		  TEST(the_last_one_is_found_behind_torn_bytes),
		  TEST(the_newer_slot_counts_and_a_damaged_one_does_not),
		  TEST(keys_that_fit_go_on_and_others_are_refused),
		  TEST(a_state_with_another_key_or_memory_does_not_fit));
}
