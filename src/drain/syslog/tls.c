/* SPDX-License-Identifier: MIT */
#include "drain/syslog/tls.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* an error of ours, and a type of OpenSSL's that nobody here needs */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "base/sys.h"

#define NS_PER_MS          1000000u
#define PIECE              4096
#define LOOK_BYTES_MAX     (2 * NET_NOISE_MAX) /* with what TLS adds */
#define ALERT_INTERNAL     80                  /* RFC 8446 6.2 */
#define ALERT_USER_STOPPED 90
#define ALERT_MAX          255

struct tls_context {
	SSL_CTX *ctx;
	BIO_METHOD *carrier;
	bool has_certificate;
};

struct tls {
	SSL *ssl;
	struct net *net;
	size_t budget; /* bytes that may be read before we say that it is too much */
	bool is_flooded;
	bool is_empty;  /* the socket has nothing more to read now */
	int read_error; /* of the socket: -errno; 1: its end */
	bool is_asked;  /* for a certificate of ours, and has not said anything about it */
	bool has_certificate;
};

/* ---- the carrier: OpenSSL's reads and writes, on our socket ---- */

static int carrier_read(BIO *bio, char *at, int len)
{
	struct tls *tls = BIO_get_data(bio);
	size_t want = (size_t)len < tls->budget ? (size_t)len : tls->budget;
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (want == 0) {
		tls->is_flooded = len > 0;
		BIO_set_retry_read(bio);
		return -1;
	}
	n = net_read(tls->net, at, want);
	tls->is_empty = n == -EAGAIN;
	if (n == -EAGAIN)
		BIO_set_retry_read(bio);
	else if (n <= 0)
		tls->read_error = n < 0 ? (int)n : 1;
	else
		tls->budget -= (size_t)n;
	return n < 0 ? -1 : (int)n;
}

static int carrier_write(BIO *bio, const char *at, int len)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t n = net_write(tls->net, bytes_of(at, (size_t)len));

	BIO_clear_retry_flags(bio);
	if (n == -EAGAIN)
		BIO_set_retry_write(bio);
	else if (n < 0)
		errno = (int)-n;
	return n < 0 ? -1 : (int)n;
}

static long carrier_control(BIO *bio, int what, long number, void *at)
{
	(void)bio;
	(void)number;
	(void)at;
	return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *carrier_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "net");

	if (m && BIO_meth_set_read(m, carrier_read) && BIO_meth_set_write(m, carrier_write) &&
	    BIO_meth_set_ctrl(m, carrier_control))
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* ---- what went wrong ---- */

static enum err say_file(struct sink_answer *answer, const char *what, struct bytes file,
			 const char *why)
{
	struct buf detail = {0};

	if (buf_put(&detail, file) || buf_put_str(&detail, ": ") || buf_put_str(&detail, why))
		buf_reset(&detail);
	sink_answer(answer, SINK_WRONG, what, buf_view(&detail));
	buf_done(&detail);
	return ERR_BAD;
}

static enum err say(struct sink_answer *answer, enum sink_result result, const char *what,
		    const char *why)
{
	sink_answer(answer, result, what, bytes_str(why));
	return ERR_IO;
}

/* ---- what the configuration names ---- */

/* Encrypted keys are not asked a passphrase for: there is nobody to ask. */
static int no_passphrase(char *at, int len, int is_writing, void *more)
{
	(void)at;
	(void)len;
	(void)is_writing;
	(void)more;
	return -1;
}

static enum err read_file(struct bytes name, bool is_secret, const char *what, BIO **ret_bio,
			  struct buf *content, struct sink_answer *answer)
{
	enum err e = sink_read_file(name, is_secret, content);

	if (e == ERR_BAD && is_secret)
		return say_file(answer, what, name,
				"others than its owner and group may read it: chmod 640");
	if (e)
		return say_file(answer, what, name, err_text(e));
	*ret_bio = BIO_new_mem_buf(content->at, (int)content->len);
	return *ret_bio ? OK : say_file(answer, what, name, err_text(ERR_NOMEM));
}

static enum err use_authorities(struct tls_context *c, struct bytes name,
				struct sink_answer *answer)
{
	X509_STORE *store = SSL_CTX_get_cert_store(c->ctx);
	struct buf content = {0};
	BIO *bio = NULL;
	unsigned count = 0;
	enum err e;

	if (name.len == 0)
		return SSL_CTX_set_default_verify_paths(c->ctx) ? OK : ERR_NOMEM;
	e = read_file(name, false, "ca_file: ", &bio, &content, answer);
	for (X509 *one; !e && (one = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)); count++) {
		if (!X509_STORE_add_cert(store, one))
			e = say_file(answer, "ca_file: ", name, err_text(ERR_NOMEM));
		X509_free(one);
	}
	if (!e && count == 0)
		e = say_file(answer, "ca_file: ", name, "no certificate in it (PEM)");
	BIO_free(bio);
	buf_done(&content);
	return e;
}

/* The first is ours, those behind it lead to the authority. */
static enum err use_certificate(struct tls_context *c, struct bytes name,
				struct sink_answer *answer)
{
	struct buf content = {0};
	BIO *bio = NULL;
	enum err e = read_file(name, false, "cert_file: ", &bio, &content, answer);
	X509 *one = e ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);

	if (!e && (!one || SSL_CTX_use_certificate(c->ctx, one) != 1))
		e = say_file(answer, "cert_file: ", name, "no certificate in it that can be used");
	X509_free(one);
	while (!e && (one = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
		if (!SSL_CTX_add1_chain_cert(c->ctx, one))
			e = say_file(answer, "cert_file: ", name, err_text(ERR_NOMEM));
		X509_free(one);
	}
	BIO_free(bio);
	buf_done(&content);
	return e;
}

static enum err use_key(struct tls_context *c, struct bytes name, struct sink_answer *answer)
{
	struct buf content = {0};
	BIO *bio = NULL;
	enum err e = read_file(name, true, "key_file: ", &bio, &content, answer);
	EVP_PKEY *key = e ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

	if (!e && !key)
		e = say_file(answer, "key_file: ", name,
			     "no private key without passphrase in it (PEM)");
	if (!e &&
	    (SSL_CTX_use_PrivateKey(c->ctx, key) != 1 || SSL_CTX_check_private_key(c->ctx) != 1))
		e = say_file(answer, "key_file: ", name,
			     "is not the key of cert_file's certificate");
	EVP_PKEY_free(key);
	BIO_free(bio);
	buf_done(&content);
	return e;
}

/* OpenSSL asks when the server has asked for a certificate. */
static int was_asked(SSL *ssl, void *more)
{
	struct tls *tls = SSL_get_app_data(ssl);

	(void)more;
	tls->is_asked = true;
	return 1;
}

static enum err context_fill(struct tls_context *c, const struct drain_tls *config,
			     struct sink_answer *answer)
{
	enum err e;

	c->ctx = SSL_CTX_new(TLS_client_method());
	c->carrier = carrier_new();
	if (!c->ctx || !c->carrier || !SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION))
		return ERR_NOMEM;
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_clear_mode(c->ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_cb(c->ctx, was_asked, NULL);
	if ((e = use_authorities(c, config->ca_file, answer)))
		return e;
	if (config->cert_file.len == 0 && config->key_file.len == 0)
		return OK;
	if (config->cert_file.len == 0 || config->key_file.len == 0)
		return say(answer, SINK_WRONG, "cert_file and key_file belong together", "");
	c->has_certificate = true;
	if ((e = use_certificate(c, config->cert_file, answer)))
		return e;
	return use_key(c, config->key_file, answer);
}

enum err tls_context_new(const struct drain_tls *config, struct tls_context **ret_context,
			 struct sink_answer *answer)
{
	struct tls_context *c = calloc(1, sizeof *c);
	enum err e = ERR_NOMEM;

	sink_answer(answer, SINK_RETRY, err_text(e), BYTES_NONE);
	ERR_clear_error();
	if (c)
		e = context_fill(c, config, answer);
	ERR_clear_error();
	if (e)
		tls_context_free(c);
	else
		*ret_context = c;
	return e;
}

void tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	SSL_CTX_free(context->ctx);
	BIO_meth_free(context->carrier);
	free(context);
}

/* ---- a connection ---- */

static bool is_alert(int reason)
{
	return reason >= SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + ALERT_MAX;
}

/* The server has ended it, in order or not, or without a word. */
static enum err say_ended(struct tls *tls, struct sink_answer *answer, const char *when)
{
	if (tls->is_asked && !tls->has_certificate)
		return say(answer, SINK_WRONG,
			   "the server asks for a client's certificate (cert_file, key_file), and "
			   "closed the connection ",
			   when);
	if (tls->is_asked)
		return say(answer, SINK_WRONG,
			   "the server may not accept the certificate of cert_file: it closed the "
			   "connection ",
			   when);
	if (tls->read_error < 0) {
		net_say(answer, SINK_RETRY, "the connection broke", tls->net->where,
			tls->read_error);
		return ERR_IO;
	}
	return say(answer, SINK_RETRY, "the server closed the connection ", when);
}

/* What OpenSSL says after a call that failed and will never succeed. */
static enum err say_failed(struct tls *tls, struct sink_answer *answer, const char *when)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = ERR_reason_error_string(code);
	int reason = ERR_GET_REASON(code), alert = reason - SSL_AD_REASON_OFFSET;
	long verdict = SSL_get_verify_result(tls->ssl);

	if (verdict != X509_V_OK)
		return say(answer, SINK_WRONG, "the server's certificate is not accepted: ",
			   X509_verify_cert_error_string(verdict));
	if (ERR_GET_LIB(code) != ERR_LIB_SSL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return say_ended(tls, answer, when);
	if (is_alert(reason) && (alert == ALERT_INTERNAL || alert == ALERT_USER_STOPPED))
		return say(answer, SINK_RETRY, "the server ended TLS: ", text);
	if (is_alert(reason) && tls->is_asked && !tls->has_certificate)
		return say(
			answer, SINK_WRONG,
			"the server asks for a client's certificate (cert_file, key_file): ", text);
	if (is_alert(reason))
		return say(answer, SINK_WRONG,
			   "the server does not accept this TLS client: ", text);
	return say(answer, SINK_WRONG,
		   "TLS is not possible with this server: ", text ? text : "unknown error");
}

static enum err set_name(struct tls *tls, const struct syslog_address *a)
{
	X509_VERIFY_PARAM *check = SSL_get0_param(tls->ssl);

	X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (a->is_ip)
		return X509_VERIFY_PARAM_set1_ip_asc(check, a->host) ? OK : ERR_BAD;
	if (!SSL_set1_host(tls->ssl, a->host) || !SSL_set_tlsext_host_name(tls->ssl, a->host))
		return ERR_NOMEM;
	return OK;
}

static enum err make_ssl(struct tls *tls, const struct tls_context *c,
			 const struct syslog_address *a)
{
	BIO *bio = BIO_new(c->carrier);

	tls->ssl = SSL_new(c->ctx);
	if (!tls->ssl || !bio) {
		BIO_free(bio);
		return ERR_NOMEM;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_connect_state(tls->ssl);
	return set_name(tls, a);
}

/* After a call that did not succeed: OK when it can be tried again now. */
static enum err wait_for_more(struct tls *tls, int result, uint64_t deadline_ns, const char *when,
			      struct sink_answer *answer)
{
	int why = SSL_get_error(tls->ssl, result);

	if (tls->is_flooded)
		return say(answer, SINK_RETRY, "the server sends far more than TLS needs", "");
	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		return say_failed(tls, answer, when);
	if (!net_wait(tls->net, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ns) &&
	    sys_monotonic_ns() < deadline_ns)
		return OK;
	net_say(answer, SINK_RETRY, "the server does not go on in time", tls->net->where, 0);
	return ERR_IO;
}

static enum err shake_hands(struct tls *tls, uint64_t deadline_ns, struct sink_answer *answer)
{
	tls->budget = TLS_HANDSHAKE_BYTES_MAX;
	for (;;) {
		ERR_clear_error();
		int n = SSL_do_handshake(tls->ssl);
		if (n == 1)
			return OK;
		enum err e = wait_for_more(tls, n, deadline_ns, "during the TLS handshake", answer);
		if (e)
			return e;
	}
}

/* With TLS 1.3 the client is through before the server has seen the client's certificate. Most
 * servers send something when they have accepted it (tickets), all end the connection when not. */
static enum err hear_verdict(struct tls *tls, uint64_t deadline_ns, struct sink_answer *answer)
{
	uint64_t until_ns = sys_monotonic_ns() + (uint64_t)TLS_CERT_WAIT_MS * NS_PER_MS;

	if (!tls->is_asked || SSL_version(tls->ssl) < TLS1_3_VERSION)
		return OK;
	if (net_wait(tls->net, POLLIN, until_ns < deadline_ns ? until_ns : deadline_ns))
		return OK; /* nothing is said: what becomes of what is written will tell */
	return tls_look(tls, answer) == NET_OPEN ? OK : ERR_IO;
}

enum err tls_open(struct tls_context *context, struct net *net,
		  const struct syslog_address *address, uint64_t deadline_ns, struct tls **ret_tls,
		  struct sink_answer *answer)
{
	struct tls *tls = calloc(1, sizeof *tls);
	enum err e;

	sink_answer(answer, SINK_RETRY, err_text(ERR_NOMEM), BYTES_NONE);
	if (!tls)
		return ERR_NOMEM;
	tls->net = net;
	tls->has_certificate = context->has_certificate;
	e = make_ssl(tls, context, address);
	if (!e && !(e = shake_hands(tls, deadline_ns, answer)))
		e = hear_verdict(tls, deadline_ns, answer);
	if (e)
		tls_free(tls, false);
	else
		*ret_tls = tls;
	return e;
}

enum err tls_write(struct tls *tls, struct bytes data, uint64_t deadline_ns,
		   struct sink_answer *answer)
{
	while (data.len) {
		ERR_clear_error();
		int n = SSL_write(tls->ssl, data.at, data.len < INT_MAX ? (int)data.len : INT_MAX);
		if (n > 0) {
			data = bytes_from(data, (size_t)n);
			continue;
		}
		tls->budget = LOOK_BYTES_MAX;
		enum err e = wait_for_more(tls, n, deadline_ns, "while it was written to", answer);
		if (e) {
			(void)tls_look(tls, answer); /* it may have said why */
			return e;
		}
	}
	return OK;
}

/* Reads until there is nothing, or too much. Returns what SSL_read said last. */
static int read_away(struct tls *tls)
{
	uint8_t piece[PIECE];
	size_t said = 0;
	int n;

	tls->budget = LOOK_BYTES_MAX;
	tls->is_empty = false;
	do {
		ERR_clear_error();
		n = SSL_read(tls->ssl, piece, sizeof piece);
		said += n > 0 ? (size_t)n : 0;
		tls->is_flooded = tls->is_flooded || said > NET_NOISE_MAX;
		/* also after a record that was none of the application's */
	} while (!tls->is_flooded &&
		 (n > 0 || (SSL_get_error(tls->ssl, n) == SSL_ERROR_WANT_READ && !tls->is_empty)));
	return n;
}

enum net_state tls_look(struct tls *tls, struct sink_answer *answer)
{
	int n = read_away(tls);
	int why = SSL_get_error(tls->ssl, n);

	if (tls->is_flooded) {
		(void)say(answer, SINK_RETRY, "the server does not stop talking", "");
		return NET_NOISY;
	}
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		tls->is_asked = false;
		return NET_OPEN;
	}
	if (why != SSL_ERROR_ZERO_RETURN && !tls->read_error) {
		(void)say_failed(tls, answer, "");
		return NET_BROKEN;
	}
	(void)say_ended(tls, answer, "behind what was written");
	if (tls->read_error)
		return tls->read_error < 0 ? NET_BROKEN : NET_CLOSED;
	/* what follows a close_notify on the wire says whether all was read */
	return net_end(tls->net);
}

const char *tls_version(const struct tls *tls)
{
	return SSL_get_version(tls->ssl);
}

void tls_free(struct tls *tls, bool finish)
{
	if (!tls)
		return;
	ERR_clear_error();
	if (finish && !tls->read_error)
		(void)SSL_shutdown(tls->ssl);
	SSL_free(tls->ssl);
	ERR_clear_error();
	free(tls);
}
