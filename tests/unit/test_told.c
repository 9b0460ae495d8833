/* SPDX-License-Identifier: MIT
 *
 * The limits that the README and the man pages tell of, as they are built. Who changes one changes
 * the sentence as well: tools/dev/claims has where it stands, and the tests of what happens there.
 */
#include "audit/seal.h"
#include "daemon/account.h"
#include "daemon/checkpoint.h"
#include "daemon/hold_keys.h"
#include "llm/catalogue.h"
#include "llm/exchange.h"
#include "tap.h"

#define MIB (1u << 20)

static void a_request_body_of_32_mib_is_held(void)
{
	CHECK(EXCHANGE_BODY_BYTES_MAX == 32 * MIB);
}

static void a_user_has_4096_connections_and_128_mib_at_the_collector(void)
{
	CHECK(ACCOUNT_CLIENTS_MAX == 4096);
	CHECK(ACCOUNT_IN_FLIGHT_MAX == 128 * MIB);
}

static void a_user_has_64_connections_at_the_key_holder(void)
{
	CHECK(HOLD_KEYS_CLIENTS_PER_USER == 64);
}

static void a_checkpoint_key_lives_for_ten_seconds(void)
{
	CHECK(CHECKPOINT_EVOLVE_NS == UINT64_C(10) * 1000000000);
}

static void a_passphrase_is_stretched_with_256_mib_and_3_passes(void)
{
	CHECK(SEAL_MEMORY_KIB_USUAL == 256 * 1024);
	CHECK(SEAL_PASSES_USUAL == 3);
}

static void the_catalogue_has_73_providers(void)
{
	CHECK(catalogue_count == 73);
}

int main(void)
{
	RUN_TESTS(TEST(a_request_body_of_32_mib_is_held),
		  TEST(a_user_has_4096_connections_and_128_mib_at_the_collector),
		  TEST(a_user_has_64_connections_at_the_key_holder),
		  TEST(a_checkpoint_key_lives_for_ten_seconds),
		  TEST(a_passphrase_is_stretched_with_256_mib_and_3_passes),
		  TEST(the_catalogue_has_73_providers));
}
