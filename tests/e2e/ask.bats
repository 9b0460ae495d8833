#!/usr/bin/env bats
# "usage": {"ask": true}: a chat stream is asked for its token counts, and the program does not see it. What
# a client prints must be what it prints without us of an answer that was asked for them, without the event
# that has them: byte for byte.
load helper

setup() {
	start_provider --alpn http/1.1
	initialised
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] }, \"usage\": { \"ask\": true },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
	cd "$BATS_TEST_TMPDIR"
	body gpt-5 ',"stream":true' >stream
	ASKED='{"stream_options":{"include_usage":true},'$(cut -c2- stream)
	printf '%s' "$ASKED" >asked
}

teardown() {
	stop_provider
}

# without_usage <ANSWER: the event with the counts and its empty line are left out.
without_usage() {
	sed '/"choices":\[\],"usage":{/,+1d'
}

# decoded <BYTES: the body of one answer, written by somebody else.
decoded() {
	$PYTHON -c '
import http.client, io, sys
class Connection:
    def makefile(self, mode): return io.BytesIO(sys.stdin.buffer.read())
answer = http.client.HTTPResponse(Connection(), method="POST")
answer.begin()
sys.stdout.buffer.write(answer.read())'
}

# The provider got the question, spliced in, and the record says so and has the counts.
assert_asked() {
	assert_equal "$(provider_saw '[.[] | select(.event == "request").body_sha256] | join(" ")')" \
		"$(sha256sum <asked | cut -d' ' -f1)"
	aigw show last --json >record # everything in one look
	assert_equal "$(jq -c '[.usage_asked, .decision.action, .outcome, .usage_source, .cost.model,
		.gen_ai["usage.output_tokens"], .decision.changes[0]]' record)" \
		'[true,"rewrite","complete","provider","openai/gpt-5",10,"/stream_options/include_usage: absent -> true"]'
	assert_equal "$(jq -r .request.body record)" "$(cat stream)"
	jq -r .response.body record | grep -q '"choices":\[\],"usage":{"prompt_tokens":19'
}

assert_not_asked() {
	assert_equal "$(last_record .usage_asked)" null
	assert_equal "$(last_record .decision.action)" allow
}

# client_sees_nothing QUERY COMMAND...: with the question against what it would be.
client_sees_nothing() {
	local query=$1
	shift
	with_names "$@" "$OPENAI/chat/completions$query" asked 2>errors.without | without_usage >expected
	grep -q 'data: \[DONE\]' expected || fail "$(cat expected errors.without)"
	: >"$PROVIDER_LOG"
	shimmed timeout 30 "$@" "$OPENAI/chat/completions$query" stream >got 2>errors || fail "$(cat errors got)"
	diff expected got
	assert_asked
}

@test 'curl does not see it, and the log is whole' {
	client_sees_nothing '' "$CLIENTS/curl.sh"
	assert_log_whole
}
@test 'curl does not see it when every byte is a record of its own' {
	client_sees_nothing '?drip&events=2' "$CLIENTS/curl.sh"
}
@test 'curl does not see it when the body ends with the connection' {
	client_sees_nothing '?until-close' "$CLIENTS/curl.sh"
}
@test 'urllib does not see it' { client_sees_nothing '' $PYTHON "$CLIENTS/py_urllib.py"; }
@test 'requests do not see it' { client_sees_nothing '' $PYTHON "$CLIENTS/py_requests.py"; }
@test 'httpx does not see it, and takes no gzip for it' {
	client_sees_nothing '?gzip' $PYTHON "$CLIENTS/py_httpx.py"
	assert_equal "$(last_record '.decision.changes[1]')" 'accept-encoding: as written -> identity'
}
@test 'httpx, async, does not see it' { client_sees_nothing '?early-hints' $PYTHON "$CLIENTS/py_httpx_async.py"; }
@test 'aiohttp does not see it' { client_sees_nothing '' $PYTHON "$CLIENTS/py_aiohttp.py"; }
@test 'asyncio does not see it' { client_sees_nothing '?drip&events=2' $PYTHON "$CLIENTS/py_asyncio.py"; }
@test 'wget (GnuTLS) does not see it' { client_sees_nothing '' "$CLIENTS/wget.sh"; }
@test 'wget (GnuTLS) does not see it when every byte is a record of its own' {
	client_sees_nothing '?drip&events=2' "$CLIENTS/wget.sh"
}

# raw_sees_nothing QUERY COMMAND...: a client that shows what it reads; its framing must hold.
raw_sees_nothing() {
	local query=$1 request
	shift
	with_names "$CLIENTS/curl.sh" "$OPENAI/chat/completions$query" asked | head -n -2 | without_usage >expected
	: >"$PROVIDER_LOG"
	printf 'POST /v1/chat/completions%s HTTP/1.1\r\nHost: api.openai.com\r\nContent-Type: application/json\r\n' \
		"$query" >request
	printf 'Authorization: Bearer %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n' "$API_KEY" \
		"$(stat -c %s stream)" >>request
	cat stream >>request
	"$@" <request >got 2>errors || fail "$(cat errors)"
	decoded <got >body
	diff expected body
	assert_asked
}

@test 'SSL_read_ex, on a socket that does not block' {
	raw_sees_nothing '?drip&events=2' send_raw --ex --nonblocking
}
@test 'SSL_peek before each read, and SSL_pending agrees' { raw_sees_nothing '' send_raw --peek; }
@test 'SSL_peek_ex when every byte is a record of its own' {
	raw_sees_nothing '?drip&events=1' send_raw --peek --ex
}
@test 'memory BIOs' { raw_sees_nothing '' send_raw --memory; }
@test 'a program that polls first' { raw_sees_nothing '' send_raw --poll-first; }
@test 'GnuTLS: recv_seq, on a socket that does not block' {
	raw_sees_nothing '?drip&events=2' shimmed "$BIN/gnutls_client" --ca "$CERTS/ca.pem" --recv seq --nonblocking "$PORT"
}
@test 'BIO_read' {
	client_sees_nothing '' env BIO_CLIENT="$BIN/bio_client" BIO_MODE=plain $PYTHON "$CLIENTS/bio.py"
}
@test 'BIO_read_ex when every byte is a record of its own' {
	client_sees_nothing '?drip&events=1' env BIO_CLIENT="$BIN/bio_client" BIO_MODE=ex $PYTHON "$CLIENTS/bio.py"
}

@test 'two calls on one connection are both asked, and the program sees neither' {
	with_names "$CLIENTS/curl.sh" "$OPENAI/chat/completions" asked asked | without_usage >expected
	shimmed "$CLIENTS/curl.sh" "$OPENAI/chat/completions" stream stream >got
	diff expected got
	assert_equal "$(records 'map([.usage_asked, .cost.usd != null]) | flatten | unique')" '[
  true
]'
}

@test 'a stream that is cut gives the program all that came' {
	with_names "$CLIENTS/curl.sh" "$OPENAI/chat/completions?cut" asked >expected 2>errors.without || true
	shimmed "$CLIENTS/curl.sh" "$OPENAI/chat/completions?cut" stream >got 2>errors || true
	diff expected got
	assert_equal "$(last_record .outcome)" aborted_by_provider
	assert_equal "$(last_record .usage_asked)" true
}

@test 'an error instead of a stream reaches the program as it is' {
	CHAT_WITH=shimmed run chat -N -d "$(body gpt-5--error-429 ',"stream":true')"
	assert_answers 429
	assert_output --partial 'The provider was asked to fail this request.'
	assert_equal "$(last_record .usage_asked)" true
}

@test 'it is not asked where the program has its own mind, or no stream' {
	run chat -N -d "$(body gpt-5 ',"stream":true,"stream_options":{"include_usage":false}}' | sed 's/}}}$/}}/')"
	assert_answers 200
	refute_output --partial '"choices":[],"usage":{'
	assert_not_asked
	run chat -N -d "$(body gpt-5 "$STREAM")"
	assert_output --partial '"choices":[],"usage":{'
	assert_not_asked
	run chat -d "$(body gpt-5)"
	assert_not_asked
	CHAT_URL=$OPENAI/responses run chat -N -d '{"model":"gpt-5","input":"x","stream":true}'
	assert_not_asked
	CHAT_URL=$ANTHROPIC/messages run chat -N -H 'anthropic-version: 2023-06-01' \
		-d "$(body claude-sonnet-4-5 ',"max_tokens":9,"stream":true')"
	assert_not_asked
}

@test 'it is not asked when 100-continue was waited for, nor while an answer is awaited' {
	run chat -N -H 'Expect: 100-continue' -d @stream
	assert_answers 200
	assert_not_asked
	{ raw_request "$(body gpt-5)"; raw_request "$(cat stream)" $'Connection: close\r\n'; } >requests
	run send_raw <requests
	assert_not_asked
}

@test 'a chunked request is asked too, and stays one' {
	with_names "$CLIENTS/curl.sh" "$OPENAI/chat/completions" asked | sed '$d' | without_usage >expected
	: >"$PROVIDER_LOG"
	CHAT_WITH=shimmed chat -N -H 'Transfer-Encoding: chunked' -d @stream | sed '$d' >got
	diff expected got
	assert_asked
}

@test 'without the policy nothing is asked' {
	the_policy_allows '*'
	run chat -N -d @stream
	assert_answers 200
	assert_not_asked
}
