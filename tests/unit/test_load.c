/* SPDX-License-Identifier: MIT
 *
 * Where the files are, and reading the policy: the order of places, the rules for locked hosts and
 * privileged programs, owners and permissions, with real files in a directory of our own.
 */
#include "policy/load.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define NO_FILE "/nonexistent/aigw/policy.json"
#define POLICY                                                                                     \
	"{\"version\":1,\"audit\":{\"recipients\":[\"aigw1test\"]},\"environments\":{\"e\":{}},"   \
	"\"default_environment\":\"e\"}\n"
#define LOCKED_POLICY                                                                              \
	"{\"version\":1,\"locked\":true,\"audit\":{\"recipients\":[\"aigw1test\"]},"               \
	"\"environments\":{\"e\":{}},\"default_environment\":\"e\"}\n"

static char directory[] = "/tmp/aigw-test-load-XXXXXX";

/* A path in our directory; valid until the next call but three. */
static const char *path_of(const char *name)
{
	static char paths[4][200];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", directory, name);
	return path;
}

static const char *write_file(const char *name, const char *text, mode_t mode)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, mode) != 0) {
		printf("Bail out! cannot write %s\n", path);
		exit(1);
	}
	return path;
}

static const char system_open[] = "open.json", system_locked[] = "locked.json",
		  system_broken[] = "broken.json";

struct expected {
	enum err e;
	const char *policy, *user_policy, *keys, *audit, *state;
	bool from_environment, locked;
};

static void check_places(const struct place_variables *v, const char *system_policy,
			 const struct expected *x)
{
	struct places p = {.policy = "untouched"};

	CHECK_ERR(load_places(v, system_policy, &p), x->e);
	if (x->e) {
		CHECK_STR(p.policy, "untouched");
		return;
	}
	CHECK_STR(p.policy, x->policy);
	CHECK_STR(p.user_policy, x->user_policy);
	CHECK_STR(p.keys, x->keys);
	CHECK_STR(p.audit, x->audit);
	CHECK_STR(p.state, x->state);
	CHECK(p.from_environment == x->from_environment);
	CHECK(p.locked == x->locked);
}

static void the_places_follow_the_xdg_directories(void)
{
	struct place_variables v = {.home = "/home/anna"};

	check_places(&v, NO_FILE,
		     &(struct expected){.policy = "/home/anna/.config/aigw/policy.json",
					.user_policy = "/home/anna/.config/aigw/policy.json",
					.keys = "/home/anna/.config/aigw/keys",
					.audit = "/home/anna/.local/share/aigw/audit",
					.state = "/home/anna/.local/state/aigw"});
	v.xdg_config_home = "/c/";
	v.xdg_data_home = "/d";
	v.xdg_state_home = "/";
	v.home = NULL; /* not needed when all three are given */
	check_places(&v, NO_FILE,
		     &(struct expected){.policy = "/c/aigw/policy.json",
					.user_policy = "/c/aigw/policy.json",
					.keys = "/c/aigw/keys",
					.audit = "/d/aigw/audit",
					.state = "/aigw"});
}

static void a_relative_or_empty_xdg_directory_is_ignored(void)
{
	struct place_variables v = {
		.home = "/h", .xdg_config_home = "c", .xdg_data_home = "./d", .xdg_state_home = ""};

	check_places(&v, NO_FILE,
		     &(struct expected){.policy = "/h/.config/aigw/policy.json",
					.user_policy = "/h/.config/aigw/policy.json",
					.keys = "/h/.config/aigw/keys",
					.audit = "/h/.local/share/aigw/audit",
					.state = "/h/.local/state/aigw"});
}

static void aigw_home_moves_everything_below_one_directory(void)
{
	struct place_variables v = {.home = "/h", .aigw_home = "/demo//"};
	struct expected x = {.policy = "/demo/policy.json",
			     .user_policy = "/demo/policy.json",
			     .keys = "/demo/keys",
			     .audit = "/demo/audit",
			     .state = "/demo/state",
			     .from_environment = true};

	check_places(&v, NO_FILE, &x);
	check_places(&v, path_of(system_open),
		     &x); /* also before a host's policy that permits it */
	v.home = NULL;
	check_places(&v, NO_FILE, &x);
	v.aigw_policy = "/p.json";
	x.policy = "/p.json";
	check_places(&v, NO_FILE, &x);
}

static void the_policy_is_looked_for_in_the_documented_order(void)
{
	struct place_variables v = {.home = "/h"};
	struct expected x = {.user_policy = "/h/.config/aigw/policy.json",
			     .keys = "/h/.config/aigw/keys",
			     .audit = "/h/.local/share/aigw/audit",
			     .state = "/h/.local/state/aigw"};

	x.policy = path_of(system_open);
	check_places(&v, path_of(system_open), &x);
	v.aigw_policy = "";
	check_places(&v, path_of(system_open), &x);
	v.aigw_policy = "/p.json";
	x.policy = "/p.json";
	x.from_environment = true;
	check_places(&v, path_of(system_open), &x);
	check_places(&v, NO_FILE, &x);
}

static void a_locked_or_unreadable_host_policy_cannot_be_replaced(void)
{
	struct place_variables v = {.home = "/h", .aigw_policy = "/p.json", .aigw_home = "/demo"};
	const char *const policies[] = {path_of(system_locked), path_of(system_broken)};

	for (int i = 0; i < 2; i++) {
		struct expected x = {.policy = policies[i],
				     .user_policy = "/h/.config/aigw/policy.json",
				     .keys = "/h/.config/aigw/keys",
				     .audit = "/h/.local/share/aigw/audit",
				     .state = "/h/.local/state/aigw",
				     .locked = true};
		check_places(&v, policies[i], &x);
	}
	/* not even by a path that would be refused elsewhere */
	v.aigw_policy = "relative";
	struct places p;
	CHECK_ERR(load_places(&v, policies[0], &p), OK);
}

static void a_host_policy_that_others_can_change_locks_too(void)
{
	struct place_variables v = {.home = "/h", .aigw_policy = "/p.json"};
	const char *path = write_file("writable.json", POLICY, 0666);
	struct places p;

	CHECK_ERR(load_places(&v, path, &p), OK);
	CHECK_STR(p.policy, path);
	CHECK(p.locked && !p.from_environment);
}

static void a_privileged_program_ignores_the_environment(void)
{
	struct place_variables v = {.aigw_home = "/evil",
				    .aigw_policy = "/evil.json",
				    .xdg_config_home = "/evil",
				    .xdg_data_home = "/evil",
				    .xdg_state_home = "/evil",
				    .home = "/root",
				    .privileged = true};

	check_places(&v, NO_FILE,
		     &(struct expected){.policy = "/root/.config/aigw/policy.json",
					.user_policy = "/root/.config/aigw/policy.json",
					.keys = "/root/.config/aigw/keys",
					.audit = "/root/.local/share/aigw/audit",
					.state = "/root/.local/state/aigw"});
}

static void without_a_home_directory_it_is_said(void)
{
	struct place_variables v = {0};

	check_places(&v, NO_FILE, &(struct expected){.e = ERR_MISSING});
	v.home = "relative";
	check_places(&v, NO_FILE, &(struct expected){.e = ERR_MISSING});
	v.aigw_policy = "/p.json"; /* the log and the keys have no place still */
	check_places(&v, NO_FILE, &(struct expected){.e = ERR_MISSING});
}

static void a_relative_path_of_ours_is_refused(void)
{
	struct place_variables v = {.home = "/h", .aigw_home = "demo"};

	check_places(&v, NO_FILE, &(struct expected){.e = ERR_USAGE});
	v.aigw_home = NULL;
	v.aigw_policy = "policy.json";
	check_places(&v, NO_FILE, &(struct expected){.e = ERR_USAGE});
}

static void the_longest_path_is_accepted_and_a_longer_one_is_not(void)
{
	char home[PATH_MAX_BYTES + 10], policy[PATH_MAX_BYTES + 10];
	struct place_variables v = {.aigw_home = home};
	struct places p;

	memset(home, 'h', sizeof home);
	home[0] = '/';
	home[PATH_MAX_BYTES - sizeof "/policy.json"] = '\0';
	CHECK_ERR(load_places(&v, NO_FILE, &p), OK);
	CHECK_U64(strlen(p.policy), PATH_MAX_BYTES - 1);
	home[PATH_MAX_BYTES - sizeof "/policy.json"] = 'h';
	home[PATH_MAX_BYTES - sizeof "/policy.json" + 1] = '\0';
	CHECK_ERR(load_places(&v, NO_FILE, &p), ERR_LIMIT);
	home[sizeof home - 1] = '\0';
	CHECK_ERR(load_places(&v, NO_FILE, &p), ERR_LIMIT);

	v.aigw_home = "/h";
	v.aigw_policy = policy;
	memset(policy, 'p', sizeof policy);
	policy[0] = '/';
	policy[PATH_MAX_BYTES - 1] = '\0';
	CHECK_ERR(load_places(&v, NO_FILE, &p), OK);
	policy[PATH_MAX_BYTES - 1] = 'p';
	policy[PATH_MAX_BYTES] = '\0';
	CHECK_ERR(load_places(&v, NO_FILE, &p), ERR_LIMIT);
}

static void the_variables_are_taken_from_the_given_environment(void)
{
	/* as a process has it: writable, in the order of the kernel's list */
	static char lines[][24] = {"AIGW_HOMES=/no", "AIGW_HOME=/demo",     "XDG_CONFIG_HOME=/c",
				   "XDG_DATA_HOME=", "AIGW_POLICY=/p.json", "HOME=/h",
				   "XDG_STATE_HOME", "AIGW_HOME=/second"};
	char *environment[sizeof lines / sizeof lines[0] + 1] = {NULL};
	char storage[64];
	struct place_variables v;

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		environment[i] = lines[i];
	load_variables(environment, storage, sizeof storage, &v);
	CHECK(!v.privileged);
	CHECK_STR(v.aigw_home, "/demo");
	CHECK_STR(v.aigw_policy, "/p.json");
	CHECK_STR(v.xdg_config_home, "/c");
	CHECK(v.xdg_data_home == NULL && v.xdg_state_home == NULL);
	CHECK_STR(v.home, "/h");
}

/* env -i: what the system's own file says of this user; some users of containers are not in it. */
static void without_home_the_password_file_is_asked(void)
{
	char home_line[] = "HOME=anna";
	char *const empty[] = {NULL}, *const relative[] = {home_line, NULL};
	char line[1024], storage[512] = "", expected[512] = "";
	struct place_variables v;
	FILE *f = fopen("/etc/passwd", "r");
	unsigned uid;

	while (f && fgets(line, sizeof line, f))
		if (!*expected && sscanf(line, "%*[^:]:%*[^:]:%u:", &uid) == 1 && uid == geteuid())
			sscanf(line, "%*[^:]:%*[^:]:%*[^:]:%*[^:]:%*[^:]:%511[^:\n]", expected);
	if (f)
		fclose(f);
	load_variables(empty, storage, sizeof storage, &v);
	CHECK_STR(v.home ? v.home : "", expected);
	CHECK(!v.aigw_home && !v.aigw_policy && !v.xdg_config_home);
	load_variables(relative, storage, sizeof storage, &v);
	CHECK_STR(v.home ? v.home : "", expected);
	load_variables(NULL, storage, sizeof storage, &v);
	CHECK_STR(v.home ? v.home : "", expected);
	if (*expected) {
		load_variables(NULL, storage, strlen(expected) + 1, &v);
		CHECK_STR(v.home ? v.home : "", expected);
		load_variables(NULL, storage, strlen(expected), &v);
		CHECK(v.home == NULL); /* does not fit: none rather than half of one */
	}
}

static void check_load(const char *path, enum err expected, const char *message)
{
	struct policy *p = NULL;
	struct buf text = {0};
	struct policy_problem problem = {0};
	int before = errno = EXDEV;

	CHECK_ERR(buf_put_str(&text, "kept:"), OK);
	CHECK_ERR(load_policy(path, &p, &text, &problem), expected);
	CHECK_U64(errno, before);
	CHECK((p != NULL) == (expected == OK));
	if (expected) {
		CHECK_STR(problem.text, message);
		CHECK_BYTES(buf_view(&text), "kept:");
	}
	policy_free(p);
	buf_done(&text);
}

static void a_policy_is_loaded_with_its_text(void)
{
	struct policy *p = NULL;
	struct buf text = {0};
	struct policy_problem problem = {0};
	const char *path = write_file("good.json", POLICY, 0644);

	CHECK_ERR(load_policy(path, &p, &text, &problem), OK);
	CHECK_BYTES(buf_view(&text), POLICY);
	CHECK(p && bytes_equal(p->default_environment, BYTES("e")));
	policy_free(p);
	buf_done(&text);
	CHECK_ERR(load_policy(path, &p, NULL, NULL), OK);
	policy_free(p);
	check_load(write_file("private.json", POLICY, 0600), OK, "");
	check_load(write_file("readonly.json", POLICY, 0444), OK, "");
}

static void a_policy_that_others_can_change_is_refused(void)
{
	char message[400];
	const char *path = write_file("group.json", POLICY, 0664);

	snprintf(message, sizeof message,
		 "the policy file can be changed by its group; run: chmod go-w %s", path);
	check_load(path, ERR_ACCESS, message);
	path = write_file("all.json", POLICY, 0606);
	snprintf(message, sizeof message,
		 "the policy file can be changed by everybody; run: chmod go-w %s", path);
	check_load(path, ERR_ACCESS, message);
}

/* Runs `body` as another user in a child, because what matters is who asks; only root can. */
static bool passes_as_user(uid_t uid, bool (*body)(void))
{
	int status = 1;
	pid_t child = fork();

	if (child == 0)
		_exit(setuid(uid) == 0 && body() ? 0 : 1);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool foreign_file_is_refused(void)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};
	char message[400];
	const char *path = path_of("foreign.json");

	snprintf(message, sizeof message,
		 "the policy file belongs to user 4711, who is neither root nor the user of this "
		 "program; run: chown 4712 %s",
		 path);
	return load_policy(path, &p, NULL, &problem) == ERR_ACCESS &&
	       strcmp(problem.text, message) == 0;
}

static bool root_file_is_loaded(void)
{
	struct policy *p = NULL;
	bool fine = load_policy(path_of("roots.json"), &p, NULL, NULL) == OK;

	policy_free(p);
	return fine;
}

static bool secret_file_is_denied(void)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	return load_policy(path_of("secret.json"), &p, NULL, &problem) == ERR_ACCESS &&
	       strcmp(problem.text,
		      "this user may not read the policy file; allow it to, or run the "
		      "program as a user who may") == 0;
}

/* Into a user namespace in which this user is called 0 and nobody else has a name. */
static bool enter_user_namespace(void)
{
	uid_t me = geteuid();
	FILE *map = unshare(CLONE_NEWUSER) == 0 ? fopen("/proc/self/uid_map", "w") : NULL;

	return map && fprintf(map, "0 %u 1\n", me) > 0 && fclose(map) == 0;
}

/* There root's files belong to a stranger (user 65534). */
static bool roots_file_is_a_strangers(void)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	return load_policy("/etc/passwd", &p, NULL, &problem) == ERR_ACCESS &&
	       strstr(problem.text, "belongs to user 65534") != NULL;
}

/* What root checks with files of its own making, as far as an ordinary user can check it. */
static void owners_seen_by_an_ordinary_user(void)
{
	struct policy *p = NULL;
	int status = 1;

	check_load(write_file("secret.json", POLICY, 0), ERR_ACCESS,
		   "this user may not read the policy file; allow it to, or run the program as a "
		   "user who may");
	CHECK_ERR(load_policy("/etc/passwd", &p, NULL, NULL), ERR_BAD); /* its owner is fine */
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		_exit(!enter_user_namespace() ? 2 : roots_file_is_a_strangers() ? 0 : 1);
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		tap_skip("the file of another user needs root or user namespaces");
	else
		CHECK(status == 0);
}

static void only_root_and_this_user_may_own_the_policy(void)
{
	const char *path = write_file("foreign.json", POLICY, 0644);
	char message[400];

	if (geteuid() != 0) {
		owners_seen_by_an_ordinary_user();
		return;
	}
	CHECK(chmod(directory, 0755) == 0);
	CHECK(chown(path, 4711, 4711) == 0);
	snprintf(message, sizeof message,
		 "the policy file belongs to user 4711, who is neither root nor the user of this "
		 "program; run: chown 0 %s",
		 path);
	check_load(path, ERR_ACCESS, message);
	write_file("roots.json", POLICY, 0644);
	write_file("secret.json", POLICY, 0600);
	CHECK(passes_as_user(4712, foreign_file_is_refused));
	CHECK(passes_as_user(4712, root_file_is_loaded));
	CHECK(passes_as_user(4712, secret_file_is_denied));
}

static void what_is_no_readable_file_is_named(void)
{
	char message[400];

	check_load(NO_FILE, ERR_MISSING,
		   "there is no such policy file; run aigw init to write one");
	snprintf(message, sizeof message, "the policy is not a regular file: %s", directory);
	check_load(directory, ERR_ACCESS, message);
	CHECK(mkfifo(path_of("fifo"), 0600) == 0);
	snprintf(message, sizeof message, "the policy is not a regular file: %s", path_of("fifo"));
	check_load(path_of("fifo"), ERR_ACCESS, message); /* and it does not hang */
	check_load(write_file("empty.json", "", 0600), ERR_BAD, "not JSON: a value was expected");
}

static void a_broken_policy_is_refused_with_its_place(void)
{
	struct policy *p = NULL;
	struct policy_problem problem = {0};

	CHECK_ERR(load_policy(write_file("bad.json", "{\n  \"version\": 2\n}\n", 0600), &p, NULL,
			      &problem),
		  ERR_UNSUPPORTED);
	CHECK_U64(problem.line, 2);
	CHECK_U64(problem.column, 14);
	CHECK(p == NULL);
}

static void a_file_of_the_greatest_size_is_loaded_and_a_larger_one_is_not(void)
{
	const char *path = write_file("large.json", POLICY, 0600);

	for (int more = 0; more < 2; more++) {
		struct buf text = {0};
		FILE *f = fopen(path, "w");
		CHECK_ERR(buf_put_str(&text, POLICY), OK);
		while (text.len < POLICY_BYTES_MAX + (size_t)more)
			if (buf_put_u8(&text, '\n'))
				exit(1);
		CHECK(f && fwrite(text.at, 1, text.len, f) == text.len && fclose(f) == 0);
		buf_done(&text);
		check_load(path, more ? ERR_LIMIT : OK, "the policy is larger than 4 MiB");
	}
}

static void every_change_of_a_file_changes_its_version(void)
{
	struct file_version none, first, same, second;
	const char *path = write_file("version.json", POLICY, 0600);

	load_file_version(NO_FILE, &none);
	CHECK_U64(none.device + none.inode + none.size + none.changed_ns, 0);
	load_file_version(path, &first);
	load_file_version(path, &same);
	CHECK(file_version_equal(&first, &same));
	CHECK(!file_version_equal(&first, &none));
	CHECK_U64(first.size, strlen(POLICY));
	/* a new file under the old name, of the same size: what an atomic installation does */
	const char *new_path = write_file("version.new", POLICY, 0600);
	CHECK(rename(new_path, path_of("version.json")) == 0);
	load_file_version(path_of("version.json"), &second);
	CHECK(!file_version_equal(&first, &second));

	static const size_t fields[] = {
		offsetof(struct file_version, device), offsetof(struct file_version, inode),
		offsetof(struct file_version, size), offsetof(struct file_version, changed_ns)};
	for (size_t i = 0; i < 4; i++) {
		same = first;
		*(uint64_t *)((char *)&same + fields[i]) += 1;
		CHECK(!file_version_equal(&first, &same));
	}
}

static enum err load_once(void)
{
	struct policy *p = NULL;
	struct buf text = {0};
	struct policy_problem problem = {0};
	enum err e = load_policy(path_of("good.json"), &p, &text, &problem);

	CHECK((e == OK) == (p != NULL));
	if (e)
		CHECK_STR(problem.text, "out of memory");
	policy_free(p);
	buf_done(&text);
	return e;
}

static void each_failing_allocation_is_reported_and_leaks_nothing(void)
{
	write_file("good.json", POLICY, 0600);
	tap_fail_each_allocation(load_once);
}

static void without_memory_a_host_policy_counts_as_locked(void)
{
	struct place_variables v = {.home = "/h", .aigw_policy = "/p.json"};
	struct places p;

	tap_fail_allocation(1);
	CHECK_ERR(load_places(&v, path_of(system_open), &p), OK);
	tap_fail_allocation(0);
	CHECK(p.locked && !p.from_environment);
}

int main(void)
{
	if (!mkdtemp(directory)) {
		printf("Bail out! no temporary directory\n");
		return 1;
	}
	write_file(system_open, POLICY, 0644);
	write_file(system_locked, LOCKED_POLICY, 0644);
	write_file(system_broken, "{", 0644);
	const struct tap_test tests[] = {
		TEST(the_places_follow_the_xdg_directories),
		TEST(a_relative_or_empty_xdg_directory_is_ignored),
		TEST(aigw_home_moves_everything_below_one_directory),
		TEST(the_policy_is_looked_for_in_the_documented_order),
		TEST(a_locked_or_unreadable_host_policy_cannot_be_replaced),
		TEST(a_host_policy_that_others_can_change_locks_too),
		TEST(a_privileged_program_ignores_the_environment),
		TEST(without_a_home_directory_it_is_said),
		TEST(a_relative_path_of_ours_is_refused),
		TEST(the_longest_path_is_accepted_and_a_longer_one_is_not),
		TEST(the_variables_are_taken_from_the_given_environment),
		TEST(without_home_the_password_file_is_asked),
		TEST(a_policy_is_loaded_with_its_text),
		TEST(a_policy_that_others_can_change_is_refused),
		TEST(only_root_and_this_user_may_own_the_policy),
		TEST(what_is_no_readable_file_is_named),
		TEST(a_broken_policy_is_refused_with_its_place),
		TEST(a_file_of_the_greatest_size_is_loaded_and_a_larger_one_is_not),
		TEST(every_change_of_a_file_changes_its_version),
		TEST(each_failing_allocation_is_reported_and_leaks_nothing),
		TEST(without_memory_a_host_policy_counts_as_locked),
	};
	int failed = tap_run(tests, sizeof tests / sizeof tests[0]);
	char command[100];
	snprintf(command, sizeof command, "rm -r %s", directory);
	return system(command) != 0 || failed;
}
