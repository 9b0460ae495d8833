/* SPDX-License-Identifier: MIT
 *
 * Input: where the dynamic section is (2 bytes) and how long (2 bytes), then a program as it lies
 * in memory, which is also taken as its file. The program headers are ours: they are what the
 * kernel and the loader have used. What is found must be code inside the program.
 */
#include <stdlib.h>
#include <string.h>

#include "shim/symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const wanted[] = {"SSL_write", "SSL_read", "SSL_gone"};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void must_be_inside(struct bytes found, const uint8_t *program, size_t size)
{
	must(found.len == 0 || (found.at >= program && found.len <= size &&
				(size_t)(found.at - program) <= size - found.len));
}

static void read_as_file(const struct image *image, struct bytes file)
{
	struct span sections, symbols, names;
	struct bytes found[3] = {0};

	if (symbols_find_sections(file, file.len, &sections) ||
	    symbols_find_tables(bytes_slice(file, sections.at, sections.len), file.len, &symbols,
				&names))
		return;
	must(symbols.at + symbols.len <= file.len && names.at + names.len <= file.len);
	if (symbols_find_all(image, bytes_slice(file, symbols.at, symbols.len),
			     bytes_slice(file, names.at, names.len), wanted, 3, found) == OK)
		for (unsigned i = 0; i < 3; i++)
			must_be_inside(found[i], file.at, file.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image image;
	uint8_t *program;

	if (size < 5)
		return 0;
	size_t len = size - 4;
	program = malloc(len);
	must(program != NULL);
	memcpy(program, data + 4, len);
	const Elf64_Phdr headers[] = {
		{.p_type = PT_PHDR, .p_vaddr = (uintptr_t)headers - (uintptr_t)program},
		{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = len, .p_memsz = len},
		{.p_type = PT_DYNAMIC,
		 .p_vaddr = data[0] | data[1] << 8,
		 .p_filesz = data[2] | data[3] << 8},
	};
	must(symbols_open_image(headers, 3, &image) == OK);
	must(image.base == (uintptr_t)program);
	for (unsigned i = 0; i < 3; i++) {
		struct bytes found = symbols_find_exported(&image, wanted[i]);
		must_be_inside(found, program, len);
		(void)symbols_is_named(&image, wanted[i]);
	}
	read_as_file(&image, bytes_of(program, len));
	free(program);
	return 0;
}
