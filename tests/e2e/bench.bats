#!/usr/bin/env bats
# `make bench` itself: that what it measures with works. What it measures is no matter for a test.
load helper

teardown() {
	stop_provider
}

load_of() { # PRELOAD [OPTION]...: of one request at a time, and what was measured
	local preload=$1
	shift
	run -0 --separate-stderr env LD_PRELOAD="$preload" BARE_LOG="$BATS_TEST_TMPDIR/bare" BARE_KEY="$BATS_TEST_TMPDIR/key" \
		"$BIN/load_bench" --port "$PORT" "$@"
}

@test 'every way that needs no gateway is measured, and one that is not here is a row' {
	run -0 --separate-stderr "$ROOT/tests/bench/run" "$BUILD" --smoke --into "$BATS_TEST_TMPDIR/into" \
		--ways direct,again,ungoverned,governed,bare,litellm
	assert_output --regexp 'LiteLLM proxy +not installed'
	assert_output --regexp 'aigw, governed, log on +[0-9.,]+ '
	run -0 jq -r '[.figures[] | select(.failed == 0 and .requests[0] >= 8 and .p50_us[0] > 0 and .per_second[0] > 0
		and .cpu_s_per_10000[0] > 0 and .peak_mb[0] > 0).way] | group_by(.) | map("\(.[0]) \(length)") | join(", ")' \
		"$BATS_TEST_TMPDIR/into/performance.json"
	assert_output 'again 4, bare 4, direct 4, governed 4, ungoverned 4'
	run -0 jq -r '[.figures[] | select(.load == "events200x8" and .events[0] == 1600 and .lag_p50_us[0] > 0
		and .first_p50_us[0] >= 10000)] | length' "$BATS_TEST_TMPDIR/into/performance.json"
	assert_output 5
}

@test 'what the load generator counts is what the provider saw and what the log has' {
	start_provider
	the_policy_allows '*'
	load_of "$SHIM" --connections 4 --warm 1 --count 20 --body 3000
	assert_equal "$(jq -r '"\(.requests) \(.requests_all)"' <<<"$output")" '20 24'
	assert_equal "$(records length)" 24
	assert_equal "$(last_record_in_full .request.body_bytes)" 3000
	assert_log_whole
	assert_equal "$(provider_saw '[.[] | select(.event == "request" and .body_bytes == 3000)] | length')" 24
	assert_equal "$(provider_saw '[.[] | select(.event == "connection")] | length')" 4
}

@test 'an answer that is not 200 is no figure' {
	start_provider
	run -1 --separate-stderr "$BIN/load_bench" --port "$PORT" --path '/v1/chat/completions?error-500' --count 1
	assert_output ''
	[[ $stderr = *'HTTP/1.1 500'* ]]
}

@test 'the bare shim writes every request and every answer, and they can be decrypted' {
	start_provider --bench
	load_of "$BIN/bare_shim.so" --connections 4 --count 20 --body 20000
	run -0 "$ROOT/tests/bin/read-bare-log" "$BATS_TEST_TMPDIR/key" "$BATS_TEST_TMPDIR/bare"
	assert_equal "$(grep -c '^POST /v1/chat/completions .* 20[0-9]* bytes$' <<<"$output")" 20
	assert_equal "$(grep -c '^HTTP/1.1 200 OK' <<<"$output")" 20
	assert_equal "$(wc -l <<<"$output")" 40
}
