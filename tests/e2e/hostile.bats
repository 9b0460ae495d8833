#!/usr/bin/env bats
# A program that is hard on what is inside it (tests/bin/hostile_host.c) and odd surroundings: the
# program does not notice us, nor we it.
load helper

setup() {
	the_policy_allows 'openai/gpt-5*'
	start_provider
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	stop_provider
}

# hostile STEP...: under the shim alone; hostile_with VARIABLE=VALUE... -- STEP... in no other
# environment than that.
hostile() {
	hostile_with "${PATH:+PATH=$PATH}" "AIGW_HOME=$AIGW_HOME" -- "$@"
}

hostile_with() {
	local variables=()
	while [[ $1 != -- ]]; do
		variables+=("$1")
		shift
	done
	run --separate-stderr env -i "${variables[@]}" LD_PRELOAD="$SHIM" timeout -k 2 60 \
		"$BIN/hostile_host" --ca "$CERTS/ca.pem" --port "$PORT" "${@:2}"
	[[ $status = 0 ]] || echo "exit $status, output: $output, errors: $stderr"
}

without_us() {
	run --separate-stderr env -u LD_PRELOAD "$BIN/hostile_host" --ca "$CERTS/ca.pem" \
		--port "$PORT" "$@"
}

lines() {
	printf '%s\n' "$@"
}

# Each allowed call has its record and reached the provider; of each refused one the provider has
# not a byte.
assert_allowed_and_refused() {
	assert_equal "$(records '[.[] | select(.outcome == "complete")] | length') complete" "$1 complete"
	assert_equal "$(records '[.[] | select(.outcome == "refused")] | length') refused" "$2 refused"
	assert_log_whole
	assert_equal "$(provider_saw '[.[] | select(.event == "request" and .host == "api.openai.com")] | length')" "$1"
}

# Every record is there, but the ledger could not be told at the end that these are all.
assert_not_closed() {
	run aigw verify
	assert_equal "$status" 2
	assert_output --partial not_closed
	refute_output --partial damaged
}

# ---- names and memory ----

@test 'a program that exports all our names as poison calls its own, and we call ours' {
	local names name
	names=$(nm --dynamic --defined-only --format=just-symbols "$BIN/hostile_host")
	(($(wc -l <<<"$names") > 1500))
	for name in malloc free inflate inflateInit2_ sodium_init crypto_secretbox_easy llhttp_init \
		llhttp_execute BrotliDecoderCreateInstance ZSTD_decompressStream cJSON_Parse wipe \
		decide gate_write conn_find journal_append http1_field_name; do
		grep -qx "$name" <<<"$names" || fail "$name is not exported"
	done
	hostile allow refuse plain heap
	assert_success
	assert_output "$(lines 'HTTP 200' 'HTTP 403' 'HTTP 200' 'HEAP whole')"
	assert_allowed_and_refused 1 1
}

@test 'poison that is taken would be noticed' {
	hostile poison inflate
	assert_equal "$status" 134
	[[ $stderr = *'POISON inflate was called'* ]]
}

@test 'a compressed answer is read with our decoder, not with that of the program' {
	hostile ask gpt-5--gzip heap
	assert_success
	assert_output "$(lines 'HTTP 200' 'HEAP whole')"
	assert_equal "$(last_record_in_full .response.text)" "$ANSWER"
}

@test 'calls of libc that are neither TLS nor HTTP allocate nothing, all of them keep errno' {
	hostile libc talk clear-text heap
	assert_success
	assert_output "$(lines 'LIBC allocations 0, errno kept' 'TALK allocations 0, errno kept' \
		'CLEAR TEXT errno kept' 'HEAP whole')"
}

@test 'a connection to no provider allocates what it allocates without us' {
	without_us traffic
	assert_success
	local without=$output
	hostile traffic
	assert_success
	assert_output "$without"
}

# ---- descriptors ----

@test 'a program that closes every descriptor loses no record' {
	hostile allow close-loop allow refuse close-range allow refuse closefrom allow refuse heap
	assert_success
	assert_answers 200 200 403 200 403 200 403
	assert_output --partial 'HEAP whole'
	assert_allowed_and_refused 4 3
}

@test 'a connection whose descriptor was closed fails as without us, and the next one does not' {
	without_us open close-range stale
	local without=$output
	hostile open close-range stale
	assert_success
	assert_output "$without"
	hostile allow open closefrom stale allow refuse
	assert_success
	assert_output "$(lines 'HTTP 200' "$without" 'HTTP 200' 'HTTP 403')"
}

@test 'files and sockets that are put in the place of our descriptors stay untouched' {
	hostile allow take-descriptors allow refuse show-taken close-loop allow
	assert_success
	assert_output "$(lines 'HTTP 200' 'TOOK some' 'HTTP 200' 'HTTP 403' UNTOUCHED 'HTTP 200')"
	assert_allowed_and_refused 3 1
}

@test 'with few descriptors: governed and recorded if there is one for the log, else refused' {
	hostile close-range limit-descriptors 4 allow refuse plain
	assert_success
	assert_answers 503 503 200
	hostile close-range limit-descriptors 16 allow refuse plain
	assert_success
	assert_answers 200 403 200
	# those of the log were opened before
	hostile close-range allow limit-descriptors 4 allow refuse plain
	assert_success
	assert_answers 200 200 403 200
	assert_not_closed
	assert_equal "$(requests_seen)" 6
}

# ---- forks ----

@test 'parent and child of a fork are both governed, whoever called first' {
	hostile fork allow refuse heap
	assert_success
	assert_output "$(lines 'HTTP 200' 'HTTP 403' 'HEAP whole' 'HTTP 200' 'HTTP 403' 'HEAP whole')"
	hostile allow fork allow refuse heap
	assert_success
	assert_answers 200 200 403 200 403
	assert_allowed_and_refused 5 4
}

@test 'forks while threads are inside our hooks leave nothing locked' {
	hostile fork-storm 3 heap allow refuse fork allow
	assert_success
	assert_output "$(lines 'FORKS some CALLS some' 'HEAP whole' 'HTTP 200' 'HTTP 403' 'HTTP 200' 'HTTP 200')"
	assert_log_whole
}

# ---- where the program lives ----

@test 'in a root directory without a policy: other traffic passes, models are refused' {
	mkdir empty
	hostile chroot empty plain allow
	assert_success
	assert_answers 200 503
	assert_equal "$(requests_seen)" 1
}

@test 'in a root directory of its own the policy and the log are those that are in there' {
	mkdir -p "root$BATS_TEST_TMPDIR"
	cp -r "$AIGW_HOME" "root$BATS_TEST_TMPDIR"
	hostile chroot root allow refuse plain
	assert_success
	assert_answers 200 403 200
	assert_equal "$(records length)" 0
	AIGW_HOME=$BATS_TEST_TMPDIR/root$AIGW_HOME assert_allowed_and_refused 1 1
}

@test 'a program that goes into an empty root directory after its first call stays governed' {
	mkdir empty
	hostile allow chroot empty plain refuse
	assert_success
	assert_answers 200 200 403
	assert_not_closed
	assert_equal "$(records length)" 2
}

@test 'without new privileges and without memory that can become code' {
	hostile no-new-privs forbid-executable-memory allow refuse plain
	assert_success
	assert_answers 200 403 200
	assert_allowed_and_refused 1 1
}

@test 'without a home, in an empty environment: other traffic passes, models are refused' {
	hostile_with -- plain allow
	assert_success
	assert_answers 200 503
	hostile_with HOME=/nonexistent PATH=/usr/bin -- plain allow
	assert_success
	assert_answers 200 503
	assert_equal "$stderr" ''
	assert_equal "$(requests_seen)" 2
}

@test 'with a log that cannot be written: other traffic passes, models are refused' {
	local place
	for place in /proc/aigw /dev/null "$BATS_TEST_TMPDIR/file"; do
		: >file
		write_policy "{ \"version\": 1,
			\"audit\": { \"recipients\": [\"$RECIPIENT\"], \"directory\": \"$place\" },
			\"environments\": { \"test\": { \"models\": { \"allow\": [\"openai/gpt-5*\"] } } },
			\"default_environment\": \"test\" }"
		hostile plain allow refuse plain heap
		assert_success
		assert_answers 200 503 403 200
		assert_equal "$stderr" ''
	done
	[[ ! -s file ]]
	assert_equal "$(requests_seen)" 6
}

@test 'under a limit of file sizes nobody is killed: what does not fit is refused' {
	hostile limit-file-size 1000 plain allow refuse heap
	assert_success
	assert_answers 200 503 403
	hostile limit-file-size 100000 plain allow refuse heap
	assert_success
	assert_answers 200 200 403
	assert_equal "$(requests_seen)" 3
	assert_log_whole
}

@test 'a limit of file sizes that comes between two requests is seen at once' {
	hostile allow allow limit-file-size 1000 allow heap
	assert_success
	assert_answers 200 200 503
	run -2 aigw verify # the record of the third did not fit, which is said
	assert_output --partial 'the last write failed (disk full, a limit'
}

# ---- system calls ----

# What the program itself makes once it runs, without TLS and with.
OWN_PLAIN='read write close openat newfstatat ioctl socket setsockopt connect futex exit_group'
OWN="$OWN_PLAIN lseek getpid mmap munmap"

# listed WORDS: the system calls that aigw(7) lists under these words.
listed() {
	sed -n "/^\.It Sy $1/,/^\.\(It\|El\)/p" "$ROOT/docs/man/aigw.7" | sed 1d | sed -n 's/^\.Li //p' |
		tr '\n' ' '
}

@test 'a file that is put in the place of our descriptor between two calls stays untouched' {
	hostile take-at-once
	assert_success
	assert_output 'TOOK many UNTOUCHED'
	run -0 aigw verify
}

@test 'a file that takes the number of our descriptor, closed while a call was made, stays untouched' {
	run --separate-stderr env LD_PRELOAD="$SHIM $BIN/before_close.so" timeout -k 2 60 \
		"$BIN/hostile_host" --ca "$CERTS/ca.pem" --port "$PORT" take-closed
	assert_success
	assert_output 'TOOK many UNTOUCHED'
	run -0 aigw verify
}

@test 'a program without connections needs no system call beyond its own' {
	without_us only-syscalls "$OWN_PLAIN socketpair sendto recvfrom dup2 dup3" libc
	assert_success
	hostile only-syscalls "$OWN_PLAIN socketpair sendto recvfrom dup2 dup3" libc heap
	assert_success
	assert_output --partial 'LIBC allocations 0'
}

@test 'a program with neither TLS nor HTTP needs no system calls but its own and those in aigw(7)' {
	without_us only-syscalls "$OWN_PLAIN" talk
	assert_success
	hostile only-syscalls "$OWN_PLAIN $(listed 'for a connection')" talk heap
	assert_success
	assert_output --partial 'TALK allocations 0'
}

@test 'with AIGW=off no program needs a system call beyond its own' {
	hostile_with AIGW=off -- only-syscalls "$OWN_PLAIN" talk heap
	assert_success
	hostile_with AIGW=off -- only-syscalls "$OWN" clear-text plain plain
	assert_success
	assert_answers 200 200
}

@test 'a program with TLS or HTTP to no provider needs no system calls but its own and those in aigw(7)' {
	without_us only-syscalls "$OWN" clear-text plain plain
	assert_success
	hostile only-syscalls "$OWN $(listed 'for a connection')" plain plain
	assert_output --partial 'FORBIDDEN system call'
	hostile only-syscalls "$OWN $(listed 'for a connection') $(listed 'for TLS and HTTP')" \
		clear-text plain plain
	assert_success
	assert_answers 200 200
}

@test 'a program with requests to providers needs no system calls but its own and those in aigw(7)' {
	without_us only-syscalls "$OWN" allow allow
	assert_success
	hostile only-syscalls "$OWN $(listed 'for a connection') $(listed 'for TLS and HTTP')" allow
	assert_output --partial 'FORBIDDEN system call'
	hostile limit-file-size 9000000 only-syscalls \
		"$OWN $(listed 'for a connection') $(listed 'for TLS and HTTP') $(listed 'for requests to providers')" \
		allow refuse plain close-loop allow refuse heap
	assert_success
	assert_answers 200 403 200 200 403
	assert_log_whole
}
