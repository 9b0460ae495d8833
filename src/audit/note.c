/* SPDX-License-Identifier: MIT */
#include "audit/note.h"

#include <fcntl.h>
#include <string.h>

#include "base/files.h"
#include "base/sys.h"

#define NEW_FLAGS (O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NOCTTY)

enum err note_parse(struct bytes file, struct note *ret_note)
{
	struct format_note head;
	uint8_t digest[SEAL_DIGEST_BYTES];

	if (file.len < sizeof head)
		return ERR_BAD;
	memcpy(&head, file.at, sizeof head);
	if (memcmp(head.magic, FORMAT_NOTE_MAGIC, sizeof head.magic) != 0)
		return ERR_BAD;
	if (head.version > FORMAT_VERSION)
		return ERR_UNSUPPORTED;
	if (head.version != FORMAT_VERSION || head.recipient_count == 0 ||
	    head.recipient_count > NOTE_RECIPIENTS_MAX || head.note_bytes != file.len ||
	    file.len != sizeof head + head.recipient_count * sizeof(struct format_recipient) +
				FORMAT_DIGEST_BYTES)
		return ERR_BAD;
	struct bytes covered = bytes_slice(file, 0, file.len - FORMAT_DIGEST_BYTES);
	seal_digest(NULL, &covered, 1, digest);
	if (!seal_equal(digest, file.at + covered.len))
		return ERR_BAD;
	memcpy(ret_note->segment_id, head.segment_id, sizeof ret_note->segment_id);
	ret_note->recipient_count = head.recipient_count;
	ret_note->boxes = bytes_from(covered, sizeof head);
	return OK;
}

enum err note_find(struct bytes notes, const uint8_t id[NOTE_ID_BYTES], uint32_t *looks,
		   struct note *ret_note)
{
	struct format_note head;

	while (notes.len >= sizeof head) {
		if (*looks == 0)
			return ERR_LIMIT;
		--*looks;
		memcpy(&head, notes.at, sizeof head);
		if (memcmp(head.magic, FORMAT_NOTE_MAGIC, sizeof head.magic) != 0 ||
		    head.note_bytes < sizeof head || head.note_bytes > notes.len)
			break;
		if (memcmp(head.segment_id, id, sizeof head.segment_id) == 0 &&
		    note_parse(bytes_slice(notes, 0, head.note_bytes), ret_note) == OK)
			return OK;
		notes = bytes_from(notes, head.note_bytes);
	}
	return ERR_MISSING;
}

bool note_has(const struct note *note, const struct recipient *r)
{
	for (size_t i = 0; i < note->recipient_count; i++)
		if (memcmp(note->boxes.at + i * sizeof(struct format_recipient), r->key_id,
			   sizeof r->key_id) == 0)
			return true;
	return false;
}

enum err note_make(const uint8_t segment_id[16], const uint8_t secret[SEAL_KEY_BYTES],
		   const struct note *old, size_t recipient_count,
		   const struct recipient *recipients, struct buf *ret_file)
{
	size_t count = recipient_count + (old ? old->recipient_count : 0), start = ret_file->len;
	size_t len = sizeof(struct format_note) + count * sizeof(struct format_recipient) +
		     FORMAT_DIGEST_BYTES;
	struct format_note head = {
		.version = FORMAT_VERSION,
		.recipient_count = (uint16_t)count,
		.note_bytes = (uint32_t)len,
	};
	uint8_t digest[SEAL_DIGEST_BYTES];
	enum err e;

	if (count == 0 || count > NOTE_RECIPIENTS_MAX)
		return ERR_LIMIT;
	memcpy(head.magic, FORMAT_NOTE_MAGIC, sizeof head.magic);
	memcpy(head.segment_id, segment_id, sizeof head.segment_id);
	e = buf_put(ret_file, bytes_of(&head, sizeof head));
	if (!e && old)
		e = buf_put(ret_file, old->boxes);
	for (size_t i = 0; !e && i < recipient_count; i++) {
		struct format_recipient box = {0};
		memcpy(box.key_id, recipients[i].key_id, sizeof box.key_id);
		e = seal_box(&recipients[i], secret, box.box);
		if (!e)
			e = buf_put(ret_file, bytes_of(&box, sizeof box));
	}
	if (e)
		return e;
	struct bytes covered = bytes_from(buf_view(ret_file), start);
	seal_digest(NULL, &covered, 1, digest);
	return buf_put(ret_file, bytes_of(digest, sizeof digest));
}

static enum err append_suffix(const char *path, const char *suffix, char ret_path[SEGMENT_PATH_MAX])
{
	size_t len = strlen(path), more = strlen(suffix);

	if (len + more + 1 > SEGMENT_PATH_MAX)
		return ERR_LIMIT;
	memcpy(ret_path, path, len);
	memcpy(ret_path + len, suffix, more + 1);
	return OK;
}

enum err note_path(const char *segment_path, char ret_path[SEGMENT_PATH_MAX])
{
	return append_suffix(segment_path, NOTE_SUFFIX, ret_path);
}

enum err note_load(const char *segment_path, struct buf *ret_file)
{
	char path[SEGMENT_PATH_MAX];
	enum err e = note_path(segment_path, path);

	return e ? e : files_load(path, NOTE_BYTES_MAX, ret_file);
}

enum err note_save(const char *segment_path, struct bytes file)
{
	char path[SEGMENT_PATH_MAX], beside[SEGMENT_PATH_MAX];
	size_t written;
	enum err e;

	if ((e = note_path(segment_path, path)) || (e = append_suffix(path, ".new", beside)))
		return e;
	int fd = sys_open(beside, NEW_FLAGS, 0600);
	if (fd < 0)
		return err_from_errno(fd);
	e = sys_write_full(fd, file.at, file.len, &written);
	if (!e)
		e = err_from_errno(sys_fdatasync(fd));
	sys_close(fd);
	if (!e)
		e = err_from_errno(sys_rename(beside, path));
	if (e)
		sys_unlink(beside);
	return e;
}
