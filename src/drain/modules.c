/* SPDX-License-Identifier: MIT */
#include "drain/modules.h"

#include <dlfcn.h>
#include <string.h>

#include "base/sys.h"
#include "drain/sink.h"
#include "drain/sink_command.h"
#include "drain/sink_file.h"

#define SYMBOL    "aigw_sink_module"
#define INSTALLED "/lib/aigw/modules"
#define BUILT     "/modules"
#define DELETED   " (deleted)" /* of an executable that was replaced while it runs */

const struct sink_type *const sink_types[] = {&sink_file, &sink_command, NULL};

/* Which module a type is in, and the Debian package with the library that this needs. */
static const struct {
	const char *module, *library;
} modules[DRAIN_TYPES] = {
	[DRAIN_SYSLOG] = {"syslog", "libssl3"},   [DRAIN_HTTPS] = {"http", "libcurl4"},
	[DRAIN_OTLP] = {"http", "libcurl4"},      [DRAIN_S3] = {"http", "libcurl4"},
	[DRAIN_KAFKA] = {"kafka", "librdkafka1"}, [DRAIN_POSTGRES] = {"postgres", "libpq5"},
};

static bool append(char path[MODULES_PATH_MAX], size_t *len, struct bytes text)
{
	if (text.len >= MODULES_PATH_MAX - *len)
		return false;
	if (text.len)
		memcpy(path + *len, text.at, text.len);
	*len += text.len;
	path[*len] = 0;
	return true;
}

/* Without the last part; "" for "/x". */
static struct bytes parent_of(struct bytes path)
{
	while (path.len && path.at[path.len - 1] != '/')
		path.len--;
	return bytes_slice(path, 0, path.len ? path.len - 1 : 0);
}

bool modules_directory(struct bytes exe, char ret_directory[MODULES_PATH_MAX])
{
	struct bytes directory = parent_of(exe);
	size_t len = 0;

	if (exe.len == 0 || exe.at[0] != '/')
		return false;
	if (bytes_ends(directory, BYTES("/bin")) || bytes_ends(directory, BYTES("/sbin")))
		return append(ret_directory, &len, parent_of(directory)) &&
		       append(ret_directory, &len, BYTES(INSTALLED));
	return append(ret_directory, &len, directory) && append(ret_directory, &len, BYTES(BUILT));
}

static enum err module_path(const char *name, char ret_path[MODULES_PATH_MAX])
{
	char exe[MODULES_PATH_MAX];
	ssize_t n = sys_readlink("/proc/self/exe", exe, sizeof exe);
	struct bytes text = bytes_of(exe, n > 0 && n < (ssize_t)sizeof exe ? (size_t)n : 0);
	size_t len;

	if (bytes_ends(text, BYTES(DELETED)))
		text.len -= sizeof DELETED - 1;
	if (!modules_directory(text, ret_path))
		return ERR_MISSING;
	len = strlen(ret_path);
	return append(ret_path, &len, BYTES("/aigw-sink-")) &&
			       append(ret_path, &len, bytes_str(name)) &&
			       append(ret_path, &len, BYTES(".so"))
		       ? OK
		       : ERR_MISSING;
}

static bool is_there(const char *path)
{
	int fd = sys_open(path, 0, 0);

	if (fd >= 0)
		sys_close(fd);
	return fd >= 0;
}

static enum err cannot_load(enum drain_type type, const char *path, struct sink_answer *answer)
{
	const char *problem = dlerror();
	char detail[2 * MODULES_PATH_MAX];
	size_t len = 0;

	if (!is_there(path)) {
		sink_answer(answer, SINK_WRONG, "this kind of sink is not installed: there is no ",
			    bytes_str(path));
		return ERR_MISSING;
	}
	detail[0] = 0;
	(void)(append(detail, &len, bytes_str(modules[type].library)) &&
	       append(detail, &len, BYTES(" is missing, or another version: ")) &&
	       append(detail, &len, bytes_str(problem)));
	sink_answer(answer, SINK_WRONG, "this kind of sink needs a library; the Debian package ",
		    bytes_of(detail, len));
	return ERR_MISSING;
}

static enum err find_in_module(const struct sink_module *module, const char *name,
			       struct sink_answer *answer, const struct sink_type **ret_type)
{
	if (module->version != SINK_MODULE_VERSION ||
	    module->config_bytes != sizeof(struct drain)) {
		sink_answer(answer, SINK_WRONG,
			    "the module is of another version of aigw than this program",
			    BYTES_NONE);
		return ERR_UNSUPPORTED;
	}
	for (size_t i = 0; i < module->count; i++)
		if (strcmp(module->types[i].name, name) == 0) {
			*ret_type = &module->types[i];
			return OK;
		}
	sink_answer(answer, SINK_WRONG,
		    "the module does not have this kind of sink: ", bytes_str(name));
	return ERR_BAD;
}

static enum err load(enum drain_type type, struct sink_answer *answer,
		     const struct sink_type **ret_type)
{
	char path[MODULES_PATH_MAX];
	const struct sink_module *module;
	void *handle;
	enum err e = module_path(modules[type].module, path);

	if (e) {
		sink_answer(answer, SINK_WRONG, "it is not known where modules are: /proc/self/exe",
			    BYTES_NONE);
		return e;
	}
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return cannot_load(type, path, answer);
	module = dlsym(handle, SYMBOL);
	if (module) {
		e = find_in_module(module, drain_type_name(type), answer, ret_type);
	} else {
		sink_answer(answer, SINK_WRONG, "not a module of sinks: ", bytes_str(path));
		e = ERR_BAD;
	}
	if (e)
		dlclose(handle);
	return e;
}

enum err sink_find(enum drain_type type, struct sink_answer *answer,
		   const struct sink_type **ret_type)
{
	const char *name = drain_type_name(type);

	for (size_t i = 0; name && sink_types[i]; i++)
		if (strcmp(sink_types[i]->name, name) == 0) {
			*ret_type = sink_types[i];
			return OK;
		}
	if (!name || !modules[type].module) {
		sink_answer(answer, SINK_WRONG, "no such kind of sink", BYTES_NONE);
		return ERR_USAGE;
	}
	return load(type, answer, ret_type);
}
