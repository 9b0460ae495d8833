/* SPDX-License-Identifier: MIT */
#include "report/entry.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "report/text.h"

#define NS_PER_S        UINT64_C(1000000000)
#define PROC_BYTES_MAX  (1u << 20)
#define MODEL_BYTES_MAX 1024           /* of provider/model; longer ones match by the model alone */
#define START_SLACK_NS  (2 * NS_PER_S) /* clock ticks and the boot time are rounded */

void entry_free(struct log_entry *entry)
{
	buf_done(&entry->fields);
	buf_done(&entry->request_body);
	buf_done(&entry->response_body);
	free(entry);
}

/* ---- processes ---- */

/* The text of a small file of /proc; empty when it cannot be read. The caller frees. */
static struct buf proc_text(const char *path)
{
	struct buf text = {0};

	if (sys_read_file(path, PROC_BYTES_MAX, &text) != OK)
		buf_reset(&text);
	return text;
}

static bool same_boot(const char *boot_id)
{
	struct buf text = proc_text("/proc/sys/kernel/random/boot_id");
	bool same = bytes_starts(buf_view(&text), bytes_str(boot_id)) && boot_id[0];

	buf_done(&text);
	return same;
}

static uint64_t boot_time_ns(void)
{
	struct buf text = proc_text("/proc/stat");
	struct bytes rest = bytes_from(buf_view(&text),
				       bytes_find(buf_view(&text), BYTES("btime ")));
	uint64_t seconds = 0;

	(void)bytes_cut(&rest, ' ');
	if (bytes_parse_u64(bytes_cut(&rest, '\n'), UINT32_MAX, &seconds) != OK)
		seconds = 0;
	buf_done(&text);
	return seconds * NS_PER_S;
}

/* When the process of that number was started, 0 when there is none. */
static uint64_t process_start_ns(uint64_t pid)
{
	uint64_t ticks, per_second = (uint64_t)sysconf(_SC_CLK_TCK);

	if (!sys_process_start(pid, &ticks))
		return 0;
	return boot_time_ns() + ticks / per_second * NS_PER_S +
	       ticks % per_second * NS_PER_S / per_second;
}

bool log_process_runs(struct log_process *process)
{
	if (process->gone)
		return false;
	uint64_t start_ns = same_boot(process->boot_id) ? process_start_ns(process->pid) : 0;
	/* A later start is another process under the same number. */
	process->gone = start_ns == 0 || start_ns > process->started_ns + START_SLACK_NS;
	return !process->gone;
}

/* ---- fields ---- */

static enum err find_last(struct bytes record, enum field f, struct bytes *ret_value)
{
	struct cursor c = cursor_over(record);
	struct record_field field;
	enum err found = ERR_MISSING;

	while (record_next(&c, &field) == OK) {
		if (field.number == (unsigned)f) {
			*ret_value = field.value;
			found = OK;
		}
	}
	return found;
}

enum err entry_find(const struct log_entry *entry, enum field f, struct bytes *ret_value)
{
	if (find_last(buf_view(&entry->fields), f, ret_value) == OK)
		return OK;
	return find_last(buf_view(&entry->process->fields), f, ret_value);
}

enum err entry_find_u64(const struct log_entry *entry, enum field f, uint64_t *ret_value)
{
	struct bytes value;
	enum err e = entry_find(entry, f, &value);

	if (e)
		return e;
	struct cursor c = cursor_over(value);
	uint64_t v = value.len == 8 ? cursor_u64(&c) : cursor_u8(&c);
	if (c.bad || cursor_left(&c))
		return ERR_BAD;
	*ret_value = v;
	return OK;
}

struct bytes entry_text(const struct log_entry *entry, enum field f)
{
	struct bytes value = BYTES_NONE;

	if (entry_find(entry, f, &value) != OK)
		return BYTES_NONE;
	return value;
}

struct bytes entry_outcome(const struct log_entry *entry)
{
	struct bytes outcome = entry_text(entry, F_OUTCOME);

	if (outcome.len)
		return outcome;
	if (entry->answered)
		return BYTES("unknown");
	return log_process_runs(entry->process) ? BYTES("in_progress") : BYTES("killed");
}

/* ---- the filter ---- */

static bool matches(struct bytes pattern, struct bytes text)
{
	return pattern.len == 0 || bytes_match(pattern, text, true);
}

/* The model that was asked for, with or without the provider. */
static bool matches_model(struct bytes pattern, const struct log_entry *entry)
{
	struct bytes provider = entry_text(entry, F_PROVIDER);
	struct bytes model = entry_text(entry, F_REQUEST_MODEL);
	uint8_t full[MODEL_BYTES_MAX];

	if (pattern.len == 0 || bytes_match(pattern, model, true))
		return true;
	if (provider.len >= sizeof full || model.len >= sizeof full - provider.len)
		return false;
	if (provider.len)
		memcpy(full, provider.at, provider.len);
	full[provider.len] = '/';
	if (model.len)
		memcpy(full + provider.len + 1, model.at, model.len);
	return bytes_match(pattern, bytes_of(full, provider.len + 1 + model.len), true);
}

bool entry_passes(const struct log_entry *entry, const struct log_filter *f)
{
	bool exchange = entry->kind == REC_REQUEST;

	if (entry->time_ns < f->since_ns || (f->until_ns && entry->time_ns >= f->until_ns))
		return false;
	if (!bytes_starts(bytes_str(entry->id), f->id_prefix))
		return false;
	if ((f->exchanges_only && !exchange) || (f->without_starts && entry->kind == REC_START) ||
	    (f->without_accesses && entry->kind == REC_ACCESS))
		return false;
	return matches(f->provider, entry_text(entry, F_PROVIDER)) &&
	       matches_model(f->model, entry) && matches(f->action, entry_text(entry, F_ACTION)) &&
	       matches(f->environment, entry_text(entry, F_ENVIRONMENT)) &&
	       matches(f->application, entry_text(entry, F_APPLICATION));
}
