/* SPDX-License-Identifier: MIT
 *
 * A plugin without TLS that is loaded with RTLD_DEEPBIND because it has a `send` and a `dlsym` of
 * its own, which others in the process must not get, and it no others.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	return 1000 + (ssize_t)len;
}

void *dlsym(void *handle, const char *name)
{
	return (void *)name;
}

void deep_show(int fd);

void deep_show(int fd)
{
	static const char text[] = "libc's own write\n";
	ssize_t n = write(fd, text, strlen(text));
	char name[] = "mine";

	dprintf(fd, "write %zd, send %zd, dlsym %s\n", n, send(fd, text, strlen(text), 0),
		dlsym(NULL, name) == (void *)name ? "mine" : "another's");
}
