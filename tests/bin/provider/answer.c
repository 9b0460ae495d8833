/* SPDX-License-Identifier: MIT
 *
 * What the endpoints say. Shapes and usage fields follow the OpenAI and Anthropic API references;
 * every value is fixed or made from the request's hash, so that the same request gets the same
 * bytes with and without a shim in between.
 */
#include "provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CREATED 1793836800L /* 2026-11-05: a constant, answers must not depend on the clock */

/* OpenAI counts cached tokens inside the prompt; Anthropic beside the input. */
#define INPUT_TOKENS          19
#define OUTPUT_TOKENS         10
#define CACHE_READ_TOKENS     4
#define CACHE_CREATION_TOKENS 5
#define REASONING_TOKENS      2
#define SERVED_SUFFIX         "-2026-03-01"
#define BIG_ANSWER_BYTES      (1u << 20)
#define WORDS                 "Hello from the provider: twice two is four, today as ever."

/* ---- what the request's JSON asks: three top-level members are enough ---- */

struct ask {
	char model[256];
	bool stream, include_usage;
};

struct scan {
	const char *at, *end;
};

static void skip_space(struct scan *s)
{
	while (s->at < s->end && memchr(" \t\r\n", *s->at, 4))
		s->at++;
}

/* A string's raw inside; false when there is none. */
static bool scan_string(struct scan *s, const char **ret_at, size_t *ret_len)
{
	if (s->at >= s->end || *s->at != '"')
		return false;
	const char *start = ++s->at;
	while (s->at < s->end && *s->at != '"')
		s->at += *s->at == '\\' ? 2 : 1;
	if (s->at >= s->end)
		return false;
	*ret_at = start;
	*ret_len = (size_t)(s->at++ - start);
	return true;
}

static bool skip_value(struct scan *s)
{
	int depth = 0;
	const char *ignored;
	size_t len;

	do {
		skip_space(s);
		if (s->at >= s->end)
			return false;
		if (*s->at == '"') {
			if (!scan_string(s, &ignored, &len))
				return false;
		} else if (*s->at == '{' || *s->at == '[') {
			depth++;
			s->at++;
		} else if (*s->at == '}' || *s->at == ']') {
			depth--;
			s->at++;
		} else if (*s->at == ',' || *s->at == ':') {
			s->at++;
		} else {
			while (s->at < s->end && !memchr(",:]}[{\" \t\r\n", *s->at, 12))
				s->at++;
		}
		skip_space(s);
	} while (depth > 0);
	return true;
}

static bool is_text(const char *at, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(at, text, len) == 0;
}

/* False: not a JSON object. The last of two equal keys wins, as with most providers. */
static bool read_object(struct scan *s, struct ask *ask, bool inner)
{
	skip_space(s);
	if (s->at >= s->end || *s->at != '{')
		return false;
	s->at++;
	for (;;) {
		const char *key;
		size_t key_len;
		skip_space(s);
		if (s->at < s->end && *s->at == '}') {
			s->at++;
			return true;
		}
		if (!scan_string(s, &key, &key_len))
			return false;
		skip_space(s);
		if (s->at >= s->end || *s->at++ != ':')
			return false;
		skip_space(s);
		const char *value = s->at;
		if (!inner && is_text(key, key_len, "stream_options") && s->at < s->end &&
		    *s->at == '{') {
			if (!read_object(s, ask, true))
				return false;
		} else if (!skip_value(s)) {
			return false;
		}
		size_t value_len = (size_t)(s->at - value);
		bool is_true = value_len >= 4 && memcmp(value, "true", 4) == 0;
		if (inner && is_text(key, key_len, "include_usage"))
			ask->include_usage = is_true;
		if (!inner && is_text(key, key_len, "stream"))
			ask->stream = is_true;
		if (!inner && is_text(key, key_len, "model") && *value == '"') {
			struct scan v = {value, s->at};
			const char *at;
			size_t len;
			if (scan_string(&v, &at, &len) && len < sizeof ask->model) {
				memcpy(ask->model, at, len);
				ask->model[len] = '\0';
			}
		}
		skip_space(s);
		if (s->at < s->end && *s->at == ',')
			s->at++;
	}
}

static bool read_ask(const struct request *r, struct ask *ask)
{
	struct scan s = {r->body, r->body + r->body_bytes};

	memset(ask, 0, sizeof *ask);
	return read_object(&s, ask, false);
}

/* ---- behaviours ---- */

static void read_words(const char *words, struct behaviour *b)
{
	char copy[512];
	char *rest;

	snprintf(copy, sizeof copy, "%s", words);
	for (char *w = strtok_r(copy, ",&", &rest); w; w = strtok_r(NULL, ",&", &rest)) {
		unsigned long number = 0;
		char *sign = strpbrk(w, "=");
		if (sign) {
			*sign = '\0';
			number = strtoul(sign + 1, NULL, 10);
		}
		if (!strncmp(w, "error-", 6) && atoi(w + 6) >= 400)
			b->error_status = atoi(w + 6);
		else if (!strcmp(w, "length"))
			b->framing = BY_LENGTH, b->framing_given = true;
		else if (!strcmp(w, "chunked"))
			b->framing = BY_CHUNKS, b->framing_given = true;
		else if (!strcmp(w, "until-close"))
			b->framing = BY_CLOSE, b->framing_given = true;
		else if (!strcmp(w, "gzip"))
			b->gzip = true;
		else if (!strcmp(w, "cut"))
			b->cut = true;
		else if (!strcmp(w, "stall"))
			b->stall = true;
		else if (!strcmp(w, "drip"))
			b->drip = true;
		else if (!strcmp(w, "early-hints"))
			b->early_hints = true;
		else if (!strcmp(w, "close"))
			b->close = true;
		else if (!strcmp(w, "no-usage"))
			b->no_usage = true;
		else if (!strcmp(w, "null-usage"))
			b->null_usage = true;
		else if (!strcmp(w, "error-in-stream"))
			b->error_in_stream = true;
		else if (!strcmp(w, "slow"))
			b->delay_ms = sign ? (unsigned)number : 50;
		else if (!strcmp(w, "delay-ms"))
			b->delay_ms = (unsigned)number;
		else if (!strcmp(w, "events"))
			b->events = (unsigned)number;
		else if (!strcmp(w, "big"))
			b->answer_bytes = sign ? number : BIG_ANSWER_BYTES;
	}
}

void provider_read_behaviour(const struct request *r, struct behaviour *ret_behaviour)
{
	struct ask ask;
	const char *words = request_header(r, "x-provider");

	memset(ret_behaviour, 0, sizeof *ret_behaviour);
	ret_behaviour->events = 5;
	if (*r->query)
		read_words(r->query, ret_behaviour);
	if (words)
		read_words(words, ret_behaviour);
	if (r->body_bytes && read_ask(r, &ask)) {
		const char *tail = strstr(ask.model, "--");
		read_words(tail ? tail + 2 : ask.model, ret_behaviour);
	}
}

/* ---- answers ---- */

struct talk {
	struct line *line;
	const struct request *r;
	const struct behaviour *b;
	struct ask ask;
	char id[25];    /* made from the body's hash */
	char more[512]; /* the provider's own response headers */
	const char *words;
	size_t words_len;
	char *big;
};

static bool send_json(struct talk *t, int status, struct text *body)
{
	struct behaviour b = *t->b;

	struct answer *a = answer_begin(t->line, t->r, &b, status, "application/json", t->more,
					b.framing == BY_LENGTH ? body->len : SIZE_MAX);
	bool go_on;
	if (b.cut || b.stall) {
		answer_write(a, body->at, body->len / 2);
		go_on = b.cut ? answer_cut(a) : answer_stall(a);
	} else {
		answer_write(a, body->at, body->len);
		go_on = answer_end(a);
	}
	text_done(body);
	return go_on;
}

static bool send_error(struct talk *t, bool anthropic, int status, const char *type,
		       const char *code, const char *message)
{
	struct text body = {0};

	if (anthropic) {
		text_printf(&body,
			    "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"%s\"},"
			    "\"request_id\":\"req_%s\"}",
			    type, message, t->id);
	} else {
		text_printf(&body,
			    "{\n  \"error\": {\n    \"message\": \"%s\",\n    \"type\": \"%s\",\n"
			    "    \"param\": null,\n    \"code\": ",
			    message, type);
		if (code)
			text_printf(&body, "\"%s\"", code);
		else
			text_printf(&body, "null");
		text_printf(&body, "\n  }\n}\n");
	}
	return send_json(t, status, &body);
}

static bool send_status(struct talk *t, bool anthropic, int status)
{
	if (anthropic)
		return send_error(t, true, status,
				  status == 429   ? "rate_limit_error"
				  : status == 529 ? "overloaded_error"
				  : status >= 500 ? "api_error"
						  : "invalid_request_error",
				  NULL, "The provider was asked to fail this request.");
	return send_error(t, false, status,
			  status == 429   ? "rate_limit_error"
			  : status >= 500 ? "server_error"
					  : "invalid_request_error",
			  status == 429 ? "rate_limit_exceeded" : NULL,
			  "The provider was asked to fail this request.");
}

static void put_chat_usage(struct text *x, const struct behaviour *b)
{
	if (b->null_usage) {
		text_printf(x, "{\"prompt_tokens\":null,\"completion_tokens\":null,"
			       "\"total_tokens\":null}");
		return;
	}
	text_printf(x,
		    "{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d,"
		    "\"prompt_tokens_details\":{\"cached_tokens\":%d,\"audio_tokens\":0},"
		    "\"completion_tokens_details\":{\"reasoning_tokens\":%d,\"audio_tokens\":0,"
		    "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
		    INPUT_TOKENS, OUTPUT_TOKENS, INPUT_TOKENS + OUTPUT_TOKENS, CACHE_READ_TOKENS,
		    REASONING_TOKENS);
}

static void put_chat(struct text *x, const char *id, const char *model, const char *words,
		     size_t words_len, const struct behaviour *b)
{
	text_printf(x,
		    "{\n  \"id\": \"chatcmpl-%s\",\n  \"object\": \"chat.completion\",\n"
		    "  \"created\": %ld,\n  \"model\": \"%s%s\",\n  \"choices\": [\n    {\n"
		    "      \"index\": 0,\n      \"message\": {\n        \"role\": \"assistant\",\n"
		    "        \"content\": \"",
		    id, CREATED, model, SERVED_SUFFIX);
	text_put_json(x, words, words_len);
	text_printf(x, "\",\n        \"refusal\": null,\n        \"annotations\": []\n      },\n"
		       "      \"logprobs\": null,\n      \"finish_reason\": \"stop\"\n    }\n  ]");
	if (!b->no_usage) {
		text_printf(x, ",\n  \"usage\": ");
		put_chat_usage(x, b);
	}
	text_printf(x, ",\n  \"service_tier\": \"default\",\n"
		       "  \"system_fingerprint\": \"fp_50cad350e4\"\n}\n");
}

void provider_put_small_answer(struct text *body)
{
	struct behaviour b = {0};

	put_chat(body, "000000000000000000000000", "gpt-5", WORDS, strlen(WORDS), &b);
}

/* The n-th of `count` slices of the words. */
static void slice(const struct talk *t, unsigned n, const char **ret_at, size_t *ret_len)
{
	size_t from = t->words_len * n / t->b->events, to = t->words_len * (n + 1) / t->b->events;

	*ret_at = t->words + from;
	*ret_len = to - from;
}

static bool flush_event(struct answer *a, struct text *event)
{
	bool there = answer_write(a, event->at, event->len);

	event->len = 0;
	return there;
}

/* After each text event: the pauses and mishaps. False: leave the loop. */
static bool after_event(const struct talk *t, unsigned n)
{
	if ((t->b->cut || t->b->error_in_stream) && n >= t->b->events / 2)
		return false;
	if (t->b->stall)
		return false;
	if (t->b->delay_ms)
		pause_ms(t->b->delay_ms);
	return true;
}

static struct answer *begin_stream(struct talk *t)
{
	struct behaviour b = *t->b;

	if (!b.framing_given)
		b.framing = BY_CHUNKS;
	return answer_begin(t->line, t->r, &b, 200, "text/event-stream; charset=utf-8", t->more,
			    SIZE_MAX);
}

static void put_chunk(struct talk *t, struct text *x, const char *delta, const char *finish)
{
	text_printf(
		x,
		"data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"created\":"
		"%ld,\"model\":\"%s%s\",\"service_tier\":\"default\",\"system_fingerprint\":"
		"\"fp_50cad350e4\",\"choices\":[{\"index\":0,\"delta\":%s,\"logprobs\":null,"
		"\"finish_reason\":%s}]%s,\"obfuscation\":\"Zx7pQ\"}\n\n",
		t->id, CREATED, t->ask.model, SERVED_SUFFIX, delta, finish,
		t->ask.include_usage ? ",\"usage\":null" : "");
}

static bool stream_chat(struct talk *t)
{
	struct answer *a = begin_stream(t);
	struct text x = {0};
	bool there, go_on;

	put_chunk(t, &x, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null");
	there = flush_event(a, &x);
	unsigned n = 0;
	for (; there && n < t->b->events; n++) {
		struct text delta = {0};
		const char *at;
		size_t len;
		slice(t, n, &at, &len);
		text_printf(&delta, "{\"content\":\"");
		text_put_json(&delta, at, len);
		text_printf(&delta, "\"}");
		put_chunk(t, &x, delta.at, "null");
		text_done(&delta);
		there = flush_event(a, &x);
		if (!after_event(t, n))
			break;
	}
	if (there && t->b->error_in_stream) {
		text_printf(&x,
			    "data: {\"error\":{\"message\":\"The server had an error while "
			    "processing your request.\",\"type\":\"server_error\",\"param\":null,"
			    "\"code\":null}}\n\n");
		flush_event(a, &x);
		go_on = answer_end(a);
	} else if (t->b->cut) {
		go_on = answer_cut(a);
	} else if (t->b->stall) {
		go_on = answer_stall(a);
	} else {
		put_chunk(t, &x, "{}", "\"stop\"");
		if (t->ask.include_usage && !t->b->no_usage) {
			text_printf(&x,
				    "data: {\"id\":\"chatcmpl-%s\",\"object\":"
				    "\"chat.completion.chunk\",\"created\":%ld,\"model\":\"%s%s\","
				    "\"service_tier\":\"default\",\"system_fingerprint\":"
				    "\"fp_50cad350e4\",\"choices\":[],\"usage\":",
				    t->id, CREATED, t->ask.model, SERVED_SUFFIX);
			put_chat_usage(&x, t->b);
			text_printf(&x, ",\"obfuscation\":\"\"}\n\n");
		}
		text_printf(&x, "data: [DONE]\n\n");
		flush_event(a, &x);
		go_on = answer_end(a);
	}
	text_done(&x);
	return go_on;
}

static void put_response_object(struct talk *t, struct text *x, const char *status, bool whole)
{
	text_printf(
		x,
		"{\"id\":\"resp_%s\",\"object\":\"response\",\"created_at\":%ld,\"status\":\"%s\","
		"\"background\":false,\"error\":null,\"incomplete_details\":null,"
		"\"instructions\":null,\"model\":\"%s%s\",\"output\":[",
		t->id, CREATED, status, t->ask.model, SERVED_SUFFIX);
	if (whole) {
		text_printf(x,
			    "{\"id\":\"msg_%s\",\"type\":\"message\",\"status\":\"completed\","
			    "\"content\":[{\"type\":\"output_text\",\"annotations\":[],"
			    "\"logprobs\":[],\"text\":\"",
			    t->id);
		text_put_json(x, t->words, t->words_len);
		text_printf(x, "\"}],\"role\":\"assistant\"}");
	}
	text_printf(x, "],\"parallel_tool_calls\":true,\"previous_response_id\":null,"
		       "\"service_tier\":\"default\",\"store\":true,\"temperature\":1.0,"
		       "\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1.0,\"truncation\":"
		       "\"disabled\",\"usage\":");
	if (whole && !t->b->no_usage && !t->b->null_usage)
		text_printf(
			x,
			"{\"input_tokens\":%d,\"input_tokens_details\":{\"cached_tokens\":%d},"
			"\"output_tokens\":%d,\"output_tokens_details\":{\"reasoning_tokens\":%d},"
			"\"total_tokens\":%d}",
			INPUT_TOKENS, CACHE_READ_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS,
			INPUT_TOKENS + OUTPUT_TOKENS);
	else
		text_printf(x, "null");
	text_printf(x, ",\"user\":null,\"metadata\":{}}");
}

static bool stream_response(struct talk *t)
{
	struct answer *a = begin_stream(t);
	struct text x = {0};
	unsigned seq = 0;
	bool there, go_on;

	for (int i = 0; i < 2; i++) {
		const char *name = i ? "response.in_progress" : "response.created";
		text_printf(
			&x,
			"event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%u,\"response\":",
			name, name, seq++);
		put_response_object(t, &x, "in_progress", false);
		text_printf(&x, "}\n\n");
	}
	text_printf(
		&x,
		"event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\","
		"\"sequence_number\":%u,\"output_index\":0,\"item\":{\"id\":\"msg_%s\",\"type\":"
		"\"message\",\"status\":\"in_progress\",\"content\":[],\"role\":\"assistant\"}}"
		"\n\n",
		seq++, t->id);
	text_printf(&x,
		    "event: response.content_part.added\ndata: {\"type\":"
		    "\"response.content_part.added\",\"sequence_number\":%u,\"item_id\":\"msg_%s\","
		    "\"output_index\":0,\"content_index\":0,\"part\":{\"type\":\"output_text\","
		    "\"annotations\":[],\"logprobs\":[],\"text\":\"\"}}\n\n",
		    seq++, t->id);
	there = flush_event(a, &x);
	for (unsigned n = 0; there && n < t->b->events; n++) {
		const char *at;
		size_t len;
		slice(t, n, &at, &len);
		text_printf(&x,
			    "event: response.output_text.delta\ndata: {\"type\":"
			    "\"response.output_text.delta\",\"sequence_number\":%u,\"item_id\":"
			    "\"msg_%s\",\"output_index\":0,\"content_index\":0,\"delta\":\"",
			    seq++, t->id);
		text_put_json(&x, at, len);
		text_printf(&x, "\",\"logprobs\":[],\"obfuscation\":\"Kq2\"}\n\n");
		there = flush_event(a, &x);
		if (!after_event(t, n))
			break;
	}
	if (there && t->b->error_in_stream) {
		text_printf(
			&x,
			"event: error\ndata: {\"type\":\"error\",\"sequence_number\":%u,\"code\":"
			"\"server_error\",\"message\":\"The server had an error while processing "
			"your request.\",\"param\":null}\n\n",
			seq++);
		flush_event(a, &x);
		go_on = answer_end(a);
	} else if (t->b->cut) {
		go_on = answer_cut(a);
	} else if (t->b->stall) {
		go_on = answer_stall(a);
	} else {
		text_printf(&x,
			    "event: response.output_text.done\ndata: {\"type\":"
			    "\"response.output_text.done\",\"sequence_number\":%u,\"item_id\":"
			    "\"msg_%s\",\"output_index\":0,\"content_index\":0,\"text\":\"",
			    seq++, t->id);
		text_put_json(&x, t->words, t->words_len);
		text_printf(&x,
			    "\",\"logprobs\":[]}\n\nevent: response.completed\ndata: {\"type\":"
			    "\"response.completed\",\"sequence_number\":%u,\"response\":",
			    seq++);
		put_response_object(t, &x, "completed", true);
		text_printf(&x, "}\n\n");
		flush_event(a, &x);
		go_on = answer_end(a);
	}
	text_done(&x);
	return go_on;
}

static void put_message_usage(struct text *x, int output_tokens)
{
	text_printf(x,
		    "{\"input_tokens\":%d,\"cache_creation_input_tokens\":%d,"
		    "\"cache_read_input_tokens\":%d,\"cache_creation\":{"
		    "\"ephemeral_5m_input_tokens\":%d,\"ephemeral_1h_input_tokens\":0},"
		    "\"output_tokens\":%d,\"service_tier\":\"standard\"}",
		    INPUT_TOKENS, CACHE_CREATION_TOKENS, CACHE_READ_TOKENS, CACHE_CREATION_TOKENS,
		    output_tokens);
}

static bool stream_message(struct talk *t)
{
	struct answer *a = begin_stream(t);
	struct text x = {0};
	bool there, go_on;

	text_printf(&x,
		    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":"
		    "\"msg_%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"%s%s\","
		    "\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":",
		    t->id, t->ask.model, SERVED_SUFFIX);
	put_message_usage(&x, 1);
	text_printf(&x, "}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\","
			"\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
			"event: ping\ndata: {\"type\": \"ping\"}\n\n");
	there = flush_event(a, &x);
	for (unsigned n = 0; there && n < t->b->events; n++) {
		const char *at;
		size_t len;
		slice(t, n, &at, &len);
		text_printf(&x,
			    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
			    "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"");
		text_put_json(&x, at, len);
		text_printf(&x, "\"}}\n\n");
		there = flush_event(a, &x);
		if (!after_event(t, n))
			break;
	}
	if (there && t->b->error_in_stream) {
		text_printf(&x, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
				"\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n");
		flush_event(a, &x);
		go_on = answer_end(a);
	} else if (t->b->cut) {
		go_on = answer_cut(a);
	} else if (t->b->stall) {
		go_on = answer_stall(a);
	} else {
		text_printf(
			&x,
			"event: content_block_stop\ndata: {\"type\":\"content_block_stop\","
			"\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\","
			"\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
			"\"usage\":{\"output_tokens\":%d}}\n\nevent: message_stop\ndata: "
			"{\"type\":\"message_stop\"}\n\n",
			OUTPUT_TOKENS);
		flush_event(a, &x);
		go_on = answer_end(a);
	}
	text_done(&x);
	return go_on;
}

static bool answer_chat(struct talk *t)
{
	struct text x = {0};

	if (t->ask.stream)
		return stream_chat(t);
	put_chat(&x, t->id, t->ask.model, t->words, t->words_len, t->b);
	return send_json(t, 200, &x);
}

static bool answer_response(struct talk *t)
{
	struct text x = {0};

	if (t->ask.stream)
		return stream_response(t);
	put_response_object(t, &x, "completed", true);
	return send_json(t, 200, &x);
}

static bool answer_embeddings(struct talk *t)
{
	struct text x = {0};

	text_printf(
		&x,
		"{\n  \"object\": \"list\",\n  \"data\": [\n    {\n      \"object\": \"embedding\","
		"\n      \"index\": 0,\n      \"embedding\": [-0.006929283, -0.005336422, "
		"0.024047505, -4.547e-05]\n    }\n  ],\n  \"model\": \"%s%s\",\n  \"usage\": {\n"
		"    \"prompt_tokens\": %d,\n    \"total_tokens\": %d\n  }\n}\n",
		t->ask.model, SERVED_SUFFIX, INPUT_TOKENS, INPUT_TOKENS);
	return send_json(t, 200, &x);
}

static bool answer_openai_models(struct talk *t)
{
	struct text x = {0};

	text_printf(
		&x,
		"{\n  \"object\": \"list\",\n  \"data\": [\n    {\"id\": \"gpt-5\", \"object\": "
		"\"model\", \"created\": %ld, \"owned_by\": \"system\"},\n    {\"id\": \"gpt-4o\", "
		"\"object\": \"model\", \"created\": %ld, \"owned_by\": \"system\"}\n  ]\n}\n",
		CREATED, CREATED);
	return send_json(t, 200, &x);
}

static bool answer_anthropic_models(struct talk *t)
{
	struct text x = {0};

	text_printf(&x, "{\"data\":[{\"type\":\"model\",\"id\":\"claude-opus-5\",\"display_name\":"
			"\"Claude Opus 5\",\"created_at\":\"2026-02-01T00:00:00Z\"}],\"has_more\":"
			"false,\"first_id\":\"claude-opus-5\",\"last_id\":\"claude-opus-5\"}");
	return send_json(t, 200, &x);
}

static bool answer_messages(struct talk *t)
{
	struct text x = {0};

	if (t->ask.stream)
		return stream_message(t);
	text_printf(
		&x,
		"{\"id\":\"msg_%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"%s%s\","
		"\"content\":[{\"type\":\"text\",\"text\":\"",
		t->id, t->ask.model, SERVED_SUFFIX);
	text_put_json(&x, t->words, t->words_len);
	text_printf(&x, "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":");
	put_message_usage(&x, OUTPUT_TOKENS);
	text_printf(&x, "}");
	return send_json(t, 200, &x);
}

static bool answer_count_tokens(struct talk *t)
{
	struct text x = {0};

	text_printf(&x, "{\"input_tokens\":%d}", INPUT_TOKENS);
	return send_json(t, 200, &x);
}

/* Paths that no model provider has: for programs we have no business with. */

static bool answer_plain(struct talk *t)
{
	struct text x = {0};

	text_printf(&x, "plain text, %zu bytes of body, method %s\n", t->r->body_bytes,
		    t->r->method);
	struct answer *a = answer_begin(t->line, t->r, t->b, 200, "text/plain", "",
					t->b->framing == BY_LENGTH ? x.len : SIZE_MAX);
	answer_write(a, x.at, x.len);
	text_done(&x);
	return answer_end(a);
}

static bool answer_bytes(struct talk *t)
{
	static const char pattern[16384] = {'a', 'i', 'g', 'w'};
	size_t left = strtoull(t->r->path + strlen("/bytes/"), NULL, 10);
	struct answer *a = answer_begin(t->line, t->r, t->b, 200, "application/octet-stream", "",
					left);

	while (left > 0) {
		size_t n = left < sizeof pattern ? left : sizeof pattern;
		if (!answer_write(a, pattern, n))
			break;
		left -= n;
	}
	return answer_end(a);
}

static bool answer_nothing(struct talk *t)
{
	int status = atoi(t->r->path + strlen("/nothing/"));

	return answer_end(answer_begin(t->line, t->r, t->b, status, NULL, "", SIZE_MAX));
}

enum needs { NEEDS_NOTHING, NEEDS_KEY, NEEDS_MODEL };

static const struct endpoint {
	const char *method, *path;
	bool anthropic, prefix;
	enum needs needs;
	bool (*answer)(struct talk *t);
} endpoints[] = {
	{"POST", "/v1/chat/completions", false, false, NEEDS_MODEL, answer_chat},
	{"POST", "/v1/responses", false, false, NEEDS_MODEL, answer_response},
	{"POST", "/v1/embeddings", false, false, NEEDS_MODEL, answer_embeddings},
	{"GET", "/v1/models", false, false, NEEDS_KEY, answer_openai_models},
	{"POST", "/v1/messages", true, false, NEEDS_MODEL, answer_messages},
	{"POST", "/v1/messages/count_tokens", true, false, NEEDS_MODEL, answer_count_tokens},
	{"GET", "/plain", false, true, NEEDS_NOTHING, answer_plain},
	{"POST", "/plain", false, true, NEEDS_NOTHING, answer_plain},
	{"GET", "/bytes/", false, true, NEEDS_NOTHING, answer_bytes},
	{"GET", "/nothing/", false, true, NEEDS_NOTHING, answer_nothing},
	{"POST", "/nothing/", false, true, NEEDS_NOTHING, answer_nothing},
};

static const struct endpoint *find_endpoint(const struct request *r, bool *ret_path_known)
{
	const char *method = strcmp(r->method, "HEAD") ? r->method : "GET";

	*ret_path_known = false;
	for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
		const struct endpoint *e = &endpoints[i];
		bool same = e->prefix ? !strncmp(r->path, e->path, strlen(e->path))
				      : !strcmp(r->path, e->path);
		*ret_path_known |= same;
		if (same && !strcmp(method, e->method))
			return e;
	}
	return NULL;
}

static bool has_key(const struct request *r)
{
	const char *bearer = request_header(r, "authorization");

	return (bearer && !strncasecmp(bearer, "bearer ", 7) && bearer[7]) ||
	       request_header(r, "x-api-key");
}

static bool answer_for(struct talk *t)
{
	bool path_known;
	const struct endpoint *e = find_endpoint(t->r, &path_known);
	bool anthropic = e ? e->anthropic : !strncmp(t->r->path, "/v1/messages", 12);
	bool is_json = read_ask(t->r, &t->ask);

	if (e && !strcmp(e->path, "/v1/models") && request_header(t->r, "anthropic-version"))
		anthropic = true;
	if (anthropic)
		snprintf(t->more, sizeof t->more,
			 "request-id: req_%s\r\nanthropic-organization-id: "
			 "3f7f6b54-0000-4000-8000-000000000000\r\n"
			 "anthropic-ratelimit-requests-remaining: 3999\r\n",
			 t->id);
	else if (!e || e->needs != NEEDS_NOTHING)
		snprintf(t->more, sizeof t->more,
			 "x-request-id: req_%s\r\nopenai-organization: org-test\r\n"
			 "openai-version: 2020-10-01\r\nopenai-processing-ms: 12\r\n"
			 "x-ratelimit-remaining-requests: 9999\r\n",
			 t->id);
	if (!e && path_known)
		return send_error(t, anthropic, 405, "invalid_request_error", NULL,
				  "Not allowed with this method.");
	if (!e)
		return send_error(t, anthropic, 404,
				  anthropic ? "not_found_error" : "invalid_request_error", NULL,
				  "Invalid URL");
	if (e->needs != NEEDS_NOTHING && !has_key(t->r))
		return send_error(t, anthropic, 401,
				  anthropic ? "authentication_error" : "invalid_request_error",
				  "invalid_api_key", "You did not provide an API key.");
	if (t->b->error_status)
		return send_status(t, anthropic, t->b->error_status);
	if (e->needs == NEEDS_MODEL && !is_json)
		return send_error(t, anthropic, 400, "invalid_request_error", NULL,
				  "We could not parse the JSON body of your request.");
	if (e->needs == NEEDS_MODEL && !*t->ask.model)
		return send_error(t, anthropic, 400, "invalid_request_error", NULL,
				  "you must provide a model parameter");
	return anthropic && !strcmp(e->path, "/v1/models") ? answer_anthropic_models(t)
							   : e->answer(t);
}

bool provider_answer(struct line *line, const struct request *r)
{
	struct behaviour b;
	struct talk t = {.line = line, .r = r, .b = &b, .words = WORDS, .words_len = strlen(WORDS)};

	provider_read_behaviour(r, &b);
	if (provider.file.len) {
		struct answer *a = answer_begin(line, r, &b, 200, provider.type, "",
						provider.file.len);
		answer_write(a, provider.file.at, provider.file.len);
		return answer_end(a);
	}
	if (b.events == 0)
		b.events = 1;
	snprintf(t.id, sizeof t.id, "%.24s", *r->sha256 ? r->sha256 : "000000000000000000000000");
	if (b.answer_bytes) {
		t.big = malloc(b.answer_bytes);
		if (!t.big)
			abort();
		for (size_t i = 0; i < b.answer_bytes; i++)
			t.big[i] = WORDS[i % strlen(WORDS)];
		t.words = t.big;
		t.words_len = b.answer_bytes;
	}
	bool go_on = answer_for(&t);
	free(t.big);
	return go_on;
}
