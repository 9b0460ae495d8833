/* SPDX-License-Identifier: MIT
 *
 * A library with RUNPATH=$ORIGIN/sub, through which its own dlopen finds libinner.so (this file
 * again, with another name) and nobody else's does.
 */
#include <dlfcn.h>
#include <stdio.h>

const char *caller_name(void);
void caller_show(int flags);

#ifdef INNER
const char *caller_name(void)
{
	return "inner";
}
#else
const char *caller_name(void)
{
	return "outer";
}

/* What its own calls give, RTLD_NEXT being what is behind it. */
void caller_show(int flags)
{
	void *inner = dlopen("libinner.so", flags), *next;
	const char *(*name)(void) = NULL;

	if (inner)
		*(void **)&name = dlsym(inner, "caller_name");
	printf("dlopen %s\n", name ? name() : dlerror());
	next = dlsym(RTLD_NEXT, "caller_name");
	printf("next %s\n", next ? "found" : "none");
	next = dlsym(RTLD_DEFAULT, "strlen");
	printf("default %s\n", next ? "found" : "none");
}
#endif
