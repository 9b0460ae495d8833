/* SPDX-License-Identifier: MIT
 *
 * The policy's `drains`: what is read, what is refused and with which words, and that no secret
 * that stands there by mistake is ever quoted.
 */
#include "drain/config.h"

#include <dirent.h>
#include <stdlib.h>

#include "audit/record.h"
#include "tap.h"
#include "wire/json.h"

#define HEAD                                                                                       \
	"{\"version\":1,\"audit\":{\"recipients\":[\"aigw1test\"]},\"environments\":{\"e\":{}},"   \
	"\"applications\":{\"bot\":{\"environment\":\"e\",\"match\":{\"user\":\"bot\"}}},"         \
	"\"default_environment\":\"e\""
#define DRAINS(section) HEAD ",\"drains\":" section "}"
/* A policy with one sink, "x". */
#define SINK(members) DRAINS("{\"sinks\":{\"x\":{" members "}}}")

#define FILE_SINK   "\"type\":\"file\",\"to\":\"/srv/log.ndjson\""
#define SYSLOG_SINK "\"type\":\"syslog\",\"to\":\"tls://siem.example\""
#define HTTPS_SINK  "\"type\":\"https\",\"to\":\"https://logs.example/in\""
#define OTLP_SINK   "\"type\":\"otlp\",\"to\":\"https://otel.example\""
#define S3_SINK                                                                                    \
	"\"type\":\"s3\",\"to\":\"https://s3.example\",\"bucket\":\"audit\","                      \
	"\"access_key_file\":\"s3.key\""
#define KAFKA_SINK                                                                                 \
	"\"type\":\"kafka\",\"to\":\"k1.example:9093,k2.example:9093\",\"topic\":\"audit\","       \
	"\"properties\":{\"security.protocol\":\"ssl\"}"
#define POSTGRES_SINK                                                                              \
	"\"type\":\"postgres\",\"to\":\"host=db.example dbname=audit user=aigw\","                 \
	"\"table\":\"audit.records\""
#define COMMAND_SINK "\"type\":\"command\",\"command\":[\"/usr/bin/logger\",\"-t\",\"aigw\"]"

static enum err parse(const char *text, struct drains **ret_drains, struct policy_problem *problem)
{
	return drains_parse(tap_guarded(bytes_str(text)), ret_drains, problem);
}

static struct drains *accepted(const char *text)
{
	struct drains *d = NULL;
	struct policy_problem problem = {0};

	if (parse(text, &d, &problem)) {
		printf("Bail out! %u:%u: %s\nin %s\n", problem.line, problem.column, problem.text,
		       text);
		exit(1);
	}
	return d;
}

static const struct drain *only(const struct drains *d)
{
	CHECK_U64(d->count, 1);
	return d->at;
}

static void a_policy_without_drains_has_no_sinks(void)
{
	static const char *const texts[] = {HEAD "}", DRAINS("{}"), DRAINS("{\"sinks\":{}}")};

	for (size_t i = 0; i < 3; i++) {
		struct drains *d = accepted(texts[i]);
		CHECK_U64(d->count, 0);
		CHECK_U64(d->pressure.free_percent, 0);
		CHECK(drains_find(d, BYTES("x")) == NULL);
		drains_free(d);
	}
}

static void what_is_left_out_gets_the_documented_default(void)
{
	struct drains *d = accepted(DRAINS("{\"pressure\":{\"free_percent\":50},\"sinks\":{"
					   "\"f\":{" FILE_SINK "},\"h\":{" HTTPS_SINK "},"
					   "\"y\":{" SYSLOG_SINK "},\"s\":{" S3_SINK "}}}"));
	const struct drain *f = drains_find(d, BYTES("f")), *h = drains_find(d, BYTES("h"));
	const struct drain *y = drains_find(d, BYTES("y")), *s = drains_find(d, BYTES("s"));

	CHECK_U64(d->count, 4);
	CHECK_U64(d->pressure.free_percent, 50);
	CHECK(f->type == DRAIN_FILE && f->enabled && !f->required && !f->from_now);
	CHECK(f->fields == DRAIN_METADATA && f->filter.kinds == 0 && !f->filter.models.given);
	CHECK_U64(f->batch_events, 4096);
	CHECK_U64(f->batch_bytes, 4u << 20);
	CHECK_U64(f->batch_wait_ms, 1000);
	CHECK_U64(f->event_bytes_max, 1u << 20);
	CHECK_U64(f->concurrency, 1);
	CHECK_U64(f->timeout_ms, 30000);
	CHECK_U64(f->retry_first_ms, 500);
	CHECK_U64(f->retry_max_ms, 60000);
	CHECK_U64(f->dead_letter_after, 5);
	CHECK_U64(f->max_lag_s, 900);
	CHECK_U64(f->heartbeat_s, 60);
	CHECK_U64(f->file.rotate_bytes, 256u << 20);
	CHECK_U64(f->file.keep, 8);
	CHECK(f->file.synced && drain_needs_key(f));
	CHECK_U64(h->batch_events, 500);
	CHECK_U64(h->batch_bytes, 1u << 20);
	CHECK(h->https.preset == PRESET_NONE && h->https.format == DRAIN_JSON && !h->https.gzip);
	CHECK_U64(y->syslog.facility, 16);
	CHECK_BYTES(y->syslog.app_name, "aigw");
	CHECK_U64(y->syslog.message_bytes_max, 8192);
	CHECK_BYTES(s->s3.region, "us-east-1");
	CHECK_U64(s->s3.part_bytes, 8u << 20);
	CHECK(!s->s3.lock_days && !drain_needs_key(s));
	drains_free(d);
}

static void every_key_arrives_where_it_belongs(void)
{
	struct drains *d = accepted(SINK(
		HTTPS_SINK ",\"enabled\":false,\"required\":true,\"from_now\":true,"
			   "\"concurrency\":16,\"timeout_ms\":100,\"retry_first_ms\":10,"
			   "\"retry_max_ms\":3600000,\"dead_letter_after\":1,\"max_lag_s\":0,"
			   "\"heartbeat_s\":0,\"fields\":\"full\",\"batch_events\":65536,"
			   "\"batch_bytes\":1024,\"batch_wait_ms\":0,\"event_bytes_max\":4096,"
			   "\"tls\":{\"ca_file\":\"/a\",\"cert_file\":\"c\",\"key_file\":\"k\"},"
			   "\"preset\":\"elasticsearch\",\"gzip\":true,\"token_file\":\"t.1\","
			   "\"user\":\"u\",\"headers\":{\"X-Scope-OrgID\":\"ward\"},"
			   "\"hmac_file\":\"/h\",\"index\":\"i\""));
	const struct drain *x = only(d);

	CHECK_BYTES(x->name, "x");
	CHECK(!x->enabled && x->required && x->from_now && x->fields == DRAIN_FULL);
	CHECK_U64(x->concurrency, 16);
	CHECK_U64(x->timeout_ms, 100);
	CHECK_U64(x->retry_first_ms, 10);
	CHECK_U64(x->retry_max_ms, 3600000);
	CHECK_U64(x->dead_letter_after, 1);
	CHECK_U64(x->max_lag_s + x->heartbeat_s + x->batch_wait_ms, 0);
	CHECK_U64(x->batch_events, 65536);
	CHECK_U64(x->batch_bytes, 1024);
	CHECK_U64(x->event_bytes_max, 4096);
	CHECK_BYTES(x->to, "https://logs.example/in");
	CHECK_BYTES(x->tls.ca_file, "/a");
	CHECK_BYTES(x->tls.cert_file, "c");
	CHECK_BYTES(x->tls.key_file, "k");
	CHECK(x->https.preset == PRESET_ELASTICSEARCH && x->https.gzip);
	CHECK_BYTES(x->token_file, "t.1");
	CHECK_BYTES(x->user, "u");
	CHECK_U64(x->header_count, 1);
	CHECK_BYTES(x->headers[0].name, "X-Scope-OrgID");
	CHECK_BYTES(x->headers[0].value, "ward");
	CHECK_BYTES(x->https.hmac_file, "/h");
	CHECK_BYTES(x->https.index, "i");
	drains_free(d);
}

static void each_type_has_its_own_keys(void)
{
	struct drains *d = accepted(DRAINS(
		"{\"sinks\":{"
		"\"f\":{" FILE_SINK ",\"rotate_bytes\":0,\"keep\":1000,\"synced\":false},"
		"\"y\":{\"type\":\"syslog\",\"to\":\"unix:///dev/log\",\"facility\":\"local7\","
		"\"app_name\":\"a-b_c.D\",\"message_bytes_max\":480},"
		"\"o\":{" OTLP_SINK ",\"metrics\":true,\"gzip\":true},"
		"\"s\":{" S3_SINK ",\"prefix\":\"hosts/db1/\",\"region\":\"eu-central-1\","
		"\"path_style\":true,\"part_bytes\":5242880,\"lock_days\":2190,"
		"\"lock_compliance\":true},"
		"\"k\":{" KAFKA_SINK "},\"p\":{" POSTGRES_SINK ",\"password_file\":\"pg\"},"
		"\"c\":{" COMMAND_SINK "}}}"));
	const struct drain *f = &d->at[0], *y = &d->at[1], *o = &d->at[2], *s = &d->at[3];
	const struct drain *k = &d->at[4], *p = &d->at[5], *c = &d->at[6];

	CHECK(f->file.rotate_bytes == 0 && f->file.keep == 1000 && !f->file.synced);
	CHECK_U64(y->syslog.facility, 23);
	CHECK_BYTES(y->syslog.app_name, "a-b_c.D");
	CHECK_U64(y->syslog.message_bytes_max, 480);
	CHECK(o->otlp.metrics && o->otlp.gzip);
	CHECK_BYTES(s->s3.bucket, "audit");
	CHECK_BYTES(s->s3.prefix, "hosts/db1/");
	CHECK_BYTES(s->s3.region, "eu-central-1");
	CHECK_BYTES(s->s3.access_key_file, "s3.key");
	CHECK(s->s3.path_style && s->s3.lock_compliance && s->s3.lock_days == 2190);
	CHECK_U64(s->s3.part_bytes, 5u << 20);
	CHECK_BYTES(k->kafka.topic, "audit");
	CHECK_U64(k->kafka.property_count, 1);
	CHECK_BYTES(k->kafka.properties[0].name, "security.protocol");
	CHECK_BYTES(k->kafka.properties[0].value, "ssl");
	CHECK_BYTES(p->postgres.table, "audit.records");
	CHECK_BYTES(p->password_file, "pg");
	CHECK_U64(c->command.word_count, 3);
	CHECK_BYTES(c->command.words[2], "aigw");
	drains_free(d);
}

static void a_filter_names_what_there_is(void)
{
	struct drains *d = accepted(
		SINK(FILE_SINK ",\"filter\":{\"providers\":[\"openai\",\"anth*\"],"
			       "\"models\":[\"OpenAI/gpt-5*\"],\"actions\":[\"refuse\",\"allow\"],"
			       "\"environments\":[\"e\"],\"applications\":[\"b*\"],"
			       "\"kinds\":[\"exchange\",\"gap\"]}"));
	const struct drain_filter *f = &only(d)->filter;

	CHECK_U64(f->providers.count, 2);
	CHECK_BYTES(f->providers.at[1], "anth*");
	CHECK_BYTES(f->models.at[0], "openai/gpt-5*");
	CHECK_U64(f->actions.count, 2);
	CHECK_BYTES(f->environments.at[0], "e");
	CHECK_BYTES(f->applications.at[0], "b*");
	CHECK_U64(f->kinds, 1u << REC_REQUEST | 1u << REC_GAP);
	drains_free(d);
}

static void fields_and_their_groups_can_be_chosen(void)
{
	struct drains *d = accepted(
		SINK(FILE_SINK ",\"fields\":[\"gen_ai.usage.*\",\"cost.usd\",\"response.text\"]"));
	const struct drain *x = only(d);

	CHECK(x->fields == DRAIN_CHOSEN);
	CHECK_U64(x->chosen_count, 3);
	CHECK_BYTES(x->chosen[0], "gen_ai.usage.*");
	CHECK_BYTES(x->chosen[2], "response.text");
	drains_free(d);
}

/* ---- addresses ---- */

static void addresses_of_each_kind_are_taken(void)
{
	static const char *const texts[] = {
		SINK("\"type\":\"https\",\"to\":\"https://logs.example\""),
		SINK("\"type\":\"https\",\"to\":\"https://10.0.0.7:8443/a/b?pipeline=x&y\""),
		SINK("\"type\":\"https\",\"to\":\"https://[fd00::7]:8443/\""),
		SINK("\"type\":\"https\",\"to\":\"http://127.0.0.1:80\",\"insecure_http\":true"),
		SINK("\"type\":\"https\",\"to\":\"http://localhost/x\",\"insecure_http\":true"),
		SINK("\"type\":\"otlp\",\"to\":\"http://[::1]:4318\",\"insecure_http\":true"),
		SINK("\"type\":\"syslog\",\"to\":\"tcp://10.1.2.3\""),
		SINK("\"type\":\"syslog\",\"to\":\"udp://[::1]:514\""),
		SINK("\"type\":\"syslog\",\"to\":\"tls://siem.example:6514\","
		     "\"tls\":{\"ca_file\":\"/etc/ssl/siem.pem\"}"),
		SINK("\"type\":\"kafka\",\"to\":\"localhost:9092\",\"topic\":\"t\""),
		SINK("\"type\":\"kafka\",\"to\":\"k:9092\",\"topic\":\"t\",\"password_file\":\"p\","
		     "\"properties\":{\"security.protocol\":\"sasl_ssl\",\"sasl.username\":\"u\","
		     "\"enable.ssl.certificate.verification\":\"true\"}"),
		SINK("\"type\":\"postgres\",\"table\":\"t\",\"to\":\"dbname=a user=b\""),
		SINK("\"type\":\"postgres\",\"table\":\"t\","
		     "\"to\":\"host = '/run/postgresql' dbname='it\\\\'s' sslmode=disable\""),
		SINK("\"type\":\"postgres\",\"table\":\"T_1\","
		     "\"to\":\"host=127.0.0.1,::1 sslmode=prefer passfile=/etc/pgpass\""),
		SINK("\"type\":\"postgres\",\"table\":\"t\","
		     "\"to\":\"postgresql://aigw@db.example:5432/audit?sslmode=verify-full\""),
		SINK("\"type\":\"postgres\",\"table\":\"t\","
		     "\"to\":\"postgres://%2Frun%2Fpostgresql/audit?sslmode=disable\""),
		SINK("\"type\":\"https\",\"preset\":\"sumologic\",\"token_file\":\"sumo\","
		     "\"to\":\"https://e.sumologic.com/receiver/v1/http/\""),
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		drains_free(accepted(texts[i]));
}

/* ---- what is refused ---- */

struct bad {
	const char *text;
	enum err err;
	const char *message; /* behind "drains.sinks.x" where it begins with a dot or a space */
};

static void check_bad(const struct bad *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct drains *d = NULL;
		struct policy_problem problem = {0};
		char message[400];
		enum err e = parse(cases[i].text, &d, &problem);
		bool has_path = cases[i].message[0] == '.' || cases[i].message[0] == ' ' ||
				cases[i].message[0] == ':';

		snprintf(message, sizeof message, "%s%s", has_path ? "drains.sinks.x" : "",
			 cases[i].message);
		if (e != cases[i].err || strcmp(problem.text, message) != 0 || d)
			tap_fail(__FILE__, __LINE__, "case %zu: %s: %s\nexpected %s", i,
				 err_name(e), problem.text, message);
		if (!problem.line || !problem.column)
			tap_fail(__FILE__, __LINE__, "case %zu: no place", i);
		drains_free(d);
	}
}

#define CHECK_BAD(cases) check_bad(cases, sizeof(cases) / sizeof(cases)[0])

static void what_is_no_section_is_refused(void)
{
	static const struct bad cases[] = {
		{DRAINS("[]"), ERR_BAD, "drains must be an object, not an empty array"},
		{DRAINS("{\"sink\":{}}"), ERR_BAD,
		 "unknown key \"sink\" in drains; did you mean \"sinks\"? Expected: sinks, "
		 "pressure"},
		{DRAINS("{\"sinks\":[]}"), ERR_BAD,
		 "drains.sinks must be an object, not an empty array"},
		{DRAINS("{\"sinks\":{\"X\":{}}}"), ERR_BAD,
		 "\"X\" cannot be the name of a sink; use lower-case letters, digits, \"-\" and "
		 "\"_\", at most 63"},
		{DRAINS("{\"sinks\":{\"x\":{" FILE_SINK "},\"x\":{" FILE_SINK "}}}"), ERR_BAD,
		 "the key \"x\" stands twice in drains.sinks; keep one"},
		{DRAINS("{\"sinks\":{\"x\":{" FILE_SINK "},\"y\":{" FILE_SINK "}}}"), ERR_BAD,
		 "drains.sinks: \"/srv/log.ndjson\" is the file of two sinks, x and y; give each "
		 "its own"},
		{DRAINS("{\"pressure\":{\"free_percent\":51}}"), ERR_BAD,
		 "drains.pressure.free_percent must be a whole number from 0 to 50, not 51"},
		{DRAINS("{\"pressure\":5}"), ERR_BAD, "drains.pressure must be an object, not 5"},
		{HEAD ",\"drains\":{},\"drains\":{}}", ERR_BAD,
		 "the key \"drains\" stands twice in the policy; keep one"},
		{HEAD ",\"mode\":\"x\",\"drains\":{}}", ERR_BAD,
		 "mode must be \"enforce\" or \"observe\", not \"x\""},
		{SINK(""), ERR_BAD, "the key \"type\" is missing in drains.sinks.x"},
		{SINK("\"type\":\"fil\""), ERR_BAD,
		 ".type: \"fil\" is not a type of sink; did you mean \"file\"? Expected: file, "
		 "syslog, https, otlp, s3, kafka, postgres, command"},
		{SINK("\"type\":1"), ERR_BAD, ".type must be a type of sink, not 1"},
		{SINK("\"type\":\"file\",\"type\":\"file\""), ERR_BAD,
		 "the key \"type\" stands twice in drains.sinks.x; keep one"},
		{DRAINS("{\"sinks\":{\"x\":1}}"), ERR_BAD,
		 "drains.sinks.x must be an object, not 1"},
	};

	CHECK_BAD(cases);
}

static void what_a_type_does_not_have_is_refused(void)
{
	static const struct bad cases[] = {
		{SINK("\"type\":\"file\""), ERR_BAD, "the key \"to\" is missing in drains.sinks.x"},
		{SINK(COMMAND_SINK ",\"to\":\"/x\""), ERR_BAD,
		 "unknown key \"to\" in drains.sinks.x; expected: type, enabled, required, "
		 "from_now, timeout_ms, retry_first_ms, retry_max_ms, "
		 "dead_letter_after, max_lag_s, heartbeat_s, concurrency, filter, fields, "
		 "batch_events, "
		 "batch_bytes, batch_wait_ms, event_bytes_max, command"},
		{SINK("\"type\":\"command\""), ERR_BAD,
		 "the key \"command\" is missing in drains.sinks.x"},
		{SINK(S3_SINK ",\"fields\":\"full\""), ERR_BAD,
		 "unknown key \"fields\" in drains.sinks.x; expected: type, enabled, required, "
		 "from_now, timeout_ms, retry_first_ms, retry_max_ms, "
		 "dead_letter_after, max_lag_s, heartbeat_s, concurrency, to, tls, insecure_http, "
		 "bucket, "
		 "prefix, region, access_key_file, path_style, part_bytes, lock_days, "
		 "lock_compliance"},
	};

	CHECK_BAD(cases);
}

static void numbers_and_words_have_their_limits(void)
{
	static const struct bad cases[] = {
		{SINK(SYSLOG_SINK ",\"concurrency\":0"), ERR_BAD,
		 ".concurrency must be a whole number from 1 to 16, not 0"},
		{SINK(SYSLOG_SINK ",\"concurrency\":17"), ERR_BAD,
		 ".concurrency must be a whole number from 1 to 16, not 17"},
		{SINK(FILE_SINK ",\"timeout_ms\":99"), ERR_BAD,
		 ".timeout_ms must be a whole number from 100 to 600000, not 99"},
		{SINK(FILE_SINK ",\"retry_first_ms\":9"), ERR_BAD,
		 ".retry_first_ms must be a whole number from 10 to 3600000, not 9"},
		{SINK(FILE_SINK ",\"retry_first_ms\":60001"), ERR_BAD,
		 ".retry_first_ms is more than \"retry_max_ms\""},
		{SINK(FILE_SINK ",\"dead_letter_after\":0"), ERR_BAD,
		 ".dead_letter_after must be a whole number from 1 to 1000, not 0"},
		{SINK(FILE_SINK ",\"max_lag_s\":2592001"), ERR_BAD,
		 ".max_lag_s must be a whole number from 0 to 2592000, not 2592001"},
		{SINK(FILE_SINK ",\"heartbeat_s\":86401"), ERR_BAD,
		 ".heartbeat_s must be a whole number from 0 to 86400, not 86401"},
		{SINK(FILE_SINK ",\"batch_events\":65537"), ERR_BAD,
		 ".batch_events must be a whole number from 1 to 65536, not 65537"},
		{SINK(FILE_SINK ",\"batch_bytes\":1023"), ERR_BAD,
		 ".batch_bytes must be a whole number from 1024 to 16777216, not 1023"},
		{SINK(FILE_SINK ",\"batch_wait_ms\":600001"), ERR_BAD,
		 ".batch_wait_ms must be a whole number from 0 to 600000, not 600001"},
		{SINK(FILE_SINK ",\"event_bytes_max\":4095"), ERR_BAD,
		 ".event_bytes_max must be a whole number from 4096 to 16777216, not 4095"},
		{SINK(FILE_SINK ",\"rotate_bytes\":65535"), ERR_BAD,
		 ".rotate_bytes must be 0 (never), or a whole number of bytes from 65536 to "
		 "1099511627776, not 65535"},
		{SINK(FILE_SINK ",\"rotate_bytes\":1099511627777"), ERR_BAD,
		 ".rotate_bytes must be 0 (never), or a whole number of bytes from 65536 to "
		 "1099511627776, not 1099511627777"},
		{SINK(FILE_SINK ",\"keep\":0"), ERR_BAD,
		 ".keep must be a whole number from 1 to 1000, not 0"},
		{SINK(FILE_SINK ",\"synced\":1"), ERR_BAD, ".synced must be true or false, not 1"},
		{SINK(SYSLOG_SINK ",\"facility\":\"local8\""), ERR_BAD,
		 ".facility: \"local8\" is not a facility; did you mean \"local0\"? Expected: "
		 "kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp, "
		 "ntp, audit, alert, clock, local0, local1, local2, local3, local4, local5, "
		 "local6, local7"},
		{SINK(SYSLOG_SINK ",\"app_name\":\"a b\""), ERR_BAD,
		 ".app_name must be letters, digits, \"-\", \"_\" and \".\", at most 48, not "
		 "\"a b\""},
		{SINK(SYSLOG_SINK ",\"message_bytes_max\":479"), ERR_BAD,
		 ".message_bytes_max must be a whole number from 480 to 16777216, not 479"},
		{SINK("\"type\":\"syslog\",\"to\":\"udp://h\",\"message_bytes_max\":65001"),
		 ERR_BAD, ".message_bytes_max is more than a UDP datagram takes (65000)"},
		{SINK(S3_SINK ",\"part_bytes\":5242879"), ERR_BAD,
		 ".part_bytes must be a whole number from 5242880 to 67108864, not 5242879"},
		{SINK(S3_SINK ",\"lock_compliance\":true"), ERR_BAD,
		 ".lock_compliance needs \"lock_days\""},
		{SINK("\"type\":\"s3\",\"to\":\"https://s3.example\",\"bucket\":\"A\","
		      "\"access_key_file\":\"k\""),
		 ERR_BAD,
		 ".bucket must be the name of a bucket (3 to 63 of a-z, 0-9, \"-\", \".\"), not "
		 "\"A\""},
		{SINK("\"type\":\"postgres\",\"to\":\"dbname=a\",\"table\":\"a;drop\""), ERR_BAD,
		 ".table must be a table (\"records\", \"audit.records\": letters, digits and "
		 "\"_\"), not \"a;drop\""},
		{SINK("\"type\":\"postgres\",\"to\":\"dbname=a\",\"table\":\"a.b.c\""), ERR_BAD,
		 ".table must be a table (\"records\", \"audit.records\": letters, digits and "
		 "\"_\"), not \"a.b.c\""},
		{SINK("\"type\":\"postgres\",\"to\":\"dbname=a\",\"table\":\"1a\""), ERR_BAD,
		 ".table must be a table (\"records\", \"audit.records\": letters, digits and "
		 "\"_\"), not \"1a\""},
		{SINK("\"type\":\"kafka\",\"to\":\"localhost:1\",\"topic\":\"a b\""), ERR_BAD,
		 ".topic must be a topic (letters, digits, \".\", \"_\", \"-\", at most 249), not "
		 "\"a b\""},
		{SINK("\"type\":\"command\",\"command\":[]"), ERR_BAD,
		 ".command must be an array of words, the first an absolute path "
		 "([\"/usr/bin/logger\", \"-t\"]), not an empty array"},
		{SINK("\"type\":\"command\",\"command\":[\"logger\"]"), ERR_BAD,
		 ".command must be an array of words, the first an absolute path "
		 "([\"/usr/bin/logger\", \"-t\"]), not an array"},
		{SINK("\"type\":\"command\",\"command\":[\"/x\",\"\"]"), ERR_BAD,
		 ".command[1] must be a string that is not empty, not \"\""},
		{SINK("\"type\":\"file\",\"to\":\"log\""), ERR_BAD,
		 ".to must be the absolute path of a file, not \"log\""},
		{SINK("\"type\":\"file\",\"to\":\"/srv/\""), ERR_BAD,
		 ".to must be the absolute path of a file, not \"/srv/\""},
	};

	CHECK_BAD(cases);
}

static void filters_and_fields_that_nothing_has_are_refused(void)
{
	static const struct bad cases[] = {
		{SINK(FILE_SINK ",\"filter\":{\"model\":[]}"), ERR_BAD,
		 "unknown key \"model\" in drains.sinks.x.filter; did you mean \"models\"? "
		 "Expected: providers, models, actions, environments, applications, kinds"},
		{SINK(FILE_SINK ",\"filter\":{\"providers\":[\"opnai\"]}"), ERR_BAD,
		 ".filter.providers[0]: \"opnai\" matches no provider that there is; did you mean "
		 "\"openai\"?"},
		{SINK(FILE_SINK ",\"filter\":{\"providers\":[]}"), ERR_BAD,
		 ".filter.providers must be an array with at least one pattern (leave it out to "
		 "let "
		 "all through), not an empty array"},
		{SINK(FILE_SINK ",\"filter\":{\"models\":[\"gpt-5\"]}"), ERR_BAD,
		 ".filter.models[0]: \"gpt-5\" names no provider; write \"provider/model\", as in "
		 "\"openai/gpt-5\""},
		{SINK(FILE_SINK ",\"filter\":{\"actions\":[\"block\"]}"), ERR_BAD,
		 ".filter.actions[0]: \"block\" matches no action (allow, rewrite, refuse) that "
		 "there is"},
		{SINK(FILE_SINK ",\"filter\":{\"environments\":[\"prod\"]}"), ERR_BAD,
		 ".filter.environments[0]: \"prod\" matches no environment that there is"},
		{SINK(FILE_SINK ",\"filter\":{\"applications\":[\"bots\"]}"), ERR_BAD,
		 ".filter.applications[0]: \"bots\" matches no application that there is; did you "
		 "mean \"bot\"?"},
		{SINK(FILE_SINK ",\"filter\":{\"kinds\":[\"exchanges\"]}"), ERR_BAD,
		 ".filter.kinds[0]: \"exchanges\" is not a kind of record; did you mean "
		 "\"exchange\"? Expected: exchange, connection, refused_connection, "
		 "policy_change, key_change, access, hold, retention, notice, limit, gap, start"},
		{SINK(FILE_SINK ",\"filter\":{\"kinds\":[]}"), ERR_BAD,
		 ".filter.kinds must be an array with at least one kind (leave it out to let all "
		 "through), not an empty array"},
		{SINK(FILE_SINK ",\"fields\":\"meta\""), ERR_BAD,
		 ".fields must be \"full\", \"metadata\" or an array of fields, not \"meta\""},
		{SINK(FILE_SINK ",\"fields\":[]"), ERR_BAD,
		 ".fields must be \"full\", \"metadata\" or an array of fields, not an empty "
		 "array"},
		{SINK(FILE_SINK ",\"fields\":[\"cost.us\"]"), ERR_BAD,
		 ".fields[0]: \"cost.us\" is not a field of a record; did you mean "
		 "\"cost.usd\"? aigw show --json names them"},
		{SINK(FILE_SINK ",\"fields\":[\"colour\"]"), ERR_BAD,
		 ".fields[0]: \"colour\" is not a field of a record (aigw show --json names them)"},
		{SINK(FILE_SINK ",\"fields\":[\"gen_ai.usage\"]"), ERR_BAD,
		 ".fields[0]: \"gen_ai.usage\" is a group of fields; write \"gen_ai.usage.*\" for "
		 "all of them"},
		{SINK(FILE_SINK ",\"fields\":[\"gen_ay.*\"]"), ERR_BAD,
		 ".fields[0]: \"gen_ay.*\" is not a field of a record (aigw show --json names "
		 "them)"},
		{SINK(OTLP_SINK ",\"fields\":[\"host\"]"), ERR_BAD,
		 ".fields must be \"full\" or \"metadata\", not an array"},
	};

	CHECK_BAD(cases);
}

static void connections_that_are_not_safe_are_refused(void)
{
	static const struct bad cases[] = {
		{SINK("\"type\":\"https\",\"to\":\"ftp://x\""), ERR_BAD,
		 ".to must begin with \"https://\""},
		{SINK("\"type\":\"https\",\"to\":\"http://logs.example\""), ERR_BAD,
		 ".to must begin with \"https://\": records do not go through a network "
		 "unprotected"},
		{SINK("\"type\":\"https\",\"to\":\"http://logs.example\",\"insecure_http\":true"),
		 ERR_BAD,
		 ".to must begin with \"https://\": records do not go through a network "
		 "unprotected"},
		{SINK("\"type\":\"https\",\"to\":\"http://127.0.0.1.evil.example\","
		      "\"insecure_http\":true"),
		 ERR_BAD,
		 ".to must begin with \"https://\": records do not go through a network "
		 "unprotected"},
		{SINK("\"type\":\"otlp\",\"to\":\"http://127.0.0.1:4318\""), ERR_BAD,
		 ".to must begin with \"https://\"; toward this host \"http://\" is taken with "
		 "\"insecure_http\": true"},
		{SINK("\"type\":\"https\",\"to\":\"https://\""), ERR_BAD,
		 ".to must name a host, with a port or without (\"siem.example:6514\")"},
		{SINK("\"type\":\"https\",\"to\":\"https://*.example\""), ERR_BAD,
		 ".to must name one host, without \"*\""},
		{SINK("\"type\":\"https\",\"to\":\"https://a b\""), ERR_BAD,
		 ".to holds a space or a character beyond ASCII; write it in its encoded form"},
		{SINK("\"type\":\"https\",\"to\":\"https://a/#x\""), ERR_BAD,
		 ".to has a \"#\" in it, which no server would see"},
		{SINK("\"type\":\"otlp\",\"to\":\"https://a/v1/logs\""), ERR_BAD,
		 ".to must stand without \"/v1/logs\", which is put behind it"},
		{SINK("\"type\":\"s3\",\"to\":\"https://a/b\",\"bucket\":\"abc\","
		      "\"access_key_file\":\"k\""),
		 ERR_BAD,
		 ".to must be the endpoint alone; what is behind it is \"bucket\" and \"prefix\""},
		{SINK("\"type\":\"syslog\",\"to\":\"siem.example\""), ERR_BAD,
		 ".to must be \"tls://HOST\", \"tcp://HOST\", \"udp://HOST\" or "
		 "\"unix:///dev/log\", not \"siem.example\""},
		{SINK("\"type\":\"syslog\",\"to\":\"tls://\""), ERR_BAD,
		 ".to must name a host, with a port or without (\"siem.example:6514\")"},
		{SINK("\"type\":\"syslog\",\"to\":\"tls://a/b\""), ERR_BAD,
		 ".to must name a host, with a port or without (\"siem.example:6514\")"},
		{SINK("\"type\":\"syslog\",\"to\":\"unix://dev/log\""), ERR_BAD,
		 ".to must name a socket by its absolute path of at most 107 bytes "
		 "(\"unix:///dev/log\")"},
		{SINK("\"type\":\"syslog\",\"to\":\"tcp://a\",\"tls\":{\"ca_file\":\"/c\"}"),
		 ERR_BAD, ".tls says what only \"tls://\" has"},
		{SINK(SYSLOG_SINK ",\"tls\":{\"cert_file\":\"/c\"}"), ERR_BAD,
		 ".tls has only one of \"cert_file\" and \"key_file\"; it takes both to say who we "
		 "are"},
		{SINK("\"type\":\"kafka\",\"to\":\"k.example\",\"topic\":\"t\""), ERR_BAD,
		 ".to must name a port with each host (\"kafka.example:9093\")"},
		{SINK("\"type\":\"kafka\",\"to\":\"localhost:1,k.example:9092\",\"topic\":\"t\""),
		 ERR_BAD,
		 ".to names brokers elsewhere, so \"properties\" must say \"security.protocol\" "
		 "(\"ssl\", \"sasl_ssl\")"},
		{SINK(KAFKA_SINK ",\"password_file\":\"p\""), ERR_BAD,
		 ".password_file needs \"sasl.username\" among the \"properties\""},
		{SINK("\"type\":\"kafka\",\"to\":\"a:1\",\"topic\":\"t\",\"properties\":"
		      "{\"enable.ssl.certificate.verification\":\"false\"}"),
		 ERR_BAD,
		 ".properties.enable.ssl.certificate.verification must be \"true\": records would "
		 "go to whoever answers"},
		{SINK("\"type\":\"kafka\",\"to\":\"a:1\",\"topic\":\"t\",\"properties\":"
		      "{\"acks\":\"0\"}"),
		 ERR_BAD, ".properties.acks is set by aigw"},
		{SINK("\"type\":\"kafka\",\"to\":\"a:1\",\"topic\":\"t\",\"properties\":"
		      "{\"test.mock.num.brokers\":\"3\"}"),
		 ERR_BAD,
		 ".properties.test.mock.num.brokers is for librdkafka's own tests: what it takes "
		 "would be nowhere"},
		{SINK("\"type\":\"kafka\",\"to\":\"a:1\",\"topic\":\"t\",\"password_file\":\"p\","
		      "\"properties\":{\"security.protocol\":\"SASL_PLAINTEXT\","
		      "\"sasl.username\":\"u\"}"),
		 ERR_BAD,
		 ".password_file does not go out without TLS: \"security.protocol\" must be "
		 "\"sasl_ssl\""},
		{SINK("\"type\":\"postgres\",\"table\":\"t\",\"to\":\"host=db sslmode=require\""),
		 ERR_BAD,
		 ".to would send records to whoever answers in the host's name; say "
		 "sslmode=verify-full (or leave it out, which means that here)"},
		{SINK("\"type\":\"postgres\",\"table\":\"t\",\"to\":"
		      "\"postgresql://db/a?sslmode=disable\""),
		 ERR_BAD,
		 ".to would send records to whoever answers in the host's name; say "
		 "sslmode=verify-full (or leave it out, which means that here)"},
		{SINK("\"type\":\"postgres\",\"table\":\"t\",\"to\":\"host=/run,db "
		      "sslmode=allow\""),
		 ERR_BAD,
		 ".to would send records to whoever answers in the host's name; say "
		 "sslmode=verify-full (or leave it out, which means that here)"},
		{SINK("\"type\":\"postgres\",\"table\":\"t\",\"to\":\"db\""), ERR_BAD,
		 ".to is no connection string; write \"host=db.example dbname=audit user=aigw\""},
		{SINK("\"type\":\"postgres\",\"table\":\"t\",\"to\":\"host='db\""), ERR_BAD,
		 ".to is no connection string; write \"host=db.example dbname=audit user=aigw\""},
	};

	CHECK_BAD(cases);
}

static void presets_say_what_they_need(void)
{
	static const struct bad cases[] = {
		{SINK(HTTPS_SINK ",\"preset\":\"datadgo\""), ERR_BAD,
		 ".preset: \"datadgo\" is not a preset; did you mean \"datadog\"? Expected: "
		 "datadog, splunk, elasticsearch, opensearch, loki, sumologic, mezmo, "
		 "betterstack, langfuse"},
		{SINK(HTTPS_SINK ",\"preset\":\"datadog\""), ERR_BAD,
		 ".preset needs \"token_file\", which names the file with the key"},
		{SINK(HTTPS_SINK ",\"preset\":\"opensearch\""), ERR_BAD,
		 ".preset needs \"index\", which names where events go"},
		{SINK(HTTPS_SINK ",\"index\":\"i\""), ERR_BAD,
		 ".index means something only with the presets elasticsearch, opensearch, splunk "
		 "and loki"},
		{SINK(HTTPS_SINK ",\"preset\":\"loki\",\"format\":\"json\""), ERR_BAD,
		 ".format is the preset's business; leave it out"},
		{SINK(HTTPS_SINK ",\"preset\":\"datadog\",\"token_file\":\"t\",\"user\":\"u\""),
		 ERR_BAD, ".user is nothing that this preset knows"},
		{SINK(HTTPS_SINK ",\"user\":\"u\""), ERR_BAD,
		 ".user needs \"token_file\", which names the file with the password"},
		{SINK(HTTPS_SINK ",\"user\":\"u:p\",\"token_file\":\"t\""), ERR_BAD,
		 ".user cannot have a \":\" in it (RFC 7617)"},
		{SINK(HTTPS_SINK ",\"headers\":{\"a b\":\"c\"}"), ERR_BAD,
		 ".headers.a b cannot be the name of a header"},
		{SINK(HTTPS_SINK ",\"headers\":{\"Content-Type\":\"c\"}"), ERR_BAD,
		 ".headers.Content-Type is set by aigw"},
		{SINK(HTTPS_SINK ",\"headers\":{\"X-A\":\"c\\nd\"}"), ERR_BAD,
		 ".headers.X-A holds a control character; it must be a string that is not empty"},
	};

	CHECK_BAD(cases);
}

/* S3CRET stands in each of them, and must not stand in what is said about it. */
static void a_secret_in_the_policy_is_refused_and_never_quoted(void)
{
	static const char token[] = "would hold a secret; put that into a file and name it as "
				    "\"token_file\"";
	static const struct {
		const char *text, *message;
	} cases[] = {
		{SINK(HTTPS_SINK ",\"headers\":{\"Authorization\":\"Bearer S3CRET\"}"), token},
		{SINK(HTTPS_SINK ",\"headers\":{\"x-api-key\":\"S3CRET\"}"), token},
		{SINK(HTTPS_SINK ",\"headers\":{\"DD-API-KEY\":\"S3CRET\"}"), token},
		{SINK(HTTPS_SINK ",\"headers\":{\"X-Vault-Token\":\"S3CRET\"}"), token},
		{SINK(HTTPS_SINK ",\"headers\":{\"Cookie\":\"S3CRET\"}"), token},
		{SINK(OTLP_SINK ",\"headers\":{\"x-honeycomb-team\":\"S3CRET\"}"), token},
		{SINK("\"type\":\"https\",\"to\":\"https://u:S3CRET@logs.example\""),
		 ".to has a user in it; what tells who we are stands in keys of its own"},
		{SINK("\"type\":\"https\",\"to\":\"https://logs.example/?a=b&api_key=S3CRET\""),
		 ".to has what looks like a secret behind the \"?\""},
		{SINK("\"type\":\"https\",\"to\":\"https://logs.example/?%6bey=S3CRET\""),
		 ".to has what looks like a secret behind the \"?\""},
		{SINK("\"type\":\"https\",\"to\":\"ssh://S3CRET\""), ".to must begin with"},
		{SINK("\"type\":\"https\",\"preset\":\"sumologic\",\"token_file\":\"t\","
		      "\"to\":\"https://e.sumologic.com/receiver/v1/http/S3CRET\""),
		 ".to must end in \"/\": the last part of a Sumo Logic address is secret"},
		{SINK("\"type\":\"kafka\",\"to\":\"u:S3CRET@k:1\",\"topic\":\"t\""),
		 ".to has a user in it"},
		{SINK("\"type\":\"kafka\",\"to\":\"k:1\",\"topic\":\"t\",\"properties\":"
		      "{\"sasl.password\":\"S3CRET\"}"),
		 ".properties.sasl.password would hold a secret; put it into a file and name that "
		 "as "
		 "\"password_file\""},
		{SINK("\"type\":\"kafka\",\"to\":\"k:1\",\"topic\":\"t\",\"properties\":"
		      "{\"ssl.key.pem\":\"S3CRET\"}"),
		 " would hold a secret; put it into a file"},
		{SINK("\"type\":\"kafka\",\"to\":\"k:1\",\"topic\":\"t\",\"properties\":"
		      "{\"sasl.oauthbearer.config\":\"S3CRET\"}"),
		 " would hold a secret; put it into a file"},
		{SINK("\"type\":\"postgres\",\"table\":\"t\","
		      "\"to\":\"host=db password=S3CRET\""),
		 ".to has a secret in it; put the password into a file and name that as "
		 "\"password_file\""},
		{SINK("\"type\":\"postgres\",\"table\":\"t\","
		      "\"to\":\"host=db password = 'S3CRET\""),
		 ".to is no connection string"},
		{SINK("\"type\":\"postgres\",\"table\":\"t\","
		      "\"to\":\"postgresql://u:S3CRET@db/x\""),
		 ".to has a secret in it"},
		{SINK("\"type\":\"postgres\",\"table\":\"t\","
		      "\"to\":\"postgres://db/x?password=S3CRET\""),
		 ".to has a secret in it"},
		{SINK("\"type\":\"postgres\",\"table\":\"t\","
		      "\"to\":\"postgres://db/x?%70assword=S3CRET\""),
		 ".to is no connection string"},
		{SINK(HTTPS_SINK ",\"token_file\":\"S3CRET/+=\""),
		 ".token_file must be an absolute path, or the name of one of systemd's "
		 "credentials; what stands there is neither"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct drains *d = NULL;
		struct policy_problem problem = {0};
		CHECK_ERR(parse(cases[i].text, &d, &problem), ERR_BAD);
		if (!strstr(problem.text, cases[i].message) || strstr(problem.text, "S3CRET"))
			tap_fail(__FILE__, __LINE__, "case %zu: %s", i, problem.text);
		CHECK(d == NULL);
	}
}

static void a_problem_stands_where_the_wrong_value_does(void)
{
	static const char text[] = HEAD ",\n\"drains\": {\n \"sinks\": {\n  \"x\": {\n"
					"   \"to\": \"http://logs.example\",\n"
					"   \"type\": \"https\"\n  }}}}";
	struct drains *d = NULL;
	struct policy_problem problem = {0};

	CHECK_ERR(parse(text, &d, &problem), ERR_BAD);
	CHECK_U64(problem.line, 5);
	CHECK_U64(problem.column, 10);
}

static void the_limits_hold_and_one_more_is_too_many(void)
{
	static char text[60000], name[80], path[1100];
	struct policy_problem problem = {0};

	for (int over = 0; over < 2; over++) {
		struct drains *d = NULL;
		int at = snprintf(text, sizeof text, "%s", HEAD ",\"drains\":{\"sinks\":{");
		for (int i = 0; i < DRAIN_SINKS_MAX + over; i++)
			at += snprintf(text + at, sizeof text - (size_t)at,
				       "%s\"s%d\":{\"type\":\"file\",\"to\":\"/s/%d\"}",
				       i ? "," : "", i, i);
		snprintf(text + at, sizeof text - (size_t)at, "}}}");
		CHECK_ERR(parse(text, &d, &problem), over ? ERR_LIMIT : OK);
		drains_free(d);
		d = NULL;
		at = snprintf(text, sizeof text, "%s",
			      HEAD ",\"drains\":{\"sinks\":{\"x\":{" HTTPS_SINK ",\"headers\":{");
		for (int i = 0; i < DRAIN_HEADERS_MAX + over; i++)
			at += snprintf(text + at, sizeof text - (size_t)at, "%s\"X-%d\":\"v\"",
				       i ? "," : "", i);
		snprintf(text + at, sizeof text - (size_t)at, "}}}}}");
		CHECK_ERR(parse(text, &d, &problem), over ? ERR_LIMIT : OK);
		drains_free(d);
		d = NULL;
		at = snprintf(text, sizeof text, "%s",
			      HEAD ",\"drains\":{\"sinks\":{\"x\":{\"type\":\"command\","
				   "\"command\":[\"/x\"");
		for (int i = 1; i < DRAIN_COMMAND_MAX + over; i++)
			at += snprintf(text + at, sizeof text - (size_t)at, ",\"a\"");
		snprintf(text + at, sizeof text - (size_t)at, "]}}}}");
		CHECK_ERR(parse(text, &d, &problem), over ? ERR_LIMIT : OK);
		drains_free(d);
		d = NULL;
		memset(path, 'p', sizeof path);
		path[0] = '/';
		path[DRAIN_PATH_BYTES_MAX + over] = 0;
		snprintf(text, sizeof text,
			 HEAD ",\"drains\":{\"sinks\":{\"x\":{\"type\":\"file\",\"to\":\"%s\"}}}}",
			 path);
		CHECK_ERR(parse(text, &d, &problem), over ? ERR_LIMIT : OK);
		drains_free(d);
		d = NULL;
		memset(name, 'n', sizeof name);
		name[63 + over] = 0;
		snprintf(text, sizeof text,
			 HEAD ",\"drains\":{\"sinks\":{\"%s\":{" FILE_SINK "}}}}", name);
		CHECK_ERR(parse(text, &d, &problem), over ? ERR_BAD : OK);
		drains_free(d);
	}
}

/* ---- credentials ---- */

static void names_of_credentials_become_paths(void)
{
	struct drains *d = accepted(
		DRAINS("{\"sinks\":{\"a\":{" HTTPS_SINK
		       ",\"token_file\":\"tok\",\"hmac_file\":\"/etc/h\",\"tls\":{\"ca_file\":"
		       "\"ca.pem\"}},\"b\":{" S3_SINK "},\"off\":{" OTLP_SINK
		       ",\"enabled\":false,\"token_file\":\"t\"}}}"));
	struct policy_problem problem = {0};

	CHECK_ERR(drains_use_credentials(d, BYTES_NONE, &problem), ERR_MISSING);
	CHECK_STR(
		problem.text,
		"drains.sinks.a.tls.ca_file is the name of a credential of systemd, and there are "
		"none here (LoadCredential= in the unit); outside of systemd give an absolute "
		"path");
	CHECK_ERR(drains_use_credentials(d, BYTES("relative"), NULL), ERR_MISSING);
	CHECK_ERR(drains_use_credentials(d, BYTES("/run/credentials/aigwd"), NULL), OK);
	CHECK_BYTES(d->at[0].token_file, "/run/credentials/aigwd/tok");
	CHECK_BYTES(d->at[0].tls.ca_file, "/run/credentials/aigwd/ca.pem");
	CHECK_BYTES(d->at[0].https.hmac_file, "/etc/h");
	CHECK_BYTES(d->at[1].s3.access_key_file, "/run/credentials/aigwd/s3.key");
	CHECK_BYTES(d->at[2].token_file, "t");
	drains_free(d);
	d = accepted(SINK(FILE_SINK));
	CHECK_ERR(drains_use_credentials(d, BYTES_NONE, NULL), OK);
	drains_free(d);
}

/* ---- what else there is ---- */

static void every_type_and_preset_has_a_name(void)
{
	static const char *const types[] = {"file", "syslog", "https",    "otlp",
					    "s3",   "kafka",  "postgres", "command"};

	for (unsigned i = 0; i < DRAIN_TYPES; i++)
		CHECK_STR(drain_type_name((enum drain_type)i), types[i]);
	CHECK(drain_preset_name(PRESET_NONE) == NULL);
	for (unsigned i = PRESET_DATADOG; i <= PRESET_LANGFUSE; i++)
		CHECK(drain_preset_name((enum drain_preset)i) != NULL);
}

static void check_file(const char *path, size_t sinks_min)
{
	struct buf text = tap_file(path);
	struct drains *d = NULL;
	struct policy_problem problem = {0};

	if (drains_parse(tap_guarded(buf_view(&text)), &d, &problem))
		tap_fail(path, (int)problem.line, "%s", problem.text);
	else if (d->count < sinks_min)
		tap_fail(path, 1, "%zu sinks", d->count);
	drains_free(d);
	buf_done(&text);
}

static void the_examples_are_accepted(void)
{
	DIR *directory = opendir("policy/examples");
	struct dirent *entry;
	char path[400];

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "policy/examples/%s", entry->d_name);
		check_file(path, strcmp(entry->d_name, "drains.json") == 0 ? 3 : 0);
	}
	if (directory)
		closedir(directory);
	check_file("policy/examples/drains.json", 3);
}

/* The policies in docs/policy.md that have drains. */
static void the_drains_in_the_documentation_are_accepted(void)
{
	struct buf page = tap_file("docs/policy.md");
	struct bytes rest = buf_view(&page);
	size_t at, count = 0;

	while ((at = bytes_find(rest, BYTES("```jsonc policy\n"))) != SIZE_MAX) {
		struct drains *d = NULL;
		struct policy_problem problem = {0};
		rest = bytes_from(rest, at + sizeof "```jsonc policy\n" - 1);
		struct bytes block = bytes_slice(rest, 0, bytes_find(rest, BYTES("```")));
		if (drains_parse(block, &d, &problem))
			tap_fail("docs/policy.md", (int)problem.line, "%s", problem.text);
		else
			count += d->count;
		drains_free(d);
	}
	CHECK(count >= 2);
	buf_done(&page);
}

/* ---- the schema ---- */

static const char *const schema_parts[] = {
	[DRAIN_FILE] = "file",         [DRAIN_SYSLOG] = "syslog",   [DRAIN_HTTPS] = "https",
	[DRAIN_OTLP] = "otlp",         [DRAIN_S3] = "s3",           [DRAIN_KAFKA] = "kafka",
	[DRAIN_POSTGRES] = "postgres", [DRAIN_COMMAND] = "command", [DRAIN_TYPES] = "every",
	[DRAIN_TYPES + 1] = "events",
};

#define PARTS  (sizeof schema_parts / sizeof schema_parts[0])
#define EVERY  DRAIN_TYPES
#define EVENTS (DRAIN_TYPES + 1)

/* Has a part of the schema this key? */
static bool schema_has(struct bytes schema, size_t part, struct bytes key)
{
	char pointer[300];
	struct json_token token;

	snprintf(pointer, sizeof pointer, "/$defs/drain_%s/properties/%.*s", schema_parts[part],
		 (int)key.len, (const char *)key.at);
	return json_find(schema, pointer, &token, NULL) == OK;
}

/* Does the parser know it, whatever it says of the value? */
static bool parser_has(const char *type, struct bytes key)
{
	char text[700];
	struct drains *d = NULL;
	struct policy_problem problem = {0};

	if (bytes_equal(key, BYTES("type")))
		return true;
	snprintf(text, sizeof text,
		 HEAD ",\"drains\":{\"sinks\":{\"x\":{\"type\":\"%s\",\"%.*s\":null}}}}", type,
		 (int)key.len, (const char *)key.at);
	CHECK_ERR(parse(text, &d, &problem), ERR_BAD);
	return strncmp(problem.text, "unknown key", 11) != 0;
}

static void check_keys_of(struct bytes schema, size_t part)
{
	char pointer[100];
	struct bytes properties = BYTES_NONE;
	struct json_token token;
	struct json scan;
	size_t end, count = 0;

	snprintf(pointer, sizeof pointer, "/$defs/drain_%s/properties", schema_parts[part]);
	CHECK_ERR(json_find(schema, pointer, &token, &properties), OK);
	json_init(&scan, properties, JSON_STRICT);
	while (!json_next(&scan, &token)) {
		if (token.kind != JSON_KEY)
			continue;
		count++;
		for (size_t type = 0; type < DRAIN_TYPES; type++) {
			bool has = schema_has(schema, type, token.raw) ||
				   schema_has(schema, EVERY, token.raw) ||
				   (type != DRAIN_S3 && schema_has(schema, EVENTS, token.raw)) ||
				   (type != DRAIN_FILE &&
				    bytes_equal(token.raw, BYTES("concurrency")));
			if (has != parser_has(schema_parts[type], token.raw))
				tap_fail("policy/policy.schema.json", 1, "%s: %.*s",
					 schema_parts[type], (int)token.raw.len,
					 (const char *)token.raw.at);
		}
		CHECK_ERR(json_skip(&scan, &token, &end), OK);
	}
	CHECK(count >= 2);
}

/* And of the rest of the section, by what the parser says it expects. */
static void check_expected(struct bytes schema, const char *text, const char *pointer)
{
	struct drains *d = NULL;
	struct policy_problem problem = {0};
	struct bytes properties = BYTES_NONE;
	struct json_token token;
	struct json scan;
	char keys[300] = "";

	CHECK_ERR(json_find(schema, pointer, &token, &properties), OK);
	json_init(&scan, properties, JSON_STRICT);
	while (!json_next(&scan, &token)) {
		size_t end;
		if (token.kind != JSON_KEY)
			continue;
		snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%s%.*s",
			 *keys ? ", " : "", (int)token.raw.len, (const char *)token.raw.at);
		CHECK_ERR(json_skip(&scan, &token, &end), OK);
	}
	CHECK_ERR(parse(text, &d, &problem), ERR_BAD);
	char *expected = strstr(problem.text, "expected: ");
	CHECK_STR(expected ? expected + strlen("expected: ") : problem.text, keys);
}

static void the_schema_has_exactly_the_keys_that_the_parser_reads(void)
{
	struct buf schema = tap_file("policy/policy.schema.json");

	for (size_t part = 0; part < PARTS; part++)
		check_keys_of(buf_view(&schema), part);
	check_expected(buf_view(&schema), DRAINS("{\"?\":1}"), "/$defs/drains/properties");
	check_expected(buf_view(&schema), DRAINS("{\"pressure\":{\"?\":1}}"),
		       "/$defs/drains/properties/pressure/properties");
	check_expected(buf_view(&schema), SINK(FILE_SINK ",\"filter\":{\"?\":1}"),
		       "/$defs/drain_filter/properties");
	check_expected(buf_view(&schema), SINK(SYSLOG_SINK ",\"tls\":{\"?\":1}"),
		       "/$defs/drain_tls/properties");
	buf_done(&schema);
}

static enum err parse_all(void)
{
	struct drains *d = NULL;
	struct policy_problem problem;
	enum err e = drains_parse(bytes_str(SINK(KAFKA_SINK ",\"fields\":[\"host\"],\"tls\":{"
							    "\"ca_file\":\"c\"}")),
				  &d, &problem);

	if (!e)
		e = drains_use_credentials(d, BYTES("/c"), NULL);
	drains_free(d);
	return e;
}

static void every_failing_allocation_is_noticed(void)
{
	tap_fail_each_allocation(parse_all);
}

int main(void)
{
	RUN_TESTS(TEST(a_policy_without_drains_has_no_sinks),
		  TEST(what_is_left_out_gets_the_documented_default),
		  TEST(every_key_arrives_where_it_belongs), TEST(each_type_has_its_own_keys),
		  TEST(a_filter_names_what_there_is), TEST(fields_and_their_groups_can_be_chosen),
		  TEST(addresses_of_each_kind_are_taken), TEST(what_is_no_section_is_refused),
		  TEST(what_a_type_does_not_have_is_refused),
		  TEST(numbers_and_words_have_their_limits),
		  TEST(filters_and_fields_that_nothing_has_are_refused),
		  TEST(connections_that_are_not_safe_are_refused), TEST(presets_say_what_they_need),
		  TEST(a_secret_in_the_policy_is_refused_and_never_quoted),
		  TEST(a_problem_stands_where_the_wrong_value_does),
		  TEST(the_limits_hold_and_one_more_is_too_many),
		  TEST(names_of_credentials_become_paths), TEST(every_type_and_preset_has_a_name),
		  TEST(the_examples_are_accepted),
		  TEST(the_drains_in_the_documentation_are_accepted),
		  TEST(the_schema_has_exactly_the_keys_that_the_parser_reads),
		  TEST(every_failing_allocation_is_noticed));
}
