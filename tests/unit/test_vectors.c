/* SPDX-License-Identifier: MIT
 *
 * The logs of tests/vectors/audit-v1, audit-v1-aes and audit-v1-tree, as version 1 wrote them once,
 * come out as LOG.txt beside them says, byte for byte, with either key and with none; and what a
 * later version may write is met with a clear answer.
 */
#include "aigw/format.h"
#include "audit/frame.h"
#include "audit/ledger.h"
#include "audit/note.h"
#include "audit_kit.h"

#include <stdarg.h>

static const char *const vectors[] = {"tests/vectors/audit-v1", "tests/vectors/audit-v1-aes",
				      "tests/vectors/audit-v1-tree"};
static const char *base;
static struct buf out;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	char line[4000];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	CHECK_ERR(buf_put_str(&out, line), OK);
}

static void say_hex(const char *name, struct bytes data)
{
	say(" %s=", name);
	CHECK_ERR(buf_put_hex(&out, data), OK);
}

static void dump_segment(const char *path, const struct identity *ids, size_t count)
{
	struct segment_reader *r = NULL;
	struct segment_record record;
	struct buf file = tap_file(path);
	enum err e = segment_reader_open(buf_view(&file), count, ids, &r);

	say("segment %s: %s\n", strstr(path, "2026-"), err_name(e));
	if (e) {
		buf_done(&file);
		return;
	}
	segment_reader_find_note(r, path, count, ids);
	const struct segment_header *h = segment_reader_header(r);
	say("  version %u cipher %u host %s boot %s pid %llu started %llu ledger %llu recipients "
	    "%zu "
	    "key %d changed %d",
	    h->version, h->cipher, h->host, h->boot_id, (unsigned long long)h->pid,
	    (unsigned long long)h->started_ns, (unsigned long long)h->ledger_entries,
	    h->recipient_count, segment_reader_has_key(r), h->changed);
	say_hex("id", bytes_of(h->segment_id, 16));
	say_hex("digest", bytes_of(h->digest, 32));
	say_hex("policy", bytes_of(h->policy_digest, 32));
	say("\n");
	while ((e = segment_next(r, &record)) != ERR_END) {
		const char *kind = e == OK ? record_kind_name(record.kind) : "-";
		say("  %s %u %s sequence %llu time %llu bytes %llu-%llu chained %d", err_name(e),
		    e == OK ? (unsigned)record.kind : 0, kind ? kind : "unknown",
		    (unsigned long long)record.sequence, (unsigned long long)record.time_ns,
		    (unsigned long long)record.offset, (unsigned long long)record.end,
		    record.chained);
		if (e == OK && record.opened)
			say_hex("plain", record.plain);
		say("\n");
	}
	segment_reader_free(r);
	buf_done(&file);
}

static void dump_ledger(const char *directory, const struct identity *ids, size_t count)
{
	char path[400];
	struct ledger_reader r;
	struct ledger_found f;
	enum err e;

	snprintf(path, sizeof path, "%s/ledger", directory);
	struct buf file = tap_file(path);
	ledger_reader_init(&r, buf_view(&file), count, ids);
	while ((e = ledger_next(&r, &f)) != ERR_END) {
		say("entry %s at %zu", err_name(e), f.item.offset);
		if (e == OK) {
			say(" number %llu kind %u time %llu chained %d mac %d",
			    (unsigned long long)f.item.head.number, f.item.head.kind,
			    (unsigned long long)f.item.head.time_ns, f.chained,
			    f.mac_checked ? f.mac_right : -1);
			say_hex("body", f.item.body);
			say_hex("mac", bytes_of(f.item.mac, 32));
		}
		say("\n");
	}
	ledger_reader_done(&r);
	buf_done(&file);
}

static void dump_log(const char *log, const char *who, const struct identity *ids, size_t count)
{
	char directory[300];
	struct segment_place *places = NULL;
	struct kit_verdict v = {0};
	size_t segments = 0;

	snprintf(directory, sizeof directory, "%s/%s", base, log);
	const struct verify_options options = {.directory = directory,
					       .identity_count = count,
					       .identities = ids,
					       .context = &v,
					       .on_finding = kit_on_finding};
	say("== %s\n", who);
	CHECK_ERR(segment_list(directory, &places, &segments), OK);
	for (size_t i = 0; i < segments; i++)
		dump_segment(places[i].path, ids, count);
	dump_ledger(directory, ids, count);
	CHECK_ERR(verify(&options, &v.result), OK);
	say("verify: %s:%s\n", verdict_name(v.result.verdict), v.codes);
	free(places);
}

static void read_key(const char *name, struct identity *ret)
{
	char path[200];

	snprintf(path, sizeof path, "%s/%s", base, name);
	struct buf key = tap_file(path);
	struct bytes text = buf_view(&key);
	CHECK_ERR(seal_parse_identity(bytes_cut(&text, '\n'), ret), OK);
	buf_done(&key);
}

/* AIGW_VECTORS=write, set by hand when vectors are made, writes the text instead. */
static void comes_out_of_one(const char *log)
{
	struct identity one, two;
	char path[200];

	read_key("one.key", &one);
	read_key("two.key", &two);
	buf_reset(&out);
	dump_log(log, "one.key", &one, 1);
	dump_log(log, "two.key", &two, 1);
	dump_log(log, "no key", NULL, 0);
	snprintf(path, sizeof path, "%s/%s.txt", base, log);
	if (getenv("AIGW_VECTORS")) {
		kit_write(path, buf_view(&out));
		return;
	}
	struct buf expected = tap_file(path);
	struct bytes a = buf_view(&out), b = buf_view(&expected);
	for (size_t line = 1; a.len || b.len; line++) {
		struct bytes got = bytes_cut(&a, '\n'), want = bytes_cut(&b, '\n');
		if (!bytes_equal(got, want)) {
			tap_fail(__FILE__, __LINE__, "%s:%zu: %.*s", path, line, (int)got.len,
				 (const char *)got.at);
			break;
		}
	}
	buf_done(&expected);
}

static void comes_out_as_it_was(const char *log)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		base = vectors[i];
		comes_out_of_one(log);
	}
}

static void every_kind_of_record_comes_out_as_it_was_written(void)
{
	comes_out_as_it_was("kinds");
}

static void every_kind_of_ledger_entry_and_a_note_come_out_as_they_were_written(void)
{
	comes_out_as_it_was("ledger");
}

static void torn_tails_come_out_as_they_were_left(void)
{
	comes_out_as_it_was("torn");
}

/* ---- what a later version may write ---- */

static enum err open_changed(size_t at, uint8_t with)
{
	struct kit_log *k = kit_new();
	struct segment_reader *r = NULL;

	/* not closed: the ledger has no digest of it that could differ */
	CHECK_ERR(kit_append(k, "x"), OK);
	struct buf file = tap_file(kit_segment(k, 0));
	file.at[at] = with;
	/* a later version would have digested what it wrote */
	struct bytes covered = bytes_slice(buf_view(&file), 0, 280 + 88);
	seal_digest(NULL, &covered, 1, file.at + 280 + 88);
	kit_write(kit_segment(k, 0), buf_view(&file));
	enum err e = segment_reader_open(buf_view(&file), 1, &k->identity, &r);
	if (e == ERR_UNSUPPORTED)
		KIT_EXPECT(kit_verify(k), VERDICT_CANNOT, "unsupported");
	else
		CHECK(!segment_reader_header(r)->changed && segment_reader_has_key(r));
	segment_reader_free(r);
	buf_done(&file);
	kit_free(k);
	return e;
}

static void a_newer_version_or_an_incompatible_flag_is_said_to_be_unsupported(void)
{
	CHECK_ERR(open_changed(offsetof(struct format_segment, version), 2), ERR_UNSUPPORTED);
	CHECK_ERR(open_changed(offsetof(struct format_segment, cipher), 4), ERR_UNSUPPORTED);
	CHECK_ERR(open_changed(offsetof(struct format_segment, flags_incompatible) + 3, 0x80),
		  ERR_UNSUPPORTED);
}

static void a_compatible_flag_is_passed_over(void)
{
	CHECK_ERR(open_changed(offsetof(struct format_segment, flags_compatible), 1), OK);
}

/* Sealed, chained and counted like all others. */
static void records_and_fields_of_later_kinds_are_read_and_verified(void)
{
	struct kit_log *k = kit_new();
	struct buf record = {0};
	struct cursor c;
	struct record_field field;

	CHECK(record_kind_name(900) == NULL && record_field_info(9000) == NULL);
	CHECK_ERR(record_put(&record, (enum field)9000, BYTES("later")), OK);
	CHECK_ERR(record_put(&record, F_ID, BYTES("known")), OK);
	CHECK_ERR(segment_append(&k->writer, &k->config, (enum record_kind)900, KIT_NOON_NS,
				 buf_view(&record)),
		  OK);
	CHECK_ERR(kit_close(k), OK);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	c = cursor_over(buf_view(&record));
	CHECK_ERR(record_next(&c, &field), OK);
	CHECK_U64(field.number, 9000);
	CHECK_ERR(record_next(&c, &field), OK);
	CHECK_BYTES(field.value, "known");
	buf_done(&record);
	kit_free(k);
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(every_kind_of_record_comes_out_as_it_was_written),
		  TEST(every_kind_of_ledger_entry_and_a_note_come_out_as_they_were_written),
		  TEST(torn_tails_come_out_as_they_were_left),
		  TEST(a_newer_version_or_an_incompatible_flag_is_said_to_be_unsupported),
		  TEST(a_compatible_flag_is_passed_over),
		  TEST(records_and_fields_of_later_kinds_are_read_and_verified));
}
