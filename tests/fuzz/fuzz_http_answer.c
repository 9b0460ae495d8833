/* SPDX-License-Identifier: MIT
 *
 * Input: which preset, the status of its answer (two bytes), then head, an empty line, and body.
 * Every event has a result afterwards that a feeder knows, and no secret is told.
 */
#include <stdlib.h>
#include <string.h>

#include "drain/http/explain.h"
#include "drain/http/head.h"
#include "drain/http/otlp_body.h"
#include "drain/http/preset.h"

#define EVENTS 3
#define SECRET "sekret-1234"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_verdict(const struct preset *preset, unsigned status, struct bytes body)
{
	static const struct sink_event events[EVENTS] = {
		{.kind = REC_REQUEST, .id = {(const uint8_t *)"A", 1}},
		{.kind = REC_NOTICE, .id = {(const uint8_t *)"B", 1}},
		{.kind = REC_REQUEST, .id = {(const uint8_t *)"C", 1}},
	};
	struct preset_request request = {.events = events, .count = EVENTS};
	uint8_t results[EVENTS];
	struct preset_verdict verdict = {.result = SINK_RETRY, .results = results, .text = ""};

	memset(results, 0xff, sizeof results);
	if (!preset->read || !preset->read(&request, status, body, &verdict))
		return;
	must(verdict.text != NULL);
	must(!verdict.detail.len || (verdict.detail.at >= body.at &&
				     verdict.detail.at + verdict.detail.len <= body.at + body.len));
	if (verdict.result != SINK_PARTLY) {
		must(verdict.result <= SINK_WRONG);
		return;
	}
	for (size_t i = 0; i < EVENTS; i++)
		must(results[i] == SINK_DELIVERED || results[i] == SINK_RETRY ||
		     results[i] == SINK_REFUSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct explain x = {.host = BYTES("h"), .secret_count = 1, .secrets = {BYTES(SECRET)}};
	struct sink_answer answer = {0};
	struct bytes why;

	if (size < 3)
		return 0;
	enum drain_preset id = (enum drain_preset)(data[0] % (PRESET_LANGFUSE + 1));
	unsigned status = (data[1] | data[2] << 8) % 1000;
	struct bytes all = bytes_of(data + 3, size - 3);
	size_t end = bytes_find(all, BYTES("\r\n\r\n"));
	struct bytes head = bytes_slice(all, 0, end);
	struct bytes body = end == SIZE_MAX ? BYTES_NONE : bytes_from(all, end + 4);

	check_verdict(preset_find(id), status, body);
	explain_answer(&x, status, head, body, 1784000000, &answer);
	must(memchr(answer.text, 0, sizeof answer.text) != NULL);
	must(bytes_find(bytes_str(answer.text), BYTES(SECRET)) == SIZE_MAX);
	must(bytes_is_utf8(bytes_str(answer.text)));
	must(answer.retry_after_ms <= HEAD_RETRY_AFTER_MAX_MS);
	(void)otlp_rejected(body, &why);
	return 0;
}
