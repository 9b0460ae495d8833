/* SPDX-License-Identifier: MIT */
#include "key_print.h"

#include "base/sys.h"
#include "grid.h"
#include "limit_print.h"

#define SECOND_NS 1000000000u

static uint64_t now(void)
{
	return sys_now_ns() / SECOND_NS;
}

/* Of an entry, the state; of one that is valid for a while yet, "valid". */
static const char *state_of(const struct key_entry *e)
{
	return key_verdict_name(key_entry_state(e, now()));
}

static bool overlaps(const struct key_entry *e)
{
	return e->previous_until > now() && key_entry_state(e, now()) == KEY_VALID;
}

/* ---- for programs ---- */

static void put_time_member(struct json_object *o, const char *name, uint64_t seconds)
{
	struct buf text = {0};

	if (seconds) {
		text_put_time_utc(&text, seconds * SECOND_NS);
		need(text.failed);
		object_text(o, name, buf_view(&text));
	} else {
		object_raw(o, name, "null");
	}
	buf_done(&text);
}

static void put_list_member(struct json_object *o, const char *name, const struct patterns *list)
{
	if (!list->given)
		return;
	object_key(o, bytes_str(name));
	need(buf_put_u8(o->out, '['));
	for (size_t i = 0; i < list->count; i++) {
		need(buf_put_str(o->out, i ? "," : ""));
		need(buf_put_json_string(o->out, list->at[i]));
	}
	need(buf_put_u8(o->out, ']'));
}

static void put_limits_member(struct json_object *o, const struct limit_values *limits)
{
	struct json_object inner;

	if (!limits->given)
		return;
	object_key(o, BYTES("limits"));
	inner = object_begin(o->out);
	for (unsigned kind = 0; kind < LIMIT_COUNT; kind++) {
		if (!limit_given(limits, (enum limit_kind)kind))
			continue;
		object_key(&inner, bytes_str(limit_name((enum limit_kind)kind)));
		put_limit_amount(o->out, (enum limit_kind)kind, limits->value[kind], false);
	}
	object_end(&inner);
}

void key_put_members(struct json_object *o, const struct key_entry *e, const char *state)
{
	object_text(o, "name", e->scope.name);
	object_text(o, "environment", e->scope.environment);
	object_text(o, "state", bytes_str(state_of(e)));
	put_list_member(o, "providers", &e->scope.providers);
	put_list_member(o, "models", &e->scope.models.allow);
	put_list_member(o, "denied_models", &e->scope.models.deny);
	put_list_member(o, "applications", &e->scope.applications);
	put_limits_member(o, &e->scope.limits);
	if (e->user.len)
		object_text(o, "user", e->user);
	if (e->exe.len)
		object_text(o, "exe", e->exe);
	put_time_member(o, "created", e->created);
	put_time_member(o, "rotated", e->rotated);
	put_time_member(o, "expires", e->expires);
	put_time_member(o, "revoked", e->revoked);
	if (overlaps(e))
		put_time_member(o, "previous_until", e->previous_until);
	put_time_member(o, "last_used", key_file_used(state, e->scope.name));
}

static void print_list_json(const struct key_edit *edit, const char *state)
{
	struct buf out = {0};
	struct json_object whole = object_begin(&out);

	object_key(&whole, BYTES("keys"));
	need(buf_put_u8(&out, '['));
	for (size_t i = 0; i < edit->key_count; i++) {
		need(buf_put_str(&out, i ? "," : ""));
		struct json_object o = object_begin(&out);
		key_put_members(&o, &edit->keys[i], state);
		object_end(&o);
	}
	need(buf_put_u8(&out, ']'));
	object_key(&whole, BYTES("secrets"));
	need(buf_put_u8(&out, '['));
	for (size_t i = 0; i < edit->secret_count; i++) {
		need(buf_put_str(&out, i ? "," : ""));
		struct json_object o = object_begin(&out);
		object_text(&o, "provider", edit->secrets[i].provider);
		if (edit->secrets[i].environment.len)
			object_text(&o, "environment", edit->secrets[i].environment);
		put_time_member(&o, "created", edit->secrets[i].created);
		object_end(&o);
	}
	need(buf_put_u8(&out, ']'));
	object_end(&whole);
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
}

/* ---- for people ---- */

static void put_moment(struct buf *out, uint64_t seconds, const char *none)
{
	if (seconds)
		put_time_local(out, seconds * SECOND_NS, true);
	else
		need(buf_put_str(out, none));
}

static void grid_put_moment(struct grid *g, uint64_t seconds, const char *none)
{
	struct buf text = {0};

	put_moment(&text, seconds, none);
	grid_put(g, seconds ? PLAIN : DIM, buf_view(&text));
	buf_done(&text);
}

static void put_list(struct buf *out, const char *before, const struct patterns *list)
{
	if (!list->given)
		return;
	need(buf_put_str(out, out->len ? "; " : ""));
	need(buf_put_str(out, before));
	for (size_t i = 0; i < list->count; i++) {
		need(buf_put_str(out, i ? ", " : " "));
		need(buf_put(out, list->at[i]));
	}
	if (!list->count)
		need(buf_put_str(out, " none"));
}

/* "providers openai; models openai/gpt-5*" */
static void put_scope(struct buf *out, const struct key_entry *e)
{
	put_list(out, "providers", &e->scope.providers);
	put_list(out, "models", &e->scope.models.allow);
	put_list(out, "not", &e->scope.models.deny);
	put_list(out, "applications", &e->scope.applications);
	if (e->scope.limits.given) {
		need(buf_put_str(out, out->len ? "; at most " : "at most "));
		put_limits(out, &e->scope.limits);
	}
	if (e->user.len) {
		need(buf_put_str(out, out->len ? "; user " : "user "));
		need(buf_put(out, e->user));
	}
	if (e->exe.len) {
		need(buf_put_str(out, out->len ? "; program " : "program "));
		need(buf_put(out, e->exe));
	}
	if (!out->len)
		need(buf_put_str(out, "all that its environment allows"));
}

static enum colour colour_of(const struct key_entry *e)
{
	return key_entry_state(e, now()) == KEY_VALID ? GREEN : RED;
}

static void print_keys(const struct key_edit *edit, const char *state)
{
	static const char *const titles[] = {"KEY",     "ENVIRONMENT", "STATE",
					     "EXPIRES", "LAST USED",   "FOR"};
	struct grid g = {.columns = sizeof titles / sizeof titles[0], .titles = titles};

	for (size_t i = 0; i < edit->key_count; i++) {
		const struct key_entry *e = &edit->keys[i];
		struct buf scope = {0};
		put_scope(&scope, e);
		grid_put(&g, PLAIN, e->scope.name);
		grid_put(&g, PLAIN, e->scope.environment);
		grid_put_str(&g, colour_of(e), state_of(e));
		grid_put_moment(&g, e->expires, "never");
		grid_put_moment(&g, key_file_used(state, e->scope.name), "-");
		grid_put(&g, PLAIN, buf_view(&scope));
		buf_done(&scope);
	}
	grid_print(&g, "");
}

static void print_secrets(const struct key_edit *edit)
{
	static const char *const titles[] = {"PROVIDER", "ENVIRONMENT", "STORED"};
	struct grid g = {.columns = sizeof titles / sizeof titles[0], .titles = titles};

	for (size_t i = 0; i < edit->secret_count; i++) {
		const struct key_secret *s = &edit->secrets[i];
		grid_put(&g, PLAIN, s->provider);
		grid_put(&g, s->environment.len ? PLAIN : DIM,
			 s->environment.len ? s->environment : BYTES("all others"));
		grid_put_moment(&g, s->created, "-");
	}
	grid_print(&g, "");
}

void key_print_list(const struct key_edit *edit, const char *state, bool json)
{
	if (json) {
		print_list_json(edit, state);
		return;
	}
	if (edit->key_count)
		print_keys(edit, state);
	else
		puts("No gateway keys ('aigw key create' makes one).");
	puts("");
	if (edit->secret_count)
		print_secrets(edit);
	else
		puts("No keys of providers ('aigw key import' stores one).");
}

static void print_line(const char *name, struct buf *value)
{
	printf("%-12s ", name);
	print_text(stdout, buf_view(value));
	putchar('\n');
	buf_done(value);
}

static void print_moment(const char *name, uint64_t seconds, const char *none)
{
	struct buf text = {0};

	if (!seconds && !none)
		return;
	put_moment(&text, seconds, none);
	print_line(name, &text);
}

void key_print_one(const struct key_entry *e, const char *state, bool json)
{
	struct buf text = {0};

	if (json) {
		struct json_object o = object_begin(&text);
		key_put_members(&o, e, state);
		object_end(&o);
		need(buf_put_u8(&text, '\n'));
		print_buf(&text);
		buf_done(&text);
		return;
	}
	need(buf_put(&text, e->scope.name));
	print_line("key", &text);
	need(buf_put(&text, e->scope.environment));
	print_line("environment", &text);
	need(buf_put_str(&text, state_of(e)));
	print_line("state", &text);
	put_scope(&text, e);
	print_line("for", &text);
	print_moment("created", e->created, "-");
	print_moment("rotated", e->rotated, NULL);
	if (overlaps(e))
		print_moment("old until", e->previous_until, NULL);
	print_moment("expires", e->expires, "never");
	print_moment("revoked", e->revoked, NULL);
	print_moment("last used", key_file_used(state, e->scope.name),
		     "not on this host, by this user");
}
