/* SPDX-License-Identifier: MIT
 *
 * Input: the dialect, then steps: one byte says who speaks, one how many bytes follow (and, for the
 * provider's long pieces, one how often they are repeated). The steps drive an exchange as the gate
 * does: requests are sent when they are complete, a head is let out before its body when the
 * program waits for 100 Continue, a refusal ends the program's side and withdraws such a head.
 * Every request that was sent is answered or told as aborted, once, in order. A request for a
 * WebSocket may become a tunnel.
 */
#include <stdlib.h>
#include <string.h>

#include "llm/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { PROGRAM, PROVIDER, PROVIDER_REPEATED, END, STEP_COUNT };

struct play {
	struct exchange *x;
	const struct dialect *dialect;
	uint64_t now_ns;
	uint64_t sent, told;  /* numbers of the newest request sent and the oldest not yet told */
	uint64_t parts_bytes; /* of the answer under way */
	bool head_released, refused, ended;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void on_part(void *context, struct exchange *x)
{
	struct play *p = context;
	const struct following *f = exchange_following(x);

	must(exchange_oldest(x) && exchange_oldest(x)->started_ns == p->told);
	must(f->piece.len <= EXCHANGE_PART_BYTES && f->asked.len <= EXCHANGE_PART_BYTES);
	if (f->conversation) {
		must(f->piece.len || f->asked.len);
		return;
	}
	must(f->piece.len == EXCHANGE_PART_BYTES && f->asked.len == 0);
	p->parts_bytes += f->piece.len;
	must(p->parts_bytes <= f->body_bytes);
}

static void on_answer(void *context, struct exchange *x, enum outcome outcome)
{
	struct play *p = context;
	const struct following *f = exchange_following(x);
	const struct answer *a = &f->answer;

	must(exchange_oldest(x) && exchange_oldest(x)->started_ns == p->told++);
	must(f->piece.len < EXCHANGE_PART_BYTES);
	must(f->conversation || f->body_bytes == p->parts_bytes + f->piece.len);
	must(f->coverage == COVERAGE_FULL || f->problem);
	must(outcome != OUTCOME_COMPLETE || (f->has_head && f->first_byte_ns));
	must(f->has_head || (f->head.len == 0 && f->status == 0));
	must(!f->has_head || f->status >= 200 || f->status == 101);
	must(f->first_byte_ns <= p->now_ns);
	must(memchr(a->model, '\0', sizeof a->model) && memchr(a->id, '\0', sizeof a->id));
	must(memchr(a->finish_reason, '\0', sizeof a->finish_reason));
	must(strlen(coverage_name(f->coverage)) && strlen(outcome_name(outcome)));
	for (size_t i = 0; i < USAGE_COUNT; i++)
		must(a->usage.presence[i] <= PRESENT);
	p->parts_bytes = 0;
}

/* False when too many are awaited: the request is refused. */
static bool await(struct play *p)
{
	const char *method = exchange_request(p->x)->method;
	struct sent sent = {.dialect = p->dialect,
			    .operation = OP_CHAT,
			    .head = strcmp(method, "HEAD") == 0,
			    .websocket = exchange_asks_websocket(p->x),
			    .started_ns = p->sent};
	bool is_full = exchange_awaited(p->x) == EXCHANGE_PIPELINE_MAX;
	enum err e = exchange_sent(p->x, &sent);

	must(is_full ? e == ERR_LIMIT : e == OK);
	p->sent += !e;
	return !e;
}

static void refuse(struct play *p)
{
	size_t before = exchange_awaited(p->x);

	p->refused = true;
	if (!p->head_released)
		return;
	exchange_withdraw(p->x);
	p->sent -= before - exchange_awaited(p->x);
}

static void take_request(struct play *p)
{
	struct request_view view;
	struct bytes host = BYTES_NONE;
	uint16_t port;
	enum err e;

	exchange_view(p->x, &view);
	must(view.method.len && bytes_find_byte(view.path, '?') == SIZE_MAX);
	must(bytes_find_byte(view.path, '#') == SIZE_MAX &&
	     bytes_find_byte(view.query, '#') == SIZE_MAX);
	e = exchange_host(p->x, &host, &port);
	must(e == OK || e == ERR_BAD || e == ERR_AMBIGUOUS);
	must(e || (host.len && bytes_find_byte(host, '@') == SIZE_MAX));
	if (e || (exchange_request(p->x)->upgrade && !exchange_asks_websocket(p->x)) ||
	    (!p->head_released && !await(p))) {
		refuse(p);
		return;
	}
	p->head_released = false;
	exchange_next_request(p->x);
}

static void program_speaks(struct play *p, struct bytes text)
{
	if (exchange_is_tunnel(p->x)) {
		exchange_feed_tunnel(p->x, text, ++p->now_ns);
		return;
	}
	while (text.len && !p->refused) {
		const struct http1_request *q = exchange_request(p->x);
		size_t used;
		enum err e = exchange_feed_request(p->x, text, &used);
		must(used <= text.len);
		text = bytes_from(text, used);
		if (e == OK)
			take_request(p);
		else if (e != ERR_MORE)
			refuse(p);
		else if (q->head_bytes && q->expects_continue && !p->head_released) {
			if (await(p))
				p->head_released = true;
			else
				refuse(p);
		}
	}
}

static void provider_speaks(struct play *p, struct bytes text, size_t times)
{
	size_t len = text.len * times;
	uint8_t *copy = malloc(len ? len : 1);

	must(copy != NULL);
	for (size_t i = 0; i < times && text.len; i++)
		memcpy(copy + i * text.len, text.at, text.len);
	exchange_feed_answer(p->x, bytes_of(copy, len), ++p->now_ns);
	free(copy);
}

static void end(struct play *p, bool by_program)
{
	exchange_end(p->x, by_program ? OUTCOME_ABORTED_BY_PROGRAM : OUTCOME_ABORTED_BY_PROVIDER,
		     ++p->now_ns);
	must(exchange_awaited(p->x) == 0 && p->told == p->sent);
	p->ended = true;
}

static void take_step(struct play *p, struct cursor *c)
{
	enum step step = (enum step)(cursor_u8(c) % STEP_COUNT);
	size_t len = cursor_u8(c);
	size_t times = step == PROVIDER_REPEATED ? cursor_u8(c) : 1;
	struct bytes text;

	if (len > cursor_left(c))
		len = cursor_left(c);
	text = cursor_take(c, len);
	if (step == PROGRAM)
		program_speaks(p, text);
	else if (step == END)
		end(p, text.len % 2);
	else
		provider_speaks(p, text, times);
	must(exchange_awaited(p->x) == p->sent - p->told);
	must(exchange_following(p->x)->piece.len < EXCHANGE_PART_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_over(bytes_of(data, size));
	struct play p = {.now_ns = 1};
	struct exchange_listener listener = {on_part, on_answer, &p};

	p.dialect = cursor_u8(&c) % 2 ? &dialect_anthropic : &dialect_openai;
	must(exchange_new(&listener, &p.x) == OK);
	while (cursor_left(&c) && !p.ended)
		take_step(&p, &c);
	end(&p, true);
	exchange_free(p.x);
	return 0;
}
