/* SPDX-License-Identifier: MIT
 *
 * endpoint: what a method and a path mean at a provider, and where in such a request model and
 * stream stand. The tables come from policy/providers.json (tools/dev/make-catalogue).
 *
 * Pure, no allocation.
 *
 * A pattern of a path begins with '/'. `*` stands for exactly one segment, `{model}` (at most once)
 * for the model: one byte or more, slashes among them; a final slash and `**` for anything that
 * follows, also nothing. Everything else stands for itself.
 */
#ifndef AIGW_LLM_ENDPOINT_H
#define AIGW_LLM_ENDPOINT_H

#include "llm/call.h"

/* A longer path is that of an unknown endpoint. Runs of slashes count once. */
#define ENDPOINT_PATH_MAX 2048

enum model_place {
	MODEL_NOWHERE, /* the request names none */
	MODEL_BODY,    /* a member of the JSON object that the body is */
	MODEL_PATH,    /* {model} in the path */
	MODEL_QUERY,   /* a parameter of the query */
	MODEL_FORM,    /* a field of a multipart form; of a JSON body where that is one */
};

enum stream_place {
	STREAM_NEVER,
	STREAM_BODY,    /* "stream": true */
	STREAM_DEFAULT, /* the same, but absent means true (Ollama) */
	STREAM_ALWAYS,  /* the path says so: streamGenerateContent */
	STREAM_QUERY,   /* stream=true in the query */
	STREAM_ACCEPT,  /* Accept: text/event-stream */
};

/* Texts are offsets into one text, catalogue_texts: every pointer would be a relocation more in
 * every program that starts. See endpoint_match and its neighbours. */
struct endpoint {
	uint16_t match, keys, text, opaque;
	uint8_t model;    /* enum model_place */
	uint8_t stream;   /* enum stream_place */
	bool needs_model; /* a request without one is malformed */
	bool any_body;    /* the body need not be JSON */
	uint8_t dialect;  /* enum dialect_number: of a provider's own endpoint */
	enum operation operation;
};

/* Each text ends with NUL; the first one is empty. Made by tools/dev/make-catalogue. */
extern const char catalogue_texts[];

/* The text at an offset; "" at 0. */
static inline const char *catalogue_text(uint16_t at)
{
	return catalogue_texts + at;
}

/* "POST /chat/completions": method, "*" for any, and the path below the base that the API is
 * mounted at. */
const char *endpoint_match(const struct endpoint *e);
/* The members of a body, query or form that name the model: "model", or "model|agent". */
const char *endpoint_keys(const struct endpoint *e);
/* JSON pointers of the words, one a line; "": none. */
const char *endpoint_text(const struct endpoint *e);
/* JSON pointers of what must never be changed, likewise. */
const char *endpoint_opaque(const struct endpoint *e);

struct endpoints {
	const struct endpoint *at;
	size_t count;
};

/* A path in one form: percent-encoding resolved once, then "." and "..", runs of slashes one slash,
 * none at the end (RFC 3986 6.2.2; routers do the same). "" when it is too long or does not begin
 * with a slash. */
struct endpoint_path {
	uint8_t at[ENDPOINT_PATH_MAX];
	size_t len;
	bool had_dots; /* there were "." or "..": servers differ in what they make of such a path */
};

void endpoint_path_set(struct endpoint_path *ret_path, struct bytes path);

/* The length of the beginning of `path` that `base` ("/v1", "/v1/projects/<any>", "") matches on
 * segment boundaries; SIZE_MAX when it does not. */
size_t endpoint_base(const char *base, struct bytes path);

/* The first endpoint of the list that a request with this method and normalised path, its base
 * taken off, is for; NULL: none. `loose`: the path may begin with anything, as compatible servers
 * mount the same API under /v1, /openai/v1, /api/v1. *ret_model: what stands for {model}; empty
 * without. */
const struct endpoint *endpoint_find(const struct endpoints *list, struct bytes method,
				     struct bytes path, bool loose, struct bytes *ret_model);

/* The next line of a list as above: cut off the front. False at the end. */
bool endpoint_next_line(struct bytes *rest, struct bytes *ret_line);

#endif
