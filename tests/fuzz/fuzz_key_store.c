/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a key store, with the digest made right, so that what is behind it is reached too.
 * What is read is written again as the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/seal.h"
#include "keys/key_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void use(const struct key_store *s, const struct key_host *host)
{
	static uint8_t plain[KEY_SECRET_BYTES_MAX];
	const struct key_entry *entry;
	struct buf again = {0};
	struct key_store *back = NULL;

	for (size_t i = 0; i < s->key_count; i++)
		must(key_store_find(s, s->keys[i].scope.name) &&
		     key_entry_state(&s->keys[i], 1) != KEY_UNKNOWN);
	for (size_t i = 0; i < s->secret_count; i++)
		(void)!key_secret_open(&s->secrets[i], host, plain);
	must(key_store_judge(s, host, BYTES("aigw-x"), 1, &entry) == KEY_MISTYPED);
	must(key_store_put(s, host, &again) == OK);
	must(key_store_parse(buf_view(&again), host, &back) == OK);
	must(back->key_count == s->key_count && back->secret_count == s->secret_count);
	key_store_free(back);
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t master[32] = {1};
	uint8_t digest[KEY_HASH_BYTES];
	struct key_host host;
	struct key_store *s = NULL;
	struct buf right = {0};

	must(seal_init() == OK);
	key_host_derive(master, &host);
	if (key_store_parse(bytes_of(data, size), &host, &s) == OK)
		use(s, &host);
	key_store_free(s);
	s = NULL;
	if (size < sizeof digest)
		return 0;
	struct bytes covered = {data, size - sizeof digest};
	seal_keyed_digest(host.file, covered, digest);
	must(buf_put(&right, covered) == OK &&
	     buf_put(&right, bytes_of(digest, sizeof digest)) == OK);
	if (key_store_parse(buf_view(&right), &host, &s) == OK)
		use(s, &host);
	key_store_free(s);
	buf_done(&right);
	return 0;
}
