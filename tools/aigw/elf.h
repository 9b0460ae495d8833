/* SPDX-License-Identifier: MIT
 *
 * elf: what an ELF file says of itself: for which machine it is, which loader and libraries it asks
 * for, which symbols it defines. Pure: works on the bytes of the file, which may be anybody's, so
 * that every offset in them is checked. Results borrow from those bytes.
 *
 * Only 64-bit little-endian files are read beyond their head: no other can load our library.
 * Symbols are found through the section headers, which strip(1) keeps.
 *
 * Source: System V ABI (gabi 4.1), chapters 4 and 5.
 */
#ifndef AIGW_TOOL_ELF_H
#define AIGW_TOOL_ELF_H

#include "base/bytes.h"

#define ELF_SEGMENTS_MAX   256         /* more program headers are not looked at */
#define ELF_SECTIONS_MAX   4096        /* more section headers are not looked at */
#define ELF_NAME_BYTES_MAX 4096        /* a longer name or path counts as none */
#define ELF_NEEDED_MAX     1024        /* more entries of the dynamic section are not looked at */
#define ELF_SYMBOLS_MAX    32          /* asked for at once */
#define ELF_TABLE_MAX      (16u << 20) /* more symbols of a table are not looked at */

struct elf {
	struct bytes file;
	uint8_t width, order; /* EI_CLASS, EI_DATA */
	uint16_t type, machine;
	struct bytes loader;  /* PT_INTERP; empty: the kernel starts it by itself */
	struct bytes dynamic; /* PT_DYNAMIC; empty: it loads no library */
	struct bytes names;   /* what the dynamic section's texts are offsets into */
	struct bytes sections, section_names;
};

/* ERR_BAD: no ELF file, or not whole. ERR_UNSUPPORTED: one of another width or byte order; then
 * only width, order and machine are set. */
MUST_USE enum err elf_parse(struct bytes file, struct elf *ret_elf);

/* A shared library, not a program: not even one that is position-independent and static. */
bool elf_is_library(const struct elf *elf);

/* The next library that it asks for; starts at *at = 0. False: no more. */
bool elf_next_needed(const struct elf *elf, size_t *at, struct bytes *ret_name);
/* The text of that tag (DT_SONAME, DT_RPATH, DT_RUNPATH); empty when there is none. */
struct bytes elf_find_text(const struct elf *elf, int64_t tag);

/* False: there is no section of that name. Its content is empty when the file holds none. */
bool elf_find_section(const struct elf *elf, const char *name, struct bytes *ret_content);

/* Is that name exported? Looked up as the loader does, in no time; false in a file without
 * .gnu.hash. */
bool elf_exports(const struct elf *elf, const char *name);

/* Which of the names are defined in the file, exported or not: bit i for names[i]. At most
 * ELF_SYMBOLS_MAX names. Reads every symbol of the file: 90 ms for the 180,000 of Node.js. */
uint32_t elf_find_symbols(const struct elf *elf, const char *const *names, size_t count);

/* "x86-64", "aarch64", ...; NULL for a machine without a name here. */
const char *elf_machine_name(uint16_t machine);

#endif
