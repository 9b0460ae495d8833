/* SPDX-License-Identifier: MIT
 *
 * make-log: writes an audit log whose content is known, with the product's own writer, so that log,
 * show, tail and verify can be tested without a provider.
 *
 *     make-log DIRECTORY RECIPIENT [SCENE]
 *
 * all       (the default) one of everything: an answer, a stream in parts, a refusal, an aborted
 * one, bytes that are no text, records of other kinds, and one exchange without an answer many=N N
 * small answered exchanges, in one process spread=N,DAYS N of them evenly over the DAYS before now
 * big=N,BYTES N with a request of that length; hour=N,BYTES the same over the hour before now days
 * one exchange on each of three days in a row, ending today span      a request in one segment and
 * its answer in the next one, of the day after usage     exchanges of two providers with tokens and
 * cost, one failed, one refused, one without price hold      one exchange without an answer; then
 * waits until standard input ends, and answers it
 *
 * Prints the id of each exchange, one a line, in the order of the requests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/segment.h"
#include "base/sys.h"

#define SECOND_NS UINT64_C(1000000000)
#define DAY_NS    (86400 * SECOND_NS)

static struct segment_writer writer;
static struct segment_config config;
static uint64_t now_ns;
static uint8_t made;

static void need(enum err e, const char *what)
{
	if (e) {
		fprintf(stderr, "make-log: %s: %s\n", what, err_text(e));
		exit(3);
	}
}

static void put(struct buf *record, enum field f, const char *text)
{
	need(record_put(record, f, bytes_str(text)), "record_put");
}

static void put_u64(struct buf *record, enum field f, uint64_t n)
{
	need(record_put_u64(record, f, n), "record_put_u64");
}

static void put_bool(struct buf *record, enum field f, bool b)
{
	need(record_put_bool(record, f, b), "record_put_bool");
}

/* Appends the record at a time a millisecond after the one before, and empties it. */
static void append(enum record_kind kind, struct buf *record)
{
	now_ns += SECOND_NS / 1000;
	need(segment_append(&writer, &config, kind, now_ns, buf_view(record)), "segment_append");
	buf_reset(record);
}

static void make_id(char id[ULID_CHARS + 1])
{
	uint8_t random[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, ++made};

	record_make_id(now_ns / 1000000, random, id);
}

/* The fields that every request here has; its id is printed. */
static void begin(struct buf *r, char id[ULID_CHARS + 1], const char *provider, const char *model,
		  const char *action)
{
	make_id(id);
	puts(id);
	put(r, F_ID, id);
	put(r, F_ENVIRONMENT, "production");
	put(r, F_APPLICATION, "intake-bot");
	put(r, F_SERVER_NAME, "api.example.test");
	put(r, F_PEER, "127.0.0.1:443");
	put(r, F_TLS, "TLSv1.3");
	put_bool(r, F_VERIFIED, true);
	put(r, F_PROVIDER, provider);
	put(r, F_PROVIDER_NAME, provider);
	put(r, F_DIALECT, provider);
	put(r, F_OPERATION, "chat");
	put(r, F_REQUEST_MODEL, model);
	put(r, F_KEY_FINGERPRINT, "1f2e3d");
	put_bool(r, F_KEY_MANAGED, false);
	put(r, F_ACTION, action);
	put(r, F_RULE, "environments.production.models.allow");
	put(r, F_REASON, "the model is allowed");
	put(r, F_POLICY_DIGEST, "sha256:00");
	put(r, F_METHOD, "POST");
	put_u64(r, F_HELD_US, 212);
}

static void end(struct buf *r, const char *id, uint64_t status, const char *outcome)
{
	put(r, F_ID, id);
	if (status)
		put_u64(r, F_STATUS, status);
	put(r, F_OUTCOME, outcome);
	put(r, F_COVERAGE, "full");
	put_u64(r, F_TOTAL_US, 2412003);
}

static void answered(void)
{
	static const char body[] = "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\","
				   "\"model\":\"gpt-5-2026-03-01\","
				   "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
				   "\"content\":\"Four.\"},"
				   "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":812,"
				   "\"completion_tokens\":0,\"prompt_tokens_details\":null}}";
	struct buf r = {0};
	char id[ULID_CHARS + 1];

	begin(&r, id, "openai", "gpt-5", "allow");
	put(&r, F_PATH, "/v1/chat/completions");
	put_bool(&r, F_STREAM, false);
	put(&r, F_REQUEST_HEADERS,
	    "Host: api.example.test\r\nAuthorization: redacted\r\nX-Many: one\r\nx-many: two\r\n");
	put(&r, F_REQUEST_BODY,
	    "{\"model\":\"gpt-5\",\"messages\":[{\"role\":\"user\",\"content\":\"2*2?\"}]}");
	append(REC_REQUEST, &r);
	end(&r, id, 200, "complete");
	put(&r, F_RESPONSE_HEADERS, "Content-Type: application/json\r\n");
	put(&r, F_RESPONSE_BODY, body);
	put(&r, F_RESPONSE_MODEL, "gpt-5-2026-03-01");
	put_u64(&r, F_USAGE_INPUT_TOKENS, 812);
	put_u64(&r, F_USAGE_OUTPUT_TOKENS, 0);
	put_u64(&r, F_USAGE_NULLS, 1 << 2); /* cache read: given as null */
	put(&r, F_USAGE_SOURCE, "provider");
	append(REC_RESPONSE, &r);
	buf_done(&r);
}

static void streamed(void)
{
	static const char *const pieces[] = {
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello \"}}]}\n\nda",
		"ta: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"world\"}}]}\n\n",
		"data: [DONE]\n\n",
	};
	struct buf r = {0};
	char id[ULID_CHARS + 1];

	begin(&r, id, "openai", "gpt-5-mini", "rewrite");
	put(&r, F_PATH, "/v1/chat/completions");
	put_bool(&r, F_STREAM, true);
	put(&r, F_CHANGES, "/store: absent -> false");
	put(&r, F_REQUEST_BODY, "{\"model\":\"gpt-5-mini\",\"stream\":true}");
	append(REC_REQUEST, &r);
	for (size_t i = 0; i < 2; i++) {
		put(&r, F_ID, id);
		put(&r, F_RESPONSE_BODY, pieces[i]);
		append(REC_RESPONSE_PART, &r);
	}
	end(&r, id, 200, "complete");
	put(&r, F_RESPONSE_HEADERS, "Content-Type: text/event-stream; charset=utf-8\r\n");
	put(&r, F_RESPONSE_BODY, pieces[2]);
	append(REC_RESPONSE, &r);
	buf_done(&r);
}

static void refused(void)
{
	struct buf r = {0};
	char id[ULID_CHARS + 1];

	begin(&r, id, "openai", "evil\033[31m-preview", "refuse");
	put(&r, F_PATH, "/v1/chat/completions");
	put_u64(&r, F_STATUS, 403);
	put(&r, F_CODE, "policy_denied");
	put(&r, F_OUTCOME, "refused");
	put(&r, F_REQUEST_BODY, "{}");
	append(REC_REQUEST, &r);
	buf_done(&r);
}

static void aborted(void)
{
	struct buf r = {0};
	char id[ULID_CHARS + 1];

	begin(&r, id, "anthropic", "claude-sonnet-5", "allow");
	put(&r, F_PATH, "/v1/messages");
	put_u64(&r, F_REQUEST_BODY_BYTES, 4096); /* and not kept */
	append(REC_REQUEST, &r);
	end(&r, id, 0, "aborted_by_program");
	append(REC_ABORTED, &r);
	buf_done(&r);
}

static void no_text(void)
{
	static const uint8_t bytes[] = {0x00, 0xFF, 0x1B, '[', '2', 'J', 0x80};
	struct buf r = {0};
	char id[ULID_CHARS + 1];

	begin(&r, id, "openai", "whisper", "allow");
	put(&r, F_PATH, "/v1/audio/transcriptions");
	need(record_put(&r, F_REQUEST_BODY, bytes_of(bytes, sizeof bytes)), "record_put");
	append(REC_REQUEST, &r);
	end(&r, id, 200, "complete");
	append(REC_RESPONSE, &r);
	buf_done(&r);
}

static void others(void)
{
	struct buf r = {0};

	put(&r, F_SERVER_NAME, "api.openai.com");
	put(&r, F_REASON, "TLS that cannot be looked into");
	append(REC_REFUSED_CONNECTION, &r);
	put(&r, F_POLICY_BEFORE, "sha256:00");
	put(&r, F_POLICY_AFTER, "sha256:01");
	append(REC_POLICY_CHANGE, &r);
	put_u64(&r, F_GAP_COUNT, 3);
	append(REC_GAP, &r);
	buf_done(&r);
}

/* A request; the answer is the caller's business. */
static void asked(char id[ULID_CHARS + 1])
{
	struct buf r = {0};

	begin(&r, id, "openai", "gpt-5", "allow");
	put(&r, F_PATH, "/v1/chat/completions");
	put(&r, F_REQUEST_BODY, "{\"model\":\"gpt-5\"}");
	append(REC_REQUEST, &r);
	buf_done(&r);
}

static void answer(const char *id)
{
	struct buf r = {0};

	end(&r, id, 200, "complete");
	put(&r, F_RESPONSE_BODY, "{}");
	append(REC_RESPONSE, &r);
	buf_done(&r);
}

static void write_many(unsigned long count)
{
	char id[ULID_CHARS + 1];

	for (unsigned long i = 0; i < count; i++) {
		asked(id);
		answer(id);
	}
}

/* Over days, ending now. */
static void write_spread(const char *numbers)
{
	char *rest;
	unsigned long count = strtoul(numbers, &rest, 10), days = strtoul(rest + 1, NULL, 10);
	uint64_t end_ns = now_ns, step_ns = days * DAY_NS / (count ? count : 1);
	char id[ULID_CHARS + 1];

	for (unsigned long i = 0; i < count; i++) {
		now_ns = end_ns - (count - i) * step_ns;
		asked(id);
		answer(id);
	}
}

/* `over_ns`: over that time before now; 0: from now on. */
static void write_big(const char *numbers, uint64_t over_ns)
{
	char *rest, id[ULID_CHARS + 1];
	unsigned long count = strtoul(numbers, &rest, 10), bytes = strtoul(rest + 1, NULL, 10);
	uint64_t end_ns = now_ns, step_ns = over_ns / (count ? count : 1);
	char *body = calloc(1, bytes + 1);
	struct buf r = {0};

	need(body ? OK : ERR_NOMEM, "calloc");
	memset(body, 'x', bytes);
	for (unsigned long i = 0; i < count; i++) {
		if (over_ns)
			now_ns = end_ns - (count - i) * step_ns;
		begin(&r, id, "openai", "gpt-5", "allow");
		put(&r, F_REQUEST_BODY, body);
		append(REC_REQUEST, &r);
		answer(id);
	}
	buf_done(&r);
	free(body);
}

static void write_days(void)
{
	char id[ULID_CHARS + 1];
	uint64_t today_ns = now_ns;

	for (uint64_t back = 3; back-- > 0;) {
		now_ns = today_ns - back * DAY_NS;
		asked(id);
		answer(id);
	}
}

static void write_span(void)
{
	char id[ULID_CHARS + 1];

	now_ns -= DAY_NS;
	asked(id);
	now_ns += DAY_NS;
	answer(id);
}

static void write_hold(void)
{
	char id[ULID_CHARS + 1], byte;

	asked(id);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	now_ns = sys_now_ns();
	answer(id);
}

/* One answered exchange with its tokens and its cost; 0 picodollars: not known. */
static void used(const char *provider, const char *model, const char *answered_by, uint64_t status,
		 uint64_t input, uint64_t cached, uint64_t output, uint64_t picousd)
{
	struct buf r = {0};
	char id[ULID_CHARS + 1];

	begin(&r, id, provider, model, "allow");
	append(REC_REQUEST, &r);
	end(&r, id, status, "complete");
	put(&r, F_RESPONSE_MODEL, answered_by);
	if (input) {
		put_u64(&r, F_USAGE_INPUT_TOKENS, input);
		put_u64(&r, F_USAGE_CACHE_READ, cached);
		put_u64(&r, F_USAGE_OUTPUT_TOKENS, output);
	}
	if (picousd)
		put_u64(&r, F_COST, picousd);
	append(REC_RESPONSE, &r);
	buf_done(&r);
}

static void write_usage(void)
{
	struct buf r = {0};
	char id[ULID_CHARS + 1];

	used("openai", "gpt-5", "gpt-5-2026-03-01", 200, 1000000, 400000, 2000, 820000000000);
	used("openai", "gpt-5", "gpt-5-2026-03-01", 200, 100, 0, 10, 225000000);
	used("openai", "gpt-5", "", 429, 0, 0, 0, 0);
	used("openai", "=cmd()", "", 200, 7, 0, 1, 0); /* no price is known */
	used("anthropic", "claude-sonnet-5", "claude-sonnet-5", 200, 50, 0, 5, 1);
	refused();
	begin(&r, id, "openai", "", "allow");
	put(&r, F_OPERATION, "list_models"); /* the later one counts */
	append(REC_REQUEST, &r);
	end(&r, id, 200, "complete");
	append(REC_RESPONSE, &r);
	buf_done(&r);
}

static void write_all(void)
{
	char id[ULID_CHARS + 1];

	answered();
	streamed();
	refused();
	aborted();
	no_text();
	others();
	asked(id); /* nobody answers */
}

static void write_scene(const char *scene)
{
	if (strncmp(scene, "many=", 5) == 0)
		write_many(strtoul(scene + 5, NULL, 10));
	else if (strncmp(scene, "spread=", 7) == 0)
		write_spread(scene + 7);
	else if (strncmp(scene, "big=", 4) == 0)
		write_big(scene + 4, 0);
	else if (strncmp(scene, "hour=", 5) == 0)
		write_big(scene + 5, 3600 * SECOND_NS);
	else if (strcmp(scene, "days") == 0)
		write_days();
	else if (strcmp(scene, "span") == 0)
		write_span();
	else if (strcmp(scene, "usage") == 0)
		write_usage();
	else if (strcmp(scene, "hold") == 0)
		write_hold();
	else if (strcmp(scene, "all") == 0)
		write_all();
	else
		need(ERR_USAGE, scene);
}

int main(int argc, char **argv)
{
	static const uint8_t command[] = "python3\0agent.py\0--name\0two words";
	static struct recipient recipient;
	struct buf start = {0}, boot = {0};

	if (argc < 3)
		need(ERR_USAGE, "make-log DIRECTORY RECIPIENT [SCENE]");
	need(seal_init(), "seal_init");
	need(seal_parse_recipient(bytes_str(argv[2]), &recipient), argv[2]);
	need(sys_read_file("/proc/sys/kernel/random/boot_id", 64, &boot), "boot_id");
	boot.at[boot.len - 1] = 0;
	now_ns = sys_now_ns();
	put(&start, F_HOST, "ward-3");
	put(&start, F_BOOT_ID, (const char *)boot.at);
	put_u64(&start, F_PID, (uint64_t)getpid());
	put_u64(&start, F_PPID, (uint64_t)getppid());
	put_u64(&start, F_UID, getuid());
	put(&start, F_USER, "intake");
	put_u64(&start, F_LOGIN_UID, UINT32_MAX); /* none */
	put(&start, F_EXE, "/usr/bin/python3.11");
	need(record_put(&start, F_CMDLINE, bytes_of(command, sizeof command - 1)), "record_put");
	config = (struct segment_config){
		.directory = argv[1],
		.recipient_count = 1,
		.recipients = &recipient,
		.host = "ward-3",
		.boot_id = (const char *)boot.at,
		.start_record = buf_view(&start),
	};
	write_scene(argc > 3 ? argv[3] : "all");
	need(segment_close(&writer, &config, now_ns + 1), "segment_close");
	buf_done(&start);
	buf_done(&boot);
	return 0;
}
