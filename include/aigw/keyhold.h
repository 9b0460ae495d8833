/* SPDX-License-Identifier: MIT
 *
 * keyhold: what programs and the key holder (aigwd --hold-keys) say to each other: one datagram of
 * a SOCK_SEQPACKET socket each way. All numbers are little-endian.
 *
 * A program asks what a gateway key is worth for a provider (ASK: this head, then two texts of a
 * length in 2 bytes each: the key, the provider). The holder looks at who asks, as the kernel says,
 * and answers (ANSWER: this head, then the provider's key in a field of fixed size, filled up with
 * zeros, then the key's entry as in the store). docs/keys.md, "The key holder".
 */
#ifndef AIGW_KEYHOLD_H
#define AIGW_KEYHOLD_H

#include <stddef.h>
#include <stdint.h>

#define KEYHOLD_SOCKET    "/run/aigw/keys.sock"
#define KEYHOLD_DIRECTORY "/var/lib/aigw/keys"

#define KEYHOLD_MAGIC                                                                              \
	"\xA1"                                                                                     \
	"gwk"
#define KEYHOLD_VERSION      1
#define KEYHOLD_SECRET_BYTES 4096

enum keyhold_type { KEYHOLD_ASK = 1, KEYHOLD_ANSWER = 64 };

enum keyhold_status {
	KEYHOLD_JUDGED = 0,        /* `verdict` says what the key is worth */
	KEYHOLD_OTHER_USER = 1,    /* it is for processes of another user */
	KEYHOLD_OTHER_PROGRAM = 2, /* it is for another program */
	KEYHOLD_TROUBLE = 3,       /* the holder cannot read its store */
};

struct keyhold_head {
	uint8_t magic[4];
	uint16_t version;
	uint16_t type;
	uint16_t status;       /* of an answer */
	uint16_t verdict;      /* an enum key_verdict (src/keys/key_store.h) */
	uint16_t secret_bytes; /* of the provider's key; 0: none is stored, or none given out */
	uint16_t entry_bytes;  /* 0: the key is not known */
};

_Static_assert(sizeof(struct keyhold_head) == 16, "keyhold_head");
_Static_assert(offsetof(struct keyhold_head, secret_bytes) == 12, "keyhold_head.secret_bytes");

#endif
