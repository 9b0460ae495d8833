/* SPDX-License-Identifier: MIT
 *
 * seal_aes: AES-256-GCM (FIPS 197, NIST SP 800-38D) as seal_encrypt makes it, on processors that
 * work on four blocks at once (VAES and VPCLMULQDQ on 512 bits: Intel from Ice Lake, AMD from
 * Zen 4): five times as fast there as libsodium's, which takes one at a time. The bytes are the
 * same. Reading stays with libsodium.
 *
 * Its time depends on lengths only. Pure, no allocation; the only global is what the processor can.
 */
#ifndef AIGW_AUDIT_SEAL_AES_H
#define AIGW_AUDIT_SEAL_AES_H

#include "base/bytes.h"

#define SEAL_AES_KEY_BYTES 32
#define SEAL_AES_IV_BYTES  12
#define SEAL_AES_TAG_BYTES 16

/* The processor and the kernel can; else the other function must not be called. */
bool seal_aes_is_here(void);

/* Writes plain.len bytes to ret_cipher, which may be plain.at but not overlap it otherwise. An iv
 * is used once with a key. At most 2^32 - 2 blocks. */
void seal_aes_encrypt(const uint8_t key[SEAL_AES_KEY_BYTES], const uint8_t iv[SEAL_AES_IV_BYTES],
		      struct bytes header, struct bytes plain, uint8_t *ret_cipher,
		      uint8_t ret_tag[SEAL_AES_TAG_BYTES]);

#endif
