/* SPDX-License-Identifier: MIT
 *
 * Input: a Content-Type, a line break, a body. What is read of a form lies within it, and a second
 * reader that looks for delimiters its own way finds the same number of parts. Also as base64.
 */
#include <stdlib.h>

#include "wire/base64.h"
#include "wire/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* Delimiters at the beginning of a line, the last one too. */
static size_t count_delimiters(struct bytes text, struct bytes boundary)
{
	size_t count = 0;

	for (size_t at = 0; at < text.len; at++)
		if ((at == 0 || text.at[at - 1] == '\n') &&
		    bytes_starts(bytes_from(text, at), BYTES("--")) &&
		    bytes_starts(bytes_from(text, at + 2), boundary))
			count++;
	return count;
}

static void run_form(struct bytes text, struct bytes boundary)
{
	struct multipart m;
	struct multipart_part part;
	size_t count = 0, end = 0;
	enum err e;

	multipart_init(&m, text, boundary);
	while (!(e = multipart_next(&m, &part))) {
		must(part.content.at == text.at + part.start);
		must(part.start >= end && part.content.len <= text.len - part.start);
		end = part.start + part.content.len;
		count++;
	}
	must(e == ERR_END || e == ERR_BAD || e == ERR_LIMIT);
	must(m.at <= text.len);
	must(e != ERR_END || count + 1 == count_delimiters(text, boundary));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest = bytes_of(data, size);
	struct bytes type = bytes_cut(&rest, '\n'), boundary;
	struct buf out = {0};

	if (multipart_boundary(type, &boundary) == OK) {
		must(boundary.len > 0 && boundary.len <= MULTIPART_BOUNDARY_MAX);
		run_form(rest, boundary);
	}
	if (base64_put_decoded(&out, rest) == OK)
		must(rest.len % 4 == 0 && out.len <= rest.len / 4 * 3 &&
		     out.len + 3 > rest.len / 4 * 3);
	else
		must(out.len == 0);
	buf_done(&out);
	return 0;
}
