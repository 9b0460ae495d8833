/* SPDX-License-Identifier: MIT
 *
 * syslog: events as RFC 5424 messages over TLS (RFC 5425), TCP (RFC 6587 3.4.1: octets counted),
 * UDP (RFC 5426) or a unix socket (datagrams, or lines where it is a stream).
 *
 * Syslog has no acknowledgement. A batch counts as delivered when the peer's kernel has all of it
 * (net.h), and the last messages of a connection are kept: when it ends in a way that says that
 * some may not have been read, they are sent again on the next one, before anything new. They have
 * the same ids.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "drain/syslog/link.h"
#include "drain/syslog/message.h"

#define NS_PER_MS        1000000u
#define UNPROVEN_MAX     (4u << 20) /* a receive window of Linux is at most 3 MiB by default */
#define UNPROVEN_SPARE   (4u << 20) /* so that what is kept is not moved after each batch */
#define DATAGRAM_MAX     65507      /* UDP over IPv4; over IPv6 it is more */
#define DATAGRAM_SPARE   32         /* of a unix socket's buffer, unix(7) */
#define FINISH_WAIT_MS   1000
#define LOOK_UP_AGAIN_MS 60000 /* UDP: the name may lead elsewhere by now */

struct syslog {
	struct syslog_address address;
	struct message_style style;
	struct tls_context *tls;
	struct link link;
	uint32_t timeout_ms;
	uint64_t opened_ns;
	/* Messages as they go out on a stream: those of this connection that may not have been
	 * read, and behind them those of the batch under way. */
	struct buf unproven;
	struct buf one; /* a message that is being made */
	bool is_lost;   /* the last connection ended so that `unproven` is to be sent again */
};

/* ---- one batch ---- */

struct batch {
	struct syslog *s;
	const struct sink_batch *events;
	uint64_t deadline_ns;
	struct sink_answer *answer;
	size_t refused;
};

static enum err open_link(struct batch *b)
{
	struct syslog *s = b->s;

	s->opened_ns = sys_monotonic_ns();
	return link_open(&s->link, &s->address, s->tls, b->deadline_ns, b->answer);
}

/* The next message in s->one. OK; ERR_END: this event can never be sent, which is noted. */
static enum err make_message(struct batch *b, size_t i)
{
	struct syslog *s = b->s;
	enum err e;

	buf_reset(&s->one);
	e = message_put(&s->one, &s->style, &b->events->events[i]);
	if (e == ERR_LIMIT) {
		b->answer->results[i] = SINK_REFUSED;
		b->refused++;
		return ERR_END;
	}
	if (e)
		sink_answer(b->answer, SINK_RETRY, err_text(e), BYTES_NONE);
	return e;
}

/* RFC 6587 3.4.1, RFC 5425 4.3: the length in front. On a unix stream a line end behind. */
static enum err frame(struct syslog *s)
{
	struct buf *out = &s->unproven;
	enum err e;

	if (s->address.transport == SYSLOG_UNIX)
		return (e = buf_put(out, buf_view(&s->one))) ? e : buf_put_u8(out, '\n');
	if ((e = buf_put_decimal(out, s->one.len)) || (e = buf_put_u8(out, ' ')))
		return e;
	return buf_put(out, buf_view(&s->one));
}

static enum err frame_all(struct batch *b)
{
	for (size_t i = 0; i < b->events->count; i++) {
		enum err e = make_message(b, i);
		if (!e && (e = frame(b->s)))
			sink_answer(b->answer, SINK_RETRY, err_text(e), BYTES_NONE);
		if (e && e != ERR_END)
			return e;
	}
	return OK;
}

/* The length of the message at the front, with what is in front of it. */
static size_t frame_bytes(struct bytes frames)
{
	size_t len = 0, i = 0;

	for (; i < frames.len && frames.at[i] != ' '; i++)
		len = len * 10 + (size_t)(frames.at[i] - '0');
	return i + 1 + len;
}

/* Keeps the last messages, whole ones. On a unix socket what was settled has been read. */
static void trim_unproven(struct syslog *s)
{
	size_t drop = 0;

	if (s->address.transport == SYSLOG_UNIX)
		drop = s->unproven.len;
	else if (s->unproven.len <= UNPROVEN_MAX + UNPROVEN_SPARE)
		return;
	while (s->unproven.len - drop > UNPROVEN_MAX)
		drop += frame_bytes(bytes_from(buf_view(&s->unproven), drop));
	buf_drop_front(&s->unproven, drop);
}

/* What the connection that was there has come to. */
static void look_at_link(struct batch *b)
{
	struct syslog *s = b->s;
	enum net_state state;

	if (!link_is_open(&s->link) || (state = link_look(&s->link, b->answer)) == NET_OPEN)
		return;
	link_drop(&s->link);
	s->is_lost = state != NET_CLOSED;
	if (!s->is_lost)
		buf_reset(&s->unproven);
}

/* `kept`: the length of what was there before this batch. */
static enum err write_stream(struct batch *b, size_t kept)
{
	struct syslog *s = b->s;
	size_t from = s->is_lost ? 0 : kept;
	enum net_state state = NET_OPEN;
	enum err e;

	if ((e = link_write(&s->link, bytes_from(buf_view(&s->unproven), from), b->deadline_ns,
			    b->answer)) ||
	    (e = link_settle(&s->link, b->deadline_ns, &state, b->answer))) {
		link_drop(&s->link);
		s->is_lost = true;
		return e;
	}
	s->is_lost = false;
	if (state == NET_CLOSED) {
		link_drop(&s->link);
		buf_reset(&s->unproven);
	}
	return OK;
}

static enum err send_stream(struct batch *b)
{
	struct syslog *s = b->s;
	size_t kept = s->unproven.len;
	enum err e = frame_all(b);

	if (!e && b->refused == b->events->count)
		return OK;
	if (!e)
		e = write_stream(b, kept);
	if (e)
		s->unproven.len = kept;
	else
		trim_unproven(s);
	return e;
}

/* The system does not take a datagram of any length. */
static void limit_datagrams(struct syslog *s, size_t configured)
{
	socklen_t len = sizeof(int);
	size_t most = DATAGRAM_MAX;
	int buffer = 0;

	if (s->address.transport == SYSLOG_UNIX &&
	    !getsockopt(s->link.net.fd, SOL_SOCKET, SO_SNDBUF, &buffer, &len) &&
	    buffer > DATAGRAM_SPARE)
		most = (size_t)buffer - DATAGRAM_SPARE;
	s->style.bytes_max = configured && configured < most ? configured : most;
}

static enum err write_datagrams(struct batch *b)
{
	enum net_state state;

	for (size_t i = 0; i < b->events->count; i++) {
		enum err e = make_message(b, i);
		if (!e)
			e = link_write(&b->s->link, buf_view(&b->s->one), b->deadline_ns,
				       b->answer);
		if (e && e != ERR_END)
			return e;
	}
	return link_settle(&b->s->link, b->deadline_ns, &state, b->answer);
}

static enum err send_datagrams(struct batch *b)
{
	size_t configured = b->s->style.bytes_max;
	enum err e;

	limit_datagrams(b->s, configured);
	e = write_datagrams(b);
	b->s->style.bytes_max = configured;
	if (e)
		link_drop(&b->s->link);
	return e;
}

static bool is_old(const struct syslog *s)
{
	return s->address.transport == SYSLOG_UDP && !s->address.is_ip &&
	       sys_monotonic_ns() - s->opened_ns > (uint64_t)LOOK_UP_AGAIN_MS * NS_PER_MS;
}

static enum err send_all(struct batch *b)
{
	struct syslog *s = b->s;
	enum err e;

	if (is_old(s))
		link_drop(&s->link);
	look_at_link(b);
	if (!link_is_open(&s->link) && (e = open_link(b)))
		return e;
	return s->link.net.type == SOCK_DGRAM ? send_datagrams(b) : send_stream(b);
}

static void say_delivered(struct batch *b)
{
	struct link *link = &b->s->link;
	const char *how = link->tls ? tls_version(link->tls) : "";
	struct buf text = {0};

	if (buf_put_str(&text, link->net.where) || buf_put_str(&text, how[0] ? ", " : "") ||
	    buf_put_str(&text, how))
		buf_reset(&text);
	sink_answer(b->answer, SINK_DELIVERED, "sent to ", buf_view(&text));
	buf_done(&text);
}

static void syslog_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer)
{
	struct syslog *s = sink;
	struct batch b = {
		.s = s,
		.events = batch,
		.deadline_ns = sys_monotonic_ns() + (uint64_t)s->timeout_ms * NS_PER_MS,
		.answer = answer,
	};

	answer->retry_after_ms = 0;
	memset(answer->results, SINK_DELIVERED, batch->count);
	if (send_all(&b))
		return; /* *answer says why */
	say_delivered(&b);
	if (b.refused)
		sink_answer(answer, b.refused == batch->count ? SINK_REFUSED : SINK_PARTLY,
			    "longer than message_bytes_max, even with the id alone", BYTES_NONE);
}

/* ---- a sink ---- */

static void syslog_close(void *sink)
{
	struct syslog *s = sink;

	if (!s)
		return;
	link_finish(&s->link, sys_monotonic_ns() + (uint64_t)FINISH_WAIT_MS * NS_PER_MS);
	tls_context_free(s->tls);
	buf_done(&s->unproven);
	buf_done(&s->one);
	free(s);
}

static enum err fill(struct syslog *s, const struct drain *config, struct sink_answer *answer)
{
	const char *problem = "";
	enum err e = syslog_address_parse(config->to, &s->address, &problem);

	if (e) {
		sink_answer(answer, SINK_WRONG, "to: ", bytes_str(problem));
		return e;
	}
	s->style.facility = config->syslog.facility <= MESSAGE_FACILITY_MAX
				    ? config->syslog.facility
				    : MESSAGE_FACILITY_MAX;
	s->style.app_name = config->syslog.app_name;
	s->style.bytes_max = config->syslog.message_bytes_max;
	s->timeout_ms = config->timeout_ms;
	if (s->address.transport != SYSLOG_TLS)
		return OK;
	return tls_context_new(&config->tls, &s->tls, answer);
}

static enum err syslog_open(const struct drain *config, struct sink_answer *answer, void **ret_sink)
{
	struct syslog *s = calloc(1, sizeof *s);
	enum err e;

	if (!s) {
		sink_answer(answer, SINK_RETRY, err_text(ERR_NOMEM), BYTES_NONE);
		return ERR_NOMEM;
	}
	s->link = LINK_NONE;
	e = fill(s, config, answer);
	if (e)
		syslog_close(s);
	else
		*ret_sink = s;
	return e;
}

static const struct sink_type types[] = {
	{"syslog", syslog_open, syslog_send, syslog_close},
};

__attribute__((visibility("default"))) extern const struct sink_module aigw_sink_module;
const struct sink_module aigw_sink_module = {
	.version = SINK_MODULE_VERSION,
	.config_bytes = sizeof(struct drain),
	.count = sizeof types / sizeof types[0],
	.types = types,
};
