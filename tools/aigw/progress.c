/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "print.h"

#define STEP_NS     UINT64_C(100000000)
#define BAR_COLUMNS 30
#define ALL_COLUMNS (BAR_COLUMNS + 30)

struct progress progress_begin(const char *what)
{
	const char *term = getenv("TERM");

	return (struct progress){.what = what,
				 .on = print_width(stderr) > 0 &&
				       !(term && strcmp(term, "dumb") == 0),
				 .told_ns = sys_monotonic_ns()};
}

void progress_show(struct progress *p, uint64_t done, uint64_t total)
{
	static const char full[BAR_COLUMNS + 1] = "##############################";
	uint64_t now_ns = p->on ? sys_monotonic_ns() : 0;
	int percent = total == 0 || done >= total ? 100 : (int)((double)done * 100 / (double)total);
	int filled = percent * BAR_COLUMNS / 100;

	if (!p->on || now_ns - p->told_ns < STEP_NS)
		return;
	p->told_ns = now_ns;
	p->shown = true;
	fprintf(stderr, "\r%.20s [%.*s%*s] %3d %%", p->what, filled, full, BAR_COLUMNS - filled, "",
		percent);
}

void progress_clear(struct progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r%*s\r", ALL_COLUMNS, "");
	p->shown = false;
}
