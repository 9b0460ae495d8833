/* SPDX-License-Identifier: MIT */
#include "shim/detour.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/sys.h"
#include "shim/hooks.h"
#include "shim/init.h"
#include "shim/insn.h"
#include "shim/patch.h"
#include "shim/real.h"
#include "shim/symbols.h"

static enum detour_status status START_DATA;

START_CODE enum detour_status detour_status(void)
{
	return status;
}

const char *detour_status_text(enum detour_status which)
{
	switch (which) {
#define DETOUR_STATUS(name, text)                                                                  \
	case name:                                                                                 \
		return text;
#include "shim/detour.def"
	}
	return "";
}

/* ---- the functions ---- */

/* By number: the functions of hooks.def, and what tells OpenSSL from its relatives. */
enum {
#define TLS_HOOK(ret, name, params) AT_##name,
#define TLS_USE(ret, name, params)  AT_##name,
#define BIO_HOOK(ret, name, params) AT_##name,
#define BIO_USE(ret, name, params)  AT_##name,
#include "shim/hooks.def"
	AT_BIO_f_ssl,                  /* a connection can be used through a BIO */
	AT_OPENSSL_version_major,      /* OpenSSL 3 */
	AT_ossl_statem_connect,        /* OpenSSL 1.1 and 3; in each program that connects */
	AT_SSL_CTX_set_grease_enabled, /* BoringSSL */
	NAMES
};

/* Arrays rather than pointers: these would have to be relocated in each process. */
static const char names[NAMES][32] = {
#define TLS_HOOK(ret, name, params) [AT_##name] = #name,
#define TLS_USE(ret, name, params)  [AT_##name] = #name,
#define BIO_HOOK(ret, name, params) [AT_##name] = #name,
#define BIO_USE(ret, name, params)  [AT_##name] = #name,
#include "shim/hooks.def"
	[AT_BIO_f_ssl] = "BIO_f_ssl",
	[AT_OPENSSL_version_major] = "OPENSSL_version_major",
	[AT_ossl_statem_connect] = "ossl_statem_connect",
	[AT_SSL_CTX_set_grease_enabled] = "SSL_CTX_set_grease_enabled",
};

/* The tables of the program's own OpenSSL, and where in them each function goes. */
struct program {
	struct tls_api tls;
	struct bio_api bio;
};

static const uint16_t slots[NAMES] = {
#define TLS_HOOK(ret, name, params) [AT_##name] = offsetof(struct program, tls.name),
#define TLS_USE(ret, name, params)  [AT_##name] = offsetof(struct program, tls.name),
#define BIO_HOOK(ret, name, params) [AT_##name] = offsetof(struct program, bio.name),
#define BIO_USE(ret, name, params)  [AT_##name] = offsetof(struct program, bio.name),
#include "shim/hooks.def"
};

_Static_assert(NAMES <= SYMBOLS_NAMES_MAX, "found in one pass");

/* Without these a connection cannot be governed, or not safely. */
static const uint8_t needed[] = {
	AT_SSL_write,
	AT_SSL_read,
	AT_SSL_get_error,
	AT_SSL_do_handshake,
	AT_SSL_is_init_finished,
	AT_CRYPTO_get_ex_new_index,
};

/* Nor without these, where it can be used through a BIO. */
static const uint8_t needed_with_bio[] = {
	AT_BIO_method_type,
	AT_BIO_ctrl,
	AT_BIO_set_flags,
	AT_BIO_clear_flags,
};

/* Those that get a detour. Not SSL_clear and SSL_set_connect_state: the library calls them itself,
 * which nothing tells from the program's calls here (openssl_settle notices used objects). */
static const struct {
	uint8_t at;
	enum {
		ALWAYS,  /* where the program has it */
		ALLOWED, /* where its code allows it */
		WITH_BIO /* where the program has BIO_f_ssl */
	} when;
} doors[] = {
	{AT_SSL_connect, ALWAYS},       {AT_SSL_do_handshake, ALWAYS},
	{AT_SSL_write, ALWAYS},         {AT_SSL_write_ex, ALWAYS},
	{AT_SSL_write_ex2, ALWAYS},     {AT_SSL_write_early_data, ALWAYS},
	{AT_SSL_sendfile, ALWAYS},      {AT_SSL_read, ALWAYS},
	{AT_SSL_read_ex, ALWAYS},       {AT_SSL_peek, ALWAYS},
	{AT_SSL_peek_ex, ALWAYS},       {AT_SSL_pending, ALWAYS},
	{AT_SSL_has_pending, ALWAYS},   {AT_SSL_get_error, ALWAYS},
	{AT_SSL_get_shutdown, ALLOWED}, {AT_SSL_shutdown, ALWAYS},
	{AT_SSL_ctrl, ALLOWED},         {AT_BIO_write, WITH_BIO},
	{AT_BIO_write_ex, WITH_BIO},    {AT_BIO_puts, WITH_BIO},
	{AT_BIO_read, WITH_BIO},        {AT_BIO_read_ex, WITH_BIO},
};

#define DOORS (sizeof doors / sizeof *doors)

#if defined __x86_64__

static uintptr_t hook_of(uint8_t at)
{
	switch (at) {
#define TLS_HOOK(ret, name, params)                                                                \
	case AT_##name:                                                                            \
		return (uintptr_t)name;
#define BIO_HOOK(ret, name, params)                                                                \
	case AT_##name:                                                                            \
		return (uintptr_t)name;
#include "shim/hooks.def"
	}
	return 0;
}

#endif

static bool has_all(const struct bytes *functions, const uint8_t *which, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!functions[which[i]].len)
			return false;
	return true;
}

static bool is_complete(const struct bytes *functions)
{
	return has_all(functions, needed, sizeof needed) &&
	       (!functions[AT_BIO_f_ssl].len ||
		has_all(functions, needed_with_bio, sizeof needed_with_bio));
}

/* ---- finding them ---- */

/* OpenSSL and a little program around it are larger: smaller files are not looked into. */
#define FILE_BYTES_MIN    (2u << 20)
#define TABLE_BYTES_MAX   (256u << 20)
#define PAGE_BYTES        4096u
#define HEADERS_BYTES_MAX 4096 /* of program headers */

static bool read_at(int fd, void *at, size_t len, uint64_t offset)
{
	return sys_pread(fd, at, len, (off_t)offset) == (ssize_t)len;
}

/* The loader can have been started by name: then that is what /proc/self/exe is. */
static bool is_file_of(const struct image *image, int fd, const Elf64_Ehdr *head)
{
	uint8_t headers[HEADERS_BYTES_MAX];
	size_t len = image->count * sizeof *image->headers;

	return head->e_phnum == image->count && len <= sizeof headers &&
	       read_at(fd, headers, len, head->e_phoff) &&
	       memcmp(headers, image->headers, len) == 0;
}

struct mapped {
	struct bytes content;
	void *at;
	size_t len;
};

static bool map_span(int fd, struct span span, struct mapped *ret)
{
	uint64_t skip = span.at % PAGE_BYTES;
	long at;

	if (span.len == 0 || span.len > TABLE_BYTES_MAX)
		return false;
	at = sys_call(SYS_mmap, 0, (long)(span.len + skip), PROT_READ, MAP_PRIVATE | MAP_POPULATE,
		      fd, (long)(span.at - skip));
	if (at < PAGE_BYTES)
		return false; /* an error number; no map begins there */
	*ret = (struct mapped){.content = bytes_of((const void *)(at + (long)skip), span.len),
			       .at = (void *)at,
			       .len = span.len + skip};
	return true;
}

/* Looks at the file that was opened. The order is that of cost: most programs are stripped. */
static void search_file(const struct image *image, int fd, struct bytes *functions)
{
	Elf64_Shdr sections[SYMBOLS_SECTIONS_MAX];
	struct mapped symbols = {0}, strings = {0};
	struct span where, at_symbols, at_strings;
	const char *wanted[NAMES];
	struct stat st;
	Elf64_Ehdr head;

	if (!read_at(fd, &head, sizeof head, 0) ||
	    symbols_find_sections(bytes_of(&head, sizeof head), INT64_MAX, &where) ||
	    !read_at(fd, sections, where.len, where.at) ||
	    symbols_find_tables(bytes_of(sections, where.len), INT64_MAX, &at_symbols, &at_strings))
		return;
	/* A page behind the end of the file must not be touched. */
	if (sys_fstat(fd, &st) != 0 ||
	    symbols_find_tables(bytes_of(sections, where.len), (uint64_t)st.st_size, &at_symbols,
				&at_strings) ||
	    !is_file_of(image, fd, &head))
		return;
	for (size_t i = 0; i < NAMES; i++)
		wanted[i] = names[i];
	if (map_span(fd, at_symbols, &symbols) && map_span(fd, at_strings, &strings) &&
	    symbols_find_all(image, symbols.content, strings.content, wanted, NAMES, functions))
		memset(functions, 0, NAMES * sizeof *functions);
	if (symbols.at)
		sys_unmap(symbols.at, symbols.len);
	if (strings.at)
		sys_unmap(strings.at, strings.len);
}

/* Is there a reason to look into the program? *ret_exported: it exports an SSL_write. */
static START_CODE bool is_suspect(const struct image *image, bool *ret_exported)
{
	static char name[] START_DATA = "SSL_write";

	*ret_exported = symbols_find_exported(image, name).len > 0;
	/* A program with a TLS client inside opens connections itself, mostly; and OpenSSL asks for
	 * variables in that way since glibc has it. */
	return *ret_exported ||
	       (symbols_loaded_bytes(image) >= FILE_BYTES_MIN &&
		symbols_is_named(image, "secure_getenv") && symbols_is_named(image, "connect"));
}

/* False: there is no SSL_write in the program. */
static bool find_functions(const struct image *image, bool exported, struct bytes *ret_functions)
{
	int fd;

	for (size_t i = 0; exported && i < NAMES; i++)
		ret_functions[i] = symbols_find_exported(image, names[i]);
	if (exported && is_complete(ret_functions))
		return true;
	fd = sys_open("/proc/self/exe", O_RDONLY, 0);
	if (fd >= 0) {
		search_file(image, fd, ret_functions);
		sys_close(fd);
	}
	return exported || ret_functions[AT_SSL_write].len > 0;
}

static bool is_openssl(const struct bytes *functions)
{
	return !functions[AT_SSL_CTX_set_grease_enabled].len &&
	       (functions[AT_OPENSSL_version_major].len || functions[AT_ossl_statem_connect].len);
}

#if defined __x86_64__

/* ---- changing them ---- */

/* What lies near the program for each function: the way to the hook, and the function's own start
 * with the way back. */
#define ISLAND_BYTES 32
#define START_AT     ISLAND_BYTES
#define PLOT_BYTES   (ISLAND_BYTES + 4 + INSN_MOVED_MAX + 28)
#define CODE_BYTES   (DOORS * PLOT_BYTES)

_Static_assert(PLOT_BYTES % 16 == 0, "functions start at multiples of 16");

static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

/* Leads to the hook, and leaves the return address in library_detoured. r11 is free at the start of
 * a function (System V ABI for x86-64, 3.2.1). */
static void make_island(uint8_t *island, uintptr_t hook)
{
	static const uint8_t code[] = {
		0x4c, 0x8b, 0x1c, 0x24,                   /* mov (%rsp), %r11 */
		0x64, 0x4c, 0x89, 0x1c, 0x25, 0, 0, 0, 0, /* mov %r11, %fs:offset */
		0xff, 0x25, 0,    0,    0,    0,          /* jmp *(behind this) */
	};
	const char *thread;
	int32_t offset;

	__asm__("mov %%fs:0, %0" : "=r"(thread));
	offset = (int32_t)((const char *)&library_detoured - thread);
	memcpy(island, code, sizeof code);
	memcpy(island + 9, &offset, sizeof offset);
	memcpy(island + sizeof code, &hook, sizeof hook);
}

struct plan {
	uint8_t code[CODE_BYTES];
	struct patch patches[DOORS];
	uint8_t at[DOORS]; /* which function each of them is of */
	size_t count;
	uintptr_t place;
};

/* Which functions get a detour; their code is measured, nothing is written. */
static enum detour_status choose(const struct bytes *functions, struct plan *plan)
{
	size_t skip, len;

	for (size_t i = 0; i < DOORS; i++) {
		struct bytes function = functions[doors[i].at];
		if (!function.len || (doors[i].when == WITH_BIO && !functions[AT_BIO_f_ssl].len))
			continue;
		if (insn_measure(function, &skip, &len)) {
			if (doors[i].when == ALLOWED)
				continue;
			return DETOUR_CODE;
		}
		plan->at[plan->count++] = doors[i].at;
	}
	return DETOUR_SET;
}

/* Writes what will lie at plan->place, and the jumps to it. */
static enum detour_status draw(const struct bytes *functions, struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct bytes function = functions[plan->at[i]];
		uint8_t *plot = plan->code + i * PLOT_BYTES;
		uintptr_t there = plan->place + i * PLOT_BYTES;
		struct patch *p = &plan->patches[i];
		size_t skip, len, moved;

		if (insn_measure(function, &skip, &len))
			return DETOUR_CODE;
		p->at = (uint8_t *)(uintptr_t)function.at + skip;
		make_island(plot, hook_of(plan->at[i]));
		memcpy(plot + START_AT, endbr64, sizeof endbr64);
		if (insn_move_start(bytes_of(p->at, len), (uintptr_t)p->at,
				    there + START_AT + sizeof endbr64,
				    plot + START_AT + sizeof endbr64, &moved))
			return DETOUR_CODE;
		if (insn_jump((uintptr_t)p->at, there, p->code))
			return DETOUR_PLACE;
	}
	return DETOUR_SET;
}

static void adopt(const struct image *image, const struct bytes *functions, const struct plan *plan)
{
	struct program program = {0};
	struct library *library = &program.tls.library;
	uintptr_t at;
	ssize_t len;

	for (size_t i = 0; i < NAMES; i++) {
		at = (uintptr_t)functions[i].at;
		if (slots[i])
			memcpy((char *)&program + slots[i], &at, sizeof at);
	}
	for (size_t i = 0; i < plan->count; i++) {
		at = plan->place + i * PLOT_BYTES + START_AT;
		memcpy((char *)&program + slots[plan->at[i]], &at, sizeof at);
	}
	library->base = image->base;
	library->start = plan->place;
	library->end = plan->place + CODE_BYTES;
	len = sys_readlink("/proc/self/exe", library->path, sizeof library->path - 1);
	if (len < 0)
		library->path[0] = '\0';
	program.bio.library = *library;
	real_take_program(&program.tls, functions[AT_BIO_f_ssl].len ? &program.bio : NULL);
}

static enum detour_status set(const struct image *image, const struct bytes *functions)
{
	struct plan plan = {0};
	enum detour_status s = choose(functions, &plan);
	uintptr_t start, end;

	if (s != DETOUR_SET)
		return s;
	if (!patch_is_single_threaded())
		return DETOUR_THREADS;
	symbols_extent(image, &start, &end);
	plan.place = (uintptr_t)patch_reserve(start, end, CODE_BYTES);
	if (!plan.place)
		return DETOUR_PLACE;
	s = draw(functions, &plan);
	if (s == DETOUR_SET && (patch_place((void *)plan.place, bytes_of(plan.code, CODE_BYTES)) ||
				patch_write(plan.patches, plan.count)))
		s = DETOUR_REFUSED;
	if (s == DETOUR_SET)
		adopt(image, functions, &plan);
	else
		patch_release((void *)plan.place, CODE_BYTES);
	return s;
}

#else

static enum detour_status set(const struct image *image, const struct bytes *functions)
{
	return DETOUR_MACHINE;
}

#endif

/* Out of line: most programs have no use for it. */
static __attribute__((noinline)) enum detour_status look_into(const struct image *image,
							      bool exported)
{
	struct bytes functions[NAMES] = {0};

	if (!find_functions(image, exported, functions))
		return DETOUR_NONE;
	if (!is_openssl(functions))
		return DETOUR_FOREIGN;
	return is_complete(functions) ? set(image, functions) : DETOUR_INCOMPLETE;
}

START_CODE void detour_init(const void *headers, size_t count)
{
	struct image image;
	bool exported;
	int saved = errno;

	status = DETOUR_NONE;
	if (!symbols_open_image(headers, count, &image) && is_suspect(&image, &exported))
		status = look_into(&image, exported);
	errno = saved;
}
