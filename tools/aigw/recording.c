/* SPDX-License-Identifier: MIT */
#include "recording.h"

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aigw/collect.h"
#include "audit/collector.h"
#include "audit/segment.h"
#include "base/files.h"
#include "base/sys.h"
#include "print.h"
#include "setup.h"

#define ARGUMENT_BYTES_MAX  4096 /* of one; what is longer is cut */
#define ARGUMENTS_BYTES_MAX (32u << 10)

static struct {
	int argc;
	char **argv;
} typed;

void recording_begin(int argc, char **argv)
{
	/* The words alone: parsing moves the pointers about. */
	typed.argv = need_memory(((size_t)argc + 1) * sizeof(char *));
	memcpy(typed.argv, argv, (size_t)argc * sizeof(char *));
	typed.argc = argc;
}

static const char *command(void)
{
	return typed.argc ? typed.argv[0] : "";
}

/* The words from the one numbered `first` on. */
static void put_words(struct buf *record, enum field f, int first)
{
	struct buf list = {0};

	for (int i = first; i < typed.argc && list.len < ARGUMENTS_BYTES_MAX; i++) {
		if (i > first)
			need(buf_put_u8(&list, 0));
		need(buf_put(&list, bytes_slice(bytes_str(typed.argv[i]), 0, ARGUMENT_BYTES_MAX)));
	}
	need(record_put_if(record, f, buf_view(&list)));
	buf_done(&list);
}

/* ---- to a collector ---- */

static enum err collect(const struct policy *policy, enum record_kind kind, struct bytes record,
			char ret_socket[PATH_MAX_BYTES])
{
	const struct collector_record wish = {ret_socket, kind, record, BYTES_NONE};
	struct bytes path = policy ? policy->audit.socket : BYTES_NONE;
	bool counted;
	enum err e;

	memcpy(ret_socket, COLLECT_SOCKET, sizeof COLLECT_SOCKET);
	if (path.len >= PATH_MAX_BYTES)
		return ERR_LIMIT;
	if (path.len) {
		memcpy(ret_socket, path.at, path.len);
		ret_socket[path.len] = '\0';
	}
	e = collector_append(&wish, &counted);
	collector_close();
	return e;
}

static const char *why(enum err e)
{
	switch (e) {
	case ERR_MISSING:
		return "nobody listens there";
	case ERR_STATE:
		return "it is busy";
	case ERR_BAD:
		return "it does not take such a record from this user";
	default:
		return err_text(e);
	}
}

/* ---- who reads a collector's log ---- */

static bool is_collected(const struct places *places, const struct policy *policy,
			 const char *directory)
{
	struct buf path = {0};
	struct stat st;

	if (policy && policy->audit.via == VIA_COLLECTOR) {
		setup_audit_directory(places, &path);
		if (strcmp((const char *)path.at, directory) == 0) {
			buf_done(&path);
			return true;
		}
	}
	buf_reset(&path);
	need(buf_put_str(&path, directory));
	need(buf_put_str(&path, "/" COLLECT_LOCK_FILE));
	need(buf_put_u8(&path, 0));
	bool found = sys_stat((const char *)path.at, &st) >= 0;
	buf_done(&path);
	return found;
}

void recording_access(const struct places *places, const char *directory)
{
	char socket[PATH_MAX_BYTES];
	struct policy *policy = NULL;
	struct policy_problem problem = {0};
	struct buf record = {0};

	if (load_policy(places->policy, &policy, NULL, &problem))
		policy = NULL;
	if (is_collected(places, policy, directory)) {
		need(record_put(&record, F_ACCESS_COMMAND, bytes_str(command())));
		put_words(&record, F_ACCESS_ARGUMENTS, 1);
		need(record_put(&record, F_ACCESS_DIRECTORY, bytes_str(directory)));
		enum err e = collect(policy, REC_ACCESS, buf_view(&record), socket);
		if (e)
			print_note("that this log is read could not be recorded by the collector "
				   "at %s: %s",
				   socket, why(e));
	}
	policy_free(policy);
	buf_done(&record);
}

/* ---- what was done by hand ---- */

/* Who logged in, also behind sudo. */
static void put_login_uid(struct buf *start)
{
	char text[24];
	uint64_t uid;
	size_t len = 0;

	if (!files_peek("/proc/self/loginuid", text, sizeof text - 1, &len) &&
	    !bytes_parse_u64(bytes_of(text, len), UINT32_MAX - 1, &uid))
		need(record_put_u64(start, F_LOGIN_UID, uid));
}

static void put_start(struct buf *start, char host[65], char boot_id[37])
{
	const struct passwd *user = getpwuid(getuid());
	size_t len = 0;

	if (gethostname(host, 64))
		host[0] = '\0';
	if (files_peek("/proc/sys/kernel/random/boot_id", boot_id, 36, &len))
		boot_id[0] = '\0';
	need(record_put_if(start, F_HOST, bytes_str(host)));
	need(record_put_if(start, F_BOOT_ID, bytes_str(boot_id)));
	need(record_put_u64(start, F_PID, (uint64_t)getpid()));
	need(record_put_u64(start, F_PPID, (uint64_t)getppid()));
	need(record_put_u64(start, F_UID, getuid()));
	need(record_put_if(start, F_USER, bytes_str(user ? user->pw_name : "")));
	put_login_uid(start);
	need(record_put(start, F_EXE, BYTES("aigw")));
	put_words(start, F_CMDLINE, 0);
	need(record_put(start, F_AIGW_VERSION, BYTES(AIGW_VERSION)));
}

/* Sealed for those whom the policy names now. */
static enum err write_own(const struct policy *policy, const char *directory, enum record_kind kind,
			  struct bytes record)
{
	struct recipient recipients[POLICY_RECIPIENTS_MAX];
	struct segment_config config = {.directory = directory, .recipients = recipients};
	struct segment_writer writer = {.open = false};
	char host[65] = "", boot_id[37] = "";
	struct buf start = {0};

	for (size_t i = 0; i < policy->audit.recipient_count; i++)
		if (seal_parse_recipient(policy->audit.recipients[i],
					 &recipients[config.recipient_count]) == OK)
			config.recipient_count++;
	put_start(&start, host, boot_id);
	memcpy(config.policy_digest, policy->digest, sizeof config.policy_digest);
	config.synced = policy->audit.durability == DURABLE_SYNCED;
	config.host = host;
	config.boot_id = boot_id;
	config.start_record = buf_view(&start);
	enum err e = segment_append(&writer, &config, kind, sys_now_ns(), record);
	if (!e)
		e = segment_close(&writer, &config, sys_now_ns());
	segment_forget(&writer);
	buf_done(&start);
	return e;
}

void recording_put(const struct places *places, enum record_kind kind, struct bytes record)
{
	char socket[PATH_MAX_BYTES];
	struct policy *policy = NULL;
	struct policy_problem problem = {0};
	struct buf directory = {0};
	enum err e = load_policy(places->policy, &policy, NULL, &problem);

	setup_audit_directory(places, &directory);
	if (e) {
		print_note("what was done could not be recorded: the policy %s: %s", places->policy,
			   problem.text[0] ? problem.text : err_text(e));
	} else if (policy->audit.via == VIA_COLLECTOR) {
		e = collect(policy, kind, record, socket);
		if (e)
			print_note("what was done could not be recorded by the collector at %s: %s",
				   socket, why(e));
	} else {
		e = write_own(policy, (const char *)directory.at, kind, record);
		if (e)
			print_note("what was done could not be recorded in %s: %s",
				   (const char *)directory.at, err_text(e));
	}
	policy_free(policy);
	buf_done(&directory);
}
