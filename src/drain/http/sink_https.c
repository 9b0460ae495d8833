/* SPDX-License-Identifier: MIT
 *
 * Events to a server over HTTPS: as they are, or in the form that a preset says. A batch goes out
 * in as many requests as the receiver's limits make necessary.
 */
#include "drain/http/sinks.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "drain/http/client.h"
#include "drain/http/delivery.h"
#include "drain/http/event_text.h"

#define NS_PER_MS       UINT64_C(1000000)
#define BODY_BYTES_KEPT (1u << 20) /* memory for larger bodies is given back */

struct sink_https {
	struct client client;
	const struct preset *preset;
	const char *content_type;
	struct buf body, stripped, query;
	struct sink_event *shaped; /* the events of a request, within the limit for one */
	uint8_t *results;
	size_t room; /* of both */
};

static enum err check_config(const struct drain *config, const struct preset *preset,
			     struct sink_answer *answer)
{
	if (preset->needs_index && !config->https.index.len) {
		sink_answer(answer, SINK_WRONG, "this preset needs an index", BYTES_NONE);
		return ERR_USAGE;
	}
	return OK;
}

enum err sink_https_open(const struct drain *config, struct sink_answer *answer, void **ret_sink)
{
	struct sink_https *s = calloc(1, sizeof *s);
	const struct preset *preset = preset_find(config->https.preset);
	enum err e = s ? check_config(config, preset, answer) : ERR_NOMEM;

	if (e == ERR_NOMEM)
		sink_answer(answer, SINK_RETRY, "out of memory", BYTES_NONE);
	if (!e)
		e = client_open(&s->client, config, preset, config->https.gzip, answer);
	if (e) {
		free(s);
		return e;
	}
	s->preset = preset;
	s->content_type = preset->content_type                   ? preset->content_type
			  : config->https.format == DRAIN_NDJSON ? "application/x-ndjson"
								 : "application/json";
	*ret_sink = s;
	return OK;
}

void sink_https_close(void *sink)
{
	struct sink_https *s = sink;

	client_close(&s->client);
	buf_done(&s->body);
	buf_done(&s->stripped);
	buf_done(&s->query);
	free(s->shaped);
	free(s->results);
	free(s);
}

/* -- a request's events --------------------------------------------------------------------------
 */

static bool make_room(struct sink_https *s, size_t count)
{
	if (count <= s->room)
		return true;
	struct sink_event *shaped = realloc(s->shaped, count * sizeof *shaped);
	if (shaped)
		s->shaped = shaped;
	uint8_t *results = realloc(s->results, count);
	if (results)
		s->results = results;
	if (!shaped || !results)
		return false;
	s->room = count;
	return true;
}

/* The events with those that are too large stripped, up to the first that is too large even so.
 * ERR_LIMIT: that is the first one. */
static enum err shape(struct sink_https *s, const struct sink_event *events, size_t count,
		      size_t *ret_count)
{
	size_t max = s->preset->event_bytes_max, from, i;
	enum err e = OK;

	buf_reset(&s->stripped);
	for (i = 0; i < count; i++) {
		s->shaped[i] = events[i];
		if (!max || events[i].json.len <= max)
			continue;
		from = s->stripped.len;
		e = event_put_stripped(&s->stripped, events[i].json, true);
		if (e || s->stripped.len - from > max)
			break;
		s->shaped[i].json = bytes_of(NULL, s->stripped.len - from);
	}
	/* the memory has moved while it grew */
	from = 0;
	for (size_t k = 0; k < i; k++) {
		if (s->shaped[k].json.at || !s->shaped[k].json.len)
			continue;
		s->shaped[k].json.at = s->stripped.at + from;
		from += s->shaped[k].json.len;
	}
	*ret_count = i;
	return e == ERR_NOMEM ? e : i ? OK : ERR_LIMIT;
}

static enum err strip_only(struct sink_https *s, struct preset_request *request)
{
	buf_reset(&s->stripped);
	enum err e = event_put_stripped(&s->stripped, request->events[0].json, true);
	if (!e)
		s->shaped[0].json = buf_view(&s->stripped);
	return e;
}

/* The body of as many events as fit, at least one: request->count gets less. ERR_LIMIT: one alone
 * is too large. */
static enum err make_body(struct sink_https *s, struct preset_request *request)
{
	size_t max = s->preset->request_bytes_max;
	bool is_stripped = false;

	for (;;) {
		buf_reset(&s->body);
		enum err e = s->preset->put(&s->body, request);
		if (e || !max || s->body.len <= max)
			return e;
		if (request->count > 1) {
			request->count = (request->count + 1) / 2;
			continue;
		}
		if (is_stripped)
			return ERR_LIMIT;
		e = strip_only(s, request);
		if (e)
			return e;
		is_stripped = true;
	}
}

static enum err make_query(struct sink_https *s, const struct sink_event *first)
{
	buf_reset(&s->query);
	if (!s->preset->one_host)
		return OK;
	if (buf_put_str(&s->query, "hostname=") ||
	    client_put_encoded(&s->query, first->host.len ? first->host : BYTES("unknown")) ||
	    buf_put_str(&s->query, "&now=") || buf_put_decimal(&s->query, sys_now_ns() / NS_PER_MS))
		return ERR_NOMEM;
	return OK;
}

/* -- sending -------------------------------------------------------------------------------------
 */

static void note_answer(struct sink_https *s, struct delivery *d,
			const struct preset_request *request, struct sink_answer *said)
{
	struct preset_verdict verdict = {.result = said->result, .results = s->results, .text = ""};
	struct explain x = client_explain(&s->client);

	if (!s->preset->read || !s->preset->read(request, s->client.answer.status,
						 buf_view(&s->client.answer.body), &verdict)) {
		delivery_note(d, request->count, said);
		return;
	}
	if (verdict.text[0])
		explain_text(&x, verdict.result, verdict.text, verdict.detail, said);
	said->result = verdict.result;
	if (verdict.result == SINK_WRONG)
		delivery_note(d, request->count, said);
	else if (verdict.result == SINK_PARTLY)
		delivery_note_each(d, request->count, s->results, said);
	else
		delivery_note(d, request->count, said);
}

static void refuse_first(struct sink_https *s, struct delivery *d)
{
	struct explain x = client_explain(&s->client);
	struct sink_answer said = {0};

	explain_text(&x, SINK_REFUSED, "an event is larger than this receiver takes", BYTES_NONE,
		     &said);
	delivery_note(d, 1, &said);
}

/* One request of the events that were not sent yet. */
static void send_next(struct sink_https *s, struct delivery *d, const struct sink_batch *batch,
		      uint64_t until_ns)
{
	const struct drain *config = s->client.config;
	const struct sink_event *events = batch->events + d->done;
	struct sink_answer said = {0};
	char key[CLIENT_KEY_CHARS];
	struct preset_request request = {
		.events = s->shaped, .format = config->https.format, .index = config->https.index};
	enum err e = shape(s, events, preset_take(s->preset, events, batch->count - d->done),
			   &request.count);

	if (!e)
		e = make_body(s, &request);
	if (e == ERR_LIMIT || e == ERR_BAD) {
		refuse_first(s, d);
		return;
	}
	if (e || make_query(s, &events[0])) {
		sink_answer(&said, SINK_RETRY, "out of memory", BYTES_NONE);
		delivery_note(d, 0, &said);
		return;
	}
	client_make_key(request.events, request.count, key);
	struct client_post post = {.default_path = s->preset->path,
				   .query = s->preset->query,
				   .more_query = buf_view(&s->query),
				   .content_type = s->content_type,
				   .body = buf_view(&s->body),
				   .key = key,
				   .until_ns = until_ns};
	if (client_send(&s->client, &post, &said))
		note_answer(s, d, &request, &said);
	else
		delivery_note(d, request.count, &said);
}

static void give_back(struct buf *b)
{
	if (b->cap > BODY_BYTES_KEPT)
		buf_done(b);
}

void sink_https_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer)
{
	struct sink_https *s = sink;
	uint64_t until_ns = sys_monotonic_ns() + s->client.config->timeout_ms * NS_PER_MS;
	struct delivery d;

	delivery_begin(&d, answer, batch->count);
	if (!make_room(s, batch->count)) {
		sink_answer(answer, SINK_RETRY, "out of memory", BYTES_NONE);
		return;
	}
	while (d.done < d.count && !d.is_stopped)
		send_next(s, &d, batch, until_ns);
	delivery_end(&d);
	give_back(&s->body);
	give_back(&s->stripped);
	give_back(&s->client.packed);
}
