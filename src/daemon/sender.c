/* SPDX-License-Identifier: MIT */
#include "daemon/sender.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit/record.h"
#include "base/sys.h"
#include "llm/credential.h"

#define LOOK_AGAIN_NS    1000000000u /* what may change in a process that executes nothing new */
#define PROC_BYTES_MAX   (16u << 10)
#define PASSWD_BYTES_MAX (1u << 20)
#define EXE_BYTES_MAX    4096
#define CLAIM_VALUE_MAX  1024
#define PATH_BYTES       64
#define NO_LOGIN_UID     UINT32_MAX

/* ---- /proc ---- */

static bool proc_path(pid_t pid, const char *name, char ret_path[PATH_BYTES])
{
	struct buf path = {0};
	bool fits = !buf_put_str(&path, "/proc/") && !buf_put_decimal(&path, (uint64_t)pid) &&
		    !buf_put_u8(&path, '/') && !buf_put_str(&path, name) && !buf_put_u8(&path, 0) &&
		    path.len <= PATH_BYTES;

	if (fits)
		memcpy(ret_path, path.at, path.len);
	buf_done(&path);
	return fits;
}

/* Replaces *ret_text; empty when it cannot be read. */
static void read_proc(pid_t pid, const char *name, struct buf *ret_text)
{
	char path[PATH_BYTES];

	buf_reset(ret_text);
	if (!proc_path(pid, name, path) || sys_read_file(path, PROC_BYTES_MAX, ret_text))
		buf_reset(ret_text);
}

static void read_exe(pid_t pid, struct buf *ret_exe)
{
	char path[PATH_BYTES], exe[EXE_BYTES_MAX];
	ssize_t n = -1;

	buf_reset(ret_exe);
	if (proc_path(pid, "exe", path))
		n = sys_readlink(path, exe, sizeof exe);
	if (n > 0)
		(void)!buf_put(ret_exe, bytes_of(exe, (size_t)n));
}

/* "0::/system.slice/x.service" (cgroup v2), else the first line's path. */
static struct bytes cgroup_path(struct bytes file)
{
	struct bytes rest = file, first = bytes_cut(&rest, '\n'), line = first;

	while (!bytes_starts(line, BYTES("0::")) && rest.len)
		line = bytes_cut(&rest, '\n');
	if (bytes_starts(line, BYTES("0::")))
		return bytes_from(line, 3);
	bytes_cut(&first, ':');
	bytes_cut(&first, ':');
	return first;
}

/* The words behind "NAME:\t" in /proc/PID/status. */
static struct bytes status_line(struct bytes status, struct bytes name)
{
	while (status.len) {
		struct bytes line = bytes_cut(&status, '\n');
		if (bytes_starts(line, name))
			return bytes_trim(bytes_from(line, name.len));
	}
	return BYTES_NONE;
}

/* Real, effective, saved and file system uid: a process may sign its messages with any of these. */
static bool is_uid_of(struct bytes status, uid_t uid)
{
	struct bytes uids = status_line(status, BYTES("Uid:"));

	while (uids.len) {
		uint64_t one;
		if (!bytes_parse_u64(bytes_cut(&uids, '\t'), UINT32_MAX, &one) && one == uid)
			return true;
	}
	return false;
}

/* name:password:uid:... (passwd(5)). No name service is asked: one that hangs would stop everybody.
 */
static void put_user(struct buf *facts, uid_t uid)
{
	struct buf file = {0};
	struct bytes rest, found = BYTES_NONE;

	if (!sys_read_file("/etc/passwd", PASSWD_BYTES_MAX, &file)) {
		for (rest = buf_view(&file); rest.len && !found.len;) {
			struct bytes line = bytes_cut(&rest, '\n'), name = bytes_cut(&line, ':');
			uint64_t n;
			bytes_cut(&line, ':');
			if (!bytes_parse_u64(bytes_cut(&line, ':'), UINT32_MAX, &n) && n == uid)
				found = name;
		}
	}
	(void)!record_put_if(facts, F_USER, found);
	buf_done(&file);
}

/* ---- is it still the same process? ---- */

static bool has_ended(const struct sender *s)
{
	struct pollfd one = {.fd = s->pidfd_plus_one - 1, .events = POLLIN};
	uint64_t start;

	if (s->pidfd_plus_one)
		return poll(&one, 1, 0) != 0;
	return !sys_process_start((uint64_t)s->who.pid, &start) || start != s->start_ticks;
}

static void forget(struct sender *s)
{
	if (s->pidfd_plus_one)
		close(s->pidfd_plus_one - 1);
	s->pidfd_plus_one = 0;
	s->start_ticks = s->looked_ns = 0;
	s->gone = false;
	buf_reset(&s->exe);
	buf_reset(&s->facts);
}

/* ---- what it says of itself ---- */

enum err sender_claim(struct sender *s, struct bytes fields)
{
	struct cursor c = cursor_over(fields);
	struct record_field field;
	enum err e;

	while ((e = record_next(&c, &field)) == OK)
		;
	if (e != ERR_END)
		return ERR_BAD;
	buf_reset(&s->claim);
	s->looked_ns = 0;
	return buf_put(&s->claim, fields);
}

static bool put_claim(struct buf *list, const char *name, struct bytes value)
{
	bool fits = (list->len == 0 || !buf_put_u8(list, 0)) && !buf_put_str(list, name) &&
		    !buf_put_u8(list, '=');

	for (size_t i = 0; fits && i < value.len && i < CLAIM_VALUE_MAX; i++)
		fits = !buf_put_u8(list, value.at[i] ? value.at[i] : ' ');
	return fits;
}

static void compare_claim(struct buf *list, struct bytes claim, struct bytes facts, enum field f,
			  const char *name)
{
	const struct record_field none = {0};
	struct bytes said = none.value, is = none.value;
	struct buf number = {0};
	uint64_t n;

	if (record_find(claim, f, &said))
		return;
	if (record_find(facts, f, &is) == OK && bytes_equal(said, is))
		return;
	if (record_field_info((unsigned)f)->type == FIELD_U64 &&
	    record_find_u64(claim, f, &n) == OK && !buf_put_decimal(&number, n))
		said = buf_view(&number);
	(void)put_claim(list, name, said);
	buf_done(&number);
}

/* Of its digest the kernel knows nothing: what is said about it is a claim in any case. */
static void put_claims(struct sender *s)
{
	static const struct {
		enum field field;
		const char *name;
	} compared[] = {
		{F_PID, "pid"},
		{F_PPID, "ppid"},
		{F_UID, "uid"},
		{F_USER, "user"},
		{F_LOGIN_UID, "login_uid"},
		{F_EXE, "exe"},
		{F_CGROUP, "cgroup"},
		{F_EXE_SHA256, "exe_sha256"},
	};
	struct bytes facts = buf_view(&s->facts);
	struct buf list = {0};

	if (!s->claim.len || s->claim_pid != s->who.pid)
		return;
	for (size_t i = 0; i < sizeof compared / sizeof compared[0]; i++)
		compare_claim(&list, buf_view(&s->claim), facts, compared[i].field,
			      compared[i].name);
	(void)!record_put_if(&s->facts, F_CLAIMED, buf_view(&list));
	buf_done(&list);
}

/* ---- the facts ---- */

static void put_number(struct buf *facts, enum field f, struct bytes digits, uint64_t unless)
{
	uint64_t n;

	if (!bytes_parse_u64(digits, UINT32_MAX, &n) && n != unless)
		(void)!record_put_u64(facts, f, n);
}

/* Each fact is independent: what cannot be had is left out. */
static void put_from_proc(struct sender *s, struct bytes status)
{
	struct buf text = {0}, scrubbed = {0};
	struct buf *r = &s->facts;
	pid_t pid = s->who.pid;

	put_number(r, F_PPID, status_line(status, BYTES("PPid:")), UINT64_MAX);
	put_user(r, s->who.uid);
	read_proc(pid, "loginuid", &text);
	put_number(r, F_LOGIN_UID, buf_view(&text), NO_LOGIN_UID);
	(void)!record_put_if(r, F_EXE, buf_view(&s->exe));
	read_proc(pid, "cmdline", &text);
	if (!credential_put_text(&scrubbed, buf_view(&text)))
		(void)!record_put_if(r, F_CMDLINE, buf_view(&scrubbed));
	read_proc(pid, "cgroup", &text);
	(void)!record_put_if(r, F_CGROUP, cgroup_path(buf_view(&text)));
	buf_done(&text);
	buf_done(&scrubbed);
}

static enum err put_credentials(struct sender *s)
{
	struct buf *r = &s->facts;
	enum err e;

	buf_reset(r);
	e = record_put_u64(r, F_PID, (uint64_t)s->who.pid);
	if (!e)
		e = record_put_u64(r, F_UID, s->who.uid);
	if (!e)
		e = record_put_u64(r, F_GID, s->who.gid);
	return e;
}

static enum err gather(struct sender *s, uint64_t now_ns)
{
	struct buf status = {0};
	enum err e = put_credentials(s);
	uint64_t start = 0;

	if (e)
		return e;
	s->looked_ns = now_ns;
	s->gone = true;
	read_exe(s->who.pid, &s->exe);
	read_proc(s->who.pid, "status", &status);
	if (s->who.pid > 0 && sys_process_start((uint64_t)s->who.pid, &start) &&
	    is_uid_of(buf_view(&status), s->who.uid)) {
		s->start_ticks = start;
		(void)!record_put_u64(&s->facts, F_PROCESS_START, start);
		put_from_proc(s, buf_view(&status));
		/* Its number was its own all the time: what was read is about it. */
		s->gone = has_ended(s);
	}
	buf_done(&status);
	if (s->gone) {
		e = put_credentials(s);
		return e ? e : record_put(&s->facts, F_FACTS, BYTES("gone"));
	}
	put_claims(s);
	return OK;
}

static bool is_same(const struct sender *s, const struct ucred *who)
{
	return s->facts.len && who->pid == s->who.pid && who->uid == s->who.uid &&
	       who->gid == s->who.gid && !s->gone && !has_ended(s);
}

static bool has_other_exe(const struct sender *s)
{
	struct buf exe = {0};
	bool other;

	read_exe(s->who.pid, &exe);
	other = !bytes_equal(buf_view(&exe), buf_view(&s->exe));
	buf_done(&exe);
	return other;
}

enum err sender_update(struct sender *s, const struct ucred *who, int pidfd, uint64_t now_ns)
{
	if (is_same(s, who)) {
		if (pidfd >= 0)
			close(pidfd);
		if (s->looked_ns && now_ns - s->looked_ns < LOOK_AGAIN_NS && !has_other_exe(s))
			return OK;
		return gather(s, now_ns);
	}
	forget(s);
	s->who = *who;
	if (pidfd < 0 && who->pid > 0)
		pidfd = (int)syscall(SYS_pidfd_open, who->pid, 0);
	s->pidfd_plus_one = pidfd + 1;
	return gather(s, now_ns);
}

/* ---- the record ---- */

/* Nobody but the kernel says these. */
static bool is_fact(unsigned number)
{
	return number >= F_HOST && number <= F_APPEND_ONLY;
}

enum err sender_put_record(const struct sender *s, struct bytes record, struct buf *ret_record)
{
	struct cursor c = cursor_over(record);
	struct record_field field;
	const uint8_t *from = record.at;
	enum err e = buf_reserve(ret_record, record.len + s->facts.len), next;

	/* Copied in runs: most records have nothing to leave out. */
	for (const uint8_t *at = c.at; !e && (next = record_next(&c, &field)) != ERR_END;
	     at = c.at) {
		if (next)
			return ERR_BAD;
		if (!is_fact(field.number))
			continue;
		e = buf_put(ret_record, bytes_of(from, (size_t)(at - from)));
		from = c.at;
	}
	if (!e)
		e = buf_put(ret_record, bytes_of(from, (size_t)(c.at - from)));
	return e ? e : buf_put(ret_record, buf_view(&s->facts));
}

void sender_done(struct sender *s)
{
	forget(s);
	buf_done(&s->exe);
	buf_done(&s->facts);
	buf_done(&s->claim);
	*s = (struct sender){0};
}
