/* SPDX-License-Identifier: MIT
 *
 * quic_kit: protects Initial packets as a QUIC client does (RFC 9001 5), with the room's own
 * ciphers, which test_quic_initial holds against the RFC's.
 */
#ifndef AIGW_TESTS_QUIC_KIT_H
#define AIGW_TESTS_QUIC_KIT_H

#include <string.h>

#include "hello_kit.h"
#include "wire/aes.h"
#include "wire/quic_initial.h"

struct kit_initial {
	uint32_t version;
	struct bytes cid, keyed_by; /* keyed_by: empty: cid */
	struct bytes token;
	uint64_t number;
	unsigned number_bytes; /* 1 to 4; 0: 4 */
	unsigned type_bits;    /* added to the first byte */
};

static inline void kit_put_varint(struct buf *b, uint64_t v)
{
	kit_put(b, v | (uint64_t)2 << 30, 4);
}

static inline void kit_xor(uint8_t *at, const uint8_t *with, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] ^= with[i];
}

/* Appends the packet with these frames to *datagram. */
static inline void kit_put_initial(struct buf *datagram, struct kit_initial p, struct bytes frames)
{
	unsigned width = p.number_bytes ? p.number_bytes : 4;
	struct quic_initial_keys keys;
	struct buf head = {0}, text = {0};
	uint8_t block[AES_BLOCK_BYTES], iv[AES_IV_BYTES];
	struct aes_gcm gcm;
	struct aes header_cipher;

	kit_must(quic_initial_derive(p.version, p.keyed_by.len ? p.keyed_by : p.cid, &keys));
	kit_put(&head, 0xc0u | (p.version == QUIC_V2 ? 0x10 : 0) | p.type_bits | (width - 1), 1);
	kit_put(&head, p.version, 4);
	kit_put_sized(&head, 1, kit_bytes(p.cid));
	kit_put(&head, 0, 1);
	kit_must(buf_put_u8(&head, (uint8_t)p.token.len));
	kit_must(buf_put(&head, p.token));
	kit_put(&head, 0x4000 | (width + frames.len + AES_BLOCK_BYTES), 2);
	size_t number_at = head.len;
	kit_put(&head, p.number, (int)width);

	memcpy(iv, keys.iv, sizeof iv);
	for (int i = 0; i < 8; i++)
		iv[sizeof iv - 1 - (size_t)i] ^= (uint8_t)(p.number >> (8 * i));
	aes_gcm_init(&gcm, keys.key, AES128_KEY_BYTES, iv);
	kit_must(buf_put(&text, frames));
	for (size_t at = 0; at < text.len; at += AES_BLOCK_BYTES) {
		aes_gcm_key_block(&gcm, (uint32_t)(at / AES_BLOCK_BYTES), block);
		kit_xor(text.at + at, block,
			bytes_from(buf_view(&text), at).len < AES_BLOCK_BYTES ? text.len - at
									      : AES_BLOCK_BYTES);
	}
	aes_gcm_put_header(&gcm, buf_view(&head));
	aes_gcm_put_cipher(&gcm, buf_view(&text));
	aes_gcm_end(&gcm, block);
	kit_must(buf_put(&text, bytes_of(block, sizeof block)));

	aes_init(&header_cipher, keys.header_key, AES128_KEY_BYTES);
	aes_encrypt(&header_cipher, text.at + 4 - width, block);
	head.at[0] ^= block[0] & 0x0f;
	kit_xor(head.at + number_at, block + 1, width);
	kit_must(buf_put(datagram, buf_view(&head)));
	kit_must(buf_put(datagram, buf_view(&text)));
	buf_done(&head);
	buf_done(&text);
}

/* A CRYPTO frame with the part [from, from + len) of the handshake. */
static inline void kit_put_crypto(struct buf *frames, struct bytes handshake, size_t from,
				  size_t len)
{
	struct bytes part = bytes_slice(handshake, from, len);

	kit_put(frames, 6, 1);
	kit_put_varint(frames, from);
	kit_put_varint(frames, part.len);
	kit_must(buf_put(frames, part));
}

#endif
