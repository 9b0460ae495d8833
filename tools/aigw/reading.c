/* SPDX-License-Identifier: MIT */
#include "reading.h"

#include <string.h>

#include "aigw.h"
#include "base/sys.h"
#include "policy/decide.h"
#include "print.h"
#include "recording.h"

static int read_time(const char *command, const char *option, const char *text,
		     uint64_t *ret_time_ns)
{
	if (!text || parse_time(text, sys_now_ns(), ret_time_ns) == OK)
		return EXIT_FINE;
	return args_wrong(command,
			  "--%s: '%s' is no time; give 90s, 30m, 1h, 7d, 2w, 2026-11-24 or "
			  "2026-11-24T15:04[:05][Z]",
			  option, text);
}

static int check_decision(const char *command, const char *word)
{
	const char *names[] = {action_name(ACTION_ALLOW), action_name(ACTION_REWRITE),
			       action_name(ACTION_REFUSE)};
	const size_t count = sizeof names / sizeof names[0];

	for (size_t i = 0; i < count; i++)
		if (!word || strcmp(word, names[i]) == 0)
			return EXIT_FINE;
	const char *near = args_near(word, names, count);
	return args_wrong(command, "--decision is allow, rewrite or refuse, not '%s'%s%s%s", word,
			  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int reading_filter(const char *command, const struct filter_words *words,
		   struct log_filter *ret_filter)
{
	struct log_filter f = {
		.provider = bytes_str(words->provider),
		.model = bytes_str(words->model),
		.action = bytes_str(words->decision),
		.environment = bytes_str(words->environment),
		.application = bytes_str(words->application),
	};
	int status = read_time(command, "since", words->since, &f.since_ns);

	if (!status)
		status = read_time(command, "until", words->until, &f.until_ns);
	if (!status)
		status = check_decision(command, words->decision);
	f.exchanges_only = words->provider || words->model || words->decision ||
			   words->environment || words->application;
	if (!status)
		*ret_filter = f;
	return status;
}

int reading_open(struct reading *r, const char *key_file, const char *directory)
{
	struct places places;
	int status = setup_places(&places);

	*r = (struct reading){.options = {0}};
	if (!status)
		status = setup_keys(&places, key_file, &r->keys);
	if (status)
		return status;
	setup_directory(&places, directory, &r->directory);
	if (r->keys.count == 0) {
		print_note("no secret key in %s: name one with --key FILE, or run 'aigw init'",
			   places.keys);
		reading_done(r);
		return EXIT_SYSTEM;
	}
	r->options.directory = (const char *)r->directory.at;
	need(buf_put_str(&r->state, places.state));
	need(buf_put_u8(&r->state, 0));
	r->options.state = (const char *)r->state.at;
	r->options.identity_count = r->keys.count;
	r->options.identities = r->keys.identities;
	recording_access(&places, r->options.directory);
	return EXIT_FINE;
}

void reading_done(struct reading *r)
{
	log_done(&r->log);
	keyring_done(&r->keys);
	buf_done(&r->directory);
	buf_done(&r->state);
}

int reading_newest(struct reading *r, uint64_t limit)
{
	enum err e = log_read_newest(&r->log, &r->options, limit);

	if (e == ERR_MISSING) {
		print_note("%s: no log there; 'aigw run -- PROGRAM' makes one",
			   r->options.directory);
		return EXIT_SYSTEM;
	}
	return e ? print_problem(e, "%s", r->options.directory) : EXIT_FINE;
}

int reading_report(const struct reading *r)
{
	const struct log_damage *d = &r->log.damage;

	if (d->unopened_segments)
		print_note("%llu segment(s) are sealed for other keys and were not read",
			   (unsigned long long)d->unopened_segments);
	if (d->unreadable_files)
		print_note("%llu file(s) could not be read as segments",
			   (unsigned long long)d->unreadable_files);
	if (d->records)
		print_note("%llu record(s) are damaged and were not read",
			   (unsigned long long)d->records);
	if (d->first[0])
		print_note("the first: %s; 'aigw verify' says what it means", d->first);
	return d->unopened_segments || d->unreadable_files || d->records ? EXIT_FINDING : EXIT_FINE;
}
