/* SPDX-License-Identifier: MIT */
#include "audit/retain.h"

#include "audit/note.h"
#include "audit/place.h"
#include "audit_kit.h"

#define FIRST_ID "01K8T6QX00ABCDEFGHJKMNPQRS"

struct heard {
	char text[2000]; /* "outcome:by outcome:by ..." */
};

static void on_event(void *context, const struct retain_event *event)
{
	struct heard *h = context;
	size_t len = strlen(h->text);

	snprintf(h->text + len, sizeof h->text - len, "%s%s%s%.*s", len ? " " : "",
		 retain_outcome_name(event->outcome), event->by.len ? ":" : "", (int)event->by.len,
		 event->by.at ? (const char *)event->by.at : "");
}

static struct ledger_config ledger_of(const struct kit_log *k)
{
	return (struct ledger_config){k->directory, k->config.recipient_count, k->config.recipients,
				      "", false};
}

/* Retires what is older than `days` days at noon of KIT_DAY + `later` days. */
static struct retain_result retire(struct kit_log *k, uint32_t days, uint64_t later,
				   struct heard *heard, bool dry_run)
{
	char sinks[80];
	struct retain_result result = {0};

	snprintf(sinks, sizeof sinks, "%s/sinks", k->directory);
	const struct retain_options options = {
		.ledger = ledger_of(k),
		.sinks_directory = sinks,
		.days = days,
		.now_ns = KIT_NOON_NS + later * KIT_DAY_NS,
		.dry_run = dry_run,
		.context = heard,
		.on_event = on_event,
	};

	memset(heard, 0, sizeof *heard);
	CHECK_ERR(retain(&options, &result), OK);
	return result;
}

/* Three days with a closed segment each. */
static struct kit_log *three_days(void)
{
	struct kit_log *k = kit_new();

	for (uint64_t day = 0; day < 3; day++) {
		CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST,
					 KIT_NOON_NS + day * KIT_DAY_NS, BYTES("x")),
			  OK);
	}
	CHECK_ERR(segment_close(&k->writer, &k->config, KIT_NOON_NS + 2 * KIT_DAY_NS), OK);
	CHECK_U64(kit_segments(k), 3);
	return k;
}

static void days_come_back_as_they_were_written(void)
{
	static const char *const wrong[] = {"",           "2026-11-2",  "2026-13-01",
					    "2026-02-29", "1969-12-31", "2026-00-10",
					    "2026-01-00", "2026/01/01", "2026-11-24x"};
	char text[PLACE_DAY_CHARS + 1];
	uint64_t day;

	for (uint64_t d = 0; d < 60000; d += 13) {
		place_put_day(d, text);
		CHECK_ERR(place_parse_day(bytes_str(text), &day), OK);
		CHECK_U64(day, d);
	}
	CHECK_ERR(place_parse_day(BYTES("2028-02-29"), &day), OK);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		CHECK_ERR(place_parse_day(bytes_str(wrong[i]), &day), ERR_BAD);
}

static void old_segments_go_and_the_log_stays_whole(void)
{
	struct kit_log *k = three_days();
	struct heard heard;
	struct retain_result r;
	struct kit_verdict v;

	/* the last record of a day is kept for `days` full days */
	r = retire(k, 1, 1, &heard, false);
	CHECK_STR(heard.text, "");
	r = retire(k, 1, 2, &heard, true);
	CHECK_STR(heard.text, "removed");
	CHECK_U64(kit_segments(k), 3);
	r = retire(k, 1, 2, &heard, false);
	CHECK_STR(heard.text, "removed");
	CHECK_U64(r.removed_records, 3);
	CHECK(r.removed_bytes > 300);
	CHECK_U64(kit_segments(k), 2);
	CHECK(access(kit_path(k, KIT_DAY), F_OK) != 0);
	v = kit_verify(k);
	KIT_EXPECT(v, VERDICT_WHOLE, NULL);
	CHECK_U64(v.result.retired_segments, 1);
	CHECK_U64(v.result.retired_records, 3);
	r = retire(k, 0, 1000, &heard, false);
	CHECK_STR(heard.text, "");
	r = retire(k, 1, 1000, &heard, false);
	CHECK_STR(heard.text, "removed removed");
	CHECK_U64(r.segments, 2);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

static void hold(struct kit_log *k, enum hold_kind kind, const char *first, const char *last)
{
	struct hold h = {kind, bytes_str(first), bytes_str(last), 1, BYTES("case 12/2026")};
	struct buf file = {0};

	CHECK_ERR(hold_check(&h), OK);
	CHECK_ERR(hold_put(&file, &h), OK);
	CHECK_ERR(hold_save(k->directory, buf_view(&file)), OK);
	buf_done(&file);
}

static void what_is_held_stays(void)
{
	struct kit_log *k = three_days();
	char id[2][ULID_CHARS + 1];
	const uint8_t zeros[10] = {0};
	struct heard heard;

	hold(k, HOLD_DAY, "2026-11-25", NULL);
	retire(k, 1, 1000, &heard, true);
	CHECK_STR(heard.text, "removed held:case 12/2026 removed");
	hold(k, HOLD_SEGMENT, kit_segment(k, 2) + strlen(k->directory) + 1, NULL);
	retire(k, 1, 1000, &heard, true);
	CHECK_STR(heard.text, "removed removed held:case 12/2026");
	/* ids of one day: that day, and the one after it, where their answers may be */
	record_make_id((KIT_NOON_NS + KIT_DAY_NS) / 1000000, zeros, id[0]);
	record_make_id((KIT_NOON_NS + KIT_DAY_NS) / 1000000 + 5, zeros, id[1]);
	hold(k, HOLD_RANGE, id[0], id[1]);
	retire(k, 1, 1000, &heard, true);
	CHECK_STR(heard.text, "removed held:case 12/2026 held:case 12/2026");
	/* a file that cannot be understood, or not read, keeps everything */
	kit_write(kit_path(k, HOLD_FILE), BYTES("day 2026-11-2"));
	retire(k, 1, 1000, &heard, false);
	CHECK_U64(kit_segments(k), 3);
	CHECK(strncmp(heard.text, "held:", 5) == 0);
	CHECK(unlink(kit_path(k, HOLD_FILE)) == 0);
	retire(k, 1, 1000, &heard, false);
	CHECK_STR(heard.text, "removed removed removed");
	kit_free(k);
}

static void holds_are_read_as_they_were_written(void)
{
	static const char *const wrong[] = {
		"day 2026-11-24 1 ",
		"day 2026-11-31 1 why",
		"day 2026-11-24 x why",
		"week 2026-11-24 1 why",
		"segment ../ledger.aigw 1 why",
		"segment 2026-11-24/a/b.aigw 1 why",
		"segment 2026-11-24/a.aigw.new 1 why",
		"range " FIRST_ID " 01K8T6QX00ABCDEFGHJKMNPQR 1 why",
		"range " FIRST_ID " 01K8T6QX00ABCDEFGHJKMNPQRI 1 why",
		"range 01K8T6QX00ABCDEFGHJKMNPQRT " FIRST_ID " 1 why",
		"range 81K8T6QX00ABCDEFGHJKMNPQRS 81K8T6QX00ABCDEFGHJKMNPQRS 1 why",
		"day 2026-11-24 1 a\tb",
	};
	struct bytes rest = BYTES("day 2026-11-24 17 two words\n"
				  "segment 2026-11-24/h-1-00.aigw 18 r\n\n"
				  "range " FIRST_ID " " FIRST_ID " 19 r\n");
	struct bytes whole = rest;
	struct buf back = {0};
	struct hold h;

	while (hold_next(&rest, &h) == OK)
		CHECK_ERR(hold_put(&back, &h), OK);
	CHECK_U64(h.since_ns, 19);
	CHECK_U64(back.len + 1, whole.len);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct bytes one = tap_guarded(bytes_str(wrong[i]));
		CHECK_ERR(hold_next(&one, &h), ERR_BAD);
		CHECK_ERR(hold_next(&one, &h), ERR_END);
	}
	buf_done(&back);
}

static void what_a_sink_has_not_acknowledged_stays(void)
{
	struct kit_log *k = three_days();
	char sinks[80];
	struct segment_reader *r = NULL;
	struct heard heard;
	struct acked_open open = {.bytes = 10};

	snprintf(sinks, sizeof sinks, "%s/sinks", k->directory);
	struct buf file = tap_file(kit_segment(k, 0));
	CHECK_ERR(segment_reader_open(buf_view(&file), 0, NULL, &r), OK);
	memcpy(open.segment_id, segment_reader_header(r)->segment_id, 16);
	segment_reader_free(r);
	buf_done(&file);
	/* entries: 0 epoch, 1 opened, 2 closed, 3 opened ... */
	CHECK_ERR(acked_save(sinks, "siem", true, 0, NULL, 0), OK);
	retire(k, 1, 1000, &heard, true);
	CHECK_STR(heard.text, "unacknowledged:siem unacknowledged:siem unacknowledged:siem");
	CHECK_ERR(acked_save(sinks, "siem", true, 4, NULL, 0), OK);
	retire(k, 1, 1000, &heard, true);
	CHECK_STR(heard.text, "removed removed unacknowledged:siem");
	CHECK_ERR(acked_save(sinks, "siem", true, 4, &open, 1), OK);
	retire(k, 1, 1000, &heard, true);
	CHECK_STR(heard.text, "unacknowledged:siem removed unacknowledged:siem");
	open.bytes = 1 << 20;
	CHECK_ERR(acked_save(sinks, "siem", true, 6, &open, 1), OK);
	CHECK_ERR(acked_save(sinks, "copy", false, 0, NULL, 0), OK);
	retire(k, 1, 1000, &heard, true);
	CHECK_STR(heard.text, "removed removed removed");
	/* what is cut off or of a later version acknowledges nothing */
	kit_write(kit_path(k, "sinks/siem.acked"),
		  BYTES("aigw acked 1\nrequired yes\nentries 6\n"));
	retire(k, 1, 1000, &heard, false);
	CHECK_STR(heard.text, "unacknowledged:siem unacknowledged:siem unacknowledged:siem");
	kit_write(kit_path(k, "sinks/siem.acked"),
		  BYTES("aigw acked 2\nrequired no\nentries 6\nend\n"));
	retire(k, 1, 1000, &heard, false);
	CHECK_STR(heard.text, "unacknowledged:siem unacknowledged:siem unacknowledged:siem");
	CHECK_U64(kit_segments(k), 3);
	kit_free(k);
}

static void a_sink_that_is_required_by_name_needs_its_file(void)
{
	struct kit_log *k = three_days();
	static const char *const required[] = {"siem"};
	struct heard heard = {{0}};
	struct retain_result result;
	const struct retain_options options = {
		.ledger = ledger_of(k),
		.required_count = 1,
		.required = required,
		.days = 1,
		.now_ns = KIT_NOON_NS + 1000 * KIT_DAY_NS,
		.context = &heard,
		.on_event = on_event,
	};

	CHECK_ERR(retain(&options, &result), OK);
	CHECK_U64(result.counts[RETAIN_UNACKED], 3);
	CHECK_U64(kit_segments(k), 3);
	kit_free(k);
}

static void acknowledgements_are_read_as_they_were_written(void)
{
	static const char *const wrong[] = {
		"",
		"aigw acked 1\n",
		"aigw acked 1\nrequired maybe\nentries 1\nend\n",
		"aigw acked 1\nrequired yes\nentries -1\nend\n",
		"aigw acked 1\nrequired yes\nentries 1\nend",
		"aigw acked 1\nrequired yes\nentries 1\nend\nopen\n",
		"aigw acked 1\nrequired yes\nentries 1\nopen 00 1\nend\n",
		"aigw acked 1\nrequired yes\nentries 1\nopen 000102030405060708090a0b0c0d0e0g "
		"1\nend\n",
	};
	struct acked a;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		CHECK_ERR(acked_parse(tap_guarded(bytes_str(wrong[i])), &a), ERR_BAD);
	CHECK_ERR(acked_parse(BYTES("aigw acked 2\n"), &a), ERR_UNSUPPORTED);
	CHECK(!acked_is_name(BYTES("../x")) && !acked_is_name(BYTES(".x")) &&
	      !acked_is_name(BYTES("")) && acked_is_name(BYTES("siem-1")));
	CHECK_ERR(acked_save("/nowhere", "a/b", true, 0, NULL, 0), ERR_USAGE);
}

static void what_was_changed_is_evidence_and_stays(void)
{
	struct kit_log *k = three_days();
	struct heard heard;
	char path[SEGMENT_PATH_MAX];

	strcpy(path, kit_segment(k, 1));
	struct buf file = tap_file(path);
	file.at[file.len - 20] ^= 1;
	kit_write(path, buf_view(&file));
	retire(k, 1, 1000, &heard, false);
	CHECK_STR(heard.text, "removed changed removed");
	CHECK_U64(kit_segments(k), 1);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "digest");
	/* under another name */
	file.at[file.len - 20] ^= 1;
	unlink(path);
	path[strlen(path) - 6] ^= 1;
	kit_write(path, buf_view(&file));
	retire(k, 1, 1000, &heard, false);
	CHECK_STR(heard.text, "changed");
	buf_done(&file);
	kit_free(k);
}

static void a_segment_that_is_still_written_stays(void)
{
	struct kit_log *k = kit_new();
	struct heard heard;

	CHECK_ERR(kit_append(k, "x"), OK);
	retire(k, 1, 1000, &heard, false);
	CHECK_STR(heard.text, "open");
	CHECK_ERR(kit_append(k, "y"), OK);
	CHECK_ERR(kit_close(k), OK);
	retire(k, 1, 1000, &heard, false);
	CHECK_STR(heard.text, "removed");
	kit_free(k);
}

static void write_and_be_killed(struct kit_log *k)
{
	CHECK_ERR(kit_append(k, "killed"), OK);
}

static void a_killed_writers_segment_goes_too(void)
{
	struct kit_log *k = kit_new();
	struct heard heard;

	kit_in_child(k, write_and_be_killed);
	retire(k, 1, 1000, &heard, false);
	CHECK_STR(heard.text, "removed");
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

/* The moments at which a run can be killed, made by hand. */
static void what_a_killed_run_left_is_finished(void)
{
	struct kit_log *k = three_days();
	char path[SEGMENT_PATH_MAX], other[SEGMENT_PATH_MAX + 16];
	struct heard heard;

	/* after the ledger's entry */
	strcpy(path, kit_segment(k, 0));
	struct buf file = tap_file(path);
	retire(k, 1, 2, &heard, false);
	CHECK(mkdir(kit_path(k, KIT_DAY), 0700) == 0);
	kit_write(path, buf_view(&file));
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "retired_left");
	retire(k, 1, 2, &heard, false);
	CHECK_STR(heard.text, "finished");
	CHECK(access(path, F_OK) != 0);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	/* after the renaming, half overwritten */
	CHECK(mkdir(kit_path(k, KIT_DAY), 0700) == 0);
	snprintf(other, sizeof other, "%s%s", path, RETAIN_SUFFIX);
	memset(file.at + 300, 0, 40);
	kit_write(other, buf_view(&file));
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	retire(k, 1, 2, &heard, false);
	CHECK_STR(heard.text, "finished");
	CHECK(access(other, F_OK) != 0 && access(kit_path(k, KIT_DAY), F_OK) != 0);
	buf_done(&file);
	/* a name alone retires nothing */
	strcpy(path, kit_segment(k, 0));
	snprintf(other, sizeof other, "%s%s", path, RETAIN_SUFFIX);
	CHECK(rename(path, other) == 0);
	retire(k, 1, 2, &heard, false);
	CHECK_STR(heard.text, "unlisted");
	CHECK(access(other, F_OK) == 0);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "missing_segment");
	kit_free(k);
}

/* A second name for the file shows what is left of it when it is gone. */
static void the_sealed_secrets_are_overwritten_first(void)
{
	struct kit_log *k = three_days();
	struct identity other;
	char path[SEGMENT_PATH_MAX], link_path[2][80], note[SEGMENT_PATH_MAX];
	struct segment_reader *r = NULL;
	uint8_t secret[SEAL_KEY_BYTES];
	struct heard heard;
	struct buf image = {0};

	CHECK_ERR(seal_new_identity(&other), OK);
	strcpy(path, kit_segment(k, 0));
	struct buf file = tap_file(path);
	CHECK_ERR(segment_reader_open(buf_view(&file), 1, &k->identity, &r), OK);
	CHECK(segment_reader_secret(r, secret));
	CHECK_ERR(note_make(segment_reader_header(r)->segment_id, secret, NULL, 1, &other.recipient,
			    &image),
		  OK);
	segment_reader_free(r);
	CHECK_ERR(note_save(path, buf_view(&image)), OK);
	CHECK_ERR(note_path(path, note), OK);
	snprintf(link_path[0], sizeof link_path[0], "%s/segment", k->directory);
	snprintf(link_path[1], sizeof link_path[1], "%s/note", k->directory);
	CHECK(link(path, link_path[0]) == 0 && link(note, link_path[1]) == 0);
	retire(k, 1, 2, &heard, false);
	CHECK_STR(heard.text, "removed");
	CHECK(access(note, F_OK) != 0);
	struct buf after = tap_file(link_path[0]);
	CHECK_ERR(segment_reader_open(buf_view(&after), 1, &k->identity, &r), OK);
	CHECK(!segment_reader_has_key(r));
	buf_done(&after);
	after = tap_file(link_path[1]);
	CHECK(!segment_reader_use_note(r, buf_view(&after), 1, &other));
	segment_reader_free(r);
	buf_done(&after);
	buf_done(&file);
	buf_done(&image);
	kit_free(k);
}

static void a_directory_without_a_log_is_said_so(void)
{
	struct retain_result result;
	const struct retain_options options = {.ledger = {.directory = "/nowhere/at/all"},
					       .days = 1};

	CHECK_ERR(retain(&options, &result), ERR_MISSING);
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(days_come_back_as_they_were_written),
		  TEST(old_segments_go_and_the_log_stays_whole), TEST(what_is_held_stays),
		  TEST(holds_are_read_as_they_were_written),
		  TEST(what_a_sink_has_not_acknowledged_stays),
		  TEST(a_sink_that_is_required_by_name_needs_its_file),
		  TEST(acknowledgements_are_read_as_they_were_written),
		  TEST(what_was_changed_is_evidence_and_stays),
		  TEST(a_segment_that_is_still_written_stays),
		  TEST(a_killed_writers_segment_goes_too), TEST(what_a_killed_run_left_is_finished),
		  TEST(the_sealed_secrets_are_overwritten_first),
		  TEST(a_directory_without_a_log_is_said_so));
}
