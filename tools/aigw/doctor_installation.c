/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aigw.h"
#include "base/sys.h"
#include "library.h"
#include "setup.h"

static void check_policy(struct checks *checks, const struct places *places,
			 struct policy **ret_policy)
{
	struct policy_problem problem = {0};
	enum err e = load_policy(places->policy, ret_policy, NULL, &problem);

	if (!e)
		checks_add(checks, "policy", true, NULL, "%s", places->policy);
	else if (e == ERR_MISSING)
		checks_add(checks, "policy", false,
			   "Until there is a policy, calls to model providers are refused: 'aigw "
			   "init' writes one.",
			   "%s: not there", places->policy);
	else
		checks_add(checks, "policy", false,
			   "Until it is fine, calls to model providers are refused: 'aigw policy "
			   "check' says more.",
			   "%s: %s", places->policy, problem.text[0] ? problem.text : err_text(e));
}

/* How many of the policy's recipients are named by a key of this user. */
static size_t count_own(const struct policy *policy, const struct keyring *keys)
{
	size_t own = 0;

	for (size_t i = 0; i < policy->audit.recipient_count; i++)
		for (size_t k = 0; k < keys->count; k++) {
			char text[RECIPIENT_CHARS_MAX];
			seal_put_recipient(&keys->identities[k].recipient, text);
			own += bytes_equal(bytes_str(text), policy->audit.recipients[i]);
		}
	return own;
}

static void check_keys(struct checks *checks, const struct places *places,
		       const struct policy *policy)
{
	struct keyring keys = {0};

	if (!policy)
		return;
	if (policy->audit.recipient_count == 0)
		checks_add(checks, "key", false,
			   "Name a recipient in audit.recipients: without one nothing can be "
			   "recorded.",
			   "the policy names nobody who can read the log");
	else if (setup_keys(places, NULL, &keys) != EXIT_FINE)
		checks_add(checks, "key", false, "Put the file right or away.",
			   "%s: a key cannot be read", places->keys);
	else if (count_own(policy, &keys) == 0)
		checks_add(checks, "key", true, NULL,
			   "sealed for %zu of others: this user cannot read the log",
			   policy->audit.recipient_count);
	else
		checks_add(checks, "key", true, NULL, "%s: opens the log", places->keys);
	keyring_done(&keys);
}

static void check_log(struct checks *checks, const struct places *places)
{
	struct buf directory = {0};

	setup_audit_directory(places, &directory);
	const char *path = (const char *)directory.at;
	if (access(path, F_OK) != 0)
		checks_add(checks, "log", false, "'aigw init' makes it.", "%s: not there", path);
	else if (access(path, W_OK | X_OK) != 0)
		checks_add(checks, "log", false,
			   "What cannot be recorded is refused: let this user write there.",
			   "%s: not writable", path);
	else
		checks_add(checks, "log", true, NULL, "%s: writable", path);
	buf_done(&directory);
}

static void check_environment(struct checks *checks)
{
	const char *value = getenv("AIGW");
	bool off = value && strcmp(value, "off") == 0;
	const char *audit = getenv("LD_AUDIT");

	if (off)
		checks_add(checks, "environment", false, "Unset it.",
			   "AIGW=off is set: the library does nothing");
	else if (audit && *audit)
		checks_add(checks, "environment", false,
			   "Unset it unless you mean it: it changes which functions programs call.",
			   "LD_AUDIT is set");
	else
		checks_add(checks, "environment", true, NULL,
			   "nothing in it switches the library off");
}

int doctor_installation(bool json)
{
	char library[PROGRAM_PATH_MAX];
	struct places places;
	struct checks checks = {0};
	struct policy *policy = NULL;
	int status = setup_places(&places);

	if (status)
		return status;
	bool there = library_find(library);
	checks_add_library(&checks, "library", library);
	if (there)
		checks_add_start(&checks, library);
	check_policy(&checks, &places, &policy);
	check_keys(&checks, &places, policy);
	check_log(&checks, &places);
	check_environment(&checks);
	bool fine = checks_are_fine(&checks);
	if (json) {
		struct buf out = {0};
		struct json_object o = object_begin(&out);
		object_bool(&o, "fine", fine);
		object_key(&o, BYTES("checks"));
		checks_put_json(&out, &checks);
		object_end(&o);
		need(buf_put_u8(&out, '\n'));
		print_buf(&out);
		buf_done(&out);
	} else {
		checks_print(&checks);
		if (fine)
			puts("This installation works. 'aigw doctor PROGRAM' says what it does for "
			     "a program.");
	}
	policy_free(policy);
	checks_done(&checks);
	return fine ? EXIT_FINE : EXIT_FINDING;
}
