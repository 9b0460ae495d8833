/* SPDX-License-Identifier: MIT */
#include "shim/hello.h"

#include <string.h>

#include "shim/conn.h"
#include "shim/tls_random.h"

#define EXPECTED 256 /* hellos between the library and the socket at one time */

static __thread struct hello_mark mark __attribute__((tls_model("initial-exec")));

static struct {
	uint32_t version; /* odd while being written */
	struct tls_random random;
} expected[EXPECTED];
static uint32_t expected_next;

struct hello_mark hello_enter(const struct conn *c, hello_random_of *random_of)
{
	struct hello_mark before = mark;

	mark = (struct hello_mark){c, c->session, c->functions, random_of};
	return before;
}

void hello_leave(struct hello_mark before)
{
	mark = before;
}

void hello_expect(const uint8_t random[32])
{
	uint32_t slot = __atomic_fetch_add(&expected_next, 1, __ATOMIC_RELAXED) % EXPECTED;

	__atomic_fetch_add(&expected[slot].version, 1, __ATOMIC_ACQ_REL);
	tls_random_put(&expected[slot].random, random);
	__atomic_fetch_add(&expected[slot].version, 1, __ATOMIC_RELEASE);
}

static bool is_expected(const uint8_t random[32])
{
	for (unsigned i = 0; i < EXPECTED; i++) {
		uint32_t before = __atomic_load_n(&expected[i].version, __ATOMIC_ACQUIRE);
		bool same = before && tls_random_is(&expected[i].random, random);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (same && before % 2 == 0 &&
		    __atomic_load_n(&expected[i].version, __ATOMIC_RELAXED) == before)
			return true;
	}
	return false;
}

bool hello_is_known(const uint8_t random[32])
{
	struct hello_mark now = mark;
	uint8_t made[32];

	if (now.conn && now.session &&
	    __atomic_load_n(&now.conn->session, __ATOMIC_ACQUIRE) == now.session &&
	    now.conn->functions == now.functions && now.random_of(now.conn, made) &&
	    memcmp(made, random, sizeof made) == 0)
		return true;
	return is_expected(random);
}
