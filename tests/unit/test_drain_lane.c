/* SPDX-License-Identifier: MIT
 *
 * The feeder's end of a lane, with senders of all kinds: this program, executed anew, plays them.
 */
#include "drain/lane.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "tap.h"

extern char **environ;

/* ---- the senders ---- */

static void write_all(const void *at, size_t len)
{
	size_t written;

	(void)!sys_write_full(LANE_SOCKET_FD, at, len, &written);
}

static void say(enum sink_result result, const char *text, size_t count)
{
	uint8_t results[8] = {SINK_DELIVERED, SINK_REFUSED, SINK_RETRY};
	struct sink_answer a = {.result = result, .results = results};
	struct buf out = {0};

	sink_answer(&a, result, text, BYTES_NONE);
	if (batch_put_answer(&out, &a, count) == OK)
		write_all(out.at, out.len);
	buf_done(&out);
}

/* The number of events of the next batch; 0: the socket has ended. */
static size_t hear(void)
{
	uint8_t head[BATCH_HEAD_BYTES];
	struct sink_event *events = NULL;
	struct buf message = {0};
	size_t got, bytes, count = 0;

	if (sys_read_full(LANE_SOCKET_FD, head, sizeof head, &got) || got != sizeof head ||
	    batch_length(head, &bytes) || buf_reserve(&message, bytes))
		return 0;
	memcpy(message.at, head, sizeof head);
	if (sys_read_full(LANE_SOCKET_FD, message.at + sizeof head, bytes - sizeof head, &got) ||
	    batch_parse(bytes_of(message.at, bytes), &events, &count))
		count = 0;
	free(events);
	buf_done(&message);
	return count;
}

static void open_descriptors(char *ret_text)
{
	for (int fd = 0; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0 && fd != STDERR_FILENO)
			sprintf(ret_text + strlen(ret_text), "%d ", fd);
}

static int play(const char *name)
{
	char text[200] = "";
	size_t count;

	if (strcmp(name, "closed") == 0) {
		say(SINK_WRONG, "no such directory", 0);
		return 0;
	}
	if (strcmp(name, "dead") == 0)
		return 1;
	if (strcmp(name, "silent") == 0)
		return hear() > 100;
	open_descriptors(text);
	say(SINK_DELIVERED, text, 0);
	if (strcmp(name, "eager") == 0)
		say(SINK_DELIVERED, "before it was asked", 1);
	while ((count = hear()) != 0) {
		if (strcmp(name, "mute") == 0)
			continue;
		if (strcmp(name, "dies") == 0)
			raise(SIGKILL);
		if (strcmp(name, "noise") == 0)
			write_all("AGA1\xFF\xFF\xFF\xFFwhatever", 16);
		else if (strcmp(name, "other-count") == 0)
			say(SINK_DELIVERED, "", count + 1);
		else if (strcmp(name, "partly") == 0)
			say(SINK_PARTLY, "some", count);
		else
			say(SINK_DELIVERED, "taken", count);
	}
	return 0;
}

/* ---- the lane ---- */

static struct lane_options options(const char *name)
{
	struct lane_options o = {.program = "/proc/self/exe",
				 .name = name,
				 .timeout_ms = 100,
				 .environment = environ};

	CHECK_ERR(lane_policy_file(BYTES("{}"), &o.policy_fd), OK);
	return o;
}

static enum err step(struct lane *l, uint64_t now_ns)
{
	enum err e;

	while ((e = lane_step(l, now_ns)) == ERR_MORE) {
		struct pollfd fd = {.fd = l->fd, .events = lane_events(l)};
		if (poll(&fd, 1, 10000) <= 0)
			break;
	}
	return e;
}

static enum err start(struct lane *l, struct lane_options *o)
{
	CHECK_ERR(lane_start(l, o, 0), OK);
	CHECK(l->state == LANE_STARTING);
	return step(l, 0);
}

static enum err send_events(struct lane *l, struct lane_options *o, size_t count, size_t bytes)
{
	uint8_t *large = calloc(1, bytes);
	struct sink_event event = {.id = BYTES("id"), .json = bytes_of(large, bytes)};
	struct buf message = {0};

	CHECK_ERR(batch_begin(&message), OK);
	for (size_t i = 0; i < count; i++)
		CHECK_ERR(batch_put(&message, &event), OK);
	batch_end(&message);
	CHECK_ERR(lane_send(l, &message, count, o, 0), OK);
	CHECK(message.at == NULL && l->state == LANE_BUSY);
	free(large);
	return step(l, 0);
}

static void end(struct lane *l, struct lane_options *o)
{
	lane_done(l);
	close(o->policy_fd);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0); /* nobody is left */
}

static void a_batch_goes_out_and_its_answer_comes_back(void)
{
	struct lane_options o = options("plain");
	struct lane l = {0};

	CHECK_ERR(start(&l, &o), OK);
	CHECK_STR(l.answer.text, "0 1 3 4 "); /* it has no descriptor of ours */
	for (int i = 0; i < 3; i++) {
		CHECK_ERR(send_events(&l, &o, 3, 5), OK);
		CHECK(l.answer.result == SINK_DELIVERED && l.state == LANE_IDLE);
		CHECK_STR(l.answer.text, "taken");
	}
	CHECK_ERR(send_events(&l, &o, 2, 6u << 20), OK); /* in many pieces */
	pid_t pid = l.pid;
	lane_stop(&l, 5000);
	CHECK(l.state == LANE_DOWN && lane_events(&l) == 0);
	CHECK(kill(pid, 0) < 0);
	CHECK_ERR(start(&l, &o), OK); /* and again */
	end(&l, &o);
}

static void each_event_may_have_an_answer_of_its_own(void)
{
	struct lane_options o = options("partly");
	struct lane l = {0};

	CHECK_ERR(start(&l, &o), OK);
	CHECK_ERR(send_events(&l, &o, 3, 5), OK);
	CHECK(l.answer.result == SINK_PARTLY);
	CHECK(l.answer.results[0] == SINK_DELIVERED && l.answer.results[1] == SINK_REFUSED &&
	      l.answer.results[2] == SINK_RETRY);
	end(&l, &o);
}

static void a_sink_that_cannot_be_opened_says_why(void)
{
	struct lane_options o = options("closed");
	struct lane l = {0};

	CHECK_ERR(start(&l, &o), ERR_ACCESS);
	CHECK(l.state == LANE_DOWN && l.answer.result == SINK_WRONG);
	CHECK_STR(l.answer.text, "no such directory");
	end(&l, &o);
}

static void a_sender_that_does_not_do_as_it_should_is_killed(void)
{
	static const struct {
		const char *name;
		enum err start, send;
		const char *text;
	} cases[] = {
		{"dead", ERR_IO, OK, "the sender ended before its sink was open"},
		{"dies", OK, ERR_IO, "the sender died"},
		{"noise", OK, ERR_BAD, "the sender gave an answer that is none"},
		{"other-count", OK, ERR_BAD, "the sender gave an answer that is none"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct lane_options o = options(cases[i].name);
		struct lane l = {0};
		CHECK_ERR(start(&l, &o), cases[i].start);
		if (!cases[i].start)
			CHECK_ERR(send_events(&l, &o, 1, 5), cases[i].send);
		CHECK(l.state == LANE_DOWN && l.answer.result == SINK_RETRY);
		CHECK_STR(l.answer.text, cases[i].text);
		end(&l, &o);
	}
}

static void an_answer_to_nothing_is_nonsense(void)
{
	struct lane_options o = options("eager");
	struct lane l = {0};

	CHECK_ERR(start(&l, &o), OK);
	CHECK_ERR(step(&l, 0), ERR_BAD);
	end(&l, &o);
}

static void a_sender_that_is_silent_is_killed_in_time(void)
{
	struct lane_options o = options("silent");
	struct lane l = {0};

	CHECK_ERR(lane_start(&l, &o, 0), OK);
	CHECK_ERR(lane_step(&l, lane_deadline(&l) - 1), ERR_MORE);
	CHECK_ERR(lane_step(&l, lane_deadline(&l)), ERR_LIMIT);
	CHECK_STR(l.answer.text, "the sink was not open in time");
	end(&l, &o);

	o = options("mute");
	l = (struct lane){0};
	CHECK_ERR(start(&l, &o), OK);
	struct buf message = {0};
	struct sink_event event = {.id = BYTES("id")};
	CHECK_ERR(batch_begin(&message), OK);
	CHECK_ERR(batch_put(&message, &event), OK);
	batch_end(&message);
	CHECK_ERR(lane_send(&l, &message, 1, &o, 0), OK);
	CHECK_U64(lane_deadline(&l), (100 + LANE_GRACE_MS) * 1000000ull);
	CHECK_ERR(lane_step(&l, lane_deadline(&l) - 1), ERR_MORE);
	CHECK_ERR(lane_step(&l, lane_deadline(&l)), ERR_LIMIT);
	CHECK_STR(l.answer.text, "the sender did not answer in time");
	end(&l, &o);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], LANE_SENDER_OPTION) == 0)
		return play(argv[2]);
	(void)syscall(SYS_close_range, 3, ~0u, 0); /* of who runs the tests */
	RUN_TESTS(TEST(a_batch_goes_out_and_its_answer_comes_back),
		  TEST(each_event_may_have_an_answer_of_its_own),
		  TEST(a_sink_that_cannot_be_opened_says_why),
		  TEST(a_sender_that_does_not_do_as_it_should_is_killed),
		  TEST(an_answer_to_nothing_is_nonsense),
		  TEST(a_sender_that_is_silent_is_killed_in_time));
}
