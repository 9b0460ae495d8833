/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the head of a request to each provider: the keys found lie in it, in their order and
 * without overlap, so that they can be replaced; and a text that is taken for a gateway key is one.
 */
#include <stdlib.h>
#include <string.h>

#include "keys/gateway_key.h"
#include "llm/credential_place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_key(struct bytes text)
{
	struct bytes environment;

	if (gateway_key_parse(text, &environment))
		return;
	must(gateway_key_claims(text) && gateway_key_is_name(environment));
	must(text.len == strlen(GATEWAY_KEY_PREFIX) + environment.len + 1 + GATEWAY_KEY_DIGITS);
}

static void check_head(struct bytes head, const struct provider *p)
{
	const uint8_t *end = head.at;
	uint8_t room[GATEWAY_KEY_BYTES_MAX];
	struct credential_scan s;
	struct credential_place place;

	credential_scan_init(&s, head, p, p ? provider_dialect(p) : NULL);
	while (credential_scan_next(&s, &place)) {
		must(place.key.len && place.key.at >= end);
		end = place.key.at + place.key.len;
		must(end <= head.at + head.len);
		must(p || !place.accepted);
		struct bytes text = credential_place_text(&place, room, sizeof room);
		must(text.len <= place.key.len && (place.in_query || text.at == place.key.at));
		check_key(text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes whole = {data, size},
		     head = bytes_slice(whole, 0, credential_head_bytes(whole));

	check_head(head, NULL);
	for (size_t i = 0; i < catalogue_count; i += 5)
		check_head(head, &catalogue[i]);
	check_key(whole);
	return 0;
}
