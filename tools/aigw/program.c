/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/sys.h"

#define INTERPRETERS_MAX 4 /* "#!" may lead to a script again; the kernel stops there too */
#define HEAD_BYTES       256
#define SEGMENTS_MAX     128 /* program headers looked at */

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

/* The loader ignores LD_PRELOAD when the program runs with more rights than its caller. */
static bool gains_rights(const struct stat *st, const char *path)
{
	if (getuid() == 0)
		return false;
	return ((st->st_mode & S_ISUID) && st->st_uid != getuid()) ||
	       ((st->st_mode & S_ISGID) && st->st_gid != getgid()) ||
	       getxattr(path, "security.capability", NULL, 0) > 0;
}

static const char *look_interpreter(int fd, uint64_t offset, uint64_t len)
{
	char name[HEAD_BYTES] = "";

	if (len == 0 || len >= sizeof name ||
	    sys_pread(fd, name, len, (off_t)offset) != (ssize_t)len)
		return NULL;
	if (strstr(name, "ld-musl"))
		return "it uses the musl C library, and the gateway needs the GNU one";
	return NULL;
}

/* Only our own kind of ELF file can load our library, so only its layout is read. */
static const char *look_segments(int fd, const Elf64_Ehdr *head)
{
	size_t count = head->e_phnum < SEGMENTS_MAX ? head->e_phnum : SEGMENTS_MAX;

	if (head->e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	for (size_t i = 0; i < count; i++) {
		Elf64_Phdr segment;
		off_t at = (off_t)(head->e_phoff + i * sizeof segment);
		if (sys_pread(fd, &segment, sizeof segment, at) != (ssize_t)sizeof segment)
			return NULL;
		if (segment.p_type == PT_INTERP)
			return look_interpreter(fd, segment.p_offset, segment.p_filesz);
	}
	return "it is a static program, which loads no library";
}

static bool read_own_head(Elf64_Ehdr *ret_head)
{
	int fd = sys_open("/proc/self/exe", O_RDONLY, 0);

	if (fd < 0)
		return false;
	bool good = sys_pread(fd, ret_head, sizeof *ret_head, 0) == (ssize_t)sizeof *ret_head;
	sys_close(fd);
	return good;
}

static const char *look_elf(int fd, const Elf64_Ehdr *head)
{
	Elf64_Ehdr own;

	if (!read_own_head(&own))
		return NULL;
	if (head->e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
	    head->e_ident[EI_DATA] != own.e_ident[EI_DATA] || head->e_machine != own.e_machine)
		return "it is built for another kind of machine than the gateway";
	return look_segments(fd, head);
}

void program_look(const char *path, struct program *ret_look)
{
	*ret_look = (struct program){.problem = NULL};
	snprintf(ret_look->path, sizeof ret_look->path, "%s", path);
	for (int i = 0; i < INTERPRETERS_MAX; i++) {
		union {
			Elf64_Ehdr elf;
			uint8_t bytes[HEAD_BYTES];
		} head = {.bytes = {0}};
		struct stat st = {0};
		char next[PROGRAM_PATH_MAX];
		int fd = sys_open(ret_look->path, O_RDONLY, 0);
		bool known = sys_stat(ret_look->path, &st) >= 0;
		ssize_t len = fd < 0 ? fd : sys_pread(fd, head.bytes, sizeof head.bytes, 0);
		struct bytes text = bytes_of(head.bytes, len > 0 ? (size_t)len : 0);
		bool script = bytes_starts(text, BYTES("#!"));

		if (!script && known && gains_rights(&st, ret_look->path))
			ret_look->problem =
				"it runs with more rights than its caller (setuid, setgid "
				"or capabilities), and the loader ignores LD_PRELOAD";
		else if (!script && len >= (ssize_t)sizeof head.elf &&
			 memcmp(head.elf.e_ident, ELFMAG, SELFMAG) == 0)
			ret_look->problem = look_elf(fd, &head.elf);
		if (fd >= 0)
			sys_close(fd);
		if (!script || !find_interpreter(text, next))
			return;
		memcpy(ret_look->path, next, sizeof next);
	}
}
