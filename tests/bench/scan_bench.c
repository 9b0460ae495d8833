/* SPDX-License-Identifier: MIT
 *
 * What reading a request body of 1 MB for its decision costs: the function that the gate calls,
 * linked in, without the audit of that body, which a governed call of that size is mostly made of.
 *
 * usage: scan_bench text|messages COUNT      prints {"us": per body}, the median of COUNT
 *   text       one message of 1 MB
 *   messages   a conversation of messages of 200 bytes, with escapes and letters beyond ASCII
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "llm/catalogue.h"
#include "llm/request.h"

#define BODY_BYTES (1u << 20)

static void die(const char *what)
{
	fprintf(stderr, "scan_bench: %s\n", what);
	exit(3);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void put(struct buf *body, const char *text)
{
	if (buf_put_str(body, text))
		die("memory");
}

/* The model stands last, so that nothing is known before the end. */
static void make_body(struct buf *body, bool messages)
{
	static const char message[] = "{\"role\":\"user\",\"content\":\"Dr. M\xc3\xbcller said: "
				      "\\\"twice two\\\" is \\u0034.\\n"
				      "And then nobody said anything at all for as long as it "
				      "takes to make this message two "
				      "hundred bytes long, or so.\"},";

	put(body, "{\"messages\":[");
	if (!messages)
		put(body, "{\"role\":\"user\",\"content\":\"");
	while (body->len < BODY_BYTES - sizeof message)
		put(body, messages ? message : "all work and no play ");
	put(body, messages ? "{}" : "\"}");
	put(body, "],\"model\":\"gpt-5\"}");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t read_once(const struct provider *provider, struct bytes body)
{
	struct request_view view = {.method = BYTES("POST"),
				    .path = BYTES("/v1/chat/completions"),
				    .content_type = BYTES("application/json"),
				    .body = body};
	struct fault fault;
	struct call call;
	uint64_t from = now_ns();

	if (provider_read_call(provider, &view, &call, &fault) || strcmp(call.model, "gpt-5"))
		die("the body was not read");
	return now_ns() - from;
}

int main(int argc, char **argv)
{
	size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	const struct provider *openai = catalogue_find(BYTES("openai"));
	uint64_t *ns = calloc(count ? count : 1, sizeof *ns);
	struct buf body = {0};

	if (!count || !ns || (strcmp(argv[1], "text") && strcmp(argv[1], "messages"))) {
		fprintf(stderr, "usage: scan_bench text|messages COUNT\n");
		return 2;
	}
	make_body(&body, argv[1][0] == 'm');
	for (size_t i = 0; i < count; i++)
		ns[i] = read_once(openai, buf_view(&body));
	qsort(ns, count, sizeof *ns, compare);
	printf("{\"us\": %.1f}\n", (double)ns[count / 2] / 1e3);
	buf_done(&body);
	free(ns);
	return 0;
}
