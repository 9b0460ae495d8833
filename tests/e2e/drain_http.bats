#!/usr/bin/env bats
# Sinks of the module http, without the daemon, against nginx, a server that does not behave, and a
# receiver that decodes OTLP with the published proto.
# shellcheck shell=bash disable=SC2030,SC2031,SC2154

load helper

MODULE=$BUILD/modules/aigw-sink-http.so

setup() {
	OUT=$BATS_TEST_TMPDIR/receiver
	POLICY=$BATS_TEST_TMPDIR/policy.json
	for name in localhost ok.example.test expired.example.test stranger.example.test wants.example.test; do
		echo "127.0.0.1 $name"
	done >>"$NSS_WRAPPER_HOSTS"
	secret first-token "$BATS_TEST_TMPDIR/token"
}

teardown() {
	stop_receiver
}

# secret TEXT FILE: into a file that only we may read.
secret() {
	(umask 077 && printf '%s\n' "$1" >"$2")
}

# start_receiver COMMAND...: with the file it writes its port to as its first argument; sets $PORT.
start_receiver() {
	local ready program=$1
	shift
	rm -f "$BATS_TEST_TMPDIR/port"
	mkfifo "$BATS_TEST_TMPDIR/port"
	"$program" ${RUNS:+"$RUNS"} "$BATS_TEST_TMPDIR/port" "$@" >"$BATS_TEST_TMPDIR/receiver.out" 2>&1 3>&- &
	RECEIVER_PID=$!
	exec {ready}<>"$BATS_TEST_TMPDIR/port"
	if ! read -r -t 20 -u "$ready" PORT; then
		cat "$BATS_TEST_TMPDIR/receiver.out" >&2
		return 1
	fi
	exec {ready}>&-
	URL=https://ok.example.test:$PORT
}

start_nginx() {
	STOP=QUIT # what is under way is ended, and noted
	start_receiver "$ROOT/tests/bin/log-receiver" "$OUT" "$CERTS"
}

start_odd() {
	start_receiver "$ROOT/tests/bin/odd-receiver" "$CERTS/cert.pem" "$CERTS/key.pem"
}

start_otlp() {
	export NODE_PACKAGES=$NODES/otlp
	RUNS=$CLIENTS/node/otlp_receiver.mjs start_receiver "$NODES/22/node" "$BATS_TEST_TMPDIR/otlp" \
		"$CERTS/cert.pem" "$CERTS/key.pem"
}

stop_receiver() {
	[[ ${RECEIVER_PID:-} ]] || return 0
	kill -"${STOP:-TERM}" "$RECEIVER_PID" 2>/dev/null || true
	wait "$RECEIVER_PID" 2>/dev/null || true
	RECEIVER_PID=
}

# sink NAME JSON: one more sink in the policy; JSON has its members beyond type https and our authority.
sink() {
	local before='{"version":1,"audit":{"recipients":["aigw1test"]},"environments":{"e":{}},"default_environment":"e"}'
	[[ ! -e $POLICY ]] || before=$(cat "$POLICY")
	jq --arg name "$1" --argjson more "$2" --arg ca "$CERTS/ca.pem" \
		'.drains.sinks[$name] = {type: "https", tls: {ca_file: $ca}} * $more' <<<"$before" >"$POLICY.next"
	mv "$POLICY.next" "$POLICY"
}

# events N: so many exchanges.
events() {
	jq -cn --argjson n "$1" 'range($n) | {id: "ID\(.)", process: "p", time_ns: (1784000000000000000 + . * 1000000000),
		host: "h1", environment: "prod", provider: "openai", model: "gpt-5", json: {id: "ID\(.)", n: .}}'
}

# drain SINK: standard input to that sink; what became of it in $output.
drain() {
	run --separate-stderr with_names "$BIN/sink_client" --module "$MODULE" "$POLICY" "$1" <"${2:-/dev/stdin}"
	[[ ! $output =~ $TOKENS ]] || fail "a secret was told: $output"
}

TOKENS='first-token|second-token|hmac-key-of-the-tests'

# assert_answer JQ VALUE...: of the answers to all batches, as one array.
assert_answer() {
	while (($#)); do
		assert_equal "$1 = $(jq -rsc "$1" <<<"$output")" "$1 = $2"
		shift 2
	done
}

# nginx_saw JQ: of its requests, as one array, nginx being over.
nginx_saw() {
	stop_receiver
	jq -rsc "$1" "$OUT/requests"
}

# ---- what is sent ----

@test 'a batch is one signed request; sent again it has the same key, on the same connection' {
	start_nginx
	secret hmac-key-of-the-tests "$BATS_TEST_TMPDIR/hmac"
	sink a '{"to":"'"$URL"'/take?x=1","token_file":"'"$BATS_TEST_TMPDIR"'/token","headers":{"X-Extra":"e"},
		"hmac_file":"'"$BATS_TEST_TMPDIR"'/hmac","fields":"full"}'
	drain a < <(events 2; echo; events 2; echo; events 3)
	assert_success
	assert_answer '[.[].result] | unique' '["delivered"]' '.[0].text' "HTTP 202 from ok.example.test:$PORT"
	assert_equal "$(nginx_saw '[.[] | .uri + " " + .type + " " + .authorization + " " + .extra] | unique | join(";")')" \
		'/take?x=1 application/json Bearer first-token e'
	assert_equal "$(nginx_saw '[.[].connection] | unique | length')" 1
	assert_equal "$(nginx_saw '[.[].key] | (.[0] == .[1]), (.[0] != .[2]), (.[0] | length)')" $'true\ntrue\n32'
	assert_equal "$(nginx_saw '.[0].body')" '[{"id":"ID0","n":0},{"id":"ID1","n":1}]'
	$PYTHON - "$OUT/requests" <<'END'
import hashlib, hmac, json, sys, time
for line in open(sys.argv[1], encoding="utf-8"):
    seen = json.loads(line)
    t, v1 = (part.split("=")[1] for part in seen["signature"].split(","))
    expected = hmac.new(b"hmac-key-of-the-tests", f"{t}.{seen['body']}".encode(), hashlib.sha256)
    assert v1 == expected.hexdigest() and abs(time.time() - int(t)) < 60, seen
END
}

@test 'a batch can be lines, and packed' {
	start_nginx
	sink a '{"to":"'"$URL"'","format":"ndjson","gzip":true}'
	drain a < <(events 300)
	assert_success
	stop_receiver
	assert_equal "$($PYTHON - "$OUT/requests" <<'END'
import gzip, json, sys
seen = json.loads(open(sys.argv[1], encoding="latin-1").read())
lines = gzip.decompress(seen["body"].encode("latin-1")).splitlines()
print(seen["type"], seen["coding"], len(lines), json.loads(lines[299])["n"])
END
	)" 'application/x-ndjson gzip 300 299'
}

@test 'a preset splits a batch, and strips the event that is too large for it' {
	start_nginx
	sink dd '{"to":"'"$URL"'","preset":"datadog","token_file":"'"$BATS_TEST_TMPDIR"'/token","fields":"full"}'
	{
		events 1200
		# one that fits without its payloads, and one that does not
		jq -cn '{id: "BIG", host: "h1", json: {id: "BIG", request: {body: ("x" * 1100000), body_bytes: 1100000}}}'
		jq -cn '{id: "HUGE", host: "h1", json: {id: "HUGE", other: ("x" * 1100000)}}'
		events 1
	} >"$BATS_TEST_TMPDIR/events"
	drain dd "$BATS_TEST_TMPDIR/events"
	assert_failure 1
	assert_answer '.[0].result' partly '.[0].results | [indices("refused"), length]' '[[1201],1203]' \
		'.[0].text' "ok.example.test:$PORT: an event is larger than this receiver takes"
	assert_equal "$(nginx_saw '[.[] | [.uri, .dd, (.body | fromjson | length)]]')" \
		'[["/api/v2/logs","first-token",1000],["/api/v2/logs","first-token",201],["/api/v2/logs","first-token",1]]'
	assert_equal "$(nginx_saw '.[1].body | fromjson[-1].aigw')" \
		'{"id":"BIG","request":{"body_bytes":1100000},"payload_omitted":true}'
}

@test 'a bulk answer is read item by item' {
	start_nginx
	sink es '{"to":"'"$URL"'/bulk","preset":"elasticsearch","index":"audit"}'
	drain es < <(events 4)
	assert_failure 1
	assert_answer '.[0].results' '["refused","retry","delivered","delivered"]' \
		'.[0].text' "ok.example.test:$PORT: for some: mapper_parsing_exception"
	assert_equal "$(nginx_saw '.[0] | .uri, (.body | split("\n") | .[0], .[1])')" \
		'/bulk?filter_path=errors,items.*.status,items.*.error.type
{"create":{"_index":"audit","_id":"ID0"}}
{"@timestamp":"2026-07-14T03:33:20.000000Z","id":"ID0","n":0}'
}

@test 'each receiver is shown its token in its own way' {
	start_nginx
	local file=$BATS_TEST_TMPDIR/token
	for preset in splunk sumologic mezmo betterstack loki; do
		local path=
		[[ $preset != sumologic ]] || path=/receiver/v1/http/
		sink $preset '{"to":"'"$URL$path"'","preset":"'$preset'","token_file":"'"$file"'"}'
		drain $preset < <(events 1)
		assert_success
	done
	sink langfuse '{"to":"'"$URL"'","preset":"langfuse","user":"pk","token_file":"'"$file"'"}'
	drain langfuse < <(events 1) # nginx does not answer as Langfuse does
	assert_answer '.[0] | .result, .text' $'retry\n'"ok.example.test:$PORT: the answer leaves events out"
	assert_equal "$(nginx_saw 'map(.uri | sub("now=[0-9]{13}$"; "now=N")) | .[]')" \
		'/services/collector/event
/receiver/v1/http/first-token
/logs/ingest?hostname=h1&now=N
/
/loki/api/v1/push
/api/public/ingestion'
	assert_equal "$(nginx_saw '.[].authorization')" "Splunk first-token


Bearer first-token
Bearer first-token
Basic $(printf pk:first-token | base64)"
}

# ---- what is answered ----

@test 'a status says whether to come again, to give up, or to tell somebody' {
	start_nginx
	for code in 302 400 403 413 429 500; do
		sink "s$code" '{"to":"'"$URL/status/$code"'","token_file":"'"$BATS_TEST_TMPDIR"'/token"}'
		drain "s$code" < <(events 1)
		assert_failure 1
		echo "$code $(jq -r '.result + " " + (.retry_after_ms | tostring) + " " + .text' <<<"$output")"
	done >"$BATS_TEST_TMPDIR/said"
	assert_equal "$(sed "s/$PORT/PORT/" "$BATS_TEST_TMPDIR/said")" \
		'302 wrong 0 HTTP 302 from ok.example.test:PORT: redirects are not followed; it points to https://elsewhere.example.test/
400 refused 0 HTTP 400 from ok.example.test:PORT: no such field
403 wrong 0 HTTP 403 from ok.example.test:PORT
413 refused 0 HTTP 413 from ok.example.test:PORT
429 retry 7000 HTTP 429 from ok.example.test:PORT
500 retry 0 HTTP 500 from ok.example.test:PORT'
	assert_equal "$(nginx_saw length)" 6 # each was sent once
}

@test 'a token that is refused is read again, and is told nowhere' {
	local answer file=$BATS_TEST_TMPDIR/token
	start_nginx
	sink a '{"to":"'"$URL"'/token","token_file":"'"$file"'"}'
	mkfifo "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
	with_names "$BIN/sink_client" --module "$MODULE" "$POLICY" a <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
	exec {to}>"$BATS_TEST_TMPDIR/in" {from}<"$BATS_TEST_TMPDIR/out"
	{ events 1; echo; } >&"$to"
	read -r -t 20 -u "$from" answer
	# nginx quotes what it was shown
	assert_equal "$(jq -r '.result, .text' <<<"$answer")" \
		$'wrong\n'"HTTP 401 from ok.example.test:$PORT: who is Bearer ***********?"
	secret second-token "$file.next"
	mv "$file.next" "$file"
	{ events 1; echo; } >&"$to"
	read -r -t 20 -u "$from" answer
	assert_equal "$(jq -r .result <<<"$answer")" delivered
	! grep -aE "$TOKENS" "/proc/$!/cmdline" || fail 'a secret stands in the command line'
	exec {to}>&-
	wait "$!" || true
	assert_equal "$(nginx_saw '[.[] | "\(.status) \(.authorization)"] | join(", ")')" \
		'401 Bearer first-token, 401 Bearer first-token, 202 Bearer second-token'
}

@test 'a file of a secret that others can read, or that is no token, opens no sink' {
	local file=$BATS_TEST_TMPDIR/token
	sink a '{"to":"https://ok.example.test","token_file":"'"$file"'"}'
	chmod 644 "$file"
	drain a </dev/null
	assert_failure 3
	assert_answer '.[0].text' "it must be a file that is not empty, and that others cannot read: $file"
	chmod 600 "$file"
	printf 'first-token\r\nX-Evil: 1' >"$file"
	drain a </dev/null
	assert_failure 3
	assert_answer '.[0].text' "the secret in this file is not one line of ASCII: $file"
	rm "$file"
	drain a </dev/null
	assert_failure 3
	assert_answer '.[0].text' "this file of a secret is missing: $file"
}

# ---- who answers ----

@test 'a server without the right certificate gets nothing' {
	start_nginx
	sink expired '{"to":"https://expired.example.test:'"$PORT"'"}'
	sink stranger '{"to":"https://stranger.example.test:'"$PORT"'"}'
	sink name '{"to":"https://api.other.invalid:'"$PORT"'"}'
	sink system '{"to":"'"$URL"'","tls":{"ca_file":"/etc/ssl/certs/ca-certificates.crt"}}'
	echo '127.0.0.1 api.other.invalid' >>"$NSS_WRAPPER_HOSTS"
	for name in expired stranger name system; do
		drain $name < <(events 1)
		assert_failure 1
		assert_answer '.[0].result' wrong
		echo "$output" >>"$BATS_TEST_TMPDIR/said"
	done
	run jq -r .text "$BATS_TEST_TMPDIR/said"
	assert_line --index 0 --partial 'certificate has expired'
	assert_line --index 1 --regexp 'self.signed certificate'
	assert_line --index 2 --partial "subject name matches target host name 'api.other.invalid'"
	assert_line --index 3 --partial 'unable to get local issuer certificate'
	assert_equal "$(nginx_saw '[.[] | select(.status == 202)] | length')" 0
}

@test 'a receiver that wants a certificate gets ours; without one it is said aloud' {
	start_nginx
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3 -subj /CN=client \
		-CA "$CERTS/ca.pem" -CAkey "$CERTS/ca-key.pem" -keyout "$BATS_TEST_TMPDIR/client.key" \
		-out "$BATS_TEST_TMPDIR/client.pem" 2>/dev/null
	sink with '{"to":"https://wants.example.test:'"$PORT"'","tls":{"cert_file":"'"$BATS_TEST_TMPDIR"'/client.pem",
		"key_file":"'"$BATS_TEST_TMPDIR"'/client.key"}}'
	sink without '{"to":"https://wants.example.test:'"$PORT"'"}'
	drain with < <(events 1)
	assert_success
	drain without < <(events 1)
	assert_failure 1
	assert_answer '.[0].result' wrong
}

@test 'the proxies of the environment are not used, and plain HTTP does not leave this host' {
	start_nginx
	export https_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9
	export http_proxy=http://127.0.0.1:9 no_proxy='' NO_PROXY=''
	sink a '{"to":"'"$URL"'"}'
	drain a < <(events 1)
	assert_success
	sink plain '{"to":"http://127.0.0.1:'"$PORT"'","insecure_http":true}'
	drain plain < <(events 1) # nginx wants TLS there: the setting is wrong, no event is
	assert_answer '.[0].result' wrong '.[0].text' "HTTP 400 from 127.0.0.1:$PORT"
	# whatever the name is made to lead to
	sink named '{"to":"http://localhost:'"$PORT"'","insecure_http":true}'
	sed -i 's/^127.0.0.1 localhost$/192.0.2.1 localhost/' "$NSS_WRAPPER_HOSTS"
	drain named < <(events 1)
	assert_answer '.[0].text' "HTTP 400 from localhost:$PORT"
}

# ---- what goes wrong on the way ----

@test 'an answer that does not end, or does not come, is given up in time' {
	start_odd
	for path in slow-head slow-body endless-head endless-line interim silent; do
		sink $path '{"to":"'"$URL/$path"'","timeout_ms":400}'
		SECONDS=0
		drain $path < <(events 1)
		assert_failure 1
		assert_answer '.[0].result' retry
		((SECONDS < 5)) || fail "$path took $SECONDS s"
	done
	# the status came in time, and no more than its limit is read of the rest
	sink endless-body '{"to":"'"$URL"'/endless-body","timeout_ms":20000}'
	drain endless-body < <(events 1)
	assert_success
	sink bulk '{"to":"'"$URL"'/endless-body","preset":"opensearch","index":"i"}'
	drain bulk < <(events 1)
	assert_answer '.[0].result' retry
}

@test 'a connection that is cut anywhere means to come again; the next one is another' {
	start_odd
	for path in cut-request cut-body cut-head reset; do
		sink $path '{"to":"'"$URL/$path"'","timeout_ms":5000}'
		drain $path < <(events 1)
		assert_failure 1
		assert_answer '.[0].result' retry
	done
	sink mail '{"to":"'"$URL"'/no-http"}'
	drain mail < <(events 1)
	assert_answer '.[0].result' wrong
	sink taken '{"to":"'"$URL"'/taken"}'
	drain taken < <(events 1; echo; events 1) # it closes after each
	assert_success
	stop_receiver
	drain taken < <(events 1)
	assert_answer '.[0].result' retry
}

@test 'what a receiver says of our secrets does not come out of the sink' {
	start_odd
	sink words '{"to":"'"$URL"'/words","user":"ann","token_file":"'"$BATS_TEST_TMPDIR"'/token"}'
	drain words < <(events 1)
	assert_answer '.[0].result' refused
	refute_output --partial "$(printf ann:first-token | base64)"
	assert_output --partial 'Authorization: Basic ****'
}

# ---- OTLP ----

# otlp_saw JQ: of the receiver's requests, as one array.
otlp_saw() {
	jq -rsc "$1" "$BATS_TEST_TMPDIR/otlp"
}

# otlp_events N [ID]: as report/otlp makes them.
otlp_events() {
	events "$1" | jq -c --arg id "${2:-}" '.n = .json.n | .id = (if $id == "" then .id else $id end) | .otlp = {resourceLogs: [{
		resource: {attributes: [{key: "service.name", value: {stringValue: "aigw"}}, {key: "process.pid", value: {intValue: "7"}}]},
		scopeLogs: [{scope: {name: "aigw", version: "0.1.0"}, logRecords: [{
			timeUnixNano: (.time_ns | tostring), observedTimeUnixNano: (.time_ns | tostring), severityNumber: 9,
			severityText: "INFO", eventName: "gen_ai.client.inference.operation.details",
			attributes: [{key: "gen_ai.operation.name", value: {stringValue: "chat"}},
				{key: "gen_ai.provider.name", value: {stringValue: "openai"}},
				{key: "gen_ai.request.model", value: {stringValue: "gpt-5"}},
				{key: "gen_ai.usage.input_tokens", value: {intValue: "\(10 + .n)"}},
				{key: "aigw.timing.total_us", value: {intValue: "1500000"}},
				{key: "aigw.cost.usd", value: {doubleValue: 0.5}},
				{key: "aigw.http.stream", value: {boolValue: true}},
				{key: "gen_ai.response.finish_reasons", value: {arrayValue: {values: [{stringValue: "stop"}]}}},
				{key: "aigw.id", value: {stringValue: .id}}],
			body: {kvlistValue: {values: [{key: "request.body", value: {bytesValue: "AAE="}}]}}}]}]}]}'
}

@test 'OTLP: logs and metrics are what the published proto says, to the last field' {
	start_otlp
	sink o '{"type":"otlp","to":"'"$URL"'/","metrics":true,"gzip":true,"token_file":"'"$BATS_TEST_TMPDIR"'/token"}'
	drain o < <(otlp_events 3)
	assert_success
	assert_equal "$(otlp_saw '.[] | "\(.path) \(.type) \(.authorization) \(.lost)"')" \
		'/v1/logs application/json Bearer first-token []
/v1/metrics application/json Bearer first-token []'
	assert_equal "$(otlp_saw '.[0].decoded.resourceLogs | [length, (.[0].scopeLogs[0].logRecords | length)]')" '[1,3]'
	assert_equal "$(otlp_saw '[.[1].decoded.resourceMetrics[0].scopeMetrics[0].metrics[] | [.name, .unit,
		.histogram.aggregationTemporality, (.histogram.dataPoints[0] | .count, .sum, .min, .max,
		(.bucketCounts | index("3")), (.bucketCounts | length), (.explicitBounds | length))]]')" \
		'[["gen_ai.client.token.usage","{token}",1,"3",33,10,12,2,15,14],["gen_ai.client.operation.duration","s",1,"3",4.5,1.5,1.5,8,15,14]]'
	assert_equal "$(otlp_saw '.[1].decoded.resourceMetrics[0].scopeMetrics[0].metrics[0].histogram.dataPoints[0].attributes[-1]')" \
		'{"key":"gen_ai.token.type","value":{"stringValue":"input"}}'
}

@test 'OTLP: what our own log says comes through the published proto unchanged' {
	the_policy_allows 'openai/gpt-5*'
	start_provider
	chat -d "$(body gpt-5)" >/dev/null
	stop_provider
	start_otlp
	aigw export --format otlp-json --all >"$BATS_TEST_TMPDIR/own"
	sink o '{"type":"otlp","to":"'"$URL"'"}'
	drain o < <(jq -c '{id: "ID", otlp: .}' "$BATS_TEST_TMPDIR/own")
	assert_success
	assert_equal "$(otlp_saw '.[].lost')" '[]'
	assert_equal "$(otlp_saw '[.[0].decoded.resourceLogs[].scopeLogs[].logRecords[] | .attributes[] | select(.key == "gen_ai.request.model")
		| .value.stringValue] | unique')" '["gpt-5"]'
}

@test 'OTLP: a record that is rejected is found in smaller batches; metrics that have to wait are not lost' {
	start_otlp
	sink o '{"type":"otlp","to":"'"$URL"'/rejecting"}'
	drain o < <(otlp_events 2; otlp_events 1 BAD; echo; otlp_events 1 BAD; echo; otlp_events 2)
	assert_failure 1
	assert_answer '[.[].result]' '["refused","refused","delivered"]' \
		'.[0].text' "ok.example.test:$PORT: 1 was rejected: not that one"
	sink w '{"type":"otlp","to":"'"$URL"'/waiting","metrics":true}'
	drain w < <(otlp_events 2; echo; otlp_events 1)
	assert_success
	assert_answer '.[0].text' "HTTP 200 from ok.example.test:$PORT; metrics wait: HTTP 503 from ok.example.test:$PORT: {}"
	assert_equal "$(otlp_saw '[.[] | select(.path == "/waiting/v1/metrics") | [.status,
		.decoded.resourceMetrics[0].scopeMetrics[0].metrics[0].histogram.dataPoints[0].count]]')" \
		'[[503,"2"],[200,"2"],[200,"1"]]'
}
