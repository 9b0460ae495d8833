/* SPDX-License-Identifier: MIT
 *
 * collect_client: talks to the collector as programs do and as they should not.
 *
 *     collect_client SOCKET load COUNT BYTES   COUNT request records, each acknowledged before the
 *                                              next; prints the id of each as it is acknowledged
 *     collect_client SOCKET fill BYTES         request records until one is not kept; prints how
 * many were, and that one's status collect_client SOCKET answer ID          a response record for
 * that id; prints the status collect_client SOCKET kind NUMBER        an empty record of that kind;
 * prints the status collect_client SOCKET child              a forked child sends over its parent's
 * connection; prints the child's pid, then the parent's collect_client SOCKET lie claims to be
 * another, in the claim and in the record collect_client SOCKET memory sealed|open|short  a record
 * of 1 MiB in a memfd collect_client SOCKET flood              sends for ever, as fast as it goes
 *     collect_client SOCKET hoard              begins large records and ends none; waits then
 *     collect_client SOCKET odd                one datagram of each wrong kind, a connection each;
 *                                              prints how many of them were closed
 *
 * Ends with 1 when the collector hangs up or says that a record was not kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "aigw/collect.h"

#define PART          65536u
#define FLOOD_SECONDS 60
#define REC_REQUEST   2
#define REC_ANSWER    4
#define MEMORY        (1u << 20)
#define HOARDED       200

static const char *path;

static void die(const char *what)
{
	fprintf(stderr, "collect_client: %s: %s\n", what, strerror(errno));
	exit(3);
}

static int reach(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
		die(path);
	return fd;
}

/* ---- records: fields of number, zero, length, bytes ---- */

static size_t put(unsigned char *at, unsigned number, const void *value, size_t len)
{
	unsigned short n = (unsigned short)number, zero = 0;
	unsigned length = (unsigned)len;

	memcpy(at, &n, 2);
	memcpy(at + 2, &zero, 2);
	memcpy(at + 4, &length, 4);
	memcpy(at + 8, value, len);
	return len + 8;
}

static size_t put_text(unsigned char *at, unsigned number, const char *text)
{
	return put(at, number, text, strlen(text));
}

/* An exchange that shows in `aigw log`; filled up to `bytes` by its body. */
static size_t make_request(unsigned char *at, const char *id, size_t bytes)
{
	size_t len = put_text(at, 20, id);

	len += put_text(at + len, 70, "allow");
	len += put_text(at + len, 43, "gpt-5");
	if (len + 8 < bytes) {
		unsigned char *body = malloc(bytes);
		if (!body)
			die("malloc");
		memset(body, 'x', bytes);
		len += put(at + len, 85, body, bytes - len - 8);
		free(body);
	}
	return len;
}

/* A ULID: the time in milliseconds (10 characters), then what is unique. */
static void make_id(unsigned long n, char id[27])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	const struct {
		unsigned long value;
		int end, chars;
	} parts[] = {
		{(unsigned long)now.tv_sec * 1000 + (unsigned long)now.tv_nsec / 1000000, 9, 10},
		{(unsigned long)getpid(), 16, 7},
		{n, 25, 9},
	};
	for (int p = 0; p < 3; p++)
		for (int i = 0; i < parts[p].chars; i++)
			id[parts[p].end - i] = digits[parts[p].value >> (5 * i) & 31];
	id[26] = '\0';
}

/* ---- messages ---- */

static bool send_it(int fd, unsigned type, unsigned number, unsigned kind, unsigned total,
		    unsigned offset, const void *body, size_t len)
{
	struct collect_head head = {
		.version = COLLECT_VERSION,
		.type = (uint16_t)type,
		.number = number,
		.kind = (uint16_t)kind,
		.total_bytes = total,
		.offset = offset,
		.body_bytes = (uint32_t)len,
	};
	struct iovec pieces[2] = {{&head, sizeof head}, {(void *)(uintptr_t)body, len}};
	struct msghdr h = {.msg_iov = pieces, .msg_iovlen = 2};

	memcpy(head.magic, COLLECT_MAGIC, sizeof head.magic);
	return sendmsg(fd, &h, MSG_NOSIGNAL) >= 0;
}

static bool send_record(int fd, unsigned number, unsigned kind, const unsigned char *at, size_t len)
{
	size_t done = 0;

	do {
		size_t n = len - done < PART ? len - done : PART;
		if (!send_it(fd, COLLECT_PART, number, kind, (unsigned)len, (unsigned)done,
			     at + done, n))
			return false;
		done += n;
	} while (done < len);
	return true;
}

/* The status, or -1: the collector hung up. */
static int answer(int fd)
{
	struct collect_head head;

	return recv(fd, &head, sizeof head, 0) == (ssize_t)sizeof head ? head.kind : -1;
}

/* ---- what it does ---- */

static int load(unsigned long count, size_t bytes)
{
	unsigned char *record = malloc(bytes + 256);
	int fd = reach();
	char id[27];

	if (!record)
		die("malloc");
	for (unsigned long i = 0; i < count; i++) {
		make_id(i, id);
		size_t len = make_request(record, id, bytes);
		if (!send_record(fd, (unsigned)i, REC_REQUEST, record, len) || answer(fd) != 0)
			return 1;
		/* At once: what was printed was acknowledged, whatever kills us. */
		printf("%s\n", id);
		fflush(stdout);
	}
	return 0;
}

static int fill(size_t bytes)
{
	unsigned char *record = malloc(bytes + 256);
	int fd = reach(), status = 0;
	unsigned kept = 0;
	char id[27];

	if (!record)
		die("malloc");
	while (status == 0) {
		make_id(kept, id);
		size_t len = make_request(record, id, bytes);
		if (!send_record(fd, kept, REC_REQUEST, record, len))
			return 1;
		status = answer(fd);
		kept += status == 0;
	}
	printf("%u %d\n", kept, status);
	return 0;
}

static int answer_for(const char *id)
{
	unsigned char record[512];
	size_t len = put_text(record, 20, id);
	int fd = reach(), status;

	len += put_text(record + len, 110, "complete");
	len += put_text(record + len, 87, "words put into somebody's mouth");
	if (!send_record(fd, 1, REC_ANSWER, record, len))
		return 1;
	status = answer(fd);
	printf("%d\n", status);
	return status != 0;
}

static int send_kind(unsigned kind)
{
	int fd = reach(), status;

	if (!send_record(fd, 1, kind, (const unsigned char *)"", 0))
		return 1;
	status = answer(fd);
	printf("%d\n", status);
	return status != 0;
}

static int child(void)
{
	unsigned char record[512];
	int fd = reach();
	char id[27];
	pid_t pid;

	make_id(0, id);
	if (!send_record(fd, 1, REC_REQUEST, record, make_request(record, id, 0)) || answer(fd))
		return 1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		make_id(1, id);
		if (!send_record(fd, 2, REC_REQUEST, record, make_request(record, id, 0)) ||
		    answer(fd))
			_exit(1);
		printf("%d\n", (int)getpid());
		fflush(stdout);
		_exit(0);
	}
	int status = 1;
	waitpid(pid, &status, 0);
	printf("%d\n", (int)getpid());
	return status != 0;
}

static int lie(void)
{
	unsigned char record[512];
	unsigned long long uid = 4711;
	int fd = reach();
	size_t len = put(record, 5, &uid, sizeof uid);
	char id[27];

	len += put_text(record + len, 8, "/usr/bin/harmless");
	if (!send_it(fd, COLLECT_CLAIM, 0, 0, 0, 0, record, len))
		return 1;
	make_id(0, id);
	len = make_request(record, id, 0);
	len += put(record + len, 5, &uid, sizeof uid);
	len += put_text(record + len, 8, "/usr/bin/harmless");
	return !send_record(fd, 1, REC_REQUEST, record, len) || answer(fd) != 0;
}

static int memory(const char *how)
{
	unsigned char *record = malloc(MEMORY + 256);
	int fd = reach(), memfd = memfd_create("record", MFD_ALLOW_SEALING);
	char id[27];
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};

	if (!record || memfd < 0)
		die("memfd");
	make_id(0, id);
	size_t len = make_request(record, id, MEMORY);
	if (write(memfd, record, len) != (ssize_t)len)
		die("write");
	if (strcmp(how, "open") != 0 &&
	    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		die("seals");
	struct collect_head head = {
		.version = COLLECT_VERSION,
		.type = COLLECT_MEMORY,
		.number = 1,
		.kind = REC_REQUEST,
		.total_bytes = (uint32_t)len + (strcmp(how, "short") == 0),
	};
	struct iovec piece = {&head, sizeof head};
	struct msghdr h = {.msg_iov = &piece,
			   .msg_iovlen = 1,
			   .msg_control = control.room,
			   .msg_controllen = sizeof control.room};
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);
	memcpy(head.magic, COLLECT_MAGIC, sizeof head.magic);
	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(sizeof memfd);
	memcpy(CMSG_DATA(m), &memfd, sizeof memfd);
	if (sendmsg(fd, &h, MSG_NOSIGNAL) < 0)
		return 1;
	return answer(fd) != 0;
}

/* Many connections, records one after the other on each, answers taken when they are there. */
static _Noreturn void flood(void)
{
	static unsigned char record[8192];
	int fds[64];
	char id[27];
	struct collect_head head;

	alarm(FLOOD_SECONDS); /* whatever becomes of the test */
	make_id(0, id);
	size_t len = make_request(record, id, sizeof record - 256);
	for (size_t i = 0; i < 64; i++) {
		fds[i] = reach();
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	printf("flooding\n");
	fflush(stdout);
	for (unsigned n = 0;; n++) {
		int fd = fds[n % 64];
		(void)send_record(fd, n, REC_REQUEST, record, len);
		while (recv(fd, &head, sizeof head, 0) > 0)
			;
	}
}

static int hoard(void)
{
	static unsigned char part[PART];
	unsigned total = 40u << 20;

	for (int i = 0; i < HOARDED; i++) {
		int fd = reach();
		for (unsigned at = 0; at + PART < total / 4; at += PART)
			if (!send_it(fd, COLLECT_PART, 1, REC_REQUEST, total, at, part, PART))
				return 1;
	}
	printf("hoarded\n");
	fflush(stdout);
	pause();
	return 0;
}

static bool is_closed(int fd)
{
	bool closed = answer(fd) < 0;

	close(fd);
	return closed;
}

static int odd(void)
{
	static unsigned char body[70000];
	int fd, closed = 0, two[2];

	fd = reach();
	(void)!send(fd, "x", 1, MSG_NOSIGNAL);
	closed += is_closed(fd);
	fd = reach();
	(void)!send(fd, body, 64, MSG_NOSIGNAL);
	closed += is_closed(fd);
	fd = reach();
	(void)!send(fd, body, sizeof body, MSG_NOSIGNAL);
	closed += is_closed(fd);
	fd = reach(); /* a part that comes too early */
	(void)!send_it(fd, COLLECT_PART, 1, REC_REQUEST, 100, 50, body, 10);
	closed += is_closed(fd);
	fd = reach(); /* larger than a record can be */
	(void)!send_it(fd, COLLECT_PART, 1, REC_REQUEST, 0xFFFFFFFF, 0, body, 10);
	closed += is_closed(fd);
	fd = reach();
	(void)!send_it(fd, COLLECT_ANSWER, 1, 0, 0, 0, NULL, 0);
	closed += is_closed(fd);
	fd = reach(); /* a claim that is no run of fields */
	(void)!send_it(fd, COLLECT_CLAIM, 0, 0, 0, 0, body + 1, 13);
	(void)!send_it(fd, 77, 0, 0, 0, 0, NULL, 0);
	closed += is_closed(fd);
	if (pipe(two) == 0) { /* descriptors that nobody asked for */
		union {
			char room[CMSG_SPACE(8 * sizeof(int))];
			struct cmsghdr align;
		} control = {{0}};
		struct iovec piece = {body, 32};
		struct msghdr h = {.msg_iov = &piece,
				   .msg_iovlen = 1,
				   .msg_control = control.room,
				   .msg_controllen = sizeof control.room};
		struct cmsghdr *m = CMSG_FIRSTHDR(&h);
		m->cmsg_level = SOL_SOCKET;
		m->cmsg_type = SCM_RIGHTS;
		m->cmsg_len = CMSG_LEN(8 * sizeof(int));
		for (int i = 0; i < 8; i++)
			memcpy(CMSG_DATA(m) + i * sizeof(int), &two[i % 2], sizeof(int));
		fd = reach();
		(void)!sendmsg(fd, &h, MSG_NOSIGNAL);
		closed += is_closed(fd);
	}
	/* These are answered: what they ask for is not kept. */
	fd = reach();
	(void)!send_record(fd, 1, REC_REQUEST, (const unsigned char *)"no fields", 9);
	printf("no fields: %d\n", answer(fd));
	(void)!send_record(fd, 2, 1, (const unsigned char *)"", 0);
	printf("a start record: %d\n", answer(fd));
	(void)!send_record(fd, 3, 999, (const unsigned char *)"", 0);
	printf("an unknown kind: %d\n", answer(fd));
	printf("closed: %d\n", closed);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";

	path = argv[1];
	if (strcmp(what, "load") == 0 && argc == 5)
		return load(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	if (strcmp(what, "fill") == 0 && argc == 4)
		return fill(strtoul(argv[3], NULL, 10));
	if (strcmp(what, "answer") == 0 && argc == 4)
		return answer_for(argv[3]);
	if (strcmp(what, "kind") == 0 && argc == 4)
		return send_kind((unsigned)strtoul(argv[3], NULL, 10));
	if (strcmp(what, "child") == 0)
		return child();
	if (strcmp(what, "lie") == 0)
		return lie();
	if (strcmp(what, "memory") == 0 && argc == 4)
		return memory(argv[3]);
	if (strcmp(what, "flood") == 0)
		flood();
	if (strcmp(what, "hoard") == 0)
		return hoard();
	if (strcmp(what, "odd") == 0)
		return odd();
	fputs("usage: see the head of collect_client.c\n", stderr);
	return 2;
}
