/* SPDX-License-Identifier: MIT */
#include "catalogue.h"

#include <stdio.h>

#include "llm/error_shape.h"

struct dialect_entry dialects[DIALECTS_MAX];
size_t dialect_count;
struct provider_entry providers[PROVIDERS_MAX];
size_t provider_count;

static const struct {
	const char *identifier, *name;
} known_dialects[] = {
#define DIALECT(id, text) {#id, text},
#include "llm/dialect.def"
#undef DIALECT
};

#define KNOWN_COUNT (sizeof known_dialects / sizeof known_dialects[0])

const char *dialect_identifier(struct bytes name)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		if (bytes_equal(name, bytes_str(known_dialects[i].name)))
			return known_dialects[i].identifier;
	return NULL;
}

const struct dialect_entry *find_dialect(struct bytes name)
{
	for (size_t i = 0; i < dialect_count; i++)
		if (bytes_equal(name, dialects[i].name.raw))
			return &dialects[i];
	return NULL;
}

static void read_list(void *into)
{
	read_items(into);
}

static void check_refusal(const struct json_token *t)
{
	if (t->raw.len && !error_shape_find(t->raw))
		stop_at(t, "no such error shape (src/llm/error_shape.c has the list)");
}

static void check_header(const struct json_token *t)
{
	if (t->raw.len && !consists_of(t->raw, "-"))
		stop_at(t, "a header name is lower case letters, digits and -");
}

/* "header NAME [SCHEME]", "query NAME" */
static void check_credentials(const struct items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		struct bytes rest = items->at[i].raw, place = bytes_cut(&rest, ' ');
		struct bytes name = bytes_cut(&rest, ' ');
		bool header = bytes_equal(place, BYTES("header"));
		if ((!header && !bytes_equal(place, BYTES("query"))) || !consists_of(name, "-_") ||
		    (rest.len && (!header || !consists_of(rest, "-"))))
			stop_at(&items->at[i],
				"a credential is \"header NAME\", \"header NAME SCHEME\" or "
				"\"query NAME\"");
	}
}

/* -- dialects ------------------------------------------------------------------------------ */

static void check_dialect(const struct dialect_entry *d)
{
	if (!dialect_identifier(d->name.raw))
		stop_at(&d->name, "this version has no such dialect (src/llm/dialect.def)");
	if (find_dialect(d->name.raw) != d)
		stop_at(&d->name, "two dialects have this name");
	check_refusal(&d->refusal);
	check_header(&d->request_id_header);
	check_credentials(&d->credentials);
	if (d->like.raw.len && (!find_dialect(d->like.raw) || find_dialect(d->like.raw) == d ||
				find_dialect(d->like.raw)->like.raw.len))
		stop_at(&d->like,
			"no such dialect stands above this one with endpoints of its own");
	for (size_t i = 0; i < d->endpoints.count; i++)
		if (rows[d->endpoints.first + i].dialect.raw.len)
			stop_at(&rows[d->endpoints.first + i].dialect,
				"only a provider's own endpoint may speak another dialect");
}

void read_dialects(void *unused)
{
	(void)next_of(JSON_ARRAY, "a list of dialects was expected");
	while (!next_is_end(JSON_ARRAY_END)) {
		struct json_token object = next_of(JSON_OBJECT, "a dialect in { } was expected");
		if (dialect_count == DIALECTS_MAX)
			stop(object.start, BYTES_NONE, "at most 32 dialects");
		struct dialect_entry *d = &dialects[dialect_count++];
		const struct member members[] = {
			{"name", true, NULL, &d->name},
			{"refusal", true, NULL, &d->refusal},
			{"request_id_header", true, NULL, &d->request_id_header},
			{"credentials", true, read_list, &d->credentials},
			{"like", false, NULL, &d->like},
			{"endpoints", true, read_rows, &d->endpoints},
		};
		read_members(&object, members, sizeof members / sizeof members[0]);
		check_dialect(d);
	}
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		if (!find_dialect(bytes_str(known_dialects[i].name)))
			stop(0, bytes_str(known_dialects[i].name),
			     "this dialect is missing in the list of dialects");
}

/* -- providers ----------------------------------------------------------------------------- */

static void check_date(const struct json_token *t)
{
	static const char shape[] = "0000-00";
	bool right = t->raw.len == sizeof shape - 1;
	uint64_t month;

	for (size_t i = 0; right && i < t->raw.len; i++)
		right = shape[i] == '-' ? t->raw.at[i] == '-'
					: t->raw.at[i] >= '0' && t->raw.at[i] <= '9';
	if (!right || bytes_parse_u64(bytes_from(t->raw, 5), 12, &month) || month == 0)
		stop_at(t, "a date is year and month: \"2026-11\"");
}

static void check_names(const struct provider_entry *p)
{
	if (!consists_of(p->name.raw, "-"))
		stop_at(&p->name, "a name is lower case letters, digits and -");
	for (const struct provider_entry *other = providers; other < p; other++)
		if (bytes_equal(other->name.raw, p->name.raw))
			stop_at(&p->name, "two providers have this name");
	if (!consists_of(p->otel_name.raw, "_."))
		stop_at(&p->otel_name,
			"an OpenTelemetry name is lower case letters, digits, _ and .");
	if (p->certainty.raw.len && !bytes_equal(p->certainty.raw, BYTES("guess")))
		stop_at(&p->certainty, "certainty is \"guess\" or left out");
}

static void check_dialect_name(const struct json_token *t, struct bytes name)
{
	if (find_dialect(name))
		return;
	fprintf(stderr, "dialects of this file:");
	for (size_t i = 0; i < dialect_count; i++)
		fprintf(stderr, " %.*s", (int)dialects[i].name.raw.len,
			(const char *)dialects[i].name.raw.at);
	fprintf(stderr, "\n");
	stop_at(t, "no such dialect");
}

/* "openai /v1", "anthropic /": segments are words or a star. */
static void check_mount(const struct json_token *t)
{
	struct bytes base = t->raw, name = bytes_cut(&base, ' ');

	check_dialect_name(t, name);
	if (base.len == 0 || base.at[0] != '/' || (base.len > 1 && base.at[base.len - 1] == '/'))
		stop_at(t,
			"a mount is a dialect, a space and a path from / without a / at its end");
	base = bytes_from(base, 1);
	while (base.len) {
		struct bytes segment = bytes_cut(&base, '/');
		if (segment.len == 0 ||
		    (bytes_find_byte(segment, '*') != SIZE_MAX && segment.len > 1))
			stop_at(t, "each part of a base is a word or *");
	}
}

static bool has_row(const struct run *run, struct bytes match)
{
	for (size_t i = 0; i < run->count; i++)
		if (bytes_equal(rows[run->first + i].match.raw, match))
			return true;
	return false;
}

static void check_drop(const struct provider_entry *p, const struct json_token *t)
{
	for (size_t i = 0; i < p->mounts.count; i++) {
		struct bytes rest = p->mounts.at[i].raw;
		const struct dialect_entry *d = find_dialect(bytes_cut(&rest, ' '));
		if (has_row(&d->endpoints, t->raw) ||
		    (d->like.raw.len && has_row(&find_dialect(d->like.raw)->endpoints, t->raw)))
			return;
	}
	stop_at(t, "no mounted dialect has this endpoint");
}

static void check_provider(const struct provider_entry *p)
{
	check_names(p);
	check_date(&p->date);
	check_refusal(&p->refusal);
	check_header(&p->request_id_header);
	check_credentials(&p->credentials);
	check_dialect_name(&p->dialect, p->dialect.raw);
	for (size_t i = 0; i < p->mounts.count; i++)
		check_mount(&p->mounts.at[i]);
	for (size_t i = 0; i < p->drop.count; i++)
		check_drop(p, &p->drop.at[i]);
	if (p->mounts.count == 0 && p->endpoints.count == 0)
		stop_at(&p->name, "this provider has no endpoint");
	for (size_t i = 0; i < p->endpoints.count; i++) {
		const struct json_token *t = &rows[p->endpoints.first + i].dialect;
		if (t->raw.len)
			check_dialect_name(t, t->raw);
	}
}

static void read_paths_only(void *into)
{
	bool *paths_only = into;

	(void)next_of(JSON_TRUE, "paths_only is true or left out");
	*paths_only = true;
}

void read_providers(void *unused)
{
	struct json_token list = next_of(JSON_ARRAY, "a list of providers was expected");

	if (!dialect_count)
		stop(list.start, BYTES_NONE, "the dialects must stand before the providers");
	while (!next_is_end(JSON_ARRAY_END)) {
		struct json_token object = next_of(JSON_OBJECT, "a provider in { } was expected");
		if (provider_count == PROVIDERS_MAX)
			stop(object.start, BYTES_NONE, "at most 256 providers");
		struct provider_entry *p = &providers[provider_count++];
		const struct member members[] = {
			{"name", true, NULL, &p->name},
			{"otel_name", true, NULL, &p->otel_name},
			{"dialect", true, NULL, &p->dialect},
			{"hosts", true, read_hosts, p},
			{"paths_only", false, read_paths_only, &p->paths_only},
			{"mounts", true, read_list, &p->mounts},
			{"endpoints", false, read_rows, &p->endpoints},
			{"drop", false, read_list, &p->drop},
			{"refusal", false, NULL, &p->refusal},
			{"request_id_header", false, NULL, &p->request_id_header},
			{"credentials", false, read_list, &p->credentials},
			{"outside", false, read_list, &p->outside},
			{"certainty", false, NULL, &p->certainty},
			{"date", true, NULL, &p->date},
			{"source", true, NULL, &p->source},
		};
		read_members(&object, members, sizeof members / sizeof members[0]);
		check_provider(p);
	}
	if (provider_count == 0)
		stop(list.start, BYTES_NONE, "name at least one provider");
}
