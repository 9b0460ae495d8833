/* SPDX-License-Identifier: MIT
 *
 * Signatures published by AWS: those of its Signature Version 4 test suite (aws-sig-v4-test-suite,
 * by the names of its cases) and the examples of the Amazon S3 API reference.
 */
#include "drain/http/sigv4.h"

#include "audit/seal.h"
#include "tap.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct sigv4_key suite = {
	{(const uint8_t *)"AKIDEXAMPLE", 11},
	{(const uint8_t *)"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40},
	{(const uint8_t *)"us-east-1", 9},
	{(const uint8_t *)"service", 7},
};

static const struct sigv4_key s3 = {
	{(const uint8_t *)"AKIAIOSFODNN7EXAMPLE", 20},
	{(const uint8_t *)"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40},
	{(const uint8_t *)"us-east-1", 9},
	{(const uint8_t *)"s3", 2},
};

#define SUITE_TIME 1440938160 /* 20150830T123600Z */
#define S3_TIME    1369353600 /* 20130524T000000Z */

struct header {
	const char *name, *value;
};

struct signing {
	const char *name, *method, *path, *query, *payload;
	struct header headers[8];
	const char *signed_headers, *signature;
};

static struct sigv4_request request_of(const struct signing *c, struct drain_pair *headers)
{
	struct sigv4_request r = {.method = bytes_str(c->method),
				  .path = tap_guarded(bytes_str(c->path)),
				  .query = tap_guarded(bytes_str(c->query)),
				  .headers = headers,
				  .payload_sha256 = bytes_str(c->payload)};

	for (; c->headers[r.header_count].name; r.header_count++) {
		headers[r.header_count].name = bytes_str(c->headers[r.header_count].name);
		headers[r.header_count].value = bytes_str(c->headers[r.header_count].value);
	}
	return r;
}

static void check(const struct signing *c, const struct sigv4_key *key, uint64_t time_s,
		  const char *credential)
{
	struct drain_pair headers[8];
	struct sigv4_request r = request_of(c, headers);
	struct buf got = {0}, expected = {0};

	CHECK_ERR(sigv4_put_authorization(&got, key, &r, time_s), OK);
	CHECK_ERR(buf_put_str(&expected, credential), OK);
	CHECK_ERR(buf_put_str(&expected, c->signed_headers), OK);
	CHECK_ERR(buf_put_str(&expected, ", Signature="), OK);
	CHECK_ERR(buf_put_str(&expected, c->signature), OK);
	if (!bytes_equal(buf_view(&got), buf_view(&expected)))
		tap_fail(__FILE__, __LINE__, "%s: %.*s, expected %.*s", c->name, (int)got.len,
			 (const char *)got.at, (int)expected.len, (const char *)expected.at);
	buf_done(&got);
	buf_done(&expected);
}

static const struct signing suite_cases[] = {
	{"get-vanilla",
	 "GET",
	 "/",
	 "",
	 EMPTY,
	 {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
	 "host;x-amz-date",
	 "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"post-vanilla",
	 "POST",
	 "/",
	 "",
	 EMPTY,
	 {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
	 "host;x-amz-date",
	 "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	{"get-vanilla-query-order-key-case",
	 "GET",
	 "/",
	 "Param2=value2&Param1=value1",
	 EMPTY,
	 {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
	 "host;x-amz-date",
	 "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	{"get-utf8",
	 "GET",
	 "/%E1%88%B4",
	 "",
	 EMPTY,
	 {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
	 "host;x-amz-date",
	 "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
	{"get-unreserved",
	 "GET",
	 "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
	 "",
	 EMPTY,
	 {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
	 "host;x-amz-date",
	 "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
	{"get-header-value-trim",
	 "GET",
	 "/",
	 "",
	 EMPTY,
	 {{"Host", "example.amazonaws.com"},
	  {"My-Header1", " value1"},
	  {"My-Header2", " \"a   b   c\""},
	  {"X-Amz-Date", "20150830T123600Z"}},
	 "host;my-header1;my-header2;x-amz-date",
	 "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
	{"post-header-key-sort",
	 "POST",
	 "/",
	 "",
	 EMPTY,
	 {{"X-Amz-Date", "20150830T123600Z"},
	  {"My-Header1", "value1"},
	  {"Host", "example.amazonaws.com"}},
	 "host;my-header1;x-amz-date",
	 "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
	{"post-x-www-form-urlencoded",
	 "POST",
	 "/",
	 "",
	 "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e", /* Param1=value1 */
	 {{"Content-Type", "application/x-www-form-urlencoded"},
	  {"Host", "example.amazonaws.com"},
	  {"X-Amz-Date", "20150830T123600Z"}},
	 "content-type;host;x-amz-date",
	 "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
};

static void signatures_are_those_of_the_test_suite(void)
{
	for (size_t i = 0; i < sizeof suite_cases / sizeof suite_cases[0]; i++)
		check(&suite_cases[i], &suite, SUITE_TIME,
		      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
		      "aws4_request, SignedHeaders=");
}

#define PUT_SHA256 "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
static const struct signing s3_cases[] = {
	{"GET object",
	 "GET",
	 "/test.txt",
	 "",
	 EMPTY,
	 {{"Host", "examplebucket.s3.amazonaws.com"},
	  {"Range", "bytes=0-9"},
	  {"x-amz-content-sha256", EMPTY},
	  {"x-amz-date", "20130524T000000Z"}},
	 "host;range;x-amz-content-sha256;x-amz-date",
	 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
	{"PUT object",
	 "PUT",
	 "/test%24file.text",
	 "",
	 PUT_SHA256,
	 {{"Host", "examplebucket.s3.amazonaws.com"},
	  {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
	  {"x-amz-date", "20130524T000000Z"},
	  {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
	  {"x-amz-content-sha256", PUT_SHA256}},
	 "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
	{"GET bucket lifecycle",
	 "GET",
	 "/",
	 "lifecycle",
	 EMPTY,
	 {{"Host", "examplebucket.s3.amazonaws.com"},
	  {"x-amz-content-sha256", EMPTY},
	  {"x-amz-date", "20130524T000000Z"}},
	 "host;x-amz-content-sha256;x-amz-date",
	 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
	{"GET bucket",
	 "GET",
	 "/",
	 "prefix=J&max-keys=2",
	 EMPTY,
	 {{"Host", "examplebucket.s3.amazonaws.com"},
	  {"x-amz-content-sha256", EMPTY},
	  {"x-amz-date", "20130524T000000Z"}},
	 "host;x-amz-content-sha256;x-amz-date",
	 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static void signatures_are_those_of_the_reference_of_s3(void)
{
	for (size_t i = 0; i < sizeof s3_cases / sizeof s3_cases[0]; i++)
		check(&s3_cases[i], &s3, S3_TIME,
		      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
		      "aws4_request, SignedHeaders=");
}

static void a_time_is_written_without_punctuation(void)
{
	struct buf out = {0};

	CHECK_ERR(sigv4_put_time(&out, SUITE_TIME), OK);
	CHECK_ERR(sigv4_put_time(&out, 0), OK);
	CHECK_BYTES(buf_view(&out), "20150830T123600Z19700101T000000Z");
	buf_done(&out);
}

static void texts_are_percent_encoded(void)
{
	struct buf out = {0};

	CHECK_ERR(sigv4_put_encoded(&out, BYTES("a/b c+\xc3\xa9~%"), true), OK);
	CHECK_BYTES(buf_view(&out), "a/b%20c%2B%C3%A9~%25");
	buf_reset(&out);
	CHECK_ERR(sigv4_put_encoded(&out, BYTES("a/b"), false), OK);
	CHECK_BYTES(buf_view(&out), "a%2Fb");
	buf_done(&out);
}

static void more_than_the_limits_is_not_signed(void)
{
	struct drain_pair headers[SIGV4_HEADERS_MAX + 1];
	struct sigv4_request r = {.method = BYTES("GET"), .path = BYTES("/"), .headers = headers};
	struct buf out = {0}, query = {0};

	for (size_t i = 0; i <= SIGV4_HEADERS_MAX; i++)
		headers[i] = (struct drain_pair){BYTES("a"), BYTES("b")};
	r.header_count = SIGV4_HEADERS_MAX;
	CHECK_ERR(sigv4_put_authorization(&out, &s3, &r, 0), OK);
	buf_reset(&out);
	r.header_count++;
	CHECK_ERR(sigv4_put_authorization(&out, &s3, &r, 0), ERR_LIMIT);
	r.header_count = 1;
	for (size_t i = 0; i < SIGV4_PARAMETERS_MAX; i++)
		CHECK_ERR(buf_put_str(&query, i ? "&a" : "a"), OK);
	r.query = buf_view(&query);
	CHECK_ERR(sigv4_put_authorization(&out, &s3, &r, 0), OK);
	buf_reset(&out);
	CHECK_ERR(buf_put_str(&query, "&a"), OK);
	r.query = buf_view(&query);
	CHECK_ERR(sigv4_put_authorization(&out, &s3, &r, 0), ERR_LIMIT);
	CHECK_U64(out.len, 0);
	buf_done(&out);
	buf_done(&query);
}

static enum err sign_one(void)
{
	struct drain_pair headers[8];
	struct sigv4_request r = request_of(&s3_cases[1], headers);
	struct buf out = {0};
	enum err e = sigv4_put_authorization(&out, &s3, &r, S3_TIME);

	CHECK(e == OK || out.len == 0);
	buf_done(&out);
	return e;
}

static void a_signature_without_memory_is_none(void)
{
	tap_fail_each_allocation(sign_one);
}

int main(void)
{
	CHECK_ERR(seal_init(), OK);
	RUN_TESTS(TEST(signatures_are_those_of_the_test_suite),
		  TEST(signatures_are_those_of_the_reference_of_s3),
		  TEST(a_time_is_written_without_punctuation), TEST(texts_are_percent_encoded),
		  TEST(more_than_the_limits_is_not_signed),
		  TEST(a_signature_without_memory_is_none));
}
