/* SPDX-License-Identifier: MIT */
#include "daemon/metrics.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tap.h"

static enum err put_text(void *context, struct buf *out)
{
	return buf_put_str(out, context);
}

static void the_text_has_a_line_for_each_sink(void)
{
	const uint64_t now = 2000000000000ull;
	const struct drain_status sinks[] = {
		{.sink = "a", .type = "file", .updated_ns = now, .delivered = 5, .success_ns = now},
		{.sink = "b",
		 .type = "otlp",
		 .updated_ns = now,
		 .oldest_ns = now - 7000000000u,
		 .dead = 2},
	};
	static const char *const lines[] = {
		"\n# TYPE aigw_drain_delivered_total counter\n",
		"\naigw_drain_delivered_total{sink=\"a\",type=\"file\"} 5\n",
		"\naigw_drain_dead_letters{sink=\"b\",type=\"otlp\"} 2\n",
		"\naigw_drain_last_success_timestamp_seconds{sink=\"a\",type=\"file\"} 2000\n",
		"\naigw_drain_oldest_undelivered_seconds{sink=\"b\",type=\"otlp\"} 7\n",
		"\naigw_drain_healthy{sink=\"a\",type=\"file\"} 1\n",
		"\naigw_drain_healthy{sink=\"b\",type=\"otlp\"} 0\n",
	};
	struct buf out = {0};

	CHECK_ERR(metrics_put_sinks(&out, sinks, 2, now), OK);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		if (bytes_find(buf_view(&out), bytes_str(lines[i])) == SIZE_MAX)
			tap_fail(__FILE__, __LINE__, "not there: %s", lines[i]);
	buf_done(&out);
}

static void only_the_loopback_is_listened_on(void)
{
	static const char *const wrong[] = {
		"0.0.0.0:0", "192.168.1.1:0", "[::]:0",          ":0",           "8080",
		"localhost", "localhost:",    "localhost:65536", "127.0.0.1:-1", "example.com:0",
		""};
	static const char *const right[] = {"127.0.0.1:0", "localhost:0", "127.9.9.9:0"};
	struct metrics m;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		CHECK_ERR(metrics_open(&m, wrong[i]), ERR_USAGE);
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
		CHECK_ERR(metrics_open(&m, right[i]), OK);
		metrics_close(&m);
	}
}

static int ask(const char *path, const char *question)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
	CHECK(send(fd, question, strlen(question), MSG_NOSIGNAL) == (ssize_t)strlen(question));
	return fd;
}

static void who_asks_gets_an_answer_and_who_does_not_is_cut_off(void)
{
	char directory[] = "/tmp/aigw-test-XXXXXX", path[64], got[400] = "", text[] = "x 1\n";
	struct metrics m;
	char large[METRICS_ASK_MAX + 600];

	CHECK(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/m.sock", directory);
	CHECK_ERR(metrics_open(&m, path), OK);
	int fine = ask(path, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	int slow = ask(path, "GET /metrics HTTP/1.1\r\n");
	memset(large, 'a', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	int endless = ask(path, large);
	for (int i = 0; i < 20; i++)
		metrics_serve(&m, 0, put_text, text);
	CHECK(recv(fine, got, sizeof got - 1, MSG_DONTWAIT) > 0);
	CHECK(bytes_starts(bytes_str(got), BYTES("HTTP/1.0 200 OK\r\n")));
	CHECK(bytes_ends(bytes_str(got), BYTES("Content-Length: 4\r\n\r\nx 1\n")));
	CHECK(recv(fine, got, sizeof got, MSG_DONTWAIT) == 0);
	CHECK(recv(endless, got, sizeof got, MSG_DONTWAIT) <= 0);
	CHECK_U64((unsigned)metrics_fds(&m, (struct pollfd[METRICS_FDS_MAX]){{0}}), 2);
	metrics_serve(&m, METRICS_WAIT_NS, put_text, text);
	CHECK(recv(slow, got, sizeof got, MSG_DONTWAIT) == 0);
	/* more than there are places for wait their turn */
	int many[METRICS_CLIENTS_MAX + 2];
	for (size_t i = 0; i < METRICS_CLIENTS_MAX + 2; i++)
		many[i] = ask(path, "GET / HTTP/1.0\n\n");
	for (int i = 0; i < 5; i++)
		metrics_serve(&m, 0, put_text, text);
	for (size_t i = 0; i < METRICS_CLIENTS_MAX + 2; i++) {
		CHECK(recv(many[i], got, sizeof got, MSG_DONTWAIT) > 0);
		close(many[i]);
	}
	close(fine);
	close(slow);
	close(endless);
	metrics_close(&m);
	CHECK(rmdir(directory) == 0); /* the socket is gone */
}

int main(void)
{
	RUN_TESTS(TEST(the_text_has_a_line_for_each_sink), TEST(only_the_loopback_is_listened_on),
		  TEST(who_asks_gets_an_answer_and_who_does_not_is_cut_off));
}
