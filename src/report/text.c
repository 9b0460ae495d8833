/* SPDX-License-Identifier: MIT */
#include "report/text.h"

#define NS_PER_S        UINT64_C(1000000000)
#define SECONDS_PER_DAY 86400u

void text_keep(struct buf *out, enum err e)
{
	if (e && !out->failed)
		out->failed = e;
}

void text_put(struct buf *out, struct bytes data)
{
	text_keep(out, buf_put(out, data));
}

void text_put_u8(struct buf *out, uint8_t v)
{
	text_keep(out, buf_put_u8(out, v));
}

void text_put_str(struct buf *out, const char *nul_terminated)
{
	text_keep(out, buf_put_str(out, nul_terminated));
}

void text_put_decimal(struct buf *out, uint64_t v)
{
	text_keep(out, buf_put_decimal(out, v));
}

void text_put_hex(struct buf *out, struct bytes data)
{
	text_keep(out, buf_put_hex(out, data));
}

void text_put_json_string(struct buf *out, struct bytes text)
{
	text_keep(out, buf_put_json_string(out, text));
}

void text_put_base64(struct buf *out, struct bytes data)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	enum err e = buf_reserve(out, data.len / 3 * 4 + 4);

	if (e) {
		text_keep(out, e);
		return;
	}
	for (size_t i = 0; i < data.len; i += 3) {
		size_t left = data.len - i;
		uint32_t v = (uint32_t)data.at[i] << 16 |
			     (left > 1 ? (uint32_t)data.at[i + 1] << 8 : 0) |
			     (left > 2 ? data.at[i + 2] : 0);
		uint8_t *four = out->at + out->len;
		four[0] = (uint8_t)digits[v >> 18];
		four[1] = (uint8_t)digits[v >> 12 & 63];
		four[2] = (uint8_t)(left > 1 ? digits[v >> 6 & 63] : '=');
		four[3] = (uint8_t)(left > 2 ? digits[v & 63] : '=');
		out->len += 4;
	}
}

static void put_digits(uint8_t *at, uint64_t n, size_t width)
{
	while (width) {
		at[--width] = (uint8_t)('0' + n % 10);
		n /= 10;
	}
}

/* Days since 1970 as a date of the Gregorian calendar. Years are counted from March, so that the
 * day that leap years add is the last one. */
static void put_date(uint8_t at[10], uint64_t days)
{
	uint64_t shifted = days + 719468; /* since 0000-03-01 */
	uint64_t era = shifted / 146097, day_of_era = shifted % 146097;
	uint64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
			 day_of_era / 146096) /
			365;
	uint64_t day = day_of_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * day + 2) / 153;

	put_digits(at, era * 400 + year + (month >= 10), 4);
	put_digits(at + 5, month < 10 ? month + 3 : month - 9, 2);
	put_digits(at + 8, day - (153 * month + 2) / 5 + 1, 2);
}

void text_put_time_utc(struct buf *out, uint64_t time_ns)
{
	uint8_t text[] = "0000-00-00T00:00:00.000000Z";
	uint64_t seconds = time_ns / NS_PER_S, of_day = seconds % SECONDS_PER_DAY;

	put_date(text, seconds / SECONDS_PER_DAY);
	put_digits(text + 11, of_day / 3600, 2);
	put_digits(text + 14, of_day / 60 % 60, 2);
	put_digits(text + 17, of_day % 60, 2);
	put_digits(text + 20, time_ns % NS_PER_S / 1000, 6);
	text_put(out, bytes_of(text, sizeof text - 1));
}

struct json_object object_begin(struct buf *out)
{
	text_put_u8(out, '{');
	return (struct json_object){out, false};
}

void object_key(struct json_object *o, struct bytes key)
{
	if (o->any)
		text_put_u8(o->out, ',');
	o->any = true;
	text_put_json_string(o->out, key);
	text_put_u8(o->out, ':');
}

void object_text(struct json_object *o, const char *key, struct bytes text)
{
	object_key(o, bytes_str(key));
	text_put_json_string(o->out, text);
}

void object_number(struct json_object *o, const char *key, uint64_t n)
{
	object_key(o, bytes_str(key));
	text_put_decimal(o->out, n);
}

void object_bool(struct json_object *o, const char *key, bool b)
{
	object_raw(o, key, b ? "true" : "false");
}

void object_raw(struct json_object *o, const char *key, const char *json)
{
	object_key(o, bytes_str(key));
	text_put_str(o->out, json);
}

void object_end(struct json_object *o)
{
	text_put_u8(o->out, '}');
}
