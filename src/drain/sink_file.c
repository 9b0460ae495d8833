/* SPDX-License-Identifier: MIT */
#include "drain/sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"

#define FLAGS         (O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
#define NUMBER_CHARS  12
#define CHUNK_BYTES   (1u << 20)
#define TAIL_BYTES    4096u
#define REOPENS_MAX   8 /* somebody who moves the file away faster than that is not outrun */
#define TORN_LINE_MAX ((uint64_t)DRAIN_BATCH_BYTES_MAX + DRAIN_EVENT_BYTES_MAX)

struct file_sink {
	const struct drain *config;
	int fd;        /* -1: not open */
	uint64_t size; /* of what is there, while the lock is held */
	struct buf chunk;
	char path[DRAIN_PATH_BYTES_MAX + 1];
};

/* What went wrong, and whether it can pass by itself. */
struct trouble {
	enum sink_result result;
	const char *text;
};

static struct trouble of_error(int number, const char *text)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return (struct trouble){SINK_RETRY, "no space left for "};
	case EINTR:
	case EIO:
	case EAGAIN:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ESTALE:
		return (struct trouble){SINK_RETRY, text};
	case ENOENT:
		return (struct trouble){SINK_WRONG, "there is no directory for "};
	case EACCES:
	case EPERM:
	case EROFS:
		return (struct trouble){SINK_WRONG, "no permission to write "};
	case ELOOP:
	case ENXIO:
	case EISDIR:
		return (struct trouble){SINK_WRONG, "no regular file, and not written to: "};
	default:
		return (struct trouble){SINK_WRONG, text};
	}
}

static const struct trouble none = {SINK_DELIVERED, NULL};

static void close_file(struct file_sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* So that a name made or changed in it outlives a power cut. Nothing depends on its success. */
static void sync_directory(const struct file_sink *s)
{
	char parent[sizeof s->path];
	char *slash;
	int fd;

	memcpy(parent, s->path, sizeof parent);
	slash = strrchr(parent, '/');
	if (!slash)
		return;
	slash[slash == parent] = 0;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

/* ---- opening ---- */

/* The offset behind the last line end in the first `end` bytes; 0 for none. UINT64_MAX: it cannot
 * be read, or is farther away than a batch is long. */
static uint64_t last_line_end(int fd, uint64_t end)
{
	uint8_t tail[TAIL_BYTES];
	uint64_t to = end;

	while (to) {
		size_t len = to < sizeof tail ? (size_t)to : sizeof tail;
		if (end - to > TORN_LINE_MAX ||
		    pread(fd, tail, len, (off_t)(to - len)) != (ssize_t)len)
			return UINT64_MAX;
		for (size_t i = len; i-- > 0;)
			if (tail[i] == '\n')
				return to - len + i + 1;
		to -= len;
	}
	return 0;
}

/* A line that a killed sender left half written is sent again with its batch. */
static struct trouble cut_torn_line(struct file_sink *s)
{
	uint64_t end;
	char first, last;

	if (s->size == 0 || (pread(s->fd, &last, 1, (off_t)s->size - 1) == 1 && last == '\n'))
		return none;
	end = last_line_end(s->fd, s->size);
	/* Of ours each begins like this: nobody else's text is cut. */
	if (end == UINT64_MAX || pread(s->fd, &first, 1, (off_t)end) != 1 || first != '{')
		return (struct trouble){SINK_WRONG, "not a file of lines, and not written to: "};
	if (ftruncate(s->fd, (off_t)end))
		return of_error(errno, "cannot repair the last line of ");
	s->size = end;
	return none;
}

/* Is what is open still what has the name? */
static bool is_current(const struct file_sink *s, const struct stat *opened)
{
	struct stat named;

	return lstat(s->path, &named) == 0 && named.st_dev == opened->st_dev &&
	       named.st_ino == opened->st_ino;
}

/* Open, locked and with its size known; *ret_again when it was moved away meanwhile. */
static struct trouble take(struct file_sink *s, bool *ret_again)
{
	bool was_open = s->fd >= 0;
	struct stat st;

	*ret_again = false;
	if (!was_open)
		s->fd = open(s->path, FLAGS | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return of_error(errno, "cannot open ");
	if (fstat(s->fd, &st))
		return of_error(errno, "cannot look at ");
	if (!S_ISREG(st.st_mode))
		return (struct trouble){SINK_WRONG, "no regular file, and not written to: "};
	if (flock(s->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK
			       ? (struct trouble){SINK_RETRY, "another process writes to "}
			       : of_error(errno, "cannot lock ");
	if (fstat(s->fd, &st))
		return of_error(errno, "cannot look at ");
	if (!is_current(s, &st)) {
		close_file(s);
		*ret_again = true;
		return none;
	}
	s->size = (uint64_t)st.st_size;
	if (s->size == 0 && !was_open && s->config->file.synced)
		sync_directory(s);
	return cut_torn_line(s);
}

static struct trouble open_current(struct file_sink *s)
{
	struct trouble t = none;
	bool again = true;

	for (unsigned i = 0; again && i < REOPENS_MAX; i++)
		t = take(s, &again);
	if (again)
		t = (struct trouble){SINK_RETRY, "somebody keeps moving away "};
	if (t.text)
		close_file(s);
	return t;
}

/* ---- rotating ---- */

static void numbered(const struct file_sink *s, uint32_t number,
		     char ret_path[sizeof s->path + NUMBER_CHARS])
{
	size_t len = strlen(s->path), digits = 0;
	char reversed[NUMBER_CHARS];

	memcpy(ret_path, s->path, len);
	ret_path[len++] = '.';
	do
		reversed[digits++] = (char)('0' + number % 10);
	while (number /= 10);
	while (digits)
		ret_path[len++] = reversed[--digits];
	ret_path[len] = 0;
}

/* From the oldest on, so that a kill in between leaves a gap and loses nothing that was to stay. */
static struct trouble rotate(struct file_sink *s)
{
	char from[sizeof s->path + NUMBER_CHARS], to[sizeof s->path + NUMBER_CHARS];

	int status;

	for (uint32_t n = s->config->file.keep; n-- > 1;) {
		numbered(s, n, from);
		numbered(s, n + 1, to);
		status = sys_rename(from, to);
		if (status && status != -ENOENT)
			return of_error(-status, "cannot rotate ");
	}
	numbered(s, 1, to);
	status = sys_rename(s->path, to);
	if (status)
		return of_error(-status, "cannot rotate ");
	close_file(s);
	if (s->config->file.synced)
		sync_directory(s);
	return open_current(s);
}

/* ---- writing ---- */

static struct trouble write_out(struct file_sink *s)
{
	size_t written;
	enum err e = sys_write_full(s->fd, s->chunk.at, s->chunk.len, &written);

	buf_reset(&s->chunk);
	if (e == ERR_FULL)
		return (struct trouble){SINK_RETRY, "no space left for "};
	return e ? (struct trouble){SINK_RETRY, "cannot write to "} : none;
}

static struct trouble write_events(struct file_sink *s, const struct sink_batch *batch)
{
	struct trouble t = none;

	buf_reset(&s->chunk);
	for (size_t i = 0; !t.text && i < batch->count; i++) {
		struct bytes line = batch->events[i].json;
		if (s->chunk.len && s->chunk.len + line.len >= CHUNK_BYTES)
			t = write_out(s);
		if (!t.text && (buf_put(&s->chunk, line) || buf_put_u8(&s->chunk, '\n')))
			t = (struct trouble){SINK_RETRY, "out of memory for "};
	}
	return t.text ? t : write_out(s);
}

/* All of the batch, or none of it. */
static struct trouble append(struct file_sink *s, const struct sink_batch *batch)
{
	struct trouble t = write_events(s, batch);

	if (!t.text && s->config->file.synced && fdatasync(s->fd))
		t = of_error(errno, "cannot bring to the disk ");
	if (t.text && ftruncate(s->fd, (off_t)s->size))
		close_file(s); /* the next opening repairs the last line */
	return t;
}

static struct trouble deliver(struct file_sink *s, const struct sink_batch *batch)
{
	uint64_t bytes = 0, limit = s->config->file.rotate_bytes;
	struct trouble t = open_current(s);

	for (size_t i = 0; i < batch->count; i++)
		bytes += batch->events[i].json.len + 1;
	if (!t.text && limit && s->size && s->size + bytes > limit)
		t = rotate(s);
	return t.text ? t : append(s, batch);
}

/* ---- the sink ---- */

static enum err file_open(const struct drain *config, struct sink_answer *answer, void **ret_sink)
{
	struct file_sink *s;

	if (config->to.len == 0 || config->to.len >= sizeof s->path)
		return ERR_USAGE;
	s = calloc(1, sizeof *s);
	if (!s)
		return ERR_NOMEM;
	s->config = config;
	s->fd = -1;
	memcpy(s->path, config->to.at, config->to.len);
	*ret_sink = s;
	return OK;
}

static void file_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer)
{
	struct file_sink *s = sink;
	struct trouble t = deliver(s, batch);

	if (s->fd >= 0)
		(void)flock(s->fd, LOCK_UN);
	if (t.text)
		sink_answer(answer, t.result, t.text, s->config->to);
	else
		sink_answer(answer, SINK_DELIVERED, "appended to ", s->config->to);
}

static void file_close(void *sink)
{
	struct file_sink *s = sink;

	if (!s)
		return;
	close_file(s);
	buf_done(&s->chunk);
	free(s);
}

const struct sink_type sink_file = {"file", file_open, file_send, file_close};
