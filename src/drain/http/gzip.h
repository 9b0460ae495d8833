/* SPDX-License-Identifier: MIT
 *
 * gzip: a request's body made smaller (RFC 1952). Decoding is wire/coding's.
 */
#ifndef AIGW_DRAIN_HTTP_GZIP_H
#define AIGW_DRAIN_HTTP_GZIP_H

#include "base/bytes.h"

/* Replaces *ret_packed by `plain` as one gzip member. ERR_NOMEM, ERR_LIMIT (plain over 4 GiB). */
MUST_USE enum err gzip_pack(struct bytes plain, struct buf *ret_packed);

#endif
