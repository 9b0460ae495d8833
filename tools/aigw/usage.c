/* SPDX-License-Identifier: MIT */
#include "usage.h"

#include "day.h"
#include "policy/pricing.h"
#include "print.h"

#define STATUS_FAILED 400

const char *usage_by_word(enum usage_by by)
{
	static const char *const words[] = {
#define BY(name, word, title) word,
		USAGE_BYS(BY)
#undef BY
	};

	return words[by];
}

const char *usage_by_title(enum usage_by by)
{
	static const char *const titles[] = {
#define BY(name, word, title) title,
		USAGE_BYS(BY)
#undef BY
	};

	return titles[by];
}

static uint64_t number(const struct log_entry *entry, enum field f)
{
	uint64_t n;

	return entry_find_u64(entry, f, &n) == OK ? n : 0;
}

static bool is_refused(const struct log_entry *entry)
{
	return bytes_equal(entry_text(entry, F_OUTCOME), BYTES("refused"));
}

static bool is_billed_operation(const struct log_entry *entry)
{
	struct bytes name = entry_text(entry, F_OPERATION);

	for (unsigned op = 0; op < OP_COUNT; op++)
		if (bytes_equal(name, bytes_str(operation_name((enum operation)op))))
			return pricing_is_billed((enum operation)op);
	return true;
}

bool usage_is_billed(const struct log_entry *entry)
{
	return !is_refused(entry) && is_billed_operation(entry);
}

struct counts usage_counts(const struct log_entry *entry)
{
	struct counts c = {.requests = 1};
	uint64_t picousd;

	if (is_refused(entry)) {
		c.refused = 1;
		return c;
	}
	c.input_tokens = number(entry, F_USAGE_INPUT_TOKENS);
	c.cache_read_tokens = number(entry, F_USAGE_CACHE_READ);
	c.cache_write_tokens = number(entry, F_USAGE_CACHE_CREATION);
	c.output_tokens = number(entry, F_USAGE_OUTPUT_TOKENS);
	c.reasoning_tokens = number(entry, F_USAGE_REASONING);
	c.failed = number(entry, F_STATUS) >= STATUS_FAILED;
	if (entry_find_u64(entry, F_COST, &picousd) == OK) {
		c.cost_picousd = picousd;
		c.priced = 1;
	} else {
		c.unpriced = !c.failed && is_billed_operation(entry);
	}
	return c;
}

static void put_or_dash(struct buf *out, struct bytes text)
{
	need(buf_put(out, text.len ? text : BYTES("-")));
}

void usage_put_name(struct buf *out, const struct log_entry *entry, enum usage_by by)
{
	static const enum field fields[BY_COUNT] = {
		[BY_MODEL] = F_REQUEST_MODEL,
		[BY_PROVIDER] = F_PROVIDER,
		[BY_ENVIRONMENT] = F_ENVIRONMENT,
		[BY_APPLICATION] = F_APPLICATION,
		[BY_KEY] = F_KEY_FINGERPRINT,
		[BY_USER] = F_USER,
		[BY_HOST] = F_HOST,
	};
	char day[DAY_CHARS + 1];

	if (by == BY_DAY) {
		day_of_time(entry->time_ns, day);
		need(buf_put_str(out, day));
		return;
	}
	if (by == BY_MODEL) {
		put_or_dash(out, entry_text(entry, F_PROVIDER));
		need(buf_put_u8(out, '/'));
	}
	/* A gateway key has a name, which stays when the key is rotated. */
	if (by == BY_KEY && entry_text(entry, F_KEY_NAME).len)
		by = BY_COUNT;
	put_or_dash(out, entry_text(entry, by == BY_COUNT ? F_KEY_NAME : fields[by]));
}
