/* SPDX-License-Identifier: MIT */
#include "shim/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "shim/init.h"
#include "shim/self.h"

#define LOOK_AGAIN_NS      250000000u
#define RULES_FORK_WAIT_NS 100000000u

static struct lock lock;
static __thread bool fork_locked __attribute__((tls_model("initial-exec")));
static struct rules *current;
static struct file_version version;
static char version_path[PATH_MAX_BYTES];
static uint64_t looked_ns;
static bool looks_again; /* the last try said nothing of the file */
static struct {
	bool pending; /* atomic: looked at without the lock */
	char before[72], after[72], problem[600];
} change;

/* Copies as much as fits, at most cap - 1 bytes, and ends it. */
static void put_text(char *out, size_t cap, size_t *len, const char *text)
{
	size_t n = strlen(text);

	if (n > cap - 1 - *len)
		n = cap - 1 - *len;
	memcpy(out + *len, text, n);
	*len += n;
	out[*len] = '\0';
}

static void set_problem(struct rules *r, const char *code, const char *a, const char *b,
			const char *c)
{
	size_t len = 0;

	r->code = code;
	put_text(r->problem, sizeof r->problem, &len, a);
	put_text(r->problem, sizeof r->problem, &len, b);
	put_text(r->problem, sizeof r->problem, &len, c);
}

static void put_number(char *out, size_t cap, size_t *len, uint32_t value)
{
	struct buf b = {0};

	if (!buf_put_decimal(&b, value) && !buf_put_u8(&b, '\0'))
		put_text(out, cap, len, (const char *)b.at);
	buf_done(&b);
}

static void set_digest(struct rules *r, struct bytes text)
{
	struct buf hex = {0};
	size_t len = 0;

	seal_sha256(text, r->policy->digest);
	if (!buf_put_hex(&hex, bytes_of(r->policy->digest, 32)) && !buf_put_u8(&hex, '\0')) {
		put_text(r->digest, sizeof r->digest, &len, "sha256:");
		put_text(r->digest, sizeof r->digest, &len, (const char *)hex.at);
	}
	buf_done(&hex);
}

static void set_recipients(struct rules *r)
{
	for (size_t i = 0; i < r->policy->audit.recipient_count; i++) {
		if (seal_parse_recipient(r->policy->audit.recipients[i],
					 &r->recipients[r->recipient_count])) {
			r->recipient_count = 0;
			set_problem(r, "no_audit_key", "an audit recipient in ", r->places.policy,
				    " is mistyped; put the aigw1... key of the auditor there, or "
				    "run: aigw init");
			return;
		}
		r->recipient_count++;
	}
	if (r->recipient_count == 0)
		set_problem(r, "no_audit_key", "no audit recipient in ", r->places.policy,
			    "; run: aigw init");
}

/* Of the system's making, and gone in a moment: says nothing of the policy. */
static bool may_pass(enum err e)
{
	return e == ERR_NOMEM || e == ERR_IO;
}

static void load_into(struct rules *r)
{
	struct policy_problem problem = {0};
	struct buf text = {0};
	enum err e = load_policy(r->places.policy, &r->policy, &text, &problem);

	if (e == ERR_MISSING) {
		set_problem(r, "no_policy", "there is no policy at ", r->places.policy,
			    "; run: aigw init");
	} else if (may_pass(e)) {
		r->unknown = true;
		set_problem(r, "broken_policy", r->places.policy,
			    " cannot be read just now; try again: ", err_text(e));
	} else if (e) {
		size_t len = 0;
		r->policy = NULL;
		set_problem(r, "broken_policy", r->places.policy, ":", "");
		len = strlen(r->problem);
		put_number(r->problem, sizeof r->problem, &len, problem.line);
		put_text(r->problem, sizeof r->problem, &len, ":");
		put_number(r->problem, sizeof r->problem, &len, problem.column);
		put_text(r->problem, sizeof r->problem, &len, ": ");
		put_text(r->problem, sizeof r->problem, &len,
			 problem.text[0] ? problem.text : err_text(e));
		put_text(r->problem, sizeof r->problem, &len, "; try: aigw policy check ");
		put_text(r->problem, sizeof r->problem, &len, r->places.policy);
	} else {
		set_digest(r, buf_view(&text));
		set_recipients(r);
		if (r->policy->audit.directory.len &&
		    r->policy->audit.directory.len < sizeof r->places.audit) {
			memcpy(r->places.audit, r->policy->audit.directory.at,
			       r->policy->audit.directory.len);
			r->places.audit[r->policy->audit.directory.len] = '\0';
		}
	}
	buf_done(&text);
}

static void free_rules(struct rules *r)
{
	policy_free(r->policy);
	free(r);
}

static void note_change(const struct rules *fresh)
{
	size_t before = 0, after = 0, problem = 0;

	__atomic_store_n(&change.pending, true, __ATOMIC_RELAXED);
	put_text(change.before, sizeof change.before, &before, current->digest);
	put_text(change.after, sizeof change.after, &after, fresh->digest);
	put_text(change.problem, sizeof change.problem, &problem, fresh->problem);
}

/* Takes a newer file in. The lock is held. */
static void refresh(void)
{
	struct file_version now;
	struct rules *fresh = calloc(1, sizeof *fresh);
	bool again = rules_are_unknown(current);
	enum err e = OK;

	if (!fresh)
		return;
	if (again && seal_init()) {
		fresh->unknown = true;
		set_problem(fresh, "no_policy", "the cryptographic library does not start", "", "");
	} else if ((e = self_places(&fresh->places))) {
		fresh->unknown = may_pass(e);
		set_problem(fresh, "no_policy", "no home directory is known for this user; set ",
			    "AIGW_HOME", "");
	}
	load_file_version(fresh->places.policy, &now);
	if (!again && !looks_again && file_version_equal(&now, &version) &&
	    strcmp(version_path, fresh->places.policy) == 0) {
		free(fresh);
		return;
	}
	if (!fresh->problem[0])
		load_into(fresh);
	version = now;
	looks_again = fresh->unknown;
	memcpy(version_path, fresh->places.policy, sizeof version_path);
	if (current && strcmp(current->digest, fresh->digest) == 0 && !fresh->problem[0]) {
		free_rules(fresh);
		return; /* written again with the same content */
	}
	if (current && !again && !fresh->unknown)
		note_change(fresh);
	/* The last good one stays in force. */
	if (current && !current->problem[0] && fresh->problem[0]) {
		free_rules(fresh);
		return;
	}
	fresh->users = 1;
	/* Without rules nothing is counted or recorded. */
	__atomic_store_n(&init_stop_needed, true, __ATOMIC_RELEASE);
	struct rules *old = current;
	current = fresh;
	if (old && __atomic_sub_fetch(&old->users, 1, __ATOMIC_ACQ_REL) == 0)
		free_rules(old);
}

bool rules_are_unknown(const struct rules *r)
{
	return !r || r->unknown;
}

struct rules *rules_take(void)
{
	uint64_t now_ns = sys_tick_ns();
	struct rules *r;

	if (!lock_take(&lock))
		return NULL;
	if (!current || now_ns - looked_ns > LOOK_AGAIN_NS) {
		looked_ns = now_ns;
		refresh();
	}
	r = current;
	if (r)
		__atomic_add_fetch(&r->users, 1, __ATOMIC_RELAXED);
	lock_drop(&lock);
	return r;
}

void rules_drop(struct rules *r)
{
	if (r && __atomic_sub_fetch(&r->users, 1, __ATOMIC_ACQ_REL) == 0)
		free_rules(r);
}

bool rules_take_change(char ret_before[72], char ret_after[72], char ret_problem[600])
{
	bool pending;

	if (!__atomic_load_n(&change.pending, __ATOMIC_RELAXED) || !lock_take(&lock))
		return false;
	pending = change.pending;
	if (pending) {
		memcpy(ret_before, change.before, sizeof change.before);
		memcpy(ret_after, change.after, sizeof change.after);
		memcpy(ret_problem, change.problem, sizeof change.problem);
		__atomic_store_n(&change.pending, false, __ATOMIC_RELAXED);
	}
	lock_drop(&lock);
	return pending;
}

void rules_before_fork(void)
{
	fork_locked = lock_take_within(&lock, RULES_FORK_WAIT_NS);
}

void rules_after_fork(void)
{
	if (fork_locked)
		lock_drop(&lock);
}

void rules_in_child(void)
{
	lock_reset(&lock);
}
