/* SPDX-License-Identifier: MIT */
#include "aigw/coverage.h"

#include <ctype.h>

#include "tap.h"

#define BIT(kind) (UINT32_C(1) << (kind))

static const struct {
	uint32_t tls, obstacles;
	enum reach reach;
} verdicts[] = {
	{0, 0, REACH_NO_TLS},
	{BIT(TLS_OPENSSL), 0, REACH_FULL},
	{BIT(TLS_OPENSSL) | BIT(TLS_GNUTLS) | BIT(TLS_OPENSSL_BY_NAME), 0, REACH_FULL},
	{BIT(TLS_OPENSSL) | BIT(TLS_RUSTLS), 0, REACH_PARTLY},
	{BIT(TLS_OPENSSL) | BIT(TLS_GO), 0, REACH_PARTLY},
	{BIT(TLS_GO) | BIT(TLS_RUSTLS), 0, REACH_PARTLY},
	{BIT(TLS_RUSTLS), 0, REACH_OPAQUE},
	{BIT(TLS_JSSE) | BIT(TLS_BORINGSSL) | BIT(TLS_NSS), 0, REACH_OPAQUE},
	{BIT(TLS_OPENSSL_OTHER), 0, REACH_OPAQUE},
	{BIT(TLS_OPENSSL_IN_LIBRARY), 0, REACH_OPAQUE},
	{BIT(TLS_OPENSSL_BARE), 0, REACH_OPAQUE},
	{BIT(TLS_RUNTIME), 0, REACH_OPAQUE},
	{BIT(TLS_GO), 0, REACH_NOT},
	/* an obstacle outweighs everything */
	{0, BIT(OBSTACLE_STATIC), REACH_NOT},
	{BIT(TLS_OPENSSL), BIT(OBSTACLE_RIGHTS), REACH_NOT},
	{BIT(TLS_OPENSSL), BIT(OBSTACLE_LIBC) | BIT(OBSTACLE_MACHINE), REACH_NOT},
	{BIT(TLS_GO), BIT(OBSTACLE_GO), REACH_NOT},
};

static void what_is_found_decides_what_is_reached(void)
{
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
		enum reach got = coverage_decide(verdicts[i].tls, verdicts[i].obstacles);
		if (got != verdicts[i].reach)
			tap_fail(__FILE__, __LINE__, "case %zu gives %s, expected %s", i,
				 coverage_reach_name(got), coverage_reach_name(verdicts[i].reach));
	}
}

/* OpenSSL inside a program is a matter of instructions. */
static void a_detour_needs_our_machine(void)
{
#ifdef __x86_64__
	CHECK(coverage_decide(BIT(TLS_OPENSSL_INSIDE), 0) == REACH_FULL);
#else
	CHECK(coverage_decide(BIT(TLS_OPENSSL_INSIDE), 0) == REACH_OPAQUE);
#endif
}

static bool is_machine_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!islower((unsigned char)*c) && *c != '_')
			return false;
	return name[0] != 0;
}

static bool is_sentence(const char *text)
{
	return isupper((unsigned char)text[0]) && text[strlen(text) - 1] == '.';
}

static void every_row_is_filled_in(void)
{
	for (int i = 0; i < TLS_COUNT; i++) {
		const struct tls_row *row = coverage_tls((enum tls)i);
		CHECK(is_machine_name(row->name));
		CHECK(row->label[0] && row->way[0]);
		/* what is not reached is explained, and so is what to do */
		if (row->reach != REACH_FULL) {
			CHECK(row->meaning && is_sentence(row->meaning));
			CHECK(row->advice && is_sentence(row->advice));
		}
		for (int j = 0; j < i; j++)
			CHECK(strcmp(row->name, coverage_tls((enum tls)j)->name) != 0);
	}
	for (int i = 0; i < OBSTACLE_COUNT; i++) {
		const struct obstacle_row *row = coverage_obstacle((enum obstacle)i);
		CHECK(is_machine_name(row->name));
		CHECK(strncmp(row->why, "it ", 3) == 0 && row->why[strlen(row->why) - 1] != '.');
		CHECK(is_sentence(row->advice));
	}
	for (int i = 0; i <= REACH_NO_TLS; i++) {
		CHECK(is_machine_name(coverage_reach_name((enum reach)i)));
		CHECK(is_sentence(coverage_reach_meaning((enum reach)i)));
	}
}

static const struct {
	const char *file;
	int tls; /* -1: none */
	const char *version;
} libraries[] = {
	{"libssl.so.3", TLS_OPENSSL, "3"},
	{"libssl.so.3.0.7", TLS_OPENSSL, "3"},
	{"libssl-81ffa89e.so.3", TLS_OPENSSL, "3"},
	{"libssl.so.1.1", TLS_OPENSSL, "1.1"},
	{"libssl-1a2b.so.1.1.1w", TLS_OPENSSL, "1.1"},
	{"libssl.so", TLS_OPENSSL, ""},
	{"libssl.so.1.0.2", TLS_OPENSSL_OTHER, "1.0"},
	{"libssl.so.0.9.8", TLS_OPENSSL_OTHER, "0.9"},
	{"libssl.so.53", TLS_OPENSSL_OTHER, ""}, /* LibreSSL */
	{"libssl3.so", TLS_NSS, ""},
	{"libgnutls.so.30.34.3", TLS_GNUTLS, ""},
	{"libQt5Network.so.5.15.8", TLS_OPENSSL_BY_NAME, ""},
	{"libQt6Network.so.6", TLS_OPENSSL_BY_NAME, ""},
	{"libmbedtls.so.14", TLS_MBEDTLS, ""},
	{"libwolfssl.so.35", TLS_WOLFSSL, ""},
	{"libjli.so", TLS_JSSE, ""},
	{"libjvm.so", TLS_JSSE, ""},
	{"libcrypto.so.3", -1, ""},
	{"libnss3.so", -1, ""}, /* cryptography; its TLS is in libssl3.so */
	{"libgnutls-dane.so.0", -1, ""},
	{"libgnutlsxx.so.30", -1, ""},
	{"libc.so.6", -1, ""},
	{"libssh.so.4", -1, ""},
	{"", -1, ""},
};

static void a_library_is_known_by_its_name(void)
{
	for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
		enum tls tls = TLS_COUNT;
		const char *version = "";
		bool found = coverage_find_library(tap_guarded(bytes_str(libraries[i].file)), &tls,
						   &version);
		int got = found ? (int)tls : -1;
		if (got != libraries[i].tls || strcmp(version, libraries[i].version) != 0)
			tap_fail(__FILE__, __LINE__, "%s: kind %d \"%s\", expected %d \"%s\"",
				 libraries[i].file, got, version, libraries[i].tls,
				 libraries[i].version);
	}
}

static void a_process_is_governed_only_with_the_library_at_work(void)
{
	CHECK(coverage_governed(true, false, REACH_FULL) == GOVERNED_YES);
	CHECK(coverage_governed(true, false, REACH_NO_TLS) == GOVERNED_YES);
	CHECK(coverage_governed(true, false, REACH_PARTLY) == GOVERNED_PARTLY);
	CHECK(coverage_governed(true, false, REACH_OPAQUE) == GOVERNED_OPAQUE);
	CHECK(coverage_governed(true, false, REACH_NOT) == GOVERNED_NO);
	for (int reach = 0; reach <= REACH_NO_TLS; reach++) {
		CHECK(coverage_governed(false, false, (enum reach)reach) == GOVERNED_NO);
		CHECK(coverage_governed(true, true, (enum reach)reach) == GOVERNED_NO);
	}
	CHECK_STR(coverage_governed_name(GOVERNED_YES), "yes");
	CHECK_STR(coverage_governed_name(GOVERNED_NO), "no");
}

int main(void)
{
	RUN_TESTS(TEST(what_is_found_decides_what_is_reached), TEST(a_detour_needs_our_machine),
		  TEST(every_row_is_filled_in), TEST(a_library_is_known_by_its_name),
		  TEST(a_process_is_governed_only_with_the_library_at_work));
}
