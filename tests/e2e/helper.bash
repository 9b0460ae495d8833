# The words the end-to-end tests are written in. Loaded by every .bats file here:
#
#	load helper
#	setup() { start_provider; the_policy_allows 'openai/gpt-5*'; }
#	teardown() { stop_provider; }
#
# $BUILD says which build is tested (build). Nothing outside $BATS_TEST_TMPDIR is written.
# shellcheck shell=bash disable=SC2034,SC2154  # many variables are for, or from, the tests
bats_require_minimum_version 1.5.0
# The libraries ask for the name of their directory thirty times a test: not with a program each.
dirname() { printf '%s\n' "${1%/*}"; }
bats_load_library bats-support
bats_load_library bats-assert
unset -f dirname

ROOT=${BATS_TEST_DIRNAME%/tests/*}
BUILD=${BUILD:-build}
[[ $BUILD = /* ]] || BUILD=$ROOT/$BUILD
SHIM=$BUILD/libaigw.so
BIN=${TEST_BIN:-$BUILD/tests} # provider, tls_client
CLIENTS=$ROOT/tests/e2e/clients
PYTHON=/usr/bin/python3 # the one whose ssl module is Debian's OpenSSL
NODES=$BUILD/node       # 20/node, 22/node, 24/node, packages: tools/dev/install-node-clients

export AIGW_HOME=$BATS_TEST_TMPDIR/home
export API_KEY=sk-test-Zq8vT2kLw0aYc5nR7dXe3uPm # looked for in the log: must never be found
unset AIGW AIGW_POLICY AIGW_ENVIRONMENT AIGW_EXPLAIN

# Each library's own way to learn of an authority. Nothing of ours.
export SSL_CERT_FILE=$CERTS/ca.pem CURL_CA_BUNDLE=$CERTS/ca.pem REQUESTS_CA_BUNDLE=$CERTS/ca.pem
export PERL_LWP_SSL_CA_FILE=$CERTS/ca.pem NODE_EXTRA_CA_CERTS=$CERTS/ca.pem
export no_proxy='*' NO_PROXY='*' PYTHONDONTWRITEBYTECODE=1

# The names of the providers lead to our own, without root: nss_wrapper answers from this file.
export NSS_WRAPPER_HOSTS=$BATS_TEST_TMPDIR/hosts
for name in api.openai.com api.anthropic.com api.openai.test plain.example.test other.example.test; do
	echo "127.0.0.1 $name"
done >"$NSS_WRAPPER_HOSTS"
NAMES=libnss_wrapper.so
NPM_CLIENTS=$BUILD/npm-clients # bun, deno: tools/dev/install-npm-clients

# ---- the provider ----

# start_provider [options of the provider]: sets $PORT and the URLs; returns once it listens.
start_provider() {
	local ready
	PROVIDER_LOG=$BATS_TEST_TMPDIR/provider.log
	: >"$PROVIDER_LOG"
	rm -f "$BATS_TEST_TMPDIR/ready"
	mkfifo "$BATS_TEST_TMPDIR/ready"
	env -u LD_PRELOAD "$BIN/provider" --cert "$CERTS/cert.pem" --key "$CERTS/key.pem" \
		--ready "$BATS_TEST_TMPDIR/ready" --log "$PROVIDER_LOG" "$@" \
		>"$BATS_TEST_TMPDIR/provider.out" 2>&1 3>&- &
	PROVIDER_PID=$!
	exec {ready}<>"$BATS_TEST_TMPDIR/ready" # both ways: opening does not wait for the other side
	if ! read -r -t 20 -u "$ready" PORT; then
		cat "$BATS_TEST_TMPDIR/provider.out" >&2
		return 1
	fi
	exec {ready}>&-
	OPENAI=https://api.openai.com:$PORT/v1
	ANTHROPIC=https://api.anthropic.com:$PORT/v1
	PLAIN=https://plain.example.test:$PORT
}

# Ends the provider after it has read and logged everything that was sent to it. Harmless twice.
stop_provider() {
	[[ ${PROVIDER_PID:-} ]] || return 0
	kill "$PROVIDER_PID" 2>/dev/null || true
	wait "$PROVIDER_PID" || return 1
	PROVIDER_PID=
}

# start_proxy: HTTP and SOCKS, to the provider's port; sets $PROXY_PORT. stop_proxy: harmless twice.
start_proxy() {
	local ready
	mkfifo "$BATS_TEST_TMPDIR/proxy-ready"
	"$ROOT/tests/bin/proxy" "$BATS_TEST_TMPDIR/proxy-ready" >"$BATS_TEST_TMPDIR/proxy.out" 2>&1 3>&- &
	PROXY_PID=$!
	exec {ready}<>"$BATS_TEST_TMPDIR/proxy-ready"
	if ! read -r -t 20 -u "$ready" PROXY_PORT; then
		cat "$BATS_TEST_TMPDIR/proxy.out" >&2
		return 1
	fi
	exec {ready}>&-
}

stop_proxy() {
	[[ ${PROXY_PID:-} ]] || return 0
	kill "$PROXY_PID" 2>/dev/null || true
	wait "$PROXY_PID" 2>/dev/null || true
	PROXY_PID=
}

# provider_saw EXPRESSION: what jq says of the provider's log (an array), the provider being over.
provider_saw() {
	stop_provider
	jq -rs "$1" "$PROVIDER_LOG"
}

requests_seen() {
	provider_saw '[.[] | select(.event == "request")] | length'
}

# ---- the program, with and without ----

aigw() {
	"$BUILD/aigw" "$@"
}

# with_names COMMAND...: the provider's names resolve, no shim.
with_names() {
	env LD_PRELOAD="$NAMES" "$@"
}

# shimmed COMMAND...: the shim alone, as an administrator would preload it; no `aigw run`.
shimmed() {
	env LD_PRELOAD="$SHIM:$NAMES" "$@"
}

# governed COMMAND...: as a person would: `aigw run -- COMMAND...`.
governed() {
	env LD_PRELOAD="$NAMES" "$BUILD/aigw" run -- "$@"
}

# ---- the policy and the log ----

recipient() {
	grep -ho 'aigw1[a-z0-9]\{20,\}' "$AIGW_HOME/policy.json" | head -n 1
}

initialised() {
	[[ -e $AIGW_HOME/policy.json ]] || aigw init >"$BATS_TEST_TMPDIR/init.out" 2>&1 ||
		{ cat "$BATS_TEST_TMPDIR/init.out" >&2; return 1; }
	RECIPIENT=${RECIPIENT:-$(recipient)}
	[[ $RECIPIENT ]]
}

# write_policy JSON: puts it in place at once, as an editor that renames does.
write_policy() {
	printf '%s\n' "$1" >"$AIGW_HOME/policy.json.next"
	mv "$AIGW_HOME/policy.json.next" "$AIGW_HOME/policy.json"
}

# the_policy_allows PATTERN...: only these models, everything recorded for the auditor of this home.
the_policy_allows() {
	local list
	initialised
	list=$(jq -cn '$ARGS.positional' --args "$@")
	write_policy "{
  \"version\": 1,
  \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
  \"environments\": { \"test\": { \"models\": { \"allow\": $list } } },
  \"default_environment\": \"test\"
}"
}

# records [JQ]: all exchanges in the order of the log, as one array given to the jq expression.
records() {
	aigw log --json | jq -rs 'flatten | map(select(.type == "exchange")) | '"${1:-.}"
}

# last_record PATH: one field of the youngest exchange: last_record .outcome
last_record() {
	records "last | $1"
}

# last_record_in_full PATH: the same of `aigw show`, which has the payloads.
last_record_in_full() {
	aigw show "$(last_record .id)" --json | jq -r "$1"
}

# assert_recorded PATH VALUE [PATH VALUE]...: what the youngest exchange says, and the log is whole.
assert_recorded() {
	local fields=() expected=()
	while (($#)); do
		fields+=("\"${1//\"/\\\"} = \\($1)\"")
		expected+=("$1 = $2")
		shift 2
	done
	# One look for all of them: each costs two programs.
	assert_equal "$(records "last | $(IFS=, && echo "${fields[*]}")")" "$(printf '%s\n' "${expected[@]}")"
	assert_log_whole
}

assert_log_whole() {
	local said status=0
	said=$(aigw verify 2>&1) || status=$?
	# 3: whole, but nobody outside the host has witnessed it, which no test has
	[[ $status = 0 || $status = 3 ]] || fail "aigw verify ended with $status: $said"
	! grep -rqF "$API_KEY" "$AIGW_HOME/audit" || fail "the key stands in the log in the clear"
	! aigw log --json | grep -qF "$API_KEY" || fail "the key stands in a record"
}

# ---- a disk of one's own ----

# small_disk SIZE DIRECTORY: mounts one that only what "${DISK[@]}" runs can see. It is gone with its
# holder, whatever becomes of the test.
small_disk() {
	local how=(--mount) into=(--mount) ready
	if ! unshare --mount true 2>/dev/null; then
		how+=(--map-root-user)
		into+=(--user --preserve-credentials)
	fi
	mkdir "$2"
	mkfifo "$BATS_TEST_TMPDIR/mounted"
	unshare "${how[@]}" --propagation private sh -c '
		mount -t tmpfs -o "size=$1" none "$2" && echo mounted >"$3" && exec sleep 600' \
		sh "$1" "$2" "$BATS_TEST_TMPDIR/mounted" >"$BATS_TEST_TMPDIR/mount.out" 2>&1 3>&- &
	HOLDER=$!
	exec {ready}<>"$BATS_TEST_TMPDIR/mounted"
	read -r -t 20 -u "$ready" || fail "no disk: $(cat "$BATS_TEST_TMPDIR/mount.out")"
	exec {ready}>&-
	DISK=(nsenter --target "$HOLDER" "${into[@]}")
}

# no_small_disk: harmless without one.
no_small_disk() {
	[[ ! ${DISK[*]:-} ]] || kill "$HOLDER"
	DISK=()
}

# ---- what a client has printed ($output) ----

# assert_answers STATUS...: the "HTTP <status>" lines, in order.
assert_answers() {
	local line found=()
	while IFS= read -r line; do
		[[ $line =~ ^HTTP\ ([0-9]+) ]] && found+=("${BASH_REMATCH[1]}")
	done <<<"$output"
	assert_equal "${found[*]}" "$*"
}

# The program got the refusal and the provider not one byte of a request.
assert_refused_without_leak() {
	assert_answers "${1:-403}"
	assert_output --partial '"error"'
	assert_equal "$(provider_saw '"\([.[].request_bytes // 0] | add // 0) request bytes, \(map(select(.event == "request")) | length) requests"')" \
		'0 request bytes, 0 requests'
}

# No byte reached the provider outside of the requests it got whole, and there were N of these.
assert_provider_saw() {
	assert_equal "$(provider_saw '"\(map(select(.event == "request")) | length) requests, \([.[].stray_bytes // 0] | add // 0) stray bytes"')" \
		"$1 requests, 0 stray bytes"
}

# same_with_and_without COMMAND...: output, errors and exit status must not differ by a byte.
same_with_and_without() {
	local without=0 with=0
	with_names "$@" >"$BATS_TEST_TMPDIR/without.out" 2>"$BATS_TEST_TMPDIR/without.err" </dev/null ||
		without=$?
	shimmed "$@" >"$BATS_TEST_TMPDIR/with.out" 2>"$BATS_TEST_TMPDIR/with.err" </dev/null || with=$?
	assert_equal "$*: exit $with" "$*: exit $without"
	diff "$BATS_TEST_TMPDIR/without.out" "$BATS_TEST_TMPDIR/with.out"
	diff "$BATS_TEST_TMPDIR/without.err" "$BATS_TEST_TMPDIR/with.err"
}

# ---- requests ----

QUESTION='What is two times two?'
ANSWER='Hello from the provider: twice two is four, today as ever.'

# body MODEL [MORE]: a chat request; MORE are further members, as JSON text with a comma in front.
body() {
	printf '{"model":"%s","messages":[{"role":"user","content":"%s"}]%s}' "$1" "$QUESTION" "${2:-}"
}

STREAM=',"stream":true,"stream_options":{"include_usage":true}'

# big_body MODEL BYTES: a chat request of exactly that length.
big_body() {
	local empty
	empty=$(printf '{"model":"%s","messages":[{"role":"user","content":""}]}' "$1")
	printf '{"model":"%s","messages":[{"role":"user","content":"' "$1"
	head -c "$(($2 - ${#empty}))" /dev/zero | tr '\0' x
	printf '"}]}'
}

# chat CURL_OPTIONS... : curl to the chat endpoint, with the key.
chat() {
	set -- curl -sS --max-time 30 -H "Authorization: Bearer $API_KEY" \
		-H 'Content-Type: application/json' -w '\nHTTP %{http_code}\n' "$@" \
		"${CHAT_URL:-$OPENAI/chat/completions}"
	"${CHAT_WITH:-governed}" "$@"
}

# the_policy_says TRANSPORT [PROVIDERS]: any provider's gpt-5* is allowed; these parts are JSON.
the_policy_says() {
	local providers=${2:-'{}'}
	initialised
	write_policy "{
  \"version\": 1,
  \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
  \"transport\": $1,
  \"providers\": $providers,
  \"environments\": { \"test\": { \"models\": { \"allow\": [\"*/gpt-5*\"] } } },
  \"default_environment\": \"test\"
}"
}

# connections [JQ]: all records of connections in the order of the log, refused or not.
connections() {
	aigw log --json | jq -rs 'flatten | map(select(.type | endswith("connection"))) | '"${1:-.}"
}

# raw_request MODEL_OR_BODY: a whole request as bytes, for tls_client.
raw_request() {
	printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: Bearer %s\r\n' \
		"$API_KEY"
	printf 'Content-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s' "${#1}" "${2:-}" "$1"
}

# send_raw [options of tls_client] <BYTES: sends its input as it is, under the shim.
send_raw() {
	shimmed "$BIN/tls_client" --ca "$CERTS/ca.pem" "$@" "$PORT"
}
