/* SPDX-License-Identifier: MIT */
#include "day.h"

#include <string.h>

#include "print.h"

void day_of_path(const char *path, char ret_day[DAY_CHARS + 1])
{
	const char *slash = strrchr(path, '/');

	ret_day[0] = 0;
	if (!slash || slash - path < DAY_CHARS + 1 || slash[-DAY_CHARS - 1] != '/')
		return;
	memcpy(ret_day, slash - DAY_CHARS, DAY_CHARS);
	ret_day[DAY_CHARS] = 0;
}

void day_of_time(uint64_t time_ns, char ret_day[DAY_CHARS + 1])
{
	struct buf text = {0};

	put_time_utc(&text, time_ns);
	memcpy(ret_day, text.at, DAY_CHARS);
	ret_day[DAY_CHARS] = 0;
	buf_done(&text);
}

void day_find_first(const struct segment_place *places, size_t count, size_t days,
		    char ret_day[DAY_CHARS + 1])
{
	char day[DAY_CHARS + 1], last[DAY_CHARS + 1] = "~";

	for (size_t i = count; i-- > 0;) {
		day_of_path(places[i].path, day);
		if (strcmp(day, last) == 0)
			continue;
		if (days-- == 0) {
			memcpy(ret_day, last, sizeof last);
			return;
		}
		memcpy(last, day, sizeof last);
	}
	ret_day[0] = 0;
}
