/* SPDX-License-Identifier: MIT
 *
 * inspect: what a program carries, read off its file, its libraries and its modules on disk;
 * nothing is started. What that means for the gateway is coverage's business.
 */
#ifndef AIGW_TOOL_INSPECT_H
#define AIGW_TOOL_INSPECT_H

#include "coverage.h"
#include "program.h"

#define FINDINGS_MAX  24 /* more kinds and files of TLS are not told */
#define VERSION_BYTES 24
#define LOADER_BYTES  128

struct finding {
	enum tls tls;
	char version[VERSION_BYTES];      /* "" when it is not known */
	char file[PROGRAM_PATH_MAX];      /* where that TLS is */
	char wanted_by[PROGRAM_PATH_MAX]; /* who asks for that file; "" when nobody does */
};

struct inspection {
	char path[PROGRAM_PATH_MAX]; /* the file that is loaded; a script's interpreter */
	bool is_elf;
	bool has_modules;          /* it loads modules, which can bring another TLS */
	char loader[LOADER_BYTES]; /* "" for a static program */
	uint16_t machine;
	uint32_t obstacles, tls; /* sets: bit i for the kind i */
	size_t count;
	struct finding *findings; /* FINDINGS_MAX of them */
};

/* A look at the first pages only, for before a start; the setuid bit counts when it would give
 * this process's user more rights. */
void inspect_start(const char *path, struct inspection *ret_inspection);

/* All of it: symbols, texts in the file, libraries, modules. `path` may be a script, or a shared
 * library. */
void inspect_program(const char *path, struct inspection *ret_inspection);

/* The main program of a process: its file at `path`, shown as `shown`, without libraries. */
void inspect_main(const char *path, const char *shown, struct inspection *ret_inspection);

/* Adds the library at `path`, shown as `shown`, when it is one of TLS or has one inside. */
void inspect_add_library(struct inspection *inspection, const char *path, const char *shown,
			 const char *wanted_by);

void inspect_done(struct inspection *inspection);

/* "OpenSSL 3.0.19 inside" */
void inspect_put_label(struct buf *out, const struct finding *finding);

/* The part of a path behind its last slash. */
const char *inspect_file_name(const char *path);

#endif
