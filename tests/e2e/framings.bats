#!/usr/bin/env bats
# Answers whose events are framed in every way that providers use, and ways that go wrong.
load helper

setup_file() {
	mkdir "$BATS_FILE_TMPDIR/canned"
	"$BATS_TEST_DIRNAME/../bin/make-answers" "$BATS_FILE_TMPDIR/canned"
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	ln -s "$BATS_FILE_TMPDIR/canned" canned
	start_canned
	the_policy_allows 'openai/gpt-5*'
}

teardown() {
	[[ ! ${SERVER_PID:-} ]] || { kill "$SERVER_PID" && wait "$SERVER_PID"; } 2>/dev/null || true
}

start_canned() {
	local ready
	mkfifo ready
	"$ROOT/tests/bin/canned-provider" ready canned "$CERTS/cert.pem" "$CERTS/key.pem" >server.out 2>&1 3>&- &
	SERVER_PID=$!
	exec {ready}<>ready
	read -r -t 20 -u "$ready" PORT || fail "$(cat server.out)"
	exec {ready}>&-
}

# ask NAME: the program gets that answer byte for byte, whatever becomes of the record.
ask() {
	governed curl -sS --max-time 30 -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' \
		-d "$(body gpt-5 "$STREAM")" -o got "https://api.openai.com:$PORT/v1/chat/completions?answer=$1"
	python3 -c 'import sys; sys.stdout.buffer.write(sys.stdin.buffer.read().split(b"\r\n\r\n", 1)[1])' \
		<"canned/$1" | cmp - got
}

# says OUTCOME COVERAGE OUTPUT_TOKENS PROBLEM: of the youngest exchange.
says() {
	assert_equal "$(last_record '[.outcome, .coverage, .gen_ai["usage.output_tokens"], .problem] | map(tostring) | join(", ")')" \
		"$1, $2, $3, $4"
}

@test 'every framing is read: tokens, model and words' {
	for name in sse ndjson ndjson-gzip array eventstream; do
		ask "$name"
		says complete full 10 null
		run aigw show last --json
		assert_equal "$name: $(jq -r '.response.text, (.gen_ai | .["usage.input_tokens"], .["response.model"],
			.["response.id"], .["response.finish_reason"])' <<<"$output" | tr '\n' ' ')" \
			"$name: Four. 19 gpt-5-2026-03-01 chatcmpl-7 stop "
		aigw show last --raw response | cmp - got
	done
	assert_log_whole
}

@test 'an exception inside an event stream passes, and what came before it is kept' {
	ask exception
	says complete full 10 null
	assert_log_whole
}

@test 'a stream that stops in the middle was aborted, whatever HTTP says' {
	ask array-cut
	says aborted_by_provider full 10 null
	ask eventstream-cut
	says aborted_by_provider full null null
	assert_equal "$(last_record_in_full .response.text)" Four.
	assert_log_whole
}

@test 'a stream that is broken is passed on, and the record says so' {
	ask eventstream-bad
	says complete truncated null "a message of the answer's event stream has a wrong checksum, or is malformed"
	ask array-bad
	says complete truncated null "the answer's JSON array is malformed"
	run aigw show last
	assert_line --regexp "^ *problem +the answer's JSON array is malformed"
	ask no-gzip
	says complete truncated null 'the answer does not fit its content coding'
	assert_log_whole
}

@test 'a decompression bomb is passed on, and the record says so' {
	for name in bomb long; do
		ask "$name"
		says complete truncated null "the answer's content coding expands to more than is read"
		aigw show last --raw response | cmp - got
		[[ $name = long ]] || aigw show last >/dev/null
	done
	assert_log_whole
}
