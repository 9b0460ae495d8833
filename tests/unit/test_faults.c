/* SPDX-License-Identifier: MIT
 *
 * What the writer of the log does when the system fails it. Its system calls are direct ones, so a
 * preloaded library could not fail them: a seccomp filter does, in a child.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "audit_kit.h"

#define LARGE 9000 /* bytes of a record that a filter lets fail */

/* From now on `number` fails with `error`; with `more_than` not 0 only when its third argument (a
 * length) is larger. For ever: in a child. */
static bool fail_call(unsigned number, unsigned error, unsigned more_than)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, more_than ? more_than + 1 : 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof code[0], code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		return true;
	printf("# SKIPPED: failing system calls (no seccomp here)\n");
	return false;
}

/* How often a text was recorded in files that a reader opens. */
static unsigned count_text(struct kit_log *k, const char *text)
{
	struct segment_record record;
	unsigned count = 0;

	for (size_t i = 0; i < kit_segments(k); i++) {
		struct segment_reader *r = NULL;
		struct buf file = tap_file(kit_segment(k, i));
		if (segment_reader_open(buf_view(&file), 1, &k->identity, &r) == OK)
			for (enum err e; (e = segment_next(r, &record)) != ERR_END;)
				count += e == OK && record.kind == REC_REQUEST &&
					 record.plain.len >= strlen(text) &&
					 memcmp(record.plain.at, text, strlen(text)) == 0;
		segment_reader_free(r);
		buf_done(&file);
	}
	return count;
}

static enum err append_large(struct kit_log *k)
{
	static char text[LARGE + 1];

	memset(text, 'L', LARGE);
	return kit_append(k, text);
}

static void write_over_quota(struct kit_log *k)
{
	CHECK_ERR(kit_append(k, "before"), OK);
	if (!fail_call(SYS_write, EDQUOT, 5000))
		return;
	CHECK_ERR(append_large(k), ERR_FULL);
	CHECK(k->writer.open); /* nothing went out: the segment lives on */
	CHECK_ERR(append_large(k), ERR_FULL);
	CHECK_ERR(kit_append(k, "after"), OK);
	CHECK_ERR(kit_close(k), OK);
}

static void a_quota_refuses_records_and_the_segment_lives_on(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, write_over_quota);
	CHECK_U64(kit_segments(k), 1);
	CHECK_U64(count_text(k, "L"), 0);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

static void write_with_an_io_error(struct kit_log *k)
{
	CHECK_ERR(kit_append(k, "before"), OK);
	if (!fail_call(SYS_write, EIO, 5000))
		return;
	CHECK_ERR(append_large(k), ERR_IO);
	CHECK_ERR(kit_append(k, "after"), OK);
	CHECK_ERR(kit_close(k), OK);
	CHECK_U64(count_text(k, "before"), 1);
	CHECK_U64(count_text(k, "after"), 1);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "torn_tail");
}

static void a_failed_write_gives_the_segment_up(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, write_with_an_io_error);
	kit_free(k);
}

static void look_with_an_io_error(struct kit_log *k)
{
	CHECK_ERR(kit_append(k, "before"), OK);
	if (!fail_call(SYS_fstat, EIO, 0))
		return;
	CHECK_ERR(kit_append(k, "lost"), ERR_IO);
	CHECK(k->writer.open);
}

static void a_file_that_cannot_be_looked_at_is_not_called_replaced(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, look_with_an_io_error);
	CHECK_U64(kit_segments(k), 1);
	CHECK_U64(count_text(k, "before"), 1);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "no_end");
	kit_free(k);
}

#define SOMEBODY 65534

/* As a user whose segment somebody else took over, two seconds later. */
static void write_without_permission(struct kit_log *k)
{
	const uint64_t later_ns = KIT_NOON_NS + 2000000000u;
	char base[SEGMENT_PATH_MAX];

	strcpy(base, k->directory);
	*strrchr(base, '/') = '\0';
	if (geteuid() != 0 || chmod(base, 0711) || mkdir(k->directory, 0700) ||
	    chown(k->directory, SOMEBODY, SOMEBODY) || seteuid(SOMEBODY)) {
		printf("# SKIPPED: a segment of another user's (needs root)\n");
		return;
	}
	CHECK_ERR(kit_append(k, "before"), OK);
	if (seteuid(0) || chown(k->writer.path, 0, 0) || seteuid(SOMEBODY))
		kit_bail("chown");
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, later_ns, BYTES("after")),
		  OK);
	CHECK_ERR(kit_close(k), OK);
	if (seteuid(0))
		kit_bail("seteuid");
	CHECK_U64(kit_segments(k), 2);
	CHECK_U64(count_text(k, "before"), 1);
	CHECK_U64(count_text(k, "after"), 1);
	KIT_EXPECT(kit_verify(k), VERDICT_INCOMPLETE, "torn_tail");
}

static void a_segment_that_may_not_be_written_any_more_has_a_successor(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, write_without_permission);
	kit_free(k);
}

/* No file of the log may see a second fdatasync after one that failed: the kernel may have thrown
 * the bytes away and would say that all is well. So each attempt is in a file of its own. */
static void sync_with_an_io_error(struct kit_log *k)
{
	char first[SEGMENT_PATH_MAX];

	k->config.synced = true;
	CHECK_ERR(kit_append(k, "before"), OK);
	strcpy(first, k->writer.path);
	if (!fail_call(SYS_fdatasync, EIO, 0))
		return;
	CHECK_ERR(kit_append(k, "unsure"), ERR_IO);
	CHECK(!k->writer.open || strcmp(first, k->writer.path) != 0);
	CHECK_ERR(kit_append(k, "unsure"), ERR_IO);
	k->config.synced = false;
	CHECK(kit_append(k, "nor this") != OK); /* a segment is published synced */
}

static void a_failed_sync_is_never_tried_again_on_that_file(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, sync_with_an_io_error);
	CHECK_U64(count_text(k, "before"), 1);
	/* it went out once, and does not count; nowhere a second time */
	CHECK(count_text(k, "unsure") <= 1);
	struct kit_verdict v = kit_verify(k);
	CHECK(v.result.verdict != VERDICT_TAMPERED);
	kit_free(k);
}

/* In a mount namespace of its own: the directory seen through a mount that becomes read-only. */
static void write_to_a_read_only_mount(struct kit_log *k)
{
	char base[64];
	uint64_t now_ns = KIT_NOON_NS;

	strcpy(base, k->directory);
	*strrchr(base, '/') = '\0';
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", base, "tmpfs", 0, "size=1m")) {
		printf("# SKIPPED: a read-only mount (needs the right to mount a tmpfs)\n");
		return;
	}
	CHECK_ERR(kit_append(k, "before"), OK);
	/* seen anew through a mount of its own, of which the kept descriptor knows nothing */
	if (mount(base, base, NULL, MS_BIND, NULL) ||
	    mount("none", base, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
		kit_bail("remount");
	now_ns += 2000000000u;
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, now_ns, BYTES("lost")),
		  ERR_ACCESS);
	CHECK(k->writer.open);
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, now_ns, BYTES("lost")),
		  ERR_ACCESS);
	if (mount("none", base, NULL, MS_REMOUNT | MS_BIND, NULL))
		kit_bail("remount");
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, now_ns, BYTES("after")), OK);
	CHECK_ERR(kit_close(k), OK);
	CHECK_U64(kit_segments(k), 1);
	CHECK_U64(count_text(k, "lost"), 0);
	CHECK_U64(count_text(k, "after"), 1);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
}

static void a_read_only_mount_is_waited_out_in_the_same_segment(void)
{
	struct kit_log *k = kit_new();

	kit_in_child(k, write_to_a_read_only_mount);
	kit_free(k);
}

static void a_clock_that_jumps_rotates_by_its_day_and_loses_nothing(void)
{
	static const int64_t jumps_ns[] = {0,
					   1000,
					   -1000, /* within the day: nothing happens */
					   -3600 * INT64_C(1000000000),
					   -86400 * INT64_C(1000000000), /* yesterday */
					   86400 * INT64_C(1000000000),
					   365 * 86400 * INT64_C(1000000000),
					   0};
	struct kit_log *k = kit_new();
	const size_t count = sizeof jumps_ns / sizeof jumps_ns[0];

	for (size_t i = 0; i < count; i++)
		CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST,
					 KIT_NOON_NS + (uint64_t)jumps_ns[i], BYTES("jump")),
			  OK);
	/* before 1970 plus a little, and the last moment that 64 bits of nanoseconds have */
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, 1, BYTES("jump")), OK);
	CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST, UINT64_MAX, BYTES("jump")),
		  OK);
	CHECK_ERR(kit_close(k), OK);
	CHECK_U64(count_text(k, "jump"), count + 2);
	CHECK_U64(kit_segments(k), 7);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

/* Sequence and chain say the order, not the clock. */
static void a_clock_set_back_within_a_day_keeps_the_order_of_records(void)
{
	struct kit_log *k = kit_new();
	struct segment_reader *r = NULL;
	struct segment_record record;
	uint64_t expected = 0;

	for (int i = 0; i < 20; i++)
		CHECK_ERR(segment_append(&k->writer, &k->config, REC_REQUEST,
					 KIT_NOON_NS - (uint64_t)i * 60 * 1000000000u, BYTES("x")),
			  OK);
	CHECK_ERR(kit_close(k), OK);
	CHECK_U64(kit_segments(k), 1);
	struct buf file = tap_file(kit_segment(k, 0));
	CHECK_ERR(segment_reader_open(buf_view(&file), 1, &k->identity, &r), OK);
	while (segment_next(r, &record) == OK) {
		CHECK_U64(record.sequence, expected++);
		CHECK(record.chained);
	}
	CHECK_U64(expected, 22);
	segment_reader_free(r);
	buf_done(&file);
	KIT_EXPECT(kit_verify(k), VERDICT_WHOLE, NULL);
	kit_free(k);
}

static void a_day_directory_removed_under_us_is_told_by_verify(void)
{
	struct kit_log *k = kit_new();
	char day[SEGMENT_PATH_MAX];

	CHECK_ERR(kit_append(k, "gone"), OK);
	strcpy(day, kit_path(k, KIT_DAY));
	nftw(day, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	CHECK_ERR(kit_append(k, "here"), OK);
	CHECK_ERR(kit_close(k), OK);
	CHECK_U64(count_text(k, "here"), 1);
	KIT_EXPECT(kit_verify(k), VERDICT_TAMPERED, "missing_segment");
	kit_free(k);
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(a_quota_refuses_records_and_the_segment_lives_on),
		  TEST(a_failed_write_gives_the_segment_up),
		  TEST(a_file_that_cannot_be_looked_at_is_not_called_replaced),
		  TEST(a_segment_that_may_not_be_written_any_more_has_a_successor),
		  TEST(a_failed_sync_is_never_tried_again_on_that_file),
		  TEST(a_read_only_mount_is_waited_out_in_the_same_segment),
		  TEST(a_clock_that_jumps_rotates_by_its_day_and_loses_nothing),
		  TEST(a_clock_set_back_within_a_day_keeps_the_order_of_records),
		  TEST(a_day_directory_removed_under_us_is_told_by_verify));
}
