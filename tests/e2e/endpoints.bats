#!/usr/bin/env bats
# Requests to many providers: which operation and model they are, what becomes of unknown endpoints,
# how refusals look, and what passes on hosts that serve other things too.

# shellcheck disable=SC2154  # bats' own
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	for name in generativelanguage.googleapis.com us-central1-aiplatform.googleapis.com \
		bedrock-runtime.us-east-1.amazonaws.com team.openai.azure.com me.snowflakecomputing.com \
		api.cohere.com; do
		echo "127.0.0.1 $name" >>"$NSS_WRAPPER_HOSTS"
	done
	initialised
}

teardown() {
	stop_provider
}

FIXTURES=$ROOT/tests/fixtures/dialect

# answering FILE [TYPE]: the provider answers every request with it.
answering() {
	start_provider --answer "$FIXTURES/$1" --type "${2:-application/json}"
}

# the_scopes_say ORGANIZATION [ENVIRONMENT] [PROVIDERS]: JSON of each.
the_scopes_say() {
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"organization\": $1, \"environments\": { \"test\": ${2:-{\}} },
		\"providers\": ${3:-{\}}, \"default_environment\": \"test\" }"
}

with_port() { # https://host/path -> https://host:PORT/path
	local rest=${1#https://}
	echo "https://${rest%%/*}:$PORT/${rest#*/}"
}

post() { # URL BODY [CURL_OPTIONS]
	local url body=$2
	url=$(with_port "$1")
	shift 2
	run governed curl -sS -i --max-time 20 -H "Authorization: Bearer $API_KEY" \
		-H 'Content-Type: application/json' -d "$body" "$@" "$url"
	assert_success
}

GEMINI=https://generativelanguage.googleapis.com/v1beta
BEDROCK=https://bedrock-runtime.us-east-1.amazonaws.com
VERTEX=https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers

# ---- what is recorded ----

@test "Gemini: the model stands in the path, thoughts count as output, tools are recorded" {
	answering google_body.json
	post "$GEMINI/models/gemini-2.5-pro:generateContent" '{"contents":[]}'
	assert_recorded .provider gemini .dialect google .gen_ai.'"operation.name"' generate_content \
		.gen_ai.'"request.model"' gemini-2.5-pro .gen_ai.'"usage.input_tokens"' 107 \
		.gen_ai.'"usage.output_tokens"' 53 .outcome complete
	assert_equal "$(last_record_in_full '.response.tool_calls[0].name')" weather
	assert_equal "$(last_record_in_full '.response.tool_calls[0].arguments | fromjson.city')" 'Ulm "old"'
}

@test "Gemini: a stream of events has its last usage" {
	answering google_stream.sse text/event-stream
	post "$GEMINI/models/gemini-2.5-flash:streamGenerateContent?alt=sse" '{"contents":[]}'
	assert_recorded .http.stream true .gen_ai.'"usage.output_tokens"' 45 \
		.gen_ai.'"usage.reasoning.output_tokens"' 40 .gen_ai.'"response.model"' gemini-2.5-flash
}

@test "Gemini's OpenAI path is read as OpenAI's" {
	start_provider
	post "$GEMINI/openai/chat/completions" "$(body gemini-2.5-pro)"
	assert_recorded .provider gemini .dialect openai .gen_ai.'"request.model"' gemini-2.5-pro
}

@test "Vertex: Anthropic's models speak Anthropic's dialect" {
	answering anthropic_tools.json
	post "$VERTEX/anthropic/models/claude-opus-4@20250514:rawPredict" \
		'{"anthropic_version":"vertex-2023-10-16"}'
	assert_recorded .provider vertex .dialect anthropic .gen_ai.'"operation.name"' chat \
		.gen_ai.'"request.model"' claude-opus-4@20250514 .gen_ai.'"usage.output_tokens"' 2
	assert_equal "$(last_record_in_full '.response.tool_calls[0].id')" toolu_1
}

@test "Bedrock: an ARN in the path is the model, the cache counts as input" {
	answering bedrock_converse.json
	post "$BEDROCK/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude/converse" '{}'
	assert_recorded .provider bedrock .gen_ai.'"request.model"' \
		arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude \
		.gen_ai.'"usage.input_tokens"' 125 .gen_ai.'"response.finish_reason"' tool_use
}

@test "Azure: the deployment is the model that is asked, the answer says the real one" {
	start_provider --answer "$FIXTURES/openai_chat_body.json"
	post 'https://team.openai.azure.com/openai/deployments/my-deployment/chat/completions?api-version=1' \
		'{"messages":[]}'
	assert_recorded .provider azure-openai .gen_ai.'"request.model"' my-deployment \
		.gen_ai.'"response.model"' gpt-5-2026-03-01
}

@test "a transcription names its model in a form; two models are refused" {
	start_provider --answer "$FIXTURES/openai_transcription.json"
	printf 'not really audio' >speech.mp3
	transcribe() {
		run governed curl -sS -i --max-time 20 -F file=@speech.mp3 "$@" "$OPENAI/audio/transcriptions"
	}
	transcribe -F model=whisper-1
	assert_output --partial 'Hello there.'
	assert_recorded .gen_ai.'"operation.name"' audio_transcription .gen_ai.'"request.model"' whisper-1
	transcribe -F model=whisper-1 -F model=gpt-4o-transcribe
	assert_output --partial 'HTTP/1.1 400'
	assert_equal "$(last_record .decision.code)" ambiguous_request
	assert_provider_saw 1
}

# ---- policy ----

@test "a rule about models holds wherever the model stands" {
	start_provider
	the_policy_allows 'gemini/gemini-2.5-*' 'bedrock/us.anthropic.*' 'openai/whisper-*'
	post "$GEMINI/models/gemini-1.0-pro:generateContent" '{}'
	assert_output --partial '"status":"PERMISSION_DENIED"'
	post "$BEDROCK/model/meta.llama3/converse-stream" '{}'
	assert_output --partial 'x-amzn-errortype: AccessDeniedException'
	run governed curl -sS -i -F model=gpt-4o-transcribe -F file=x "$OPENAI/audio/transcriptions"
	assert_output --partial '"code":"policy_denied"'
	assert_equal "$(requests_seen)" 0
}

@test "Gemini's stream that is no event stream is refused by an array of one" {
	start_provider
	the_policy_allows 'gemini/none'
	post "$GEMINI/models/gemini-2.5-pro:streamGenerateContent" '{}'
	assert_output --partial '[{"error":{"code":403,'
	post "$GEMINI/models/gemini-2.5-pro:streamGenerateContent?alt=sse" '{}'
	refute_output --partial '[{"error"'
	assert_output --partial '{"error":{"code":403,'
}

@test "Cohere's refusal is a message and an id" {
	start_provider
	the_policy_allows 'cohere/none'
	post https://api.cohere.com/v2/chat '{"model":"command-a"}'
	assert_output --partial 'HTTP/1.1 403 Forbidden'
	assert_output --regexp '\{"message":"aigw: .*","id":"01[0-9A-Z]{24}"\}'
}

@test "an unknown endpoint is recorded as one, and refused where a scope says so" {
	start_provider
	the_scopes_say '{}'
	post https://api.openai.com/v1/nobody/knows '{}'
	assert_recorded .gen_ai.'"operation.name"' unknown .decision.action allow
	the_scopes_say '{ "unknown_endpoints": "allow" }' '{ "unknown_endpoints": "refuse" }'
	post https://api.openai.com/v1/nobody/knows '{"model":"gpt-5"}'
	assert_output --partial '"code":"unknown_endpoint"'
	assert_recorded .decision.rule environments.test.unknown_endpoints .decision.code unknown_endpoint
	the_scopes_say '{}' '{}' '{ "openai": { "unknown_endpoints": "refuse" } }'
	post https://api.openai.com/v1/nobody/knows '{}'
	assert_recorded .decision.rule providers.openai.unknown_endpoints
	post https://api.openai.com/v1/chat/completions "$(body gpt-5)"
	assert_output --partial "$ANSWER"
	assert_provider_saw 2
}

# ---- hosts that serve other things too ----

SNOWFLAKE=https://me.snowflakecomputing.com

@test "what has nothing to do with models passes on a shared host, unrecorded, whatever the policy says" {
	start_provider
	the_scopes_say '{ "unknown_endpoints": "refuse", "models": { "allow": [] } }'
	url=$(with_port "$SNOWFLAKE/queries/v1/query-request")
	same_with_and_without curl --http1.1 -sS -k -d '{"sqlText":"select 1"}' "$url"
	# also with a body that is not held, and one that waits for "100 Continue"
	head -c 3000000 /dev/zero >big
	same_with_and_without curl --http1.1 -sS -T big "$url"
	same_with_and_without curl --http1.1 -sS -T - "$url" <big
	same_with_and_without curl --http1.1 -sS -H 'Expect: 100-continue' -d @big "$url"
	assert_equal "$(records length)" 0
}

@test "on the same connection a call to a model is governed all the same" {
	start_provider
	the_policy_allows 'snowflake/claude-*'
	url=$(with_port "$SNOWFLAKE/queries/v1/query-request")
	model=$(with_port "$SNOWFLAKE/api/v2/cortex/inference:complete")
	run governed curl -sS -d '{}' "$url" -o one --next -sS -d '{"model":"claude-4"}' "$model" -o two \
		--next -sS -d '{}' "$url" -o three --next -sS -i -d '{"model":"llama"}' "$model"
	assert_output --partial 'HTTP/1.1 403'
	assert_equal "$(records length)" 2
	assert_equal "$(records '.[0].gen_ai["request.model"] + " " + .[0].decision.action')" 'claude-4 allow'
	assert_provider_saw 3
	assert_equal "$(provider_saw '[.[] | select(.event == "connection" and .requests > 0)] | length')" 1
}

@test "a call to a model through a shared host is refused when the program does not verify it" {
	start_provider
	the_scopes_say '{}'
	run governed curl -sS -k -i -d '{"model":"claude-4"}' \
		"$(with_port "$SNOWFLAKE/api/v2/cortex/inference:complete")"
	assert_output --partial 'HTTP/1.1 403'
	assert_equal "$(last_record .decision.rule)" transport.verify_peer
}

@test "a connection that cannot be looked into passes to a shared host, and to no other" {
	start_provider
	the_policy_allows 'openai/gpt-5*' # opaque_tls: refuse is the default
	for name in me.snowflakecomputing.com api.openai.com; do
		"$BIN/make-hello" tls "$name" >"$name"
	done
	run shimmed "$BIN/raw_client" "$PORT" <api.openai.com
	assert_output --partial 'ECONNREFUSED'
	run shimmed "$BIN/raw_client" "$PORT" <me.snowflakecomputing.com
	refute_output --partial 'ECONNREFUSED'
	assert_equal "$(connections 'map(.connection.server_name) | join(" ")')" api.openai.com
}

@test "the same without TLS: other things pass, a call to a model is refused" {
	start_provider --plain
	the_policy_allows 'snowflake/*'
	same_with_and_without curl -sS -d '{}' "http://me.snowflakecomputing.com:$PORT/queries"
	assert_equal "$(records length)" 0
	run governed curl -sS -i -d '{"model":"claude-4"}' \
		"http://me.snowflakecomputing.com:$PORT/api/v2/cortex/inference:complete"
	assert_output --partial 'HTTP/1.1 403'
	assert_equal "$(last_record .decision.rule)" transport.plaintext
}

@test "without a server name the Host field tells other things from calls to models" {
	start_provider
	the_policy_allows 'snowflake/claude-*'
	ask_unnamed() { # PATH BODY
		printf 'POST %s HTTP/1.1\r\nHost: me.snowflakecomputing.com\r\nContent-Length: %d\r\n\r\n%s' \
			"$1" "${#2}" "$2" | shimmed "$BIN/gnutls_client" --ca "$CERTS/ca.pem" --name '' --answers 1 "$PORT"
	}
	run ask_unnamed /queries '{"model":"llama"}'
	refute_output --partial 'aigw'
	assert_equal "$(records length)" 0
	run ask_unnamed /api/v2/cortex/inference:complete '{"model":"llama"}'
	assert_output --partial 'HTTP/1.1 403'
}
