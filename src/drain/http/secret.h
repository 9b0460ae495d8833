/* SPDX-License-Identifier: MIT
 *
 * secret: what stands in a file that only we may read: a token, a key. Read when a sink opens and
 * again when a receiver does not take it any more, since it may have been replaced; wiped at the
 * end.
 */
#ifndef AIGW_DRAIN_HTTP_SECRET_H
#define AIGW_DRAIN_HTTP_SECRET_H

#include "drain/sink.h"

enum secret_form {
	SECRET_TOKEN, /* goes into a header: visible ASCII, and spaces within */
	SECRET_BYTES, /* any */
};

#define SECRET_TOKEN_BYTES_MAX 16384

struct secret {
	struct bytes file; /* empty: there is none */
	enum secret_form form;
	struct buf value;
};

/* Reads s->file, if there is one. On failure *answer says what is wrong with it: SINK_WRONG. */
MUST_USE enum err secret_load(struct secret *s, struct sink_answer *answer);
/* Reads it again. True: it is another one now. On any failure the old one stays. */
bool secret_renew(struct secret *s);
bool secret_is_token(struct bytes value);
/* Overwrites each occurrence of the secret in a text, and its beginning where the text ends, with
 * '*'. Secrets of less than SECRET_MASKED_MIN bytes stay: they would be found anywhere. */
#define SECRET_MASKED_MIN 4
void secret_mask(uint8_t *text, size_t len, struct bytes secret);
void secret_done(struct secret *s);

#endif
