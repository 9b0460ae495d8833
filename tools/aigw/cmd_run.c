/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "base/sys.h"
#include "inspect.h"
#include "library.h"
#include "program.h"
#include "print.h"
#include "setup.h"

#define EXIT_NOT_EXECUTABLE 126 /* as a shell says it */
#define EXIT_NOT_FOUND      127

/* Puts the library in front of LD_PRELOAD, once. */
static void set_preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	struct bytes rest = bytes_str(old), first;
	struct buf value = {0};

	first = bytes_cut(&rest, ':');
	if (bytes_equal(first, bytes_str(library)))
		return;
	need(buf_put_str(&value, library));
	if (old && *old) {
		need(buf_put_u8(&value, ':'));
		need(buf_put_str(&value, old));
	}
	need(buf_put_u8(&value, 0));
	if (setenv("LD_PRELOAD", (const char *)value.at, 1) != 0)
		need(ERR_NOMEM);
	buf_done(&value);
}

static int prepare(const char *program, bool verbose)
{
	char library[PROGRAM_PATH_MAX];
	struct places places;
	struct setup_result made;
	const struct setup_wish wish = {0};
	int status = setup_places(&places);

	if (status)
		return status;
	if (!library_find(library)) {
		print_note("%s: the library is not there; set AIGW_LIB to where it is", library);
		return EXIT_SYSTEM;
	}
	/* ld.so(8): both separate entries of LD_PRELOAD, and there is no way to quote them. */
	if (strpbrk(library, ": ")) {
		print_note(
			"'%s': LD_PRELOAD cannot hold a path with a space or a colon; set AIGW_LIB "
			"to a copy elsewhere",
			library);
		return EXIT_SYSTEM;
	}
	status = setup_make(&places, &wish, &made);
	if (status)
		return status;
	if (made.made_policy)
		print_note("first use: policy %s (allows all, records all)\n"
			   "aigw:            log    %s\n"
			   "aigw:            key    %s (keep a copy: without it the log cannot be "
			   "read)",
			   places.policy, places.audit, made.key_path);
	set_preload(library);
	if (setenv("AIGW_EXPLAIN", "1", 0) != 0)
		need(ERR_NOMEM);
	if (verbose) {
		print_note("LD_PRELOAD=%s", getenv("LD_PRELOAD"));
		print_note("AIGW_EXPLAIN=%s", getenv("AIGW_EXPLAIN"));
		print_note("policy %s%s", places.policy, places.locked ? " (locked)" : "");
		struct buf log = {0};
		setup_audit_directory(&places, &log);
		print_note("log %s", (const char *)log.at);
		buf_done(&log);
		print_note("program %s", program);
	}
	return EXIT_FINE;
}

/* What the policy does with TLS that cannot be looked into; refuses while there is no policy. */
static bool refuses_opaque(void)
{
	struct places places;
	struct policy *policy = NULL;
	bool refuses = true;

	if (setup_places(&places) == EXIT_FINE &&
	    load_policy(places.policy, &policy, NULL, NULL) == OK)
		refuses = policy->transport.opaque_tls_refuse;
	policy_free(policy);
	return refuses;
}

static void warn_opaque(const struct inspection *n)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct tls_row *row = coverage_tls(n->findings[i].tls);
		if (row->reach != REACH_OPAQUE)
			continue;
		print_note("warning: %s: its TLS (%s) cannot be looked into; connections to model "
			   "providers are %s (transport.opaque_tls)",
			   n->path, row->label,
			   refuses_opaque() ? "refused" : "recorded, not what is said in them");
		return;
	}
}

/* Says what the gateway cannot do for the program. False: nothing at all. */
static bool warn(const char *path, bool verbose)
{
	struct inspection look;
	const char *off = getenv("AIGW");
	bool reached = true;

	inspect_start(path, &look);
	if (verbose && strcmp(look.path, path) != 0)
		print_note("interpreter %s", look.path);
	for (int i = 0; i < OBSTACLE_COUNT && reached; i++)
		if (look.obstacles & UINT32_C(1) << i) {
			const struct obstacle_row *row = coverage_obstacle((enum obstacle)i);
			print_note("warning: %s will not be governed or recorded: %s. %s",
				   look.path, row->why, row->advice);
			reached = false;
		}
	if (reached)
		warn_opaque(&look);
	if (off && strcmp(off, "off") == 0) {
		print_note("warning: AIGW=off is set: nothing will be governed or recorded");
		reached = false;
	}
	inspect_done(&look);
	return reached;
}

int cmd_run(int argc, char **argv)
{
	bool strict = false, verbose = false;
	const struct option options[] = {
		{"strict", 0, OPTION_FLAG, &strict, NULL, "do not start what cannot be governed"},
		{"verbose", 'v', OPTION_FLAG, &verbose, NULL, "say what is set for the program"},
	};
	const struct args args = {
		.command = "run",
		.synopsis = "aigw run [--strict] [-v] [--] PROGRAM [ARGUMENT]...",
		.summary = "Starts a program with the gateway inside. What is missing is set up "
			   "first, as\n"
			   "by 'aigw init'.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = SIZE_MAX,
		.stop_at_operand = true,
		.notes = "The exit status is the program's; 127 when it is not found, 126 when it "
			 "cannot be\n"
			 "executed; 1 when --strict kept it from being started.",
	};
	int operands, status;
	char path[PROGRAM_PATH_MAX];

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (operands == 0)
		return args_wrong("run", "which program?");
	argv[operands + 1] = NULL;
	enum err e = program_find(argv[1], path);
	if (e) {
		print_note("%s: %s", argv[1], e == ERR_MISSING ? "not found" : "not executable");
		return e == ERR_MISSING ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	}
	status = prepare(path, verbose);
	if (status)
		return status;
	if (!warn(path, verbose) && strict) {
		print_note("%s was not started (--strict)", argv[1]);
		return EXIT_FINDING;
	}
	fflush(NULL);
	execvp(argv[1], argv + 1);
	int why = errno;
	print_note("%s: %s", argv[1], strerror(why));
	return why == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}
