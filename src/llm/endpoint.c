/* SPDX-License-Identifier: MIT */
#include "llm/endpoint.h"

#include <string.h>

#define NO_MATCH  SIZE_MAX
#define MODEL     "{model}"
#define MODEL_LEN (sizeof MODEL - 1)
#define REST      "/**"
#define REST_LEN  (sizeof REST - 1)

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that stands at the front of a path, and how many bytes of the path it takes. */
static uint8_t first_byte(struct bytes path, size_t *ret_len)
{
	int high, low;

	*ret_len = 1;
	if (path.len < 3 || path.at[0] != '%')
		return path.at[0];
	high = hex_value(path.at[1]);
	low = hex_value(path.at[2]);
	if (high < 0 || low < 0)
		return path.at[0];
	*ret_len = 3;
	return (uint8_t)(high << 4 | low);
}

/* A segment is complete: "." goes, ".." takes the one before along. The slash before it stays. */
static void resolve_dots(struct endpoint_path *p)
{
	struct bytes path = bytes_of(p->at, p->len);
	bool up = bytes_ends(path, BYTES("/.."));

	if (!up && !bytes_ends(path, BYTES("/.")))
		return;
	p->had_dots = true;
	p->len -= up ? 2 : 1;
	if (!up || p->len == 1)
		return;
	for (p->len--; p->at[p->len - 1] != '/';)
		p->len--;
}

/* Nothing is encoded, no slash follows another, no segment begins with a dot: it is in its form
 * but for a slash at its end. */
static bool is_plain(struct bytes path)
{
	bool after_slash = false;

	if (path.len == 0 || path.len > ENDPOINT_PATH_MAX || path.at[0] != '/')
		return false;
	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = path.at[i];
		if (c == '%' || (after_slash && (c == '/' || c == '.')))
			return false;
		after_slash = c == '/';
	}
	return true;
}

static void drop_last_slash(struct endpoint_path *p)
{
	if (p->len && p->at[p->len - 1] == '/')
		p->len--;
}

void endpoint_path_set(struct endpoint_path *ret_path, struct bytes path)
{
	struct endpoint_path *p = ret_path;
	size_t used;

	p->len = 0;
	p->had_dots = false;
	if (is_plain(path)) {
		memcpy(p->at, path.at, path.len);
		p->len = path.len;
		drop_last_slash(p);
		return;
	}
	while (path.len) {
		uint8_t c = first_byte(path, &used);
		path = bytes_from(path, used);
		if (c == '/')
			resolve_dots(p);
		if (c == '/' && p->len && p->at[p->len - 1] == '/')
			continue;
		if (p->len == sizeof p->at || (p->len == 0 && c != '/')) {
			p->len = 0;
			return;
		}
		p->at[p->len++] = c;
	}
	resolve_dots(p);
	drop_last_slash(p);
}

/* Matches all of `pattern` (without {model} and the rest) against the front of `text`: the length
 * it took, or NO_MATCH. */
static size_t match_front(struct bytes pattern, struct bytes text)
{
	size_t at = 0;

	for (size_t i = 0; i < pattern.len; i++) {
		size_t before = at;
		if (pattern.at[i] != '*') {
			if (at == text.len || text.at[at] != pattern.at[i])
				return NO_MATCH;
			at++;
			continue;
		}
		while (at < text.len && text.at[at] != '/')
			at++;
		if (at == before)
			return NO_MATCH;
	}
	return at;
}

/* The same against the end of `text`: the length of what stands before, or NO_MATCH. */
static size_t match_back(struct bytes pattern, struct bytes text)
{
	size_t at = text.len;

	for (size_t i = pattern.len; i-- > 0;) {
		size_t before = at;
		if (pattern.at[i] != '*') {
			if (at == 0 || text.at[at - 1] != pattern.at[i])
				return NO_MATCH;
			at--;
			continue;
		}
		while (at > 0 && text.at[at - 1] != '/')
			at--;
		if (at == before)
			return NO_MATCH;
	}
	return at;
}

/* Most patterns differ in what follows the slash; where it stands for itself, that is enough. */
static bool begins_otherwise(struct bytes pattern, struct bytes text)
{
	return pattern.len > 1 && text.len > 1 && pattern.at[1] != text.at[1] &&
	       pattern.at[1] != '*' && pattern.at[1] != '{';
}

static bool matches(struct bytes pattern, struct bytes text, struct bytes *ret_model)
{
	size_t model, from, to;

	*ret_model = BYTES_NONE;
	if (begins_otherwise(pattern, text))
		return false;
	model = bytes_find(pattern, BYTES(MODEL));
	if (pattern.len == 1)
		return text.len == 0;
	if (model == SIZE_MAX && bytes_ends(pattern, BYTES(REST))) {
		from = match_front(bytes_slice(pattern, 0, pattern.len - REST_LEN), text);
		return from != NO_MATCH && (from == text.len || text.at[from] == '/');
	}
	if (model == SIZE_MAX)
		return match_front(pattern, text) == text.len;
	from = match_front(bytes_slice(pattern, 0, model), text);
	to = match_back(bytes_from(pattern, model + MODEL_LEN), text);
	if (from == NO_MATCH || to == NO_MATCH || from >= to)
		return false;
	*ret_model = bytes_slice(text, from, to - from);
	return true;
}

size_t endpoint_base(const char *base, struct bytes path)
{
	size_t end = match_front(bytes_str(base), path);

	return end != NO_MATCH && (end == path.len || path.at[end] == '/') ? end : NO_MATCH;
}

/* From the end: the shortest path that fits has the fewest bytes in {model}. */
static bool matches_end(struct bytes pattern, struct bytes path, struct bytes *ret_model)
{
	for (size_t at = path.len; at-- > 0;)
		if (path.at[at] == '/' && matches(pattern, bytes_from(path, at), ret_model))
			return true;
	return false;
}

/* "POST /chat/completions": is it for this method, or "*", any? Then *ret_pattern is the path. */
static bool is_for_method(const char *match, struct bytes method, struct bytes *ret_pattern)
{
	size_t len = 0;

	if (match[0] == '*')
		len = 1;
	else
		while (len < method.len && match[len] && match[len] == (char)method.at[len])
			len++;
	if (match[len] != ' ' || (len < method.len && match[0] != '*'))
		return false;
	*ret_pattern = bytes_str(match + len + 1);
	return true;
}

const struct endpoint *endpoint_find(const struct endpoints *list, struct bytes method,
				     struct bytes path, bool loose, struct bytes *ret_model)
{
	for (size_t i = 0; i < list->count; i++) {
		struct bytes pattern;
		if (!is_for_method(endpoint_match(&list->at[i]), method, &pattern))
			continue;
		if (loose ? matches_end(pattern, path, ret_model)
			  : matches(pattern, path, ret_model))
			return &list->at[i];
	}
	*ret_model = BYTES_NONE;
	return NULL;
}

const char *endpoint_match(const struct endpoint *e)
{
	return catalogue_texts + e->match;
}

const char *endpoint_keys(const struct endpoint *e)
{
	return catalogue_texts + e->keys;
}

const char *endpoint_text(const struct endpoint *e)
{
	return catalogue_texts + e->text;
}

const char *endpoint_opaque(const struct endpoint *e)
{
	return catalogue_texts + e->opaque;
}

bool endpoint_next_line(struct bytes *rest, struct bytes *ret_line)
{
	*ret_line = bytes_cut(rest, '\n');
	return ret_line->len > 0;
}
