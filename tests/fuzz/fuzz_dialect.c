/* SPDX-License-Identifier: MIT
 *
 * Requests, answers, streams and refusals of every dialect. The input's first line says what it is,
 * the rest is read as that by all dialects:
 *
 *     request METHOD PATH CONTENT-TYPE
 *     body
 *     stream LIMIT
 *     refusal STATUS
 */
#include <stdint.h>
#include <string.h>

#include "llm/dialect.h"
#include "wire/json.h"
#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct dialect *const dialects[] = {&dialect_openai, &dialect_anthropic};

#define DIALECT_COUNT (sizeof dialects / sizeof dialects[0])

static void require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

static void check_call(const struct request_view *v, const struct call *call)
{
	struct json_token model;
	uint8_t meaning[MODEL_BYTES_MAX];
	struct buf fixed = {.at = meaning, .cap = sizeof meaning, .max = sizeof meaning};

	require(call->operation < OP_COUNT && call->model_len <= MODEL_BYTES_MAX);
	require(strlen(call->model) == call->model_len);
	if (call->operation == OP_UNKNOWN)
		return;
	require(!operation_needs_model(call->operation) || call->model_len > 0);
	require(v->body.len == 0 || !json_check(v->body, NULL, NULL));
	/* another reader of the same JSON finds the same model */
	if (call->model_len == 0)
		return;
	require(!json_find(v->body, "/model", &model, NULL) && !json_put_unescaped(&fixed, &model));
	require(bytes_equal(buf_view(&fixed), bytes_of(call->model, call->model_len)));
}

static void run_request(struct bytes line, struct bytes body)
{
	struct request_view v = {.body = body};

	v.method = bytes_cut(&line, ' ');
	v.path = bytes_cut(&line, ' ');
	v.query = v.path;
	v.path = bytes_cut(&v.query, '?');
	v.content_type = line;
	for (size_t i = 0; i < DIALECT_COUNT; i++) {
		struct call call;
		struct fault fault = {0};
		enum err e = dialects[i]->read_call(&v, &call, &fault);
		if (!e) {
			check_call(&v, &call);
			continue;
		}
		require(e == ERR_BAD || e == ERR_AMBIGUOUS || e == ERR_LIMIT);
		require(fault.code && fault.reason);
		require(fault.at == SIZE_MAX || fault.at <= body.len);
	}
}

static void check_answer(const struct answer *a, const struct buf *text)
{
	require(memchr(a->model, 0, sizeof a->model) && memchr(a->id, 0, sizeof a->id));
	require(memchr(a->finish_reason, 0, sizeof a->finish_reason));
	for (size_t i = 0; i < USAGE_COUNT; i++)
		require(a->usage.presence[i] <= PRESENT);
	require(text->max == 0 || text->len <= text->max);
	require(bytes_is_utf8(buf_view(text)));
}

static void run_body(struct bytes body)
{
	for (size_t i = 0; i < DIALECT_COUNT; i++) {
		struct answer a = {0};
		struct buf text = {0};
		require(!dialects[i]->read_body(body, &a, &text));
		check_answer(&a, &text);
		buf_done(&text);
	}
}

static void run_stream(struct bytes limit, struct bytes stream)
{
	uint64_t max = 0;

	if (bytes_parse_u64(limit, 1 << 20, &max))
		max = 0;
	for (size_t i = 0; i < DIALECT_COUNT; i++) {
		struct answer a = {0};
		struct buf text = {.max = (size_t)max};
		struct sse sse = {0};
		struct sse_event event;
		struct bytes in = stream;
		while (!sse_next(&sse, &in, &event)) {
			size_t before = text.len;
			require(!dialects[i]->read_event(&event, &a, &text));
			require(text.len >= before);
			check_answer(&a, &text);
		}
		sse_done(&sse);
		buf_done(&text);
	}
}

static size_t count_lines(struct bytes head)
{
	size_t count = 0;

	for (size_t at = 0; at < head.len; at++) {
		require(head.at[at] == '\r' || head.at[at] == '\n' ||
			(head.at[at] >= 0x20 && head.at[at] < 0x7F));
		count += head.at[at] == '\n' || head.at[at] == '\r';
	}
	return count;
}

/* The rest: rule, message and id, one a line. */
static void run_refusal(struct bytes status, struct bytes rest)
{
	struct refusal r = {.code = "policy_denied"};
	uint64_t number = 0;

	if (bytes_parse_u64(status, 100000, &number))
		number = 403;
	r.status = (int)number;
	r.rule = bytes_cut(&rest, '\n');
	r.message = bytes_cut(&rest, '\n');
	r.id = rest;
	for (size_t i = 0; i < DIALECT_COUNT; i++) {
		struct buf out = {0};
		struct bytes all;
		size_t end;
		require(!dialect_put_refusal(dialects[i], &r, &out));
		all = buf_view(&out);
		end = bytes_find(all, BYTES("\r\n\r\n"));
		require(end != SIZE_MAX && count_lines(bytes_slice(all, 0, end + 4)) == 18);
		require(!json_check(bytes_from(all, end + 4), NULL, NULL));
		buf_done(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest = bytes_of(data, size);
	struct bytes line = bytes_cut(&rest, '\n');
	struct bytes kind = bytes_cut(&line, ' ');

	if (bytes_equal(kind, BYTES("request")))
		run_request(line, rest);
	else if (bytes_equal(kind, BYTES("body")))
		run_body(rest);
	else if (bytes_equal(kind, BYTES("stream")))
		run_stream(line, rest);
	else if (bytes_equal(kind, BYTES("refusal")))
		run_refusal(line, rest);
	return 0;
}
