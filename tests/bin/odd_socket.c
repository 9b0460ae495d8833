/* SPDX-License-Identifier: MIT
 *
 * Odd things that programs do with a bare socket. Each makes a connection to a server of its own on
 * 127.0.0.1, unless it is given a port, and writes a request to it.
 *
 * usage: odd_socket interrupted   a signal ends connect(), which goes on by itself
 *        odd_socket early         the first write comes before the connection is there
 *        odd_socket early-half    the same with half a head
 *        odd_socket again         half a head, and then the socket gets another connection
 *        odd_socket cancelled     a thread ends while a head goes out; the next has its descriptor
 *        odd_socket forked        the head is begun by the parent and ended by the child
 *        odd_socket shared        the same with vfork
 *        odd_socket left          a head is begun, and the program ends
 *        odd_socket many          a lot of heads in two pieces, and what memory they ask for
 *        odd_socket file          sendfile of a long file, a request
 *        odd_socket small-stack   sendfile in a thread with a small stack
 * Prints what the server got. Exit: 0, 2 usage, 3 system.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS     20000 /* nothing takes this long: a hang becomes a failure */
#define PIECE_BYTES 4096
#define FILLERS     8 /* connections that nobody accepts: the next one has to wait */
#define SIGNAL_US   50000
#define STACK_BYTES 32768
#define CONNECTIONS 200
#define FILE_BYTES  65536

static const char first_line[] = "GET /a HTTP/1.1\r\n", rest[] = "Host: plain.example.test\r\n\r\n";
static const char request[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
			      "Content-Length: 2\r\n\r\n{}";

static const char unnamed[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: whatever.example\r\n"
			      "Content-Length: 2\r\n\r\n{}";

static void die(const char *what)
{
	fprintf(stderr, "odd_socket: %s: %s\n", what, strerror(errno));
	exit(3);
}

static bool is_ready(int fd, short events, int wait_ms)
{
	struct pollfd p = {fd, events, 0};

	return poll(&p, 1, wait_ms) > 0;
}

static int make_server(struct sockaddr_in *ret_address, int backlog)
{
	socklen_t len = sizeof *ret_address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_address = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)ret_address, len) || listen(fd, backlog) ||
	    getsockname(fd, (struct sockaddr *)ret_address, &len))
		die("server");
	return fd;
}

/* Accepts all until that of the program's socket. */
static int accept_from(int server, int program)
{
	struct sockaddr_in mine, from;

	for (;;) {
		socklen_t len = sizeof mine, from_len = sizeof from;
		int fd;
		if (!is_ready(server, POLLIN, WAIT_MS))
			die("nobody came");
		fd = accept(server, (struct sockaddr *)&from, &from_len);
		if (fd < 0 || getsockname(program, (struct sockaddr *)&mine, &len))
			die("accept");
		if (from.sin_port == mine.sin_port)
			return fd;
		close(fd);
	}
}

static void print_what_came(int fd)
{
	char piece[PIECE_BYTES];
	ssize_t n;

	while ((n = read(fd, piece, sizeof piece)) > 0)
		fwrite(piece, 1, (size_t)n, stdout);
	fflush(stdout);
}

static void write_all(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write");
}

/* ---- connect() that is interrupted ---- */

static void ignore(int number)
{
}

/* A server whose next connection has to wait until others are accepted. */
static int make_busy_server(struct sockaddr_in *ret_address)
{
	int server = make_server(ret_address, 0);

	for (int i = 0; i < FILLERS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fd, (struct sockaddr *)ret_address, sizeof *ret_address);
	}
	return server;
}

static void write_once_connected(int server, int fd, const char *text)
{
	int accepted = accept_from(server, fd);

	if (!is_ready(fd, POLLOUT, WAIT_MS))
		die("not connected");
	write_all(fd, text);
	shutdown(fd, SHUT_WR);
	print_what_came(accepted);
}

static void interrupted(void)
{
	struct sigaction action = {.sa_handler = ignore};
	struct itimerval soon = {.it_value.tv_usec = SIGNAL_US, .it_interval.tv_usec = SIGNAL_US};
	struct itimerval never = {0};
	struct sockaddr_in address;
	int server = make_busy_server(&address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &soon, NULL))
		die("signal");
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno != EINTR)
		die("connect was not interrupted");
	setitimer(ITIMER_REAL, &never, NULL);
	write_once_connected(server, fd, request);
}

static void early(const char *text)
{
	struct sockaddr_in address;
	int server = make_busy_server(&address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		die("connect");
	if (write(fd, text, strlen(text)) >= 0 || errno != EAGAIN)
		die("early write");
	write_once_connected(server, fd, text);
}

/* ---- heads in pieces ---- */

struct pair {
	int program, server;
};

/* The program's end has that number, or any when it is -1. */
static struct pair make_pair(int number)
{
	struct sockaddr_in address;
	int server = make_server(&address, 1);
	struct pair p = {.program = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	if (number >= 0 && p.program != number) {
		int other = p.program;
		p.program = dup2(other, number);
		close(other);
	}
	if (p.program < 0 || connect(p.program, (struct sockaddr *)&address, sizeof address))
		die("connect");
	p.server = accept_from(server, p.program);
	close(server);
	return p;
}

static void again(void)
{
	struct pair p = make_pair(-1);
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	struct sockaddr_in address;
	int server = make_server(&address, 1);

	write_all(p.program, first_line);
	if (connect(p.program, &nowhere, sizeof nowhere) ||
	    connect(p.program, (struct sockaddr *)&address, sizeof address))
		die("connect");
	write_all(p.program, first_line);
	write_all(p.program, rest);
	shutdown(p.program, SHUT_WR);
	print_what_came(accept_from(server, p.program));
}

static void close_it(void *fd)
{
	close(*(int *)fd);
}

static void *end_in_the_middle(void *pair)
{
	struct pair *p = pair;

	pthread_cleanup_push(close_it, &p->program);
	write_all(p->program, first_line);
	pthread_cancel(pthread_self());
	write_all(p->program, rest);
	pthread_cleanup_pop(1);
	return NULL;
}

static void cancelled(void)
{
	struct pair first = make_pair(-1), second;
	int number = first.program;
	pthread_t thread;
	void *result = NULL;

	if (pthread_create(&thread, NULL, end_in_the_middle, &first) ||
	    pthread_join(thread, &result) || result != PTHREAD_CANCELED)
		die("the thread was not cancelled");
	close(first.server);
	second = make_pair(number);
	write_all(second.program, request);
	shutdown(second.program, SHUT_WR);
	print_what_came(second.server);
}

static void continued_by_child(bool shares_memory)
{
	struct pair p = make_pair(-1);

	write_all(p.program, first_line);
	pid_t child = shares_memory ? vfork() : fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		(void)!write(p.program, rest, sizeof rest - 1);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	close(p.program);
	print_what_came(p.server);
}

/* The child is the program; the parent has its output. */
static void left(void)
{
	struct pair p = make_pair(-1);
	pid_t child = fork();

	if (child == 0) {
		write_all(p.program, first_line);
		exit(0);
	}
	waitpid(child, NULL, 0);
	close(p.program);
	print_what_came(p.server);
}

/* The kernel is asked for pages by touching them: slow, on a virtual machine more so. */
static void many(void)
{
	struct rusage before, after;

	for (int i = 0; i < CONNECTIONS + 1; i++) {
		struct pair p = make_pair(-1);
		if (i == 1)
			getrusage(RUSAGE_SELF, &before);
		write_all(p.program, first_line);
		write_all(p.program, rest);
		close(p.program);
		close(p.server);
	}
	getrusage(RUSAGE_SELF, &after);
	long pages = after.ru_minflt - before.ru_minflt;
	printf("%s\n", pages < CONNECTIONS / 2 ? "few" : "many");
}

/* Its head alone is longer than what is looked at in one go. */
static void file(void)
{
	static const char field[] = "X: ";
	static char content[FILE_BYTES];
	struct pair p = make_pair(-1);
	int file = memfd_create("file", MFD_CLOEXEC), room = 4 * FILE_BYTES;

	memset(content, 'x', sizeof content);
	memcpy(content, first_line, sizeof first_line - 1);
	memcpy(content + sizeof first_line - 1, field, sizeof field - 1);
	memcpy(content + FILE_BYTES / 2, "\r\n", 2);
	memcpy(content + FILE_BYTES / 2 + 2, rest, sizeof rest - 1);
	if (file < 0 || setsockopt(p.program, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) ||
	    pwrite(file, content, sizeof content, 0) != FILE_BYTES)
		die("file");
	ssize_t sent = sendfile(p.program, file, NULL, FILE_BYTES);
	printf("%zd of %d, then at %ld\n", sent, FILE_BYTES, (long)lseek(file, 0, SEEK_CUR));
}

/* ---- a small stack ---- */

static void *send_a_file(void *program)
{
	int file = memfd_create("request", MFD_CLOEXEC);
	off_t at = 0;

	if (file < 0 || pwrite(file, request, sizeof request - 1, 0) < 0 ||
	    sendfile(*(int *)program, file, &at, sizeof request - 1) < 0)
		die("sendfile");
	return NULL;
}

static void on_small_stack(void)
{
	struct pair p = make_pair(-1);
	pthread_attr_t attributes;
	pthread_t thread;

	if (pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, STACK_BYTES) ||
	    pthread_create(&thread, &attributes, send_a_file, &p.program) ||
	    pthread_join(thread, NULL))
		die("thread");
	close(p.program);
	print_what_came(p.server);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "interrupted") == 0)
		interrupted();
	else if (strcmp(what, "early") == 0)
		early(unnamed);
	else if (strcmp(what, "early-half") == 0)
		early(first_line);
	else if (strcmp(what, "again") == 0)
		again();
	else if (strcmp(what, "cancelled") == 0)
		cancelled();
	else if (strcmp(what, "forked") == 0 || strcmp(what, "shared") == 0)
		continued_by_child(what[0] == 's');
	else if (strcmp(what, "left") == 0)
		left();
	else if (strcmp(what, "many") == 0)
		many();
	else if (strcmp(what, "file") == 0)
		file();
	else if (strcmp(what, "small-stack") == 0)
		on_small_stack();
	else
		return 2;
	return 0;
}
