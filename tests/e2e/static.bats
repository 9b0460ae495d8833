#!/usr/bin/env bats
# Programs that have OpenSSL inside their executable. Node.js, the best known one, has files of its
# own: node.bats and node_sdk.bats.
load helper

VARIANTS='pie pie-exported exec exec-exported'

setup() {
	[[ $(uname -m) = x86_64 ]] || skip 'detours are for x86-64 only'
	start_provider
	the_policy_allows 'openai/gpt-5*'
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	stop_provider
	[[ ! ${CLIENT_PID:-} ]] || { kill -9 "$CLIENT_PID" && wait "$CLIENT_PID"; } 2>/dev/null || true
}

# send VARIANT [options of tls_client] <BYTES
send() {
	shimmed "$BIN/static_client-$1" --ca "$CERTS/ca.pem" "${@:2}" "$PORT"
}

# The same where no page may be writable and executable, or become executable: PR_SET_MDWE.
send_strictly() {
	shimmed $PYTHON "$CLIENTS/strictly.py" "$BIN/static_client-$1" --ca "$CERTS/ca.pem" "${@:2}" \
		"$PORT"
}

# each COMMAND...: with each variant in place of VARIANT, and a provider that has seen nothing yet.
each() {
	local variant
	for variant in $VARIANTS; do
		echo "# $variant" # bats shows it when the test fails
		"${@/VARIANT/$variant}"
		stop_provider
		rm -rf "$AIGW_HOME/audit"
		start_provider
	done
}

allowed() {
	raw_request "$(body gpt-5)" >request
	run "$@" --answers 1 <request
	assert_success
	assert_output --partial "$ANSWER"
	assert_provider_saw 1
	assert_recorded .decision.action allow .outcome complete '.gen_ai["usage.output_tokens"]' 10
}

refused() {
	raw_request "$(body gpt-4o)" >request
	run "$@" <request
	assert_success
	assert_output --partial 'HTTP/1.1 403 '
	assert_output --partial '"code":"policy_denied"'
	assert_output --partial 'end=close_notify'
	assert_equal "$(provider_saw '[.[].request_bytes // 0] | add // 0') bytes" '0 bytes'
	assert_recorded .decision.action refuse .outcome refused
}

@test 'an allowed call works and is recorded' {
	each allowed send VARIANT
}

@test 'a refused call gets 403, the provider no byte' {
	each refused send VARIANT
}

@test 'over memory BIOs, through the _ex calls, peeking, waiting first: a refusal is a refusal' {
	each refused send VARIANT --memory --ex
	each refused send VARIANT --peek --nonblocking
	each refused send VARIANT --poll-first --set-tls 1.2
	each refused send VARIANT --early
	each allowed send VARIANT --memory --peek
	each allowed send VARIANT --nonblocking --ex --write-bytes 7
}

streamed() {
	raw_request "$(body gpt-5 "$STREAM")" $'Connection: close\r\n' >request
	run "$@" <request
	assert_output --partial 'data: [DONE]'
	assert_provider_saw 1
	assert_recorded .outcome complete .http.stream true
	assert_equal "$(last_record_in_full .response.text)" "$ANSWER"
}

@test 'a streamed call is recorded whole' {
	each streamed send VARIANT
}

uploaded() {
	run "$@" --nonblocking --send-buffer 16384 --answers 1 <request
	assert_success
	assert_provider_saw 1
	assert_equal "$(provider_saw '.[] | select(.event == "request").body_sha256')" \
		"$(sha256sum <big | cut -d' ' -f1)"
	assert_recorded .outcome complete
}

@test '5 MB arrive unchanged' {
	big_body gpt-5 $((5 << 20)) >big
	{
		raw_request '' | sed 's/^Content-Length: 0/Content-Length: 5242880/'
		cat big
	} >request
	each uploaded send VARIANT
}

kept_alive() {
	{
		raw_request "$(body gpt-5)"
		raw_request "$(body gpt-5-mini)"
		raw_request "$(body gpt-4o)"
	} >request
	run "$@" <request
	assert_output --partial 'HTTP/1.1 403 '
	assert_provider_saw 2
	assert_equal "$(records 'map(.decision.action) | join(" ")')" 'allow allow refuse'
	assert_log_whole
}

@test 'a kept connection carries on; its refused call does not get out' {
	each kept_alive send VARIANT
}

@test 'a connection used through a BIO is governed' {
	body gpt-5 >call
	body gpt-4o >refused
	for mode in plain ex buffered nonblocking; do
		echo "# $mode"
		BIO_MODE=$mode BIO_CLIENT=$BIN/static_bio run --separate-stderr shimmed timeout 60 $PYTHON \
			"$CLIENTS/bio.py" "$OPENAI/chat/completions" call refused
		assert_success
		assert_answers 200 403
	done
	assert_provider_saw 4
	assert_equal "$(records 'map(.decision.action) | join(" ")')" \
		'allow refuse allow refuse allow refuse allow refuse'
	assert_log_whole
}

@test 'the same where no page may become executable' {
	each allowed send_strictly VARIANT
	each refused send_strictly VARIANT
	each refused send_strictly VARIANT --memory
}

@test 'the jumps are in the program, and no page is writable and executable' {
	raw_request "$(body gpt-5)" >request
	mkfifo hold said
	for variant in $VARIANTS; do
		env LD_PRELOAD="$SHIM:$NAMES" "$BIN/static_client-$variant" --ca "$CERTS/ca.pem" "$PORT" \
			<hold >said 2>&1 3>&- &
		CLIENT_PID=$!
		exec {to}>hold {from}<said
		cat request >&"$to"
		exec {to}>&-
		read -r -t 20 -u "$from" _ || fail "$variant has no answer"
		run grep -E '^[^ ]* (rwx|-wx)' "/proc/$CLIENT_PID/maps"
		refute_output
		assert_equal "$(grep -c 'r-xp.*memfd:aigw' "/proc/$CLIENT_PID/maps")" 1
		kill "$CLIENT_PID"
		exec {from}<&-
		wait "$CLIENT_PID" || true
	done
}

@test 'AIGW=off leaves the program alone' {
	raw_request "$(body gpt-4o)" >request
	for variant in $VARIANTS; do
		AIGW=off run send "$variant" --answers 1 <request
		assert_success
		assert_output --partial "$ANSWER"
	done
	run shimmed "$BIN/stub-plain"
	assert_output --partial 'SSL_write e9'
	AIGW=off run shimmed "$BIN/stub-plain"
	refute_output --partial 'SSL_write e9'
	assert_equal "$(records length)" 0
}

@test 'functions that are not understood are left alone, all of them' {
	run shimmed "$BIN/stub-plain"
	assert_success
	assert_output --partial 'SSL_write 42,'
	assert_output --partial 'SSL_write e9'
	for why in odd loop foreign partial; do
		same_with_and_without "$BIN/stub-$why"
	done
	run --separate-stderr env AIGW_EXPLAIN=1 LD_PRELOAD="$SHIM" "$BIN/stub-odd"
	assert_success
	assert_regex "$stderr" '^aigw: .*; what it sends to providers by its own TLS is refused'
}

@test 'what such a program loads uses its OpenSSL, and is governed' {
	raw_request "$(body gpt-5)" >request
	run shimmed "$BIN/static_host" "$BIN/static_plugin.so" --ca "$CERTS/ca.pem" --answers 1 "$PORT" \
		<request
	assert_success
	assert_output --partial "$ANSWER"
	raw_request "$(body gpt-4o)" >request
	run shimmed "$BIN/static_host" "$BIN/static_plugin.so" --ca "$CERTS/ca.pem" "$PORT" <request
	assert_success
	assert_output --partial 'HTTP/1.1 403 '
	assert_provider_saw 1
	assert_recorded .connection.library "$(realpath "$BIN/static_host")"
}

@test 'what such a program loads with a libssl of its own is governed, too' {
	raw_request "$(body gpt-5)" >request
	run shimmed "$BIN/static_host" --deepbind "$BIN/static_plugin-own.so" --ca "$CERTS/ca.pem" \
		--answers 1 "$PORT" <request
	assert_success
	assert_output --partial "$ANSWER"
	raw_request "$(body gpt-4o)" >request
	run shimmed "$BIN/static_host" --deepbind "$BIN/static_plugin-own.so" --ca "$CERTS/ca.pem" \
		"$PORT" <request
	assert_success
	assert_output --partial 'HTTP/1.1 403 '
	assert_provider_saw 1
	assert_equal "$(last_record '.connection.library | sub(".*/"; "")')" libssl.so.3
}
