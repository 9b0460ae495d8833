/* SPDX-License-Identifier: MIT */
#include "policy/sections.h"

#include <string.h>

#include "policy/section_applications.h"
#include "policy/section_prices.h"
#include "policy/section_providers.h"
#include "policy/section_scope.h"

#define RECIPIENT_BYTES_MAX 89  /* one of today has 63; its checksum is checked at use */
#define DIRECTORY_BYTES_MAX 900 /* leaves room for file names below the system's 1024 */
#define SOCKET_BYTES_MAX    107 /* sockaddr_un has room for 108 with the NUL */
#define RETAIN_DAYS_MAX     36500

/* version */

static enum err read_version(struct reader *r, const struct member *m, const struct value *v,
			     void *into)
{
	uint64_t number;
	uint32_t version = 1;

	if (v->token.kind != JSON_NUMBER || json_number_u64(&v->token, &number) || number == 0)
		return reader_wrong(r, v, "1");
	if (number != version) {
		struct phrase *p = reader_problem(r, v->token.start);
		phrase_put(p, "version ");
		phrase_put_decimal(p, number);
		phrase_put(p,
			   " of the policy format is not known here; this program reads version 1");
		return ERR_UNSUPPORTED;
	}
	memcpy(into, &version, sizeof version);
	return OK;
}

/* Before all else: of a later version's file this must be said, not that its keys are unknown.
 * What is no JSON or no version is left to the reading proper. */
static enum err check_version(struct reader *r, const struct value *v)
{
	struct json scan = v->scan;
	struct json_token key;
	struct value found;
	uint32_t version;
	size_t end;

	if (v->token.kind != JSON_OBJECT)
		return OK;
	while (!json_next(&scan, &key) && key.kind == JSON_KEY) {
		bool is_version = json_token_is(&key, BYTES("version"));
		if (json_next(&scan, &found.token))
			return OK;
		found.scan = scan;
		if (is_version && found.token.kind == JSON_NUMBER) {
			size_t mark = reader_path_push(r, BYTES("version"));
			enum err e = read_version(r, NULL, &found, &version);
			reader_path_pop(r, mark);
			return e;
		}
		if (json_skip(&scan, &found.token, &end))
			return OK;
	}
	return OK;
}

/* audit */

static enum err read_recipient(struct reader *r, const struct value *v, struct bytes name,
			       size_t name_start, void *element)
{
	static const char expected[] = "a recipient (\"aigw1...\", as aigw init prints it)";
	struct policy *policy = r->policy;
	struct bytes text;
	enum err e = reader_string(r, v, expected, &text);
	bool fits;

	if (e)
		return e;
	fits = text.len > sizeof "aigw1" - 1 && text.len <= RECIPIENT_BYTES_MAX &&
	       bytes_starts(text, BYTES("aigw1"));
	for (size_t i = 0; i < text.len; i++)
		fits = fits && ((text.at[i] >= 'a' && text.at[i] <= 'z') ||
				(text.at[i] >= '0' && text.at[i] <= '9'));
	if (!fits && bytes_starts(text, BYTES("AIGW-SECRET-KEY"))) {
		/* Never quote it: messages are printed and logged. */
		struct phrase *p = reader_problem(r, v->token.start);
		phrase_put_bytes(p, reader_path(r));
		phrase_put(p,
			   " is a secret key; it must not stand here, and whoever could read this "
			   "file has it. Make a new one and put its recipient (\"aigw1...\") here");
		return ERR_BAD;
	}
	if (!fits)
		return reader_wrong(r, v, expected);
	for (size_t i = 0; i < policy->audit.recipient_count; i++)
		if (bytes_equal(policy->audit.recipients[i], text)) {
			phrase_put(reader_problem_with(r, v->token.start, text),
				   " stands twice; keep one");
			return ERR_BAD;
		}
	policy->audit.recipients[policy->audit.recipient_count++] = text;
	return OK;
}

static enum err read_recipients(struct reader *r, const struct member *m, const struct value *v,
				void *into)
{
	void *elements;
	size_t count;
	/* The elements go to the policy itself, which has room for as many as reader_array lets by.
	 */
	enum err e = reader_array(r, v, "an array of recipients (\"aigw1...\")",
				  POLICY_RECIPIENTS_MAX, 0, read_recipient, &elements, &count);

	if (e)
		return e;
	if (count == 0) {
		phrase_put(reader_problem(r, v->token.start),
			   "audit.recipients is empty: nobody could read the audit log; run "
			   "aigw init, which makes a key and fills this in");
		return ERR_BAD;
	}
	return OK;
}

static enum err read_path(struct reader *r, const struct value *v, const char *expected,
			  size_t bytes_max, void *into)
{
	struct bytes text;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (!bytes_starts(text, BYTES("/")))
		return reader_wrong(r, v, expected);
	if (text.len > bytes_max) {
		struct phrase *p = reader_problem_with(r, v->token.start, text);
		phrase_put(p, " is longer than ");
		phrase_put_decimal(p, bytes_max);
		phrase_put(p, " bytes");
		return ERR_LIMIT;
	}
	memcpy(into, &text, sizeof text);
	return OK;
}

static enum err read_directory(struct reader *r, const struct member *m, const struct value *v,
			       void *into)
{
	return read_path(r, v, "an absolute path (\"/var/log/aigw\")", DIRECTORY_BYTES_MAX, into);
}

static enum err read_socket(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	return read_path(r, v, "an absolute path (\"/run/aigw/collect.sock\")", SOCKET_BYTES_MAX,
			 into);
}

static const struct choice payload_choices[] = {
	{"full", PAYLOADS_FULL}, {"none", PAYLOADS_NONE}, {"", 0}};
static const struct choice failure_choices[] = {
	{"refuse", FAIL_REFUSE}, {"allow", FAIL_ALLOW}, {"", 0}};
static const struct choice durability_choices[] = {
	{"written", DURABLE_WRITTEN}, {"synced", DURABLE_SYNCED}, {"", 0}};
static const struct choice via_choices[] = {
	{"files", VIA_FILES}, {"collector", VIA_COLLECTOR}, {"", 0}};

static enum err read_audit(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	static const struct member members[] = {
		READER_KEY("recipients", read_recipients, .required = true),
		READER_KEY("directory", read_directory, READER_IN(struct policy, audit.directory)),
		READER_KEY("payloads", reader_choice, READER_IN(struct policy, audit.payloads),
			   .choices = payload_choices),
		READER_KEY("retain_days", reader_u32, READER_IN(struct policy, audit.retain_days),
			   .max = RETAIN_DAYS_MAX),
		READER_KEY("on_failure", reader_choice, READER_IN(struct policy, audit.on_failure),
			   .choices = failure_choices),
		READER_KEY("durability", reader_choice, READER_IN(struct policy, audit.durability),
			   .choices = durability_choices),
		READER_KEY("via", reader_choice, READER_IN(struct policy, audit.via),
			   .choices = via_choices),
		READER_KEY("socket", read_socket, READER_IN(struct policy, audit.socket)),
	};
	return reader_object(r, members, READER_COUNT(members), v, r->policy);
}

/* transport */

static const struct choice refuse_choices[] = {{"refuse", 1}, {"allow", 0}, {"", 0}};
static const struct choice websocket_choices[] = {{"refuse", 1}, {"record", 0}, {"", 0}};

/* A choice between "refuse" and something else, into a bool; the words are the member's. */
static enum err read_refuse(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	const struct member row = {.choices = m->choices ? m->choices : refuse_choices};
	int refuse = 1;
	bool is_refused;
	enum err e = reader_choice(r, &row, v, &refuse);

	if (e)
		return e;
	is_refused = refuse;
	memcpy(into, &is_refused, sizeof is_refused);
	return OK;
}

static const struct choice tls_choices[] = {{"1.2", TLS_1_2}, {"1.3", TLS_1_3}, {"", 0}};

static enum err read_transport(struct reader *r, const struct member *m, const struct value *v,
			       void *into)
{
	static const struct member members[] = {
		READER_KEY("min_tls", reader_choice, READER_IN(struct policy, transport.min_tls),
			   .choices = tls_choices),
		READER_KEY("verify_peer", reader_bool,
			   READER_IN(struct policy, transport.verify_peer)),
		READER_KEY("plaintext", read_refuse,
			   READER_IN(struct policy, transport.plaintext_refuse)),
		READER_KEY("opaque_tls", read_refuse,
			   READER_IN(struct policy, transport.opaque_tls_refuse)),
		READER_KEY("quic", read_refuse, READER_IN(struct policy, transport.quic_refuse)),
		READER_KEY("websocket", read_refuse,
			   READER_IN(struct policy, transport.websocket_refuse),
			   .choices = websocket_choices),
	};
	return reader_object(r, members, READER_COUNT(members), v, r->policy);
}

static enum err read_usage(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	static const struct member members[] = {
		READER_KEY("ask", reader_bool, READER_IN(struct policy, usage_ask)),
	};
	return reader_object(r, members, READER_COUNT(members), v, r->policy);
}

static const struct choice keys_choices[] = {{"file", KEYS_FILE}, {"holder", KEYS_HOLDER}, {"", 0}};

static enum err read_keys_socket(struct reader *r, const struct member *m, const struct value *v,
				 void *into)
{
	return read_path(r, v, "an absolute path (\"/run/aigw/keys.sock\")", SOCKET_BYTES_MAX,
			 into);
}

static enum err read_keys(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	static const struct member members[] = {
		READER_KEY("via", reader_choice, READER_IN(struct policy, keys.via),
			   .choices = keys_choices),
		READER_KEY("socket", read_keys_socket, READER_IN(struct policy, keys.socket)),
	};
	return reader_object(r, members, READER_COUNT(members), v, r->policy);
}

static enum err read_environment(struct reader *r, const struct value *v, struct bytes name,
				 size_t name_start, void *element)
{
	struct environment *to = element;
	enum err e = reader_check_name(r, name, name_start, "an environment", false);

	if (e)
		return e;
	to->name = name;
	return section_scope_read(r, NULL, v, &to->rules);
}

static enum err read_environments(struct reader *r, const struct member *m, const struct value *v,
				  void *into)
{
	void *elements;
	size_t count;
	enum err e = reader_map(r, v, POLICY_ENVIRONMENTS_MAX, sizeof(struct environment),
				read_environment, &elements, &count);

	if (e)
		return e;
	if (count == 0)
		return reader_wrong(r, v, "an object with at least one environment");
	r->policy->environments = elements;
	r->policy->environment_count = count;
	return OK;
}

/* What goes out, and where to, is no business of programs: drain/config reads it. */
static enum err read_drains(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	return v->token.kind == JSON_OBJECT ? OK : reader_wrong(r, v, "an object");
}

/* The order of the rows is the order of reading: what others name comes first. */
enum err sections_read(struct reader *r, const struct value *v)
{
	static const struct member members[] = {
		READER_KEY("version", read_version, READER_IN(struct policy, version),
			   .required = true),
		READER_KEY("locked", reader_bool, READER_IN(struct policy, locked)),
		READER_KEY("audit", read_audit, .required = true),
		READER_KEY("transport", read_transport),
		READER_KEY("providers", section_providers_read),
		READER_KEY("prices", section_prices_read),
		READER_KEY("usage", read_usage),
		READER_KEY("keys", read_keys),
		READER_KEY("mode", reader_choice, READER_IN(struct policy, mode),
			   .choices = section_scope_modes),
		READER_KEY("organization", section_scope_read,
			   READER_IN(struct policy, organization)),
		READER_KEY("environments", read_environments, .required = true),
		READER_KEY("applications", section_applications_read),
		READER_KEY("default_environment", section_applications_environment,
			   READER_IN(struct policy, default_environment), .required = true),
		READER_KEY("trust_environment", reader_bool,
			   READER_IN(struct policy, trust_environment)),
		READER_KEY("drains", read_drains),
	};
	struct policy *p = r->policy;
	enum err e = check_version(r, v);

	if (e)
		return e;
	size_t mark = reader_path_push(r, BYTES("organization"));
	e = section_scope_place(r, &p->organization);
	reader_path_pop(r, mark);
	if (e)
		return e;
	p->transport.min_tls = TLS_1_2;
	p->transport.verify_peer = true;
	p->transport.plaintext_refuse = true;
	p->transport.opaque_tls_refuse = true;
	p->transport.quic_refuse = true;
	return reader_object(r, members, READER_COUNT(members), v, p);
}
