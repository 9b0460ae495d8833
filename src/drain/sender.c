/* SPDX-License-Identifier: MIT */
#include "drain/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "drain/batch.h"
#include "drain/lane.h"

struct sender {
	struct bytes credentials;
	struct buf policy, in, out;
	struct drains *drains;
	const struct drain *config;
	const struct sink_type *type;
	void *sink;
};

/* ---- the process ---- */

/* What the feeder's mask held back for its own loop must not be held back here,
 * nor for a program that a sink starts; only what ends a batch in the middle
 * is. */
static void settle_signals(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t none;

	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGTERM, &ignore, NULL); /* meant for all of a service: the socket's end */
	(void)sigaction(SIGINT, &ignore, NULL);  /* is what ends a sender */
	(void)sigaction(SIGHUP, &ignore, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static enum err settle_process(void)
{
	pid_t parent = sys_getppid();

	(void)prctl(PR_SET_DUMPABLE, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || sys_getppid() != parent)
		return ERR_IO;
	if (sys_call(SYS_close_range, LANE_POLICY_FD + 1, ~0u, 0, 0, 0, 0) < 0)
		return ERR_IO;
	settle_signals();
	return OK;
}

/* For good: whatever is executed later gets none back. */
static enum err drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	for (unsigned c = 0; prctl(PR_CAPBSET_READ, c) >= 0; c++)
		(void)prctl(PR_CAPBSET_DROP, c); /* needs a capability that may be missing */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return ERR_IO;
	return sys_call(SYS_capset, (long)&head, (long)none, 0, 0, 0, 0) < 0 ? ERR_IO : OK;
}

/* The offset of the descriptor is shared with all senders: read by position. */
static enum err read_policy(struct buf *ret_text)
{
	struct stat st;
	size_t at = 0;
	enum err e;

	if (fstat(LANE_POLICY_FD, &st) || st.st_size < 0 || st.st_size > (off_t)POLICY_BYTES_MAX)
		return ERR_USAGE;
	e = buf_reserve(ret_text, (size_t)st.st_size + 1);
	while (!e && at < (size_t)st.st_size) {
		ssize_t n = sys_pread(LANE_POLICY_FD, ret_text->at + at, (size_t)st.st_size - at,
				      (off_t)at);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			e = ERR_IO;
		else
			at += (size_t)n;
	}
	ret_text->len = at;
	return e;
}

/* ---- the socket ---- */

static enum err read_exactly(uint8_t *at, size_t len)
{
	while (len) {
		ssize_t n = recv(LANE_SOCKET_FD, at, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? ERR_END : ERR_IO;
		at += n;
		len -= (size_t)n;
	}
	return OK;
}

static enum err read_batch(struct buf *in)
{
	uint8_t head[BATCH_HEAD_BYTES];
	size_t bytes = 0;
	enum err e = read_exactly(head, sizeof head);

	buf_reset(in);
	if (!e)
		e = batch_length(head, &bytes);
	if (!e && (bytes < sizeof head || bytes > BATCH_MESSAGE_MAX))
		e = ERR_BAD;
	if (!e)
		e = buf_reserve(in, bytes);
	if (e)
		return e;
	memcpy(in->at, head, sizeof head);
	in->len = bytes;
	return read_exactly(in->at + sizeof head, bytes - sizeof head);
}

static enum err answer(struct sender *s, const struct sink_answer *a, size_t count)
{
	size_t at = 0;
	enum err e;

	buf_reset(&s->out);
	e = batch_put_answer(&s->out, a, count);
	while (!e && at < s->out.len) {
		ssize_t n = send(LANE_SOCKET_FD, s->out.at + at, s->out.len - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			e = ERR_END;
		else
			at += (size_t)n;
	}
	return e;
}

/* ---- the work ---- */

static enum err serve_one(struct sender *s)
{
	struct sink_answer a = {.result = SINK_RETRY};
	struct sink_event *events = NULL;
	size_t count = 0;
	enum err e = read_batch(&s->in);

	if (!e)
		e = batch_parse(buf_view(&s->in), &events, &count);
	if (!e && count == 0)
		e = ERR_BAD;
	if (!e) {
		a.results = calloc(count, 1);
		e = a.results ? OK : ERR_NOMEM;
	}
	if (!e) {
		const struct sink_batch batch = {count, events};
		s->type->send(s->sink, &batch, &a);
		e = answer(s, &a, count);
	}
	free(a.results);
	free(events);
	return e;
}

/* What it lacks, the feeder hears. */
static enum err find_secrets(struct sender *s, struct sink_answer *a)
{
	struct policy_problem problem = {0};
	enum err e = drains_use_credentials_of(s->drains, s->config, s->credentials, &problem);

	if (e)
		sink_answer(a, SINK_WRONG, problem.text[0] ? problem.text : err_text(e),
			    BYTES_NONE);
	return e;
}

static enum err open_sink(struct sender *s, struct sink_answer *a)
{
	enum err e = find_secrets(s, a);

	if (!e)
		e = sink_find(s->config->type, a, &s->type);
	if (!e)
		e = s->type->open(s->config, a, &s->sink);
	if (!e && drop_capabilities()) {
		sink_answer(a, SINK_WRONG, "the sender's privileges could not be dropped",
			    BYTES_NONE);
		e = ERR_ACCESS;
	}
	if (!e)
		sink_answer(a, SINK_DELIVERED, "open", BYTES_NONE);
	else if (a->result == SINK_DELIVERED || a->text[0] == '\0')
		sink_answer(a, SINK_WRONG, err_text(e), BYTES_NONE);
	a->results = NULL;
	return e;
}

static enum err serve(struct sender *s)
{
	struct sink_answer a = {.result = SINK_WRONG};
	enum err opened = open_sink(s, &a), e = answer(s, &a, 0);

	while (!opened && !e)
		e = serve_one(s);
	if (s->sink)
		s->type->close(s->sink);
	return e == ERR_END || opened ? OK : e;
}

enum err sender_run(const char *name, struct bytes credentials)
{
	struct sender s = {.credentials = credentials};
	enum err e;

	if (sys_socket_type(LANE_SOCKET_FD) != SOCK_STREAM)
		return ERR_USAGE;
	e = settle_process();
	if (!e)
		e = read_policy(&s.policy);
	if (!e)
		e = drains_parse(buf_view(&s.policy), &s.drains, NULL);
	if (!e) {
		s.config = drains_find(s.drains, bytes_str(name));
		e = s.config ? serve(&s) : ERR_MISSING;
	}
	drains_free(s.drains);
	buf_done(&s.policy);
	buf_done(&s.in);
	buf_done(&s.out);
	return e;
}
