/* SPDX-License-Identifier: MIT */
#include "shim/gnutls.h"

#include <string.h>

#include "shim/fds.h"

/* Values of gnutls/gnutls.h, and the limits of its ALPN lists. */
#define GNUTLS_E_TIMEDOUT              (-319)
#define GNUTLS_E_UNIMPLEMENTED_FEATURE (-1250)
#define GNUTLS_SHUT_WR                 1
#define ALPN_PROTOCOLS_MAX             8
#define ALPN_NAME_BYTES_MAX            31
#define RECORD_BYTES_MAX               16384 /* RFC 8446 5.1 */
#define DESCRIPTOR_OR_POINTER_BOUNDARY FDS_MAX

__thread int gnutls_errno __attribute__((tls_model("initial-exec")));

/* ---- the library ---- */

/* What a hook calls when no libgnutls can be found behind it. A long, because some of the functions
 * return an int and some a ssize_t. */
static long fail(void)
{
	return GNUTLS_E_UNIMPLEMENTED_FEATURE;
}

static size_t nothing_there(void *session)
{
	return 0;
}

static void fill(void *table, void *handle)
{
	struct gnutls_api *api = table;
	long (*failing)(void) = fail;

#define GNUTLS_HOOK(ret, name, params) library_find(handle, #name, &api->name);
#define GNUTLS_USE(ret, name, params)  library_find(handle, #name, &api->name);
#include "shim/hooks.def"
	if (!api->gnutls_record_check_pending)
		api->gnutls_record_check_pending = nothing_there;
	if (!api->gnutls_record_check_corked)
		api->gnutls_record_check_corked = nothing_there;
#define GNUTLS_HOOK(ret, name, params)                                                             \
	if (!api->name)                                                                            \
		memcpy(&api->name, &failing, sizeof failing);
#include "shim/hooks.def"
}

_Static_assert(sizeof(struct gnutls_api) <= LIBRARY_TABLE_BYTES_MAX, "fits");

static struct gnutls_api tables[LIBRARY_COPIES_MAX], nothing;
static struct family_state state;
const struct family gnutls_family = {
	.symbol = "gnutls_record_send",
	.table_bytes = sizeof tables[0],
	.tables = tables,
	.nothing = &nothing,
	.slot = 1,
	.fill = fill,
	.state = &state,
};

const struct gnutls_api *gnutls_api_of(const void *caller)
{
	return (const struct gnutls_api *)library_of(&gnutls_family, caller);
}

void gnutls_reset_locks(void)
{
	library_reset_locks(&gnutls_family);
}

/* ---- the carrier ---- */

static void *session_of(const struct conn *c)
{
	return (void *)(uintptr_t)c->session;
}

static enum carried carry(void *session, struct bytes data, size_t *ret_done)
{
	struct conn *c = session;
	ssize_t ret = REAL(c, gnutls_record_send(session_of(c), data.at, data.len));

	c->last_ret = (int)ret;
	if (ret > 0) {
		*ret_done = (size_t)ret;
		return (size_t)ret == data.len ? CARRIED : CARRIED_PART;
	}
	return gnutls_is_later(ret) ? BLOCKED : BROKEN;
}

/* What the program gave as its transport: a descriptor, or a pointer of its own for its own
 * functions. No object lies as low as descriptors are; 0 is more likely a NULL. */
static int given_descriptor(const struct conn *c)
{
	void *from = NULL, *to = NULL;

	if (c->gnutls->gnutls_transport_get_ptr2)
		c->gnutls->gnutls_transport_get_ptr2(session_of(c), &from, &to);
	return (uintptr_t)from > 0 && (uintptr_t)from < DESCRIPTOR_OR_POINTER_BOUNDARY
		       ? (int)(uintptr_t)from
		       : -1;
}

bool gnutls_random(const struct conn *c, uint8_t ret_random[32])
{
	struct datum client = {0}, server = {0};

	if (!c->session || !c->gnutls->gnutls_session_get_random)
		return false;
	c->gnutls->gnutls_session_get_random(session_of(c), &client, &server);
	if (!client.at || client.len != 32)
		return false;
	memcpy(ret_random, client.at, 32);
	return true;
}

static void find_descriptor(const struct conn *c, struct link_facts *ret_facts)
{
	int found = -1, given = given_descriptor(c);
	uint8_t random[32];

	if (gnutls_random(c, random))
		found = fds_find(random);
	ret_facts->own_transport = given < 0 || (found >= 0 && found != given);
	ret_facts->fd = found >= 0 ? found : given;
}

/* In the words that are used for OpenSSL, too. */
static void describe_protocol(const struct conn *c, struct link_facts *ret_facts)
{
	/* by gnutls_protocol_t */
	static const struct {
		const char *name;
		int version;
	} protocols[] = {{NULL, 0},           {"SSLv3", 0x0300},   {"TLSv1", 0x0301},
			 {"TLSv1.1", 0x0302}, {"TLSv1.2", 0x0303}, {"TLSv1.3", 0x0304}};
	const struct gnutls_api *api = c->gnutls;
	void *session = session_of(c);
	int n = api->gnutls_protocol_get_version ? api->gnutls_protocol_get_version(session) : 0;

	if (n > 0 && (size_t)n < sizeof protocols / sizeof protocols[0]) {
		ret_facts->tls = protocols[n].name;
		ret_facts->version = protocols[n].version;
	}
	/* Newer libraries tell the suite as the IANA registry calls it. */
	if (api->gnutls_ciphersuite_get)
		ret_facts->cipher = api->gnutls_ciphersuite_get(session);
	else if (api->gnutls_cipher_get && api->gnutls_cipher_get_name)
		ret_facts->cipher = api->gnutls_cipher_get_name(api->gnutls_cipher_get(session));
}

static bool is_verified(const struct conn *c)
{
	const struct gnutls_api *api = c->gnutls;
	void *session = session_of(c);
	unsigned status = 1;

	if (c->verified)
		return true;
	if (!c->verifies_itself)
		return false;
	if (api->gnutls_session_get_verify_cert_status &&
	    api->gnutls_session_get_verify_cert_status(session) == 0)
		return true;
	/* A resumed session of TLS 1.3 is not verified again, although that is what was asked for.
	 */
	return api->gnutls_session_is_resumed && api->gnutls_session_is_resumed(session) &&
	       api->gnutls_certificate_verify_peers2(session, &status) == 0 && status == 0;
}

static void describe(void *session, struct link_facts *ret_facts)
{
	const struct conn *c = session;

	memset(ret_facts, 0, sizeof *ret_facts);
	ret_facts->library = c->gnutls->library.path;
	ret_facts->verified = is_verified(c);
	describe_protocol(c, ret_facts);
	find_descriptor(c, ret_facts);
}

static void hush(void *session)
{
	struct conn *c = session;

	c->hushed = true;
}

/* The errno that the program gets is that of its own call: nothing is noted of this one. */
static void say_goodbye(void *session)
{
	struct conn *c = session;

	(void)c->gnutls->gnutls_bye(session_of(c), GNUTLS_SHUT_WR);
}

static const struct carrier carrier = {carry, describe, hush, say_goodbye};

/* ---- ours? ---- */

void gnutls_begin(void *session, const struct gnutls_api *api)
{
	conn_drop(session); /* of an object that was freed in a way we did not see */
	(void)conn_add(session, api);
}

/* Kept as flags (4), count (1), then each name with its length (1) in front. */
bool gnutls_keep_alpn(struct conn *c, const struct datum *protocols, unsigned count, unsigned flags)
{
	size_t before = c->alpn.len;
	enum err e = ERR_LIMIT;

	for (unsigned i = 0; i < count; i++)
		if (count > ALPN_PROTOCOLS_MAX || protocols[i].len > ALPN_NAME_BYTES_MAX)
			return false;
	e = buf_put_u32(&c->alpn, flags);
	if (!e)
		e = buf_put_u8(&c->alpn, (uint8_t)count);
	for (unsigned i = 0; !e && i < count; i++) {
		e = buf_put_u8(&c->alpn, (uint8_t)protocols[i].len);
		if (!e)
			e = buf_put(&c->alpn, bytes_of(protocols[i].at, protocols[i].len));
	}
	if (e)
		c->alpn.len = before;
	return !e;
}

static void hand_alpn_on(struct conn *c, void *session)
{
	struct datum protocols[ALPN_PROTOCOLS_MAX];
	struct bytes rest = buf_view(&c->alpn);

	while (rest.len) {
		uint32_t flags;
		unsigned count = rest.at[4];
		memcpy(&flags, rest.at, sizeof flags);
		rest = bytes_from(rest, 5);
		for (unsigned i = 0; i < count; i++) {
			protocols[i].len = rest.at[0];
			protocols[i].at = (unsigned char *)(uintptr_t)rest.at + 1;
			rest = bytes_from(rest, 1u + protocols[i].len);
		}
		(void)c->gnutls->gnutls_alpn_set_protocols(session, protocols, count, flags);
	}
	buf_done(&c->alpn);
}

void gnutls_pass(struct conn *c, void *session)
{
	int saved = errno;

	c->kind = CONN_PASS;
	hand_alpn_on(c, session);
	errno = saved;
}

void gnutls_settle(struct conn *c, void *session)
{
	static unsigned char http1[] = "http/1.1";
	const struct datum only_http1 = {http1, sizeof http1 - 1};
	int saved = errno;

	if (c->kind != CONN_NEW)
		return;
	/* HTTP/1.1 is what the gate reads. */
	if (conn_decide(c, &carrier, bytes_str(c->server_name), given_descriptor(c))) {
		buf_done(&c->alpn);
		(void)c->gnutls->gnutls_alpn_set_protocols(session, &only_http1, 1, 0);
	}
	hand_alpn_on(c, session);
	/* The gate collects what is corked; the library was told before it was known. */
	if (c->corked && c->kind == CONN_GATED)
		(void)c->gnutls->gnutls_record_uncork(session, 0);
	errno = saved;
}

/* ---- bytes ---- */

/* To the gate: 0 when all counts as written, else what the library answered. */
static int offer(struct conn *c, struct bytes data)
{
	enum gate_answer answer;
	int before = c->last_ret;

	c->last_ret = 0;
	gnutls_errno = errno;
	answer = gate_write(c->gate, data);
	if (c->last_ret == 0 && before < 0 && !gnutls_is_later(before))
		c->last_ret = before; /* it had broken then, and was not tried again */
	if (answer == GATE_OPENED)
		c->kind = CONN_PASS; /* it is none of our business */
	errno = gnutls_errno;
	if (answer == GATE_TAKEN || answer == GATE_OPENED)
		return 0;
	return c->last_ret < 0 ? c->last_ret : GNUTLS_E_INTERNAL_ERROR;
}

/* The program may repeat a blocked write as (NULL, 0): GnuTLS has the bytes then, and so must we.
 */
static void keep_blocked(struct conn *c, struct bytes data)
{
	c->blocked = true;
	if (data.at == c->repeat.at)
		return;
	buf_reset(&c->repeat);
	if (buf_put(&c->repeat, data))
		buf_reset(&c->repeat);
}

static void forget_blocked(struct conn *c)
{
	c->blocked = false;
	buf_done(&c->repeat);
}

ssize_t gnutls_write(struct conn *c, void *session, const void *data, size_t len)
{
	struct bytes b = bytes_of(data, len);
	size_t max = RECORD_BYTES_MAX;
	int ret;

	if (!c->gate)
		return GNUTLS_E_MEMORY_ERROR;
	if (c->corked)
		return buf_put(&c->unsent, b) ? GNUTLS_E_MEMORY_ERROR : (ssize_t)len;
	if (len == 0 && !c->blocked)
		return REAL(c, gnutls_record_send(session, data, len)); /* an error of its own */
	if (len == 0 && c->repeat.len == 0)
		return GNUTLS_E_MEMORY_ERROR;
	if (len == 0)
		b = buf_view(&c->repeat);
	/* As much as the library would take at once: programs know that. */
	if (c->gnutls->gnutls_record_get_max_size)
		max = c->gnutls->gnutls_record_get_max_size(session);
	b = bytes_slice(b, 0, max);
	ret = offer(c, b);
	if (gnutls_is_later(ret)) {
		keep_blocked(c, b);
		return ret;
	}
	if (c->blocked)
		forget_blocked(c);
	return ret ? ret : (ssize_t)b.len;
}

ssize_t gnutls_write_padded(struct conn *c, void *session, const void *data, size_t len, size_t pad,
			    unsigned flags)
{
	if (len || !pad || !c->gate || c->corked || c->blocked)
		return gnutls_write(c, session, data, len);
	if (c->hushed)
		return 0;
	return REAL(c, gnutls_record_send2(session, data, len, pad, flags));
}

ssize_t gnutls_write_all(struct conn *c, void *session, struct bytes data)
{
	while (data.len) {
		ssize_t n = gnutls_write(c, session, data.at, data.len);
		if (n < 0 && !gnutls_is_later(n))
			return n;
		if (n > 0)
			data = bytes_from(data, (size_t)n);
	}
	return 0;
}

int gnutls_uncork(struct conn *c, bool wait)
{
	size_t len = c->unsent.len;
	int ret = 0;

	if (!c->corked)
		return 0;
	if (!c->gate)
		return GNUTLS_E_MEMORY_ERROR;
	c->corked = false;
	while (len && gnutls_is_later(ret = offer(c, buf_view(&c->unsent))) && wait)
		;
	if (ret) {
		c->corked = true; /* still, as with the real one */
		return ret;
	}
	buf_done(&c->unsent);
	/* After a blocked write, the program's repetition of it is what the corked bytes begin
	 * with. */
	if (len)
		forget_blocked(c);
	return (int)len;
}

bool gnutls_serve(struct conn *c, void *data, size_t cap, bool peek, size_t *ret_len)
{
	enum gate_serving serving;

	serving = gate_serve(c->gate, data, cap, peek, ret_len);
	if (serving == GATE_END)
		*ret_len = 0;
	return serving != GATE_NOTHING;
}

bool gnutls_read_failed(struct conn *c, ssize_t ret)
{
	bool fatal = !c->gnutls->gnutls_error_is_fatal ||
		     c->gnutls->gnutls_error_is_fatal((int)ret);

	if (gnutls_is_later(ret) || ret == GNUTLS_E_TIMEDOUT)
		return false;
	return (ret == 0 || fatal) && gate_ended(c->gate);
}
