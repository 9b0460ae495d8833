/* SPDX-License-Identifier: MIT
 *
 * Any text as a request's body: reading what it uses ends, and a member that is forced into it is
 * there afterwards, with every other byte as it was.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "llm/body_edit.h"
#include "llm/control.h"
#include "llm/feature.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* What is left of `after` when the bytes that differ are taken out is what is left of `before`. */
static void check_rest(struct bytes before, struct bytes after)
{
	size_t front = 0, back = 0, least = before.len < after.len ? before.len : after.len;

	while (front < least && before.at[front] == after.at[front])
		front++;
	while (back < least - front &&
	       before.at[before.len - 1 - back] == after.at[after.len - 1 - back])
		back++;
	/* A value of at most a few bytes went, or nothing. */
	must(after.len - front - back <= 96);
}

static void check_control(struct bytes body, const struct control *c)
{
	enum body_edit_found found = FOUND_SAME, again = FOUND_ABSENT;
	struct bytes was = BYTES_NONE, value = bytes_str(c->safe);
	struct buf out = {0}, second = {0};
	enum err e = body_edit_set(body, c->path, value, &out, &found, &was);

	must(e == OK || e == ERR_UNSUPPORTED || e == ERR_NOMEM);
	must(!e || out.len == 0);
	if (!e)
		must(json_check(body, NULL, NULL) == OK);
	if (!e && found != FOUND_SAME) {
		must(json_check(buf_view(&out), NULL, NULL) == OK);
		check_rest(body, buf_view(&out));
		must(body_edit_set(buf_view(&out), c->path, value, &second, &again, &was) == OK);
		must(again == FOUND_SAME && second.len == 0);
	}
	buf_done(&out);
	buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes body = bytes_of(data, size);
	const struct control *c;
	struct features f;

	features_read(body, &f);
	must(f.bits >> FEATURE_COUNT == 0);
	must(f.has_max_tokens || f.max_tokens == 0);
	for (size_t i = 0; (c = control_at(i)); i++)
		check_control(body, c);
	return 0;
}
