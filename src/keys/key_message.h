/* SPDX-License-Identifier: MIT
 *
 * key_message: the datagrams of include/aigw/keyhold.h, made and taken apart.
 *
 * Pure. Views are into what was given.
 */
#ifndef AIGW_KEYS_KEY_MESSAGE_H
#define AIGW_KEYS_KEY_MESSAGE_H

#include "aigw/keyhold.h"
#include "keys/key_store.h"

#define KEY_ASK_BYTES_MAX                                                                          \
	(sizeof(struct keyhold_head) + 2 + GATEWAY_KEY_BYTES_MAX + 2 + GATEWAY_KEY_NAME_MAX)
#define KEY_ENTRY_BYTES_MAX UINT16_MAX

/* Appends a question. ERR_LIMIT, ERR_NOMEM. */
MUST_USE enum err key_ask_put(struct buf *out, struct bytes key, struct bytes provider);
/* ERR_BAD: no question, or more than one; ERR_UNSUPPORTED: of a later version. The key may be any
 * text. */
MUST_USE enum err key_ask_parse(struct bytes datagram, struct bytes *ret_key,
				struct bytes *ret_provider);

struct key_answer {
	enum keyhold_status status;
	enum key_verdict verdict;
	size_t secret_bytes, entry_bytes;
};

void key_answer_make(const struct key_answer *a, struct keyhold_head *ret_head);
/* Of an answer whose secret field and whose entry (`entry_bytes` received) are elsewhere. ERR_BAD:
 * none, or lengths and codes that none has; ERR_UNSUPPORTED. */
MUST_USE enum err key_answer_parse(const struct keyhold_head *head, size_t entry_bytes,
				   struct key_answer *ret_answer);

#endif
