#!/usr/bin/env bats
# aigwd --drain: the log goes to where the policy's "drains" say. Real processes, the file and the
# command sink; the other sinks have tests of their own.
load helper

setup() {
	initialised
	DISK=()
	OUT=$BATS_TEST_TMPDIR/out.ndjson SINKS=$AIGW_HOME/state/sinks
}

teardown() {
	stop_drain -KILL
	no_small_disk
	[[ ! ${RECEIVER:-} ]] || kill "$RECEIVER"
}

# drain_to SINKS: a policy with these sinks (members of "drains.sinks").
drain_to() {
	write_policy "{
  \"version\": 1,
  \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
  \"environments\": { \"test\": {} },
  \"default_environment\": \"test\",
  \"drains\": { \"sinks\": { $1 }${2:-} }
}"
}

QUICK='"batch_wait_ms": 20, "retry_first_ms": 10, "retry_max_ms": 50, "heartbeat_s": 0'

# file_sink NAME [MEMBERS]: to $BATS_TEST_TMPDIR/NAME.ndjson.
file_sink() {
	printf '"%s": { "type": "file", "to": "%s", %s%s }' "$1" "$BATS_TEST_TMPDIR/$1.ndjson" "$QUICK" "${2:-}"
}

# command_sink NAME PROGRAM [MEMBERS]
command_sink() {
	printf '"%s": { "type": "command", "command": ["%s"], %s%s }' "$1" "$2" "$QUICK" "${3:-}"
}

# start_drain [OPTION]...: returns once it drains; $DRAIN is its pid.
start_drain() {
	"$BUILD/aigwd" --drain --foreground "$@" >"$BATS_TEST_TMPDIR/drain.out" 2>&1 3>&- &
	DRAIN=$!
	until_true 'it drains' grep -qE 'draining|no sinks' "$BATS_TEST_TMPDIR/drain.out"
}

# stop_drain [SIGNAL]: harmless twice.
stop_drain() {
	[[ ${DRAIN:-} ]] || return 0
	kill "${1:--TERM}" "$DRAIN" 2>/dev/null || true
	wait "$DRAIN" 2>/dev/null || true
	DRAIN=
}

# start_receiver WORD: takes events over HTTP into $OUT, but none with that word in it.
start_receiver() {
	local ready
	echo "$1" >"$BATS_TEST_TMPDIR/words"
	mkfifo "$BATS_TEST_TMPDIR/receiver"
	"$ROOT/tests/bin/picky-receiver" "$BATS_TEST_TMPDIR/receiver" "$OUT" "$BATS_TEST_TMPDIR/words" \
		>"$BATS_TEST_TMPDIR/receiver.out" 2>&1 3>&- &
	RECEIVER=$!
	exec {ready}<>"$BATS_TEST_TMPDIR/receiver"
	read -r -t 20 -u "$ready" RECEIVER_PORT || fail "$(cat "$BATS_TEST_TMPDIR/receiver.out")"
	exec {ready}>&-
}

# until_true WHAT COMMAND...: within 20 s.
until_true() {
	local what=$1 end=$((SECONDS + 20))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || fail "never: $what; $(cat "$BATS_TEST_TMPDIR/drain.out"; aigw drain status)"
		read -r -t 0.02 <><(:) || true
	done
}

# make_log [SCENE]: appends to the log; the ids of its exchanges are added to $IDS.
make_log() {
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" "${1:-many=20}" >>"$BATS_TEST_TMPDIR/ids"
}

# exchanges FILE: the ids in a file, in its order.
exchanges() {
	jq -r 'select(.type == "exchange") | .id' "$1"
}

has_all() {
	[[ $(exchanges "$1" | sort -u) = "$(sort -u "$BATS_TEST_TMPDIR/ids")" ]]
}

# status OF_SINK JQ
status_of() {
	aigw drain status --json | jq -e --arg s "$1" ".[] | select(.sink == \$s) | $2"
}

@test "everything in the log arrives once, in order, and what comes later too" {
	drain_to "$(file_sink out)"
	make_log
	start_drain
	until_true 'all is there' has_all "$OUT"
	make_log
	until_true 'all of the second is there' has_all "$OUT"
	assert_equal "$(exchanges "$OUT")" "$(cat "$BATS_TEST_TMPDIR/ids")"
	assert_equal "$(jq -r .event_id "$OUT" | sort | uniq -d)" ''
	run jq -r .type "$OUT"
	assert_line start
	until_true 'it is well' aigw drain status
	run -0 aigw drain status
	assert_line --regexp '^out +file +well '
	run -0 "$BUILD/aigwd" --drain --check
	stop_drain
	# A stop is told of: nobody takes silence for health.
	run -1 aigw drain status
	assert_output --partial 'it was stopped'
	run -1 "$BUILD/aigwd" --drain --check
	assert_output 'out: it was stopped'
	make_log
	start_drain
	until_true 'the third is there' has_all "$OUT"
	assert_equal "$(exchanges "$OUT")" "$(cat "$BATS_TEST_TMPDIR/ids")"
}

# Is all that was acknowledged in the file that survives a power cut? $late: seconds after the other file.
cursor_is_on_disk() {
	cmp "$SINKS/out.cursor" "$SINKS/out.cursor.now" || return 1
	late=$(($(stat -c %Z "$SINKS/out.cursor") - $(stat -c %Y "$SINKS/out.cursor.now")))
	((late >= 0))
}

@test "what was acknowledged is brought to the disk once a second" {
	drain_to "$(file_sink out)"
	start_drain
	for _ in 1 2; do
		make_log
		until_true 'all is there' has_all "$OUT"
		until_true 'the cursor is on the disk' cursor_is_on_disk
		((late <= 5)) || fail "it came $late s late" # a busy machine has other things to do
	done
}

@test "each sink gets its own: filter, fields, size" {
	drain_to "$(file_sink meta), $(file_sink full ', "fields": "full"'),
		$(file_sink chosen ', "fields": ["gen_ai.request.*"]'),
		$(file_sink none ', "filter": { "providers": ["cohere"] }'),
		$(file_sink small ', "fields": "full", "event_bytes_max": 4096'),
		$(file_sink off ', "enabled": false')"
	make_log all
	make_log big=1,20000
	start_drain
	for sink in meta full chosen small; do
		until_true "$sink has it" eval "[[ \$(exchanges '$BATS_TEST_TMPDIR/$sink.ndjson' | wc -l) -ge 6 ]]"
	done
	run jq -c 'select(.request.body)' "$BATS_TEST_TMPDIR/meta.ndjson"
	assert_output ''
	run jq -c 'select(.request.body)' "$BATS_TEST_TMPDIR/full.ndjson"
	refute_output ''
	run jq -cs 'map(select(.type == "exchange"))[0] | keys' "$BATS_TEST_TMPDIR/chosen.ndjson"
	assert_output '["event_id","gen_ai","id","time","type"]'
	run jq -s 'map(select(.payload_omitted)) | length' "$BATS_TEST_TMPDIR/small.ndjson"
	refute_output 0
	until_true 'they were left out' status_of none '.filtered > 5 and .delivered == 0'
	assert [ ! -e "$BATS_TEST_TMPDIR/off.ndjson" ]
	run aigw drain status
	refute_output --partial off
}

@test "a sender has no key, no capability, no descriptor but its own" {
	drain_to "$(file_sink out)"
	make_log
	start_drain
	until_true 'all is there' has_all "$OUT"
	feeder=$(pgrep -P "$DRAIN")
	sender=$(pgrep -P "$feeder")
	key=$(grep -o 'AIGW-SECRET-KEY-1[A-Z0-9]*' "$AIGW_HOME/keys/audit.key")
	[[ $key ]]
	run cat "/proc/$sender/cmdline" "/proc/$sender/environ"
	refute_output --partial SECRET
	run grep -h '^CapEff\|^CapPrm\|^NoNewPrivs' "/proc/$sender/status"
	assert_line --regexp 'CapEff:.0+$'
	assert_line --regexp 'CapPrm:.0+$'
	assert_line --regexp 'NoNewPrivs:.1$'
	run bash -c "ls -l /proc/$sender/fd | grep -o '[0-9]* -> .*'"
	refute_output --partial keys
	refute_output --partial audit
	[[ $EUID = 0 ]] || skip 'only root may look into the memory of a process that cannot be dumped'
	# The key is nowhere in its memory, as text or as bytes; the feeder, which has it, shows that this
	# is a way to find it.
	"$PYTHON" - "$sender" "$feeder" "$AIGW_HOME/keys/audit.key" <<-'PY'
		import sys
		CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
		text = [l for l in open(sys.argv[3]) if l.startswith("AIGW-SECRET")][0].strip().lower()
		bits = "".join(format(CHARSET.index(c), "05b") for c in text[text.rindex("1") + 1:-6])
		key = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits) - 7, 8))[:32]
		def has(pid):
		    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
		        for line in maps:
		            a, b = (int(x, 16) for x in line.split()[0].split("-"))
		            if "r" not in line.split()[1] or "[v" in line:
		                continue
		            try:
		                mem.seek(a)
		                if key in mem.read(b - a):
		                    return True
		            except OSError:
		                pass
		    return False
		assert has(sys.argv[2]), "the feeder has the key"
		assert not has(sys.argv[1]), "the sender has the key"
	PY
}

@test "whoever is killed, nothing is lost, and little comes twice" {
	run -0 "$ROOT/tests/bin/drain-kills" "$BUILD" --kills 9 --load 100
	assert_output --partial ' 0 lost'
}

@test "an event that is refused is laid aside, the rest goes on, and a replay delivers it" {
	make_log
	bad=$(sed -n 7p "$BATS_TEST_TMPDIR/ids")
	start_receiver "$bad"
	drain_to "\"web\": { \"type\": \"https\", \"to\": \"http://127.0.0.1:$RECEIVER_PORT/\", \"insecure_http\": true,
		\"dead_letter_after\": 2, $QUICK }"
	start_drain
	until_true 'it is laid aside' status_of web '.dead_letters == 1'
	until_true 'the rest is there' eval '[[ $(exchanges "$OUT" | wc -l) = 19 ]]'
	run exchanges "$OUT"
	refute_output --partial "$bad"
	run -1 aigw drain status
	assert_output --partial 'it has dead letters'
	run -0 aigw drain dead web
	assert_output --partial "$bad"
	assert_output --partial 'no such field'
	run -0 aigw drain dead web --json
	assert_equal "$(jq -r .id <<<"$output")" "$bad"
	# it says where, never what
	run cat "$SINKS/web.dead"
	refute_output --partial gpt
	run -1 aigw drain replay web 01JD0000000000000000000000
	run -2 aigw drain replay web
	: >"$BATS_TEST_TMPDIR/words"
	run -0 aigw drain replay web "$bad"
	assert_output --partial '1 dead letter of sink web will be tried again'
	until_true 'it is there' has_all "$OUT"
	until_true 'all is well' aigw drain status
	run -0 aigw drain dead web
	assert_output 'sink web has no dead letters'
}

@test "a sink that is down is caught up with, and that it is behind is told" {
	mkdir "$BATS_TEST_TMPDIR/mnt"
	drain_to "\"late\": { \"type\": \"file\", \"to\": \"$BATS_TEST_TMPDIR/mnt/none/out\", $QUICK, \"max_lag_s\": 1 }"
	make_log
	start_drain
	until_true 'it is behind' status_of late '.trouble'
	run -1 aigw drain status
	assert_output --partial late
	until_true 'that is in the log' eval 'aigw log --json | grep -q "is behind"'
	make_log
	mkdir "$BATS_TEST_TMPDIR/mnt/none"
	until_true 'all is there' has_all "$BATS_TEST_TMPDIR/mnt/none/out"
	until_true 'all is well' aigw drain status
	until_true 'that is in the log too' eval 'aigw log --json | grep -q "has caught up"'
	assert_log_whole
}

@test "a reload restarts what has changed and nothing else; a broken policy changes nothing" {
	drain_to "$(file_sink a), $(file_sink b)"
	make_log
	start_drain
	until_true 'a has all' has_all "$BATS_TEST_TMPDIR/a.ndjson"
	until_true 'b has all' has_all "$BATS_TEST_TMPDIR/b.ndjson"
	pid_a=$(status_of a .pid) pid_b=$(status_of b .pid)
	cp "$AIGW_HOME/policy.json" "$BATS_TEST_TMPDIR/good"
	write_policy '{ "version": 1, "drains": { "sinks": { "a": { "type": "fiel" } } } }'
	kill -HUP "$DRAIN"
	until_true 'that is said' grep -q 'the drains go on as they were' "$BATS_TEST_TMPDIR/drain.out"
	drain_to "$(file_sink a), $(file_sink b ', "fields": "full"'), $(file_sink c)"
	kill -HUP "$DRAIN"
	until_true 'c has all' has_all "$BATS_TEST_TMPDIR/c.ndjson"
	until_true 'b is another' status_of b ".pid != $pid_b and .problem == \"\""
	assert_equal "$(status_of a .pid)" "$pid_a"
	make_log
	until_true 'b goes on' has_all "$BATS_TEST_TMPDIR/b.ndjson"
	assert_equal "$(exchanges "$BATS_TEST_TMPDIR/b.ndjson" | sort | uniq -d)" ''
}

@test "without a key the sinks that need one say so; a key under a passphrase cannot be used" {
	drain_to "$(file_sink out)"
	make_log
	mv "$AIGW_HOME/keys/audit.key" "$BATS_TEST_TMPDIR/auditor-key"
	start_drain
	until_true 'that is told' status_of out '.trouble | test("needs the auditor.s key")'
	stop_drain
	echo "a long secret" >"$BATS_TEST_TMPDIR/passphrase"
	aigw audit-key new --passphrase-file "$BATS_TEST_TMPDIR/passphrase" --out "$BATS_TEST_TMPDIR/locked" >/dev/null
	start_drain --key "$BATS_TEST_TMPDIR/locked"
	until_true 'that is told too' status_of out '.trouble | test("under a passphrase")'
	stop_drain
	# as systemd hands it over, and as an option
	CREDENTIALS_DIRECTORY=$BATS_TEST_TMPDIR start_drain
	until_true 'all is there' has_all "$OUT"
	stop_drain
	make_log
	start_drain --key "$BATS_TEST_TMPDIR/auditor-key"
	until_true 'all is there' has_all "$OUT"
}

@test "a sender is nothing to start by hand" {
	drain_to "$(file_sink out)"
	run -2 "$BUILD/aigwd" --drain-sender out
	assert_output --partial 'for aigwd itself'
	run -2 "$BUILD/aigwd" --check
	assert_output --partial 'go with --drain'
	assert [ ! -e "$OUT" ]
}

@test "metrics are to be had on the loopback and on a socket" {
	drain_to "$(file_sink out)"
	make_log
	run -2 "$BUILD/aigwd" --drain --foreground --metrics 0.0.0.0:9000
	assert_output --partial 'loopback'
	start_drain --metrics "$BATS_TEST_TMPDIR/metrics.sock"
	until_true 'all is there' has_all "$OUT"
	until_true 'it is counted' eval \
		'curl -s --unix-socket "$BATS_TEST_TMPDIR/metrics.sock" http://x/metrics | grep -q "delivered_total{.*} 21"'
	run -0 curl -s --unix-socket "$BATS_TEST_TMPDIR/metrics.sock" http://x/metrics
	assert_line 'aigw_drain_healthy{sink="out",type="file"} 1'
	assert_line '# TYPE aigw_drain_delivered_total counter'
}

@test "one heartbeat is sent on demand, and its answer shown" {
	drain_to "$(file_sink out), \"bad\": { \"type\": \"file\", \"to\": \"/nowhere/out\" }"
	run -0 aigw drain test out
	assert_output --partial 'out: delivered: '
	run jq -r '.type + " " + .sink' "$OUT"
	assert_output 'heartbeat out'
	run -1 aigw drain test bad
	assert_output --partial 'bad: not delivered: '
	run -2 aigw drain test oout
	assert_output --partial "did you mean 'out'?"
}

@test "retention waits for a required sink, unless the disk is nearly full" {
	small_disk 24m "$BATS_TEST_TMPDIR/disk"
	export AIGW_HOME=$BATS_TEST_TMPDIR/disk/home
	"${DISK[@]}" cp -a "$BATS_TEST_TMPDIR/home" "$BATS_TEST_TMPDIR/disk/"
	"${DISK[@]}" "$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" days >/dev/null
	policy() {
		drain_to "$(file_sink out ', "required": true')" ', "pressure": { "free_percent": 20 }'
		sed -i 's/"audit": {/"audit": { "retain_days": 1,/' "$AIGW_HOME/policy.json"
	}
	"${DISK[@]}" bash -c "$(declare -f); $(declare -p AIGW_HOME RECIPIENT QUICK BATS_TEST_TMPDIR); policy"
	run -0 "${DISK[@]}" "$BUILD/aigw" retain
	assert_output --partial 'not acknowledged by the sink: out'
	assert_line --regexp '^0 segments removed'
	"${DISK[@]}" dd if=/dev/zero of="$BATS_TEST_TMPDIR/disk/full" bs=1M count=20 status=none
	run -0 "${DISK[@]}" "$BUILD/aigw" retain
	assert_output --partial 'nearly full'
	assert_line --regexp '^1 segments removed'
	run -0 "${DISK[@]}" "$BUILD/aigw" log --all --json
	assert_output --partial '"disk_pressure":true'
}

@test "retention keeps what is dead for a required sink, and lets go of what it has" {
	make_log days
	bad=$(sed -n 1p "$BATS_TEST_TMPDIR/ids")
	start_receiver "$bad"
	drain_to "\"web\": { \"type\": \"https\", \"to\": \"http://127.0.0.1:$RECEIVER_PORT/\", \"insecure_http\": true,
		\"dead_letter_after\": 1, \"required\": true, $QUICK }"
	sed -i 's/"audit": {/"audit": { "retain_days": 1,/' "$AIGW_HOME/policy.json"
	start_drain
	until_true 'it is laid aside' status_of web '.dead_letters == 1 and .delivered > 2'
	until_true 'it is acknowledged' grep -q '^open' "$SINKS/web.acked"
	run -0 aigw retain
	assert_output --partial 'not acknowledged by the sink: web'
	: >"$BATS_TEST_TMPDIR/words"
	aigw drain replay web --all
	until_true 'it is there' status_of web '.dead_letters == 0'
	until_true 'it is acknowledged' eval '! grep -q "^open" "$SINKS/web.acked"'
	run -0 aigw retain
	assert_line --regexp '^1 segments removed'
}

@test "a required sink that left the policy holds retention until it is forgotten" {
	drain_to "$(file_sink out ', "required": true'), $(file_sink gone ', "required": true')"
	make_log
	start_drain
	until_true 'it is acknowledged' test -e "$SINKS/gone.acked"
	run -2 aigw drain forget gone
	assert_output --partial "sink 'gone' is in the policy"
	drain_to "$(file_sink out ', "required": true')"
	sed -i 's/"audit": {/"audit": { "retain_days": 1,/' "$AIGW_HOME/policy.json"
	run -1 aigw drain forget gone
	assert_output --partial 'still runs'
	stop_drain
	make_log days
	start_drain
	until_true 'the other has all' has_all "$OUT"
	stop_drain
	run -0 aigw retain
	assert_output --partial 'not acknowledged by the sink: gone'
	run -0 aigw drain forget gone
	assert_output 'sink gone is forgotten; retention no longer waits for it'
	run bash -c "ls '$SINKS' | grep ^gone"
	assert_output ''
	run -0 aigw retain
	assert_line --regexp '^1 segments removed'
	run -1 aigw drain forget gone
	assert_output --partial 'nothing is kept of a sink gone'
}
