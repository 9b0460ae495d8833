/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>

#include "audit/frame.h"
#include "audit/ledger.h"
#include "audit_kit.h"

#define WRITERS      16
#define ENTRIES_EACH (KIT_SLOW ? 20 : 60)
#define KILLS        (KIT_SLOW ? 40 : 200)
#define KILL_WAIT_US 1500

static struct ledger_config config_of(struct kit_log *k)
{
	return (struct ledger_config){k->directory, k->config.recipient_count, k->config.recipients,
				      "", false};
}

static enum err put(struct kit_log *k, uint64_t n)
{
	struct ledger_config c = config_of(k);
	struct ledger_entry entry = {.kind = FORMAT_LEDGER_CLOSED, .records = n, .bytes = n * 100};

	return ledger_append(&c, KIT_NOON_NS, &entry);
}

struct seen {
	unsigned entries, epochs, broken, unchecked, wrong, skipped_bytes;
	enum err last;
	uint32_t flags;
	uint64_t records_sum;
};

static struct seen look(struct kit_log *k, bool with_key)
{
	struct buf file = tap_file(kit_path(k, LEDGER_FILE));
	struct bytes view = tap_guarded(buf_view(&file));
	struct ledger_reader r;
	struct ledger_found f;
	struct seen s = {0};
	enum err e;

	ledger_reader_init(&r, view, with_key, &k->identity);
	while ((e = ledger_next(&r, &f)) != ERR_END) {
		s.last = e;
		if (e) {
			s.broken += e == ERR_BAD;
			continue;
		}
		s.entries++;
		s.epochs += f.known && f.entry.kind == FORMAT_LEDGER_EPOCH;
		s.flags |= f.entry.epoch_flags;
		s.broken += !f.known || !f.chained || !f.skip_right || !f.skip_torn;
		s.unchecked += !f.mac_checked;
		s.wrong += (f.mac_checked && !f.mac_right) ||
			   (f.entry.kind == FORMAT_LEDGER_EPOCH && !f.seed_right);
		s.skipped_bytes += f.item.head.skipped_bytes;
		s.records_sum += f.entry.records;
	}
	ledger_reader_done(&r);
	buf_done(&file);
	return s;
}

static struct kit_log *new_ledger(void)
{
	struct kit_log *k = kit_new();

	if (mkdir(k->directory, 0700))
		kit_bail("mkdir");
	return k;
}

static void entries_come_back(void)
{
	struct kit_log *k = new_ledger();
	struct ledger_config c = config_of(k);
	struct ledger_entry in[4] = {
		{.kind = FORMAT_LEDGER_OPENED, .started_ns = 5, .path = BYTES("2026-11-24/a.aigw")},
		{.kind = FORMAT_LEDGER_CLOSED, .records = 3, .bytes = 999},
		{.kind = FORMAT_LEDGER_GIVEN_UP,
		 .records = 2,
		 .bytes = 7,
		 .found_bytes = 9,
		 .why = FORMAT_WHY_SIZE,
		 .has_found_digest = true},
		{.kind = FORMAT_LEDGER_RETIRED, .records = 4, .bytes = 11, .why = 1},
	};
	struct ledger_reader r;
	struct ledger_found f;

	for (int i = 0; i < 4; i++) {
		memset(in[i].segment_id, 'a' + i, 16);
		if (i == 0)
			memset(in[i].header_digest, 1, 32);
		else
			memset(in[i].digest, 2, 32);
		if (i == 1 || i == 2)
			memset(in[i].chain, 3, 32);
		if (i == 2)
			memset(in[i].found_digest, 4, 32);
		CHECK_ERR(ledger_append(&c, KIT_NOON_NS + (uint64_t)i, &in[i]), OK);
	}
	struct buf file = tap_file(kit_path(k, LEDGER_FILE));
	ledger_reader_init(&r, buf_view(&file), 1, &k->identity);
	CHECK_ERR(ledger_next(&r, &f), OK);
	CHECK_U64(f.entry.kind, FORMAT_LEDGER_EPOCH);
	CHECK_U64(f.entry.epoch_flags, 0);
	for (int i = 0; i < 4; i++) {
		CHECK_ERR(ledger_next(&r, &f), OK);
		CHECK(f.known && f.chained && f.mac_checked && f.mac_right && f.skip_right);
		CHECK_U64(f.item.head.number, i + 1);
		CHECK_U64(f.item.head.time_ns, KIT_NOON_NS + (uint64_t)i);
		CHECK_BYTES(f.entry.path, i ? "" : "2026-11-24/a.aigw");
		f.entry.path = in[i].path;
		CHECK(memcmp(f.entry.segment_id, in[i].segment_id, 16) == 0);
		CHECK(memcmp(f.entry.header_digest, in[i].header_digest, 32) == 0);
		CHECK(memcmp(f.entry.digest, in[i].digest, 32) == 0);
		CHECK(memcmp(f.entry.chain, in[i].chain, 32) == 0);
		CHECK(memcmp(f.entry.found_digest, in[i].found_digest, 32) == 0);
		CHECK_U64(f.entry.kind, in[i].kind);
		CHECK_U64(f.entry.records, in[i].records);
		CHECK_U64(f.entry.bytes, in[i].bytes);
		CHECK_U64(f.entry.found_bytes, in[i].found_bytes);
		CHECK_U64(f.entry.why, in[i].why);
		CHECK_U64(f.entry.has_found_digest, in[i].has_found_digest);
		CHECK_U64(f.entry.started_ns, in[i].started_ns);
	}
	CHECK_ERR(ledger_next(&r, &f), ERR_END);
	ledger_reader_done(&r);
	buf_done(&file);
	kit_free(k);
}

static void what_is_no_entry_is_refused(void)
{
	struct kit_log *k = new_ledger();
	struct ledger_config c = config_of(k);
	char path[LEDGER_PATH_MAX + 2];
	struct ledger_entry entry = {.kind = FORMAT_LEDGER_OPENED};

	memset(path, 'p', sizeof path);
	entry.path = bytes_of(path, LEDGER_PATH_MAX + 1);
	CHECK_ERR(ledger_append(&c, 1, &entry), ERR_LIMIT);
	entry.path = bytes_of(path, LEDGER_PATH_MAX);
	CHECK_ERR(ledger_append(&c, 1, &entry), OK);
	entry.kind = FORMAT_LEDGER_EPOCH;
	CHECK_ERR(ledger_append(&c, 1, &entry), ERR_STATE);
	c.recipient_count = 0;
	CHECK_ERR(ledger_append(&c, 1, &entry), ERR_LIMIT);
	c.recipient_count = SEGMENT_RECIPIENTS_MAX + 1;
	CHECK_ERR(ledger_append(&c, 1, &entry), ERR_LIMIT);
	CHECK_U64(look(k, true).entries, 2);
	kit_free(k);
}

static void the_key_of_an_entry_is_gone_once_it_is_written(void)
{
	struct kit_log *k = new_ledger();
	struct format_state before, after;
	uint8_t mac_key[32], next[32];

	CHECK_ERR(put(k, 1), OK);
	struct buf one = tap_file(kit_path(k, LEDGER_STATE_FILE));
	CHECK_ERR(put(k, 2), OK);
	struct buf two = tap_file(kit_path(k, LEDGER_STATE_FILE));
	CHECK_ERR(ledger_parse_state(buf_view(&one), &before), OK);
	CHECK_ERR(ledger_parse_state(buf_view(&two), &after), OK);
	CHECK_U64(after.entries, before.entries + 1);
	ledger_step(before.key, mac_key, next);
	CHECK(memcmp(next, after.key, 32) == 0);
	CHECK(bytes_find(buf_view(&two), bytes_of(before.key, 32)) == SIZE_MAX);
	CHECK(bytes_find(buf_view(&two), bytes_of(mac_key, 32)) == SIZE_MAX);
	buf_done(&one);
	buf_done(&two);
	kit_free(k);
}

static void new_recipients_begin_an_epoch_that_descends_from_the_old(void)
{
	struct kit_log *k = new_ledger();
	struct identity old = k->identity, next;
	struct seen s;

	CHECK_ERR(seal_new_identity(&next), OK);
	CHECK_ERR(put(k, 1), OK);
	CHECK_ERR(put(k, 2), OK);
	k->config.recipients = &next.recipient;
	CHECK_ERR(put(k, 3), OK);
	CHECK_ERR(put(k, 4), OK);
	s = look(k, true); /* the old identity follows by descent */
	CHECK_U64(s.entries, 6);
	CHECK_U64(s.epochs, 2);
	CHECK_U64(s.broken + s.wrong + s.unchecked, 0);
	k->identity = next;
	s = look(k, true); /* the new one knows its own epoch only */
	CHECK_U64(s.unchecked, 3);
	CHECK_U64(s.broken + s.wrong, 0);
	s = look(k, false);
	CHECK_U64(s.unchecked, 6);
	CHECK_U64(s.broken + s.wrong, 0);
	k->identity = old;
	kit_free(k);
}

static void sixteen_writers_share_one_ledger(void)
{
	struct kit_log *k = new_ledger();
	pid_t pids[WRITERS];
	struct seen s;

	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			for (uint64_t n = 1; n <= ENTRIES_EACH; n++)
				if (put(k, n))
					_exit(1);
			_exit(0);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status = -1;
		waitpid(pids[i], &status, 0);
		CHECK_U64(status, 0);
	}
	s = look(k, true);
	CHECK_U64(s.entries, WRITERS * ENTRIES_EACH + 1);
	CHECK_U64(s.broken + s.wrong + s.unchecked, 0);
	CHECK_U64(s.records_sum, WRITERS * ENTRIES_EACH * (ENTRIES_EACH + 1) / 2);
	kit_free(k);
}

/* Recipients change now and then, so that epochs are torn and adopted too. */
static void write_until_killed(struct kit_log *k, const struct identity *other, int to)
{
	const struct recipient *mine = k->config.recipients;

	for (uint64_t n = 0;; n++) {
		k->config.recipients = n % 5 == 4 ? &other->recipient : mine;
		if (put(k, 1) || write(to, "", 1) != 1)
			_exit(1);
	}
}

static void no_entry_is_lost_when_writers_are_killed(void)
{
	struct kit_log *k = new_ledger();
	struct identity other;
	unsigned seed = 7;
	unsigned long acknowledged = 0;
	struct seen s;

	CHECK_ERR(seal_new_identity(&other), OK);
	for (int i = 0; i < KILLS; i++) {
		int ends[2], status;
		char byte[512];
		ssize_t n;
		if (pipe(ends))
			kit_bail("pipe");
		pid_t pid = fork();
		if (pid == 0) {
			close(ends[0]);
			write_until_killed(k, &other, ends[1]);
		}
		close(ends[1]);
		usleep((useconds_t)(rand_r(&seed) % KILL_WAIT_US));
		kill(pid, SIGKILL);
		while ((n = read(ends[0], byte, sizeof byte)) > 0)
			acknowledged += (unsigned long)n;
		close(ends[0]);
		waitpid(pid, &status, 0);
		CHECK(WIFSIGNALED(status));
	}
	CHECK_ERR(put(k, 0), OK);
	s = look(k, true);
	printf("# %d kills, %lu acknowledged entries, %u epochs, %u torn bytes\n", KILLS,
	       acknowledged, s.epochs, s.skipped_bytes);
	CHECK(s.records_sum >= acknowledged && s.records_sum <= acknowledged + KILLS);
	CHECK_U64(s.broken + s.wrong + s.flags, 0);
	CHECK_U64(s.unchecked, 0);
	kit_free(k);
}

/* The states that a kill can leave, one by one: the ledger is ahead of the state by any number of
 * bytes of the next entry, the state being the one before. */
static void every_cut_of_an_entry_is_recovered(void)
{
	struct kit_log *k = new_ledger();
	struct identity other;

	CHECK_ERR(seal_new_identity(&other), OK);
	CHECK_ERR(put(k, 1), OK);
	struct buf state = tap_file(kit_path(k, LEDGER_STATE_FILE));
	struct buf before = tap_file(kit_path(k, LEDGER_FILE));
	for (int epoch = 0; epoch < 2; epoch++) {
		k->config.recipients = epoch ? &other.recipient : &k->identity.recipient;
		kit_write(kit_path(k, LEDGER_STATE_FILE), buf_view(&state));
		kit_write(kit_path(k, LEDGER_FILE), buf_view(&before));
		CHECK_ERR(put(k, 2), OK);
		struct buf after = tap_file(kit_path(k, LEDGER_FILE));
		for (size_t n = before.len; n <= after.len; n++) {
			kit_write(kit_path(k, LEDGER_STATE_FILE), buf_view(&state));
			kit_write(kit_path(k, LEDGER_FILE), bytes_slice(buf_view(&after), 0, n));
			CHECK_ERR(put(k, 4), OK);
			CHECK_ERR(put(k, 8), OK);
			struct seen s = look(k, true);
			if (s.broken + s.wrong + s.unchecked + s.flags)
				tap_fail(__FILE__, __LINE__, "cut at %zu of %zu", n, after.len);
			CHECK_U64(s.records_sum, n == after.len ? 15 : 13);
			/* bytes that were cut into, and no others, are skipped */
			CHECK(s.skipped_bytes <= n - before.len);
		}
		buf_done(&after);
	}
	buf_done(&state);
	buf_done(&before);
	kit_free(k);
}

/* Then what is written next makes it look whole. */
static void an_entry_cut_before_bytes_that_come_again_is_recovered(void)
{
	struct kit_log *k = new_ledger();
	struct buf after = {0};

	CHECK_ERR(put(k, 1), OK);
	struct buf state = tap_file(kit_path(k, LEDGER_STATE_FILE));
	struct buf before = tap_file(kit_path(k, LEDGER_FILE));
	for (uint64_t n = 16; n < 16 + 10000; n++) { /* one in 256 ends like that */
		buf_done(&after);
		kit_write(kit_path(k, LEDGER_STATE_FILE), buf_view(&state));
		kit_write(kit_path(k, LEDGER_FILE), buf_view(&before));
		CHECK_ERR(put(k, n), OK);
		after = tap_file(kit_path(k, LEDGER_FILE));
		if (after.at[after.len - 1] == (uint8_t)FORMAT_LEDGER_MAGIC[0])
			break;
	}
	CHECK_U64(after.at[after.len - 1], (uint8_t)FORMAT_LEDGER_MAGIC[0]);
	for (int killed = 0; killed < 2; killed++) {
		kit_write(kit_path(k, LEDGER_STATE_FILE), buf_view(&state));
		kit_write(kit_path(k, LEDGER_FILE),
			  bytes_slice(buf_view(&after), 0, after.len - 1));
		CHECK_ERR(put(k, 4), OK);
		if (killed) /* before it saved its state */
			kit_write(kit_path(k, LEDGER_STATE_FILE), buf_view(&state));
		CHECK_ERR(put(k, 8), OK);
		struct seen s = look(k, true);
		CHECK_U64(s.broken + s.wrong + s.unchecked + s.flags, 0);
		CHECK_U64(s.records_sum, 13);
	}
	buf_done(&after);
	buf_done(&state);
	buf_done(&before);
	kit_free(k);
}

static void torn_twice_is_recovered_too(void)
{
	struct kit_log *k = new_ledger();

	CHECK_ERR(put(k, 1), OK);
	struct buf state = tap_file(kit_path(k, LEDGER_STATE_FILE));
	struct buf before = tap_file(kit_path(k, LEDGER_FILE));
	CHECK_ERR(put(k, 2), OK);
	struct buf after = tap_file(kit_path(k, LEDGER_FILE));
	struct buf torn = {0};
	CHECK_ERR(buf_put(&torn, bytes_slice(buf_view(&after), 0, before.len + 100)), OK);
	CHECK_ERR(buf_put(&torn, bytes_slice(buf_view(&after), before.len, 30)), OK);
	kit_write(kit_path(k, LEDGER_FILE), buf_view(&torn));
	kit_write(kit_path(k, LEDGER_STATE_FILE), buf_view(&state));
	CHECK_ERR(put(k, 4), OK);
	struct seen s = look(k, true);
	CHECK_U64(s.broken + s.wrong + s.unchecked, 0);
	CHECK_U64(s.skipped_bytes, 130);
	CHECK_U64(s.records_sum, 5);
	buf_done(&state);
	buf_done(&before);
	buf_done(&after);
	buf_done(&torn);
	kit_free(k);
}

static void a_lost_state_or_a_cut_ledger_is_told_by_an_epoch(void)
{
	struct kit_log *k = new_ledger();
	struct ledger_config c = config_of(k);
	struct ledger_entry entry = {.kind = FORMAT_LEDGER_CLOSED, .records = 1};
	struct seen s;

	CHECK_ERR(put(k, 1), OK);
	CHECK_ERR(put(k, 1), OK);
	CHECK(unlink(kit_path(k, LEDGER_STATE_FILE)) == 0);
	CHECK_ERR(put(k, 1), OK);
	s = look(k, true);
	CHECK_U64(s.flags, FORMAT_EPOCH_STATE_LOST);
	CHECK_U64(s.entries, 5);
	CHECK_U64(s.broken + s.wrong, 0);

	struct buf whole = tap_file(kit_path(k, LEDGER_FILE));
	CHECK_ERR(put(k, 1), OK);
	kit_write(kit_path(k, LEDGER_FILE), buf_view(&whole));
	CHECK_ERR(put(k, 1), OK);
	s = look(k, true);
	CHECK_U64(s.flags, FORMAT_EPOCH_STATE_LOST | FORMAT_EPOCH_LEDGER_SHORT);
	CHECK_U64(s.wrong, 0); /* it knew the key of the entry that was cut off */
	buf_done(&whole);
	kit_free(k);

	k = new_ledger();
	c = config_of(k);
	c.boot_id = "boot one";
	CHECK_ERR(ledger_append(&c, 1, &entry), OK);
	whole = tap_file(kit_path(k, LEDGER_FILE));
	CHECK_ERR(ledger_append(&c, 1, &entry), OK);
	kit_write(kit_path(k, LEDGER_FILE), buf_view(&whole));
	c.boot_id = "boot two";
	CHECK_ERR(ledger_append(&c, 1, &entry), OK);
	s = look(k, true);
	CHECK_U64(s.flags, FORMAT_EPOCH_LEDGER_SHORT | FORMAT_EPOCH_REBOOTED);
	CHECK_U64(s.wrong, 0);
	buf_done(&whole);
	kit_free(k);

	k = new_ledger();
	CHECK_ERR(put(k, 1), OK);
	CHECK(unlink(kit_path(k, LEDGER_FILE)) == 0);
	CHECK_ERR(put(k, 1), OK);
	s = look(k, true);
	CHECK_U64(s.flags, FORMAT_EPOCH_LEDGER_SHORT);
	kit_free(k);
}

static void a_state_that_is_damaged_is_not_used(void)
{
	struct kit_log *k = new_ledger();
	struct format_state state;

	CHECK_ERR(put(k, 1), OK);
	struct buf file = tap_file(kit_path(k, LEDGER_STATE_FILE));
	for (size_t bit = 0; bit < file.len * 8; bit++) {
		file.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_ERR(ledger_parse_state(buf_view(&file), &state), ERR_BAD);
		file.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t n = 0; n < file.len; n++)
		CHECK_ERR(
			ledger_parse_state(tap_guarded(bytes_slice(buf_view(&file), 0, n)), &state),
			ERR_BAD);
	CHECK_ERR(ledger_parse_state(buf_view(&file), &state), OK);
	file.at[40] ^= 1;
	kit_write(kit_path(k, LEDGER_STATE_FILE), buf_view(&file));
	CHECK_ERR(put(k, 1), OK);
	CHECK_U64(look(k, true).flags, FORMAT_EPOCH_STATE_LOST);
	buf_done(&file);
	kit_free(k);
}

static void every_flipped_bit_is_noticed(void)
{
	struct kit_log *k = new_ledger();
	unsigned missed = 0;

	CHECK_ERR(put(k, 1), OK);
	CHECK_ERR(put(k, 2), OK);
	struct buf file = tap_file(kit_path(k, LEDGER_FILE));
	for (size_t bit = 0; bit < file.len * 8; bit++) {
		struct ledger_reader r;
		struct ledger_found f;
		bool found = false;
		enum err e;
		file.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ledger_reader_init(&r, buf_view(&file), 1, &k->identity);
		while ((e = ledger_next(&r, &f)) != ERR_END)
			found |= e || !f.known || !f.chained || !f.skip_right || !f.mac_checked ||
				 !f.mac_right;
		missed += !found;
		ledger_reader_done(&r);
		file.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK_U64(missed, 0);
	printf("# %zu bits flipped\n", file.len * 8);
	buf_done(&file);
	kit_free(k);
}

/* Whoever has the files, and not the keys that were: nothing before now can be made anew. */
static void an_entry_made_without_the_key_is_found(void)
{
	struct kit_log *k = new_ledger();
	struct ledger_reader r;
	struct ledger_found f;
	unsigned wrong = 0;

	CHECK_ERR(put(k, 1), OK);
	CHECK_ERR(put(k, 2), OK);
	struct buf file = tap_file(kit_path(k, LEDGER_FILE));
	struct ledger_item item;
	size_t last = file.len - sizeof(struct format_ledger) - sizeof(struct format_closed) - 32;
	CHECK(ledger_parse(buf_view(&file), last, &item));
	file.at[last + sizeof item.head + 16]++; /* the count of records */
	item.head.body_crc = frame_crc32c(0, bytes_of(item.body.at, item.body.len + 32));
	memcpy(file.at + last, &item.head, sizeof item.head);
	item.head.crc = frame_crc32c(0,
				     bytes_of(file.at + last, offsetof(struct format_ledger, crc)));
	memcpy(file.at + last, &item.head, sizeof item.head);
	CHECK(ledger_parse(buf_view(&file), last, &item));
	ledger_reader_init(&r, buf_view(&file), 1, &k->identity);
	while (ledger_next(&r, &f) == OK)
		wrong += !f.mac_right;
	CHECK_U64(wrong, 1);
	ledger_reader_done(&r);
	buf_done(&file);
	kit_free(k);
}

static void a_lock_that_is_not_to_be_had_is_given_up(void)
{
	struct kit_log *k = new_ledger();

	CHECK_ERR(put(k, 1), OK);
	int fd = open(kit_path(k, LEDGER_STATE_FILE), O_RDWR);
	CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
	uint64_t before = sys_monotonic_ns();
	CHECK_ERR(put(k, 2), ERR_IO);
	uint64_t waited = sys_monotonic_ns() - before;
	CHECK(waited >= LEDGER_WAIT_NS && waited < 3ull * LEDGER_WAIT_NS);
	close(fd);
	CHECK_ERR(put(k, 2), OK);
	CHECK_U64(look(k, true).records_sum, 3);
	kit_free(k);
}

static void the_tip_is_what_a_reader_finds(void)
{
	struct kit_log *k = new_ledger();
	struct ledger_reader r;
	struct ledger_found f;
	uint64_t entries = 9;
	uint8_t chain[32], zeros[32] = {0};

	ledger_tip(k->directory, &entries, chain);
	CHECK_U64(entries, 0);
	CHECK(memcmp(chain, zeros, 32) == 0);
	CHECK_ERR(put(k, 1), OK);
	ledger_tip(k->directory, &entries, chain);
	struct buf file = tap_file(kit_path(k, LEDGER_FILE));
	ledger_reader_init(&r, buf_view(&file), 0, NULL);
	while (ledger_next(&r, &f) == OK)
		;
	CHECK_U64(entries, 2);
	CHECK_U64(r.number, entries);
	CHECK(memcmp(r.chain, chain, 32) == 0);
	buf_done(&file);
	kit_free(k);
}

static void bytes_that_are_no_ledger_are_read_without_harm(void)
{
	struct ledger_reader r;
	struct ledger_found f;
	uint8_t noise[5000];
	unsigned seed = 3, bad = 0;
	enum err e;

	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (uint8_t)rand_r(&seed);
	for (size_t i = 0; i + 100 < sizeof noise; i += 100)
		memcpy(noise + i, FORMAT_LEDGER_MAGIC, 4);
	ledger_reader_init(&r, tap_guarded(bytes_of(noise, sizeof noise)), 0, NULL);
	while ((e = ledger_next(&r, &f)) != ERR_END)
		bad += e == ERR_BAD;
	CHECK_U64(bad, 1);
	ledger_reader_init(&r, BYTES_NONE, 0, NULL);
	CHECK_ERR(ledger_next(&r, &f), ERR_END);
}

int main(void)
{
	RUN_TESTS(TEST(entries_come_back), TEST(what_is_no_entry_is_refused),
		  TEST(the_key_of_an_entry_is_gone_once_it_is_written),
		  TEST(new_recipients_begin_an_epoch_that_descends_from_the_old),
		  TEST(sixteen_writers_share_one_ledger),
		  TEST(no_entry_is_lost_when_writers_are_killed),
		  TEST(every_cut_of_an_entry_is_recovered),
		  TEST(an_entry_cut_before_bytes_that_come_again_is_recovered),
		  TEST(torn_twice_is_recovered_too),
		  TEST(a_lost_state_or_a_cut_ledger_is_told_by_an_epoch),
		  TEST(a_state_that_is_damaged_is_not_used), TEST(every_flipped_bit_is_noticed),
		  TEST(an_entry_made_without_the_key_is_found),
		  TEST(a_lock_that_is_not_to_be_had_is_given_up),
		  TEST(the_tip_is_what_a_reader_finds),
		  TEST(bytes_that_are_no_ledger_are_read_without_harm));
}
