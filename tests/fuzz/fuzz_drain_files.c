/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a file of dead letters and as a sink's status: what is accepted is written back and
 * read the same. Of any JSON object the chosen fields are a JSON object.
 */
#include <stdlib.h>
#include <string.h>

#include "drain/dead.h"
#include "drain/event.h"
#include "drain/status.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void letters(struct bytes file)
{
	struct bytes rest = file;
	struct dead_letter d, back;
	struct buf line = {0};

	while (dead_next(&rest, &d) == OK) {
		buf_reset(&line);
		if (dead_put(&line, &d))
			continue; /* longer than it was: escapes */
		if (dead_parse(bytes_slice(buf_view(&line), 0, line.len - 1), &back) ||
		    strcmp(d.id, back.id) != 0 || strcmp(d.reason, back.reason) != 0 ||
		    d.offset != back.offset || !bytes_equal(d.cursor_hex, back.cursor_hex))
			abort();
		buf_reset(&line);
		if (dead_cursor(&d, &line) || line.len != d.cursor_hex.len / 2)
			abort();
	}
	buf_done(&line);
}

static void choose(struct bytes json)
{
	const struct bytes chosen[] = {BYTES("a.*"), BYTES("*c")};
	struct buf out = {0};

	if (event_choose(&out, json, chosen, 2) == OK &&
	    (json_check(buf_view(&out), NULL, NULL) || out.len > json.len))
		abort();
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes file = {data, size};
	struct drain_status s, back;
	struct buf text = {0};

	letters(file);
	choose(file);
	memset(&s, 0, sizeof s);
	if (status_parse(file, &s) == OK) {
		(void)status_trouble(&s, 0);
		if (status_put(&text, &s) ||
		    (text.len <= STATUS_BYTES_MAX && status_parse(buf_view(&text), &back)))
			abort();
	}
	buf_done(&text);
	return 0;
}
