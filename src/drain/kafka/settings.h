/* SPDX-License-Identifier: MIT
 *
 * settings: what librdkafka is told, from a sink's configuration. Ours is what delivery depends on
 * (idempotence, all replicas, how long); the rest is librdkafka's own properties, as the policy has
 * them. Reads files, connects to nothing.
 */
#ifndef AIGW_DRAIN_KAFKA_SETTINGS_H
#define AIGW_DRAIN_KAFKA_SETTINGS_H

#include <librdkafka/rdkafka.h>

#include "drain/sink.h"

/* What may wait in memory: a batch, and an event more. */
#define SETTINGS_QUEUE_KIB ((DRAIN_BATCH_BYTES_MAX + DRAIN_EVENT_BYTES_MAX) / 1024 * 2)
/* Beside an event's JSON in a message: key, headers, framing. */
#define SETTINGS_MESSAGE_EXTRA (64u << 10)

/* *ret_settings is the caller's (rd_kafka_conf_destroy). On failure *answer says why: ERR_USAGE (a
 * property), ERR_NOMEM, or what sink_read_file says. */
MUST_USE enum err settings_make(const struct drain *config, struct sink_answer *answer,
				rd_kafka_conf_t **ret_settings);

/* What an error, of a message or of a broker, means for an event. */
enum sink_result settings_result_of(rd_kafka_resp_err_t error);

#endif
