/* SPDX-License-Identifier: MIT
 *
 * Any text as the policy's `drains`: refused with a place inside of it, or what comes out keeps the
 * promises of its header. The text is put into a policy that is fine otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "drain/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_texts(const struct drain *d)
{
	bool has_url = d->type == DRAIN_HTTPS || d->type == DRAIN_OTLP || d->type == DRAIN_S3;

	require(d->to.len <= DRAIN_TO_BYTES_MAX && (d->to.len > 0) == (d->type != DRAIN_COMMAND));
	if (d->type == DRAIN_FILE)
		require(d->to.at[0] == '/' && d->to.len <= DRAIN_PATH_BYTES_MAX);
	if (has_url)
		require(bytes_starts(d->to, BYTES("https://")) ||
			(bytes_starts(d->to, BYTES("http://")) && d->insecure_http));
	if (d->type == DRAIN_KAFKA)
		require(bytes_find_byte(d->to, '@') == SIZE_MAX);
	if (d->type == DRAIN_COMMAND)
		require(d->command.word_count > 0 && d->command.word_count <= DRAIN_COMMAND_MAX &&
			d->command.words[0].at[0] == '/');
	if (d->type == DRAIN_POSTGRES)
		require(d->postgres.table.len > 0);
	if (d->type == DRAIN_S3)
		require(d->s3.bucket.len >= 3 && d->s3.access_key_file.len > 0 &&
			!(d->s3.lock_compliance && !d->s3.lock_days));
	require(!d->tls.cert_file.len == !d->tls.key_file.len);
}

static void check_numbers(const struct drain *d)
{
	require(d->concurrency >= 1 && d->concurrency <= DRAIN_CONCURRENCY_MAX);
	require(d->batch_events >= 1 && d->batch_events <= DRAIN_BATCH_EVENTS_MAX);
	require(d->batch_bytes >= DRAIN_BATCH_BYTES_MIN && d->batch_bytes <= DRAIN_BATCH_BYTES_MAX);
	require(d->event_bytes_max >= DRAIN_EVENT_BYTES_MIN &&
		d->event_bytes_max <= DRAIN_EVENT_BYTES_MAX);
	require(d->retry_first_ms >= DRAIN_RETRY_MS_MIN && d->retry_first_ms <= d->retry_max_ms);
	require(d->timeout_ms >= DRAIN_TIMEOUT_MS_MIN && d->dead_letter_after >= 1);
	require(d->syslog.facility <= 23);
	require(d->header_count <= DRAIN_HEADERS_MAX &&
		d->kafka.property_count <= DRAIN_HEADERS_MAX);
	require((d->fields == DRAIN_CHOSEN) == (d->chosen_count > 0));
	require(d->chosen_count <= DRAIN_FIELDS_MAX);
}

static void check_drains(struct drains *d)
{
	require(d->count <= DRAIN_SINKS_MAX && d->pressure.free_percent <= DRAIN_FREE_PERCENT_MAX);
	for (size_t i = 0; i < d->count; i++) {
		require(d->at[i].type < DRAIN_TYPES && d->at[i].name.len > 0);
		require(drains_find(d, d->at[i].name) == &d->at[i]);
		check_texts(&d->at[i]);
		check_numbers(&d->at[i]);
	}
	require(drains_use_credentials(d, BYTES("/run/credentials"), NULL) == OK);
	for (size_t i = 0; i < d->count; i++) {
		require(!d->at[i].enabled || !d->at[i].token_file.len ||
			d->at[i].token_file.at[0] == '/');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] = "{\"version\":1,\"audit\":{\"recipients\":[\"aigw1test\"]},"
				   "\"environments\":{\"e\":{}},\"default_environment\":\"e\","
				   "\"drains\":";
	struct policy_problem problem = {0};
	struct drains *d = NULL;
	struct buf text = {0};
	enum err e;

	require(buf_put_str(&text, head) == OK && buf_put(&text, bytes_of(data, size)) == OK &&
		buf_put_u8(&text, '}') == OK);
	e = drains_parse(buf_view(&text), &d, &problem);
	require(!e == (d != NULL));
	if (e) {
		require(problem.text[0] && bytes_is_utf8(bytes_str(problem.text)));
		require(problem.line || e == ERR_NOMEM || e == ERR_LIMIT);
	} else {
		check_drains(d);
	}
	drains_free(d);
	buf_done(&text);
	return 0;
}
