/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
#include "doctor.h"
#include "elf.h"
#include "grid.h"
#include "process.h"

#define PID_MAX (1 << 22) /* the kernel's PID_MAX_LIMIT */

/* What is looked at: a program, or a process (then `process` is not NULL). */
struct patient {
	const char *name;
	const struct inspection *inspection;
	const struct process *process;
	enum reach reach;
};

/* ---- in few words ---- */

enum colour doctor_reach_colour(enum reach reach)
{
	static const enum colour colours[] = {
		[REACH_FULL] = GREEN, [REACH_PARTLY] = YELLOW, [REACH_OPAQUE] = YELLOW,
		[REACH_NOT] = RED,    [REACH_NO_TLS] = PLAIN,
	};

	return colours[reach];
}

enum colour doctor_governed_colour(enum governed governed)
{
	if (governed == GOVERNED_YES)
		return GREEN;
	return governed == GOVERNED_NO ? PLAIN : YELLOW;
}

/* Appends `text` to the list in `out` unless it stands there. */
static void put_once(struct buf *out, struct bytes text)
{
	struct bytes rest = buf_view(out);

	while (rest.len) {
		size_t comma = bytes_find(rest, BYTES("; "));
		if (bytes_equal(bytes_slice(rest, 0, comma), text))
			return;
		rest = comma == SIZE_MAX ? BYTES_NONE : bytes_from(rest, comma + 2);
	}
	if (out->len)
		need(buf_put_str(out, "; "));
	need(buf_put(out, text));
}

void doctor_put_labels(struct buf *out, const struct inspection *inspection)
{
	for (size_t i = 0; i < inspection->count; i++) {
		struct buf label = {0};
		inspect_put_label(&label, &inspection->findings[i]);
		put_once(out, buf_view(&label));
		buf_done(&label);
	}
	if (inspection->count == 0)
		need(buf_put_str(out, "-"));
}

void doctor_put_ways(struct buf *out, const struct inspection *inspection)
{
	for (size_t i = 0; i < inspection->count; i++)
		put_once(out, bytes_str(coverage_tls(inspection->findings[i].tls)->way));
	if (inspection->count == 0)
		need(buf_put_str(out, "-"));
}

/* ---- for people ---- */

static void print_findings(const struct patient *p)
{
	static const char *const titles[] = {"TLS", "REACHED BY", "GOVERNED", "FILE", "FOR"};
	struct grid grid = {.columns = 5, .titles = titles};

	for (size_t i = 0; i < p->inspection->count; i++) {
		const struct finding *f = &p->inspection->findings[i];
		const struct tls_row *row = coverage_tls(f->tls);
		struct buf label = {0};
		inspect_put_label(&label, f);
		grid_put(&grid, PLAIN, buf_view(&label));
		grid_put_str(&grid, PLAIN, row->way);
		grid_put_str(&grid, doctor_reach_colour(row->reach),
			     row->reach == REACH_FULL ? "yes" : coverage_reach_name(row->reach));
		grid_put_str(&grid, PLAIN, f->file);
		grid_put_str(&grid, DIM, f->wanted_by[0] ? inspect_file_name(f->wanted_by) : "");
		buf_done(&label);
	}
	if (p->inspection->count)
		grid_print(&grid, "  ");
}

/* Sentences that several findings share are said once. */
static void print_once(struct buf *said, const char *text)
{
	if (!text || bytes_find(buf_view(said), bytes_str(text)) != SIZE_MAX)
		return;
	need(buf_put_str(said, text));
	printf("  %s\n", text);
}

static void print_obstacles(const struct patient *p, struct buf *said)
{
	for (int i = 0; i < OBSTACLE_COUNT; i++) {
		if (!(p->inspection->obstacles & UINT32_C(1) << i))
			continue;
		const struct obstacle_row *row = coverage_obstacle((enum obstacle)i);
		const char *machine = elf_machine_name(p->inspection->machine);
		printf("  %c%s", row->why[0] - 'a' + 'A', row->why + 1);
		if (i == OBSTACLE_MACHINE && machine)
			printf(": %s", machine);
		if (i == OBSTACLE_LIBC)
			printf(": %s", p->inspection->loader);
		puts(".");
		print_once(said, row->advice);
	}
}

static void print_patient(const struct patient *p)
{
	struct buf said = {0};
	const struct inspection *n = p->inspection;
	const struct process *process = p->process;

	print_text(stdout, bytes_str(p->name));
	if (strcmp(p->name, n->path) != 0) {
		fputs(": ", stdout);
		print_text(stdout, bytes_str(n->path));
	}
	puts("");
	print_findings(p);
	printf("%s%s%s: %s\n", colour(stdout, doctor_reach_colour(p->reach)),
	       coverage_reach_name(p->reach), colour(stdout, PLAIN),
	       coverage_reach_meaning(p->reach));
	print_obstacles(p, &said);
	for (size_t i = 0; i < n->count && !n->obstacles; i++)
		print_once(&said, coverage_tls(n->findings[i].tls)->meaning);
	for (size_t i = 0; i < n->count && !n->obstacles; i++)
		print_once(&said, coverage_tls(n->findings[i].tls)->advice);
	if (n->has_modules && !process)
		print_once(&said, "It loads modules: another one can bring a TLS of its own.");
	if (process) {
		const char *why, *advice;
		process_explain(process, &why, &advice);
		printf("governed now: %s%s%s\n",
		       colour(stdout, doctor_governed_colour(process->governed)),
		       coverage_governed_name(process->governed), colour(stdout, PLAIN));
		print_once(&said, why);
		print_once(&said, advice);
	}
	buf_done(&said);
}

/* ---- for programs ---- */

static void object_text_or_none(struct json_object *o, const char *key, const char *text)
{
	if (text)
		object_text(o, key, bytes_str(text));
}

static void put_findings(struct buf *out, const struct inspection *n)
{
	need(buf_put_u8(out, '['));
	for (size_t i = 0; i < n->count; i++) {
		const struct finding *f = &n->findings[i];
		const struct tls_row *row = coverage_tls(f->tls);
		struct buf label = {0};
		if (i)
			need(buf_put_u8(out, ','));
		struct json_object o = object_begin(out);
		object_text(&o, "kind", bytes_str(row->name));
		inspect_put_label(&label, f);
		object_text(&o, "label", buf_view(&label));
		if (f->version[0])
			object_text(&o, "version", bytes_str(f->version));
		object_text(&o, "reached_by", bytes_str(row->way));
		object_text(&o, "reached", bytes_str(coverage_reach_name(row->reach)));
		object_text(&o, "file", bytes_str(f->file));
		if (f->wanted_by[0])
			object_text(&o, "for", bytes_str(f->wanted_by));
		object_text_or_none(&o, "meaning", row->meaning);
		object_text_or_none(&o, "advice", row->advice);
		object_end(&o);
		buf_done(&label);
	}
	need(buf_put_u8(out, ']'));
}

static void put_obstacles(struct buf *out, uint32_t obstacles)
{
	bool any = false;

	need(buf_put_u8(out, '['));
	for (int i = 0; i < OBSTACLE_COUNT; i++) {
		if (!(obstacles & UINT32_C(1) << i))
			continue;
		const struct obstacle_row *row = coverage_obstacle((enum obstacle)i);
		if (any)
			need(buf_put_u8(out, ','));
		any = true;
		struct json_object o = object_begin(out);
		object_text(&o, "kind", bytes_str(row->name));
		object_text(&o, "meaning", bytes_str(row->why));
		object_text(&o, "advice", bytes_str(row->advice));
		object_end(&o);
	}
	need(buf_put_u8(out, ']'));
}

static void object_process(struct json_object *o, const struct process *p)
{
	struct buf user = {0};
	const char *why, *advice;

	process_put_user(&user, p->uid);
	object_number(o, "pid", (uint64_t)p->pid);
	object_number(o, "uid", p->uid);
	object_text(o, "user", buf_view(&user));
	object_bool(o, "library_loaded", p->loaded);
	if (p->loaded)
		object_text(o, "library", bytes_str(p->library));
	object_bool(o, "switched_off", p->switched_off);
	object_text(o, "governed", bytes_str(coverage_governed_name(p->governed)));
	process_explain(p, &why, &advice);
	object_text_or_none(o, "why", why);
	object_text_or_none(o, "advice", advice);
	buf_done(&user);
}

static void print_json(const struct patient *p)
{
	struct buf out = {0};
	struct json_object o = object_begin(&out);

	object_text(&o, "program", bytes_str(p->name));
	object_text(&o, "path", bytes_str(p->inspection->path));
	object_text(&o, "reached", bytes_str(coverage_reach_name(p->reach)));
	object_text(&o, "meaning", bytes_str(coverage_reach_meaning(p->reach)));
	object_key(&o, BYTES("obstacles"));
	put_obstacles(&out, p->inspection->obstacles);
	object_key(&o, BYTES("tls"));
	put_findings(&out, p->inspection);
	if (p->process)
		object_process(&o, p->process);
	object_end(&o);
	need(buf_put_u8(&out, '\n'));
	print_buf(&out);
	buf_done(&out);
}

static int tell(const struct patient *p, bool json)
{
	bool fine = p->reach == REACH_FULL || p->reach == REACH_NO_TLS;

	if (json)
		print_json(p);
	else
		print_patient(p);
	if (p->process)
		fine = p->process->governed == GOVERNED_YES;
	return fine ? EXIT_FINE : EXIT_FINDING;
}

static int look_at_process(pid_t pid, const char *name, bool json)
{
	struct process process;
	enum err e = process_look(pid, &process);

	if (e)
		return print_problem(e, "process %s", name);
	const struct patient patient = {name, &process.inspection, &process, process.reach};
	int status = tell(&patient, json);
	process_done(&process);
	return status;
}

static int look_at_program(const char *name, bool json)
{
	struct inspection inspection;
	char path[PROGRAM_PATH_MAX];
	enum err e = program_find(name, path);

	/* A library is no program, but it can be looked at. */
	if (e == ERR_MISSING || (e && !strchr(name, '/'))) {
		print_note("%s: %s", name, e == ERR_MISSING ? "not found" : "not executable");
		return EXIT_SYSTEM;
	}
	inspect_program(path, &inspection);
	if (!inspection.is_elf) {
		inspect_done(&inspection);
		print_note("%s: no program, no library, and no script whose interpreter is here",
			   path);
		return EXIT_SYSTEM;
	}
	const struct patient patient = {path, &inspection, NULL,
					coverage_decide(inspection.tls, inspection.obstacles)};
	int status = tell(&patient, json);
	inspect_done(&inspection);
	return status;
}

int cmd_doctor(int argc, char **argv)
{
	bool json = false, host = false;
	const struct option options[] = {
		{"host", 0, OPTION_FLAG, &host, NULL, "every process of this host"},
		{"json", 0, OPTION_FLAG, &json, NULL, "as one JSON object"},
	};
	const struct args args = {
		.command = "doctor",
		.synopsis = "aigw doctor [PROGRAM | PID | --host] [--json]",
		.summary =
			"Says which TLS a program carries, how the gateway reaches it, and what "
			"it cannot do.\n"
			"Of a running process also whether it is governed now. Without an argument "
			"this\n"
			"installation is checked.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 1,
		.notes = "Exit status: 0 all is reached, 1 something is not or only partly, 2 "
			 "wrong usage, 3 it\n"
			 "could not be looked at.",
	};
	int operands, status;
	uint64_t pid;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (host && operands)
		return args_wrong("doctor", "--host and '%s' exclude each other", argv[1]);
	if (host)
		return doctor_host(json);
	if (operands == 0)
		return doctor_installation(json);
	if (bytes_parse_u64(bytes_str(argv[1]), PID_MAX, &pid) == OK)
		return look_at_process((pid_t)pid, argv[1], json);
	return look_at_program(argv[1], json);
}
