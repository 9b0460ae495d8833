/* SPDX-License-Identifier: MIT
 *
 * Multipart forms: the parts of strict ones, and that everything which two servers could read in
 * two ways is refused. Base64, which is as strict.
 */
#include "tap.h"

#include "wire/base64.h"
#include "wire/multipart.h"

struct boundary_case {
	const char *content_type;
	enum err expected;
	const char *boundary;
};

static const struct boundary_case boundaries[] = {
	{"multipart/form-data; boundary=x", OK, "x"},
	{"Multipart/Form-Data;Boundary=\"a b\" ; charset=utf-8", OK, "a b"},
	{" multipart/form-data ; charset=utf-8; boundary=----WebKitFormBoundary7MA4YWxk", OK,
	 "----WebKitFormBoundary7MA4YWxk"},
	{"application/json", ERR_MISSING, NULL},
	{"", ERR_MISSING, NULL},
	{"multipart/mixed; boundary=x", ERR_MISSING, NULL},
	{"multipart/form-data", ERR_BAD, NULL},
	{"multipart/form-data;", ERR_BAD, NULL},
	{"multipart/form-data; boundary=", ERR_BAD, NULL},
	{"multipart/form-data; boundary=\"\"", ERR_BAD, NULL},
	{"multipart/form-data; boundary=\"x", ERR_BAD, NULL},
	{"multipart/form-data; boundary=\"x\" y", ERR_BAD, NULL},
	{"multipart/form-data; boundary=x; boundary=y", ERR_BAD, NULL},
	{"multipart/form-data; boundary=x; boundary=x", ERR_BAD, NULL},
	{"multipart/form-data; boundary=\"a\\\"b\"", ERR_BAD, NULL},
	{"multipart/form-data; boundary=\"a \"", ERR_BAD, NULL},
	{"multipart/form-data; boundary=\x01", ERR_BAD, NULL},
};

static void a_boundary_is_found_when_there_is_exactly_one(void)
{
	for (size_t i = 0; i < sizeof boundaries / sizeof boundaries[0]; i++) {
		struct bytes b = BYTES_NONE;
		enum err e = multipart_boundary(tap_guarded(bytes_str(boundaries[i].content_type)),
						&b);
		if (e != boundaries[i].expected)
			tap_fail(__FILE__, __LINE__, "%s gives %s", boundaries[i].content_type,
				 err_name(e));
		if (!e)
			CHECK_BYTES(b, boundaries[i].boundary);
	}
}

static void a_boundary_has_at_most_70_characters(void)
{
	char type[160] = "multipart/form-data; boundary=";
	size_t len = strlen(type);
	struct bytes b;

	memset(type + len, 'b', MULTIPART_BOUNDARY_MAX);
	CHECK_ERR(multipart_boundary(bytes_str(type), &b), OK);
	type[len + MULTIPART_BOUNDARY_MAX] = 'b';
	CHECK_ERR(multipart_boundary(bytes_str(type), &b), ERR_BAD);
}

/* The parts as "name=content;", files with a star, encoded ones with a plus; then the end. */
static enum err read_all(const char *form, struct buf *ret_text)
{
	struct multipart m;
	struct multipart_part part;
	enum err e;

	multipart_init(&m, tap_guarded(bytes_str(form)), BYTES("B"));
	while (!(e = multipart_next(&m, &part))) {
		CHECK(part.start + part.content.len <= m.text.len);
		CHECK_ERR(buf_put(ret_text, part.name), OK);
		if (part.is_file)
			CHECK_ERR(buf_put_u8(ret_text, '*'), OK);
		if (part.is_encoded)
			CHECK_ERR(buf_put_u8(ret_text, '+'), OK);
		CHECK_ERR(buf_put_u8(ret_text, '='), OK);
		CHECK_ERR(buf_put(ret_text, part.content), OK);
		CHECK_ERR(buf_put_u8(ret_text, ';'), OK);
	}
	if (e == ERR_END)
		CHECK_ERR(multipart_next(&m, &part), ERR_END);
	return e;
}

#define FIELD(name, content)                                                                       \
	"--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" content "\r\n"
#define END "--B--\r\n"

struct form_case {
	const char *form;
	enum err expected;
	const char *parts;
};

static const struct form_case forms[] = {
	{END, ERR_END, ""},
	{"--B--", ERR_END, ""},
	{FIELD("model", "whisper-1") END, ERR_END, "model=whisper-1;"},
	{FIELD("a", "") FIELD("b", "x\r\ny") END, ERR_END, "a=;b=x\r\ny;"},
	{FIELD("a", "say --B is none --B--") END, ERR_END, "a=say --B is none --B--;"},
	{FIELD("a", "--B") END, ERR_BAD, ""},
	{"--B \t\r\ncontent-disposition:form-data;name=a\r\nX: y\r\n\r\n1\r\n--B-- \t\r\n", ERR_END,
	 "a=1;"},
	{"--B\r\nContent-Type: audio/mpeg\r\nContent-Disposition: form-data; name=\"file\"; "
	 "filename=\"a;b=\\\"c.mp3\"\r\n\r\n\x01\r\n--B--\r\n",
	 ERR_END, "file*=\x01;"},
	{"--B\r\nContent-Disposition: form-data; name=\"m\"\r\nContent-Transfer-Encoding: "
	 "base64\r\n"
	 "\r\neA==\r\n--B--\r\n",
	 ERR_END, "m+=eA==;"},
	/* what servers differ in */
	{"", ERR_BAD, ""},
	{"preamble\r\n" FIELD("a", "1") END, ERR_BAD, ""},
	{"\r\n" FIELD("a", "1") END, ERR_BAD, ""},
	{FIELD("a", "1") END "epilogue", ERR_BAD, "a=1;"},
	{FIELD("a", "1") END FIELD("model", "x") END, ERR_BAD, "a=1;"},
	{FIELD("a", "1"), ERR_BAD, ""},
	{FIELD("a", "1") "--B", ERR_BAD, "a=1;"},
	{FIELD("a", "1") "--Bx\r\n", ERR_BAD, "a=1;"},
	{FIELD("a", "1\n--B--\n") END, ERR_BAD, ""},
	{FIELD("a", "1\r--B--\r") END, ERR_BAD, ""},
	{"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n--B: x\r\n\r\n1\r\n" END, ERR_BAD,
	 ""},
	{"--B\nContent-Disposition: form-data; name=a\n\n1\n--B--\n", ERR_BAD, ""},
	{"--B\r\n\r\n1\r\n" END, ERR_BAD, ""},
	{"--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n" END, ERR_BAD, ""},
	{"--B\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n" END, ERR_BAD, ""},
	{"--B\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n" END, ERR_BAD, ""},
	{"--B\r\nContent-Disposition: form-data; name=a; name*=utf-8''model\r\n\r\n1\r\n" END,
	 ERR_BAD, ""},
	{"--B\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
	 "name=b\r\n\r\n1\r\n" END,
	 ERR_BAD, ""},
	{"--B\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n" END, ERR_BAD, ""},
	{"--B\r\nContent-Disposition : form-data; name=a\r\n\r\n1\r\n" END, ERR_BAD, ""},
	{"--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n" END, ERR_BAD, ""},
	{"--B\r\nContent-Disposition: form-data; name=a\r\nno colon\r\n\r\n1\r\n" END, ERR_BAD, ""},
};

static void only_a_strict_form_is_read(void)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct buf parts = {0};
		enum err e = read_all(forms[i].form, &parts);
		if (e != forms[i].expected)
			tap_fail(__FILE__, __LINE__, "form %zu gives %s: %s", i, err_name(e),
				 forms[i].form);
		CHECK_BYTES(buf_view(&parts), forms[i].parts);
		buf_done(&parts);
	}
}

static void every_cut_of_a_form_is_malformed(void)
{
	static const char form[] = FIELD("model", "m") FIELD("b", "2") "--B--";

	for (size_t n = 0; n < sizeof form - 1; n++) {
		struct multipart m;
		struct multipart_part part;
		enum err e;
		multipart_init(&m, tap_guarded(bytes_of(form, n)), BYTES("B"));
		while (!(e = multipart_next(&m, &part)))
			;
		CHECK_ERR(e, ERR_BAD);
	}
}

static enum err read_many(size_t parts, size_t head_bytes)
{
	struct buf form = {0};
	struct multipart m;
	struct multipart_part part;
	enum err e;

	for (size_t i = 0; i < parts; i++) {
		CHECK_ERR(buf_put_str(&form, "--B\r\nX: "), OK);
		for (size_t k = 0; k < head_bytes; k++)
			CHECK_ERR(buf_put_u8(&form, 'x'), OK);
		CHECK_ERR(buf_put_str(&form,
				      "\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n"),
			  OK);
	}
	CHECK_ERR(buf_put_str(&form, END), OK);
	multipart_init(&m, buf_view(&form), BYTES("B"));
	while (!(e = multipart_next(&m, &part)))
		;
	buf_done(&form);
	return e;
}

static void parts_and_header_lines_are_limited(void)
{
	CHECK_ERR(read_many(MULTIPART_PARTS_MAX, 0), ERR_END);
	CHECK_ERR(read_many(MULTIPART_PARTS_MAX + 1, 0), ERR_LIMIT);
	CHECK_ERR(read_many(1, MULTIPART_HEAD_MAX - 5), ERR_END);
	CHECK_ERR(read_many(1, MULTIPART_HEAD_MAX - 4), ERR_LIMIT);
}

struct base64_case {
	const char *text;
	enum err expected;
	const char *meaning;
};

static const struct base64_case encoded[] = {
	{"", OK, ""},
	{"Zg==", OK, "f"},
	{"Zm8=", OK, "fo"},
	{"Zm9v", OK, "foo"},
	{"Zm9vYmFy", OK, "foobar"},
	{"+/+/", OK, "\xFB\xFF\xBF"},
	{"Zg", ERR_BAD, ""},
	{"Zg=", ERR_BAD, ""},
	{"Z===", ERR_BAD, ""},
	{"====", ERR_BAD, ""},
	{"Zh==", ERR_BAD, ""},
	{"Zm9=", ERR_BAD, ""},
	{"Zg==Zg==", ERR_BAD, ""},
	{"Zm9v\n", ERR_BAD, ""},
	{"Zm-_", ERR_BAD, ""},
	{"Zm9vY===", ERR_BAD, ""},
};

static void base64_has_one_spelling(void)
{
	for (size_t i = 0; i < sizeof encoded / sizeof encoded[0]; i++) {
		struct buf out = {0};
		enum err e = base64_put_decoded(&out, tap_guarded(bytes_str(encoded[i].text)));
		if (e != encoded[i].expected)
			tap_fail(__FILE__, __LINE__, "%s gives %s", encoded[i].text, err_name(e));
		CHECK_BYTES(buf_view(&out), encoded[i].meaning);
		buf_done(&out);
	}
}

static enum err decode(void)
{
	struct buf out = {0};
	enum err e = base64_put_decoded(&out, BYTES("Zm9vYmFy"));

	buf_done(&out);
	return e;
}

static void decoding_survives_each_failed_allocation(void)
{
	tap_fail_each_allocation(decode);
}

int main(void)
{
	RUN_TESTS(TEST(a_boundary_is_found_when_there_is_exactly_one),
		  TEST(a_boundary_has_at_most_70_characters), TEST(only_a_strict_form_is_read),
		  TEST(every_cut_of_a_form_is_malformed), TEST(parts_and_header_lines_are_limited),
		  TEST(base64_has_one_spelling), TEST(decoding_survives_each_failed_allocation));
}
