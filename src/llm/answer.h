/* SPDX-License-Identifier: MIT
 *
 * answer: reading an answer's JSON by a table of paths, and writing what was found into a struct
 * answer. For the dialects only.
 *
 * Nothing here fails because of what an answer contains; the only error is ERR_NOMEM, but for
 * answer_walk. Pure; allocates only in the caller's text buffer.
 */
#ifndef AIGW_LLM_ANSWER_H
#define AIGW_LLM_ANSWER_H

#include "llm/call.h"
#include "wire/json.h"

#define ANSWER_PATH_MAX   7  /* names in a path */
#define ANSWER_PATH_BYTES 79 /* of a path's text, with its NUL */
#define ANSWER_FIELDS_MAX 64
#define ANSWER_SLOTS      32

/* The place of one value: names of members from the top down, "*" for any element of an array, with
 * "/" between: "usage/prompt_tokens". Several fields may share a
 * beginning, and a field may be another one's container. The text stands in the table itself: a
 * table of pointers would have to be relocated when a program starts. */
struct answer_field {
	uint8_t id; /* the dialect's own number of it */
	char path[ANSWER_PATH_BYTES];
};

/* What is worked out of a table once per process; zero at first. A table's own, static. */
struct answer_plan {
	uint32_t state; /* atomic */
	struct answer_names {
		uint8_t depth[ANSWER_FIELDS_MAX]; /* how many names the path has */
		/* Where each name begins in the path, and its bytes. */
		uint8_t start[ANSWER_PATH_MAX][ANSWER_FIELDS_MAX];
		uint8_t len[ANSWER_PATH_MAX][ANSWER_FIELDS_MAX];
		/* The field and the others that have the same name at that level. */
		uint64_t same[ANSWER_PATH_MAX][ANSWER_FIELDS_MAX];
		/* The fields whose name at that level has that first letter and length, or others
		 * that come to the same slot. */
		uint64_t by_slot[ANSWER_PATH_MAX][ANSWER_SLOTS];
	} names;
};

struct answer_table {
	const struct answer_field *fields;
	size_t count; /* at most ANSWER_FIELDS_MAX */
	struct answer_plan *plan;
};

/* Called for each value found, in the order of the text; for a container: at its opening bracket.
 * Tokens stay valid as long as the text. An error ends the walk. */
typedef enum err answer_take(void *context, uint8_t id, const struct json_token *value);

/* Passes once over `text` and calls `take` for the values at the paths of the table. OK when text
 * is one JSON value; ERR_BAD, ERR_LIMIT (then `take` may have been called for what came before), or
 * what `take` returned. Any number of threads may use one table. */
MUST_USE enum err answer_walk(struct bytes text, const struct answer_table *table,
			      answer_take *take, void *context);

/* A string token's meaning as a NUL-terminated text of at most cap - 1 bytes. Left alone when the
 * token is no string, empty, holds a NUL or does not fit (part of a name would be another name). */
void answer_set_string(char *ret_text, size_t cap, const struct json_token *value);

/* A token count: a number replaces what was known, null is noted where nothing was known, anything
 * else is passed over. */
void answer_set_count(uint8_t *presence, uint64_t *tokens, const struct json_token *value);

/* As answer_set_count, for one kind of usage. */
void answer_set_usage(struct usage *usage, enum usage_kind kind, const struct json_token *value);

/* A count that usage holds only as part of a sum. */
void answer_set_part(struct answer *answer, enum part_kind kind, const struct json_token *value);
/* usage's input or output made anew from its parts: the first kind of part must be there, the
 * second (PART_COUNT: none) and the usages (USAGE_COUNT: none) count when they are. Sums stop at
 * UINT64_MAX. */
void answer_sum(struct answer *answer, enum usage_kind sum, enum part_kind first,
		enum part_kind second, enum usage_kind third, enum usage_kind fourth);

/* True for what a program would take for an error: anything but null, false and "". */
bool answer_is_error(const struct json_token *value);

/* Appends a string token's meaning to *text (NULL: nowhere). At the buffer's limit what fits is
 * appended, up to a whole character, answer->text_cut is set, and nothing after that. */
MUST_USE enum err answer_put_text(struct answer *answer, struct buf *text,
				  const struct json_token *value);

/* The same for text that is no JSON. */
MUST_USE enum err answer_put_raw(struct answer *answer, struct buf *text, struct bytes words);

#endif
