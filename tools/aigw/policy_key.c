/* SPDX-License-Identifier: MIT */
#include "policy_key.h"

#include <pwd.h>
#include <string.h>

#include "aigw.h"
#include "base/sys.h"
#include "keys/key_refusal.h"
#include "print.h"

#define SECOND_NS      UINT64_C(1000000000)
#define USER_BYTES_MAX 64

static uint64_t now_s(void)
{
	return sys_now_ns() / SECOND_NS;
}

static int open_store(struct policy_key *k, const struct policy_key_place *place)
{
	k->opened = true;
	return key_edit_look(place->places, place->policy, place->store, &k->store);
}

int policy_key_name(struct policy_key *k, const struct policy_key_place *place, const char *name)
{
	int status = open_store(k, place);

	if (status)
		return status;
	k->entry = key_edit_named(&k->store, name);
	if (!k->entry)
		return EXIT_USAGE;
	k->verdict = key_entry_state(k->entry, now_s());
	return EXIT_FINE;
}

/* ---- in a request ---- */

static int judge_text(struct policy_key *k, const struct policy_key_place *place, struct bytes text)
{
	int status = open_store(k, place);

	if (status)
		return status;
	k->verdict = key_store_judge(k->store.store, k->store.host, text, now_s(), &k->entry);
	k->refused = !k->entry;
	if (k->refused)
		key_refuse_verdict(&k->refusal, NULL, k->verdict);
	return EXIT_FINE;
}

int policy_key_read(struct policy_key *k, const struct policy_key_place *place, struct bytes head,
		    const struct provider *provider, const struct dialect *dialect)
{
	uint8_t rooms[2][GATEWAY_KEY_BYTES_MAX];
	struct bytes key = BYTES_NONE;
	struct credential_scan s;
	struct credential_place at;
	int status = EXIT_FINE;

	credential_scan_init(&s, head, provider, dialect);
	while (!k->refused && credential_scan_next(&s, &at)) {
		struct bytes text = credential_place_text(&at, rooms[key.len > 0], sizeof rooms[0]);
		if (!gateway_key_claims(text)) {
			k->raw |= !at.foreign;
			continue;
		}
		k->refused = !at.accepted || (key.len && !bytes_equal(key, text));
		if (!at.accepted)
			key_refuse_place(&k->refusal, &at, &s, provider->name);
		else if (k->refused)
			key_refuse_two(&k->refusal);
		if (!key.len)
			key = text;
	}
	if (!k->refused && key.len)
		status = judge_text(k, place, key);
	wipe(rooms, sizeof rooms);
	return status;
}

/* ---- what it is worth here ---- */

/* By name or by number, whichever either of them is. */
static bool is_user(struct bytes user, struct bytes of_key)
{
	char name[USER_BYTES_MAX + 1] = "";
	const struct passwd *p;
	uint64_t number;

	if (bytes_equal(user, of_key))
		return true;
	if (!user.len || user.len > USER_BYTES_MAX || bytes_parse_u64(of_key, UINT32_MAX, &number))
		return false;
	memcpy(name, user.at, user.len);
	p = getpwnam(name);
	return p && p->pw_uid == number;
}

void policy_key_judge(struct policy_key *k, const struct process_facts *facts,
		      const struct provider *provider)
{
	const struct key_entry *e = k->entry;
	struct bytes name = bytes_str(provider->name);
	struct decision *d = &k->refusal;

	if (!e || k->refused)
		return;
	k->refused = true;
	if (k->verdict != KEY_VALID)
		key_refuse_verdict(d, e, k->verdict);
	else if (e->user.len && !is_user(facts->user, e->user))
		key_refuse_user(d, e);
	else if (e->exe.len && !bytes_match(e->exe, facts->exe, false))
		key_refuse_program(d, e);
	else if (!key_entry_is_for(e, name))
		key_refuse_provider(d, e, provider->name);
	else if (!key_store_secret(k->store.store, name, e->scope.environment))
		key_refuse_no_secret(d, e, provider->name);
	else
		k->refused = false;
}

const struct key_scope *policy_key_scope(const struct policy_key *k)
{
	return k->entry && k->verdict == KEY_VALID ? &k->entry->scope : NULL;
}

void policy_key_done(struct policy_key *k)
{
	if (k->opened)
		key_edit_close(&k->store);
	memset(k, 0, sizeof *k);
}
