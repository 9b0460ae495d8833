/* SPDX-License-Identifier: MIT */
#include "shim/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/sys.h"

#define MAPPED_PREFIX_BYTES 12 /* of ::ffff:10.0.0.1, an IPv4 address on an IPv6 socket */

static size_t put(char *text, size_t at, const char *more)
{
	size_t len = strlen(more);

	memcpy(text + at, more, len + 1);
	return at + len;
}

static void put_peer(const char *before, const char *ip, const char *after, uint16_t port,
		     struct peer *ret_peer)
{
	char digits[] = "00000";
	size_t first = sizeof digits - 1, n;

	ret_peer->port = port;
	do
		digits[--first] = (char)('0' + port % 10);
	while (port /= 10);
	n = put(ret_peer->text, 0, before);
	n = put(ret_peer->text, n, ip);
	n = put(ret_peer->text, n, after);
	put(ret_peer->text, n, digits + first);
}

void peer_of_address(const struct sockaddr *address, size_t len, struct peer *ret_peer)
{
	char ip[INET6_ADDRSTRLEN];
	struct sockaddr_in6 six;
	struct sockaddr_in four;

	ret_peer->text[0] = '\0';
	ret_peer->port = 0;
	if (len >= sizeof six && address->sa_family == AF_INET6) {
		memcpy(&six, address, sizeof six);
		bool mapped = IN6_IS_ADDR_V4MAPPED(&six.sin6_addr);
		inet_ntop(mapped ? AF_INET : AF_INET6,
			  six.sin6_addr.s6_addr + (mapped ? MAPPED_PREFIX_BYTES : 0), ip,
			  sizeof ip);
		put_peer(mapped ? "" : "[", ip, mapped ? ":" : "]:", ntohs(six.sin6_port),
			 ret_peer);
	} else if (len >= sizeof four && address->sa_family == AF_INET) {
		memcpy(&four, address, sizeof four);
		inet_ntop(AF_INET, &four.sin_addr, ip, sizeof ip);
		put_peer("", ip, ":", ntohs(four.sin_port), ret_peer);
	}
}

void peer_of(int fd, struct peer *ret_peer)
{
	struct sockaddr_storage address = {0};
	uint32_t len = sizeof address;

	if (fd < 0 || sys_getpeername(fd, (struct sockaddr *)&address, &len) < 0)
		len = 0;
	peer_of_address((struct sockaddr *)&address, len, ret_peer);
}

bool peer_split(const char *text, struct bytes *ret_host, uint16_t *ret_port)
{
	struct bytes whole = bytes_str(text);
	size_t colon = whole.len;
	uint64_t port;

	while (colon > 0 && whole.at[colon - 1] != ':')
		colon--;
	if (colon == 0 || bytes_parse_u64(bytes_from(whole, colon), UINT16_MAX, &port))
		return false;
	*ret_host = bytes_slice(whole, 0, colon - 1);
	*ret_port = (uint16_t)port;
	return true;
}

static const struct provider *find_host(const struct policy *p, struct bytes host, uint16_t port)
{
	uint8_t bracketed[PEER_TEXT_MAX];

	if (bytes_find_byte(host, ':') == SIZE_MAX || host.at[0] == '[')
		return policy_find_provider(p, host, port);
	if (host.len > sizeof bracketed - 2)
		return NULL;
	bracketed[0] = '[';
	memcpy(bracketed + 1, host.at, host.len);
	bracketed[host.len + 1] = ']';
	return policy_find_provider(p, bytes_of(bracketed, host.len + 2), port);
}

const struct provider *peer_find_provider(const struct policy *p, struct bytes host, uint16_t port,
					  const struct peer *peer)
{
	const struct provider *found = host.len ? find_host(p, host, port) : NULL;
	struct bytes address;

	if (!found && peer && peer_split(peer->text, &address, &port))
		found = policy_find_provider(p, address, port);
	return found;
}
