/* SPDX-License-Identifier: MIT
 *
 * A program that is hard on a library inside it. It exports, as functions that end it, every name
 * our library has inside (make-poison), has an allocator of its own that watches over its blocks,
 * and takes the steps it is told, in their order:
 *
 * usage: hostile_host --ca FILE --port N STEP [ARGUMENT]...    (always to 127.0.0.1)
 *   allow, refuse, plain    a connection and a call: an allowed model, a forbidden one, to a host
 *                           that is no provider. Prints "HTTP <status>" or "END error <n>"
 *   ask MODEL               a call for that model
 *   open, stale             a connection to the provider; a call on it, whatever became of it
 *   close-loop, close-range, closefrom    every descriptor after the standard ones
 *   take-descriptors        own files and sockets go where descriptors are that it did not open
 *   show-taken              "UNTOUCHED" if these still are what they were
 *   take-at-once            the same between calls that follow at once: "TOOK many UNTOUCHED"
 *   take-closed             the same with what it closes, while a call is made (before_close.so)
 *   chroot DIR              as root, or as the root of a user namespace
 *   no-new-privs, forbid-executable-memory    prctl
 *   limit-file-size N, limit-descriptors N    setrlimit
 *   only-syscalls NAMES     any other one ends the program: "FORBIDDEN system call <n>"
 *   fork                    a child takes the steps after this one first, then the program does
 *   fork-storm SECONDS      two threads make calls, allowed and refused, while a third one forks;
 *                           the children connect, write and close
 *   libc                    thousands of calls of libc on what is no connection: "LIBC
 *                           allocations <n>, errno kept"
 *   talk                    connections with a protocol of their own: "TALK allocations <n>, errno
 *                           kept"
 *   clear-text              connections with HTTP, to no provider: "CLEAR TEXT errno kept"
 *   traffic                 what an established plain connection allocates: "TRAFFIC allocations
 * <n>" heap                    "HEAP whole" poison NAME             calls an exported name, to see
 * that it would be noticed Exit: 0 it took every step, 2 usage, 3 system, 31 forbidden system call;
 * SIGABRT for poison and for what the allocator finds.
 */
#include "hostile_host/hostile_host.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HIGH            950 /* a descriptor where others keep theirs */
#define HIGH_FIRST      900
#define AT_ONCE         20
#define ALL_SECONDS     50
#define WAIT_SECONDS    10 /* for an answer */
#define PROVIDER        "api.openai.com"
#define NO_PROVIDER     "plain.example.test"
#define ALLOWED         "gpt-5"
#define FORBIDDEN       "forbidden"
#define ROUNDS          1000
#define ERRNO_OF_OURS   4242
#define CALLS_PER_SSL   20
#define ANSWER_BYTES    8192
#define ANSWER_IS_SMALL 4096

static SSL_CTX *tls;
static int port;
static SSL *kept;

void host_die(const char *what)
{
	fprintf(stderr, "hostile_host: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(3);
}

void host_poisoned(const char *name)
{
	char text[256];
	int n = snprintf(text, sizeof text, "POISON %s was called\n", name);

	(void)!write(STDERR_FILENO, text, (size_t)n);
	abort();
}

/* ---- calls ---- */

int host_dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval wait = {WAIT_SECONDS, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) ||
	    connect(fd, (struct sockaddr *)&to, sizeof to))
		host_die("connect");
	return fd;
}

static SSL *start(const char *name)
{
	SSL *ssl = SSL_new(tls);

	if (!ssl || SSL_set_fd(ssl, host_dial()) != 1 || SSL_set_tlsext_host_name(ssl, name) != 1 ||
	    SSL_connect(ssl) != 1)
		host_die("handshake");
	return ssl;
}

static void finish(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	SSL_free(ssl);
	close(fd);
}

/* The status of the answer, or minus what SSL_get_error says. */
static int call(SSL *ssl, const char *host, const char *model)
{
	char body[256], request[1024], at[ANSWER_BYTES];
	int n, len;

	snprintf(body, sizeof body,
		 "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}",
		 model);
	len = snprintf(request, sizeof request,
		       "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer sk-test\r\n"
		       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		       strcmp(host, PROVIDER) ? "/plain" : "/v1/chat/completions", host,
		       strlen(body), body);
	n = SSL_write(ssl, request, len);
	if (n > 0)
		n = SSL_read(ssl, at, ANSWER_IS_SMALL);
	if (n <= 0)
		return -SSL_get_error(ssl, n);
	at[n] = '\0';
	return strncmp(at, "HTTP/1.1 ", 9) ? 1 : atoi(at + 9);
}

static void show(int status)
{
	if (status < 0)
		printf("END error %d\n", -status);
	else
		printf("HTTP %d\n", status);
}

static void call_once(const char *host, const char *model)
{
	SSL *ssl = start(host);

	show(call(ssl, host, model));
	finish(ssl);
}

static void step_allow(char **argument)
{
	call_once(PROVIDER, ALLOWED);
}

static void step_refuse(char **argument)
{
	call_once(PROVIDER, FORBIDDEN);
}

static void step_ask(char **argument)
{
	call_once(PROVIDER, argument[0]);
}

static void step_plain(char **argument)
{
	call_once(NO_PROVIDER, ALLOWED);
}

static void step_open(char **argument)
{
	kept = start(PROVIDER);
}

static void step_stale(char **argument)
{
	show(call(kept, PROVIDER, ALLOWED));
	ERR_clear_error();
	SSL_free(kept);
}

/* ---- forks ---- */

static void step_fork(char **argument)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0 || (child > 0 && waitpid(child, &status, 0) != child))
		host_die("fork");
	if (child > 0 && status != 0)
		printf("CHILD ended with %d\n", status);
}

static bool stopping;
static unsigned long calls;

static void *make_calls(void *model)
{
	while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
		SSL *ssl = start(PROVIDER);
		for (int i = 0, status = 200; i < CALLS_PER_SSL && status == 200; i++) {
			status = call(ssl, PROVIDER, model);
			if (status != (strcmp(model, ALLOWED) ? 403 : 200))
				host_die("answer");
			__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
		}
		finish(ssl);
	}
	return NULL;
}

/* Only what may be called in the child of a process with threads. */
static void be_a_child(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) ||
	    write(fd, "\026\003", 2) != 2)
		_exit(1);
	for (int i = 3; i < 64; i++)
		close(i);
	_exit(0);
}

static void step_fork_storm(char **argument)
{
	static char allowed[] = ALLOWED, forbidden[] = FORBIDDEN;
	time_t end = time(NULL) + atoi(argument[0]);
	pthread_t threads[2];
	unsigned long forks = 0;
	int status;

	if ((errno = pthread_create(&threads[0], NULL, make_calls, allowed)) ||
	    (errno = pthread_create(&threads[1], NULL, make_calls, forbidden)))
		host_die("thread");
	for (; time(NULL) < end; forks++) {
		pid_t child = fork();
		if (child < 0)
			host_die("fork");
		if (child == 0)
			be_a_child();
		if (waitpid(child, &status, 0) != child || status != 0) {
			printf("CHILD ended with %d\n", status);
			break;
		}
	}
	__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("FORKS %s CALLS %s\n", forks ? "some" : "none", calls ? "some" : "none");
	fprintf(stderr, "hostile_host: %lu forks, %lu calls\n", forks, calls);
}

static bool take_by_dup2(int own, int fd)
{
	return dup2(own, fd) == fd;
}

static SSL *closing;
void before_close(void);

void before_close(void)
{
	if (closing && call(closing, PROVIDER, ALLOWED) != 200)
		host_die("answer");
}

static bool take_by_close(int own, int fd)
{
	return close(fd) == 0 && fcntl(own, F_DUPFD_CLOEXEC, fd) == fd;
}

/* Between calls on one connection, with no time between: what others keep from HIGH_FIRST on has
 * the program's own file in its place. */
static void take_between_calls(SSL *ssl, bool (*take)(int own, int fd))
{
	int own = memfd_create("own", MFD_CLOEXEC), took = 0;
	struct stat mine, st;

	if (own < 0 || fstat(own, &mine))
		host_die("memfd_create");
	for (int i = 0; i < AT_ONCE; i++) {
		if (call(ssl, PROVIDER, ALLOWED) != 200)
			host_die("answer");
		for (int fd = HIGH_FIRST; fd < HIGH_FIRST + 2 * AT_ONCE; fd++)
			if (!fstat(fd, &st) && st.st_ino != mine.st_ino)
				took += take(own, fd);
	}
	if (fstat(own, &mine))
		host_die("fstat");
	printf("TOOK %s %s\n", took < AT_ONCE ? "few" : "many",
	       mine.st_size ? "CHANGED" : "UNTOUCHED");
}

static void step_take_at_once(char **argument)
{
	SSL *ssl = start(PROVIDER);

	take_between_calls(ssl, take_by_dup2);
	finish(ssl);
}

static void step_take_closed(char **argument)
{
	SSL *ssl = start(PROVIDER);

	closing = ssl;
	take_between_calls(ssl, take_by_close);
	closing = NULL;
	finish(ssl);
}

/* ---- what must cost nothing ---- */

static void step_libc(char **argument)
{
	unsigned long before = host_allocations();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), pair[2];
	bool errno_is_kept = true;
	char at[16];

	if (null < 0)
		host_die("/dev/null");
	for (int i = 0; i < ROUNDS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		struct sockaddr_in nowhere = {.sin_family = AF_INET};
		if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			host_die("socket");
		errno = 0;
		if (connect(fd, (struct sockaddr *)&nowhere, sizeof nowhere) == 0 ||
		    errno != ECONNREFUSED)
			errno_is_kept = false;
		if (dup2(-1, HIGH) >= 0 || errno != EBADF || dup3(null, null, 0) >= 0 ||
		    errno != EINVAL)
			errno_is_kept = false;
		errno = ERRNO_OF_OURS;
		if (write(null, "x", 1) != 1 || send(pair[0], "xy", 2, 0) != 2 ||
		    read(pair[1], at, 1) != 1 || recv(pair[1], at, 1, 0) != 1 ||
		    dup2(null, null) != null || dup2(fd, pair[0]) != pair[0] ||
		    dup2(null, HIGH) != HIGH || close(HIGH) ||
		    dup3(null, pair[1], O_CLOEXEC) != pair[1] || close(pair[0]) || close(pair[1]) ||
		    close(fd))
			host_die("calls");
		errno_is_kept &= errno == ERRNO_OF_OURS;
	}
	close(null);
	printf("LIBC allocations %lu, errno %s\n", host_allocations() - before,
	       errno_is_kept ? "kept" : "lost");
}

static bool talk(const char *text, size_t len)
{
	int fd = host_dial();

	errno = ERRNO_OF_OURS;
	if (write(fd, text, len) != (ssize_t)len || close(fd))
		host_die("talk");
	return errno == ERRNO_OF_OURS;
}

static void step_talk(char **argument)
{
	static const char binary[] = "\0\0\0\10\4\322\26\57"; /* as PostgreSQL asks for TLS */
	unsigned long before = host_allocations();
	bool errno_is_kept = true;

	for (int i = 0; i < ROUNDS / 10; i++)
		errno_is_kept &= talk(binary, sizeof binary - 1);
	printf("TALK allocations %lu, errno %s\n", host_allocations() - before,
	       errno_is_kept ? "kept" : "lost");
}

static void step_clear_text(char **argument)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: " NO_PROVIDER "\r\n\r\n";
	bool errno_is_kept = true;

	for (int i = 0; i < ROUNDS / 10; i++)
		errno_is_kept &= talk(text, sizeof text - 1);
	printf("CLEAR TEXT errno %s\n", errno_is_kept ? "kept" : "lost");
}

static void step_traffic(char **argument)
{
	SSL *ssl = start(NO_PROVIDER);
	unsigned long before;

	call(ssl, NO_PROVIDER, ALLOWED); /* what OpenSSL does once, it has done then */
	before = host_allocations();
	for (int i = 0; i < CALLS_PER_SSL; i++)
		if (call(ssl, NO_PROVIDER, ALLOWED) != 200)
			host_die("answer");
	printf("TRAFFIC allocations %lu\n", host_allocations() - before);
	finish(ssl);
}

static void step_heap(char **argument)
{
	host_check_heap();
	printf("HEAP %s\n", host_heap_is_locked() ? "locked" : "whole");
}

static void step_poison(char **argument)
{
	void (*function)(void);
	void *found = dlsym(RTLD_DEFAULT, argument[0]);

	if (!found) {
		printf("NOT THERE %s\n", argument[0]);
		return;
	}
	memcpy(&function, &found, sizeof function);
	function();
}

/* ---- start ---- */

static const struct step {
	const char *name;
	int arguments;
	void (*take)(char **argument);
} steps[] = {{"allow", 0, step_allow},
	     {"refuse", 0, step_refuse},
	     {"ask", 1, step_ask},
	     {"plain", 0, step_plain},
	     {"open", 0, step_open},
	     {"stale", 0, step_stale},
	     {"close-loop", 0, step_close_loop},
	     {"close-range", 0, step_close_range},
	     {"closefrom", 0, step_closefrom},
	     {"take-descriptors", 0, step_take_descriptors},
	     {"show-taken", 0, step_show_taken},
	     {"take-at-once", 0, step_take_at_once},
	     {"take-closed", 0, step_take_closed},
	     {"chroot", 1, step_chroot},
	     {"no-new-privs", 0, step_no_new_privs},
	     {"forbid-executable-memory", 0, step_forbid_executable_memory},
	     {"limit-file-size", 1, step_limit_file_size},
	     {"limit-descriptors", 1, step_limit_descriptors},
	     {"only-syscalls", 1, step_only_syscalls},
	     {"fork", 0, step_fork},
	     {"fork-storm", 1, step_fork_storm},
	     {"libc", 0, step_libc},
	     {"talk", 0, step_talk},
	     {"clear-text", 0, step_clear_text},
	     {"traffic", 0, step_traffic},
	     {"heap", 0, step_heap},
	     {"poison", 1, step_poison}};

static const struct step *find_step(const char *name)
{
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (!strcmp(steps[i].name, name))
			return &steps[i];
	return NULL;
}

static void start_tls(const char *ca)
{
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls || SSL_CTX_load_verify_locations(tls, ca, NULL) != 1)
		host_die(ca);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"ca", 1, NULL, 'c'}, {"port", 1, NULL, 'p'}, {0}};
	const char *ca = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			ca = optarg;
		else if (option == 'p')
			port = atoi(optarg);
		else
			return 2;
	}
	if (!ca || !port || optind == argc) {
		fprintf(stderr,
			"usage: hostile_host --ca FILE --port N STEP [ARGUMENT]..., see its "
			"source\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0); /* what was seen before a crash is seen */
	alarm(ALL_SECONDS);
	start_tls(ca);
	for (int i = optind; i < argc;) {
		const struct step *step = find_step(argv[i]);
		if (!step || i + step->arguments >= argc) {
			fprintf(stderr, "hostile_host: no such step: %s\n", argv[i]);
			return 2;
		}
		step->take(argv + i + 1);
		i += 1 + step->arguments;
	}
	SSL_CTX_free(tls);
	return 0;
}
