/* SPDX-License-Identifier: MIT */
#include "drain/http/s3_client.h"

#include <string.h>

#include "audit/seal.h"
#include "base/sys.h"
#include "drain/http/head.h"
#include "drain/http/s3_text.h"
#include "drain/http/sigv4.h"
#include "policy/phrase.h"

#define NS_PER_S       UINT64_C(1000000000)
#define SIGNED_HEADERS 3 /* Host, X-Amz-Date, X-Amz-Content-Sha256 */

/* ---- opening ---- */

static struct bytes without_slash(struct bytes text)
{
	while (text.len && text.at[text.len - 1] == '/')
		text.len--;
	return text;
}

static enum err put_base(struct s3_client *c, const struct drain *config)
{
	struct bytes to = without_slash(config->to), bucket = config->s3.bucket;
	bool is_tls = bytes_equal_nocase(bytes_slice(to, 0, 8), BYTES("https://"));
	struct bytes scheme = is_tls ? BYTES("https://") : BYTES("http://");
	struct bytes place = bytes_from(to, scheme.len);
	struct bytes usual = is_tls ? BYTES(":443") : BYTES(":80");
	enum err e = OK;

	if (bytes_ends(place, usual))
		place.len -= usual.len;
	if (!config->s3.path_style) {
		e = buf_put(&c->host, bucket);
		e = e ? e : buf_put_u8(&c->host, '.');
	}
	e = e ? e : buf_put(&c->host, place);
	e = e ? e : buf_put(&c->base, scheme);
	e = e ? e : buf_put(&c->base, buf_view(&c->host));
	e = e ? e : buf_put_u8(&c->root, '/');
	if (config->s3.path_style) {
		e = e ? e : sigv4_put_encoded(&c->root, bucket, false);
		e = e ? e : buf_put_u8(&c->root, '/');
	}
	return e;
}

static enum err check_url(struct s3_client *c, struct sink_answer *answer)
{
	struct buf host = {0}, path = {0};
	const char *why = "out of memory";
	bool is_plain = bytes_starts(buf_view(&c->base), BYTES("http:"));
	enum err e = http_check_url(buf_view(&c->base), &host, &path, &why);

	if (!e && is_plain && !c->config->insecure_http) {
		why = "http:// is taken only with insecure_http";
		e = ERR_USAGE;
	}
	if (e)
		sink_answer(answer, SINK_WRONG, why, BYTES_NONE);
	buf_done(&host);
	buf_done(&path);
	return e;
}

static enum err check_key(struct s3_client *c, struct sink_answer *answer)
{
	struct bytes secret = buf_view(&c->key.value), id = bytes_cut(&secret, ':');

	if (id.len && secret.len)
		return OK;
	sink_answer(answer, SINK_WRONG, "access_key_file must hold ID:SECRET", BYTES_NONE);
	return ERR_BAD;
}

enum err s3_client_open(struct s3_client *c, const struct drain *config, struct sink_answer *answer)
{
	enum err e;

	*c = (struct s3_client){.config = config};
	c->key = (struct secret){.file = config->s3.access_key_file, .form = SECRET_TOKEN};
	e = seal_init();
	e = e ? e : put_base(c, config);
	if (e)
		sink_answer(answer, SINK_RETRY, err_text(e), BYTES_NONE);
	e = e ? e : check_url(c, answer);
	e = e ? e : secret_load(&c->key, answer);
	e = e ? e : check_key(c, answer);
	e = e ? e : http_open(&config->tls, answer, &c->http);
	if (e)
		s3_client_close(c);
	return e;
}

void s3_client_close(struct s3_client *c)
{
	http_close(c->http);
	http_answer_done(&c->answer);
	secret_done(&c->key);
	buf_done(&c->base);
	buf_done(&c->root);
	buf_done(&c->host);
	buf_done(&c->url);
	buf_done(&c->path);
	buf_done(&c->date);
	buf_done(&c->payload);
	buf_done(&c->authorization);
	*c = (struct s3_client){0};
}

/* ---- one request ---- */

static enum err put_place(struct s3_client *c, const struct s3_call *call)
{
	enum err e;

	buf_reset(&c->path);
	buf_reset(&c->url);
	if ((e = buf_put(&c->path, buf_view(&c->root))) || (e = buf_put(&c->path, call->key)) ||
	    (e = buf_put(&c->url, buf_view(&c->base))) ||
	    (e = buf_put(&c->url, buf_view(&c->path))))
		return e;
	if (!call->query.len)
		return OK;
	e = buf_put_u8(&c->url, '?');
	return e ? e : buf_put(&c->url, call->query);
}

static enum err sign(struct s3_client *c, const struct s3_call *call, struct drain_pair *headers,
		     size_t count)
{
	struct bytes secret = buf_view(&c->key.value), id = bytes_cut(&secret, ':');
	struct sigv4_key key = {id, secret, c->config->s3.region, BYTES("s3")};
	uint64_t now_s = sys_now_ns() / NS_PER_S;
	struct sigv4_request request = {bytes_str(call->method),
					buf_view(&c->path),
					call->query,
					count,
					headers,
					BYTES_NONE};
	uint8_t digest[SEAL_DIGEST_BYTES];
	enum err e;

	buf_reset(&c->date);
	buf_reset(&c->payload);
	buf_reset(&c->authorization);
	seal_sha256(call->body, digest);
	if ((e = sigv4_put_time(&c->date, now_s)) ||
	    (e = buf_put_hex(&c->payload, bytes_of(digest, sizeof digest))))
		return e;
	headers[0] = (struct drain_pair){BYTES("Host"), buf_view(&c->host)};
	headers[1] = (struct drain_pair){BYTES("X-Amz-Date"), buf_view(&c->date)};
	headers[2] = (struct drain_pair){BYTES("X-Amz-Content-Sha256"), buf_view(&c->payload)};
	request.payload_sha256 = buf_view(&c->payload);
	return sigv4_put_authorization(&c->authorization, &key, &request, now_s);
}

/* "HTTP 403 from HOST: AccessDenied: Access Denied" */
static void tell(const struct s3_client *c, struct sink_answer *answer)
{
	struct bytes body = buf_view(&c->answer.body), text;
	struct phrase p;

	answer->result = s3_result_of(c->answer.status, body);
	answer->retry_after_ms = 0;
	if (answer->result == SINK_RETRY)
		answer->retry_after_ms = head_retry_after_ms(buf_view(&c->answer.head),
							     sys_now_ns() / NS_PER_S);
	phrase_init(&p, answer->text, sizeof answer->text);
	phrase_put(&p, "HTTP ");
	phrase_put_decimal(&p, c->answer.status);
	phrase_put(&p, " from ");
	phrase_put_bytes(&p, buf_view(&c->host));
	if (answer->result != SINK_DELIVERED && s3_find_element(body, "Code", &text) == OK) {
		phrase_put(&p, ": ");
		phrase_put_quoted(&p, text);
	}
	if (answer->result != SINK_DELIVERED && s3_find_element(body, "Message", &text) == OK) {
		phrase_put(&p, ": ");
		phrase_put_bytes(&p, bytes_slice(text, 0, EXPLAIN_EXCERPT_MAX));
	}
	struct bytes secret = buf_view(&c->key.value);
	(void)bytes_cut(&secret, ':');
	secret_mask((uint8_t *)answer->text, strlen(answer->text), secret);
}

static void tell_failure(const struct s3_client *c, enum sink_result result, const char *why,
			 struct sink_answer *answer)
{
	struct phrase p;

	answer->result = result;
	answer->retry_after_ms = 0;
	phrase_init(&p, answer->text, sizeof answer->text);
	phrase_put_bytes(&p, buf_view(&c->host));
	phrase_put(&p, ": ");
	phrase_put(&p, why);
}

static bool send_once(struct s3_client *c, const struct s3_call *call, struct sink_answer *answer)
{
	struct drain_pair headers[SIGNED_HEADERS + S3_EXTRA_HEADERS_MAX + 1] = {
		{BYTES_NONE, BYTES_NONE}};
	size_t count = SIGNED_HEADERS;
	enum sink_result result = SINK_RETRY;
	const char *why = "out of memory";

	for (size_t i = 0; i < call->header_count && i < S3_EXTRA_HEADERS_MAX; i++)
		headers[count++] = call->headers[i];
	if (put_place(c, call) || sign(c, call, headers, count)) {
		tell_failure(c, result, why, answer);
		return false;
	}
	/* Host is libcurl's to write */
	headers[0] = (struct drain_pair){BYTES("Authorization"), buf_view(&c->authorization)};
	struct http_request request = {call->method, buf_view(&c->url), count,
				       headers,      call->body,        call->until_ns};
	if (!http_send(c->http, &request, &c->answer, &result, &why)) {
		tell_failure(c, result, why, answer);
		return false;
	}
	tell(c, answer);
	return true;
}

bool s3_client_send(struct s3_client *c, const struct s3_call *call, struct sink_answer *answer)
{
	bool came = send_once(c, call, answer);

	if (came && (c->answer.status == 401 || c->answer.status == 403) && secret_renew(&c->key) &&
	    check_key(c, answer) == OK)
		came = send_once(c, call, answer);
	return came;
}
