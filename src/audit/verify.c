/* SPDX-License-Identifier: MIT */
#include "audit/verify.h"

#include <stdlib.h>
#include <string.h>

#include "audit/verify_run.h"
#include "base/files.h"

const char *verdict_name(enum verdict v)
{
	switch (v) {
	case VERDICT_WHOLE:
		return "whole";
	case VERDICT_TAMPERED:
		return "tampered";
	case VERDICT_INCOMPLETE:
		return "incomplete";
	case VERDICT_UNWITNESSED:
		return "unwitnessed";
	case VERDICT_CANNOT:
		return "cannot verify";
	}
	return "unknown";
}

/* How much a severity outweighs others. */
static int weight(enum verdict v)
{
	switch (v) {
	case VERDICT_TAMPERED:
		return 4;
	case VERDICT_CANNOT:
		return 3;
	case VERDICT_INCOMPLETE:
		return 2;
	case VERDICT_UNWITNESSED:
		return 1;
	case VERDICT_WHOLE:
		break;
	}
	return 0;
}

void verify_tell(struct run *v, enum verdict severity, const char *code, const char *path,
		 uint64_t offset, uint64_t sequence, const char *text)
{
	struct finding f = {severity, code, path, offset, sequence, text};

	if (v->muted)
		return;
	v->result.findings++;
	if (weight(severity) > weight(v->result.verdict))
		v->result.verdict = severity;
	if (v->options->on_finding)
		v->options->on_finding(v->options->context, &f);
}

bool verify_other_boot(const struct run *v, const char *boot_id)
{
	return boot_id[0] && strcmp(boot_id, v->boot_id) != 0;
}

bool verify_of_day(const struct run *v, struct bytes below)
{
	struct bytes day = bytes_str(v->options->day);

	return !v->options->day ||
	       (bytes_starts(below, day) && below.len > day.len && below.at[day.len] == '/');
}

/* "DIR/DAY/NAME": the audit directory is DIR, also for "NAME" and "DAY/NAME". */
static enum err find_base(struct run *v)
{
	const struct verify_options *o = v->options;
	struct buf base = {0};
	enum err e;

	if (!o->segment) {
		e = buf_put(&base, bytes_of(o->directory, strlen(o->directory) + 1));
	} else {
		const char *slash = strrchr(o->segment, '/');
		struct bytes day = slash ? bytes_of(o->segment, (size_t)(slash - o->segment))
					 : BYTES(".");
		e = buf_put(&base, slash && day.len == 0 ? BYTES("/") : day);
		if (!e)
			e = buf_put(&base, bytes_of("/..", sizeof "/.."));
	}
	if (e) {
		buf_done(&base);
		return e;
	}
	v->base = (char *)base.at;
	return OK;
}

static enum err list_places(struct run *v)
{
	const struct verify_options *o = v->options;
	size_t kept = 0;
	enum err e;

	if (!o->segment) {
		e = segment_list(o->directory, &v->places, &v->count);
		if (e)
			return e;
		for (size_t i = 0; i < v->count; i++) {
			const char *below = v->places[i].path + strlen(o->directory) + 1;
			if (verify_of_day(v, bytes_str(below)))
				v->places[kept++] = v->places[i];
		}
		v->count = kept;
		return OK;
	}
	if (strlen(o->segment) >= SEGMENT_PATH_MAX)
		return ERR_LIMIT;
	v->places = calloc(1, sizeof *v->places);
	if (!v->places)
		return ERR_NOMEM;
	memcpy(v->places->path, o->segment, strlen(o->segment) + 1);
	v->count = 1;
	return files_size(o->segment, &v->places->bytes);
}

static int compare_paths(const void *a, const void *b)
{
	struct walked *const *x = a, *const *y = b;

	return strcmp((*x)->below, (*y)->below);
}

static enum err walk_all(struct run *v)
{
	const struct verify_options *o = v->options;
	uint64_t total = 0, done = 0;
	enum err e = OK;

	v->walked = calloc(v->count ? v->count : 1, sizeof *v->walked);
	v->by_path = calloc(v->count ? v->count : 1, sizeof *v->by_path);
	if (!v->walked || !v->by_path)
		return ERR_NOMEM;
	for (size_t i = 0; i < v->count; i++)
		total += v->places[i].bytes;
	for (size_t i = 0; !e && i < v->count; i++) {
		struct walked *w = v->by_path[i] = &v->walked[i];
		w->path = v->places[i].path;
		w->below = o->segment ? w->path : w->path + strlen(o->directory) + 1;
		e = verify_walk(v, w);
		done += v->places[i].bytes;
		v->result.segments++;
		v->result.bytes += w->bytes;
		if (o->on_progress)
			o->on_progress(o->context, done, total);
	}
	if (!e && v->count)
		qsort(v->by_path, v->count, sizeof *v->by_path, compare_paths);
	return e;
}

enum err verify(const struct verify_options *options, struct verify_result *ret_result)
{
	struct run v = {.options = options};
	size_t len = 0;
	enum err e;

	if (!options->directory && !options->segment)
		return ERR_USAGE;
	if (files_peek("/proc/sys/kernel/random/boot_id", v.boot_id, BOOT_CHARS, &len))
		v.boot_id[0] = '\0';
	/* Checkpoints first, then files, then the ledger: whatever it knows by then was in the
	 * files before, or is looked at again. */
	if ((e = find_base(&v)) || (e = verify_load_checkpoints(&v)) || (e = list_places(&v)) ||
	    (e = walk_all(&v)) || (e = verify_check_ledger(&v)) || (e = verify_judge(&v)) ||
	    (e = verify_check_checkpoints(&v)))
		goto out;
	*ret_result = v.result;
out:
	buf_done(&v.image);
	buf_done(&v.ledger);
	buf_done(&v.state);
	buf_done(&v.checkpoints);
	buf_done(&v.witness);
	free(v.base);
	free(v.places);
	free(v.walked);
	free(v.by_path);
	free(v.mentions);
	free(v.chains);
	return e;
}
