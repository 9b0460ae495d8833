/* SPDX-License-Identifier: MIT */
#include "wire/json_array.h"

enum state {
	BEFORE, /* the opening bracket is to come */
	OPENED, /* an element or the closing bracket */
	COMMA,  /* an element */
	NESTED, /* inside an element that is an object, an array or a string */
	SCALAR, /* inside a number or a word, which ends before the byte that follows it */
	BEHIND, /* a comma or the closing bracket */
	ENDED,  /* white space */
};

void json_array_done(struct json_array *a)
{
	buf_done(&a->element);
	*a = (struct json_array){0};
}

bool json_array_has_ended(const struct json_array *a)
{
	return a->state == ENDED && !a->failed;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One byte between elements. *ret_begins: it is the first one of an element. */
static enum err step_between(struct json_array *a, uint8_t c, bool *ret_begins)
{
	*ret_begins = false;
	if (is_space(c))
		return OK;
	if (a->state == BEFORE && c == '[') {
		a->state = OPENED;
	} else if ((a->state == OPENED || a->state == BEHIND) && c == ']') {
		a->state = ENDED;
	} else if (a->state == BEHIND && c == ',') {
		a->state = COMMA;
	} else if ((a->state == OPENED || a->state == COMMA) && c != ',' && c != ']' && c != '}') {
		*ret_begins = true;
	} else {
		return ERR_BAD;
	}
	return OK;
}

/* One byte of an object, an array or a string. True: it is the last one. */
static bool step_nested(struct json_array *a, uint8_t c)
{
	if (a->in_string) {
		if (a->escaped)
			a->escaped = false;
		else if (c == '\\')
			a->escaped = true;
		else if (c == '"')
			a->in_string = false;
	} else if (c == '"') {
		a->in_string = true;
	} else if (c == '{' || c == '[') {
		a->depth++;
	} else if (c == '}' || c == ']') {
		a->depth--;
	}
	return !a->in_string && a->depth == 0;
}

/* How many bytes of `in` belong to the element; *ret_whole: its end is among them. */
static size_t element_length(struct json_array *a, struct bytes in, bool *ret_whole)
{
	size_t at = 0;

	*ret_whole = false;
	while (at < in.len && !*ret_whole) {
		uint8_t c = in.at[at];
		if (a->state == SCALAR) {
			*ret_whole = is_space(c) || c == ',' || c == ']';
			at += !*ret_whole;
		} else {
			*ret_whole = step_nested(a, c);
			at++;
		}
	}
	return at;
}

static enum err take_element(struct json_array *a, struct bytes *in, struct bytes *ret_element)
{
	struct json_array before = *a;
	bool whole;
	struct bytes part = bytes_slice(*in, 0, element_length(a, *in, &whole));

	if (part.len > JSON_ARRAY_ELEMENT_BYTES_MAX - a->element.len)
		return ERR_LIMIT;
	if (!whole || a->element.len) {
		enum err e = buf_put(&a->element, part);
		if (e) {
			before.element = a->element;
			*a = before;
			return e;
		}
		a->given = whole;
		*ret_element = buf_view(&a->element);
	} else {
		*ret_element = part;
	}
	*in = bytes_from(*in, part.len);
	if (!whole)
		return ERR_MORE;
	a->state = BEHIND;
	return OK;
}

static enum err next(struct json_array *a, struct bytes *in, struct bytes *ret_element)
{
	enum err e;
	bool begins;

	while (in->len) {
		if (a->state == NESTED || a->state == SCALAR)
			return take_element(a, in, ret_element);
		e = step_between(a, in->at[0], &begins);
		if (e)
			return e;
		if (begins) {
			uint8_t c = in->at[0];
			a->state = c == '{' || c == '[' || c == '"' ? NESTED : SCALAR;
		} else {
			*in = bytes_from(*in, 1);
		}
	}
	return ERR_MORE;
}

enum err json_array_next(struct json_array *a, struct bytes *in, struct bytes *ret_element)
{
	struct bytes element = BYTES_NONE;
	enum err e;

	if (a->failed)
		return a->failed;
	if (a->given)
		buf_reset(&a->element);
	a->given = false;
	e = next(a, in, &element);
	if (e == ERR_BAD || e == ERR_LIMIT)
		a->failed = e;
	if (!e)
		*ret_element = element;
	return e;
}
