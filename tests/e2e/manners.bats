#!/usr/bin/env bats
# A program without LLM traffic cannot tell that we are there.
load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	stop_provider
}

assert_nothing_recorded() {
	[[ ! -e $AIGW_HOME ]] || fail "something was written: $(find "$AIGW_HOME")"
}

@test 'ls, cat, grep and find do what they do' {
	same_with_and_without ls -la "$ROOT/src"
	same_with_and_without ls /nowhere
	same_with_and_without cat "$ROOT/LICENSE" /nowhere
	same_with_and_without grep -rn include "$ROOT/src/base"
	same_with_and_without find "$ROOT/src" -type f
	assert_nothing_recorded
}

@test 'bash runs scripts, pipes, subshells, exec and traps as before' {
	same_with_and_without bash -c 'for i in 1 2 3; do echo "$i" | cat; done; (exit 3)'
	same_with_and_without bash -c 'trap "echo bye" EXIT; kill -0 $$; false || echo no >&2; exit 7'
	same_with_and_without bash -c 'exec 9>&1 10>&1; echo nine >&9; ls /proc/self/fd | wc -l'
	same_with_and_without sh -c 'ulimit -n 16; exec bash -c "echo few descriptors"'
	same_with_and_without bash -c '{ (kill -9 $BASHPID); } 2>/dev/null; echo $?'
	assert_nothing_recorded
}

@test 'a program that lists its own descriptors finds none of ours' {
	same_with_and_without ls /proc/self/fd
	same_with_and_without $PYTHON -c 'import os; print(sorted(os.listdir("/proc/self/fd")))'
}

@test 'git clones, commits and logs' {
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
	export GIT_AUTHOR_DATE=2026-01-01T00:00:00Z GIT_COMMITTER_DATE=2026-01-01T00:00:00Z
	git init -q origin
	echo text >origin/file
	git -C origin add file
	git -C origin -c user.name=a -c user.email=a@b commit -qm one
	same_with_and_without git -C origin log --stat
	same_with_and_without git -C origin show HEAD
	with_names git clone -q origin without-us
	shimmed git clone -q origin with-us
	diff -r -x .git without-us with-us
	same_with_and_without git -C origin status
	same_with_and_without git ls-remote https://127.0.0.1:1/nothing
	assert_nothing_recorded
}

@test 'apt answers its questions' {
	same_with_and_without apt-config dump
	same_with_and_without apt-cache policy no-such-package
	same_with_and_without apt-get --version
	same_with_and_without dpkg -s bash
	assert_nothing_recorded
}

@test 'interpreters compute, fork, run threads and children' {
	same_with_and_without $PYTHON -c 'import ssl, hashlib; print(ssl.OPENSSL_VERSION); exit(5)'
	same_with_and_without $PYTHON -c 'import subprocess; print(subprocess.check_output(["id", "-u"]))'
	same_with_and_without $PYTHON -c '
import concurrent.futures as f, multiprocessing as m
print(list(f.ThreadPoolExecutor(8).map(abs, range(-100, 0)))[:3])
with m.Pool(2) as pool: print(pool.map(abs, [-1, -2]))'
	same_with_and_without perl -e 'if (fork) { wait; print $? >> 8, "\n" } else { exit 4 }'
	same_with_and_without ruby -e 'puts [1, 2].map { |x| Thread.new { x * 2 }.value }.inspect'
	same_with_and_without php -r 'echo strlen(openssl_random_pseudo_bytes(8)), "\n";'
	assert_nothing_recorded
}

@test 'openssl works on files' {
	same_with_and_without openssl dgst -sha256 "$ROOT/LICENSE"
	same_with_and_without openssl x509 -in "$CERTS/cert.pem" -noout -text
	same_with_and_without openssl verify -CAfile "$CERTS/ca.pem" "$CERTS/cert.pem"
	assert_nothing_recorded
}

@test 'HTTPS to a host that is no provider is left alone, whatever is sent' {
	start_provider --alpn http/1.1
	same_with_and_without curl -sS "$PLAIN/plain"
	same_with_and_without curl -sS "$PLAIN/plain" -d 'any body'
	same_with_and_without curl -sS "$PLAIN/plain" -d '{"model":"gpt-4o","model":"gpt-5"}'
	same_with_and_without curl -sS "$PLAIN/bytes/3000000"
	same_with_and_without sh -c "curl -sS -I '$PLAIN/plain' | grep -v ^Date:"
	same_with_and_without curl -sS -o /dev/null -w '%{http_code}' "$PLAIN/nothing/204"
	big_body gpt-4o $((40 << 20)) >big
	same_with_and_without curl -sS "$PLAIN/plain" --data-binary @big
	same_with_and_without $PYTHON -c "
import urllib.request as u
print(u.urlopen('$PLAIN/plain', b'x' * 100000).read())"
	assert_nothing_recorded
}

@test 'a host that is no provider still gets HTTP/2 offered' {
	start_provider --alpn h2,http/1.1
	shimmed curl -sS --max-time 10 "$PLAIN/plain" || true
	assert_equal "$(provider_saw '.[] | select(.event == "connection").alpn')" h2
}

@test 'errors of TLS are reported as ever' {
	start_provider
	same_with_and_without curl -sS --cacert /dev/null "$PLAIN/plain"
	same_with_and_without sh -c 'curl -sS https://localhost:1/ 2>&1 | sed "s/after [0-9]* ms/after a while/"'
	same_with_and_without $PYTHON -c "
import ssl, socket
try: ssl.create_default_context().wrap_socket(socket.create_connection(('127.0.0.1', $PORT)), server_hostname='wrong.test')
except ssl.SSLError as e: print(e.reason)"
}

@test 'AIGW=off takes us out of the way, also to a provider' {
	start_provider --alpn http/1.1
	export AIGW=off
	CHAT_WITH=shimmed run chat -d "$(body gpt-4o)"
	assert_answers 200
	assert_nothing_recorded
}

@test 'AIGW=off has to be said exactly' {
	local value
	start_provider --alpn http/1.1
	initialised
	for value in o oFF offf 0ff off ''; do
		AIGW=$value CHAT_WITH=shimmed run chat -d "$(body gpt-4o)"
		assert_answers 200
	done
	assert_equal "$(records length)" 5
}

@test 'everything resolves at start: LD_BIND_NOW=1' {
	LD_BIND_NOW=1 run shimmed ls "$ROOT/LICENSE"
	assert_success
	assert_output "$ROOT/LICENSE"
	LD_BIND_NOW=1 run shimmed curl --version
	assert_success
}

@test 'an empty environment is enough' {
	run env -i LD_PRELOAD="$SHIM" /bin/ls "$ROOT/LICENSE"
	assert_success
	assert_output "$ROOT/LICENSE"
	run env -i LD_PRELOAD="$SHIM" /usr/bin/openssl version
	assert_success
	assert_output "$(openssl version)"
}

@test 'a program without TLS at all starts without an SSL library' {
	run shimmed cat /proc/self/maps
	assert_success
	refute_output --partial libssl
	refute_output --partial libcrypto
}

# Each page is a fault more in every process that starts, and a copy. A table with many addresses belongs into a
# form without: arrays of characters, numbers, offsets into one text.
@test 'a start writes to at most four pages of the library' {
	run readelf -lW "$SHIM"
	assert_success
	local type offset address physical bytes rest pages=
	while read -r type offset address physical bytes rest; do
		if [[ $type == LOAD && $rest == *RW* ]]; then
			pages=$((((address + bytes - 1) >> 12) - (address >> 12) + 1))
		fi
	done <<<"$output"
	[ "$pages" -ge 2 ]
	[ "$pages" -le 4 ]
}

@test 'what a start runs of the library stands on a page behind the tables that are read for it' {
	local name at text
	text=$(readelf -SW "$SHIM" | sed -nE 's/.* \.text +PROGBITS +([0-9a-f]+) .*/\1/p')
	[[ $(uname -m) != x86_64 ]] || ((16#$text < 3 * 4096)) || fail "the code begins at $text"
	for name in start stop real_init library_find_next self_init detour_init symbols_find_exported; do
		at=$(nm "$SHIM" | awk -v name="$name" '$3 == name { print $1 }')
		[[ $at ]] || fail "there is no $name"
		((16#$at - 16#$text < 4096)) || fail "$name is at $at, the code begins at $text"
	done
}

@test 'aigw run passes on output, exit status and signals' {
	initialised
	run --separate-stderr governed sh -c 'echo out; echo err >&2; exit 9'
	assert_equal "$status" 9
	assert_output out
	run governed sh -c 'kill -TERM $$'
	assert_equal "$status" 143
	run -127 governed /no/such/program
	assert_output --partial /no/such/program
}

@test 'aigw run -- CMD initialises what is missing and says where' {
	[[ ! -e $AIGW_HOME ]]
	run --separate-stderr governed true
	assert_success
	assert_output ''
	[[ $stderr = *"$AIGW_HOME"* ]]
	[[ -e $AIGW_HOME/policy.json ]]
	run --separate-stderr governed true
	assert_success
	assert_equal "$stderr" ''
}
