#!/usr/bin/env bats
# What an attack on the log leads to when the files belong to the user (embedded), row by row; each
# title says what `aigw verify` answers. And what the log says of what could not be recorded.
load helper

setup() {
	TOOL=$BUILD/aigw
	EDIT=$ROOT/tests/bin/audit-edit
	DISK=()
	initialised
}
teardown() {
	no_small_disk
	[[ ! ${PROGRAM_PID:-} ]] || pkill -P "$PROGRAM_PID" || true
	stop_provider
}

a_log() {
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" many=20 >/dev/null
	FILE=$(ls "$AIGW_HOME"/audit/*/*.aigw)
	cp "$FILE" "$BATS_TEST_TMPDIR/whole"
}

# A process that was killed in the middle: no end record, no closing entry in the ledger.
a_killed_log() {
	mkfifo "$BATS_TEST_TMPDIR/in"
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" hold <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
	exec {in}>"$BATS_TEST_TMPDIR/in"
	until [[ -s $BATS_TEST_TMPDIR/out ]]; do kill -0 $!; done
	kill -9 $!
	wait $! || true
	exec {in}>&-
	FILE=$(ls "$AIGW_HOME"/audit/*/*.aigw)
}

@test "a changed bit of a record: tampered, 'changed' with file, byte and record" {
	a_log
	"$EDIT" flip "$FILE" 7
	run -1 "$TOOL" verify
	assert_output --regexp "tampered: $FILE, byte [0-9]+, record 7: changed: the seal of this record does not open"
	assert_output --partial 'tampered: something was changed, removed or put in'
}

@test "a record removed, swapped or repeated: tampered, 'missing_record', 'out_of_order'" {
	a_log
	"$EDIT" drop "$FILE" 7
	run -1 "$TOOL" verify
	assert_output --partial 'record 7: missing_record: records from this sequence on are missing'
	cp "$BATS_TEST_TMPDIR/whole" "$FILE"
	"$EDIT" swap "$FILE" 7
	run -1 "$TOOL" verify
	assert_output --partial 'record 7: missing_record'
	assert_output --partial 'record 7: out_of_order'
	cp "$BATS_TEST_TMPDIR/whole" "$FILE"
	"$EDIT" repeat "$FILE" 7
	run -1 "$TOOL" verify
	assert_output --partial 'record 7: out_of_order: this record stands behind later ones'
}

@test "the tail cut off: tampered, 'cut': the ledger knows it longer" {
	a_log
	"$EDIT" cut "$FILE" 30
	run -1 "$TOOL" verify
	assert_output --partial 'record 30: cut: the end of this segment was cut off: the ledger knows it longer'
}

@test "the tail of a killed process cut off: incomplete, and verify says that it cannot tell" {
	a_killed_log
	run -2 "$TOOL" verify
	assert_output --partial 'no_end'
	"$EDIT" cut "$FILE" 1
	run -2 "$TOOL" verify
	assert_output --partial 'no_end: the process was killed or ended without closing; a cut of its very last records cannot be told from that'
}

@test "a whole segment deleted: tampered, 'missing_segment'" {
	a_log
	rm "$FILE"
	run -1 "$TOOL" verify
	assert_output --partial "$FILE: missing_segment: the ledger knows this segment, and its file is gone"
}

@test "a segment deleted and its ledger entries cut off too: tampered, 'ledger_cut'" {
	a_log
	size=$(stat -c %s "$AIGW_HOME/audit/ledger")
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" many=1 >/dev/null
	for one in "$AIGW_HOME"/audit/*/*.aigw; do [[ $one = "$FILE" ]] || rm "$one"; done
	truncate -s "$size" "$AIGW_HOME/audit/ledger"
	run -1 "$TOOL" verify
	assert_output --partial 'ledger_cut: the last ledger entries were cut off'
}

@test "everything put back to an older copy: whole, and verify says that it cannot tell without a witness" {
	a_log
	cp -a "$AIGW_HOME/audit" "$BATS_TEST_TMPDIR/older"
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" many=3 >/dev/null
	rm -r "$AIGW_HOME/audit"
	cp -a "$BATS_TEST_TMPDIR/older" "$AIGW_HOME/audit"
	run -0 "$TOOL" verify
	assert_output --partial 'not checked:  an outside witness'
	assert_output --partial 'a log put back to an older copy, cannot be told'
}

@test "a forged segment, sealed with the public key: tampered, 'unlisted'" {
	a_log
	"$BIN/make-log" "$BATS_TEST_TMPDIR/forged" "$RECIPIENT" many=3 >/dev/null
	cp "$BATS_TEST_TMPDIR"/forged/*/*.aigw "$(dirname "$FILE")"
	run -1 "$TOOL" verify
	assert_output --partial 'unlisted: the ledger does not know this segment: it was added, or the entry removed'
}

@test "a forged ledger, made anew around removed segments: tampered, 'ledger_history' or 'ledger_replaced'" {
	a_log
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" many=3 >/dev/null
	"$BIN/make-log" "$BATS_TEST_TMPDIR/forged" "$RECIPIENT" many=3 >/dev/null
	cp "$BATS_TEST_TMPDIR/forged/ledger" "$AIGW_HOME/audit/ledger"
	run -1 "$TOOL" verify
	assert_output --regexp 'ledger_(replaced|history|cut)'
}

@test "reading without the auditor's key: sequences and times, and not one word of what was said" {
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" all >/dev/null
	"$TOOL" audit-key new --out "$BATS_TEST_TMPDIR/other.key"
	run -1 --separate-stderr "$TOOL" log --key "$BATS_TEST_TMPDIR/other.key" --json
	[[ -z $output ]]
	run ! grep -aqE 'gpt-5|intake-bot|api.openai.com' "$AIGW_HOME"/audit/*/*.aigw "$AIGW_HOME/audit/ledger"
	run -0 "$TOOL" verify --key "$BATS_TEST_TMPDIR/other.key"
	assert_output --partial 'records sealed for other keys'
}

# keep_calling without an answer of the log: `call` answers whether the provider did.
calling() {
	mkfifo "$BATS_TEST_TMPDIR/go" "$BATS_TEST_TMPDIR/done"
	shimmed "${DISK[@]}" "$PYTHON" "$CLIENTS/keep_calling.py" "$OPENAI" <"$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/done" 3>&- &
	PROGRAM_PID=$!
	exec {go}>"$BATS_TEST_TMPDIR/go" {answered}<"$BATS_TEST_TMPDIR/done"
}
call() {
	echo >&"$go"
	read -r -t 20 -u "$answered"
}
ends() {
	exec {go}>&-
	wait "$PROGRAM_PID"
	PROGRAM_PID=
}

the_log_may_fail() {
	start_provider
	the_policy_allows 'openai/gpt-5*'
	write_policy "$(sed 's/"recipients"/"on_failure": "allow", "recipients"/' "$AIGW_HOME/policy.json")"
	mkdir -p "$AIGW_HOME/audit"
	chmod 770 "$AIGW_HOME/audit" # a directory that others may write to is refused
}

@test "what could not be recorded is told by a gap record as soon as something can be: how many, since when" {
	the_log_may_fail
	calling
	call
	call
	chmod 700 "$AIGW_HOME/audit"
	call
	ends
	run -0 "$TOOL" log --json
	jq -se 'map(select(.type == "gap")) | length == 1 and .[0].gap.count >= 4 and .[0].gap.since_ns > 0' <<<"$output"
	jq -se 'map(select(.type == "exchange")) | length == 1' <<<"$output"
	run -0 "$TOOL" verify
}

@test "a full disk under the log: calls are refused, or go and leave a gap; what was recorded is whole" {
	start_provider
	the_policy_allows 'openai/gpt-5*'
	small_disk 1m "$BATS_TEST_TMPDIR/disk"
	local audit=$BATS_TEST_TMPDIR/disk/audit
	write_policy "$(sed "s|\"recipients\"|\"directory\": \"$audit\", \"on_failure\": \"allow\", \"recipients\"|" "$AIGW_HOME/policy.json")"
	calling
	call
	"${DISK[@]}" sh -c "head -c 2000000 /dev/zero >'$BATS_TEST_TMPDIR/disk/ballast'" 2>/dev/null || true
	for i in 1 2 3 4; do call; done
	"${DISK[@]}" rm "$BATS_TEST_TMPDIR/disk/ballast"
	call
	ends
	assert_equal "$(requests_seen)" 6
	"${DISK[@]}" "$TOOL" log --json >"$BATS_TEST_TMPDIR/all" 2>&1
	jq -se 'map(select(.type == "gap").gap.count) | add > 0' "$BATS_TEST_TMPDIR/all"
	jq -se 'map(select(.type == "exchange" and .outcome == "complete")) | length >= 2' "$BATS_TEST_TMPDIR/all"
	run "${DISK[@]}" "$TOOL" verify
	# whole, or with the one record that got no further than half
	[[ $status = 0 || ($status = 2 && $output = *torn_tail*) ]] || fail "verify ended with $status: $output"

	start_provider
	write_policy "$(sed 's/"on_failure": "allow", //' "$AIGW_HOME/policy.json")"
	"${DISK[@]}" sh -c "head -c 2000000 /dev/zero >'$BATS_TEST_TMPDIR/disk/ballast'" 2>/dev/null || true
	run shimmed "${DISK[@]}" curl -sS --max-time 30 -H "Authorization: Bearer $API_KEY" -w '\nHTTP %{http_code}\n' \
		-H 'Content-Type: application/json' -d "$(body gpt-5)" "$OPENAI/chat/completions"
	assert_refused_without_leak 503
	assert_output --partial 'cannot be written'
}

@test "a gap that nothing was recorded behind is told when the program ends" {
	the_log_may_fail
	calling
	call
	chmod 700 "$AIGW_HOME/audit"
	ends
	run -0 "$TOOL" log --json
	jq -se 'map(.type) == ["start", "gap"]' <<<"$output"
	run -0 "$TOOL" verify
}

# The same by hand with figures: kill-writers 1000 16 synced 20000 300000; flip-bits 100 1.
@test "no acknowledged record is lost by 40 kills: one writer and sixteen, written and synced, many segments" {
	for mode in written synced; do
		run -0 "$BIN/kill-writers" 40 1 "$mode" 8000
		assert_output --partial ' 0 lost'
		run -0 "$BIN/kill-writers" 40 16 "$mode" 3000 300000
		assert_output --partial ' 0 lost'
	done
}

@test "flipped bits of a log of 100 records are all found (each 97th here)" {
	run -0 "$BIN/flip-bits" 100 97
	assert_output --regexp '^100 records: ([0-9]+) bits flipped, '
}

@test "a second reader, written from docs/audit-format.md in another language, reads the same" {
	local vectors
	for vectors in audit-v1 audit-v1-aes audit-v1-tree; do
		run -0 "$ROOT/tests/bin/read-vectors" "$ROOT/tests/vectors/$vectors"
		assert_output '23 records and 16 ledger entries are as docs/audit-format.md says'
	done
}
