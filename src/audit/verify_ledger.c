/* SPDX-License-Identifier: MIT */
#include "audit/verify_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "audit/note.h"
#include "base/files.h"
#include "base/sys.h"

#define LEDGER_READS     4        /* while its writers are at work */
#define LEDGER_WAIT_STEP 20000000 /* ns between two of them */

static enum err grow(void **at, size_t *cap, size_t count, size_t size)
{
	size_t more = *cap ? *cap * 2 : 64;
	void *to;

	if (count < *cap)
		return OK;
	if (more > SIZE_MAX / size)
		return ERR_NOMEM;
	to = realloc(*at, more * size);
	if (!to)
		return ERR_NOMEM;
	*at = to;
	*cap = more;
	return OK;
}

static enum err keep_entry(struct run *v, const struct ledger_found *found)
{
	enum err e;

	if (found->entry.kind == FORMAT_LEDGER_EPOCH)
		return OK;
	e = grow((void **)&v->mentions, &v->mention_cap, v->mention_count, sizeof *v->mentions);
	if (e)
		return e;
	struct mention *m = &v->mentions[v->mention_count++];
	memcpy(m->segment_id, found->entry.segment_id, sizeof m->segment_id);
	m->offset = found->item.offset;
	return OK;
}

/* The chain after entry `number`; entries that were not found leave zeros, which match nothing. */
static enum err keep_chain(struct run *v, uint64_t number, const uint8_t chain[32])
{
	if (number < v->chain_count || number > v->ledger.len / sizeof(struct format_ledger))
		return OK; /* out of order, or beyond what fits into the file: reported already */
	while (v->chain_count <= number) {
		enum err e = grow((void **)&v->chains, &v->chain_cap, v->chain_count,
				  sizeof *v->chains);
		if (e)
			return e;
		memset(v->chains[v->chain_count++], 0, sizeof *v->chains);
	}
	memcpy(v->chains[number], chain, 32);
	return OK;
}

static void tell_entry(struct run *v, const char *path, const struct ledger_found *found)
{
	uint64_t offset = found->item.offset, number = found->item.head.number;
	uint32_t flags = found->known ? found->entry.epoch_flags : 0;
	bool rebooted = (flags & FORMAT_EPOCH_LEDGER_SHORT) && (flags & FORMAT_EPOCH_REBOOTED) &&
			!(flags & (FORMAT_EPOCH_STATE_LOST | FORMAT_EPOCH_UNFIT));

	if (found->mac_checked && !found->mac_right)
		verify_tell(v, VERDICT_TAMPERED, "ledger_forged", path, offset, number,
			    "this ledger entry was not made by the writers' key");
	else if (!found->seed_right && found->known && found->entry.kind == FORMAT_LEDGER_EPOCH)
		verify_tell(v, VERDICT_TAMPERED, "ledger_forged", path, offset, number,
			    "this ledger epoch does not descend from the one before it");
	if (!found->mac_checked)
		v->result.ledger_unsealed++;
	if (rebooted) {
		v->ledger_lost = true;
		verify_tell(v, VERDICT_INCOMPLETE, "ledger_lost", path, offset, number,
			    "ledger entries were lost before the host was started anew: a power "
			    "cut, or "
			    "somebody cut the ledger then");
	} else if (flags) {
		verify_tell(
			v, VERDICT_TAMPERED, "ledger_restarted", path, offset, number,
			"a writer found the ledger or its key removed, cut or replaced, and began "
			"anew");
	} else if (!found->chained) {
		verify_tell(v, VERDICT_TAMPERED, "ledger_chain", path, offset, number,
			    "this ledger entry does not follow on the one before it");
	}
	if (!found->skip_torn)
		verify_tell(v, VERDICT_TAMPERED, "ledger_changed", path, offset, number,
			    "foreign bytes stand before this ledger entry");
	if (!found->known && found->item.head.kind <= FORMAT_LEDGER_RETIRED)
		verify_tell(v, VERDICT_TAMPERED, "ledger_changed", path, offset, number,
			    "this ledger entry is malformed");
}

static void compare_state(struct run *v, const struct ledger_reader *r, const char *path,
			  const char *state_path, enum err state_err)
{
	struct format_state state;
	char boot_id[sizeof state.boot_id + 1];

	if (state_err == ERR_MISSING || state_err == ERR_ACCESS) {
		verify_tell(v, VERDICT_INCOMPLETE, "ledger_key_missing", state_path, NO_OFFSET,
			    NO_SEQUENCE,
			    "without this file nobody can tell whether the ledger's last entries "
			    "were cut "
			    "off");
		return;
	}
	if (state_err || ledger_parse_state(buf_view(&v->state), &state)) {
		verify_tell(v, VERDICT_TAMPERED, "ledger_key_changed", state_path, NO_OFFSET,
			    NO_SEQUENCE, "the writers' state of the ledger is damaged");
		return;
	}
	memcpy(boot_id, state.boot_id, sizeof state.boot_id);
	boot_id[sizeof state.boot_id] = '\0';
	bool whole = state.entries == r->number;
	bool known = state.entries == 0 || (state.entries <= v->chain_count &&
					    seal_equal(v->chains[state.entries - 1], state.chain));
	if (state.entries > r->number && verify_other_boot(v, boot_id)) {
		v->ledger_lost = true;
		verify_tell(v, VERDICT_INCOMPLETE, "ledger_lost", path, r->at, r->number,
			    "the last ledger entries were lost before the host was started anew: a "
			    "power "
			    "cut, or somebody cut the ledger then");
	} else if (state.entries > r->number) {
		verify_tell(v, VERDICT_TAMPERED, "ledger_cut", path, r->at, r->number,
			    "the last ledger entries were cut off");
	} else if (!known || (whole && state.epoch_flags == 0 && r->has_key &&
			      !seal_equal(state.key, r->key))) {
		verify_tell(v, VERDICT_TAMPERED, "ledger_replaced", path, NO_OFFSET, state.entries,
			    "the ledger is not the one that its writers' state belongs to");
	}
	wipe(&state, sizeof state);
}

static void sleep_ns(long ns)
{
	struct timespec wait = {0, ns};

	sys_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&wait, 0, 0, 0);
}

/* State, ledger, and the state again: until no writer came in between. */
static enum err load_ledger(struct run *v, const char *path, const char *state_path,
			    enum err *ret_state_err)
{
	struct buf after = {0};
	enum err e = OK, state_err = OK, after_err = OK;

	for (int i = 0; i < LEDGER_READS; i++) {
		if (i)
			sleep_ns(LEDGER_WAIT_STEP);
		state_err = files_load(state_path, sizeof(struct format_state) + 1, &v->state);
		e = files_load(path, LEDGER_BYTES_MAX, &v->ledger);
		after_err = files_load(state_path, sizeof(struct format_state) + 1, &after);
		if (state_err == ERR_NOMEM || after_err == ERR_NOMEM)
			e = ERR_NOMEM;
		if (e && e != ERR_MISSING)
			break;
		if (state_err != after_err)
			continue;
		if (state_err || bytes_equal(buf_view(&v->state), buf_view(&after)))
			break;
	}
	buf_done(&after);
	*ret_state_err = state_err;
	return e;
}

static enum err read_entries(struct run *v, const char *path, struct ledger_reader *r)
{
	struct ledger_found found;
	enum err e;

	while ((e = ledger_next(r, &found)) != ERR_END) {
		if (e == ERR_BAD) {
			verify_tell(v, VERDICT_TAMPERED, "ledger_changed", path, found.item.offset,
				    r->number,
				    "these bytes are no ledger entry: changed or foreign");
			continue;
		}
		if (e == ERR_TORN) {
			verify_tell(v, VERDICT_INCOMPLETE, "ledger_torn", path, found.item.offset,
				    r->number,
				    "the last ledger entry is incomplete: its writer was killed");
			continue;
		}
		v->result.ledger_entries++;
		tell_entry(v, path, &found);
		e = keep_chain(v, found.item.head.number, r->chain);
		if (!e && found.known)
			e = keep_entry(v, &found);
		if (e)
			return e;
	}
	return OK;
}

static enum err put_path(struct buf *path, const char *directory, const char *name)
{
	enum err e = buf_put_str(path, directory);

	if (!e)
		e = buf_put_u8(path, '/');
	if (!e)
		e = buf_put(path, bytes_of(name, strlen(name) + 1));
	return e;
}

static int compare_mentions(const void *a, const void *b)
{
	const struct mention *x = a, *y = b;
	int order = memcmp(x->segment_id, y->segment_id, sizeof x->segment_id);

	return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

/* A note is only a help: without it some MACs are not checked, which the result counts. */
static enum err load_notes(const struct run *v, struct buf *ret_notes)
{
	struct buf path = {0};
	enum err e = put_path(&path, v->base, LEDGER_NOTES_FILE);

	if (!e && v->options->identity_count)
		e = files_load((const char *)path.at, NOTES_BYTES_MAX, ret_notes);
	if (e && e != ERR_NOMEM)
		buf_reset(ret_notes);
	buf_done(&path);
	return e == ERR_NOMEM ? e : OK;
}

/* A writer makes the ledger after its first segment, which then has no record but `start`, and
 * before any other record: where it was killed in between, or could not, there never was a ledger.
 */
static bool had_no_ledger(const struct run *v, enum err state_err)
{
	if (v->state.len || (state_err && state_err != ERR_MISSING))
		return false;
	for (size_t i = 0; i < v->count; i++) {
		const struct walked *w = &v->walked[i];
		if (!w->readable || w->changed || w->ledger_entries || w->next_sequence > 1)
			return false;
	}
	return true;
}

enum err verify_check_ledger(struct run *v)
{
	struct buf path = {0}, state_path = {0}, notes = {0};
	struct ledger_reader r;
	enum err state_err = OK, e = put_path(&path, v->base, LEDGER_FILE);

	if (!e)
		e = put_path(&state_path, v->base, LEDGER_STATE_FILE);
	if (!e)
		e = load_notes(v, &notes);
	if (e)
		goto out;
	const char *at = (const char *)path.at;
	e = load_ledger(v, at, (const char *)state_path.at, &state_err);
	if (e == ERR_NOMEM)
		goto out;
	if (e == ERR_MISSING) {
		e = OK;
		if (!v->options->segment && !had_no_ledger(v, state_err))
			verify_tell(v, VERDICT_TAMPERED, "ledger_missing", at, NO_OFFSET,
				    NO_SEQUENCE,
				    "the ledger is gone: removed segments cannot be noticed");
		goto out;
	}
	if (e) {
		e = OK;
		verify_tell(v, VERDICT_CANNOT, "unreadable", at, NO_OFFSET, NO_SEQUENCE,
			    "the ledger cannot be read");
		goto out;
	}
	v->has_ledger = true;
	ledger_reader_init(&r, buf_view(&v->ledger), v->options->identity_count,
			   v->options->identities);
	ledger_reader_use_notes(&r, buf_view(&notes));
	e = read_entries(v, at, &r);
	/* A writer that was killed before its first entry leaves two empty files. */
	if (!e && (v->ledger.len || state_err || v->state.len))
		compare_state(v, &r, at, (const char *)state_path.at, state_err);
	ledger_reader_done(&r);
	if (v->mention_count)
		qsort(v->mentions, v->mention_count, sizeof *v->mentions, compare_mentions);
	v->result.ledger_checked = !e;
out:
	buf_done(&path);
	buf_done(&state_path);
	buf_done(&notes);
	return e;
}
