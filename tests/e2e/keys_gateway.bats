#!/usr/bin/env bats
# Gateway keys: the program holds one, the provider gets its own. What was written on the way must hold
# neither.
load helper

SECRET=sk-real-mK4wQ9xT2vB7nL0pR5sD8fG3hJ6 # the provider's
WRONG='0000000000000000000000000000000000000000000'

# Once: a home with the providers' keys and one gateway key, which each test gets a copy of.
setup_file() {
	export AIGW_HOME=$BATS_FILE_TMPDIR/home
	initialised
	the_policy_allows 'openai/gpt-5*' 'anthropic/claude-haiku-*'
	printf '%s\n' "$SECRET" | aigw key import --provider openai >/dev/null
	printf '%s\n' "$SECRET" >"$BATS_FILE_TMPDIR/secret"
	aigw key import --provider anthropic --file "$BATS_FILE_TMPDIR/secret" >/dev/null
	new_key intake
	export GIVEN_KEY=$KEY
}

setup() {
	start_provider
	cp -r "$BATS_FILE_TMPDIR/home" "$AIGW_HOME"
	RECIPIENT=$(recipient)
	export KEY=$GIVEN_KEY API_KEY=$GIVEN_KEY
	cd "$BATS_TEST_TMPDIR"
	body gpt-5 >call
}

teardown() {
	stop_provider
}

# new_key NAME [OPTION...]: $KEY and $API_KEY are a new gateway key.
new_key() {
	KEY=$(aigw key create --environment test --name "$1" "${@:2}" --json | jq -r .key)
	[[ $KEY =~ ^aigw-test-[0-9A-Za-z]{43}$ ]]
	export API_KEY=$KEY
}

# What the provider got in that header, of each request.
got() {
	provider_saw "[.[] | select(.event == \"request\").headers[] | select(.[0] | ascii_downcase == \"$1\")[1]] | join(\" \")"
}

# Neither key nor secret stands in anything that was written: log, store, state, what programs said.
assert_nothing_leaked() {
	run grep -rlF -e "$SECRET" -e "$KEY" "$AIGW_HOME" "$BATS_TEST_TMPDIR" --exclude=provider.log --exclude-dir=bin
	assert_output ''
	aigw export --format ndjson --all -o all.ndjson
	run grep -cF -e "$SECRET" -e "$KEY" all.ndjson
	assert_output 0
	rm all.ndjson*
	assert_log_whole
}

# works NAME-OF-HEADER WHAT COMMAND...: the client is served, and the provider got the secret alone.
works() {
	local header=$1 value=$2
	shift 2
	run --separate-stderr governed timeout 60 "$@"
	assert_success
	printf '%s\n%s\n' "$output" "$stderr" >said
	assert_equal "$(got "$header")" "$value"
	run grep -cF "$KEY" "$PROVIDER_LOG"
	assert_output 0
	aigw show last --json >record
	assert_equal "$(jq -c '[.key.name, .key.managed, .key.prefix, .environment, .decision.action, .outcome]' record)" \
		'["intake",true,"aigw","test","rewrite","complete"]'
	assert_equal "$(jq -r '.decision.changes[0] | ascii_downcase' record)" \
		"$header: gateway key -> key of $(jq -r .provider record)"
	start_provider
}

@test 'Python requests and httpx: the provider sees its own key only' {
	works authorization "Bearer $SECRET" $PYTHON "$CLIENTS/py_requests.py" "$OPENAI/chat/completions" call
	works authorization "Bearer $SECRET" $PYTHON "$CLIENTS/py_httpx.py" "$OPENAI/chat/completions" call
	assert_nothing_leaked
}

@test 'the packages openai and @anthropic-ai/sdk: the provider sees its own key only' {
	[[ $(uname -m) = x86_64 ]] || skip 'detours are for x86-64 only'
	export NODE_PACKAGES=$NODES/packages
	works authorization "Bearer $SECRET Bearer $SECRET" \
		"$NODES/22/node" "$CLIENTS/node/openai.mjs" "$OPENAI" create stream
	works authorization "Bearer $SECRET" "$NODES/22/node" "$CLIENTS/node/anthropic.mjs" "${ANTHROPIC%/v1}" create
	assert_nothing_leaked
}

@test 'curl: a body of 1 MB arrives as it was, whatever went out before it' {
	big_body gpt-5 $((1 << 20)) >call
	governed "$CLIENTS/curl.sh" "$OPENAI/chat/completions" call >said
	assert_equal "$(got authorization)" "Bearer $SECRET"
	assert_equal "$(provider_saw '.[] | select(.event == "request").body_sha256')" "$(sha256sum <call | cut -d' ' -f1)"
	assert_nothing_leaked
}

@test 'in each place where a provider takes a key: x-api-key, x-goog-api-key, ?key=, api-key' {
	local url
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"providers\": { \"ours\": { \"dialect\": \"google\", \"hosts\": [\"plain.example.test\"] },
			\"theirs\": { \"dialect\": \"azure-openai\", \"hosts\": [\"other.example.test\"] } },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
	printf %s "$SECRET" | aigw key import --provider ours --environment test >/dev/null
	printf %s "$SECRET" | aigw key import --provider theirs >/dev/null
	printf %s not-this-one | aigw key import --provider ours >/dev/null
	url=https://plain.example.test:$PORT/v1beta/models/gemini-3:generateContent
	governed curl -sS -H "X-API-Key: $KEY" --data-binary @call "$ANTHROPIC/messages" >said
	governed curl -sS -H "x-goog-api-key: $KEY" --data-binary @call "$url" >>said
	governed curl -sS --data-binary @call "$url?alt=sse&key=$KEY" >>said
	governed curl -sS -H "API-KEY:$KEY" --data-binary @call \
		"https://other.example.test:$PORT/openai/deployments/gpt-5/chat/completions?api-version=1" >>said
	stop_provider
	assert_equal "$(jq -rs 'map(select(.event == "request") | [.headers[], ["?", .query]] | map(select(.[1] | contains("sk-real")) |
		join(" "))) | flatten | join("\n")' "$PROVIDER_LOG")" \
		"X-API-Key $SECRET
x-goog-api-key $SECRET
? alt=sse&key=$SECRET
API-KEY $SECRET"
	run grep -cF -e "$KEY" "$PROVIDER_LOG"
	assert_output 0
	assert_equal "$(records 'map(.key.name) | join(" ")')" 'intake intake intake intake'
	assert_nothing_leaked
}

@test 'in a query a key is known encoded too, and the secret goes out encoded' {
	local url=https://plain.example.test:$PORT/v1beta/models/gemini-3:generateContent odd='sk-real&a#b+c%2=/~"'
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"providers\": { \"ours\": { \"dialect\": \"google\", \"hosts\": [\"plain.example.test\"] } },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
	printf %s "$odd" | aigw key import --provider ours >/dev/null
	governed curl -sS --data-binary @call "$url?k%65y=${KEY//-/%2D}&alt=sse" >said
	governed curl -sS -H "x-goog-api-key: $KEY" --data-binary @call "$url" >>said
	aigw key revoke intake >/dev/null
	run governed curl -sS --data-binary @call -w '\nHTTP %{http_code}\n' "$url?key=${KEY//-/%2d}"
	assert_answers 401
	assert_equal "$(records 'map([.key.name, .key.prefix, .key.managed, .decision.code] | map(tostring) | join(" ")) | join(", ")')" \
		'intake aigw true null, intake aigw true null, intake aigw false revoked_key'
	assert_equal "$(records 'map(.key.fingerprint) | unique | length')" 1
	assert_equal "$(got x-goog-api-key)" "$odd"
	assert_equal "$(provider_saw '[.[] | select(.event == "request").query] | join(" ")')" \
		'k%65y=sk-real%26a%23b%2Bc%252%3D%2F~%22&alt=sse '
	SECRET=$odd assert_nothing_leaked
}

@test 'curl that waits for 100 Continue: its head goes out with the key of the provider' {
	chat -H 'Expect: 100-continue' --data-binary @call >said
	grep -q '^HTTP 200' said
	assert_equal "$(got authorization)" "Bearer $SECRET"
	assert_equal "$(last_record .key.name)" intake
	assert_nothing_leaked
}

@test 'a WebSocket with the key in its subprotocol' {
	printf 'GET /v1/realtime?model=gpt-5-realtime HTTP/1.1\r\nHost: api.openai.com\r\nUpgrade: websocket\r\n' >request
	printf 'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' >>request
	printf 'Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.%s\r\n\r\n' "$KEY" >>request
	shimmed $PYTHON -c 'import socket, ssl, sys
raw = socket.create_connection(("api.openai.com", int(sys.argv[1])))
with ssl.create_default_context().wrap_socket(raw, server_hostname="api.openai.com") as line:
    line.sendall(open("request", "rb").read())
    print(line.recv(12).decode())' "$PORT" >said
	assert_equal "$(cat said)" 'HTTP/1.1 404'
	assert_equal "$(got sec-websocket-protocol)" "realtime, openai-insecure-api-key.$SECRET"
	rm request
	assert_nothing_leaked
}

@test 'a question for token counts and a gateway key go together' {
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] }, \"usage\": { \"ask\": true },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
	body gpt-5 ',"stream":true' >call
	chat --data-binary @call >said
	assert_equal "$(got authorization)" "Bearer $SECRET"
	assert_equal "$(last_record '.decision.changes | length')" 2
	assert_nothing_leaked
}

# refused_as STATUS CODE: what the last chat was answered with; nothing has reached the provider.
refused_as() {
	assert_answers "$1"
	assert_output --partial "\"code\":\"$2\""
	assert_equal "$(records 'last | [.outcome, .decision.code] | join(" ")')" "refused $2"
}

@test 'unknown, mistyped, expired and revoked keys get the 401 of the provider, and nothing goes out' {
	API_KEY=aigw-test-$WRONG
	run chat --data-binary @call
	refused_as 401 mistyped_key
	aigw key create --environment test --name other --store "$BATS_TEST_TMPDIR/elsewhere" --json >other
	API_KEY=$(jq -r .key other)
	rm -r other elsewhere
	run chat --data-binary @call
	refused_as 401 unknown_key
	API_KEY=$KEY
	aigw key expire intake --at now >/dev/null
	run chat --data-binary @call
	refused_as 401 expired_key
	assert_equal "$(last_record .key.name)" intake
	aigw key expire intake --at never >/dev/null
	aigw key revoke intake >/dev/null
	run chat --data-binary @call
	refused_as 401 revoked_key
	assert_output --partial 'aigw key create'
	assert_provider_saw 0
	assert_nothing_leaked
}

@test 'an SDK raises its AuthenticationError' {
	[[ $(uname -m) = x86_64 ]] || skip 'detours are for x86-64 only'
	export NODE_PACKAGES=$NODES/packages
	aigw key revoke intake >/dev/null
	run --separate-stderr governed "$NODES/22/node" "$CLIENTS/node/openai.mjs" "$OPENAI" create
	assert_line --index 0 --partial 'create: AuthenticationError 401 revoked_key: '
	run --separate-stderr governed "$NODES/22/node" "$CLIENTS/node/anthropic.mjs" "${ANTHROPIC%/v1}" create
	assert_line --index 0 --partial 'create: AuthenticationError 401 authentication_error: '
	assert_provider_saw 0
}

@test 'a process that runs: served, holds no secret in a dump, and refused once the key is revoked' {
	local n said
	mkfifo go said
	env LD_PRELOAD="$NAMES" "$BUILD/aigw" run -- $PYTHON "$CLIENTS/keep_calling.py" "$OPENAI" <go >said 2>err 3>&- &
	PID=$!
	exec {in}>go {out}<said
	echo >&"$in"
	read -r -t 20 -u "$out" said
	assert_equal "$said" 'call 1'
	run $PYTHON "$CLIENTS/secret_scan.py" "$PID" "$SECRET"
	assert_output --regexp '^marked [1-9]'
	aigw key revoke intake >/dev/null
	# within a second: sooner or later a call is refused, and by then no more than that has passed
	SECONDS=0
	while echo >&"$in" 2>/dev/null && read -r -t 20 -u "$out" said; do
		((SECONDS < 3)) || fail 'still served'
	done
	exec {in}>&- {out}<&-
	wait "$PID" || true
	grep -q 'HTTP Error 401' err
	assert_equal "$(last_record .decision.code)" revoked_key
	assert_nothing_leaked
}

@test 'a rotated key: both are valid for a while, then the new one alone' {
	local old=$KEY new
	new=$(aigw key rotate intake --json | jq -r .key)
	for API_KEY in "$old" "$new"; do
		run chat --data-binary @call
		assert_answers 200
	done
	API_KEY=$(aigw key rotate intake --overlap now --json | jq -r .key)
	run chat --data-binary @call
	assert_answers 200
	API_KEY=$new
	run chat --data-binary @call
	refused_as 401 rotated_key
	run aigw usage --by key --json
	assert_output --partial '"intake"'
	assert_provider_saw 3
}

@test 'the scope of a key narrows, and never widens' {
	new_key narrow --model 'openai/gpt-5-mini*' --provider openai
	run chat --data-binary @call
	assert_answers 403
	assert_equal "$(last_record .decision.rule)" keys.narrow.models.allow
	body gpt-5-mini >mini
	run chat --data-binary @mini
	assert_answers 200
	new_key wide --model '*'
	body gpt-4o >other
	run chat --data-binary @other
	assert_answers 403
	assert_equal "$(last_record .decision.rule)" environments.test.models.allow
	new_key elsewhere --provider anthropic
	run chat --data-binary @call
	assert_equal "$(last_record .decision.rule)" keys.elsewhere.providers
	new_key somebody --user nobody-else
	run chat --data-binary @call
	assert_equal "$(last_record .decision.rule)" keys.somebody.user
	new_key program --exe '*/curl'
	run chat --data-binary @call
	assert_answers 200
	assert_provider_saw 2
}

@test 'a key where the provider takes none, two keys, and no stored secret are refused' {
	run chat -H "Authorization;" -H "X-Api-Key: $KEY" -H 'Authorization: Bearer other' --data-binary @call
	refused_as 401 misplaced_key
	refute_output --partial signature
	run governed curl -sS -H "Authorization: AWS4-HMAC-SHA256 Credential=$KEY/20261130/r/s/aws4_request, Signature=0" \
		-H 'Content-Type: application/json' -w '\nHTTP %{http_code}\n' --data-binary @call "$OPENAI/chat/completions"
	refused_as 401 misplaced_key
	assert_output --partial 'takes no key (a signature cannot be made with it); it goes into: header authorization bearer'
	aigw key create --environment test --name second --json >second
	run governed curl -sS -H "Authorization: Bearer $KEY" -H "Sec-WebSocket-Protocol: api-key.$(jq -r .key second)" \
		-H 'Content-Type: application/json' -w '\nHTTP %{http_code}\n' --data-binary @call "$OPENAI/chat/completions"
	refused_as 400 ambiguous_request
	rm second
	aigw key import --provider openai --remove >/dev/null
	run chat --data-binary @call
	refused_as 503 no_provider_secret
	assert_output --partial 'aigw key import --provider openai'
	assert_provider_saw 0
	assert_nothing_leaked
}

@test 'a store that was changed, or lies open to others, lets no key through' {
	printf 'x' | dd of="$AIGW_HOME/keys/gateway.store" bs=1 seek=60 conv=notrunc status=none
	run chat --data-binary @call
	refused_as 503 key_store
	run -1 aigw key list
	assert_output --partial 'changed, or not made under'
	chmod 644 "$AIGW_HOME/keys/gateway.host"
	run chat --data-binary @call
	refused_as 503 key_store
	assert_provider_saw 0
}

@test 'a key of the provider itself passes as ever, and is told apart' {
	API_KEY=sk-test-Zq8vT2kLw0aYc5nR7dXe3uPm
	run chat --data-binary @call
	assert_answers 200
	assert_equal "$(records 'last | [.key.managed, .key.name, .decision.action] | map(tostring) | join(" ")')" \
		'false null allow'
	assert_equal "$(got authorization)" "Bearer $API_KEY"
}

@test 'where gateway keys are required: theirs alone, with forced fields and limits' {
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"organization\": { \"require\": [\"managed_key\"], \"set\": { \"openai\": { \"store\": false } } },
		\"environments\": { \"test\": { \"limits\": { \"requests_per_minute\": 1 } }, \"other\": {} },
		\"default_environment\": \"other\" }"
	API_KEY=sk-of-the-provider run chat --data-binary @call
	assert_answers 403
	assert_recorded .decision.code managed_key_required .decision.rule organization.require .key.managed false
	API_KEY= run chat --data-binary @call
	assert_recorded .decision.code managed_key_required
	run chat -H 'x-api-key: sk-beside' --data-binary @call
	assert_recorded .decision.code managed_key_required .key.managed false
	run chat --data-binary @call
	assert_answers 200
	assert_recorded .environment test .decision.action rewrite .key.name intake .key.managed true
	assert_equal "$(last_record '.decision.changes | join(";")')" \
		'/store: absent -> false;Authorization: gateway key -> key of openai'
	run chat --data-binary @call
	assert_answers 429
	assert_recorded .decision.rule environments.test.limits.requests_per_minute .key.name intake
	assert_equal "$(got authorization)" "Bearer $SECRET"
	assert_provider_saw 1
	assert_nothing_leaked
}

@test 'the limits of a key: of all its processes together, named when they refuse, and kept over a rotation' {
	new_key small --limit requests_per_minute=2 --limit usd_per_month=50
	for _ in 1 2; do
		run chat --data-binary @call
		assert_answers 200
	done
	run chat --data-binary @call
	assert_answers 429
	assert_output --partial 'the limit keys.small.limits.requests_per_minute is met: 2 of 2 requests of this minute'
	assert_recorded .decision.rule keys.small.limits.requests_per_minute .decision.code rate_limit_exceeded .key.name small
	API_KEY=$GIVEN_KEY run chat --data-binary @call
	assert_answers 200
	API_KEY=$(aigw key rotate small --json | jq -r .key) run chat --data-binary @call
	assert_answers 429
	assert_equal "$(aigw limits --json | jq -c 'map([.scope, .limit, .allowed])')" \
		'[["keys.small","requests_per_minute",2],["keys.small","usd_per_month",50]]'
	assert_equal "$(aigw limits --json | jq '.[0].used')" 2
	assert_equal "$(aigw key show small --json | jq -c .limits)" '{"requests_per_minute":2,"usd_per_month":50}'
	run aigw key show small
	assert_output --partial 'at most requests_per_minute 2, usd_per_month 50'
	aigw key limit small --limit requests_per_minute=6000 >/dev/null
	run chat --data-binary @call
	assert_answers 200
	aigw key limit small --limit tokens_per_day=0 >/dev/null
	run governed curl -sS -H "Authorization: Bearer $KEY" -w '\nHTTP %{http_code}\n' "$OPENAI/models"
	assert_answers 429
	assert_output --partial 'keys.small.limits.tokens_per_day is 0: nothing is allowed'
	run aigw key limit small
	assert_output 'small: no limits of its own'
	assert_provider_saw 4
	assert_nothing_leaked
}

@test 'the tightest limit wins, whether it is of the key or of its environment' {
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"environments\": { \"test\": { \"limits\": { \"tokens_per_day\": 3000 } } }, \"default_environment\": \"test\" }"
	body gpt-5 ',"max_tokens":4000' >large
	body gpt-5 ',"max_tokens":2000' >small
	new_key tight --limit tokens_per_day=1000
	run chat --data-binary @small
	assert_answers 429
	assert_recorded .decision.rule keys.tight.limits.tokens_per_day .decision.code insufficient_quota
	aigw key limit tight --limit tokens_per_day=5000 >/dev/null
	run chat --data-binary @large
	assert_answers 429
	assert_recorded .decision.rule environments.test.limits.tokens_per_day
	run chat --data-binary @small
	assert_answers 200
	assert_equal "$(aigw limits --json | jq -c 'map(.used) | unique | length')" 1 # both counted it
	for wrong in usd_per_month usd_per_month= usd_per_month=1.0000001 tokens_per_day=1.5 tokens=1 =1 tokens_per_day=-1; do
		run -2 aigw key limit tight --limit "$wrong"
		assert_output --partial "$wrong"
	done
	run -2 aigw key create --environment test --limit tokens_per_day=1 --limit tokens_per_day=2
	assert_output --partial 'given twice'
}

@test 'plain HTTP: no gateway key goes to a host that is no provider, in one piece or in several' {
	stop_provider
	start_provider --plain
	run governed curl -sS -H "Authorization: Bearer $KEY" -w '\nHTTP %{http_code}\n' "http://plain.example.test:$PORT/plain"
	assert_answers 403
	assert_output --partial '"code":"key_not_for_host"'
	run governed curl -sS -w '\nHTTP %{http_code}\n' "http://plain.example.test:$PORT/plain?token=${KEY//-/%2D}"
	assert_answers 403
	run governed curl -sS -w '\nHTTP %{http_code}\n' "http://plain.example.test:$PORT/plain?not=aigw-a-key"
	assert_answers 200
	assert_provider_saw 1
	assert_equal "$(records 'map(.decision.code) | join(" ")')" 'key_not_for_host key_not_for_host'
	assert_nothing_leaked
}

@test 'no secret goes to a server that was not verified, nor out without TLS, though the policy lets programs' {
	local rules='"environments": { "test": {} }, "default_environment": "test"'
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"transport\": { \"verify_peer\": false, \"plaintext\": \"allow\" }, $rules }"
	run governed curl -sSk --cacert /dev/null -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
		--data-binary @call -w '\nHTTP %{http_code}\n' "$OPENAI/chat/completions"
	assert_answers 403
	assert_output --partial 'did not verify'
	stop_provider
	start_provider --plain
	run governed curl -sS -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
		--data-binary @call -w '\nHTTP %{http_code}\n' "http://api.openai.com:$PORT/v1/chat/completions"
	assert_answers 403
	assert_output --partial 'without TLS'
	assert_provider_saw 0
	assert_equal "$(records 'map(.decision.rule) | join(" ")')" 'keys.transport keys.transport'
	assert_nothing_leaked
}

# in_pieces TEXT...: written one after the other to a plain socket; what comes back.
in_pieces() {
	shimmed $PYTHON -c 'import socket, sys
line = socket.create_connection(("plain.example.test", int(sys.argv[1])), timeout=20)
line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for piece in sys.argv[2:]:
    line.sendall(piece.encode())
line.shutdown(socket.SHUT_WR)
print(line.makefile("rb").read().decode())' "$PORT" "$@"
}

@test 'a server of our own without TLS: the key is replaced, unless a part of it is out already' {
	stop_provider
	start_provider --plain
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] }, \"providers\": {
		\"ours\": { \"dialect\": \"google\", \"hosts\": [\"plain.example.test\"], \"plaintext\": true } },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
	printf %s "$SECRET" | aigw key import --provider ours >/dev/null
	local path='/v1beta/models/gemini-3:generateContent' end
	end=$(printf ' HTTP/1.1\r\nHost: plain.example.test\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}')
	run in_pieces "POST $path?alt=json" "&key=$KEY$end"
	run in_pieces "POST $path?key=${KEY:0:20}" "${KEY:20}$end"
	assert_output --partial '400 Bad Request'
	assert_output --partial 'went out before it was known'
	assert_equal "$(records 'last | .decision.code')" key_sent
	assert_equal "$(provider_saw '[.[] | select(.event == "request").query] | join(" ")')" "alt=json&key=$SECRET"
	assert_nothing_leaked
}

@test 'a process forks while its key is in use' {
	run governed $PYTHON "$CLIENTS/forked.py" "$OPENAI/chat/completions" "$(cat call)"
	assert_output '200 True'
	run governed $PYTHON -c 'import os, subprocess, sys
if os.fork() == 0:
    os.execv(sys.argv[1], sys.argv[1:])
sys.exit(os.wait()[1] or subprocess.call(sys.argv[1:]))' "$CLIENTS/curl.sh" "$OPENAI/chat/completions" call
	assert_answers 200 200
	assert_equal "$(got authorization)" "Bearer $SECRET Bearer $SECRET Bearer $SECRET"
}

@test 'aigw key: shown once, spoken of by name, never on a command line' {
	run aigw key list
	assert_output --regexp 'intake +test +valid +never'
	assert_output --regexp 'openai +all others'
	refute_output --partial "$KEY"
	run chat --data-binary @call
	run aigw key show intake --json
	assert_equal "$(jq -r '[.name, .environment, .state, .expires, (.last_used != null)] | map(tostring) | join(" ")' <<<"$output")" \
		'intake test valid null true'
	run -2 aigw key import "$SECRET" --provider openai
	assert_output --partial 'never stands on a command line'
	refute_output --partial "$SECRET"
	run -1 aigw key revoke "$KEY"
	assert_output --partial 'by their names'
	refute_output --partial "$KEY"
	run -1 aigw key import --provider openai <<<"$KEY"
	assert_output --partial 'this is a gateway key'
	run -1 aigw key import --provider openai <<<'two words'
	run -1 aigw key import --provider nobody <<<"$SECRET"
	run -2 aigw key create
	run -1 aigw key create --environment test --name intake
	run -2 aigw key create --environment 'no name'
	run -0 --separate-stderr aigw key create --environment other --expires 90d
	assert_output --regexp '^aigw-other-[0-9A-Za-z]{43}$'
	assert_equal "$(stat -c %a "$AIGW_HOME/keys" "$AIGW_HOME/keys/gateway.store" "$AIGW_HOME/keys/gateway.host" | tr '\n' ' ')" '700 600 600 '
	# create, import, import, create: in the log too
	assert_equal "$(aigw log --json | jq -rs 'flatten | map(select(.type == "key_change").key | .action) | join(" ")')" \
		'import import create create'
	assert_nothing_leaked
}

@test 'without memory at any point of a call, its head on the way or not, the program gets its answer or a refusal' {
	run --separate-stderr env LD_PRELOAD="$SHIM" timeout -k 2 40 "$BIN/odd_malloc" --ca "$CERTS/ca.pem" \
		--port "$PORT" starve gpt-5 "$KEY"
	assert_success
	assert_output $'FAILED some\nHTTP 200 503\nPAGES HTTP 200 503'
	assert_nothing_leaked
}
