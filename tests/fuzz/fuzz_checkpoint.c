/* SPDX-License-Identifier: MIT
 *
 * Any bytes as checkpoints and as the collector's keys: the walk goes forward only, ends, and stays
 * inside the file; keys that are taken are those that were sealed.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes file = {data, size};
	struct checkpoint_reader r;
	struct checkpoint_found f;
	struct format_checkpoint_state state, sealed;
	struct format_checkpoint last = {.number = 0};
	size_t at = 0, found;
	bool evolve;
	enum err e;

	if (seal_init())
		abort();
	checkpoint_reader_init(&r, file);
	while ((e = checkpoint_next(&r, &f)) != ERR_END) {
		if (r.at <= at || r.at > size || f.offset >= size)
			abort();
		at = r.at;
		if (e == OK)
			last = f.c;
	}
	if (at != size)
		abort();
	found = checkpoint_find_last(file);
	if (found != SIZE_MAX && !checkpoint_parse(file, found, &last))
		abort();
	if (checkpoint_parse_state(file, &state) == OK) {
		sealed = state;
		checkpoint_seal_state(&sealed);
		if (memcmp(&sealed, &state, sizeof state) != 0)
			abort();
		(void)!checkpoint_fit_state(&state, &last, &evolve);
	}
	return 0;
}
