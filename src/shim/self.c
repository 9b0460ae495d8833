/* SPDX-License-Identifier: MIT */
#include "shim/self.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit/record.h"
#include "audit/seal.h"
#include "base/sys.h"
#include "llm/credential.h"
#include "shim/init.h"

#ifndef AIGW_VERSION
#error "AIGW_VERSION comes from the Makefile"
#endif

#define VARIABLES_BYTES_MAX (4u << 10)
#define NEAR_BYTES          512u /* more, beside what else each start touches */
#define CMDLINE_BYTES_MAX   (16u << 10)
#define PASSWD_BYTES_MAX    (1u << 20)
#define GROUPS_BYTES_MAX    (1u << 20)
#define EXE_BYTES_MAX       (64u << 20) /* a larger executable is not hashed in the program's time */
#define EXE_WANTED_MAX      (1u << 30)  /* unless the policy asks for its digest */
#define VERSIONS            5           /* `wanted` has four bits and only grows */
#define HASH_STEP_BYTES     (256u << 10)
#define HEX_CHARS           64 /* of a digest */

static char names[][sizeof "AIGW_ENVIRONMENT="] START_DATA = {
	"AIGW=",
	"AIGW_HOME=",
	"AIGW_POLICY=",
	"AIGW_ENVIRONMENT=",
	"XDG_CONFIG_HOME=",
	"XDG_DATA_HOME=",
	"XDG_STATE_HOME=",
	"HOME=",
	"AIGW_EXPLAIN=",
};
#define NAMES (sizeof names / sizeof names[0])

/* Of the above, those that are read here. */
enum { NAME_AIGW = 0, NAME_ENVIRONMENT = 3, NAME_EXPLAIN = 8 };

static char no_name[] START_DATA = "", value_off[] START_DATA = "off", value_yes[] START_DATA = "1";

/* Copies, because a program may overwrite its environment's memory to change its title. */
static struct {
	char *variables[NAMES + 1];
	const char *environment_name;
	bool off, explains;
	dev_t stderr_device;
	ino_t stderr_inode;
	size_t used;
	char storage[NEAR_BYTES];
} kept START_DATA = {.environment_name = no_name};

/* Apart, so that most programs, which have little more than HOME, do not touch it. */
static struct {
	size_t used;
	char storage[VARIABLES_BYTES_MAX];
} kept_too;

/* strlen, strcmp and memcpy would be three more pages of libc for most programs (see shim/init.h);
 * KEEP_LOOP keeps the compiler from making calls of them again. */
#define KEEP_LOOP() __asm__ volatile("")

/* How long `prefix` is, when `text` begins with it; else 0. */
static START_CODE size_t begins(const char *text, const char *prefix)
{
	size_t n = 0;

	for (; prefix[n]; n++) {
		KEEP_LOOP();
		if (text[n] != prefix[n])
			return 0;
	}
	return n;
}

/* `word` is not empty. */
static START_CODE bool is(const char *text, const char *word)
{
	size_t n = begins(text, word);

	return n && !text[n];
}

/* NULL: there is no room left. */
static START_CODE char *keep(const char *variable)
{
	size_t len = 1;
	char *at = NULL;

	while (variable[len - 1]) {
		KEEP_LOOP();
		len++;
	}
	if (len <= sizeof kept.storage - kept.used) {
		at = kept.storage + kept.used;
		kept.used += len;
	} else if (len <= sizeof kept_too.storage - kept_too.used) {
		at = kept_too.storage + kept_too.used;
		kept_too.used += len;
	}
	for (size_t i = 0; at && i < len; i++) {
		KEEP_LOOP();
		at[i] = variable[i];
	}
	return at;
}

START_CODE void self_init(char *const *environment)
{
	size_t count = 0;

	for (; environment && *environment && count < NAMES; environment++) {
		char first = **environment;
		if (first != 'A' && first != 'X' && first != 'H')
			continue;
		for (size_t i = 0; i < NAMES; i++) {
			size_t name = begins(*environment, names[i]);
			char *copy;
			if (!name)
				continue;
			copy = keep(*environment);
			if (!copy)
				break;
			kept.variables[count++] = copy;
			if (i == NAME_AIGW)
				kept.off = is(copy + name, value_off);
			if (i == NAME_ENVIRONMENT)
				kept.environment_name = copy + name;
			if (i == NAME_EXPLAIN)
				kept.explains = is(copy + name, value_yes);
			break;
		}
	}
	/* A privileged program takes no orders from who started it. Whether it is one is asked
	 * where that matters: it lies in a part of libc that few programs touch. */
	if ((kept.off || kept.explains || *kept.environment_name) && getauxval(AT_SECURE)) {
		kept.off = kept.explains = false;
		kept.environment_name = no_name;
	}
	if (kept.explains) {
		struct stat st;
		kept.explains = sys_fstat(STDERR_FILENO, &st) == 0;
		kept.stderr_device = st.st_dev;
		kept.stderr_inode = st.st_ino;
	}
}

START_CODE bool self_is_off(void)
{
	return kept.off;
}

int self_explains(void)
{
	struct stat st;

	/* The number may belong to something else by now. */
	if (!kept.explains || sys_fstat(STDERR_FILENO, &st) < 0 ||
	    st.st_dev != kept.stderr_device || st.st_ino != kept.stderr_inode)
		return -1;
	return STDERR_FILENO;
}

enum err self_places(struct places *ret_places)
{
	char home[PATH_MAX_BYTES];
	struct place_variables v;

	load_variables(kept.variables, home, sizeof home, &v);
	v.privileged = getauxval(AT_SECURE) != 0;
	return load_places(&v, SELF_SYSTEM_POLICY, ret_places);
}

/* ---- facts ---- */

static struct self versions[VERSIONS];
static unsigned current;

/* A file's first line, cut at `cap` - 1 bytes. */
static void read_line(const char *path, char *ret_text, size_t cap)
{
	struct buf b = {0};

	ret_text[0] = '\0';
	if (!sys_read_file(path, cap, &b)) {
		struct bytes rest = buf_view(&b), line = bytes_cut(&rest, '\n');
		if (line.len >= cap)
			line.len = cap - 1;
		if (line.len)
			memcpy(ret_text, line.at, line.len);
		ret_text[line.len] = '\0';
	}
	buf_done(&b);
}

/* name:password:number:... (passwd(5), group(5)); the number itself where the file does not know
 * it. No name service is asked: that would load code into the program. Appended. */
static enum err put_name(struct bytes file, uint64_t number, struct buf *out)
{
	while (file.len) {
		struct bytes line = bytes_cut(&file, '\n'), name = bytes_cut(&line, ':');
		uint64_t found;
		bytes_cut(&line, ':');
		if (name.len && !bytes_parse_u64(bytes_cut(&line, ':'), UINT32_MAX, &found) &&
		    found == number)
			return buf_put(out, name);
	}
	return buf_put_decimal(out, number);
}

static enum err find_user(uint64_t uid, struct buf *ret_name)
{
	struct buf file = {0};
	enum err e;

	buf_reset(ret_name);
	if (sys_read_file("/etc/passwd", PASSWD_BYTES_MAX, &file))
		buf_reset(&file);
	e = put_name(buf_view(&file), uid, ret_name);
	buf_done(&file);
	return e;
}

/* The names of all groups, NUL-separated. */
static enum err find_groups(struct buf *ret_names)
{
	struct buf status = {0}, numbers = {0}, file = {0};
	enum err e = sys_read_file("/proc/self/status", CMDLINE_BYTES_MAX, &status);

	buf_reset(ret_names);
	if (!e)
		e = process_put_groups(buf_view(&status), &numbers);
	if (!e && sys_read_file("/etc/group", GROUPS_BYTES_MAX, &file))
		buf_reset(&file);
	for (struct bytes rest = buf_view(&numbers); !e && rest.len;) {
		uint64_t number = 0;
		e = bytes_parse_u64(bytes_cut(&rest, '\0'), UINT32_MAX, &number);
		if (!e && ret_names->len)
			e = buf_put_u8(ret_names, '\0');
		if (!e)
			e = put_name(buf_view(&file), number, ret_names);
	}
	buf_done(&status);
	buf_done(&numbers);
	buf_done(&file);
	return e;
}

/* Of a process of another user it is not told; nor of one in another PID namespace. */
static enum err find_parent(struct buf *ret_exe)
{
	char exe[PATH_MAX_BYTES];
	struct buf path = {0};
	enum err e = buf_put_str(&path, "/proc/");
	ssize_t n = -1;

	buf_reset(ret_exe);
	if (!e)
		e = buf_put_decimal(&path, (uint64_t)sys_getppid());
	if (!e)
		e = buf_put(&path, bytes_of("/exe", sizeof "/exe"));
	if (!e)
		n = sys_readlink((const char *)path.at, exe, sizeof exe);
	buf_done(&path);
	return n > 0 ? buf_put(ret_exe, bytes_of(exe, (size_t)n)) : ERR_MISSING;
}

static enum err hash_file(const char *path, struct buf *ret_hex)
{
	struct seal_sha256_state state;
	uint8_t digest[32], *step = sys_map(HASH_STEP_BYTES);
	int fd = sys_open(path, O_RDONLY, 0);
	size_t got = HASH_STEP_BYTES;
	enum err e = fd < 0 || !step ? ERR_IO : OK;

	seal_sha256_init(&state);
	while (!e && got == HASH_STEP_BYTES) {
		e = sys_read_full(fd, step, HASH_STEP_BYTES, &got);
		if (!e)
			seal_sha256_feed(&state, bytes_of(step, got));
	}
	seal_sha256_end(&state, digest);
	if (fd >= 0)
		sys_close(fd);
	if (step)
		sys_unmap(step, HASH_STEP_BYTES);
	return e ? e : buf_put_hex(ret_hex, bytes_of(digest, sizeof digest));
}

static enum err put_path(struct buf *b, const char *directory, const char *name)
{
	enum err e = buf_put_str(b, directory);

	if (!e)
		e = buf_put_str(b, "/");
	if (!e)
		e = buf_put_str(b, name);
	return e;
}

static uid_t effective_user(void)
{
	return (uid_t)sys_call(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}

/* A digest that was remembered. Only who could have taken this program's identity anyway, its own
 * user or root, is believed: HOME may be another's, as under sudo. */
static bool read_remembered(const char *path, struct buf *ret_hex)
{
	int fd = sys_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	char hex[HEX_CHARS];
	struct stat st;
	size_t got = 0;
	bool fine;

	if (fd < 0)
		return false;
	fine = sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == HEX_CHARS &&
	       (st.st_uid == 0 || st.st_uid == effective_user()) &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH)) && !sys_read_full(fd, hex, sizeof hex, &got) &&
	       got == sizeof hex;
	sys_close(fd);
	return fine && !buf_put(ret_hex, bytes_of(hex, sizeof hex));
}

/* The digest of an executable is remembered under what identifies its content to the file system:
 * a large one takes longer to read than a request may wait. The time is that of the last change of
 * any kind, which no owner of a file can set back. */
static enum err exe_digest(const struct places *places, uint64_t bytes_max, struct buf *ret_hex)
{
	struct buf path = {0}, name = {0};
	struct stat st;
	enum err e = sys_stat("/proc/self/exe", &st) < 0 ? ERR_IO : OK;
	uint64_t parts[] = {st.st_dev, st.st_ino, (uint64_t)st.st_size,
			    (uint64_t)st.st_ctim.tv_sec * 1000000000u +
				    (uint64_t)st.st_ctim.tv_nsec};

	if (!e)
		e = put_path(&path, places->state, "exe/");
	for (size_t i = 0; !e && i < sizeof parts / sizeof parts[0]; i++) {
		e = buf_put_decimal(&path, parts[i]);
		if (!e)
			e = buf_put_str(&path, i == 3 ? "" : "-");
	}
	if (!e)
		e = buf_put_u8(&path, '\0');
	if (!e && read_remembered((const char *)path.at, ret_hex))
		goto out;
	if (!e && (uint64_t)st.st_size > bytes_max)
		e = ERR_LIMIT;
	if (!e)
		e = hash_file("/proc/self/exe", ret_hex);
	if (!e && !put_path(&name, places->state, "exe") && !buf_put_u8(&name, '\0') &&
	    !sys_make_directories((const char *)name.at, 0700)) {
		int fd = sys_open((const char *)path.at, O_WRONLY | O_CREAT | O_EXCL, 0600);
		size_t wrote;
		if (fd >= 0) {
			if (sys_write_full(fd, ret_hex->at, ret_hex->len, &wrote))
				sys_unlink((const char *)path.at);
			sys_close(fd);
		}
	}
out:
	buf_done(&path);
	buf_done(&name);
	return e;
}

/* 32 random bytes of this user, made by whoever needs them first. */
static bool read_fingerprint_key(const struct places *places, uint8_t ret_key[32])
{
	struct buf path = {0}, content = {0};
	bool fine = false;

	if (put_path(&path, places->keys, "fingerprint.key") || buf_put_u8(&path, '\0'))
		goto out;
	if (sys_read_file((const char *)path.at, 32, &content) == ERR_MISSING &&
	    !sys_make_directories(places->keys, 0700)) {
		uint8_t fresh[32];
		size_t wrote;
		int fd = sys_random(fresh, 32) ? -1
					       : sys_open((const char *)path.at,
							  O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd >= 0) {
			if (sys_write_full(fd, fresh, 32, &wrote))
				sys_unlink((const char *)path.at);
			sys_close(fd);
		}
		wipe(fresh, sizeof fresh);
		(void)!sys_read_file((const char *)path.at, 32, &content);
	}
	fine = content.len == 32;
	if (fine)
		memcpy(ret_key, content.at, 32);
out:
	buf_done(&path);
	buf_done(&content);
	return fine;
}

static void put_number(struct buf *r, const char *path, enum field field)
{
	char text[24];
	uint64_t value;

	read_line(path, text, sizeof text);
	if (!bytes_parse_u64(bytes_str(text), UINT32_MAX - 1, &value))
		(void)!record_put_u64(r, field, value);
}

static void put_cmdline(struct buf *r)
{
	struct buf text = {0}, scrubbed = {0};
	enum err e = sys_read_file("/proc/self/cmdline", CMDLINE_BYTES_MAX, &text);

	if (!e && !credential_put_text(&scrubbed, buf_view(&text)))
		(void)!record_put_if(r, F_CMDLINE, buf_view(&scrubbed));
	buf_done(&text);
	buf_done(&scrubbed);
}

static void find_cgroup(struct buf *ret_path)
{
	struct buf text = {0};

	buf_reset(ret_path);
	if (!sys_read_file("/proc/self/cgroup", CMDLINE_BYTES_MAX, &text))
		(void)!buf_put(ret_path, process_cgroup(buf_view(&text)));
	buf_done(&text);
}

/* What the decision needs. Each line is independent: a fact that cannot be had stays empty. */
static void gather_facts(struct self *s, const struct places *places, uint32_t wanted)
{
	char exe[PATH_MAX_BYTES];
	ssize_t n = sys_readlink("/proc/self/exe", exe, sizeof exe);
	uint64_t exe_max = wanted & WANTS_EXE_SHA256 ? EXE_WANTED_MAX : EXE_BYTES_MAX;

	buf_reset(&s->exe);
	buf_reset(&s->sha256);
	buf_reset(&s->groups);
	buf_reset(&s->parent);
	(void)!buf_put(&s->exe, bytes_of(exe, n > 0 ? (size_t)n : 0));
	(void)!find_user(sys_getuid(), &s->user);
	if (exe_digest(places, exe_max, &s->sha256))
		buf_reset(&s->sha256);
	find_cgroup(&s->cgroup);
	if ((wanted & WANTS_GROUPS) && find_groups(&s->groups))
		buf_reset(&s->groups);
	if ((wanted & WANTS_PARENT) && find_parent(&s->parent))
		buf_reset(&s->parent);
	s->facts = (struct process_facts){
		.exe = buf_view(&s->exe),
		.user = buf_view(&s->user),
		.environment = bytes_str(kept.environment_name),
		.exe_sha256 = buf_view(&s->sha256),
		.groups = buf_view(&s->groups),
		.cgroup = buf_view(&s->cgroup),
		.parent_exe = buf_view(&s->parent),
	};
}

/* Likewise: what cannot be had is left out, never the record. */
static void gather(struct self *s, const struct places *places, uint32_t wanted)
{
	struct buf *r = &s->start;

	buf_reset(r);
	gather_facts(s, places, wanted);
	read_line("/proc/sys/kernel/hostname", s->host, sizeof s->host);
	read_line("/proc/sys/kernel/random/boot_id", s->boot_id, sizeof s->boot_id);
	s->has_fingerprint_key = read_fingerprint_key(places, s->fingerprint_key);

	(void)!record_put_if(r, F_HOST, bytes_str(s->host));
	(void)!record_put_if(r, F_BOOT_ID, bytes_str(s->boot_id));
	(void)!record_put_u64(r, F_PID, (uint64_t)sys_getpid());
	(void)!record_put_u64(r, F_PPID, (uint64_t)sys_getppid());
	(void)!record_put_u64(r, F_UID, sys_getuid());
	(void)!record_put_if(r, F_USER, s->facts.user);
	put_number(r, "/proc/self/loginuid", F_LOGIN_UID);
	(void)!record_put_if(r, F_EXE, s->facts.exe);
	(void)!record_put_if(r, F_EXE_SHA256, s->facts.exe_sha256);
	put_cmdline(r);
	(void)!record_put_if(r, F_CGROUP, s->facts.cgroup);
	(void)!record_put(r, F_AIGW_VERSION, BYTES(AIGW_VERSION));
}

/* The newest version; atomic, as is each one's pid, which is written last. */
static const struct self *known;

const struct self *self_known(uint32_t wanted)
{
	const struct self *s = __atomic_load_n(&known, __ATOMIC_ACQUIRE);

	return s && __atomic_load_n(&s->pid, __ATOMIC_ACQUIRE) == sys_process() &&
			       !(wanted & ~s->wanted)
		       ? s
		       : NULL;
}

const struct self *self_facts(const struct places *places, uint32_t wanted)
{
	int64_t pid = sys_process();
	struct self *s = &versions[current];

	if (s->pid == pid && !(wanted & ~s->wanted))
		return s;
	if (s->pid != pid) {
		current = 0;
	} else {
		/* Others may look at this one: more is known in another. */
		wanted |= s->wanted;
		current = (current + 1) % VERSIONS;
	}
	s = &versions[current];
	gather(s, places, wanted);
	s->wanted = wanted;
	__atomic_store_n(&s->pid, pid, __ATOMIC_RELEASE);
	__atomic_store_n(&known, s, __ATOMIC_RELEASE);
	return s;
}
