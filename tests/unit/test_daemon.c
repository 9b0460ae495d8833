/* SPDX-License-Identifier: MIT */
#include "daemon/account.h"
#include "daemon/sender.h"
#include "audit/record.h"
#include "base/sys.h"
#include "tap.h"

#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static void a_new_user_may_send_a_burst_and_then_waits(void)
{
	struct account a;
	unsigned messages = 0;

	account_init(&a, 1000, MS);
	while (account_may(&a, MS) && messages < 2 * ACCOUNT_MESSAGES_BURST) {
		account_charge(&a, 100);
		messages++;
	}
	CHECK_U64(messages, ACCOUNT_MESSAGES_BURST);
	CHECK(account_wait_ns(&a) > 0);
}

static void bytes_count_too(void)
{
	struct account a;

	account_init(&a, 1000, MS);
	account_charge(&a, ACCOUNT_BYTES_BURST - 1);
	CHECK(account_may(&a, MS));
	account_charge(&a, 100); /* what was read is read: the debt is forgiven, not the wait */
	CHECK(!account_may(&a, MS));
	CHECK(account_may(&a, 2 * MS));
	CHECK_U64(a.bytes_left, ACCOUNT_BYTES_PER_S / 1000);
}

static void the_long_run_is_the_rate_and_never_more_than_a_burst(void)
{
	struct account a;
	uint64_t served = 0;

	account_init(&a, 1000, 0);
	a.messages_left = 0;
	for (uint64_t now = 0; now <= 1000 * MS; now += MS / 2)
		while (account_may(&a, now)) {
			account_charge(&a, 1);
			served++;
		}
	CHECK_U64(served, ACCOUNT_MESSAGES_PER_S);
	CHECK(account_may(&a, UINT64_MAX / 2));
	CHECK_U64(a.messages_left, ACCOUNT_MESSAGES_BURST);
	CHECK_U64(a.bytes_left, ACCOUNT_BYTES_BURST);
}

static void a_clock_that_stands_or_goes_back_gives_nothing(void)
{
	struct account a;

	account_init(&a, 1000, 5 * MS);
	a.messages_left = 0;
	CHECK(!account_may(&a, 5 * MS));
	CHECK(!account_may(&a, MS));
	CHECK(account_may(&a, 6 * MS));
}

static void what_is_under_way_has_a_limit(void)
{
	struct account a;

	account_init(&a, 1000, 0);
	CHECK(account_has_room(&a, ACCOUNT_IN_FLIGHT_MAX));
	CHECK(!account_has_room(&a, (size_t)ACCOUNT_IN_FLIGHT_MAX + 1));
	a.in_flight_bytes = ACCOUNT_IN_FLIGHT_MAX - 5;
	CHECK(account_has_room(&a, 5));
	CHECK(!account_has_room(&a, 6));
	CHECK(!account_has_room(&a, SIZE_MAX));
}

/* ---- facts about a sender ---- */

static struct ucred myself(void)
{
	return (struct ucred){getpid(), getuid(), getgid()};
}

static void put_claim(struct buf *claim)
{
	CHECK_ERR(record_put_u64(claim, F_PID, (uint64_t)getpid()), OK);
	CHECK_ERR(record_put_u64(claim, F_UID, 4711), OK);
	CHECK_ERR(record_put(claim, F_EXE, BYTES("/usr/bin/harmless")), OK);
}

static void the_kernel_is_asked_and_what_is_claimed_otherwise_is_noted(void)
{
	struct sender s = {0};
	struct ucred who = myself();
	struct buf claim = {0}, out = {0};
	struct bytes value;
	uint64_t n = 0;

	put_claim(&claim);
	CHECK_ERR(sender_claim(&s, buf_view(&claim)), OK);
	s.claim_pid = getpid();
	CHECK_ERR(sender_update(&s, &who, -1, 5000 * MS), OK);
	CHECK_ERR(sender_put_record(&s, BYTES(""), &out), OK);
	CHECK_ERR(record_find_u64(buf_view(&out), F_PID, &n), OK);
	CHECK_U64(n, (uint64_t)getpid());
	CHECK_ERR(record_find_u64(buf_view(&out), F_UID, &n), OK);
	CHECK_U64(n, getuid());
	CHECK_ERR(record_find(buf_view(&out), F_EXE, &value), OK);
	CHECK(bytes_find(value, BYTES("test_daemon")) != SIZE_MAX);
	CHECK_ERR(record_find(buf_view(&out), F_CLAIMED, &value), OK);
	CHECK(bytes_equal(value, bytes_of("uid=4711\0exe=/usr/bin/harmless", 30)));
	CHECK_ERR(record_find(buf_view(&out), F_FACTS, &value), ERR_MISSING);
	CHECK_ERR(sender_claim(&s, BYTES("no fields")), ERR_BAD);
	sender_done(&s);
	buf_done(&claim);
	buf_done(&out);
}

static void a_record_cannot_say_who_sent_it(void)
{
	struct sender s = {0};
	struct ucred who = myself();
	struct buf record = {0}, out = {0};
	struct cursor c;
	struct record_field f;
	unsigned uids = 0, ids = 0, exes = 0;

	CHECK_ERR(record_put(&record, F_ID, BYTES("01K")), OK);
	CHECK_ERR(record_put_u64(&record, F_UID, 4711), OK);
	CHECK_ERR(record_put(&record, F_EXE, BYTES("/bin/other")), OK);
	CHECK_ERR(record_put(&record, F_PATH, BYTES("/v1")), OK);
	CHECK_ERR(record_put(&record, F_CLAIMED, BYTES("nothing")), OK);
	CHECK_ERR(sender_update(&s, &who, -1, 5000 * MS), OK);
	CHECK_ERR(sender_put_record(&s, tap_guarded(buf_view(&record)), &out), OK);
	c = cursor_over(buf_view(&out));
	while (record_next(&c, &f) == OK) {
		uids += f.number == F_UID;
		ids += f.number == F_ID || f.number == F_PATH;
		exes += f.number == F_EXE;
		CHECK(f.number != F_CLAIMED);
	}
	CHECK_U64(uids, 1);
	CHECK_U64(exes, 1);
	CHECK_U64(ids, 2);
	buf_reset(&out);
	CHECK_ERR(sender_put_record(&s, BYTES("no fields at all"), &out), ERR_BAD);
	sender_done(&s);
	buf_done(&record);
	buf_done(&out);
}

static void of_a_process_that_is_gone_only_its_credentials_are_known(void)
{
	struct sender s = {0};
	struct buf out = {0};
	struct bytes value;
	pid_t child = fork();
	struct ucred who = {child, getuid(), getgid()};

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	CHECK_ERR(sender_update(&s, &who, -1, 5000 * MS), OK);
	CHECK_ERR(sender_put_record(&s, BYTES(""), &out), OK);
	CHECK_ERR(record_find(buf_view(&out), F_FACTS, &value), OK);
	CHECK_BYTES(value, "gone");
	CHECK_ERR(record_find(buf_view(&out), F_EXE, &value), ERR_MISSING);
	CHECK_ERR(record_find(buf_view(&out), F_PID, &value), OK);
	sender_done(&s);
	buf_done(&out);
}

/* The number is somebody's, but not the sender's: its uid does not fit. */
static void facts_of_another_process_under_that_number_are_not_taken(void)
{
	struct sender s = {0};
	struct buf out = {0};
	struct bytes value;
	struct ucred who = myself();

	who.uid += 4711;
	CHECK_ERR(sender_update(&s, &who, -1, 5000 * MS), OK);
	CHECK_ERR(sender_put_record(&s, BYTES(""), &out), OK);
	CHECK_ERR(record_find(buf_view(&out), F_FACTS, &value), OK);
	CHECK_ERR(record_find(buf_view(&out), F_EXE, &value), ERR_MISSING);
	sender_done(&s);
	buf_done(&out);
}

int main(void)
{
	RUN_TESTS(TEST(a_new_user_may_send_a_burst_and_then_waits), TEST(bytes_count_too),
		  TEST(the_long_run_is_the_rate_and_never_more_than_a_burst),
		  TEST(a_clock_that_stands_or_goes_back_gives_nothing),
		  TEST(what_is_under_way_has_a_limit),
		  TEST(the_kernel_is_asked_and_what_is_claimed_otherwise_is_noted),
		  TEST(a_record_cannot_say_who_sent_it),
		  TEST(of_a_process_that_is_gone_only_its_credentials_are_known),
		  TEST(facts_of_another_process_under_that_number_are_not_taken));
}
