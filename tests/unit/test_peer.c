/* SPDX-License-Identifier: MIT */
#include "shim/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include "tap.h"

static struct peer of(int family, const char *ip, uint16_t port)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct peer p = {"left over", 1};

	if (family == AF_INET) {
		CHECK(inet_pton(family, ip, &four.sin_addr) == 1);
		peer_of_address((struct sockaddr *)&four, sizeof four, &p);
	} else {
		CHECK(inet_pton(family, ip, &six.sin6_addr) == 1);
		peer_of_address((struct sockaddr *)&six, sizeof six, &p);
	}
	return p;
}

static void an_address_is_written_as_policies_do(void)
{
	static const struct {
		int family;
		const char *ip;
		uint16_t port;
		const char *text;
	} cases[] = {
		{AF_INET, "10.0.0.7", 443, "10.0.0.7:443"},
		{AF_INET, "255.255.255.255", 65535, "255.255.255.255:65535"},
		{AF_INET, "0.0.0.0", 0, "0.0.0.0:0"},
		{AF_INET6, "::1", 8443, "[::1]:8443"},
		{AF_INET6, "2001:db8:1111:2222:3333:4444:5555:6666", 65535,
		 "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"},
		/* IPv4 on a socket of the other kind, as Java has it */
		{AF_INET6, "::ffff:127.0.0.1", 11434, "127.0.0.1:11434"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer p = of(cases[i].family, cases[i].ip, cases[i].port);
		struct bytes host;
		uint16_t port = 1;
		CHECK_STR(p.text, cases[i].text);
		CHECK_U64(p.port, cases[i].port);
		CHECK(peer_split(p.text, &host, &port));
		CHECK_U64(port, cases[i].port);
		CHECK(bytes_starts(bytes_str(cases[i].text), host));
	}
}

static void what_is_no_internet_address_says_nothing(void)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct peer p = {"left over", 1};
	struct bytes host;
	uint16_t port;

	peer_of_address((struct sockaddr *)&local, sizeof local, &p);
	CHECK(!p.text[0] && p.port == 0);
	peer_of_address((struct sockaddr *)&four, sizeof four - 1, &p);
	CHECK(!p.text[0]);
	peer_of(-1, &p);
	CHECK(!p.text[0]);
	peer_of(STDIN_FILENO, &p);
	CHECK(!p.text[0]);
	CHECK(!peer_split("", &host, &port) && !peer_split("10.0.0.7", &host, &port));
	CHECK(!peer_split("10.0.0.7:65536", &host, &port) && !peer_split("a:", &host, &port));
}

static const char policy_text[] =
	"{ \"version\": 1, \"audit\": { \"recipients\": [\"aigw1x\"] },\n"
	"  \"providers\": { \"ward\": { \"dialect\": \"openai\", \"hosts\":\n"
	"    [\"llm.example:8443\", \"10.0.0.7:8000\", \"[::1]:8000\"] } },\n"
	"  \"environments\": { \"e\": {} }, \"default_environment\": \"e\" }";

static void a_provider_is_found_by_name_else_by_address(void)
{
	struct policy *p = NULL;
	struct peer here = of(AF_INET, "10.0.0.7", 8000), there = of(AF_INET, "10.0.0.7", 8001);
	struct peer six = of(AF_INET6, "::1", 8000);

	CHECK_ERR(policy_parse(bytes_str(policy_text), &p, NULL), OK);
	CHECK(peer_find_provider(p, BYTES("llm.example"), 8443, NULL) == &p->providers[0]);
	CHECK(peer_find_provider(p, BYTES("llm.example"), 0, NULL) == &p->providers[0]);
	CHECK(!peer_find_provider(p, BYTES("llm.example"), 443, NULL));
	CHECK(!peer_find_provider(p, BYTES("llm.example"), 443, &there));
	CHECK(peer_find_provider(p, BYTES("whatever"), 443, &here) == &p->providers[0]);
	CHECK(peer_find_provider(p, BYTES_NONE, 0, &here) == &p->providers[0]);
	CHECK(peer_find_provider(p, BYTES_NONE, 0, &six) == &p->providers[0]);
	CHECK(peer_find_provider(p, BYTES("::1"), 8000, NULL) == &p->providers[0]);
	CHECK(peer_find_provider(p, BYTES("[::1]"), 8000, NULL) == &p->providers[0]);
	CHECK(!peer_find_provider(p, BYTES("::1"), 8001, NULL));
	CHECK(!peer_find_provider(p, BYTES_NONE, 0, NULL));
	/* the catalogue, also without a policy */
	CHECK(peer_find_provider(p, BYTES("api.openai.com"), 80, &there) != NULL);
	CHECK(peer_find_provider(NULL, BYTES("api.openai.com"), 443, NULL) != NULL);
	policy_free(p);
}

/* No address is that long; nothing is written past the room for one in brackets. */
static void a_long_text_with_colons_is_no_address(void)
{
	char text[PEER_TEXT_MAX + 8];

	for (size_t len = PEER_TEXT_MAX - 3; len < sizeof text; len++) {
		memset(text, ':', sizeof text);
		CHECK(!peer_find_provider(NULL, tap_guarded(bytes_of(text, len)), 443, NULL));
	}
}

int main(void)
{
	RUN_TESTS(TEST(an_address_is_written_as_policies_do),
		  TEST(what_is_no_internet_address_says_nothing),
		  TEST(a_provider_is_found_by_name_else_by_address),
		  TEST(a_long_text_with_colons_is_no_address));
}
