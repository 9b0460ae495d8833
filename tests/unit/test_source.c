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

static bool with_bodies; /* as a sink that wants them says */

static struct source *open_at(struct kit_log *k, struct bytes cursor)
{
	struct source_options options = {
		.directory = k->directory,
		.identity_count = 1,
		.identities = &k->identity,
		.with_bodies = with_bodies,
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

static void payloads_may_be_kept_until_they_are_asked_for(void)
{
	with_bodies = true;
	exchanges_are_put_together();
	with_bodies = false;
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

/* A segment that rests is looked at less often, but not when another may follow on it. */
static void order_is_kept_behind_a_rest(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct recipient both[2] = {k->identity.recipient};
	struct identity other;
	uint64_t hours = 3 * 3600000000000u;

	must(seal_new_identity(&other), "key");
	both[1] = other.recipient;
	ask(k, 1);
	CHECK_STR(all_of(s, NOW), " start");
	CHECK_STR(all_of(s, NOW + hours), "");
	put(k, REC_NOTICE, 0, "");
	CHECK_STR(all_of(s, NOW + hours + 1), "");
	k->config.recipients = both;
	k->config.recipient_count = 2;
	put_as(k, (struct record){.kind = REC_GAP, .at_ns = KIT_NOON_NS + 1});
	CHECK_U64(kit_segments(k), 2);
	CHECK_STR(all_of(s, NOW + hours + 2), " notice start gap");
	put(k, REC_GAP, 0, "");
	CHECK_STR(all_of(s, NOW + hours + 3), " gap");
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

/* As in a container: its number is nobody's here, or another's. */
static void a_process_that_cannot_be_found_may_live(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);

	k->config.boot_id = "another boot";
	ask(k, 1);
	CHECK_STR(all_of(s, NOW), " start");
	CHECK_STR(all_of(s, NOW + SOURCE_GONE_NS), " request:question/!");
	answer(k, 1);
	ask(k, 2);
	CHECK_STR(all_of(s, NOW + 2 * SOURCE_GONE_NS), " request:/answer?");
	CHECK_STR(all_of(s, NOW + 4 * SOURCE_GONE_NS), ""); /* now we know better */
	answer(k, 2);
	CHECK_STR(all_of(s, NOW + 8 * SOURCE_GONE_NS), " request:question/answer");
	ask(k, 3);
	CHECK_STR(all_of(s, NOW + 16 * SOURCE_GONE_NS), "");
	CHECK_STR(all_of(s, NOW + 3600000000000u), " request:question/!");
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

#define WRITERS   3
#define EXCHANGES 400

static void write_for_itself(struct kit_log *k, unsigned long writer)
{
	char body[3000];

	memset(body, 'x', sizeof body - 1);
	body[sizeof body - 1] = 0;
	for (unsigned long n = 1; n <= EXCHANGES; n++) {
		put(k, REC_REQUEST, writer * EXCHANGES + n, body);
		put(k, REC_RESPONSE, writer * EXCHANGES + n, n % 7 ? "short" : body);
	}
	_exit(segment_close(&k->writer, &k->config, KIT_NOON_NS) ? 1 : 0);
}

/* Writers and reader at the same time: nothing half-written is taken for damage. */
static void writers_do_not_mind_a_reader(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_item *i = NULL;
	unsigned long count = 0;
	int left = WRITERS, status;
	enum err e;

	fflush(stdout);
	for (unsigned long w = 0; w < WRITERS; w++)
		if (fork() == 0)
			write_for_itself(k, w);
	for (bool over = false; !over;) {
		while (left && waitpid(-1, &status, left < WRITERS ? 0 : WNOHANG) > 0) {
			CHECK_U64((unsigned)status, 0);
			left--;
		}
		over = left == 0;
		while ((e = source_next(s, NOW, &i)) == OK) {
			CHECK_ERR(source_ack(s, i->ticket), OK);
			CHECK_U64(i->kind, SOURCE_ENTRY);
			if (i->entry->kind != REC_REQUEST)
				continue;
			CHECK(i->entry->answered && !i->entry->orphan);
			CHECK_ERR(source_load_bodies(s, i, 10000), ERR_STATE); /* too late */
			count++;
		}
		CHECK_ERR(e, ERR_MORE);
	}
	CHECK_U64(count, WRITERS * EXCHANGES);
	source_close(s);
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
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	CHECK(cursor.len <= 100);
	put(k, REC_NOTICE, 0, "of old");
	CHECK_STR(all_of(s, LATER), " start notice");
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

/* Done, and yet behind the place in the ledger, which waits for a day that was not looked into. */
static void what_was_done_out_of_order_stays_done(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_item *i = NULL;
	struct buf cursor = {0};

	put_as(k, (struct record){.kind = REC_NOTICE, .at_ns = KIT_NOON_NS + KIT_DAY_NS});
	CHECK_ERR(segment_close(&k->writer, &k->config, KIT_NOON_NS + KIT_DAY_NS), OK);
	put(k, REC_GAP, 0, "");
	CHECK_ERR(kit_close(k), OK);
	for (int n = 0; n < 2; n++) {
		CHECK_ERR(source_next(s, NOW + KIT_DAY_NS, &i), OK);
		CHECK_ERR(source_ack(s, i->ticket), OK);
	}
	CHECK_U64(i->entry->kind, REC_GAP);
	CHECK_ERR(source_next(s, NOW + KIT_DAY_NS, &i), OK);
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	source_close(s);
	s = open_at(k, buf_view(&cursor));
	CHECK_STR(all_of(s, NOW + KIT_DAY_NS), " start notice");
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

/* ---- damage ---- */

static void flip(const char *path, uint64_t offset)
{
	struct buf file = tap_file(path);

	if (offset < file.len)
		file.at[offset] ^= 0x40;
	kit_write(path, buf_view(&file));
	buf_done(&file);
}

static void add_bytes(const char *path, struct bytes more)
{
	struct buf file = tap_file(path);

	must(buf_put(&file, more), "memory");
	kit_write(path, buf_view(&file));
	buf_done(&file);
}

/* Where the n-th record ends. */
static uint64_t end_of(struct kit_log *k, size_t n)
{
	struct segment_reader *r = NULL;
	struct segment_record record = {0};
	struct buf file = tap_file(kit_segment(k, 0));

	must(segment_reader_open(buf_view(&file), 1, &k->identity, &r), "reader");
	for (size_t i = 0; i <= n; i++)
		must(segment_next(r, &record), "record");
	segment_reader_free(r);
	buf_done(&file);
	return record.end;
}

static void child_asks_thrice(struct kit_log *k)
{
	for (unsigned long n = 1; n <= 3; n++) {
		ask(k, n);
		answer(k, n);
	}
}

static void damage_is_told_once_and_hides_nothing_else(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_state state;
	struct source_item *i = NULL;
	struct buf cursor = {0};
	char id[SOURCE_ID_CHARS] = "";

	kit_in_child(k, child_asks_thrice);
	flip(kit_segment(k, 0), end_of(k, 3) - 5); /* the second question */
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_ERR(source_ack(s, i->ticket), OK);
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_ERR(source_ack(s, i->ticket), OK);
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_U64(i->kind, SOURCE_DAMAGE);
	CHECK_U64(i->entry->kind, REC_NOTICE);
	CHECK(bytes_starts(entry_text(i->entry, F_PROBLEM),
			   BYTES("a record does not open at byte ")));
	memcpy(id, i->id.at, i->id.len + 1);
	CHECK(strstr(id, "-damage-") != NULL);
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	source_close(s);

	/* not acknowledged: told again, under the same name */
	s = open_at(k, buf_view(&cursor));
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_BYTES(i->id, id);
	CHECK_ERR(source_ack(s, i->ticket), OK);
	CHECK_STR(all_of(s, NOW), " request:/answer? request:question/answer");
	source_tell(s, &state);
	CHECK_U64(state.damaged, 0); /* it had been counted before */
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	source_close(s);
	s = open_at(k, buf_view(&cursor));
	CHECK_STR(all_of(s, NOW), "");
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

static void bytes_that_are_no_record_are_passed_over(void)
{
	static uint8_t garbage[3 * SOURCE_WINDOW_BYTES];
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_state state;
	struct buf tail = {0}, file;
	uint64_t cut;

	kit_in_child(k, child_asks_thrice);
	cut = end_of(k, 2);
	file = tap_file(kit_segment(k, 0));
	memset(garbage, 0xEE, sizeof garbage);
	must(buf_put(&tail, bytes_slice(buf_view(&file), 0, (size_t)cut)), "memory");
	must(buf_put(&tail, bytes_of(garbage, sizeof garbage)), "memory");
	must(buf_put(&tail, bytes_from(buf_view(&file), (size_t)cut)), "memory");
	kit_write(kit_segment(k, 0), buf_view(&tail));
	CHECK_STR(all_of(s, NOW), " start request:question/answer damage "
				  "request:question/answer request:question/answer");
	source_tell(s, &state);
	CHECK_U64(state.damaged, 1);

	/* at the end it may be a beginning: told when nothing has come for some time */
	add_bytes(kit_segment(k, 0), BYTES("nothing"));
	CHECK_STR(all_of(s, NOW), "");
	CHECK_STR(all_of(s, NOW + SOURCE_GONE_NS), " damage");
	CHECK_STR(all_of(s, NOW + 2 * SOURCE_GONE_NS), "");
	source_close(s);
	buf_done(&tail);
	buf_done(&file);
	kit_free(k);
}

static void a_torn_tail_is_read_again(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct buf file;

	kit_in_child(k, child_asks_thrice);
	file = tap_file(kit_segment(k, 0));
	char path[SEGMENT_PATH_MAX];
	memcpy(path, kit_segment(k, 0), sizeof path);
	uint64_t whole = end_of(k, 4);
	kit_write(path, bytes_slice(buf_view(&file), 0, (size_t)whole + 100));
	CHECK_STR(all_of(s, NOW), " start request:question/answer request:question/answer");
	CHECK_STR(all_of(s, NOW), "");
	kit_write(path, bytes_slice(buf_view(&file), 0, file.len - 1));
	CHECK_STR(all_of(s, NOW), "");
	kit_write(path, buf_view(&file));
	CHECK_STR(all_of(s, NOW), " request:question/answer");
	source_close(s);
	buf_done(&file);
	kit_free(k);
}

static void a_segment_that_vanishes_is_skipped(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct buf cursor = {0};

	kit_in_child(k, child_asks);
	CHECK_STR(all_of(s, NOW), " start request:question/answer");
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	unlink(kit_segment(k, 0));
	put(k, REC_NOTICE, 0, "");
	CHECK_STR(all_of(s, NOW), " start notice");
	source_close(s);
	s = open_at(k, buf_view(&cursor));
	CHECK_STR(all_of(s, NOW), " start notice");
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

static void a_segment_that_no_key_opens_is_told_once_and_holds_retention(void)
{
	struct kit_log *k = kit_new();
	struct identity other;
	struct source *s;
	struct source_state state;
	struct acked_open *open = NULL;
	struct buf cursor = {0};
	uint64_t entries;
	size_t count;

	must(seal_new_identity(&other), "key");
	k->config.recipients = &other.recipient;
	ask(k, 1);
	CHECK_ERR(kit_close(k), OK);
	kit_write(kit_path(k, KIT_DAY "/none.aigw"), BYTES("this is no segment"));
	s = open_new(k);
	CHECK_STR(all_of(s, NOW), " unopened unopened");
	CHECK_STR(all_of(s, NOW), "");
	source_tell(s, &state);
	CHECK_U64(state.unopened, 1);
	CHECK_U64(state.unreadable, 1);
	CHECK_ERR(source_acked(s, &entries, &open, &count), OK);
	CHECK_U64(entries, 3);
	CHECK_U64(count, 1);
	CHECK_U64(count ? open[0].bytes : 1, 0);
	free(open);
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	source_close(s);
	s = open_at(k, buf_view(&cursor));
	CHECK_STR(all_of(s, NOW), "");
	CHECK_ERR(source_acked(s, &entries, &open, &count), OK);
	CHECK(count >= 1 && open[0].bytes == 0);
	free(open);
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

/* ---- large and many ---- */

static void a_record_larger_than_a_window_is_read(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_item *i = NULL;
	size_t len = 5 * SOURCE_WINDOW_BYTES / 2;
	char *body = calloc(1, len + 1);

	if (!body)
		kit_bail("memory");
	memset(body, 'x', len);
	for (unsigned long n = 1; n <= 2; n++) {
		put(k, REC_REQUEST, n, body);
		answer(k, n);
	}
	CHECK_ERR(source_next(s, NOW, &i), OK);
	for (unsigned long n = 1; n <= 2; n++) {
		CHECK_ERR(source_next(s, NOW, &i), OK);
		CHECK_ERR(source_load_bodies(s, i, len), ERR_LIMIT); /* and six for the answer */
		CHECK_U64(i->entry->request_body.len, 0);
		CHECK_BYTES(entry_text(i->entry, F_REQUEST_HEADERS), "Host: a\r\n");
	}
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	source_close(s);
	s = open_new(k);
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK(entry_text(i->entry, F_REQUEST_HEADERS).len == 0);
	CHECK_ERR(source_load_bodies(s, i, len + 6), OK);
	CHECK_U64(i->entry->request_body.len, len);
	CHECK_BYTES(buf_view(&i->entry->response_body), "answer");
	source_close(s);
	free(body);
	kit_free(k);
}

static void payloads_of_either_way_are_the_same(void)
{
	with_bodies = true;
	a_record_larger_than_a_window_is_read();
	with_bodies = false;
}

static void too_many_that_wait_are_told_as_they_are(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_item *i = NULL;
	struct source_state state;
	struct buf cursor = {0};
	char id[SOURCE_ID_CHARS];

	for (unsigned long n = 1; n <= SOURCE_WAITING_MAX; n++)
		ask(k, n);
	CHECK_STR(all_of(s, NOW), " start");
	ask(k, SOURCE_WAITING_MAX + 1);
	CHECK_ERR(source_next(s, NOW, &i), OK); /* the oldest */
	CHECK(!i->entry->answered && !i->entry->orphan);
	memcpy(id, i->id.at, i->id.len + 1);
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	source_tell(s, &state);
	CHECK_U64(state.waiting, SOURCE_WAITING_MAX);
	answer(k, 1);
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	/* its answer is an item of its own, and has a name of its own */
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK(i->entry->orphan && bytes_starts(i->id, bytes_str(id)) && i->id.len > strlen(id));
	source_close(s);

	/* killed before it was acknowledged: the same again, although the answer is there */
	s = open_at(k, buf_view(&cursor));
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_BYTES(i->id, id);
	CHECK(!i->entry->answered);
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK(i->entry->orphan);
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

static void memory_does_not_grow_with_the_backlog(void)
{
	struct kit_log *k = kit_new();
	struct source_item *i = NULL;
	struct rusage before, after;
	unsigned long count = 0, exchanges = KIT_SLOW ? 2000 : 50000;
	struct source *s;

	for (unsigned long n = 1; n <= exchanges; n++) {
		ask(k, n);
		answer(k, n);
	}
	s = open_new(k);
	getrusage(RUSAGE_SELF, &before);
	while (source_next(s, NOW, &i) == OK) {
		CHECK_ERR(source_ack(s, i->ticket), OK);
		count++;
	}
	getrusage(RUSAGE_SELF, &after);
	CHECK_U64(count, exchanges + 1);
	if (!KIT_SLOW && after.ru_maxrss - before.ru_maxrss > 8 << 10)
		tap_fail(__FILE__, __LINE__, "%ld KiB more for %lu items",
			 after.ru_maxrss - before.ru_maxrss, count);
	source_close(s);
	kit_free(k);
}

/* ---- whole segments ---- */

static struct source *open_sealed(struct kit_log *k, struct bytes cursor)
{
	struct source_options options = {.directory = k->directory};
	struct source *s = NULL;

	must(source_open(&options, cursor, &s), "source_open");
	return s;
}

static void without_a_key_finished_segments_are_told(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_sealed(k, BYTES_NONE);
	struct source_item *i = NULL;
	struct buf cursor = {0}, file;
	struct bytes view;
	uint8_t digest[SEAL_DIGEST_BYTES];
	char id[SOURCE_ID_CHARS] = "", expected[SOURCE_ID_CHARS];
	struct acked_open *open = NULL;
	uint64_t entries;
	size_t count;

	ask(k, 1);
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE); /* it is being written to */
	answer(k, 1);
	CHECK_ERR(kit_close(k), OK);
	CHECK_ERR(source_next(s, NOW, &i), OK);
	file = tap_file(kit_segment(k, 0));
	view = buf_view(&file);
	file_digest_of(view, digest);
	CHECK_U64(i->kind, SOURCE_SEGMENT);
	CHECK(i->entry == NULL && i->ended);
	CHECK_STR(i->path, kit_segment(k, 0));
	CHECK_U64(i->records, 4);
	CHECK_U64(i->bytes, file.len);
	CHECK(memcmp(i->digest, digest, sizeof digest) == 0);
	memcpy(id, i->id.at, i->id.len + 1);
	snprintf(expected, sizeof expected, "-%zu", file.len);
	CHECK(bytes_ends(i->id, bytes_str(expected)));
	uint64_t ticket = i->ticket;
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	CHECK_ERR(source_acked(s, &entries, &open, &count), OK);
	CHECK_U64(count ? open[0].bytes : 1, 0);
	free(open);
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	source_close(s);

	s = open_sealed(k, buf_view(&cursor));
	CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_BYTES(i->id, id);
	CHECK_ERR(source_ack(s, ticket), ERR_MISSING); /* of another run */
	CHECK_ERR(source_ack(s, i->ticket), OK);
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	CHECK_ERR(source_acked(s, &entries, &open, &count), OK);
	CHECK_U64(entries, 3);
	CHECK_U64(count, 0);
	free(open);
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	source_close(s);
	s = open_sealed(k, buf_view(&cursor));
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	/* of a process that is gone */
	kit_in_child(k, child_asks);
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	CHECK_ERR(source_next(s, NOW + SOURCE_GONE_NS, &i), OK);
	CHECK(!i->ended);
	CHECK_U64(i->records, 5);
	source_close(s);
	buf_done(&file);
	buf_done(&cursor);
	kit_free(k);
}

/* ---- beginnings ---- */

static void a_new_sink_may_begin_with_what_comes(void)
{
	struct kit_log *k = kit_new();
	struct source_options options = {
		.directory = k->directory,
		.identity_count = 1,
		.identities = &k->identity,
		.from_now = true,
	};
	struct source *s = NULL;
	struct buf cursor = {0};

	kit_in_child(k, child_asks_thrice);
	ask(k, 1);
	answer(k, 1);
	must(source_open(&options, BYTES_NONE, &s), "source_open");
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	CHECK_U64(cursor.len, 0); /* where "now" is has not been seen yet */
	CHECK_STR(all_of(s, NOW), "");
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	ask(k, 2);
	answer(k, 2);
	CHECK_STR(all_of(s, NOW), " request:question/answer");
	source_close(s);
	must(source_open(&options, buf_view(&cursor), &s), "source_open");
	CHECK_STR(all_of(s, NOW), " request:question/answer");
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

static void a_lost_ledger_repeats_little_and_loses_nothing(void)
{
	struct kit_log *k = kit_new();
	struct source *s;
	struct buf cursor = {0};

	for (unsigned long n = 1; n <= 20; n++) {
		put_as(k,
		       (struct record){.kind = REC_NOTICE, .at_ns = KIT_NOON_NS + n * KIT_DAY_NS});
		CHECK_ERR(segment_close(&k->writer, &k->config, KIT_NOON_NS + n * KIT_DAY_NS), OK);
	}
	s = open_new(k);
	(void)all_of(s, NOW + 20 * KIT_DAY_NS);
	CHECK_STR(all_of(s, NOW + 20 * KIT_DAY_NS), "");
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	source_close(s);
	unlink(kit_path(k, LEDGER_FILE));
	unlink(kit_path(k, LEDGER_STATE_FILE));
	put_as(k, (struct record){.kind = REC_GAP, .at_ns = KIT_NOON_NS + 20 * KIT_DAY_NS + 1});
	s = open_at(k, buf_view(&cursor));
	/* only days of late, which the ledger alone tells apart, come twice */
	CHECK_STR(all_of(s, NOW + 20 * KIT_DAY_NS),
		  " start notice start notice start notice start notice start gap");
	CHECK_STR(all_of(s, NOW + 20 * KIT_DAY_NS), "");
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

static void no_directory_is_no_hindrance(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_item *i = NULL;
	struct buf cursor = {0};

	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	source_close(s);
	s = open_at(k, buf_view(&cursor));
	put(k, REC_NOTICE, 0, "");
	CHECK_STR(all_of(s, NOW), " start notice");
	source_close(s);
	buf_done(&cursor);
	kit_free(k);
}

/* ---- memory that is not there ---- */

static struct kit_log *poor;
static unsigned long poor_items;

static enum err drain_poorly(void)
{
	struct source_options options = {
		.directory = poor->directory,
		.identity_count = 1,
		.identities = &poor->identity,
		.with_bodies = with_bodies,
	};
	struct source *s = NULL;
	struct source_item *i = NULL;
	struct buf cursor = {0};
	struct acked_open *open = NULL;
	unsigned long count = 0;
	uint64_t entries;
	size_t open_count;
	bool failed = false;
	enum err e = source_open(&options, BYTES_NONE, &s), last = OK;

	if (e)
		return e;
	while ((e = source_next(s, NOW + 2 * SOURCE_GONE_NS, &i)) == OK || e == ERR_NOMEM) {
		failed |= e == ERR_NOMEM;
		if (e)
			continue;
		count++;
		if (i->entry->kind == REC_REQUEST &&
		    (last = source_load_bodies(s, i, 1000)) == ERR_NOMEM) {
			failed = true;
			last = source_load_bodies(s, i, 1000);
		}
		CHECK_ERR(last, OK);
		if (count % 2)
			continue;
		CHECK_ERR(source_ack(s, i->ticket), OK);
	}
	CHECK_ERR(e, ERR_MORE);
	if (poor_items)
		CHECK_U64(count, poor_items);
	poor_items = count;
	failed |= source_cursor_put(s, &cursor) == ERR_NOMEM;
	if (source_acked(s, &entries, &open, &open_count) == OK)
		free(open);
	else
		failed = true;
	source_close(s);
	s = NULL;
	if (cursor.len && !failed) {
		failed = source_open(&options, buf_view(&cursor), &s) == ERR_NOMEM;
		source_close(s);
	}
	buf_done(&cursor);
	return failed ? ERR_NOMEM : OK;
}

static void no_lack_of_memory_loses_an_item(void)
{
	poor = kit_new();
	poor_items = 0;
	kit_in_child(poor, child_asks);
	kit_in_child(poor, child_asks_thrice);
	put(poor, REC_RESPONSE, 9, "orphan");
	CHECK_ERR(drain_poorly(), OK);
	tap_fail_each_allocation(drain_poorly);
	with_bodies = true;
	tap_fail_each_allocation(drain_poorly);
	with_bodies = false;
	kit_free(poor);
}

/* ---- bytes as a cursor ---- */

static void a_damaged_cursor_is_none(void)
{
	struct kit_log *k = kit_new();
	struct source *s = open_new(k);
	struct source_item *i = NULL;
	struct buf cursor = {0};
	struct progress_head head;
	struct bytes rest, whole;

	ask(k, 1);
	answer(k, 1);
	ask(k, 2);
	for (int n = 0; n < 2; n++)
		CHECK_ERR(source_next(s, NOW, &i), OK);
	CHECK_ERR(source_next(s, NOW, &i), ERR_MORE);
	CHECK_ERR(source_cursor_put(s, &cursor), OK);
	whole = buf_view(&cursor);
	CHECK_ERR(progress_parse(tap_guarded(whole), &head, &rest), OK);
	for (size_t len = 0; len < whole.len; len++)
		CHECK_ERR(progress_parse(tap_guarded(bytes_slice(whole, 0, len)), &head, &rest),
			  ERR_BAD);
	for (size_t at = 0; at < whole.len; at++) {
		cursor.at[at] ^= 0x10;
		enum err e = progress_parse(tap_guarded(whole), &head, &rest);
		CHECK(e == ERR_BAD || (e == ERR_UNSUPPORTED && at >= 8 && at < 12));
		cursor.at[at] ^= 0x10;
	}
	source_close(s);
	struct source_options sealed = {.directory = k->directory};
	CHECK_ERR(source_open(&sealed, whole, &s), ERR_BAD); /* of the other kind of source */
	buf_done(&cursor);
	kit_free(k);
}

static void paths_of_a_cursor_stay_below_the_directory(void)
{
	static const char *const odd[] = {
		"",
		"/",
		"2026-11-24",
		"2026-11-24/",
		"2026-11-24/.aigw",
		"2026-11-24/../x.aigw",
		"../2026-11-24/x.aigw",
		"/2026-11-24/x.aigw",
		"2026-11-24/x/y.aigw",
		"2026-11-24/x.aigw.keys",
		"2026-02-30/x.aigw",
		"2026-11-24/.x.aigw",
	};
	uint64_t day = 0;

	CHECK(progress_is_path(BYTES("2026-11-24/h-1-00.aigw"), &day));
	CHECK_U64(day, KIT_NOON_NS / KIT_DAY_NS);
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
		CHECK(!progress_is_path(tap_guarded(bytes_str(odd[i])), &day));
	CHECK(!progress_is_path(BYTES("2026-11-24/x\0y.aigw"), &day));
}

int main(void)
{
	RUN_TESTS(TEST(exchanges_are_put_together),
		  TEST(payloads_may_be_kept_until_they_are_asked_for),
		  TEST(an_exchange_may_stand_in_two_segments), TEST(order_is_kept_behind_a_rest),
		  TEST(what_nobody_answers_is_told_when_its_process_is_over),
		  TEST(a_process_that_cannot_be_found_may_live),
		  TEST(a_collectors_log_holds_many_processes),
		  TEST(no_kill_loses_or_repeats_anything),
		  TEST(a_living_log_is_followed_across_restarts),
		  TEST(writers_do_not_mind_a_reader), TEST(a_cursor_forgets_what_is_finished),
		  TEST(what_was_done_out_of_order_stays_done),
		  TEST(retention_is_told_what_is_acknowledged_and_no_more),
		  TEST(a_dead_letter_is_found_again),
		  TEST(damage_is_told_once_and_hides_nothing_else),
		  TEST(bytes_that_are_no_record_are_passed_over), TEST(a_torn_tail_is_read_again),
		  TEST(a_segment_that_vanishes_is_skipped),
		  TEST(a_segment_that_no_key_opens_is_told_once_and_holds_retention),
		  TEST(a_record_larger_than_a_window_is_read),
		  TEST(payloads_of_either_way_are_the_same),
		  TEST(too_many_that_wait_are_told_as_they_are),
		  TEST(memory_does_not_grow_with_the_backlog),
		  TEST(without_a_key_finished_segments_are_told),
		  TEST(a_new_sink_may_begin_with_what_comes),
		  TEST(a_lost_ledger_repeats_little_and_loses_nothing),
		  TEST(no_directory_is_no_hindrance), TEST(no_lack_of_memory_loses_an_item),
		  TEST(a_damaged_cursor_is_none), TEST(paths_of_a_cursor_stay_below_the_directory));
}
