/* SPDX-License-Identifier: MIT */
#include "fake_gnutls.h"

#include <errno.h>
#include <string.h>

#include "shim/gnutls.h"
#include "shim/hooks.h"

struct fake_gnutls *fake_gnutls_next;

static bool is_gated(const struct fake_gnutls *t)
{
	return t->far.is_gated(t->far.context);
}

/* The end of a call that is seen from outside. */
static long answer(struct fake_gnutls *t, long ret)
{
	must(t->alive);
	t->calls++;
	t->last_ret = ret;
	if (ret == GNUTLS_E_AGAIN)
		errno = EAGAIN;
	else if (ret == GNUTLS_E_INTERRUPTED)
		errno = EINTR;
	else if (ret < 0)
		errno = ECONNRESET;
	t->last_errno = errno;
	return ret;
}

/* Questions, after which errno is anybody's guess. */
static struct fake_gnutls *asked(void *session)
{
	struct fake_gnutls *t = session;

	must(t->alive);
	errno = ENOTTY;
	return t;
}

/* ---- life ---- */

static int fake_init(void **session, unsigned flags)
{
	struct fake_gnutls *t = fake_gnutls_next;

	must(!t->alive);
	t->alive = true;
	t->ready = t->closed = t->corked = false;
	t->byes = t->early_calls = 0;
	t->alpn[0] = '\0';
	*session = t;
	return 0;
}

static void fake_deinit(void *session)
{
	struct fake_gnutls *t = session;

	must(t->alive);
	t->alive = false;
	far_reset(&t->far);
	buf_done(&t->early);
	buf_done(&t->queue);
	buf_done(&t->blocked);
	buf_done(&t->packet);
}

static int fake_name(void *session, int type, const void *name, size_t len)
{
	must(((struct fake_gnutls *)session)->alive);
	return 0;
}

static int fake_alpn(void *session, const void *protocols, unsigned count, unsigned flags)
{
	struct fake_gnutls *t = asked(session);
	const struct datum *at = protocols;

	must(!t->ready || !count);
	for (unsigned i = 0; i < count; i++) {
		size_t len = strlen(t->alpn);
		must(len + at[i].len + 2 <= sizeof t->alpn);
		memcpy(t->alpn + len, at[i].at, at[i].len);
		memcpy(t->alpn + len + at[i].len, ",", 2);
	}
	return 0;
}

static void fake_read_function(void *session, void *function)
{
	must(((struct fake_gnutls *)session)->alive);
}

static void verify_cert(void *session, const char *name, unsigned flags)
{
	must(((struct fake_gnutls *)session)->alive);
}

static int verify(struct fake_gnutls *t, unsigned *status)
{
	*status = t->verified ? 0 : 66;
	return 0;
}

static int verify_peers(void *session, void *data, unsigned count, unsigned *status)
{
	return verify(asked(session), status);
}

static int verify_peers2(void *session, unsigned *status)
{
	return verify(asked(session), status);
}

static int verify_peers3(void *session, const char *name, unsigned *status)
{
	return verify(asked(session), status);
}

static int fake_handshake(void *session)
{
	struct fake_gnutls *t = session;

	if (t->handshake_steps && --t->handshake_steps)
		return (int)answer(t,
				   t->handshake_steps & 1 ? GNUTLS_E_AGAIN : GNUTLS_E_INTERRUPTED);
	if (!t->ready && t->early.len) {
		must(!is_gated(t));
		far_take(&t->far, buf_view(&t->early));
	}
	t->ready = true;
	return (int)answer(t, 0);
}

static int fake_bye(void *session, int how)
{
	struct fake_gnutls *t = session;

	must(t->alive);
	t->byes++; /* ours too: no call that the program's is compared with */
	t->closed = true;
	return 0;
}

/* ---- writing ---- */

/* gnutls_record_send(3): the same data again after GNUTLS_E_AGAIN, or none. The gate has them. */
static void check_repeated(const struct fake_gnutls *t, struct bytes data)
{
	if (is_gated(t) && data.len)
		must(bytes_starts(data, buf_view(&t->blocked)));
}

static void block(struct fake_gnutls *t, struct bytes data)
{
	struct bytes kept = data;

	if (t->blocked.len)
		return; /* that record is still the one */
	must_put(&t->blocked, kept);
}

static ssize_t send_record(struct fake_gnutls *t, struct bytes data)
{
	unsigned much;
	enum far_step step;

	if (t->blocked.len)
		check_repeated(t, data);
	else if (!data.len)
		return answer(t, GNUTLS_E_INVALID);
	if (t->closed || t->far.write_dead)
		return answer(t, t->closed ? E_INVALID_SESSION : E_PUSH);
	step = far_plan_take(&t->far.sends, &much);
	data = bytes_slice(data, 0, step == FAR_SOME ? much + 1 : t->record_max);
	data = bytes_slice(data, 0, t->record_max);
	if (step == FAR_WAIT) {
		block(t, data);
		return answer(t, much & 1 ? GNUTLS_E_INTERRUPTED : GNUTLS_E_AGAIN);
	}
	if (step == FAR_OTHER) {
		t->far.write_dead = true;
		return answer(t, E_PUSH);
	}
	if (t->blocked.len) {
		struct buf record = t->blocked;
		memset(&t->blocked, 0, sizeof t->blocked);
		far_take(&t->far, buf_view(&record));
		ssize_t len = (ssize_t)record.len;
		buf_done(&record);
		return answer(t, len);
	}
	far_take(&t->far, data);
	return answer(t, (ssize_t)data.len);
}

static ssize_t fake_send(void *session, const void *data, size_t len)
{
	struct fake_gnutls *t = session;

	if (!t->ready)
		return answer(t, E_DURING_HANDSHAKE);
	if (t->corked) {
		must(!is_gated(t)); /* what the gate sends is to go out */
		must_put(&t->queue, bytes_of(data, len));
		return answer(t, (ssize_t)len);
	}
	return send_record(t, bytes_of(data, len));
}

static ssize_t fake_send2(void *session, const void *data, size_t len, size_t pad, unsigned flags)
{
	struct fake_gnutls *t = session;

	/* A record of padding only. */
	if (t->ready && !t->corked && !len && pad && !t->blocked.len && !t->closed &&
	    !t->far.write_dead)
		return answer(t, 0);
	return fake_send(session, data, len);
}

static ssize_t fake_send_range(void *session, const void *data, size_t len, const void *range)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = fake_send(session, (const uint8_t *)data + sent, len - sent);
		if (n < 0 && n != GNUTLS_E_AGAIN && n != GNUTLS_E_INTERRUPTED)
			return n;
		sent += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)len;
}

static ssize_t fake_early(void *session, const void *data, size_t len)
{
	struct fake_gnutls *t = session;

	t->early_calls++;
	must(!is_gated(t));
	must_put(&t->early, bytes_of(data, len));
	return answer(t, 0);
}

static void fake_cork(void *session)
{
	struct fake_gnutls *t = session;

	must(!is_gated(t) && t->alive);
	t->corked = true;
}

static int fake_uncork(void *session, unsigned flags)
{
	struct fake_gnutls *t = session;
	long total = 0;

	must(t->alive);
	if (!t->corked)
		return 0;
	t->corked = false;
	while (t->queue.len) {
		long n = send_record(t, buf_view(&t->queue));
		if ((n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) && flags)
			continue;
		if (n < 0) {
			t->corked = true;
			return (int)n;
		}
		buf_drop_front(&t->queue, (size_t)n);
		total += n;
	}
	return (int)answer(t, total);
}

static size_t check_corked(void *session)
{
	return ((struct fake_gnutls *)session)->queue.len;
}

/* ---- reading ---- */

static long end_of_reading(struct fake_gnutls *t)
{
	static const int ends[] = {GNUTLS_E_AGAIN, 0, E_PULL, E_PREMATURE_END};

	return answer(t, ends[t->far.state]);
}

/* 0: there is something to read, `*ret_most` bytes of it. */
static long before_read(struct fake_gnutls *t, size_t *ret_most)
{
	static const int none[] = {GNUTLS_E_AGAIN, GNUTLS_E_INTERRUPTED, E_TIMEDOUT,
				   E_WARNING_ALERT, E_REHANDSHAKE};
	unsigned much;
	enum far_step step;

	if (!t->ready)
		return answer(t, E_DURING_HANDSHAKE);
	step = far_plan_take(&t->far.reads, &much);
	*ret_most = step == FAR_SOME ? much + 1 : t->record_max;
	return step == FAR_WAIT || step == FAR_OTHER ? answer(t, none[much % 5]) : 0;
}

static ssize_t fake_recv(void *session, void *data, size_t len)
{
	struct fake_gnutls *t = session;
	size_t most;
	long ret = before_read(t, &most);

	if (ret)
		return ret;
	if (!t->far.coming.len)
		return end_of_reading(t);
	return answer(t, (ssize_t)far_give(&t->far, data, len < most ? len : most, false));
}

static ssize_t fake_recv_seq(void *session, void *data, size_t len, unsigned char *sequence)
{
	memset(sequence, 1, 8);
	return fake_recv(session, data, len);
}

static ssize_t fake_recv_packet(void *session, void **packet)
{
	struct fake_gnutls *t = session;
	uint8_t data[FAR_RECORD_BYTES];
	ssize_t ret = fake_recv(session, data, sizeof data);

	*packet = NULL;
	if (ret <= 0)
		return ret;
	buf_reset(&t->packet);
	must_put(&t->packet, bytes_of(data, (size_t)ret));
	*packet = &t->packet;
	return ret;
}

struct bytes fake_gnutls_packet(const void *packet)
{
	return packet ? buf_view(packet) : BYTES_NONE;
}

static void packet_get(void *packet, void *data, unsigned char *sequence)
{
	const struct buf *b = packet;
	struct datum d = {b->at, (unsigned)b->len};

	memcpy(data, &d, sizeof d);
}

static size_t check_pending(void *session)
{
	return ((struct fake_gnutls *)session)->far.coming.len;
}

/* ---- what is asked ---- */

static int is_fatal(int error)
{
	return error < 0 && error != GNUTLS_E_AGAIN && error != GNUTLS_E_INTERRUPTED &&
	       error != E_WARNING_ALERT && error != E_REHANDSHAKE;
}

static size_t max_size(void *session)
{
	return ((struct fake_gnutls *)session)->record_max;
}

static void transport(void *session, void **from, void **to)
{
	struct fake_gnutls *t = asked(session);

	*from = *to = t->fd < 0 ? (void *)t : (void *)(uintptr_t)t->fd;
}

static void session_random(void *session, void *client, void *server)
{
	static unsigned char at[32];
	struct datum d = {at, sizeof at};

	(void)asked(session);
	memcpy(client, &d, sizeof d);
	memcpy(server, &d, sizeof d);
}

static int protocol(void *session)
{
	return asked(session)->old_version ? 3 : 5;
}

static const char *ciphersuite(void *session)
{
	(void)asked(session);
	return "TLS_AES_128_GCM_SHA256";
}

static int is_resumed(void *session)
{
	(void)asked(session);
	return 1;
}

static unsigned verify_status(void *session)
{
	return asked(session)->verified ? 0 : 66;
}

/* ---- in the place of shim/library ---- */

__thread const struct library *library_recent[LIBRARY_FAMILIES];

/* clang-format off */
static const struct {
	const char *name;
	void (*function)(void);
	bool newer;
} functions[] = {
#define FUNCTION(name, function) {#name, (void (*)(void))(function), false}
#define LATER(name, function) {#name, (void (*)(void))(function), true}
	FUNCTION(gnutls_init, fake_init),
	FUNCTION(gnutls_deinit, fake_deinit),
	FUNCTION(gnutls_server_name_set, fake_name),
	FUNCTION(gnutls_alpn_set_protocols, fake_alpn),
	FUNCTION(gnutls_handshake_set_read_function, fake_read_function),
	FUNCTION(gnutls_session_set_verify_cert, verify_cert),
	FUNCTION(gnutls_certificate_verify_peers, verify_peers),
	FUNCTION(gnutls_certificate_verify_peers2, verify_peers2),
	FUNCTION(gnutls_certificate_verify_peers3, verify_peers3),
	FUNCTION(gnutls_handshake, fake_handshake),
	FUNCTION(gnutls_bye, fake_bye),
	FUNCTION(gnutls_record_send, fake_send),
	FUNCTION(gnutls_record_send2, fake_send2),
	FUNCTION(gnutls_record_send_range, fake_send_range),
	FUNCTION(gnutls_record_send_early_data, fake_early),
	FUNCTION(gnutls_record_cork, fake_cork),
	FUNCTION(gnutls_record_uncork, fake_uncork),
	FUNCTION(gnutls_record_check_corked, check_corked),
	FUNCTION(gnutls_record_recv, fake_recv),
	FUNCTION(gnutls_record_recv_seq, fake_recv_seq),
	FUNCTION(gnutls_record_recv_packet, fake_recv_packet),
	FUNCTION(gnutls_record_check_pending, check_pending),
	FUNCTION(gnutls_error_is_fatal, is_fatal),
	FUNCTION(gnutls_packet_get, packet_get),
	FUNCTION(gnutls_transport_get_ptr2, transport),
	FUNCTION(gnutls_protocol_get_version, protocol),
	LATER(gnutls_record_get_max_size, max_size),
	LATER(gnutls_session_get_random, session_random),
	LATER(gnutls_ciphersuite_get, ciphersuite),
	LATER(gnutls_session_is_resumed, is_resumed),
	LATER(gnutls_session_get_verify_cert_status, verify_status),
};
/* clang-format on */

/* `handle`: which of the two libraries. */
void library_find(void *handle, const char *name, void *slot)
{
	const bool *is_old = handle;

	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
		if (strcmp(functions[i].name, name) == 0 && !(*is_old && functions[i].newer))
			memcpy(slot, &functions[i].function, sizeof functions[i].function);
}

const struct library *library_remember(const struct family *f, const void *caller)
{
	static bool ages[] = {false, true};
	struct gnutls_api *apis = f->tables;

	if (!apis[0].gnutls_init) {
		for (unsigned i = 0; i < 2; i++) {
			f->fill(&apis[i], &ages[i]);
			memcpy(apis[i].library.path, "/lib/fake_gnutls", sizeof "/lib/fake_gnutls");
		}
	}
	return &apis[fake_gnutls_next->old_library].library;
}

void library_reset_locks(const struct family *f)
{
}
