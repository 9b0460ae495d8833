/* SPDX-License-Identifier: MIT
 *
 * make-vectors DIRECTORY [CIPHER]: wrote tests/vectors/audit-v1, and with cipher 2 audit-v1-aes,
 * once each. Kept to show how; the vectors are frozen: a later version of the format gets vectors
 * of its own.
 */
#include <fcntl.h>

#include "audit/note.h"
#include "audit/retain.h"
#include "audit_kit.h"

#define BOOT "5a1e0000-0000-4000-8000-000000000001"

static struct identity one, two;
static char base[200];
static enum seal_cipher cipher = SEAL_XCHACHA20_POLY1305;

static void need_ok(enum err e)
{
	if (e)
		kit_bail(err_name(e));
}

static void write_key(const char *name, const struct identity *i)
{
	char path[300], text[IDENTITY_CHARS_MAX + 1];

	snprintf(path, sizeof path, "%s/%s", base, name);
	seal_put_identity(i, text);
	strcat(text, "\n");
	kit_write(path, bytes_str(text));
}

static struct segment_config config_of(char *directory, size_t cap, const char *log,
				       const struct recipient *recipients, size_t count)
{
	static struct buf start;
	struct segment_config c = {.recipients = recipients, .recipient_count = count};

	snprintf(directory, cap, "%s/%s", base, log);
	buf_reset(&start);
	need_ok(record_put(&start, F_HOST, BYTES("ward-3")));
	need_ok(record_put_u64(&start, F_PID, 17));
	c.directory = directory;
	c.host = "ward-3";
	c.boot_id = BOOT;
	c.cipher = cipher;
	memset(c.policy_digest, 0x50, sizeof c.policy_digest);
	c.start_record = buf_view(&start);
	return c;
}

static void put(struct segment_writer *w, const struct segment_config *c, unsigned kind,
		uint64_t time_ns, enum field f, const char *text)
{
	struct buf record = {0};

	need_ok(record_put(&record, f, bytes_str(text)));
	need_ok(segment_append(w, c, (enum record_kind)kind, time_ns, buf_view(&record)));
	buf_done(&record);
}

/* Every kind of record, every type of field, an empty record, and one that a later version wrote:
 * kind 900 with a field 9000. */
static void make_kinds(void)
{
	char directory[300];
	struct segment_config c = config_of(directory, sizeof directory, "kinds", &one.recipient,
					    1);
	struct segment_writer w = {.open = false};
	struct buf record = {0};
	uint64_t t = KIT_NOON_NS;

	put(&w, &c, REC_REQUEST, t++, F_REQUEST_BODY, "{\"model\":\"gpt-5\"}");
	put(&w, &c, REC_RESPONSE_PART, t++, F_RESPONSE_BODY, "data: {}\n\n");
	need_ok(record_put(&record, F_OUTCOME, BYTES("complete")));
	need_ok(record_put_u64(&record, F_USAGE_INPUT_TOKENS, UINT64_C(0x1122334455667788)));
	need_ok(record_put_bool(&record, F_STREAM, true));
	need_ok(record_put(&record, F_TOOL_CALLS, BYTES("[]")));
	need_ok(record_put(&record, F_CHANGES, BYTES("/store: absent -> false\0/n: 2 -> 1")));
	need_ok(segment_append(&w, &c, REC_RESPONSE, t++, buf_view(&record)));
	put(&w, &c, REC_ABORTED, t++, F_OUTCOME, "aborted_by_program");
	put(&w, &c, REC_REFUSED_CONNECTION, t++, F_REASON, "opaque_tls");
	put(&w, &c, REC_POLICY_CHANGE, t++, F_POLICY_PATH, "/etc/aigw/policy.json");
	put(&w, &c, REC_KEY_CHANGE, t++, F_KEY_ACTION, "add");
	buf_reset(&record);
	need_ok(record_put_u64(&record, F_GAP_COUNT, 3));
	need_ok(record_put_u64(&record, F_GAP_SINCE_NS, KIT_NOON_NS - 5));
	need_ok(segment_append(&w, &c, REC_GAP, t++, buf_view(&record)));
	put(&w, &c, REC_CONNECTION, t++, F_PEER, "192.0.2.7:443");
	need_ok(segment_append(&w, &c, REC_CONNECTION, t++, BYTES_NONE));
	put(&w, &c, 900, t++, (enum field)9000, "of a later version");
	need_ok(segment_close(&w, &c, t));
	buf_done(&record);
}

/* Every kind of ledger entry: two epochs, opened, closed, given up, retired; segments of one and of
 * two recipients, and a note. */
static void make_ledger(void)
{
	char directory[300];
	const struct recipient both[] = {one.recipient, two.recipient};
	struct segment_config c = config_of(directory, sizeof directory, "ledger", both, 1);
	struct segment_writer w = {.open = false};
	struct segment_reader *r = NULL;
	struct buf note = {0};
	uint8_t secret[SEAL_KEY_BYTES];
	char path[SEGMENT_PATH_MAX];
	struct retain_result result;

	put(&w, &c, REC_REQUEST, KIT_NOON_NS - KIT_DAY_NS, F_ID, "retired");
	put(&w, &c, REC_REQUEST, KIT_NOON_NS, F_ID, "given up");
	strcpy(path, w.path);
	FILE *f = fopen(path, "ab");
	if (!f || fputs("xyz", f) < 0 || fclose(f))
		kit_bail("cannot lengthen");
	put(&w, &c, REC_REQUEST, KIT_NOON_NS + 1, F_ID, "with a note");
	struct buf file = tap_file(w.path);
	need_ok(segment_reader_open(buf_view(&file), 1, &one, &r));
	if (!segment_reader_secret(r, secret))
		kit_bail("no secret");
	need_ok(note_make(segment_reader_header(r)->segment_id, secret, NULL, 1, &both[1], &note));
	need_ok(note_save(w.path, buf_view(&note)));
	segment_reader_free(r);
	c.recipient_count = 2;
	put(&w, &c, REC_REQUEST, KIT_NOON_NS + 2, F_ID, "for two");
	need_ok(segment_close(&w, &c, KIT_NOON_NS + 3));
	const struct retain_options options = {.ledger = {directory, 2, both, BOOT, false},
					       .days = 1,
					       .now_ns = KIT_NOON_NS + KIT_DAY_NS};
	need_ok(retain(&options, &result));
	if (result.counts[RETAIN_REMOVED] != 1)
		kit_bail("nothing was retired");
	buf_done(&file);
	buf_done(&note);
}

/* A killed writer: half a record at the end of its segment, half an entry at the end of the ledger.
 */
static void make_torn(void)
{
	char directory[300], path[SEGMENT_PATH_MAX], ledger[400];
	struct segment_config c = config_of(directory, sizeof directory, "torn", &one.recipient, 1);
	struct segment_writer w = {.open = false};

	put(&w, &c, REC_REQUEST, KIT_NOON_NS, F_ID, "whole");
	strcpy(path, w.path);
	uint64_t whole = w.offset;
	put(&w, &c, REC_REQUEST, KIT_NOON_NS + 1, F_ID, "torn");
	if (truncate(path, (off_t)(whole + (w.offset - whole) / 2)))
		kit_bail("truncate");
	segment_forget(&w);
	snprintf(ledger, sizeof ledger, "%s/ledger", directory);
	FILE *f = fopen(ledger, "ab");
	if (!f || fwrite("\xA1gwl\3", 1, 5, f) != 5 || fclose(f))
		kit_bail("cannot tear");
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3 || seal_init() || seal_new_identity(&one) ||
	    seal_new_identity(&two))
		return 2;
	snprintf(base, sizeof base, "%s", argv[1]);
	if (argc == 3)
		cipher = (enum seal_cipher)atoi(argv[2]);
	write_key("one.key", &one);
	write_key("two.key", &two);
	make_kinds();
	make_ledger();
	make_torn();
	return 0;
}
