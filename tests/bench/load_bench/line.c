/* SPDX-License-Identifier: MIT
 *
 * One connection as a program has it: blocking, over TLS or not; and the answers, by length or in
 * chunks, plain or a stream of events.
 */
#include "load_bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENT_BYTES_MAX 4096

void line_open(struct line *l, SSL_CTX *tls)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)o.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int yes = 1;

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&to, sizeof to))
		die("connect");
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (!tls)
		return;
	l->ssl = SSL_new(tls);
	if (!l->ssl || SSL_set_tlsext_host_name(l->ssl, o.name) != 1 ||
	    SSL_set1_host(l->ssl, o.name) != 1 || SSL_set_fd(l->ssl, l->fd) != 1 ||
	    SSL_connect(l->ssl) != 1)
		die("handshake");
}

void line_close(struct line *l)
{
	if (l->ssl) {
		SSL_shutdown(l->ssl);
		SSL_free(l->ssl);
		l->ssl = NULL;
	}
	close(l->fd);
}

void line_send(struct line *l, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = l->ssl ? SSL_write(l->ssl, at, (int)len)
				   : send(l->fd, at, len, MSG_NOSIGNAL);
		if (n <= 0)
			die("send");
		at += n;
		len -= (size_t)n;
	}
}

/* The bytes behind in_at that are there; at least one, and more than there were. */
static void fill(struct worker *w, struct line *l)
{
	if (w->in_at > 0) {
		memmove(w->in, w->in + w->in_at, w->in_len - w->in_at);
		w->in_len -= w->in_at;
		w->in_at = 0;
	}
	if (w->in_len == IN_BYTES)
		die("an answer that is no answer");
	ssize_t n = l->ssl ? SSL_read(l->ssl, w->in + w->in_len, (int)(IN_BYTES - w->in_len))
			   : recv(l->fd, w->in + w->in_len, IN_BYTES - w->in_len, 0);
	if (n <= 0)
		die("the answer ended early");
	w->in_len += (size_t)n;
}

/* ---- answers ---- */

/* A line of the answer without its end; NULL: not there yet. */
static char *next_text_line(struct worker *w)
{
	char *from = w->in + w->in_at;
	char *end = memchr(from, '\n', w->in_len - w->in_at);

	if (!end)
		return NULL;
	w->in_at = (size_t)(end + 1 - w->in);
	*end = '\0';
	if (end > from && end[-1] == '\r')
		end[-1] = '\0';
	return from;
}

static char *text_line(struct worker *w, struct line *l)
{
	char *at;

	while (!(at = next_text_line(w)))
		fill(w, l);
	return at;
}

/* SIZE_MAX: chunked. */
static size_t read_head(struct worker *w, struct line *l)
{
	size_t length = 0;
	bool chunked = false;
	char *at = text_line(w, l);

	if (strncmp(at, "HTTP/1.1 200", 12)) {
		fprintf(stderr, "load_bench: %s\n%.*s\n", at, (int)(w->in_len - w->in_at),
			w->in + w->in_at);
		exit(1);
	}
	while (*(at = text_line(w, l))) {
		if (!strncasecmp(at, "content-length:", 15))
			length = strtoul(at + 15, NULL, 10);
		else if (!strncasecmp(at, "transfer-encoding:", 18))
			chunked = strcasestr(at + 18, "chunked") != NULL;
	}
	return chunked ? SIZE_MAX : length;
}

/* An event whose last byte came just now: its word is when it was sent. */
static void take_event(struct worker *w, char *event, uint64_t sent_ns, uint64_t now, bool *first)
{
	static const char mark[] = "\"content\":\"";
	char *word = strstr(event, mark);

	if (!word)
		return; /* [DONE], or what a gateway adds */
	uint64_t stamp = strtoull(word + sizeof mark - 1, NULL, 10);
	if (stamp <= sent_ns || stamp > now)
		die("a stamp that cannot be");
	samples_put(&w->lag, now - stamp);
	if (*first)
		samples_put(&w->first, now - sent_ns);
	*first = false;
}

/* Events end with an empty line; what is left at the end of `piece` begins the next one. */
struct events {
	char at[EVENT_BYTES_MAX];
	size_t len;
	bool first;
	uint64_t sent_ns;
};

static void take_piece(struct worker *w, struct events *e, const char *piece, size_t len)
{
	uint64_t now = now_ns();

	for (size_t i = 0; i < len; i++) {
		if (e->len + 1 == EVENT_BYTES_MAX)
			die("an event that is too long");
		e->at[e->len++] = piece[i];
		if (piece[i] != '\n' || e->len < 2 || e->at[e->len - 2] != '\n')
			continue;
		e->at[e->len] = '\0';
		take_event(w, e->at, e->sent_ns, now, &e->first);
		e->len = 0;
	}
}

/* `len` bytes of a body, as they come. */
static void read_body(struct worker *w, struct line *l, size_t len, struct events *e)
{
	while (len > 0) {
		if (w->in_at == w->in_len)
			fill(w, l);
		size_t n = w->in_len - w->in_at < len ? w->in_len - w->in_at : len;
		if (e)
			take_piece(w, e, w->in + w->in_at, n);
		w->in_at += n;
		len -= n;
	}
}

static void read_chunks(struct worker *w, struct line *l, struct events *e)
{
	size_t len;

	do {
		len = strtoul(text_line(w, l), NULL, 16);
		read_body(w, l, len, e);
		text_line(w, l);
	} while (len > 0);
}

void line_read_answer(struct worker *w, struct line *l, uint64_t sent_ns)
{
	struct events stream, *e = NULL;
	size_t lags = w->lag.count;

	if (o.stamped) {
		stream.len = 0;
		stream.first = true;
		stream.sent_ns = sent_ns;
		e = &stream;
	}
	size_t len = read_head(w, l);
	if (len == SIZE_MAX)
		read_chunks(w, l, e);
	else
		read_body(w, l, len, e);
	if (o.stamped && w->lag.count - lags != strtoul(o.stamped, NULL, 10))
		die("not every event arrived");
}
