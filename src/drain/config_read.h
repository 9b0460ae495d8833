/* SPDX-License-Identifier: MIT
 *
 * config_read: the parts of reading one sink. Used by drains_parse only. r->policy is the policy
 * around the section: names in filters must exist there.
 *
 * What may be a secret that somebody put in the wrong place is never quoted in a problem.
 */
#ifndef AIGW_DRAIN_CONFIG_READ_H
#define AIGW_DRAIN_CONFIG_READ_H

#include "drain/config.h"
#include "policy/reader.h"

/* config_sink.c: one sink, everything but its name. */
MUST_USE enum err config_sink_read(struct reader *r, const struct value *v, struct drain *to);
extern const struct choice config_types[]; /* "file" ... */
extern const struct choice config_presets[];

/* config_words.c: a word of a list: "PATH: WORD is not WHAT; did you mean ..." */
MUST_USE enum err config_word(struct reader *r, const struct value *v, const char *what,
			      const struct choice *choices, int *ret_value);
/* A name that says that its value is a secret: of a header, a property, part of an address. */
bool config_is_secret_name(struct bytes name);
/* An absolute path of at most DRAIN_PATH_BYTES_MAX. */
reader_fn config_path;
/* The same, or the name of a credential: letters, digits, '.', '-', '_'. */
reader_fn config_file_name;
/* A text of 1 to DRAIN_WORD_BYTES_MAX bytes. */
reader_fn config_text;

/* config_filter.c: into a struct drain_filter; into a struct drain (fields and what is chosen). */
reader_fn config_filter, config_fields, config_otlp_fields;

/* config_to.c: `to` of each type, into a struct bytes. */
reader_fn config_to_syslog, config_to_url, config_to_kafka, config_to_postgres;

struct config_url { /* of an address that config_to_url took; views */
	bool tls;
	struct bytes host, path, query;
};
struct config_url config_url_of(struct bytes url);
/* "localhost", 127.0.0.0/8, ::1, with or without brackets. */
bool config_is_this_host(struct bytes host);
/* Is one of kafka's brokers elsewhere? */
bool config_kafka_is_remote(struct bytes brokers);

/* config_postgres.c: NULL, or what is wrong with a connection string, which begins "PATH ". */
const char *config_postgres_problem(struct bytes text);

/* config_pairs.c: into a struct drain. */
reader_fn config_headers, config_properties;
struct bytes config_property(const struct drain *d, const char *name); /* empty: not there */

/* config_check.c: what must be true of several keys together. `v` is the sink. */
MUST_USE enum err config_check(struct reader *r, const struct value *v, const struct drain *d);

#endif
