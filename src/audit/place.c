/* SPDX-License-Identifier: MIT */
#include "audit/place.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/sys.h"

struct text {
	char *at;
	size_t len, cap;
	bool full;
};

static void put_chars(struct text *t, const char *chars, size_t len)
{
	if (t->full || t->cap - t->len <= len) {
		t->full = true;
		return;
	}
	memcpy(t->at + t->len, chars, len);
	t->len += len;
	t->at[t->len] = '\0';
}

static void put_number(struct text *t, uint64_t v, size_t width)
{
	char out[20];
	size_t at = sizeof out;

	do {
		out[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v || sizeof out - at < width);
	put_chars(t, out + at, sizeof out - at);
}

/* "2026-11-24" of a count of days since 1970. Source: the proleptic Gregorian calendar, counted in
 * eras of 400 years that begin on 1 March. */
static void put_day(struct text *t, uint64_t day)
{
	uint64_t z = day + 719468, era = z / 146097, of_era = z % 146097;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t m = (5 * of_year + 2) / 153, month = m < 10 ? m + 3 : m - 9;

	put_number(t, year + era * 400 + (month <= 2), 4);
	put_chars(t, "-", 1);
	put_number(t, month, 2);
	put_chars(t, "-", 1);
	put_number(t, of_year - (153 * m + 2) / 5 + 1, 2);
}

void place_put_day(uint64_t day, char ret_text[PLACE_DAY_CHARS + 1])
{
	struct text t = {ret_text, 0, PLACE_DAY_CHARS + 1, false};

	ret_text[0] = '\0';
	put_day(&t, day);
}

enum err place_parse_day(struct bytes text, uint64_t *ret_day)
{
	uint64_t year, month, of_month, day;
	char back[PLACE_DAY_CHARS + 1];

	if (text.len != PLACE_DAY_CHARS || text.at[4] != '-' || text.at[7] != '-' ||
	    bytes_parse_u64(bytes_slice(text, 0, 4), 9999, &year) ||
	    bytes_parse_u64(bytes_slice(text, 5, 2), 12, &month) ||
	    bytes_parse_u64(bytes_slice(text, 8, 2), 31, &of_month) || year < 1970 || month == 0 ||
	    of_month == 0)
		return ERR_BAD;
	uint64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y % 400;
	uint64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + of_month - 1;
	day = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
	place_put_day(day, back);
	if (!bytes_equal(bytes_str(back), text))
		return ERR_BAD; /* 2026-02-30 */
	*ret_day = day;
	return OK;
}

size_t place_host_length(const char *host)
{
	size_t len = 0;

	while (host && len < PLACE_HOST_MAX && host[len])
		len++;
	return len;
}

static void put_host(struct text *t, const char *host)
{
	size_t len = place_host_length(host);

	if (len == 0)
		put_chars(t, "host", 4);
	for (size_t i = 0; i < len; i++) {
		char c = host[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '_' || (i && (c == '.' || c == '-'));
		put_chars(t, plain ? &c : "_", 1);
	}
}

static void put_hex(struct text *t, const uint8_t *at, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		char two[2] = {digits[at[i] >> 4], digits[at[i] & 15]};
		put_chars(t, two, 2);
	}
}

static enum err check_directory(const char *path)
{
	uid_t me = (uid_t)sys_call(SYS_geteuid, 0, 0, 0, 0, 0, 0);
	enum err e = sys_make_directories(path, 0700);
	struct stat st;

	if (e)
		return e;
	int n = sys_stat(path, &st);
	if (n < 0)
		return err_from_errno(n);
	return st.st_uid == me && !(st.st_mode & (S_IWGRP | S_IWOTH)) ? OK : ERR_ACCESS;
}

enum err place_make(const char *directory, const char *host, uint64_t pid, uint64_t day,
		    const uint8_t segment_id[16], char ret_path[SEGMENT_PATH_MAX],
		    size_t *ret_below)
{
	struct text path = {ret_path, 0, SEGMENT_PATH_MAX - sizeof ".new", false};
	enum err e;

	put_chars(&path, directory, strlen(directory));
	if (path.full)
		return ERR_LIMIT;
	e = check_directory(ret_path);
	if (e)
		return e;
	put_chars(&path, "/", 1);
	*ret_below = path.len;
	put_day(&path, day);
	if (path.full)
		return ERR_LIMIT;
	e = check_directory(ret_path);
	if (e)
		return e;
	put_chars(&path, "/", 1);
	put_host(&path, host);
	put_chars(&path, "-", 1);
	put_number(&path, pid, 1);
	put_chars(&path, "-", 1);
	put_hex(&path, segment_id, 8);
	put_chars(&path, ".aigw", 5);
	return path.full ? ERR_LIMIT : OK;
}
