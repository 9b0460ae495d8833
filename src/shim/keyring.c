/* SPDX-License-Identifier: MIT */
#include "shim/keyring.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "keys/key_file.h"
#include "policy/phrase.h"
#include "shim/key_holder.h"

#define LOOK_AGAIN_NS 250000000u
#define FORK_WAIT_NS  100000000u
#define SECOND_NS     1000000000u

struct keyring_hold {
	uint32_t users;
	struct key_store *store;        /* NULL: there is none */
	enum err trouble;               /* it cannot be read */
	uint64_t *touched_ns;           /* of each key, when its use was noted; atomic */
	char directory[PATH_MAX_BYTES]; /* or the holder's socket */
	/* of a key holder's answer */
	bool held;
	uint64_t asked_ns;
	char provider[GATEWAY_KEY_NAME_MAX + 1];
	struct key_entry entry;
	struct arena arena;
};

static struct lock lock;
static __thread bool fork_locked __attribute__((tls_model("initial-exec")));
static struct keyring_hold *current;
static struct file_version version;
static struct key_host *host; /* in memory of its own; never given back */
static uint64_t looked_ns;

static void drop(struct keyring_hold *h)
{
	if (!h || __atomic_sub_fetch(&h->users, 1, __ATOMIC_ACQ_REL))
		return;
	key_store_free(h->store);
	free(h->touched_ns);
	arena_done(&h->arena);
	free(h);
}

/* ---- keeping current; the lock is held ---- */

static enum err load(struct keyring_hold *h)
{
	enum err e;

	if (!host)
		host = sys_map_secret(sizeof *host);
	if (!host)
		return ERR_NOMEM;
	e = key_file_host(h->directory, false, host);
	if (!e)
		e = key_file_load(h->directory, host, &h->store);
	if (!e && h->store) {
		size_t count = h->store->key_count;
		h->touched_ns = calloc(count ? count : 1, sizeof *h->touched_ns);
		if (!h->touched_ns)
			e = ERR_NOMEM;
	}
	/* Without a store there are no keys, and none is known. */
	return e == ERR_MISSING ? OK : e;
}

static void refresh(const struct rules *r)
{
	struct file_version now;
	struct keyring_hold *fresh;

	key_file_version(r->places.keys, &now);
	if (current && current->trouble != ERR_NOMEM && file_version_equal(&now, &version) &&
	    strcmp(current->directory, r->places.keys) == 0)
		return;
	fresh = calloc(1, sizeof *fresh);
	if (!fresh) {
		drop(current); /* an old one may hold what was revoked */
		current = NULL;
		return;
	}
	memcpy(fresh->directory, r->places.keys, sizeof fresh->directory);
	fresh->trouble = load(fresh);
	fresh->users = 1;
	version = now;
	drop(current);
	current = fresh;
}

static enum err take_hold(const struct rules *r, struct keyring_hold **ret_hold)
{
	uint64_t now_ns = sys_monotonic_ns();

	if (!lock_take(&lock))
		return ERR_STATE;
	if (!current || now_ns - looked_ns > LOOK_AGAIN_NS) {
		looked_ns = now_ns;
		refresh(r);
	}
	*ret_hold = current;
	if (current)
		__atomic_add_fetch(&current->users, 1, __ATOMIC_RELAXED);
	lock_drop(&lock);
	return *ret_hold ? OK : ERR_NOMEM;
}

/* ---- using ---- */

static void tell_no_holder(const char *socket, enum err e, char *ret_problem)
{
	struct phrase p;

	phrase_init(&p, ret_problem, KEYRING_PROBLEM_BYTES);
	phrase_put(&p, "the key holder at ");
	phrase_put(&p, socket);
	phrase_put(&p, e == ERR_MISSING ? " does not run" : " does not answer");
	phrase_put(&p, " (aigwd --hold-keys; \"systemctl status aigwd-keys\" says more)");
}

static void tell_trouble(const struct keyring_hold *h, enum err e, char *ret_problem)
{
	struct phrase p;

	phrase_init(&p, ret_problem, KEYRING_PROBLEM_BYTES);
	phrase_put(&p, "the gateway keys in ");
	phrase_put(&p, h ? h->directory : "memory");
	phrase_put(&p, " cannot be read (");
	phrase_put(&p, err_text(e));
	phrase_put(&p, "); \"aigw key list\" says more");
}

/* A use is noted once a minute in each process, not with every call. */
static void note_use(const struct rules *r, struct keyring_hold *h, const struct key_entry *entry)
{
	uint64_t *touched = &h->touched_ns[entry - h->store->keys];
	uint64_t now_ns = sys_monotonic_ns(), before = __atomic_load_n(touched, __ATOMIC_RELAXED);

	if (before && now_ns - before < KEY_TOUCH_NS)
		return;
	if (__atomic_compare_exchange_n(touched, &before, now_ns, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		key_file_touch(r->places.state, entry->scope.name);
}

/* The host key is rewritten under the lock when the store has changed. */
static enum err judge(struct keyring_hold *h, struct bytes text, const struct provider *provider,
		      uint8_t *ret_secret, struct keyring_use *u)
{
	const struct key_secret *secret;
	enum err e = OK;

	if (!lock_take(&lock))
		return ERR_STATE;
	u->verdict = key_store_judge(h->store, host, text, sys_now_ns() / SECOND_NS, &u->entry);
	secret = u->verdict == KEY_VALID && key_entry_is_for(u->entry, bytes_str(provider->name))
			 ? key_store_secret(h->store, bytes_str(provider->name),
					    u->entry->scope.environment)
			 : NULL;
	if (secret)
		e = key_secret_open(secret, host, ret_secret);
	if (secret && !e)
		u->secret_bytes = secret->cipher.len;
	lock_drop(&lock);
	return e;
}

/* ---- by a key holder ---- */

static bool is_by_holder(const struct rules *r)
{
	return r->policy && r->policy->keys.via == KEYS_HOLDER;
}

static void put_socket(const struct rules *r, char ret_path[PATH_MAX_BYTES])
{
	struct bytes path = r->policy->keys.socket;

	if (!path.len || path.len >= PATH_MAX_BYTES)
		path = BYTES(KEYHOLD_SOCKET);
	memcpy(ret_path, path.at, path.len);
	ret_path[path.len] = '\0';
}

static enum err ask_holder(const struct rules *r, struct bytes text,
			   const struct provider *provider, uint8_t *ret_secret,
			   struct keyring_use *ret_use, char *ret_problem)
{
	struct keyring_hold *h = calloc(1, sizeof *h);
	struct bytes name = bytes_str(provider->name);
	struct key_answer a;
	enum err e = h && name.len < sizeof h->provider ? OK : ERR_NOMEM;

	if (h)
		put_socket(r, h->directory);
	if (!e)
		e = key_holder_ask(h->directory, text, name, ret_secret, &h->arena, &a, &h->entry);
	if (!e && a.status == KEYHOLD_TROUBLE)
		e = ERR_IO;
	if (e) {
		tell_no_holder(h ? h->directory : "memory", e, ret_problem);
		if (h)
			arena_done(&h->arena);
		free(h);
		return e;
	}
	h->users = 1;
	h->held = true;
	h->asked_ns = sys_monotonic_ns();
	memcpy(h->provider, name.at, name.len);
	*ret_use = (struct keyring_use){a.verdict, a.entry_bytes ? &h->entry : NULL, a.secret_bytes,
					a.status, h};
	return OK;
}

bool keyring_is_held(const struct keyring_use *use)
{
	return use->hold && use->hold->held;
}

bool keyring_is_fresh(const struct keyring_use *use, const struct rules *r,
		      const struct provider *provider)
{
	char socket[PATH_MAX_BYTES];

	if (!keyring_is_held(use) || !is_by_holder(r) ||
	    sys_monotonic_ns() - use->hold->asked_ns > KEYRING_FRESH_NS)
		return false;
	put_socket(r, socket);
	return strcmp(use->hold->provider, provider->name) == 0 &&
	       strcmp(use->hold->directory, socket) == 0;
}

/* ---- either way ---- */

enum err keyring_take(const struct rules *r, struct bytes text, const struct provider *provider,
		      uint8_t *ret_secret, struct keyring_use *ret_use,
		      char ret_problem[KEYRING_PROBLEM_BYTES])
{
	struct keyring_use u = {.verdict = KEY_UNKNOWN};
	enum err e;

	if (is_by_holder(r))
		return ask_holder(r, text, provider, ret_secret, ret_use, ret_problem);
	e = take_hold(r, &u.hold);
	if (!e)
		e = u.hold->trouble;
	if (!e)
		e = judge(u.hold, text, provider, ret_secret, &u);
	if (e) {
		tell_trouble(u.hold, e, ret_problem);
		keyring_drop(&u);
		return e;
	}
	if (u.verdict == KEY_VALID)
		note_use(r, u.hold, u.entry);
	*ret_use = u;
	return OK;
}

void keyring_drop(struct keyring_use *use)
{
	drop(use->hold);
	memset(use, 0, sizeof *use);
}

void keyring_before_fork(void)
{
	fork_locked = lock_take_within(&lock, FORK_WAIT_NS);
}

void keyring_after_fork(void)
{
	if (fork_locked)
		lock_drop(&lock);
}

/* What a thread that does not exist here was in the middle of is not to be trusted. */
void keyring_in_child(void)
{
	lock_reset(&lock);
	if (!fork_locked)
		current = NULL;
}
