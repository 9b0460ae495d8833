/* SPDX-License-Identifier: MIT
 *
 * section_scope: what the organization, an environment and an application have in common: the
 * rules of one scope.
 */
#ifndef AIGW_POLICY_SECTION_SCOPE_H
#define AIGW_POLICY_SECTION_SCOPE_H

#include "policy/reader.h"
#include "policy/section_limits.h"
#include "policy/section_models.h"
#include "policy/section_set.h"

/* Into a struct scope_rules, which is placed first. */
reader_fn section_scope_read;

/* Fills `where` from r->path, also for a scope that says nothing. ERR_NOMEM. */
MUST_USE enum err section_scope_place(struct reader *r, struct scope_rules *rules);

/* Rows for the tables of objects that have the rules among their members. */
extern const struct choice section_scope_modes[], section_scope_unknown[];
reader_fn section_scope_endpoints, section_scope_features, section_scope_hosts,
	section_scope_require, section_scope_watch, section_scope_body, section_scope_tokens,
	section_scope_tagged;

#define SECTION_SCOPE_RULES(type, field)                                                           \
	READER_KEY("models", section_models_read, READER_IN(type, field models)),                  \
		READER_KEY("unknown_endpoints", reader_choice,                                     \
			   READER_IN(type, field unknown_endpoints),                               \
			   .choices = section_scope_unknown),                                      \
		READER_KEY("endpoints", section_scope_endpoints,                                   \
			   READER_IN(type, field endpoints)),                                      \
		READER_KEY("features", section_scope_features, READER_IN(type, field features)),   \
		READER_KEY("hosts", section_scope_hosts, READER_IN(type, field hosts)),            \
		READER_KEY("require", section_scope_require, READER_IN(type, field require)),      \
		READER_KEY("max_body_bytes", section_scope_body,                                   \
			   READER_IN(type, field max_body_bytes)),                                 \
		READER_KEY("max_tokens", section_scope_tokens, READER_IN(type, field max_tokens))

/* What only a scope has that decides, and not what it watches. */
#define SECTION_SCOPE_OWN(type, field)                                                             \
	READER_KEY("set", section_set_read, READER_IN(type, field set)),                           \
		READER_KEY("unalterable", section_scope_tagged,                                    \
			   READER_IN(type, field unalterable_tagged)),                             \
		READER_KEY("limits", section_limits_read, READER_IN(type, field limits)),          \
		READER_KEY("mode", reader_choice, READER_IN(type, field mode),                     \
			   .choices = section_scope_modes),                                        \
		READER_KEY("watch", section_scope_watch, READER_IN(type, field watch))

#endif
