/* SPDX-License-Identifier: MIT */
#include "policy/section_applications.h"

#include <string.h>

#include "policy/section_scope.h"

#define PATH_BYTES_MAX 1024 /* of patterns over paths */
#define NAME_BYTES_MAX 64   /* of users and groups */
#define UNIT_BYTES_MAX 255  /* of a systemd unit */
#define SHA256_DIGITS  64

enum err section_applications_environment(struct reader *r, const struct member *m,
					  const struct value *v, void *into)
{
	const struct policy *policy = r->policy;
	struct bytes text;
	enum err e = reader_string(r, v, "the name of an environment", &text);

	if (e)
		return e;
	struct nearest nearest = nearest_to(text);
	for (size_t i = 0; i < policy->environment_count; i++) {
		if (bytes_equal(policy->environments[i].name, text)) {
			memcpy(into, &policy->environments[i].name, sizeof text);
			return OK;
		}
		nearest_offer(&nearest, policy->environments[i].name);
	}
	struct phrase *p = reader_problem_with(r, v->token.start, text);
	phrase_put(p, " is not an environment of this policy");
	nearest_put(&nearest, p);
	phrase_put(p, nearest.best.len ? " Expected one of: " : "; expected one of: ");
	for (size_t i = 0; i < policy->environment_count; i++) {
		phrase_put(p, i ? ", " : "");
		phrase_put_bytes(p, policy->environments[i].name);
	}
	return ERR_BAD;
}

/* -- match --------------------------------------------------------------------------------- */

static enum err too_long(struct reader *r, const struct value *v, struct bytes text, size_t max)
{
	struct phrase *p = reader_problem_with(r, v->token.start, text);

	phrase_put(p, " is longer than ");
	phrase_put_decimal(p, max);
	phrase_put(p, " bytes");
	return ERR_LIMIT;
}

/* A pattern over absolute paths. */
static enum err read_path(struct reader *r, const struct value *v, const char *expected, void *into)
{
	struct bytes text;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (text.len == 0 || (text.at[0] != '/' && text.at[0] != '*'))
		return reader_wrong(r, v, expected);
	if (text.len > PATH_BYTES_MAX)
		return too_long(r, v, text, PATH_BYTES_MAX);
	memcpy(into, &text, sizeof text);
	return OK;
}

static enum err read_exe(struct reader *r, const struct member *m, const struct value *v,
			 void *into)
{
	return read_path(r, v, "a pattern over an absolute path (\"/opt/intake/*\")", into);
}

static enum err read_parent(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	r->policy->wanted_facts |= WANTS_PARENT;
	return read_exe(r, m, v, into);
}

static enum err read_cgroup(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	r->policy->wanted_facts |= WANTS_CGROUP;
	return read_path(r, v, "a pattern over a cgroup's path (\"/system.slice/docker-*\")", into);
}

static enum err read_name(struct reader *r, const struct value *v, const char *expected, void *into)
{
	struct bytes text;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (text.len == 0 || text.len > NAME_BYTES_MAX || bytes_find_byte(text, '*') != SIZE_MAX ||
	    bytes_find_byte(text, '?') != SIZE_MAX)
		return reader_wrong(r, v, expected);
	memcpy(into, &text, sizeof text);
	return OK;
}

static enum err read_user(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	return read_name(r, v, "a user name, without patterns", into);
}

static enum err read_group(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	r->policy->wanted_facts |= WANTS_GROUPS;
	return read_name(r, v, "a group name, without patterns", into);
}

static enum err read_unit(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	static const char expected[] = "a systemd unit or a pattern (\"intake@*.service\")";
	struct bytes text;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (text.len == 0 || bytes_find_byte(text, '/') != SIZE_MAX ||
	    (bytes_find_byte(text, '.') == SIZE_MAX && bytes_find_byte(text, '*') == SIZE_MAX))
		return reader_wrong(r, v, expected);
	if (text.len > UNIT_BYTES_MAX)
		return too_long(r, v, text, UNIT_BYTES_MAX);
	r->policy->wanted_facts |= WANTS_CGROUP;
	memcpy(into, &text, sizeof text);
	return OK;
}

static enum err read_sha256(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	static const char expected[] = "64 hexadecimal digits (of sha256sum)";
	struct bytes text;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	reader_make_lower(text);
	bool fits = text.len == SHA256_DIGITS;
	for (size_t i = 0; i < text.len; i++)
		fits = fits && ((text.at[i] >= '0' && text.at[i] <= '9') ||
				(text.at[i] >= 'a' && text.at[i] <= 'f'));
	if (!fits)
		return reader_wrong(r, v, expected);
	r->policy->wanted_facts |= WANTS_EXE_SHA256;
	memcpy(into, &text, sizeof text);
	return OK;
}

static enum err read_match(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	static const struct member members[] = {
		READER_KEY("exe", read_exe, READER_IN(struct program_match, exe)),
		READER_KEY("exe_sha256", read_sha256, READER_IN(struct program_match, exe_sha256)),
		READER_KEY("user", read_user, READER_IN(struct program_match, user)),
		READER_KEY("group", read_group, READER_IN(struct program_match, group)),
		READER_KEY("unit", read_unit, READER_IN(struct program_match, unit)),
		READER_KEY("cgroup", read_cgroup, READER_IN(struct program_match, cgroup)),
		READER_KEY("parent_exe", read_parent, READER_IN(struct program_match, parent_exe)),
	};
	const struct program_match *to = into;
	enum err e = reader_object(r, members, READER_COUNT(members), v, into);

	if (e)
		return e;
	if (to->exe.len || to->exe_sha256.len || to->user.len || to->group.len || to->unit.len ||
	    to->cgroup.len || to->parent_exe.len)
		return OK;
	struct phrase *p = reader_problem(r, v->token.start);
	phrase_put_bytes(p, reader_path(r));
	phrase_put(p,
		   " is empty and would match every program; give \"exe\" or \"user\" (what holds "
		   "for every program is default_environment)");
	return ERR_BAD;
}

/* -- applications -------------------------------------------------------------------------- */

static enum err read_application(struct reader *r, const struct value *v, struct bytes name,
				 size_t name_start, void *element)
{
	static const struct member members[] = {
		READER_KEY("environment", section_applications_environment,
			   READER_IN(struct application, environment), .required = true),
		READER_KEY("match", read_match, READER_IN(struct application, match),
			   .required = true),
		SECTION_SCOPE_RULES(struct application, rules.),
		SECTION_SCOPE_OWN(struct application, rules.),
	};
	struct application *to = element;
	const struct policy *policy = r->policy;
	enum err e = reader_check_name(r, name, name_start, "an application", false);

	if (!e)
		e = section_scope_place(r, &to->rules);
	if (e)
		return e;
	to->name = name;
	e = reader_object(r, members, READER_COUNT(members), v, to);
	if (e)
		return e;
	while (!bytes_equal(policy->environments[to->environment_at].name, to->environment))
		to->environment_at++;
	return OK;
}

enum err section_applications_read(struct reader *r, const struct member *m, const struct value *v,
				   void *into)
{
	void *elements;
	size_t count;
	enum err e = reader_map(r, v, POLICY_APPLICATIONS_MAX, sizeof(struct application),
				read_application, &elements, &count);

	if (e)
		return e;
	r->policy->applications = elements;
	r->policy->application_count = count;
	return OK;
}
