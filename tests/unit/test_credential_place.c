/* SPDX-License-Identifier: MIT
 *
 * Where keys stand in the head of a request, and whether the provider takes one there.
 */
#include "llm/credential_place.h"

#include <stdlib.h>

#include "tap.h"

/* "name=key+ " for each place: + accepted, - not, ! for somebody on the way. */
static void list_places(const char *provider, struct bytes head, char *ret, size_t cap)
{
	const struct provider *p = provider ? catalogue_find(bytes_str(provider)) : NULL;
	struct credential_scan s;
	struct credential_place place;
	size_t len = 0;

	CHECK(!provider || p);
	ret[0] = '\0';
	head = bytes_slice(head, 0, credential_head_bytes(head));
	credential_scan_init(&s, head, p, p ? provider_dialect(p) : NULL);
	while (credential_scan_next(&s, &place)) {
		CHECK(place.key.at >= head.at &&
		      place.key.at + place.key.len <= head.at + head.len);
		len += (size_t)snprintf(ret + len, cap - len, "%.*s=%.*s%s ", (int)place.name.len,
					(const char *)place.name.at, (int)place.key.len,
					(const char *)place.key.at,
					place.foreign    ? "!"
					: place.accepted ? "+"
							 : "-");
	}
}

static const struct {
	const char *provider, *head, *places;
} rows[] = {
	/* each provider's own place */
	{"openai", "POST / HTTP/1.1\r\nAuthorization: Bearer sk-1\r\n\r\n", "Authorization=sk-1+ "},
	{"openai", "POST / HTTP/1.1\nauthorization:bEARER  sk-1 \n\n", "authorization=sk-1+ "},
	{"anthropic", "POST / HTTP/1.1\r\nx-api-key: sk-1\r\nA: b\r\n\r\n", "x-api-key=sk-1+ "},
	{"anthropic", "POST / HTTP/1.1\r\nAuthorization: Bearer sk-1\r\n\r\n",
	 "Authorization=sk-1+ "},
	{"gemini", "POST /x?alt=sse&key=AIza HTTP/1.1\r\nX-Goog-Api-Key: b\r\n\r\n",
	 "key=AIza+ X-Goog-Api-Key=b+ "},
	{"gemini", "POST /x?%6bey=aigw%2Dtest%2Dx&ke=1 HTTP/1.1\r\n\r\n",
	 "%6bey=aigw%2Dtest%2Dx+ "},
	{"azure-openai", "POST / HTTP/1.1\r\napi-key: k\r\n\r\n", "api-key=k+ "},
	{"replicate", "POST / HTTP/1.1\r\nAuthorization: Token r8_\r\n\r\n", "Authorization=r8_+ "},
	/* another's, or another scheme */
	{"openai", "POST / HTTP/1.1\r\nx-api-key: sk-1\r\n\r\n", "x-api-key=sk-1- "},
	{"openai", "POST / HTTP/1.1\r\nAuthorization: sk-1\r\n\r\n", "Authorization=sk-1- "},
	{"openai", "POST / HTTP/1.1\r\nAuthorization: Token sk-1\r\n\r\n", "Authorization=sk-1- "},
	{"openai", "POST /?key=sk-1 HTTP/1.1\r\n\r\n", "key=sk-1- "},
	{"openai", "POST / HTTP/1.1\r\nProxy-Authorization: Bearer p\r\n\r\n",
	 "Proxy-Authorization=p! "},
	{NULL, "POST / HTTP/1.1\r\nAuthorization: Bearer sk-1\r\n\r\n", "Authorization=sk-1- "},
	/* a WebSocket of a browser */
	{"openai",
	 "GET / HTTP/1.1\r\nSec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-1\r\n\r\n",
	 "Sec-WebSocket-Protocol=sk-1+ "},
	/* behind something else: a signature, a user's name */
	{"bedrock",
	 "POST / HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=aigw-test-x/2026/r, "
	 "Signature=1\r\n\r\n",
	 "Authorization=aigw-test-x- "},
	{"openai", "POST / HTTP/1.1\r\nx-api-key: my-aigw-test-x\r\n\r\n",
	 "x-api-key=my-aigw-test-x- "},
	/* none */
	{"openai", "POST / HTTP/1.1\r\nCookie: a=b\r\nHost: h\r\n\r\n", ""},
	{"openai", "POST /?key=&b=c HTTP/1.1\r\nAuthorization: \r\n\r\n", ""},
	{"openai", "POST /?key=1 HTTP/1.1\r\nAuthorization: Bearer 1\r\n", ""}, /* not all there */
	{"openai", "", ""},
	/* the body is no head */
	{"openai", "\r\nPOST / HTTP/1.1\r\nHost: h\r\n\r\nAuthorization: Bearer body\r\n\r\n", ""},
};

static void keys_are_found_where_the_catalogue_says(void)
{
	char places[400];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		list_places(rows[i].provider, tap_guarded(bytes_str(rows[i].head)), places,
			    sizeof places);
		CHECK_STR(places, rows[i].places);
	}
}

static void a_key_for_two_dialects_of_a_host_is_accepted_twice(void)
{
	const struct provider *azure = catalogue_find(BYTES("azure-openai"));
	struct bytes head = BYTES("POST / HTTP/1.1\r\nx-api-key: k\r\napi-key: k\r\n\r\n");
	struct credential_scan s;
	struct credential_place place;
	size_t accepted = 0;

	credential_scan_init(&s, head, azure, &dialect_anthropic);
	while (credential_scan_next(&s, &place))
		accepted += place.accepted;
	CHECK_U64(accepted, 2);
}

/* The text of the only place of a head, and whether a signature was made with it. */
static void check_text(const char *provider, struct bytes head, const char *text, bool signs)
{
	const struct provider *p = catalogue_find(bytes_str(provider));
	struct credential_scan s;
	struct credential_place place;
	uint8_t room[12];

	credential_scan_init(&s, tap_guarded(head), p, provider_dialect(p));
	CHECK(credential_scan_next(&s, &place));
	CHECK_BYTES(credential_place_text(&place, room, sizeof room), text);
	CHECK(place.signs == signs);
	CHECK(!credential_scan_next(&s, &place));
}

static void a_key_in_a_query_is_encoded_and_one_in_a_header_is_not(void)
{
	check_text("gemini", BYTES("GET /?key=aigw%2Dt%2Dx HTTP/1.1\r\n\r\n"), "aigw-t-x", false);
	check_text("gemini", BYTES("GET / HTTP/1.1\r\nx-goog-api-key: aigw%2Dt\r\n\r\n"),
		   "aigw%2Dt", false);
	check_text("gemini", BYTES("GET /?key=aigw%2Dt%2D123456 HTTP/1.1\r\n\r\n"),
		   "aigw%2Dt%2D123456", false);
}

static void a_signature_is_told_from_other_misplaced_keys(void)
{
	check_text("bedrock",
		   BYTES("POST / HTTP/1.1\r\nAuthorization: aws4-HMAC-SHA256 "
			 "Credential=aigw-t-x/2026, Signature=1\r\n\r\n"),
		   "aigw-t-x", true);
	check_text("bedrock", BYTES("POST / HTTP/1.1\r\nAuthorization: Basic aigw-t-x\r\n\r\n"),
		   "aigw-t-x", false);
	check_text("openai", BYTES("POST / HTTP/1.1\r\nx-api-key: AWS4-aigw-t-x\r\n\r\n"),
		   "AWS4-aigw-t-x", false);
}

static void a_head_ends_with_its_empty_line(void)
{
	CHECK_U64(credential_head_bytes(BYTES("GET / HTTP/1.1\r\nA: b\r\n\r\nbody")), 24);
	CHECK_U64(credential_head_bytes(BYTES("\r\nGET / HTTP/1.1\n\nbody")), 18);
	CHECK_U64(credential_head_bytes(BYTES("GET / HTTP/1.1\r\nA: b\r\n")), 0);
	CHECK_U64(credential_head_bytes(BYTES_NONE), 0);
}

int main(void)
{
	RUN_TESTS(TEST(keys_are_found_where_the_catalogue_says),
		  TEST(a_key_for_two_dialects_of_a_host_is_accepted_twice),
		  TEST(a_key_in_a_query_is_encoded_and_one_in_a_header_is_not),
		  TEST(a_signature_is_told_from_other_misplaced_keys),
		  TEST(a_head_ends_with_its_empty_line));
}
