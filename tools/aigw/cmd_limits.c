/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "base/sys.h"
#include "grid.h"
#include "key_edit.h"
#include "limit_print.h"
#include "limits/store.h"
#include "print.h"
#include "setup.h"

#define SECOND_NS UINT64_C(1000000000)

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

	put_limit_amount(&used, l->kind, l->used, true);
	put_limit_amount(&limit, l->kind, l->limit, true);
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
	put_limit_amount(&r->out, l->kind, l->used, false);
	object_key(&o, BYTES("allowed"));
	put_limit_amount(&r->out, l->kind, l->limit, false);
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

/* Of those that may be used. A store that cannot be read is told of, and the rest shown. */
static void put_keys(struct report *r, const struct policy *p, const char *store)
{
	struct key_edit edit;

	if (!key_edit_look(r->places, p, store, &edit))
		for (size_t i = 0; i < edit.key_count; i++)
			if (key_entry_state(&edit.keys[i], r->now_ns / SECOND_NS) == KEY_VALID)
				put_scope(r, "keys.", edit.keys[i].scope.name,
					  &edit.keys[i].scope.limits);
	key_edit_close(&edit);
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
		printf("the policy %s has no limits, nor has a gateway key\n", r->places->policy);
	return EXIT_FINE;
}

static int report(const struct places *places, const struct policy *policy, const char *store,
		  bool json)
{
	static const char *const titles[] = {"SCOPE", "LIMIT", "USED", "ALLOWED", "", "RESETS"};
	struct report r = {.places = places,
			   .now_ns = sys_now_ns(),
			   .json = json,
			   .grid = {.columns = 6, .titles = titles}};

	need(buf_put_str(&r.out, "["));
	put_scopes(&r, policy);
	put_keys(&r, policy, store);
	need(buf_put_str(&r.out, "]\n"));
	int status = print_report(&r);
	buf_done(&r.out);
	return status;
}

int cmd_limits(int argc, char **argv)
{
	bool json = false;
	const char *store = NULL;
	const struct option options[] = {
		{"store", 0, OPTION_TEXT, &store, "DIR",
		 "where gateway keys are, when not in this user's keys directory"},
		{"json", 0, OPTION_FLAG, &json, NULL, "an array of objects, for machines"},
	};
	const struct args args = {
		.command = "limits",
		.synopsis = "aigw limits [--store DIR] [--json]",
		.summary = "What this user's programs have used of the limits of the policy and of "
			   "gateway keys,\n"
			   "and when they begin anew.",
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
	status = report(&places, policy, store, json);
	policy_free(policy);
	return status;
}
