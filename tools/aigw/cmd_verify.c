/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "audit/verify.h"
#include "print.h"
#include "progress.h"
#include "setup.h"
#include "verify_signed.h"

struct telling {
	bool json;
	struct progress progress;
	struct buf findings; /* JSON array elements */
};

static void put_finding_json(struct buf *out, const struct finding *f)
{
	struct json_object o = object_begin(out);

	object_text(&o, "severity", bytes_str(verdict_name(f->severity)));
	object_text(&o, "code", bytes_str(f->code));
	object_text(&o, "file", bytes_str(f->path));
	if (f->offset != UINT64_MAX)
		object_number(&o, "offset", f->offset);
	if (f->sequence != UINT64_MAX)
		object_number(&o, "sequence", f->sequence);
	object_text(&o, "meaning", bytes_str(f->text));
	object_end(&o);
}

static void on_progress(void *context, uint64_t done, uint64_t total)
{
	struct telling *t = context;

	progress_show(&t->progress, done, total);
}

enum colour verdict_colour(enum verdict v)
{
	return v == VERDICT_WHOLE ? GREEN : v == VERDICT_INCOMPLETE ? YELLOW : RED;
}

static void on_finding(void *context, const struct finding *f)
{
	struct telling *t = context;

	if (t->json) {
		if (t->findings.len)
			need(buf_put_u8(&t->findings, ','));
		put_finding_json(&t->findings, f);
		return;
	}
	progress_clear(&t->progress);
	printf("%s%s%s: ", colour(stdout, verdict_colour(f->severity)), verdict_name(f->severity),
	       colour(stdout, PLAIN));
	print_text(stdout, bytes_str(f->path));
	if (f->offset != UINT64_MAX)
		printf(", byte %llu", (unsigned long long)f->offset);
	if (f->sequence != UINT64_MAX)
		printf(", record %llu", (unsigned long long)f->sequence);
	printf(": %s: ", f->code);
	print_text(stdout, bytes_str(f->text));
	fputc('\n', stdout);
}

const char *verdict_meaning(enum verdict v)
{
	switch (v) {
	case VERDICT_WHOLE:
		return "every record is there and unchanged";
	case VERDICT_TAMPERED:
		return "something was changed, removed or put in";
	case VERDICT_INCOMPLETE:
		return "nothing was changed; what is missing is explained above";
	case VERDICT_UNWITNESSED:
		return "an outside witness that is required is missing or too old";
	case VERDICT_CANNOT:
		return "it could not be verified";
	}
	return "unknown";
}

static void print_number(uint64_t n, const char *what)
{
	struct buf text = {0};

	put_grouped(&text, n);
	need(buf_put_str(&text, what));
	print_buf(&text);
	buf_done(&text);
}

static void print_time(const char *what, uint64_t time_ns)
{
	struct buf text = {0};

	need(buf_put_str(&text, what));
	text_put_time_utc(&text, time_ns);
	need(text.failed);
	need(buf_put_u8(&text, '\n'));
	print_buf(&text);
	buf_done(&text);
}

static void print_witness(const struct verify_options *o, const struct verify_result *r)
{
	if (r->checkpoints) {
		print_number(r->checkpoints, " checkpoints of the collector");
		print_time(", the last of ", r->signed_ns);
	}
	if (r->witnessed)
		print_time("checked:      an outside copy of the checkpoints, up to ",
			   r->witness_ns);
	else
		printf("not checked:  an outside witness (%s): the last records of a process that "
		       "was\n              killed, and a log put back to an older copy, cannot be "
		       "told\n",
		       o->checkpoints ? "it cannot be read" : "none was given");
}

/* What the verdict rests on: an auditor has to know what was not asked. */
static void print_checks(const struct verify_options *o, const struct verify_result *r)
{
	print_number(r->segments, " segments, ");
	print_number(r->records, " records, ");
	print_number(r->bytes, " bytes\n");
	puts("checked:      chain and sequence of every segment");
	if (o->identity_count && r->unopened < r->records)
		puts("checked:      the seal of every record that a key given opens");
	if (!r->ledger_checked)
		puts("not checked:  the ledger (it could not be read)");
	else if (o->segment || o->day)
		puts("checked:      what the ledger says of these segments; not of any other");
	else
		puts("checked:      the ledger: no segment that it names is missing or shorter");
	if (o->identity_count && r->ledger_checked && r->ledger_unsealed)
		printf("not checked:  the seals of %llu ledger entries, made for other keys ('aigw "
		       "audit-key\n              rewrap' lets a later recipient check them)\n",
		       (unsigned long long)r->ledger_unsealed);
	if (o->identity_count == 0)
		puts("not checked:  the seals and contents (no secret key)");
	else if (r->unopened)
		printf("not checked:  the contents of %llu records sealed for other keys\n",
		       (unsigned long long)r->unopened);
	if (r->repaired)
		printf("noted:        how %llu segments of killed processes were found\n",
		       (unsigned long long)r->repaired);
	if (r->open_segments)
		printf("still open:   %llu segments of running processes\n",
		       (unsigned long long)r->open_segments);
	if (r->retired_segments)
		printf("retired:      %llu segments with %llu records, which the ledger says "
		       "retention removed\n",
		       (unsigned long long)r->retired_segments,
		       (unsigned long long)r->retired_records);
	print_witness(o, r);
}

static void print_verdict(const struct verify_result *r)
{
	printf("%s%s%s: %s\n", colour(stdout, verdict_colour(r->verdict)), verdict_name(r->verdict),
	       colour(stdout, PLAIN), verdict_meaning(r->verdict));
}

static void print_json(const struct verify_options *o, const struct verify_result *r,
		       const struct telling *t)
{
	struct buf out = {0};
	struct json_object all = object_begin(&out);

	object_text(&all, "verdict", bytes_str(verdict_name(r->verdict)));
	object_number(&all, "status", (uint64_t)r->verdict);
	object_number(&all, "segments", r->segments);
	object_number(&all, "records", r->records);
	object_number(&all, "bytes", r->bytes);
	object_number(&all, "open_segments", r->open_segments);
	object_number(&all, "unopened_records", r->unopened);
	object_number(&all, "unsealed_ledger_entries", r->ledger_unsealed);
	object_number(&all, "checkpoints", r->checkpoints);
	object_number(&all, "repaired", r->repaired);
	object_number(&all, "retired_segments", r->retired_segments);
	object_number(&all, "retired_records", r->retired_records);
	object_key(&all, BYTES("checked"));
	struct json_object checked = object_begin(&out);
	object_bool(&checked, "chain", true);
	object_bool(&checked, "seals", o->identity_count > 0 && r->unopened == 0);
	object_bool(&checked, "ledger", r->ledger_checked);
	object_bool(&checked, "outside_witness", r->witnessed);
	object_end(&checked);
	object_key(&all, BYTES("findings"));
	need(buf_put_u8(&out, '['));
	need(buf_put(&out, buf_view(&t->findings)));
	need(buf_put_u8(&out, ']'));
	object_end(&all);
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
}

/* "2026-11-24", and nothing else: it names a directory. */
static bool is_day(const char *text)
{
	static const char shape[] = "dddd-dd-dd";

	if (strlen(text) != sizeof shape - 1)
		return false;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return false;
	return true;
}

static int run_verify(const struct verify_options *options, struct telling *t)
{
	struct verify_result result = {.verdict = VERDICT_CANNOT};
	enum err e = verify(options, &result);

	progress_clear(&t->progress);
	if (e) {
		(void)print_problem(e, "%s",
				    options->segment ? options->segment : options->directory);
		result.verdict = VERDICT_CANNOT;
	}
	if (t->json)
		print_json(options, &result, t);
	else if (!e)
		print_checks(options, &result);
	if (!t->json)
		print_verdict(&result);
	return (int)result.verdict;
}

/* Which part of which log. */
struct log_wish {
	const char *segment, *day, *checkpoints, *directory, *key;
	bool repair;
};

/* `what` is a day, or the file of a segment. */
static int take_operand(const char *what, const char **segment, const char **day)
{
	if (*segment || *day)
		return args_wrong("verify", "'%s' is one more than --segment or --day", what);
	if (is_day(what))
		*day = what;
	else
		*segment = what;
	return EXIT_FINE;
}

static int check_wish(const struct signed_wish *w, const struct log_wish *log)
{
	if (log->day && !is_day(log->day))
		return args_wrong("verify", "--day: '%s' is no day like 2026-11-24", log->day);
	if (log->day && log->segment)
		return args_wrong("verify", "--day and --segment exclude each other");
	if (w->manifest && w->evidence)
		return args_wrong("verify", "--manifest and --evidence exclude each other");
	if ((w->manifest || w->evidence) &&
	    (log->segment || log->day || log->checkpoints || log->directory || log->repair))
		return args_wrong("verify", "--manifest and --evidence check that file alone");
	if (w->signer && !w->manifest && !w->evidence)
		return args_wrong("verify", "--signer goes with --manifest or --evidence");
	if (log->repair && log->segment)
		return args_wrong("verify", "--repair needs the log: give no segment");
	return EXIT_FINE;
}

/* Whom the repairing ledger entries are sealed for: the policy's recipients, as everything else.
 * *ret_policy holds the texts. 0, or the exit status. */
static int find_recipients(const struct places *places, struct recipient *recipients,
			   size_t *ret_count)
{
	struct policy *policy = NULL;
	struct policy_problem problem = {0};
	enum err e = load_policy(places->policy, &policy, NULL, &problem);
	size_t count = 0;

	for (size_t i = 0; !e && i < policy->audit.recipient_count; i++)
		if (count < SEGMENT_RECIPIENTS_MAX &&
		    seal_parse_recipient(policy->audit.recipients[i], &recipients[count]) == OK)
			count++;
	policy_free(policy);
	if (e || count == 0) {
		print_note("--repair: the policy %s names no recipient to seal the note for",
			   places->policy);
		return VERDICT_CANNOT;
	}
	*ret_count = count;
	return EXIT_FINE;
}

static int verify_log(struct telling *t, const struct log_wish *w)
{
	static struct recipient recipients[SEGMENT_RECIPIENTS_MAX];
	struct places places;
	struct keyring keys = {0};
	struct buf directory = {0};
	size_t count = 0;
	int status;

	if (setup_places(&places) != EXIT_FINE || setup_keys(&places, w->key, &keys) != EXIT_FINE)
		return VERDICT_CANNOT;
	setup_directory(&places, w->directory, &directory);
	t->progress = progress_begin("verifying");
	status = w->repair ? find_recipients(&places, recipients, &count) : EXIT_FINE;
	const struct verify_options wish = {
		.directory = w->segment ? NULL : (const char *)directory.at,
		.segment = w->segment,
		.day = w->day,
		.checkpoints = w->checkpoints,
		.identity_count = keys.count,
		.identities = keys.identities,
		.repair_count = count,
		.repair_recipients = recipients,
		.context = t,
		.on_finding = on_finding,
		.on_progress = on_progress,
	};
	if (!status)
		status = run_verify(&wish, t);
	buf_done(&t->findings);
	buf_done(&directory);
	keyring_done(&keys);
	return status;
}

int cmd_verify(int argc, char **argv)
{
	struct log_wish wish = {.segment = NULL};
	struct telling telling = {.json = false};
	struct signed_wish signed_wish = {.manifest = NULL};
	const struct option options[] = {
		{"segment", 0, OPTION_TEXT, &wish.segment, "FILE", "this file only"},
		{"day", 0, OPTION_TEXT, &wish.day, "D", "this day only: 2026-11-24"},
		{"repair", 0, OPTION_FLAG, &wish.repair, NULL,
		 "close what killed processes left open: a note in the ledger"},
		{"checkpoints", 0, OPTION_TEXT, &wish.checkpoints, "FILE",
		 "a copy of the checkpoints from outside the host"},
		{"directory", 0, OPTION_TEXT, &wish.directory, "DIR",
		 "the audit directory; default: the policy's"},
		{"manifest", 0, OPTION_TEXT, &signed_wish.manifest, "FILE",
		 "an export against its manifest"},
		{"evidence", 0, OPTION_TEXT, &signed_wish.evidence, "FILE",
		 "what 'aigw evidence' wrote"},
		{"signer", 0, OPTION_TEXT, &signed_wish.signer, "KEY",
		 "who must have signed it: aigw-sign1..."},
		{"key", 0, OPTION_TEXT, &wish.key, "FILE", "the secret key to open the log with"},
		{"json", 0, OPTION_FLAG, &telling.json, NULL, "as one JSON object"},
	};
	const struct args args = {
		.command = "verify",
		.synopsis = "aigw verify [--repair] [--checkpoints FILE] [--directory DIR] [--key "
			    "FILE] [--json] "
			    "[DAY|SEGMENT]\n"
			    "       aigw verify --manifest FILE [--signer KEY] [--json] [OUTPUT]\n"
			    "       aigw verify --evidence FILE [--signer KEY] [--json]",
		.summary = "Checks that the log, one day or one segment of it, is whole; or an "
			   "export, or\n"
			   "evidence. Without a secret key the chain and the ledger are checked, "
			   "but not the\n"
			   "seals.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 1,
		.notes = "Exit status: 0 whole, 1 tampered, 2 incomplete but explained, 3 an "
			 "outside witness\n"
			 "is missing or stale (also: signed by somebody whom --signer does not "
			 "name), 4 cannot\nverify.",
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (operands && signed_wish.manifest)
		signed_wish.output = argv[1];
	else if (operands)
		status = take_operand(argv[1], &wish.segment, &wish.day);
	if (!status)
		status = check_wish(&signed_wish, &wish);
	if (status)
		return status;
	signed_wish.json = telling.json;
	if (signed_wish.manifest)
		return verify_manifest(&signed_wish);
	if (signed_wish.evidence)
		return verify_evidence(&signed_wish);
	return verify_log(&telling, &wish);
}
