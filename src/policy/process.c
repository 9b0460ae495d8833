/* SPDX-License-Identifier: MIT */
#include "policy/process.h"

static bool fits(struct bytes pattern, struct bytes fact)
{
	return pattern.len == 0 || (fact.len && bytes_match(pattern, fact, false));
}

static bool is_same(struct bytes wanted, struct bytes fact)
{
	return wanted.len == 0 || bytes_equal(wanted, fact);
}

static bool is_in(struct bytes group, struct bytes groups)
{
	while (groups.len)
		if (bytes_equal(bytes_cut(&groups, '\0'), group))
			return true;
	return group.len == 0;
}

bool process_matches(const struct program_match *m, const struct process_facts *f)
{
	bool given = m->exe.len || m->exe_sha256.len || m->user.len || m->group.len ||
		     m->unit.len || m->cgroup.len || m->parent_exe.len;

	return given && fits(m->exe, f->exe) && is_same(m->user, f->user) &&
	       is_same(m->exe_sha256, f->exe_sha256) && is_in(m->group, f->groups) &&
	       (m->unit.len == 0 || fits(m->unit, process_unit(f->cgroup))) &&
	       fits(m->cgroup, f->cgroup) && fits(m->parent_exe, f->parent_exe);
}

struct bytes process_cgroup(struct bytes file)
{
	struct bytes unified = BYTES_NONE, systemd = BYTES_NONE, first = BYTES_NONE;

	while (file.len) {
		struct bytes path = bytes_cut(&file, '\n'), number = bytes_cut(&path, ':');
		struct bytes controllers = bytes_cut(&path, ':');
		if (path.len == 0)
			continue;
		if (bytes_equal(number, BYTES("0")) && controllers.len == 0 && !unified.len)
			unified = path;
		if (bytes_equal(controllers, BYTES("name=systemd")) && !systemd.len)
			systemd = path;
		if (!first.len)
			first = path;
	}
	/* In the hybrid layout the unified path may be empty of meaning ("/"). */
	if (unified.len > 1 || !(systemd.len || first.len))
		return unified;
	return systemd.len ? systemd : unified.len ? unified : first;
}

struct bytes process_unit(struct bytes cgroup)
{
	static const char endings[][12] = {".service", ".scope", ".socket", ".mount", ".swap"};

	while (cgroup.len) {
		struct bytes part = bytes_cut(&cgroup, '/');
		if (part.len == 0 || bytes_ends(part, BYTES(".slice")))
			continue;
		for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
			if (bytes_ends(part, bytes_str(endings[i])))
				return part;
		return BYTES_NONE;
	}
	return BYTES_NONE;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* The next of numbers between blanks. False at the end. */
static bool next_number(struct bytes *rest, struct bytes *ret_number)
{
	size_t len = 0;

	while (rest->len && is_blank(rest->at[0]))
		*rest = bytes_from(*rest, 1);
	while (len < rest->len && !is_blank(rest->at[len]))
		len++;
	*ret_number = bytes_slice(*rest, 0, len);
	*rest = bytes_from(*rest, len);
	return len > 0;
}

static enum err put_number(struct buf *out, struct bytes number)
{
	uint64_t value;

	if (bytes_parse_u64(number, UINT32_MAX, &value))
		return OK;
	enum err e = out->len ? buf_put_u8(out, '\0') : OK;
	return e ? e : buf_put_decimal(out, value);
}

enum err process_put_groups(struct bytes status, struct buf *out)
{
	enum err e = OK;

	while (status.len && !e) {
		struct bytes values = bytes_cut(&status, '\n'), name = bytes_cut(&values, ':'),
			     number;
		/* real, effective, saved, of the file system: files and sockets go by the second */
		if (bytes_equal(name, BYTES("Gid")) && next_number(&values, &number) &&
		    next_number(&values, &number))
			e = put_number(out, number);
		while (!e && bytes_equal(name, BYTES("Groups")) && next_number(&values, &number))
			e = put_number(out, number);
	}
	return e;
}
