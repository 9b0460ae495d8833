/* SPDX-License-Identifier: MIT
 *
 * Any text as a manifest: names never lead out of a directory, and the segments told are those
 * counted. The plain codings keep their promises on the way.
 */
#include <stdlib.h>
#include <string.h>

#include "aigw/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void on_segment(void *context, const struct manifest_segment *segment)
{
	uint64_t *told = context;

	must(bytes_find(segment->file, BYTES("/.")) == SIZE_MAX);
	must(segment->file.len > 11 && segment->file.at[10] == '/');
	must(bytes_find_byte(bytes_from(segment->file, 11), '/') == SIZE_MAX);
	++*told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_of(data, size);
	struct signed_text text;
	struct manifest m;
	struct buf out = {0};
	uint64_t told = 0;

	if (seal_init())
		return 0;
	if (signed_put_unbase64(&out, input) == OK)
		must(out.len <= size / 4 * 3);
	buf_done(&out);
	if (signed_parse(input, MANIFEST_LABEL, &text) || manifest_parse(text.statement, &m))
		return 0;
	must(bytes_find_byte(m.name, '/') == SIZE_MAX);
	if (manifest_each(&m, &told, on_segment) == OK)
		must(told == m.segments);
	return 0;
}
