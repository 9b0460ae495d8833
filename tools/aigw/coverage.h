/* SPDX-License-Identifier: MIT
 *
 * coverage: what the library can do with which kind of TLS, and what keeps it out of a program.
 * Tables, and the verdict from what was found. Pure. Who looks at files and processes: inspect.
 *
 * The tables say what the shim does (src/shim); tests/e2e/coverage.bats holds them against real
 * programs.
 */
#ifndef AIGW_TOOL_COVERAGE_H
#define AIGW_TOOL_COVERAGE_H

#include "base/bytes.h"

enum tls {
	TLS_OPENSSL,            /* a shared library, called by symbol */
	TLS_OPENSSL_BY_NAME,    /* the same, loaded and looked up at run time: dlopen, dlsym */
	TLS_OPENSSL_INSIDE,     /* in the program's own file, with its symbols */
	TLS_OPENSSL_IN_LIBRARY, /* in a shared library of another purpose */
	TLS_OPENSSL_BARE,       /* in the program's own file, without symbols */
	TLS_OPENSSL_OTHER,      /* a shared library, neither 1.1 nor 3 */
	TLS_GNUTLS,
	TLS_BORINGSSL,
	TLS_NSS,
	TLS_MBEDTLS,
	TLS_WOLFSSL,
	TLS_RUSTLS,
	TLS_JSSE,
	TLS_RUNTIME, /* a JavaScript runtime with a TLS that was not looked at more closely */
	TLS_GO,
	TLS_COUNT
};

/* How much of what a program says to a model provider is under control. */
enum reach {
	REACH_FULL,   /* decided on and recorded */
	REACH_PARTLY, /* one of its ways is, another is not */
	REACH_OPAQUE, /* its connections are seen, and refused or let through as a whole */
	REACH_NOT,    /* nothing */
	REACH_NO_TLS, /* no TLS was found: nothing to say */
};

struct tls_row {
	const char *name; /* for programs, never changes: "openssl_inside" */
	const char
		*label;  /* for people, a version stands behind its first word: "OpenSSL inside" */
	const char *way; /* how it is reached: "symbol", "detour", "ClientHello only", "nothing" */
	enum reach reach;
	const char *meaning; /* a sentence; NULL where reached says it all */
	const char *advice;  /* what to do, a sentence; NULL: nothing */
};

/* What keeps the library out of a program as a whole. */
enum obstacle {
	OBSTACLE_STATIC,
	OBSTACLE_RIGHTS,
	OBSTACLE_LIBC,
	OBSTACLE_MACHINE,
	OBSTACLE_GO,
	OBSTACLE_COUNT
};

struct obstacle_row {
	const char *name;
	const char *why; /* goes on from "will not be governed: " */
	const char *advice;
};

const struct tls_row *coverage_tls(enum tls tls);
const struct obstacle_row *coverage_obstacle(enum obstacle obstacle);

/* `tls` and `obstacles` are sets: bit i for the kind i. */
enum reach coverage_decide(uint32_t tls, uint32_t obstacles);

const char *coverage_reach_name(enum reach reach);    /* "full", "partly", ... */
const char *coverage_reach_meaning(enum reach reach); /* a sentence about a program */

/* Is a process governed now? The library may be absent, or there and switched off. */
enum governed { GOVERNED_YES, GOVERNED_PARTLY, GOVERNED_OPAQUE, GOVERNED_NO };

enum governed coverage_governed(bool loaded, bool switched_off, enum reach reach);
const char *coverage_governed_name(enum governed governed);

/* The TLS library of that file name ("libssl.so.3"), and the version that the name tells ("" when
 * it does not). False: none that is known. */
bool coverage_find_library(struct bytes file_name, enum tls *ret_tls, const char **ret_version);

#endif
