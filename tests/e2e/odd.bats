#!/usr/bin/env bats
# Programs that do what few programs do, one test for each bug that was found with such a program.
load helper

setup() {
	the_policy_allows 'openai/gpt-5*'
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	stop_provider
}

# odd MODE...: see tests/bin/odd_client.c. A hang ends with status 124, together with its children.
# No other preloaded library than ours: they have fork handlers, too, and some allocate in them.
odd() {
	run --separate-stderr env LD_PRELOAD="$SHIM" timeout -k 2 40 "$BIN/${ODD_CLIENT:-odd_client}" \
		--ca "$CERTS/ca.pem" --port "$PORT" "$@"
	[[ $status = 0 ]] || echo "exit $status, its errors: $stderr" # bats shows it when the test fails
}

assert_no_request_byte() {
	assert_equal "$(provider_saw '[.[].request_bytes // 0] | add // 0') request bytes" '0 request bytes'
}

# policy_with_provider NAME HOST PATTERN: a provider of our own, of which this is allowed.
policy_with_provider() {
	cat <<-END
		{ "version": 1, "audit": { "recipients": ["$RECIPIENT"] },
		  "providers": { "$1": { "dialect": "openai", "hosts": ["$2"] } },
		  "environments": { "test": { "models": { "allow": ["$3"] } } },
		  "default_environment": "test" }
	END
}

# Two policies in turn, both of which refuse what the test does, until the file "over" is there. With
# records that are synced one by one, locks are held for long.
change_the_policy_again_and_again() {
	local i=0
	while [[ ! -e over ]]; do
		write_policy "{ \"version\": 1,
			\"audit\": { \"recipients\": [\"$RECIPIENT\"], \"durability\": \"synced\" },
			\"environments\": { \"test\": { \"models\": { \"allow\": [\"openai/gpt-$((++i % 2 + 5))\"] } } },
			\"default_environment\": \"test\" }"
	done
}

# ---- threads ----

@test 'a thread that waits in SSL_read survives that the connection turns out to be none of ours' {
	start_provider --echo --tickets 0
	odd read-in-thread
	assert_success
	assert_output 'SAID NICK someone'
}

@test 'a refusal reaches a thread that waits in SSL_read, over TLS 1.2 and 1.3' {
	for version in 1.2 1.3; do
		start_provider --tls $version --tickets 0
		odd --tls $version read-in-thread api.openai.com
		assert_success
		assert_output $'HTTP 403\nEND clean'
		assert_no_request_byte
	done
}

# ---- forks ----

@test 'an allocator with fork handlers of its own does not lock up with ours' {
	start_provider
	ODD_CLIENT=odd_malloc odd fork 3 gpt-5
	assert_success
	assert_output 'FORKS some CALLS some'
}

@test 'forks, calls in threads and new policies at the same time do not lock up' {
	local changing
	start_provider
	change_the_policy_again_and_again 3>&- &
	changing=$!
	odd fork 4 forbidden
	: >over
	wait "$changing"
	assert_success
	assert_output 'FORKS some CALLS some'
	assert_no_request_byte
	assert_log_whole
}

# ---- a policy that changes ----

@test 'after a new policy a malformed request is refused without looking at the old one' {
	start_provider
	policy_with_provider before api.openai.test '*' >"$AIGW_HOME/policy.json"
	policy_with_provider after api.openai.test 'after/none-*' >next.json
	MALLOC_PERTURB_=165 odd reload next.json "$AIGW_HOME/policy.json"
	assert_success
	assert_output $'HTTP 200\nNOW 403\nHTTP 400'
}

# policy_with_prices MODELS TIMES: those models alone, at so many times the price.
policy_with_prices() {
	cat <<-END
		{ "version": 1, "audit": { "recipients": ["$RECIPIENT"] },
		  "providers": { "ours": { "dialect": "openai", "hosts": ["api.openai.test"] } },
		  "prices": { "ours/my-*": { "input": ${2}2, "cache_read": ${2}1, "output": ${2}3 } },
		  "environments": { "test": { "models": { "allow": ["$1"] } } },
		  "default_environment": "test" }
	END
}

@test 'a connection that goes on has the prices of the new policy, and is judged by it' {
	start_provider
	policy_with_prices '*' 0. >"$AIGW_HOME/policy.json"
	policy_with_prices 'ours/my-*' '' >next.json
	MALLOC_PERTURB_=165 odd reload next.json "$AIGW_HOME/policy.json" my-own
	assert_success
	assert_output $'HTTP 200\nNOW 403\nHTTP 200'
	assert_equal "$(records 'map(select(.decision.action == "allow" and .gen_ai["request.model"] == "my-own") | .cost.usd * 10000000 | round | tostring) | join(" ")')" \
		'64 640' # 15 * 2 + 4 * 1 + 10 * 3
	policy_with_prices '*' 0. >"$AIGW_HOME/policy.json"
	policy_with_prices 'ours/no-*' '' >next.json
	odd reload next.json "$AIGW_HOME/policy.json" my-own
	assert_output $'HTTP 200\nNOW 403\nHTTP 403'
}

# ---- jumps ----

@test 'siglongjmp out of SSL_read leaves later connections governed' {
	start_provider --tickets 0
	odd jump-from-signal
	assert_success
	assert_output $'JUMPED\nHTTP 403\nHTTP 403\nHTTP 403'
	assert_no_request_byte
}

@test 'longjmp out of the verify callback leaves later connections governed' {
	start_provider
	odd jump-from-callback
	assert_success
	assert_output $'JUMPED\nHTTP 403\nHTTP 403\nHTTP 403'
	assert_no_request_byte
}

# ---- no server name ----

@test 'without a server name, what names a provider and cannot be parsed is refused' {
	start_provider
	odd unparsable
	assert_success
	# as it should be, two Hosts, two framings, a folded line, 40 MB, a head of 120 KB
	assert_answers 403 400 400 400 413 403
	assert_no_request_byte
}

@test 'without a server name, bytes that may begin a request are not held while an answer is awaited' {
	start_provider --echo
	odd pieces
	assert_success
	assert_output $'SAID P\nSAID \nSAID \nSAID PING\nSAID HELO a'
}

@test 'without a server name, ALPN is ours only when the policy names the very address' {
	start_provider --echo --alpn postgresql,h2,http/1.1
	policy_with_provider elsewhere 10.0.0.1 '*' >"$AIGW_HOME/policy.json"
	odd alpn postgresql
	assert_success
	assert_output 'ALPN postgresql'
	policy_with_provider here 127.0.0.1 '*' >"$AIGW_HOME/policy.json"
	odd alpn h2
	assert_success
	assert_output 'ALPN http/1.1'
}

# ---- SSL objects ----

@test 'an SSL object that is used again, for a provider, is governed' {
	for clear in '' clear; do
		start_provider
		odd reuse plain.example.test api.openai.com $clear
		assert_success
		assert_answers 200 403
		assert_equal "$(provider_saw '[.[] | select(.event == "request").host] | join(" ")')" \
			plain.example.test
	done
}

@test 'an SSL object that is used again, for a host that is no provider, is left alone' {
	for clear in '' clear; do
		start_provider
		odd reuse api.openai.com plain.example.test $clear
		assert_success
		assert_answers 403 200
		assert_equal "$(provider_saw '[.[] | select(.event == "request").host] | join(" ")')" \
			plain.example.test
	done
}

@test 'a blocked write that is repeated with fewer bytes: what was accepted is what arrives' {
	start_provider --echo --slow-reader
	odd retry-shorter
	assert_success
	assert_output --partial 'RETRIED yes'
	assert_equal "$output" "RETRIED yes SHA256 $(provider_saw '.[].sha256')"
}

@test 'SSL_dup of a new object and of a connected one: both are governed' {
	start_provider
	odd dup
	assert_success
	assert_output 'HTTP 403'
	assert_no_request_byte
}

@test 'the kernel does not encrypt by itself for a provider, and may for others' {
	start_provider
	odd ktls api.openai.com
	assert_output $'KTLS not allowed\nHTTP 403'
	odd ktls plain.example.test
	assert_output $'KTLS allowed\nHTTP 200'
}

# ---- descriptors ----

@test 'refusals that nobody has read do not use up what wakes the next one' {
	start_provider --tickets 0
	odd unread 70
	assert_success
	assert_output 'WOKEN BY 15 03 03 00 02 01 00' # a close_notify alert, for who reads the socket
	assert_no_request_byte
}
