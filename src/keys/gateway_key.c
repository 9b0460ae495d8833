/* SPDX-License-Identifier: MIT */
#include "keys/gateway_key.h"

#include <string.h>

#include "wire/sha256.h"

#define CHECK_BYTES  4
#define NUMBER_BYTES (GATEWAY_KEY_SECRET_BYTES + CHECK_BYTES)
#define BASE         62
#define PREFIX       BYTES(GATEWAY_KEY_PREFIX)

static const char digits[BASE + 1] =
	"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool is_alphanumeric(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool gateway_key_is_name(struct bytes text)
{
	if (text.len == 0 || text.len > GATEWAY_KEY_NAME_MAX || !is_alphanumeric(text.at[0]))
		return false;
	for (size_t i = 1; i < text.len; i++)
		if (!is_alphanumeric(text.at[i]) && text.at[i] != '-' && text.at[i] != '_')
			return false;
	return true;
}

bool gateway_key_claims(struct bytes text)
{
	return bytes_starts(text, PREFIX);
}

/* -1: no digit. */
static int digit_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'z' ? c - 'a' + 36 : -1;
}

/* number = number * BASE + value; false: it has no room for that. */
static bool add_digit(uint8_t number[NUMBER_BYTES], unsigned value)
{
	for (size_t i = NUMBER_BYTES; i-- > 0;) {
		value += number[i] * (unsigned)BASE;
		number[i] = (uint8_t)value;
		value >>= 8;
	}
	return value == 0;
}

/* number = number / BASE; the rest. */
static unsigned cut_digit(uint8_t number[NUMBER_BYTES])
{
	unsigned rest = 0;

	for (size_t i = 0; i < NUMBER_BYTES; i++) {
		rest = rest << 8 | number[i];
		number[i] = (uint8_t)(rest / BASE);
		rest %= BASE;
	}
	return rest;
}

static void check_of(struct bytes environment, const uint8_t secret[GATEWAY_KEY_SECRET_BYTES],
		     uint8_t ret_check[CHECK_BYTES])
{
	static const char label[] = "aigw gateway key 1"; /* with its NUL */
	uint8_t digest[SHA256_BYTES];
	struct sha256 s;

	sha256_init(&s);
	sha256_put(&s, bytes_of(label, sizeof label));
	sha256_put(&s, environment);
	sha256_put(&s, bytes_of("", 1));
	sha256_put(&s, bytes_of(secret, GATEWAY_KEY_SECRET_BYTES));
	sha256_end(&s, digest);
	memcpy(ret_check, digest, CHECK_BYTES);
	wipe(&s, sizeof s);
	wipe(digest, sizeof digest);
}

enum err gateway_key_parse(struct bytes text, struct bytes *ret_environment)
{
	uint8_t number[NUMBER_BYTES] = {0}, check[CHECK_BYTES];
	struct bytes environment, tail;
	bool fine;

	if (!gateway_key_claims(text) || text.len > GATEWAY_KEY_BYTES_MAX ||
	    text.len < PREFIX.len + 1 + 1 + GATEWAY_KEY_DIGITS)
		return ERR_BAD;
	environment = bytes_slice(text, PREFIX.len, text.len - PREFIX.len - 1 - GATEWAY_KEY_DIGITS);
	tail = bytes_from(text, text.len - GATEWAY_KEY_DIGITS);
	fine = gateway_key_is_name(environment) && tail.at[-1] == '-';
	for (size_t i = 0; fine && i < tail.len; i++) {
		int value = digit_value(tail.at[i]);
		fine = value >= 0 && add_digit(number, (unsigned)value);
	}
	check_of(environment, number, check);
	fine = fine && memcmp(check, number + GATEWAY_KEY_SECRET_BYTES, CHECK_BYTES) == 0;
	wipe(number, sizeof number);
	if (!fine)
		return ERR_BAD;
	*ret_environment = environment;
	return OK;
}

enum err gateway_key_put(struct bytes environment, const uint8_t secret[GATEWAY_KEY_SECRET_BYTES],
			 char ret_text[GATEWAY_KEY_BYTES_MAX + 1])
{
	uint8_t number[NUMBER_BYTES];
	char *at = ret_text;

	if (!gateway_key_is_name(environment))
		return ERR_BAD;
	memcpy(number, secret, GATEWAY_KEY_SECRET_BYTES);
	check_of(environment, secret, number + GATEWAY_KEY_SECRET_BYTES);
	memcpy(at, GATEWAY_KEY_PREFIX, PREFIX.len);
	at += PREFIX.len;
	memcpy(at, environment.at, environment.len);
	at += environment.len;
	*at++ = '-';
	for (size_t i = GATEWAY_KEY_DIGITS; i-- > 0;)
		at[i] = digits[cut_digit(number)];
	at[GATEWAY_KEY_DIGITS] = '\0';
	wipe(number, sizeof number);
	return OK;
}
