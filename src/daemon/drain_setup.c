/* SPDX-License-Identifier: MIT */
#include "daemon/drain_setup.h"

#include <string.h>

#include "base/files.h"
#include "base/sys.h"
#include "daemon/note.h"
#include "drain/place.h"
#include "policy/phrase.h"
#include "wire/json.h"

#define SYSTEM_POLICY      "/etc/aigw/policy.json"
#define KEY_FILE_BYTES_MAX (64u << 10)
#define NUMBER_CHARS       24

struct bytes drain_variable(char *const *environment, const char *name)
{
	size_t len = strlen(name);

	for (; environment && *environment; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return bytes_str(*environment + len + 1);
	return BYTES_NONE;
}

/* ---- the policy ---- */

static void say_problem(const char *path, const struct policy_problem *problem, enum err e)
{
	char line[NUMBER_CHARS];
	struct phrase p;

	phrase_init(&p, line, sizeof line);
	phrase_put_decimal(&p, problem->line);
	note(NOTE_WRONG, "the policy ", path, ":", line, ": ",
	     problem->text[0] ? problem->text : err_text(e));
}

static enum err find_places(const struct drain_options *o, struct drain_setup *s)
{
	char home[PATH_MAX_BYTES];
	struct place_variables v;
	enum err e;

	load_variables(o->environment, home, sizeof home, &v);
	e = load_places(&v, SYSTEM_POLICY, &s->places);
	if (e && !(o->policy && o->directory && o->state)) {
		note_error(NOTE_WRONG, e, "it is not known where this user's files are",
			   "; name --policy, --directory and --state");
		return e;
	}
	const char *path = o->policy ? o->policy : s->places.policy;
	if (strlen(path) >= sizeof s->policy_path)
		return ERR_LIMIT;
	memcpy(s->policy_path, path, strlen(path) + 1);
	return OK;
}

enum err drain_setup_load(const struct drain_options *o, struct drain_setup *ret_setup)
{
	struct policy_problem problem = {0};
	struct drain_setup s = {.policy = NULL};
	enum err e = find_places(o, &s);

	if (e)
		return e;
	e = load_policy(s.policy_path, &s.policy, &s.text, &problem);
	if (!e)
		e = drains_parse(buf_view(&s.text), &s.drains, &problem);
	if (e)
		say_problem(s.policy_path, &problem, e);
	if (!e)
		e = place_audit(&s.places, s.policy, o->directory, s.audit);
	if (!e)
		e = place_sinks(&s.places, s.policy, o->state, s.sinks);
	if (e)
		drain_setup_done(&s);
	else
		*ret_setup = s;
	return e;
}

void drain_setup_done(struct drain_setup *s)
{
	drains_free(s->drains);
	policy_free(s->policy);
	buf_done(&s->text);
	s->drains = NULL;
	s->policy = NULL;
}

/* The member of that name of the object that *value begins; its value replaces *value. */
static bool enter(struct json *j, struct json_token *value, struct bytes name)
{
	struct json_token key;
	size_t end;

	if (value->kind != JSON_OBJECT)
		return false;
	while (json_next(j, &key) == OK && key.kind == JSON_KEY) {
		if (json_next(j, value))
			return false;
		if (json_token_is(&key, name))
			return true;
		if (json_skip(j, value, &end))
			return false;
	}
	return false;
}

struct bytes drain_setup_text(const struct drain_setup *s, struct bytes name)
{
	struct bytes text = buf_view(&s->text);
	struct json_token value;
	struct json j;
	size_t end;

	json_init(&j, text, JSON_COMMENTS);
	if (json_next(&j, &value) || !enter(&j, &value, BYTES("drains")) ||
	    !enter(&j, &value, BYTES("sinks")) || !enter(&j, &value, name))
		return BYTES_NONE;
	size_t start = value.start;
	if (json_skip(&j, &value, &end))
		return BYTES_NONE;
	return bytes_slice(text, start, end - start);
}

/* ---- keys ---- */

struct key_search {
	struct identity *keys;
	size_t count;
	bool locked; /* one is under a passphrase */
	struct phrase *problem;
};

static void take_key_line(struct key_search *k, struct bytes line)
{
	struct recipient r;

	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	line = bytes_trim(line);
	if (!line.len || line.at[0] == '#' || k->count == DRAIN_KEYS_MAX)
		return;
	if (seal_parse_identity(line, &k->keys[k->count]) == OK)
		k->count++;
	else if (seal_parse_locked(line, &r) == OK)
		k->locked = true;
}

static void take_key_file(struct key_search *k, const char *path)
{
	struct buf text = {0};
	enum err e = sys_read_file(path, KEY_FILE_BYTES_MAX, &text);
	size_t before = k->count;
	struct bytes rest;

	for (rest = buf_view(&text); !e && rest.len;)
		take_key_line(k, bytes_cut(&rest, '\n'));
	buf_done(&text);
	if (k->count > before)
		return;
	phrase_put(k->problem, k->problem->len ? "; " : "");
	phrase_put(k->problem, path);
	phrase_put(k->problem, e           ? ": "
			       : k->locked ? ": is under a passphrase, which nobody is here to type"
					   : ": has no secret key");
	phrase_put(k->problem, e ? err_text(e) : "");
}

static void take_directory(struct key_search *k, const char *directory)
{
	char path[PATH_MAX_BYTES];
	struct buf names = {0};
	const char *name;
	size_t at = 0;

	if (files_list(directory, &names) == OK)
		while ((name = files_next_name(&names, &at)) != NULL)
			if (name[0] != '.' && bytes_ends(bytes_str(name), BYTES(".key")) &&
			    place_file(directory, bytes_str(name), "", path) == OK)
				take_key_file(k, path);
	buf_done(&names);
}

static void search(struct key_search *k, const struct drain_options *o, const struct places *places)
{
	struct bytes credentials = drain_variable(o->environment, "CREDENTIALS_DIRECTORY");
	char directory[PATH_MAX_BYTES], path[PATH_MAX_BYTES];

	if (o->key) {
		take_key_file(k, o->key);
		return;
	}
	if (credentials.len && credentials.len < sizeof directory) {
		memcpy(directory, credentials.at, credentials.len);
		directory[credentials.len] = '\0';
		if (!place_file(directory, BYTES(DRAIN_KEY_NAME), "", path))
			take_key_file(k, path);
	}
	if (!k->count && places->keys[0])
		take_directory(k, places->keys);
}

enum err drain_setup_keys(const struct drain_options *o, const struct places *places,
			  struct identity **ret_keys, size_t *ret_count, char *ret_problem,
			  size_t cap)
{
	size_t bytes = DRAIN_KEYS_MAX * sizeof(struct identity);
	struct phrase problem;
	struct key_search k = {.keys = sys_map_secret(bytes), .problem = &problem};

	phrase_init(&problem, ret_problem, cap);
	if (!k.keys)
		return ERR_NOMEM;
	search(&k, o, places);
	if (!k.count) {
		sys_unmap_secret(k.keys, bytes);
		if (!problem.len)
			phrase_put(&problem, "there is none");
		return ERR_MISSING;
	}
	*ret_keys = k.keys;
	*ret_count = k.count;
	return OK;
}
