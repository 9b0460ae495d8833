/* SPDX-License-Identifier: MIT */
#include "policy_apply.h"

#include <stdlib.h>
#include <string.h>

#include "aigw.h"
#include "audit/seal.h"
#include "base/sys.h"
#include "report/entry_json.h"
#include "drain/config.h"
#include "grid.h"
#include "policy_edit.h"
#include "print.h"
#include "reading.h"
#include "recording.h"
#include "wire/json.h"

#define DIGEST_CHARS 72
#define SHOWN_DIGEST 19 /* "sha256:" and twelve digits: enough to tell them apart */

/* ---- apply ---- */

static void put_digest(struct bytes text, char ret[DIGEST_CHARS])
{
	uint8_t digest[32];
	struct buf hex = {0};

	seal_sha256(text, digest);
	need(buf_put_hex(&hex, bytes_of(digest, sizeof digest)));
	snprintf(ret, DIGEST_CHARS, "sha256:%.*s", (int)hex.len, (const char *)hex.at);
	buf_done(&hex);
}

/* "" when there is none. */
static void digest_of(const char *path, char ret[DIGEST_CHARS])
{
	struct buf text = {0};

	ret[0] = '\0';
	if (sys_read_file(path, POLICY_BYTES_MAX, &text) == OK)
		put_digest(buf_view(&text), ret);
	buf_done(&text);
}

static void record_change(const struct places *places, const char *before, const char *after)
{
	struct buf record = {0};

	need(record_put(&record, F_POLICY_PATH, bytes_str(places->policy)));
	need(record_put_if(&record, F_POLICY_BEFORE, bytes_str(before)));
	need(record_put_if(&record, F_POLICY_AFTER, bytes_str(after)));
	recording_put(places, REC_POLICY_CHANGE, buf_view(&record));
	buf_done(&record);
}

static void say_applied(const char *path, const char *before, const char *after, bool json)
{
	struct buf out = {0};

	if (json) {
		struct json_object o = object_begin(&out);
		object_text(&o, "file", bytes_str(path));
		if (before[0])
			object_text(&o, "before", bytes_str(before));
		object_text(&o, "after", bytes_str(after));
		object_bool(&o, "changed", strcmp(before, after) != 0);
		object_end(&o);
	} else {
		put_visible(&out, bytes_str(path));
		need(buf_put_str(&out,
				 strcmp(before, after) ? ": in force, " : ": was in force, "));
		need(buf_put_str(&out, after));
	}
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
}

/* Before anything is put in place: with a recipient that is none, every call would be refused. */
static int check_draft(const char *from, struct bytes text)
{
	struct policy_problem problem = {0};
	struct policy *policy = NULL;
	struct drains *drains = NULL;
	struct recipient recipient;
	int status = EXIT_FINE;

	if (policy_parse(text, &policy, &problem) || drains_parse(text, &drains, &problem)) {
		print_note("%s:%u:%u: %s", from, (unsigned)problem.line, (unsigned)problem.column,
			   problem.text);
		policy_free(policy);
		return EXIT_FINDING;
	}
	drains_free(drains);
	for (size_t i = 0; i < policy->audit.recipient_count && !status; i++) {
		struct bytes word = policy->audit.recipients[i];
		if (seal_parse_recipient(word, &recipient) == OK)
			continue;
		print_note("%s: \"%.*s\" is not a recipient (aigw1...), or mistyped", from,
			   (int)word.len, (const char *)word.at);
		status = EXIT_FINDING;
	}
	policy_free(policy);
	return status;
}

int policy_apply(const struct places *places, const char *from, bool json)
{
	char before[DIGEST_CHARS], after[DIGEST_CHARS];
	struct buf text = {0};
	int status = EXIT_FINE;
	enum err e = sys_read_file(from, POLICY_BYTES_MAX, &text);

	if (e) {
		buf_done(&text);
		return print_problem(e, "%s", from);
	}
	status = check_draft(from, buf_view(&text));
	digest_of(places->policy, before);
	put_digest(buf_view(&text), after);
	if (!status && strcmp(before, after) != 0 &&
	    policy_install(places->policy, buf_view(&text), &status) == OK)
		record_change(places, before, after);
	if (!status)
		say_applied(places->policy, before, after, json);
	buf_done(&text);
	return status;
}

/* ---- diff ---- */

/* One value that is no object: where it stands, and its JSON. Elements of an array share one
 * place: their order means little, and one that is put in does not make all others differ. */
struct leaf {
	struct buf place, value;
};

struct leaves {
	struct leaf *at;
	size_t count, cap;
};

static void add_leaf(struct leaves *l, struct bytes place, struct bytes value)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct leaf *more = need_memory(cap * sizeof *more);
		if (l->count)
			memcpy(more, l->at, l->count * sizeof *more);
		free(l->at);
		l->at = more;
		l->cap = cap;
	}
	struct leaf *to = &l->at[l->count++];
	need(buf_put(&to->place, place));
	need(buf_put(&to->value, value));
}

static void free_leaves(struct leaves *l)
{
	for (size_t i = 0; i < l->count; i++) {
		buf_done(&l->at[i].place);
		buf_done(&l->at[i].value);
	}
	free(l->at);
}

static void flatten(struct json *scan, const struct json_token *value, struct bytes text,
		    struct buf *place, struct leaves *out);

static void flatten_members(struct json *scan, struct bytes text, struct buf *place,
			    struct leaves *out)
{
	struct json_token key, value;
	size_t len = place->len;
	bool empty = true;

	while (json_next(scan, &key) == OK && key.kind == JSON_KEY) {
		if (json_next(scan, &value))
			break;
		if (len)
			need(buf_put_u8(place, '.'));
		need(buf_put(place, key.raw));
		flatten(scan, &value, text, place, out);
		place->len = len;
		empty = false;
	}
	if (empty)
		add_leaf(out, buf_view(place), BYTES("{}"));
}

static void flatten_elements(struct json *scan, struct bytes text, struct buf *place,
			     struct leaves *out)
{
	struct json_token value;
	size_t len = place->len;
	bool empty = true;

	need(buf_put_str(place, "[]"));
	while (json_next(scan, &value) == OK && value.kind != JSON_ARRAY_END) {
		flatten(scan, &value, text, place, out);
		empty = false;
	}
	place->len = len;
	if (empty)
		add_leaf(out, buf_view(place), BYTES("[]"));
}

/* The depth is that of a policy which was parsed: bounded. */
static void flatten(struct json *scan, const struct json_token *value, struct bytes text,
		    struct buf *place, struct leaves *out)
{
	if (value->kind == JSON_OBJECT)
		flatten_members(scan, text, place, out);
	else if (value->kind == JSON_ARRAY)
		flatten_elements(scan, text, place, out);
	else
		add_leaf(out, buf_view(place),
			 bytes_slice(text, value->start, value->end - value->start));
}

static int compare_leaves(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;
	int order = bytes_compare(buf_view(&x->place), buf_view(&y->place));

	return order ? order : bytes_compare(buf_view(&x->value), buf_view(&y->value));
}

/* An exit status; a file that is missing has no leaves. */
static int read_leaves(const char *path, struct leaves *out)
{
	struct policy_problem problem = {0};
	struct policy *policy = NULL;
	struct buf text = {0}, place = {0};
	struct json scan;
	struct json_token outer;
	enum err e = load_policy(path, &policy, &text, &problem);

	policy_free(policy);
	if (e) {
		buf_done(&text);
		print_note("%s:%u:%u: %s", path, (unsigned)problem.line, (unsigned)problem.column,
			   problem.text);
		return e == ERR_MISSING ? EXIT_SYSTEM : EXIT_USAGE;
	}
	json_init(&scan, buf_view(&text), JSON_COMMENTS);
	if (json_next(&scan, &outer) == OK)
		flatten(&scan, &outer, buf_view(&text), &place, out);
	if (out->count)
		qsort(out->at, out->count, sizeof *out->at, compare_leaves);
	buf_done(&text);
	buf_done(&place);
	return EXIT_FINE;
}

static void put_difference(struct buf *out, bool json, bool added, const struct leaf *leaf)
{
	if (json) {
		struct json_object o;
		if (out->len)
			need(buf_put_u8(out, ','));
		o = object_begin(out);
		object_text(&o, "place", buf_view(&leaf->place));
		object_key(&o, added ? BYTES("added") : BYTES("removed"));
		need(buf_put(out, buf_view(&leaf->value)));
		object_end(&o);
		return;
	}
	need(buf_put_str(out, colour(stdout, added ? GREEN : RED)));
	need(buf_put_str(out, added ? "+ " : "- "));
	put_visible(out, buf_view(&leaf->place));
	need(buf_put_str(out, ": "));
	put_visible(out, buf_view(&leaf->value));
	need(buf_put_str(out, colour(stdout, PLAIN)));
	need(buf_put_u8(out, '\n'));
}

static void put_differences(struct buf *out, bool json, const struct leaves *old,
			    const struct leaves *new)
{
	size_t i = 0, k = 0;

	while (i < old->count || k < new->count) {
		int order = i == old->count   ? 1
			    : k == new->count ? -1
					      : compare_leaves(&old->at[i], &new->at[k]);
		if (order < 0)
			put_difference(out, json, false, &old->at[i++]);
		else if (order > 0)
			put_difference(out, json, true, &new->at[k++]);
		else
			i++, k++;
	}
}

int policy_diff(const struct places *places, const char *to, bool json)
{
	struct leaves old = {0}, new = {0};
	struct buf out = {0};
	int status = read_leaves(places->policy, &old);

	if (!status)
		status = read_leaves(to, &new);
	if (!status) {
		put_differences(&out, json, &old, &new);
		status = out.len ? EXIT_FINDING : EXIT_FINE;
		if (json)
			printf("{\"differs\":%s,\"differences\":[%.*s]}\n",
			       out.len ? "true" : "false", (int)out.len,
			       out.at ? (const char *)out.at : "");
		else
			print_buf(&out);
	}
	free_leaves(&old);
	free_leaves(&new);
	buf_done(&out);
	return status;
}

/* ---- log ---- */

static void put_digest_cell(struct grid *g, struct bytes digest)
{
	grid_put(g, PLAIN, digest.len ? bytes_slice(digest, 0, SHOWN_DIGEST) : BYTES("none"));
}

static void put_change(struct grid *g, const struct log_entry *entry)
{
	struct bytes by = entry_text(entry, F_CMDLINE), user = entry_text(entry, F_USER);
	/* The words with a NUL between; a collector has the name of the tool before them. */
	bool applied = bytes_find(by, BYTES("policy\0apply")) != SIZE_MAX;
	struct buf time = {0};

	put_time_local(&time, entry->time_ns, true);
	grid_put(g, PLAIN, buf_view(&time));
	grid_put(g, PLAIN, user.len ? user : BYTES("?"));
	/* Programs tell of it when they take the change up. */
	grid_put(g, PLAIN, applied ? BYTES("aigw policy apply") : entry_text(entry, F_EXE));
	put_digest_cell(g, entry_text(entry, F_POLICY_BEFORE));
	put_digest_cell(g, entry_text(entry, F_POLICY_AFTER));
	grid_put(g, RED, entry_text(entry, F_PROBLEM));
	buf_done(&time);
}

static int show_changes(struct reading *r, bool json)
{
	static const char *const titles[] = {"TIME", "USER", "BY", "BEFORE", "AFTER", "PROBLEM"};
	struct grid grid = {.columns = 6, .titles = titles};
	int status = reading_newest(r, 0);

	if (status)
		return status;
	for (size_t i = 0; i < r->log.entry_count; i++) {
		struct buf line = {0};
		if (r->log.entries[i]->kind != REC_POLICY_CHANGE)
			continue;
		if (!json) {
			put_change(&grid, r->log.entries[i]);
			continue;
		}
		put_entry_json(&line, r->log.entries[i], false);
		need(buf_put_u8(&line, '\n'));
		print_buf(&line);
		buf_done(&line);
	}
	if (!json)
		grid_print(&grid, "");
	return reading_report(r);
}

int policy_log(const char *since, bool json)
{
	struct filter_words words = {.since = since};
	struct reading reading;
	int status = reading_open(&reading, NULL, NULL);

	if (status)
		return status;
	status = reading_filter("policy", &words, &reading.options.filter);
	reading.options.filter.without_starts = true;
	if (!status)
		status = show_changes(&reading, json);
	reading_done(&reading);
	return status;
}
