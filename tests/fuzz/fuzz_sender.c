/* SPDX-License-Identifier: MIT
 *
 * Any bytes as what a program says of itself to the collector, and then as its record: in what is
 * kept, only the kernel's facts say who it was. Input: the length of the first (2 bytes), then
 * both.
 */
#include "daemon/sender.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* OK: a run of fields. */
static enum err check_run(struct bytes fields, size_t *ret_count)
{
	struct cursor c = cursor_over(fields);
	struct record_field field;
	enum err e;

	*ret_count = 0;
	while (!(e = record_next(&c, &field)))
		++*ret_count;
	return e == ERR_END ? OK : e;
}

static bool is_kernels(unsigned number)
{
	return number >= F_HOST && number <= F_APPEND_ONLY;
}

/* The record's own fields, without those, and then the facts. */
static void check_kept(struct bytes record, struct bytes kept, struct bytes facts)
{
	struct cursor c = cursor_over(record), k = cursor_over(kept);
	struct record_field before, after;

	while (record_next(&c, &before) == OK) {
		if (is_kernels(before.number))
			continue;
		must(record_next(&k, &after) == OK && after.number == before.number);
		must(bytes_equal(after.value, before.value));
	}
	must(bytes_equal(bytes_of(k.at, cursor_left(&k)), facts));
}

static void check_facts(struct bytes facts)
{
	uint64_t pid;
	size_t count;

	must(check_run(facts, &count) == OK && count > 0);
	must(record_find_u64(facts, F_PID, &pid) == OK && pid == (uint64_t)getpid());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ucred me = {getpid(), geteuid(), getegid()};
	struct cursor c = cursor_over(bytes_of(data, size));
	size_t len = cursor_u8(&c), count;
	struct sender s = {0};
	struct buf kept = {0};
	struct bytes claim, record;
	enum err e;

	len |= (size_t)cursor_u8(&c) << 8;
	claim = cursor_take(&c, len < cursor_left(&c) ? len : cursor_left(&c));
	record = cursor_take(&c, cursor_left(&c));
	must((sender_claim(&s, claim) == OK) == (check_run(claim, &count) == OK));
	must(sender_update(&s, &me, -1, 1) == OK);
	check_facts(buf_view(&s.facts));
	e = sender_put_record(&s, record, &kept);
	must((e == OK) == (check_run(record, &count) == OK));
	if (!e)
		check_kept(record, buf_view(&kept), buf_view(&s.facts));
	buf_done(&kept);
	sender_done(&s);
	return 0;
}
