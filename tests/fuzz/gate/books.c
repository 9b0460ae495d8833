/* SPDX-License-Identifier: MIT */
#include "books.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "far.h"
#include "keys/key_file.h"
#include "shim/journal.h"

#define HEAD                                                                                       \
	"{\"version\":1,\"audit\":{\"recipients\":[\"aigw1test\"]},\"environments\":"              \
	"{\"production\":{}},\"default_environment\":\"production\""
#define HEAD_ALLOW                                                                                 \
	"{\"version\":1,\"audit\":{\"recipients\":[\"aigw1test\"],\"on_failure\":\"allow\"},"      \
	"\"environments\":{\"production\":{}},\"default_environment\":\"production\""

const struct books_policy books_policies[] = {
	{HEAD "}", false, false, false, NULL},
	{HEAD ",\"organization\":{\"models\":{\"allow\":[\"openai/gpt-5*\",\"anthropic/*\"],"
	      "\"deny\":[\"*-preview\"]},\"features\":{\"deny\":[\"images\"]}}}",
	 false, false, false, "-preview"},
	{HEAD ",\"usage\":{\"ask\":true}}", true, true, false, NULL},
	{HEAD ",\"organization\":{\"set\":{\"openai\":{\"store\":false}},"
	      "\"unalterable\":\"refuse\"}}",
	 true, false, false, NULL},
	{HEAD ",\"organization\":{\"limits\":{\"requests_per_minute\":3,"
	      "\"concurrent_requests\":2}}}",
	 false, false, false, NULL},
	{HEAD_ALLOW "}", false, false, true, NULL},
	{HEAD ",\"transport\":{\"verify_peer\":true,\"websocket\":\"refuse\"},"
	      "\"providers\":{\"own\":{\"dialect\":\"openai\",\"hosts\":[\"llm.example:8443\"]}}}",
	 false, false, false, NULL},
	{NULL, false, false, false, NULL},
};
const unsigned books_policy_count = sizeof books_policies / sizeof books_policies[0];

struct books_page books_pages[BOOKS_PAGES_MAX];
unsigned books_count, books_owner;
bool books_failing, books_have_secret, books_secret_was_said;

static struct rules *books[sizeof books_policies / sizeof books_policies[0]];
static struct rules *current;
static char home[] = "/tmp/fuzz-gate.XXXXXX";

/* ---- the places that limits and keys are kept in ---- */

static int remove_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)!remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	(void)!nftw(path, remove_file, 8, FTW_DEPTH | FTW_PHYS);
}

static void remove_home(void)
{
	remove_tree(home);
}

static void put_path(char out[PATH_MAX_BYTES], const char *name)
{
	must((size_t)snprintf(out, PATH_MAX_BYTES, "%s/%s", home, name) < PATH_MAX_BYTES);
}

static void make_keys(const char *directory)
{
	static uint8_t cipher[sizeof BOOKS_SECRET - 1];
	struct key_host host;
	struct key_entry entry = {
		.scope = {.name = BYTES("intake"), .environment = BYTES("production")},
		.created = 1};
	struct key_secret secret = {.provider = BYTES("openai"), .created = 1};
	struct key_store store = {.generation = 1,
				  .key_count = 1,
				  .secret_count = 1,
				  .keys = &entry,
				  .secrets = &secret};

	must(key_file_host(directory, true, &host) == OK);
	key_hash(&host, BYTES(BOOKS_KEY), entry.hash);
	must(key_secret_seal(&secret, &host, BYTES(BOOKS_SECRET), cipher) == OK);
	must(key_file_save(directory, &host, &store) == OK);
}

/* ---- in place of shim/rules ---- */

static struct rules *make_rules(const struct books_policy *from)
{
	struct rules *r = calloc(1, sizeof *r);
	struct policy_problem problem;

	must(r != NULL);
	r->users = 1;
	if (!from->text) {
		static const char why[] = "there is no policy";
		r->code = "no_policy";
		memcpy(r->problem, why, sizeof why);
	} else {
		must(policy_parse(bytes_str(from->text), &r->policy, &problem) == OK);
	}
	put_path(r->places.keys, "keys");
	put_path(r->places.state, "state");
	put_path(r->places.audit, "audit");
	return r;
}

const struct books_policy *books_use_policy(unsigned index)
{
	if (!books[0]) {
		must(seal_init() == OK && mkdtemp(home) != NULL);
		atexit(remove_home);
		for (unsigned i = 0; i < books_policy_count; i++)
			books[i] = make_rules(&books_policies[i]);
		make_keys(books[0]->places.keys);
	}
	index %= books_policy_count;
	current = books[index];
	return &books_policies[index];
}

struct rules *rules_take(void)
{
	errno = EDOM;
	current->users++;
	return current;
}

bool rules_are_unknown(const struct rules *r)
{
	return !r || r->unknown;
}

void rules_drop(struct rules *r)
{
	if (r)
		r->users--;
}

/* ---- in place of shim/journal ---- */

const struct self *journal_self(const struct rules *r)
{
	static const struct self self = {
		.facts = {.exe = BYTES("/opt/intake/bot"), .user = BYTES("intake")},
		.host = "host",
		.has_fingerprint_key = true};

	return &self;
}

static bool is_text(struct bytes record, enum field f, const char *text)
{
	struct bytes value;

	return record_find(record, f, &value) == OK && bytes_equal(value, bytes_str(text));
}

/* A record is fields from its first byte to its last. */
static void check_fields(struct bytes record)
{
	struct cursor c = cursor_over(record);
	struct record_field field;
	enum err e;

	while (!(e = record_next(&c, &field)))
		must(record_field_info(field.number) != NULL);
	must(e == ERR_END);
	books_have_secret |= bytes_find(record, BYTES(BOOKS_SECRET)) != SIZE_MAX;
}

enum err journal_append(struct rules *r, enum record_kind kind, enum err made, struct bytes record)
{
	struct books_page *page = &books_pages[books_count];
	struct bytes id;

	errno = EDOM;
	if (made)
		return made;
	check_fields(record);
	if (kind != REC_REQUEST && kind != REC_RESPONSE_PART && kind != REC_RESPONSE &&
	    kind != REC_ABORTED)
		return books_failing ? ERR_IO : OK;
	must(books_count < BOOKS_PAGES_MAX);
	books_count++;
	memset(page, 0, sizeof *page);
	must(record_find(record, F_ID, &id) == OK && id.len == ULID_CHARS);
	memcpy(page->id, id.at, id.len);
	page->kind = kind;
	page->owner = books_owner;
	page->refused = is_text(record, F_OUTCOME, "refused");
	page->unfinished = kind == REC_REQUEST && is_text(record, F_OUTCOME, "aborted_by_program");
	page->head_only = is_text(record, F_COVERAGE, "headers_only") && kind == REC_REQUEST;
	page->malformed = page->refused && is_text(record, F_RULE, "http.request");
	page->lost = books_failing;
	return books_failing ? ERR_IO : OK;
}

enum err journal_put_trouble(const struct rules *r, struct buf *text)
{
	return buf_put_str(text, "the audit log cannot be written");
}

bool journal_settle(size_t bytes_max)
{
	return false;
}

void books_reset(void)
{
	if (current && current->policy && current->policy->organization.limits.given)
		remove_tree(current->places.state);
	must(!current || current->users == 1);
	books_count = 0;
	books_failing = books_have_secret = books_secret_was_said = false;
}

/* In place of shim/self: nothing is said. */
int self_explains(void)
{
	return -1;
}
