/* SPDX-License-Identifier: MIT
 *
 * aigwd: the collector of a shared host, or its key holder, or what brings its log to where it is
 * kept. Options, the socket, signals; the rest is collect, hold_keys, drain.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "aigw/collect.h"
#include "aigw/keyhold.h"
#include "base/sys.h"
#include "daemon/collect.h"
#include "daemon/drain.h"
#include "daemon/hold_keys.h"
#include "daemon/note.h"
#include "daemon/supervisor.h"
#include "drain/lane.h"
#include "drain/sender.h"

#define DEFAULT_POLICY "/etc/aigw/policy.json"
#define BACKLOG        1024
#define STATUS_USAGE   2

static const char usage[] =
	"Usage: aigwd [--foreground] [--socket PATH] [--directory DIR] [--policy FILE]\n"
	"       aigwd --hold-keys [--foreground] [--socket PATH] [--store DIR]\n"
	"       aigwd --drain [--foreground] [--policy FILE] [--directory DIR] [--state DIR]\n"
	"             [--key FILE] [--metrics PATH|HOST:PORT] [--check]\n"
	"\n"
	"Collects the audit records of all programs on this host, adds who sent them, and keeps\n"
	"them where no user can touch them. With --hold-keys: hands providers' keys to processes\n"
	"that show a gateway key which is meant for them. With --drain: brings the log to the\n"
	"sinks that the policy's \"drains\" names. aigwd(8) says more.\n"
	"\n"
	"  --foreground      for a terminal: messages without the journal's priorities\n"
	"  --socket PATH     where programs connect; default " COLLECT_SOCKET ",\n"
	"                    with --hold-keys " KEYHOLD_SOCKET "\n"
	"                    (a socket that systemd hands over comes first)\n"
	"  --directory DIR   where the log is kept; default: the policy's, else " COLLECT_DIRECTORY
	"\n"
	"  --policy FILE     default " DEFAULT_POLICY "\n"
	"  --hold-keys       be the key holder instead of the collector\n"
	"  --store DIR       where its keys are; default " KEYHOLD_DIRECTORY "\n"
	"  --drain           be what brings the log to its sinks\n"
	"  --state DIR       where it keeps what was acknowledged; default: as aigw's state\n"
	"  --key FILE        the auditor's key; default: the credential " DRAIN_KEY_NAME ",\n"
	"                    else the keys of this user\n"
	"  --metrics WHERE   Prometheus text on a socket's path or a loopback address and port\n"
	"  --check           only say which sinks are not well; exit status 1 when one is not\n"
	"  --drain-test SINK only send one heartbeat there and say what was answered\n"
	"  --help, --version\n";

struct wishes {
	const char *socket; /* NULL: the default one */
	const char *store;
	struct keeper_options keeper;
	struct drain_options drain;
	const char *drain_test;
	bool holds_keys, drains, checks;
	bool foreground;
	bool answered; /* --help or --version: nothing else is to be done */
};

static void say(const char *text)
{
	size_t written;

	(void)!sys_write_full(STDOUT_FILENO, text, strlen(text), &written);
}

/* False: not one of the drains' options. */
static bool parse_drain(int option, struct wishes *w)
{
	switch (option) {
	case 'D':
		w->drains = true;
		return true;
	case 'T':
		w->drain_test = optarg;
		return true;
	case 'S':
		w->drain.state = optarg;
		return true;
	case 'K':
		w->drain.key = optarg;
		return true;
	case 'M':
		w->drain.metrics = optarg;
		return true;
	case 'C':
		w->checks = true;
		return true;
	default:
		return false;
	}
}

static int parse(int argc, char **argv, struct wishes *ret_wishes)
{
	static const struct option options[] = {
		{"foreground", no_argument, NULL, 'f'},
		{"socket", required_argument, NULL, 's'},
		{"directory", required_argument, NULL, 'd'},
		{"policy", required_argument, NULL, 'p'},
		{"hold-keys", no_argument, NULL, 'k'},
		{"store", required_argument, NULL, 'k' + 1},
		{"drain", no_argument, NULL, 'D'},
		{"drain-test", required_argument, NULL, 'T'},
		{"state", required_argument, NULL, 'S'},
		{"key", required_argument, NULL, 'K'},
		{"metrics", required_argument, NULL, 'M'},
		{"check", no_argument, NULL, 'C'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'f')
			ret_wishes->foreground = true;
		else if (option == 's')
			ret_wishes->socket = optarg;
		else if (option == 'd')
			ret_wishes->keeper.directory = ret_wishes->drain.directory = optarg;
		else if (option == 'p')
			ret_wishes->keeper.policy = ret_wishes->drain.policy = optarg;
		else if (option == 'k')
			ret_wishes->holds_keys = true;
		else if (option == 'k' + 1)
			ret_wishes->store = optarg;
		else if (parse_drain(option, ret_wishes))
			continue;
		else if (option == 'h' || option == 'v')
			say(option == 'h' ? usage : "aigwd " AIGW_VERSION "\n");
		else
			note(NOTE_WRONG, "not an option, or without its value: ", argv[optind - 1],
			     "; try aigwd --help");
		ret_wishes->answered |= option == 'h' || option == 'v';
		if (option == '?')
			return STATUS_USAGE;
	}
	if (optind < argc) {
		note(NOTE_WRONG, "not an option: ", argv[optind], "; try aigwd --help");
		return STATUS_USAGE;
	}
	if (!ret_wishes->drains && !ret_wishes->drain_test &&
	    (ret_wishes->checks || ret_wishes->drain.state || ret_wishes->drain.key ||
	     ret_wishes->drain.metrics)) {
		note(NOTE_WRONG, "--state, --key, --metrics and --check go with --drain");
		return STATUS_USAGE;
	}
	return 0;
}

/* ---- the socket ---- */

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Does somebody listen there? */
static bool is_served(const struct sockaddr_un *address)
{
	int fd = open_socket();
	bool served = fd >= 0 &&
		      (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
		       errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return served;
}

static enum err make_parent(const char *path)
{
	char parent[sizeof((struct sockaddr_un *)0)->sun_path] = {0};
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return OK;
	memcpy(parent, path, (size_t)(slash - path));
	return sys_make_directories(parent, 0755);
}

static enum err bind_socket(const char *path, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	enum err e;

	if (path[0] != '/' || strlen(path) >= sizeof address.sun_path) {
		note(NOTE_WRONG, "a socket has an absolute path of at most 107 bytes: ", path);
		return ERR_USAGE;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	e = make_parent(path);
	if (!e && is_served(&address)) {
		note(NOTE_WRONG, "another program listens on ", path);
		return ERR_STATE;
	}
	*ret_fd = e ? -1 : open_socket();
	if (!e)
		(void)unlink(path); /* of one that was killed */
	/* Everybody may connect: who it is, the kernel says. */
	if (!e && (*ret_fd < 0 || bind(*ret_fd, (struct sockaddr *)&address, sizeof address) ||
		   chmod(path, 0666) || listen(*ret_fd, BACKLOG)))
		e = err_from_errno(errno);
	if (e)
		note_error(NOTE_WRONG, e, "the socket ", path);
	return e;
}

/* ---- the process ---- */

static int take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Keys are in this memory, and every client needs two descriptors. */
static void settle_process(void)
{
	struct rlimit files;

	umask(077);
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static enum err collect_all(const struct wishes *w, int fd, int signal_fd)
{
	static struct keeper keeper;
	bool handed_over = fd >= 0;
	enum err e = keeper_open(&keeper, &w->keeper);

	if (!e && !handed_over)
		e = bind_socket(w->socket, &fd);
	if (!e)
		e = collect_run(&keeper, fd, signal_fd);
	keeper_close(&keeper);
	return e;
}

static enum err hold_all(const struct wishes *w, int fd, int signal_fd)
{
	enum err e = fd >= 0 ? OK : bind_socket(w->socket, &fd);

	return e ? e : hold_keys_run(w->store, fd, signal_fd);
}

static enum err serve(const struct wishes *w)
{
	int fd = -1, signal_fd = take_signals();
	enum err e = seal_init();
	bool handed_over;

	if (!e && signal_fd < 0)
		e = err_from_errno(errno);
	if (!e)
		e = supervisor_take_socket(&fd);
	if (e) {
		note_error(NOTE_WRONG, e, "cannot begin", "");
		return e;
	}
	handed_over = fd >= 0;
	e = w->holds_keys ? hold_all(w, fd, signal_fd) : collect_all(w, fd, signal_fd);
	if (!e && !handed_over)
		(void)unlink(w->socket);
	return e;
}

static enum err drain(const struct wishes *w)
{
	enum err e = seal_init();

	if (e)
		note_error(NOTE_WRONG, e, "cannot begin", "");
	else if (w->drain_test)
		e = drain_test(&w->drain, w->drain_test);
	else
		e = w->checks ? drain_check(&w->drain) : drain_run(&w->drain);
	return e;
}

/* A process that a feeder has started: before anything else is done in it. */
static int send_only(const char *name, char *const *environment)
{
	enum err e = sender_run(name, drain_variable(environment, "CREDENTIALS_DIRECTORY"));

	if (e == ERR_USAGE)
		note(NOTE_WRONG, LANE_SENDER_OPTION, " is for aigwd itself");
	return err_exit_status(e);
}

int main(int argc, char **argv, char **environment)
{
	if (argc == 3 && strcmp(argv[1], LANE_SENDER_OPTION) == 0)
		return send_only(argv[2], environment);
	struct wishes wishes = {.store = KEYHOLD_DIRECTORY, .keeper.policy = DEFAULT_POLICY};
	int status = parse(argc, argv, &wishes);

	if (status || wishes.answered)
		return status;
	if (!wishes.socket)
		wishes.socket = wishes.holds_keys ? KEYHOLD_SOCKET : COLLECT_SOCKET;
	note_init(!wishes.foreground);
	settle_process();
	supervisor_init(environment);
	wishes.drain.environment = environment;
	if (wishes.drains || wishes.drain_test)
		return err_exit_status(drain(&wishes));
	return err_exit_status(serve(&wishes));
}
