/* SPDX-License-Identifier: MIT */
#include "elf.h"

#include <elf.h>
#include <string.h>

/* Copies the struct at that offset. The file's own alignment is not trusted. */
static bool read_at(struct bytes from, uint64_t offset, void *ret_struct, size_t len)
{
	if (offset > from.len || len > from.len - offset)
		return false;
	memcpy(ret_struct, from.at + offset, len);
	return true;
}

/* The part of the file; empty when it is not all there. */
static struct bytes part(struct bytes file, uint64_t offset, uint64_t len)
{
	if (len == 0 || offset > file.len || len > file.len - offset)
		return BYTES_NONE;
	return bytes_of(file.at + offset, (size_t)len);
}

/* The NUL-terminated text at that offset, without its NUL. */
static struct bytes text_at(struct bytes names, uint64_t offset)
{
	if (offset >= names.len)
		return BYTES_NONE;
	struct bytes rest = bytes_slice(names, (size_t)offset, ELF_NAME_BYTES_MAX + 1);
	size_t len = bytes_find_byte(rest, 0);
	return len == SIZE_MAX ? BYTES_NONE : bytes_slice(rest, 0, len);
}

static bool read_dynamic(const struct elf *elf, size_t index, Elf64_Dyn *ret_entry)
{
	return index < ELF_NEEDED_MAX &&
	       read_at(elf->dynamic, index * sizeof *ret_entry, ret_entry, sizeof *ret_entry) &&
	       ret_entry->d_tag != DT_NULL;
}

static bool find_dynamic(const struct elf *elf, int64_t tag, uint64_t *ret_value)
{
	Elf64_Dyn entry;

	for (size_t i = 0; read_dynamic(elf, i, &entry); i++)
		if (entry.d_tag == tag) {
			*ret_value = entry.d_un.d_val;
			return true;
		}
	return false;
}

static bool read_segment(const struct elf *elf, const Elf64_Ehdr *head, size_t index,
			 Elf64_Phdr *ret_segment)
{
	if (index >= head->e_phnum || index >= ELF_SEGMENTS_MAX)
		return false;
	/* e_phoff is checked not to be near the end of its range, see elf_parse. */
	return read_at(elf->file, head->e_phoff + index * sizeof *ret_segment, ret_segment,
		       sizeof *ret_segment);
}

/* The dynamic section names addresses, not offsets. */
static struct bytes at_address(const struct elf *elf, const Elf64_Ehdr *head, uint64_t address,
			       uint64_t len)
{
	Elf64_Phdr s;

	for (size_t i = 0; read_segment(elf, head, i, &s); i++)
		if (s.p_type == PT_LOAD && address >= s.p_vaddr &&
		    address - s.p_vaddr < s.p_filesz) {
			uint64_t in = address - s.p_vaddr;
			return part(part(elf->file, s.p_offset, s.p_filesz), in, len);
		}
	return BYTES_NONE;
}

static void read_segments(struct elf *elf, const Elf64_Ehdr *head)
{
	Elf64_Phdr s;
	uint64_t address, len;

	if (head->e_phentsize != sizeof s)
		return;
	for (size_t i = 0; read_segment(elf, head, i, &s); i++) {
		if (s.p_type == PT_INTERP)
			elf->loader = text_at(part(elf->file, s.p_offset, s.p_filesz), 0);
		else if (s.p_type == PT_DYNAMIC)
			elf->dynamic = part(elf->file, s.p_offset, s.p_filesz);
	}
	if (find_dynamic(elf, DT_STRTAB, &address) && find_dynamic(elf, DT_STRSZ, &len))
		elf->names = at_address(elf, head, address, len);
}

static bool read_section(const struct elf *elf, size_t index, Elf64_Shdr *ret_section)
{
	return read_at(elf->sections, index * sizeof *ret_section, ret_section,
		       sizeof *ret_section);
}

static struct bytes section_content(const struct elf *elf, const Elf64_Shdr *s)
{
	return s->sh_type == SHT_NOBITS ? BYTES_NONE : part(elf->file, s->sh_offset, s->sh_size);
}

static void read_sections(struct elf *elf, const Elf64_Ehdr *head)
{
	size_t count = head->e_shnum < ELF_SECTIONS_MAX ? head->e_shnum : ELF_SECTIONS_MAX;
	Elf64_Shdr names;

	if (head->e_shentsize != sizeof(Elf64_Shdr))
		return;
	elf->sections = part(elf->file, head->e_shoff, count * sizeof(Elf64_Shdr));
	if (read_section(elf, head->e_shstrndx, &names))
		elf->section_names = section_content(elf, &names);
}

enum err elf_parse(struct bytes file, struct elf *ret_elf)
{
	struct elf elf = {.file = file};
	Elf64_Ehdr head;
	uint8_t ident[EI_NIDENT];
	uint16_t machine;

	if (!read_at(file, 0, ident, sizeof ident) || memcmp(ident, ELFMAG, SELFMAG) != 0 ||
	    !read_at(file, offsetof(Elf32_Ehdr, e_machine), &machine, sizeof machine))
		return ERR_BAD;
	elf.width = ident[EI_CLASS];
	elf.order = ident[EI_DATA];
	elf.machine = elf.order == ELFDATA2MSB ? __builtin_bswap16(machine) : machine;
	if (elf.width != ELFCLASS64 || elf.order != ELFDATA2LSB) {
		*ret_elf = elf;
		return ERR_UNSUPPORTED;
	}
	if (!read_at(file, 0, &head, sizeof head) || head.e_phoff > file.len ||
	    head.e_shoff > file.len)
		return ERR_BAD;
	elf.type = head.e_type;
	read_segments(&elf, &head);
	read_sections(&elf, &head);
	*ret_elf = elf;
	return OK;
}

bool elf_is_library(const struct elf *elf)
{
	uint64_t flags = 0;

	return elf->type == ET_DYN && elf->dynamic.len && !elf->loader.len &&
	       !(find_dynamic(elf, DT_FLAGS_1, &flags) && flags & DF_1_PIE);
}

bool elf_next_needed(const struct elf *elf, size_t *at, struct bytes *ret_name)
{
	Elf64_Dyn entry;

	while (read_dynamic(elf, *at, &entry)) {
		(*at)++;
		struct bytes name = BYTES_NONE;
		if (entry.d_tag == DT_NEEDED)
			name = text_at(elf->names, entry.d_un.d_val);
		if (name.len) {
			*ret_name = name;
			return true;
		}
	}
	return false;
}

struct bytes elf_find_text(const struct elf *elf, int64_t tag)
{
	uint64_t offset;

	return find_dynamic(elf, tag, &offset) ? text_at(elf->names, offset) : BYTES_NONE;
}

bool elf_find_section(const struct elf *elf, const char *name, struct bytes *ret_content)
{
	Elf64_Shdr s;

	for (size_t i = 0; read_section(elf, i, &s); i++)
		if (s.sh_type != SHT_NULL &&
		    bytes_equal(text_at(elf->section_names, s.sh_name), bytes_str(name))) {
			*ret_content = section_content(elf, &s);
			return true;
		}
	return false;
}

static bool find_section_of_type(const struct elf *elf, uint32_t type, Elf64_Shdr *ret_section)
{
	for (size_t i = 0; read_section(elf, i, ret_section); i++)
		if (ret_section->sh_type == type)
			return true;
	return false;
}

static uint32_t match(struct bytes names, uint64_t offset, const char *const *wanted,
		      const size_t *lengths, size_t count)
{
	uint32_t found = 0;

	for (size_t i = 0; i < count; i++)
		if (offset < names.len && lengths[i] < names.len - offset &&
		    memcmp(names.at + offset, wanted[i], lengths[i] + 1) == 0)
			found |= UINT32_C(1) << i;
	return found;
}

static uint32_t u32_at(struct bytes from, uint64_t index)
{
	uint32_t v = 0;

	(void)!read_at(from, index * sizeof v, &v, sizeof v);
	return v;
}

/* The words of .gnu.hash: counts of buckets, of symbols before the first, of 64-bit filter words,
 * a shift; the filter, the buckets, and for each symbol its hash with the last of a chain marked.
 */
bool elf_exports(const struct elf *elf, const char *name)
{
	Elf64_Shdr table, strings, hashes;
	size_t len = strlen(name);
	uint32_t hash = 5381;

	if (!find_section_of_type(elf, SHT_GNU_HASH, &hashes) ||
	    !find_section_of_type(elf, SHT_DYNSYM, &table) ||
	    !read_section(elf, table.sh_link, &strings))
		return false;
	for (const char *c = name; *c; c++)
		hash = hash * 33 + (uint8_t)*c;
	struct bytes words = section_content(elf, &hashes);
	struct bytes symbols = section_content(elf, &table);
	struct bytes texts = section_content(elf, &strings);
	uint32_t buckets = u32_at(words, 0), first = u32_at(words, 1), chained;
	uint64_t bucket_at = 4 + (uint64_t)u32_at(words, 2) * 2;
	uint64_t chain_at = bucket_at + buckets;
	if (buckets == 0)
		return false;
	uint32_t at = u32_at(words, bucket_at + hash % buckets);
	if (at < first)
		return false;
	do {
		Elf64_Sym symbol;
		uint64_t word = chain_at + (at - first);
		if (word >= words.len / sizeof chained || at - first >= ELF_TABLE_MAX ||
		    !read_at(symbols, (uint64_t)at * sizeof symbol, &symbol, sizeof symbol))
			return false;
		chained = u32_at(words, word);
		if ((chained | 1) == (hash | 1) && symbol.st_shndx != SHN_UNDEF && symbol.st_name &&
		    match(texts, symbol.st_name, &name, &len, 1))
			return true;
		at++;
	} while (!(chained & 1));
	return false;
}

/* One table of each of the two types is looked at; a file of many would only cost time. */
uint32_t elf_find_symbols(const struct elf *elf, const char *const *names, size_t count)
{
	static const uint32_t types[] = {SHT_DYNSYM, SHT_SYMTAB};
	size_t lengths[ELF_SYMBOLS_MAX];
	uint32_t found = 0, all;

	count = count < ELF_SYMBOLS_MAX ? count : ELF_SYMBOLS_MAX;
	all = (uint32_t)((UINT64_C(1) << count) - 1);
	for (size_t i = 0; i < count; i++)
		lengths[i] = strlen(names[i]);
	for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
		Elf64_Shdr table, strings;
		Elf64_Sym symbol;
		if (!find_section_of_type(elf, types[t], &table) ||
		    !read_section(elf, table.sh_link, &strings))
			continue;
		struct bytes symbols = section_content(elf, &table);
		struct bytes texts = section_content(elf, &strings);
		for (size_t i = 0; found != all && i < ELF_TABLE_MAX &&
				   read_at(symbols, i * sizeof symbol, &symbol, sizeof symbol);
		     i++)
			if (symbol.st_shndx != SHN_UNDEF && symbol.st_name)
				found |= match(texts, symbol.st_name, names, lengths, count);
	}
	return found;
}

const char *elf_machine_name(uint16_t machine)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {
		{EM_386, "x86 (32 bits)"}, {EM_X86_64, "x86-64"}, {EM_AARCH64, "aarch64"},
		{EM_ARM, "arm (32 bits)"}, {EM_PPC64, "ppc64"},   {EM_S390, "s390"},
		{EM_RISCV, "riscv"},       {EM_MIPS, "mips"},
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].machine == machine)
			return names[i].name;
	return NULL;
}
