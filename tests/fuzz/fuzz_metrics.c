/* SPDX-License-Identifier: MIT
 *
 * Any bytes, in any pieces, from somebody who asks for metrics: the answer comes once, whole, after
 * an empty line, and not before; who says too much without one is cut off. Input: the length of a
 * piece, what is said.
 */
#include "daemon/metrics.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT "aigw_drain_up 1\n"

static void must(bool condition)
{
	if (!condition)
		abort();
}

static enum err put_text(void *context, struct buf *out)
{
	++*(unsigned *)context;
	return buf_put_str(out, TEXT);
}

/* Where the question ends; SIZE_MAX: it does not. */
static size_t find_end(struct bytes said)
{
	for (size_t i = 1; i < said.len; i++) {
		struct bytes before = bytes_slice(said, 0, i + 1);
		if (bytes_ends(before, BYTES("\n\n")) || bytes_ends(before, BYTES("\r\n\r\n")))
			return i + 1;
	}
	return SIZE_MAX;
}

static void check_answer(int fd)
{
	char got[512];
	ssize_t n = recv(fd, got, sizeof got, MSG_DONTWAIT);
	struct bytes text = bytes_of(got, n > 0 ? (size_t)n : 0);

	must(bytes_starts(text, BYTES("HTTP/1.0 200 OK\r\n")));
	must(bytes_find(text, BYTES("Content-Length: 16\r\n")) != SIZE_MAX);
	must(bytes_ends(text, BYTES("\r\n\r\n" TEXT)));
	must(recv(fd, got, sizeof got, MSG_DONTWAIT) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct metrics m = {0};
	struct bytes said = {data + 1, size ? size - 1 : 0};
	size_t step = size ? data[0] + 1u : 1, end = find_end(said), at = 0;
	unsigned answers = 0;
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	m.clients[0] = (struct metrics_client){.fd_plus_one = pair[1] + 1, .until_ns = 10};
	while (at < said.len && m.clients[0].fd_plus_one) {
		struct bytes piece = bytes_slice(said, at, step);
		must(send(pair[0], piece.at, piece.len, MSG_NOSIGNAL) == (ssize_t)piece.len);
		at += piece.len;
		metrics_serve(&m, 1, put_text, &answers);
		must(answers <= (end <= at ? 1u : 0u));
	}
	if (end <= METRICS_ASK_MAX) {
		must(answers == 1 && !m.clients[0].fd_plus_one);
		check_answer(pair[0]);
	} else {
		must(said.len < METRICS_ASK_MAX || answers || !m.clients[0].fd_plus_one ||
		     said.len == METRICS_ASK_MAX);
	}
	metrics_serve(&m, 11, put_text, &answers); /* too late */
	must(!m.clients[0].fd_plus_one);
	close(pair[0]);
	return 0;
}
