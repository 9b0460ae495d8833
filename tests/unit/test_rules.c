/* SPDX-License-Identifier: MIT
 *
 * The rules of all kinds in all scopes: a table of cases in tests/fixtures/policy/rules.txt, what
 * the reasons say, what is read of /proc, agreements that end, and the property that no inner scope
 * widens an outer one, whatever rules the two have.
 */
#include <stdlib.h>

#include "policy/decide.h"
#include "policy/force.h"
#include "policy/process.h"
#include "policy/section_agreements.h"
#include "tap.h"

#define FIELDS       4
#define LINE_MAX_LEN 400

static struct policy *policy_from(const char *text)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	if (policy_parse(bytes_str(text), &p, &problem)) {
		printf("Bail out! %u:%u: %s\n%s\n", problem.line, problem.column, problem.text,
		       text);
		exit(1);
	}
	return p;
}

static struct policy *rules_policy(void)
{
	struct buf text = tap_file("tests/fixtures/policy/decide/rules.json");

	if (buf_put_u8(&text, 0))
		exit(1);
	struct policy *p = policy_from((const char *)text.at);
	buf_done(&text);
	return p;
}

/* ---- a row ---- */

struct row {
	struct process_facts facts;
	struct features features;
	struct call call;
	struct question question;
	const char *application; /* expected; NULL: not looked at */
	long forced;             /* expected; -1: not looked at */
};

static const struct bytes gpt_allow[] = {{(const uint8_t *)"openai/gpt*", 11}};
static const struct bytes gpt_deny[] = {{(const uint8_t *)"*-secret", 8}};
static const struct bytes openai_only[] = {{(const uint8_t *)"openai", 6}};
static const struct bytes narrow_only[] = {{(const uint8_t *)"narrow", 6}};

static const struct key_scope keys[] = {
	{.name = {(const uint8_t *)"any", 3}},
	{.name = {(const uint8_t *)"chat-only", 9},
	 .environment = {(const uint8_t *)"chat-only", 9}},
	{.name = {(const uint8_t *)"gone", 4}, .environment = {(const uint8_t *)"nowhere", 7}},
	{.name = {(const uint8_t *)"gpt", 3},
	 .models = {.allow = {true, 1, gpt_allow}, .deny = {true, 1, gpt_deny}}},
	{.name = {(const uint8_t *)"openai", 6}, .providers = {true, 1, openai_only}},
	{.name = {(const uint8_t *)"narrow", 6}, .applications = {true, 1, narrow_only}},
};

static const struct key_scope *key_named(const char *name)
{
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (bytes_equal(keys[i].name, bytes_str(name)))
			return &keys[i];
	printf("Bail out! no key %s\n", name);
	exit(1);
}

static const struct provider *provider_named(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->provider_count; i++)
		if (strcmp(p->providers[i].name, name) == 0)
			return &p->providers[i];
	return catalogue_find(bytes_str(name));
}

static int64_t seconds_of(const char *date)
{
	int32_t day;

	if (section_agreements_day(bytes_str(date), &day))
		exit(1);
	return (int64_t)day * 86400 + 86399; /* its last second */
}

/* Names separated by commas, in place, as the kernel's facts have them. */
static struct bytes groups_of(char *text)
{
	struct bytes all = bytes_str(text);

	for (char *c = text; *c; c++)
		if (*c == ',')
			*c = '\0';
	return all;
}

static uint64_t features_of(char *text)
{
	uint64_t bits = 0;

	for (char *save, *name = strtok_r(text, ",", &save); name;
	     name = strtok_r(NULL, ",", &save)) {
		enum feature f = feature_find(bytes_str(name));
		if (f == FEATURE_COUNT) {
			printf("Bail out! no feature %s\n", name);
			exit(1);
		}
		bits |= FEATURE_BIT(f);
	}
	return bits;
}

static void set_model(struct call *call, const char *model)
{
	call->model_len = strlen(model);
	memcpy(call->model, model, call->model_len + 1);
}

static bool set_fact(struct process_facts *f, const char *name, char *value)
{
	static const struct {
		const char *name;
		size_t offset;
	} texts[] = {
		{"exe", offsetof(struct process_facts, exe)},
		{"sha", offsetof(struct process_facts, exe_sha256)},
		{"user", offsetof(struct process_facts, user)},
		{"cgroup", offsetof(struct process_facts, cgroup)},
		{"parent", offsetof(struct process_facts, parent_exe)},
		{"env", offsetof(struct process_facts, environment)},
	};

	if (strcmp(name, "groups") == 0) {
		f->groups = groups_of(value);
		return true;
	}
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (strcmp(name, texts[i].name) == 0) {
			struct bytes text = bytes_str(value);
			memcpy((char *)f + texts[i].offset, &text, sizeof text);
			return true;
		}
	return false;
}

static void set_pair(struct row *r, const struct policy *p, const char *name, char *value)
{
	struct question *q = &r->question;

	if (set_fact(&r->facts, name, value))
		return;
	if (strcmp(name, "key") == 0)
		q->key = key_named(value);
	else if (strcmp(name, "provider") == 0)
		q->provider = provider_named(p, value);
	else if (strcmp(name, "op") == 0)
		r->call.operation = operation_find(bytes_str(value));
	else if (strcmp(name, "model") == 0)
		set_model(&r->call, value);
	else if (strcmp(name, "features") == 0)
		r->features.bits = features_of(value);
	else if (strcmp(name, "tokens") == 0)
		r->features.max_tokens = strtoull(value, NULL, 10), r->features.has_max_tokens = 1;
	else if (strcmp(name, "host") == 0)
		q->host = strcmp(value, "-") ? bytes_str(value) : BYTES_NONE;
	else if (strcmp(name, "path") == 0)
		q->path = bytes_str(value);
	else if (strcmp(name, "method") == 0)
		q->method = bytes_str(value);
	else if (strcmp(name, "body") == 0)
		q->body_bytes = strtoull(value, NULL, 10);
	else if (strcmp(name, "websocket") == 0)
		q->websocket = true;
	else if (strcmp(name, "day") == 0)
		q->now_s = seconds_of(value);
	else if (strcmp(name, "app") == 0)
		r->application = strcmp(value, "none") ? value : "";
	else if (strcmp(name, "forced") == 0)
		r->forced = strtol(value, NULL, 10);
	else {
		printf("Bail out! nothing is called %s\n", name);
		exit(1);
	}
}

static void read_row(char *pairs, const struct policy *p, struct row *r)
{
	char *save;

	*r = (struct row){.call = {.operation = OP_CHAT}, .forced = -1};
	set_model(&r->call, "gpt-5");
	r->question = (struct question){
		.facts = &r->facts,
		.provider = catalogue_find(BYTES("openai")),
		.call = &r->call,
		.features = &r->features,
		.method = BYTES("POST"),
		.path = BYTES("/v1/chat/completions"),
		.host = BYTES("api.openai.com"),
		.now_s = seconds_of("2026-11-30"),
	};
	for (char *pair = strtok_r(pairs, " ", &save); pair; pair = strtok_r(NULL, " ", &save)) {
		char *value = strchr(pair, '=');
		if (!value) {
			printf("Bail out! %s is no pair\n", pair);
			exit(1);
		}
		*value = '\0';
		set_pair(r, p, pair, value + 1);
	}
}

static bool cut_line(char *line, char *fields[FIELDS])
{
	size_t count = 0;
	char *save;

	for (char *part = strtok_r(line, "|", &save); part && count < FIELDS;
	     part = strtok_r(NULL, "|", &save)) {
		while (*part == ' ')
			part++;
		for (size_t n = strlen(part); n && part[n - 1] == ' '; n--)
			part[n - 1] = '\0';
		fields[count++] = part;
	}
	return count == FIELDS;
}

static void check_decision(unsigned line, const struct row *r, char *f[FIELDS],
			   const struct decision *d)
{
	const char *action = d->action == ACTION_ALLOW && d->observed ? "observe"
								      : action_name(d->action);
	const char *receipt = receipt_name(d->receipt);

	if (strcmp(action, f[1]) != 0 || strcmp(d->rule, f[2]) != 0 ||
	    strcmp(receipt[0] ? receipt : "-", f[3]) != 0)
		tap_fail("rules.txt", (int)line, "got %s | %s | %s (%s)", action, d->rule, receipt,
			 d->reason);
	if (r->application && !bytes_equal(d->application, bytes_str(r->application)))
		tap_fail("rules.txt", (int)line, "application %.*s", (int)d->application.len,
			 d->application.at ? (const char *)d->application.at : "");
	if (r->forced >= 0 && d->forced_count != (size_t)r->forced)
		tap_fail("rules.txt", (int)line, "%zu fields are forced", d->forced_count);
	CHECK(d->reason[0] != '\0' && bytes_is_utf8(bytes_str(d->reason)));
	CHECK((d->status != 0) == (d->action == ACTION_REFUSE));
	CHECK((d->code[0] != '\0') == (d->action == ACTION_REFUSE || d->observed));
	/* Who is refused is told what to do. */
	if (d->action == ACTION_REFUSE)
		CHECK(strstr(d->reason, "; ") != NULL);
}

static void every_row_of_the_table_holds(void)
{
	struct buf table = tap_file("tests/fixtures/policy/rules.txt");
	struct policy *p = rules_policy();
	struct bytes rest = buf_view(&table);
	unsigned line = 0, rows = 0;

	while (rest.len) {
		struct bytes one = bytes_cut(&rest, '\n');
		char copy[LINE_MAX_LEN], *fields[FIELDS];
		struct decision d;
		struct row r;
		line++;
		if (one.len == 0 || one.at[0] == '#')
			continue;
		if (one.len >= sizeof copy)
			exit(1);
		memcpy(copy, one.at, one.len);
		copy[one.len] = '\0';
		if (!cut_line(copy, fields)) {
			tap_fail("rules.txt", (int)line, "not %d fields", FIELDS);
			continue;
		}
		read_row(fields[0], p, &r);
		decide(p, &r.question, &d);
		check_decision(line, &r, fields, &d);
		rows++;
	}
	CHECK(rows >= 300);
	policy_free(p);
	buf_done(&table);
}

/* ---- the ready policies ---- */

/* A policy's text with the members of "providers" put in: where they stand as comments only. */
static struct policy *ready_policy(const char *name, const char *providers)
{
	char path[200];
	struct buf file, text = {0};
	size_t at;

	snprintf(path, sizeof path, "policy/%s.json", name);
	file = tap_file(path);
	at = bytes_find(buf_view(&file), BYTES("\"providers\": {"));
	at = at == SIZE_MAX ? 0 : at + sizeof "\"providers\": {" - 1;
	if (buf_put(&text, bytes_slice(buf_view(&file), 0, at)) || buf_put_str(&text, providers) ||
	    buf_put(&text, bytes_from(buf_view(&file), at)) || buf_put_u8(&text, 0))
		exit(1);
	struct policy *p = policy_from((const char *)text.at);
	buf_done(&file);
	buf_done(&text);
	return p;
}

#define HELD                                                                                       \
	"\"openai\": {\"baa\": {\"reference\": \"r\", \"until\": \"2027-01-31\"}, "                \
	"\"no_training\": true}"
#define INTAKE "exe=/opt/intake/bot user=intake "

struct ready_case {
	const char *policy, *providers, *row, *action, *rule, *receipt;
};

static const struct ready_case ready[] = {
	{"observe", "", "", "allow", "environments.default.models", ""},
	{"observe", "", "op=unknown features=mcp", "allow", "organization.unknown_endpoints", ""},
	{"strict", "", "", "refuse", "environments.unlisted.models.allow", ""},
	{"strict", "", INTAKE, "allow", "environments.production.models.allow", ""},
	{"strict", "", INTAKE "model=gpt-5-preview", "refuse", "organization.models.deny[0]", ""},
	{"strict", "", INTAKE "op=unknown", "refuse", "organization.unknown_endpoints", ""},
	{"hipaa", "", "", "refuse", "environments.unlisted.models.allow", "refused"},
	{"hipaa", "", INTAKE, "refuse", "organization.require", "refused"},
	{"hipaa", HELD, "", "refuse", "environments.unlisted.models.allow", "refused"},
	{"hipaa", HELD, INTAKE "forced=1", "allow", "environments.patients.models.allow", ""},
	{"hipaa", HELD, INTAKE "day=2027-02-01", "refuse", "organization.require", "refused"},
	{"hipaa", HELD, INTAKE "provider=anthropic model=claude-5 path=/v1/messages", "refuse",
	 "organization.require", "refused"},
	{"hipaa", HELD, INTAKE "op=unknown", "refuse", "organization.unknown_endpoints", "refused"},
	{"hipaa", HELD, INTAKE "op=files", "refuse", "organization.endpoints.allow", "refused"},
	{"hipaa", HELD, INTAKE "op=batches", "refuse", "organization.endpoints.allow", "refused"},
	{"hipaa", HELD, INTAKE "features=mcp", "refuse", "organization.require", "refused"},
	{"hipaa", HELD, INTAKE "features=references", "refuse", "organization.features.deny",
	 "refused"},
	{"hipaa", HELD, INTAKE "features=functions,images", "allow",
	 "environments.patients.models.allow", ""},
	{"hipaa", HELD, INTAKE "websocket=1 op=realtime", "refuse", "organization.endpoints.allow",
	 "refused"},
	{"developer-laptop", "", "forced=1", "observe", "organization.watch.require", ""},
	{"developer-laptop", "", "op=unknown", "observe", "organization.watch.require", ""},
	{"developer-laptop", "", "provider=local model=llama", "allow",
	 "environments.laptop.models", ""},
	{"developer-laptop", "", "provider=local model=llama features=mcp", "observe",
	 "organization.watch.features.deny", ""},
};

static void the_ready_policies_do_what_their_page_says(void)
{
	for (size_t i = 0; i < sizeof ready / sizeof ready[0]; i++) {
		const struct ready_case *c = &ready[i];
		struct policy *p = ready_policy(c->policy, c->providers);
		char copy[LINE_MAX_LEN], fields[4][RULE_BYTES_MAX];
		char *f[FIELDS] = {fields[0], fields[1], fields[2], fields[3]};
		struct decision d;
		struct row r;
		snprintf(copy, sizeof copy, "%s", c->row);
		snprintf(f[1], sizeof fields[1], "%s", c->action);
		snprintf(f[2], sizeof fields[2], "%s", c->rule);
		snprintf(f[3], sizeof fields[3], "%s", c->receipt[0] ? c->receipt : "-");
		read_row(copy, p, &r);
		decide(p, &r.question, &d);
		check_decision((unsigned)i, &r, f, &d);
		policy_free(p);
	}
}

/* ---- reasons ---- */

static void a_reason_says_which_field_would_cover_it(void)
{
	static const struct {
		const char *row, *reason;
	} cases[] = {
		{"env=baa provider=anthropic model=claude-5 path=/v1/messages",
		 "environment baa requires baa, and that of provider anthropic (B-2) ended on "
		 "2026-06-30; use another provider, or, when it is in force, have "
		 "providers.anthropic.baa.until changed"},
		{"env=baa provider=groq model=x",
		 "environment baa requires baa, and that of provider groq (B-3) begins on "
		 "2027-01-01; use another provider, or, when it is in force, have "
		 "providers.groq.baa.from changed"},
		{"env=training provider=mistral model=x",
		 "environment training requires no_training, and the policy has none for provider "
		 "mistral; use another provider, or, when there is one, have it put into "
		 "providers.mistral.no_training"},
		{"env=baa features=web_search",
		 "environment baa requires baa, and \"web_search\" is outside of the agreements "
		 "that provider openai offers; do without it"},
		{"env=baa op=unknown",
		 "environment baa requires baa, and an endpoint that is not known of provider "
		 "openai is not known to be covered; use a known one"},
		{"env=managed",
		 "environment managed requires managed_key, and the request holds no gateway key; "
		 "give the program one (\"aigw key create\")"},
		{"env=no-web features=mcp", "the request uses mcp, which is denied in environment "
					    "no-web; leave it out or have "
					    "environments.no-web.features.deny changed"},
		{"env=eu", "the host \"api.openai.com\" is not allowed in environment eu; use "
			   "another host or "
			   "region of the provider or have environments.eu.hosts.allow changed"},
		{"env=small body=101",
		 "the request's body has 101 bytes, and environment small allows 100; send less or "
		 "have environments.small.max_body_bytes changed"},
		{"env=small tokens=1001",
		 "the request asks for more than the 1000 tokens of answer that environment small "
		 "allows; ask for less or have environments.small.max_tokens changed"},
		{"exe=/app/narrow op=files",
		 "operation files of provider openai is denied in application narrow; use another "
		 "endpoint or have applications.narrow.endpoints.deny changed"},
		{"env=watching model=gpt-4o",
		 "only observed, not refused: model \"gpt-4o\" of provider openai is denied in "
		 "environment watching by the pattern \"openai/gpt-4*\"; ask for another model or "
		 "have environments.watching.watch.models.deny changed"},
	};
	struct policy *p = rules_policy();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char copy[LINE_MAX_LEN];
		struct decision d;
		struct row r;
		snprintf(copy, sizeof copy, "%s", cases[i].row);
		read_row(copy, p, &r);
		decide(p, &r.question, &d);
		CHECK_STR(d.reason, cases[i].reason);
	}
	policy_free(p);
}

/* ---- agreements that end ---- */

static void an_agreement_is_told_of_thirty_days_before_it_ends(void)
{
	static const struct {
		const char *row;
		int days; /* -1: not told */
		enum agreement_kind kind;
	} cases[] = {
		{"env=baa day=2026-12-31", -1, 0},
		{"env=baa day=2027-01-01", 30, AGREEMENT_BAA},
		{"env=baa day=2027-01-30", 1, AGREEMENT_BAA},
		{"env=baa day=2027-01-31", 0, AGREEMENT_BAA},
		{"env=baa day=2027-02-01", -1, 0},
		{"env=retention day=2026-11-30", 15, AGREEMENT_ZERO_RETENTION},
		{"env=everything key=any day=2026-12-14", 1, AGREEMENT_ZERO_RETENTION},
		{"env=plain day=2027-01-30", -1, 0},
		{"env=observed day=2027-01-30", 1, AGREEMENT_BAA},
		{"env=training day=2027-01-30", -1, 0},
		{"env=baa provider=ward-vllm model=m", -1, 0},
	};
	struct policy *p = rules_policy();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char copy[LINE_MAX_LEN];
		struct decision d;
		struct row r;
		snprintf(copy, sizeof copy, "%s", cases[i].row);
		read_row(copy, p, &r);
		decide(p, &r.question, &d);
		CHECK((d.ending != NULL) == (cases[i].days >= 0));
		if (!d.ending)
			continue;
		CHECK_U64(d.ending_days, cases[i].days);
		CHECK(d.ending_kind == cases[i].kind);
	}
	policy_free(p);
}

static void a_date_is_a_day_of_the_calendar(void)
{
	static const struct {
		const char *text;
		int32_t day; /* -1: none */
	} dates[] = {
		{"1970-01-01", 0},     {"1970-12-31", 364},
		{"1972-02-29", 789},   {"2000-02-29", 11016},
		{"2000-03-01", 11017}, {"2026-11-30", 20787},
		{"2100-03-01", 47541}, {"9999-12-31", 2932896},
		{"1969-12-31", -1},    {"2026-02-29", -1},
		{"2100-02-29", -1},    {"2026-13-01", -1},
		{"2026-00-01", -1},    {"2026-01-00", -1},
		{"2026-04-31", -1},    {"2026-1-01", -1},
		{"2026-01-1", -1},     {"2026/01/01", -1},
		{"2026-01-01 ", -1},   {"", -1},
		{"+026-01-01", -1},
	};

	for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
		int32_t day = -1;
		enum err e = section_agreements_day(tap_guarded(bytes_str(dates[i].text)), &day);
		CHECK_ERR(e, dates[i].day < 0 ? ERR_BAD : OK);
		if (day != dates[i].day)
			tap_fail(__FILE__, __LINE__, "%s is %d", dates[i].text, (int)day);
	}
}

/* ---- what the kernel says ---- */

static void a_cgroup_file_gives_its_path_and_unit(void)
{
	static const struct {
		const char *file, *cgroup, *unit;
	} cases[] = {
		{"0::/system.slice/a.service\n", "/system.slice/a.service", "a.service"},
		{"0::/\n", "/", ""},
		{"", "", ""},
		{"12:pids:/x\n1:name=systemd:/system.slice/b.service\n0::/\n",
		 "/system.slice/b.service", "b.service"},
		{"4:cpu,cpuacct:/docker/1\n3:pids:/docker/1\n", "/docker/1", ""},
		{"0::/system.slice/docker-0a1b.scope\n", "/system.slice/docker-0a1b.scope",
		 "docker-0a1b.scope"},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n",
		 "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
		 "user@1000.service"},
		{"0::/user.slice/user-1000.slice/session-3.scope",
		 "/user.slice/user-1000.slice/session-3.scope", "session-3.scope"},
		{"0::/a:b/c.service\n", "/a:b/c.service", ""},
		{"0::/kubepods.slice/pod1/x.service\n", "/kubepods.slice/pod1/x.service", ""},
		{"nonsense", "", ""},
		{":::\n::\n", ":", ""},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bytes cgroup = process_cgroup(tap_guarded(bytes_str(cases[i].file)));
		CHECK_BYTES(cgroup, cases[i].cgroup);
		CHECK_BYTES(process_unit(cgroup), cases[i].unit);
	}
}

static void the_effective_group_and_the_others_are_read(void)
{
	static const char status[] = "Name:\tGroups: 9\nUid:\t1\t2\t3\t4\nGid:\t10\t20\t30\t40\n"
				     "Groups:\t4 24 4294967295 99999999999 \nX:\t7\n";
	struct buf out = {0};

	CHECK_ERR(process_put_groups(tap_guarded(bytes_str(status)), &out), OK);
	CHECK(bytes_equal(buf_view(&out), BYTES("20\0004\00024\0004294967295")));
	buf_reset(&out);
	CHECK_ERR(process_put_groups(BYTES("Groups:\nGid:\t1\n"), &out), OK);
	CHECK_U64(out.len, 0);
	buf_done(&out);
}

static void a_match_that_gives_nothing_matches_nothing(void)
{
	struct program_match none = {0}, user = {.user = BYTES("")};
	struct process_facts facts = {.exe = BYTES("/x"), .user = BYTES("")};

	CHECK(!process_matches(&none, &facts) && !process_matches(&user, &facts));
}

/* ---- forcing ---- */

static enum err force_into(const char *request, const struct decision *d, bool head_gone,
			   struct force *ret)
{
	struct http1_request q;
	size_t used;
	enum err e;

	http1_request_init(&q, 1u << 20);
	CHECK_ERR(http1_request_feed(&q, bytes_str(request), &used), OK);
	e = force_fields(&q, d, head_gone, ret);
	http1_request_done(&q);
	return e;
}

#define RESPONSES "POST /v1/responses HTTP/1.1\r\nHost: h\r\n"

static void fields_are_forced_and_the_receipt_says_so(void)
{
	static const struct {
		const char *row, *request;
		enum receipt receipt;
		const char *body, *changes; /* "/" for NUL */
	} cases[] = {
		{"env=forced", RESPONSES "Content-Length: 7\r\n\r\n{\"a\":1}", RECEIPT_FORCED,
		 "{\"store\":false,\"a\":1}", "/store: absent -> false"},
		{"env=forced", RESPONSES "Content-Length: 14\r\n\r\n{\"store\":true}",
		 RECEIPT_FORCED, "{\"store\":false}", "/store: true -> false"},
		{"env=forced", RESPONSES "Content-Length: 15\r\n\r\n{\"store\":false}",
		 RECEIPT_ALREADY, "", ""},
		{"env=forced",
		 RESPONSES "Content-MD5: x\r\nContent-Length: 15\r\n\r\n{\"store\":false}",
		 RECEIPT_ALREADY, "", ""},
		{"env=forced", RESPONSES "Content-MD5: x\r\nContent-Length: 2\r\n\r\n{}",
		 RECEIPT_REFUSED, "", ""},
		{"env=forced-tag", RESPONSES "Content-MD5: x\r\nContent-Length: 2\r\n\r\n{}",
		 RECEIPT_NOT_FORCED, "", ""},
		{"env=forced", RESPONSES "Content-Length: 12\r\n\r\n{\"store\":{}}",
		 RECEIPT_REFUSED, "", ""},
		{"env=forced provider=openrouter path=/api/v1/chat/completions",
		 RESPONSES "Content-Length: 2\r\n\r\n{}", RECEIPT_FORCED,
		 "{\"provider\":{\"zdr\":true,\"data_collection\":\"deny\"}}",
		 "/provider/data_collection: absent -> \"deny\"|/provider/zdr: absent -> true"},
	};
	struct policy *p = rules_policy();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char copy[LINE_MAX_LEN];
		struct force force;
		struct decision d;
		struct row r;
		snprintf(copy, sizeof copy, "%s", cases[i].row);
		read_row(copy, p, &r);
		decide(p, &r.question, &d);
		CHECK(d.forced_count > 0);
		CHECK_ERR(force_into(cases[i].request, &d, false, &force), OK);
		CHECK(force.receipt == cases[i].receipt);
		CHECK(force.changed == (cases[i].body[0] != '\0'));
		CHECK_BYTES(buf_view(&force.body), cases[i].body);
		for (size_t k = 0; k < force.changes.len; k++)
			if (force.changes.at[k] == '\0')
				force.changes.at[k] = '|';
		CHECK_BYTES(buf_view(&force.changes), cases[i].changes);
		force_done(&force);
	}
	policy_free(p);
}

static void a_failing_allocation_forces_nothing(void)
{
	struct http1_request q;
	struct decision d;
	struct row r;
	char row[] = "env=forced";
	struct policy *p = rules_policy();
	size_t used;
	unsigned failed = 0;

	read_row(row, p, &r);
	decide(p, &r.question, &d);
	http1_request_init(&q, 1u << 20);
	CHECK_ERR(http1_request_feed(&q, BYTES(RESPONSES "Content-Length: 2\r\n\r\n{}"), &used),
		  OK);
	for (unsigned long n = 1; n < 100; n++) {
		struct force force;
		tap_fail_allocation(n);
		enum err e = force_fields(&q, &d, false, &force);
		tap_fail_allocation(0);
		if (!e) {
			CHECK(force.changed);
			force_done(&force);
			break;
		}
		failed++;
		CHECK_ERR(e, ERR_NOMEM);
		CHECK(force.impossible && !force.changed && !force.body.len);
		force_done(&force);
	}
	CHECK(failed > 0 && failed < 90);
	http1_request_done(&q);
	policy_free(p);
}

/* ---- explaining ---- */

struct looks {
	unsigned count, refusing, observed;
	char first[RULE_BYTES_MAX];
};

static void count_look(void *context, const struct look *look)
{
	struct looks *l = context;

	l->count++;
	l->observed += look->observed;
	if (look->refuses && l->refusing++ == 0)
		snprintf(l->first, sizeof l->first, "%s", look->rule);
	CHECK(look->where.len && look->kind[0]);
	CHECK(look->refuses == (look->rule[0] != '\0'));
}

static void an_explanation_tells_of_every_rule_and_decides_the_same(void)
{
	static const char *const rows[] = {
		"env=baa provider=mistral model=m features=computer_use", "env=plain",
		"env=watching model=gpt-4o features=computer_use", "exe=/app/narrow op=fine_tuning",
		"env=everything body=1000001 op=fine_tuning"};
	struct policy *p = rules_policy();

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char copy[LINE_MAX_LEN];
		struct decision plain, explained;
		struct looks looks = {0};
		struct row r;
		snprintf(copy, sizeof copy, "%s", rows[i]);
		read_row(copy, p, &r);
		decide(p, &r.question, &plain);
		decide_explain(p, &r.question, count_look, &looks, &explained);
		CHECK(plain.action == explained.action && plain.observed == explained.observed);
		CHECK_STR(explained.rule, plain.rule);
		CHECK_STR(explained.reason, plain.reason);
		CHECK(looks.count >= 4); /* what the organization says, at least */
		if (plain.action == ACTION_REFUSE && !looks.observed)
			CHECK_STR(looks.first, plain.rule);
	}
	policy_free(p);
}

/* ---- the property ---- */

static uint32_t random_state = 20261130;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

static void put_random_list(struct buf *out, const char *const *words, uint32_t count)
{
	uint32_t n = random_below(4);
	enum err e = buf_put_str(out, "[");

	for (uint32_t i = 0; i < n && !e; i++) {
		e = buf_put_str(out, i ? ",\"" : "\"");
		e = e ? e : buf_put_str(out, words[random_below(count)]);
		e = e ? e : buf_put_str(out, "\"");
	}
	if (e || buf_put_str(out, "]"))
		exit(1);
}

static void put_text(struct buf *out, const char *text)
{
	if (buf_put_str(out, text))
		exit(1);
}

/* "KEY":{"allow":[...],"deny":[...]}, or one of the two, or nothing; each with a comma behind. */
static void put_random_rule(struct buf *out, const char *key, const char *const *words,
			    uint32_t count)
{
	uint32_t which = random_below(6); /* none in half of the cases */

	if (which > 2)
		return;
	put_text(out, "\"");
	put_text(out, key);
	put_text(out, "\":{");
	if (which != 1) {
		put_text(out, "\"allow\":");
		put_random_list(out, words, count);
	}
	if (which == 2)
		put_text(out, ",");
	if (which != 0) {
		put_text(out, "\"deny\":");
		put_random_list(out, words, count);
	}
	put_text(out, "},");
}

static const char *const models[] = {"*", "openai/*", "openai/gpt-5*", "*-preview", "anthropic/*"};
static const char *const operations[] = {"chat", "files", "embeddings", "unknown", "list_models"};
static const char *const features[] = {"functions", "mcp", "web_search", "images"};
static const char *const hosts[] = {"*", "api.*", "eu.*", "*.com"};
static const char *const requirements[] = {"baa", "no_training", "zero_retention"};

static void put_random_rules(struct buf *out)
{
	put_random_rule(out, "models", models, 5);
	put_random_rule(out, "endpoints", operations, 5);
	put_random_rule(out, "features", features, 4);
	put_random_rule(out, "hosts", hosts, 4);
	if (random_below(3) == 0) {
		put_text(out, "\"require\":");
		put_random_list(out, requirements, 3);
		put_text(out, ",");
	}
	if (random_below(3) == 0)
		put_text(out, "\"unknown_endpoints\":\"refuse\",");
	put_text(out, random_below(2) ? "\"max_tokens\":100," : "");
	put_text(out, random_below(2) ? "\"max_body_bytes\":500," : "");
}

/* A scope's members, ending in one without a comma behind. */
static void put_random_scope(struct buf *out, bool may_observe)
{
	put_random_rules(out);
	if (random_below(4) == 0) {
		put_text(out, "\"watch\":{");
		put_random_rules(out);
		if (out->at[out->len - 1] == ',')
			out->len--;
		put_text(out, "},");
	}
	put_text(out,
		 may_observe && random_below(2) ? "\"mode\":\"observe\"" : "\"mode\":\"enforce\"");
}

/* organization alone; with the environment; with the application too. */
static void make_chain(struct policy *ret_chain[3])
{
	static const char head[] = "{\"version\":1,\"audit\":{\"recipients\":[\"aigw1x\"]},"
				   "\"providers\":{\"openai\":{\"baa\":{\"reference\":\"r\"},"
				   "\"no_training\":true}},\"organization\":{";
	struct buf scopes[3] = {{0}}, text = {0};

	for (int i = 0; i < 3; i++)
		put_random_scope(&scopes[i], i > 0);
	for (int n = 0; n < 3; n++) {
		buf_reset(&text);
		put_text(&text, head);
		(void)!buf_put(&text, buf_view(&scopes[0]));
		put_text(&text, "},\"environments\":{\"e\":{");
		if (n > 0)
			(void)!buf_put(&text, buf_view(&scopes[1]));
		put_text(&text, "}},\"applications\":{\"a\":{\"environment\":\"e\",\"match\":{"
				"\"user\":\"u\"}");
		if (n > 1) {
			put_text(&text, ",");
			(void)!buf_put(&text, buf_view(&scopes[2]));
		}
		put_text(&text, "}},\"default_environment\":\"e\"}");
		if (buf_put_u8(&text, 0))
			exit(1);
		ret_chain[n] = policy_from((const char *)text.at);
	}
	for (int i = 0; i < 3; i++)
		buf_done(&scopes[i]);
	buf_done(&text);
}

static void ask_random(struct row *r)
{
	static const char *const names[] = {"", "gpt-5", "gpt-5-preview", "o1"};
	static const struct bytes where[] = {{(const uint8_t *)"api.openai.com", 14},
					     {(const uint8_t *)"eu.api.openai.com", 17}};
	static const enum operation what[] = {OP_CHAT, OP_FILES, OP_EMBEDDINGS, OP_UNKNOWN,
					      OP_LIST_MODELS};

	*r = (struct row){.facts = {.user = BYTES("u")}};
	set_model(&r->call, names[random_below(4)]);
	r->call.operation = what[random_below(5)];
	r->features.bits = random_below(2) ? 0 : FEATURE_BIT(random_below(FEATURE_COUNT));
	r->features.has_max_tokens = random_below(2);
	r->features.max_tokens = r->features.has_max_tokens ? random_below(200) : 0;
	r->question = (struct question){
		.facts = &r->facts,
		.provider = catalogue_find(random_below(3) ? BYTES("openai") : BYTES("anthropic")),
		.call = &r->call,
		.features = &r->features,
		.method = BYTES("POST"),
		.path = random_below(4) ? BYTES("/v1/responses") : BYTES("/v1/conversations"),
		.host = where[random_below(2)],
		.body_bytes = random_below(1000),
		.now_s = 1795000000,
		.websocket = random_below(8) == 0,
	};
}

static void no_inner_scope_widens_an_outer_one(void)
{
	unsigned narrowed = 0, allowed = 0, observed = 0;

	for (int i = 0; i < 2000; i++) {
		struct policy *chain[3];
		make_chain(chain);
		for (int k = 0; k < 20; k++) {
			struct decision d[3];
			struct row r;
			ask_random(&r);
			for (int n = 0; n < 3; n++)
				decide(chain[n], &r.question, &d[n]);
			for (int n = 1; n < 3; n++) {
				if (d[n - 1].action == ACTION_REFUSE &&
				    d[n].action != ACTION_REFUSE)
					tap_fail(__FILE__, __LINE__, "widened: %s, then %s",
						 d[n - 1].rule, d[n].rule);
				narrowed += d[n - 1].action != d[n].action;
				allowed += d[n].action == ACTION_ALLOW;
				observed += d[n].observed;
			}
		}
		for (int n = 0; n < 3; n++)
			policy_free(chain[n]);
	}
	CHECK(narrowed > 1000 && allowed > 1000 && observed > 1000);
}

int main(void)
{
	RUN_TESTS(TEST(every_row_of_the_table_holds),
		  TEST(the_ready_policies_do_what_their_page_says),
		  TEST(a_reason_says_which_field_would_cover_it),
		  TEST(an_agreement_is_told_of_thirty_days_before_it_ends),
		  TEST(a_date_is_a_day_of_the_calendar),
		  TEST(a_cgroup_file_gives_its_path_and_unit),
		  TEST(the_effective_group_and_the_others_are_read),
		  TEST(a_match_that_gives_nothing_matches_nothing),
		  TEST(fields_are_forced_and_the_receipt_says_so),
		  TEST(a_failing_allocation_forces_nothing),
		  TEST(an_explanation_tells_of_every_rule_and_decides_the_same),
		  TEST(no_inner_scope_widens_an_outer_one));
}
