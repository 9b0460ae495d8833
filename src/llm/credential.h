/* SPDX-License-Identifier: MIT
 *
 * credential: where keys stand in requests, and how a text is written down without them.
 *
 * Pure. The list of header names is that of providers' documentation and SDKs (OpenAI, Anthropic,
 * Google, Azure, AWS, Cohere) plus the usual cookies.
 */
#ifndef AIGW_LLM_CREDENTIAL_H
#define AIGW_LLM_CREDENTIAL_H

#include "base/bytes.h"

#define CREDENTIAL_PREFIX_MAX 16

/* A header whose value is a secret or holds one. Any case. */
bool credential_is_header(struct bytes name);

/* A query parameter likewise, or one that bears the name of such a header. Any case; it may be
 * percent-encoded. */
bool credential_is_parameter(struct bytes name);

/* What percent-encoded text means (RFC 3986 2.1), in `room` where anything is encoded. As it is:
 * what does not fit there, and a "%" that encodes nothing. */
struct bytes credential_decode(struct bytes text, uint8_t *room, size_t room_bytes);
#define CREDENTIAL_NAME_BYTES_MAX 64 /* decoded, of a parameter's name */

/* The key itself in such a header's value, or among the subprotocols of a WebSocket: "Bearer sk-1"
 * and "realtime, openai-insecure-api-key.sk-1" give "sk-1"; empty for cookies. */
struct bytes credential_of_header(struct bytes name, struct bytes value);

/* The public beginning of a key, "sk-ant" of "sk-ant-api03-...": at most two short words, and only
 * when far more of the key follows. Empty otherwise. Not copied. */
struct bytes credential_prefix(struct bytes key);

/* Appends "name: value\r\n" with the value replaced by "redacted" where it is a secret; of
 * WebSocket subprotocols, only the key among them. */
MUST_USE enum err credential_put_header(struct buf *out, struct bytes name, struct bytes value);

/* Appends a request target with the values of key-bearing query parameters (also those that bear
 * the name of such a header) and "user:password" before an authority replaced. */
MUST_USE enum err credential_put_target(struct buf *out, struct bytes target);

/* Appends any text (a command line, its arguments ended by NUL) with what looks like a key
 * replaced: everything up to the end of the argument behind a key-bearing header name (also
 * API_KEY=... and the argument that follows --api-key), and words that begin as providers' keys do.
 */
MUST_USE enum err credential_put_text(struct buf *out, struct bytes text);

#endif
