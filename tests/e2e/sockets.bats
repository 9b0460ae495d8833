#!/usr/bin/env bats
# Odd things that programs do with sockets.
load helper

setup() {
	the_policy_allows 'openai/gpt-5*'
	cd "$BATS_TEST_TMPDIR"
}

odd() {
	run --separate-stderr shimmed timeout 60 "$BIN/odd_socket" "$@"
	assert_equal "$stderr" ''
	assert_success
}

@test 'a connection whose connect() was ended by a signal, and went on, is governed' {
	odd interrupted
	assert_output ''
	assert_equal "$(last_record .decision.rule)" transport.plaintext
}

@test 'a thread that is cancelled while its request goes out leaves later connections governed' {
	odd cancelled
	assert_output ''
	assert_equal "$(last_record .decision.rule)" transport.plaintext
}

@test 'sendfile does with a stack of 32 KiB' {
	odd small-stack
	assert_output ''
	assert_equal "$(last_record .decision.rule)" transport.plaintext
}

@test 'half a head is there once and first when a child writes the rest, and when the program ends' {
	for way in forked shared; do
		odd $way
		assert_equal "${output//[$'\r\n']/|}" 'GET /a HTTP/1.1||Host: plain.example.test|||'
	done
	odd left
	assert_equal "${output//[$'\r\n']/|}" 'GET /a HTTP/1.1|'
}

@test 'heads in two pieces do not ask the kernel for memory each time' {
	odd many
	assert_output few
}

@test 'an address that the policy names is a provider also when the first write comes too early' {
	the_policy_says '{}' '{ "ward": { "dialect": "openai", "hosts": ["127.0.0.1"] } }'
	odd early
	assert_output ''
	assert_equal "$(last_record .decision.rule)" transport.plaintext
}

@test 'sendfile sends the whole file, also where only its beginning was of interest' {
	odd file
	assert_output '65536 of 65536, then at 65536'
}

@test 'half a head is not taken before the connection is there, nor to the next one' {
	odd early-half
	assert_equal "${output//[$'\r\n']/|}" 'GET /a HTTP/1.1|'
	odd again
	assert_equal "${output//[$'\r\n']/|}" 'GET /a HTTP/1.1||Host: plain.example.test|||'
}
