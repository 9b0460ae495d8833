#!/usr/bin/env bats
# aigw usage over a log whose content is known (tests/bin/make-log.c, scene "usage"), and against invoices.

# shellcheck disable=SC2154  # bats' $stderr
load helper

setup() {
	initialised
	"$BIN/make-log" "$AIGW_HOME/audit" "$RECIPIENT" usage >/dev/null
	cd "$BATS_TEST_TMPDIR"
	TODAY=$(aigw usage --by day --json | jq -r '.rows[0].name')
}

# export_of COLUMNS LINE...: a file export.csv; each line gets the day in front.
export_of() {
	echo "date,$1" >export.csv
	shift
	for line; do echo "$TODAY,$line"; done >>export.csv
}

verdicts() {
	jq -r '.rows | map(.model + " " + .verdict) | join("; ")' <<<"$output"
}

@test 'the table has a line for each model, numbers at the right, and a total' {
	run -0 aigw usage
	assert_equal "$output" "\
MODEL                        REQUESTS  REFUSED  FAILED      INPUT   CACHED  OUTPUT  REASONING  COST USD  UNPRICED
anthropic/claude-sonnet-5           1        0       0         50        0       5          0  0.000000         0
openai/-                            1        0       0          0        0       0          0         -         0
openai/=cmd()                       1        0       0          7        0       1          0         -         1
openai/evil\\x1b[31m-preview         1        1       0          0        0       0          0         -         0
openai/gpt-5                        3        0       1  1,000,100  400,000   2,010          0  0.820225         0
total                               7        1       1  1,000,157  400,000   2,016          0  0.820225         1"
}

@test 'it is added up by whatever was asked for' {
	names() { aigw usage --by "$1" --json | jq -r '[.rows[].name] | join(" ")'; }
	assert_equal "$(names provider)" 'anthropic openai'
	assert_equal "$(names environment)" production
	assert_equal "$(names application)" intake-bot
	assert_equal "$(names key)" 1f2e3d
	assert_equal "$(names user)" intake
	assert_equal "$(names host)" ward-3
	assert_equal "$(names day)" "$TODAY"
	for by in provider environment application key user host day model; do
		assert_equal "$(aigw usage --by $by --json | jq -c '[.by, .total.requests, .total.unpriced]')" \
			"[\"$by\",7,1]"
	done
}

@test 'sums for machines are exact, and an unknown cost is no 0' {
	run -0 aigw usage --by provider --json
	assert_output --partial '"cost_usd":0.820225,"unpriced":1}'
	assert_output --partial '"cost_usd":0.820225000001,"unpriced":1}'
	run -0 aigw usage --csv --model '=*'
	assert_line 'openai/=cmd(),1,0,0,7,0,0,1,0,,1'
	run -0 aigw usage --json --model '=*'
	assert_equal "$(jq -c '[.rows[0].cost_usd, .total.cost_usd]' <<<"$output")" '[null,null]'
}

@test 'a name that would be a formula in a spreadsheet is disarmed' {
	export_of model,cost '=cmd(),1'
	run -1 aigw usage --reconcile export.csv --provider openai --csv
	assert_line --partial "$TODAY,\"'=cmd()\",,1,,cost unknown"
}

@test 'filters hold' {
	assert_equal "$(aigw usage --json --provider anthropic | jq .total.requests)" 1
	assert_equal "$(aigw usage --json --model 'gpt-5*' | jq .total.requests)" 3
	assert_equal "$(aigw usage --json --since 1h | jq .total.requests)" 7
	assert_equal "$(aigw usage --json --until 1h | jq .total.requests)" 0
	run -0 --separate-stderr aigw usage --until 1h
	assert_equal "$output" ''
	assert_equal "$stderr" 'aigw: nothing recorded that fits'
}

@test 'what is wrong with the command line is said' {
	run -2 aigw usage --by modle
	assert_output --partial "did you mean 'model'?"
	run -2 aigw usage --json --csv
	run -2 aigw usage --map date=x
	run -2 aigw usage --reconcile export.csv
	assert_output --partial 'say whose invoice it is: --provider openai'
	run -2 aigw usage --reconcile export.csv --provider openai --since 1d
	run -2 aigw usage --reconcile export.csv --provider openai --tolerance 101
	run -2 aigw usage --reconcile export.csv --provider openai --map price=x
	run -3 aigw usage --reconcile export.csv --provider openai
	assert_output --partial 'export.csv'
}

@test 'an invoice that says the same agrees, by the name that answered or the one asked for' {
	export_of model,input_tokens,output_tokens 'gpt-5-2026-03-01,1000100,2010' '=cmd(),7,1'
	run -0 aigw usage --reconcile export.csv --provider openai --json
	assert_equal "$(verdicts)" '=cmd() agrees; gpt-5-2026-03-01 agrees'
	export_of model,input_tokens,output_tokens 'GPT-5,1000000,2000' 'gpt-5,100,10' '=cmd(),7,1'
	run -0 aigw usage --reconcile export.csv --provider openai
	assert_line --regexp "^$TODAY gpt-5 +1,000,100 +1,000,100 +0 +2,010 +2,010 +0 +agrees$"
}

@test 'differences over the tolerance are found, and those within it are not' {
	export_of model,input_tokens 'gpt-5,1010201' '=cmd(),7' # 1 % of it is 10102.01
	run -0 aigw usage --reconcile export.csv --provider openai --json
	assert_equal "$(verdicts)" '=cmd() agrees; gpt-5 agrees'
	export_of model,input_tokens 'gpt-5,1010203' '=cmd(),7'
	run -1 aigw usage --reconcile export.csv --provider openai --json
	assert_equal "$(verdicts)" '=cmd() agrees; gpt-5 differs'
	assert_equal "$(jq -c '[.agrees, .rows[1].difference.input_tokens]' <<<"$output")" '[false,-10103]'
	run -0 aigw usage --reconcile export.csv --provider openai --tolerance 1.5
	export_of model,input_tokens 'gpt-5,1000101' '=cmd(),7'
	run -1 aigw usage --reconcile export.csv --provider openai --tolerance 0
}

@test 'what only one side has is said, and a cost that is unknown is no agreement' {
	export_of model,cost 'gpt-5,0.820225' 'gpt-6,1'
	run -1 aigw usage --reconcile export.csv --provider openai --json
	assert_equal "$(verdicts)" '=cmd() cost unknown; gpt-5 agrees; gpt-6 only theirs'
	assert_equal "$(jq -c '.rows[0] | [.ours.cost_usd, .difference.cost_usd, .theirs]' <<<"$output")" \
		'[null,null,null]'
	export_of model,input_tokens 'gpt-5,1000100'
	run -1 aigw usage --reconcile export.csv --provider openai --json
	assert_equal "$(verdicts)" '=cmd() only ours; gpt-5 agrees'
}

@test 'only the days of the file are compared' {
	printf 'date,model,input_tokens\n2020-01-01,gpt-5,5\n' >export.csv
	run -1 aigw usage --reconcile export.csv --provider openai --json
	assert_equal "$(verdicts)" 'gpt-5 only theirs'
}

@test 'a file that cannot be understood is refused with its line, and harms no terminal' {
	printf 'date,model,input_tokens\n2026-11-24,gpt-5,\033[31m5\n' >export.csv
	run -2 aigw usage --reconcile export.csv --provider openai
	assert_output "aigw: export.csv:2: a number of tokens is a whole number without a sign, not '?[31m5'"
	printf 'date,model,input_tokens\n' >export.csv
	run -2 aigw usage --reconcile export.csv --provider openai
	printf 'date,model,input_tokens\n2026-11-24,"gpt-5\033[31m",5\n' >export.csv
	run -1 aigw usage --reconcile export.csv --provider openai
	refute_output --partial $'\e'
}
