/* SPDX-License-Identifier: MIT
 *
 * What the tests of the audit floor share: a log in a directory of its own, files as bytes, and
 * what verify says about them.
 */
#ifndef AIGW_TESTS_AUDIT_KIT_H
#define AIGW_TESTS_AUDIT_KIT_H

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/segment.h"
#include "audit/verify.h"
#include "base/files.h"
#include "base/sys.h"
#include "tap.h"

#define KIT static inline __attribute__((unused))

#if defined(__SANITIZE_ADDRESS__)
#define KIT_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KIT_SLOW 1
#endif
#endif
#ifndef KIT_SLOW
#define KIT_SLOW 0
#endif

#define KIT_DAY_NS  (86400ull * 1000000000u)
#define KIT_NOON_NS (20781ull * KIT_DAY_NS + KIT_DAY_NS / 2) /* 2026-11-24T12:00:00Z */
#define KIT_DAY     "2026-11-24"

struct kit_log {
	char directory[64];
	struct identity identity;
	struct segment_config config;
	struct segment_writer writer;
	uint64_t appended; /* by kit_append */
};

KIT void kit_bail(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

KIT int kit_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

/* Of the next log; 0: what the processor does best. */
static enum seal_cipher kit_cipher __attribute__((unused));

KIT struct kit_log *kit_new(void)
{
	struct kit_log *k = calloc(1, sizeof *k);
	char *base;

	if (!k || seal_init() || seal_new_identity(&k->identity))
		kit_bail("no key");
	strcpy(k->directory, "/tmp/aigw-test-XXXXXX");
	base = mkdtemp(k->directory);
	if (!base)
		kit_bail("no directory below /tmp");
	strcat(k->directory, "/audit");
	k->config = (struct segment_config){
		.directory = k->directory,
		.recipient_count = 1,
		.recipients = &k->identity.recipient,
		.host = "ward-3",
		.boot_id = "",
		.cipher = kit_cipher,
		.start_record = BYTES(""),
	};
	return k;
}

KIT void kit_free(struct kit_log *k)
{
	segment_forget(&k->writer);
	*strrchr(k->directory, '/') = '\0';
	nftw(k->directory, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(k);
}

/* As far from the one before as calls are: the writer looks at its descriptor. */
KIT enum err kit_append(struct kit_log *k, const char *text)
{
	uint64_t now_ns = KIT_NOON_NS + k->appended++ * SEGMENT_LOOK_NS;

	return segment_append(&k->writer, &k->config, REC_REQUEST, now_ns, bytes_str(text));
}

/* In the same moment as the one before: it does not. */
KIT enum err kit_append_at_once(struct kit_log *k, const char *text)
{
	if (k->appended)
		k->appended--;
	return kit_append(k, text);
}

KIT enum err kit_close(struct kit_log *k)
{
	return segment_close(&k->writer, &k->config, KIT_NOON_NS);
}

/* Passes on what a child printed; a check that failed there is a failure here. */
KIT void kit_hear_child(int from, pid_t pid, int expected_status)
{
	char line[600];
	FILE *f = fdopen(from, "r");
	int status = -1;

	if (!f)
		kit_bail("fdopen");
	while (fgets(line, sizeof line, f)) {
		if (strncmp(line, "# SKIPPED: ", 11) == 0) {
			line[strcspn(line, "\n")] = '\0';
			tap_skip(line + 11);
		} else if (strncmp(line, "# tests/", 8) == 0) {
			tap_fail(__FILE__, __LINE__, "in a child: %s", line + 2);
		} else {
			fputs(line, stdout);
		}
	}
	fclose(f);
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected_status)
		tap_fail(__FILE__, __LINE__, "a child ended with status %x", (unsigned)status);
}

/* Runs `body` in a child that ends without closing anything, as a killed process does. */
KIT void kit_in_child(struct kit_log *k, void (*body)(struct kit_log *))
{
	int ends[2];

	fflush(stdout);
	if (pipe(ends))
		kit_bail("pipe");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		body(k);
		fflush(stdout);
		_exit(0);
	}
	close(ends[1]);
	kit_hear_child(ends[0], pid, 0);
}

KIT void kit_write(const char *path, struct bytes content)
{
	FILE *f = fopen(path, "wb");

	if (!f || (content.len && fwrite(content.at, 1, content.len, f) != content.len) ||
	    fclose(f))
		kit_bail("cannot write a file of a test");
}

/* The only segment of a log, or the n-th. */
KIT char *kit_segment(struct kit_log *k, size_t n)
{
	static char path[SEGMENT_PATH_MAX];
	struct segment_place *places = NULL;
	size_t count = 0;

	path[0] = '\0';
	if (segment_list(k->directory, &places, &count) == OK && n < count)
		memcpy(path, places[n].path, sizeof path);
	free(places);
	return path;
}

KIT size_t kit_segments(struct kit_log *k)
{
	struct segment_place *places = NULL;
	size_t count = 0;

	if (segment_list(k->directory, &places, &count))
		return 0;
	free(places);
	return count;
}

KIT char *kit_path(struct kit_log *k, const char *name)
{
	static char path[SEGMENT_PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", k->directory, name);
	return path;
}

struct kit_verdict {
	enum err err;
	struct verify_result result;
	char codes[4096]; /* " code code ..." in the order they were told */
	bool loud;
};

KIT void kit_on_finding(void *context, const struct finding *f)
{
	struct kit_verdict *v = context;
	size_t len = strlen(v->codes);

	if (len + strlen(f->code) + 2 < sizeof v->codes)
		snprintf(v->codes + len, sizeof v->codes - len, " %s", f->code);
	if (v->loud)
		printf("# %s %s %s offset %lld sequence %lld: %s\n", verdict_name(f->severity),
		       f->code, f->path, (long long)f->offset, (long long)f->sequence, f->text);
}

KIT struct kit_verdict kit_verify_with(struct kit_log *k, bool with_key)
{
	struct kit_verdict v = {0};
	struct verify_options options = {
		.directory = k->directory,
		.identity_count = with_key,
		.identities = &k->identity,
		.context = &v,
		.on_finding = kit_on_finding,
	};

	v.err = verify(&options, &v.result);
	return v;
}

KIT struct kit_verdict kit_verify(struct kit_log *k)
{
	return kit_verify_with(k, true);
}

/* Verdict and, when not NULL, a code that must be among the findings. */
#define KIT_EXPECT(verdict_value, expected, code)                                                  \
	do {                                                                                       \
		struct kit_verdict v_ = (verdict_value);                                           \
		if (v_.err || v_.result.verdict != (expected) ||                                   \
		    ((code) && !strstr(v_.codes, (code) ? (code) : "")))                           \
			tap_fail(__FILE__, __LINE__,                                               \
				 "%s: verdict %s, findings:%s; expected %s %s", err_name(v_.err),  \
				 verdict_name(v_.result.verdict), v_.codes,                        \
				 verdict_name(expected), (code) ? (code) : "");                    \
	} while (0)

#endif
