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

#include "llm/catalogue.h"
#include "llm/tools.h"
#include "wire/json.h"
#include "wire/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

static bool body_names(struct bytes body, const struct call *call)
{
	struct json_token model;
	uint8_t meaning[MODEL_BYTES_MAX];
	struct buf fixed = {.at = meaning, .cap = sizeof meaning, .max = sizeof meaning};

	return !json_find(body, "/model", &model, NULL) && !json_put_unescaped(&fixed, &model) &&
	       bytes_equal(buf_view(&fixed), bytes_of(call->model, call->model_len));
}

static void check_call(const struct request_view *v, const struct match *m, const struct call *call)
{
	require(call->operation < OP_COUNT && call->model_len <= MODEL_BYTES_MAX);
	require(strlen(call->model) == call->model_len);
	require(call->operation == (m->endpoint ? m->endpoint->operation : OP_UNKNOWN));
	require(bytes_is_utf8(bytes_str(call->model)));
	if (!m->endpoint)
		return;
	require(!m->endpoint->needs_model || call->model_len > 0);
	if (m->endpoint->model == MODEL_PATH)
		require(bytes_equal(m->model, bytes_str(call->model)));
	/* another reader of the same JSON finds the same model */
	if (m->endpoint->model == MODEL_BODY && call->model_len &&
	    strcmp(endpoint_keys(m->endpoint), "model") == 0)
		require(body_names(v->body, call));
}

static void run_provider(const struct provider *p, const struct request_view *v)
{
	struct call call;
	struct match match;
	struct fault fault = {0};
	enum err e = provider_read_call(p, v, &call, &fault);

	provider_match(p, v->method, v->path, &match);
	require(match.dialect);
	if (!e) {
		check_call(v, &match, &call);
		return;
	}
	require(e == ERR_BAD || e == ERR_AMBIGUOUS || e == ERR_LIMIT);
	require(fault.code && fault.reason);
	require(fault.at == SIZE_MAX || fault.at <= v->body.len);
}

static void run_request(struct bytes line, struct bytes body)
{
	struct request_view v = {.body = body};

	v.method = bytes_cut(&line, ' ');
	v.path = bytes_cut(&line, ' ');
	v.query = v.path;
	v.path = bytes_cut(&v.query, '?');
	v.content_type = line;
	for (size_t i = 0; dialect_at(i); i++) {
		struct provider own = {
			.name = "own", .dialect = dialect_number(dialect_at(i)), .loose = true};
		run_provider(&own, &v);
	}
	for (size_t i = 0; i < catalogue_count; i++)
		run_provider(&catalogue[i], &v);
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

/* The tool calls are one array of objects with the three members we know, whatever came in. */
static void end_tools(struct answer *a)
{
	require(!tools_end(a));
	require(a->tool_calls->max == 0 || a->tool_calls->len <= a->tool_calls->max);
	require(a->tool_calls->len == 0 || !json_check(buf_view(a->tool_calls), NULL, NULL));
	buf_done(a->tool_calls);
}

static void run_body(struct bytes body)
{
	for (size_t i = 0; dialect_at(i); i++) {
		struct buf text = {0}, tools = {0};
		struct answer a = {.tool_calls = &tools};
		require(!dialect_at(i)->read_body(body, &a, &text));
		check_answer(&a, &text);
		end_tools(&a);
		buf_done(&text);
	}
}

static void run_stream(struct bytes limit, struct bytes stream)
{
	uint64_t max = 0;

	if (bytes_parse_u64(limit, 1 << 20, &max))
		max = 0;
	for (size_t i = 0; dialect_at(i); i++) {
		struct buf text = {.max = (size_t)max}, tools = {.max = (size_t)max};
		struct answer a = {.tool_calls = &tools};
		struct sse sse = {0};
		struct sse_event event;
		struct bytes in = stream;
		while (!sse_next(&sse, &in, &event)) {
			size_t before = text.len;
			require(!dialect_at(i)->read_event(&event, &a, &text));
			require(text.len >= before);
			check_answer(&a, &text);
		}
		sse_done(&sse);
		end_tools(&a);
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
	r.in_array = r.status & 1;
	for (size_t i = 0; i < error_shape_count; i++) {
		struct buf out = {0};
		struct bytes all;
		size_t end, lines = error_shapes[i].type_header ? 20 : 18;
		require(!error_shape_put_refusal(&error_shapes[i], "x-request-id", &r, &out));
		all = buf_view(&out);
		end = bytes_find(all, BYTES("\r\n\r\n"));
		require(end != SIZE_MAX && count_lines(bytes_slice(all, 0, end + 4)) == lines);
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
