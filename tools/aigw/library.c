/* SPDX-License-Identifier: MIT */
#include "library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"

/* Where the library may stand, seen from the directory of this executable. */
static const char *const library_places[] = {"/" LIBRARY_NAME, "/../lib/aigw/" LIBRARY_NAME};

bool library_find(char ret_path[PROGRAM_PATH_MAX])
{
	const char *given = getenv("AIGW_LIB");
	char self[PROGRAM_PATH_MAX / 2];

	if (given && *given) {
		char *whole = realpath(given, NULL);
		snprintf(ret_path, PROGRAM_PATH_MAX, "%s", whole ? whole : given);
		free(whole);
		return access(ret_path, R_OK) == 0;
	}
	ssize_t len = sys_readlink("/proc/self/exe", self, sizeof self - 1);
	if (len <= 0)
		return false;
	self[len] = 0;
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	for (size_t i = 0; i < sizeof library_places / sizeof library_places[0]; i++) {
		char path[PROGRAM_PATH_MAX];
		snprintf(path, sizeof path, "%s%s", self, library_places[i]);
		char *whole = realpath(path, NULL);
		if (whole)
			snprintf(ret_path, PROGRAM_PATH_MAX, "%s", whole);
		free(whole);
		if (whole)
			return true;
	}
	snprintf(ret_path, PROGRAM_PATH_MAX,
		 "%s"
		 "/" LIBRARY_NAME,
		 self);
	return false;
}
