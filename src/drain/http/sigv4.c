/* SPDX-License-Identifier: MIT */
#include "drain/http/sigv4.h"

#include <stdlib.h>

#include "audit/place.h"
#include "audit/seal.h"

#define S_PER_DAY 86400
#define TAG_BYTES 32

static const char algorithm[] = "AWS4-HMAC-SHA256";

/* ---- texts ---- */

static enum err put_all(struct buf *out, const struct bytes *parts, size_t count)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < count; i++)
		e = buf_put(out, parts[i]);
	return e;
}
#define PUT(out, ...)                                                                              \
	put_all(out, (const struct bytes[]){__VA_ARGS__},                                          \
		sizeof((const struct bytes[]){__VA_ARGS__}) / sizeof(struct bytes))

static bool is_unreserved(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

enum err sigv4_put_encoded(struct buf *out, struct bytes text, bool keeps_slashes)
{
	static const char digits[] = "0123456789ABCDEF";
	enum err e = OK;

	for (size_t i = 0; !e && i < text.len; i++) {
		uint8_t c = text.at[i];
		const char coded[3] = {'%', digits[c >> 4], digits[c & 15]};
		if (is_unreserved(c) || (c == '/' && keeps_slashes))
			e = buf_put_u8(out, c);
		else
			e = buf_put(out, bytes_of(coded, sizeof coded));
	}
	return e;
}

/* "20150830" */
static enum err put_day(struct buf *out, uint64_t time_s)
{
	char day[PLACE_DAY_CHARS + 1];
	struct bytes text;

	place_put_day(time_s / S_PER_DAY, day);
	text = bytes_str(day);
	return PUT(out, bytes_slice(text, 0, 4), bytes_slice(text, 5, 2), bytes_slice(text, 8, 2));
}

enum err sigv4_put_time(struct buf *out, uint64_t time_s)
{
	uint64_t s = time_s % S_PER_DAY;
	const uint64_t parts[] = {s / 3600, s / 60 % 60, s % 60};
	enum err e = put_day(out, time_s);

	e = e ? e : buf_put_u8(out, 'T');
	for (size_t i = 0; !e && i < 3; i++) {
		const char two[2] = {(char)('0' + parts[i] / 10), (char)('0' + parts[i] % 10)};
		e = buf_put(out, bytes_of(two, sizeof two));
	}
	return e ? e : buf_put_u8(out, 'Z');
}

static enum err put_lower(struct buf *out, struct bytes text)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < text.len; i++) {
		uint8_t c = text.at[i];
		e = buf_put_u8(out, c >= 'A' && c <= 'Z' ? c + 0x20 : c);
	}
	return e;
}

/* Without spaces at the ends; runs of them within count as one. */
static enum err put_value(struct buf *out, struct bytes value)
{
	enum err e = OK;

	value = bytes_trim(value);
	for (size_t i = 0; !e && i < value.len; i++)
		if (value.at[i] != ' ' || (i && value.at[i - 1] != ' '))
			e = buf_put_u8(out, value.at[i]);
	return e;
}

/* ---- the canonical request ---- */

static int compare_nocase(struct bytes a, struct bytes b)
{
	for (size_t i = 0; i < a.len && i < b.len; i++) {
		int x = a.at[i] >= 'A' && a.at[i] <= 'Z' ? a.at[i] + 0x20 : a.at[i];
		int y = b.at[i] >= 'A' && b.at[i] <= 'Z' ? b.at[i] + 0x20 : b.at[i];
		if (x != y)
			return x - y;
	}
	return (a.len > b.len) - (a.len < b.len);
}

static int compare_headers(const void *a, const void *b)
{
	return compare_nocase(((const struct drain_pair *)a)->name,
			      ((const struct drain_pair *)b)->name);
}

static int compare_parameters(const void *a, const void *b)
{
	const struct drain_pair *x = a, *y = b;
	int order = bytes_compare(x->name, y->name);

	return order ? order : bytes_compare(x->value, y->value);
}

static enum err put_query(struct buf *out, struct bytes query)
{
	struct drain_pair parameters[SIGV4_PARAMETERS_MAX] = {{BYTES_NONE, BYTES_NONE}};
	size_t count = 0;
	enum err e = OK;

	while (query.len) {
		struct bytes value = bytes_cut(&query, '&');
		if (count == SIGV4_PARAMETERS_MAX)
			return ERR_LIMIT;
		parameters[count].name = bytes_cut(&value, '=');
		parameters[count++].value = value;
	}
	qsort(parameters, count, sizeof parameters[0], compare_parameters);
	for (size_t i = 0; !e && i < count; i++)
		e = PUT(out, i ? BYTES("&") : BYTES_NONE, parameters[i].name, BYTES("="),
			parameters[i].value);
	return e;
}

static enum err put_names(struct buf *out, const struct drain_pair *headers, size_t count)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < count; i++) {
		e = i ? buf_put_u8(out, ';') : OK;
		e = e ? e : put_lower(out, headers[i].name);
	}
	return e;
}

static enum err put_headers(struct buf *out, const struct drain_pair *headers, size_t count)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < count; i++) {
		if ((e = put_lower(out, headers[i].name)) || (e = buf_put_u8(out, ':')) ||
		    (e = put_value(out, headers[i].value)))
			return e;
		e = buf_put_u8(out, '\n');
	}
	return e;
}

static enum err put_canonical(struct buf *out, const struct sigv4_request *r,
			      const struct drain_pair *headers)
{
	enum err e;

	if ((e = PUT(out, r->method, BYTES("\n"), r->path, BYTES("\n"))) ||
	    (e = put_query(out, r->query)) || (e = buf_put_u8(out, '\n')) ||
	    (e = put_headers(out, headers, r->header_count)) || (e = buf_put_u8(out, '\n')) ||
	    (e = put_names(out, headers, r->header_count)))
		return e;
	return PUT(out, BYTES("\n"), r->payload_sha256);
}

/* ---- the signature ---- */

/* "20150830/us-east-1/s3/aws4_request" */
static enum err put_scope(struct buf *out, const struct sigv4_key *key, uint64_t time_s)
{
	enum err e = put_day(out, time_s);

	return e ? e
		 : PUT(out, BYTES("/"), key->region, BYTES("/"), key->service,
		       BYTES("/aws4_request"));
}

static void step(uint8_t tag[TAG_BYTES], struct bytes data)
{
	uint8_t next[TAG_BYTES];

	seal_hmac_sha256(bytes_of(tag, TAG_BYTES), &data, 1, next);
	for (size_t i = 0; i < TAG_BYTES; i++)
		tag[i] = next[i];
	wipe(next, sizeof next);
}

/* The key for one day, region and service. */
static enum err make_key(const struct sigv4_key *key, uint64_t time_s, uint8_t ret_key[TAG_BYTES])
{
	struct buf first = {0}, day = {0};
	enum err e = put_day(&day, time_s);

	e = e ? e : PUT(&first, BYTES("AWS4"), key->secret);
	if (!e) {
		struct bytes text = buf_view(&day);
		seal_hmac_sha256(buf_view(&first), &text, 1, ret_key);
		step(ret_key, key->region);
		step(ret_key, key->service);
		step(ret_key, BYTES("aws4_request"));
	}
	buf_done(&first);
	buf_done(&day);
	return e;
}

static enum err put_to_sign(struct buf *out, const struct sigv4_key *key, struct bytes canonical,
			    uint64_t time_s)
{
	uint8_t digest[SEAL_DIGEST_BYTES];
	enum err e;

	seal_sha256(canonical, digest);
	if ((e = PUT(out, bytes_str(algorithm), BYTES("\n"))) ||
	    (e = sigv4_put_time(out, time_s)) || (e = buf_put_u8(out, '\n')) ||
	    (e = put_scope(out, key, time_s)) || (e = buf_put_u8(out, '\n')))
		return e;
	return buf_put_hex(out, bytes_of(digest, sizeof digest));
}

static enum err put_answer(struct buf *out, const struct sigv4_key *key,
			   const struct drain_pair *headers, size_t count, struct bytes to_sign,
			   uint64_t time_s)
{
	uint8_t tag[TAG_BYTES];
	enum err e = make_key(key, time_s, tag);

	if (!e)
		step(tag, to_sign);
	e = e ? e : PUT(out, bytes_str(algorithm), BYTES(" Credential="), key->id, BYTES("/"));
	e = e ? e : put_scope(out, key, time_s);
	e = e ? e : buf_put_str(out, ", SignedHeaders=");
	e = e ? e : put_names(out, headers, count);
	e = e ? e : buf_put_str(out, ", Signature=");
	e = e ? e : buf_put_hex(out, bytes_of(tag, sizeof tag));
	wipe(tag, sizeof tag);
	return e;
}

enum err sigv4_put_authorization(struct buf *out, const struct sigv4_key *key,
				 const struct sigv4_request *request, uint64_t time_s)
{
	struct drain_pair headers[SIGV4_HEADERS_MAX];
	struct buf canonical = {0}, to_sign = {0};
	size_t before = out->len;
	enum err e;

	if (request->header_count > SIGV4_HEADERS_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < request->header_count; i++)
		headers[i] = request->headers[i];
	qsort(headers, request->header_count, sizeof headers[0], compare_headers);
	e = put_canonical(&canonical, request, headers);
	e = e ? e : put_to_sign(&to_sign, key, buf_view(&canonical), time_s);
	e = e ? e
	      : put_answer(out, key, headers, request->header_count, buf_view(&to_sign), time_s);
	if (e)
		out->len = before;
	buf_done(&canonical);
	buf_done(&to_sign);
	return e;
}
