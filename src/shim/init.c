/* SPDX-License-Identifier: MIT
 *
 * The constructor and the destructor: everything that happens in a program because we are loaded
 * and it has not called anything yet. Kept to a few microseconds: this runs in every process.
 */
#include "shim/init.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <sys/auxv.h>

#include "shim/conn.h"
#include "shim/detour.h"
#include "shim/explain.h"
#include "shim/gnutls.h"
#include "shim/journal.h"
#include "shim/keyring.h"
#include "shim/notice.h"
#include "shim/opaque.h"
#include "shim/opening.h"
#include "shim/plain.h"
#include "shim/quic.h"
#include "shim/quota.h"
#include "shim/real.h"
#include "shim/rules.h"
#include "shim/self.h"

/* One fixed order of locks: journal before rules, as journal_append takes them; quota holds its
 * over neither. Nothing here allocates or frees: an allocator with handlers of its own may be
 * locked just now. */
static void before_fork(void)
{
	opening_release_all();
	quota_before_fork();
	journal_before_fork();
	rules_before_fork();
	keyring_before_fork();
}

static void after_fork(void)
{
	keyring_after_fork();
	rules_after_fork();
	journal_after_fork();
	quota_after_fork();
}

static void in_child(void)
{
	journal_in_child();
	rules_in_child();
	quota_in_child();
	keyring_in_child();
	notice_in_child();
	conn_reset_locks();
	opaque_in_child();
	opening_in_child();
	plain_in_child();
	quic_in_child();
	real_reset_locks();
	gnutls_reset_locks();
}

bool init_stop_needed START_DATA;

bool init_complete(void)
{
	static int state; /* 0 not yet, 1 under way or done; atomic */

	if (__atomic_exchange_n(&state, 1, __ATOMIC_ACQ_REL) == 0) {
		sys_file_limit_watch();
		if (pthread_atfork(before_fork, after_fork, in_child) != 0)
			conn_enabled = false;
	}
	return conn_enabled;
}

struct program {
	const void *headers;
	size_t count;
};

/* The kernel's vector stands behind the environment as it was at first; a library that is loaded
 * later gets another one. (libc's getauxval is a page that few programs touch.) */
static START_CODE struct program find_program(char *const *past_arguments, char *const *environment)
{
	struct program found = {NULL, 0};

	if (environment == past_arguments) {
		while (*environment)
			environment++;
		for (const Elf64_auxv_t *a = (const void *)(environment + 1); a->a_type; a++) {
			if (a->a_type == AT_PHDR)
				found.headers = (const void *)a->a_un.a_val;
			if (a->a_type == AT_PHNUM)
				found.count = a->a_un.a_val;
		}
	}
	/* Where the loader took variables out of a privileged program's, it looks like its end. */
	if (!found.headers || !found.count) {
		found.headers = (const void *)getauxval(AT_PHDR);
		found.count = getauxval(AT_PHNUM);
	}
	return found;
}

/* The loader hands the environment over; `environ` itself is not set yet when a library with
 * DF_1_INITFIRST starts, before libc's own constructor. */
__attribute__((constructor)) static START_CODE void start(int argc, char **argv, char **environment)
{
	int saved = errno;

	real_init();
	self_init(environment);
	conn_enabled = !self_is_off();
	if (conn_enabled) {
		struct program program = find_program(argv + argc + 1, environment);
		detour_init(program.headers, program.count);
		if (detour_status() != DETOUR_NONE && detour_status() != DETOUR_SET)
			explain_limit(detour_status_text(detour_status()));
	}
	errno = saved;
}

__attribute__((destructor)) static START_CODE void stop(void)
{
	int saved = errno;

	if (__atomic_load_n(&init_stop_needed, __ATOMIC_ACQUIRE)) {
		opening_release_all();
		opaque_close();
		journal_close();
	}
	errno = saved;
}
