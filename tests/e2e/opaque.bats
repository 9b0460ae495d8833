#!/usr/bin/env bats
# TLS that is not made by a library we stand in: seen at its ClientHello, refused or let through.
load helper

setup() {
	the_policy_allows 'openai/gpt-5*'
	cd "$BATS_TEST_TMPDIR"
	body gpt-5 >call
}

teardown() {
	stop_provider
	stop_proxy
}

# explained COMMAND...: under the shim, with explanations. $output, $stderr.
explained() {
	run --separate-stderr env AIGW_EXPLAIN=1 LD_PRELOAD="$SHIM:$NAMES" timeout 60 "$@"
}

java_here() {
	[[ -e trust.p12 ]] || keytool -importcert -noprompt -alias ca -file "$CERTS/ca.pem" \
		-keystore trust.p12 -storepass changeit 2>/dev/null
	java=(java -XX:TieredStopAtLevel=1 -Djavax.net.ssl.trustStore=trust.p12
		-Djavax.net.ssl.trustStorePassword=changeit)
}

# hello [NAME]: a ClientHello that no library has made, for raw_client.
hello() {
	"$BIN/make-hello" tls "${1-api.openai.com}"
}

raw() {
	run --separate-stderr shimmed "$BIN/raw_client" "$@"
}

assert_no_byte_came() {
	assert_equal "$(provider_saw '[.[].request_bytes // 0] | add // 0') bytes" '0 bytes'
}

# One record, which says who did it, to whom, and why not; and one line on the terminal.
assert_refused_connection() { # PROGRAM [LIBRARY]
	assert_equal "$(connections 'map(.type) | join(" ")')" refused_connection
	assert_equal "$(connections '.[0] | [.decision.action, .decision.rule, .provider, .environment,
		.coverage, .connection.server_name, .connection.attempts] | join(" ")')" \
		'refuse transport.opaque_tls openai test connection_only api.openai.com 1'
	assert_regex "$(connections '.[0].process.exe')" "$1"
	assert_regex "$(connections '.[0].connection.library')" "${2:-$1}"
}

assert_explained() {
	assert_equal "$(grep -c '^aigw: ' <<<"$stderr") line" '1 line'
	assert_regex "$stderr" 'aigw: refused for api.openai.com: .*\(transport.opaque_tls\)'
}

assert_nothing_was_shaken() {
	assert_equal "$(provider_saw 'map(select(.event == "connection" and .fault != "no handshake")) | length')" 0
}

# ---- real programs ----

@test 'java HttpClient is refused at its ClientHello, recorded and explained' {
	start_provider
	java_here
	explained "${java[@]}" "$CLIENTS/Ask.java" HTTP "$OPENAI/chat/completions" call
	assert_equal "$status" 1
	assert_regex "$stderr" SSLHandshakeException
	assert_explained
	assert_log_whole
	assert_refused_connection '/java$' '/libnio\.so$'
	assert_nothing_was_shaken
}

@test 'java HttpsURLConnection is refused at its ClientHello, recorded and explained' {
	start_provider
	java_here
	explained "${java[@]}" "$CLIENTS/Ask.java" URL "$OPENAI/chat/completions" call
	assert_equal "$status" 1
	assert_regex "$stderr" 'SocketException: Connection refused'
	assert_explained
	assert_refused_connection '/java$' '/lib(nio|net)\.so$'
	assert_nothing_was_shaken
}

@test 'java is refused behind an HTTP proxy, by the name in its ClientHello' {
	start_provider
	start_proxy
	java_here
	explained "${java[@]}" -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort="$PROXY_PORT" \
		-Dhttp.nonProxyHosts= "$CLIENTS/Ask.java" URL "$OPENAI/chat/completions" call
	assert_equal "$status" 1
	assert_explained
	assert_refused_connection '/java$' '/lib(nio|net)\.so$'
	assert_equal "$(connections '.[0].connection.peer')" "127.0.0.1:$PROXY_PORT"
	stop_proxy
	assert_nothing_was_shaken
}

@test 'java to another host is left alone' {
	start_provider --alpn http/1.1
	java_here
	explained "${java[@]}" "$CLIENTS/Ask.java" HTTP "$PLAIN/v1/chat/completions" call
	assert_success
	assert_answers 200
	assert_equal "$stderr" ''
	assert_equal "$(connections length)" 0
}

@test 'bun is refused at its ClientHello, recorded and explained' {
	start_provider
	explained env NODE_EXTRA_CA_CERTS="$CERTS/ca.pem" "$NPM_CLIENTS/bun" "$CLIENTS/fetch.js" \
		"$OPENAI/chat/completions" call
	assert_failure
	assert_regex "$stderr" ECONNRESET
	assert_explained
	assert_refused_connection '/bun$'
	assert_nothing_was_shaken
}

@test 'deno is refused at its ClientHello, recorded and explained' {
	start_provider
	explained env DENO_DIR="$BATS_TEST_TMPDIR/deno" NO_COLOR=1 "$NPM_CLIENTS/deno" run -A \
		--cert "$CERTS/ca.pem" "$CLIENTS/fetch.js" "$OPENAI/chat/completions" call
	assert_failure
	assert_regex "$stderr" 'Connection refused'
	assert_explained
	assert_refused_connection '/deno$'
	assert_nothing_was_shaken
}

@test 'deno is refused behind an HTTP proxy' {
	start_provider
	start_proxy
	explained env -u no_proxy -u NO_PROXY HTTPS_PROXY="http://127.0.0.1:$PROXY_PORT" \
		DENO_DIR="$BATS_TEST_TMPDIR/deno" NO_COLOR=1 "$NPM_CLIENTS/deno" run -A \
		--cert "$CERTS/ca.pem" "$CLIENTS/fetch.js" "$OPENAI/chat/completions" call
	assert_failure
	assert_explained
	assert_refused_connection '/deno$'
	stop_proxy
	assert_nothing_was_shaken
}

@test 'java, bun and deno work under opaque_tls: allow, with a record that says what is not known' {
	start_provider --alpn http/1.1
	the_policy_says '{ "opaque_tls": "allow" }'
	java_here
	explained "${java[@]}" "$CLIENTS/Ask.java" HTTP "$OPENAI/chat/completions" call
	assert_success
	assert_answers 200
	assert_equal "$stderr" ''
	explained env NODE_EXTRA_CA_CERTS="$CERTS/ca.pem" "$NPM_CLIENTS/bun" "$CLIENTS/fetch.js" \
		"$OPENAI/chat/completions" call
	assert_answers 200
	explained env DENO_DIR="$BATS_TEST_TMPDIR/deno" NO_COLOR=1 "$NPM_CLIENTS/deno" run -A \
		--cert "$CERTS/ca.pem" "$CLIENTS/fetch.js" "$OPENAI/chat/completions" call
	assert_answers 200
	assert_provider_saw 3
	assert_equal "$(connections 'map(.type + " " + .decision.action + " " + .coverage) | unique[]')" \
		'connection allow connection_only'
	assert_equal "$(connections 'map(.process.exe | split("/")[-1]) | join(" ")')" 'java bun deno'
}

@test 'without a policy a connection to a provider is refused, and the explanation says so' {
	start_provider
	rm "$AIGW_HOME/policy.json"
	hello >hello
	run --separate-stderr env AIGW_EXPLAIN=1 LD_PRELOAD="$SHIM:$NAMES" "$BIN/raw_client" "$PORT" <hello
	assert_failure
	assert_regex "$stderr" 'aigw: refused for api.openai.com: there is no policy .* aigw init'
}

# ---- how a ClientHello can be written ----

@test 'every way to write is refused alike, and nothing of the connection goes on' {
	start_provider --plain
	hello >hello
	for way in write writev send sendto sendmsg sendmmsg fast-open; do
		raw --way $way "$PORT" <hello
		assert_equal "$way: $stderr" "$way: write: ECONNREFUSED calls=1"
	done
	assert_no_byte_came
	assert_equal "$(connections 'map(.connection.attempts) | add')" 7
}

@test 'a ClientHello in pieces is refused by the piece that completes the name' {
	hello >hello
	for piece in 1 2 5 7 43 100; do
		start_provider --plain
		raw --write-bytes $piece "$PORT" <hello
		assert_equal "$status" 1
		assert_regex "$stderr" '^write: ECONNREFUSED'
		assert [ "$(provider_saw '[.[].request_bytes] | add')" -lt "$(wc -c <hello)" ]
	done
	start_provider --plain
	raw --write-bytes 3 --nonblocking --way writev --glance "$PORT" <hello
	assert_regex "$stderr" '^write: ECONNREFUSED'
}

@test 'a ClientHello behind CONNECT and SOCKS 5 is refused, whole and in pieces' {
	start_provider --plain
	start_proxy
	hello >hello
	for via in connect socks5; do
		for piece in 1000 1; do
			raw --via "$via:api.openai.com:$PORT" --write-bytes $piece "$PROXY_PORT" <hello
			assert_regex "$stderr" '^write: ECONNREFUSED'
		done
	done
	# without a name of its own: the proxy was told one
	hello '' >hello
	for via in connect socks5; do
		raw --via "$via:api.openai.com:$PORT" "$PROXY_PORT" <hello
		assert_regex "$stderr" '^write: ECONNREFUSED'
	done
	raw --via "connect:other.example.test:$PORT" --leave "$PROXY_PORT" <hello
	assert_success
}

@test 'an address that the policy names is refused without a name' {
	start_provider --plain
	the_policy_says '{}' "{ \"ward\": { \"dialect\": \"openai\", \"hosts\": [\"127.0.0.1:$PORT\"] } }"
	hello '' >hello
	raw "$PORT" <hello
	assert_regex "$stderr" '^write: ECONNREFUSED'
	assert_equal "$(connections '.[0] | .provider + " " + .connection.peer')" "ward 127.0.0.1:$PORT"
	hello other.example.test >hello
	raw --leave "$PORT" <hello
	assert_success
}

@test 'a host that the policy names with a port is another server on other ports' {
	start_provider --plain
	the_policy_says '{}' '{ "ward": { "dialect": "openai", "hosts": ["llm.example.test:8443"] } }'
	hello llm.example.test >hello
	raw --leave "$PORT" <hello
	assert_success
	assert_equal "$(connections length)" 0
}

@test 'bad pointers give EFAULT, then the connection is still looked at' {
	start_provider --plain
	hello >hello
	raw --bad "$PORT" <hello
	assert_equal "$stderr" 'write: ECONNREFUSED calls=1'
	hello other.example.test >hello
	raw --bad --leave "$PORT" <hello
	assert_success
}

@test 'attempts within a second are counted in one record, those after it in the next' {
	start_provider --plain
	hello >hello
	cat >again.py <<-'PY'
		import socket, sys, time
		def attempt():
		    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		    try:
		        s.sendall(open("hello", "rb").read())
		        sys.exit("it went out")
		    except ConnectionRefusedError:
		        s.close()
		begun = time.monotonic()
		attempt()
		first, count = time.monotonic(), 1
		while count < 50 or time.monotonic() - first < 1.1:
		    attempt()
		    count += 1
		    time.sleep(0 if count < 50 else 0.05)
		attempt() # more than a second after the first, however slow the machine
		attempt()
		print(count + 2, int(time.monotonic() - begun))
	PY
	explained $PYTHON again.py "$PORT"
	assert_success
	assert_explained
	read -r attempts seconds <<<"$output"
	assert_equal "$(connections 'map(.connection.attempts) | add')" "$attempts"
	# one each second, and the rest when the program ends
	assert [ "$(connections length)" -ge 3 ]
	assert [ "$(connections length)" -le $((seconds + 2)) ]
	assert_equal "$(connections '.[0].connection.attempts')" 1
	assert_no_byte_came
}

# ---- what people see ----

@test 'nothing is explained unless asked for, nor where standard error is not what it was' {
	start_provider --plain
	hello >hello
	raw "$PORT" <hello
	assert_equal "$stderr" 'write: ECONNREFUSED calls=1'
	run --separate-stderr env AIGW_EXPLAIN=0 LD_PRELOAD="$SHIM" "$BIN/raw_client" "$PORT" <hello
	assert_equal "$stderr" 'write: ECONNREFUSED calls=1'
	cat >moved.py <<-'PY'
		import os, socket, sys
		os.close(2)
		kept = os.open("kept", os.O_RDWR | os.O_CREAT)
		assert kept == 2
		s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		try:
		    s.sendall(open("hello", "rb").read())
		except ConnectionRefusedError:
		    os._exit(0)
	PY
	run env AIGW_EXPLAIN=1 LD_PRELOAD="$SHIM" $PYTHON moved.py "$PORT"
	assert_success
	assert_equal "$(cat kept)" ''
	run env AIGW_EXPLAIN=1 LD_PRELOAD="$SHIM" sh -c "\"$BIN/raw_client\" $PORT <hello 2>&-"
	assert_equal "$output" ''
}

@test 'a refused request is explained once, by its rule' {
	start_provider
	run --separate-stderr env AIGW_EXPLAIN=1 LD_PRELOAD="$SHIM:$NAMES" "$CLIENTS/curl.sh" \
		"$OPENAI/chat/completions" <(body gpt-4o) <(body gpt-4o) call
	assert_answers 403 403 200
	assert_equal "$(grep -c ^aigw: <<<"$stderr")" 1
	assert_regex "$stderr" 'aigw: refused for api.openai.com: .*gpt-4o.*\(environments.test.models.allow\)'
}

@test 'log, show and tail tell of a refused connection' {
	start_provider --plain
	hello >hello
	raw "$PORT" <hello
	run aigw log
	assert_output --regexp 'refuse +test +refused_connection api.openai.com +raw_client'
	run aigw show "$(connections '.[0].id')"
	assert_output --regexp '^refused_connection '
	assert_output --partial transport.opaque_tls
	run aigw tail -n 5 --json
	assert_output --partial '"type":"refused_connection"'
}

@test 'our own libraries are not taken for others: OpenSSL over sockets and memory, blocking or not' {
	start_provider
	raw_request "$(body gpt-5)" $'Connection: close\r\n' >request
	for way in '' --nonblocking --memory '--memory --write-bytes 7' --poll-first '--set-tls 1.2 --memory'; do
		# shellcheck disable=SC2086
		run send_raw $way <request
		assert_output --partial "$ANSWER"
	done
	run shimmed $PYTHON "$CLIENTS/py_asyncio.py" "$OPENAI/chat/completions" call
	assert_answers 200
	assert_equal "$(connections length)" 0
}
