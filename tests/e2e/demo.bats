#!/usr/bin/env bats
# What `make demo` promises, after building: see tools/demo.
load helper

setup() {
	# A build directory of its own, so that the demo of a person looking at it right now is left alone.
	mkdir -p "$BATS_TEST_TMPDIR/build"
	ln -s "$BUILD/aigw" "$BUILD/libaigw.so" "$BATS_TEST_TMPDIR/build/"
	ln -s "$BIN" "$BATS_TEST_TMPDIR/build/tests"
}

demo() {
	"$ROOT/tools/demo" "$BATS_TEST_TMPDIR/build"
}

assert_demo_shows_all() {
	assert_success
	assert_output --partial '$ aigw run -- curl '
	assert_output --partial '"content": "Hello from the provider'                     # allowed
	assert_line 'Hello from the provider: twice two is four, today as ever.'          # streamed
	assert_line 'HTTP/1.1 403 Forbidden'                                              # refused
	assert_output --partial 'gpt-4o'
	assert_output --regexp 'allow +demo +openai/gpt-5 +200'                           # the log
	assert_output --regexp 'allow +demo +anthropic/claude-opus-5 +200'
	assert_output --regexp 'refuse +demo +openai/gpt-4o +403'
	assert_output --partial 'data: {"type":"message_stop"}'                           # one record
	assert_output --partial 'X-Api-Key: redacted'
	assert_output --partial 'whole: every record is there and unchanged'              # verify
	assert_output --partial '2 requests, and 0 bytes that belong to none of them'
	refute_output --partial sk-demo-
	refute_output --partial sk-ant-demo-
}

@test 'the demo shows a call allowed, one streamed, one refused, and the log; twice' {
	run demo
	assert_demo_shows_all
	run demo
	assert_demo_shows_all
}

@test 'the demo works for an ordinary user' {
	[[ $(id -u) = 0 ]] || skip 'only root can become somebody else: the test above was the ordinary user'
	local place
	place=$(mktemp -d)
	cp -rL "$BATS_TEST_TMPDIR/build" "$place/"
	mkdir -p "$place/checkout/tests"
	cp -r "$ROOT/tools" "$place/checkout/"
	cp -r "$ROOT/tests/bin" "$place/checkout/tests/"
	chown -R nobody "$place"
	run setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/nonexistent \
		"$place/checkout/tools/demo" "$place/build"
	rm -rf "$place"
	assert_demo_shows_all
}
