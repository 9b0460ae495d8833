/* SPDX-License-Identifier: MIT */
#include "audit/message.h"

#include <string.h>

static enum err check_body(const struct message *m)
{
	switch (m->type) {
	case COLLECT_CLAIM:
		if (m->total_bytes || m->offset || m->kind)
			return ERR_BAD;
		return m->body.len <= MESSAGE_CLAIM_MAX ? OK : ERR_LIMIT;
	case COLLECT_PART:
		if (m->total_bytes > MESSAGE_RECORD_MAX)
			return ERR_LIMIT;
		if (m->offset > m->total_bytes || m->body.len > m->total_bytes - m->offset)
			return ERR_BAD;
		return m->body.len || m->total_bytes == 0 ? OK : ERR_BAD;
	case COLLECT_MEMORY:
		if (m->total_bytes > MESSAGE_RECORD_MAX)
			return ERR_LIMIT;
		return m->body.len || m->offset || m->total_bytes == 0 ? ERR_BAD : OK;
	case COLLECT_ANSWER:
		return m->body.len || m->total_bytes || m->offset ? ERR_BAD : OK;
	}
	return ERR_UNSUPPORTED;
}

enum err message_parse(struct bytes datagram, struct message *ret_message)
{
	struct collect_head head;
	struct message m;
	enum err e;

	if (datagram.len < sizeof head)
		return ERR_BAD;
	if (datagram.len > MESSAGE_BYTES_MAX)
		return ERR_LIMIT;
	memcpy(&head, datagram.at, sizeof head);
	if (memcmp(head.magic, COLLECT_MAGIC, sizeof head.magic) != 0)
		return ERR_BAD;
	if (head.version != COLLECT_VERSION)
		return ERR_UNSUPPORTED;
	m = (struct message){
		.type = (enum collect_type)head.type,
		.number = head.number,
		.kind = head.kind,
		.total_bytes = head.total_bytes,
		.offset = head.offset,
		.body = bytes_from(datagram, sizeof head),
	};
	if (head.zero || head.zero_too || head.body_bytes != m.body.len)
		return ERR_BAD;
	e = check_body(&m);
	if (!e)
		*ret_message = m;
	return e;
}

void message_make(const struct message *m, struct collect_head *ret_head)
{
	*ret_head = (struct collect_head){
		.version = COLLECT_VERSION,
		.type = (uint16_t)m->type,
		.number = m->number,
		.kind = (uint16_t)m->kind,
		.total_bytes = m->total_bytes,
		.offset = m->offset,
		.body_bytes = (uint32_t)m->body.len,
	};
	memcpy(ret_head->magic, COLLECT_MAGIC, sizeof ret_head->magic);
}

bool message_may_send(unsigned kind, bool manages)
{
	switch (kind) {
	case REC_REQUEST:
	case REC_RESPONSE_PART:
	case REC_RESPONSE:
	case REC_ABORTED:
	case REC_REFUSED_CONNECTION:
	case REC_CONNECTION:
	case REC_POLICY_CHANGE:
	case REC_NOTICE:
	case REC_GAP:
	case REC_ACCESS:
	case REC_LIMIT:
		return true;
	case REC_KEY_CHANGE:
	case REC_HOLD:
	case REC_RETENTION:
		return manages;
	default:
		return false;
	}
}

static const struct {
	enum err error;
	enum collect_status status;
} answers[] = {
	{OK, COLLECT_KEPT},           {ERR_FULL, COLLECT_FULL},
	{ERR_ACCESS, COLLECT_ACCESS}, {ERR_MISSING, COLLECT_ACCESS},
	{ERR_STATE, COLLECT_BUSY},    {ERR_NOMEM, COLLECT_BUSY},
	{ERR_LIMIT, COLLECT_LIMIT},   {ERR_BAD, COLLECT_BAD},
};
#define ANSWERS (sizeof answers / sizeof answers[0])

enum collect_status message_status(enum err e)
{
	for (size_t i = 0; i < ANSWERS; i++)
		if (answers[i].error == e)
			return answers[i].status;
	return COLLECT_IO;
}

enum err message_error(unsigned status)
{
	for (size_t i = 0; i < ANSWERS; i++)
		if ((unsigned)answers[i].status == status)
			return answers[i].error;
	return ERR_IO;
}

static enum err check_order(struct assembly *a, const struct message *part)
{
	if (!a->active)
		return part->offset == 0 ? OK : ERR_BAD;
	return part->number == a->number && part->kind == a->kind &&
			       part->total_bytes == a->total_bytes && part->offset == a->got_bytes
		       ? OK
		       : ERR_BAD;
}

enum err assembly_feed(struct assembly *a, const struct message *part, bool drop)
{
	enum err e = check_order(a, part);

	if (e)
		return e;
	if (!a->active) {
		a->active = true;
		a->dropped = drop;
		a->number = part->number;
		a->kind = part->kind;
		a->total_bytes = part->total_bytes;
		a->got_bytes = 0;
		buf_reset(&a->bytes);
	}
	/* Memory grows with what came, never with what was announced. */
	if (!a->dropped && buf_put(&a->bytes, part->body)) {
		buf_done(&a->bytes);
		a->dropped = true;
	}
	a->got_bytes += (uint32_t)part->body.len;
	return a->got_bytes == a->total_bytes ? OK : ERR_MORE;
}

void assembly_done(struct assembly *a)
{
	buf_done(&a->bytes);
	*a = (struct assembly){0};
}
