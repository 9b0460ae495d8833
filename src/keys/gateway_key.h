/* SPDX-License-Identifier: MIT
 *
 * gateway_key: the text of a gateway key, which a program holds in place of a provider's:
 *
 *     aigw-ENVIRONMENT-DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD
 *
 * ENVIRONMENT is the name of an environment of the policy (letters, digits, "-", "_", at most 63).
 * The 43 digits (0-9 A-Z a-z, in this order, base 62, most significant first, filled up with 0) are
 * a number of 256 bits, big-endian: 28 random bytes, then 4 of a checksum: the first of
 * SHA-256("aigw gateway key 1", 0, ENVIRONMENT, 0, the 28 bytes). A mistyped or cut key is told
 * from an unknown one without a look at the store; the checksum is of no help to who guesses.
 * Scanners find keys by \baigw-[A-Za-z0-9][A-Za-z0-9_-]{0,62}-[0-9A-Za-z]{43}\b.
 *
 * Pure. A key's text is a secret: who holds one wipes it.
 */
#ifndef AIGW_KEYS_GATEWAY_KEY_H
#define AIGW_KEYS_GATEWAY_KEY_H

#include "base/bytes.h"

#define GATEWAY_KEY_PREFIX       "aigw-"
#define GATEWAY_KEY_DIGITS       43
#define GATEWAY_KEY_SECRET_BYTES 28
#define GATEWAY_KEY_NAME_MAX     63 /* of an environment, a key, an application, a provider */
#define GATEWAY_KEY_BYTES_MAX                                                                      \
	(sizeof GATEWAY_KEY_PREFIX - 1 + GATEWAY_KEY_NAME_MAX + 1 + GATEWAY_KEY_DIGITS)

/* Does it begin as gateway keys do? It may be a mistyped one then. */
bool gateway_key_claims(struct bytes text);

/* A whole key; *ret_environment is a view into the text. ERR_BAD: none, or mistyped. */
MUST_USE enum err gateway_key_parse(struct bytes text, struct bytes *ret_environment);

/* The text of a key, with a NUL behind. ERR_BAD: `environment` is no name of one. */
MUST_USE enum err gateway_key_put(struct bytes environment,
				  const uint8_t secret[GATEWAY_KEY_SECRET_BYTES],
				  char ret_text[GATEWAY_KEY_BYTES_MAX + 1]);

/* Letters, digits, "-" and "_", beginning with one of the first two, at most
 * GATEWAY_KEY_NAME_MAX: what the policy takes for a name. */
bool gateway_key_is_name(struct bytes text);

#endif
