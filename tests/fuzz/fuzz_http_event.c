/* SPDX-License-Identifier: MIT
 *
 * Input: a name, a line end, then an event's JSON or its OTLP message. Whatever words stand in an
 * event that is JSON, what every preset makes of it is JSON again.
 */
#include <stdlib.h>

#include "drain/http/event_text.h"
#include "drain/http/otlp_body.h"
#include "drain/http/otlp_metrics.h"
#include "drain/http/preset.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_json(struct bytes text)
{
	must(json_check(text, NULL, NULL) == OK);
}

static void check_presets(const struct preset_request *request)
{
	for (unsigned id = PRESET_NONE; id <= PRESET_LANGFUSE; id++) {
		struct buf out = {0};
		bool in_lines = id == PRESET_SPLUNK || id == PRESET_ELASTICSEARCH ||
				id == PRESET_OPENSEARCH || id == PRESET_SUMOLOGIC ||
				id == PRESET_BETTERSTACK;
		must(preset_find((enum drain_preset)id)->put(&out, request) == OK);
		struct bytes rest = buf_view(&out);
		must(rest.len > 0);
		while (in_lines && rest.len)
			check_json(bytes_cut(&rest, '\n'));
		if (!in_lines)
			check_json(rest);
		buf_done(&out);
	}
}

static void check_otlp(const struct sink_event *events)
{
	struct metrics m = {0};
	struct buf logs = {0}, counted = {0};
	size_t bad = 9;
	enum err e = otlp_put_logs(&logs, events, 2, &bad);

	must(e == OK || (e == ERR_BAD && bad < 2));
	if (!e)
		check_json(buf_view(&logs));
	must(metrics_add(&m, &events[0]) == OK && metrics_add(&m, &events[1]) == OK);
	must(metrics_put(&counted, &m) == OK);
	check_json(buf_view(&counted));
	metrics_clear(&m);
	buf_done(&logs);
	buf_done(&counted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_of(data, size), name = bytes_cut(&text, '\n');
	struct sink_event events[2] = {
		{.id = name,
		 .kind = REC_REQUEST,
		 .time_ns = 1784000000123456789,
		 .host = name,
		 .environment = name,
		 .application = name,
		 .provider = name,
		 .model = name,
		 .json = text,
		 .otlp = text},
		{.id = BYTES("B"), .kind = REC_NOTICE, .json = text, .otlp = text}};
	struct preset_request request = {.events = events, .count = 2, .index = name};
	struct buf stripped = {0};

	check_otlp(events);
	enum err e = event_put_stripped(&stripped, text, size % 2);
	must(e == OK || (e == ERR_BAD && !stripped.len));
	/* events are objects on one line */
	if (!text.len || text.at[0] != '{' || bytes_find_byte(text, '\n') != SIZE_MAX ||
	    json_check(text, NULL, NULL) != OK || text.at[text.len - 1] != '}') {
		buf_done(&stripped);
		return 0;
	}
	must(e == OK);
	check_json(buf_view(&stripped));
	check_presets(&request);
	buf_done(&stripped);
	return 0;
}
