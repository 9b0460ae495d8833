/* SPDX-License-Identifier: MIT */
#include "drain/place.h"

#include <string.h>

#include "aigw/collect.h"

static enum err put(char ret_path[PATH_MAX_BYTES], struct bytes directory, const char *separator,
		    struct bytes name, const char *suffix)
{
	struct buf path = {.max = PATH_MAX_BYTES};
	enum err e;

	while (directory.len > 1 && directory.at[directory.len - 1] == '/')
		directory.len--;
	e = buf_put(&path, directory);
	if (!e)
		e = buf_put_str(&path, separator);
	if (!e)
		e = buf_put(&path, name);
	if (!e)
		e = buf_put_str(&path, suffix);
	if (!e)
		e = buf_put_u8(&path, '\0');
	if (!e)
		memcpy(ret_path, path.at, path.len);
	buf_done(&path);
	return e;
}

enum err place_audit(const struct places *places, const struct policy *policy, const char *given,
		     char ret_path[PATH_MAX_BYTES])
{
	struct bytes directory = bytes_str(places->audit);

	if (policy->audit.directory.len)
		directory = policy->audit.directory;
	else if (policy->audit.via == VIA_COLLECTOR)
		directory = BYTES(COLLECT_DIRECTORY);
	if (given)
		directory = bytes_str(given);
	return put(ret_path, directory, "", BYTES_NONE, "");
}

enum err place_sinks(const struct places *places, const struct policy *policy, const char *given,
		     char ret_path[PATH_MAX_BYTES])
{
	struct bytes state = bytes_str(places->state);

	if (policy->audit.via == VIA_COLLECTOR && !places->from_environment)
		state = BYTES(PLACE_HOST_STATE);
	if (given)
		state = bytes_str(given);
	return put(ret_path, state, "/", BYTES(PLACE_SINKS), "");
}

enum err place_file(const char *directory, struct bytes name, const char *suffix,
		    char ret_path[PATH_MAX_BYTES])
{
	return put(ret_path, bytes_str(directory), "/", name, suffix);
}
