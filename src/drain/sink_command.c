/* SPDX-License-Identifier: MIT */
#include "drain/sink_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "policy/phrase.h"

#define PIPE_BYTES    (1 << 20)
#define CLOSE_WAIT_MS 2000
#define STEP_NS       5000000
#define NS_PER_MS     UINT64_C(1000000)

struct command_sink {
	const struct drain *config;
	char **words;
	int fd;          /* its standard input; -1: not running */
	struct buf rest; /* of a line that the pipe took the beginning of */
	struct buf lines;
};

/* ---- the process ---- */

/* The one child: written by the handler, and by others only while SIGCHLD is blocked. */
static volatile sig_atomic_t child_pid, child_status;

static void on_child(int number)
{
	int before = errno, status = 0;

	if (child_pid > 0 && waitpid((pid_t)child_pid, &status, WNOHANG) == (pid_t)child_pid) {
		child_status = status;
		child_pid = 0;
	}
	errno = before;
}

static void block_child_signal(sigset_t *ret_before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, ret_before);
}

static bool is_running(void)
{
	sigset_t before;
	bool running;

	block_child_signal(&before);
	on_child(SIGCHLD); /* also where the signal is blocked for good */
	running = child_pid > 0;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return running;
}

static void settle_signals(void)
{
	struct sigaction child = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	(void)sigaction(SIGCHLD, &child, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* Standard input is the pipe, nothing else is open, nothing is inherited. */
static int spawn(struct command_sink *s, int input, pid_t *ret_pid)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = {path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int status = posix_spawn_file_actions_init(&actions);

	if (status)
		return status;
	status = posix_spawnattr_init(&attributes);
	if (status) {
		posix_spawn_file_actions_destroy(&actions);
		return status;
	}
	sigemptyset(&none);
	sigfillset(&all);
	if (!(status = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)) &&
	    !(status = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
							O_WRONLY, 0)) &&
	    !(status = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
							O_WRONLY, 0)) &&
	    !(status = posix_spawn_file_actions_addclosefrom_np(&actions, 3)) &&
	    !(status = posix_spawn_file_actions_addchdir_np(&actions, "/")) &&
	    !(status = posix_spawnattr_setsigmask(&attributes, &none)) &&
	    !(status = posix_spawnattr_setsigdefault(&attributes, &all)) &&
	    !(status = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
								     POSIX_SPAWN_SETSIGDEF |
								     POSIX_SPAWN_SETSID)))
		status = posix_spawn(ret_pid, s->words[0], &actions, &attributes, s->words,
				     environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return status;
}

/* Both ends above the standard descriptors, which may be closed in this process. */
static int make_pipe(int ret_ends[2])
{
	int low[2];

	if (pipe2(low, O_CLOEXEC))
		return errno;
	ret_ends[0] = fcntl(low[0], F_DUPFD_CLOEXEC, 3);
	ret_ends[1] = fcntl(low[1], F_DUPFD_CLOEXEC, 3);
	close(low[0]);
	close(low[1]);
	if (ret_ends[0] >= 0 && ret_ends[1] >= 0) {
		(void)fcntl(ret_ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* what there is is enough */
		(void)fcntl(ret_ends[1], F_SETFL, O_NONBLOCK);
		return 0;
	}
	if (ret_ends[0] >= 0)
		close(ret_ends[0]);
	if (ret_ends[1] >= 0)
		close(ret_ends[1]);
	return EMFILE;
}

static int start(struct command_sink *s)
{
	int ends[2] = {-1, -1}, status = make_pipe(ends);
	sigset_t before;
	pid_t pid = 0;

	if (status)
		return status;
	block_child_signal(&before);
	status = spawn(s, ends[0], &pid);
	if (!status) {
		child_status = 0;
		child_pid = pid;
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[0]);
	if (status) {
		close(ends[1]);
		return status;
	}
	s->fd = ends[1];
	buf_reset(&s->rest);
	return 0;
}

static void end_input(struct command_sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	buf_reset(&s->rest);
}

/* It had its end of file; who goes on for too long is killed (true). */
static bool wait_for_end(uint64_t wait_ms)
{
	const struct timespec step = {.tv_nsec = STEP_NS};
	uint64_t deadline_ns = sys_monotonic_ns() + wait_ms * NS_PER_MS;
	sigset_t before;
	bool killed;
	int status;

	while (is_running() && sys_monotonic_ns() < deadline_ns)
		(void)nanosleep(&step, NULL);
	block_child_signal(&before);
	on_child(SIGCHLD);
	killed = child_pid > 0;
	if (killed) {
		(void)kill(-(pid_t)child_pid, SIGKILL); /* with what it has started */
		while (waitpid((pid_t)child_pid, &status, 0) < 0 && errno == EINTR)
			;
		child_pid = 0;
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return killed;
}

/* ---- answers ---- */

static void answer_not_started(struct command_sink *s, int number, struct sink_answer *answer)
{
	bool passes = number == EAGAIN || number == ENOMEM || number == EMFILE || number == ENFILE;
	const char *text = number == ENOENT   ? "there is no program "
			   : number == EACCES ? "no permission to start "
			   : passes           ? "no memory or process left to start "
					      : "cannot start ";

	sink_answer(answer, passes ? SINK_RETRY : SINK_WRONG, text, bytes_str(s->words[0]));
}

/* "/usr/bin/x ended with status 3" */
static void answer_ended(struct command_sink *s, bool killed, struct sink_answer *answer)
{
	char text[SINK_ANSWER_MAX];
	int status = child_status;
	struct phrase p;

	phrase_init(&p, text, sizeof text);
	phrase_put_bytes(&p, bytes_str(s->words[0]));
	if (killed) {
		phrase_put(&p, " closed its standard input, went on, and was killed");
	} else if (WIFSIGNALED(status)) {
		phrase_put(&p, " was ended by signal ");
		phrase_put_decimal(&p, (uint64_t)WTERMSIG(status));
	} else {
		phrase_put(&p, " ended with status ");
		phrase_put_decimal(&p, (uint64_t)WEXITSTATUS(status));
	}
	sink_answer(answer, SINK_RETRY, text, BYTES_NONE);
}

/* ---- writing ---- */

/* Its standard input is closed at the other end. */
static bool is_closed(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

/* What goes out until the deadline: OK, ERR_MORE (not all in time), ERR_END (nobody reads). */
static enum err write_until(int fd, struct bytes text, uint64_t deadline_ns, size_t *ret_written)
{
	*ret_written = 0;
	while (*ret_written < text.len) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		ssize_t n = sys_write(fd, text.at + *ret_written, text.len - *ret_written);
		uint64_t now_ns = sys_monotonic_ns();
		if (n > 0) {
			*ret_written += (size_t)n;
			continue;
		}
		if (n != -EAGAIN && n != -EINTR)
			return ERR_END;
		if (now_ns >= deadline_ns)
			return ERR_MORE;
		(void)poll(&p, 1, (int)((deadline_ns - now_ns) / NS_PER_MS) + 1);
	}
	return OK;
}

/* The rest of the line that the pipe has a part of: the program must see it before anything else.
 */
static enum err keep_rest(struct command_sink *s, struct bytes text, size_t written)
{
	struct bytes left = bytes_from(text, written);
	bool at_start = written == 0 || text.at[written - 1] == '\n';

	buf_reset(&s->rest);
	if (at_start || left.len == 0)
		return OK;
	return buf_put(&s->rest, bytes_slice(left, 0, bytes_find_byte(left, '\n') + 1));
}

static enum err write_rest(struct command_sink *s, uint64_t deadline_ns)
{
	size_t written;
	enum err e = write_until(s->fd, buf_view(&s->rest), deadline_ns, &written);

	buf_drop_front(&s->rest, written);
	return e;
}

static enum err make_lines(struct command_sink *s, const struct sink_batch *batch)
{
	enum err e = OK;

	buf_reset(&s->lines);
	for (size_t i = 0; !e && i < batch->count; i++) {
		e = buf_put(&s->lines, batch->events[i].json);
		if (!e)
			e = buf_put_u8(&s->lines, '\n');
	}
	return e;
}

static enum err write_batch(struct command_sink *s, const struct sink_batch *batch)
{
	uint64_t deadline_ns = sys_monotonic_ns() + s->config->timeout_ms * NS_PER_MS;
	size_t written = 0;
	enum err e = make_lines(s, batch);

	if (!e)
		e = write_rest(s, deadline_ns);
	if (e)
		return e;
	e = write_until(s->fd, buf_view(&s->lines), deadline_ns, &written);
	if (e == ERR_MORE && keep_rest(s, buf_view(&s->lines), written))
		return ERR_END; /* no memory to go on with this line: begin with a new program */
	return e ? e : is_closed(s->fd) ? ERR_END : OK;
}

/* ---- the sink ---- */

static void free_sink(struct command_sink *s)
{
	for (size_t i = 0; s->words && s->words[i]; i++)
		free(s->words[i]);
	free(s->words);
	buf_done(&s->rest);
	buf_done(&s->lines);
	free(s);
}

static enum err copy_words(struct command_sink *s, const struct drain *config)
{
	s->words = calloc(config->command.word_count + 1, sizeof *s->words);
	for (size_t i = 0; s->words && i < config->command.word_count; i++) {
		struct bytes word = config->command.words[i];
		s->words[i] = calloc(word.len + 1, 1);
		if (!s->words[i])
			return ERR_NOMEM;
		if (word.len)
			memcpy(s->words[i], word.at, word.len);
	}
	return s->words ? OK : ERR_NOMEM;
}

static enum err command_open(const struct drain *config, struct sink_answer *answer,
			     void **ret_sink)
{
	struct command_sink *s;
	enum err e;

	if (config->command.word_count == 0)
		return ERR_USAGE;
	if (child_pid > 0)
		return ERR_STATE;
	s = calloc(1, sizeof *s);
	if (!s)
		return ERR_NOMEM;
	s->config = config;
	s->fd = -1;
	e = copy_words(s, config);
	if (e) {
		free_sink(s);
		return e;
	}
	settle_signals();
	*ret_sink = s;
	return OK;
}

static void command_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer)
{
	struct command_sink *s = sink;
	enum err e = OK;
	int status = 0;

	if (s->fd >= 0 && (is_closed(s->fd) || !is_running())) {
		end_input(s);
		(void)wait_for_end(CLOSE_WAIT_MS); /* one that only closed its input */
	}
	if (s->fd < 0)
		status = start(s);
	if (status) {
		answer_not_started(s, status, answer);
		return;
	}
	e = write_batch(s, batch);
	if (!e) {
		sink_answer(answer, SINK_DELIVERED, "written to ", bytes_str(s->words[0]));
	} else if (e == ERR_MORE) {
		sink_answer(answer, SINK_RETRY,
			    "does not read what it gets: ", bytes_str(s->words[0]));
	} else if (e == ERR_NOMEM || e == ERR_LIMIT) {
		sink_answer(answer, SINK_RETRY, "out of memory", BYTES_NONE);
	} else {
		end_input(s);
		answer_ended(s, wait_for_end(CLOSE_WAIT_MS), answer);
	}
}

static void command_close(void *sink)
{
	struct command_sink *s = sink;

	if (!s)
		return;
	end_input(s);
	(void)wait_for_end(CLOSE_WAIT_MS);
	free_sink(s);
}

const struct sink_type sink_command = {"command", command_open, command_send, command_close};
