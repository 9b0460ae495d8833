#!/usr/bin/env bats
# aigw policy explain and test: what the policy says of a call that is not made.

# shellcheck disable=SC2154  # bats' own
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	cp "$ROOT/tests/fixtures/policy/decide/rules.json" rules.json
	chmod 600 rules.json
}

explain() {
	run "$BUILD/aigw" policy explain --policy rules.json "$@"
}

@test 'an allowed call ends with 0, a refused one with 1' {
	explain --provider openai --model gpt-5
	assert_success
	assert_output --regexp 'decision +allow'
	assert_output --regexp 'rule +environments.plain.models'
	explain --provider openai --model gpt-5 --operation fine_tuning
	assert_failure 1
	assert_output --regexp 'endpoints +organization +refuses +organization.endpoints.deny'
	assert_output --regexp 'code +policy_denied'
}

@test 'every rule that was asked is told, also behind the one that decides' {
	explain --provider mistral --model m --environment baa --feature computer_use --body-bytes 2000000 --json
	assert_failure 1
	assert_equal "$(jq -c '[.rule, [.rules[] | select(.refuses).kind]]' <<<"$output")" \
		'["environments.baa.require",["require","features","max_body_bytes"]]'
}

@test 'the program is what is said of it' {
	explain --provider openai --model gpt-5 --program /app/narrow --json
	assert_equal "$(jq -r .application <<<"$output")" narrow
	explain --provider openai --model gpt-5 --group users --group wards --json
	assert_equal "$(jq -r .application <<<"$output")" by-group
	explain --provider openai --model gpt-5 --cgroup /system.slice/intake@2.service --json
	assert_equal "$(jq -r .application <<<"$output")" by-unit
	explain --provider openai --model gpt-5 --parent /usr/sbin/cron --json
	assert_equal "$(jq -r .application <<<"$output")" by-parent
	explain --provider openai --model gpt-5 --user nobody --json
	assert_equal "$(jq -r .application <<<"$output")" null
}

@test 'what is only observed is allowed and says so' {
	explain --provider openai --model o1 --environment observed --json
	assert_success
	assert_equal "$(jq -r '[.action, .verdict, .rule] | join(" ")' <<<"$output")" \
		'allow refuse environments.observed.models.allow'
}

@test 'agreements are those of the day' {
	explain --provider openai --model gpt-5 --environment baa --day 2027-01-31
	assert_success
	explain --provider openai --model gpt-5 --environment baa --day 2027-02-01
	assert_failure 1
	assert_output --partial 'ended on 2027-01-31'
}

@test 'check says in short what the scopes require and what is only observed' {
	sed 's/aigw1test/aigw1example0replaced0by0aigw0init/' rules.json >x.json
	run "$BUILD/aigw" policy check x.json
	assert_failure 1 # nobody's key
	AIGW_HOME=$BATS_TEST_TMPDIR/home initialised
	sed "s/aigw1test/$RECIPIENT/" rules.json >rules2.json
	chmod 600 rules2.json
	run -0 "$BUILD/aigw" policy check rules2.json
	assert_line '  everything: every model; requires baa, no_training, zero_retention, managed_key'
	assert_line '  observed: openai/gpt-5*; requires baa; observed only'
	assert_line '  watching: openai/*; watches'
	sed "s/aigw1example0replaced0by0aigw0init/$RECIPIENT/" "$ROOT/policy/examples/budget.json" >budget.json
	chmod 600 budget.json
	run -0 "$BUILD/aigw" policy check budget.json
	assert_line '  organization: every model; limits usd_per_month'
	assert_line '  production (default): every model; limits requests_per_minute, concurrent_requests'
}

@test 'wrong words are wrong usage, and say which' {
	for wrong in '--provider nobody' '--provider openai --operation chit' '--provider openai --feature web' \
		'--provider openai --day tomorrow' '--model gpt-5'; do
		# shellcheck disable=SC2086
		explain $wrong
		assert_failure 2
	done
	run "$BUILD/aigw" policy explain --policy nothing.json --provider openai
	assert_failure 3
	run "$BUILD/aigw" policy test
	assert_failure 2
}

@test 'a request in a file is read as the shim would read it, and what is forced is told' {
	printf 'POST /v1/responses HTTP/1.1\nHost: api.openai.com\n\n{"model":"gpt-5","background":true}' >call.http
	run "$BUILD/aigw" policy test call.http --policy rules.json --environment forced --json
	assert_success
	assert_equal "$(jq -c '[.action, .receipt, .changes, .operation, .model]' <<<"$output")" \
		'["rewrite","forced",["/store: absent -> false"],"chat","gpt-5"]'
	run "$BUILD/aigw" policy test call.http --policy rules.json --environment baa
	assert_failure 1
	assert_output --partial '"background" is outside of the agreements'
	printf 'POST /v1/responses HTTP/1.1\r\nHost: api.openai.com\r\nContent-MD5: x\r\nContent-Length: 2\r\n\r\n{}' >signed.http
	run "$BUILD/aigw" policy test signed.http --policy rules.json --environment forced --json
	assert_failure 1
	printf 'POST /v1/responses HTTP/1.1\nHost: api.openai.com\n\n{"model":"a","model":"b"}' >two.http
	run "$BUILD/aigw" policy test two.http --policy rules.json --json
	assert_failure 1
	assert_equal "$(jq -r .code <<<"$output")" ambiguous_request
}

@test 'a file that is no request to a provider is wrong usage' {
	printf 'GET / HTTP/1.1\nHost: www.example.org\n\n' >call.http
	run "$BUILD/aigw" policy test call.http --policy rules.json
	assert_failure 2
	printf 'hello\n' >call.http
	run "$BUILD/aigw" policy test call.http --policy rules.json
	assert_failure 2
	printf 'POST /v1/responses HTTP/1.1\r\nHost: api.openai.com\r\nContent-Length: 9\r\n\r\n{}' >call.http
	run "$BUILD/aigw" policy test call.http --policy rules.json
	assert_failure 2
	assert_output --partial 'ends too early'
}

# a_key NAME [OPTION...]: a gateway key of environment plain; prints it.
a_key() {
	aigw key create --environment plain --name "$@" --json 2>/dev/null | jq -r .key
}

@test 'a gateway key takes part: by its name, with its state, scope and limits among the rules' {
	initialised
	a_key intake --model 'openai/gpt-5*' --provider openai --user nobody --limit usd_per_month=50 >/dev/null
	explain --provider openai --model gpt-5 --key intake --user nobody
	assert_failure 1
	assert_output --regexp 'gateway_key +keys.intake +refuses +keys.secret'
	assert_output --regexp 'code +no_provider_secret'
	echo sk-1 | aigw key import --provider openai >/dev/null
	explain --provider openai --model gpt-5 --key intake --user nobody --json
	assert_success
	assert_equal "$(jq -c '[.key, .environment, .limits, (.rules[] | select(.where | startswith("keys")) | [.kind, .where, .refuses])]' <<<"$output")" \
		'["intake","plain",[{"scope":"keys.intake","limit":"usd_per_month","allowed":50}],["gateway_key","keys.intake",false],["key","keys.intake",false],["models.allow","keys.intake",false]]'
	explain --provider openai --model gpt-5 --key intake --user nobody
	assert_line --regexp '^limits +keys.intake: usd_per_month 50$'
	explain --provider openai --model o1 --key intake --user nobody --json
	assert_failure 1
	assert_equal "$(jq -r .rule <<<"$output")" keys.intake.models.allow
	explain --provider openai --model gpt-5 --key intake --user 65534 --json
	assert_failure 1
	assert_equal "$(jq -r .rule <<<"$output")" keys.intake.user
	explain --provider mistral --model gpt-5 --key intake --user nobody --json
	assert_equal "$(jq -c '[.rule, ([.rules[] | select(.refuses).where] | index("keys.intake") != null)]' <<<"$output")" \
		'["keys.intake.providers",true]'
	aigw key revoke intake >/dev/null
	explain --provider openai --model gpt-5 --key intake --user nobody --json
	assert_failure 1
	assert_equal "$(jq -c '[.status, .code, .rule, .rules[0].kind]' <<<"$output")" '[401,"revoked_key","keys.intake.revoked","gateway_key"]'
}

@test 'a key is spoken of by its name, never by itself' {
	initialised
	key=$(a_key intake)
	explain --provider openai --model gpt-5 --key "$key"
	assert_failure 2
	assert_output --partial 'by their names'
	refute_output --partial "$key"
	explain --provider openai --model gpt-5 --key nobodys
	assert_failure 2
	assert_output --partial "there is no key 'nobodys'"
	explain --provider openai --model gpt-5 --key intake --store "$BATS_TEST_TMPDIR/elsewhere"
	assert_failure 2
}

# http HEADER...: a chat request with these headers, in call.http.
http() {
	printf 'POST /v1/chat/completions HTTP/1.1\nHost: api.openai.com\n' >call.http
	printf '%s\n' "$@" '' '{"model":"gpt-5"}' >>call.http
	run "$BUILD/aigw" policy test call.http --policy rules.json --json
}

@test 'the keys in a request are judged as the shim would' {
	initialised
	echo sk-1 | aigw key import --provider openai >/dev/null
	key=$(a_key intake) other=$(a_key other)
	http "Authorization: Bearer $key"
	assert_success
	assert_equal "$(jq -r '[.key, .environment] | join(" ")' <<<"$output")" 'intake plain'
	refute_output --partial "$key"
	http "Authorization: Bearer ${key%??}xx"
	assert_failure 1
	assert_equal "$(jq -r .code <<<"$output")" mistyped_key
	http "x-api-key: $key"
	assert_equal "$(jq -r .code <<<"$output")" misplaced_key
	http "Authorization: Bearer $key" "Sec-WebSocket-Protocol: api-key.$other"
	assert_equal "$(jq -r .code <<<"$output")" ambiguous_request
	aigw key revoke intake >/dev/null
	http "Authorization: Bearer $key"
	assert_equal "$(jq -r .code <<<"$output")" revoked_key
	printf '{"version":1,"audit":{"recipients":["aigw1x"]},"organization":{"require":["managed_key"]},
		"environments":{"plain":{}},"default_environment":"plain"}' >rules.json
	http "Authorization: Bearer $other"
	assert_success
	http "Authorization: Bearer sk-of-the-provider"
	assert_failure 1
	assert_equal "$(jq -r .code <<<"$output")" managed_key_required
	assert_output --partial "provider's own"
}
