/* SPDX-License-Identifier: MIT
 *
 * Governed connections of GnuTLS, several at a time: its front doors, the adapter and the gate as
 * they are in the library, over a libgnutls in memory (gate/fake_gnutls), with a real policy and a
 * log in memory (gate/books). Input: the policy; for each session a byte for its name and kind, and
 * flags; then steps of one byte that says what is done with which session, one with a length, and
 * so many bytes.
 *
 *   What gate/witness says holds of each session.
 *   The program reads what the provider said, byte for byte where nothing is to be changed, and
 *   then maybe a well-formed refusal and a clean end.
 *   Each call answers what GnuTLS answered, or could have answered; errno is as GnuTLS left it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gate/fake_gnutls.h"
#include "gate/witness.h"
#include "shim/gnutls.h"
#include "shim/hooks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SESSIONS         3
#define GNUTLS_SERVER    1u
#define GNUTLS_NAME_DNS  1
#define HANDSHAKES_MAX   4
#define FILE_CHUNK_BYTES 4096 /* what gnutls_record_send_file sends at a time */
#define PADDING_BYTES    16
#define ERRNO_BEFORE     ERANGE
#define PROGRAM_ALPN     "h2,http/1.1,"

enum {
	LATE = 1,
	UNVERIFIED = 2,
	ITSELF = 4,
	OWN = 8,
	PORT = 16,
	OLD = 32,
	OLDER = 64,
	SMALL = 128
};
enum kind { PLAIN, WITH_ALPN, SERVER, QUIC, KINDS };

struct session {
	struct fake_gnutls fake;
	struct witness w;
	unsigned name, flags;
	enum kind kind;
	size_t blocked; /* bytes of the call that is to be repeated */
	bool corked, said_bye;
	unsigned byes;
	/* before the call that is looked at */
	unsigned calls; /* of the library */
	bool gated;
};

static struct session sessions[SESSIONS];

/* ---- calls ---- */

static void before_call(struct session *s)
{
	s->calls = s->fake.calls;
	s->gated = witness_is_gated(&s->w);
	errno = ERRNO_BEFORE;
}

static bool was_called(const struct session *s)
{
	return s->fake.calls != s->calls;
}

static void after_call(const struct session *s)
{
	must(errno == (was_called(s) ? s->fake.last_errno : ERRNO_BEFORE));
}

static bool is_later(ssize_t ret)
{
	return ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED;
}

/* Most bytes that one call takes. */
static size_t most_of(const struct session *s)
{
	return s->fake.old_library && s->gated ? FAR_RECORD_BYTES : s->fake.record_max;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- the program writes ---- */

enum how { BY_SEND, BY_SEND2, BY_RANGE, BY_FILE };

static ssize_t send_file(struct session *s, struct bytes data)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	off_t offset = 0;
	ssize_t ret;

	must(fd >= 0 && write(fd, data.at, data.len) == (ssize_t)data.len);
	must(lseek(fd, 0, SEEK_SET) == 0);
	before_call(s);
	ret = gnutls_record_send_file(&s->fake, fd, &offset, data.len + 1);
	after_call(s);
	must(offset == (ret > 0 ? ret : 0) && lseek(fd, 0, SEEK_CUR) == 0);
	(void)close(fd);
	return ret;
}

static ssize_t send_by(struct session *s, enum how how, struct bytes data)
{
	size_t range[2] = {data.len, data.len};
	ssize_t ret;

	if (how == BY_FILE)
		return send_file(s, data);
	before_call(s);
	if (how == BY_RANGE)
		ret = gnutls_record_send_range(&s->fake, data.at, data.len, range);
	else if (how == BY_SEND2)
		ret = gnutls_record_send2(&s->fake, data.at, data.len, PADDING_BYTES, 0);
	else
		ret = gnutls_record_send(&s->fake, data.at, data.len);
	after_call(s);
	return ret;
}

/* The bytes are the program's only during the call. */
static ssize_t send_copy(struct session *s, enum how how, struct bytes data)
{
	uint8_t *copy = malloc(data.len);
	ssize_t ret;

	must(copy != NULL);
	memcpy(copy, data.at, data.len);
	ret = send_by(s, how, bytes_of(copy, data.len));
	free(copy);
	return ret;
}

static void check_taken(const struct session *s, enum how how, size_t len, ssize_t ret)
{
	size_t most = how == BY_RANGE || how == BY_FILE || s->corked ? len : least(len, most_of(s));

	must(ret > 0 && (size_t)ret <= most);
	/* Who is governed is told of all at once, but of a file as far as it went. */
	if (s->gated && how != BY_FILE)
		must((size_t)ret == most);
}

static void take_answer(struct session *s, enum how how, size_t len, ssize_t ret)
{
	if (ret > 0) {
		check_taken(s, how, len, ret);
		witness_taken(&s->w, (size_t)ret);
		s->w.collected += s->corked ? (size_t)ret : 0;
		s->blocked = 0;
		return;
	}
	must(was_called(s) && ret == s->fake.last_ret && (how != BY_RANGE || !is_later(ret)));
	if (is_later(ret))
		s->blocked = least(len, how == BY_FILE ? least(FILE_CHUNK_BYTES, most_of(s))
						       : most_of(s));
	else
		s->w.writes_failed = true;
}

static bool may_write(const struct session *s)
{
	return !s->w.writes_failed && !s->said_bye;
}

/* Behind what was not taken yet. A blocked call is repeated as it was, or (`grown`) with more. */
static void program_sends(struct session *s, enum how how, struct bytes more, bool grown)
{
	struct bytes all;

	if (!may_write(s))
		return;
	/* There is none to be had in this library. */
	if (how == BY_FILE && !(s->fake.ready && witness_is_gated(&s->w)))
		how = BY_SEND;
	if (!s->fake.ready) {
		must(!more.len || send_copy(s, how, more) == E_DURING_HANDSHAKE);
		return;
	}
	witness_offer(&s->w, more);
	all = buf_view(&s->w.pending);
	if (s->blocked && !grown)
		all = bytes_slice(all, 0, s->blocked);
	if (s->blocked && how != BY_FILE)
		how = BY_SEND;
	if (all.len)
		take_answer(s, how, all.len, send_copy(s, how, all));
	else if (how == BY_SEND2 && !s->corked)
		must(send_by(s, how, all) == 0 || s->fake.closed || s->fake.far.write_dead);
}

/* (NULL, 0): what was blocked, which the program need not have any more. */
static void program_repeats(struct session *s)
{
	ssize_t ret;

	if (!may_write(s) || (s->w.pending.len && !s->blocked))
		return;
	ret = send_by(s, BY_SEND, BYTES_NONE);
	if (!s->fake.ready)
		must(ret == E_DURING_HANDSHAKE);
	else if (s->corked)
		must(ret == 0);
	else if (!s->blocked)
		must(ret == GNUTLS_E_INVALID);
	else
		take_answer(s, BY_SEND, s->blocked, ret);
}

static void program_corks(struct session *s)
{
	if (!may_write(s))
		return;
	before_call(s);
	gnutls_record_cork(&s->fake);
	after_call(s);
	s->corked = true;
}

static void program_uncorks(struct session *s, bool wait)
{
	size_t collected = s->w.collected;
	int ret;

	if (!may_write(s))
		return;
	before_call(s);
	ret = gnutls_record_uncork(&s->fake, wait);
	after_call(s);
	if (ret >= 0) {
		must((size_t)ret == collected);
		s->corked = false;
		s->w.collected = 0;
		return;
	}
	must(was_called(s) && ret == s->fake.last_ret && (!wait || !is_later(ret)));
	s->w.writes_failed = !is_later(ret);
	/* The library itself tells of nothing, where a part has gone out. */
	if (!witness_is_gated(&s->w))
		s->w.collected = s->fake.queue.len;
}

/* Before the handshake: it leaves with it, or counts as declined, and is written again. */
static void program_sends_early(struct session *s, struct bytes data)
{
	unsigned before = s->fake.early_calls;

	if (s->fake.ready || !data.len)
		return;
	errno = ERRNO_BEFORE;
	must(gnutls_record_send_early_data(&s->fake, data.at, data.len) == 0);
	must(errno == ERRNO_BEFORE);
	witness_offer(&s->w, data);
	if (s->fake.early_calls == before)
		return;
	must(!witness_is_gated(&s->w));
	witness_taken(&s->w, data.len);
}

/* ---- the program reads ---- */

enum reading { BY_RECV, BY_SEQ, BY_PACKET };

static ssize_t read_some(struct session *s, enum reading how, uint8_t *out, size_t cap,
			 struct bytes *ret_got)
{
	unsigned char sequence[8];
	void *packet = NULL;
	ssize_t ret;

	before_call(s);
	if (how == BY_PACKET)
		ret = gnutls_record_recv_packet(&s->fake, &packet);
	else if (how == BY_SEQ)
		ret = gnutls_record_recv_seq(&s->fake, out, cap, sequence);
	else
		ret = gnutls_record_recv(&s->fake, out, cap);
	after_call(s);
	*ret_got = how == BY_PACKET ? fake_gnutls_packet(packet)
				    : bytes_of(out, ret > 0 ? (size_t)ret : 0);
	must(ret_got->len == (ret > 0 ? (size_t)ret : 0));
	must(how == BY_PACKET || ret <= (ssize_t)cap);
	return ret;
}

/* The end of the connection: the library's, or that of a refusal. */
static void take_end(struct session *s, enum reading how)
{
	const struct gate *g = witness_gate(&s->w);

	if (was_called(s) && s->fake.last_ret == 0)
		return;
	/* What is held of a changed answer cannot be put into a packet. */
	if (g && how == BY_PACKET && g->changing)
		return;
	must(g && (g->cut || (g->refused && exchange_awaited(g->exchange) == 0)));
	if (!g->cut && how != BY_PACKET)
		witness_refusal_end(&s->w);
}

static bool is_fatal(ssize_t ret)
{
	return ret == E_PULL || ret == E_PREMATURE_END;
}

/* The gate has followed what was read, and what was not there is no end of anything. */
static void check_followed(const struct session *s, ssize_t ret, size_t fresh, size_t awaited)
{
	const struct gate *g = witness_is_gated(&s->w) ? witness_gate(&s->w) : NULL;
	size_t now = g ? exchange_awaited(g->exchange) : 0;

	if (!g)
		return;
	if (fresh && awaited && now == awaited)
		must(exchange_is_lost(g->exchange) || exchange_is_tunnel(g->exchange) ||
		     exchange_following(g->exchange)->first_byte_ns);
	if (was_called(s) && ret <= 0)
		must(now == (ret == 0 || is_fatal(ret) ? 0 : awaited));
}

static void program_reads(struct session *s, enum reading how, size_t cap)
{
	uint8_t *out = malloc(cap);
	size_t before = s->fake.far.given.len;
	const struct gate *g = witness_gate(&s->w);
	bool changing = g && gate_is_changing(witness_gate(&s->w));
	/* What a changed answer has left comes first, then a refusal behind it. */
	bool has_clean = changing && g->clean_served < g->clean.len;
	size_t awaited = g ? exchange_awaited(g->exchange) : 0;
	struct bytes got, fresh;
	ssize_t ret;

	must(out != NULL);
	ret = read_some(s, how, out, cap, &got);
	changing |= g && gate_is_changing(witness_gate(&s->w));
	fresh = bytes_from(buf_view(&s->fake.far.given), before);
	if (ret < 0)
		must(was_called(s) && ret == s->fake.last_ret);
	else if (ret == 0)
		take_end(s, how);
	else if (changing && how != BY_PACKET && (has_clean || was_called(s)))
		must(s->w.policy->changes_answer);
	else if (fresh.len)
		must(bytes_equal(got, fresh));
	else
		witness_refusal(&s->w, got, false);
	must(!s->w.refusal_is_over || ret <= 0);
	if (s->fake.ready && !fresh.len)
		check_followed(s, ret, 0, awaited);
	else
		check_followed(s, 1, fresh.len, awaited);
	free(out);
}

static void check_pending(struct session *s)
{
	struct gate *g = witness_is_gated(&s->w) ? witness_gate(&s->w) : NULL;
	size_t ours = g ? gate_pending(g) : 0;

	must(gnutls_record_check_pending(&s->fake) == (ours ? ours : s->fake.far.coming.len));
	must(gnutls_record_check_corked(&s->fake) == s->w.collected);
}

/* ---- life ---- */

static void verify(struct session *s)
{
	unsigned status;

	if (s->flags & ITSELF)
		return;
	if (s->name % 3 == 0)
		(void)gnutls_certificate_verify_peers(&s->fake, NULL, 0, &status);
	else if (s->name % 3 == 1)
		(void)gnutls_certificate_verify_peers2(&s->fake, &status);
	else
		(void)gnutls_certificate_verify_peers3(&s->fake, s->w.name, &status);
}

static void check_alpn(const struct session *s)
{
	const char *ours = s->kind == WITH_ALPN || s->kind == QUIC ? PROGRAM_ALPN : "";
	bool replaced = strcmp(s->fake.alpn, "http/1.1,") == 0;

	must(replaced || strcmp(s->fake.alpn, ours) == 0);
	must(replaced || !s->w.strict);
	must(!replaced || witness_is_gated(&s->w));
}

static void shake_hands(struct session *s)
{
	int ret;

	before_call(s);
	ret = gnutls_handshake(&s->fake);
	after_call(s);
	must(was_called(s) && ret == s->fake.last_ret && s->fake.ready == (ret == 0));
	if (ret)
		return;
	must(!witness_is_gated(&s->w) || s->kind < SERVER);
	check_alpn(s);
	verify(s);
}

static void begin(struct session *s)
{
	static const struct datum alpn[] = {{(unsigned char *)"h2", 2},
					    {(unsigned char *)"http/1.1", 8}};
	void *made = NULL;

	witness_begin(&s->w, s->name);
	s->w.strict &= s->kind < SERVER;
	s->w.unfit = s->flags & (UNVERIFIED | OLD);
	s->blocked = s->byes = 0;
	s->corked = s->said_bye = false;
	fake_gnutls_next = &s->fake;
	s->fake.handshake_steps = s->flags & LATE ? 3 : 0;
	must(gnutls_init(&made, s->kind == SERVER ? GNUTLS_SERVER : 0) == 0 && made == &s->fake);
	if (s->w.name[0])
		must(gnutls_server_name_set(made, GNUTLS_NAME_DNS, s->w.name, strlen(s->w.name)) ==
		     0);
	if (s->kind == WITH_ALPN || s->kind == QUIC)
		must(gnutls_alpn_set_protocols(made, alpn, 2, 0) == 0);
	if (s->kind == QUIC)
		gnutls_handshake_set_read_function(made, (void *)&sessions);
	if (s->flags & ITSELF)
		gnutls_session_set_verify_cert(made, s->w.name, 0);
	for (int i = 0; i < HANDSHAKES_MAX && !(s->flags & LATE) && !s->fake.ready; i++)
		shake_hands(s);
}

static void end(struct session *s)
{
	witness_is_up(&s->w);
	witness_check_end(&s->w);
	errno = ERRNO_BEFORE;
	gnutls_deinit(&s->fake);
	must(errno == ERRNO_BEFORE && !s->fake.alive && !conn_find(&s->fake));
	witness_check_pages(&s->w);
}

static void say_goodbye(struct session *s, int how)
{
	const struct conn *c = conn_find(&s->fake);
	bool hushed = c && c->kind == CONN_GATED && c->hushed;
	unsigned before = s->fake.byes;
	int ret;

	if (!s->fake.ready)
		return;
	before_call(s);
	ret = gnutls_bye(&s->fake, how);
	after_call(s);
	must(ret == 0 && s->fake.byes == before + !hushed);
	s->byes += !hushed;
	s->said_bye = true;
}

/* ---- the input ---- */

static void take_step(struct cursor *c)
{
	enum {
		SEND,
		SEND2,
		SEND_RANGE,
		SEND_FILE,
		SEND_REPEATED,
		SEND_GROWN,
		REPEAT,
		CORK,
		UNCORK,
		UNCORK_WAIT,
		ANSWER,
		ANSWER_REPEATED,
		RECV,
		RECV_SEQ,
		RECV_PACKET,
		PENDING,
		PLAN_SENDS,
		PLAN_READS,
		PROVIDER_ENDS,
		LOG_FAILS,
		HANDSHAKE,
		EARLY,
		GOODBYE,
		DEINIT,
		STEPS
	};
	unsigned first = cursor_u8(c), step = first % STEPS;
	struct session *s = &sessions[first / STEPS % SESSIONS];
	size_t len = cursor_u8(c);
	size_t times = step == SEND_REPEATED || step == ANSWER_REPEATED ? 1u + cursor_u8(c) : 1;
	size_t cap = len < 250 ? len + 1 : 1u << (len - 240);
	bool reads = step == RECV || step == RECV_SEQ || step == RECV_PACKET;
	struct buf many = {0};
	struct bytes text;

	text = reads ? BYTES_NONE : cursor_take(c, least(len, cursor_left(c)));
	witness_is_up(&s->w);
	switch (step) {
	case SEND:
	case SEND2:
	case SEND_RANGE:
	case SEND_FILE:
		program_sends(s, (enum how)(BY_SEND + (step - SEND)), text, false);
		break;
	case SEND_REPEATED:
		witness_repeat(&many, text, times);
		program_sends(s, BY_SEND, buf_view(&many), false);
		break;
	case SEND_GROWN:
		program_sends(s, BY_SEND, text, true);
		break;
	case REPEAT:
		program_repeats(s);
		break;
	case CORK:
		program_corks(s);
		break;
	case UNCORK:
	case UNCORK_WAIT:
		program_uncorks(s, step == UNCORK_WAIT);
		break;
	case ANSWER:
	case ANSWER_REPEATED:
		witness_answer(&s->w, text, times);
		break;
	case RECV:
	case RECV_SEQ:
	case RECV_PACKET:
		program_reads(s, (enum reading)(BY_RECV + (step - RECV)), cap);
		break;
	case PENDING:
		check_pending(s);
		break;
	case PLAN_SENDS:
		far_plan_add(&s->fake.far.sends, text);
		break;
	case PLAN_READS:
		far_plan_add(&s->fake.far.reads, text);
		break;
	case PROVIDER_ENDS:
		s->fake.far.state = (enum far_state)(text.len % 4);
		break;
	case LOG_FAILS:
		books_failing = text.len % 2;
		break;
	case HANDSHAKE:
		if (!s->fake.ready)
			shake_hands(s);
		break;
	case EARLY:
		program_sends_early(s, text);
		break;
	case GOODBYE:
		say_goodbye(s, text.len % 2);
		break;
	default:
		end(s);
		begin(s);
	}
	buf_done(&many);
	if (s->fake.ready)
		witness_check_settled(&s->w);
	witness_check_awaited(&s->w);
	/* The adapter says goodbye by itself only to wake a program that was refused. */
	must(s->fake.byes - s->byes <= witness_is_refused(&s->w));
}

static void choose(struct session *s, const struct books_policy *policy, struct cursor *c)
{
	static int https = -1, other = -1;
	unsigned which = cursor_u8(c);

	if (https < 0) {
		https = far_descriptor(443);
		other = far_descriptor(8443);
		conn_enabled = true;
	}
	s->w.policy = policy;
	s->w.session = &s->fake;
	s->w.far = &s->fake.far;
	s->name = which % WITNESS_NAMES;
	s->kind = (enum kind)(which / WITNESS_NAMES % KINDS);
	s->flags = cursor_u8(c);
	s->fake.verified = !(s->flags & UNVERIFIED);
	s->fake.fd = s->flags & OWN ? -1 : s->flags & PORT ? other : https;
	s->fake.old_version = s->flags & OLD;
	s->fake.old_library = s->flags & OLDER;
	s->fake.record_max = s->flags & SMALL ? 64 : FAR_RECORD_BYTES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(bytes_of(data, size));
	const struct books_policy *policy = books_use_policy(cursor_u8(&c));

	books_reset();
	for (unsigned i = 0; i < SESSIONS; i++) {
		choose(&sessions[i], policy, &c);
		begin(&sessions[i]);
	}
	while (cursor_left(&c))
		take_step(&c);
	for (unsigned i = 0; i < SESSIONS; i++)
		end(&sessions[i]);
	books_reset();
	return 0;
}
