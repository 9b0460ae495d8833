/* SPDX-License-Identifier: MIT */
#include "llm/call.h"

static const struct {
	const char *name;
	bool needs_model;
} operations[] = {
#define OPERATION(name, text, needs_model) {text, needs_model},
	OPERATIONS(OPERATION)
#undef OPERATION
};

static const char *const usages[] = {
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

bool operation_needs_model(enum operation op)
{
	return operations[row(op)].needs_model;
}

const char *usage_name(enum usage_kind kind)
{
	return (unsigned)kind < USAGE_COUNT ? usages[kind] : "";
}
