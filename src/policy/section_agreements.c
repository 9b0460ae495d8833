/* SPDX-License-Identifier: MIT */
#include "policy/section_agreements.h"

#include <string.h>

#define TEXT_BYTES_MAX 256
#define DATE_BYTES     10
#define YEAR_MIN       1970

static bool is_leap(uint64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

enum err section_agreements_day(struct bytes text, int32_t *ret_day)
{
	static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint64_t year, month, day, days = 0;

	if (text.len != DATE_BYTES || text.at[4] != '-' || text.at[7] != '-' ||
	    bytes_parse_u64(bytes_slice(text, 0, 4), 9999, &year) ||
	    bytes_parse_u64(bytes_slice(text, 5, 2), 12, &month) ||
	    bytes_parse_u64(bytes_slice(text, 8, 2), 31, &day) || year < YEAR_MIN || month == 0 ||
	    day == 0 || day > lengths[month - 1] + (uint64_t)(month == 2 && is_leap(year)))
		return ERR_BAD;
	for (uint64_t y = YEAR_MIN; y < year; y++)
		days += is_leap(y) ? 366 : 365;
	for (uint64_t i = 1; i < month; i++)
		days += lengths[i - 1] + (uint64_t)(i == 2 && is_leap(year));
	*ret_day = (int32_t)(days + day - 1);
	return OK;
}

static enum err read_date(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	static const char expected[] = "a date (\"2027-01-31\")";
	struct bytes text;
	int32_t day;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (section_agreements_day(text, &day))
		return reader_wrong(r, v, expected);
	memcpy(into, &day, sizeof day);
	return OK;
}

static enum err read_note(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	struct bytes text = BYTES_NONE;
	enum err e = reader_text(r, m, v, &text);

	if (e)
		return e;
	if (text.len > TEXT_BYTES_MAX) {
		phrase_put(reader_problem_with(r, v->token.start, text),
			   " is longer than 256 bytes");
		return ERR_LIMIT;
	}
	memcpy(into, &text, sizeof text);
	return OK;
}

static enum err read_held(struct reader *r, const struct value *v, bool needs_reference,
			  struct agreement *to)
{
	const struct member members[] = {
		READER_KEY("reference", read_note, READER_IN(struct agreement, reference),
			   .required = needs_reference),
		READER_KEY("from", read_date, READER_IN(struct agreement, from_day)),
		READER_KEY("until", read_date, READER_IN(struct agreement, until_day)),
		READER_KEY("source", read_note, READER_IN(struct agreement, source)),
	};
	enum err e;

	to->from_day = to->until_day = DAY_UNSAID;
	e = reader_object(r, members, READER_COUNT(members), v, to);
	if (e)
		return e;
	if (to->until_day != DAY_UNSAID && to->until_day < to->from_day) {
		struct phrase *p = reader_problem(r, v->token.start);
		phrase_put_bytes(p, reader_path(r));
		phrase_put(p, " ends before it begins: \"until\" must not be before \"from\"");
		return ERR_BAD;
	}
	to->state = HELD;
	return OK;
}

static bool is_not_needed(const struct value *v)
{
	return v->token.kind == JSON_STRING && json_token_is(&v->token, BYTES("not-needed"));
}

enum err section_agreements_baa(struct reader *r, const struct member *m, const struct value *v,
				void *into)
{
	struct agreement *to = into;

	if (is_not_needed(v)) {
		to->state = NOT_NEEDED;
		return OK;
	}
	if (v->token.kind != JSON_OBJECT)
		return reader_wrong(r, v,
				    "\"not-needed\" or an object ({\"reference\": \"...\", "
				    "\"until\": \"2027-01-31\"})");
	return read_held(r, v, true, to);
}

enum err section_agreements_other(struct reader *r, const struct member *m, const struct value *v,
				  void *into)
{
	struct agreement *to = into;

	to->from_day = to->until_day = DAY_UNSAID;
	if (is_not_needed(v))
		to->state = NOT_NEEDED;
	else if (v->token.kind == JSON_TRUE)
		to->state = HELD;
	else if (v->token.kind == JSON_OBJECT)
		return read_held(r, v, false, to);
	else if (v->token.kind != JSON_FALSE)
		return reader_wrong(
			r, v,
			"true, false, \"not-needed\" or an object ({\"until\": \"2027-01-31\"})");
	return OK;
}
