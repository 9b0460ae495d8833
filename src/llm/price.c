/* SPDX-License-Identifier: MIT */
#include "llm/price.h"

#define DECIMALS_OF_MILLION 6 /* a picodollar a token is a microdollar per million */
#define DECIMALS_OF_PICOUSD 12

static const char bucket_names[][24] = {
#define BUCKET(name, key) key,
	PRICE_BUCKETS(BUCKET)
#undef BUCKET
};

static const char plan_names[][16] = {
#define PLAN(name, key) key,
	PRICE_PLANS(PLAN)
#undef PLAN
};

const char *price_bucket_name(enum price_bucket bucket)
{
	return (unsigned)bucket < BUCKET_COUNT ? bucket_names[bucket] : "";
}

const char *price_plan_name(enum price_plan plan)
{
	return (unsigned)plan < PLAN_COUNT ? plan_names[plan] : "";
}

void price_set(struct price *price, enum price_plan plan, enum price_bucket bucket,
	       uint32_t picousd)
{
	price->given[plan] |= (uint8_t)(1u << bucket);
	price->picousd[plan][bucket] = picousd;
}

static bool has(const struct price *price, enum price_plan plan, enum price_bucket bucket)
{
	return price->given[plan] >> bucket & 1;
}

enum err price_plan_of(struct bytes service_tier, enum price_plan *ret_plan)
{
	/* OpenAI: default, flex, priority, scale; Anthropic: standard, priority (which is capacity
	 * bought ahead: no list has a price for it), batch; Groq: on_demand, flex, performance. */
	static const struct {
		char word[12];
		enum price_plan plan;
	} tiers[] = {
		{"", PLAN_STANDARD},         {"default", PLAN_STANDARD},
		{"standard", PLAN_STANDARD}, {"on_demand", PLAN_STANDARD},
		{"batch", PLAN_BATCH},       {"priority", PLAN_PRIORITY},
		{"flex", PLAN_FLEX},
	};

	for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++)
		if (bytes_equal(service_tier, bytes_str(tiers[i].word))) {
			*ret_plan = tiers[i].plan;
			return OK;
		}
	return ERR_UNSUPPORTED;
}

/* ---- the buckets ---- */

static uint64_t count_of(const struct usage *usage, enum usage_kind kind)
{
	return usage->presence[kind] == PRESENT ? usage->tokens[kind] : 0;
}

/* Takes a part out of what is left of the whole. */
static bool split(uint64_t *left, uint64_t part)
{
	if (part > *left)
		return false;
	*left -= part;
	return true;
}

/* OpenTelemetry counts cache and audio within the input, reasoning and audio within the output. */
static enum err split_usage(const struct usage *u, uint64_t tokens[BUCKET_COUNT])
{
	uint64_t input = count_of(u, USAGE_INPUT), output = count_of(u, USAGE_OUTPUT);
	uint64_t read = count_of(u, USAGE_CACHE_READ), audio = count_of(u, USAGE_INPUT_AUDIO);
	uint64_t written = count_of(u, USAGE_CACHE_CREATION);
	uint64_t hour = count_of(u, USAGE_CACHE_CREATION_1H);
	uint64_t reasoning = count_of(u, USAGE_REASONING);
	uint64_t spoken = count_of(u, USAGE_OUTPUT_AUDIO);

	if (!split(&input, read) || !split(&input, written) || !split(&input, audio) ||
	    !split(&written, hour) || !split(&output, reasoning) || !split(&output, spoken))
		return ERR_BAD;
	if (audio && read)
		return ERR_AMBIGUOUS;
	tokens[BUCKET_INPUT] = input;
	tokens[BUCKET_CACHE_READ] = read;
	tokens[BUCKET_CACHE_WRITE] = written;
	tokens[BUCKET_CACHE_WRITE_1H] = hour;
	tokens[BUCKET_AUDIO_INPUT] = audio;
	tokens[BUCKET_OUTPUT] = output;
	tokens[BUCKET_REASONING] = reasoning;
	tokens[BUCKET_AUDIO_OUTPUT] = spoken;
	return OK;
}

/* Which row of prices holds for a request of that length. */
static enum err choose_plan(const struct price *price, enum price_plan plan, uint64_t input,
			    enum price_plan *ret_plan)
{
	bool above = price->above_tokens && input > price->above_tokens;

	if (above && plan != PLAN_STANDARD)
		return ERR_MISSING; /* no list says what both together are */
	*ret_plan = above ? PLAN_ABOVE : plan;
	return OK;
}

static enum price_bucket priced_as(const struct price *price, enum price_bucket bucket)
{
	bool own = has(price, PLAN_STANDARD, BUCKET_REASONING);

	return bucket == BUCKET_REASONING && !own ? BUCKET_OUTPUT : bucket;
}

enum err price_cost(const struct price *price, enum price_plan plan, enum operation operation,
		    const struct usage *usage, uint64_t *ret_picousd)
{
	uint64_t tokens[BUCKET_COUNT], sum = 0, part;
	enum err e;

	if (usage->presence[USAGE_INPUT] != PRESENT)
		return ERR_MISSING;
	if (usage->presence[USAGE_OUTPUT] != PRESENT && operation != OP_EMBEDDINGS)
		return ERR_MISSING;
	e = split_usage(usage, tokens);
	if (!e)
		e = choose_plan(price, plan, usage->tokens[USAGE_INPUT], &plan);
	if (e)
		return e;
	for (unsigned i = 0; i < BUCKET_COUNT; i++) {
		enum price_bucket bucket = priced_as(price, (enum price_bucket)i);
		if (tokens[i] == 0)
			continue;
		if (!has(price, plan, bucket))
			return ERR_MISSING;
		if (__builtin_mul_overflow(tokens[i], price->picousd[plan][bucket], &part) ||
		    __builtin_add_overflow(sum, part, &sum))
			return ERR_LIMIT;
	}
	*ret_picousd = sum;
	return OK;
}

/* ---- text ---- */

enum err price_parse(struct bytes text, uint32_t *ret_picousd)
{
	struct bytes fraction = text, whole = bytes_cut(&fraction, '.');
	bool has_point = whole.len < text.len;
	uint64_t dollars, millionths = 0;

	if (bytes_parse_u64(whole, UINT64_MAX, &dollars))
		return ERR_BAD;
	if (has_point && (fraction.len > DECIMALS_OF_MILLION ||
			  bytes_parse_u64(fraction, UINT32_MAX, &millionths)))
		return ERR_BAD;
	for (size_t i = fraction.len; has_point && i < DECIMALS_OF_MILLION; i++)
		millionths *= 10;
	if (dollars > PRICE_PICOUSD_MAX / 1000000)
		return ERR_LIMIT;
	dollars = dollars * 1000000 + millionths;
	if (dollars > PRICE_PICOUSD_MAX)
		return ERR_LIMIT;
	*ret_picousd = (uint32_t)dollars;
	return OK;
}

enum err price_put_usd(struct buf *out, uint64_t picousd)
{
	uint64_t rest = picousd % PICOUSD_PER_USD;
	uint8_t digits[1 + DECIMALS_OF_PICOUSD] = {'.'};
	size_t len = 0;
	enum err e = buf_put_decimal(out, picousd / PICOUSD_PER_USD);

	for (size_t i = DECIMALS_OF_PICOUSD; i > 0; i--, rest /= 10) {
		digits[i] = (uint8_t)('0' + rest % 10);
		if (len == 0 && digits[i] != '0')
			len = i + 1;
	}
	return e ? e : buf_put(out, bytes_of(digits, len));
}
