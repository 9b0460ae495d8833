/* SPDX-License-Identifier: MIT */
#include "shim/gate_record.h"

#include <string.h>

#include "audit/record.h"
#include "base/sys.h"
#include "llm/credential.h"
#include "llm/credential_place.h"
#include "llm/price_list.h"
#include "policy/pricing.h"

#define BEHIND_BODY_BYTES 512 /* usual for the fields behind it, and its own head */

/* Steps are tried in order; the first failure is the answer. */
#define TRY(call)                                                                                  \
	do {                                                                                       \
		enum err try_ = (call);                                                            \
		if (try_)                                                                          \
			return try_;                                                               \
	} while (0)

static enum err put_str(struct buf *r, enum field f, const char *text)
{
	return record_put_if(r, f, bytes_str(text));
}

static enum err put_headers(struct buf *r, const struct http1_request *q)
{
	size_t at;

	TRY(record_open(r, F_REQUEST_HEADERS, &at));
	for (size_t i = 0; i < q->field_count; i++)
		TRY(credential_put_header(r, http1_field_name(q, i), http1_field_value(q, i)));
	return record_close(r, at);
}

static enum err put_target(struct buf *r, const struct http1_request *q)
{
	size_t at;

	TRY(record_open(r, F_PATH, &at));
	TRY(credential_put_target(r, http1_request_target(q)));
	return record_close(r, at);
}

/* A key that is known to the provider may be longer, and encoded: it is told by what was written.
 */
#define KEY_TEXT_BYTES_MAX 512

/* The first key of the request, without which scheme or place, as it is meant; maybe in `room`.
 * Empty when there is none. */
static struct bytes first_key(const struct request_facts *f, const struct http1_request *q,
			      uint8_t room[KEY_TEXT_BYTES_MAX])
{
	struct credential_scan s;
	struct credential_place place;
	struct bytes key;

	if (!q->head_bytes)
		return BYTES_NONE;
	if (f->key->looked && !f->key->given) {
		place.key = bytes_slice(buf_view(&q->raw), f->key->first_at, f->key->first_bytes);
		place.in_query = f->key->first_in_query;
		return credential_place_text(&place, room, KEY_TEXT_BYTES_MAX);
	}
	credential_scan_init(&s, bytes_slice(buf_view(&q->raw), 0, q->head_bytes), f->provider,
			     f->dialect);
	while (credential_scan_next(&s, &place)) {
		key = credential_place_text(&place, room, KEY_TEXT_BYTES_MAX);
		if (!f->key->given || gateway_key_claims(key))
			return key;
	}
	return BYTES_NONE;
}

static enum err put_key_of(struct buf *r, const struct request_facts *f, struct bytes key)
{
	uint8_t fingerprint[FINGERPRINT_BYTES];
	size_t at;

	if (key.len == 0)
		return OK;
	TRY(record_put_bool(r, F_KEY_MANAGED, gate_key_scope(f->key) && !f->key->raw));
	TRY(record_put_if(r, F_KEY_NAME, gate_key_name(f->key)));
	TRY(record_put_if(r, F_KEY_PREFIX,
			  gateway_key_claims(key) ? BYTES("aigw") : credential_prefix(key)));
	if (!f->self->has_fingerprint_key)
		return OK;
	fingerprint_of(f->fingerprint, f->self->fingerprint_key, key, fingerprint);
	TRY(record_open(r, F_KEY_FINGERPRINT, &at));
	TRY(buf_put_hex(r, bytes_of(fingerprint, sizeof fingerprint)));
	return record_close(r, at);
}

static enum err put_key(struct buf *r, const struct request_facts *f, const struct http1_request *q)
{
	uint8_t room[KEY_TEXT_BYTES_MAX];
	enum err e = put_key_of(r, f, first_key(f, q, room));

	wipe(room, sizeof room);
	return e;
}

static enum err put_link(struct buf *r, const struct request_facts *f)
{
	TRY(put_str(r, F_SERVER_NAME, f->server_name));
	TRY(put_str(r, F_PEER, f->peer));
	TRY(put_str(r, F_TLS, f->link->tls));
	TRY(put_str(r, F_CIPHER, f->link->cipher));
	TRY(put_str(r, F_TLS_LIBRARY, f->link->library));
	return f->link->plain ? OK : record_put_bool(r, F_VERIFIED, f->link->verified);
}

/* The same for each request of a connection: put together once. */
static enum err put_connection(struct buf *r, const struct request_facts *f)
{
	size_t start = r->len;

	if (!f->connection)
		return put_link(r, f);
	if (f->connection->len)
		return buf_put(r, buf_view(f->connection));
	TRY(put_link(r, f));
	(void)!buf_put(f->connection, bytes_from(buf_view(r), start));
	return OK;
}

/* One more of a list of texts, which stand NUL-separated. */
static enum err put_item(struct buf *list, const char *text)
{
	enum err e = list->len ? buf_put_u8(list, '\0') : OK;

	return e ? e : buf_put_str(list, text);
}

static enum err list_changes(struct buf *list, const struct request_facts *f)
{
	TRY(buf_put(list, f->changes));
	if (f->usage_asked)
		TRY(put_item(list, "/stream_options/include_usage: absent -> true"));
	if (f->usage_asked && f->codings_limited)
		TRY(put_item(list, "accept-encoding: as written -> identity"));
	if (gate_key_scope(f->key) && f->decision->action == ACTION_REWRITE) {
		TRY(put_item(list, f->key->place));
		TRY(buf_put_str(list, ": gateway key -> key of "));
		TRY(buf_put_str(list, f->provider->name));
	}
	return OK;
}

/* What goes out differs from what the program wrote, which is what is recorded. */
static enum err put_changes(struct buf *r, const struct request_facts *f)
{
	struct buf list = {0};
	enum err e = list_changes(&list, f);

	if (!e)
		e = record_put_if(r, F_CHANGES, buf_view(&list));
	buf_done(&list);
	return e || !f->usage_asked ? e : record_put_bool(r, F_USAGE_ASKED, true);
}

static enum err put_decision(struct buf *r, const struct request_facts *f)
{
	const struct decision *d = f->decision;

	TRY(record_put_if(r, F_ENVIRONMENT, d->environment));
	TRY(record_put_if(r, F_APPLICATION, d->application));
	TRY(put_str(r, F_ACTION, action_name(d->action)));
	TRY(put_str(r, F_RULE, d->rule));
	TRY(put_str(r, F_REASON, d->reason));
	TRY(put_str(r, F_CODE, d->code));
	TRY(put_str(r, F_VERDICT, d->observed ? action_name(ACTION_REFUSE) : ""));
	TRY(put_str(r, F_RECEIPT, receipt_name(d->receipt)));
	TRY(put_changes(r, f));
	TRY(put_str(r, F_POLICY_DIGEST, f->rules ? f->rules->digest : ""));
	if (d->action == ACTION_REFUSE)
		TRY(record_put_u64(r, F_STATUS, (uint64_t)d->status));
	return OK;
}

static enum err put_call(struct buf *r, const struct request_facts *f)
{
	if (f->provider) {
		TRY(put_str(r, F_PROVIDER, f->provider->name));
		TRY(put_str(r, F_PROVIDER_NAME, f->provider->otel_name));
		TRY(put_str(r, F_DIALECT, f->dialect->name));
	}
	if (f->call) {
		TRY(put_str(r, F_OPERATION, operation_name(f->call->operation)));
		TRY(record_put_if(r, F_REQUEST_MODEL,
				  bytes_of(f->call->model, f->call->model_len)));
		TRY(record_put_bool(r, F_STREAM, f->call->stream));
	}
	return OK;
}

static enum err put_http(struct buf *r, const struct request_facts *f)
{
	const struct http1_request *q = exchange_request(f->exchange);
	struct bytes body = http1_request_body(q);

	/* What could not be parsed has no head and no body: its first bytes stand for both. */
	if (!q->head_bytes)
		body = bytes_slice(buf_view(&q->raw), 0, RECORD_UNREADABLE_BYTES_MAX);
	TRY(put_str(r, F_METHOD, q->method));
	TRY(put_target(r, q));
	TRY(put_headers(r, q));
	TRY(put_key(r, f, q));
	TRY(record_put_u64(r, F_REQUEST_BODY_BYTES, q->head_bytes ? body.len : 0));
	if (!f->with_body || (!q->head_bytes && f->decision->action != ACTION_REFUSE))
		return OK;
	/* With room for what follows: else a large body is moved once more. */
	TRY(buf_reserve(r, body.len + BEHIND_BODY_BYTES));
	return record_put_if(r, F_REQUEST_BODY, body);
}

enum err gate_record_request(const struct request_facts *f, struct buf *ret_record)
{
	struct buf *r = ret_record;

	buf_reset(r);
	TRY(put_str(r, F_ID, f->id));
	TRY(put_connection(r, f));
	TRY(put_call(r, f));
	TRY(put_decision(r, f));
	TRY(put_http(r, f));
	TRY(put_str(r, F_OUTCOME, f->outcome));
	if (f->coverage != COVERAGE_FULL)
		TRY(put_str(r, F_COVERAGE, coverage_name(f->coverage)));
	return record_put_u64(r, F_HELD_US, f->held_ns / 1000);
}

enum err gate_record_part(const struct exchange *x, struct buf *ret_record)
{
	struct buf *r = ret_record;

	buf_reset(r);
	TRY(put_str(r, F_ID, exchange_oldest(x)->id));
	TRY(record_put_if(r, F_REQUEST_BODY, buf_view(&exchange_following(x)->asked)));
	return record_put_if(r, F_RESPONSE_BODY, buf_view(&exchange_following(x)->piece));
}

static enum err put_answer_headers(struct buf *r, struct bytes head)
{
	struct bytes name, value;
	size_t at;

	TRY(record_open(r, F_RESPONSE_HEADERS, &at));
	while (http1_head_next(&head, &name, &value))
		TRY(credential_put_header(r, name, value));
	return record_close(r, at);
}

static enum err put_usage(struct buf *r, const struct answer *a)
{
	static const enum field fields[USAGE_COUNT] = {
		[USAGE_INPUT] = F_USAGE_INPUT_TOKENS,
		[USAGE_OUTPUT] = F_USAGE_OUTPUT_TOKENS,
		[USAGE_CACHE_READ] = F_USAGE_CACHE_READ,
		[USAGE_CACHE_CREATION] = F_USAGE_CACHE_CREATION,
		[USAGE_REASONING] = F_USAGE_REASONING,
		[USAGE_CACHE_CREATION_1H] = F_USAGE_CACHE_CREATION_1H,
		[USAGE_INPUT_AUDIO] = F_USAGE_INPUT_AUDIO,
		[USAGE_OUTPUT_AUDIO] = F_USAGE_OUTPUT_AUDIO,
	};
	uint64_t nulls = 0;

	for (size_t i = 0; i < USAGE_COUNT; i++) {
		if (a->usage.presence[i] == PRESENT)
			TRY(record_put_u64(r, fields[i], a->usage.tokens[i]));
		else if (a->usage.presence[i] == IS_NULL)
			nulls |= 1u << i;
	}
	if (nulls)
		TRY(record_put_u64(r, F_USAGE_NULLS, nulls));
	return put_str(r, F_USAGE_SOURCE, a->has_usage ? "provider" : "none");
}

static enum err put_conversation(struct buf *r, const struct conversation *c)
{
	if (!c)
		return OK;
	TRY(record_put_u64(r, F_REQUEST_BODY_BYTES, c->bytes[SPEAKER_PROGRAM]));
	TRY(record_put_u64(r, F_WS_REQUEST_MESSAGES, c->messages[SPEAKER_PROGRAM]));
	TRY(record_put_u64(r, F_WS_RESPONSE_MESSAGES, c->messages[SPEAKER_PROVIDER]));
	if (!conversation_has_closed(c))
		return OK;
	TRY(record_put_u64(r, F_WS_CLOSE_CODE, c->close_code));
	return put_str(r, F_WS_CLOSED_BY, c->closed_by == SPEAKER_PROGRAM ? "program" : "provider");
}

/* The counts of a stream are final with its end, or with what the model stopped for. */
static bool is_whole(const struct answer_facts *f, const struct answer *a)
{
	return f->outcome == OUTCOME_COMPLETE && !a->failed &&
	       (!exchange_following(f->exchange)->is_stream || a->terminated ||
		a->finish_reason[0]);
}

static enum err put_cost(struct buf *r, const struct answer_facts *f, const struct answer *a)
{
	struct pricing_call call;
	struct pricing pricing;

	if (!f->asked || !is_whole(f, a))
		return OK;
	call = (struct pricing_call){f->asked->provider, bytes_str(f->asked->model), a,
				     f->asked->operation};
	if (pricing_of(f->rules->policy, &call, f->prices, &pricing))
		return OK;
	TRY(record_put_u64(r, F_COST, pricing.picousd));
	TRY(put_str(r, F_COST_PRICES, pricing.from_policy ? "policy" : price_list_date));
	return put_str(r, F_COST_MODEL, pricing.name);
}

static enum err put_answer(struct buf *r, const struct answer_facts *facts, const struct answer *a)
{
	TRY(put_str(r, F_RESPONSE_MODEL, a->model));
	TRY(put_str(r, F_RESPONSE_ID, a->id));
	TRY(put_str(r, F_FINISH_REASON, a->finish_reason));
	TRY(put_str(r, F_SERVICE_TIER, a->service_tier));
	TRY(put_usage(r, a));
	return put_cost(r, facts, a);
}

enum err gate_record_answer(const struct answer_facts *facts, struct buf *ret_record)
{
	const struct following *f = exchange_following(facts->exchange);
	const struct sent *sent = exchange_oldest(facts->exchange);
	uint64_t now_ns = exchange_now_ns(facts->exchange);
	struct buf *r = ret_record;

	buf_reset(r);
	TRY(put_str(r, F_ID, sent->id));
	if (f->has_head)
		TRY(record_put_u64(r, F_STATUS, (uint64_t)f->status));
	TRY(put_answer_headers(r, buf_view(&f->head)));
	TRY(record_put_u64(r, F_RESPONSE_BODY_BYTES, f->body_bytes));
	TRY(put_conversation(r, f->conversation));
	if (facts->with_body) {
		TRY(record_put_if(r, F_REQUEST_BODY, buf_view(&f->asked)));
		TRY(record_put_if(r, F_RESPONSE_BODY, buf_view(&f->piece)));
		TRY(record_put_if(r, F_TOOL_CALLS, buf_view(&f->tool_calls)));
	}
	if (f->conversation && f->conversation->model_len && !sent->names_model)
		TRY(record_put(r, F_REQUEST_MODEL,
			       bytes_of(f->conversation->model, f->conversation->model_len)));
	TRY(put_answer(r, facts, &f->answer));
	TRY(put_str(r, F_OUTCOME, outcome_name(facts->outcome)));
	TRY(put_str(r, F_COVERAGE, coverage_name(f->coverage)));
	TRY(put_str(r, F_PROBLEM, f->problem));
	if (f->first_byte_ns >= sent->started_ns && f->first_byte_ns)
		TRY(record_put_u64(r, F_FIRST_BYTE_US,
				   (f->first_byte_ns - sent->started_ns) / 1000));
	return record_put_u64(r, F_TOTAL_US,
			      now_ns > sent->started_ns ? (now_ns - sent->started_ns) / 1000 : 0);
}
