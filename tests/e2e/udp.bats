#!/usr/bin/env bats
# QUIC to a provider: refused at the datagram that completes its ClientHello's name.
load helper

setup() {
	the_policy_allows 'openai/gpt-5*'
	cd "$BATS_TEST_TMPDIR"
	"$BIN/make-hello" quic api.openai.com >hello
	"$BIN/make-hello" quic api.openai.com 2 >two
	"$BIN/make-hello" quic other.example.test >other
}

# datagrams FILE [PORT] OPTIONS...
datagrams() {
	local file=$1
	shift
	run --separate-stderr shimmed "$BIN/raw_client" --write-bytes 1200 "$@" <"$file"
}

@test 'a datagram with the name of a provider is refused, however it is sent' {
	for way in sendto sendmsg sendmmsg; do
		datagrams hello --udp --way $way 443
		assert_equal "$way: $stderr" "$way: write: ECONNREFUSED calls=1"
	done
	for way in write writev send sendmsg sendmmsg; do
		datagrams hello --udp-connected --way $way 443
		assert_equal "$way: $stderr" "$way: write: ECONNREFUSED calls=1"
	done
	assert_equal "$(connections 'map(.decision.rule + " " + .decision.action) | unique[]')" 'transport.quic refuse'
	assert_equal "$(connections '.[0] | [.provider, .connection.server_name, .connection.peer] | join(" ")')" \
		'openai api.openai.com 127.0.0.1:443'
	assert_equal "$(connections 'map(.connection.attempts) | add')" 8
	assert_log_whole
}

@test 'a ClientHello in two datagrams is refused by the second' {
	datagrams two --udp --way sendto 443
	assert_equal "$stderr" 'write: ECONNREFUSED calls=2'
	# both by one call
	datagrams two --write-bytes 2400 --segment 1200 --udp --way sendmsg 443
	assert_equal "$stderr" 'write: ECONNREFUSED calls=1'
	datagrams two --write-bytes 2400 --segment 1200 --udp-connected --way sendmmsg 443
	assert_equal "$stderr" 'write: ECONNREFUSED calls=1'
	cat other other >twice
	datagrams twice --write-bytes 2400 --segment 1200 --udp --way sendmsg 443
	assert_equal "$stderr" 'left calls=1'
}

@test 'other names, other ports, and quic: allow go out' {
	datagrams other --udp --way sendto 443
	assert_equal "$stderr" 'left calls=1'
	datagrams hello --udp --way sendto 4433
	assert_equal "$stderr" 'left calls=1'
	assert_equal "$(connections length)" 0
	the_policy_says '{ "quic": "allow" }'
	datagrams hello --udp --way sendmsg 443
	assert_equal "$stderr" 'left calls=1'
	assert_equal "$(connections '.[0] | .type + " " + .decision.action')" 'connection allow'
}

@test 'a refused datagram is explained' {
	run --separate-stderr env AIGW_EXPLAIN=1 LD_PRELOAD="$SHIM" "$BIN/raw_client" --udp --way sendto 443 <hello
	assert_regex "$stderr" 'aigw: refused for api.openai.com: .*HTTP/3.*\(transport.quic\)'
}

@test 'bad pointers give EFAULT on datagram sockets' {
	datagrams other --udp --bad --way sendto 443
	assert_equal "$stderr" 'left calls=1'
	datagrams hello --udp --bad --way sendto 443
	assert_equal "$stderr" 'write: ECONNREFUSED calls=1'
}

@test 'datagrams that are no first packets stay together' {
	cc -shared -fPIC -o apart.so -x c - <<-'EOF'
		#define _GNU_SOURCE
		#include <sys/socket.h>
		#include <stdlib.h>
		ssize_t sendmsg(int fd, const struct msghdr *message, int flags) { abort(); }
	EOF
	printf 'short header' >later
	SHIM="$SHIM:$PWD/apart.so" datagrams later --udp --way sendmmsg 443
	assert_equal "$stderr" 'left calls=1'
	SHIM="$SHIM:$PWD/apart.so" datagrams hello --udp --way sendmmsg 4433
	assert_equal "$stderr" 'left calls=1'
	SHIM="$SHIM:$PWD/apart.so" datagrams other --udp --way sendmmsg 443
	assert_failure 134
}
