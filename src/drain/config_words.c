/* SPDX-License-Identifier: MIT */
#include "drain/config_read.h"

#include <string.h>

static enum err unknown_word(struct reader *r, const struct value *v, struct bytes word,
			     const char *what, const struct choice *choices)
{
	struct nearest nearest = nearest_to(word);
	struct phrase *p = reader_problem_with(r, v->token.start, word);

	for (const struct choice *c = choices; c->word[0]; c++)
		nearest_offer(&nearest, bytes_str(c->word));
	phrase_put(p, " is not ");
	phrase_put(p, what);
	nearest_put(&nearest, p);
	phrase_put(p, nearest.best.len ? " Expected: " : "; expected: ");
	for (const struct choice *c = choices; c->word[0]; c++) {
		phrase_put(p, c == choices ? "" : ", ");
		phrase_put(p, c->word);
	}
	return ERR_BAD;
}

enum err config_word(struct reader *r, const struct value *v, const char *what,
		     const struct choice *choices, int *ret_value)
{
	struct bytes word;
	enum err e = reader_string(r, v, what, &word);

	if (e)
		return e;
	for (const struct choice *c = choices; c->word[0]; c++)
		if (bytes_equal(word, bytes_str(c->word))) {
			*ret_value = c->value;
			return OK;
		}
	return unknown_word(r, v, word, what, choices);
}

static bool contains_nocase(struct bytes text, const char *word)
{
	struct bytes w = bytes_str(word);

	for (size_t i = 0; i + w.len <= text.len; i++)
		if (bytes_equal_nocase(bytes_slice(text, i, w.len), w))
			return true;
	return false;
}

bool config_is_secret_name(struct bytes name)
{
	static const char *const parts[] = {
		"password",    "passwd",        "secret",           "token",      "apikey",
		"api-key",     "api_key",       "access-key",       "access_key", "license-key",
		"license_key", "authorization", "authentication",   "x-auth",     "cookie",
		"credential",  "signature",     "x-honeycomb-team",
	};
	static const char *const whole[] = {"key", "sig", "pwd", "auth"};

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (contains_nocase(name, parts[i]))
			return true;
	for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
		if (bytes_equal_nocase(name, bytes_str(whole[i])))
			return true;
	return false;
}

static enum err too_long(struct reader *r, const struct value *v, size_t max)
{
	struct phrase *p = reader_problem(r, v->token.start);

	reader_put_path(r, p);
	phrase_put(p, " is longer than ");
	phrase_put_decimal(p, max);
	phrase_put(p, " bytes");
	return ERR_LIMIT;
}

enum err config_text(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	struct bytes text = BYTES_NONE;
	enum err e = reader_text(r, m, v, &text);

	if (!e && text.len > DRAIN_WORD_BYTES_MAX)
		e = too_long(r, v, DRAIN_WORD_BYTES_MAX);
	if (!e)
		memcpy(into, &text, sizeof text);
	return e;
}

static bool is_path(struct bytes text)
{
	return text.len > 1 && text.at[0] == '/' && text.at[text.len - 1] != '/';
}

enum err config_path(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	static const char expected[] = "the absolute path of a file";
	struct bytes text = BYTES_NONE;
	enum err e = reader_string(r, v, expected, &text);

	if (!e && !is_path(text))
		e = reader_wrong(r, v, expected);
	if (!e && text.len > DRAIN_PATH_BYTES_MAX)
		e = too_long(r, v, DRAIN_PATH_BYTES_MAX);
	if (!e)
		memcpy(into, &text, sizeof text);
	return e;
}

/* systemd allows what a file name can be; names are kept plain. */
static bool is_credential(struct bytes name)
{
	if (name.len == 0 || name.len > READER_NAME_MAX || name.at[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.at[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '-' && c != '_')
			return false;
	}
	return true;
}

enum err config_file_name(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	static const char expected[] =
		"an absolute path, or the name of one of systemd's credentials";
	struct bytes text = BYTES_NONE;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (is_path(text) && text.len > DRAIN_PATH_BYTES_MAX)
		return too_long(r, v, DRAIN_PATH_BYTES_MAX);
	if (!is_path(text) && !is_credential(text)) {
		/* It may be the secret itself. */
		struct phrase *p = reader_problem(r, v->token.start);
		reader_put_path(r, p);
		phrase_put(p, " must be ");
		phrase_put(p, expected);
		phrase_put(p, "; what stands there is neither");
		return ERR_BAD;
	}
	memcpy(into, &text, sizeof text);
	return OK;
}
