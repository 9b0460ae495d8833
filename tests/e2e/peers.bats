#!/usr/bin/env bats
# Other projects' own tests, with us and without: the short part. The rest: tests/peers/run.
load helper

@test "CPython's own tests of TLS and HTTP pass with us as they do without" {
	# its tests bring their own authorities, and start from the library's defaults
	run env -u SSL_CERT_FILE -u no_proxy -u NO_PROXY "$ROOT/tests/peers/run" --build "$BUILD" --quick
	assert_success
	assert_line --regexp '^cpython +[0-9]{3,} +[0-9]{3,} +[0-9]{3,} +0$'
}
