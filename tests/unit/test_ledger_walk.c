/* SPDX-License-Identifier: MIT
 *
 * A ledger in windows gives what the whole of it does, from any place on.
 */
#include "audit_kit.h"
#include "drain/ledger_walk.h"

#define ENTRIES 2500 /* more than two windows hold */

static struct ledger_config config_of(struct kit_log *k)
{
	return (struct ledger_config){.directory = k->directory,
				      .recipient_count = 1,
				      .recipients = &k->identity.recipient,
				      .boot_id = ""};
}

static void must_exist(struct kit_log *k)
{
	if (sys_make_directories(k->directory, 0700))
		kit_bail("no directory");
}

static void add(struct kit_log *k, unsigned n)
{
	struct ledger_config config = config_of(k);
	struct ledger_entry entry = {.kind = FORMAT_LEDGER_OPENED,
				     .path = BYTES("2026-11-24/ward-3-17-0123456789abcdef.aigw")};

	memcpy(entry.segment_id, &n, sizeof n);
	CHECK_ERR(ledger_append(&config, KIT_NOON_NS, &entry), OK);
}

static unsigned number_of(const struct ledger_entry *entry)
{
	unsigned n;

	memcpy(&n, entry->segment_id, sizeof n);
	return n;
}

/* Takes all entries from a place on; they must be `from`, from + 1, ... up to before `to`. */
static void check_walk(struct kit_log *k, struct ledger_place *place, unsigned from, unsigned to)
{
	struct ledger_walk w;
	struct ledger_entry entry;
	uint64_t number;
	unsigned next = from;
	enum err e = ledger_walk_open(k->directory, place, &w);

	CHECK_ERR(e, OK);
	while ((e = ledger_walk_next(&w, &entry, &number)) == OK) {
		*place = w.place;
		if (entry.kind != FORMAT_LEDGER_OPENED)
			continue;
		if (number_of(&entry) != next || w.place.entries != number + 1)
			tap_fail(__FILE__, __LINE__, "entry %u instead of %u", number_of(&entry),
				 next);
		next++;
	}
	CHECK_ERR(e, ERR_END);
	CHECK_U64(next, to);
	ledger_walk_close(&w);
}

static void a_ledger_is_walked_in_pieces(void)
{
	struct kit_log *k = kit_new();
	struct ledger_place place = {0}, half;

	must_exist(k);
	for (unsigned n = 1; n <= ENTRIES / 2; n++)
		add(k, n);
	check_walk(k, &place, 1, ENTRIES / 2 + 1);
	half = place;
	for (unsigned n = ENTRIES / 2 + 1; n <= ENTRIES; n++)
		add(k, n);
	check_walk(k, &place, ENTRIES / 2 + 1, ENTRIES + 1);
	check_walk(k, &half, ENTRIES / 2 + 1, ENTRIES + 1);
	place = (struct ledger_place){0};
	check_walk(k, &place, 1, ENTRIES + 1);
	kit_free(k);
}

static void change(struct kit_log *k, size_t at, const uint8_t *more, size_t len)
{
	struct buf file = tap_file(kit_path(k, LEDGER_FILE)), out = {0};

	if (at > file.len)
		at = file.len;
	CHECK_ERR(buf_put(&out, bytes_slice(buf_view(&file), 0, at)), OK);
	CHECK_ERR(buf_put(&out, bytes_of(more, len)), OK);
	CHECK_ERR(buf_put(&out, bytes_from(buf_view(&file), at)), OK);
	kit_write(kit_path(k, LEDGER_FILE), buf_view(&out));
	buf_done(&file);
	buf_done(&out);
}

static void torn_and_foreign_bytes_are_passed_over(void)
{
	static const uint8_t garbage[3u << 18];
	struct kit_log *k = kit_new();
	struct ledger_place place = {0}, behind;
	uint64_t end;

	must_exist(k);
	add(k, 1);
	CHECK_ERR(files_size(kit_path(k, LEDGER_FILE), &end), OK);
	add(k, 2);
	change(k, (size_t)end, garbage, sizeof garbage);
	check_walk(k, &place, 1, 3);
	behind = place;
	/* the beginning of an entry, as a killed writer leaves it */
	change(k, SIZE_MAX, (const uint8_t *)FORMAT_LEDGER_MAGIC, 4);
	check_walk(k, &place, 3, 3);
	CHECK_U64(place.offset, behind.offset);
	add(k, 3);
	check_walk(k, &place, 3, 4);
	kit_free(k);
}

static void another_ledger_is_noticed(void)
{
	struct kit_log *k = kit_new();
	struct ledger_place place = {0};
	struct ledger_walk w;
	uint64_t end;

	CHECK_ERR(ledger_walk_open(k->directory, &place, &w), ERR_MISSING);
	ledger_walk_close(&w);
	must_exist(k);
	add(k, 1);
	check_walk(k, &place, 1, 2);
	CHECK_ERR(files_size(kit_path(k, LEDGER_FILE), &end), OK);
	unlink(kit_path(k, LEDGER_FILE));
	unlink(kit_path(k, LEDGER_STATE_FILE));
	add(k, 1);
	add(k, 2);
	CHECK_ERR(ledger_walk_open(k->directory, &place, &w), ERR_STATE);
	CHECK_U64(w.place.offset, 0);
	ledger_walk_close(&w);
	place = (struct ledger_place){0};
	check_walk(k, &place, 1, 3);
	kit_free(k);
}

/* Entries that the writers' state does not know of are nobody's. */
static void numbers_that_were_never_given_are_not_believed(void)
{
	struct kit_log *k = kit_new();
	struct ledger_place place = {0};
	struct buf state;

	must_exist(k);
	add(k, 1);
	state = tap_file(kit_path(k, LEDGER_STATE_FILE));
	add(k, 2);
	add(k, 3);
	kit_write(kit_path(k, LEDGER_STATE_FILE), buf_view(&state));
	check_walk(k, &place, 1, 2);
	CHECK_U64(place.entries, 2);
	buf_done(&state);
	kit_free(k);
}

int main(void)
{
	RUN_TESTS(TEST(a_ledger_is_walked_in_pieces), TEST(torn_and_foreign_bytes_are_passed_over),
		  TEST(another_ledger_is_noticed),
		  TEST(numbers_that_were_never_given_are_not_believed));
}
