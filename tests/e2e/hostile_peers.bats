#!/usr/bin/env bats
# Providers and collectors that do what they should not: the program sees what it sees without us, in time.
load helper

setup() {
	the_policy_allows 'openai/gpt-5*'
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	[[ ! ${PEER:-} ]] || kill "$PEER"
}

start_hostile_provider() {
	mkfifo ready
	"$ROOT/tests/bin/hostile-provider" "$CERTS/cert.pem" "$CERTS/key.pem" ready 3>&- &
	PEER=$!
	read -r -t 20 PORT <ready
}

# ask WHAT [BODY]: the request, as bytes in a file.
ask() {
	local body=${2:-$(body gpt-5)}
	printf 'POST /v1/chat/completions?%s HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s' \
		"$1" "$API_KEY" "${#body}" "$body" >request
}

# same WHAT: the client gets the same bytes and ends alike, with us and without; sets $seen.
same() {
	local without=0 with=0
	ask "$1"
	"$BIN/tls_client" --ca "$CERTS/ca.pem" "$PORT" <request >without 2>without.err || without=$?
	shimmed "$BIN/tls_client" --ca "$CERTS/ca.pem" "$PORT" <request >with 2>with.err || with=$?
	assert_equal "$1 ends with $with" "$1 ends with $without"
	cmp without with || fail "$1: $(cat without.err with.err)"
	assert_equal "$(sed 's/ writes=.*//' with.err)" "$(sed 's/ writes=.*//' without.err)"
}

@test 'an answer that is cut, followed by garbage, endless, or flooded reaches the program as it is' {
	start_hostile_provider
	local what
	for what in cut-record garbage endless-head endless-line endless-chunk chunk-line flood bytes many; do
		same "$what"
	done
	assert_equal "$(records length)" 9
	assert_log_whole
}

@test 'a provider that resets, or never reads, ends the call, which is recorded' {
	start_hostile_provider
	ask reset
	run timeout 20 env LD_PRELOAD="$SHIM:$NAMES" "$BIN/tls_client" --ca "$CERTS/ca.pem" "$PORT" <request
	[[ $status != 0 && $status -lt 100 ]] || fail "ended with $status: $output"
	ask no-tls
	run timeout 20 env LD_PRELOAD="$SHIM:$NAMES" "$BIN/tls_client" --ca "$CERTS/ca.pem" "$PORT" <request
	[[ $status -lt 100 ]] || fail "ended with $status: $output"
	ask never-reads "$(big_body gpt-5 8000000)"
	run timeout 20 env LD_PRELOAD="$SHIM:$NAMES" "$BIN/tls_client" --ca "$CERTS/ca.pem" "$PORT" <request
	[[ $status != 0 && $status -lt 100 ]] || fail "ended with $status: $output"
	assert_equal "$(records 'map(.outcome | select(. != "complete")) | join(" ")')" 'aborted_by_provider aborted_by_provider'
	assert_equal "$(records length)" 3
	assert_log_whole
}

@test 'a refusal behind an answer that nobody can read ends the connection: the program does not wait for ever' {
	start_hostile_provider
	ask babble
	raw_request "$(body gpt-4)" >>request
	run timeout 15 env LD_PRELOAD="$SHIM:$NAMES" "$BIN/tls_client" --ca "$CERTS/ca.pem" "$PORT" <request
	assert_success
	assert_output --partial 'this is no HTTP'
	assert_equal "$(records 'map(.outcome) | join(" ")')" 'aborted_by_program refused'
	assert_log_whole
}

@test 'a collector that is silent, deaf, hangs up or talks nonsense: the call is refused in time, and nothing leaves' {
	local what started
	start_provider
	for what in silent garbage short hangs-up deaf; do
		rm -f socket
		exec {said}< <(exec "$ROOT/tests/bin/hostile-collector" "$PWD/socket" "$what" 3>&- 2>/dev/null)
		PEER=$!
		read -r -t 20 -u "$said" started
		write_policy "{ \"version\": 1,
			\"audit\": { \"recipients\": [\"$RECIPIENT\"], \"via\": \"collector\", \"socket\": \"$PWD/socket\" },
			\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
		started=$EPOCHSECONDS
		raw_request "$(body gpt-5)" >request
		run send_raw <request
		assert_output --partial 'HTTP/1.1 503'
		((EPOCHSECONDS - started <= 4)) || fail "$what: took $((EPOCHSECONDS - started)) seconds"
		kill "$PEER"
		PEER=
		exec {said}<&-
	done
	assert_equal "$(requests_seen)" 0
}
