/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <elf.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "library.h"
#include "print.h"

#define MAPS_BYTES_MAX  (64u << 20)
#define ENVIRONMENT_MAX (8u << 20)
#define DELETED         " (deleted)" /* the kernel's mark of a file that was replaced */
#define PROC_PATH_BYTES 64

static enum err read_proc(pid_t pid, const char *name, size_t max, struct buf *ret_text)
{
	char path[PROC_PATH_BYTES];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return sys_read_file(path, max, ret_text);
}

static enum err find_program(pid_t pid, char ret_path[PROGRAM_PATH_MAX])
{
	char link[PROC_PATH_BYTES];

	snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
	ssize_t len = sys_readlink(link, ret_path, PROGRAM_PATH_MAX - 1);
	if (len < 0)
		return err_from_errno((int)len);
	ret_path[len] = 0;
	return OK;
}

static struct bytes without_mark(struct bytes path)
{
	return bytes_ends(path, BYTES(DELETED))
		       ? bytes_slice(path, 0, path.len - (sizeof DELETED - 1))
		       : path;
}

/* "7f..-7f.. r--p 00000000 fe:00 1234   /usr/lib/libssl.so.3" -> the path, or nothing. */
static struct bytes path_of_line(struct bytes line)
{
	size_t slash = bytes_find_byte(line, '/');

	return slash == SIZE_MAX ? BYTES_NONE : bytes_from(line, slash);
}

static void look_at_file(struct process *p, struct bytes path)
{
	char shown[PROGRAM_PATH_MAX], inside[PROGRAM_PATH_MAX + PROC_PATH_BYTES];

	path = without_mark(path);
	if (bytes_find(path, BYTES(".so")) == SIZE_MAX || path.len >= sizeof shown)
		return;
	snprintf(shown, sizeof shown, "%.*s", (int)path.len, (const char *)path.at);
	if (strcmp(inspect_file_name(shown), LIBRARY_NAME) == 0) {
		p->loaded = true;
		memcpy(p->library, shown, sizeof shown);
		return;
	}
	/* The process may see other files under that path: a container. */
	snprintf(inside, sizeof inside, "/proc/%d/root%s", (int)p->pid, shown);
	inspect_add_library(&p->inspection, inside, shown, NULL);
}

static enum err look_at_maps(struct process *p)
{
	struct buf text = {.max = MAPS_BYTES_MAX};
	enum err e = read_proc(p->pid, "maps", MAPS_BYTES_MAX, &text);
	struct bytes rest = buf_view(&text), last = BYTES_NONE;

	while (!e && rest.len) {
		struct bytes path = path_of_line(bytes_cut(&rest, '\n'));
		if (path.len && !bytes_equal(path, last))
			look_at_file(p, path);
		last = path;
	}
	buf_done(&text);
	return e;
}

static void look_at_environment(struct process *p)
{
	struct buf text = {.max = ENVIRONMENT_MAX};

	p->has_environment = read_proc(p->pid, "environ", ENVIRONMENT_MAX, &text) == OK;
	struct bytes rest = buf_view(&text);
	while (rest.len) {
		struct bytes variable = bytes_cut(&rest, 0);
		if (bytes_equal(variable, BYTES("AIGW=off")))
			p->switched_off = true;
		else if (bytes_starts(variable, BYTES("LD_PRELOAD=")))
			p->preload = bytes_find(variable, BYTES(LIBRARY_NAME)) != SIZE_MAX;
	}
	buf_done(&text);
}

/* What the kernel told the loader when the program started. */
static bool is_secure(pid_t pid)
{
	struct buf text = {0};
	bool secure = false;

	if (read_proc(pid, "auxv", 4096, &text) == OK) {
		struct cursor c = cursor_over(buf_view(&text));
		while (cursor_left(&c) >= 16) {
			uint64_t type = cursor_u64(&c), value = cursor_u64(&c);
			secure |= type == AT_SECURE && value != 0;
		}
	}
	buf_done(&text);
	return secure;
}

enum err process_look(pid_t pid, struct process *ret_process)
{
	struct process p = {.pid = pid};
	char path[PROGRAM_PATH_MAX], proc[PROC_PATH_BYTES];
	struct stat st;
	int result;

	snprintf(proc, sizeof proc, "/proc/%d", (int)pid);
	result = sys_stat(proc, &st);
	if (result < 0)
		return err_from_errno(result);
	enum err e = find_program(pid, path);
	if (e)
		return e;
	p.uid = st.st_uid;
	snprintf(proc, sizeof proc, "/proc/%d/exe", (int)pid);
	struct bytes shown = without_mark(bytes_str(path));
	path[shown.len] = 0;
	inspect_main(proc, path, &p.inspection);
	e = look_at_maps(&p);
	if (e) {
		inspect_done(&p.inspection);
		return e;
	}
	look_at_environment(&p);
	/* /etc/ld.so.preload counts there too, and the library takes no orders then. */
	if (is_secure(pid)) {
		p.switched_off = false;
		if (!p.loaded)
			p.inspection.obstacles |= UINT32_C(1) << OBSTACLE_RIGHTS;
	}
	p.reach = coverage_decide(p.inspection.tls, p.inspection.obstacles);
	p.governed = coverage_governed(p.loaded, p.switched_off, p.reach);
	*ret_process = p;
	return OK;
}

void process_done(struct process *process)
{
	inspect_done(&process->inspection);
}

void process_explain(const struct process *p, const char **ret_why, const char **ret_advice)
{
	*ret_why = NULL;
	*ret_advice = NULL;
	if (p->loaded && p->switched_off) {
		*ret_why = "It was started with AIGW=off, so the library does nothing in it.";
		*ret_advice = "Start it again without that variable.";
	} else if (!p->loaded && !p->inspection.obstacles) {
		*ret_why = p->preload ? "It was started with LD_PRELOAD naming the library, but "
					"the library is not in it: the loader could not take it."
				      : "The library is not loaded in it.";
		*ret_advice = p->preload ? "'aigw doctor' checks the installation."
					 : "Start it again with 'aigw run'.";
	}
}

void process_put_user(struct buf *out, uid_t uid)
{
	const struct passwd *entry = getpwuid(uid);

	if (entry)
		put_visible(out, bytes_str(entry->pw_name));
	else
		need(buf_put_decimal(out, uid));
}
