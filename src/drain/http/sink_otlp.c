/* SPDX-License-Identifier: MIT
 *
 * Events to an OpenTelemetry receiver, by OTLP/HTTP in JSON: as logs, and counted, as the GenAI
 * metrics.
 *
 * Records carry ids, so logs may be sent twice; counts may not. Events are therefore counted once
 * they are delivered as logs. Counts that could not be sent then go before the next batch, and as
 * long as they cannot, nothing else goes either: so it is heard of.
 */
#include "drain/http/sinks.h"

#include <stdlib.h>

#include "base/sys.h"
#include "drain/http/client.h"
#include "drain/http/delivery.h"
#include "drain/http/otlp_body.h"
#include "drain/http/otlp_metrics.h"
#include "policy/phrase.h"

#define NS_PER_MS       UINT64_C(1000000)
#define BODY_BYTES_KEPT (1u << 20) /* memory for larger bodies is given back */

struct sink_otlp {
	struct client client;
	struct buf body;
	struct metrics metrics; /* of what was delivered as logs */
};

enum err sink_otlp_open(const struct drain *config, struct sink_answer *answer, void **ret_sink)
{
	struct sink_otlp *s = calloc(1, sizeof *s);
	enum err e = ERR_NOMEM;

	if (!s) {
		sink_answer(answer, SINK_RETRY, "out of memory", BYTES_NONE);
		return e;
	}
	e = client_open(&s->client, config, preset_find(PRESET_NONE), config->otlp.gzip, answer);
	if (e) {
		free(s);
		return e;
	}
	*ret_sink = s;
	return OK;
}

void sink_otlp_close(void *sink)
{
	struct sink_otlp *s = sink;

	client_close(&s->client);
	metrics_clear(&s->metrics);
	buf_done(&s->body);
	free(s);
}

/* Posts the body. A success that is none in full is SINK_REFUSED: *answer says of how many. */
static void post(struct sink_otlp *s, const char *path, const char *key, uint64_t until_ns,
		 struct sink_answer *answer)
{
	struct client_post post = {.path = path,
				   .content_type = "application/json",
				   .body = buf_view(&s->body),
				   .key = key,
				   .until_ns = until_ns};
	struct bytes why;

	if (!client_send(&s->client, &post, answer) || answer->result != SINK_DELIVERED)
		return;
	uint64_t rejected = otlp_rejected(buf_view(&s->client.answer.body), &why);
	if (rejected) {
		struct explain x = client_explain(&s->client);
		char text[64];
		struct phrase p;
		phrase_init(&p, text, sizeof text);
		phrase_put_decimal(&p, rejected);
		phrase_put(&p, rejected == 1 ? " was rejected: " : " were rejected: ");
		explain_text(&x, SINK_REFUSED, text, why, answer);
	}
}

/* -- logs ----------------------------------------------------------------------------------------
 */

/* The body of the events up to the first whose message is not one of ours; *ret_count of them. */
static enum err make_logs(struct sink_otlp *s, const struct sink_event *events, size_t count,
			  size_t *ret_count)
{
	enum err e;

	*ret_count = count;
	do {
		buf_reset(&s->body);
		e = otlp_put_logs(&s->body, events, *ret_count, ret_count);
	} while (e == ERR_BAD && *ret_count > 0);
	return e;
}

static void count_events(struct sink_otlp *s, const struct sink_event *events, size_t count)
{
	for (size_t i = 0; s->client.config->otlp.metrics && i < count; i++)
		if (metrics_add(&s->metrics, &events[i]))
			return; /* out of memory: metrics are less than records */
}

/* A receiver does not say which records it rejected. The whole is refused then, so that smaller
 * batches show which they are. */
static void send_logs(struct sink_otlp *s, struct delivery *d, const struct sink_batch *batch,
		      uint64_t until_ns)
{
	const struct sink_event *events = batch->events + d->done;
	struct sink_answer said = {0};
	size_t count = 0;
	char key[CLIENT_KEY_CHARS];
	enum err e = make_logs(s, events, batch->count - d->done, &count);

	if (e == ERR_BAD) {
		sink_answer(&said, SINK_REFUSED, "an event is no OTLP message", BYTES_NONE);
		delivery_note(d, 1, &said);
		return;
	}
	if (e) {
		sink_answer(&said, SINK_RETRY, "out of memory", BYTES_NONE);
		delivery_note(d, 0, &said);
		return;
	}
	client_make_key(events, count, key);
	post(s, "/v1/logs", key, until_ns, &said);
	if (said.result == SINK_DELIVERED)
		count_events(s, events, count);
	delivery_note(d, count, &said);
}

/* -- metrics -------------------------------------------------------------------------------------
 */

/* What was counted. *answer: SINK_DELIVERED also when there is nothing. What a receiver refuses is
 * forgotten: it will never take it. */
static void send_metrics(struct sink_otlp *s, uint64_t until_ns, struct sink_answer *answer)
{
	if (!s->metrics.count) {
		answer->result = SINK_DELIVERED;
		return;
	}
	buf_reset(&s->body);
	if (metrics_put(&s->body, &s->metrics))
		sink_answer(answer, SINK_RETRY, "out of memory", BYTES_NONE);
	else
		post(s, "/v1/metrics", NULL, until_ns, answer);
	if (answer->result == SINK_DELIVERED || answer->result == SINK_REFUSED)
		metrics_clear(&s->metrics);
}

static void tell_metrics(struct sink_answer *answer, const struct sink_answer *metrics)
{
	char text[SINK_ANSWER_MAX];
	struct phrase p;

	phrase_init(&p, text, sizeof text);
	phrase_put_bytes(&p, bytes_str(answer->text));
	phrase_put(&p, metrics->result == SINK_REFUSED ? "; metrics were refused: "
						       : "; metrics wait: ");
	sink_answer(answer, answer->result, text, bytes_str(metrics->text));
}

void sink_otlp_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer)
{
	struct sink_otlp *s = sink;
	uint64_t until_ns = sys_monotonic_ns() + s->client.config->timeout_ms * NS_PER_MS;
	struct sink_answer metrics = {0};
	struct delivery d;

	send_metrics(s, until_ns, &metrics);
	delivery_begin(&d, answer, batch->count);
	if (metrics.result != SINK_DELIVERED && metrics.result != SINK_REFUSED)
		delivery_note(&d, 0, &metrics);
	while (d.done < d.count && !d.is_stopped)
		send_logs(s, &d, batch, until_ns);
	delivery_end(&d);
	metrics = (struct sink_answer){0};
	if (d.done) {
		send_metrics(s, until_ns, &metrics);
		if (metrics.result != SINK_DELIVERED)
			tell_metrics(answer, &metrics);
	}
	if (s->body.cap > BODY_BYTES_KEPT)
		buf_done(&s->body);
	if (s->client.packed.cap > BODY_BYTES_KEPT)
		buf_done(&s->client.packed);
}
