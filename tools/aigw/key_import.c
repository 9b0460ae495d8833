/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aigw.h"
#include "audit/record.h"
#include "base/sys.h"
#include "key_change.h"
#include "key_work.h"
#include "passphrase.h"
#include "print.h"

/* ---- names ---- */

int key_check_name(const char *what, const char *name)
{
	if (gateway_key_is_name(bytes_str(name)))
		return EXIT_FINE;
	return args_wrong(KEY_COMMAND,
			  "'%s' cannot be the name of %s: letters, digits, \"-\" and \"_\", at "
			  "most %d",
			  name, what, GATEWAY_KEY_NAME_MAX);
}

int key_check_provider(const struct key_work *k, const char *name)
{
	struct policy *policy = NULL;
	bool found = catalogue_find(bytes_str(name)) != NULL;
	int status = key_check_name("a provider", name);

	if (status)
		return status;
	if (!load_policy(k->places.policy, &policy, NULL, NULL))
		for (size_t i = 0; i < policy->provider_count; i++)
			found |= strcmp(policy->providers[i].name, name) == 0;
	policy_free(policy);
	if (found)
		return EXIT_FINE;
	print_note("'%s' is no provider of the catalogue or of %s ('aigw providers' lists them)",
		   name, k->places.policy);
	return EXIT_FINDING;
}

/* ---- import ---- */

static int read_from(int fd, const char *what, uint8_t *secret, size_t cap, size_t *ret_len)
{
	enum err e = fd < 0 ? err_from_errno(fd) : sys_read_full(fd, secret, cap, ret_len);

	return e ? print_problem(e, "%s", what) : EXIT_FINE;
}

/* From the file, the terminal (not shown), or standard input; without the line's end. */
static int read_secret(const struct key_wish *w, uint8_t *secret, size_t cap, size_t *ret_len)
{
	size_t len = 0;
	int status = EXIT_FINE;

	if (w->file) {
		int fd = sys_open(w->file, O_RDONLY, 0);
		status = read_from(fd, w->file, secret, cap, &len);
		if (fd >= 0)
			sys_close(fd);
	} else if (isatty(STDIN_FILENO)) {
		if (!passphrase_ask("The provider's key: ", (char *)secret, cap, &len))
			len = 0;
	} else {
		status = read_from(STDIN_FILENO, "standard input", secret, cap, &len);
	}
	while (len && (secret[len - 1] == '\n' || secret[len - 1] == '\r'))
		len--;
	if (!status && gateway_key_claims(bytes_of(secret, len))) {
		print_note("this is a gateway key, not a provider's");
		status = EXIT_FINDING;
	}
	*ret_len = len;
	return status;
}

static int store_secret(struct key_work *k, struct key_secret *s, uint8_t *secret)
{
	uint8_t *cipher = need_memory(KEY_SECRET_BYTES_MAX);
	size_t len = 0;
	int status = read_secret(k->w, secret, KEY_SECRET_BYTES_MAX + 1, &len);
	enum err e = status ? OK : key_secret_seal(s, k->edit.host, bytes_of(secret, len), cipher);

	if (e == ERR_LIMIT || e == ERR_BAD) {
		print_note("a provider's key is one word of visible ASCII characters, at most %d",
			   KEY_SECRET_BYTES_MAX);
		return EXIT_FINDING;
	}
	return e ? print_problem(e, "cannot seal the key") : status;
}

static void remove_secret(struct key_edit *edit, struct key_secret *s)
{
	size_t behind = edit->secret_count - (size_t)(s - edit->secrets) - 1;

	memmove(s, s + 1, behind * sizeof *s);
	edit->secret_count--;
}

int key_import(struct key_work *k)
{
	const struct key_wish *w = k->w;
	struct bytes environment = bytes_str(w->environment), provider;
	struct key_secret *s;
	uint8_t *secret;
	int status;

	if (w->providers.count != 1)
		return args_wrong(KEY_COMMAND, "import: of which provider? --provider NAME, once");
	provider = bytes_str(w->providers.at[0]);
	status = key_check_provider(k, w->providers.at[0]);
	if (!status && w->environment)
		status = key_check_name("an environment", w->environment);
	if (status)
		return status;
	s = key_edit_find_secret(&k->edit, provider, environment);
	if (w->remove && !s) {
		print_note("there is none to be removed");
		return EXIT_FINDING;
	}
	if (w->remove) {
		remove_secret(&k->edit, s);
	} else {
		secret = sys_map_secret(KEY_SECRET_BYTES_MAX + 1);
		if (!secret)
			return print_problem(ERR_NOMEM, "a place for the key");
		if (!s) {
			s = &k->edit.secrets[k->edit.secret_count++];
			*s = (struct key_secret){.provider = provider, .environment = environment};
		}
		s->created = k->now;
		status = store_secret(k, s, secret);
		sys_unmap_secret(secret, KEY_SECRET_BYTES_MAX + 1);
	}
	if (!status)
		status = key_edit_save(&k->edit);
	if (status)
		return status;
	key_change_record(&k->places, w->remove ? "remove_secret" : "import", F_PROVIDER,
			  w->providers.at[0]);
	printf("The key of %s%s%s is %s.\n", w->providers.at[0], w->environment ? " for " : "",
	       w->environment ? w->environment : "", w->remove ? "removed" : "stored, encrypted");
	return EXIT_FINE;
}
