/* SPDX-License-Identifier: MIT */
#include "coverage.h"

#include <stddef.h>

/* Detours are made of x86-64 instructions. */
#ifdef __x86_64__
#define DETOUR_WAY     "detour"
#define DETOUR_REACH   REACH_FULL
#define DETOUR_MEANING NULL
#define DETOUR_ADVICE  NULL
#else
#define DETOUR_WAY     WAY_OPAQUE
#define DETOUR_REACH   REACH_OPAQUE
#define DETOUR_MEANING "OpenSSL inside a program is reached on x86-64 only."
#define DETOUR_ADVICE  ADVICE_OPAQUE
#endif

#define WAY_OPAQUE "ClientHello only"
#define ADVICE_OPAQUE                                                                              \
	"The policy's transport.opaque_tls says whether such connections to providers are "        \
	"refused "                                                                                 \
	"(\"refuse\") or recorded as opaque (\"allow\")."
#define OUTSIDE "provider keys away from it and let an egress rule of the host stop it."

static const struct tls_row tls_rows[TLS_COUNT] = {
	[TLS_OPENSSL] = {"openssl", "OpenSSL", "symbol", REACH_FULL, NULL, NULL},
	[TLS_OPENSSL_BY_NAME] = {"openssl_by_name", "OpenSSL, loaded by name", "dlsym", REACH_FULL,
				 NULL, NULL},
	[TLS_OPENSSL_INSIDE] = {"openssl_inside", "OpenSSL inside", DETOUR_WAY, DETOUR_REACH,
				DETOUR_MEANING, DETOUR_ADVICE},
	[TLS_OPENSSL_IN_LIBRARY] = {"openssl_in_library", "OpenSSL inside a library", WAY_OPAQUE,
				    REACH_OPAQUE,
				    "A library of another purpose has an OpenSSL of its own in it, "
				    "which cannot be looked into.",
				    ADVICE_OPAQUE},
	[TLS_OPENSSL_BARE] = {"openssl_bare", "OpenSSL inside, without symbols", WAY_OPAQUE,
			      REACH_OPAQUE,
			      "Its OpenSSL cannot be found in the file: the symbols were removed.",
			      "A build that was not stripped can be governed. " ADVICE_OPAQUE},
	[TLS_OPENSSL_OTHER] = {"openssl_other", "OpenSSL", WAY_OPAQUE, REACH_OPAQUE,
			       "Of OpenSSL only the versions 1.1 and 3 are governed.",
			       ADVICE_OPAQUE},
	[TLS_GNUTLS] = {"gnutls", "GnuTLS", "symbol", REACH_FULL, NULL, NULL},
	[TLS_BORINGSSL] = {"boringssl", "BoringSSL inside", WAY_OPAQUE, REACH_OPAQUE,
			   "BoringSSL inside a program cannot be looked into.", ADVICE_OPAQUE},
	[TLS_NSS] = {"nss", "NSS", WAY_OPAQUE, REACH_OPAQUE,
		     "What NSS sends cannot be looked into.", ADVICE_OPAQUE},
	[TLS_MBEDTLS] = {"mbedtls", "mbedTLS", WAY_OPAQUE, REACH_OPAQUE,
			 "What mbedTLS sends cannot be looked into.", ADVICE_OPAQUE},
	[TLS_WOLFSSL] = {"wolfssl", "wolfSSL", WAY_OPAQUE, REACH_OPAQUE,
			 "What wolfSSL sends cannot be looked into.", ADVICE_OPAQUE},
	[TLS_RUSTLS] = {"rustls", "rustls inside", WAY_OPAQUE, REACH_OPAQUE,
			"What rustls sends cannot be looked into.", ADVICE_OPAQUE},
	[TLS_JSSE] = {"jsse", "Java's JSSE", WAY_OPAQUE, REACH_OPAQUE,
		      "Java's own TLS cannot be looked into.", ADVICE_OPAQUE},
	[TLS_RUNTIME] = {"runtime", "JavaScript runtime's own", WAY_OPAQUE, REACH_OPAQUE,
			 "The TLS inside this JavaScript runtime cannot be looked into.",
			 "Node.js can be governed. " ADVICE_OPAQUE},
	[TLS_GO] = {"go", "Go's crypto/tls", "nothing", REACH_NOT,
		    "Go speaks with the kernel itself, past every library.", "Keep " OUTSIDE},
};

static const struct obstacle_row obstacle_rows[OBSTACLE_COUNT] = {
	[OBSTACLE_STATIC] = {"static", "it is a static program, which loads no library",
			     "Use a dynamically linked build, or keep " OUTSIDE},
	[OBSTACLE_RIGHTS] = {"rights",
			     "it runs with more rights than its caller (setuid, setgid or "
			     "capabilities), and the loader ignores LD_PRELOAD",
			     "Start it as a user who has these rights already, or keep " OUTSIDE},
	[OBSTACLE_LIBC] = {"libc",
			   "it uses another C library (such as musl), and the gateway needs the "
			   "GNU one",
			   "Use a build for the GNU C library, or keep " OUTSIDE},
	[OBSTACLE_MACHINE] = {"machine", "it is built for another kind of machine than the gateway",
			      "Use a build for this machine, or keep " OUTSIDE},
	[OBSTACLE_GO] = {"go",
			 "it is a Go program, which speaks with the kernel past every library",
			 "Keep " OUTSIDE},
};

static const struct {
	const char *name, *meaning;
} reach_rows[] = {
	[REACH_FULL] = {"full", "Its requests to model providers are decided on and recorded."},
	[REACH_PARTLY] = {"partly", "Some of its ways to a model provider are governed, others are "
				    "not."},
	[REACH_OPAQUE] = {"opaque", "Its connections to model providers are seen, but not what is "
				    "said in them."},
	[REACH_NOT] = {"not", "Nothing it does is governed or recorded."},
	[REACH_NO_TLS] = {"no_tls", "No TLS was found in it or its libraries; the programs it "
				    "starts are looked at for themselves."},
};

const struct tls_row *coverage_tls(enum tls tls)
{
	return &tls_rows[tls];
}

const struct obstacle_row *coverage_obstacle(enum obstacle obstacle)
{
	return &obstacle_rows[obstacle];
}

enum reach coverage_decide(uint32_t tls, uint32_t obstacles)
{
	uint32_t reaches = 0;

	if (obstacles)
		return REACH_NOT;
	for (int i = 0; i < TLS_COUNT; i++)
		if (tls & UINT32_C(1) << i)
			reaches |= UINT32_C(1) << tls_rows[i].reach;
	switch (reaches) {
	case 0:
		return REACH_NO_TLS;
	case UINT32_C(1) << REACH_FULL:
		return REACH_FULL;
	case UINT32_C(1) << REACH_OPAQUE:
		return REACH_OPAQUE;
	case UINT32_C(1) << REACH_NOT:
		return REACH_NOT;
	default:
		return REACH_PARTLY;
	}
}

const char *coverage_reach_name(enum reach reach)
{
	return reach_rows[reach].name;
}

const char *coverage_reach_meaning(enum reach reach)
{
	return reach_rows[reach].meaning;
}

enum governed coverage_governed(bool loaded, bool switched_off, enum reach reach)
{
	if (!loaded || switched_off || reach == REACH_NOT)
		return GOVERNED_NO;
	if (reach == REACH_OPAQUE)
		return GOVERNED_OPAQUE;
	return reach == REACH_PARTLY ? GOVERNED_PARTLY : GOVERNED_YES;
}

const char *coverage_governed_name(enum governed governed)
{
	static const char *const names[] = {"yes", "partly", "opaque", "no"};

	return names[governed];
}

bool coverage_find_library(struct bytes file_name, enum tls *ret_tls, const char **ret_version)
{
	/* Wheels and conda carry copies such as libssl-81ffa89e.so.3. The first match counts. */
	static const struct {
		const char *pattern;
		enum tls tls;
		const char *version;
	} libraries[] = {
		{"libssl3.so*", TLS_NSS, ""},
		{"libssl*.so.3*", TLS_OPENSSL, "3"},
		{"libssl*.so.1.1*", TLS_OPENSSL, "1.1"},
		{"libssl*.so.1.0*", TLS_OPENSSL_OTHER, "1.0"},
		{"libssl*.so.0.9*", TLS_OPENSSL_OTHER, "0.9"},
		{"libssl.so", TLS_OPENSSL, ""},
		{"libssl*.so.*", TLS_OPENSSL_OTHER, ""},
		{"libgnutls.so*", TLS_GNUTLS, ""},
		{"libmbedtls*.so*", TLS_MBEDTLS, ""},
		{"libwolfssl*.so*", TLS_WOLFSSL, ""},
		{"libQt?Network.so*", TLS_OPENSSL_BY_NAME, ""},
		{"libjvm.so", TLS_JSSE, ""},
		{"libjli.so", TLS_JSSE, ""},
	};

	for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++)
		if (bytes_match(bytes_str(libraries[i].pattern), file_name, false)) {
			*ret_tls = libraries[i].tls;
			*ret_version = libraries[i].version;
			return true;
		}
	return false;
}
