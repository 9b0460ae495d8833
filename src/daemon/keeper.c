/* SPDX-License-Identifier: MIT */
#include "daemon/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aigw/collect.h"
#include "base/sys.h"
#include "daemon/note.h"
#include "drain/config.h"

#define PROBE_FILE      ".append-only"
#define EXE_BYTES_MAX   4096
#define SETTLE_STEP     (256u << 10)
#define LINE_NUMBER_MAX 16
#define SEAL_PREFIX     "sha256:"

/* ---- places ---- */

static bool join(const struct keeper *k, const char *name, char ret_path[SEGMENT_PATH_MAX])
{
	size_t d = strnlen(k->directory, sizeof k->directory), n = strlen(name);

	if (d + n + 2 > SEGMENT_PATH_MAX)
		return false;
	memcpy(ret_path, k->directory, d);
	ret_path[d] = '/';
	memcpy(ret_path + d + 1, name, n + 1);
	return true;
}

static enum err take_directory(struct keeper *k)
{
	char path[SEGMENT_PATH_MAX];
	enum err e = sys_make_directories(k->directory, 0700);
	struct stat st;

	if (!e && stat(k->directory, &st))
		e = err_from_errno(errno);
	if (!e && st.st_uid != geteuid())
		e = ERR_ACCESS;
	/* Nobody else has business in there, whoever made it. */
	if (!e && (st.st_mode & 077) && chmod(k->directory, 0700))
		e = err_from_errno(errno);
	if (!e && !join(k, COLLECT_LOCK_FILE, path))
		e = ERR_LIMIT;
	if (e) {
		note_error(NOTE_WRONG, e, "the log's directory ", k->directory);
		return e;
	}
	k->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->lock_fd < 0) {
		e = err_from_errno(errno);
		note_error(NOTE_WRONG, e, "the lock ", path);
		return e;
	}
	if (flock(k->lock_fd, LOCK_EX | LOCK_NB)) {
		note(NOTE_WRONG, "another collector writes to ", k->directory);
		return ERR_STATE;
	}
	return OK;
}

/* chattr +a: what was appended can then be changed or removed by nobody without
 * CAP_LINUX_IMMUTABLE. */
static bool set_append_only(const char *path, bool on)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), flags = 0;
	bool fine = fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;

	flags = on ? flags | FS_APPEND_FL : flags & ~FS_APPEND_FL;
	fine = fine && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
	if (fd >= 0)
		close(fd);
	return fine;
}

static void probe_append_only(struct keeper *k)
{
	char path[SEGMENT_PATH_MAX];
	int fd;

	if (!join(k, PROBE_FILE, path))
		return;
	(void)set_append_only(path, false); /* left by a kill in the middle of this */
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	close(fd);
	k->append_only = set_append_only(path, true);
	(void)set_append_only(path, false);
	(void)unlink(path);
	if (!k->append_only)
		note(NOTE_WARN, "the file system of ", k->directory,
		     " does not hold files to appending (chattr +a), or it is not permitted here");
}

static void sync_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

/* A new segment has begun: its name must be on the disk before a checkpoint speaks of it. True: one
 * has, and it is not the first. */
static bool mark_new_segment(struct keeper *k)
{
	static const uint8_t none[16];
	char path[SEGMENT_PATH_MAX];
	bool later = memcmp(k->marked_id, none, sizeof none) != 0;
	size_t len = strlen(k->writer.path);

	if (!k->writer.open || memcmp(k->marked_id, k->writer.segment_id, 16) == 0)
		return false;
	memcpy(k->marked_id, k->writer.segment_id, 16);
	memcpy(path, k->writer.path, len + 1);
	while (len && path[len - 1] != '/')
		len--;
	path[len] = '\0';
	sync_path(path);
	sync_path(k->directory);
	if (k->append_only && !set_append_only(k->writer.path, true))
		note(NOTE_WARN, "could not be held to appending: ", k->writer.path);
	if (k->append_only && join(k, LEDGER_FILE, path))
		(void)set_append_only(path, true);
	return later;
}

/* ---- checkpoints ---- */

static void sign(struct keeper *k, enum format_checkpoint_kind kind, uint64_t now_ns)
{
	static const char *const files[] = {LEDGER_FILE, LEDGER_STATE_FILE};
	char path[SEGMENT_PATH_MAX];
	struct segment_tip tip;

	/* What is signed must survive a power cut that the signature survives. */
	if (segment_sync(&k->writer, &k->config, now_ns)) {
		note(NOTE_ALARM, "the log cannot be synced: ", k->directory);
		k->sync_failed = true;
	}
	for (size_t i = 0; !k->synced && i < sizeof files / sizeof files[0]; i++)
		if (join(k, files[i], path))
			sync_path(path);
	segment_tip(&k->writer, &tip);
	if (!checkpoint_make(&k->checkpoints, kind, &tip, k->unsigned_count, now_ns))
		k->unsigned_count = 0;
}

/* ---- the policy ---- */

static void put_digest(struct keeper *k, struct bytes text)
{
	struct buf hex = {0};

	seal_sha256(text, k->config.policy_digest);
	if (!buf_put_str(&hex, SEAL_PREFIX) &&
	    !buf_put_hex(&hex, bytes_of(k->config.policy_digest, 32)) && !buf_put_u8(&hex, 0))
		memcpy(k->digest, hex.at, hex.len);
	buf_done(&hex);
}

static void put_line(uint32_t line, char ret_text[LINE_NUMBER_MAX])
{
	struct buf text = {0};

	ret_text[0] = '\0';
	if (!buf_put_decimal(&text, line) && !buf_put_u8(&text, 0) && text.len <= LINE_NUMBER_MAX)
		memcpy(ret_text, text.at, text.len);
	buf_done(&text);
}

static enum err take_recipients(struct keeper *k, const struct policy *p)
{
	struct recipient fresh[POLICY_RECIPIENTS_MAX] = {0};

	for (size_t i = 0; i < p->audit.recipient_count; i++)
		if (seal_parse_recipient(p->audit.recipients[i], &fresh[i])) {
			note(NOTE_WRONG, k->policy_path, ": an audit recipient is mistyped");
			return ERR_BAD;
		}
	memcpy(k->recipients, fresh, p->audit.recipient_count * sizeof fresh[0]);
	k->recipient_count = p->audit.recipient_count;
	return OK;
}

/* Records are collected whatever stands there; who drains them refuses it. */
static void look_at_drains(const char *path, struct bytes text)
{
	struct policy_problem problem = {0};
	struct drains *drains = NULL;
	char line[LINE_NUMBER_MAX];

	if (drains_parse(text, &drains, &problem)) {
		put_line(problem.line, line);
		note(NOTE_WRONG, "nothing will be drained, for the policy ", path, ":", line, ": ",
		     problem.text);
	}
	drains_free(drains);
}

/* Takes the policy over when it is good. `directory`: take the log's place from it as well. */
static enum err load(struct keeper *k, bool directory)
{
	struct policy_problem problem = {0};
	struct policy *p = NULL;
	struct buf text = {0};
	char line[LINE_NUMBER_MAX];
	enum err e;

	load_file_version(k->policy_path, &k->version);
	e = load_policy(k->policy_path, &p, &text, &problem);
	if (e) {
		put_line(problem.line, line);
		note(NOTE_WRONG, "the policy ", k->policy_path, ":", line, ": ",
		     problem.text[0] ? problem.text : err_text(e));
	} else {
		e = take_recipients(k, p);
	}
	if (!e) {
		look_at_drains(k->policy_path, buf_view(&text));
		put_digest(k, buf_view(&text));
		k->synced = p->audit.durability == DURABLE_SYNCED;
		if (directory && p->audit.directory.len) {
			memcpy(k->directory, p->audit.directory.at, p->audit.directory.len);
			k->directory[p->audit.directory.len] = '\0';
		}
	}
	policy_free(p);
	buf_done(&text);
	return e;
}

static void configure(struct keeper *k)
{
	k->config.directory = k->directory;
	k->config.recipient_count = k->recipient_count;
	k->config.recipients = k->recipients;
	k->config.synced = k->config.grouped = k->synced;
	k->config.host = k->host;
	k->config.boot_id = k->boot_id;
	k->config.start_record = buf_view(&k->start);
}

static void note_policy(struct keeper *k, const char *before, enum err problem, uint64_t now_ns)
{
	struct buf record = {0};

	if (!record_put(&record, F_POLICY_PATH, bytes_str(k->policy_path)) &&
	    !record_put_if(&record, F_POLICY_BEFORE, bytes_str(before)) &&
	    !record_put_if(&record, F_POLICY_AFTER, bytes_str(problem ? "" : k->digest)) &&
	    !record_put_if(&record, F_PROBLEM, bytes_str(problem ? err_text(problem) : "")))
		(void)!keeper_append(k, REC_POLICY_CHANGE, now_ns, buf_view(&record));
	buf_done(&record);
}

static void look_at_policy(struct keeper *k, uint64_t now_ns)
{
	struct file_version now;
	char before[sizeof k->digest];
	enum err e;

	load_file_version(k->policy_path, &now);
	if (file_version_equal(&now, &k->version))
		return;
	memcpy(before, k->digest, sizeof before);
	e = load(k, false);
	configure(k);
	if (e || strcmp(before, k->digest) != 0)
		note_policy(k, before, e, now_ns);
}

void keeper_tick(struct keeper *k, uint64_t now_ns)
{
	look_at_policy(k, now_ns);
	if (k->unsigned_count)
		sign(k, FORMAT_CHECKPOINT_RECORDS, now_ns);
	else if (now_ns - k->checkpoints.made_ns >= CHECKPOINT_IDLE_NS)
		sign(k, FORMAT_CHECKPOINT_IDLE, now_ns);
}

/* ---- the start record ---- */

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

static enum err make_start(struct keeper *k)
{
	char exe[EXE_BYTES_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe);
	struct buf *r = &k->start;
	enum err e;

	read_line("/proc/sys/kernel/hostname", k->host, sizeof k->host);
	read_line("/proc/sys/kernel/random/boot_id", k->boot_id, sizeof k->boot_id);
	e = record_put_if(r, F_HOST, bytes_str(k->host));
	if (!e)
		e = record_put_if(r, F_BOOT_ID, bytes_str(k->boot_id));
	if (!e)
		e = record_put_u64(r, F_PID, (uint64_t)getpid());
	if (!e)
		e = record_put_u64(r, F_UID, geteuid());
	if (!e && n > 0)
		e = record_put(r, F_EXE, bytes_of(exe, (size_t)n));
	if (!e)
		e = record_put(r, F_AIGW_VERSION, BYTES(AIGW_VERSION));
	if (!e)
		e = record_put_bool(r, F_COLLECTOR, true);
	return e ? e : record_put_bool(r, F_APPEND_ONLY, k->append_only);
}

/* ---- the log ---- */

enum err keeper_open(struct keeper *k, const struct keeper_options *options)
{
	const char *directory = options->directory ? options->directory : COLLECT_DIRECTORY;
	char path[SEGMENT_PATH_MAX];
	enum err e;

	*k = (struct keeper){.policy_path = options->policy, .lock_fd = -1};
	k->checkpoints.fd = k->checkpoints.state_fd = -1;
	if (strlen(directory) >= sizeof k->directory)
		return ERR_LIMIT;
	memcpy(k->directory, directory, strlen(directory) + 1);
	if ((e = load(k, !options->directory)) || (e = take_directory(k)))
		return e;
	probe_append_only(k);
	e = make_start(k);
	configure(k);
	if (!e)
		e = checkpoint_open(&k->checkpoints, k->directory, sys_now_ns());
	if (e)
		return e;
	if (k->append_only && join(k, CHECKPOINT_FILE, path))
		(void)set_append_only(path, true);
	sync_path(k->directory);
	k->begun = true;
	if (k->checkpoints.last.number)
		sign(k, FORMAT_CHECKPOINT_START, sys_now_ns());
	return OK;
}

static void tell_gap(struct keeper *k, uint64_t now_ns)
{
	struct buf record = {0};

	if (k->gap_count && !record_put_u64(&record, F_GAP_COUNT, k->gap_count) &&
	    !record_put_u64(&record, F_GAP_SINCE_NS, k->gap_since_ns) &&
	    !segment_append(&k->writer, &k->config, REC_GAP, now_ns, buf_view(&record))) {
		note(NOTE_WARN, "records are kept again; a gap record tells what was lost");
		k->gap_count = 0;
	}
	buf_done(&record);
}

static void count_lost(struct keeper *k, enum err e, uint64_t count, uint64_t now_ns)
{
	if (k->gap_count == 0) {
		k->gap_since_ns = now_ns;
		note_error(NOTE_ALARM, e, "a record cannot be kept in ", k->directory);
	}
	k->gap_count += count;
}

enum err keeper_append(struct keeper *k, enum record_kind kind, uint64_t now_ns,
		       struct bytes record)
{
	enum err e = segment_append(&k->writer, &k->config, kind, now_ns, record);

	if (e) {
		count_lost(k, e, 1, now_ns);
		return e;
	}
	k->unsigned_count++;
	tell_gap(k, now_ns);
	if (mark_new_segment(k))
		sign(k, FORMAT_CHECKPOINT_RECORDS, now_ns);
	return OK;
}

enum err keeper_commit(struct keeper *k, uint64_t now_ns, uint64_t count)
{
	enum err e = k->synced ? segment_sync(&k->writer, &k->config, now_ns) : OK;

	if (k->synced && k->sync_failed)
		e = ERR_IO;
	k->sync_failed = false;
	if (e)
		count_lost(k, e, count, now_ns);
	return e;
}

void keeper_close(struct keeper *k)
{
	enum err e = segment_close(&k->writer, &k->config, sys_now_ns());

	if (e)
		note_error(NOTE_WRONG, e, "the log was not closed: ", k->directory);
	if (k->checkpoints.has_last && k->begun)
		sign(k, FORMAT_CHECKPOINT_END, sys_now_ns());
	checkpoint_close(&k->checkpoints);
	buf_done(&k->start);
	if (k->lock_fd >= 0)
		close(k->lock_fd);
	k->lock_fd = -1;
}
