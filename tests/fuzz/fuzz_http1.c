/* SPDX-License-Identifier: MIT
 *
 * Input: the length of a piece, the limit of a body, then requests as a program writes them. What
 * they are read as must not depend on how they are split, and must have one reading only: what was
 * accepted is read once more here, by the letter of RFC 9112.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/http1.h"

#define REQUESTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void put_text(struct buf *out, struct bytes text)
{
	must(buf_put_u64(out, text.len) == OK && buf_put(out, text) == OK);
}

static struct bytes take_line(struct bytes *rest)
{
	size_t end = bytes_find(*rest, BYTES("\r\n"));
	must(end != SIZE_MAX);
	struct bytes line = bytes_slice(*rest, 0, end);
	*rest = bytes_from(*rest, end + 2);
	return line;
}

/* The head by the letter: a request line and `name:value` lines, each ended by CR LF. */
static void check_head(const struct http1_request *r)
{
	struct bytes rest = bytes_slice(buf_view(&r->raw), 0, r->head_bytes), line;
	size_t fields = 0;

	must(bytes_ends(rest, BYTES("\r\n\r\n")));
	do {
		line = take_line(&rest);
	} while (line.len == 0);
	must(bytes_equal(bytes_cut(&line, ' '), bytes_str(r->method)));
	must(bytes_equal(bytes_cut(&line, ' '), http1_request_target(r)));
	must(bytes_equal(line, BYTES("HTTP/1.1")) || bytes_equal(line, BYTES("HTTP/1.0")));
	while ((line = take_line(&rest)).len) {
		struct bytes name = bytes_cut(&line, ':');
		must(name.len && bytes_equal(name, http1_field_name(r, fields)));
		must(bytes_equal(bytes_trim(line), http1_field_value(r, fields)));
		must(bytes_find_byte(name, ' ') == SIZE_MAX);
		must(bytes_find_byte(line, '\n') == SIZE_MAX);
		must(bytes_find_byte(line, '\r') == SIZE_MAX);
		must(bytes_find_byte(line, '\0') == SIZE_MAX);
		fields++;
	}
	must(rest.len == 0 && fields == r->field_count);
}

/* The body of a chunked message by the letter (RFC 9112 7.1). */
static void check_chunks(const struct http1_request *r)
{
	struct bytes rest = bytes_from(buf_view(&r->raw), r->head_bytes);
	struct bytes body = http1_request_body(r);
	size_t len;

	do {
		struct bytes line = take_line(&rest), digits = bytes_cut(&line, ';');
		char text[17] = {0}, *end;
		while (digits.len > 1 && digits.at[0] == '0')
			digits = bytes_from(digits, 1);
		must(digits.len && digits.len < sizeof text && digits.at[0] != ' ');
		memcpy(text, digits.at, digits.len);
		len = strtoul(text, &end, 16);
		must(*end == '\0' && len <= body.len);
		must(bytes_equal(bytes_slice(rest, 0, len), bytes_slice(body, 0, len)));
		rest = bytes_from(rest, len);
		body = bytes_from(body, len);
		must(take_line(&rest).len == 0);
	} while (len);
	must(rest.len == 0 && body.len == 0);
}

static void check_request(const struct http1_request *r, struct bytes written)
{
	struct bytes body = http1_request_body(r), value;
	bool has_length = http1_request_find(r, BYTES("content-length"), &value);
	uint64_t length = 0;

	must(r->complete && bytes_equal(buf_view(&r->raw), written));
	must(r->head_bytes <= HTTP1_HEAD_BYTES_MAX && body.len <= r->body_max);
	must(r->field_count <= HTTP1_FIELDS_MAX && r->method && !r->problem);
	check_head(r);
	must(has_length == r->has_length);
	must(http1_request_find(r, BYTES("transfer-encoding"), &value) == r->chunked);
	if (r->has_length) {
		must(http1_request_find(r, BYTES("content-length"), &value));
		must(bytes_parse_u64(value, UINT64_MAX, &length) == OK);
		must(length == r->content_length);
	}
	if (r->upgrade)
		return; /* is not let through, so what follows it does not matter */
	must(!(r->has_length && r->chunked));
	if (r->chunked)
		check_chunks(r);
	else
		must(body.len == length && r->raw.len == r->head_bytes + body.len);
}

static void put_request(struct buf *out, const struct http1_request *r)
{
	put_text(out, bytes_str(r->method));
	put_text(out, http1_request_target(r));
	put_text(out, http1_request_body(r));
	put_text(out, buf_view(&r->raw));
	for (size_t i = 0; i < r->field_count; i++) {
		put_text(out, http1_field_name(r, i));
		put_text(out, http1_field_value(r, i));
	}
	must(buf_put_u64(out, r->head_bytes) == OK);
	must(buf_put_u8(out, (uint8_t)(r->chunked | r->has_length << 1 | r->expects_continue << 2 |
				       r->keep_alive << 3 | r->upgrade << 4)) == OK);
}

static void follow(struct bytes stream, size_t step, size_t body_max, struct buf *ret_told)
{
	static struct http1_request r;
	struct bytes rest = stream;
	size_t begun = 0, requests = 0, used;
	enum err e = ERR_MORE;

	http1_request_init(&r, body_max);
	while (rest.len && requests < REQUESTS_MAX) {
		struct bytes piece = bytes_slice(rest, 0, step);
		uint8_t *copy = malloc(piece.len);
		must(copy != NULL);
		memcpy(copy, piece.at, piece.len);
		e = http1_request_feed(&r, bytes_of(copy, piece.len), &used);
		free(copy);
		must(used <= piece.len);
		rest = bytes_from(rest, used);
		if (e == ERR_MORE)
			continue;
		/* A name behind the last field that is inspected may be malformed too: whether that
		 * is seen first depends on the pieces. */
		bool is_full = r.field_count == HTTP1_FIELDS_MAX && e == ERR_BAD;
		must(buf_put_u64(ret_told, is_full ? ERR_LIMIT : e) == OK);
		if (e)
			break;
		must(http1_request_feed(&r, BYTES("x"), &used) == ERR_STATE && used == 0);
		size_t end = stream.len - rest.len;
		check_request(&r, bytes_slice(stream, begun, end - begun));
		put_request(ret_told, &r);
		begun = end;
		requests++;
		http1_request_reset(&r);
	}
	if (e != OK && e != ERR_MORE) {
		must(e == ERR_BAD || e == ERR_AMBIGUOUS || e == ERR_LIMIT);
		must(r.problem != NULL && !r.complete);
		must(http1_request_feed(&r, BYTES("x"), &used) == e && used == 0);
	}
	http1_request_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {0}, pieces = {0}, bytewise = {0};

	if (size < 3)
		return 0;
	struct bytes stream = {data + 2, size - 2};
	size_t body_max = data[1];
	follow(stream, stream.len, body_max, &whole);
	follow(stream, data[0] ? data[0] : 1, body_max, &pieces);
	follow(stream, 1, body_max, &bytewise);
	must(bytes_equal(buf_view(&whole), buf_view(&pieces)));
	must(bytes_equal(buf_view(&whole), buf_view(&bytewise)));
	buf_done(&whole);
	buf_done(&pieces);
	buf_done(&bytewise);
	return 0;
}
