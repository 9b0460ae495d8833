/* SPDX-License-Identifier: MIT */
#include "policy/policy.h"

#include <stdlib.h>

#include "policy/sections.h"

/* A policy and all memory that it refers to. */
struct owner {
	struct policy policy; /* first: policy_free gets its address */
	struct arena arena;
};

/* The scanner's first step: the token that the text begins with. */
static enum err read_text(struct reader *r)
{
	struct value outer;
	enum err e;

	json_init(&outer.scan, r->text, JSON_COMMENTS);
	e = json_next(&outer.scan, &outer.token);
	if (!e)
		return sections_read(r, &outer);
	struct phrase *p = reader_problem(r, outer.scan.at);
	if (bytes_starts(r->text, BYTES("\xEF\xBB\xBF"))) {
		phrase_put(p,
			   "the file begins with a byte order mark; save it as UTF-8 without one");
		return ERR_BAD;
	}
	phrase_put(p, "not JSON: ");
	phrase_put(p, outer.scan.problem ? outer.scan.problem : "a value was expected");
	return e == ERR_LIMIT ? ERR_LIMIT : ERR_BAD;
}

enum err policy_parse(struct bytes text, struct policy **ret_policy,
		      struct policy_problem *ret_problem)
{
	struct policy_problem unwanted = {0};
	struct reader r = {.text = text, .problem = ret_problem ? ret_problem : &unwanted};
	struct owner *owner;
	enum err e;

	if (text.len > POLICY_BYTES_MAX) {
		*r.problem = (struct policy_problem){0};
		phrase_init(&r.phrase, r.problem->text, sizeof r.problem->text);
		phrase_put(&r.phrase, "the policy is larger than 4 MiB");
		return ERR_LIMIT;
	}
	owner = calloc(1, sizeof *owner);
	if (!owner)
		return reader_nomem(&r);
	r.arena = &owner->arena;
	r.policy = &owner->policy;
	e = read_text(&r);
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
