/* SPDX-License-Identifier: MIT
 *
 * conversation: what program and provider say to each other on a WebSocket (OpenAI's realtime and
 * responses, Gemini's live API), read on the side: the messages as text for the record, the usage
 * that the provider tells on the way, who closed it and why.
 *
 * Pure. Nothing here fails as far as the two sides are concerned: what cannot be read ends the
 * reading of its direction, and `problem` says so.
 */
#ifndef AIGW_LLM_CONVERSATION_H
#define AIGW_LLM_CONVERSATION_H

#include "llm/dialect.h"
#include "wire/websocket.h"

/* Text of both sides that is recorded of one connection; what comes after it is read for its usage
 * only. */
#define CONVERSATION_TEXT_BYTES_MAX (64u << 20)

enum speaker { SPEAKER_PROGRAM, SPEAKER_PROVIDER, SPEAKER_COUNT };

/* Where the text of messages goes, each followed by a line feed. False: it is not kept. */
typedef bool conversation_keep(void *context, enum speaker speaker, struct bytes text);

struct conversation {
	const struct dialect *dialect; /* NULL: messages are kept, not read */
	struct websocket sides[SPEAKER_COUNT];
	bool unread[SPEAKER_COUNT]; /* the direction cannot be read any more */
	bool has_closed[SPEAKER_COUNT];
	uint64_t bytes[SPEAKER_COUNT];    /* on the wire */
	uint64_t messages[SPEAKER_COUNT]; /* text and binary */
	uint64_t text_bytes;              /* given to be kept */
	uint64_t turns;                   /* messages of the provider that told usage */
	enum speaker closed_by;           /* when one has: the first one */
	uint16_t close_code;
	const char *problem; /* why not all is recorded, constant; NULL: it is */
	/* usage: the sum of what the provider told. tool_calls: where those of all messages go,
	 * which the owner may set before the first one and ends (tools_end). */
	struct answer answer;
	size_t model_len; /* of the model that the program names on the way; 0: none */
	char model[MODEL_BYTES_MAX + 1];
	conversation_keep *keep;
	void *context;
};

/* `agreed`: what the answer's Sec-WebSocket-Extensions say. NULL: they cannot be followed, and no
 * message is read. ERR_NOMEM. */
MUST_USE enum err conversation_new(const struct dialect *dialect,
				   const struct websocket_extensions *agreed,
				   conversation_keep *keep, void *context,
				   struct conversation **ret_conversation);
void conversation_free(struct conversation *c); /* NULL is fine */

/* Bytes that went that way. */
void conversation_feed(struct conversation *c, enum speaker speaker, struct bytes in);

/* Both sides have said that they are done: nothing is to come. */
bool conversation_is_over(const struct conversation *c);
/* One side has, for a reason that is no failure (1000, 1001, or none given). */
bool conversation_is_complete(const struct conversation *c);
bool conversation_has_closed(const struct conversation *c);

#endif
