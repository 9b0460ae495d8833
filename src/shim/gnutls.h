/* SPDX-License-Identifier: MIT
 *
 * gnutls: what the front doors of GnuTLS share: the conn of a session, and bytes through its gate.
 * Knows the API of GnuTLS 3.6 and later; its types stay opaque.
 *
 * Only a client's session over a stream has a conn, from gnutls_init to gnutls_deinit: servers,
 * DTLS and what is not ours costs one look-up. All functions here are for the one thread that
 * writes, or the one that reads, as GnuTLS itself wants it.
 */
#ifndef AIGW_SHIM_GNUTLS_H
#define AIGW_SHIM_GNUTLS_H

#include <errno.h>

#include "shim/conn.h"
#include "shim/library.h"

#define likely(condition) __builtin_expect(!!(condition), 1)

/* Values of gnutls/gnutls.h. */
#define GNUTLS_E_MEMORY_ERROR   (-25)
#define GNUTLS_E_AGAIN          (-28)
#define GNUTLS_E_INVALID        (-50) /* GNUTLS_E_INVALID_REQUEST */
#define GNUTLS_E_INTERRUPTED    (-52)
#define GNUTLS_E_INTERNAL_ERROR (-59)
#define GNUTLS_E_FILE_ERROR     (-64)

/* gnutls_datum_t */
struct datum {
	unsigned char *at;
	unsigned len;
};

/* One libgnutls. Hooked functions are never NULL; those only used may be (an older one). */
struct gnutls_api {
	struct library library;
#define GNUTLS_HOOK(ret, name, params) ret(*name) params;
#define GNUTLS_USE(ret, name, params)  ret(*name) params;
#include "shim/hooks.def"
};

/* errno after this thread's last real call: one thread may read while another one writes. */
extern __thread int gnutls_errno __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* A real call for connection c; errno of the call is kept for the way out. */
#define REAL(c, call)                                                                              \
	({                                                                                         \
		__auto_type ret_ = (c)->gnutls->call;                                              \
		gnutls_errno = errno;                                                              \
		ret_;                                                                              \
	})

/* The program is to come back with the same. */
static inline bool gnutls_is_later(ssize_t ret)
{
	return ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED;
}

extern const struct family gnutls_family;

/* The libgnutls that the code at `caller` (a return address) would have reached without us. Never
 * NULL: when there is none to be found, a table whose functions fail. Keeps errno. */
const struct gnutls_api *gnutls_api_of(const void *caller);

/* The functions behind a session: `c` is its conn, NULL when it has none. */
static inline const struct gnutls_api *gnutls_api(const struct conn *c, const void *caller)
{
	return likely(c != NULL) ? c->gnutls : gnutls_api_of(caller);
}

/* Passes straight through: not governed, or libgnutls calling its own public functions. */
static inline bool gnutls_passes(const struct conn *c, const void *caller)
{
	return likely(!c || c->kind != CONN_GATED) ||
	       library_is_nested(&c->gnutls->library, caller);
}

/* A client's session over a stream was made: from now on it has a conn. */
void gnutls_begin(void *session, const struct gnutls_api *api);
/* Before the first handshake step: decides. The program's ALPN list goes to the library, or ours in
 * its place. Nothing to do later. Keeps errno. */
void gnutls_settle(struct conn *c, void *session);
/* None of our business after all. Keeps errno. */
void gnutls_pass(struct conn *c, void *session);
/* Keeps an ALPN list back until the handshake: a later list does not replace an earlier one in
 * GnuTLS, it is mixed with it. False: it cannot be kept, the library is to answer. */
bool gnutls_keep_alpn(struct conn *c, const struct datum *protocols, unsigned count,
		      unsigned flags);

/* The random of the session's ClientHello; false: it cannot be had. */
bool gnutls_random(const struct conn *c, uint8_t ret_random[32]);

/* The program writes: what gnutls_record_send answers. */
ssize_t gnutls_write(struct conn *c, void *session, const void *data, size_t len);
/* What gnutls_record_send2 answers: a record of padding only goes out, other padding is lost, since
 * a request is held and goes out in other pieces than it came in. */
ssize_t gnutls_write_padded(struct conn *c, void *session, const void *data, size_t len, size_t pad,
			    unsigned flags);
/* All of `data`, waiting as gnutls_record_send_range does: 0 or an error. */
ssize_t gnutls_write_all(struct conn *c, void *session, struct bytes data);
/* What gnutls_record_uncork answers. */
int gnutls_uncork(struct conn *c, bool wait);

/* The program reads. True when the gate answers: *ret_len bytes, or 0 for the end. */
bool gnutls_serve(struct conn *c, void *data, size_t cap, bool peek, size_t *ret_len);
/* The library ended a read with `ret`, 0 or an error. True: bytes that were held are to be served
 * before that is told. */
bool gnutls_read_failed(struct conn *c, ssize_t ret);

/* For the child after fork. */
void gnutls_reset_locks(void);

#endif
