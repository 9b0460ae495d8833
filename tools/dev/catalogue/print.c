/* SPDX-License-Identifier: MIT */
#include "catalogue.h"

#include <stdio.h>
#include <stdlib.h>

#include "llm/error_shape.h"

/* All texts are checked to be without anything that C would read otherwise, but for quotes, which
 * JSON forbids unescaped, and backslashes, which would be escapes. */
static void print_text(struct bytes b)
{
	if (b.len)
		printf("\"%.*s\"", (int)b.len, (const char *)b.at);
	else
		printf("NULL");
}

static const char *dialect_name(struct bytes name)
{
	return name.len ? dialect_identifier(name) : "NONE";
}

/* -- the texts: each once, in one ----------------------------------------------------------- */

static struct buf pool; /* texts, each ended by NUL; the first is empty */

static void need_pool(enum err e)
{
	if (!e && pool.len <= UINT16_MAX)
		return;
	fprintf(stderr, "make-catalogue: %s\n",
		e ? err_text(e) : "the texts of the catalogue have more than 65535 bytes");
	exit(e ? 3 : 1);
}

static size_t pool_offset(struct bytes text)
{
	size_t at = 0;

	if (pool.len == 0)
		need_pool(buf_put_u8(&pool, 0));
	while (at < pool.len) {
		struct bytes rest = bytes_from(buf_view(&pool), at);
		struct bytes one = bytes_slice(rest, 0, bytes_find_byte(rest, 0));
		if (bytes_equal(one, text))
			return at;
		at += one.len + 1;
	}
	need_pool(buf_put(&pool, text));
	need_pool(buf_put_u8(&pool, 0));
	return at;
}

static size_t pool_items(const struct items *items)
{
	struct buf lines = {0};
	size_t at;

	for (size_t i = 0; i < items->count; i++) {
		if (i)
			need_pool(buf_put_u8(&lines, '\n'));
		need_pool(buf_put(&lines, items->at[i].raw));
	}
	at = pool_offset(buf_view(&lines));
	buf_done(&lines);
	return at;
}

static void print_pool(void)
{
	struct bytes rest = buf_view(&pool);

	printf("\nconst char catalogue_texts[] =");
	while (rest.len) {
		struct bytes one = bytes_cut(&rest, 0);
		printf("\n\t\"");
		for (size_t i = 0; i < one.len; i++)
			if (one.at[i] == '\n')
				printf("\\n");
			else
				putchar(one.at[i]);
		printf("\\0\"");
	}
	printf(";\n");
	buf_done(&pool);
}

static void print_row(const struct row *r)
{
	struct bytes keys = r->keys.len ? r->keys : BYTES("model");

	printf("\t{%zu, %zu, %zu, %zu, %d, %d, %d, %d, DIALECT_%s, (enum operation)%d},\n",
	       pool_offset(r->match.raw), pool_offset(keys), pool_items(&r->text),
	       pool_items(&r->opaque), r->model, r->stream, r->needs_model, r->any_body,
	       dialect_name(r->dialect.raw), r->operation);
}

static void print_run(const struct run *run)
{
	for (size_t i = 0; i < run->count; i++)
		print_row(&rows[run->first + i]);
}

/* -- the tables that providers have their parts in ------------------------------------------- */

static void print_hosts(void)
{
	printf("\nconst struct provider_host catalogue_hosts[] = {\n");
	for (size_t i = 0; i < provider_count; i++) {
		const struct provider_entry *p = &providers[i];
		for (size_t h = 0; h < p->host_count; h++) {
			printf("\t{");
			print_text(p->hosts[h].name);
			printf(", %u, %d},\n", (unsigned)p->hosts[h].port, p->paths_only);
		}
	}
	printf("};\n");
}

static void print_mounts(void)
{
	printf("\nconst struct mount catalogue_mounts[] = {\n");
	for (size_t i = 0; i < provider_count; i++) {
		const struct items *mounts = &providers[i].mounts;
		for (size_t m = 0; m < mounts->count; m++) {
			struct bytes base = mounts->at[m].raw, name = bytes_cut(&base, ' ');
			if (base.len == 1) /* "/" */
				base.len = 0;
			printf("\t{%zu, DIALECT_%s},\n", pool_offset(base), dialect_name(name));
		}
	}
	printf("};\n");
}

static size_t endpoint_count(const struct dialect_entry *d, const struct dialect_entry *like)
{
	return d->endpoints.count + (like ? like->endpoints.count : 0);
}

static const struct dialect_entry *like_of(const struct dialect_entry *d)
{
	return d->like.raw.len ? find_dialect(d->like.raw) : NULL;
}

/* Those of the dialects, then the providers' own. Returns how many the former are. */
static size_t print_endpoints(void)
{
	size_t sum = 0;

	printf("\nconst struct endpoint catalogue_endpoints[] = {\n");
	for (size_t i = 0; i < dialect_count; i++) {
		const struct dialect_entry *d = &dialects[i], *like = like_of(d);
		print_run(&d->endpoints);
		if (like)
			print_run(&like->endpoints);
		sum += endpoint_count(d, like);
	}
	for (size_t i = 0; i < provider_count; i++)
		print_run(&providers[i].endpoints);
	printf("};\n");
	return sum;
}

/* Counted from 1. */
static size_t shape_number(struct bytes name)
{
	return name.len ? (size_t)(error_shape_find(name) - error_shapes) + 1 : 0;
}

static void print_dialects(void)
{
	size_t first = 0;

	for (size_t i = 0; i < dialect_count; i++) {
		const struct dialect_entry *d = &dialects[i];
		size_t count = endpoint_count(d, like_of(d));
		printf("\nconst struct dialect_facts dialect_facts_%s = {%zu, %zu, %zu, %zu, %zu};",
		       dialect_identifier(d->name.raw), first, count,
		       pool_offset(d->request_id_header.raw), pool_items(&d->credentials),
		       shape_number(d->refusal.raw));
		first += count;
	}
	printf("\n");
}

/* Where each provider's parts begin. */
struct places {
	size_t host, mount, own;
};

static void print_provider(const struct provider_entry *p, struct places *next)
{
	printf("\t{.name = ");
	print_text(p->name.raw);
	printf(", .otel_name = ");
	print_text(p->otel_name.raw);
	printf(", .dialect = DIALECT_%s,\n\t .first_host = %zu, .host_count = %zu, .first_mount = "
	       "%zu, .mount_count = %zu, .no_mounts = %d, .first_own = %zu, .own_count = %zu,\n",
	       dialect_name(p->dialect.raw), next->host, p->host_count, next->mount,
	       p->mounts.count, p->mounts.count == 0, next->own, p->endpoints.count);
	printf("\t .dropped = %zu, .refusal = %zu, .request_id_header = %zu, .credentials = %zu, "
	       ".outside = %zu, .date = %zu, .source = %zu, .certainty = %s},\n",
	       pool_items(&p->drop), shape_number(p->refusal.raw),
	       pool_offset(p->request_id_header.raw), pool_items(&p->credentials),
	       pool_items(&p->outside), pool_offset(p->date.raw), pool_offset(p->source.raw),
	       p->certainty.raw.len ? "CERTAINTY_GUESS" : "CERTAINTY_READ");
	next->host += p->host_count;
	next->mount += p->mounts.count;
	next->own += p->endpoints.count;
}

void print_tables(void)
{
	struct places next = {0};

	printf("/* Made by tools/dev/make-catalogue from policy/providers.json; do not edit. */\n"
	       "#include \"llm/catalogue.h\"\n");
	print_hosts();
	print_mounts();
	next.own = print_endpoints();
	print_dialects();
	printf("\nconst struct provider catalogue[] = {\n");
	for (size_t i = 0; i < provider_count; i++)
		print_provider(&providers[i], &next);
	printf("};\n\nconst size_t catalogue_count = %zu;\n", provider_count);
	print_pool();
}
