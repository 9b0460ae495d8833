/* SPDX-License-Identifier: MIT
 *
 * Gateway keys: their text, the store as bytes and as a file, what a key is worth when, and
 * providers' secrets.
 */
#include "keys/gateway_key.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/seal.h"
#include "base/sys.h"
#include "keys/key_file.h"
#include "keys/key_message.h"
#include "keys/key_refusal.h"
#include "llm/price.h"
#include "policy/section_limits.h"
#include "tap.h"

#define NOW 1800000000u

/* ---- the text of a key ---- */

static const uint8_t some_secret[GATEWAY_KEY_SECRET_BYTES] = {
	1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28};

static void a_key_is_as_documented(void)
{
	static const uint8_t ones[GATEWAY_KEY_SECRET_BYTES] = {
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
	char text[GATEWAY_KEY_BYTES_MAX + 1];

	/* by another program: python3, as docs/keys.md shows */
	CHECK_ERR(gateway_key_put(BYTES("production"), some_secret, text), OK);
	CHECK_STR(text, "aigw-production-0Eoh211G4c8wtVWM00my5rsNSFlKgaWqQ4mb8joueeM");
	CHECK_ERR(gateway_key_put(BYTES("a-b_C"), ones, text), OK);
	CHECK_STR(text, "aigw-a-b_C-yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rLcJHgb");
}

static void a_key_is_read_back_with_its_environment(void)
{
	char text[GATEWAY_KEY_BYTES_MAX + 1], name[GATEWAY_KEY_NAME_MAX + 2];
	struct bytes environment = BYTES_NONE;

	memset(name, 'e', sizeof name);
	for (size_t len = 1; len <= GATEWAY_KEY_NAME_MAX; len++) {
		CHECK_ERR(gateway_key_put(bytes_of(name, len), some_secret, text), OK);
		CHECK_ERR(gateway_key_parse(tap_guarded(bytes_str(text)), &environment), OK);
		CHECK_U64(environment.len, len);
	}
	CHECK_U64(strlen(text), GATEWAY_KEY_BYTES_MAX);
	CHECK_ERR(gateway_key_put(bytes_of(name, sizeof name - 1), some_secret, text), ERR_BAD);
	CHECK_ERR(gateway_key_put(BYTES_NONE, some_secret, text), ERR_BAD);
	CHECK_ERR(gateway_key_put(BYTES("-e"), some_secret, text), ERR_BAD);
	CHECK_ERR(gateway_key_put(BYTES("a.b"), some_secret, text), ERR_BAD);
}

/* Each character replaced by each other one that a key may have, and every cut. */
static void every_single_typo_is_noticed(void)
{
	static const char others[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.+/= ";
	char text[GATEWAY_KEY_BYTES_MAX + 2];
	struct bytes environment;
	size_t passed = 0;

	CHECK_ERR(gateway_key_put(BYTES("test"), some_secret, text), OK);
	size_t len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		char right = text[i];
		for (const char *c = others; *c; c++) {
			text[i] = *c;
			passed += *c != right &&
				  gateway_key_parse(bytes_of(text, len), &environment) == OK;
		}
		text[i] = right;
		CHECK_ERR(gateway_key_parse(tap_guarded(bytes_of(text, i)), &environment), ERR_BAD);
	}
	CHECK_U64(passed, 0);
	text[len] = '0';
	CHECK_ERR(gateway_key_parse(bytes_of(text, len + 1), &environment), ERR_BAD);
	/* two neighbours swapped */
	for (size_t i = 0; i + 1 < len; i++) {
		char first = text[i];
		if (first == text[i + 1])
			continue;
		text[i] = text[i + 1];
		text[i + 1] = first;
		CHECK_ERR(gateway_key_parse(bytes_of(text, len), &environment), ERR_BAD);
		text[i + 1] = text[i];
		text[i] = first;
	}
}

static void a_number_over_256_bits_is_none(void)
{
	struct bytes environment;

	CHECK_ERR(gateway_key_parse(BYTES("aigw-test-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"),
				    &environment),
		  ERR_BAD);
	CHECK(!gateway_key_claims(BYTES("aigw1qqqq")) && !gateway_key_claims(BYTES("aigw")));
	CHECK(gateway_key_claims(BYTES("aigw-")));
}

/* ---- a store ---- */

static struct key_host host_of(uint8_t seed)
{
	struct key_host host;
	uint8_t master[32];

	memset(master, seed, sizeof master);
	key_host_derive(master, &host);
	return host;
}

static const struct bytes two_patterns[] = {{(const uint8_t *)"openai/gpt-5*", 13},
					    {(const uint8_t *)"*-mini", 6}};

static void make_text(struct bytes environment, uint8_t seed, char ret[GATEWAY_KEY_BYTES_MAX + 1])
{
	uint8_t secret[GATEWAY_KEY_SECRET_BYTES];

	memset(secret, seed, sizeof secret);
	CHECK_ERR(gateway_key_put(environment, secret, ret), OK);
}

/* Two keys and two secrets. */
static void make_store(const struct key_host *host, struct buf *ret_file)
{
	static uint8_t ciphers[2][64];
	char text[GATEWAY_KEY_BYTES_MAX + 1];
	struct key_entry keys[2] = {
		{.scope = {.name = BYTES("intake"),
			   .environment = BYTES("production"),
			   .models.allow = {true, 2, two_patterns},
			   .providers = {true, 0, NULL}},
		 .user = BYTES("root"),
		 .exe = BYTES("/opt/*"),
		 .created = NOW - 10,
		 .rotated = NOW - 5,
		 .expires = NOW + 100,
		 .previous_until = NOW + 10},
		{.scope = {.name = BYTES("second"), .environment = BYTES("test")},
		 .created = NOW,
		 .revoked = NOW},
	};
	struct key_secret secrets[2] = {
		{.provider = BYTES("openai")},
		{.provider = BYTES("openai"), .environment = BYTES("production")},
	};
	const struct key_store store = {.generation = 7,
					.key_count = 2,
					.secret_count = 2,
					.keys = keys,
					.secrets = secrets};

	make_text(BYTES("production"), 1, text);
	key_hash(host, bytes_str(text), keys[0].hash);
	make_text(BYTES("production"), 2, text);
	key_hash(host, bytes_str(text), keys[0].previous);
	make_text(BYTES("test"), 3, text);
	key_hash(host, bytes_str(text), keys[1].hash);
	CHECK_ERR(key_secret_seal(&secrets[0], host, BYTES("sk-for-all"), ciphers[0]), OK);
	CHECK_ERR(key_secret_seal(&secrets[1], host, BYTES("sk-production"), ciphers[1]), OK);
	CHECK_ERR(key_store_put(&store, host, ret_file), OK);
}

static void a_store_is_read_back_as_it_was_written(void)
{
	struct key_host host = host_of(1);
	struct key_store *s = NULL;
	struct buf file = {0}, again = {0};

	make_store(&host, &file);
	CHECK_ERR(key_store_parse(tap_guarded(buf_view(&file)), &host, &s), OK);
	CHECK_U64(s->generation, 7);
	CHECK_U64(s->key_count, 2);
	CHECK_U64(s->secret_count, 2);
	const struct key_entry *e = key_store_find(s, BYTES("intake"));
	CHECK(e == &s->keys[0]);
	CHECK_BYTES(e->scope.environment, "production");
	CHECK_BYTES(e->scope.models.where, "keys.intake.models");
	CHECK_BYTES(e->scope.models.allow.at[1], "*-mini");
	CHECK(e->scope.providers.given && !e->scope.providers.count);
	CHECK(!e->scope.applications.given && !e->scope.models.deny.given);
	CHECK_BYTES(e->user, "root");
	CHECK_BYTES(e->exe, "/opt/*");
	CHECK_U64(e->expires, NOW + 100);
	CHECK(key_store_find(s, BYTES("nobody")) == NULL);
	CHECK_ERR(key_store_put(s, &host, &again), OK);
	CHECK(bytes_equal(buf_view(&file), buf_view(&again)));
	key_store_free(s);
	buf_done(&file);
	buf_done(&again);
}

/* The place of the flags, and of the first key's limits, which stand before the second key. */
#define FLAGS_AT 10

static struct bytes first_limits(struct bytes file)
{
	/* the end of an entry: its hashes; then the next one's name */
	size_t end = bytes_find(file, bytes_of("\x06\0second", 8));
	size_t begin = bytes_find(file, bytes_of("\x02\x0e\0tokens_per_day", 17));

	return begin < end ? bytes_slice(file, begin, end - begin) : BYTES_NONE;
}

static void limits_stand_behind_their_key(void)
{
	struct key_host host = host_of(1);
	struct key_entry keys[2] = {
		{.scope = {.name = BYTES("first"), .environment = BYTES("test")}},
		{.scope = {.name = BYTES("second"), .environment = BYTES("test")}},
	};
	const struct key_store store = {.key_count = 2, .keys = keys};
	struct limit_values *v = &keys[0].scope.limits;
	struct key_store *s = NULL;
	struct buf file = {0}, plain = {0}, one = {0};
	struct limit_values back;

	CHECK_ERR(key_store_put(&store, &host, &plain), OK);
	CHECK_U64(plain.at[FLAGS_AT], 0); /* as before there were limits */
	limit_give(v, LIMIT_TOKENS_PER_DAY, LIMIT_NUMBER_MAX);
	limit_give(v, LIMIT_USD_PER_MONTH, LIMIT_USD_MAX * PICOUSD_PER_USD);
	CHECK_ERR(key_store_put(&store, &host, &file), OK);
	CHECK_U64(file.at[FLAGS_AT], 1);
	CHECK_ERR(key_store_parse(buf_view(&file), &host, &s), OK);
	CHECK(memcmp(&s->keys[0].scope.limits, v, sizeof *v) == 0);
	CHECK_U64(s->keys[1].scope.limits.given, 0);
	CHECK_BYTES(s->keys[0].scope.where, "keys.first");
	key_store_free(s);
	CHECK_ERR(key_limits_put(v, &one), OK);
	CHECK(bytes_equal(first_limits(buf_view(&file)), buf_view(&one)));
	for (size_t i = 0; i < one.len; i++) {
		struct cursor c = cursor_over(tap_guarded(bytes_of(one.at, i)));
		CHECK_ERR(key_limits_parse(&c, &back), ERR_BAD);
	}
	v->value[LIMIT_USD_PER_MONTH]++;
	buf_reset(&file);
	CHECK_ERR(key_store_put(&store, &host, &file), ERR_BAD);
	buf_done(&file);
	buf_done(&plain);
	buf_done(&one);
}

static void limits_that_no_store_has_are_refused(void)
{
	static const struct {
		struct bytes text;
		enum err err;
	} rows[] = {
#define ROW(text, err) {{(const uint8_t *)(text), sizeof(text) - 1}, err}
		ROW("\0", OK),
		ROW("\x01\x0b\0usd_per_day\1\0\0\0\0\0\0\0", OK),
		ROW("\x01\x0c\0usd_per_hour\1\0\0\0\0\0\0\0", ERR_UNSUPPORTED),
		ROW("\x01\x0b\0usd_per_day\1\0\0\0\0\0\0\xff", ERR_BAD),
		/* twice, and not in their order */
		ROW("\x02\x0b\0usd_per_day\1\0\0\0\0\0\0\0\x0b\0usd_per_day\1\0\0\0\0\0\0\0",
		    ERR_BAD),
		ROW("\x02\x0b\0usd_per_day\1\0\0\0\0\0\0\0\x0e\0tokens_per_day\1\0\0\0\0\0\0\0",
		    ERR_BAD),
		ROW("", ERR_BAD),
#undef ROW
	};
	struct limit_values v;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cursor c = cursor_over(tap_guarded(rows[i].text));
		CHECK_ERR(key_limits_parse(&c, &v), rows[i].err);
	}
}

/* Every byte, every length, another host. */
static void a_changed_store_is_refused(void)
{
	struct key_host host = host_of(1), other = host_of(2);
	struct key_store *s = NULL;
	struct buf file = {0};

	make_store(&host, &file);
	for (size_t i = 0; i < file.len; i++) {
		file.at[i] ^= 0x10;
		enum err e = key_store_parse(buf_view(&file), &host, &s);
		CHECK(e == ERR_SEAL || (i < 8 && e == ERR_BAD) || (i < 10 && e == ERR_UNSUPPORTED));
		file.at[i] ^= 0x10;
		CHECK(key_store_parse(tap_guarded(bytes_of(file.at, i)), &host, &s) != OK);
	}
	CHECK_ERR(key_store_parse(buf_view(&file), &other, &s), ERR_SEAL);
	CHECK(s == NULL);
	buf_done(&file);
}

static enum err parse_some(void)
{
	struct key_host host = host_of(1);
	static struct buf file;
	struct key_store *s = NULL;
	enum err e;

	if (!file.len) {
		tap_fail_allocation(0);
		make_store(&host, &file);
		return ERR_NOMEM;
	}
	e = key_store_parse(buf_view(&file), &host, &s);
	key_store_free(s);
	return e;
}

static void without_memory_a_store_is_not_read_in_part(void)
{
	(void)parse_some();
	tap_fail_each_allocation(parse_some);
}

static void a_store_holds_so_much_and_not_more(void)
{
	struct key_host host = host_of(1);
	struct key_entry *keys = calloc(KEY_STORE_KEYS_MAX + 1, sizeof *keys);
	struct bytes patterns[KEY_PATTERNS_MAX + 1];
	struct key_store store = {.keys = keys}, *back = NULL;
	struct buf file = {0};

	for (size_t i = 0; i <= KEY_STORE_KEYS_MAX; i++)
		keys[i].scope.name = keys[i].scope.environment = BYTES("some");
	for (size_t i = 0; i <= KEY_PATTERNS_MAX; i++)
		patterns[i] = BYTES("*");
	store.key_count = KEY_STORE_KEYS_MAX;
	keys[0].scope.providers = (struct patterns){true, KEY_PATTERNS_MAX, patterns};
	CHECK_ERR(key_store_put(&store, &host, &file), OK);
	CHECK_ERR(key_store_parse(buf_view(&file), &host, &back), OK);
	CHECK_U64(back->key_count, KEY_STORE_KEYS_MAX);
	key_store_free(back);
	buf_reset(&file);
	keys[0].scope.providers.count++;
	CHECK_ERR(key_store_put(&store, &host, &file), ERR_LIMIT);
	keys[0].scope.providers.count--;
	store.key_count++;
	CHECK_ERR(key_store_put(&store, &host, &file), ERR_LIMIT);
	store.key_count = 1;
	keys[0].scope.name = BYTES("no name");
	CHECK_ERR(key_store_put(&store, &host, &file), ERR_BAD);
	CHECK_U64(file.len, 0);
	free(keys);
	buf_done(&file);
}

/* ---- what a key is worth ---- */

static void a_key_is_worth_what_its_entry_says_at_that_time(void)
{
	static const struct {
		const char *environment;
		uint8_t seed;
		uint64_t now;
		enum key_verdict verdict;
		const char *name;
	} rows[] = {
		{"production", 1, NOW, KEY_VALID, "intake"},
		{"production", 1, NOW + 99, KEY_VALID, "intake"},
		{"production", 1, NOW + 100, KEY_EXPIRED, "intake"},
		{"production", 2, NOW, KEY_VALID, "intake"}, /* the one before, in the overlap */
		{"production", 2, NOW + 9, KEY_VALID, "intake"},
		{"production", 2, NOW + 10, KEY_ROTATED, "intake"},
		{"production", 2, NOW + 100, KEY_EXPIRED, "intake"},
		{"test", 3, NOW, KEY_REVOKED, "second"},
		{"test", 3, NOW + 1000, KEY_REVOKED, "second"},
		{"test", 1, NOW, KEY_UNKNOWN, ""}, /* the same secret for another environment */
		{"production", 3, NOW, KEY_UNKNOWN, ""},
		{"production", 0, NOW, KEY_UNKNOWN, ""}, /* the second has no previous one */
	};
	struct key_host host = host_of(1), other = host_of(2);
	const struct key_entry *e;
	struct key_store *s = NULL;
	struct buf file = {0};
	char text[GATEWAY_KEY_BYTES_MAX + 1];

	make_store(&host, &file);
	CHECK_ERR(key_store_parse(buf_view(&file), &host, &s), OK);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		make_text(bytes_str(rows[i].environment), rows[i].seed, text);
		CHECK_U64(key_store_judge(s, &host, bytes_str(text), rows[i].now, &e),
			  rows[i].verdict);
		CHECK_BYTES(e ? e->scope.name : BYTES_NONE, rows[i].name);
		CHECK_U64(key_store_judge(s, &other, bytes_str(text), rows[i].now, &e),
			  KEY_UNKNOWN);
		CHECK_U64(key_store_judge(NULL, &host, bytes_str(text), NOW, &e), KEY_UNKNOWN);
	}
	CHECK_U64(key_store_judge(s, &host, BYTES("aigw-test-x"), NOW, &e), KEY_MISTYPED);
	CHECK(e == NULL);
	CHECK_U64(key_store_judge(s, &host, BYTES("sk-1"), NOW, &e), KEY_MISTYPED);
	for (enum key_verdict v = KEY_VALID; v <= KEY_ROTATED; v++)
		CHECK(key_verdict_name(v)[0] && (v == KEY_VALID) == !key_verdict_text(v)[0]);
	key_store_free(s);
	buf_done(&file);
}

static void every_key_of_a_full_store_is_found(void)
{
	struct key_host host = host_of(1);
	struct key_entry *keys = calloc(KEY_STORE_KEYS_MAX, sizeof *keys);
	struct key_store store = {.keys = keys, .key_count = KEY_STORE_KEYS_MAX}, *s = NULL;
	char text[GATEWAY_KEY_BYTES_MAX + 1], names[KEY_STORE_KEYS_MAX][8];
	uint8_t secret[GATEWAY_KEY_SECRET_BYTES] = {0};
	const struct key_entry *e;
	struct buf file = {0};
	size_t found = 0;

	for (size_t i = 0; i < KEY_STORE_KEYS_MAX; i++) {
		snprintf(names[i], sizeof names[i], "k%zu", i);
		keys[i].scope.name = bytes_str(names[i]);
		keys[i].scope.environment = BYTES("test");
		memcpy(secret, &i, 2);
		secret[2] = 0;
		CHECK_ERR(gateway_key_put(BYTES("test"), secret, text), OK);
		key_hash(&host, bytes_str(text), keys[i].hash);
		secret[2] = 1;
		CHECK_ERR(gateway_key_put(BYTES("test"), secret, text), OK);
		key_hash(&host, bytes_str(text), keys[i].previous);
		keys[i].previous_until = NOW;
	}
	CHECK_ERR(key_store_put(&store, &host, &file), OK);
	CHECK_ERR(key_store_parse(buf_view(&file), &host, &s), OK);
	for (size_t i = 0; i < KEY_STORE_KEYS_MAX; i++)
		for (uint8_t previous = 0; previous < 2; previous++) {
			memcpy(secret, &i, 2);
			secret[2] = previous;
			CHECK_ERR(gateway_key_put(BYTES("test"), secret, text), OK);
			found += key_store_judge(s, &host, bytes_str(text), NOW - 1, &e) ==
					 KEY_VALID &&
				 e == &s->keys[i];
		}
	CHECK_U64(found, 2 * KEY_STORE_KEYS_MAX);
	secret[2] = 2;
	CHECK_ERR(gateway_key_put(BYTES("test"), secret, text), OK);
	CHECK_U64(key_store_judge(s, &host, bytes_str(text), NOW, &e), KEY_UNKNOWN);
	key_store_free(s);
	free(keys);
	buf_done(&file);
}

/* ---- why it is refused ---- */

static void check_refusal(const struct decision *d, int status, const char *code, const char *rule,
			  const char *part)
{
	CHECK_U64(d->action, ACTION_REFUSE);
	CHECK_U64(d->status, status);
	CHECK_STR(d->code, code);
	CHECK_STR(d->rule, rule);
	CHECK(strstr(d->reason, part) != NULL);
}

static void a_refusal_names_the_key_and_what_to_do(void)
{
	const struct key_entry e = {
		.scope = {.name = BYTES("intake"), .environment = BYTES("test")}};
	const struct provider *openai = catalogue_find(BYTES("openai"));
	struct credential_place place = {.name = BYTES("x-api-key")};
	struct decision d = {.environment = BYTES("kept")};
	struct credential_scan s;

	key_refuse_verdict(&d, &e, KEY_EXPIRED);
	check_refusal(&d, 401, "expired_key", "keys.intake.expired", "aigw key expire");
	CHECK_BYTES(d.environment, "kept");
	key_refuse_verdict(&d, NULL, KEY_UNKNOWN);
	check_refusal(&d, 401, "unknown_key", "keys.unknown", "aigw key create");
	key_refuse_user(&d, &e);
	check_refusal(&d, 403, "policy_denied", "keys.intake.user", "another user");
	key_refuse_program(&d, &e);
	check_refusal(&d, 403, "policy_denied", "keys.intake.exe", "another program");
	key_refuse_provider(&d, &e, "openai");
	check_refusal(&d, 403, "policy_denied", "keys.intake.providers", "provider openai");
	key_refuse_no_secret(&d, &e, "openai");
	check_refusal(&d, 503, "no_provider_secret", "keys.secret",
		      "environment \"test\" or for all; store one");
	credential_scan_init(&s, BYTES_NONE, openai, provider_dialect(openai));
	key_refuse_place(&d, &place, &s, "openai");
	check_refusal(&d, 401, "misplaced_key", "keys.place",
		      "takes no key; it goes into: header authorization bearer");
	place.signs = true;
	key_refuse_place(&d, &place, &s, "openai");
	check_refusal(&d, 401, "misplaced_key", "keys.place", "(a signature cannot be made");
}

/* ---- what a key holder is asked, and answers ---- */

static void a_question_is_read_back_and_nothing_else_is_one(void)
{
	struct buf ask = {0};
	struct bytes key, provider;
	uint8_t long_text[GATEWAY_KEY_BYTES_MAX + 1] = {0};

	CHECK_ERR(key_ask_put(&ask, BYTES("aigw-test-x"), BYTES("openai")), OK);
	CHECK_ERR(key_ask_parse(tap_guarded(buf_view(&ask)), &key, &provider), OK);
	CHECK_BYTES(key, "aigw-test-x");
	CHECK_BYTES(provider, "openai");
	for (size_t i = 0; i < ask.len; i++)
		CHECK_ERR(key_ask_parse(tap_guarded(bytes_of(ask.at, i)), &key, &provider),
			  ERR_BAD);
	ask.at[4] = 2;
	CHECK_ERR(key_ask_parse(buf_view(&ask), &key, &provider), ERR_UNSUPPORTED);
	ask.at[4] = 1;
	ask.at[6] = KEYHOLD_ANSWER;
	CHECK_ERR(key_ask_parse(buf_view(&ask), &key, &provider), ERR_BAD);
	ask.at[6] = KEYHOLD_ASK;
	CHECK_ERR(buf_put_u8(&ask, 0), OK);
	CHECK_ERR(key_ask_parse(buf_view(&ask), &key, &provider), ERR_BAD);
	CHECK_ERR(key_ask_put(&ask, bytes_of(long_text, sizeof long_text), BYTES("p")), ERR_LIMIT);
	CHECK_ERR(key_ask_put(&ask, BYTES("k"), bytes_of(long_text, GATEWAY_KEY_NAME_MAX + 1)),
		  ERR_LIMIT);
	buf_reset(&ask);
	CHECK_ERR(key_ask_put(&ask, bytes_of(long_text, GATEWAY_KEY_BYTES_MAX),
			      bytes_of(long_text, GATEWAY_KEY_NAME_MAX)),
		  OK);
	CHECK_U64(ask.len, KEY_ASK_BYTES_MAX);
	CHECK_ERR(key_ask_parse(buf_view(&ask), &key, &provider), OK);
	buf_done(&ask);
}

static void an_answer_gives_a_secret_for_a_valid_key_alone(void)
{
	static const struct {
		struct key_answer answer;
		size_t entry_bytes;
		enum err err;
	} rows[] = {
		{{KEYHOLD_JUDGED, KEY_VALID, 35, 100}, 100, OK},
		{{KEYHOLD_JUDGED, KEY_VALID, KEYHOLD_SECRET_BYTES, 100}, 100, OK},
		{{KEYHOLD_JUDGED, KEY_VALID, KEYHOLD_SECRET_BYTES + 1, 100}, 100, ERR_BAD},
		{{KEYHOLD_JUDGED, KEY_VALID, 35, 100}, 99, ERR_BAD},
		{{KEYHOLD_JUDGED, KEY_VALID, 35, 0}, 0, ERR_BAD},
		{{KEYHOLD_JUDGED, KEY_REVOKED, 0, 100}, 100, OK},
		{{KEYHOLD_JUDGED, KEY_REVOKED, 1, 100}, 100, ERR_BAD},
		{{KEYHOLD_JUDGED, KEY_UNKNOWN, 0, 0}, 0, OK},
		{{KEYHOLD_OTHER_USER, KEY_VALID, 0, 100}, 100, OK},
		{{KEYHOLD_OTHER_USER, KEY_VALID, 1, 100}, 100, ERR_BAD},
		{{KEYHOLD_OTHER_USER, KEY_VALID, 0, 0}, 0, ERR_BAD},
		{{KEYHOLD_OTHER_PROGRAM, KEY_VALID, 0, 0}, 0, ERR_BAD},
		{{KEYHOLD_TROUBLE, KEY_UNKNOWN, 0, 0}, 0, OK},
		{{KEYHOLD_TROUBLE + 1, KEY_UNKNOWN, 0, 0}, 0, ERR_BAD},
		{{KEYHOLD_JUDGED, KEY_ROTATED + 1, 0, 0}, 0, ERR_BAD},
	};
	struct keyhold_head head;
	struct key_answer back;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		key_answer_make(&rows[i].answer, &head);
		CHECK_ERR(key_answer_parse(&head, rows[i].entry_bytes, &back), rows[i].err);
		if (!rows[i].err)
			CHECK(back.status == rows[i].answer.status &&
			      back.verdict == rows[i].answer.verdict &&
			      back.secret_bytes == rows[i].answer.secret_bytes);
	}
	head.version = 2;
	CHECK_ERR(key_answer_parse(&head, 0, &back), ERR_UNSUPPORTED);
	head.magic[0] = 0;
	CHECK_ERR(key_answer_parse(&head, 0, &back), ERR_BAD);
}

/* ---- secrets ---- */

static void a_secret_opens_for_its_provider_and_environment_alone(void)
{
	struct key_host host = host_of(1), other = host_of(2);
	struct key_store *s = NULL;
	struct buf file = {0};
	uint8_t plain[64];

	make_store(&host, &file);
	CHECK(bytes_find(buf_view(&file), BYTES("sk-")) == SIZE_MAX);
	CHECK_ERR(key_store_parse(buf_view(&file), &host, &s), OK);
	const struct key_secret *one = key_store_secret(s, BYTES("openai"), BYTES("production"));
	const struct key_secret *all = key_store_secret(s, BYTES("openai"), BYTES("test"));
	CHECK(one == &s->secrets[1] && all == &s->secrets[0]);
	CHECK(key_store_secret(s, BYTES("anthropic"), BYTES("test")) == NULL);
	CHECK(key_store_secret(NULL, BYTES("openai"), BYTES("test")) == NULL);
	CHECK_ERR(key_secret_open(one, &host, plain), OK);
	CHECK_BYTES(bytes_of(plain, one->cipher.len), "sk-production");
	CHECK_ERR(key_secret_open(all, &host, plain), OK);
	CHECK_BYTES(bytes_of(plain, all->cipher.len), "sk-for-all");
	CHECK_ERR(key_secret_open(one, &other, plain), ERR_SEAL);
	struct key_secret moved = *one;
	moved.environment = BYTES("test");
	CHECK_ERR(key_secret_open(&moved, &host, plain), ERR_SEAL);
	moved = *one;
	moved.provider = BYTES("groq");
	CHECK_ERR(key_secret_open(&moved, &host, plain), ERR_SEAL);
	key_store_free(s);
	buf_done(&file);
}

static void a_secret_is_one_word_of_visible_characters(void)
{
	static uint8_t longest[KEY_SECRET_BYTES_MAX + 1], cipher[KEY_SECRET_BYTES_MAX];
	struct key_host host = host_of(1);
	struct key_secret s = {.provider = BYTES("openai")};

	memset(longest, 'x', sizeof longest);
	CHECK_ERR(key_secret_seal(&s, &host, bytes_of(longest, KEY_SECRET_BYTES_MAX), cipher), OK);
	CHECK_ERR(key_secret_seal(&s, &host, bytes_of(longest, sizeof longest), cipher), ERR_LIMIT);
	CHECK_ERR(key_secret_seal(&s, &host, BYTES_NONE, cipher), ERR_LIMIT);
	CHECK_ERR(key_secret_seal(&s, &host, BYTES("two words"), cipher), ERR_BAD);
	CHECK_ERR(key_secret_seal(&s, &host, BYTES("a\r\nHost: other"), cipher), ERR_BAD);
	CHECK_ERR(key_secret_seal(&s, &host, BYTES("\xc3\xa4"), cipher), ERR_BAD);
	s.provider = BYTES("no name");
	CHECK_ERR(key_secret_seal(&s, &host, BYTES("sk-1"), cipher), ERR_BAD);
}

/* ---- files ---- */

static char directory[] = "/tmp/aigw-test-keys-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static void a_store_on_disk_is_private_and_replaced_as_a_whole(void)
{
	struct key_host host, again, other = host_of(9);
	struct key_store empty = {.generation = 1}, *s = NULL;
	struct file_version before, after;
	struct stat st;

	CHECK_ERR(key_file_host(directory, false, &host), ERR_MISSING);
	CHECK_ERR(key_file_host(directory, true, &host), OK);
	CHECK_ERR(key_file_host(directory, true, &again), OK);
	CHECK(memcmp(&host, &again, sizeof host) == 0);
	CHECK(stat(path_of(KEY_FILE_HOST), &st) == 0 && (st.st_mode & 07777) == 0600);
	CHECK_ERR(key_file_load(directory, &host, &s), ERR_MISSING);
	key_file_version(directory, &before);
	CHECK_U64(before.inode, 0);
	CHECK_ERR(key_file_save(directory, &host, &empty), OK);
	key_file_version(directory, &before);
	CHECK(stat(path_of(KEY_FILE_STORE), &st) == 0 && (st.st_mode & 07777) == 0600);
	empty.generation = 2;
	CHECK_ERR(key_file_save(directory, &host, &empty), OK);
	key_file_version(directory, &after);
	CHECK(!file_version_equal(&before, &after));
	CHECK_ERR(key_file_load(directory, &host, &s), OK);
	CHECK_U64(s->generation, 2);
	key_store_free(s);
	CHECK_ERR(key_file_load(directory, &other, &s), ERR_SEAL);
}

static void files_that_others_may_touch_are_refused(void)
{
	struct key_host host;
	struct key_store *s = NULL;

	CHECK_ERR(key_file_host(directory, false, &host), OK);
	CHECK(chmod(path_of(KEY_FILE_STORE), 0620) == 0);
	CHECK_ERR(key_file_load(directory, &host, &s), ERR_ACCESS);
	CHECK(chmod(path_of(KEY_FILE_STORE), 0600) == 0);
	CHECK(chmod(path_of(KEY_FILE_HOST), 0640) == 0);
	CHECK_ERR(key_file_host(directory, true, &host), ERR_ACCESS);
	CHECK(chmod(path_of(KEY_FILE_HOST), 0600) == 0);
	CHECK(truncate(path_of(KEY_FILE_HOST), 31) == 0);
	CHECK_ERR(key_file_host(directory, true, &host), ERR_BAD);
	CHECK(truncate(path_of(KEY_FILE_HOST), 33) == 0);
	CHECK_ERR(key_file_host(directory, true, &host), ERR_BAD);
	CHECK(unlink(path_of(KEY_FILE_HOST)) == 0);
	CHECK(symlink("/dev/zero", path_of(KEY_FILE_HOST)) == 0);
	CHECK_ERR(key_file_host(directory, true, &host), ERR_BAD);
	CHECK(unlink(path_of(KEY_FILE_HOST)) == 0);
}

static void a_use_is_noted_by_the_time_of_a_file(void)
{
	uint64_t now = (uint64_t)time(NULL), used;

	CHECK_U64(key_file_used(directory, BYTES("intake")), 0);
	key_file_touch(directory, BYTES("intake"));
	used = key_file_used(directory, BYTES("intake"));
	CHECK(used + 2 >= now && used <= now + 60);
	key_file_touch(directory, BYTES("../gateway.store"));
	CHECK_U64(key_file_used(directory, BYTES("other")), 0);
}

static void memory_for_secrets_is_in_no_core_dump(void)
{
	char needle[40], line[400];
	uint8_t *at = sys_map_secret(4096);
	bool inside = false, marked = false;
	FILE *smaps = fopen("/proc/self/smaps", "r");

	CHECK(at && at[0] == 0 && smaps);
	snprintf(needle, sizeof needle, "%lx-", (unsigned long)(uintptr_t)at);
	while (smaps && fgets(line, sizeof line, smaps)) {
		if (strncmp(line, needle, strlen(needle)) == 0)
			inside = true;
		if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			marked = strstr(line, " dd") != NULL;
			break;
		}
	}
	CHECK(marked);
	if (smaps)
		fclose(smaps);
	sys_unmap_secret(at, 4096);
	sys_unmap_secret(NULL, 4096);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static void remove_directory(void)
{
	nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	if (seal_init() || !mkdtemp(directory) || atexit(remove_directory))
		return 1;
	RUN_TESTS(TEST(a_key_is_as_documented), TEST(a_key_is_read_back_with_its_environment),
		  TEST(every_single_typo_is_noticed), TEST(a_number_over_256_bits_is_none),
		  TEST(a_store_is_read_back_as_it_was_written), TEST(a_changed_store_is_refused),
		  TEST(limits_stand_behind_their_key), TEST(limits_that_no_store_has_are_refused),
		  TEST(without_memory_a_store_is_not_read_in_part),
		  TEST(a_store_holds_so_much_and_not_more),
		  TEST(a_key_is_worth_what_its_entry_says_at_that_time),
		  TEST(every_key_of_a_full_store_is_found),
		  TEST(a_refusal_names_the_key_and_what_to_do),
		  TEST(a_question_is_read_back_and_nothing_else_is_one),
		  TEST(an_answer_gives_a_secret_for_a_valid_key_alone),
		  TEST(a_secret_opens_for_its_provider_and_environment_alone),
		  TEST(a_secret_is_one_word_of_visible_characters),
		  TEST(a_store_on_disk_is_private_and_replaced_as_a_whole),
		  TEST(files_that_others_may_touch_are_refused),
		  TEST(a_use_is_noted_by_the_time_of_a_file),
		  TEST(memory_for_secrets_is_in_no_core_dump));
}
