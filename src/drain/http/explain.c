/* SPDX-License-Identifier: MIT */
#include "drain/http/explain.h"

#include <string.h>

#include "drain/http/head.h"
#include "drain/http/secret.h"
#include "policy/phrase.h"

#define WINDOW_BYTES     1024 /* of a body, that are looked at for what is told of it */
#define PAYMENT_REQUIRED 402

static bool says(struct bytes body, const char *text)
{
	return bytes_find(bytes_slice(body, 0, WINDOW_BYTES), bytes_str(text)) != SIZE_MAX;
}

enum sink_result explain_result(unsigned status, struct bytes body)
{
	if (status == PAYMENT_REQUIRED)
		return SINK_WRONG;
	if (status == 400 && (says(body, "SSL certificate") || says(body, "HTTPS port") ||
			      says(body, "HTTPS server")))
		return SINK_WRONG;
	return sink_result_of_status(status);
}

/* A part of what the other side said, secrets masked, into a phrase. */
static void put_masked(const struct explain *x, struct phrase *p, struct bytes said)
{
	uint8_t window[WINDOW_BYTES];
	size_t len = said.len < sizeof window ? said.len : sizeof window;

	if (!len)
		return;
	memcpy(window, said.at, len);
	for (size_t i = 0; i < x->secret_count; i++)
		secret_mask(window, len, x->secrets[i]);
	phrase_put_bytes(p,
			 bytes_of(window, len < EXPLAIN_EXCERPT_MAX ? len : EXPLAIN_EXCERPT_MAX));
	wipe(window, sizeof window);
}

/* Pages for browsers say nothing that the status does not. */
static struct bytes worth_telling(struct bytes body)
{
	while (body.len && (body.at[0] <= ' ' || body.at[0] >= 0x7f))
		body = bytes_from(body, 1);
	return body.len && body.at[0] == '<' ? BYTES_NONE : body;
}

void explain_answer(const struct explain *x, unsigned status, struct bytes head, struct bytes body,
		    uint64_t now_s, struct sink_answer *answer)
{
	struct bytes location, told = worth_telling(body);
	struct phrase p;

	answer->result = explain_result(status, body);
	answer->retry_after_ms = answer->result == SINK_DELIVERED
					 ? 0
					 : head_retry_after_ms(head, now_s);
	phrase_init(&p, answer->text, sizeof answer->text);
	phrase_put(&p, "HTTP ");
	phrase_put_decimal(&p, status);
	phrase_put(&p, " from ");
	phrase_put_bytes(&p, x->host);
	if (status / 100 == 3 && head_find(head, BYTES("Location"), &location) == OK) {
		phrase_put(&p, ": redirects are not followed; it points to ");
		put_masked(x, &p, location);
	} else if (status / 100 != 2 && told.len) {
		phrase_put(&p, ": ");
		put_masked(x, &p, told);
	}
}

void explain_text(const struct explain *x, enum sink_result result, const char *text,
		  struct bytes detail, struct sink_answer *answer)
{
	struct phrase p;

	answer->result = result;
	phrase_init(&p, answer->text, sizeof answer->text);
	phrase_put_bytes(&p, x->host);
	phrase_put(&p, ": ");
	phrase_put(&p, text);
	put_masked(x, &p, detail);
}
