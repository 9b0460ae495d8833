/* SPDX-License-Identifier: MIT
 *
 * Another preload: it stands in front of dlsym the ordinary way, and in front of `puts`, whose real
 * one it asks for with RTLD_NEXT.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

void *dlsym(void *handle, const char *name)
{
	static void *(*real)(void *, const char *);

	if (!real)
		*(void **)&real = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
	if (strcmp(name, "the other one's") == 0)
		return (void *)name;
	return real(handle, name);
}

int puts(const char *text)
{
	static int (*real)(const char *);

	if (!real)
		*(void **)&real = dlvsym(RTLD_NEXT, "puts", "GLIBC_2.2.5");
	printf("other: ");
	return real(text);
}
