/* SPDX-License-Identifier: MIT */
#include "daemon/drain_notice.h"

#include <string.h>
#include <unistd.h>

#include "aigw/collect.h"
#include "audit/collector.h"
#include "audit/segment.h"
#include "base/files.h"
#include "base/sys.h"

static enum err collect(const struct policy *policy, struct bytes record)
{
	struct bytes path = policy->audit.socket;
	char socket[PATH_MAX_BYTES] = COLLECT_SOCKET;
	const struct collector_record wish = {socket, REC_NOTICE, record, BYTES_NONE};
	bool counted;
	enum err e;

	if (path.len >= sizeof socket)
		return ERR_LIMIT;
	if (path.len) {
		memcpy(socket, path.at, path.len);
		socket[path.len] = '\0';
	}
	e = collector_append(&wish, &counted);
	collector_close();
	return e;
}

static enum err put_start(struct buf *start, char host[65], char boot_id[37])
{
	size_t len = 0;
	enum err e;

	if (gethostname(host, 64))
		host[0] = '\0';
	if (files_peek("/proc/sys/kernel/random/boot_id", boot_id, 36, &len))
		boot_id[0] = '\0';
	e = record_put_if(start, F_HOST, bytes_str(host));
	if (!e)
		e = record_put_if(start, F_BOOT_ID, bytes_str(boot_id));
	if (!e)
		e = record_put_u64(start, F_PID, (uint64_t)sys_getpid());
	if (!e)
		e = record_put_u64(start, F_UID, sys_getuid());
	if (!e)
		e = record_put(start, F_EXE, BYTES("aigwd"));
	return e ? e : record_put(start, F_AIGW_VERSION, BYTES(AIGW_VERSION));
}

static enum err write_own(const struct drain_setup *s, struct bytes record)
{
	const struct policy *policy = s->policy;
	struct recipient recipients[POLICY_RECIPIENTS_MAX];
	struct segment_config config = {.directory = s->audit, .recipients = recipients};
	struct segment_writer writer = {.open = false};
	char host[65] = "", boot_id[37] = "";
	struct buf start = {0};
	enum err e = put_start(&start, host, boot_id);

	for (size_t i = 0; i < policy->audit.recipient_count; i++)
		if (seal_parse_recipient(policy->audit.recipients[i],
					 &recipients[config.recipient_count]) == OK)
			config.recipient_count++;
	seal_sha256(buf_view(&s->text), config.policy_digest);
	config.synced = policy->audit.durability == DURABLE_SYNCED;
	config.host = host;
	config.boot_id = boot_id;
	config.start_record = buf_view(&start);
	if (!e)
		e = segment_append(&writer, &config, REC_NOTICE, sys_now_ns(), record);
	if (!e)
		e = segment_close(&writer, &config, sys_now_ns());
	segment_forget(&writer);
	buf_done(&start);
	return e;
}

enum err drain_notice_put(const struct drain_setup *s, struct bytes text)
{
	struct buf record = {0};
	enum err e = record_put(&record, F_PROBLEM, text);

	if (!e)
		e = s->policy->audit.via == VIA_COLLECTOR ? collect(s->policy, buf_view(&record))
							  : write_own(s, buf_view(&record));
	buf_done(&record);
	return e;
}
