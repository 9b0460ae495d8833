/* SPDX-License-Identifier: MIT
 *
 * Modules of sinks as test_modules wants them: -DFAKE_VERSION=, -DFAKE_BYTES=, -DFAKE_NAME=;
 * without FAKE_NAME there is no module in it.
 */
#include "drain/sink.h"

#ifdef FAKE_NAME

static enum err fake_open(const struct drain *config, struct sink_answer *answer, void **ret_sink)
{
	*ret_sink = (void *)(uintptr_t)config;
	return OK;
}

static void fake_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer)
{
	answer->result = SINK_DELIVERED;
	answer->retry_after_ms = (uint32_t)batch->count;
}

static void fake_close(void *sink)
{
}

static const struct sink_type types[] = {{"other", fake_open, fake_send, fake_close},
					 {FAKE_NAME, fake_open, fake_send, fake_close}};

extern __attribute__((visibility("default"))) const struct sink_module aigw_sink_module;
const struct sink_module aigw_sink_module = {FAKE_VERSION, FAKE_BYTES, 2, types};

#else

extern __attribute__((visibility("default"))) const int aigw_something_else;
const int aigw_something_else = 1;

#endif
