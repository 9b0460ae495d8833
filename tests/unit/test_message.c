/* SPDX-License-Identifier: MIT */
#include "audit/message.h"
#include "tap.h"

#define HEAD sizeof(struct collect_head)

static uint8_t room[MESSAGE_BYTES_MAX + 1];

static struct bytes datagram(const struct message *m)
{
	struct collect_head head;

	message_make(m, &head);
	memcpy(room, &head, HEAD);
	if (m->body.len)
		memcpy(room + HEAD, m->body.at, m->body.len);
	return bytes_of(room, HEAD + m->body.len);
}

static struct message part(uint32_t number, uint32_t total, uint32_t offset, const char *text)
{
	return (struct message){COLLECT_PART, number, REC_REQUEST, total, offset, bytes_str(text)};
}

static void a_part_comes_back(void)
{
	struct message in = part(7, 10, 4, "hello"), out;

	CHECK_ERR(message_parse(tap_guarded(datagram(&in)), &out), OK);
	CHECK(out.type == COLLECT_PART);
	CHECK_U64(out.number, 7);
	CHECK_U64(out.kind, REC_REQUEST);
	CHECK_U64(out.total_bytes, 10);
	CHECK_U64(out.offset, 4);
	CHECK_BYTES(out.body, "hello");
}

static void the_head_stands_as_documented(void)
{
	static const uint8_t expected[HEAD + 2] = {0xA1, 'g', 'w', 'm', 1, 0, 2, 0, 4,   3,  2, 1,
						   2,    0,   0,   0,   2, 0, 1, 0, 0,   0,  1, 0,
						   2,    0,   0,   0,   0, 0, 0, 0, 'h', 'i'};
	struct message m = part(0x01020304, 0x10002, 0x10000, "hi");

	CHECK(bytes_equal(datagram(&m), bytes_of(expected, sizeof expected)));
}

static void every_datagram_cut_short_is_malformed(void)
{
	struct message m = part(1, 5, 0, "hello"), out = {.number = 99};

	for (size_t n = 0; n < HEAD + 5; n++)
		CHECK_ERR(message_parse(tap_guarded(bytes_slice(datagram(&m), 0, n)), &out),
			  ERR_BAD);
	CHECK_U64(out.number, 99);
}

/* Only magic, version, type, the zeros and the lengths are looked at; of these each bit counts. */
static void every_flipped_bit_of_the_head_is_refused_or_told_apart(void)
{
	struct message m = part(1, 5, 0, "hello"), out;

	for (size_t bit = 0; bit < HEAD * 8; bit++) {
		struct bytes d = datagram(&m);
		room[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		enum err e = message_parse(d, &out);
		if (e)
			continue;
		CHECK(out.number != m.number || out.kind != m.kind ||
		      out.total_bytes != m.total_bytes || out.offset != m.offset);
	}
}

static void another_version_or_type_is_unsupported(void)
{
	struct message m = part(1, 5, 0, "hello"), out;
	struct bytes d = datagram(&m);

	room[4] = 2;
	CHECK_ERR(message_parse(d, &out), ERR_UNSUPPORTED);
	room[4] = 1;
	room[6] = 9;
	CHECK_ERR(message_parse(d, &out), ERR_UNSUPPORTED);
}

static void lengths_are_right_up_to_their_limits_and_not_beyond(void)
{
	static uint8_t body[MESSAGE_BODY_MAX + 1];
	struct message m = {.type = COLLECT_PART, .total_bytes = MESSAGE_RECORD_MAX}, out;

	m.body = bytes_of(body, MESSAGE_BODY_MAX);
	CHECK_ERR(message_parse(datagram(&m), &out), OK);
	m.offset = MESSAGE_RECORD_MAX - MESSAGE_BODY_MAX;
	CHECK_ERR(message_parse(datagram(&m), &out), OK);
	m.offset++;
	CHECK_ERR(message_parse(datagram(&m), &out), ERR_BAD);
	m.offset = UINT32_MAX;
	CHECK_ERR(message_parse(datagram(&m), &out), ERR_BAD);
	m.offset = 0;
	m.total_bytes++;
	CHECK_ERR(message_parse(datagram(&m), &out), ERR_LIMIT);
	m.total_bytes--;
	m.body.len++;
	CHECK_ERR(message_parse(datagram(&m), &out), ERR_LIMIT);
	m = (struct message){.type = COLLECT_CLAIM, .body = bytes_of(body, MESSAGE_CLAIM_MAX)};
	CHECK_ERR(message_parse(datagram(&m), &out), OK);
	m.body.len++;
	CHECK_ERR(message_parse(datagram(&m), &out), ERR_LIMIT);
}

static void what_does_not_belong_together_is_malformed(void)
{
	const struct message odd[] = {
		{COLLECT_PART, 1, REC_REQUEST, 5, 0, BYTES("")}, /* would never end */
		{COLLECT_MEMORY, 1, REC_REQUEST, 5, 0, BYTES("x")},
		{COLLECT_MEMORY, 1, REC_REQUEST, 5, 1, BYTES("")},
		{COLLECT_MEMORY, 1, REC_REQUEST, 0, 0, BYTES("")},
		{COLLECT_ANSWER, 1, COLLECT_KEPT, 0, 0, BYTES("x")},
		{COLLECT_ANSWER, 1, COLLECT_KEPT, 1, 0, BYTES("")},
		{COLLECT_CLAIM, 0, 1, 0, 0, BYTES("x")},
	};
	struct message out;

	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
		CHECK_ERR(message_parse(datagram(&odd[i]), &out), ERR_BAD);
}

static void parts_in_order_become_a_record(void)
{
	struct assembly a = {0};
	struct message m = part(3, 10, 0, "hell");

	CHECK_ERR(assembly_feed(&a, &m, false), ERR_MORE);
	m = part(3, 10, 4, "o wo");
	CHECK_ERR(assembly_feed(&a, &m, false), ERR_MORE);
	m = part(3, 10, 8, "rl");
	CHECK_ERR(assembly_feed(&a, &m, false), OK);
	CHECK_BYTES(buf_view(&a.bytes), "hello worl");
	CHECK_U64(a.number, 3);
	assembly_done(&a);
	m = part(4, 0, 0, "");
	CHECK_ERR(assembly_feed(&a, &m, false), OK);
	CHECK_U64(a.bytes.len, 0);
	assembly_done(&a);
}

static void parts_out_of_order_are_refused_and_change_nothing(void)
{
	const struct message wrong[] = {
		part(3, 10, 0, "x"),
		part(3, 10, 5, "x"),
		part(4, 10, 4, "x"),
		part(3, 11, 4, "x"),
		{COLLECT_PART, 3, REC_RESPONSE, 10, 4, BYTES("x")},
	};
	struct assembly a = {0};
	struct message m = part(3, 10, 1, "x");

	CHECK_ERR(assembly_feed(&a, &m, false), ERR_BAD);
	CHECK(!a.active);
	m = part(3, 10, 0, "hell");
	CHECK_ERR(assembly_feed(&a, &m, false), ERR_MORE);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		CHECK_ERR(assembly_feed(&a, &wrong[i], false), ERR_BAD);
	m = part(3, 10, 4, "o worl");
	CHECK_ERR(assembly_feed(&a, &m, false), OK);
	CHECK_BYTES(buf_view(&a.bytes), "hello worl");
	assembly_done(&a);
}

static void a_record_without_room_is_passed_over_to_its_end(void)
{
	struct assembly a = {0};
	struct message m = part(3, 10, 0, "hello");

	CHECK_ERR(assembly_feed(&a, &m, true), ERR_MORE);
	CHECK(a.dropped);
	m = part(3, 10, 5, "world");
	CHECK_ERR(assembly_feed(&a, &m, false), OK);
	CHECK(a.dropped);
	CHECK_U64(a.bytes.len, 0);
	assembly_done(&a);
	m = part(3, 10, 0, "hello");
	tap_fail_allocation(1);
	CHECK_ERR(assembly_feed(&a, &m, false), ERR_MORE);
	tap_fail_allocation(0);
	CHECK(a.dropped);
	assembly_done(&a);
}

static void memory_grows_with_what_came_not_with_what_was_announced(void)
{
	struct assembly a = {0};
	struct message m = part(3, MESSAGE_RECORD_MAX, 0, "x");

	CHECK_ERR(assembly_feed(&a, &m, false), ERR_MORE);
	CHECK(a.bytes.cap < 65536);
	assembly_done(&a);
}

static void programs_send_what_programs_know(void)
{
	static const unsigned anybody[] = {REC_REQUEST, REC_RESPONSE, REC_GAP,
					   REC_ACCESS,  REC_NOTICE,   REC_LIMIT};
	static const unsigned managers[] = {REC_KEY_CHANGE, REC_HOLD, REC_RETENTION};
	static const unsigned nobody[] = {REC_START, REC_END, 0, 0xFFFF};

	for (size_t i = 0; i < sizeof anybody / sizeof anybody[0]; i++)
		CHECK(message_may_send(anybody[i], false) && message_may_send(anybody[i], true));
	for (size_t i = 0; i < sizeof managers / sizeof managers[0]; i++)
		CHECK(!message_may_send(managers[i], false) && message_may_send(managers[i], true));
	for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++)
		CHECK(!message_may_send(nobody[i], false) && !message_may_send(nobody[i], true));
}

static void errors_survive_the_way(void)
{
	static const enum err kept[] = {OK, ERR_FULL, ERR_ACCESS, ERR_STATE, ERR_LIMIT, ERR_BAD};

	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		CHECK_ERR(message_error(message_status(kept[i])), kept[i]);
	for (int e = OK + 1; e < ERR_COUNT; e++)
		CHECK(message_status((enum err)e) != COLLECT_KEPT);
	CHECK_ERR(message_error(12345), ERR_IO);
}

int main(void)
{
	RUN_TESTS(TEST(a_part_comes_back), TEST(the_head_stands_as_documented),
		  TEST(every_datagram_cut_short_is_malformed),
		  TEST(every_flipped_bit_of_the_head_is_refused_or_told_apart),
		  TEST(another_version_or_type_is_unsupported),
		  TEST(lengths_are_right_up_to_their_limits_and_not_beyond),
		  TEST(what_does_not_belong_together_is_malformed),
		  TEST(parts_in_order_become_a_record),
		  TEST(parts_out_of_order_are_refused_and_change_nothing),
		  TEST(a_record_without_room_is_passed_over_to_its_end),
		  TEST(memory_grows_with_what_came_not_with_what_was_announced),
		  TEST(programs_send_what_programs_know), TEST(errors_survive_the_way));
}
