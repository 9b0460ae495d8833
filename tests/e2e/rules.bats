#!/usr/bin/env bats
# The whole policy, seen from outside: who is in which application by what the kernel says, rules that are
# only observed, endpoints and features, agreements and their receipts, fields forced into bodies.

# shellcheck disable=SC2154,SC2016  # bats' own; jq's variables
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	start_provider --alpn http/1.1
	initialised
	CHAT_WITH=shimmed
}

teardown() {
	stop_provider
}

# the_policy REST: JSON members behind "audit".
the_policy() {
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] }, $1,
		\"default_environment\": \"other\" }"
}

# the_environment RULES [MORE]: the one that every program is in.
the_environment() {
	the_policy "\"environments\": { \"other\": $1 }${2:+, $2}"
}

# applications MATCH...: one for each, named by its number, none of which may use a model.
applications() {
	local list='' i=0
	for match; do
		list+="${list:+,}\"app$((i++))\": { \"environment\": \"other\", \"match\": $match, \"models\": { \"allow\": [] } }"
	done
	the_policy "\"environments\": { \"other\": {} }, \"applications\": { $list }"
}

# refused CODE RULE CURL_OPTIONS...: nothing of it reaches the provider.
refused() {
	local code=$1 rule=$2
	shift 2
	run chat "$@"
	assert_equal "$(last_record '[.decision.action, .decision.code, .decision.rule] | join(" ")')" \
		"refuse $code $rule"
	assert_equal "$(requests_seen)" 0
	assert_output --partial '"error"'
}

bodies_seen() {
	provider_saw '[.[] | select(.event == "request").body_sha256] | join(" ")'
}

sha_of() {
	printf '%s' "$1" | sha256sum | cut -d' ' -f1
}

in_days() {
	date -u -d "$1 days" +%Y-%m-%d
}

# ---- who ----

@test 'a program is known by its digest, its groups, its cgroup and its parent' {
	local curl cgroup
	curl=$(readlink -f "$(type -P curl)")
	cgroup=$(sed -n 's/^0:://p' /proc/self/cgroup)
	[[ ${#cgroup} -gt 1 ]] || cgroup=$(sed -n 's/^[0-9]*:name=systemd://p' /proc/self/cgroup)
	applications "{ \"exe_sha256\": \"$(sha256sum <"$curl" | cut -d' ' -f1)\" }"
	run chat -d "$(body gpt-5)"
	assert_answers 403
	assert_equal "$(last_record '[.application, .decision.rule] | join(" ")')" 'app0 applications.app0.models.allow'
	applications '{ "group": "nobody-has-this" }' "{ \"group\": \"$(id -gn)\" }"
	run chat -d "$(body gpt-5)"
	assert_equal "$(last_record .application)" app1
	applications "{ \"parent_exe\": \"$(readlink -f "$(type -P bash)")\" }"
	run chat -d "$(body gpt-5)"
	assert_equal "$(last_record .application)" app0
	applications '{ "parent_exe": "/usr/sbin/nothing", "exe": "*/curl" }' '{ "exe": "*/curl" }'
	run chat -d "$(body gpt-5)"
	assert_equal "$(last_record .application)" app1
	[[ ${#cgroup} -gt 1 ]] || return 0
	applications "{ \"cgroup\": \"$cgroup\" }"
	run chat -d "$(body gpt-5)"
	assert_equal "$(last_record .application)" app0
}

@test 'a remembered digest counts only where nobody else can have written it' {
	[[ $(id -u) = 0 ]] || skip 'needs root, to give a file away'
	local real forged remembered
	real=$(sha256sum <"$(type -P curl)" | cut -d' ' -f1)
	forged=$(printf '%064d' 0)
	the_environment '{}'
	run chat -d "$(body gpt-5)"
	assert_equal "$(last_record .process.exe_sha256)" "$real"
	remembered=$(grep -lx "$real" "$AIGW_HOME"/state/exe/*)
	printf %s "$forged" >"$remembered"
	run chat -d "$(body gpt-5)" # the user's own: as strong as the user's directory
	assert_equal "$(last_record .process.exe_sha256)" "$forged"
	chown 65534 "$remembered"
	run chat -d "$(body gpt-5)"
	assert_equal "$(last_record .process.exe_sha256)" "$real"
	chown 0 "$remembered"
	chmod 620 "$remembered"
	run chat -d "$(body gpt-5)"
	assert_equal "$(last_record .process.exe_sha256)" "$real"
}

@test 'a policy that asks for more of a running program gets it' {
	the_environment '{}'
	cat >two.py <<-'END'
		import http.client, os, sys, time
		def status():
		    c = http.client.HTTPSConnection("api.openai.com", int(sys.argv[1]), timeout=20)
		    c.request("POST", "/v1/chat/completions", open("body").read(),
		        {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["API_KEY"]})
		    return c.getresponse().status
		before = status()
		os.rename("next", os.environ["AIGW_HOME"] + "/policy.json")
		end = time.monotonic() + 5
		after = status()
		while after == 200 and time.monotonic() < end:
		    after = status()
		print(before, after)
	END
	body gpt-5 >body
	cp "$AIGW_HOME/policy.json" now
	applications "{ \"group\": \"$(id -gn)\" }"
	mv "$AIGW_HOME/policy.json" next
	cp now "$AIGW_HOME/policy.json.next" && mv "$AIGW_HOME/policy.json.next" "$AIGW_HOME/policy.json"
	run shimmed $PYTHON two.py "$PORT"
	assert_output '200 403'
	assert_equal "$(last_record .application)" app0
}

# ---- observe ----

@test 'what is only observed goes out, and the record says what the rule would have done' {
	the_environment '{ "mode": "observe", "models": { "allow": ["openai/gpt-4*"] } }'
	run chat -d "$(body gpt-5)"
	assert_answers 200
	assert_recorded .decision.action allow .decision.verdict refuse .decision.code policy_denied \
		.decision.rule environments.other.models.allow .outcome complete
	assert_equal "$(last_record '.decision.reason | startswith("only observed, not refused: ")')" true
	run aigw log
	assert_output --regexp ' observed +other '
	run aigw show last
	assert_output --partial 'allow (observed only; the verdict is refuse) by environments.other.models.allow'
	run chat -d "$(body gpt-4o)"
	assert_recorded .decision.action allow .decision.verdict null
}

@test 'an observed environment does not lift what the organization refuses' {
	the_environment '{ "mode": "observe" }' '"organization": { "endpoints": { "deny": ["chat"] } }'
	refused policy_denied organization.endpoints.deny -d "$(body gpt-5)"
}

@test 'a rule under watch is told of, the others bite' {
	the_environment '{ "models": { "allow": ["openai/*"] }, "watch": { "features": { "deny": ["functions"] } } }'
	run chat -d "$(body gpt-5 ',"tools":[{"type":"function","function":{"name":"f"}}]')"
	assert_answers 200
	assert_recorded .decision.verdict refuse .decision.rule environments.other.watch.features.deny
}

# ---- endpoints, features, hosts, sizes ----

@test 'features, hosts, sizes and limits of the answer are refused before a byte leaves' {
	the_environment '{ "features": { "deny": ["mcp"] }, "max_tokens": 100, "max_body_bytes": 400,
		"hosts": { "deny": ["eu.*"] } }'
	run chat -d "$(body gpt-5 ',"tools":[{"type":"mcp","server_url":"https://x"}]')"
	assert_answers 403
	assert_equal "$(last_record .decision.rule)" environments.other.features.deny
	run chat -d "$(body gpt-5 ',"max_completion_tokens":101')"
	assert_answers 403
	assert_equal "$(last_record .decision.rule)" environments.other.max_tokens
	run chat -d "$(big_body gpt-5 401)"
	assert_answers 413
	assert_equal "$(last_record .decision.code)" request_too_large
	echo '127.0.0.1 eu.api.openai.com' >>"$NSS_WRAPPER_HOSTS"
	CHAT_URL=https://eu.api.openai.com:$PORT/v1/chat/completions run chat -k -d "$(body gpt-5)"
	assert_equal "$(requests_seen)" 0
}

# ---- agreements ----

@test 'without the agreement that is required nothing goes out, and the reason names the field' {
	the_environment '{ "require": ["baa"] }'
	refused not_covered environments.other.require -d "$(body gpt-5)"
	assert_output --partial 'have it put into providers.openai.baa'
}

@test 'an agreement that has ended covers nothing' {
	the_environment '{ "require": ["baa"] }' "\"providers\": { \"openai\": { \"baa\": {
		\"reference\": \"BAA-7\", \"from\": \"2020-01-01\", \"until\": \"$(in_days -1)\" } } }"
	refused not_covered environments.other.require -d "$(body gpt-5)"
	assert_output --partial "(BAA-7) ended on $(in_days -1)"
}

@test 'what lies outside of an agreement is refused, by path and by feature' {
	the_environment '{ "require": ["baa"] }' '"providers": { "openai": { "baa": { "reference": "r" } } }'
	CHAT_URL=$OPENAI/conversations run chat -d '{}'
	assert_answers 403
	assert_output --partial '\"/v1/conversations\" is outside of the agreements'
	CHAT_URL=$OPENAI/responses run chat -d '{"model":"gpt-5","input":"x","background":true}'
	assert_answers 403
	assert_output --partial '\"background\" is outside'
	assert_equal "$(requests_seen)" 0
}

@test 'an agreement that ends soon is told of once, and calls go on' {
	the_environment '{ "require": ["baa"] }' "\"providers\": { \"openai\": { \"baa\": {
		\"reference\": \"BAA-7\", \"until\": \"$(in_days 12)\" } } }"
	body gpt-5 >body
	run shimmed "$CLIENTS/curl.sh" "$OPENAI/chat/completions" body body
	assert_answers 200 200
	# Nor does the next process say it again.
	run shimmed "$CLIENTS/curl.sh" "$OPENAI/chat/completions" body
	assert_answers 200
	aigw log --all --json >log 2>/dev/null || aigw log --json >log
	assert_equal "$(jq -rs 'flatten | map(select(.type == "notice")) | length' log)" 1
	assert_equal "$(jq -rs 'flatten | map(select(.type == "notice"))[0] | [.agreement, .problem] | join(": ")' log)" \
		'providers.openai.baa: the agreement providers.openai.baa (BAA-7) ends in 12 days; calls that require it are refused afterwards: renew it and change its "until"'
	touch -d yesterday "$AIGW_HOME"/state/notices/providers.openai.baa
	run shimmed "$CLIENTS/curl.sh" "$OPENAI/chat/completions" body
	assert_answers 200
	assert_equal "$(aigw log --json | jq -rs 'flatten | map(select(.type == "notice")) | length')" 2
	assert_log_whole
}

@test 'the receipt says when there is no field to ask by' {
	the_environment '{ "require": ["no_training"] }' '"providers": { "anthropic": { "no_training": true } }'
	CHAT_URL=$ANTHROPIC/messages run chat -H 'anthropic-version: 2023-06-01' \
		-d "$(body claude-sonnet-4-5 ',"max_tokens":9')"
	assert_answers 200
	assert_recorded .decision.receipt no_control .decision.action allow
}

# ---- forced fields ----

FORCED='{ "set": { "openai": { "store": false } } }'

@test 'a field is forced into the body, every other byte stays, and the record has both' {
	the_environment "$FORCED"
	run chat -d "$(body gpt-5)"
	assert_answers 200
	assert_recorded .decision.action rewrite .decision.receipt forced .decision.changes[0] '/store: absent -> false'
	assert_equal "$(last_record_in_full .request.body)" "$(body gpt-5)"
	assert_equal "$(bodies_seen)" "$(sha_of "{\"store\":false,$(body gpt-5 | cut -c2-)")"
}

@test 'a field that says otherwise is replaced, in a chunked body too' {
	the_environment "$FORCED"
	run chat -H 'Transfer-Encoding: chunked' -d "$(body gpt-5 ', "store" : true ')"
	assert_answers 200
	assert_recorded .decision.changes[0] '/store: true -> false'
	assert_equal "$(bodies_seen)" "$(sha_of "$(body gpt-5 ', "store" : false ')")"
}

@test 'a field that says it already is left alone' {
	the_environment "$FORCED"
	run chat -d "$(body gpt-5 ',"store":false')"
	assert_answers 200
	assert_recorded .decision.action allow .decision.receipt already .decision.changes null
	assert_equal "$(bodies_seen)" "$(sha_of "$(body gpt-5 ',"store":false')")"
}

@test 'a field is forced after 100-continue was waited for' {
	the_environment "$FORCED"
	run chat -H 'Expect: 100-continue' -d "$(body gpt-5)"
	assert_answers 200
	assert_recorded .decision.receipt forced
	assert_equal "$(bodies_seen)" "$(sha_of "{\"store\":false,$(body gpt-5 | cut -c2-)")"
}

@test 'a field is forced and token counts are asked for in one request' {
	the_environment "$FORCED" '"usage": { "ask": true }'
	run chat -N -d "$(body gpt-5 ',"stream":true')"
	assert_answers 200
	refute_output --partial '"choices":[],"usage":{'
	assert_equal "$(last_record '.decision.changes | join("; ")')" \
		'/store: absent -> false; /stream_options/include_usage: absent -> true'
	assert_equal "$(bodies_seen)" \
		"$(sha_of "{\"stream_options\":{\"include_usage\":true},\"store\":false,$(body gpt-5 ',"stream":true' | cut -c2-)")"
}

@test 'a request that is signed over its bytes is refused, or tagged where the policy says so' {
	the_environment "$FORCED"
	run chat -H 'Content-Digest: sha-256=:x:' -d "$(body gpt-5)"
	assert_answers 403
	assert_recorded .decision.code unalterable .decision.receipt refused \
		.decision.rule environments.other.set.openai.store
	the_environment '{ "set": { "openai": { "store": false } }, "unalterable": "tag" }'
	run chat -H 'Content-Digest: sha-256=:x:' -d "$(body gpt-5)"
	assert_answers 200
	assert_recorded .decision.action allow .decision.receipt not_forced
	assert_equal "$(bodies_seen)" "$(sha_of "$(body gpt-5)")"
}

@test "Bedrock's signed requests go out as they were signed" {
	echo '127.0.0.1 bedrock-runtime.us-east-1.amazonaws.com' >>"$NSS_WRAPPER_HOSTS"
	the_environment '{ "set": { "bedrock": { "store": false } } }'
	CHAT_URL=https://bedrock-runtime.us-east-1.amazonaws.com:$PORT/openai/v1/chat/completions \
		run chat -H 'Authorization: AWS4-HMAC-SHA256 Credential=a/b, Signature=c' -d "$(body gpt-oss)"
	assert_equal "$(last_record '[.decision.code, .decision.receipt] | join(" ")')" 'unalterable refused'
	assert_equal "$(requests_seen)" 0
}
