/* SPDX-License-Identifier: MIT
 *
 * catalogue: policy/providers.json as make-catalogue has read it. Every function that finds
 * something wrong says what and where on stderr and ends the program with status 1.
 */
#ifndef AIGW_DEV_CATALOGUE_H
#define AIGW_DEV_CATALOGUE_H

#include "llm/endpoint.h"
#include "wire/json.h"

#define FILE_BYTES_MAX (4u << 20)
#define DIALECTS_MAX   32
#define PROVIDERS_MAX  256
#define HOSTS_MAX      64 /* of one provider */
#define MOUNTS_MAX     16 /* of one provider */
#define ITEMS_MAX      32 /* of a list of texts */
#define ENDPOINTS_MAX  4096

struct items {
	size_t count;
	struct json_token at[ITEMS_MAX];
};

struct row {
	struct json_token match, dialect; /* dialect.raw.len 0: none */
	enum operation operation;
	enum model_place model;
	enum stream_place stream;
	bool needs_model, any_body;
	struct bytes keys; /* empty: "model" */
	struct items text, opaque;
};

/* A run of the rows in `rows`. */
struct run {
	size_t first, count;
};

struct host {
	struct bytes whole, name; /* with and without ":port" */
	uint64_t port;
};

struct dialect_entry {
	struct json_token name, refusal, request_id_header, like;
	struct items credentials;
	struct run endpoints;
};

struct provider_entry {
	struct json_token name, otel_name, dialect, refusal, request_id_header, certainty, date,
		source;
	struct host hosts[HOSTS_MAX];
	size_t host_count;
	bool has_mounts, paths_only;
	struct items mounts, drop, credentials, outside;
	struct run endpoints;
};

extern struct row rows[ENDPOINTS_MAX];
extern size_t row_count;
extern struct dialect_entry dialects[DIALECTS_MAX];
extern size_t dialect_count;
extern struct provider_entry providers[PROVIDERS_MAX];
extern size_t provider_count;

/* scan.c */
void scan_init(const char *path, struct bytes text);
/* Reports what is wrong at a place of the file, quotes the bad value, and ends. */
_Noreturn void stop(size_t at, struct bytes quoted, const char *what);
_Noreturn void stop_at(const struct json_token *t, const char *what);
struct json_token next(void);
struct json_token next_of(enum json_kind kind, const char *what);
struct json_token next_text(void);    /* printable ASCII, not empty, no escapes */
bool next_is_end(enum json_kind end); /* takes the end when it is there */
void read_items(struct items *items);
void read_end(void);                                  /* of the file */
bool consists_of(struct bytes b, const char *others); /* a-z 0-9 and those; not empty */

/* A member of an object: its value is read by `read` or, without one, as a text into the token. */
struct member {
	const char *name;
	bool required;
	void (*read)(void *into);
	void *into; /* struct json_token without `read` */
};
/* Reads the members of an object whose opening brace was read. */
void read_members(const struct json_token *object, const struct member *members, size_t count);

/* read.c */
void read_dialects(void *unused);
void read_providers(void *unused);
const struct dialect_entry *find_dialect(struct bytes name);
/* The identifier in C of a dialect's name; NULL: this version has no such dialect. */
const char *dialect_identifier(struct bytes name);

/* hosts.c */
void read_hosts(void *provider_entry);

/* rows.c */
void read_rows(void *run); /* a list of endpoints */

/* print.c */
void print_tables(void);

#endif
