/* SPDX-License-Identifier: MIT
 *
 * The front doors of GnuTLS. A door: not ours, or libgnutls calling itself -> the real function;
 * else our work, with errno as the real function left it.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "shim/gnutls.h"
#include "shim/hello.h"
#include "shim/hooks.h"

/* Values of gnutls/gnutls.h. */
#define GNUTLS_SERVER      1u
#define GNUTLS_DATAGRAM    4u
#define GNUTLS_NAME_DNS    1
#define GNUTLS_RECORD_WAIT 1u

#define FILE_CHUNK_BYTES 4096

/* ---- life ---- */

HOOK int gnutls_init(void **session, unsigned flags)
{
	const struct gnutls_api *api = gnutls_api_of(CALLER);
	int ret = api->gnutls_init(session, flags), saved = errno;

	if (ret == 0 && !(flags & (GNUTLS_SERVER | GNUTLS_DATAGRAM)))
		gnutls_begin(*session, api);
	errno = saved;
	return ret;
}

/* Sessions are not counted: this is the end, and the address may be another's at once. */
HOOK void gnutls_deinit(void *session)
{
	const struct gnutls_api *api = gnutls_api(conn_find(session), CALLER);

	conn_drop(session);
	api->gnutls_deinit(session);
}

/* ---- before the handshake ---- */

/* What the library maps to another name (IDNA) is not known by this one: the Host field decides. */
static bool is_plain_name(struct bytes name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~')
			return false;
	return name.len < CONN_NAME_MAX;
}

HOOK int gnutls_server_name_set(void *session, int type, const void *name, size_t len)
{
	struct conn *c = conn_find(session);
	int ret = gnutls_api(c, CALLER)->gnutls_server_name_set(session, type, name, len);

	if (ret == 0 && type == GNUTLS_NAME_DNS && c && c->kind == CONN_NEW) {
		bool plain = is_plain_name(bytes_of(name, len));
		memset(c->server_name, 0, sizeof c->server_name);
		if (plain && len)
			memcpy(c->server_name, name, len);
	}
	return ret;
}

HOOK int gnutls_alpn_set_protocols(void *session, const void *protocols, unsigned count,
				   unsigned flags)
{
	struct conn *c = conn_find(session);

	if (!c || c->kind != CONN_NEW || library_is_nested(&c->gnutls->library, CALLER) ||
	    !gnutls_keep_alpn(c, protocols, count, flags))
		return gnutls_api(c, CALLER)->gnutls_alpn_set_protocols(session, protocols, count,
									flags);
	return 0;
}

/* The program carries the handshake itself: QUIC, whose data never comes through here. */
HOOK void gnutls_handshake_set_read_function(void *session, void *function)
{
	struct conn *c = conn_find(session);

	if (c && c->kind == CONN_NEW && function)
		gnutls_pass(c, session);
	gnutls_api(c, CALLER)->gnutls_handshake_set_read_function(session, function);
}

/* ---- verifying: whoever asks for it, we hear the answer ---- */

static void note_verified(struct conn *c, int ret, const unsigned *status)
{
	if (c)
		c->verified = ret == 0 && status && *status == 0;
}

HOOK int gnutls_certificate_verify_peers(void *session, void *data, unsigned count,
					 unsigned *status)
{
	struct conn *c = conn_find(session);
	int ret = gnutls_api(c, CALLER)->gnutls_certificate_verify_peers(session, data, count,
									 status);

	note_verified(c, ret, status);
	return ret;
}

HOOK int gnutls_certificate_verify_peers2(void *session, unsigned *status)
{
	struct conn *c = conn_find(session);
	int ret = gnutls_api(c, CALLER)->gnutls_certificate_verify_peers2(session, status);

	note_verified(c, ret, status);
	return ret;
}

HOOK int gnutls_certificate_verify_peers3(void *session, const char *name, unsigned *status)
{
	struct conn *c = conn_find(session);
	int ret = gnutls_api(c, CALLER)->gnutls_certificate_verify_peers3(session, name, status);

	note_verified(c, ret, status);
	return ret;
}

HOOK void gnutls_session_set_verify_cert(void *session, const char *name, unsigned flags)
{
	struct conn *c = conn_find(session);

	if (c)
		c->verifies_itself = true;
	gnutls_api(c, CALLER)->gnutls_session_set_verify_cert(session, name, flags);
}

HOOK void gnutls_session_set_verify_cert2(void *session, void *data, unsigned count, unsigned flags)
{
	struct conn *c = conn_find(session);

	if (c)
		c->verifies_itself = true;
	gnutls_api(c, CALLER)->gnutls_session_set_verify_cert2(session, data, count, flags);
}

/* ---- handshake and end ---- */

HOOK int gnutls_handshake(void *session)
{
	struct conn *c = conn_find(session);

	if (likely(!c || c->kind == CONN_PASS) || library_is_nested(&c->gnutls->library, CALLER))
		return gnutls_api(c, CALLER)->gnutls_handshake(session);
	gnutls_settle(c, session);
	/* GnuTLS hands the hello to a function that sends it, also where that is the program's. */
	struct hello_mark before = hello_enter(c, gnutls_random);
	int ret = REAL(c, gnutls_handshake(session));
	hello_leave(before);
	if (ret == 0)
		c->ready = true;
	errno = gnutls_errno;
	return ret;
}

HOOK int gnutls_bye(void *session, int how)
{
	struct conn *c = conn_find(session);

	if (gnutls_passes(c, CALLER))
		return gnutls_api(c, CALLER)->gnutls_bye(session, how);
	/* Where a refusal stands: not a word more, and nothing planted is to be parsed. */
	if (c->hushed)
		return 0;
	int ret = REAL(c, gnutls_bye(session, how));
	errno = gnutls_errno;
	return ret;
}

/* ---- writing ---- */

/* Before the handshake is done the library says no to data by itself. */
static bool passes_data(const struct conn *c, const void *caller)
{
	return gnutls_passes(c, caller) || !c->ready;
}

HOOK ssize_t gnutls_record_send(void *session, const void *data, size_t len)
{
	struct conn *c = conn_find(session);

	if (passes_data(c, CALLER))
		return gnutls_api(c, CALLER)->gnutls_record_send(session, data, len);
	return gnutls_write(c, session, data, len);
}

HOOK ssize_t gnutls_record_send2(void *session, const void *data, size_t len, size_t pad,
				 unsigned flags)
{
	struct conn *c = conn_find(session);

	if (passes_data(c, CALLER))
		return gnutls_api(c, CALLER)->gnutls_record_send2(session, data, len, pad, flags);
	return gnutls_write_padded(c, session, data, len, pad, flags);
}

HOOK ssize_t gnutls_record_send_range(void *session, const void *data, size_t len,
				      const void *range)
{
	struct conn *c = conn_find(session);
	struct { /* gnutls_range_st */
		size_t low, high;
	} r;

	if (passes_data(c, CALLER))
		return gnutls_api(c, CALLER)->gnutls_record_send_range(session, data, len, range);
	memcpy(&r, range, sizeof r);
	if (r.low > r.high || len < r.low || len > r.high)
		return GNUTLS_E_INVALID;
	ssize_t ret = gnutls_write_all(c, session, bytes_of(data, len));
	return ret < 0 ? ret : (ssize_t)len;
}

/* The library would read the file itself, or have the kernel encrypt it. A chunk that is blocked is
 * read again by the program's next call; one that is lost is told of at once: who is told of a part
 * writes the rest, and that is no new request. */
static ssize_t send_file(struct conn *c, void *session, int fd, off_t from, size_t count)
{
	uint8_t chunk[FILE_CHUNK_BYTES];
	size_t sent = 0;

	while (sent < count) {
		size_t want = count - sent < sizeof chunk ? count - sent : sizeof chunk;
		ssize_t n = sys_pread(fd, chunk, want, from + (off_t)sent);
		if (n == 0)
			break;
		n = n < 0 ? GNUTLS_E_FILE_ERROR : gnutls_write(c, session, chunk, (size_t)n);
		if (n < 0)
			return sent && gnutls_is_later(n) ? (ssize_t)sent : n;
		sent += (size_t)n;
	}
	return (ssize_t)sent;
}

HOOK ssize_t gnutls_record_send_file(void *session, int fd, off_t *offset, size_t count)
{
	struct conn *c = conn_find(session);

	if (passes_data(c, CALLER))
		return gnutls_api(c, CALLER)->gnutls_record_send_file(session, fd, offset, count);
	long at = sys_call(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
	if (at < 0)
		return GNUTLS_E_FILE_ERROR;
	ssize_t ret = send_file(c, session, fd, at + (offset ? *offset : 0), count);
	if (ret > 0 && offset)
		*offset += ret;
	else if (ret > 0)
		(void)sys_call(SYS_lseek, fd, at + ret, SEEK_SET, 0, 0, 0);
	return ret;
}

/* Early data would leave before a decision: on a governed connection it is as if the provider had
 * declined it, which a program must be ready for (gnutls_session_get_flags tells it so). */
HOOK ssize_t gnutls_record_send_early_data(void *session, const void *data, size_t len)
{
	struct conn *c = conn_find(session);

	if (c && !library_is_nested(&c->gnutls->library, CALLER)) {
		gnutls_settle(c, session);
		if (c->kind == CONN_GATED)
			return 0;
	}
	return gnutls_api(c, CALLER)->gnutls_record_send_early_data(session, data, len);
}

/* Corked bytes are collected here as they would be in the library, and go through the gate when
 * they are uncorked. */
HOOK void gnutls_record_cork(void *session)
{
	struct conn *c = conn_find(session);

	if (c && c->kind != CONN_PASS && !library_is_nested(&c->gnutls->library, CALLER))
		c->corked = true;
	if (gnutls_passes(c, CALLER))
		gnutls_api(c, CALLER)->gnutls_record_cork(session);
}

HOOK int gnutls_record_uncork(void *session, unsigned flags)
{
	struct conn *c = conn_find(session);

	if (gnutls_passes(c, CALLER))
		return gnutls_api(c, CALLER)->gnutls_record_uncork(session, flags);
	return gnutls_uncork(c, flags == GNUTLS_RECORD_WAIT);
}

HOOK size_t gnutls_record_check_corked(void *session)
{
	struct conn *c = conn_find(session);

	if (gnutls_passes(c, CALLER))
		return gnutls_api(c, CALLER)->gnutls_record_check_corked(session);
	return c->corked ? c->unsent.len : 0;
}

/* ---- reading ---- */

/* After a real read: what is answered to the program instead of `*ret`. False: read on. */
static bool after_read(struct conn *c, void *data, size_t len, ssize_t *ret)
{
	int saved = gnutls_errno;
	size_t got;
	bool done = true;

	if (*ret > 0) {
		*ret = (ssize_t)gate_read(c->gate, data, (size_t)*ret, len);
		done = *ret > 0; /* else all of it is held: there is more to come */
	} else if (gnutls_serve(c, data, len, false, &got)) {
		*ret = (ssize_t)got; /* refused meanwhile, by another thread's write */
	} else {
		done = !gnutls_read_failed(c, *ret);
	}
	errno = saved;
	return done;
}

HOOK ssize_t gnutls_record_recv(void *session, void *data, size_t len)
{
	struct conn *c = conn_find(session);
	size_t got;
	ssize_t ret;

	if (passes_data(c, CALLER) || len == 0)
		return gnutls_api(c, CALLER)->gnutls_record_recv(session, data, len);
	if (!c->gate)
		return GNUTLS_E_MEMORY_ERROR;
	do {
		if (gnutls_serve(c, data, len, false, &got))
			return (ssize_t)got;
		ret = REAL(c, gnutls_record_recv(session, data, len));
	} while (!after_read(c, data, len, &ret));
	return ret;
}

HOOK ssize_t gnutls_record_recv_seq(void *session, void *data, size_t len, unsigned char *sequence)
{
	struct conn *c = conn_find(session);
	size_t got;
	ssize_t ret;

	if (passes_data(c, CALLER) || len == 0)
		return gnutls_api(c, CALLER)->gnutls_record_recv_seq(session, data, len, sequence);
	if (!c->gate)
		return GNUTLS_E_MEMORY_ERROR;
	do {
		if (gnutls_serve(c, data, len, false, &got)) {
			if (sequence)
				memset(sequence, 0, 8);
			return (ssize_t)got;
		}
		ret = REAL(c, gnutls_record_recv_seq(session, data, len, sequence));
	} while (!after_read(c, data, len, &ret));
	return ret;
}

/* A packet is the library's own object: a refusal cannot be put into one, and is an end here. */
HOOK ssize_t gnutls_record_recv_packet(void *session, void **packet)
{
	struct conn *c = conn_find(session);
	struct datum data = {0};
	uint8_t peeked;
	size_t got;

	if (passes_data(c, CALLER) || !packet)
		return gnutls_api(c, CALLER)->gnutls_record_recv_packet(session, packet);
	if (!c->gate)
		return GNUTLS_E_MEMORY_ERROR;
	*packet = NULL;
	if (gnutls_serve(c, &peeked, sizeof peeked, true, &got))
		return 0;
	ssize_t ret = REAL(c, gnutls_record_recv_packet(session, packet));
	int saved = gnutls_errno;
	if (ret <= 0)
		(void)gnutls_read_failed(c, ret);
	else if (*packet && c->gnutls->gnutls_packet_get) {
		c->gnutls->gnutls_packet_get(*packet, &data, NULL);
		gate_read_as_is(c->gate, bytes_of(data.at, data.len));
	}
	errno = saved;
	return ret;
}

HOOK size_t gnutls_record_check_pending(void *session)
{
	struct conn *c = conn_find(session);
	size_t waiting = gnutls_passes(c, CALLER) || !c->gate ? 0 : gate_pending(c->gate);

	return waiting ? waiting : gnutls_api(c, CALLER)->gnutls_record_check_pending(session);
}
