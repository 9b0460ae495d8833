/* SPDX-License-Identifier: MIT */
#include "llm/dialect.h"

static const struct dialect *const dialects[] = {
#define DIALECT(id, text) &dialect_##id,
#include "llm/dialect.def"
#undef DIALECT
};

#define DIALECT_COUNT (sizeof dialects / sizeof dialects[0])

const struct dialect *dialect_at(size_t i)
{
	return i < DIALECT_COUNT ? dialects[i] : NULL;
}

const struct dialect *dialect_of(unsigned number)
{
	return number == DIALECT_NONE ? NULL : dialect_at(number - 1);
}

enum dialect_number dialect_number(const struct dialect *d)
{
	for (size_t i = 0; i < DIALECT_COUNT; i++)
		if (dialects[i] == d)
			return (enum dialect_number)(i + 1);
	return DIALECT_NONE;
}

const struct dialect *dialect_find(struct bytes name)
{
	for (size_t i = 0; i < DIALECT_COUNT; i++)
		if (bytes_equal(name, bytes_str(dialects[i]->name)))
			return dialects[i];
	return NULL;
}

const char *dialect_names(void)
{
#define DIALECT(id, text) ", " text
	static const char names[] =
#include "llm/dialect.def"
		;
#undef DIALECT
	return names + sizeof ", " - 1;
}

enum err dialect_put_refusal(const struct dialect *d, const struct refusal *refusal,
			     struct buf *out)
{
	return error_shape_put_refusal(&error_shapes[d->facts->refusal - 1],
				       catalogue_text(d->facts->request_id_header), refusal, out);
}
