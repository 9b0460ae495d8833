/* SPDX-License-Identifier: MIT */
#include "drain/config_read.h"

#include <string.h>

static bool is_one_of(struct bytes name, const char *const *names)
{
	for (; *names; names++)
		if (bytes_equal_nocase(name, bytes_str(*names)))
			return true;
	return false;
}

/* "PATH PROBLEM" at the name; the value is not shown. */
static enum err refuse(struct reader *r, size_t start, const char *problem)
{
	struct phrase *p = reader_problem(r, start);

	reader_put_path(r, p);
	phrase_put(p, " ");
	phrase_put(p, problem);
	return ERR_BAD;
}

static enum err read_value(struct reader *r, const struct value *v, struct bytes name,
			   struct drain_pair *to)
{
	to->name = name;
	return config_text(r, NULL, v, &to->value);
}

/* ---- headers ---- */

/* token, RFC 9110 5.6.2 */
static bool is_header_name(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.at[i];
		if (c <= ' ' || c >= 0x7F || strchr("\"(),/:;<=>?@[\\]{}", c))
			return false;
	}
	return name.len > 0 && name.len <= 128;
}

static enum err read_header(struct reader *r, const struct value *v, struct bytes name,
			    size_t name_start, void *element)
{
	static const char *const ours[] = {"host",
					   "content-length",
					   "content-type",
					   "content-encoding",
					   "transfer-encoding",
					   "connection",
					   "expect",
					   NULL};

	if (!is_header_name(name))
		return refuse(r, name_start, "cannot be the name of a header");
	if (config_is_secret_name(name))
		return refuse(r, name_start,
			      "would hold a secret; put that into a file and name it as "
			      "\"token_file\"");
	if (is_one_of(name, ours))
		return refuse(r, name_start, "is set by aigw");
	return read_value(r, v, name, element);
}

enum err config_headers(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	struct drain *to = into;
	void *elements;
	size_t count = 0;
	enum err e = reader_map(r, v, DRAIN_HEADERS_MAX, sizeof(struct drain_pair), read_header,
				&elements, &count);

	if (e)
		return e;
	to->headers = elements;
	to->header_count = count;
	return OK;
}

/* ---- librdkafka's properties ---- */

static bool is_property_name(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.at[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_')
			return false;
	}
	return name.len > 0 && name.len <= 128;
}

static bool is_secret_property(struct bytes name)
{
	return config_is_secret_name(name) || bytes_ends(name, BYTES("key.pem")) ||
	       bytes_equal(name, BYTES("sasl.oauthbearer.config")) ||
	       bytes_equal(name, BYTES("sasl.jaas.config"));
}

/* What delivery exactly as promised depends on, and what would load foreign code. */
static const char *property_problem(const struct drain_pair *p)
{
	static const char *const ours[] = {"bootstrap.servers",
					   "metadata.broker.list",
					   "enable.idempotence",
					   "enable.gapless.guarantee",
					   "acks",
					   "request.required.acks",
					   "message.timeout.ms",
					   "delivery.timeout.ms",
					   "transactional.id",
					   "plugin.library.paths",
					   "ssl.engine.location",
					   "client.software.name",
					   "client.software.version",
					   NULL};

	if (is_one_of(p->name, ours))
		return "is set by aigw";
	if (bytes_starts(p->name, BYTES("test.")))
		return "is for librdkafka's own tests: what it takes would be nowhere";
	if (bytes_equal(p->name, BYTES("enable.ssl.certificate.verification")) &&
	    !bytes_equal(p->value, BYTES("true")))
		return "must be \"true\": records would go to whoever answers";
	if (bytes_equal(p->name, BYTES("ssl.endpoint.identification.algorithm")) &&
	    !bytes_equal(p->value, BYTES("https")))
		return "must be \"https\": records would go to whoever answers";
	return NULL;
}

static enum err read_property(struct reader *r, const struct value *v, struct bytes name,
			      size_t name_start, void *element)
{
	struct drain_pair *to = element;
	const char *problem;
	enum err e;

	if (!is_property_name(name))
		return refuse(r, name_start,
			      "cannot be the name of one of librdkafka's properties");
	if (is_secret_property(name))
		return refuse(r, name_start,
			      "would hold a secret; put it into a file and name that as "
			      "\"password_file\" (SASL), or as \"tls\": {\"key_file\": ...}");
	e = read_value(r, v, name, to);
	problem = e ? NULL : property_problem(to);
	return problem ? refuse(r, name_start, problem) : e;
}

enum err config_properties(struct reader *r, const struct member *m, const struct value *v,
			   void *into)
{
	struct drain *to = into;
	void *elements;
	size_t count = 0;
	enum err e = reader_map(r, v, DRAIN_HEADERS_MAX, sizeof(struct drain_pair), read_property,
				&elements, &count);

	if (e)
		return e;
	to->kafka.properties = elements;
	to->kafka.property_count = count;
	return OK;
}

struct bytes config_property(const struct drain *d, const char *name)
{
	for (size_t i = 0; i < d->kafka.property_count; i++)
		if (bytes_equal(d->kafka.properties[i].name, bytes_str(name)))
			return d->kafka.properties[i].value;
	return BYTES_NONE;
}
