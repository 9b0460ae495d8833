/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "wire/json.h"

#define NS_PER_S UINT64_C(1000000000)

void need(enum err e)
{
	if (e) {
		fprintf(stderr, "aigw: %s\n", err_text(e));
		exit(err_exit_status(e));
	}
}

void *need_memory(size_t bytes)
{
	void *at = calloc(1, bytes ? bytes : 1);

	if (!at)
		need(ERR_NOMEM);
	return at;
}

void print_note(const char *format, ...)
{
	va_list list;

	fputs("aigw: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
}

int print_problem(enum err e, const char *format, ...)
{
	va_list list;

	fputs("aigw: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fprintf(stderr, ": %s\n", err_text(e));
	return err_exit_status(e);
}

static bool takes_colour(FILE *out)
{
	const char *value = getenv("NO_COLOR");

	if (value && *value)
		return false;
	value = getenv("TERM");
	return isatty(fileno(out)) && !(value && strcmp(value, "dumb") == 0);
}

const char *colour(FILE *out, enum colour c)
{
	static const char *const codes[] = {"\033[0m",  "\033[2m",  "\033[1m", "\033[31m",
					    "\033[32m", "\033[33m", "\033[36m"};
	static int wanted[2] = {-1, -1};
	int *w = &wanted[out == stderr];

	if (*w < 0)
		*w = takes_colour(out);
	if (!*w)
		return "";
	return codes[c];
}

size_t print_width(FILE *out)
{
	struct winsize size = {0};

	if (!isatty(fileno(out)))
		return 0;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

/* The code point at the front of well-formed UTF-8, 0xFFFFFFFF for a byte that is none. */
static uint32_t take_code_point(struct bytes *text, size_t *ret_len)
{
	uint8_t c = text->at[0];
	size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
	uint32_t v = n == 1 ? c : c & (0xFFu >> (n + 1));

	if (n > text->len || !bytes_is_utf8(bytes_of(text->at, n))) {
		*ret_len = 1;
		return UINT32_MAX;
	}
	for (size_t i = 1; i < n; i++)
		v = v << 6 | (text->at[i] & 0x3F);
	*ret_len = n;
	return v;
}

/* Characters that would command a terminal or turn the reading direction round. */
static bool is_unsafe(uint32_t v)
{
	return v < 0x20 || (v >= 0x7F && v < 0xA0) || v == 0x061C || v == 0x200E || v == 0x200F ||
	       (v >= 0x2028 && v <= 0x202E) || (v >= 0x2066 && v <= 0x2069) || v == 0xFEFF;
}

static void put_escape(struct buf *out, uint32_t v)
{
	char text[16];

	if (v == '\n' || v == '\r' || v == '\t')
		snprintf(text, sizeof text, "\\%c", v == '\n' ? 'n' : v == '\r' ? 'r' : 't');
	else if (v < 0x80)
		snprintf(text, sizeof text, "\\x%02x", (unsigned)v);
	else
		snprintf(text, sizeof text, "\\u{%04x}", (unsigned)v);
	need(buf_put_str(out, text));
}

static void put_one(struct buf *out, struct bytes *text, bool keep_tabs)
{
	size_t len;
	uint32_t v = take_code_point(text, &len);

	if (v == UINT32_MAX) {
		need(buf_put_str(out, "\\x"));
		need(buf_put_hex(out, bytes_of(text->at, 1)));
	} else if (is_unsafe(v) && !(keep_tabs && v == '\t')) {
		put_escape(out, v);
	} else {
		need(buf_put(out, bytes_of(text->at, len)));
	}
	*text = bytes_from(*text, len);
}

void put_visible(struct buf *out, struct bytes text)
{
	while (text.len)
		put_one(out, &text, false);
}

void put_visible_block(struct buf *out, struct bytes text, const char *indent)
{
	while (text.len) {
		struct bytes line = bytes_cut(&text, '\n');
		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		if (line.len)
			need(buf_put_str(out, indent));
		while (line.len)
			put_one(out, &line, true);
		need(buf_put_u8(out, '\n'));
	}
}

static void print_and_free(FILE *out, struct buf *b)
{
	fwrite(b->at, 1, b->len, out);
	buf_done(b);
}

void print_text(FILE *out, struct bytes text)
{
	struct buf b = {0};

	put_visible(&b, text);
	print_and_free(out, &b);
}

void print_block(FILE *out, struct bytes text, const char *indent)
{
	struct buf b = {0};

	put_visible_block(&b, text, indent);
	print_and_free(out, &b);
}

static void put_indent(struct buf *out, uint32_t depth)
{
	need(buf_put_u8(out, '\n'));
	for (uint32_t i = 0; i < depth; i++)
		need(buf_put_str(out, "  "));
}

enum err put_pretty_json(struct buf *out, struct bytes text)
{
	size_t start = out->len;
	struct json j;
	struct json_token t;
	enum json_kind last = JSON_OBJECT_END;
	bool first = true;
	enum err e;

	json_init(&j, text, JSON_STRICT);
	while ((e = json_next(&j, &t)) == OK) {
		bool ends = t.kind == JSON_OBJECT_END || t.kind == JSON_ARRAY_END;
		bool opened = last == JSON_OBJECT || last == JSON_ARRAY;
		if (!first && !ends && !opened && last != JSON_KEY)
			need(buf_put_u8(out, ','));
		if (!first && last != JSON_KEY && !(ends && opened))
			put_indent(out, t.depth);
		need(buf_put(out, bytes_slice(text, t.start, t.end - t.start)));
		if (t.kind == JSON_KEY)
			need(buf_put_str(out, ": "));
		last = t.kind;
		first = false;
	}
	if (e != ERR_END) {
		out->len = start;
		return ERR_BAD;
	}
	return OK;
}

void put_time_local(struct buf *out, uint64_t time_ns, bool date)
{
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	struct tm tm = {0};
	char text[64];

	if (!localtime_r(&seconds, &tm) ||
	    !strftime(text, sizeof text, date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm))
		text[0] = '\0';
	need(buf_put_str(out, text));
}

void put_duration(struct buf *out, uint64_t us)
{
	char text[40];

	if (us < 1000)
		snprintf(text, sizeof text, "%u us", (unsigned)us);
	else if (us < 1000000)
		snprintf(text, sizeof text, "%.1f ms", (double)us / 1e3);
	else
		snprintf(text, sizeof text, "%.2f s", (double)us / 1e6);
	need(buf_put_str(out, text));
}

void put_grouped(struct buf *out, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			need(buf_put_u8(out, ','));
		need(buf_put_u8(out, (uint8_t)digits[i]));
	}
}

/* "7d" before now. */
static enum err parse_age(const char *text, uint64_t now_ns, uint64_t *ret_time_ns)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	size_t len = strlen(text);
	uint64_t n;

	if (len < 2 || bytes_parse_u64(bytes_of(text, len - 1), 1000000, &n) != OK)
		return ERR_BAD;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (units[i].unit != text[len - 1])
			continue;
		uint64_t back_ns = n * units[i].seconds * NS_PER_S;
		*ret_time_ns = back_ns > now_ns ? 0 : now_ns - back_ns;
		return OK;
	}
	return ERR_BAD;
}

enum err parse_time(const char *text, uint64_t now_ns, uint64_t *ret_time_ns)
{
	static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S",
					      "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"};

	if (parse_age(text, now_ns, ret_time_ns) == OK)
		return OK;
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(text, formats[i], &tm);
		if (!end || (*end && strcmp(end, "Z") != 0))
			continue;
		struct tm asked = tm;
		time_t seconds = *end ? timegm(&tm) : mktime(&tm);
		/* strptime takes February 30th; the calendar does not. */
		if (seconds < 0 || asked.tm_mday != tm.tm_mday)
			return ERR_BAD;
		*ret_time_ns = (uint64_t)seconds * NS_PER_S;
		return OK;
	}
	return ERR_BAD;
}

void print_buf(struct buf *b)
{
	need(b->failed);
	fwrite(b->at, 1, b->len, stdout);
	buf_reset(b);
}

size_t text_columns(struct bytes text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += (text.at[i] & 0xC0) != 0x80;
	return n;
}

void put_cell(struct buf *out, struct bytes text, int columns)
{
	size_t width = (size_t)(columns < 0 ? -columns : columns), have = text_columns(text);

	for (size_t i = have; columns < 0 && i < width; i++)
		need(buf_put_u8(out, ' '));
	if (have > width) {
		size_t keep = 0, seen = 0;
		while (keep < text.len && (seen < width - 1 || (text.at[keep] & 0xC0) == 0x80)) {
			keep++;
			seen += keep < text.len && (text.at[keep] & 0xC0) != 0x80;
		}
		need(buf_put(out, bytes_slice(text, 0, keep)));
		need(buf_put_str(out, "\xE2\x80\xA6"));
		return;
	}
	need(buf_put(out, text));
	for (size_t i = have; columns > 0 && i < width; i++)
		need(buf_put_u8(out, ' '));
}
