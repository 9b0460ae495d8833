/* SPDX-License-Identifier: MIT */
#include "policy/load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/sys.h"
#include "policy/phrase.h"

#define PASSWD_PATH      "/etc/passwd"
#define PASSWD_BYTES_MAX (8u << 20)
#define READ_STEP        16384

static uid_t effective_uid(void)
{
	return (uid_t)sys_call(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}

/* The value of a variable; NULL when it is unset or empty, which mean the same here (and in the
 * XDG base directory specification). */
static const char *variable(char *const *environment, struct bytes name)
{
	for (; environment && *environment; environment++) {
		struct bytes entry = bytes_str(*environment);
		if (bytes_starts(entry, name) && entry.len > name.len + 1 &&
		    entry.at[name.len] == '=')
			return *environment + name.len + 1;
	}
	return NULL;
}

/* The home directory of `uid` in the text of a passwd file (passwd(5)); empty when there is none.
 */
static struct bytes passwd_home(struct bytes text, uint64_t uid)
{
	while (text.len) {
		struct bytes line = bytes_cut(&text, '\n'), field[6] = {{0}};
		uint64_t number;

		for (size_t i = 0; i < 6; i++)
			field[i] = bytes_cut(&line, ':');
		if (bytes_parse_u64(field[2], UINT32_MAX, &number) || number != uid)
			continue;
		return field[5];
	}
	return BYTES_NONE;
}

static const char *home_of(uid_t uid, char *storage, size_t cap)
{
	struct buf passwd = {0};
	struct bytes home = BYTES_NONE;
	const char *found = NULL;

	if (!sys_read_file(PASSWD_PATH, PASSWD_BYTES_MAX, &passwd))
		home = passwd_home(buf_view(&passwd), uid);
	if (home.len && home.len < cap && home.at[0] == '/') {
		memcpy(storage, home.at, home.len);
		storage[home.len] = '\0';
		found = storage;
	}
	buf_done(&passwd);
	return found;
}

static bool is_privileged(void)
{
	int before = errno;
	bool secure = getauxval(AT_SECURE) != 0;

	errno = before;
	return secure;
}

void load_variables(char *const *environment, char *home_storage, size_t home_cap,
		    struct place_variables *ret_variables)
{
	struct place_variables v = {.privileged = is_privileged()};

	if (!v.privileged) {
		v.aigw_home = variable(environment, BYTES("AIGW_HOME"));
		v.aigw_policy = variable(environment, BYTES("AIGW_POLICY"));
		v.xdg_config_home = variable(environment, BYTES("XDG_CONFIG_HOME"));
		v.xdg_data_home = variable(environment, BYTES("XDG_DATA_HOME"));
		v.xdg_state_home = variable(environment, BYTES("XDG_STATE_HOME"));
		v.home = variable(environment, BYTES("HOME"));
	}
	if (!v.home || v.home[0] != '/')
		v.home = home_of(effective_uid(), home_storage, home_cap);
	*ret_variables = v;
}

/* directory + "/" + rest, without doubled slashes between them. */
static enum err join(char to[PATH_MAX_BYTES], const char *directory, const char *rest)
{
	size_t a = strlen(directory), b = strlen(rest);

	while (a > 1 && directory[a - 1] == '/')
		a--;
	if (a == 1 && directory[0] == '/')
		a = 0;
	if (a >= PATH_MAX_BYTES || b >= PATH_MAX_BYTES || a + 1 + b >= PATH_MAX_BYTES)
		return ERR_LIMIT;
	memcpy(to, directory, a);
	to[a] = '/';
	memcpy(to + a + 1, rest, b + 1);
	return OK;
}

static bool is_absolute(const char *path)
{
	return path && path[0] == '/';
}

/* An XDG base directory: the variable, else its default below the home directory. The
 * specification has relative paths ignored. */
static enum err join_xdg(char to[PATH_MAX_BYTES], const char *base, const char *home,
			 const char *fallback, const char *rest)
{
	char directory[PATH_MAX_BYTES];
	enum err e;

	if (is_absolute(base))
		return join(to, base, rest);
	if (!is_absolute(home))
		return ERR_MISSING;
	e = join(directory, home, fallback);
	return e ? e : join(to, directory, rest);
}

static enum err place_below(const char *directory, struct places *p)
{
	enum err e = join(p->user_policy, directory, "policy.json");

	if (!e)
		e = join(p->keys, directory, "keys");
	if (!e)
		e = join(p->audit, directory, "audit");
	if (!e)
		e = join(p->state, directory, "state");
	return e;
}

static enum err place_by_xdg(const struct place_variables *v, struct places *p)
{
	/* Of a privileged program the caller of the program does not choose the directories. */
	bool secure = v->privileged;
	const char *config = secure ? NULL : v->xdg_config_home;
	const char *data = secure ? NULL : v->xdg_data_home;
	const char *state = secure ? NULL : v->xdg_state_home;
	enum err e = join_xdg(p->user_policy, config, v->home, ".config", "aigw/policy.json");

	if (!e)
		e = join_xdg(p->keys, config, v->home, ".config", "aigw/keys");
	if (!e)
		e = join_xdg(p->audit, data, v->home, ".local/share", "aigw/audit");
	if (!e)
		e = join_xdg(p->state, state, v->home, ".local/state", "aigw");
	return e;
}

static bool is_absent(int number)
{
	return number == -ENOENT || number == -ENOTDIR;
}

/* When a look at it fails, opening it may still tell that there is nothing. */
static bool path_exists(const char *path)
{
	struct stat st;
	int n = sys_stat(path, &st);

	if (n < 0 && !is_absent(n)) {
		n = sys_open(path, O_PATH | O_NOCTTY, 0);
		if (n >= 0)
			sys_close(n);
	}
	return !is_absent(n);
}

/* True when the host's policy forbids choosing another one, and also when it exists and cannot be
 * read or is broken: then nobody can say that it does not forbid it. */
static bool is_locked(const char *system_policy)
{
	struct policy *p = NULL;
	bool locked;

	if (load_policy(system_policy, &p, NULL, NULL) || !p)
		return true;
	locked = p->locked;
	policy_free(p);
	return locked;
}

static enum err copy_path(char to[PATH_MAX_BYTES], const char *path)
{
	size_t len = strlen(path);

	if (len >= PATH_MAX_BYTES)
		return ERR_LIMIT;
	memcpy(to, path, len + 1);
	return OK;
}

enum err load_places(const struct place_variables *v, const char *system_policy,
		     struct places *ret_places)
{
	struct places p = {0};
	bool has_system = path_exists(system_policy);
	const char *home, *policy;
	enum err e;

	p.locked = has_system && is_locked(system_policy);
	home = v->privileged || p.locked ? NULL : v->aigw_home;
	policy = v->privileged || p.locked ? NULL : v->aigw_policy;
	home = home && *home ? home : NULL;
	policy = policy && *policy ? policy : NULL;
	/* Not ignored as XDG's are: whoever sets one of ours expects it to count. */
	if ((home && !is_absolute(home)) || (policy && !is_absolute(policy)))
		return ERR_USAGE;
	e = home ? place_below(home, &p) : place_by_xdg(v, &p);
	if (e)
		return e;
	p.from_environment = home || policy;
	if (policy)
		e = copy_path(p.policy, policy);
	else if (has_system && !home)
		e = copy_path(p.policy, system_policy);
	else
		e = copy_path(p.policy, p.user_policy);
	if (e)
		return e;
	*ret_places = p;
	return OK;
}

bool file_version_equal(const struct file_version *a, const struct file_version *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed_ns == b->changed_ns;
}

void load_file_version(const char *path, struct file_version *ret_version)
{
	struct stat st;

	*ret_version = (struct file_version){0};
	if (sys_stat(path, &st) < 0)
		return;
	/* The change time, not the modification time: nothing but the kernel sets it, and it also
	 * moves when somebody repairs the permissions of a file that was refused for them. */
	*ret_version = (struct file_version){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.changed_ns = (uint64_t)st.st_ctim.tv_sec * 1000000000u +
			      (uint64_t)st.st_ctim.tv_nsec,
	};
}

static struct phrase whole_file(struct policy_problem *problem)
{
	struct phrase p;

	problem->line = problem->column = 0;
	phrase_init(&p, problem->text, sizeof problem->text);
	return p;
}

static enum err cannot_open(struct policy_problem *problem, long number)
{
	struct phrase p = whole_file(problem);
	enum err e = err_from_errno(number);

	if (e == ERR_MISSING)
		phrase_put(&p, "there is no such policy file; run aigw init to write one");
	else if (e == ERR_ACCESS)
		phrase_put(&p, "this user may not read the policy file; allow it to, or run the "
			       "program as a user who may");
	else
		phrase_put(&p, "the policy file cannot be read: ");
	if (e != ERR_MISSING && e != ERR_ACCESS)
		phrase_put(&p, err_text(e));
	return e;
}

/* A policy that somebody else can change is that person's policy. */
static enum err check_owner(const char *path, const struct stat *st, struct policy_problem *problem)
{
	struct phrase p = whole_file(problem);
	uid_t me = effective_uid();

	if (!S_ISREG(st->st_mode)) {
		phrase_put(&p, "the policy is not a regular file: ");
		phrase_put(&p, path);
		return ERR_ACCESS;
	}
	if (st->st_uid != 0 && st->st_uid != me) {
		phrase_put(&p, "the policy file belongs to user ");
		phrase_put_decimal(&p, st->st_uid);
		phrase_put(&p, ", who is neither root nor the user of this program; run: chown ");
		phrase_put_decimal(&p, me);
		phrase_put(&p, " ");
		phrase_put(&p, path);
		return ERR_ACCESS;
	}
	if (st->st_mode & (S_IWGRP | S_IWOTH)) {
		phrase_put(&p, "the policy file can be changed by ");
		phrase_put(&p, st->st_mode & S_IWOTH ? "everybody" : "its group");
		phrase_put(&p, "; run: chmod go-w ");
		phrase_put(&p, path);
		return ERR_ACCESS;
	}
	return OK;
}

static enum err read_all(int fd, struct buf *text)
{
	for (;;) {
		size_t n = 0;
		enum err e = buf_reserve(text, READ_STEP);
		if (!e)
			e = sys_read_full(fd, text->at + text->len, READ_STEP, &n);
		if (e)
			return e;
		text->len += n;
		if (text->len > POLICY_BYTES_MAX)
			return ERR_LIMIT;
		if (n < READ_STEP)
			return OK;
	}
}

enum err load_policy(const char *path, struct policy **ret_policy, struct buf *ret_text,
		     struct policy_problem *ret_problem)
{
	struct policy_problem unwanted = {0}, *problem = ret_problem ? ret_problem : &unwanted;
	struct policy *policy = NULL;
	struct buf text = {0};
	struct stat st;
	int n = 0;
	/* O_NONBLOCK: a FIFO in the place of the policy must not stop the program. */
	int fd = sys_open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	enum err e;

	if (fd < 0)
		return cannot_open(problem, fd);
	/* Of the opened file, not of the path, which may name another one by now. */
	n = sys_fstat(fd, &st);
	e = n < 0 ? cannot_open(problem, n) : check_owner(path, &st, problem);
	if (e)
		goto out;
	e = read_all(fd, &text);
	if (e) {
		struct phrase p = whole_file(problem);
		phrase_put(&p, e == ERR_LIMIT ? "the policy is larger than 4 MiB" : err_text(e));
		goto out;
	}
	e = policy_parse(buf_view(&text), &policy, problem);
	if (e)
		goto out;
	if (ret_text)
		e = buf_put(ret_text, buf_view(&text));
	if (e) {
		struct phrase p = whole_file(problem);
		phrase_put(&p, err_text(e));
		policy_free(policy);
		goto out;
	}
	*ret_policy = policy;
out:
	buf_done(&text);
	sys_close(fd);
	return e;
}
