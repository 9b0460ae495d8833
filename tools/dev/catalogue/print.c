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

/* A list is one text, its items on lines. */
static void print_items(const struct items *items)
{
	if (!items->count)
		printf("NULL");
	for (size_t i = 0; i < items->count; i++)
		printf("%s\"%.*s%s\"", i ? " " : "", (int)items->at[i].raw.len,
		       (const char *)items->at[i].raw.at, i + 1 < items->count ? "\\n" : "");
}

static void print_dialect(struct bytes name)
{
	if (name.len)
		printf("&dialect_%s", dialect_identifier(name));
	else
		printf("NULL");
}

/* -- the texts of endpoints: each once, in one --------------------------------------------- */

static struct buf pool; /* texts, each ended by NUL; the first is empty */

static void need_pool(enum err e)
{
	if (!e && pool.len <= UINT16_MAX)
		return;
	fprintf(stderr, "make-catalogue: %s\n",
		e ? err_text(e) : "the texts of all endpoints have more than 65535 bytes");
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

	printf("\nconst char endpoint_texts[] =");
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

	printf("\t{%zu, %zu, %zu, %zu, %d, %d, %d, %d, (enum operation)%d, ",
	       pool_offset(r->match.raw), pool_offset(keys), pool_items(&r->text),
	       pool_items(&r->opaque), r->model, r->stream, r->needs_model, r->any_body,
	       r->operation);
	print_dialect(r->dialect.raw);
	printf("},\n");
}

static void print_run(const struct run *run)
{
	for (size_t i = 0; i < run->count; i++)
		print_row(&rows[run->first + i]);
}

static void print_dialect_facts(const struct dialect_entry *d)
{
	const char *id = dialect_identifier(d->name.raw);
	const struct dialect_entry *like = d->like.raw.len ? find_dialect(d->like.raw) : NULL;

	printf("\nstatic const struct endpoint endpoints_%s[] = {\n", id);
	print_run(&d->endpoints);
	if (like)
		print_run(&like->endpoints);
	printf("};\nconst struct dialect_facts dialect_facts_%s = {{endpoints_%s, %zu}, ", id, id,
	       d->endpoints.count + (like ? like->endpoints.count : 0));
	print_text(d->refusal.raw);
	printf(", ");
	print_text(d->request_id_header.raw);
	printf(", ");
	print_items(&d->credentials);
	printf("};\n");
}

static void print_parts(size_t i, const struct provider_entry *p)
{
	printf("\nstatic const struct provider_host hosts_%zu[] = {\n", i);
	for (size_t h = 0; h < p->host_count; h++) {
		printf("\t{");
		print_text(p->hosts[h].name);
		printf(", %u, %d},\n", (unsigned)p->hosts[h].port, p->paths_only);
	}
	printf("};\n");
	if (p->mounts.count)
		printf("static const struct mount mounts_%zu[] = {\n", i);
	for (size_t m = 0; m < p->mounts.count; m++) {
		struct bytes base = p->mounts.at[m].raw, name = bytes_cut(&base, ' ');
		printf("\t{&dialect_%s, \"%.*s\"},\n", dialect_identifier(name),
		       (int)(base.len == 1 ? 0 : base.len), (const char *)base.at);
	}
	if (p->mounts.count)
		printf("};\n");
	if (p->endpoints.count) {
		printf("static const struct endpoint own_%zu[] = {\n", i);
		print_run(&p->endpoints);
		printf("};\n");
	}
}

static size_t shape_number(struct bytes name)
{
	return (size_t)(error_shape_find(name) - error_shapes);
}

static void print_provider(size_t i, const struct provider_entry *p)
{
	printf("\t{.name = ");
	print_text(p->name.raw);
	printf(", .otel_name = ");
	print_text(p->otel_name.raw);
	printf(", .dialect = ");
	print_dialect(p->dialect.raw);
	printf(", .hosts = hosts_%zu, .host_count = %zu", i, p->host_count);
	if (p->mounts.count)
		printf(", .mounts = mounts_%zu, .mount_count = %zu", i, p->mounts.count);
	if (p->endpoints.count)
		printf(", .own = {own_%zu, %zu}", i, p->endpoints.count);
	printf(",\n\t .no_mounts = %d, .dropped = ", p->mounts.count == 0);
	print_items(&p->drop);
	if (p->refusal.raw.len)
		printf(", .refusal = &error_shapes[%zu]", shape_number(p->refusal.raw));
	printf(", .request_id_header = ");
	print_text(p->request_id_header.raw);
	printf(", .credentials = ");
	print_items(&p->credentials);
	printf(", .outside = ");
	print_items(&p->outside);
	printf(",\n\t .date = ");
	print_text(p->date.raw);
	printf(", .source = ");
	print_text(p->source.raw);
	printf(", .certainty = %s},\n",
	       p->certainty.raw.len ? "CERTAINTY_GUESS" : "CERTAINTY_READ");
}

void print_tables(void)
{
	printf("/* Made by tools/dev/make-catalogue from policy/providers.json; do not edit. */\n"
	       "#include \"llm/catalogue.h\"\n");
	for (size_t i = 0; i < dialect_count; i++)
		print_dialect_facts(&dialects[i]);
	for (size_t i = 0; i < provider_count; i++)
		print_parts(i, &providers[i]);
	printf("\nconst struct provider catalogue[] = {\n");
	for (size_t i = 0; i < provider_count; i++)
		print_provider(i, &providers[i]);
	printf("};\n\nconst size_t catalogue_count = %zu;\n", provider_count);
	print_pool();
}
