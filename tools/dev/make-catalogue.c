/* SPDX-License-Identifier: MIT
 *
 * make-catalogue: turns policy/providers.json into the C file of constant tables that
 * llm/catalogue.h declares, so that nothing is parsed when a program starts.
 *
 *     make-catalogue policy/providers.json > build/catalogue_table.c
 *
 * Nothing is written unless the whole file is right. Every key below is required, no other is
 * allowed; all texts are printable ASCII without escapes:
 *
 *     version            1
 *     providers[]        at least one
 *       name             the provider's id in policies: a-z 0-9 -, unique
 *       otel_name        gen_ai.provider.name
 *       dialect          a dialect of this version (llm/dialect)
 *       hosts[]          "api.example.com", "*.example.com", "[::1]", each with ":port" or without
 *       request_id_header the provider's own; must be what its dialect answers with
 *       date             YYYY-MM, when the facts were read
 *       source           where they were read
 *
 * Exit status: 0 fine, 1 the file is wrong, 2 usage, 3 system.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "llm/catalogue.h"
#include "wire/json.h"

#define FILE_BYTES_MAX  (1u << 20)
#define PROVIDERS_MAX   256
#define HOSTS_MAX       64 /* of one provider */
#define HOST_BYTES_MAX  253
#define LABEL_BYTES_MAX 63

enum key {
	KEY_NAME,
	KEY_OTEL_NAME,
	KEY_DIALECT,
	KEY_REQUEST_ID_HEADER,
	KEY_DATE,
	KEY_SOURCE,
	TEXT_KEYS,
	KEY_HOSTS = TEXT_KEYS,
	KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {
	"name", "otel_name", "dialect", "request_id_header", "date", "source", "hosts",
};

struct host {
	struct bytes whole, name; /* with and without ":port" */
	uint64_t port;
};

struct entry {
	struct json_token text[TEXT_KEYS];
	size_t start; /* of the object, for messages */
	bool given[KEY_COUNT];
	size_t host_count;
	struct host hosts[HOSTS_MAX];
};

static const char *path;
static struct buf text;
static struct json json;
static struct entry entries[PROVIDERS_MAX];
static size_t entry_count;

/* Reports what is wrong at a place of the file, quotes the bad value, and ends. */
_Noreturn static void stop(size_t at, struct bytes quoted, const char *what)
{
	uint32_t line, column;

	json_position(buf_view(&text), at, &line, &column);
	fprintf(stderr, "%s:%u:%u: ", path, line, column);
	if (quoted.len)
		fprintf(stderr, "\"%.*s\": ", (int)(quoted.len > 300 ? 300 : quoted.len),
			(const char *)quoted.at);
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static struct json_token next(void)
{
	struct json_token t;

	if (json_next(&json, &t))
		stop(json.at, BYTES_NONE, json.problem ? json.problem : "the file ends too early");
	return t;
}

static struct json_token next_of(enum json_kind kind, const char *what)
{
	struct json_token t = next();

	if (t.kind != kind)
		stop(t.start, BYTES_NONE, what);
	return t;
}

static struct json_token next_text(void)
{
	struct json_token t = next_of(JSON_STRING, "a text in quotes was expected");

	if (t.escaped || t.raw.len == 0)
		stop(t.start, t.raw, "must be a text that is not empty and has no escapes");
	for (size_t i = 0; i < t.raw.len; i++)
		if (t.raw.at[i] < 0x20 || t.raw.at[i] > 0x7E)
			stop(t.start, t.raw, "must be printable ASCII");
	return t;
}

static bool is_one_of(uint8_t c, const char *others)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr(others, c));
}

static bool consists_of(struct bytes b, const char *others)
{
	for (size_t i = 0; i < b.len; i++)
		if (!is_one_of(b.at[i], others))
			return false;
	return b.len > 0;
}

/* -- hosts --------------------------------------------------------------------------------- */

static void check_ipv6(const struct json_token *t, struct bytes name)
{
	struct bytes inner = bytes_slice(name, 1, name.len - 2);

	if (name.at[name.len - 1] != ']' || bytes_find_byte(inner, ':') == SIZE_MAX)
		stop(t->start, t->raw, "an IPv6 address stands in brackets: \"[::1]\"");
	for (size_t i = 0; i < inner.len; i++)
		if (!strchr("0123456789abcdef:.", inner.at[i]))
			stop(t->start, t->raw, "not an IPv6 address in lower case");
}

static void check_labels(const struct json_token *t, struct bytes name)
{
	struct bytes rest = name;
	size_t labels_after_star = 0;

	if (name.len > HOST_BYTES_MAX)
		stop(t->start, t->raw, "a host name has at most 253 bytes");
	if (!consists_of(name, "-.*"))
		stop(t->start, t->raw, "a host name is lower case letters, digits, - . and *");
	if (name.at[name.len - 1] == '.')
		stop(t->start, t->raw, "leave out the dot at the end");
	while (rest.len) {
		struct bytes label = bytes_cut(&rest, '.');
		if (label.len == 0 || label.len > LABEL_BYTES_MAX)
			stop(t->start, t->raw, "each part between dots has 1 to 63 bytes");
		labels_after_star++;
		if (bytes_find_byte(label, '*') != SIZE_MAX)
			labels_after_star = 0;
	}
	/* "*.com" would make every site a model provider. */
	if (labels_after_star < 2 && bytes_find_byte(name, '*') != SIZE_MAX)
		stop(t->start, t->raw, "at least two names must follow the last *");
}

static struct host parse_host(const struct json_token *t)
{
	struct bytes rest = t->raw;
	struct host h = {.whole = t->raw};
	bool bracketed = rest.at[0] == '[';
	size_t colon = bracketed ? bytes_find(rest, BYTES("]:")) : bytes_find_byte(rest, ':');

	if (bracketed && colon != SIZE_MAX)
		colon++;
	h.name = bytes_slice(rest, 0, colon);
	if (colon != SIZE_MAX &&
	    (bytes_parse_u64(bytes_from(rest, colon + 1), UINT16_MAX, &h.port) || h.port == 0))
		stop(t->start, t->raw, "a port is a number from 1 to 65535");
	if (bracketed)
		check_ipv6(t, h.name);
	else
		check_labels(t, h.name);
	return h;
}

static bool is_known_host(struct bytes whole)
{
	for (size_t i = 0; i < entry_count; i++)
		for (size_t h = 0; h < entries[i].host_count; h++)
			if (bytes_equal(entries[i].hosts[h].whole, whole))
				return true;
	return false;
}

static void read_hosts(struct entry *e)
{
	struct json_token t = next_of(JSON_ARRAY, "a list of host names was expected");
	size_t start = t.start;

	for (;;) {
		struct json before = json;
		if (next().kind == JSON_ARRAY_END)
			break;
		json = before;
		t = next_text();
		if (e->host_count == HOSTS_MAX)
			stop(t.start, t.raw, "a provider has at most 64 hosts");
		if (is_known_host(t.raw))
			stop(t.start, t.raw, "this host stands in the file already");
		e->hosts[e->host_count++] = parse_host(&t);
	}
	if (e->host_count == 0)
		stop(start, BYTES_NONE, "name at least one host");
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
		stop(t->start, t->raw, "a date is year and month: \"2026-11\"");
}

static void check_entry(const struct entry *e)
{
	const struct json_token *name = &e->text[KEY_NAME], *id = &e->text[KEY_REQUEST_ID_HEADER];
	const struct json_token *dialect_name = &e->text[KEY_DIALECT];
	const struct dialect *dialect;

	for (size_t k = 0; k < KEY_COUNT; k++)
		if (!e->given[k])
			stop(e->start, bytes_str(key_names[k]), "missing in this provider");
	if (!consists_of(name->raw, "-"))
		stop(name->start, name->raw, "a name is lower case letters, digits and -");
	for (const struct entry *other = entries; other < e; other++)
		if (bytes_equal(other->text[KEY_NAME].raw, name->raw))
			stop(name->start, name->raw, "two providers have this name");
	if (!consists_of(e->text[KEY_OTEL_NAME].raw, "_."))
		stop(e->text[KEY_OTEL_NAME].start, e->text[KEY_OTEL_NAME].raw,
		     "an OpenTelemetry name is lower case letters, digits, _ and .");
	dialect = dialect_find(dialect_name->raw);
	if (!dialect) {
		fprintf(stderr, "dialects of this version: %s\n", dialect_names());
		stop(dialect_name->start, dialect_name->raw, "no such dialect");
	}
	if (!bytes_equal(id->raw, bytes_str(dialect->request_id_header)))
		stop(id->start, id->raw, "the dialect answers with another request id header");
	check_date(&e->text[KEY_DATE]);
}

static void read_member(struct entry *e, const struct json_token *key)
{
	size_t k = 0;

	while (k < KEY_COUNT && !json_token_is(key, bytes_str(key_names[k])))
		k++;
	if (k == KEY_COUNT)
		stop(key->start, key->raw,
		     "unknown key; expected name, otel_name, dialect, hosts, request_id_header, "
		     "date, source");
	if (e->given[k])
		stop(key->start, key->raw, "this key stands here twice");
	e->given[k] = true;
	if (k == KEY_HOSTS)
		read_hosts(e);
	else
		e->text[k] = next_text();
}

static void read_providers(void)
{
	struct json_token t = next_of(JSON_ARRAY, "a list of providers was expected");
	size_t start = t.start;

	for (t = next(); t.kind != JSON_ARRAY_END; t = next()) {
		if (t.kind != JSON_OBJECT)
			stop(t.start, BYTES_NONE, "a provider in { } was expected");
		if (entry_count == PROVIDERS_MAX)
			stop(t.start, BYTES_NONE, "at most 256 providers");
		struct entry *e = &entries[entry_count++];
		e->start = t.start;
		for (t = next(); t.kind != JSON_OBJECT_END; t = next())
			read_member(e, &t);
		check_entry(e);
	}
	if (entry_count == 0)
		stop(start, BYTES_NONE, "name at least one provider");
}

static void read_file(void)
{
	struct json_token t;
	bool has_version = false, has_providers = false;
	uint64_t version = 0;

	json_init(&json, buf_view(&text), JSON_STRICT);
	next_of(JSON_OBJECT, "an object in { } was expected");
	for (t = next(); t.kind != JSON_OBJECT_END; t = next()) {
		bool is_version = json_token_is(&t, BYTES("version"));
		if (!is_version && !json_token_is(&t, BYTES("providers")))
			stop(t.start, t.raw, "unknown key; expected version, providers");
		if (is_version ? has_version : has_providers)
			stop(t.start, t.raw, "this key stands here twice");
		if (is_version) {
			t = next_of(JSON_NUMBER, "version 1 was expected");
			if (json_number_u64(&t, &version) || version != 1)
				stop(t.start, t.raw, "version 1 was expected");
			has_version = true;
		} else {
			read_providers();
			has_providers = true;
		}
	}
	if (!has_version || !has_providers)
		stop(t.start, bytes_str(has_version ? "providers" : "version"), "missing");
	if (json_next(&json, &t) != ERR_END)
		stop(json.at, BYTES_NONE, json.problem);
}

/* -- output -------------------------------------------------------------------------------- */

/* All texts are checked to be without anything that C would read otherwise, but for quotes, which
 * JSON forbids unescaped, and backslashes, which would be escapes. */
static void print_text(struct bytes b)
{
	printf("\"%.*s\"", (int)b.len, (const char *)b.at);
}

static void print_tables(void)
{
	printf("/* Made by tools/dev/make-catalogue from policy/providers.json; do not edit. */\n"
	       "#include \"llm/catalogue.h\"\n");
	for (size_t i = 0; i < entry_count; i++) {
		printf("\nstatic const struct provider_host hosts_%zu[] = {\n", i);
		for (size_t h = 0; h < entries[i].host_count; h++) {
			printf("\t{");
			print_text(entries[i].hosts[h].name);
			printf(", %u},\n", (unsigned)entries[i].hosts[h].port);
		}
		printf("};\n");
	}
	printf("\nconst struct provider catalogue[] = {\n");
	for (size_t i = 0; i < entry_count; i++) {
		const struct entry *e = &entries[i];
		printf("\t{");
		print_text(e->text[KEY_NAME].raw);
		printf(", ");
		print_text(e->text[KEY_OTEL_NAME].raw);
		printf(", &dialect_%s, hosts_%zu, %zu, false}, /* %.*s */\n",
		       dialect_find(e->text[KEY_DIALECT].raw)->name, i, e->host_count,
		       (int)e->text[KEY_DATE].raw.len, (const char *)e->text[KEY_DATE].raw.at);
	}
	printf("};\n\nconst size_t catalogue_count = %zu;\n", entry_count);
}

int main(int argc, char **argv)
{
	enum err e;

	if (argc != 2) {
		fprintf(stderr,
			"usage: make-catalogue policy/providers.json > catalogue_table.c\n");
		return 2;
	}
	path = argv[1];
	e = sys_read_file(path, FILE_BYTES_MAX, &text);
	if (e) {
		fprintf(stderr, "%s: cannot be read: %s\n", path, err_text(e));
		return 3;
	}
	read_file();
	print_tables();
	buf_done(&text);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "make-catalogue: the output cannot be written\n");
		return 3;
	}
	return 0;
}
