#!/usr/bin/env bats
# aigwd as collector of a shared host: real programs through the shim, and a client that does what no
# program should (tests/bin/collect_client.c).
load helper

setup() {
	# Other users must get there; bats' own directory is closed to them.
	T=$(mktemp -d /tmp/aigw-collector-XXXXXX)
	chmod 755 "$T"
	SOCKET=$T/collect.sock LOG=$T/log
	cp "$BIN/collect_client" "$T/client"
	DISK=()
	initialised
	collector_policy
}

teardown() {
	stop_provider
	stop_collector -KILL
	no_small_disk
	chattr -R -a "$T" 2>/dev/null || true
	rm -rf "$T"
}

# collector_policy [MEMBERS]: everything allowed, recorded by the collector; more members of "audit".
collector_policy() {
	write_policy "{
  \"version\": 1,
  \"audit\": { \"recipients\": [\"$RECIPIENT\"], \"via\": \"collector\", \"socket\": \"$SOCKET\",
             \"directory\": \"$LOG\"${1:-} },
  \"environments\": { \"test\": {} },
  \"default_environment\": \"test\"
}"
}

# start_collector: returns once it collects; $COLLECTOR is its pid.
start_collector() {
	local line
	[[ -p $T/said ]] || mkfifo "$T/said"
	exec {said}<>"$T/said"
	"${DISK[@]}" "$BUILD/aigwd" --foreground --socket "$SOCKET" --policy "$AIGW_HOME/policy.json" \
		>/dev/null 2> >(exec tee -a "$T/aigwd.out" >"$T/said" 3>&-) 3>&- &
	COLLECTOR=$!
	while read -r -t 20 -u "$said" line; do
		[[ $line != *'collecting into'* ]] || return 0
		[[ $line != *'refusing'* ]] || return 1
	done
	cat "$T/aigwd.out" >&2
	return 1
}

# stop_collector [SIGNAL]: harmless twice.
stop_collector() {
	[[ ${COLLECTOR:-} ]] || return 0
	kill "${1:--TERM}" "$COLLECTOR" 2>/dev/null || true
	wait "$COLLECTOR" 2>/dev/null || true
	COLLECTOR=
}

client() {
	"$T/client" "$SOCKET" "$@"
}

as_user() { # as_user UID COMMAND...
	local uid=$1
	shift
	setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs "$@"
}

only_root() {
	[[ $(id -u) = 0 ]] || skip 'needs root, to be two users'
}

verify() {
	aigw verify "$@"
}

# segment: the path of the first one
segment() {
	find "$LOG" -name '*.aigw' | sort | head -n 1
}

# Whoever attacks here is root and takes the flag off first.
unlock_log() {
	chattr -R -a "$LOG" 2>/dev/null || true
}

change_byte() { # change_byte FILE OFFSET
	local old
	old=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf '%b' "\\x$(printf %02x $((old ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# ---- who sent it ----

@test "a program's calls are kept by the collector, with what the kernel says of the program" {
	start_provider
	start_collector
	run chat -d "$(body gpt-5)"
	assert_answers 200
	assert_recorded .outcome complete .process.exe "$(readlink -f "$(command -v curl)")" \
		.process.uid "$(id -u)" '.gen_ai["usage.input_tokens"]' 19
	assert_equal "$(last_record '.process.cmdline[0]')" curl
	assert [ ! -e "$AIGW_HOME/audit/ledger" ]
	assert_equal "$(stat -c %a "$LOG")" 700
}

@test "that an agreement ends soon and that a budget fills up are told to the collector, once" {
	write_policy "{ \"version\": 1,
		\"audit\": { \"recipients\": [\"$RECIPIENT\"], \"via\": \"collector\", \"socket\": \"$SOCKET\", \"directory\": \"$LOG\" },
		\"providers\": { \"openai\": { \"baa\": { \"reference\": \"BAA-7\", \"until\": \"$(date -u -d '10 days' +%Y-%m-%d)\" } } },
		\"environments\": { \"test\": { \"require\": [\"baa\"], \"limits\": { \"tokens_per_day\": 1100 } } },
		\"default_environment\": \"test\" }"
	start_provider
	start_collector
	for _ in 1 2; do # what counts is the estimate, for want of anything better
		run chat -H 'x-provider: no-usage' -d "$(body gpt-5 ',"max_tokens":430')"
		assert_answers 200
	done
	run chat -d "$(body gpt-5 ',"max_tokens":430')"
	assert_answers 429
	others() { aigw log --json | jq -rs "flatten | map(select(.type == \"$1\")) | $2"; }
	assert_equal "$(others notice 'map([.agreement, .environment, .process.uid, (.problem | test("BAA-7.*ends in (9|10) days"))]) | tojson')" \
		"[[\"providers.openai.baa\",\"test\",$(id -u),true]]"
	assert_equal "$(others limit 'map([.decision.rule, .limit.percent, .process.uid]) | tojson')" \
		"[[\"environments.test.limits.tokens_per_day\",80,$(id -u)],[\"environments.test.limits.tokens_per_day\",100,$(id -u)]]"
	assert_log_whole
}

@test "records of two users say whose they are, and neither can answer for the other" {
	only_root
	start_collector
	run -0 as_user 12345 "$T/client" "$SOCKET" load 1 100
	local id=$output
	run -0 as_user 23456 "$T/client" "$SOCKET" load 1 100
	run -0 as_user 23456 "$T/client" "$SOCKET" answer "$id"
	assert_equal "$(records "map(select(.id == \"$id\" and .process.uid == 12345)) | .[0].outcome")" killed
	assert_equal "$(records 'map(.process.uid) | sort | join(" ")')" '12345 23456 23456'
	run -0 aigw show "$id"
	refute_output --partial 'words put into'
	assert_output --partial 'uid 12345'
	run -0 as_user 12345 "$T/client" "$SOCKET" answer "$id"
	assert_equal "$(records "map(select(.id == \"$id\" and .process.uid == 12345)) | .[0].outcome")" complete
	run ! as_user 12345 ls "$LOG"
	stop_collector
	run -0 verify
}

@test "what a forked child sends over its parent's connection is the child's" {
	start_collector
	run -0 client child
	assert_equal "$(records 'map(.process.pid) | join("\n")')" "$(printf '%s\n%s' "${lines[1]}" "${lines[0]}")"
}

@test "a forked child of a governed program makes a connection of its own" {
	start_provider
	start_collector
	run -0 shimmed $PYTHON -c "
import os, ssl, urllib.request
def call():
    q = urllib.request.Request('$OPENAI/chat/completions', b'''$(body gpt-5)''',
        {'Content-Type': 'application/json', 'Authorization': 'Bearer $API_KEY'})
    print(urllib.request.urlopen(q, context=ssl.create_default_context(cafile='$CERTS/ca.pem')).status, os.getpid(), flush=True)
before = set(os.listdir('/proc/self/fd'))
call()
pid = os.fork()
if pid == 0:
    call(); os._exit(0)
os.waitpid(pid, 0)
call()
def is_socket(fd):
    try: return os.readlink('/proc/self/fd/' + fd).startswith('socket:')
    except OSError: return False # the listing's own
print('new below 900:', [fd for fd in os.listdir('/proc/self/fd') if fd not in before and int(fd) < 900 and is_socket(fd)])
"
	assert_equal "$(records 'map(.process.pid) | join(" ")')" \
		"$(sed -n 's/^200 //p' <<<"$output" | tr '\n' ' ' | sed 's/ $//')"
	assert_equal "$(records 'map(.outcome) | unique | join(" ")')" complete
	assert_line 'new below 900: []'
}

@test "who claims to be another is recorded as who it is, and the claim beside it" {
	start_collector
	run -0 client lie
	assert_equal "$(last_record .process.uid)" "$(id -u)"
	assert_equal "$(last_record .process.exe)" "$T/client"
	assert_equal "$(last_record '.process.claimed | join(" ")')" 'uid=4711 exe=/usr/bin/harmless'
	run -0 aigw show last
	assert_output --partial 'unconfirmed  uid=4711'
}

# ---- who read it ----

# accesses [JQ]: the records of readings, the one that this needs being the last.
accesses() {
	aigw log --json | jq -rs 'map(select(.type == "access")) | '"${1:-.}"
}

@test "who reads a collector's log is recorded in it first, with what was asked for" {
	start_collector
	run -0 client load 2 100
	local id=${lines[0]}
	aigw log --since 1h >"$T/out"
	run ! grep access "$T/out"
	aigw show "$id" >/dev/null
	aigw tail -n 1 >"$T/out"
	run ! grep access "$T/out"
	aigw grep -F -l xxxx >/dev/null
	aigw usage --by user >/dev/null
	aigw export --format csv -o "$T/export" 2>/dev/null
	aigw evidence "$id" -o "$T/evidence"
	run -2 aigw show
	run -0 accesses 'map([.access.command] + .access.arguments | join(" ")) | .[]'
	assert_output - <<-END
		log --since 1h
		show $id
		tail -n 1
		grep -F -l xxxx
		usage --by user
		export --format csv -o $T/export
		evidence $id -o $T/evidence
		log --json
	END
	assert_equal "$(accesses 'last | "\(.process.uid) \(.process.exe) \(.access.directory)"')" \
		"$(id -u) $(readlink -f "$BUILD/aigw") $LOG"
	run -0 aigw log --all
	assert_output --partial "access show $id"
	stop_collector
	run -0 verify
}

@test "another user's reading of a copy says who it was; changes of the log only its managers report" {
	only_root
	start_collector
	run -0 client load 1 100
	mkdir "$T/user"
	cp "$BUILD/aigw" "$T/aigw"
	cp -r "$AIGW_HOME/policy.json" "$AIGW_HOME/keys" "$T/user"
	cp -r "$LOG" "$T/user/copy"
	chown -R 12345 "$T/user"
	run -0 as_user 12345 env AIGW_HOME="$T/user" "$T/aigw" log --directory "$T/user/copy"
	assert_output --partial gpt-5
	assert_equal "$(accesses '.[0] | "\(.process.uid) \(.access.directory)"')" "12345 $T/user/copy"
	run -1 as_user 12345 "$T/client" "$SOCKET" kind 13 # hold
	assert_output 6
	run -1 as_user 12345 "$T/client" "$SOCKET" kind 8 # key_change
	assert_output 6
	run -0 client kind 13
}

@test "holds, retention and keys are told to the collector, which alone writes" {
	start_collector
	run -0 client load 1 100
	run -0 aigw hold add --day 2026-01-02 --reason 'case 12'
	run -0 aigw hold remove --day 2026-01-02 --yes
	run -0 --separate-stderr aigw audit-key new --public-only-here
	run -0 aigw audit-key add "$(grep -o 'aigw1[a-z0-9]*' <<<"$output")"
	run -0 aigw log --json
	assert_equal "$(jq -rs 'map(select(.type == "hold") | "\(.hold.action) \(.hold.what) \(.hold.reason) \(.process.uid)") | .[]' <<<"$output")" \
		"add day 2026-01-02 case 12 $(id -u)
remove day 2026-01-02 case 12 $(id -u)"
	assert_equal "$(jq -rs 'map(select(.type == "key_change")) | .[0].key.action' <<<"$output")" add
	assert_equal "$(find "$LOG" -name "*-$COLLECTOR-*.aigw" | wc -l)" "$(find "$LOG" -name '*.aigw' | wc -l)"
}

@test "without the collector a reading is not recorded: that is said, and nothing is held back" {
	start_collector
	run -0 client load 1 100
	stop_collector
	run -0 --separate-stderr aigw log
	assert_output --partial gpt-5
	[[ $stderr == *"could not be recorded by the collector at $SOCKET: nobody listens there"* ]] || fail "$stderr"
	run -0 --separate-stderr aigw hold add --day 2026-01-02 --reason 'case 12'
	[[ $stderr == *"what was done could not be recorded"* ]] || fail "$stderr"
	# a log of one's own has no such records
	initialised
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] }, \"environments\": { \"test\": {} },
		\"default_environment\": \"test\" }"
	run -0 --separate-stderr aigw hold add --day 2026-01-02 --reason 'case 13'
	[[ -z $stderr ]] || fail "$stderr"
	run -0 --separate-stderr aigw log --json
	[[ -z $stderr ]] || fail "$stderr"
	assert_equal "$(jq -rs 'map(.type) | join(" ")' <<<"$output")" 'start hold'
}

@test "drains that cannot be read are told with their place, and records are kept all the same" {
	collector_policy '}, "drains": { "sinks": { "x": { "type": "fil" } }'
	start_collector
	run -0 grep -c 'nothing will be drained, for the policy .*policy.json:[0-9]*: drains.sinks.x.type: "fil" is not a type of sink; did you mean "file"?' "$T/aigwd.out"
	assert_output 1
	run -0 client memory sealed
	assert_equal "$(records length)" 1
}

# ---- hostile clients ----

@test "malformed messages close their connection and nothing else" {
	start_collector
	run -0 client odd
	assert_line 'closed: 8'
	assert_line 'no fields: 6'
	assert_line 'a start record: 6'
	assert_line 'an unknown kind: 6'
	run -0 client load 1 100
	stop_collector
	run -0 verify
}

@test "a record in sealed memory is kept, one in memory that may change is not" {
	start_collector
	run -0 client memory sealed
	run -1 client memory open
	run -1 client memory short
	assert_equal "$(records length)" 1
	run -0 client load 2 3000000
	assert_equal "$(records length)" 3
}

@test "a user who floods is limited, and another one is served meanwhile" {
	only_root
	start_collector
	# no function in between: what is killed below is the client itself
	setpriv --reuid 12345 --regid 12345 --clear-groups --no-new-privs "$T/client" "$SOCKET" flood \
		>"$T/flood.out" 3>&- &
	local flood=$! began took
	setpriv --reuid 12345 --regid 12345 --clear-groups --no-new-privs "$T/client" "$SOCKET" hoard \
		>"$T/hoard.out" 2>&1 3>&- &
	local hoard=$!
	began=$(date +%s%N)
	run -0 timeout 20 setpriv --reuid 23456 --regid 23456 --clear-groups "$T/client" "$SOCKET" load 100 1000
	took=$((($(date +%s%N) - began) / 1000000))
	assert_equal "${#lines[@]}" 100
	[[ $took -lt 10000 ]] || fail "100 records took $took ms"
	local resident
	resident=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$COLLECTOR/status")
	[[ $resident -lt 400000 ]] || fail "the collector holds $resident kB"
	kill -KILL $flood $hoard
	wait $flood $hoard || true
}

# ---- its disk is full ----

log_on_a_small_disk() {
	small_disk 3m "$T/disk"
	LOG=$T/disk/log
	collector_policy
}

@test "a full disk: each program is told, calls go as the policy says, and a gap record tells how much is missing" {
	local durability kept filled lost
	log_on_a_small_disk
	for durability in written synced; do
		collector_policy ", \"durability\": \"$durability\""
		"${DISK[@]}" sh -c "chattr -R -a '$LOG' 2>/dev/null; rm -rf '$LOG'; head -c 1500000 /dev/zero >'$T/disk/ballast'"
		start_collector
		start_provider
		run -0 client fill 50000
		read -r kept filled <<<"$output"
		[[ $kept -gt 10 && $filled = 1 ]] || fail "$output"
		run -0 client fill 50000
		assert_output '0 1'
		run chat -d "$(body gpt-5)"
		assert_refused_without_leak 503
		assert_output --partial "the collector at $SOCKET (aigwd) does not keep records"
		collector_policy ", \"durability\": \"$durability\", \"on_failure\": \"allow\""
		start_provider # the one before was asked what it saw
		run chat -d "$(body gpt-5)"
		assert_answers 200
		stop_provider

		"${DISK[@]}" rm "$T/disk/ballast"
		run -0 client load 3 1000
		"${DISK[@]}" "$BUILD/aigw" log --json >"$T/all"
		assert_equal "$(jq -rs 'map(select(.type == "exchange")) | length' "$T/all")" $((kept + 3))
		# two of this client, a call and its refusal, one that was let go and its answer; and that the
		# policy changed, if the collector had a look at it by then
		lost=$(jq -rs 'map(select(.type == "gap").gap.count) | add' "$T/all")
		[[ $lost = 6 || $lost = 7 ]] || fail "lost: $lost"
		"${DISK[@]}" cp "$LOG/checkpoints" "$T/outside"
		stop_collector
		run "${DISK[@]}" "$BUILD/aigw" verify --checkpoints "$T/outside"
		# whole, or with the one record that got no further than half
		[[ $status = 0 || ($status = 2 && $output = *torn_tail*) ]] || fail "verify ended with $status: $output"
		grep -q 'a record cannot be kept' "$T/aigwd.out"
		grep -q 'a gap record tells what was lost' "$T/aigwd.out"
	done
}

@test "a disk that became read-only: the collector says so and does not start; calls go as the policy says" {
	start_provider
	log_on_a_small_disk
	start_collector
	run -0 client load 2 1000
	stop_collector
	"${DISK[@]}" mount -o remount,ro "$T/disk"
	run -3 timeout 20 "${DISK[@]}" "$BUILD/aigwd" --foreground --socket "$SOCKET" --policy "$AIGW_HOME/policy.json"
	assert_output --partial "$LOG"
	run chat -d "$(body gpt-5)"
	assert_refused_without_leak 503
	"${DISK[@]}" mount -o remount,rw "$T/disk"
	start_collector
	run -0 client load 1 1000
	stop_collector
	run -0 "${DISK[@]}" "$BUILD/aigw" verify
}

# ---- it is killed, it is gone ----

@test "kill -9 under load loses nothing that was acknowledged" {
	for durability in written synced; do
		collector_policy ", \"durability\": \"$durability\""
		start_collector
		local pids=() i
		: >"$T/acknowledged"
		for i in 1 2 3 4; do
			client load 100000 "$((i * 3000))" >>"$T/acknowledged" 3>&- &
			pids+=($!)
		done
		until [[ $(wc -l <"$T/acknowledged") -gt 200 ]]; do :; done
		stop_collector -KILL
		wait "${pids[@]}" || true
		start_collector
		client load 1 100 >>"$T/acknowledged"
		aigw log --json | jq -r 'select(.type == "exchange") | .id' | sort >"$T/kept"
		run -0 comm -23 <(sort "$T/acknowledged") "$T/kept"
		assert_output ''
		stop_collector
		run verify
		[[ $status = 2 || $status = 0 ]] || fail "verify ended with $status: $output"
	done
}

@test "a collector that is gone refuses calls with a reason, or leaves a gap where that is allowed" {
	start_provider
	run chat -d "$(body gpt-5)"
	assert_answers 503
	assert_output --partial "the collector at $SOCKET (aigwd) does not keep records"
	assert_equal "$(requests_seen)" 0
	collector_policy ', "on_failure": "allow"'
	start_provider
	mkfifo "$T/go" "$T/done"
	shimmed $PYTHON -c "
import ssl, urllib.request
def call():
    q = urllib.request.Request('$OPENAI/chat/completions', b'''$(body gpt-5)''',
        {'Content-Type': 'application/json', 'Authorization': 'Bearer $API_KEY'})
    urllib.request.urlopen(q, context=ssl.create_default_context(cafile='$CERTS/ca.pem')).read()
call()
open('$T/done', 'w').write('one\n')
open('$T/go').read()
call()
" 3>&- &
	local program=$!
	read -r <"$T/done"
	start_collector
	echo go >"$T/go"
	wait $program
	assert_equal "$(requests_seen)" 2
	assert_equal "$(aigw log --json | jq -rs 'map(select(.type == "gap")) | .[0].gap.count')" 2
	assert_equal "$(records 'map(.outcome) | join(" ")')" complete
}

@test "a collector that is started anew is found by a program that goes on" {
	start_provider
	start_collector
	mkfifo "$T/go" "$T/done"
	shimmed $PYTHON -c "
import ssl, urllib.request
def call():
    q = urllib.request.Request('$OPENAI/chat/completions', b'''$(body gpt-5)''',
        {'Content-Type': 'application/json', 'Authorization': 'Bearer $API_KEY'})
    urllib.request.urlopen(q, context=ssl.create_default_context(cafile='$CERTS/ca.pem')).read()
call()
open('$T/done', 'w').write('one\n')
open('$T/go').read()
call()
" 3>&- &
	local program=$!
	read -r <"$T/done"
	stop_collector
	start_collector
	echo go >"$T/go"
	wait $program
	assert_equal "$(records 'map(.outcome) | join(" ")')" 'complete complete'
	stop_collector
	run -0 verify
}

# ---- one writer, systemd ----

@test "a newer policy is taken up, a broken one is not, and the log tells both" {
	local end=$((SECONDS + 20))
	start_collector
	told() { # COUNT: so many changes of the policy are in the log
		until [[ $(aigw log --json --all | jq -s 'flatten | map(select(.type == "policy_change")) | length') -ge $1 ]]; do
			[[ $SECONDS -lt $end ]] || fail "$(aigw log --json --all)"
		done
	}
	collector_policy ', "durability": "synced"'
	told 1
	echo '{' >"$AIGW_HOME/broken.json"
	cp "$AIGW_HOME/policy.json" "$AIGW_HOME/good.json"
	mv "$AIGW_HOME/broken.json" "$AIGW_HOME/policy.json"
	kill -HUP "$COLLECTOR"
	AIGW_POLICY=$AIGW_HOME/good.json told 2
}

@test "a second collector does not write to the same log, nor take over a living socket" {
	start_collector
	run -3 "$BUILD/aigwd" --foreground --socket "$T/other.sock" --policy "$AIGW_HOME/policy.json"
	assert_output --partial "another collector writes to $LOG"
	run -3 "$BUILD/aigwd" --foreground --socket "$SOCKET" --directory "$T/other" --policy "$AIGW_HOME/policy.json"
	assert_output --partial "another program listens on $SOCKET"
	run -0 client load 1 100
}

@test "it takes a socket that is handed over, and tells when it is ready, alive and stopping" {
	run -0 $PYTHON - "$BUILD/aigwd" "$SOCKET" "$AIGW_HOME/policy.json" "$T/client" <<-'END'
		import os, signal, socket, subprocess, sys
		aigwd, path, policy, client = sys.argv[1:]
		listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		listener.bind(path); listener.listen()
		listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1) # PassCredentials=yes in aigwd.socket
		told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		told.bind('\0aigw-test-%d' % os.getpid()); told.settimeout(20)
		early = subprocess.Popen([client, path, 'load', '1', '100'], stdout=subprocess.PIPE)
		pid = os.fork()
		if pid == 0:
		    os.dup2(listener.fileno(), 3); os.set_inheritable(3, True)
		    os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), WATCHDOG_USEC='200000',
		                      NOTIFY_SOCKET='@aigw-test-%d' % os.getppid())
		    os.execv(aigwd, [aigwd, '--policy', policy])
		import atexit; atexit.register(lambda: os.kill(pid, signal.SIGKILL)) # harmless when it ended
		words = set()
		while 'WATCHDOG=1' not in words: words.add(told.recv(100).decode())
		assert 'READY=1' in words, words
		assert early.wait() == 0
		os.kill(pid, signal.SIGTERM)
		while 'STOPPING=1' not in words: words.add(told.recv(100).decode())
		assert os.waitpid(pid, 0)[1] == 0
		assert os.path.exists(path) # it is systemd's
	END
	assert_equal "$(records length)" 1
}

@test "systemd starts it when the first program connects, and its record is kept" {
	local activated said
	mkfifo "$T/activation"
	exec {said}<>"$T/activation"
	systemd-socket-activate --seqpacket --listen="$SOCKET" "$BUILD/aigwd" --foreground --policy "$AIGW_HOME/policy.json" \
		>/dev/null 2>"$T/activation" 3>&- &
	COLLECTOR=$! # it becomes aigwd
	read -r -t 20 -u "$said" activated
	[[ $activated = *"Listening on $SOCKET"* ]] || fail "$activated"
	run -0 timeout 20 "$T/client" "$SOCKET" load 3 100
	stop_collector
	assert [ -S "$SOCKET" ]
	assert_equal "$(records 'map(.process.exe) | unique | .[]')" "$T/client"
	assert_equal "$(records length)" 3
	run -0 verify
}

@test "files that are only appended to are held to that where the file system can" {
	only_root
	start_collector
	run -0 client load 1 100
	grep -q 'does not hold files to appending' "$T/aigwd.out" && skip 'this file system has no chattr +a'
	run ! truncate -s 10 "$(segment)"
	run ! rm "$(segment)"
	run ! rm "$LOG/ledger"
	run ! truncate -s 10 "$LOG/checkpoints"
	stop_collector
	run -0 verify
}

# ---- checkpoints, and what an attack leads to ----

# whole_log: 20 records kept, the collector ended, a copy of the checkpoints outside.
whole_log() {
	start_collector
	client load 10 500 >/dev/null
	cp "$LOG/checkpoints" "$T/early"
	cp -a "$LOG" "$T/older"
	client load 10 500 >/dev/null
	stop_collector
	cp "$LOG/checkpoints" "$T/outside"
	unlock_log
}

@test "a log and its outside copy agree; without a readable copy that is said" {
	whole_log
	run -0 verify --checkpoints "$T/outside"
	assert_output --partial 'an outside copy of the checkpoints, up to'
	run -0 verify
	assert_output --partial 'not checked:  an outside witness'
	run -3 verify --checkpoints "$T/nowhere"
	assert_output --partial no_witness
	run -0 verify --checkpoints "$T/outside" --json
	assert_equal "$(jq -r .checked.outside_witness <<<"$output")" true
	# without a key nothing but the seals is left out
	run -0 env AIGW_HOME="$T/nobody" "$BUILD/aigw" verify --directory "$LOG" --checkpoints "$T/outside"
}

@test "any changed bit of a record is found" {
	whole_log
	change_byte "$(segment)" 2000
	run -1 verify
	assert_output --partial 'changed'
	run -1 verify --checkpoints "$T/outside"
}

@test "a tail that was cut is found" {
	whole_log
	truncate -s -300 "$(segment)"
	run -1 verify --checkpoints "$T/outside"
	assert_output --partial 'cut'
}

@test "a segment that was removed is found" {
	whole_log
	rm "$(segment)"
	run -1 verify --checkpoints "$T/outside"
	assert_output --partial missing_segment
}

@test "an older copy of everything, put back with its keys, is found against the outside copy" {
	whole_log
	chattr -R -a "$T/older" 2>/dev/null || true
	rm -r "$LOG"
	mv "$T/older" "$LOG"
	run verify
	[[ $status != 1 ]] || fail "the host alone can tell? $output"
	run -1 verify --checkpoints "$T/outside"
	assert_output --partial checkpoint_cut
}

@test "a log made anew in its place is found against the outside copy" {
	whole_log
	rm -r "$LOG"
	start_collector
	client load 20 500 >/dev/null
	stop_collector
	run -0 verify
	run -1 verify --checkpoints "$T/outside"
	assert_output --partial checkpoint_replaced
}

@test "checkpoints that were changed, cut or removed are found" {
	whole_log
	cp "$LOG/checkpoints" "$T/good"
	change_byte "$LOG/checkpoints" 400
	run -1 verify
	assert_output --partial checkpoint_
	head -c 344 "$T/good" >"$LOG/checkpoints"
	run -1 verify --checkpoints "$T/outside"
	assert_output --partial checkpoint_cut
	rm "$LOG/checkpoints"
	run -1 verify
	assert_output --partial checkpoint_missing
}

@test "a collector does not start on a log that was cut or put back, and leaves it as it is" {
	whole_log
	local before
	cp -a "$LOG" "$T/whole"
	refuses() { # refuses WORDS
		before=$(cd "$LOG" && find . -type f -name '[!.]*' -exec sha256sum {} + | sort)
		run -1 timeout 20 "$BUILD/aigwd" --foreground --socket "$SOCKET" --policy "$AIGW_HOME/policy.json"
		assert_output --partial "refusing to start on $LOG: $1"
		unlock_log
		assert_equal "$(cd "$LOG" && find . -type f -name '[!.]*' -exec sha256sum {} + | sort)" "$before"
		rm -r "$LOG"
		cp -a "$T/whole" "$LOG"
	}
	cp "$T/early" "$LOG/checkpoints"
	refuses 'the checkpoints'
	rm "$LOG/checkpoint.key"
	refuses 'the checkpoints'
	head -c 1024 /dev/urandom >"$LOG/checkpoint.key"
	refuses 'the checkpoints'
	cp "$T/older/ledger.key" "$LOG/ledger.key"
	refuses 'the ledger is shorter'
	rm "$LOG/checkpoints" "$LOG/checkpoint.key"
	refuses 'there is a log, but no checkpoints'
	start_collector
}

@test "a collector that hung once and is slow since is waited for again" {
	start_collector
	start_provider
	exec {slow}< <(exec "$ROOT/tests/bin/hostile-collector" "$T/slow.sock" slow "$SOCKET" 3>&- 2>/dev/null)
	local pid=$!
	read -r -t 20 -u "$slow"
	write_policy "$(jq --arg socket "$T/slow.sock" '.audit.socket = $socket' "$AIGW_HOME/policy.json")"
	# Without a pause between them: each that is refused is a wait in vain.
	run -0 governed $PYTHON -c "
import http.client, sys, time
begun, seen = time.monotonic(), []
while time.monotonic() - begun < 15 and seen[-1:] != [200]:
    line = http.client.HTTPSConnection('api.openai.com', $PORT, timeout=20)
    line.request('POST', '/v1/chat/completions', sys.argv[1],
                 {'Content-Type': 'application/json', 'Authorization': 'Bearer $API_KEY'})
    seen.append(line.getresponse().status)
    line.close()
print(seen[0], len(seen) > 2, seen[-1])" "$(body gpt-5)"
	assert_line '503 True 200'
	kill "$pid"
	exec {slow}<&-
}

@test "connections whose descriptors stay open when they are closed do it no harm" {
	[[ $(uname -m) = x86_64 ]] || skip 'the runner knows the registers of x86-64 only'
	# as when somebody has a copy of each
	"$BIN/fault-run" --by aigwd --only close --at 1 --on --fail EIO "$BUILD/aigwd" --foreground \
		--socket "$SOCKET" --policy "$AIGW_HOME/policy.json" >/dev/null 2>"$T/aigwd.out" 3>&- &
	COLLECTOR=$!
	timeout 20 sh -c 'until grep -q "collecting into" "$1"; do sleep 0.05; done' sh "$T/aigwd.out"
	for _ in 1 2 3 4 5 6 7 8; do
		run -0 client load 2 300
		assert_equal "${#lines[@]}" 2
	done
	kill "$COLLECTOR"
	wait "$COLLECTOR" # its status is that of the collector
	COLLECTOR=
}
