/* SPDX-License-Identifier: MIT */
#include "audit/seal.h"

#include <sodium.h>
#include <string.h>

#include "audit/seal_aes.h"
#include "base/sys.h"
#include "wire/aes.h"

#define AES_NONCE_AT (SEAL_NONCE_BYTES - AES_IV_BYTES)

_Static_assert(SEAL_KEY_BYTES == crypto_box_PUBLICKEYBYTES, "X25519");
_Static_assert(SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert(SEAL_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(SEAL_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(SEAL_SIGNATURE_BYTES == crypto_sign_BYTES, "Ed25519");
_Static_assert(SEAL_KEY_BYTES == crypto_sign_SEEDBYTES, "Ed25519");
_Static_assert(2 * SEAL_KEY_BYTES == crypto_sign_SECRETKEYBYTES, "Ed25519");
_Static_assert(SEAL_BOX_BYTES == SEAL_KEY_BYTES + crypto_box_SEALBYTES, "box");
_Static_assert(sizeof(struct seal_digest_state) >= sizeof(crypto_generichash_blake2b_state), "");
_Static_assert(sizeof(struct seal_sha256_state) >= sizeof(crypto_hash_sha256_state), "");
_Static_assert(sizeof(struct seal_sha256_state) >= sizeof(struct sha256), "");
_Static_assert(SEAL_KEY_BYTES == crypto_aead_aes256gcm_KEYBYTES, "key");
_Static_assert(SEAL_KEY_BYTES == AES256_KEY_BYTES, "key");
_Static_assert(AES_IV_BYTES == crypto_aead_aes256gcm_NPUBBYTES, "nonce");
_Static_assert(SEAL_TAG_BYTES == crypto_aead_aes256gcm_ABYTES, "tag");
_Static_assert(SEAL_KEY_BYTES == SEAL_AES_KEY_BYTES, "key");
_Static_assert(AES_IV_BYTES == SEAL_AES_IV_BYTES, "nonce");
_Static_assert(SEAL_TAG_BYTES == SEAL_AES_TAG_BYTES, "tag");

/* ---- libsodium without its own way to randomness, which opens files ---- */

static uint32_t random_failed; /* atomic */

static const char *random_name(void)
{
	return "aigw";
}

static void random_fill(void *at, const size_t len)
{
	if (sys_random(at, len)) {
		memset(at, 0, len);
		__atomic_store_n(&random_failed, 1, __ATOMIC_RELAXED);
	}
}

static uint32_t random_word(void)
{
	uint32_t word;

	random_fill(&word, sizeof word);
	return word;
}

static randombytes_implementation random_source = {
	.implementation_name = random_name,
	.random = random_word,
	.buf = random_fill,
};

enum err seal_init(void)
{
	static uint32_t ready;

	if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		return OK;
	/* Nothing below asks libsodium for randomness; it takes some itself, for a canary. */
	randombytes_set_implementation(&random_source);
	if (sodium_init() < 0 || __atomic_load_n(&random_failed, __ATOMIC_RELAXED))
		return ERR_IO;
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	return OK;
}

/* ---- bech32 (BIP 173): HRP, "1", 5-bit groups, a checksum of six ---- */

#define CHECKSUM_CHARS 6
#define KEY_GROUPS     52 /* 32 bytes in groups of five bits, the last padded with four zeros */
#define HRP_CHARS_MAX  16
#define KEY_CHARS_MAX  (HRP_CHARS_MAX + 1 + KEY_GROUPS + CHECKSUM_CHARS)
#define RECIPIENT_HRP  "aigw"
#define IDENTITY_HRP   "aigw-secret-key-"
#define SIGNER_HRP     "aigw-sign-key-"
#define SIGNER_PUB_HRP "aigw-sign"

_Static_assert(KEY_CHARS_MAX < RECIPIENT_CHARS_MAX && KEY_CHARS_MAX < IDENTITY_CHARS_MAX, "");

static const char bech32_digits[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static uint32_t bech32_step(uint32_t sum, uint8_t group)
{
	static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
					      0x2a1462b3};
	uint32_t top = sum >> 25;

	sum = (sum & 0x1ffffff) << 5 ^ group;
	for (int i = 0; i < 5; i++)
		if (top >> i & 1)
			sum ^= generator[i];
	return sum;
}

static uint32_t bech32_sum_hrp(struct bytes hrp)
{
	uint32_t sum = 1;

	for (size_t i = 0; i < hrp.len; i++)
		sum = bech32_step(sum, hrp.at[i] >> 5);
	sum = bech32_step(sum, 0);
	for (size_t i = 0; i < hrp.len; i++)
		sum = bech32_step(sum, hrp.at[i] & 31);
	return sum;
}

static size_t put_key(struct bytes hrp, const uint8_t key[SEAL_KEY_BYTES], char *ret_text)
{
	uint32_t sum = bech32_sum_hrp(hrp);
	size_t at = hrp.len;

	memcpy(ret_text, hrp.at, hrp.len);
	ret_text[at++] = '1';
	for (size_t i = 0; i < KEY_GROUPS; i++) {
		uint8_t group = 0;
		for (size_t bit = i * 5; bit < i * 5 + 5; bit++) {
			group = (uint8_t)(group << 1);
			if (bit < SEAL_KEY_BYTES * 8)
				group |= key[bit / 8] >> (7 - bit % 8) & 1;
		}
		sum = bech32_step(sum, group);
		ret_text[at++] = bech32_digits[group];
	}
	for (size_t i = 0; i < CHECKSUM_CHARS; i++)
		sum = bech32_step(sum, 0);
	sum ^= 1;
	for (size_t i = 0; i < CHECKSUM_CHARS; i++)
		ret_text[at++] = bech32_digits[sum >> (25 - 5 * i) & 31];
	ret_text[at] = '\0';
	return at;
}

/* To lower case; false when upper and lower are mixed, which BIP 173 forbids. */
static bool fold_case(struct bytes text, char *ret_folded)
{
	bool upper = false, lower = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];
		upper |= c >= 'A' && c <= 'Z';
		lower |= c >= 'a' && c <= 'z';
		ret_folded[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	return !(upper && lower);
}

static enum err parse_key(struct bytes hrp, struct bytes text, uint8_t ret_key[SEAL_KEY_BYTES])
{
	char folded[KEY_CHARS_MAX];
	uint8_t key[SEAL_KEY_BYTES] = {0};
	uint32_t sum = bech32_sum_hrp(hrp);
	enum err e = ERR_BAD;

	if (text.len != hrp.len + 1 + KEY_GROUPS + CHECKSUM_CHARS || !fold_case(text, folded))
		goto out;
	if (memcmp(folded, hrp.at, hrp.len) != 0 || folded[hrp.len] != '1')
		goto out;
	for (size_t i = 0; i < KEY_GROUPS + CHECKSUM_CHARS; i++) {
		char c = folded[hrp.len + 1 + i];
		const char *hit = c ? strchr(bech32_digits, c) : NULL;
		if (!hit)
			goto out;
		uint8_t group = (uint8_t)(hit - bech32_digits);
		sum = bech32_step(sum, group);
		for (size_t b = 0; b < 5 && i < KEY_GROUPS; b++) {
			size_t bit = i * 5 + b;
			uint8_t value = group >> (4 - b) & 1;
			if (bit < SEAL_KEY_BYTES * 8)
				key[bit / 8] |= (uint8_t)(value << (7 - bit % 8));
			else if (value)
				goto out;
		}
	}
	if (sum != 1)
		goto out;
	memcpy(ret_key, key, sizeof key);
	e = OK;
out:
	wipe(key, sizeof key);
	wipe(folded, sizeof folded);
	return e;
}

/* ---- recipients and identities ---- */

enum err seal_make_recipient(const uint8_t public_key[SEAL_KEY_BYTES],
			     struct recipient *ret_recipient)
{
	static const uint8_t any_scalar[32] = {8};
	uint8_t product[32], digest[SEAL_DIGEST_BYTES];
	struct bytes parts[] = {BYTES("aigw recipient v1"), bytes_of(public_key, SEAL_KEY_BYTES)};

	if (crypto_scalarmult_curve25519(product, any_scalar, public_key) != 0)
		return ERR_BAD;
	seal_digest(NULL, parts, 2, digest);
	memcpy(ret_recipient->public_key, public_key, SEAL_KEY_BYTES);
	memcpy(ret_recipient->key_id, digest, SEAL_KEY_ID_BYTES);
	return OK;
}

enum err seal_parse_recipient(struct bytes text, struct recipient *ret_recipient)
{
	uint8_t key[SEAL_KEY_BYTES];
	enum err e = parse_key(BYTES(RECIPIENT_HRP), text, key);

	return e ? e : seal_make_recipient(key, ret_recipient);
}

void seal_put_recipient(const struct recipient *r, char ret_text[RECIPIENT_CHARS_MAX])
{
	put_key(BYTES(RECIPIENT_HRP), r->public_key, ret_text);
}

static enum err make_identity(const uint8_t secret[SEAL_KEY_BYTES], struct identity *ret_identity)
{
	struct recipient recipient;
	uint8_t public_key[SEAL_KEY_BYTES];

	if (crypto_scalarmult_curve25519_base(public_key, secret) != 0 ||
	    seal_make_recipient(public_key, &recipient))
		return ERR_BAD;
	memcpy(ret_identity->secret_key, secret, SEAL_KEY_BYTES);
	ret_identity->recipient = recipient;
	return OK;
}

enum err seal_parse_identity(struct bytes text, struct identity *ret_identity)
{
	uint8_t secret[SEAL_KEY_BYTES];
	enum err e = parse_key(BYTES(IDENTITY_HRP), text, secret);

	if (!e)
		e = make_identity(secret, ret_identity);
	wipe(secret, sizeof secret);
	return e;
}

static void to_upper(char *text, size_t len)
{
	for (size_t at = 0; at < len; at++)
		if (text[at] >= 'a' && text[at] <= 'z')
			text[at] = (char)(text[at] - 32);
}

void seal_put_identity(const struct identity *i, char ret_text[IDENTITY_CHARS_MAX])
{
	to_upper(ret_text, put_key(BYTES(IDENTITY_HRP), i->secret_key, ret_text));
}

enum err seal_new_identity(struct identity *ret_identity)
{
	uint8_t secret[SEAL_KEY_BYTES];
	enum err e = sys_random(secret, sizeof secret);

	if (!e)
		e = make_identity(secret, ret_identity);
	wipe(secret, sizeof secret);
	return e;
}

/* ---- signers ---- */

void seal_make_signer(const uint8_t seed[SEAL_KEY_BYTES], struct signer *ret_signer)
{
	crypto_sign_seed_keypair(ret_signer->public_key, ret_signer->secret_key, seed);
}

enum err seal_new_signer(struct signer *ret_signer)
{
	uint8_t seed[SEAL_KEY_BYTES];
	enum err e = sys_random(seed, sizeof seed);

	if (!e)
		seal_make_signer(seed, ret_signer);
	wipe(seed, sizeof seed);
	return e;
}

enum err seal_parse_signer(struct bytes text, struct signer *ret_signer)
{
	uint8_t seed[SEAL_KEY_BYTES];
	enum err e = parse_key(BYTES(SIGNER_HRP), text, seed);

	if (!e)
		seal_make_signer(seed, ret_signer);
	wipe(seed, sizeof seed);
	return e;
}

void seal_put_signer(const struct signer *s, char ret_text[SIGNER_CHARS_MAX])
{
	to_upper(ret_text, put_key(BYTES(SIGNER_HRP), s->secret_key, ret_text));
}

enum err seal_parse_signer_public(struct bytes text, uint8_t ret_key[SEAL_KEY_BYTES])
{
	return parse_key(BYTES(SIGNER_PUB_HRP), text, ret_key);
}

void seal_put_signer_public(const uint8_t key[SEAL_KEY_BYTES], char ret_text[SIGNER_CHARS_MAX])
{
	put_key(BYTES(SIGNER_PUB_HRP), key, ret_text);
}

/* Label and content in one piece, in `room` when that is large enough, else in *ret_both. */
static enum err join(struct bytes label, struct bytes content, uint8_t room[SEAL_SIGNED_SMALL],
		     struct buf *ret_both, struct bytes *ret_message)
{
	size_t len = label.len + content.len;
	uint8_t *at = room;
	enum err e = len <= SEAL_SIGNED_SMALL ? OK : buf_reserve(ret_both, len);

	if (e)
		return e;
	if (len > SEAL_SIGNED_SMALL)
		at = ret_both->at;
	if (label.len)
		memcpy(at, label.at, label.len);
	if (content.len)
		memcpy(at + label.len, content.at, content.len);
	*ret_message = bytes_of(at, len);
	return OK;
}

enum err seal_sign(const struct signer *s, struct bytes label, struct bytes content,
		   uint8_t ret_signature[SEAL_SIGNATURE_BYTES])
{
	uint8_t room[SEAL_SIGNED_SMALL];
	struct buf both = {0};
	struct bytes message;
	enum err e = join(label, content, room, &both, &message);

	if (!e)
		crypto_sign_detached(ret_signature, NULL, message.at, message.len, s->secret_key);
	buf_done(&both);
	return e;
}

enum err seal_check_signature(const uint8_t key[SEAL_KEY_BYTES], struct bytes label,
			      struct bytes content, const uint8_t signature[SEAL_SIGNATURE_BYTES])
{
	uint8_t room[SEAL_SIGNED_SMALL];
	struct buf both = {0};
	struct bytes message;
	enum err e = join(label, content, room, &both, &message);

	if (!e && crypto_sign_verify_detached(signature, message.at, message.len, key) != 0)
		e = ERR_SEAL;
	buf_done(&both);
	return e;
}

/* ---- identities under a passphrase ---- */

#define LOCKED_WORD   "AIGW-LOCKED-KEY-1"
#define LOCKED_FAMILY "AIGW-LOCKED-KEY-"
#define LOCKED_KDF    "argon2id"
#define LOCKED_BOX    (SEAL_KEY_BYTES + SEAL_TAG_BYTES)

_Static_assert(crypto_pwhash_argon2id_SALTBYTES == 16, "Argon2id salt");

/* A line taken apart. */
struct locked {
	struct recipient recipient;
	uint64_t passes, memory_kib;
	uint8_t salt[crypto_pwhash_argon2id_SALTBYTES];
	uint8_t nonce[SEAL_NONCE_BYTES];
	uint8_t box[LOCKED_BOX];
	struct bytes bound; /* what the box is bound to: the line up to it */
};

static void hex_text(const uint8_t *at, size_t len, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		ret_text[2 * i] = digits[at[i] >> 4];
		ret_text[2 * i + 1] = digits[at[i] & 15];
	}
	ret_text[2 * len] = '\0';
}

static bool parse_hex(struct bytes text, uint8_t *ret_at, size_t len)
{
	if (text.len != 2 * len)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];
		uint8_t v = c >= '0' && c <= '9'   ? (uint8_t)(c - '0')
			    : c >= 'a' && c <= 'f' ? (uint8_t)(c - 'a' + 10)
						   : 255;
		if (v == 255)
			return false;
		ret_at[i / 2] = (uint8_t)(i % 2 ? ret_at[i / 2] | v : v << 4);
	}
	return true;
}

static enum err parse_locked(struct bytes text, struct locked *ret)
{
	struct bytes rest = text, word = bytes_cut(&rest, ' ');

	if (text.len >= SEAL_LOCKED_CHARS_MAX)
		return ERR_BAD;
	if (!bytes_equal(word, BYTES(LOCKED_WORD)))
		return bytes_starts(word, BYTES(LOCKED_FAMILY)) ? ERR_UNSUPPORTED : ERR_BAD;
	if (seal_parse_recipient(bytes_cut(&rest, ' '), &ret->recipient))
		return ERR_BAD;
	if (!bytes_equal(bytes_cut(&rest, ' '), BYTES(LOCKED_KDF)))
		return ERR_UNSUPPORTED;
	if (bytes_parse_u64(bytes_cut(&rest, ' '), UINT32_MAX, &ret->passes) ||
	    bytes_parse_u64(bytes_cut(&rest, ' '), UINT32_MAX, &ret->memory_kib) ||
	    !parse_hex(bytes_cut(&rest, ' '), ret->salt, sizeof ret->salt) ||
	    !parse_hex(bytes_cut(&rest, ' '), ret->nonce, sizeof ret->nonce))
		return ERR_BAD;
	ret->bound = bytes_slice(text, 0, (size_t)(rest.at - text.at));
	if (!parse_hex(rest, ret->box, sizeof ret->box))
		return ERR_BAD;
	if (ret->passes == 0 || ret->passes > SEAL_PASSES_MAX ||
	    ret->memory_kib < SEAL_MEMORY_KIB_MIN || ret->memory_kib > SEAL_MEMORY_KIB_MAX)
		return ERR_LIMIT;
	return OK;
}

enum err seal_parse_locked(struct bytes text, struct recipient *ret_recipient)
{
	struct locked l = {.passes = 0};
	enum err e = parse_locked(text, &l);

	if (!e)
		*ret_recipient = l.recipient;
	return e;
}

static enum err stretch(const struct locked *l, struct bytes passphrase,
			uint8_t ret_key[SEAL_KEY_BYTES])
{
	int n = crypto_pwhash_argon2id(
		ret_key, SEAL_KEY_BYTES, (const char *)passphrase.at, passphrase.len, l->salt,
		l->passes, (size_t)l->memory_kib * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13);

	return n == 0 ? OK : ERR_NOMEM;
}

enum err seal_lock_identity(const struct identity *i, struct bytes passphrase, uint32_t passes,
			    uint32_t memory_kib, char ret_text[SEAL_LOCKED_CHARS_MAX])
{
	struct locked l = {.recipient = i->recipient, .passes = passes, .memory_kib = memory_kib};
	char recipient[RECIPIENT_CHARS_MAX], hex[2 * LOCKED_BOX + 1];
	struct buf line = {.at = (uint8_t *)ret_text,
			   .cap = SEAL_LOCKED_CHARS_MAX,
			   .max = SEAL_LOCKED_CHARS_MAX};
	uint8_t key[SEAL_KEY_BYTES];
	enum err e;

	if (passphrase.len == 0 || passphrase.len > SEAL_PASSPHRASE_MAX || passes == 0 ||
	    passes > SEAL_PASSES_MAX || memory_kib < SEAL_MEMORY_KIB_MIN ||
	    memory_kib > SEAL_MEMORY_KIB_MAX)
		return ERR_LIMIT;
	if ((e = sys_random(l.salt, sizeof l.salt)) || (e = sys_random(l.nonce, sizeof l.nonce)) ||
	    (e = stretch(&l, passphrase, key)))
		return e;
	seal_put_recipient(&i->recipient, recipient);
	if ((e = buf_put_str(&line, LOCKED_WORD " ")) || (e = buf_put_str(&line, recipient)) ||
	    (e = buf_put_str(&line, " " LOCKED_KDF " ")) || (e = buf_put_decimal(&line, passes)) ||
	    (e = buf_put_u8(&line, ' ')) || (e = buf_put_decimal(&line, memory_kib)) ||
	    (e = buf_put_u8(&line, ' ')))
		goto out;
	hex_text(l.salt, sizeof l.salt, hex);
	if ((e = buf_put_str(&line, hex)) || (e = buf_put_u8(&line, ' ')))
		goto out;
	hex_text(l.nonce, sizeof l.nonce, hex);
	if ((e = buf_put_str(&line, hex)) || (e = buf_put_u8(&line, ' ')))
		goto out;
	seal_encrypt(SEAL_XCHACHA20_POLY1305, key, l.nonce, buf_view(&line),
		     bytes_of(i->secret_key, SEAL_KEY_BYTES), l.box, l.box + SEAL_KEY_BYTES);
	hex_text(l.box, sizeof l.box, hex);
	e = buf_put(&line, bytes_of(hex, sizeof hex)); /* with its NUL */
out:
	wipe(key, sizeof key);
	return e;
}

enum err seal_unlock_identity(struct bytes text, struct bytes passphrase,
			      struct identity *ret_identity)
{
	uint8_t key[SEAL_KEY_BYTES], secret[SEAL_KEY_BYTES];
	struct identity identity;
	struct locked l;
	enum err e = parse_locked(text, &l);

	if (!e && (passphrase.len == 0 || passphrase.len > SEAL_PASSPHRASE_MAX))
		e = ERR_SEAL;
	if (!e)
		e = stretch(&l, passphrase, key);
	if (e)
		return e;
	e = seal_decrypt(SEAL_XCHACHA20_POLY1305, key, l.nonce, l.bound,
			 bytes_of(l.box, SEAL_KEY_BYTES), l.box + SEAL_KEY_BYTES, secret);
	if (!e)
		e = make_identity(secret, &identity);
	if (!e && memcmp(identity.recipient.public_key, l.recipient.public_key, SEAL_KEY_BYTES))
		e = ERR_SEAL;
	if (!e)
		*ret_identity = identity;
	wipe(key, sizeof key);
	wipe(secret, sizeof secret);
	wipe(&identity, sizeof identity);
	return e;
}

/* ---- digests ---- */

/* Of SHA-256: ours where the processor has instructions for it, which libsodium does not use. */

static crypto_hash_sha256_state *libsodiums(struct seal_sha256_state *s)
{
	return (crypto_hash_sha256_state *)(void *)s->libsodiums;
}

void seal_sha256(struct bytes data, uint8_t ret_digest[32])
{
	struct seal_sha256_state s = {.libsodiums = {0}};

	seal_sha256_init(&s);
	seal_sha256_feed(&s, data);
	seal_sha256_end(&s, ret_digest);
}

void seal_sha256_init(struct seal_sha256_state *s)
{
	if (sha256_is_fast())
		sha256_init(&s->ours);
	else
		crypto_hash_sha256_init(libsodiums(s));
}

void seal_sha256_feed(struct seal_sha256_state *s, struct bytes data)
{
	if (data.len == 0)
		return;
	if (sha256_is_fast())
		sha256_put(&s->ours, data);
	else
		crypto_hash_sha256_update(libsodiums(s), data.at, data.len);
}

void seal_sha256_end(struct seal_sha256_state *s, uint8_t ret_digest[32])
{
	if (sha256_is_fast())
		sha256_end(&s->ours, ret_digest);
	else
		crypto_hash_sha256_final(libsodiums(s), ret_digest);
	wipe(s, sizeof *s);
}

void seal_keyed_digest(const uint8_t key[32], struct bytes data, uint8_t ret_digest[32])
{
	seal_digest(key, &data, 1, ret_digest);
}

void seal_digest(const uint8_t *key, const struct bytes *parts, size_t count,
		 uint8_t ret_digest[SEAL_DIGEST_BYTES])
{
	crypto_generichash_blake2b_state state;

	crypto_generichash_blake2b_init(&state, key, key ? SEAL_KEY_BYTES : 0, SEAL_DIGEST_BYTES);
	for (size_t i = 0; i < count; i++)
		if (parts[i].len)
			crypto_generichash_blake2b_update(&state, parts[i].at, parts[i].len);
	crypto_generichash_blake2b_final(&state, ret_digest, SEAL_DIGEST_BYTES);
	if (key)
		wipe(&state, sizeof state);
}

/* Its states are copied in and out: libsodium wants an alignment that callers need not know. */
void seal_digest_init(struct seal_digest_state *s)
{
	crypto_generichash_blake2b_state state;

	crypto_generichash_blake2b_init(&state, NULL, 0, SEAL_DIGEST_BYTES);
	memcpy(s->opaque, &state, sizeof state);
}

void seal_digest_feed(struct seal_digest_state *s, struct bytes data)
{
	crypto_generichash_blake2b_state state;

	if (data.len == 0)
		return;
	memcpy(&state, s->opaque, sizeof state);
	crypto_generichash_blake2b_update(&state, data.at, data.len);
	memcpy(s->opaque, &state, sizeof state);
}

void seal_digest_end(const struct seal_digest_state *s, uint8_t ret_digest[SEAL_DIGEST_BYTES])
{
	crypto_generichash_blake2b_state state;

	memcpy(&state, s->opaque, sizeof state);
	crypto_generichash_blake2b_final(&state, ret_digest, SEAL_DIGEST_BYTES);
}

void seal_hmac_sha256(struct bytes key, const struct bytes *parts, size_t count,
		      uint8_t ret_tag[32])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key.at, key.len);
	for (size_t i = 0; i < count; i++)
		crypto_auth_hmacsha256_update(&state, parts[i].at, parts[i].len);
	crypto_auth_hmacsha256_final(&state, ret_tag);
	sodium_memzero(&state, sizeof state);
}

bool seal_equal(const uint8_t a[32], const uint8_t b[32])
{
	return sodium_memcmp(a, b, 32) == 0;
}

/* ---- boxes, the ratchet, records ---- */

/* crypto_box_seal spelt out, so that its randomness may fail and be reported. */
enum err seal_box(const struct recipient *r, const uint8_t secret[SEAL_KEY_BYTES],
		  uint8_t ret_box[SEAL_BOX_BYTES])
{
	uint8_t once_secret[32], nonce[crypto_box_NONCEBYTES], box[SEAL_BOX_BYTES];
	crypto_generichash_blake2b_state state;
	enum err e = sys_random(once_secret, sizeof once_secret);

	if (e)
		return e;
	crypto_scalarmult_curve25519_base(box, once_secret);
	crypto_generichash_blake2b_init(&state, NULL, 0, sizeof nonce);
	crypto_generichash_blake2b_update(&state, box, SEAL_KEY_BYTES);
	crypto_generichash_blake2b_update(&state, r->public_key, SEAL_KEY_BYTES);
	crypto_generichash_blake2b_final(&state, nonce, sizeof nonce);
	if (crypto_box_easy(box + SEAL_KEY_BYTES, secret, SEAL_KEY_BYTES, nonce, r->public_key,
			    once_secret) != 0)
		e = ERR_BAD;
	wipe(once_secret, sizeof once_secret);
	if (!e)
		memcpy(ret_box, box, sizeof box);
	return e;
}

enum err seal_open_box(const struct identity *i, const uint8_t box[SEAL_BOX_BYTES],
		       uint8_t ret_secret[SEAL_KEY_BYTES])
{
	uint8_t secret[SEAL_KEY_BYTES];

	if (crypto_box_seal_open(secret, box, SEAL_BOX_BYTES, i->recipient.public_key,
				 i->secret_key) != 0)
		return ERR_SEAL;
	memcpy(ret_secret, secret, sizeof secret);
	wipe(secret, sizeof secret);
	return OK;
}

void seal_step(const uint8_t key[SEAL_KEY_BYTES], struct bytes label,
	       uint8_t ret_once[SEAL_KEY_BYTES], uint8_t ret_next[SEAL_KEY_BYTES])
{
	uint8_t both[2 * SEAL_KEY_BYTES];

	crypto_generichash_blake2b(both, sizeof both, label.at, label.len, key, SEAL_KEY_BYTES);
	memcpy(ret_once, both, SEAL_KEY_BYTES);
	memcpy(ret_next, both + SEAL_KEY_BYTES, SEAL_KEY_BYTES);
	wipe(both, sizeof both);
}

static bool is_aes(enum seal_cipher cipher)
{
	return cipher == SEAL_AES_256_GCM || cipher == SEAL_AES_256_GCM_TREE;
}

enum seal_cipher seal_best_cipher(void)
{
	return crypto_aead_aes256gcm_is_available() ? SEAL_AES_256_GCM_TREE
						    : SEAL_XCHACHA20_POLY1305;
}

void seal_encrypt(enum seal_cipher cipher, const uint8_t key[SEAL_KEY_BYTES],
		  const uint8_t nonce[SEAL_NONCE_BYTES], struct bytes associated,
		  struct bytes plain, uint8_t *ret_cipher, uint8_t ret_tag[SEAL_TAG_BYTES])
{
	if (is_aes(cipher) && seal_aes_is_here())
		seal_aes_encrypt(key, nonce + AES_NONCE_AT, associated, plain, ret_cipher, ret_tag);
	else if (is_aes(cipher))
		crypto_aead_aes256gcm_encrypt_detached(ret_cipher, ret_tag, NULL, plain.at,
						       plain.len, associated.at, associated.len,
						       NULL, nonce + AES_NONCE_AT, key);
	else
		crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
			ret_cipher, ret_tag, NULL, plain.at, plain.len, associated.at,
			associated.len, NULL, nonce, key);
}

enum err seal_decrypt_plainly(const uint8_t key[SEAL_KEY_BYTES],
			      const uint8_t nonce[SEAL_NONCE_BYTES], struct bytes associated,
			      struct bytes cipher, const uint8_t tag[SEAL_TAG_BYTES],
			      uint8_t *ret_plain)
{
	uint8_t found[AES_BLOCK_BYTES], block[AES_BLOCK_BYTES];
	struct aes_gcm g;
	enum err e = OK;

	aes_gcm_init(&g, key, SEAL_KEY_BYTES, nonce + AES_NONCE_AT);
	aes_gcm_put_header(&g, associated);
	aes_gcm_put_cipher(&g, cipher);
	aes_gcm_end(&g, found);
	if (sodium_memcmp(found, tag, sizeof found) != 0)
		e = ERR_SEAL;
	for (size_t i = 0; !e && i < cipher.len; i++) {
		if (i % sizeof block == 0)
			aes_gcm_key_block(&g, (uint32_t)(i / sizeof block), block);
		ret_plain[i] = cipher.at[i] ^ block[i % sizeof block];
	}
	if (e && cipher.len)
		memset(ret_plain, 0, cipher.len);
	wipe(&g, sizeof g);
	wipe(block, sizeof block);
	return e;
}

enum err seal_decrypt(enum seal_cipher with, const uint8_t key[SEAL_KEY_BYTES],
		      const uint8_t nonce[SEAL_NONCE_BYTES], struct bytes associated,
		      struct bytes cipher, const uint8_t tag[SEAL_TAG_BYTES], uint8_t *ret_plain)
{
	int n;

	if (is_aes(with) && !crypto_aead_aes256gcm_is_available())
		return seal_decrypt_plainly(key, nonce, associated, cipher, tag, ret_plain);
	if (is_aes(with))
		n = crypto_aead_aes256gcm_decrypt_detached(ret_plain, NULL, cipher.at, cipher.len,
							   tag, associated.at, associated.len,
							   nonce + AES_NONCE_AT, key);
	else
		n = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
			ret_plain, NULL, cipher.at, cipher.len, tag, associated.at, associated.len,
			nonce, key);
	return n == 0 ? OK : ERR_SEAL;
}
