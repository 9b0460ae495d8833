#!/usr/bin/env bats
# Programs with many threads, program and library built with ThreadSanitizer: what each call comes to, and
# that no two threads of ours meet at one place. `make tsan` runs this; the library is linked in front of
# all others, which is where LD_PRELOAD would put it, so that no other program needs the sanitizer.
load ../e2e/helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	T=$(mktemp -d /tmp/aigw-tsan-XXXXXX) # sockets' names have to be short
	RACES=$BATS_TEST_TMPDIR/race
	the_policy_allows 'openai/gpt-5*'
	start_provider
}

teardown() {
	local pid
	for pid in "${DAEMONS[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	stop_provider
	chattr -R -a "$T" 2>/dev/null || true # a collector's log
	rm -rf "$T"
}

DAEMONS=()
OPENSSL=(allowed refused twice stream gone other)
GNUTLS=(gnutls-allowed gnutls-refused gnutls-other)

# sanitized CLIENT ARGUMENT...: fails when there is a report, and shows it.
sanitized() {
	run --separate-stderr env TSAN_OPTIONS="log_path=$RACES exitcode=66 history_size=4 die_after_fork=0 \
		suppressions=$ROOT/tests/tsan/suppressions" timeout -k 2 120 "$TSAN/tests/$1" "${@:2}"
	if compgen -G "$RACES.*" >/dev/null; then
		cat "$RACES".*
		fail "$1 has races"
	fi
	[[ $status = 0 ]] || fail "$1 ended with $status: $stderr"
}

# threads OPTION... KIND...
threads() {
	sanitized thread_client --ca "$CERTS/ca.pem" --port "$PORT" "$@"
}

# start_daemon WORDS ARGUMENT...: aigwd, once it has said that.
start_daemon() {
	local line
	mkfifo "$T/said"
	exec {said}<>"$T/said"
	"$BUILD/aigwd" --foreground "${@:2}" >/dev/null 2>"$T/said" 3>&- &
	DAEMONS+=($!)
	while read -r -t 20 -u "$said" line; do
		[[ $line != *"$1"* ]] || return 0
	done
	return 1
}

# policy [AUDIT [MORE]]: gpt-5 may be asked; more members of "audit" and of the policy.
policy() {
	echo "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"]${1:+, $1} }, ${2:+$2,}
		\"environments\": { \"test\": { \"models\": { \"allow\": [\"openai/gpt-5*\"] } } },
		\"default_environment\": \"test\" }"
}

# answered COUNT OUTCOME: so many records have it, and the log is whole.
answered() {
	assert_equal "$(records "map(select(.outcome == \"$2\")) | length") $2" "$1 $2"
}

@test 'the tests see a race: one that is made on purpose is reported' {
	run env TSAN_OPTIONS="log_path=$RACES exitcode=66" "$TSAN/tests/race"
	assert_equal "$status" 66
	grep -q 'data race' "$RACES".*
}

@test 'threads that open, use and close sessions of two libraries' {
	threads --threads 6 --rounds 8 "${OPENSSL[@]}" "${GNUTLS[@]}"
	assert_output "$(printf '%s as expected 48, not 0\n' "${OPENSSL[@]}" "${GNUTLS[@]}")"
	# each once per round, refused also as the second call of "twice"
	answered 144 refused
	assert_log_whole
}

@test 'threads, forks, and a policy that changes the directory and the durability of the log' {
	policy >first
	policy "\"durability\": \"synced\", \"directory\": \"$AIGW_HOME/other\"" >second
	cp first first.live
	AIGW_POLICY=$PWD/first.live threads --threads 4 --rounds 10 --forks 40 --policies first second \
		"${OPENSSL[@]}" gnutls-refused
	assert_output "$(printf '%s as expected 40, not 0\n' "${OPENSSL[@]}" gnutls-refused)"
	run aigw verify # the children ended without closing their segments
	refute_output --partial tampered
	assert_output --partial 'the seal of every record'
	[[ -d $AIGW_HOME/other ]]
}

@test 'threads without TLS' {
	local tls=$PORT
	stop_provider
	start_provider --plain
	policy '' "\"providers\": { \"mine\": { \"dialect\": \"openai\", \"hosts\": [\"127.0.0.1\"], \"plaintext\": true } }" \
		>"$AIGW_HOME/policy.json"
	sanitized thread_client --ca "$CERTS/ca.pem" --port "$tls" --plain-port "$PORT" --threads 6 --rounds 20 plain
	assert_output 'plain as expected 120, not 0'
	answered 120 refused
}

@test 'threads and forks that record through a collector' {
	policy "\"via\": \"collector\", \"socket\": \"$T/collect.sock\", \"directory\": \"$T/log\"" >"$AIGW_HOME/policy.json"
	start_daemon 'collecting into' --socket "$T/collect.sock" --policy "$AIGW_HOME/policy.json"
	threads --threads 6 --rounds 6 --forks 20 "${OPENSSL[@]}"
	assert_output "$(printf '%s as expected 36, not 0\n' "${OPENSSL[@]}")"
}

@test 'threads and forks whose keys come from a holder' {
	policy '' "\"keys\": { \"via\": \"holder\", \"socket\": \"$T/keys.sock\" }" >"$AIGW_HOME/policy.json"
	printf 'sk-real-secret' | aigw key import --provider openai --store "$T/keys" >/dev/null
	start_daemon 'holding the keys in' --hold-keys --socket "$T/keys.sock" --store "$T/keys"
	API_KEY=$(aigw key create --environment test --name threads --store "$T/keys" --json | jq -r .key) \
		threads --threads 4 --rounds 6 --forks 20 allowed refused stream
	assert_output "$(printf '%s as expected 24, not 0\n' allowed refused stream)"
	assert_equal "$(provider_saw '[.[] | select(.event == "request").headers[] |
		select(.[0] | ascii_downcase == "authorization")[1]] | unique | join(" ")')" 'Bearer sk-real-secret'
}

@test 'threads and forks under limits that they share' {
	policy '' '"organization": { "limits": { "requests_per_minute": 100000, "concurrent_requests": 64,
		"usd_per_day": 100 } }' >"$AIGW_HOME/policy.json"
	threads --threads 6 --rounds 6 --forks 20 allowed refused twice stream
	assert_output "$(printf '%s as expected 36, not 0\n' allowed refused twice stream)"
}

@test 'one thread reads what another one asks for, over GnuTLS, which allows that' {
	local body='{"model":"gpt-5","messages":[]}' way
	printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: Bearer sk-test\r\nContent-Length: %d\r\n\r\n%s' \
		${#body} "$body" >call
	for way in '' --nonblocking --own; do
		# shellcheck disable=SC2086
		sanitized gnutls_client --ca "$CERTS/ca.pem" --threads $way --answers 1 "$PORT" <call
		assert_output --partial 'HTTP/1.1 200 '
		sed 's/gpt-5/gpt-4/' call >refused
		# shellcheck disable=SC2086
		sanitized gnutls_client --ca "$CERTS/ca.pem" --threads $way "$PORT" <refused
		assert_output --partial 'HTTP/1.1 403 '
	done
}
