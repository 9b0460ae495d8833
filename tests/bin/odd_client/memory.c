/* SPDX-License-Identifier: MIT
 *
 * Memory that runs out inside of a call.
 */
#include "odd_client.h"

#include <limits.h>
#include <malloc.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define REQUEST_BYTES 1024
#define STATUS_MAX    600
#define TIMES_MAX     1000       /* failures of one call: more would be an endless loop */
#define SPARE_BYTES   (8u << 20) /* free in the heap, so that it need not grow */

/* odd_malloc.c's, where that is linked: the n-th allocation from now on by an object whose name has
 * `object` in it fails; 0: none. True: it has come to that since it was last called. */
__attribute__((weak)) bool odd_malloc_fail(const char *object, unsigned long n);

static char head[REQUEST_BYTES], body[REQUEST_BYTES];

static void make_request(const char *model, const char *key)
{
	snprintf(body, sizeof body,
		 "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}",
		 model);
	snprintf(head, sizeof head,
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: " PROVIDER "\r\n"
		 "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
		 "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
		 key, strlen(body));
}

/* The head, then, when it is asked for, the body: the status of the answer; else as read_answer.
 * The answer of a call `before` comes first, or it is 0. */
static int call(SSL *ssl, bool before)
{
	char at[8192];
	int error, status;

	ERR_clear_error();
	send_text(ssl, head);
	if (before && read_answer(ssl, at, sizeof at, &error) != 200)
		return 0;
	status = read_answer(ssl, at, sizeof at, &error);
	if (status == 100) {
		send_text(ssl, body);
		status = read_answer(ssl, at, sizeof at, &error);
	}
	return status;
}

static void show(const char *what, const bool *seen)
{
	printf("%s", what);
	for (int status = 0; status < STATUS_MAX; status++)
		if (seen[status])
			printf(" %d", status);
	printf("\n");
}

/* One failure further each time, until there is none. */
static void fail_each_allocation(void)
{
	bool seen[STATUS_MAX] = {false}, failed = true;
	unsigned long n = 1;

	for (; failed && n < TIMES_MAX; n++) {
		SSL *ssl = start(PROVIDER);
		odd_malloc_fail("libaigw", n);
		int status = call(ssl, false);
		failed = odd_malloc_fail("libaigw", 0);
		seen[status > 0 && status < STATUS_MAX ? status : 0] = true;
		finish(ssl);
	}
	printf("FAILED %s\n", n > 10 && n < TIMES_MAX ? "some" : "none");
	show("HTTP", seen);
}

static void allow_pages(const struct rlimit *before, rlim_t pages)
{
	struct rlimit limit = *before;
	unsigned long now = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%lu", &now) != 1)
		die("/proc/self/statm");
	fclose(f);
	limit.rlim_cur = (now + pages) * (rlim_t)sysconf(_SC_PAGESIZE);
	if (setrlimit(RLIMIT_AS, &limit))
		die("setrlimit");
}

/* A page more for the process each time, until that is enough, behind a call of its own. */
static void allow_each_page(const char *model)
{
	bool seen[STATUS_MAX] = {false};
	struct rlimit before;
	int status = 0;

	if (getrlimit(RLIMIT_AS, &before))
		die("getrlimit");
	for (rlim_t pages = 0; status != 200 && pages < TIMES_MAX; pages++) {
		SSL *ssl = start(PROVIDER);
		send_call(ssl, PROVIDER, model, "");
		allow_pages(&before, pages);
		status = call(ssl, true);
		if (setrlimit(RLIMIT_AS, &before))
			die("setrlimit");
		seen[status > 0 && status < STATUS_MAX ? status : 0] = true;
		finish(ssl);
	}
	show("PAGES HTTP", seen);
}

void mode_starve(char **argument)
{
	char at[8192];
	int error;
	SSL *ssl;

	if (!odd_malloc_fail) {
		fprintf(stderr, "starve: only odd_malloc can\n");
		exit(2);
	}
	/* What is allocated once in a process is there. */
	make_request(argument[0], argument[1]);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_MMAP_THRESHOLD, INT_MAX);
	free(malloc(SPARE_BYTES));
	ssl = start(PROVIDER);
	send_call(ssl, PROVIDER, argument[0], "");
	(void)read_answer(ssl, at, sizeof at, &error);
	finish(ssl);
	fail_each_allocation();
	allow_each_page(argument[0]);
}
