#!/usr/bin/env bats
# The providers' own packages for Node.js against a server that nobody here wrote (@copilotkit/aimock): what the log says
# of a call is what the package gave to the program, and a refusal is its permission error, which it does not try again.
load helper

setup() {
	[[ $(uname -m) = x86_64 ]] || skip 'detours are for x86-64 only'
	local name
	for name in generativelanguage.googleapis.com bedrock-runtime.us-east-1.amazonaws.com api.cohere.com api.mistral.ai; do
		echo "127.0.0.1 $name" >>"$NSS_WRAPPER_HOSTS"
	done
	the_policy_allows 'openai/gpt-5*' openai/text-embedding-3-small 'anthropic/claude-haiku-*' \
		gemini/gemini-2.5-flash gemini/gemini-embedding-001 'bedrock/anthropic.claude-haiku-*' \
		'cohere/command-a-*' cohere/embed-v4.0 mistral/mistral-small-latest mistral/mistral-embed
	cd "$BATS_TEST_TMPDIR"
	cp "$CLIENTS"/sdk/*.mjs .
	ln -s "$NODES/packages/node_modules" node_modules # modules are looked for from where a file is
	NODE=$NODES/24/node
}

teardown() {
	stop_server
}

# start_server aimock|standins: sets $PORT. What it was asked is in `seen` after stop_server.
start_server() {
	local ready
	mkfifo ready
	"$NODE" "$1.mjs" "$CERTS" ready seen >server.out 2>&1 3>&- &
	SERVER_PID=$!
	exec {ready}<>ready
	read -r -t 20 -u "$ready" PORT || fail "$(cat server.out)"
	exec {ready}>&-
}

stop_server() {
	[[ ${SERVER_PID:-} ]] || return 0
	kill "$SERVER_PID" && wait "$SERVER_PID"
	SERVER_PID=
}

# sdk NAME STEP...: one line of JSON for each step in the file `said`.
sdk() {
	run --separate-stderr governed timeout 60 "$NODE" "$1.mjs" "$PORT" "${@:2}"
	assert_success
	printf '%s\n' "$output" >said
	assert_equal "$(jq -r .call said)" "$(printf '%s\n' "${@:2}")"
}

# What both sides say of each call; the model that the SDK does not tell, the log may know, and it may know that there was
# no output.
SAME='
def from_sdk: [.call, .asked, .model, .text // "", .input, .output, .cached, .tools // []];
def from_log($said): [$said.call, .gen_ai["request.model"],
	(if $said.model then .gen_ai["response.model"] else null end), .response.text // "",
	.gen_ai["usage.input_tokens"],
	(.gen_ai["usage.output_tokens"] | if $said.output == null and . == 0 then null else . end),
	.gen_ai["usage.cache_read.input_tokens"],
	[.response.tool_calls[]? | [.id, .name, (.arguments | fromjson)]]];
[$said, .] | transpose[] | .[0] as $said
	| ($said | from_sdk), (.[1] | from_log($said) + if .outcome == "complete" and .coverage == "full" then []
		else ["the call is \(.outcome), \(.coverage)"] end)'

# assert_log_says_the_same: the log has one complete call for each line of the SDK that is no error, and says the same
# of it.
assert_log_says_the_same() {
	local id
	jq -c 'select(.error | not)' said >answered
	for id in $(records '.[] | select(.decision.action != "refuse").id'); do
		aigw show "$id" --json
	done >shown
	jq -cs --slurpfile said answered "$SAME" shown >both
	assert_equal "$(sed -n 'n;p' both)" "$(sed -n 'p;n' both)"
	[[ -s both ]]
	assert_log_whole
}

# assert_refusals CLASS MODEL: each step named "refused" ended with that error and 403, was tried once, and the server
# never heard of it.
assert_refusals() {
	assert_equal "$(jq -r 'select(.error) | "\(.call): \(.error) \(.status)"' said)" "refused: $1 403
refused stream: $1 403"
	assert_equal "$(jq -r 'select(.error).message' said | grep -cF "$2")" 2
	assert_equal "$(records 'map(select(.decision.action == "refuse").gen_ai["request.model"]) | join(" ")')" "$2 $2"
	stop_server
	assert_equal "$(wc -l <seen) requests" "$(wc -l <answered) requests"
	! grep -F "$2" seen
}

@test 'openai: chat, responses, embeddings; streaming, tools: the log has what the SDK had; a refusal is its error' {
	start_server aimock
	sdk openai plain stream tools 'tools stream' responses 'responses stream' 'responses tools' \
		'responses tools stream' embeddings refused 'refused stream'
	assert_log_says_the_same
	assert_refusals PermissionDeniedError gpt-4o
}

@test '@anthropic-ai/sdk: messages; streaming, tools: the log has what the SDK had; a refusal is its error' {
	start_server aimock
	sdk anthropic plain stream tools 'tools stream' refused 'refused stream'
	assert_log_says_the_same
	assert_refusals PermissionDeniedError claude-opus-4-5
}

@test '@google/genai: streaming, tools: the log has what the SDK had; a refusal is its error' {
	start_server aimock
	sdk google plain stream tools 'tools stream' refused 'refused stream'
	assert_log_says_the_same
	assert_refusals ApiError gemini-2.5-pro
}

@test '@aws-sdk/client-bedrock-runtime: converse, invoke; streaming, tools: the log has what the SDK had; a refusal is its error' {
	start_server aimock
	sdk bedrock plain stream tools 'tools stream' invoke refused 'refused stream'
	assert_log_says_the_same
	assert_refusals AccessDeniedException meta.llama3-8b-instruct-v1:0
}

@test 'cohere-ai: chat, embeddings; streaming, tools: the log has what the SDK had; a refusal is its error' {
	start_server aimock
	sdk cohere plain stream tools 'tools stream' embeddings refused 'refused stream'
	assert_log_says_the_same
	assert_refusals ForbiddenError command-r-08-2024
}

@test '@mistralai/mistralai: the same (our stand-in answers: aimock does not speak their streams and embeddings)' {
	start_server standins
	sdk mistral plain stream tools 'tools stream' embeddings refused 'refused stream'
	assert_log_says_the_same
	assert_refusals SDKError mistral-large-latest
}

@test '@google/genai: embeddings (our stand-in answers: aimock does not speak batchEmbedContents)' {
	start_server standins
	sdk google embeddings
	assert_log_says_the_same
}

@test '@aws-sdk/client-bedrock-runtime: a stream of invoke (our stand-in answers: the SDK cannot read that of aimock)' {
	start_server standins
	sdk bedrock 'invoke stream'
	assert_log_says_the_same
}

# The first two do not try again; the others do so with 429, whoever says it.
@test 'a limit is the rate limit error of each package' {
	local name class
	start_server aimock
	write_policy "{
  \"version\": 1,
  \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
  \"environments\": { \"test\": { \"limits\": { \"tokens_per_day\": 0 } } },
  \"default_environment\": \"test\"
}"
	for name in openai:RateLimitError anthropic:RateLimitError google:ApiError bedrock:ThrottlingException \
		cohere:TooManyRequestsError; do
		class=${name#*:}
		sdk "${name%:*}" plain
		assert_equal "$name $(jq -r '"\(.error) \(.status)"' said)" "$name $class 429"
	done
	run records 'map(.decision.rule + " " + .provider) | group_by(.) | map("\(length) \(.[0])") | .[]'
	assert_line '1 environments.test.limits.tokens_per_day openai'
	assert_line '1 environments.test.limits.tokens_per_day anthropic'
	stop_server
	assert_equal "$(wc -l <seen) requests" '0 requests'
}
