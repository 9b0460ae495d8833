#!/usr/bin/env bats
# Records into a real PostgreSQL: one server for the tests of this file, in a directory of its own, as a
# user who is not root.
load helper

MODULE=$BUILD/modules/aigw-sink-postgres.so
PG_PASSWORD='sink secret 7'

# as_nobody COMMAND...: PostgreSQL does not run as root.
as_nobody() {
	if [[ $(id -u) = 0 ]]; then
		setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"
	else
		"$@"
	fi
}

setup_file() {
	PG=$(dirname "$(find /usr/lib/postgresql -name initdb | sort -V | tail -n 1)") # not on the path
	T=$(mktemp -d /tmp/aigw-postgres-XXXXXX)                                       # closed to others: bats' own
	export PG T
	cp "$CERTS/cert.pem" "$CERTS/key.pem" "$T"
	printf 'admin' >"$T/admin"
	[[ $(id -u) != 0 ]] || chown -R nobody:nogroup "$T"
	chmod 700 "$T"
	chmod 600 "$T/key.pem"
	as_nobody "$PG/initdb" -D "$T/data" -U postgres --auth-local=trust --auth-host=scram-sha-256 \
		--pwfile="$T/admin" -E UTF8 --locale=C.UTF-8 -N >"$T/initdb.out" 2>&1 ||
		{ cat "$T/initdb.out" >&2; return 1; }
	cat >>"$T/data/postgresql.conf" <<-END
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$T'
		ssl = on
		ssl_cert_file = '$T/cert.pem'
		ssl_key_file = '$T/key.pem'
		fsync = off
		autovacuum = off
		max_connections = 20
		shared_buffers = 4MB
	END
	start_postgres
	psql_says "CREATE ROLE aigw LOGIN PASSWORD '$PG_PASSWORD'" >/dev/null
	psql_says 'CREATE DATABASE audit' >/dev/null
}

teardown_file() {
	stop_postgres
	rm -rf "$T"
}

# start_postgres: on a port that was free a moment ago, once more if it is not any more.
start_postgres() {
	local try
	for try in 1 2 3; do
		PG_PORT=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
		export PG_PORT
		! as_nobody "$PG/pg_ctl" start -w -t 20 -s -D "$T/data" -l "$T/server.log" \
			-o "-p $PG_PORT" >"$T/start.out" 2>&1 3>&- || return 0
	done
	cat "$T/start.out" "$T/server.log" >&2
	return 1
}

stop_postgres() {
	local pid
	pid=$(head -n 1 "$T/data/postmaster.pid" 2>/dev/null) || return 0
	kill -INT "$pid" && tail --pid="$pid" -f /dev/null
}

# psql_says SQL [DATABASE]: what it answers, bare; as the database's owner.
psql_says() {
	as_nobody "$PG/psql" -X -A -t -v ON_ERROR_STOP=1 -h "$T" -p "$PG_PORT" -U postgres -d "${2:-postgres}" -c "$1"
}

setup() {
	printf '%s\n' "$PG_PASSWORD" >"$BATS_TEST_TMPDIR/password"
	chmod 600 "$BATS_TEST_TMPDIR/password"
}

# The statement as the documents have it.
TABLE='CREATE TABLE records (id text PRIMARY KEY, time timestamptz NOT NULL, kind text NOT NULL, host text,
	environment text, application text, provider text, model text, process text, record jsonb NOT NULL)'

# the_table_is_there [STATEMENT [DATABASE]]: a new one.
the_table_is_there() {
	psql_says "DROP TABLE IF EXISTS records; ${1:-$TABLE}; GRANT INSERT, SELECT (id) ON records TO aigw" \
		"${2:-audit}" >/dev/null 2>&1
}

# the_sink [MEMBERS, [TO]]: its policy; MEMBERS are JSON with a comma behind.
the_sink() {
	local table='"table":"records"'
	[[ ${1:-} != *'"table"'* ]] || table='"enabled":true'
	printf '{"version":1,"audit":{"recipients":["aigw1example0replaced0by0aigw0init"]},"environments":{"e":{}},' \
		>"$BATS_TEST_TMPDIR/policy.json"
	printf '"default_environment":"e","drains":{"sinks":{"db":{%s"type":"postgres","to":"%s","password_file":"%s",%s}}}}' \
		"${1:-}" "${2:-host=127.0.0.1 port=$PG_PORT user=aigw dbname=audit}" "$BATS_TEST_TMPDIR/password" \
		"$table" >>"$BATS_TEST_TMPDIR/policy.json"
}

# event ID [JSON [MEMBERS,]]: one line for the client; the first of two members with a name counts.
event() {
	printf '{"id":"%s",%s"process":"web-1:77","time_ns":1796020501123456789,"host":"web-1","environment":"prod",' "$1" "${3:-}"
	printf '"application":"chat","provider":"openai","model":"gpt-5","json":%s}\n' "${2:-"{\"id\":\"$1\"}"}"
}

# sent: the events on standard input, by the sink.
sent() {
	"$BIN/sink_client" --module "$MODULE" "$BATS_TEST_TMPDIR/policy.json" db
}

# assert_sent RESULT: what the client printed last.
assert_sent() {
	assert_equal "$(tail -n 1 <<<"$output" | jq -r .result): $output" "$1: $output"
	refute_output --partial "$PG_PASSWORD"
}

@test "a batch becomes rows, with columns to ask for and the record as jsonb" {
	the_table_is_there
	the_sink
	run sent < <(event A '{"id":"A","gen_ai":{"usage":{"input_tokens":12}},"say":"a\\b \"c\"\n\t€"}'; event B '' '"kind":"gap","model":"",')
	assert_sent delivered
	assert_output --partial 'new rows: 2'
	run psql_says "SELECT id, extract(epoch FROM time), kind, host, environment, application, provider, model, process,
		record->'gen_ai'->'usage'->>'input_tokens' FROM records ORDER BY id" audit
	assert_line --index 0 'A|1796020501.123456|exchange|web-1|prod|chat|openai|gpt-5|web-1:77|12'
	assert_line --index 1 'B|1796020501.123456|gap|web-1|prod|chat|openai||web-1:77|'
	run psql_says "SELECT record->>'say' FROM records WHERE id = 'A'" audit
	assert_output $'a\\b "c"\n\t€'
}

@test "what is sent twice is there once" {
	the_table_is_there
	the_sink
	run sent < <(event A; event B; event A; echo; event B; event C)
	assert_sent delivered
	assert_line --index 0 --partial 'new rows: 2'
	assert_line --index 1 --partial 'new rows: 1'
	assert_equal "$(psql_says 'SELECT string_agg(id, $$ $$ ORDER BY id) FROM records' audit)" 'A B C'
}

@test "what jsonb refuses does not keep a record out" {
	the_table_is_there
	the_sink
	run sent < <(event A '{"nul\u0000":"a\u0000b\\u0000","half":"\ud83d","whole":"\ud83d\ude00","big":1e999999,"small":-2.5E-99}')
	assert_sent delivered
	assert_equal "$(psql_says 'SELECT record FROM records' audit | jq -cS .)" \
		'{"big":"1e999999","half":"�","nul�":"a�b\\u0000","small":-2.5e-99,"whole":"😀"}'
}

@test "an event that the database cannot hold is told apart from the others" {
	psql_says "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0" >/dev/null
	the_table_is_there "$TABLE" latin
	the_sink '' "host=127.0.0.1 port=$PG_PORT user=aigw dbname=latin"
	run sent < <(event A; event B '{"say":"私"}'; event C '{"say":"é"}'; event D '{}' '"model":"模型",'; event E)
	assert_sent partly
	assert_equal "$(jq -c .results <<<"$output")" '["delivered","refused","delivered","refused","delivered"]'
	assert_output --partial '22P05'
	refute_output --partial 私
	assert_equal "$(psql_says 'SELECT string_agg(id, $$ $$ ORDER BY id) FROM records' latin)" 'A C E'
}

@test "a rule of the table's own refuses the batch, and nothing of it stays" {
	the_table_is_there "${TABLE%)}, CHECK (model <> 'gpt-4'))"
	the_sink
	run sent < <(event A; event B '' '"model":"gpt-4",'; echo; event A)
	assert_equal "$(jq -r .result <<<"$output" | tr '\n' ' ')" 'refused delivered '
	assert_line --index 0 --partial '23514'
	assert_equal "$(psql_says 'SELECT string_agg(id, $$ $$) FROM records' audit)" A
}

@test "a table that is missing is told with the statement that makes it" {
	local statement
	psql_says 'DROP TABLE IF EXISTS records' audit
	the_sink
	run sent < <(event A)
	assert_sent wrong
	statement=$(jq -r .text <<<"$output" | grep -o 'CREATE TABLE.*')
	the_table_is_there "$statement"
	run sent < <(event A)
	assert_sent delivered
}

@test "the session's own settings do not weaken a commit, and the temporary table is not taken for the real one" {
	the_table_is_there "${TABLE%)}, sync text DEFAULT current_setting('synchronous_commit'))"
	the_sink '' "host=127.0.0.1 port=$PG_PORT user=aigw dbname=audit options='-c synchronous_commit=off -c search_path=pg_temp,public'"
	run sent < <(event A; echo; event B)
	assert_sent delivered
	assert_equal "$(psql_says 'SELECT string_agg(sync, $$ $$) FROM records' audit)" 'on on'
	the_sink '"table":"aigw_drain_batch",'
	run sent < <(event A)
	assert_failure 3
	assert_output --partial 'no table can be called'
}

@test "a wrong password, a role without rights: said, without the secret" {
	the_table_is_there
	the_sink
	psql_says 'REVOKE INSERT ON records FROM aigw' audit >/dev/null
	run sent < <(event A)
	assert_sent wrong
	assert_output --partial '42501'
	echo 'another secret' >"$BATS_TEST_TMPDIR/password"
	run sent < <(event A)
	assert_sent wrong
	assert_output --partial '28P01'
	refute_output --partial 'another secret'
	the_sink '' "postgresql://aigw:hidden@127.0.0.1:$PG_PORT/audit"
	run sent < <(event A)
	assert_failure 2
	assert_output --partial 'password_file'
	refute_output --partial hidden
	the_sink '' 'host=127.0.0.1 service=elsewhere'
	run sent < <(event A)
	assert_failure 3
	assert_output --partial 'may not have service'
}

@test "elsewhere the server's certificate is checked, its name too" {
	the_table_is_there
	the_sink "\"tls\":{\"ca_file\":\"$CERTS/ca.pem\"}," "host=api.openai.com port=$PG_PORT user=aigw dbname=audit"
	run with_names "$BIN/sink_client" --module "$MODULE" "$BATS_TEST_TMPDIR/policy.json" db < <(event A)
	assert_sent delivered
	the_sink "\"tls\":{\"ca_file\":\"$CERTS/ca.pem\"}," "host=wrong.test hostaddr=127.0.0.1 sslmode=verify-full port=$PG_PORT user=aigw dbname=audit"
	run sent < <(event A)
	assert_sent wrong
	assert_output --partial 'wrong.test'
	the_sink '' "host=api.openai.com port=$PG_PORT user=aigw dbname=audit" # the system's authorities do not know ours
	run with_names "$BIN/sink_client" --module "$MODULE" "$BATS_TEST_TMPDIR/policy.json" db < <(event A)
	assert_sent wrong
	assert_output --partial 'certificate'
}

@test "a connection that the server has ended is made anew" {
	local first second
	the_table_is_there
	the_sink
	coproc SINK { sent 3>&-; }
	{ event A; echo; } >&"${SINK[1]}"
	read -r -t 20 first <&"${SINK[0]}"
	psql_says "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'aigw'" >/dev/null
	{ event B; echo; } >&"${SINK[1]}"
	read -r -t 20 second <&"${SINK[0]}"
	exec {SINK[1]}>&-
	assert_equal "$(jq -r .result <<<"$first$second" | tr '\n' ' ')" 'delivered delivered '
}

@test "nothing waits past the deadline: a locked table, a server that says nothing, one that never stops" {
	local line= locker
	the_table_is_there
	the_sink '"timeout_ms":400,'
	coproc LOCKER { as_nobody "$PG/psql" -X -q -h "$T" -p "$PG_PORT" -U postgres -d audit 3>&-; }
	locker=$LOCKER_PID
	echo "BEGIN; LOCK TABLE records; SELECT 'locked';" >&"${LOCKER[1]}"
	until [[ $line = *locked* ]]; do read -r -t 20 line <&"${LOCKER[0]}"; done
	run sent < <(event A)
	assert_sent retry
	exec {LOCKER[1]}>&-
	wait "$locker"
	run sent < <(event A) # the server may have done the first one after all
	assert_sent delivered
	assert_equal "$(psql_says 'SELECT count(*) FROM records' audit)" 1

	for manner in silent endless huge; do
		hostile_server "$manner"
		the_sink '"timeout_ms":500,' "host=127.0.0.1 port=$HOSTILE_PORT user=aigw dbname=audit sslmode=disable"
		run bash -c "ulimit -v 600000; exec timeout 10 '$BIN/sink_client' --module '$MODULE' '$BATS_TEST_TMPDIR/policy.json' db" < <(event A)
		kill "$HOSTILE" 2>/dev/null || true # it may have ended with its client
		assert_sent retry
		[[ $manner != huge ]] || assert_output --regexp 'endless|memory'
	done
}

# hostile_server silent|endless|huge: speaks just enough PostgreSQL; sets $HOSTILE_PORT, $HOSTILE.
hostile_server() {
	local ready=$BATS_TEST_TMPDIR/hostile-$1
	mkfifo "$ready"
	"$PYTHON" -c '
import socket, struct, sys
manner = sys.argv[1]
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(1)
open(sys.argv[2], "w").write("%d\n" % s.getsockname()[1])
c, _ = s.accept()
c.recv(65536)
def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body
if manner != "silent":
    c.sendall(message(b"R", struct.pack("!i", 0)) + message(b"Z", b"I"))
    c.recv(65536)
try:
    while manner == "endless":
        c.sendall(message(b"N", b"SNOTICE\0C00000\0M" + b"x" * 20000 + b"\0\0"))
    if manner == "huge":
        c.sendall(b"T" + struct.pack("!i", 2000000000))
        while True:
            c.sendall(b"x" * 65536)
    c.recv(1)
except OSError:
    pass
' "$1" "$ready" 3>&- &
	HOSTILE=$!
	read -r -t 20 HOSTILE_PORT <"$ready"
}

@test "without a server it is tried again later" {
	the_sink
	stop_postgres
	run sent < <(event A)
	start_postgres
	assert_sent retry
}
