/* SPDX-License-Identifier: MIT */
#include "drain/http/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"

#define NS_PER_MS 1000000

struct http {
	CURL *easy;
	struct buf ca, cert, key; /* PEM */
	bool is_plain;            /* the request under way */
	struct http_answer *answer;
	size_t head_bytes;
	bool is_head_whole; /* an empty line has ended it: libcurl takes less */
	char error[CURL_ERROR_SIZE];
};

/* -- what may be sent ----------------------------------------------------------------------------
 */

static bool is_token_char(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool http_is_header(struct bytes name, struct bytes value)
{
	static const char *const ours[] = {
		"Host",      "Content-Length", "Transfer-Encoding", "Connection",
		"Expect",    "Upgrade",        "Trailer",           "TE",
		"Keep-Alive"};

	for (size_t i = 0; i < name.len; i++)
		if (!is_token_char(name.at[i]))
			return false;
	for (size_t i = 0; i < value.len; i++)
		if ((value.at[i] < 0x20 && value.at[i] != '\t') || value.at[i] == 0x7f)
			return false;
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (bytes_equal_nocase(name, bytes_str(ours[i])))
			return false;
	return name.len > 0;
}

static bool is_own_host(const char *name)
{
	struct in_addr four;
	struct in6_addr six;
	char bare[64];
	size_t len = strlen(name);

	if (strcmp(name, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, name, &four) == 1)
		return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
	if (len < 3 || len >= sizeof bare || name[0] != '[')
		return false;
	memcpy(bare, name + 1, len - 2);
	bare[len - 2] = 0;
	return inet_pton(AF_INET6, bare, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* A part of a URL, or NULL; curl_free. */
static char *part_of(CURLU *url, CURLUPart part, unsigned flags)
{
	char *text = NULL;

	return curl_url_get(url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

/* OK: *ret_url is the caller's (curl_url_cleanup). */
static enum err parse_url(struct bytes text, CURLU **ret_url, bool *ret_is_plain,
			  const char **ret_why)
{
	char url[HTTP_URL_BYTES_MAX];
	CURLU *u;
	enum err e = ERR_BAD;

	*ret_why = "the URL is too long, or there are spaces or control characters in it";
	if (text.len >= sizeof url)
		return ERR_BAD;
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
			return ERR_BAD;
	if (text.len)
		memcpy(url, text.at, text.len);
	url[text.len] = 0;
	u = curl_url();
	if (!u)
		return ERR_NOMEM;
	*ret_why = "this is no URL without a user's name";
	CURLUcode code = curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER);
	char *scheme = part_of(u, CURLUPART_SCHEME, 0), *host = part_of(u, CURLUPART_HOST, 0);
	char *fragment = part_of(u, CURLUPART_FRAGMENT, 0);
	if (code == CURLUE_OK && scheme && host && !fragment) {
		*ret_is_plain = strcmp(scheme, "http") == 0;
		*ret_why = "https is needed; http only to this host itself, as localhost or by a "
			   "loopback address";
		if (strcmp(scheme, "https") == 0 || (*ret_is_plain && is_own_host(host)))
			e = OK;
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(fragment);
	wipe(url, sizeof url);
	if (e)
		curl_url_cleanup(u);
	else
		*ret_url = u;
	return e;
}

static enum err put_host(struct buf *out, CURLU *u)
{
	char *host = part_of(u, CURLUPART_HOST, 0), *port = part_of(u, CURLUPART_PORT, 0);
	enum err e = host ? buf_put_str(out, host) : ERR_NOMEM;

	if (!e && port) {
		e = buf_put_str(out, ":");
		if (!e)
			e = buf_put_str(out, port);
	}
	curl_free(host);
	curl_free(port);
	return e;
}

enum err http_check_url(struct bytes url, struct buf *ret_host, struct buf *ret_path,
			const char **ret_why)
{
	CURLU *u = NULL;
	bool is_plain;
	enum err e = parse_url(url, &u, &is_plain, ret_why);

	if (e)
		return e;
	char *path = part_of(u, CURLUPART_PATH, 0);
	e = put_host(ret_host, u);
	if (!e)
		e = path ? buf_put_str(ret_path, path) : ERR_NOMEM;
	curl_free(path);
	curl_url_cleanup(u);
	return e;
}

/* -- opening -------------------------------------------------------------------------------------
 */

static enum err load_pem(struct bytes file, bool is_secret, struct buf *ret_pem,
			 struct sink_answer *answer)
{
	enum err e;

	if (!file.len)
		return OK;
	e = sink_read_file(file, is_secret, ret_pem);
	if (e)
		sink_answer(answer, SINK_WRONG,
			    e == ERR_BAD ? "it must be a file that others cannot read: "
					 : "this file for TLS cannot be read: ",
			    file);
	return e;
}

static enum err load_files(struct http *h, const struct drain_tls *tls, struct sink_answer *answer)
{
	enum err e = load_pem(tls->ca_file, false, &h->ca, answer);

	if (!e)
		e = load_pem(tls->cert_file, false, &h->cert, answer);
	if (!e) /* without a file of its own, the key stands in the certificate's */
		e = load_pem(tls->key_file.len ? tls->key_file : tls->cert_file, true, &h->key,
			     answer);
	return e;
}

enum err http_open(const struct drain_tls *tls, struct sink_answer *answer, struct http **ret_http)
{
	struct http *h = calloc(1, sizeof *h);
	const curl_version_info_data *version;
	enum err e = ERR_NOMEM;

	if (!h)
		goto fail;
	e = load_files(h, tls, answer);
	if (e)
		goto fail;
	e = ERR_UNSUPPORTED;
	sink_answer(answer, SINK_WRONG, "libcurl is not able to do TLS", BYTES_NONE);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		goto fail;
	version = curl_version_info(CURLVERSION_NOW);
	h->easy = curl_easy_init();
	if (!h->easy || !(version->features & CURL_VERSION_SSL))
		goto fail;
	*ret_http = h;
	return OK;
fail:
	if (e == ERR_NOMEM)
		sink_answer(answer, SINK_RETRY, "out of memory", BYTES_NONE);
	http_close(h);
	return e;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	if (h->easy)
		curl_easy_cleanup(h->easy);
	buf_done(&h->ca);
	buf_done(&h->cert);
	buf_done(&h->key);
	wipe(h, sizeof *h);
	free(h);
}

void http_answer_done(struct http_answer *a)
{
	buf_done(&a->head);
	buf_done(&a->body);
}

/* -- one request ---------------------------------------------------------------------------------
 */

/* A status line begins a head anew; interim answers (1xx) count, so that they are not endless. */
static size_t take_head(char *at, size_t size, size_t count, void *of)
{
	struct http *h = of;
	struct bytes line = bytes_of(at, size * count);

	h->head_bytes += line.len;
	if (h->head_bytes > HTTP_HEAD_BYTES_MAX)
		return 0;
	h->is_head_whole = line.len <= 2;
	if (bytes_starts(line, BYTES("HTTP/")))
		buf_reset(&h->answer->head);
	else if (buf_put(&h->answer->head, line))
		return 0;
	return line.len;
}

static size_t take_body(char *at, size_t size, size_t count, void *of)
{
	struct http *h = of;
	size_t len = size * count, room = HTTP_ANSWER_BYTES_MAX - h->answer->body.len;

	if (buf_put(&h->answer->body, bytes_of(at, len < room ? len : room)))
		return 0;
	h->answer->is_cut = len > room;
	return h->answer->is_cut ? 0 : len;
}

/* What is not encrypted stays on this host, whatever its name leads to. */
static curl_socket_t open_socket(void *of, curlsocktype purpose, struct curl_sockaddr *to)
{
	const struct http *h = of;

	if (h->is_plain) {
		const struct sockaddr_in *four = (const void *)&to->addr;
		const struct sockaddr_in6 *six = (const void *)&to->addr;
		bool is_own = to->family == AF_INET
				      ? ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
				      : to->family == AF_INET6 &&
						IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
		if (!is_own)
			return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void free_list(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l; l = l->next)
		wipe(l->data, strlen(l->data));
	curl_slist_free_all(list);
}

/* False: no memory, or not a header. */
static bool add_header(struct curl_slist **list, struct bytes name, struct bytes value)
{
	struct buf line = {0};
	struct curl_slist *longer = NULL;

	/* libcurl takes "Name;" for a header without a value */
	if (http_is_header(name, value) && buf_put(&line, name) == OK &&
	    buf_put_str(&line, value.len ? ": " : ";") == OK && buf_put(&line, value) == OK &&
	    buf_put_u8(&line, 0) == OK)
		longer = curl_slist_append(*list, (const char *)line.at);
	buf_done(&line);
	if (longer)
		*list = longer;
	return longer != NULL;
}

static struct curl_slist *make_headers(const struct http_request *request)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	bool fine = list && add_header(&list, BYTES("User-Agent"), BYTES("aigw/" AIGW_VERSION));

	for (size_t i = 0; fine && i < request->header_count; i++)
		fine = add_header(&list, request->headers[i].name, request->headers[i].value);
	if (fine)
		return list;
	free_list(list);
	return NULL;
}

static CURLcode set_pem(CURL *easy, CURLoption option, const struct buf *pem)
{
	struct curl_blob blob = {pem->at, pem->len, CURL_BLOB_NOCOPY};

	return pem->len ? curl_easy_setopt(easy, option, &blob) : CURLE_OK;
}

/* Without a file of its own, the system's authorities count; with one, only that file's. */
static CURLcode set_tls(struct http *h)
{
	CURLcode c = curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYPEER, 1L);

	if (!c)
		c = curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (!c)
		c = curl_easy_setopt(h->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (!c && h->ca.len)
		c = curl_easy_setopt(h->easy, CURLOPT_CAPATH, NULL);
	if (!c)
		c = set_pem(h->easy, CURLOPT_CAINFO_BLOB, &h->ca);
	if (!c)
		c = set_pem(h->easy, CURLOPT_SSLCERT_BLOB, &h->cert);
	if (!c)
		c = set_pem(h->easy, CURLOPT_SSLKEY_BLOB, &h->key);
	return c;
}

static CURLcode set_limits(CURL *easy, uint64_t until_ns)
{
	uint64_t now = sys_monotonic_ns(), ms = until_ns > now ? (until_ns - now) / NS_PER_MS : 0;
	long left = ms > INT32_MAX ? INT32_MAX : ms ? (long)ms : 1;
	CURLcode c = curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left);

	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
				     left < HTTP_CONNECT_MAX_MS ? left : (long)HTTP_CONNECT_MAX_MS);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)HTTP_SLOW_S);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_SLOW_BYTES_PER_S);
	return c;
}

static CURLcode set_callbacks(struct http *h)
{
	CURL *easy = h->easy;
	CURLcode c = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);

	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_HEADERDATA, h);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_WRITEDATA, h);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, h);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, h->error);
	return c;
}

/* An empty proxy means none, whatever the environment says. */
static CURLcode set_manners(CURL *easy, CURLU *url)
{
	CURLcode c = curl_easy_setopt(easy, CURLOPT_PROXY, "");

	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (!c)
		c = curl_easy_setopt(easy, CURLOPT_CURLU, url);
	return c;
}

static CURLcode set_body(CURL *easy, const struct http_request *request)
{
	CURLcode c = CURLE_OK;

	if (strcmp(request->method, "HEAD") == 0)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	if (strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0) {
		c = curl_easy_setopt(easy, CURLOPT_POST, 1L);
		if (!c)
			c = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
					     (curl_off_t)request->body.len);
		if (!c)
			c = curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
					     request->body.len ? (const char *)request->body.at
							       : "");
	}
	return c ? c : curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

/* Everything is set anew; connections stay. */
static CURLcode set_up(struct http *h, const struct http_request *request, CURLU *url,
		       struct curl_slist *headers)
{
	CURLcode c;

	curl_easy_reset(h->easy);
	c = set_manners(h->easy, url);
	if (!c)
		c = set_tls(h);
	if (!c)
		c = set_limits(h->easy, request->until_ns);
	if (!c)
		c = set_callbacks(h);
	if (!c)
		c = set_body(h->easy, request);
	return c ? c : curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
}

/* A handshake also fails when a connection is cut: only what was said by TLS is for people. */
static enum sink_result result_of(CURLcode code, const char *error)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_UNKNOWN_OPTION:
		return SINK_WRONG;
	case CURLE_SSL_CONNECT_ERROR:
		return strstr(error, "alert") || strstr(error, "certificate") ||
				       strstr(error, "wrong version number")
			       ? SINK_WRONG
			       : SINK_RETRY;
	default:
		return SINK_RETRY;
	}
}

static bool perform(struct http *h, CURLcode code, enum sink_result *ret_result,
		    const char **ret_why)
{
	long status = 0;

	h->error[0] = 0;
	if (!code)
		code = curl_easy_perform(h->easy);
	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	h->answer->status = status > 0 && status <= 999 ? (unsigned)status : 0;
	if (h->answer->status && h->is_head_whole && (code == CURLE_OK || h->answer->is_cut))
		return true;
	*ret_result = result_of(code, h->error);
	*ret_why = h->head_bytes > HTTP_HEAD_BYTES_MAX ? "the head of the answer is too long"
		   : code == CURLE_OK                  ? "the answer is cut off"
		   : h->error[0]                       ? h->error
						       : curl_easy_strerror(code);
	return false;
}

bool http_send(struct http *h, const struct http_request *request, struct http_answer *answer,
	       enum sink_result *ret_result, const char **ret_why)
{
	struct curl_slist *headers = NULL;
	CURLU *url = NULL;
	bool is_there = false;

	buf_reset(&answer->head);
	buf_reset(&answer->body);
	answer->status = 0;
	answer->is_cut = false;
	h->answer = answer;
	h->head_bytes = 0;
	h->is_head_whole = false;
	*ret_result = SINK_WRONG;
	if (parse_url(request->url, &url, &h->is_plain, ret_why))
		return false;
	headers = make_headers(request);
	if (headers) {
		is_there = perform(h, set_up(h, request, url, headers), ret_result, ret_why);
		curl_easy_reset(h->easy);
	} else {
		*ret_why = "a header cannot be sent";
	}
	free_list(headers);
	curl_url_cleanup(url);
	h->answer = NULL;
	return is_there;
}
