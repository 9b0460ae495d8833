/* SPDX-License-Identifier: MIT
 *
 * A client of GnuTLS that sends its standard input exactly as it is and writes to its standard
 * output what comes back, in the ways a program can. The tests choose the way.
 *
 * usage: gnutls_client [options] PORT        (always to 127.0.0.1)
 *   --name NAME        server name sent and verified (api.openai.com); empty: none
 *   --ca FILE          whom to trust
 *   --verify HOW       handshake (the library's own verification), callback, after (the handshake:
 *                      gnutls_certificate_verify_peers2 and 3), or never
 *   --set-tls 1.2|1.3  only that version
 *   --alpn LIST        protocols, with commas; --alpn-first: before the server name
 *   --nonblocking      a non-blocking socket and poll
 *   --own              our own push and pull functions
 *   --send-buffer N    SO_SNDBUF
 *   --write-bytes N    at most N bytes in each write (all at once)
 *   --again-null       a blocked write is repeated as (NULL, 0), our bytes being gone by then
 *   --send HOW         send, send2, range, cork (uncorked at once), cork-wait, early (cork before
 *                      the handshake), late-cork (one byte before it, and a read), recork (corked
 *                      after the first blocked write), early-data, file; send2 sends padding first
 *   --recv HOW         recv, seq or packet
 *   --poll-first       wait until the socket is readable before the first read
 *   --threads          one thread reads while the other writes
 *   --fork             a child frees its copy of the session first
 *   --resume           a first connection with a GET to /plain, verified (after), then the real one
 *   --answers N        leave after N answers with a Content-Length (0: read until the end)
 *   --leave            no reading: says goodbye after the input
 *   --server           a server's, a datagram and a QUIC session are made first, and used
 * Exit: 0 the peer ended the connection properly (or N answers came), 1 it did not, 2 usage, 3
 * system. The last line on standard error says what was seen: "end=close_notify blocked=3 pending=1
 * bye=0 alpn=http/1.1 resumed=0".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS     20000 /* nothing in a test takes this long: a hang becomes a failure */
#define ALL_SECONDS 60

static struct {
	const char *name, *ca, *verify, *tls, *alpn, *send, *recv;
	size_t write_bytes;
	int send_buffer, answers, port;
	bool nonblocking, own, again_null, poll_first, alpn_first, threads, forks, resume, server,
		leave;
} how = {.name = "api.openai.com", .verify = "after", .send = "send", .recv = "recv"};

struct transport {
	int fd;
};

static struct transport transport = {-1};
static gnutls_session_t session;
static gnutls_certificate_credentials_t trust;
static gnutls_datum_t resumption;
static unsigned long blocked;
static bool was_pending;

static void die(const char *what, int error)
{
	fprintf(stderr, "gnutls_client: %s: %s\n", what,
		error < 0 ? gnutls_strerror(error) : strerror(errno));
	exit(3);
}

static void check(const char *what, int ret)
{
	if (ret < 0)
		die(what, ret);
}

static bool is(const char *choice, const char *word)
{
	return strcmp(choice, word) == 0;
}

static void wait_for(short events)
{
	struct pollfd p = {transport.fd, events, 0};
	int n;

	do {
		n = poll(&p, 1, WAIT_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		fprintf(stderr, "gnutls_client: nothing happened for %d ms\n", WAIT_MS);
		exit(3);
	}
}

/* After a call that could not finish: waits for what it wants. False: it will never finish. */
static bool wait_as_told(ssize_t ret)
{
	if (ret == GNUTLS_E_INTERRUPTED)
		return true;
	if (ret != GNUTLS_E_AGAIN)
		return false;
	wait_for(gnutls_record_get_direction(session) ? POLLOUT : POLLIN);
	return true;
}

static ssize_t push(gnutls_transport_ptr_t t, const void *data, size_t len)
{
	return send(((struct transport *)t)->fd, data, len, MSG_NOSIGNAL);
}

static ssize_t pull(gnutls_transport_ptr_t t, void *data, size_t len)
{
	return recv(((struct transport *)t)->fd, data, len, 0);
}

/* ---- writing ---- */

static ssize_t send_range(const char *at, size_t len)
{
	gnutls_range_st range = {len, len};

	return gnutls_record_send_range(session, at, len, &range);
}

/* The file holds what is to be sent, behind a line that is not. */
static ssize_t send_file(const char *at, size_t len)
{
	static FILE *file;
	static off_t offset = 5;

	if (!file) {
		file = tmpfile();
		if (!file || fwrite("skip\n", 1, 5, file) != 5 || fwrite(at, 1, len, file) != len ||
		    fflush(file))
			die("file", 0);
		rewind(file);
	}
	return gnutls_record_send_file(session, fileno(file), &offset, len);
}

static ssize_t write_some(const char *at, size_t len)
{
	if (is(how.send, "send2"))
		return gnutls_record_send2(session, at, len, 7, 0);
	if (is(how.send, "range"))
		return send_range(at, len);
	if (is(how.send, "file"))
		return send_file(at, len);
	return gnutls_record_send(session, at, len);
}

/* A write whose bytes are gone when it is repeated. */
static ssize_t write_forgetful(const char *at, size_t len)
{
	char *copy = malloc(len);
	ssize_t n;

	if (!copy)
		die("memory", 0);
	memcpy(copy, at, len);
	n = write_some(copy, len);
	memset(copy, '#', len);
	free(copy);
	while (n < 0) {
		blocked += n == GNUTLS_E_AGAIN;
		if (!wait_as_told(n))
			break;
		n = gnutls_record_send(session, NULL, 0);
	}
	return n;
}

/* Each call tells of what was left; GnuTLS sends some of it, also where it then has to wait. */
static void uncork(size_t len)
{
	unsigned how_long = is(how.send, "cork-wait") ? GNUTLS_RECORD_WAIT : 0;
	size_t left = gnutls_record_check_corked(session);
	int n;

	if (left != len) {
		fprintf(stderr, "gnutls_client: corked %zu, it says %zu\n", len, left);
		exit(1);
	}
	while ((n = gnutls_record_uncork(session, how_long)) < 0) {
		blocked += n == GNUTLS_E_AGAIN;
		if (!wait_as_told(n))
			return;
		left = gnutls_record_check_corked(session);
	}
	if ((size_t)n != left || gnutls_record_check_corked(session)) {
		fprintf(stderr, "gnutls_client: corked %zu, uncorked %d\n", left, n);
		exit(1);
	}
}

/* Behind a write that was blocked: nothing is corked by it, and what is corked begins with it. */
static void write_recorked(const char *at, size_t len)
{
	gnutls_record_cork(session);
	uncork(0);
	gnutls_record_cork(session);
	if (gnutls_record_send(session, at, len) != (ssize_t)len)
		die("corked", 0);
	uncork(len);
}

static void write_all(const char *at, size_t len, bool recork)
{
	while (len > 0) {
		size_t part = how.write_bytes && how.write_bytes < len ? how.write_bytes : len;
		ssize_t n = how.again_null ? write_forgetful(at, part) : write_some(at, part);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
			continue;
		}
		blocked += n == GNUTLS_E_AGAIN;
		if (recork && n == GNUTLS_E_AGAIN) {
			write_recorked(at, len);
			return;
		}
		if (!wait_as_told(n))
			return; /* refused or gone: what there is to say will be read */
	}
}

static void send_input(const char *at, size_t len)
{
	bool corks = (strstr(how.send, "cork") && !is(how.send, "recork")) || is(how.send, "early");
	char none[1];

	if (is(how.send, "late-cork")) {
		write_all(at++, 1, false);
		len--;
	}
	if (corks && !is(how.send, "early"))
		gnutls_record_cork(session);
	if (is(how.send, "send2") && gnutls_record_send2(session, none, 0, 7, 0) != 0)
		die("padding only", 0);
	/* declined: all of it again; accepted, which no test has: nothing more */
	if (is(how.send, "early-data") &&
	    gnutls_session_get_flags(session) & GNUTLS_SFLAGS_EARLY_DATA)
		return;
	write_all(at, len, is(how.send, "recork"));
	if (is(how.send, "late-cork") &&
	    gnutls_record_recv(session, none, sizeof none) != GNUTLS_E_AGAIN)
		die("read too much", 0);
	if (corks)
		uncork(len);
}

/* ---- reading ---- */

static ssize_t read_some(char *at, size_t cap)
{
	unsigned char sequence[8];
	gnutls_packet_t packet;
	gnutls_datum_t data;
	ssize_t n;

	if (is(how.recv, "seq"))
		return gnutls_record_recv_seq(session, at, cap, sequence);
	if (!is(how.recv, "packet"))
		return gnutls_record_recv(session, at, cap);
	n = gnutls_record_recv_packet(session, &packet);
	if (n <= 0)
		return n;
	gnutls_packet_get(packet, &data, NULL);
	memcpy(at, data.data, data.size);
	gnutls_packet_deinit(packet);
	return (ssize_t)data.size;
}

/* How many whole answers with a Content-Length stand in the text. */
static int count_answers(const char *at, size_t len)
{
	int count = 0;

	for (;;) {
		const char *head_end = memmem(at, len, "\r\n\r\n", 4);
		if (!head_end)
			return count;
		size_t head = (size_t)(head_end - at) + 4, body = 0;
		for (const char *l = at; l < head_end; l = strstr(l, "\r\n") + 2)
			if (!strncasecmp(l, "content-length:", 15))
				body = strtoul(l + 15, NULL, 10);
		if (len - head < body)
			return count;
		at += head + body;
		len -= head + body;
		count++;
	}
}

/* Copies to standard output; returns what ended it, or 1 when enough has come. */
static ssize_t read_until_end(int answers, FILE *to)
{
	static char at[65536];
	char *all = NULL;
	size_t len = 0;
	ssize_t n;

	for (;;) {
		n = read_some(at, is(how.recv, "packet") ? sizeof at : 7);
		if (n > 0) {
			/* Seven were asked for: what else there is must be said to be there. */
			size_t more = gnutls_record_check_pending(session);
			was_pending |= more > 0;
			if (more > sizeof at - 7)
				more = sizeof at - 7;
			if (more && read_some(at + n, more) != (ssize_t)more) {
				fprintf(stderr, "gnutls_client: pending, but not there\n");
				exit(1);
			}
			n += (ssize_t)more;
			if (to && (fwrite(at, 1, (size_t)n, to) != (size_t)n || fflush(to)))
				die("standard output", 0);
			all = realloc(all, len + (size_t)n + 1);
			if (!all)
				die("memory", 0);
			memcpy(all + len, at, (size_t)n);
			len += (size_t)n;
			all[len] = '\0';
			if (answers && count_answers(all, len) >= answers)
				break;
		} else if (!wait_as_told(n)) {
			break;
		}
	}
	free(all);
	return n > 0 ? 1 : n;
}

static void *read_in_thread(void *ret_end)
{
	*(ssize_t *)ret_end = read_until_end(how.answers, stdout);
	return NULL;
}

/* ---- connecting ---- */

static void connect_tcp(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)how.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket", 0);
	if (how.send_buffer)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &how.send_buffer, sizeof how.send_buffer);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (connect(fd, (struct sockaddr *)&to, sizeof to))
		die("connect", 0);
	if (how.nonblocking)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	transport.fd = fd;
}

static int verify_in_callback(gnutls_session_t s)
{
	unsigned status = 1;

	return gnutls_certificate_verify_peers3(s, how.name, &status) || status ? -1 : 0;
}

static void verify_after(void)
{
	unsigned chain = 1, named = 1;

	if (gnutls_certificate_verify_peers2(session, &chain) || chain ||
	    (*how.name && (gnutls_certificate_verify_peers3(session, how.name, &named) || named))) {
		fprintf(stderr, "gnutls_client: not verified\n");
		exit(3);
	}
}

static void offer_alpn(void)
{
	gnutls_datum_t protocols[8];
	unsigned count = 0;
	char *list = strdup(how.alpn ? how.alpn : "");

	for (char *p = strtok(list, ","); p && count < 8; p = strtok(NULL, ",")) {
		protocols[count].data = (unsigned char *)p;
		protocols[count++].size = (unsigned)strlen(p);
	}
	if (count)
		check("alpn", gnutls_alpn_set_protocols(session, protocols, count, 0));
	free(list);
}

static void set_session_up(void)
{
	char priority[64] = "NORMAL";

	if (how.tls)
		snprintf(priority, sizeof priority, "NORMAL:-VERS-ALL:+VERS-TLS%s", how.tls);
	check("init",
	      gnutls_init(&session, GNUTLS_CLIENT | (how.nonblocking ? GNUTLS_NONBLOCK : 0)));
	check("priority", gnutls_priority_set_direct(session, priority, NULL));
	check("credentials", gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust));
	if (how.alpn_first)
		offer_alpn();
	if (*how.name)
		check("name",
		      gnutls_server_name_set(session, GNUTLS_NAME_DNS, how.name, strlen(how.name)));
	if (!how.alpn_first)
		offer_alpn();
	if (is(how.verify, "handshake"))
		gnutls_session_set_verify_cert(session, *how.name ? how.name : NULL, 0);
	if (is(how.verify, "callback"))
		gnutls_session_set_verify_function(session, verify_in_callback);
	if (how.own) {
		gnutls_transport_set_push_function(session, push);
		gnutls_transport_set_pull_function(session, pull);
		gnutls_transport_set_ptr(session, &transport);
	} else {
		gnutls_transport_set_int(session, transport.fd);
	}
}

static void connect_tls(const char *early, size_t len, bool verifies_after)
{
	int ret;

	set_session_up();
	if (resumption.data)
		check("resume", gnutls_session_set_data(session, resumption.data, resumption.size));
	if (is(how.send, "early-data"))
		check("early data", (int)gnutls_record_send_early_data(session, early, len));
	if (is(how.send, "early"))
		gnutls_record_cork(session);
	while ((ret = gnutls_handshake(session)) < 0)
		if (!wait_as_told(ret) && gnutls_error_is_fatal(ret))
			die("handshake", ret);
	if (verifies_after)
		verify_after();
}

/* A connection of which only the ticket is wanted. */
static void connect_before(void)
{
	char request[256];
	int len = snprintf(request, sizeof request, "GET /plain HTTP/1.1\r\nHost: %s\r\n\r\n",
			   how.name);

	connect_tcp();
	connect_tls(NULL, 0, is(how.verify, "after") || is(how.verify, "never"));
	write_all(request, (size_t)len, false);
	(void)read_until_end(1, NULL);
	check("session data", gnutls_session_get_data2(session, &resumption));
	gnutls_deinit(session);
	close(transport.fd);
}

static bool saw_hello;

static int see_hello(gnutls_session_t quic, gnutls_record_encryption_level_t level,
		     gnutls_handshake_description_t type, const void *data, size_t len)
{
	saw_hello |= type == GNUTLS_HANDSHAKE_CLIENT_HELLO && memmem(data, len, "\2h3", 3);
	return 0;
}

static ssize_t pull_later(gnutls_transport_ptr_t t, void *data, size_t len)
{
	errno = EAGAIN;
	return -1;
}

/* To a provider, but the program carries the handshake messages itself: its ALPN stays. */
static void begin_quic(void)
{
	static unsigned char h3[] = "h3";
	gnutls_datum_t protocol = {h3, 2};
	gnutls_session_t quic;

	check("init", gnutls_init(&quic, GNUTLS_CLIENT | GNUTLS_NONBLOCK));
	check("priority", gnutls_priority_set_direct(quic, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL));
	check("credentials", gnutls_credentials_set(quic, GNUTLS_CRD_CERTIFICATE, trust));
	check("name", gnutls_server_name_set(quic, GNUTLS_NAME_DNS, "api.openai.com", 14));
	check("alpn", gnutls_alpn_set_protocols(quic, &protocol, 1, 0));
	gnutls_handshake_set_read_function(quic, see_hello);
	gnutls_transport_set_pull_function(quic, pull_later);
	(void)gnutls_handshake(quic);
	if (!saw_hello)
		die("the ALPN list of a QUIC session", 0);
	gnutls_deinit(quic);
}

/* Not a client's, or not over a stream: these calls are to go straight through. */
static void use_other_sessions(void)
{
	gnutls_session_t server, datagram;

	begin_quic();
	check("init", gnutls_init(&server, GNUTLS_SERVER));
	check("init", gnutls_init(&datagram, GNUTLS_CLIENT | GNUTLS_DATAGRAM));
	gnutls_record_cork(server);
	if (gnutls_record_send(server, "x", 1) != GNUTLS_E_UNAVAILABLE_DURING_HANDSHAKE ||
	    gnutls_record_send(datagram, "x", 1) != GNUTLS_E_UNAVAILABLE_DURING_HANDSHAKE ||
	    gnutls_record_check_pending(server) || gnutls_record_check_corked(datagram))
		die("other sessions", 0);
	gnutls_deinit(server);
	gnutls_deinit(datagram);
}

static void free_in_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		gnutls_deinit(session);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		die("child", 0);
}

static char *read_input(size_t *ret_len)
{
	size_t cap = 1u << 16, len = 0;
	char *at = malloc(cap);
	ssize_t n = 1;

	while (at && n > 0) {
		if (cap - len < 65536)
			at = realloc(at, cap *= 2);
		if (!at)
			break;
		n = read(STDIN_FILENO, at + len, cap - len);
		if (n < 0)
			die("standard input", 0);
		len += (size_t)n;
	}
	if (!at)
		die("memory", 0);
	*ret_len = len;
	return at;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {{"name", 1, NULL, 'n'},
						{"ca", 1, NULL, 'c'},
						{"verify", 1, NULL, 'v'},
						{"set-tls", 1, NULL, 't'},
						{"alpn", 1, NULL, 'a'},
						{"alpn-first", 0, NULL, 'A'},
						{"nonblocking", 0, NULL, 'N'},
						{"own", 0, NULL, 'o'},
						{"send-buffer", 1, NULL, 'b'},
						{"write-bytes", 1, NULL, 'w'},
						{"again-null", 0, NULL, '0'},
						{"send", 1, NULL, 's'},
						{"recv", 1, NULL, 'r'},
						{"poll-first", 0, NULL, 'P'},
						{"threads", 0, NULL, 'T'},
						{"fork", 0, NULL, 'F'},
						{"resume", 0, NULL, 'R'},
						{"answers", 1, NULL, 'i'},
						{"server", 0, NULL, 'S'},
						{"leave", 0, NULL, 'l'},
						{NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			how.name = optarg;
			break;
		case 'c':
			how.ca = optarg;
			break;
		case 'v':
			how.verify = optarg;
			break;
		case 't':
			how.tls = optarg;
			break;
		case 'a':
			how.alpn = optarg;
			break;
		case 'A':
			how.alpn_first = true;
			break;
		case 'N':
			how.nonblocking = true;
			break;
		case 'o':
			how.own = true;
			break;
		case 'b':
			how.send_buffer = atoi(optarg);
			break;
		case 'w':
			how.write_bytes = strtoul(optarg, NULL, 10);
			break;
		case '0':
			how.again_null = true;
			break;
		case 's':
			how.send = optarg;
			break;
		case 'r':
			how.recv = optarg;
			break;
		case 'P':
			how.poll_first = true;
			break;
		case 'T':
			how.threads = true;
			break;
		case 'F':
			how.forks = true;
			break;
		case 'R':
			how.resume = true;
			break;
		case 'i':
			how.answers = atoi(optarg);
			break;
		case 'S':
			how.server = true;
			break;
		case 'l':
			how.leave = true;
			break;
		default:
			exit(2);
		}
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: gnutls_client [options] PORT <request\n");
		exit(2);
	}
	how.port = atoi(argv[optind]);
}

int main(int argc, char **argv)
{
	gnutls_datum_t chosen = {(unsigned char *)"none", 4};
	pthread_t reader;
	ssize_t end = 0;
	size_t len;
	int bye, resumed;

	parse(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	alarm(ALL_SECONDS); /* blocking calls have no other end */
	char *input = read_input(&len);
	check("credentials", gnutls_certificate_allocate_credentials(&trust));
	if (how.ca)
		check(how.ca,
		      gnutls_certificate_set_x509_trust_file(trust, how.ca, GNUTLS_X509_FMT_PEM));
	if (how.server)
		use_other_sessions();
	if (how.resume)
		connect_before();
	connect_tcp();
	connect_tls(input, len, is(how.verify, "after"));
	if (how.forks)
		free_in_child();
	if (how.threads && (errno = pthread_create(&reader, NULL, read_in_thread, &end)) != 0)
		die("thread", 0);
	send_input(input, len);
	free(input);
	if (how.poll_first)
		wait_for(POLLIN);
	if (how.threads)
		pthread_join(reader, NULL);
	else
		end = how.leave ? 1 : read_until_end(how.answers, stdout);
	(void)gnutls_alpn_get_selected_protocol(session, &chosen);
	resumed = gnutls_session_is_resumed(session);
	/* Where the peer's end was seen, waiting for it once more is no wait. */
	bye = gnutls_bye(session, end == 0 ? GNUTLS_SHUT_RDWR : GNUTLS_SHUT_WR);
	fprintf(stderr, "end=%s blocked=%lu pending=%d bye=%d alpn=%.*s resumed=%d\n",
		end == 1   ? "enough"
		: end == 0 ? "close_notify"
			   : gnutls_strerror_name((int)end),
		blocked, was_pending, bye, (int)chosen.size, chosen.data, resumed);
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(trust);
	gnutls_free(resumption.data);
	close(transport.fd);
	return end < 0;
}
