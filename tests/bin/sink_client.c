/* SPDX-License-Identifier: MIT
 *
 * sink_client [--module FILE] [--repeat N] POLICY SINK: opens one sink of a policy file and sends
 *it the events that stand on standard input, one JSON object a line; an empty line, or the end,
 *sends what has come as one batch. For each batch prints one JSON object:
 *
 *	{"result":"partly","retry_after_ms":0,"text":"...","results":["delivered","refused"]}
 *
 * An event's members: id, process, time_ns, kind ("request", the default, or another record's
 * name), heartbeat, refusal, host, environment, application, provider, model, path: texts, numbers,
 * true or false; json and otlp: JSON values, taken as they are. With --module the sink's type comes
 * from that file instead of the place where it is installed.
 *
 * With --repeat each batch is sent N times, as long as it is delivered, and the line says how long
 * that took: "took_us".
 *
 * Exit: 0 all delivered, 1 not all, 2 usage, 3 the sink does not open (the reason is printed in the
 * same form, with the error as the result).
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "drain/sink.h"
#include "wire/json.h"

#define BATCH_MAX 65536
#define TEXTS     10

struct loaded {
	char *line;
	struct buf texts[TEXTS];
};

static struct sink_event events[BATCH_MAX];
static struct loaded loaded[BATCH_MAX];
static uint8_t results[BATCH_MAX];
static unsigned long repeats = 1; /* of each batch */

static const char *const result_names[] = {"delivered", "retry", "refused", "partly", "wrong"};

static void need(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "sink_client: %s\n", what);
	exit(2);
}

static void put_json(FILE *out, struct bytes text)
{
	struct buf quoted = {0};

	need(buf_put_json_string(&quoted, text) == OK, "out of memory");
	fwrite(quoted.at, 1, quoted.len, out);
	buf_done(&quoted);
}

static const char *result_name(unsigned result)
{
	return result < sizeof result_names / sizeof result_names[0] ? result_names[result] : "?";
}

/* ---- reading events ---- */

static struct bytes text_member(struct bytes line, const char *pointer, struct buf *storage)
{
	struct json_token token;

	if (json_find(line, pointer, &token, NULL) != OK)
		return BYTES_NONE;
	need(token.kind == JSON_STRING, pointer);
	need(json_put_unescaped(storage, &token) == OK, "out of memory");
	return buf_view(storage);
}

static struct bytes raw_member(struct bytes line, const char *pointer)
{
	struct json_token token;
	struct bytes raw;

	return json_find(line, pointer, &token, &raw) == OK ? raw : BYTES_NONE;
}

static bool true_member(struct bytes line, const char *pointer)
{
	return bytes_equal(raw_member(line, pointer), BYTES("true"));
}

static enum record_kind kind_member(struct bytes line)
{
	struct buf name = {0};
	struct bytes text = text_member(line, "/kind", &name);
	enum record_kind kind = REC_REQUEST;

	for (unsigned k = 0; text.len && k < 256; k++)
		if (record_kind_name(k) && bytes_equal(text, bytes_str(record_kind_name(k))))
			kind = (enum record_kind)k;
	buf_done(&name);
	return kind;
}

static void read_event(char *text, size_t len, struct loaded *l, struct sink_event *e)
{
	struct bytes line = bytes_of(text, len);
	struct json_token token;
	static const char *const names[TEXTS] = {"/id",          "/process",     "/host",
						 "/environment", "/application", "/provider",
						 "/model",       "/path"};
	struct bytes *const at[TEXTS] = {&e->id,          &e->process,  &e->host,  &e->environment,
					 &e->application, &e->provider, &e->model, &e->path};

	need(json_check(line, NULL, NULL) == OK, "a line of the input is not JSON");
	memset(e, 0, sizeof *e);
	memset(l, 0, sizeof *l);
	l->line = text;
	for (size_t i = 0; i < TEXTS && names[i]; i++)
		*at[i] = text_member(line, names[i], &l->texts[i]);
	if (json_find(line, "/time_ns", &token, NULL) == OK)
		need(json_number_u64(&token, &e->time_ns) == OK, "time_ns is not a number");
	e->kind = kind_member(line);
	e->is_heartbeat = true_member(line, "/heartbeat");
	e->is_refusal = true_member(line, "/refusal");
	e->json = raw_member(line, "/json");
	e->otlp = raw_member(line, "/otlp");
}

static void free_events(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < TEXTS; k++)
			buf_done(&loaded[i].texts[k]);
		free(loaded[i].line);
	}
}

/* ---- sending ---- */

static void print_answer(const char *result, const struct sink_answer *answer, size_t count,
			 uint64_t took_ns)
{
	printf("{\"result\":\"%s\",\"retry_after_ms\":%u,\"text\":", result,
	       answer->retry_after_ms);
	put_json(stdout, bytes_str(answer->text));
	if (answer->result == SINK_PARTLY) {
		fputs(",\"results\":[", stdout);
		for (size_t i = 0; i < count; i++)
			printf("%s\"%s\"", i ? "," : "", result_name(results[i]));
		fputs("]", stdout);
	}
	if (repeats > 1)
		printf(",\"took_us\":%llu", (unsigned long long)took_ns / 1000);
	fputs("}\n", stdout);
	fflush(stdout);
}

static bool send_batch(const struct sink_type *type, void *sink, size_t count)
{
	struct sink_batch batch = {count, events};
	struct sink_answer answer = {.results = results};

	uint64_t start_ns = sys_monotonic_ns();

	for (unsigned long i = 0; i < repeats && answer.result == SINK_DELIVERED; i++) {
		memset(results, 0xff, count); /* no result: a sink that forgets one is found */
		type->send(sink, &batch, &answer);
	}
	print_answer(result_name(answer.result), &answer, count, sys_monotonic_ns() - start_ns);
	free_events(count);
	return answer.result == SINK_DELIVERED;
}

static bool send_all(const struct sink_type *type, void *sink)
{
	bool all = true;
	size_t count = 0;

	for (;;) {
		char *line = NULL;
		size_t cap = 0;
		ssize_t len = getline(&line, &cap, stdin);
		while (len > 0 && line[len - 1] == '\n')
			len--;
		if (len > 0) {
			need(count < BATCH_MAX, "too many events in a batch");
			read_event(line, (size_t)len, &loaded[count], &events[count]);
			count++;
			continue;
		}
		free(line);
		if (count)
			all = send_batch(type, sink, count) && all;
		count = 0;
		if (len < 0)
			return all;
	}
}

/* ---- the sink ---- */

static const struct sink_type *type_of_module(const char *file, const char *name)
{
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	const struct sink_module *module = handle ? dlsym(handle, "aigw_sink_module") : NULL;

	need(module, dlerror());
	need(module->version == SINK_MODULE_VERSION && module->config_bytes == sizeof(struct drain),
	     "the module is of another version");
	for (size_t i = 0; i < module->count; i++)
		if (strcmp(module->types[i].name, name) == 0)
			return &module->types[i];
	need(false, "the module has no such type");
	return NULL;
}

static int fail_open(enum err e, const struct sink_answer *answer)
{
	print_answer(err_name(e), answer, 0, 0);
	return 3;
}

int main(int argc, char **argv)
{
	const char *module = NULL;
	struct buf text = {0};
	struct drains *drains = NULL;
	struct policy_problem problem;
	const struct sink_type *type = NULL;
	struct sink_answer answer = {.result = SINK_WRONG};
	void *sink = NULL;
	enum err e;

	if (argc > 2 && strcmp(argv[1], "--module") == 0) {
		module = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc > 2 && strcmp(argv[1], "--repeat") == 0) {
		repeats = strtoul(argv[2], NULL, 10);
		argv += 2;
		argc -= 2;
	}
	need(argc == 3 && repeats, "usage: sink_client [--module FILE] [--repeat N] POLICY SINK");
	need(sys_read_file(argv[1], POLICY_BYTES_MAX, &text) == OK, "the policy cannot be read");
	memset(&problem, 0, sizeof problem);
	if (drains_parse(buf_view(&text), &drains, &problem)) {
		fprintf(stderr, "sink_client: %s\n", problem.text);
		return 2;
	}
	const struct drain *config = drains_find(drains, bytes_str(argv[2]));
	need(config, "the policy has no such sink");
	if (module)
		type = type_of_module(module, drain_type_name(config->type));
	else if ((e = sink_find(config->type, &answer, &type)))
		return fail_open(e, &answer);
	e = type->open(config, &answer, &sink);
	if (e)
		return fail_open(e, &answer);
	bool all = send_all(type, sink);
	type->close(sink);
	drains_free(drains);
	buf_done(&text);
	return all ? 0 : 1;
}
