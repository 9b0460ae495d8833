/* SPDX-License-Identifier: MIT
 *
 * The policy file: what is read, what is refused and with which words, the limits, and the promise
 * that no text and no failing allocation does harm.
 */
#include "policy/policy.h"

#include <dirent.h>
#include <stdlib.h>

#include "policy/arena.h"
#include "policy/host.h"
#include "policy/nearest.h"
#include "policy/phrase.h"
#include "policy/section_limits.h"
#include "tap.h"
#include "wire/json.h"

#define BAD_DIRECTORY "tests/fixtures/policy/bad"

#define AUDIT        "\"audit\":{\"recipients\":[\"aigw1test\"]}"
#define ENVIRONMENTS "\"environments\":{\"e\":{}},\"default_environment\":\"e\""
/* A valid policy with room for more members. */
#define POLICY_WITH(members) "{\"version\":1," AUDIT "," ENVIRONMENTS members "}"

static enum err parse(const char *text, struct policy **ret_policy,
		      struct policy_problem *ret_problem)
{
	return policy_parse(tap_guarded(bytes_str(text)), ret_policy, ret_problem);
}

/* A policy that must be accepted. */
static struct policy *accepted(const char *text)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	if (parse(text, &p, &problem)) {
		printf("Bail out! %u:%u: %s\n", problem.line, problem.column, problem.text);
		exit(1);
	}
	return p;
}

static void check_refused(const char *text, enum err expected, const char *message)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	CHECK_ERR(parse(text, &p, &problem), expected);
	CHECK(p == NULL);
	CHECK_STR(problem.text, message);
}

static void check_file_is_accepted(const char *path)
{
	struct buf text = tap_file(path);
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	if (policy_parse(tap_guarded(buf_view(&text)), &p, &problem))
		tap_fail(path, (int)problem.line, "%s", problem.text);
	policy_free(p);
	buf_done(&text);
}

static void the_ready_policies_and_all_examples_are_accepted(void)
{
	DIR *directory = opendir("policy/examples");
	struct dirent *entry;
	char path[400];
	int count = 0;

	check_file_is_accepted("policy/observe.json");
	check_file_is_accepted("policy/strict.json");
	check_file_is_accepted("policy/hipaa.json");
	check_file_is_accepted("policy/developer-laptop.json");
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "policy/examples/%s", entry->d_name);
		check_file_is_accepted(path);
		count++;
	}
	CHECK(count >= 4);
	if (directory)
		closedir(directory);
}

/* The blocks of docs/policy.md that are marked as a whole policy. */
static void the_policies_in_the_documentation_are_accepted(void)
{
	struct buf page = tap_file("docs/policy.md");
	struct bytes rest = buf_view(&page);
	size_t at;
	int count = 0;

	while ((at = bytes_find(rest, BYTES("```jsonc policy\n"))) != SIZE_MAX) {
		struct policy *p = NULL;
		struct policy_problem problem = {0};
		rest = bytes_from(rest, at + sizeof "```jsonc policy\n" - 1);
		struct bytes block = bytes_slice(rest, 0, bytes_find(rest, BYTES("```")));
		if (policy_parse(block, &p, &problem))
			tap_fail("docs/policy.md", (int)problem.line, "%s", problem.text);
		policy_free(p);
		count++;
	}
	CHECK(count >= 1);
	buf_done(&page);
}

static void observe_allows_everything_and_refuses_what_is_not_encrypted(void)
{
	struct buf text = tap_file("policy/observe.json");
	struct policy *p = NULL;

	CHECK_ERR(policy_parse(buf_view(&text), &p, NULL), OK);
	if (p) {
		CHECK(!p->organization.models.allow.given && !p->organization.models.deny.given);
		CHECK_U64(p->environment_count, 1);
		CHECK(!p->environments[0].rules.models.allow.given);
		CHECK(!p->environments[0].rules.models.deny.given);
		CHECK_U64(p->audit.payloads, PAYLOADS_FULL);
		CHECK_U64(p->audit.on_failure, FAIL_REFUSE);
		CHECK(p->transport.verify_peer && p->transport.plaintext_refuse);
		CHECK(!p->transport.opaque_tls_refuse);
	}
	policy_free(p);
	buf_done(&text);
}

/* One line "file | error | line:column | message" of the table. */
static void check_bad_file(struct bytes row, unsigned table_line)
{
	char name[100], path[300], place[40], expected_place[40];
	struct bytes fields[3], file;
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	for (int i = 0; i < 3; i++)
		fields[i] = bytes_trim(bytes_cut(&row, '|'));
	file = fields[0];
	row = bytes_trim(row);
	snprintf(name, sizeof name, "%.*s", (int)file.len, (const char *)file.at);
	snprintf(path, sizeof path, BAD_DIRECTORY "/%s", name);
	struct buf text = tap_file(path);
	enum err e = policy_parse(tap_guarded(buf_view(&text)), &p, &problem);
	snprintf(place, sizeof place, "%u:%u", problem.line, problem.column);
	snprintf(expected_place, sizeof expected_place, "%.*s", (int)fields[2].len,
		 (const char *)fields[2].at);
	if (!bytes_equal(bytes_str(err_name(e)), fields[1]) || strcmp(place, expected_place) != 0 ||
	    !bytes_equal(bytes_str(problem.text), row))
		tap_fail(BAD_DIRECTORY "/expected.txt", (int)table_line, "%s: %s | %s | %s", name,
			 err_name(e), place, problem.text);
	CHECK(p == NULL);
	policy_free(p);
	buf_done(&text);
}

static void every_malformed_policy_is_refused_with_its_place_and_message(void)
{
	struct buf table = tap_file(BAD_DIRECTORY "/expected.txt");
	struct bytes rest = buf_view(&table);
	DIR *directory = opendir(BAD_DIRECTORY);
	struct dirent *entry;
	unsigned line = 0, rows = 0, files = 0;

	while (rest.len) {
		struct bytes row = bytes_cut(&rest, '\n');
		line++;
		if (row.len == 0 || row.at[0] == '#')
			continue;
		check_bad_file(row, line);
		rows++;
	}
	while (directory && (entry = readdir(directory)))
		files += bytes_ends(bytes_str(entry->d_name), BYTES(".json"));
	CHECK(rows >= 100);
	CHECK_U64(files, rows);
	if (directory)
		closedir(directory);
	buf_done(&table);
}

static void what_is_left_out_gets_the_safe_default(void)
{
	struct policy *p = accepted(POLICY_WITH(""));

	CHECK_U64(p->version, 1);
	CHECK(!p->locked && !p->trust_environment);
	CHECK_U64(p->audit.directory.len, 0);
	CHECK_U64(p->audit.payloads, PAYLOADS_FULL);
	CHECK_U64(p->audit.on_failure, FAIL_REFUSE);
	CHECK_U64(p->audit.durability, DURABLE_WRITTEN);
	CHECK_U64(p->audit.retain_days, 0);
	CHECK_U64(p->transport.min_tls, TLS_1_2);
	CHECK(p->transport.verify_peer && p->transport.plaintext_refuse &&
	      p->transport.opaque_tls_refuse && p->transport.quic_refuse);
	CHECK(!p->transport.websocket_refuse);
	CHECK_U64(p->provider_count + p->application_count, 0);
	CHECK_BYTES(p->organization.models.where, "organization.models");
	CHECK(!p->organization.models.allow.given && !p->organization.models.deny.given);
	CHECK_BYTES(p->environments[0].rules.models.where, "environments.e.models");
	CHECK_BYTES(p->default_environment, "e");
	for (size_t i = 0; i < sizeof p->digest; i++)
		CHECK_U64(p->digest[i], 0);
	policy_free(p);
}

/* Names are used before they are defined, and some are written with escapes. */
static const char complete[] =
	"// a comment\n"
	"{ \"default_environment\": \"prod\\u0075ction\", \"trust_environment\": true,\n"
	"  \"applications\": { \"bot\": { \"match\": { \"user\": \"intake\", \"exe\": "
	"\"/opt/*\" }, \"environment\": \"production\" } },\n"
	"  \"environments\": { \"production\": { \"models\": { \"deny\": [\"Ward/X\", "
	"\"*-Preview\"], "
	"\"allow\": [] } }, \"development\": {} },\n"
	"  \"organization\": { \"models\": { \"allow\": [\"openai/GPT-5*\", \"war?/*\"] } },\n"
	"  \"providers\": { \"ward\": { \"hosts\": [\"LLM.ward.example:8443\", \"[::1]\", "
	"\"*.gpu.example\"], \"dialect\": \"openai\" },\n"
	"    \"anthropic\": { \"hosts\": [\"claude.example\"], \"dialect\": \"anthropic\" },\n"
	"    \"lab\": { \"hosts\": [\"10.0.0.7:1\"], \"dialect\": \"anthropic\", \"otel_name\": "
	"\"lab.one\", \"plaintext\": true } },\n"
	"  \"transport\": { \"min_tls\": \"1.3\", \"verify_peer\": false, \"plaintext\": "
	"\"allow\", "
	"\"opaque_tls\": \"allow\", \"quic\": \"allow\", "
	"\"websocket\": \"refuse\" },\n"
	"  \"audit\": { \"recipients\": [\"aigw1one\", \"aigw1two\"], \"directory\": "
	"\"/var/log/aigw\", "
	"\"payloads\": \"none\", \"retain_days\": 7, \"on_failure\": \"allow\", \"durability\": "
	"\"synced\" }, /* and */ \"locked\": true, \"version\": 1 }\n";

static void every_key_is_read_in_any_order(void)
{
	struct policy *p = accepted(complete);

	CHECK(p->locked && p->trust_environment);
	CHECK_U64(p->audit.recipient_count, 2);
	CHECK_BYTES(p->audit.recipients[0], "aigw1one");
	CHECK_BYTES(p->audit.recipients[1], "aigw1two");
	CHECK_BYTES(p->audit.directory, "/var/log/aigw");
	CHECK_U64(p->audit.payloads, PAYLOADS_NONE);
	CHECK_U64(p->audit.retain_days, 7);
	CHECK_U64(p->audit.on_failure, FAIL_ALLOW);
	CHECK_U64(p->audit.durability, DURABLE_SYNCED);
	CHECK_U64(p->transport.min_tls, TLS_1_3);
	CHECK(!p->transport.verify_peer && !p->transport.plaintext_refuse &&
	      !p->transport.opaque_tls_refuse && !p->transport.quic_refuse);
	CHECK(p->transport.websocket_refuse);

	CHECK_U64(p->provider_count, 3);
	const struct provider *ward = &p->providers[0], *more = &p->providers[1];
	CHECK_STR(ward->name, "ward");
	CHECK_STR(ward->otel_name, "ward");
	CHECK(!ward->plaintext && p->providers[2].plaintext);
	CHECK(ward->dialect == DIALECT_openai);
	CHECK_U64(ward->host_count, 3);
	CHECK_STR(ward->hosts[0].name, "llm.ward.example");
	CHECK_U64(ward->hosts[0].port, 8443);
	CHECK_STR(ward->hosts[1].name, "[::1]");
	CHECK_U64(ward->hosts[1].port, 0);
	CHECK_STR(ward->hosts[2].name, "*.gpu.example");
	CHECK_STR(more->name, "anthropic");
	CHECK_STR(more->otel_name, catalogue_find(BYTES("anthropic"))->otel_name);
	CHECK(more->dialect == DIALECT_anthropic);
	CHECK_U64(more->host_count, 1);
	CHECK_STR(p->providers[2].otel_name, "lab.one");

	CHECK_U64(p->organization.models.allow.count, 2);
	CHECK_BYTES(p->organization.models.allow.at[0], "openai/gpt-5*");
	CHECK(!p->organization.models.deny.given);
	CHECK_U64(p->environment_count, 2);
	const struct model_rules *rules = &p->environments[0].rules.models;
	CHECK_BYTES(p->environments[0].name, "production");
	CHECK_BYTES(rules->where, "environments.production.models");
	CHECK(rules->allow.given && rules->allow.count == 0);
	CHECK_U64(rules->deny.count, 2);
	CHECK_BYTES(rules->deny.at[0], "ward/x");
	CHECK_BYTES(rules->deny.at[1], "*-preview");
	CHECK(!p->environments[1].rules.models.allow.given);

	CHECK_U64(p->application_count, 1);
	CHECK_BYTES(p->applications[0].name, "bot");
	CHECK_BYTES(p->applications[0].environment, "production");
	CHECK_BYTES(p->applications[0].match.exe, "/opt/*");
	CHECK_BYTES(p->applications[0].match.user, "intake");
	CHECK_BYTES(p->default_environment, "production");
	policy_free(p);
}

static void a_policy_keeps_nothing_of_the_text(void)
{
	struct buf text = {0};
	struct policy *p = NULL;

	CHECK_ERR(buf_put_str(&text, complete), OK);
	CHECK_ERR(policy_parse(buf_view(&text), &p, NULL), OK);
	buf_done(&text); /* wiped and freed: a view into it would show */
	CHECK_BYTES(p->default_environment, "production");
	CHECK_BYTES(p->applications[0].match.exe, "/opt/*");
	CHECK_STR(p->providers[0].hosts[0].name, "llm.ward.example");
	policy_free(p);
	policy_free(NULL);
}

static void a_host_is_found_in_the_policy_before_the_catalogue(void)
{
	struct policy *p = accepted(
		POLICY_WITH(",\"providers\":{\"openai\":{\"hosts\":[\"private.example\"]},"
			    "\"ward\":{\"dialect\":\"anthropic\",\"hosts\":[\"llm.example:8443\","
			    "\"*.gpu.example\","
			    "\"eu.api.openai.com\"]}}"));
	static const struct {
		const char *host;
		uint16_t port;
		const char *with, *without; /* the policy; "": no provider */
	} cases[] = {
		{"api.openai.com", 443, "openai", "openai"},
		{"API.OpenAI.com.", 0, "openai", "openai"},
		{"api.anthropic.com", 443, "anthropic", "anthropic"},
		{"private.example", 443, "openai", ""},
		{"llm.example", 8443, "ward", ""},
		{"LLM.example", 8443, "ward", ""},
		{"llm.example", 443, "", ""},
		{"llm.example", 0, "ward", ""},
		{"a.gpu.example", 1, "ward", ""},
		{"a.b.gpu.example", 1, "ward", ""},
		{"gpu.example", 1, "", ""},
		{"eu.api.openai.com", 443, "ward", "openai"},
		{"example.com", 443, "", ""},
		{"", 0, "", ""},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes host = tap_guarded(bytes_str(cases[i].host));
		const struct provider *with = policy_find_provider(p, host, cases[i].port);
		const struct provider *without = policy_find_provider(NULL, host, cases[i].port);
		CHECK_STR(with ? with->name : "", cases[i].with);
		CHECK_STR(without ? without->name : "", cases[i].without);
	}
	policy_free(p);
}

static void hosts_are_cut_into_name_and_port(void)
{
	static const struct {
		const char *entry, *name;
		uint16_t port;
	} cases[] = {
		{"llm.example", "llm.example", 0},
		{"llm.example:1", "llm.example", 1},
		{"llm.example:65535", "llm.example", 65535},
		{"*.example", "*.example", 0},
		{"*.example:443", "*.example", 443},
		{"localhost", "localhost", 0},
		{"model_server-1", "model_server-1", 0},
		{"1llm.example", "1llm.example", 0},
		{"10.0.0.7", "10.0.0.7", 0},
		{"10.0.0.7:80", "10.0.0.7", 80},
		{"[::1]", "[::1]", 0},
		{"[2001:db8::7]:8443", "[2001:db8::7]", 8443},
		{"[::ffff:10.0.0.7]", "[::ffff:10.0.0.7]", 0},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", 0},
	};
	char longest[HOST_NAME_BYTES_MAX + 2];
	const char *problem;
	struct bytes name;
	uint16_t port;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CHECK_ERR(
			host_parse(tap_guarded(bytes_str(cases[i].entry)), &name, &port, &problem),
			OK);
		CHECK_BYTES(name, cases[i].name);
		CHECK_U64(port, cases[i].port);
	}
	for (size_t i = 0; i < sizeof longest; i++)
		longest[i] = i % 50 == 49 ? '.' : 'l';
	CHECK_ERR(host_parse(bytes_of(longest, HOST_NAME_BYTES_MAX), &name, &port, &problem), OK);
	CHECK_ERR(host_parse(bytes_of(longest, HOST_NAME_BYTES_MAX + 1), &name, &port, &problem),
		  ERR_BAD);
	memset(longest, 'l', sizeof longest);
	CHECK_ERR(host_parse(bytes_of(longest, HOST_LABEL_BYTES_MAX), &name, &port, &problem), OK);
	CHECK_ERR(host_parse(bytes_of(longest, HOST_LABEL_BYTES_MAX + 1), &name, &port, &problem),
		  ERR_BAD);
	CHECK_ERR(host_parse(bytes_of("10.0.0.7\0", 9), &name, &port, &problem), ERR_BAD);
	CHECK_ERR(host_parse(bytes_of("[::1\0]", 6), &name, &port, &problem), ERR_BAD);
}

/* `before`, `count` pieces made from `piece` (its "#" is the number) with commas, `after`. */
static struct buf repeated(const char *before, const char *piece, size_t count, const char *after)
{
	struct buf text = {0};
	enum err e = buf_put_str(&text, before);

	for (size_t i = 0; i < count && !e; i++) {
		struct bytes rest = bytes_str(piece);
		if (i)
			e = buf_put_str(&text, ",\n");
		while (rest.len && !e) {
			bool number = bytes_find_byte(rest, '#') != SIZE_MAX;
			e = buf_put(&text, bytes_cut(&rest, '#'));
			if (number && !e)
				e = buf_put_decimal(&text, i);
		}
	}
	e = e ? e : buf_put_str(&text, after);
	if (e)
		exit(1);
	return text;
}

static void every_count_has_a_limit(void)
{
	static const struct {
		const char *before, *piece, *after, *message;
		size_t max;
	} cases[] = {
		{"{\"version\":1," ENVIRONMENTS ",\"audit\":{\"recipients\":[", "\"aigw1r#\"",
		 "]}}", "audit.recipients has more than 16 entries", POLICY_RECIPIENTS_MAX},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS ",\"providers\":{",
		 "\"p#\":{\"dialect\":\"openai\",\"hosts\":[\"h#.example\"]}", "}}",
		 "providers has more than 256 entries", POLICY_PROVIDERS_MAX},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS
		 ",\"providers\":{\"p\":{\"dialect\":\"openai\",\"hosts\":[",
		 "\"h#.example\"", "]}}}", "providers.p.hosts has more than 256 entries", 256},
		{"{\"version\":1," AUDIT ",\"default_environment\":\"e0\",\"environments\":{",
		 "\"e#\":{}", "}}", "environments has more than 256 entries",
		 POLICY_ENVIRONMENTS_MAX},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS ",\"applications\":{",
		 "\"a#\":{\"environment\":\"e\",\"match\":{\"user\":\"u#\"}}", "}}",
		 "applications has more than 1024 entries", POLICY_APPLICATIONS_MAX},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS
		 ",\"organization\":{\"models\":{\"deny\":[",
		 "\"openai/m#\"", "]}}}", "organization.models.deny has more than 1024 entries",
		 POLICY_PATTERNS_MAX},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (size_t more = 0; more < 2; more++) {
			struct buf text = repeated(cases[i].before, cases[i].piece,
						   cases[i].max + more, cases[i].after);
			struct policy *p = NULL;
			struct policy_problem problem = {0};
			CHECK_ERR(policy_parse(tap_guarded(buf_view(&text)), &p, &problem),
				  more ? ERR_LIMIT : OK);
			CHECK_STR(problem.text, more ? cases[i].message : "");
			policy_free(p);
			buf_done(&text);
		}
}

static void every_text_has_a_greatest_length(void)
{
	static const struct {
		const char *before, *after;
		enum err expected; /* one past it */
		size_t max;        /* of what stands between them */
	} cases[] = {
		{"{\"version\":1," ENVIRONMENTS ",\"audit\":{\"recipients\":[\"aigw1", "\"]}}",
		 ERR_BAD, 84},
		{"{\"version\":1," ENVIRONMENTS
		 ",\"audit\":{\"recipients\":[\"aigw1r\"],\"directory\":"
		 "\"/",
		 "\"}}", ERR_LIMIT, 899},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS ",\"providers\":{\"",
		 "\":{\"dialect\":\"openai\",\"hosts\":[\"h.example\"]}}}", ERR_BAD, 63},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS
		 ",\"providers\":{\"p\":{\"dialect\":\"openai\",\"hosts\":[\"h.example\"],"
		 "\"otel_name\":\"",
		 "\"}}}", ERR_LIMIT, 63},
		{"{\"version\":1," AUDIT
		 ",\"default_environment\":\"e\",\"environments\":{\"e\":{},\"",
		 "\":{}}}", ERR_BAD, 63},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS ",\"applications\":{\"",
		 "\":{\"environment\":\"e\",\"match\":{\"user\":\"u\"}}}}", ERR_BAD, 63},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS
		 ",\"applications\":{\"a\":{\"environment\":\"e\",\"match\":{\"user\":\"",
		 "\"}}}}", ERR_BAD, 64},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS
		 ",\"applications\":{\"a\":{\"environment\":\"e\",\"match\":{\"exe\":\"/",
		 "\"}}}}", ERR_LIMIT, 1023},
		{"{\"version\":1," AUDIT "," ENVIRONMENTS
		 ",\"organization\":{\"models\":{\"deny\":[\"openai/",
		 "\"]}}}", ERR_LIMIT, 313},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (size_t more = 0; more < 2; more++) {
			struct buf text = {0};
			struct policy *p = NULL;
			enum err e = buf_put_str(&text, cases[i].before);
			for (size_t k = 0; k < cases[i].max + more && !e; k++)
				e = buf_put_u8(&text, 'x');
			e = e ? e : buf_put_str(&text, cases[i].after);
			CHECK_ERR(e, OK);
			e = policy_parse(tap_guarded(buf_view(&text)), &p, NULL);
			if (e != (more ? cases[i].expected : OK))
				tap_fail(__FILE__, __LINE__, "case %zu, %zu bytes: %s", i,
					 cases[i].max + more, err_name(e));
			policy_free(p);
			buf_done(&text);
		}
}

static void a_text_of_the_greatest_size_is_read_and_a_larger_one_is_not(void)
{
	static const char policy[] = POLICY_WITH("");
	struct buf text = {0};
	struct policy *p = NULL;
	struct policy_problem problem = {1, 1, ""};

	CHECK_ERR(buf_put_str(&text, policy), OK);
	CHECK_ERR(buf_reserve(&text, POLICY_BYTES_MAX + 1 - text.len), OK);
	memset(text.at + text.len, '\n', POLICY_BYTES_MAX + 1 - text.len);
	CHECK_ERR(policy_parse(bytes_of(text.at, POLICY_BYTES_MAX), &p, &problem), OK);
	policy_free(p);
	p = NULL;
	CHECK_ERR(policy_parse(bytes_of(text.at, POLICY_BYTES_MAX + 1), &p, &problem), ERR_LIMIT);
	CHECK_U64(problem.line, 0);
	CHECK_STR(problem.text, "the policy is larger than 4 MiB");
	CHECK(p == NULL);
	buf_done(&text);
}

static void the_retention_has_bounds(void)
{
	static const char *const days[] = {"0", "36500", "36501"};

	for (int i = 0; i < 3; i++) {
		char text[300];
		struct policy *p = NULL;
		snprintf(text, sizeof text,
			 "{\"version\":1," ENVIRONMENTS
			 ",\"audit\":{\"recipients\":[\"aigw1r\"],\"retain_days\":%s}}",
			 days[i]);
		CHECK_ERR(policy_parse(bytes_str(text), &p, NULL), i == 2 ? ERR_BAD : OK);
		policy_free(p);
	}
}

static void every_beginning_of_a_policy_is_refused(void)
{
	struct bytes whole = bytes_str(complete);

	/* the last byte is a line feed, the one before it closes the object */
	for (size_t len = 0; len + 2 <= whole.len; len++) {
		struct policy *p = NULL;
		struct policy_problem problem = {0};
		enum err e = policy_parse(tap_guarded(bytes_slice(whole, 0, len)), &p, &problem);
		if (!e)
			tap_fail(__FILE__, __LINE__, "the first %zu bytes are accepted", len);
		CHECK(problem.line >= 1 && problem.column >= 1 && problem.text[0]);
		policy_free(p);
	}
}

static void no_changed_byte_does_harm(void)
{
	static const uint8_t instead[] = {0, '"', '\\', '{', ']', ',', '9', '*', 0x80, 0xFF};
	struct buf text = {0};
	unsigned refused = 0;

	CHECK_ERR(buf_put_str(&text, complete), OK);
	for (size_t i = 0; i < text.len; i++)
		for (size_t k = 0; k < sizeof instead; k++) {
			uint8_t before = text.at[i];
			struct policy *p = NULL;
			struct policy_problem problem = {0};
			text.at[i] = instead[k];
			if (policy_parse(buf_view(&text), &p, &problem)) {
				refused++;
				CHECK(p == NULL && bytes_is_utf8(bytes_str(problem.text)));
			}
			policy_free(p);
			text.at[i] = before;
		}
	CHECK(refused > 1000);
	buf_done(&text);
}

static enum err parse_complete(void)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};
	enum err e = policy_parse(bytes_str(complete), &p, &problem);

	CHECK((e == OK) == (p != NULL));
	if (e)
		CHECK_STR(problem.text, "out of memory");
	policy_free(p);
	return e;
}

static void each_failing_allocation_is_reported_and_leaks_nothing(void)
{
	tap_fail_each_allocation(parse_complete);
}

/* A problem in a long policy whose keys are escaped, so that the report itself allocates. */
static void a_failing_allocation_in_a_report_is_reported_too(void)
{
	for (unsigned long n = 1; n < 20; n++) {
		struct policy *p = NULL;
		struct policy_problem problem = {0};
		tap_fail_allocation(n);
		enum err e = policy_parse(bytes_str(POLICY_WITH(",\"l\\u006fckd\":true")), &p,
					  &problem);
		tap_fail_allocation(0);
		CHECK(e == ERR_NOMEM || e == ERR_BAD);
		CHECK(p == NULL && problem.text[0]);
	}
}

static void a_problem_may_be_ignored(void)
{
	struct policy *p = NULL;

	CHECK_ERR(policy_parse(BYTES("{"), &p, NULL), ERR_BAD);
	CHECK_ERR(policy_parse(BYTES_NONE, &p, NULL), ERR_BAD);
	CHECK(p == NULL);
}

static void a_secret_key_is_not_repeated_in_the_message(void)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	CHECK_ERR(parse("{\"version\":1,\"audit\":{\"recipients\":[\"AIGW-SECRET-KEY-1QPZRY\"]}"
			"," ENVIRONMENTS "}",
			&p, &problem),
		  ERR_BAD);
	CHECK(!strstr(problem.text, "QPZRY"));
	check_refused("{\"version\":1,\"audit\":{\"recipients\":[]}," ENVIRONMENTS "}", ERR_BAD,
		      "audit.recipients is empty: nobody could read the audit log; run aigw init, "
		      "which makes a key and fills this in");
}

static void one_limit_is_read_as_text(void)
{
	static const struct {
		const char *name, *amount;
		enum err err;
		enum limit_kind kind;
		uint64_t value;
	} rows[] = {
		{"usd_per_month", "12.5", OK, LIMIT_USD_PER_MONTH, UINT64_C(12500000000000)},
		{"usd_per_day", "0", OK, LIMIT_USD_PER_DAY, 0},
		{"usd_per_day", "10000000", OK, LIMIT_USD_PER_DAY, LIMIT_USD_MAX * PICOUSD_PER_USD},
		{"usd_per_day", "10000000.000001", ERR_BAD, LIMIT_COUNT, 0},
		{"usd_per_day", "1.0000001", ERR_BAD, LIMIT_COUNT, 0},
		{"usd_per_day", "1.", ERR_BAD, LIMIT_COUNT, 0},
		{"usd_per_day", "-1", ERR_BAD, LIMIT_COUNT, 0},
		{"usd_per_day", "", ERR_BAD, LIMIT_COUNT, 0},
		{"tokens_per_day", "1000000000000000", OK, LIMIT_TOKENS_PER_DAY, LIMIT_NUMBER_MAX},
		{"tokens_per_day", "1000000000000001", ERR_BAD, LIMIT_COUNT, 0},
		{"tokens_per_day", "1.5", ERR_BAD, LIMIT_COUNT, 0},
		{"concurrent_requests", "3", OK, LIMIT_CONCURRENT_REQUESTS, 3},
		{"tokens", "3", ERR_MISSING, LIMIT_COUNT, 0},
		{"", "3", ERR_MISSING, LIMIT_COUNT, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct limit_values v = {.given = 0};
		CHECK_ERR(section_limits_put(&v, tap_guarded(bytes_str(rows[i].name)),
					     tap_guarded(bytes_str(rows[i].amount))),
			  rows[i].err);
		CHECK_U64(v.given, rows[i].err ? 0 : 1u << rows[i].kind);
		if (!rows[i].err)
			CHECK_U64(v.value[rows[i].kind], rows[i].value);
	}
	CHECK(section_limits_fits(LIMIT_TOKENS_PER_DAY, LIMIT_NUMBER_MAX));
	CHECK(!section_limits_fits(LIMIT_TOKENS_PER_DAY, LIMIT_NUMBER_MAX + 1));
	CHECK(section_limits_fits(LIMIT_USD_PER_DAY, LIMIT_USD_MAX * PICOUSD_PER_USD));
	CHECK(!section_limits_fits(LIMIT_USD_PER_DAY, LIMIT_USD_MAX * PICOUSD_PER_USD + 1));
}

static void limits_are_read_to_the_last_digit(void)
{
	static const struct {
		const char *text;
		uint64_t picousd; /* UINT64_MAX: refused */
	} money[] = {
		{"0", 0},
		{"500", UINT64_C(500000000000000)},
		{"0.1", UINT64_C(100000000000)},
		{"12.50", UINT64_C(12500000000000)},
		{"0.000001", 1000000},
		{"10000000", UINT64_C(10000000000000000000)},
		{"10000000.000001", UINT64_MAX},
		{"10000001", UINT64_MAX},
		{"0.0000001", UINT64_MAX},
		{"1e2", UINT64_MAX},
	};
	struct policy *p = NULL;
	struct policy_problem problem;

	CHECK_ERR(parse("{\"version\":1," AUDIT
			",\"organization\":{\"limits\":{\"requests_per_minute\":600}},"
			"\"environments\":{\"e\":{\"limits\":{\"tokens_per_minute\":1,"
			"\"tokens_per_day\":2,\"tokens_per_month\":3,\"concurrent_requests\":0}},"
			"\"f\":{\"limits\":{}}},"
			"\"applications\":{\"a\":{\"environment\":\"e\",\"match\":{\"user\":"
			"\"u\"},\"limits\":{\"tokens_per_day\":1000000000000000}}},"
			"\"default_environment\":\"e\"}",
			&p, &problem),
		  OK);
	if (!p)
		return;
	const struct limit_values *e = &p->environments[0].rules.limits;
	CHECK_U64(p->organization.limits.given, 1u << LIMIT_REQUESTS_PER_MINUTE);
	CHECK_U64(p->organization.limits.value[LIMIT_REQUESTS_PER_MINUTE], 600);
	CHECK_U64(e->value[LIMIT_TOKENS_PER_MINUTE], 1);
	CHECK_U64(e->value[LIMIT_TOKENS_PER_DAY], 2);
	CHECK_U64(e->value[LIMIT_TOKENS_PER_MONTH], 3);
	CHECK(limit_given(e, LIMIT_CONCURRENT_REQUESTS) && !limit_given(e, LIMIT_USD_PER_DAY));
	CHECK_U64(p->environments[1].rules.limits.given, 0);
	CHECK_U64(p->applications[0].rules.limits.value[LIMIT_TOKENS_PER_DAY], LIMIT_NUMBER_MAX);
	policy_free(p);
	for (size_t i = 0; i < sizeof money / sizeof money[0]; i++) {
		char text[400];
		snprintf(text, sizeof text,
			 POLICY_WITH(",\"organization\":{\"limits\":{\"usd_per_month\":%s}}"),
			 money[i].text);
		p = NULL;
		CHECK_ERR(parse(text, &p, &problem), money[i].picousd == UINT64_MAX ? ERR_BAD : OK);
		if (p)
			CHECK_U64(p->organization.limits.value[LIMIT_USD_PER_MONTH],
				  money[i].picousd);
		policy_free(p);
	}
}

/* The keys that the parser says it expects, against the properties of the schema. */
static void the_schema_has_exactly_the_keys_that_the_parser_reads(void)
{
	static const struct {
		const char *text, *pointer;
	} cases[] = {
		{"{\"?\":1}", "/properties"},
		{"{\"version\":1,\"audit\":{\"?\":1}," ENVIRONMENTS "}", "/$defs/audit/properties"},
		{POLICY_WITH(",\"transport\":{\"?\":1}"), "/$defs/transport/properties"},
		{POLICY_WITH(",\"providers\":{\"p\":{\"?\":1}}"), "/$defs/provider/properties"},
		{POLICY_WITH(",\"usage\":{\"?\":1}"), "/properties/usage/properties"},
		{POLICY_WITH(",\"prices\":{\"*\":{\"?\":1}}"), "/$defs/price/properties"},
		{POLICY_WITH(",\"prices\":{\"*\":{\"input\":1,\"flex\":{\"?\":1}}}"),
		 "/$defs/price_plan/properties"},
		{POLICY_WITH(",\"prices\":{\"*\":{\"input\":1,\"above\":{\"?\":1}}}"),
		 "/$defs/price_above/properties"},
		{POLICY_WITH(",\"organization\":{\"?\":1}"), "/$defs/scope/properties"},
		{POLICY_WITH(",\"organization\":{\"models\":{\"?\":1}}"),
		 "/$defs/models/properties"},
		{POLICY_WITH(",\"organization\":{\"endpoints\":{\"?\":1}}"),
		 "/$defs/endpoints/properties"},
		{POLICY_WITH(",\"organization\":{\"features\":{\"?\":1}}"),
		 "/$defs/features/properties"},
		{POLICY_WITH(",\"organization\":{\"hosts\":{\"?\":1}}"), "/$defs/hosts/properties"},
		{POLICY_WITH(",\"organization\":{\"watch\":{\"?\":1}}"), "/$defs/watch/properties"},
		{POLICY_WITH(",\"providers\":{\"openai\":{\"baa\":{\"?\":1}}}"),
		 "/$defs/agreement/properties"},
		{POLICY_WITH(",\"providers\":{\"openai\":{\"no_training\":{\"?\":1}}}"),
		 "/$defs/agreement/properties"},
		{"{\"version\":1," AUDIT
		 ",\"environments\":{\"e\":{\"?\":1}},\"default_environment\":\"e\"}",
		 "/$defs/scope/properties"},
		{POLICY_WITH(",\"organization\":{\"limits\":{\"?\":1}}"),
		 "/$defs/limits/properties"},
		{POLICY_WITH(",\"applications\":{\"a\":{\"?\":1}}"),
		 "/$defs/application/properties"},
		{POLICY_WITH(
			 ",\"applications\":{\"a\":{\"environment\":\"e\",\"match\":{\"?\":1}}}"),
		 "/$defs/match/properties"},
	};
	struct buf schema = tap_file("policy/policy.schema.json");

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct policy *p = NULL;
		struct policy_problem problem = {0};
		struct json_token token;
		struct bytes properties = BYTES_NONE;
		struct json scan;
		char keys[300] = "";

		CHECK_ERR(json_find(buf_view(&schema), cases[i].pointer, &token, &properties), OK);
		json_init(&scan, properties, JSON_STRICT);
		while (!json_next(&scan, &token)) {
			size_t end;
			if (token.kind != JSON_KEY)
				continue;
			snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%s%.*s",
				 *keys ? ", " : "", (int)token.raw.len, (const char *)token.raw.at);
			CHECK_ERR(json_skip(&scan, &token, &end), OK);
		}
		CHECK_ERR(parse(cases[i].text, &p, &problem), ERR_BAD);
		char *expected = strstr(problem.text, "expected: ");
		CHECK(expected != NULL);
		CHECK_STR(expected ? expected + strlen("expected: ") : "", keys);
	}
	buf_done(&schema);
}

static void the_nearest_word_is_suggested_and_a_far_one_is_not(void)
{
	static const struct {
		const char *word, *best;
	} cases[] = {
		{"modles", "models"},
		{"model", "models"},
		{"MODELS", "models"},
		{"audti", "audit"},
		{"audits", "audit"},
		{"colour", ""},
		{"x", ""},
		{"", ""},
		{"transprot", "transport"},
		{"verify", ""},
		{"aduit", "audit"},
		{"odels", "models"},
		{"mmodels", "models"},
		{"mdoesl", "models"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct nearest n = nearest_to(tap_guarded(bytes_str(cases[i].word)));
		nearest_offer(&n, BYTES("audit"));
		nearest_offer(&n, BYTES("transport"));
		nearest_offer(&n, BYTES("models"));
		CHECK_BYTES(n.best, cases[i].best);
	}
	char longest[NEAREST_BYTES_MAX + 1], other[NEAREST_BYTES_MAX + 1];
	memset(longest, 'n', sizeof longest);
	memset(other, 'n', sizeof other);
	other[0] = 'm';
	struct nearest n = nearest_to(bytes_of(longest, NEAREST_BYTES_MAX));
	nearest_offer(&n, bytes_of(other, NEAREST_BYTES_MAX));
	CHECK_U64(n.best.len, NEAREST_BYTES_MAX);
	n = nearest_to(bytes_of(longest, NEAREST_BYTES_MAX + 1));
	nearest_offer(&n, bytes_of(other, NEAREST_BYTES_MAX + 1));
	CHECK_U64(n.best.len, 0);
}

static void a_phrase_is_cut_at_a_character_and_says_so(void)
{
	char storage[12];
	struct phrase p;

	phrase_init(&p, storage, sizeof storage);
	phrase_put(&p, "12345678901"); /* exactly full */
	CHECK_STR(storage, "12345678901");
	phrase_put(&p, "");
	CHECK_STR(storage, "12345678901");
	phrase_put(&p, "x");
	CHECK_STR(storage, "12345678...");
	phrase_put(&p, "y");
	CHECK_STR(storage, "12345678...");
	phrase_init(&p, storage, sizeof storage);
	phrase_put(&p, "1234567\xc3\xa4\xc3\xa4\xc3\xa4");
	CHECK_STR(storage, "1234567...");
	phrase_init(&p, storage, sizeof storage);
	phrase_put_decimal(&p, 0);
	phrase_put_decimal(&p, 1234567890);
	CHECK_STR(storage, "01234567890");
	phrase_init(&p, storage, sizeof storage);
	phrase_put_bytes(&p, tap_guarded(BYTES("a\0\x7f\xc2\x85\xe2\x82")));
	CHECK_STR(storage, "a??"
			   "?"
			   "??");
}

/* Printable runs go in at once: the same as one character after the other, wherever it is cut. */
static void a_phrase_is_the_same_in_one_piece_and_in_many(void)
{
	static const struct bytes pieces[] = {
		{(const uint8_t *)"a", 1},
		{(const uint8_t *)"\x7F", 1},
		{(const uint8_t *)"\xC3\xA4", 2},
		{(const uint8_t *)" ", 1},
		{(const uint8_t *)"\xFF", 1},
		{(const uint8_t *)"~", 1},
		{(const uint8_t *)"\xE2\x82\xAC", 3},
		{(const uint8_t *)"\x1F", 1},
	};
	const size_t count = sizeof pieces / sizeof pieces[0];
	char one[48], many[48];
	struct phrase p, q;

	for (uint32_t seed = 0; seed < 2000; seed++) {
		size_t cap = 5 + seed % (sizeof one - 5);
		struct buf text = {0};
		uint32_t next = seed;
		phrase_init(&q, many, cap);
		for (size_t i = 0; i < 30; i++) {
			next = next * 1664525 + 1013904223;
			struct bytes piece = pieces[next >> 28 < count ? next >> 28 : 0];
			phrase_put_bytes(&q, piece);
			CHECK_ERR(buf_put(&text, piece), OK);
		}
		phrase_init(&p, one, cap);
		phrase_put_bytes(&p, buf_view(&text));
		CHECK_STR(one, many);
		CHECK_U64(p.len, q.len);
		buf_done(&text);
	}
}

static void a_quoted_value_is_cut_at_its_limit(void)
{
	char storage[200], value[PHRASE_QUOTE_MAX + 1];
	struct phrase p;

	memset(value, 'v', sizeof value);
	phrase_init(&p, storage, sizeof storage);
	phrase_put_quoted(&p, bytes_of(value, PHRASE_QUOTE_MAX));
	CHECK_U64(p.len, PHRASE_QUOTE_MAX + 2);
	CHECK(!strstr(storage, "..."));
	phrase_init(&p, storage, sizeof storage);
	phrase_put_quoted(&p, bytes_of(value, PHRASE_QUOTE_MAX + 1));
	CHECK_U64(p.len, PHRASE_QUOTE_MAX + 2);
	CHECK(bytes_ends(bytes_str(storage), BYTES("v...\"")));
}

static void an_arena_gives_aligned_zeroed_memory_and_refuses_overflow(void)
{
	struct arena a = {0};
	struct bytes copy = BYTES_NONE;

	for (size_t size = 0; size < 9000; size = size * 2 + 1) {
		uint8_t *at = arena_take(&a, 1, size);
		CHECK(at && (uintptr_t)at % 16 == 0);
		for (size_t i = 0; at && i < size; i++) {
			if (at[i] != 0)
				tap_fail(__FILE__, __LINE__, "byte %zu is not zero", i);
			at[i] = 0xAA;
		}
	}
	CHECK(arena_take(&a, SIZE_MAX / 2, 3) == NULL);
	CHECK(arena_take(&a, 3, SIZE_MAX / 2) == NULL);
	CHECK_ERR(arena_copy(&a, BYTES("text"), &copy), OK);
	CHECK_BYTES(copy, "text");
	CHECK_U64(copy.at[4], 0);
	tap_fail_allocation(1);
	CHECK(arena_take(&a, 1, 1u << 20) == NULL);
	arena_done(&a);
	arena_done(&a);
}

/* The operation that a request to the first provider of a policy is, and the dialect it speaks. */
static void check_own(const char *providers, const char *method, const char *path,
		      enum operation operation, const struct dialect *dialect)
{
	char text[512];
	struct policy *p = NULL;
	struct match m;

	snprintf(text, sizeof text,
		 "{\"version\":1,\"audit\":{\"recipients\":[\"aigw1x\"]},\"providers\":{%s},"
		 "\"environments\":{\"e\":{}},\"default_environment\":\"e\"}",
		 providers);
	CHECK_ERR(policy_parse(bytes_str(text), &p, NULL), OK);
	if (!p)
		return;
	provider_match(&p->providers[0], bytes_str(method), bytes_str(path), &m);
	CHECK((m.endpoint ? m.endpoint->operation : OP_UNKNOWN) == operation);
	CHECK(m.dialect == dialect);
	CHECK(!provider_shares_host(&p->providers[0], bytes_str(p->providers[0].hosts[0].name), 0));
	policy_free(p);
}

static void a_server_of_ones_own_has_its_dialects_endpoints_anywhere(void)
{
	static const char ollama[] = "\"local\":{\"dialect\":\"ollama\",\"hosts\":[\"localhost\"]}";
	static const char gemini[] = "\"mine\":{\"dialect\":\"google\",\"hosts\":[\"g.example\"]}";
	static const char more[] = "\"snowflake\":{\"hosts\":[\"sf.example\"]}";

	check_own(ollama, "POST", "/api/chat", OP_CHAT, &dialect_ollama);
	check_own(ollama, "POST", "/behind/a/proxy/api/chat", OP_CHAT, &dialect_ollama);
	check_own(ollama, "POST", "/v1/chat/completions", OP_CHAT, &dialect_openai);
	check_own(ollama, "POST", "/v1/messages", OP_CHAT, &dialect_anthropic);
	check_own(ollama, "POST", "/nobody/knows", OP_UNKNOWN, &dialect_ollama);
	check_own(gemini, "POST", "/x/models/g:generateContent", OP_GENERATE_CONTENT,
		  &dialect_google);
	check_own(gemini, "GET", "/x/models", OP_LIST_MODELS, &dialect_google);
	check_own(more, "POST", "/api/v2/cortex/inference:complete", OP_CHAT, &dialect_openai);
	check_own(more, "POST", "/queries", OP_UNKNOWN, &dialect_openai);
}

int main(void)
{
	RUN_TESTS(TEST(the_ready_policies_and_all_examples_are_accepted),
		  TEST(the_policies_in_the_documentation_are_accepted),
		  TEST(observe_allows_everything_and_refuses_what_is_not_encrypted),
		  TEST(every_malformed_policy_is_refused_with_its_place_and_message),
		  TEST(what_is_left_out_gets_the_safe_default),
		  TEST(every_key_is_read_in_any_order), TEST(a_policy_keeps_nothing_of_the_text),
		  TEST(a_host_is_found_in_the_policy_before_the_catalogue),
		  TEST(hosts_are_cut_into_name_and_port), TEST(every_count_has_a_limit),
		  TEST(every_text_has_a_greatest_length),
		  TEST(a_text_of_the_greatest_size_is_read_and_a_larger_one_is_not),
		  TEST(the_retention_has_bounds), TEST(every_beginning_of_a_policy_is_refused),
		  TEST(no_changed_byte_does_harm),
		  TEST(each_failing_allocation_is_reported_and_leaks_nothing),
		  TEST(a_failing_allocation_in_a_report_is_reported_too),
		  TEST(a_problem_may_be_ignored), TEST(a_secret_key_is_not_repeated_in_the_message),
		  TEST(limits_are_read_to_the_last_digit), TEST(one_limit_is_read_as_text),
		  TEST(the_schema_has_exactly_the_keys_that_the_parser_reads),
		  TEST(the_nearest_word_is_suggested_and_a_far_one_is_not),
		  TEST(a_phrase_is_cut_at_a_character_and_says_so),
		  TEST(a_phrase_is_the_same_in_one_piece_and_in_many),
		  TEST(a_quoted_value_is_cut_at_its_limit),
		  TEST(an_arena_gives_aligned_zeroed_memory_and_refuses_overflow),
		  TEST(a_server_of_ones_own_has_its_dialects_endpoints_anywhere));
}
