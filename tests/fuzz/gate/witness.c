/* SPDX-License-Identifier: MIT */
#include "witness.h"

#include <string.h>

#include "wire/json.h"

/* ---- requests, as another reader sees them ---- */

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
		     t->count == WITNESS_REQUESTS_MAX;
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

void witness_is_up(const struct witness *w)
{
	books_owner = w->owner;
}

struct gate *witness_gate(const struct witness *w)
{
	struct conn *c = conn_find(w->session);

	return c ? c->gate : NULL;
}

bool witness_is_gated(const struct witness *w)
{
	const struct conn *c = conn_find(w->session);

	return c && c->kind == CONN_GATED;
}

bool witness_is_refused(const struct witness *w)
{
	return witness_gate(w) && witness_gate(w)->refused;
}

static void look_for_secret(const struct buf *said)
{
	books_secret_was_said |= bytes_find(buf_view(said), BYTES(BOOKS_SECRET)) != SIZE_MAX;
}

static bool is_of(const struct books_page *page, const struct witness *w)
{
	return page->owner == w->owner;
}

/* Requests with a record that lets them go. */
static size_t recorded(const struct witness *w, bool with_lost)
{
	size_t count = 0;

	for (size_t i = 0; i < books_count; i++) {
		const struct books_page *page = &books_pages[i];
		bool known = false;
		if (!is_of(page, w) || page->kind != REC_REQUEST || page->refused ||
		    page->unfinished || (page->lost && !with_lost))
			continue;
		for (size_t k = 0; k < i && !known; k++)
			known = books_pages[k].kind == REC_REQUEST &&
				strcmp(books_pages[k].id, page->id) == 0;
		count += !known;
	}
	return count;
}

static bool has_head_only(const struct witness *w)
{
	for (size_t i = 0; i < books_count; i++)
		if (books_pages[i].head_only && is_of(&books_pages[i], w))
			return true;
	return false;
}

/* Byte for byte: nothing is to be changed. */
static bool is_exact(const struct witness *w)
{
	return !w->policy->changes_body && !has_head_only(w) &&
	       bytes_find(buf_view(&w->offered), BYTES("aigw-")) == SIZE_MAX;
}

static void compare_requests(const struct witness *w)
{
	const struct trail *a = &w->said, *b = &w->arrived;
	bool has_key = bytes_find(buf_view(&w->offered), BYTES("aigw-")) != SIZE_MAX;

	must(b->count <= a->count);
	for (size_t i = 0; i < b->count; i++) {
		const struct seen *before = &a->at[i], *after = &b->at[i];
		must(strcmp(before->method, after->method) == 0);
		must(has_key || bytes_equal(buf_view(&before->target), buf_view(&after->target)));
		if (!w->policy->changes_body)
			must(bytes_equal(buf_view(&before->body), buf_view(&after->body)));
		else if (json_check(buf_view(&before->body), NULL, NULL) == OK)
			must(json_check(buf_view(&after->body), NULL, NULL) == OK);
	}
}

/* What the policy forbids has not arrived. */
static void check_allowed(const struct witness *w)
{
	const struct seen *last = &w->arrived.at[w->arrived.count - 1];
	struct json_token model;

	if (w->policy->denies && json_find(buf_view(&last->body), "/model", &model, NULL) == OK)
		must(!bytes_ends(model.raw, bytes_str(w->policy->denies)));
}

static void on_sent(void *context, struct bytes data)
{
	struct witness *w = context;
	struct gate *g = witness_gate(w);
	size_t before = w->arrived.count;

	if (!witness_is_gated(w)) {
		w->plain_sight = true;
		return;
	}
	must(!g->refused && ((w->policy->text && !w->unfit) || !w->strict));
	if (is_exact(w)) {
		struct bytes from = bytes_slice(buf_view(&w->offered), 0, w->far->sent.len);
		must(bytes_equal(from, buf_view(&w->far->sent)));
	}
	trail_feed(&w->arrived, data);
	if (!w->strict)
		return;
	must(!w->arrived.faulty);
	if (w->arrived.count > before)
		check_allowed(w);
	must(trail_begun(&w->arrived) <= recorded(w, w->policy->may_go_unrecorded));
}

static bool asks_gated(void *context)
{
	return witness_is_gated(context);
}

void witness_begin(struct witness *w, unsigned name)
{
	static const char *const names[WITNESS_NAMES] = {"api.openai.com",
							 "api.anthropic.com",
							 "",
							 "chatgpt.com",
							 "www.example.org",
							 "llm.example",
							 "generativelanguage.googleapis.com"};
	static unsigned owners;

	w->name = names[name % WITNESS_NAMES];
	w->strict = strcmp(w->name, "api.openai.com") == 0 ||
		    strcmp(w->name, "api.anthropic.com") == 0 ||
		    strcmp(w->name, "generativelanguage.googleapis.com") == 0;
	w->far->on_sent = on_sent;
	w->far->is_gated = asks_gated;
	w->far->context = w;
	buf_done(&w->offered);
	buf_done(&w->pending);
	buf_done(&w->refusal);
	trail_done(&w->said);
	trail_done(&w->arrived);
	w->collected = 0;
	w->refusal_is_over = w->writes_failed = w->plain_sight = false;
	w->owner = ++owners;
	witness_is_up(w);
}

void witness_offer(struct witness *w, struct bytes more)
{
	must_put(&w->pending, more);
	must_put(&w->offered, more);
	look_for_secret(&w->offered);
	trail_feed(&w->said, more);
}

void witness_taken(struct witness *w, size_t len)
{
	must(len <= w->pending.len);
	buf_drop_front(&w->pending, len);
}

void witness_repeat(struct buf *out, struct bytes text, size_t times)
{
	for (size_t i = 0; i < times && out->len + text.len <= WITNESS_TIMES_MAX; i++)
		must_put(out, text);
}

void witness_answer(struct witness *w, struct bytes text, size_t times)
{
	struct buf many = {0};

	if (w->far->state != FAR_OPEN)
		return;
	witness_repeat(&many, text, times);
	must_put(&w->far->coming, buf_view(&many));
	look_for_secret(&w->far->coming);
	buf_done(&many);
}

/* Requests that went out whose answers are not told of yet. */
static size_t awaited(const struct witness *w)
{
	size_t count = 0;

	for (size_t i = 0; i < books_count; i++) {
		const struct books_page *page = &books_pages[i];
		bool over = !is_of(page, w) || page->kind != REC_REQUEST || page->refused ||
			    page->unfinished;
		for (size_t k = i + 1; k < books_count && !over; k++)
			over = books_pages[k].kind != REC_RESPONSE_PART &&
			       strcmp(books_pages[k].id, page->id) == 0;
		count += !over;
	}
	return count;
}

void witness_check_awaited(const struct witness *w)
{
	size_t waited = witness_gate(w) ? exchange_awaited(witness_gate(w)->exchange) : 0;

	if (w->strict && witness_is_refused(w))
		must(waited <= awaited(w));
	if (witness_is_gated(w) && w->far->write_dead && w->writes_failed)
		must(waited == 0); /* one that is let go of is not followed any more */
}

void witness_check_settled(const struct witness *w)
{
	const struct trail *said = &w->said;

	if (!w->strict || w->pending.len || w->collected || w->writes_failed ||
	    witness_is_refused(w) || said->stopped || !witness_is_gated(w) || !witness_gate(w))
		return;
	must(!said->faulty);
	must(w->arrived.count == said->count);
	if (is_exact(w))
		must(w->far->sent.len == (said->count ? said->at[said->count - 1].end : 0));
	compare_requests(w);
	must(recorded(w, true) == trail_begun(&w->arrived));
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

void witness_refusal(struct witness *w, struct bytes text, bool peek)
{
	const struct gate *g = witness_gate(w);

	must(g && g->refused && exchange_awaited(g->exchange) == 0 && !w->refusal_is_over);
	must(text.len <= g->refusal.len - w->refusal.len);
	must(memcmp(text.at, g->refusal.at + w->refusal.len, text.len) == 0);
	if (!peek)
		must_put(&w->refusal, text);
}

void witness_refusal_end(struct witness *w)
{
	const struct gate *g = witness_gate(w);

	must(g && g->refused && w->refusal.len == g->refusal.len);
	if (!w->refusal_is_over)
		check_refusal(buf_view(&w->refusal));
	w->refusal_is_over = true;
}

/* ---- records ---- */

/* One request record, or two when its head went first; then the parts of its answer, and an end. */
static void check_pages_of(const struct witness *w, size_t first)
{
	const char *id = books_pages[first].id;
	size_t heads = 0, requests = 0, ends = 0;
	bool out = false;

	for (size_t i = first; i < books_count; i++) {
		const struct books_page *page = &books_pages[i];
		if (strcmp(page->id, id) != 0)
			continue;
		must(is_of(page, w));
		if (page->kind == REC_REQUEST && page->lost && !w->policy->may_go_unrecorded)
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

void witness_check_pages(const struct witness *w)
{
	size_t ids = 0;

	for (size_t i = 0; i < books_count; i++) {
		bool known = !is_of(&books_pages[i], w);
		for (size_t k = 0; k < i && !known; k++)
			known = strcmp(books_pages[k].id, books_pages[i].id) == 0;
		if (known)
			continue;
		ids++;
		check_pages_of(w, i);
	}
	if (w->strict && !w->said.stopped)
		must(ids <= trail_begun(&w->said) + w->said.faulty);
	for (size_t i = 0; i < books_count; i++)
		must(!is_of(&books_pages[i], w) || !books_pages[i].malformed || !w->strict ||
		     w->said.faulty || w->said.stopped);
	if (!books_secret_was_said)
		must(!books_have_secret);
}

static bool has_pages(const struct witness *w)
{
	for (size_t i = 0; i < books_count; i++)
		if (is_of(&books_pages[i], w))
			return true;
	return false;
}

/* A connection that nobody governs carries what the program wrote. */
void witness_check_end(const struct witness *w)
{
	if (w->plain_sight && !witness_gate(w)) {
		must(!has_pages(w));
		must(bytes_starts(buf_view(&w->offered), buf_view(&w->far->sent)));
	}
	if (is_exact(w))
		must(bytes_starts(buf_view(&w->offered), buf_view(&w->far->sent)));
	if (!w->policy->text && w->strict)
		must(w->far->sent.len == 0);
}
