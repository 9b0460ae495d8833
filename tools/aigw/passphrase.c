/* SPDX-License-Identifier: MIT */
#include "passphrase.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "aigw.h"
#include "audit/seal.h"
#include "base/sys.h"
#include "print.h"

#define TERMINAL "/dev/tty"

static const char *file_of(const char *file)
{
	const char *named = file ? file : getenv("AIGW_PASSPHRASE_FILE");

	return named && named[0] ? named : NULL;
}

bool passphrase_is_to_be_had(const char *file)
{
	if (file_of(file))
		return true;
	int fd = open(TERMINAL, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Signals that end or stop the tool wait until the terminal shows again what is typed. */
static void block_signals(sigset_t *ret_before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, ret_before);
}

/* Reads one line, without its end; false: too long, or there is none. With ISIG off, ^C comes as a
 * character and counts as no answer. */
static bool read_line(int fd, char *at, size_t cap, size_t *ret_len)
{
	size_t len = 0;
	char c;

	while (read(fd, &c, 1) == 1 && c != '\n' && c != '\r') {
		if (len == cap || c == 3)
			return false;
		at[len++] = c;
	}
	*ret_len = len;
	return len > 0;
}

static bool ask(const char *prompt, bool shown, char *at, size_t cap, size_t *ret_len)
{
	int fd = open(TERMINAL, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios before, quiet;
	sigset_t signals;
	bool got;

	if (fd < 0)
		return false;
	if (shown || tcgetattr(fd, &before) != 0) {
		dprintf(fd, "%s", prompt);
		got = shown && read_line(fd, at, cap, ret_len);
		close(fd);
		return got;
	}
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ISIG);
	block_signals(&signals);
	/* Quiet first: what is typed once the prompt is there is neither shown nor thrown away. */
	tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "%s", prompt);
	got = read_line(fd, at, cap, ret_len);
	tcsetattr(fd, TCSAFLUSH, &before);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	dprintf(fd, "\n");
	close(fd);
	return got;
}

static int read_file(const char *path, struct buf *ret_passphrase)
{
	struct buf text = {0};
	enum err e = sys_read_file(path, SEAL_PASSPHRASE_MAX + 2, &text);
	struct bytes rest = buf_view(&text), line = bytes_cut(&rest, '\n');

	if (e) {
		buf_done(&text);
		return print_problem(e, "%s", path);
	}
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0 || line.len > SEAL_PASSPHRASE_MAX)
		print_note("%s: its first line is no passphrase (1 to %d bytes)", path,
			   SEAL_PASSPHRASE_MAX);
	else
		need(buf_put(ret_passphrase, line));
	buf_done(&text);
	return ret_passphrase->len ? EXIT_FINE : EXIT_FINDING;
}

int passphrase_get(const char *file, const char *prompt, struct buf *ret_passphrase)
{
	char line[SEAL_PASSPHRASE_MAX];
	size_t len = 0;

	if (file_of(file))
		return read_file(file_of(file), ret_passphrase);
	bool got = ask(prompt, false, line, sizeof line, &len);
	if (got)
		need(buf_put(ret_passphrase, bytes_of(line, len)));
	else
		print_note("no passphrase was given");
	wipe(line, sizeof line);
	return got ? EXIT_FINE : EXIT_SYSTEM;
}

int passphrase_get_new(const char *file, struct buf *ret_passphrase)
{
	struct buf again = {0};
	int status = passphrase_get(file, "New passphrase: ", ret_passphrase);

	if (!status && ret_passphrase->len < PASSPHRASE_CHARS_MIN) {
		print_note("a passphrase has at least %d characters", PASSPHRASE_CHARS_MIN);
		return EXIT_FINDING;
	}
	if (!status && !file_of(file)) {
		status = passphrase_get(NULL, "Once more: ", &again);
		if (!status && !bytes_equal(buf_view(&again), buf_view(ret_passphrase))) {
			print_note("the two are not the same");
			status = EXIT_FINDING;
		}
	}
	buf_done(&again);
	return status;
}

bool passphrase_ask(const char *prompt, char *ret_at, size_t cap, size_t *ret_len)
{
	return ask(prompt, false, ret_at, cap, ret_len);
}

bool passphrase_confirm(const char *question)
{
	char line[8];
	size_t len = 0;

	return ask(question, true, line, sizeof line, &len) && len == 3 &&
	       memcmp(line, "yes", 3) == 0;
}
