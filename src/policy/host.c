/* SPDX-License-Identifier: MIT */
#include "policy/host.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_label_byte(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_';
}

/* What is wrong with a text that must be an address of the family; NULL when it is one. */
static const char *address_problem(int family, struct bytes text, const char *problem)
{
	char plain[INET6_ADDRSTRLEN];
	uint8_t address[sizeof(struct in6_addr)];

	if (text.len >= sizeof plain || bytes_find_byte(text, 0) != SIZE_MAX)
		return problem;
	if (text.len)
		memcpy(plain, text.at, text.len);
	plain[text.len] = '\0';
	return inet_pton(family, plain, address) == 1 ? NULL : problem;
}

static const char *name_problem(struct bytes name)
{
	bool digits_only = true;
	struct bytes rest = name;

	if (name.len > HOST_NAME_BYTES_MAX)
		return "the name is longer than 253 bytes";
	if (bytes_equal(name, BYTES("*")))
		return "\"*\" alone would take in every connection of the program";
	for (size_t i = 0; i < name.len; i++)
		digits_only = digits_only && (is_digit(name.at[i]) || name.at[i] == '.');
	if (digits_only)
		return address_problem(AF_INET, name, "this is not an IPv4 address");
	if (bytes_starts(name, BYTES("*.")))
		rest = bytes_from(name, 2);
	for (bool more = true; more;) {
		more = bytes_find_byte(rest, '.') != SIZE_MAX;
		struct bytes label = bytes_cut(&rest, '.');
		if (label.len == 0)
			return "a part between dots is empty";
		if (label.len > HOST_LABEL_BYTES_MAX)
			return "a part between dots is longer than 63 bytes";
		for (size_t i = 0; i < label.len; i++) {
			if (label.at[i] == '*')
				return "a \"*\" may only stand for the first parts, as in "
				       "\"*.example.com\"";
			if (label.at[i] == '/' || label.at[i] == ':')
				return "only a host is expected, without \"https://\" and path";
			if (label.at[i] >= 0x80)
				return "the name must be ASCII, in its xn-- form";
			if (!is_label_byte(label.at[i]))
				return "only letters, digits, \"-\", \"_\" and dots make a host "
				       "name";
		}
		if (label.at[0] == '-' || label.at[label.len - 1] == '-')
			return "a part between dots begins or ends with \"-\"";
	}
	return NULL;
}

enum err host_parse(struct bytes entry, struct bytes *ret_name, uint16_t *ret_port,
		    const char **ret_problem)
{
	struct bytes name = entry, port = BYTES_NONE;
	const char *problem = NULL;
	bool has_port = false;
	uint64_t number = 0;

	if (entry.len && entry.at[0] == '[') {
		size_t end = bytes_find_byte(entry, ']');
		if (end == SIZE_MAX) {
			*ret_problem = "the \"]\" is missing";
			return ERR_BAD;
		}
		name = bytes_slice(entry, 0, end + 1);
		port = bytes_from(entry, end + 1);
		has_port = port.len > 0;
		problem = address_problem(AF_INET6, bytes_slice(entry, 1, end - 1),
					  "this is not an IPv6 address");
		if (!problem && has_port && port.at[0] != ':')
			problem = "only \":\" and a port may follow the \"]\"";
		port = bytes_from(port, 1);
	} else if (!address_problem(AF_INET6, entry, "")) {
		problem = "an IPv6 address is written in brackets, as in \"[::1]:8443\"";
	} else {
		size_t colon = bytes_find_byte(entry, ':');
		if (colon != SIZE_MAX && !bytes_starts(bytes_from(entry, colon), BYTES("://"))) {
			has_port = true;
			name = bytes_slice(entry, 0, colon);
			port = bytes_from(entry, colon + 1);
		}
		problem = name.len ? name_problem(name) : "the host is empty";
	}
	if (!problem && has_port && (bytes_parse_u64(port, 65535, &number) || number == 0))
		problem = "the port must be a number from 1 to 65535";
	if (problem) {
		*ret_problem = problem;
		return ERR_BAD;
	}
	*ret_name = name;
	*ret_port = (uint16_t)number;
	return OK;
}
