#!/usr/bin/env bats
# aigw policy apply, diff, log and simulate: a policy is changed in one step, the log says so, and a draft is
# tried out on what was recorded.

# shellcheck disable=SC2154,SC2016  # bats' own; jq's variables
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	initialised
}

teardown() {
	stop_provider
}

# draft RULES [FILE]: a policy whose only environment has these rules.
draft() {
	printf '{ "version": 1, "audit": { "recipients": ["%s"] }, "environments": { "test": %s }, "default_environment": "test" }\n' \
		"$RECIPIENT" "$1" >"${2:-draft.json}"
}

digest() {
	echo "sha256:$(sha256sum <"$1" | cut -d' ' -f1)"
}

changes() {
	aigw policy log --json | jq -cs "$1"
}

@test 'a draft is put in force as it is, and the log says who, when and what' {
	local before after
	draft '{}'
	before=$(digest "$AIGW_HOME/policy.json") after=$(digest draft.json)
	run -0 aigw policy apply draft.json
	assert_output "$AIGW_HOME/policy.json: in force, $after"
	cmp draft.json "$AIGW_HOME/policy.json"
	assert_equal "$(stat -c %a "$AIGW_HOME/policy.json")" 600
	assert_equal "$(changes '[.[] | [.policy.before, .policy.after, .process.uid, (.process.cmdline[:2] | join(" "))]]')" \
		"[[\"$before\",\"$after\",$(id -u),\"policy apply\"]]"
	run -0 aigw policy log
	assert_output --partial 'aigw policy apply'
	run -0 aigw policy apply draft.json --json
	assert_equal "$(jq -c '[.changed, .before, .after]' <<<"$output")" "[false,\"$after\",\"$after\"]"
	assert_equal "$(changes length)" 1
	assert_log_whole
}

@test 'what is no policy changes nothing' {
	cp "$AIGW_HOME/policy.json" before.json
	draft '{ "modles": {} }'
	run -1 aigw policy apply draft.json
	assert_output --partial 'draft.json:1:'
	assert_output --partial 'did you mean "models"?'
	sed 's/"aigw1[^"]*"/"aigw1mistyped"/' before.json >draft.json
	run -1 aigw policy apply draft.json
	assert_output --partial 'is not a recipient'
	run -3 aigw policy apply nothing.json
	cmp before.json "$AIGW_HOME/policy.json"
	assert_equal "$(changes length)" 0
	assert_equal "$(find "$AIGW_HOME" -maxdepth 1 -name '*.new')" ''
}

@test 'a broken or a missing policy is replaced, and a link stays one' {
	draft '{}'
	echo broken >"$AIGW_HOME/policy.json"
	run -0 aigw policy apply draft.json
	cmp draft.json "$AIGW_HOME/policy.json"
	rm "$AIGW_HOME/policy.json"
	run -0 aigw policy apply draft.json
	assert_equal "$(changes 'map(.policy.before // "none") | last')" '"none"'
	mv "$AIGW_HOME/policy.json" elsewhere.json
	ln -s "$PWD/elsewhere.json" "$AIGW_HOME/policy.json"
	draft '{ "models": { "deny": ["*-preview"] } }'
	run -0 aigw policy apply draft.json
	[[ -L $AIGW_HOME/policy.json ]]
	cmp draft.json elsewhere.json
}

@test 'a difference is told by member, whatever the order' {
	draft '{ "models": { "allow": ["openai/gpt-5", "openai/o1"] }, "max_tokens": 5 }'
	aigw policy apply draft.json
	run -0 aigw policy diff draft.json
	assert_output ''
	draft '{ "max_tokens": 6, "models": { "allow": ["openai/o1", "openai/o3", "openai/gpt-5"] } }'
	run -1 aigw policy diff draft.json
	assert_output "$(printf '%s\n' '- environments.test.max_tokens: 5' '+ environments.test.max_tokens: 6' \
		'+ environments.test.models.allow[]: "openai/o3"')"
	run -1 aigw policy diff draft.json --json
	assert_equal "$(jq -c '[.differs, .differences[2]]' <<<"$output")" \
		'[true,{"place":"environments.test.models.allow[]","added":"openai/o3"}]'
}

@test 'a draft is tried out on the requests in the log' {
	start_provider
	draft '{ "models": { "allow": ["openai/*"] } }'
	aigw policy apply draft.json
	CHAT_WITH=shimmed run chat -d "$(body gpt-5 ',"tools":[{"type":"mcp","server_url":"https://x"}]')"
	CHAT_WITH=shimmed run chat -d "$(body gpt-4o)"
	CHAT_URL=$ANTHROPIC/messages CHAT_WITH=shimmed run chat -H 'anthropic-version: 2023-06-01' \
		-d "$(body claude-sonnet-4-5 ',"max_tokens":9')"
	run -0 aigw policy simulate draft.json
	assert_output --partial '3 requests: 3 as before, 0 would be refused, 0 would be allowed, 0 would be told of'
	draft '{ "models": { "allow": ["openai/gpt-5", "anthropic/*"] }, "watch": { "features": { "deny": ["mcp"] } } }'
	run -1 aigw policy simulate draft.json --since 1h --json
	assert_equal "$(jq -c '[.requests, .same, .would_refuse, .would_allow, .would_tell, .without_body]' <<<"$output")" \
		'[3,0,1,1,1,0]'
	assert_equal "$(jq -c '[.differences[] | [.change, .rule]] | sort' <<<"$output")" \
		'[["would allow","environments.test.models.allow"],["would refuse","environments.test.models.allow"],["would tell","environments.test.watch.features.deny"]]'
	run -1 aigw policy simulate draft.json
	assert_output --regexp 'would refuse +1 +[0-9A-Z]{26} +environments.test.models.allow'
}

@test 'a draft is tried out with the keys in the log, and what it cannot know is told' {
	start_provider
	draft '{ "limits": { "tokens_per_day": 3000 } }'
	aigw policy apply draft.json
	echo sk-of-the-provider | aigw key import --provider openai >/dev/null
	API_KEY=$(aigw key create --environment test --name intake --model 'openai/gpt-5*' --json | jq -r .key)
	export API_KEY
	CHAT_WITH=shimmed run chat -d "$(body gpt-5)"
	assert_answers 200
	CHAT_WITH=shimmed run chat -d "$(body gpt-4o)" # the key's own rule refuses
	assert_answers 403
	CHAT_WITH=shimmed run chat -d "$(body gpt-5 ',"max_tokens":4000')"
	assert_answers 429
	aigw key revoke intake >/dev/null
	CHAT_WITH=shimmed run chat -d "$(body gpt-5)"
	assert_answers 401
	API_KEY=sk-raw CHAT_WITH=shimmed run chat -d "$(body gpt-5)"
	assert_answers 200
	run -0 aigw policy simulate draft.json
	assert_output "$(printf '%s\n' \
		'5 requests: 3 as before, 0 would be refused, 0 would be allowed, 0 would be told of' \
		'1 were refused before any rule was asked, or their provider is not known any more' \
		'1 were refused by a limit: what would be used under the draft is not known')"
	draft '{ "require": ["managed_key"] } }, "applications": { "cron": { "environment": "test", "match": { "parent_exe": "/usr/sbin/cron" } }'
	run -1 aigw policy simulate draft.json --json
	assert_equal "$(jq -c '[.same, .would_refuse, .would_allow, .not_by_rules, .refused_by_limits, .keys_not_known, .applications_not_matched, .differences[].rule]' <<<"$output")" \
		'[2,1,0,1,1,0,["cron"],"environments.test.require"]'
	run -1 aigw policy simulate draft.json
	assert_line 'groups and parents of programs are not in the log: these applications, which ask for them, matched nothing: cron'
	# without the store the key's environment is all that is known of it
	rm "$AIGW_HOME/keys/gateway.store"
	run -1 aigw policy simulate draft.json --json
	assert_equal "$(jq -c '[.keys_not_known, .would_refuse, .would_allow]' <<<"$output")" '[2,1,1]'
}
