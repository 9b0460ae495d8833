/* SPDX-License-Identifier: MIT
 *
 * config: the policy's `drains`: which sinks there are, what goes to each and how. The policy
 * itself keeps the text of the section only (the shim has no use for it); this reads it, with the
 * same tables and the same quality of errors. Pure: files that are named are not opened here.
 *
 * Secrets never stand in the policy: `token_file` and the like name files. A name without a slash
 * is one of systemd's credentials ($CREDENTIALS_DIRECTORY/NAME).
 *
 *     "drains": {
 *       "sinks": {
 *         "siem": { "type": "syslog", "to": "tls://siem.example", "tls": { "ca_file": "/ca.pem" }},
 *         "disk": { "type": "file", "to": "/srv/aigw/records.ndjson", "fields": "full" }
 *       },
 *       "pressure": { "free_percent": 5 }
 *     }
 *
 * The keys of a sink are the names of struct drain's members, those of the inner structs too
 * ("rotate_bytes", "preset"); "tls" and "filter" are objects, "chosen" is an array in "fields",
 * "words" is "command". A key that a type does not have is refused.
 */
#ifndef AIGW_DRAIN_CONFIG_H
#define AIGW_DRAIN_CONFIG_H

#include "policy/policy.h"

#define DRAIN_SINKS_MAX       32
#define DRAIN_FIELDS_MAX      64 /* of a list of chosen fields */
#define DRAIN_HEADERS_MAX     32 /* https: of one's own; also kafka's properties */
#define DRAIN_COMMAND_MAX     64 /* words of a command */
#define DRAIN_CONCURRENCY_MAX 16
#define DRAIN_BATCH_BYTES_MAX (16u << 20)
#define DRAIN_EVENT_BYTES_MAX (16u << 20)
#define DRAIN_TO_BYTES_MAX    2048
#define DRAIN_PATH_BYTES_MAX  900  /* leaves room for a rotated file's number */
#define DRAIN_WORD_BYTES_MAX  1024 /* header values, properties, words of a command */

/* What a sink gets that does not say it, and what it may say at most (and at least). How large a
 * batch is by default: to disk and pipe 4096 events or 4 MiB, to the network 500 or 1 MiB. */
#define DRAIN_BATCH_EVENTS       500u
#define DRAIN_BATCH_EVENTS_LOCAL 4096u
#define DRAIN_BATCH_EVENTS_MAX   65536u
#define DRAIN_BATCH_BYTES        (1u << 20)
#define DRAIN_BATCH_BYTES_LOCAL  (4u << 20)
#define DRAIN_BATCH_BYTES_MIN    1024u
#define DRAIN_BATCH_WAIT_MS      1000u
#define DRAIN_BATCH_WAIT_MS_MAX  600000u
#define DRAIN_EVENT_BYTES        (1u << 20)
#define DRAIN_EVENT_BYTES_MIN    4096u
#define DRAIN_CONCURRENCY        1u
#define DRAIN_TIMEOUT_MS         30000u
#define DRAIN_TIMEOUT_MS_MIN     100u
#define DRAIN_TIMEOUT_MS_MAX     600000u
#define DRAIN_RETRY_FIRST_MS     500u
#define DRAIN_RETRY_MAX_MS       60000u
#define DRAIN_RETRY_MS_MIN       10u
#define DRAIN_RETRY_MS_MAX       3600000u
#define DRAIN_DEAD_LETTER_AFTER  5u
#define DRAIN_DEAD_LETTER_MAX    1000u
#define DRAIN_MAX_LAG_S          900u
#define DRAIN_MAX_LAG_S_MAX      2592000u /* 30 days */
#define DRAIN_HEARTBEAT_S        60u
#define DRAIN_HEARTBEAT_S_MAX    86400u
#define DRAIN_ROTATE_BYTES       (UINT64_C(256) << 20)
#define DRAIN_ROTATE_BYTES_MIN   (UINT64_C(64) << 10)
#define DRAIN_ROTATE_BYTES_MAX   (UINT64_C(1) << 40)
#define DRAIN_KEEP               8u
#define DRAIN_KEEP_MAX           1000u
#define DRAIN_FACILITY           16u   /* local0 */
#define DRAIN_MESSAGE_BYTES      8192u /* RFC 5425 4.3.1 */
#define DRAIN_MESSAGE_BYTES_MIN  480u  /* RFC 5424 6.1 */
#define DRAIN_MESSAGE_BYTES_UDP  65000u
#define DRAIN_PART_BYTES         (8u << 20)
#define DRAIN_PART_BYTES_MIN     (5u << 20) /* of S3 */
#define DRAIN_PART_BYTES_MAX     (64u << 20)
#define DRAIN_LOCK_DAYS_MAX      36500u
#define DRAIN_FREE_PERCENT_MAX   50u

enum drain_type {
	DRAIN_FILE,
	DRAIN_SYSLOG,
	DRAIN_HTTPS,
	DRAIN_OTLP,
	DRAIN_S3,
	DRAIN_KAFKA,
	DRAIN_POSTGRES,
	DRAIN_COMMAND,
	DRAIN_TYPES
};

/* "file", ...: as in the policy. */
const char *drain_type_name(enum drain_type type);

enum drain_preset { /* of https */
		    PRESET_NONE,
		    PRESET_DATADOG,
		    PRESET_SPLUNK,
		    PRESET_ELASTICSEARCH,
		    PRESET_OPENSEARCH,
		    PRESET_LOKI,
		    PRESET_SUMOLOGIC,
		    PRESET_MEZMO,
		    PRESET_BETTERSTACK,
		    PRESET_LANGFUSE,
};

/* "datadog", ...; NULL for PRESET_NONE. */
const char *drain_preset_name(enum drain_preset preset);

enum drain_fields { DRAIN_FULL, DRAIN_METADATA, DRAIN_CHOSEN };
enum drain_format { DRAIN_JSON, DRAIN_NDJSON }; /* https: one array, or a line each */

struct drain_pair {
	struct bytes name, value;
};

/* Trust and identity of a TLS client; empty: the system's authorities, no certificate. */
struct drain_tls {
	struct bytes ca_file, cert_file, key_file;
};

/* What is let through: all that is given must match. Patterns compare without case; those of models
 * are over "provider/model", as in rules. Actions: as in decision.action. */
struct drain_filter {
	struct patterns providers, models, actions, environments, applications;
	uint64_t kinds; /* 1 << enum record_kind, REC_REQUEST for exchanges; 0: all */
};

/* One sink. Texts are not NUL-terminated; they live as long as the drains. */
struct drain {
	struct bytes name; /* lower case letters, digits, '-', '_' */
	enum drain_type type;
	bool enabled; /* default true; one that is not is checked, and not run */
	/* Where to: file: a path. syslog: tls://HOST[:6514], tcp://HOST[:601], udp://HOST[:514],
	 * unix:///dev/log. https, otlp, s3: a URL (otlp: without /v1/logs; s3: the endpoint).
	 * kafka: "HOST:PORT,...". postgres: a connection string without a password; without an
	 * sslmode in it, hosts elsewhere are spoken to with verify-full. command: none.
	 */
	struct bytes to;
	bool insecure_http; /* https, otlp, s3: `to` may be http://, toward this host only */
	struct drain_filter filter;
	enum drain_fields fields; /* default metadata; otlp: full or metadata */
	size_t chosen_count; /* DRAIN_CHOSEN: paths as in `aigw show --json`: "gen_ai.usage.*" */
	const struct bytes *chosen;
	bool required; /* retention waits for it (audit/acked.h) */
	bool from_now; /* a new sink begins with what comes, not with what is there */

	uint32_t batch_events, batch_bytes,
		batch_wait_ms;    /* a batch is sent at the first of them */
	uint32_t event_bytes_max; /* larger: without payloads, and it says so */
	uint32_t concurrency;     /* batches under way; those of one process keep their order;
				     file: 1, and no key */
	uint32_t timeout_ms;      /* of one batch */
	uint32_t retry_first_ms, retry_max_ms;
	uint32_t dead_letter_after; /* permanent refusals of one event */
	uint32_t max_lag_s;   /* undelivered for longer: a notice, and not healthy; 0: never */
	uint32_t heartbeat_s; /* 0: none */

	/* for the types that have them */
	struct drain_tls tls;
	struct bytes token_file;    /* https, otlp: a bearer token, or what the preset asks for;
				       sumologic: the last part of the address, which is secret */
	struct bytes user;          /* https: basic authentication, with token_file's content */
	struct bytes password_file; /* postgres, kafka's SASL */
	size_t header_count;        /* https, otlp */
	const struct drain_pair *headers;
	struct {                       /* file */
		uint64_t rotate_bytes; /* 0: never */
		uint32_t keep;         /* rotated ones */
		bool synced;           /* default true */
	} file;
	struct {                       /* syslog */
		uint32_t facility;     /* 0 to 23, RFC 5424 6.2.1; in the policy its name */
		struct bytes app_name; /* default "aigw" */
		uint32_t message_bytes_max;
	} syslog;
	struct { /* https */
		enum drain_preset preset;
		enum drain_format format;
		bool gzip;
		struct bytes hmac_file; /* signs each body; "" none */
		struct bytes index;     /* elasticsearch, opensearch (both need one), splunk;
					   loki: the label "job" */
	} https;
	struct { /* otlp */
		bool gzip;
		bool metrics; /* GenAI metrics too; logs always */
	} otlp;
	struct { /* s3: sealed segments, as they are */
		/* access_key_file: "ID:SECRET"; region: default us-east-1 */
		struct bytes bucket, prefix, region, access_key_file;
		bool path_style;
		uint32_t part_bytes;
		uint32_t lock_days; /* object lock in governance mode, or compliance; 0: none */
		bool lock_compliance;
	} s3;
	struct { /* kafka */
		struct bytes topic;
		size_t property_count; /* librdkafka's own names; those that hold secrets are
					  refused */
		const struct drain_pair *properties;
	} kafka;
	struct {                    /* postgres */
		struct bytes table; /* "NAME" or "SCHEMA.NAME", plain words */
	} postgres;
	struct { /* command: its standard input gets NDJSON */
		size_t word_count;
		const struct bytes *words; /* the first is an absolute path */
	} command;
};

/* What needs the auditor's key: everything but sealed segments. */
bool drain_needs_key(const struct drain *d);

struct drains {
	size_t count;
	const struct drain *at;
	struct { /* "pressure": when required sinks no longer hold retention back */
		uint32_t free_percent; /* of the file system; 0: never */
	} pressure;
};

/* Reads the `drains` of a whole policy text (as policy_parse takes it; without that section: no
 * sinks). *ret_drains is the caller's (drains_free). Errors and *ret_problem (may be NULL) as
 * policy_parse. */
MUST_USE enum err drains_parse(struct bytes policy_text, struct drains **ret_drains,
			       struct policy_problem *ret_problem);
/* Makes absolute paths of the names of credentials, of one sink of *d. `directory`:
 * $CREDENTIALS_DIRECTORY, as main has got it; empty: there is none. ERR_MISSING: there is none, or
 * it is no absolute path, and a name needs it (*ret_problem, may be NULL, says which); ERR_NOMEM.
 */
MUST_USE enum err drains_use_credentials_of(struct drains *d, const struct drain *sink,
					    struct bytes directory,
					    struct policy_problem *ret_problem);
/* Of all sinks that are enabled; goes on behind one that lacks them, and returns the first error.
 */
MUST_USE enum err drains_use_credentials(struct drains *d, struct bytes directory,
					 struct policy_problem *ret_problem);
void drains_free(struct drains *d);                                         /* NULL is fine */
const struct drain *drains_find(const struct drains *d, struct bytes name); /* borrowed or NULL */

#endif
