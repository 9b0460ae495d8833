/* SPDX-License-Identifier: MIT
 *
 * tools: the tool calls of an answer as one JSON array in answer->tool_calls:
 *
 *     [{"id":"call_1","name":"weather","arguments":"{\"city\":\"Ulm\"}"}, ...]
 *
 * `arguments` is always a text, because that is how they come in pieces; a provider's object is
 * written as its JSON. What the provider does not say is left out. For the dialects only.
 *
 * Nothing here fails but for memory (ERR_NOMEM). At the buffer's limit the call under way keeps
 * what fits, answer->tools_cut is set, and nothing is appended after that. Without a buffer nothing
 * happens.
 */
#ifndef AIGW_LLM_TOOLS_H
#define AIGW_LLM_TOOLS_H

#include "llm/call.h"
#include "wire/json.h"

/* What of one call was found in a text; zeroed is nothing. */
struct tool_piece {
	struct json_token id, name, arguments;
	bool has_id, has_name, has_arguments, has_index;
	uint64_t index;
};

/* Where the buffer stands, to go back to it. */
struct tools_mark {
	size_t len;
	bool cut;
	uint64_t index;
	uint32_t state;
};

struct tools_mark tools_mark(const struct answer *a);
void tools_back(struct answer *a, struct tools_mark mark);

/* A new call begins; id and name from `piece`. */
MUST_USE enum err tools_begin(struct answer *a, const struct tool_piece *piece);
/* More of the arguments of the call under way: a string token's text as it stands, or the JSON of a
 * container that begins at the token, in `text`. */
MUST_USE enum err tools_put(struct answer *a, struct bytes text, const struct json_token *value);
/* A piece of OpenAI's kind, which begins a call or goes on with one; empties *piece. */
MUST_USE enum err tools_add(struct answer *a, struct bytes text, struct tool_piece *piece);
/* The answer is over: closes the array, if there is one. */
MUST_USE enum err tools_end(struct answer *a);

#endif
