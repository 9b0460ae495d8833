/* SPDX-License-Identifier: MIT */
#include "llm/credential_place.h"

#include "llm/credential.h"
#include "wire/http1.h"

#define GATEWAY_KEY BYTES("aigw-")
#define AWS_SCHEME  BYTES("AWS4-") /* -HMAC-SHA256, -ECDSA-P256-SHA256 */

/* The next line without its end, cut off *rest. */
static struct bytes cut_line(struct bytes *rest)
{
	struct bytes line = bytes_cut(rest, '\n');

	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

size_t credential_head_bytes(struct bytes message)
{
	struct bytes rest = message;
	bool begun = false;
	size_t feed;

	while ((feed = bytes_find_byte(rest, '\n')) != SIZE_MAX) {
		bool is_empty = feed == 0 || (feed == 1 && rest.at[0] == '\r');
		rest = bytes_from(rest, feed + 1);
		if (is_empty && begun)
			return message.len - rest.len;
		begun = begun || !is_empty;
	}
	return 0;
}

static uint64_t bit_of_length(size_t len)
{
	return UINT64_C(1) << (len < 63 ? len : 63);
}

/* Of the names in "header authorization bearer", one a line: most headers are told by these. */
static uint64_t lengths_in(struct bytes lines)
{
	uint64_t lengths = 0;

	while (lines.len) {
		struct bytes line = bytes_cut(&lines, '\n');
		(void)bytes_cut(&line, ' ');
		lengths |= bit_of_length(bytes_cut(&line, ' ').len);
	}
	return lengths;
}

void credential_scan_init(struct credential_scan *s, struct bytes head,
			  const struct provider *provider, const struct dialect *dialect)
{
	struct bytes rest = head, line = BYTES_NONE;
	size_t query;

	while (rest.len && !line.len)
		line = cut_line(&rest);
	s->fields = rest;
	bytes_cut(&line, ' ');
	line = bytes_cut(&line, ' '); /* the target */
	query = bytes_find_byte(line, '?');
	s->query = query == SIZE_MAX ? BYTES_NONE : bytes_from(line, query + 1);
	/* Where several APIs share a host, SDKs of one send the key as the other wants it too. */
	s->accepted[0] = s->accepted[1] = BYTES_NONE;
	if (provider)
		s->accepted[0] = bytes_str(catalogue_text(
			provider->credentials ? provider->credentials
					      : provider_dialect(provider)->facts->credentials));
	if (provider && !provider->credentials && dialect && dialect != provider_dialect(provider))
		s->accepted[1] = bytes_str(catalogue_text(dialect->facts->credentials));
	s->lengths = lengths_in(s->accepted[0]) | lengths_in(s->accepted[1]);
}

/* ---- what the catalogue says ---- */

/* "header authorization bearer": is it for this kind and name? Then *ret_scheme is the rest. */
static bool is_for(struct bytes line, struct bytes kind, struct bytes name,
		   struct bytes *ret_scheme)
{
	size_t at = kind.len + 1, end = at + name.len;

	if (line.len < end || line.at[kind.len] != ' ' || !bytes_starts(line, kind) ||
	    !bytes_equal_nocase(bytes_slice(line, at, name.len), name))
		return false;
	if ((line.len > end && line.at[end] != ' ') || bytes_find_byte(name, ' ') != SIZE_MAX)
		return false;
	*ret_scheme = bytes_from(line, end + 1);
	return true;
}

static bool takes_header(const struct credential_scan *s, struct bytes name,
			 struct bytes before_key)
{
	struct bytes scheme;

	for (size_t i = 0; i < 2; i++)
		for (struct bytes rest = s->accepted[i]; rest.len;)
			if (is_for(bytes_cut(&rest, '\n'), BYTES("header"), name, &scheme) &&
			    bytes_equal_nocase(scheme, bytes_trim(before_key)))
				return true;
	return false;
}

static bool names_place(const struct credential_scan *s, struct bytes kind, struct bytes name)
{
	struct bytes scheme;

	if (!(s->lengths & bit_of_length(name.len)))
		return false;
	for (size_t i = 0; i < 2; i++)
		for (struct bytes rest = s->accepted[i]; rest.len;)
			if (is_for(bytes_cut(&rest, '\n'), kind, name, &scheme))
				return true;
	return false;
}

/* ---- the places ---- */

static bool is_key_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '_';
}

/* A gateway key that stands behind something else, up to its end; empty: none. */
static struct bytes gateway_key_within(struct bytes value)
{
	size_t at = 0, len;

	while (at < value.len) {
		size_t found = bytes_find(bytes_from(value, at), GATEWAY_KEY);
		if (found == SIZE_MAX)
			return BYTES_NONE;
		at += found;
		if (at && !is_key_byte(value.at[at - 1])) {
			for (len = 0; at + len < value.len && is_key_byte(value.at[at + len]);
			     len++)
				;
			return bytes_slice(value, at, len);
		}
		at += GATEWAY_KEY.len;
	}
	return BYTES_NONE;
}

static bool next_of_query(struct credential_scan *s, struct credential_place *p)
{
	while (s->query.len) {
		struct bytes value = bytes_cut(&s->query, '&'), name = bytes_cut(&value, '=');
		uint8_t room[CREDENTIAL_NAME_BYTES_MAX];
		bool accepted = names_place(s, BYTES("query"),
					    credential_decode(name, room, sizeof room));
		if (!value.len || !(accepted || credential_is_parameter(name)))
			continue;
		*p = (struct credential_place){
			.name = name, .key = value, .accepted = accepted, .in_query = true};
		return true;
	}
	return false;
}

/* Where browsers put a key on a WebSocket, as a stand-in for the Authorization that they cannot
 * set: whoever takes the one takes the other. */
static bool is_protocols(struct bytes name)
{
	return bytes_equal_nocase(name, BYTES("sec-websocket-protocol"));
}

static void look_at_field(const struct credential_scan *s, struct bytes value,
			  struct credential_place *p)
{
	size_t before = (size_t)(p->key.at - value.at);

	if (is_protocols(p->name))
		p->accepted = takes_header(s, BYTES("authorization"), BYTES("bearer"));
	else
		p->accepted = takes_header(s, p->name, bytes_slice(value, 0, before));
	p->foreign = bytes_equal_nocase(p->name, BYTES("proxy-authorization"));
	p->in_query = false;
	p->signs = bytes_equal_nocase(p->name, BYTES("authorization")) &&
		   bytes_equal_nocase(bytes_slice(value, 0, AWS_SCHEME.len), AWS_SCHEME);
	if (bytes_starts(p->key, GATEWAY_KEY))
		return;
	struct bytes within = gateway_key_within(p->key);
	if (within.len) {
		p->key = within;
		p->accepted = false;
	}
}

static bool next_of_fields(struct credential_scan *s, struct credential_place *p)
{
	struct bytes value;

	while (http1_head_next(&s->fields, &p->name, &value)) {
		p->name = bytes_trim(p->name);
		p->key = credential_of_header(p->name, value);
		if (!p->key.len && names_place(s, BYTES("header"), p->name))
			p->key = value;
		if (!p->key.len)
			continue;
		look_at_field(s, value, p);
		return true;
	}
	return false;
}

struct bytes credential_place_text(const struct credential_place *p, uint8_t *room,
				   size_t room_bytes)
{
	return p->in_query ? credential_decode(p->key, room, room_bytes) : p->key;
}

bool credential_scan_next(struct credential_scan *s, struct credential_place *ret_place)
{
	return next_of_query(s, ret_place) || next_of_fields(s, ret_place);
}
