#!/usr/bin/env bats
# What can happen to a request and its answer on the way.
load helper

setup() {
	start_provider
	the_policy_allows 'openai/gpt-5*' 'anthropic/claude-*'
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	stop_provider
	[[ ! ${CLIENT_PID:-} ]] || { kill -9 "$CLIENT_PID" && wait "$CLIENT_PID"; } 2>/dev/null || true
}

# The refusal stands in $output, with this status and reason; nothing got out; it is recorded.
assert_refused() { # STATUS [TEXT]
	assert_output --partial "HTTP/1.1 $1 "
	assert_output --partial '"error"'
	[[ ! ${2:-} ]] || assert_output --partial "$2"
	assert_equal "$(provider_saw '[.[].request_bytes // 0] | add // 0')" 0
	assert_equal "$(last_record .decision.action)" refuse
	assert_equal "$(last_record .outcome)" refused
}

# A governed program that stays, and that we talk to: see clients/dialogue.py.
start_dialogue() {
	mkfifo in out
	env LD_PRELOAD="$SHIM:$NAMES" $PYTHON "$CLIENTS/dialogue.py" "$OPENAI/chat/completions" \
		<in >out 2>err 3>&- &
	CLIENT_PID=$!
	exec {to}>in {from}<out
}

ask() {
	echo "$*" >&"$to"
	read -r -t 20 -u "$from" answer || fail "no answer: $(cat err)"
}

sha256_seen() {
	provider_saw '[.[] | select(.event == "request").body_sha256] | join(" ")'
}

sha256_of() {
	sha256sum "$1" | cut -d' ' -f1
}

# ---- how a request can be written ----

@test 'a request written byte by byte arrives whole' {
	raw_request "$(body gpt-5)" >request
	run send_raw --write-bytes 1 --answers 1 <request
	assert_success
	assert_output --partial "$ANSWER"
	assert_provider_saw 1
	assert_equal "$(sha256_seen)" "$(body gpt-5 | sha256sum | cut -d' ' -f1)"
	assert_recorded .outcome complete
}

@test 'a refused request written byte by byte does not get out' {
	raw_request "$(body gpt-4o)" >request
	run send_raw --write-bytes 1 <request
	assert_refused 403 policy_denied
}

@test 'every way to call OpenSSL is refused alike: blocking, polling, memory BIOs, _ex, peeking' {
	raw_request "$(body gpt-4o)" >request
	send_raw <request >expected.raw
	# The record's id differs, nothing else may.
	sed 's/[0-9A-HJKMNP-TV-Z]\{26\}/ID/g' expected.raw >expected
	grep -q '^HTTP/1.1 403 ' expected
	for way in --ex --nonblocking --memory --peek --poll-first --half-close '--memory --poll-first' \
		'--nonblocking --ex --poll-first' '--memory --ex --write-bytes 7' \
		'--set-tls 1.2 --poll-first' '--set-tls 1.2 --memory'; do
		# shellcheck disable=SC2086
		send_raw $way <request 2>seen | sed 's/[0-9A-HJKMNP-TV-Z]\{26\}/ID/g' >found ||
			fail "$way: $(cat seen)"
		diff expected found || fail "$way"
		grep -q '^end=close_notify' seen || fail "$way: $(cat seen)"
	done
	assert_equal "$(provider_saw '[.[].request_bytes // 0] | add // 0')" 0
}

@test 'every way to call OpenSSL gets the answer alike' {
	raw_request "$(body gpt-5)" $'Connection: close\r\n' >request
	send_raw <request | grep -v '^Date:' >expected
	grep -qF "$ANSWER" expected
	for way in --ex --nonblocking --memory --peek --poll-first '--memory --ex --write-bytes 7' \
		'--set-tls 1.2 --nonblocking --write-bytes 3'; do
		# shellcheck disable=SC2086
		send_raw $way <request | grep -v '^Date:' >found
		diff expected found || fail "$way"
	done
	assert_log_whole
}

@test 'pipelined requests are answered in order, each with its record' {
	for model in gpt-5 gpt-5-mini gpt-5-nano; do
		raw_request "$(body $model)"
	done >requests
	run send_raw --answers 3 <requests
	assert_success
	assert_equal "$(grep -o '"model": "[^"]*' <<<"$output" | cut -d'"' -f4 | tr '\n' ' ')" \
		'gpt-5-2026-03-01 gpt-5-mini-2026-03-01 gpt-5-nano-2026-03-01 '
	assert_provider_saw 3
	assert_equal "$(records 'map(.gen_ai["request.model"]) | join(" ")')" 'gpt-5 gpt-5-mini gpt-5-nano'
	assert_equal "$(records 'map(.outcome) | unique | join(" ")')" complete
}

@test 'a pipelined request that is refused comes after the answers before it' {
	{ raw_request "$(body gpt-5)"; raw_request "$(body gpt-4o)"; raw_request "$(body gpt-5)"; } >requests
	run send_raw <requests
	assert_success
	assert_equal "$(grep -o 'HTTP/1.1 [0-9]*' <<<"$output" | tr '\n' ' ')" 'HTTP/1.1 200 HTTP/1.1 403 '
	assert_provider_saw 1
}

@test 'Expect: 100-continue costs no wait, and the body arrives unchanged' {
	big_body gpt-5 $((2 << 20)) >big
	run chat -H 'Expect: 100-continue' --data-binary @big -w '%{time_total}\n'
	assert_success
	assert_output --partial "$ANSWER"
	# curl gives up waiting for the 100 after a second: then it would take longer than that
	run $PYTHON -c 'import sys; sys.exit(float(sys.argv[1]) >= 0.9)' "$(tail -n 1 <<<"$output")"
	assert_success
	assert_equal "$(sha256_seen)" "$(sha256_of big)"
	assert_recorded .outcome complete
	assert_equal "$(last_record_in_full .request.body_bytes)" $((2 << 20))
}

@test 'a refused request with Expect: 100-continue sends no byte of its body' {
	run chat -H 'Expect: 100-continue' -d "$(body gpt-4o)"
	assert_answers 403
	assert_equal "$(requests_seen)" 0
	assert_equal "$(provider_saw '[.[].body_bytes // 0] | add // 0')" 0
}

@test 'chunked uploads of 1 KB and 5 MB arrive unchanged' {
	for size in 1024 $((5 << 20)); do
		big_body gpt-5 "$size" >"$size"
		run chat -H 'Transfer-Encoding: chunked' --data-binary "@$size"
		assert_answers 200
	done
	assert_equal "$(sha256_seen)" "$(sha256_of 1024) $(sha256_of $((5 << 20)))"
	assert_equal "$(last_record_in_full .request.body_bytes)" $((5 << 20))
	assert_equal "$(last_record_in_full '.request.body | length')" $((5 << 20))
}

@test 'a refused chunked upload does not get out' {
	run chat -H 'Transfer-Encoding: chunked' --data-binary "$(body gpt-4o)"
	assert_refused_without_leak
}

@test 'bodies from 1 KB to 32 MiB arrive unchanged' {
	local sums=
	for size in 1024 16384 65537 $((256 << 10)) $((1 << 20)) $((32 << 20)); do
		big_body gpt-5 "$size" >big
		sums+=" $(sha256_of big)"
		run chat --data-binary @big
		assert_answers 200
	done
	assert_equal " $(sha256_seen)" "$sums"
	assert_equal "$(last_record_in_full .request.body_bytes)" $((32 << 20))
	assert_log_whole
}

@test 'one byte over 32 MiB is refused with 413' {
	big_body gpt-5 $(((32 << 20) + 1)) >big
	run chat -H 'Expect:' --data-binary @big
	assert_refused_without_leak 413
	assert_output --partial request_too_large
}

@test 'a chunked body over the limit is refused with 413' {
	big_body gpt-5 $(((32 << 20) + 1)) >big
	run chat -H 'Expect:' -H 'Transfer-Encoding: chunked' --data-binary @big
	assert_refused_without_leak 413
}

@test 'a slow reader at the other end: WANT_WRITE is passed on, the bytes are right' {
	stop_provider
	start_provider --slow-reader
	big_body gpt-5 $((3 << 20)) >big
	raw_request "$(cat big)" >request
	for way in '--nonblocking' '--nonblocking --ex' '--memory' ''; do
		# shellcheck disable=SC2086
		run send_raw --send-buffer 16384 $way --answers 1 <request
		assert_success
		assert_output --partial "$ANSWER"
		[[ $way != --nonblocking* ]] || refute_output --partial 'want_write=0'
	done
	assert_equal "$(sha256_seen | tr ' ' '\n' | sort -u)" "$(sha256_of big)"
	assert_provider_saw 4
}

# ---- what is wrong with a request ----

refused_bytes() { # STATUS [TEXT] <REQUEST
	run send_raw
	assert_refused "$@"
}

@test 'a broken request line is refused' {
	refused_bytes 400 < <(printf 'POST\r\nHost: api.openai.com\r\n\r\n')
}

@test 'bytes that are no HTTP are refused' {
	refused_bytes 400 < <(printf '\x16\x03\x01 this is no request\r\n\r\n')
}

@test 'HTTP/2 without having agreed on it is refused' {
	refused_bytes 400 < <(printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
}

@test 'two lengths are refused' {
	refused_bytes 400 < <(printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 20\r\nContent-Length: 21\r\n\r\n{"model":"gpt-5"}    ')
}

@test 'a length and chunks at once are refused' {
	refused_bytes 400 < <(printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 17\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{"model":"gpt-5"}\r\n0\r\n\r\n')
}

@test 'two Host headers are refused' {
	refused_bytes 400 < <(raw_request "$(body gpt-5)" $'Host: other.example.test\r\n')
}

@test 'a Host that is not the server name is refused' {
	run send_raw < <(raw_request "$(body gpt-5)" | sed 's/^Host: .*/Host: plain.example.test\r/')
	assert_output --regexp 'HTTP/1.1 4(00|03|21) '
	assert_output --partial 'Host'
	assert_provider_saw 0
	assert_equal "$(last_record .decision.action)" refuse
}

@test 'a body that is no JSON is refused' {
	refused_bytes 400 < <(raw_request 'model=gpt-5')
}

@test 'JSON that breaks off is refused' {
	refused_bytes 400 < <(raw_request '{"model":"gpt-5","messages":[')
}

@test 'two different models in one body are refused' {
	refused_bytes 400 model < <(raw_request '{"model":"gpt-5","messages":[],"model":"gpt-4o"}')
}

@test 'a model hidden behind an escape is read as the provider reads it' {
	refused_bytes 403 gpt-4o < <(raw_request '{"mod\u0065l":"gpt-\u0034o","messages":[]}')
}

@test 'a call that names no model is refused' {
	refused_bytes 400 model < <(raw_request '{"messages":[]}')
}

@test 'a path nobody knows does not get around the models' {
	CHAT_URL=$OPENAI/no/such/path run chat -d "$(body gpt-4o)"
	assert_refused_without_leak
}

@test 'a request without an end is recorded as the aborted one it was' {
	run send_raw --half-close < <(raw_request "$(body gpt-5)" | head -c 150)
	assert_provider_saw 0
}

# ---- refusals look like the provider's own ----

@test 'a refusal has the shape of OpenAI and says what decided' {
	run --separate-stderr chat -i -d "$(body gpt-4o)"
	assert_answers 403
	local head=${output%%$'\r\n\r\n'*} json=${output#*$'\r\n\r\n'}
	json=${json%HTTP 403*}
	assert_equal "$(jq -r '.error | keys | sort | join(" ")' <<<"$json")" 'code message param type'
	assert_equal "$(jq -r '.error.type + " " + .error.code' <<<"$json")" 'invalid_request_error policy_denied'
	[[ $(jq -r .error.message <<<"$json") = *gpt-4o* ]]
	for line in "x-aigw-decision: $(last_record .id)" 'x-aigw-rule: environments.test.models.allow' \
		'x-should-retry: false' 'connection: close' 'content-type: application/json'; do
		grep -qi "^$line"$'\r'\\?'$' <<<"$head" || fail "no \"$line\" in: $head"
	done
	assert_equal "$(sed -n 's/^content-length: *\([0-9]*\).*/\1/Ip' <<<"$head")" \
		"$(printf %s "${json%$'\n'}" | wc -c)"
	grep -qi '^x-request-id: ' <<<"$head"
}

@test 'a refusal has the shape of Anthropic' {
	CHAT_URL=$ANTHROPIC/messages run --separate-stderr chat -i -H "x-api-key: $API_KEY" \
		-H 'anthropic-version: 2023-06-01' -d "$(body llama-3)"
	assert_answers 403
	local json=${output#*$'\r\n\r\n'}
	json=${json%HTTP 403*}
	assert_equal "$(jq -r '.type + " " + .error.type' <<<"$json")" 'error permission_error'
	assert_equal "$(jq -r '.request_id | type' <<<"$json")" string
	grep -qi '^request-id: ' <<<"$output"
	assert_equal "$(last_record .provider)" anthropic
}

@test 'answers that have no body end with their head: HEAD, 204, 304' {
	the_policy_allows '*'
	local url=https://api.openai.com:$PORT
	# The next request on the connection shows that nobody waited for a body.
	run governed curl -sS --max-time 20 -I "$url/plain" "$url/plain" -w 'HTTP %{http_code}\n'
	assert_answers 200 200
	run governed curl -sS --max-time 20 "$url/nothing/204" "$url/nothing/304" "$url/plain" \
		-w 'HTTP %{http_code}\n'
	assert_answers 204 304 200
	assert_provider_saw 5
	assert_equal "$(provider_saw '[.[] | select(.event == "connection" and .requests > 0)] | length')" 2
	assert_equal "$(records 'map(.outcome) | unique | join(" ")')" complete
}

# ---- what the providers offer ----

@test 'OpenAI: responses, embeddings and models are known, with their usage' {
	CHAT_URL=$OPENAI/responses run chat -d '{"model":"gpt-5","input":"hello"}'
	assert_answers 200
	assert_recorded '.gen_ai["operation.name"]' chat '.gen_ai["usage.input_tokens"]' 19 \
		'.gen_ai["usage.reasoning.output_tokens"]' 2 '.gen_ai["usage.cache_read.input_tokens"]' 4
	CHAT_URL=$OPENAI/responses run chat -d '{"model":"gpt-5","input":"hello","stream":true}'
	assert_answers 200
	assert_output --partial response.completed
	assert_recorded .http.stream true '.gen_ai["usage.output_tokens"]' 10
	CHAT_URL=$OPENAI/embeddings run chat -d '{"model":"gpt-5-embed","input":"hello"}'
	assert_answers 200
	assert_recorded '.gen_ai["operation.name"]' embeddings '.gen_ai["usage.input_tokens"]' 19
	CHAT_URL=$OPENAI/models run chat
	assert_answers 200
	assert_recorded .http.method GET .http.path /v1/models
}

@test 'Anthropic: messages and count_tokens are known, cached tokens are input' {
	local key=(-H "x-api-key: $API_KEY" -H 'anthropic-version: 2023-06-01')
	CHAT_URL=$ANTHROPIC/messages run chat "${key[@]}" -d "$(body claude-opus-5)"
	assert_answers 200
	assert_recorded .provider anthropic '.gen_ai["usage.input_tokens"]' 28 \
		'.gen_ai["usage.cache_read.input_tokens"]' 4 '.gen_ai["usage.cache_creation.input_tokens"]' 5
	CHAT_URL=$ANTHROPIC/messages run chat "${key[@]}" -d "$(body claude-opus-5 ',"stream":true')"
	assert_answers 200
	assert_recorded .http.stream true '.gen_ai["usage.input_tokens"]' 28 '.gen_ai["usage.output_tokens"]' 10
	assert_equal "$(last_record_in_full .response.text)" "$ANSWER"
	CHAT_URL=$ANTHROPIC/messages/count_tokens run chat "${key[@]}" -d "$(body claude-opus-5)"
	assert_answers 200
	assert_output --partial '"input_tokens":19'
	assert_recorded '.gen_ai["operation.name"]' count_tokens
}

@test 'a provider of our own in the policy is governed like the rest' {
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"providers\": { \"ward\": { \"dialect\": \"openai\", \"hosts\": [\"other.example.test:$PORT\"] } },
		\"environments\": { \"test\": { \"models\": { \"allow\": [\"ward/small-*\"] } } },
		\"default_environment\": \"test\" }"
	export CHAT_URL=https://other.example.test:$PORT/v1/chat/completions
	run chat -d "$(body small-1)"
	assert_answers 200
	assert_recorded .provider ward .decision.action allow
	run chat -d "$(body large-1)"
	assert_answers 403
	assert_provider_saw 1
}

# ---- how an answer can come ----

@test 'answers by length, in chunks, until close, compressed, in drops: the same words in the record' {
	for how in length chunked until-close gzip drip early-hints close chunked,gzip,drip; do
		run chat --compressed -H "x-provider: $how" -d "$(body gpt-5)"
		assert_answers 200
		assert_output --partial "$ANSWER"
		assert_recorded .outcome complete '.gen_ai["usage.output_tokens"]' 10
		assert_equal "$how: $(last_record_in_full .response.text)" "$how: $ANSWER"
	done
}

@test 'streams in chunks, until close, compressed, in drops: the same words in the record' {
	for how in chunked until-close gzip drip events=200 gzip,drip; do
		run chat --compressed -H "x-provider: $how" -d "$(body gpt-5 "$STREAM")"
		assert_answers 200
		assert_recorded .outcome complete '.gen_ai["usage.output_tokens"]' 10 .http.stream true
		assert_equal "$how: $(last_record_in_full .response.text)" "$how: $ANSWER"
	done
}

@test 'a long answer is recorded whole' {
	run chat -H 'x-provider: big=3000000' -d "$(body gpt-5)"
	assert_answers 200
	assert_recorded .outcome complete
	assert_equal "$(last_record_in_full '.response.text | length')" 3000000
}

@test 'an event of a stream is there as soon as the provider has sent it' {
	start_dialogue
	ask first gpt-5--stall # the provider sends the first events, then nothing more
	[[ $answer = 'data: {"id":'* ]] || fail "$answer"
}

@test 'usage that is null, absent or zero stays that' {
	run chat -H 'x-provider: no-usage' -d "$(body gpt-5)"
	assert_answers 200
	assert_equal "$(last_record '.gen_ai | has("usage.input_tokens")')" false
	run chat -H 'x-provider: null-usage' -d "$(body gpt-5)"
	assert_answers 200
	assert_equal "$(last_record '.gen_ai["usage.input_tokens"] | tostring')" null
	assert_equal "$(last_record '.gen_ai | has("usage.input_tokens")')" true
}

@test 'an error of the provider is passed on and recorded as it came' {
	for code in 400 429 500 503; do
		run chat -H "x-provider: error-$code" -d "$(body gpt-5)"
		assert_answers "$code"
		assert_recorded .decision.action allow .http.status "$code" .outcome complete
	done
	run chat -H 'x-provider: error-in-stream' -d "$(body gpt-5 "$STREAM")"
	assert_answers 200
	assert_output --partial server_error
}

@test 'a provider that breaks off in the middle is recorded as that' {
	run chat -H 'x-provider: cut' -d "$(body gpt-5 "$STREAM")"
	assert_output --partial 'Hello'
	assert_recorded .outcome aborted_by_provider .http.stream true
	run chat -H 'x-provider: cut' -d "$(body gpt-5)"
	assert_recorded .outcome aborted_by_provider .http.status 200
}

@test 'a program that leaves in the middle is recorded as that' {
	run chat -H 'x-provider: stall' --max-time 0.3 -d "$(body gpt-5 "$STREAM")"
	assert_recorded .outcome aborted_by_program .http.stream true
}

@test 'kill -9 in the middle of a stream: the call and its beginning are in the log' {
	start_dialogue
	ask first gpt-5--stall
	kill -9 "$CLIENT_PID"
	wait "$CLIENT_PID" 2>/dev/null || true # the shell would say "Killed"
	assert_equal "$(last_record .outcome)" killed
	assert_equal "$(last_record '.gen_ai["request.model"]')" gpt-5--stall
	run aigw verify
	assert_equal "$status" 2 # consistent but incomplete, explained
}

# ---- fails closed, and says so ----

@test 'no policy: 503 with the reason' {
	rm "$AIGW_HOME/policy.json"
	CHAT_WITH=shimmed run chat -d "$(body gpt-5)"
	assert_refused_without_leak 503
	assert_output --partial policy
}

@test 'a broken policy: 503 with file, line and what is wrong' {
	write_policy '{ "version": 1,
  "modles": {} }'
	CHAT_WITH=shimmed run chat -d "$(body gpt-5)"
	assert_refused_without_leak 503
	assert_output --partial "$AIGW_HOME/policy.json"
	assert_output --partial modles
}

@test 'a policy that names no auditor: 503 with the reason' {
	write_policy '{ "version": 1, "audit": { "recipients": [] },
		"environments": { "test": {} }, "default_environment": "test" }'
	CHAT_WITH=shimmed run chat -d "$(body gpt-5)"
	assert_refused_without_leak 503
	assert_output --partial recipients
}

@test 'a log that cannot be written: 503 with the reason' {
	rm -rf "$AIGW_HOME/audit"
	echo 'not a directory' >"$AIGW_HOME/audit"
	CHAT_WITH=shimmed run chat -d "$(body gpt-5)"
	assert_refused_without_leak 503
	assert_output --partial "$AIGW_HOME/audit"
}

@test 'on_failure "allow" lets the call out when the log cannot be written' {
	write_policy "{ \"version\": 1,
		\"audit\": { \"recipients\": [\"$RECIPIENT\"], \"on_failure\": \"allow\" },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
	rm -rf "$AIGW_HOME/audit"
	echo 'not a directory' >"$AIGW_HOME/audit"
	CHAT_WITH=shimmed run chat -d "$(body gpt-5)"
	assert_answers 200
	assert_provider_saw 1
}

@test 'payloads "none": what is known of a call is recorded, and no word that was said' {
	write_policy "{ \"version\": 1,
		\"audit\": { \"recipients\": [\"$RECIPIENT\"], \"payloads\": \"none\" },
		\"environments\": { \"test\": { \"models\": { \"allow\": [\"openai/gpt-5\"] } } },
		\"default_environment\": \"test\" }"
	# from files: the command line is recorded, too
	body gpt-5 >call
	body gpt-5 "$STREAM" >stream
	body gpt-4o >refused
	run chat -d @call
	assert_answers 200
	assert_recorded '.gen_ai["usage.output_tokens"]' 10 .decision.action allow
	assert_equal "$(last_record_in_full .request.body_bytes)" "$(body gpt-5 | wc -c)"
	run chat -d @stream
	assert_answers 200
	assert_recorded '.gen_ai["usage.output_tokens"]' 10 .http.stream true
	run chat -d @refused
	assert_answers 403
	assert_recorded .decision.action refuse
	run -0 aigw log --all --json --full
	assert_output --partial gpt-5-2026-03-01 # what is looked for would be there
	refute_output --partial "$QUESTION"
	refute_output --partial "$ANSWER"
}

@test 'a running program follows the policy within a second, and keeps the last good one' {
	start_dialogue
	ask gpt-5
	assert_equal "$answer" 'gpt-5 200'
	the_policy_allows 'openai/gpt-4*'
	ask until 403 gpt-5 5
	assert_equal "${answer% *}" 403
	((${answer#* } <= 1100)) || fail "it took ${answer#* } ms"
	ask gpt-4o
	assert_equal "$answer" 'gpt-4o 200'
	write_policy '{ "version": 1, broken'
	ask until 503 gpt-4o 2 # never comes: the last good policy stays
	assert_equal "${answer% *}" 200
	ask gpt-5
	assert_equal "$answer" 'gpt-5 403'
	the_policy_allows 'openai/gpt-5*'
	ask until 200 gpt-5 5
	assert_equal "${answer% *}" 200
}

@test 'a forked child that frees its copy of a connection says nothing of it' {
	run shimmed $PYTHON "$CLIENTS/forked.py" "$OPENAI/chat/completions" "$(body gpt-5)"
	assert_success
	assert_output '200 True'
	assert_equal "$(records 'map(.outcome) | join(" ")')" complete
	assert_equal "$(aigw log --json --all | jq -r .type | grep -c start)" 1 # the child wrote nothing
	assert_log_whole
}

@test 'early data is decided on and recorded like any other write' {
	raw_request "$(body gpt-5)" >request
	run send_raw --early --answers 1 <request
	assert_success
	assert_output --partial "$ANSWER"
	assert_recorded .outcome complete
	raw_request "$(body gpt-4o)" >request
	run send_raw --early <request
	assert_output --partial 'HTTP/1.1 403 '
	assert_provider_saw 1
}

# Without a session to resume there is nothing to send it with: the library's own answer is expected.
@test 'early data that does not look like a request is left to the library, on a connection without a name' {
	for text in PING 'Dummy data' POS; do
		printf '%s' "$text" >text
		same_with_and_without bash -o pipefail -c \
			'"$0" "$@" <text 2>&1 | sed "s/^[0-9A-F]*:error/error/"' "$BIN/tls_client" --name '' \
			--ca "$CERTS/ca.pem" --early "$PORT"
	done
	raw_request "$(body gpt-4o)" >request
	run send_raw --name '' --early <request
	assert_output --partial 'HTTP/1.1 403 '
}

@test 'SSL_sendfile does not carry a file past the gate' {
	raw_request "$(body gpt-5)" >request
	run send_raw --sendfile request --answers 1 <request
	assert_output --partial 'sendfile=-1 error=1'
	assert_provider_saw 1
	assert_equal "$(provider_saw '[.[].stray_bytes // 0] | add')" 0
}

# speak TEXT: to a server that prints what it hears, without a server name; waits for $ANSWER, if there
# is one, as asyncio does: without a call of the TLS library until something is there.
speak() {
	"$ROOT/tests/bin/hear" "$CERTS/cert.pem" "$CERTS/key.pem" env LD_PRELOAD="$SHIM" "$PYTHON" -c '
import os, select, socket, ssl, sys
unverified = ssl._create_unverified_context()
tls = unverified.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[2]))))
tls.sendall(sys.argv[1].encode().decode("unicode_escape").encode())
if "ANSWER" in os.environ:
    assert select.select([tls], [], [], 20)[0] and tls.recv(1) == b"!"
tls.unwrap()' "$1"
}

@test 'what does not look like a request arrives at once, whatever the program does then' {
	for text in '\n' PING x 'HELO you\n'; do
		run speak "$text"
		assert_success
		assert_line "b'$text'"
		ANSWER='!' run speak "$text"
		assert_success
		assert_line "b'$text'"
	done
}

@test 'a request on a connection without a name is governed in any pieces' {
	raw_request "$(body gpt-4o)" >refused
	raw_request "$(body gpt-5)" >allowed
	for pieces in 1 2 7; do
		run send_raw --name '' --write-bytes $pieces <refused
		assert_output --partial 'HTTP/1.1 403 '
		run send_raw --name '' --write-bytes $pieces --answers 1 <allowed
		assert_output --partial "$ANSWER"
	done
	# Until it shows to be a request, it goes out: "POST " and "POST" of the refused ones, no more.
	assert_equal "$(provider_saw '[.[].stray_bytes // 0] | sort | join(" ")')" "0 0 0 0 4 5"
	assert_equal "$(requests_seen)" 3
	assert_equal "$(provider_saw '[.[] | select(.event == "request").body_sha256] | unique | length')" 1
	assert_equal "$(records 'map(.decision.action) | unique | join(" ")')" 'allow refuse'
}

@test 'a program that writes again after its connection broke: the request is recorded once' {
	same_with_and_without timeout 60 "$PYTHON" "$CLIENTS/write_again.py" "$PORT"
	run grep -c Error "$BATS_TEST_TMPDIR/with.out"
	assert_output 3
	assert_equal "$(records length)" 1
	assert_recorded .outcome aborted_by_provider
	assert_provider_saw 0
}
