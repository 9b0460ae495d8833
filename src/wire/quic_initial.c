/* SPDX-License-Identifier: MIT */
#include "wire/quic_initial.h"

#include <string.h>

#include "wire/aes.h"
#include "wire/sha256.h"

#define LONG_HEADER        0x80 /* RFC 9000 17.2 */
#define TYPE_BITS          0x30
#define TYPE_INITIAL_V1    0x00
#define TYPE_INITIAL_V2    0x10 /* RFC 9369 3.2 */
#define TYPE_RETRY_V1      0x30
#define TYPE_RETRY_V2      0x00
#define PROTECTED_BITS     0x0f /* of a long header's first byte, RFC 9001 5.4.1 */
#define NUMBER_LENGTH_BITS 0x03
#define NUMBER_BYTES_MAX   4
#define LABEL_MAX          16   /* of those below */
#define FRAME_PADDING      0x00 /* RFC 9000 19 */
#define FRAME_PING         0x01
#define FRAME_ACK          0x02
#define FRAME_ACK_ECN      0x03
#define FRAME_CRYPTO       0x06
#define FRAME_CLOSE        0x1c

/* ---- keys */

static const uint8_t salt_v1[] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
				  0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
static const uint8_t salt_v2[] = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
				  0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};

/* HKDF-Expand-Label (RFC 8446 7.1) without context, for one hash of output at most. */
static void expand(const uint8_t secret[SHA256_BYTES], const char *label, size_t len,
		   uint8_t *ret_out)
{
	static const char prefix[] = "tls13 ";
	uint8_t info[2 + 1 + sizeof prefix + LABEL_MAX + 1 + 1], out[SHA256_BYTES];
	size_t label_len = strlen(label), at = 0;

	info[at++] = 0;
	info[at++] = (uint8_t)len;
	info[at++] = (uint8_t)(sizeof prefix - 1 + label_len);
	memcpy(info + at, prefix, sizeof prefix - 1);
	at += sizeof prefix - 1;
	memcpy(info + at, label, label_len);
	at += label_len;
	info[at++] = 0; /* no context */
	info[at++] = 1; /* the first block of output, RFC 5869 2.3 */
	sha256_hmac(bytes_of(secret, SHA256_BYTES), bytes_of(info, at), out);
	memcpy(ret_out, out, len);
}

enum err quic_initial_derive(uint32_t version, struct bytes cid, struct quic_initial_keys *ret_keys)
{
	bool is_v2 = version == QUIC_V2;
	struct bytes salt = is_v2 ? bytes_of(salt_v2, sizeof salt_v2)
				  : bytes_of(salt_v1, sizeof salt_v1);
	struct quic_initial_keys k = {.version = version, .cid_bytes = (uint8_t)cid.len};
	uint8_t initial[SHA256_BYTES], client[SHA256_BYTES];

	if (version != QUIC_V1 && version != QUIC_V2)
		return ERR_UNSUPPORTED;
	if (cid.len > QUIC_INITIAL_CID_MAX)
		return ERR_LIMIT;
	if (cid.len)
		memcpy(k.cid, cid.at, cid.len);
	sha256_hmac(salt, cid, initial);
	expand(initial, "client in", sizeof client, client);
	expand(client, is_v2 ? "quicv2 key" : "quic key", sizeof k.key, k.key);
	expand(client, is_v2 ? "quicv2 iv" : "quic iv", sizeof k.iv, k.iv);
	expand(client, is_v2 ? "quicv2 hp" : "quic hp", sizeof k.header_key, k.header_key);
	*ret_keys = k;
	return OK;
}

/* ---- packets */

struct packet {
	uint32_t version;
	bool is_initial;
	struct bytes cid;  /* of the destination */
	struct bytes head; /* up to the packet's number */
	struct bytes body; /* number and payload, protected */
};

static uint64_t take_big_endian(struct cursor *c, size_t width)
{
	uint64_t v = 0;

	while (width--)
		v = v << 8 | cursor_u8(c);
	return v;
}

/* RFC 9000 16. */
static uint64_t take_varint(struct cursor *c)
{
	uint8_t first = cursor_u8(c);
	uint64_t v = first & 0x3f;

	for (int more = (1 << (first >> 6)) - 1; more > 0; more--)
		v = v << 8 | cursor_u8(c);
	return v;
}

static struct bytes take_sized(struct cursor *c, uint64_t len)
{
	if (len > cursor_left(c)) {
		c->bad = true;
		return BYTES_NONE;
	}
	return cursor_take(c, (size_t)len);
}

/* Cuts the packet in front off *rest. RFC 9000 17.2, 12.2. */
static enum err next_packet(struct bytes *rest, struct packet *ret_packet)
{
	struct cursor c = cursor_over(*rest);
	uint8_t first = cursor_u8(&c), type = first & TYPE_BITS;
	struct packet p = {.version = (uint32_t)take_big_endian(&c, 4)};
	bool is_v2 = p.version == QUIC_V2;

	if (c.bad || !(first & LONG_HEADER) || (p.version != QUIC_V1 && !is_v2) ||
	    type == (is_v2 ? TYPE_RETRY_V2 : TYPE_RETRY_V1))
		return ERR_BAD;
	p.is_initial = type == (is_v2 ? TYPE_INITIAL_V2 : TYPE_INITIAL_V1);
	p.cid = take_sized(&c, cursor_u8(&c));
	take_sized(&c, cursor_u8(&c)); /* of the source */
	if (p.is_initial)
		take_sized(&c, take_varint(&c)); /* the token */
	uint64_t len = take_varint(&c);
	p.head = bytes_slice(*rest, 0, rest->len - cursor_left(&c));
	p.body = take_sized(&c, len);
	if (c.bad || p.cid.len > QUIC_INITIAL_CID_MAX)
		return ERR_BAD;
	*rest = bytes_from(*rest, rest->len - cursor_left(&c));
	*ret_packet = p;
	return OK;
}

/* RFC 9000 A.3: the number near the expected one that ends in these bits. */
static uint64_t whole_number(uint64_t expected, uint64_t truncated, size_t width)
{
	uint64_t window = (uint64_t)1 << (8 * width), half = window / 2;
	uint64_t number = (expected & ~(window - 1)) | truncated;

	if (number + half <= expected)
		return number + window;
	if (number > expected + half && number >= window)
		return number - window;
	return number;
}

struct opened {
	struct aes_gcm gcm;
	struct bytes cipher; /* the frames */
	uint64_t number;
};

/* Removes the header's protection (RFC 9001 5.4) and authenticates (5.3). */
static bool open_packet(const struct quic_initial_keys *k, const struct packet *p,
			uint64_t expected_number, struct opened *ret_opened)
{
	struct opened *o = ret_opened;
	struct aes header_cipher;
	uint8_t mask[AES_BLOCK_BYTES], tag[AES_BLOCK_BYTES], iv[AES_IV_BYTES];
	uint8_t number[NUMBER_BYTES_MAX];
	uint64_t truncated = 0;

	/* the sample lies where the cipher text would be behind the longest number */
	if (p->body.len < NUMBER_BYTES_MAX + AES_BLOCK_BYTES)
		return false;
	aes_init(&header_cipher, k->header_key, AES128_KEY_BYTES);
	aes_encrypt(&header_cipher, p->body.at + NUMBER_BYTES_MAX, mask);
	uint8_t first = p->head.at[0] ^ (mask[0] & PROTECTED_BITS);
	size_t width = (first & NUMBER_LENGTH_BITS) + 1u;
	for (size_t i = 0; i < width; i++) {
		number[i] = p->body.at[i] ^ mask[1 + i];
		truncated = truncated << 8 | number[i];
	}
	o->number = whole_number(expected_number, truncated, width);
	memcpy(iv, k->iv, sizeof iv);
	for (size_t i = 0; i < 8; i++)
		iv[sizeof iv - 1 - i] ^= (uint8_t)(o->number >> (8 * i));
	o->cipher = bytes_slice(p->body, width, p->body.len - width - AES_BLOCK_BYTES);
	aes_gcm_init(&o->gcm, k->key, AES128_KEY_BYTES, iv);
	aes_gcm_put_header(&o->gcm, bytes_of(&first, 1));
	aes_gcm_put_header(&o->gcm, bytes_from(p->head, 1));
	aes_gcm_put_header(&o->gcm, bytes_of(number, width));
	aes_gcm_put_cipher(&o->gcm, o->cipher);
	aes_gcm_end(&o->gcm, tag);
	return memcmp(tag, p->body.at + p->body.len - AES_BLOCK_BYTES, AES_BLOCK_BYTES) == 0;
}

/* ---- frames, read from the packet as it is decrypted */

struct text {
	const struct opened *from;
	size_t at;
	uint8_t key_block[AES_BLOCK_BYTES];
	bool bad; /* read past the end */
};

static bool has_more(const struct text *t)
{
	return !t->bad && t->at < t->from->cipher.len;
}

static uint8_t text_u8(struct text *t)
{
	size_t in_block = t->at % AES_BLOCK_BYTES;

	if (!has_more(t)) {
		t->bad = true;
		return 0;
	}
	if (in_block == 0)
		aes_gcm_key_block(&t->from->gcm, (uint32_t)(t->at / AES_BLOCK_BYTES), t->key_block);
	return t->from->cipher.at[t->at++] ^ t->key_block[in_block];
}

static uint64_t text_varint(struct text *t)
{
	uint8_t first = text_u8(t);
	uint64_t v = first & 0x3f;

	for (int more = (1 << (first >> 6)) - 1; more > 0; more--)
		v = v << 8 | text_u8(t);
	return v;
}

static void skip_varints(struct text *t, uint64_t count)
{
	while (count-- && !t->bad)
		text_varint(t);
}

static bool is_filled(const struct quic_initial *q, size_t at)
{
	return q->filled[at / 8] >> at % 8 & 1;
}

/* RFC 9000 19.6. What lies behind the room is passed over: it is missed when it is needed. */
static enum err take_crypto(struct quic_initial *q, struct text *t)
{
	uint64_t offset = text_varint(t), len = text_varint(t);

	for (uint64_t at = offset; at < offset + len && !t->bad; at++) {
		uint8_t byte = text_u8(t);
		if (t->bad || at >= QUIC_INITIAL_CRYPTO_MAX)
			continue;
		if (is_filled(q, at) && q->crypto[at] != byte)
			return ERR_AMBIGUOUS; /* two hellos, and the server picks */
		q->crypto[at] = byte;
		q->filled[at / 8] |= (uint8_t)(1u << at % 8);
	}
	return OK;
}

/* RFC 9000 19.3. */
static void skip_ack(struct text *t, bool has_ecn)
{
	skip_varints(t, 2);
	uint64_t ranges = text_varint(t);
	skip_varints(t, 1);
	for (; ranges && !t->bad; ranges--)
		skip_varints(t, 2);
	skip_varints(t, has_ecn ? 3 : 0);
}

/* RFC 9000 19.19. */
static void skip_close(struct text *t)
{
	skip_varints(t, 2);
	for (uint64_t left = text_varint(t); left && !t->bad; left--)
		text_u8(t);
}

static enum err take_frames(struct quic_initial *q, const struct opened *o)
{
	struct text t = {.from = o};
	enum err e = OK;

	while (!e && has_more(&t)) {
		switch (text_varint(&t)) {
		case FRAME_PADDING:
		case FRAME_PING:
			break;
		case FRAME_ACK:
			skip_ack(&t, false);
			break;
		case FRAME_ACK_ECN:
			skip_ack(&t, true);
			break;
		case FRAME_CRYPTO:
			e = take_crypto(q, &t);
			break;
		case FRAME_CLOSE:
			skip_close(&t);
			break;
		default: /* RFC 9000 17.2.2: not in an Initial packet */
			return ERR_BAD;
		}
	}
	return !e && t.bad ? ERR_BAD : e;
}

/* ---- the connection */

/* With the keys at hand, or else with those of the packet itself, which begins anew. */
static enum err take_initial(struct quic_initial *q, const struct packet *p)
{
	bool may_open = q->has_opened && q->keys.version == p->version;
	bool is_same = may_open && bytes_equal(bytes_of(q->keys.cid, q->keys.cid_bytes), p->cid);
	struct quic_initial_keys k;
	struct opened o;

	if (!may_open || !open_packet(&q->keys, p, q->next_number, &o)) {
		if (is_same || quic_initial_derive(p->version, p->cid, &k) ||
		    !open_packet(&k, p, 0, &o))
			return ERR_BAD;
		*q = (struct quic_initial){.has_opened = true, .keys = k};
	}
	if (o.number >= q->next_number)
		q->next_number = o.number + 1;
	if (!q->stopped)
		q->stopped = take_frames(q, &o);
	return OK;
}

/* Hands on what follows without a gap. */
static enum err read_hello(struct quic_initial *q)
{
	size_t from = q->read_bytes, to = from;

	while (to < QUIC_INITIAL_CRYPTO_MAX && is_filled(q, to))
		to++;
	q->read_bytes = to;
	enum err e = client_hello_feed_message(&q->hello, bytes_of(q->crypto + from, to - from));
	return e == ERR_MORE && to == QUIC_INITIAL_CRYPTO_MAX ? ERR_LIMIT : e;
}

enum err quic_initial_feed(struct quic_initial *q, struct bytes datagram)
{
	struct packet p;
	bool any = false;

	while (datagram.len && !next_packet(&datagram, &p))
		if (p.is_initial && !take_initial(q, &p))
			any = true;
	if (!any)
		return ERR_BAD;
	if (q->stopped)
		return q->stopped;
	enum err e = read_hello(q);
	if (e != ERR_MORE)
		q->stopped = e;
	return e;
}
