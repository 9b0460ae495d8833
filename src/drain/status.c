/* SPDX-License-Identifier: MIT */
#include "drain/status.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/files.h"
#include "base/sys.h"
#include "wire/json.h"

#define NS_PER_S  1000000000u
#define NEW_FLAGS (O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NOCTTY)

enum status_kind { NUMBER, TEXT, FLAG };

struct status_field {
	const char *key;
	size_t offset, cap;
	enum status_kind kind;
};

#define AT(member) offsetof(struct drain_status, member)

static const struct status_field fields[] = {
	{"sink", AT(sink), STATUS_NAME_MAX, TEXT},
	{"type", AT(type), STATUS_TYPE_MAX, TEXT},
	{"required", AT(required), 0, FLAG},
#define FIELD(member, key) {key, AT(member), 0, NUMBER},
	STATUS_NUMBERS(FIELD)
#undef FIELD
		{"wrong", AT(wrong), 0, FLAG},
	{"last_answer", AT(answer), STATUS_TEXT_MAX, TEXT},
	{"last_failure", AT(failure), STATUS_TEXT_MAX, TEXT},
	{"problem", AT(problem), STATUS_TEXT_MAX, TEXT},
};

#define FIELDS (sizeof fields / sizeof fields[0])

static const void *in(const struct drain_status *s, const struct status_field *f)
{
	return (const uint8_t *)s + f->offset;
}

static enum err put_value(struct buf *out, const struct drain_status *s,
			  const struct status_field *f)
{
	switch (f->kind) {
	case NUMBER:
		return buf_put_decimal(out, *(const uint64_t *)in(s, f));
	case FLAG:
		return buf_put_str(out, *(const bool *)in(s, f) ? "true" : "false");
	case TEXT:
		break;
	}
	return buf_put_json_string(out, bytes_str(in(s, f)));
}

static bool is_same_value(const void *a, const void *b, enum status_kind kind)
{
	switch (kind) {
	case NUMBER:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case FLAG:
		return *(const bool *)a == *(const bool *)b;
	case TEXT:
		break;
	}
	return strcmp(a, b) == 0;
}

bool status_is_same(const struct drain_status *a, const struct drain_status *b)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (!is_same_value(in(a, &fields[i]), in(b, &fields[i]), fields[i].kind))
			return false;
	return true;
}

enum err status_put(struct buf *out, const struct drain_status *s)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < FIELDS; i++) {
		e = buf_put_str(out, i ? "," : "{");
		if (!e)
			e = buf_put_json_string(out, bytes_str(fields[i].key));
		if (!e)
			e = buf_put_u8(out, ':');
		if (!e)
			e = put_value(out, s, &fields[i]);
	}
	return e ? e : buf_put_str(out, "}\n");
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

static bool take(struct drain_status *s, const struct status_field *f,
		 const struct json_token *value)
{
	uint8_t *at = (uint8_t *)s + f->offset;

	switch (f->kind) {
	case NUMBER:
		return value->kind == JSON_NUMBER &&
		       json_number_u64(value, (uint64_t *)(void *)at) == OK;
	case FLAG:
		*(bool *)at = value->kind == JSON_TRUE;
		return value->kind == JSON_TRUE || value->kind == JSON_FALSE;
	case TEXT:
		break;
	}
	return take_text(value, (char *)at, f->cap);
}

enum err status_parse(struct bytes text, struct drain_status *ret_status)
{
	struct drain_status s = {.sink = ""};
	struct json_token key, value;
	struct json j;
	size_t end;

	if (text.len > STATUS_BYTES_MAX)
		return ERR_LIMIT;
	json_init(&j, text, JSON_STRICT);
	if (json_next(&j, &key) || key.kind != JSON_OBJECT)
		return ERR_BAD;
	while (json_next(&j, &key) == OK && key.kind == JSON_KEY) {
		if (json_next(&j, &value))
			return ERR_BAD;
		for (size_t i = 0; i < FIELDS; i++)
			if (json_token_is(&key, bytes_str(fields[i].key)) &&
			    !take(&s, &fields[i], &value))
				return ERR_BAD;
		if (json_skip(&j, &value, &end))
			return ERR_BAD;
	}
	if (key.kind != JSON_OBJECT_END || json_next(&j, &value) != ERR_END)
		return ERR_BAD;
	*ret_status = s;
	return OK;
}

void status_text(char ret_text[STATUS_TEXT_MAX], struct bytes text)
{
	size_t len = text.len < STATUS_TEXT_MAX - 1 ? text.len : STATUS_TEXT_MAX - 1;

	while (len < text.len && len && (text.at[len] & 0xC0) == 0x80)
		len--;
	if (len)
		memcpy(ret_text, text.at, len);
	ret_text[len] = '\0';
}

/* ---- health ---- */

uint64_t status_age_s(const struct drain_status *s, uint64_t now_ns)
{
	return s->oldest_ns && now_ns > s->oldest_ns ? (now_ns - s->oldest_ns) / NS_PER_S : 0;
}

const char *status_trouble(const struct drain_status *s, uint64_t now_ns)
{
	if (s->problem[0])
		return s->problem;
	if (now_ns > s->updated_ns && now_ns - s->updated_ns > STATUS_STALE_NS)
		return "its feeder does not run";
	if (s->wrong)
		return "its configuration does not work";
	if (s->max_lag_s && status_age_s(s, now_ns) > s->max_lag_s)
		return "it is behind its max_lag";
	if (s->dead)
		return "it has dead letters";
	return NULL;
}

/* ---- the file ---- */

enum err status_save(const char *path, const struct drain_status *s)
{
	struct buf text = {0}, beside = {0};
	size_t written;
	enum err e = status_put(&text, s);

	if (!e)
		e = buf_put_str(&beside, path);
	if (!e)
		e = buf_put(&beside, bytes_of(".new", 5));
	if (!e) {
		int fd = sys_open((const char *)beside.at, NEW_FLAGS, 0600);
		e = fd < 0 ? err_from_errno(fd) : sys_write_full(fd, text.at, text.len, &written);
		if (fd >= 0)
			sys_close(fd);
	}
	if (!e)
		e = err_from_errno(sys_rename((const char *)beside.at, path));
	buf_done(&text);
	buf_done(&beside);
	return e;
}

enum err status_load(const char *path, struct drain_status *ret_status)
{
	struct buf text = {0};
	enum err e = files_load(path, STATUS_BYTES_MAX, &text);

	if (!e)
		e = status_parse(buf_view(&text), ret_status);
	buf_done(&text);
	return e;
}
