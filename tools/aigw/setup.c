/* SPDX-License-Identifier: MIT */
#include "setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aigw.h"
#include "aigw/collect.h"
#include "base/sys.h"
#include "observe_policy.h" /* made from policy/observe.json */
#include "passphrase.h"
#include "print.h"
#include "wire/json.h"

#define KEY_FILE_BYTES_MAX 65536
#define KEY_FILE_NAME      "audit.key"
#define SIGN_FILE_NAME     "sign.key"

extern char **environ;

/* What stands at the head of "audit" in a policy that was made here. */
static const char recipients_comment[] = "\n    // Who can read the audit log: public keys. Lose "
					 "the secret keys of all of them and the\n"
					 "    // log is lost, so name a second one.\n"
					 "    \"recipients\": [\"";

int setup_places(struct places *ret_places)
{
	static char home[PATH_MAX_BYTES];
	struct place_variables v = {0};

	load_variables(environ, home, sizeof home, &v);
	v.privileged = v.privileged || getauxval(AT_SECURE);
	enum err e = load_places(&v, SYSTEM_POLICY, ret_places);
	if (e == ERR_MISSING)
		print_note("no home directory is known; set HOME or AIGW_HOME");
	else if (e)
		return print_problem(e, "cannot tell where this user's files are");
	return e ? EXIT_SYSTEM : EXIT_FINE;
}

bool setup_is_system(const struct places *places)
{
	return strcmp(places->policy, SYSTEM_POLICY) == 0;
}

void setup_audit_directory(const struct places *places, struct buf *ret_directory)
{
	struct policy *policy = NULL;
	struct policy_problem problem = {0};
	struct bytes directory = bytes_str(places->audit);

	if (load_policy(places->policy, &policy, NULL, &problem) == OK) {
		if (policy->audit.directory.len)
			directory = policy->audit.directory;
		else if (policy->audit.via == VIA_COLLECTOR)
			directory = BYTES(COLLECT_DIRECTORY);
	}
	need(buf_put(ret_directory, directory));
	need(buf_put_u8(ret_directory, 0));
	policy_free(policy);
}

void setup_directory(const struct places *places, const char *given, struct buf *ret_directory)
{
	struct bytes directory = bytes_str(given);

	if (!given) {
		setup_audit_directory(places, ret_directory);
		return;
	}
	while (directory.len > 1 && directory.at[directory.len - 1] == '/')
		directory.len--;
	need(buf_put(ret_directory, directory));
	need(buf_put_u8(ret_directory, 0));
}

/* ---- keys ---- */

void keyring_done(struct keyring *keys)
{
	if (keys->count)
		wipe(keys->identities, keys->count * sizeof *keys->identities);
	free(keys->identities);
	free(keys->locked);
	*keys = (struct keyring){0};
}

static void keyring_add(struct keyring *keys, const struct identity *identity)
{
	struct identity *more = need_memory((keys->count + 1) * sizeof *more);

	if (keys->count) {
		memcpy(more, keys->identities, keys->count * sizeof *more);
		wipe(keys->identities, keys->count * sizeof *more);
	}
	free(keys->identities);
	more[keys->count++] = *identity;
	keys->identities = more;
}

static void keyring_add_locked(struct keyring *keys, const char *path, struct bytes line,
			       const struct recipient *r)
{
	struct locked_key *more = need_memory((keys->locked_count + 1) * sizeof *more);
	struct locked_key *one = &more[keys->locked_count];

	if (keys->locked_count)
		memcpy(more, keys->locked, keys->locked_count * sizeof *more);
	free(keys->locked);
	memcpy(one->line, line.at, line.len); /* shorter: it was parsed */
	snprintf(one->path, sizeof one->path, "%s", path);
	one->recipient = *r;
	keys->locked_count++;
	keys->locked = more;
}

/* One line that is not empty and no comment. */
static int read_key(const char *path, size_t number, struct bytes line, struct keyring *keys)
{
	struct identity identity;
	struct recipient recipient;
	enum err e = seal_parse_identity(line, &identity);

	if (!e) {
		keyring_add(keys, &identity);
		wipe(&identity, sizeof identity);
		return EXIT_FINE;
	}
	e = seal_parse_locked(line, &recipient);
	if (!e)
		keyring_add_locked(keys, path, line, &recipient);
	else if (e == ERR_UNSUPPORTED || e == ERR_LIMIT)
		print_note("%s:%zu: a key under a passphrase, of a kind that this version does not "
			   "open",
			   path, number);
	else
		print_note("%s:%zu: not a secret key (AIGW-SECRET-KEY-1...), or mistyped", path,
			   number);
	return e ? EXIT_FINDING : EXIT_FINE;
}

/* One key a line; empty lines and lines that begin with # are passed over. A file that was not
 * asked for by name may be of another kind (fingerprint.key) and then adds nothing. */
static int read_keys(const char *path, bool asked, struct keyring *keys)
{
	struct buf text = {0};
	enum err e = sys_read_file(path, KEY_FILE_BYTES_MAX, &text);
	size_t before = keys->count + keys->locked_count, number = 0;
	int status = EXIT_FINE;

	if (e)
		status = print_problem(e, "%s", path);
	struct bytes rest = buf_view(&text);
	if (!e && !asked && bytes_find(rest, BYTES("AIGW-SECRET-KEY-")) == SIZE_MAX &&
	    bytes_find(rest, BYTES("AIGW-LOCKED-KEY-")) == SIZE_MAX) {
		buf_done(&text);
		return EXIT_FINE;
	}
	while (!status && rest.len) {
		struct bytes line = bytes_trim(bytes_cut(&rest, '\n'));
		number++;
		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0 || line.at[0] == '#')
			continue;
		status = read_key(path, number, line, keys);
	}
	if (!status && keys->count + keys->locked_count == before) {
		print_note("%s: no secret key in this file", path);
		status = EXIT_FINDING;
	}
	buf_done(&text);
	return status;
}

static int is_key_file(const struct dirent *entry)
{
	struct bytes name = bytes_str(entry->d_name);

	return name.at[0] != '.' && bytes_ends(name, BYTES(".key"));
}

int setup_read_keys(const struct places *places, const char *key_file, struct keyring *ret_keys)
{
	struct keyring keys = {0};
	struct dirent **names = NULL;
	int status = EXIT_FINE, count = 0;

	if (key_file) {
		status = read_keys(key_file, true, &keys);
	} else {
		count = scandir(places->keys, &names, is_key_file, alphasort);
		if (count < 0 && errno != ENOENT)
			status = print_problem(err_from_errno(errno), "%s", places->keys);
	}
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX_BYTES + 300];
		snprintf(path, sizeof path, "%s/%s", places->keys, names[i]->d_name);
		if (!status)
			status = read_keys(path, false, &keys);
		free(names[i]);
	}
	free(names);
	if (status)
		keyring_done(&keys);
	else
		*ret_keys = keys;
	return status;
}

static int unlock_one(struct keyring *keys, const struct locked_key *locked,
		      const char *passphrase_file)
{
	struct buf passphrase = {0};
	struct identity identity;
	char prompt[sizeof locked->path + 32];
	int status;

	snprintf(prompt, sizeof prompt, "Passphrase of %s: ", locked->path);
	status = passphrase_get(passphrase_file, prompt, &passphrase);
	if (status)
		return status;
	enum err e = seal_unlock_identity(bytes_str(locked->line), buf_view(&passphrase),
					  &identity);
	buf_done(&passphrase);
	if (e == ERR_SEAL) {
		print_note("%s: not its passphrase", locked->path);
		return EXIT_FINDING;
	}
	if (e)
		return print_problem(e, "%s: cannot unlock", locked->path);
	keyring_add(keys, &identity);
	wipe(&identity, sizeof identity);
	return EXIT_FINE;
}

int setup_unlock_keys(struct keyring *keys, const char *passphrase_file)
{
	size_t kept = 0;
	int status = EXIT_FINE;

	if (keys->locked_count && !passphrase_is_to_be_had(passphrase_file)) {
		print_note("%s: under a passphrase, which can be asked for on a terminal only; or "
			   "name a file with it in AIGW_PASSPHRASE_FILE",
			   keys->locked[0].path);
		return keys->count ? EXIT_FINE : EXIT_SYSTEM;
	}
	for (size_t i = 0; i < keys->locked_count; i++) {
		int one = unlock_one(keys, &keys->locked[i], passphrase_file);
		if (one)
			keys->locked[kept++] = keys->locked[i];
		status = one ? one : status;
	}
	keys->locked_count = kept;
	return keys->count ? EXIT_FINE : status;
}

int setup_keys(const struct places *places, const char *key_file, struct keyring *ret_keys)
{
	struct keyring keys = {0};
	int status = setup_read_keys(places, key_file, &keys);

	if (!status)
		status = setup_unlock_keys(&keys, NULL);
	if (status)
		keyring_done(&keys);
	else
		*ret_keys = keys;
	return status;
}

/* ---- making ---- */

static bool exists(const char *path)
{
	struct stat st;

	return sys_stat(path, &st) >= 0;
}

static int make_directory(const char *path, bool *made)
{
	bool was = exists(path);
	enum err e = sys_make_directories(path, 0700);

	if (e)
		return print_problem(e, "cannot make the directory %s", path);
	*made = *made || !was;
	return EXIT_FINE;
}

static int make_parent(const char *path, bool *made)
{
	char parent[PATH_MAX_BYTES];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return EXIT_FINE;
	snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
	return make_directory(parent, made);
}

int setup_write_new(const char *path, struct bytes content)
{
	char beside[PATH_MAX_BYTES + 64];
	size_t written;

	snprintf(beside, sizeof beside, "%s.%d.new", path, (int)getpid());
	int fd = sys_open(beside, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return print_problem(err_from_errno(fd), "cannot write %s", beside);
	enum err e = sys_write_full(fd, content.at, content.len, &written);
	if (!e)
		e = err_from_errno(sys_fdatasync(fd));
	sys_close(fd);
	/* A link, unlike a rename, does not replace what another run made meanwhile. */
	if (!e && link(beside, path) != 0)
		e = err_from_errno(errno);
	sys_unlink(beside);
	if (e)
		return print_problem(e, "cannot write %s", path);
	return EXIT_FINE;
}

void setup_put_key_file(struct buf *out, const struct recipient *r, const char *line)
{
	char recipient[RECIPIENT_CHARS_MAX];

	seal_put_recipient(r, recipient);
	need(buf_put_str(out, "# aigw audit key of "));
	text_put_time_utc(out, sys_now_ns());
	need(buf_put_str(out, ", opens what is sealed for "));
	need(buf_put_str(out, recipient));
	need(buf_put_u8(out, '\n'));
	need(buf_put_str(out, line));
	need(buf_put_u8(out, '\n'));
}

static int make_key(const char *path, struct identity *ret_identity)
{
	char secret[IDENTITY_CHARS_MAX];
	struct identity identity;
	struct buf text = {0};
	enum err e = seal_new_identity(&identity);

	if (e)
		return print_problem(e, "cannot make a key");
	seal_put_identity(&identity, secret);
	setup_put_key_file(&text, &identity.recipient, secret);
	int status = setup_write_new(path, buf_view(&text));
	if (!status)
		*ret_identity = identity;
	buf_done(&text);
	wipe(&identity, sizeof identity);
	wipe(secret, sizeof secret);
	return status;
}

/* ---- the signing key: one line, in a file of its own ---- */

static int read_signer(const char *path, struct signer *ret_signer)
{
	struct buf text = {0};
	enum err e = sys_read_file(path, KEY_FILE_BYTES_MAX, &text);
	int status = e ? print_problem(e, "%s", path) : EXIT_FINDING;
	struct bytes rest = buf_view(&text);

	while (!e && rest.len && status) {
		struct bytes line = bytes_trim(bytes_cut(&rest, '\n'));
		if (line.len && line.at[0] != '#' && seal_parse_signer(line, ret_signer) == OK)
			status = EXIT_FINE;
	}
	if (!e && status)
		print_note("%s: no signing key (AIGW-SIGN-KEY-1...) in this file, or mistyped",
			   path);
	buf_done(&text);
	return status;
}

static int make_signer(const char *path, struct signer *ret_signer)
{
	char secret[SIGNER_CHARS_MAX], public_key[SIGNER_CHARS_MAX];
	struct signer signer;
	struct buf text = {0};
	enum err e = seal_new_signer(&signer);

	if (e)
		return print_problem(e, "cannot make a key");
	seal_put_signer(&signer, secret);
	seal_put_signer_public(signer.public_key, public_key);
	need(buf_put_str(&text, "# aigw signing key of "));
	text_put_time_utc(&text, sys_now_ns());
	need(text.failed);
	need(buf_put_str(&text, ", whose signatures are checked with "));
	need(buf_put_str(&text, public_key));
	need(buf_put_u8(&text, '\n'));
	need(buf_put_str(&text, secret));
	need(buf_put_u8(&text, '\n'));
	int status = setup_write_new(path, buf_view(&text));
	if (!status)
		*ret_signer = signer;
	buf_done(&text);
	wipe(&signer, sizeof signer);
	wipe(secret, sizeof secret);
	return status;
}

int setup_signer(const struct places *places, bool make, struct signer *ret_signer)
{
	char path[PATH_MAX_BYTES + 16];
	bool made = false;

	snprintf(path, sizeof path, "%s/" SIGN_FILE_NAME, places->keys);
	if (exists(path))
		return read_signer(path, ret_signer);
	if (!make)
		return EXIT_FINDING;
	int status = make_directory(places->keys, &made);
	return status ? status : make_signer(path, ret_signer);
}

/* From behind the brace of "audit" to the end of its first member, which must be the recipients:
 * with the comment there, which speaks of the template. Empty when the template is not like that.
 */
static struct bytes find_recipients(struct bytes text)
{
	struct json j;
	struct json_token t;
	bool in_audit = false;
	size_t start, end;

	json_init(&j, text, JSON_COMMENTS);
	while (!in_audit && json_next(&j, &t) == OK)
		in_audit = t.kind == JSON_KEY && t.depth == 1 && json_token_is(&t, BYTES("audit"));
	if (!in_audit || json_next(&j, &t) != OK || t.kind != JSON_OBJECT)
		return BYTES_NONE;
	start = t.end;
	if (json_next(&j, &t) != OK || t.kind != JSON_KEY ||
	    !json_token_is(&t, BYTES("recipients")) || json_skip(&j, &t, &end) != OK)
		return BYTES_NONE;
	return bytes_slice(text, start, end - start);
}

static int make_policy(const char *path, const char *own, size_t count, const char *const *others)
{
	struct bytes template = bytes_str(observe_policy);
	struct bytes hole = find_recipients(template);
	struct buf text = {0};

	if (hole.len == 0)
		return print_problem(ERR_STATE,
				     "the built-in policy does not begin audit with recipients");
	need(buf_put(&text, bytes_of(template.at, (size_t)(hole.at - template.at))));
	need(buf_put_str(&text, recipients_comment));
	need(buf_put_str(&text, own));
	for (size_t i = 0; i < count; i++) {
		if (strcmp(others[i], own) == 0)
			continue;
		need(buf_put_str(&text, "\", \""));
		need(buf_put_str(&text, others[i]));
	}
	need(buf_put_str(&text, "\"]"));
	need(buf_put(&text, bytes_from(template, (size_t)(hole.at - template.at) + hole.len)));
	int status = setup_write_new(path, buf_view(&text));
	buf_done(&text);
	return status;
}

/* The recipient of the key file that is there, or of a new one. */
static int find_or_make_key(struct setup_result *result)
{
	struct keyring keys = {0};
	struct identity identity = {0};
	int status;

	if (exists(result->key_path)) {
		status = read_keys(result->key_path, true, &keys);
		if (!status)
			identity.recipient = keys.count ? keys.identities[0].recipient
							: keys.locked[0].recipient;
		keyring_done(&keys);
	} else {
		status = make_key(result->key_path, &identity);
		result->made_key = !status;
	}
	if (!status) {
		seal_put_recipient(&identity.recipient, result->recipient);
		result->key_exists = true;
	}
	wipe(&identity, sizeof identity);
	return status;
}

int setup_make(const struct places *places, const struct setup_wish *wish,
	       struct setup_result *ret_result)
{
	struct setup_result r = {0};
	const char *policy = places->user_policy;
	bool counts = strcmp(places->policy, policy) == 0;
	bool make_rules = !setup_is_system(places) && (wish->asked || counts);
	int status = make_directory(places->audit, &r.made_directories);

	snprintf(r.key_path, sizeof r.key_path, "%s/" KEY_FILE_NAME, places->keys);
	if (!status)
		status = make_directory(places->keys, &r.made_directories);
	if (!status)
		status = make_directory(places->state, &r.made_directories);
	if (!status && make_rules)
		status = make_parent(policy, &r.made_directories);
	r.policy_exists = exists(policy);
	/* A new key beside an existing policy would open nothing: the policy names who can read. */
	if (!status && make_rules && (wish->force || !r.policy_exists))
		status = find_or_make_key(&r);
	else if (!status && exists(r.key_path))
		status = find_or_make_key(&r);
	if (!status && make_rules && wish->force && r.policy_exists) {
		char old[PATH_MAX_BYTES + 8];
		snprintf(old, sizeof old, "%s.old", policy);
		enum err e = err_from_errno(sys_rename(policy, old));
		if (e)
			status = print_problem(e, "cannot keep the old policy as %s", old);
		r.policy_exists = false;
	}
	if (!status && make_rules && !r.policy_exists) {
		status = make_policy(policy, r.recipient, wish->recipient_count, wish->recipients);
		r.made_policy = r.policy_exists = !status;
	}
	if (!status && wish->asked) {
		struct signer signer;
		status = setup_signer(places, true, &signer);
		if (!status)
			seal_put_signer_public(signer.public_key, r.signer);
		wipe(&signer, sizeof signer);
	}
	if (!status)
		*ret_result = r;
	return status;
}
