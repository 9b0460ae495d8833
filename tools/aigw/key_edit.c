/* SPDX-License-Identifier: MIT */
#include "key_edit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aigw.h"
#include "aigw/keyhold.h"
#include "audit/hold.h"
#include "base/sys.h"
#include "print.h"

static int explain(const char *directory, const char *file, enum err e)
{
	if (e == ERR_SEAL)
		print_note("%s/%s: changed, or not made under the %s beside it", directory, file,
			   KEY_FILE_HOST);
	else if (e == ERR_ACCESS)
		print_note("%s/%s: not readable, not yours, or open to others (chmod 600)",
			   directory, file);
	else
		print_note("%s/%s: %s", directory, file, err_text(e));
	return e == ERR_SEAL || e == ERR_BAD ? EXIT_FINDING : EXIT_SYSTEM;
}

static int open_store(struct key_edit *edit, bool change)
{
	enum err e = change ? sys_make_directories(edit->directory, 0700) : OK;

	if (!e && change)
		e = hold_lock(edit->directory, &edit->lock);
	if (e) {
		print_note("%s: %s", edit->directory,
			   e == ERR_STATE ? "another aigw key does not end" : err_text(e));
		return EXIT_SYSTEM;
	}
	e = key_file_host(edit->directory, change, edit->host);
	if (e == ERR_MISSING)
		return EXIT_FINE;
	if (e)
		return explain(edit->directory, KEY_FILE_HOST, e);
	e = key_file_load(edit->directory, edit->host, &edit->store);
	return e && e != ERR_MISSING ? explain(edit->directory, KEY_FILE_STORE, e) : EXIT_FINE;
}

int key_edit_open(const char *directory, bool change, struct key_edit *ret_edit)
{
	struct key_edit *edit = ret_edit;
	const struct key_store *s;
	int status;

	*edit = (struct key_edit){.directory = directory, .lock = -1};
	edit->host = sys_map_secret(sizeof *edit->host);
	need(edit->host ? OK : ERR_NOMEM);
	status = open_store(edit, change);
	s = edit->store;
	edit->key_count = s ? s->key_count : 0;
	edit->secret_count = s ? s->secret_count : 0;
	edit->keys = need_memory((edit->key_count + 1) * sizeof *edit->keys);
	edit->secrets = need_memory((edit->secret_count + 1) * sizeof *edit->secrets);
	if (edit->key_count)
		memcpy(edit->keys, s->keys, edit->key_count * sizeof *edit->keys);
	if (edit->secret_count)
		memcpy(edit->secrets, s->secrets, edit->secret_count * sizeof *edit->secrets);
	return status;
}

int key_edit_look(const struct places *places, const struct policy *policy, const char *given,
		  struct key_edit *ret_edit)
{
	bool held = policy->keys.via == KEYS_HOLDER;
	const char *directory = given ? given : held ? KEYHOLD_DIRECTORY : places->keys;

	*ret_edit = (struct key_edit){.directory = directory, .lock = -1};
	if (given || !held || access(directory, R_OK | X_OK) == 0)
		return key_edit_open(directory, false, ret_edit);
	print_note("the gateway keys are with the host's key holder, in %s, where you cannot look",
		   directory);
	return EXIT_SYSTEM;
}

int key_edit_save(struct key_edit *edit)
{
	struct key_store store = {
		.generation = edit->store ? edit->store->generation + 1 : 1,
		.key_count = edit->key_count,
		.secret_count = edit->secret_count,
		.keys = edit->keys,
		.secrets = edit->secrets,
	};
	enum err e = key_file_save(edit->directory, edit->host, &store);

	if (e == ERR_LIMIT) {
		print_note("a store holds at most %d keys and %d secrets, and each list of a key "
			   "%d names",
			   KEY_STORE_KEYS_MAX, KEY_STORE_SECRETS, KEY_PATTERNS_MAX);
		return EXIT_FINDING;
	}
	return e ? explain(edit->directory, KEY_FILE_STORE, e) : EXIT_FINE;
}

void key_edit_close(struct key_edit *edit)
{
	key_store_free(edit->store);
	sys_unmap_secret(edit->host, sizeof *edit->host);
	free(edit->keys);
	free(edit->secrets);
	if (edit->lock >= 0)
		hold_unlock(edit->lock);
	*edit = (struct key_edit){.lock = -1};
}

struct key_entry *key_edit_find(struct key_edit *edit, const char *name)
{
	for (size_t i = 0; i < edit->key_count; i++)
		if (bytes_equal(edit->keys[i].scope.name, bytes_str(name)))
			return &edit->keys[i];
	return NULL;
}

struct key_entry *key_edit_named(struct key_edit *edit, const char *name)
{
	struct key_entry *e = key_edit_find(edit, name);

	if (!e && gateway_key_claims(bytes_str(name)))
		print_note("keys are spoken of by their names ('aigw key list'), not by "
			   "themselves: others can read a command line");
	else if (!e)
		print_note("there is no key '%s' ('aigw key list' lists them)", name);
	return e;
}

struct key_secret *key_edit_find_secret(struct key_edit *edit, struct bytes provider,
					struct bytes environment)
{
	for (size_t i = 0; i < edit->secret_count; i++)
		if (bytes_equal(edit->secrets[i].provider, provider) &&
		    bytes_equal(edit->secrets[i].environment, environment))
			return &edit->secrets[i];
	return NULL;
}
