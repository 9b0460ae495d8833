/* SPDX-License-Identifier: MIT */
#include "drain/ledger_walk.h"

#include <fcntl.h>
#include <string.h>

#include "base/sys.h"

#define WINDOW_BYTES    (256u << 10)
#define ENTRY_BYTES_MAX (sizeof(struct format_ledger) + LEDGER_BODY_MAX + FORMAT_MAC_BYTES)
#define READ_FLAGS      (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

static enum err fill(struct ledger_walk *w)
{
	enum err e = buf_reserve(&w->window, w->window.len ? 0 : WINDOW_BYTES);

	w->base = w->place.offset;
	buf_reset(&w->window);
	while (!e && w->window.len < WINDOW_BYTES) {
		ssize_t got = sys_pread(w->fd, w->window.at + w->window.len,
					WINDOW_BYTES - w->window.len,
					(off_t)(w->base + w->window.len));
		if (got < 0)
			e = err_from_errno((int)got);
		if (got <= 0)
			break;
		w->window.len += (size_t)got;
	}
	return e;
}

/* Is the last entry before the place still the one that was there? */
static bool is_same(const struct ledger_walk *w)
{
	uint8_t mac[FORMAT_MAC_BYTES];

	if (w->place.offset == 0)
		return true;
	return w->place.offset >= sizeof mac &&
	       sys_pread(w->fd, mac, sizeof mac, (off_t)(w->place.offset - sizeof mac)) ==
		       (ssize_t)sizeof mac &&
	       memcmp(mac, w->place.mac, sizeof mac) == 0;
}

enum err ledger_walk_open(const char *directory, const struct ledger_place *from,
			  struct ledger_walk *ret_walk)
{
	struct buf path = {0};
	uint8_t chain[32];
	enum err e = buf_put_str(&path, directory);

	*ret_walk = (struct ledger_walk){.place = *from, .fd = -1};
	if (!e)
		e = buf_put(&path, bytes_of("/" LEDGER_FILE, sizeof "/" LEDGER_FILE));
	if (!e) {
		ledger_tip(directory, &ret_walk->entries_max, chain);
		ret_walk->fd = sys_open((const char *)path.at, READ_FLAGS, 0);
		e = ret_walk->fd < 0 ? err_from_errno(ret_walk->fd) : OK;
	}
	buf_done(&path);
	if (!e && !is_same(ret_walk)) {
		ret_walk->place = (struct ledger_place){0};
		e = ERR_STATE;
	}
	return e;
}

void ledger_walk_close(struct ledger_walk *w)
{
	if (w->fd >= 0)
		sys_close(w->fd);
	w->fd = -1;
	buf_done(&w->window);
}

/* The next whole entry in the window, from the place on. False: there is none in it; the place is
 * then behind what certainly is none. */
static bool find_in_window(struct ledger_walk *w, struct ledger_item *ret_item)
{
	struct bytes window = buf_view(&w->window);
	size_t from = (size_t)(w->place.offset - w->base), at;

	if (from >= window.len)
		return false;
	at = ledger_find(window, from);
	if (at < window.len && ledger_parse(window, at, ret_item))
		return true;
	return false;
}

static bool take(struct ledger_walk *w, const struct ledger_item *item,
		 struct ledger_entry *ret_entry, uint64_t *ret_number)
{
	uint64_t number = item->head.number;
	bool known = number < w->entries_max && ledger_decode(item, ret_entry) == OK;

	w->place.offset = w->base + (size_t)(item->mac + FORMAT_MAC_BYTES - w->window.at);
	if (number < w->entries_max && number >= w->place.entries)
		w->place.entries = number + 1;
	memcpy(w->place.mac, item->mac, sizeof w->place.mac);
	*ret_number = number;
	return known;
}

enum err ledger_walk_next(struct ledger_walk *w, struct ledger_entry *ret_entry,
			  uint64_t *ret_number)
{
	struct ledger_item item;
	enum err e;

	for (;;) {
		if (find_in_window(w, &item)) {
			if (take(w, &item, ret_entry, ret_number))
				return OK;
			continue;
		}
		/* No whole entry: the window's end cut one, or garbage fills it. */
		uint64_t end = w->base + w->window.len;
		bool full = w->window.len == WINDOW_BYTES;
		if (full && end - w->place.offset > ENTRY_BYTES_MAX)
			w->place.offset = end - ENTRY_BYTES_MAX;
		else if (!full && w->window.len)
			return ERR_END;
		e = fill(w);
		if (e)
			return e;
		if (w->window.len == 0)
			return ERR_END;
	}
}
