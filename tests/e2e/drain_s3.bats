#!/usr/bin/env bats
# Sealed segments into a bucket: s3rver, with a door in front that checks each signature (by AWS's own
# signer) and each body's checksum, and fails when it is told to (tests/bin/s3-server). What s3rver has not is
# not checked here: that a lock locks (only that it is asked for), the checksum of an upload in parts as
# S3 makes it, and what its HEAD says of checksums; the digest in the object's metadata stands in for it.
load helper

MODULE=$BUILD/modules/aigw-sink-http.so

setup_file() {
	S=$(mktemp -d /tmp/aigw-s3-XXXXXX)
	export S
	start_server "$S"
	export S3_PORT=$PORT S3_PID=$SERVER
}

teardown_file() {
	kill "$S3_PID"
	rm -rf "$S"
}

# start_server DIRECTORY [CERT KEY]: sets $PORT, $SERVER.
start_server() {
	mkfifo "$1/ready"
	node "$ROOT/tests/bin/s3-server" "$NPM_CLIENTS/node_modules" "$@" >"$1/ready" 2>"$1/err" 3>&- &
	SERVER=$!
	read -r -t 60 PORT <"$1/ready"
}

setup() {
	: >"$S/log"
	rm -f "$S/faults"
	printf 'S3RVER:S3RVER\n' >"$BATS_TEST_TMPDIR/key"
	chmod 600 "$BATS_TEST_TMPDIR/key"
}

# the_sink [MEMBERS,]: its policy; MEMBERS are JSON with a comma behind, the first of a name counts.
the_sink() {
	local to='"to":"http://127.0.0.1:'$S3_PORT'","insecure_http":true,"path_style":true,"bucket":"audit",'
	[[ ${1:-} != *'"to"'* ]] || to=
	printf '{"version":1,"audit":{"recipients":["aigw1example0replaced0by0aigw0init"]},"environments":{"e":{}},' \
		>"$BATS_TEST_TMPDIR/policy.json"
	printf '"default_environment":"e","drains":{"sinks":{"s":{%s%s"type":"s3","prefix":"p/%s","access_key_file":"%s"}}}}' \
		"${1:-}" "$to" "$BATS_TEST_NUMBER" "$BATS_TEST_TMPDIR/key" >>"$BATS_TEST_TMPDIR/policy.json"
}

# segment PATH: one line for the client.
segment() {
	printf '{"id":"%s","process":"p","host":"web-1","time_ns":1796020501123456789,"path":"%s","json":{"file":"%s"}}\n' \
		"$1" "$1" "${1##*/}"
}

# random NAME BYTES: a file that need not be a segment; prints its path.
random() {
	mkdir -p "$BATS_TEST_TMPDIR/2026-11-24"
	head -c "$2" /dev/urandom >"$BATS_TEST_TMPDIR/2026-11-24/$1.aigw"
	echo "$BATS_TEST_TMPDIR/2026-11-24/$1.aigw"
}

sent() {
	"$BIN/sink_client" --module "$MODULE" "$BATS_TEST_TMPDIR/policy.json" s
}

# assert_sent RESULT...: one for each batch.
assert_sent() {
	assert_equal "$(jq -r .result <<<"$output" | tr '\n' ' '): $output" "$* : $output"
}

# assert_requests LINE...: METHOD and what follows the test's own place in the URL, in order.
assert_requests() {
	assert_equal "$(jq -r '"\(.method) \(.url)"' "$S/log" | sed -E "s|/audit/p/$BATS_TEST_NUMBER/web-1/||; s/uploadId=.*/uploadId/")" \
		"$(printf '%s\n' "$@")"
}

# got KEY: an object, as the store has it.
got() {
	cat "$S/objects/audit/p/$BATS_TEST_NUMBER/$1._S3rver_object"
}

@test "a log that was drained and read back is whole" {
	local path name
	initialised
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" days >/dev/null
	the_sink
	find "$AIGW_HOME/audit" -name '*.aigw' | sort >"$BATS_TEST_TMPDIR/paths"
	run sent < <(while read -r path; do segment "$path"; done <"$BATS_TEST_TMPDIR/paths")
	assert_sent delivered
	mkdir "$BATS_TEST_TMPDIR/back"
	cp -r "$AIGW_HOME/audit/." "$BATS_TEST_TMPDIR/back"
	while read -r path; do
		name=${path#"$AIGW_HOME/audit/"}
		got "web-1/$name" >"$BATS_TEST_TMPDIR/back/$name"
		cmp "$path" "$BATS_TEST_TMPDIR/back/$name"
		assert_equal "$(got "web-1/${name%.aigw}.manifest.json")" "{\"file\":\"${name##*/}\"}"
	done <"$BATS_TEST_TMPDIR/paths"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/paths") -ge 3 ]]
	run aigw verify --directory "$BATS_TEST_TMPDIR/back"
	[[ $status = 0 || $status = 3 ]] || fail "$output" # 3: no witness
}

@test "what is there is not sent again; what has grown is" {
	local path
	path=$(random a 1000)
	the_sink '"lock_days":30,'
	run sent < <(segment "$path")
	assert_sent delivered
	run sent < <(segment "$path")
	assert_sent delivered
	assert_requests 'HEAD 2026-11-24/a.aigw' 'PUT 2026-11-24/a.aigw' 'HEAD 2026-11-24/a.manifest.json' \
		'PUT 2026-11-24/a.manifest.json' 'HEAD 2026-11-24/a.aigw' 'HEAD 2026-11-24/a.manifest.json'
	assert_equal "$(jq -rs '[.[] | select(.method == "PUT") | .headers | .["x-amz-object-lock-mode"],
		(.["x-amz-object-lock-retain-until-date"][:10])] | unique | join(" ")' "$S/log")" \
		"$(date -u -d '+30 days' +%F) GOVERNANCE"
	echo more >>"$path"
	the_sink '"lock_days":30,"lock_compliance":true,'
	run sent < <(segment "$path")
	assert_sent delivered
	cmp "$path" <(got web-1/2026-11-24/a.aigw)
	assert_equal "$(jq -rs 'last(.[] | select(.method == "PUT")).headers["x-amz-object-lock-mode"]' "$S/log")" COMPLIANCE
}

@test "a large one goes in parts, and goes on where it was" {
	local path
	path=$(random big $((11 * 1024 * 1024)))
	the_sink '"part_bytes":5242880,'
	echo 'PUT partNumber=2 503' >"$S/faults"
	run sent < <(segment "$path"; echo; segment "$path")
	assert_sent retry delivered
	assert_output --partial SlowDown
	assert_requests 'HEAD 2026-11-24/big.aigw' 'POST 2026-11-24/big.aigw?uploads' \
		'PUT 2026-11-24/big.aigw?partNumber=1&uploadId' 'PUT 2026-11-24/big.aigw?partNumber=2&uploadId' \
		'HEAD 2026-11-24/big.aigw' 'PUT 2026-11-24/big.aigw?partNumber=2&uploadId' \
		'PUT 2026-11-24/big.aigw?partNumber=3&uploadId' 'POST 2026-11-24/big.aigw?uploadId' \
		'HEAD 2026-11-24/big.manifest.json' 'PUT 2026-11-24/big.manifest.json'
	cmp "$path" <(got web-1/2026-11-24/big.aigw)
	run sent < <(segment "$path")
	assert_sent delivered
	assert_equal "$(jq -rs 'last.method' "$S/log")" HEAD
}

@test "an upload that cannot be completed is taken back" {
	local path
	path=$(random big $((6 * 1024 * 1024)))
	the_sink '"part_bytes":5242880,'
	echo 'PUT partNumber=2 403' >"$S/faults"
	run sent < <(segment "$path")
	assert_sent wrong
	assert_equal "$(jq -rs '[.[].method] | join(" ")' "$S/log")" 'HEAD POST PUT PUT DELETE'
	printf 'PUT partNumber=2 503\n' >"$S/faults" # and at the end of a process, too
	run sent < <(segment "$path")
	assert_sent retry
	assert_equal "$(jq -rs 'last.method' "$S/log")" DELETE
}

@test "an answer that was lost is found out by looking" {
	local path
	path=$(random a 1000)
	the_sink
	printf '%s\n' 'PUT a.aigw late' 'PUT a.aigw late' >"$S/faults"
	run sent < <(segment "$path"; echo; segment "$path")
	assert_sent retry delivered
	assert_equal "$(jq -rs '[.[] | select(.url | endswith(".aigw")).method] | join(" ")' "$S/log")" 'HEAD PUT PUT HEAD'
	cmp "$path" <(got web-1/2026-11-24/a.aigw)
}

@test "a wrong key, a bucket that is not there: said, without the secret" {
	local path
	path=$(random a 10)
	printf 'S3RVER:wrong0secret' >"$BATS_TEST_TMPDIR/key"
	the_sink
	run sent < <(segment "$path")
	assert_sent wrong
	assert_output --partial SignatureDoesNotMatch
	refute_output --partial wrong0secret
	printf 'S3RVER:S3RVER' >"$BATS_TEST_TMPDIR/key"
	the_sink '"bucket":"nowhere","to":"http://127.0.0.1:'"$S3_PORT"'","insecure_http":true,"path_style":true,'
	run sent < <(segment "$path")
	assert_sent wrong
	assert_output --partial NoSuchBucket
	printf 'no-colon' >"$BATS_TEST_TMPDIR/key"
	run sent < <(segment "$path")
	assert_failure 3
	assert_output --partial 'ID:SECRET'
}

@test "a segment that is gone does not hold the others; a heartbeat has a place of its own" {
	local a b
	a=$(random a 10)
	b=$(random b 10)
	the_sink
	run sent < <(segment "$a"; segment /nowhere/2026-11-24/x.aigw; segment "$b"
		echo '{"id":"h","host":"web-1","heartbeat":true,"json":{"type":"heartbeat"}}')
	assert_sent partly
	assert_equal "$(jq -c .results <<<"$output")" '["delivered","refused","delivered","delivered"]'
	assert_equal "$(got web-1/heartbeat.json)" '{"type":"heartbeat"}'
}

@test "the bucket as a part of the host's name, over TLS" {
	local path
	path=$(random a 1000)
	mkdir "$BATS_TEST_TMPDIR/tls"
	start_server "$BATS_TEST_TMPDIR/tls" "$CERTS/cert.pem" "$CERTS/key.pem"
	the_sink '"to":"https://example.test:'"$PORT"'","bucket":"other","tls":{"ca_file":"'"$CERTS/ca.pem"'"},'
	run with_names "$BIN/sink_client" --module "$MODULE" "$BATS_TEST_TMPDIR/policy.json" s < <(segment "$path")
	assert_sent delivered
	assert_equal "$(jq -rs 'last | "\(.headers.host) \(.url)"' "$BATS_TEST_TMPDIR/tls/log")" \
		"other.example.test:$PORT /p/$BATS_TEST_NUMBER/web-1/2026-11-24/a.manifest.json"
	the_sink '"to":"https://example.test:'"$PORT"'","bucket":"other",'
	run with_names env -u SSL_CERT_FILE -u CURL_CA_BUNDLE "$BIN/sink_client" --module "$MODULE" "$BATS_TEST_TMPDIR/policy.json" s < <(segment "$path")
	kill "$SERVER"
	assert_sent wrong
	assert_output --partial certificate
}
