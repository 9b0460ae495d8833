/* SPDX-License-Identifier: MIT */
#include "key_change.h"

#include "print.h"
#include "recording.h"

void key_change_record(const struct places *places, const char *action, enum field about,
		       const char *name)
{
	struct buf record = {0};

	need(record_put(&record, F_KEY_ACTION, bytes_str(action)));
	need(record_put(&record, about, bytes_str(name)));
	need(record_put(&record, F_POLICY_PATH, bytes_str(places->policy)));
	recording_put(places, REC_KEY_CHANGE, buf_view(&record));
	buf_done(&record);
}
