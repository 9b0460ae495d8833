/* SPDX-License-Identifier: MIT */
#include "policy_simulate.h"

#include <stdlib.h>
#include <string.h>

#include "aigw.h"
#include "base/sys.h"
#include "grid.h"
#include "key_edit.h"
#include "policy/decide.h"
#include "print.h"
#include "reading.h"

#define GROUPS_MAX 512 /* of more kinds of differences only the number is told */

enum change { WOULD_REFUSE, WOULD_ALLOW, WOULD_OBSERVE, CHANGES };

static const char *const change_names[CHANGES] = {"would refuse", "would allow", "would tell"};

/* Requests that would be different in the same way. */
struct group {
	enum change change;
	uint64_t count;
	char rule[RULE_BYTES_MAX], reason[REASON_BYTES_MAX];
	char id[ULID_CHARS + 1]; /* the first of them */
};

struct simulation {
	const struct places *places;
	const char *store; /* where gateway keys are, or NULL */
	struct policy *draft;
	struct key_edit keys;
	bool keys_looked_at;
	uint64_t requests, same, skipped, without_body;
	uint64_t by_limits,
		keys_not_known; /* what the draft would do there is not known for sure */
	uint64_t changed[CHANGES];
	size_t group_count;
	struct group groups[GROUPS_MAX];
};

/* "keys.intake.models.allow[0]" is one of the rules, "keys.intake.revoked" and "keys.place" are
 * not. */
static bool is_rule_of_key(struct bytes rule)
{
	static const char *const kinds[] = {"models", "providers", "applications", "environment",
					    "limits"};
	struct bytes kind;

	(void)bytes_cut(&rule, '.');
	(void)bytes_cut(&rule, '.');
	kind = bytes_cut(&rule, '.');
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (bytes_equal(kind, bytes_str(kinds[i])))
			return true;
	return false;
}

/* Refused for what it was, or for how the connection or the key was: no rule of a scope was asked.
 */
static bool is_beside_the_rules(const struct log_entry *entry)
{
	static const char *const scopes[] = {"organization.", "environments.", "applications.",
					     "providers."};
	struct bytes rule = entry_text(entry, F_RULE);

	for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
		if (bytes_starts(rule, bytes_str(scopes[i])))
			return false;
	return !bytes_starts(rule, BYTES("keys.")) || !is_rule_of_key(rule);
}

static bool was_refused_by_limit(const struct log_entry *entry)
{
	return bytes_equal(entry_text(entry, F_ACTION), BYTES("refuse")) &&
	       bytes_find(entry_text(entry, F_RULE), BYTES(".limits")) != SIZE_MAX;
}

static const struct provider *find_provider(const struct policy *p, struct bytes name)
{
	for (size_t i = 0; i < p->provider_count; i++)
		if (bytes_equal(bytes_str(p->providers[i].name), name))
			return &p->providers[i];
	return catalogue_find(name);
}

/* What was known of the process then; its groups and its parent are not in the log (is_unmatched).
 */
static void take_facts(const struct log_entry *entry, struct process_facts *ret)
{
	bool by_variable = entry_text(entry, F_APPLICATION).len == 0;

	*ret = (struct process_facts){
		.exe = entry_text(entry, F_EXE),
		.exe_sha256 = entry_text(entry, F_EXE_SHA256),
		.user = entry_text(entry, F_USER),
		.cgroup = entry_text(entry, F_CGROUP),
		.environment = by_variable ? entry_text(entry, F_ENVIRONMENT) : BYTES_NONE,
	};
}

static void take_call(const struct log_entry *entry, struct call *ret)
{
	struct bytes model = entry_text(entry, F_REQUEST_MODEL);
	enum operation operation = operation_find(entry_text(entry, F_OPERATION));

	*ret = (struct call){.operation = operation == OP_COUNT ? OP_UNKNOWN : operation};
	ret->model_len = model.len < MODEL_BYTES_MAX ? model.len : MODEL_BYTES_MAX;
	if (ret->model_len)
		memcpy(ret->model, model.at, ret->model_len);
}

/* The key of that name as it is today; NULL: it is not there, or the store cannot be read. */
static const struct key_entry *find_key(struct simulation *s, struct bytes name)
{
	if (!s->keys_looked_at)
		(void)key_edit_look(s->places, s->draft, s->store, &s->keys);
	s->keys_looked_at = true;
	return s->keys.store ? key_store_find(s->keys.store, name) : NULL;
}

/* Of one that is not known any more, what the record says is kept: its environment. */
static void take_key(struct simulation *s, const struct log_entry *entry, struct key_scope *room,
		     struct question *q)
{
	struct bytes name = entry_text(entry, F_KEY_NAME);
	const struct key_entry *e = name.len ? find_key(s, name) : NULL;
	uint64_t managed;

	if (name.len && !e)
		s->keys_not_known++;
	if (e)
		*room = e->scope;
	else
		*room = (struct key_scope){.name = name,
					   .environment = entry_text(entry, F_ENVIRONMENT)};
	q->key = name.len ? room : NULL;
	q->raw_key = !entry_find_u64(entry, F_KEY_MANAGED, &managed) && !managed;
}

static void decide_anew(struct simulation *s, const struct log_entry *entry,
			const struct provider *provider, struct decision *ret)
{
	struct bytes target = entry_text(entry, F_PATH);
	struct features features;
	struct process_facts facts;
	struct key_scope key;
	struct call call;
	struct question q = {
		.facts = &facts,
		.provider = provider,
		.call = &call,
		.features = &features,
		.method = entry_text(entry, F_METHOD),
		.path = bytes_cut(&target, '?'),
		.host = entry_text(entry, F_SERVER_NAME),
		.now_s = (int64_t)(entry->time_ns / 1000000000u),
	};

	take_facts(entry, &facts);
	take_call(entry, &call);
	take_key(s, entry, &key, &q);
	features_read(buf_view(&entry->request_body), &features);
	if (entry_find_u64(entry, F_REQUEST_BODY_BYTES, &q.body_bytes))
		q.body_bytes = 0;
	decide(s->draft, &q, ret);
}

static void note(struct simulation *s, enum change change, const struct log_entry *entry,
		 const struct decision *d)
{
	size_t i = 0;

	s->changed[change]++;
	while (i < s->group_count &&
	       (s->groups[i].change != change || strcmp(s->groups[i].rule, d->rule) != 0))
		i++;
	if (i == GROUPS_MAX)
		return;
	if (i == s->group_count) {
		struct group *g = &s->groups[s->group_count++];
		g->change = change;
		memcpy(g->rule, d->rule, sizeof g->rule);
		memcpy(g->reason, d->reason, sizeof g->reason);
		memcpy(g->id, entry->id, sizeof g->id);
	}
	s->groups[i].count++;
}

static void simulate(struct simulation *s, const struct log_entry *entry)
{
	const struct provider *provider = find_provider(s->draft, entry_text(entry, F_PROVIDER));
	bool was_refused = bytes_equal(entry_text(entry, F_ACTION), BYTES("refuse"));
	bool was_told = entry_text(entry, F_VERDICT).len > 0;
	struct decision d;

	if (entry->kind != REC_REQUEST)
		return;
	s->requests++;
	if (!provider || entry->orphan || is_beside_the_rules(entry)) {
		s->skipped++;
		return;
	}
	if (was_refused_by_limit(entry)) {
		s->by_limits++;
		return;
	}
	s->without_body += !entry->has_request_body;
	decide_anew(s, entry, provider, &d);
	if (d.action == ACTION_REFUSE && !was_refused)
		note(s, WOULD_REFUSE, entry, &d);
	else if (d.action != ACTION_REFUSE && was_refused)
		note(s, WOULD_ALLOW, entry, &d);
	else if (d.observed && !was_told)
		note(s, WOULD_OBSERVE, entry, &d);
	else
		s->same++;
}

static bool on_answered(void *context, struct log_entry *entry)
{
	simulate(context, entry);
	return true; /* its words need not stand in memory any longer */
}

static void put_groups(struct buf *out, const struct simulation *s)
{
	for (size_t i = 0; i < s->group_count; i++) {
		const struct group *g = &s->groups[i];
		struct json_object o;
		if (i)
			need(buf_put_u8(out, ','));
		o = object_begin(out);
		object_text(&o, "change", bytes_str(change_names[g->change]));
		object_number(&o, "requests", g->count);
		object_text(&o, "rule", bytes_str(g->rule));
		object_text(&o, "reason", bytes_str(g->reason));
		object_text(&o, "first", bytes_str(g->id));
		object_end(&o);
	}
}

/* Applications that ask for what is not in the log: such a one matched nothing here. */
static bool is_unmatched(const struct application *a)
{
	return a->match.group.len || a->match.parent_exe.len;
}

static void put_unmatched(struct buf *out, const struct policy *draft, bool json)
{
	bool any = false;

	for (size_t i = 0; i < draft->application_count; i++) {
		const struct application *a = &draft->applications[i];
		if (!is_unmatched(a))
			continue;
		need(buf_put_str(out, !any ? "" : json ? "," : ", "));
		need(json ? buf_put_json_string(out, a->name) : buf_put(out, a->name));
		any = true;
	}
}

static void print_json(const struct simulation *s)
{
	struct buf out = {0};
	struct json_object o = object_begin(&out);

	object_number(&o, "requests", s->requests);
	object_number(&o, "same", s->same);
	object_number(&o, "would_refuse", s->changed[WOULD_REFUSE]);
	object_number(&o, "would_allow", s->changed[WOULD_ALLOW]);
	object_number(&o, "would_tell", s->changed[WOULD_OBSERVE]);
	object_number(&o, "not_by_rules", s->skipped);
	object_number(&o, "without_body", s->without_body);
	object_number(&o, "refused_by_limits", s->by_limits);
	object_number(&o, "keys_not_known", s->keys_not_known);
	object_key(&o, BYTES("applications_not_matched"));
	need(buf_put_u8(&out, '['));
	put_unmatched(&out, s->draft, true);
	need(buf_put_u8(&out, ']'));
	object_key(&o, BYTES("differences"));
	need(buf_put_u8(&out, '['));
	put_groups(&out, s);
	need(buf_put_u8(&out, ']'));
	object_end(&o);
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
}

static void print_table(const struct simulation *s)
{
	static const char *const titles[] = {"DRAFT", "REQUESTS", "FIRST", "RULE"};
	struct grid grid = {.columns = 4, .titles = titles};
	struct buf text = {0};

	for (size_t i = 0; i < s->group_count; i++) {
		const struct group *g = &s->groups[i];
		buf_reset(&text);
		put_grouped(&text, g->count);
		grid_put_str(&grid, g->change == WOULD_REFUSE ? RED : GREEN,
			     change_names[g->change]);
		grid_put(&grid, PLAIN, buf_view(&text));
		grid_put_str(&grid, PLAIN, g->id);
		grid_put_str(&grid, PLAIN, g->rule);
	}
	if (s->group_count)
		grid_print(&grid, "");
	buf_reset(&text);
	printf("%s%llu requests: %llu as before, %llu would be refused, %llu would be allowed, "
	       "%llu "
	       "would be told of\n",
	       s->group_count ? "\n" : "", (unsigned long long)s->requests,
	       (unsigned long long)s->same, (unsigned long long)s->changed[WOULD_REFUSE],
	       (unsigned long long)s->changed[WOULD_ALLOW],
	       (unsigned long long)s->changed[WOULD_OBSERVE]);
	if (s->skipped)
		printf("%llu were refused before any rule was asked, or their provider is not "
		       "known "
		       "any more\n",
		       (unsigned long long)s->skipped);
	if (s->without_body)
		printf("%llu have no body in the log: what it used is not known\n",
		       (unsigned long long)s->without_body);
	if (s->by_limits)
		printf("%llu were refused by a limit: what would be used under the draft is not "
		       "known\n",
		       (unsigned long long)s->by_limits);
	if (s->keys_not_known)
		printf("%llu had a gateway key that is not known here: what it was for, but for "
		       "its environment, is not\n",
		       (unsigned long long)s->keys_not_known);
	put_unmatched(&text, s->draft, false);
	if (text.len)
		printf("groups and parents of programs are not in the log: these applications, "
		       "which ask for them, matched nothing: %.*s\n",
		       (int)text.len, (const char *)text.at);
	buf_done(&text);
}

static int read_all(struct simulation *s, const char *since)
{
	struct filter_words words = {.since = since};
	struct reading r;
	int status = reading_open(&r, NULL, NULL);

	if (status)
		return status;
	status = reading_filter("policy", &words, &r.options.filter);
	if (!status) {
		r.options.filter.exchanges_only = true;
		r.options.with_bodies = true;
		r.options.on_answered = on_answered;
		r.options.context = s;
		status = reading_newest(&r, 0);
	}
	/* Those that were never answered. */
	for (size_t i = 0; !status && i < r.log.entry_count; i++)
		if (!r.log.entries[i]->told)
			simulate(s, r.log.entries[i]);
	if (!status)
		status = reading_report(&r);
	reading_done(&r);
	return status;
}

static int load_draft(const char *path, struct policy **ret_policy)
{
	struct policy_problem problem = {0};
	struct buf text = {0};
	enum err e = sys_read_file(path, POLICY_BYTES_MAX, &text);

	if (e) {
		buf_done(&text);
		return print_problem(e, "%s", path);
	}
	e = policy_parse(buf_view(&text), ret_policy, &problem);
	buf_done(&text);
	if (!e)
		return EXIT_FINE;
	print_note("%s:%u:%u: %s", path, (unsigned)problem.line, (unsigned)problem.column,
		   problem.text);
	return EXIT_USAGE;
}

int policy_simulate(const struct places *places, const char *draft_path, const char *since,
		    const char *store, bool json)
{
	struct simulation *s = need_memory(sizeof *s);
	int status = load_draft(draft_path, &s->draft);

	s->places = places;
	s->store = store;
	if (!status)
		status = read_all(s, since);
	if (!status && json)
		print_json(s);
	else if (!status)
		print_table(s);
	if (!status && s->group_count)
		status = EXIT_FINDING;
	if (s->keys_looked_at)
		key_edit_close(&s->keys);
	policy_free(s->draft);
	free(s);
	return status;
}
