/* SPDX-License-Identifier: MIT */
#include "day.h"

#include <string.h>

#include "print.h"

void day_of_path(const char *path, char ret_day[DAY_CHARS + 1])
{
	const char *slash = strrchr(path, '/');
	size_t at = slash ? (size_t)(slash - path) : 0;

	ret_day[0] = 0;
	if (at < DAY_CHARS + 1 || path[at - DAY_CHARS - 1] != '/')
		return;
	memcpy(ret_day, path + at - DAY_CHARS, DAY_CHARS);
	ret_day[DAY_CHARS] = 0;
}

void day_of_time(uint64_t time_ns, char ret_day[DAY_CHARS + 1])
{
	struct buf text = {0};

	text_put_time_utc(&text, time_ns);
	need(text.failed);
	memcpy(ret_day, text.at, DAY_CHARS);
	ret_day[DAY_CHARS] = 0;
	buf_done(&text);
}
