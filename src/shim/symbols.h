/* SPDX-License-Identifier: MIT
 *
 * symbols: where the main program has a function: in the symbols that it exports, read in memory
 * through its program headers, or in the symbol table of its file, for programs that export
 * nothing and were not stripped.
 *
 * Pure: reads only the memory it is given, or that the program headers say is loaded and readable.
 * Nothing in the tables is trusted: every offset is checked. 64-bit little-endian ELF. Source:
 * System V ABI, chapters 4 and 5; DT_GNU_HASH as binutils and glibc have it.
 */
#ifndef AIGW_SHIM_SYMBOLS_H
#define AIGW_SHIM_SYMBOLS_H

#include <elf.h>

#include "base/bytes.h"

#define SYMBOLS_SECTIONS_MAX 256 /* section headers of a file; with more it is left alone */
#define SYMBOLS_NAMES_MAX    64  /* functions looked for at a time */
#define SYMBOLS_NAME_MIN     6   /* bytes of a name looked for in a file; */
#define SYMBOLS_NAME_MAX     63  /* what is shorter or longer is refused */

/* A loaded program. Borrows its program headers. */
struct image {
	uintptr_t base; /* what is added to the addresses in the file */
	const Elf64_Phdr *headers;
	size_t count;
};

/* From AT_PHDR and AT_PHNUM. ERR_UNSUPPORTED: it does not say where it was loaded. */
MUST_USE enum err symbols_open_image(const void *headers, size_t count, struct image *ret_image);

/* How much of the program comes from its file. */
uint64_t symbols_loaded_bytes(const struct image *image);

/* The lowest and the highest address of the program. */
void symbols_extent(const struct image *image, uintptr_t *ret_start, uintptr_t *ret_end);

/* The code of an exported function, as it lies in memory; none when it is not exported. A few
 * hundred nanoseconds, less when it is not there. */
struct bytes symbols_find_exported(const struct image *image, const char *name);

/* True when the program's dynamic symbols name it, as used or defined: cheaper than a look into the
 * file, for saying no. */
bool symbols_is_named(const struct image *image, const char *name);

struct span {
	uint64_t at, len; /* in the file */
};

/* From the first 64 bytes of a file: where its section headers are. ERR_MISSING: it has none.
 * ERR_BAD, ERR_LIMIT. */
MUST_USE enum err symbols_find_sections(struct bytes head, uint64_t file_bytes,
					struct span *ret_sections);

/* From the section headers: where the symbol table and its names are. ERR_MISSING: stripped.
 * ERR_BAD. */
MUST_USE enum err symbols_find_tables(struct bytes sections, uint64_t file_bytes,
				      struct span *ret_symbols, struct span *ret_names);

/* The code of `count` functions by a symbol table of the image's file, in one pass; none for
 * those it does not have. A global symbol goes before a local one. ERR_AMBIGUOUS: a name means
 * several functions. ERR_LIMIT: too many names, or one too short or too long. */
MUST_USE enum err symbols_find_all(const struct image *image, struct bytes symbols,
				   struct bytes names, const char *const *wanted, size_t count,
				   struct bytes *ret_functions);

#endif
