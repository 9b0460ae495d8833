/* SPDX-License-Identifier: MIT */
#include "drain/http/s3_text.h"

#include "tap.h"

#define TIME_NS UINT64_C(1796020501123456789) /* 2026-11-30 06:35:01 UTC */

static void a_folder_is_made_of_prefix_and_host(void)
{
	static const struct {
		struct bytes prefix, host;
		const char *folder; /* NULL: ERR_BAD */
	} cases[] = {
		{BYTES(""), BYTES("web-1"), "web-1/"},
		{BYTES("aigw/"), BYTES("web-1"), "aigw/web-1/"},
		{BYTES("/a b/c//"), BYTES("web-1"), "a%20b/c/web-1/"},
		{BYTES("a"), BYTES(""), "a/unknown/"},
		{BYTES("a"), BYTES(".."), "a/unknown/"},
		{BYTES("a"), BYTES("x/y"), "a/unknown/"},
		{BYTES("a"), BYTES("x\0y?#"), "a/x%00y%3F%23/"},
		{BYTES("a//b"), BYTES("h"), NULL},
		{BYTES("a/../b"), BYTES("h"), NULL},
		{BYTES("."), BYTES("h"), NULL},
	};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_reset(&out);
		CHECK_ERR(s3_put_folder(&out, cases[i].prefix, cases[i].host),
			  cases[i].folder ? OK : ERR_BAD);
		if (cases[i].folder)
			CHECK_BYTES(buf_view(&out), cases[i].folder);
	}
	buf_done(&out);
}

static void a_segment_is_named_by_its_day_and_file(void)
{
	static const struct {
		const char *path, *name; /* NULL: ERR_BAD */
	} cases[] = {
		{"/var/log/aigw/2026-11-24/web-1-77-ab12.aigw", "2026-11-24/web-1-77-ab12"},
		{"2026-11-24/x.aigw", "2026-11-24/x"},
		{"/tmp/x.aigw", "2026-11-30/x"},
		{"/2026-02-30/x", "2026-11-30/x"},
		{"x y", "2026-11-30/x%20y"},
		{"", NULL},
		{"a/.aigw", NULL},
		{"a/..", NULL},
	};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_reset(&out);
		CHECK_ERR(s3_put_name(&out, tap_guarded(bytes_str(cases[i].path)), TIME_NS),
			  cases[i].name ? OK : ERR_BAD);
		if (cases[i].name)
			CHECK_BYTES(buf_view(&out), cases[i].name);
	}
	buf_done(&out);
}

static void an_instant_and_base64_are_written(void)
{
	struct buf out = {0};

	CHECK_ERR(s3_put_instant(&out, TIME_NS / 1000000000), OK);
	CHECK_BYTES(buf_view(&out), "2026-11-30T06:35:01Z");
	buf_reset(&out);
	/* RFC 4648 10 */
	CHECK_ERR(s3_put_base64(&out, BYTES("")), OK);
	CHECK_ERR(s3_put_base64(&out, tap_guarded(BYTES("f"))), OK);
	CHECK_ERR(s3_put_base64(&out, tap_guarded(BYTES("fo"))), OK);
	CHECK_ERR(s3_put_base64(&out, tap_guarded(BYTES("foobar"))), OK);
	CHECK_ERR(s3_put_base64(&out, tap_guarded(BYTES("\xff\xfe\xfb"))), OK);
	CHECK_BYTES(buf_view(&out), "Zg==Zm8=Zm9vYmFy//77");
	buf_done(&out);
}

static void elements_are_found(void)
{
	struct bytes xml = BYTES("<?xml?><R><UploadId>a-1.b</UploadId><Code></Code><Open>x</R>");
	struct bytes text;

	CHECK_ERR(s3_find_element(xml, "UploadId", &text), OK);
	CHECK_BYTES(text, "a-1.b");
	CHECK_ERR(s3_find_element(xml, "Code", &text), OK);
	CHECK_BYTES(text, "");
	CHECK_ERR(s3_find_element(xml, "Open", &text), ERR_MISSING);
	CHECK_ERR(s3_find_element(xml, "Other", &text), ERR_MISSING);
	CHECK_ERR(s3_find_element(BYTES_NONE, "R", &text), ERR_MISSING);
	CHECK_ERR(s3_find_element(
			  xml, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			  &text),
		  ERR_MISSING);
}

static void a_server_cannot_write_into_our_xml_or_query(void)
{
	struct buf out = {0};
	char long_one[S3_TOKEN_BYTES_MAX + 1];

	CHECK_ERR(s3_put_part(&out, 7, BYTES("\"0af\""), BYTES("c2Vl")), OK);
	CHECK_BYTES(buf_view(&out), "<Part><PartNumber>7</PartNumber><ETag>&quot;0af&quot;</ETag>"
				    "<ChecksumSHA256>c2Vl</ChecksumSHA256></Part>");
	buf_reset(&out);
	CHECK_ERR(s3_put_part(&out, 7, BYTES("</ETag>"), BYTES("")), ERR_BAD);
	CHECK_ERR(s3_put_part(&out, 7, BYTES("&lt;"), BYTES("")), ERR_BAD);
	CHECK_ERR(s3_put_part(&out, 7, BYTES(""), BYTES("")), ERR_BAD);
	CHECK_ERR(s3_put_upload_id(&out, BYTES("a b")), ERR_BAD);
	CHECK_ERR(s3_put_upload_id(&out, BYTES("a\r\n")), ERR_BAD);
	CHECK_U64(out.len, 0);
	CHECK_ERR(s3_put_upload_id(&out, BYTES("a+/=~")), OK);
	CHECK_BYTES(buf_view(&out), "a%2B%2F%3D~");
	memset(long_one, 'a', sizeof long_one);
	CHECK_ERR(s3_put_upload_id(&out, bytes_of(long_one, S3_TOKEN_BYTES_MAX)), OK);
	CHECK_ERR(s3_put_upload_id(&out, bytes_of(long_one, S3_TOKEN_BYTES_MAX + 1)), ERR_BAD);
	buf_done(&out);
}

static void an_error_is_the_configurations_or_for_later(void)
{
	static const struct {
		unsigned status;
		struct bytes body;
		enum sink_result result;
	} cases[] = {
		{200, BYTES(""), SINK_DELIVERED},
		{200, BYTES("<CompleteMultipartUploadResult/>"), SINK_DELIVERED},
		{200, BYTES("<Error><Code>InternalError</Code></Error>"), SINK_RETRY},
		{200, BYTES("<Error>"), SINK_RETRY},
		{301, BYTES("<Error><Code>PermanentRedirect</Code></Error>"), SINK_WRONG},
		{400, BYTES("<Error><Code>RequestTimeout</Code></Error>"), SINK_RETRY},
		{400, BYTES("<Error><Code>AuthorizationHeaderMalformed</Code></Error>"),
		 SINK_WRONG},
		{403, BYTES("<Error><Code>SignatureDoesNotMatch</Code></Error>"), SINK_WRONG},
		{403, BYTES("<Error><Code>RequestTimeTooSkewed</Code></Error>"), SINK_RETRY},
		{404, BYTES("<Error><Code>NoSuchBucket</Code></Error>"), SINK_WRONG},
		{404, BYTES("<Error><Code>NoSuchUpload</Code></Error>"), SINK_RETRY},
		{409, BYTES("<Error><Code>OperationAborted</Code></Error>"), SINK_RETRY},
		{413, BYTES(""), SINK_WRONG},
		{429, BYTES(""), SINK_RETRY},
		{503, BYTES("<Error><Code>SlowDown</Code></Error>"), SINK_RETRY},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK_U64(s3_result_of(cases[i].status, cases[i].body), cases[i].result);
}

int main(void)
{
	RUN_TESTS(TEST(a_folder_is_made_of_prefix_and_host),
		  TEST(a_segment_is_named_by_its_day_and_file),
		  TEST(an_instant_and_base64_are_written), TEST(elements_are_found),
		  TEST(a_server_cannot_write_into_our_xml_or_query),
		  TEST(an_error_is_the_configurations_or_for_later));
}
