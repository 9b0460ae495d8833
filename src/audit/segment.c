/* SPDX-License-Identifier: MIT */
#include "audit/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "audit/frame.h"
#include "audit/place.h"
#include "base/large.h"
#include "base/sys.h"

_Static_assert((int)SEAL_XCHACHA20_POLY1305 == (int)FORMAT_CIPHER_XCHACHA20_POLY1305, "");
_Static_assert((int)SEAL_AES_256_GCM == (int)FORMAT_CIPHER_AES_256_GCM, "");
_Static_assert((int)SEAL_AES_256_GCM_TREE == (int)FORMAT_CIPHER_AES_256_GCM_TREE, "");

#define APPEND_FLAGS    (O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
#define CREATE_FLAGS    (O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_NOCTTY)
#define NS_PER_DAY      (86400ull * 1000000000u)
#define FRAME_KEEP      (1u << 20) /* a larger frame buffer is given back after use */
#define FRAME_FIRST_CAP (16u << 10)
#define KEEP_NS         1000000000u
#define END_BYTES_MAX   32 /* plaintext of the `end` record */
#define WAS_REPLACED    UINT64_MAX

/* ---- the writer's memory ---- */

/* In a page of its own. The child of a fork finds zeros there: it can neither seal with its
 * parent's keys nor mistake the segment for its own, and no system call is needed to tell. */
struct segment_secret {
	uint64_t here; /* 1 */
	uint8_t key[SEAL_KEY_BYTES];
};

static enum err map_secret(struct segment_writer *w)
{
	w->secret = sys_map(sizeof *w->secret);
	if (!w->secret)
		return ERR_NOMEM;
	w->pid_tells = sys_wipe_on_fork(w->secret, sizeof *w->secret) < 0;
	w->secret->here = 1;
	return OK;
}

static bool is_forked(const struct segment_writer *w)
{
	if (w->open && !w->pid_tells)
		return w->secret->here == 0;
	return (w->open || w->owes) && w->pid != sys_getpid();
}

static bool is_same_file(const struct segment_writer *w, const struct stat *st)
{
	return (uint64_t)st->st_dev == w->device && (uint64_t)st->st_ino == w->inode &&
	       S_ISREG(st->st_mode);
}

/* A number that no longer names our file was closed and reused by the program: it is not ours to
 * close. */
static void drop_descriptor(struct segment_writer *w)
{
	struct stat st;

	if (w->fd_plus_one && sys_fstat(w->fd_plus_one - 1, &st) == 0 && is_same_file(w, &st))
		sys_close(w->fd_plus_one - 1);
	w->fd_plus_one = 0;
}

void segment_forget(struct segment_writer *w)
{
	drop_descriptor(w);
	if (w->secret) {
		wipe(w->secret, sizeof *w->secret);
		sys_unmap(w->secret, sizeof *w->secret);
	}
	large_give(w->frame, w->frame_cap);
	wipe(w, sizeof *w);
}

static void drop_frame(struct segment_writer *w)
{
	w->frame_len = w->frame_digested = 0;
	if (w->frame_cap > FRAME_KEEP) {
		large_give(w->frame, w->frame_cap);
		w->frame = NULL;
		w->frame_cap = 0;
	}
}

/* Room for a frame; what the buffer held is gone. It only ever holds what is on the disk too. */
static enum err reserve_frame(struct segment_writer *w, size_t len)
{
	size_t cap = len > FRAME_FIRST_CAP ? len : FRAME_FIRST_CAP;
	uint8_t *at;

	w->frame_len = w->frame_digested = 0;
	if (len <= w->frame_cap)
		return OK;
	at = large_take(cap, &cap);
	if (!at)
		return ERR_NOMEM;
	large_give(w->frame, w->frame_cap);
	w->frame = at;
	w->frame_cap = cap;
	return OK;
}

static size_t bytes_due(const struct segment_writer *w)
{
	return w->frame_len - w->frame_digested;
}

static void digest_due(struct segment_writer *w, size_t len)
{
	file_digest_feed(&w->digest, bytes_of(w->frame + w->frame_digested, len));
	w->frame_digested += len;
}

/* All of it. */
static void settle(struct segment_writer *w)
{
	if (w->open && bytes_due(w))
		digest_due(w, bytes_due(w));
	drop_frame(w);
}

bool segment_settle(struct segment_writer *w, size_t bytes_max)
{
	size_t step = file_digest_step(&w->digest), due = bytes_due(w);
	size_t begun = (w->offset - due) % step, whole = (begun + due) / step;
	size_t now = bytes_max > step ? bytes_max / step : 1;

	if (now > whole)
		now = whole;
	if (w->open && now)
		digest_due(w, now * step - begun);
	if (w->open && now < whole)
		return true;
	/* The beginning of a step waits for its end, but not in a large buffer. */
	if (!bytes_due(w) || w->frame_cap > FRAME_KEEP)
		settle(w);
	return false;
}

/* Room behind what is not digested yet, for a program that leaves no time to digest it; only when
 * that is much, it is done now. */
static enum err make_room(struct segment_writer *w, size_t len)
{
	size_t due = bytes_due(w), cap = w->frame_cap;
	uint8_t *at;

	if (len <= w->frame_cap - w->frame_len)
		return OK;
	if (due == 0 || due > FRAME_KEEP || len > FRAME_KEEP - due) {
		settle(w);
		return reserve_frame(w, len);
	}
	if (due + len <= cap) {
		memmove(w->frame, w->frame + w->frame_digested, due);
		w->frame_len = due;
		w->frame_digested = 0;
		return OK;
	}
	while (cap < due + len)
		cap *= 2;
	at = large_take(cap, &cap);
	if (!at)
		return ERR_NOMEM;
	memcpy(at, w->frame + w->frame_digested, due);
	large_give(w->frame, w->frame_cap);
	w->frame = at;
	w->frame_cap = cap;
	w->frame_len = due;
	w->frame_digested = 0;
	return OK;
}

/* Back to closed, but for what the ledger has not been told. */
static void shut(struct segment_writer *w)
{
	bool owes = w->owes, sync_lost = w->sync_lost;
	int64_t pid = w->pid;
	struct ledger_entry owed = w->owed;

	segment_forget(w);
	w->pid = pid;
	w->owes = owes;
	w->sync_lost = sync_lost;
	if (owes)
		w->owed = owed;
}

/* ---- the ledger's view ---- */

static struct ledger_config ledger_config_of(const struct segment_config *c)
{
	return (struct ledger_config){c->directory, c->recipient_count, c->recipients, c->boot_id,
				      c->synced};
}

static enum err pay_ledger(struct segment_writer *w, const struct segment_config *config,
			   uint64_t now_ns)
{
	struct ledger_config ledger = ledger_config_of(config);
	enum err e;

	if (!w->owes)
		return OK;
	e = ledger_append(&ledger, now_ns, &w->owed);
	if (!e)
		w->owes = false;
	return e;
}

/* The segment is not to be written to any more. `partial` bytes behind those in the frame buffer
 * went out behind the valid length; the note stays owed when the ledger cannot take it now. */
static void give_up(struct segment_writer *w, const struct segment_config *config, uint64_t now_ns,
		    enum format_given_up_why why, uint64_t found_bytes, size_t partial)
{
	struct ledger_entry note = {
		.kind = FORMAT_LEDGER_GIVEN_UP,
		.records = w->sequence,
		.bytes = w->offset,
		.found_bytes = found_bytes,
		.why = (uint32_t)why,
	};

	w->sync_lost |= w->unsynced;
	memcpy(note.segment_id, w->segment_id, sizeof note.segment_id);
	memcpy(note.chain, w->chain, sizeof note.chain);
	digest_due(w, bytes_due(w));
	file_digest_end(&w->digest, note.digest);
	if (found_bytes != WAS_REPLACED && found_bytes == w->offset + partial) {
		struct file_digest found = w->digest;
		file_digest_feed(&found, bytes_of(w->frame + w->frame_len, partial));
		file_digest_end(&found, note.found_digest);
		note.has_found_digest = true;
	}
	w->owes = true;
	w->owed = note;
	shut(w);
	(void)pay_ledger(w, config, now_ns);
}

/* ---- one frame ---- */

/* Seals `plain` as the next record into `to`; the writer's state does not move. */
static enum err seal_frame(const struct segment_writer *w, unsigned kind, uint64_t now_ns,
			   struct bytes plain, uint8_t *to, uint8_t ret_next_key[32],
			   uint8_t ret_next_chain[32])
{
	uint8_t record_key[SEAL_KEY_BYTES];
	uint8_t *tag = to + sizeof(struct format_frame) + plain.len;
	struct format_frame head = {
		.kind = (uint16_t)kind,
		.sequence = w->sequence,
		.time_ns = now_ns,
		.body_bytes = (uint32_t)plain.len,
	};
	/* Random although each key is used once: a restored snapshot replays the ratchet. */
	enum err e = sys_nonce(head.nonce);

	if (e)
		return e;
	memcpy(head.magic, FORMAT_FRAME_MAGIC, sizeof head.magic);
	memcpy(head.previous, w->chain, sizeof head.previous);
	head.crc = frame_crc32c(0, bytes_of(&head, offsetof(struct format_frame, crc)));
	frame_step(w->secret->key, record_key, ret_next_key);
	memcpy(to, &head, sizeof head);
	seal_encrypt(w->cipher, record_key, head.nonce, bytes_of(to, sizeof head), plain,
		     to + sizeof head, tag);
	frame_chain(&head, tag, ret_next_chain);
	wipe(record_key, sizeof record_key);
	return OK;
}

static unsigned doubts; /* atomic */

void segment_doubt(int fd)
{
	if (__builtin_expect(fd >= SEGMENT_FD_MIN, 0))
		__atomic_add_fetch(&doubts, 1, __ATOMIC_RELEASE);
}

/* The descriptor kept from the last append: good for a second, after which the path is looked at
 * again, and looked at before each use, but for those within SEGMENT_LOOK_NS of a look. A program
 * that closes all it has and opens others gets the lowest numbers for them, not this one; a write
 * to a number that is closed fails, and then it is looked at all the same. -1: none. */
static int kept_descriptor(struct segment_writer *w, uint64_t now_ns, struct stat *ret_st)
{
	unsigned now_doubts = __atomic_load_n(&doubts, __ATOMIC_ACQUIRE);

	w->trusted = false;
	if (!w->fd_plus_one)
		return -1;
	if (now_ns - w->fd_since_ns < KEEP_NS) {
		if (now_ns - w->looked_ns < SEGMENT_LOOK_NS && w->doubts == now_doubts) {
			w->trusted = true;
			ret_st->st_size = (off_t)w->offset;
			return w->fd_plus_one - 1;
		}
		if (sys_fstat(w->fd_plus_one - 1, ret_st) == 0 && is_same_file(w, ret_st) &&
		    ret_st->st_nlink > 0) {
			w->looked_ns = now_ns;
			w->doubts = now_doubts;
			return w->fd_plus_one - 1;
		}
	}
	drop_descriptor(w);
	return -1;
}

/* Moves it out of the program's way to stay there; where there is no room, it serves once. */
static int keep_descriptor(struct segment_writer *w, int fd, uint64_t now_ns)
{
	long high = sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, SEGMENT_FD_MIN, 0, 0, 0);

	if (high < 0)
		return fd;
	sys_close(fd);
	w->fd_plus_one = (int)high + 1;
	w->fd_since_ns = w->looked_ns = now_ns;
	w->doubts = __atomic_load_n(&doubts, __ATOMIC_ACQUIRE);
	return (int)high;
}

static void finish_append(const struct segment_writer *w, int fd)
{
	if (fd >= 0 && w->fd_plus_one != fd + 1)
		sys_close(fd);
}

/* Opens the segment's file for an append; gives the segment up when it is not what we left.
 * ERR_STATE: given up. */
static enum err open_for_append(struct segment_writer *w, const struct segment_config *config,
				uint64_t now_ns, int *ret_fd)
{
	struct stat st;
	int fd = kept_descriptor(w, now_ns, &st);

	if (fd < 0) {
		fd = sys_open(w->path, APPEND_FLAGS, 0);
		/* Says nothing about the file: too many descriptors, or a file system that is
		 * read-only for now, or gone bad. */
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -EINTR ||
		    fd == -EROFS || fd == -EIO || fd == -ESTALE)
			return err_from_errno(fd);
		/* Nor does that it may not be written to any more; another one may be. */
		if (fd == -EACCES || fd == -EPERM) {
			give_up(w, config, now_ns, FORMAT_WHY_SHORT_WRITE, w->offset, 0);
			return ERR_STATE;
		}
		if (fd < 0) {
			give_up(w, config, now_ns, FORMAT_WHY_VANISHED, WAS_REPLACED, 0);
			return ERR_STATE;
		}
		int n = sys_fstat(fd, &st);
		if (n < 0) {
			sys_close(fd);
			return err_from_errno(n);
		}
		if (!is_same_file(w, &st)) {
			sys_close(fd);
			give_up(w, config, now_ns, FORMAT_WHY_REPLACED, WAS_REPLACED, 0);
			return ERR_STATE;
		}
		fd = keep_descriptor(w, fd, now_ns);
	}
	if ((uint64_t)st.st_size != w->offset) {
		finish_append(w, fd);
		give_up(w, config, now_ns, FORMAT_WHY_SIZE, (uint64_t)st.st_size, 0);
		return ERR_STATE;
	}
	*ret_fd = fd;
	return OK;
}

/* Seals and appends to the open segment. On failure w->open says whether the segment lives on;
 * ERR_STATE: another segment may do better. */
static enum err write_record(struct segment_writer *w, const struct segment_config *config,
			     unsigned kind, uint64_t now_ns, struct bytes plain)
{
	size_t len = FORMAT_FRAME_MIN + plain.len, written = 0;
	uint8_t next_key[SEAL_KEY_BYTES], next_chain[SEAL_DIGEST_BYTES];
	int fd = -1, synced = 0;
	enum err e;

	/* Behind what is not digested yet: the buffer holds the file's last bytes. */
	if ((e = make_room(w, len)) ||
	    (e = seal_frame(w, kind, now_ns, plain, w->frame + w->frame_len, next_key,
			    next_chain)) ||
	    (e = open_for_append(w, config, now_ns, &fd)))
		goto out;
	e = sys_write_full(fd, w->frame + w->frame_len, len, &written);
	if (e && !written && w->trusted) {
		/* Perhaps not our file: once more, after a look. */
		w->looked_ns = 0;
		if ((e = open_for_append(w, config, now_ns, &fd)))
			goto out;
		e = sys_write_full(fd, w->frame + w->frame_len, len, &written);
	}
	/* The `end` record takes along what waits in its file. */
	if (!e && config->synced && (!config->grouped || kind == REC_END))
		synced = sys_fdatasync(fd);
	finish_append(w, fd);
	if (!e && synced == 0) {
		w->unsynced = !config->synced || (config->grouped && kind != REC_END);
		w->frame_len += len;
		w->offset += len;
		w->sequence++;
		memcpy(w->secret->key, next_key, sizeof next_key);
		memcpy(w->chain, next_chain, sizeof next_chain);
		goto out;
	}
	if (synced < 0) {
		/* What a second fdatasync says about these bytes is worth nothing. */
		give_up(w, config, now_ns, FORMAT_WHY_SYNC, w->offset + len, len);
		e = err_from_errno(synced);
	} else if (written || e != ERR_FULL) {
		give_up(w, config, now_ns, FORMAT_WHY_SHORT_WRITE, w->offset + written, written);
	}
	if (e != ERR_FULL)
		e = ERR_STATE;
out:
	wipe(next_key, sizeof next_key);
	return e;
}

/* ---- a new segment ---- */

/* The header with its recipients and digest into `to`; the writer's key and chain start there. */
static enum err build_header(struct segment_writer *w, const struct segment_config *config,
			     uint64_t now_ns, uint8_t *to, size_t *ret_len, uint8_t ret_digest[32])
{
	struct format_segment header = {
		.version = FORMAT_VERSION,
		.cipher = (uint16_t)w->cipher,
		.pid = (uint64_t)w->pid,
		.started_ns = now_ns,
		.recipient_count = (uint16_t)config->recipient_count,
	};
	size_t len = sizeof header;
	uint8_t secret[SEAL_KEY_BYTES];
	enum err e = sys_random(secret, sizeof secret);

	if (!sys_process_start((uint64_t)w->pid, &header.process_start))
		header.process_start = 0; /* unknown */
	header.header_bytes = (uint32_t)(sizeof header +
					 config->recipient_count * sizeof(struct format_recipient) +
					 FORMAT_DIGEST_BYTES);
	memcpy(header.magic, FORMAT_SEGMENT_MAGIC, sizeof header.magic);
	memcpy(header.segment_id, w->segment_id, sizeof header.segment_id);
	memcpy(header.policy_digest, config->policy_digest, sizeof header.policy_digest);
	memcpy(header.host, config->host ? config->host : "", place_host_length(config->host));
	for (size_t i = 0; config->boot_id && config->boot_id[i] && i < sizeof header.boot_id; i++)
		header.boot_id[i] = (uint8_t)config->boot_id[i];
	ledger_tip(config->directory, &header.ledger_entries, header.ledger_chain);
	frame_commitment(secret, w->segment_id, header.commitment);
	memcpy(to, &header, sizeof header);
	for (size_t i = 0; !e && i < config->recipient_count; i++) {
		struct format_recipient box = {0};
		memcpy(box.key_id, config->recipients[i].key_id, sizeof box.key_id);
		e = seal_box(&config->recipients[i], secret, box.box);
		memcpy(to + len, &box, sizeof box);
		len += sizeof box;
		memcpy(w->recipients[i], config->recipients[i].public_key, SEAL_KEY_BYTES);
	}
	if (!e) {
		struct bytes all = bytes_of(to, len);
		seal_digest(NULL, &all, 1, ret_digest);
		memcpy(to + len, ret_digest, FORMAT_DIGEST_BYTES);
		*ret_len = len + FORMAT_DIGEST_BYTES;
		w->recipient_count = config->recipient_count;
		frame_start_key(secret, ret_digest, w->secret->key);
		frame_start_chain(ret_digest, w->chain);
	}
	wipe(secret, sizeof secret);
	return e;
}

/* A header written in place would look damaged when we are killed: written beside, synced, renamed.
 */
static enum err publish_file(struct segment_writer *w, const struct segment_config *config)
{
	char beside[SEGMENT_PATH_MAX];
	size_t len = strlen(w->path), written;
	struct stat st;
	enum err e;
	int fd, n;

	memcpy(beside, w->path, len);
	memcpy(beside + len, ".new", sizeof ".new");
	fd = sys_open(beside, CREATE_FLAGS, 0600);
	if (fd < 0)
		return err_from_errno(fd);
	sys_call(SYS_fchmod, fd, 0600, 0, 0, 0, 0); /* whatever the umask */
	e = sys_write_full(fd, w->frame, w->frame_len, &written);
	if (!e && (n = sys_fdatasync(fd)) < 0)
		e = err_from_errno(n);
	if (!e && (n = sys_fstat(fd, &st)) < 0)
		e = err_from_errno(n);
	sys_close(fd);
	if (!e && (n = sys_rename(beside, w->path)) < 0)
		e = err_from_errno(n);
	if (e) {
		sys_unlink(beside); /* nobody was ever told of it */
		return e;
	}
	w->device = (uint64_t)st.st_dev;
	w->inode = (uint64_t)st.st_ino;
	if (config->synced) {
		while (len && beside[len - 1] != '/')
			len--;
		beside[len] = '\0';
		fd = sys_open(beside, O_RDONLY | O_DIRECTORY, 0);
		n = fd < 0 ? fd : sys_fdatasync(fd);
		if (fd >= 0)
			sys_close(fd);
		e = n < 0 ? err_from_errno(n) : OK;
	}
	return e;
}

static enum err open_segment(struct segment_writer *w, const struct segment_config *config,
			     uint64_t now_ns, size_t first_len)
{
	struct ledger_config ledger = ledger_config_of(config);
	struct ledger_entry opened = {.kind = FORMAT_LEDGER_OPENED, .started_ns = now_ns};
	size_t start_len = FORMAT_FRAME_MIN + config->start_record.len, header_len = 0, below = 0;
	size_t header_max = sizeof(struct format_segment) + FORMAT_DIGEST_BYTES +
			    SEGMENT_RECIPIENTS_MAX * sizeof(struct format_recipient);
	uint64_t limit = sys_file_limit();
	uint8_t next_key[SEAL_KEY_BYTES], next_chain[SEAL_DIGEST_BYTES];
	enum err e;

	if (config->start_record.len > SEGMENT_RECORD_MAX)
		return ERR_LIMIT;
	if (limit < header_max + start_len + first_len)
		return ERR_FULL; /* not even a fresh file could take this record */
	w->bytes_max = limit / 2 < SEGMENT_BYTES_MAX ? limit / 2 : SEGMENT_BYTES_MAX;
	w->pid = sys_getpid();
	w->day = now_ns / NS_PER_DAY;
	w->sequence = 0;
	w->cipher = config->cipher ? config->cipher : seal_best_cipher();
	file_digest_init(&w->digest);
	if ((e = map_secret(w)) || (e = sys_random(w->segment_id, sizeof w->segment_id)) ||
	    (e = place_make(config->directory, config->host, (uint64_t)w->pid, w->day,
			    w->segment_id, w->path, &below)) ||
	    (e = pay_ledger(w, config, now_ns)) || (e = reserve_frame(w, header_max + start_len)) ||
	    (e = build_header(w, config, now_ns, w->frame, &header_len, opened.header_digest)) ||
	    (e = seal_frame(w, REC_START, now_ns, config->start_record, w->frame + header_len,
			    next_key, next_chain)))
		goto out;
	w->frame_len = header_len + start_len;
	e = publish_file(w, config);
	if (e)
		goto out;
	memcpy(opened.segment_id, w->segment_id, sizeof opened.segment_id);
	opened.path = bytes_str(w->path + below);
	/* A segment that the ledger does not know could be removed unseen: no record goes into it.
	 */
	e = ledger_append(&ledger, now_ns, &opened);
	if (e) {
		/* Nobody was told of it. Only a failed sync may have left the entry in the ledger.
		 */
		if (!config->synced)
			sys_unlink(w->path);
		goto out;
	}
	w->open = true;
	w->sequence = 1;
	w->offset = w->frame_len;
	memcpy(w->secret->key, next_key, sizeof next_key);
	memcpy(w->chain, next_chain, sizeof next_chain);
out:
	wipe(next_key, sizeof next_key);
	if (e)
		shut(w);
	return e;
}

/* ---- the calls ---- */

enum err segment_sync(struct segment_writer *w, const struct segment_config *config,
		      uint64_t now_ns)
{
	int fd = -1, n = 0;
	enum err e = OK;

	if (w->open && w->unsynced && !is_forked(w)) {
		e = open_for_append(w, config, now_ns, &fd);
		if (!e)
			n = sys_fdatasync(fd);
		finish_append(w, fd);
		if (n < 0)
			give_up(w, config, now_ns, FORMAT_WHY_SYNC, w->offset, 0);
		w->unsynced = e != OK && w->open;
	}
	if (w->sync_lost || n < 0 || e) {
		w->sync_lost = false;
		return ERR_IO;
	}
	return OK;
}

void segment_tip(struct segment_writer *w, struct segment_tip *ret_tip)
{
	*ret_tip = (struct segment_tip){0};
	if (!w->open || is_forked(w))
		return;
	settle(w);
	memcpy(ret_tip->segment_id, w->segment_id, sizeof ret_tip->segment_id);
	ret_tip->records = w->sequence;
	ret_tip->bytes = w->offset;
	memcpy(ret_tip->chain, w->chain, sizeof ret_tip->chain);
	file_digest_end(&w->digest, ret_tip->digest);
}

static enum err close_segment(struct segment_writer *w, const struct segment_config *config,
			      uint64_t now_ns)
{
	struct ledger_config ledger = ledger_config_of(config);
	struct ledger_entry closed = {.kind = FORMAT_LEDGER_CLOSED};
	uint8_t room[END_BYTES_MAX];
	struct buf end = {.at = room,
			  .cap = sizeof room,
			  .max = sizeof room}; /* never grows: no allocation */
	enum err e = record_put_u64(&end, F_END_RECORDS, w->sequence);

	if (!e)
		e = write_record(w, config, REC_END, now_ns, buf_view(&end));
	if (e) {
		if (w->open) {
			settle(w);
			give_up(w, config, now_ns, FORMAT_WHY_CLOSE, w->offset, 0);
		}
		return e == ERR_STATE ? ERR_IO : e;
	}
	settle(w);
	memcpy(closed.segment_id, w->segment_id, sizeof closed.segment_id);
	memcpy(closed.chain, w->chain, sizeof closed.chain);
	file_digest_end(&w->digest, closed.digest);
	closed.records = w->sequence;
	closed.bytes = w->offset;
	e = ledger_append(&ledger, now_ns, &closed);
	if (e) {
		w->owes = true;
		w->owed = closed;
	}
	shut(w);
	return e;
}

enum err segment_close(struct segment_writer *w, const struct segment_config *config,
		       uint64_t now_ns)
{
	enum err e = OK;

	if (!is_forked(w)) {
		if (w->open)
			e = close_segment(w, config, now_ns);
		if (w->owes && !e)
			e = pay_ledger(w, config, now_ns);
	}
	segment_forget(w);
	return e;
}

static bool has_recipients_of(const struct segment_writer *w, const struct segment_config *config)
{
	if (w->recipient_count != config->recipient_count)
		return false;
	for (size_t i = 0; i < w->recipient_count; i++)
		if (memcmp(w->recipients[i], config->recipients[i].public_key, SEAL_KEY_BYTES) != 0)
			return false;
	return true;
}

static enum err make_ready(struct segment_writer *w, const struct segment_config *config,
			   uint64_t now_ns, size_t frame_len)
{
	if (is_forked(w))
		segment_forget(w);
	if (w->open) {
		bool full = w->offset + frame_len > w->bytes_max && w->sequence > 1;
		if (!full && w->day == now_ns / NS_PER_DAY && has_recipients_of(w, config))
			return OK;
		/* What goes wrong here is in the ledger, or owed to it; this record is not lost. */
		(void)close_segment(w, config, now_ns);
	}
	return open_segment(w, config, now_ns, frame_len);
}

enum err segment_append(struct segment_writer *w, const struct segment_config *config,
			enum record_kind kind, uint64_t now_ns, struct bytes record)
{
	enum err e = OK;

	if (record.len > SEGMENT_RECORD_MAX || config->recipient_count > SEGMENT_RECIPIENTS_MAX)
		return ERR_LIMIT;
	if (config->recipient_count == 0)
		return ERR_MISSING;
	if (kind == REC_START || kind == REC_END)
		return ERR_STATE;
	for (int attempt = 0; attempt < 2; attempt++) {
		e = make_ready(w, config, now_ns, FORMAT_FRAME_MIN + record.len);
		if (!e)
			e = write_record(w, config, kind, now_ns, record);
		if (e != ERR_STATE)
			return e;
	}
	return ERR_IO;
}
