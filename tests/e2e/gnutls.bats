#!/usr/bin/env bats
# Programs whose TLS is GnuTLS. wget and pycurl also stand in clients.bats.
load helper

setup() {
	start_provider --tickets 0
	the_policy_allows 'openai/gpt-5*'
	cd "$BATS_TEST_TMPDIR"
	export GIT_SSL_CAINFO=$CERTS/ca.pem GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
}

teardown() {
	stop_provider
	[[ ! ${SERVER_PID:-} ]] || { kill "$SERVER_PID" && wait "$SERVER_PID"; } 2>/dev/null || true
}

# send_gnutls [options of gnutls_client] <BYTES: sends its input as it is, under the shim.
send_gnutls() {
	"${SEND_WITH:-shimmed}" "$BIN/gnutls_client" --ca "$CERTS/ca.pem" "$@" "$PORT"
}

# The record's id and the date differ, nothing else may.
without_id() {
	sed 's/[0-9A-HJKMNP-TV-Z]\{26\}/ID/g; /^Date:/d'
}

assert_no_request_byte() {
	assert_equal "$(provider_saw '[.[].request_bytes // 0] | add // 0') request bytes" '0 request bytes'
}

assert_seen() { # TEXT: in the line that gnutls_client ends with
	grep -qF -- "$1" seen || fail "$(cat seen)"
}

WAYS=(--nonblocking --own --poll-first --threads --fork --server
	'--own --nonblocking --poll-first' '--own --threads' '--nonblocking --threads' '--write-bytes 7 --nonblocking'
	'--send send2' '--send range' '--send cork' '--send cork-wait --nonblocking' '--send early'
	'--send cork --own --write-bytes 3' '--send file' '--send file --nonblocking' '--recv seq' '--recv seq --own'
	'--verify handshake' '--verify callback' '--set-tls 1.2' '--set-tls 1.2 --nonblocking --own --poll-first'
	'--set-tls 1.2 --threads' '--set-tls 1.3 --threads --own' '--alpn h2,http/1.1' '--alpn http/1.1,h2 --alpn-first')

# ---- how a program can call it ----

@test 'every way to call GnuTLS is refused alike' {
	raw_request "$(body gpt-4o)" >request
	send_gnutls <request | without_id >expected
	grep -q '^HTTP/1.1 403 ' expected
	for way in "${WAYS[@]}"; do
		# shellcheck disable=SC2086
		send_gnutls $way <request 2>seen | without_id >found || fail "$way: $(cat seen)"
		diff expected found || fail "$way: $(cat seen)"
		grep -q '^end=close_notify .* pending=1 bye=0' seen || fail "$way: $(cat seen)"
	done
	assert_no_request_byte
	assert_equal "$(records 'map(.outcome) | unique | join(" ")')" refused
	assert_equal "$(records length)" $((${#WAYS[@]} + 1))
	assert_log_whole
}

@test 'every way to call GnuTLS gets the answer alike' {
	raw_request "$(body gpt-5)" $'Connection: close\r\n' >request
	send_gnutls <request | without_id >expected
	grep -qF "$ANSWER" expected
	for way in "${WAYS[@]}" '--recv packet'; do
		# shellcheck disable=SC2086
		send_gnutls $way <request 2>seen | without_id >found || fail "$way: $(cat seen)"
		diff expected found || fail "$way: $(cat seen)"
		grep -q '^end=close_notify .* bye=0' seen || fail "$way: $(cat seen)"
	done
	assert_provider_saw $((${#WAYS[@]} + 2))
	assert_equal "$(records 'map(.outcome) | unique | join(" ")')" complete
	assert_log_whole
}

@test 'a refusal is an end without words to a program that reads packets' {
	raw_request "$(body gpt-4o)" >request
	run send_gnutls --recv packet --poll-first <request
	assert_success
	assert_output --partial end=close_notify
	refute_output --partial HTTP
	assert_no_request_byte
	assert_recorded .outcome refused
}

@test 'what the record says of the connection' {
	raw_request "$(body gpt-5)" >request
	for version in 1.2 1.3 '1.3 --own'; do
		# shellcheck disable=SC2086
		send_gnutls --set-tls $version --answers 1 <request >/dev/null
		version=${version% *}
		assert_equal "$(last_record .connection.tls)" "TLSv$version"
		assert_equal "$(last_record .connection.verified)" true
		assert_equal "$(last_record .connection.library | grep -o libgnutls)" libgnutls
		assert_equal "$(last_record .connection.cipher | grep -o '^TLS_')" TLS_
		assert_equal "$(last_record .connection.peer)" "127.0.0.1:$PORT"
	done
}

@test 'blocked writes are repeated until all has arrived, also as (NULL, 0)' {
	local body way
	body=$(big_body gpt-5 $((3 << 20)))
	raw_request "$body" >request
	for way in '' --again-null '--send cork' '--send recork' '--send file' '--own --again-null --set-tls 1.2'; do
		stop_provider
		start_provider --slow-reader
		# shellcheck disable=SC2086
		send_gnutls --nonblocking --send-buffer 16384 --answers 1 $way <request >found 2>seen || fail "$way: $(cat seen)"
		grep -qF "$ANSWER" found
		grep -q 'blocked=[1-9]' seen || fail "$way: $(cat seen)"
		assert_provider_saw 1
		assert_equal "$(provider_saw '.[] | select(.event == "request").body_sha256')" \
			"$(printf %s "$body" | sha256sum | cut -d' ' -f1)"
	done
	assert_log_whole
}

# ---- ALPN ----

@test 'a governed session offers http/1.1 only, whatever the program said and when' {
	raw_request "$(body gpt-5)" >request
	for alpn in '' '--alpn h2' '--alpn h2,http/1.1' '--alpn http/1.1,h2' '--alpn-first --alpn h2,http/1.1,spdy/3'; do
		# shellcheck disable=SC2086
		send_gnutls --answers 1 $alpn <request >/dev/null 2>seen || fail "$alpn: $(cat seen)"
		assert_seen alpn=http/1.1
	done
}

@test 'another session offers what the program said' {
	printf 'GET /plain HTTP/1.1\r\nHost: plain.example.test\r\n\r\n' >request
	for alpn in '' '--alpn http/1.1' '--alpn nothing,http/1.1' '--alpn-first --alpn http/1.1'; do
		for with in with_names shimmed; do
			# shellcheck disable=SC2086
			SEND_WITH=$with send_gnutls --name plain.example.test --answers 1 $alpn <request 2>&1 |
				sed '/^Date:/d' >$with || fail "$alpn: $(cat $with)"
		done
		diff with_names shimmed
	done
	stop_provider
	start_provider --echo
	for name in plain.example.test ''; do
		printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' |
			send_gnutls --name "$name" --alpn http/1.1,h2 --answers 1 >/dev/null 2>seen
		assert_seen alpn=h2
	done
}

# ---- which sessions ----

@test 'without a server name, the Host field decides' {
	raw_request "$(body gpt-4o)" >governed
	printf 'GET /plain HTTP/1.1\r\nHost: plain.example.test\r\n\r\n' >plain
	for way in '' --threads '--send cork' '--nonblocking --own'; do
		# shellcheck disable=SC2086
		run send_gnutls --name '' $way <governed
		assert_success
		assert_output --partial 'HTTP/1.1 403 '
		# shellcheck disable=SC2086
		run send_gnutls --name '' --answers 1 $way <plain
		assert_success
		assert_output --partial 'HTTP/1.1 200 '
	done
	assert_provider_saw 4
	assert_equal "$(provider_saw '[.[] | select(.event == "request").host] | unique | join(" ")')" plain.example.test
}

@test 'corked bytes are not lost when a connection turns out to be none of ours' {
	stop_provider
	start_provider --echo
	printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' >bytes # an echo of it is an answer
	send_gnutls --name '' --nonblocking --send late-cork --answers 1 <bytes >found
	diff bytes found
}

@test 'before the handshake, as a server, and for QUIC, the library answers by itself' {
	printf 'GET /plain HTTP/1.1\r\nHost: plain.example.test\r\n\r\n' >request
	run send_gnutls --server --name plain.example.test --answers 1 <request
	assert_success
	assert_output --partial 'HTTP/1.1 200 '
}

# ---- verifying ----

assert_refused_unverified() {
	assert_output --partial 'was not verified by the program'
	assert_equal "$(last_record .decision.rule)" transport.verify_peer
	assert_no_request_byte
}

@test 'a program that never verifies is refused, unless the policy says so' {
	raw_request "$(body gpt-5)" >request
	run send_gnutls --verify never <request
	assert_output --partial 'HTTP/1.1 403 '
	assert_refused_unverified
	start_provider
	jq '.transport.verify_peer = false' "$AIGW_HOME/policy.json" >next.json
	write_policy "$(cat next.json)"
	run send_gnutls --verify never --answers 1 <request
	assert_success
	assert_output --partial 'HTTP/1.1 200 '
	assert_equal "$(last_record .connection.verified)" false
}

@test 'pycurl that does not verify is refused' {
	body gpt-5 >call
	UNVERIFIED=1 run shimmed $PYTHON "$CLIENTS/py_curl.py" "$OPENAI/chat/completions" call
	assert_answers 403
	assert_refused_unverified
}

@test 'wget with --no-check-certificate is refused' {
	body gpt-5 >call
	SSL_CERT_FILE=/dev/null WGET_MORE=--no-check-certificate \
		run shimmed "$CLIENTS/wget.sh" "$OPENAI/chat/completions" call
	assert_answers 403
	assert_refused_unverified
}

@test 'a resumed session counts as verified when the program asked for verification' {
	stop_provider
	start_provider
	raw_request "$(body gpt-5)" >request
	for version in 1.2 1.3; do
		for how in handshake after; do
			send_gnutls --resume --set-tls $version --verify $how --answers 1 <request >found 2>seen ||
				fail "$how: $(cat seen)"
			assert_seen resumed=1
			grep -q '^HTTP/1.1 200 ' found || fail "$how: $(cat found)"
		done
		send_gnutls --resume --set-tls $version --verify never <request >found 2>seen ||
			fail "never: $(cat seen)"
		assert_seen resumed=1
		grep -q '^HTTP/1.1 403 ' found
	done
}

@test 'what does not look like a request arrives, also when nothing is read after it' {
	for text in '\n' 'PING' 'x'; do
		printf "$text" >bytes
		run "$ROOT/tests/bin/hear" "$CERTS/cert.pem" "$CERTS/key.pem" \
			env LD_PRELOAD="$SHIM" "$BIN/gnutls_client" --name '' --verify never --leave <bytes
		assert_success
		assert_line "b'$text'"
	done
}

# ---- early data ----

# A server that takes early data, which our provider does not; $PORT leads to it. It answers what it
# finds at descriptor $server_says.
serve_early_data() {
	local line='' out
	rm -f server.in server.out
	mkfifo server.in server.out
	openssl s_server -accept 127.0.0.1:0 -cert "$CERTS/cert.pem" -key "$CERTS/key.pem" -early_data \
		<server.in 2>&1 3>&- > >(tee server.log >server.out) &
	SERVER_PID=$!
	exec {server_says}<>server.in {out}<>server.out
	until [[ $line = ACCEPT* ]]; do
		read -r -t 20 -u "$out" line || fail "no server"
	done
	PORT=${line##*:}
	printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' >&"$server_says"
}

@test 'early data of a refused request does not get out' {
	raw_request "$(body gpt-4o)" >request
	for with in with_names shimmed; do
		serve_early_data
		# Without us the server has the request and says nothing: there is nothing to wait for.
		$with timeout 5 "$BIN/gnutls_client" --ca "$CERTS/ca.pem" --resume --send early-data \
			"$PORT" <request >found 2>seen || true
		kill "$SERVER_PID" && wait "$SERVER_PID" || true
		SERVER_PID=
		case $with in
		with_names) grep -qF gpt-4o server.log ;;
		shimmed)
			assert_seen resumed=1
			grep -q '^HTTP/1.1 403 ' found
			run grep -qF gpt-4o server.log
			assert_failure
			;;
		esac
	done
}

@test 'early data is declined on a governed session, and goes through the gate when it is sent again' {
	stop_provider
	start_provider
	raw_request "$(body gpt-5)" >request
	send_gnutls --resume --send early-data --answers 1 <request >found 2>seen || fail "$(cat seen)"
	assert_seen resumed=1
	grep -q '^HTTP/1.1 200 ' found
	assert_provider_saw 1
	assert_recorded .outcome complete
}

# ---- wget and git ----

@test 'wget keeps its connection between two URLs' {
	body gpt-5 >call
	run governed wget --no-config -q -O - --ca-certificate="$SSL_CERT_FILE" --post-file=call \
		--header="Authorization: Bearer $API_KEY" "$OPENAI/chat/completions" "$OPENAI/chat/completions"
	assert_success
	assert_equal "$(grep -oF "$ANSWER" <<<"$output" | wc -l)" 2
	assert_equal "$(provider_saw '[.[] | select(.event == "connection").requests] | join(" ")')" 2
	assert_equal "$(records 'map(.outcome) | join(" ")')" 'complete complete'
}

@test 'git at a governed host gets the 403' {
	run governed git ls-remote "https://api.openai.com:$PORT/v1/some.git"
	assert_failure 128
	assert_output --partial 'The requested URL returned error: 403'
	assert_no_request_byte
	assert_recorded .outcome refused
}

# A repository behind https, as any server of files can offer it.
serve_repository() {
	local ready
	git init -q -b main work
	git -C work -c user.name=a -c user.email=a@example.test commit -q --allow-empty -m first
	head -c 300000 /dev/urandom >work/file
	git -C work add file
	git -C work -c user.name=a -c user.email=a@example.test commit -q -m second
	git clone -q --bare work served/some.git
	git -C served/some.git update-server-info
	mkfifo files-ready
	$PYTHON "$ROOT/tests/bin/https-files" served "$CERTS/cert.pem" "$CERTS/key.pem" >files-ready 2>/dev/null 3>&- &
	SERVER_PID=$!
	exec {ready}<>files-ready
	read -r -t 20 -u "$ready" FILES_PORT
	exec {ready}>&-
}

@test 'git clones from another host as without us' {
	serve_repository
	same_with_and_without git ls-remote "https://plain.example.test:$FILES_PORT/some.git"
	same_with_and_without git ls-remote "https://plain.example.test:$FILES_PORT/none.git"
	for with in with_names shimmed; do
		$with git clone -q "https://plain.example.test:$FILES_PORT/some.git" $with
	done
	diff -r --exclude=.git with_names shimmed
	assert_equal "$(git -C shimmed rev-parse HEAD)" "$(git -C work rev-parse HEAD)"
}

@test 'wget at another host prints the same as without us' {
	same_with_and_without wget --no-config -q -O - --ca-certificate="$SSL_CERT_FILE" "$PLAIN/bytes/300000"
	same_with_and_without wget --no-config -q -O - --ca-certificate="$SSL_CERT_FILE" "$PLAIN/nothing/404"
	same_with_and_without wget --no-config -q -O - "$PLAIN/plain" # the authority is not known: an error
}
