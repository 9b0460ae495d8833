/* SPDX-License-Identifier: MIT
 *
 * keys_bench AIGWD DIRECTORY: what it takes to have a gateway key judged and the provider's key
 * handed over: from a store of as many keys as it can hold, and by a key holder (AIGWD
 * --hold-keys), asked as the shim asks. Prints one line of JSON, in microseconds.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/seal.h"
#include "base/sys.h"
#include "keys/key_file.h"
#include "shim/key_holder.h"

#define ROUNDS 2000
#define NAMES  "some-%04zu"

static double times[ROUNDS];
static char key[GATEWAY_KEY_BYTES_MAX + 1];
static struct key_host *host;
static uint8_t *secret;

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "keys_bench: %s\n", what);
	exit(1);
}

/* The one that is used is the last. */
static void make_store(const char *directory)
{
	static struct key_entry keys[KEY_STORE_KEYS_MAX];
	static char names[KEY_STORE_KEYS_MAX][16];
	static uint8_t cipher[64], random[GATEWAY_KEY_SECRET_BYTES] = {1, 2, 3};
	struct key_secret one = {.provider = BYTES("openai")};
	struct key_store store = {.generation = 1,
				  .key_count = KEY_STORE_KEYS_MAX,
				  .secret_count = 1,
				  .keys = keys,
				  .secrets = &one};

	must(!key_file_host(directory, true, host), "the host key");
	must(!gateway_key_put(BYTES("test"), random, key), "a key");
	must(!key_secret_seal(&one, host, BYTES("sk-some-secret-of-usual-length-0123456789"),
			      cipher),
	     "a secret");
	for (size_t i = 0; i < KEY_STORE_KEYS_MAX; i++) {
		snprintf(names[i], sizeof names[i], NAMES, i);
		keys[i].scope.name = bytes_str(names[i]);
		keys[i].scope.environment = BYTES("test");
		must(!sys_random(keys[i].hash, sizeof keys[i].hash), "randomness");
	}
	key_hash(host, bytes_str(key), keys[KEY_STORE_KEYS_MAX - 1].hash);
	must(!key_file_save(directory, host, &store), "the store");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double us_since(uint64_t begun_ns)
{
	return (double)(sys_monotonic_ns() - begun_ns) / 1000;
}

static void measure_file(const char *directory)
{
	struct key_store *store = NULL;
	const struct key_entry *entry;
	struct file_version version;

	must(!key_file_load(directory, host, &store), "reading the store");
	for (size_t i = 0; i < ROUNDS; i++) {
		uint64_t begun_ns = sys_monotonic_ns();
		key_file_version(directory, &version);
		must(key_store_judge(store, host, bytes_str(key), 1, &entry) == KEY_VALID,
		     "the key");
		must(!key_secret_open(key_store_secret(store, BYTES("openai"), BYTES("test")), host,
				      secret),
		     "the secret");
		times[i] = us_since(begun_ns);
	}
	key_store_free(store);
	qsort(times, ROUNDS, sizeof times[0], by_value);
}

static void measure_holder(const char *socket)
{
	struct key_answer answer;
	struct key_entry entry;

	for (size_t i = 0; i < ROUNDS; i++) {
		struct arena arena = {0};
		uint64_t begun_ns = sys_monotonic_ns();
		must(!key_holder_ask(socket, bytes_str(key), BYTES("openai"), secret, &arena,
				     &answer, &entry),
		     "asking");
		times[i] = us_since(begun_ns);
		must(answer.verdict == KEY_VALID && answer.secret_bytes, "the answer");
		arena_done(&arena);
	}
	qsort(times, ROUNDS, sizeof times[0], by_value);
}

static pid_t start_holder(const char *program, const char *socket, const char *directory)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)!freopen("/dev/null", "w", stderr);
		execl(program, program, "--hold-keys", "--foreground", "--socket", socket,
		      "--store", directory, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; pid > 0 && access(socket, F_OK) != 0; i++) {
		must(i < 10000 && waitpid(pid, NULL, WNOHANG) == 0,
		     "the key holder does not start");
		usleep(1000);
	}
	return pid;
}

int main(int argc, char **argv)
{
	char socket[100];
	double file_p50;
	pid_t pid;

	must(argc == 3 && !seal_init(), "usage: keys_bench AIGWD DIRECTORY");
	host = sys_map_secret(sizeof *host);
	secret = sys_map_secret(KEY_SECRET_BYTES_MAX);
	must(host && secret, "memory");
	snprintf(socket, sizeof socket, "%s/keys.sock", argv[2]);
	make_store(argv[2]);
	measure_file(argv[2]);
	file_p50 = times[ROUNDS / 2];
	pid = start_holder(argv[1], socket, argv[2]);
	measure_holder(socket);
	printf("{\"file_p50_us\": %.2f, \"holder_p50_us\": %.2f, \"holder_p99_us\": %.2f}\n",
	       file_p50, times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return 0;
}
