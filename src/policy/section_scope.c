/* SPDX-License-Identifier: MIT */
#include "policy/section_scope.h"

#include <string.h>

#include "llm/feature.h"

#define HOST_PATTERN_BYTES_MAX 253 /* of a name in the DNS */
#define SCOPE_HOSTS_MAX        256
#define REQUIRE_MAX            (AGREEMENTS + 1)

const struct choice section_scope_modes[] = {
	{"enforce", MODE_ENFORCE}, {"observe", MODE_OBSERVE}, {"", 0}};
const struct choice section_scope_unknown[] = {
	{"allow", UNKNOWN_ALLOW}, {"refuse", UNKNOWN_REFUSE}, {"", 0}};

/* -- names out of a list ------------------------------------------------------------------- */

/* The i-th name; NULL behind the last. */
typedef const char *name_fn(size_t i);

static const char *operation_at(size_t i)
{
	return i < OP_COUNT ? operation_name((enum operation)i) : NULL;
}

static const char *feature_at(size_t i)
{
	return i < FEATURE_COUNT ? feature_name((enum feature)i) : NULL;
}

static const char *requirement_at(size_t i)
{
	if (i < AGREEMENTS)
		return agreement_name((enum agreement_kind)i);
	return i == AGREEMENTS ? "managed_key" : NULL;
}

static enum err unknown_name(struct reader *r, const struct value *v, struct bytes text,
			     const char *what, name_fn *name_at)
{
	struct nearest nearest = nearest_to(text);
	struct phrase *p = reader_problem_with(r, v->token.start, text);

	for (size_t i = 0; name_at(i); i++)
		nearest_offer(&nearest, bytes_str(name_at(i)));
	phrase_put(p, " is not ");
	phrase_put(p, what);
	nearest_put(&nearest, p);
	phrase_put(p, nearest.best.len ? " Expected: " : "; expected: ");
	for (size_t i = 0; name_at(i); i++) {
		phrase_put(p, i ? ", " : "");
		phrase_put(p, name_at(i));
	}
	return ERR_BAD;
}

static enum err read_name(struct reader *r, const struct value *v, const char *what,
			  name_fn *name_at, void *element)
{
	struct bytes text;
	uint64_t bit = 1;
	enum err e = reader_string(r, v, what, &text);

	if (e)
		return e;
	for (size_t i = 0; name_at(i); i++, bit <<= 1)
		if (bytes_equal(text, bytes_str(name_at(i)))) {
			memcpy(element, &bit, sizeof bit);
			return OK;
		}
	return unknown_name(r, v, text, what, name_at);
}

static enum err read_operation(struct reader *r, const struct value *v, struct bytes name,
			       size_t name_start, void *element)
{
	return read_name(r, v, "an operation (\"aigw providers NAME\" lists them)", operation_at,
			 element);
}

static enum err read_feature(struct reader *r, const struct value *v, struct bytes name,
			     size_t name_start, void *element)
{
	return read_name(r, v, "a feature of requests", feature_at, element);
}

static enum err read_requirement(struct reader *r, const struct value *v, struct bytes name,
				 size_t name_start, void *element)
{
	return read_name(r, v, "something that can be required", requirement_at, element);
}

static enum err read_bits(struct reader *r, const struct value *v, const char *expected, size_t max,
			  reader_element_fn *read, uint64_t *ret_bits)
{
	void *elements;
	size_t count;
	uint64_t bits = 0;
	enum err e = reader_array(r, v, expected, max, sizeof bits, read, &elements, &count);

	if (e)
		return e;
	for (size_t i = 0; i < count; i++)
		bits |= ((const uint64_t *)elements)[i];
	*ret_bits = bits;
	return OK;
}

/* The member `allow` or `deny` of rules over names; `into` is the struct bit_rules. */
static enum err read_rule(struct reader *r, const struct member *m, const struct value *v,
			  const char *expected, size_t max, reader_element_fn *read, void *into)
{
	struct bit_rules *to = into;
	bool allows = strcmp(m->name, "allow") == 0;
	enum err e = read_bits(r, v, expected, max, read, allows ? &to->allow : &to->deny);

	if (!e && allows)
		to->allow_given = true;
	return e;
}

static enum err read_operations(struct reader *r, const struct member *m, const struct value *v,
				void *into)
{
	return read_rule(r, m, v, "an array of operations", OP_COUNT, read_operation, into);
}

enum err section_scope_endpoints(struct reader *r, const struct member *m, const struct value *v,
				 void *into)
{
	static const struct member members[] = {
		READER_KEY("allow", read_operations),
		READER_KEY("deny", read_operations),
	};
	return reader_object(r, members, READER_COUNT(members), v, into);
}

static enum err read_features(struct reader *r, const struct member *m, const struct value *v,
			      void *into)
{
	return read_rule(r, m, v, "an array of features", FEATURE_COUNT, read_feature, into);
}

enum err section_scope_features(struct reader *r, const struct member *m, const struct value *v,
				void *into)
{
	static const struct member members[] = {
		READER_KEY("allow", read_features),
		READER_KEY("deny", read_features),
	};
	r->policy->wants_features = true;
	return reader_object(r, members, READER_COUNT(members), v, into);
}

enum err section_scope_require(struct reader *r, const struct member *m, const struct value *v,
			       void *into)
{
	uint64_t bits = 0;
	uint32_t narrow;
	enum err e = read_bits(r, v, "an array of what is required (\"baa\", \"no_training\")",
			       REQUIRE_MAX, read_requirement, &bits);

	if (e)
		return e;
	narrow = (uint32_t)bits;
	memcpy(into, &narrow, sizeof narrow);
	r->policy->wants_features = true; /* what lies outside of agreements stands in the body */
	return OK;
}

/* -- hosts --------------------------------------------------------------------------------- */

static bool is_host_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
	       c == '_' || c == '*' || c == '?' || c == ':' || c == '[' || c == ']';
}

static enum err read_host_pattern(struct reader *r, const struct value *v, struct bytes name,
				  size_t name_start, void *element)
{
	static const char expected[] =
		"a host or a pattern over hosts (\"*.eu-central-1.amazonaws.com\"), without port";
	struct bytes text;
	enum err e = reader_string(r, v, expected, &text);
	bool fits;

	if (e)
		return e;
	reader_make_lower(text);
	fits = text.len > 0 && text.len <= HOST_PATTERN_BYTES_MAX;
	for (size_t i = 0; i < text.len; i++)
		fits = fits && is_host_byte(text.at[i]);
	/* a colon stands in addresses only */
	if (!fits || (bytes_find_byte(text, ':') != SIZE_MAX && text.at[0] != '['))
		return reader_wrong(r, v, expected);
	memcpy(element, &text, sizeof text);
	return OK;
}

static enum err read_hosts(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	struct patterns *to = into;
	void *elements;
	size_t count;
	enum err e = reader_array(r, v, "an array of hosts", SCOPE_HOSTS_MAX, sizeof(struct bytes),
				  read_host_pattern, &elements, &count);

	if (e)
		return e;
	*to = (struct patterns){true, count, elements};
	return OK;
}

/* `into` is the first of the two lists, which stand side by side. */
enum err section_scope_hosts(struct reader *r, const struct member *m, const struct value *v,
			     void *into)
{
	struct hosts {
		struct patterns allow, deny;
	};
	static const struct member members[] = {
		READER_KEY("allow", read_hosts, READER_IN(struct hosts, allow)),
		READER_KEY("deny", read_hosts, READER_IN(struct hosts, deny)),
	};
	_Static_assert(offsetof(struct scope_rules, denied_hosts) -
				       offsetof(struct scope_rules, hosts) ==
			       offsetof(struct hosts, deny),
		       "side by side");
	return reader_object(r, members, READER_COUNT(members), v, into);
}

/* -- limits of one request ----------------------------------------------------------------- */

static enum err read_positive(struct reader *r, const struct value *v, void *into)
{
	const struct member row = {.max = UINT32_MAX};
	uint32_t number = 0;
	enum err e = reader_u32(r, &row, v, &number);

	if (e)
		return e;
	if (number == 0)
		return reader_wrong(r, v,
				    "at least 1 (to allow nothing, say \"models\": "
				    "{\"allow\": []})");
	memcpy(into, &number, sizeof number);
	return OK;
}

enum err section_scope_body(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	return read_positive(r, v, into);
}

enum err section_scope_tokens(struct reader *r, const struct member *m, const struct value *v,
			      void *into)
{
	r->policy->wants_features = true;
	return read_positive(r, v, into);
}

enum err section_scope_tagged(struct reader *r, const struct member *m, const struct value *v,
			      void *into)
{
	static const struct choice choices[] = {{"refuse", 0}, {"tag", 1}, {"", 0}};
	const struct member row = {.choices = choices};
	int word = 0;
	enum err e = reader_choice(r, &row, v, &word);
	bool tagged = word;

	if (!e)
		memcpy(into, &tagged, sizeof tagged);
	return e;
}

/* -- the scope ----------------------------------------------------------------------------- */

enum err section_scope_place(struct reader *r, struct scope_rules *rules)
{
	if (arena_copy(r->arena, reader_path(r), &rules->where))
		return reader_nomem(r);
	return section_models_place(r, &rules->models);
}

/* What is watched has the first of these only. */
#define WATCHED_ROWS                                                                               \
	READER_COUNT(((const struct member[]){SECTION_SCOPE_RULES(struct scope_rules, )}))

static const struct member scope_members[] = {SECTION_SCOPE_RULES(struct scope_rules, ),
					      SECTION_SCOPE_OWN(struct scope_rules, )};

enum err section_scope_watch(struct reader *r, const struct member *m, const struct value *v,
			     void *into)
{
	struct scope_rules *rules = arena_take(r->arena, 1, sizeof *rules);
	const struct scope_rules *watch = rules;
	enum err e;

	if (!rules)
		return reader_nomem(r);
	e = section_scope_place(r, rules);
	if (!e)
		e = reader_object(r, scope_members, WATCHED_ROWS, v, rules);
	if (!e)
		memcpy(into, &watch, sizeof watch);
	return e;
}

enum err section_scope_read(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	enum err e = section_scope_place(r, into);

	return e ? e : reader_object(r, scope_members, READER_COUNT(scope_members), v, into);
}
