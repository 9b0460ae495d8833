/* SPDX-License-Identifier: MIT */
#include "grid.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX   12
#define CUT_WIDTH_MIN 16 /* the column that is cut keeps that much on a narrow terminal */

void grid_put(struct grid *g, enum colour colour, struct bytes text)
{
	if (g->count == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 64;
		struct grid_cell *more = need_memory(cap * sizeof *more);
		if (g->count)
			memcpy(more, g->cells, g->count * sizeof *more);
		free(g->cells);
		g->cells = more;
		g->cap = cap;
	}
	g->cells[g->count].colour = colour;
	put_visible(&g->cells[g->count].text, text);
	g->count++;
}

void grid_put_str(struct grid *g, enum colour colour, const char *text)
{
	grid_put(g, colour, bytes_str(text));
}

static void put_one(struct buf *line, struct bytes text, enum colour in, int width)
{
	need(buf_put_str(line, in == PLAIN ? "" : colour(stdout, in)));
	put_cell(line, text, width);
	need(buf_put_str(line, in == PLAIN ? "" : colour(stdout, PLAIN)));
}

/* No spaces at the end. */
static void end_line(struct buf *line)
{
	while (line->len && line->at[line->len - 1] == ' ')
		line->len--;
	need(buf_put_u8(line, '\n'));
	print_buf(line);
}

void grid_print(struct grid *g, const char *indent)
{
	int widths[COLUMNS_MAX] = {0}, left = (int)print_width(stdout);
	struct buf line = {0};

	if (!g->columns || g->columns > COLUMNS_MAX)
		return; /* no command has such a table */
	for (size_t c = 0; c < g->columns; c++)
		widths[c] = (int)strlen(g->titles[c]);
	for (size_t i = 0, c = 0; i < g->count; i++, c = c + 1 < g->columns ? c + 1 : 0) {
		int here = (int)text_columns(buf_view(&g->cells[i].text));
		widths[c] = here > widths[c] ? here : widths[c];
	}
	left -= (int)strlen(indent);
	size_t cut = g->numbers ? 0 : g->columns - 1;
	for (size_t c = 0; c < g->columns; c++)
		left -= c == cut ? 0 : widths[c] + 2;
	if (print_width(stdout) && widths[cut] > left)
		widths[cut] = left > CUT_WIDTH_MIN ? left : CUT_WIDTH_MIN;
	/* a negative width fills on the left */
	for (size_t c = 1; g->numbers && c < g->columns; c++)
		widths[c] = -widths[c];
	need(buf_put_str(&line, indent));
	for (size_t c = 0; c < g->columns; c++) {
		put_one(&line, bytes_str(g->titles[c]), BOLD, widths[c]);
		need(buf_put_str(&line, c + 1 < g->columns ? "  " : ""));
	}
	end_line(&line);
	for (size_t i = 0, c = 0; i < g->count; i++, c = c + 1 < g->columns ? c + 1 : 0) {
		need(buf_put_str(&line, c ? "  " : indent));
		put_one(&line, buf_view(&g->cells[i].text), g->cells[i].colour, widths[c]);
		if (c + 1 == g->columns)
			end_line(&line);
		buf_done(&g->cells[i].text);
	}
	buf_done(&line);
	free(g->cells);
	g->cells = NULL;
	g->count = g->cap = 0;
}
