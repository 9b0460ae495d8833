/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "aigw.h"
#include "base/files.h"
#include "base/sys.h"
#include "grid.h"
#include "library.h"
#include "process.h"
#include "setup.h"

#define PRELOAD_PATH      "/etc/ld.so.preload" /* ld.so(8) */
#define PRELOAD_BYTES_MAX 65536
#define PID_MAX           (1 << 22) /* the kernel's PID_MAX_LIMIT */

struct host {
	struct grid grid;
	struct buf json; /* the objects of the processes, with commas between */
	size_t looked_at, with_tls, governed, unreadable;
	pid_t own;
};

/* ---- /etc/ld.so.preload ---- */

/* Entries are separated by white space and colons; # begins a comment. */
static bool next_entry(struct bytes *rest, struct bytes *ret_entry)
{
	static const struct bytes ends = {(const uint8_t *)" \t\r\n:#", 6};
	size_t len = 0;

	while (rest->len && bytes_find_byte(ends, rest->at[0]) != SIZE_MAX)
		if (rest->at[0] == '#')
			(void)bytes_cut(rest, '\n');
		else
			*rest = bytes_from(*rest, 1);
	while (len < rest->len && bytes_find_byte(ends, rest->at[len]) == SIZE_MAX)
		len++;
	*ret_entry = bytes_slice(*rest, 0, len);
	*rest = bytes_from(*rest, len);
	return len > 0;
}

/* The library is loaded by whoever starts a program. Shortens `path`. */
static bool is_open_to_all(char *path)
{
	struct stat st;
	mode_t wanted = S_IROTH;

	while (path[0]) {
		if (sys_stat(path, &st) == 0 && !(st.st_mode & wanted))
			return false;
		wanted = S_IXOTH;
		char *slash = strrchr(path, '/');
		if (!slash)
			break;
		*slash = 0;
	}
	return true;
}

/* Without a policy of the host each user needs one. */
static void check_host_policy(struct checks *checks)
{
	struct policy *policy = NULL;
	struct policy_problem problem = {0};
	enum err e = load_policy(SYSTEM_POLICY, &policy, NULL, &problem);

	if (e)
		checks_add(
			checks, "policy", false,
			"Calls of users without a policy of their own are refused: write one for "
			"the host.",
			SYSTEM_POLICY ": %s", problem.text[0] ? problem.text : err_text(e));
	else
		checks_add(checks, "policy", true, NULL, SYSTEM_POLICY);
	policy_free(policy);
}

static void check_entries(struct checks *checks, struct bytes text)
{
	struct bytes entry;
	bool found = false;

	while (next_entry(&text, &entry)) {
		char path[PROGRAM_PATH_MAX];
		snprintf(path, sizeof path, "%.*s", (int)entry.len, (const char *)entry.at);
		if (strcmp(inspect_file_name(path), LIBRARY_NAME) != 0)
			continue;
		found = true;
		checks_add_library(checks, "ld.so.preload", path);
		if (checks_are_fine(checks) && !is_open_to_all(path))
			checks_add(checks, "access", false,
				   "Install the library where everybody may read it: programs of "
				   "other users start without it.",
				   "%.*s: not everybody may read it", (int)entry.len,
				   (const char *)entry.at);
	}
	if (!found)
		checks_add(checks, "ld.so.preload", false,
			   "Programs are governed only when they are started with 'aigw run'. To "
			   "govern every program of the host, add the library's path to "
			   "" PRELOAD_PATH ".",
			   PRELOAD_PATH " does not name the library");
	else if (checks_are_fine(checks))
		checks_add_start(checks, NULL);
	if (found)
		check_host_policy(checks);
}

static void check_preload(struct checks *checks)
{
	struct buf text = {0};
	enum err e = sys_read_file(PRELOAD_PATH, PRELOAD_BYTES_MAX, &text);

	if (e && e != ERR_MISSING)
		checks_add(checks, "ld.so.preload", false, "Look at it as root.",
			   PRELOAD_PATH ": %s", err_text(e));
	else
		check_entries(checks, buf_view(&text));
	buf_done(&text);
}

/* ---- processes ---- */

static void add_to_grid(struct host *host, const struct process *p)
{
	struct buf text = {0};

	need(buf_put_decimal(&text, (uint64_t)p->pid));
	grid_put(&host->grid, PLAIN, buf_view(&text));
	buf_reset(&text);
	process_put_user(&text, p->uid);
	grid_put(&host->grid, PLAIN, buf_view(&text));
	grid_put_str(&host->grid, PLAIN, inspect_file_name(p->inspection.path));
	buf_reset(&text);
	doctor_put_labels(&text, &p->inspection);
	grid_put(&host->grid, PLAIN, buf_view(&text));
	buf_reset(&text);
	doctor_put_ways(&text, &p->inspection);
	grid_put(&host->grid, PLAIN, buf_view(&text));
	grid_put_str(&host->grid, doctor_governed_colour(p->governed),
		     coverage_governed_name(p->governed));
	buf_done(&text);
}

static void add_to_json(struct host *host, const struct process *p)
{
	struct buf text = {0};

	if (host->json.len)
		need(buf_put_u8(&host->json, ','));
	struct json_object o = object_begin(&host->json);
	object_number(&o, "pid", (uint64_t)p->pid);
	object_number(&o, "uid", p->uid);
	process_put_user(&text, p->uid);
	object_text(&o, "user", buf_view(&text));
	object_text(&o, "program", bytes_str(p->inspection.path));
	buf_reset(&text);
	doctor_put_labels(&text, &p->inspection);
	object_text(&o, "tls", p->inspection.count ? buf_view(&text) : BYTES_NONE);
	buf_reset(&text);
	doctor_put_ways(&text, &p->inspection);
	object_text(&o, "reached_by", p->inspection.count ? buf_view(&text) : BYTES_NONE);
	object_text(&o, "reached", bytes_str(coverage_reach_name(p->reach)));
	object_bool(&o, "library_loaded", p->loaded);
	object_text(&o, "governed", bytes_str(coverage_governed_name(p->governed)));
	object_end(&o);
	buf_done(&text);
}

static void look_at_process(struct host *host, pid_t pid, bool json)
{
	struct process p;
	enum err e = pid == host->own ? ERR_MISSING : process_look(pid, &p);

	if (e) {
		host->unreadable += e != ERR_MISSING;
		return;
	}
	host->looked_at++;
	host->with_tls += p.reach != REACH_NO_TLS;
	host->governed += p.reach != REACH_NO_TLS && p.governed == GOVERNED_YES;
	if (json)
		add_to_json(host, &p);
	else
		add_to_grid(host, &p);
	process_done(&p);
}

static int compare_pids(const void *a, const void *b)
{
	const pid_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void look_at_processes(struct host *host, bool json)
{
	struct buf names = {0};
	const char *name;
	size_t at = 0, count = 0, all = 0;

	need(files_list("/proc", &names));
	while (files_next_name(&names, &at))
		all++;
	pid_t *pids = need_memory(all * sizeof *pids);
	at = 0;
	while ((name = files_next_name(&names, &at))) {
		uint64_t pid;
		if (count < all && bytes_parse_u64(bytes_str(name), PID_MAX, &pid) == OK)
			pids[count++] = (pid_t)pid;
	}
	qsort(pids, count, sizeof *pids, compare_pids);
	for (size_t i = 0; i < count; i++)
		look_at_process(host, pids[i], json);
	free(pids);
	buf_done(&names);
}

static void print_json(const struct host *host, const struct checks *checks, bool fine)
{
	struct buf out = {0};
	struct json_object o = object_begin(&out);

	object_bool(&o, "fine", fine);
	object_key(&o, BYTES("checks"));
	checks_put_json(&out, checks);
	object_number(&o, "processes_with_tls", host->with_tls);
	object_number(&o, "processes_governed", host->governed);
	object_number(&o, "processes_unreadable", host->unreadable);
	object_key(&o, BYTES("processes"));
	need(buf_put_u8(&out, '['));
	need(buf_put(&out, buf_view(&host->json)));
	need(buf_put_u8(&out, ']'));
	object_end(&o);
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
}

static void print_counts(const struct host *host)
{
	printf("%zu processes, %zu with TLS or out of reach, %zu of these governed\n",
	       host->looked_at, host->with_tls, host->governed);
	if (host->unreadable)
		printf("%zu more cannot be read by this user: they are not in the list\n",
		       host->unreadable);
}

int doctor_host(bool json)
{
	static const char *const titles[] = {"PID", "USER",       "PROGRAM",
					     "TLS", "REACHED BY", "GOVERNED"};
	struct host host = {.grid = {.columns = 6, .titles = titles}, .own = sys_getpid()};
	struct checks checks = {0};

	check_preload(&checks);
	look_at_processes(&host, json);
	bool fine = checks_are_fine(&checks) && host.governed == host.with_tls;
	if (json) {
		print_json(&host, &checks, fine);
	} else {
		grid_print(&host.grid, "");
		print_counts(&host);
		checks_print(&checks);
	}
	checks_done(&checks);
	buf_done(&host.json);
	return fine ? EXIT_FINE : EXIT_FINDING;
}
