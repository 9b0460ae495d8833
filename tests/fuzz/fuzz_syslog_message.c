/* SPDX-License-Identifier: MIT
 *
 * Input: the limit (2 bytes), bits, the kind, then the event's texts, each with its length in
 * front; the rest is the JSON. Whatever comes out is within the limit, read as RFC 5424 says by a
 * reader of our own, and its text is JSON if the event's was. The input is also tried as an
 * address.
 */
#include <stdlib.h>

#include "drain/syslog/address.h"
#include "drain/syslog/message.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_so)
{
	if (!is_so)
		abort();
}

static struct bytes take_text(struct cursor *c)
{
	size_t len = cursor_u8(c);

	return cursor_take(c, len < cursor_left(c) ? len : cursor_left(c));
}

static void check_field(struct bytes *rest, size_t max)
{
	struct bytes field = bytes_cut(rest, ' ');

	must(field.len >= 1 && field.len <= max);
	for (size_t i = 0; i < field.len; i++)
		must(field.at[i] > ' ' && field.at[i] < 0x7f);
}

/* [ID NAME="VALUE"...], of which quotes end only where they are not escaped. */
static void check_structured_data(struct bytes *rest)
{
	size_t at = 0;
	bool in_value = false;

	must(bytes_starts(*rest, BYTES("[" MESSAGE_SD_ID)));
	for (; at < rest->len && (in_value || rest->at[at] != ']'); at++) {
		must(rest->at[at] >= ' ' && rest->at[at] != 0x7f);
		if (in_value && rest->at[at] == '\\')
			at++;
		else if (rest->at[at] == '"')
			in_value = !in_value;
		else
			must(!in_value || rest->at[at] != ']');
	}
	must(at < rest->len);
	must(bytes_is_utf8(bytes_slice(*rest, 0, at)));
	*rest = bytes_from(*rest, at + 1);
}

static void check_message(struct bytes m, struct bytes json)
{
	bool was_json = json_check(json, NULL, NULL) == OK;

	must(bytes_find_byte(m, '\n') == SIZE_MAX && bytes_find_byte(m, 0) == SIZE_MAX);
	must(m.len > 2 && m.at[0] == '<');
	check_field(&m, sizeof "<191>1" - 1);
	check_field(&m, sizeof "2026-11-24T00:12:03.123456Z" - 1);
	check_field(&m, MESSAGE_HOST_MAX);
	check_field(&m, MESSAGE_APP_NAME_MAX);
	check_field(&m, MESSAGE_PROCID_MAX);
	check_field(&m, MESSAGE_MSGID_MAX);
	check_structured_data(&m);
	if (m.len == 0)
		return;
	must(m.at[0] == ' ');
	m = bytes_from(m, 1);
	if (bytes_starts(m, BYTES("\xef\xbb\xbf"))) {
		m = bytes_from(m, 3);
		must(bytes_is_utf8(m));
	}
	must(!was_json || json_check(m, NULL, NULL) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(bytes_of(data, size));
	struct message_style style = {.bytes_max = cursor_u16(&c)};
	struct syslog_address address;
	struct sink_event event = {0};
	struct buf out = {0};
	const char *problem;
	uint8_t bits = cursor_u8(&c);
	enum err e;

	style.facility = bits % (MESSAGE_FACILITY_MAX + 1);
	event.is_heartbeat = bits & 0x40;
	event.is_refusal = bits & 0x80;
	event.kind = (enum record_kind)cursor_u8(&c);
	event.time_ns = cursor_u64(&c);
	struct bytes *const texts[] = {
		&style.app_name,    &event.id,          &event.process,  &event.host,
		&event.environment, &event.application, &event.provider, &event.model,
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		*texts[i] = take_text(&c);
	event.json = cursor_take(&c, cursor_left(&c));
	e = message_put(&out, &style, &event);
	must(e == OK || (e == ERR_LIMIT && style.bytes_max && out.len == 0));
	must(style.bytes_max == 0 || out.len <= style.bytes_max);
	if (!e)
		check_message(buf_view(&out), event.json);
	buf_done(&out);
	if (syslog_address_parse(bytes_of(data, size), &address, &problem) == OK)
		must(address.transport == SYSLOG_UNIX ? address.path[0] == '/' : address.host[0]);
	return 0;
}
