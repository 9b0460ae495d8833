/* SPDX-License-Identifier: MIT
 *
 * catalogue: the providers we know by host name, with the endpoints that they have. The built-in
 * table is made from policy/providers.json at build time (tools/dev/make-catalogue); the policy
 * adds its own entries in the same shape.
 *
 * Pure, constant data.
 */
#ifndef AIGW_LLM_CATALOGUE_H
#define AIGW_LLM_CATALOGUE_H

#include "llm/dialect.h"
#include "llm/endpoint.h"
#include "llm/error_shape.h"

/* "api.openai.com", "*.openai.azure.com" (`*` is one or more labels), "10.0.0.7", "[::1]". */
struct provider_host {
	const char *name; /* lower case, without port */
	uint16_t port;    /* 0: any port */
	bool shared;      /* the host serves other things too: only the endpoints that are known
			     here are our business */
};

/* An API of the provider, and the path it is mounted at: "/v1", "/v1/projects/<any>", "". */
struct mount {
	const struct dialect *dialect;
	const char *base;
};

/* How sure we are of an entry. */
enum certainty { CERTAINTY_READ, CERTAINTY_GUESS };

/* What a scope says of requests to endpoints that are not known. */
enum unknown_endpoints { UNKNOWN_UNSAID, UNKNOWN_ALLOW, UNKNOWN_REFUSE };

struct provider {
	const char *name;      /* the policy's and catalogue's id: "openai" */
	const char *otel_name; /* gen_ai.provider.name */
	const struct dialect *dialect;
	const struct provider_host *hosts;
	size_t host_count;
	bool plaintext; /* spoken to without TLS */
	bool loose;     /* an API may be mounted anywhere: servers of one's own */
	/* Own endpoints first, then the mounts in this order; without a mount the dialect's
	 * endpoints stand anywhere. */
	const struct mount *mounts;
	size_t mount_count;
	bool no_mounts; /* nothing but its own endpoints */
	struct endpoints own;
	const char *dropped;               /* "GET /models": not of this provider; one a line */
	const struct error_shape *refusal; /* NULL: the dialect's */
	const char *request_id_header;     /* NULL: the dialect's */
	const char *credentials;   /* "header authorization bearer", "query key"; one a line; NULL:
				      the   dialect's */
	const char *outside;       /* paths and features outside of agreements, one a line */
	const char *date, *source; /* "2026-11"; where the facts were read */
	enum certainty certainty;
	enum unknown_endpoints unknown_endpoints; /* what the policy says for it */
};

extern const struct provider catalogue[];
extern const size_t catalogue_count;

/* The built-in entry of that name; NULL when there is none. */
const struct provider *catalogue_find(struct bytes name);

/* True when `host` (any case, a final dot ignored) and `port` (0: not known yet, matches any)
 * belong to this provider. */
bool provider_has_host(const struct provider *p, struct bytes host, uint16_t port);
/* The entry that makes it so; NULL: none. */
const struct provider_host *provider_find_host(const struct provider *p, struct bytes host,
					       uint16_t port);

/* True for a host that serves other things too: only requests to known endpoints are ours there. */
bool provider_shares_host(const struct provider *p, struct bytes host, uint16_t port);

/* What a request is for. */
struct match {
	const struct dialect *dialect;   /* never NULL: that of the mount the path is below */
	const struct endpoint *endpoint; /* NULL: unknown */
	struct endpoint_path path;       /* normalised */
	struct bytes model;              /* view into path: what stands for {model} */
};

/* Which of the provider's endpoints a method and a path (of the target, without query) mean. */
void provider_match(const struct provider *p, struct bytes method, struct bytes path,
		    struct match *ret_match);

/* Would it be a call at anybody's, wherever that is mounted? For when nobody can say whose host it
 * goes to. */
bool catalogue_has_endpoint(struct bytes method, struct bytes path);

/* Reads a request as what it is matched to: see request_read. A path with "." or ".." in it is
 * ambiguous where the model stands in the path. */
MUST_USE enum err provider_read_call(const struct provider *p, const struct request_view *request,
				     struct call *ret_call, struct fault *ret_fault);

/* The request id header, error shape and credentials (dialect_credentials) of this provider where
 * it speaks that dialect. */
const char *provider_request_id_header(const struct provider *p, const struct dialect *d);
const struct error_shape *provider_refusal(const struct provider *p, const struct dialect *d);

/* Appends a complete refusal as this provider would answer: see error_shape_put_refusal. */
MUST_USE enum err provider_put_refusal(const struct provider *p, const struct dialect *d,
				       const struct refusal *refusal, struct buf *out);

#endif
