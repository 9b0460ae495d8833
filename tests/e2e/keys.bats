#!/usr/bin/env bats
# Who can read the log, and for how long it is kept: audit-key, hold, retain, with logs whose content
# is known (tests/bin/make-log.c) and with a program that runs on while the recipients change.
load helper

setup() {
	TOOL=$BUILD/aigw
	initialised
}
teardown() {
	[[ ! ${PROGRAM_PID:-} ]] || pkill -P "$PROGRAM_PID" || true
	stop_provider
}

log_for() { # log_for RECIPIENT [SCENE]
	"$BIN/make-log" "$AIGW_HOME/audit" "$1" "${2:-all}" >/dev/null
}

# new_key [OPTION...]: prints the recipient of a key made outside of this home.
new_key() {
	"$TOOL" audit-key new --out "$BATS_TEST_TMPDIR/other.key" "$@" | sed -n 's/^recipient  //p'
}

@test "a second recipient reads what is recorded after it was added, and not what was before" {
	log_for "$RECIPIENT"
	other=$(new_key)
	run -0 "$TOOL" audit-key add "$other"
	assert_output --partial 'can read what is recorded from now on'
	run -0 "$TOOL" audit-key list
	assert_output --partial "$other"
	run -1 --separate-stderr "$TOOL" log --key "$BATS_TEST_TMPDIR/other.key" --json
	jq -se 'map(.type) == ["start", "key_change"] and .[1].key.action == "add"' <<<"$output"
	[[ $stderr = *'sealed for other keys'* ]]
	# the change itself is in the log, for both
	run -0 "$TOOL" verify
	run -0 "$TOOL" audit-key list --json
	jq -e 'length == 2 and .[0].secret == "here" and .[1].secret == "elsewhere"' <<<"$output"
}

@test "rewrap lets a later recipient read old segments, without changing one byte of them" {
	log_for "$RECIPIENT"
	before=$(sha256sum "$AIGW_HOME"/audit/*/*.aigw)
	other=$(new_key)
	run -1 "$TOOL" audit-key rewrap --to "$other" </dev/null
	assert_output --partial 'nothing was changed'
	unsealed() { "$TOOL" verify --json "$@" | jq .unsealed_ledger_entries; }
	# made for the first recipient: what a later one cannot check is said
	assert_equal "$(unsealed)" 0
	((entries = $(unsealed --key "$BATS_TEST_TMPDIR/other.key"), entries > 2))
	run -0 "$TOOL" verify --key "$BATS_TEST_TMPDIR/other.key"
	assert_output --partial "not checked:  the seals of $entries ledger entries"
	run -0 "$TOOL" audit-key rewrap --to "$other" --yes
	assert_output --partial '1 segments can be read by them now, 0 could before, 0 do not open'
	assert_output --partial "Of the ledger's epochs they can check 1 now, 0 they could before"
	assert_equal "$(stat -c %a "$AIGW_HOME/audit/ledger.keys")" 600
	assert_equal "$(unsealed --key "$BATS_TEST_TMPDIR/other.key")" 0
	head -c -20 "$AIGW_HOME/audit/ledger.keys" >"$BATS_TEST_TMPDIR/cut"
	cp "$AIGW_HOME/audit/ledger.keys" "$BATS_TEST_TMPDIR/whole"
	cp "$BATS_TEST_TMPDIR/cut" "$AIGW_HOME/audit/ledger.keys" # damaged, it accuses nobody
	run -0 "$TOOL" verify --key "$BATS_TEST_TMPDIR/other.key"
	cp "$BATS_TEST_TMPDIR/whole" "$AIGW_HOME/audit/ledger.keys"
	sha256sum --check --quiet <<<"$before"
	mine=$("$TOOL" log --json | jq -s 'map(select(.process.exe != "aigw")) | length')
	run -1 --separate-stderr "$TOOL" log --key "$BATS_TEST_TMPDIR/other.key" --json
	[[ $stderr = *'1 segment(s) are sealed for other keys'* ]] # the one that tells of the rewrap
	((mine > 5 && $(jq -s length <<<"$output") == mine))
	run -0 "$TOOL" verify --key "$BATS_TEST_TMPDIR/other.key"
	refute_output --partial 'not checked:  the seals of'
	# again: nothing to do but for the segment that tells of it
	run -0 "$TOOL" audit-key rewrap --to "$other" --yes
	assert_output --partial '1 could before'
	# from a key that opens nothing
	"$TOOL" audit-key new --out "$BATS_TEST_TMPDIR/third.key"
	run -1 "$TOOL" audit-key rewrap --to "$(sed -n 's/.*sealed for //p' "$BATS_TEST_TMPDIR/third.key")" \
		--key "$BATS_TEST_TMPDIR/third.key" --yes
	assert_output --partial 'do not open with the keys given'
}

@test "remove says what is lost before it is lost, and never takes the last recipient" {
	run -1 "$TOOL" audit-key remove "$RECIPIENT" --yes
	assert_output --partial 'the only recipient'
	other=$(new_key)
	"$TOOL" audit-key add "$other"
	run -1 "$TOOL" audit-key remove "$RECIPIENT" </dev/null
	assert_output --partial 'can be read by nobody'
	assert_output --partial 'nothing was changed'
	grep -q "$RECIPIENT" "$AIGW_HOME/policy.json"
	run -0 "$TOOL" audit-key remove "$RECIPIENT" --yes
	run ! grep -q "$RECIPIENT" "$AIGW_HOME/policy.json"
	run -0 "$TOOL" policy check
	run -1 "$TOOL" audit-key remove "$RECIPIENT" --yes
	assert_output --partial 'does not name it'
}

@test "add and remove leave every other byte of the policy alone, its mode and a link to it too" {
	cp "$AIGW_HOME/policy.json" "$BATS_TEST_TMPDIR/before"
	chmod 640 "$AIGW_HOME/policy.json"
	mv "$AIGW_HOME/policy.json" "$AIGW_HOME/real.json"
	ln -s real.json "$AIGW_HOME/policy.json"
	other=$(new_key)
	"$TOOL" audit-key add "$other"
	[[ -L $AIGW_HOME/policy.json && $(stat -c %a "$AIGW_HOME/real.json") = 640 ]]
	run -1 cmp "$AIGW_HOME/real.json" "$BATS_TEST_TMPDIR/before"
	"$TOOL" audit-key remove "$other" --yes
	cmp "$AIGW_HOME/real.json" "$BATS_TEST_TMPDIR/before"
	run -0 "$TOOL" audit-key add "$RECIPIENT"
	assert_output --partial 'nothing was changed'
	run -2 "$TOOL" audit-key add aigw1mistyped
	[[ -z $(find "$AIGW_HOME" -name '*.new') ]]
}

@test "ten adds at once all arrive" {
	local pids=()
	for i in 1 2 3 4 5 6 7 8 9 10; do
		"$TOOL" audit-key new --out "$BATS_TEST_TMPDIR/$i.key" --add >/dev/null 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	run -0 "$TOOL" audit-key list --json
	jq -e '[.[] | select(.in_policy)] | length == 11' <<<"$output"
	run -0 "$TOOL" verify
}

@test "with --public-only-here the secret is shown once and stands nowhere on this host" {
	run -0 "$TOOL" audit-key new --public-only-here --add --yes
	secret=$(sed -n 's/^secret     //p' <<<"$output")
	[[ $secret = AIGW-SECRET-KEY-1* ]]
	assert_output --partial 'the only time'
	log_for "$(sed -n 's/^recipient  //p' <<<"$output")"
	run ! grep -rq "$secret" "$AIGW_HOME"
	printf '%s\n' "$secret" >"$BATS_TEST_TMPDIR/away.key"
	run -0 --separate-stderr "$TOOL" log --key "$BATS_TEST_TMPDIR/away.key"
	((${#lines[@]} > 3))
}

@test "a key under a passphrase opens with it, from a file or typed without being shown" {
	printf 'correct horse battery\n' >"$BATS_TEST_TMPDIR/pass"
	printf 'wrong horse battery\n' >"$BATS_TEST_TMPDIR/wrong"
	other=$(new_key --passphrase-file "$BATS_TEST_TMPDIR/pass")
	run ! grep -q AIGW-SECRET-KEY "$BATS_TEST_TMPDIR/other.key"
	[[ $(stat -c %a "$BATS_TEST_TMPDIR/other.key") = 600 ]]
	log_for "$other"
	AIGW_PASSPHRASE_FILE=$BATS_TEST_TMPDIR/pass run -0 "$TOOL" log --key "$BATS_TEST_TMPDIR/other.key"
	((${#lines[@]} > 3))
	AIGW_PASSPHRASE_FILE=$BATS_TEST_TMPDIR/wrong run -1 "$TOOL" log --key "$BATS_TEST_TMPDIR/other.key"
	assert_output --partial 'not its passphrase'
	run -3 setsid "$TOOL" log --key "$BATS_TEST_TMPDIR/other.key" </dev/null
	assert_output --partial 'AIGW_PASSPHRASE_FILE'
	run -0 "$PYTHON" "$ROOT/tests/bin/at-terminal" 'Passphrase of' 'correct horse battery' -- \
		"$TOOL" log --key "$BATS_TEST_TMPDIR/other.key"
	assert_output --partial '2412'
	refute_output --partial 'battery'
}

@test "a passphrase that is too short, or typed differently the second time, makes no key" {
	printf 'short\n' >"$BATS_TEST_TMPDIR/pass"
	run -1 "$TOOL" audit-key new --out "$BATS_TEST_TMPDIR/k" --passphrase-file "$BATS_TEST_TMPDIR/pass"
	assert_output --partial 'at least 8'
	run -1 "$PYTHON" "$ROOT/tests/bin/at-terminal" 'New passphrase' 'correct horse' 'Once more' 'correct house' -- \
		"$TOOL" audit-key new --out "$BATS_TEST_TMPDIR/k" --passphrase
	assert_output --partial 'not the same'
	[[ ! -e $BATS_TEST_TMPDIR/k ]]
}

@test "a program that runs begins a new segment when recipients change, and loses nothing" {
	start_provider
	the_policy_allows 'openai/gpt-5*'
	other=$(new_key)
	mkfifo "$BATS_TEST_TMPDIR/go" "$BATS_TEST_TMPDIR/done"
	shimmed "$PYTHON" "$CLIENTS/keep_calling.py" "$OPENAI" <"$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/done" 3>&- &
	PROGRAM_PID=$!
	exec {go}>"$BATS_TEST_TMPDIR/go" {answered}<"$BATS_TEST_TMPDIR/done"
	call() {
		echo >&"$go"
		read -r -t 20 -u "$answered"
	}
	call
	"$TOOL" audit-key add "$other"
	calls=1 SECONDS=0
	# the policy is looked at again once a second: until there is a third segment, besides the
	# program's first one and that of audit-key; a busy machine may take longer, but not by much
	until (($(ls "$AIGW_HOME"/audit/*/*.aigw | wc -l) == 3)); do
		((SECONDS < 5)) || fail "no third segment after $SECONDS s and $calls calls"
		call
		((++calls))
	done
	call
	((++calls))
	exec {go}>&-
	wait "$PROGRAM_PID"
	PROGRAM_PID=
	run -0 "$TOOL" log --json
	mine=$(jq -s '[.[] | select(.type == "exchange")] | length' <<<"$output")
	((mine == calls))
	run -1 --separate-stderr "$TOOL" log --json --key "$BATS_TEST_TMPDIR/other.key"
	theirs=$(jq -s '[.[] | select(.type == "exchange")] | length' <<<"$output")
	((theirs > 0 && theirs < calls))
	run -0 "$TOOL" verify
}

# ---- retention ----

keep_days() {
	"$PYTHON" - "$AIGW_HOME/policy.json" "$1" <<-'X'
		import re, sys
		p, days = sys.argv[1:]
		s = open(p).read()
		s = re.sub(r'"retain_days": \d+,', '', s)
		s = s.replace('"recipients":', '"retain_days": %s, "recipients":' % days, 1)
		open(p, 'w').write(s)
	X
}

@test "retain removes whole old days, and verify stays whole and tells what went" {
	log_for "$RECIPIENT" days
	[[ $(ls "$AIGW_HOME"/audit/*/*.aigw | wc -l) = 3 ]]
	run -0 "$TOOL" retain
	assert_output --partial 'keeps everything'
	keep_days 1
	run -0 "$TOOL" retain --dry-run
	assert_output --partial 'would be removed'
	[[ $(ls "$AIGW_HOME"/audit/*/*.aigw | wc -l) = 3 ]]
	"$TOOL" log >/dev/null
	oldest=$(basename "$(find "$AIGW_HOME/audit" -mindepth 1 -type d | sort | head -n 1)")
	assert [ -f "$(echo "$AIGW_HOME"/state/index/*/"$oldest")" ]
	run -0 "$TOOL" retain --json
	assert [ ! -e "$(echo "$AIGW_HOME"/state/index/*/"$oldest")" ]
	jq -e '.removed == 1 and (.events | length) == 1' <<<"$output"
	# one went, and what tells of the run came
	[[ $(ls "$AIGW_HOME"/audit/*/*.aigw | wc -l) = 3 ]]
	run -0 "$TOOL" verify
	assert_output --partial 'retired:      1 segments'
	run -0 "$TOOL" log
	run -0 --separate-stderr "$TOOL" log --json
	jq -es 'map(select(.type == "retention")) | .[0].retention |
		.days == 1 and .removed_segments == 1 and .removed_records > 0 and .failed_segments == 0' <<<"$output"
	run -0 "$TOOL" retain # nothing is left to do, nothing is told
	[[ $(ls "$AIGW_HOME"/audit/*/*.aigw | wc -l) = 3 ]]
}

@test "a hold keeps its day until it is released; removing it asks first" {
	log_for "$RECIPIENT" days
	keep_days 1
	day=$(basename "$(dirname "$(ls "$AIGW_HOME"/audit/*/*.aigw | head -n 1)")")
	run -2 "$TOOL" hold add --day "$day"
	assert_output --partial -- '--reason'
	run -2 "$TOOL" hold add --day 2026-02-30 --reason x
	run -0 "$TOOL" hold add --day "$day" --reason 'case 12/2026, counsel'
	run -0 "$TOOL" retain
	assert_output --partial 'kept by a hold: case 12/2026, counsel'
	run -0 "$TOOL" hold list
	assert_output --partial "day $day"
	run -1 setsid "$TOOL" hold remove --day "$day" </dev/null
	assert_output --partial 'nothing was changed'
	run -0 "$TOOL" hold remove --day "$day" --yes
	run -1 "$TOOL" hold remove --day "$day" --yes
	assert_equal "$("$TOOL" log --json | jq -r 'select(.type == "hold") | "\(.hold.action) \(.hold.what): \(.hold.reason)"')" \
		"add day $day: case 12/2026, counsel
remove day $day: case 12/2026, counsel"
	run -0 "$TOOL" retain
	assert_output --partial '1 segments removed'
	segment=$(ls "$AIGW_HOME"/audit/*/*.aigw | head -n 1)
	run -0 "$TOOL" hold add --segment "$segment" --reason x
	id=$("$TOOL" log --json | jq -r 'select(.id) | .id' | head -n 1)
	run -0 "$TOOL" hold add --from "$id" --to "$id" --reason y
	run -0 "$TOOL" hold list --json
	jq -e 'map(.kind) == ["segment", "range"]' <<<"$output"
}

@test "a sink that has not acknowledged keeps what it has not got" {
	log_for "$RECIPIENT" days
	keep_days 1
	mkdir -p "$AIGW_HOME/state/sinks"
	printf 'aigw acked 1\nrequired yes\nentries 0\nend\n' >"$AIGW_HOME/state/sinks/siem.acked"
	run -0 "$TOOL" retain
	assert_output --partial 'not acknowledged by the sink: siem'
	printf 'aigw acked 1\nrequired yes\nentries 2\nend\n' >"$AIGW_HOME/state/sinks/siem.acked"
	run -0 "$TOOL" retain
	assert_output --partial '1 segments removed'
}
