/* SPDX-License-Identifier: MIT */
#include "llm/catalogue.h"

const struct provider *catalogue_find(struct bytes name)
{
	for (size_t i = 0; i < catalogue_count; i++)
		if (bytes_equal(name, bytes_str(catalogue[i].name)))
			return &catalogue[i];
	return NULL;
}

static bool is_bracketed(struct bytes host)
{
	return host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';
}

/* No empty label, so that "one or more labels" can be counted by bytes. */
static bool is_well_formed(struct bytes host)
{
	return host.len > 0 && host.at[0] != '.' && host.at[host.len - 1] != '.' &&
	       bytes_find(host, BYTES("..")) == SIZE_MAX;
}

static bool same_byte(uint8_t a, uint8_t b)
{
	return bytes_equal_nocase(bytes_of(&a, 1), bytes_of(&b, 1));
}

/* As bytes_match, but `*` needs at least one byte and nothing else is special. In a well-formed
 * host a `*` between dots (or at an end) then stands for one or more whole labels. */
static bool host_matches(struct bytes pattern, struct bytes host)
{
	size_t p = 0, h = 0, star = SIZE_MAX, star_host = 0;

	while (h < host.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = p++;
			star_host = ++h;
			continue;
		}
		if (p < pattern.len && same_byte(pattern.at[p], host.at[h])) {
			p++, h++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			h = ++star_host;
		} else {
			return false;
		}
	}
	return p == pattern.len;
}

bool provider_has_host(const struct provider *p, struct bytes host, uint16_t port)
{
	if (host.len && host.at[host.len - 1] == '.')
		host.len--;
	if (!is_well_formed(host))
		return false;
	for (size_t i = 0; i < p->host_count; i++) {
		const struct provider_host *known = &p->hosts[i];
		struct bytes pattern = bytes_str(known->name);
		if (known->port && port && known->port != port)
			continue;
		if (is_bracketed(host) || is_bracketed(pattern) ? bytes_equal_nocase(pattern, host)
								: host_matches(pattern, host))
			return true;
	}
	return false;
}
