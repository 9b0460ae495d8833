/* SPDX-License-Identifier: MIT */
#include "drain/config_read.h"

#include <string.h>

#define APP_NAME_BYTES_MAX 48 /* RFC 5424 6 */
#define IDENTIFIER_MAX     63 /* of PostgreSQL */
#define BUCKET_BYTES_MIN   3
#define BUCKET_BYTES_MAX   63
#define TOPIC_BYTES_MAX    249

const struct choice config_types[] = {
	{"file", DRAIN_FILE},         {"syslog", DRAIN_SYSLOG},   {"https", DRAIN_HTTPS},
	{"otlp", DRAIN_OTLP},         {"s3", DRAIN_S3},           {"kafka", DRAIN_KAFKA},
	{"postgres", DRAIN_POSTGRES}, {"command", DRAIN_COMMAND}, {"", 0},
};

const struct choice config_presets[] = {
	{"datadog", PRESET_DATADOG},
	{"splunk", PRESET_SPLUNK},
	{"elasticsearch", PRESET_ELASTICSEARCH},
	{"opensearch", PRESET_OPENSEARCH},
	{"loki", PRESET_LOKI},
	{"sumologic", PRESET_SUMOLOGIC},
	{"mezmo", PRESET_MEZMO},
	{"betterstack", PRESET_BETTERSTACK},
	{"langfuse", PRESET_LANGFUSE},
	{"", 0},
};

/* RFC 5424 6.2.1, by the names of syslog.h */
static const struct choice facilities[] = {
	{"kern", 0},      {"user", 1},    {"mail", 2},    {"daemon", 3},  {"auth", 4},
	{"syslog", 5},    {"lpr", 6},     {"news", 7},    {"uucp", 8},    {"cron", 9},
	{"authpriv", 10}, {"ftp", 11},    {"ntp", 12},    {"audit", 13},  {"alert", 14},
	{"clock", 15},    {"local0", 16}, {"local1", 17}, {"local2", 18}, {"local3", 19},
	{"local4", 20},   {"local5", 21}, {"local6", 22}, {"local7", 23}, {"", 0},
};

static const struct choice formats[] = {{"json", DRAIN_JSON}, {"ndjson", DRAIN_NDJSON}, {"", 0}};

/* ---- values ---- */

static enum err read_type(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	int type = 0;
	enum err e = config_word(r, v, "a type of sink", config_types, &type);

	if (!e)
		*(enum drain_type *)into = (enum drain_type)type;
	return e;
}

static enum err read_preset(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	int preset = 0;
	enum err e = config_word(r, v, "a preset", config_presets, &preset);

	if (!e)
		*(enum drain_preset *)into = (enum drain_preset)preset;
	return e;
}

static enum err read_facility(struct reader *r, const struct member *m, const struct value *v,
			      void *into)
{
	int facility = 0;
	enum err e = config_word(r, v, "a facility", facilities, &facility);

	if (!e)
		*(uint32_t *)into = (uint32_t)facility;
	return e;
}

static enum err read_rotate(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	uint64_t bytes = 0;

	if (v->token.kind != JSON_NUMBER || json_number_u64(&v->token, &bytes) ||
	    bytes > DRAIN_ROTATE_BYTES_MAX || (bytes && bytes < DRAIN_ROTATE_BYTES_MIN))
		return reader_wrong(r, v,
				    "0 (never), or a whole number of bytes from 65536 to "
				    "1099511627776");
	memcpy(into, &bytes, sizeof bytes);
	return OK;
}

/* Of these bytes and `more`, min to max of them. */
static bool is_made_of(struct bytes text, const char *more, size_t min, size_t max)
{
	if (text.len < min || text.len > max)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!plain && (c == 0 || !strchr(more, c)))
			return false;
	}
	return true;
}

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static enum err read_plain(struct reader *r, const struct value *v, const char *expected,
			   const char *more, size_t min, size_t max, void *into)
{
	struct bytes text = BYTES_NONE;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (!is_made_of(text, more, min, max))
		return reader_wrong(r, v, expected);
	memcpy(into, &text, sizeof text);
	return OK;
}

static enum err read_app_name(struct reader *r, const struct member *m, const struct value *v,
			      void *into)
{
	return read_plain(r, v, "letters, digits, \"-\", \"_\" and \".\", at most 48", UPPER "-_.",
			  1, APP_NAME_BYTES_MAX, into);
}

static enum err read_bucket(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	return read_plain(r, v, "the name of a bucket (3 to 63 of a-z, 0-9, \"-\", \".\")", "-.",
			  BUCKET_BYTES_MIN, BUCKET_BYTES_MAX, into);
}

static enum err read_region(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	return read_plain(r, v, "a region (\"eu-central-1\")", "-", 1, READER_NAME_MAX, into);
}

static enum err read_prefix(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	return read_plain(r, v,
			  "the beginning of names (letters, digits, \"/\", \"-\", \"_\", \".\", "
			  "\"=\"; \"hosts/db1/\")",
			  UPPER "/-_.=", 1, 512, into);
}

static enum err read_topic(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	return read_plain(r, v, "a topic (letters, digits, \".\", \"_\", \"-\", at most 249)",
			  UPPER "._-", 1, TOPIC_BYTES_MAX, into);
}

/* Plain words only: they stand in the text of a statement. */
static enum err read_table(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	static const char expected[] =
		"a table (\"records\", \"audit.records\": letters, digits and \"_\")";
	struct bytes text = BYTES_NONE, table, schema;
	enum err e = reader_string(r, v, expected, &text);
	bool fits;

	if (e)
		return e;
	table = text;
	schema = bytes_cut(&table, '.');
	if (bytes_find_byte(text, '.') == SIZE_MAX)
		table = schema;
	fits = is_made_of(schema, UPPER "_", 1, IDENTIFIER_MAX) &&
	       is_made_of(table, UPPER "_", 1, IDENTIFIER_MAX) &&
	       !(schema.at[0] >= '0' && schema.at[0] <= '9') &&
	       !(table.at[0] >= '0' && table.at[0] <= '9');
	if (!fits)
		return reader_wrong(r, v, expected);
	memcpy(into, &text, sizeof text);
	return OK;
}

static enum err read_tls(struct reader *r, const struct member *m, const struct value *v,
			 void *into)
{
	static const struct member members[] = {
		READER_KEY("ca_file", config_file_name, READER_IN(struct drain_tls, ca_file)),
		READER_KEY("cert_file", config_file_name, READER_IN(struct drain_tls, cert_file)),
		READER_KEY("key_file", config_file_name, READER_IN(struct drain_tls, key_file)),
	};
	return reader_object(r, members, READER_COUNT(members), v, into);
}

static enum err read_word(struct reader *r, const struct value *v, struct bytes name,
			  size_t name_start, void *element)
{
	return config_text(r, NULL, v, element);
}

/* Into a struct drain. */
static enum err read_command(struct reader *r, const struct member *m, const struct value *v,
			     void *into)
{
	static const char expected[] =
		"an array of words, the first an absolute path ([\"/usr/bin/logger\", \"-t\"])";
	struct drain *to = into;
	const struct bytes *words;
	void *elements;
	size_t count = 0;
	enum err e = reader_array(r, v, expected, DRAIN_COMMAND_MAX, sizeof(struct bytes),
				  read_word, &elements, &count);

	if (e)
		return e;
	words = elements;
	if (count == 0 || words[0].at[0] != '/')
		return reader_wrong(r, v, expected);
	to->command.words = words;
	to->command.word_count = count;
	return OK;
}

/* ---- the tables: what each type has ---- */

#define IN(field) READER_IN(struct drain, field)

#define EVERY_SINK                                                                                 \
	READER_KEY("type", read_type, IN(type)), READER_KEY("enabled", reader_bool, IN(enabled)),  \
		READER_KEY("required", reader_bool, IN(required)),                                 \
		READER_KEY("from_now", reader_bool, IN(from_now)),                                 \
		READER_KEY("timeout_ms", reader_u32, IN(timeout_ms), .min = DRAIN_TIMEOUT_MS_MIN,  \
			   .max = DRAIN_TIMEOUT_MS_MAX),                                           \
		READER_KEY("retry_first_ms", reader_u32, IN(retry_first_ms),                       \
			   .min = DRAIN_RETRY_MS_MIN, .max = DRAIN_RETRY_MS_MAX),                  \
		READER_KEY("retry_max_ms", reader_u32, IN(retry_max_ms),                           \
			   .min = DRAIN_RETRY_MS_MIN, .max = DRAIN_RETRY_MS_MAX),                  \
		READER_KEY("dead_letter_after", reader_u32, IN(dead_letter_after), .min = 1,       \
			   .max = DRAIN_DEAD_LETTER_MAX),                                          \
		READER_KEY("max_lag_s", reader_u32, IN(max_lag_s), .max = DRAIN_MAX_LAG_S_MAX),    \
		READER_KEY("heartbeat_s", reader_u32, IN(heartbeat_s),                             \
			   .max = DRAIN_HEARTBEAT_S_MAX)

/* All but those that send segments as they are. */
#define WITH_EVENTS(fields_fn)                                                                     \
	READER_KEY("filter", config_filter, IN(filter)), READER_KEY("fields", fields_fn),          \
		READER_KEY("batch_events", reader_u32, IN(batch_events), .min = 1,                 \
			   .max = DRAIN_BATCH_EVENTS_MAX),                                         \
		READER_KEY("batch_bytes", reader_u32, IN(batch_bytes),                             \
			   .min = DRAIN_BATCH_BYTES_MIN, .max = DRAIN_BATCH_BYTES_MAX),            \
		READER_KEY("batch_wait_ms", reader_u32, IN(batch_wait_ms),                         \
			   .max = DRAIN_BATCH_WAIT_MS_MAX),                                        \
		READER_KEY("event_bytes_max", reader_u32, IN(event_bytes_max),                     \
			   .min = DRAIN_EVENT_BYTES_MIN, .max = DRAIN_EVENT_BYTES_MAX)

/* All but files: two writers would rotate them away from each other. */
#define CONCURRENT                                                                                 \
	READER_KEY("concurrency", reader_u32, IN(concurrency), .min = 1,                           \
		   .max = DRAIN_CONCURRENCY_MAX)

#define TO(read_fn) READER_KEY("to", read_fn, IN(to), .required = true)
#define TLS         READER_KEY("tls", read_tls, IN(tls))

static const struct member of_file[] = {
	EVERY_SINK,
	WITH_EVENTS(config_fields),
	TO(config_path),
	READER_KEY("rotate_bytes", read_rotate, IN(file.rotate_bytes)),
	READER_KEY("keep", reader_u32, IN(file.keep), .min = 1, .max = DRAIN_KEEP_MAX),
	READER_KEY("synced", reader_bool, IN(file.synced)),
};

static const struct member of_syslog[] = {
	EVERY_SINK,
	CONCURRENT,
	WITH_EVENTS(config_fields),
	TO(config_to_syslog),
	TLS,
	READER_KEY("facility", read_facility, IN(syslog.facility)),
	READER_KEY("app_name", read_app_name, IN(syslog.app_name)),
	READER_KEY("message_bytes_max", reader_u32, IN(syslog.message_bytes_max),
		   .min = DRAIN_MESSAGE_BYTES_MIN, .max = DRAIN_EVENT_BYTES_MAX),
};

static const struct member of_https[] = {
	EVERY_SINK,
	CONCURRENT,
	WITH_EVENTS(config_fields),
	TO(config_to_url),
	TLS,
	READER_KEY("insecure_http", reader_bool, IN(insecure_http)),
	READER_KEY("preset", read_preset, IN(https.preset)),
	READER_KEY("format", reader_choice, IN(https.format), .choices = formats),
	READER_KEY("gzip", reader_bool, IN(https.gzip)),
	READER_KEY("token_file", config_file_name, IN(token_file)),
	READER_KEY("user", config_text, IN(user)),
	READER_KEY("headers", config_headers),
	READER_KEY("hmac_file", config_file_name, IN(https.hmac_file)),
	READER_KEY("index", config_text, IN(https.index)),
};

static const struct member of_otlp[] = {
	EVERY_SINK,
	CONCURRENT,
	WITH_EVENTS(config_otlp_fields),
	TO(config_to_url),
	TLS,
	READER_KEY("insecure_http", reader_bool, IN(insecure_http)),
	READER_KEY("gzip", reader_bool, IN(otlp.gzip)),
	READER_KEY("metrics", reader_bool, IN(otlp.metrics)),
	READER_KEY("token_file", config_file_name, IN(token_file)),
	READER_KEY("headers", config_headers),
};

static const struct member of_s3[] = {
	EVERY_SINK,
	CONCURRENT,
	TO(config_to_url),
	TLS,
	READER_KEY("insecure_http", reader_bool, IN(insecure_http)),
	READER_KEY("bucket", read_bucket, IN(s3.bucket), .required = true),
	READER_KEY("prefix", read_prefix, IN(s3.prefix)),
	READER_KEY("region", read_region, IN(s3.region)),
	READER_KEY("access_key_file", config_file_name, IN(s3.access_key_file), .required = true),
	READER_KEY("path_style", reader_bool, IN(s3.path_style)),
	READER_KEY("part_bytes", reader_u32, IN(s3.part_bytes), .min = DRAIN_PART_BYTES_MIN,
		   .max = DRAIN_PART_BYTES_MAX),
	READER_KEY("lock_days", reader_u32, IN(s3.lock_days), .max = DRAIN_LOCK_DAYS_MAX),
	READER_KEY("lock_compliance", reader_bool, IN(s3.lock_compliance)),
};

static const struct member of_kafka[] = {
	EVERY_SINK,
	CONCURRENT,
	WITH_EVENTS(config_fields),
	TO(config_to_kafka),
	TLS,
	READER_KEY("topic", read_topic, IN(kafka.topic), .required = true),
	READER_KEY("properties", config_properties),
	READER_KEY("password_file", config_file_name, IN(password_file)),
};

static const struct member of_postgres[] = {
	EVERY_SINK,
	CONCURRENT,
	WITH_EVENTS(config_fields),
	TO(config_to_postgres),
	TLS,
	READER_KEY("table", read_table, IN(postgres.table), .required = true),
	READER_KEY("password_file", config_file_name, IN(password_file)),
};

static const struct member of_command[] = {
	EVERY_SINK,
	CONCURRENT,
	WITH_EVENTS(config_fields),
	READER_KEY("command", read_command, .required = true),
};

static const struct {
	const struct member *members;
	size_t count;
} tables[DRAIN_TYPES] = {
	[DRAIN_FILE] = {of_file, READER_COUNT(of_file)},
	[DRAIN_SYSLOG] = {of_syslog, READER_COUNT(of_syslog)},
	[DRAIN_HTTPS] = {of_https, READER_COUNT(of_https)},
	[DRAIN_OTLP] = {of_otlp, READER_COUNT(of_otlp)},
	[DRAIN_S3] = {of_s3, READER_COUNT(of_s3)},
	[DRAIN_KAFKA] = {of_kafka, READER_COUNT(of_kafka)},
	[DRAIN_POSTGRES] = {of_postgres, READER_COUNT(of_postgres)},
	[DRAIN_COMMAND] = {of_command, READER_COUNT(of_command)},
};

/* ---- one sink ---- */

static void set_defaults(struct drain *d)
{
	bool is_local = d->type == DRAIN_FILE || d->type == DRAIN_COMMAND;

	d->enabled = true;
	d->fields = DRAIN_METADATA;
	d->batch_events = is_local ? DRAIN_BATCH_EVENTS_LOCAL : DRAIN_BATCH_EVENTS;
	d->batch_bytes = is_local ? DRAIN_BATCH_BYTES_LOCAL : DRAIN_BATCH_BYTES;
	d->batch_wait_ms = DRAIN_BATCH_WAIT_MS;
	d->event_bytes_max = DRAIN_EVENT_BYTES;
	d->concurrency = DRAIN_CONCURRENCY;
	d->timeout_ms = DRAIN_TIMEOUT_MS;
	d->retry_first_ms = DRAIN_RETRY_FIRST_MS;
	d->retry_max_ms = DRAIN_RETRY_MAX_MS;
	d->dead_letter_after = DRAIN_DEAD_LETTER_AFTER;
	d->max_lag_s = DRAIN_MAX_LAG_S;
	d->heartbeat_s = DRAIN_HEARTBEAT_S;
	d->file.rotate_bytes = DRAIN_ROTATE_BYTES;
	d->file.keep = DRAIN_KEEP;
	d->file.synced = true;
	d->syslog.facility = DRAIN_FACILITY;
	d->syslog.app_name = BYTES("aigw");
	d->syslog.message_bytes_max = DRAIN_MESSAGE_BYTES;
	d->s3.region = BYTES("us-east-1");
	d->s3.part_bytes = DRAIN_PART_BYTES;
	if (d->type == DRAIN_S3)
		d->batch_events = 1;
}

enum err config_sink_read(struct reader *r, const struct value *v, struct drain *to)
{
	struct value type;
	size_t mark;
	enum err e = reader_find(r, v, "type", &type);

	if (e == ERR_MISSING)
		return reader_missing(r, "type", v);
	if (e)
		return e;
	mark = reader_path_push(r, BYTES("type"));
	e = read_type(r, NULL, &type, &to->type);
	reader_path_pop(r, mark);
	if (e)
		return e;
	set_defaults(to);
	e = reader_wide_object(r, tables[to->type].members, tables[to->type].count, v, to);
	return e ? e : config_check(r, v, to);
}
