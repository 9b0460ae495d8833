/* SPDX-License-Identifier: MIT */
#include "drain/http/s3_text.h"

#include <string.h>

#include "audit/place.h"
#include "drain/http/sigv4.h"

#define S_PER_DAY         86400
#define NS_PER_S          UINT64_C(1000000000)
#define ELEMENT_CHARS_MAX 64

/* ---- keys ---- */

static bool is_dots(struct bytes part)
{
	return bytes_equal(part, BYTES(".")) || bytes_equal(part, BYTES(".."));
}

static struct bytes without_slashes(struct bytes text)
{
	while (text.len && text.at[0] == '/')
		text = bytes_from(text, 1);
	while (text.len && text.at[text.len - 1] == '/')
		text.len--;
	return text;
}

static enum err put_prefix(struct buf *out, struct bytes prefix)
{
	struct bytes rest = prefix;
	enum err e;

	if (!prefix.len)
		return OK;
	do {
		struct bytes part = bytes_cut(&rest, '/');
		if (!part.len || is_dots(part))
			return ERR_BAD;
	} while (rest.len);
	e = sigv4_put_encoded(out, prefix, true);
	return e ? e : buf_put_u8(out, '/');
}

enum err s3_put_folder(struct buf *out, struct bytes prefix, struct bytes host)
{
	bool is_odd = !host.len || is_dots(host) || bytes_find_byte(host, '/') != SIZE_MAX;
	enum err e = put_prefix(out, without_slashes(prefix));

	e = e ? e : sigv4_put_encoded(out, is_odd ? BYTES("unknown") : host, false);
	return e ? e : buf_put_u8(out, '/');
}

enum err s3_put_name(struct buf *out, struct bytes path, uint64_t time_ns)
{
	struct bytes day = BYTES_NONE, name = BYTES_NONE, part;
	char today[PLACE_DAY_CHARS + 1];
	uint64_t number;
	enum err e;

	while (path.len) {
		part = bytes_cut(&path, '/');
		day = name;
		name = part;
	}
	if (bytes_ends(name, BYTES(".aigw")))
		name.len -= sizeof ".aigw" - 1;
	if (!name.len || is_dots(name))
		return ERR_BAD;
	place_put_day(time_ns / NS_PER_S / S_PER_DAY, today);
	if (place_parse_day(day, &number))
		day = bytes_str(today);
	if ((e = buf_put(out, day)) || (e = buf_put_u8(out, '/')))
		return e;
	return sigv4_put_encoded(out, name, false);
}

/* ---- values ---- */

static enum err put_two_digits(struct buf *out, uint64_t v, char behind)
{
	const uint8_t text[3] = {(uint8_t)('0' + v / 10), (uint8_t)('0' + v % 10), (uint8_t)behind};

	return buf_put(out, bytes_of(text, sizeof text));
}

enum err s3_put_instant(struct buf *out, uint64_t time_s)
{
	uint64_t s = time_s % S_PER_DAY;
	char day[PLACE_DAY_CHARS + 1];
	enum err e;

	place_put_day(time_s / S_PER_DAY, day);
	if ((e = buf_put_str(out, day)) || (e = buf_put_u8(out, 'T')) ||
	    (e = put_two_digits(out, s / 3600, ':')) || (e = put_two_digits(out, s / 60 % 60, ':')))
		return e;
	return put_two_digits(out, s % 60, 'Z');
}

enum err s3_put_base64(struct buf *out, struct bytes data)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	enum err e = OK;

	for (size_t i = 0; !e && i < data.len; i += 3) {
		struct bytes part = bytes_slice(data, i, 3);
		uint32_t group = 0;
		char text[4];
		for (size_t k = 0; k < 3; k++)
			group = group << 8 | (k < part.len ? part.at[k] : 0);
		for (size_t k = 0; k < 4; k++)
			text[k] = digits[k > part.len ? 64 : group >> (18 - 6 * k) & 63];
		e = buf_put(out, bytes_of(text, sizeof text));
	}
	return e;
}

/* ---- XML ---- */

/* "<NAME>" or "</NAME>" */
static struct bytes tag_of(char storage[ELEMENT_CHARS_MAX], const char *before, const char *name)
{
	size_t first = strlen(before), len = strlen(name);

	if (first + len + 1 > ELEMENT_CHARS_MAX)
		return BYTES_NONE;
	memcpy(storage, before, first);
	memcpy(storage + first, name, len);
	storage[first + len] = '>';
	return bytes_of(storage, first + len + 1);
}

enum err s3_find_element(struct bytes xml, const char *name, struct bytes *ret_text)
{
	char storage[ELEMENT_CHARS_MAX];
	struct bytes tag = tag_of(storage, "<", name);
	size_t at = tag.len ? bytes_find(xml, tag) : SIZE_MAX;

	if (at == SIZE_MAX)
		return ERR_MISSING;
	struct bytes rest = bytes_from(xml, at + tag.len);
	tag = tag_of(storage, "</", name);
	at = tag.len ? bytes_find(rest, tag) : SIZE_MAX;
	if (at == SIZE_MAX)
		return ERR_MISSING;
	*ret_text = bytes_slice(rest, 0, at);
	return OK;
}

/* Visible ASCII that means the same in XML, but for quotes. */
static bool is_token(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= ' ' || text.at[i] >= 0x7f || strchr("<>&'", text.at[i]))
			return false;
	return text.len > 0 && text.len <= S3_TOKEN_BYTES_MAX;
}

static enum err put_quoted(struct buf *out, struct bytes text)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < text.len; i++)
		e = text.at[i] == '"' ? buf_put_str(out, "&quot;") : buf_put_u8(out, text.at[i]);
	return e;
}

enum err s3_put_part(struct buf *out, size_t number, struct bytes etag, struct bytes checksum)
{
	enum err e;

	if (!is_token(etag))
		return ERR_BAD;
	if ((e = buf_put_str(out, "<Part><PartNumber>")) || (e = buf_put_decimal(out, number)) ||
	    (e = buf_put_str(out, "</PartNumber><ETag>")) || (e = put_quoted(out, etag)) ||
	    (e = buf_put_str(out, "</ETag><ChecksumSHA256>")) || (e = buf_put(out, checksum)))
		return e;
	return buf_put_str(out, "</ChecksumSHA256></Part>");
}

enum err s3_put_upload_id(struct buf *out, struct bytes id)
{
	return is_token(id) ? sigv4_put_encoded(out, id, false) : ERR_BAD;
}

/* ---- errors ---- */

enum sink_result s3_result_of(unsigned status, struct bytes body)
{
	static const char *const later[] = {"RequestTimeout",      "SlowDown",
					    "InternalError",       "ServiceUnavailable",
					    "OperationAborted",    "ConditionalRequestConflict",
					    "NoSuchUpload",        "InvalidPart",
					    "BadDigest",           "IncompleteBody",
					    "RequestTimeTooSkewed"};
	struct bytes code = BYTES_NONE;

	if (s3_find_element(body, "Code", &code) == OK)
		for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
			if (bytes_equal(code, bytes_str(later[i])))
				return SINK_RETRY;
	if (status / 100 == 2)
		return bytes_find(body, BYTES("<Error>")) == SIZE_MAX ? SINK_DELIVERED : SINK_RETRY;
	enum sink_result result = sink_result_of_status(status);
	return result == SINK_REFUSED ? SINK_WRONG : result;
}
