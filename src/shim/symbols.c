/* SPDX-License-Identifier: MIT */
#include "shim/symbols.h"

#include <string.h>

#include "shim/init.h"

#define NAME_BYTES_MAX 64   /* of a name looked for */
#define PAIRS          1024 /* see hint_of; a power of two */
#define CHAIN_MAX      4096 /* entries of one hash chain; more is no table of a linker's */

static bool fits(uint64_t at, uint64_t len, uint64_t size)
{
	return at <= size && len <= size - at;
}

/* ---- memory ---- */

/* `len` bytes at an address of the file, where the program has them in memory; NULL when it does
 * not, or not with these rights. */
static START_CODE const uint8_t *loaded(const struct image *image, uint64_t address, uint64_t len,
					uint32_t rights)
{
	for (size_t i = 0; i < image->count; i++) {
		const Elf64_Phdr *h = &image->headers[i];
		if (h->p_type == PT_LOAD && (h->p_flags & rights) == rights &&
		    address >= h->p_vaddr && fits(address - h->p_vaddr, len, h->p_filesz))
			return (const uint8_t *)image->base + address;
	}
	return NULL;
}

static START_CODE bool load(const struct image *image, uint64_t address, void *ret_value,
			    size_t len)
{
	const uint8_t *at = loaded(image, address, len, PF_R);

	if (at)
		memcpy(ret_value, at, len);
	return at != NULL;
}

/* Zero when it is not there. */
static START_CODE uint32_t load_u32(const struct image *image, uint64_t address)
{
	uint32_t value = 0;

	(void)load(image, address, &value, sizeof value);
	return value;
}

START_CODE enum err symbols_open_image(const void *headers, size_t count, struct image *ret_image)
{
	const Elf64_Phdr *h = headers;

	for (size_t i = 0; h && i < count; i++) {
		if (h[i].p_type == PT_PHDR) {
			ret_image->base = (uintptr_t)headers - h[i].p_vaddr;
			ret_image->headers = h;
			ret_image->count = count;
			return OK;
		}
	}
	return ERR_UNSUPPORTED;
}

START_CODE uint64_t symbols_loaded_bytes(const struct image *image)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < image->count; i++)
		if (image->headers[i].p_type == PT_LOAD)
			sum += image->headers[i].p_filesz;
	return sum;
}

void symbols_extent(const struct image *image, uintptr_t *ret_start, uintptr_t *ret_end)
{
	uintptr_t start = UINTPTR_MAX, end = 0;

	for (size_t i = 0; i < image->count; i++) {
		const Elf64_Phdr *h = &image->headers[i];
		uintptr_t from = image->base + h->p_vaddr, to = from + h->p_memsz;
		if (h->p_type != PT_LOAD)
			continue;
		start = from < start ? from : start;
		end = to > end ? to : end;
	}
	*ret_start = start;
	*ret_end = end;
}

/* The code a symbol stands for. */
static struct bytes function_of(const struct image *image, const Elf64_Sym *symbol)
{
	const uint8_t *at;

	if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
	    symbol->st_size == 0)
		return BYTES_NONE;
	at = loaded(image, symbol->st_value, symbol->st_size, PF_R | PF_X);
	return at ? bytes_of(at, symbol->st_size) : BYTES_NONE;
}

/* ---- what is exported ---- */

struct exports {
	const struct image *image;
	/* addresses of the file; 0: none */
	uint64_t symbols, names, gnu_hash, hash;
	uint64_t names_bytes;
};

/* glibc has added the base to the addresses in the dynamic section, others have not. */
static START_CODE uint64_t address_of(const struct image *image, uint64_t pointer)
{
	return pointer >= image->base ? pointer - image->base : pointer;
}

static START_CODE bool find_exports(const struct image *image, struct exports *ret_exports)
{
	struct exports e = {.image = image};
	const Elf64_Phdr *dynamic = NULL;
	Elf64_Dyn entry;

	*ret_exports = e;
	for (size_t i = 0; i < image->count; i++)
		if (image->headers[i].p_type == PT_DYNAMIC)
			dynamic = &image->headers[i];
	if (!dynamic)
		return false;
	for (uint64_t at = 0; fits(at, sizeof entry, dynamic->p_filesz); at += sizeof entry) {
		if (!load(image, dynamic->p_vaddr + at, &entry, sizeof entry) ||
		    entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_SYMTAB)
			e.symbols = address_of(image, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_STRTAB)
			e.names = address_of(image, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_STRSZ)
			e.names_bytes = entry.d_un.d_val;
		else if (entry.d_tag == DT_GNU_HASH)
			e.gnu_hash = address_of(image, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_HASH)
			e.hash = address_of(image, entry.d_un.d_ptr);
	}
	*ret_exports = e;
	return e.symbols && e.names && (e.gnu_hash || e.hash);
}

/* The symbol of that number, when it has that name and is a function. */
static struct bytes check_symbol(const struct exports *e, uint32_t number, const char *name)
{
	size_t len = strlen(name) + 1;
	const uint8_t *at;
	Elf64_Sym symbol;

	if (!load(e->image, e->symbols + (uint64_t)number * sizeof symbol, &symbol,
		  sizeof symbol) ||
	    !fits(symbol.st_name, len, e->names_bytes))
		return BYTES_NONE;
	at = loaded(e->image, e->names + symbol.st_name, len, PF_R);
	if (!at || memcmp(at, name, len) != 0)
		return BYTES_NONE;
	return function_of(e->image, &symbol);
}

static START_CODE struct bytes find_by_gnu_hash(const struct exports *e, const char *name)
{
	const struct image *image = e->image;
	uint32_t head[4], hash = 5381, number, chained; /* buckets, first symbol, filter, shift */
	uint64_t filter = 0, buckets, chains;
	struct bytes found;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (uint8_t)*c;
	if (!load(image, e->gnu_hash, head, sizeof head) || !head[0] || !head[2])
		return BYTES_NONE;
	/* A filter of two bits per symbol: what is not exported mostly ends here. */
	if (!load(image, e->gnu_hash + sizeof head + (uint64_t)(hash / 64 % head[2]) * 8, &filter,
		  sizeof filter) ||
	    !(filter >> hash % 64 & filter >> (hash >> (head[3] & 31)) % 64 & 1))
		return BYTES_NONE;
	buckets = e->gnu_hash + sizeof head + (uint64_t)head[2] * 8;
	chains = buckets + (uint64_t)head[0] * 4;
	number = load_u32(image, buckets + (uint64_t)(hash % head[0]) * 4);
	if (number < head[1])
		return BYTES_NONE;
	for (uint32_t i = 0; i < CHAIN_MAX; i++, number++) {
		if (!load(image, chains + (uint64_t)(number - head[1]) * 4, &chained,
			  sizeof chained))
			break;
		if ((chained | 1) == (hash | 1)) {
			found = check_symbol(e, number, name);
			if (found.len)
				return found;
		}
		if (chained & 1)
			break;
	}
	return BYTES_NONE;
}

static struct bytes find_by_hash(const struct exports *e, const char *name)
{
	const struct image *image = e->image;
	uint32_t head[2], hash = 0, number, high; /* buckets, symbols */
	uint64_t buckets = e->hash + sizeof head, chains;
	struct bytes found;

	for (const char *c = name; *c; c++) {
		hash = (hash << 4) + (uint8_t)*c;
		high = hash & 0xf0000000;
		hash = (hash ^ high >> 24) & ~high;
	}
	if (!load(image, e->hash, head, sizeof head) || !head[0])
		return BYTES_NONE;
	chains = buckets + (uint64_t)head[0] * 4;
	number = load_u32(image, buckets + (uint64_t)(hash % head[0]) * 4);
	for (uint32_t i = 0; number && number < head[1] && i < head[1] && i < CHAIN_MAX; i++) {
		found = check_symbol(e, number, name);
		if (found.len)
			return found;
		number = load_u32(image, chains + (uint64_t)number * 4);
	}
	return BYTES_NONE;
}

START_CODE struct bytes symbols_find_exported(const struct image *image, const char *name)
{
	struct exports e;

	if (!find_exports(image, &e))
		return BYTES_NONE;
	return e.gnu_hash ? find_by_gnu_hash(&e, name) : find_by_hash(&e, name);
}

bool symbols_is_named(const struct image *image, const char *name)
{
	struct bytes whole = bytes_of(name, strlen(name) + 1), names;
	struct exports e;
	const uint8_t *at;
	size_t found;

	(void)find_exports(image, &e);
	at = e.names ? loaded(image, e.names, e.names_bytes, PF_R) : NULL;
	names = bytes_of(at, at ? e.names_bytes : 0);
	for (size_t from = 0; from < names.len; from += whole.len) {
		found = bytes_find(bytes_from(names, from), whole);
		if (found == SIZE_MAX)
			return false;
		from += found;
		if (from > 0 && names.at[from - 1] == '\0') /* not the end of a longer name */
			return true;
	}
	return false;
}

/* ---- the file ---- */

enum err symbols_find_sections(struct bytes head, uint64_t file_bytes, struct span *ret_sections)
{
	static const uint8_t magic[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB};
	Elf64_Ehdr h;

	if (head.len < sizeof h || memcmp(head.at, magic, sizeof magic) != 0)
		return ERR_BAD;
	memcpy(&h, head.at, sizeof h);
	if (h.e_shoff == 0 || h.e_shnum == 0)
		return ERR_MISSING;
	if (h.e_shnum > SYMBOLS_SECTIONS_MAX)
		return ERR_LIMIT;
	if (h.e_shentsize != sizeof(Elf64_Shdr) ||
	    !fits(h.e_shoff, (uint64_t)h.e_shnum * sizeof(Elf64_Shdr), file_bytes))
		return ERR_BAD;
	*ret_sections = (struct span){h.e_shoff, (uint64_t)h.e_shnum * sizeof(Elf64_Shdr)};
	return OK;
}

enum err symbols_find_tables(struct bytes sections, uint64_t file_bytes, struct span *ret_symbols,
			     struct span *ret_names)
{
	size_t count = sections.len / sizeof(Elf64_Shdr);
	Elf64_Shdr table, names;

	for (size_t i = 0; i < count; i++) {
		memcpy(&table, sections.at + i * sizeof table, sizeof table);
		if (table.sh_type != SHT_SYMTAB)
			continue;
		if (table.sh_link >= count || table.sh_entsize != sizeof(Elf64_Sym) ||
		    !fits(table.sh_offset, table.sh_size, file_bytes))
			return ERR_BAD;
		memcpy(&names, sections.at + table.sh_link * sizeof names, sizeof names);
		if (names.sh_type != SHT_STRTAB || names.sh_size == 0 ||
		    !fits(names.sh_offset, names.sh_size, file_bytes))
			return ERR_BAD;
		*ret_symbols = (struct span){table.sh_offset, table.sh_size};
		*ret_names = (struct span){names.sh_offset, names.sh_size};
		return OK;
	}
	return ERR_MISSING;
}

/* Most names of a large program are told from those wanted by three of their first six bytes. */
static unsigned hint_of(const uint8_t *name)
{
	return (name[0] * 7u + name[4] * 31u + name[5]) % PAIRS;
}

/* Which of the wanted ones has that name; `count` when none. */
static size_t which(struct bytes names, uint32_t at, const char *const *wanted, const uint8_t *lens,
		    size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fits(at, lens[i], names.len) && memcmp(names.at + at, wanted[i], lens[i]) == 0)
			return i;
	return count;
}

enum err symbols_find_all(const struct image *image, struct bytes symbols, struct bytes names,
			  const char *const *wanted, size_t count, struct bytes *ret_functions)
{
	struct bytes found[SYMBOLS_NAMES_MAX] = {0}, function;
	bool global[SYMBOLS_NAMES_MAX] = {0}, doubtful[SYMBOLS_NAMES_MAX] = {0}, is_global;
	bool hints[PAIRS] = {0};
	uint8_t lens[SYMBOLS_NAMES_MAX]; /* with the zero behind */
	Elf64_Sym symbol;
	size_t i;

	if (count > SYMBOLS_NAMES_MAX)
		return ERR_LIMIT;
	for (i = 0; i < count; i++) {
		size_t len = strlen(wanted[i]) + 1;
		if (len < SYMBOLS_NAME_MIN + 1 || len > SYMBOLS_NAME_MAX + 1)
			return ERR_LIMIT;
		lens[i] = (uint8_t)len;
		hints[hint_of((const uint8_t *)wanted[i])] = true;
	}
	for (size_t at = 0; fits(at, sizeof symbol, symbols.len); at += sizeof symbol) {
		memcpy(&symbol, symbols.at + at, sizeof symbol);
		if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC ||
		    !fits(symbol.st_name, SYMBOLS_NAME_MIN, names.len) ||
		    !hints[hint_of(names.at + symbol.st_name)])
			continue;
		i = which(names, symbol.st_name, wanted, lens, count);
		function = i < count ? function_of(image, &symbol) : BYTES_NONE;
		if (!function.len)
			continue;
		is_global = ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
		if (!found[i].len || (is_global && !global[i])) {
			found[i] = function;
			global[i] = is_global;
			doubtful[i] = false;
		} else if (found[i].at != function.at && global[i] == is_global) {
			doubtful[i] = true;
		}
	}
	for (i = 0; i < count; i++)
		if (doubtful[i])
			return ERR_AMBIGUOUS;
	memcpy(ret_functions, found, count * sizeof *found);
	return OK;
}
