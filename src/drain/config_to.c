/* SPDX-License-Identifier: MIT */
#include "drain/config_read.h"

#include <string.h>

#include "policy/host.h"

#define BROKERS_MAX 32

/* "PATH PROBLEM", without the value: there may be a secret in it. */
static enum err refuse(struct reader *r, const struct value *v, const char *problem)
{
	struct phrase *p = reader_problem(r, v->token.start);

	reader_put_path(r, p);
	phrase_put(p, " ");
	phrase_put(p, problem);
	return ERR_BAD;
}

/* A string of visible ASCII of a fitting length; other bytes have to be encoded in addresses. */
static enum err read_address(struct reader *r, const struct value *v, const char *expected,
			     struct bytes *ret_text)
{
	struct bytes text = BYTES_NONE;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (text.len > DRAIN_TO_BYTES_MAX) {
		(void)refuse(r, v, "is longer than 2048 bytes");
		return ERR_LIMIT;
	}
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= ' ' || text.at[i] >= 0x7F)
			return refuse(r, v,
				      "holds a space or a character beyond ASCII; write it in its "
				      "encoded form");
	*ret_text = text;
	return OK;
}

/* "host", "host:port", "[::1]:port". */
static const char *authority_problem(struct bytes authority, bool needs_port)
{
	struct bytes host;
	uint16_t port = 0;
	const char *problem = NULL;

	if (bytes_find_byte(authority, '@') != SIZE_MAX)
		return "has a user in it; what tells who we are stands in keys of its own "
		       "(\"user\", "
		       "\"token_file\", \"access_key_file\")";
	if (bytes_find_byte(authority, '*') != SIZE_MAX)
		return "must name one host, without \"*\"";
	if (host_parse(authority, &host, &port, &problem))
		return "must name a host, with a port or without (\"siem.example:6514\")";
	return needs_port && !port ? "must name a port with each host (\"kafka.example:9093\")"
				   : NULL;
}

/* ---- https ---- */

struct config_url config_url_of(struct bytes url)
{
	bool tls = bytes_starts(url, BYTES("https://"));
	struct bytes rest = bytes_from(url, tls ? 8 : 7), whole = rest;
	struct config_url parts = {.tls = tls};
	size_t end = 0;

	while (end < rest.len && rest.at[end] != '/' && rest.at[end] != '?')
		end++;
	parts.host = bytes_slice(rest, 0, end);
	whole = bytes_from(rest, end);
	parts.path = bytes_cut(&whole, '?');
	parts.query = whole;
	return parts;
}

static const char *query_problem(struct bytes query)
{
	while (query.len) {
		struct bytes value = bytes_cut(&query, '&'), name = bytes_cut(&value, '=');
		if (config_is_secret_name(name) || bytes_find_byte(name, '%') != SIZE_MAX)
			return "has what looks like a secret behind the \"?\"; put it into a file "
			       "and name that as \"token_file\"";
	}
	return NULL;
}

enum err config_to_url(struct reader *r, const struct member *m, const struct value *v, void *into)
{
	static const char expected[] = "an address (\"https://logs.example/path\")";
	struct bytes text = BYTES_NONE;
	struct config_url url;
	const char *problem;
	enum err e = read_address(r, v, expected, &text);

	if (e)
		return e;
	if (!bytes_starts(text, BYTES("https://")) && !bytes_starts(text, BYTES("http://")))
		return refuse(r, v, "must begin with \"https://\"");
	url = config_url_of(text);
	problem = authority_problem(url.host, false);
	if (!problem)
		problem = query_problem(url.query);
	if (!problem && bytes_find_byte(text, '#') != SIZE_MAX)
		problem = "has a \"#\" in it, which no server would see";
	if (problem)
		return refuse(r, v, problem);
	memcpy(into, &text, sizeof text);
	return OK;
}

/* ---- syslog ---- */

enum err config_to_syslog(struct reader *r, const struct member *m, const struct value *v,
			  void *into)
{
	static const char expected[] =
		"\"tls://HOST\", \"tcp://HOST\", \"udp://HOST\" or \"unix:///dev/log\"";
	static const struct {
		const char *scheme;
		bool is_path;
	} schemes[] = {{"tls://", false}, {"tcp://", false}, {"udp://", false}, {"unix://", true}};
	struct bytes text = BYTES_NONE;
	enum err e = read_address(r, v, expected, &text);

	if (e)
		return e;
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		struct bytes scheme = bytes_str(schemes[i].scheme);
		struct bytes rest = bytes_from(text, scheme.len);
		const char *problem = NULL;
		if (!bytes_starts(text, scheme))
			continue;
		if (!schemes[i].is_path)
			problem = authority_problem(rest, false);
		else if (rest.len < 2 || rest.at[0] != '/' || rest.len > 107)
			problem = "must name a socket by its absolute path of at most 107 bytes "
				  "(\"unix:///dev/log\")";
		if (problem)
			return refuse(r, v, problem);
		memcpy(into, &text, sizeof text);
		return OK;
	}
	return reader_wrong(r, v, expected);
}

/* ---- kafka ---- */

enum err config_to_kafka(struct reader *r, const struct member *m, const struct value *v,
			 void *into)
{
	struct bytes text = BYTES_NONE, rest;
	enum err e = read_address(r, v, "brokers (\"kafka1.example:9093,kafka2.example:9093\")",
				  &text);
	const char *problem = NULL;
	size_t count = 0;

	if (e)
		return e;
	rest = text;
	for (bool more = true; more && !problem; count++) {
		more = bytes_find_byte(rest, ',') != SIZE_MAX;
		problem = authority_problem(bytes_cut(&rest, ','), true);
		if (count == BROKERS_MAX)
			problem = "names more than 32 brokers; a few are enough to find the others";
	}
	if (problem)
		return refuse(r, v, problem);
	memcpy(into, &text, sizeof text);
	return OK;
}

/* ---- postgres ---- */

enum err config_to_postgres(struct reader *r, const struct member *m, const struct value *v,
			    void *into)
{
	static const char expected[] =
		"a connection string (\"host=db.example dbname=audit user=aigw\")";
	struct bytes text = BYTES_NONE;
	const char *problem;
	enum err e = reader_string(r, v, expected, &text);

	if (e)
		return e;
	if (text.len == 0)
		return reader_wrong(r, v, expected);
	if (text.len > DRAIN_TO_BYTES_MAX) {
		(void)refuse(r, v, "is longer than 2048 bytes");
		return ERR_LIMIT;
	}
	problem = config_postgres_problem(text);
	if (problem)
		return refuse(r, v, problem);
	memcpy(into, &text, sizeof text);
	return OK;
}

/* ---- this host ---- */

bool config_is_this_host(struct bytes entry)
{
	struct bytes host = BYTES_NONE;
	uint16_t port = 0;
	const char *problem = NULL;

	if (bytes_equal(entry, BYTES("::1")))
		return true;
	if (host_parse(entry, &host, &port, &problem))
		return false;
	if (bytes_equal_nocase(host, BYTES("localhost")) || bytes_equal(host, BYTES("[::1]")) ||
	    bytes_equal(host, BYTES("::1")))
		return true;
	/* An address, not a name that begins like one. */
	for (size_t i = 0; i < host.len; i++)
		if (host.at[i] != '.' && (host.at[i] < '0' || host.at[i] > '9'))
			return false;
	return bytes_starts(host, BYTES("127."));
}

bool config_kafka_is_remote(struct bytes brokers)
{
	while (brokers.len)
		if (!config_is_this_host(bytes_cut(&brokers, ',')))
			return true;
	return false;
}
