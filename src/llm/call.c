/* SPDX-License-Identifier: MIT */
#include "llm/call.h"

static const struct {
	char name[27]; /* no pointer: it would have to be relocated in each process */
	bool reads;
} operations[] = {
#define OPERATION(name, text, reads) {text, reads},
	OPERATIONS(OPERATION)
#undef OPERATION
};

static const char usages[][40] = {
#define USAGE(name, text) text,
	USAGES(USAGE)
#undef USAGE
};

static unsigned row(enum operation op)
{
	return (unsigned)op < OP_COUNT ? (unsigned)op : OP_UNKNOWN;
}

const char *operation_name(enum operation op)
{
	return operations[row(op)].name;
}

bool operation_reads(enum operation op)
{
	return operations[row(op)].reads;
}

enum operation operation_find(struct bytes name)
{
	unsigned op = 0;

	while (op < OP_COUNT && !bytes_equal(name, bytes_str(operations[op].name)))
		op++;
	return (enum operation)op;
}

const char *usage_name(enum usage_kind kind)
{
	return (unsigned)kind < USAGE_COUNT ? usages[kind] : "";
}
