/* SPDX-License-Identifier: MIT */
#include "drain/config_read.h"

/* Starts a problem at the value of `key`, or at the sink where the key is missing: "PATH.KEY " or
 * "PATH ". */
static struct phrase *at_key(struct reader *r, const struct value *v, const char *key)
{
	struct value found;
	struct phrase *p;
	size_t mark = r->path_len, start = v->token.start;

	if (key && reader_find(r, v, key, &found) == OK) {
		start = found.token.start;
		mark = reader_path_push(r, bytes_str(key));
	}
	p = reader_problem(r, start);
	reader_put_path(r, p);
	phrase_put(p, " ");
	reader_path_pop(r, mark);
	return p;
}

static enum err refuse(struct reader *r, const struct value *v, const char *key,
		       const char *problem)
{
	phrase_put(at_key(r, v, key), problem);
	return ERR_BAD;
}

/* ---- addresses ---- */

static enum err check_url(struct reader *r, const struct value *v, const struct drain *d)
{
	struct config_url url = config_url_of(d->to);
	bool is_bare = url.path.len <= 1 && url.query.len == 0;

	if (!url.tls && !config_is_this_host(url.host))
		return refuse(r, v, "to",
			      "must begin with \"https://\": records do not go through a network "
			      "unprotected");
	if (!url.tls && !d->insecure_http)
		return refuse(r, v, "to",
			      "must begin with \"https://\"; toward this host \"http://\" is taken "
			      "with \"insecure_http\": true");
	if (d->type == DRAIN_S3 && !is_bare)
		return refuse(r, v, "to",
			      "must be the endpoint alone; what is behind it is \"bucket\" and "
			      "\"prefix\"");
	if (d->type == DRAIN_OTLP && bytes_ends(url.path, BYTES("/v1/logs")))
		return refuse(r, v, "to",
			      "must stand without \"/v1/logs\", which is put behind it");
	return OK;
}

static enum err check_tls(struct reader *r, const struct value *v, const struct drain *d)
{
	const struct drain_tls *t = &d->tls;

	if (!t->cert_file.len != !t->key_file.len)
		return refuse(
			r, v, "tls",
			"has only one of \"cert_file\" and \"key_file\"; it takes both to say "
			"who we are");
	if (d->type == DRAIN_SYSLOG && (t->ca_file.len || t->cert_file.len) &&
	    !bytes_starts(d->to, BYTES("tls://")))
		return refuse(r, v, "tls", "says what only \"tls://\" has");
	return OK;
}

/* ---- one type each ---- */

static enum err check_syslog(struct reader *r, const struct value *v, const struct drain *d)
{
	if (bytes_starts(d->to, BYTES("udp://")) &&
	    d->syslog.message_bytes_max > DRAIN_MESSAGE_BYTES_UDP)
		return refuse(r, v, "message_bytes_max",
			      "is more than a UDP datagram takes (65000)");
	return OK;
}

static bool preset_has(unsigned presets, enum drain_preset preset)
{
	return presets >> preset & 1;
}

static enum err check_preset(struct reader *r, const struct value *v, const struct drain *d)
{
	static const unsigned with_token = 1u << PRESET_DATADOG | 1u << PRESET_SPLUNK |
					   1u << PRESET_SUMOLOGIC | 1u << PRESET_MEZMO |
					   1u << PRESET_BETTERSTACK | 1u << PRESET_LANGFUSE;
	static const unsigned needs_index = 1u << PRESET_ELASTICSEARCH | 1u << PRESET_OPENSEARCH;
	static const unsigned takes_index = 1u << PRESET_SPLUNK | 1u << PRESET_LOKI;
	static const unsigned without_user = 1u << PRESET_DATADOG | 1u << PRESET_SUMOLOGIC |
					     1u << PRESET_BETTERSTACK;
	enum drain_preset preset = d->https.preset;
	struct value given;

	if (preset_has(with_token, preset) && !d->token_file.len)
		return refuse(r, v, "preset",
			      "needs \"token_file\", which names the file with the key");
	if (preset_has(needs_index, preset) && !d->https.index.len)
		return refuse(r, v, "preset", "needs \"index\", which names where events go");
	if (d->https.index.len && !preset_has(needs_index | takes_index, preset))
		return refuse(r, v, "index",
			      "means something only with the presets elasticsearch, opensearch, "
			      "splunk and loki");
	if (d->user.len && preset_has(without_user, preset))
		return refuse(r, v, "user", "is nothing that this preset knows");
	if (preset != PRESET_NONE && reader_find(r, v, "format", &given) == OK)
		return refuse(r, v, "format", "is the preset's business; leave it out");
	return OK;
}

static enum err check_https(struct reader *r, const struct value *v, const struct drain *d)
{
	enum err e = check_preset(r, v, d);

	if (e)
		return e;
	if (d->user.len && !d->token_file.len)
		return refuse(r, v, "user",
			      "needs \"token_file\", which names the file with the password");
	if (bytes_find_byte(d->user, ':') != SIZE_MAX)
		return refuse(r, v, "user", "cannot have a \":\" in it (RFC 7617)");
	if (d->https.preset == PRESET_SUMOLOGIC &&
	    !bytes_ends(config_url_of(d->to).path, BYTES("/")))
		return refuse(
			r, v, "to",
			"must end in \"/\": the last part of a Sumo Logic address is secret, and "
			"stands in the file that \"token_file\" names");
	return OK;
}

static enum err check_kafka(struct reader *r, const struct value *v, const struct drain *d)
{
	if (config_kafka_is_remote(d->to) && !config_property(d, "security.protocol").len)
		return refuse(r, v, "to",
			      "names brokers elsewhere, so \"properties\" must say "
			      "\"security.protocol\" (\"ssl\", \"sasl_ssl\")");
	if (d->password_file.len && !config_property(d, "sasl.username").len)
		return refuse(r, v, "password_file",
			      "needs \"sasl.username\" among the \"properties\"");
	if (d->password_file.len &&
	    bytes_equal_nocase(config_property(d, "security.protocol"), BYTES("sasl_plaintext")))
		return refuse(r, v, "password_file",
			      "does not go out without TLS: \"security.protocol\" must be "
			      "\"sasl_ssl\"");
	return OK;
}

static enum err check_s3(struct reader *r, const struct value *v, const struct drain *d)
{
	if (d->s3.lock_compliance && !d->s3.lock_days)
		return refuse(r, v, "lock_compliance", "needs \"lock_days\"");
	return OK;
}

typedef enum err check_fn(struct reader *r, const struct value *v, const struct drain *d);

enum err config_check(struct reader *r, const struct value *v, const struct drain *d)
{
	static check_fn *const of_type[DRAIN_TYPES] = {
		[DRAIN_SYSLOG] = check_syslog,
		[DRAIN_HTTPS] = check_https,
		[DRAIN_KAFKA] = check_kafka,
		[DRAIN_S3] = check_s3,
	};
	bool has_url = d->type == DRAIN_HTTPS || d->type == DRAIN_OTLP || d->type == DRAIN_S3;
	enum err e = OK;

	if (d->retry_first_ms > d->retry_max_ms)
		return refuse(r, v, "retry_first_ms", "is more than \"retry_max_ms\"");
	if (has_url)
		e = check_url(r, v, d);
	if (!e)
		e = check_tls(r, v, d);
	if (!e && of_type[d->type])
		e = of_type[d->type](r, v, d);
	return e;
}
