/* SPDX-License-Identifier: MIT */
#include "shim/opaque.h"

#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "llm/exchange.h"
#include "shim/explain.h"
#include "shim/init.h"
#include "shim/journal.h"
#include "shim/library.h"

/* Programs that try again at once would fill the log: one record a second for each server. */
#define QUIET_NS     1000000000u
#define COUNTERS_MAX 16 /* servers counted at one time; one more has all its records */

/* Steps are tried in order; the first failure is the answer. */
#define TRY(call)                                                                                  \
	do {                                                                                       \
		enum err try_ = (call);                                                            \
		if (try_)                                                                          \
			return try_;                                                               \
	} while (0)

static struct counter {
	char name[PEER_TEXT_MAX], provider[PEER_TEXT_MAX];
	uint64_t since_ns; /* of its last record; 0: free */
	uint64_t count;    /* attempts since */
	enum opaque_kind kind;
} counters[COUNTERS_MAX];
static struct lock lock;

static const struct {
	/* No pointers: these would have to be relocated in each process. */
	char rule[28], refused[192], allowed[96];
} words[] = {
	[OPAQUE_TLS] = {"transport.opaque_tls",
			"the program brings TLS of its own, which this version cannot look into "
			"(Java, Go, rustls, a stripped library); use a program with a shared "
			"OpenSSL, or set transport.opaque_tls to allow",
			"TLS that this version cannot look into: nothing is known of what was "
			"asked"},
	[OPAQUE_HTTP2] = {"transport.plaintext",
			  "the program speaks HTTP/2 without TLS, which this version cannot look "
			  "into; let it speak HTTP/1.1",
			  ""},
	[OPAQUE_HTTP1] = {"transport.plaintext",
			  "there was no memory to hold the request back until it was known whom "
			  "it is for; try again",
			  ""},
	[OPAQUE_QUIC] = {"transport.quic",
			 "the program speaks HTTP/3 (QUIC, UDP port 443), which this version "
			 "cannot look into; most programs go on over TCP by themselves, else "
			 "switch HTTP/3 off, or set transport.quic to allow",
			 "QUIC, which this version cannot look into: nothing is known of what was "
			 "asked"},
};

static bool is_allowed(const struct policy *p, enum opaque_kind kind)
{
	return p && ((kind == OPAQUE_TLS && !p->transport.opaque_tls_refuse) ||
		     (kind == OPAQUE_QUIC && !p->transport.quic_refuse));
}

static void decide_opaque(const struct rules *r, enum opaque_kind kind, struct decision *ret)
{
	memset(ret, 0, sizeof *ret);
	if (r && r->policy)
		decide_scope(r->policy, &journal_self(r)->facts, NULL, &ret->environment,
			     &ret->application);
	if (!r) {
		decide_refuse(ret, 0, "internal_error", "aigw.memory",
			      "no memory to look at the policy; try again");
	} else if (r->problem[0] && !(r->policy && r->policy->audit.on_failure == FAIL_ALLOW)) {
		decide_refuse(ret, 0, r->code, r->policy ? "audit.recipients" : "policy",
			      r->problem);
	} else if (!is_allowed(r->policy, kind)) {
		decide_refuse(ret, 0, "policy_denied", words[kind].rule, words[kind].refused);
	} else {
		decide_refuse(ret, 0, "", words[kind].rule, words[kind].allowed);
		ret->action = ACTION_ALLOW;
	}
}

/* ---- counting ---- */

/* Cut where there is no room. */
static void keep_name(char ret_text[PEER_TEXT_MAX], struct bytes name)
{
	size_t len = name.len < PEER_TEXT_MAX ? name.len : PEER_TEXT_MAX - 1;

	if (len)
		memcpy(ret_text, name.at, len);
	ret_text[len] = '\0';
}

/* That of the server, or a free one; NULL: there is none. The lock is held. */
static struct counter *find_counter(enum opaque_kind kind, const char *name, uint64_t now_ns)
{
	struct counter *unused = NULL;

	for (struct counter *c = counters; c < counters + COUNTERS_MAX; c++) {
		if (c->since_ns && c->kind == kind && strcmp(c->name, name) == 0)
			return c;
		if (!c->since_ns || (!c->count && now_ns - c->since_ns >= QUIET_NS))
			unused = c;
	}
	if (unused) {
		memset(unused, 0, sizeof *unused);
		unused->kind = kind;
		keep_name(unused->name, bytes_str(name));
	}
	return unused;
}

/* True when this attempt gets a record; *ret_attempts are told by it. */
static bool count_attempt(const struct opaque *o, struct bytes server, uint64_t *ret_attempts)
{
	uint64_t now_ns = sys_monotonic_ns();
	char name[PEER_TEXT_MAX];
	struct counter *c;
	bool tell = true;

	*ret_attempts = 1;
	keep_name(name, server);
	if (!lock_take(&lock))
		return true;
	c = find_counter(o->kind, name, now_ns);
	if (c && c->since_ns && now_ns - c->since_ns < QUIET_NS) {
		c->count++;
		tell = false;
	} else if (c) {
		*ret_attempts += c->count;
		c->count = 0;
		c->since_ns = now_ns;
		keep_name(c->provider, bytes_str(o->provider->name));
	}
	lock_drop(&lock);
	return tell;
}

/* ---- the record ---- */

static enum err put_str(struct buf *r, enum field f, const char *text)
{
	return record_put_if(r, f, bytes_str(text));
}

static enum err put_identity(struct buf *r)
{
	uint8_t unique[10];
	char id[ULID_CHARS + 1];

	sys_unique(unique);
	record_make_id(sys_now_ns() / 1000000u, unique, id);
	return put_str(r, F_ID, id);
}

static enum err put_record(struct buf *r, const struct rules *rules, const struct opaque *o,
			   const struct decision *d, uint64_t attempts)
{
	char writer[LIBRARY_PATH_MAX];

	library_path_at(o->caller, writer);
	TRY(put_identity(r));
	TRY(record_put_if(r, F_SERVER_NAME, o->name));
	TRY(put_str(r, F_PEER, o->peer ? o->peer->text : ""));
	TRY(record_put_if(r, F_TLS_LIBRARY,
			  writer[0] ? bytes_str(writer) : journal_self(rules)->facts.exe));
	TRY(record_put_u64(r, F_ATTEMPTS, attempts));
	TRY(put_str(r, F_PROVIDER, o->provider->name));
	TRY(put_str(r, F_PROVIDER_NAME, o->provider->otel_name));
	TRY(record_put_if(r, F_ENVIRONMENT, d->environment));
	TRY(record_put_if(r, F_APPLICATION, d->application));
	TRY(put_str(r, F_ACTION, action_name(d->action)));
	TRY(put_str(r, F_RULE, d->rule));
	TRY(put_str(r, F_REASON, d->reason));
	TRY(put_str(r, F_CODE, d->code));
	TRY(put_str(r, F_POLICY_DIGEST, rules->digest));
	return put_str(r, F_COVERAGE, coverage_name(COVERAGE_CONNECTION_ONLY));
}

static enum err record(struct rules *r, const struct opaque *o, const struct decision *d,
		       uint64_t attempts)
{
	struct buf text = {0};
	enum err e = put_record(&text, r, o, d, attempts);

	e = journal_append(r, d->action == ACTION_ALLOW ? REC_CONNECTION : REC_REFUSED_CONNECTION,
			   e, buf_view(&text));
	buf_done(&text);
	return e;
}

bool opaque_refuse(struct rules *r, const struct opaque *o)
{
	struct bytes server = o->name.len ? o->name : bytes_str(o->peer ? o->peer->text : "");
	int saved = errno;
	struct decision d;
	uint64_t attempts = 1;
	enum err e = OK;

	if (o->name.len && provider_shares_host(o->provider, o->name, 0))
		return false;
	decide_opaque(r, o->kind, &d);
	if (r && (d.action == ACTION_ALLOW || count_attempt(o, server, &attempts)))
		e = record(r, o, &d, attempts);
	if (e && d.action == ACTION_ALLOW && r->policy->audit.on_failure == FAIL_REFUSE)
		decide_refuse(&d, 0, "audit_not_writable", "audit.on_failure",
			      "the audit log cannot be written, and the policy says "
			      "audit.on_failure: refuse; make it writable");
	if (d.action == ACTION_REFUSE)
		explain_refusal(server, d.rule, d.reason);
	errno = saved;
	return d.action == ACTION_REFUSE;
}

static enum err put_rest(struct buf *r, const struct counter *c)
{
	TRY(put_identity(r));
	TRY(put_str(r, F_SERVER_NAME, c->name));
	TRY(record_put_u64(r, F_ATTEMPTS, c->count));
	TRY(put_str(r, F_PROVIDER, c->provider));
	TRY(put_str(r, F_ACTION, action_name(ACTION_REFUSE)));
	TRY(put_str(r, F_RULE, words[c->kind].rule));
	TRY(put_str(r, F_REASON, words[c->kind].refused));
	return put_str(r, F_COVERAGE, coverage_name(COVERAGE_CONNECTION_ONLY));
}

void opaque_close(void)
{
	for (struct counter *c = counters; c < counters + COUNTERS_MAX; c++) {
		struct rules *r = c->count ? rules_take() : NULL;
		struct buf text = {0};
		enum err made = r ? put_rest(&text, c) : OK;
		if (r)
			(void)!journal_append(r, REC_REFUSED_CONNECTION, made, buf_view(&text));
		c->count = 0;
		buf_done(&text);
		rules_drop(r);
	}
}

void opaque_in_child(void)
{
	lock_reset(&lock);
	memset(counters, 0, sizeof counters);
}
