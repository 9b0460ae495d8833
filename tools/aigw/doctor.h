/* SPDX-License-Identifier: MIT
 *
 * doctor: the parts of `aigw doctor`: one program or process (cmd_doctor.c), this installation, and
 * the whole host. All print to stdout and return the exit status.
 */
#ifndef AIGW_TOOL_DOCTOR_H
#define AIGW_TOOL_DOCTOR_H

#include "coverage.h"
#include "inspect.h"
#include "print.h"

int doctor_installation(bool json);
int doctor_host(bool json);

/* ---- a list of checks: what was looked at, whether it is fine, and what to do ---- */

#define CHECKS_MAX 16

struct check {
	const char *name; /* for programs too */
	bool fine;
	struct buf text;
	const char *advice; /* NULL: nothing to do */
};

struct checks {
	size_t count;
	struct check at[CHECKS_MAX];
};

void checks_add(struct checks *checks, const char *name, bool fine, const char *advice,
		const char *format, ...) __attribute__((format(printf, 5, 6)));
bool checks_are_fine(const struct checks *checks);
void checks_print(const struct checks *checks);
/* An array of {"name","fine","found","advice"}. */
void checks_put_json(struct buf *out, const struct checks *checks);
void checks_done(struct checks *checks);

/* Could the loader take the library at `path` into programs? Adds one check. */
void checks_add_library(struct checks *checks, const char *name, const char *path);
/* Starts a program with `preload` in LD_PRELOAD (NULL: as the host has it), and looks whether the
 * library came. Adds one check. */
void checks_add_start(struct checks *checks, const char *preload);

/* ---- in few words, for the tables: "OpenSSL 3, GnuTLS" and "symbol" ---- */

void doctor_put_labels(struct buf *out, const struct inspection *inspection);
void doctor_put_ways(struct buf *out, const struct inspection *inspection);

enum colour doctor_reach_colour(enum reach reach);
enum colour doctor_governed_colour(enum governed governed);

#endif
