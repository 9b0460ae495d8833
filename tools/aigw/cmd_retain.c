/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "args.h"
#include "audit/record.h"
#include "audit/retain.h"
#include "base/files.h"
#include "base/sys.h"
#include "day.h"
#include "drain/config.h"
#include "drain/place.h"
#include "index_store.h"
#include "print.h"
#include "recording.h"
#include "setup.h"

struct telling {
	const char *state;
	bool json, dry_run, quiet;
	bool pressure;     /* the disk is nearly full: sinks are not waited for */
	struct buf events; /* JSON array elements */
};

static void put_event_json(struct buf *out, const struct retain_event *event)
{
	if (out->len)
		need(buf_put_u8(out, ','));
	struct json_object o = object_begin(out);
	object_text(&o, "outcome", bytes_str(retain_outcome_name(event->outcome)));
	object_text(&o, "file", bytes_str(event->path));
	object_number(&o, "records", event->records);
	object_number(&o, "bytes", event->bytes);
	if (event->by.len)
		object_text(&o, "by", event->by);
	if (event->err)
		object_text(&o, "problem", bytes_str(err_text(event->err)));
	object_end(&o);
}

static const char *meaning(enum retain_outcome o)
{
	switch (o) {
	case RETAIN_REMOVED:
	case RETAIN_FINISHED:
		break;
	case RETAIN_HELD:
		return "kept by a hold";
	case RETAIN_UNACKED:
		return "kept: not acknowledged by the sink";
	case RETAIN_OPEN:
		return "kept: its process still runs";
	case RETAIN_CHANGED:
		return "kept as evidence: not what the ledger says ('aigw verify')";
	case RETAIN_UNLISTED:
		return "kept: the ledger does not know it ('aigw verify')";
	case RETAIN_FAILED:
		return "could not be removed";
	}
	return "removed";
}

static void on_event(void *context, const struct retain_event *event)
{
	struct telling *t = context;
	bool gone = event->outcome == RETAIN_REMOVED || event->outcome == RETAIN_FINISHED;
	char day[DAY_CHARS + 1];

	/* The index holds keys of what was in it. Another reader's goes when he reads next. */
	if (gone && !t->dry_run) {
		day_of_path(event->path, day);
		index_store_forget(t->state, day);
	}

	if (t->json) {
		put_event_json(&t->events, event);
		return;
	}
	if (t->quiet && gone)
		return;
	print_text(stdout, bytes_str(event->path));
	printf(": %s%s", gone && t->dry_run ? "would be " : "", meaning(event->outcome));
	if (event->by.len) {
		fputs(": ", stdout);
		print_text(stdout, event->by);
	}
	if (event->err)
		printf(": %s", err_text(event->err));
	fputc('\n', stdout);
}

static void print_result(const struct retain_result *r, const struct telling *t, uint64_t days)
{
	struct buf out = {0};

	if (t->json) {
		struct json_object o = object_begin(&out);
		object_bool(&o, "dry_run", t->dry_run);
		object_number(&o, "days", days);
		object_bool(&o, "disk_pressure", t->pressure);
		object_number(&o, "segments", r->segments);
		for (int i = 0; i <= RETAIN_FAILED; i++)
			object_number(&o, retain_outcome_name((enum retain_outcome)i),
				      r->counts[i]);
		object_number(&o, "removed_records", r->removed_records);
		object_number(&o, "removed_bytes", r->removed_bytes);
		object_key(&o, BYTES("events"));
		need(buf_put_u8(&out, '['));
		need(buf_put(&out, buf_view(&t->events)));
		need(buf_put_u8(&out, ']'));
		object_end(&o);
		need(buf_put_u8(&out, '\n'));
	} else {
		put_grouped(&out, r->counts[RETAIN_REMOVED] + r->counts[RETAIN_FINISHED]);
		need(buf_put_str(&out, t->dry_run ? " segments would be removed: "
						  : " segments removed: "));
		put_grouped(&out, r->removed_records);
		need(buf_put_str(&out, " records, "));
		put_grouped(&out, r->removed_bytes);
		need(buf_put_str(&out, " bytes, older than "));
		put_grouped(&out, days);
		need(buf_put_str(&out, " days\n"));
	}
	print_buf(&out);
	buf_done(&out);
}

/* A run that found nothing to do is nothing to tell of. */
static void record_run(const struct places *places, const struct retain_result *r, uint64_t days,
		       bool pressure)
{
	const struct {
		enum field field;
		uint64_t value;
	} facts[] = {
		{F_RETENTION_DAYS, days},
		{F_RETENTION_SEGMENTS, r->counts[RETAIN_REMOVED] + r->counts[RETAIN_FINISHED]},
		{F_RETENTION_RECORDS, r->removed_records},
		{F_RETENTION_BYTES, r->removed_bytes},
		{F_RETENTION_HELD, r->counts[RETAIN_HELD]},
		{F_RETENTION_FAILED,
		 r->counts[RETAIN_FAILED] + r->counts[RETAIN_CHANGED] + r->counts[RETAIN_UNLISTED]},
	};
	struct buf record = {0};

	if (!facts[1].value && !facts[5].value)
		return;
	for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
		need(record_put_u64(&record, facts[i].field, facts[i].value));
	if (pressure)
		need(record_put_bool(&record, F_RETENTION_PRESSURE, true));
	recording_put(places, REC_RETENTION, buf_view(&record));
	buf_done(&record);
}

/* ---- the sinks ---- */

struct waiting { /* for sinks that are required */
	char directory[PATH_MAX_BYTES];
	struct buf text;
	struct drains *drains;
	size_t count;
	char names[DRAIN_SINKS_MAX][ACKED_NAME_MAX + 1];
	const char *required[DRAIN_SINKS_MAX];
};

/* True: less of the file system is free than the policy's drains.pressure.free_percent. */
static bool is_under_pressure(const char *directory, uint32_t percent)
{
	struct statvfs fs;

	return percent && statvfs(directory, &fs) == 0 && fs.f_blocks &&
	       (long double)fs.f_bavail * 100 < (long double)fs.f_blocks * percent;
}

static int find_sinks(const struct places *places, const struct policy *policy, struct waiting *w)
{
	struct policy_problem problem = {0};
	struct policy *again = NULL;
	enum err e = load_policy(places->policy, &again, &w->text, &problem);

	policy_free(again);
	if (!e)
		e = drains_parse(buf_view(&w->text), &w->drains, &problem);
	if (!e)
		e = place_sinks(places, policy, NULL, w->directory);
	if (e)
		return print_problem(e, "%s: %s", places->policy, problem.text);
	for (size_t i = 0; i < w->drains->count; i++) {
		const struct drain *d = &w->drains->at[i];
		if (!d->required || !d->enabled || d->name.len > ACKED_NAME_MAX)
			continue;
		memcpy(w->names[w->count], d->name.at, d->name.len);
		w->required[w->count] = w->names[w->count];
		w->count++;
	}
	return EXIT_FINE;
}

static int run_retain(const struct places *places, const struct policy *policy, uint64_t days,
		      struct telling *t)
{
	struct recipient recipients[POLICY_RECIPIENTS_MAX];
	char boot_id[37] = "";
	struct waiting w = {.count = 0};
	int status = find_sinks(places, policy, &w);
	struct buf directory = {0};
	struct retain_result result = {.segments = 0};
	size_t count = 0, len = 0;

	if (status)
		return status;
	for (size_t i = 0; i < policy->audit.recipient_count; i++)
		if (seal_parse_recipient(policy->audit.recipients[i], &recipients[count]) == OK)
			count++;
	setup_audit_directory(places, &directory);
	t->state = places->state;
	t->pressure = is_under_pressure((const char *)directory.at,
					w.drains->pressure.free_percent);
	if (t->pressure)
		print_note("%s: nearly full; what sinks have not acknowledged is not kept "
			   "(drains.pressure)",
			   (const char *)directory.at);
	if (files_peek("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id - 1, &len))
		boot_id[0] = '\0';
	const struct retain_options options = {
		.ledger = {(const char *)directory.at, count, recipients, boot_id, true},
		.sinks_directory = t->pressure ? NULL : w.directory,
		.required_count = t->pressure ? 0 : w.count,
		.required = w.required,
		.days = (uint32_t)days,
		.now_ns = sys_now_ns(),
		.dry_run = t->dry_run,
		.context = t,
		.on_event = on_event,
	};
	enum err e = retain(&options, &result);
	if (e == ERR_MISSING) {
		e = OK; /* no log yet: nothing is old */
	} else if (e == ERR_STATE) {
		print_note("another 'aigw retain' or 'aigw hold' is at work");
	} else if (e) {
		(void)print_problem(e, "%s", options.ledger.directory);
	}
	buf_done(&directory);
	drains_free(w.drains);
	buf_done(&w.text);
	if (e)
		return EXIT_SYSTEM;
	print_result(&result, t, days);
	if (!t->dry_run)
		record_run(places, &result, days, t->pressure);
	return result.counts[RETAIN_FAILED] || result.counts[RETAIN_CHANGED] ||
			       result.counts[RETAIN_UNLISTED]
		       ? EXIT_FINDING
		       : EXIT_FINE;
}

int cmd_retain(int argc, char **argv)
{
	struct telling t = {.json = false};
	const struct option options[] = {
		{"dry-run", 0, OPTION_FLAG, &t.dry_run, NULL, "only tell what would be removed"},
		{"quiet", 'q', OPTION_FLAG, &t.quiet, NULL, "do not name what is removed"},
		{"json", 0, OPTION_FLAG, &t.json, NULL, "as one JSON object"},
	};
	const struct args args = {
		.command = "retain",
		.synopsis = "aigw retain [--dry-run] [--quiet] [--json]",
		.summary =
			"Removes segments of the log that are older than the policy's "
			"audit.retain_days.\n"
			"The ledger keeps what went. Holds, sinks that have not acknowledged, and "
			"anything\n"
			"that looks tampered with are respected.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
	};
	struct policy *policy = NULL;
	struct policy_problem problem = {0};
	struct places places;
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	status = setup_places(&places);
	if (status)
		return status;
	enum err e = load_policy(places.policy, &policy, NULL, &problem);
	if (e) {
		print_note("%s: %s: nothing is removed without a policy", places.policy,
			   problem.text[0] ? problem.text : err_text(e));
		return EXIT_SYSTEM;
	}
	if (policy->audit.retain_days == 0 && !t.json)
		puts("The policy keeps everything (audit.retain_days is 0).");
	status = run_retain(&places, policy, policy->audit.retain_days, &t);
	policy_free(policy);
	buf_done(&t.events);
	return status;
}
