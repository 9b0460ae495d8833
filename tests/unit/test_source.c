/* SPDX-License-Identifier: MIT
 *
 * What was not delivered yet out of an audit directory, with logs by the product's own writer.
 */
#include <sys/resource.h>

#include "audit_kit.h"
#include "drain/progress.h"
#include "drain/source.h"
#include "report/entry.h"

#define NOW (KIT_NOON_NS + 1000000000u)

/* ---- writing ---- */

static void must(enum err e, const char *what)
{
	if (e) {
		printf("# %s: %s\n", what, err_name(e));
		kit_bail(what);
	}
}

static void id_of(unsigned long n, char id[ULID_CHARS + 1])
{
	uint8_t random[10] = {0};

	memcpy(random, &n, sizeof n);
	record_make_id(KIT_NOON_NS / 1000000, random, id);
}

struct record {
	enum record_kind kind;
	unsigned long n; /* which exchange; 0: no id */
	const char *text;
	uint64_t at_ns, uid, pid; /* with a collector */
	bool headers_only;
};

static void put_record(struct buf *r, const struct record *what)
{
	char id[ULID_CHARS + 1];

	if (what->pid) {
		must(record_put_u64(r, F_PID, what->pid), "pid");
		must(record_put_u64(r, F_UID, what->uid), "uid");
		must(record_put_u64(r, F_PROCESS_START, 7), "start");
	}
	if (what->n) {
		id_of(what->n, id);
		must(record_put(r, F_ID, bytes_str(id)), "id");
	}
	switch (what->kind) {
	case REC_REQUEST:
		must(record_put(r, F_REQUEST_MODEL, BYTES("gpt-5")), "model");
		must(record_put(r, F_REQUEST_HEADERS, BYTES("Host: a\r\n")), "headers");
		if (what->headers_only)
			must(record_put(r, F_COVERAGE, BYTES("headers_only")), "coverage");
		must(record_put_if(r, F_REQUEST_BODY, bytes_str(what->text)), "body");
		break;
	case REC_RESPONSE_PART:
		must(record_put_if(r, F_RESPONSE_BODY, bytes_str(what->text)), "body");
		break;
	case REC_RESPONSE:
	case REC_ABORTED:
		must(record_put(r, F_OUTCOME, BYTES("complete")), "outcome");
		must(record_put_if(r, F_RESPONSE_BODY, bytes_str(what->text)), "body");
		break;
	default:
		must(record_put_if(r, F_PROBLEM, bytes_str(what->text)), "problem");
	}
}

static void put_as(struct kit_log *k, struct record what)
{
	struct buf r = {0};

	put_record(&r, &what);
	must(segment_append(&k->writer, &k->config, what.kind,
			    what.at_ns ? what.at_ns : KIT_NOON_NS, buf_view(&r)),
	     "append");
	buf_done(&r);
}

static void put(struct kit_log *k, enum record_kind kind, unsigned long n, const char *text)
{
	put_as(k, (struct record){.kind = kind, .n = n, .text = text});
}

static void ask(struct kit_log *k, unsigned long n)
{
	put(k, REC_REQUEST, n, "question");
}

static void answer(struct kit_log *k, unsigned long n)
{
	put(k, REC_RESPONSE, n, "answer");
}

/* ---- reading ---- */

static struct source *open_at(struct kit_log *k, struct bytes cursor)
{
	struct source_options options = {
		.directory = k->directory,
		.identity_count = 1,
		.identities = &k->identity,
	};
	struct source *s = NULL;

	must(source_open(&options, cursor, &s), "source_open");
	return s;
}

static struct source *open_new(struct kit_log *k)
{
	return open_at(k, BYTES_NONE);
}

static const char *kind_of(const struct source_item *i)
{
	static const char *const names[] = {"", "damage", "unopened", "segment"};

	if (i->kind != SOURCE_ENTRY)
		return names[i->kind];
	return record_kind_name(i->entry->kind);
}

/* All there is now, as " kind:question/answer ..."; acknowledged. */
static const char *all_of(struct source *s, uint64_t now_ns)
{
	static char text[8192];
	struct source_item *i = NULL;
	size_t len = 0;
	enum err e;

	text[0] = 0;
	while ((e = source_next(s, now_ns, &i)) == OK && len < sizeof text - 400) {
		len += (size_t)snprintf(text + len, sizeof text - len, " %s", kind_of(i));
		if (i->kind == SOURCE_ENTRY && i->entry->kind == REC_REQUEST) {
			CHECK_ERR(source_load_bodies(s, i, 1000), OK);
			len += (size_t)snprintf(text + len, sizeof text - len, ":%.*s/%.*s%s",
						(int)i->entry->request_body.len,
						(const char *)i->entry->request_body.at,
						(int)i->entry->response_body.len,
						(const char *)i->entry->response_body.at,
						i->entry->orphan     ? "?"
						: i->entry->answered ? ""
								     : "!");
		}
		CHECK_ERR(source_ack(s, i->ticket), OK);
		CHECK_ERR(source_ack(s, i->ticket), ERR_MISSING);
	}
	CHECK_ERR(e, ERR_MORE);
	return text;
}

static void exchanges_are_put_together(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);

	CHECK_STR(all_of(s, NOW), "");
	ask(k, 1);
	CHECK_STR(all_of(s, NOW), " start");
	ask(k, 2);
	put(k, REC_RESPONSE_PART, 2, "long ");
	put(k, REC_NOTICE, 0, "hear");
	CHECK_STR(all_of(s, NOW), " notice");
	answer(k, 2);
	answer(k, 1);
	CHECK_STR(all_of(s, NOW), " request:question/long answer request:question/answer");
	put_as(k, (struct record){.kind = REC_REQUEST, .n = 3, .headers_only = true, .text = "no"});
	put(k, REC_REQUEST, 3, "whole");
	put(k, REC_ABORTED, 3, "");
	CHECK_ERR(kit_close(k), OK);
	CHECK_STR(all_of(s, NOW), " request:whole/");
	CHECK_STR(all_of(s, NOW), "");
	source_close(s);
	kit_free(k);
}

static void an_exchange_may_stand_in_two_segments(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);

	ask(k, 1);
	CHECK_STR(all_of(s, NOW), " start");
	put_as(k, (struct record){.kind = REC_RESPONSE,
				  .n = 1,
				  .text = "late",
				  .at_ns = KIT_NOON_NS + KIT_DAY_NS});
	CHECK_U64(kit_segments(k), 2);
	CHECK_STR(all_of(s, NOW + KIT_DAY_NS), " start request:question/late");
	source_close(s);

	/* and when all of it is there already */
	s = open_new(k);
	CHECK_STR(all_of(s, NOW + KIT_DAY_NS), " start start request:question/late");
	source_close(s);
	kit_free(k);
}

static void child_asks(struct kit_log *k)
{
	ask(k, 1);
	answer(k, 1);
	ask(k, 2);
	put(k, REC_RESPONSE_PART, 2, "beginning");
}

static void what_nobody_answers_is_told_when_its_process_is_over(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_state state;

	kit_in_child(k, child_asks);
	put_as(k, (struct record){.kind = REC_REQUEST,
				  .n = 3,
				  .text = "question",
				  .at_ns = KIT_NOON_NS + 1}); /* of a process that lives: ours */
	CHECK_STR(all_of(s, NOW), " start request:question/answer start");
	source_tell(s, &state);
	CHECK_U64(state.waiting, 2);
	CHECK_U64(state.oldest_ns, KIT_NOON_NS);
	CHECK_STR(all_of(s, NOW + SOURCE_GONE_NS), " request:question/beginning!");
	CHECK_STR(all_of(s, NOW + 10 * SOURCE_GONE_NS), "");
	answer(k, 3);
	CHECK_STR(all_of(s, NOW + 10 * SOURCE_GONE_NS), " request:question/answer");
	source_close(s);
	kit_free(k);
}

static void put_from(struct kit_log *k, enum record_kind kind, unsigned long n, uint64_t uid,
		     const char *text)
{
	put_as(k, (struct record){
			  .kind = kind, .n = n, .uid = uid, .pid = 4000000 + uid, .text = text});
}

static void a_collectors_log_holds_many_processes(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_item *i = NULL;
	struct bytes host;

	k->config.start_record = BYTES("");
	put_from(k, REC_REQUEST, 1, 1000, "a");
	put_from(k, REC_REQUEST, 1, 1001, "b"); /* the same id, of another user */
	put_from(k, REC_RESPONSE, 1, 1001, "B");
	put_from(k, REC_NOTICE, 0, 1000, "n");
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_U64(i->entry->kind, REC_START);
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK(bytes_ends(i->id, BYTES("@1001")));
	CHECK_STR(i->entry->key, (const char *)i->id.at);
	CHECK_BYTES(i->process, "-4001001-7");
	CHECK_ERR(source_load_bodies(s, i, 1000), OK);
	CHECK_BYTES(buf_view(&i->entry->request_body), "b");
	CHECK_BYTES(buf_view(&i->entry->response_body), "B");
	CHECK_ERR(entry_find(i->entry, F_HOST, &host), OK);
	CHECK_BYTES(host, "ward-3");
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_U64(i->entry->kind, REC_NOTICE);
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	/* process 4001000 of boot "" is none that runs */
	CHECK_ERR(source_next(s, NOW + SOURCE_GONE_NS, &i), OK);
	CHECK(!i->entry->answered);
	CHECK_BYTES(entry_outcome(i->entry), "killed");
	source_close(s);
	kit_free(k);
}

/* ---- the cursor ---- */

#define IDS_MAX 4000

struct ids {
	size_t count;
	struct {
		char text[SOURCE_ID_CHARS];
		uint64_t ticket;
		bool acked;
	} at[IDS_MAX];
};

static void collect(struct source *s, struct ids *ids, size_t max, uint64_t now_ns)
{
	struct source_item *i = NULL;
	enum err e = OK;

	while (max-- && ids->count < IDS_MAX) {
		e = source_next(s, now_ns, &i);
		if (e == ERR_MORE) /* whether processes are over is not looked at all the time */
			e = source_next(s, now_ns += 3000000000u, &i);
		if (e)
			break;
		memcpy(ids->at[ids->count].text, i->id.at, i->id.len + 1);
		ids->at[ids->count].acked = false;
		ids->at[ids->count++].ticket = i->ticket;
	}
}

static size_t count_id(const struct ids *ids, const char *id)
{
	size_t found = 0;

	for (size_t i = 0; i < ids->count; i++)
		found += strcmp(ids->at[i].text, id) == 0;
	return found;
}

static uint32_t random_state = 1;

static uint32_t any(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

/* Several processes and days, answers out of order, some never. */
static void write_busily(struct kit_log *k, unsigned long from, unsigned long count)
{
	unsigned long open[8] = {0};

	for (unsigned long n = from; n < from + count; n++) {
		uint64_t at_ns = KIT_NOON_NS + n * KIT_DAY_NS / 200;
		uint32_t slot = any(8);
		if (open[slot] && any(5))
			put_as(k, (struct record){.kind = REC_RESPONSE,
						  .n = open[slot],
						  .text = "answer",
						  .at_ns = at_ns});
		open[slot] = n;
		put_as(k,
		       (struct record){.kind = REC_REQUEST, .n = n, .text = "q", .at_ns = at_ns});
		if (any(6) == 0)
			put_as(k, (struct record){.kind = REC_RESPONSE_PART,
						  .n = open[any(8)],
						  .text = "part",
						  .at_ns = at_ns});
		if (any(40) == 0)
			CHECK_ERR(segment_close(&k->writer, &k->config, at_ns), OK);
	}
}

static unsigned long busy_from;

static void child_writes_busily(struct kit_log *k)
{
	write_busily(k, busy_from, 60);
}

/* Now, of all processes of the test's log nothing is to come any more. */
#define LATER (KIT_NOON_NS + 30 * KIT_DAY_NS)

/* Exactly what is not acknowledged comes again. */
static void check_again(struct kit_log *k, struct bytes cursor, const struct ids *all,
			const bool *acked)
{
	static struct ids again;
	struct source *s = open_at(k, cursor);

	again.count = 0;
	collect(s, &again, SIZE_MAX, LATER);
	for (size_t i = 0; i < all->count; i++) {
		size_t found = count_id(&again, all->at[i].text);
		if (found != !acked[i])
			tap_fail(__FILE__, __LINE__, "%s, %s, comes %zu times again",
				 all->at[i].text, acked[i] ? "acknowledged" : "open", found);
	}
	source_close(s);
}

static void no_kill_loses_or_repeats_anything(void)
{
	static struct ids all, run;
	static bool acked[IDS_MAX];
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct buf cursor = {0};

	for (busy_from = 1; busy_from < 400; busy_from += 60)
		kit_in_child(k, child_writes_busily);
	collect(s, &all, SIZE_MAX, LATER);
	source_close(s);
	CHECK(all.count > 420);
	printf("# %zu items\n", all.count);
	for (size_t i = 0; i < all.count; i++)
		CHECK_U64(count_id(&all, all.at[i].text), 1);

	for (int round = 0; round < 60; round++) {
		random_state = (uint32_t)round + 77;
		memset(acked, 0, sizeof acked);
		run.count = 0;
		s = open_new(k);
		uint32_t keep = 1 + any(5);
		while (run.count < all.count && any(30)) {
			collect(s, &run, 1 + any(30), LATER);
			for (size_t i = 0; i < run.count; i++) {
				if (run.at[i].acked || any(keep) == 0)
					continue;
				CHECK_ERR(source_ack(s, run.at[i].ticket), OK);
				run.at[i].acked = true;
			}
			if (any(6))
				continue;
			/* killed here: now and then, and once more while it reads again */
			CHECK_ERR(source_cursor_put(s, &cursor), OK);
			for (size_t i = 0; i < run.count; i++)
				for (size_t j = 0; j < all.count; j++)
					if (strcmp(run.at[i].text, all.at[j].text) == 0)
						acked[j] |= run.at[i].acked;
			check_again(k, buf_view(&cursor), &all, acked);
			source_close(s);
			s = open_at(k, buf_view(&cursor));
			run.count = 0;
		}
		source_close(s);
	}
	buf_done(&cursor);
	kit_free(k);
}

/* The same while the log is being written, with the clock on the same day. */
static void a_living_log_is_followed_across_restarts(void)
{
	static struct ids all, run;
	static bool acked[IDS_MAX];
	struct kit_log *k = kit_new();
	struct buf cursor = {0};
	struct source *s = open_new(k);

	random_state = 5;
	memset(acked, 0, sizeof acked);
	all.count = 0;
	for (unsigned long n = 1; n < 200; n++) {
		ask(k, n);
		if (n > 5)
			answer(k, n - 5);
		run.count = 0;
		collect(s, &run, any(4), NOW);
		for (size_t i = 0; i < run.count; i++) {
			size_t j = 0;
			while (j < all.count && strcmp(all.at[j].text, run.at[i].text) != 0)
				j++;
			CHECK(j == all.count || !acked[j]);
			all.at[j] = run.at[i];
			all.count += j == all.count;
			acked[j] = any(4) != 0;
			if (acked[j])
				CHECK_ERR(source_ack(s, run.at[i].ticket), OK);
		}
		if (any(7))
			continue;
		CHECK_ERR(source_cursor_put(s, &cursor), OK);
		source_close(s);
		s = open_at(k, buf_view(&cursor));
	}
	run.count = 0;
	collect(s, &run, SIZE_MAX, NOW);
	for (size_t i = 0; i < run.count; i++) {
		size_t j = 0;
		while (j < all.count && strcmp(all.at[j].text, run.at[i].text) != 0)
			j++;
		CHECK(j == all.count || !acked[j]);
		if (j == all.count)
			all.at[all.count++] = run.at[i];
	}
	CHECK_U64(all.count, 1 + 194); /* start, and what is answered */
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

static void a_cursor_forgets_what_is_finished(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct buf cursor = {0};
	struct acked_open *open = NULL;
	uint64_t entries = 0, tip;
	uint8_t chain[32];
	size_t count = 9;

	for (unsigned long n = 1; n <= 300; n++) {
		put_as(k, (struct record){.kind = REC_NOTICE,
					  .at_ns = KIT_NOON_NS + n * KIT_DAY_NS / 30});
		CHECK_ERR(segment_close(&k->writer, &k->config, KIT_NOON_NS + n * KIT_DAY_NS / 30),
			  OK);
	}
	(void)all_of(s, LATER);
	CHECK_ERR(source_next(s, LATER, &(struct source_item *){0}), ERR_MORE);
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	if (cursor.len > 100)
		tap_fail(__FILE__, __LINE__, "%zu bytes of cursor", cursor.len);
	ledger_tip(k->directory, &tip, chain);
	CHECK_ERR(source_acked(s, &entries, &open, &count), OK);
	CHECK_U64(entries, tip);
	CHECK_U64(count, 0);
	free(open);
	source_close(s);

	/* nothing comes again; what is new does, even of a day that is long over */
	s = open_at(k, buf_view(&cursor));
	CHECK_STR(all_of(s, LATER), "");
	put(k, REC_NOTICE, 0, "of old");
	CHECK_STR(all_of(s, LATER), " start notice");
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

static void retention_is_told_what_is_acknowledged_and_no_more(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_item *i = NULL;
	struct acked_open *open = NULL;
	uint64_t entries, first;
	size_t count;

	ask(k, 1);
	answer(k, 1);
	put(k, REC_NOTICE, 0, "");
	CHECK_ERR(source_next(s, NOW, &i), OK); /* start */
	CHECK_ERR(source_ack(s, i->ticket), OK);
	CHECK_ERR(source_next(s, NOW, &i), OK); /* the exchange */
	uint64_t exchange = i->ticket, offset = i->offset;
	CHECK_ERR(source_next(s, NOW, &i), OK); /* the notice */
	CHECK_ERR(source_ack(s, i->ticket), OK);
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	CHECK_ERR(source_acked(s, &entries, &open, &count), OK);
	CHECK_U64(entries, 2); /* an epoch, an opening */
	CHECK_U64(count, 1);
	CHECK_U64(count ? open[0].bytes : 0, offset);
	free(open);
	CHECK_ERR(source_ack(s, exchange), OK);
	CHECK_ERR(source_acked(s, &entries, &open, &count), OK);
	CHECK_ERR(files_size(kit_segment(k, 0), &first), OK);
	CHECK_U64(count ? open[0].bytes : 0, first);
	free(open);
	CHECK_ERR(kit_close(k), OK);
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	CHECK_ERR(source_acked(s, &entries, &open, &count), OK);
	CHECK_U64(count, 0);
	free(open);
	source_close(s);
	kit_free(k);
}

static void a_dead_letter_is_found_again(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_item *i = NULL;
	struct buf single = {0};
	char id[SOURCE_ID_CHARS];

	ask(k, 1);
	ask(k, 2);
	answer(k, 2);
	put_as(k, (struct record){.kind = REC_RESPONSE,
				  .n = 1,
				  .text = "late",
				  .at_ns = KIT_NOON_NS + KIT_DAY_NS});
	ask(k, 3);
	do
		CHECK_ERR(source_next(s, NOW + KIT_DAY_NS, &i), OK);
	while (i->entry->kind != REC_REQUEST || i->sequence != 1);
	memcpy(id, i->id.at, i->id.len + 1);
	CHECK_ERR(source_single_put(s, 1, &single), ERR_MISSING);
	CHECK_ERR(source_single_put(s, i->ticket, &single), OK);
	source_close(s);

	s = open_at(k, buf_view(&single));
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_BYTES(i->id, id);
	CHECK_ERR(source_load_bodies(s, i, 1000), OK);
	CHECK_BYTES(buf_view(&i->entry->response_body), "late");
	CHECK_ERR(source_next(s, NOW, &i), ERR_END);
	source_close(s);
	buf_done(&single);
	kit_free(k);
}

int main(void)
{
	RUN_TESTS(TEST(exchanges_are_put_together), TEST(an_exchange_may_stand_in_two_segments),
		  TEST(what_nobody_answers_is_told_when_its_process_is_over),
		  TEST(a_collectors_log_holds_many_processes),
		  TEST(no_kill_loses_or_repeats_anything),
		  TEST(a_living_log_is_followed_across_restarts),
		  TEST(a_cursor_forgets_what_is_finished),
		  TEST(retention_is_told_what_is_acknowledged_and_no_more),
		  TEST(a_dead_letter_is_found_again));
}
