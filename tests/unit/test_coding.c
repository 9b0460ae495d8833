/* SPDX-License-Identifier: MIT */
#include "wire/coding.h"

#include "tap.h"

static void a_header_value_names_a_coding(void)
{
	static const struct {
		const char *value;
		enum coding expected;
	} cases[] = {
		{"gzip", CODING_GZIP},
		{"x-gzip", CODING_GZIP},
		{"GZip", CODING_GZIP},
		{" \tgzip ", CODING_GZIP},
		{"deflate", CODING_DEFLATE},
		{"br", CODING_BR},
		{"zstd", CODING_ZSTD},
		{"identity", CODING_IDENTITY},
		{"", CODING_IDENTITY},
		{"  ", CODING_IDENTITY},
		{"gzip, br", CODING_UNKNOWN},
		{"gzip,gzip", CODING_UNKNOWN},
		{"identity, gzip", CODING_UNKNOWN},
		{"gzip,", CODING_UNKNOWN},
		{",", CODING_UNKNOWN},
		{"gzip;q=1", CODING_UNKNOWN},
		{"gzi", CODING_UNKNOWN},
		{"gzipx", CODING_UNKNOWN},
		{"compress", CODING_UNKNOWN},
		{"dcz", CODING_UNKNOWN},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (coding_parse(tap_guarded(bytes_str(cases[i].value))) != cases[i].expected)
			tap_fail(__FILE__, __LINE__, "\"%s\"", cases[i].value);
	CHECK(coding_parse(BYTES("gzip\0")) == CODING_UNKNOWN);
	struct coding_decoder *d = NULL;
	CHECK_ERR(coding_new(CODING_UNKNOWN, &d), ERR_UNSUPPORTED);
	CHECK(d == NULL);
	coding_free(NULL);
}

static const char text[] =
	"{\"type\":\"delta\",\"text\":\"the government of the United States, and the "
	"people of the United States, \xE2\x82\xAC\"}\n";

/* `text` as encoded by zlib 1.2.13 (level 9), libbrotlienc 1.0.9 (quality 11) and libzstd 1.5.4
 * (level 19, with checksum). */
static const struct encoded {
	const char *name;
	enum coding coding;
	bool checksummed;
	struct bytes bytes;
} encoded[] = {
	{"gzip", CODING_GZIP, true,
	 BYTES("\x1F\x8B\x08\x00\x00\x00\x00\x00\x02\x03\xAB\x56\x2A\xA9\x2C\x48\x55\xB2\x52\x4A"
	       "\x49\xCD"
	       "\x29\x49\x54\xD2\x51\x2A\x49\xAD\x28\x01\x72\x4B\x32\x52\x15\xD2\xF3\xCB\x52\x8B"
	       "\xF2\x72"
	       "\x53\xF3\x4A\x14\xF2\xD3\x14\x40\x22\xA1\x79\x99\x25\xA9\x29\x0A\xC1\x25\x89\x25"
	       "\xA9\xC5"
	       "\x3A\x0A\x89\x79\x29\x60\xE1\x82\xD4\xFC\x82\x9C\x54\x1C\x8A\x1E\x35\xAD\x51\xAA"
	       "\xE5\x02"
	       "\x00\x85\xE8\x36\xBC\x68\x00\x00\x00")},
	{"deflate", CODING_DEFLATE, true,
	 BYTES("\x78\xDA\xAB\x56\x2A\xA9\x2C\x48\x55\xB2\x52\x4A\x49\xCD\x29\x49\x54\xD2\x51\x2A"
	       "\x49\xAD"
	       "\x28\x01\x72\x4B\x32\x52\x15\xD2\xF3\xCB\x52\x8B\xF2\x72\x53\xF3\x4A\x14\xF2\xD3"
	       "\x14\x40"
	       "\x22\xA1\x79\x99\x25\xA9\x29\x0A\xC1\x25\x89\x25\xA9\xC5\x3A\x0A\x89\x79\x29\x60"
	       "\xE1\x82"
	       "\xD4\xFC\x82\x9C\x54\x1C\x8A\x1E\x35\xAD\x51\xAA\xE5\x02\x00\x61\x8D\x24\xB1")},
	{"raw deflate", CODING_DEFLATE, false,
	 BYTES("\xAB\x56\x2A\xA9\x2C\x48\x55\xB2\x52\x4A\x49\xCD\x29\x49\x54\xD2\x51\x2A\x49\xAD"
	       "\x28\x01"
	       "\x72\x4B\x32\x52\x15\xD2\xF3\xCB\x52\x8B\xF2\x72\x53\xF3\x4A\x14\xF2\xD3\x14\x40"
	       "\x22\xA1"
	       "\x79\x99\x25\xA9\x29\x0A\xC1\x25\x89\x25\xA9\xC5\x3A\x0A\x89\x79\x29\x60\xE1\x82"
	       "\xD4\xFC"
	       "\x82\x9C\x54\x1C\x8A\x1E\x35\xAD\x51\xAA\xE5\x02\x00")},
	{"br", CODING_BR, false,
	 BYTES("\xE2\x0C\x00\x94\xE3\x30\xDD\xF8\xC8\x46\xCA\x6F\x61\x9D\x8F\x50\xE9\x29\xB2\x27"
	       "\x5E\x82"
	       "\xAC\xAD\xC0\xA2\xD3\xC7\x29\x07\xCC\x6D\x01\x85\x25\x16\xD0\xD7\x9E\x82\x0D\xA8"
	       "\x37\x9F"
	       "\x51\x8A\xB2\x1D\x09\xD9\x14\xC0\x18\x0A\x9B\x3D\x35\xD1\xE2\xC3\xD4\x1A")},
	{"zstd", CODING_ZSTD, true,
	 BYTES("\x28\xB5\x2F\xFD\x24\x68\x75\x02\x00\xC2\xC4\x10\x15\xC0\x3D\xFF\xEF\xFE\xDB\xC4"
	       "\x92\x30"
	       "\x65\xD7\x32\x45\x14\x76\xEF\x70\x14\xB1\x08\x3D\x00\x0B\x9D\xB7\xB7\x08\x3D\xA2"
	       "\x77\xC2"
	       "\x98\xFE\xE7\x4B\x40\xFE\xEC\x99\xE0\xEB\x43\x82\xE1\x9F\xBB\x27\x9D\x42\x15\x7C"
	       "\xBD\x20"
	       "\xE2\xAB\xBF\x18\xE2\x7C\x73\x24\x88\xF0\x68\x5F\xDC\x02\x00\x48\xD5\x02\x54\x98"
	       "\x66\x49"
	       "\x20\xA4\xA3")},
};
#define ENCODED_COUNT (sizeof encoded / sizeof encoded[0])

/* The answer to a whole body in pieces of `step` bytes, its end included. */
static enum err decode(enum coding coding, struct bytes body, size_t step, struct buf *out)
{
	struct coding_decoder *d;
	enum err e = coding_new(coding, &d);

	if (e)
		return e;
	for (size_t at = 0; at < body.len && !e; at += step < body.len ? step : body.len)
		e = coding_feed(d, bytes_slice(body, at, step), out);
	enum err at_end = coding_check_end(d);
	CHECK(!e || at_end == e);
	if (e) /* errors stay */
		CHECK_ERR(coding_feed(d, body, out), e);
	coding_free(d);
	return at_end;
}

static void check_decodes(const char *name, enum coding coding, struct bytes body,
			  struct bytes expected)
{
	struct bytes guarded = tap_guarded(body);

	for (size_t step = 1; step <= body.len; step++) {
		struct buf out = {0};
		enum err e = decode(coding, guarded, step, &out);
		if (e || !bytes_equal(buf_view(&out), expected))
			tap_fail(__FILE__, __LINE__, "%s in steps of %zu: %s, \"%.*s\"", name, step,
				 err_name(e), (int)out.len, (const char *)out.at);
		buf_done(&out);
	}
}

static void bodies_are_decoded_in_every_split(void)
{
	for (size_t i = 0; i < ENCODED_COUNT; i++)
		check_decodes(encoded[i].name, encoded[i].coding, encoded[i].bytes,
			      bytes_str(text));
	check_decodes("identity", CODING_IDENTITY, bytes_str(text), bytes_str(text));
}

static void a_truncated_body_is_bad(void)
{
	for (size_t i = 0; i < ENCODED_COUNT; i++) {
		for (size_t len = 0; len < encoded[i].bytes.len; len++) {
			struct buf out = {0};
			enum err e = decode(encoded[i].coding,
					    tap_guarded(bytes_slice(encoded[i].bytes, 0, len)), 7,
					    &out);
			/* a body of no bytes at all is an answer to HEAD, or 204, 304 */
			if (e != (len ? ERR_BAD : OK))
				tap_fail(__FILE__, __LINE__, "%zu bytes of %s: %s", len,
					 encoded[i].name, err_name(e));
			CHECK(bytes_starts(bytes_str(text), buf_view(&out)));
			buf_done(&out);
		}
	}
}

static void bytes_after_the_end_are_bad(void)
{
	static const char *const garbage[] = {"x", "\n", "garbage that is longer", "\x1F",
					      "\x28\xB5"};

	for (size_t i = 0; i < ENCODED_COUNT; i++) {
		for (size_t k = 0; k < sizeof garbage / sizeof garbage[0]; k++) {
			struct buf body = {0}, out = {0};
			CHECK_ERR(buf_put(&body, encoded[i].bytes), OK);
			CHECK_ERR(buf_put_str(&body, garbage[k]), OK);
			CHECK_ERR(decode(encoded[i].coding, buf_view(&body), 1, &out), ERR_BAD);
			CHECK_BYTES(buf_view(&out), text);
			buf_reset(&out);
			CHECK_ERR(decode(encoded[i].coding, buf_view(&body), SIZE_MAX, &out),
				  ERR_BAD);
			CHECK_BYTES(buf_view(&out), text);
			buf_done(&body);
			buf_done(&out);
		}
	}
}

static void no_flipped_bit_changes_what_a_checksum_guards(void)
{
	unsigned noticed = 0;

	for (size_t i = 0; i < ENCODED_COUNT; i++) {
		struct buf body = {0};
		CHECK_ERR(buf_put(&body, encoded[i].bytes), OK);
		for (size_t bit = 0; bit < body.len * 8; bit++) {
			struct buf out = {.max = 1u << 20};
			body.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
			enum err e = decode(encoded[i].coding, buf_view(&body), SIZE_MAX, &out);
			body.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
			noticed += e != OK;
			if (!e && encoded[i].checksummed &&
			    !bytes_equal(buf_view(&out), bytes_str(text)))
				tap_fail(__FILE__, __LINE__, "%s, bit %zu", encoded[i].name, bit);
			buf_done(&out);
		}
		buf_done(&body);
	}
	CHECK(noticed > 1000);
}

static void what_was_flushed_is_there_at_once(void)
{
	/* Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush after each event, then the end */
	static const struct {
		enum coding coding;
		struct bytes bursts[3];
	} streams[] = {
		{CODING_GZIP,
		 {BYTES("\x1F\x8B\x08\x00\x00\x00\x00\x00\x02\x03\x4A\x49\x2C\x49\xB4\x52\x30\xE4"
			"\xE2\x02\x00\x00"
			"\x00\xFF\xFF"),
		  BYTES("\x4A\x01\x33\x8C\xB8\xB8\x00\x00\x00\x00\xFF\xFF"),
		  BYTES("\x03\x00\x06\x2D\x00\x8F\x12\x00\x00\x00")}},
		{CODING_DEFLATE,
		 {BYTES("\x78\xDA\x4A\x49\x2C\x49\xB4\x52\x30\xE4\xE2\x02\x00\x00\x00\xFF\xFF"),
		  BYTES("\x4A\x01\x33\x8C\xB8\xB8\x00\x00\x00\x00\xFF\xFF"),
		  BYTES("\x03\x00\x30\xB8\x04\x74")}},
		{CODING_BR,
		 {BYTES("\x80\x00\x10\x64\x61\x74\x61\x3A\x20\x31\x0A\x0A"),
		  BYTES("\x40\x00\x80\x5F\x4A\x41\xA6\x08\xD1\x24\x18\x30"), BYTES("\x03")}},
		{CODING_ZSTD,
		 {BYTES("\x28\xB5\x2F\xFD\x00\x38\x48\x00\x00\x64\x61\x74\x61\x3A\x20\x31\x0A\x0A"),
		  BYTES("\x48\x00\x00\x64\x61\x74\x61\x3A\x20\x32\x0A\x0A"),
		  BYTES("\x01\x00\x00")}},
		{CODING_IDENTITY, {BYTES("data: 1\n\n"), BYTES("data: 2\n\n"), BYTES_NONE}},
	};
	static const char *const expected[] = {"data: 1\n\n", "data: 1\n\ndata: 2\n\n",
					       "data: 1\n\ndata: 2\n\n"};

	for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
		struct coding_decoder *d;
		struct buf out = {0};
		CHECK_ERR(coding_new(streams[i].coding, &d), OK);
		for (size_t k = 0; k < 3; k++) {
			CHECK_ERR(coding_feed(d, tap_guarded(streams[i].bursts[k]), &out), OK);
			CHECK_BYTES(buf_view(&out), expected[k]);
			if (streams[i].coding != CODING_IDENTITY)
				CHECK_ERR(coding_check_end(d), k == 2 ? OK : ERR_BAD);
			CHECK_ERR(coding_feed(d, BYTES_NONE, &out), OK);
		}
		CHECK_ERR(coding_check_end(d), OK);
		coding_free(d);
		buf_done(&out);
	}
}

static void gzip_members_and_zstd_frames_follow_each_other(void)
{
	static const uint8_t skippable[] = {0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};

	for (size_t i = 0; i < ENCODED_COUNT; i++) {
		struct buf body = {0}, twice = {0};
		if (encoded[i].coding != CODING_GZIP && encoded[i].coding != CODING_ZSTD)
			continue;
		for (int n = 0; n < 2; n++) {
			if (encoded[i].coding == CODING_ZSTD)
				CHECK_ERR(buf_put(&body, bytes_of(skippable, sizeof skippable)),
					  OK);
			CHECK_ERR(buf_put(&body, encoded[i].bytes), OK);
			CHECK_ERR(buf_put_str(&twice, text), OK);
		}
		check_decodes(encoded[i].name, encoded[i].coding, buf_view(&body),
			      buf_view(&twice));
		body.len -= 1; /* the last one is truncated */
		CHECK_ERR(decode(encoded[i].coding, buf_view(&body), 3, &twice), ERR_BAD);
		buf_done(&body);
		buf_done(&twice);
	}
}

static void zlib_wants_no_dictionary_of_ours(void)
{
	struct buf out = {0};

	/* FDICT set, header check right */
	CHECK_ERR(decode(CODING_DEFLATE, BYTES("\x78\xBB\x01\x02\x03\x04\x03\x00"), 1, &out),
		  ERR_BAD);
	CHECK_U64(out.len, 0);
	buf_done(&out);
}

/* A zstd frame header without sizes: the window is 2^log bytes. RFC 8878 3.1.1.1. */
static void put_frame(struct buf *b, unsigned window_log)
{
	CHECK_ERR(buf_put_u32(b, 0xFD2FB528), OK);
	CHECK_ERR(buf_put_u8(b, 0), OK);
	CHECK_ERR(buf_put_u8(b, (uint8_t)((window_log - 10) << 3)), OK);
}

/* A block that is one byte, `len` times over: four bytes. RFC 8878 3.1.1.2. */
static void put_rle(struct buf *b, size_t len, bool last)
{
	uint32_t header = (uint32_t)len << 3 | 1u << 1 | (last ? 1 : 0);

	CHECK_ERR(buf_put_u16(b, (uint16_t)header), OK);
	CHECK_ERR(buf_put_u8(b, (uint8_t)(header >> 16)), OK);
	CHECK_ERR(buf_put_u8(b, 'x'), OK);
}

#define BLOCK_BYTES ((size_t)128 << 10)

static void a_zstd_window_ends_at_the_limit(void)
{
	for (unsigned more = 0; more < 2; more++) {
		struct buf body = {0}, out = {0};
		put_frame(&body, CODING_ZSTD_WINDOW_LOG_MAX + more);
		put_rle(&body, 5, true);
		for (size_t step = 1; step <= body.len; step++) {
			buf_reset(&out);
			CHECK_ERR(decode(CODING_ZSTD, buf_view(&body), step, &out),
				  more ? ERR_LIMIT : OK);
			CHECK_BYTES(buf_view(&out), more ? "" : "xxxxx");
		}
		buf_done(&body);
		buf_done(&out);
	}
}

static void zstd_from_before_the_specification_is_bad_at_once(void)
{
	for (uint32_t version = 1; version <= 7; version++) {
		struct coding_decoder *d;
		struct buf magic = {0}, out = {0};
		CHECK_ERR(buf_put_u32(&magic, 0xFD2FB520 + version), OK);
		CHECK_ERR(coding_new(CODING_ZSTD, &d), OK);
		CHECK_ERR(buf_put_u8(&magic, 0), OK);
		CHECK_ERR(coding_feed(d, buf_view(&magic), &out), ERR_BAD);
		coding_free(d);
		buf_done(&magic);
		buf_done(&out);
	}
}

/* From its fifth byte on this frame's header reads like a skippable frame of 10 bytes, and at its
 * end, inside the content, stands another frame. libzstd 1.5.4 reads it that way when it is fed
 * four bytes first and the rest then. */
static void put_two_faced_frame(struct buf *body, struct buf *expected)
{
	enum { CONTENT_BYTES = 0x184D + 256 };
	const uint32_t one_byte = 1u << 3 | 1u << 1, raw = (CONTENT_BYTES - 1) << 3 | 1;
	struct buf inner = {0};
	size_t from = body->len, expected_from = expected->len;

	put_frame(&inner, 17);
	put_rle(&inner, 9, true);
	CHECK_ERR(buf_put_u32(body, 0xFD2FB528), OK);
	CHECK_ERR(buf_put_u32(body, 0x184D2A50), OK); /* descriptor, window, content size */
	CHECK_ERR(buf_put_u32(body, one_byte), OK);   /* a byte 0 */
	CHECK_ERR(buf_put_u16(body, (uint16_t)raw), OK);
	CHECK_ERR(buf_put_u8(body, (uint8_t)(raw >> 16)), OK);
	CHECK_ERR(buf_put_u8(expected, 0), OK);
	while (body->len - from < 4 + 8 + 10) {
		CHECK_ERR(buf_put_u8(body, '-'), OK);
		CHECK_ERR(buf_put_u8(expected, '-'), OK);
	}
	CHECK_ERR(buf_put(body, buf_view(&inner)), OK);
	CHECK_ERR(buf_put(expected, buf_view(&inner)), OK);
	while (expected->len - expected_from < CONTENT_BYTES) {
		CHECK_ERR(buf_put_u8(body, '-'), OK);
		CHECK_ERR(buf_put_u8(expected, '-'), OK);
	}
	buf_done(&inner);
}

static void a_frame_is_read_in_one_way_in_every_split(void)
{
	static const size_t steps[] = {1, 2, 3, 4, 5, 8, 26, 4096, SIZE_MAX};
	struct buf body = {0}, expected = {0};

	for (unsigned before = 0; before < 2; before++) {
		buf_reset(&body);
		buf_reset(&expected);
		if (before) { /* another frame, 22 bytes long */
			put_frame(&body, 17);
			for (unsigned n = 0; n < 4; n++)
				put_rle(&body, 1, n == 3);
			CHECK_ERR(buf_put_str(&expected, "xxxx"), OK);
		}
		put_two_faced_frame(&body, &expected);
		for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
			struct buf out = {0};
			CHECK_ERR(decode(CODING_ZSTD, buf_view(&body), steps[i], &out), OK);
			CHECK(bytes_equal(buf_view(&out), buf_view(&expected)));
			buf_done(&out);
		}
	}
	buf_done(&body);
	buf_done(&expected);
}

static void a_body_may_decode_to_the_limit(void)
{
	struct coding_decoder *d;
	struct buf piece = {0}, out = {0};
	size_t total = 0;

	CHECK_ERR(buf_reserve(&piece, 1u << 20), OK);
	memset(piece.at, 'x', 1u << 20);
	piece.len = 1u << 20;
	CHECK_ERR(coding_new(CODING_IDENTITY, &d), OK);
	while (total < CODING_OUTPUT_BYTES_MAX) {
		buf_reset(&out);
		CHECK_ERR(coding_feed(d, buf_view(&piece), &out), OK);
		total += out.len;
	}
	CHECK_U64(total, CODING_OUTPUT_BYTES_MAX);
	CHECK_ERR(coding_check_end(d), OK);
	CHECK_ERR(coding_feed(d, BYTES("x"), &out), ERR_LIMIT);
	CHECK_ERR(coding_check_end(d), ERR_LIMIT);
	coding_free(d);

	for (unsigned more = 0; more < 2; more++) {
		struct buf body = {0};
		/* so much input that only the total counts */
		CHECK_ERR(buf_put_u32(&body, 0x184D2A50), OK);
		CHECK_ERR(buf_put_u32(&body, 1u << 17), OK);
		CHECK_ERR(buf_put(&body, bytes_slice(buf_view(&piece), 0, 1u << 17)), OK);
		put_frame(&body, 17);
		for (total = 0; total < CODING_OUTPUT_BYTES_MAX; total += BLOCK_BYTES)
			put_rle(&body, BLOCK_BYTES, false);
		put_rle(&body, more, true);
		buf_reset(&out);
		CHECK_ERR(decode(CODING_ZSTD, buf_view(&body), SIZE_MAX, &out),
			  more ? ERR_LIMIT : OK);
		CHECK_U64(out.len, CODING_OUTPUT_BYTES_MAX);
		buf_done(&body);
	}
	buf_done(&piece);
	buf_done(&out);
}

static void more_than_a_thousandfold_is_a_bomb(void)
{
	static const size_t steps[] = {1, 16, SIZE_MAX};

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		for (unsigned more = 0; more < 2; more++) {
			struct buf body = {0}, out = {0};
			put_frame(&body, 17);
			for (size_t n = 0; n < CODING_ALLOWANCE_BYTES; n += BLOCK_BYTES)
				put_rle(&body, BLOCK_BYTES, false);
			size_t in_bytes = body.len + 4;
			put_rle(&body, in_bytes * CODING_RATIO_MAX + more, true);
			CHECK_ERR(decode(CODING_ZSTD, buf_view(&body), steps[i], &out),
				  more ? ERR_LIMIT : OK);
			CHECK(out.len <= CODING_ALLOWANCE_BYTES + in_bytes * CODING_RATIO_MAX);
			CHECK(out.len > CODING_ALLOWANCE_BYTES);
			buf_done(&body);
			buf_done(&out);
		}
	}
}

/* A dynamic block (RFC 1951 3.2.7) in which a match of 258 bytes takes two bits that are 0: 517
 * zeros, and 1032 more for each byte 0 that follows. */
static const struct bytes zeros = BYTES("\xED\xE0\x81\x00\x00\x00\x00\x80\x20\xEC\x4F\xBD\x48\x05");

static bool is_zeros(struct bytes b, size_t len)
{
	return b.len == len && b.at[0] == 0 && memcmp(b.at, b.at + 1, len - 1) == 0;
}

static void few_bytes_may_mean_many_at_once(void)
{
	/* libbrotlienc 1.0.9, quality 5: 1,000,000 zeros */
	struct bytes brotli = BYTES("\x5B\x3F\x42\x0F\x40\x02\x20\x1E\x0B\x24\x3F\xE7\x01");
	static const uint8_t nothing[500];
	struct coding_decoder *d;
	struct buf out = {0};

	CHECK_ERR(decode(CODING_BR, brotli, SIZE_MAX, &out), OK);
	CHECK(is_zeros(buf_view(&out), 1000000));
	buf_reset(&out);
	CHECK_ERR(coding_new(CODING_DEFLATE, &d), OK);
	CHECK_ERR(coding_feed(d, zeros, &out), OK);
	CHECK(is_zeros(buf_view(&out), 517));
	CHECK_ERR(coding_feed(d, bytes_of(nothing, sizeof nothing), &out), OK);
	CHECK(is_zeros(buf_view(&out), 517 + 1032 * sizeof nothing));
	coding_free(d);
	buf_done(&out);
}

static void every_coding_has_its_bombs_found(void)
{
	/* libbrotlienc 1.0.9, quality 5: 40 MiB of zeros */
	struct bytes brotli = BYTES(
		"\xCF\xFF\xFF\x7F\x00\x24\x00\xE2\xB1\x40\x72\xEF\xFF\xF9\xFF\xFF\x0F\x80\x04\x40"
		"\x1C\x16"
		"\x80\xEE\xFD\x7F\xFE\xFF\xFF\x01\x90\x00\x88\xC3\x02\xD0\xBD\xFF\x03");
	struct bytes gzip_header = BYTES("\x1F\x8B\x08\0\0\0\0\0\0\x03");
	struct buf body = {0}, out = {0};

	CHECK_ERR(decode(CODING_BR, brotli, SIZE_MAX, &out), ERR_LIMIT);
	CHECK(out.len <= CODING_ALLOWANCE_BYTES + brotli.len * CODING_RATIO_MAX);
	for (unsigned gzip = 0; gzip < 2; gzip++) {
		/* 517 + 1032 n > 1000 (24 + n) + 1 MiB from n = 33503 on; without gzip's 10 bytes
		 * from 33190 on */
		static const size_t enough[] = {33190, 33503};
		for (unsigned fewer = 0; fewer < 2; fewer++) {
			buf_reset(&body);
			buf_reset(&out);
			if (gzip)
				CHECK_ERR(buf_put(&body, gzip_header), OK);
			CHECK_ERR(buf_put(&body, zeros), OK);
			for (size_t n = 0; n < enough[gzip] - fewer * 64; n++)
				CHECK_ERR(buf_put_u8(&body, 0), OK);
			/* the block does not end: without the bomb it is a truncated body */
			CHECK_ERR(decode(gzip ? CODING_GZIP : CODING_DEFLATE, buf_view(&body), 1000,
					 &out),
				  fewer ? ERR_BAD : ERR_LIMIT);
			CHECK(out.len > 30u << 20);
		}
	}
	buf_done(&body);
	buf_done(&out);
}

static void the_limit_of_the_output_buffer_is_kept(void)
{
	for (size_t i = 0; i < ENCODED_COUNT; i++) {
		struct buf out = {.max = strlen(text)};
		CHECK_ERR(decode(encoded[i].coding, encoded[i].bytes, SIZE_MAX, &out), OK);
		out.len = 1;
		CHECK_ERR(decode(encoded[i].coding, encoded[i].bytes, SIZE_MAX, &out), ERR_LIMIT);
		buf_done(&out);
	}
}

static const struct encoded *under_test;

static enum err decode_under_test(void)
{
	struct buf out = {0};
	enum err e = decode(under_test->coding, under_test->bytes, 40, &out);

	CHECK(e || bytes_equal(buf_view(&out), bytes_str(text)));
	buf_done(&out);
	return e;
}

static void each_allocation_may_fail(void)
{
	for (size_t i = 0; i < ENCODED_COUNT; i++) {
		under_test = &encoded[i];
		tap_allocations();
		tap_fail_each_allocation(decode_under_test);
		/* the decoder, the library's state and window, the output */
		CHECK(tap_allocations() > 3);
	}
}

/* RFC 7692: messages without their last four bytes, in one window. The messages themselves are
 * test_websocket's. */
static void messages_share_a_window_of_raw_deflate(void)
{
	static const uint8_t first[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00};
	static const uint8_t again[] = {0xf2, 0x00, 0x11, 0x00,
					0x00}; /* a copy of the one before */
	struct coding_decoder *d;
	struct buf out = {0};

	for (int keep = 1; keep >= 0; keep--) {
		CHECK_ERR(coding_new(CODING_RAW_DEFLATE, &d), OK);
		CHECK_ERR(coding_feed(d, tap_guarded(bytes_of(first, sizeof first)), &out), OK);
		CHECK_ERR(coding_next_message(d, keep), OK);
		CHECK_BYTES(buf_view(&out), "Hello");
		buf_reset(&out);
		enum err e = coding_feed(d, tap_guarded(bytes_of(again, sizeof again)), &out);
		if (!e)
			e = coding_next_message(d, keep);
		CHECK_ERR(e, keep ? OK : ERR_BAD);
		if (keep)
			CHECK_BYTES(buf_view(&out), "Hello");
		/* An error stays. */
		CHECK_ERR(coding_next_message(d, keep), keep ? ERR_BAD : e);
		CHECK_ERR(coding_feed(d, BYTES("x"), &out), ERR_BAD);
		buf_reset(&out);
		coding_free(d);
	}
	CHECK_ERR(coding_new(CODING_GZIP, &d), OK);
	CHECK_ERR(coding_next_message(d, true), ERR_UNSUPPORTED);
	coding_free(d);
	buf_done(&out);
}

int main(void)
{
	RUN_TESTS(TEST(messages_share_a_window_of_raw_deflate), TEST(a_header_value_names_a_coding),
		  TEST(bodies_are_decoded_in_every_split), TEST(a_truncated_body_is_bad),
		  TEST(bytes_after_the_end_are_bad),
		  TEST(no_flipped_bit_changes_what_a_checksum_guards),
		  TEST(what_was_flushed_is_there_at_once),
		  TEST(gzip_members_and_zstd_frames_follow_each_other),
		  TEST(zlib_wants_no_dictionary_of_ours), TEST(a_zstd_window_ends_at_the_limit),
		  TEST(zstd_from_before_the_specification_is_bad_at_once),
		  TEST(a_frame_is_read_in_one_way_in_every_split),
		  TEST(a_body_may_decode_to_the_limit), TEST(more_than_a_thousandfold_is_a_bomb),
		  TEST(few_bytes_may_mean_many_at_once), TEST(every_coding_has_its_bombs_found),
		  TEST(the_limit_of_the_output_buffer_is_kept), TEST(each_allocation_may_fail));
}
