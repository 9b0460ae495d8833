/* SPDX-License-Identifier: MIT */
#include "daemon/account.h"

#define NS_PER_S 1000000000u
/* Buckets are filled in steps that do not lose fractions of a token. */
#define FILL_NS 1000000u

void account_init(struct account *a, uint32_t uid, uint64_t now_ns)
{
	*a = (struct account){
		.uid = uid,
		.bytes_left = ACCOUNT_BYTES_BURST,
		.messages_left = ACCOUNT_MESSAGES_BURST,
		.filled_ns = now_ns,
	};
}

static uint64_t filled(uint64_t left, uint64_t more, uint64_t burst)
{
	return left + more < burst ? left + more : burst;
}

bool account_may(struct account *a, uint64_t now_ns)
{
	uint64_t steps = now_ns > a->filled_ns ? (now_ns - a->filled_ns) / FILL_NS : 0;

	if (steps) {
		uint64_t counted = steps < 10000 ? steps : 10000; /* fills any bucket */
		a->bytes_left = filled(a->bytes_left,
				       counted * (ACCOUNT_BYTES_PER_S / (NS_PER_S / FILL_NS)),
				       ACCOUNT_BYTES_BURST);
		a->messages_left = filled(a->messages_left,
					  counted * (ACCOUNT_MESSAGES_PER_S / (NS_PER_S / FILL_NS)),
					  ACCOUNT_MESSAGES_BURST);
		a->filled_ns += steps * FILL_NS;
	}
	return a->bytes_left && a->messages_left;
}

uint64_t account_wait_ns(const struct account *a)
{
	/* Enough for a quantum, so that a throttled user costs a few turns a second, not thousands.
	 */
	return a->bytes_left && a->messages_left ? 0 : 4 * (uint64_t)FILL_NS;
}

void account_charge(struct account *a, size_t bytes)
{
	a->bytes_left = a->bytes_left > bytes ? a->bytes_left - bytes : 0;
	a->messages_left -= a->messages_left > 0;
}

bool account_has_room(const struct account *a, size_t more)
{
	return a->in_flight_bytes <= ACCOUNT_IN_FLIGHT_MAX &&
	       more <= ACCOUNT_IN_FLIGHT_MAX - a->in_flight_bytes;
}
