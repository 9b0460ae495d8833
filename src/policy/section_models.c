/* SPDX-License-Identifier: MIT */
#include "policy/section_models.h"

#include "policy/pattern.h"
#include "policy/section_providers.h"

static enum err unknown_provider(struct reader *r, size_t start, struct bytes pattern,
				 struct bytes provider)
{
	const struct provider *known;
	struct nearest nearest = nearest_to(provider);
	struct phrase *p = reader_problem_with(r, start, pattern);

	for (size_t i = 0; (known = section_providers_at(r->policy, i)); i++)
		nearest_offer(&nearest, bytes_str(known->name));
	phrase_put(p, " names the provider ");
	phrase_put_quoted(p, provider);
	phrase_put(p, ", which is neither built in nor under \"providers\"");
	nearest_put(&nearest, p);
	return ERR_BAD;
}

/* A pattern that can never match is a rule that its author believes in and that does nothing. */
static enum err check_pattern(struct reader *r, size_t start, struct bytes pattern)
{
	struct bytes model = pattern;
	struct bytes provider = bytes_cut(&model, '/');
	bool has_slash = bytes_find_byte(pattern, '/') != SIZE_MAX;
	bool is_literal = bytes_find_byte(provider, '*') == SIZE_MAX &&
			  bytes_find_byte(provider, '?') == SIZE_MAX;
	const struct provider *known;

	if (has_slash && model.len == 0) {
		phrase_put(reader_problem_with(r, start, pattern),
			   " names no model; write \"provider/*\" for all of them");
		return ERR_BAD;
	}
	if (!has_slash && is_literal) {
		struct phrase *p = reader_problem_with(r, start, pattern);
		phrase_put(p, " names no provider; write \"provider/model\", as in \"openai/");
		phrase_put_bytes(p, bytes_slice(provider, 0, PHRASE_QUOTE_MAX));
		phrase_put(p, "\"");
		return ERR_BAD;
	}
	for (size_t i = 0; (known = section_providers_at(r->policy, i)); i++)
		if (pattern_can_match(pattern, known->name))
			break;
	if (!known && has_slash && is_literal)
		return unknown_provider(r, start, pattern, provider);
	if (!known) {
		phrase_put(reader_problem_with(r, start, pattern),
			   " cannot match any model: patterns are compared with the whole "
			   "\"provider/model\", as in \"openai/gpt-5*\" or \"*-preview\"");
		return ERR_BAD;
	}
	if (is_literal && (bytes_starts(model, BYTES("models/")) ||
			   (bytes_starts(model, provider) &&
			    bytes_starts(bytes_from(model, provider.len), BYTES("/"))))) {
		phrase_put(reader_problem_with(r, start, pattern),
			   " cannot match any model: a prefix \"models/\" or the provider's name "
			   "in front "
			   "of the model is dropped before comparing; leave it out");
		return ERR_BAD;
	}
	return OK;
}

enum err section_models_check(struct reader *r, size_t start, struct bytes pattern)
{
	if (pattern.len > PATTERN_BYTES_MAX) {
		phrase_put(reader_problem_with(r, start, pattern),
			   " is longer than any model name");
		return ERR_LIMIT;
	}
	reader_make_lower(pattern);
	return check_pattern(r, start, pattern);
}

static enum err read_pattern(struct reader *r, const struct value *v, struct bytes name,
			     size_t name_start, void *element)
{
	static const char expected[] = "a model pattern (\"openai/gpt-5*\")";
	struct bytes *to = element, text;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (text.len == 0 || bytes_find_byte(text, ' ') != SIZE_MAX)
		return reader_wrong(r, v, expected);
	e = section_models_check(r, v->token.start, text);
	if (e)
		return e;
	*to = text;
	return OK;
}

static enum err read_patterns(struct reader *r, const struct member *m, const struct value *v,
			      void *into)
{
	struct patterns *to = into;
	void *elements;
	size_t count;
	enum err e = reader_array(r, v, "an array of model patterns", POLICY_PATTERNS_MAX,
				  sizeof(struct bytes), read_pattern, &elements, &count);

	if (e)
		return e;
	to->at = elements;
	to->count = count;
	to->given = true;
	return OK;
}

enum err section_models_read(struct reader *r, const struct member *m, const struct value *v,
			     void *into)
{
	static const struct member members[] = {
		READER_KEY("allow", read_patterns, READER_IN(struct model_rules, allow)),
		READER_KEY("deny", read_patterns, READER_IN(struct model_rules, deny)),
	};
	return reader_object(r, members, READER_COUNT(members), v, into);
}

enum err section_models_place(struct reader *r, struct model_rules *rules)
{
	size_t mark = reader_path_push(r, BYTES("models"));
	enum err e = arena_copy(r->arena, reader_path(r), &rules->where);

	reader_path_pop(r, mark);
	return e ? reader_nomem(r) : OK;
}
