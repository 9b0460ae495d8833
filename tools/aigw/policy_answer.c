/* SPDX-License-Identifier: MIT */
#include "policy_answer.h"

#include "limit_print.h"
#include "print.h"

static const char *const titles[] = {"KIND", "SCOPE", "SAYS", "RULE"};

void policy_answer_tell(void *context, const struct look *look)
{
	struct policy_answer *t = context;
	struct json_object o;

	t->grid.columns = sizeof titles / sizeof titles[0];
	t->grid.titles = titles;
	grid_put_str(&t->grid, PLAIN, look->kind);
	grid_put(&t->grid, PLAIN, look->where);
	grid_put_str(&t->grid, look->refuses ? look->observed ? YELLOW : RED : GREEN,
		     !look->refuses   ? "no objection"
		     : look->observed ? "would refuse"
				      : "refuses");
	grid_put_str(&t->grid, PLAIN, look->rule);
	if (t->looks.len)
		need(buf_put_u8(&t->looks, ','));
	o = object_begin(&t->looks);
	object_text(&o, "kind", bytes_str(look->kind));
	object_text(&o, "where", look->where);
	object_bool(&o, "refuses", look->refuses);
	object_bool(&o, "observed", look->observed);
	if (look->refuses) {
		object_text(&o, "rule", bytes_str(look->rule));
		object_text(&o, "reason", bytes_str(look->reason));
	}
	object_end(&o);
}

/* The limits that an allowed call is under. */
static void object_limits(struct json_object *o, const struct decision *d)
{
	bool any = false;

	object_key(o, BYTES("limits"));
	need(buf_put_u8(o->out, '['));
	for (size_t i = 0; i < d->limited_count; i++)
		for (unsigned n = 0; n < LIMIT_COUNT; n++) {
			enum limit_kind kind = (enum limit_kind)n;
			struct json_object one;
			if (!limit_given(d->limited[i].values, kind))
				continue;
			if (any)
				need(buf_put_u8(o->out, ','));
			any = true;
			one = object_begin(o->out);
			object_text(&one, "scope", d->limited[i].where);
			object_text(&one, "limit", bytes_str(limit_name(kind)));
			object_key(&one, BYTES("allowed"));
			put_limit_amount(o->out, kind, d->limited[i].values->value[kind], false);
			object_end(&one);
		}
	need(buf_put_u8(o->out, ']'));
}

static void object_changes(struct json_object *o, struct bytes rest)
{
	bool any = false;

	object_key(o, BYTES("changes"));
	need(buf_put_u8(o->out, '['));
	for (; rest.len; any = true) {
		if (any)
			need(buf_put_u8(o->out, ','));
		need(buf_put_json_string(o->out, bytes_cut(&rest, '\0')));
	}
	need(buf_put_u8(o->out, ']'));
}

static void print_json(const struct policy_answer *a)
{
	const struct decision *d = a->decision;
	struct buf out = {0};
	struct json_object o = object_begin(&out);

	object_text(&o, "action", bytes_str(action_name(d->action)));
	object_text(&o, "verdict", bytes_str(action_name(d->observed ? ACTION_REFUSE : d->action)));
	object_text(&o, "environment", d->environment);
	if (d->application.len)
		object_text(&o, "application", d->application);
	if (a->key)
		object_text(&o, "key", a->key->scope.name);
	object_text(&o, "provider", bytes_str(a->provider->name));
	object_text(&o, "operation", bytes_str(operation_name(a->call->operation)));
	object_text(&o, "model", bytes_of(a->call->model, a->call->model_len));
	object_text(&o, "rule", bytes_str(d->rule));
	object_text(&o, "reason", bytes_str(d->reason));
	if (d->code[0])
		object_text(&o, "code", bytes_str(d->code));
	if (d->status)
		object_number(&o, "status", (uint64_t)d->status);
	if (d->receipt)
		object_text(&o, "receipt", bytes_str(receipt_name(d->receipt)));
	if (a->changes->len)
		object_changes(&o, buf_view(a->changes));
	if (d->limited_count)
		object_limits(&o, d);
	object_key(&o, BYTES("rules"));
	need(buf_put_u8(&out, '['));
	need(buf_put(&out, buf_view(&a->looks)));
	need(buf_put_u8(&out, ']'));
	object_end(&o);
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
}

static void put_line(struct buf *out, const char *name, struct bytes text)
{
	if (!text.len)
		return;
	put_cell(out, bytes_str(name), 13);
	put_visible(out, text);
	need(buf_put_u8(out, '\n'));
}

static void put_limit_lines(struct buf *out, const struct decision *d)
{
	struct buf text = {0};

	for (size_t i = 0; i < d->limited_count; i++) {
		buf_reset(&text);
		need(buf_put(&text, d->limited[i].where));
		need(buf_put_str(&text, d->limited[i].observed ? " (observed): " : ": "));
		put_limits(&text, d->limited[i].values);
		put_line(out, "limits", buf_view(&text));
	}
	buf_done(&text);
}

static void print_for_people(struct policy_answer *a)
{
	const struct decision *d = a->decision;
	struct bytes changes = buf_view(a->changes);
	struct buf out = {0};

	grid_print(&a->grid, "");
	need(buf_put_str(&out, "\n"));
	put_line(&out, "environment", d->environment);
	put_line(&out, "application", d->application);
	if (a->key)
		put_line(&out, "key", a->key->scope.name);
	put_line(&out, "provider", bytes_str(a->provider->name));
	put_line(&out, "operation", bytes_str(operation_name(a->call->operation)));
	put_line(&out, "model", bytes_of(a->call->model, a->call->model_len));
	put_line(&out, "decision",
		 bytes_str(d->observed ? "allow (observed: it would be refused)"
				       : action_name(d->action)));
	put_line(&out, "code", bytes_str(d->code));
	put_line(&out, "rule", bytes_str(d->rule));
	put_line(&out, "reason", bytes_str(d->reason));
	put_line(&out, "receipt", bytes_str(receipt_name(d->receipt)));
	while (changes.len)
		put_line(&out, "change", bytes_cut(&changes, '\0'));
	put_limit_lines(&out, d);
	print_buf(&out);
	buf_done(&out);
}

void policy_answer_print(struct policy_answer *a, bool json)
{
	if (json)
		print_json(a);
	else
		print_for_people(a);
}

void policy_answer_done(struct policy_answer *a)
{
	buf_done(&a->looks);
}
