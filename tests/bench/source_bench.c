/* SPDX-License-Identifier: MIT
 *
 * source_bench: how fast a drain's source reads: exchanges of a log of our own, without payloads
 * and with them, on one core, and what memory that takes.
 *
 *     source_bench [EXCHANGES]
 */
#include <sys/resource.h>
#include <time.h>

#include "audit_kit.h"
#include "drain/source.h"
#include "report/entry.h"

#define BODY_BYTES 4096
#define FLIGHT     1000

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(enum err e)
{
	if (e)
		kit_bail(err_text(e));
}

static void put(struct buf *r, enum field f, const char *text)
{
	must(record_put(r, f, bytes_str(text)));
}

static void write_exchange(struct kit_log *k, unsigned long n, struct bytes body)
{
	struct buf r = {0};
	uint8_t random[10] = {0};
	char id[ULID_CHARS + 1];

	memcpy(random, &n, sizeof n);
	record_make_id(KIT_NOON_NS / 1000000, random, id);
	put(&r, F_ID, id);
	put(&r, F_ENVIRONMENT, "production");
	put(&r, F_APPLICATION, "intake-bot");
	put(&r, F_SERVER_NAME, "api.openai.com");
	put(&r, F_PEER, "203.0.113.7:443");
	put(&r, F_TLS, "TLSv1.3");
	put(&r, F_PROVIDER, "openai");
	put(&r, F_PROVIDER_NAME, "openai");
	put(&r, F_DIALECT, "openai");
	put(&r, F_OPERATION, "chat");
	put(&r, F_REQUEST_MODEL, "gpt-5");
	put(&r, F_KEY_FINGERPRINT, "1f2e3d4c5b6a");
	put(&r, F_ACTION, "allow");
	put(&r, F_RULE, "environments.production.models.allow");
	put(&r, F_REASON, "the model is allowed");
	put(&r, F_METHOD, "POST");
	put(&r, F_PATH, "/v1/chat/completions");
	must(record_put_u64(&r, F_HELD_US, 212));
	must(record_put_if(&r, F_REQUEST_BODY, body));
	must(segment_append(&k->writer, &k->config, REC_REQUEST, KIT_NOON_NS, buf_view(&r)));
	buf_reset(&r);
	put(&r, F_ID, id);
	must(record_put_u64(&r, F_STATUS, 200));
	put(&r, F_OUTCOME, "complete");
	put(&r, F_COVERAGE, "full");
	put(&r, F_RESPONSE_MODEL, "gpt-5-2026-03-01");
	must(record_put_u64(&r, F_USAGE_INPUT_TOKENS, 812));
	must(record_put_u64(&r, F_USAGE_OUTPUT_TOKENS, 99));
	put(&r, F_USAGE_SOURCE, "provider");
	must(record_put_u64(&r, F_TOTAL_US, 2412003));
	must(record_put_if(&r, F_RESPONSE_BODY, body));
	must(segment_append(&k->writer, &k->config, REC_RESPONSE, KIT_NOON_NS, buf_view(&r)));
	buf_done(&r);
}

static void drain(struct kit_log *k, bool bodies, const char *what)
{
	struct source_options options = {
		.directory = k->directory,
		.identity_count = 1,
		.identities = &k->identity,
		.with_bodies = bodies,
	};
	static uint64_t flight[FLIGHT];
	struct source *s = NULL;
	struct source_item *i = NULL;
	struct rusage before, after;
	unsigned long count = 0, bytes = 0;
	double start = seconds();
	enum err e;

	getrusage(RUSAGE_SELF, &before);
	must(source_open(&options, BYTES_NONE, &s));
	while ((e = source_next(s, KIT_NOON_NS + 1, &i)) == OK) {
		if (bodies && i->entry->kind == REC_REQUEST) {
			must(source_load_bodies(s, i, 1 << 20));
			bytes += i->entry->request_body.len + i->entry->response_body.len;
		}
		uint64_t old = flight[count % FLIGHT];
		if (old)
			(void)source_ack(s, old);
		flight[count++ % FLIGHT] = i->ticket;
	}
	if (e != ERR_MORE)
		must(e);
	source_close(s);
	memset(flight, 0, sizeof flight);
	getrusage(RUSAGE_SELF, &after);
	double took = seconds() - start;
	printf("%s: %lu items, %.0f/s, %.1f us each, %.0f MB/s of payloads, %ld KiB more memory\n",
	       what, count, (double)count / took, took / (double)count * 1e6,
	       (double)bytes / took / 1e6, after.ru_maxrss - before.ru_maxrss);
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000;
	char *body = calloc(1, BODY_BYTES);
	struct kit_log *k = kit_new();

	if (!body)
		kit_bail("memory");
	memset(body, 'x', BODY_BYTES);
	for (unsigned long n = 1; n <= count; n++)
		write_exchange(k, n, BYTES_NONE);
	drain(k, false, "metadata, records without payloads");
	kit_free(k);
	k = kit_new();
	for (unsigned long n = 1; n <= count / 4; n++)
		write_exchange(k, n, bytes_of(body, BODY_BYTES / 2));
	drain(k, false, "metadata, records with 4 KiB of payloads");
	drain(k, true, "with 4 KiB of payloads");
	kit_free(k);
	free(body);
	return 0;
}
