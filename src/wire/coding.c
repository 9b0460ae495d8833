/* SPDX-License-Identifier: MIT */
#include "wire/coding.h"

#include <stdlib.h>
#include <string.h>

#include <brotli/decode.h>
#include <zlib.h>
/* For ZSTD_createDCtx_advanced: the one way to give it our allocator. The library is linked
 * statically. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#define STEP_BYTES 16384u

/* inflate's data_type (zlib.h): the last block has ended and the next one has not begun. */
#define ZLIB_BETWEEN_BLOCKS 128

/* What a library does with the input: the same for all of them. */
struct format {
	enum err (*init)(struct coding_decoder *d);
	/* Decodes from the front of *in into d->step and says how much it made. Sets d->ended. */
	enum err (*decode)(struct coding_decoder *d, struct bytes *in, size_t *ret_made);
	void (*done)(struct coding_decoder *d);
};

struct coding_decoder {
	const struct format *format;
	enum err failed;
	bool ended; /* a stream, member or frame has ended and nothing came after it */
	uint64_t in_bytes, out_bytes;
	z_stream zlib; /* gzip, deflate */
	bool has_zlib;
	uint8_t head[2]; /* deflate, until it is known which */
	size_t head_len;
	BrotliDecoderState *brotli;
	ZSTD_DCtx *zstd;
	size_t frame_bytes; /* read of this zstd frame */
	uint8_t step[STEP_BYTES];
};

enum coding coding_parse(struct bytes header_value)
{
	static const struct {
		char name[12]; /* no pointer: it would have to be relocated in each process */
		enum coding coding;
	} names[] = {
		{"", CODING_IDENTITY},       {"identity", CODING_IDENTITY},
		{"gzip", CODING_GZIP},       {"x-gzip", CODING_GZIP}, /* RFC 9110 8.4.1.3 */
		{"deflate", CODING_DEFLATE}, {"br", CODING_BR},
		{"zstd", CODING_ZSTD},
	};
	struct bytes value = bytes_trim(header_value);

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (bytes_equal_nocase(value, bytes_str(names[i].name)))
			return names[i].coding;
	return CODING_UNKNOWN;
}

static void *allocate(void *opaque, size_t len)
{
	return malloc(len);
}

static void release(void *opaque, void *at)
{
	free(at);
}

/* identity */

static enum err identity_init(struct coding_decoder *d)
{
	d->ended = true;
	return OK;
}

static enum err identity_decode(struct coding_decoder *d, struct bytes *in, size_t *ret_made)
{
	size_t n = in->len < sizeof d->step ? in->len : sizeof d->step;

	memcpy(d->step, in->at, n);
	*in = bytes_from(*in, n);
	*ret_made = n;
	return OK;
}

static void identity_done(struct coding_decoder *d)
{
}

/* gzip and deflate: zlib */

static void *zlib_allocate(void *opaque, unsigned items, unsigned size)
{
	return calloc(items, size);
}

static enum err zlib_start(struct coding_decoder *d, int window_bits)
{
	int r;

	d->zlib.zalloc = zlib_allocate;
	d->zlib.zfree = release;
	r = inflateInit2(&d->zlib, window_bits);
	d->has_zlib = r == Z_OK;
	if (r == Z_MEM_ERROR)
		return ERR_NOMEM;
	return r == Z_OK ? OK : ERR_UNSUPPORTED;
}

static void zlib_done(struct coding_decoder *d)
{
	if (d->has_zlib)
		inflateEnd(&d->zlib);
}

static enum err zlib_decode(struct coding_decoder *d, struct bytes *in, size_t *ret_made)
{
	/* zlib counts in unsigned; what does not fit is for the next step. */
	unsigned len = in->len < (1u << 30) ? (unsigned)in->len : 1u << 30;
	int r;

	d->zlib.next_in = (uint8_t *)in->at;
	d->zlib.avail_in = len;
	d->zlib.next_out = d->step;
	d->zlib.avail_out = STEP_BYTES;
	r = inflate(&d->zlib, Z_NO_FLUSH);
	*in = bytes_from(*in, len - d->zlib.avail_in);
	*ret_made = STEP_BYTES - d->zlib.avail_out;
	d->zlib.next_in = NULL;
	d->ended = r == Z_STREAM_END;
	if (r == Z_MEM_ERROR)
		return ERR_NOMEM;
	/* Z_BUF_ERROR: nothing left to do, which the caller sees. */
	return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR ? OK : ERR_BAD;
}

static enum err gzip_init(struct coding_decoder *d)
{
	return zlib_start(d, 16 + MAX_WBITS);
}

/* RFC 1952 2.2: a file is a series of members. */
static enum err gzip_decode(struct coding_decoder *d, struct bytes *in, size_t *ret_made)
{
	if (d->ended && inflateReset(&d->zlib) != Z_OK)
		return ERR_BAD;
	return zlib_decode(d, in, ret_made);
}

/* RFC 1950 2.2 says what the two bytes before a zlib stream are. Read as the start of a stream
 * without them they would be a stored block with padding bits that are not zero, which no encoder
 * writes. */
static bool has_zlib_wrapper(const uint8_t head[2])
{
	return (head[0] & 0x0F) == 8 && head[0] >> 4 <= 7 && (head[0] << 8 | head[1]) % 31 == 0;
}

static enum err deflate_init(struct coding_decoder *d)
{
	return OK;
}

static enum err deflate_decode(struct coding_decoder *d, struct bytes *in, size_t *ret_made)
{
	struct bytes head = {d->head, sizeof d->head};
	enum err e;

	if (d->ended)
		return ERR_BAD;
	if (d->has_zlib)
		return zlib_decode(d, in, ret_made);
	d->head[d->head_len++] = in->at[0];
	*in = bytes_from(*in, 1);
	if (d->head_len < sizeof d->head)
		return OK;
	e = zlib_start(d, has_zlib_wrapper(d->head) ? MAX_WBITS : -MAX_WBITS);
	if (!e)
		e = zlib_decode(d, &head, ret_made);
	return !e && head.len ? ERR_BAD : e;
}

/* raw deflate: as deflate, but a message may be several streams that share one window (RFC 7692
 * 7.2.3.4, 7.2.3.5: an encoder may end each part with a final block). */

static enum err raw_init(struct coding_decoder *d)
{
	return zlib_start(d, -MAX_WBITS);
}

/* zlib forgets the window of a stream that has ended; it is handed on. */
static enum err raw_continue(struct coding_decoder *d)
{
	uint8_t *window = malloc(1u << MAX_WBITS);
	unsigned len = 0;
	bool done;

	if (!window)
		return ERR_NOMEM;
	done = inflateGetDictionary(&d->zlib, window, &len) == Z_OK &&
	       inflateReset(&d->zlib) == Z_OK &&
	       inflateSetDictionary(&d->zlib, window, len) == Z_OK;
	wipe(window, len);
	free(window);
	d->ended = false;
	return done ? OK : ERR_BAD;
}

static enum err raw_decode(struct coding_decoder *d, struct bytes *in, size_t *ret_made)
{
	enum err e = d->ended ? raw_continue(d) : OK;

	return e ? e : zlib_decode(d, in, ret_made);
}

/* br: libbrotlidec */

static enum err brotli_init(struct coding_decoder *d)
{
	d->brotli = BrotliDecoderCreateInstance(allocate, release, NULL);
	return d->brotli ? OK : ERR_NOMEM;
}

static void brotli_done(struct coding_decoder *d)
{
	if (d->brotli)
		BrotliDecoderDestroyInstance(d->brotli);
}

static enum err brotli_decode(struct coding_decoder *d, struct bytes *in, size_t *ret_made)
{
	size_t in_left = in->len, out_left = STEP_BYTES;
	uint8_t *out = d->step;
	BrotliDecoderErrorCode code;
	BrotliDecoderResult r;

	if (d->ended)
		return ERR_BAD;
	r = BrotliDecoderDecompressStream(d->brotli, &in_left, &in->at, &out_left, &out, NULL);
	in->len = in_left;
	*ret_made = STEP_BYTES - out_left;
	d->ended = r == BROTLI_DECODER_RESULT_SUCCESS;
	if (r != BROTLI_DECODER_RESULT_ERROR)
		return OK;
	code = BrotliDecoderGetErrorCode(d->brotli);
	return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
			       code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES
		       ? ERR_NOMEM
		       : ERR_BAD;
}

/* zstd: libzstd */

static enum err zstd_init(struct coding_decoder *d)
{
	ZSTD_customMem memory = {allocate, release, NULL};

	d->zstd = ZSTD_createDCtx_advanced(memory);
	if (!d->zstd)
		return ERR_NOMEM;
	if (ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax,
						CODING_ZSTD_WINDOW_LOG_MAX)))
		return ERR_UNSUPPORTED;
	return OK;
}

static void zstd_done(struct coding_decoder *d)
{
	ZSTD_freeDCtx(d->zstd);
}

/* RFC 8878 3.1: frames follow each other. Each frame's header goes in byte by byte: with more in
 * hand the library may take a short cut, and then neither looks at the window's size nor
 * (version 1.5.4, when the call before brought the header's first part) begins at the frame's first
 * byte. What a body means must not depend on its split. It also keeps out the formats from before
 * the specification, which the library tells by a magic number in one piece. */
static enum err zstd_decode(struct coding_decoder *d, struct bytes *in, size_t *ret_made)
{
	bool in_header = d->frame_bytes < ZSTD_FRAMEHEADERSIZE_MAX;
	ZSTD_inBuffer from = {in->at, in_header && in->len ? 1 : in->len, 0};
	ZSTD_outBuffer to = {d->step, STEP_BYTES, 0};
	size_t r = ZSTD_decompressStream(d->zstd, &to, &from);

	*in = bytes_from(*in, from.pos);
	*ret_made = to.pos;
	if (ZSTD_isError(r)) {
		switch (ZSTD_getErrorCode(r)) {
		case ZSTD_error_memory_allocation:
			return ERR_NOMEM;
		case ZSTD_error_frameParameter_windowTooLarge:
			return ERR_LIMIT;
		default:
			return ERR_BAD;
		}
	}
	d->ended = r == 0;
	if (d->ended)
		d->frame_bytes = 0;
	else if (in_header)
		d->frame_bytes += from.pos;
	return OK;
}

/* the same for all */

static const struct format formats[CODING_UNKNOWN] = {
	[CODING_IDENTITY] = {identity_init, identity_decode, identity_done},
	[CODING_GZIP] = {gzip_init, gzip_decode, zlib_done},
	[CODING_DEFLATE] = {deflate_init, deflate_decode, zlib_done},
	[CODING_BR] = {brotli_init, brotli_decode, brotli_done},
	[CODING_ZSTD] = {zstd_init, zstd_decode, zstd_done},
	[CODING_RAW_DEFLATE] = {raw_init, raw_decode, zlib_done},
};

enum err coding_new(enum coding coding, struct coding_decoder **ret_decoder)
{
	struct coding_decoder *d;
	enum err e;

	if ((unsigned)coding >= CODING_UNKNOWN)
		return ERR_UNSUPPORTED;
	d = calloc(1, sizeof *d);
	if (!d)
		return ERR_NOMEM;
	d->format = &formats[coding];
	e = d->format->init(d);
	if (e) {
		coding_free(d);
		return e;
	}
	*ret_decoder = d;
	return OK;
}

void coding_free(struct coding_decoder *d)
{
	if (!d)
		return;
	d->format->done(d);
	wipe(d, sizeof *d);
	free(d);
}

static enum err put_step(struct coding_decoder *d, size_t made, struct buf *out)
{
	d->out_bytes += made;
	if (d->out_bytes > CODING_OUTPUT_BYTES_MAX ||
	    d->out_bytes > d->in_bytes * CODING_RATIO_MAX + CODING_ALLOWANCE_BYTES)
		return ERR_LIMIT;
	return buf_put(out, bytes_of(d->step, made));
}

enum err coding_feed(struct coding_decoder *d, struct bytes in, struct buf *out)
{
	enum err e = d->failed;
	size_t made = 0;

	/* A full step may not be the last one. */
	while (!e && (in.len || (made == STEP_BYTES && !d->ended))) {
		size_t before = in.len;
		made = 0;
		e = d->format->decode(d, &in, &made);
		d->in_bytes += before - in.len;
		enum err e_put = put_step(d, made, out);
		if (!e)
			e = e_put;
		if (!e && made == 0 && before && before == in.len)
			e = ERR_BAD; /* must not happen; must not loop either */
	}
	d->failed = e;
	return e;
}

/* What an encoder cuts off the end of a message (RFC 7692 7.2.1): the rest of an empty stored
 * block. It must not mean anything else at this place, and a block must have ended with it. */
static enum err end_message(struct coding_decoder *d)
{
	static const uint8_t tail[] = {0x00, 0x00, 0xff, 0xff};
	struct bytes in = bytes_of(tail, sizeof tail);
	size_t made = 0;
	enum err e = zlib_decode(d, &in, &made);

	if (e)
		return e;
	return in.len || made || !(d->zlib.data_type & ZLIB_BETWEEN_BLOCKS) ? ERR_BAD : OK;
}

enum err coding_next_message(struct coding_decoder *d, bool keep_window)
{
	if (d->format != &formats[CODING_RAW_DEFLATE])
		return ERR_UNSUPPORTED;
	/* Some encoders end a message with a final block and nothing after it. */
	if (!d->failed && !d->ended)
		d->failed = end_message(d);
	if (!d->failed && !keep_window) {
		d->failed = inflateReset(&d->zlib) == Z_OK ? OK : ERR_BAD;
		d->ended = false;
	}
	d->in_bytes = d->out_bytes = 0;
	return d->failed;
}

enum err coding_check_end(const struct coding_decoder *d)
{
	if (d->failed)
		return d->failed;
	return d->ended || d->in_bytes == 0 ? OK : ERR_BAD;
}
