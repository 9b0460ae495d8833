/* SPDX-License-Identifier: MIT
 *
 * Where the modules of sinks are, and that one which does not fit is refused with a reason. The
 * modules are made by the Makefile: kafka fits, postgres is of another version, syslog is no
 * module, http does not have what it is asked for first, and has the other.
 */
#include "drain/modules.h"

#include <stdlib.h>
#include <unistd.h>

#include "drain/sink.h"
#include "tap.h"

static void modules_are_beside_the_program(void)
{
	static const struct {
		const char *exe, *directory; /* NULL: none */
	} cases[] = {
		{"/usr/local/bin/aigwd", "/usr/local/lib/aigw/modules"},
		{"/usr/sbin/aigwd", "/usr/lib/aigw/modules"},
		{"/bin/aigwd", "/lib/aigw/modules"},
		{"/home/u/aigw/build/aigwd", "/home/u/aigw/build/modules"},
		{"/opt/cabin/aigwd", "/opt/cabin/modules"},
		{"/aigwd", "/modules"},
		{"aigwd", NULL},
		{"", NULL},
	};
	char directory[MODULES_PATH_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool found = modules_directory(bytes_str(cases[i].exe), directory);
		CHECK(found == (cases[i].directory != NULL));
		if (found)
			CHECK_STR(directory, cases[i].directory);
	}
}

static void a_path_that_is_too_long_has_none(void)
{
	static char exe[MODULES_PATH_MAX + 20];
	char directory[MODULES_PATH_MAX];
	size_t fits = MODULES_PATH_MAX - sizeof "/modules"; /* of the program's directory */

	memset(exe, 'd', sizeof exe);
	exe[0] = exe[fits] = '/';
	CHECK(modules_directory(bytes_of(exe, fits + 2), directory));
	CHECK_U64(strlen(directory), MODULES_PATH_MAX - 1);
	exe[fits] = 'd';
	exe[fits + 1] = '/';
	CHECK(!modules_directory(bytes_of(exe, fits + 3), directory));
}

static void what_is_built_in_needs_no_module(void)
{
	const struct sink_type *type = NULL;
	struct sink_answer answer = {0};

	CHECK_ERR(sink_find(DRAIN_FILE, &answer, &type), OK);
	CHECK(type && strcmp(type->name, "file") == 0);
	CHECK_ERR(sink_find(DRAIN_COMMAND, &answer, &type), OK);
	CHECK(type && strcmp(type->name, "command") == 0);
	CHECK(sink_types[0] && sink_types[1] && !sink_types[2]);
	CHECK_ERR(sink_find(DRAIN_TYPES, &answer, &type), ERR_USAGE);
}

static void a_module_that_fits_is_used(void)
{
	const struct sink_type *type = NULL;
	struct sink_answer answer = {0};
	struct sink_batch batch = {.count = 7};

	CHECK_ERR(sink_find(DRAIN_KAFKA, &answer, &type), OK);
	CHECK(type && strcmp(type->name, "kafka") == 0);
	if (type)
		type->send(NULL, &batch, &answer);
	CHECK_U64(answer.retry_after_ms, 7);
	CHECK_ERR(sink_find(DRAIN_OTLP, &answer, &type), OK);
	CHECK(type && strcmp(type->name, "otlp") == 0);
}

static void check_refused(enum drain_type type, enum err expected, const char *text)
{
	const struct sink_type *found = NULL;
	struct sink_answer answer = {0};

	CHECK_ERR(sink_find(type, &answer, &found), expected);
	CHECK(found == NULL && answer.result == SINK_WRONG);
	if (!strstr(answer.text, text))
		tap_fail(__FILE__, __LINE__, "%s", answer.text);
}

static void a_module_that_does_not_fit_is_refused(void)
{
	check_refused(DRAIN_POSTGRES, ERR_UNSUPPORTED, "another version of aigw");
	check_refused(DRAIN_SYSLOG, ERR_BAD, "not a module of sinks: ");
	check_refused(DRAIN_HTTPS, ERR_BAD, "does not have this kind of sink: https");
}

/* The variable is what a loader looks at, and we do not. */
static void no_variable_says_where_modules_are(void)
{
	const struct sink_type *type = NULL;
	struct sink_answer answer = {0};

	setenv("LD_LIBRARY_PATH", "/nowhere", 1);
	CHECK_ERR(sink_find(DRAIN_KAFKA, &answer, &type), OK);
}

/* Last: the module is taken away. */
static void a_module_that_is_missing_is_named(void)
{
	char link[MODULES_PATH_MAX], path[MODULES_PATH_MAX + 40], away[MODULES_PATH_MAX + 50];
	ssize_t n = readlink("/proc/self/exe", link, sizeof link);

	CHECK(n > 0 && modules_directory(bytes_of(link, n > 0 ? (size_t)n : 0), path));
	strcat(path, "/aigw-sink-postgres.so");
	snprintf(away, sizeof away, "%s.away", path);
	CHECK(rename(path, away) == 0);
	check_refused(DRAIN_POSTGRES, ERR_MISSING,
		      "this kind of sink is not installed: there is no /");
	CHECK(rename(away, path) == 0);
}

int main(void)
{
	RUN_TESTS(TEST(modules_are_beside_the_program), TEST(a_path_that_is_too_long_has_none),
		  TEST(what_is_built_in_needs_no_module), TEST(a_module_that_fits_is_used),
		  TEST(a_module_that_does_not_fit_is_refused),
		  TEST(no_variable_says_where_modules_are),
		  TEST(a_module_that_is_missing_is_named));
}
