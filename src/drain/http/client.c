/* SPDX-License-Identifier: MIT */
#include "drain/http/client.h"

#include <string.h>

#include "audit/seal.h"
#include "base/sys.h"
#include "drain/http/gzip.h"
#include "wire/sha256.h"

#define NS_PER_S    1000000000
#define HEADERS_MAX (DRAIN_HEADERS_MAX + 8)

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

static enum err put_base64(struct buf *out, struct bytes data)
{
	enum err e = OK;

	for (size_t i = 0; i < data.len && !e; i += 3) {
		struct bytes part = bytes_slice(data, i, 3);
		uint32_t group = (uint32_t)part.at[0] << 16;
		char text[4];
		group |= part.len > 1 ? (uint32_t)part.at[1] << 8 : 0;
		group |= part.len > 2 ? part.at[2] : 0;
		for (unsigned k = 0; k < 4; k++)
			text[k] = base64_digits[k > part.len ? 64 : group >> (18 - 6 * k) & 63];
		e = buf_put(out, bytes_of(text, 4));
	}
	return e;
}

enum err client_put_encoded(struct buf *out, struct bytes text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];
		bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
			     c == '-' || c == '.' || c == '_' || c == '~';
		char coded[3] = {'%', digits[c >> 4], digits[c & 15]};
		if (plain ? buf_put_u8(out, c) : buf_put(out, bytes_of(coded, 3)))
			return ERR_NOMEM;
	}
	return OK;
}

/* -- opening -------------------------------------------------------------------------------------
 */

/* Headers that the sinks set themselves. */
static bool is_taken(const struct client *c, struct bytes name)
{
	static const char *const ours[] = {"Content-Type", "Content-Encoding", "Idempotency-Key",
					   "X-Aigw-Signature", "User-Agent"};

	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (bytes_equal_nocase(name, bytes_str(ours[i])))
			return true;
	if (!c->config->token_file.len)
		return false;
	return bytes_equal_nocase(name, BYTES("Authorization")) ||
	       (c->preset->auth == AUTH_HEADER &&
		bytes_equal_nocase(name, bytes_str(c->preset->auth_name)));
}

static enum err check_headers(const struct client *c, struct sink_answer *answer)
{
	for (size_t i = 0; i < c->config->header_count; i++) {
		const struct drain_pair *header = &c->config->headers[i];
		if (i < DRAIN_HEADERS_MAX && http_is_header(header->name, header->value) &&
		    !is_taken(c, header->name))
			continue;
		sink_answer(answer, SINK_WRONG, "this header cannot be set: ", header->name);
		return ERR_USAGE;
	}
	return OK;
}

static enum err check_url(struct client *c, struct sink_answer *answer)
{
	struct buf path = {0};
	const char *why = "out of memory";
	bool is_plain = bytes_equal_nocase(bytes_slice(c->config->to, 0, 5), BYTES("http:"));
	enum err e = http_check_url(c->config->to, &c->host, &path, &why);

	if (!e && is_plain && !c->config->insecure_http) {
		why = "http:// is taken only with insecure_http";
		e = ERR_USAGE;
	}
	if (e)
		sink_answer(answer, SINK_WRONG, why, BYTES_NONE);
	c->has_path = path.len > 1;
	buf_done(&path);
	return e;
}

enum err client_open(struct client *c, const struct drain *config, const struct preset *preset,
		     bool gzip, struct sink_answer *answer)
{
	enum err e;

	memset(c, 0, sizeof *c);
	c->config = config;
	c->preset = preset;
	c->gzip = gzip;
	c->token = (struct secret){.file = config->token_file, .form = SECRET_TOKEN};
	c->hmac.form = SECRET_BYTES;
	if (config->type == DRAIN_HTTPS)
		c->hmac.file = config->https.hmac_file;
	e = check_url(c, answer);
	if (!e)
		e = check_headers(c, answer);
	if (!e)
		e = secret_load(&c->token, answer);
	if (!e)
		e = secret_load(&c->hmac, answer);
	if (!e)
		e = http_open(&config->tls, answer, &c->http);
	if (e)
		client_close(c);
	return e;
}

void client_close(struct client *c)
{
	http_close(c->http);
	http_answer_done(&c->answer);
	secret_done(&c->token);
	secret_done(&c->hmac);
	buf_done(&c->host);
	buf_done(&c->url);
	buf_done(&c->packed);
	buf_done(&c->authorization);
	buf_done(&c->signature);
	memset(c, 0, sizeof *c);
}

/* -- one request ---------------------------------------------------------------------------------
 */

/* The URL's part in front of its query, without slashes at the end when something comes behind. */
static enum err put_base(const struct client *c, struct buf *out, const char *path)
{
	struct bytes rest = c->config->to, base = bytes_cut(&rest, '?');

	while (path && path[0] == '/' && base.len && base.at[base.len - 1] == '/')
		base.len--;
	if (buf_put(out, base) || buf_put_str(out, path ? path : ""))
		return ERR_NOMEM;
	return OK;
}

static enum err put_query(struct buf *out, struct bytes query, bool *any)
{
	if (!query.len)
		return OK;
	if (buf_put_str(out, *any ? "&" : "?") || buf_put(out, query))
		return ERR_NOMEM;
	*any = true;
	return OK;
}

static enum err make_url(struct client *c, const struct client_post *post)
{
	struct bytes own = c->config->to;
	const char *path = post->path;
	bool any = false;

	if (!path && !c->has_path)
		path = post->default_path;
	if (c->preset->auth == AUTH_PATH && c->token.value.len)
		path = "/";
	(void)bytes_cut(&own, '?');
	buf_reset(&c->url);
	if (put_base(c, &c->url, path) ||
	    (c->preset->auth == AUTH_PATH &&
	     client_put_encoded(&c->url, buf_view(&c->token.value))) ||
	    put_query(&c->url, bytes_str(post->query), &any) || put_query(&c->url, own, &any) ||
	    put_query(&c->url, post->more_query, &any))
		return ERR_NOMEM;
	return OK;
}

static enum err put_basic(struct client *c)
{
	struct buf pair = {0};
	enum err e = ERR_NOMEM;

	if (buf_put(&pair, c->config->user) == OK &&
	    (!c->config->user.len || buf_put_u8(&pair, ':') == OK) &&
	    buf_put(&pair, buf_view(&c->token.value)) == OK &&
	    buf_put_str(&c->authorization, "Basic ") == OK)
		e = put_base64(&c->authorization, buf_view(&pair));
	buf_done(&pair);
	return e;
}

/* c->authorization and the header it goes into; an empty name: none. */
static enum err make_authorization(struct client *c, struct drain_pair *ret_header)
{
	const struct preset *p = c->preset;
	struct bytes token = buf_view(&c->token.value);
	enum err e = OK;

	*ret_header = (struct drain_pair){0};
	buf_reset(&c->authorization);
	if (!token.len || p->auth == AUTH_PATH)
		return OK;
	ret_header->name = BYTES("Authorization");
	if (p->auth == AUTH_BASIC || c->config->user.len) {
		e = put_basic(c);
	} else {
		const char *prefix = p->auth == AUTH_HEADER ? p->auth_prefix : "Bearer ";
		if (p->auth == AUTH_HEADER)
			ret_header->name = bytes_str(p->auth_name);
		e = buf_put_str(&c->authorization, prefix);
		if (!e)
			e = buf_put(&c->authorization, token);
	}
	ret_header->value = buf_view(&c->authorization);
	return e;
}

/* "t=1700000000,v1=9f86d0...": HMAC-SHA-256 over the time, a dot and the body as it is sent. */
static enum err make_signature(struct client *c, struct bytes body)
{
	uint8_t tag[SHA256_BYTES];
	struct buf time = {0};
	enum err e = buf_put_decimal(&time, sys_now_ns() / NS_PER_S);
	struct bytes parts[3] = {buf_view(&time), BYTES("."), body};

	buf_reset(&c->signature);
	if (e || buf_put_str(&c->signature, "t=") || buf_put(&c->signature, parts[0]) ||
	    buf_put_str(&c->signature, ",v1=")) {
		buf_done(&time);
		return ERR_NOMEM;
	}
	seal_hmac_sha256(buf_view(&c->hmac.value), parts, 3, tag);
	e = buf_put_hex(&c->signature, bytes_of(tag, sizeof tag));
	buf_done(&time);
	return e;
}

static void add(struct http_request *request, struct drain_pair *headers, struct bytes name,
		struct bytes value)
{
	if (name.len && value.len)
		headers[request->header_count++] = (struct drain_pair){name, value};
}

/* Everything but the body, which is packed once. */
static enum err make_request(struct client *c, const struct client_post *post,
			     struct http_request *request, struct drain_pair *headers)
{
	struct drain_pair authorization;
	enum err e = make_url(c, post);

	request->header_count = 0;
	if (!e)
		e = make_authorization(c, &authorization);
	if (!e && c->hmac.value.len)
		e = make_signature(c, request->body);
	if (e)
		return e;
	request->url = buf_view(&c->url);
	add(request, headers, BYTES("Content-Type"), bytes_str(post->content_type));
	add(request, headers, BYTES("Content-Encoding"), c->gzip ? BYTES("gzip") : BYTES_NONE);
	add(request, headers, BYTES("Idempotency-Key"), bytes_str(post->key));
	add(request, headers, authorization.name, authorization.value);
	if (c->hmac.value.len)
		add(request, headers, BYTES("X-Aigw-Signature"), buf_view(&c->signature));
	for (size_t i = 0; i < c->config->header_count && i < DRAIN_HEADERS_MAX; i++)
		add(request, headers, c->config->headers[i].name, c->config->headers[i].value);
	return OK;
}

struct explain client_explain(const struct client *c)
{
	struct explain x = {.host = buf_view(&c->host)};

	x.secrets[x.secret_count++] = buf_view(&c->token.value);
	x.secrets[x.secret_count++] = buf_view(&c->hmac.value);
	x.secrets[x.secret_count++] = buf_view(&c->authorization);
	/* "user:secret" as base64, without what stands in front of it */
	if (bytes_starts(x.secrets[2], BYTES("Basic ")))
		x.secrets[2] = bytes_from(x.secrets[2], 6);
	return x;
}

static bool send_once(struct client *c, const struct client_post *post, struct bytes body,
		      struct sink_answer *answer)
{
	struct drain_pair headers[HEADERS_MAX];
	struct http_request request = {
		.method = "POST", .headers = headers, .body = body, .until_ns = post->until_ns};
	enum sink_result result = SINK_RETRY;
	const char *why = "out of memory";
	enum err e = make_request(c, post, &request, headers);
	bool is_there = !e && http_send(c->http, &request, &c->answer, &result, &why);
	struct explain x = client_explain(c);

	if (is_there)
		explain_answer(&x, c->answer.status, buf_view(&c->answer.head),
			       buf_view(&c->answer.body), sys_now_ns() / NS_PER_S, answer);
	else
		explain_text(&x, result, "", bytes_str(why), answer);
	return is_there;
}

bool client_send(struct client *c, const struct client_post *post, struct sink_answer *answer)
{
	struct bytes body = post->body;
	bool is_there;

	answer->retry_after_ms = 0;
	if (c->gzip) {
		if (gzip_pack(body, &c->packed)) {
			sink_answer(answer, SINK_RETRY, "out of memory", BYTES_NONE);
			return false;
		}
		body = buf_view(&c->packed);
	}
	is_there = send_once(c, post, body, answer);
	if (is_there && (c->answer.status == 401 || c->answer.status == 403)) {
		bool is_new = secret_renew(&c->token);
		if (secret_renew(&c->hmac) || is_new)
			is_there = send_once(c, post, body, answer);
	}
	return is_there;
}

void client_make_key(const struct sink_event *events, size_t count, char ret_key[CLIENT_KEY_CHARS])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_BYTES];
	struct sha256 s;

	sha256_init(&s);
	for (size_t i = 0; i < count; i++) {
		sha256_put(&s, events[i].id);
		sha256_put(&s, BYTES("\n"));
	}
	sha256_end(&s, digest);
	for (size_t i = 0; i < CLIENT_KEY_CHARS - 1; i++)
		ret_key[i] = digits[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
	ret_key[CLIENT_KEY_CHARS - 1] = 0;
}
