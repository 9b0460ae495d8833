/* SPDX-License-Identifier: MIT
 *
 * Input: a text, a newline, a body. What a server says can neither leave the place it is put into,
 * nor make an object's key that leads elsewhere.
 */
#include <stdlib.h>

#include "drain/http/s3_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_key(struct bytes key)
{
	struct bytes rest = key;

	while (rest.len) {
		struct bytes part = bytes_cut(&rest, '/');
		must(part.len && !bytes_equal(part, BYTES(".")) && !bytes_equal(part, BYTES("..")));
	}
	for (size_t i = 0; i < key.len; i++)
		must(key.at[i] > ' ' && key.at[i] < 0x7f && key.at[i] != '?' && key.at[i] != '#');
}

static void check_keys(struct bytes text)
{
	struct buf out = {0};

	if (s3_put_folder(&out, text, text) == OK) {
		check_key(buf_view(&out));
		must(out.at[out.len - 1] == '/');
	}
	buf_reset(&out);
	if (s3_put_name(&out, text, 0) == OK)
		check_key(buf_view(&out));
	buf_done(&out);
}

static void check_values(struct bytes text)
{
	struct buf out = {0};
	struct bytes part;

	if (s3_put_part(&out, 1, text, BYTES("c")) == OK) {
		must(s3_find_element(buf_view(&out), "ETag", &part) == OK);
		must(bytes_find_byte(part, '<') == SIZE_MAX && part.len >= text.len);
		must(bytes_find(buf_view(&out), BYTES("<Part>")) == 0);
	}
	buf_reset(&out);
	if (s3_put_upload_id(&out, text) == OK)
		must(bytes_find_byte(buf_view(&out), '&') == SIZE_MAX);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes body = {data, size}, text = bytes_cut(&body, '\n'), found;

	check_keys(text);
	check_values(text);
	must(s3_result_of(400, body) != SINK_DELIVERED && s3_result_of(400, body) != SINK_REFUSED);
	if (s3_find_element(body, "UploadId", &found) == OK)
		must(found.len < body.len && bytes_find(body, found) != SIZE_MAX);
	return 0;
}
