/* SPDX-License-Identifier: MIT */
#include "shim/gate_key.h"

#include <string.h>

#include "base/sys.h"
#include "keys/key_refusal.h"
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

/* As a decision says it. */
static bool fault_of(struct gate_key_fault *f, const struct decision *d)
{
	return fault(f, d->status, d->code, d->rule, d->reason);
}

/* ---- reading ---- */

void gate_key_begin(struct gate_key *k)
{
	k->looked = false;
	k->first_bytes = 0;
}

static void forget(struct gate_key *k)
{
	gate_key_begin(k);
	gate_key_wipe(k);
	if (!keyring_is_held(&k->use))
		keyring_drop(&k->use);
	k->given = k->raw = k->replaced = false;
	k->place[0] = '\0';
}

static void keep_first(struct gate_key *k, struct bytes head, const struct credential_place *place)
{
	if (k->first_bytes)
		return;
	k->first_at = (size_t)(place->key.at - head.at);
	k->first_bytes = place->key.len;
	k->first_in_query = place->in_query;
}

static void keep_place(struct gate_key *k, struct bytes name)
{
	size_t len = name.len < sizeof k->place ? name.len : sizeof k->place - 1;

	memcpy(k->place, name.at, len);
	k->place[len] = '\0';
}

/* The text of a gateway key, wherever it stands; what was decoded. */
struct key_text {
	uint8_t room[GATEWAY_KEY_BYTES_MAX];
	struct bytes text;
};

static bool is_gateway_key(const struct credential_place *place, struct key_text *t)
{
	t->text = credential_place_text(place, t->room, sizeof t->room);
	return gateway_key_claims(t->text);
}

/* What is wrong with a gateway key's place, or with there being another one. */
static bool fault_of_place(struct gate_key_fault *f, const struct credential_place *place,
			   const struct credential_scan *s, const struct provider *provider)
{
	struct decision d = {.code = ""};

	if (!place->accepted)
		key_refuse_place(&d, place, s, provider->name);
	else
		key_refuse_two(&d);
	return fault_of(f, &d);
}

/* All keys of the head; *ret_key is the gateway key. */
static bool collect(struct gate_key *k, struct bytes head, const struct provider *provider,
		    const struct dialect *dialect, struct key_text *ret_key,
		    struct gate_key_fault *f)
{
	struct credential_scan s;
	struct credential_place place;
	struct key_text next;
	bool fine = true;

	next.text = BYTES_NONE;
	credential_scan_init(&s, head, provider, dialect);
	while (fine && credential_scan_next(&s, &place)) {
		keep_first(k, head, &place);
		if (!is_gateway_key(&place, k->given ? &next : ret_key)) {
			k->raw = k->raw || !place.foreign;
			continue;
		}
		if (!place.accepted || (k->given && !bytes_equal(ret_key->text, next.text)))
			fine = fault_of_place(f, &place, &s, provider);
		if (!k->given)
			keep_place(k, place.name);
		k->given = true;
	}
	if (next.text.len)
		wipe(&next, sizeof next);
	k->looked = fine;
	return fine;
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

static bool is_users(const struct key_entry *e, const struct process_facts *caller)
{
	uint64_t uid;

	return !e->user.len || bytes_equal(e->user, caller->user) ||
	       (!bytes_parse_u64(e->user, UINT32_MAX, &uid) && uid == sys_getuid());
}

/* A holder has looked, with better eyes. False: *d says why. */
static bool check_caller(const struct keyring_use *use, const struct process_facts *caller,
			 struct decision *d)
{
	const struct key_entry *e = use->entry;
	bool held = keyring_is_held(use);

	if (held ? use->status == KEYHOLD_OTHER_USER : !is_users(e, caller))
		key_refuse_user(d, e);
	else if (held ? use->status == KEYHOLD_OTHER_PROGRAM
		      : e->exe.len && !(caller->exe.len && bytes_match(e->exe, caller->exe, false)))
		key_refuse_program(d, e);
	else
		return true;
	return false;
}

/* Of the key that was found. The provider is looked at here, and not by the rules alone, because a
 * head may go out before these are asked. */
static bool use_key(struct gate_key *k, const struct gate_key_question *q, struct bytes key,
		    struct gate_key_fault *f)
{
	struct decision d = {.code = ""};

	if (!k->secret)
		k->secret = sys_map_secret(SECRET_ROOM);
	if (!k->secret)
		return fault(f, 503, "internal_error", "aigw.memory",
			     "no memory for the provider's key; try again");
	if (!take(k, q, key, f))
		return false;
	const struct key_entry *e = k->use.entry;
	if (!e || k->use.verdict != KEY_VALID)
		key_refuse_verdict(&d, e, k->use.verdict);
	else if (!check_caller(&k->use, q->caller, &d))
		;
	else if (!key_entry_is_for(e, bytes_str(q->provider->name)))
		key_refuse_provider(&d, e, q->provider->name);
	else if (!k->use.secret_bytes)
		key_refuse_no_secret(&d, e, q->provider->name);
	else
		return true;
	return fault_of(f, &d);
}

bool gate_key_read(struct gate_key *k, const struct gate_key_question *q, struct bytes head,
		   struct gate_key_fault *ret_fault)
{
	struct key_text key;
	bool fine;

	forget(k);
	fine = collect(k, head, q->provider, q->dialect, &key, ret_fault);
	if (fine && k->given)
		fine = use_key(k, q, key.text, ret_fault);
	wipe(&key, sizeof key);
	return fine;
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
	struct key_text key;
	bool found = false;

	credential_scan_init(&s, head, NULL, NULL);
	while (!found && credential_scan_next(&s, &place))
		found = is_gateway_key(&place, &key) &&
			gateway_key_parse(key.text, &environment) == OK;
	wipe(&key, sizeof key);
	return found;
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

/* RFC 3986 2.3: what means the same in a query with and without encoding. */
static bool is_unreserved(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

#define ENCODED_BYTES 3 /* "%2B" */

static void put_encoded(struct gate_key *k, struct bytes data)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < data.len; i++) {
		uint8_t c = data.at[i];
		const uint8_t encoded[ENCODED_BYTES] = {'%', (uint8_t)digits[c >> 4],
							(uint8_t)digits[c & 15]};
		put(k, is_unreserved(c) ? bytes_of(&c, 1) : bytes_of(encoded, sizeof encoded));
	}
}

/* Walks the keys that are to be replaced, and returns how many there are. `write`: what goes out is
 * put into k's room. SIZE_MAX for *ret_first when there is none. */
static size_t replace(struct gate_key *k, bool write, struct bytes head, struct credential_scan s,
		      size_t *ret_first)
{
	const struct bytes secret = bytes_of(k->secret, k->use.secret_bytes);
	struct credential_place place;
	size_t count = 0, from = 0;
	struct key_text key;

	*ret_first = SIZE_MAX;
	while (credential_scan_next(&s, &place)) {
		size_t at = (size_t)(place.key.at - head.at);
		if (!is_gateway_key(&place, &key) || !place.accepted)
			continue;
		if (count++ == 0)
			*ret_first = at;
		if (!write)
			continue;
		put(k, bytes_slice(head, from, at - from));
		if (place.in_query)
			put_encoded(k, secret);
		else
			put(k, secret);
		from = at + place.key.len;
	}
	wipe(&key, sizeof key);
	if (write)
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
	count = replace(k, false, head, s, &first);
	if (first < sent)
		return ERR_STATE;
	together = bytes_from(out, head.len);
	if (together.len > TOGETHER_BYTES)
		together.len = 0;
	k->used_bytes = 0;
	if (!make_room(k, head.len + count * ENCODED_BYTES * k->use.secret_bytes + together.len))
		return ERR_NOMEM;
	(void)replace(k, true, head, s, &first);
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
