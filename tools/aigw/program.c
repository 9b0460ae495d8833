/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"

#define INTERPRETERS_MAX 4 /* "#!" may lead to a script again; the kernel stops there too */
#define HEAD_BYTES       256

static enum err check_program(const char *path)
{
	struct stat st;
	int result = sys_stat(path, &st);

	if (result < 0)
		return err_from_errno(result);
	if (S_ISDIR(st.st_mode) || access(path, X_OK) != 0)
		return ERR_ACCESS;
	return OK;
}

enum err program_find(const char *name, char ret_path[PROGRAM_PATH_MAX])
{
	const char *variable = getenv("PATH");
	struct bytes rest = bytes_str(variable ? variable : "/bin:/usr/bin");
	enum err found = ERR_MISSING;

	if (strchr(name, '/') || name[0] == 0) {
		snprintf(ret_path, PROGRAM_PATH_MAX, "%s", name);
		return check_program(name);
	}
	while (rest.len) {
		struct bytes directory = bytes_cut(&rest, ':');
		if (directory.len == 0)
			directory = BYTES(".");
		char path[PROGRAM_PATH_MAX];
		int len = snprintf(path, sizeof path, "%.*s/%s", (int)directory.len,
				   (const char *)directory.at, name);
		if (len < 0 || (size_t)len >= sizeof path)
			continue;
		enum err e = check_program(path);
		if (e == OK) {
			memcpy(ret_path, path, (size_t)len + 1);
			return OK;
		}
		if (e == ERR_ACCESS)
			found = ERR_ACCESS;
	}
	return found;
}

/* "#!/usr/bin/env python3 -u" -> the interpreter's path. False when the line names none. */
static bool find_interpreter(struct bytes head, char ret_path[PROGRAM_PATH_MAX])
{
	struct bytes line = bytes_from(head, 2);
	char name[HEAD_BYTES], word[HEAD_BYTES];

	line = bytes_trim(bytes_cut(&line, '\n'));
	struct bytes path = bytes_cut(&line, ' ');
	if (path.len == 0)
		return false;
	snprintf(name, sizeof name, "%.*s", (int)path.len, (const char *)path.at);
	if (!bytes_ends(path, BYTES("/env"))) {
		snprintf(ret_path, PROGRAM_PATH_MAX, "%s", name);
		return true;
	}
	/* env's own options and variables stand before the program's name. */
	while ((line = bytes_trim(line)).len) {
		struct bytes next = bytes_cut(&line, ' ');
		if (next.at[0] == '-' || bytes_find_byte(next, '=') != SIZE_MAX)
			continue;
		snprintf(word, sizeof word, "%.*s", (int)next.len, (const char *)next.at);
		return program_find(word, ret_path) == OK;
	}
	return false;
}

void program_follow(const char *path, char ret_path[PROGRAM_PATH_MAX])
{
	if (path != ret_path)
		snprintf(ret_path, PROGRAM_PATH_MAX, "%s", path);
	for (int i = 0; i < INTERPRETERS_MAX; i++) {
		char head[HEAD_BYTES], next[PROGRAM_PATH_MAX];
		int fd = sys_open(ret_path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
		if (fd < 0)
			return;
		ssize_t len = sys_pread(fd, head, sizeof head, 0);
		sys_close(fd);
		struct bytes text = bytes_of(head, len > 0 ? (size_t)len : 0);
		if (!bytes_starts(text, BYTES("#!")) || !find_interpreter(text, next))
			return;
		memcpy(ret_path, next, sizeof next);
	}
}
