#!/usr/bin/env bats
# The tool where it needs no provider: setting up, usage, the policy, starting programs, and reading
# and verifying a log whose content is known (tests/bin/make-log.c).

# shellcheck disable=SC2030,SC2031,SC2154,SC2016,SC2012  # another home in subshells; bats' $stderr
load helper

TOOL=$BUILD/aigw

# known_log [SCENE]: a set-up home with that log; the ids of its exchanges in $IDS.
known_log() {
	initialised
	mapfile -t IDS < <("$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" "${1:-all}")
}

segment() {
	echo "$AIGW_HOME"/audit/*/*.aigw
}

# change_byte FILE OFFSET: that byte becomes another one.
change_byte() {
	local old
	old=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf '%b' "\\x$(printf %02x $((old ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# ---- usage ----

@test "without a command the tool explains itself and ends with 2" {
	run -2 "$TOOL"
	assert_output --partial 'Usage: aigw COMMAND'
}

@test "--version and --help end with 0" {
	run -0 "$TOOL" --version
	assert_output --regexp '^aigw [0-9]+\.[0-9]+\.[0-9]+'
	run -0 "$TOOL" --help
	assert_output --partial 'Commands:'
}

@test "every command explains itself by --help and by help, with the same words" {
	for command in init run log show tail grep verify export evidence audit-key retain hold drain usage policy providers doctor; do
		run -0 "$TOOL" "$command" --help
		assert_output --partial "Usage: aigw $command"
		assert_equal "$("$TOOL" help "$command")" "$output"
	done
}

@test "every option of a command's help stands in its manual page" {
	for command in init run log show tail grep verify export evidence audit-key retain hold drain usage policy providers doctor; do
		for option in $("$TOOL" help "$command" | grep -o -- '--[a-z]*' | sort -u); do
			[[ $option = --help ]] || grep -q "Fl ${option#--}\|Fl Fl ${option#--}" \
				"$ROOT/docs/man/aigw-$command.1" || fail "aigw-$command.1 lacks $option"
		done
	done
}

@test 'a path that there is no room for is refused, and nothing written where its beginning points' {
	local long
	long=$BATS_TEST_TMPDIR/$(printf './%.0s' {1..600})key
	run -2 "$TOOL" audit-key new --out "$long"
	assert_output --partial '--out: a path of more than 1023 characters'
	assert_equal "$(find "$BATS_TEST_TMPDIR" -name 'k*')" ''
}

@test "a mistyped command or option is named, with what was probably meant" {
	run -2 "$TOOL" vreify
	assert_output --partial "unknown command 'vreify'; did you mean 'verify'?"
	run -2 "$TOOL" log --sicne 1h
	assert_output --partial "did you mean '--since'?"
	run -2 "$TOOL" policy chekc
	assert_output --partial "did you mean 'check'?"
	run -2 "$TOOL" xyzzy
	refute_output --partial 'did you mean'
}

@test "a value that cannot be one is quoted and ends with 2" {
	run -2 "$TOOL" log --since someday
	assert_output --partial "'someday' is no time"
	run -2 "$TOOL" log --since 2026-02-30
	run -2 "$TOOL" log --limit many
	assert_output --partial "takes a number, not 'many'"
	run -2 "$TOOL" log --decision perhaps
	run -2 "$TOOL" log --model
	assert_output --partial '--model needs a value'
	run -2 "$TOOL" log --full
	run -2 "$TOOL" show
	run -2 "$TOOL" show --raw both last
	run -2 "$TOOL" verify --day yesterday
	run -2 "$TOOL" init --recipient aigw1mistyped
	assert_output --partial "'aigw1mistyped' is not a recipient"
	assert [ ! -e "$AIGW_HOME" ]
}

# ---- init ----

@test "init makes a home that nobody else can enter, and says where everything is" {
	umask 000
	run -0 "$TOOL" init
	assert_output --partial "$AIGW_HOME/policy.json"
	assert_output --partial "$AIGW_HOME/keys/audit.key"
	assert_output --partial 'Lose all of'
	assert_equal "$(find "$AIGW_HOME" -type d -printf '%m\n' | sort -u)" 700
	assert_equal "$(find "$AIGW_HOME" -type f -printf '%m\n' | sort -u)" 600
	run -0 cat "$AIGW_HOME/keys/audit.key"
	assert_line --index 0 --regexp '^# .*aigw1'
	assert_line --index 1 --regexp '^AIGW-SECRET-KEY-1'
	run -0 "$TOOL" policy check
}

@test "a second init changes nothing and says so" {
	"$TOOL" init
	before=$(find "$AIGW_HOME" -type f -exec sha256sum {} +)
	run -0 "$TOOL" init
	assert_output --partial 'nothing was changed'
	assert_equal "$(find "$AIGW_HOME" -type f -exec sha256sum {} +)" "$before"
}

@test "a second recipient goes into a new policy; an existing one is not changed but told of" {
	AIGW_HOME=$BATS_TEST_TMPDIR/other "$TOOL" init
	second=$(AIGW_HOME=$BATS_TEST_TMPDIR/other && recipient)
	run -0 "$TOOL" init --recipient "$second"
	assert_equal "$("$TOOL" policy show --json | jq '.audit.recipients | length')" 2
	rm -r "$AIGW_HOME"
	"$TOOL" init
	run -1 "$TOOL" init --recipient "$second"
	assert_output --partial "does not name $second"
	key=$(sha256sum "$AIGW_HOME/keys/audit.key")
	run -0 "$TOOL" init --force --recipient "$second"
	assert_equal "$("$TOOL" policy show --json | jq '.audit.recipients | length')" 2
	assert [ -e "$AIGW_HOME/policy.json.old" ]
	assert_equal "$(sha256sum "$AIGW_HOME/keys/audit.key")" "$key"
}

@test "either of two recipients reads the log" {
	AIGW_HOME=$BATS_TEST_TMPDIR/other "$TOOL" init
	RECIPIENT=$(AIGW_HOME=$BATS_TEST_TMPDIR/other && recipient)
	"$TOOL" init
	known_log many=2
	run -1 --separate-stderr "$TOOL" log --json
	assert_output ''
	[[ $stderr = *'sealed for other keys'* ]]
	run -0 "$TOOL" log --json --key "$BATS_TEST_TMPDIR/other/keys/audit.key"
	assert_equal "$(grep -c '"exchange"' <<<"$output")" 2
}

@test "a damaged key file is told with its line" {
	"$TOOL" init
	sed -i '2s/.$/!/' "$AIGW_HOME/keys/audit.key"
	run -1 "$TOOL" log
	assert_output --partial "audit.key:2: not a secret key"
}

# ---- policy ----

@test "policy check names file, line and column of what is wrong" {
	cat >"$BATS_TEST_TMPDIR/p.json" <<-'END'
		{
		  "version": 1,
		  "audit": { "recipients": [] },
		  "modles": {}
		}
	END
	cd "$BATS_TEST_TMPDIR"
	run -1 "$TOOL" policy check p.json
	assert_output --regexp '^p\.json:[0-9]+:[0-9]+: .+'
	run -1 "$TOOL" policy check p.json --json
	assert_equal "$(jq -r '"\(.fine) \(.line > 0) \(.problem | length > 0)"' <<<"$output")" 'false true true'
}

@test "policy check finds a mistyped recipient where it stands" {
	"$TOOL" init
	sed -i 's/\(aigw1[a-z0-9]\{50\}\)./\1b/' "$AIGW_HOME/policy.json"
	line=$(grep -n '"recipients"' "$AIGW_HOME/policy.json" | cut -d: -f1)
	run -1 "$TOOL" policy check
	assert_output --regexp "policy\.json:$line:[0-9]+: .*not a recipient"
}

@test "policy check and apply read where records are drained to" {
	"$TOOL" init
	sed "s/aigw1example0replaced0by0aigw0init/$(recipient)/" "$ROOT/policy/examples/drains.json" >"$BATS_TEST_TMPDIR/p.json"
	run -0 "$TOOL" policy check "$BATS_TEST_TMPDIR/p.json"
	assert_line '  drained to disk (file), siem (syslog), archive (s3, required)'
	run -0 "$TOOL" policy check "$BATS_TEST_TMPDIR/p.json" --json
	assert_equal "$(jq -c '.drains.archive' <<<"$output")" '{"type":"s3","enabled":true,"required":true}'
	sed -i 's|tls://siem|tsl://siem|' "$BATS_TEST_TMPDIR/p.json"
	for command in check apply; do
		run -1 "$TOOL" policy $command "$BATS_TEST_TMPDIR/p.json"
		assert_output --partial 'p.json:14:15: drains.sinks.siem.to must be "tls://HOST", '
	done
}

@test "policy check of a missing file ends with 3" {
	run -3 "$TOOL" policy check "$BATS_TEST_TMPDIR/none.json"
	assert_output --partial 'none.json'
}

@test "policy path and show speak of the policy that counts" {
	"$TOOL" init
	cp "$AIGW_HOME/policy.json" "$BATS_TEST_TMPDIR/mine.json"
	run -0 env AIGW_POLICY="$BATS_TEST_TMPDIR/mine.json" "$TOOL" policy path
	assert_output "$BATS_TEST_TMPDIR/mine.json"
	run -0 "$TOOL" policy show
	assert_output "$(cat "$AIGW_HOME/policy.json")"
}

# ---- run ----

@test "run becomes the program: output, exit status and signal are its own" {
	run -7 "$TOOL" run -- sh -c 'echo out; exit 7'
	assert_line out
	run -143 "$TOOL" run sh -c 'kill -TERM $$'
	run -0 --separate-stderr "$TOOL" run printf '%s|' -v -- --help
	assert_output -- '-v|--|--help|'
}

@test "run sets up what is missing, says so once, and never again" {
	run -0 --separate-stderr "$TOOL" run true
	[[ $stderr = *"$AIGW_HOME/policy.json"* && $stderr = *"$AIGW_HOME/audit"* ]]
	run -0 --separate-stderr "$TOOL" run true
	assert_equal "$stderr" ''
}

@test "run puts the library in front of LD_PRELOAD, once" {
	run -0 env LD_PRELOAD=libm.so.6 "$TOOL" run "$TOOL" run sh -c 'echo "$LD_PRELOAD"'
	assert_line "$(realpath "$SHIM"):libm.so.6"
}

@test "run -v says what is set" {
	run -0 "$TOOL" run -v true
	assert_output --partial "LD_PRELOAD=$(realpath "$SHIM")"
	assert_output --partial 'AIGW_EXPLAIN=1'
	assert_output --partial "log $AIGW_HOME/audit"
}

@test "run ends like a shell when there is nothing to execute" {
	run -127 "$TOOL" run -- no-such-program
	run -127 "$TOOL" run -- ./no-such-program
	touch "$BATS_TEST_TMPDIR/plain"
	run -126 "$TOOL" run -- "$BATS_TEST_TMPDIR/plain"
	run -126 "$TOOL" run -- "$BATS_TEST_TMPDIR"
	run -2 "$TOOL" run
}

@test "run warns of a static program, starts it nevertheless, and looks through scripts" {
	echo 'int main(void) { return 5; }' >"$BATS_TEST_TMPDIR/static.c"
	"${CC:-cc}" -static -o "$BATS_TEST_TMPDIR/static" "$BATS_TEST_TMPDIR/static.c"
	run -5 "$TOOL" run -- "$BATS_TEST_TMPDIR/static"
	assert_output --partial 'will not be governed or recorded: it is a static program'
	printf '#!%s\n' "$BATS_TEST_TMPDIR/static" >"$BATS_TEST_TMPDIR/script"
	chmod +x "$BATS_TEST_TMPDIR/script"
	run -5 "$TOOL" run -- "$BATS_TEST_TMPDIR/script"
	assert_output --partial "$BATS_TEST_TMPDIR/static will not be governed or recorded"
	printf '#!/usr/bin/env -S sh\nexit 4\n' >"$BATS_TEST_TMPDIR/script"
	run -4 --separate-stderr "$TOOL" run -- "$BATS_TEST_TMPDIR/script"
	[[ $stderr != *warning* ]]
}

@test "run says that AIGW=off governs nothing, and that the library is missing" {
	run -0 env AIGW=off "$TOOL" run true
	assert_output --partial 'AIGW=off'
	run -3 env AIGW_LIB="$BATS_TEST_TMPDIR/none.so" "$TOOL" run true
	assert_output --partial "$BATS_TEST_TMPDIR/none.so"
}

# ---- log ----

@test "log shows one line for each exchange and each other record" {
	known_log
	run -0 "$TOOL" log
	assert_line --index 0 --regexp '^TIME +ID +DECISION'
	assert_line --regexp 'allow +production/intake-bot +openai/gpt-5 +200 +812/0 +2412 +python3.11$'
	assert_line --regexp 'refuse .* 403 '
	assert_line --regexp 'claude-sonnet-5 +aborted'
	assert_line --regexp 'openai/gpt-5 +killed'
	assert_line --regexp ' refused_connection +api.openai.com '
	assert_equal "${#lines[@]}" 10 # the head, six exchanges, three others
	run -0 "$TOOL" log --all
	assert_equal "${#lines[@]}" 11 # and the start of the process
}

@test "what stands in a record cannot command the terminal" {
	known_log
	for command in log 'tail -n 20' "show ${IDS[2]}" "show ${IDS[4]}"; do
		# shellcheck disable=SC2086  # a command with its options
		run -0 "$TOOL" $command
		refute_output --partial $'\e'
	done
	run -0 "$TOOL" log --decision refuse
	assert_output --partial 'evil\x1b[31m-preview'
}

@test "log --json keeps absent, null and 0 apart" {
	known_log
	run -0 "$TOOL" log --json --limit 100
	assert_equal "$(jq -cs '.[1].gen_ai | [."usage.input_tokens", ."usage.output_tokens",
		."usage.cache_read.input_tokens", has("usage.cache_read.input_tokens"),
		has("usage.reasoning.output_tokens")]' <<<"$output")" '[812,0,null,true,false]'
	assert_equal "$(jq -cs '[.[] | .type]' <<<"$output")" \
		'["start","exchange","exchange","exchange","exchange","exchange","refused_connection","policy_change","gap","exchange"]'
	assert_equal "$(jq -cs '[.[] | select(.type == "exchange").outcome]' <<<"$output")" \
		'["complete","complete","refused","aborted_by_program","complete","killed"]'
	assert_equal "$(jq -cs '.[1] | [.cost, .process.login_uid, .process.cmdline, has("request")]' <<<"$output")" \
		'[null,null,["python3","agent.py","--name","two words"],false]'
}

@test "log filters by provider, model, decision, environment, application and time" {
	known_log
	count() { "$TOOL" log --json "$@" | jq -s length; }
	assert_equal "$(count --provider anthropic)" 1
	assert_equal "$(count --model 'gpt-5*')" 3
	assert_equal "$(count --model 'OPENAI/gpt-?')" 2
	assert_equal "$(count --decision rewrite)" 1
	assert_equal "$(count --env production)" 6
	assert_equal "$(count --env staging)" 0
	assert_equal "$(count --app 'intake-*' --decision refuse)" 1
	assert_equal "$(count --since 1h)" 10
	assert_equal "$(count --until 1h)" 0
	assert_equal "$(count --limit 3)" 3
	assert_equal "$(count -n3 | head -n 1)" 3
}

@test "log --full has the payloads: text as text, bytes as base64, repeated headers as a list" {
	known_log
	run -0 "$TOOL" log --json --full
	assert_equal "$(jq -cs '.[] | select(.id == "'"${IDS[0]}"'").request.headers | [.authorization, ."x-many"]' <<<"$output")" \
		'["redacted",["one","two"]]'
	assert_equal "$(jq -rs '.[] | select(.id == "'"${IDS[4]}"'").request.body.base64' <<<"$output")" 'AP8bWzJKgA=='
	assert_equal "$(jq -s 'map(select(.type == "exchange")) | length' <<<"$output")" 6
	assert_equal "$("$TOOL" log --json --full --limit 1 | jq -r .id)" "${IDS[5]}"
}

@test "log takes days and segments together: limits, ranges and answers in a later one" {
	known_log days
	assert_equal "$("$TOOL" log --json | jq -rs 'map(select(.id).id) | join(" ")')" "${IDS[*]}"
	assert_equal "$("$TOOL" log --json --since 36h --model '*' | jq -r .id | paste -sd' ')" "${IDS[*]:1}"
	assert_equal "$("$TOOL" log --json --until 36h --model '*' | jq -r .id)" "${IDS[0]}"
	assert_equal "$("$TOOL" log --json --limit 3 --model '*' | jq -r .id | head -n 1)" "${IDS[0]}"
	rm -r "$AIGW_HOME/audit"
	known_log span
	assert_equal "$(records '[.[] | .id, .outcome] | join(" ")')" "${IDS[0]} complete"
	assert_equal "$("$TOOL" show "${IDS[0]}" --raw response)" '{}'
	assert_equal "$("$TOOL" log --json --until 12h --model '*' | jq -r .outcome)" complete
}

@test "an exchange of a running process is in progress" {
	initialised
	mkfifo "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" hold <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
	exec {hold}>"$BATS_TEST_TMPDIR/in" {ids}<"$BATS_TEST_TMPDIR/out"
	read -r -t 20 id <&"$ids"
	assert_equal "$(last_record .outcome)" in_progress
	run -0 "$TOOL" log
	assert_line --regexp 'gpt-5 +running'
	exec {hold}>&-
	wait $!
	assert_equal "$(last_record '.id + " " + .outcome')" "$id complete"
}

@test "without a log or a key the tool says what to do" {
	"$TOOL" init
	rm -r "$AIGW_HOME/audit"
	run -3 "$TOOL" log
	assert_output --partial 'aigw run'
	rm "$AIGW_HOME/keys/audit.key"
	run -3 "$TOOL" log
	assert_output --partial '--key FILE'
}

# ---- show ----

@test "show puts the record together, with the assistant's words of a stream in parts" {
	known_log
	run -0 "$TOOL" show "${IDS[1]}"
	assert_line --partial 'rewrite by environments.production.models.allow'
	assert_line --partial 'changed /store: absent -> false'
	assert_line '  Hello world'
	assert_line --partial 'pid '
	assert_equal "$("$TOOL" show --json "${IDS[1]}" | jq -r .response.text)" 'Hello world'
}

@test "show --raw gives the very bytes, and says when a body was not kept" {
	known_log
	"$TOOL" show --raw request "${IDS[4]}" >"$BATS_TEST_TMPDIR/raw"
	assert_equal "$(od -An -tx1 "$BATS_TEST_TMPDIR/raw")" ' 00 ff 1b 5b 32 4a 80'
	run -0 "$TOOL" show --raw response "${IDS[1]}"
	assert_equal "$(grep -c '^data: ' <<<"$output")" 3
	run -1 "$TOOL" show --raw request "${IDS[3]}"
	assert_output --partial 'no request body'
	run -0 "$TOOL" show "${IDS[3]}"
	assert_output --partial '4096 bytes of body, which were not kept'
}

@test "show takes the beginning of an id in either case, and last" {
	known_log
	short=$("$TOOL" log | awk '/refuse /{print $3}')
	assert [ "${#short}" -lt 26 ]
	assert_equal "$("$TOOL" show --json "${short,,}" | jq -r .id)" "${IDS[2]}"
	assert_equal "$("$TOOL" show --json last | jq -r .id)" "${IDS[5]}"
	run -2 "$TOOL" show "${IDS[0]:0:5}"
	assert_output --partial "begins the id of 6 records"
	run -1 "$TOOL" show 01ARZ3NDEKTSV4RRFFQ69G5FAV
	assert_output --partial 'no record has the id'
}

@test "show --json is one JSON object of the documented shape" {
	known_log
	assert_equal "$("$TOOL" show --json "${IDS[0]}" | jq -cS '[.type, .time, .host, .environment, .application,
		.connection.verified, .key.fingerprint, .decision.action, .http.status, .http.stream,
		.timing.held_us, .outcome, .coverage, .usage_source, .response.headers."content-type", .response.text]
		| .[1] |= test("^[0-9-]{10}T[0-9:]{8}[.][0-9]{6}Z$")')" \
		'["exchange",true,"ward-3","production","intake-bot",true,"1f2e3d","allow",200,false,212,"complete","full","provider","application/json","Four."]'
}

# ---- tail ----

@test "tail shows the newest records" {
	known_log days
	run -0 "$TOOL" tail -n 1 --json
	assert_equal "$(jq -r .id <<<"$output")" "${IDS[2]}"
}

@test "tail -f goes on across processes and ends with 0 when interrupted" {
	known_log many=1
	mkfifo "$BATS_TEST_TMPDIR/followed"
	"$TOOL" tail -f -n 1 --json >"$BATS_TEST_TMPDIR/followed" 3>&- &
	tail_pid=$!
	exec {followed}<"$BATS_TEST_TMPDIR/followed"
	read -r -t 20 line <&"$followed"
	assert_equal "$(jq -r .id <<<"$line")" "${IDS[0]}"
	known_log many=2
	for id in start "${IDS[@]}"; do
		read -r -t 20 line <&"$followed"
		assert_equal "$(jq -r '.id // .type' <<<"$line")" "$id"
	done
	kill -INT "$tail_pid"
	wait "$tail_pid"
}

# ---- verify ----

@test "verify finds an untouched log whole and says what was checked and what was not" {
	known_log
	run -0 "$TOOL" verify
	assert_output --partial 'whole'
	assert_output --regexp 'not checked: .*outside witness'
	run -0 "$TOOL" verify --json
	assert_equal "$(jq -c '[.verdict, .status, .segments, .findings]' <<<"$output")" '["whole",0,1,[]]'
}

@test "verify finds a changed byte wherever it is, and names the file" {
	known_log
	file=$(segment)
	size=$(stat -c %s "$file")
	cp "$file" "$BATS_TEST_TMPDIR/good"
	for offset in 0 9 40 $((size / 4)) $((size / 2)) $((size * 3 / 4)) $((size - 1)); do
		change_byte "$file" "$offset"
		run "$TOOL" verify
		[[ $status = 1 ]] || fail "byte $offset: exit $status: $output"
		assert_output --partial "$file"
		cp "$BATS_TEST_TMPDIR/good" "$file"
	done
	run -0 "$TOOL" verify
}

@test "a damaged record is named, the others are still read" {
	known_log
	file=$(segment)
	change_byte "$file" $(($(stat -c %s "$file") / 2))
	run -1 --separate-stderr "$TOOL" log --json
	assert [ "${#lines[@]}" -ge 7 ]
	[[ $stderr = *'damaged'*"$file"*'aigw verify'* ]]
	run -1 "$TOOL" verify --json
	assert_equal "$(jq -c '[.verdict, (.findings | length > 0), .findings[0].file]' <<<"$output")" \
		"[\"tampered\",true,\"$file\"]"
}

@test "verify finds a removed segment, a cut tail and a removed middle" {
	known_log days
	rm "$AIGW_HOME/audit/$(date -u -d '1 day ago' +%F)"/*.aigw
	run -1 "$TOOL" verify
	rm -r "$AIGW_HOME/audit"
	known_log
	file=$(segment)
	cp "$file" "$BATS_TEST_TMPDIR/good"
	truncate -s -200 "$file"
	run -1 "$TOOL" verify
	cp "$BATS_TEST_TMPDIR/good" "$file"
	half=$(($(stat -c %s "$file") / 2))
	{ head -c "$half" "$BATS_TEST_TMPDIR/good"; tail -c +$((half + 301)) "$BATS_TEST_TMPDIR/good"; } >"$file"
	run -1 "$TOOL" verify
}

@test "verify of one segment, of one day, of what is not there" {
	known_log days
	run -0 "$TOOL" verify --segment "$(ls "$AIGW_HOME"/audit/*/*.aigw | head -n 1)"
	assert_output --partial 'what the ledger says of these segments'
	run -0 "$TOOL" verify --day "$(date -u +%F)"
	run -4 "$TOOL" verify --segment "$BATS_TEST_TMPDIR/none.aigw"
	rm -r "$AIGW_HOME/audit"
	run -4 "$TOOL" verify
}

@test "a killed process leaves a log that is incomplete but not tampered with" {
	initialised
	mkfifo "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" hold <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
	exec {hold}>"$BATS_TEST_TMPDIR/in" {ids}<"$BATS_TEST_TMPDIR/out"
	read -r -t 20 id <&"$ids"
	run -0 "$TOOL" verify
	assert_output --partial 'still open:   1'
	kill -KILL $!
	wait $! || true
	run -2 "$TOOL" verify
	assert_equal "$(last_record '.id + " " + .outcome')" "$id killed"
}

# ---- the manual ----

@test "the examples of the manual pages do what they say" {
	run -0 "$ROOT/tools/dev/check-examples" "$TOOL" "$ROOT"/docs/man/*
	refute_output --partial 'not ok'
}

@test "an example without a test, or one that fails, is found" {
	printf '.Sh EXAMPLES\n$ aigw --version\n' >"$BATS_TEST_TMPDIR/page.1"
	run -1 "$ROOT/tools/dev/check-examples" "$TOOL" "$BATS_TEST_TMPDIR/page.1"
	assert_output --partial 'no test stands above'
	printf '.\\" test: example\n$ aigw vreify\n' >"$BATS_TEST_TMPDIR/page.1"
	run -1 "$ROOT/tools/dev/check-examples" "$TOOL" "$BATS_TEST_TMPDIR/page.1"
	assert_output --partial 'not ok 1'
}

@test "every manual page is well-formed" {
	for page in "$ROOT"/docs/man/*; do
		run -0 groff -mdoc -Tutf8 -ww "$page"
		run -0 sh -c 'groff -mdoc -Tutf8 -ww "$1" 2>&1 >/dev/null' sh "$page"
		assert_output ''
	done
}
