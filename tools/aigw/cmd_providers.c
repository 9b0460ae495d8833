/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "grid.h"
#include "llm/catalogue.h"
#include "print.h"

#define NAMES_MAX 512

static const char *const model_places[] = {"-", "body", "path", "query", "form"};
static const char *const stream_places[] = {"-",      "body",  "body, on by default",
					    "always", "query", "accept"};

/* ---- every endpoint of a provider, own ones first ---- */

struct walk {
	const struct provider *provider;
	size_t list, at; /* 0: its own; then its mounts */
	const struct dialect *dialect;
	const char *base;
};

static bool is_dropped(const struct provider *p, const struct endpoint *e)
{
	struct bytes rest = bytes_str(catalogue_text(p->dropped)), line;

	while (endpoint_next_line(&rest, &line))
		if (bytes_equal(line, bytes_str(endpoint_match(e))))
			return true;
	return false;
}

static const struct endpoint *next_endpoint(struct walk *w)
{
	const struct provider *p = w->provider;

	for (; w->list <= p->mount_count; w->list++, w->at = 0) {
		const struct mount *mount = w->list ? &provider_mounts(p)[w->list - 1] : NULL;
		const struct endpoints list = mount ? dialect_endpoints(dialect_of(mount->dialect))
						    : provider_endpoints(p);
		while (w->at < list.count) {
			const struct endpoint *e = list.at + w->at++;
			w->base = mount ? catalogue_text(mount->base) : "";
			w->dialect = dialect_of(mount        ? mount->dialect
						: e->dialect ? e->dialect
							     : p->dialect);
			if (!mount || !is_dropped(p, e))
				return e;
		}
	}
	return NULL;
}

/* "POST" and "/v1/chat/completions" */
static void put_match(const struct walk *w, const struct endpoint *e, struct buf *method,
		      struct buf *path)
{
	struct bytes pattern = bytes_str(endpoint_match(e));

	need(buf_put(method, bytes_cut(&pattern, ' ')));
	need(buf_put_str(path, w->base));
	need(buf_put(path, pattern));
}

static void put_model(struct buf *out, const struct endpoint *e)
{
	need(buf_put_str(out, model_places[e->model]));
	if (e->model == MODEL_NOWHERE || e->model == MODEL_PATH)
		return;
	need(buf_put_u8(out, ' '));
	need(buf_put_str(out, endpoint_keys(e)));
	if (!e->needs_model)
		need(buf_put_str(out, " (optional)"));
}

/* ---- for people ---- */

static void put_lines(struct buf *out, const char *lines)
{
	struct bytes rest = bytes_str(lines), line;
	bool any = false;

	while (endpoint_next_line(&rest, &line)) {
		need(buf_put_str(out, any ? ", " : ""));
		need(buf_put(out, line));
		any = true;
	}
}

static void put_hosts(struct buf *out, const struct provider *p)
{
	const struct provider_host *hosts = provider_hosts(p);

	for (size_t i = 0; i < p->host_count; i++) {
		need(buf_put_str(out, i ? ", " : ""));
		need(buf_put_str(out, hosts[i].name));
		if (!hosts[i].port)
			continue;
		need(buf_put_u8(out, ':'));
		need(buf_put_decimal(out, hosts[i].port));
	}
}

static void put_dialects(struct buf *out, const struct provider *p)
{
	const struct mount *mounts = provider_mounts(p);

	need(buf_put_str(out, provider_dialect(p)->name));
	for (size_t i = 0; i < p->mount_count; i++) {
		bool again = mounts[i].dialect == p->dialect;
		for (size_t k = 0; k < i; k++)
			again = again || mounts[k].dialect == mounts[i].dialect;
		if (again)
			continue;
		need(buf_put_str(out, ", "));
		need(buf_put_str(out, dialect_of(mounts[i].dialect)->name));
	}
}

static const char *credentials_of(const struct provider *p)
{
	return catalogue_text(p->credentials ? p->credentials
					     : provider_dialect(p)->facts->credentials);
}

static void print_table(void)
{
	static const char *const titles[] = {"PROVIDER", "DIALECTS", "GOVERNED", "FACTS", "HOSTS"};
	struct grid grid = {.columns = 5, .titles = titles};

	for (size_t i = 0; i < catalogue_count; i++) {
		const struct provider *p = &catalogue[i];
		struct buf dialects = {0}, hosts = {0};
		put_dialects(&dialects, p);
		put_hosts(&hosts, p);
		grid_put_str(&grid, PLAIN, p->name);
		grid_put(&grid, PLAIN, buf_view(&dialects));
		grid_put_str(&grid, PLAIN, provider_hosts(p)->shared ? "known paths" : "all");
		grid_put_str(&grid, p->certainty == CERTAINTY_GUESS ? YELLOW : PLAIN,
			     p->certainty == CERTAINTY_GUESS ? "guess" : "read");
		grid_put(&grid, PLAIN, buf_view(&hosts));
		buf_done(&dialects);
		buf_done(&hosts);
	}
	grid_print(&grid, "");
}

static void print_fact(const char *name, struct buf *value)
{
	printf("  %-20s ", name);
	print_text(stdout, buf_view(value));
	printf("\n");
	buf_done(value);
}

static void print_str(const char *name, const char *value)
{
	struct buf text = {0};

	need(buf_put_str(&text, value));
	print_fact(name, &text);
}

static void print_facts(const struct provider *p)
{
	struct buf text = {0};

	printf("%s%s%s\n", colour(stdout, BOLD), p->name, colour(stdout, PLAIN));
	print_str("gen_ai.provider.name", p->otel_name);
	put_dialects(&text, p);
	print_fact("dialects", &text);
	put_hosts(&text, p);
	print_fact("hosts", &text);
	print_str("governed", provider_hosts(p)->shared
				      ? "only the endpoints below; the hosts serve other things too"
				      : "every path; one that is not below is an unknown endpoint");
	put_lines(&text, credentials_of(p));
	print_fact("credentials", &text);
	print_str("request id", provider_request_id_header(p, provider_dialect(p)));
	print_str("refusals", provider_refusal(p, provider_dialect(p))->name);
	if (p->outside) {
		put_lines(&text, catalogue_text(p->outside));
		print_fact("outside agreements", &text);
	}
	need(buf_put_str(&text, catalogue_text(p->source)));
	need(buf_put_str(&text, ", "));
	need(buf_put_str(&text, catalogue_text(p->date)));
	if (p->certainty == CERTAINTY_GUESS)
		need(buf_put_str(&text, " (a guess)"));
	print_fact("source", &text);
}

static void print_endpoints(const struct provider *p)
{
	static const char *const titles[] = {"METHOD", "OPERATION", "MODEL",
					     "STREAM", "DIALECT",   "PATH"};
	struct grid grid = {.columns = 6, .titles = titles};
	struct walk w = {.provider = p};
	const struct endpoint *e;

	while ((e = next_endpoint(&w))) {
		struct buf method = {0}, path = {0}, model = {0};
		put_match(&w, e, &method, &path);
		put_model(&model, e);
		grid_put(&grid, PLAIN, buf_view(&method));
		grid_put_str(&grid, PLAIN, operation_name(e->operation));
		grid_put(&grid, PLAIN, buf_view(&model));
		grid_put_str(&grid, PLAIN, stream_places[e->stream]);
		grid_put_str(&grid, PLAIN, w.dialect->name);
		grid_put(&grid, PLAIN, buf_view(&path));
		buf_done(&method);
		buf_done(&path);
		buf_done(&model);
	}
	printf("\n");
	grid_print(&grid, "  ");
}

/* ---- for machines ---- */

static void object_lines(struct json_object *o, const char *key, const char *lines)
{
	struct bytes rest = bytes_str(lines), line;
	bool any = false;

	object_key(o, bytes_str(key));
	need(buf_put_u8(o->out, '['));
	while (endpoint_next_line(&rest, &line)) {
		need(buf_put_str(o->out, any ? "," : ""));
		need(buf_put_json_string(o->out, line));
		any = true;
	}
	need(buf_put_u8(o->out, ']'));
}

static void put_endpoint_json(struct buf *out, const struct walk *w, const struct endpoint *e)
{
	struct json_object o = object_begin(out);
	struct buf method = {0}, path = {0};

	put_match(w, e, &method, &path);
	object_text(&o, "method", buf_view(&method));
	object_text(&o, "path", buf_view(&path));
	object_text(&o, "operation", bytes_str(operation_name(e->operation)));
	object_text(&o, "dialect", bytes_str(w->dialect->name));
	if (e->model == MODEL_NOWHERE) {
		object_raw(&o, "model", "null");
	} else {
		object_text(&o, "model", bytes_str(model_places[e->model]));
		object_bool(&o, "needs_model", e->needs_model);
		if (e->model != MODEL_PATH)
			object_text(&o, "key", bytes_str(endpoint_keys(e)));
	}
	if (e->stream != STREAM_NEVER)
		object_text(&o, "stream",
			    e->stream == STREAM_DEFAULT ? BYTES("default")
							: bytes_str(stream_places[e->stream]));
	object_lines(&o, "text", endpoint_text(e));
	object_lines(&o, "opaque", endpoint_opaque(e));
	object_end(&o);
	buf_done(&method);
	buf_done(&path);
}

static void put_hosts_json(struct json_object *o, const struct provider *p)
{
	object_key(o, BYTES("hosts"));
	need(buf_put_u8(o->out, '['));
	for (size_t i = 0; i < p->host_count; i++) {
		need(buf_put_str(o->out, i ? "," : ""));
		need(buf_put_json_string(o->out, bytes_str(provider_hosts(p)[i].name)));
	}
	need(buf_put_u8(o->out, ']'));
}

static void put_provider_json(struct buf *out, const struct provider *p)
{
	struct json_object o = object_begin(out);
	struct walk w = {.provider = p};
	const struct endpoint *e;
	bool any = false;

	object_text(&o, "name", bytes_str(p->name));
	object_text(&o, "gen_ai.provider.name", bytes_str(p->otel_name));
	object_text(&o, "dialect", bytes_str(provider_dialect(p)->name));
	put_hosts_json(&o, p);
	object_bool(&o, "paths_only", provider_hosts(p)->shared);
	object_lines(&o, "credentials", credentials_of(p));
	object_text(&o, "request_id_header",
		    bytes_str(provider_request_id_header(p, provider_dialect(p))));
	object_text(&o, "refusal", bytes_str(provider_refusal(p, provider_dialect(p))->name));
	object_lines(&o, "outside", catalogue_text(p->outside));
	object_text(&o, "certainty",
		    p->certainty == CERTAINTY_GUESS ? BYTES("guess") : BYTES("read"));
	object_text(&o, "date", bytes_str(catalogue_text(p->date)));
	object_text(&o, "source", bytes_str(catalogue_text(p->source)));
	object_key(&o, BYTES("endpoints"));
	need(buf_put_u8(out, '['));
	while ((e = next_endpoint(&w))) {
		need(buf_put_str(out, any ? "," : ""));
		put_endpoint_json(out, &w, e);
		any = true;
	}
	need(buf_put_u8(out, ']'));
	object_end(&o);
}

static void print_all_json(void)
{
	struct buf out = {0};

	need(buf_put_u8(&out, '['));
	for (size_t i = 0; i < catalogue_count; i++) {
		need(buf_put_str(&out, i ? ",\n" : ""));
		put_provider_json(&out, &catalogue[i]);
	}
	need(buf_put_str(&out, "]\n"));
	print_buf(&out);
	buf_done(&out);
}

static void print_one_json(const struct provider *p)
{
	struct buf out = {0}, pretty = {0};

	put_provider_json(&out, p);
	need(put_pretty_json(&pretty, buf_view(&out)));
	need(buf_put_u8(&pretty, '\n'));
	print_buf(&pretty);
	buf_done(&out);
	buf_done(&pretty);
}

/* ---- the command ---- */

static int unknown_provider(const char *name)
{
	const char *names[NAMES_MAX];
	size_t count = 0;

	for (; count < catalogue_count && count < NAMES_MAX; count++)
		names[count] = catalogue[count].name;
	const char *near = args_near(name, names, count);
	print_note(near ? "no provider '%s' in the catalogue; did you mean '%s'?"
			: "no provider '%s' in the catalogue; 'aigw providers' lists them%s",
		   name, near ? near : "");
	return EXIT_FINDING;
}

int cmd_providers(int argc, char **argv)
{
	bool json = false;
	const struct option options[] = {
		{"json", 0, OPTION_FLAG, &json, NULL, "as JSON"},
	};
	const struct args args = {
		.command = "providers",
		.synopsis = "aigw providers [NAME] [--json]",
		.summary = "Lists the providers that are built in, or says of one which hosts and "
			   "endpoints it has,\nwhere the model and the key stand, and where the "
			   "facts were read.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 1,
	};
	const struct provider *p = NULL;
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (operands) {
		p = catalogue_find(bytes_str(argv[1]));
		if (!p)
			return unknown_provider(argv[1]);
	}
	if (json && p) {
		print_one_json(p);
	} else if (json) {
		print_all_json();
	} else if (p) {
		print_facts(p);
		print_endpoints(p);
	} else {
		print_table();
	}
	return EXIT_FINE;
}
