/* SPDX-License-Identifier: MIT */
#include "drain/http/head.h"

#define SECONDS_PER_DAY 86400
#define YEAR_MIN        1970
#define YEAR_MAX        9999

enum err head_find(struct bytes head, struct bytes name, struct bytes *ret_value)
{
	enum err e = ERR_MISSING;

	while (head.len) {
		struct bytes line = bytes_cut(&head, '\n');
		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		size_t colon = bytes_find_byte(line, ':');
		if (colon == SIZE_MAX || !bytes_equal_nocase(bytes_slice(line, 0, colon), name))
			continue;
		*ret_value = bytes_trim(bytes_from(line, colon + 1));
		e = OK;
	}
	return e;
}

/* "Jan" is 1; 0: none. */
static unsigned month_of(struct bytes name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (unsigned m = 0; m < 12; m++)
		if (bytes_equal(name, bytes_of(names + 3 * m, 3)))
			return m + 1;
	return 0;
}

static bool number_in(struct bytes digits, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	return bytes_parse_u64(digits, max, ret_value) == OK && *ret_value >= min;
}

/* Days since 1970 of a date of the civil calendar, in eras of 400 years that begin in March. */
static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
	uint64_t y = month <= 2 ? year - 1 : year;
	uint64_t in_era = y % 400, from_march = month > 2 ? month - 3 : month + 9;

	return y / 400 * 146097 + in_era * 365 + in_era / 4 - in_era / 100 +
	       (153 * from_march + 2) / 5 + day - 1 - 719468;
}

/* "08:49:37" */
static bool parse_clock(struct bytes text, uint64_t *ret_seconds)
{
	struct bytes h = bytes_cut(&text, ':'), m = bytes_cut(&text, ':');
	uint64_t hour, minute, second;

	if (!number_in(h, 0, 23, &hour) || !number_in(m, 0, 59, &minute) ||
	    !number_in(text, 0, 60, &second)) /* 60: a leap second */
		return false;
	*ret_seconds = hour * 3600 + minute * 60 + second;
	return true;
}

/* Two digits mean the century that puts the date less than 50 years ahead (RFC 9110 5.6.7). */
static uint64_t full_year(uint64_t two, uint64_t now_s)
{
	uint64_t now_year = YEAR_MIN + now_s / (SECONDS_PER_DAY * UINT64_C(365));
	uint64_t year = now_year - now_year % 100 + two;

	return year > now_year + 50 && year >= YEAR_MIN + 100 ? year - 100 : year;
}

static bool parse_date(struct bytes text, uint64_t now_s, uint64_t *ret_s)
{
	struct bytes word[6] = {0};
	uint64_t year, day, clock;
	unsigned month;
	size_t count = 0;
	bool is_asctime, is_rfc850;

	while (text.len && count < 6) {
		struct bytes w = bytes_cut(&text, ' ');
		if (w.len)
			word[count++] = w;
	}
	is_asctime = count == 5; /* Sun Nov  6 08:49:37 1994 */
	is_rfc850 = count == 4;  /* Sunday, 06-Nov-94 08:49:37 GMT */
	if (text.len ||
	    (count != 6 && !is_asctime && !is_rfc850)) /* Sun, 06 Nov 1994 08:49:37 GMT */
		return false;
	struct bytes rest = word[1];
	struct bytes d = is_asctime ? word[2] : is_rfc850 ? bytes_cut(&rest, '-') : word[1];
	struct bytes m = is_asctime ? word[1] : is_rfc850 ? bytes_cut(&rest, '-') : word[2];
	struct bytes y = is_asctime ? word[4] : is_rfc850 ? rest : word[3];
	month = month_of(m);
	if (!month || !number_in(d, 1, 31, &day) ||
	    !number_in(y, is_rfc850 ? 0 : YEAR_MIN, is_rfc850 ? 99 : YEAR_MAX, &year) ||
	    !parse_clock(is_asctime ? word[3] : word[count - 2], &clock))
		return false;
	if (!is_asctime && !bytes_equal(word[count - 1], BYTES("GMT")))
		return false;
	if (is_rfc850)
		year = full_year(year, now_s);
	if (year < YEAR_MIN)
		return false;
	*ret_s = days_of(year, month, day) * SECONDS_PER_DAY + clock;
	return true;
}

uint32_t head_retry_after_ms(struct bytes head, uint64_t now_s)
{
	struct bytes value;
	uint64_t seconds, date;

	if (head_find(head, BYTES("Retry-After"), &value))
		return 0;
	if (bytes_parse_u64(value, UINT64_MAX, &seconds)) {
		if (!parse_date(value, now_s, &date) || date <= now_s)
			return 0;
		seconds = date - now_s;
	}
	if (seconds >= HEAD_RETRY_AFTER_MAX_MS / 1000)
		return HEAD_RETRY_AFTER_MAX_MS;
	return (uint32_t)seconds * 1000;
}
