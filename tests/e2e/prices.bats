#!/usr/bin/env bats
# How the built-in prices are made: tools/dev/make-prices from a public list, make-prices-table from that.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	cat >list-2031-04.json <<-'EOF'
	{
	"gpt-x": {"litellm_provider":"openai","mode":"chat","input_cost_per_token":1.25e-06,"output_cost_per_token":1e-05,
	  "cache_read_input_token_cost":1.25e-07,"input_cost_per_token_batches":6.25e-07,"output_cost_per_token_batches":5e-06,
	  "input_cost_per_token_above_200k_tokens":2.5e-06,"output_cost_per_token_above_200k_tokens":1.5e-05,"input_cost_per_image":1},
	"azure/GPT-X": {"litellm_provider":"azure","mode":"chat","input_cost_per_token":1e-12,"output_cost_per_token":5.46875e-07},
	"azure/eu/gpt-x": {"litellm_provider":"azure","mode":"chat","input_cost_per_token":1,"output_cost_per_token":1},
	"bedrock/us-east-1/m": {"litellm_provider":"bedrock","mode":"chat","input_cost_per_token":1,"output_cost_per_token":1},
	"openrouter/free/m": {"litellm_provider":"openrouter","mode":"chat","input_cost_per_token":0.0,"output_cost_per_token":0},
	"embed": {"litellm_provider":"openai","mode":"embedding","input_cost_per_token":2e-08,"output_cost_per_token":0.0},
	"dall-e": {"litellm_provider":"openai","mode":"image_generation","input_cost_per_token":1e-06,"output_cost_per_token":1e-06},
	"unknown/m": {"litellm_provider":"somebody","mode":"chat","input_cost_per_token":1e-06,"output_cost_per_token":1e-06},
	"databricks/off": {"litellm_provider":"databricks","mode":"chat","input_cost_per_token":1.5000020000000002e-05,
	  "output_cost_per_token":1e-06},
	"groq/wrong": {"litellm_provider":"groq","mode":"chat","input_cost_per_token":0.00971,"output_cost_per_token":1e-06}
	}
	EOF
	MAKE_PRICES="$PYTHON $ROOT/tools/dev/make-prices"
	TABLE=$BUILD/make-prices-table
}

@test 'prices are taken exactly, sorted, and only those that one model has' {
	run -0 $MAKE_PRICES list-2031-04.json prices.json
	assert_output 'make-prices: groq/wrong: 0.00971 dollars a token cannot be right; left out'
	assert_equal "$(jq -c '[.version, .date, .unit]' prices.json)" '[1,"2031-04","US dollars per million tokens"]'
	assert_equal "$(jq -c .prices prices.json)" "$(tr -d '\n' <<-'EOF'
	{"azure-openai/gpt-x":{"input":"0.000001","output":"0.546875"},
	"databricks/off":{"input":"15.00002","output":"1"},
	"openai/embed":{"input":"0.02","output":"0"},
	"openai/gpt-x":{"input":"1.25","output":"10","cache_read":"0.125",
	"above":{"tokens":200000,"input":"2.5","output":"15"},"batch":{"input":"0.625","output":"5"}}}
	EOF
	)"
	run -0 "$TABLE" prices.json
	assert_line --partial 'price_list_date[] = "2031-04"'
	assert_line --partial '"azure-openai/gpt-x\0"'
}

@test 'the same list makes the same file, and a much shorter one does not replace it' {
	$MAKE_PRICES --date 2031-05 list-2031-04.json prices.json 2>/dev/null
	cp prices.json first.json
	$MAKE_PRICES --date 2031-05 list-2031-04.json prices.json 2>/dev/null
	cmp first.json prices.json
	jq '{embed}' list-2031-04.json >short-2031-06.json
	run -1 $MAKE_PRICES short-2031-06.json prices.json
	assert_output --partial '1 models are less than half of the 4 in prices.json; not replaced'
	cmp first.json prices.json
}

@test 'what is wrong with the command line or the list is said' {
	cp list-2031-04.json list.json
	run -2 $MAKE_PRICES list.json prices.json
	assert_output --partial 'say of which month the list is: --date 2026-08'
	run -3 $MAKE_PRICES missing-2031-04.json prices.json
	echo '{"m": {"litellm_provider":"openai","mode":"chat","input_cost_per_token":1.23456e-11}}' >odd-2031-04.json
	run -1 $MAKE_PRICES odd-2031-04.json prices.json
	assert_output --partial 'is no whole number of picodollars'
	[[ ! -e prices.json ]]
}

@test 'the table is not made from a file that is wrong anywhere' {
	refused() { # JQ_EDIT MESSAGE
		jq "$1" good.json >prices.json
		run -1 "$TABLE" prices.json
		assert_output --partial "$2"
		refute_output --partial 'price_list_entries'
	}
	$MAKE_PRICES list-2031-04.json good.json 2>/dev/null
	refused '.version = 2' 'version 1 was expected'
	refused '.unit = "euros"' 'this unit is not known'
	refused '.date = "2031-13"' 'a date is year and month'
	refused '.more = 1' 'unknown key'
	refused 'del(.date)' 'date'
	refused '.prices = {}' 'name at least one model'
	refused '.prices = {"openai/b": {"input": "1"}, "openai/a": {"input": "1"}}' 'names are sorted'
	refused '.prices = {"openai/A": {"input": "1"}}' 'lower case'
	refused '.prices = {"a": {"input": "1"}}' 'provider/model'
	refused '.prices = {"openai/a": {"output": "1"}}' 'has no price for "input"'
	refused '.prices = {"openai/a": {"input": 1}}' 'a price in quotes was expected'
	refused '.prices = {"openai/a": {"input": "1.2345678"}}' 'at most 6 decimals'
	refused '.prices = {"openai/a": {"input": "1", "x": "1"}}' 'unknown key'
	refused '.prices = {"openai/a": {"input": "1", "above": {"input": "1"}}}' 'missing in it'
	refused '.prices = {"openai/a": {"input": "1", "above": {"tokens": 0, "input": "1"}}}' 'must be a number of tokens'
}

@test 'the prices that are built in are those of policy/prices.json' {
	"$TABLE" "$ROOT/policy/prices.json" >table.c
	cmp table.c "$BUILD/gen/price_table.c"
	assert_equal "$(jq '.prices | length > 1000' "$ROOT/policy/prices.json")" true
}
