/* SPDX-License-Identifier: MIT
 *
 * flip-bits RECORDS STEP: writes a closed log of that many records (each 40 bytes of plaintext),
 * flips every STEP-th bit of its segment, ledger and ledger.key, one at a time, and asks verify
 * each time, with the key.
 *
 * Prints how many bits were tried and how many found. Exit status 0: all of them.
 */
#include "audit_kit.h"

static void flip(struct kit_log *k, const char *path, size_t step, unsigned long *tried,
		 unsigned long *found)
{
	struct buf file = tap_file(path);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	for (size_t bit = 0; bit < file.len * 8; bit += step) {
		uint8_t changed = file.at[bit / 8] ^ (uint8_t)(1 << bit % 8);
		if (pwrite(fd, &changed, 1, (off_t)(bit / 8)) != 1)
			kit_bail("pwrite");
		struct kit_verdict v = kit_verify(k);
		/* a version, cipher or flag of the future cannot be verified, nor excused */
		*found += v.err == OK && (v.result.verdict == VERDICT_TAMPERED ||
					  v.result.verdict == VERDICT_CANNOT);
		++*tried;
		if (pwrite(fd, &file.at[bit / 8], 1, (off_t)(bit / 8)) != 1)
			kit_bail("pwrite");
	}
	close(fd);
	buf_done(&file);
}

int main(int argc, char **argv)
{
	unsigned records = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	size_t step = argc > 2 ? (size_t)atoi(argv[2]) : 0;
	unsigned long tried = 0, found = 0;
	char text[41], path[SEGMENT_PATH_MAX];

	if (records == 0 || step == 0)
		return 2;
	struct kit_log *k = kit_new();
	for (unsigned i = 0; i < records; i++) {
		snprintf(text, sizeof text, "record %033u", i);
		if (kit_append(k, text))
			kit_bail("append");
	}
	if (kit_close(k))
		kit_bail("close");
	strcpy(path, kit_segment(k, 0));
	flip(k, path, step, &tried, &found);
	flip(k, kit_path(k, "ledger"), step, &tried, &found);
	flip(k, kit_path(k, "ledger.key"), step, &tried, &found);
	if (kit_verify(k).result.verdict != VERDICT_WHOLE)
		kit_bail("the log is not whole afterwards");
	printf("%u records: %lu bits flipped, %lu found\n", records, tried, found);
	kit_free(k);
	return tried != found;
}
