/* SPDX-License-Identifier: MIT
 *
 * With --bench: answers that cost as little as they can, so that what is measured is what stands
 * between the program and us.
 */
#include "provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENT_BYTES 512

static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				  "Transfer-Encoding: chunked\r\n\r\n";
static const char stream_end[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
static const char event_format[] =
	"data: "
	"{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1793836800,"
	"\"model\":\"gpt-5-2026-03-01\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},"
	"\"finish_reason\":null}]}\n\n";

/* A chunk with one event in it; the length of the chunk. */
static size_t put_event(char chunk[static EVENT_BYTES], const char *word)
{
	char event[EVENT_BYTES - 32];
	int len = snprintf(event, sizeof event, event_format, word);

	return (size_t)snprintf(chunk, EVENT_BYTES, "%x\r\n%s\r\n", (unsigned)len, event);
}

/* A stream of equal events, each a chunk and a TLS record of its own, as fast as they go. */
static bool write_equal_events(struct line *line, size_t count)
{
	char chunk[EVENT_BYTES];
	size_t len = put_event(chunk, " word");
	bool there = line_write(line, stream_head, sizeof stream_head - 1);

	for (size_t i = 0; there && i < count; i++)
		there = line_write(line, chunk, len);
	return there && line_write(line, stream_end, sizeof stream_end - 1);
}

static void wait_until(const struct timespec *when)
{
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, when, NULL))
		;
}

static void add_us(struct timespec *t, unsigned us)
{
	uint64_t ns = (uint64_t)t->tv_nsec + (uint64_t)us * 1000;

	t->tv_sec += (time_t)(ns / 1000000000);
	t->tv_nsec = (long)(ns % 1000000000);
}

/* A stream as a model sends it: the head at once, thought before the first event, a pause before
 * each further one. The word of each event is the time, in ns of CLOCK_MONOTONIC, at which it was
 * sent. */
static bool write_stamped_events(struct line *line, unsigned count, unsigned first_us,
				 unsigned pace_us)
{
	char chunk[EVENT_BYTES], stamp[32];
	struct timespec next, now;
	bool there = line_write(line, stream_head, sizeof stream_head - 1);

	clock_gettime(CLOCK_MONOTONIC, &next);
	add_us(&next, first_us);
	for (unsigned i = 0; there && i < count; i++) {
		if (i > 0)
			add_us(&next, pace_us);
		if (i > 0 || first_us > 0)
			wait_until(&next);
		clock_gettime(CLOCK_MONOTONIC, &now);
		snprintf(stamp, sizeof stamp, "%llu",
			 (unsigned long long)now.tv_sec * 1000000000u +
				 (unsigned long long)now.tv_nsec);
		there = line_write(line, chunk, put_event(chunk, stamp));
	}
	return there && line_write(line, stream_end, sizeof stream_end - 1);
}

/* Whether the model is called "…--stamped=COUNT,FIRST_US,PACE_US": a gateway between us may leave
 * out any query and any header, but not that. Only so much of the body was kept. */
static bool read_stamped(const struct request *r, unsigned *ret_count, unsigned *ret_first_us,
			 unsigned *ret_pace_us)
{
	static const char mark[] = "--stamped=";
	char start[BENCH_BODY_BYTES + 1];
	size_t len = r->body_bytes < BENCH_BODY_BYTES ? r->body_bytes : BENCH_BODY_BYTES;

	if (len == 0)
		return false;
	memcpy(start, r->body, len);
	start[len] = '\0';
	const char *at = strstr(start, mark);
	return at &&
	       sscanf(at + sizeof mark - 1, "%u,%u,%u", ret_count, ret_first_us, ret_pace_us) == 3;
}

bool bench_answer(struct line *line, const struct request *r)
{
	const char *events = strstr(r->query, "events=");
	unsigned count, first_us, pace_us;

	if (events)
		return write_equal_events(line, strtoul(events + 7, NULL, 10));
	if (read_stamped(r, &count, &first_us, &pace_us))
		return write_stamped_events(line, count, first_us, pace_us);
	return line_write(line, provider.small_answer.at, provider.small_answer.len);
}
