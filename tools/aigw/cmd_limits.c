/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "base/sys.h"
#include "grid.h"
#include "limits/store.h"
#include "llm/price.h"
#include "print.h"
#include "setup.h"

/* What is printed of each limit, for people (a grid) or for machines. */
struct report {
	const struct places *places;
	uint64_t now_ns;
	bool json, any;
	struct grid grid;
	struct buf out;
	enum err problem;
};

struct line {
	const char *scope;
	enum limit_kind kind;
	uint64_t used, limit, resets_ns;
};

static void put_amount(struct buf *out, enum limit_kind kind, uint64_t amount, bool grouped)
{
	if (limit_is_money(kind))
		need(price_put_usd(out, amount));
	else if (grouped)
		put_grouped(out, amount);
	else
		need(buf_put_decimal(out, amount));
}

/* Rounded down, so that 100 means that it is used up. */
static uint64_t percent_of(uint64_t used, uint64_t limit)
{
	return limit == 0 ? 100 : (uint64_t)((long double)used * 100 / (long double)limit);
}

static void put_row(struct report *r, const struct line *l)
{
	struct buf used = {0}, limit = {0}, percent = {0}, resets = {0};
	uint64_t share = percent_of(l->used, l->limit);
	enum colour c = share >= 100 ? RED : share >= 80 ? YELLOW : PLAIN;

	put_amount(&used, l->kind, l->used, true);
	put_amount(&limit, l->kind, l->limit, true);
	need(buf_put_decimal(&percent, share));
	need(buf_put_str(&percent, "%"));
	if (l->resets_ns > r->now_ns && limit_shape(l->kind) == LIMIT_BUDGET)
		put_time_local(&resets, l->resets_ns, true);
	else if (l->resets_ns > r->now_ns)
		put_duration(&resets, (l->resets_ns - r->now_ns) / 1000);
	else
		need(buf_put_str(&resets, "-"));
	grid_put_str(&r->grid, PLAIN, l->scope);
	grid_put_str(&r->grid, PLAIN, limit_name(l->kind));
	grid_put(&r->grid, c, buf_view(&used));
	grid_put(&r->grid, PLAIN, buf_view(&limit));
	grid_put(&r->grid, c, buf_view(&percent));
	grid_put(&r->grid, PLAIN, buf_view(&resets));
	buf_done(&used);
	buf_done(&limit);
	buf_done(&percent);
	buf_done(&resets);
}

static void put_object(struct report *r, const struct line *l)
{
	struct json_object o;

	need(buf_put_str(&r->out, r->any ? ",\n" : ""));
	o = object_begin(&r->out);
	object_text(&o, "scope", bytes_str(l->scope));
	object_text(&o, "limit", bytes_str(limit_name(l->kind)));
	object_key(&o, BYTES("used"));
	put_amount(&r->out, l->kind, l->used, false);
	object_key(&o, BYTES("allowed"));
	put_amount(&r->out, l->kind, l->limit, false);
	object_number(&o, "percent", percent_of(l->used, l->limit));
	object_key(&o, BYTES("resets"));
	if (l->resets_ns > r->now_ns) {
		need(buf_put_str(&r->out, "\""));
		text_put_time_utc(&r->out, l->resets_ns);
		need(buf_put_str(&r->out, "\""));
	} else {
		need(buf_put_str(&r->out, "null"));
	}
	object_end(&o);
}

static void put_scope(struct report *r, const char *kind, struct bytes name,
		      const struct limit_values *values)
{
	char scope[LIMITS_NAME_BYTES_MAX];
	struct meter m;

	if (!values->given || r->problem)
		return;
	snprintf(scope, sizeof scope, "%s%.*s", kind, (int)name.len,
		 name.at ? (const char *)name.at : "");
	enum err e = limits_read(r->places->state, scope, r->now_ns, &m);
	if (e == ERR_MISSING) {
		meter_open(&m, scope);
		meter_roll(&m, r->now_ns);
	} else if (e) {
		r->problem = e;
		return;
	}
	for (int i = 0; i < LIMIT_COUNT; i++) {
		const enum limit_kind k = (enum limit_kind)i;
		const struct line l = {scope, k, meter_used(&m, values, k, r->now_ns),
				       values->value[k], meter_resets_ns(&m, k, r->now_ns)};
		if (!limit_given(values, k))
			continue;
		if (r->json)
			put_object(r, &l);
		else
			put_row(r, &l);
		r->any = true;
	}
}

static void put_scopes(struct report *r, const struct policy *p)
{
	put_scope(r, "organization", BYTES_NONE, &p->organization.limits);
	for (size_t i = 0; i < p->environment_count; i++)
		put_scope(r, "environments.", p->environments[i].name,
			  &p->environments[i].rules.limits);
	for (size_t i = 0; i < p->application_count; i++)
		put_scope(r, "applications.", p->applications[i].name,
			  &p->applications[i].rules.limits);
}

static int print_report(struct report *r)
{
	if (r->problem)
		return print_problem(r->problem, "%s/" LIMITS_FILE_NAME ": %s", r->places->state,
				     err_text(r->problem));
	if (r->json)
		print_buf(&r->out);
	else if (r->any)
		grid_print(&r->grid, "");
	else
		printf("the policy %s has no limits\n", r->places->policy);
	return EXIT_FINE;
}

static int report(const struct places *places, const struct policy *policy, bool json)
{
	static const char *const titles[] = {"SCOPE", "LIMIT", "USED", "ALLOWED", "", "RESETS"};
	struct report r = {.places = places,
			   .now_ns = sys_now_ns(),
			   .json = json,
			   .grid = {.columns = 6, .titles = titles}};

	need(buf_put_str(&r.out, "["));
	put_scopes(&r, policy);
	need(buf_put_str(&r.out, "]\n"));
	int status = print_report(&r);
	buf_done(&r.out);
	return status;
}

int cmd_limits(int argc, char **argv)
{
	bool json = false;
	const struct option options[] = {
		{"json", 0, OPTION_FLAG, &json, NULL, "an array of objects, for machines"},
	};
	const struct args args = {
		.command = "limits",
		.synopsis = "aigw limits [--json]",
		.summary = "What this user's programs have used of the policy's limits, and when "
			   "they begin anew.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
	};
	struct policy_problem problem = {0};
	struct policy *policy = NULL;
	struct places places;
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	status = setup_places(&places);
	if (status)
		return status;
	enum err e = load_policy(places.policy, &policy, NULL, &problem);
	if (e)
		return print_problem(e, "%s:%" PRIu32 ":%" PRIu32 ": %s", places.policy,
				     problem.line, problem.column,
				     problem.text[0] ? problem.text : err_text(e));
	status = report(&places, policy, json);
	policy_free(policy);
	return status;
}
