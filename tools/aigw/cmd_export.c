/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "csv.h"
#include "report/entry_json.h"
#include "llm/price.h"
#include "manifest.h"
#include "report/otlp.h"
#include "print.h"
#include "progress.h"

#define MANIFEST_SUFFIX ".manifest.json"

/* Where the export goes, and what has gone there. */
struct sink {
	FILE *out;
	char *path, *beside; /* NULL: standard output; written beside and renamed at the end */
	struct seal_sha256_state sha256;
	uint64_t bytes, entries;
};

struct export
{
	struct sink sink;
	struct progress progress;
	void (*put)(struct buf * out, const struct log_entry *entry, bool payloads);
	bool payloads;
	const struct log_filter *filter; /* raw */
	struct buf line;
};

/* ---- the sink ---- */

static char *join(const char *a, const char *b)
{
	size_t len = strlen(a) + strlen(b) + 1;
	char *both = need_memory(len);

	snprintf(both, len, "%s%s", a, b);
	return both;
}

/* A device, a pipe or a directory would be replaced by the file. */
static bool is_replaceable(const char *path)
{
	struct stat st;

	return stat(path, &st) != 0 || S_ISREG(st.st_mode);
}

static int open_sink(struct sink *s, const char *path)
{
	seal_sha256_init(&s->sha256);
	s->out = stdout;
	if (!path)
		return EXIT_FINE;
	if (!is_replaceable(path))
		return args_wrong("export",
				  "%s is no regular file, and would be replaced by one; without "
				  "--output the export goes to standard output",
				  path);
	s->path = join(path, "");
	s->beside = join(path, ".new");
	/* What was said in confidence: for its owner alone. */
	int fd = sys_open(s->beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return print_problem(err_from_errno(fd), "%s", s->beside);
	s->out = fdopen(fd, "w");
	if (!s->out)
		need(ERR_NOMEM);
	return EXIT_FINE;
}

static void write_sink(struct sink *s, struct buf *line)
{
	need(line->failed);
	fwrite(line->at, 1, line->len, s->out);
	seal_sha256_feed(&s->sha256, buf_view(line));
	s->bytes += line->len;
	buf_reset(line);
}

static int sink_problem(const struct sink *s)
{
	return print_problem(err_from_errno(errno), "%s", s->path ? s->path : "standard output");
}

/* On the disk, under its name. */
static int close_sink(struct sink *s, int status)
{
	if (s->path && s->out) {
		bool failed = fflush(s->out) != 0 || ferror(s->out) || fsync(fileno(s->out)) != 0;
		if (failed && !status)
			status = sink_problem(s);
		fclose(s->out);
		if (!status && sys_rename(s->beside, s->path) < 0)
			status = print_problem(ERR_IO, "%s", s->path);
		if (status)
			sys_unlink(s->beside);
	} else if (!status && (fflush(stdout) != 0 || ferror(stdout))) {
		status = sink_problem(s);
	}
	free(s->path);
	free(s->beside);
	return status;
}

/* ---- the formats ---- */

static void put_ndjson(struct buf *out, const struct log_entry *entry, bool payloads)
{
	put_entry_json(out, entry, payloads);
}

static const struct {
	const char *name;
	enum field field;
} columns[] = {
	{"host", F_HOST},
	{"user", F_USER},
	{"pid", F_PID},
	{"exe", F_EXE},
	{"environment", F_ENVIRONMENT},
	{"application", F_APPLICATION},
	{"server_name", F_SERVER_NAME},
	{"provider", F_PROVIDER},
	{"operation", F_OPERATION},
	{"request_model", F_REQUEST_MODEL},
	{"response_model", F_RESPONSE_MODEL},
	{"input_tokens", F_USAGE_INPUT_TOKENS},
	{"output_tokens", F_USAGE_OUTPUT_TOKENS},
	{"cache_read_tokens", F_USAGE_CACHE_READ},
	{"cost_usd", F_COST},
	{"action", F_ACTION},
	{"rule", F_RULE},
	{"reason", F_REASON},
	{"method", F_METHOD},
	{"path", F_PATH},
	{"status", F_STATUS},
	{"total_us", F_TOTAL_US},
};

static void put_csv_head(struct buf *out)
{
	need(buf_put_str(out, "id,type,time,outcome"));
	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
		need(buf_put_u8(out, ','));
		need(buf_put_str(out, columns[i].name));
	}
	need(buf_put_str(out, "\r\n"));
}

static void put_csv_value(struct buf *out, const struct log_entry *entry, enum field f)
{
	const struct field_info *info = record_field_info((unsigned)f);
	uint64_t n;

	if (info && info->type == FIELD_U64) {
		if (entry_find_u64(entry, f, &n) == OK)
			need(f == F_COST ? price_put_usd(out, n) : buf_put_decimal(out, n));
		return;
	}
	need(csv_put(out, entry_text(entry, f)));
}

static void put_csv(struct buf *out, const struct log_entry *entry, bool payloads)
{
	bool exchange = entry->kind == REC_REQUEST;
	const char *kind = exchange ? "exchange" : record_kind_name(entry->kind);

	(void)payloads;
	need(csv_put(out, bytes_str(entry->id)));
	need(buf_put_u8(out, ','));
	need(buf_put_str(out, kind ? kind : "unknown"));
	need(buf_put_u8(out, ','));
	text_put_time_utc(out, entry->time_ns);
	need(buf_put_u8(out, ','));
	if (exchange)
		need(csv_put(out, entry_outcome(entry)));
	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
		need(buf_put_u8(out, ','));
		put_csv_value(out, entry, columns[i].field);
	}
	need(buf_put_u8(out, '\r')); /* RFC 4180; the line feed comes with every line */
}

static const struct format {
	const char *name;
	void (*put)(struct buf *out, const struct log_entry *entry, bool payloads);
} formats[] = {
	{"ndjson", put_ndjson},
	{"csv", put_csv},
	{"raw", NULL}, /* record by record */
	{"otlp-json", put_entry_otlp},
};

#define FORMAT_COUNT (sizeof formats / sizeof formats[0])

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < FORMAT_COUNT; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

/* ---- what the log tells ---- */

static void put_entry(struct export *x, const struct log_entry *entry)
{
	x->put(&x->line, entry, x->payloads);
	need(buf_put_u8(&x->line, '\n'));
	write_sink(&x->sink, &x->line);
	x->sink.entries++;
}

static bool on_answered(void *context, struct log_entry *entry)
{
	put_entry(context, entry);
	return true;
}

static void on_progress(void *context, uint64_t done, uint64_t total)
{
	struct export *x = context;

	progress_show(&x->progress, done, total);
}

/* raw: each record as it stands in the log, its fields undecoded; filtered by its own time. */
static void on_record(void *context, const struct log_segment *segment,
		      const struct segment_record *record)
{
	struct export *x = context;
	const char *kind = record_kind_name(record->kind);
	struct buf text = {0};

	if (record->time_ns < x->filter->since_ns ||
	    (x->filter->until_ns && record->time_ns >= x->filter->until_ns))
		return;
	struct json_object o = object_begin(&x->line);
	need(buf_put_hex(&text, bytes_of(segment->header.segment_id, 16)));
	object_text(&o, "segment", buf_view(&text));
	object_number(&o, "sequence", record->sequence);
	object_number(&o, "kind", record->kind);
	object_text(&o, "type", bytes_str(kind ? kind : "unknown"));
	buf_reset(&text);
	need(buf_put_decimal(&text, record->time_ns));
	object_text(&o, "time_ns", buf_view(&text)); /* larger than what a double holds */
	buf_reset(&text);
	text_put_base64(&text, record->plain);
	need(text.failed);
	object_text(&o, "plain", buf_view(&text));
	object_end(&o);
	need(buf_put_u8(&x->line, '\n'));
	write_sink(&x->sink, &x->line);
	x->sink.entries++;
	buf_done(&text);
}

/* ---- the manifest ---- */

static int write_manifest(const struct export *x, const struct reading *r, const char *path,
			  const char *format, const struct filter_words *words)
{
	const char *slash = x->sink.path ? strrchr(x->sink.path, '/') : NULL;
	struct seal_sha256_state sha256 = x->sink.sha256;
	struct manifest_output output = {
		.format = format,
		.name = slash ? slash + 1 : x->sink.path,
		.bytes = x->sink.bytes,
		.entries = x->sink.entries,
	};
	struct places places;
	struct signer signer;
	struct buf statement = {0}, text = {0};
	struct sink file = {0};
	int status = setup_places(&places);

	if (!status)
		status = setup_signer(&places, true, &signer);
	if (status)
		return status;
	seal_sha256_end(&sha256, output.sha256);
	manifest_put(&statement, &r->log, words, &output);
	need(signed_put(&text, MANIFEST_LABEL, buf_view(&statement), &signer));
	wipe(&signer, sizeof signer);
	status = open_sink(&file, path);
	if (!status)
		write_sink(&file, &text);
	status = close_sink(&file, status);
	buf_done(&statement);
	buf_done(&text);
	return status;
}

/* ---- the command ---- */

static int read_all(struct export *x, struct reading *r, const struct format *format)
{
	struct log_options *o = &r->options;
	int status;

	o->state = NULL; /* every segment of the range is read to its end, and told of */
	o->context = x;
	o->on_progress = on_progress;
	if (format->put) {
		x->put = format->put;
		o->on_answered = on_answered;
		o->with_headers = o->with_bodies = x->payloads;
	} else {
		x->filter = &o->filter;
		o->on_record = on_record;
	}
	if (format->put == put_csv) {
		put_csv_head(&x->line);
		write_sink(&x->sink, &x->line);
	}
	status = reading_newest(r, 0);
	for (size_t i = 0; !status && format->put && i < r->log.entry_count; i++)
		put_entry(x, r->log.entries[i]);
	progress_clear(&x->progress);
	return status;
}

static int check_wish(const char *format, const struct filter_words *w)
{
	const char *names[FORMAT_COUNT];

	for (size_t i = 0; i < FORMAT_COUNT; i++)
		names[i] = formats[i].name;
	if (!format)
		return args_wrong("export", "which format? Give --format ndjson, csv, raw or "
					    "otlp-json");
	if (!find_format(format)) {
		const char *near = args_near(format, names, FORMAT_COUNT);
		return args_wrong(
			"export", "--format is ndjson, csv, raw or otlp-json, not '%s'%s%s%s",
			format, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	}
	if (strcmp(format, "raw") == 0 &&
	    (w->provider || w->model || w->decision || w->environment || w->application))
		return args_wrong("export", "--format raw knows --since and --until only");
	return EXIT_FINE;
}

static int export_log(struct reading *r, const char *output, const char *manifest,
		      const char *format, bool payloads, const struct filter_words *words)
{
	struct export x = {.progress = progress_begin("exporting"), .payloads = payloads};
	char *beside = output && !manifest ? join(output, MANIFEST_SUFFIX) : NULL;
	const char *path = manifest ? manifest : beside;
	int status = open_sink(&x.sink, output);

	if (!status)
		status = read_all(&x, r, find_format(format));
	/* The manifest first: an export that stands there under its name has one. */
	if (!status && path)
		status = write_manifest(&x, r, path, format, words);
	status = close_sink(&x.sink, status);
	if (!status && output && print_width(stderr))
		print_note("%llu %s to %s, %llu bytes; manifest: %s",
			   (unsigned long long)x.sink.entries,
			   find_format(format)->put ? "entries" : "records", output,
			   (unsigned long long)x.sink.bytes, path);
	buf_done(&x.line);
	free(beside);
	return status;
}

int cmd_export(int argc, char **argv)
{
	struct filter_words words = {0};
	struct reading reading;
	const char *format = NULL, *output = NULL, *manifest = NULL, *key = NULL, *directory = NULL;
	bool no_payloads = false, all = false;
	const struct option options[] = {
		{"format", 0, OPTION_TEXT, &format, "FORMAT", "ndjson, csv, raw or otlp-json"},
		{"output", 'o', OPTION_TEXT, &output, "FILE",
		 "to that file, its manifest beside it; else to standard output"},
		{"manifest", 0, OPTION_TEXT, &manifest, "FILE", "where the manifest goes"},
		FILTER_OPTIONS(words),
		{"all", 0, OPTION_FLAG, &all, NULL, "the start of each process too"},
		{"no-payloads", 0, OPTION_FLAG, &no_payloads, NULL, "without headers and bodies"},
		{"key", 0, OPTION_TEXT, &key, "FILE", "the secret key to open the log with"},
		{"directory", 0, OPTION_TEXT, &directory, "DIR",
		 "the audit directory; default: the policy's"},
	};
	const struct args args = {
		.command = "export",
		.synopsis = "aigw export --format FORMAT [-o FILE] [OPTION]...",
		.summary = "Writes the log, or what a filter lets pass of it, for other programs, "
			   "with a\n"
			   "signed manifest that 'aigw verify --manifest' checks.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	status = check_wish(format, &words);
	struct log_filter filter;
	if (!status)
		status = reading_filter("export", &words, &filter);
	if (!status)
		status = reading_open(&reading, key, directory);
	if (status)
		return status;
	reading.options.filter = filter;
	reading.options.filter.without_starts = !all;
	status = export_log(&reading, output, manifest, format, !no_payloads, &words);
	if (!status)
		status = reading_report(&reading);
	reading_done(&reading);
	return status;
}
