/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over files and directories of files, without libFuzzer: what `make unit` does
 * with the committed corpora. Prints how many inputs were run; a crash is the failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long runs;

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;

	if (!f || fstat(fileno(f), &st) != 0)
		exit(2);
	/* malloc of the exact size, so that a sanitizer sees a read past the end */
	uint8_t *data = malloc(st.st_size ? (size_t)st.st_size : 1);
	size_t n = data ? fread(data, 1, (size_t)st.st_size, f) : 0;
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	runs++;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;
		if (!dir) {
			run_file(argv[i]);
			continue;
		}
		while ((entry = readdir(dir))) {
			char path[4096];
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
			run_file(path);
		}
		closedir(dir);
	}
	printf("%lu inputs\n", runs);
	return runs == 0;
}
