/* SPDX-License-Identifier: MIT
 *
 * policy: the policy file as one immutable struct. Parsing is pure; finding and reading the file
 * is policy/load. Every string in the struct lives in the policy's own memory until policy_free.
 * A parsed policy never changes, so any number of threads may read it.
 *
 * The contract of the file: docs/policy.md and policy/policy.schema.json.
 */
#ifndef AIGW_POLICY_POLICY_H
#define AIGW_POLICY_POLICY_H

#include "llm/catalogue.h"
#include "llm/price.h"

#define POLICY_BYTES_MAX        (4u << 20)
#define POLICY_RECIPIENTS_MAX   16
#define POLICY_PROVIDERS_MAX    256
#define POLICY_PATTERNS_MAX     1024 /* per list */
#define POLICY_ENVIRONMENTS_MAX 256
#define POLICY_APPLICATIONS_MAX 1024
#define POLICY_PRICES_MAX       1024

enum on_failure { FAIL_REFUSE, FAIL_ALLOW };
enum payloads { PAYLOADS_FULL, PAYLOADS_NONE };
enum durability { DURABLE_WRITTEN, DURABLE_SYNCED };
enum via { VIA_FILES, VIA_COLLECTOR };
enum min_tls { TLS_1_2 = 0x0303, TLS_1_3 = 0x0304 }; /* the wire's version numbers */

/* Model patterns are kept in lower case (policy/pattern.h says how they are compared). */
struct patterns {
	bool given; /* absent and empty are different */
	size_t count;
	const struct bytes *at;
};

/* One scope's model rules. `where` is the rule's path in the file up to and including "models":
 * "environments.production.models". */
struct model_rules {
	struct patterns allow, deny;
	struct bytes where;
};

struct environment {
	struct bytes name;
	struct model_rules models;
	enum unknown_endpoints unknown_endpoints;
};

struct application {
	struct bytes name;
	struct bytes environment; /* name of an environment that exists */
	struct bytes exe;         /* pattern; empty: any */
	struct bytes user;        /* exact; empty: any */
};

/* Prices in place of the built-in ones; the first whose pattern matches counts. */
struct policy_price {
	struct bytes pattern; /* over "provider/model" */
	struct price price;
};

struct policy {
	uint32_t version;
	bool locked;
	struct {
		size_t recipient_count;
		struct bytes recipients[POLICY_RECIPIENTS_MAX]; /* "aigw1...", checked by its
								   checksum at use */
		struct bytes directory;                         /* empty: the default place */
		enum payloads payloads;
		enum on_failure on_failure;
		enum durability durability;
		enum via via;
		struct bytes socket;  /* of the collector; empty: the default place */
		uint32_t retain_days; /* 0: for ever */
	} audit;
	struct {
		enum min_tls min_tls;
		bool verify_peer;
		bool plaintext_refuse;
		bool opaque_tls_refuse;
		bool quic_refuse;
		bool websocket_refuse;
	} transport;
	size_t provider_count;
	const struct provider *providers; /* those the policy adds */
	struct model_rules organization;
	enum unknown_endpoints organization_unknown_endpoints;
	size_t environment_count;
	const struct environment *environments;
	size_t application_count;
	const struct application *applications;
	size_t price_count;
	const struct policy_price *prices;
	bool usage_ask;                   /* streams are asked for their token counts */
	struct bytes default_environment; /* always the name of an environment that exists */
	bool trust_environment;           /* AIGW_ENVIRONMENT of the process counts */
	uint8_t digest[32]; /* SHA-256 or BLAKE2b is the loader's; zero after policy_parse: filled
			       by whoever may hash */
};

/* Where and why a policy text was not accepted. */
struct policy_problem {
	uint32_t line, column; /* from 1, columns in bytes; 0: the whole file */
	char text[320]; /* "unknown key \"modles\" in environments.production; expected models" */
};

/* Parses a policy file's text. On OK *ret_policy is owned by the caller (policy_free). ERR_BAD,
 * ERR_LIMIT, ERR_UNSUPPORTED (a key of the contract that this version cannot enforce: accepting it
 * silently would promise what does not happen), ERR_NOMEM; then *ret_problem (may be NULL) says
 * where and why: UTF-8 without control characters, and never a secret key that stood in the file.
 */
MUST_USE enum err policy_parse(struct bytes text, struct policy **ret_policy,
			       struct policy_problem *ret_problem);

void policy_free(struct policy *p); /* NULL is fine */

/* The provider a host belongs to: the policy's own entries first, then the catalogue. `port` 0: not
 * known. NULL: not a model provider, none of our business. Borrowed from the policy/catalogue.
 * `p` may be NULL (no policy): the catalogue alone answers. */
const struct provider *policy_find_provider(const struct policy *p, struct bytes host,
					    uint16_t port);

#endif
