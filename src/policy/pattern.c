/* SPDX-License-Identifier: MIT */
#include "policy/pattern.h"

#include <string.h>

/* A byte that no pattern contains (the parser refuses control characters): whatever matches it
 * is a wildcard. */
#define FRESH '\x01'

static bool is_wildcard(uint8_t c)
{
	return c == '*' || c == '?';
}

static struct bytes without_white_space(struct bytes b)
{
	while (b.len && b.at[0] <= ' ')
		b.at++, b.len--;
	while (b.len && b.at[b.len - 1] <= ' ')
		b.len--;
	return b;
}

/* True, with *b shortened, when it begins with `prefix` and a slash in any case. */
static bool drop_prefix(struct bytes *b, struct bytes prefix)
{
	if (b->len <= prefix.len || b->at[prefix.len] != '/' ||
	    !bytes_equal_nocase(bytes_slice(*b, 0, prefix.len), prefix))
		return false;
	*b = bytes_from(*b, prefix.len + 1);
	return true;
}

enum err pattern_canonical_name(const char *provider, struct bytes model,
				char storage[static PATTERN_BYTES_MAX], struct bytes *ret_name)
{
	struct bytes prefix = bytes_str(provider);

	model = without_white_space(model);
	/* As often as they stand there: one more prefix must not step around a deny. */
	while (drop_prefix(&model, BYTES("models")) || drop_prefix(&model, prefix))
		;
	if (model.len == 0) {
		*ret_name = BYTES_NONE;
		return OK;
	}
	if (prefix.len > PROVIDER_NAME_BYTES_MAX || model.len > MODEL_BYTES_MAX)
		return ERR_LIMIT;
	bytes_put_lower((uint8_t *)storage, prefix);
	storage[prefix.len] = '/';
	bytes_put_lower((uint8_t *)storage + prefix.len + 1, model);
	*ret_name = bytes_of(storage, prefix.len + 1 + model.len);
	return OK;
}

bool pattern_matches(struct bytes pattern, struct bytes name)
{
	uint8_t last;

	if (pattern.len == 0 || name.len == 0)
		return pattern.len == name.len;
	/* Most patterns of a long list end in another letter than the name. */
	last = pattern.at[pattern.len - 1];
	if (!is_wildcard(last) && last != name.at[name.len - 1])
		return false;
	return bytes_match(pattern, name, false);
}

/* The provider's name and a slash; empty when it does not fit, which no provider's does. */
static struct bytes name_prefix(const char *provider, char storage[PROVIDER_NAME_BYTES_MAX + 2])
{
	struct bytes name = bytes_str(provider);

	if (name.len > PROVIDER_NAME_BYTES_MAX)
		return BYTES_NONE;
	bytes_put_lower((uint8_t *)storage, name);
	storage[name.len] = '/';
	return bytes_of(storage, name.len + 1);
}

bool pattern_covers(struct bytes pattern, const char *provider)
{
	char storage[PROVIDER_NAME_BYTES_MAX + 2];
	struct bytes prefix = name_prefix(provider, storage);
	bool star = false;

	if (prefix.len == 0)
		return false;
	/* Matching "provider/" and one fresh byte proves that names of one byte match, whichever
	 * it is; a star among the last wildcards takes any number of bytes more. */
	for (size_t i = pattern.len; i > 0 && is_wildcard(pattern.at[i - 1]); i--)
		star = star || pattern.at[i - 1] == '*';
	if (!star)
		return false;
	storage[prefix.len] = FRESH;
	return bytes_match(pattern, bytes_of(storage, prefix.len + 1), false);
}

bool pattern_can_match(struct bytes pattern, const char *provider)
{
	char storage[PROVIDER_NAME_BYTES_MAX + 2];
	struct bytes prefix = name_prefix(provider, storage);
	size_t literal = 0;

	if (prefix.len == 0)
		return false;
	while (literal < pattern.len && !is_wildcard(pattern.at[literal]))
		literal++;
	if (literal >= prefix.len)
		return pattern.len > prefix.len && bytes_starts(pattern, prefix);
	if (!bytes_starts(prefix, bytes_of(pattern.at, literal)))
		return false;
	/* Some beginning of the pattern takes exactly "provider/" and leaves something over that
	 * takes the model: at least one more pattern byte, or a star that goes on. */
	for (size_t i = literal + 1; i <= pattern.len; i++) {
		bool more = i < pattern.len || pattern.at[i - 1] == '*';
		if (more && bytes_match(bytes_of(pattern.at, i), prefix, false))
			return true;
	}
	return false;
}
