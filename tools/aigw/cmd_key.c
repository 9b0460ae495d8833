/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "audit/record.h"
#include "base/sys.h"
#include "key_change.h"
#include "key_print.h"
#include "key_work.h"
#include "limit_print.h"
#include "policy/pattern.h"
#include "policy/section_limits.h"
#include "print.h"
#include "setup.h"

#define KEY_COMMAND    "key"
#define KEY_SECOND_NS  1000000000u
#define OVERLAP_USUAL  (24 * 3600u)
#define NAME_RANDOM    6 /* characters of a name that was not given */
#define NAME_TRIES     8
#define NEVER          "never"
#define STORE_PATH_MAX (PATH_MAX_BYTES - 32)

/* ---- times ---- */

/* "90d" (from now on), "never" (0), "now", or a date as elsewhere. */
static int parse_moment(const char *text, uint64_t now, uint64_t *ret)
{
	uint64_t now_ns = now * KEY_SECOND_NS, at_ns;

	if (strcmp(text, NEVER) == 0 || strcmp(text, "now") == 0) {
		*ret = text[1] == 'e' ? 0 : now;
		return EXIT_FINE;
	}
	if (parse_time(text, now_ns, &at_ns))
		return args_wrong(KEY_COMMAND,
				  "'%s' is no time: 30m, 24h, 90d, 2w (from now on), 2026-12-24, "
				  "now or never",
				  text);
	/* There, lengths of time go back. */
	if (!strchr(text, '-'))
		at_ns = now_ns + (now_ns - at_ns);
	*ret = at_ns / KEY_SECOND_NS;
	return EXIT_FINE;
}

/* ---- names ---- */

/* A warning only: the policy may be another one on the host that the key is for. */
static void look_for_environment(const struct key_work *k, const char *name)
{
	struct policy *policy = NULL;
	bool found = false;

	if (load_policy(k->places.policy, &policy, NULL, NULL))
		return;
	for (size_t i = 0; i < policy->environment_count; i++)
		found |= bytes_equal(policy->environments[i].name, bytes_str(name));
	if (!found)
		print_note("%s has no environment '%s' (yet): the key will be refused",
			   k->places.policy, name);
	policy_free(policy);
}

/* "production-x7k2m9": not used yet. */
static void make_name(struct key_work *k, const char *environment, char *ret, size_t cap)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32, hard to confuse */
	uint8_t random[NAME_RANDOM];

	for (int tries = 0; tries < NAME_TRIES; tries++) {
		char tail[NAME_RANDOM + 1] = "";
		need(sys_random(random, sizeof random));
		for (size_t i = 0; i < NAME_RANDOM; i++)
			tail[i] = letters[random[i] % (sizeof letters - 1)];
		snprintf(ret, cap, "%.*s-%s", GATEWAY_KEY_NAME_MAX - 1 - NAME_RANDOM, environment,
			 tail);
		if (!key_edit_find(&k->edit, ret))
			return;
	}
}

/* Borrows from argv, but for lower-case copies of patterns, which stay until the end. */
static void take_list(const struct text_list *words, bool lower, struct patterns *ret)
{
	struct bytes *at = need_memory((words->count + 1) * sizeof *at);

	for (size_t i = 0; i < words->count; i++) {
		struct bytes word = bytes_str(words->at[i]);
		uint8_t *copy = need_memory(word.len + 1);
		for (size_t c = 0; c < word.len; c++)
			copy[c] = lower ? (uint8_t)tolower(word.at[c]) : word.at[c];
		at[i] = bytes_of(copy, word.len);
	}
	*ret = (struct patterns){words->count > 0, words->count, at};
}

static int check_patterns(const struct text_list *words)
{
	for (size_t i = 0; i < words->count; i++)
		if (!words->at[i][0] || strlen(words->at[i]) > PATTERN_BYTES_MAX)
			return args_wrong(KEY_COMMAND, "'%s' is no pattern over PROVIDER/MODEL",
					  words->at[i]);
	return EXIT_FINE;
}

/* "usd_per_month=50", each kind once. */
static int take_limits(const struct text_list *words, struct limit_values *ret_values)
{
	struct limit_values v = {.given = 0};

	for (size_t i = 0; i < words->count; i++) {
		struct bytes amount = bytes_str(words->at[i]), name = bytes_cut(&amount, '=');
		enum limit_kind kind = limit_find(name);
		bool twice = kind != LIMIT_COUNT && limit_given(&v, kind);
		enum err e = twice ? OK : section_limits_put(&v, name, amount);
		if (e == ERR_MISSING)
			return args_wrong(KEY_COMMAND,
					  "'%s' is no limit; write usd_per_month=50, with one of "
					  "requests_per_minute, tokens_per_minute, "
					  "tokens_per_day, tokens_per_month, usd_per_day, "
					  "usd_per_month, concurrent_requests",
					  words->at[i]);
		if (e)
			return args_wrong(KEY_COMMAND, "'%s': %s", words->at[i],
					  limit_is_money(kind)
						  ? "US dollars from 0 (which allows nothing) to "
						    "10000000, with at most 6 decimals"
						  : "a whole number from 0 (which allows nothing) "
						    "to 10^15");
		if (twice)
			return args_wrong(KEY_COMMAND, "--limit %s is given twice",
					  limit_name(kind));
	}
	*ret_values = v;
	return EXIT_FINE;
}

/* ---- what is shown once ---- */

/* A fresh key into the entry; its text is the caller's to wipe. */
static void make_key(struct key_work *k, struct key_entry *e, char ret[GATEWAY_KEY_BYTES_MAX + 1])
{
	uint8_t secret[GATEWAY_KEY_SECRET_BYTES];

	need(sys_random(secret, sizeof secret));
	need(gateway_key_put(e->scope.environment, secret, ret));
	key_hash(k->edit.host, bytes_str(ret), e->hash);
	wipe(secret, sizeof secret);
}

static void print_key(const struct key_work *k, const struct key_entry *e, const char *key)
{
	struct buf out = {0};

	if (k->w->json) {
		struct json_object o = object_begin(&out);
		object_text(&o, "key", bytes_str(key));
		key_put_members(&o, e, k->state);
		object_end(&o);
		need(buf_put_u8(&out, '\n'));
		print_buf(&out);
		buf_done(&out);
		return;
	}
	printf("%s\n", key);
	fflush(stdout);
	fprintf(stderr,
		"This is the only time that it is shown; it is kept as a keyed hash alone. Its "
		"name\n"
		"is %.*s ('aigw key show' says what it is for).\n",
		(int)e->scope.name.len, (const char *)e->scope.name.at);
}

/* Saved, recorded, then shown: a key that nobody was shown harms less than one that is not known.
 */
static int finish(struct key_work *k, const struct key_entry *e, const char *action, char *key)
{
	char name[GATEWAY_KEY_NAME_MAX + 1] = "";
	int status = key_edit_save(&k->edit);

	memcpy(name, e->scope.name.at, e->scope.name.len);
	if (!status)
		key_change_record(&k->places, action, F_KEY_NAME, name);
	if (!status && key)
		print_key(k, e, key);
	return status;
}

/* ---- the actions ---- */

static int check_create(const struct key_work *k)
{
	const struct key_wish *w = k->w;
	int status;

	if (!w->environment)
		return args_wrong(KEY_COMMAND, "create: for which environment? --environment NAME");
	status = key_check_name("an environment", w->environment);
	if (!status && w->name)
		status = key_check_name("a key", w->name);
	for (size_t i = 0; !status && i < w->providers.count; i++)
		status = key_check_provider(k, w->providers.at[i]);
	for (size_t i = 0; !status && i < w->applications.count; i++)
		status = key_check_name("an application", w->applications.at[i]);
	if (!status)
		status = check_patterns(&w->models);
	if (!status)
		status = check_patterns(&w->denied);
	if (!status && w->user && (!w->user[0] || strlen(w->user) > KEY_USER_BYTES_MAX))
		status = args_wrong(KEY_COMMAND, "--user takes the name of a user");
	if (!status && w->exe &&
	    ((w->exe[0] != '/' && w->exe[0] != '*') || strlen(w->exe) > KEY_EXE_BYTES_MAX))
		status = args_wrong(KEY_COMMAND, "--exe takes a pattern over an absolute path");
	return status;
}

static int create_key(struct key_work *k)
{
	const struct key_wish *w = k->w;
	char name[GATEWAY_KEY_NAME_MAX + 1], key[GATEWAY_KEY_BYTES_MAX + 1];
	struct key_entry *e = &k->edit.keys[k->edit.key_count];
	int status = check_create(k);

	if (!status && w->expires)
		status = parse_moment(w->expires, k->now, &e->expires);
	if (!status)
		status = take_limits(&w->limits, &e->scope.limits);
	if (status)
		return status;
	if (w->name)
		snprintf(name, sizeof name, "%s", w->name);
	else
		make_name(k, w->environment, name, sizeof name);
	if (key_edit_find(&k->edit, name)) {
		print_note("there is a key '%s' already; give another --name", name);
		return EXIT_FINDING;
	}
	look_for_environment(k, w->environment);
	e->scope.name = bytes_str(name);
	e->scope.environment = bytes_str(w->environment);
	e->user = bytes_str(w->user);
	e->exe = bytes_str(w->exe);
	e->created = k->now;
	take_list(&w->models, true, &e->scope.models.allow);
	take_list(&w->denied, true, &e->scope.models.deny);
	take_list(&w->providers, false, &e->scope.providers);
	take_list(&w->applications, false, &e->scope.applications);
	make_key(k, e, key);
	k->edit.key_count++;
	status = finish(k, e, "create", key);
	wipe(key, sizeof key);
	return status;
}

static int revoke_key(struct key_work *k)
{
	struct key_entry *e = key_edit_named(&k->edit, k->word);
	int status;

	if (!e)
		return EXIT_FINDING;
	if (e->revoked) {
		printf("%s was revoked before.\n", k->word);
		return EXIT_FINE;
	}
	e->revoked = k->now;
	status = finish(k, e, "revoke", NULL);
	if (!status)
		printf("%s is revoked: programs that run refuse it within a second.\n", k->word);
	return status;
}

static int expire_key(struct key_work *k)
{
	struct key_entry *e = key_edit_named(&k->edit, k->word);
	struct buf text = {0};
	int status;

	if (!e)
		return EXIT_FINDING;
	if (!k->w->at)
		return args_wrong(KEY_COMMAND, "expire: when? --at 90d, 2026-12-24, now or never");
	status = parse_moment(k->w->at, k->now, &e->expires);
	if (!status)
		status = finish(k, e, "expire", NULL);
	if (status)
		return status;
	if (e->expires)
		put_time_local(&text, e->expires * KEY_SECOND_NS, true);
	else
		need(buf_put_str(&text, NEVER));
	printf("%s expires: %.*s\n", k->word, (int)text.len, (const char *)text.at);
	buf_done(&text);
	return EXIT_FINE;
}

static int limit_key(struct key_work *k)
{
	struct key_entry *e = key_edit_named(&k->edit, k->word);
	struct buf text = {0};
	int status;

	if (!e)
		return EXIT_FINDING;
	status = take_limits(&k->w->limits, &e->scope.limits);
	if (!status)
		status = finish(k, e, "limit", NULL);
	if (status)
		return status;
	put_limits(&text, &e->scope.limits);
	printf("%s: %.*s\n", k->word, (int)text.len, (const char *)text.at);
	buf_done(&text);
	return EXIT_FINE;
}

static int rotate_key(struct key_work *k)
{
	char key[GATEWAY_KEY_BYTES_MAX + 1];
	struct key_entry *e = key_edit_named(&k->edit, k->word);
	uint64_t until = k->now + OVERLAP_USUAL;
	int status = EXIT_FINE;

	if (!e)
		return EXIT_FINDING;
	if (key_entry_state(e, k->now) != KEY_VALID) {
		print_note("%s is %s: a new key would be too; make another one with 'aigw key "
			   "create'",
			   k->word, key_verdict_name(key_entry_state(e, k->now)));
		return EXIT_FINDING;
	}
	if (k->w->overlap)
		status = parse_moment(k->w->overlap, k->now, &until);
	if (status)
		return status;
	if (!until)
		return args_wrong(KEY_COMMAND, "--overlap: the old key has to end; revoke needs no "
					       "rotation");
	memcpy(e->previous, e->hash, sizeof e->previous);
	e->previous_until = until;
	e->rotated = k->now;
	make_key(k, e, key);
	status = finish(k, e, "rotate", key);
	wipe(key, sizeof key);
	return status;
}

static int show_key(struct key_work *k)
{
	const struct key_entry *e = key_edit_named(&k->edit, k->word);

	if (e)
		key_print_one(e, k->state, k->w->json);
	return e ? EXIT_FINE : EXIT_FINDING;
}

static int list_keys(struct key_work *k)
{
	key_print_list(&k->edit, k->state, k->w->json);
	return EXIT_FINE;
}

/* ---- the command ---- */

static const struct verb {
	const char *name;
	int (*run)(struct key_work *k);
	bool takes_name, changes;
} verbs[] = {
	{"create", create_key, false, true}, {"list", list_keys, false, false},
	{"show", show_key, true, false},     {"revoke", revoke_key, true, true},
	{"rotate", rotate_key, true, true},  {"expire", expire_key, true, true},
	{"limit", limit_key, true, true},    {"import", key_import, false, true},
};
#define VERBS      (sizeof verbs / sizeof verbs[0])
#define VERB_NAMES "create, list, show, revoke, rotate, expire, limit, import"

static int act(const struct verb *a, const char *word, const struct key_wish *w)
{
	struct key_work k = {.w = w, .word = word, .now = sys_now_ns() / KEY_SECOND_NS};
	int status;

	if (a->takes_name && !word)
		return args_wrong(KEY_COMMAND, "%s: which key? (aigw key list)", a->name);
	if (!a->takes_name && word)
		return args_wrong(KEY_COMMAND,
				  "%s: unexpected operand; a key or secret never stands on "
				  "a command line, where others can read it",
				  a->name);
	if (w->store && (w->store[0] != '/' || strlen(w->store) > STORE_PATH_MAX))
		return args_wrong(KEY_COMMAND, "--store takes an absolute path");
	status = setup_places(&k.places);
	if (status)
		return status;
	k.directory = w->store ? w->store : k.places.keys;
	k.state = w->store ? w->store : k.places.state;
	status = key_edit_open(k.directory, a->changes, &k.edit);
	if (!status)
		status = a->run(&k);
	key_edit_close(&k.edit);
	return status;
}

static int choose(int operands, char **argv, const struct key_wish *w)
{
	const char *names[VERBS];

	if (operands == 0)
		return args_wrong(KEY_COMMAND, "what? One of " VERB_NAMES);
	for (size_t i = 0; i < VERBS; i++) {
		names[i] = verbs[i].name;
		if (strcmp(argv[1], verbs[i].name) == 0)
			return act(&verbs[i], operands > 1 ? argv[2] : NULL, w);
	}
	const char *near = args_near(argv[1], names, VERBS);
	if (near)
		return args_wrong(KEY_COMMAND, "unknown '%s'; did you mean '%s'?", argv[1], near);
	return args_wrong(KEY_COMMAND, "unknown '%s'; one of " VERB_NAMES, argv[1]);
}

int cmd_key(int argc, char **argv)
{
	struct key_wish w = {.environment = NULL};
	const struct option options[] = {
		{"environment", 'e', OPTION_TEXT, &w.environment, "NAME",
		 "create: the key's; import: for keys of this one only"},
		{"name", 0, OPTION_TEXT, &w.name, "NAME", "create: instead of one that is made up"},
		{"provider", 0, OPTION_LIST, &w.providers, "NAME",
		 "create: only for these; import: whose key it is"},
		{"model", 0, OPTION_LIST, &w.models, "PATTERN",
		 "create: only for these, as in the policy: openai/gpt-5*"},
		{"deny-model", 0, OPTION_LIST, &w.denied, "PATTERN", "create: not for these"},
		{"application", 0, OPTION_LIST, &w.applications, "NAME",
		 "create: only for these applications of the policy"},
		{"user", 0, OPTION_TEXT, &w.user, "USER", "create: only for this user's processes"},
		{"exe", 0, OPTION_TEXT, &w.exe, "PATTERN", "create: only for these programs"},
		{"limit", 0, OPTION_LIST, &w.limits, "KIND=AMOUNT",
		 "create, limit: what it may use: usd_per_month=50; may be repeated"},
		{"expires", 0, OPTION_TEXT, &w.expires, "WHEN", "create: 90d, 2026-12-24, never"},
		{"at", 0, OPTION_TEXT, &w.at, "WHEN", "expire: the same, or now"},
		{"overlap", 0, OPTION_TEXT, &w.overlap, "TIME",
		 "rotate: so long the old key is valid too (24h; now: not at all)"},
		{"file", 0, OPTION_TEXT, &w.file, "FILE",
		 "import: instead of standard input or the terminal"},
		{"remove", 0, OPTION_FLAG, &w.remove, NULL, "import: take the stored key away"},
		{"store", 0, OPTION_TEXT, &w.store, "DIR",
		 "the keys directory, when it is not this user's"},
		{"json", 0, OPTION_FLAG, &w.json, NULL, "create, rotate, list, show: for programs"},
	};
	const struct args args = {
		.command = KEY_COMMAND,
		.synopsis =
			"aigw key create --environment NAME | list | show NAME | revoke NAME |\n"
			"       rotate NAME | expire NAME --at WHEN | limit NAME [--limit "
			"KIND=AMOUNT] |\n"
			"       import --provider NAME",
		.summary = "Gateway keys: what a program holds in place of a provider's key, and "
			   "what is\n"
			   "worth nothing anywhere else. The provider's own key goes out in its "
			   "place.\n"
			   "create: make one; it is shown once.\n"
			   "list:   all keys, and whose providers' keys are stored.\n"
			   "show:   one key: what for, until when, last used.\n"
			   "revoke: from now on, in programs that run too.\n"
			   "rotate: a new key under the same name; the old one is valid for a "
			   "while yet.\n"
			   "expire: set when a key ends.\n"
			   "limit:  set anew what it may use; without --limit, as much as its "
			   "environment.\n"
			   "import: store a provider's key, encrypted; it is read from standard "
			   "input, a\n"
			   "        file or the terminal, never from the command line.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 2,
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	return choose(operands, argv, &w);
}
