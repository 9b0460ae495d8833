#!/usr/bin/env bats
# The policy's limits: refused with 429, settled by what the provider says, shared by all processes.
# The provider counts what it likes: 21 tokens in and out of a chat, unless it says nothing of it.

# shellcheck disable=SC2154  # bats' $stderr
load helper

setup() { start_provider; }
teardown() {
	[[ ! ${CLIENT_PID:-} ]] || { kill -9 "$CLIENT_PID" && wait "$CLIENT_PID"; } 2>/dev/null || true
	stop_provider
}

# the_limits_are LIMITS [ORGANIZATION [APPLICATIONS]]: JSON, of the environment and the other scopes.
the_limits_are() {
	initialised
	write_policy "{
  \"version\": 1,
  \"audit\": { \"recipients\": [\"$RECIPIENT\"], \"on_failure\": \"${ON_FAILURE:-refuse}\" },
  \"organization\": { \"limits\": ${2:-{\}} },
  \"environments\": { \"production\": { \"limits\": $1 } },
  \"applications\": ${3:-{\}},
  \"default_environment\": \"production\"
}"
}

# used SCOPE LIMIT: what aigw limits says.
used() {
	aigw limits --json | jq -c ".[] | select(.scope == \"$1\" and .limit == \"$2\").used"
}

alerts() {
	aigw log --json | jq -rs 'flatten | map(select(.type == "limit")) | '"$1"
}

@test 'the third request of a minute with two is refused as the provider would, and tells when to come back' {
	the_limits_are '{ "requests_per_minute": 2 }'
	for _ in 1 2; do
		run chat -d "$(body gpt-5)"
		assert_answers 200
	done
	run chat -D "$BATS_TEST_TMPDIR/head" -d "$(body gpt-5)"
	assert_answers 429
	assert_equal "$(grep '^{' <<<"$output" | jq -r '.error | [.type, .code] | join(" ")')" \
		'requests rate_limit_exceeded'
	assert_output --partial 'environments.production.limits.requests_per_minute is met: 2 of 2 requests'
	after=$(tr -d '\r' <"$BATS_TEST_TMPDIR/head" | sed -n 's/^retry-after: //p')
	((after >= 1 && after <= 30)) || fail "retry-after: $after"
	assert_recorded .decision.action refuse .http.status 429 .outcome refused \
		.decision.rule environments.production.limits.requests_per_minute
	assert_provider_saw 2
}

@test 'a limit of a scope that only observes refuses nothing, counts, and is told' {
	the_limits_are '{ "requests_per_minute": 1 }, "mode": "observe"'
	run chat -d "$(body gpt-5)"
	assert_answers 200
	assert_recorded .decision.action allow .decision.verdict null
	run chat -d "$(body gpt-5)"
	assert_answers 200
	assert_recorded .decision.action allow .decision.verdict refuse .decision.code rate_limit_exceeded \
		.decision.rule environments.production.limits.requests_per_minute .outcome complete
	assert_equal "$(last_record '.decision.reason | startswith("only observed, not refused: ")')" true
	assert_equal "$(used environments.production requests_per_minute)" 2
}

@test 'a budget is charged by an estimate and settled by what the provider counted' {
	the_limits_are '{ "tokens_per_day": 5000, "usd_per_month": 1 }' '{ "tokens_per_month": 100000 }'
	run chat -d "$(body gpt-5 ',"max_completion_tokens":4000')"
	assert_answers 200
	tokens=$(last_record '.gen_ai | .["usage.input_tokens"] + .["usage.output_tokens"]')
	assert_equal "$(used environments.production tokens_per_day)" "$tokens"
	assert_equal "$(used organization tokens_per_month)" "$tokens"
	assert_equal "$(used environments.production usd_per_month)" "$(last_record '.cost.usd')"
	run chat -d "$(body gpt-5 ',"max_completion_tokens":5000')"
	assert_answers 429
	assert_output --partial "\"insufficient_quota\""
	assert_output --partial "tokens_per_day is met: $tokens of 5000 tokens are used, and this request may take 50"
	assert_output --partial '00:00 UTC'
	assert_recorded .decision.rule environments.production.limits.tokens_per_day
	assert_equal "$(alerts '[.[] | [.decision.rule, .limit.percent] | join(" ")] | join(";")')" \
		'environments.production.limits.tokens_per_day 100'
}

@test 'a stream is settled by its counts, one that breaks off by its estimate' {
	the_limits_are '{ "tokens_per_month": 1000000 }'
	run chat -d "$(body gpt-5 "$STREAM")"
	assert_answers 200
	tokens=$(last_record '.gen_ai | .["usage.input_tokens"] + .["usage.output_tokens"]')
	assert_equal "$(used environments.production tokens_per_month)" "$tokens"
	run chat -H 'x-provider: cut' -d "$(body gpt-5 ",\"max_tokens\":5000$STREAM")"
	now=$(used environments.production tokens_per_month)
	((now > tokens + 5000 && now < tokens + 5100)) || fail "$now"
}

@test 'what the provider refuses costs nothing but the request' {
	the_limits_are '{ "tokens_per_day": 5000, "requests_per_minute": 2 }'
	run chat -H 'x-provider: error-400' -d "$(body gpt-5)"
	assert_answers 400
	run chat -H 'x-provider: no-usage' -d "$(body gpt-5 ',"max_tokens":100')"
	assert_answers 200
	now=$(used environments.production tokens_per_day)
	((now > 100 && now < 200)) || fail "the second one counts as estimated, not $now"
	assert_equal "$(used environments.production requests_per_minute)" 2
}

@test 'alerts at 50, 80 and 100 percent are records, each told once' {
	the_limits_are '{ "tokens_per_day": 1100 }'
	for max in 550 10 300 10 210; do # what counts is the estimate, for want of anything better
		run chat -H 'x-provider: no-usage' -d "$(body gpt-5 ",\"max_tokens\":$max")"
	done
	assert_equal "$(alerts 'map(.limit.percent) | join(" ")')" '50 80 100'
	assert_equal "$(alerts '.[0] | [.decision.rule, .limit.value] | join(" ")')" \
		'environments.production.limits.tokens_per_day 1100'
	assert_log_whole
}

@test 'only so many requests are under way, in all processes; a killed one is not counted' {
	the_limits_are '{ "concurrent_requests": 1 }'
	coproc CLIENT { shimmed curl -sSN --max-time 30 -H "Authorization: Bearer $API_KEY" \
		-d "$(body gpt-5--stall "$STREAM")" "$OPENAI/chat/completions" 3>&-; }
	read -r -t 20 -u "${CLIENT[0]}" line && [[ $line = data:* ]] # it is under way
	run chat -D "$BATS_TEST_TMPDIR/head" -d "$(body gpt-5)"
	assert_answers 429
	assert_output --partial 'concurrent_requests is met: 1 of 1 requests under way'
	grep -q '^retry-after: 1' "$BATS_TEST_TMPDIR/head"
	assert_recorded .decision.rule environments.production.limits.concurrent_requests
	assert_equal "$(used environments.production concurrent_requests)" 1
	pkill -9 -P "$CLIENT_PID" 2>/dev/null || true
	kill -9 "$CLIENT_PID" 2>/dev/null || true
	wait "$CLIENT_PID" 2>/dev/null || true
	CLIENT_PID=
	assert_equal "$(used environments.production concurrent_requests)" 0
	until run chat -d "$(body gpt-5)" && [[ $output = *'HTTP 200'* ]]; do
		((SECONDS < 20)) || fail "$output" # counted anew within a second
	done
	assert_equal "$(used environments.production concurrent_requests)" 0
}

@test 'all scopes count, and 0 allows nothing' {
	the_limits_are '{}' '{ "tokens_per_day": 100000 }' \
		'{ "bot": { "environment": "production", "match": { "exe": "*/curl" }, "limits": { "usd_per_day": 0 } } }'
	run chat -d "$(body gpt-5)"
	assert_answers 429
	assert_output --partial 'applications.bot.limits.usd_per_day is 0: nothing is allowed'
	assert_recorded .application bot .decision.rule applications.bot.limits.usd_per_day
	assert_equal "$(used organization tokens_per_day)" 0
	assert_provider_saw 0
}

@test 'a program that sees 429 may go on in Python as with the provider' {
	the_limits_are '{ "requests_per_minute": 1 }'
	run shimmed "$PYTHON" - "$OPENAI" "$API_KEY" <<-'END'
		import json, sys, urllib.error, urllib.request
		def ask():
		    r = urllib.request.Request(sys.argv[1] + "/chat/completions",
		        json.dumps({"model": "gpt-5", "messages": []}).encode(),
		        {"Authorization": "Bearer " + sys.argv[2], "Content-Type": "application/json"})
		    return urllib.request.urlopen(r).read()
		ask()
		try:
		    ask()
		except urllib.error.HTTPError as e:
		    print(e.code, int(e.headers["Retry-After"]) > 0, json.load(e)["error"]["code"])
	END
	assert_output '429 True rate_limit_exceeded'
}

@test 'threads of one program take turns: no more than the limit get through' {
	the_limits_are '{ "tokens_per_day": 460 }' # of 16 requests for about 60 each, seven
	run shimmed "$PYTHON" - "$OPENAI" "$API_KEY" <<-'END'
		import json, socket, sys, threading, urllib.error, urllib.request, urllib.parse
		# nss_wrapper loses names when threads are the first to ask it, also without us
		socket.getaddrinfo(urllib.parse.urlsplit(sys.argv[1]).hostname, 0, type=socket.SOCK_STREAM)
		codes, start = [], threading.Barrier(16)
		def ask():
		    body = {"model": "gpt-5", "max_tokens": 40, "messages": [{"role": "user", "content": "?"}]}
		    r = urllib.request.Request(sys.argv[1] + "/chat/completions", json.dumps(body).encode(),
		        {"Authorization": "Bearer " + sys.argv[2], "Content-Type": "application/json",
		         "x-provider": "no-usage"})
		    start.wait()
		    try:
		        codes.append(urllib.request.urlopen(r).status)
		    except urllib.error.HTTPError as e:
		        codes.append(e.code)
		threads = [threading.Thread(target=ask) for _ in range(16)]
		[t.start() for t in threads]
		[t.join() for t in threads]
		print(*sorted(codes))
	END
	assert_output "$(printf '200 %.0s' {1..7})$(printf '429 %.0s' {1..8})429"
	now=$(used environments.production tokens_per_day)
	((now <= 460 && now > 400)) || fail "$now"
}

@test 'a forked child that reads the answer on settles what its parent took; the parent goes on' {
	the_limits_are '{ "tokens_per_day": 5000, "concurrent_requests": 1 }'
	run shimmed "$PYTHON" - "$OPENAI" "$API_KEY" <<-'END'
		import http.client, json, os, ssl, sys, urllib.parse
		where = urllib.parse.urlsplit(sys.argv[1])
		def ask(max_tokens):
		    c = http.client.HTTPSConnection(where.hostname, where.port, timeout=20,
		                                    context=ssl.create_default_context())
		    body = {"model": "gpt-5", "max_tokens": max_tokens, "messages": []}
		    c.request("POST", where.path + "/chat/completions", json.dumps(body),
		              {"Authorization": "Bearer " + sys.argv[2], "Content-Type": "application/json"})
		    return c
		first = ask(4000)
		if os.fork() == 0:
		    print(len(first.getresponse().read()) > 0, flush=True)
		    os._exit(0)
		os.wait()
		second = ask(4000).getresponse() # the first one is still open here
		print(second.status, len(second.read()) > 0)
	END
	assert_output $'True\n200 True'
	tokens=$(last_record '.gen_ai | .["usage.input_tokens"] + .["usage.output_tokens"]')
	assert_equal "$(used environments.production tokens_per_day)" $((2 * tokens))
	assert_equal "$(used environments.production concurrent_requests)" 0
}

# broken_request BYTES WHEN: a request of so many bytes on a connection that is shut down at one end
# "before" its first byte goes out, or once the provider, who reads slowly, has some of it.
broken_request() {
	run shimmed "$PYTHON" - "$PORT" "$@" <<-'END'
		import json, socket, ssl, sys, time
		port, size, when = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
		s = ssl.create_default_context().wrap_socket(socket.create_connection(("127.0.0.1", port), 20),
		                                             server_hostname="api.openai.com")
		body = {"model": "gpt-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "x" * size}]}
		body = json.dumps(body).encode()
		request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n" \
		    b"Authorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" \
		    % len(body) + body
		s.setblocking(False)
		def send():
		    try:
		        return s.send(request)
		    except ssl.SSLWantWriteError:
		        return "later"
		    except OSError as e:
		        return "broken"
		if when == "midway":
		    print(send())
		socket.socket.shutdown(s, socket.SHUT_WR)
		print(send())
	END
}

@test 'a request that breaks off midway counts as estimated; one that did not leave counts nothing' {
	stop_provider && start_provider --slow-reader
	the_limits_are '{ "tokens_per_day": 5000000, "concurrent_requests": 1 }'
	broken_request 100 before
	assert_output broken
	assert_equal "$(used environments.production tokens_per_day)" 0
	broken_request $((4 << 20)) midway
	assert_output $'later\nbroken'
	now=$(used environments.production tokens_per_day)
	((now > 1000)) || fail "$now" # what it asks for, and what it says
	assert_recorded .outcome aborted_by_provider
	assert_equal "$(used environments.production concurrent_requests)" 0
}

@test 'where the file cannot be kept, on_failure decides' {
	the_limits_are '{ "requests_per_minute": 100 }'
	mkdir -p "$AIGW_HOME/state/limits"
	run chat -d "$(body gpt-5)"
	assert_answers 503
	assert_output --partial limits_not_kept
	ON_FAILURE=allow the_limits_are '{ "requests_per_minute": 100 }'
	run chat -d "$(body gpt-5)"
	assert_answers 200
	assert_equal "$(last_record '.decision.reason | test("limits could not be kept")')" true
}

@test '64 processes with one budget keep it, some of them killed' {
	run "$BIN/limits-hammer" "$BATS_TEST_TMPDIR/hammer"
	assert_output --partial 'kept: 64 processes'
	assert_success
}

@test 'aigw limits: a table for people' {
	the_limits_are '{ "tokens_per_day": 5000, "usd_per_month": 12.5 }' '{ "concurrent_requests": 3 }'
	run -0 aigw limits
	assert_line --index 0 --regexp '^SCOPE +LIMIT +USED +ALLOWED +RESETS'
	assert_line --regexp '^organization +concurrent_requests +0 +3 +0% +-'
	assert_line --regexp '^environments.production +tokens_per_day +0 +5,000 +0% +20'
	assert_line --regexp '^environments.production +usd_per_month +0 +12.5 +0% +20'
	the_policy_allows '*'
	run -0 aigw limits
	assert_output --partial 'has no limits'
}

@test 'a request that waits for 100 Continue is counted once its body is there' {
	the_limits_are '{ "tokens_per_day": 2000, "concurrent_requests": 1 }'
	run chat -H 'Expect: 100-continue' --expect100-timeout 5 -d "$(body gpt-5 ',"max_tokens":1000')"
	assert_answers 200
	assert_equal "$(used environments.production tokens_per_day)" \
		"$(last_record '.gen_ai | .["usage.input_tokens"] + .["usage.output_tokens"]')"
	run chat -H 'Expect: 100-continue' --expect100-timeout 5 -d "$(body gpt-5 ',"max_tokens":2000')"
	assert_output --partial 'tokens_per_day is met'
	assert_equal "$(used environments.production concurrent_requests)" 0
}

@test 'what cannot be recorded is not sent, and gives back what it took' {
	the_limits_are '{ "tokens_per_day": 2000 }'
	rm -rf "$AIGW_HOME/audit" && touch "$AIGW_HOME/audit" # no directory: nothing can be recorded
	CHAT_WITH=shimmed run chat -d "$(body gpt-5)"
	assert_answers 503
	assert_output --partial audit_not_writable
	assert_equal "$(used environments.production tokens_per_day)" 0
	assert_provider_saw 0
}
