/* SPDX-License-Identifier: MIT */
#include "inspect.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/sys.h"
#include "elf.h"
#include "mapped.h"
#include "needed.h"
#include "print.h"

/* Where interpreters keep the modules that bring TLS, and who starts another program for it. "%" is
 * the directory above that of the program, "&" its name; the first pattern with a match counts. */
static const struct {
	const char *program;
	const char *files[2];
} modules[] = {
	{"python*", {"%/lib/&/lib-dynload/_ssl*.so", "%/lib/python*/lib-dynload/_ssl*.so"}},
	{"ruby*", {"%/lib/*/ruby/*/openssl.so", "%/lib/ruby/*/*/openssl.so"}},
	{"perl*",
	 {"%/lib/*/perl5/*/auto/Net/SSLeay/SSLeay.so",
	  "%/lib/perl5/*/*/auto/Net/SSLeay/SSLeay.so"}},
	{"php*", {"%/lib/php/*/curl.so", NULL}},
	{"lua*", {"%/lib/*/lua/*/ssl.so", "%/lib/lua/*/ssl.so"}},
	{"tclsh*", {"%/lib/tcltk/*/tcltls*/tcltls.so", "%/lib/tcltls*/*tls*.so"}},
	{"git", {"%/lib/git-core/git-remote-https", "%/libexec/git-core/git-remote-https"}},
};

/* The symbols that tell what is inside a file, and their bits. */
enum { HAS_SSL_WRITE = 1, HAS_CIPHERSUITES = 2, HAS_CUSTOM_VERIFY = 4, HAS_NAPI = 8 };
#define SSL_WRITE "SSL_write"
#define NAPI      "napi_create_function"
static const char *const told_symbols[] = {
	SSL_WRITE, "SSL_CTX_set_ciphersuites", /* OpenSSL since 1.1.1, not BoringSSL */
	"SSL_CTX_set_custom_verify",           /* BoringSSL only */
	NAPI,                                  /* JavaScript runtimes */
};
#define TOLD_COUNT (sizeof told_symbols / sizeof told_symbols[0])

const char *inspect_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void inspect_put_label(struct buf *out, const struct finding *finding)
{
	const char *label = coverage_tls(finding->tls)->label;
	size_t word = strcspn(label, " ,");

	need(buf_put(out, bytes_of(label, word)));
	if (finding->version[0]) {
		need(buf_put_u8(out, ' '));
		need(buf_put_str(out, finding->version));
	}
	need(buf_put_str(out, label + word));
}

static void add(struct inspection *n, enum tls tls, const char *version, const char *file,
		const char *wanted_by)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->findings[i].tls == tls && strcmp(n->findings[i].file, file) == 0)
			return;
	n->tls |= UINT32_C(1) << tls;
	if (n->count == FINDINGS_MAX)
		return;
	struct finding *f = &n->findings[n->count++];
	f->tls = tls;
	snprintf(f->version, sizeof f->version, "%s", version);
	snprintf(f->file, sizeof f->file, "%s", file);
	snprintf(f->wanted_by, sizeof f->wanted_by, "%s", wanted_by ? wanted_by : "");
}

static void begin(struct inspection *n)
{
	*n = (struct inspection){.count = 0};
	n->findings = need_memory(FINDINGS_MAX * sizeof *n->findings);
}

void inspect_done(struct inspection *inspection)
{
	free(inspection->findings);
	inspection->findings = NULL;
	inspection->count = 0;
}

static void set_obstacle(struct inspection *n, enum obstacle obstacle)
{
	n->obstacles |= UINT32_C(1) << obstacle;
}

/* ---- the program's own file ---- */

/* Of larger files only the beginning is searched for texts: a sparse one has no end. */
#define TEXTS_BYTES_MAX (1u << 30)

/* The text comes in two parts so that this program does not find it in itself. */
static bool contains(struct bytes file, const char *first, const char *rest)
{
	char text[64];
	int len = snprintf(text, sizeof text, "%s%s", first, rest);

	file = bytes_slice(file, 0, TEXTS_BYTES_MAX);
	return file.len && memmem(file.at, file.len, text, (size_t)len) != NULL;
}

/* "OpenSSL 3.0.19 27 Jan 2026" -> "3.0.19". Programs speak of other versions too, but without a
 * date behind. */
static void find_version(struct bytes file, char ret_version[VERSION_BYTES])
{
	static const struct bytes mark = {(const uint8_t *)"OpenSSL ", 8};

	ret_version[0] = 0;
	file = bytes_slice(file, 0, TEXTS_BYTES_MAX);
	while (file.len) {
		const uint8_t *at = memmem(file.at, file.len, mark.at, mark.len);
		if (!at)
			return;
		file = bytes_from(file, (size_t)(at - file.at) + mark.len);
		struct bytes rest = file, version = bytes_cut(&rest, ' ');
		if (version.len < 5 || version.len >= VERSION_BYTES || rest.len < 3 ||
		    version.at[0] < '0' || version.at[0] > '9' || rest.at[0] < '0' ||
		    rest.at[0] > '9')
			continue;
		memcpy(ret_version, version.at, version.len);
		ret_version[version.len] = 0;
		return;
	}
}

/* What the texts in a file say: the names of source files stand in error messages and survive
 * strip(1). The name of a library alone is also in programs that only speak of it. */
static void look_at_texts(struct inspection *n, struct bytes file, const char *shown, bool has_tls)
{
	char version[VERSION_BYTES];

	if (contains(file, "/rustls", "-0."))
		add(n, TLS_RUSTLS, "", shown, NULL);
	if (has_tls)
		return;
	if (contains(file, "ssl/statem/", "statem_clnt.c")) {
		find_version(file, version);
		add(n, TLS_OPENSSL_BARE, version, shown, NULL);
	} else if (contains(file, "ssl/", "handshake_client.cc")) {
		add(n, TLS_BORINGSSL, "", shown, NULL);
	}
}

static bool is_go(const struct elf *elf)
{
	struct bytes content;

	return elf_find_section(elf, ".go.buildinfo", &content) ||
	       elf_find_section(elf, ".note.go.buildid", &content);
}

/* bun, and the executables that it makes of programs. */
static bool is_bun(const struct elf *elf)
{
	struct bytes content;

	return elf_find_section(elf, ".bun", &content);
}

static void look_inside(struct inspection *n, const struct elf *elf, const char *shown)
{
	char version[VERSION_BYTES];
	uint32_t has = elf_find_symbols(elf, told_symbols, TOLD_COUNT);
	bool has_tls = has & HAS_SSL_WRITE;

	if (has_tls && has & HAS_CUSTOM_VERIFY) {
		add(n, TLS_BORINGSSL, "", shown, NULL);
	} else if (has_tls) {
		find_version(elf->file, version);
		add(n, TLS_OPENSSL_INSIDE, version, shown, NULL);
	} else if (is_bun(elf)) {
		add(n, TLS_BORINGSSL, "", shown, NULL);
		has_tls = true;
	}
	look_at_texts(n, elf->file, shown, has_tls);
	if (has & HAS_NAPI && n->count == 0)
		add(n, TLS_RUNTIME, "", shown, NULL);
}

/* The same without reading much: only what will be refused has to be known before a start. */
static void glance_inside(struct inspection *n, const struct elf *elf, const char *shown)
{
	if (is_bun(elf))
		add(n, TLS_BORINGSSL, "", shown, NULL);
	else if (elf_exports(elf, NAPI) && !elf_exports(elf, SSL_WRITE) &&
		 !(elf_find_symbols(elf, told_symbols, TOLD_COUNT) & HAS_SSL_WRITE))
		add(n, TLS_RUNTIME, "", shown, NULL);
}

/* The loader ignores LD_PRELOAD when the program runs with more rights than its caller. `anybody`:
 * whoever that may be; else this user. */
static bool gains_rights(const char *path, bool anybody)
{
	struct stat st;

	if (sys_stat(path, &st) < 0 || (!anybody && getuid() == 0))
		return false;
	return ((st.st_mode & S_ISUID) && (anybody || st.st_uid != getuid())) ||
	       ((st.st_mode & S_ISGID) && st.st_mode & S_IXGRP &&
		(anybody || st.st_gid != getgid())) ||
	       getxattr(path, "security.capability", NULL, 0) > 0;
}

/* Of the same kind as this program, which was built with the library. */
static bool is_own_machine(const struct elf *elf)
{
	static struct elf own;
	struct bytes file;

	if (!own.width && mapped_open("/proc/self/exe", &file) == OK) {
		if (elf_parse(file, &own) != OK)
			own = *elf;
		own.file = own.loader = own.dynamic = own.names = BYTES_NONE;
		own.sections = own.section_names = BYTES_NONE;
		mapped_close(&file);
	}
	return !own.width ||
	       (elf->width == own.width && elf->order == own.order && elf->machine == own.machine);
}

static void look_at_libc(struct inspection *n, const struct elf *elf)
{
	snprintf(n->loader, sizeof n->loader, "%.*s", (int)elf->loader.len,
		 (const char *)elf->loader.at);
	if (elf->loader.len == 0)
		set_obstacle(n, OBSTACLE_STATIC);
	else if (strncmp(inspect_file_name(n->loader), "ld-linux", 8) != 0)
		set_obstacle(n, OBSTACLE_LIBC);
}

void inspect_add_library(struct inspection *inspection, const char *path, const char *shown,
			 const char *wanted_by)
{
	const char *version;
	enum tls tls;
	struct bytes file;
	struct elf elf;

	if (coverage_find_library(bytes_str(inspect_file_name(shown)), &tls, &version)) {
		add(inspection, tls, version, shown, wanted_by);
		return;
	}
	if (mapped_open(path, &file) != OK)
		return;
	if (elf_parse(file, &elf) == OK) {
		uint32_t has = elf_find_symbols(&elf, told_symbols, TOLD_COUNT);
		if (has & HAS_SSL_WRITE)
			add(inspection,
			    has & HAS_CUSTOM_VERIFY ? TLS_BORINGSSL : TLS_OPENSSL_IN_LIBRARY, "",
			    shown, wanted_by);
	}
	mapped_close(&file);
}

static void look_at_program(struct inspection *n, const char *path, const char *shown, bool whole)
{
	struct bytes file, name;
	struct elf elf = {.width = 0};
	size_t at = 0;

	if (mapped_open(path, &file) != OK)
		return;
	enum err e = elf_parse(file, &elf);
	n->is_elf = e != ERR_BAD;
	n->machine = elf.machine;
	if (n->is_elf && !is_own_machine(&elf)) {
		set_obstacle(n, OBSTACLE_MACHINE);
	} else if (e == OK && elf_is_library(&elf)) {
		inspect_add_library(n, path, shown, NULL);
	} else if (e == OK) {
		look_at_libc(n, &elf);
		if (is_go(&elf)) {
			set_obstacle(n, OBSTACLE_GO);
			if (!whole || contains(file, "crypto/", "tls."))
				add(n, TLS_GO, "", shown, NULL);
		} else if (whole) {
			look_inside(n, &elf, shown);
		} else {
			glance_inside(n, &elf, shown);
		}
		/* Of the libraries only what is cheap: java's own say what it is. */
		while (!whole && elf_next_needed(&elf, &at, &name)) {
			enum tls tls;
			const char *version;
			if (coverage_find_library(name, &tls, &version))
				add(n, tls, version, shown, NULL);
		}
	}
	mapped_close(&file);
}

/* ---- libraries and modules ---- */

static void add_closure(struct inspection *n, const char *path, bool with_first)
{
	struct needed *needed = need_memory(sizeof *needed);

	needed_find(path, needed);
	for (size_t i = with_first ? 0 : 1; i < needed->count; i++) {
		const struct needed_file *f = &needed->files[i];
		inspect_add_library(n, f->path, f->path, needed->files[f->by].path);
	}
	needed_done(needed);
	free(needed);
}

/* The pattern with "%" and "&" filled in. */
static void fill_in(const char *pattern, const char *program, char ret_path[PROGRAM_PATH_MAX])
{
	const char *name = inspect_file_name(program);
	size_t prefix = (size_t)(name - program), len = 0;

	/* "/usr/bin/" -> "/usr" */
	for (int up = 0; up < 2; up++)
		while (prefix && program[--prefix] != '/')
			;
	for (; *pattern && len < PROGRAM_PATH_MAX - 1; pattern++) {
		char one[2] = {*pattern, 0};
		const char *part = *pattern == '&' ? name : *pattern == '%' ? program : one;
		int cut = *pattern == '%' ? (int)prefix : (int)strlen(part);
		int put = snprintf(ret_path + len, PROGRAM_PATH_MAX - len, "%.*s", cut, part);
		len += put > 0 ? (size_t)put : 0;
	}
}

static void add_modules(struct inspection *n)
{
	char pattern[PROGRAM_PATH_MAX];
	struct bytes name = bytes_str(inspect_file_name(n->path));

	for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
		if (!bytes_match(bytes_str(modules[i].program), name, false))
			continue;
		n->has_modules = true;
		size_t found = 0;
		for (size_t f = 0; f < 2 && modules[i].files[f] && !found; f++) {
			glob_t matches = {0};
			fill_in(modules[i].files[f], n->path, pattern);
			if (glob(pattern, 0, NULL, &matches) == 0)
				found = matches.gl_pathc;
			for (size_t m = 0; m < found; m++)
				add_closure(n, matches.gl_pathv[m], true);
			globfree(&matches);
		}
	}
}

/* ---- the three looks ---- */

void inspect_start(const char *path, struct inspection *ret_inspection)
{
	struct inspection *n = ret_inspection;

	begin(n);
	program_follow(path, n->path);
	look_at_program(n, n->path, n->path, false);
	if (n->is_elf && gains_rights(n->path, false))
		set_obstacle(n, OBSTACLE_RIGHTS);
}

void inspect_program(const char *path, struct inspection *ret_inspection)
{
	struct inspection *n = ret_inspection;

	begin(n);
	program_follow(path, n->path);
	char *whole = realpath(n->path, NULL);
	if (whole)
		snprintf(n->path, sizeof n->path, "%s", whole);
	free(whole);
	look_at_program(n, n->path, n->path, true);
	if (n->is_elf && gains_rights(n->path, true))
		set_obstacle(n, OBSTACLE_RIGHTS);
	if (!n->is_elf || n->obstacles & ~(UINT32_C(1) << OBSTACLE_RIGHTS))
		return;
	add_closure(n, n->path, false);
	add_modules(n);
}

void inspect_main(const char *path, const char *shown, struct inspection *ret_inspection)
{
	begin(ret_inspection);
	snprintf(ret_inspection->path, sizeof ret_inspection->path, "%s", shown);
	look_at_program(ret_inspection, path, shown, true);
}
