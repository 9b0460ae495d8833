/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/syscall.h>

#include "audit/checkpoint.h"
#include "audit/frame.h"
#include "audit_kit.h"

/* Under a sanitizer every n-th bit, which still visits every field. */
#define BIT_STEP (KIT_SLOW ? 5 : 1)
#define FIXTURE  "tests/fixtures/audit/v1"

/* ---- logs to be tampered with ---- */

static void write_three(struct kit_log *k)
{
	CHECK_ERR(kit_append(k, "one"), OK);
	CHECK_ERR(kit_append(k, "two"), OK);
	CHECK_ERR(kit_append(k, "three"), OK);
}

static struct kit_log *closed_log(void)
{
	struct kit_log *k = kit_new();

	write_three(k);
	CHECK_ERR(kit_close(k), OK);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	return k;
}

static struct kit_log *killed_log(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, write_three);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "no_end");
	return k;
}

/* The frames of a segment: frame i is [at[i], at[i + 1]). */
struct frames {
	struct buf file;
	size_t at[16], count;
};

static struct frames cut_up(const char *path)
{
	struct frames f = {.file = tap_file(path)};
	struct format_frame head;
	struct format_segment header;

	memcpy(&header, f.file.at, sizeof header);
	f.at[0] = header.header_bytes;
	while (frame_parse(buf_view(&f.file), f.at[f.count], &head)) {
		f.at[f.count + 1] = f.at[f.count] + FORMAT_FRAME_MIN + head.body_bytes;
		f.count++;
	}
	return f;
}

/* The same header with frames in the order given, ended by -1. */
static void rearrange(const char *path, const struct frames *f, const int *order)
{
	struct buf out = {0};

	CHECK_ERR(buf_put(&out, bytes_slice(buf_view(&f->file), 0, f->at[0])), OK);
	for (; *order >= 0; order++)
		CHECK_ERR(buf_put(&out, bytes_slice(buf_view(&f->file), f->at[*order],
						    f->at[*order + 1] - f->at[*order])),
			  OK);
	kit_write(path, buf_view(&out));
	buf_done(&out);
}

/* ---- bits ---- */

static void flip_every_bit(struct kit_log *k, const char *path, bool with_key, size_t step,
			   enum verdict least)
{
	struct buf file = tap_file(path);
	unsigned long flips = 0, missed = 0, weak = 0;
	int fd = open(path, O_WRONLY);

	for (size_t bit = 0; bit < file.len * 8; bit += step) {
		uint8_t changed = file.at[bit / 8] ^ (uint8_t)(1 << bit % 8);
		CHECK(pwrite(fd, &changed, 1, (off_t)(bit / 8)) == 1);
		struct kit_verdict v = kit_verify_with(k, with_key);
		CHECK_ERR(v.err, OK);
		if (v.result.verdict == VERDICT_WHOLE || v.result.findings == 0)
			missed++;
		/* a version, a cipher or a flag from the future cannot be verified, nor excused */
		if (v.result.verdict != least && v.result.verdict != VERDICT_CANNOT)
			weak++;
		flips++;
		CHECK(pwrite(fd, &file.at[bit / 8], 1, (off_t)(bit / 8)) == 1);
	}
	close(fd);
	printf("# %lu bits of %s flipped, %lu not found\n", flips, strrchr(path, '/') + 1, missed);
	CHECK_U64(missed, 0);
	CHECK_U64(weak, 0);
	buf_done(&file);
}

static void every_flipped_bit_of_a_segment_is_found(void)
{
	kit_cipher = SEAL_XCHACHA20_POLY1305;
	for (int i = 0; i < 2; i++) {
		struct kit_log *k = closed_log();
		flip_every_bit(k, kit_segment(k, 0), true, BIT_STEP, VERDICT_TAMPERED);
		flip_every_bit(k, kit_segment(k, 0), false, 7 * BIT_STEP, VERDICT_TAMPERED);
		KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
		kit_free(k);
		kit_cipher = 0;
		if (seal_best_cipher() == SEAL_XCHACHA20_POLY1305)
			break;
	}
}

static void every_flipped_bit_of_a_killed_writers_segment_is_found(void)
{
	struct kit_log *k = killed_log();

	flip_every_bit(k, kit_segment(k, 0), true, 3 * BIT_STEP, VERDICT_TAMPERED);
	kit_free(k);
}

static void every_flipped_bit_of_the_ledger_is_found(void)
{
	struct kit_log *k = closed_log();

	flip_every_bit(k, kit_path(k, "ledger"), true, BIT_STEP, VERDICT_TAMPERED);
	flip_every_bit(k, kit_path(k, "ledger"), false, 7 * BIT_STEP, VERDICT_TAMPERED);
	flip_every_bit(k, kit_path(k, "ledger.key"), true, BIT_STEP, VERDICT_TAMPERED);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

/* ---- records ---- */

static void every_record_removed_swapped_or_repeated_is_found(void)
{
	for (int killed = 0; killed < 2; killed++) {
		struct kit_log *k = killed ? killed_log() : closed_log();
		char *path = kit_segment(k, 0);
		struct frames f = cut_up(path);
		int n = (int)f.count, order[20];
		CHECK_U64(n, killed ? 4 : 5);
		for (int gone = 0; gone < n; gone++) {
			int m = 0;
			for (int i = 0; i < n; i++)
				if (i != gone)
					order[m++] = i;
			order[m] = -1;
			rearrange(path, &f, order);
			/* the last record of a process that was killed: nobody can tell, and it
			 * says so */
			if (killed && gone == n - 1)
				KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "no_end");
			else
				KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED,
					   gone < n - 1 ? "missing_record" : "cut");
		}
		for (int a = 0; a < n; a++) {
			for (int b = a + 1; b < n; b++) {
				for (int i = 0; i < n; i++)
					order[i] = i == a ? b : i == b ? a : i;
				order[n] = -1;
				rearrange(path, &f, order);
				KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "out_of_order");
			}
		}
		for (int twice = 0; twice < n; twice++) {
			for (int where = twice; where < n; where++) {
				int m = 0;
				for (int i = 0; i < n; i++) {
					order[m++] = i;
					if (i == where)
						order[m++] = twice;
				}
				order[m] = -1;
				rearrange(path, &f, order);
				KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "out_of_order");
			}
		}
		kit_write(path, buf_view(&f.file));
		KIT_EXPECT(kit_verify(k), killed ? VERDICT_INCOMPLETE : VERDICT_WHOLE, NULL);
		buf_done(&f.file);
		kit_free(k);
	}
}

static void a_record_of_another_segment_is_found(void)
{
	struct kit_log *k = closed_log();
	char path[SEGMENT_PATH_MAX];
	struct buf out = {0};

	strcpy(path, kit_segment(k, 0));
	write_three(k);
	CHECK_ERR(kit_close(k), OK);
	struct frames a = cut_up(kit_segment(k, 0)), b = cut_up(kit_segment(k, 1));
	strcpy(path, kit_segment(k, 0));
	CHECK_ERR(buf_put(&out, bytes_slice(buf_view(&a.file), 0, a.at[2])), OK);
	CHECK_ERR(buf_put(&out, bytes_slice(buf_view(&b.file), b.at[2], b.at[3] - b.at[2])), OK);
	CHECK_ERR(buf_put(&out, bytes_from(buf_view(&a.file), a.at[3])), OK);
	kit_write(path, buf_view(&out));
	struct kit_verdict v = kit_verify(k);
	CHECK(v.result.verdict == VERDICT_TAMPERED && strstr(v.codes, "changed") &&
	      strstr(v.codes, "digest"));
	buf_done(&out);
	buf_done(&a.file);
	buf_done(&b.file);
	kit_free(k);
}

static void damage_before_an_intact_record_is_never_a_torn_tail(void)
{
	struct kit_log *k = killed_log();
	char *path = kit_segment(k, 0);
	struct frames f = cut_up(path);

	/* the second record torn in the middle, the third one whole */
	for (size_t keep = 0; keep < f.at[2] - f.at[1]; keep += 13) {
		struct buf out = {0};
		CHECK_ERR(buf_put(&out, bytes_slice(buf_view(&f.file), 0, f.at[1] + keep)), OK);
		CHECK_ERR(buf_put(&out, bytes_from(buf_view(&f.file), f.at[2])), OK);
		kit_write(path, buf_view(&out));
		struct kit_verdict v = kit_verify(k);
		CHECK_U64(v.result.verdict, VERDICT_TAMPERED);
		/* with its head whole it is known as the record that is damaged */
		bool headless = keep < sizeof(struct format_frame);
		CHECK(strstr(v.codes, headless ? "missing_record" : "changed") != NULL);
		CHECK_U64(v.result.records, headless ? 3 : 4);
		CHECK_U64(v.result.unopened, 0);
		buf_done(&out);
	}
	buf_done(&f.file);
	kit_free(k);
}

/* ---- cuts ---- */

static void every_cut_of_a_segment_is_found(void)
{
	for (int killed = 0; killed < 2; killed++) {
		struct kit_log *k = killed ? killed_log() : closed_log();
		char *path = kit_segment(k, 0);
		struct frames f = cut_up(path);
		for (size_t n = 0; n < f.file.len; n++) {
			kit_write(path, bytes_slice(buf_view(&f.file), 0, n));
			struct kit_verdict v = kit_verify(k);
			enum verdict expected = killed && n >= f.at[0] ? VERDICT_INCOMPLETE
								       : VERDICT_TAMPERED;
			if (v.err || v.result.verdict != expected)
				tap_fail(__FILE__, __LINE__, "cut at %zu: %s:%s", n,
					 verdict_name(v.result.verdict), v.codes);
		}
		buf_done(&f.file);
		kit_free(k);
	}
}

static void every_cut_of_the_ledger_is_found(void)
{
	struct kit_log *k = closed_log();
	struct buf file = tap_file(kit_path(k, "ledger")),
		   key = tap_file(kit_path(k, "ledger.key"));

	for (size_t n = 0; n < file.len; n++) {
		kit_write(kit_path(k, "ledger"), bytes_slice(buf_view(&file), 0, n));
		struct kit_verdict v = kit_verify(k);
		if (v.err || v.result.verdict != VERDICT_TAMPERED)
			tap_fail(__FILE__, __LINE__, "cut at %zu: %s:%s", n,
				 verdict_name(v.result.verdict), v.codes);
	}
	kit_write(kit_path(k, "ledger"), buf_view(&file));
	for (size_t n = 0; n < key.len; n++) {
		kit_write(kit_path(k, "ledger.key"), bytes_slice(buf_view(&key), 0, n));
		KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "ledger_key_changed");
	}
	CHECK(unlink(kit_path(k, "ledger.key")) == 0);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "ledger_key_missing");
	CHECK(unlink(kit_path(k, "ledger")) == 0);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "ledger_missing");
	buf_done(&file);
	buf_done(&key);
	kit_free(k);
}

static void zeros_of_a_power_cut_are_a_torn_tail(void)
{
	struct kit_log *k = killed_log();
	char *path = kit_segment(k, 0);
	struct buf file = tap_file(path);
	uint8_t zeros[5000] = {0};

	CHECK_ERR(buf_put(&file, bytes_of(zeros, sizeof zeros)), OK);
	kit_write(path, buf_view(&file));
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "torn_tail");
	file.at[file.len - 1] = 1;
	kit_write(path, buf_view(&file));
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "changed");
	buf_done(&file);
	kit_free(k);
}

/* ---- whole files ---- */

static void a_segment_removed_moved_copied_or_added_is_found(void)
{
	struct kit_log *k = closed_log(), *other = closed_log();
	char path[SEGMENT_PATH_MAX], to[SEGMENT_PATH_MAX + 32];
	struct buf file;

	strcpy(path, kit_segment(k, 0));
	file = tap_file(path);
	snprintf(to, sizeof to, "%s/%s/moved.aigw", k->directory, KIT_DAY);
	CHECK(rename(path, to) == 0);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "missing_segment");
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "moved");
	kit_write(path, buf_view(&file));
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "moved"); /* now a copy */
	CHECK(unlink(to) == 0);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	CHECK(unlink(path) == 0);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "missing_segment");
	snprintf(to, sizeof to, "%s.hidden", path);
	kit_write(to, buf_view(&file));
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "missing_segment");
	/* another log's segment in its place, then beside it */
	struct buf foreign = tap_file(kit_segment(other, 0));
	kit_write(path, buf_view(&foreign));
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "replaced");
	kit_write(path, buf_view(&file));
	snprintf(to, sizeof to, "%s/%s/added.aigw", k->directory, KIT_DAY);
	kit_write(to, buf_view(&foreign));
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "unlisted");
	buf_done(&foreign);
	buf_done(&file);
	kit_free(k);
	kit_free(other);
}

/* The ledger made anew from nothing, with everything right in itself: later segments remember. */
static void a_ledger_written_anew_contradicts_the_segments(void)
{
	struct kit_log *k = closed_log();
	char first[SEGMENT_PATH_MAX];

	strcpy(first, kit_segment(k, 0));
	write_three(k);
	CHECK_ERR(kit_close(k), OK);
	char *second = strcmp(kit_segment(k, 0), first) ? kit_segment(k, 0) : kit_segment(k, 1);
	struct buf file = tap_file(second);
	const char *below = second + strlen(k->directory) + 1;
	struct ledger_config c = {k->directory, 1, &k->identity.recipient, "", false};
	struct ledger_entry opened = {.kind = FORMAT_LEDGER_OPENED, .path = bytes_str(below)};
	struct ledger_entry closed = {.kind = FORMAT_LEDGER_CLOSED};
	struct segment_reader *r;
	struct segment_record record;
	CHECK_ERR(segment_reader_open(buf_view(&file), 0, NULL, &r), OK);
	memcpy(opened.segment_id, segment_reader_header(r)->segment_id, 16);
	memcpy(closed.segment_id, segment_reader_header(r)->segment_id, 16);
	memcpy(opened.header_digest, segment_reader_header(r)->digest, 32);
	while (segment_next(r, &record) == OK)
		closed.records++;
	CHECK(segment_reader_chain(r, closed.chain));
	segment_reader_free(r);
	struct bytes all = buf_view(&file);
	file_digest_of(all, closed.digest);
	closed.bytes = file.len;
	CHECK(unlink(first) == 0 && unlink(kit_path(k, "ledger")) == 0 &&
	      unlink(kit_path(k, "ledger.key")) == 0);
	CHECK_ERR(ledger_append(&c, KIT_NOON_NS, &opened), OK);
	CHECK_ERR(ledger_append(&c, KIT_NOON_NS, &closed), OK);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "ledger_history");
	buf_done(&file);
	kit_free(k);
}

/* What this host alone cannot tell: a witness outside is for that. */
static void an_older_copy_of_everything_looks_whole(void)
{
	struct kit_log *k = closed_log();
	struct buf ledger = tap_file(kit_path(k, "ledger")),
		   key = tap_file(kit_path(k, "ledger.key"));
	char first[SEGMENT_PATH_MAX];

	strcpy(first, kit_segment(k, 0));
	write_three(k);
	CHECK_ERR(kit_close(k), OK);
	CHECK(unlink(strcmp(kit_segment(k, 0), first) ? kit_segment(k, 0) : kit_segment(k, 1)) ==
	      0);
	kit_write(kit_path(k, "ledger"), buf_view(&ledger));
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "ledger_cut");
	kit_write(kit_path(k, "ledger.key"), buf_view(&key));
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	buf_done(&ledger);
	buf_done(&key);
	kit_free(k);
}

static void files_that_are_no_segments_are_told(void)
{
	struct kit_log *k = closed_log();
	char path[SEGMENT_PATH_MAX];

	snprintf(path, sizeof path, "%s/%s/zz.aigw", k->directory, KIT_DAY);
	kit_write(path, BYTES("hello"));
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "header_changed");
	kit_write(path, BYTES(""));
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "header_changed");
	CHECK(unlink(path) == 0 && symlink("/dev/zero", path) == 0);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "not_a_segment");
	CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "not_a_segment");
	CHECK(rmdir(path) == 0);
	kit_write(path, BYTES(""));
	CHECK(truncate(path, (off_t)1 << 32) == 0); /* sparse: larger than any segment */
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "not_a_segment");
	CHECK(unlink(path) == 0);
	/* other names and other directories are nobody's business */
	snprintf(path, sizeof path, "%s/%s/notes.txt", k->directory, KIT_DAY);
	kit_write(path, BYTES("hello"));
	CHECK(mkdir(kit_path(k, "2026-11-2x"), 0700) == 0);
	kit_write(kit_path(k, "2026-11-25"), BYTES("a file named like a day"));
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

/* ---- processes ---- */

static void a_log_being_written_is_open_and_whole(void)
{
	struct kit_log *k = kit_new();
	struct kit_verdict v;

	write_three(k);
	v = kit_verify(k);
	CHECK_U64(v.result.verdict, VERDICT_WHOLE);
	CHECK_U64(v.result.open_segments, 1);
	CHECK_U64(v.result.records, 4);
	/* the same bytes, said to be from another start of the host, are of a process that is gone
	 */
	CHECK_ERR(kit_close(k), OK);
	k->config.boot_id = "00000000-0000-0000-0000-000000000000";
	write_three(k);
	v = kit_verify(k);
	CHECK_U64(v.result.verdict, VERDICT_INCOMPLETE);
	CHECK(strstr(v.codes, "no_end") != NULL);
	kit_free(k);
}

static void close_all_but_the_last_word(struct kit_log *k)
{
	/* the end record goes out, and then the process is killed before the ledger is told */
	write_three(k);
	struct buf ledger = tap_file(kit_path(k, "ledger")),
		   key = tap_file(kit_path(k, "ledger.key"));
	CHECK_ERR(kit_close(k), OK);
	kit_write(kit_path(k, "ledger"), buf_view(&ledger));
	kit_write(kit_path(k, "ledger.key"), buf_view(&key));
	buf_done(&ledger);
	buf_done(&key);
}

static void a_kill_between_end_and_ledger_is_explained(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, close_all_but_the_last_word);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "not_closed");
	kit_free(k);
}

static void open_all_but_the_last_word(struct kit_log *k)
{
	struct buf ledger = tap_file(kit_path(k, "ledger")),
		   key = tap_file(kit_path(k, "ledger.key"));

	/* renamed into place, and killed before the ledger is told */
	CHECK_ERR(kit_append(k, "x"), OK);
	struct frames f = cut_up(k->writer.path);
	kit_write(k->writer.path, bytes_slice(buf_view(&f.file), 0, f.at[1]));
	kit_write(kit_path(k, "ledger"), buf_view(&ledger));
	kit_write(kit_path(k, "ledger.key"), buf_view(&key));
	buf_done(&ledger);
	buf_done(&key);
	buf_done(&f.file);
}

static void open_the_first_but_no_ledger(struct kit_log *k)
{
	CHECK_ERR(kit_append(k, "x"), OK);
	struct frames f = cut_up(k->writer.path);
	kit_write(k->writer.path, bytes_slice(buf_view(&f.file), 0, f.at[1]));
	buf_done(&f.file);
	CHECK(unlink(kit_path(k, "ledger")) == 0);
	CHECK(unlink(kit_path(k, "ledger.key")) == 0);
}

static void a_kill_before_there_was_a_ledger_is_explained(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, open_the_first_but_no_ledger);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "no_end");
	/* the lock was made, the ledger not */
	kit_write(kit_path(k, "ledger.key"), BYTES_NONE);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "no_end");
	/* whoever has a state, or a record, had a ledger */
	kit_write(kit_path(k, "ledger.key"), BYTES("x"));
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "ledger_missing");
	kit_free(k);
}

static void a_kill_while_a_segment_is_opened_is_explained(void)
{
	struct kit_log *k = closed_log();
	char path[SEGMENT_PATH_MAX];

	kit_in_child(k, open_all_but_the_last_word);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "unlisted");
	kit_free(k);
	/* killed before the rename: nothing was acknowledged, nothing is missing */
	k = closed_log();
	struct frames f = cut_up(kit_segment(k, 0));
	snprintf(path, sizeof path, "%s/%s/ward-3-1-0.aigw.new", k->directory, KIT_DAY);
	kit_write(path, bytes_slice(buf_view(&f.file), 0, 100));
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	buf_done(&f.file);
	kit_free(k);
}

/* Verify runs while writers write: it never raises a false alarm. */
static void write_and_rotate(struct kit_log *k)
{
	uint64_t now = KIT_NOON_NS;

	for (int i = 0; i < (KIT_SLOW ? 20 : 60); i++, now += KIT_DAY_NS / 3)
		if (segment_append(&k->writer, &k->config, REC_REQUEST, now, BYTES("busy")))
			_exit(1);
	_exit(segment_close(&k->writer, &k->config, now));
}

static void verifying_a_busy_log_raises_no_false_alarm(void)
{
	struct kit_log *k = closed_log();
	pid_t pids[4];
	int left = 4, status;
	unsigned verified = 0;

	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			write_and_rotate(k);
	}
	while (left) {
		struct kit_verdict v = kit_verify(k);
		/* a process that closed and is gone, or is just going, may show as incomplete */
		if (v.err || v.result.verdict != VERDICT_WHOLE)
			tap_fail(__FILE__, __LINE__, "%s: %s:%s", err_name(v.err),
				 verdict_name(v.result.verdict), v.codes);
		verified++;
		for (int i = 0; i < 4; i++) {
			if (pids[i] && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				CHECK_U64(status, 0);
				pids[i] = 0;
				left--;
			}
		}
	}
	printf("# verified %u times meanwhile\n", verified);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

/* ---- what is asked for ---- */

static struct kit_verdict verify_as(struct verify_options o)
{
	struct kit_verdict v = {0};

	o.context = &v;
	o.on_finding = kit_on_finding;
	v.err = verify(&o, &v.result);
	return v;
}

static void one_day_or_one_file_can_be_asked_for(void)
{
	struct kit_log *k = closed_log();
	char first[SEGMENT_PATH_MAX], second[SEGMENT_PATH_MAX];
	struct verify_options o = {.identity_count = 1, .identities = &k->identity};
	struct kit_verdict v;

	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS + KIT_DAY_NS,
				 BYTES("next day")),
		  OK);
	CHECK_ERR(segment_close(&k->writer, &k->config, KIT_NOON_NS + KIT_DAY_NS), OK);
	strcpy(first, kit_segment(k, 0));
	strcpy(second, kit_segment(k, 1));
	struct buf file = tap_file(second);
	file.at[file.len / 2] ^= 1;
	kit_write(second, buf_view(&file));
	o.directory = k->directory;
	CHECK_U64(verify_as(o).result.verdict, VERDICT_TAMPERED);
	o.day = "2026-11-24";
	v = verify_as(o);
	CHECK_U64(v.result.verdict, VERDICT_WHOLE);
	CHECK_U64(v.result.segments, 1);
	o.day = "2026-11-25";
	CHECK_U64(verify_as(o).result.verdict, VERDICT_TAMPERED);
	o.day = "2026-11-2";
	CHECK_U64(verify_as(o).result.segments, 0);
	CHECK(unlink(second) == 0);
	o.day = "2026-11-25";
	v = verify_as(o);
	CHECK(v.result.verdict == VERDICT_TAMPERED && strstr(v.codes, "missing_segment"));
	o.day = NULL;
	o.directory = NULL;
	o.segment = first;
	v = verify_as(o);
	CHECK_U64(v.result.verdict, VERDICT_WHOLE);
	CHECK(v.result.ledger_checked);
	CHECK_U64(v.result.records, 5);
	/* carried elsewhere, without its ledger */
	char copy[128];
	snprintf(copy, sizeof copy, "%.*s/copy.aigw",
		 (int)(strrchr(k->directory, '/') - k->directory), k->directory);
	buf_done(&file);
	file = tap_file(first);
	kit_write(copy, buf_view(&file));
	o.segment = copy;
	v = verify_as(o);
	CHECK_U64(v.result.verdict, VERDICT_WHOLE);
	CHECK(!v.result.ledger_checked);
	buf_done(&file);
	kit_free(k);
}

static void what_cannot_be_verified_is_an_error(void)
{
	struct verify_options o = {.directory = "/tmp/aigw-no-such-log"};
	struct verify_result r = {.records = 77};

	CHECK_ERR(verify(&o, &r), ERR_MISSING);
	o.directory = NULL;
	CHECK_ERR(verify(&o, &r), ERR_USAGE);
	o.segment = "/tmp/aigw-no-such-log/x.aigw";
	CHECK_ERR(verify(&o, &r), ERR_MISSING);
	o.segment = "/tmp";
	CHECK_ERR(verify(&o, &r), ERR_BAD);
	CHECK_U64(r.records, 77);
	CHECK_STR(verdict_name(VERDICT_WHOLE), "whole");
	CHECK_STR(verdict_name(VERDICT_TAMPERED), "tampered");
}

static uint64_t last_done, last_total;

static void on_progress(void *context, uint64_t done, uint64_t total)
{
	CHECK(done > last_done && done <= total);
	last_done = done;
	last_total = total;
}

static void progress_is_told_in_bytes(void)
{
	struct kit_log *k = closed_log();
	struct verify_options o = {.directory = k->directory, .on_progress = on_progress};
	struct verify_result r;

	write_three(k);
	CHECK_ERR(kit_close(k), OK);
	last_done = 0;
	CHECK_ERR(verify(&o, &r), OK);
	CHECK(last_done == last_total && last_done == r.bytes && r.bytes > 1000);
	kit_free(k);
}

static void segments_are_listed_by_day_and_start(void)
{
	struct kit_log *k = kit_new();
	static const uint64_t times[] = {3, 1, 2, 86400 + 5, 86400 + 4, 0};
	struct segment_place *places;
	size_t count, i;

	for (i = 0; i < sizeof times / sizeof times[0]; i++) {
		uint64_t now = KIT_NOON_NS + times[i] * 1000000000u;
		CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, now, BYTES("x")), OK);
		CHECK_ERR(segment_close(&k->writer, &k->config, now), OK);
	}
	CHECK_ERR(segment_list(k->directory, &places, &count), OK);
	CHECK_U64(count, i);
	uint64_t before = 0;
	for (i = 0; i < count; i++) {
		struct format_segment head;
		size_t got;
		CHECK_ERR(files_peek(places[i].path, &head, sizeof head, &got), OK);
		CHECK(head.started_ns > before);
		before = head.started_ns;
		CHECK(places[i].bytes > 500);
	}
	free(places);
	CHECK_ERR(segment_list("/tmp/aigw-no-such-log", &places, &count), ERR_MISSING);
	kit_free(k);
}

/* ---- memory ---- */

static struct kit_log *failing;

static enum err verify_failing(void)
{
	struct kit_verdict v = kit_verify(failing);

	CHECK(v.err || v.result.verdict == VERDICT_INCOMPLETE);
	return v.err;
}

static void no_memory_is_reported(void)
{
	failing = killed_log();
	write_three(failing);
	CHECK_ERR(kit_close(failing), OK);
	tap_fail_each_allocation(verify_failing);
	kit_free(failing);
}

/* ---- the format of version 1, as it was written once ---- */

static void a_log_of_version_1_is_read_as_it_was_written(void)
{
	static const struct {
		enum record_kind kind;
		uint64_t time_ns;
		enum field field;
		const char *text;
	} expected[] = {
		{REC_START, 1795521600000000000, F_HOST, "ward-3"},
		{REC_REQUEST, 1795521600000000000, F_REQUEST_BODY, "{\"model\":\"gpt-5\"}"},
		{REC_RESPONSE_PART, 1795521600000000002, F_RESPONSE_BODY, "data: {}\n\n"},
		{REC_RESPONSE, 1795521600000000003, F_OUTCOME, "complete"},
		{REC_ABORTED, 1795521600000000004, F_OUTCOME, "aborted_by_program"},
		{REC_REFUSED_CONNECTION, 1795521600000000005, F_REASON, "opaque_tls"},
		{REC_POLICY_CHANGE, 1795521600000000006, F_POLICY_PATH, "/etc/aigw/policy.json"},
		{REC_KEY_CHANGE, 1795521600000000007, F_KEY_PREFIX, "aigw-prod"},
		{REC_GAP, 1795521600000000008, F_PROBLEM, "disk full"},
		{REC_END, 1795521600000000009, F_END_RECORDS, NULL},
	};
	struct buf key = tap_file(FIXTURE "/key");
	struct identity id;
	struct segment_place *places = NULL;
	struct segment_reader *r = NULL;
	struct segment_record record;
	struct bytes value, text = buf_view(&key);
	struct kit_verdict v;
	size_t count = 0, i;

	CHECK_ERR(seal_parse_identity(bytes_cut(&text, '\n'), &id), OK);
	CHECK_ERR(segment_list(FIXTURE "/audit", &places, &count), OK);
	CHECK_U64(count, 1);
	if (count != 1)
		return;
	struct buf file = tap_file(places[0].path);
	CHECK_ERR(segment_reader_open(buf_view(&file), 1, &id, &r), OK);
	const struct segment_header *h = segment_reader_header(r);
	CHECK_STR(h->host, "ward-3");
	CHECK_STR(h->boot_id, "5a1e0000-0000-4000-8000-000000000001");
	CHECK_U64(h->started_ns, 1795521600000000000);
	CHECK_U64(h->policy_digest[0], 0x50);
	CHECK_U64(h->cipher, FORMAT_CIPHER_XCHACHA20_POLY1305);
	for (i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		CHECK_ERR(segment_next(r, &record), OK);
		CHECK_U64(record.kind, expected[i].kind);
		CHECK_U64(record.sequence, i);
		CHECK_U64(record.time_ns, expected[i].time_ns);
		CHECK(record.chained && record.opened);
		CHECK_ERR(record_find(record.plain, expected[i].field, &value), OK);
		if (expected[i].text)
			CHECK_BYTES(value, expected[i].text);
	}
	CHECK_ERR(segment_next(r, &record), ERR_END);
	segment_reader_free(r);
	v = verify_as((struct verify_options){
		.directory = FIXTURE "/audit", .identity_count = 1, .identities = &id});
	CHECK_ERR(v.err, OK);
	if (v.result.verdict != VERDICT_WHOLE)
		tap_fail(__FILE__, __LINE__, "%s:%s", verdict_name(v.result.verdict), v.codes);
	CHECK_U64(v.result.records, 10);
	CHECK_U64(v.result.ledger_entries, 3);
	CHECK_U64(v.result.ledger_unsealed + v.result.unopened, 0);
	buf_done(&file);
	buf_done(&key);
	free(places);
}

static struct kit_verdict repair(struct kit_log *k)
{
	struct kit_verdict v = {0};
	struct verify_options options = {
		.directory = k->directory,
		.identity_count = 1,
		.identities = &k->identity,
		.repair_count = 1,
		.repair_recipients = &k->identity.recipient,
		.context = &v,
		.on_finding = kit_on_finding,
	};

	v.err = verify(&options, &v.result);
	return v;
}

static void repair_notes_how_a_killed_writers_segment_was_found_and_changes_nothing(void)
{
	for (int torn = 0; torn < 2; torn++) {
		struct kit_log *k = killed_log();
		char path[SEGMENT_PATH_MAX];
		struct buf before, after;
		struct kit_verdict v;

		memcpy(path, kit_segment(k, 0), sizeof path);
		before = tap_file(path);
		if (torn) {
			CHECK_ERR(buf_put(&before, BYTES("\xA1gwr\x02")), OK);
			kit_write(path, buf_view(&before));
		}
		v = repair(k);
		KIT_EXPECT(v, VERDICT_INCOMPLETE, torn ? "torn_tail" : "no_end");
		CHECK_U64(v.result.repaired, 1);
		after = tap_file(path);
		CHECK(bytes_equal(buf_view(&before), buf_view(&after)));
		buf_done(&after);
		KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "found_open");
		KIT_EXPECT(kit_verify_with(k, false), VERDICT_INCOMPLETE, "found_open");
		/* once is enough */
		v = repair(k);
		CHECK_U64(v.result.repaired, 0);
		/* from now on a cut or a change of what was found is no guess any more */
		kit_write(path, bytes_slice(buf_view(&before), 0, before.len - 150));
		KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "cut");
		if (torn) {
			before.at[before.len - 1] ^= 1;
			kit_write(path, buf_view(&before));
			KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "digest");
		}
		buf_done(&before);
		kit_free(k);
	}
}

static void repair_leaves_what_runs_or_was_closed(void)
{
	struct kit_log *k = kit_new();
	struct kit_verdict v;

	CHECK_ERR(kit_append(k, "one"), OK);
	v = repair(k);
	KIT_EXPECT(v, VERDICT_WHOLE, NULL);
	CHECK_U64(v.result.repaired, 0);
	CHECK_U64(v.result.open_segments, 1);
	CHECK_ERR(kit_close(k), OK);
	v = repair(k);
	KIT_EXPECT(v, VERDICT_WHOLE, NULL);
	CHECK_U64(v.result.repaired, 0);
	kit_free(k);
}

/* ---- an outside copy of the checkpoints ---- */

#define STALE_NS UINT64_C(300000000000)

/* Idle ones of an empty collector's log, at these times. */
static void put_checkpoints(const char *path, const uint64_t *times, size_t count)
{
	struct format_checkpoint c[4] = {{.kind = FORMAT_CHECKPOINT_FIRST}};
	static const uint8_t seed[32] = {1};

	for (size_t i = 0; i < count; i++) {
		c[i].number = i;
		c[i].time_ns = times[i];
		if (i) {
			c[i].kind = FORMAT_CHECKPOINT_IDLE;
			checkpoint_digest(&c[i - 1], c[i].previous);
		}
		checkpoint_sign(&c[i], seed);
	}
	kit_write(path, bytes_of(c, count * sizeof c[0]));
}

static struct kit_verdict verify_against(struct kit_log *k, const char *outside)
{
	struct kit_verdict v = {0};
	struct verify_options options = {
		.directory = k->directory,
		.checkpoints = outside,
		.context = &v,
		.on_finding = kit_on_finding,
	};

	v.err = verify(&options, &v.result);
	return v;
}

static void an_outside_copy_is_stale_when_it_ends_five_minutes_before_the_log(void)
{
	const uint64_t at = KIT_NOON_NS;
	struct kit_log *k = closed_log();
	char outside[SEGMENT_PATH_MAX];
	struct kit_verdict v;

	strcpy(outside, kit_path(k, "outside"));
	put_checkpoints(outside, (const uint64_t[]){at, at + 1}, 2);
	put_checkpoints(kit_path(k, CHECKPOINT_FILE),
			(const uint64_t[]){at, at + 1, at + 1 + STALE_NS}, 3);
	v = verify_against(k, outside);
	KIT_EXPECT(v, VERDICT_WHOLE, NULL);
	CHECK(v.result.witnessed);
	CHECK_U64(v.result.witness_ns, at + 1);
	put_checkpoints(kit_path(k, CHECKPOINT_FILE),
			(const uint64_t[]){at, at + 1, at + 2 + STALE_NS}, 3);
	v = verify_against(k, outside);
	KIT_EXPECT(v, VERDICT_UNWITNESSED, "stale_witness");
	CHECK(v.result.witnessed);
	/* A clock that was set back makes nothing stale, and a torn end of the copy is only that.
	 */
	put_checkpoints(kit_path(k, CHECKPOINT_FILE), (const uint64_t[]){at, at + 1, at - STALE_NS},
			3);
	KIT_EXPECT(verify_against(k, outside), VERDICT_WHOLE, NULL);
	kit_free(k);
}

static void a_copy_that_cannot_be_read_is_no_witness(void)
{
	const uint64_t at = KIT_NOON_NS;
	struct kit_log *k = closed_log();
	char outside[SEGMENT_PATH_MAX];
	struct kit_verdict v;

	strcpy(outside, kit_path(k, "outside"));
	put_checkpoints(kit_path(k, CHECKPOINT_FILE), (const uint64_t[]){at, at + 1}, 2);
	v = verify_against(k, outside);
	KIT_EXPECT(v, VERDICT_UNWITNESSED, "no_witness");
	CHECK(!v.result.witnessed);
	kit_write(outside, BYTES(""));
	KIT_EXPECT(verify_against(k, outside), VERDICT_UNWITNESSED, "no_witness");
	kit_write(outside, BYTES("no checkpoint at all"));
	v = verify_against(k, outside);
	KIT_EXPECT(v, VERDICT_TAMPERED, "no_witness");
	KIT_EXPECT(v, VERDICT_TAMPERED, "checkpoint_changed");
	kit_free(k);
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(every_flipped_bit_of_a_segment_is_found),
		  TEST(every_flipped_bit_of_a_killed_writers_segment_is_found),
		  TEST(every_flipped_bit_of_the_ledger_is_found),
		  TEST(every_record_removed_swapped_or_repeated_is_found),
		  TEST(a_record_of_another_segment_is_found),
		  TEST(damage_before_an_intact_record_is_never_a_torn_tail),
		  TEST(every_cut_of_a_segment_is_found), TEST(every_cut_of_the_ledger_is_found),
		  TEST(zeros_of_a_power_cut_are_a_torn_tail),
		  TEST(a_segment_removed_moved_copied_or_added_is_found),
		  TEST(a_ledger_written_anew_contradicts_the_segments),
		  TEST(an_older_copy_of_everything_looks_whole),
		  TEST(files_that_are_no_segments_are_told),
		  TEST(a_log_being_written_is_open_and_whole),
		  TEST(a_kill_between_end_and_ledger_is_explained),
		  TEST(a_kill_before_there_was_a_ledger_is_explained),
		  TEST(a_kill_while_a_segment_is_opened_is_explained),
		  TEST(verifying_a_busy_log_raises_no_false_alarm),
		  TEST(one_day_or_one_file_can_be_asked_for),
		  TEST(what_cannot_be_verified_is_an_error), TEST(progress_is_told_in_bytes),
		  TEST(segments_are_listed_by_day_and_start), TEST(no_memory_is_reported),
		  TEST(a_log_of_version_1_is_read_as_it_was_written),
		  TEST(repair_notes_how_a_killed_writers_segment_was_found_and_changes_nothing),
		  TEST(repair_leaves_what_runs_or_was_closed),
		  TEST(an_outside_copy_is_stale_when_it_ends_five_minutes_before_the_log),
		  TEST(a_copy_that_cannot_be_read_is_no_witness));
}
