/* SPDX-License-Identifier: MIT */
#include "manifest.h"

#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "print.h"

static void put_hex(struct json_object *o, const char *key, const uint8_t *at, size_t len)
{
	object_key(o, bytes_str(key));
	need(buf_put_u8(o->out, '"'));
	need(buf_put_hex(o->out, bytes_of(at, len)));
	need(buf_put_u8(o->out, '"'));
}

static void put_time(struct json_object *o, const char *key, uint64_t time_ns)
{
	struct buf text = {0};

	text_put_time_utc(&text, time_ns);
	need(text.failed);
	object_text(o, key, buf_view(&text));
	buf_done(&text);
}

static void put_word(struct json_object *o, const char *key, const char *word)
{
	if (word)
		object_text(o, key, bytes_str(word));
}

static void put_filter(struct json_object *all, const struct log_filter *f,
		       const struct filter_words *words)
{
	object_key(all, BYTES("filter"));
	struct json_object o = object_begin(all->out);
	if (f->since_ns)
		put_time(&o, "since", f->since_ns);
	if (f->until_ns)
		put_time(&o, "until", f->until_ns);
	put_word(&o, "provider", words->provider);
	put_word(&o, "model", words->model);
	put_word(&o, "decision", words->decision);
	put_word(&o, "env", words->environment);
	put_word(&o, "app", words->application);
	object_end(&o);
}

static void put_segment(struct json_object *o, const struct log_segment *s)
{
	const char *slash = strrchr(s->path, '/');
	const char *file = s->path;

	/* The last two parts of the path. */
	for (const char *c = s->path; slash && c < slash; c++)
		if (*c == '/')
			file = c + 1;
	object_text(o, "file", bytes_str(file));
	put_hex(o, "id", s->header.segment_id, sizeof s->header.segment_id);
	put_hex(o, "header", s->header.digest, sizeof s->header.digest);
	object_number(o, "records", s->records);
	if (s->any) {
		object_number(o, "first", s->first);
		object_number(o, "last", s->last);
	}
	if (s->any && s->has_chain)
		put_hex(o, "chain", s->chain, sizeof s->chain);
}

static void put_segments(struct json_object *all, const struct log *l)
{
	const struct log_segment *s;
	bool any = false;

	object_key(all, BYTES("segments"));
	need(buf_put_u8(all->out, '['));
	for (size_t i = 0; (s = log_segment_at(l, i)); i++) {
		if (any)
			need(buf_put_u8(all->out, ','));
		any = true;
		struct json_object o = object_begin(all->out);
		put_segment(&o, s);
		object_end(&o);
	}
	need(buf_put_u8(all->out, ']'));
}

static void put_unread(struct json_object *all, const struct log_damage *d)
{
	object_key(all, BYTES("not_read"));
	struct json_object o = object_begin(all->out);
	object_number(&o, "damaged_records", d->records);
	object_number(&o, "unopened_segments", d->unopened_segments);
	object_number(&o, "unreadable_files", d->unreadable_files);
	object_end(&o);
}

static void put_ledger(struct json_object *all, const char *directory)
{
	uint8_t chain[32];
	uint64_t entries;

	ledger_tip(directory, &entries, chain);
	object_key(all, BYTES("ledger"));
	struct json_object o = object_begin(all->out);
	object_number(&o, "entries", entries);
	put_hex(&o, "chain", chain, sizeof chain);
	object_end(&o);
}

void manifest_put(struct buf *out, const struct log *l, const struct filter_words *words,
		  const struct manifest_output *output)
{
	char host[65] = "";
	struct json_object o = object_begin(out);

	if (gethostname(host, sizeof host - 1))
		host[0] = 0;
	object_text(&o, "type", BYTES(MANIFEST_TYPE));
	object_number(&o, "version", MANIFEST_VERSION);
	put_time(&o, "made", sys_now_ns());
	object_text(&o, "aigw", BYTES(AIGW_VERSION));
	object_text(&o, "host", bytes_str(host));
	object_number(&o, "uid", sys_getuid());
	object_text(&o, "format", bytes_str(output->format));
	put_filter(&o, &l->options.filter, words);
	object_key(&o, BYTES("output"));
	struct json_object file = object_begin(out);
	put_word(&file, "name", output->name);
	object_number(&file, "bytes", output->bytes);
	put_hex(&file, "sha256", output->sha256, sizeof output->sha256);
	object_end(&file);
	object_number(&o, "entries", output->entries);
	object_number(&o, "records_read", l->records);
	put_unread(&o, &l->damage);
	put_ledger(&o, l->options.directory);
	put_segments(&o, l);
	object_end(&o);
}
