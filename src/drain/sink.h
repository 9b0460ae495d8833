/* SPDX-License-Identifier: MIT
 *
 * sink: what every kind of sink is: open, send a batch, close. A sink runs in a process of its own
 * (the *sender*), which has neither the host's signing key nor the auditor's: calls may block, and
 * what a hostile server does to it stays there. Retries, order, cursors and dead letters are the
 * business of the feeder (drain/feed), never of a sink: it tries once and says what came of it.
 *
 * Kinds that need a large library are modules: MODULES/aigw-sink-NAME.so, loaded when a sink of
 * that kind is configured, with one symbol, `aigw_sink_module`, of type struct sink_module.
 */
#ifndef AIGW_DRAIN_SINK_H
#define AIGW_DRAIN_SINK_H

#include "audit/record.h"
#include "drain/config.h"

/* One thing to deliver. All views borrow from the batch. */
struct sink_event {
	struct bytes id;      /* stable, unique: the receiver knows by it what it has already */
	struct bytes process; /* order is kept among events that say the same here */
	uint64_t time_ns;
	enum record_kind kind; /* REC_REQUEST: an exchange */
	bool is_heartbeat, is_refusal;
	struct bytes host, environment, application, provider, model; /* for labels; may be empty */
	struct bytes json; /* one line, by the sink's `fields`, without a line end */
	struct bytes otlp; /* DRAIN_OTLP: an OTLP/JSON message of one resource; else empty */
	struct bytes path; /* DRAIN_S3: of a sealed segment that gets no more records; `json` is its
			      manifest; else empty */
};

struct sink_batch {
	size_t count; /* at least 1 */
	const struct sink_event *events;
};

enum sink_result {
	SINK_DELIVERED, /* every event is in the receiver's hands, as far as it can tell */
	SINK_RETRY,     /* not now: nothing, or it is not known, arrived */
	SINK_REFUSED,   /* never like this: the receiver understood and refuses */
	SINK_PARTLY,    /* each event has a result of its own */
	SINK_WRONG, /* the configuration cannot work (wrong token, certificate): like SINK_RETRY,
		       and said aloud */
};

#define SINK_ANSWER_MAX 400

struct sink_answer {
	enum sink_result result;
	uint32_t retry_after_ms;    /* the receiver's wish; 0: none */
	char text[SINK_ANSWER_MAX]; /* for people: what happened. UTF-8, one line, never a secret */
	uint8_t *results; /* SINK_PARTLY: `count` enum sink_result, of the sender's memory */
};

struct sink_type {
	const char *name; /* as in the policy */
	/* Reads the files the configuration names and gets ready; need not connect. On failure the
	 * answer's text says why. The descriptor limits and privileges are dropped afterwards. */
	enum err (*open)(const struct drain *config, struct sink_answer *answer, void **ret_sink);
	/* Delivers, within config->timeout_ms. Fills *answer; answer->results points to room for
	 * batch->count. */
	void (*send)(void *sink, const struct sink_batch *batch, struct sink_answer *answer);
	void (*close)(void *sink);
};

/* The interface may change with every version: both sides compare. */
#define SINK_MODULE_VERSION 1

struct sink_module {
	uint32_t version;
	uint32_t config_bytes; /* sizeof(struct drain) */
	size_t count;
	const struct sink_type *types;
};

/* Ready-made answers: `text` with `detail` (what the other side said, may be empty) behind it, cut
 * at SINK_ANSWER_MAX; control characters and what is not UTF-8 become '?'. The other members of
 * *answer stay. */
void sink_answer(struct sink_answer *answer, enum sink_result result, const char *text,
		 struct bytes detail);
/* By an HTTP status: 2xx delivered; 408, 425, 429, 5xx retry; 401, 403, 404, 407 wrong; 3xx wrong
 * (redirects are not followed); other 4xx refused; what is no status: retry. */
enum sink_result sink_result_of_status(unsigned status);

/* A file of secrets or settings that the configuration names, by its absolute path (names of
 * credentials are made such by drains_use_credentials, before a sink is opened): replaces
 * *ret_content by its content without white space at the end. ERR_MISSING, ERR_ACCESS, ERR_IO,
 * ERR_NOMEM, ERR_LIMIT (over SINK_FILE_MAX), ERR_USAGE (no absolute path), ERR_BAD (no regular
 * file, or, of a secret: empty, or users other than its owner and group may read or change it). */
#define SINK_FILE_MAX (1u << 20)
MUST_USE enum err sink_read_file(struct bytes name, bool is_secret, struct buf *ret_content);

/* All kinds that are built in; ends with NULL. */
extern const struct sink_type *const sink_types[]; /* drain/modules.c, as is sink_find */

/* The type of a configuration: built in, or from its module, which is loaded and stays. Modules are
 * in ../lib/aigw/modules beside the directory of the running program, or, where that is no bin
 * directory (a build), in modules below it; no variable counts. ERR_MISSING: the module, or a
 * library that it needs, is not installed (*answer says which); ERR_UNSUPPORTED: of another
 * version; ERR_BAD: not such a module. *answer is filled on every error. */
MUST_USE enum err sink_find(enum drain_type type, struct sink_answer *answer,
			    const struct sink_type **ret_type);

#endif
