/* SPDX-License-Identifier: MIT */
#include "wire/multipart.h"

#include <string.h>

#define CRLF BYTES("\r\n")

/* -- header fields with parameters --------------------------------------------------------- */

/* Cuts `; name=value` or `; name="value"` off the front. False: there is none that can be read. */
static bool next_parameter(struct bytes *rest, struct bytes *ret_name, struct bytes *ret_value)
{
	size_t end = 1;

	*rest = bytes_trim(*rest);
	if (rest->len == 0 || rest->at[0] != ';')
		return false;
	*rest = bytes_from(*rest, 1);
	*ret_name = bytes_trim(bytes_cut(rest, '='));
	*rest = bytes_trim(*rest);
	if (rest->len == 0 || rest->at[0] != '"') {
		end = bytes_find_byte(*rest, ';');
		*ret_value = bytes_trim(bytes_slice(*rest, 0, end));
		*rest = end == SIZE_MAX ? BYTES_NONE : bytes_from(*rest, end);
		return ret_name->len && ret_value->len;
	}
	while (end < rest->len && rest->at[end] != '"')
		end += rest->at[end] == '\\' ? 2 : 1;
	if (end >= rest->len)
		return false;
	*ret_value = bytes_slice(*rest, 1, end - 1);
	*rest = bytes_from(*rest, end + 1);
	return ret_name->len > 0;
}

/* RFC 2046 5.1.1; some clients write other printable characters, which harm nobody. */
static bool is_boundary(struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.at[i] < 0x20 || b.at[i] > 0x7E || b.at[i] == '\\' || b.at[i] == '"')
			return false;
	return b.len > 0 && b.len <= MULTIPART_BOUNDARY_MAX && b.at[b.len - 1] != ' ';
}

enum err multipart_boundary(struct bytes content_type, struct bytes *ret_boundary)
{
	size_t end = bytes_find_byte(content_type, ';');
	struct bytes type = bytes_trim(bytes_slice(content_type, 0, end));
	struct bytes rest = end == SIZE_MAX ? BYTES_NONE : bytes_from(content_type, end);
	struct bytes name, value, boundary = BYTES_NONE;

	if (!bytes_equal_nocase(type, BYTES("multipart/form-data")))
		return ERR_MISSING;
	while (rest.len) {
		if (!next_parameter(&rest, &name, &value))
			return ERR_BAD;
		if (!bytes_equal_nocase(name, BYTES("boundary")))
			continue;
		if (boundary.len || !is_boundary(value))
			return ERR_BAD;
		boundary = value;
	}
	if (boundary.len == 0)
		return ERR_BAD;
	*ret_boundary = boundary;
	return OK;
}

/* -- one part ------------------------------------------------------------------------------ */

/* The value of Content-Disposition. A name in an extended notation is another name to some. */
static enum err read_disposition(struct bytes value, struct multipart_part *part, bool *has_name)
{
	size_t end = bytes_find_byte(value, ';');
	struct bytes rest = end == SIZE_MAX ? BYTES_NONE : bytes_from(value, end);
	struct bytes name, text;

	if (!bytes_equal_nocase(bytes_trim(bytes_slice(value, 0, end)), BYTES("form-data")))
		return ERR_BAD;
	while (bytes_trim(rest).len) {
		if (!next_parameter(&rest, &name, &text))
			return ERR_BAD;
		if (bytes_equal_nocase(name, BYTES("name*")))
			return ERR_BAD;
		if (bytes_equal_nocase(name, BYTES("filename")) ||
		    bytes_equal_nocase(name, BYTES("filename*")))
			part->is_file = true;
		if (!bytes_equal_nocase(name, BYTES("name")))
			continue;
		if (*has_name)
			return ERR_BAD;
		*has_name = true;
		part->name = text;
	}
	return OK;
}

static enum err read_field(struct bytes line, struct multipart_part *part, bool *has_name)
{
	struct bytes value = line, name = bytes_cut(&value, ':');

	/* A folded line, or a line that is no field, is read in different ways. */
	if (name.len == line.len || name.len == 0 || bytes_trim(name).len != name.len ||
	    bytes_find_byte(line, '\n') != SIZE_MAX || bytes_find_byte(line, '\r') != SIZE_MAX ||
	    bytes_find_byte(line, 0) != SIZE_MAX)
		return ERR_BAD;
	if (bytes_equal_nocase(name, BYTES("content-transfer-encoding")))
		part->is_encoded = true;
	if (bytes_equal_nocase(name, BYTES("content-disposition")))
		return read_disposition(value, part, has_name);
	return OK;
}

/* True when "--boundary" stands at this place of the text. */
static bool is_delimiter(const struct multipart *m, size_t at)
{
	struct bytes rest = bytes_from(m->text, at);

	return bytes_starts(rest, BYTES("--")) && bytes_starts(bytes_from(rest, 2), m->boundary);
}

static enum err read_head(struct multipart *m, struct multipart_part *part)
{
	bool has_name = false;

	for (;;) {
		struct bytes rest = bytes_from(m->text, m->at);
		size_t end = bytes_find(bytes_slice(rest, 0, MULTIPART_HEAD_MAX), CRLF);
		enum err e;
		if (end == SIZE_MAX)
			return rest.len >= MULTIPART_HEAD_MAX ? ERR_LIMIT : ERR_BAD;
		if (end == 0) {
			m->at += 2;
			return has_name ? OK : ERR_BAD;
		}
		/* To some servers the next part begins here. */
		if (is_delimiter(m, m->at))
			return ERR_BAD;
		e = read_field(bytes_slice(rest, 0, end), part, &has_name);
		if (e)
			return e;
		m->at += end + 2;
	}
}

/* -- the delimiters ------------------------------------------------------------------------ */

/* Passes over the delimiter at m->at. OK: a part follows; ERR_END: it was the last; ERR_BAD. */
static enum err pass_delimiter(struct multipart *m)
{
	struct bytes rest = bytes_from(m->text, m->at + 2 + m->boundary.len);
	bool last = bytes_starts(rest, BYTES("--"));

	if (last)
		rest = bytes_from(rest, 2);
	while (rest.len && (rest.at[0] == ' ' || rest.at[0] == '\t'))
		rest = bytes_from(rest, 1);
	if (last)
		return rest.len == 0 || bytes_equal(rest, CRLF) ? ERR_END : ERR_BAD;
	if (!bytes_starts(rest, CRLF))
		return ERR_BAD;
	m->at = m->text.len - rest.len + 2;
	return OK;
}

/* The content runs to CRLF and the delimiter. A delimiter behind another line end is one to some
 * servers and content to others. */
static enum err read_content(struct multipart *m, struct multipart_part *part)
{
	size_t at = m->at;

	part->start = at;
	for (;;) {
		size_t found = bytes_find(bytes_from(m->text, at), BYTES("--"));
		if (found == SIZE_MAX)
			return ERR_BAD;
		at += found;
		if (is_delimiter(m, at)) {
			uint8_t before = m->text.at[at - 1];
			/* A part that is empty: its header's end is the delimiter's CRLF. */
			if (at >= m->at + 2 && before == '\n' && m->text.at[at - 2] == '\r')
				break;
			if (before == '\n' || before == '\r' || at == m->at)
				return ERR_BAD;
		}
		at++;
	}
	part->content = bytes_slice(m->text, m->at, at - 2 - m->at);
	m->at = at;
	return OK;
}

void multipart_init(struct multipart *m, struct bytes text, struct bytes boundary)
{
	*m = (struct multipart){.text = text, .boundary = boundary};
}

enum err multipart_next(struct multipart *m, struct multipart_part *ret_part)
{
	struct multipart_part part = {0};
	enum err e;

	if (m->ended)
		return ERR_END;
	if (!is_delimiter(m, m->at))
		return ERR_BAD;
	e = pass_delimiter(m);
	if (e == ERR_END)
		m->ended = true;
	if (!e && m->parts++ == MULTIPART_PARTS_MAX)
		e = ERR_LIMIT;
	if (!e)
		e = read_head(m, &part);
	if (!e)
		e = read_content(m, &part);
	if (!e)
		*ret_part = part;
	return e;
}
