/* SPDX-License-Identifier: MIT
 *
 * Sealed segments, as they are, into a bucket: PREFIX/HOST/DAY/NAME.aigw, and what they say of
 * themselves beside it (NAME.manifest.json). What is there already, with its length and checksum,
 * is delivered. A large one goes in parts; when its time is over before it is complete, the next
 * attempt goes on where this one was.
 */
#include "drain/http/sinks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/seal.h"
#include "base/sys.h"
#include "drain/http/delivery.h"
#include "drain/http/head.h"
#include "drain/http/s3_client.h"
#include "drain/http/s3_text.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)
#define S_PER_DAY 86400
#define PARTS_MAX 10000 /* of S3 */
#define ABORT_MS  2000  /* for taking back what is not completed */

#define CHECKSUM   BYTES("x-amz-checksum-sha256")
#define OWN_SHA256 BYTES("x-amz-meta-sha256")

/* What is to be in the bucket: a file, or bytes in memory. */
struct object {
	struct buf key;
	struct bytes content; /* in memory */
	int fd;               /* else */
	uint64_t bytes;
	size_t part_bytes, parts;
	struct buf sha256;   /* hex */
	struct buf checksum; /* as S3 has it: base64, of an upload in parts that of the parts' */
	bool is_locked;      /* gets the policy's lock */
	bool is_small;       /* one request */
};

/* An upload in parts that is not complete. */
struct upload {
	struct buf key, id; /* id: encoded for a query; empty: there is none */
	struct buf sha256;
	struct buf list; /* the parts that are there, for the last request */
	size_t done;
};

struct sink_s3 {
	struct s3_client client;
	struct upload upload;
	struct buf piece;
	struct buf retain_until, query, body, checksum;
	uint64_t until_ns;
};

/* ---- objects ---- */

static void object_done(struct object *o)
{
	if (o->fd >= 0)
		sys_close(o->fd);
	buf_done(&o->key);
	buf_done(&o->sha256);
	buf_done(&o->checksum);
}

/* One part's bytes, from memory or into s->piece. ERR_MISSING: the file has become shorter. */
static enum err read_part(struct sink_s3 *s, const struct object *o, size_t part,
			  struct bytes *ret_bytes)
{
	uint64_t from = (uint64_t)part * o->part_bytes, left = o->bytes - from;
	size_t len = left < o->part_bytes ? (size_t)left : o->part_bytes, at = 0;
	enum err e;

	if (o->fd < 0) {
		*ret_bytes = bytes_slice(o->content, (size_t)from, len);
		return OK;
	}
	buf_reset(&s->piece);
	if ((e = buf_reserve(&s->piece, len + 1)))
		return e;
	while (at < len) {
		ssize_t n = sys_pread(o->fd, s->piece.at + at, len - at, (off_t)(from + at));
		if (n < 0)
			return err_from_errno(n);
		if (n == 0)
			return ERR_MISSING;
		at += (size_t)n;
	}
	*ret_bytes = bytes_of(s->piece.at, len);
	return OK;
}

/* Both digests in one pass. */
static enum err digest_object(struct sink_s3 *s, struct object *o)
{
	struct seal_sha256_state whole, parts;
	uint8_t digest[SEAL_DIGEST_BYTES];
	struct bytes part;
	enum err e = OK;

	seal_sha256_init(&whole);
	seal_sha256_init(&parts);
	for (size_t i = 0; i < o->parts; i++) {
		if ((e = read_part(s, o, i, &part)))
			return e;
		seal_sha256_feed(&whole, part);
		seal_sha256(part, digest);
		seal_sha256_feed(&parts, bytes_of(digest, sizeof digest));
	}
	seal_sha256_end(&whole, digest);
	if ((e = buf_put_hex(&o->sha256, bytes_of(digest, sizeof digest))))
		return e;
	if (o->is_small)
		return s3_put_base64(&o->checksum, bytes_of(digest, sizeof digest));
	seal_sha256_end(&parts, digest);
	if ((e = s3_put_base64(&o->checksum, bytes_of(digest, sizeof digest))) ||
	    (e = buf_put_u8(&o->checksum, '-')))
		return e;
	return buf_put_decimal(&o->checksum, o->parts);
}

static enum err measure(struct sink_s3 *s, struct object *o)
{
	o->part_bytes = s->client.config->s3.part_bytes;
	if (o->bytes / o->part_bytes >= PARTS_MAX)
		o->part_bytes = DRAIN_PART_BYTES_MAX;
	if (o->bytes / o->part_bytes >= PARTS_MAX)
		return ERR_LIMIT;
	o->parts = o->bytes ? (size_t)((o->bytes - 1) / o->part_bytes) + 1 : 1;
	o->is_small = o->parts == 1;
	return digest_object(s, o);
}

static enum err open_file(struct object *o, struct bytes path)
{
	struct buf name = {0};
	struct stat st;
	enum err e;

	if ((e = buf_put(&name, path)) || (e = buf_put_u8(&name, 0))) {
		buf_done(&name);
		return e;
	}
	o->fd = sys_open((const char *)name.at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	buf_done(&name);
	if (o->fd < 0)
		return err_from_errno(o->fd);
	if (sys_fstat(o->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ERR_BAD;
	o->bytes = (uint64_t)st.st_size;
	return OK;
}

/* ---- what is there already ---- */

/* The store's own checksum where it has one, else the digest that stood beside the upload. */
static bool is_same(const struct sink_s3 *s, const struct object *o)
{
	struct bytes head = buf_view(&s->client.answer.head), value;
	uint64_t bytes;

	if (head_find(head, BYTES("Content-Length"), &value) ||
	    bytes_parse_u64(value, UINT64_MAX, &bytes) || bytes != o->bytes)
		return false;
	if (head_find(head, CHECKSUM, &value) == OK)
		return bytes_equal(value, buf_view(&o->checksum));
	return head_find(head, OWN_SHA256, &value) == OK &&
	       bytes_equal(value, buf_view(&o->sha256));
}

/* true: *said is what there is to say: it is there, or nobody could be asked. */
static bool look(struct sink_s3 *s, const struct object *o, struct sink_answer *said)
{
	const struct drain_pair headers[] = {{BYTES("x-amz-checksum-mode"), BYTES("ENABLED")}};
	struct s3_call call = {.method = "HEAD",
			       .key = buf_view(&o->key),
			       .header_count = 1,
			       .headers = headers,
			       .until_ns = s->until_ns};

	if (!s3_client_send(&s->client, &call, said))
		return true;
	/* rights to write need not be rights to look */
	return s->client.answer.status == 200 && is_same(s, o);
}

/* ---- one request ---- */

static enum err put_lock(struct sink_s3 *s)
{
	uint64_t days = s->client.config->s3.lock_days;

	buf_reset(&s->retain_until);
	return s3_put_instant(&s->retain_until, sys_now_ns() / NS_PER_S + days * S_PER_DAY);
}

/* What a new object gets beside its content; room for five. */
static size_t object_headers(const struct sink_s3 *s, const struct object *o,
			     struct drain_pair *headers)
{
	const struct drain *config = s->client.config;
	bool is_json = bytes_ends(buf_view(&o->key), BYTES(".json"));
	size_t n = 0;

	headers[n++] = (struct drain_pair){BYTES("Content-Type"),
					   is_json ? BYTES("application/json")
						   : BYTES("application/octet-stream")};
	headers[n++] = (struct drain_pair){OWN_SHA256, buf_view(&o->sha256)};
	if (o->is_locked && config->s3.lock_days) {
		headers[n++] = (struct drain_pair){
			BYTES("x-amz-object-lock-mode"),
			config->s3.lock_compliance ? BYTES("COMPLIANCE") : BYTES("GOVERNANCE")};
		headers[n++] = (struct drain_pair){BYTES("x-amz-object-lock-retain-until-date"),
						   buf_view(&s->retain_until)};
	}
	return n;
}

static void say(struct sink_answer *said, enum err e)
{
	sink_answer(said,
		    e == ERR_MISSING || e == ERR_LIMIT || e == ERR_BAD ? SINK_REFUSED : SINK_RETRY,
		    "the segment cannot be read or named: ", bytes_str(err_text(e)));
}

static void put_small(struct sink_s3 *s, const struct object *o, struct sink_answer *said)
{
	struct drain_pair headers[S3_EXTRA_HEADERS_MAX];
	size_t count = object_headers(s, o, headers);
	struct bytes content;
	enum err e = read_part(s, o, 0, &content);

	if (e) {
		say(said, e);
		return;
	}
	headers[count++] = (struct drain_pair){CHECKSUM, buf_view(&o->checksum)};
	struct s3_call call = {.method = "PUT",
			       .key = buf_view(&o->key),
			       .body = content,
			       .header_count = count,
			       .headers = headers,
			       .until_ns = s->until_ns};
	(void)s3_client_send(&s->client, &call, said);
}

/* ---- in parts ---- */

static void forget(struct upload *u)
{
	buf_reset(&u->key);
	buf_reset(&u->id);
	buf_reset(&u->sha256);
	buf_reset(&u->list);
	u->done = 0;
}

/* Without "uploadId=": the text before the id. */
static enum err put_query(struct sink_s3 *s, const char *before, size_t number)
{
	enum err e;

	buf_reset(&s->query);
	if ((e = buf_put_str(&s->query, before)))
		return e;
	if (number && ((e = buf_put_decimal(&s->query, number)) ||
		       (e = buf_put_str(&s->query, "&uploadId="))))
		return e;
	return buf_put(&s->query, buf_view(&s->upload.id));
}

/* Takes back what was not completed, as far as that can be done: parts cost money. */
static void abandon(struct sink_s3 *s)
{
	struct sink_answer ignored = {0};

	if (s->upload.id.len && put_query(s, "uploadId=", 0) == OK) {
		struct s3_call call = {.method = "DELETE",
				       .key = buf_view(&s->upload.key),
				       .query = buf_view(&s->query),
				       .until_ns = sys_monotonic_ns() + ABORT_MS * NS_PER_MS};
		(void)s3_client_send(&s->client, &call, &ignored);
	}
	forget(&s->upload);
}

static bool is_under_way(const struct sink_s3 *s, const struct object *o)
{
	const struct upload *u = &s->upload;

	return u->id.len && bytes_equal(buf_view(&u->key), buf_view(&o->key)) &&
	       bytes_equal(buf_view(&u->sha256), buf_view(&o->sha256));
}

static bool begin_upload(struct sink_s3 *s, const struct object *o, struct sink_answer *said)
{
	struct drain_pair headers[S3_EXTRA_HEADERS_MAX];
	size_t count = object_headers(s, o, headers);
	struct upload *u = &s->upload;
	struct bytes id;

	headers[count++] = (struct drain_pair){BYTES("x-amz-checksum-algorithm"), BYTES("SHA256")};
	struct s3_call call = {.method = "POST",
			       .key = buf_view(&o->key),
			       .query = BYTES("uploads"),
			       .header_count = count,
			       .headers = headers,
			       .until_ns = s->until_ns};
	if (!s3_client_send(&s->client, &call, said) || said->result != SINK_DELIVERED)
		return false;
	if (s3_find_element(buf_view(&s->client.answer.body), "UploadId", &id) ||
	    buf_put(&u->key, buf_view(&o->key)) || buf_put(&u->sha256, buf_view(&o->sha256)) ||
	    s3_put_upload_id(&u->id, id)) {
		forget(u);
		sink_answer(said, SINK_RETRY, "the answer has no upload id that can be used",
			    BYTES_NONE);
		return false;
	}
	return true;
}

static enum err put_checksum(struct sink_s3 *s, struct bytes part)
{
	uint8_t digest[SEAL_DIGEST_BYTES];

	seal_sha256(part, digest);
	buf_reset(&s->checksum);
	return s3_put_base64(&s->checksum, bytes_of(digest, sizeof digest));
}

static bool put_part(struct sink_s3 *s, const struct object *o, struct sink_answer *said)
{
	struct upload *u = &s->upload;
	struct bytes part = BYTES_NONE, etag;
	enum err e = read_part(s, o, u->done, &part);

	e = e ? e : put_checksum(s, part);
	e = e ? e : put_query(s, "partNumber=", u->done + 1);
	if (e) {
		say(said, e);
		return false;
	}
	const struct drain_pair headers[] = {{CHECKSUM, buf_view(&s->checksum)}};
	struct s3_call call = {.method = "PUT",
			       .key = buf_view(&o->key),
			       .query = buf_view(&s->query),
			       .body = part,
			       .header_count = 1,
			       .headers = headers,
			       .until_ns = s->until_ns};
	if (!s3_client_send(&s->client, &call, said) || said->result != SINK_DELIVERED)
		return false;
	if (head_find(buf_view(&s->client.answer.head), BYTES("ETag"), &etag) ||
	    s3_put_part(&u->list, u->done + 1, etag, buf_view(&s->checksum))) {
		sink_answer(said, SINK_WRONG, "a part's answer has no ETag that can be used",
			    BYTES_NONE);
		return false;
	}
	u->done++;
	return true;
}

static void complete(struct sink_s3 *s, const struct object *o, struct sink_answer *said)
{
	enum err e;

	buf_reset(&s->body);
	e = put_query(s, "uploadId=", 0);
	e = e ? e : buf_put_str(&s->body, "<CompleteMultipartUpload>");
	e = e ? e : buf_put(&s->body, buf_view(&s->upload.list));
	e = e ? e : buf_put_str(&s->body, "</CompleteMultipartUpload>");
	if (e) {
		say(said, e);
		return;
	}
	const struct drain_pair headers[] = {{BYTES("Content-Type"), BYTES("application/xml")}};
	struct s3_call call = {.method = "POST",
			       .key = buf_view(&o->key),
			       .query = buf_view(&s->query),
			       .body = buf_view(&s->body),
			       .header_count = 1,
			       .headers = headers,
			       .until_ns = s->until_ns};
	(void)s3_client_send(&s->client, &call, said);
}

/* What only has to wait goes on later; after anything else the upload is taken back. */
static void put_in_parts(struct sink_s3 *s, const struct object *o, struct sink_answer *said)
{
	if (!is_under_way(s, o)) {
		abandon(s);
		if (!begin_upload(s, o, said))
			return;
	}
	while (s->upload.done < o->parts)
		if (!put_part(s, o, said))
			break;
	if (s->upload.done == o->parts)
		complete(s, o, said);
	if (said->result == SINK_DELIVERED)
		forget(&s->upload);
	else if (said->result != SINK_RETRY || s->client.answer.status == 400 ||
		 s->client.answer.status == 404)
		abandon(s);
}

/* ---- an event ---- */

/* o->key, fd or content are set. */
static void deliver(struct sink_s3 *s, struct object *o, struct sink_answer *said)
{
	enum err e = measure(s, o);

	e = e ? e : put_lock(s);
	if (e) {
		say(said, e);
		return;
	}
	if (look(s, o, said))
		return;
	if (o->is_small)
		put_small(s, o, said);
	else
		put_in_parts(s, o, said);
}

static enum err put_key(struct sink_s3 *s, struct object *o, const struct sink_event *event,
			const char *ending)
{
	enum err e = s3_put_folder(&o->key, s->client.config->s3.prefix, event->host);

	if (!e && !event->is_heartbeat)
		e = s3_put_name(&o->key, event->path, event->time_ns);
	return e ? e : buf_put_str(&o->key, ending);
}

static void deliver_text(struct sink_s3 *s, const struct sink_event *event, const char *ending,
			 struct sink_answer *said)
{
	struct object o = {.fd = -1,
			   .content = event->json,
			   .bytes = event->json.len,
			   .is_locked = !event->is_heartbeat};
	enum err e = put_key(s, &o, event, ending);

	if (e)
		say(said, e);
	else
		deliver(s, &o, said);
	object_done(&o);
}

static void deliver_file(struct sink_s3 *s, const struct sink_event *event,
			 struct sink_answer *said)
{
	struct object o = {.fd = -1, .is_locked = true};
	enum err e = put_key(s, &o, event, ".aigw");

	e = e ? e : open_file(&o, event->path);
	if (e)
		say(said, e);
	else
		deliver(s, &o, said);
	object_done(&o);
}

/* The manifest last: where it is, its segment is. */
static void deliver_event(struct sink_s3 *s, const struct sink_event *event,
			  struct sink_answer *said)
{
	if (event->is_heartbeat) {
		deliver_text(s, event, "heartbeat.json", said);
		return;
	}
	if (!event->path.len) {
		sink_answer(said, SINK_REFUSED, "only sealed segments go to a bucket", BYTES_NONE);
		return;
	}
	deliver_file(s, event, said);
	if (said->result == SINK_DELIVERED && event->json.len)
		deliver_text(s, event, ".manifest.json", said);
}

/* ---- the sink ---- */

void sink_s3_send(void *sink, const struct sink_batch *batch, struct sink_answer *answer)
{
	struct sink_s3 *s = sink;
	struct delivery d;

	s->until_ns = sys_monotonic_ns() + s->client.config->timeout_ms * NS_PER_MS;
	delivery_begin(&d, answer, batch->count);
	while (d.done < d.count && !d.is_stopped) {
		struct sink_answer said = {0};
		deliver_event(s, &batch->events[d.done], &said);
		delivery_note(&d, 1, &said);
	}
	delivery_end(&d);
	buf_done(&s->piece);
}

void sink_s3_close(void *sink)
{
	struct sink_s3 *s = sink;

	abandon(s);
	s3_client_close(&s->client);
	buf_done(&s->upload.key);
	buf_done(&s->upload.id);
	buf_done(&s->upload.sha256);
	buf_done(&s->upload.list);
	buf_done(&s->piece);
	buf_done(&s->retain_until);
	buf_done(&s->query);
	buf_done(&s->body);
	buf_done(&s->checksum);
	free(s);
}

static enum err check_prefix(const struct drain *config, struct sink_answer *answer)
{
	struct buf folder = {0};
	enum err e = s3_put_folder(&folder, config->s3.prefix, BYTES_NONE);

	if (e)
		sink_answer(answer, SINK_WRONG, "a prefix cannot have empty parts, \".\" or \"..\"",
			    BYTES_NONE);
	buf_done(&folder);
	return e;
}

enum err sink_s3_open(const struct drain *config, struct sink_answer *answer, void **ret_sink)
{
	struct sink_s3 *s;
	enum err e = check_prefix(config, answer);

	if (e)
		return e;
	s = calloc(1, sizeof *s);
	if (!s) {
		sink_answer(answer, SINK_RETRY, err_text(ERR_NOMEM), BYTES_NONE);
		return ERR_NOMEM;
	}
	e = s3_client_open(&s->client, config, answer);
	if (e)
		free(s);
	else
		*ret_sink = s;
	return e;
}
