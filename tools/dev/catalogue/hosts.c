/* SPDX-License-Identifier: MIT */
#include "catalogue.h"

#include <string.h>

#define HOST_BYTES_MAX  253
#define LABEL_BYTES_MAX 63

static void check_ipv6(const struct json_token *t, struct bytes name)
{
	struct bytes inner = bytes_slice(name, 1, name.len - 2);

	if (name.at[name.len - 1] != ']' || bytes_find_byte(inner, ':') == SIZE_MAX)
		stop_at(t, "an IPv6 address stands in brackets: \"[::1]\"");
	for (size_t i = 0; i < inner.len; i++)
		if (!strchr("0123456789abcdef:.", inner.at[i]))
			stop_at(t, "not an IPv6 address in lower case");
}

static void check_labels(const struct json_token *t, struct bytes name)
{
	struct bytes rest = name;
	size_t labels_after_star = 0;

	if (name.len > HOST_BYTES_MAX)
		stop_at(t, "a host name has at most 253 bytes");
	if (!consists_of(name, "-.*"))
		stop_at(t, "a host name is lower case letters, digits, - . and *");
	if (name.at[name.len - 1] == '.')
		stop_at(t, "leave out the dot at the end");
	while (rest.len) {
		struct bytes label = bytes_cut(&rest, '.');
		if (label.len == 0 || label.len > LABEL_BYTES_MAX)
			stop_at(t, "each part between dots has 1 to 63 bytes");
		labels_after_star++;
		if (bytes_find_byte(label, '*') != SIZE_MAX)
			labels_after_star = 0;
	}
	/* "*.com" would make every site a model provider. */
	if (labels_after_star < 2 && bytes_find_byte(name, '*') != SIZE_MAX)
		stop_at(t, "at least two names must follow the last *");
}

static struct host parse_host(const struct json_token *t)
{
	struct bytes rest = t->raw;
	struct host h = {.whole = t->raw};
	bool bracketed = rest.at[0] == '[';
	size_t colon = bracketed ? bytes_find(rest, BYTES("]:")) : bytes_find_byte(rest, ':');

	if (bracketed && colon != SIZE_MAX)
		colon++;
	h.name = bytes_slice(rest, 0, colon);
	if (colon != SIZE_MAX &&
	    (bytes_parse_u64(bytes_from(rest, colon + 1), UINT16_MAX, &h.port) || h.port == 0))
		stop_at(t, "a port is a number from 1 to 65535");
	if (bracketed)
		check_ipv6(t, h.name);
	else
		check_labels(t, h.name);
	return h;
}

static bool is_known_host(struct bytes whole)
{
	for (size_t i = 0; i < provider_count; i++)
		for (size_t h = 0; h < providers[i].host_count; h++)
			if (bytes_equal(providers[i].hosts[h].whole, whole))
				return true;
	return false;
}

void read_hosts(void *into)
{
	struct provider_entry *p = into;
	struct json_token t = next_of(JSON_ARRAY, "a list of host names was expected");
	size_t start = t.start;

	while (!next_is_end(JSON_ARRAY_END)) {
		t = next_text();
		if (p->host_count == HOSTS_MAX)
			stop_at(&t, "a provider has at most 64 hosts");
		if (is_known_host(t.raw))
			stop_at(&t, "this host stands in the file already");
		p->hosts[p->host_count++] = parse_host(&t);
	}
	if (p->host_count == 0)
		stop(start, BYTES_NONE, "name at least one host");
}
