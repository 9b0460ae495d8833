/* SPDX-License-Identifier: MIT */
#include "wire/client_hello.h"

#include <string.h>

#define RECORD_HANDSHAKE      22 /* RFC 8446 5.1 */
#define RECORD_HEADER_BYTES   5
#define RECORD_BYTES_MAX      (16u << 10)
#define MESSAGE_CLIENT_HELLO  1 /* RFC 8446 4 */
#define MESSAGE_HEADER_BYTES  4
#define SESSION_ID_MAX        32
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN        16
#define EXTENSION_VERSIONS    43
#define EXTENSION_ECH         0xfe0d
#define NAME_TYPE_HOST        0
#define VERSION_MAJOR         3

/* What is being read. A field is `want` bytes long; those that are not text or skipped are numbers,
 * big-endian. From IN_EXTENSION on, a field lies inside of an extension. */
enum stage {
	START,
	TYPE,
	LENGTH,
	LEGACY_VERSION,
	RANDOM,
	SESSION_ID_LENGTH,
	SESSION_ID,
	SUITES_LENGTH,
	SUITES,
	COMPRESSIONS_LENGTH,
	COMPRESSIONS,
	EXTENSIONS_LENGTH,
	EXTENSION_HEADER,
	IN_EXTENSION,
	NAMES_LENGTH,
	NAME_HEADER,
	NAME,
	OTHER_NAME,
	PROTOCOLS_LENGTH,
	PROTOCOL_LENGTH,
	PROTOCOL,
	VERSIONS_LENGTH,
	VERSION,
	OTHER_EXTENSION
};

/* The bits of `seen`. */
enum { SEEN_SERVER_NAME = 1, SEEN_ALPN = 2, SEEN_VERSIONS = 4, SEEN_ECH = 8, SEEN_HOST = 16 };

/* What may still come where the stage is. */
static uint32_t left_in(const struct client_hello *h, enum stage stage)
{
	return stage > IN_EXTENSION ? h->extension_left : h->left;
}

static enum err enter(struct client_hello *h, enum stage stage, uint32_t want)
{
	if (want > left_in(h, stage))
		return ERR_BAD;
	h->stage = (uint8_t)stage;
	h->want = want;
	h->number = 0;
	return OK;
}

static enum err put_name(struct client_hello *h, struct bytes piece)
{
	for (size_t i = 0; i < piece.len; i++) {
		uint8_t c = piece.at[i];
		if (c <= ' ' || c > '~')
			return ERR_BAD;
		h->name[h->name_bytes++] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
	}
	return OK;
}

/* A part of the field under way. */
static enum err take_piece(struct client_hello *h, struct bytes piece)
{
	switch ((enum stage)h->stage) {
	case RANDOM:
		memcpy(h->random + sizeof h->random - h->want, piece.at, piece.len);
		return OK;
	case NAME:
		return put_name(h, piece);
	case PROTOCOL:
		if (h->keeps_protocol)
			memcpy(h->protocols + h->protocol_bytes - h->want, piece.at, piece.len);
		return OK;
	case SESSION_ID:
	case SUITES:
	case COMPRESSIONS:
	case OTHER_NAME:
	case OTHER_EXTENSION:
		return OK;
	default: /* numbers: four bytes at most */
		for (size_t i = 0; i < piece.len; i++)
			h->number = h->number << 8 | piece.at[i];
		return OK;
	}
}

static enum err next_extension(struct client_hello *h)
{
	if (h->left)
		return enter(h, EXTENSION_HEADER, 4);
	h->complete = true;
	if (!(h->seen & SEEN_VERSIONS))
		h->highest_version = h->legacy_version;
	return OK;
}

/* RFC 8446 4.2: no type comes twice. Two readers may differ in which one they believe. */
static enum err see_once(struct client_hello *h, uint8_t bit)
{
	if (h->seen & bit)
		return ERR_AMBIGUOUS;
	h->seen |= bit;
	return OK;
}

static enum err begin_extension(struct client_hello *h)
{
	uint32_t type = h->number >> 16;
	enum err e;

	h->extension_left = h->number & 0xffff;
	if (h->extension_left > h->left)
		return ERR_BAD;
	switch (type) {
	case EXTENSION_SERVER_NAME:
		e = see_once(h, SEEN_SERVER_NAME);
		return e ? e : enter(h, NAMES_LENGTH, 2);
	case EXTENSION_ALPN:
		e = see_once(h, SEEN_ALPN);
		return e ? e : enter(h, PROTOCOLS_LENGTH, 2);
	case EXTENSION_VERSIONS:
		e = see_once(h, SEEN_VERSIONS);
		return e ? e : enter(h, VERSIONS_LENGTH, 1);
	case EXTENSION_ECH:
		h->has_ech = true;
		e = see_once(h, SEEN_ECH);
		return e ? e : enter(h, OTHER_EXTENSION, h->extension_left);
	default:
		return enter(h, OTHER_EXTENSION, h->extension_left);
	}
}

/* RFC 6066 3. */
static enum err next_name(struct client_hello *h)
{
	if (h->extension_left)
		return enter(h, NAME_HEADER, 3);
	h->has_name = true;
	return next_extension(h);
}

static enum err begin_name(struct client_hello *h)
{
	uint32_t type = h->number >> 16, len = h->number & 0xffff;
	enum err e;

	if (type != NAME_TYPE_HOST)
		return enter(h, OTHER_NAME, len);
	e = see_once(h, SEEN_HOST);
	if (e)
		return e;
	if (len == 0)
		return ERR_BAD;
	return len > CLIENT_HELLO_NAME_MAX ? ERR_LIMIT : enter(h, NAME, len);
}

/* The dot of an absolute name does not belong here, but is no other name either. */
static enum err end_name(struct client_hello *h)
{
	if (h->name[h->name_bytes - 1] == '.')
		h->name_bytes--;
	return h->name_bytes ? next_name(h) : ERR_BAD;
}

/* RFC 7301 3.1. */
static enum err next_protocol(struct client_hello *h)
{
	if (h->extension_left)
		return enter(h, PROTOCOL_LENGTH, 1);
	h->has_alpn = true;
	return next_extension(h);
}

static enum err begin_protocol(struct client_hello *h)
{
	uint8_t len = (uint8_t)h->number;
	uint32_t together = h->protocol_bytes + 1u + len;

	if (len == 0)
		return ERR_BAD;
	h->keeps_protocol = !h->misses_protocol && together <= sizeof h->protocols;
	h->misses_protocol = !h->keeps_protocol;
	if (h->keeps_protocol) {
		h->protocols[h->protocol_bytes] = len;
		h->protocol_bytes = (uint16_t)together;
	}
	return enter(h, PROTOCOL, len);
}

/* RFC 8446 4.2.1. Greased values and drafts have another first byte than TLS has. */
static enum err take_version(struct client_hello *h)
{
	uint16_t version = (uint16_t)h->number;

	if (version >> 8 == VERSION_MAJOR && version > h->highest_version)
		h->highest_version = version;
	return h->extension_left ? enter(h, VERSION, 2) : next_extension(h);
}

/* A list that fills what is left of its extension, not empty. */
static bool fills_extension(const struct client_hello *h)
{
	return h->number && h->number == h->extension_left;
}

/* The field under way was read to its end: what comes now? */
static enum err next_field(struct client_hello *h)
{
	switch ((enum stage)h->stage) {
	case START:
		h->left = MESSAGE_HEADER_BYTES;
		return enter(h, TYPE, 1);
	case TYPE:
		return h->number == MESSAGE_CLIENT_HELLO ? enter(h, LENGTH, 3) : ERR_BAD;
	case LENGTH:
		h->left = h->number;
		return h->left > CLIENT_HELLO_BYTES_MAX ? ERR_LIMIT : enter(h, LEGACY_VERSION, 2);
	case LEGACY_VERSION:
		h->legacy_version = (uint16_t)h->number;
		return enter(h, RANDOM, sizeof h->random);
	case RANDOM:
		h->has_random = true;
		return enter(h, SESSION_ID_LENGTH, 1);
	case SESSION_ID_LENGTH:
		return h->number > SESSION_ID_MAX ? ERR_BAD : enter(h, SESSION_ID, h->number);
	case SESSION_ID:
		return enter(h, SUITES_LENGTH, 2);
	case SUITES_LENGTH:
		return h->number == 0 || h->number % 2 ? ERR_BAD : enter(h, SUITES, h->number);
	case SUITES:
		return enter(h, COMPRESSIONS_LENGTH, 1);
	case COMPRESSIONS_LENGTH:
		return h->number ? enter(h, COMPRESSIONS, h->number) : ERR_BAD;
	case COMPRESSIONS:
		/* before TLS 1.3 a hello may end here (RFC 5246 7.4.1.2) */
		return h->left ? enter(h, EXTENSIONS_LENGTH, 2) : next_extension(h);
	case EXTENSIONS_LENGTH:
		return h->number == h->left ? next_extension(h) : ERR_BAD;
	case EXTENSION_HEADER:
		return begin_extension(h);
	case NAMES_LENGTH:
		return fills_extension(h) ? next_name(h) : ERR_BAD;
	case NAME_HEADER:
		return begin_name(h);
	case NAME:
		return end_name(h);
	case OTHER_NAME:
		return next_name(h);
	case PROTOCOLS_LENGTH:
		return fills_extension(h) ? next_protocol(h) : ERR_BAD;
	case PROTOCOL_LENGTH:
		return begin_protocol(h);
	case PROTOCOL:
		return next_protocol(h);
	case VERSIONS_LENGTH:
		return fills_extension(h) ? enter(h, VERSION, 2) : ERR_BAD;
	case VERSION:
		return take_version(h);
	case OTHER_EXTENSION:
		return next_extension(h);
	case IN_EXTENSION:
		break;
	}
	return ERR_BAD;
}

/* Fields, as far as the bytes go; those of no length are over at once. */
static enum err take_fields(struct client_hello *h, struct bytes message)
{
	while (!h->complete && (h->want == 0 || message.len)) {
		struct bytes piece = bytes_slice(message, 0, h->want);
		enum err e = piece.len ? take_piece(h, piece) : OK;

		message = bytes_from(message, piece.len);
		h->want -= (uint32_t)piece.len;
		h->left -= (uint32_t)piece.len;
		if (h->stage > IN_EXTENSION)
			h->extension_left -= (uint32_t)piece.len;
		if (!e && h->want == 0)
			e = next_field(h);
		if (e)
			return e;
	}
	return h->complete ? OK : ERR_MORE;
}

enum err client_hello_feed_message(struct client_hello *h, struct bytes message)
{
	if (h->stopped)
		return h->stopped;
	enum err e = take_fields(h, message);
	if (e != ERR_MORE)
		h->stopped = e;
	return e;
}

/* One byte of a record's header; RFC 8446 5.1. */
static enum err take_record_header(struct client_hello *h, uint8_t byte)
{
	switch (h->record.header_bytes++) {
	case 0:
		return byte == RECORD_HANDSHAKE ? OK : ERR_BAD;
	case 1:
		return byte == VERSION_MAJOR ? OK : ERR_BAD;
	case 2: /* to be ignored */
		return OK;
	case 3:
		h->record.length = (uint16_t)(byte << 8);
		return OK;
	default:
		h->record.length |= byte;
		h->record.left = h->record.length;
		h->record.header_bytes = 0;
		return h->record.left && h->record.left <= RECORD_BYTES_MAX ? OK : ERR_BAD;
	}
}

enum err client_hello_feed(struct client_hello *h, struct bytes records)
{
	while (records.len && !h->complete && !h->stopped) {
		size_t used = 1;
		if (h->record.left) {
			struct bytes piece = bytes_slice(records, 0, h->record.left);
			enum err e = client_hello_feed_message(h, piece);
			if (e && e != ERR_MORE)
				return e;
			used = piece.len;
			h->record.left -= (uint16_t)used;
		} else {
			h->stopped = take_record_header(h, records.at[0]);
		}
		records = bytes_from(records, used);
	}
	if (h->stopped)
		return h->stopped;
	return h->complete ? OK : ERR_MORE;
}

enum err client_hello_parse(struct bytes records, struct client_hello *ret_hello)
{
	*ret_hello = (struct client_hello){0};
	return client_hello_feed(ret_hello, records);
}

struct bytes client_hello_name(const struct client_hello *h)
{
	return bytes_of(h->name, h->has_name ? h->name_bytes : 0);
}

struct bytes client_hello_protocols(const struct client_hello *h)
{
	return bytes_of(h->protocols, h->has_alpn ? h->protocol_bytes : 0);
}

bool client_hello_next_protocol(struct bytes *rest, struct bytes *ret_protocol)
{
	if (rest->len == 0 || rest->at[0] >= rest->len)
		return false;
	*ret_protocol = bytes_slice(*rest, 1, rest->at[0]);
	*rest = bytes_from(*rest, 1u + rest->at[0]);
	return true;
}
