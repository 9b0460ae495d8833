/* SPDX-License-Identifier: MIT
 *
 * reader: JSON text into structs by tables of members, with a problem report that points at the
 * token that is wrong and says what was expected. Knows nothing of policies: which members there
 * are and what they mean is in sections.c.
 *
 * An object's members are read in the order of its table, not of the text: a name can be checked
 * against what an earlier row defined, wherever the author of the file wrote it.
 */
#ifndef AIGW_POLICY_READER_H
#define AIGW_POLICY_READER_H

#include "policy/arena.h"
#include "policy/nearest.h"
#include "policy/phrase.h"
#include "policy/policy.h"
#include "wire/json.h"

#define READER_MEMBERS_MAX 20
#define READER_WIDE_MAX    48
#define READER_PATH_MAX    200
#define READER_NAME_MAX    63

struct reader {
	struct bytes text;
	struct arena *arena;
	struct policy_problem *problem;
	struct phrase phrase;       /* over problem->text */
	struct policy *policy;      /* what is being filled */
	char path[READER_PATH_MAX]; /* "environments.production.models"; "" at the top */
	size_t path_len;
};

/* One value: its first token, and a scanner that stands right behind that token. */
struct value {
	struct json_token token;
	struct json scan;
};

struct member;
struct choice {
	char word[20]; /* no pointer: it would have to be relocated in each process */
	int value;
};

/* Reads `v` into `into`. r->path names the value already. */
typedef enum err reader_fn(struct reader *r, const struct member *m, const struct value *v,
			   void *into);

struct member {
	const char *name;
	reader_fn *read; /* NULL: a key of the contract that is not enforced yet */
	union {
		const struct choice *choices; /* reader_choice: ends with an empty word */
		struct {
			uint32_t min, max; /* reader_u32 */
		};
	};
	uint32_t offset; /* of `into` in the struct that the object is read into */
	bool required;
};

/* Rows of a table of members: a key with its function and what else it needs by field; a key that
 * this version does not enforce. */
#define READER_KEY(key, ...)                                                                       \
	{                                                                                          \
		.name = key, .read = __VA_ARGS__                                                   \
	}
#define READER_LATER(key)                                                                          \
	{                                                                                          \
		.name = key                                                                        \
	}
#define READER_COUNT(table)    (sizeof(table) / sizeof(table)[0])
#define READER_IN(type, field) .offset = offsetof(type, field)

/* Reads an object whose members are the table's rows. ERR_BAD: not an object, unknown, repeated
 * or missing member; ERR_UNSUPPORTED: a row without `read`; and what the rows' functions return. */
MUST_USE enum err reader_object(struct reader *r, const struct member *members, size_t count,
				const struct value *v, void *into);

/* The same for a table of up to READER_WIDE_MAX rows. Needs 8 KiB of stack: not in programs. */
MUST_USE enum err reader_wide_object(struct reader *r, const struct member *members, size_t count,
				     const struct value *v, void *into);

/* One member of an object, whatever else is in it: only the syntax of the rest is checked. OK;
 * ERR_MISSING: it is not there (nothing is reported); ERR_BAD: not an object, or twice. */
MUST_USE enum err reader_find(struct reader *r, const struct value *v, const char *name,
			      struct value *ret_value);

/* The outermost value of r->text. ERR_BAD, ERR_LIMIT. */
MUST_USE enum err reader_begin(struct reader *r, struct value *ret_outer);

/* Ready functions for rows: bool, uint32_t from min to max, int by choices, struct bytes. */
reader_fn reader_bool, reader_u32, reader_choice, reader_text;

/* Copies a string without control characters into the arena. `expected` completes "must be ...". */
MUST_USE enum err reader_string(struct reader *r, const struct value *v, const char *expected,
				struct bytes *ret_text);

/* Reads one element of a list or one named entry of a map into `element`. */
typedef enum err reader_element_fn(struct reader *r, const struct value *v, struct bytes name,
				   size_t name_start, void *element);

/* An object of named entries ({"production": {...}}): *ret_elements gets `count` zeroed elements of
 * `size` bytes, filled by `read` in the order of the text. ERR_LIMIT: more than `max`. */
MUST_USE enum err reader_map(struct reader *r, const struct value *v, size_t max, size_t size,
			     reader_element_fn *read, void **ret_elements, size_t *ret_count);

/* An array likewise; `read` gets an empty name. `expected` completes "must be ...". */
MUST_USE enum err reader_array(struct reader *r, const struct value *v, const char *expected,
			       size_t max, size_t size, reader_element_fn *read,
			       void **ret_elements, size_t *ret_count);

/* Reporting, in reader_problem.c. Starts a problem at byte `at` of the text; the caller phrases it
 * and returns the error. */
struct phrase *reader_problem(struct reader *r, size_t at);
/* The same, begun with "PATH: WORD". */
struct phrase *reader_problem_with(struct reader *r, size_t at, struct bytes word);
/* "PATH must be EXPECTED, not VALUE" at the value. Returns ERR_BAD. */
enum err reader_wrong(struct reader *r, const struct value *v, const char *expected);
/* "the key NAME is missing in PATH" at the object. Returns ERR_BAD. */
enum err reader_missing(struct reader *r, const char *name, const struct value *v);
/* "out of memory". Returns ERR_NOMEM. */
enum err reader_nomem(struct reader *r);

/* ERR_BAD unless a key can be the name of `what` ("an environment"): letters, digits, '-' and '_',
 * at most READER_NAME_MAX bytes. */
MUST_USE enum err reader_check_name(struct reader *r, struct bytes name, size_t name_start,
				    const char *what, bool lower_only);
/* ASCII letters of a text that reader_string or a map gave, in place. */
void reader_make_lower(struct bytes text);

/* Longer paths are cut, which only shortens messages: names are limited far below. Returns what
 * reader_path_pop needs. */
size_t reader_path_push(struct reader *r, struct bytes name);
void reader_path_pop(struct reader *r, size_t mark);
struct bytes reader_path(const struct reader *r);
/* The same for people: "the policy" at the top. */
void reader_put_path(struct reader *r, struct phrase *p);

#endif
