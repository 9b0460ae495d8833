/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "base/files.h"
#include "base/sys.h"
#include "drain/config.h"
#include "drain/dead.h"
#include "drain/feed.h"
#include "drain/place.h"
#include "drain/status.h"
#include "drain_forget.h"
#include "grid.h"
#include "print.h"
#include "program.h"
#include "report/text.h"
#include "setup.h"

#define COMMAND  "drain"
#define DAEMON   "aigwd"
#define WATCH_S  1
#define US_PER_S 1000000u

struct wish {
	const char *policy, *state, *only; /* only: one dead letter */
	bool json, watch, all;
};

struct drains_here {
	struct places places;
	struct policy *policy;
	struct drains *drains;
	char policy_path[PATH_MAX_BYTES], sinks[PATH_MAX_BYTES];
};

/* ---- which sinks there are ---- */

static void done(struct drains_here *d)
{
	drains_free(d->drains);
	policy_free(d->policy);
}

static int find(struct drains_here *d, const struct wish *w)
{
	struct policy_problem problem = {0};
	struct buf text = {0};
	int status = setup_places(&d->places);
	enum err e;

	if (status)
		return status;
	snprintf(d->policy_path, sizeof d->policy_path, "%s",
		 w->policy ? w->policy : d->places.policy);
	e = load_policy(d->policy_path, &d->policy, &text, &problem);
	if (!e)
		e = drains_parse(buf_view(&text), &d->drains, &problem);
	buf_done(&text);
	if (e)
		return print_problem(e, "%s:%" PRIu32 ":%" PRIu32 ": %s", d->policy_path,
				     problem.line, problem.column, problem.text);
	e = place_sinks(&d->places, d->policy, w->state, d->sinks);
	return e ? print_problem(e, "%s", d->policy_path) : EXIT_FINE;
}

static int find_sink(const struct drains_here *d, const char *name, const struct drain **ret_sink)
{
	const char *names[DRAIN_SINKS_MAX];
	char storage[DRAIN_SINKS_MAX][65];

	*ret_sink = drains_find(d->drains, bytes_str(name));
	if (*ret_sink)
		return EXIT_FINE;
	for (size_t i = 0; i < d->drains->count; i++) {
		struct bytes n = d->drains->at[i].name;
		snprintf(storage[i], sizeof storage[i], "%.*s", (int)n.len, (const char *)n.at);
		names[i] = storage[i];
	}
	const char *near = args_near(name, names, d->drains->count);
	if (near)
		return args_wrong(COMMAND, "the policy has no sink '%s'; did you mean '%s'?", name,
				  near);
	return args_wrong(COMMAND, "the policy has no sink '%s'", name);
}

static int sink_path(const struct drains_here *d, const struct drain *sink, const char *suffix,
		     char ret_path[PATH_MAX_BYTES])
{
	enum err e = place_file(d->sinks, sink->name, suffix, ret_path);

	return e ? print_problem(e, "%s", d->sinks) : EXIT_FINE;
}

/* ---- status ---- */

/* A sink that was never run is told of as one that is not well. */
static void load(const struct drains_here *d, const struct drain *sink, struct drain_status *s)
{
	char path[PATH_MAX_BYTES];
	enum err e = place_file(d->sinks, sink->name, STATUS_SUFFIX, path);

	if (!e)
		e = status_load(path, s);
	if (!e)
		return;
	*s = (struct drain_status){.required = sink->required, .max_lag_s = sink->max_lag_s};
	snprintf(s->sink, sizeof s->sink, "%.*s", (int)sink->name.len, (const char *)sink->name.at);
	snprintf(s->type, sizeof s->type, "%s", drain_type_name(sink->type));
	snprintf(s->problem, sizeof s->problem, "%s",
		 e == ERR_MISSING  ? "it has not run yet"
		 : e == ERR_ACCESS ? "its status may be read by root only"
				   : "its status cannot be read");
}

static void put_count(struct grid *g, enum colour c, uint64_t n)
{
	struct buf text = {0};

	put_grouped(&text, n);
	grid_put(g, c, buf_view(&text));
	buf_done(&text);
}

static void put_age(struct grid *g, enum colour c, uint64_t s)
{
	struct buf text = {0};

	if (s)
		put_duration(&text, s * US_PER_S);
	else
		need(buf_put_str(&text, "-"));
	grid_put(g, c, buf_view(&text));
	buf_done(&text);
}

static void put_row(struct grid *g, const struct drain_status *s, uint64_t now_ns)
{
	const char *trouble = status_trouble(s, now_ns);
	bool failing = s->failing_since_ns != 0;
	const char *words = trouble ? trouble : failing ? s->failure : s->answer;

	grid_put_str(g, PLAIN, s->sink);
	grid_put_str(g, PLAIN, s->type);
	grid_put_str(g,
		     trouble   ? RED
		     : failing ? YELLOW
			       : GREEN,
		     trouble   ? "not well"
		     : failing ? "retrying"
			       : "well");
	put_count(g, PLAIN, s->delivered);
	put_count(g, PLAIN, s->queued);
	put_age(g, trouble ? RED : PLAIN, status_age_s(s, now_ns));
	put_count(g, PLAIN, s->retries);
	put_count(g, s->dead ? RED : PLAIN, s->dead);
	grid_put(g, PLAIN, bytes_str(words));
}

static void put_object(struct buf *out, const struct drain_status *s, uint64_t now_ns)
{
	const char *trouble = status_trouble(s, now_ns);
	struct buf one = {0};

	need(status_put(&one, s));
	need(buf_put(out, bytes_slice(buf_view(&one), 0, one.len - 2))); /* } and line end */
	need(buf_put_str(out, ",\"oldest_undelivered_seconds\":"));
	need(buf_put_decimal(out, status_age_s(s, now_ns)));
	need(buf_put_str(out, ",\"healthy\":"));
	need(buf_put_str(out, trouble ? "false" : "true"));
	need(buf_put_str(out, ",\"trouble\":"));
	if (trouble)
		need(buf_put_json_string(out, bytes_str(trouble)));
	else
		need(buf_put_str(out, "null"));
	need(buf_put_u8(out, '}'));
	buf_done(&one);
}

/* EXIT_FINDING when a sink is not well. */
static int print_all(const struct drains_here *d, bool json)
{
	static const char *const titles[] = {"SINK",   "TYPE",    "STATE", "DELIVERED", "QUEUE",
					     "OLDEST", "RETRIES", "DEAD",  "LAST"};
	struct grid grid = {.columns = 9, .titles = titles};
	uint64_t now_ns = sys_now_ns();
	int status = EXIT_FINE;
	struct buf out = {0};
	size_t count = 0;

	need(buf_put_u8(&out, '['));
	for (size_t i = 0; i < d->drains->count; i++) {
		struct drain_status s;
		if (!d->drains->at[i].enabled)
			continue;
		load(d, &d->drains->at[i], &s);
		if (json && count)
			need(buf_put_str(&out, ",\n"));
		if (json)
			put_object(&out, &s, now_ns);
		else
			put_row(&grid, &s, now_ns);
		if (status_trouble(&s, now_ns))
			status = EXIT_FINDING;
		count++;
	}
	need(buf_put_str(&out, "]\n"));
	if (json)
		print_buf(&out);
	else if (count)
		grid_print(&grid, "");
	else
		printf("the policy %s has no sinks\n", d->policy_path);
	buf_done(&out);
	return status;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static int watch(const struct drains_here *d, bool json)
{
	struct sigaction action = {.sa_handler = on_interrupt};
	int status = EXIT_FINE;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (!interrupted && !ferror(stdout)) {
		if (!json && isatty(STDOUT_FILENO))
			fputs("\x1B[H\x1B[2J", stdout);
		status = print_all(d, json);
		if (!json && !isatty(STDOUT_FILENO))
			putchar('\n');
		fflush(stdout);
		sleep(WATCH_S);
	}
	return status;
}

/* ---- dead letters ---- */

static void print_letter(const struct dead_letter *l, const char *sink, bool json)
{
	struct buf out = {0};

	if (json) {
		struct json_object o = object_begin(&out);
		object_text(&o, "sink", bytes_str(sink));
		object_text(&o, "id", bytes_str(l->id));
		object_key(&o, BYTES("segment"));
		need(buf_put_u8(&out, '"'));
		need(buf_put_hex(&out, bytes_of(l->segment_id, sizeof l->segment_id)));
		need(buf_put_u8(&out, '"'));
		object_number(&o, "sequence", l->sequence);
		object_number(&o, "offset", l->offset);
		object_number(&o, "time_unix_nano", l->time_ns);
		object_number(&o, "since_unix_nano", l->since_ns);
		object_number(&o, "refusals", l->refusals);
		object_text(&o, "reason", bytes_str(l->reason));
		object_end(&o);
	} else {
		put_visible(&out, bytes_str(l->id));
		need(buf_put_str(&out, "  "));
		put_time_local(&out, l->time_ns, true);
		need(buf_put_str(&out, "  refused "));
		put_grouped(&out, l->refusals);
		need(buf_put_str(&out, l->refusals == 1 ? " time: " : " times: "));
		put_visible(&out, bytes_str(l->reason));
	}
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
}

static int load_dead(const struct drains_here *d, const struct drain *sink, struct buf *ret_file)
{
	char path[PATH_MAX_BYTES];
	int status = sink_path(d, sink, DEAD_SUFFIX, path);
	enum err e = status ? OK : files_load(path, DEAD_FILE_MAX, ret_file);

	if (e && e != ERR_MISSING)
		status = print_problem(e, "%s", path);
	return status;
}

static int list_dead(const struct drains_here *d, const struct drain *sink, const char *name,
		     const struct wish *w)
{
	struct dead_letter letter;
	struct buf file = {0};
	struct bytes rest;
	size_t count = 0;
	int status = load_dead(d, sink, &file);

	for (rest = buf_view(&file); !status && dead_next(&rest, &letter) == OK; count++)
		print_letter(&letter, name, w->json);
	if (!status && !count && !w->json)
		printf("sink %s has no dead letters\n", name);
	buf_done(&file);
	return status;
}

static int has_letter(const struct drains_here *d, const struct drain *sink, const char *id,
		      size_t *ret_count)
{
	struct dead_letter letter;
	struct buf file = {0};
	struct bytes rest;
	int status = load_dead(d, sink, &file);

	*ret_count = 0;
	for (rest = buf_view(&file); !status && dead_next(&rest, &letter) == OK;)
		*ret_count += !id || strcmp(id, letter.id) == 0;
	buf_done(&file);
	return status;
}

/* As its owner may write it; several wishes add up until the feeder takes them. */
static int write_wish(const char *path, const char *id)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct buf line = {0};
	size_t written;
	enum err e = fd < 0 ? err_from_errno(errno) : OK;

	need(buf_put_str(&line, id ? id : FEED_REPLAY_ALL));
	need(buf_put_u8(&line, '\n'));
	if (!e)
		e = sys_write_full(fd, line.at, line.len, &written);
	if (fd >= 0)
		close(fd);
	buf_done(&line);
	return e ? print_problem(e, "%s", path) : EXIT_FINE;
}

static int replay(const struct drains_here *d, const struct drain *sink, const char *name,
		  const struct wish *w)
{
	char path[PATH_MAX_BYTES];
	struct drain_status s;
	size_t count = 0;
	int status = has_letter(d, sink, w->only, &count);

	if (status)
		return status;
	if (!count) {
		print_note(w->only ? "sink %s has no dead letter %s"
				   : "sink %s has no dead letters",
			   name, w->only);
		return EXIT_FINDING;
	}
	status = sink_path(d, sink, FEED_REPLAY_SUFFIX, path);
	if (!status)
		status = write_wish(path, w->only);
	if (status)
		return status;
	load(d, sink, &s);
	printf("%zu dead letter%s of sink %s will be tried again%s\n", count, count == 1 ? "" : "s",
	       name, s.problem[0] ? " when aigwd --drain runs" : "");
	return EXIT_FINE;
}

/* ---- test ---- */

/* aigwd stands beside this program, or where PATH says. */
static void find_daemon(char path[PROGRAM_PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PROGRAM_PATH_MAX - sizeof DAEMON);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		memcpy(slash + 1, DAEMON, sizeof DAEMON);
		if (access(path, X_OK) == 0)
			return;
	}
	if (program_find(DAEMON, path))
		memcpy(path, DAEMON, sizeof DAEMON);
}

static int test(const struct drains_here *d, const char *name, const struct wish *w)
{
	char path[PROGRAM_PATH_MAX];
	const char *words[8] = {DAEMON,         "--drain-test", name,
				"--foreground", "--policy",     d->policy_path};

	(void)w;
	find_daemon(path);
	fflush(stdout);
	execv(path, (char *const *)words);
	return print_problem(err_from_errno(errno), "%s", path);
}

/* ---- forget ---- */

static int forget(const struct drains_here *d, const char *name)
{
	if (drains_find(d->drains, bytes_str(name)))
		return args_wrong(COMMAND, "forget: sink '%s' is in the policy; take it out first",
				  name);
	return drain_forget(d->sinks, name);
}

/* ---- the command ---- */

static int act(const char *action, char **operands, int count, const struct wish *w)
{
	const struct drain *sink = NULL;
	struct drains_here d = {.policy = NULL};
	struct wish wish = *w;
	int status;

	if (strcmp(action, "status") == 0) {
		if (count)
			return args_wrong(COMMAND, "status: unexpected '%s'", operands[0]);
		status = find(&d, w);
		if (!status)
			status = w->watch ? watch(&d, w->json) : print_all(&d, w->json);
		done(&d);
		return status;
	}
	if (!count)
		return args_wrong(COMMAND, "%s: which sink?", action);
	wish.only = count > 1 ? operands[1] : NULL;
	if (strcmp(action, "replay") != 0 && count > 1)
		return args_wrong(COMMAND, "%s: unexpected '%s'", action, operands[1]);
	if (strcmp(action, "replay") == 0 && w->all == (count > 1))
		return args_wrong(COMMAND, "replay: name one event's id, or --all");
	status = find(&d, w);
	if (strcmp(action, "forget") == 0) {
		if (!status)
			status = forget(&d, operands[0]);
		done(&d);
		return status;
	}
	if (!status)
		status = find_sink(&d, operands[0], &sink);
	if (!status && strcmp(action, "test") == 0)
		status = test(&d, operands[0], &wish);
	else if (!status && strcmp(action, "dead") == 0)
		status = list_dead(&d, sink, operands[0], &wish);
	else if (!status)
		status = replay(&d, sink, operands[0], &wish);
	done(&d);
	return status;
}

int cmd_drain(int argc, char **argv)
{
	static const char *const actions[] = {"status", "test", "dead", "replay", "forget"};
	const size_t count = sizeof actions / sizeof actions[0];
	struct wish w = {.policy = NULL};
	const struct option options[] = {
		{"json", 0, OPTION_FLAG, &w.json, NULL, "status, dead: for programs"},
		{"watch", 0, OPTION_FLAG, &w.watch, NULL, "status: again each second"},
		{"all", 0, OPTION_FLAG, &w.all, NULL, "replay: all dead letters"},
		{"policy", 0, OPTION_TEXT, &w.policy, "FILE", "the policy, as the daemon has it"},
		{"state", 0, OPTION_TEXT, &w.state, "DIR", "where the daemon keeps its files"},
	};
	const struct args args = {
		.command = COMMAND,
		.synopsis = "aigw drain status [--json] [--watch] | test SINK | dead SINK |\n"
			    "             replay SINK ID | replay SINK --all | forget SINK",
		.summary = "The sinks that the policy's \"drains\" names, and how they are.\n"
			   "status: how each is; exit status 1 when one is not well.\n"
			   "test:   send one heartbeat there and show the answer.\n"
			   "dead:   the events that it has refused for good.\n"
			   "replay: try such events again.\n"
			   "forget: what is kept of a sink that the policy no longer names.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 3,
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (!operands)
		return args_wrong(COMMAND, "what? status, test, dead, replay or forget");
	for (size_t i = 0; i < count; i++)
		if (strcmp(argv[1], actions[i]) == 0)
			return act(argv[1], argv + 2, operands - 1, &w);
	const char *near = args_near(argv[1], actions, count);
	return args_wrong(COMMAND, "there is no '%s'%s%s%s", argv[1],
			  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}
