/* SPDX-License-Identifier: MIT */
#include "drain/syslog/address.h"

#include "tap.h"

static void each_transport_has_its_port(void)
{
	static const struct {
		const char *to;
		enum syslog_transport transport;
		const char *host, *port, *path;
		bool is_ip;
	} cases[] = {
		{"tls://logs.example.test", SYSLOG_TLS, "logs.example.test", "6514", "", false},
		{"tcp://logs", SYSLOG_TCP, "logs", "601", "", false},
		{"udp://logs_2.example", SYSLOG_UDP, "logs_2.example", "514", "", false},
		{"tls://logs.example.test:10514", SYSLOG_TLS, "logs.example.test", "10514", "",
		 false},
		{"tcp://192.0.2.1:1", SYSLOG_TCP, "192.0.2.1", "1", "", true},
		{"tls://[2001:db8::1]:65535", SYSLOG_TLS, "2001:db8::1", "65535", "", true},
		{"udp://[::1]", SYSLOG_UDP, "::1", "514", "", true},
		{"unix:///dev/log", SYSLOG_UNIX, "", "", "/dev/log", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct syslog_address a = {0};
		const char *problem = NULL;
		CHECK_ERR(syslog_address_parse(tap_guarded(bytes_str(cases[i].to)), &a, &problem),
			  OK);
		CHECK_U64(a.transport, cases[i].transport);
		CHECK_U64(a.is_ip, cases[i].is_ip);
		CHECK_STR(a.host, cases[i].host);
		CHECK_STR(a.port, cases[i].port);
		CHECK_STR(a.path, cases[i].path);
	}
}

static void what_leads_nowhere_is_refused_with_the_reason(void)
{
	static const struct {
		const char *to, *problem;
	} cases[] = {
		{"", "tls://HOST"},
		{"logs.example", "tls://HOST"},
		{"https://logs.example", "tls://HOST"},
		{"TLS://logs.example", "tls://HOST"},
		{"tls://", "host name"},
		{"tls://:6514", "host name"},
		{"tls://user@logs.example", "host name"},
		{"tls://logs.example/path", "host name"},
		{"tls://logs example", "host name"},
		{"tls://-x", "host name"},
		{"tls://.x", "host name"},
		{"tls://[]", "host name"},
		{"tls://[::1", "host name"},
		{"tls://[192.0.2.1]", "host name"},
		{"tls://[::1%lo]", "host name"},
		{"tls://h:0", "a port"},
		{"tls://h:65536", "a port"},
		{"tls://h:", "a port"},
		{"tls://h:6514/", "a port"},
		{"tls://h:+1", "a port"},
		{"tls://h:000001", "a port"},
		{"tls://[::1]x", "a port"},
		{"unix://", "absolute path"},
		{"unix:///", "absolute path"},
		{"unix://dev/log", "absolute path"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct syslog_address a = {.port = "same"};
		const char *problem = "";
		CHECK_ERR(syslog_address_parse(tap_guarded(bytes_str(cases[i].to)), &a, &problem),
			  ERR_BAD);
		CHECK_STR(a.port, "same");
		if (bytes_find(bytes_str(problem), bytes_str(cases[i].problem)) == SIZE_MAX)
			tap_fail(__FILE__, __LINE__, "%s: \"%s\"", cases[i].to, problem);
	}
}

static enum err parse(const char *before, size_t letters)
{
	struct syslog_address a;
	struct buf to = {0};
	const char *problem;
	enum err e = buf_put_str(&to, before);

	for (size_t i = 0; i < letters && !e; i++)
		e = buf_put_u8(&to, 'x');
	if (!e)
		e = syslog_address_parse(tap_guarded(buf_view(&to)), &a, &problem);
	buf_done(&to);
	return e;
}

static void names_and_paths_end_at_their_limits(void)
{
	CHECK_ERR(parse("tls://", ADDRESS_HOST_MAX), OK);
	CHECK_ERR(parse("tls://", ADDRESS_HOST_MAX + 1), ERR_BAD);
	CHECK_ERR(parse("unix:///", ADDRESS_PATH_MAX - 1), OK);
	CHECK_ERR(parse("unix:///", ADDRESS_PATH_MAX), ERR_BAD);
}

static void a_nul_is_part_of_nothing(void)
{
	struct syslog_address a;
	const char *problem;

	CHECK_ERR(syslog_address_parse(BYTES("tls://h\0x"), &a, &problem), ERR_BAD);
	CHECK_ERR(syslog_address_parse(BYTES("tls://[::1\0]"), &a, &problem), ERR_BAD);
	CHECK_ERR(syslog_address_parse(BYTES("unix:///a\0b"), &a, &problem), ERR_BAD);
}

int main(void)
{
	RUN_TESTS(TEST(each_transport_has_its_port),
		  TEST(what_leads_nowhere_is_refused_with_the_reason),
		  TEST(names_and_paths_end_at_their_limits), TEST(a_nul_is_part_of_nothing));
}
