/* SPDX-License-Identifier: MIT */
#include "drain/kafka/settings.h"

#include <stdlib.h>
#include <string.h>

#include "policy/phrase.h"

#define DECIMAL_CHARS 24

struct making {
	rd_kafka_conf_t *to;
	struct sink_answer *answer;
};

/* The value may be a secret: it is not told, and so are libraries' own words about it not. */
static enum err set_text(struct making *m, const char *name, const char *value)
{
	char why[1];

	if (rd_kafka_conf_set(m->to, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
		return OK;
	sink_answer(m->answer, SINK_WRONG,
		    "librdkafka does not take this value, or has no such "
		    "property: ",
		    bytes_str(name));
	return ERR_USAGE;
}

static enum err set(struct making *m, const char *name, struct bytes value)
{
	char *text = strndup((const char *)value.at, value.len);
	enum err e = text ? set_text(m, name, text) : ERR_NOMEM;

	if (text)
		wipe(text, strlen(text));
	free(text);
	return e;
}

static enum err set_number(struct making *m, const char *name, uint64_t value)
{
	char text[DECIMAL_CHARS];
	struct phrase p;

	phrase_init(&p, text, sizeof text);
	phrase_put_decimal(&p, value);
	return set_text(m, name, text);
}

/* A file's content: it is read now, while we still may. */
static enum err set_file(struct making *m, const char *name, struct bytes file, bool is_secret)
{
	struct buf content = {0};
	enum err e;

	if (!file.len)
		return OK;
	e = sink_read_file(file, is_secret, &content);
	if (e) {
		struct phrase p;
		m->answer->result = SINK_WRONG;
		phrase_init(&p, m->answer->text, sizeof m->answer->text);
		phrase_put_bytes(&p, file);
		phrase_put(&p, " cannot be used: ");
		phrase_put(&p, err_text(e));
	} else {
		e = set(m, name, buf_view(&content));
	}
	buf_done(&content);
	return e;
}

static struct bytes property(const struct drain *config, const char *name)
{
	for (size_t i = 0; i < config->kafka.property_count; i++)
		if (bytes_equal(config->kafka.properties[i].name, bytes_str(name)))
			return config->kafka.properties[i].value;
	return BYTES_NONE;
}

/* What the properties may say in another way. */
static enum err set_defaults(struct making *m, const struct drain *config)
{
	bool has_mechanism = property(config, "sasl.mechanism").len ||
			     property(config, "sasl.mechanisms").len;
	enum err e;

	if ((e = set_text(m, "client.id", "aigw")) || (e = set_text(m, "linger.ms", "2")) ||
	    (e = set_number(m, "message.max.bytes",
			    (uint64_t)config->event_bytes_max + SETTINGS_MESSAGE_EXTRA)))
		return e;
	if (config->password_file.len && !has_mechanism)
		return set_text(m, "sasl.mechanism", "SCRAM-SHA-512");
	return OK;
}

/* A cluster that librdkafka plays itself would take everything and keep nothing. */
static enum err set_properties(struct making *m, const struct drain *config)
{
	enum err e = OK;

	for (size_t i = 0; !e && i < config->kafka.property_count; i++) {
		const struct drain_pair *p = &config->kafka.properties[i];
		char *name = strndup((const char *)p->name.at, p->name.len);
		if (!name)
			return ERR_NOMEM;
		if (bytes_starts(p->name, BYTES("test."))) {
			sink_answer(m->answer, SINK_WRONG, "not in a policy: ", p->name);
			e = ERR_USAGE;
		}
		e = e ? e : set(m, name, p->value);
		free(name);
	}
	return e;
}

static enum err set_password(struct making *m, const struct drain *config)
{
	struct bytes protocol = property(config, "security.protocol");

	if (config->password_file.len && bytes_equal_nocase(protocol, BYTES("sasl_plaintext"))) {
		sink_answer(m->answer, SINK_WRONG,
			    "a password does not go out without TLS: use sasl_ssl", BYTES_NONE);
		return ERR_USAGE;
	}
	return set_file(m, "sasl.password", config->password_file, true);
}

static enum err set_ours(struct making *m, const struct drain *config)
{
	enum err e;

	if ((e = set(m, "bootstrap.servers", config->to)) ||
	    (e = set_text(m, "enable.idempotence", "true")) || (e = set_text(m, "acks", "all")) ||
	    (e = set_number(m, "message.timeout.ms", config->timeout_ms)) ||
	    (e = set_number(m, "queue.buffering.max.kbytes", SETTINGS_QUEUE_KIB)) ||
	    (e = set_file(m, "ssl.ca.pem", config->tls.ca_file, false)) ||
	    (e = set_file(m, "ssl.certificate.pem", config->tls.cert_file, false)) ||
	    (e = set_file(m, "ssl.key.pem", config->tls.key_file, true)))
		return e;
	return set_password(m, config);
}

enum err settings_make(const struct drain *config, struct sink_answer *answer,
		       rd_kafka_conf_t **ret_settings)
{
	struct making m = {rd_kafka_conf_new(), answer};
	enum err e;

	if ((e = set_defaults(&m, config)) || (e = set_properties(&m, config)) ||
	    (e = set_ours(&m, config))) {
		if (e == ERR_NOMEM)
			sink_answer(answer, SINK_RETRY, err_text(e), BYTES_NONE);
		rd_kafka_conf_destroy(m.to);
		return e;
	}
	*ret_settings = m.to;
	return OK;
}

enum sink_result settings_result_of(rd_kafka_resp_err_t error)
{
	switch (error) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return SINK_DELIVERED;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
		return SINK_REFUSED;
	case RD_KAFKA_RESP_ERR__SSL:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
	case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
	case RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS:
	case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
		return SINK_WRONG;
	default:
		return SINK_RETRY;
	}
}
