/* SPDX-License-Identifier: MIT
 *
 * Any environment, NUL-separated, and where it puts policy, keys and log: absolute paths that fit,
 * or none; a privileged program's environment decides nothing. Other small texts of places are
 * tried with the same bytes: an address in a policy, a peer's, a Host field's, a day's.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/place.h"
#include "llm/exchange.h"
#include "policy/host.h"
#include "policy/load.h"
#include "shim/peer.h"

#define VARIABLES_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_path(const char *path)
{
	must(path[0] == '/' && memchr(path, '\0', PATH_MAX_BYTES) != NULL);
}

static void check_places(const struct places *p)
{
	check_path(p->policy);
	check_path(p->user_policy);
	check_path(p->keys);
	check_path(p->audit);
	check_path(p->state);
}

static void check_environment(char *text, size_t size)
{
	char *environment[VARIABLES_MAX + 1], home[PATH_MAX_BYTES];
	struct place_variables v, secure;
	struct places p, q;
	size_t count = 0;

	for (size_t at = 0; at < size && count < VARIABLES_MAX; at += strlen(text + at) + 1)
		environment[count++] = text + at;
	environment[count] = NULL;
	load_variables(environment, home, sizeof home, &v);
	if (load_places(&v, "/dev/null/policy.json", &p) == OK) {
		check_places(&p);
		must(!p.locked);
		must(p.from_environment || strcmp(p.policy, p.user_policy) == 0);
	}
	secure = v;
	secure.privileged = true;
	secure.home = "/root";
	if (load_places(&secure, "/dev/null/policy.json", &q) == OK) {
		check_places(&q);
		must(strcmp(q.policy, "/root/.config/aigw/policy.json") == 0);
		must(!q.from_environment);
	}
}

static void check_inside(struct bytes part, struct bytes whole)
{
	must(!part.len || (part.at >= whole.at && part.len <= whole.len &&
			   (size_t)(part.at - whole.at) <= whole.len - part.len));
}

static void check_texts(const char *text)
{
	struct bytes whole = bytes_str(text), host = BYTES_NONE;
	char back[PLACE_DAY_CHARS + 1];
	const char *problem = NULL;
	uint16_t port = 0;
	uint64_t day;

	if (host_parse(whole, &host, &port, &problem) == OK) {
		check_inside(host, whole);
		must(host.len > 0);
	} else {
		must(problem && *problem);
	}
	if (peer_split(text, &host, &port))
		check_inside(host, whole);
	if (exchange_split_authority(whole, &host, &port) == OK) {
		check_inside(host, whole);
		must(host.len > 0 && bytes_find_byte(host, '@') == SIZE_MAX);
	}
	if (place_parse_day(whole, &day) == OK) {
		place_put_day(day, back);
		must(strcmp(back, text) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	must(text != NULL);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	check_environment(text, size);
	check_texts(text);
	free(text);
	return 0;
}
