/* SPDX-License-Identifier: MIT
 *
 * A whole governed connection: OpenSSL's front doors, the adapter and the gate as they are in the
 * library, over a TLS library in memory (gate/fake_tls), with a real policy and a log in memory
 * (gate/books). Input: the policy, the server's name, flags; then steps of one byte that says what
 * is done, one with a length, and so many bytes.
 *
 *   The provider gets what the program wrote, byte for byte, where nothing is to be changed; else
 *   the same requests. Of what is refused it gets nothing.
 *   No request's first byte reaches it before its record is written.
 *   The program reads what the provider said, byte for byte where nothing is to be changed, and
 *   then maybe a well-formed refusal and a clean end.
 *   Every request has exactly one set of records.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include "gate/books.h"
#include "gate/fake_tls.h"
#include "shim/gate_state.h"
#include "shim/hooks.h"
#include "shim/openssl.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CTRL_SET_TLSEXT_HOSTNAME 55
#define RECEIVED_SHUTDOWN        2
#define REQUESTS_MAX             64    /* of one connection; then it is only followed */
#define TIMES_BYTES_MAX          65536 /* of a piece that is repeated */

/* ---- requests, as another reader sees them ---- */

struct seen {
	const char *method;
	struct buf target, body;
	size_t end; /* offset behind it */
};

struct trail {
	struct http1_request request;
	struct seen at[REQUESTS_MAX];
	size_t count, fed;
	bool faulty;  /* no request any more */
	bool stopped; /* what comes is not followed: another protocol, or too many */
};

static void trail_done(struct trail *t)
{
	for (size_t i = 0; i < t->count; i++) {
		buf_done(&t->at[i].target);
		buf_done(&t->at[i].body);
	}
	http1_request_done(&t->request);
	t->count = t->fed = 0;
	t->faulty = t->stopped = false;
	http1_request_init(&t->request, EXCHANGE_BODY_BYTES_MAX);
}

static void trail_take(struct trail *t)
{
	struct seen *s = &t->at[t->count++];

	memset(s, 0, sizeof *s);
	s->method = t->request.method;
	must_put(&s->target, http1_request_target(&t->request));
	must_put(&s->body, http1_request_body(&t->request));
	s->end = t->fed;
	t->stopped = t->request.upgrade || strcmp(s->method, "CONNECT") == 0 ||
		     t->count == REQUESTS_MAX;
	http1_request_reset(&t->request);
}

static void trail_feed(struct trail *t, struct bytes in)
{
	while (in.len && !t->faulty && !t->stopped) {
		size_t used;
		enum err e = http1_request_feed(&t->request, in, &used);
		in = bytes_from(in, used);
		t->fed += used;
		if (e == OK)
			trail_take(t);
		else
			t->faulty = e != ERR_MORE;
	}
}

/* How many requests have begun. */
static size_t trail_begun(const struct trail *t)
{
	return t->count + (t->request.raw.len > 0);
}

/* ---- one connection ---- */

struct play {
	struct fake_tls tls;
	const struct books_policy *policy;
	const char *name;
	bool strict; /* a provider's own host: each request is ours */
	bool with_ex, early;
	struct buf offered;   /* everything that the program has tried to write */
	struct buf pending;   /* the end of it, which was not taken */
	struct buf refusal;   /* that the program has read */
	bool refusal_is_over; /* and its end */
	bool writes_failed, plain_sight;
	bool secret_was_said; /* the fuzzer has found it out */
	struct trail said, arrived;
};

static struct play play;

static struct gate *gate_of(const struct play *p)
{
	struct conn *c = conn_find(&p->tls);

	return c ? c->gate : NULL;
}

static bool is_gated(void *context)
{
	struct play *p = context;
	struct conn *c = conn_find(&p->tls);

	return c && c->kind == CONN_GATED;
}

static bool is_refused(const struct play *p)
{
	return gate_of(p) && gate_of(p)->refused;
}

static bool has_secret(const struct buf *said)
{
	return bytes_find(buf_view(said), BYTES(BOOKS_SECRET)) != SIZE_MAX;
}

/* Requests with a record that lets them go. */
static size_t recorded(bool with_lost)
{
	size_t count = 0;

	for (size_t i = 0; i < books_count; i++) {
		const struct books_page *page = &books_pages[i];
		bool known = false;
		if (page->kind != REC_REQUEST || page->refused || page->unfinished ||
		    (page->lost && !with_lost))
			continue;
		for (size_t k = 0; k < i && !known; k++)
			known = books_pages[k].kind == REC_REQUEST &&
				strcmp(books_pages[k].id, page->id) == 0;
		count += !known;
	}
	return count;
}

static bool has_head_only(void)
{
	for (size_t i = 0; i < books_count; i++)
		if (books_pages[i].head_only)
			return true;
	return false;
}

/* Byte for byte: nothing is to be changed. */
static bool is_exact(const struct play *p)
{
	return !p->policy->changes_body && !has_head_only() &&
	       bytes_find(buf_view(&p->offered), BYTES("aigw-")) == SIZE_MAX;
}

static void compare_requests(const struct play *p)
{
	const struct trail *a = &p->said, *b = &p->arrived;
	bool has_key = bytes_find(buf_view(&p->offered), BYTES("aigw-")) != SIZE_MAX;

	must(b->count <= a->count);
	for (size_t i = 0; i < b->count; i++) {
		const struct seen *before = &a->at[i], *after = &b->at[i];
		must(strcmp(before->method, after->method) == 0);
		must(has_key || bytes_equal(buf_view(&before->target), buf_view(&after->target)));
		if (!p->policy->changes_body)
			must(bytes_equal(buf_view(&before->body), buf_view(&after->body)));
		else if (json_check(buf_view(&before->body), NULL, NULL) == OK)
			must(json_check(buf_view(&after->body), NULL, NULL) == OK);
	}
}

/* What the policy forbids has not arrived. */
static void check_allowed(const struct play *p)
{
	const struct seen *last = &p->arrived.at[p->arrived.count - 1];
	struct json_token model;

	if (p->policy->denies && json_find(buf_view(&last->body), "/model", &model, NULL) == OK)
		must(!bytes_ends(model.raw, bytes_str(p->policy->denies)));
}

static void on_sent(void *context, struct bytes data)
{
	struct play *p = context;
	struct gate *g = gate_of(p);
	size_t before = p->arrived.count;

	if (!is_gated(p)) {
		p->plain_sight = true;
		return;
	}
	must(!g->refused && (p->policy->text || !p->strict));
	if (is_exact(p)) {
		struct bytes from = bytes_slice(buf_view(&p->offered), 0, p->tls.sent.len);
		must(bytes_equal(from, buf_view(&p->tls.sent)));
	}
	trail_feed(&p->arrived, data);
	if (!p->strict)
		return;
	must(!p->arrived.faulty);
	if (p->arrived.count > before)
		check_allowed(p);
	must(trail_begun(&p->arrived) <= recorded(p->policy->may_go_unrecorded));
}

/* Requests that went out whose answers are not told of yet. */
static size_t awaited(void)
{
	size_t count = 0;

	for (size_t i = 0; i < books_count; i++) {
		const struct books_page *page = &books_pages[i];
		bool over = page->kind != REC_REQUEST || page->refused || page->unfinished;
		for (size_t k = i + 1; k < books_count && !over; k++)
			over = books_pages[k].kind != REC_RESPONSE_PART &&
			       strcmp(books_pages[k].id, page->id) == 0;
		count += !over;
	}
	return count;
}

/* Nothing that will never come stands between the program and a refusal, or is waited for after the
 * connection has broken. */
static void check_awaited(const struct play *p)
{
	size_t waited = gate_of(p) ? exchange_awaited(gate_of(p)->exchange) : 0;

	if (p->strict && is_refused(p))
		must(waited <= awaited());
	if (is_gated(&play) && p->tls.write_dead && p->writes_failed)
		must(waited == 0); /* one that is let go of is not followed any more */
}

/* Between two calls of the program's, nothing being under way: what was complete has gone out or
 * was refused, what is not complete has not. */
static void check_settled(struct play *p)
{
	const struct trail *said = &p->said;

	if (!p->strict || p->pending.len || p->writes_failed || is_refused(p) || said->stopped ||
	    !is_gated(p) || !gate_of(p))
		return;
	must(!said->faulty);
	must(p->arrived.count == said->count);
	if (is_exact(p))
		must(p->tls.sent.len == (said->count ? said->at[said->count - 1].end : 0));
	compare_requests(p);
	must(recorded(true) == trail_begun(&p->arrived));
}

/* ---- the program ---- */

static int last_error(struct play *p, int ret)
{
	int error = SSL_get_error(&p->tls, ret);

	must(error != 0);
	return error;
}

static int write_some(struct play *p, struct bytes data)
{
	size_t written = 0;

	if (p->early) {
		p->early = false;
		return SSL_write_early_data(&p->tls, data.at, data.len, &written) ? (int)written
										  : -1;
	}
	if (p->with_ex)
		return SSL_write_ex(&p->tls, data.at, data.len, &written) ? (int)written : -1;
	return SSL_write(&p->tls, data.at, (int)data.len);
}

/* Offers what was not taken yet, at another address than before, `most` bytes of it. */
static void program_writes(struct play *p, struct bytes more, size_t most)
{
	struct bytes all;
	uint8_t *copy;
	int ret, error;

	if (p->writes_failed)
		return;
	must_put(&p->pending, more);
	must_put(&p->offered, more);
	p->secret_was_said |= has_secret(&p->offered);
	all = bytes_slice(buf_view(&p->pending), 0, most);
	if (!all.len)
		return;
	copy = malloc(all.len);
	must(copy != NULL);
	memcpy(copy, all.at, all.len);
	trail_feed(&p->said, more);
	ret = write_some(p, bytes_of(copy, all.len));
	free(copy);
	must(ret <= (int)all.len);
	if (ret > 0) {
		must(!is_gated(p) || ret == (int)all.len);
		memmove(p->pending.at, p->pending.at + ret, p->pending.len - (size_t)ret);
		p->pending.len -= (size_t)ret;
		return;
	}
	error = last_error(p, ret);
	p->writes_failed = error != ERROR_WANT_READ && error != ERROR_WANT_WRITE;
}

static int read_some(struct play *p, uint8_t *out, size_t cap, bool peek)
{
	size_t got = 0;

	if (p->with_ex) {
		int ok = peek ? SSL_peek_ex(&p->tls, out, cap, &got)
			      : SSL_read_ex(&p->tls, out, cap, &got);
		must(ok == (got > 0));
		return ok ? (int)got : -1;
	}
	return peek ? SSL_peek(&p->tls, out, (int)cap) : SSL_read(&p->tls, out, (int)cap);
}

struct answer_end {
	bool ended;
	int status;
	struct buf body;
};

static enum err on_head(void *context, const struct http1_response *r)
{
	((struct answer_end *)context)->status = r->status;
	return OK;
}

static enum err on_body(void *context, struct bytes piece)
{
	return buf_put(&((struct answer_end *)context)->body, piece);
}

static enum err on_end(void *context, const struct http1_response *r)
{
	struct answer_end *end = context;

	must(!end->ended);
	end->ended = true;
	return OK;
}

static bool is_bodiless(void *context)
{
	return false;
}

/* A whole answer, and nothing behind it; to HEAD, only its head. */
static void check_refusal(struct bytes text)
{
	struct answer_end end = {0};
	struct http1_listener listener = {on_head, on_body, on_end, is_bodiless, &end};
	struct http1_response r;

	must(text.len > 0);
	http1_response_init(&r, &listener);
	must(http1_response_feed(&r, text) == OK);
	must(end.status >= 400 && end.status < 600);
	if (end.ended)
		must(!end.body.len || json_check(buf_view(&end.body), NULL, NULL) == OK);
	else
		must(bytes_ends(text, BYTES("\r\n\r\n")));
	must(!r.in_message || !end.ended);
	http1_response_done(&r);
	buf_done(&end.body);
}

/* The gate speaks in the provider's place: only when every earlier answer is told of. */
static void take_refusal(struct play *p, struct bytes text, bool peek)
{
	const struct gate *g = gate_of(p);

	must(g && g->refused && exchange_awaited(g->exchange) == 0 && !p->refusal_is_over);
	must(text.len <= g->refusal.len - p->refusal.len);
	must(memcmp(text.at, g->refusal.at + p->refusal.len, text.len) == 0);
	if (!peek)
		must_put(&p->refusal, text);
}

static void program_reads(struct play *p, size_t cap, bool peek)
{
	uint8_t *out = malloc(cap);
	size_t before = p->tls.given.len, waiting;
	bool changing = gate_of(p) && gate_is_changing(gate_of(p));
	int ret;

	must(out != NULL);
	ret = read_some(p, out, cap, peek);
	must(ret <= (int)cap);
	changing |= gate_of(p) && gate_is_changing(gate_of(p));
	struct bytes got = bytes_of(out, ret > 0 ? (size_t)ret : 0);
	struct bytes fresh = bytes_from(buf_view(&p->tls.given), before);
	if (ret <= 0) {
		int error = last_error(p, ret);
		if (is_refused(p) && p->refusal.len == gate_of(p)->refusal.len &&
		    error == ERROR_ZERO_RETURN && !fresh.len && conn_find(&p->tls)->ended) {
			if (!p->refusal_is_over)
				check_refusal(buf_view(&p->refusal));
			p->refusal_is_over = true;
			must(SSL_get_shutdown(&p->tls) == RECEIVED_SHUTDOWN);
		}
	} else if (changing) {
		must(p->policy->changes_answer);
	} else if (fresh.len) {
		must(!peek && bytes_equal(got, fresh));
	} else if (peek && p->tls.coming.len >= got.len &&
		   memcmp(got.at, p->tls.coming.at, got.len) == 0) {
		waiting = (size_t)SSL_pending(&p->tls);
		must(waiting > 0);
	} else {
		take_refusal(p, got, peek);
	}
	must(!p->refusal_is_over || ret <= 0);
	free(out);
}

static void check_pending(struct play *p)
{
	int pending = SSL_pending(&p->tls), has = SSL_has_pending(&p->tls);

	must(pending >= 0 && (pending > 0) == (has != 0));
	/* Where bytes wait, a read gives some. */
	if (is_gated(p) && gate_of(p) && gate_pending(gate_of(p)))
		must(pending == (int)gate_pending(gate_of(p)));
}

/* ---- records ---- */

/* One request record, or two when its head went first; then the parts of its answer, and an end. */
static void check_pages_of(const struct play *p, size_t first)
{
	const char *id = books_pages[first].id;
	size_t heads = 0, requests = 0, ends = 0;
	bool out = false;

	for (size_t i = first; i < books_count; i++) {
		const struct books_page *page = &books_pages[i];
		if (strcmp(page->id, id) != 0)
			continue;
		if (page->kind == REC_REQUEST && page->lost && !p->policy->may_go_unrecorded)
			return; /* so it was refused */
		if (page->kind == REC_REQUEST) {
			must(!requests);
			heads += page->head_only;
			requests += !page->head_only;
			out = !page->refused && !page->unfinished;
			continue;
		}
		must(heads + requests > 0);
		must(!ends);
		ends += page->kind != REC_RESPONSE_PART;
	}
	must(heads <= 1 && requests <= 1 && heads + requests > 0);
	must(out ? ends == 1 : ends <= heads);
}

static void check_pages(const struct play *p)
{
	size_t ids = 0;

	for (size_t i = 0; i < books_count; i++) {
		bool known = false;
		for (size_t k = 0; k < i && !known; k++)
			known = strcmp(books_pages[k].id, books_pages[i].id) == 0;
		if (known)
			continue;
		ids++;
		check_pages_of(p, i);
	}
	if (p->strict && !p->said.stopped)
		must(ids <= trail_begun(&p->said) + p->said.faulty);
	for (size_t i = 0; i < books_count; i++)
		must(!books_pages[i].malformed || !p->strict || p->said.faulty || p->said.stopped);
	if (!p->secret_was_said)
		must(!books_have_secret);
}

/* A connection that nobody governs carries what the program wrote. */
static void check_end(const struct play *p)
{
	if (p->plain_sight && !gate_of(p)) {
		must(books_count == 0);
		must(bytes_starts(buf_view(&p->offered), buf_view(&p->tls.sent)));
	}
	if (is_exact(p))
		must(bytes_starts(buf_view(&p->offered), buf_view(&p->tls.sent)));
	if (!p->policy->text && p->strict)
		must(p->tls.sent.len == 0);
}

static void begin(struct play *p)
{
	books_reset();
	buf_done(&p->offered);
	buf_done(&p->pending);
	buf_done(&p->refusal);
	trail_done(&p->said);
	trail_done(&p->arrived);
	p->refusal_is_over = p->writes_failed = p->plain_sight = p->secret_was_said = false;
	if (p->name[0])
		(void)SSL_ctrl(&p->tls, CTRL_SET_TLSEXT_HOSTNAME, 0, (void *)(uintptr_t)p->name);
}

/* ---- the input ---- */

static void repeat(struct buf *out, struct bytes text, size_t times)
{
	for (size_t i = 0; i < times && out->len + text.len <= TIMES_BYTES_MAX; i++)
		must_put(out, text);
}

static void take_step(struct play *p, struct cursor *c)
{
	enum {
		WRITE,
		WRITE_SHORT,
		WRITE_REPEATED,
		ANSWER,
		ANSWER_REPEATED,
		READ,
		PEEK,
		PENDING,
		PLAN_SENDS,
		PLAN_READS,
		PROVIDER_ENDS,
		LOG_FAILS,
		SHUTDOWN,
		CLEAR,
		STEPS
	};
	unsigned step = cursor_u8(c) % STEPS;
	size_t len = cursor_u8(c);
	size_t times = step == WRITE_REPEATED || step == ANSWER_REPEATED ? 1u + cursor_u8(c) : 1;
	struct buf many = {0};
	struct bytes text;

	if (step == READ || step == PEEK) {
		program_reads(p, len < 250 ? len + 1 : 1u << (len - 240), step == PEEK);
		return;
	}
	text = cursor_take(c, len < cursor_left(c) ? len : cursor_left(c));
	switch (step) {
	case WRITE:
		program_writes(p, text, SIZE_MAX);
		break;
	case WRITE_SHORT:
		program_writes(p, text, 1 + text.len / 2);
		break;
	case WRITE_REPEATED:
		repeat(&many, text, times);
		program_writes(p, buf_view(&many), SIZE_MAX);
		break;
	case ANSWER:
	case ANSWER_REPEATED:
		if (p->tls.end == FAKE_OPEN) {
			repeat(&many, text, times);
			must_put(&p->tls.coming, buf_view(&many));
			p->secret_was_said |= has_secret(&p->tls.coming);
		}
		break;
	case PENDING:
		check_pending(p);
		break;
	case PLAN_SENDS:
		fake_plan_add(&p->tls.sends, text);
		break;
	case PLAN_READS:
		fake_plan_add(&p->tls.reads, text);
		break;
	case PROVIDER_ENDS:
		p->tls.end = (enum fake_end)(text.len % 4);
		break;
	case LOG_FAILS:
		books_failing = text.len % 2;
		break;
	case SHUTDOWN:
		(void)SSL_shutdown(&p->tls);
		break;
	default:
		check_end(p);
		(void)SSL_clear(&p->tls);
		check_pages(p);
		begin(p);
	}
	buf_done(&many);
	check_settled(p);
	check_awaited(p);
}

/* An address that a descriptor is connected to, without a byte on the wire. */
static int connected(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
	return fd;
}

static void choose(struct play *p, struct cursor *c)
{
	static const char *const names[] = {"api.openai.com",
					    "api.anthropic.com",
					    "",
					    "chatgpt.com",
					    "www.example.org",
					    "llm.example",
					    "generativelanguage.googleapis.com"};
	static int https = -1, other = -1;
	unsigned flags;

	if (https < 0) {
		https = connected(443);
		other = connected(8443);
		conn_enabled = true;
	}
	p->policy = books_use_policy(cursor_u8(c));
	p->name = names[cursor_u8(c) % (sizeof names / sizeof names[0])];
	flags = cursor_u8(c);
	p->with_ex = flags & 1;
	p->early = flags & 2;
	p->tls.handshake_steps = flags & 4 ? 3 : 0;
	p->tls.fd = flags & 8 ? -1 : flags & 16 ? other : https;
	p->tls.verified = !(flags & 32);
	p->tls.old_version = flags & 64;
	p->tls.on_sent = on_sent;
	p->tls.is_gated = is_gated;
	p->tls.context = p;
	p->strict = strcmp(p->name, "api.openai.com") == 0 ||
		    strcmp(p->name, "api.anthropic.com") == 0 ||
		    strcmp(p->name, "generativelanguage.googleapis.com") == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(bytes_of(data, size));
	struct play *p = &play;

	choose(p, &c);
	begin(p);
	while (cursor_left(&c))
		take_step(p, &c);
	check_end(p);
	fake_tls_free(&p->tls);
	check_pages(p);
	books_reset();
	return 0;
}
