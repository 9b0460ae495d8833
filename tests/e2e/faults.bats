#!/usr/bin/env bats
# A share of what tests/bin/faults-tour does by hand in full: each allocation and each system call fails
# in turn, or is the last thing a program does.
load helper

setup() {
	[[ $(uname -m) = x86_64 ]] || skip 'the runner knows the registers of x86-64 only'
}

# tour OPTION...: nothing was wrong, and faults there were.
tour() {
	run "$ROOT/tests/bin/faults-tour" "$BUILD" --json --jobs 1 "$@"
	[[ $status = 0 ]] || fail "$(jq -c '.[].problems[] | {fault, wrong, hit, err}' <<<"$output" 2>/dev/null | head -5 || echo "$output")"
	assert_equal "$(jq '[.[].ends | add > 0] | all' <<<"$output")" true
}

@test 'each allocation fails once: no request passes without a record, on connections without a name or TLS' {
	tour --subject unnamed,own-plain --kind alloc --sample 20
}

@test 'allocations and system calls fail: the answer or a refusal, and the log verifies' {
	tour --subject call,rules,keyed,gnutls,static --kind alloc,call --sample 8
}

@test 'without TLS: a look at a socket or at where the policy is fails, and nothing passes without a record' {
	for at in fstat:1:EIO fstat:3:EIO newfstatat:1:EIO; do
		tour --subject plain,own-plain --at "call:$at"
	done
}

@test 'on_failure allow: a request that goes out for want of memory counts as lost' {
	tour --subject lenient --kind alloc
}

@test 'a program is killed at any system call of ours: what left is recorded, and the log verifies' {
	tour --subject call,synced,plain --kind kill --sample 8
}

@test 'the same with a collector' {
	tour --subject collector --sample 8
}

@test 'the tool fails, or says what it says without the fault' {
	tour --subject log,verify,export --kind alloc,call --sample 10
}

@test 'a collector that fails or is killed loses no record that it acknowledged, and the next one goes on' {
	tour --subject aigwd --sample 5
}

@test 'a drain that fails or is killed loses nothing' {
	tour --subject drain --sample 3
}

@test 'the runner fails, shortens and kills what it is told to' {
	printf '%s' "$QUESTION" >"$BATS_TEST_TMPDIR/file"
	run env LC_ALL=C "$BIN/fault-run" --by md5sum --only read --at 1 --fail EIO md5sum "$BATS_TEST_TMPDIR/file"
	assert_failure 1
	assert_output --partial 'Input/output error'
	run env LC_ALL=C "$BIN/fault-run" --by md5sum --only read --at 1 --short md5sum "$BATS_TEST_TMPDIR/file"
	assert_success
	assert_output "$(md5sum "$BATS_TEST_TMPDIR/file")"
	run env LC_ALL=C "$BIN/fault-run" --by md5sum --at 2 --kill md5sum "$BATS_TEST_TMPDIR/file"
	assert_failure 137
	run "$BIN/fault-run" --clock 86400 date +%F
	assert_output "$(date -d tomorrow +%F)"
}
