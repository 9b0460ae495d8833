#!/usr/bin/env bats
# aigwd --hold-keys: providers' keys that no user of the host can read, handed to processes that show a
# gateway key meant for them.
load helper

SECRET=sk-real-mK4wQ9xT2vB7nL0pR5sD8fG3hJ6
OTHER_UID=65534

setup() {
	[[ $(id -u) = 0 ]] || skip 'needs root, to be two users'
	# Other users must get there; bats' own directory is closed to them.
	T=$(mktemp -d /tmp/aigw-holder-XXXXXX)
	chmod 755 "$T"
	STORE=$T/keys SOCKET=$T/keys.sock
	start_provider
	initialised
	the_policy
	printf %s "$SECRET" | key import --provider openai >/dev/null
	new_key intake
	start_holder
	cd "$T"
	body gpt-5 >call
}

teardown() {
	stop_provider
	stop_holder
	[[ ! ${T:-} ]] || rm -rf "$T"
}

the_policy() {
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"keys\": { \"via\": \"holder\", \"socket\": \"$SOCKET\" },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
	cp "$AIGW_HOME/policy.json" "$T/policy.json"
	chmod 644 "$T/policy.json"
}

key() {
	aigw key "$1" --store "$STORE" "${@:2}"
}

new_key() {
	KEY=$(key create --environment test --name "$1" "${@:2}" --json | jq -r .key)
	export API_KEY=$KEY
}

start_holder() {
	local line
	mkfifo "$T/said"
	exec {said}<>"$T/said"
	"$BUILD/aigwd" --hold-keys --foreground --socket "$SOCKET" --store "$STORE" >/dev/null 2>"$T/said" 3>&- &
	HOLDER=$!
	while read -r -t 20 -u "$said" line; do
		[[ $line != *'holding the keys in'* ]] || return 0
	done
	return 1
}

stop_holder() {
	[[ ${HOLDER:-} ]] || return 0
	kill "$HOLDER" 2>/dev/null || true
	wait "$HOLDER" 2>/dev/null || true
	HOLDER=
	rm -f "$T/said"
}

# as_other COMMAND...: under the shim, as a user who can read neither store nor our home.
as_other() {
	mkdir -p "$T/home"
	chown "$OTHER_UID" "$T/home"
	cp "$CERTS/ca.pem" "$NSS_WRAPPER_HOSTS" "$SHIM" "$T/"
	chmod 644 "$T"/{ca.pem,hosts,libaigw.so,call}
	env AIGW_HOME="$T/home" AIGW_POLICY="$T/policy.json" CURL_CA_BUNDLE="$T/ca.pem" NSS_WRAPPER_HOSTS="$T/hosts" \
		setpriv --reuid "$OTHER_UID" --regid "$OTHER_UID" --clear-groups --no-new-privs \
		env LD_PRELOAD="$T/libaigw.so:$NAMES" "$@"
}

got() {
	provider_saw '[.[] | select(.event == "request").headers[] | select(.[0] | ascii_downcase == "authorization")[1]] | join(" ")'
}

# ask_raw CODE: python with a connection to the holder, `line`, and `ask(key, provider)`, an answer's
# (status, verdict, length of the secret) or None when there was none.
ask_raw() {
	$PYTHON -c 'import socket, struct, sys
def connect():
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.settimeout(20)
    line.connect(sys.argv[1])
    return line
def text(value):
    return struct.pack("<H", len(value)) + value.encode()
def question(key, provider):
    return b"\xa1gwk" + struct.pack("<HH8x", 1, 1) + text(key) + text(provider)
def ask(key, provider="openai", line=None):
    line = line or connect()
    line.send(question(key, provider))
    answer = line.recv(100000)
    return struct.unpack("<HHH", answer[8:14]) if answer else None
'"$1" "$SOCKET" "$KEY" "${@:2}"
}

@test 'a user who cannot read the store calls with a gateway key; the provider sees its own key' {
	chat_as_other() { as_other "$@"; }
	CHAT_WITH=chat_as_other run chat --data-binary @call
	assert_answers 200
	run as_other cat "$STORE/gateway.store"
	assert_output --partial 'Permission denied'
	run chat --data-binary @call
	assert_answers 200
	assert_equal "$(got)" "Bearer $SECRET Bearer $SECRET"
	assert_equal "$(records 'last | [.key.name, .key.managed, .environment] | map(tostring) | join(" ")')" 'intake true test'
	run grep -rlF -e "$SECRET" -e "$KEY" "$T" "$AIGW_HOME"
	assert_output ''
	[[ $(key show intake --json | jq -r .last_used) = 20* ]]
	assert_log_whole
}

@test 'a key for one user or one program is for nobody else' {
	new_key theirs --user "$OTHER_UID"
	run chat --data-binary @call
	assert_answers 403
	assert_equal "$(last_record .decision.rule)" keys.theirs.user
	chat_as_other() { as_other "$@"; }
	CHAT_WITH=chat_as_other run chat --data-binary @call
	assert_answers 200
	new_key program --exe '*/python3*'
	run chat --data-binary @call
	assert_answers 403
	assert_equal "$(last_record .decision.rule)" keys.program.exe
	run --separate-stderr governed $PYTHON "$CLIENTS/py_urllib.py" "$OPENAI/chat/completions" call
	assert_answers 200
	# not a matter of what the program says of itself: the holder gives nothing out
	new_key nobody --user 4711
	run ask_raw 'print(*ask(sys.argv[2]))'
	assert_output '1 0 0'
	printf %s sk-ant-of-another >secret
	key import --provider anthropic <secret >/dev/null
	new_key narrow --provider openai
	run ask_raw 'print(*ask(sys.argv[2]), *ask(sys.argv[2], "anthropic"))'
	assert_output '0 0 35 0 0 0'
	new_key elsewhere --exe /usr/bin/other
	run ask_raw 'print(*ask(sys.argv[2]))'
	assert_output '2 0 0'
	assert_provider_saw 2
}

@test 'on a connection that stays open a revoked key is refused within a second' {
	local n
	run ask_raw '
import os, http.client, time
line = connect()
assert ask(sys.argv[2], line=line) == (0, 0, 35)
os.system(sys.argv[3])
assert ask(sys.argv[2], line=line) == (0, 4, 0)
print("refused at once")' "$BUILD/aigw key revoke intake --store $STORE >/dev/null"
	assert_output 'refused at once'
	new_key second
	printf %s "$SECRET" >secret
	run --separate-stderr governed $PYTHON -c '
import http.client, os, ssl, subprocess, sys, time
line = http.client.HTTPSConnection("api.openai.com", int(sys.argv[1]), context=ssl.create_default_context())
def call():
    line.request("POST", "/v1/chat/completions", open("call", "rb").read(), {
        "Authorization": "Bearer " + os.environ["API_KEY"], "Content-Type": "application/json"})
    answer = line.getresponse()
    answer.read()
    return answer.status
assert call() == 200 and call() == 200
subprocess.run([sys.argv[2], sys.argv[3], str(os.getpid()), sys.argv[4]], check=True, env={})
subprocess.run(sys.argv[5:], check=True, env={**os.environ, "AIGW": "off"}, stdout=subprocess.DEVNULL)
begun = time.monotonic()
while call() == 200:
    assert time.monotonic() - begun < 2
assert time.monotonic() - begun < 1
print("refused")' "$PORT" $PYTHON "$CLIENTS/secret_scan.py" "@$T/secret" "$BUILD/aigw" key revoke second --store "$STORE"
	assert_line --regexp '^marked [1-9]' # and nothing found
	refute_line --regexp '^found'
	assert_line refused
	assert_equal "$(last_record .decision.code)" revoked_key
}

@test "the limits of a key that a holder has hold in all processes of a user" {
	new_key small --limit requests_per_minute=1
	run chat --data-binary @call
	assert_answers 200
	run chat --data-binary @call
	assert_answers 429
	assert_output --partial 'keys.small.limits.requests_per_minute is met: 1 of 1 requests'
	assert_recorded .decision.rule keys.small.limits.requests_per_minute .key.name small
	assert_equal "$(aigw limits --store "$STORE" --json | jq -c 'map([.scope, .limit, .used])')" \
		'[["keys.small","requests_per_minute",1]]'
	key limit small --limit requests_per_minute=6000 >/dev/null
	run chat --data-binary @call
	assert_answers 200
	assert_provider_saw 2
}

@test 'without the holder nothing goes out, and the answer says why' {
	stop_holder
	run chat --data-binary @call
	assert_answers 503
	assert_output --partial 'does not run (aigwd --hold-keys'
	start_holder
	run chat --data-binary @call
	assert_answers 200
	printf x | dd of="$STORE/gateway.store" bs=1 seek=60 conv=notrunc status=none
	run chat --data-binary @call
	assert_answers 503
	assert_equal "$(last_record .decision.code)" key_store
	assert_provider_saw 1
}

@test 'whatever is sent to its socket, the holder answers the next one' {
	run ask_raw '
import os, time
for garbage in (b"x", b"\xa1gwk", question(sys.argv[2], "openai")[:-1], question(sys.argv[2], "openai") + b"x",
                b"\xa1gwk\x02\x00" + question(sys.argv[2], "openai")[6:], os.urandom(200), b"\xa1gwk" + b"\xff" * 100,
                question("k" * 200, "p"), b"y" * 60000):
    line = connect()
    line.send(garbage)
    assert line.recv(100) == b"", garbage
assert ask("aigw-test-x") == (0, 1, 0)
assert ask(sys.argv[2], "anthropic") == (0, 0, 0)
assert ask(sys.argv[2], "") == (0, 0, 0)
idle = []
try:
    for i in range(200):
        idle.append(connect())
except OSError:
    pass
for one in idle:
    one.close()
# It may still count those connections as this user has them.
for attempt in range(1000):
    try:
        print(*ask(sys.argv[2]))
        break
    except OSError:
        time.sleep(0.01)'
	assert_output '0 0 35'
	run chat --data-binary @call
	assert_answers 200
}

@test 'another program may not take the socket of a holder that runs, and a signal ends it' {
	run -3 "$BUILD/aigwd" --hold-keys --foreground --socket "$SOCKET" --store "$STORE"
	assert_output --partial 'another program listens'
	kill "$HOLDER"
	wait "$HOLDER"
	HOLDER=
	[[ ! -e $SOCKET ]]
}
