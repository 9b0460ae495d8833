/* SPDX-License-Identifier: MIT */
#include "policy/policy.h"

#include <stdlib.h>

#include "policy/sections.h"

/* A policy and all memory that it refers to. */
struct owner {
	struct policy policy; /* first: policy_free gets its address */
	struct arena arena;
};

enum err policy_parse(struct bytes text, struct policy **ret_policy,
		      struct policy_problem *ret_problem)
{
	struct policy_problem unwanted = {0};
	struct reader r = {.text = text, .problem = ret_problem ? ret_problem : &unwanted};
	struct owner *owner;
	struct value outer;
	enum err e = reader_begin(&r, &outer);

	if (e)
		return e;
	owner = calloc(1, sizeof *owner);
	if (!owner)
		return reader_nomem(&r);
	r.arena = &owner->arena;
	r.policy = &owner->policy;
	e = sections_read(&r, &outer);
	if (e) {
		policy_free(&owner->policy);
		return e;
	}
	*ret_policy = &owner->policy;
	return OK;
}

void policy_free(struct policy *p)
{
	struct owner *owner = (struct owner *)p;

	if (!owner)
		return;
	arena_done(&owner->arena);
	free(owner);
}

const struct provider *policy_find_provider(const struct policy *p, struct bytes host,
					    uint16_t port)
{
	for (size_t i = 0; p && i < p->provider_count; i++)
		if (provider_has_host(&p->providers[i], host, port))
			return &p->providers[i];
	for (size_t i = 0; i < catalogue_count; i++)
		if (provider_has_host(&catalogue[i], host, port))
			return &catalogue[i];
	return NULL;
}
