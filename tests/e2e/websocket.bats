#!/usr/bin/env bats
# WebSocket connections to providers: decided when they are opened, then passed and recorded.
load helper

SAY='{"type":"response.create","text":"two times two"}'

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkdir canned
	printf 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n' \
		>canned/upgrade
	the_policy_allows 'openai/gpt-realtime*'
}

teardown() {
	[[ ! ${SERVER_PID:-} ]] || { kill "$SERVER_PID" && wait "$SERVER_PID"; } 2>/dev/null || true
}

# start_server PROGRAM [ARGUMENT]...: its first argument is where it writes its port.
start_server() {
	local ready
	mkfifo ready
	"$ROOT/tests/bin/$1" ready "${@:2}" >server.out 2>&1 3>&- &
	SERVER_PID=$!
	exec {ready}<>ready
	read -r -t 20 -u "$ready" PORT || fail "$(cat server.out)"
	exec {ready}>&-
	REALTIME="wss://api.openai.com:$PORT/v1/realtime?model=gpt-realtime"
}

start_websocket() { # [plain]
	: >server.log
	start_server websocket-provider server.log "$CERTS/cert.pem" "$CERTS/key.pem" "$@"
}

speak() { # URL MESSAGE...
	governed $PYTHON "$CLIENTS/websocket.py" "$@"
}

@test 'a conversation passes as without us, and both sides are recorded' {
	start_websocket
	same_with_and_without $PYTHON "$CLIENTS/websocket.py" "$REALTIME" "$SAY" '{"text":"again"}'
	grep -q 'permessage-deflate' server.log
	assert_recorded .outcome complete .coverage full .http.status 101 .http.stream true \
		.websocket.close_code 1000 .websocket.closed_by program \
		.websocket.request_messages 2 .websocket.response_messages 5 \
		'.gen_ai["request.model"]' gpt-realtime .decision.action allow \
		'.gen_ai["usage.input_tokens"]' 22 '.gen_ai["usage.output_tokens"]' 8 \
		.usage_source provider
	run last_record_in_full .request.body
	assert_output "$SAY"$'\n''{"text":"again"}'
	run last_record_in_full .response.body
	assert_line --index 0 --partial '"session.created"'
	assert_line --index 1 '{"type": "response.text", "text": "two times two"}'
	assert_line --index 2 --partial '"response.done"'
	assert_equal "$(records length)" 1
}

@test 'a conversation is one request of its limits, and its tokens count when it ends' {
	start_websocket
	write_policy "{
  \"version\": 1,
  \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
  \"environments\": { \"test\": { \"limits\": { \"tokens_per_day\": 1000, \"requests_per_minute\": 1, \"concurrent_requests\": 1 } } },
  \"default_environment\": \"test\"
}"
	run speak "$REALTIME" "$SAY" '{"text":"again"}'
	assert_recorded .outcome complete .http.status 101
	assert_equal "$(aigw limits --json | jq -c 'map({(.limit): .used}) | add | [.tokens_per_day, .concurrent_requests]')" '[30,0]'
	run speak "$REALTIME" "$SAY"
	assert_recorded .outcome refused .http.status 429 .decision.rule environments.test.limits.requests_per_minute
}

@test 'Node.js too: allowed, recorded; refused, and nothing gets out' {
	start_websocket
	same_with_and_without "$NODES/22/node" "$CLIENTS/node/websocket.mjs" "$REALTIME" "$SAY"
	assert_equal "$(tail -n 1 with.out)" 'closed 1000'
	assert_recorded .outcome complete .coverage full .websocket.closed_by program \
		'.gen_ai["usage.output_tokens"]' 4 .websocket.request_messages 1
	: >server.log
	run governed "$NODES/22/node" "$CLIENTS/node/websocket.mjs" "${REALTIME/gpt-realtime/gpt-4o}" "$SAY"
	assert_failure
	assert_line refused
	assert_recorded .outcome refused
	assert_equal "$(cat server.log)" ''
}

@test 'it does so without compression, and without TLS where the policy says so' {
	start_websocket
	run speak "$REALTIME" --plain-frames "$SAY"
	assert_success
	assert_line 'closed 1000'
	assert_recorded .outcome complete .coverage full '.gen_ai["usage.input_tokens"]' 11
	kill "$SERVER_PID"
	rm ready
	start_websocket plain
	the_policy_says '{}' "{\"own\":{\"dialect\":\"openai\",\"hosts\":[\"plain.example.test:$PORT\"],\"plaintext\":true}}"
	run speak "ws://plain.example.test:$PORT/v1/realtime?model=gpt-5-realtime" "$SAY"
	assert_success
	assert_line 'closed 1000'
	assert_recorded .outcome complete .coverage full .provider own '.gen_ai["usage.input_tokens"]' 11
}

@test 'a model that is not allowed is refused before the connection is one' {
	start_websocket
	for url in "${REALTIME/gpt-realtime/gpt-4o}" "${REALTIME%\?*}" "$REALTIME&model=gpt-4o"; do
		run speak "$url" "$SAY"
		assert_failure
		assert_line --regexp '^HTTP 40[03] '
		assert_equal "$(last_record .outcome)" refused
	done
	assert_equal "$(cat server.log)" ''
	assert_equal "$(records 'map(.decision.code) | join(" ")')" \
		'policy_denied policy_denied ambiguous_request'
}

@test 'the policy can refuse all of them' {
	start_websocket
	the_policy_says '{ "websocket": "refuse" }'
	run speak "${REALTIME/gpt-realtime/gpt-5}" "$SAY"
	assert_failure
	assert_line 'HTTP 403 transport.websocket'
	assert_equal "$(cat server.log)" ''
	assert_recorded .outcome refused .decision.rule transport.websocket
}

@test 'other upgrades stay refused' {
	start_websocket
	for upgrade in h2c 'websocket, h2c' tls/1.2; do
		run governed curl -sS --max-time 20 -w '%{http_code}\n' -H 'Connection: Upgrade' \
			-H "Upgrade: $upgrade" -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' \
			-H 'Sec-WebSocket-Version: 13' "https${REALTIME#wss}"
		assert_output --partial not_inspected
		assert_line --partial 403
	done
	assert_equal "$(cat server.log)" ''
}

@test 'how a conversation ended is recorded' {
	start_websocket
	run speak "$REALTIME" '{"type":"close","code":1011}'
	assert_line 'closed 1011'
	assert_recorded .outcome aborted_by_provider .websocket.close_code 1011 .websocket.closed_by provider
	run speak "$REALTIME" '{"type":"close","code":1000}'
	assert_recorded .outcome complete .websocket.closed_by provider
}

@test 'a program that is killed leaves what was said up to its last turn' {
	start_websocket
	run speak "$REALTIME" "$SAY" drop
	assert_success
	assert_equal "$(last_record .outcome)" killed
	assert_equal "$(last_record_in_full .request.body)" "$SAY"
	assert_equal "$(last_record_in_full .response.body | grep -c 'two times two\|response.done')" 2
}

@test 'a long conversation is recorded in parts, and whole' {
	start_websocket
	run speak "$REALTIME" '{"type":"big","bytes":3000000}' "$SAY"
	assert_success
	assert_output --partial '3000037 long'
	assert_recorded .outcome complete .coverage full
	assert_equal "$(aigw show "$(last_record .id)" --raw response | wc -L)" 3000037
}

@test 'a key among the subprotocols stays out of the log' {
	start_websocket
	run speak "$REALTIME" --key-in-protocol "$SAY"
	assert_success
	assert_recorded .outcome complete .key.prefix sk-test .key.managed false
	assert_equal "$(last_record_in_full '.request.headers["sec-websocket-protocol"]')" \
		'realtime, openai-insecure-api-key.redacted'
	! aigw show last --json | grep -qF "$API_KEY" || fail 'the key stands in the record'
}

@test 'a message that is no text marks the record' {
	start_websocket
	run speak "$REALTIME" '{"type":"binary"}'
	assert_success
	assert_recorded .outcome complete .coverage truncated \
		.problem 'a message that is no text was not recorded' .websocket.response_messages 4
}

@test 'what is no frame passes untouched, and marks the record' {
	start_server canned-provider canned "$CERTS/cert.pem" "$CERTS/key.pem"
	same_with_and_without $PYTHON "$CLIENTS/raw_websocket.py" "$PORT" \
		'/v1/realtime?model=gpt-realtime&answer=upgrade' 'GET / HTTP/1.1 is no frame at all'
	assert_equal "$(cat with.out | tail -n 1)" 'GET / HTTP/1.1 is no frame at all'
	assert_recorded .outcome aborted_by_program .coverage headers_only \
		.problem 'the WebSocket frames cannot be decoded' .websocket.request_messages 0
}

@test 'much at once, on a socket that blocks now and then, arrives unchanged' {
	start_server canned-provider canned "$CERTS/cert.pem" "$CERTS/key.pem"
	same_with_and_without $PYTHON "$CLIENTS/raw_websocket.py" "$PORT" \
		'/v1/realtime?model=gpt-realtime&answer=upgrade' 'a quarter of a line, ' 100000
	assert_equal "$(tail -n 1 with.out)" "2100000 $(yes 'a quarter of a line, ' | head -n 100000 |
		tr -d '\n' | sha256sum | cut -d' ' -f1) blocked"
}
