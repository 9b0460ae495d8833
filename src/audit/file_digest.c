/* SPDX-License-Identifier: MIT */
#include "audit/file_digest.h"

#include <string.h>

void file_digest_init(struct file_digest *d)
{
	d->function = FILE_DIGEST_BLAKE2B;
	d->head_bytes = 0;
}

static enum file_digest_function function_of(const uint8_t head[FILE_DIGEST_HEAD_BYTES])
{
	struct format_segment s;

	memcpy(&s, head, FILE_DIGEST_HEAD_BYTES);
	if (memcmp(s.magic, FORMAT_SEGMENT_MAGIC, sizeof s.magic) != 0)
		return FILE_DIGEST_BLAKE2B;
	return s.cipher == FORMAT_CIPHER_AES_256_GCM_TREE ? FILE_DIGEST_TREE
	       : s.cipher == FORMAT_CIPHER_AES_256_GCM    ? FILE_DIGEST_SHA256
							  : FILE_DIGEST_BLAKE2B;
}

static void feed(struct file_digest *d, struct bytes data)
{
	if (d->function == FILE_DIGEST_TREE)
		tree_digest_feed(&d->tree, data);
	else if (d->function == FILE_DIGEST_SHA256)
		seal_sha256_feed(&d->sha256, data);
	else
		seal_digest_feed(&d->blake2b, data);
}

/* The function is known: what was kept goes first. */
static void begin(struct file_digest *d)
{
	if (d->head_bytes == sizeof d->head)
		d->function = function_of(d->head);
	if (d->function == FILE_DIGEST_TREE)
		tree_digest_init(&d->tree);
	else if (d->function == FILE_DIGEST_SHA256)
		seal_sha256_init(&d->sha256);
	else
		seal_digest_init(&d->blake2b);
	feed(d, bytes_of(d->head, d->head_bytes));
}

void file_digest_feed(struct file_digest *d, struct bytes data)
{
	struct bytes piece = bytes_slice(data, 0, sizeof d->head - d->head_bytes);

	if (piece.len) {
		memcpy(d->head + d->head_bytes, piece.at, piece.len);
		d->head_bytes = (uint8_t)(d->head_bytes + piece.len);
		if (d->head_bytes < sizeof d->head)
			return;
		begin(d);
		data = bytes_from(data, piece.len);
	}
	feed(d, data);
}

size_t file_digest_step(const struct file_digest *d)
{
	return d->function == FILE_DIGEST_TREE ? tree_digest_step() : 1;
}

void file_digest_end(const struct file_digest *d, uint8_t ret_digest[SEAL_DIGEST_BYTES])
{
	struct file_digest copy = *d;

	if (copy.head_bytes < sizeof copy.head)
		begin(&copy);
	if (copy.function == FILE_DIGEST_TREE)
		tree_digest_end(&copy.tree, ret_digest);
	else if (copy.function == FILE_DIGEST_SHA256)
		seal_sha256_end(&copy.sha256, ret_digest);
	else
		seal_digest_end(&copy.blake2b, ret_digest);
}

void file_digest_of(struct bytes file, uint8_t ret_digest[SEAL_DIGEST_BYTES])
{
	struct file_digest d;

	file_digest_init(&d);
	file_digest_feed(&d, file);
	file_digest_end(&d, ret_digest);
}
