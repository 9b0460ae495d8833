/* SPDX-License-Identifier: MIT */
#include "shim/explain.h"

#include <string.h>

#include "base/sys.h"
#include "shim/self.h"

#define LINE_BYTES_MAX 1024 /* a pipe takes a line of this length whole, or not at all */
#define SAID_MAX       64   /* different lines of one process; one more is said each time */

struct line {
	char text[LINE_BYTES_MAX];
	size_t len;
};

/* Names and reasons can hold what a program chose: nothing of it commands the terminal. */
static void put(struct line *l, struct bytes text)
{
	for (size_t i = 0; i < text.len && l->len < sizeof l->text - 1; i++) {
		uint8_t c = text.at[i];
		l->text[l->len++] = (char)(c < ' ' || c == 0x7f ? '?' : c);
	}
}

static void put_str(struct line *l, const char *text)
{
	put(l, bytes_str(text));
}

/* FNV-1a. */
static uint64_t hash(uint64_t h, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		h = (h ^ text.at[i]) * 0x100000001b3u;
	return (h ^ 0xff) * 0x100000001b3u;
}

static bool was_said(struct bytes name, const char *rule)
{
	static uint64_t said[SAID_MAX];
	uint64_t h = hash(hash(0xcbf29ce484222325u, name), bytes_str(rule)) | 1;

	for (size_t i = 0; i < SAID_MAX; i++) {
		uint64_t none = 0;
		if (__atomic_compare_exchange_n(&said[i], &none, h, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return false;
		if (none == h)
			return true;
	}
	return false;
}

/* Neither waits for a reader nor dies (SIGPIPE) because there is none. */
static void say(int fd, struct line *l)
{
	l->text[l->len++] = '\n';
	if (sys_is_writable(fd))
		(void)sys_write(fd, l->text, l->len);
}

void explain_limit(const char *what)
{
	int fd = self_explains();
	struct line l = {.len = 0};

	if (fd < 0)
		return;
	put_str(&l, "aigw: ");
	put_str(&l, what);
	put_str(&l,
		"; what it sends to providers by its own TLS is refused, or let go unseen where "
		"transport.opaque_tls says allow");
	say(fd, &l);
}

void explain_refusal(struct bytes name, const char *rule, const char *reason)
{
	int fd = self_explains();
	struct line l = {.len = 0};

	if (fd < 0 || was_said(name, rule))
		return;
	put_str(&l, "aigw: refused");
	if (name.len) {
		put_str(&l, " for ");
		put(&l, name);
	}
	put_str(&l, ": ");
	put_str(&l, reason);
	put_str(&l, " (");
	put_str(&l, rule);
	put_str(&l, ")");
	say(fd, &l);
}
