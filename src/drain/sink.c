/* SPDX-License-Identifier: MIT */
#include "drain/sink.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "policy/phrase.h"

#define PATH_BYTES_MAX 4096

void sink_answer(struct sink_answer *answer, enum sink_result result, const char *text,
		 struct bytes detail)
{
	struct phrase p;

	answer->result = result;
	phrase_init(&p, answer->text, sizeof answer->text);
	phrase_put(&p, text);
	phrase_put_bytes(&p, detail);
}

enum sink_result sink_result_of_status(unsigned status)
{
	switch (status) {
	case 401:
	case 403:
	case 404:
	case 407:
		return SINK_WRONG;
	case 408:
	case 425:
	case 429:
		return SINK_RETRY;
	default:
		break;
	}
	switch (status / 100) {
	case 2:
		return SINK_DELIVERED;
	case 3:
		return SINK_WRONG;
	case 4:
		return SINK_REFUSED;
	default:
		return SINK_RETRY;
	}
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A pipe or a device that somebody put there is not waited for. */
static enum err open_regular(const char *path, bool is_secret, int *ret_fd)
{
	struct stat st;
	int fd = sys_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return err_from_errno(fd);
	if (sys_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (is_secret && (st.st_mode & S_IRWXO))) {
		sys_close(fd);
		return ERR_BAD;
	}
	*ret_fd = fd;
	return OK;
}

static enum err read_all(int fd, struct buf *content)
{
	size_t got = 1;
	enum err e = OK;

	content->len = 0;
	while (!e && got) {
		size_t left = SINK_FILE_MAX + 1 - content->len;
		e = buf_reserve(content, left < 4096 ? left : 4096);
		if (!e)
			e = sys_read_full(fd, content->at + content->len, left < 4096 ? left : 4096,
					  &got);
		if (!e)
			content->len += got;
		if (!e && content->len > SINK_FILE_MAX)
			e = ERR_LIMIT;
	}
	return e;
}

enum err sink_read_file(struct bytes name, bool is_secret, struct buf *ret_content)
{
	char path[PATH_BYTES_MAX];
	struct buf content = {0};
	int fd = -1;
	enum err e;

	if (name.len == 0 || name.at[0] != '/' || name.len >= sizeof path ||
	    bytes_find_byte(name, 0) != SIZE_MAX)
		return ERR_USAGE;
	memcpy(path, name.at, name.len);
	path[name.len] = 0;
	e = open_regular(path, is_secret, &fd);
	if (e)
		return e;
	e = read_all(fd, &content);
	sys_close(fd);
	while (content.len && is_space(content.at[content.len - 1]))
		content.len--;
	if (!e && is_secret && content.len == 0)
		e = ERR_BAD;
	if (e) {
		buf_done(&content);
		return e;
	}
	buf_done(ret_content);
	*ret_content = content;
	return OK;
}
