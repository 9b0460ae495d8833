/* SPDX-License-Identifier: MIT
 *
 * Any text as evidence: what it is said to prove has been told once for each record, in order, and
 * a text that was refused says why.
 */
#include <stdlib.h>
#include <string.h>

#include "aigw/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
	uint64_t records, segments;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static enum err on_record(void *context, const struct evidence_segment *segment,
			  const struct segment_record *record)
{
	struct told *t = context;
	uint8_t sum = 0;

	must(record->opened && record->end > record->offset);
	for (size_t i = 0; i < record->plain.len; i++)
		sum ^= record->plain.at[i];
	t->records += record->kind != REC_START;
	return sum == 0xFF && segment->file.len == 12345 ? ERR_STATE : OK;
}

static void on_segment(void *context, const struct evidence_segment *segment)
{
	struct told *t = context;

	must(segment->header.bytes <= segment->bytes);
	t->segments++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told told = {0};
	const struct evidence_check check = {&told, on_record, on_segment};
	struct evidence_result result;
	struct signed_text text;

	if (seal_init() || signed_parse(bytes_of(data, size), EVIDENCE_LABEL, &text))
		return 0;
	enum err e = evidence_check(text.statement, &check, &result);
	must(told.records >= result.records || e);
	must(e || (result.records == told.records && result.segments == told.segments &&
		   result.records > 0));
	must(e != ERR_SEAL || result.problem);
	return 0;
}
