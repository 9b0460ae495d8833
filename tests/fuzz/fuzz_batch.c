/* SPDX-License-Identifier: MIT
 *
 * Any bytes between a feeder and a sender. The first byte says which way; the head is made right,
 * so that what is behind it gets looked at. What is read, written again is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "drain/batch.h"

#define ANSWERED_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void try_batch(struct bytes message)
{
	struct sink_event *events = NULL;
	struct buf again = {0};
	size_t count = 0;

	if (batch_parse(message, &events, &count))
		return;
	require(count > 0 && count <= BATCH_EVENTS_MAX);
	require(batch_begin(&again) == OK);
	for (size_t i = 0; i < count; i++)
		require(batch_put(&again, &events[i]) == OK);
	batch_end(&again);
	require(bytes_equal(buf_view(&again), message));
	buf_done(&again);
	free(events);
}

static void try_answer(struct bytes message, size_t count)
{
	uint8_t results[ANSWERED_MAX];
	struct sink_answer answer = {.results = results};

	if (batch_parse_answer(message, count, &answer))
		return;
	require(answer.result <= SINK_WRONG && answer.results == results);
	for (size_t i = 0; i < count; i++)
		require(results[i] <= SINK_WRONG && results[i] != SINK_PARTLY);
	require(memchr(answer.text, 0, sizeof answer.text) != NULL);
	require(bytes_is_utf8(bytes_str(answer.text)));
	for (const char *c = answer.text; *c; c++)
		require((unsigned char)*c >= 0x20 && *c != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf message = {0};
	bool is_answer;

	if (size == 0)
		return 0;
	is_answer = data[0] & 1;
	require(buf_put_str(&message, is_answer ? "AGA1" : "AGB1") == OK);
	require(buf_put_u32(&message, 0) == OK);
	require(buf_put(&message, bytes_of(data + 1, size - 1)) == OK);
	batch_end(&message);
	/* exactly as long as it is, so that a sanitizer sees a read past the end */
	uint8_t *exact = malloc(message.len);
	require(exact != NULL);
	memcpy(exact, message.at, message.len);
	if (is_answer)
		try_answer(bytes_of(exact, message.len), (size_t)(data[0] >> 1) % ANSWERED_MAX);
	else
		try_batch(bytes_of(exact, message.len));
	free(exact);
	buf_done(&message);
	return 0;
}
