#!/usr/bin/env bats
# Records into Kafka: librdkafka's own mock cluster, in a process of its own, and what a consumer finds
# there (tests/bin/kafka_mock.c). It knows neither TLS nor SASL: these are put in front of it
# (tests/bin/kafka-tls); SCRAM and OAUTHBEARER cannot be checked here.
load helper

MODULE=$BUILD/modules/aigw-sink-kafka.so
NOT_LEADER=6 TIMED_OUT=7 TOO_LARGE=10 NOT_ENOUGH_REPLICAS=19 NOT_AUTHORIZED=29 PRODUCE=0

# start_cluster BROKERS PARTITIONS: sets $BROKERS.
start_cluster() {
	coproc MOCK { "$BIN/kafka_mock" "$1" records "$2" 2>"$BATS_TEST_TMPDIR/mock.err" 3>&-; }
	exec {mock_in}>&"${MOCK[1]}" {mock_out}<&"${MOCK[0]}"
	MOCK_RUNS=$MOCK_PID
	read -r -t 20 -u "$mock_out" BROKERS
}

teardown() {
	[[ ! ${MOCK_RUNS:-} ]] || kill "$MOCK_RUNS"
	[[ ! ${TLS_PID:-} ]] || kill "$TLS_PID"
}

# cluster WORD...: one of its commands.
cluster() {
	local answer
	echo "$*" >&"$mock_in"
	read -r -t 20 -u "$mock_out" answer
	assert_equal "$answer" ok
}

# arrived JQ: what a consumer finds, as an array.
arrived() {
	local line
	echo read >&"$mock_in"
	while read -r -t 30 -u "$mock_out" line && [[ $line != end ]]; do printf '%s\n' "$line"; done |
		jq -rs "$1"
}

# the_sink [MEMBERS, [PROPERTIES]]: its policy; both are members as JSON, with a comma behind the first.
the_sink() {
	printf '{"version":1,"audit":{"recipients":["aigw1example0replaced0by0aigw0init"]},"environments":{"e":{}},' \
		>"$BATS_TEST_TMPDIR/policy.json"
	printf '"default_environment":"e","drains":{"sinks":{"k":{%s"type":"kafka","to":"%s","topic":"records","properties":{%s}}}}}' \
		"${1:-}" "$BROKERS" "${2:-}" >>"$BATS_TEST_TMPDIR/policy.json"
}

# event ID [PROCESS [JSON [MEMBERS,]]]: one line for the client.
event() {
	printf '{"id":"%s",%s"process":"%s","time_ns":1796020501123456789,"json":%s}\n' "$1" "${4:-}" "${2:-web-1:77}" \
		"${3:-"{\"id\":\"$1\"}"}"
}

# events FIRST LAST PROCESSES
events() {
	local i
	for ((i = $1; i <= $2; i++)); do event "$i" "process $((i % $3))"; done
}

sent() {
	"$BIN/sink_client" --module "$MODULE" "$BATS_TEST_TMPDIR/policy.json" k
}

# assert_sent RESULT: what the client printed last.
assert_sent() {
	assert_equal "$(tail -n 1 <<<"$output" | jq -r .result): $output" "$1: $output"
}

@test "an event is one message: key, headers, time and value" {
	start_cluster 1 1
	the_sink
	run sent < <(event A 'web-1:77' '{"id":"A","say":"€"}'; event B '' '{}' '"kind":"gap",'; event C x '{}' '"heartbeat":true,')
	assert_sent delivered
	run arrived '.[] | "\(.key)|\(.id)|\(.kind)|\(.time_ms)|\(.value | tojson)"'
	assert_line --index 0 'web-1:77|A|exchange|1796020501123|{"id":"A","say":"€"}'
	assert_line --index 1 'web-1:77|B|gap|1796020501123|{}'
	assert_line --index 2 'x|C|heartbeat|1796020501123|{}'
}

@test "what a cluster stumbles over is delivered once, and each process in its order" {
	start_cluster 3 5
	the_sink
	cluster fail "$PRODUCE" "$NOT_LEADER" "$TIMED_OUT" 0 "$NOT_ENOUGH_REPLICAS" 0 "$TIMED_OUT" "$NOT_LEADER"
	run sent < <(events 1 500 7; echo; events 501 1000 7; echo; events 1001 1200 7)
	assert_success
	run arrived '[length, ([.[].id | tonumber] | unique | length), ([group_by(.key)[] | [.[].id | tonumber] | . == sort] | all),
		([group_by(.key)[] | [.[].partition] | unique | length] | unique)] | tojson'
	assert_output '[1200,1200,true,[1]]'
}

@test "one event that is too large does not hold the others" {
	start_cluster 1 1
	the_sink '' '"message.max.bytes":"2000"'
	run sent < <(event A; event B p "\"$(printf '%03000d' 0)\""; event C)
	assert_sent partly
	assert_equal "$(jq -c .results <<<"$output")" '["delivered","refused","delivered"]'
	assert_equal "$(arrived '[.[].id] | join(" ")')" 'A C'
	the_sink
	cluster fail "$PRODUCE" "$TOO_LARGE"
	run sent < <(event D)
	assert_sent refused
	assert_output --partial 'too large'
	refute_output --partial 'id\"' # not what the record says
}

@test "a cluster that is away is tried again, one that refuses us is told of" {
	start_cluster 1 1
	the_sink '"timeout_ms":500,' '"reconnect.backoff.ms":"20","reconnect.backoff.max.ms":"50"'
	cluster down 1
	run sent < <(event A)
	assert_sent retry
	cluster up 1
	the_sink '"timeout_ms":20000,'
	run sent < <(event A)
	assert_sent delivered
	cluster fail "$PRODUCE" "$NOT_AUTHORIZED"
	run sent < <(event B)
	assert_sent wrong
	assert_output --partial 'uthorization failed'
}

@test "no answer in time is no delivery, and the next batch is not held up by it" {
	start_cluster 1 1
	the_sink '"timeout_ms":1500,'
	coproc SINK { sent 3>&-; }
	{ event A; echo; } >&"${SINK[1]}"
	read -r -t 20 first <&"${SINK[0]}"
	cluster rtt 1 4000
	{ event B; echo; } >&"${SINK[1]}"
	read -r -t 20 second <&"${SINK[0]}"
	cluster rtt 1 0
	{ event B; event C; echo; } >&"${SINK[1]}"
	read -r -t 20 third <&"${SINK[0]}"
	exec {SINK[1]}>&-
	assert_equal "$(jq -r .result <<<"$first$second$third" | tr '\n' ' ')" 'delivered retry delivered '
	run arrived '[.[].id] | join(" ")'
	assert_output --regexp '^A (B )?B C$' # B once more, if it was on the wire
}

@test "TLS: the cluster's certificate is checked; SASL: the password comes from its file" {
	start_cluster 1 1
	start_tls
	printf 'open sesame 7' >"$BATS_TEST_TMPDIR/password"
	chmod 600 "$BATS_TEST_TMPDIR/password"
	ca="\"tls\":{\"ca_file\":\"$CERTS/ca.pem\"},\"timeout_ms\":20000,"
	the_sink "$ca" '"security.protocol":"ssl"'
	run sent < <(event A)
	assert_sent delivered
	the_sink '"timeout_ms":700,' '"security.protocol":"ssl"'
	run env -u SSL_CERT_FILE "$BIN/sink_client" --module "$MODULE" "$BATS_TEST_TMPDIR/policy.json" k < <(event B)
	assert_sent wrong
	assert_output --partial 'certificate'

	kill "$TLS_PID"
	start_tls aigw 'open sesame 7'
	sasl='"security.protocol":"sasl_ssl","sasl.mechanism":"PLAIN","sasl.username":"aigw"'
	the_sink "$ca\"password_file\":\"$BATS_TEST_TMPDIR/password\"," "$sasl"
	run sent < <(event C)
	assert_sent delivered
	echo 'another secret' >"$BATS_TEST_TMPDIR/password"
	the_sink "${ca/20000/700}\"password_file\":\"$BATS_TEST_TMPDIR/password\"," "$sasl"
	run sent < <(event D)
	refute_output --partial delivered
	refute_output --partial 'another secret'
	assert_equal "$(arrived '[.[].id] | join(" ")')" 'A C'
}

# start_tls [USER PASSWORD]: in front of the cluster's one broker, which $BROKERS is then.
start_tls() {
	local ready=$BATS_TEST_TMPDIR/tls-ready
	rm -f "$ready"
	mkfifo "$ready"
	PLAIN_PORT=${PLAIN_PORT:-${BROKERS##*:}}
	"$ROOT/tests/bin/kafka-tls" "$CERTS/cert.pem" "$CERTS/key.pem" "$PLAIN_PORT" "$ready" "$@" 3>&- &
	TLS_PID=$!
	read -r -t 20 BROKERS <"$ready"
	BROKERS=127.0.0.1:$BROKERS
}

@test "settings that would lose records, or show a password, are not taken" {
	BROKERS=127.0.0.1:1
	the_sink '' '"test.mock.num.brokers":"3"'
	run sent < <(event A)
	[[ $status = 2 || $status = 3 ]] # when the policy is read, or when the sink opens
	assert_output --partial 'test.mock.num.brokers'
	printf x >"$BATS_TEST_TMPDIR/password"
	chmod 600 "$BATS_TEST_TMPDIR/password"
	the_sink "\"password_file\":\"$BATS_TEST_TMPDIR/password\"," '"security.protocol":"sasl_plaintext","sasl.username":"u"'
	run sent < <(event A)
	[[ $status = 2 || $status = 3 ]] # when the policy is read, or when the sink opens
	assert_output --partial 'sasl_ssl'
	the_sink '' '"linger.ms":"soon"'
	run sent < <(event A)
	[[ $status = 2 || $status = 3 ]] # when the policy is read, or when the sink opens
	assert_output --partial 'linger.ms'
}
