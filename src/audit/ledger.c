/* SPDX-License-Identifier: MIT */
#include "audit/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "audit/frame.h"
#include "audit/segment.h"
#include "base/sys.h"

#define OPEN_FLAGS      (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
#define LOCK_TRIES      8     /* the state file may be replaced while we wait for it */
#define WAIT_FIRST_NS   20000 /* between two tries for the lock; doubles */
#define WAIT_LONGEST_NS 1000000
#define TAIL_BYTES      (256u << 10) /* where the last entry is looked for when the state is lost */
#define EPOCH_BODY_BYTES                                                                           \
	(sizeof(struct format_epoch) + SEGMENT_RECIPIENTS_MAX * sizeof(struct format_recipient))

_Static_assert(EPOCH_BODY_BYTES <= LEDGER_BODY_MAX, "an epoch entry is an entry");
_Static_assert(sizeof(struct format_opened) + LEDGER_PATH_MAX <= LEDGER_BODY_MAX, "");
_Static_assert(sizeof(struct format_state) <= 512, "written within one sector");

/* ---- the lock ---- */

static enum err lock_file(int fd)
{
	uint64_t deadline = sys_monotonic_ns() + LEDGER_WAIT_NS;
	struct timespec wait = {0, WAIT_FIRST_NS};
	int n;

	/* Not a blocking flock: a stopped process that holds it must not stop its neighbours. */
	while ((n = sys_flock(fd, LOCK_EX | LOCK_NB)) < 0) {
		if (n != -EWOULDBLOCK && n != -EINTR)
			return err_from_errno(n);
		if (sys_monotonic_ns() > deadline)
			return ERR_IO;
		sys_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&wait, 0, 0, 0);
		if (wait.tv_nsec < WAIT_LONGEST_NS)
			wait.tv_nsec *= 2;
	}
	return OK;
}

static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == (uid_t)sys_call(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}

static enum err join_path(const char *directory, const char *name, char ret_path[SEGMENT_PATH_MAX])
{
	size_t d = strlen(directory), n = strlen(name);

	if (d + 1 + n + 1 > SEGMENT_PATH_MAX)
		return ERR_LIMIT;
	memcpy(ret_path, directory, d);
	ret_path[d] = '/';
	memcpy(ret_path + d + 1, name, n + 1);
	return OK;
}

/* Opens and locks the state file, which is also the ledger's lock. */
static enum err open_locked(const char *path, int *ret_fd, uint64_t *ret_bytes)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		struct stat here, there;
		int fd = sys_open(path, O_RDWR | O_CREAT | OPEN_FLAGS, 0600);
		if (fd < 0)
			return err_from_errno(fd);
		enum err e = lock_file(fd);
		if (!e && (sys_fstat(fd, &here) < 0 || !is_ours(&here)))
			e = ERR_ACCESS;
		if (!e && sys_stat(path, &there) == 0 && here.st_dev == there.st_dev &&
		    here.st_ino == there.st_ino) {
			*ret_fd = fd;
			*ret_bytes = (uint64_t)here.st_size;
			return OK;
		}
		sys_flock(fd, LOCK_UN);
		sys_close(fd);
		if (e)
			return e;
	}
	return ERR_IO;
}

/* ---- the state ---- */

/* One write within one page: a killed writer leaves the old state or the new one. The key of the
 * entry before is overwritten by it. Should the kernel take less, the rest follows at once: half a
 * state is none. */
static enum err save_state(int fd, struct format_state *state)
{
	struct bytes covered = {(const uint8_t *)state, offsetof(struct format_state, digest)};
	size_t done = 0;

	seal_digest(NULL, &covered, 1, state->digest);
	while (done < sizeof *state) {
		ssize_t n = sys_pwrite(fd, (const uint8_t *)state + done, sizeof *state - done,
				       (off_t)done);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_from_errno(n) : ERR_FULL;
		done += (size_t)n;
	}
	return OK;
}

/* From the beginning of the file up to its end, or `len` bytes. */
static ssize_t read_start(int fd, uint8_t *at, size_t len)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < len && n != 0) {
		n = sys_pread(fd, at + done, len - done, (off_t)done);
		if (n < 0 && n != -EINTR)
			return n;
		done += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)done;
}

void ledger_tip(const char *directory, uint64_t *ret_entries, uint8_t ret_chain[32])
{
	char path[SEGMENT_PATH_MAX];
	struct format_state state;
	uint8_t raw[sizeof state + 1];
	int fd;
	ssize_t n = -1;

	*ret_entries = 0;
	memset(ret_chain, 0, 32);
	if (join_path(directory, LEDGER_STATE_FILE, path))
		return;
	fd = sys_open(path, O_RDONLY | OPEN_FLAGS, 0);
	if (fd < 0)
		return;
	n = read_start(fd, raw, sizeof raw);
	sys_close(fd);
	if (n > 0 && ledger_parse_state(bytes_of(raw, (size_t)n), &state) == OK) {
		*ret_entries = state.entries;
		memcpy(ret_chain, state.chain, 32);
		wipe(&state, sizeof state);
	}
	wipe(raw, sizeof raw);
}

/* ---- one entry ---- */

struct writer {
	const struct ledger_config *config;
	int state_fd, ledger_fd;
	struct format_state state;
	uint64_t size; /* of the ledger as found; behind state.bytes: torn */
	uint64_t now_ns;
};

/* Reads [from, to) of the ledger into malloc'ed memory. */
static enum err read_range(int fd, uint64_t from, uint64_t to, uint8_t **ret_at)
{
	size_t len = (size_t)(to - from), got = 0;
	uint8_t *at = malloc(len ? len : 1);

	if (!at)
		return ERR_NOMEM;
	while (got < len) {
		ssize_t n = sys_pread(fd, at + got, len - got, (off_t)(from + got));
		if (n == -EINTR)
			continue;
		if (n <= 0) {
			free(at);
			return n < 0 ? err_from_errno(n) : ERR_IO;
		}
		got += (size_t)n;
	}
	*ret_at = at;
	return OK;
}

static enum err write_entry(struct writer *w, enum format_ledger_kind kind, struct bytes body)
{
	uint64_t skip = w->size - w->state.bytes;
	uint8_t mac_key[32], next[32], chain[32], mac[32];
	struct format_ledger head = {
		.magic = {0},
		.kind = (uint16_t)kind,
		.version = FORMAT_VERSION,
		.body_bytes = (uint32_t)body.len,
		.skipped_bytes = (uint32_t)skip,
		.number = w->state.entries,
		.time_ns = w->now_ns,
	};
	uint8_t out[sizeof head + LEDGER_BODY_MAX + FORMAT_MAC_BYTES], *skipped = NULL;
	size_t len = sizeof head + body.len, written = 0;
	enum err e = OK;

	if (body.len > LEDGER_BODY_MAX)
		return ERR_LIMIT;
	if (skip)
		e = read_range(w->ledger_fd, w->state.bytes, w->size, &skipped);
	if (e)
		return e;
	memcpy(head.magic, FORMAT_LEDGER_MAGIC, sizeof head.magic);
	memcpy(head.previous, w->state.chain, sizeof head.previous);
	memcpy(out, &head, sizeof head);
	memcpy(out + sizeof head, body.at, body.len);
	ledger_step(w->state.key, mac_key, next);
	ledger_mac(mac_key, bytes_of(skipped, (size_t)skip), bytes_of(out, len), mac);
	memcpy(out + len, mac, sizeof mac);
	head.body_crc = frame_crc32c(0, bytes_of(out + sizeof head, body.len + sizeof mac));
	head.crc = frame_crc32c(0, bytes_of(&head, offsetof(struct format_ledger, crc)));
	memcpy(out, &head, sizeof head);
	ledger_chain(bytes_of(skipped, (size_t)skip), bytes_of(out, len), mac, chain);
	len += sizeof mac;
	e = sys_write_full(w->ledger_fd, out, len, &written);
	if (e)
		goto out;
	w->state.entries++;
	w->size += len;
	w->state.bytes = w->size;
	memcpy(w->state.key, next, sizeof next);
	memcpy(w->state.chain, chain, sizeof chain);
	/* The entry is in the file. Should the state not follow, the next writer finds the entry
	 * behind the state and its MAC right, and goes on from there. */
	(void)save_state(w->state_fd, &w->state);
out:
	free(skipped);
	wipe(mac_key, sizeof mac_key);
	wipe(next, sizeof next);
	return e;
}

static void digest_recipients(const struct ledger_config *c, uint8_t ret_digest[32])
{
	struct bytes parts[1 + SEGMENT_RECIPIENTS_MAX] = {BYTES("aigw recipients v1")};

	for (size_t i = 0; i < c->recipient_count; i++)
		parts[1 + i] = bytes_of(c->recipients[i].public_key, SEAL_KEY_BYTES);
	seal_digest(NULL, parts, 1 + c->recipient_count, ret_digest);
}

static enum err begin_epoch(struct writer *w, const uint8_t recipients_digest[32])
{
	const struct ledger_config *c = w->config;
	struct format_epoch epoch = {
		.flags = w->state.epoch_flags,
		.recipient_count = (uint16_t)c->recipient_count,
	};
	uint8_t body[EPOCH_BODY_BYTES], seed[32];
	size_t len = sizeof epoch;
	enum err e = OK;

	ledger_derive_seed(w->state.key, recipients_digest, w->state.chain, seed);
	ledger_commitment(seed, epoch.commitment);
	memcpy(epoch.recipients_digest, recipients_digest, 32);
	memcpy(body, &epoch, sizeof epoch);
	for (size_t i = 0; !e && i < c->recipient_count; i++) {
		struct format_recipient box = {0};
		memcpy(box.key_id, c->recipients[i].key_id, sizeof box.key_id);
		e = seal_box(&c->recipients[i], seed, box.box);
		memcpy(body + len, &box, sizeof box);
		len += sizeof box;
	}
	if (e)
		goto out;
	/* In memory only until the entry is written: a kill in between derives the seed again. */
	memcpy(w->state.key, seed, sizeof seed);
	memcpy(w->state.recipients_digest, recipients_digest, 32);
	w->state.epoch_flags = 0;
	e = write_entry(w, FORMAT_LEDGER_EPOCH, bytes_of(body, len));
out:
	wipe(seed, sizeof seed);
	return e;
}

/* ---- meeting what others left ---- */

/* An entry that a killed writer finished without saving the state: ours when its MAC is right. */
static bool adopt(struct writer *w, struct bytes tail, size_t from, size_t at,
		  const struct ledger_item *item)
{
	struct bytes skipped = bytes_slice(tail, from, at - from);
	struct format_epoch epoch;
	uint8_t key[32], mac_key[32], next[32], mac[32];
	bool right = item->head.number == w->state.entries &&
		     item->head.skipped_bytes == skipped.len &&
		     memcmp(item->head.previous, w->state.chain, 32) == 0;
	bool is_epoch = item->head.kind == FORMAT_LEDGER_EPOCH && item->body.len >= sizeof epoch;

	if (!right)
		return false;
	memcpy(key, w->state.key, sizeof key);
	if (is_epoch) {
		memcpy(&epoch, item->body.at, sizeof epoch);
		ledger_derive_seed(key, epoch.recipients_digest, w->state.chain, key);
	}
	ledger_step(key, mac_key, next);
	ledger_mac(mac_key, skipped, item->whole, mac);
	right = seal_equal(mac, item->mac);
	if (right) {
		w->state.entries++;
		memcpy(w->state.key, next, sizeof next);
		ledger_chain(skipped, item->whole, item->mac, w->state.chain);
		if (is_epoch) {
			memcpy(w->state.recipients_digest, epoch.recipients_digest, 32);
			w->state.epoch_flags = 0;
		}
	}
	wipe(key, sizeof key);
	wipe(mac_key, sizeof mac_key);
	wipe(next, sizeof next);
	return right;
}

/* The ledger is longer than the state says: whole entries are taken over, torn bytes are left for
 * the next entry to account for. */
static enum err catch_up(struct writer *w)
{
	struct ledger_item item;
	size_t from = 0, at = 0;
	uint8_t *tail = NULL;
	struct bytes view;
	enum err e;

	if (w->size - w->state.bytes > LEDGER_SKIP_MAX) {
		w->state.epoch_flags |= FORMAT_EPOCH_UNFIT;
		w->state.bytes = w->size;
		return save_state(w->state_fd, &w->state);
	}
	e = read_range(w->ledger_fd, w->state.bytes, w->size, &tail);
	if (e)
		return e;
	view = bytes_of(tail, (size_t)(w->size - w->state.bytes));
	while ((at = ledger_find(view, at)) < view.len) {
		if (!ledger_parse(view, at, &item) || !adopt(w, view, from, at, &item)) {
			at++;
			continue;
		}
		from = at = (size_t)(item.mac + FORMAT_MAC_BYTES - view.at);
	}
	w->state.bytes += from;
	free(tail);
	return OK;
}

/* The state is lost: a key of no descent, and the chain goes on from the last entry in the file. */
static enum err start_over(struct writer *w)
{
	uint64_t base = w->size > TAIL_BYTES ? w->size - TAIL_BYTES : 0;
	struct ledger_item item;
	uint8_t *tail = NULL;
	enum err e;

	memset(&w->state, 0, sizeof w->state);
	memcpy(w->state.magic, FORMAT_STATE_MAGIC, sizeof w->state.magic);
	w->state.version = FORMAT_VERSION;
	e = sys_random(w->state.key, sizeof w->state.key);
	if (e || w->size == 0)
		goto save;
	w->state.epoch_flags |= FORMAT_EPOCH_STATE_LOST;
	e = read_range(w->ledger_fd, base, w->size, &tail);
	if (e)
		return e;
	struct bytes view = bytes_of(tail, (size_t)(w->size - base));
	for (size_t at = 0; (at = ledger_find(view, at)) < view.len; at++) {
		if (!ledger_parse(view, at, &item) || item.head.skipped_bytes > at)
			continue;
		struct bytes skipped = bytes_slice(view, at - item.head.skipped_bytes,
						   item.head.skipped_bytes);
		ledger_chain(skipped, item.whole, item.mac, w->state.chain);
		w->state.entries = item.head.number + 1;
		at = (size_t)(item.mac + FORMAT_MAC_BYTES - view.at);
		w->state.bytes = base + at;
		at--;
	}
	free(tail);
	if (w->size - w->state.bytes > LEDGER_SKIP_MAX)
		w->state.bytes = w->size;
save:
	/* Saved before the first entry is written: its seed comes from this key. */
	if (!e)
		e = save_state(w->state_fd, &w->state);
	if (!e)
		(void)sys_fdatasync(w->state_fd);
	return e;
}

static enum err load(struct writer *w, uint64_t state_bytes)
{
	const char *boot_id = w->config->boot_id ? w->config->boot_id : "";
	char boot[sizeof w->state.boot_id] = {0};
	uint8_t raw[sizeof w->state + 1];
	ssize_t n = state_bytes ? read_start(w->state_fd, raw, sizeof raw) : 0;
	enum err e = OK;

	if (n < 0)
		return err_from_errno(n);
	for (size_t i = 0; i + 1 < sizeof boot && boot_id[i]; i++)
		boot[i] = boot_id[i];
	if (ledger_parse_state(bytes_of(raw, (size_t)n), &w->state) != OK) {
		e = start_over(w);
	} else if (w->size < w->state.bytes) {
		w->state.epoch_flags |= FORMAT_EPOCH_LEDGER_SHORT;
		if (memcmp(boot, w->state.boot_id, sizeof boot) != 0)
			w->state.epoch_flags |= FORMAT_EPOCH_REBOOTED;
		w->state.bytes = w->size;
		e = save_state(w->state_fd, &w->state);
	} else if (w->size > w->state.bytes) {
		e = catch_up(w);
	}
	memcpy(w->state.boot_id, boot, sizeof boot);
	wipe(raw, sizeof raw);
	return e;
}

/* ---- appending ---- */

enum err ledger_append(const struct ledger_config *config, uint64_t now_ns,
		       const struct ledger_entry *entry)
{
	struct writer w = {.config = config, .state_fd = -1, .ledger_fd = -1, .now_ns = now_ns};
	uint8_t body[LEDGER_BODY_MAX], recipients_digest[32];
	char path[SEGMENT_PATH_MAX];
	uint64_t state_bytes = 0;
	size_t body_len = 0;
	struct stat st;
	bool locked = false;
	enum err e;

	if (config->recipient_count == 0 || config->recipient_count > SEGMENT_RECIPIENTS_MAX)
		return ERR_LIMIT;
	if ((e = ledger_encode(entry, body, &body_len)) ||
	    (e = join_path(config->directory, LEDGER_STATE_FILE, path)))
		return e;
	digest_recipients(config, recipients_digest);
	e = open_locked(path, &w.state_fd, &state_bytes);
	if (e)
		return e;
	locked = true;
	e = join_path(config->directory, LEDGER_FILE, path);
	if (e)
		goto out;
	w.ledger_fd = sys_open(path, O_RDWR | O_CREAT | O_APPEND | OPEN_FLAGS, 0600);
	e = w.ledger_fd < 0 ? err_from_errno(w.ledger_fd) : OK;
	if (!e && (sys_fstat(w.ledger_fd, &st) < 0 || !is_ours(&st)))
		e = ERR_ACCESS;
	if (e)
		goto out;
	w.size = (uint64_t)st.st_size;
	e = load(&w, state_bytes);
	if (!e &&
	    (w.state.epoch_flags || memcmp(w.state.recipients_digest, recipients_digest, 32) != 0))
		e = begin_epoch(&w, recipients_digest);
	if (!e)
		e = write_entry(&w, entry->kind, bytes_of(body, body_len));
	sys_flock(w.state_fd, LOCK_UN);
	locked = false;
	if (!e && config->synced &&
	    (sys_fdatasync(w.ledger_fd) < 0 || sys_fdatasync(w.state_fd) < 0))
		e = ERR_IO;
out:
	if (locked) /* explicitly: a child forked meanwhile may hold a copy of the descriptor */
		sys_flock(w.state_fd, LOCK_UN);
	if (w.ledger_fd >= 0)
		sys_close(w.ledger_fd);
	sys_close(w.state_fd);
	wipe(&w.state, sizeof w.state);
	return e;
}
