/* SPDX-License-Identifier: MIT */
#include "drain/config.h"

#include <stdlib.h>
#include <string.h>

#include "drain/config_read.h"

/* The drains and all memory that they refer to. */
struct owner {
	struct drains drains; /* first: drains_free gets its address */
	struct arena arena;
};

static const char *word_of(const struct choice *choices, int value)
{
	for (; choices->word[0]; choices++)
		if (choices->value == value)
			return choices->word;
	return NULL;
}

const char *drain_type_name(enum drain_type type)
{
	return word_of(config_types, (int)type);
}

const char *drain_preset_name(enum drain_preset preset)
{
	return word_of(config_presets, (int)preset);
}

bool drain_needs_key(const struct drain *d)
{
	return d->type != DRAIN_S3;
}

/* ---- reading ---- */

static enum err read_sink(struct reader *r, const struct value *v, struct bytes name,
			  size_t name_start, void *element)
{
	struct drain *to = element;
	enum err e = reader_check_name(r, name, name_start, "a sink", true);

	if (e)
		return e;
	to->name = name;
	return config_sink_read(r, v, to);
}

/* Two that append to one file would rotate it away from each other. */
static enum err check_files(struct reader *r, const struct value *v, const struct drain *sinks,
			    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (sinks[i].type != DRAIN_FILE || sinks[k].type != DRAIN_FILE ||
			    !bytes_equal(sinks[i].to, sinks[k].to))
				continue;
			struct phrase *p = reader_problem_with(r, v->token.start, sinks[i].to);
			phrase_put(p, " is the file of two sinks, ");
			phrase_put_bytes(p, sinks[k].name);
			phrase_put(p, " and ");
			phrase_put_bytes(p, sinks[i].name);
			phrase_put(p, "; give each its own");
			return ERR_BAD;
		}
	}
	return OK;
}

/* Into a struct drains. */
static enum err read_sinks(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	struct drains *to = into;
	void *elements;
	size_t count = 0;
	enum err e = reader_map(r, v, DRAIN_SINKS_MAX, sizeof(struct drain), read_sink, &elements,
				&count);

	if (!e)
		e = check_files(r, v, elements, count);
	if (e)
		return e;
	to->at = elements;
	to->count = count;
	return OK;
}

static enum err read_pressure(struct reader *r, const struct member *m, const struct value *v,
			      void *into)
{
	static const struct member members[] = {
		READER_KEY("free_percent", reader_u32,
			   READER_IN(struct drains, pressure.free_percent),
			   .max = DRAIN_FREE_PERCENT_MAX),
	};
	return reader_object(r, members, READER_COUNT(members), v, into);
}

static enum err read_section(struct reader *r, struct drains *to)
{
	static const struct member members[] = {
		READER_KEY("sinks", read_sinks),
		READER_KEY("pressure", read_pressure),
	};
	struct value outer, section;
	size_t mark;
	enum err e = reader_begin(r, &outer);

	if (!e)
		e = reader_find(r, &outer, "drains", &section);
	if (e)
		return e == ERR_MISSING ? OK : e;
	mark = reader_path_push(r, BYTES("drains"));
	e = reader_object(r, members, READER_COUNT(members), &section, to);
	reader_path_pop(r, mark);
	return e;
}

/* The policy around the section is read too: filters name what is in it. */
enum err drains_parse(struct bytes policy_text, struct drains **ret_drains,
		      struct policy_problem *ret_problem)
{
	struct policy_problem unwanted = {0};
	struct reader r = {.text = policy_text, .problem = ret_problem ? ret_problem : &unwanted};
	struct policy *policy = NULL;
	struct owner *owner;
	enum err e = policy_parse(policy_text, &policy, r.problem);

	if (e)
		return e;
	owner = calloc(1, sizeof *owner);
	r.policy = policy;
	r.arena = owner ? &owner->arena : NULL;
	e = owner ? read_section(&r, &owner->drains) : reader_nomem(&r);
	policy_free(policy);
	if (e) {
		drains_free(owner ? &owner->drains : NULL);
		return e;
	}
	*ret_drains = &owner->drains;
	return OK;
}

void drains_free(struct drains *d)
{
	struct owner *owner = (struct owner *)d;

	if (!owner)
		return;
	arena_done(&owner->arena);
	free(owner);
}

const struct drain *drains_find(const struct drains *d, struct bytes name)
{
	for (size_t i = 0; i < d->count; i++)
		if (bytes_equal(d->at[i].name, name))
			return &d->at[i];
	return NULL;
}

/* ---- credentials ---- */

static const struct {
	const char *key;
	size_t offset;
} named_files[] = {
	{"tls.ca_file", offsetof(struct drain, tls.ca_file)},
	{"tls.cert_file", offsetof(struct drain, tls.cert_file)},
	{"tls.key_file", offsetof(struct drain, tls.key_file)},
	{"token_file", offsetof(struct drain, token_file)},
	{"password_file", offsetof(struct drain, password_file)},
	{"hmac_file", offsetof(struct drain, https.hmac_file)},
	{"access_key_file", offsetof(struct drain, s3.access_key_file)},
};

/* The name is not said: it may be a secret that somebody put there. */
static enum err no_credentials(const struct drain *d, const char *key,
			       struct policy_problem *problem)
{
	struct phrase p;

	problem->line = problem->column = 0;
	phrase_init(&p, problem->text, sizeof problem->text);
	phrase_put(&p, "drains.sinks.");
	phrase_put_bytes(&p, d->name);
	phrase_put(&p, ".");
	phrase_put(&p, key);
	phrase_put(&p, " is the name of a credential of systemd, and there are none here "
		       "(LoadCredential= in the unit); outside of systemd give an absolute path");
	return ERR_MISSING;
}

static enum err make_path(struct arena *arena, struct bytes directory, struct bytes *name)
{
	uint8_t *at = arena_take(arena, directory.len + 1 + name->len + 1, 1);

	if (!at)
		return ERR_NOMEM;
	memcpy(at, directory.at, directory.len);
	at[directory.len] = '/';
	memcpy(at + directory.len + 1, name->at, name->len);
	*name = bytes_of(at, directory.len + 1 + name->len);
	return OK;
}

enum err drains_use_credentials_of(struct drains *d, const struct drain *sink,
				   struct bytes directory, struct policy_problem *ret_problem)
{
	struct owner *owner = (struct owner *)d;
	struct policy_problem unwanted;
	struct drain *own = (struct drain *)(uintptr_t)sink; /* in our arena */
	enum err e = OK;

	for (size_t k = 0; !e && k < READER_COUNT(named_files); k++) {
		void *member = (char *)own + named_files[k].offset;
		struct bytes *name = member;
		if (name->len == 0 || name->at[0] == '/')
			continue;
		e = directory.len && directory.at[0] == '/'
			    ? make_path(&owner->arena, directory, name)
			    : no_credentials(own, named_files[k].key,
					     ret_problem ? ret_problem : &unwanted);
	}
	return e;
}

enum err drains_use_credentials(struct drains *d, struct bytes directory,
				struct policy_problem *ret_problem)
{
	struct policy_problem unwanted;
	enum err first = OK;

	for (size_t i = 0; i < d->count; i++) {
		if (!d->at[i].enabled)
			continue;
		enum err e = drains_use_credentials_of(d, &d->at[i], directory,
						       first ? &unwanted : ret_problem);
		if (!first)
			first = e;
	}
	return first;
}
