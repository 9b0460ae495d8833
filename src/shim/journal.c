/* SPDX-License-Identifier: MIT */
#include "shim/journal.h"

#include <string.h>

#include "aigw/collect.h"
#include "audit/collector.h"
#include "audit/segment.h"
#include "base/sys.h"

#define FORK_WAIT_NS 100000000u

static struct lock lock;
static __thread bool fork_locked __attribute__((tls_model("initial-exec")));
static bool forked; /* the writer's content is the parent's */
static struct segment_writer writer;
static char directory[PATH_MAX_BYTES];
/* What could not be recorded since the last record that could. */
static struct {
	uint64_t count, since_ns;
	pid_t pid; /* a child of vfork shares this memory, not the gap */
} gap;

static void count_gap(uint64_t now_ns)
{
	if (gap.count++ == 0) {
		gap.since_ns = now_ns;
		gap.pid = sys_process();
	}
}

static uint32_t wanted_facts(const struct rules *r)
{
	return r->policy ? r->policy->wanted_facts : 0;
}

const struct self *journal_self(const struct rules *r)
{
	static const struct self nothing;
	const struct self *s = self_known(wanted_facts(r));

	if (s)
		return s;
	if (!lock_take(&lock))
		return &nothing;
	s = self_facts(&r->places, wanted_facts(r));
	lock_drop(&lock);
	return s;
}

static void configure(struct segment_config *config, const struct rules *r, const struct self *s)
{
	memset(config, 0, sizeof *config);
	config->directory = r->places.audit;
	config->recipient_count = r->recipient_count;
	config->recipients = r->recipients;
	if (r->policy) {
		config->synced = r->policy->audit.durability == DURABLE_SYNCED;
		memcpy(config->policy_digest, r->policy->digest, 32);
	}
	config->host = s->host;
	config->boot_id = s->boot_id;
	config->start_record = buf_view(&s->start);
}

static bool is_collected(const struct rules *r)
{
	return r->policy && r->policy->audit.via == VIA_COLLECTOR;
}

/* Another directory needs another segment (other recipients too: the writer sees to that), and the
 * collector none at all. */
static void rotate_if_changed(const struct rules *r, const struct segment_config *config,
			      uint64_t now_ns)
{
	if (strcmp(directory, config->directory) == 0 && !(is_collected(r) && writer.open))
		return;
	if (writer.open) {
		struct segment_config old = *config;
		old.directory = directory;
		(void)segment_close(&writer, &old, now_ns);
	}
	memcpy(directory, config->directory, strlen(config->directory) + 1);
}

enum err journal_put_trouble(const struct rules *r, struct buf *text)
{
	bool collected = is_collected(r);
	enum err e = buf_put_str(text, collected ? "the collector at " : "the audit log in ");

	if (!e && !collected)
		e = buf_put_str(text, r->places.audit);
	else if (!e && r->policy->audit.socket.len)
		e = buf_put(text, r->policy->audit.socket);
	else if (!e)
		e = buf_put_str(text, COLLECT_SOCKET);
	return e ? e
		 : buf_put_str(text,
			       collected ? " (aigwd) does not keep records" : " cannot be written");
}

static enum err collect(const struct rules *r, const struct segment_config *config,
			enum record_kind kind, struct bytes record, bool *ret_counted)
{
	const struct bytes path = r->policy->audit.socket;
	char socket[PATH_MAX_BYTES] = COLLECT_SOCKET;
	const struct collector_record wish = {socket, kind, record, config->start_record};

	if (path.len >= sizeof socket)
		return ERR_LIMIT;
	if (path.len) {
		memcpy(socket, path.at, path.len);
		socket[path.len] = '\0';
	}
	return collector_append(&wish, ret_counted);
}

/* Where the policy says. A loss is counted here, unless the collector counts it itself. */
static enum err put(const struct rules *r, const struct segment_config *config,
		    enum record_kind kind, uint64_t now_ns, struct bytes record)
{
	bool counted = false;
	enum err e = is_collected(r) ? collect(r, config, kind, record, &counted)
				     : segment_append(&writer, config, kind, now_ns, record);

	if (e && !counted && kind != REC_GAP)
		count_gap(now_ns);
	return e;
}

static void append_gap(const struct rules *r, const struct segment_config *config, uint64_t now_ns)
{
	struct buf record = {0};

	if (gap.count && !record_put_u64(&record, F_GAP_COUNT, gap.count) &&
	    !record_put_u64(&record, F_GAP_SINCE_NS, gap.since_ns) &&
	    !put(r, config, REC_GAP, now_ns, buf_view(&record)))
		gap.count = 0;
	buf_done(&record);
}

static void append_due(const struct rules *r, const struct segment_config *config, uint64_t now_ns)
{
	char before[72], after[72], problem[600];
	struct buf record = {0};

	append_gap(r, config, now_ns);
	if (!rules_take_change(before, after, problem))
		return;
	/* A change that does not get into the log, for want of memory too, is a gap like any other.
	 */
	if (record_put(&record, F_POLICY_PATH, bytes_str(r->places.policy)) ||
	    record_put_if(&record, F_POLICY_BEFORE, bytes_str(before)) ||
	    record_put_if(&record, F_POLICY_AFTER, bytes_str(after)) ||
	    record_put_if(&record, F_PROBLEM, bytes_str(problem)))
		count_gap(now_ns);
	else
		(void)!put(r, config, REC_POLICY_CHANGE, now_ns, buf_view(&record));
	buf_done(&record);
}

/* After fork: what the parent had open is forgotten, not touched. If the fork came in the middle of
 * an append, nothing of the writer can be trusted, not even its pointers. The lock is held. */
static void leave_parent(void)
{
	if (!forked)
		return;
	forked = false;
	if (fork_locked)
		segment_forget(&writer);
	else
		wipe(&writer, sizeof writer);
	gap.count = 0;
	collector_close();
}

enum err journal_append(struct rules *r, enum record_kind kind, enum err made, struct bytes record)
{
	struct segment_config config;
	uint64_t now_ns;
	enum err e;

	if (r->recipient_count == 0)
		return ERR_MISSING;
	if (!lock_take(&lock))
		return ERR_STATE;
	now_ns = sys_now_ns(); /* not that of before the wait */
	leave_parent();
	if (made) {
		count_gap(now_ns);
		lock_drop(&lock);
		return made;
	}
	configure(&config, r, self_facts(&r->places, wanted_facts(r)));
	rotate_if_changed(r, &config, now_ns);
	e = put(r, &config, kind, now_ns, record);
	if (!e)
		append_due(r, &config, now_ns);
	lock_drop(&lock);
	return e;
}

bool journal_settle(size_t bytes_max)
{
	bool more = false;

	if (!lock_try(&lock))
		return false; /* others append: who needs the room settles */
	if (!forked)
		more = segment_settle(&writer, bytes_max);
	lock_drop(&lock);
	return more;
}

void journal_close(void)
{
	struct segment_config config;
	struct rules *r;

	uint64_t now_ns = sys_now_ns();
	bool has_open = writer.open && writer.pid == sys_process();

	/* The connection to the collector ends with the process. The child of a vfork, or of a fork
	 * that never wrote, has nothing open of its own. */
	if (forked || !(has_open || (gap.count && gap.pid == sys_process())))
		return;
	r = rules_take();
	if (!r)
		return;
	if (lock_take(&lock)) {
		configure(&config, r, self_facts(&r->places, wanted_facts(r)));
		/* The last chance to tell of what could not be recorded; it may need a segment. */
		if (gap.count && r->recipient_count) {
			rotate_if_changed(r, &config, now_ns);
			append_gap(r, &config, now_ns);
		}
		config.directory = directory;
		(void)segment_close(&writer, &config, now_ns);
		lock_drop(&lock);
	}
	rules_drop(r);
}

void journal_before_fork(void)
{
	fork_locked = lock_take_within(&lock, FORK_WAIT_NS);
}

void journal_after_fork(void)
{
	if (fork_locked)
		lock_drop(&lock);
}

void journal_in_child(void)
{
	lock_reset(&lock);
	forked = true;
}
