/* SPDX-License-Identifier: MIT */
#include "drain/config_read.h"

#include <string.h>

#include "audit/record.h"
#include "policy/pattern.h"
#include "policy/section_models.h"
#include "policy/section_providers.h"

/* ---- names that must exist ---- */

/* The i-th name that there is; empty behind the last. */
typedef struct bytes name_fn(const struct policy *p, size_t i);

static struct bytes provider_at(const struct policy *p, size_t i)
{
	const struct provider *known = section_providers_at(p, i);

	return known ? bytes_str(known->name) : BYTES_NONE;
}

static struct bytes environment_at(const struct policy *p, size_t i)
{
	return i < p->environment_count ? p->environments[i].name : BYTES_NONE;
}

static struct bytes application_at(const struct policy *p, size_t i)
{
	return i < p->application_count ? p->applications[i].name : BYTES_NONE;
}

static struct bytes action_at(const struct policy *p, size_t i)
{
	static const char *const actions[] = {"allow", "rewrite", "refuse"};

	return i < sizeof actions / sizeof actions[0] ? bytes_str(actions[i]) : BYTES_NONE;
}

/* A pattern that nothing can match would be a sink that stays silent. */
static enum err check_exists(struct reader *r, const struct value *v, struct bytes pattern,
			     const char *what, name_fn *name_at)
{
	struct nearest nearest = nearest_to(pattern);
	struct bytes name;
	struct phrase *p;

	for (size_t i = 0; (name = name_at(r->policy, i)).len; i++) {
		if (bytes_match(pattern, name, true))
			return OK;
		nearest_offer(&nearest, name);
	}
	p = reader_problem_with(r, v->token.start, pattern);
	phrase_put(p, " matches no ");
	phrase_put(p, what);
	phrase_put(p, " that there is");
	nearest_put(&nearest, p);
	return ERR_BAD;
}

static enum err read_name(struct reader *r, const struct value *v, const char *what,
			  name_fn *name_at, void *element)
{
	struct bytes pattern = BYTES_NONE;
	enum err e = reader_text(r, NULL, v, &pattern);

	if (!e)
		e = check_exists(r, v, pattern, what, name_at);
	if (!e)
		memcpy(element, &pattern, sizeof pattern);
	return e;
}

static enum err read_provider(struct reader *r, const struct value *v, struct bytes name,
			      size_t name_start, void *element)
{
	return read_name(r, v, "provider", provider_at, element);
}

static enum err read_environment(struct reader *r, const struct value *v, struct bytes name,
				 size_t name_start, void *element)
{
	return read_name(r, v, "environment", environment_at, element);
}

static enum err read_application(struct reader *r, const struct value *v, struct bytes name,
				 size_t name_start, void *element)
{
	return read_name(r, v, "application", application_at, element);
}

static enum err read_action(struct reader *r, const struct value *v, struct bytes name,
			    size_t name_start, void *element)
{
	return read_name(r, v, "action (allow, rewrite, refuse)", action_at, element);
}

static enum err read_model(struct reader *r, const struct value *v, struct bytes name,
			   size_t name_start, void *element)
{
	struct bytes pattern = BYTES_NONE;
	enum err e = reader_text(r, NULL, v, &pattern);

	if (!e)
		e = section_models_check(r, v->token.start, pattern);
	if (!e)
		memcpy(element, &pattern, sizeof pattern);
	return e;
}

/* ---- filter ---- */

static enum err read_list(struct reader *r, const struct value *v, reader_element_fn *read,
			  struct patterns *to)
{
	void *elements;
	size_t count = 0;
	enum err e = reader_array(r, v, "an array of patterns", POLICY_PATTERNS_MAX,
				  sizeof(struct bytes), read, &elements, &count);

	if (e)
		return e;
	if (count == 0)
		return reader_wrong(r, v,
				    "an array with at least one pattern (leave it out to let all "
				    "through)");
	*to = (struct patterns){true, count, elements};
	return OK;
}

static enum err read_providers(struct reader *r, const struct member *m, const struct value *v,
			       void *into)
{
	return read_list(r, v, read_provider, into);
}

static enum err read_models(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	return read_list(r, v, read_model, into);
}

static enum err read_actions(struct reader *r, const struct member *m, const struct value *v,
			     void *into)
{
	return read_list(r, v, read_action, into);
}

static enum err read_environments(struct reader *r, const struct member *m, const struct value *v,
				  void *into)
{
	return read_list(r, v, read_environment, into);
}

static enum err read_applications(struct reader *r, const struct member *m, const struct value *v,
				  void *into)
{
	return read_list(r, v, read_application, into);
}

/* As the type in `aigw show --json`. What answers a request is part of its exchange. */
static const struct choice kinds[] = {
	{"exchange", REC_REQUEST},
	{"connection", REC_CONNECTION},
	{"refused_connection", REC_REFUSED_CONNECTION},
	{"policy_change", REC_POLICY_CHANGE},
	{"key_change", REC_KEY_CHANGE},
	{"access", REC_ACCESS},
	{"hold", REC_HOLD},
	{"retention", REC_RETENTION},
	{"notice", REC_NOTICE},
	{"limit", REC_LIMIT},
	{"gap", REC_GAP},
	{"start", REC_START},
	{"", 0},
};

#define KINDS (sizeof kinds / sizeof kinds[0] - 1)

static enum err read_kind(struct reader *r, const struct value *v, struct bytes name,
			  size_t name_start, void *element)
{
	int kind = 0;
	enum err e = config_word(r, v, "a kind of record", kinds, &kind);

	if (!e)
		memcpy(element, &kind, sizeof kind);
	return e;
}

static enum err read_kinds(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	uint64_t bits = 0;
	void *elements;
	size_t count = 0;
	enum err e = reader_array(r, v, "an array of kinds of records", KINDS, sizeof(int),
				  read_kind, &elements, &count);

	if (e)
		return e;
	if (count == 0)
		return reader_wrong(r, v,
				    "an array with at least one kind (leave it out to let all "
				    "through)");
	for (size_t i = 0; i < count; i++)
		bits |= UINT64_C(1) << ((const int *)elements)[i];
	memcpy(into, &bits, sizeof bits);
	return OK;
}

enum err config_filter(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	static const struct member members[] = {
		READER_KEY("providers", read_providers, READER_IN(struct drain_filter, providers)),
		READER_KEY("models", read_models, READER_IN(struct drain_filter, models)),
		READER_KEY("actions", read_actions, READER_IN(struct drain_filter, actions)),
		READER_KEY("environments", read_environments,
			   READER_IN(struct drain_filter, environments)),
		READER_KEY("applications", read_applications,
			   READER_IN(struct drain_filter, applications)),
		READER_KEY("kinds", read_kinds, READER_IN(struct drain_filter, kinds)),
	};
	return reader_object(r, members, READER_COUNT(members), v, into);
}

/* ---- fields ---- */

static const char *const field_paths[] = {
#define FIELD(number, name, type, path) path,
#include "audit/record.def"
#undef FIELD
	/* what `aigw show --json` has besides */
	"event_id", "type", "time", "request_missing", "response.text",
};

#define PATHS (sizeof field_paths / sizeof field_paths[0])

/* "gen_ai.usage.*": all that begins like this. */
static bool is_group(struct bytes path)
{
	return path.len > 2 && bytes_ends(path, BYTES(".*"));
}

static bool covers(struct bytes chosen, struct bytes path)
{
	if (is_group(chosen))
		return bytes_starts(path, bytes_slice(chosen, 0, chosen.len - 1));
	return bytes_equal(chosen, path);
}

static bool is_before_dot(struct bytes text, struct bytes path)
{
	return path.len > text.len && bytes_starts(path, text) && path.at[text.len] == '.';
}

static enum err unknown_field(struct reader *r, const struct value *v, struct bytes path)
{
	struct nearest nearest = nearest_to(path);
	struct phrase *p = reader_problem_with(r, v->token.start, path);

	for (size_t i = 0; i < PATHS; i++) {
		struct bytes known = bytes_str(field_paths[i]);
		if (is_before_dot(path, known)) {
			phrase_put(p, " is a group of fields; write \"");
			phrase_put_bytes(p, bytes_slice(path, 0, PHRASE_QUOTE_MAX));
			phrase_put(p, ".*\" for all of them");
			return ERR_BAD;
		}
		nearest_offer(&nearest, known);
	}
	phrase_put(p, " is not a field of a record");
	nearest_put(&nearest, p);
	phrase_put(p, nearest.best.len ? " aigw show --json names them"
				       : " (aigw show --json names them)");
	return ERR_BAD;
}

static enum err read_field(struct reader *r, const struct value *v, struct bytes name,
			   size_t name_start, void *element)
{
	static const char expected[] = "the path of a field (\"gen_ai.usage.*\")";
	struct bytes path = BYTES_NONE;
	bool known = false;
	enum err e = reader_string(r, v, expected, &path);

	if (e)
		return e;
	if (path.len == 0)
		return reader_wrong(r, v, expected);
	for (size_t i = 0; i < PATHS && !known; i++)
		known = covers(path, bytes_str(field_paths[i]));
	if (!known)
		return unknown_field(r, v, path);
	memcpy(element, &path, sizeof path);
	return OK;
}

static const struct choice fields_choices[] = {
	{"full", DRAIN_FULL}, {"metadata", DRAIN_METADATA}, {"", 0}};

enum err config_otlp_fields(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	const struct member row = {.choices = fields_choices};
	struct drain *to = into;
	int word = 0;
	enum err e = reader_choice(r, &row, v, &word);

	if (!e)
		to->fields = (enum drain_fields)word;
	return e;
}

enum err config_fields(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	static const char expected[] = "\"full\", \"metadata\" or an array of fields";
	struct drain *to = into;
	void *elements;
	size_t count = 0;
	enum err e;

	for (const struct choice *c = fields_choices; c->word[0]; c++)
		if (v->token.kind == JSON_STRING && json_token_is(&v->token, bytes_str(c->word))) {
			to->fields = (enum drain_fields)c->value;
			return OK;
		}
	e = reader_array(r, v, expected, DRAIN_FIELDS_MAX, sizeof(struct bytes), read_field,
			 &elements, &count);
	if (e)
		return e;
	if (count == 0)
		return reader_wrong(r, v, expected);
	to->fields = DRAIN_CHOSEN;
	to->chosen = elements;
	to->chosen_count = count;
	return OK;
}
