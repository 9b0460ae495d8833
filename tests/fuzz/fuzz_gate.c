/* SPDX-License-Identifier: MIT
 *
 * A whole governed connection: OpenSSL's front doors, the adapter and the gate as they are in the
 * library, over a TLS library in memory (gate/fake_tls), with a real policy and a log in memory
 * (gate/books). Input: the policy, the server's name, flags; then steps of one byte that says what
 * is done, one with a length, and so many bytes.
 *
 *   What gate/witness says holds.
 *   The program reads what the provider said, byte for byte where nothing is to be changed, and
 *   then maybe a well-formed refusal and a clean end.
 */
#include <stdlib.h>
#include <string.h>

#include "gate/fake_tls.h"
#include "gate/witness.h"
#include "shim/hooks.h"
#include "shim/openssl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CTRL_SET_TLSEXT_HOSTNAME 55
#define RECEIVED_SHUTDOWN        2

/* ---- one connection ---- */

struct play {
	struct fake_tls tls;
	struct witness w;
	unsigned name;
	bool with_ex, early;
};

static struct play play;

/* ---- the program ---- */

static int last_error(struct play *p, int ret)
{
	int error = SSL_get_error(&p->tls, ret);

	must(error != 0);
	return error;
}

static int write_some(struct play *p, struct bytes data)
{
	size_t written = 0;

	if (p->early) {
		p->early = false;
		return SSL_write_early_data(&p->tls, data.at, data.len, &written) ? (int)written
										  : -1;
	}
	if (p->with_ex)
		return SSL_write_ex(&p->tls, data.at, data.len, &written) ? (int)written : -1;
	return SSL_write(&p->tls, data.at, (int)data.len);
}

/* Offers what was not taken yet, at another address than before, `most` bytes of it. */
static void program_writes(struct play *p, struct bytes more, size_t most)
{
	struct bytes all;
	uint8_t *copy;
	int ret, error;

	if (p->w.writes_failed)
		return;
	witness_offer(&p->w, more);
	all = bytes_slice(buf_view(&p->w.pending), 0, most);
	if (!all.len)
		return;
	copy = malloc(all.len);
	must(copy != NULL);
	memcpy(copy, all.at, all.len);
	ret = write_some(p, bytes_of(copy, all.len));
	free(copy);
	must(ret <= (int)all.len);
	if (ret > 0) {
		must(!witness_is_gated(&p->w) || ret == (int)all.len);
		witness_taken(&p->w, (size_t)ret);
		return;
	}
	error = last_error(p, ret);
	p->w.writes_failed = error != ERROR_WANT_READ && error != ERROR_WANT_WRITE;
}

static int read_some(struct play *p, uint8_t *out, size_t cap, bool peek)
{
	size_t got = 0;

	if (p->with_ex) {
		int ok = peek ? SSL_peek_ex(&p->tls, out, cap, &got)
			      : SSL_read_ex(&p->tls, out, cap, &got);
		must(ok == (got > 0));
		return ok ? (int)got : -1;
	}
	return peek ? SSL_peek(&p->tls, out, (int)cap) : SSL_read(&p->tls, out, (int)cap);
}

static void program_reads(struct play *p, size_t cap, bool peek)
{
	uint8_t *out = malloc(cap);
	size_t before = p->tls.far.given.len, waiting;
	bool changing = witness_gate(&p->w) && gate_is_changing(witness_gate(&p->w));
	int ret;

	must(out != NULL);
	ret = read_some(p, out, cap, peek);
	must(ret <= (int)cap);
	changing |= witness_gate(&p->w) && gate_is_changing(witness_gate(&p->w));
	struct bytes got = bytes_of(out, ret > 0 ? (size_t)ret : 0);
	struct bytes fresh = bytes_from(buf_view(&p->tls.far.given), before);
	if (ret <= 0) {
		int error = last_error(p, ret);
		if (witness_is_refused(&p->w) &&
		    p->w.refusal.len == witness_gate(&p->w)->refusal.len &&
		    error == ERROR_ZERO_RETURN && !fresh.len && conn_find(&p->tls)->ended) {
			witness_refusal_end(&p->w);
			must(SSL_get_shutdown(&p->tls) == RECEIVED_SHUTDOWN);
		}
	} else if (changing) {
		must(p->w.policy->changes_answer);
	} else if (fresh.len) {
		must(!peek && bytes_equal(got, fresh));
	} else if (peek && p->tls.far.coming.len >= got.len &&
		   memcmp(got.at, p->tls.far.coming.at, got.len) == 0) {
		waiting = (size_t)SSL_pending(&p->tls);
		must(waiting > 0);
	} else {
		witness_refusal(&p->w, got, peek);
	}
	must(!p->w.refusal_is_over || ret <= 0);
	free(out);
}

static void check_pending(struct play *p)
{
	int pending = SSL_pending(&p->tls), has = SSL_has_pending(&p->tls);

	must(pending >= 0 && (pending > 0) == (has != 0));
	/* Where bytes wait, a read gives some. */
	if (witness_is_gated(&p->w) && witness_gate(&p->w) && gate_pending(witness_gate(&p->w)))
		must(pending == (int)gate_pending(witness_gate(&p->w)));
}

static void begin(struct play *p)
{
	books_reset();
	witness_begin(&p->w, p->name);
	if (p->w.name[0])
		(void)SSL_ctrl(&p->tls, CTRL_SET_TLSEXT_HOSTNAME, 0, (void *)(uintptr_t)p->w.name);
}

/* ---- the input ---- */

static void take_step(struct play *p, struct cursor *c)
{
	enum {
		WRITE,
		WRITE_SHORT,
		WRITE_REPEATED,
		ANSWER,
		ANSWER_REPEATED,
		READ,
		PEEK,
		PENDING,
		PLAN_SENDS,
		PLAN_READS,
		PROVIDER_ENDS,
		LOG_FAILS,
		SHUTDOWN,
		CLEAR,
		STEPS
	};
	unsigned step = cursor_u8(c) % STEPS;
	size_t len = cursor_u8(c);
	size_t times = step == WRITE_REPEATED || step == ANSWER_REPEATED ? 1u + cursor_u8(c) : 1;
	struct buf many = {0};
	struct bytes text;

	if (step == READ || step == PEEK) {
		program_reads(p, len < 250 ? len + 1 : 1u << (len - 240), step == PEEK);
		return;
	}
	text = cursor_take(c, len < cursor_left(c) ? len : cursor_left(c));
	switch (step) {
	case WRITE:
		program_writes(p, text, SIZE_MAX);
		break;
	case WRITE_SHORT:
		program_writes(p, text, 1 + text.len / 2);
		break;
	case WRITE_REPEATED:
		witness_repeat(&many, text, times);
		program_writes(p, buf_view(&many), SIZE_MAX);
		break;
	case ANSWER:
	case ANSWER_REPEATED:
		witness_answer(&p->w, text, times);
		break;
	case PENDING:
		check_pending(p);
		break;
	case PLAN_SENDS:
		far_plan_add(&p->tls.far.sends, text);
		break;
	case PLAN_READS:
		far_plan_add(&p->tls.far.reads, text);
		break;
	case PROVIDER_ENDS:
		p->tls.far.state = (enum far_state)(text.len % 4);
		break;
	case LOG_FAILS:
		books_failing = text.len % 2;
		break;
	case SHUTDOWN:
		(void)SSL_shutdown(&p->tls);
		break;
	default:
		witness_check_end(&p->w);
		(void)SSL_clear(&p->tls);
		witness_check_pages(&p->w);
		begin(p);
	}
	buf_done(&many);
	witness_check_settled(&p->w);
	witness_check_awaited(&p->w);
}

static void choose(struct play *p, struct cursor *c)
{
	static int https = -1, other = -1;
	unsigned flags;

	if (https < 0) {
		https = far_descriptor(443);
		other = far_descriptor(8443);
		conn_enabled = true;
	}
	p->w.policy = books_use_policy(cursor_u8(c));
	p->name = cursor_u8(c);
	p->w.session = &p->tls;
	p->w.far = &p->tls.far;
	flags = cursor_u8(c);
	p->with_ex = flags & 1;
	p->early = flags & 2;
	p->tls.handshake_steps = flags & 4 ? 3 : 0;
	p->tls.fd = flags & 8 ? -1 : flags & 16 ? other : https;
	p->tls.verified = !(flags & 32);
	p->tls.old_version = flags & 64;
	p->w.unfit = flags & (32 | 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(bytes_of(data, size));
	struct play *p = &play;

	choose(p, &c);
	begin(p);
	while (cursor_left(&c))
		take_step(p, &c);
	witness_check_end(&p->w);
	fake_tls_free(&p->tls);
	witness_check_pages(&p->w);
	books_reset();
	return 0;
}
