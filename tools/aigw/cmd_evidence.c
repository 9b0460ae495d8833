/* SPDX-License-Identifier: MIT */
#include "aigw.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/frame.h"
#include "base/files.h"
#include "base/sys.h"
#include "day.h"
#include "evidence.h"
#include "narrow.h"
#include "print.h"
#include "reading.h"

#define FILE_BYTES_MAX ((size_t)SEGMENT_BYTES_MAX + SEGMENT_RECORD_MAX + (1u << 20))
#define WHOLE_MAX      (1u << 20) /* files up to that length go in whole without being asked */

/* Where the records of the exchange stand. */
struct found_segment {
	char *path;
	uint64_t *sequences; /* ascending; the first is the start record's */
	size_t count, cap;
};

struct collection {
	const char *id;
	struct found_segment *segments;
	size_t count;
	uint64_t records;
};

/* ---- finding ---- */

static void add_sequence(struct found_segment *s, uint64_t sequence)
{
	if (s->count && s->sequences[s->count - 1] >= sequence)
		return;
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		uint64_t *more = need_memory(cap * sizeof *more);
		if (s->count)
			memcpy(more, s->sequences, s->count * sizeof *more);
		free(s->sequences);
		s->sequences = more;
		s->cap = cap;
	}
	s->sequences[s->count++] = sequence;
}

static struct found_segment *find_segment(struct collection *c, const char *path)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->segments[i].path, path) == 0)
			return &c->segments[i];
	struct found_segment *more = need_memory((c->count + 1) * sizeof *more);
	if (c->count)
		memcpy(more, c->segments, c->count * sizeof *more);
	free(c->segments);
	c->segments = more;
	struct found_segment *s = &more[c->count++];
	s->path = need_memory(strlen(path) + 1);
	memcpy(s->path, path, strlen(path) + 1);
	add_sequence(s, 0);
	return s;
}

static void on_record(void *context, const struct log_segment *segment,
		      const struct segment_record *record)
{
	struct collection *c = context;
	struct bytes id;

	if (record_find(record->plain, F_ID, &id) || !bytes_equal(id, bytes_str(c->id)))
		return;
	c->records++;
	add_sequence(find_segment(c, segment->path), record->sequence);
}

static void collection_done(struct collection *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->segments[i].path);
		free(c->segments[i].sequences);
	}
	free(c->segments);
}

/* ---- writing the statement ---- */

static void put_base64_member(struct json_object *o, const char *key, struct bytes bytes)
{
	object_key(o, bytes_str(key));
	need(buf_put_u8(o->out, '"'));
	text_put_base64(o->out, bytes);
	need(buf_put_u8(o->out, '"'));
}

static void put_hex_member(struct json_object *o, const char *key, struct bytes bytes)
{
	object_key(o, bytes_str(key));
	need(buf_put_u8(o->out, '"'));
	need(buf_put_hex(o->out, bytes));
	need(buf_put_u8(o->out, '"'));
}

static void put_key(struct buf *keys, const struct segment_mark *before, struct bytes file,
		    const struct segment_record *r, bool whole)
{
	uint8_t key[SEAL_KEY_BYTES], unused[SEAL_KEY_BYTES];
	size_t head = sizeof(struct format_frame);

	if (keys->len)
		need(buf_put_u8(keys, ','));
	struct json_object o = object_begin(keys);
	frame_step(before->key, key, unused);
	object_number(&o, "sequence", r->sequence);
	put_hex_member(&o, "key", bytes_of(key, sizeof key));
	if (!whole)
		put_base64_member(&o, "body",
				  bytes_slice(file, (size_t)r->offset + head,
					      (size_t)(r->end - r->offset) - FORMAT_FRAME_MIN));
	object_end(&o);
	wipe(key, sizeof key);
	wipe(unused, sizeof unused);
}

/* Heads and tags of all frames, keys of the exchange's. ERR_SEAL: the segment is damaged. */
static enum err walk(struct segment_reader *reader, struct bytes file,
		     const struct found_segment *s, bool whole, struct buf *frames,
		     struct buf *keys, size_t *ret_end)
{
	struct segment_record r = {0};
	struct segment_mark before;
	size_t next = 0;
	enum err e;

	*ret_end = (size_t)segment_reader_header(reader)->bytes;
	while ((e = segment_reader_mark(reader, &before)) == OK &&
	       (e = segment_next(reader, &r)) == OK) {
		if (!r.chained || !r.opened || r.sequence != before.sequence)
			e = ERR_SEAL;
		if (e)
			break;
		need(buf_put(frames,
			     bytes_slice(file, (size_t)r.offset, sizeof(struct format_frame))));
		need(buf_put(frames, bytes_slice(file, (size_t)r.end - FORMAT_TAG_BYTES,
						 FORMAT_TAG_BYTES)));
		if (next < s->count && s->sequences[next] == r.sequence) {
			put_key(keys, &before, file, &r, whole);
			next++;
		}
		*ret_end = (size_t)r.end;
	}
	wipe(&before, sizeof before);
	return e == ERR_END || e == ERR_TORN ? OK : ERR_SEAL;
}

static void put_ledger(struct json_object *o, struct bytes ledger, const uint8_t segment_id[16])
{
	struct ledger_reader reader;
	struct ledger_found found;
	bool any = false;
	enum err e;

	object_key(o, BYTES("ledger"));
	need(buf_put_u8(o->out, '['));
	ledger_reader_init(&reader, ledger, 0, NULL);
	while ((e = ledger_next(&reader, &found)) != ERR_END) {
		if (e || !found.known || found.entry.kind == FORMAT_LEDGER_EPOCH ||
		    memcmp(found.entry.segment_id, segment_id, 16) != 0)
			continue;
		need(buf_put_str(o->out, any ? ",\"" : "\""));
		any = true;
		text_put_base64(o->out, bytes_of(found.item.whole.at,
						 found.item.whole.len + FORMAT_MAC_BYTES));
		need(buf_put_u8(o->out, '"'));
	}
	ledger_reader_done(&reader);
	need(buf_put_u8(o->out, ']'));
}

static int put_segment(struct buf *out, const struct reading *r, const struct found_segment *s,
		       struct bytes ledger, bool wish_whole)
{
	struct buf file = {0}, frames = {0}, keys = {0};
	struct segment_reader *reader = NULL;
	size_t end = 0;
	enum err e = files_load(s->path, FILE_BYTES_MAX, &file);
	bool whole = wish_whole || file.len <= WHOLE_MAX;

	if (!e)
		e = segment_reader_open(buf_view(&file), r->options.identity_count,
					r->options.identities, &reader);
	if (!e)
		segment_reader_find_note(reader, s->path, r->options.identity_count,
					 r->options.identities);
	if (!e)
		e = walk(reader, buf_view(&file), s, whole, &frames, &keys, &end);
	if (e) {
		print_note("%s: %s; 'aigw verify' says more", s->path,
			   e == ERR_SEAL ? "this segment is damaged" : err_text(e));
	} else {
		const struct segment_header *h = segment_reader_header(reader);
		struct json_object o = object_begin(out);
		object_text(&o, "file", bytes_str(s->path + strlen(r->options.directory) + 1));
		put_base64_member(&o, "header", bytes_slice(buf_view(&file), 0, (size_t)h->bytes));
		if (whole)
			put_base64_member(&o, "bytes", bytes_slice(buf_view(&file), 0, end));
		else
			put_base64_member(&o, "frames", buf_view(&frames));
		object_key(&o, BYTES("keys"));
		need(buf_put_u8(out, '['));
		need(buf_put(out, buf_view(&keys)));
		need(buf_put_u8(out, ']'));
		put_ledger(&o, ledger, h->segment_id);
		object_end(&o);
	}
	segment_reader_free(reader);
	buf_done(&file);
	buf_done(&frames);
	buf_done(&keys);
	return e ? err_exit_status(e) : EXIT_FINE;
}

static int put_statement(struct buf *out, const struct reading *r, const struct collection *c,
			 bool whole)
{
	struct buf ledger = {0}, path = {0}, time = {0};
	char host[65] = "";
	struct json_object o = object_begin(out);
	int status = EXIT_FINE;

	need(buf_put_str(&path, r->options.directory));
	need(buf_put(&path, bytes_of("/" LEDGER_FILE, sizeof "/" LEDGER_FILE)));
	enum err e = files_load((const char *)path.at, LEDGER_BYTES_MAX, &ledger);
	if (e)
		print_note("%s: %s: the evidence goes without the ledger's entries",
			   (const char *)path.at, err_text(e));
	if (gethostname(host, sizeof host - 1))
		host[0] = 0;
	object_text(&o, "type", BYTES(EVIDENCE_TYPE));
	object_number(&o, "version", EVIDENCE_VERSION);
	object_text(&o, "id", bytes_str(c->id));
	text_put_time_utc(&time, sys_now_ns());
	need(time.failed);
	object_text(&o, "made", buf_view(&time));
	object_text(&o, "aigw", BYTES(AIGW_VERSION));
	object_text(&o, "host", bytes_str(host));
	object_key(&o, BYTES("segments"));
	need(buf_put_u8(out, '['));
	for (size_t i = 0; !status && i < c->count; i++) {
		if (i)
			need(buf_put_u8(out, ','));
		status = put_segment(out, r, &c->segments[i], buf_view(&ledger), whole);
	}
	need(buf_put_u8(out, ']'));
	object_end(&o);
	buf_done(&ledger);
	buf_done(&path);
	buf_done(&time);
	return status;
}

/* ---- the command ---- */

static int write_out(const char *output, struct bytes text)
{
	size_t written;

	if (!output) {
		fwrite(text.at, 1, text.len, stdout);
		return EXIT_FINE;
	}
	int fd = sys_open(output, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return print_problem(err_from_errno(fd), "%s", output);
	enum err e = sys_write_full(fd, text.at, text.len, &written);
	if (!e)
		e = err_from_errno(sys_fdatasync(fd));
	sys_close(fd);
	return e ? print_problem(e, "%s", output) : EXIT_FINE;
}

static int make_evidence(struct reading *r, const char *id, const char *output, bool whole,
			 bool plain)
{
	struct collection c = {.id = id};
	struct buf statement = {0}, text = {0};
	struct places places;
	struct signer signer;
	int status;

	log_done(&r->log);
	r->options.filter = (struct log_filter){0};
	narrow_to_prefix(&r->options.filter, id);
	r->options.on_record = on_record;
	r->options.context = &c;
	status = reading_newest(r, 0);
	if (!status && c.records == 0) {
		print_note("no record has the id '%s'", id);
		status = EXIT_FINDING;
	}
	if (!status)
		status = put_statement(&statement, r, &c, whole);
	if (!status && !plain)
		status = setup_places(&places);
	if (!status && !plain)
		status = setup_signer(&places, true, &signer);
	if (!status) {
		need(signed_put(&text, EVIDENCE_LABEL, buf_view(&statement),
				plain ? NULL : &signer));
		status = write_out(output, buf_view(&text));
	}
	if (!plain)
		wipe(&signer, sizeof signer);
	collection_done(&c);
	buf_done(&statement);
	buf_done(&text);
	return status;
}

int cmd_evidence(int argc, char **argv)
{
	const char *output = NULL, *key = NULL, *directory = NULL;
	bool whole = false, plain = false;
	const struct option options[] = {
		{"output", 'o', OPTION_TEXT, &output, "FILE", "to that file"},
		{"whole", 0, OPTION_FLAG, &whole, NULL,
		 "with the whole sealed segment also when it is long"},
		{"unsigned", 0, OPTION_FLAG, &plain, NULL, "without a signature"},
		{"key", 0, OPTION_TEXT, &key, "FILE", "the secret key to open the log with"},
		{"directory", 0, OPTION_TEXT, &directory, "DIR",
		 "the audit directory; default: the policy's"},
	};
	const struct args args = {
		.command = "evidence",
		.synopsis = "aigw evidence [-o FILE] [--whole] [--unsigned] [--directory DIR] "
			    "[--key FILE] "
			    "ID|last",
		.summary =
			"Writes one exchange with the proof of its place in the log, as one JSON "
			"file that\n"
			"'aigw verify --evidence' checks without the log. It holds what was said: "
			"the keys of\n"
			"these records are in it.",
		.options = options,
		.option_count = sizeof options / sizeof options[0],
		.operands_max = 1,
	};
	struct reading reading;
	char id[ULID_CHARS + 1] = "";
	int operands, status;

	if (!args_parse(&args, argc, argv, &operands, &status))
		return status;
	if (operands == 0)
		return args_wrong("evidence", "which record? Give its id, or 'last'");
	status = reading_open(&reading, key, directory);
	if (status)
		return status;
	status = narrow_find_id(&reading, "evidence", argv[1], id);
	if (!status && !id[0]) {
		print_note("this record has no id");
		status = EXIT_FINDING;
	}
	if (!status)
		status = make_evidence(&reading, id, output, whole, plain);
	reading_done(&reading);
	return status;
}
