/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "audit/verify.h"
#include "base/sys.h"
#include "print.h"
#include "setup.h"

#define PROGRESS_STEP_NS UINT64_C(100000000)
#define BAR_COLUMNS      30

struct telling {
	bool json;
	bool bar; /* stderr is a terminal */
	bool bar_shown;
	uint64_t told_ns;    /* monotonic, of the bar */
	struct buf findings; /* JSON array elements */
};

static void clear_bar(struct telling *t)
{
	if (t->bar_shown)
		fputs("\r\033[K", stderr);
	t->bar_shown = false;
}

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

static enum colour verdict_colour(enum verdict v)
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
	clear_bar(t);
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

static void on_progress(void *context, uint64_t done, uint64_t total)
{
	struct telling *t = context;
	uint64_t now_ns = sys_monotonic_ns();
	int filled = total ? (int)(done * BAR_COLUMNS / total) : BAR_COLUMNS;

	if (now_ns - t->told_ns < PROGRESS_STEP_NS)
		return;
	t->told_ns = now_ns;
	t->bar_shown = true;
	fprintf(stderr, "\rverifying [%.*s%*s] %3d %%", filled < BAR_COLUMNS ? filled : BAR_COLUMNS,
		"##############################", filled < BAR_COLUMNS ? BAR_COLUMNS - filled : 0,
		"", total ? (int)(done * 100 / total) : 100);
}

static const char *verdict_meaning(enum verdict v)
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
	put_time_utc(&text, time_ns);
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
	if (o->identity_count == 0)
		puts("not checked:  the seals and contents (no secret key)");
	else if (r->unopened)
		printf("not checked:  the contents of %llu records sealed for other keys\n",
		       (unsigned long long)r->unopened);
	if (r->open_segments)
		printf("still open:   %llu segments of running processes\n",
		       (unsigned long long)r->open_segments);
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
	object_number(&all, "checkpoints", r->checkpoints);
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

	clear_bar(t);
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

int cmd_verify(int argc, char **argv)
{
	const char *segment = NULL, *day = NULL, *checkpoints = NULL, *key = NULL, *given = NULL;
	struct telling telling = {.json = false};
	struct places places;
	struct keyring keys = {0};
	struct buf directory = {0};
	const struct option options[] = {
		{"segment", 0, OPTION_TEXT, &segment, "FILE", "this file only"},
		{"day", 0, OPTION_TEXT, &day, "D", "this day only: 2026-11-24"},
		{"checkpoints", 0, OPTION_TEXT, &checkpoints, "FILE",
		 "a copy of the checkpoints from outside the host"},
		{"key", 0, OPTION_TEXT, &key, "FILE", "the secret key to open the log with"},
		{"directory", 0, OPTION_TEXT, &given, "DIR",
		 "the audit directory; default: the policy's"},
		{"json", 0, OPTION_FLAG, &telling.json, NULL, "as one JSON object"},
	};
	const struct args args = {
		.command = "verify",
		.synopsis = "aigw verify [--segment FILE | --day D] [--directory DIR] [--key FILE] "
			    "[--json]",
		.summary = "Checks that the log is whole. Without a secret key the chain and the "
			   "ledger are\n"
			   "checked, but not the seals.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.notes = "Exit status: 0 whole, 1 tampered, 2 incomplete but explained, 3 an "
			 "outside witness\n"
			 "is missing or stale, 4 cannot verify.",
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (day && !is_day(day))
		return args_wrong("verify", "--day: '%s' is no day like 2026-11-24", day);
	if (day && segment)
		return args_wrong("verify", "--day and --segment exclude each other");
	if (setup_places(&places) != EXIT_FINE || setup_keys(&places, key, &keys) != EXIT_FINE)
		return VERDICT_CANNOT;
	setup_directory(&places, given, &directory);
	telling.bar = print_width(stderr) > 0;
	const struct verify_options wish = {
		.directory = segment ? NULL : (const char *)directory.at,
		.segment = segment,
		.day = day,
		.checkpoints = checkpoints,
		.identity_count = keys.count,
		.identities = keys.identities,
		.context = &telling,
		.on_finding = on_finding,
		.on_progress = telling.bar ? on_progress : NULL,
	};
	status = run_verify(&wish, &telling);
	buf_done(&telling.findings);
	buf_done(&directory);
	keyring_done(&keys);
	return status;
}
