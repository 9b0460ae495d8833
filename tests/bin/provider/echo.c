/* SPDX-License-Identifier: MIT
 *
 * A server that is no model provider and speaks no HTTP: what a chat or database server looks like
 * from outside. It answers each piece that arrives, and remembers exactly what has arrived.
 */
#include "provider.h"

#include <openssl/evp.h>
#include <stdio.h>

#define ECHO_BYTES_MAX                                                                             \
	64 /* of each piece: a peer that only writes is never blocked by our answers */

void line_echo(struct line *line)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
		die("SHA-256");
	while (line_fill(line)) {
		EVP_DigestUpdate(hash, line->in, line->in_len);
		if (!line_write(line, line->in,
				line->in_len < ECHO_BYTES_MAX ? line->in_len : ECHO_BYTES_MAX))
			break;
	}
	EVP_DigestFinal_ex(hash, digest, &len);
	EVP_MD_CTX_free(hash);
	for (unsigned i = 0; i < len && i < 32; i++)
		snprintf(line->sha256 + 2 * i, 3, "%02x", digest[i]);
}
