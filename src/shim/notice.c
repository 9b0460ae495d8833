/* SPDX-License-Identifier: MIT */
#include "shim/notice.h"

#include <string.h>

#include "audit/record.h"
#include "base/files.h"
#include "base/sys.h"
#include "policy/phrase.h"
#include "shim/journal.h"

#define SECONDS_PER_DAY 86400
#define TOLD_MAX        32 /* agreements that are remembered; of more the oldest is told again */
#define TEXT_BYTES_MAX  300
#define NOTICES         "notices"
#define NAME_BYTES_MAX  96 /* "providers.NAME.zero_retention" */

static struct lock lock;
static struct {
	char name[NAME_BYTES_MAX];
	int64_t day; /* + 1: zero is never */
} told[TOLD_MAX];
static unsigned told_next;

/* True once a day. */
static bool is_due(struct bytes name, int64_t day)
{
	bool due = true;

	if (!lock_take(&lock))
		return false;
	for (unsigned i = 0; i < TOLD_MAX && due; i++) {
		if (!bytes_equal(bytes_str(told[i].name), name))
			continue;
		due = told[i].day != day + 1;
		told[i].day = day + 1;
		lock_drop(&lock);
		return due;
	}
	memcpy(told[told_next].name, name.at, name.len);
	told[told_next].name[name.len] = '\0';
	told[told_next].day = day + 1;
	told_next = (told_next + 1) % TOLD_MAX;
	lock_drop(&lock);
	return due;
}

/* Another process of this user may have told already. Two that come together both do. */
static bool is_first(const struct rules *r, struct bytes name, int64_t day)
{
	struct buf directory = {0};
	bool first = true;

	if (!buf_put_str(&directory, r->places.state) && !buf_put_str(&directory, "/" NOTICES) &&
	    !buf_put_u8(&directory, '\0')) {
		const char *path = (const char *)directory.at;
		first = (int64_t)(files_touched(path, name) / SECONDS_PER_DAY) != day;
		if (first)
			(void)!files_touch(path, name);
	}
	buf_done(&directory);
	return first;
}

static void put_text(struct phrase *p, struct bytes name, const struct decision *d)
{
	phrase_put(p, "the agreement ");
	phrase_put_bytes(p, name);
	if (d->ending->reference.len) {
		phrase_put(p, " (");
		phrase_put_bytes(p, bytes_slice(d->ending->reference, 0, PHRASE_QUOTE_MAX));
		phrase_put(p, ")");
	}
	phrase_put(p, d->ending_days ? " ends in " : " ends today");
	if (d->ending_days) {
		phrase_put_decimal(p, (uint64_t)d->ending_days);
		phrase_put(p, d->ending_days == 1 ? " day" : " days");
	}
	phrase_put(p, "; calls that require it are refused afterwards: renew it and change its "
		      "\"until\"");
}

void notice_ending(struct rules *r, const struct provider *provider, const struct decision *d,
		   int64_t now_s)
{
	char name[NAME_BYTES_MAX], text[TEXT_BYTES_MAX];
	int64_t day = now_s / SECONDS_PER_DAY;
	struct phrase named, said;
	struct buf record = {0};
	bool made;

	if (!d->ending)
		return;
	phrase_init(&named, name, sizeof name);
	phrase_put(&named, "providers.");
	phrase_put(&named, provider->name);
	phrase_put(&named, ".");
	phrase_put(&named, agreement_name(d->ending_kind));
	if (!is_due(bytes_of(name, named.len), day) || !is_first(r, bytes_of(name, named.len), day))
		return;
	phrase_init(&said, text, sizeof text);
	put_text(&said, bytes_of(name, named.len), d);
	made = !record_put(&record, F_AGREEMENT, bytes_of(name, named.len)) &&
	       !record_put(&record, F_PROVIDER, bytes_str(provider->name)) &&
	       !record_put_if(&record, F_ENVIRONMENT, d->environment) &&
	       !record_put(&record, F_PROBLEM, bytes_of(text, said.len));
	(void)!journal_append(r, REC_NOTICE, made ? OK : ERR_NOMEM, buf_view(&record));
	buf_done(&record);
}

void notice_in_child(void)
{
	lock_reset(&lock);
}
