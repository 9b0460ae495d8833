/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 as a server speaks it: requests in any framing, answers by length, in chunks, until
 * close.
 */
#include "provider.h"

#include <stdarg.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <zlib.h>

#define PUT_TOGETHER_MAX 16384 /* head and body up to this size leave in one write */

/* ---- text ---- */

static void text_grow(struct text *t, size_t more)
{
	if (t->cap - t->len >= more)
		return;
	size_t cap = t->cap ? t->cap : 512;
	while (cap - t->len < more)
		cap *= 2;
	t->at = realloc(t->at, cap);
	if (!t->at)
		die("memory");
	t->cap = cap;
}

void text_put(struct text *t, const void *at, size_t len)
{
	if (len == 0)
		return;
	text_grow(t, len);
	memcpy(t->at + t->len, at, len);
	t->len += len;
}

void text_printf(struct text *t, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	text_grow(t, (size_t)len + 1); /* the NUL stays outside len, and makes t->at a string */
	vsnprintf(t->at + t->len, (size_t)len + 1, format, again);
	t->len += (size_t)len;
	va_end(again);
	va_end(args);
}

void text_put_json(struct text *t, const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)at[i];
		if (c == '"' || c == '\\')
			text_printf(t, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			text_printf(t, "\\u%04x", c);
		else
			text_put(t, &c, 1);
	}
}

void text_done(struct text *t)
{
	free(t->at);
	memset(t, 0, sizeof *t);
}

/* ---- requests ---- */

const char *request_header(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->header_count; i++)
		if (!strcasecmp(r->headers[i].name, name))
			return r->headers[i].value;
	return NULL;
}

/* Reads up to and including the empty line. */
static bool read_head(struct line *line, struct text *head)
{
	for (;;) {
		while (line->in_at < line->in_len) {
			char c = line->in[line->in_at++];
			text_put(head, &c, 1);
			if (head->len > HEAD_BYTES_MAX) {
				line->fault = "head too long";
				return false;
			}
			if (head->len >= 4 && !memcmp(head->at + head->len - 4, "\r\n\r\n", 4))
				return true;
			if (head->len == 24 &&
			    !memcmp(head->at, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24)) {
				line->leak = "h2 preface";
				return false;
			}
		}
		if (!line_fill(line)) {
			if (head->len)
				line->fault = "incomplete head";
			return false;
		}
	}
}

static char *trimmed(char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	for (size_t n = strlen(s); n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'); n--)
		s[n - 1] = '\0';
	return s;
}

/* Takes the head apart; NULL when fine, else what is wrong. */
static const char *parse_head(struct request *r, struct text *head)
{
	static char nothing[] = "";
	char *rest;

	if (memchr(head->at, '\0', head->len))
		return "NUL in the head";
	head->at[head->len - 2] = '\0';
	r->head = head->at;
	char *first = strtok_r(head->at, "\r\n", &rest);
	char *version = first ? strrchr(first, ' ') : NULL;
	char *target = first ? strchr(first, ' ') : NULL;
	if (!version || version == target || strncmp(version, " HTTP/1.", 8))
		return "bad request line";
	*version = '\0';
	*target++ = '\0';
	r->method = first;
	r->path = target;
	char *question = strchr(target, '?');
	if (question)
		*question++ = '\0';
	r->query = question ? question : nothing;
	for (char *l = strtok_r(NULL, "\r\n", &rest); l; l = strtok_r(NULL, "\r\n", &rest)) {
		char *colon = strchr(l, ':');
		if (!colon || colon == l)
			return "bad header line";
		if (r->header_count == HEADERS_MAX)
			return "too many headers";
		*colon = '\0';
		r->headers[r->header_count++] = (struct header){l, trimmed(colon + 1)};
	}
	for (size_t i = 0; i < r->header_count; i++) {
		const struct header *h = &r->headers[i];
		if (!strcasecmp(h->name, "transfer-encoding")) {
			if (strcasecmp(h->value, "chunked"))
				return "unknown transfer coding";
			r->chunked = true;
		} else if (!strcasecmp(h->name, "content-length")) {
			char *end;
			uint64_t n = strtoull(h->value, &end, 10);
			if (end == h->value || *end || (r->has_length && n != r->content_length))
				return "bad content-length";
			r->has_length = true;
			r->content_length = n;
		}
	}
	return r->chunked && r->has_length ? "two framings" : NULL;
}

/* `len` body bytes, appended. */
static bool read_exactly(struct line *line, uint64_t len, struct text *body)
{
	while (len > 0) {
		if (line->in_at == line->in_len && !line_fill(line))
			return false;
		size_t n = line->in_len - line->in_at;
		if (n > len)
			n = (size_t)len;
		if (!provider.bench)
			text_put(body, line->in + line->in_at, n);
		else if (body->len < BENCH_BODY_BYTES) /* which looks at no more */
			text_put(body, line->in + line->in_at,
				 n < BENCH_BODY_BYTES ? n : BENCH_BODY_BYTES);
		line->in_at += n;
		line->body_bytes += n;
		len -= n;
		if (body->len > BODY_BYTES_MAX) {
			line->fault = "body too long";
			return false;
		}
	}
	return true;
}

static bool read_text_line(struct line *line, char *at, size_t cap)
{
	size_t len = 0;

	for (;;) {
		if (line->in_at == line->in_len && !line_fill(line))
			return false;
		char c = line->in[line->in_at++];
		if (c == '\n') {
			at[len && at[len - 1] == '\r' ? len - 1 : len] = '\0';
			return true;
		}
		if (len + 1 >= cap)
			return false;
		at[len++] = c;
	}
}

static bool read_chunks(struct line *line, struct text *body)
{
	char size[1024];

	for (;;) {
		char *end;
		if (!read_text_line(line, size, sizeof size))
			return false;
		uint64_t n = strtoull(size, &end, 16);
		if (end == size || (*end && *end != ';')) {
			line->fault = "bad chunk size";
			return false;
		}
		if (n == 0)
			break;
		if (!read_exactly(line, n, body))
			return false;
		if (!read_text_line(line, size, sizeof size) || *size) {
			line->fault = "bad chunk end";
			return false;
		}
	}
	do {
		if (!read_text_line(line, size, sizeof size))
			return false;
	} while (*size); /* trailers */
	return true;
}

static void put_digest(struct request *r)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	EVP_Digest(r->body ? r->body : "", r->body_bytes, digest, &len, EVP_sha256(), NULL);
	for (unsigned i = 0; i < len && i < 32; i++)
		snprintf(r->sha256 + 2 * i, 3, "%02x", digest[i]);
}

static const char bad_request[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
				  "Content-Length: 12\r\nConnection: close\r\n\r\nBad request\n";

/* One request and its answer; false when the connection is over. */
bool line_serve(struct line *line)
{
	struct text head = {0}, body = {0};
	struct request *r = calloc(1, sizeof *r);
	bool go_on = false;

	if (!r)
		die("memory");
	if (!read_head(line, &head))
		goto out;
	line->fault = parse_head(r, &head);
	if (line->fault) {
		line_write(line, bad_request, sizeof bad_request - 1);
		goto out;
	}
	const char *expect = request_header(r, "expect");
	if (expect && !strcasecmp(expect, "100-continue") &&
	    !line_write(line, "HTTP/1.1 100 Continue\r\n\r\n", 25))
		goto out;
	if (r->chunked ? !read_chunks(line, &body)
		       : !read_exactly(line, r->content_length, &body)) {
		if (!line->fault)
			line->fault = "incomplete body";
		goto out;
	}
	line->requests++;
	line->whole_bytes = line->request_bytes - (line->in_len - line->in_at);
	r->body = body.at;
	r->body_bytes = body.len;
	if (provider.bench && !strcmp(r->method, "POST")) {
		go_on = bench_answer(line, r);
		goto out;
	}
	if (!provider.bench)
		put_digest(r);
	log_request(line, r);
	go_on = provider_answer(line, r);
out:
	text_done(&body);
	text_done(&head);
	free(r);
	return go_on;
}

/* ---- answers ---- */

struct answer {
	struct line *line;
	struct behaviour how;
	struct text head;    /* until the first body bytes join it */
	struct text waiting; /* gzip: the plain body, until the end */
	bool gzip, no_body, keep, gone;
};

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} all[] = {{200, "OK"},
		   {204, "No Content"},
		   {304, "Not Modified"},
		   {400, "Bad Request"},
		   {401, "Unauthorized"},
		   {404, "Not Found"},
		   {405, "Method Not Allowed"},
		   {429, "Too Many Requests"},
		   {500, "Internal Server Error"},
		   {503, "Service Unavailable"}};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].status == status)
			return all[i].reason;
	return "Status";
}

static bool send_bytes(struct answer *a, const char *at, size_t len)
{
	if (a->gone)
		return false;
	if (a->how.drip) {
		for (size_t i = 0; i < len && !a->gone; i++)
			a->gone = !line_write(a->line, at + i, 1);
	} else {
		a->gone = !line_write(a->line, at, len);
	}
	return !a->gone;
}

static void put_date(struct text *t)
{
	char date[64];
	struct tm tm;
	time_t now = time(NULL);

	gmtime_r(&now, &tm);
	strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	text_put(t, date, strlen(date));
}

struct answer *answer_begin(struct line *line, const struct request *r, const struct behaviour *b,
			    int status, const char *content_type, const char *more,
			    size_t body_bytes)
{
	struct answer *a = calloc(1, sizeof *a);
	const char *connection = request_header(r, "connection");
	const char *accepted = request_header(r, "accept-encoding");

	if (!a)
		die("memory");
	a->line = line;
	a->how = *b;
	a->gzip = b->gzip && accepted && strstr(accepted, "gzip");
	a->no_body = status == 204 || status == 304 || !strcmp(r->method, "HEAD");
	if (body_bytes == SIZE_MAX && a->how.framing == BY_LENGTH)
		a->how.framing = BY_CHUNKS;
	if (a->gzip && a->how.framing == BY_LENGTH)
		a->how.framing = BY_CHUNKS;
	a->keep = !b->close && a->how.framing != BY_CLOSE &&
		  !(connection && !strcasecmp(connection, "close"));
	if (b->early_hints)
		text_printf(&a->head,
			    "HTTP/1.1 103 Early Hints\r\nLink: </docs>; rel=help\r\n\r\n");
	text_printf(&a->head, "HTTP/1.1 %d %s\r\n", status, reason(status));
	put_date(&a->head);
	if (content_type)
		text_printf(&a->head, "Content-Type: %s\r\n", content_type);
	if (a->gzip)
		text_printf(&a->head, "Content-Encoding: gzip\r\n");
	if (status == 204 || status == 304)
		a->how.framing = BY_LENGTH;
	else if (a->how.framing == BY_LENGTH)
		text_printf(&a->head, "Content-Length: %zu\r\n", body_bytes);
	else if (a->how.framing == BY_CHUNKS)
		text_printf(&a->head, "Transfer-Encoding: chunked\r\n");
	text_printf(&a->head, "%s%s\r\n", more,
		    a->keep ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
	return a;
}

/* Body bytes in their framing; the head goes along with the first of them. */
static bool send_framed(struct answer *a, const char *at, size_t len)
{
	struct text t = {0};
	bool there = true;

	if (len == 0)
		return !a->gone;
	if (a->head.len + len > PUT_TOGETHER_MAX && a->head.len) {
		there = send_bytes(a, a->head.at, a->head.len);
		text_done(&a->head);
	}
	if (a->head.len) {
		text_put(&t, a->head.at, a->head.len);
		text_done(&a->head);
	}
	if (a->how.framing == BY_CHUNKS)
		text_printf(&t, "%zx\r\n", len);
	if (t.len == 0 && a->how.framing != BY_CHUNKS) /* nothing to join: no copy */
		return there && send_bytes(a, at, len);
	text_put(&t, at, len);
	if (a->how.framing == BY_CHUNKS)
		text_put(&t, "\r\n", 2);
	there = there && send_bytes(a, t.at, t.len);
	text_done(&t);
	return there;
}

bool answer_write(struct answer *a, const void *at, size_t len)
{
	if (a->no_body)
		return !a->gone;
	if (a->gzip) {
		text_put(&a->waiting, at, len);
		return !a->gone;
	}
	return send_framed(a, at, len);
}

static void send_compressed(struct answer *a)
{
	z_stream z = {0};
	char out[16384];
	int state = Z_OK;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		die("zlib");
	z.next_in = (unsigned char *)a->waiting.at;
	z.avail_in = (unsigned)a->waiting.len;
	while (state == Z_OK) {
		z.next_out = (unsigned char *)out;
		z.avail_out = sizeof out;
		state = deflate(&z, Z_FINISH);
		send_framed(a, out, sizeof out - z.avail_out);
	}
	deflateEnd(&z);
}

static void answer_free(struct answer *a)
{
	text_done(&a->head);
	text_done(&a->waiting);
	free(a);
}

bool answer_end(struct answer *a)
{
	if (a->gzip && !a->no_body)
		send_compressed(a);
	if (a->head.len)
		send_bytes(a, a->head.at, a->head.len);
	if (a->how.framing == BY_CHUNKS && !a->no_body)
		send_bytes(a, "0\r\n\r\n", 5);
	bool go_on = a->keep && !a->gone;
	answer_free(a);
	return go_on;
}

bool answer_cut(struct answer *a)
{
	struct line *line = a->line;

	if (a->head.len)
		send_bytes(a, a->head.at, a->head.len);
	line->end = "we cut it";
	answer_free(a);
	if (line->ssl)
		SSL_set_quiet_shutdown(line->ssl, 1);
	return false;
}

bool answer_stall(struct answer *a)
{
	struct line *line = a->line;

	if (a->head.len)
		send_bytes(a, a->head.at, a->head.len);
	answer_free(a);
	while (line_fill(line))
		;
	return false;
}
