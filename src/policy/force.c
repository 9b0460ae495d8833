/* SPDX-License-Identifier: MIT */
#include "policy/force.h"

#include "llm/body_edit.h"

#define BEFORE_BYTES_MAX 64 /* of a value that was replaced, in the record */

/* "/provider/zdr: absent -> true" */
static enum err put_change(struct buf *out, const struct forced *f, enum body_edit_found found,
			   struct bytes before)
{
	struct bytes path = bytes_str(f->control->path);
	enum err e = out->len ? buf_put_u8(out, '\0') : OK;

	while (path.len && !e) {
		e = buf_put_u8(out, '/');
		if (!e)
			e = buf_put(out, bytes_cut(&path, '.'));
	}
	if (!e)
		e = buf_put_str(out, ": ");
	if (!e)
		e = found == FOUND_OTHER ? buf_put(out, bytes_slice(before, 0, BEFORE_BYTES_MAX))
					 : buf_put_str(out, "absent");
	if (!e)
		e = buf_put_str(out, " -> ");
	return e ? e : buf_put(out, f->value);
}

/* One field; the body so far is that of `ret`, or the request's own. */
static enum err force_one(struct bytes own, const struct forced *f, struct force *ret)
{
	struct bytes body = ret->changed ? buf_view(&ret->body) : own, before = BYTES_NONE;
	enum body_edit_found found = FOUND_SAME;
	struct buf next = {0};
	enum err e = body_edit_set(body, f->control->path, f->value, &next, &found, &before);

	if (!e && found != FOUND_SAME)
		e = put_change(&ret->changes, f, found, before);
	if (e || found == FOUND_SAME) {
		buf_done(&next);
		return e;
	}
	buf_done(&ret->body);
	ret->body = next;
	ret->changed = true;
	return OK;
}

enum err force_fields(const struct http1_request *q, const struct decision *d, bool head_gone,
		      struct force *ret)
{
	struct bytes own = http1_request_body(q);
	enum err e = OK;

	*ret = (struct force){0};
	for (size_t i = 0; !e && i < d->forced_count; i++)
		e = force_one(own, d->forced[i], ret);
	/* What says already what it must may be as exact as it likes. */
	if (!e && ret->changed && !body_edit_is_possible(q, head_gone))
		e = ERR_UNSUPPORTED;
	if (e) {
		buf_done(&ret->body);
		buf_done(&ret->changes);
		ret->changed = false;
		ret->impossible = true;
		ret->receipt = d->unalterable_tagged ? RECEIPT_NOT_FORCED : RECEIPT_REFUSED;
		return e == ERR_NOMEM ? e : OK;
	}
	ret->receipt = ret->changed ? RECEIPT_FORCED : RECEIPT_ALREADY;
	return OK;
}

void force_done(struct force *f)
{
	buf_done(&f->body);
	buf_done(&f->changes);
	*f = (struct force){0};
}
