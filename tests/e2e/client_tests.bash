# The tests of clients.bats. Each gets a client's command line, see clients/README.
# shellcheck shell=bash disable=SC2154  # output and the like come from bats and helper
setup() {
	REQUESTS=$BATS_TEST_TMPDIR/requests
	mkdir -p "$REQUESTS"
	body gpt-5 >"$REQUESTS/call"
	body gpt-5-mini >"$REQUESTS/call2"
	body gpt-5 "$STREAM" >"$REQUESTS/stream"
	body gpt-4o >"$REQUESTS/refused"
	body gpt-4o "$STREAM" >"$REQUESTS/refused-stream"
	the_policy_allows 'openai/gpt-5*' 'anthropic/claude-*'
}

teardown() {
	stop_provider
}

# client COMMAND_LINE FILE...: under aigw, to the chat endpoint. $output is what it printed.
client() {
	local command=$1
	shift
	# The command line is a table's entry of ours, with variables in it.
	eval "set -- $command \"\$OPENAI/chat/completions\" \"\$@\""
	cd "$REQUESTS" || return
	run --separate-stderr "${CLIENT_WITH:-governed}" timeout 60 "$@"
	[[ $status = 0 ]] || echo "exit $status, its errors: $stderr" # bats shows it when the test fails
}

# The same client without us must print the same, byte for byte. Its provider speaks no h2, as ours
# is made to seem to a governed program.
same_as_without_us() {
	local with=$output
	stop_provider
	start_provider --alpn http/1.1
	CLIENT_WITH=with_names client "$@"
	assert_success
	assert_equal "$with" "$output"
}

allowed() {
	start_provider
	client "$1" call
	assert_success
	assert_answers 200
	assert_output --partial "$ANSWER"
	assert_provider_saw 1
	assert_recorded .decision.action allow .outcome complete .http.status 200 \
		'.gen_ai["request.model"]' gpt-5 '.gen_ai["response.model"]' gpt-5-2026-03-01 \
		'.gen_ai["usage.input_tokens"]' 19 '.gen_ai["usage.output_tokens"]' 10
	assert_equal "$(last_record_in_full .request.body)" "$(cat "$REQUESTS/call")"
	same_as_without_us "$1" call
}

streamed() {
	start_provider
	client "$1" stream
	assert_success
	assert_answers 200
	assert_output --partial 'data: [DONE]'
	assert_provider_saw 1
	assert_recorded .decision.action allow .outcome complete .http.stream true \
		'.gen_ai["usage.input_tokens"]' 19 '.gen_ai["usage.output_tokens"]' 10
	assert_equal "$(last_record_in_full .response.text)" "$ANSWER"
	same_as_without_us "$1" stream
}

refused_by() { # FILE CLIENT PROVIDER_OPTIONS...
	local file=$1 command=$2
	shift 2
	start_provider "$@"
	client "$command" "$file"
	assert_refused_without_leak
	assert_output --partial '"code":"policy_denied"'
	assert_output --partial gpt-4o
	assert_recorded .decision.action refuse .outcome refused \
		.decision.rule environments.test.models.allow '.gen_ai["request.model"]' gpt-4o
}

refused_13() {
	refused_by refused "$1" --tls 1.3 --tickets 0 # tickets would wake a client that we had not
}

refused_12() {
	refused_by refused-stream "$1" --tls 1.2 --tickets 0
}

uploaded() {
	start_provider
	big_body gpt-5 $((5 << 20)) >"$REQUESTS/big"
	client "$1" big
	assert_success
	assert_answers 200
	assert_provider_saw 1
	assert_equal "$(provider_saw '.[] | select(.event == "request").body_sha256')" \
		"$(sha256sum <"$REQUESTS/big" | cut -d' ' -f1)"
	assert_recorded .outcome complete
	assert_equal "$(last_record_in_full .request.body_bytes)" $((5 << 20))
}

kept_alive() {
	local per_connection
	start_provider
	client "$1" call call2 call refused call2
	assert_success
	assert_answers 200 200 200 403 200
	assert_provider_saw 4
	per_connection=$(provider_saw '[.[] | select(.event == "connection" and .requests > 0)]
		| sort_by(.connection) | map(.requests) | join(" ")')
	assert_equal "$per_connection" '3 1'
	assert_equal "$(records 'map(.decision.action) | join(" ")')" 'allow allow allow refuse allow'
	assert_log_whole
}
