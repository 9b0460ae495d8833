#!/usr/bin/env bats
# HTTP without TLS to a provider: refused, or governed like the rest.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	start_provider --plain
	OPENAI=http://api.openai.com:$PORT/v1
	LOCAL=http://127.0.0.1:$PORT/v1
	the_policy_says '{}' "{ \"ward\": { \"dialect\": \"openai\", \"hosts\": [\"127.0.0.1:$PORT\",
		\"localhost:$PORT\"], \"plaintext\": true } }"
	body gpt-5 >call
	body gpt-4o >refused
	body gpt-5 "$STREAM" >stream
}

teardown() {
	stop_provider
	stop_proxy
}

allow_plaintext() {
	the_policy_says '{ "plaintext": "allow" }'
}

run_shimmed() {
	run --separate-stderr shimmed timeout 60 "$@"
}

# raw_plain HOST BODY [HEADER]: a whole request as bytes, for raw_client.
raw_plain() {
	printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n' "$1" "$API_KEY"
	printf 'Content-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s' "${#2}" "${3:-}" "$2"
}

raw() {
	run_shimmed "$BIN/raw_client" "$@"
}

no_byte_came() {
	assert_equal "$(provider_saw '[.[].request_bytes // 0] | add // 0') bytes" '0 bytes'
}

restart_provider() {
	stop_provider
	start_provider --plain "$@"
	OPENAI=http://api.openai.com:$PORT/v1
	LOCAL=http://127.0.0.1:$PORT/v1
}

# ---- a provider's host ----

@test 'plain HTTP to a provider is refused by transport.plaintext, and nothing gets out' {
	for client in "$CLIENTS/curl.sh" "$PYTHON $CLIENTS/py_requests.py" "ruby $CLIENTS/net_http.rb" \
		"$PYTHON $CLIENTS/py_aiohttp.py" "java $CLIENTS/Ask.java URL" "java $CLIENTS/Ask.java HTTP" \
		"$NPM_CLIENTS/bun $CLIENTS/fetch.js"; do
		# shellcheck disable=SC2086
		run_shimmed $client "$OPENAI/chat/completions" call
		assert_answers 403
		assert_output --partial '"code":"policy_denied"'
		assert_equal "$(last_record '[.decision.action, .decision.rule, .outcome, .connection.server_name,
			.connection.tls, .connection.verified] | map(tostring) | join(" ")')" \
			'refuse transport.plaintext refused api.openai.com null null'
	done
	assert_equal "$(records length)" 7
	no_byte_came
}

@test 'plain HTTP to a provider is governed under plaintext: allow' {
	allow_plaintext
	for client in "$CLIENTS/curl.sh" "$PYTHON $CLIENTS/py_requests.py" "ruby $CLIENTS/net_http.rb" \
		"$PYTHON $CLIENTS/py_aiohttp.py" "$PYTHON $CLIENTS/py_urllib.py" "$PYTHON $CLIENTS/py_httpx.py" \
		"java $CLIENTS/Ask.java URL" "java $CLIENTS/Ask.java HTTP" "$NPM_CLIENTS/bun $CLIENTS/fetch.js"; do
		# shellcheck disable=SC2086
		run_shimmed $client "$OPENAI/chat/completions" call stream refused call
		assert_answers 200 200 403 200
		assert_output --partial "$ANSWER"
		assert_output --partial '[DONE]'
		assert_output --partial '"code":"policy_denied"'
		assert_equal "$(records '.[-4:] | map(.decision.action + " " + .outcome) | join(", ")')" \
			'allow complete, allow complete, refuse refused, allow complete'
	done
	assert_provider_saw 27
}

@test 'other hosts are left alone: the same bytes, in as many writes' {
	the_policy_says '{}'
	body gpt-4o >other
	for client in "$CLIENTS/curl.sh" "$PYTHON $CLIENTS/py_urllib.py" "ruby $CLIENTS/net_http.rb"; do
		# shellcheck disable=SC2086
		run_shimmed $client "http://plain.example.test:$PORT/v1/chat/completions" other
		assert_answers 200
	done
	assert_equal "$(aigw log --json | jq -s length)" 0
	assert_provider_saw 3
}

@test 'through a proxy, with the whole URL or a tunnel, the host behind it counts' {
	start_proxy
	unset no_proxy NO_PROXY
	CURL=(curl -sS --max-time 20 -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json'
		-w '\nHTTP %{http_code}\n')
	for way in "-x http://127.0.0.1:$PROXY_PORT" "-p -x http://127.0.0.1:$PROXY_PORT" \
		"-x socks5h://127.0.0.1:$PROXY_PORT" "-x socks4a://127.0.0.1:$PROXY_PORT"; do
		# shellcheck disable=SC2086
		run_shimmed "${CURL[@]}" $way --data-binary @call "$OPENAI/chat/completions"
		assert_answers 403
		assert_equal "$(last_record .decision.rule)" transport.plaintext
	done
	no_byte_came
	restart_provider
	allow_plaintext
	for way in "-x http://127.0.0.1:$PROXY_PORT" "-p -x http://127.0.0.1:$PROXY_PORT" \
		"-x socks5h://127.0.0.1:$PROXY_PORT" "-x socks4a://127.0.0.1:$PROXY_PORT"; do
		# shellcheck disable=SC2086
		run_shimmed "${CURL[@]}" $way --data-binary @call "$OPENAI/chat/completions"
		assert_answers 200
		# shellcheck disable=SC2086
		run_shimmed "${CURL[@]}" $way --data-binary @refused "$OPENAI/chat/completions"
		assert_answers 403
		# shellcheck disable=SC2086
		run_shimmed "${CURL[@]}" $way --data-binary @refused \
			"http://plain.example.test:$PORT/v1/chat/completions"
		assert_answers 200
	done
	stop_proxy
	assert_provider_saw 8
	assert_equal "$(records 'map(.decision.action) | join(" ")')" \
		'refuse refuse refuse refuse allow refuse allow refuse allow refuse allow refuse'
}

# ---- a provider of one's own ----

@test 'a plaintext provider is governed: allowed, streamed and refused calls, with records' {
	for client in "$CLIENTS/curl.sh" "$PYTHON $CLIENTS/py_requests.py" "$PYTHON $CLIENTS/py_aiohttp.py" \
		"ruby $CLIENTS/net_http.rb" "java $CLIENTS/Ask.java HTTP" "$NPM_CLIENTS/bun $CLIENTS/fetch.js"; do
		# shellcheck disable=SC2086
		run_shimmed $client "$LOCAL/chat/completions" call stream refused
		assert_answers 200 200 403
		assert_equal "$(records '.[-3:] | map(.provider + " " + .decision.action + " " + .outcome) | join(", ")')" \
			'ward allow complete, ward allow complete, ward refuse refused'
	done
	assert_provider_saw 12
	assert_equal "$(last_record '.decision.rule + " " + .connection.peer')" \
		"environments.test.models.allow 127.0.0.1:$PORT"
	assert_equal "$(aigw show "$(records '.[0].id')" --json | jq -r .request.body)" "$(cat call)"
	assert_equal "$(aigw show "$(records '.[1].id')" --json | jq -r .response.text)" "$ANSWER"
	assert_equal "$(records '.[0].gen_ai["usage.input_tokens"]')" 19
}

@test 'whatever a Host field says, an address that the policy names is a provider' {
	raw_plain whatever.example "$(cat refused)" >request
	raw "$PORT" <request
	assert_output --partial 'HTTP/1.1 403 '
	no_byte_came
}

@test 'a call to a plaintext provider that cannot be recorded is refused' {
	rm -r "$AIGW_HOME/audit"
	touch "$AIGW_HOME/audit" # where the log's directory would be
	run_shimmed "$CLIENTS/curl.sh" "$LOCAL/chat/completions" call
	assert_answers 503
}

# ---- how it can be written and read ----

@test 'every way to write is governed alike' {
	raw_plain "127.0.0.1:$PORT" "$(cat call)" $'Connection: close\r\n' >request
	raw_plain "127.0.0.1:$PORT" "$(cat refused)" >request2
	for way in write writev send sendto sendmsg sendmmsg 'sendfile --write-bytes 100' fast-open \
		'write --nonblocking' 'write --write-bytes 1' 'writev --write-bytes 7 --nonblocking' \
		'send --write-bytes 40 --glance'; do
		# shellcheck disable=SC2086
		raw --way $way "$PORT" <request
		assert_output --partial "$ANSWER"
		# shellcheck disable=SC2086
		raw --way $way "$PORT" <request2
		assert_regex "$way: $output" "HTTP/1.1 403 "
		assert_regex "$stderr" 'end=fin'
	done
	assert_equal "$(requests_seen) requests" '12 requests'
	# of refused ones, what was written before the first line was complete: 34 single bytes, 4 times 7
	assert_equal "$(provider_saw '[.[].stray_bytes // 0] | add')" 62
	assert_equal "$(records 'map(.outcome) | group_by(.) | map(.[0] + " " + (length | tostring)) | join(", ")')" \
		'complete 12, refused 12'
}

@test 'through a copy of the descriptor the answer comes, and of a refusal only the end' {
	raw_plain "127.0.0.1:$PORT" "$(cat call)" $'Connection: close\r\n' >request
	raw_plain "127.0.0.1:$PORT" "$(cat refused)" >request2
	raw --dup-later "$PORT" <request
	assert_output --partial "$ANSWER"
	raw --dup-later "$PORT" <request2
	assert_output ''
	assert_equal "$stderr" 'end=fin calls=1'
	assert_provider_saw 1
}

@test 'a socket that gets the number of another, by dup2, is not taken for that' {
	raw_plain "127.0.0.1:$PORT" "$(cat call)" $'Connection: close\r\n' >request
	raw_plain "127.0.0.1:$PORT" "$(cat refused)" >request2
	raw --onto-udp "$PORT" <request
	assert_output --partial "$ANSWER"
	raw --onto-udp "$PORT" <request2
	assert_output --partial 'HTTP/1.1 403 '
	assert_equal "$(records 'map(.outcome) | join(", ")')" 'complete, refused'
}

@test 'a connection goes on to be governed when a copy onto its number fails' {
	raw_plain "127.0.0.1:$PORT" "$(cat call)" >request
	raw_plain "127.0.0.1:$PORT" "$(cat refused)" $'Connection: close\r\n' >request2
	cat request request2 >both
	raw --copy-fails --write-bytes "$(stat -c %s request)" "$PORT" <both
	assert_output --partial 'HTTP/1.1 403 '
	assert_provider_saw 1
}

@test 'every way to read gets the answer, and the refusal' {
	raw_plain "127.0.0.1:$PORT" "$(cat call)" $'Connection: close\r\n' >request
	raw_plain "127.0.0.1:$PORT" "$(cat refused)" >request2
	for reading in read readv recv recvfrom recvmsg peek checked; do
		raw --reading $reading "$PORT" <request
		assert_output --partial "$ANSWER"
		raw --reading $reading --nonblocking "$PORT" <request2
		assert_regex "$way: $output" "HTTP/1.1 403 "
		assert_regex "$stderr" 'end=fin'
	done
	assert_equal "$(records 'map(.outcome) | group_by(.) | map(.[0] + " " + (length | tostring)) | join(", ")')" \
		'complete 7, refused 7'
}

@test 'a large body through a small buffer arrives whole, blocking, timing out or polling' {
	restart_provider --slow-reader
	the_policy_says '{}' "{ \"ward\": { \"dialect\": \"openai\", \"hosts\": [\"127.0.0.1:$PORT\"], \"plaintext\": true } }"
	big_body gpt-5 $((3 << 20)) >big
	raw_plain "127.0.0.1:$PORT" "$(cat big)" $'Connection: close\r\n' >request
	for way in '' --nonblocking '--send-timeout 20' '--nonblocking --write-bytes 100000 --way writev'; do
		# shellcheck disable=SC2086
		raw --send-buffer 16384 $way "$PORT" <request
		assert_output --partial "$ANSWER"
	done
	assert_equal "$(provider_saw '[.[] | select(.event == "request").body_sha256] | unique[]')" \
		"$(sha256sum <big | cut -d' ' -f1)"
	assert_equal "$(records 'map(.outcome) | join(" ")')" 'complete complete complete complete'
}

@test 'pipelined requests and Expect: 100-continue are governed' {
	{ raw_plain "127.0.0.1:$PORT" "$(cat call)"; raw_plain "127.0.0.1:$PORT" "$(cat call)"
	  raw_plain "127.0.0.1:$PORT" "$(cat refused)"; } >requests
	raw "$PORT" <requests
	assert_equal "$(grep -o 'HTTP/1.1 [0-9]*' <<<"$output" | tr '\n' ' ')" \
		'HTTP/1.1 200 HTTP/1.1 200 HTTP/1.1 403 '
	big_body gpt-5 $((2 << 20)) >big
	run_shimmed curl -sS --max-time 20 -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' -H 'Expect: 100-continue' \
		--data-binary @big -w '\nHTTP %{http_code}\n' "$LOCAL/chat/completions"
	assert_answers 200
	assert_provider_saw 3
}

@test 'the head of a refused request does not get out in pieces either' {
	raw_plain api.openai.com "$(cat call)" >request
	for piece in 60 200; do
		raw --write-bytes $piece "$PORT" <request
		assert_regex "$way: $output" "HTTP/1.1 403 "
	done
	# only what was written before the first line was complete
	raw --write-bytes 7 "$PORT" <request
	assert_output --partial 'HTTP/1.1 403 '
	assert_equal "$(provider_saw '[.[].request_bytes // 0] | add')" 28
}

@test 'a head that nobody can name is left alone when it is nobody of ours, and refused when it is' {
	the_policy_says '{}'
	printf 'GET / HTTP/1.1\r\nHost: other.example.test\r\nHost: another.example.test\r\n\r\n' >request
	raw --answers 1 "$PORT" <request
	refute_output --partial aigw
	printf 'GET / HTTP/1.1\r\nHost: other.example.test\r\nHost: api.openai.com\r\n\r\n' >request
	raw "$PORT" <request
	assert_output --partial 'HTTP/1.1 400 '
	assert_output --partial aigw
}

@test 'half a head waits for nobody: it goes out when the program waits, closes or shuts down' {
	printf 'GET /plain HTTP/1.1\r\nHost: plain.example.test:%s\r\nX-Rest: ' "$PORT" >half
	cat >waits.py <<-'PY'
		import socket, sys
		s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 0.3)
		s.sendall(open("half", "rb").read())
		s.setblocking(True)
		s.settimeout(None)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, b"\0" * 8 + (300000).to_bytes(8, "little"))
		try:
		    s.recv(1)
		except BlockingIOError:
		    print("no answer")
	PY
	run_shimmed $PYTHON waits.py "$PORT"
	assert_output 'no answer'
	raw --half-close "$PORT" <half
	raw --leave "$PORT" <half
	assert_equal "$(provider_saw '[.[].request_bytes] | add')" $((3 * $(wc -c <half)))
}

@test 'HTTP/2 without TLS to an address that the policy names is refused' {
	printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' >preface
	raw "$PORT" <preface
	assert_equal "$stderr" 'write: ECONNREFUSED calls=1'
	assert_equal "$(connections '.[0] | .decision.rule + " " + .provider')" 'transport.plaintext ward'
	no_byte_came
}

@test 'bad pointers give EFAULT on fresh and on governed connections' {
	raw_plain "127.0.0.1:$PORT" "$(cat call)" $'Connection: close\r\n' >request
	raw --bad "$PORT" <request
	assert_output --partial "$ANSWER"
	{ cat request; cat request; } >requests
	cat >later.py <<-'PY'
		import ctypes, errno, socket, sys
		libc = ctypes.CDLL(None, use_errno=True)
		s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % int(sys.argv[1]))
		s.sendall(b"Content-Length: 2\r\n\r\n")
		assert libc.write(s.fileno(), ctypes.c_void_p(4096), 2) == -1
		print(errno.errorcode[ctypes.get_errno()])
	PY
	run_shimmed $PYTHON later.py "$PORT"
	assert_output EFAULT
}

@test 'a child of fork can go on with the connection' {
	cat >forked.py <<-'PY'
		import os, socket, sys
		port = int(sys.argv[1])
		s = socket.create_connection(("127.0.0.1", port))
		body = open("refused", "rb").read()
		s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\n\r\n" % (port, len(body)))
		if os.fork() == 0:
		    s.sendall(body)
		    print(s.recv(65536).split(b"\r\n")[0].decode(), flush=True)
		    os._exit(0)
		os.wait()
	PY
	run_shimmed $PYTHON forked.py "$PORT"
	assert_output 'HTTP/1.1 403 Forbidden'
	no_byte_came
}

@test 'a program that writes again after its connection broke is told the same, and recorded once' {
	allow_plaintext
	same_with_and_without timeout 60 "$PYTHON" "$CLIENTS/write_again.py" "$PORT" --plain
	run grep -c BrokenPipeError "$BATS_TEST_TMPDIR/with.out"
	assert_output 3
	assert_equal "$(records length)" 1
	assert_recorded .outcome aborted_by_provider
}
