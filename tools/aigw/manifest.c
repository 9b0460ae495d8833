/* SPDX-License-Identifier: MIT */
#include "manifest.h"

/* A name that stays where it is put: no directory, not hidden. */
static bool is_plain_name(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] == '/' || name.at[i] == 0)
			return false;
	return name.len && name.at[0] != '.';
}

/* "2026-11-24/NAME" */
static bool is_below(struct bytes file)
{
	static const char shape[] = "dddd-dd-dd/";

	if (file.len < sizeof shape || file.len >= SEGMENT_PATH_MAX / 2)
		return false;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == 'd' ? file.at[i] < '0' || file.at[i] > '9'
				    : file.at[i] != (uint8_t)shape[i])
			return false;
	return is_plain_name(bytes_from(file, sizeof shape - 1));
}

enum err manifest_parse(struct bytes statement, struct manifest *ret_manifest)
{
	struct manifest m = {.statement = statement};
	struct signed_items items;
	struct bytes type, ignored;
	uint64_t version;

	if (signed_find_text(statement, "/type", &type) ||
	    !bytes_equal(type, BYTES(MANIFEST_TYPE)) ||
	    signed_find_u64(statement, "/version", &version))
		return ERR_BAD;
	if (version != MANIFEST_VERSION)
		return ERR_UNSUPPORTED;
	if (signed_find_text(statement, "/format", &m.format) ||
	    signed_find_u64(statement, "/output/bytes", &m.bytes) ||
	    signed_find_hex(statement, "/output/sha256", m.sha256, sizeof m.sha256) ||
	    signed_find_u64(statement, "/entries", &m.entries) ||
	    signed_find_items(statement, "/segments", &items))
		return ERR_BAD;
	enum err e = signed_find_text(statement, "/output/name", &m.name);
	if ((e && e != ERR_MISSING) || (!e && !is_plain_name(m.name)))
		return ERR_BAD;
	while (signed_next_item(&items, &ignored))
		m.segments++;
	*ret_manifest = m;
	return OK;
}

static enum err parse_segment(struct bytes item, struct manifest_segment *ret_segment)
{
	struct manifest_segment s = {.last = 0};
	enum err e = signed_find_text(item, "/file", &s.file);

	if (e || !is_below(s.file) || signed_find_hex(item, "/id", s.id, sizeof s.id))
		return ERR_BAD;
	e = signed_find_hex(item, "/chain", s.chain, sizeof s.chain);
	s.has_chain = e == OK;
	if ((e && e != ERR_MISSING) || (!e && signed_find_u64(item, "/last", &s.last)))
		return ERR_BAD;
	*ret_segment = s;
	return OK;
}

enum err manifest_each(const struct manifest *m, void *context,
		       void (*on_segment)(void *context, const struct manifest_segment *segment))
{
	struct manifest_segment segment;
	struct signed_items items;
	struct bytes item;
	enum err e = signed_find_items(m->statement, "/segments", &items);

	while (!e && signed_next_item(&items, &item)) {
		e = parse_segment(item, &segment);
		if (!e)
			on_segment(context, &segment);
	}
	return e;
}
