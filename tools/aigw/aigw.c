/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "audit/seal.h"
#include "base/bytes.h"
#include "recording.h"

#ifndef AIGW_VERSION
#error "AIGW_VERSION comes from the Makefile"
#endif

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static int cmd_help(int argc, char **argv);

static const struct command commands[] = {
	{"init", cmd_init, "set up this user: directories, a key, the observe policy"},
	{"run", cmd_run, "start a program with the gateway inside"},
	{"log", cmd_log, "list what was recorded"},
	{"show", cmd_show, "show one record in full"},
	{"tail", cmd_tail, "show the newest records, and follow"},
	{"grep", cmd_grep, "search what was said"},
	{"verify", cmd_verify, "check that the log is whole"},
	{"export", cmd_export, "write the log for other programs, with a signed manifest"},
	{"evidence", cmd_evidence, "one record with the proof of its place in the log"},
	{"audit-key", cmd_audit_key, "who can read the log: make, list, add, remove keys, rewrap"},
	{"key", cmd_key, "gateway keys: what programs hold in place of the providers' keys"},
	{"retain", cmd_retain, "remove what is older than the policy's retain_days"},
	{"hold", cmd_hold, "keep parts of the log whatever their age"},
	{"drain", cmd_drain,
	 "where records go: how the sinks are, test one, replay what it refused"},
	{"usage", cmd_usage, "add up requests, tokens and cost; compare with an invoice"},
	{"limits", cmd_limits, "what is used of the policy's limits"},
	{"policy", cmd_policy, "check or show the policy"},
	{"providers", cmd_providers, "the providers that are built in, and their endpoints"},
	{"doctor", cmd_doctor, "what of a program, a process or this host is governed"},
	{"help", cmd_help, "explain a command"},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[COMMAND_COUNT];

	for (size_t i = 0; i < COMMAND_COUNT; i++)
		names[i] = commands[i].name;
	const char *near = args_near(name, names, COMMAND_COUNT);
	if (near)
		return args_wrong(NULL, "unknown command '%s'; did you mean '%s'?", name, near);
	return args_wrong(NULL, "unknown command '%s'", name);
}

static void print_usage(FILE *out)
{
	fputs("Usage: aigw COMMAND [OPTION]...\n\n"
	      "The controls of an AI gateway inside any program: what may be called, what was\n"
	      "said, and a sealed record of it.\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\nFirst use:  aigw run -- PROGRAM    then:  aigw log\n"
	      "'aigw help COMMAND' and 'aigw COMMAND --help' say more; the manual: man aigw\n",
	      out);
}

static int cmd_help(int argc, char **argv)
{
	static char ask[] = "--help";

	if (argc < 2 || argv[1][0] == '-') {
		print_usage(stdout);
		return EXIT_FINE;
	}
	if (argc > 2)
		return args_wrong(NULL, "help: unexpected '%s'", argv[2]);
	const struct command *c = find_command(argv[1]);
	if (!c)
		return unknown_command(argv[1]);
	if (c->run == cmd_help) {
		print_usage(stdout);
		return EXIT_FINE;
	}
	char *asked[] = {argv[1], ask, NULL};
	return c->run(2, asked);
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	const char *word = argv[1];
	if (strcmp(word, "--version") == 0) {
		puts("aigw " AIGW_VERSION);
		return EXIT_FINE;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		print_usage(stdout);
		return EXIT_FINE;
	}
	if (word[0] == '-')
		return args_wrong(NULL, "unknown option '%s'", word);
	const struct command *c = find_command(word);
	if (!c)
		return unknown_command(word);
	recording_begin(argc - 1, argv + 1);
	return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	enum err e = seal_init();
	int status;

	if (e) {
		fprintf(stderr, "aigw: the cryptography does not start: %s\n", err_text(e));
		return EXIT_SYSTEM;
	}
	status = run(argc, argv);
	/* A full disk behind `aigw show --raw response > file` must not look like success. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("aigw: standard output");
		return status ? status : EXIT_SYSTEM;
	}
	return status;
}
