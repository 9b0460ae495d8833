/* SPDX-License-Identifier: MIT
 *
 * limits-hammer DIRECTORY [PROCESSES [TOKENS]]: so many processes (64) take from one budget of so
 * many tokens (20000) and settle with less or more, until each is refused; every fourth is killed
 * on the way. Then what the file says is compared with what they say they used. Prints a line and
 * ends with 0 when the budget was kept. `limits-hammer -t DIRECTORY [PAIRS]` measures one process.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "limits/store.h"

#define PROCESSES_MAX 256
#define TAKEN         20
#define USED_MAX      30 /* more than was taken, at times */

/* In memory that all share: what each has settled, and how much more it may have in flight. */
struct told {
	uint64_t settled, in_flight, refused, failed, pairs;
	uint32_t ready;
};

static struct limits_kept descriptor;

static struct limits_scope budget(uint64_t tokens)
{
	struct limits_scope s;

	memset(&s, 0, sizeof s);
	strcpy(s.name, "environments.production");
	s.values.given = 1u << LIMIT_TOKENS_PER_MONTH | 1u << LIMIT_CONCURRENT_REQUESTS;
	s.values.value[LIMIT_TOKENS_PER_MONTH] = tokens;
	s.values.value[LIMIT_CONCURRENT_REQUESTS] = PROCESSES_MAX;
	return s;
}

static void hammer(const char *directory, uint64_t tokens, unsigned seed, struct told *told)
{
	const struct limits_scope s = budget(tokens);
	struct limits_alert alerts[LIMITS_ALERTS_MAX];
	struct limits_process me;

	limits_process_self(&me);
	for (;;) {
		struct limits_amounts wanted = {1, TAKEN, 0}, used = {1, 0, 0};
		struct limits_refusal r;
		struct limits_ticket t;
		size_t count;
		used.tokens = (uint64_t)rand_r(&seed) % USED_MAX;
		__atomic_store_n(&told->in_flight, USED_MAX, __ATOMIC_SEQ_CST);
		enum err e = limits_take(&descriptor, directory, &me, &s, 1, &wanted, sys_now_ns(),
					 &t, &r);
		told->refused += e == ERR_LIMIT;
		told->failed += e != OK && e != ERR_LIMIT;
		if (e)
			break;
		e = limits_settle(&descriptor, directory, &t, &used, sys_now_ns(), alerts, &count);
		told->failed += e != OK;
		__atomic_store_n(&told->settled, told->settled + used.tokens, __ATOMIC_SEQ_CST);
		__atomic_store_n(&told->pairs, told->pairs + 1, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&told->in_flight, 0, __ATOMIC_SEQ_CST);
}

static int contend(const char *directory, unsigned processes, uint64_t tokens)
{
	struct told *told = mmap(NULL, PROCESSES_MAX * sizeof *told, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t settled = 0, in_flight = 0, failed = 0, pairs = 0;
	static pid_t pids[PROCESSES_MAX];
	struct meter m;

	if (told == MAP_FAILED)
		return 3;
	for (unsigned i = 0; i < processes; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			hammer(directory, tokens, i + 1, &told[i]);
			_exit(0);
		}
	}
	/* Killed in the middle of something, most probably. */
	for (unsigned i = 0; i < processes; i += 4) {
		while (!__atomic_load_n(&told[i].pairs, __ATOMIC_SEQ_CST) &&
		       waitpid(pids[i], NULL, WNOHANG) == 0)
			usleep(100);
		kill(pids[i], SIGKILL);
	}
	for (unsigned i = 0; i < processes; i++)
		waitpid(pids[i], NULL, 0);
	for (unsigned i = 0; i < processes; i++) {
		settled += told[i].settled;
		in_flight += told[i].in_flight;
		failed += told[i].failed;
		pairs += told[i].pairs;
	}
	if (limits_read(directory, budget(tokens).name, sys_now_ns(), &m))
		return 3;
	uint64_t spent = m.spent[LIMIT_TOKENS_PER_MONTH - LIMIT_TOKENS_PER_DAY];
	/* At any time no more was promised than there is; each that then used more did so once. */
	uint64_t most = tokens + processes * (uint64_t)(USED_MAX - TAKEN);
	bool kept = !failed && spent >= settled && spent <= settled + in_flight && spent <= most &&
		    spent + TAKEN + in_flight >= tokens && m.running == 0;
	printf("%s: %u processes, %llu calls, budget %llu, used %llu, in the file %llu, in flight "
	       "of "
	       "killed ones up to %llu, failures %llu, still held %u\n",
	       kept ? "kept" : "NOT KEPT", processes, (unsigned long long)pairs,
	       (unsigned long long)tokens, (unsigned long long)settled, (unsigned long long)spent,
	       (unsigned long long)in_flight, (unsigned long long)failed, m.running);
	return kept ? 0 : 1;
}

static int measure(const char *directory, unsigned pairs)
{
	const struct limits_amounts wanted = {1, TAKEN, 0};
	struct limits_scope s = budget(UINT64_MAX);
	struct limits_alert alerts[LIMITS_ALERTS_MAX];
	struct limits_process me;
	struct limits_refusal r;
	struct limits_ticket t;
	size_t count;

	limits_process_self(&me);
	for (int held = 1; held >= 0; held--) {
		if (!held)
			s.values.given &= ~(1u << LIMIT_CONCURRENT_REQUESTS);
		uint64_t begun_ns = sys_monotonic_ns();
		for (unsigned i = 0; i < pairs; i++)
			if (limits_take(&descriptor, directory, &me, &s, 1, &wanted, sys_now_ns(),
					&t, &r) ||
			    limits_settle(&descriptor, directory, &t, &wanted, sys_now_ns(), alerts,
					  &count))
				return 3;
		printf("%.2f us for taking and settling%s\n",
		       (double)(sys_monotonic_ns() - begun_ns) / 1000 / pairs,
		       held ? ", with concurrent_requests" : "");
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "-t") == 0)
		return measure(argv[2], argc > 3 ? (unsigned)atoi(argv[3]) : 20000);
	if (argc < 2) {
		fputs("usage: limits-hammer [-t] DIRECTORY [PROCESSES [TOKENS]]\n", stderr);
		return 2;
	}
	unsigned processes = argc > 2 ? (unsigned)atoi(argv[2]) : 64;
	uint64_t tokens = argc > 3 ? strtoull(argv[3], NULL, 10) : 20000;
	return contend(argv[1], processes < PROCESSES_MAX ? processes : PROCESSES_MAX, tokens);
}
