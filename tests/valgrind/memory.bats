#!/usr/bin/env bats
# Under valgrind: no byte that is not ours is touched, none is read before it is written, and nothing is lost.
# `make valgrind` runs this. Leaks count when nothing points to them any more.
load ../e2e/helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	T=$(mktemp -d /tmp/aigw-valgrind-XXXXXX) # sockets' names have to be short
	the_policy_allows 'openai/gpt-5*'
	start_provider
}

teardown() {
	[[ ! ${DAEMON:-} ]] || kill "$DAEMON" 2>/dev/null || true
	[[ ! ${RECEIVER:-} ]] || kill "$RECEIVER" || true
	stop_provider
	chattr -R -a "$T" 2>/dev/null || true
	rm -rf "$T"
}

WATCH=(valgrind --quiet --error-exitcode=77 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
	--num-callers=30 --suppressions="$ROOT/tests/valgrind/suppressions")

# watched COMMAND...: says what valgrind had to say when it had something.
watched() {
	run --separate-stderr timeout -k 2 200 "${WATCH[@]}" --log-file="$T/valgrind.%p" "$@"
	assert_nothing_found "$1"
}

# Notes that it does not know a system call's argument (sys_can_read's) are no findings.
assert_nothing_found() {
	local found
	found=$(cat "$T"/valgrind.* | grep '^==' || true)
	[[ -z $found ]] || fail "$1: $found"
}

# watched_shimmed COMMAND...: under the shim. valgrind itself is not.
watched_shimmed() {
	run --separate-stderr timeout -k 2 200 "${WATCH[@]}" --log-file="$T/valgrind.%p" --trace-children=yes \
		--trace-children-skip='*/env' env LD_PRELOAD="$SHIM:$NAMES" "$@"
	assert_nothing_found "$1"
}

call() { # MODEL
	printf '{"model":"%s","messages":[{"role":"user","content":"hello"}]}' "$1"
}

# watched_daemon WORDS ARGUMENT...: aigwd, once it has said that.
watched_daemon() {
	local line
	mkfifo "$T/said"
	exec {said}<>"$T/said"
	"${WATCH[@]}" --log-file="$T/valgrind.%p" --trace-children=yes "$BUILD/aigwd" --foreground "${@:2}" \
		>/dev/null 2>"$T/said" 3>&- &
	DAEMON=$!
	while read -r -t 60 -u "$said" line; do
		[[ $line != *"$1"* ]] || return 0
	done
	return 1
}

end_daemon() {
	kill "$DAEMON"
	wait "$DAEMON" || fail "aigwd ended with $?"
	DAEMON=
	assert_nothing_found aigwd
}

QUICK='"batch_wait_ms": 20, "retry_first_ms": 10, "retry_max_ms": 50, "heartbeat_s": 0, "timeout_ms": 150000'

# delivered FILE: how many exchanges are there.
delivered() {
	grep -csE '"type": ?"exchange"' "$1" || true
}

collector_policy() {
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"], \"via\": \"collector\",
		\"socket\": \"$T/collect.sock\", \"directory\": \"$T/log\" },
		\"environments\": { \"test\": { \"models\": { \"allow\": [\"openai/gpt-5*\"] } } },
		\"default_environment\": \"test\" }"
}

@test 'the tests see a leak and a wrong read: made on purpose, both are reported' {
	run "${WATCH[@]}" "$BIN/wrong_memory"
	assert_equal "$status" 77
	assert_output --partial 'Invalid read'
	assert_output --partial 'definitely lost'
}

@test 'a program with threads, over OpenSSL, GnuTLS and without TLS' {
	watched_shimmed "$BIN/thread_client" --ca "$CERTS/ca.pem" --port "$PORT" --threads 2 --rounds 1 \
		allowed refused twice stream gone other gnutls-allowed gnutls-refused gnutls-other plain
	assert_success
	refute_output --partial 'not 1'
}

@test 'curl: an answer, a stream, a refusal' {
	watched_shimmed curl -s -H "Authorization: Bearer $API_KEY" -d "$(call gpt-5)" "$OPENAI/chat/completions"
	assert_output --partial '"choices"'
	watched_shimmed curl -s -H "Authorization: Bearer $API_KEY" -d "$(call gpt-4)" "$OPENAI/chat/completions"
	assert_output --partial 'error'
}

@test 'python: an answer and a refusal' {
	call gpt-5 >allowed
	call gpt-4 >refused
	cat >client.py <<-'END'
		import sys, urllib.request, urllib.error
		for name in ("allowed", "refused"):
		    request = urllib.request.Request(sys.argv[1] + "/chat/completions", open(name, "rb").read(),
		        {"Authorization": "Bearer x", "Content-Type": "application/json"})
		    try:
		        print(urllib.request.urlopen(request).status)
		    except urllib.error.HTTPError as e:
		        print(e.code)
	END
	PYTHONMALLOC=malloc watched_shimmed "$PYTHON" client.py "$OPENAI"
	assert_output $'200\n403'
}

@test 'the collector' {
	local end=$((SECONDS + 60))
	collector_policy
	watched_daemon 'collecting into' --socket "$T/collect.sock" --policy "$AIGW_HOME/policy.json"
	# under valgrind it may answer later than a program waits
	until shimmed curl -s -H "Authorization: Bearer $API_KEY" -d "$(call gpt-5)" "$OPENAI/chat/completions" |
		grep -q '"choices"'; do
		((SECONDS < end)) || fail 'no call is kept'
	done
	shimmed curl -s -H "Authorization: Bearer $API_KEY" -d "$(call gpt-4)" "$OPENAI/chat/completions" >/dev/null
	assert_equal "$(records 'map(.outcome) | unique | contains(["complete", "refused"])')" true
	end_daemon
}

@test 'the drain: to a file, and over HTTP with one event that is refused' {
	local ready port processes end=$((SECONDS + 180))
	mkdir "$T/log"
	"$BIN/make-log" "$T/log" "$RECIPIENT" many=30 >ids
	sed -n 7p ids >words
	mkfifo receiver
	"$ROOT/tests/bin/picky-receiver" receiver over-http words >receiver.out 2>&1 3>&- &
	RECEIVER=$!
	exec {ready}<>receiver
	read -r -t 20 -u "$ready" port
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"], \"directory\": \"$T/log\" },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\",
		\"drains\": { \"sinks\": { \"file\": { \"type\": \"file\", \"to\": \"$PWD/to-file\", $QUICK, \"fields\": \"full\" },
			\"web\": { \"type\": \"https\", \"to\": \"http://127.0.0.1:$port/\", \"insecure_http\": true,
				\"dead_letter_after\": 2, $QUICK } } } }"
	# a sender is this program executed anew
	LD_PRELOAD=$BIN/same_program.so AIGW_TEST_PROGRAM=$BUILD/aigwd watched_daemon draining --drain
	until [[ $(delivered to-file) = 30 && $(delivered over-http) = 29 && -s $AIGW_HOME/state/sinks/web.dead ]]; do
		((SECONDS < end)) || fail "$(delivered to-file) and $(delivered over-http): $(aigw drain status)"
		read -r -t 0.05 <><(:) || true
	done
	end_daemon
	processes=("$T"/valgrind.*) # a keeper, two feeders, two senders
	[[ ${#processes[@]} -ge 5 ]] || fail "valgrind has seen ${processes[*]}"
}

@test 'the tool: log, show, verify, export' {
	local how
	shimmed curl -s -H "Authorization: Bearer $API_KEY" -d "$(call gpt-5)" "$OPENAI/chat/completions" >/dev/null
	for how in 'log --json' 'log --all' verify 'verify --json' 'export --format ndjson' 'export --format csv' "show $(last_record .id)" 'usage'; do
		# shellcheck disable=SC2086
		watched "$BUILD/aigw" $how
		[[ $status -le 3 && -n $output ]] || fail "$how: $status $stderr"
	done
}
