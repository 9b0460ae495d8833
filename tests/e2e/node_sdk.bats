#!/usr/bin/env bats
# Node.js beyond single requests: the providers' own packages, threads, child processes. The seven
# tests of every client are in node.bats.
load helper

setup() {
	[[ $(uname -m) = x86_64 ]] || skip 'detours are for x86-64 only'
	start_provider
	the_policy_allows 'openai/gpt-5*' 'anthropic/claude-haiku-*'
	cd "$BATS_TEST_TMPDIR"
	export NODE_PACKAGES=$NODES/packages
}

teardown() {
	stop_provider
}

# each COMMAND...: with each version in place of VERSION, and a provider that has seen nothing yet.
each() {
	local version
	for version in 20 22 24; do
		echo "# node $version" # bats shows it when the test fails
		"${@/VERSION/$version}"
		stop_provider
		rm -rf "$AIGW_HOME/audit"
		start_provider
	done
}

# node VERSION PROGRAM [ARGUMENT...]
node() {
	governed timeout 60 "$NODES/$1/node" "$CLIENTS/node/$2" "${@:3}"
}

openai_works() {
	run --separate-stderr node "$1" openai.mjs "$OPENAI" create stream tools responses
	assert_success
	assert_output "create: $ANSWER 29
stream: $ANSWER 29
tools: stop
responses: $ANSWER"
	assert_provider_saw 4
	assert_equal "$(records 'map(.outcome) | unique | join(" ")')" complete
	assert_equal "$(records 'map(.gen_ai["usage.input_tokens"]) | join(" ")')" '19 19 19 19'
	assert_log_whole
}

@test 'openai: calls, streams, tools and responses work and are recorded' {
	each openai_works VERSION
}

openai_is_refused() {
	run --separate-stderr node "$1" openai.mjs "$OPENAI" refused 'refused stream' create
	assert_success
	assert_line --index 0 --partial 'refused: PermissionDeniedError 403 policy_denied: '
	assert_line --index 1 --partial 'refused stream: PermissionDeniedError 403 policy_denied: '
	assert_line --index 2 "create: $ANSWER 29"
	assert_provider_saw 1
	# not tried again
	assert_equal "$(records 'map(.decision.action) | join(" ")')" 'refuse refuse allow'
	assert_log_whole
}

@test 'openai: a refusal is a PermissionDeniedError, and is not retried' {
	each openai_is_refused VERSION
}

errors_of_the_provider() {
	run --separate-stderr node "$1" openai.mjs "$OPENAI" limited unknown
	assert_line --index 0 --partial 'limited: RateLimitError 429'
	assert_line --index 1 --partial 'unknown: AuthenticationError 401'
	run --separate-stderr node "$1" anthropic.mjs "${ANTHROPIC%/v1}" limited unknown
	assert_line --index 0 --partial 'limited: RateLimitError 429'
	assert_line --index 1 --partial 'unknown: AuthenticationError 401'
	assert_equal "$(records 'map(.http.status) | join(" ")')" '429 401 429 401'
}

@test "the provider's own errors keep their classes" {
	each errors_of_the_provider VERSION
}

anthropic_works() {
	run --separate-stderr node "$1" anthropic.mjs "${ANTHROPIC%/v1}" create stream tools
	assert_success
	assert_output "create: $ANSWER 10
stream: $ANSWER end_turn
tools: end_turn"
	assert_provider_saw 3
	assert_equal "$(records 'map(.outcome) | unique | join(" ")')" complete
	assert_equal "$(records 'map(.gen_ai["usage.output_tokens"]) | join(" ")')" '10 10 10'
	assert_log_whole
}

@test '@anthropic-ai/sdk: calls, streams and tools work and are recorded' {
	each anthropic_works VERSION
}

anthropic_is_refused() {
	run --separate-stderr node "$1" anthropic.mjs "${ANTHROPIC%/v1}" refused 'refused stream' create
	assert_success
	assert_line --index 0 --partial 'refused: PermissionDeniedError 403 permission_error: '
	assert_line --index 1 --partial 'refused stream: PermissionDeniedError 403 permission_error: '
	assert_line --index 2 "create: $ANSWER 10"
	assert_provider_saw 1
	assert_equal "$(records 'map(.decision.action) | join(" ")')" 'refuse refuse allow'
	assert_log_whole
}

@test '@anthropic-ai/sdk: a refusal is a PermissionDeniedError, and is not retried' {
	each anthropic_is_refused VERSION
}

threads() {
	body gpt-5 >call
	body gpt-4o >refused
	big_body gpt-5 $((5 << 20)) >big
	run --separate-stderr node "$1" workers.mjs "$OPENAI/chat/completions" call big refused
	assert_success
	assert_output "$(printf 'HTTP %s\n' '200 big'{,,,} '200 call'{,,,} '403 refused'{,,,})"
	assert_provider_saw 8
	assert_equal "$(provider_saw '[.[] | select(.event == "request").body_sha256] | unique | length')" 2
	assert_equal "$(records 'map(.decision.action) | sort | join(" ")')" \
		'allow allow allow allow allow allow allow allow refuse refuse refuse refuse'
	assert_log_whole
}

@test 'worker threads: each call is judged, 5 MB arrive from four at a time' {
	each threads VERSION
}

child_process() {
	body gpt-4o >refused
	run --separate-stderr governed "$NODES/$1/node" -e 'require("node:child_process").spawnSync(process.execPath,
		process.argv.slice(1), { stdio: "inherit" })' \
		"$CLIENTS/node/fetch.mjs" "$OPENAI/chat/completions" refused
	assert_refused_without_leak
}

@test 'a child process is governed as its parent' {
	each child_process VERSION
}

http2_only() {
	run --separate-stderr node "$1" http2.mjs "$OPENAI/chat/completions"
	assert_success
	assert_output --regexp '^failed: ERR_HTTP2_'
	assert_provider_saw 0
}

@test 'HTTP/2 to a provider fails: only HTTP/1.1 is governed' {
	each http2_only VERSION
}

not_governed() {
	run --separate-stderr node "$1" https.mjs "$PLAIN/plain" "$ROOT/LICENSE"
	assert_success
	assert_answers 200
	assert_equal "$(records length)" 0
	same_with_and_without "$NODES/$1/node" -p 'process.version + JSON.stringify(process.versions)'
	same_with_and_without "$NODES/$1/node" -p 'require("node:tls").getCiphers().length'
	same_with_and_without "$NODES/$1/node" "$CLIENTS/node/https.mjs" "$PLAIN/plain" "$ROOT/LICENSE"
	same_with_and_without "$NODES/$1/node" -e 'process.exit(7)'
}

@test 'what is none of our business works as without us' {
	each not_governed VERSION
}

strictly() {
	body gpt-5 >call
	body gpt-4o >refused
	run --separate-stderr governed $PYTHON "$CLIENTS/strictly.py" "$NODES/$1/node" --jitless \
		"$CLIENTS/node/https.mjs" "$OPENAI/chat/completions" call refused
	assert_success
	assert_answers 200 403
	assert_provider_saw 1
}

@test 'without a compiler, where no page may become executable: governed all the same' {
	each strictly VERSION
}

# A server of the program's own, and a client of it, through the same changed functions.
own_server() {
	same_with_and_without "$NODES/$1/node" "$CLIENTS/node/server.mjs" "$CERTS"
	run cat "$BATS_TEST_TMPDIR/with.out"
	assert_output 'client got 200 ok, reused true, TLSv1.3'
	assert_equal "$(records length)" 0
}

@test 'a TLS server in the program, and its client, work as without us' {
	each own_server VERSION
}
