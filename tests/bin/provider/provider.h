/* SPDX-License-Identifier: MIT
 *
 * provider: a model provider for tests and demos, on loopback. provider.c is the program, its
 * connections and its log; provider/http.c reads requests and frames answers; provider/answer.c is
 * what an OpenAI or Anthropic endpoint says; provider/echo.c is a server of another kind, and
 * provider/bench.c what is answered when the time is taken.
 * Independent of src/ on purpose: it is the other end of the wire, so it must not share our
 * misunderstandings.
 *
 * One thread per connection. A program of its own, never linked into anything.
 */
#ifndef AIGW_TESTS_PROVIDER_H
#define AIGW_TESTS_PROVIDER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEADERS_MAX    128
#define HEAD_BYTES_MAX (64u << 10)
#define BODY_BYTES_MAX (80u << 20)

/* A growing text. Allocation failure ends the process: it is a test program. */
struct text {
	char *at;
	size_t len, cap;
};

void text_put(struct text *t, const void *at, size_t len);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As the inside of a JSON string; bytes over 0x7e are taken as Latin-1. */
void text_put_json(struct text *t, const char *at, size_t len);
void text_done(struct text *t);

/* How to answer: from the query, the x-provider header, or the model's name (all of it, or what
 * follows "--"), as words separated by commas. See provider_read_behaviour. */
struct behaviour {
	enum { BY_LENGTH, BY_CHUNKS, BY_CLOSE } framing;
	bool framing_given;
	bool gzip, cut, stall, drip, early_hints, close, no_usage, null_usage, error_in_stream;
	int error_status;    /* 0: none */
	unsigned delay_ms;   /* between events */
	unsigned events;     /* text deltas in a stream */
	size_t answer_bytes; /* of the assistant's words; 0: the usual sentence */
};

struct header {
	char *name, *value; /* inside request.head */
};

struct request {
	char *head;                  /* taken apart in place */
	char *method, *path, *query; /* query: "" when none */
	struct header headers[HEADERS_MAX];
	size_t header_count;
	char *body;
	size_t body_bytes;
	bool chunked, has_length;
	uint64_t content_length;
	char sha256[65]; /* of the body; "" when nobody asked for it */
};

const char *request_header(const struct request *r, const char *name); /* NULL: absent */

/* One connection. Its own thread uses it alone, but for fd and the list, see provider.c. */
struct line {
	int fd;
	unsigned long id;
	SSL *ssl; /* NULL: plain HTTP */
	char *in; /* LINE_BYTES, of which in_at to in_len are unread */
	size_t in_at, in_len;
	uint64_t request_bytes; /* all that came, TLS taken off */
	uint64_t whole_bytes;   /* of these, in requests that were complete; the rest is stray */
	uint64_t body_bytes;    /* of these, in bodies, complete or not */
	unsigned requests;
	const char *leak, *fault, *end; /* for the log */
	char sha256[65];                /* with --echo: of all that came; else "" */
	struct line *next, *previous;
};

#define LINE_BYTES 65536

bool line_fill(struct line *line); /* more bytes into line->in; false at the end */
bool line_write(struct line *line, const char *at, size_t len); /* false: the peer is gone */
void log_request(const struct line *line, const struct request *r);

/* One request and its answer; false when the connection is over. provider/http.c */
bool line_serve(struct line *line);

/* All of a connection with --echo: the beginning of each piece that arrives is sent back.
 * provider/echo.c */
void line_echo(struct line *line);

extern struct provider {
	SSL_CTX *tls; /* NULL: plain HTTP */
	unsigned char alpn[64];
	unsigned alpn_len;
	int log;
	bool bench, echo, slow_reader;
	struct text small_answer;
	struct text file; /* with --answer: what every request is answered with */
	const char *type; /* of that */
} provider;

__attribute__((noreturn)) void die(const char *what);

/* An answer on its way out. */
struct answer;

/* Starts an answer. `body_bytes` SIZE_MAX: not known, so chunked (or until close). `more` holds
 * further header lines, each ended by CRLF. */
struct answer *answer_begin(struct line *line, const struct request *r, const struct behaviour *b,
			    int status, const char *content_type, const char *more,
			    size_t body_bytes);
bool answer_write(struct answer *a, const void *at, size_t len); /* false: the peer is gone */
bool answer_end(struct answer *a);   /* frees; false: the connection ends here */
bool answer_cut(struct answer *a);   /* frees, closes without a good-bye; false */
bool answer_stall(struct answer *a); /* frees once the peer has gone; false */
void pause_ms(unsigned ms);

void provider_read_behaviour(const struct request *r, struct behaviour *ret_behaviour);

/* Answers one request. False: the connection ends here. */
bool provider_answer(struct line *line, const struct request *r);

/* With --bench: answers a POST; of its body not much more than BENCH_BODY_BYTES were kept.
 * provider/bench.c */
bool bench_answer(struct line *line, const struct request *r);
#define BENCH_BODY_BYTES 256

/* The body of a small chat completion, for the bench mode. */
void provider_put_small_answer(struct text *body);

#endif
