/* SPDX-License-Identifier: MIT */
#include "daemon/drain.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/acked.h"
#include "base/sys.h"
#include "daemon/drain_notice.h"
#include "daemon/metrics.h"
#include "daemon/note.h"
#include "daemon/supervisor.h"
#include "drain/feed.h"
#include "drain/place.h"
#include "drain/status.h"
#include "policy/phrase.h"

#define SECOND_NS       1000000000u
#define NS_PER_MS       1000000u
#define LOOK_NS         (2u * SECOND_NS)
#define BEHIND_LOOKS    2 /* one look alone may meet an event that is just being sent */
#define RESTART_MAX_S   60
#define STEADY_NS       (60ull * SECOND_NS) /* whoever ran so long begins with short pauses */
#define PROGRAM         "/proc/self/exe"
#define PROBLEM_CAP     400
#define TEXT_CAP        600
#define EXIT_STATUS_KEY 4 /* of a feeder: it needs a key */

struct child { /* a sink and its feeder */
	char name[ACKED_NAME_MAX + 1];
	struct buf text; /* its configuration, as the feeder has it */
	bool wanted;     /* by the policy in force */
	bool changed;    /* it runs with an older configuration */
	pid_t pid;       /* 0: none */
	uint64_t started_ns, restart_ns;
	uint32_t failures;
	bool is_told; /* that it is not well */
	unsigned behind_looks;
	bool behind;
	uint64_t failing_since_ns; /* the failure that was told of */
};

struct drain_keeper {
	const struct drain_options *options;
	struct drain_setup setup;
	struct child children[DRAIN_SINKS_MAX * 2]; /* also those that are ending */
	size_t count;
	char **environment; /* of senders */
	char host[65];
	int signal_fd;
	struct metrics metrics;
	uint64_t looked_ns, end_ns;
	bool ending;
};

/* ---- feeders ---- */

static int open_signals(bool for_keeper)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (for_keeper)
		sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!for_keeper)
		sigdelset(&set, SIGHUP);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What concerns the keeper alone, a sender does not get. */
static bool is_private(const char *variable)
{
	static const char *const names[] = {"NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_", "AIGW_"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static char **make_environment(char *const *all)
{
	size_t count = 0, kept = 0;
	char **some;

	while (all && all[count])
		count++;
	some = calloc(count + 1, sizeof *some);
	for (size_t i = 0; some && i < count; i++)
		if (!is_private(all[i]))
			some[kept++] = all[i];
	return some;
}

/* So that nobody takes silence for health. */
static void save_problem(const struct drain_setup *s, const struct drain *d, const char *problem)
{
	struct drain_status status = {
		.updated_ns = sys_now_ns(), .required = d->required, .max_lag_s = d->max_lag_s};
	struct drain_status before;
	char path[PATH_MAX_BYTES];
	struct bytes type = bytes_str(drain_type_name(d->type));

	if (place_file(s->sinks, d->name, STATUS_SUFFIX, path) ||
	    sys_make_directories(s->sinks, 0700))
		return;
	if (status_load(path, &before) == OK)
		status = before;
	status.pid = 0;
	status.updated_ns = sys_now_ns();
	memcpy(status.sink, d->name.at, d->name.len);
	status.sink[d->name.len] = '\0';
	status_text(status.problem, bytes_str(problem));
	if (type.len < sizeof status.type)
		memcpy(status.type, type.at, type.len + 1);
	(void)!status_save(path, &status);
}

/* In the child. The exit status. */
static int feed(struct drain_keeper *k, const struct drain *d)
{
	struct feed_options o = {.config = d,
				 .policy_text = buf_view(&k->setup.text),
				 .directory = k->setup.audit,
				 .sinks = k->setup.sinks,
				 .host = bytes_str(k->host),
				 .program = PROGRAM,
				 .environment = k->environment,
				 .signal_fd = open_signals(false)};
	struct identity *keys = NULL;
	char problem[PROBLEM_CAP], text[PROBLEM_CAP + 64];
	struct phrase p;
	enum err e = OK;

	if (drain_needs_key(d))
		e = drain_setup_keys(k->options, &k->setup.places, &keys, &o.identity_count,
				     problem, sizeof problem);
	if (e) {
		phrase_init(&p, text, sizeof text);
		phrase_put(&p, "it needs the auditor's key: ");
		phrase_put(&p, e == ERR_MISSING ? problem : err_text(e));
		save_problem(&k->setup, d, text);
		return EXIT_STATUS_KEY;
	}
	o.identities = keys;
	e = feed_run(&o);
	sys_unmap_secret(keys, DRAIN_KEYS_MAX * sizeof *keys);
	if (e)
		save_problem(&k->setup, d,
			     e == ERR_STATE ? "another feeder has its files" : err_text(e));
	return err_exit_status(e);
}

static void become_feeder(struct drain_keeper *k, const struct drain *d, pid_t parent)
{
	int status = err_exit_status(ERR_IO);

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++)
		if (k->metrics.clients[i].fd_plus_one)
			close(k->metrics.clients[i].fd_plus_one - 1);
	if (k->metrics.fd_plus_one)
		close(k->metrics.fd_plus_one - 1);
	close(k->signal_fd);
	if (sys_getppid() == parent)
		status = feed(k, d);
	(void)sys_call(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static void start_feeder(struct drain_keeper *k, struct child *c)
{
	const struct drain *d = drains_find(k->setup.drains, bytes_str(c->name));
	pid_t parent = sys_getpid();

	c->started_ns = sys_monotonic_ns();
	c->changed = false;
	c->pid = d ? fork() : -1;
	if (c->pid == 0)
		become_feeder(k, d, parent);
	if (c->pid > 0)
		return;
	c->pid = 0;
	c->failures++;
	c->restart_ns = c->started_ns + SECOND_NS;
}

static void feeder_ended(struct child *c, int status)
{
	uint64_t now_ns = sys_monotonic_ns();
	uint64_t pause_s = 1;

	c->pid = 0;
	if (!c->wanted || c->changed) {
		c->failures = 0;
		c->restart_ns = 0;
		return;
	}
	if (now_ns - c->started_ns > STEADY_NS)
		c->failures = 0;
	for (uint32_t i = 0; i < c->failures && pause_s < RESTART_MAX_S; i++)
		pause_s *= 2;
	if (pause_s > RESTART_MAX_S)
		pause_s = RESTART_MAX_S;
	c->failures++;
	c->restart_ns = now_ns + pause_s * SECOND_NS;
	if (WIFSIGNALED(status))
		note(NOTE_WRONG, "sink ", c->name, ": its feeder was killed; it is started again");
	else if (WEXITSTATUS(status) != EXIT_STATUS_KEY || c->failures == 1)
		note(NOTE_WRONG, "sink ", c->name, ": its feeder ended; it is started again");
}

static void reap(struct drain_keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < k->count; i++)
			if (k->children[i].pid == pid)
				feeder_ended(&k->children[i], status);
}

static void stop(struct child *c)
{
	if (c->pid)
		(void)kill(c->pid, SIGTERM);
}

static void start_due(struct drain_keeper *k)
{
	uint64_t now_ns = sys_monotonic_ns();

	for (size_t i = 0; !k->ending && i < k->count; i++) {
		struct child *c = &k->children[i];
		if (c->wanted && !c->pid && now_ns >= c->restart_ns)
			start_feeder(k, c);
	}
}

/* ---- which sinks there are ---- */

static struct child *find_child(struct drain_keeper *k, struct bytes name)
{
	for (size_t i = 0; i < k->count; i++)
		if (bytes_equal(bytes_str(k->children[i].name), name))
			return &k->children[i];
	return NULL;
}

static void forget_unwanted(struct drain_keeper *k)
{
	size_t kept = 0;

	for (size_t i = 0; i < k->count; i++) {
		if (k->children[i].wanted || k->children[i].pid)
			k->children[kept++] = k->children[i];
		else
			buf_done(&k->children[i].text);
	}
	k->count = kept;
}

static void want(struct drain_keeper *k, const struct drain *d, bool moved)
{
	struct bytes text = drain_setup_text(&k->setup, d->name);
	struct child *c = find_child(k, d->name);

	if (!c && k->count == sizeof k->children / sizeof k->children[0]) {
		note(NOTE_WRONG, "too many sinks are ending yet; reload again later");
		return;
	}
	if (!c) {
		c = &k->children[k->count++];
		*c = (struct child){.wanted = true};
		memcpy(c->name, d->name.at, d->name.len);
	} else if (moved || !bytes_equal(buf_view(&c->text), text)) {
		c->changed = true;
		stop(c);
		c->restart_ns = 0;
	}
	c->wanted = true;
	buf_reset(&c->text);
	if (buf_put(&c->text, text))
		buf_reset(&c->text); /* then the next reload takes it for changed */
}

/* The sinks of the policy that is in force now. `moved`: the log or the files are elsewhere. */
static void take_sinks(struct drain_keeper *k, bool moved)
{
	for (size_t i = 0; i < k->count; i++)
		k->children[i].wanted = false;
	for (size_t i = 0; i < k->setup.drains->count; i++)
		if (k->setup.drains->at[i].enabled)
			want(k, &k->setup.drains->at[i], moved);
	for (size_t i = 0; i < k->count; i++)
		if (!k->children[i].wanted)
			stop(&k->children[i]);
	forget_unwanted(k);
}

static void reload(struct drain_keeper *k)
{
	struct drain_setup fresh;
	bool moved;

	if (drain_setup_load(k->options, &fresh)) {
		note(NOTE_WRONG, "the drains go on as they were");
		return;
	}
	moved = strcmp(fresh.audit, k->setup.audit) != 0 ||
		strcmp(fresh.sinks, k->setup.sinks) != 0;
	drain_setup_done(&k->setup);
	k->setup = fresh;
	take_sinks(k, moved);
	note(NOTE_INFO, "the policy was read again");
}

/* ---- how they are ---- */

static bool load_one(const struct drain_keeper *k, const struct drain *d,
		     struct drain_status *ret_status)
{
	char path[PATH_MAX_BYTES];

	return place_file(k->setup.sinks, d->name, STATUS_SUFFIX, path) == OK &&
	       status_load(path, ret_status) == OK;
}

/* What a sink's file says, or that there is none. */
static void load_status(const struct drain_setup *s, const struct drain *d,
			struct drain_status *ret_status)
{
	struct bytes type = bytes_str(drain_type_name(d->type));
	char path[PATH_MAX_BYTES];

	if (place_file(s->sinks, d->name, STATUS_SUFFIX, path) == OK &&
	    status_load(path, ret_status) == OK)
		return;
	*ret_status = (struct drain_status){.required = d->required, .max_lag_s = d->max_lag_s};
	memcpy(ret_status->sink, d->name.at, d->name.len);
	if (type.len < sizeof ret_status->type)
		memcpy(ret_status->type, type.at, type.len);
	status_text(ret_status->problem, BYTES("it has not run yet"));
}

static void tell_health(struct child *c, const struct drain_status *s, uint64_t now_ns)
{
	const char *trouble = status_trouble(s, now_ns);

	if (trouble && !c->is_told)
		note(NOTE_WARN, "sink ", c->name, ": ", trouble);
	else if (!trouble && c->is_told)
		note(NOTE_INFO, "sink ", c->name, ": is well again");
	c->is_told = trouble != NULL;
	if (s->failing_since_ns && s->failing_since_ns != c->failing_since_ns)
		note(NOTE_WARN, "sink ", c->name, ": ", s->failure);
	c->failing_since_ns = s->failing_since_ns;
}

static void record_lag(struct drain_keeper *k, const struct child *c, const struct drain_status *s,
		       uint64_t age_s)
{
	char text[TEXT_CAP];
	struct phrase p;
	enum err e;

	phrase_init(&p, text, sizeof text);
	phrase_put(&p, "the drain to sink ");
	phrase_put_quoted(&p, bytes_str(c->name));
	phrase_put(&p, c->behind ? " is behind: its oldest undelivered event is "
				 : " has caught up: its oldest undelivered event is ");
	phrase_put_decimal(&p, age_s);
	phrase_put(&p, " s old, max_lag_s is ");
	phrase_put_decimal(&p, s->max_lag_s);
	e = drain_notice_put(&k->setup, bytes_of(text, p.len));
	if (e)
		note_error(NOTE_WARN, e, "that could not be recorded in the log: ", text);
}

static void look_at_lag(struct drain_keeper *k, struct child *c, const struct drain_status *s,
			uint64_t now_ns)
{
	uint64_t age_s = status_age_s(s, now_ns);
	bool behind = s->max_lag_s && age_s > s->max_lag_s;

	c->behind_looks = behind ? c->behind_looks + 1 : 0;
	if (c->behind == behind || (behind && c->behind_looks < BEHIND_LOOKS))
		return;
	c->behind = behind;
	record_lag(k, c, s, age_s);
}

static void look_around(struct drain_keeper *k)
{
	uint64_t mono_ns = sys_monotonic_ns(), now_ns = sys_now_ns();
	struct drain_status status;

	if (mono_ns - k->looked_ns < LOOK_NS || k->ending)
		return;
	k->looked_ns = mono_ns;
	for (size_t i = 0; i < k->count; i++) {
		struct child *c = &k->children[i];
		const struct drain *d = drains_find(k->setup.drains, bytes_str(c->name));
		if (!c->wanted || !d || !load_one(k, d, &status))
			continue;
		/* One that has just begun still has the last one's file. */
		if (status.pid == (uint64_t)c->pid || mono_ns - c->started_ns > LOOK_NS) {
			tell_health(c, &status, now_ns);
			look_at_lag(k, c, &status, now_ns);
		}
	}
}

static enum err put_metrics(void *context, struct buf *out)
{
	struct drain_keeper *k = context;
	struct drain_status *all = calloc(k->setup.drains->count + 1, sizeof *all);
	size_t count = 0;
	enum err e = all ? OK : ERR_NOMEM;

	for (size_t i = 0; !e && i < k->setup.drains->count; i++)
		if (k->setup.drains->at[i].enabled)
			load_status(&k->setup, &k->setup.drains->at[i], &all[count++]);
	if (!e)
		e = metrics_put_sinks(out, all, count, sys_now_ns());
	free(all);
	return e;
}

/* ---- the loop ---- */

static void end_all(struct drain_keeper *k)
{
	if (k->ending)
		return;
	supervisor_stopping();
	k->ending = true;
	k->end_ns = sys_monotonic_ns() + DRAIN_END_NS;
	for (size_t i = 0; i < k->count; i++) {
		k->children[i].wanted = false;
		stop(&k->children[i]);
	}
}

static void take_signals(struct drain_keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGHUP)
			reload(k);
		else if (info.ssi_signo != SIGCHLD)
			end_all(k);
	}
	reap(k);
	forget_unwanted(k);
}

static bool is_over(struct drain_keeper *k)
{
	bool any = false;

	if (!k->ending)
		return false;
	for (size_t i = 0; i < k->count; i++)
		any |= k->children[i].pid != 0;
	if (any && sys_monotonic_ns() >= k->end_ns)
		for (size_t i = 0; i < k->count; i++)
			if (k->children[i].pid)
				(void)kill(k->children[i].pid, SIGKILL);
	return !any;
}

static int wait_ms(const struct drain_keeper *k)
{
	uint64_t now_ns = sys_monotonic_ns(), ns = SECOND_NS;

	if (supervisor_interval_ns() < ns)
		ns = supervisor_interval_ns();
	for (size_t i = 0; !k->ending && i < k->count; i++) {
		const struct child *c = &k->children[i];
		if (c->wanted && !c->pid && c->restart_ns < now_ns + ns)
			ns = c->restart_ns > now_ns ? c->restart_ns - now_ns : 0;
	}
	return (int)(ns / NS_PER_MS) + 1;
}

static void run(struct drain_keeper *k)
{
	while (!is_over(k)) {
		struct pollfd fds[METRICS_FDS_MAX + 1] = {{k->signal_fd, POLLIN, 0}};
		size_t count = 1 + metrics_fds(&k->metrics, fds + 1);
		start_due(k);
		(void)poll(fds, count, wait_ms(k));
		take_signals(k);
		metrics_serve(&k->metrics, sys_monotonic_ns(), put_metrics, k);
		look_around(k);
		supervisor_alive(sys_monotonic_ns());
	}
}

static enum err begin(struct drain_keeper *k)
{
	enum err e = drain_setup_load(k->options, &k->setup);

	if (e)
		return e;
	k->environment = make_environment(k->options->environment);
	k->signal_fd = open_signals(true);
	if (!k->environment || k->signal_fd < 0)
		return ERR_NOMEM;
	if (gethostname(k->host, sizeof k->host - 1))
		k->host[0] = '\0';
	if (k->options->metrics) {
		e = metrics_open(&k->metrics, k->options->metrics);
		if (e == ERR_USAGE)
			note(NOTE_WRONG, "--metrics is a path or a loopback address with a port: ",
			     k->options->metrics);
		else if (e)
			note_error(NOTE_WRONG, e, "metrics on ", k->options->metrics);
	}
	return e;
}

static void done(struct drain_keeper *k)
{
	for (size_t i = 0; i < k->count; i++)
		buf_done(&k->children[i].text);
	metrics_close(&k->metrics);
	if (k->signal_fd >= 0)
		close(k->signal_fd);
	free(k->environment);
	drain_setup_done(&k->setup);
}

enum err drain_run(const struct drain_options *options)
{
	static struct drain_keeper k;
	enum err e;

	k = (struct drain_keeper){.options = options, .signal_fd = -1};
	e = begin(&k);
	if (!e) {
		take_sinks(&k, false);
		note(NOTE_INFO,
		     k.count ? "draining " : "the policy names no sinks; nothing is drained of ",
		     k.setup.audit);
		start_due(&k);
		supervisor_ready("STATUS=draining");
		run(&k);
	}
	done(&k);
	return e;
}

/* ---- asked for once ---- */

static void say(const char *const *texts)
{
	size_t written;

	for (; *texts; texts++)
		(void)!sys_write_full(STDOUT_FILENO, *texts, strlen(*texts), &written);
}

enum err drain_check(const struct drain_options *options)
{
	struct drain_setup s;
	struct drain_status status;
	enum err e = drain_setup_load(options, &s);

	if (e)
		return e;
	for (size_t i = 0; i < s.drains->count; i++) {
		const char *trouble;
		if (!s.drains->at[i].enabled)
			continue;
		load_status(&s, &s.drains->at[i], &status);
		trouble = status_trouble(&status, sys_now_ns());
		if (!trouble)
			continue;
		say((const char *const[]){status.sink, ": ", trouble, "\n", NULL});
		e = ERR_BAD;
	}
	drain_setup_done(&s);
	return e;
}

enum err drain_test(const struct drain_options *options, const char *sink)
{
	char host[65] = "", answer[STATUS_TEXT_MAX] = "";
	bool delivered = false;
	struct drain_setup s;
	enum err e = drain_setup_load(options, &s);

	if (e)
		return e;
	const struct drain *d = drains_find(s.drains, bytes_str(sink));
	if (!d) {
		note(NOTE_WRONG, "the policy has no sink of that name: ", sink);
		drain_setup_done(&s);
		return ERR_USAGE;
	}
	(void)gethostname(host, sizeof host - 1);
	char **environment = make_environment(options->environment);
	struct feed_options o = {.config = d,
				 .policy_text = buf_view(&s.text),
				 .host = bytes_str(host),
				 .program = PROGRAM,
				 .environment = environment,
				 .signal_fd = -1};
	e = environment ? feed_test(&o, answer, sizeof answer, &delivered) : ERR_NOMEM;
	if (e)
		note_error(NOTE_WRONG, e, "the sender could not be started for sink ", sink);
	else
		say((const char *const[]){sink, delivered ? ": delivered: " : ": not delivered: ",
					  answer[0] ? answer : "no answer", "\n", NULL});
	free(environment);
	drain_setup_done(&s);
	return e ? e : delivered ? OK : ERR_BAD;
}
