/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "audit/verify.h"
#include "base/sys.h"
#include "key_change.h"
#include "passphrase.h"
#include "policy_edit.h"
#include "print.h"
#include "recipients.h"
#include "rewrap.h"
#include "setup.h"

#define COMMAND        "audit-key"
#define KEY_NAME_CHARS 8 /* of the recipient, in the name of a new key file */

struct wish {
	const char *out, *passphrase_file, *key, *day;
	struct text_list to;
	bool passphrase, public_only, add, yes, json;
};

/* The recipients that the policy names. */
struct named {
	size_t count;
	struct recipient at[POLICY_RECIPIENTS_MAX];
};

static int load_named(const char *path, struct named *ret_named)
{
	struct policy *policy = NULL;
	struct policy_problem problem = {0};
	enum err e = load_policy(path, &policy, NULL, &problem);
	struct named n = {0};

	if (e) {
		print_note("%s: %s ('aigw policy check' says more)", path,
			   problem.text[0] ? problem.text : err_text(e));
		return e == ERR_MISSING || e == ERR_ACCESS || e == ERR_IO ? EXIT_SYSTEM
									  : EXIT_FINDING;
	}
	for (size_t i = 0; i < policy->audit.recipient_count; i++)
		if (seal_parse_recipient(policy->audit.recipients[i], &n.at[n.count]) == OK)
			n.count++;
	policy_free(policy);
	*ret_named = n;
	return EXIT_FINE;
}

static bool has_recipient(const struct named *n, const struct recipient *r)
{
	for (size_t i = 0; i < n->count; i++)
		if (memcmp(n->at[i].public_key, r->public_key, SEAL_KEY_BYTES) == 0)
			return true;
	return false;
}

enum secret_place { NOT_HERE, HERE, HERE_LOCKED };

static enum secret_place find_secret(const struct keyring *keys, const struct recipient *r)
{
	for (size_t i = 0; i < keys->count; i++)
		if (memcmp(keys->identities[i].recipient.key_id, r->key_id, sizeof r->key_id) == 0)
			return HERE;
	for (size_t i = 0; i < keys->locked_count; i++)
		if (memcmp(keys->locked[i].recipient.key_id, r->key_id, sizeof r->key_id) == 0)
			return HERE_LOCKED;
	return NOT_HERE;
}

static bool agreed(const struct wish *w)
{
	if (w->yes || passphrase_confirm("Go on? Answer yes: "))
		return true;
	print_note("nothing was changed (answer yes on a terminal, or give --yes)");
	return false;
}

static void record_change(const struct places *places, const char *action, const char *recipient)
{
	key_change_record(places, action, F_KEY_RECIPIENT, recipient);
}

/* ---- add, remove ---- */

/* *ret_text is the recipient's usual spelling, as it stands in policies. */
static int parse_recipient(const char *word, struct recipient *ret,
			   char ret_text[RECIPIENT_CHARS_MAX])
{
	if (seal_parse_recipient(bytes_str(word), ret) != OK)
		return args_wrong(COMMAND, "'%s' is not a recipient (aigw1...), or mistyped", word);
	seal_put_recipient(ret, ret_text);
	return EXIT_FINE;
}

static int add_recipient(const struct places *places, const char *word)
{
	struct recipient r;
	char text[RECIPIENT_CHARS_MAX];
	struct named n;
	int status = parse_recipient(word, &r, text);

	if (!status)
		status = load_named(places->policy, &n);
	if (status)
		return status;
	if (n.count == POLICY_RECIPIENTS_MAX) {
		print_note("a policy has at most %d recipients", POLICY_RECIPIENTS_MAX);
		return EXIT_FINDING;
	}
	enum err e = policy_edit(places->policy, recipients_add, bytes_str(text), &status);
	if (e == ERR_STATE) {
		printf("%s names it already: nothing was changed.\n", places->policy);
		return EXIT_FINE;
	}
	if (e && !status) {
		print_note("%s: audit.recipients cannot be changed there (%s)", places->policy,
			   err_text(e));
		return EXIT_FINDING;
	}
	if (e)
		return status;
	record_change(places, "add", text);
	printf("%s\ncan read what is recorded from now on (programs that run take it up within a "
	       "second).\nWhat was recorded before it cannot read: 'aigw audit-key rewrap' lets "
	       "it.\n",
	       text);
	return EXIT_FINE;
}

static void explain_removal(const struct places *places, const char *text, const struct named *n,
			    const struct recipient *r)
{
	struct keyring keys = {0};
	bool other_here = false;

	if (setup_read_keys(places, NULL, &keys) != EXIT_FINE)
		keys = (struct keyring){0};
	for (size_t i = 0; i < n->count; i++)
		other_here |= memcmp(n->at[i].public_key, r->public_key, SEAL_KEY_BYTES) != 0 &&
			      find_secret(&keys, &n->at[i]) != NOT_HERE;
	printf("%s\nwill not be able to read what is recorded from now on. What was recorded until "
	       "now it can\nread for ever: removing a recipient takes nothing back.\n",
	       text);
	if (!other_here)
		puts("None of the recipients that stay has its secret key on this host: here, what "
		     "is recorded\nfrom now on can be read by nobody.");
	if (n->count == 2)
		puts("One recipient stays. Lose its secret key and what is recorded from now on is "
		     "lost.");
	keyring_done(&keys);
}

static int remove_recipient(const struct places *places, const char *word, const struct wish *w)
{
	struct recipient r;
	char text[RECIPIENT_CHARS_MAX];
	struct named n;
	int status = parse_recipient(word, &r, text);

	if (!status)
		status = load_named(places->policy, &n);
	if (status)
		return status;
	if (!has_recipient(&n, &r)) {
		print_note("%s does not name it", places->policy);
		return EXIT_FINDING;
	}
	if (n.count == 1) {
		print_note("it is the only recipient: without one nothing can be recorded; add "
			   "another first");
		return EXIT_FINDING;
	}
	explain_removal(places, text, &n, &r);
	if (!agreed(w))
		return EXIT_FINDING;
	enum err e = policy_edit(places->policy, recipients_remove, bytes_str(text), &status);
	if (e && !status) {
		print_note("%s: audit.recipients cannot be changed there (%s)", places->policy,
			   err_text(e));
		return EXIT_FINDING;
	}
	if (e)
		return status;
	record_change(places, "remove", text);
	puts("Removed.");
	return EXIT_FINE;
}

/* ---- new ---- */

static int make_line(const struct identity *identity, const struct wish *w,
		     char ret_line[SEAL_LOCKED_CHARS_MAX])
{
	struct buf passphrase = {0};
	int status;

	if (!w->passphrase && !w->passphrase_file) {
		seal_put_identity(identity, ret_line);
		return EXIT_FINE;
	}
	status = passphrase_get_new(w->passphrase_file, &passphrase);
	if (!status) {
		enum err e = seal_lock_identity(identity, buf_view(&passphrase), SEAL_PASSES_USUAL,
						SEAL_MEMORY_KIB_USUAL, ret_line);
		if (e)
			status = print_problem(e, "cannot put the key under a passphrase");
	}
	buf_done(&passphrase);
	return status;
}

static int save_key(const struct places *places, const struct wish *w, const char *recipient,
		    const struct identity *identity, const char *line)
{
	char path[PATH_MAX_BYTES + 64];
	struct buf text = {0};
	enum err e = OK;

	if (w->out) {
		snprintf(path, sizeof path, "%s", w->out);
	} else {
		e = sys_make_directories(places->keys, 0700);
		snprintf(path, sizeof path, "%s/audit-%.*s.key", places->keys, KEY_NAME_CHARS,
			 recipient + sizeof "aigw1" - 1);
	}
	if (e)
		return print_problem(e, "%s", places->keys);
	setup_put_key_file(&text, &identity->recipient, line);
	int status = setup_write_new(path, buf_view(&text));
	buf_done(&text);
	if (!status)
		printf("The secret key is in %s\nKeep a copy somewhere else: whoever loses all "
		       "keys "
		       "loses the log.\n",
		       path);
	return status;
}

static int new_key(const struct places *places, const struct wish *w)
{
	struct identity identity;
	char recipient[RECIPIENT_CHARS_MAX], line[SEAL_LOCKED_CHARS_MAX];
	enum err e = seal_new_identity(&identity);
	int status;

	if (w->public_only && w->out)
		return args_wrong(COMMAND, "--out and --public-only-here exclude each other");
	if (e)
		return print_problem(e, "cannot make a key");
	seal_put_recipient(&identity.recipient, recipient);
	status = make_line(&identity, w, line);
	if (!status && w->public_only) {
		printf("recipient  %s\nsecret     %s\n", recipient, line);
		puts("This is the only time that the secret is shown: it is not kept on this host. "
		     "Store it\nwhere the log is to be read, one key a line in a file (aigw log "
		     "--key FILE). Without it\nwhat is sealed for this recipient alone is lost.");
	} else if (!status) {
		printf("recipient  %s\n", recipient);
		status = save_key(places, w, recipient, &identity, line);
	}
	wipe(&identity, sizeof identity);
	wipe(line, sizeof line);
	if (status || !w->add)
		return status;
	fflush(stdout);
	if (w->public_only && !agreed(w))
		return EXIT_FINDING;
	return add_recipient(places, recipient);
}

/* ---- list ---- */

static const char *secret_text(enum secret_place p)
{
	return p == HERE          ? "secret key on this host"
	       : p == HERE_LOCKED ? "secret key on this host, under a passphrase"
				  : "secret key not on this host";
}

static void put_one(struct buf *out, const struct recipient *r, bool in_policy,
		    enum secret_place place, bool json)
{
	char text[RECIPIENT_CHARS_MAX];

	seal_put_recipient(r, text);
	if (!json) {
		need(buf_put_str(out, text));
		need(buf_put_str(out, "\n    "));
		need(buf_put_str(out, in_policy ? "reads what is recorded now; "
						: "not a recipient now; "));
		need(buf_put_str(out, secret_text(place)));
		need(buf_put_u8(out, '\n'));
		return;
	}
	if (out->len > 1)
		need(buf_put_u8(out, ','));
	struct json_object o = object_begin(out);
	object_text(&o, "recipient", bytes_str(text));
	object_bool(&o, "in_policy", in_policy);
	object_text(&o, "secret",
		    place == HERE          ? BYTES("here")
		    : place == HERE_LOCKED ? BYTES("here_locked")
					   : BYTES("elsewhere"));
	object_end(&o);
}

static int list_keys(const struct places *places, bool json)
{
	struct keyring keys = {0};
	struct buf out = {0};
	struct named n;
	int status = load_named(places->policy, &n);

	if (!status)
		status = setup_read_keys(places, NULL, &keys);
	if (status)
		return status;
	if (json)
		need(buf_put_u8(&out, '['));
	for (size_t i = 0; i < n.count; i++)
		put_one(&out, &n.at[i], true, find_secret(&keys, &n.at[i]), json);
	for (size_t i = 0; i < keys.count; i++)
		if (!has_recipient(&n, &keys.identities[i].recipient))
			put_one(&out, &keys.identities[i].recipient, false, HERE, json);
	for (size_t i = 0; i < keys.locked_count; i++)
		if (!has_recipient(&n, &keys.locked[i].recipient))
			put_one(&out, &keys.locked[i].recipient, false, HERE_LOCKED, json);
	if (json)
		need(buf_put_str(&out, "]\n"));
	print_buf(&out);
	buf_done(&out);
	keyring_done(&keys);
	return EXIT_FINE;
}

/* ---- rewrap ---- */

static int choose_to(const struct places *places, const struct text_list *words,
		     struct named *ret_to)
{
	char text[RECIPIENT_CHARS_MAX];
	int status = EXIT_FINE;

	if (words->count == 0)
		return load_named(places->policy, ret_to);
	*ret_to = (struct named){.count = 0};
	for (size_t i = 0; !status && i < words->count; i++) {
		status = parse_recipient(words->at[i], &ret_to->at[i], text);
		ret_to->count++;
	}
	return status;
}

static int rewrap_all(const struct places *places, const struct wish *w, const struct named *to,
		      const struct keyring *keys)
{
	struct rewrap run = {.keys = keys, .to_count = to->count, .to = to->at};
	struct rewrap ledger = run;
	struct segment_place *places_of = NULL;
	struct buf directory = {0};
	size_t count = 0;

	setup_audit_directory(places, &directory);
	const char *base = (const char *)directory.at;
	enum err e = segment_list(base, &places_of, &count);
	for (size_t i = 0; !e && i < count; i++) {
		struct bytes below = bytes_str(places_of[i].path + strlen(base) + 1);
		if (!w->day || bytes_equal(bytes_cut(&below, '/'), bytes_str(w->day)))
			rewrap_segment(places_of[i].path, &run);
	}
	int status = e ? print_problem(e, "%s", base) : EXIT_FINE;
	if (!e && !w->day)
		rewrap_ledger(base, &ledger);
	if (!e)
		printf("%llu segments can be read by them now, %llu could before, %llu do not open "
		       "with the keys given, %llu failed.\n",
		       (unsigned long long)run.done, (unsigned long long)run.had,
		       (unsigned long long)run.closed, (unsigned long long)run.failed);
	if (!e && !w->day)
		printf("Of the ledger's epochs they can check %llu now, %llu they could before, "
		       "%llu do not open with the keys given, %llu failed.\n",
		       (unsigned long long)ledger.done, (unsigned long long)ledger.had,
		       (unsigned long long)ledger.closed, (unsigned long long)ledger.failed);
	if (!e && (run.closed || run.failed || ledger.closed || ledger.failed))
		status = EXIT_FINDING;
	free(places_of);
	buf_done(&directory);
	for (size_t i = 0; (run.done || ledger.done) && i < to->count; i++) {
		char text[RECIPIENT_CHARS_MAX];
		seal_put_recipient(&to->at[i], text);
		record_change(places, "rewrap", text);
	}
	return status;
}

static int rewrap(const struct places *places, const struct wish *w)
{
	struct keyring keys = {0};
	struct named to;
	int status = choose_to(places, &w->to, &to);

	if (!status)
		status = setup_read_keys(places, w->key, &keys);
	if (!status)
		status = setup_unlock_keys(&keys, w->passphrase_file);
	if (!status && keys.count == 0) {
		print_note("no secret key in %s: name one with --key FILE", places->keys);
		status = EXIT_SYSTEM;
	}
	if (!status) {
		puts("These will be able to read the segments that the keys given open; it cannot "
		     "be taken back:");
		for (size_t i = 0; i < to.count; i++) {
			char text[RECIPIENT_CHARS_MAX];
			seal_put_recipient(&to.at[i], text);
			printf("  %s\n", text);
		}
		status = agreed(w) ? rewrap_all(places, w, &to, &keys) : EXIT_FINDING;
	}
	keyring_done(&keys);
	return status;
}

/* ---- the command ---- */

static int act(const char *action, const char *word, const struct wish *w)
{
	bool takes_word = strcmp(action, "add") == 0 || strcmp(action, "remove") == 0;
	struct places places;
	int status;

	if (takes_word && !word)
		return args_wrong(COMMAND, "%s: which recipient (aigw1...)?", action);
	if (!takes_word && word)
		return args_wrong(COMMAND, "unexpected '%s'", word);
	status = setup_places(&places);
	if (status)
		return status;
	if (strcmp(action, "new") == 0)
		return new_key(&places, w);
	if (strcmp(action, "list") == 0)
		return list_keys(&places, w->json);
	if (strcmp(action, "add") == 0)
		return add_recipient(&places, word);
	if (strcmp(action, "remove") == 0)
		return remove_recipient(&places, word, w);
	return rewrap(&places, w);
}

int cmd_audit_key(int argc, char **argv)
{
	static const char *const actions[] = {"new", "list", "add", "remove", "rewrap"};
	const size_t count = sizeof actions / sizeof actions[0];
	struct wish w = {.out = NULL};
	const struct option options[] = {
		{"out", 0, OPTION_TEXT, &w.out, "FILE", "new: where the secret key goes"},
		{"public-only-here", 0, OPTION_FLAG, &w.public_only, NULL,
		 "new: show the secret key once and keep it nowhere"},
		{"add", 0, OPTION_FLAG, &w.add, NULL, "new: add it to the policy's recipients too"},
		{"passphrase", 0, OPTION_FLAG, &w.passphrase, NULL,
		 "new: put the key under a passphrase, asked for on the terminal"},
		{"passphrase-file", 0, OPTION_TEXT, &w.passphrase_file, "FILE",
		 "new, rewrap: the passphrase is the first line of this file"},
		{"to", 0, OPTION_LIST, &w.to, "RECIPIENT",
		 "rewrap: for whom, instead of all of the policy; may be repeated"},
		{"key", 0, OPTION_TEXT, &w.key, "FILE",
		 "rewrap: the secret key that opens the segments"},
		{"day", 0, OPTION_TEXT, &w.day, "D", "rewrap: this day only: 2026-11-24"},
		{"yes", 0, OPTION_FLAG, &w.yes, NULL, "do not ask"},
		{"json", 0, OPTION_FLAG, &w.json, NULL, "list: for programs"},
	};
	const struct args args = {
		.command = COMMAND,
		.synopsis = "aigw audit-key new | list | add RECIPIENT | remove RECIPIENT | rewrap",
		.summary =
			"Who can read the audit log.\n"
			"new:    make a key pair.\n"
			"list:   the policy's recipients, and the keys on this host.\n"
			"add:    what is recorded from now on is sealed for this recipient too.\n"
			"remove: ... is not sealed for this recipient any more.\n"
			"rewrap: let recipients read segments that were written before they were "
			"added.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 2,
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (operands == 0)
		return args_wrong(COMMAND, "what? One of new, list, add, remove, rewrap");
	for (size_t i = 0; i < count; i++)
		if (strcmp(argv[1], actions[i]) == 0)
			return act(argv[1], operands > 1 ? argv[2] : NULL, &w);
	const char *near = args_near(argv[1], actions, count);
	if (near)
		return args_wrong(COMMAND, "unknown '%s'; did you mean '%s'?", argv[1], near);
	return args_wrong(COMMAND, "unknown '%s'; one of new, list, add, remove, rewrap", argv[1]);
}
