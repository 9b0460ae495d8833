/* SPDX-License-Identifier: MIT
 *
 * A client that sends its standard input over a bare socket exactly as it is and writes to its
 * standard output what comes back, in the ways a program can. No TLS: what it sends may be some.
 *
 * usage: raw_client [options] PORT        (always to 127.0.0.1)
 *   --way CALL         write, writev (three parts), send, sendto, sendmsg, sendmmsg, sendfile,
 *                      fast-open (TCP Fast Open: sendto makes the connection)
 *   --reading CALL     read, readv, recv, recvfrom, recvmsg, peek (before each recv), checked (what
 *                      _FORTIFY_SOURCE makes of read)
 *   --write-bytes N    at most N bytes in each call (all at once)
 *   --nonblocking      a non-blocking socket and poll
 *   --send-buffer N    SO_SNDBUF
 *   --send-timeout MS  SO_SNDTIMEO; a call that times out is made again
 *   --bad              calls with bad pointers first: each must fail with EFAULT
 *   --dup              reads and writes through a copy of the descriptor from the start
 *   --dup-later        the same, made after the first call
 *   --copy-fails       a copy onto the socket's number fails, after the first call
 *   --onto-udp         the socket gets the number of a UDP socket, by dup2, before it connects
 *   --half-close       shutdown(SHUT_WR) after the input
 *   --glance           a reading call that does not wait before each writing call
 *   --leave            no reading: closes after the input
 *   --wait-after N     after N bytes reads, waiting, until something comes
 *   --via KIND:HOST:PORT  through a proxy on PORT: connect or socks5, to that host and port
 *   --answers N        leave after N answers with a Content-Length (0: read until the end)
 *   --segment N        one sendmsg, which the kernel cuts into datagrams of N bytes (UDP_SEGMENT)
 *   --udp              datagrams, to an address given with each
 *   --udp-connected    datagrams on a connected socket
 * Exit: 0 the peer ended the connection properly (or N answers came), 1 it did not or a call
 * failed, 2 usage, 3 system. The last line on standard error says what was seen: "end=fin calls=3",
 * "write: ECONNREFUSED calls=1".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define WAIT_MS     20000 /* nothing in a test takes this long: a hang becomes a failure */
#define ALL_SECONDS 60
#define INPUT_MAX   (16u << 20)
#define PIECE_BYTES 4096

ssize_t __read_chk(int fd, void *at, size_t len, size_t room);

static struct {
	const char *way, *reading, *via;
	size_t write_bytes, wait_after, segment;
	int send_buffer, send_timeout_ms, answers, port;
	bool nonblocking, bad, dup, dup_later, copy_fails, onto_udp, half_close, glance, leave, udp,
		udp_connected;
} how = {.way = "write", .reading = "read"};

static int fd = -1;
static struct sockaddr_in peer = {.sin_family = AF_INET};
static unsigned long calls;
static char *seen;
static size_t seen_bytes;

static void die(const char *what)
{
	fprintf(stderr, "raw_client: %s: %s\n", what, strerror(errno));
	exit(3);
}

static bool is(const char *given, const char *name)
{
	return strcmp(given, name) == 0;
}

static void wait_for(short events)
{
	struct pollfd p = {fd, events, 0};
	int n;

	do {
		n = poll(&p, 1, WAIT_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		fprintf(stderr, "raw_client: nothing happened for %d ms\n", WAIT_MS);
		exit(3);
	}
}

/* ---- writing ---- */

static ssize_t send_file(const void *at, size_t len)
{
	static int file = -1;
	off_t offset = 0;

	if (file < 0)
		file = memfd_create("input", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, 0) || pwrite(file, at, len, 0) != (ssize_t)len)
		die("memfd");
	return sendfile(fd, file, &offset, len);
}

static ssize_t call_write(const void *at, size_t len)
{
	struct iovec parts[3] = {{(void *)at, len / 3},
				 {(char *)at + len / 3, 0},
				 {(char *)at + len / 3, len - len / 3}};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = parts, .msg_iovlen = 3}};
	struct sockaddr *to = (struct sockaddr *)&peer;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = "";
	bool with_address = how.udp || (is(how.way, "fast-open") && calls == 0);

	calls++;
	if (with_address) {
		message.msg_hdr.msg_name = to;
		message.msg_hdr.msg_namelen = sizeof peer;
	}
	if (how.segment) {
		uint16_t bytes = (uint16_t)how.segment;
		message.msg_hdr.msg_control = control;
		message.msg_hdr.msg_controllen = sizeof control;
		struct cmsghdr *c = CMSG_FIRSTHDR(&message.msg_hdr);
		*c = (struct cmsghdr){CMSG_LEN(sizeof bytes), SOL_UDP, UDP_SEGMENT};
		memcpy(CMSG_DATA(c), &bytes, sizeof bytes);
	}
	if (is(how.way, "writev"))
		return writev(fd, parts, 3);
	if (is(how.way, "send"))
		return send(fd, at, len, MSG_NOSIGNAL);
	if (is(how.way, "sendto"))
		return sendto(fd, at, len, MSG_NOSIGNAL, how.udp ? to : NULL,
			      how.udp ? sizeof peer : 0);
	if (is(how.way, "sendmsg"))
		return sendmsg(fd, &message.msg_hdr, MSG_NOSIGNAL);
	if (is(how.way, "sendmmsg"))
		return sendmmsg(fd, &message, 1, MSG_NOSIGNAL) == 1 ? (ssize_t)message.msg_len : -1;
	if (is(how.way, "sendfile"))
		return send_file(at, len);
	if (is(how.way, "fast-open"))
		return sendto(fd, at, len, MSG_NOSIGNAL | (with_address ? MSG_FASTOPEN : 0),
			      with_address ? to : NULL, with_address ? sizeof peer : 0);
	return write(fd, at, len);
}

static void print_end(const char *what, int error)
{
	fprintf(stderr, "%s%s%s calls=%lu\n", what, error ? ": " : "",
		error ? strerrorname_np(error) : "", calls);
}

/* A program whose write was refused may try to read, or write again. */
static void give_up(int error)
{
	char byte;
	ssize_t n = how.udp || how.udp_connected ? 0 : read(fd, &byte, 1);

	if (n > 0)
		fprintf(stderr, "raw_client: and yet a byte came\n");
	if (!how.udp && !how.udp_connected && write(fd, "x", 1) >= 0)
		fprintf(stderr, "raw_client: and yet a byte went out\n");
	print_end("write", error);
	exit(1);
}

static void copy_descriptor(void)
{
	int copy = dup(fd);

	if (copy < 0)
		die("dup");
	close(fd);
	fd = copy;
}

static void move_onto_udp(void)
{
	int udp = socket(AF_INET, SOCK_DGRAM, 0);

	if (udp < 0 || dup2(fd, udp) != udp)
		die("dup2");
	close(fd);
	fd = udp;
}

static ssize_t call_read(void *at, size_t len, int flags);

static void write_all(const char *at, size_t len)
{
	while (len > 0) {
		size_t piece = how.write_bytes && how.write_bytes < len ? how.write_bytes : len;
		char byte;
		if (how.glance && recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 &&
		    errno != EAGAIN)
			die("glance");
		ssize_t n = call_write(at, piece);
		if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == EINPROGRESS)) {
			wait_for(POLLOUT);
			continue;
		}
		if (n < 0)
			give_up(errno);
		if (calls == 1 && how.dup_later)
			copy_descriptor();
		if (calls == 1 && how.copy_fails && dup3(STDERR_FILENO, fd, ~O_CLOEXEC) != -1)
			die("dup3");
		at += n;
		len -= (size_t)n;
	}
}

/* ---- reading ---- */

static ssize_t call_read(void *at, size_t len, int flags)
{
	struct iovec parts[2] = {{at, len / 2}, {(char *)at + len / 2, len - len / 2}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	struct sockaddr_in from;
	socklen_t from_len = sizeof from;
	static char peeked[PIECE_BYTES];
	ssize_t n;

	if (is(how.reading, "readv"))
		return readv(fd, parts, 2);
	if (is(how.reading, "recv"))
		return recv(fd, at, len, flags);
	if (is(how.reading, "recvfrom"))
		return recvfrom(fd, at, len, flags, (struct sockaddr *)&from, &from_len);
	if (is(how.reading, "recvmsg"))
		return recvmsg(fd, &message, flags);
	if (is(how.reading, "checked"))
		return __read_chk(fd, at, len, len);
	if (!is(how.reading, "peek"))
		return read(fd, at, len);
	n = recv(fd, peeked, sizeof peeked, MSG_PEEK);
	if (n <= 0)
		return n;
	if (recv(fd, at, (size_t)n, 0) != n || memcmp(at, peeked, (size_t)n) != 0) {
		fprintf(stderr, "raw_client: peeked something else\n");
		exit(1);
	}
	return n;
}

/* So many answers with a Content-Length are complete. */
static int answers_seen(void)
{
	char *at = seen, *end = seen + seen_bytes, *body;
	int count = 0;

	while ((body = memmem(at, (size_t)(end - at), "\r\n\r\n", 4))) {
		char *length = strcasestr(at, "content-length:");
		size_t bytes = length && length < body ? strtoul(length + 15, NULL, 10) : 0;
		if ((size_t)(end - body) < 4 + bytes)
			break;
		at = body + 4 + bytes;
		count++;
	}
	return count;
}

/* Once; false at the end. */
static bool read_more(void)
{
	ssize_t n;

	for (;;) {
		char *room = realloc(seen, seen_bytes + PIECE_BYTES + 1);
		if (!room)
			die("memory");
		seen = room;
		n = call_read(seen + seen_bytes, PIECE_BYTES, 0);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
		wait_for(POLLIN);
	}
	if (n <= 0) {
		print_end(n ? "read" : "end=fin", n ? errno : 0);
		return n == 0 ? false : (exit(1), false);
	}
	if (write(STDOUT_FILENO, seen + seen_bytes, (size_t)n) != n)
		die("output");
	seen_bytes += (size_t)n;
	seen[seen_bytes] = '\0';
	return true;
}

/* ---- bad pointers ---- */

static void expect_fault(const char *what, ssize_t result)
{
	if (result != -1 || errno != EFAULT) {
		fprintf(stderr, "raw_client: %s: %zd, %s\n", what, result, strerror(errno));
		exit(1);
	}
}

static void use_bad_pointers(void)
{
	char *page = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *volatile nothing = NULL;
	struct iovec part = {page, 100};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	expect_fault("sendmsg", sendmsg(fd, (struct msghdr *)page, 0));
	expect_fault("sendmmsg", sendmmsg(fd, (struct mmsghdr *)page, 1, 0));
	if (how.udp) { /* the others have nowhere to send to */
		expect_fault("sendto", sendto(fd, "x", 1, 0, (struct sockaddr *)page, 16));
		return;
	}
	expect_fault("write", write(fd, page, 100));
	expect_fault("write", write(fd, nothing, 100));
	expect_fault("write", write(fd, (void *)-1, 1));
	expect_fault("send", send(fd, page, 100, 0));
	expect_fault("writev", writev(fd, &part, 1));
	expect_fault("writev", writev(fd, (struct iovec *)page, 1));
	expect_fault("sendmsg", sendmsg(fd, &message, 0));
	message.msg_iov = (struct iovec *)page;
	expect_fault("sendmsg", sendmsg(fd, &message, 0));
}

/* ---- through a proxy ---- */

static void expect_reply(size_t len, const char *begin)
{
	char reply[512] = "";
	size_t got = 0;

	while (got < len || (len == 0 && !strstr(reply, "\r\n\r\n"))) {
		ssize_t n = recv(fd, reply + got, len ? len - got : sizeof reply - 1 - got, 0);
		if (n <= 0)
			die("proxy");
		got += (size_t)n;
	}
	if (memcmp(reply, begin, strlen(begin)) != 0) {
		fprintf(stderr, "raw_client: the proxy says no: %s\n", reply);
		exit(3);
	}
}

static void go_through_proxy(void)
{
	char kind[16], host[256], text[600];
	unsigned port;

	if (sscanf(how.via, "%15[^:]:%255[^:]:%u", kind, host, &port) != 3)
		die(how.via);
	if (is(kind, "connect")) {
		int len = snprintf(text, sizeof text,
				   "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n\r\n", host, port,
				   host, port);
		if (send(fd, text, (size_t)len, 0) != len)
			die("proxy");
		expect_reply(0, "HTTP/1.1 200");
		return;
	}
	if (send(fd, "\5\1\0", 3, 0) != 3)
		die("proxy");
	expect_reply(2, "\5");
	int len = snprintf(text, sizeof text, "\5\1%c\3%c%s%c%c", 0, (int)strlen(host), host,
			   (int)(port >> 8), (int)(port & 255));
	if (send(fd, text, (size_t)len, 0) != len)
		die("proxy");
	expect_reply(10, "\5");
}

/* ---- start ---- */

static void open_socket(void)
{
	int type = how.udp || how.udp_connected ? SOCK_DGRAM : SOCK_STREAM;
	struct timeval timeout = {how.send_timeout_ms / 1000, how.send_timeout_ms % 1000 * 1000};

	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (how.send_buffer &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &how.send_buffer, sizeof how.send_buffer))
		die("SO_SNDBUF");
	if (how.send_timeout_ms &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout))
		die("SO_SNDTIMEO");
	peer.sin_port = htons((uint16_t)how.port);
	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (how.onto_udp)
		move_onto_udp();
	if (!how.udp && !is(how.way, "fast-open") &&
	    connect(fd, (struct sockaddr *)&peer, sizeof peer))
		die("connect");
	if (how.via)
		go_through_proxy();
	if (how.nonblocking && fcntl(fd, F_SETFL, O_NONBLOCK))
		die("O_NONBLOCK");
	if (how.dup)
		copy_descriptor();
}

static size_t read_input(char *input)
{
	size_t len = 0;
	ssize_t n;

	while (len < INPUT_MAX && (n = read(STDIN_FILENO, input + len, INPUT_MAX - len)) > 0)
		len += (size_t)n;
	return len;
}

static void parse(int argc, char **argv)
{
	enum {
		BAD = 1,
		DUP,
		DUP_LATER,
		COPY_FAILS,
		ONTO_UDP,
		HALF_CLOSE,
		GLANCE,
		LEAVE,
		NONBLOCKING,
		UDP,
		UDP_CONNECTED
	};
	static const struct option options[] = {{"way", 1, NULL, 'w'},
						{"reading", 1, NULL, 'r'},
						{"write-bytes", 1, NULL, 'b'},
						{"send-buffer", 1, NULL, 's'},
						{"send-timeout", 1, NULL, 't'},
						{"wait-after", 1, NULL, 'W'},
						{"segment", 1, NULL, 'S'},
						{"via", 1, NULL, 'v'},
						{"answers", 1, NULL, 'a'},
						{"nonblocking", 0, NULL, NONBLOCKING},
						{"bad", 0, NULL, BAD},
						{"dup", 0, NULL, DUP},
						{"dup-later", 0, NULL, DUP_LATER},
						{"copy-fails", 0, NULL, COPY_FAILS},
						{"onto-udp", 0, NULL, ONTO_UDP},
						{"half-close", 0, NULL, HALF_CLOSE},
						{"glance", 0, NULL, GLANCE},
						{"leave", 0, NULL, LEAVE},
						{"udp", 0, NULL, UDP},
						{"udp-connected", 0, NULL, UDP_CONNECTED},
						{NULL, 0, NULL, 0}};
	bool *const flags[] = {[BAD] = &how.bad,
			       [DUP] = &how.dup,
			       [DUP_LATER] = &how.dup_later,
			       [COPY_FAILS] = &how.copy_fails,
			       [ONTO_UDP] = &how.onto_udp,
			       [HALF_CLOSE] = &how.half_close,
			       [GLANCE] = &how.glance,
			       [LEAVE] = &how.leave,
			       [NONBLOCKING] = &how.nonblocking,
			       [UDP] = &how.udp,
			       [UDP_CONNECTED] = &how.udp_connected};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option <= UDP_CONNECTED)
			*flags[option] = true;
		else if (option == 'w')
			how.way = optarg;
		else if (option == 'r')
			how.reading = optarg;
		else if (option == 'b')
			how.write_bytes = strtoul(optarg, NULL, 10);
		else if (option == 's')
			how.send_buffer = atoi(optarg);
		else if (option == 't')
			how.send_timeout_ms = atoi(optarg);
		else if (option == 'W')
			how.wait_after = strtoul(optarg, NULL, 10);
		else if (option == 'S')
			how.segment = strtoul(optarg, NULL, 10);
		else if (option == 'v')
			how.via = optarg;
		else if (option == 'a')
			how.answers = atoi(optarg);
		else
			exit(2);
	}
	if (optind != argc - 1)
		exit(2);
	how.port = atoi(argv[optind]);
}

int main(int argc, char **argv)
{
	char *input = malloc(INPUT_MAX);
	size_t len, first;

	parse(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	alarm(ALL_SECONDS);
	if (!input)
		die("memory");
	len = read_input(input);
	open_socket();
	if (how.bad)
		use_bad_pointers();
	first = how.wait_after && how.wait_after < len ? how.wait_after : len;
	write_all(input, first);
	if (first < len) {
		if (!read_more())
			return 0;
		write_all(input + first, len - first);
	}
	if (how.udp || how.udp_connected || how.leave) {
		print_end("left", 0);
		close(fd);
		return 0;
	}
	if (how.half_close && shutdown(fd, SHUT_WR))
		die("shutdown");
	while (!(how.answers && answers_seen() >= how.answers))
		if (!read_more())
			return how.answers != 0;
	print_end("answered", 0);
	close(fd);
	return 0;
}
