/* SPDX-License-Identifier: MIT
 *
 * sinks: the kinds of sinks of this module, as drain/sink.h wants them.
 */
#ifndef AIGW_DRAIN_HTTP_SINKS_H
#define AIGW_DRAIN_HTTP_SINKS_H

#include "drain/sink.h"

enum err sink_https_open(const struct drain *config, struct sink_answer *answer, void **ret_sink);
void sink_https_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer);
void sink_https_close(void *sink);

enum err sink_otlp_open(const struct drain *config, struct sink_answer *answer, void **ret_sink);
void sink_otlp_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer);
void sink_otlp_close(void *sink);

enum err sink_s3_open(const struct drain *config, struct sink_answer *answer, void **ret_sink);
void sink_s3_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer);
void sink_s3_close(void *sink);

#endif
