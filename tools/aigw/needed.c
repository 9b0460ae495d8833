/* SPDX-License-Identifier: MIT */
#include "needed.h"

#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf.h"
#include "mapped.h"
#include "print.h"

#define CACHE_PATH       "/etc/ld.so.cache"
#define CACHE_MAGIC      "glibc-ld.so.cache1.1" /* glibc, sysdeps/generic/dl-cache.h */
#define CACHE_HEAD_BYTES 48
#define ENTRY_BYTES      24
#define PATH_BYTES_MAX   4096
#define NAMES_MAX        1024

static const char default_directories[] =
#ifdef __x86_64__
	"/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:"
#elif defined __aarch64__
	"/lib/aarch64-linux-gnu:/usr/lib/aarch64-linux-gnu:"
#endif
	"/lib64:/usr/lib64:/lib:/usr/lib";

struct search {
	struct needed *needed;
	struct bytes cache;
	struct elf first; /* a library of another kind is passed over, as ld.so does */
	size_t name_count;
	char *names[NAMES_MAX]; /* looked for already */
};

static char *copy_text(struct bytes text)
{
	char *copy = need_memory(text.len + 1);

	if (text.len)
		memcpy(copy, text.at, text.len);
	return copy;
}

/* "$ORIGIN/../lib" seen from /opt/x/bin/program -> "/opt/x/bin/../lib". NULL for an empty text. */
static char *put_origin(struct bytes text, const char *path)
{
	static const struct bytes words[] = {
		{(const uint8_t *)"${ORIGIN}", 9},
		{(const uint8_t *)"$ORIGIN", 7},
	};
	struct bytes origin = bytes_of(path, (size_t)(strrchr(path, '/') - path));
	struct buf out = {0};

	if (text.len == 0)
		return NULL;
	while (text.len) {
		size_t skip = 0;
		for (size_t i = 0; i < sizeof words / sizeof words[0] && !skip; i++)
			if (bytes_starts(text, words[i]))
				skip = words[i].len;
		if (skip)
			need(buf_put(&out, origin));
		else
			need(buf_put_u8(&out, text.at[0]));
		text = bytes_from(text, skip ? skip : 1);
	}
	char *result = copy_text(buf_view(&out));
	buf_done(&out);
	return result;
}

static bool is_usable(const struct search *s, const char *path)
{
	struct bytes file;
	struct elf elf;

	if (mapped_open(path, &file) != OK)
		return false;
	bool good = elf_parse(file, &elf) == OK && elf.machine == s->first.machine;
	mapped_close(&file);
	return good;
}

/* `directories` is separated by colons; an empty one is the current directory. */
static bool search_directories(const struct search *s, const char *directories, struct bytes name,
			       char ret_path[PATH_BYTES_MAX])
{
	struct bytes rest = bytes_str(directories);

	while (rest.len) {
		struct bytes directory = bytes_cut(&rest, ':');
		if (directory.len == 0)
			directory = BYTES(".");
		int len = snprintf(ret_path, PATH_BYTES_MAX, "%.*s/%.*s", (int)directory.len,
				   (const char *)directory.at, (int)name.len,
				   (const char *)name.at);
		if (len > 0 && len < PATH_BYTES_MAX && is_usable(s, ret_path))
			return true;
	}
	return false;
}

static struct bytes cache_text(struct bytes cache, uint32_t offset)
{
	struct bytes rest = bytes_slice(cache, offset, PATH_BYTES_MAX);
	size_t len = bytes_find_byte(rest, 0);

	return len == SIZE_MAX ? BYTES_NONE : bytes_slice(rest, 0, len);
}

static bool search_cache(const struct search *s, struct bytes name, char ret_path[PATH_BYTES_MAX])
{
	struct cursor head = cursor_over(bytes_from(s->cache, sizeof CACHE_MAGIC - 1));
	uint32_t count = cursor_u32(&head);

	if (!bytes_starts(s->cache, BYTES(CACHE_MAGIC)))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		size_t at = CACHE_HEAD_BYTES + (size_t)i * ENTRY_BYTES;
		struct cursor entry = cursor_over(bytes_slice(s->cache, at, ENTRY_BYTES));
		(void)cursor_u32(&entry); /* flags: the library itself is asked instead */
		uint32_t key = cursor_u32(&entry), value = cursor_u32(&entry);
		if (entry.bad)
			return false;
		if (!bytes_equal(cache_text(s->cache, key), name))
			continue;
		struct bytes path = cache_text(s->cache, value);
		snprintf(ret_path, PATH_BYTES_MAX, "%.*s", (int)path.len, (const char *)path.at);
		if (is_usable(s, ret_path))
			return true;
	}
	return false;
}

static bool search_rpaths(const struct search *s, size_t by, struct bytes name,
			  char ret_path[PATH_BYTES_MAX])
{
	const struct needed_file *files = s->needed->files;

	for (;; by = files[by].by) {
		/* DT_RUNPATH takes the place of DT_RPATH in its own file. */
		if (files[by].rpath && !files[by].runpath &&
		    search_directories(s, files[by].rpath, name, ret_path))
			return true;
		if (by == files[by].by)
			return false;
	}
}

static bool find(const struct search *s, size_t by, struct bytes name,
		 char ret_path[PATH_BYTES_MAX])
{
	const struct needed_file *f = &s->needed->files[by];
	const char *variable = getenv("LD_LIBRARY_PATH");

	if (bytes_find_byte(name, '/') != SIZE_MAX) {
		snprintf(ret_path, PATH_BYTES_MAX, "%.*s", (int)name.len, (const char *)name.at);
		return is_usable(s, ret_path);
	}
	if (!f->runpath && search_rpaths(s, by, name, ret_path))
		return true;
	if (variable && search_directories(s, variable, name, ret_path))
		return true;
	if (f->runpath && search_directories(s, f->runpath, name, ret_path))
		return true;
	return search_cache(s, name, ret_path) ||
	       search_directories(s, default_directories, name, ret_path);
}

static bool is_new_name(struct search *s, struct bytes name)
{
	for (size_t i = 0; i < s->name_count; i++)
		if (bytes_equal(bytes_str(s->names[i]), name))
			return false;
	if (s->name_count == NAMES_MAX)
		return false;
	s->names[s->name_count++] = copy_text(name);
	return true;
}

/* Two names may be links to one file. */
static void add(struct needed *n, char *path, size_t by)
{
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->files[i].path, path) == 0) {
			free(path);
			return;
		}
	if (n->count == NEEDED_FILES_MAX)
		free(path);
	else
		n->files[n->count++] = (struct needed_file){.path = path, .by = by};
}

static void look_at(struct search *s, size_t index)
{
	struct needed_file *f = &s->needed->files[index];
	char path[PATH_BYTES_MAX];
	struct bytes file, name;
	struct elf elf;
	size_t at = 0;

	if (mapped_open(f->path, &file) != OK)
		return;
	if (elf_parse(file, &elf) == OK) {
		if (index == 0)
			s->first = elf;
		f->rpath = put_origin(elf_find_text(&elf, DT_RPATH), f->path);
		f->runpath = put_origin(elf_find_text(&elf, DT_RUNPATH), f->path);
		while (elf_next_needed(&elf, &at, &name)) {
			if (!is_new_name(s, name))
				continue;
			char *whole = find(s, index, name, path) ? realpath(path, NULL) : NULL;
			if (whole)
				add(s->needed, whole, index);
			else
				s->needed->missing++;
		}
	}
	mapped_close(&file);
}

void needed_find(const char *path, struct needed *ret_needed)
{
	struct search *s = need_memory(sizeof *s);
	char *whole = realpath(path, NULL);

	*ret_needed = (struct needed){.count = 0};
	s->needed = ret_needed;
	if (mapped_open(CACHE_PATH, &s->cache) != OK)
		s->cache = BYTES_NONE;
	if (whole)
		add(ret_needed, whole, 0);
	for (size_t i = 0; i < ret_needed->count; i++)
		look_at(s, i);
	mapped_close(&s->cache);
	for (size_t i = 0; i < s->name_count; i++)
		free(s->names[i]);
	free(s);
}

void needed_done(struct needed *needed)
{
	for (size_t i = 0; i < needed->count; i++) {
		free(needed->files[i].path);
		free(needed->files[i].rpath);
		free(needed->files[i].runpath);
	}
	needed->count = 0;
}
