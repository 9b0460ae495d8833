#!/usr/bin/env bats
# What a TLS connection that can be looked into must be like: each refusal with its rule, its record and
# its explanation.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	body gpt-5 >call
}

teardown() {
	stop_provider
}

ask() { # COMMAND...
	run --separate-stderr env AIGW_EXPLAIN=1 LD_PRELOAD="$SHIM:$NAMES" "$@"
}

assert_refused_by() { # RULE
	local explanations
	assert_refused_without_leak
	assert_output --partial '"code":"policy_denied"'
	assert_recorded .decision.action refuse .decision.rule "$1" .outcome refused
	explanations=$(grep ^aigw: <<<"$stderr")
	assert_regex "$explanations" "^aigw: refused for api.openai.com: [^
]*\\($1\\)\$"
}

@test 'TLS below the floor is refused, recorded and explained' {
	start_provider --tls 1.2
	the_policy_says '{ "min_tls": "1.3" }'
	ask "$CLIENTS/curl.sh" "$OPENAI/chat/completions" call
	assert_refused_by transport.min_tls
	assert_equal "$(last_record .connection.tls)" TLSv1.2
}

@test 'TLS at the floor is allowed' {
	start_provider --tls 1.3
	the_policy_says '{ "min_tls": "1.3" }'
	ask "$CLIENTS/curl.sh" "$OPENAI/chat/completions" call
	assert_answers 200
	assert_equal "$stderr" ''
	stop_provider
	start_provider --tls 1.2
	the_policy_says '{ "min_tls": "1.2" }'
	ask "$CLIENTS/curl.sh" "$OPENAI/chat/completions" call
	assert_answers 200
}

@test 'a client that does not verify its peer is refused, recorded and explained' {
	start_provider
	the_policy_says '{}'
	ask curl -sSk -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' \
		--cacert /dev/null --data-binary @call -w '\nHTTP %{http_code}\n' "$OPENAI/chat/completions"
	assert_refused_by transport.verify_peer
	assert_equal "$(last_record .connection.verified)" false
}

@test 'a client that does not verify its peer is allowed where the policy says so' {
	start_provider
	the_policy_says '{ "verify_peer": false }'
	ask curl -sSk -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' \
		--cacert /dev/null --data-binary @call -w '\nHTTP %{http_code}\n' "$OPENAI/chat/completions"
	assert_answers 200
	assert_recorded .decision.action allow .connection.verified false
}
