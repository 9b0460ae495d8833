/* SPDX-License-Identifier: MIT
 *
 * catalogue: the providers we know by host name, with the endpoints that they have. The built-in
 * table is made from policy/providers.json at build time (tools/dev/make-catalogue); the policy
 * adds its own entries in the same shape.
 *
 * Pure, constant data. There is no address in the table: each would be a relocation, and so the
 * pages of the table a private copy, in every program that starts. Names are arrays therefore,
 * other texts offsets into catalogue_texts, lists places in tables of their own.
 */
#ifndef AIGW_LLM_CATALOGUE_H
#define AIGW_LLM_CATALOGUE_H

#include "llm/dialect.h"
#include "llm/endpoint.h"
#include "llm/error_shape.h"

#define PROVIDER_HOST_BYTES 256 /* with NUL; RFC 1035 2.3.4: 253 bytes at most */
#define PROVIDER_NAME_BYTES 72  /* with NUL; policies allow 63 bytes */

/* "api.openai.com", "*.openai.azure.com" (`*` is one or more labels), "10.0.0.7", "[::1]". */
struct provider_host {
	char name[PROVIDER_HOST_BYTES]; /* lower case, without port */
	uint16_t port;                  /* 0: any port */
	bool shared; /* the host serves other things too: only the endpoints that are known here are
			our business */
};

/* An API of the provider, and the path it is mounted at: "/v1", "/v1/projects/<any>", "". */
struct mount {
	uint16_t base;   /* a text */
	uint8_t dialect; /* enum dialect_number */
};

/* How sure we are of an entry. */
enum certainty { CERTAINTY_READ, CERTAINTY_GUESS };

/* What a scope says of requests to endpoints that are not known. */
enum unknown_endpoints { UNKNOWN_UNSAID, UNKNOWN_ALLOW, UNKNOWN_REFUSE };

struct provider {
	char name[PROVIDER_NAME_BYTES];      /* the policy's and catalogue's id: "openai" */
	char otel_name[PROVIDER_NAME_BYTES]; /* gen_ai.provider.name */
	const struct provider_host *hosts;   /* a policy's own; NULL: see first_host */
	uint16_t first_host, host_count;     /* provider_hosts */
	uint16_t first_mount, mount_count;   /* provider_mounts */
	uint16_t first_own, own_count;       /* provider_endpoints */
	/* Texts; 0: none. */
	uint16_t dropped;           /* "GET /models": not of this provider; one a line */
	uint16_t request_id_header; /* 0: the dialect's */
	uint16_t credentials;       /* "header authorization bearer", "query key"; one a line; 0:
				       the dialect's */
	uint16_t outside;           /* paths and features outside of agreements, one a line */
	uint16_t date, source;      /* "2026-11"; where the facts were read */
	uint8_t dialect;            /* enum dialect_number: provider_dialect */
	uint8_t refusal; /* the number of an error shape, counted from 1; 0: the dialect's */
	bool plaintext;  /* spoken to without TLS */
	bool loose;      /* an API may be mounted anywhere: servers of one's own */
	bool no_mounts;  /* nothing but its own endpoints */
	enum certainty certainty;
	enum unknown_endpoints unknown_endpoints; /* what the policy says for it */
};

extern const struct provider catalogue[];
extern const size_t catalogue_count;
/* What the entries refer to. */
extern const struct provider_host catalogue_hosts[];
extern const struct mount catalogue_mounts[];

static inline const struct provider_host *provider_hosts(const struct provider *p)
{
	return p->hosts ? p->hosts : catalogue_hosts + p->first_host;
}

/* NULL when it has none, which no entry of the catalogue or a policy is without. */
static inline const struct dialect *provider_dialect(const struct provider *p)
{
	return dialect_of(p->dialect);
}

/* Own endpoints first, then the mounts in this order; without a mount the dialect's endpoints stand
 * anywhere. */
static inline struct endpoints provider_endpoints(const struct provider *p)
{
	return (struct endpoints){catalogue_endpoints + p->first_own, p->own_count};
}

static inline const struct mount *provider_mounts(const struct provider *p)
{
	return catalogue_mounts + p->first_mount;
}

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
