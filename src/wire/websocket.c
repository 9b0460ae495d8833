/* SPDX-License-Identifier: MIT */
#include "wire/websocket.h"

#include <string.h>

#include "wire/coding.h"

#define FIN        0x80
#define RSV1       0x40 /* RFC 7692 6: the message is compressed */
#define RSV2_RSV3  0x30
#define MASKED     0x80
#define HEAD_BYTES 2u
#define LENGTH_16  126
#define LENGTH_64  127
#define STEP_BYTES 4096u /* unmasked and decoded at a time */

enum { CONTINUATION = 0, CONTROL = 8 /* and higher */ };

/* ---- the handshake ---- */

/* RFC 7692 7.1.2: how large a window the other side needs. Ours is the largest. */
static bool is_window_bits(struct bytes value)
{
	uint64_t bits;

	if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
		value = bytes_slice(value, 1, value.len - 2);
	return bytes_parse_u64(value, 15, &bits) == OK && bits >= 8;
}

static enum err read_parameter(struct bytes parameter, struct websocket_extensions *e)
{
	struct bytes name = bytes_trim(bytes_cut(&parameter, '='));
	struct bytes value = bytes_trim(parameter);

	if (bytes_equal_nocase(name, BYTES("server_max_window_bits")) ||
	    bytes_equal_nocase(name, BYTES("client_max_window_bits")))
		return is_window_bits(value) ? OK : ERR_UNSUPPORTED;
	if (value.len)
		return ERR_UNSUPPORTED;
	if (bytes_equal_nocase(name, BYTES("server_no_context_takeover")))
		e->server_no_takeover = true;
	else if (bytes_equal_nocase(name, BYTES("client_no_context_takeover")))
		e->client_no_takeover = true;
	else
		return ERR_UNSUPPORTED;
	return OK;
}

enum err websocket_read_extensions(struct bytes value, struct websocket_extensions *agreed)
{
	struct websocket_extensions e = *agreed;

	while (value.len) {
		struct bytes one = bytes_trim(bytes_cut(&value, ','));
		struct bytes name = bytes_trim(bytes_cut(&one, ';'));
		if (name.len == 0 && one.len == 0)
			continue; /* an empty element of a list (RFC 9110 5.6.1) */
		if (!bytes_equal_nocase(name, BYTES("permessage-deflate")))
			return ERR_UNSUPPORTED;
		if (e.deflate)
			return ERR_BAD;
		e.deflate = true;
		while (one.len) {
			enum err failed = read_parameter(bytes_cut(&one, ';'), &e);
			if (failed)
				return failed;
		}
	}
	*agreed = e;
	return OK;
}

/* ---- life ---- */

void websocket_init(struct websocket *w, bool from_client,
		    const struct websocket_extensions *agreed)
{
	memset(w, 0, sizeof *w);
	w->masked = from_client;
	w->head_size = HEAD_BYTES;
	w->data.max = WEBSOCKET_MESSAGE_BYTES_MAX;
	if (agreed) {
		w->deflate = agreed->deflate;
		w->keeps_window = !(from_client ? agreed->client_no_takeover
						: agreed->server_no_takeover);
	}
}

void websocket_done(struct websocket *w)
{
	coding_free(w->inflate);
	buf_done(&w->data);
	wipe(w, sizeof *w);
}

bool websocket_is_between(const struct websocket *w)
{
	return !w->failed && w->head_len == 0 && w->kind == 0;
}

/* ---- a frame's head ---- */

static unsigned opcode(const struct websocket *w)
{
	return w->head[0] & 0x0F;
}

static bool is_control(const struct websocket *w)
{
	return opcode(w) >= CONTROL;
}

/* The first two bytes: how long is the head, and may this frame stand here? */
static enum err check_start(struct websocket *w)
{
	unsigned op = opcode(w), length = w->head[1] & 0x7F;
	bool final = w->head[0] & FIN, compressed = w->head[0] & RSV1;

	if ((w->head[0] & RSV2_RSV3) || !(w->head[1] & MASKED) == w->masked)
		return ERR_BAD;
	if (is_control(w)) {
		if (op > WEBSOCKET_PONG || !final || compressed || length >= LENGTH_16)
			return ERR_BAD;
	} else {
		if (op > WEBSOCKET_BINARY || (op == CONTINUATION) != (w->kind != 0))
			return ERR_BAD; /* unknown, or out of turn */
		if (compressed && (!w->deflate || op == CONTINUATION))
			return ERR_BAD;
	}
	w->head_size = HEAD_BYTES +
		       (length == LENGTH_16   ? 2
			: length == LENGTH_64 ? 8
					      : 0) +
		       (w->masked ? sizeof w->mask : 0);
	return OK;
}

/* A complete head: its length, its mask, and what begins with it. */
static enum err begin_frame(struct websocket *w)
{
	size_t length_bytes = w->head_size - HEAD_BYTES - (w->masked ? sizeof w->mask : 0);
	uint64_t length = w->head[1] & 0x7F;

	if (length_bytes)
		length = 0;
	for (size_t i = 0; i < length_bytes; i++)
		length = length << 8 | w->head[HEAD_BYTES + i];
	/* RFC 6455 5.2: the shortest form, so that no two readers disagree. */
	if ((length_bytes == 2 && length < LENGTH_16) || (length_bytes == 8 && length <= 0xFFFF))
		return ERR_BAD;
	if (length > WEBSOCKET_MESSAGE_BYTES_MAX)
		return ERR_LIMIT;
	w->left = length;
	w->mask_at = 0;
	if (w->masked)
		memcpy(w->mask, w->head + w->head_size - sizeof w->mask, sizeof w->mask);
	if (is_control(w)) {
		w->control_len = 0;
	} else if (opcode(w) != CONTINUATION) {
		w->kind = (uint8_t)opcode(w);
		w->compressed = w->head[0] & RSV1;
	}
	return OK;
}

/* OK once the head is complete; ERR_MORE. */
static enum err take_head(struct websocket *w, struct bytes *in)
{
	while (w->head_len < w->head_size) {
		if (in->len == 0)
			return ERR_MORE;
		w->head[w->head_len++] = in->at[0];
		*in = bytes_from(*in, 1);
		enum err e = OK;
		if (w->head_len == HEAD_BYTES)
			e = check_start(w);
		if (!e && w->head_len > 1 && w->head_len == w->head_size)
			e = begin_frame(w);
		if (e)
			return e;
	}
	return OK;
}

/* ---- its payload ---- */

/* The next bytes of the payload, at most STEP_BYTES, unmasked. */
static struct bytes unmask(struct websocket *w, struct bytes part, uint8_t step[STEP_BYTES])
{
	if (!w->masked)
		return part;
	for (size_t i = 0; i < part.len; i++)
		step[i] = part.at[i] ^ w->mask[w->mask_at++ & 3];
	w->mask_at &= 3;
	return bytes_of(step, part.len);
}

static enum err put_data(struct websocket *w, struct bytes part)
{
	if (!w->compressed)
		return buf_put(&w->data, part);
	if (!w->inflate) {
		enum err e = coding_new(CODING_RAW_DEFLATE, &w->inflate);
		if (e)
			return e;
	}
	return coding_feed(w->inflate, part, &w->data);
}

/* OK once the frame is complete; ERR_MORE. */
static enum err take_payload(struct websocket *w, struct bytes *in)
{
	uint8_t step[STEP_BYTES];

	while (w->left) {
		size_t most = w->left < sizeof step ? (size_t)w->left : sizeof step;
		struct bytes part = bytes_slice(*in, 0, most);
		enum err e = OK;
		if (part.len == 0)
			return ERR_MORE;
		*in = bytes_from(*in, part.len);
		w->left -= part.len;
		part = unmask(w, part, step);
		if (is_control(w)) {
			memcpy(w->control + w->control_len, part.at, part.len);
			w->control_len += part.len;
		} else {
			e = put_data(w, part);
		}
		if (e)
			return e;
	}
	return OK;
}

static void give_control(struct websocket *w, struct websocket_message *ret_message)
{
	struct bytes data = bytes_of(w->control, w->control_len);
	struct websocket_message m = {.kind = (enum websocket_kind)opcode(w)};

	if (m.kind == WEBSOCKET_CLOSE) {
		m.close_code = WEBSOCKET_CLOSE_NONE;
		if (data.len >= 2)
			m.close_code = (uint16_t)(data.at[0] << 8 | data.at[1]);
		data = bytes_from(data, 2);
	}
	m.data = data;
	*ret_message = m;
}

static enum err give_message(struct websocket *w, struct websocket_message *ret_message)
{
	if (w->compressed) {
		enum err e = w->inflate ? OK : coding_new(CODING_RAW_DEFLATE, &w->inflate);
		if (!e)
			e = coding_next_message(w->inflate, w->keeps_window);
		if (e)
			return e;
	}
	*ret_message = (struct websocket_message){.kind = (enum websocket_kind)w->kind,
						  .data = buf_view(&w->data)};
	w->kind = 0;
	w->compressed = false;
	w->given = true;
	return OK;
}

static void forget_given(struct websocket *w)
{
	if (!w->given)
		return;
	w->given = false;
	buf_reset(&w->data);
	if (w->data.cap > WEBSOCKET_IDLE_BYTES_MAX) {
		buf_done(&w->data);
		w->data.max = WEBSOCKET_MESSAGE_BYTES_MAX;
	}
}

/* One frame: OK when it completes a message, ERR_MORE when *in is used up, ERR_END when it is the
 * end of a fragment with more to come. */
static enum err take_frame(struct websocket *w, struct bytes *in,
			   struct websocket_message *ret_message)
{
	enum err e = take_head(w, in);

	if (!e)
		e = take_payload(w, in);
	if (e)
		return e;
	w->head_len = 0;
	w->head_size = HEAD_BYTES;
	if (is_control(w)) {
		give_control(w, ret_message);
		return OK;
	}
	return w->head[0] & FIN ? give_message(w, ret_message) : ERR_END;
}

enum err websocket_next(struct websocket *w, struct bytes *in,
			struct websocket_message *ret_message)
{
	enum err e;

	if (w->failed)
		return w->failed;
	forget_given(w);
	do
		e = take_frame(w, in, ret_message);
	while (e == ERR_END);
	if (e && e != ERR_MORE)
		w->failed = e;
	return e;
}
