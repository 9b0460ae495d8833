/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "base/sys.h"
#include "drain/config.h"
#include "policy_apply.h"
#include "policy_ask.h"
#include "policy_simulate.h"
#include "print.h"
#include "setup.h"
#include "wire/json.h"

/* ---- check ---- */

/* The place of a recipient's text in the file: the first string with these bytes. */
static void find_string(struct bytes text, struct bytes string, uint32_t *ret_line,
			uint32_t *ret_column)
{
	struct json j;
	struct json_token t;

	json_init(&j, text, JSON_COMMENTS);
	while (json_next(&j, &t) == OK) {
		if (t.kind == JSON_STRING && json_token_is(&t, string)) {
			json_position(text, t.start, ret_line, ret_column);
			return;
		}
	}
}

/* The parser leaves the recipients' checksums to whoever knows keys: here. */
static enum err check_recipients(const struct policy *policy, struct bytes text,
				 struct policy_problem *ret_problem)
{
	struct recipient recipient;

	for (size_t i = 0; i < policy->audit.recipient_count; i++) {
		struct bytes word = policy->audit.recipients[i];
		if (seal_parse_recipient(word, &recipient) == OK)
			continue;
		find_string(text, word, &ret_problem->line, &ret_problem->column);
		snprintf(ret_problem->text, sizeof ret_problem->text,
			 "\"%.*s\" is not a recipient (aigw1...), or mistyped",
			 (int)(word.len < 120 ? word.len : 120), (const char *)word.at);
		return ERR_BAD;
	}
	return OK;
}

static void put_count(struct buf *out, const char *before, size_t n, const char *one,
		      const char *many)
{
	need(buf_put_str(out, before));
	need(buf_put_decimal(out, n));
	need(buf_put_str(out, n == 1 ? one : many));
}

static void put_rules(struct buf *out, const struct model_rules *rules)
{
	if (!rules->allow.given && rules->deny.count == 0) {
		need(buf_put_str(out, "every model"));
		return;
	}
	if (rules->allow.given && rules->allow.count == 0)
		need(buf_put_str(out, "no model"));
	else if (!rules->allow.given)
		need(buf_put_str(out, "every model"));
	for (size_t i = 0; i < rules->allow.count; i++) {
		need(buf_put_str(out, i ? ", " : ""));
		put_visible(out, rules->allow.at[i]);
	}
	for (size_t i = 0; i < rules->deny.count; i++) {
		need(buf_put_str(out, i ? ", " : " but not "));
		put_visible(out, rules->deny.at[i]);
	}
}

/* What a scope says besides, in short. */
static void put_scope(struct buf *out, const struct scope_rules *rules)
{
	bool first = true;

	put_rules(out, &rules->models);
	for (unsigned kind = 0; kind < AGREEMENTS; kind++) {
		if (!(rules->require & 1u << kind))
			continue;
		need(buf_put_str(out, first ? "; requires " : ", "));
		need(buf_put_str(out, agreement_name((enum agreement_kind)kind)));
		first = false;
	}
	if (rules->require & REQUIRE_MANAGED_KEY)
		need(buf_put_str(out, first ? "; requires managed_key" : ", managed_key"));
	first = true;
	for (unsigned kind = 0; kind < LIMIT_COUNT; kind++) {
		if (!limit_given(&rules->limits, (enum limit_kind)kind))
			continue;
		need(buf_put_str(out, first ? "; limits " : ", "));
		need(buf_put_str(out, limit_name((enum limit_kind)kind)));
		first = false;
	}
	if (rules->mode == MODE_OBSERVE)
		need(buf_put_str(out, "; observed only"));
	if (rules->watch)
		need(buf_put_str(out, "; watches"));
}

static void put_environment(struct buf *out, const struct policy *p, const struct environment *e)
{
	need(buf_put_str(out, "  "));
	put_visible(out, e->name);
	need(buf_put_str(out,
			 bytes_equal(e->name, p->default_environment) ? " (default): " : ": "));
	put_scope(out, &e->rules);
	need(buf_put_u8(out, '\n'));
}

static void put_drains(struct buf *out, const struct drains *drains)
{
	if (drains->count == 0)
		return;
	need(buf_put_str(out, "  drained to "));
	for (size_t i = 0; i < drains->count; i++) {
		const struct drain *d = &drains->at[i];
		need(buf_put_str(out, i ? ", " : ""));
		put_visible(out, d->name);
		need(buf_put_str(out, " ("));
		need(buf_put_str(out, drain_type_name(d->type)));
		need(buf_put_str(out, d->required ? ", required" : ""));
		need(buf_put_str(out, d->enabled ? ")" : ", not enabled)"));
	}
	need(buf_put_u8(out, '\n'));
}

static void print_summary(const char *path, const struct policy *p, const struct drains *drains)
{
	struct buf out = {0};

	put_visible(&out, bytes_str(path));
	need(buf_put_str(&out, ": fine\n  organization: "));
	put_scope(&out, &p->organization);
	need(buf_put_u8(&out, '\n'));
	for (size_t i = 0; i < p->environment_count; i++)
		put_environment(&out, p, &p->environments[i]);
	put_count(&out, "  ", p->application_count, " application, ", " applications, ");
	put_count(&out, "", p->provider_count, " provider named, ", " providers named, ");
	put_count(&out, "log sealed for ", p->audit.recipient_count, " recipient", " recipients");
	need(buf_put_str(&out, p->audit.payloads == PAYLOADS_FULL ? " with payloads"
								  : " without payloads"));
	need(buf_put_str(&out, p->audit.on_failure == FAIL_REFUSE
				       ? "; what cannot be recorded is refused\n"
				       : "; what cannot be recorded is let through\n"));
	put_drains(&out, drains);
	print_buf(&out);
	buf_done(&out);
}

static void object_patterns(struct json_object *o, const char *key, const struct patterns *p)
{
	if (!p->given)
		return;
	object_key(o, bytes_str(key));
	need(buf_put_u8(o->out, '['));
	for (size_t i = 0; i < p->count; i++) {
		if (i)
			need(buf_put_u8(o->out, ','));
		need(buf_put_json_string(o->out, p->at[i]));
	}
	need(buf_put_u8(o->out, ']'));
}

static void object_rules(struct json_object *o, struct bytes key, const struct model_rules *rules)
{
	object_key(o, key);
	struct json_object models = object_begin(o->out);
	object_patterns(&models, "allow", &rules->allow);
	object_patterns(&models, "deny", &rules->deny);
	object_end(&models);
}

static void object_summary(struct json_object *o, const struct policy *p)
{
	object_rules(o, BYTES("organization"), &p->organization.models);
	object_key(o, BYTES("environments"));
	struct json_object environments = object_begin(o->out);
	for (size_t i = 0; i < p->environment_count; i++)
		object_rules(&environments, p->environments[i].name,
			     &p->environments[i].rules.models);
	object_end(&environments);
	object_text(o, "default_environment", p->default_environment);
	object_number(o, "applications", p->application_count);
	object_number(o, "providers", p->provider_count);
	object_number(o, "recipients", p->audit.recipient_count);
	object_text(o, "payloads",
		    p->audit.payloads == PAYLOADS_FULL ? BYTES("full") : BYTES("none"));
	object_text(o, "on_failure",
		    p->audit.on_failure == FAIL_REFUSE ? BYTES("refuse") : BYTES("allow"));
}

static void object_drains(struct json_object *o, const struct drains *drains)
{
	object_key(o, BYTES("drains"));
	struct json_object sinks = object_begin(o->out);
	for (size_t i = 0; i < drains->count; i++) {
		const struct drain *d = &drains->at[i];
		object_key(&sinks, d->name);
		struct json_object sink = object_begin(o->out);
		object_text(&sink, "type", bytes_str(drain_type_name(d->type)));
		object_bool(&sink, "enabled", d->enabled);
		object_bool(&sink, "required", d->required);
		object_end(&sink);
	}
	object_end(&sinks);
}

/* `policy` NULL: the file is not fine, and `problem` says why. */
static void print_json(const char *path, const struct policy *policy, const struct drains *drains,
		       const struct policy_problem *problem)
{
	struct buf out = {0};
	struct json_object o = object_begin(&out);

	object_text(&o, "file", bytes_str(path));
	object_bool(&o, "fine", policy != NULL);
	if (policy) {
		object_summary(&o, policy);
		object_drains(&o, drains);
	} else {
		if (problem->line) {
			object_number(&o, "line", problem->line);
			object_number(&o, "column", problem->column);
		}
		object_text(&o, "problem", bytes_str(problem->text));
	}
	object_end(&o);
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
}

/* FILE:LINE:COL: message, as compilers say it, so that editors find the place. */
static void print_place(const char *path, const struct policy_problem *problem)
{
	struct buf out = {0};

	put_visible(&out, bytes_str(path));
	if (problem->line) {
		put_count(&out, ":", problem->line, "", "");
		put_count(&out, ":", problem->column, "", "");
	}
	need(buf_put_str(&out, ": "));
	put_visible(&out, bytes_str(problem->text));
	fprintf(stderr, "%.*s\n", (int)out.len, (const char *)out.at);
	buf_done(&out);
}

/* True when the file itself, not what stands in it, is the trouble. */
static bool is_about_file(enum err e)
{
	return e == ERR_MISSING || e == ERR_ACCESS || e == ERR_IO || e == ERR_NOMEM;
}

static int check(const char *path, bool json)
{
	struct policy *policy = NULL;
	struct drains *drains = NULL;
	struct policy_problem problem = {0};
	struct buf text = {0};
	enum err e = load_policy(path, &policy, &text, &problem);

	if (is_about_file(e)) {
		buf_done(&text);
		return print_problem(e, "%s", path);
	}
	if (!e)
		e = check_recipients(policy, buf_view(&text), &problem);
	if (!e)
		e = drains_parse(buf_view(&text), &drains, &problem);
	if (e && !problem.text[0])
		snprintf(problem.text, sizeof problem.text, "%s", err_text(e));
	if (json)
		print_json(path, e ? NULL : policy, drains, &problem);
	else if (e)
		print_place(path, &problem);
	else
		print_summary(path, policy, drains);
	drains_free(drains);
	policy_free(policy);
	buf_done(&text);
	return e ? EXIT_FINDING : EXIT_FINE;
}

/* ---- show, path ---- */

/* The file as it is; as JSON without its comments, for programs. */
static int show(const char *path, bool json)
{
	struct buf text = {0};
	enum err e = sys_read_file(path, POLICY_BYTES_MAX, &text);
	struct json j;
	struct json_token t;
	enum json_kind last = JSON_KEY;

	if (e) {
		buf_done(&text);
		return print_problem(e, "%s", path);
	}
	if (!json)
		print_buf(&text);
	json_init(&j, buf_view(&text), JSON_COMMENTS);
	while (json && (e = json_next(&j, &t)) == OK) {
		bool ends = t.kind == JSON_OBJECT_END || t.kind == JSON_ARRAY_END;
		if (!ends && last != JSON_KEY && last != JSON_OBJECT && last != JSON_ARRAY)
			fputc(',', stdout);
		fwrite(text.at + t.start, 1, t.end - t.start, stdout);
		if (t.kind == JSON_KEY)
			fputc(':', stdout);
		last = t.kind;
	}
	if (json)
		fputc('\n', stdout);
	buf_done(&text);
	if (e && e != ERR_END) {
		print_note("%s is not JSON: 'aigw policy check' says where", path);
		return EXIT_FINDING;
	}
	return EXIT_FINE;
}

/* All options; which action takes which is in their help. */
struct wish {
	struct policy_ask ask;
	const char *policy; /* explain, test: the file in place of the one that counts */
	const char *since;  /* log */
};

static int do_check(const struct places *places, const char *file, const struct wish *w)
{
	return check(file ? file : places->policy, w->ask.json);
}

static int do_show(const struct places *places, const char *file, const struct wish *w)
{
	return show(places->policy, w->ask.json);
}

static int do_path(const struct places *places, const char *file, const struct wish *w)
{
	puts(places->policy);
	return EXIT_FINE;
}

static int do_apply(const struct places *places, const char *file, const struct wish *w)
{
	return policy_apply(places, file, w->ask.json);
}

static int do_diff(const struct places *places, const char *file, const struct wish *w)
{
	return policy_diff(places, file, w->ask.json);
}

static int do_log(const struct places *places, const char *file, const struct wish *w)
{
	return policy_log(w->since, w->ask.json);
}

static int do_explain(const struct places *places, const char *file, const struct wish *w)
{
	return policy_explain(places, w->policy ? w->policy : places->policy, &w->ask);
}

static int do_test(const struct places *places, const char *file, const struct wish *w)
{
	return policy_test(places, w->policy ? w->policy : places->policy, file, &w->ask);
}

static int do_simulate(const struct places *places, const char *file, const struct wish *w)
{
	return policy_simulate(places, file, w->since, w->ask.store, w->ask.json);
}

enum operand { NO_FILE, MAY_NAME_FILE, NEEDS_FILE };

static const struct action {
	const char *name;
	enum operand operand;
	int (*run)(const struct places *places, const char *file, const struct wish *w);
} actions[] = {
	{"check", MAY_NAME_FILE, do_check},
	{"show", NO_FILE, do_show},
	{"path", NO_FILE, do_path},
	{"apply", NEEDS_FILE, do_apply},
	{"diff", NEEDS_FILE, do_diff},
	{"log", NO_FILE, do_log},
	{"explain", NO_FILE, do_explain},
	{"test", NEEDS_FILE, do_test},
	{"simulate", NEEDS_FILE, do_simulate},
};
#define ACTION_COUNT (sizeof actions / sizeof actions[0])
#define ACTION_NAMES "check, show, path, apply, diff, log, explain, test, simulate"

static int run_action(const struct action *action, const char *file, const struct wish *w)
{
	struct places places;
	int status = setup_places(&places);

	if (status)
		return status;
	if (file && action->operand == NO_FILE)
		return args_wrong("policy", "unexpected '%s'", file);
	if (!file && action->operand == NEEDS_FILE)
		return args_wrong("policy", "%s: which file?", action->name);
	return action->run(&places, file, w);
}

static int choose(const char *word, const char *file, const struct wish *w)
{
	const char *names[ACTION_COUNT];

	for (size_t i = 0; i < ACTION_COUNT; i++) {
		names[i] = actions[i].name;
		if (strcmp(word, names[i]) == 0)
			return run_action(&actions[i], file, w);
	}
	const char *near = args_near(word, names, ACTION_COUNT);
	if (near)
		return args_wrong("policy", "unknown '%s'; did you mean '%s'?", word, near);
	return args_wrong("policy", "unknown '%s'; one of " ACTION_NAMES, word);
}

int cmd_policy(int argc, char **argv)
{
	struct wish w = {.policy = NULL};
	struct policy_ask *k = &w.ask;
	const struct option options[] = {
		{"provider", 0, OPTION_TEXT, &k->provider, "NAME", "explain: the provider called"},
		{"model", 0, OPTION_TEXT, &k->model, "NAME", "explain: the model; none without it"},
		{"operation", 0, OPTION_TEXT, &k->operation, "NAME", "explain: else chat"},
		{"path", 0, OPTION_TEXT, &k->path, "PATH", "explain: of the request's address"},
		{"host", 0, OPTION_TEXT, &k->host, "HOST", "explain: else the provider's first"},
		{"feature", 0, OPTION_LIST, &k->features, "NAME",
		 "explain: what the request uses besides; may be repeated"},
		{"max-tokens", 0, OPTION_COUNT, &k->max_tokens, "N",
		 "explain: the answer it asks for"},
		{"body-bytes", 0, OPTION_COUNT, &k->body_bytes, "N", "explain: its size"},
		{"websocket", 0, OPTION_FLAG, &k->websocket, NULL, "explain: it asks for one"},
		{"program", 0, OPTION_TEXT, &k->program, "PATH",
		 "explain, test: the executable that calls"},
		{"sha256", 0, OPTION_TEXT, &k->sha256, "HEX", "... its digest"},
		{"user", 0, OPTION_TEXT, &k->user, "NAME", "... who runs it"},
		{"group", 0, OPTION_LIST, &k->groups, "NAME",
		 "... a group it is in; may be repeated"},
		{"cgroup", 0, OPTION_TEXT, &k->cgroup, "PATH", "... its control group"},
		{"parent", 0, OPTION_TEXT, &k->parent, "PATH", "... its parent's executable"},
		{"environment", 0, OPTION_TEXT, &k->environment, "NAME", "... AIGW_ENVIRONMENT"},
		{"key", 0, OPTION_TEXT, &k->key, "NAME",
		 "explain, test: the gateway key that it holds, by its name"},
		{"store", 0, OPTION_TEXT, &k->store, "DIR",
		 "explain, test, simulate: where gateway keys are, when not this user's"},
		{"day", 0, OPTION_TEXT, &k->day, "DATE",
		 "explain, test: as on that day: 2027-01-31"},
		{"policy", 0, OPTION_TEXT, &w.policy, "FILE",
		 "explain, test: by this policy instead of the one that counts"},
		{"since", 0, OPTION_TEXT, &w.since, "TIME",
		 "log, simulate: from then on: 1h, 7d, 2026-11-24"},
		{"json", 0, OPTION_FLAG, &k->json, NULL, "for programs"},
	};
	const struct args args = {
		.command = "policy",
		.synopsis =
			"aigw policy check [FILE] | show | path | apply FILE | diff FILE | log | "
			"explain --provider NAME ... | test FILE.http | simulate DRAFT",
		.summary = "check:   is the policy, or FILE, fine, and what does it do?\n"
			   "show:    the policy that counts for this user.\n"
			   "path:    where it is.\n"
			   "apply:   FILE becomes the policy that counts; the log says so.\n"
			   "diff:    what FILE would change in it.\n"
			   "log:     the changes that the log tells of.\n"
			   "explain: what becomes of such a call, and every rule that was asked.\n"
			   "test:    the same of a whole HTTP request in a file; nothing is sent.\n"
			   "simulate: what DRAFT would do otherwise with the requests in the log.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 2,
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (operands == 0)
		return args_wrong("policy", "what? One of " ACTION_NAMES);
	return choose(argv[1], operands > 1 ? argv[2] : NULL, &w);
}
