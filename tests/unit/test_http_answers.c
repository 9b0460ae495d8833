/* SPDX-License-Identifier: MIT
 *
 * What HTTP receivers say, and what is told of it: heads, Retry-After, secrets, batches in several
 * requests.
 */
#include "drain/http/delivery.h"
#include "drain/http/explain.h"
#include "drain/http/gzip.h"
#include "drain/http/head.h"
#include "drain/http/secret.h"
#include "tap.h"
#include "wire/coding.h"

#define NOW_S UINT64_C(1784000000) /* 2026-07-14T03:33:20Z */

static void a_field_is_found_whatever_its_case(void)
{
	struct bytes value = BYTES("untouched");

	CHECK_ERR(head_find(tap_guarded(BYTES("A: 1\r\nlocation:\t x y \r\nB: 2\r\n\r\n")),
			    BYTES("Location"), &value),
		  OK);
	CHECK_BYTES(value, "x y");
	CHECK_ERR(head_find(BYTES("a: 1\na: 2"), BYTES("A"), &value), OK);
	CHECK_BYTES(value, "2");
	CHECK_ERR(head_find(BYTES("ab: 1\r\na 2\r\n"), BYTES("A"), &value), ERR_MISSING);
	CHECK_ERR(head_find(BYTES_NONE, BYTES("A"), &value), ERR_MISSING);
	CHECK_BYTES(value, "2");
}

static void retry_after_is_seconds_or_one_of_three_dates(void)
{
	static const struct {
		const char *value;
		uint32_t ms;
	} cases[] = {
		{"0", 0},
		{"7", 7000},
		{"86400", 86400000},
		{"86401", HEAD_RETRY_AFTER_MAX_MS},
		{"99999999999999999999999", 0}, /* no number, no date */
		{"18446744073709551615", HEAD_RETRY_AFTER_MAX_MS},
		{"-1", 0},
		{"1.5", 0},
		{"", 0},
		{"soon", 0},
		{"Tue, 14 Jul 2026 03:33:30 GMT", 10000},
		{"Tuesday, 14-Jul-26 03:33:30 GMT", 10000},
		{"Tue Jul 14 03:33:30 2026", 10000},
		{"Tue Jul  4 03:33:30 2027", HEAD_RETRY_AFTER_MAX_MS},
		{"Tue, 14 Jul 2026 03:33:20 GMT", 0}, /* now */
		{"Tue, 14 Jul 2020 03:33:30 GMT", 0},
		{"Thursday, 14-Jul-94 03:33:30 GMT", 0}, /* of 1994 */
		{"Tue, 14 Jul 2026 03:33:30 CET", 0},
		{"Tue, 14 Jul 2026 24:33:30 GMT", 0},
		{"Tue, 32 Jul 2026 03:33:30 GMT", 0},
		{"Tue, 14 Jux 2026 03:33:30 GMT", 0},
		{"Tue, 14 Jul 0026 03:33:30 GMT", 0},
		{"Tue, 14 Jul 99999 03:33:30 GMT", 0},
		{"Tue, 14 Jul 2026 03:33 GMT", 0},
		{"Tue, 14 Jul 2026 03:33:30 GMT GMT", 0},
		{"14 Jul 2026", 0},
		{"- - - -", 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char head[128];
		snprintf(head, sizeof head, "Retry-After: %s\r\n", cases[i].value);
		uint32_t ms = head_retry_after_ms(tap_guarded(bytes_str(head)), NOW_S);
		if (ms != cases[i].ms)
			tap_fail(__FILE__, __LINE__, "\"%s\" is %u ms, expected %u", cases[i].value,
				 ms, cases[i].ms);
	}
	CHECK_U64(head_retry_after_ms(BYTES("X: 1\r\n"), NOW_S), 0);
}

/* -- secrets -------------------------------------------------------------------------------------
 */

static void a_secret_is_masked_wherever_it_stands(void)
{
	static const struct {
		const char *text, *masked;
	} cases[] = {
		{"token s3cret! is bad: s3cret!", "token ******* is bad: *******"},
		{"s3cret!s3cret!", "**************"},
		{"it was s3cret", "it was ******"}, /* cut off by us: its beginning tells enough */
		{"it was s3c", "it was s3c"},
		{"s3cre! s3cret", "s3cre! ******"},
		{"", ""},
		{"s3cr", "****"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[64];
		strcpy(text, cases[i].text);
		secret_mask((uint8_t *)text, strlen(text), BYTES("s3cret!"));
		CHECK_STR(text, cases[i].masked);
	}
	char text[] = "abc";
	secret_mask((uint8_t *)text, 3, BYTES("abc"));
	CHECK_STR(text, "abc"); /* too short to be one */
	secret_mask((uint8_t *)text, 3, BYTES_NONE);
	CHECK_STR(text, "abc");
}

static void a_token_is_one_line_of_ascii(void)
{
	char many[SECRET_TOKEN_BYTES_MAX + 1];

	memset(many, 'x', sizeof many);
	CHECK(secret_is_token(BYTES("abc def")));
	CHECK(!secret_is_token(BYTES("")));
	CHECK(!secret_is_token(BYTES("a\r\nX-Evil: 1")));
	CHECK(!secret_is_token(BYTES("a\tb")));
	CHECK(!secret_is_token(BYTES("caf\xc3\xa9")));
	CHECK(secret_is_token(bytes_of(many, SECRET_TOKEN_BYTES_MAX)));
	CHECK(!secret_is_token(bytes_of(many, SECRET_TOKEN_BYTES_MAX + 1)));
}

/* -- explaining ----------------------------------------------------------------------------------
 */

static void explain(unsigned status, const char *head, const char *body, struct sink_answer *ret)
{
	struct explain x = {.host = BYTES("logs.test:443"),
			    .secret_count = 2,
			    .secrets = {BYTES("tok-12345"), BYTES_NONE}};

	memset(ret, 0x55, sizeof *ret);
	explain_answer(&x, status, bytes_str(head), tap_guarded(bytes_str(body)), NOW_S, ret);
}

static void a_status_says_what_becomes_of_the_events(void)
{
	static const struct {
		unsigned status;
		const char *body;
		enum sink_result result;
	} cases[] = {
		{200, "", SINK_DELIVERED},
		{202, "", SINK_DELIVERED},
		{302, "", SINK_WRONG},
		{400, "bad", SINK_REFUSED},
		{400, "<html>400 No required SSL certificate was sent", SINK_WRONG},
		{400, "<html>The plain HTTP request was sent to HTTPS port", SINK_WRONG},
		{401, "", SINK_WRONG},
		{402, "Quota exceeded", SINK_WRONG},
		{403, "", SINK_WRONG},
		{408, "", SINK_RETRY},
		{413, "", SINK_REFUSED},
		{429, "", SINK_RETRY},
		{500, "", SINK_RETRY},
		{503, "", SINK_RETRY},
		{999, "", SINK_RETRY},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sink_answer answer;
		explain(cases[i].status, "", cases[i].body, &answer);
		if (answer.result != cases[i].result)
			tap_fail(__FILE__, __LINE__, "%u %s is %d", cases[i].status, cases[i].body,
				 answer.result);
	}
}

static void people_are_told_who_said_what(void)
{
	struct sink_answer answer;

	explain(202, "Retry-After: 5\r\n", "anything", &answer);
	CHECK_STR(answer.text, "HTTP 202 from logs.test:443");
	CHECK_U64(answer.retry_after_ms, 0);
	explain(429, "Retry-After: 5\r\n", "  slow\ndown ", &answer);
	CHECK_STR(answer.text, "HTTP 429 from logs.test:443: slow?down ");
	CHECK_U64(answer.retry_after_ms, 5000);
	explain(502, "", "<html><h1>Bad gateway", &answer);
	CHECK_STR(answer.text, "HTTP 502 from logs.test:443");
	explain(301, "Location: http://evil.test/tok-12345?x\r\n", "moved", &answer);
	CHECK_STR(answer.text, "HTTP 301 from logs.test:443: redirects are not followed; it points "
			       "to http://evil.test/*********?x");
	explain(403, "", "unknown key tok-12345", &answer);
	CHECK_STR(answer.text, "HTTP 403 from logs.test:443: unknown key *********");
}

static void a_secret_is_not_cut_into_what_is_told(void)
{
	struct sink_answer answer;
	char body[2000];

	/* at every place around the end of what is told, and of what is looked at */
	for (size_t at = 150; at < 1040; at++) {
		memset(body, 'x', sizeof body - 1);
		body[sizeof body - 1] = 0;
		memcpy(body + at, "tok-12345", 9);
		explain(400, "", body, &answer);
		CHECK(!strstr(answer.text, "tok-"));
		CHECK(strlen(answer.text) < SINK_ANSWER_MAX);
	}
}

/* -- deliveries ----------------------------------------------------------------------------------
 */

static uint8_t results[8];

static struct delivery begin(struct sink_answer *answer, size_t count)
{
	struct delivery d;

	*answer = (struct sink_answer){.results = results};
	memset(results, 0xff, sizeof results);
	delivery_begin(&d, answer, count);
	return d;
}

static void note(struct delivery *d, size_t count, enum sink_result result, const char *text)
{
	struct sink_answer said = {.result = result,
				   .retry_after_ms = result == SINK_RETRY ? 9 : 0};

	strcpy(said.text, text);
	delivery_note(d, count, &said);
}

static void one_result_for_all_is_the_batchs_result(void)
{
	struct sink_answer answer;
	struct delivery d = begin(&answer, 4);

	note(&d, 3, SINK_DELIVERED, "first");
	note(&d, 1, SINK_DELIVERED, "second");
	CHECK(!d.is_stopped);
	delivery_end(&d);
	CHECK_U64(answer.result, SINK_DELIVERED);
	CHECK_STR(answer.text, "first");

	d = begin(&answer, 2);
	note(&d, 2, SINK_REFUSED, "no");
	delivery_end(&d);
	CHECK_U64(answer.result, SINK_REFUSED);
}

static void what_is_behind_a_failure_is_sent_again(void)
{
	struct sink_answer answer;
	struct delivery d = begin(&answer, 4);

	note(&d, 2, SINK_DELIVERED, "fine");
	note(&d, 1, SINK_WRONG, "HTTP 401");
	CHECK(d.is_stopped);
	delivery_end(&d);
	CHECK_U64(answer.result, SINK_PARTLY);
	CHECK_STR(answer.text, "HTTP 401");
	CHECK(results[0] == SINK_DELIVERED && results[1] == SINK_DELIVERED);
	CHECK(results[2] == SINK_RETRY && results[3] == SINK_RETRY);
	CHECK_U64(results[4], 0xff); /* not ours */

	d = begin(&answer, 2);
	note(&d, 2, SINK_WRONG, "HTTP 401");
	delivery_end(&d);
	CHECK_U64(answer.result, SINK_WRONG);
	d = begin(&answer, 2);
	note(&d, 1, SINK_RETRY, "HTTP 503");
	delivery_end(&d);
	CHECK_U64(answer.result, SINK_RETRY);
	CHECK_U64(answer.retry_after_ms, 9);
}

static void events_with_results_of_their_own_keep_them(void)
{
	struct sink_answer answer, said = {.result = SINK_PARTLY, .text = "some"};
	struct delivery d = begin(&answer, 4);

	note(&d, 1, SINK_DELIVERED, "fine");
	delivery_note_each(&d, 3, (const uint8_t[3]){SINK_REFUSED, SINK_WRONG, SINK_DELIVERED},
			   &said);
	CHECK(d.is_stopped);
	CHECK_U64(d.done, 4);
	delivery_end(&d);
	CHECK_U64(answer.result, SINK_PARTLY);
	CHECK_STR(answer.text, "some");
	CHECK(results[0] == SINK_DELIVERED && results[1] == SINK_REFUSED &&
	      results[2] == SINK_RETRY && results[3] == SINK_DELIVERED);
}

/* -- gzip -----------------------------------------------------------------------------------------
 */

static void check_gzip(struct bytes plain)
{
	struct buf packed = {0}, out = {0};
	struct coding_decoder *d = NULL;

	CHECK_ERR(gzip_pack(plain, &packed), OK);
	CHECK_ERR(coding_new(CODING_GZIP, &d), OK);
	CHECK_ERR(coding_feed(d, buf_view(&packed), &out), OK);
	CHECK_ERR(coding_check_end(d), OK);
	CHECK(bytes_equal(buf_view(&out), plain));
	coding_free(d);
	buf_done(&packed);
	buf_done(&out);
}

static void what_is_packed_comes_out_as_it_was(void)
{
	static uint8_t noise[300000];
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	check_gzip(BYTES_NONE);
	check_gzip(BYTES("{\"a\":1}"));
	check_gzip(bytes_of(noise, sizeof noise)); /* does not become smaller */
}

static enum err pack_something(void)
{
	struct buf packed = {0};
	enum err e = gzip_pack(BYTES("something"), &packed);

	buf_done(&packed);
	return e;
}

static void packing_survives_failing_allocations(void)
{
	tap_fail_each_allocation(pack_something);
}

int main(void)
{
	RUN_TESTS(TEST(a_field_is_found_whatever_its_case),
		  TEST(retry_after_is_seconds_or_one_of_three_dates),
		  TEST(a_secret_is_masked_wherever_it_stands), TEST(a_token_is_one_line_of_ascii),
		  TEST(a_status_says_what_becomes_of_the_events),
		  TEST(people_are_told_who_said_what), TEST(a_secret_is_not_cut_into_what_is_told),
		  TEST(one_result_for_all_is_the_batchs_result),
		  TEST(what_is_behind_a_failure_is_sent_again),
		  TEST(events_with_results_of_their_own_keep_them),
		  TEST(what_is_packed_comes_out_as_it_was),
		  TEST(packing_survives_failing_allocations));
}
