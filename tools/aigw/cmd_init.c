/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "policy/load.h"
#include "print.h"
#include "setup.h"

/* What a recipient on the command line must be. 0, or the exit status. */
static int check_recipients(const struct text_list *list)
{
	struct recipient recipient;

	for (size_t i = 0; i < list->count; i++)
		if (seal_parse_recipient(bytes_str(list->at[i]), &recipient) != OK)
			return args_wrong("init", "'%s' is not a recipient (aigw1...), or mistyped",
					  list->at[i]);
	return EXIT_FINE;
}

/* True when the policy file at `path` names that recipient. */
static bool policy_names(const char *path, const char *recipient)
{
	struct policy *policy = NULL;
	struct policy_problem problem = {0};
	bool named = false;

	if (load_policy(path, &policy, NULL, &problem) != OK)
		return false;
	for (size_t i = 0; i < policy->audit.recipient_count; i++)
		named = named || bytes_equal(policy->audit.recipients[i], bytes_str(recipient));
	policy_free(policy);
	return named;
}

static void print_places(const struct places *places, const struct setup_result *r)
{
	printf("  policy  %s\n", places->policy);
	if (r->key_exists)
		printf("  key     %s\n", r->key_path);
	printf("  log     %s\n", places->audit);
	if (r->recipient[0])
		printf("  sealed for %s\n", r->recipient);
	if (r->signer[0])
		printf("  signs as   %s\n", r->signer);
}

static void print_about_keys(const struct setup_result *r)
{
	printf("\nThe log can be read only with a secret key of one of its recipients. Lose all "
	       "of\n"
	       "them and the log is lost. Keep a copy of\n  %s\nsomewhere else, and name a second "
	       "recipient in the policy's audit.recipients\n(on the first run: aigw init "
	       "--recipient aigw1...).\n",
	       r->key_path);
}

/* What the second run has to say about recipients that the existing policy does not name. */
static int say_missing_recipients(const struct places *places, const struct text_list *list)
{
	int status = EXIT_FINE;

	for (size_t i = 0; i < list->count; i++) {
		if (policy_names(places->user_policy, list->at[i]))
			continue;
		print_note("the policy exists already and does not name %s: add it to "
			   "audit.recipients in %s, or write the policy anew with --force",
			   list->at[i], places->user_policy);
		status = EXIT_FINDING;
	}
	return status;
}

static int report(const struct places *places, const struct setup_result *r,
		  const struct text_list *recipients)
{
	bool made = r->made_directories || r->made_key || r->made_policy;

	if (setup_is_system(places)) {
		printf("The policy of this host is %s%s: it decides, and who can read the log is\n"
		       "written there. %s\n",
		       places->policy, places->locked ? " (locked)" : "",
		       made ? "The directories of this user were made." : "Nothing was changed.");
		print_places(places, r);
		return EXIT_FINE;
	}
	puts(made ? "aigw is ready: everything is allowed, everything is recorded."
		  : "aigw was set up before: nothing was changed.");
	print_places(places, r);
	if (strcmp(places->policy, places->user_policy) != 0)
		printf("\nAIGW_POLICY is set: the policy above counts, not %s\n",
		       places->user_policy);
	if (!r->key_exists) {
		printf("\nThere is no secret key at %s:\nthe log can be read only with the keys of "
		       "the "
		       "recipients that the policy names.\n",
		       r->key_path);
		return EXIT_FINE;
	}
	if (!r->made_policy && !policy_names(places->user_policy, r->recipient))
		printf("\nThe policy does not name this key as a recipient: what is recorded from "
		       "now "
		       "on does not\nopen with it.\n");
	if (r->made_key)
		print_about_keys(r);
	return r->made_policy ? EXIT_FINE : say_missing_recipients(places, recipients);
}

int cmd_init(int argc, char **argv)
{
	struct text_list recipients = {0};
	bool force = false;
	const struct option options[] = {
		{"recipient", 0, OPTION_LIST, &recipients, "KEY",
		 "somebody else who can read the log (aigw1...); may be repeated"},
		{"force", 0, OPTION_FLAG, &force, NULL,
		 "write the policy anew; the old one is kept as .old, a key is never touched"},
	};
	const struct args args = {
		.command = "init",
		.synopsis = "aigw init [--recipient aigw1...]... [--force]",
		.summary =
			"Makes this user's directories, an audit key and the observe policy, "
			"which\n"
			"allows everything and records everything. A second run changes nothing.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
	};
	struct places places;
	struct setup_result result;
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	status = check_recipients(&recipients);
	if (!status)
		status = setup_places(&places);
	if (status)
		return status;
	const struct setup_wish wish = {recipients.count, recipients.at, true, force};
	status = setup_make(&places, &wish, &result);
	return status ? status : report(&places, &result, &recipients);
}
