/* SPDX-License-Identifier: MIT
 *
 * A program that has all of OpenSSL inside and exports it, as Node.js does, and uses none of it
 * itself: it loads PLUGIN and calls its main with the rest of the arguments.
 *
 * usage: static_host [--deepbind] PLUGIN [ARGUMENT...]
 * Exit: the plugin's; 3 system.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int mode = RTLD_NOW;
	int (*plugin)(int, char **);
	void *loaded, *found;

	if (argc > 1 && strcmp(argv[1], "--deepbind") == 0) {
		mode |= RTLD_DEEPBIND;
		argc--;
		argv++;
	}
	if (argc < 2)
		return 2;
	loaded = dlopen(argv[1], mode);
	found = loaded ? dlsym(loaded, "main") : NULL;
	if (!found) {
		fprintf(stderr, "static_host: %s\n", dlerror());
		return 3;
	}
	memcpy(&plugin, &found, sizeof plugin);
	return plugin(argc - 1, argv + 1);
}
