/* SPDX-License-Identifier: MIT
 *
 * Uses the dynamic loader in the ways of programs that load TLS, or plugins, by hand. Is linked to
 * no TLS library.
 *
 * usage: door_client MODE ARGUMENT...
 *   call [deep] [lazy] [later] HOST PORT MODEL PLUGIN...   loads all plugins (doors/plugin.c) and
 *            has each make a call; deep: RTLD_DEEPBIND; later: loads another library, without the
 *            flag, before it enters them
 *   facts LIBSSL          what dlsym, dlopen, dlerror and errno say
 *   caller [deep] LIBRARY doors/caller.c
 *   deep LIBRARY          doors/deep.c
 *   other                 does the other preload (doors/other.c) still hear of dlsym?
 * Exit: 0, or 3 when something could not be loaded.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noreturn)) static void die(const char *what)
{
	const char *why = dlerror();

	fprintf(stderr, "door_client: %s: %s\n", what, why ? why : "?");
	exit(3);
}

static void *load(const char *file, int flags)
{
	void *handle = dlopen(file, flags);

	if (!handle)
		die(file);
	return handle;
}

static void *find(void *handle, const char *name)
{
	void *found = dlsym(handle, name);

	if (!found)
		die(name);
	return found;
}

static bool take(char ***argument, const char *word)
{
	bool is = **argument && strcmp(**argument, word) == 0;

	*argument += is;
	return is;
}

static void call(char **argument)
{
	int deep = take(&argument, "deep") ? RTLD_DEEPBIND : 0;
	int when = take(&argument, "lazy") ? RTLD_LAZY : RTLD_NOW, count = 0;
	bool later = take(&argument, "later");
	const char *host = argument[0], *model = argument[2];
	int port = atoi(argument[1]), (*plugin_call)(const char *, int, const char *);
	void *plugin[16];

	for (argument += 3; *argument && count < 16; argument++)
		plugin[count++] = load(*argument, when | deep);
	if (later)
		load("libresolv.so.2", RTLD_NOW);
	for (int i = 0; i < count; i++) {
		*(void **)&plugin_call = find(plugin[i], "plugin_call");
		if (plugin_call(host, port, model) < 0)
			puts("no call");
	}
}

static void fact(const char *what, bool is)
{
	const char *error = dlerror();

	printf("%s: %s, errno %d, dlerror %s\n", what, is ? "yes" : "no", errno,
	       error ? error : "none");
}

static void facts(char **argument)
{
	void *libssl, *libm = load("libm.so.6", RTLD_NOW);

	errno = 77;
	fact("libm has cos", dlsym(libm, "cos") != NULL);
	fact("libm has SSL_write", dlsym(libm, "SSL_write") != NULL);
	fact("libm has Bessel", dlsym(libm, "Bessel") != NULL);
	fact("libm has g", dlsym(libm, "g") != NULL);
	fact("libm has the empty name", dlsym(libm, "") != NULL);
	fact("everybody has strlen", dlsym(RTLD_DEFAULT, "strlen") != NULL);
	fact("somebody has Simply", dlsym(RTLD_DEFAULT, "Simply") != NULL);
	fact("the next has strlen", dlsym(RTLD_NEXT, "strlen") != NULL);
	fact("the next has Simply", dlsym(RTLD_NEXT, "Simply") != NULL);
	fact("the same strlen", dlsym(RTLD_NEXT, "strlen") == dlsym(RTLD_DEFAULT, "strlen"));
	fact("the same write", dlsym(RTLD_NEXT, "write") == dlsym(RTLD_DEFAULT, "write"));
	fact("no such file", dlopen("/no/such/file.so", RTLD_NOW) != NULL);
	fact("no such library", dlopen("libno-such.so", RTLD_NOW | RTLD_DEEPBIND) != NULL);
	fact("no such flags", dlopen("libm.so.6", 0) != NULL);
	fact("myself", dlopen(NULL, RTLD_NOW | RTLD_DEEPBIND) != NULL);
	errno = 0;
	libssl = load(argument[0], RTLD_NOW | RTLD_LOCAL);
	errno = 78;
	fact("libssl has SSL_write", dlsym(libssl, "SSL_write") != NULL);
	fact("libssl has BIO_write", dlsym(libssl, "BIO_write") != NULL);
	fact("libssl has SSL_new", dlsym(libssl, "SSL_new") != NULL);
	fact("libssl has SSL_nothing", dlsym(libssl, "SSL_nothing") != NULL);
	fact("the same SSL_read", dlsym(libssl, "SSL_read") == dlsym(libssl, "SSL_read"));
	(void)dlsym(libssl, "SSL_nothing");
	(void)dlsym(libssl, "SSL_write");
	fact("the second call forgets", true);
}

static void caller(char **argument)
{
	int deep = take(&argument, "deep") ? RTLD_DEEPBIND : 0;
	void (*show)(int);

	*(void **)&show = find(load(argument[0], RTLD_NOW | deep), "caller_show");
	show(RTLD_NOW);
	show(RTLD_NOW | RTLD_DEEPBIND);
}

static void deep(char **argument)
{
	void (*show)(int);

	*(void **)&show = find(load(argument[0], RTLD_LAZY | RTLD_DEEPBIND), "deep_show");
	show(1);
	*(void **)&show = find(load(argument[0], RTLD_NOW | RTLD_DEEPBIND), "deep_show");
	show(1);
}

static void other(char **argument)
{
	puts("text");
	printf("%s\n", dlsym(RTLD_DEFAULT, "the other one's") ? "heard" : "not heard");
	printf("%s\n",
	       dlsym(load("libm.so.6", RTLD_NOW), "the other one's") ? "heard" : "not heard");
}

int main(int count, char **argument)
{
	static const struct {
		const char *name;
		void (*run)(char **);
		int least;
	} modes[] = {{"call", call, 4},
		     {"facts", facts, 1},
		     {"caller", caller, 1},
		     {"deep", deep, 1},
		     {"other", other, 0}};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		if (count >= 2 + modes[i].least && strcmp(argument[1], modes[i].name) == 0) {
			modes[i].run(argument + 2);
			return 0;
		}
	}
	fputs("usage: door_client call|facts|caller|deep|other ARGUMENT...\n", stderr);
	return 2;
}
