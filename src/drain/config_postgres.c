/* SPDX-License-Identifier: MIT
 *
 * Connection strings as PQconnectdb takes them: "keyword=value ..." or "postgresql://...". Read
 * only as far as it takes to find a secret, and a connection that would trust anybody.
 */
#include "drain/config_read.h"

#define VALUE_BYTES_MAX 1024

struct settings {
	bool has_secret, is_remote, trusts_anybody;
};

static const char malformed[] =
	"is no connection string; write \"host=db.example dbname=audit user=aigw\"";

/* "db.example", or several with commas; a path is a local socket. */
static bool is_remote(struct bytes hosts)
{
	while (hosts.len) {
		struct bytes host = bytes_cut(&hosts, ',');
		if (host.len && host.at[0] != '/' && host.at[0] != '@' &&
		    !config_is_this_host(host))
			return true;
	}
	return false;
}

static void take(struct settings *s, struct bytes keyword, struct bytes value)
{
	if (bytes_equal(keyword, BYTES("host")) || bytes_equal(keyword, BYTES("hostaddr")))
		s->is_remote |= is_remote(value);
	else if (bytes_equal(keyword, BYTES("sslmode")))
		s->trusts_anybody = !bytes_equal(value, BYTES("verify-full")) &&
				    !bytes_equal(value, BYTES("verify-ca"));
	else
		s->has_secret |= config_is_secret_name(keyword) ||
				 bytes_starts(keyword, BYTES("scram_"));
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t skip_space(struct bytes text, size_t at)
{
	while (at < text.len && is_space(text.at[at]))
		at++;
	return at;
}

/* A value, quoted or not, with its backslashes resolved. SIZE_MAX: it does not end, or is too long.
 */
static size_t read_value(struct bytes text, size_t at, uint8_t *value, size_t *ret_len)
{
	bool quoted = at < text.len && text.at[at] == '\'';
	size_t len = 0;

	for (at += quoted; at < text.len; at++) {
		if (quoted ? text.at[at] == '\'' : is_space(text.at[at]))
			break;
		if (text.at[at] == '\\' && ++at == text.len)
			return SIZE_MAX;
		if (len == VALUE_BYTES_MAX)
			return SIZE_MAX;
		value[len++] = text.at[at];
	}
	if (quoted && at++ == text.len)
		return SIZE_MAX;
	*ret_len = len;
	return at;
}

static bool read_keywords(struct settings *s, struct bytes text)
{
	uint8_t value[VALUE_BYTES_MAX];
	size_t at = skip_space(text, 0), len = 0;

	while (at < text.len) {
		size_t start = at;
		while (at < text.len && text.at[at] != '=' && !is_space(text.at[at]))
			at++;
		struct bytes keyword = bytes_slice(text, start, at - start);
		at = skip_space(text, at);
		if (keyword.len == 0 || at == text.len || text.at[at] != '=')
			return false;
		at = read_value(text, skip_space(text, at + 1), value, &len);
		if (at == SIZE_MAX)
			return false;
		take(s, keyword, bytes_of(value, len));
		at = skip_space(text, at);
	}
	return true;
}

/* [user[:password]@][host][:port][,...][/db][?keyword=value&...] behind the scheme. */
static bool read_uri(struct settings *s, struct bytes rest)
{
	struct bytes query = rest, path = bytes_cut(&query, '?');
	struct bytes hosts = bytes_cut(&path, '/');
	size_t at = bytes_find_byte(hosts, '@');

	if (at != SIZE_MAX) {
		s->has_secret |= bytes_find_byte(bytes_slice(hosts, 0, at), ':') != SIZE_MAX;
		hosts = bytes_from(hosts, at + 1);
	}
	/* "%2Frun%2Fpostgresql": a socket */
	if (!bytes_starts(hosts, BYTES("%2F")) && !bytes_starts(hosts, BYTES("%2f")))
		s->is_remote |= is_remote(hosts);
	while (query.len) {
		struct bytes value = bytes_cut(&query, '&'), keyword = bytes_cut(&value, '=');
		if (keyword.len == 0 || bytes_find_byte(keyword, '%') != SIZE_MAX)
			return false;
		take(s, keyword, value);
	}
	return true;
}

const char *config_postgres_problem(struct bytes text)
{
	struct settings s = {0};
	bool is_read;

	if (bytes_starts(text, BYTES("postgresql://")))
		is_read = read_uri(&s, bytes_from(text, 13));
	else if (bytes_starts(text, BYTES("postgres://")))
		is_read = read_uri(&s, bytes_from(text, 11));
	else
		is_read = read_keywords(&s, text);
	if (s.has_secret)
		return "has a secret in it; put the password into a file and name that as "
		       "\"password_file\"";
	if (!is_read)
		return malformed;
	if (s.is_remote && s.trusts_anybody)
		return "would send records to whoever answers in the host's name; say "
		       "sslmode=verify-full (or leave it out, which means that here)";
	return NULL;
}
