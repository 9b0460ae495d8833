/* SPDX-License-Identifier: MIT */
#include "aigw/elf.h"

#include <elf.h>
#include <stdlib.h>

#include "tap.h"

#ifdef __aarch64__
#define LIBC "/lib/aarch64-linux-gnu/libc.so.6"
#else
#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"
#endif

/* ---- a small file made by hand: every part stands where `layout` says ---- */

enum {
	AT_SEGMENTS = 64,
	AT_LOADER = AT_SEGMENTS + 3 * 56,
	AT_NAMES = AT_LOADER + 32,
	AT_DYNAMIC = AT_NAMES + 64,
	AT_SYMBOLS = AT_DYNAMIC + 6 * 16,
	AT_HASH = AT_SYMBOLS + 3 * 24,
	AT_SECTIONS = AT_HASH + 40,
	FILE_BYTES = AT_SECTIONS + 7 * 64,
	ADDRESS = 0x400000, /* where the file's first byte is loaded */
};

/* Names of libraries, symbols and sections in one table. */
static const char names[64] = "\0libssl.so.3\0$ORIGIN/lib\0SSL_write\0.strtab\0.go.buildinfo";
enum { N_LIBSSL = 1, N_RUNPATH = 13, N_SSL_WRITE = 25, N_STRTAB = 35, N_GO = 43 };

union file {
	Elf64_Ehdr head;
	uint8_t bytes[FILE_BYTES];
};

static void put(union file *f, size_t at, const void *data, size_t len)
{
	memcpy(f->bytes + at, data, len);
}

/* System V ABI, GNU extension: the hash of a name. */
static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

static void make(union file *f)
{
	const Elf64_Ehdr head = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_phoff = AT_SEGMENTS,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
		.e_shoff = AT_SECTIONS,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 7,
		.e_shstrndx = 1,
	};
	const Elf64_Phdr segments[] = {
		{.p_type = PT_LOAD, .p_vaddr = ADDRESS, .p_filesz = FILE_BYTES},
		{.p_type = PT_INTERP, .p_offset = AT_LOADER, .p_filesz = 28},
		{.p_type = PT_DYNAMIC, .p_offset = AT_DYNAMIC, .p_filesz = 6 * 16},
	};
	const Elf64_Dyn dynamic[] = {
		{DT_NEEDED, {N_LIBSSL}},
		{DT_STRTAB, {ADDRESS + AT_NAMES}},
		{DT_STRSZ, {sizeof names}},
		{DT_RUNPATH, {N_RUNPATH}},
		{DT_NULL, {0}},
		{DT_NEEDED, {N_LIBSSL}}, /* behind the end */
	};
	const Elf64_Sym symbols[] = {
		{0},
		{.st_name = N_LIBSSL, .st_shndx = SHN_UNDEF},
		{.st_name = N_SSL_WRITE, .st_shndx = 1},
	};
	const Elf64_Shdr sections[] = {
		{0},
		{.sh_type = SHT_STRTAB,
		 .sh_name = N_STRTAB,
		 .sh_offset = AT_NAMES,
		 .sh_size = sizeof names},
		{.sh_type = SHT_SYMTAB,
		 .sh_link = 1,
		 .sh_offset = AT_SYMBOLS,
		 .sh_size = sizeof symbols},
		{.sh_type = SHT_PROGBITS, .sh_name = N_GO, .sh_offset = AT_LOADER, .sh_size = 4},
		{.sh_type = SHT_NOBITS, .sh_name = N_RUNPATH, .sh_size = UINT64_MAX},
		{.sh_type = SHT_GNU_HASH, .sh_offset = AT_HASH, .sh_size = 40},
		{.sh_type = SHT_DYNSYM,
		 .sh_link = 1,
		 .sh_offset = AT_SYMBOLS,
		 .sh_size = sizeof symbols},
	};
	/* one bucket, two symbols from the first on, one filter word, no shift */
	const uint32_t hash[10] = {1,
				   1,
				   1,
				   0,
				   UINT32_MAX,
				   UINT32_MAX,
				   1,
				   hash_of("libssl.so.3") & ~UINT32_C(1),
				   hash_of("SSL_write") | 1};

	memset(f, 0, sizeof *f);
	put(f, 0, &head, sizeof head);
	put(f, AT_SEGMENTS, segments, sizeof segments);
	put(f, AT_LOADER, "/lib64/ld-linux-x86-64.so.2", 28);
	put(f, AT_NAMES, names, sizeof names);
	put(f, AT_DYNAMIC, dynamic, sizeof dynamic);
	put(f, AT_SYMBOLS, symbols, sizeof symbols);
	put(f, AT_HASH, hash, sizeof hash);
	put(f, AT_SECTIONS, sections, sizeof sections);
}

static const char *const asked[] = {"SSL_read", "SSL_write", "libssl.so.3"};

static struct bytes guarded(const union file *f)
{
	return tap_guarded(bytes_of(f->bytes, sizeof f->bytes));
}

/* Everything that can be asked, so that a guard page or a sanitizer sees each access. */
static void ask_all(const struct elf *elf)
{
	struct bytes text;
	size_t at = 0, count = 0;

	while (elf_next_needed(elf, &at, &text))
		count++;
	CHECK(count <= ELF_NEEDED_MAX);
	(void)elf_find_text(elf, DT_SONAME);
	(void)elf_find_text(elf, DT_RUNPATH);
	(void)elf_find_section(elf, ".go.buildinfo", &text);
	(void)elf_find_symbols(elf, asked, 3);
	(void)elf_exports(elf, "SSL_write");
}

static void what_a_file_says_is_found(void)
{
	union file f;
	struct elf elf;
	struct bytes text;
	size_t at = 0;

	make(&f);
	CHECK_ERR(elf_parse(guarded(&f), &elf), OK);
	CHECK_U64(elf.type, ET_DYN);
	CHECK_U64(elf.machine, EM_X86_64);
	CHECK_BYTES(elf.loader, "/lib64/ld-linux-x86-64.so.2");
	CHECK(elf_next_needed(&elf, &at, &text));
	CHECK_BYTES(text, "libssl.so.3");
	CHECK(!elf_next_needed(&elf, &at, &text));
	CHECK_BYTES(elf_find_text(&elf, DT_RUNPATH), "$ORIGIN/lib");
	CHECK_U64(elf_find_text(&elf, DT_RPATH).len, 0);
	CHECK(elf_find_section(&elf, ".go.buildinfo", &text));
	CHECK_BYTES(text, "/lib");
	CHECK(!elf_find_section(&elf, ".go", &text));
	/* a section without content in the file has none, whatever its size */
	CHECK(elf_find_section(&elf, "$ORIGIN/lib", &text));
	CHECK_U64(text.len, 0);
}

static void only_defined_symbols_count(void)
{
	union file f;
	struct elf elf;

	make(&f);
	CHECK_ERR(elf_parse(guarded(&f), &elf), OK);
	/* libssl.so.3 is there as an undefined one */
	CHECK_U64(elf_find_symbols(&elf, asked, 3), 2);
	CHECK_U64(elf_find_symbols(&elf, asked, 1), 0);
	CHECK_U64(elf_find_symbols(&elf, asked, 0), 0);
}

static void exports_are_looked_up(void)
{
	static const uint32_t endless[] = {0, 0};
	union file f;
	struct elf elf;

	make(&f);
	CHECK_ERR(elf_parse(guarded(&f), &elf), OK);
	CHECK(elf_exports(&elf, "SSL_write"));
	CHECK(!elf_exports(&elf, "libssl.so.3")); /* undefined */
	CHECK(!elf_exports(&elf, "SSL_read"));
	/* a chain without an end stops at the end of the table */
	put(&f, AT_HASH + 28, endless, sizeof endless);
	CHECK_ERR(elf_parse(guarded(&f), &elf), OK);
	CHECK(!elf_exports(&elf, "SSL_write"));
}

static void so_many_symbols_are_asked_for_at_most(void)
{
	const char *many[ELF_SYMBOLS_MAX + 1];
	union file f;
	struct elf elf;

	make(&f);
	CHECK_ERR(elf_parse(guarded(&f), &elf), OK);
	for (size_t i = 0; i <= ELF_SYMBOLS_MAX; i++)
		many[i] = "SSL_read";
	many[ELF_SYMBOLS_MAX - 1] = "SSL_write";
	CHECK_U64(elf_find_symbols(&elf, many, ELF_SYMBOLS_MAX), UINT32_C(1) << 31);
	many[ELF_SYMBOLS_MAX - 1] = "SSL_read";
	many[ELF_SYMBOLS_MAX] = "SSL_write";
	CHECK_U64(elf_find_symbols(&elf, many, ELF_SYMBOLS_MAX + 1), 0);
}

static void a_file_of_another_kind_is_told(void)
{
	union file f;
	struct elf elf;

	make(&f);
	f.head.e_ident[EI_CLASS] = ELFCLASS32;
	f.head.e_machine = EM_386;
	CHECK_ERR(elf_parse(guarded(&f), &elf), ERR_UNSUPPORTED);
	CHECK_U64(elf.width, ELFCLASS32);
	CHECK_STR(elf_machine_name(elf.machine), "x86 (32 bits)");
	make(&f);
	f.head.e_ident[EI_DATA] = ELFDATA2MSB;
	f.head.e_machine = __builtin_bswap16(EM_S390);
	CHECK_ERR(elf_parse(guarded(&f), &elf), ERR_UNSUPPORTED);
	CHECK_STR(elf_machine_name(elf.machine), "s390");
	make(&f);
	f.head.e_machine = EM_AARCH64;
	CHECK_ERR(elf_parse(guarded(&f), &elf), OK);
	CHECK_STR(elf_machine_name(elf.machine), "aarch64");
	CHECK(!elf_machine_name(0xfffe));
}

static void what_is_no_elf_file_is_malformed(void)
{
	struct elf elf;

	CHECK_ERR(elf_parse(BYTES_NONE, &elf), ERR_BAD);
	CHECK_ERR(elf_parse(tap_guarded(BYTES("\177ELF")), &elf), ERR_BAD);
	CHECK_ERR(elf_parse(tap_guarded(BYTES("#!/bin/sh\necho a script longer than a head\n")),
			    &elf),
		  ERR_BAD);
}

static void a_library_is_no_static_program(void)
{
	union file f;
	struct elf elf;
	Elf64_Phdr none = {.p_type = PT_NULL};
	const Elf64_Dyn pie = {DT_FLAGS_1, {DF_1_PIE}};

	make(&f);
	CHECK_ERR(elf_parse(guarded(&f), &elf), OK);
	CHECK(!elf_is_library(&elf)); /* it has a loader */
	put(&f, AT_SEGMENTS + sizeof none, &none, sizeof none);
	CHECK_ERR(elf_parse(guarded(&f), &elf), OK);
	CHECK(elf_is_library(&elf));
	put(&f, AT_DYNAMIC, &pie, sizeof pie);
	CHECK_ERR(elf_parse(guarded(&f), &elf), OK);
	CHECK(!elf_is_library(&elf));
}

static void a_file_cut_off_anywhere_is_read_safely(void)
{
	union file f;
	struct elf elf;

	make(&f);
	for (size_t len = 0; len < sizeof f.bytes; len++)
		if (elf_parse(tap_guarded(bytes_of(f.bytes, len)), &elf) == OK)
			ask_all(&elf);
}

/* Offsets and sizes that lead out of the file, also round the end of 64 bits. */
static void no_field_leads_out_of_the_file(void)
{
	static const uint64_t values[] = {
		0,          1,           FILE_BYTES - 1, FILE_BYTES, FILE_BYTES + 1,
		0x7fffffff, 0xffffffff,  UINT64_MAX / 2, UINT64_MAX, UINT64_MAX - FILE_BYTES,
		ADDRESS,    ADDRESS - 1,
	};
	union file f;
	struct elf elf;

	for (size_t at = EI_NIDENT; at + 8 <= FILE_BYTES; at += 4)
		for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
			make(&f);
			put(&f, at, &values[i], sizeof values[i]);
			if (elf_parse(guarded(&f), &elf) == OK)
				ask_all(&elf);
		}
}

static size_t needed_of(size_t entries)
{
	size_t bytes = sizeof(union file) + entries * sizeof(Elf64_Dyn), at = 0, count = 0;
	uint8_t *big = calloc(1, bytes);
	const Elf64_Dyn one = {DT_NEEDED, {N_LIBSSL}}, strings = {DT_STRTAB, {ADDRESS + AT_NAMES}},
			size = {DT_STRSZ, {sizeof names}};
	union file f;
	struct elf elf;
	struct bytes text;
	Elf64_Phdr dynamic = {
		.p_type = PT_DYNAMIC, .p_offset = sizeof f, .p_filesz = entries * sizeof one};

	make(&f);
	put(&f, AT_SEGMENTS + 2 * sizeof dynamic, &dynamic, sizeof dynamic);
	memcpy(big, &f, sizeof f);
	for (size_t i = 0; i < entries; i++)
		memcpy(big + sizeof f + i * sizeof one,
		       i == 0   ? &strings
		       : i == 1 ? &size
				: &one,
		       sizeof one);
	CHECK_ERR(elf_parse(bytes_of(big, bytes), &elf), OK);
	while (elf_next_needed(&elf, &at, &text))
		count++;
	free(big);
	return count;
}

static void so_many_libraries_are_looked_at(void)
{
	CHECK_U64(needed_of(ELF_NEEDED_MAX), ELF_NEEDED_MAX - 2);
	CHECK_U64(needed_of(ELF_NEEDED_MAX + 1), ELF_NEEDED_MAX - 2);
}

/* The loader's path fills the file's end. */
static size_t loader_of(size_t chars)
{
	size_t bytes = sizeof(union file) + chars + 1;
	uint8_t *big = calloc(1, bytes);
	Elf64_Phdr loader = {.p_type = PT_INTERP, .p_offset = FILE_BYTES, .p_filesz = chars + 1};
	union file f;
	struct elf elf;

	make(&f);
	put(&f, AT_SEGMENTS + sizeof loader, &loader, sizeof loader);
	memcpy(big, &f, sizeof f);
	memset(big + sizeof f, 'x', chars);
	CHECK_ERR(elf_parse(bytes_of(big, bytes), &elf), OK);
	size_t len = elf.loader.len;
	free(big);
	return len;
}

static void so_long_a_name_is_read(void)
{
	CHECK_U64(loader_of(ELF_NAME_BYTES_MAX), ELF_NAME_BYTES_MAX);
	CHECK_U64(loader_of(ELF_NAME_BYTES_MAX + 1), 0);
}

/* The PT_INTERP is the last of so many program headers. */
static size_t loader_behind(size_t segments)
{
	size_t bytes = sizeof(union file) + segments * sizeof(Elf64_Phdr);
	uint8_t *big = calloc(1, bytes);
	const Elf64_Phdr loader = {.p_type = PT_INTERP, .p_offset = AT_LOADER, .p_filesz = 28};
	union file f;
	struct elf elf;

	make(&f);
	f.head.e_phoff = FILE_BYTES;
	f.head.e_phnum = (uint16_t)segments;
	memcpy(big, &f, sizeof f);
	memcpy(big + bytes - sizeof loader, &loader, sizeof loader);
	CHECK_ERR(elf_parse(bytes_of(big, bytes), &elf), OK);
	size_t len = elf.loader.len;
	free(big);
	return len;
}

static void so_many_segments_are_looked_at(void)
{
	CHECK_U64(loader_behind(ELF_SEGMENTS_MAX), 27);
	CHECK_U64(loader_behind(ELF_SEGMENTS_MAX + 1), 0);
}

static bool finds_section_behind(size_t sections)
{
	size_t bytes = sizeof(union file) + sections * sizeof(Elf64_Shdr);
	uint8_t *big = calloc(1, bytes);
	const Elf64_Shdr strings = {.sh_type = SHT_STRTAB,
				    .sh_name = N_STRTAB,
				    .sh_offset = AT_NAMES,
				    .sh_size = sizeof names};
	const Elf64_Shdr go = {.sh_type = SHT_PROGBITS, .sh_name = N_GO};
	union file f;
	struct elf elf;
	struct bytes text;

	make(&f);
	f.head.e_shoff = FILE_BYTES;
	f.head.e_shnum = (uint16_t)sections;
	memcpy(big, &f, sizeof f);
	memcpy(big + sizeof f + sizeof strings, &strings, sizeof strings);
	memcpy(big + bytes - sizeof go, &go, sizeof go);
	CHECK_ERR(elf_parse(bytes_of(big, bytes), &elf), OK);
	bool found = elf_find_section(&elf, ".go.buildinfo", &text);
	free(big);
	return found;
}

static void so_many_sections_are_looked_at(void)
{
	CHECK(finds_section_behind(ELF_SECTIONS_MAX));
	CHECK(!finds_section_behind(ELF_SECTIONS_MAX + 1));
}

/* This test itself is a real file. */
static void a_real_program_is_read(void)
{
	static const char *const own[] = {"main", "SSL_write"};
	struct buf file = tap_file("/proc/self/exe");
	struct elf elf;
	struct bytes name;
	size_t at = 0;
	bool found = false;

	CHECK_ERR(elf_parse(buf_view(&file), &elf), OK);
	CHECK(elf.loader.len > 0);
	while (elf_next_needed(&elf, &at, &name))
		found |= bytes_equal(name, BYTES("libc.so.6"));
	CHECK(found);
	CHECK_U64(elf_find_symbols(&elf, own, 2), 1);
	buf_done(&file);
	/* the C library, whose exports have a hash table */
	file = tap_file(LIBC);
	CHECK_ERR(elf_parse(buf_view(&file), &elf), OK);
	CHECK(elf_exports(&elf, "malloc") && elf_exports(&elf, "getpwuid"));
	CHECK(!elf_exports(&elf, "mallo") && !elf_exports(&elf, "") && !elf_exports(&elf, "main"));
	buf_done(&file);
}

int main(void)
{
	RUN_TESTS(TEST(what_a_file_says_is_found), TEST(only_defined_symbols_count),
		  TEST(exports_are_looked_up), TEST(so_many_symbols_are_asked_for_at_most),
		  TEST(a_file_of_another_kind_is_told), TEST(what_is_no_elf_file_is_malformed),
		  TEST(a_library_is_no_static_program),
		  TEST(a_file_cut_off_anywhere_is_read_safely),
		  TEST(no_field_leads_out_of_the_file), TEST(so_many_libraries_are_looked_at),
		  TEST(so_long_a_name_is_read), TEST(so_many_segments_are_looked_at),
		  TEST(so_many_sections_are_looked_at), TEST(a_real_program_is_read));
}
