/* SPDX-License-Identifier: MIT
 *
 * What the request being collected says in its head.
 */
#include "llm/exchange.h"

/* Cuts scheme and authority off an absolute-form target (RFC 9112 3.2.2). */
static struct bytes cut_authority(struct bytes target, struct bytes *ret_authority)
{
	size_t scheme, slash;

	*ret_authority = BYTES_NONE;
	if (target.len == 0 || target.at[0] == '/')
		return target;
	scheme = bytes_find(target, BYTES("://"));
	if (scheme == SIZE_MAX)
		return target;
	target = bytes_from(target, scheme + 3);
	for (slash = 0; slash < target.len; slash++)
		if (target.at[slash] == '/' || target.at[slash] == '?')
			break;
	*ret_authority = bytes_slice(target, 0, slash);
	return bytes_from(target, slash);
}

/* The target without its authority and fragment, cut in two. */
static struct bytes cut_path(const struct http1_request *r, struct bytes *ret_query)
{
	struct bytes authority, rest = cut_authority(http1_request_target(r), &authority), path;

	rest = bytes_cut(&rest, '#');
	path = bytes_cut(&rest, '?');
	*ret_query = rest;
	return path;
}

struct bytes exchange_path(const struct exchange *x)
{
	struct bytes query;

	return cut_path(exchange_request(x), &query);
}

void exchange_view(const struct exchange *x, struct request_view *ret_view)
{
	const struct http1_request *r = exchange_request(x);
	struct request_view view = {.method = bytes_str(r->method)};

	view.path = cut_path(r, &view.query);
	(void)http1_request_find(r, BYTES("content-type"), &view.content_type);
	(void)http1_request_find(r, BYTES("content-encoding"), &view.content_encoding);
	(void)http1_request_find(r, BYTES("accept"), &view.accept);
	view.body = http1_request_body(r);
	*ret_view = view;
}

/* "name", "name:443", "[::1]:8443" (RFC 9110 4.2.2). */
enum err exchange_split_authority(struct bytes authority, struct bytes *ret_host,
				  uint16_t *ret_port)
{
	struct bytes host = authority, digits = BYTES_NONE;
	uint64_t port = 0;
	size_t colon = SIZE_MAX;

	for (size_t i = authority.len; i-- > 0 && authority.at[i] != ']';)
		if (authority.at[i] == ':')
			colon = i;
	if (colon != SIZE_MAX) {
		host = bytes_slice(authority, 0, colon);
		digits = bytes_from(authority, colon + 1);
	}
	if (host.len == 0 || bytes_find_byte(host, '@') != SIZE_MAX)
		return ERR_BAD;
	if (digits.len && bytes_parse_u64(digits, UINT16_MAX, &port))
		return ERR_BAD;
	*ret_host = host;
	*ret_port = (uint16_t)port;
	return OK;
}

enum err exchange_host(const struct exchange *x, struct bytes *ret_host, uint16_t *ret_port)
{
	const struct http1_request *q = exchange_request(x);
	struct bytes field, authority, host, other;
	uint16_t port, other_port;

	if (!http1_request_find(q, BYTES("host"), &field) ||
	    exchange_split_authority(field, &host, &port))
		return ERR_BAD;
	cut_authority(http1_request_target(q), &authority);
	if (authority.len) {
		if (exchange_split_authority(authority, &other, &other_port))
			return ERR_BAD;
		if (!bytes_equal_nocase(host, other) || port != other_port)
			return ERR_AMBIGUOUS;
	}
	*ret_host = host;
	*ret_port = port;
	return OK;
}

/* The one value of a field that is there once; false when it is missing or there twice. */
static bool find_single(const struct http1_request *q, struct bytes name, struct bytes *ret_value)
{
	size_t count = 0;

	for (size_t i = 0; i < q->field_count; i++) {
		if (!bytes_equal_nocase(http1_field_name(q, i), name))
			continue;
		*ret_value = http1_field_value(q, i);
		count++;
	}
	return count == 1;
}

bool exchange_asks_websocket(const struct exchange *x)
{
	const struct http1_request *q = exchange_request(x);
	struct bytes upgrade, key;

	return q->complete && q->upgrade && bytes_equal(bytes_str(q->method), BYTES("GET")) &&
	       !q->chunked && !q->expects_continue && http1_request_body(q).len == 0 &&
	       find_single(q, BYTES("upgrade"), &upgrade) &&
	       bytes_equal_nocase(upgrade, BYTES("websocket")) &&
	       find_single(q, BYTES("sec-websocket-key"), &key) && key.len;
}
