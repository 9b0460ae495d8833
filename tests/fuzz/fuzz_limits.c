/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the content of the file of limits (the first part as its meters, the rest as its
 * holders, and, sealed anew, as a meter that is taken for one): calls end, with an answer that is
 * documented.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits/rows.h"
#include "limits/store.h"

#define NOON (UINT64_C(20781) * 86400 * 1000000000 + 43200 * UINT64_C(1000000000))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct limits_kept kept;

static void check(enum err e)
{
	if (e != OK && e != ERR_LIMIT && e != ERR_FULL)
		abort();
}

static void calculate(const uint8_t *data, size_t size, const struct limits_scope *s)
{
	const struct limits_amounts wanted = {1, 50, 50};
	struct meter_refusal r;
	enum limit_kind kind;
	struct meter m;
	unsigned told = 0;

	memset(&m, 0, sizeof m);
	memcpy(&m, data, size < sizeof m ? size : sizeof m);
	meter_roll(&m, NOON);
	if (meter_allows(&m, &s->values, &wanted, NOON, &r))
		meter_charge(&m, &s->values, &wanted, NOON);
	else if (r.kind >= LIMIT_COUNT || r.resets_ns > NOON + UINT64_C(40) * 86400 * 1000000000)
		abort();
	while (meter_next_alert(&m, &s->values, &kind))
		if (kind >= LIMIT_COUNT || ++told > METER_BUDGETS)
			abort();
	for (int i = 0; i < LIMIT_COUNT; i++)
		(void)meter_used(&m, &s->values, (enum limit_kind)i, NOON);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char directory[64], file[96];
	const struct limits_amounts wanted = {1, 50, 50};
	struct limits_scope s = {.name = "organization"};
	struct limits_alert alerts[LIMITS_ALERTS_MAX];
	struct limits_refusal r;
	struct limits_ticket t;
	struct limits_process me;
	size_t half = size / 2, count;
	off_t at = (off_t)(rows_hash(bytes_str(s.name)) % (LIMITS_METERS_MAX / 8) * 8 *
			   METER_BYTES);

	if (!directory[0]) {
		strcpy(directory, "/tmp/aigw-fuzz-XXXXXX");
		if (!mkdtemp(directory))
			abort();
		strcat(strcpy(file, directory), "/" LIMITS_FILE_NAME);
	}
	s.values.given = (1u << LIMIT_COUNT) - 1;
	for (int i = 0; i < LIMIT_COUNT; i++)
		s.values.value[i] = 100;
	calculate(data, size, &s);
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		abort();
	/* Where the scope's meter is looked for; of an odd size, as one that counts. */
	if (pwrite(fd, data, half, at) < 0)
		abort();
	if (size % 2) {
		struct meter m;
		meter_open(&m, s.name);
		memcpy((uint8_t *)&m + sizeof m.name, data,
		       half < sizeof m - sizeof m.name ? half : sizeof m - sizeof m.name);
		meter_seal(&m);
		if (pwrite(fd, &m, sizeof m, at) < 0)
			abort();
	}
	if (pwrite(fd, data + half, size - half, LIMITS_METERS_MAX * METER_BYTES) < 0)
		abort();
	close(fd);
	limits_process_self(&me);
	enum err e = limits_take(&kept, directory, &me, &s, 1, &wanted, NOON, &t, &r);
	check(e);
	if (!e)
		check(limits_settle(&kept, directory, &t, &wanted, NOON, alerts, &count));
	unlink(file);
	rmdir(directory);
	directory[0] = '\0';
	return 0;
}
