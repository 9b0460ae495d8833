/* SPDX-License-Identifier: MIT */
#include "drain/syslog/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define PORT_MAX 65535

static const struct {
	const char *prefix, *port;
} transports[] = {
	[SYSLOG_TLS] = {"tls://", "6514"},
	[SYSLOG_TCP] = {"tcp://", "601"},
	[SYSLOG_UDP] = {"udp://", "514"},
	[SYSLOG_UNIX] = {"unix://", ""},
};

static void copy(char *to, struct bytes from)
{
	memcpy(to, from.at, from.len);
	to[from.len] = 0;
}

static bool is_host_name(struct bytes host)
{
	for (size_t i = 0; i < host.len; i++) {
		uint8_t c = host.at[i];
		bool is_fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			       (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
		if (!is_fine)
			return false;
	}
	return host.len && host.at[0] != '-' && host.at[0] != '.';
}

/* Takes the host off the front of *rest. */
static enum err take_host(struct bytes *rest, struct syslog_address *a, const char **problem)
{
	bool is_ipv6 = rest->len && rest->at[0] == '[';
	struct bytes host = *rest;
	struct in6_addr address;

	*problem = "a host name or address is expected behind //";
	if (is_ipv6) {
		*rest = bytes_from(*rest, 1);
		if (bytes_find_byte(*rest, ']') == SIZE_MAX)
			return ERR_BAD;
		host = bytes_cut(rest, ']');
	} else {
		host.len = bytes_find_byte(host, ':');
		host = host.len == SIZE_MAX ? *rest : host;
		*rest = bytes_from(*rest, host.len);
	}
	if (host.len == 0 || host.len > ADDRESS_HOST_MAX || (!is_ipv6 && !is_host_name(host)) ||
	    bytes_find_byte(host, 0) != SIZE_MAX)
		return ERR_BAD;
	copy(a->host, host);
	a->is_ip = inet_pton(is_ipv6 ? AF_INET6 : AF_INET, a->host, &address) == 1;
	return is_ipv6 && !a->is_ip ? ERR_BAD : OK;
}

static enum err take_port(struct bytes rest, struct syslog_address *a, const char **problem)
{
	uint64_t port;

	if (rest.len == 0)
		return OK;
	*problem = "a port from 1 to 65535 and nothing else may follow the host";
	if (rest.at[0] != ':' || rest.len >= sizeof a->port + 1)
		return ERR_BAD;
	rest = bytes_from(rest, 1);
	if (bytes_parse_u64(rest, PORT_MAX, &port) || port == 0)
		return ERR_BAD;
	copy(a->port, rest);
	return OK;
}

static enum err take_path(struct bytes rest, struct syslog_address *a, const char **problem)
{
	*problem = "an absolute path of at most 107 bytes is expected behind unix://";
	if (rest.len < 2 || rest.at[0] != '/' || rest.len > ADDRESS_PATH_MAX ||
	    bytes_find_byte(rest, 0) != SIZE_MAX)
		return ERR_BAD;
	copy(a->path, rest);
	return OK;
}

enum err syslog_address_parse(struct bytes to, struct syslog_address *ret_address,
			      const char **ret_problem)
{
	struct syslog_address a = {0};
	const char *problem = "tls://HOST, tcp://HOST, udp://HOST or unix:///PATH is expected";
	enum err e = ERR_BAD;

	for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
		struct bytes prefix = bytes_str(transports[i].prefix);
		struct bytes rest = bytes_from(to, prefix.len);
		if (!bytes_starts(to, prefix))
			continue;
		a.transport = (enum syslog_transport)i;
		copy(a.port, bytes_str(transports[i].port));
		if (a.transport == SYSLOG_UNIX)
			e = take_path(rest, &a, &problem);
		else if (!(e = take_host(&rest, &a, &problem)))
			e = take_port(rest, &a, &problem);
	}
	if (e)
		*ret_problem = problem;
	else
		*ret_address = a;
	return e;
}
