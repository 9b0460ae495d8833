/* SPDX-License-Identifier: MIT */
#include "drain/dead.h"

#include <fcntl.h>
#include <string.h>

#include "base/files.h"
#include "base/sys.h"
#include "wire/json.h"

#define APPEND_FLAGS (O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY)
#define NEW_FLAGS    (O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NOCTTY)
#define ID_BYTES     16

/* ---- one line ---- */

static enum err put_text(struct buf *out, const char *key, const char *text)
{
	enum err e = buf_put_str(out, key);

	return e ? e : buf_put_json_string(out, bytes_str(text));
}

static enum err put_number(struct buf *out, const char *key, uint64_t n)
{
	enum err e = buf_put_str(out, key);

	return e ? e : buf_put_decimal(out, n);
}

enum err dead_put(struct buf *out, const struct dead_letter *d)
{
	size_t before = out->len;
	enum err e = put_text(out, "{\"id\":", d->id);

	if (!e)
		e = buf_put_str(out, ",\"segment\":\"");
	if (!e)
		e = buf_put_hex(out, bytes_of(d->segment_id, ID_BYTES));
	if (!e)
		e = put_number(out, "\",\"offset\":", d->offset);
	if (!e)
		e = put_number(out, ",\"sequence\":", d->sequence);
	if (!e)
		e = put_number(out, ",\"time_unix_nano\":", d->time_ns);
	if (!e)
		e = put_number(out, ",\"since_unix_nano\":", d->since_ns);
	if (!e)
		e = put_number(out, ",\"refusals\":", d->refusals);
	if (!e)
		e = put_text(out, ",\"reason\":", d->reason);
	if (!e)
		e = buf_put_str(out, ",\"cursor\":\"");
	if (!e)
		e = buf_put(out, d->cursor_hex);
	if (!e)
		e = buf_put_str(out, "\"}\n");
	if (!e && out->len - before > DEAD_LINE_MAX)
		e = ERR_LIMIT;
	if (e)
		out->len = before;
	return e;
}

static bool take_text(const struct json_token *value, char *ret_text, size_t cap)
{
	struct buf text = {.max = cap - 1};
	bool fine = value->kind == JSON_STRING && json_put_unescaped(&text, value) == OK &&
		    (text.len == 0 || memchr(text.at, 0, text.len) == NULL);

	if (fine) {
		if (text.len)
			memcpy(ret_text, text.at, text.len);
		ret_text[text.len] = '\0';
	}
	buf_done(&text);
	return fine;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_segment(const struct json_token *value, uint8_t ret_id[ID_BYTES])
{
	if (value->kind != JSON_STRING || value->raw.len != (size_t)2 * ID_BYTES)
		return false;
	for (size_t i = 0; i < ID_BYTES; i++) {
		int high = hex_value(value->raw.at[2 * i]);
		int low = hex_value(value->raw.at[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret_id[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool is_hex(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (hex_value(text.at[i]) < 0)
			return false;
	return text.len % 2 == 0;
}

static bool take_number(const struct json_token *value, uint64_t *ret_number)
{
	return value->kind == JSON_NUMBER && json_number_u64(value, ret_number) == OK;
}

enum dead_key { ID, SEGMENT, OFFSET, SEQUENCE, TIME, SINCE, REFUSALS, REASON, CURSOR, KEYS };

static const char *const keys[KEYS] = {"id",       "segment",        "offset",
				       "sequence", "time_unix_nano", "since_unix_nano",
				       "refusals", "reason",         "cursor"};

static bool take(struct dead_letter *d, enum dead_key key, const struct json_token *value)
{
	switch (key) {
	case ID:
		return take_text(value, d->id, sizeof d->id) && d->id[0];
	case SEGMENT:
		return take_segment(value, d->segment_id);
	case OFFSET:
		return take_number(value, &d->offset);
	case SEQUENCE:
		return take_number(value, &d->sequence);
	case TIME:
		return take_number(value, &d->time_ns);
	case SINCE:
		return take_number(value, &d->since_ns);
	case REFUSALS:
		return take_number(value, &d->refusals);
	case REASON:
		return take_text(value, d->reason, sizeof d->reason);
	case CURSOR:
		d->cursor_hex = value->raw;
		return value->kind == JSON_STRING && is_hex(value->raw);
	case KEYS:
		break;
	}
	return true; /* of a later version */
}

static enum dead_key key_of(const struct json_token *token)
{
	enum dead_key k = ID;

	while (k < KEYS && !json_token_is(token, bytes_str(keys[k])))
		k++;
	return k;
}

enum err dead_parse(struct bytes line, struct dead_letter *ret_letter)
{
	struct dead_letter d = {.id = ""};
	struct json_token token, value;
	unsigned seen = 0;
	struct json j;
	size_t end;

	if (line.len > DEAD_LINE_MAX)
		return ERR_LIMIT;
	json_init(&j, line, JSON_STRICT);
	if (json_next(&j, &token) || token.kind != JSON_OBJECT)
		return ERR_BAD;
	while (json_next(&j, &token) == OK && token.kind == JSON_KEY) {
		enum dead_key key = key_of(&token);
		if (json_next(&j, &value) || !take(&d, key, &value) ||
		    (seen & 1u << key & ~(1u << KEYS)) || json_skip(&j, &value, &end))
			return ERR_BAD;
		seen |= 1u << key;
	}
	if (token.kind != JSON_OBJECT_END || json_next(&j, &value) != ERR_END ||
	    (seen | 1u << KEYS) != (2u << KEYS) - 1)
		return ERR_BAD;
	*ret_letter = d;
	return OK;
}

enum err dead_next(struct bytes *rest, struct dead_letter *ret_letter)
{
	while (rest->len)
		if (dead_parse(bytes_cut(rest, '\n'), ret_letter) == OK)
			return OK;
	return ERR_END;
}

static unsigned digit(uint8_t c)
{
	int value = hex_value(c);

	return value < 0 ? 0 : (unsigned)value;
}

enum err dead_cursor(const struct dead_letter *letter, struct buf *out)
{
	struct bytes hex = letter->cursor_hex;
	enum err e = is_hex(hex) ? buf_reserve(out, hex.len / 2 + 1) : ERR_BAD;

	for (size_t i = 0; !e && i < hex.len; i += 2)
		e = buf_put_u8(out, (uint8_t)(digit(hex.at[i]) << 4 | digit(hex.at[i + 1])));
	return e;
}

/* ---- the file ---- */

static enum err write_all(const char *path, int flags, struct bytes content)
{
	int fd = sys_open(path, flags, 0600);
	size_t written;
	enum err e;

	if (fd < 0)
		return err_from_errno(fd);
	e = sys_write_full(fd, content.at, content.len, &written);
	if (!e)
		e = err_from_errno(sys_fdatasync(fd));
	sys_close(fd);
	return e;
}

enum err dead_append(const char *path, const struct dead_letter *letter)
{
	struct buf line = {0};
	uint64_t bytes = 0;
	uint8_t last = '\n';
	enum err e = files_size(path, &bytes);

	if (e == ERR_MISSING)
		e = OK;
	if (!e && bytes > DEAD_FILE_MAX - DEAD_LINE_MAX)
		return ERR_LIMIT;
	/* A line that a kill left half written ends here. */
	if (!e && bytes) {
		int fd = sys_open(path, O_RDONLY | O_NOFOLLOW, 0);
		if (fd >= 0 && sys_pread(fd, &last, 1, (off_t)bytes - 1) != 1)
			last = '\n';
		if (fd >= 0)
			sys_close(fd);
	}
	if (!e && last != '\n')
		e = buf_put_u8(&line, '\n');
	if (!e)
		e = dead_put(&line, letter);
	if (!e)
		e = write_all(path, APPEND_FLAGS, buf_view(&line));
	buf_done(&line);
	return e;
}

static enum err replace(const char *path, struct bytes content)
{
	struct buf beside = {0};
	enum err e = buf_put_str(&beside, path);

	if (!e)
		e = buf_put(&beside, bytes_of(".new", 5));
	if (!e)
		e = write_all((const char *)beside.at, NEW_FLAGS, content);
	if (!e)
		e = err_from_errno(sys_rename((const char *)beside.at, path));
	buf_done(&beside);
	return e;
}

enum err dead_remove(const char *path, bool (*is_gone)(void *context, struct bytes id),
		     void *context)
{
	struct buf file = {0}, left = {0};
	struct dead_letter letter;
	struct bytes rest;
	enum err e = files_load(path, DEAD_FILE_MAX, &file);

	if (e == ERR_MISSING)
		return OK;
	for (rest = buf_view(&file); !e && rest.len;) {
		struct bytes line = bytes_cut(&rest, '\n');
		if (line.len == 0 ||
		    (dead_parse(line, &letter) == OK && is_gone(context, bytes_str(letter.id))))
			continue;
		e = buf_put(&left, line);
		if (!e)
			e = buf_put_u8(&left, '\n');
	}
	if (!e && left.len == 0)
		(void)sys_unlink(path);
	else if (!e && left.len != file.len)
		e = replace(path, buf_view(&left));
	buf_done(&file);
	buf_done(&left);
	return e;
}

enum err dead_count(const char *path, uint64_t *ret_count)
{
	struct buf file = {0};
	struct dead_letter letter;
	struct bytes rest;
	uint64_t count = 0;
	enum err e = files_load(path, DEAD_FILE_MAX, &file);

	for (rest = buf_view(&file); !e && dead_next(&rest, &letter) == OK;)
		count++;
	buf_done(&file);
	if (e && e != ERR_MISSING)
		return e;
	*ret_count = count;
	return OK;
}
