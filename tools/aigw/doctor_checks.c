/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "elf.h"
#include "grid.h"
#include "library.h"
#include "mapped.h"

#define CHECK_TEXT_BYTES 1024
#define CHILD_BYTES_MAX  (1u << 20)

void checks_add(struct checks *checks, const char *name, bool fine, const char *advice,
		const char *format, ...)
{
	char text[CHECK_TEXT_BYTES];
	va_list list;

	if (checks->count == CHECKS_MAX)
		return;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	struct check *c = &checks->at[checks->count++];
	*c = (struct check){.name = name, .fine = fine, .advice = fine ? NULL : advice};
	need(buf_put_str(&c->text, text));
}

bool checks_are_fine(const struct checks *checks)
{
	for (size_t i = 0; i < checks->count; i++)
		if (!checks->at[i].fine)
			return false;
	return true;
}

void checks_print(const struct checks *checks)
{
	static const char *const titles[] = {"CHECK", "FINE", "FOUND"};
	struct grid grid = {.columns = 3, .titles = titles};

	for (size_t i = 0; i < checks->count; i++) {
		const struct check *c = &checks->at[i];
		grid_put_str(&grid, PLAIN, c->name);
		grid_put_str(&grid, c->fine ? GREEN : RED, c->fine ? "yes" : "no");
		grid_put(&grid, PLAIN, buf_view(&c->text));
	}
	grid_print(&grid, "");
	for (size_t i = 0; i < checks->count; i++)
		if (checks->at[i].advice)
			printf("%s: %s\n", checks->at[i].name, checks->at[i].advice);
}

void checks_put_json(struct buf *out, const struct checks *checks)
{
	need(buf_put_u8(out, '['));
	for (size_t i = 0; i < checks->count; i++) {
		const struct check *c = &checks->at[i];
		if (i)
			need(buf_put_u8(out, ','));
		struct json_object o = object_begin(out);
		object_text(&o, "name", bytes_str(c->name));
		object_bool(&o, "fine", c->fine);
		object_text(&o, "found", buf_view(&c->text));
		if (c->advice)
			object_text(&o, "advice", bytes_str(c->advice));
		object_end(&o);
	}
	need(buf_put_u8(out, ']'));
}

void checks_done(struct checks *checks)
{
	for (size_t i = 0; i < checks->count; i++)
		buf_done(&checks->at[i].text);
	checks->count = 0;
}

/* The loader runs as whoever starts the program: everybody must get at the file, nobody but its
 * owner may change it. */
static const char *mode_problem(const char *path)
{
	struct stat st;

	if (sys_stat(path, &st) < 0)
		return NULL;
	if (st.st_mode & S_IWOTH)
		return "everybody may change it";
	return NULL;
}

void checks_add_library(struct checks *checks, const char *name, const char *path)
{
	struct bytes file;
	struct elf elf, own;
	enum err e = mapped_open(path, &file);

	if (e) {
		checks_add(checks, name, false,
			   "Install the library, or say in AIGW_LIB where it is.", "%s: %s", path,
			   err_text(e));
		return;
	}
	e = elf_parse(file, &elf);
	if (e == ERR_BAD || (!e && (elf.type != ET_DYN || elf.dynamic.len == 0))) {
		checks_add(checks, name, false, "Install the library again.",
			   "%s: not a shared library", path);
	} else {
		struct bytes self = BYTES_NONE;
		bool known = mapped_open("/proc/self/exe", &self) == OK &&
			     elf_parse(self, &own) != ERR_BAD;
		if (known && (elf.machine != own.machine || elf.width != own.width))
			checks_add(checks, name, false, "Install the build for this machine.",
				   "%s: built for another machine", path);
		else if (mode_problem(path))
			checks_add(checks, name, false, "Take the right to write away: chmod go-w.",
				   "%s: %s", path, mode_problem(path));
		else
			checks_add(checks, name, true, NULL, "%s", path);
		mapped_close(&self);
	}
	mapped_close(&file);
}

/* Runs a small program that shows what is mapped in it. Both of its outputs come. */
static enum err run_child(const char *preload, struct buf *ret_text)
{
	int ends[2], status;
	char piece[4096];
	ssize_t len;
	enum err e = OK;

	if (pipe(ends) != 0)
		return ERR_IO;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		if (preload)
			setenv("LD_PRELOAD", preload, 1);
		else
			unsetenv("LD_PRELOAD");
		execlp("cat", "cat", "/proc/self/maps", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	while (pid > 0 && (len = sys_read(ends[0], piece, sizeof piece)) > 0)
		if (ret_text->len < CHILD_BYTES_MAX)
			need(buf_put(ret_text, bytes_of(piece, (size_t)len)));
	close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		e = ERR_IO;
	return e;
}

/* The first line that the loader or the program complained with. */
static struct bytes find_complaint(struct bytes text)
{
	struct bytes rest = text;

	while (rest.len) {
		struct bytes line = bytes_cut(&rest, '\n');
		if (bytes_starts(line, BYTES("ERROR:")) || bytes_find(line, BYTES("ld.so:")) == 0)
			return line;
	}
	return BYTES_NONE;
}

void checks_add_start(struct checks *checks, const char *preload)
{
	struct buf text = {0};
	enum err e = run_child(preload, &text);
	struct bytes complaint = find_complaint(buf_view(&text));

	if (e)
		checks_add(checks, "start", false,
			   "Look at the loader's message: LD_PRELOAD=... true.",
			   "a program that was started with the library ended badly");
	else if (bytes_find(buf_view(&text), BYTES("/" LIBRARY_NAME)) != SIZE_MAX)
		checks_add(checks, "start", true, NULL, "a program that was started has it loaded");
	else if (complaint.len)
		checks_add(checks, "start", false,
			   "The loader must be able to read and map the library.", "%.*s",
			   (int)complaint.len, (const char *)complaint.at);
	else
		checks_add(checks, "start", false,
			   "Programs may be started through a wrapper that drops LD_PRELOAD.",
			   "a program that was started does not have it loaded");
	buf_done(&text);
}
