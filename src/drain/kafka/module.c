/* SPDX-License-Identifier: MIT
 *
 * Records into a topic of Kafka, keyed by process: those of one process are in one partition, in
 * their order. An event is delivered when the cluster has acknowledged it, by all replicas in sync.
 *
 * librdkafka sends from threads of its own, within the time that a batch has. What is then still
 * under way is not waited for: the producer is thrown away, and the next batch gets a new one,
 * which knows nothing of it. So nothing of a batch arrives after the feeder was told that it did
 * not, except what was on the wire.
 */
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "drain/kafka/settings.h"
#include "drain/sink.h"
#include "policy/phrase.h"

#define NS_PER_MS    UINT64_C(1000000)
#define POLL_MS      100
#define PURGE_MAX_MS 500 /* for the reports of what was given up */
#define WHY_BYTES    200

struct kafka {
	const struct drain *config;
	rd_kafka_conf_t *settings;
	char *topic;
	rd_kafka_t *producer; /* NULL: none yet, or not any more */

	/* the batch under way */
	uint32_t number; /* of the batch: reports about others are passed over */
	size_t count;
	uint8_t *results;
	size_t pending; /* events without a report */
	uint64_t deadline_ns;

	/* the last thing that went wrong */
	rd_kafka_resp_err_t error, broker_error;
	char why[WHY_BYTES], broker_why[WHY_BYTES];
};

static void note(char why[WHY_BYTES], const char *text)
{
	struct phrase p;

	phrase_init(&p, why, WHY_BYTES);
	phrase_put(&p, text);
}

/* ---- what librdkafka calls, from within rd_kafka_poll ---- */

static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
	(void)producer;
	(void)level;
	(void)facility;
	(void)text;
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
	struct kafka *k = opaque;

	(void)producer;
	if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && k->broker_error)
		return; /* why they are says more */
	k->broker_error = (rd_kafka_resp_err_t)error;
	note(k->broker_why, reason);
}

/* Batch and event, in the space of a pointer. */
static void *ticket_of(const struct kafka *k, size_t event)
{
	return (void *)((uintptr_t)k->number << 32 | (uintptr_t)event); /* NOLINT */
}

static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
	struct kafka *k = opaque;
	uintptr_t ticket = (uintptr_t)message->_private;
	size_t event = ticket & UINT32_MAX;

	(void)producer;
	if (ticket >> 32 != k->number || event >= k->count)
		return;
	k->results[event] = (uint8_t)settings_result_of(message->err);
	k->pending--;
	if (message->err) {
		k->error = message->err;
		/* not rd_kafka_message_errstr: that is the message's value */
		note(k->why, rd_kafka_err2str(message->err));
	}
}

/* ---- the producer ---- */

static bool start(struct kafka *k)
{
	char why[WHY_BYTES] = "";
	rd_kafka_conf_t *settings = rd_kafka_conf_dup(k->settings);

	rd_kafka_conf_set_opaque(settings, k);
	rd_kafka_conf_set_log_cb(settings, on_log);
	rd_kafka_conf_set_error_cb(settings, on_error);
	rd_kafka_conf_set_dr_msg_cb(settings, on_report);
	k->producer = rd_kafka_new(RD_KAFKA_PRODUCER, settings, why, sizeof why);
	if (!k->producer) {
		rd_kafka_conf_destroy(settings);
		note(k->why, why);
	}
	return k->producer;
}

static void stop(struct kafka *k)
{
	if (!k->producer)
		return;
	k->count = 0; /* reports from now on are about nothing */
	rd_kafka_purge(k->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
					    RD_KAFKA_PURGE_F_NON_BLOCKING);
	rd_kafka_destroy(k->producer);
	k->producer = NULL;
}

/* Lets librdkafka report; false: the batch's time is over. */
static bool poll_reports(struct kafka *k)
{
	uint64_t now_ns = sys_monotonic_ns();
	uint64_t left_ms = k->deadline_ns > now_ns ? (k->deadline_ns - now_ns) / NS_PER_MS : 0;

	rd_kafka_poll(k->producer, left_ms < POLL_MS ? (int)left_ms : POLL_MS);
	return left_ms > 0;
}

/* ---- a batch ---- */

static struct bytes kind_of(const struct sink_event *event)
{
	if (event->is_heartbeat)
		return BYTES("heartbeat");
	if (event->kind == REC_REQUEST)
		return BYTES("exchange");
	return bytes_str(record_kind_name(event->kind));
}

/* librdkafka copies it: a batch that is given up may still be looked at by its threads. */
static rd_kafka_resp_err_t produce(struct kafka *k, const struct sink_event *event, void *ticket)
{
	struct bytes kind = kind_of(event);
	rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
	rd_kafka_resp_err_t error;

	rd_kafka_header_add(headers, "id", -1, event->id.at, (ssize_t)event->id.len);
	rd_kafka_header_add(headers, "kind", -1, kind.at, (ssize_t)kind.len);
	error = rd_kafka_producev(
		k->producer, RD_KAFKA_V_TOPIC(k->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_KEY((void *)event->process.at, event->process.len), /* NOLINT */
		RD_KAFKA_V_VALUE((void *)event->json.at, event->json.len),     /* NOLINT */
		RD_KAFKA_V_TIMESTAMP((int64_t)(event->time_ns / NS_PER_MS)),
		RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(ticket), RD_KAFKA_V_END);
	if (error)
		rd_kafka_headers_destroy(headers);
	return error;
}

/* false: this one has to wait, and so have those behind it. */
static bool put_event(struct kafka *k, size_t i, const struct sink_event *event)
{
	rd_kafka_resp_err_t error;

	while ((error = produce(k, event, ticket_of(k, i))) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		if (!poll_reports(k))
			return false;
	if (error) {
		k->error = error;
		note(k->why, rd_kafka_err2str(error));
		k->results[i] = (uint8_t)settings_result_of(error);
		return k->results[i] == SINK_REFUSED;
	}
	k->pending++;
	return true;
}

static void wait_for_reports(struct kafka *k)
{
	while (k->pending && poll_reports(k))
		;
	if (k->pending) {
		rd_kafka_purge(k->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
						    RD_KAFKA_PURGE_F_NON_BLOCKING);
		k->deadline_ns = sys_monotonic_ns() + PURGE_MAX_MS * NS_PER_MS;
		while (k->pending && poll_reports(k))
			;
		stop(k);
	} else if (rd_kafka_fatal_error(k->producer, NULL, 0)) {
		stop(k);
	}
}

/* A certificate is told of as an error of TLS or, when the handshake is quick, of the transport. */
static bool is_broker_wrong(const struct kafka *k)
{
	return settings_result_of(k->broker_error) == SINK_WRONG ||
	       bytes_find(bytes_str(k->broker_why), BYTES("certificate verify failed")) != SIZE_MAX;
}

/* One result when all have it. What only the configuration can better is said of a whole batch. */
static void answer_of(const struct kafka *k, size_t count, struct sink_answer *answer)
{
	bool is_broker = k->broker_error && settings_result_of(k->error) != SINK_WRONG;
	size_t same = 0;

	for (size_t i = 0; i < count; i++)
		same += answer->results[i] == answer->results[0];
	sink_answer(answer, same == count ? (enum sink_result)answer->results[0] : SINK_PARTLY,
		    is_broker ? k->broker_why : k->why, BYTES_NONE);
	if (answer->result == SINK_RETRY && is_broker && is_broker_wrong(k))
		answer->result = SINK_WRONG;
	for (size_t i = 0; answer->result == SINK_PARTLY && i < count; i++)
		if (answer->results[i] == SINK_WRONG)
			answer->results[i] = SINK_RETRY;
	if (answer->result == SINK_DELIVERED)
		sink_answer(answer, SINK_DELIVERED, "acknowledged by all replicas in sync",
			    BYTES_NONE);
}

static void kafka_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer)
{
	struct kafka *k = sink;
	size_t i = 0;

	memset(answer->results, SINK_RETRY, batch->count);
	k->number++;
	k->count = batch->count;
	k->results = answer->results;
	k->pending = 0;
	k->deadline_ns = sys_monotonic_ns() + k->config->timeout_ms * NS_PER_MS;
	k->error = k->broker_error = RD_KAFKA_RESP_ERR_NO_ERROR;
	note(k->why, "no answer in time");
	if (!k->producer && !start(k)) {
		sink_answer(answer, SINK_WRONG, k->why, BYTES_NONE);
		return;
	}
	while (i < batch->count && put_event(k, i, &batch->events[i]))
		i++;
	wait_for_reports(k);
	k->count = 0;
	answer_of(k, batch->count, answer);
}

/* ---- the sink ---- */

static void kafka_close(void *sink)
{
	struct kafka *k = sink;

	stop(k);
	if (k->settings)
		rd_kafka_conf_destroy(k->settings);
	free(k->topic);
	free(k);
}

/* The producer is made with the first batch: its threads shall have no more rights than ours then.
 */
static enum err kafka_open(const struct drain *config, struct sink_answer *answer, void **ret_sink)
{
	struct kafka *k = calloc(1, sizeof *k);
	enum err e = ERR_NOMEM;

	if (k) {
		k->config = config;
		k->topic = strndup((const char *)config->kafka.topic.at, config->kafka.topic.len);
		e = k->topic ? settings_make(config, answer, &k->settings) : ERR_NOMEM;
	}
	if (e && k)
		kafka_close(k);
	else if (!e)
		*ret_sink = k;
	return e;
}

static const struct sink_type types[] = {
	{"kafka", kafka_open, kafka_send, kafka_close},
};

extern const struct sink_module aigw_sink_module;
__attribute__((visibility("default"))) const struct sink_module aigw_sink_module = {
	.version = SINK_MODULE_VERSION,
	.config_bytes = sizeof(struct drain),
	.count = sizeof types / sizeof types[0],
	.types = types,
};
