/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a source's cursor, as they are and with the checksum made right: what is accepted
 * can be put again and is then the same.
 */
#include <stdlib.h>

#include "audit/frame.h"
#include "drain/progress.h"

#define SUM 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(enum err e)
{
	if (e)
		abort();
}

static void put_again(struct buf *out, const struct progress_segment *s)
{
	struct bytes spots = s->spots;
	struct progress_spot spot = {0};
	size_t count = 0;
	uint32_t before = 0;
	enum err e;

	must(progress_put_segment(out, s));
	while ((e = progress_next_spot(&spots, before, &spot)) == OK) {
		if (spot.offset < s->resume_offset || spot.offset >= s->read)
			abort();
		must(progress_put_spot(out, before, spot));
		before = spot.offset;
		count++;
	}
	if (e != ERR_END || count != s->spot_count)
		abort();
}

static void look(struct bytes file)
{
	struct progress_head head, again_head;
	struct progress_segment s;
	struct bytes rest, again_rest;
	struct buf again = {0};
	enum err e;

	if (progress_parse(file, &head, &rest) != OK)
		return;
	must(progress_put_head(&again, &head));
	while ((e = progress_next_segment(&rest, &s)) == OK)
		put_again(&again, &s);
	if (e != ERR_END)
		abort();
	must(progress_put_end(&again));
	/* Varints may be written longer than need be, so lengths may differ. */
	must(progress_parse(buf_view(&again), &again_head, &again_rest));
	if (again.len > file.len || again_head.last_day != head.last_day)
		abort();
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf right = {0};

	must(seal_init());
	look((struct bytes){data, size});
	if (size < SUM)
		return 0;
	must(buf_put(&right, (struct bytes){data, size - SUM}));
	must(buf_put_u32(&right, frame_crc32c(0, buf_view(&right))));
	look(buf_view(&right));
	buf_done(&right);
	return 0;
}
