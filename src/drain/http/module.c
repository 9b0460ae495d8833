/* SPDX-License-Identifier: MIT
 *
 * What goes out of the module aigw-sink-http.so.
 */
#include "drain/http/sinks.h"

static const struct sink_type types[] = {
	{"https", sink_https_open, sink_https_send, sink_https_close},
	{"otlp", sink_otlp_open, sink_otlp_send, sink_otlp_close},
	{"s3", sink_s3_open, sink_s3_send, sink_s3_close},
};

extern const struct sink_module aigw_sink_module;

__attribute__((visibility("default"))) const struct sink_module aigw_sink_module = {
	.version = SINK_MODULE_VERSION,
	.config_bytes = sizeof(struct drain),
	.count = sizeof types / sizeof types[0],
	.types = types,
};
