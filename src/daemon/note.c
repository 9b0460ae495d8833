/* SPDX-License-Identifier: MIT */
#include "daemon/note.h"

#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include "base/sys.h"

#define LINE_BYTES_MAX 2000

static bool with_priorities;

void note_init(bool priorities)
{
	with_priorities = priorities;
}

static void put(char line[LINE_BYTES_MAX], size_t *len, const char *text)
{
	for (; *text && *len < LINE_BYTES_MAX - 1; text++) {
		bool control = (unsigned char)*text < 0x20 || *text == 0x7F;
		line[(*len)++] = (char)(control ? '?' : *text);
	}
}

void note_texts(enum note_priority priority, const char *text, ...)
{
	char line[LINE_BYTES_MAX], head[] = "<0>";
	size_t len = 0, written;
	va_list more;

	head[1] = (char)('0' + priority);
	put(line, &len, with_priorities ? head : "aigwd: ");
	va_start(more, text);
	for (; text; text = va_arg(more, const char *))
		put(line, &len, text);
	va_end(more);
	line[len++] = '\n';
	(void)!sys_write_full(STDERR_FILENO, line, len, &written);
}

void note_error(enum note_priority priority, enum err e, const char *text, const char *more)
{
	note(priority, text, more, ": ", err_text(e));
}
