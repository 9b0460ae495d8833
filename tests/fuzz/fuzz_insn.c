/* SPDX-License-Identifier: MIT
 *
 * Input: a function. What is measured must consist of whole instructions, and after moving, each of
 * them must be the same and lead to the same place; nothing may be read behind the end.
 */
#include <stdlib.h>
#include <string.h>

#include "shim/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FROM 0x7f0000001000u
#define TO   0x7f0000400000u

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_same(struct bytes start, struct bytes moved)
{
	size_t at = 0, to = 0;
	struct insn a, b;

	for (; at < start.len; at += a.len, to += b.len) {
		must(insn_decode(bytes_from(start, at), &a) == OK);
		must(insn_decode(bytes_from(moved, to), &b) == OK);
		must(a.kind == b.kind && a.condition == b.condition);
		if (a.width)
			must(FROM + at + a.len + (uint64_t)(int64_t)a.distance ==
			     TO + to + b.len + (uint64_t)(int64_t)b.distance);
		else
			must(a.len == b.len && memcmp(start.at + at, moved.at + to, a.len) == 0);
	}
	must(at == start.len);
	must(insn_decode(bytes_from(moved, to), &b) == OK && b.kind == INSN_JUMP);
	must(TO + to + b.len + (uint64_t)(int64_t)b.distance == FROM + start.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes function = {data, size};
	uint8_t moved[INSN_MOVED_MAX];
	size_t skip = 0, len = 0, moved_len = 0;
	struct insn insn;

	for (size_t at = 0; at < size; at++) {
		if (insn_decode(bytes_from(function, at), &insn))
			continue;
		must(insn.len >= 1 && insn.len <= INSN_LEN_MAX && at + insn.len <= size);
		must(insn.width == 0 || insn.at + insn.width <= insn.len);
	}
	if (insn_measure(function, &skip, &len))
		return 0;
	must((skip == 0 || skip == 4) && len >= INSN_JUMP_LEN && skip + len <= size);
	must(len < INSN_JUMP_LEN + INSN_LEN_MAX);
	struct bytes start = bytes_slice(function, skip, len);
	if (insn_move_start(start, FROM, TO, moved, &moved_len) == OK)
		check_same(start, bytes_of(moved, moved_len));
	return 0;
}
