/* SPDX-License-Identifier: MIT
 *
 * Any bytes as an ELF file: everything that can be asked of it is answered from within it.
 */
#include <elf.h>
#include <stdlib.h>

#include "aigw/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct bytes file, struct bytes part)
{
	if (part.len && (part.at < file.at || part.len > file.len ||
			 (size_t)(part.at - file.at) > file.len - part.len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const symbols[] = {"SSL_write", "main", ""};
	static const int64_t tags[] = {DT_SONAME, DT_RPATH, DT_RUNPATH};
	struct bytes file = {data, size}, part;
	struct elf elf;
	size_t at = 0, count = 0;

	if (elf_parse(file, &elf) != OK)
		return 0;
	check_within(file, elf.loader);
	check_within(file, elf.dynamic);
	check_within(file, elf.names);
	check_within(file, elf.sections);
	while (elf_next_needed(&elf, &at, &part)) {
		check_within(file, part);
		if (part.len == 0 || ++count > ELF_NEEDED_MAX)
			abort();
	}
	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
		check_within(file, elf_find_text(&elf, tags[i]));
	if (elf_find_section(&elf, ".go.buildinfo", &part))
		check_within(file, part);
	uint32_t found = elf_find_symbols(&elf, symbols, 3);
	if (found > 7 || (elf_exports(&elf, "SSL_write") && !(found & 1)))
		abort();
	return 0;
}
