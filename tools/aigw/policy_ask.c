/* SPDX-License-Identifier: MIT */
#include "policy_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aigw.h"
#include "base/files.h"
#include "base/sys.h"
#include "llm/exchange.h"
#include "policy/force.h"
#include "policy/load.h"
#include "policy/section_agreements.h"
#include "policy_answer.h"
#include "policy_key.h"
#include "print.h"

#define COMMAND         "policy"
#define REQUEST_MAX     (32u << 20)
#define HTTPS_PORT      443
#define SECONDS_PER_DAY 86400

/* One question, and what it borrows from. */
struct asking {
	const struct policy_ask *wish;
	struct policy *policy;
	struct buf groups;
	struct process_facts facts;
	struct features features;
	struct call call;
	struct question question;
	struct exchange *exchange; /* of a request in a file; else NULL */
	struct buf request;
	struct fault fault; /* it could not be read: code is set */
	struct policy_key key;
};

/* ---- what is asked ---- */

static int take_facts(struct asking *a)
{
	const struct policy_ask *w = a->wish;
	int32_t day;

	for (size_t i = 0; i < w->groups.count; i++) {
		if (i)
			need(buf_put_u8(&a->groups, '\0'));
		need(buf_put_str(&a->groups, w->groups.at[i]));
	}
	a->facts = (struct process_facts){
		.exe = bytes_str(w->program),
		.exe_sha256 = bytes_str(w->sha256),
		.user = bytes_str(w->user),
		.environment = bytes_str(w->environment),
		.groups = buf_view(&a->groups),
		.cgroup = bytes_str(w->cgroup),
		.parent_exe = bytes_str(w->parent),
	};
	a->question.facts = &a->facts;
	a->question.features = &a->features;
	a->question.call = &a->call;
	a->question.now_s = (int64_t)(sys_now_ns() / 1000000000u);
	if (!w->day)
		return EXIT_FINE;
	if (section_agreements_day(bytes_str(w->day), &day))
		return args_wrong(COMMAND, "'%s' is no date; write it as 2027-01-31", w->day);
	a->question.now_s = (int64_t)day * SECONDS_PER_DAY;
	return EXIT_FINE;
}

static const struct provider *find_provider(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->provider_count; i++)
		if (strcmp(p->providers[i].name, name) == 0)
			return &p->providers[i];
	return catalogue_find(bytes_str(name));
}

static int take_features(struct asking *a)
{
	for (size_t i = 0; i < a->wish->features.count; i++) {
		const char *name = a->wish->features.at[i];
		enum feature f = feature_find(bytes_str(name));
		if (f == FEATURE_COUNT)
			return args_wrong(COMMAND, "'%s' is no feature of requests", name);
		a->features.bits |= FEATURE_BIT(f);
	}
	a->features.has_max_tokens = a->wish->max_tokens > 0;
	a->features.max_tokens = a->wish->max_tokens;
	return EXIT_FINE;
}

/* The path that such an operation has where the provider is spoken to; for forced fields. */
static const char *usual_path(enum operation operation)
{
	return operation == OP_CHAT ? "/v1/chat/completions" : "";
}

static int take_call(struct asking *a)
{
	const struct policy_ask *w = a->wish;
	struct question *q = &a->question;
	struct bytes model = bytes_str(w->model);

	if (!w->provider)
		return args_wrong(COMMAND, "--provider is missing");
	q->provider = find_provider(a->policy, w->provider);
	if (!q->provider)
		return args_wrong(COMMAND,
				  "no provider is called '%s' ('aigw providers' lists them)",
				  w->provider);
	a->call.operation = w->operation ? operation_find(bytes_str(w->operation)) : OP_CHAT;
	if (a->call.operation == OP_COUNT)
		return args_wrong(COMMAND, "'%s' is no operation", w->operation);
	if (model.len > MODEL_BYTES_MAX)
		return args_wrong(COMMAND, "the model's name is too long");
	if (model.len)
		memcpy(a->call.model, model.at, model.len);
	a->call.model_len = model.len;
	q->method = operation_reads(a->call.operation) ? BYTES("GET") : BYTES("POST");
	q->path = bytes_str(w->path ? w->path : usual_path(a->call.operation));
	q->host = w->host                   ? bytes_str(w->host)
		  : q->provider->host_count ? bytes_str(provider_hosts(q->provider)->name)
					    : BYTES_NONE;
	q->body_bytes = w->body_bytes;
	q->websocket = w->websocket;
	return take_features(a);
}

/* ---- a request in a file ---- */

static void on_part(void *context, struct exchange *x)
{
}

static void on_answer(void *context, struct exchange *x, enum outcome outcome)
{
}

static bool has_field(struct bytes head, const char *name)
{
	while (head.len) {
		struct bytes line = bytes_cut(&head, '\n');
		if (bytes_equal_nocase(bytes_cut(&line, ':'), bytes_str(name)))
			return true;
	}
	return false;
}

/* A request that a person typed has plain line ends, and no length: both are put right. */
static void complete(struct bytes typed, struct buf *out)
{
	size_t end = bytes_find(typed, BYTES("\n\n"));
	struct bytes head = bytes_slice(typed, 0, end == SIZE_MAX ? typed.len : end);
	struct bytes body = end == SIZE_MAX ? BYTES_NONE : bytes_from(typed, end + 2), rest = head;

	while (rest.len) {
		need(buf_put(out, bytes_cut(&rest, '\n')));
		need(buf_put_str(out, "\r\n"));
	}
	if (body.len && !has_field(head, "content-length") &&
	    !has_field(head, "transfer-encoding")) {
		need(buf_put_str(out, "Content-Length: "));
		need(buf_put_decimal(out, body.len));
		need(buf_put_str(out, "\r\n"));
	}
	need(buf_put_str(out, "\r\n"));
	need(buf_put(out, body));
}

static int read_request(struct asking *a, const char *path)
{
	const struct exchange_listener listener = {on_part, on_answer, NULL};
	struct buf typed = {0};
	enum err e = sys_read_file(path, REQUEST_MAX, &typed);
	size_t used = 0;

	if (e) {
		buf_done(&typed);
		return print_problem(e, "%s", path);
	}
	if (bytes_find_byte(buf_view(&typed), '\r') == SIZE_MAX)
		complete(buf_view(&typed), &a->request);
	else
		need(buf_put(&a->request, buf_view(&typed)));
	buf_done(&typed);
	need(exchange_new(&listener, &a->exchange));
	e = exchange_feed_request(a->exchange, buf_view(&a->request), &used);
	if (!e)
		return EXIT_FINE;
	const char *problem = exchange_request(a->exchange)->problem;
	print_note("%s: not one whole HTTP/1.1 request: %s", path,
		   e == ERR_MORE ? "it ends too early"
		   : problem     ? problem
				 : err_text(e));
	return EXIT_USAGE;
}

static int take_request(struct asking *a, const char *path)
{
	struct question *q = &a->question;
	struct request_view view;
	struct bytes host = BYTES_NONE;
	uint16_t port = 0;
	int status = read_request(a, path);

	if (status)
		return status;
	if (exchange_host(a->exchange, &host, &port)) {
		print_note("%s: it does not say in one way which host it is for", path);
		return EXIT_USAGE;
	}
	q->provider = policy_find_provider(a->policy, host, port ? port : HTTPS_PORT);
	if (!q->provider) {
		print_note("%s: its host is no provider's: the policy has nothing to say of it",
			   path);
		return EXIT_USAGE;
	}
	exchange_view(a->exchange, &view);
	if (provider_read_call(q->provider, &view, &a->call, &a->fault) && !a->fault.code)
		a->fault = (struct fault){"malformed_request", "it cannot be read", SIZE_MAX};
	features_read(view.body, &a->features);
	q->method = view.method;
	q->path = view.path;
	q->host = host;
	q->body_bytes = view.body.len;
	q->websocket = exchange_asks_websocket(a->exchange);
	return EXIT_FINE;
}

/* ---- its key ---- */

/* The one that is named, else those in the request. */
static int take_key(struct asking *a, const struct places *places)
{
	const struct policy_key_place place = {places, a->policy, a->wish->store};
	struct question *q = &a->question;
	struct match match;
	int status = EXIT_FINE;

	if (a->wish->key) {
		status = policy_key_name(&a->key, &place, a->wish->key);
	} else if (a->exchange) {
		const struct http1_request *r = exchange_request(a->exchange);
		provider_match(q->provider, q->method, q->path, &match);
		status = policy_key_read(&a->key, &place,
					 bytes_slice(buf_view(&r->raw), 0, r->head_bytes),
					 q->provider, match.dialect);
	}
	if (status)
		return status;
	policy_key_judge(&a->key, &a->facts, q->provider);
	q->key = policy_key_scope(&a->key);
	q->raw_key = a->key.raw;
	return EXIT_FINE;
}

/* ---- the answer ---- */

/* What is asked of the key before any rule. */
static void tell_key(const struct asking *a, struct policy_answer *to)
{
	const struct policy_key *k = &a->key;
	const struct look look = {.kind = "gateway_key",
				  .where = k->entry ? k->entry->scope.where : BYTES("keys"),
				  .refuses = k->refused,
				  .rule = k->refused ? k->refusal.rule : "",
				  .reason = k->refused ? k->refusal.reason : ""};

	if (k->entry || k->refused)
		policy_answer_tell(to, &look);
}

/* What would be forced: into the request that there is, or by name only. */
static void force_or_name(const struct asking *a, struct decision *d, struct force *f)
{
	if (d->forced_count == 0)
		return;
	if (a->exchange) {
		need(force_fields(exchange_request(a->exchange), d, false, f));
		d->receipt = f->receipt;
		if (f->changed)
			d->action = ACTION_REWRITE;
		if (f->receipt == RECEIPT_REFUSED)
			decide_refuse(
				d, 403, "unalterable", "set",
				"the fields cannot be forced into this request; send them "
				"yourself, or have \"unalterable\": \"tag\" put into the policy");
		return;
	}
	for (size_t i = 0; i < d->forced_count; i++) {
		if (i)
			need(buf_put_u8(&f->changes, '\0'));
		need(buf_put_str(&f->changes, d->forced[i]->control->path));
		need(buf_put_str(&f->changes, ": "));
		need(buf_put(&f->changes, d->forced[i]->value));
	}
	d->action = ACTION_REWRITE;
}

/* That is done first: no rule is asked. */
static void refuse_key(const struct asking *a, struct decision *d)
{
	const struct decision of_rules = *d;

	*d = a->key.refusal;
	d->environment = of_rules.environment;
	d->application = of_rules.application;
}

static int answer(struct asking *a)
{
	struct force force = {0};
	struct decision d;
	struct policy_answer to = {.provider = a->question.provider,
				   .call = &a->call,
				   .key = a->key.entry,
				   .decision = &d,
				   .changes = &force.changes};

	tell_key(a, &to);
	decide_explain(a->policy, &a->question, policy_answer_tell, &to, &d);
	if (a->key.refused)
		refuse_key(a, &d);
	else if (a->fault.code)
		decide_refuse(&d, 400, a->fault.code, "request", a->fault.reason);
	else
		force_or_name(a, &d, &force);
	policy_answer_print(&to, a->wish->json);
	force_done(&force);
	policy_answer_done(&to);
	return d.action == ACTION_REFUSE ? EXIT_FINDING : EXIT_FINE;
}

static int load(struct asking *a, const char *path)
{
	struct policy_problem problem = {0};
	enum err e = load_policy(path, &a->policy, NULL, &problem);

	if (!e)
		return EXIT_FINE;
	if (!problem.line) {
		print_note("%s: %s", path, problem.text[0] ? problem.text : err_text(e));
		return EXIT_SYSTEM;
	}
	print_note("%s:%u:%u: %s", path, (unsigned)problem.line, (unsigned)problem.column,
		   problem.text);
	return EXIT_USAGE;
}

static int ask(const struct places *places, const char *policy_path, const char *request_path,
	       const struct policy_ask *wish)
{
	struct asking a = {.wish = wish};
	int status = load(&a, policy_path);

	if (!status)
		status = take_facts(&a);
	if (!status)
		status = request_path ? take_request(&a, request_path) : take_call(&a);
	if (!status)
		status = take_key(&a, places);
	if (!status)
		status = answer(&a);
	policy_key_done(&a.key);
	policy_free(a.policy);
	exchange_free(a.exchange);
	buf_done(&a.groups);
	buf_done(&a.request);
	return status;
}

int policy_explain(const struct places *places, const char *policy_path,
		   const struct policy_ask *wish)
{
	return ask(places, policy_path, NULL, wish);
}

int policy_test(const struct places *places, const char *policy_path, const char *request_path,
		const struct policy_ask *wish)
{
	return ask(places, policy_path, request_path, wish);
}
