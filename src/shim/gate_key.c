/* SPDX-License-Identifier: MIT */
#include "shim/gate_key.h"

#include <string.h>

#include "base/sys.h"
#include "llm/credential_place.h"
#include "policy/phrase.h"

#define TOGETHER_BYTES (16u << 10) /* so much of a body goes out in one write with its head */
#define ROOM_STEP      4096u
#define SECRET_ROOM    (KEY_SECRET_BYTES_MAX + GATEWAY_KEY_BYTES_MAX)

/* ---- what is wrong ---- */

static bool fault(struct gate_key_fault *f, int status, const char *code, const char *rule,
		  const char *reason)
{
	struct phrase p;

	f->status = status;
	f->code = code;
	phrase_init(&p, f->rule, sizeof f->rule);
	phrase_put(&p, rule);
	phrase_init(&p, f->reason, sizeof f->reason);
	phrase_put(&p, reason);
	return false;
}

static bool fault_misplaced(struct gate_key_fault *f, const struct credential_place *place,
			    const struct credential_scan *s, const struct provider *provider)
{
	struct bytes list = bytes_str(s->accepted[0]);
	struct phrase p;

	(void)fault(f, 401, "misplaced_key", "keys.place", "");
	phrase_init(&p, f->reason, sizeof f->reason);
	phrase_put(&p, "a gateway key stands in ");
	phrase_put_quoted(&p, place->name);
	phrase_put(&p, " in a way in which provider ");
	phrase_put(&p, provider->name);
	phrase_put(&p, " takes no key (a signature cannot be made with it); it goes into: ");
	while (list.len) {
		phrase_put_bytes(&p, bytes_cut(&list, '\n'));
		phrase_put(&p, list.len ? ", " : "");
	}
	return false;
}

static const char *code_of(enum key_verdict v)
{
	static const char *const codes[] = {
		[KEY_VALID] = "",
		[KEY_MISTYPED] = "mistyped_key",
		[KEY_UNKNOWN] = "unknown_key",
		[KEY_EXPIRED] = "expired_key",
		[KEY_REVOKED] = "revoked_key",
		[KEY_ROTATED] = "rotated_key",
	};

	return codes[v];
}

static bool fault_verdict(struct gate_key_fault *f, const struct keyring_use *use)
{
	struct phrase p;

	(void)fault(f, 401, code_of(use->verdict), "", key_verdict_text(use->verdict));
	phrase_init(&p, f->rule, sizeof f->rule);
	phrase_put(&p, "keys.");
	if (use->entry) {
		phrase_put_bytes(&p, use->entry->scope.name);
		phrase_put(&p, ".");
	}
	phrase_put(&p, key_verdict_name(use->verdict));
	return false;
}

static bool fault_no_secret(struct gate_key_fault *f, const struct key_entry *e,
			    const struct provider *provider)
{
	struct phrase p;

	(void)fault(f, 503, "no_provider_secret", "keys.secret", "");
	phrase_init(&p, f->reason, sizeof f->reason);
	phrase_put(&p, "there is no key of provider ");
	phrase_put(&p, provider->name);
	phrase_put(&p, " to put in the place of the gateway key, for environment ");
	phrase_put_quoted(&p, e->scope.environment);
	phrase_put(&p, " or for all; store one with \"aigw key import --provider ");
	phrase_put(&p, provider->name);
	phrase_put(&p, "\"");
	return false;
}

/* ---- reading ---- */

static void forget(struct gate_key *k)
{
	gate_key_wipe(k);
	if (!keyring_is_held(&k->use))
		keyring_drop(&k->use);
	k->given = k->raw = k->replaced = false;
	k->place[0] = '\0';
}

static void keep_place(struct gate_key *k, struct bytes name)
{
	size_t len = name.len < sizeof k->place ? name.len : sizeof k->place - 1;

	memcpy(k->place, name.at, len);
	k->place[len] = '\0';
}

/* All keys of the head; *ret_key is the gateway key. */
static bool collect(struct gate_key *k, struct bytes head, const struct provider *provider,
		    const struct dialect *dialect, struct bytes *ret_key, struct gate_key_fault *f)
{
	struct credential_scan s;
	struct credential_place place;

	credential_scan_init(&s, head, provider, dialect);
	while (credential_scan_next(&s, &place)) {
		if (!gateway_key_claims(place.key)) {
			k->raw = k->raw || !place.foreign;
			continue;
		}
		if (!place.accepted)
			return fault_misplaced(f, &place, &s, provider);
		if (k->given && !bytes_equal(*ret_key, place.key))
			return fault(f, 400, "ambiguous_request", "keys",
				     "the request holds two different gateway keys; send one");
		if (!k->given)
			keep_place(k, place.name);
		k->given = true;
		*ret_key = place.key;
	}
	return true;
}

static bool is_still_good(const struct gate_key *k, const struct gate_key_question *q,
			  struct bytes key)
{
	return bytes_equal(bytes_of(k->secret + KEY_SECRET_BYTES_MAX, k->text_bytes), key) &&
	       keyring_is_fresh(&k->use, q->rules, q->provider);
}

/* Takes the key's worth and the secret, unless they are here from the request before. */
static bool take(struct gate_key *k, const struct gate_key_question *q, struct bytes key,
		 struct gate_key_fault *f)
{
	char problem[KEYRING_PROBLEM_BYTES];

	if (is_still_good(k, q, key))
		return true;
	wipe(k->secret, SECRET_ROOM);
	keyring_drop(&k->use);
	k->text_bytes = 0;
	if (keyring_take(q->rules, key, q->provider, k->secret, &k->use, problem))
		return fault(f, 503, "key_store", "keys", problem);
	if (!keyring_is_held(&k->use) || key.len > GATEWAY_KEY_BYTES_MAX)
		return true;
	memcpy(k->secret + KEY_SECRET_BYTES_MAX, key.at, key.len);
	k->text_bytes = key.len;
	return true;
}

static bool fault_not_theirs(struct gate_key_fault *f, const struct key_entry *e, bool is_user)
{
	struct phrase p;

	(void)fault(f, 403, "policy_denied", "keys.",
		    is_user ? "the gateway key is for another program than this; use one that is "
			      "for it"
			    : "the gateway key is for another user than this; use one of your "
			      "own");
	phrase_init(&p, f->rule, sizeof f->rule);
	phrase_put(&p, "keys.");
	phrase_put_bytes(&p, e->scope.name);
	phrase_put(&p, is_user ? ".exe" : ".user");
	return false;
}

static bool check_caller(const struct key_entry *e, const struct process_facts *caller,
			 struct gate_key_fault *f)
{
	uint64_t uid;
	bool is_user = !e->user.len || bytes_equal(e->user, caller->user) ||
		       (!bytes_parse_u64(e->user, UINT32_MAX, &uid) && uid == sys_getuid());
	bool is_exe = !e->exe.len || (caller->exe.len && bytes_match(e->exe, caller->exe, false));

	return (is_user && is_exe) || fault_not_theirs(f, e, is_user);
}

/* Said here, and not by the rules alone, because a head may go out before these are asked. */
static bool fault_provider(struct gate_key_fault *f, const struct key_entry *e,
			   const struct provider *provider)
{
	struct phrase p;

	(void)fault(f, 403, "policy_denied", "", "");
	phrase_init(&p, f->rule, sizeof f->rule);
	phrase_put(&p, "keys.");
	phrase_put_bytes(&p, e->scope.name);
	phrase_put(&p, ".providers");
	phrase_init(&p, f->reason, sizeof f->reason);
	phrase_put(&p, "the gateway key ");
	phrase_put_bytes(&p, e->scope.name);
	phrase_put(&p, " is not for provider ");
	phrase_put(&p, provider->name);
	phrase_put(&p, "; use a key that is");
	return false;
}

/* Of the key that was found. */
static bool use_key(struct gate_key *k, const struct gate_key_question *q, struct bytes key,
		    struct gate_key_fault *f)
{
	if (!k->secret)
		k->secret = sys_map_secret(SECRET_ROOM);
	if (!k->secret)
		return fault(f, 503, "internal_error", "aigw.memory",
			     "no memory for the provider's key; try again");
	if (!take(k, q, key, f))
		return false;
	const struct key_entry *e = k->use.entry;
	if (e && k->use.status != KEYHOLD_JUDGED)
		return fault_not_theirs(f, e, k->use.status == KEYHOLD_OTHER_PROGRAM);
	if (!e || k->use.verdict != KEY_VALID)
		return fault_verdict(f, &k->use);
	/* A holder has looked, with better eyes. */
	if (!keyring_is_held(&k->use) && !check_caller(e, q->caller, f))
		return false;
	if (!key_entry_is_for(e, bytes_str(q->provider->name)))
		return fault_provider(f, e, q->provider);
	return k->use.secret_bytes ? true : fault_no_secret(f, e, q->provider);
}

bool gate_key_read(struct gate_key *k, const struct gate_key_question *q, struct bytes head,
		   struct gate_key_fault *ret_fault)
{
	struct bytes key = BYTES_NONE;

	forget(k);
	if (!collect(k, head, q->provider, q->dialect, &key, ret_fault))
		return false;
	return !k->given || use_key(k, q, key, ret_fault);
}

const struct key_scope *gate_key_scope(const struct gate_key *k)
{
	return k->given && k->use.verdict == KEY_VALID && k->use.entry ? &k->use.entry->scope
								       : NULL;
}

struct bytes gate_key_name(const struct gate_key *k)
{
	return k->given && k->use.entry ? k->use.entry->scope.name : BYTES_NONE;
}

bool gate_key_is_in(struct bytes head)
{
	struct credential_scan s;
	struct credential_place place;
	struct bytes environment;

	credential_scan_init(&s, head, NULL, NULL);
	while (credential_scan_next(&s, &place))
		if (gateway_key_parse(place.key, &environment) == OK)
			return true;
	return false;
}

/* ---- replacing ---- */

static bool make_room(struct gate_key *k, size_t bytes)
{
	if (bytes <= k->room_bytes)
		return true;
	bytes = (bytes + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;
	sys_unmap_secret(k->room, k->room_bytes);
	k->room = sys_map_secret(bytes);
	k->room_bytes = k->room ? bytes : 0;
	return k->room != NULL;
}

static void put(struct gate_key *k, struct bytes data)
{
	if (data.len)
		memcpy(k->room + k->used_bytes, data.at, data.len);
	k->used_bytes += data.len;
}

/* Walks the keys that are to be replaced; `k` NULL: counts only. SIZE_MAX for *ret_first when there
 * is none. */
static size_t replace(struct gate_key *k, struct bytes head, struct credential_scan s,
		      size_t *ret_first)
{
	struct credential_place place;
	size_t count = 0, from = 0;

	*ret_first = SIZE_MAX;
	while (credential_scan_next(&s, &place)) {
		size_t at = (size_t)(place.key.at - head.at);
		if (!gateway_key_claims(place.key) || !place.accepted)
			continue;
		if (count++ == 0)
			*ret_first = at;
		if (!k)
			continue;
		put(k, bytes_slice(head, from, at - from));
		put(k, bytes_of(k->secret, k->use.secret_bytes));
		from = at + place.key.len;
	}
	if (k)
		put(k, bytes_from(head, from));
	return count;
}

enum err gate_key_put(struct gate_key *k, struct bytes out, size_t sent,
		      const struct provider *provider, const struct dialect *dialect,
		      struct bytes *ret_first, struct bytes *ret_rest)
{
	struct bytes head = bytes_slice(out, 0, credential_head_bytes(out)), together;
	struct credential_scan s;
	size_t count, first;

	*ret_first = out;
	*ret_rest = BYTES_NONE;
	if (!k->given)
		return OK;
	credential_scan_init(&s, head, provider, dialect);
	count = replace(NULL, head, s, &first);
	if (first < sent)
		return ERR_STATE;
	together = bytes_from(out, head.len);
	if (together.len > TOGETHER_BYTES)
		together.len = 0;
	k->used_bytes = 0;
	if (!make_room(k, head.len + count * k->use.secret_bytes + together.len))
		return ERR_NOMEM;
	(void)replace(k, head, s, &first);
	put(k, together);
	k->replaced = count > 0;
	*ret_first = bytes_of(k->room, k->used_bytes);
	*ret_rest = bytes_from(out, head.len + together.len);
	return OK;
}

void gate_key_wipe(struct gate_key *k)
{
	if (k->secret && !keyring_is_held(&k->use))
		wipe(k->secret, k->use.secret_bytes);
	if (k->room)
		wipe(k->room, k->used_bytes);
	k->used_bytes = 0;
}

void gate_key_done(struct gate_key *k)
{
	keyring_drop(&k->use);
	sys_unmap_secret(k->secret, SECRET_ROOM);
	sys_unmap_secret(k->room, k->room_bytes);
	memset(k, 0, sizeof *k);
}
