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

#include "limits/limit.h"
#include "llm/catalogue.h"
#include "llm/control.h"
#include "llm/price.h"

#define POLICY_BYTES_MAX        (4u << 20)
#define POLICY_RECIPIENTS_MAX   16
#define POLICY_PROVIDERS_MAX    256
#define POLICY_PATTERNS_MAX     1024 /* per list */
#define POLICY_ENVIRONMENTS_MAX 256
#define POLICY_APPLICATIONS_MAX 1024
#define POLICY_PRICES_MAX       1024
#define POLICY_SET_MAX          64 /* forced fields per scope */

enum on_failure { FAIL_REFUSE, FAIL_ALLOW };
enum payloads { PAYLOADS_FULL, PAYLOADS_NONE };
enum durability { DURABLE_WRITTEN, DURABLE_SYNCED };
enum via { VIA_FILES, VIA_COLLECTOR };
enum keys_via { KEYS_FILE, KEYS_HOLDER };
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

/* Whether what a scope forbids is refused, or let through and recorded. Unsaid: as the scope around
 * it. */
enum mode { MODE_UNSAID, MODE_ENFORCE, MODE_OBSERVE };

/* Names out of a list of at most 64, as bits. */
struct bit_rules {
	bool allow_given; /* absent and empty are different */
	uint64_t allow, deny;
};

/* What must be agreed with a provider. Dates are days since 1970-01-01 in UTC, both inclusive. */
enum agreement_kind { AGREEMENT_BAA, AGREEMENT_NO_TRAINING, AGREEMENT_ZERO_RETENTION, AGREEMENTS };

enum agreement_state { NOT_HELD, HELD, NOT_NEEDED };

#define DAY_UNSAID INT32_MIN

struct agreement {
	enum agreement_state state;
	int32_t from_day, until_day; /* DAY_UNSAID: without that bound */
	struct bytes reference, source;
};

/* "baa", "no_training", "zero_retention" */
const char *agreement_name(enum agreement_kind kind);

struct provider_agreements {
	struct bytes provider;
	struct agreement at[AGREEMENTS];
};

/* What `require` asks for, as bits: 1 << enum agreement_kind, and a key of ours. */
#define REQUIRE_MANAGED_KEY (1u << AGREEMENTS)

/* A field that is forced into request bodies: one of llm/control's, and its value. */
struct forced {
	const struct control *control;
	struct bytes value; /* JSON */
	struct bytes where; /* "environments.production.set.openai.store" */
};

/* What one scope says. Inner scopes can only narrow. */
struct scope_rules {
	struct bytes where; /* "environments.production" */
	struct model_rules models;
	enum unknown_endpoints unknown_endpoints;
	enum mode mode;
	struct bit_rules endpoints;          /* 1 << enum operation */
	struct bit_rules features;           /* FEATURE_BIT */
	struct patterns hosts, denied_hosts; /* lower case */
	uint32_t max_body_bytes, max_tokens; /* 0: no limit */
	uint32_t require;
	struct limit_values limits;
	size_t set_count;
	const struct forced *set;
	bool unalterable_tagged;         /* what cannot be forced is let through, and recorded */
	const struct scope_rules *watch; /* rules that are only observed; NULL: none */
};

struct environment {
	struct bytes name;
	struct scope_rules rules;
};

/* What must be true of a program; all that is given must hold. Empty: any. */
struct program_match {
	struct bytes exe;        /* pattern */
	struct bytes exe_sha256; /* 64 hexadecimal digits, lower case */
	struct bytes user, group;
	struct bytes unit;       /* pattern */
	struct bytes cgroup;     /* pattern */
	struct bytes parent_exe; /* pattern */
};

struct application {
	struct bytes name;
	struct bytes environment; /* name of an environment that exists */
	size_t environment_at;    /* its place in the policy */
	struct program_match match;
	struct scope_rules rules;
};

/* What must be found out of a process for its policy; bits. */
enum wanted_fact {
	WANTS_EXE_SHA256 = 1, /* also of an executable too large to be hashed by the way */
	WANTS_GROUPS = 2,
	WANTS_CGROUP = 4,
	WANTS_PARENT = 8,
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
	struct {
		enum keys_via via;   /* where gateway keys are looked up */
		struct bytes socket; /* of the holder; empty: the default place */
	} keys;
	size_t provider_count;
	const struct provider *providers;             /* those the policy adds */
	const struct provider_agreements *agreements; /* one for each of providers */
	enum mode mode;
	struct scope_rules organization;
	size_t environment_count;
	const struct environment *environments;
	size_t application_count;
	const struct application *applications;
	size_t price_count;
	const struct policy_price *prices;
	bool usage_ask;                   /* streams are asked for their token counts */
	struct bytes default_environment; /* always the name of an environment that exists */
	bool trust_environment;           /* AIGW_ENVIRONMENT of the process counts */
	uint32_t wanted_facts;            /* enum wanted_fact */
	bool wants_features;              /* some scope decides by what stands in the body */
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
