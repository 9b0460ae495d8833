/* SPDX-License-Identifier: MIT */
#include "audit/acked.h"

#include <fcntl.h>
#include <string.h>

#include "base/files.h"
#include "base/sys.h"

#define ID_BYTES  16
#define NEW_FLAGS (O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NOCTTY)

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_id(struct bytes text, uint8_t ret_id[ID_BYTES])
{
	if (text.len != 2 * ID_BYTES)
		return false;
	for (size_t i = 0; i < ID_BYTES; i++) {
		int high = hex_value(text.at[2 * i]), low = hex_value(text.at[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret_id[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static enum err parse_open(struct bytes line, uint8_t ret_id[ID_BYTES], uint64_t *ret_bytes)
{
	if (!bytes_equal(bytes_cut(&line, ' '), BYTES("open")) ||
	    !parse_id(bytes_cut(&line, ' '), ret_id))
		return ERR_BAD;
	return bytes_parse_u64(line, UINT64_MAX, ret_bytes);
}

enum err acked_parse(struct bytes file, struct acked *ret_acked)
{
	struct bytes rest = file, line = bytes_cut(&rest, '\n');
	struct acked a = {.required = true};
	uint64_t version, bytes;
	uint8_t id[ID_BYTES];

	if (!bytes_equal(bytes_cut(&line, ' '), BYTES("aigw")) ||
	    !bytes_equal(bytes_cut(&line, ' '), BYTES("acked")) ||
	    bytes_parse_u64(line, UINT32_MAX, &version))
		return ERR_BAD;
	if (version != 1)
		return ERR_UNSUPPORTED;
	line = bytes_cut(&rest, '\n');
	if (bytes_equal(line, BYTES("required no")))
		a.required = false;
	else if (!bytes_equal(line, BYTES("required yes")))
		return ERR_BAD;
	line = bytes_cut(&rest, '\n');
	if (!bytes_equal(bytes_cut(&line, ' '), BYTES("entries")) ||
	    bytes_parse_u64(line, UINT64_MAX, &a.entries))
		return ERR_BAD;
	a.open = rest;
	while (rest.len) {
		struct bytes before = rest;
		line = bytes_cut(&rest, '\n');
		if (bytes_equal(before, BYTES("end\n"))) {
			a.open.len = (size_t)(before.at - a.open.at);
			*ret_acked = a;
			return OK;
		}
		if (parse_open(line, id, &bytes))
			return ERR_BAD;
	}
	return ERR_BAD;
}

enum err acked_next(struct bytes *rest, uint8_t ret_segment_id[ID_BYTES], uint64_t *ret_bytes)
{
	if (rest->len == 0)
		return ERR_END;
	return parse_open(bytes_cut(rest, '\n'), ret_segment_id, ret_bytes) ? ERR_END : OK;
}

bool acked_covers(const struct acked *a, const uint8_t segment_id[ID_BYTES], uint64_t number,
		  uint64_t bytes)
{
	struct bytes rest = a->open;
	uint8_t id[ID_BYTES];
	uint64_t up_to;

	if (number >= a->entries)
		return false;
	while (acked_next(&rest, id, &up_to) == OK)
		if (memcmp(id, segment_id, ID_BYTES) == 0 && up_to < bytes)
			return false;
	return true;
}

/* ---- the file ---- */

bool acked_is_name(struct bytes name)
{
	if (name.len == 0 || name.len > ACKED_NAME_MAX || name.at[0] == '.')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.at[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_' || c == '.'))
			return false;
	}
	return true;
}

static enum err put_path(struct buf *path, const char *directory, const char *name,
			 const char *suffix)
{
	enum err e = buf_put_str(path, directory);

	if (!e)
		e = buf_put_u8(path, '/');
	if (!e)
		e = buf_put_str(path, name);
	return e ? e : buf_put(path, bytes_of(suffix, strlen(suffix) + 1));
}

static enum err put_lines(struct buf *text, bool required, uint64_t entries,
			  const struct acked_open *open, size_t open_count)
{
	enum err e = buf_put_str(text, required ? "aigw acked 1\nrequired yes\nentries "
						: "aigw acked 1\nrequired no\nentries ");

	if (!e)
		e = buf_put_decimal(text, entries);
	for (size_t i = 0; !e && i < open_count; i++) {
		e = buf_put_str(text, "\nopen ");
		if (!e)
			e = buf_put_hex(text, bytes_of(open[i].segment_id, ID_BYTES));
		if (!e)
			e = buf_put_u8(text, ' ');
		if (!e)
			e = buf_put_decimal(text, open[i].bytes);
	}
	return e ? e : buf_put_str(text, "\nend\n");
}

enum err acked_save(const char *directory, const char *name, bool required, uint64_t entries,
		    const struct acked_open *open, size_t open_count)
{
	struct buf path = {0}, beside = {0}, text = {.max = ACKED_BYTES_MAX};
	size_t written;
	enum err e;

	if (!acked_is_name(bytes_str(name)))
		return ERR_USAGE;
	if ((e = put_path(&path, directory, name, ACKED_SUFFIX)) ||
	    (e = put_path(&beside, directory, name, ACKED_SUFFIX ".new")) ||
	    (e = put_lines(&text, required, entries, open, open_count)) ||
	    (e = sys_make_directories(directory, 0700)))
		goto out;
	int fd = sys_open((const char *)beside.at, NEW_FLAGS, 0600);
	if (fd < 0) {
		e = err_from_errno(fd);
		goto out;
	}
	e = sys_write_full(fd, text.at, text.len, &written);
	if (!e)
		e = err_from_errno(sys_fdatasync(fd));
	sys_close(fd);
	if (!e)
		e = err_from_errno(sys_rename((const char *)beside.at, (const char *)path.at));
	if (e)
		sys_unlink((const char *)beside.at);
out:
	buf_done(&path);
	buf_done(&beside);
	buf_done(&text);
	return e;
}

enum err acked_load(const char *directory, const char *name, struct buf *ret_file,
		    struct acked *ret_acked)
{
	struct buf path = {0};
	enum err e = put_path(&path, directory, name, ACKED_SUFFIX);

	if (!e)
		e = files_load((const char *)path.at, ACKED_BYTES_MAX, ret_file);
	buf_done(&path);
	return e ? e : acked_parse(buf_view(ret_file), ret_acked);
}
