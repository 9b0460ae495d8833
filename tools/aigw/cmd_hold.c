/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "audit/hold.h"
#include "base/sys.h"
#include "passphrase.h"
#include "print.h"
#include "recording.h"
#include "setup.h"

struct wish {
	const char *day, *segment, *from, *to, *reason;
	bool yes, json;
};

/* What the options name; false after saying what is wrong. */
static bool wanted(const struct wish *w, const char *directory, struct hold *ret_hold)
{
	struct hold h = {.kind = HOLD_DAY, .since_ns = sys_now_ns(), .reason = BYTES("-")};
	int given = (w->day != NULL) + (w->segment != NULL) + (w->from || w->to);
	size_t base = strlen(directory);

	if (given != 1 || !w->from != !w->to) {
		args_wrong("hold", "name one: --day D, --segment FILE, or --from ID --to ID");
		return false;
	}
	if (w->day) {
		h.first = bytes_str(w->day);
	} else if (w->segment) {
		h.kind = HOLD_SEGMENT;
		h.first = bytes_str(w->segment);
		if (h.first.len > base + 1 && bytes_starts(h.first, bytes_of(directory, base)) &&
		    h.first.at[base] == '/')
			h.first = bytes_from(h.first, base + 1);
	} else {
		h.kind = HOLD_RANGE;
		h.first = bytes_str(w->from);
		h.last = bytes_str(w->to);
	}
	if (hold_check(&h)) {
		args_wrong("hold", "%s",
			   w->day ? "--day: no day like 2026-11-24"
			   : w->segment
				   ? "--segment: no segment of the log (2026-11-24/NAME.aigw)"
				   : "--from, --to: two ids of exchanges, the earlier one first");
		return false;
	}
	*ret_hold = h;
	return true;
}

static bool same(const struct hold *a, const struct hold *b)
{
	return a->kind == b->kind && bytes_equal(a->first, b->first) &&
	       bytes_equal(a->last, b->last);
}

/* Copies all holds but `without`; lines that are no hold stay. *ret_found: how many were left out;
 * *ret_gone: the last of them, borrowed from the file. */
static void copy_without(struct bytes file, const struct hold *without, struct buf *ret_file,
			 size_t *ret_found, struct hold *ret_gone)
{
	while (file.len) {
		struct bytes before = file;
		struct hold h;
		enum err e = hold_next(&file, &h);
		if (e == ERR_END)
			break;
		if (!e && same(&h, without)) {
			++*ret_found;
			*ret_gone = h;
			continue;
		}
		need(buf_put(ret_file, bytes_slice(before, 0, (size_t)(file.at - before.at))));
	}
	if (ret_file->len && ret_file->at[ret_file->len - 1] != '\n')
		need(buf_put_u8(ret_file, '\n'));
}

static void record_change(const struct places *places, const struct hold *h, bool add)
{
	struct buf record = {0}, what = {0};

	need(buf_put_str(&what, hold_kind_name(h->kind)));
	need(buf_put_u8(&what, ' '));
	need(buf_put(&what, h->first));
	if (h->kind == HOLD_RANGE) {
		need(buf_put_u8(&what, ' '));
		need(buf_put(&what, h->last));
	}
	need(record_put(&record, F_HOLD_ACTION, add ? BYTES("add") : BYTES("remove")));
	need(record_put(&record, F_HOLD_WHAT, buf_view(&what)));
	need(record_put_if(&record, F_HOLD_REASON, h->reason));
	recording_put(places, REC_HOLD, buf_view(&record));
	buf_done(&record);
	buf_done(&what);
}

static int change(const struct places *places, const char *directory, const struct hold *h,
		  bool add, const struct wish *w)
{
	struct buf file = {0}, changed = {0};
	struct hold gone = *h;
	size_t found = 0;
	int fd, status = EXIT_FINE;
	enum err e = hold_lock(directory, &fd);

	if (e)
		return e == ERR_STATE ? (print_note("'aigw retain' is at work"), EXIT_SYSTEM)
				      : print_problem(e, "%s", directory);
	e = hold_load(directory, &file);
	if (!e) {
		copy_without(buf_view(&file), h, &changed, &found, &gone);
		if (add)
			e = hold_put(&changed, h);
	}
	if (!e && !add && !found) {
		print_note("there is no such hold ('aigw hold list')");
		status = EXIT_FINDING;
	} else if (!e && !add && !w->yes &&
		   !passphrase_confirm("What it kept goes with the next 'aigw retain' when it is "
				       "old enough. Answer yes: ")) {
		print_note("nothing was changed (answer yes on a terminal, or give --yes)");
		status = EXIT_FINDING;
	} else if (!e) {
		e = hold_save(directory, buf_view(&changed));
	}
	if (e)
		status = print_problem(e, "%s/" HOLD_FILE, directory);
	hold_unlock(fd);
	if (!status) {
		puts(add ? "Held." : "Released.");
		record_change(places, add ? h : &gone, add);
	}
	buf_done(&file);
	buf_done(&changed);
	return status;
}

static void put_hold(struct buf *out, const struct hold *h, bool json)
{
	if (!json) {
		put_time_local(out, h->since_ns, true);
		need(buf_put_str(out, "  "));
		need(buf_put_str(out, hold_kind_name(h->kind)));
		need(buf_put_u8(out, ' '));
		put_visible(out, h->first);
		if (h->kind == HOLD_RANGE) {
			need(buf_put_str(out, " to "));
			put_visible(out, h->last);
		}
		need(buf_put_str(out, "  "));
		put_visible(out, h->reason);
		need(buf_put_u8(out, '\n'));
		return;
	}
	if (out->len > 1)
		need(buf_put_u8(out, ','));
	struct json_object o = object_begin(out);
	object_text(&o, "kind", bytes_str(hold_kind_name(h->kind)));
	object_text(&o, "first", h->first);
	if (h->kind == HOLD_RANGE)
		object_text(&o, "last", h->last);
	object_number(&o, "since_ns", h->since_ns);
	object_text(&o, "reason", h->reason);
	object_end(&o);
}

static int list(const char *directory, bool json)
{
	struct buf file = {0}, out = {0};
	struct hold h;
	int status = EXIT_FINE;
	enum err e = hold_load(directory, &file);

	if (e)
		return print_problem(e, "%s/" HOLD_FILE, directory);
	if (json)
		need(buf_put_u8(&out, '['));
	struct bytes rest = buf_view(&file);
	while ((e = hold_next(&rest, &h)) != ERR_END) {
		if (!e) {
			put_hold(&out, &h, json);
			continue;
		}
		print_note("%s/" HOLD_FILE ": a line is no hold: as long as it is there, nothing "
			   "is removed",
			   directory);
		status = EXIT_FINDING;
	}
	if (json)
		need(buf_put_str(&out, "]\n"));
	print_buf(&out);
	buf_done(&out);
	buf_done(&file);
	return status;
}

static int act(const char *action, const struct wish *w)
{
	struct places places;
	struct buf directory = {0};
	struct hold h;
	bool add = strcmp(action, "add") == 0;
	int status = setup_places(&places);

	if (status)
		return status;
	setup_audit_directory(&places, &directory);
	const char *base = (const char *)directory.at;
	if (strcmp(action, "list") == 0) {
		status = list(base, w->json);
	} else if (!wanted(w, base, &h)) {
		status = EXIT_USAGE;
	} else {
		h.reason = add ? bytes_str(w->reason) : h.reason;
		if (hold_check(&h))
			status = args_wrong("hold", "--reason: why, in one line (who asked for it, "
						    "which case)");
		else
			status = change(&places, base, &h, add, w);
	}
	buf_done(&directory);
	return status;
}

int cmd_hold(int argc, char **argv)
{
	static const char *const actions[] = {"add", "list", "remove"};
	const size_t count = sizeof actions / sizeof actions[0];
	struct wish w = {.day = NULL};
	const struct option options[] = {
		{"day", 0, OPTION_TEXT, &w.day, "D", "a UTC day: 2026-11-24"},
		{"segment", 0, OPTION_TEXT, &w.segment, "FILE", "one segment"},
		{"from", 0, OPTION_TEXT, &w.from, "ID", "exchanges from this id ..."},
		{"to", 0, OPTION_TEXT, &w.to, "ID", "... to this one"},
		{"reason", 0, OPTION_TEXT, &w.reason, "TEXT", "add: who asked for it, which case"},
		{"yes", 0, OPTION_FLAG, &w.yes, NULL, "remove: do not ask"},
		{"json", 0, OPTION_FLAG, &w.json, NULL, "list: for programs"},
	};
	const struct args args = {
		.command = "hold",
		.synopsis = "aigw hold add | list | remove  --day D | --segment FILE | --from ID "
			    "--to ID",
		.summary = "Legal hold: what is held is never removed by retention, however old.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 1,
	};
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (operands == 0)
		return args_wrong("hold", "what? One of add, list, remove");
	for (size_t i = 0; i < count; i++)
		if (strcmp(argv[1], actions[i]) == 0)
			return act(argv[1], &w);
	return args_wrong("hold", "unknown '%s'; one of add, list, remove", argv[1]);
}
