/* SPDX-License-Identifier: MIT */
#include "shim/symbols.h"

#include <stdlib.h>

#include "tap.h"

/* A program as it lies in memory, made by hand: at most two exported functions, both hash tables,
 * and the same functions as a symbol table of its file. Offsets are addresses less LOADED_AT. */
#define LOADED_AT 0x400000u

enum {
	DYNAMIC_AT = 256,
	SYMBOLS_AT = 512,
	NAMES_AT = 640,
	GNU_HASH_AT = 704,
	HASH_AT = 768,
	CODE_AT = 832,
	IMAGE_BYTES = 896,
};

static const char strings[] = "\0SSL_write\0SSL_read\0SSL_gone";

enum { NAME_WRITE = 1, NAME_READ = 11, NAME_GONE = 20 };

struct program {
	Elf64_Phdr headers[3];
	uint8_t at[IMAGE_BYTES];
};

static struct program program;
static struct image image;

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

static void put_symbol(uint8_t *at, uint32_t name, unsigned bind, unsigned type, uint16_t section,
		       uint64_t value, uint64_t size)
{
	Elf64_Sym s = {.st_name = name,
		       .st_info = (unsigned char)ELF64_ST_INFO(bind, type),
		       .st_shndx = section,
		       .st_value = value,
		       .st_size = size};

	memcpy(at, &s, sizeof s);
}

static void put_dynamic(size_t number, int64_t tag, uint64_t value)
{
	Elf64_Dyn d = {.d_tag = tag, .d_un.d_val = value};

	memcpy(program.at + DYNAMIC_AT + number * sizeof d, &d, sizeof d);
}

/* `relocated`: the loader has added the base to the addresses in the dynamic section. */
static void make_program(bool gnu, bool old, bool relocated)
{
	uint64_t base = relocated ? (uintptr_t)program.at - LOADED_AT : 0;
	uint32_t *words, hashes[2] = {gnu_hash("SSL_write"), gnu_hash("SSL_read")};
	uint64_t filter = 0;
	size_t n = 0;

	memset(&program, 0, sizeof program);
	program.headers[0] = (Elf64_Phdr){.p_type = PT_PHDR,
					  .p_vaddr = LOADED_AT - sizeof program.headers};
	program.headers[1] = (Elf64_Phdr){.p_type = PT_LOAD,
					  .p_flags = PF_R | PF_X,
					  .p_vaddr = LOADED_AT,
					  .p_filesz = IMAGE_BYTES,
					  .p_memsz = IMAGE_BYTES + 64};
	program.headers[2] = (Elf64_Phdr){
		.p_type = PT_DYNAMIC, .p_vaddr = LOADED_AT + DYNAMIC_AT, .p_filesz = 256};
	put_dynamic(n++, DT_SYMTAB, base + LOADED_AT + SYMBOLS_AT);
	put_dynamic(n++, DT_STRTAB, base + LOADED_AT + NAMES_AT);
	put_dynamic(n++, DT_STRSZ, sizeof strings);
	if (gnu)
		put_dynamic(n++, DT_GNU_HASH, base + LOADED_AT + GNU_HASH_AT);
	if (old)
		put_dynamic(n++, DT_HASH, base + LOADED_AT + HASH_AT);
	memcpy(program.at + NAMES_AT, strings, sizeof strings);
	put_symbol(program.at + SYMBOLS_AT + 24, NAME_GONE, STB_GLOBAL, STT_FUNC, SHN_UNDEF, 0, 0);
	put_symbol(program.at + SYMBOLS_AT + 48, NAME_WRITE, STB_GLOBAL, STT_FUNC, 1,
		   LOADED_AT + CODE_AT, 32);
	put_symbol(program.at + SYMBOLS_AT + 72, NAME_READ, STB_GLOBAL, STT_FUNC, 1,
		   LOADED_AT + CODE_AT + 32, 16);
	words = (uint32_t *)(program.at + GNU_HASH_AT); /* one bucket, from symbol 2 on */
	words[0] = 1;
	words[1] = 2;
	words[2] = 1;
	words[3] = 6;
	for (unsigned i = 0; i < 2; i++)
		filter |= 1ull << hashes[i] % 64 | 1ull << (hashes[i] >> 6) % 64;
	memcpy(words + 4, &filter, sizeof filter);
	words[6] = 2;
	words[7] = hashes[0] & ~1u;
	words[8] = hashes[1] | 1;
	words = (uint32_t *)(program.at + HASH_AT); /* one bucket, four symbols: 3, 2, 1 */
	words[0] = 1;
	words[1] = 4;
	words[2] = 3;
	words[6] = 2;
	words[5] = 1;
	CHECK_ERR(symbols_open_image(program.headers, 3, &image), OK);
}

static void check_found(const char *name, size_t at, size_t len)
{
	struct bytes found = symbols_find_exported(&image, name);

	if (found.len != len || (len && found.at != program.at + at))
		tap_fail(__FILE__, __LINE__, "%s: %zu bytes", name, found.len);
}

static void a_program_without_its_place_is_not_opened(void)
{
	make_program(true, true, true);
	CHECK_U64(image.base, (uintptr_t)program.at - LOADED_AT);
	CHECK_ERR(symbols_open_image(NULL, 3, &image), ERR_UNSUPPORTED);
	CHECK_ERR(symbols_open_image(program.headers, 0, &image), ERR_UNSUPPORTED);
	program.headers[0].p_type = PT_NULL;
	CHECK_ERR(symbols_open_image(program.headers, 3, &image), ERR_UNSUPPORTED);
}

static void exported_functions_are_found_through_either_hash(void)
{
	for (unsigned way = 0; way < 6; way++) {
		make_program(way % 3 != 1, way % 3 != 0, way >= 3);
		check_found("SSL_write", CODE_AT, 32);
		check_found("SSL_read", CODE_AT + 32, 16);
		check_found("SSL_gone", 0, 0); /* used, not defined */
		check_found("SSL_writ", 0, 0);
		check_found("SSL_write_ex", 0, 0);
		check_found("", 0, 0);
	}
	make_program(false, false, true);
	check_found("SSL_write", 0, 0);
}

static void a_name_in_the_dynamic_symbols_is_seen(void)
{
	make_program(true, false, true);
	CHECK(symbols_is_named(&image, "SSL_gone"));
	CHECK(symbols_is_named(&image, "SSL_write"));
	CHECK(!symbols_is_named(&image, "SL_write"));
	CHECK(!symbols_is_named(&image, "SSL_writ"));
	CHECK(!symbols_is_named(&image, "SSL_connect"));
	put_dynamic(2, DT_STRSZ, sizeof strings - 2); /* without its last zero */
	CHECK(!symbols_is_named(&image, "SSL_gone"));
	memcpy(program.at + NAMES_AT, "\0xSSL_gone\0SSL_gone", 20);
	put_dynamic(2, DT_STRSZ, 11);
	CHECK(!symbols_is_named(&image, "SSL_gone"));
	put_dynamic(2, DT_STRSZ, 20);
	CHECK(symbols_is_named(&image, "SSL_gone"));
	put_dynamic(2, DT_STRSZ, UINT64_MAX);
	CHECK(!symbols_is_named(&image, "SSL_write"));
	make_program(false, false, false);
	CHECK(symbols_is_named(&image, "SSL_write"));
	program.headers[2].p_type = PT_NULL;
	CHECK(!symbols_is_named(&image, "SSL_write"));
}

static void a_symbol_that_is_no_code_of_the_program_is_none(void)
{
	uint8_t *at = program.at + SYMBOLS_AT + 48;
	const uint64_t code = LOADED_AT + CODE_AT;

	make_program(true, false, true);
	put_symbol(at, NAME_WRITE, STB_GLOBAL, STT_OBJECT, 1, code, 32);
	check_found("SSL_write", 0, 0);
	put_symbol(at, NAME_WRITE, STB_GLOBAL, STT_GNU_IFUNC, 1, code, 32);
	check_found("SSL_write", 0, 0);
	put_symbol(at, NAME_WRITE, STB_GLOBAL, STT_FUNC, 1, code, 0);
	check_found("SSL_write", 0, 0);
	put_symbol(at, NAME_WRITE, STB_GLOBAL, STT_FUNC, 1, code, IMAGE_BYTES - CODE_AT);
	check_found("SSL_write", CODE_AT, IMAGE_BYTES - CODE_AT);
	put_symbol(at, NAME_WRITE, STB_GLOBAL, STT_FUNC, 1, code, IMAGE_BYTES - CODE_AT + 1);
	check_found("SSL_write", 0, 0);
	put_symbol(at, NAME_WRITE, STB_GLOBAL, STT_FUNC, 1, UINT64_MAX - 8, 32);
	check_found("SSL_write", 0, 0);
	put_symbol(at, sizeof strings - 5, STB_GLOBAL, STT_FUNC, 1, code, 32);
	check_found("SSL_write", 0, 0); /* a name behind the end */
	put_symbol(at, NAME_WRITE, STB_GLOBAL, STT_FUNC, 1, code, 32);
	program.headers[1].p_flags = PF_R;
	check_found("SSL_write", 0, 0);
}

static void tables_that_lead_astray_are_left(void)
{
	uint32_t *words = (uint32_t *)(program.at + GNU_HASH_AT);
	const uint32_t far[] = {0, 1, 3, 0x10000, 0x7fffffff, 0xffffffff};

	for (unsigned i = 0; i < sizeof far / sizeof *far; i++) {
		for (unsigned word = 0; word < 9; word++) {
			make_program(true, false, true);
			words[word] = far[i];
			(void)symbols_find_exported(&image, "SSL_write");
			(void)symbols_find_exported(&image, "SSL_read");
		}
	}
	words = (uint32_t *)(program.at + HASH_AT);
	for (unsigned i = 0; i < sizeof far / sizeof *far; i++) {
		for (unsigned word = 0; word < 7; word++) {
			make_program(false, true, true);
			words[word] = far[i];
			(void)symbols_find_exported(&image, "SSL_write");
			(void)symbols_find_exported(&image, "SSL_gone");
		}
	}
	make_program(false, true, true);
	words[6] = 3; /* a circle */
	check_found("SSL_nowhere", 0, 0);
	for (unsigned tag = 0; tag < 5; tag++) {
		make_program(true, true, true);
		put_dynamic(tag, DT_SYMTAB + 1000, 0);
		(void)symbols_find_exported(&image, "SSL_write");
		put_dynamic(tag, DT_SYMTAB, UINT64_MAX - 3);
		check_found("SSL_write", 0, 0);
	}
}

static void sizes_are_sums_of_what_is_loaded(void)
{
	uintptr_t start, end;

	make_program(true, true, true);
	CHECK_U64(symbols_loaded_bytes(&image), IMAGE_BYTES);
	symbols_extent(&image, &start, &end);
	CHECK_U64(start, (uintptr_t)program.at);
	CHECK_U64(end, (uintptr_t)program.at + IMAGE_BYTES + 64);
}

/* ---- the file ---- */

static Elf64_Ehdr a_head(void)
{
	return (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB},
			    .e_shoff = 1000,
			    .e_shentsize = sizeof(Elf64_Shdr),
			    .e_shnum = 10};
}

static enum err sections_of(const Elf64_Ehdr *head, uint64_t file_bytes, struct span *ret)
{
	return symbols_find_sections(tap_guarded(bytes_of(head, sizeof *head)), file_bytes, ret);
}

static void section_headers_must_lie_in_the_file(void)
{
	Elf64_Ehdr head = a_head();
	struct span span = {0};

	CHECK_ERR(sections_of(&head, 1640, &span), OK);
	CHECK_U64(span.at, 1000);
	CHECK_U64(span.len, 640);
	CHECK_ERR(sections_of(&head, 1639, &span), ERR_BAD);
	CHECK_ERR(symbols_find_sections(bytes_of(&head, 63), 1640, &span), ERR_BAD);
	head.e_shnum = 0;
	CHECK_ERR(sections_of(&head, 1640, &span), ERR_MISSING);
	head.e_shnum = SYMBOLS_SECTIONS_MAX;
	CHECK_ERR(sections_of(&head, 1u << 20, &span), OK);
	head.e_shnum = SYMBOLS_SECTIONS_MAX + 1;
	CHECK_ERR(sections_of(&head, 1u << 20, &span), ERR_LIMIT);
	head = a_head();
	head.e_shoff = 0;
	CHECK_ERR(sections_of(&head, 1640, &span), ERR_MISSING);
	head.e_shoff = UINT64_MAX - 100;
	CHECK_ERR(sections_of(&head, 1640, &span), ERR_BAD);
	head = a_head();
	head.e_shentsize = 40;
	CHECK_ERR(sections_of(&head, 1640, &span), ERR_BAD);
	head = a_head();
	head.e_ident[EI_CLASS] = ELFCLASS32;
	CHECK_ERR(sections_of(&head, 1640, &span), ERR_BAD);
	head = a_head();
	head.e_ident[EI_DATA] = ELFDATA2MSB;
	CHECK_ERR(sections_of(&head, 1640, &span), ERR_BAD);
}

static void the_symbol_table_must_lie_in_the_file(void)
{
	const Elf64_Shdr good[] = {
		{.sh_type = SHT_NULL},
		{.sh_type = SHT_STRTAB, .sh_offset = 500, .sh_size = 100},
		{.sh_type = SHT_SYMTAB,
		 .sh_offset = 100,
		 .sh_size = 240,
		 .sh_link = 1,
		 .sh_entsize = sizeof(Elf64_Sym)},
	};
	struct span symbols, names;
	Elf64_Shdr s[3];

#define TABLES(bytes)                                                                              \
	symbols_find_tables(tap_guarded(bytes_of(s, sizeof s)), bytes, &symbols, &names)
	memcpy(s, good, sizeof s);
	CHECK_ERR(TABLES(600), OK);
	CHECK_U64(symbols.at, 100);
	CHECK_U64(symbols.len, 240);
	CHECK_U64(names.at, 500);
	CHECK_U64(names.len, 100);
	CHECK_ERR(TABLES(599), ERR_BAD);
	CHECK_ERR(TABLES(339), ERR_BAD);
	CHECK_ERR(symbols_find_tables(BYTES_NONE, 600, &symbols, &names), ERR_MISSING);
	s[2].sh_type = SHT_DYNSYM;
	CHECK_ERR(TABLES(600), ERR_MISSING);
	memcpy(s, good, sizeof s);
	s[2].sh_link = 3;
	CHECK_ERR(TABLES(600), ERR_BAD);
	s[2].sh_link = 0;
	CHECK_ERR(TABLES(600), ERR_BAD);
	memcpy(s, good, sizeof s);
	s[2].sh_entsize = 16;
	CHECK_ERR(TABLES(600), ERR_BAD);
	memcpy(s, good, sizeof s);
	s[2].sh_offset = UINT64_MAX;
	CHECK_ERR(TABLES(600), ERR_BAD);
	memcpy(s, good, sizeof s);
	s[1].sh_size = 0;
	CHECK_ERR(TABLES(600), ERR_BAD);
#undef TABLES
}

static const char *const wanted[] = {"SSL_write", "SSL_read", "SSL_gone"};

static enum err find_all(const uint8_t *table, size_t symbols, struct bytes *ret)
{
	return symbols_find_all(&image, tap_guarded(bytes_of(table, symbols * 24)),
				tap_guarded(bytes_of(strings, sizeof strings)), wanted, 3, ret);
}

static void functions_are_found_in_one_pass(void)
{
	const uint64_t code = LOADED_AT + CODE_AT;
	uint8_t table[6 * 24] = {0};
	struct bytes found[3] = {0};

	make_program(false, false, true);
	put_symbol(table + 24, NAME_WRITE, STB_LOCAL, STT_FUNC, 1, code, 8);
	put_symbol(table + 48, NAME_READ, STB_GLOBAL, STT_FUNC, 1, code + 8, 8);
	put_symbol(table + 72, NAME_GONE, STB_GLOBAL, STT_FUNC, SHN_UNDEF, 0, 0);
	put_symbol(table + 96, 0xfffffff0, STB_GLOBAL, STT_FUNC, 1, code, 8);
	put_symbol(table + 120, NAME_WRITE + 1, STB_GLOBAL, STT_FUNC, 1, code, 8);
	CHECK_ERR(find_all(table, 6, found), OK);
	CHECK(found[0].at == program.at + CODE_AT && found[0].len == 8);
	CHECK(found[1].at == program.at + CODE_AT + 8 && found[1].len == 8);
	CHECK(found[2].len == 0);
	CHECK_ERR(find_all(table, 0, found), OK);
	CHECK(found[0].len == 0);
	put_symbol(table + 96, NAME_WRITE, STB_LOCAL, STT_FUNC, 1, code, 8);
	CHECK_ERR(find_all(table, 6, found), OK); /* twice the same */
	put_symbol(table + 96, NAME_WRITE, STB_LOCAL, STT_FUNC, 1, code + 16, 8);
	CHECK_ERR(find_all(table, 6, found), ERR_AMBIGUOUS);
	put_symbol(table + 120, NAME_WRITE, STB_GLOBAL, STT_FUNC, 1, code + 24, 8);
	CHECK_ERR(find_all(table, 6, found), OK);
	CHECK(found[0].at == program.at + CODE_AT + 24);
	put_symbol(table, NAME_WRITE, STB_WEAK, STT_FUNC, 1, code + 32, 8);
	CHECK_ERR(find_all(table, 6, found), ERR_AMBIGUOUS);
}

static void only_so_many_names_are_looked_for(void)
{
	const char *many[SYMBOLS_NAMES_MAX + 1];
	struct bytes found[SYMBOLS_NAMES_MAX + 1];

	for (size_t i = 0; i <= SYMBOLS_NAMES_MAX; i++)
		many[i] = "SSL_write";
	CHECK_ERR(symbols_find_all(&image, BYTES_NONE, BYTES_NONE, many, SYMBOLS_NAMES_MAX, found),
		  OK);
	CHECK_ERR(symbols_find_all(&image, BYTES_NONE, BYTES_NONE, many, SYMBOLS_NAMES_MAX + 1,
				   found),
		  ERR_LIMIT);
	static const struct {
		const char *name;
		enum err e;
	} cases[] = {
		{"sixsix", OK},
		{"five5", ERR_LIMIT},
		{"123456789_123456789_123456789_123456789_123456789_123456789_123", OK},
		{"123456789_123456789_123456789_123456789_123456789_123456789_1234", ERR_LIMIT},
	};
	for (size_t i = 0; i < 4; i++)
		CHECK_ERR(
			symbols_find_all(&image, BYTES_NONE, BYTES_NONE, &cases[i].name, 1, found),
			cases[i].e);
}

int main(void)
{
	RUN_TESTS(TEST(a_program_without_its_place_is_not_opened),
		  TEST(exported_functions_are_found_through_either_hash),
		  TEST(a_name_in_the_dynamic_symbols_is_seen),
		  TEST(a_symbol_that_is_no_code_of_the_program_is_none),
		  TEST(tables_that_lead_astray_are_left), TEST(sizes_are_sums_of_what_is_loaded),
		  TEST(section_headers_must_lie_in_the_file),
		  TEST(the_symbol_table_must_lie_in_the_file),
		  TEST(functions_are_found_in_one_pass), TEST(only_so_many_names_are_looked_for));
}
