#!/usr/bin/env bats
# What a call cost, in its record: by the built-in list, by the policy's prices, and when nobody knows.
# The provider answers every chat with 19 tokens in (4 of them cached) and 10 out (2 of reasoning).
load helper

setup() {
	start_provider
	the_policy_allows '*'
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	stop_provider
}

# recorded_cost: the text of the youngest exchange's cost as it stands in the log's JSON.
recorded_cost() {
	aigw log --json | grep '"type":"exchange"' | tail -n 1 | grep -o '"cost":\({[^}]*}\|null\)'
}

assert_cost() { # USD PRICES MODEL, or null
	if [[ $1 = null ]]; then
		assert_equal "$(recorded_cost)" '"cost":null'
	else
		assert_equal "$(recorded_cost)" "\"cost\":{\"usd\":$1,\"prices\":\"$2\",\"model\":\"$3\"}"
	fi
}

@test 'a chat costs what the list says of the model that answered' {
	run chat -d "$(body gpt-5)" # answered by gpt-5-2026-03-01, which no list names
	assert_answers 200
	assert_cost 0.00011925 2026-08 openai/gpt-5 # 15 * 1.25 + 4 * 0.125 + 10 * 10
	run -0 aigw show last
	assert_output --regexp 'cost +\$0\.00011925 by the prices of openai/gpt-5 \(2026-08\)'
	assert_log_whole
}

@test 'a stream costs the same, when its usage was asked for' {
	run chat -N -d "$(body gpt-5 "$STREAM")"
	assert_answers 200
	assert_cost 0.00011925 2026-08 openai/gpt-5
}

@test 'a stream without usage has no cost, and no cost is not 0' {
	run chat -N -d "$(body gpt-5 ',"stream":true')"
	assert_answers 200
	assert_cost null
}

@test 'a stream that is cut has no cost' {
	CHAT_URL="$OPENAI/chat/completions?cut" run chat -N -d "$(body gpt-5 "$STREAM")"
	assert_equal "$(last_record .outcome)" aborted_by_provider
	assert_cost null
}

@test 'usage that is given as null has no cost' {
	run chat -d "$(body gpt-5--null-usage)"
	assert_answers 200
	assert_cost null
}

@test 'an error has no cost' {
	run chat -d "$(body gpt-5--error-429)"
	assert_answers 429
	assert_cost null
}

@test 'an answer of Anthropic costs its parts: written to the cache, read from it, and the rest' {
	CHAT_URL=$ANTHROPIC/messages run chat -H 'anthropic-version: 2023-06-01' \
		-d "$(body claude-sonnet-4-5 ',"max_tokens":9')"
	assert_answers 200
	# 19 * 3 + 5 * 3.75 + 4 * 0.3 + 10 * 15
	assert_cost 0.00022695 2026-08 anthropic/claude-sonnet-4-5
}

@test 'embeddings have no output and a cost all the same' {
	CHAT_URL=$OPENAI/embeddings run chat -d '{"model":"text-embedding-3-small","input":"x"}'
	assert_answers 200
	assert_cost 0.00000038 2026-08 openai/text-embedding-3-small
}

@test 'a model that no list has has no cost until the policy gives it a price' {
	run chat -d "$(body my-own)"
	assert_cost null
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"prices\": { \"openai/my-*\": { \"input\": 2, \"cache_read\": 1, \"output\": 3, \"reasoning\": 100 } },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
	run chat -d "$(body my-own)"
	assert_answers 200
	assert_cost 0.000258 policy openai/my-own-2026-03-01 # 15 * 2 + 4 * 1 + 8 * 3 + 2 * 100
}

@test 'two requests on one connection have each its own cost, also when they are pipelined' {
	{ raw_request "$(body gpt-5)"; raw_request "$(body gpt-4o)"; } >requests
	run send_raw --answers 2 <requests
	assert_success
	assert_equal "$(aigw log --json | grep -o '"usd":[0-9.]*' | tr '\n' ' ')" \
		'"usd":0.00011925 "usd":0.0001425 ' # 15 * 2.5 + 4 * 1.25 + 10 * 10
	assert_equal "$(records 'map(.cost.model) | join(" ")')" 'openai/gpt-5 openai/gpt-4o'
}

@test 'on one connection each request is told by its own key, model and endpoint' {
	{
		API_KEY=sk-one-1234567890abcdef raw_request "$(body gpt-5)"
		API_KEY=sk-one-1234567890abcdef raw_request "$(body gpt-5)"
		API_KEY=sk-two-1234567890abcdef raw_request "$(body gpt-4o)"
		API_KEY=sk-one-1234567890abcdef raw_request "$(body gpt-5)"
		API_KEY=sk-one-1234567890abcdeg raw_request "$(body gpt-4o)" | sed 's#/chat/#/chat-and-more/#'
		API_KEY=sk-two-1234567890abcdef raw_request "$(body gpt-4o)"
	} >requests
	run send_raw --answers 6 <requests
	assert_success
	assert_equal "$(records 'map(.cost.model) | join(" ")')" \
		'openai/gpt-5 openai/gpt-5 openai/gpt-4o openai/gpt-5  openai/gpt-4o'
	assert_equal "$(records 'map(.gen_ai["operation.name"]) | join(" ")')" 'chat chat chat chat unknown chat'
	assert_equal "$(records '[.[].key.fingerprint] as $f | [$f[] | . as $one | $f | index($one)] | map(tostring) | join(" ")')" \
		'0 0 2 0 4 2'
	assert_equal "$(records 'map(.connection) | unique | length')" 1
}

@test 'Expect: 100-continue: the model of the body is what is priced' {
	run chat -H 'Expect: 100-continue' -d "$(big_body gpt-5 2000)"
	assert_answers 200
	assert_cost 0.00011925 2026-08 openai/gpt-5
}

@test 'a list of models costs nothing and says so by having no cost' {
	CHAT_URL=$OPENAI/models run chat
	assert_answers 200
	assert_cost null
}

@test 'aigw usage adds up what the records say, and what has no cost is told apart' {
	run chat -d "$(body gpt-5)"
	run chat -d "$(body gpt-5)"
	run chat -N -d "$(body gpt-5 ',"stream":true')"
	run chat -d "$(body my-own)"
	run -0 aigw usage --json
	assert_equal "$(jq -c '[.rows[] | [.name, .requests, .input_tokens, .cache_read_tokens, .output_tokens,
		.reasoning_tokens, .unpriced]]' <<<"$output")" \
		'[["openai/gpt-5",3,38,8,20,4,1],["openai/my-own",1,19,4,10,2,1]]'
	assert_output --partial '"cost_usd":0.0002385,"unpriced":1}' # twice 0.00011925
	assert_output --partial '"cost_usd":null,"unpriced":1}'
}
