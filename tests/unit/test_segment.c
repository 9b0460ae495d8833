/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "audit/frame.h"
#include "audit_kit.h"

#define KILLS         (KIT_SLOW ? 25 : 200)
#define KILL_WAIT_US  6000
#define KILLED_RECORD 20000 /* longest plaintext in the kill test */
#define THREADS       4
#define FORKS         (KIT_SLOW ? 10 : 40)

/* ---- what is in a log ---- */

struct content {
	size_t records, starts, ends, damaged;
	bool torn;
	struct buf texts; /* plaintexts of `request` records, each with a NUL */
};

static void read_file(struct kit_log *k, const char *path, bool with_key, struct content *c)
{
	struct buf file = tap_file(path);
	struct segment_reader *r = NULL;
	struct segment_record record;
	enum err e = segment_reader_open(buf_view(&file), with_key, &k->identity, &r);

	CHECK_ERR(e, OK);
	if (e)
		return;
	while ((e = segment_next(r, &record)) != ERR_END) {
		c->torn |= e == ERR_TORN;
		c->damaged += e == ERR_BAD || e == ERR_SEAL;
		if (e)
			continue;
		c->records++;
		c->starts += record.kind == REC_START;
		c->ends += record.kind == REC_END;
		if (record.kind == REC_REQUEST && record.opened &&
		    (buf_put(&c->texts, record.plain) || buf_put_u8(&c->texts, 0)))
			kit_bail("no memory");
	}
	segment_reader_free(r);
	buf_done(&file);
}

static struct content read_log(struct kit_log *k)
{
	struct content c = {0};
	struct segment_place *places;
	size_t count;

	if (segment_list(k->directory, &places, &count))
		kit_bail("no log");
	for (size_t i = 0; i < count; i++)
		read_file(k, places[i].path, true, &c);
	free(places);
	return c;
}

static bool has_text(const struct content *c, const char *text)
{
	struct buf needle = {0};
	bool found;

	if (buf_put_u8(&needle, 0) || buf_put(&needle, bytes_of(text, strlen(text) + 1)))
		kit_bail("no memory");
	found = bytes_find(buf_view(&c->texts), buf_view(&needle)) != SIZE_MAX ||
		bytes_starts(buf_view(&c->texts), bytes_from(buf_view(&needle), 1));
	buf_done(&needle);
	return found;
}

/* ---- writing and reading ---- */

static void records_come_back_in_order(void)
{
	struct kit_log *k = kit_new();
	struct buf file;
	struct segment_reader *r = NULL;
	struct segment_record record;
	uint64_t count = 0;

	k->config.start_record = BYTES("facts");
	memset(k->config.policy_digest, 0xAB, 32);
	k->config.boot_id = "0f0e0d0c-0b0a-0908-0706-050403020100";
	CHECK_ERR(kit_append(k, "first"), OK);
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_RESPONSE, KIT_NOON_NS + 7, BYTES("")),
		  OK);
	CHECK_ERR(kit_close(k), OK);
	CHECK_U64(kit_segments(k), 1);
	file = tap_file(kit_segment(k, 0));
	CHECK(strstr(kit_segment(k, 0), "/audit/" KIT_DAY "/ward-3-") != NULL);
	CHECK_ERR(segment_reader_open(tap_guarded(buf_view(&file)), 1, &k->identity, &r), OK);
	const struct segment_header *h = segment_reader_header(r);
	CHECK_U64(h->version, 1);
	CHECK_U64(h->pid, getpid());
	CHECK_U64(h->started_ns, KIT_NOON_NS);
	CHECK(h->process_start != 0);
	CHECK_STR(h->host, "ward-3");
	CHECK_STR(h->boot_id, "0f0e0d0c-0b0a-0908-0706-050403020100");
	CHECK_U64(h->policy_digest[31], 0xAB);
	CHECK_U64(h->recipient_count, 1);
	CHECK(memcmp(h->recipient_key_ids[0], k->identity.recipient.key_id, 8) == 0);
	CHECK(!h->changed && !h->seal_wrong && segment_reader_has_key(r));
	CHECK_ERR(segment_next(r, &record), OK);
	CHECK_U64(record.kind, REC_START);
	CHECK_BYTES(record.plain, "facts");
	CHECK_U64(record.offset, h->bytes);
	CHECK_ERR(segment_next(r, &record), OK);
	CHECK_U64(record.kind, REC_REQUEST);
	CHECK_U64(record.sequence, 1);
	CHECK_U64(record.time_ns, KIT_NOON_NS);
	CHECK_BYTES(record.plain, "first");
	CHECK_U64(record.end - record.offset, FORMAT_FRAME_MIN + 5);
	CHECK_ERR(segment_next(r, &record), OK);
	CHECK_U64(record.kind, REC_RESPONSE);
	CHECK_U64(record.time_ns, KIT_NOON_NS + 7);
	CHECK_U64(record.plain.len, 0);
	CHECK_ERR(segment_next(r, &record), OK);
	CHECK_U64(record.kind, REC_END);
	CHECK_ERR(record_find_u64(record.plain, F_END_RECORDS, &count), OK);
	CHECK_U64(count, 3);
	CHECK_U64(record.end, file.len);
	CHECK_ERR(segment_next(r, &record), ERR_END);
	CHECK_ERR(segment_next(r, &record), ERR_END);
	segment_reader_free(r);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	KIT_EXPECT(kit_verify_with(k, false), VERDICT_WHOLE, NULL);
	buf_done(&file);
	kit_free(k);
}

static void files_and_directories_are_private(void)
{
	struct kit_log *k = kit_new();
	mode_t before = umask(0);
	struct stat st;

	CHECK_ERR(kit_append(k, "x"), OK);
	CHECK(stat(kit_segment(k, 0), &st) == 0 && (st.st_mode & 07777) == 0600);
	CHECK(stat(kit_path(k, "ledger"), &st) == 0 && (st.st_mode & 07777) == 0600);
	CHECK(stat(kit_path(k, "ledger.key"), &st) == 0 && (st.st_mode & 07777) == 0600);
	CHECK(stat(k->directory, &st) == 0 && (st.st_mode & 07777) == 0700);
	CHECK(stat(kit_path(k, KIT_DAY), &st) == 0 && (st.st_mode & 07777) == 0700);
	umask(before);
	kit_free(k);
}

static void a_stranger_sees_frames_and_no_text(void)
{
	struct kit_log *k = kit_new();
	struct buf file;
	struct content c = {0};
	struct identity mine = k->identity;

	CHECK_ERR(kit_append(k, "the patient's name"), OK);
	CHECK_ERR(kit_close(k), OK);
	CHECK_ERR(seal_new_identity(&k->identity), OK);
	read_file(k, kit_segment(k, 0), true, &c);
	CHECK_U64(c.records, 3);
	CHECK_U64(c.texts.len, 0);
	file = tap_file(kit_segment(k, 0));
	CHECK(bytes_find(buf_view(&file), BYTES("patient")) == SIZE_MAX);
	struct kit_verdict v = kit_verify(k);
	CHECK_U64(v.result.verdict, VERDICT_WHOLE);
	CHECK_U64(v.result.unopened, 3);
	CHECK_U64(v.result.ledger_unsealed, v.result.ledger_entries);
	k->identity = mine;
	v = kit_verify(k);
	CHECK_U64(v.result.unopened, 0);
	CHECK_U64(v.result.ledger_unsealed, 0);
	buf_done(&file);
	kit_free(k);
}

static void every_recipient_can_read(void)
{
	struct kit_log *k = kit_new();
	struct identity ids[SEGMENT_RECIPIENTS_MAX + 1];
	struct recipient to[SEGMENT_RECIPIENTS_MAX + 1];

	for (size_t i = 0; i <= SEGMENT_RECIPIENTS_MAX; i++) {
		CHECK_ERR(seal_new_identity(&ids[i]), OK);
		to[i] = ids[i].recipient;
	}
	k->config.recipients = to;
	k->config.recipient_count = SEGMENT_RECIPIENTS_MAX + 1;
	CHECK_ERR(kit_append(k, "one too many"), ERR_LIMIT);
	k->config.recipient_count = 0;
	CHECK_ERR(kit_append(k, "nobody"), ERR_MISSING);
	k->config.recipient_count = SEGMENT_RECIPIENTS_MAX;
	CHECK_ERR(kit_append(k, "for all"), OK);
	CHECK_ERR(kit_close(k), OK);
	for (size_t i = 0; i < SEGMENT_RECIPIENTS_MAX; i++) {
		k->identity = ids[i];
		struct content c = read_log(k);
		CHECK(has_text(&c, "for all"));
		buf_done(&c.texts);
		struct kit_verdict v = kit_verify(k);
		CHECK_U64(v.result.verdict, VERDICT_WHOLE);
		CHECK_U64(v.result.ledger_unsealed, 0);
	}
	kit_free(k);
}

static void the_largest_record_fits_and_one_byte_more_does_not(void)
{
	struct kit_log *k = kit_new();
	size_t max = SEGMENT_RECORD_MAX;
	uint8_t *large = calloc(1, max + 1);
	struct content c;

	if (!large)
		kit_bail("no memory");
	memset(large, 'x', max);
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
				 bytes_of(large, max + 1)),
		  ERR_LIMIT);
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
				 bytes_of(large, max)),
		  OK);
	CHECK_ERR(kit_close(k), OK);
	c = read_log(k);
	CHECK_U64(c.texts.len, max + 1);
	CHECK(memcmp(c.texts.at, large, max) == 0);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	buf_done(&c.texts);
	free(large);
	kit_free(k);
}

static void start_and_end_are_the_writers_own(void)
{
	struct kit_log *k = kit_new();

	CHECK_ERR(segment_append(&k->writer, &k->config, REC_START, KIT_NOON_NS, BYTES("x")),
		  ERR_STATE);
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_END, KIT_NOON_NS, BYTES("x")),
		  ERR_STATE);
	CHECK_ERR(kit_close(k), OK); /* of nothing */
	CHECK_U64(kit_segments(k), 0);
	kit_free(k);
}

static void what_was_sealed_cannot_be_read_from_the_writers_memory(void)
{
	struct kit_log *k = kit_new();
	uint8_t first[SEAL_KEY_BYTES + 8], second[sizeof first];

	CHECK_ERR(kit_append(k, "one"), OK);
	memcpy(first, k->writer.secret, sizeof first);
	CHECK_ERR(kit_append(k, "two"), OK);
	memcpy(second, k->writer.secret, sizeof second);
	CHECK(memcmp(first + 8, second + 8, SEAL_KEY_BYTES) != 0);
	segment_forget(&k->writer);
	for (size_t i = 0; i < sizeof k->writer; i++)
		if (((uint8_t *)&k->writer)[i])
			CHECK(!"segment_forget leaves bytes behind");
	kit_free(k);
}

static void a_synced_log_reads_the_same(void)
{
	struct kit_log *k = kit_new();
	struct content c;

	k->config.synced = true;
	CHECK_ERR(kit_append(k, "safe"), OK);
	CHECK_ERR(kit_close(k), OK);
	c = read_log(k);
	CHECK(has_text(&c, "safe"));
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	buf_done(&c.texts);
	kit_free(k);
}

static void host_names_make_harmless_file_names(void)
{
	static const struct {
		const char *host, *file;
	} cases[] = {{"../../etc", "/_._.._etc-"},
		     {"", "/host-"},
		     {NULL, "/host-"},
		     {"-rf\n\x80", "/_rf__-"},
		     {"db.ward.example", "/db.ward.example-"}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct kit_log *k = kit_new();
		k->config.host = cases[i].host;
		CHECK_ERR(kit_append(k, "x"), OK);
		if (!strstr(kit_segment(k, 0), cases[i].file))
			tap_fail(__FILE__, __LINE__, "%s", kit_segment(k, 0));
		CHECK_ERR(kit_close(k), OK);
		KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
		kit_free(k);
	}
	struct kit_log *k = kit_new();
	char longest[201];
	memset(longest, 'h', 200);
	longest[200] = '\0';
	k->config.host = longest;
	CHECK_ERR(kit_append(k, "x"), OK);
	struct buf file = tap_file(kit_segment(k, 0));
	struct segment_reader *r;
	CHECK_ERR(segment_reader_open(buf_view(&file), 0, NULL, &r), OK);
	CHECK_U64(strlen(segment_reader_header(r)->host), 64);
	segment_reader_free(r);
	buf_done(&file);
	kit_free(k);
}

static void days_are_named_as_calendars_do(void)
{
	static const struct {
		uint64_t seconds;
		const char *day;
	} cases[] = {{0, "/1970-01-01/"},          {951782399, "/2000-02-28/"},
		     {951782400, "/2000-02-29/"},  {951868800, "/2000-03-01/"},
		     {1798761599, "/2026-12-31/"}, {1798761600, "/2027-01-01/"},
		     {4107542400, "/2100-03-01/"}, {4107542399, "/2100-02-28/"},
		     {1709164800, "/2024-02-29/"}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct kit_log *k = kit_new();
		CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST,
					 cases[i].seconds * 1000000000u, BYTES("x")),
			  OK);
		if (!strstr(kit_segment(k, 0), cases[i].day))
			tap_fail(__FILE__, __LINE__, "%s, not %s", kit_segment(k, 0), cases[i].day);
		kit_free(k);
	}
}

/* ---- rotation ---- */

static void midnight_and_new_recipients_begin_a_new_segment(void)
{
	struct kit_log *k = kit_new();
	struct identity old = k->identity, next;
	struct content c;

	CHECK_ERR(seal_new_identity(&next), OK);
	CHECK_ERR(kit_append(k, "tuesday"), OK);
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS + KIT_DAY_NS,
				 BYTES("wednesday")),
		  OK);
	CHECK_U64(kit_segments(k), 2);
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
				 BYTES("clock set back")),
		  OK);
	CHECK_U64(kit_segments(k), 3);
	c = read_log(k);
	CHECK_U64(c.ends, 2);
	buf_done(&c.texts);
	k->config.recipients = &next.recipient;
	CHECK_ERR(kit_append(k, "for another eye"), OK);
	CHECK_U64(kit_segments(k), 4);
	CHECK_ERR(kit_close(k), OK);
	c = read_log(k);
	CHECK(has_text(&c, "tuesday") && has_text(&c, "wednesday") &&
	      has_text(&c, "clock set back"));
	CHECK(!has_text(&c, "for another eye"));
	buf_done(&c.texts);
	k->identity = next;
	c = read_log(k);
	CHECK(has_text(&c, "for another eye") && !has_text(&c, "tuesday"));
	buf_done(&c.texts);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	k->identity = old;
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	KIT_EXPECT(kit_verify_with(k, false), VERDICT_WHOLE, NULL);
	kit_free(k);
}

static void a_full_segment_is_followed_by_another(void)
{
	struct kit_log *k = kit_new();
	size_t len = 8u << 20;
	uint8_t *large = calloc(1, len);

	if (!large)
		kit_bail("no memory");
	for (int i = 0; i < 9; i++)
		CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
					 bytes_of(large, len)),
			  OK);
	CHECK_U64(kit_segments(k), 2);
	CHECK(k->writer.offset < 3 * len);
	CHECK_ERR(kit_close(k), OK);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	free(large);
	kit_free(k);
}

/* ---- somebody meddles while we write ---- */

static void meddle_and_go_on(void (*meddle)(const char *path), const char *code)
{
	struct kit_log *k = kit_new();
	char path[SEGMENT_PATH_MAX];
	struct content c;

	CHECK_ERR(kit_append(k, "before"), OK);
	strcpy(path, kit_segment(k, 0));
	meddle(path);
	CHECK_ERR(kit_append(k, "after"), OK);
	CHECK(strcmp(path, k->writer.path) != 0);
	CHECK_ERR(kit_close(k), OK);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, code);
	c = (struct content){0};
	for (size_t i = 0; i < kit_segments(k); i++)
		if (strcmp(kit_segment(k, i), path) != 0)
			read_file(k, kit_segment(k, i), true, &c);
	CHECK(has_text(&c, "after"));
	buf_done(&c.texts);
	kit_free(k);
}

static void remove_it(const char *path)
{
	CHECK(unlink(path) == 0);
}

static void cut_it(const char *path)
{
	struct stat st;

	CHECK(stat(path, &st) == 0 && truncate(path, st.st_size - 3) == 0);
}

static void lengthen_it(const char *path)
{
	FILE *f = fopen(path, "ab");

	CHECK(f && fputs("more", f) >= 0 && fclose(f) == 0);
}

static void put_a_copy_in_its_place(const char *path)
{
	struct buf content = tap_file(path);
	char other[SEGMENT_PATH_MAX + 8];

	snprintf(other, sizeof other, "%s.copy", path);
	kit_write(other, buf_view(&content));
	CHECK(rename(other, path) == 0);
	buf_done(&content);
}

static void put_a_link_in_its_place(const char *path)
{
	CHECK(unlink(path) == 0 && symlink("/dev/null", path) == 0);
}

static void put_a_pipe_in_its_place(const char *path)
{
	CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
}

static void a_segment_that_was_meddled_with_is_never_written_again(void)
{
	meddle_and_go_on(remove_it, "missing_segment");
	meddle_and_go_on(cut_it, "cut");
	meddle_and_go_on(lengthen_it, "given_up");
	meddle_and_go_on(put_a_copy_in_its_place, "given_up");
	meddle_and_go_on(put_a_link_in_its_place, "not_a_segment");
	meddle_and_go_on(put_a_pipe_in_its_place, "not_a_segment");
}

static void the_whole_directory_may_vanish(void)
{
	struct kit_log *k = kit_new();
	struct content c;

	CHECK_ERR(kit_append(k, "before"), OK);
	nftw(k->directory, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	CHECK_ERR(kit_append(k, "after"), OK);
	c = read_log(k);
	CHECK(has_text(&c, "after"));
	CHECK_ERR(kit_close(k), OK);
	buf_done(&c.texts);
	kit_free(k);
}

static void a_directory_that_others_may_write_to_is_refused(void)
{
	struct kit_log *k = kit_new();

	CHECK(mkdir(k->directory, 0700) == 0);
	CHECK(chmod(k->directory, 0770) == 0);
	CHECK_ERR(kit_append(k, "x"), ERR_ACCESS);
	CHECK(chmod(k->directory, 0702) == 0);
	CHECK_ERR(kit_append(k, "x"), ERR_ACCESS);
	CHECK(chmod(k->directory, 0755) == 0);
	CHECK_ERR(kit_append(k, "x"), OK);
	CHECK_ERR(kit_close(k), OK);
	CHECK(chmod(kit_path(k, KIT_DAY), 0777) == 0);
	CHECK_ERR(kit_append(k, "x"), ERR_ACCESS);
	if (geteuid() == 0) {
		CHECK(chmod(kit_path(k, KIT_DAY), 0700) == 0);
		CHECK(chown(k->directory, 65534, 65534) == 0);
		CHECK_ERR(kit_append(k, "x"), ERR_ACCESS);
	} else {
		tap_skip("a directory of somebody else needs root");
	}
	kit_free(k);
}

static void write_as_nobody(struct kit_log *k)
{
	if (geteuid() == 0 && (setegid(65534) || seteuid(65534)))
		kit_bail("cannot become nobody");
	CHECK_ERR(kit_append(k, "x"), ERR_ACCESS);
	CHECK(!k->writer.open);
}

static void a_directory_that_cannot_be_written_is_reported(void)
{
	struct kit_log *k = kit_new();
	char base[64];

	/* The parent is ours and closed to nobody; as an ordinary user it is read-only. */
	strcpy(base, k->directory);
	*strrchr(base, '/') = '\0';
	CHECK(chmod(base, geteuid() == 0 ? 0755 : 0500) == 0);
	kit_in_child(k, write_as_nobody);
	CHECK(chmod(base, 0700) == 0);
	kit_free(k);
}

/* ---- limits of the process ---- */

static void write_until_the_limit(struct kit_log *k)
{
	struct rlimit limit = {64 << 10, 64 << 10};
	uint8_t text[5000];
	sigset_t pending;
	int written = 0;

	memset(text, 'x', sizeof text);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		kit_bail("setrlimit");
	for (int i = 0; i < 40; i++)
		written += segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
					  bytes_of(text, sizeof text)) == OK;
	CHECK_U64(written, 40);
	CHECK(k->writer.offset <= limit.rlim_cur / 2);
	/* a record that no file may hold does not kill us either */
	static uint8_t large[80 << 10];
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
				 bytes_of(large, sizeof large)),
		  ERR_FULL);
	/* lowered under the writer's feet: what still fits is written */
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
				 bytes_of(text, sizeof text)),
		  OK);
	limit.rlim_cur = k->writer.offset + 3000;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		kit_bail("setrlimit");
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
				 bytes_of(text, 100)),
		  OK);
	CHECK_ERR(kit_close(k), OK);
	CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGXFSZ));
}

static void a_limit_on_file_sizes_rotates_and_kills_nobody(void)
{
	struct kit_log *k = kit_new();
	struct content c;

	kit_in_child(k, write_until_the_limit);
	c = read_log(k);
	CHECK(c.texts.len == 41 * 5001 + 101);
	CHECK(kit_segments(k) >= 7);
	CHECK(kit_verify(k).result.verdict != VERDICT_TAMPERED);
	buf_done(&c.texts);
	kit_free(k);
}

static void tear_at_the_limit(struct kit_log *k)
{
	struct rlimit limit;
	uint8_t text[9000];

	memset(text, 'x', sizeof text);
	CHECK_ERR(kit_append(k, "kept"), OK);
	limit.rlim_cur = limit.rlim_max = k->writer.offset + 5000;
	if (setrlimit(RLIMIT_FSIZE, &limit))
		kit_bail("setrlimit");
	/* short in the old segment; a new one could not take it at all */
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
				 bytes_of(text, sizeof text)),
		  ERR_FULL);
	CHECK_ERR(kit_append(k, "next"), OK);
	CHECK_ERR(kit_close(k), OK);
}

static void a_short_write_is_given_up_and_explained(void)
{
	struct kit_log *k = kit_new();
	struct content c;

	kit_in_child(k, tear_at_the_limit);
	c = read_log(k);
	CHECK(c.torn && has_text(&c, "kept") && has_text(&c, "next"));
	CHECK_U64(kit_segments(k), 2);
	buf_done(&c.texts);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "torn_tail");
	/* the torn bytes are covered too: one changed, or cut off, is found */
	char *path = kit_segment(k, 0);
	struct buf file = tap_file(path);
	if (bytes_find(buf_view(&file), BYTES("ward-3")) == SIZE_MAX)
		CHECK(!"not the segment");
	for (size_t i = 0; i < 2; i++) {
		path = kit_segment(k, i);
		buf_done(&file);
		file = tap_file(path);
		if (file.len < 4000)
			continue;
		file.at[file.len - 1] ^= 1;
		kit_write(path, buf_view(&file));
		KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "digest");
		file.at[file.len - 1] ^= 1;
		kit_write(path, bytes_slice(buf_view(&file), 0, file.len - 1));
		KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "digest");
	}
	buf_done(&file);
	kit_free(k);
}

/* A program that appends "one", "two" and "three" meanwhile. */
static void loses_nothing(void (*program)(struct kit_log *))
{
	struct kit_log *k = kit_new();
	struct content c;

	kit_in_child(k, program);
	c = read_log(k);
	CHECK(has_text(&c, "one") && has_text(&c, "two") && has_text(&c, "three"));
	CHECK_U64(kit_segments(k), 1);
	buf_done(&c.texts);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

static void close_the_descriptor(struct kit_log *k)
{
	CHECK_ERR(kit_append(k, "one"), OK);
	closefrom(3);
	CHECK_ERR(kit_append(k, "two"), OK);
	CHECK_ERR(kit_append(k, "three"), OK);
	CHECK_ERR(kit_close(k), OK);
}

static void a_program_may_close_the_descriptor_at_any_time(void)
{
	loses_nothing(close_the_descriptor);
}

/* ... and take its number for a file of its own, at once. */
static void take_the_descriptors_number(struct kit_log *k)
{
	int mine = memfd_create("the program's own", 0);
	struct stat st;

	CHECK_ERR(kit_append(k, "one"), OK);
	CHECK(k->writer.fd_plus_one > 0 && mine >= 0);
	CHECK(dup2(mine, k->writer.fd_plus_one - 1) >= 0);
	CHECK_ERR(kit_append(k, "two"), OK);
	CHECK(fstat(mine, &st) == 0 && st.st_size == 0);
	/* Within the time that a look serves, somebody has to tell. */
	CHECK(dup2(mine, k->writer.fd_plus_one - 1) >= 0);
	segment_doubt(k->writer.fd_plus_one - 1);
	CHECK_ERR(kit_append_at_once(k, "three"), OK);
	CHECK(fstat(mine, &st) == 0 && st.st_size == 0);
	CHECK_ERR(kit_close(k), OK);
}

static void a_number_that_the_program_took_is_not_written_to(void)
{
	loses_nothing(take_the_descriptors_number);
}

/* Within the time that a look serves nothing is looked at again: what happens to the file then is
 * found at the next look, and what cannot be written is written after one. */
static void a_look_serves_for_a_while(void)
{
	struct kit_log *k = kit_new();
	char path[SEGMENT_PATH_MAX];
	struct content c;

	CHECK_ERR(kit_append(k, "one"), OK);
	strcpy(path, kit_segment(k, 0));
	lengthen_it(path);
	CHECK_ERR(kit_append_at_once(k, "two"), OK);
	CHECK(strcmp(path, k->writer.path) == 0);
	CHECK_ERR(kit_append(k, "three"), OK);
	CHECK(strcmp(path, k->writer.path) != 0);
	CHECK_ERR(kit_close(k), OK);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "changed digest");
	c = (struct content){0};
	for (size_t i = 0; i < kit_segments(k); i++)
		read_file(k, kit_segment(k, i), true, &c);
	CHECK(has_text(&c, "one") && has_text(&c, "two") && has_text(&c, "three"));
	buf_done(&c.texts);
	kit_free(k);
}

static void close_the_descriptor_at_once(struct kit_log *k)
{
	CHECK_ERR(kit_append(k, "one"), OK);
	closefrom(3);
	CHECK_ERR(kit_append_at_once(k, "two"), OK);
	/* What a program opens next has the lowest numbers. */
	closefrom(3);
	CHECK(memfd_create("the program's own", 0) == 3);
	CHECK_ERR(kit_append_at_once(k, "three"), OK);
	CHECK_U64(lseek(3, 0, SEEK_END), 0);
	CHECK_ERR(kit_close(k), OK);
}

static void a_descriptor_closed_within_a_look_loses_nothing(void)
{
	loses_nothing(close_the_descriptor_at_once);
}

static void run_out_of_descriptors(struct kit_log *k)
{
	struct rlimit limit = {3, 3}, before;

	CHECK_ERR(kit_append(k, "one"), OK);
	getrlimit(RLIMIT_NOFILE, &before);
	limit.rlim_max = before.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		kit_bail("setrlimit");
	CHECK_ERR(kit_append(k, "two"), OK); /* with the descriptor kept from the first */
	closefrom(3);
	CHECK_ERR(kit_append(k, "lost"), ERR_IO);
	CHECK(k->writer.open);
	setrlimit(RLIMIT_NOFILE, &before);
	CHECK_ERR(kit_append(k, "three"), OK);
	CHECK_ERR(kit_close(k), OK);
}

static void a_lack_of_descriptors_passes(void)
{
	struct kit_log *k = kit_new();
	struct content c;

	kit_in_child(k, run_out_of_descriptors);
	c = read_log(k);
	CHECK(has_text(&c, "two") && has_text(&c, "three") && !has_text(&c, "lost"));
	CHECK_U64(kit_segments(k), 1);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	buf_done(&c.texts);
	kit_free(k);
}

/* In a mount namespace of its own, on a file system of 256 KiB. */
static void fill_a_disk(struct kit_log *k)
{
	char base[64];
	struct content c;
	enum err e = OK;
	int acknowledged = 0;

	strcpy(base, k->directory);
	*strrchr(base, '/') = '\0';
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", base, "tmpfs", 0, "size=256k")) {
		printf("# SKIPPED: a full disk (needs the right to mount a tmpfs)\n");
		return;
	}
	while (!e && acknowledged < 1000) {
		char text[7000];
		memset(text, 'x', sizeof text);
		snprintf(text, 16, "n%d", acknowledged);
		text[strlen(text)] = ' ';
		text[sizeof text - 1] = '\0';
		e = kit_append(k, text);
		acknowledged += !e;
	}
	CHECK_ERR(e, ERR_FULL);
	CHECK_ERR(kit_append(k, "still full, and longer than the rest of the last page of the file "
				"could ever be, so that this cannot fit"),
		  ERR_FULL);
	c = read_log(k);
	for (int i = 0; i < acknowledged; i++) {
		char text[16];
		snprintf(text, sizeof text, "n%d ", i);
		CHECK(bytes_find(buf_view(&c.texts), bytes_str(text)) != SIZE_MAX);
	}
	buf_done(&c.texts);
	if (mount("none", base, "tmpfs", MS_REMOUNT, "size=1m"))
		kit_bail("remount");
	CHECK_ERR(kit_append(k, "room again"), OK);
	CHECK_ERR(kit_close(k), OK);
	c = read_log(k);
	CHECK(has_text(&c, "room again"));
	buf_done(&c.texts);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "torn_tail");
	umount(base);
}

static void a_full_disk_loses_nothing_acknowledged(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, fill_a_disk);
	kit_free(k);
}

/* ---- fork, kill ---- */

static void append_in_child(struct kit_log *k)
{
	CHECK_ERR(kit_append(k, "child"), OK);
	CHECK_ERR(kit_close(k), OK);
}

static void a_forked_child_writes_a_segment_of_its_own(void)
{
	struct kit_log *k = kit_new();
	struct content c;

	CHECK_ERR(kit_append(k, "parent"), OK);
	struct buf before = tap_file(kit_segment(k, 0));
	uint64_t offset = k->writer.offset;
	kit_in_child(k, append_in_child);
	CHECK_U64(offset, before.len);
	CHECK_ERR(kit_append(k, "parent again"), OK);
	CHECK_U64(kit_segments(k), 2);
	CHECK_ERR(kit_close(k), OK);
	c = read_log(k);
	CHECK(has_text(&c, "parent") && has_text(&c, "child") && has_text(&c, "parent again"));
	CHECK_U64(c.damaged, 0);
	buf_done(&c.texts);
	buf_done(&before);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

static void close_in_child(struct kit_log *k)
{
	CHECK_ERR(kit_close(k), OK); /* closes nothing: the segment is the parent's */
}

static void a_forked_child_cannot_close_its_parents_segment(void)
{
	struct kit_log *k = kit_new();
	struct stat before, after;

	CHECK_ERR(kit_append(k, "parent"), OK);
	CHECK(stat(kit_segment(k, 0), &before) == 0);
	kit_in_child(k, close_in_child);
	CHECK(stat(kit_segment(k, 0), &after) == 0 && before.st_size == after.st_size);
	CHECK_ERR(kit_append(k, "parent again"), OK);
	CHECK_ERR(kit_close(k), OK);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

struct shared {
	struct kit_log *log;
	struct lock lock;
	bool stop;
	unsigned written;
};

static void *append_all_the_time(void *context)
{
	struct shared *s = context;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		if (!lock_take(&s->lock))
			kit_bail("the lock is ours already");
		CHECK_ERR(kit_append(s->log, "thread"), OK);
		s->written++;
		lock_drop(&s->lock);
	}
	return NULL;
}

static void forks_among_writing_threads_lose_nothing(void)
{
	struct kit_log *k = kit_new();
	struct shared s = {.log = k};
	pthread_t threads[THREADS];
	struct content c;
	unsigned found = 0;

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, append_all_the_time, &s))
			kit_bail("no thread");
	for (int i = 0; i < FORKS; i++) {
		int status;
		/* as the shim's fork handlers do: no writer is in the middle of an append */
		if (!lock_take(&s.lock))
			kit_bail("lock");
		pid_t pid = fork();
		if (pid == 0) {
			lock_reset(&s.lock);
			_exit(kit_append(k, "forked") || kit_close(k));
		}
		lock_drop(&s.lock);
		waitpid(pid, &status, 0);
		CHECK_U64(status, 0);
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_ERR(kit_close(k), OK);
	c = read_log(k);
	for (size_t at = 0; at < c.texts.len; at += strlen((char *)c.texts.at + at) + 1)
		found += strcmp((char *)c.texts.at + at, "thread") == 0;
	CHECK_U64(found, s.written);
	CHECK_U64(c.ends, FORKS + 1);
	buf_done(&c.texts);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

/* Writes records named "<child>-<number> ..." and says each number on the pipe once acknowledged.
 */
static void write_until_killed(struct kit_log *k, int child, int to)
{
	static char text[KILLED_RECORD + 1];

	for (uint64_t n = 0;; n++) {
		size_t len = 40 +
			     (size_t)((n * 7919 + (uint64_t)child * 104729) % (KILLED_RECORD - 40));
		memset(text, '.', len);
		int named = snprintf(text, 40, "%d-%llu", child, (unsigned long long)n);
		text[named] = ' ';
		text[len] = '\0';
		if (kit_append(k, text) || write(to, &n, sizeof n) != sizeof n)
			_exit(1);
	}
}

static void no_acknowledged_record_is_lost_when_writers_are_killed(void)
{
	struct kit_log *k = kit_new();
	static uint64_t acknowledged[KILLS];
	unsigned seed = 20261124;
	unsigned long total = 0, torn = 0;
	struct segment_place *places;
	size_t count;

	for (int child = 0; child < KILLS; child++) {
		int ends[2], status;
		uint64_t n;
		if (pipe(ends))
			kit_bail("pipe");
		pid_t pid = fork();
		if (pid == 0) {
			close(ends[0]);
			write_until_killed(k, child, ends[1]);
		}
		close(ends[1]);
		/* half of them at any moment, start-up included, half while they are writing */
		if (child % 2 && read(ends[0], &n, sizeof n) == sizeof n)
			acknowledged[child] = n + 1;
		usleep((useconds_t)(rand_r(&seed) % KILL_WAIT_US));
		kill(pid, SIGKILL);
		while (read(ends[0], &n, sizeof n) == sizeof n)
			acknowledged[child] = n + 1;
		close(ends[0]);
		waitpid(pid, &status, 0);
		CHECK(WIFSIGNALED(status));
		total += acknowledged[child];
	}
	static uint64_t found[KILLS];
	memset(found, 0, sizeof found);
	if (segment_list(k->directory, &places, &count))
		kit_bail("no log");
	for (size_t i = 0; i < count; i++) {
		struct content c = {0};
		read_file(k, places[i].path, true, &c);
		CHECK_U64(c.damaged, 0);
		torn += c.torn;
		for (size_t at = 0; at < c.texts.len; at += strlen((char *)c.texts.at + at) + 1) {
			int child = -1;
			unsigned long long n = 0;
			CHECK(sscanf((char *)c.texts.at + at, "%d-%llu ", &child, &n) == 2);
			if (child >= 0 && child < KILLS && n == found[child])
				found[child]++;
			else
				CHECK(!"out of order");
		}
		buf_done(&c.texts);
	}
	for (int child = 0; child < KILLS; child++)
		if (found[child] < acknowledged[child])
			tap_fail(__FILE__, __LINE__, "child %d: %llu of %llu records", child,
				 (unsigned long long)found[child],
				 (unsigned long long)acknowledged[child]);
	printf("# %d kills, %lu acknowledged records, %zu segments, %lu torn tails\n", KILLS, total,
	       count, torn);
	CHECK(total > KILLS / 2);
	struct kit_verdict v = kit_verify(k);
	if (v.result.verdict != VERDICT_INCOMPLETE)
		tap_fail(__FILE__, __LINE__, "%s:%s", verdict_name(v.result.verdict), v.codes);
	free(places);
	kit_free(k);
}

/* ---- memory ---- */

static enum err write_a_log(void)
{
	struct kit_log *k = kit_new();
	enum err e = kit_append(k, "one"), later;

	later = kit_close(k);
	kit_free(k);
	return e ? e : later;
}

static struct bytes small_log;
static struct identity small_identity;

static enum err read_a_log(void)
{
	struct segment_reader *r = NULL;
	struct segment_record record;
	enum err e = segment_reader_open(small_log, 1, &small_identity, &r);

	while (!e)
		e = segment_next(r, &record);
	segment_reader_free(r);
	return e == ERR_END ? OK : e;
}

/* What waits for its digest is held in memory: not more and more of it. */
static void large_records_without_a_pause_take_the_memory_of_two(void)
{
	struct kit_log *k = kit_new();
	static uint8_t large[2u << 20];

	for (int i = 0; i < 8; i++) {
		CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
					 bytes_of(large, sizeof large)),
			  OK);
		CHECK(k->writer.frame_cap <= 2 * sizeof large);
	}
	CHECK_ERR(kit_close(k), OK);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

/* However the digest's work is cut up, it is the digest of the file, and little is left undone. */
static void the_digest_is_settled_in_any_steps(void)
{
	static const size_t most[] = {1, 8u << 10, 40000, 128u << 10, SIZE_MAX};
	static uint8_t text[2u << 20];

	for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
		struct kit_log *k = kit_new();
		struct segment_writer *w = &k->writer;
		for (size_t n = 0; n < 80; n++) {
			struct bytes record = bytes_of(text, n == 70 ? sizeof text : n * n * 20);
			CHECK_ERR(segment_append(w, &k->config, REC_REQUEST, KIT_NOON_NS, record),
				  OK);
			for (size_t times = n % 4; times && segment_settle(w, most[i]); times--)
				;
			if (n < 60)
				continue;
			while (segment_settle(w, most[i]))
				;
			CHECK(w->frame_len - w->frame_digested < file_digest_step(&w->digest));
			CHECK(w->frame_cap <= 1u << 20);
		}
		CHECK_ERR(kit_close(k), OK);
		KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
		kit_free(k);
	}
}

/* kit_new allocates itself, so the writer's only allocation is failed by hand. */
static void no_memory_for_a_record_is_survived(void)
{
	struct kit_log *k = kit_new();
	static uint8_t large[100000];
	struct content c;

	tap_fail_allocation(1);
	CHECK_ERR(kit_append(k, "never"), ERR_NOMEM);
	CHECK(!k->writer.open);
	CHECK_ERR(kit_append(k, "kept"), OK);
	tap_fail_allocation(1);
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS,
				 bytes_of(large, sizeof large)),
		  ERR_NOMEM);
	CHECK(k->writer.open);
	CHECK_ERR(kit_append(k, "kept too"), OK);
	CHECK_ERR(kit_close(k), OK);
	c = read_log(k);
	CHECK(has_text(&c, "kept") && has_text(&c, "kept too") && !has_text(&c, "never"));
	CHECK_U64(kit_segments(k), 1);
	buf_done(&c.texts);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	tap_allocations();
	CHECK_ERR(write_a_log(), OK);
	struct buf file = tap_file(kit_segment(k, 0));
	small_log = buf_view(&file);
	small_identity = k->identity;
	tap_fail_each_allocation(read_a_log);
	buf_done(&file);
	kit_free(k);
}

/* ---- reading damaged bytes ---- */

static void a_damaged_record_does_not_lose_later_ones(void)
{
	struct kit_log *k = kit_new();
	struct segment_reader *r = NULL;
	struct segment_record record;
	struct buf file;

	CHECK_ERR(kit_append(k, "one"), OK);
	CHECK_ERR(kit_append(k, "two"), OK);
	CHECK_ERR(kit_append(k, "three"), OK);
	CHECK_ERR(kit_close(k), OK);
	file = tap_file(kit_segment(k, 0));
	size_t one = file.len - 4 * FORMAT_FRAME_MIN - 3 - 3 - 5 - 16;
	for (int part = 0; part < 3; part++) {
		static const size_t where[] = {20 /* head */, 89 /* text */, 95 /* tag */};
		uint8_t *byte = &file.at[one + where[part]];
		*byte ^= 0x40;
		CHECK_ERR(segment_reader_open(buf_view(&file), 1, &k->identity, &r), OK);
		CHECK_ERR(segment_next(r, &record), OK);
		CHECK_ERR(segment_next(r, &record), part == 0 ? ERR_BAD : ERR_SEAL);
		CHECK_U64(record.sequence, 1);
		CHECK_U64(record.offset, one);
		CHECK_U64(record.end, one + FORMAT_FRAME_MIN + 3);
		CHECK_ERR(segment_next(r, &record), OK);
		CHECK_BYTES(record.plain, "two");
		CHECK_U64(record.sequence, 2);
		CHECK_ERR(segment_next(r, &record), OK);
		CHECK_BYTES(record.plain, "three");
		CHECK_ERR(segment_next(r, &record), OK);
		CHECK_ERR(segment_next(r, &record), ERR_END);
		segment_reader_free(r);
		*byte ^= 0x40;
	}
	buf_done(&file);
	kit_free(k);
}

static void a_changed_header_still_lets_records_be_read(void)
{
	struct kit_log *k = kit_new();
	struct segment_record record;
	struct buf file;
	size_t readable = 0, tried = 0;

	CHECK_ERR(kit_append(k, "text"), OK);
	CHECK_ERR(kit_close(k), OK);
	file = tap_file(kit_segment(k, 0));
	size_t header = sizeof(struct format_segment) + sizeof(struct format_recipient) + 32;
	for (size_t i = 0; i < header; i++) {
		struct segment_reader *r = NULL;
		file.at[i] ^= 0x10;
		tried++;
		if (segment_reader_open(buf_view(&file), 1, &k->identity, &r) == OK) {
			CHECK(segment_reader_header(r)->changed);
			if (segment_next(r, &record) == OK && segment_next(r, &record) == OK &&
			    record.opened) {
				CHECK_BYTES(record.plain, "text");
				readable++;
			}
			segment_reader_free(r);
		}
		file.at[i] ^= 0x10;
	}
	/* not so: magic, version, cipher, flags, length, count, the key's name and the box itself
	 */
	printf("# readable with %zu of %zu header bytes changed\n", readable, tried);
	CHECK(readable > tried - 88 - 30);
	buf_done(&file);
	kit_free(k);
}

static void what_is_no_segment_is_said_so(void)
{
	struct segment_reader *r = NULL;
	struct kit_log *k = kit_new();
	struct buf file;

	CHECK_ERR(segment_reader_open(BYTES_NONE, 0, NULL, &r), ERR_TORN);
	CHECK_ERR(segment_reader_open(BYTES("\x89"), 0, NULL, &r), ERR_TORN);
	CHECK_ERR(segment_reader_open(BYTES("PK\x03\x04"), 0, NULL, &r), ERR_BAD);
	CHECK_ERR(kit_append(k, "x"), OK);
	file = tap_file(kit_segment(k, 0));
	for (size_t n = 0; n < 400; n++) {
		enum err e = segment_reader_open(tap_guarded(bytes_slice(buf_view(&file), 0, n)), 1,
						 &k->identity, &r);
		CHECK_ERR(e, ERR_TORN);
	}
	file.at[offsetof(struct format_segment, version)] = 2;
	CHECK_ERR(segment_reader_open(buf_view(&file), 0, NULL, &r), ERR_UNSUPPORTED);
	file.at[offsetof(struct format_segment, version)] = 1;
	file.at[offsetof(struct format_segment, flags_incompatible)] = 1;
	CHECK_ERR(segment_reader_open(buf_view(&file), 0, NULL, &r), ERR_UNSUPPORTED);
	file.at[offsetof(struct format_segment, flags_incompatible)] = 0;
	file.at[offsetof(struct format_segment, cipher)] = FORMAT_CIPHER_AES_256_GCM_TREE + 1;
	CHECK_ERR(segment_reader_open(buf_view(&file), 0, NULL, &r), ERR_UNSUPPORTED);
	CHECK(r == NULL);
	buf_done(&file);
	kit_free(k);
}

/* Reads all records from where the reader stands; their texts, one behind the other. */
static enum err rest_of(struct segment_reader *r, struct buf *texts)
{
	struct segment_record record;
	enum err e;

	while ((e = segment_next(r, &record)) == OK) {
		CHECK(record.opened && record.chained);
		CHECK_ERR(buf_put(texts, record.plain), OK);
	}
	return e;
}

static void a_reader_goes_on_at_a_mark_with_a_part_of_the_file(void)
{
	struct kit_log *k = kit_new();
	struct segment_reader *r = NULL;
	struct segment_record record;
	struct segment_mark mark, half;
	struct buf file, texts = {0};
	size_t header;

	CHECK_ERR(kit_append(k, "one"), OK);
	CHECK_ERR(kit_append(k, "two"), OK);
	file = tap_file(kit_segment(k, 0));
	CHECK_ERR(segment_reader_open(buf_view(&file), 1, &k->identity, &r), OK);
	header = (size_t)segment_reader_header(r)->bytes;
	CHECK_ERR(segment_next(r, &record), OK);
	CHECK_ERR(segment_next(r, &record), OK);
	CHECK_BYTES(record.plain, "one");
	CHECK_ERR(segment_reader_mark(r, &mark), OK);
	CHECK_U64(mark.offset, record.end);
	CHECK_U64(mark.sequence, 2);
	segment_reader_free(r);

	/* another reader, which has the header and later bytes only */
	CHECK_ERR(segment_reader_open(bytes_slice(buf_view(&file), 0, header), 1, &k->identity, &r),
		  OK);
	segment_reader_extend(r, &mark, bytes_from(buf_view(&file), (size_t)mark.offset));
	CHECK_ERR(rest_of(r, &texts), ERR_END);
	CHECK_BYTES(buf_view(&texts), "two");
	CHECK_ERR(segment_reader_mark(r, &half), OK);
	CHECK_U64(half.offset, file.len);

	/* the file grows: first by half a record, then by all of it */
	size_t before = file.len;
	buf_done(&file);
	CHECK_ERR(kit_append(k, "three"), OK);
	file = tap_file(kit_segment(k, 0));
	segment_reader_extend(r, &half, bytes_slice(buf_view(&file), before, 40));
	CHECK_ERR(rest_of(r, &texts), ERR_TORN);
	segment_reader_extend(r, &half, bytes_from(buf_view(&file), before));
	CHECK_ERR(rest_of(r, &texts), ERR_END);
	CHECK_BYTES(buf_view(&texts), "twothree");

	/* a key that is not the one there opens nothing */
	mark.key[0] ^= 1;
	segment_reader_extend(r, &mark, bytes_from(buf_view(&file), (size_t)mark.offset));
	CHECK_ERR(segment_next(r, &record), ERR_SEAL);
	CHECK_U64(record.offset, mark.offset);
	mark.key[0] ^= 1;
	mark.chain[0] ^= 1;
	segment_reader_extend(r, &mark, bytes_from(buf_view(&file), (size_t)mark.offset));
	CHECK_ERR(segment_next(r, &record), OK);
	CHECK(!record.chained);
	segment_reader_free(r);
	buf_done(&file);
	buf_done(&texts);
	kit_free(k);
}

static void a_reader_is_resumed_without_the_header(void)
{
	struct kit_log *k = kit_new();
	struct segment_reader *r = NULL;
	struct segment_record record;
	struct segment_mark marks[4];
	struct buf file, texts = {0};
	struct bytes whole;

	CHECK_ERR(kit_append(k, "one"), OK);
	CHECK_ERR(kit_append(k, "two"), OK);
	CHECK_ERR(kit_append(k, "three"), OK);
	file = tap_file(kit_segment(k, 0));
	whole = buf_view(&file);
	CHECK_ERR(segment_reader_open(whole, 1, &k->identity, &r), OK);
	for (size_t i = 0; i < 4; i++) {
		CHECK_ERR(segment_reader_mark(r, &marks[i]), OK);
		CHECK_ERR(segment_next(r, &record), OK);
	}
	segment_reader_free(r);

	for (size_t i = 0; i < 4; i++) {
		CHECK_ERR(segment_reader_resume(&marks[i],
						bytes_from(whole, (size_t)marks[i].offset), &r),
			  OK);
		CHECK_ERR(rest_of(r, &texts), ERR_END);
		segment_reader_free(r);
	}
	CHECK_BYTES(buf_view(&texts), "onetwothreeonetwothreetwothreethree");

	/* what does not open is passed over, and what stands before the mark is out of reach */
	CHECK_ERR(segment_reader_resume(&marks[1], bytes_from(whole, (size_t)marks[1].offset), &r),
		  OK);
	file.at[marks[2].offset - 1] ^= 1;
	CHECK_ERR(segment_next(r, &record), ERR_SEAL);
	CHECK_ERR(segment_next(r, &record), OK);
	CHECK_BYTES(record.plain, "two");
	CHECK_ERR(segment_reader_mark(r, &marks[0]), OK);
	marks[0].offset = marks[2].offset;
	segment_reader_extend(r, &marks[0], bytes_from(whole, (size_t)marks[2].offset));
	CHECK_ERR(segment_next(r, &record), ERR_SEAL); /* "two" once more */
	CHECK_ERR(segment_next(r, &record), OK);
	CHECK_BYTES(record.plain, "three");
	segment_reader_free(r);
	buf_done(&file);
	buf_done(&texts);
	kit_free(k);
}

int main(void)
{
	RUN_TESTS(TEST(records_come_back_in_order), TEST(files_and_directories_are_private),
		  TEST(a_stranger_sees_frames_and_no_text), TEST(every_recipient_can_read),
		  TEST(the_largest_record_fits_and_one_byte_more_does_not),
		  TEST(start_and_end_are_the_writers_own),
		  TEST(what_was_sealed_cannot_be_read_from_the_writers_memory),
		  TEST(a_synced_log_reads_the_same), TEST(host_names_make_harmless_file_names),
		  TEST(days_are_named_as_calendars_do),
		  TEST(midnight_and_new_recipients_begin_a_new_segment),
		  TEST(a_full_segment_is_followed_by_another),
		  TEST(a_segment_that_was_meddled_with_is_never_written_again),
		  TEST(the_whole_directory_may_vanish),
		  TEST(a_directory_that_others_may_write_to_is_refused),
		  TEST(a_directory_that_cannot_be_written_is_reported),
		  TEST(a_limit_on_file_sizes_rotates_and_kills_nobody),
		  TEST(a_short_write_is_given_up_and_explained),
		  TEST(a_program_may_close_the_descriptor_at_any_time),
		  TEST(a_look_serves_for_a_while),
		  TEST(a_descriptor_closed_within_a_look_loses_nothing),
		  TEST(a_number_that_the_program_took_is_not_written_to),
		  TEST(a_lack_of_descriptors_passes), TEST(a_full_disk_loses_nothing_acknowledged),
		  TEST(a_forked_child_writes_a_segment_of_its_own),
		  TEST(a_forked_child_cannot_close_its_parents_segment),
		  TEST(forks_among_writing_threads_lose_nothing),
		  TEST(no_acknowledged_record_is_lost_when_writers_are_killed),
		  TEST(large_records_without_a_pause_take_the_memory_of_two),
		  TEST(the_digest_is_settled_in_any_steps),
		  TEST(no_memory_for_a_record_is_survived),
		  TEST(a_damaged_record_does_not_lose_later_ones),
		  TEST(a_changed_header_still_lets_records_be_read),
		  TEST(what_is_no_segment_is_said_so),
		  TEST(a_reader_goes_on_at_a_mark_with_a_part_of_the_file),
		  TEST(a_reader_is_resumed_without_the_header));
}
