/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "print.h"

#define ID_CHARS_MIN   10 /* a ULID's time */
#define DATE_CHARS     10
#define CELL_CHARS_MAX 200

enum column {
	COLUMN_TIME,
	COLUMN_ID,
	COLUMN_DECISION,
	COLUMN_SCOPE,
	COLUMN_MODEL,
	COLUMN_STATUS,
	COLUMN_TOKENS,
	COLUMN_MS,
	COLUMN_PROGRAM,
};

static const struct {
	const char *title;
	int width; /* when it cannot be fitted */
	int width_max;
	bool right;
} columns[TABLE_COLUMNS] = {
	[COLUMN_TIME] = {"TIME", 19, 19, false},
	[COLUMN_ID] = {"ID", 16, ULID_CHARS, false},
	[COLUMN_DECISION] = {"DECISION", 8, 8, false},
	[COLUMN_SCOPE] = {"ENV/APP", 16, 32, false},
	[COLUMN_MODEL] = {"PROVIDER/MODEL", 28, 44, false},
	[COLUMN_STATUS] = {"STATUS", 11, 20, false},
	[COLUMN_TOKENS] = {"IN/OUT", 11, 20, true},
	[COLUMN_MS] = {"MS", 7, 12, true},
	[COLUMN_PROGRAM] = {"PROGRAM", 16, 40, false},
};

static void put_number_or(struct buf *out, const struct log_entry *entry, enum field f,
			  const char *missing)
{
	uint64_t n;

	if (entry_find_u64(entry, f, &n) == OK)
		need(buf_put_decimal(out, n));
	else
		need(buf_put_str(out, missing));
}

/* "a/b", "a" when there is no b, "-" when there is neither. */
static void put_pair(struct buf *out, struct bytes a, struct bytes b)
{
	put_visible(out, a.len ? a : BYTES("-"));
	if (b.len) {
		need(buf_put_u8(out, '/'));
		put_visible(out, b);
	}
}

static struct bytes file_name(struct bytes path)
{
	for (size_t i = path.len; i-- > 0;)
		if (path.at[i] == '/')
			return bytes_from(path, i + 1);
	return path;
}

/* The HTTP status, or how it ended when that says more. */
static void put_status(struct buf *out, const struct log_entry *entry)
{
	struct bytes outcome = entry_outcome(entry);
	bool usual = bytes_equal(outcome, BYTES("complete")) ||
		     bytes_equal(outcome, BYTES("refused"));
	uint64_t status;

	if (usual && entry_find_u64(entry, F_STATUS, &status) == OK)
		need(buf_put_decimal(out, status));
	else if (bytes_starts(outcome, BYTES("aborted_by_")))
		need(buf_put_str(out, "aborted"));
	else if (bytes_equal(outcome, BYTES("in_progress")))
		need(buf_put_str(out, "running"));
	else
		put_visible(out, outcome);
}

static void put_exchange_column(struct buf *out, const struct log_entry *entry, enum column c)
{
	uint64_t us;

	switch (c) {
	case COLUMN_DECISION:
		/* The rules say no, but they only observe. */
		put_pair(out,
			 entry_text(entry, F_VERDICT).len ? BYTES("observed")
							  : entry_text(entry, F_ACTION),
			 BYTES_NONE);
		return;
	case COLUMN_SCOPE:
		put_pair(out, entry_text(entry, F_ENVIRONMENT), entry_text(entry, F_APPLICATION));
		return;
	case COLUMN_MODEL:
		put_pair(out, entry_text(entry, F_PROVIDER), entry_text(entry, F_REQUEST_MODEL));
		return;
	case COLUMN_STATUS:
		put_status(out, entry);
		return;
	case COLUMN_TOKENS:
		put_number_or(out, entry, F_USAGE_INPUT_TOKENS, "-");
		need(buf_put_u8(out, '/'));
		put_number_or(out, entry, F_USAGE_OUTPUT_TOKENS, "-");
		return;
	case COLUMN_MS:
		if (entry_find_u64(entry, F_TOTAL_US, &us) == OK)
			need(buf_put_decimal(out, us / 1000));
		else
			need(buf_put_u8(out, '-'));
		return;
	default:
		return;
	}
}

/* What a record that is no exchange has to say in the wide column. */
static void put_other_column(struct buf *out, const struct log_entry *entry, enum column c)
{
	const char *name = record_kind_name(entry->kind);
	static const enum field said[] = {F_AGREEMENT,   F_SERVER_NAME, F_PROBLEM, F_ACCESS_COMMAND,
					  F_HOLD_ACTION, F_POLICY_PATH, F_REASON};
	static const enum field more[] = {F_ACCESS_ARGUMENTS, F_HOLD_WHAT};

	/* A connection that was decided on. */
	if ((c == COLUMN_DECISION || c == COLUMN_SCOPE) && entry_text(entry, F_ACTION).len)
		put_exchange_column(out, entry, c);
	if (c != COLUMN_MODEL)
		return;
	need(buf_put_str(out, name ? name : "unknown record"));
	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
		struct bytes text = entry_text(entry, said[i]);
		if (text.len) {
			need(buf_put_u8(out, ' '));
			put_visible(out, text);
			break;
		}
	}
	for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
		struct bytes list = entry_text(entry, more[i]);
		while (list.len) {
			need(buf_put_u8(out, ' '));
			put_visible(out, bytes_cut(&list, 0));
		}
	}
}

/* The cell's text, safe for a terminal. */
static void put_column(const struct table *t, struct buf *out, const struct log_entry *entry,
		       enum column c)
{
	switch (c) {
	case COLUMN_TIME:
		put_time_local(out, entry->time_ns, t->dates);
		return;
	case COLUMN_ID:
		need(buf_put(out, bytes_slice(bytes_str(entry->id), 0, t->id_chars)));
		return;
	case COLUMN_PROGRAM:
		put_visible(out, file_name(entry_text(entry, F_EXE)));
		return;
	default:
		if (entry->kind == REC_REQUEST)
			put_exchange_column(out, entry, c);
		else
			put_other_column(out, entry, c);
	}
}

static bool is_today(uint64_t time_ns)
{
	struct buf now = {0}, then = {0};

	put_time_local(&now, sys_now_ns(), true);
	put_time_local(&then, time_ns, true);
	bool same = bytes_equal(bytes_slice(buf_view(&now), 0, DATE_CHARS),
				bytes_slice(buf_view(&then), 0, DATE_CHARS));
	buf_done(&now);
	buf_done(&then);
	return same;
}

/* So many characters that no two of the ids (sorted by time, as ULIDs are) begin alike. */
static size_t id_chars(struct log_entry *const *entries, size_t count)
{
	const char *last = "";
	size_t chars = ID_CHARS_MIN;

	for (size_t i = 0; i < count; i++) {
		const char *id = entries[i]->id;
		size_t same = 0;
		if (!id[0])
			continue;
		while (id[same] && id[same] == last[same])
			same++;
		if (same + 1 > chars)
			chars = same + 1;
		last = id;
	}
	return chars < ULID_CHARS ? chars : ULID_CHARS;
}

/* Takes what is over the terminal's width from the columns that can best spare it. */
static void narrow(struct table *t)
{
	static const enum column sparing[] = {COLUMN_SCOPE, COLUMN_PROGRAM, COLUMN_MODEL};
	int width = (int)print_width(stdout), all = 0;

	for (int c = 0; c < TABLE_COLUMNS; c++)
		all += t->widths[c] + (c ? 2 : 0);
	for (size_t i = 0; width && i < sizeof sparing / sizeof sparing[0] && all > width; i++) {
		int *w = &t->widths[sparing[i]], least = 10;
		int cut = all - width < *w - least ? all - width : *w - least;
		if (cut > 0) {
			*w -= cut;
			all -= cut;
		}
	}
}

void table_fit(struct table *t, struct log_entry *const *entries, size_t count)
{
	bool terminal = print_width(stdout) > 0;

	*t = (struct table){.cut = terminal, .id_chars = id_chars(entries, count)};
	for (size_t i = 0; i < count && !t->dates; i++)
		t->dates = !terminal || !is_today(entries[i]->time_ns);
	for (int c = 0; c < TABLE_COLUMNS; c++)
		t->widths[c] = (int)strlen(columns[c].title);
	for (size_t i = 0; i < count; i++) {
		for (int c = 0; c < TABLE_COLUMNS; c++) {
			struct buf cell = {0};
			put_column(t, &cell, entries[i], (enum column)c);
			int width = (int)text_columns(buf_view(&cell));
			int max = terminal ? columns[c].width_max : CELL_CHARS_MAX;
			width = width < max ? width : max;
			if (width > t->widths[c])
				t->widths[c] = width;
			buf_done(&cell);
		}
	}
	narrow(t);
}

void table_fixed(struct table *t)
{
	bool terminal = print_width(stdout) > 0;

	*t = (struct table){.cut = terminal, .dates = !terminal, .id_chars = 16};
	for (int c = 0; c < TABLE_COLUMNS; c++)
		t->widths[c] = columns[c].width;
	if (!t->dates)
		t->widths[COLUMN_TIME] = 8;
	narrow(t);
}

static enum colour cell_colour(const struct log_entry *entry, enum column c)
{
	struct bytes action = entry_text(entry, F_ACTION);

	if (entry->kind != REC_REQUEST && c != COLUMN_DECISION)
		return DIM;
	if (c != COLUMN_DECISION || !action.len)
		return PLAIN;
	if (bytes_equal(action, BYTES("refuse")))
		return RED;
	return bytes_equal(action, BYTES("rewrite")) || entry_text(entry, F_VERDICT).len ? YELLOW
											 : GREEN;
}

/* One line; `entry` NULL is the head. No spaces at the end. */
static void print_line(const struct table *t, const struct log_entry *entry)
{
	struct buf line = {0};

	for (int c = 0; c < TABLE_COLUMNS; c++) {
		struct buf cell = {0};
		enum colour in = entry ? cell_colour(entry, (enum column)c) : BOLD;
		int width = t->widths[c];
		if (entry)
			put_column(t, &cell, entry, (enum column)c);
		else
			need(buf_put_str(&cell, columns[c].title));
		/* A file or a program behind a pipe has all the room there is. */
		if (!t->cut && text_columns(buf_view(&cell)) > (size_t)width)
			width = (int)text_columns(buf_view(&cell));
		if (c)
			need(buf_put_str(&line, "  "));
		need(buf_put_str(&line, in == PLAIN ? "" : colour(stdout, in)));
		put_cell(&line, buf_view(&cell), columns[c].right ? -width : width);
		need(buf_put_str(&line, in == PLAIN ? "" : colour(stdout, PLAIN)));
		buf_done(&cell);
	}
	while (line.len && line.at[line.len - 1] == ' ')
		line.len--;
	need(buf_put_u8(&line, '\n'));
	print_buf(&line);
	buf_done(&line);
}

void table_print_head(const struct table *t)
{
	print_line(t, NULL);
}

void table_print_entry(const struct table *t, const struct log_entry *entry)
{
	print_line(t, entry);
}
