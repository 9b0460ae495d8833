/* SPDX-License-Identifier: MIT
 *
 * Any text as /proc/PID/cgroup, a cgroup's path and /proc/PID/status.
 */
#include <stdint.h>
#include <stdlib.h>

#include "policy/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static bool is_inside(struct bytes part, struct bytes whole)
{
	return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_of(data, size), cgroup = process_cgroup(text),
		     unit = process_unit(text);
	struct buf groups = {0};

	must(is_inside(cgroup, text) && bytes_find_byte(cgroup, '\n') == SIZE_MAX);
	must(is_inside(unit, text) && bytes_find_byte(unit, '/') == SIZE_MAX);
	must(process_put_groups(text, &groups) != ERR_BAD);
	for (size_t i = 0; i < groups.len; i++)
		must(groups.at[i] == '\0' || (groups.at[i] >= '0' && groups.at[i] <= '9'));
	buf_done(&groups);
	return 0;
}
