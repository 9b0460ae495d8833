#!/usr/bin/env bats
# What the auditor does with a log: export, search, evidence, repair, following, and the index that
# keeps a long log fast. The logs' content is known (tests/bin/make-log.c).

# shellcheck disable=SC2030,SC2031,SC2154,SC2016  # another home in subshells; bats' $stderr
load helper

TOOL=$BUILD/aigw

# known_log [SCENE]: a set-up home with that log; the ids of its exchanges in $IDS.
known_log() {
	initialised
	mapfile -t IDS < <("$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" "${1:-all}")
	cd "$BATS_TEST_TMPDIR" || return 1
}

segment() {
	echo "$AIGW_HOME"/audit/*/*.aigw
}

# somebody_else COMMAND...: with a home that has nothing.
somebody_else() {
	AIGW_HOME=$BATS_TEST_TMPDIR/elsewhere "$@"
}

@test "an export says the same as the log, in each format, and its manifest holds" {
	known_log
	for format in ndjson csv raw otlp-json; do
		run -0 "$TOOL" export --format "$format" -o "log.$format"
		assert_output ''
		run -0 "$TOOL" verify --manifest "log.$format.manifest.json"
		assert_line --partial 'whole'
	done
	assert_equal "$(stat -c %a log.ndjson log.ndjson.manifest.json | sort -u)" 600
	assert_equal "$(sort log.ndjson)" "$("$TOOL" log --json --full | grep -v '"type":"start"' | sort)"
	assert_equal "$(jq -s length log.otlp-json)" 9
	assert_equal "$(jq -r '.. | objects | select(.key == "gen_ai.usage.input_tokens").value.intValue' log.otlp-json)" 812
	assert_equal "$(head -1 log.csv | tr , '\n' | wc -l)" "$(sed -n 2p log.csv | tr , '\n' | wc -l)"
	assert_equal "$(jq -r .plain log.raw | head -1 | base64 -d | grep -ac ward-3)" 1
	assert_equal "$(wc -l <log.raw)" 17
	assert_equal "$(jq '.statement.segments[0].last' log.csv.manifest.json)" 16
}

@test "every command that reads the log reads a copy of it too" {
	known_log
	for command in 'usage --csv' 'export --format ndjson' 'grep -l ward' "evidence --unsigned ${IDS[0]}"; do
		run "$TOOL" $command
		echo "$status $output" | sed 's/"made":"[^"]*"//' >>here
	done
	assert_equal "$(cut -c1 here | head -1)" 0
	mv "$AIGW_HOME/audit" copy
	for command in 'usage --csv' 'export --format ndjson' 'grep -l ward' "evidence --unsigned ${IDS[0]}"; do
		run -3 "$TOOL" $command
		assert_output --partial 'no log there'
		run "$TOOL" $command --directory "$PWD/copy/"
		echo "$status $output" | sed 's/"made":"[^"]*"//' >>there
	done
	diff here there
}

@test "filters narrow an export, and what they were stands in its manifest" {
	known_log
	run -0 "$TOOL" export --format ndjson --decision refuse --until 2099-01-01 --manifest m.json
	assert_equal "$(jq -r .id <<<"$output")" "${IDS[2]}"
	assert_equal "$(jq -c '.statement | [.entries, .filter.decision, .filter.until, .output.name]' m.json)" \
		'[1,"refuse","2099-01-01T00:00:00.000000Z",null]'
	run -0 "$TOOL" export --format ndjson --no-payloads --provider anthropic
	assert_equal "$(jq -c '[.id, has("request")]' <<<"$output")" "[\"${IDS[3]}\",false]"
	run -2 "$TOOL" export --format raw --provider anthropic
	run -2 "$TOOL" export --format xml
	run -2 "$TOOL" export
	mkfifo pipe
	run -2 "$TOOL" export --format ndjson --output pipe
	assert_output --partial 'pipe is no regular file'
	[[ -p pipe ]]
}

@test "a changed export, a changed manifest and an unknown signer are told" {
	known_log many=2
	"$TOOL" export --format csv -o log.csv
	signer=$(jq -r .signer log.csv.manifest.json)
	run -3 somebody_else "$TOOL" verify --manifest log.csv.manifest.json
	assert_output --partial "signed by $signer, which is not the key of this user"
	run -0 somebody_else "$TOOL" verify --manifest log.csv.manifest.json --signer "$signer"
	run -0 somebody_else "$TOOL" init
	other=$(grep -o 'aigw-sign1[a-z0-9]*' <<<"$output")
	run -1 "$TOOL" verify --manifest log.csv.manifest.json --signer "$other"
	assert_output --partial 'not the key that was asked for'
	cp log.csv other.csv
	run -0 "$TOOL" verify --manifest log.csv.manifest.json other.csv
	printf x >>log.csv
	run -1 --separate-stderr "$TOOL" verify --manifest log.csv.manifest.json --json
	assert_equal "$(jq -c '[.verdict, .status]' <<<"$output")" '["tampered",1]'
	sed 's/"entries":2/"entries":3/' log.csv.manifest.json >m.json
	run -1 "$TOOL" verify --manifest m.json other.csv
	assert_output --partial 'the signature does not fit'
	run -4 "$TOOL" verify --manifest other.csv
	run -4 "$TOOL" verify --manifest missing
	run -2 "$TOOL" verify --manifest m.json --signer aigw-sign1mistyped
}

@test "a manifest notices that the log behind it was replaced" {
	known_log many=1
	"$TOOL" export --format csv -o log.csv
	file=$(segment)
	"$BIN/make-log" "$BATS_TEST_TMPDIR/again" "$RECIPIENT" many=1 >/dev/null
	cp "$BATS_TEST_TMPDIR"/again/*/*.aigw "$file"
	run -1 "$TOOL" verify --manifest log.csv.manifest.json
	assert_output --partial 'other chain values'
}

@test "grep finds in bodies, headers and the words of a stream" {
	known_log
	run -0 "$TOOL" grep 'Fo[a-z]r\.'
	assert_output --regexp "^${IDS[0]} response.body:1: .*Four\."
	run -0 "$TOOL" grep -l -i 'HELLO w'
	assert_output "${IDS[1]}"
	run -0 "$TOOL" grep -F 'Hello world'
	assert_output "${IDS[1]} response.text:1: Hello world"
	run -0 "$TOOL" grep x-many
	assert_line "${IDS[0]} request.headers:4: x-many: two"
	run -1 "$TOOL" grep -F 'Fo[a-z]r'
	assert_output ''
	run -0 "$TOOL" grep --json -F 2*2
	assert_equal "$(jq -c '[.id, .field, .line, .match]' <<<"$output")" "[\"${IDS[0]}\",\"request.body\",1,\"2*2\"]"
	run -1 "$TOOL" grep -F gpt-5 --provider anthropic
	run -2 "$TOOL" grep '('
	assert_output --partial "'(' is no regular expression"
	run -2 "$TOOL" grep
}

@test "grep shows hostile bytes, to a terminal too" {
	known_log
	run -0 "$TOOL" grep -F '[2J'
	assert_output "${IDS[4]} request.body:1: \\x00\\xff\\x1b[2J\\x80"
	run -0 script -qec "TERM=xterm NO_COLOR= $TOOL grep -F 2J" /dev/null
	refute_output --partial $'\e[2J'
	assert_output --partial $'\e[31m2J\e[0m'
	run -0 script -qec "TERM=xterm NO_COLOR=1 $TOOL grep -F 2J" /dev/null
	refute_output --partial $'\e'
}

@test "evidence is checked with nothing but itself, and shows what was said" {
	known_log
	"$TOOL" evidence -o case.json "${IDS[1]}"
	signer=$(jq -r .signer case.json)
	rm -r "$AIGW_HOME"
	run -0 "$TOOL" verify --evidence case.json --signer "$signer"
	assert_output --partial 'Hello world'
	assert_output --partial 'every byte of the file is as that entry knows it'
	assert_output --partial 'not proven:  that the ledger'
	run -3 "$TOOL" verify --evidence case.json
	run -0 --separate-stderr "$TOOL" verify --evidence case.json --signer "$signer" --json
	assert_equal "$(jq -r '.exchange.response.text' <<<"$output")" 'Hello world'
	# nothing of other exchanges can be read in it
	run -1 grep -c "${IDS[0]}" case.json
	# a record that was exchanged, with and without the signature
	sed 's/"sequence":3,/"sequence":2,/' case.json >other.json
	run -1 "$TOOL" verify --evidence other.json
	jq -c '{statement: .statement}' other.json >plain.json
	run -1 "$TOOL" verify --evidence plain.json
	assert_output --partial 'WRONG:'
	run -4 "$TOOL" verify --evidence /dev/null
}

@test "evidence from a long segment binds by its tags, and by all bytes when it is asked to" {
	known_log big=3,600000
	"$TOOL" evidence -o case.json last
	assert [ "$(stat -c %s case.json)" -lt 1500000 ]
	run -0 "$TOOL" verify --evidence case.json
	assert_output --partial 'for that the evidence is made with --whole'
	"$TOOL" evidence --whole -o whole.json last
	run -0 "$TOOL" verify --evidence whole.json
	refute_output --partial 'made with --whole'
	assert_output --partial 'every byte of the file'
}

@test "evidence follows an exchange into the next day's segment, and says when it is open" {
	known_log span
	"$TOOL" evidence -o case.json last
	assert_equal "$(jq '.statement.segments | length' case.json)" 2
	run -0 "$TOOL" verify --evidence case.json
	run -1 "$TOOL" evidence "01${IDS[0]:2:10}ZZZZZZZZZZZZZZ"
	run -2 "$TOOL" evidence
}

@test "verify takes a day or a segment, and repair notes what was left open" {
	initialised
	mkfifo "$BATS_TEST_TMPDIR/hold"
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" hold <"$BATS_TEST_TMPDIR/hold" >"$BATS_TEST_TMPDIR/id" 3>&- &
	writer=$!
	exec {hold}>"$BATS_TEST_TMPDIR/hold"
	until [ -s "$BATS_TEST_TMPDIR/id" ]; do kill -0 $writer; done
	run -0 "$TOOL" verify --repair # of a process that runs: left alone
	kill -9 $writer
	wait $writer || true
	exec {hold}>&-
	file=$(segment)
	printf '\xa1gwr\x02' >>"$file"
	sum=$(sha256sum "$file")
	run -2 "$TOOL" verify --repair
	assert_output --partial 'torn_tail'
	assert_output --partial 'noted:        how 1 segments'
	assert_equal "$(sha256sum "$file")" "$sum"
	grep -q 'Bytes found' "$file.note"
	run -2 "$TOOL" verify "$file"
	assert_output --partial 'found_open'
	run -2 --separate-stderr "$TOOL" verify --json "$(basename "$(dirname "$file")")"
	assert_equal "$(jq -c '[.verdict, .repaired, .findings[0].code, .findings[0].sequence]' <<<"$output")" \
		'["incomplete",0,"found_open",2]'
	head -c -60 "$file" >"$BATS_TEST_TMPDIR/short" && cat "$BATS_TEST_TMPDIR/short" >"$file"
	run -1 "$TOOL" verify
	run -2 "$TOOL" verify --repair "$file"
	run -2 "$TOOL" verify --day 2026-11-24 2026-11-24
}

@test "a terminal shows a bar, a pipe nothing" {
	known_log many=2
	mv "$AIGW_HOME/keys/audit.key" audit.key
	# However fast the machine, it takes longer than a bar waits for.
	slowly="$BIN/fault-run --only getdents64 --at 1 --on --wait 120 $TOOL verify"
	run -0 script -qec "TERM=xterm $slowly" /dev/null
	assert_output --partial 'verifying ['
	run -0 script -qec "TERM=dumb $slowly" /dev/null
	refute_output --partial 'verifying ['
	run -0 --separate-stderr $slowly
	assert_equal "$stderr" ''
}

@test "tail -f goes on across processes and days, and ends at an interrupt" {
	initialised
	"$TOOL" tail -f --json >"$BATS_TEST_TMPDIR/out" 3>&- &
	tail=$!
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" many=2 >"$BATS_TEST_TMPDIR/ids"
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" span >>"$BATS_TEST_TMPDIR/ids"
	mkfifo "$BATS_TEST_TMPDIR/hold"
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" hold <"$BATS_TEST_TMPDIR/hold" >>"$BATS_TEST_TMPDIR/ids" 3>&- &
	exec {hold}>"$BATS_TEST_TMPDIR/hold"
	seen() { grep -c '"exchange"' "$BATS_TEST_TMPDIR/out"; }
	until [ "$(seen)" = 3 ]; do kill -0 $tail; done
	exec {hold}>&-
	until [ "$(seen)" = 4 ]; do kill -0 $tail; done
	kill -INT $tail
	wait $tail
	assert_equal "$(jq -r 'select(.type == "exchange").id' "$BATS_TEST_TMPDIR/out" | sort)" \
		"$(sort "$BATS_TEST_TMPDIR/ids")"
}

@test "the index is made, used, and thrown away when it does not fit" {
	known_log spread=4000,2
	whole=$("$TOOL" log --json)
	index=$(echo "$AIGW_HOME"/state/index/*)
	assert [ "$(find "$index" -type f | wc -l)" -ge 2 ]
	assert_equal "$(find "$AIGW_HOME/state/index" -printf '%m\n' | sort -u | tr '\n' ' ')" '600 700 '
	# whatever is done to it, the answers are the same
	for what in nothing cut changed foreign gone; do
		for file in "$index"/*; do
			case $what in
			cut) head -c -5 "$file" >x && cat x >"$file" ;;
			changed) printf '\1' | dd of="$file" bs=1 seek=100 conv=notrunc status=none ;;
			foreign) echo hello >"$file" ;;
			gone) rm "$file" ;;
			esac
		done
		assert_equal "$("$TOOL" log --json)" "$whole"
		run -0 "$TOOL" show "${IDS[3000]}"
		assert_output --partial "${IDS[3000]}"
	done
	# and so they are with a filter, whether there is an index or not
	since=$(date -u -d '-20 hours' +%FT%TZ) until=$(date -u -d '-15 hours' +%FT%TZ)
	for filter in "--since $since" "--until $until" "--since $since --until $until" "--since $since -n 7"; do
		# shellcheck disable=SC2086
		with=$("$TOOL" log --json $filter)
		mv "$AIGW_HOME/state" away
		# shellcheck disable=SC2086
		assert_equal "$with" "$("$TOOL" log --json $filter)"
		rm -r "$AIGW_HOME/state" && mv away "$AIGW_HOME/state"
		assert [ "$(wc -l <<<"$with")" -ge 7 ]
	done
	# nothing is left of a day that retention took
	rm -r "$(find "$AIGW_HOME/audit" -mindepth 1 -type d | sort | head -1)"
	"$TOOL" log >/dev/null
	assert_equal "$(ls "$index")" "$(find "$AIGW_HOME/audit" -mindepth 1 -type d -printf '%f\n' | sort)"
	# it holds no content
	run -1 grep -rqa 'gpt-5\|intake\|ward' "$index"
}

@test "nothing is kept in the index of a segment that is gone, nor of a day that retention touched" {
	known_log many=300
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" many=300 >/dev/null
	"$TOOL" log >/dev/null
	index=$(echo "$AIGW_HOME"/state/index/*/*)
	indexed() { od -An -v -tx1 "$index" | tr -d ' \n' | grep -c "$1"; } # by half the id, which is its name
	for file in "$AIGW_HOME"/audit/*/*.aigw; do
		[[ $file =~ -([0-9a-f]{16}).aigw ]]
		ids+=("${BASH_REMATCH[1]}")
		assert_equal "$(indexed "${BASH_REMATCH[1]}")" 1
	done
	rm "$AIGW_HOME"/audit/*/*-"${ids[0]}".aigw
	run -0 "$TOOL" log -n 1 --json
	assert_equal "$(indexed "${ids[0]}")" 0
	run -0 "$TOOL" log --json
	assert_equal "$(indexed "${ids[1]}")" 1
}

@test "of a dense day the newest few are found without the rest" {
	known_log hour=1500,12000
	assert [ "$(du -sb "$AIGW_HOME/audit" | cut -f 1)" -gt 17000000 ]
	whole=$("$TOOL" log --json)
	for n in 1 3 40 400; do
		assert_equal "$("$TOOL" log --json -n $n)" "$(tail -n $n <<<"$whole")"
	done
	since=$(date -u -d '-10 minutes' +%FT%TZ) until=$(date -u -d '-5 minutes' +%FT%TZ)
	assert_equal "$("$TOOL" log --json -n 3 --since "$since" --until "$until")" \
		"$("$TOOL" log --json --since "$since" --until "$until" | tail -n 3)"
	run -0 "$TOOL" show --json last
	assert_equal "$(jq -r .id <<<"$output")" "${IDS[-1]}"
	command -v strace >/dev/null || skip 'strace is not installed'
	strace -f -e trace=pread64,read -o trace "$TOOL" log -n 3 >/dev/null
	assert [ "$(sed -n 's/.*= \([0-9]*\)$/\1/p' trace | paste -sd+ | bc)" -lt 8000000 ]
}

@test "with the index only the part that is asked for is read" {
	known_log spread=4000,1
	"$TOOL" log >/dev/null
	bytes() { strace -f -e trace=pread64,read -o trace "$@" >/dev/null && sed -n 's/.*= \([0-9]*\)$/\1/p' trace | paste -sd+ | bc; }
	command -v strace >/dev/null || skip 'strace is not installed'
	all=$(stat -c %s "$AIGW_HOME"/audit/*/*.aigw | paste -sd+ | bc)
	assert [ "$(bytes "$TOOL" show "${IDS[1000]}")" -lt $((all / 3)) ]
	assert [ "$(bytes "$TOOL" log --since 10m)" -lt $((all / 3)) ]
}

@test "an index hides nothing that was changed in the log" {
	known_log spread=2000,1
	"$TOOL" log >/dev/null
	file=$(find "$AIGW_HOME/audit" -name '*.aigw' -size +100k | head -1)
	printf '\377' | dd of="$file" bs=1 seek=2000 conv=notrunc status=none
	run -1 "$TOOL" verify
	run -1 --separate-stderr "$TOOL" log --json
	[[ $stderr = *'damaged'* ]]
}
