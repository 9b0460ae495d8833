/* SPDX-License-Identifier: MIT
 *
 * Input: a header's name, a newline, any text. The text is written down as that header's value, as
 * a request target and as a command line: no place where a key stands may come through, nothing
 * else may change, and writing it down once more changes nothing.
 */
#include <stdlib.h>

#include "llm/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_header(struct bytes name, struct bytes value)
{
	struct bytes key = credential_of_header(name, value), prefix = credential_prefix(key), rest;
	struct buf out = {0};

	must(credential_put_header(&out, name, value) == OK);
	rest = buf_view(&out);
	must(bytes_starts(rest, name) && bytes_ends(rest, BYTES("\r\n")));
	rest = bytes_slice(bytes_from(rest, name.len + 2), 0, rest.len - name.len - 4);
	must(bytes_equal(rest, credential_is_header(name) ? BYTES("redacted") : value));
	must(key.len == 0 || credential_is_header(name));
	must(key.len <= value.len && (key.len == 0 || bytes_find(value, key) != SIZE_MAX));
	must(bytes_starts(key, prefix) && prefix.len <= CREDENTIAL_PREFIX_MAX);
	must(prefix.len == 0 || key.len - prefix.len > 16);
	buf_done(&out);
}

static bool is_key_parameter(struct bytes name)
{
	return bytes_equal_nocase(name, BYTES("key")) || bytes_equal_nocase(name, BYTES("token")) ||
	       bytes_equal_nocase(name, BYTES("api_key")) || credential_is_header(name);
}

static void check_target(struct bytes target)
{
	struct buf out = {0}, again = {0};
	struct bytes before = target, after, path, written;

	must(credential_put_target(&out, target) == OK);
	must(credential_put_target(&again, buf_view(&out)) == OK);
	must(bytes_equal(buf_view(&out), buf_view(&again)));
	after = buf_view(&out);
	path = bytes_cut(&before, '?');
	written = bytes_cut(&after, '?');
	must(bytes_equal(path, written) || bytes_find(path, BYTES("://")) != SIZE_MAX);
	while (before.len || after.len) {
		struct bytes value = bytes_cut(&before, '&'), shown = bytes_cut(&after, '&');
		struct bytes name = bytes_cut(&value, '=');
		must(bytes_equal(name, bytes_cut(&shown, '=')));
		if (value.len && is_key_parameter(name))
			must(bytes_equal(shown, BYTES("redacted")));
		else
			must(bytes_equal(shown, value) || bytes_equal(shown, BYTES("redacted")));
	}
	buf_done(&out);
	buf_done(&again);
}

static bool is_key_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '_' || c == '.';
}

/* No word "sk-" with eight bytes of a key, no "authorization:" with a value. */
static void check_written_text(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		struct bytes rest = bytes_from(text, i);
		size_t len = 0;
		if (bytes_equal_nocase(bytes_slice(rest, 0, 14), BYTES("authorization:"))) {
			rest = bytes_from(rest, 14);
			must(bytes_equal(bytes_cut(&rest, '\0'), BYTES(" redacted")));
		} else if (bytes_starts(rest, BYTES("sk-")) &&
			   (i == 0 || !is_key_byte(text.at[i - 1]))) {
			for (rest = bytes_from(rest, 3);
			     len < rest.len && is_key_byte(rest.at[len]);)
				len++;
			must(len < 8);
		}
	}
}

static void check_text(struct bytes text)
{
	struct buf out = {0}, again = {0};

	must(credential_put_text(&out, text) == OK);
	check_written_text(buf_view(&out));
	must(credential_put_text(&again, buf_view(&out)) == OK);
	must(bytes_equal(buf_view(&out), buf_view(&again)));
	buf_done(&out);
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = {data, size}, name = bytes_cut(&text, '\n');

	check_header(name, text);
	check_target(text);
	check_text(text);
	return 0;
}
