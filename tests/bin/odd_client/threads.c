/* SPDX-License-Identifier: MIT
 *
 * Threads, forks between them, and jumps over other people's frames.
 */
#include "odd_client.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS_PER_SSL 50 /* in mode fork */
#define CALLS_AFTER   3  /* a heap address comes again soon, but not surely at once */

/* ---- two threads ---- */

/* Waits until that thread of ours has been asleep for a while: it is in the kernel's read. */
static void wait_until_asleep(pid_t thread)
{
	char path[64], text[512];
	const struct timespec pause = {0, 2000000};

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
	for (int asleep = 0; asleep < 5;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
		if (n <= 0)
			die(path);
		close(fd);
		text[n] = '\0';
		const char *state = strrchr(text, ')'); /* behind the name: proc(5) */
		asleep = state && state[1] && state[2] == 'S' ? asleep + 1 : 0;
		nanosleep(&pause, NULL);
	}
}

static struct {
	SSL *ssl;
	pid_t thread; /* 0: has not started yet */
	bool only_once;
} reader;

static void *read_all(void *argument)
{
	__atomic_store_n(&reader.thread, gettid(), __ATOMIC_RELEASE);
	while (show_answer(reader.ssl) && !reader.only_once)
		;
	return NULL;
}

void mode_read_in_thread(char **argument)
{
	pthread_t thread;
	pid_t id;

	reader.ssl = start(argument[0]);
	reader.only_once = !argument[0];
	if ((errno = pthread_create(&thread, NULL, read_all, NULL)))
		die("thread");
	while (!(id = __atomic_load_n(&reader.thread, __ATOMIC_ACQUIRE)))
		sched_yield();
	wait_until_asleep(id);
	if (argument[0])
		send_call(reader.ssl, argument[0], FORBIDDEN, "");
	else
		send_text(reader.ssl, "NICK someone\r\n");
	pthread_join(thread, NULL);
	finish(reader.ssl);
}

/* ---- forks between threads ---- */

static bool stopping;
static unsigned long calls, forks;

static void *make_calls(void *model)
{
	char at[8192];
	int error;

	while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
		SSL *ssl = start(PROVIDER);
		for (int i = 0, status = 200; i < CALLS_PER_SSL && status == 200; i++) {
			send_call(ssl, PROVIDER, model, "");
			status = read_answer(ssl, at, sizeof at, &error);
			__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
		}
		finish(ssl);
	}
	return NULL;
}

void mode_fork(char **argument)
{
	time_t end = time(NULL) + atoi(argument[0]);
	pthread_t threads[2];

	for (size_t i = 0; i < 2; i++)
		if ((errno = pthread_create(&threads[i], NULL, make_calls, argument[1])))
			die("thread");
	while (time(NULL) < end) {
		pid_t child = fork();
		if (child < 0)
			die("fork");
		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
		forks++;
	}
	__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("FORKS %s CALLS %s\n", forks ? "some" : "none", calls ? "some" : "none");
	fprintf(stderr, "odd_client: %lu forks, %lu calls\n", forks, calls);
}

/* ---- jumps over frames of the library, and of whoever stands in front of it ---- */

static sigjmp_buf before;

static void show_calls_after(void)
{
	for (int i = 0; i < CALLS_AFTER; i++) {
		SSL *ssl = start(PROVIDER);
		send_call(ssl, PROVIDER, FORBIDDEN, "");
		show_answer(ssl);
		finish(ssl);
	}
}

static void jump_from_signal(int number)
{
	siglongjmp(before, 1);
}

static void *interrupt(void *main_thread)
{
	wait_until_asleep(getpid());
	pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
	return NULL;
}

void mode_jump_from_signal(char **argument)
{
	SSL *ssl = start(PROVIDER);
	pthread_t self = pthread_self(), thread;

	signal(SIGUSR1, jump_from_signal);
	if (sigsetjmp(before, 1) == 0) {
		if ((errno = pthread_create(&thread, NULL, interrupt, &self)))
			die("thread");
		show_answer(ssl);
	} else {
		printf("JUMPED\n");
	}
	finish(ssl);
	show_calls_after();
}

static int jump_once(int ok, X509_STORE_CTX *store)
{
	static bool jumped;

	if (jumped)
		return ok;
	jumped = true;
	siglongjmp(before, 1);
}

void mode_jump_from_callback(char **argument)
{
	SSL *ssl;

	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, jump_once);
	ssl = prepare(PROVIDER);
	if (sigsetjmp(before, 1) == 0)
		SSL_connect(ssl);
	else
		printf("JUMPED\n");
	finish(ssl);
	show_calls_after();
}
