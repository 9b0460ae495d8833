/* SPDX-License-Identifier: MIT */
#include "drain/postgres/copy.h"

#include "audit/place.h"
#include "wire/json.h"

#define NS_PER_S       UINT64_C(1000000000)
#define S_PER_DAY      86400
#define EXPONENT_CHARS 3
#define REPLACEMENT    "\\ufffd"
#define UNICODE_ESCAPE 6 /* \u0000 */

static const char copy_mark[] = "COPY " COPY_STAGING ",";

/* ---- texts ---- */

/* The escape of a byte that COPY's text format cannot have in a value; 0: none. */
static char escape_of(uint8_t c)
{
	switch (c) {
	case '\\':
		return '\\';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	}
	return 0;
}

/* Of text that is UTF-8 without NUL. */
static enum err put_escaped(struct buf *out, struct bytes text)
{
	enum err e = OK;

	while (!e && text.len) {
		size_t plain = 0;
		while (plain < text.len && !escape_of(text.at[plain]))
			plain++;
		e = buf_put(out, bytes_slice(text, 0, plain));
		if (!e && plain < text.len) {
			const uint8_t pair[2] = {'\\', (uint8_t)escape_of(text.at[plain++])};
			e = buf_put(out, bytes_of(pair, sizeof pair));
		}
		text = bytes_from(text, plain);
	}
	return e;
}

/* How many bytes the character takes that text begins with; 0: it is none that a text may have. */
static size_t character_length(struct bytes text)
{
	size_t len = text.at[0] < 0x80 ? 1 : text.at[0] < 0xe0 ? 2 : text.at[0] < 0xf0 ? 3 : 4;

	if (text.at[0] == 0 || text.len < len || !bytes_is_utf8(bytes_slice(text, 0, len)))
		return 0;
	return len;
}

/* A column of text with the tab behind it; NULL when empty. */
static enum err put_column(struct buf *out, struct bytes text)
{
	enum err e = text.len ? OK : buf_put_str(out, "\\N");

	while (!e && text.len) {
		size_t good = 0, len;
		while (good < text.len && (len = character_length(bytes_from(text, good))))
			good += len;
		e = put_escaped(out, bytes_slice(text, 0, good));
		if (!e && good < text.len) {
			e = buf_put_str(out, "\xef\xbf\xbd");
			good++;
		}
		text = bytes_from(text, good);
	}
	return e ? e : buf_put_u8(out, '\t');
}

static enum err put_two_digits(struct buf *out, uint64_t v, char behind)
{
	const uint8_t text[3] = {(uint8_t)('0' + v / 10), (uint8_t)('0' + v % 10), (uint8_t)behind};

	return buf_put(out, bytes_of(text, sizeof text));
}

/* "2026-11-30 06:35:01.123456+00" and a tab. */
static enum err put_time(struct buf *out, uint64_t time_ns)
{
	uint64_t s = time_ns / NS_PER_S, of_day = s % S_PER_DAY, us = time_ns % NS_PER_S / 1000;
	char day[PLACE_DAY_CHARS + 1];
	enum err e;

	place_put_day(s / S_PER_DAY, day);
	if ((e = buf_put_str(out, day)) || (e = buf_put_u8(out, ' ')) ||
	    (e = put_two_digits(out, of_day / 3600, ':')) ||
	    (e = put_two_digits(out, of_day / 60 % 60, ':')) ||
	    (e = put_two_digits(out, of_day % 60, '.')))
		return e;
	for (uint64_t unit = 100000; unit; unit /= 10)
		if ((e = buf_put_u8(out, (uint8_t)('0' + us / unit % 10))))
			return e;
	return buf_put_str(out, "+00\t");
}

/* ---- the record ---- */

/* The value of a \uXXXX that text begins with, or UINT32_MAX. */
static uint32_t escaped_unit(struct bytes text)
{
	uint32_t v = 0;

	if (text.len < UNICODE_ESCAPE || text.at[0] != '\\' || text.at[1] != 'u')
		return UINT32_MAX;
	for (size_t i = 2; i < UNICODE_ESCAPE; i++) {
		uint8_t c = text.at[i], letter = c | 0x20;
		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : letter - 'a' + 10);
	}
	return v;
}

static bool is_high(uint32_t unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(uint32_t unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* How long the escape is that text begins with, and whether jsonb takes it. */
static size_t escape_length(struct bytes text, bool *ret_good)
{
	uint32_t unit = escaped_unit(text);

	*ret_good = true;
	if (unit == UINT32_MAX)
		return 2;
	if (is_high(unit) && is_low(escaped_unit(bytes_from(text, UNICODE_ESCAPE))))
		return (size_t)2 * UNICODE_ESCAPE;
	*ret_good = unit != 0 && !is_high(unit) && !is_low(unit);
	return UNICODE_ESCAPE;
}

/* A string or key as the scanner gave it: well-formed. */
static enum err put_string(struct buf *out, struct bytes raw)
{
	size_t from = 0, at = 0;
	enum err e = OK;

	while (!e && at < raw.len) {
		bool good = true;
		size_t len = raw.at[at] == '\\' ? escape_length(bytes_from(raw, at), &good)
						: (size_t)1;
		if (!good) {
			e = put_escaped(out, bytes_slice(raw, from, at - from));
			e = e ? e : put_escaped(out, BYTES(REPLACEMENT));
			from = at + len;
		}
		at += len;
	}
	return e ? e : put_escaped(out, bytes_from(raw, from));
}

static bool is_number_in_range(struct bytes number)
{
	size_t at = 0;

	while (at < number.len && (number.at[at] | 0x20) != 'e')
		at++;
	struct bytes exponent = bytes_from(number, at + 1);
	if (exponent.len && (exponent.at[0] == '+' || exponent.at[0] == '-'))
		exponent = bytes_from(exponent, 1);
	return number.len <= COPY_NUMBER_CHARS_MAX && exponent.len <= EXPONENT_CHARS;
}

static enum err put_quoted(struct buf *out, struct bytes text)
{
	enum err e = buf_put_u8(out, '"');

	e = e ? e : buf_put(out, text);
	return e ? e : buf_put_u8(out, '"');
}

/* All as it is, but for the few tokens that jsonb would refuse. */
static enum err put_record(struct buf *out, struct bytes json)
{
	struct json_token token;
	struct json scan;
	size_t from = 0;
	enum err e;

	json_init(&scan, json, JSON_STRICT);
	while (!(e = json_next(&scan, &token))) {
		bool is_string = token.kind == JSON_STRING || token.kind == JSON_KEY;
		bool is_odd = token.kind == JSON_NUMBER && !is_number_in_range(token.raw);
		if (!(is_string && token.escaped) && !is_odd)
			continue;
		size_t start = token.start + is_string; /* behind the quote */
		if ((e = put_escaped(out, bytes_slice(json, from, start - from))) ||
		    (e = is_odd ? put_quoted(out, token.raw) : put_string(out, token.raw)))
			return e;
		from = token.end - is_string;
	}
	return e == ERR_END ? put_escaped(out, bytes_from(json, from)) : e;
}

static struct bytes kind_of(const struct sink_event *event)
{
	if (event->is_heartbeat)
		return BYTES("heartbeat");
	if (event->kind == REC_REQUEST)
		return BYTES("exchange");
	return bytes_str(record_kind_name(event->kind));
}

enum err copy_put_row(struct buf *out, const struct sink_event *event)
{
	const struct bytes texts[] = {kind_of(event),     event->host,     event->environment,
				      event->application, event->provider, event->model,
				      event->process};
	size_t before = out->len;
	enum err e;

	if (!(e = put_column(out, event->id)))
		e = put_time(out, event->time_ns);
	for (size_t i = 0; !e && i < sizeof texts / sizeof texts[0]; i++)
		e = put_column(out, texts[i]);
	e = e ? e : put_record(out, event->json);
	e = e ? e : buf_put_u8(out, '\n');
	if (e)
		out->len = before;
	return e;
}

/* ---- names and statements ---- */

static bool is_name(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] < ' ' || name.at[i] == 0x7f)
			return false;
	return name.len > 0 && name.len <= COPY_NAME_BYTES_MAX && bytes_is_utf8(name);
}

static enum err put_name(struct buf *out, struct bytes name)
{
	enum err e = buf_put_u8(out, '"');

	for (size_t i = 0; !e && i < name.len; i++) {
		if (name.at[i] == '"')
			e = buf_put_u8(out, '"');
		e = e ? e : buf_put_u8(out, name.at[i]);
	}
	return e ? e : buf_put_u8(out, '"');
}

enum err copy_put_table(struct buf *out, struct bytes table)
{
	struct bytes schema = BYTES_NONE, name = table;
	enum err e = OK;

	if (bytes_find_byte(table, '.') != SIZE_MAX) {
		schema = bytes_cut(&name, '.');
		if (!is_name(schema) || bytes_starts(schema, BYTES("pg_temp")))
			return ERR_BAD;
	} else if (bytes_equal(name, BYTES(COPY_STAGING))) {
		return ERR_BAD; /* temporary tables are found first */
	}
	if (!is_name(name) || bytes_find_byte(name, '.') != SIZE_MAX)
		return ERR_BAD;
	if (schema.len) {
		e = put_name(out, schema);
		e = e ? e : buf_put_u8(out, '.');
	}
	return e ? e : put_name(out, name);
}

enum err copy_put_create(struct buf *out, struct bytes table)
{
	enum err e = buf_put_str(out, "CREATE TABLE ");

	e = e ? e : copy_put_table(out, table);
	return e ? e
		 : buf_put_str(
			   out,
			   " (id text PRIMARY KEY, time timestamptz NOT NULL, kind text NOT "
			   "NULL, host text, environment text, application text, provider text, "
			   "model text, process text, record jsonb NOT NULL)");
}

/* ---- what the server says ---- */

/* Only at the beginning of a line: further on stands what a record says. */
static struct bytes behind_mark(struct bytes context)
{
	while (context.len) {
		struct bytes line = bytes_cut(&context, '\n');
		if (bytes_starts(line, bytes_str(copy_mark)))
			return bytes_from(line, sizeof copy_mark - 1);
	}
	return BYTES_NONE;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

size_t copy_bad_row(struct bytes context)
{
	struct bytes rest = behind_mark(context);
	uint64_t row = 0;
	size_t len = 0;

	while (rest.len && !is_digit(rest.at[0]))
		rest = bytes_from(rest, 1);
	while (len < rest.len && is_digit(rest.at[len]))
		len++;
	if (bytes_parse_u64(bytes_slice(rest, 0, len), SIZE_MAX, &row))
		return 0;
	return (size_t)row;
}

enum sink_result copy_result_of(struct bytes sqlstate)
{
	static const struct {
		const char *begins;
		enum sink_result result;
	} meanings[] = {
		{"0A", SINK_WRONG},   {"22", SINK_REFUSED},  {"23", SINK_REFUSED},
		{"28", SINK_WRONG},   {"3D", SINK_WRONG},    {"3F", SINK_WRONG},
		{"42", SINK_WRONG},   {"44", SINK_REFUSED},  {"54", SINK_REFUSED},
		{"P0", SINK_REFUSED}, {"25006", SINK_RETRY}, /* a standby */
	};

	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
		if (bytes_starts(sqlstate, bytes_str(meanings[i].begins)))
			return meanings[i].result;
	return SINK_RETRY;
}
