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
