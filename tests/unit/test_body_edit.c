/* SPDX-License-Identifier: MIT
 *
 * A member forced into a JSON body: which bytes change, and which requests must not be changed.
 */
#include "llm/body_edit.h"

#include <stdlib.h>

#include "tap.h"

struct set_case {
	const char *body, *path, *value;
	const char *after; /* NULL: it cannot be done; "": it is so already */
	const char *before;
};

static const struct set_case sets[] = {
	{"{}", "store", "false", "{\"store\":false}", ""},
	{"{\"a\":1}", "store", "false", "{\"store\":false,\"a\":1}", ""},
	{" {\n\"a\" : 1 }\n", "store", "false", " {\"store\":false,\n\"a\" : 1 }\n", ""},
	{"{ }", "store", "false", "{\"store\":false }", ""},
	{"{\"store\":true}", "store", "false", "{\"store\":false}", "true"},
	{"{\"store\" : true , \"a\":[1,{\"store\":true}]}", "store", "false",
	 "{\"store\" : false , \"a\":[1,{\"store\":true}]}", "true"},
	{"{\"store\":null}", "store", "false", "{\"store\":false}", "null"},
	{"{\"store\":\"yes\"}", "store", "false", "{\"store\":false}", "\"yes\""},
	{"{\"st\\u006fre\":true}", "store", "false", "{\"st\\u006fre\":false}", "true"},
	{"{\"store\":false}", "store", "false", "", ""},
	{"{\"a\":{\"store\":true}}", "store", "false", "{\"store\":false,\"a\":{\"store\":true}}",
	 ""},
	{"{\"Store\":true}", "store", "false", "{\"store\":false,\"Store\":true}", ""},
	{"{}", "provider.zdr", "true", "{\"provider\":{\"zdr\":true}}", ""},
	{"{\"a\":1}", "provider.zdr", "true", "{\"provider\":{\"zdr\":true},\"a\":1}", ""},
	{"{\"provider\":{}}", "provider.zdr", "true", "{\"provider\":{\"zdr\":true}}", ""},
	{"{\"provider\":{\"order\":[\"x\"]}}", "provider.zdr", "true",
	 "{\"provider\":{\"zdr\":true,\"order\":[\"x\"]}}", ""},
	{"{\"provider\":{\"zdr\":false}}", "provider.zdr", "true", "{\"provider\":{\"zdr\":true}}",
	 "false"},
	{"{\"provider\":null,\"b\":2}", "provider.zdr", "true",
	 "{\"provider\":{\"zdr\":true},\"b\":2}", "null"},
	{"{\"provider\":{\"data_collection\":\"allow\"}}", "provider.data_collection", "\"deny\"",
	 "{\"provider\":{\"data_collection\":\"deny\"}}", "\"allow\""},
	{"{\"provider\":{\"data_collection\":\"d\\u0065ny\"}}", "provider.data_collection",
	 "\"deny\"", "", ""},
	{"{}", "a.b.c", "1", "{\"a\":{\"b\":{\"c\":1}}}", ""},
	{"{\"a\":{\"x\":0}}", "a.b.c", "1", "{\"a\":{\"b\":{\"c\":1},\"x\":0}}", ""},
	{"{\"a\":{\"b\":null}}", "a.b.c", "1", "{\"a\":{\"b\":{\"c\":1}}}", "null"},
	/* nobody knows which of two a server takes */
	{"{\"store\":false,\"store\":true}", "store", "false", NULL, ""},
	{"{\"store\":false,\"st\\u006fre\":false}", "store", "false", NULL, ""},
	{"{\"provider\":{\"zdr\":true},\"provider\":{}}", "provider.zdr", "true", NULL, ""},
	{"{\"store\":{}}", "store", "false", NULL, ""},
	{"{\"store\":[false]}", "store", "false", NULL, ""},
	{"{\"provider\":\"x\"}", "provider.zdr", "true", NULL, ""},
	{"{\"provider\":[]}", "provider.zdr", "true", NULL, ""},
	{"[]", "store", "false", NULL, ""},
	{"", "store", "false", NULL, ""},
	{"{\"a\":1", "store", "false", NULL, ""},
	{"{\"a\":1}x", "store", "false", NULL, ""},
	{"{\"a\":1,}", "store", "false", NULL, ""},
};

static void check_set(const struct set_case *c)
{
	enum body_edit_found found = FOUND_SAME;
	struct bytes before = BYTES_NONE;
	struct buf out = {0};
	enum err e = body_edit_set(tap_guarded(bytes_str(c->body)), c->path, bytes_str(c->value),
				   &out, &found, &before);

	if (!c->after) {
		CHECK_ERR(e, ERR_UNSUPPORTED);
		CHECK_U64(out.len, 0);
	} else {
		CHECK_ERR(e, OK);
		CHECK((found == FOUND_SAME) == (c->after[0] == '\0'));
		CHECK_BYTES(buf_view(&out), c->after);
		CHECK_BYTES(before, c->before);
	}
	buf_done(&out);
}

static void a_member_is_set_and_every_other_byte_stays(void)
{
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		check_set(&sets[i]);
}

static enum err read_request(const char *text, struct http1_request *q)
{
	size_t used;

	http1_request_init(q, 1u << 20);
	return http1_request_feed(q, tap_guarded(bytes_str(text)), &used);
}

struct head_case {
	const char *request;
	bool possible, possible_when_gone;
};

#define POST "POST /v1/responses HTTP/1.1\r\nHost: h\r\n"
#define TWO  "Content-Length: 2\r\n\r\n{}"

static const struct head_case heads[] = {
	{POST TWO, true, true},
	{POST "Authorization: Bearer sk-1\r\n" TWO, true, true},
	{POST "Authorization: AWS4-HMAC-SHA256 Credential=x, Signature=y\r\n" TWO, false, false},
	{POST "authorization: aws4-hmac-sha256 x\r\n" TWO, false, false},
	{POST "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\n" TWO, false, false},
	{"POST /v1/responses?X-Amz-Signature=00 HTTP/1.1\r\nHost: h\r\n" TWO, false, false},
	{POST "Content-MD5: x\r\n" TWO, false, false},
	{POST "Content-Digest: x\r\n" TWO, false, false},
	{POST "Signature: x\r\n" TWO, false, false},
	{POST "Content-Encoding: gzip\r\n" TWO, false, false},
	{POST "Content-Encoding: identity\r\n" TWO, true, true},
	{POST "Expect: 100-continue\r\n" TWO, false, true},
	{POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", true, true},
	{POST "Trailer: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", false, false},
	{POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0;a=b\r\n\r\n", false, false},
};

static void what_speaks_of_its_exact_bytes_is_not_changed(void)
{
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		struct http1_request q;
		CHECK_ERR(read_request(heads[i].request, &q), OK);
		if (body_edit_is_possible(&q, false) != heads[i].possible ||
		    body_edit_is_possible(&q, true) != heads[i].possible_when_gone)
			tap_fail(__FILE__, __LINE__, "%s", heads[i].request);
		http1_request_done(&q);
	}
}

static void the_length_or_the_chunks_are_made_right(void)
{
	static const char *const cases[][2] = {
		{POST "content-length:  2 \r\nX: y\r\n\r\n{}",
		 POST "content-length:  13\r\nX: y\r\n\r\n{\"store\":1}  "},
		{POST "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
		 POST "Transfer-Encoding: chunked\r\n\r\nd\r\n{\"store\":1}  \r\n0\r\n\r\n"},
	};

	for (size_t i = 0; i < 2; i++) {
		struct buf out = {0};
		struct http1_request q;
		CHECK_ERR(read_request(cases[i][0], &q), OK);
		CHECK_ERR(body_edit_put(&q, BYTES("{\"store\":1}  "), false, &out), OK);
		CHECK_BYTES(buf_view(&out), cases[i][1]);
		buf_done(&out);
		http1_request_done(&q);
	}
}

static enum err set_one(void)
{
	enum body_edit_found found;
	struct bytes before;
	struct buf out = {0};
	enum err e = body_edit_set(BYTES("{\"a\":1}"), "provider.zdr", BYTES("true"), &out, &found,
				   &before);

	if (e)
		CHECK_U64(out.len, 0);
	buf_done(&out);
	return e;
}

static void a_failing_allocation_leaves_nothing_behind(void)
{
	tap_fail_each_allocation(set_one);
}

int main(void)
{
	RUN_TESTS(TEST(a_member_is_set_and_every_other_byte_stays),
		  TEST(what_speaks_of_its_exact_bytes_is_not_changed),
		  TEST(the_length_or_the_chunks_are_made_right),
		  TEST(a_failing_allocation_leaves_nothing_behind));
}
