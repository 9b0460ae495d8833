# The syslog sink with real receivers: rsyslog and syslog-ng, each as its own process on loopback, with
# the configurations that docs/policy.md gives. They are unpacked, not installed:
# tools/dev/install-syslog-servers.
# shellcheck disable=SC2154
load helper

SERVERS=$BUILD/syslog
T=$BATS_TEST_TMPDIR

# Certificates beyond those of make-certs: a client's, one that is over, and strangers'.
setup_file() {
	export MORE=$BATS_FILE_TMPDIR/certs
	local new=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc)
	mkdir "$MORE"
	cp "$CERTS/ca.pem" "$CERTS/ca-key.pem" "$MORE"
	cd "$MORE"
	{
		openssl req "${new[@]}" -keyout client-key.pem -out client.csr -subj '/CN=aigw'
		openssl x509 -req -in client.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -out client.pem \
			-extfile <(echo 'extendedKeyUsage = clientAuth')
		openssl req -new -key "$CERTS/key.pem" -subj '/CN=over' -out over.csr
		faketime '2024-05-01' openssl x509 -req -in over.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 9 \
			-out over.pem -extfile <(echo 'subjectAltName = DNS:localhost')
		openssl req -x509 "${new[@]}" -keyout stranger-key.pem -out stranger.pem -days 30 -subj '/CN=stranger' \
			-addext 'basicConstraints = critical, CA:TRUE'
	} 2>"$MORE/openssl.out" || { cat "$MORE/openssl.out" >&2; return 1; }
}

setup() {
	[[ -x $SERVERS/usr/sbin/rsyslogd && -x $SERVERS/usr/sbin/syslog-ng ]] ||
		skip 'rsyslog and syslog-ng are not there: tools/dev/install-syslog-servers'
	PORT=$(free_port)
	mkfifo "$T/never"
	exec {NEVER}<>"$T/never"
	OUT=$T/aigw.ndjson
	REFUSED=$T/aigw-refused.ndjson
	cd "$T"
}

teardown() {
	stop_server
	stop_sink
}

# ---- receivers ----

# A port that nobody listens on, below those that the kernel gives away.
free_port() {
	"$PYTHON" - <<'END'
import random, socket
while True:
    port = random.randrange(15000, 32000)
    try:
        for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
            socket.socket(socket.AF_INET, kind).bind(("127.0.0.1", port))
    except OSError:
        continue
    print(port)
    break
END
}

# documented LANGUAGE: the block of that language in docs/policy.md, with our port and files in it.
documented() {
	sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$ROOT/docs/policy.md" | sed -e '/^```/d' -e "s,6514,$PORT," \
		-e "s,/etc/[a-z.-]*/ca.pem,$CERTS/ca.pem," -e "s,/etc/[a-z.-]*/cert.pem,${SERVER_CERT:-$CERTS/cert.pem}," \
		-e "s,/etc/[a-z.-]*/key.pem,$CERTS/key.pem," -e "s,/var/log/,$T/,"
}

# plain: the documented configuration of rsyslog without TLS.
plain() {
	sed -e 's,StreamDriver[^ )]*,,g' -e '/defaultNetstreamDriver/d'
}

# hostile HOW: a receiver that is none; sets $SERVER_PID.
hostile() {
	local ready
	rm -f hostile.ready
	mkfifo hostile.ready
	"$PYTHON" "$ROOT/tests/bin/hostile-syslog" "$1" "$PORT" "$CERTS" >hostile.ready 2>hostile.log 3>&- &
	SERVER_PID=$!
	read -r -t 20 ready <hostile.ready || fail "$(cat hostile.log)"
}

is_bound() {
	[[ -S $T/log ]] && grep -qi ":$(printf %04X "$PORT") " /proc/net/udp
}

listens6() {
	(exec 3<>"/dev/tcp/::1/$PORT") 2>/dev/null
}

# Between two looks at what a server does: nothing ever comes there.
a_moment() {
	read -r -t 0.02 -u "$NEVER" || true
}

listens() {
	(exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
}

# start_rsyslog <CONFIGURATION: sets $SERVER_PID; returns once $READY (default: its port) says so.
start_rsyslog() {
	cat >rsyslog.conf
	[[ ! -e $T/rsyslog.pid ]] || rm "$T/rsyslog.pid"
	"$SERVERS/usr/sbin/rsyslogd" -n -M "$(echo "$SERVERS"/usr/lib/*/rsyslog)" -f rsyslog.conf \
		-i "$T/rsyslog.pid" >>rsyslog.log 2>&1 3>&- &
	SERVER_PID=$!
	until "${READY:-listens}"; do
		a_moment
		kill -0 "$SERVER_PID" || fail "rsyslog: $(cat rsyslog.log)"
	done
}

start_syslog_ng() {
	local lib=$SERVERS/usr/lib/syslog-ng
	{
		echo '@version: 3.38'
		echo 'options { keep-hostname(yes); };'
		cat
	} >syslog-ng.conf
	LD_LIBRARY_PATH=$lib "$SERVERS/usr/sbin/syslog-ng" -F --no-caps --module-path="$lib/3.38" \
		-f "$T/syslog-ng.conf" -R "$T/syslog-ng.persist" -p "$T/syslog-ng.pid" -c "$T/syslog-ng.ctl" \
		--stderr >>syslog-ng.log 2>&1 3>&- &
	SERVER_PID=$!
	until "${READY:-listens}"; do
		a_moment
		kill -0 "$SERVER_PID" || fail "syslog-ng: $(cat syslog-ng.log)"
	done
}

# stop_server [SIGNAL]: harmless without one.
stop_server() {
	[[ ${SERVER_PID:-} ]] || return 0
	kill "-${1:-TERM}" "$SERVER_PID" 2>/dev/null || true
	wait "$SERVER_PID" 2>/dev/null || true
	SERVER_PID=
}

# with_anybody: the documented configuration, for clients without a certificate.
with_anybody() {
	sed -e 's,x509/certvalid,anon,' -e 's,required-trusted,optional-untrusted,'
}

# ---- the sink ----

# the_sink_is JSON: its policy.
the_sink_is() {
	echo "{ \"version\": 1, \"audit\": { \"recipients\": [\"aigw1example0replaced0by0aigw0init\"] },
		\"environments\": { \"e\": {} }, \"default_environment\": \"e\",
		\"drains\": { \"sinks\": { \"s\": $1 } } }" >policy.json
}

# the_sink_is_to ADDRESS [MORE]: over TLS it knows our authority.
the_sink_is_to() {
	local tls=
	[[ $1 != tls:* ]] || tls=", \"tls\": { \"ca_file\": \"${CA:-$CERTS/ca.pem}\"${CLIENT:-} }"
	the_sink_is "{ \"type\": \"syslog\", \"to\": \"$1\"$tls, \"timeout_ms\": ${TIMEOUT:-10000}${2:-} }"
}

# with_client [NAME]: the sink shows that certificate, or none.
with_client() {
	CLIENT=${1:+", \"cert_file\": \"$MORE/$1.pem\", \"key_file\": \"$MORE/$1-key.pem\""}
}

sink() {
	env LD_PRELOAD="$NAMES" "$BIN/sink_client" --module "$BUILD/modules/aigw-sink-syslog.so" policy.json s
}

# events FROM TO [MORE]: exchanges by number, for the sink; MORE are further members.
events() {
	local i
	for ((i = $1; i <= $2; i++)); do
		printf '{"id":"e%d","process":"4711","host":"ward-3","time_ns":1795479123123456789,"model":"a\\"b]c"%s,' \
			"$i" "${3:-}"
		printf '"json":{"id":"e%d","who":"Jörg \\"]\\\\","request":{"body":"twice two"}}}\n' "$i"
	done
}

# The same as they are to arrive.
expected() {
	local i
	for ((i = $1; i <= $2; i++)); do
		printf '{"id":"e%d","who":"Jörg \\"]\\\\","request":{"body":"twice two"}}\n' "$i"
	done
}

# has_lines N [FILE]
has_lines() {
	[[ -e ${2:-$OUT} ]] && (($(wc -l <"${2:-$OUT}") >= $1))
}

# arrived N [FILE]: waits for that many lines; 20 s at most.
arrived() {
	local end=$((SECONDS + 20))
	until has_lines "$@"; do
		a_moment
		((SECONDS < end)) || fail "only $(cat "${2:-$OUT}") arrived"
	done
}

assert_arrived() {
	arrived "$2"
	expected "$1" "$2" | diff - "$OUT"
}

# send <EVENTS: the answers are in $output.
send() {
	run sink
}

assert_answer() {
	assert_equal "$(jq -r .result <<<"${lines[-1]}"): $(jq -r .text <<<"${lines[-1]}")" "$1"
}

# A sink that stays: tell EVENTS... sends one batch and has its answer in $answer.
start_sink() {
	coproc SINK { sink 3>&-; }
	SINK_RUNS=$SINK_PID
	exec {TO_SINK}>&"${SINK[1]}" {FROM_SINK}<&"${SINK[0]}"
	eval "exec ${SINK[1]}>&- ${SINK[0]}<&-"
}

# stop_sink: harmless without one.
stop_sink() {
	[[ ${TO_SINK:-} ]] || return 0
	exec {TO_SINK}>&- {FROM_SINK}<&-
	wait "$SINK_RUNS" 2>/dev/null || true
	TO_SINK=
}

tell() {
	tell_file <(events "$@")
}

tell_file() {
	{ cat "$1"; echo; } >&"$TO_SINK"
	read -r -t 30 -u "$FROM_SINK" answer
	answer=$(jq -r .result <<<"$answer")
}

# ---- whole, in order, understood ----

@test 'rsyslog over TLS, as documented, gets each event whole, in order, with its structured data' {
	with_client client
	start_rsyslog < <(documented rsyslog)
	the_sink_is_to "tls://localhost:$PORT"
	send < <(events 1 40; echo; events 41 42 ',"refusal":true'; events 43 50)
	assert_success
	assert_equal "${#lines[@]} answers" '2 answers'
	assert_answer "delivered: sent to 127.0.0.1 port $PORT, $(jq -r .text <<<"${lines[0]}" | grep -o 'TLSv1.[23]')"
	assert_arrived 1 50
	arrived 2 "$REFUSED"
	expected 41 42 | diff - "$REFUSED"
}

@test 'syslog-ng over TLS, as documented, the same' {
	with_client client
	start_syslog_ng < <(documented syslog-ng)
	the_sink_is_to "tls://localhost:$PORT"
	send < <(events 1 40; echo; events 41 42 ',"refusal":true'; events 43 50)
	assert_success
	assert_answer "delivered: sent to 127.0.0.1 port $PORT, TLSv1.3"
	assert_arrived 1 50
	arrived 2 "$REFUSED"
	expected 41 42 | diff - "$REFUSED"
}

@test 'both read header and structured data as they were meant' {
	the_sink_is_to "tcp://127.0.0.1:$PORT" ', "app_name": "gate", "facility": "audit"'
	local said='<110>1 2026-11-24T00:12:03.123456Z ward-3 gate 4711 exchange a"b]c'
	start_rsyslog <<-END
		module(load="imtcp")
		module(load="mmpstrucdata")
		template(name="t" type="string" string="<%pri%>1 %timestamp:::date-rfc3339% %hostname% %app-name% %procid% %msgid% %\$!rfc5424-sd!aigw@32473!model%\n")
		ruleset(name="r") { action(type="mmpstrucdata") action(type="omfile" file="$OUT" template="t") }
		input(type="imtcp" port="$PORT" ruleset="r")
	END
	send < <(events 1 1)
	assert_success
	arrived 1
	assert_equal "$(sed 's/+00:00/Z/' "$OUT")" "$said"
	stop_server
	rm "$OUT"
	start_syslog_ng <<-END
		source s { syslog(transport("tcp") port($PORT)); };
		destination d { file("$OUT" template("<\$PRI>1 \$S_ISODATE \$HOST \$PROGRAM \$PID \$MSGID \${.SDATA.aigw@32473.model}\n") frac-digits(6)); };
		log { source(s); destination(d); };
	END
	send < <(events 1 1)
	assert_success
	arrived 1
	assert_equal "$(sed 's/+00:00/Z/' "$OUT")" "$said"
}

@test 'an event that is too long goes without its payload, and its JSON is whole' {
	start_syslog_ng < <(documented syslog-ng | with_anybody)
	the_sink_is_to "tls://localhost:$PORT" ', "message_bytes_max": 480'
	local long
	long=$(printf '%0500d' 0)
	send <<<'{"id":"e1","json":{"id":"e1","n":[1],"request":{"body":"'"$long"'"}}}
{"id":"e2","json":{"id":"e2","list":["'"$long"'"]}}
{"id":"e3","json":{"id":"e3"}}'
	assert_success
	arrived 3
	assert_equal "$(cat "$OUT")" '{"id":"e1","n":[1],"payload_omitted":true}
{"id":"e2","payload_omitted":true,"members_omitted":true}
{"id":"e3"}'
}

@test 'over UDP and unix sockets events arrive in both, datagrams and streams' {
	READY=is_bound
	start_rsyslog <<-END
		module(load="imudp")
		module(load="imuxsock" SysSock.Use="off")
		template(name="t" type="list") { property(name="msg" position.from="4") constant(value="\n") }
		ruleset(name="r") { action(type="omfile" file="$OUT" template="t") }
		input(type="imuxsock" Socket="$T/log" UseSpecialParser="off" Ruleset="r")
		input(type="imudp" address="127.0.0.1" port="$PORT" ruleset="r")
	END
	the_sink_is_to "udp://127.0.0.1:$PORT"
	send < <(events 1 5)
	assert_answer "delivered: sent to 127.0.0.1 port $PORT"
	assert_arrived 1 5
	the_sink_is_to "unix://$T/log"
	send < <(events 6 60)
	assert_answer "delivered: sent to $T/log"
	arrived 60
	expected 1 60 | diff - "$OUT"
	stop_server
	rm -f "$OUT" "$T/log"
	start_syslog_ng <<-END
		source s { unix-dgram("$T/log" flags(syslog-protocol)); unix-stream("$T/stream" flags(syslog-protocol)); udp(ip("127.0.0.1") port($PORT) flags(syslog-protocol)); };
		destination d { file("$OUT" template("\$MSG\n")); };
		log { source(s); destination(d); };
	END
	send < <(events 1 60)
	assert_success
	assert_arrived 1 60
	the_sink_is_to "unix://$T/stream"
	send < <(events 61 120)
	assert_success
	assert_arrived 1 120
	the_sink_is_to "udp://127.0.0.1:$PORT"
	send < <(events 121 125)
	assert_success
	assert_arrived 1 125
}

# ---- who the server is, and who we are ----

@test 'a server whose certificate is not right gets nothing, and the answer says what is wrong' {
	start_rsyslog < <(documented rsyslog | sed 's,input(,input(address="0.0.0.0" ,' | with_anybody)
	CA=$MORE/stranger.pem the_sink_is_to "tls://localhost:$PORT"
	send < <(events 1 1)
	assert_failure 1
	assert_answer "wrong: the server's certificate is not accepted: unable to get local issuer certificate"
	the_sink_is_to "tls://127.0.0.2:$PORT"
	send < <(events 2 2)
	assert_answer "wrong: the server's certificate is not accepted: IP address mismatch"
	echo "127.0.0.1 logs.example" >>"$NSS_WRAPPER_HOSTS"
	the_sink_is_to "tls://logs.example:$PORT"
	send < <(events 3 3)
	assert_answer "wrong: the server's certificate is not accepted: hostname mismatch"
	stop_server
	start_rsyslog < <(SERVER_CERT=$MORE/over.pem documented rsyslog | with_anybody)
	the_sink_is_to "tls://localhost:$PORT"
	send < <(events 4 4)
	assert_answer "wrong: the server's certificate is not accepted: certificate has expired"
	stop_server
	assert [ ! -e "$OUT" ]
}

@test 'a server that asks for a certificate takes the right one; without it nothing counts as delivered' {
	start_syslog_ng < <(documented syslog-ng)
	the_sink_is_to "tls://localhost:$PORT"
	send < <(events 1 1)
	assert_failure 1
	assert_answer 'wrong: the server asks for a client'\''s certificate (cert_file, key_file): tlsv13 alert certificate required'
	with_client stranger
	the_sink_is_to "tls://localhost:$PORT"
	send < <(events 1 1)
	assert_failure 1
	assert_answer 'wrong: the server does not accept this TLS client: tlsv1 alert unknown ca'
	with_client client
	the_sink_is_to "tls://localhost:$PORT"
	send < <(events 1 1)
	assert_success
	assert_arrived 1 1
	stop_server
	rm "$OUT"
	CLIENT=
	start_rsyslog < <(documented rsyslog)
	for who in '' stranger; do
		with_client $who
		the_sink_is_to "tls://localhost:$PORT"
		send < <(events 1 1)
		assert_failure 1
		assert_equal "$(jq -r .result <<<"$output")" wrong
		assert_output --regexp "asks for a client's certificate|unknown ca|may not accept the certificate"
	done
	with_client client
	the_sink_is_to "tls://localhost:$PORT"
	send < <(events 1 1)
	assert_success
	assert_arrived 1 1
}

@test 'files that cannot be used are named, and why' {
	while IFS='|' read -r tls problem; do
		the_sink_is "{ \"type\": \"syslog\", \"to\": \"tls://localhost\", \"tls\": { $tls } }"
		send </dev/null
		assert_failure 3
		assert_equal "$(jq -r .text <<<"$output")" "$problem"
	done <<-END
		"ca_file": "$T/none"|ca_file: $T/none: not found
		"ca_file": "$CERTS/key.pem"|ca_file: $CERTS/key.pem: no certificate in it (PEM)
		"cert_file": "$MORE/client.pem", "key_file": "$MORE/stranger-key.pem"|key_file: $MORE/stranger-key.pem: is not the key of cert_file's certificate
		"cert_file": "$MORE/client.pem", "key_file": "$MORE/client.pem"|key_file: $MORE/client.pem: others than its owner and group may read it: chmod 640
		"cert_file": "$MORE/client-key.pem", "key_file": "$MORE/client-key.pem"|cert_file: $MORE/client-key.pem: no certificate in it that can be used
	END
}

# ---- servers that come and go ----

@test 'a server that ends and comes back is noticed before a message is lost to it' {
	for i in 1 2; do
		start_rsyslog < <(documented rsyslog | with_anybody)
		((i > 1)) || { the_sink_is_to "tls://localhost:$PORT"; start_sink; }
		tell $((i * 2 - 1)) $((i * 2))
		assert_equal "$answer" delivered
		arrived $((i * 2))
		stop_server
	done
	tell 5 6
	assert_equal "$answer" retry
	start_syslog_ng < <(documented syslog-ng | with_anybody)
	tell 5 6
	assert_equal "$answer" delivered
	assert_arrived 1 6
}

@test 'what a server had not read when it was killed is sent again to the next one' {
	hostile deaf
	the_sink_is_to "tcp://127.0.0.1:$PORT"
	start_sink
	tell 1 2
	assert_equal "$answer" delivered # its kernel has it
	stop_server KILL
	start_rsyslog < <(documented rsyslog | plain)
	tell 3 4
	assert_equal "$answer" delivered
	assert_arrived 1 4
	# what was read is not sent again
	stop_server
	start_rsyslog < <(documented rsyslog | plain)
	tell 5 6
	assert_arrived 1 6
}

@test 'the addresses of a name are tried in turn, those of IPv6 too' {
	printf '%s logs.example.test\n' 127.0.0.3 127.0.0.1 >>"$NSS_WRAPPER_HOSTS"
	start_rsyslog < <(documented rsyslog | plain | sed 's,input(,input(address="127.0.0.1" ,')
	the_sink_is_to "tcp://logs.example.test:$PORT"
	send < <(events 1 1)
	assert_answer "delivered: sent to 127.0.0.1 port $PORT"
	assert_arrived 1 1
	stop_server
	[[ -e /proc/net/if_inet6 ]] && grep -q ' lo$' /proc/net/if_inet6 || return 0
	READY=listens6 start_rsyslog < <(documented rsyslog | plain | sed 's,input(,input(address="::1" ,')
	the_sink_is_to "tcp://[::1]:$PORT"
	send < <(events 2 2)
	assert_answer "delivered: sent to ::1 port $PORT"
	assert_arrived 1 2
}

@test 'where nobody is, the answer is to try again and says so' {
	while IFS='|' read -r to problem; do
		the_sink_is_to "$to"
		send < <(events 1 1)
		assert_failure 1
		assert_answer "retry: $problem"
	done <<-END
		tls://localhost:$PORT|cannot connect: 127.0.0.1 port $PORT: Connection refused
		tcp://127.0.0.1:$PORT|cannot connect: 127.0.0.1 port $PORT: Connection refused
		udp://127.0.0.1:$PORT|nobody listens: 127.0.0.1 port $PORT: Connection refused
		unix://$T/nobody|cannot connect: $T/nobody: No such file or directory
	END
}

# ---- hostile servers ----

@test 'servers that stall, babble, hang up or talk something else cost time and memory within bounds' {
	local how to result problem TIMEOUT=300
	while IFS='|' read -r how to result problem; do
		hostile "$how"
		the_sink_is_to "$to://localhost:$PORT"
		send < <(events 1 3)
		assert_failure 1
		assert_equal "$(jq -r .result <<<"$output")" "$result"
		assert_output --partial "$problem"
		stop_server
	done <<-END
		deaf|tls|retry|the server does not go on in time: 127.0.0.1 port $PORT
		babble|tls|wrong|TLS is not possible with this server: wrong version number
		hangup|tls|retry|the
		drip|tls|retry|the server does not go on in time: 127.0.0.1 port $PORT
	END
	# a message may be through before it begins
	for how in babble:tcp babble-tls:tls; do
		hostile "${how%:*}"
		the_sink_is_to "${how#*:}://localhost:$PORT"
		start_sink
		answer=delivered
		while [[ $answer = delivered ]]; do tell 1 3; done
		assert_equal "$answer" retry
		stop_sink
		stop_server
	done
}

@test 'a server that takes only a part in the time it has gets it all again later' {
	local TIMEOUT=300
	hostile full
	the_sink_is_to "tcp://127.0.0.1:$PORT" ', "message_bytes_max": 1000000'
	start_sink
	head -c 900000 /dev/zero | tr '\0' x >long
	for i in 1 2 3 4 5 6 7 8; do
		printf '{"id":"e%d","json":{"id":"e%d","request":"%s"}}\n' "$i" "$i" "$(<long)"
	done >batch
	tell_file batch
	assert_equal "$answer" retry
	stop_server KILL
	start_rsyslog < <(documented rsyslog | plain)
	tell 1 5
	assert_equal "$answer" delivered
	assert_arrived 1 5
}
