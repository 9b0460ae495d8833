/* SPDX-License-Identifier: MIT */
#include "drain/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

#define NS_PER_MS    1000000u
#define ABOVE        16 /* out of the way of the descriptors that a sender has */
#define NOT_EXECUTED 127
#define READ_STEP    (64u << 10)
#define WAIT_STEP_MS 5
#define POLICY_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum err lane_policy_file(struct bytes text, int *ret_fd)
{
	int fd = memfd_create("aigw-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t written;
	enum err e;

	if (fd < 0)
		return err_from_errno(errno);
	e = sys_write_full(fd, text.at, text.len, &written);
	if (!e && fcntl(fd, F_ADD_SEALS, POLICY_SEALS))
		e = err_from_errno(errno);
	if (e)
		close(fd);
	else
		*ret_fd = fd;
	return e;
}

/* ---- starting ---- */

/* In the child: the descriptors in their places, and nothing else of the
 * feeder's. */
static void become_sender(const struct lane_options *o, int socket_fd)
{
	char *const words[] = {(char *)"aigwd", (char *)LANE_SENDER_OPTION, (char *)o->name, NULL};
	int high_socket = fcntl(socket_fd, F_DUPFD_CLOEXEC, ABOVE);
	int high_policy = fcntl(o->policy_fd, F_DUPFD_CLOEXEC, ABOVE);
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (high_socket >= 0 && high_policy >= 0 && nothing >= 0 &&
	    dup2(nothing, STDIN_FILENO) >= 0 && dup2(nothing, STDOUT_FILENO) >= 0 &&
	    dup2(high_socket, LANE_SOCKET_FD) >= 0 && dup2(high_policy, LANE_POLICY_FD) >= 0)
		(void)execve(o->program, words, o->environment);
	(void)sys_call(SYS_exit_group, NOT_EXECUTED, 0, 0, 0, 0, 0);
}

enum err lane_start(struct lane *l, const struct lane_options *o, uint64_t now_ns)
{
	int pair[2];

	if (l->state != LANE_DOWN)
		return ERR_STATE;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_from_errno(errno);
	l->pid = fork();
	if (l->pid == 0)
		become_sender(o, pair[1]);
	close(pair[1]);
	if (l->pid < 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK)) {
		close(pair[0]);
		l->pid = 0;
		return ERR_IO;
	}
	l->fd = pair[0];
	l->state = LANE_STARTING;
	l->count = 0;
	buf_reset(&l->in);
	buf_reset(&l->out);
	l->out_at = 0;
	l->deadline_ns = now_ns + (uint64_t)(o->timeout_ms + LANE_START_MS) * NS_PER_MS;
	return OK;
}

/* ---- ending ---- */

static void close_socket(struct lane *l)
{
	close(l->fd);
	l->fd = -1;
	l->state = LANE_DOWN;
	l->count = 0;
	buf_done(&l->out);
	buf_done(&l->in);
	l->out_at = 0;
}

static void kill_sender(struct lane *l)
{
	close_socket(l);
	(void)kill(l->pid, SIGKILL);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
	l->pid = 0;
}

void lane_stop(struct lane *l, uint32_t wait_ms)
{
	if (l->state == LANE_DOWN)
		return;
	close_socket(l);
	for (uint32_t waited = 0; waited < wait_ms; waited += WAIT_STEP_MS) {
		if (waitpid(l->pid, NULL, WNOHANG) != 0) {
			l->pid = 0;
			return;
		}
		(void)poll(NULL, 0, WAIT_STEP_MS);
	}
	(void)kill(l->pid, SIGKILL);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
	l->pid = 0;
}

void lane_done(struct lane *l)
{
	lane_stop(l, 0);
	buf_done(&l->out);
	buf_done(&l->in);
	buf_done(&l->results);
}

static enum err fail(struct lane *l, enum err e, enum sink_result result, const char *text)
{
	kill_sender(l);
	sink_answer(&l->answer, result, text, BYTES_NONE);
	l->answer.results = NULL;
	return e;
}

/* ---- talking ---- */

enum err lane_send(struct lane *l, struct buf *message, size_t count, const struct lane_options *o,
		   uint64_t now_ns)
{
	if (l->state != LANE_IDLE)
		return ERR_STATE;
	buf_done(&l->out);
	l->out = *message;
	*message = (struct buf){0};
	l->out_at = 0;
	l->count = count;
	l->state = LANE_BUSY;
	l->deadline_ns = now_ns + (uint64_t)(o->timeout_ms + LANE_GRACE_MS) * NS_PER_MS;
	return OK;
}

short lane_events(const struct lane *l)
{
	if (l->state == LANE_DOWN)
		return 0;
	return (short)(POLLIN | (l->out_at < l->out.len ? POLLOUT : 0));
}

uint64_t lane_deadline(const struct lane *l)
{
	return l->state == LANE_STARTING || l->state == LANE_BUSY ? l->deadline_ns : UINT64_MAX;
}

/* ERR_MORE: the rest later, or all is out; ERR_IO. */
static enum err put_out(struct lane *l)
{
	while (l->out_at < l->out.len) {
		ssize_t n = send(l->fd, l->out.at + l->out_at, l->out.len - l->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? ERR_MORE : ERR_IO;
		l->out_at += (size_t)n;
	}
	return ERR_MORE;
}

/* OK: the whole message is in l->in. */
static enum err take_in(struct lane *l)
{
	for (;;) {
		size_t want = BATCH_HEAD_BYTES;

		if (l->in.len >= BATCH_HEAD_BYTES && batch_length(l->in.at, &want))
			return ERR_BAD;
		if (want > BATCH_ANSWER_MAX || l->in.len > want)
			return ERR_BAD;
		if (l->in.len >= BATCH_HEAD_BYTES && l->in.len == want)
			return OK;
		if (buf_reserve(&l->in, want - l->in.len))
			return ERR_IO;
		ssize_t n = recv(l->fd, l->in.at + l->in.len, want - l->in.len, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return ERR_MORE;
		if (n <= 0)
			return ERR_IO;
		l->in.len += (size_t)n;
	}
}

static enum err read_answer(struct lane *l)
{
	enum err e;

	buf_reset(&l->results);
	e = buf_reserve(&l->results, l->count + 1);
	if (e)
		return e;
	l->answer = (struct sink_answer){.results = l->results.at};
	return batch_parse_answer(buf_view(&l->in), l->count, &l->answer);
}

static enum err end_of_start(struct lane *l)
{
	if (l->answer.result == SINK_DELIVERED)
		return OK;
	kill_sender(l);
	return ERR_ACCESS;
}

enum err lane_step(struct lane *l, uint64_t now_ns)
{
	bool starting = l->state == LANE_STARTING;
	enum err e;

	if (l->state == LANE_DOWN)
		return ERR_MORE;
	e = put_out(l);
	if (e == ERR_MORE || e == ERR_IO) {
		/* It may have said why before it ended. */
		enum err in = take_in(l);
		e = in == ERR_MORE ? e : in;
	}
	if (!e && l->state == LANE_IDLE)
		e = ERR_BAD; /* nothing was asked */
	if (!e && l->out_at < l->out.len)
		e = ERR_BAD; /* an answer to what it has not read */
	if (!e && read_answer(l))
		e = ERR_BAD;
	if (e == ERR_BAD)
		return fail(l, e, SINK_RETRY, "the sender gave an answer that is none");
	if (e && e != ERR_MORE)
		return fail(l, e, SINK_RETRY,
			    starting ? "the sender ended before its sink was open"
				     : "the sender died");
	if (e == ERR_MORE && now_ns >= lane_deadline(l))
		return fail(l, ERR_LIMIT, SINK_RETRY,
			    starting ? "the sink was not open in time"
				     : "the sender did not answer in time");
	if (e)
		return e;
	buf_reset(&l->in);
	buf_done(&l->out);
	l->out_at = 0;
	l->state = LANE_IDLE;
	return starting ? end_of_start(l) : OK;
}
