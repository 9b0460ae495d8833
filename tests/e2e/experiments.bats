#!/usr/bin/env bats
# Facts about the platform that the library is built on, and what it makes of them; E1 to E26 are
# their numbers. Of the others: E4, E5, E12 and E13 (the loader's doors, copies of libssl) are in
# doors.bats, E9 and E10 (OpenSSL inside an executable) in node.bats, E20 (what it costs) in
# `make bench`.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	local from=$BATS_TEST_DIRNAME/../bin/experiments
	cc -D_GNU_SOURCE -o probe "$from/probe.c" -lssl -lcrypto
	cc -shared -fPIC -o early.so "$from/early.c"
	cc -shared -fPIC -Wl,-z,initfirst -o early-first.so "$from/early.c"
	cc -shared -fPIC -DEARLY_TLS -o early-tls.so "$from/early.c" -lssl
	cc -shared -fPIC -o front.so "$from/front.c"
	for node in OPENSSL_3.0.0 OTHER_1; do
		echo "$node { global: *; };" >$node.map
		cc -shared -fPIC -Wl,--version-script=$node.map -o front-$node.so "$from/front.c"
	done
	cc -shared -fPIC -o auditor.so "$from/auditor.c"
	cc -nostdlib -pie -fPIE -o no-libc "$from/no_libc.c" # with a loader and nothing to load
	cc -static -o static -x c - <<<'int puts(const char *); int main(void) { puts("static"); }'
}

setup() {
	the_policy_allows 'openai/gpt-5*'
	start_provider --alpn http/1.1
	cd "$BATS_TEST_TMPDIR"
	body forbidden >body.json
}

teardown() {
	stop_provider
}

# probe MODE, with_probe MODE: with us, and without.
probe() {
	shimmed "$BATS_FILE_TMPDIR/probe" "$CERTS/ca.pem" "$PORT" "$1"
}

probe_without() {
	with_names "$BATS_FILE_TMPDIR/probe" "$CERTS/ca.pem" "$PORT" "$1"
}

libssl() {
	ldd "$BATS_FILE_TMPDIR/probe" | awk '$1 ~ /^libssl/ { print $3 }'
}

@test 'E1: a module that Python loaded for itself alone is governed by its own libssl' {
	run $PYTHON -c 'import ssl, ctypes; ctypes.CDLL(None).SSL_write_ex'
	assert_failure # its symbols are in nobody's scope but its own
	run shimmed $PYTHON "$CLIENTS/py_urllib.py" "$OPENAI/chat/completions" body.json
	assert_success
	assert_refused_without_leak
}

@test 'E2: OpenSSL called by a library (curl) and by the program itself (openssl) is governed' {
	CHAT_WITH=shimmed run chat -d @body.json
	assert_refused_without_leak
	start_provider
	run shimmed $PYTHON "$CLIENTS/s_client.py" "$OPENAI/chat/completions" body.json
	assert_refused_without_leak
}

@test 'E3: a hook without a version is called, one in a foreign version node is not' {
	local program="import urllib.request as u; u.urlopen('$PLAIN/plain')"
	run with_names env LD_PRELOAD="$BATS_FILE_TMPDIR/front.so:$NAMES" $PYTHON -c "$program"
	assert_line 'FRONT called'
	run with_names env LD_PRELOAD="$BATS_FILE_TMPDIR/front-OPENSSL_3.0.0.so:$NAMES" $PYTHON -c "$program"
	assert_line 'FRONT called'
	run with_names env LD_PRELOAD="$BATS_FILE_TMPDIR/front-OTHER_1.so:$NAMES" $PYTHON -c "$program"
	assert_success
	assert_output ''
	run bash -c "readelf --dyn-syms -W '$SHIM' | grep -v UND | grep @"
	assert_output ''
}

@test 'E6, E7: what libssl calls through its own import table is one call of the program' {
	run bash -c "readelf -rW '$(libssl)' | grep -oE 'SSL_(do_handshake|read_ex|write_ex|shutdown)@' | sort -u | wc -l"
	[[ $output -gt 0 ]] || skip 'this libssl does not call itself through its import table'
	CHAT_WITH=shimmed run chat -d @body.json
	assert_answers 403
	assert_equal "$(records length)" 1
}

@test 'E8: the peer of a connection is known with and without a descriptor in the SSL object' {
	local client
	body gpt-5 >body.json
	for client in py_urllib.py py_asyncio.py; do
		run shimmed $PYTHON "$CLIENTS/$client" "$OPENAI/chat/completions" body.json
		assert_answers 200
		assert_equal "$client: $(last_record .connection.peer)" "$client: 127.0.0.1:$PORT"
	done
	run shimmed "$CLIENTS/curl.sh" "$OPENAI/chat/completions" body.json
	assert_answers 200
	assert_equal "curl: $(last_record .connection.peer)" "curl: 127.0.0.1:$PORT"
	run shimmed ruby "$CLIENTS/net_http.rb" "$OPENAI/chat/completions" body.json
	assert_answers 200
	assert_equal "ruby: $(last_record .connection.peer)" "ruby: 127.0.0.1:$PORT"
}

@test 'E14: constructors of other libraries may connect before ours has run, and call models after' {
	export EARLY_PORT=$PORT
	local library order
	# Two libraries that want to be first: the loader lets only one of them, maybe not us.
	for library in early.so early-first.so; do
		library=$BATS_FILE_TMPDIR/$library
		for order in "$library:$SHIM" "$SHIM:$library"; do
			run env LD_PRELOAD="$order:$NAMES" curl -sS -H 'Content-Type: application/json' -d @body.json \
				-w '\nHTTP %{http_code}\n' "$OPENAI/chat/completions"
			assert_success
			assert_line 'EARLY connected'
			assert_answers 403
		done
	done
	library=$BATS_FILE_TMPDIR/early-tls.so
	for order in "$library:$SHIM" "$SHIM:$library"; do
		run env LD_PRELOAD="$order" true
		assert_success
		assert_line 'EARLY HTTP 403'
	done
	assert_equal "$(records length)" 6
	assert_equal "$(requests_seen)" 0
}

@test 'E15: children of vfork, which close everything in our memory, do not change what we know' {
	run timeout 30 env LD_PRELOAD="$SHIM" $PYTHON "$ROOT/tests/bin/experiments/vfork.py" "$PORT"
	assert_success
	assert_output 'HTTP 403'
}

@test 'E16: a program with more rights than its caller runs without us, and hands nothing on' {
	[[ $(id -u) = 0 ]] || skip 'only root can make a program of somebody else'
	cp /usr/bin/env other
	chown nobody other
	chmod u+s other
	chmod 755 "$BATS_TEST_TMPDIR"
	LD_PRELOAD=$SHIM run ./other
	[[ ! $(findmnt -nT . -o OPTIONS) =~ nosuid ]] || skip 'this file system has no set-user-id programs'
	assert_success
	refute_output --partial LD_PRELOAD
}

@test 'E17: the loader goes on without a library it does not find; aigw run does not' {
	run --separate-stderr env LD_PRELOAD=/nonexistent/libaigw.so echo unprotected
	assert_output unprotected
	[[ $stderr = *'cannot be preloaded'* ]]
	cp "$BUILD/aigw" .
	run --separate-stderr ./aigw run -- echo unprotected
	assert_failure
	assert_output ''
	[[ $stderr = *libaigw.so* ]]
}

@test 'E18: the library needs libc alone and has its thread variables at a fixed place' {
	run bash -c "readelf -d '$SHIM' | grep -o 'Shared library: .*'"
	assert_output 'Shared library: [libc.so.6]'
	run bash -c "readelf -d '$SHIM' | grep -c STATIC_TLS"
	assert_output 1
	run bash -c "nm -D '$SHIM' | grep __tls_get_addr"
	assert_output ''
}

# Not so for the first call from a place: who it means is asked of the loader, which forgets the error.
@test 'E19: an error of dlopen that was not read yet is still there after a call from a known place' {
	run probe dlerror
	assert_output $'HTTP 200\nHTTP 403\nDLERROR kept'
}

@test 'E21: writing nothing answers as ever, and a refused connection ends clean, again and again' {
	run probe_without empty-write
	local without=$output
	run probe empty-write
	assert_output "$without"
	run probe end
	assert_output $'HTTP 403\nREAD 0 error 6 queue 0\nREAD 0 error 6 queue 0\nREAD 0 error 6 queue 0\nSHUTDOWN 2'
}

@test 'E22: the getters say what they say without us, and the error queue is the program'\''s' {
	run probe_without getters
	local without=$output
	run probe getters
	assert_output "$without"
	run probe queue
	assert_output $'HTTP 200\nHTTP 403\nQUEUE as it was'
}

@test 'E23: an SSL object that was duplicated is governed' {
	run probe duplicate
	assert_success
	assert_output 'HTTP 403'
	assert_equal "$(requests_seen)" 0
}

@test 'E24: under an LD_AUDIT library calls are governed as ever' {
	export LD_AUDIT=$BATS_FILE_TMPDIR/auditor.so
	CHAT_WITH=shimmed run chat -d @body.json
	assert_answers 403
	run shimmed $PYTHON "$CLIENTS/py_urllib.py" "$OPENAI/chat/completions" body.json
	assert_answers 403
	unset LD_AUDIT
	assert_equal "$(requests_seen)" 0
}

@test 'E25: programs without libc, and static ones, run as ever' {
	same_with_and_without "$BATS_FILE_TMPDIR/no-libc"
	assert_equal "$(<with.out)" 'no libc'
	same_with_and_without "$BATS_FILE_TMPDIR/static"
	assert_equal "$(<with.out)" static
	readelf -l "$BATS_FILE_TMPDIR/no-libc" | grep -q 'program interpreter'
}

@test 'E26: a socket shut for reading is readable at once, at its end, and still writable' {
	run $PYTHON "$ROOT/tests/bin/experiments/shut.py"
	assert_success
	assert_output "before 0 0
after 1 1
read b''
there got b'to there'
later bytes b'to here'"
}
