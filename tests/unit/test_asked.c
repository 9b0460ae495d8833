/* SPDX-License-Identifier: MIT
 *
 * What requests asked for: found by the id of their answer, in order, and forgotten afterwards.
 */
#include "shim/asked.h"

#include "tap.h"

#define FIRST  "01K00000000000000000000001"
#define SECOND "01K00000000000000000000002"
#define THIRD  "01K00000000000000000000003"

static enum err put(struct buf *list, const char *id, const char *model)
{
	struct call call = {.operation = OP_EMBEDDINGS, .model_len = strlen(model)};

	memcpy(call.model, model, call.model_len);
	return asked_put(list, id, &catalogue[0], &call);
}

static void answers_find_what_was_asked_and_forget_it(void)
{
	struct buf list = {0};
	struct asked got = {0};

	CHECK_ERR(put(&list, FIRST, "gpt-5"), OK);
	CHECK_ERR(put(&list, SECOND, ""), OK);
	CHECK(asked_take(&list, FIRST, &got));
	CHECK_STR(got.model, "gpt-5");
	CHECK_STR(got.provider, catalogue[0].name);
	CHECK(got.operation == OP_EMBEDDINGS);
	CHECK(!asked_take(&list, FIRST, &got));
	CHECK(asked_take(&list, SECOND, &got));
	CHECK_STR(got.model, "");
	CHECK_U64(list.len, 0);
	CHECK(!asked_take(&list, SECOND, &got));
	buf_done(&list);
}

static void what_will_not_be_answered_is_forgotten_with_a_later_one(void)
{
	struct buf list = {0};
	struct asked got = {0};

	CHECK_ERR(put(&list, FIRST, "a"), OK);
	CHECK_ERR(put(&list, SECOND, "b"), OK);
	CHECK_ERR(put(&list, THIRD, "c"), OK);
	CHECK(asked_take(&list, SECOND, &got));
	CHECK_STR(got.model, "b");
	CHECK(!asked_take(&list, FIRST, &got));
	CHECK(asked_take(&list, THIRD, &got));
	buf_done(&list);
}

static void the_longest_names_fit(void)
{
	char model[MODEL_BYTES_MAX + 1] = {0};
	struct buf list = {0};
	struct asked got = {0};

	memset(model, 'm', MODEL_BYTES_MAX);
	CHECK_ERR(put(&list, FIRST, model), OK);
	CHECK(asked_take(&list, FIRST, &got));
	CHECK_STR(got.model, model);
	buf_done(&list);
}

static enum err put_two(void)
{
	struct buf list = {0};
	enum err e = put(&list, FIRST, "gpt-5");
	struct asked got;

	if (!e)
		e = put(&list, SECOND, "gpt-5");
	CHECK(e == ERR_NOMEM || asked_take(&list, SECOND, &got));
	buf_done(&list);
	return e;
}

static void without_memory_nothing_is_kept(void)
{
	tap_fail_each_allocation(put_two);
}

int main(void)
{
	RUN_TESTS(TEST(answers_find_what_was_asked_and_forget_it),
		  TEST(what_will_not_be_answered_is_forgotten_with_a_later_one),
		  TEST(the_longest_names_fit), TEST(without_memory_nothing_is_kept));
}
