/* SPDX-License-Identifier: MIT */
#include "audit/verify.h"

#include <stdlib.h>
#include <string.h>

#include "aigw/format.h"
#include "base/files.h"

#define SUFFIX    ".aigw"
#define DAY_CHARS SEGMENT_DAY_CHARS

/* While sorting: the place, and what it is sorted by. */
struct ranked {
	struct segment_place place;
	size_t day_at; /* "DAY/NAME" in the path */
};

struct ranking {
	struct ranked *at;
	size_t count, cap;
};

static bool is_day(const char *name)
{
	static const char shape[] = "dddd-dd-dd";
	size_t i = 0;

	for (; i < DAY_CHARS && name[i]; i++)
		if (shape[i] == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != '-')
			return false;
	return i == DAY_CHARS && name[i] == '\0';
}

static int compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int day = memcmp(x->place.path + x->day_at, y->place.path + y->day_at, DAY_CHARS);

	if (day)
		return day;
	if (x->place.started_ns != y->place.started_ns)
		return x->place.started_ns < y->place.started_ns ? -1 : 1;
	return strcmp(x->place.path, y->place.path);
}

static enum err join(const char *a, const char *b, char ret_path[SEGMENT_PATH_MAX])
{
	size_t la = strlen(a), lb = strlen(b);

	if (la + 1 + lb + 1 > SEGMENT_PATH_MAX)
		return ERR_LIMIT;
	memcpy(ret_path, a, la);
	ret_path[la] = '/';
	memcpy(ret_path + la + 1, b, lb + 1);
	return OK;
}

static enum err add(struct ranking *r, const char *day_path, size_t day_at, const char *name)
{
	struct format_segment head;
	struct ranked *one;
	size_t got = 0;
	enum err e;

	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 16;
		if (cap > SIZE_MAX / sizeof *r->at)
			return ERR_NOMEM;
		struct ranked *at = realloc(r->at, cap * sizeof *at);
		if (!at)
			return ERR_NOMEM;
		r->at = at;
		r->cap = cap;
	}
	one = &r->at[r->count];
	memset(one, 0, sizeof *one);
	one->day_at = day_at;
	e = join(day_path, name, one->place.path);
	if (e)
		return e;
	/* A file that cannot be read is listed all the same: whoever opens it finds out. */
	if (files_peek(one->place.path, &head, sizeof head, &got) == OK && got == sizeof head) {
		one->place.has_id = true;
		one->place.started_ns = head.started_ns;
		memcpy(one->place.segment_id, head.segment_id, sizeof one->place.segment_id);
	}
	e = files_size(one->place.path, &one->place.bytes);
	if (e)
		one->place.bytes = 0; /* not known */
	r->count++;
	return e == ERR_NOMEM ? e : OK;
}

static enum err add_day(struct ranking *r, const char *directory, const char *day)
{
	char path[SEGMENT_PATH_MAX];
	struct buf names = {0};
	const char *name;
	size_t at = 0;
	enum err e = join(directory, day, path);

	if (!e)
		e = files_list(path, &names);
	if (e == ERR_BAD || e == ERR_MISSING)
		e = OK; /* a file named like a day, or gone again */
	while (!e && (name = files_next_name(&names, &at)))
		if (bytes_ends(bytes_str(name), BYTES(SUFFIX)))
			e = add(r, path, strlen(directory) + 1, name);
	buf_done(&names);
	return e;
}

static int compare_days(const void *a, const void *b)
{
	return memcmp(a, b, DAY_CHARS);
}

enum err segment_days(const char *directory, char (**ret_days)[DAY_CHARS + 1], size_t *ret_count)
{
	struct buf names = {0};
	const char *name;
	size_t at = 0, count = 0;
	enum err e = files_list(directory, &names);
	char(*days)[DAY_CHARS + 1] = e ? NULL : malloc(names.len ? names.len : 1);

	if (!e && !days)
		e = ERR_NOMEM;
	/* A day's name with its NUL is as long as its place in the list of names. */
	while (!e && (name = files_next_name(&names, &at)))
		if (is_day(name) && count < names.len / sizeof *days)
			memcpy(days[count++], name, DAY_CHARS + 1);
	buf_done(&names);
	if (e) {
		free(days);
		return e;
	}
	if (count)
		qsort(days, count, sizeof *days, compare_days);
	*ret_days = days;
	*ret_count = count;
	return OK;
}

enum err segment_list_days(const char *directory, const char *first, const char *last,
			   struct segment_place **ret_places, size_t *ret_count)
{
	struct ranking r = {0};
	struct segment_place *places = NULL;
	char(*days)[DAY_CHARS + 1] = NULL;
	size_t count = 0;
	enum err e = segment_days(directory, &days, &count);

	for (size_t i = 0; i < count && !e; i++)
		if (!(first && strcmp(days[i], first) < 0) && !(last && strcmp(days[i], last) > 0))
			e = add_day(&r, directory, days[i]);
	free(days);
	if (e)
		goto out;
	if (r.count)
		qsort(r.at, r.count, sizeof *r.at, compare);
	places = malloc((r.count ? r.count : 1) * sizeof *places);
	if (!places) {
		e = ERR_NOMEM;
		goto out;
	}
	for (size_t i = 0; i < r.count; i++)
		places[i] = r.at[i].place;
	*ret_places = places;
	*ret_count = r.count;
out:
	free(r.at);
	return e;
}

enum err segment_list(const char *directory, struct segment_place **ret_places, size_t *ret_count)
{
	return segment_list_days(directory, NULL, NULL, ret_places, ret_count);
}
