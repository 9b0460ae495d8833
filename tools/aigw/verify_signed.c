/* SPDX-License-Identifier: MIT */
#include "verify_signed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aigw.h"
#include "args.h"
#include "base/files.h"
#include "base/sys.h"
#include "report/entry_json.h"
#include "evidence.h"
#include "manifest.h"
#include "readable.h"

#define CHUNK_BYTES (256u << 10)

/* What was found, as lines for people or members for machines. */
struct report {
	enum verdict verdict;
	bool json;
	struct buf lines; /* "proven" and "not_proven" lines, or JSON array elements */
	struct buf open;
};

static void add(struct report *r, struct buf *to, const char *heading, const char *text)
{
	if (r->json) {
		if (to->len)
			need(buf_put_u8(to, ','));
		need(buf_put_json_string(to, bytes_str(text)));
		return;
	}
	need(buf_put_str(to, heading));
	put_visible(to, bytes_str(text));
	need(buf_put_u8(to, '\n'));
}

static void proven(struct report *r, const char *text)
{
	add(r, &r->lines, "proven:      ", text);
}

static void not_proven(struct report *r, const char *text)
{
	add(r, &r->open, "not proven:  ", text);
}

/* Of several the first in the order 1, 4, 2, 3 decides, as in the log. */
static void weigh(struct report *r, enum verdict v)
{
	static const int weight[] = {0, 4, 2, 1, 3};

	if (weight[v] > weight[r->verdict])
		r->verdict = v;
}

static void wrong(struct report *r, const char *text)
{
	weigh(r, VERDICT_TAMPERED);
	add(r, &r->lines, "WRONG:       ", text);
}

static void put_array(struct json_object *o, const char *key, const struct buf *items)
{
	object_key(o, bytes_str(key));
	need(buf_put_u8(o->out, '['));
	need(buf_put(o->out, buf_view(items)));
	need(buf_put_u8(o->out, ']'));
}

/* `members`: more of the JSON object, from a comma on; or NULL. */
static int finish(struct report *r, const struct buf *members)
{
	struct buf out = {0};

	if (r->json) {
		struct json_object o = object_begin(&out);
		object_text(&o, "verdict", bytes_str(verdict_name(r->verdict)));
		object_number(&o, "status", (uint64_t)r->verdict);
		put_array(&o, "found", &r->lines);
		put_array(&o, "not_proven", &r->open);
		if (members)
			need(buf_put(&out, buf_view(members)));
		object_end(&o);
		need(buf_put_u8(&out, '\n'));
		print_buf(&out);
	} else {
		print_buf(&r->lines);
		print_buf(&r->open);
		printf("%s%s%s: %s\n", colour(stdout, verdict_colour(r->verdict)),
		       verdict_name(r->verdict), colour(stdout, PLAIN),
		       r->verdict == VERDICT_WHOLE ? "everything that was asked holds"
						   : verdict_meaning(r->verdict));
	}
	buf_done(&out);
	buf_done(&r->lines);
	buf_done(&r->open);
	return (int)r->verdict;
}

/* ---- who signed ---- */

/* This user's own key, when there is one. */
static bool own_signer(uint8_t ret_key[SEAL_KEY_BYTES])
{
	struct places places;
	struct signer signer;

	if (setup_places(&places) || setup_signer(&places, false, &signer))
		return false;
	memcpy(ret_key, signer.public_key, SEAL_KEY_BYTES);
	wipe(&signer, sizeof signer);
	return true;
}

static void check_signer(struct report *r, const struct signed_text *t, const char *signer)
{
	uint8_t wanted[SEAL_KEY_BYTES];
	char text[300], name[SIGNER_CHARS_MAX] = "";
	bool has_wanted = signer ? seal_parse_signer_public(bytes_str(signer), wanted) == OK
				 : own_signer(wanted);

	if (!t->has_signer) {
		weigh(r, signer ? VERDICT_TAMPERED : VERDICT_UNWITNESSED);
		not_proven(r, "who made this file: nobody signed it");
		return;
	}
	seal_put_signer_public(t->signer, name);
	if (!t->signature_right) {
		wrong(r, "the signature does not fit: this file was changed after it was signed");
		return;
	}
	if (has_wanted && memcmp(wanted, t->signer, sizeof wanted) == 0) {
		snprintf(text, sizeof text, "signed by %s, %s, and not changed since", name,
			 signer ? "the key that was asked for" : "the key of this user");
		proven(r, text);
		return;
	}
	snprintf(text, sizeof text,
		 "who made this file: it is signed by %s, which is not the key %s", name,
		 signer ? "that was asked for"
			: "of this user; name the one you trust with --signer");
	weigh(r, signer ? VERDICT_TAMPERED : VERDICT_UNWITNESSED);
	not_proven(r, text);
}

/* Loads and parses the document. 0, or the verdict after saying what is wrong. */
static int load(const char *path, struct bytes label, const char *signer, struct buf *ret_text,
		struct signed_text *ret_signed)
{
	uint8_t ignored[SEAL_KEY_BYTES];
	enum err e = files_load(path, SIGNED_BYTES_MAX, ret_text);

	*ret_signed = (struct signed_text){.has_signer = false};
	if (signer && seal_parse_signer_public(bytes_str(signer), ignored))
		return args_wrong("verify",
				  "--signer: '%s' is no signer (aigw-sign1...), or mistyped",
				  signer);
	if (e) {
		(void)print_problem(e, "%s", path);
		return VERDICT_CANNOT;
	}
	e = signed_parse(buf_view(ret_text), label, ret_signed);
	if (e) {
		(void)print_problem(e, "%s: not a document that this command checks", path);
		return VERDICT_CANNOT;
	}
	return 0;
}

/* ---- manifests ---- */

static enum err digest_file(const char *path, uint64_t *ret_bytes, uint8_t ret_sha256[32])
{
	struct seal_sha256_state state;
	uint8_t *chunk;
	uint64_t bytes = 0;
	ssize_t got = 0;
	int fd = sys_open(path, O_RDONLY | O_NOCTTY, 0);

	if (fd < 0)
		return err_from_errno(fd);
	chunk = need_memory(CHUNK_BYTES);
	seal_sha256_init(&state);
	while ((got = sys_read(fd, chunk, CHUNK_BYTES)) > 0) {
		seal_sha256_feed(&state, bytes_of(chunk, (size_t)got));
		bytes += (uint64_t)got;
	}
	sys_close(fd);
	free(chunk);
	seal_sha256_end(&state, ret_sha256);
	*ret_bytes = bytes;
	return got < 0 ? err_from_errno((int)got) : OK;
}

/* The export beside its manifest, unless it was named. */
static void output_path(const struct signed_wish *w, const struct manifest *m, struct buf *ret_path)
{
	const char *slash = strrchr(w->manifest, '/');

	if (w->output) {
		need(buf_put_str(ret_path, w->output));
	} else if (m->name.len) {
		if (slash)
			need(buf_put(ret_path,
				     bytes_of(w->manifest, (size_t)(slash - w->manifest) + 1)));
		need(buf_put(ret_path, m->name));
	}
	need(buf_put_u8(ret_path, 0));
}

static void check_output(struct report *r, const struct signed_wish *w, const struct manifest *m)
{
	struct buf path = {0};
	char text[200];
	uint8_t sha256[32];
	uint64_t bytes = 0;

	output_path(w, m, &path);
	const char *at = (const char *)path.at;
	if (!at[0]) {
		weigh(r, VERDICT_CANNOT);
		not_proven(r, "the output: it went to standard output, name the file it is in");
	} else if (digest_file(at, &bytes, sha256) != OK) {
		weigh(r, VERDICT_CANNOT);
		not_proven(r, "the output: its file cannot be read");
	} else if (bytes != m->bytes || !seal_equal(sha256, m->sha256)) {
		wrong(r, "the output is not the one that the manifest describes");
	} else {
		snprintf(text, sizeof text,
			 "the output has the %llu bytes and the SHA-256 that the manifest says "
			 "(%llu entries)",
			 (unsigned long long)bytes, (unsigned long long)m->entries);
		proven(r, text);
	}
	buf_done(&path);
}

/* The log here against what the manifest says of its segments. */
struct comparison {
	const char *directory;
	struct buf file;
	uint64_t same, missing, other;
};

static bool has_chain(struct bytes file, const struct manifest_segment *s)
{
	struct segment_reader *reader = NULL;
	struct segment_record record;
	uint8_t chain[32];
	bool same = false;

	if (segment_reader_open(file, 0, NULL, &reader))
		return false;
	same = memcmp(segment_reader_header(reader)->segment_id, s->id, sizeof s->id) == 0;
	while (same && s->has_chain) {
		if (segment_next(reader, &record) != OK || !record.chained) {
			same = false;
		} else if (record.sequence >= s->last) {
			same = record.sequence == s->last && segment_reader_chain(reader, chain) &&
			       seal_equal(chain, s->chain);
			break;
		}
	}
	segment_reader_free(reader);
	return same;
}

static void compare_segment(void *context, const struct manifest_segment *s)
{
	struct comparison *c = context;
	struct buf path = {0};

	need(buf_put_str(&path, c->directory));
	need(buf_put_u8(&path, '/'));
	need(buf_put(&path, s->file));
	need(buf_put_u8(&path, 0));
	enum err e = files_load((const char *)path.at, (size_t)1 << 28, &c->file);
	if (e)
		c->missing++;
	else if (has_chain(buf_view(&c->file), s))
		c->same++;
	else
		c->other++;
	buf_done(&path);
}

static enum err check_segments(struct report *r, const struct manifest *m)
{
	struct comparison c = {.same = 0};
	struct places places;
	struct buf directory = {0};
	char text[200];
	enum err e;

	if (setup_places(&places))
		return ERR_IO;
	setup_audit_directory(&places, &directory);
	c.directory = (const char *)directory.at;
	e = manifest_each(m, &c, compare_segment);
	buf_done(&directory);
	buf_done(&c.file);
	if (e)
		return e;
	snprintf(text, sizeof text,
		 "%llu of %llu segments it was made from are in the log here, with the chain "
		 "values it "
		 "says",
		 (unsigned long long)c.same, (unsigned long long)m->segments);
	if (c.same)
		proven(r, text);
	if (c.other)
		wrong(r, "segments in the log here have other chain values than the manifest says");
	snprintf(text, sizeof text, "%llu of %llu segments it was made from: not in the log here",
		 (unsigned long long)c.missing, (unsigned long long)m->segments);
	if (c.missing)
		not_proven(r, text);
	return OK;
}

int verify_manifest(const struct signed_wish *wish)
{
	struct report r = {.json = wish->json};
	struct buf text = {0};
	struct signed_text t;
	struct manifest m;
	int status = load(wish->manifest, MANIFEST_LABEL, wish->signer, &text, &t);
	enum err e = status ? OK : manifest_parse(t.statement, &m);

	if (!status && !e) {
		check_signer(&r, &t, wish->signer);
		check_output(&r, wish, &m);
		e = check_segments(&r, &m);
	}
	if (!status && e) {
		(void)print_problem(e, "%s: not a manifest", wish->manifest);
		weigh(&r, VERDICT_CANNOT);
	}
	if (!status) {
		not_proven(&r, "that the log had no other entries: 'aigw verify' checks the log");
		status = finish(&r, NULL);
	}
	buf_done(&text);
	return status;
}

/* ---- evidence ---- */

/* The exchange, put together from the records that opened. */
struct rebuilt {
	struct log_process process;
	struct log_entry entry;
	struct report *report;
};

static void take_field(struct log_entry *entry, const struct record_field *f)
{
	if (f->number == F_REQUEST_BODY) {
		entry->has_request_body = true;
		need(buf_put(&entry->request_body, f->value));
	} else if (f->number == F_RESPONSE_BODY) {
		entry->has_response_body = true;
		need(buf_put(&entry->response_body, f->value));
	} else if (f->number != F_ID) {
		need(record_put(&entry->fields, (enum field)f->number, f->value));
	}
}

static enum err take_record(void *context, const struct evidence_segment *segment,
			    const struct segment_record *record)
{
	struct rebuilt *b = context;
	struct cursor c = cursor_over(record->plain);
	struct record_field field;

	if (record->kind == REC_START) {
		if (b->process.fields.len == 0)
			need(buf_put(&b->process.fields, record->plain));
		return OK;
	}
	if (b->entry.time_ns == 0)
		b->entry.time_ns = record->time_ns;
	if (record->kind != REC_RESPONSE_PART && record->kind != REC_REQUEST)
		b->entry.answered = true;
	while (record_next(&c, &field) == OK)
		take_field(&b->entry, &field);
	return OK;
}

static void tell_segment(void *context, const struct evidence_segment *s)
{
	struct rebuilt *b = context;
	struct buf text = {0};

	need(buf_put_str(&text, "in "));
	need(buf_put(&text, s->file));
	need(buf_put_str(&text, ": the chain of "));
	need(buf_put_decimal(&text, s->frames));
	need(buf_put_str(&text, " records from the header on, ending in "));
	need(buf_put_hex(&text, bytes_of(s->chain, sizeof s->chain)));
	if (s->closed) {
		need(buf_put_str(&text, ", which ledger entry "));
		need(buf_put_decimal(&text, s->closed_number));
		need(buf_put_str(&text, " closes"));
	}
	if (s->closed && s->whole)
		need(buf_put_str(&text, "; every byte of the file is as that entry knows it"));
	need(buf_put_u8(&text, 0));
	proven(b->report, (const char *)text.at);
	buf_done(&text);
}

static void tell_limits(struct report *r, const struct evidence_result *found)
{
	if (!found->all_closed) {
		weigh(r, VERDICT_INCOMPLETE);
		not_proven(r,
			   "the end of the chain: a segment was still open, or its closing entry "
			   "is not in the evidence");
	}
	if (!found->all_whole)
		not_proven(r,
			   "that whoever holds a secret key of the log did not make other sealed "
			   "bytes for the same tags: for that the evidence is made with --whole");
	if (!found->has_request || !found->has_answer)
		not_proven(r, found->has_request ? "what was answered: there is no such record"
						 : "what was asked: there is no such record");
	not_proven(r,
		   "that the ledger's entries are the host's own: compare the chain value with an "
		   "outside witness, or the ledger with 'aigw verify'");
	not_proven(r,
		   "that the time and the process said the truth: the host's kernel was believed");
}

static int finish_evidence(struct report *r, struct rebuilt *b)
{
	struct buf members = {0};

	if (r->json && b->entry.id[0]) {
		need(buf_put_str(&members, ",\"exchange\":"));
		put_entry_json(&members, &b->entry, true);
	} else if (b->entry.id[0]) {
		readable_print(&b->entry);
		putchar('\n');
	}
	int status = finish(r, &members);
	buf_done(&members);
	return status;
}

int verify_evidence(const struct signed_wish *wish)
{
	struct report r = {.json = wish->json};
	struct rebuilt b = {.report = &r, .entry = {.kind = REC_REQUEST}};
	const struct evidence_check check = {&b, take_record, tell_segment};
	struct evidence_result found;
	struct buf text = {0};
	struct signed_text t;
	int status = load(wish->evidence, EVIDENCE_LABEL, wish->signer, &text, &t);

	if (status)
		goto out;
	b.entry.process = &b.process;
	b.process.gone = true;
	check_signer(&r, &t, wish->signer);
	enum err e = evidence_check(t.statement, &check, &found);
	if (e == OK) {
		memcpy(b.entry.id, found.id, sizeof b.entry.id);
		proven(&r, "the records shown are what the sealed bytes hold: each opened with its "
			   "own key, under its place in the chain");
		tell_limits(&r, &found);
	} else if (e == ERR_SEAL) {
		wrong(&r, found.problem);
	} else {
		(void)print_problem(e, "%s: not evidence", wish->evidence);
		weigh(&r, VERDICT_CANNOT);
	}
	status = finish_evidence(&r, &b);
	buf_done(&b.process.fields);
	buf_done(&b.entry.fields);
	buf_done(&b.entry.request_body);
	buf_done(&b.entry.response_body);
out:
	buf_done(&text);
	return status;
}
