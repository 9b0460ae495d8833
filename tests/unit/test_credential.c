/* SPDX-License-Identifier: MIT */
#include "llm/credential.h"

#include "tap.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
/* A literal that may hold NULs. */
#define TEXT(literal)                                                                              \
	{                                                                                          \
		(const uint8_t *)("" literal), sizeof(literal) - 1                                 \
	}

static void headers_with_secrets_are_known_in_any_case(void)
{
	static const char *const secret[] = {
		"authorization",
		"Authorization",
		"AUTHORIZATION",
		"proxy-authorization",
		"www-authenticate",
		"x-api-key",
		"X-Api-Key",
		"api-key",
		"apikey",
		"x-goog-api-key",
		"x-api-token",
		"x-auth-token",
		"auth-token",
		"cookie",
		"Set-Cookie",
		"x-portkey-api-key",
		"Helicone-Auth",
		"cf-aig-authorization",
		"x-amz-security-token",
		"Ocp-Apim-Subscription-Key",
	};
	static const char *const open[] = {
		"",
		"host",
		"content-type",
		"user-agent",
		"x-request-id",
		"x-api-keys",
		"x-api-ke",
		"authorization ",
		"anthropic-version",
		"openai-organization",
		"idempotency-key",
	};

	for (size_t i = 0; i < COUNT(secret); i++)
		if (!credential_is_header(bytes_str(secret[i])))
			tap_fail(__FILE__, __LINE__, "%s is not known", secret[i]);
	for (size_t i = 0; i < COUNT(open); i++)
		if (credential_is_header(bytes_str(open[i])))
			tap_fail(__FILE__, __LINE__, "%s is taken for a secret", open[i]);
}

static void a_key_is_found_in_its_header(void)
{
	static const struct {
		const char *name, *value, *key;
	} cases[] = {
		{"authorization", "Bearer sk-1", "sk-1"},
		{"Authorization", "bearer  \tsk-1 ", "sk-1"},
		{"AUTHORIZATION", "BEARER sk-1", "sk-1"},
		{"authorization", "Key k", "k"},
		{"authorization", "token t", "t"},
		{"authorization", "Bearersk-1", "Bearersk-1"},
		{"authorization", "Bearer", "Bearer"},
		{"authorization", "Bearer ", ""},
		{"authorization", "Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"},
		{"x-api-key", " sk-ant-1 ", "sk-ant-1"},
		{"api-key", "", ""},
		{"cookie", "session=abc", ""},
		{"COOKIE", "session=abc", ""},
		{"set-cookie", "session=abc", ""},
		{"Set-Cookie", "session=abc", ""},
		{"SET-COOKIE", "session=abc", ""},
		{"www-authenticate", "Bearer x", ""},
		{"content-type", "Bearer sk-1", ""},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bytes value = tap_guarded(bytes_str(cases[i].value));
		CHECK_BYTES(credential_of_header(bytes_str(cases[i].name), value), cases[i].key);
	}
}

static void the_public_beginning_of_a_key_is_no_more_than_two_words(void)
{
	static const struct {
		const char *key, *prefix;
	} cases[] = {
		{"sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWx", "sk-ant"},
		{"sk-proj-AbCdEfGhIjKlMnOpQrStUvWx", "sk-proj"},
		{"sk-AbCdEfGhIjKlMnOpQrStUvWx", "sk"},
		{"gsk_AbCdEfGhIjKlMnOpQrStUvWx", "gsk"},
		{"hf_AbCdEfGhIjKlMnOpQrStUvWx", "hf"},
		{"pplx-0123456789abcdef0123", "pplx"},
		{"AIzaSyAbCdEfGhIjKlMnOpQrStUvWx", ""},
		{"0123456789abcdef0123456789abcdef", ""},
		{"deadbeef-0123-4567-89ab-0123456789ab", ""}, /* a longer word than names have */
		{"-sk-AbCdEfGhIjKlMnOpQrStUvWx", ""},
		{"sk--AbCdEfGhIjKlMnOpQrStUvWx", "sk"},
		{"Bearer sk-AbCdEfGhIjKlMnOp", ""},
		{"", ""},
		/* only when far more of the key follows: 16 bytes are too few, 17 enough */
		{"sk-123456789012345", ""},
		{"sk-1234567890123456", "sk"},
		{"sk-ant-1", ""},
		{"sk-ant", ""},
		/* the longest words, and one letter more */
		{"abcdef-ghijkl-0123456789abcdef0123", "abcdef-ghijkl"},
		{"abcdefg-0123456789abcdef0123", ""},
		{"abcdef-ghijklm-0123456789abcdef0123", "abcdef"},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_BYTES(credential_prefix(tap_guarded(bytes_str(cases[i].key))),
			    cases[i].prefix);
}

static void a_header_is_written_without_its_secret(void)
{
	struct buf out = {0};

	CHECK_ERR(credential_put_header(&out, BYTES("Authorization"), BYTES("Bearer sk-1")), OK);
	CHECK_ERR(credential_put_header(&out, BYTES("Content-Type"), BYTES("a/b")), OK);
	CHECK_ERR(credential_put_header(&out, BYTES("Cookie"), BYTES("")), OK);
	CHECK_BYTES(buf_view(&out), "Authorization: redacted\r\nContent-Type: a/b\r\n"
				    "Cookie: redacted\r\n");
	buf_done(&out);
}

/* RFC 6455 4.1: a list; OpenAI's realtime API takes the key in it. */
static void a_subprotocol_is_written_without_its_secret(void)
{
	static const struct {
		const char *value, *written, *key;
	} cases[] = {
		{"realtime", "realtime", ""},
		{"realtime, openai-insecure-api-key.sk-abcdefgh12345678, openai-beta.realtime-v1",
		 "realtime, openai-insecure-api-key.redacted, openai-beta.realtime-v1",
		 "sk-abcdefgh12345678"},
		{"openai-insecure-API-KEY.x,realtime", "openai-insecure-API-KEY.redacted, realtime",
		 "x"},
		{"base64url.bearer.authorization.k8s.io.c2VjcmV0", "base64url.bearer.redacted",
		 "authorization.k8s.io.c2VjcmV0"},
		{"v1.sk-abcdefgh12345678", "v1.redacted", "sk-abcdefgh12345678"},
		{"openai-insecure-api-key.", "openai-insecure-api-key.", ""},
		{"", "", ""},
	};
	struct bytes name = BYTES("Sec-WebSocket-Protocol");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes value = tap_guarded(bytes_str(cases[i].value));
		struct buf out = {0}, expected = {0};
		CHECK_ERR(credential_put_header(&out, name, value), OK);
		CHECK_ERR(buf_put_str(&expected, "Sec-WebSocket-Protocol: "), OK);
		CHECK_ERR(buf_put_str(&expected, cases[i].written), OK);
		CHECK_ERR(buf_put(&expected, BYTES("\r\n\0")), OK);
		CHECK_BYTES(buf_view(&out), (const char *)expected.at);
		CHECK_BYTES(credential_of_header(name, value), cases[i].key);
		buf_done(&out);
		buf_done(&expected);
	}
}

static void a_target_is_written_without_its_secrets(void)
{
	static const struct {
		const char *target, *written;
	} cases[] = {
		{"/v1/models", "/v1/models"},
		{"", ""},
		{"*", "*"},
		{"/v1?key=AIzaSECRET", "/v1?key=redacted"},
		{"/v1?alt=sse&KEY=SECRET&x=y", "/v1?alt=sse&KEY=redacted&x=y"},
		{"/v1?api_key=S&api-key=S&apikey=S&access_token=S&token=S&sig=S",
		 "/v1?api_key=redacted&api-key=redacted&apikey=redacted&access_token=redacted&"
		 "token=redacted&sig=redacted"},
		{"/v1?X-Amz-Signature=S&X-Amz-Security-Token=S&subscription-key=S&x-api-key=S",
		 "/v1?X-Amz-Signature=redacted&X-Amz-Security-Token=redacted&"
		 "subscription-key=redacted&x-api-key=redacted"},
		{"/v1?key=SEC=RET?key", "/v1?key=redacted"},
		{"/v1?a=b?key=c", "/v1?a=b?key=c"}, /* one parameter */
		{"/v1?monkey=x&tokens=5&keys", "/v1?monkey=x&tokens=5&keys"},
		/* names may be encoded */
		{"/v1?%6bey=S&api%5Fkey=S&%6=S&ke%79z=S",
		 "/v1?%6bey=redacted&api%5Fkey=redacted&%6=S&ke%79z=S"},
		/* nothing to hide, and not a byte lost */
		{"/v1?", "/v1?"},
		{"/v1?&", "/v1?&"},
		{"/v1?a&&b&", "/v1?a&&b&"},
		{"/v1?key=&key&token=", "/v1?key=&key&token="},
		{"https://api.x/v1?key=S", "https://api.x/v1?key=redacted"},
		{"https://user:pass@api.x:1/v1", "https://redacted@api.x:1/v1"},
		{"https://us@er:pass@api.x", "https://redacted@api.x"},
		{"https://api.x/@v1", "https://api.x/@v1"},
		{"/a@b", "/a@b"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out = {0};
		CHECK_ERR(credential_put_target(&out, tap_guarded(bytes_str(cases[i].target))), OK);
		CHECK_BYTES(buf_view(&out), cases[i].written);
		buf_done(&out);
	}
}

static void what_is_encoded_is_decoded_where_it_fits(void)
{
	static const struct {
		const char *text, *meant;
	} cases[] = {
		{"", ""},
		{"aigw-test", "aigw-test"},
		{"aigw%2Dtest%2d", "aigw-test-"},
		{"%41%7e%00"
		 "b",
		 "A~"}, /* and a NUL, and b */
		{"%", "%"},
		{"%4", "%4"},
		{"%4g%%41", "%4g%A"},
		{"a+b", "a+b"},
		{"12345678%39", "12345678"
				"9"},
		{"123456789%30", "1234567890"},
		{"1234567890%31", "1234567890%31"}, /* longer than the room */
	};
	uint8_t room[10];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bytes meant = credential_decode(tap_guarded(bytes_str(cases[i].text)), room,
						       sizeof room);
		size_t len = strlen(cases[i].meant);
		CHECK(bytes_equal(bytes_slice(meant, 0, len), bytes_str(cases[i].meant)));
		CHECK_U64(meant.len, i == 3 ? 4 : len);
	}
}

static void a_command_line_is_written_without_keys(void)
{
	static const struct {
		struct bytes text, written;
	} cases[] = {
		{TEXT("python3\0app.py\0"), TEXT("python3\0app.py\0")},
		{TEXT(""), TEXT("")},
		{TEXT("\0\0"), TEXT("\0\0")},
		/* words that begin as keys do */
		{TEXT("x\0sk-ant-api03-SECRET_SECRET.SECRET\0y"), TEXT("x\0redacted\0y")},
		{TEXT("sk_SECRET00 gsk_SECRET00 xai-SECRET00 hf_SECRET00 r8_SECRET00 "
		      "pplx-SECRET00"),
		 TEXT("redacted redacted redacted redacted redacted redacted")},
		{TEXT("AIzaSECRET00,ya29.SECRET00;aigw-SECRET00 AIGW-SECRET-KEY-SECRET00"),
		 TEXT("redacted,redacted;redacted redacted")},
		{TEXT("'sk-SECRET00'=sk-SECRET00"), TEXT("'redacted'=redacted")},
		{TEXT("sk-1234567 sk-12345678"), TEXT("sk-1234567 redacted")}, /* 8 and more */
		{TEXT("task-force-one-two-three"), TEXT("task-force-one-two-three")},
		/* header names, in all the ways that programs are given them */
		{TEXT("curl\0-H\0Authorization: Bearer SECRET\0url"),
		 TEXT("curl\0-H\0Authorization: redacted\0url")},
		{TEXT("curl\0-Hauthorization: Bearer SECRET\0url"),
		 TEXT("curl\0-Hauthorization: redacted\0url")},
		{TEXT("http\0x-api-key:SECRET"), TEXT("http\0x-api-key: redacted")},
		{TEXT("x\0--api-key=SECRET\0y"), TEXT("x\0--api-key= redacted\0y")},
		{TEXT("x\0--api-key\0SECRET\0y"), TEXT("x\0--api-key\0redacted\0y")},
		{TEXT("x\0--openai-api-key\0SECRET"), TEXT("x\0--openai-api-key\0redacted")},
		{TEXT("env\0OPENAI_API_KEY=SECRET\0x"), TEXT("env\0OPENAI_API_KEY= redacted\0x")},
		{TEXT("x\0--api_key\0SECRET\0y"), TEXT("x\0--api_key\0redacted\0y")},
		{TEXT("python3\0-c\0h = {\"Authorization\": \"Bearer SECRET\"}"),
		 TEXT("python3\0-c\0h = {\"Authorization\": redacted")},
		{TEXT("python3\0-c\0c(api_key='SECRET', x=1)\0y"),
		 TEXT("python3\0-c\0c(api_key= redacted\0y")},
		{TEXT("curl\0-b\0x\0--cookie\0SECRET"), TEXT("curl\0-b\0x\0--cookie\0redacted")},
		{TEXT("set-cookie: SECRET\nAuthorization: SECRET"), TEXT("set-cookie: redacted")},
		/* a file's name is not an option */
		{TEXT("cat\0api-key\0file"), TEXT("cat\0api-key\0file")},
		{TEXT("cat\0cookies.txt"), TEXT("cat\0cookies.txt")},
		{TEXT("authorization"), TEXT("authorization")},
		{TEXT("authorization:"), TEXT("authorization: redacted")},
		{TEXT("x\0--api-key\0"), TEXT("x\0--api-key\0redacted")},
		{TEXT("x\0--api-key"), TEXT("x\0--api-key")},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out = {0};
		CHECK_ERR(credential_put_text(&out, tap_guarded(cases[i].text)), OK);
		if (!bytes_equal(buf_view(&out), cases[i].written))
			tap_fail(__FILE__, __LINE__, "case %zu: \"%.*s\"", i, (int)out.len,
				 out.at ? (const char *)out.at : "");
		CHECK(bytes_find(buf_view(&out), BYTES("SECRET")) == SIZE_MAX ||
		      bytes_find(buf_view(&out), BYTES("SECRET-KEY")) != SIZE_MAX);
		buf_done(&out);
	}
}

static enum err write_all(void)
{
	struct buf out = {0};
	enum err e = credential_put_header(&out, BYTES("authorization"), BYTES("x"));

	for (int i = 0; i < 50 && !e; i++) {
		e = credential_put_header(&out, BYTES("content-type"), BYTES("application/json"));
		if (!e)
			e = credential_put_target(&out, BYTES("http://u@h/v1?a=b&key=SECRET&c"));
		if (!e)
			e = credential_put_text(&out, BYTES("a --api-key=SECRET\0sk-SECRET00 b"));
		CHECK(bytes_find(buf_view(&out), BYTES("SECRET")) == SIZE_MAX);
	}
	buf_done(&out);
	return e;
}

static void no_secret_is_written_when_memory_ends(void)
{
	tap_fail_each_allocation(write_all);
}

/* Each room for output from none on: whatever did not fit, no secret went out in its place. */
static void no_secret_is_written_when_the_room_ends(void)
{
	for (size_t max = 1; max < 60; max++) {
		struct buf out = {.max = max};
		enum err e = credential_put_target(&out,
						   BYTES("http://SECRET@h/v1?key=SECRET&a=b"));
		CHECK_ERR(e, max < 37 ? ERR_LIMIT : OK);
		CHECK(bytes_find(buf_view(&out), BYTES("SEC")) == SIZE_MAX);
		buf_reset(&out);
		e = credential_put_text(&out, BYTES("x sk-SECRET00 api-key: SECRET"));
		CHECK_ERR(e, max < 28 ? ERR_LIMIT : OK);
		CHECK(bytes_find(buf_view(&out), BYTES("SEC")) == SIZE_MAX);
		buf_done(&out);
	}
}

int main(void)
{
	RUN_TESTS(TEST(headers_with_secrets_are_known_in_any_case),
		  TEST(a_key_is_found_in_its_header),
		  TEST(the_public_beginning_of_a_key_is_no_more_than_two_words),
		  TEST(a_header_is_written_without_its_secret),
		  TEST(a_subprotocol_is_written_without_its_secret),
		  TEST(a_target_is_written_without_its_secrets),
		  TEST(what_is_encoded_is_decoded_where_it_fits),
		  TEST(a_command_line_is_written_without_keys),
		  TEST(no_secret_is_written_when_memory_ends),
		  TEST(no_secret_is_written_when_the_room_ends));
}
