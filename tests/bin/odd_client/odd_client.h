/* SPDX-License-Identifier: MIT
 *
 * odd_client: a TLS client that does what few programs do, see odd_client.c. odd_client.c is the
 * program and its connections; odd_client/threads.c has the modes with threads, forks and jumps;
 * odd_client/objects.c those with one thread, odd_client/memory.c that without memory. Any failure
 * outside of what a mode is about ends the process.
 */
#ifndef AIGW_TESTS_ODD_CLIENT_H
#define AIGW_TESTS_ODD_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#define WAIT_SECONDS 10 /* for an answer: a hang becomes "END error 2" */
#define PROVIDER     "api.openai.com"
#define OWN_PROVIDER "api.openai.test"
#define FORBIDDEN    "forbidden" /* a model */

extern SSL_CTX *tls;

__attribute__((noreturn)) void die(const char *what);

int dial(void); /* a connected socket */
/* `name` NULL: no server name. The handshake is still to come. */
SSL *prepare(const char *name);
SSL *start(const char *name); /* connected */
void finish(SSL *ssl);        /* frees it and closes its socket */

/* What cannot be written shows in what is read next. `more`: further header lines, each with its
 * CRLF. */
void send_text(SSL *ssl, const char *text);
void send_call(SSL *ssl, const char *host, const char *model, const char *more);

/* One read, answers being short: the status, 1 for other bytes, 0 for the end, -1 for an error. */
int read_answer(SSL *ssl, char *at, size_t cap, int *ret_error);
bool show_answer(SSL *ssl); /* the same, printed; false: nothing more will come */

/* The modes. */
void mode_read_in_thread(char **argument);
void mode_fork(char **argument);
void mode_reload(char **argument);
void mode_jump_from_signal(char **argument);
void mode_jump_from_callback(char **argument);
void mode_unparsable(char **argument);
void mode_reuse(char **argument);
void mode_retry_shorter(char **argument);
void mode_pieces(char **argument);
void mode_unread(char **argument);
void mode_alpn(char **argument);
void mode_dup(char **argument);
void mode_ktls(char **argument);
void mode_starve(char **argument);

#endif
