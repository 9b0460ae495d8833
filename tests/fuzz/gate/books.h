/* SPDX-License-Identifier: MIT
 *
 * books: policies and an audit log in memory, in place of shim/rules and shim/journal. What stands
 * in for them spoils errno, which the doors have to keep.
 */
#ifndef AIGW_TESTS_BOOKS_H
#define AIGW_TESTS_BOOKS_H

#include "audit/record.h"
#include "shim/rules.h"

#define BOOKS_PAGES_MAX 4096 /* records of one connection */

/* A gateway key of environment "production" (its secret part is 1 to 28, as in
 * tests/unit/test_keys.c), and what openai is to get instead. */
#define BOOKS_KEY    "aigw-production-0Eoh211G4c8wtVWM00my5rsNSFlKgaWqQ4mb8joueeM"
#define BOOKS_SECRET "sk-of-the-provider-0123456789"

/* What a policy of the table may do to what goes out. */
struct books_policy {
	const char *text;  /* NULL: there is none that can be used */
	bool changes_body; /* fields are forced, or the question for token counts is asked */
	bool changes_answer;
	bool may_go_unrecorded; /* audit.on_failure: allow */
	const char *denies;     /* how the name of a model ends, in JSON, that must not go out */
};

extern const struct books_policy books_policies[];
extern const unsigned books_policy_count;

/* The policy in force from now on. */
const struct books_policy *books_use_policy(unsigned index);

/* One record, as far as the test asks. */
struct books_page {
	enum record_kind kind;
	unsigned owner; /* books_owner, when it was written */
	char id[ULID_CHARS + 1];
	bool refused;    /* outcome of a request that did not go out */
	bool unfinished; /* a request that the program broke off */
	bool head_only;
	bool malformed; /* refused, because it is no request */
	bool lost;      /* the log could not be written */
};

extern struct books_page books_pages[BOOKS_PAGES_MAX];
extern unsigned books_count;
extern unsigned books_owner;       /* whose call is under way: a number for each connection */
extern bool books_failing;         /* appending fails */
extern bool books_have_secret;     /* a record holds the provider's secret */
extern bool books_secret_was_said; /* the fuzzer has found it out */

/* No connection is left: all that was borrowed has been given back. */
void books_reset(void);

#endif
