/* SPDX-License-Identifier: MIT
 *
 * Evidence of one exchange, made once by `aigw evidence` and kept: with the whole segment
 * (whole.json, signed), and the same with heads only (frames.json).
 */
#include "aigw/evidence.h"

#include <stdlib.h>

#include "tap.h"

#define FIXTURES "tests/fixtures/evidence/"

struct told {
	struct buf plain; /* of the records of the exchange, one behind the other */
	uint64_t records, closed, whole;
};

static enum err on_record(void *context, const struct evidence_segment *segment,
			  const struct segment_record *record)
{
	struct told *t = context;

	t->records++;
	return record->kind == REC_START ? OK : buf_put(&t->plain, record->plain);
}

static void on_segment(void *context, const struct evidence_segment *segment)
{
	struct told *t = context;

	t->closed += segment->closed && segment->opened && segment->ended;
	t->whole += segment->whole;
}

static enum err check(struct bytes statement, struct told *told, struct evidence_result *ret_result)
{
	const struct evidence_check c = {told, on_record, on_segment};

	buf_reset(&told->plain);
	told->records = told->closed = told->whole = 0;
	return evidence_check(statement, &c, ret_result);
}

static void evidence_proves_what_it_shows(void)
{
	static const char *const files[] = {FIXTURES "whole.json", FIXTURES "frames.json"};

	for (size_t i = 0; i < 2; i++) {
		struct buf text = tap_file(files[i]);
		struct signed_text t = {.has_signer = false};
		struct told told = {{0}, 0, 0, 0};
		struct evidence_result result;
		struct bytes body;

		CHECK_ERR(signed_parse(buf_view(&text), EVIDENCE_LABEL, &t), OK);
		CHECK(t.has_signer == (i == 0) && t.signature_right == (i == 0));
		CHECK_ERR(check(t.statement, &told, &result), OK);
		CHECK_U64(result.records, 2);
		CHECK_U64(told.records, 3); /* and the start record */
		CHECK_U64(told.closed, 1);
		CHECK_U64(told.whole, i == 0);
		CHECK(result.has_request && result.has_answer && result.all_closed);
		CHECK(result.all_whole == (i == 0));
		CHECK_ERR(record_find(buf_view(&told.plain), F_REQUEST_BODY, &body), OK);
		CHECK_BYTES(body, "{\"model\":\"gpt-5\"}");
		buf_done(&told.plain);
		buf_done(&text);
	}
}

/* Every byte of the statement, signature aside: it is refused, or shows the same, or what was
 * changed is a part that is not said to be proven. */
static void a_change_is_found_or_changes_nothing_that_is_proven(void)
{
	static const char *const files[] = {FIXTURES "whole.json", FIXTURES "frames.json"};

	for (size_t f = 0; f < 2; f++) {
		struct buf text = tap_file(files[f]), plain = {0};
		struct signed_text t = {.has_signer = false};
		struct told told = {{0}, 0, 0, 0};
		struct evidence_result result;
		size_t found = 0, tried = 0;

		CHECK_ERR(signed_parse(buf_view(&text), EVIDENCE_LABEL, &t), OK);
		CHECK_ERR(check(t.statement, &told, &result), OK);
		CHECK_ERR(buf_put(&plain, buf_view(&told.plain)), OK);
		for (size_t i = 0; i < text.len - 1; i++) {
			struct signed_text changed = {.has_signer = false};
			text.at[i] ^= 1;
			enum err e = signed_parse(buf_view(&text), EVIDENCE_LABEL, &changed);
			/* whoever knows the signer notices all of them */
			CHECK(e || !changed.has_signer || !changed.signature_right);
			if (!e)
				e = check(changed.statement, &told, &result);
			tried++;
			found += e != OK;
			if (!e && !(told.records == 2 && result.records == 2))
				CHECK(bytes_equal(buf_view(&told.plain), buf_view(&plain)));
			text.at[i] ^= 1;
		}
		printf("# %zu changes of %s, %zu refused without its signature\n", tried, files[f],
		       found);
		CHECK(found * 10 > tried * 8);
		buf_done(&told.plain);
		buf_done(&plain);
		buf_done(&text);
	}
}

/* The statement with the first `from` replaced by `to`. */
static enum err check_with(const char *file, const char *from, const char *to,
			   struct evidence_result *ret_result)
{
	struct buf text = tap_file(file), other = {0};
	struct signed_text t = {.has_signer = false};
	struct told told = {{0}, 0, 0, 0};
	size_t at = bytes_find(buf_view(&text), bytes_str(from));
	enum err e;

	CHECK(at != SIZE_MAX);
	CHECK_ERR(buf_put(&other, bytes_slice(buf_view(&text), 0, at)), OK);
	CHECK_ERR(buf_put_str(&other, to), OK);
	CHECK_ERR(buf_put(&other, bytes_from(buf_view(&text), at + strlen(from))), OK);
	CHECK_ERR(signed_parse(buf_view(&other), EVIDENCE_LABEL, &t), OK);
	e = check(t.statement, &told, ret_result);
	buf_done(&told.plain);
	buf_done(&other);
	buf_done(&text);
	return e;
}

static void what_does_not_fit_is_named(void)
{
	struct evidence_result r;

	CHECK_ERR(check_with(FIXTURES "whole.json", "\"sequence\":3", "\"sequence\":1", &r),
		  ERR_SEAL);
	CHECK_STR(r.problem, "a record's seal does not open with the key given for it");
	CHECK_ERR(check_with(FIXTURES "whole.json", "\"sequence\":4", "\"sequence\":3", &r),
		  ERR_SEAL);
	CHECK_STR(r.problem, "a key is given for a record that is not there, or twice");
	CHECK_ERR(check_with(FIXTURES "whole.json", "\"id\":\"0", "\"id\":\"1", &r), ERR_SEAL);
	CHECK_STR(r.problem, "a record is of another exchange");
	CHECK_ERR(check_with(FIXTURES "whole.json", "\"file\":\"2026", "\"file\":\"2025", &r),
		  ERR_SEAL);
	CHECK_STR(r.problem, "the ledger's opening entry is of another header or file");
	CHECK_ERR(check_with(FIXTURES "whole.json", "\"version\":1", "\"version\":2", &r),
		  ERR_UNSUPPORTED);
	CHECK_ERR(check_with(FIXTURES "whole.json", "\"type\":\"aigw evidence\"", "\"type\":\"x\"",
			     &r),
		  ERR_BAD);
	CHECK_ERR(check_with(FIXTURES "whole.json", "\"keys\":[", "\"keys\":[],\"k\":[", &r),
		  ERR_SEAL);
	CHECK_STR(r.problem, "there is no record of the exchange in it");
	/* without the ledger it holds, and is not said to be closed */
	CHECK_ERR(check_with(FIXTURES "whole.json", "\"ledger\":[", "\"ledger\":[],\"l\":[", &r),
		  OK);
	CHECK(!r.all_closed);
}

int main(void)
{
	if (seal_init())
		return 1;
	RUN_TESTS(TEST(evidence_proves_what_it_shows),
		  TEST(a_change_is_found_or_changes_nothing_that_is_proven),
		  TEST(what_does_not_fit_is_named));
}
