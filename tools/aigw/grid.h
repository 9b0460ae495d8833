/* SPDX-License-Identifier: MIT
 *
 * grid: rows of text in aligned columns, under a head. The last column (with `numbers`: the first)
 * is cut at the terminal's width; nothing is cut elsewhere. Rows are kept until they are printed.
 */
#ifndef AIGW_TOOL_GRID_H
#define AIGW_TOOL_GRID_H

#include "print.h"

struct grid {
	size_t columns;
	const char *const *titles;
	bool numbers;      /* all columns but the first are aligned at the right */
	size_t count, cap; /* cells */
	struct grid_cell {
		struct buf text;
		enum colour colour;
	} * cells;
};

/* Appends the next cell, row by row; the text is made visible. */
void grid_put(struct grid *g, enum colour colour, struct bytes text);
void grid_put_str(struct grid *g, enum colour colour, const char *text);

/* To stdout; each line begins with `indent`. Then the grid is empty. */
void grid_print(struct grid *g, const char *indent);

#endif
