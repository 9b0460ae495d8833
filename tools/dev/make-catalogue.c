/* SPDX-License-Identifier: MIT
 *
 * make-catalogue: turns policy/providers.json into the C file of constant tables that
 * llm/catalogue.h declares, so that nothing is parsed when a program starts.
 *
 *     make-catalogue policy/providers.json > build/catalogue_table.c
 *
 * Nothing is written unless the whole file is right. No other keys than these are allowed; all
 * texts are printable ASCII without escapes. Keys in brackets may be left out.
 *
 *     version               2
 *     dialects[]            every dialect of llm/dialect.def
 *       name
 *       refusal             how its errors look: a name of llm/error_shape.c
 *       request_id_header
 *       credentials[]       "header NAME", "header NAME SCHEME", "query NAME"
 *       [like]              a dialect above this one whose endpoints it has too
 *       endpoints[]         below the base that the API is mounted at
 *         match             "POST /chat/completions"; patterns: llm/endpoint.h
 *         operation         a name of llm/call.h
 *         [model]           where it stands: body, path, query, form; "?": may be left out;
 * ":key|key" [stream]          where it stands: body, default, always, query, accept [body] "any":
 * it need not be JSON [text], [opaque]  JSON pointers of the words, and of what must never be
 * changed providers[]           at least one name                the provider's id in policies: a-z
 * 0-9 -, unique otel_name           gen_ai.provider.name dialect             the one that errors
 * are told in where no mount fits hosts[]             "api.example.com", "*.example.com", "[::1]",
 * each with ":port" or without [paths_only]        true: the hosts serve other things too, only
 * known endpoints are ours mounts[]            "DIALECT BASE"; the more special ones first
 *       [endpoints[]]       of its own, whole paths, with [dialect]
 *       [drop[]]            endpoints of the mounted dialects that it does not have
 *       [refusal], [request_id_header], [credentials[]]   where they are not the dialect's
 *       [outside[]]         paths and features outside of its agreements
 *       [certainty]         "guess": not read in a source of the vendor's
 *       date                YYYY-MM, when the facts were read
 *       source              where they were read
 *
 * Exit status: 0 fine, 1 the file is wrong, 2 usage, 3 system.
 */
#include <stdio.h>

#include "base/sys.h"
#include "catalogue/catalogue.h"

#define VERSION 2

static void read_version(void *unused)
{
	struct json_token t = next_of(JSON_NUMBER, "version 2 was expected");
	uint64_t version;

	if (json_number_u64(&t, &version) || version != VERSION)
		stop_at(&t, "version 2 was expected");
}

static void read_file(void)
{
	static const struct member members[] = {
		{"version", true, read_version, NULL},
		{"dialects", true, read_dialects, NULL},
		{"providers", true, read_providers, NULL},
	};
	struct json_token object = next_of(JSON_OBJECT, "an object in { } was expected");

	read_members(&object, members, sizeof members / sizeof members[0]);
	read_end();
}

int main(int argc, char **argv)
{
	struct buf text = {0};
	enum err e;

	if (argc != 2) {
		fprintf(stderr,
			"usage: make-catalogue policy/providers.json > catalogue_table.c\n");
		return 2;
	}
	e = sys_read_file(argv[1], FILE_BYTES_MAX, &text);
	if (e) {
		fprintf(stderr, "%s: cannot be read: %s\n", argv[1], err_text(e));
		return 3;
	}
	scan_init(argv[1], buf_view(&text));
	read_file();
	print_tables();
	buf_done(&text);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "make-catalogue: the output cannot be written\n");
		return 3;
	}
	return 0;
}
