#!/usr/bin/env bats
# What `aigw doctor` says of programs, processes, the host and the installation, and what `aigw run`
# warns of. Programs of a kind that is not installed are made here: what counts is what their files
# say.

# shellcheck disable=SC2154,SC2016,SC2031  # bats' variables
load helper

TOOL=$BUILD/aigw

setup() {
	initialised
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	[[ ! ${KEPT_PID:-} ]] || kill "$KEPT_PID" || true
}

# source_of NAME TEXT [OPTIONS OF THE COMPILER]...: compiles that.
source_of() {
	local name=$1
	echo "$2" >"$name.c"
	shift 2
	"${CC:-cc}" -o "$name" "$name.c" "$@"
}

# program NAME [OPTIONS OF THE COMPILER]...: one that ends with 5.
program() {
	source_of "$1" 'int main(void) { return 5; }' "${@:2}"
}

# said JQ: of the doctor's JSON in $output.
said() {
	jq -r "$1" <<<"$output"
}

# assert_doctor STATUS REACHED KINDS OBSTACLES PROGRAM
assert_doctor() {
	run "-$1" --separate-stderr "$TOOL" doctor --json "$5"
	assert_equal "$(said '[.reached, (.tls | map(.kind) | unique | join("+")),
		(.obstacles | map(.kind) | join("+"))] | join(" ")')" "$2 $3 $4"
}

# kept COMMAND...: runs until the end of the test; it has said "ready". $KEPT_PID
kept() {
	mkfifo ready
	"$@" >ready 3>&- &
	KEPT_PID=$!
	read -r -t 20 <ready
}

PY_READY='import sys, time; print("ready", flush=True); time.sleep(600)'

# ---- programs ----

@test 'what real programs carry is told from their files' {
	assert_doctor 0 full openssl '' "$PYTHON"
	assert_equal "$(said '.tls[0].for')" "$(echo /usr/lib/python3*/lib-dynload/_ssl.*.so)"
	assert_doctor 0 full gnutls '' git
	assert_doctor 0 full openssl '' perl
	assert_doctor 0 full openssl '' ruby
	assert_doctor 0 no_tls '' '' true
	run -0 "$TOOL" doctor curl
	assert_line --regexp '^  OpenSSL 3 +symbol +yes +/.*/libssl.so.3 +libcurl.so'
	assert_line --partial 'full: '
}

@test 'a script is followed to its interpreter' {
	printf '#!/usr/bin/env -S %s -u\n' "$PYTHON" >script
	chmod +x script
	assert_doctor 0 full openssl '' ./script
	assert_equal "$(said .path)" "$(realpath "$PYTHON")"
	run -0 "$TOOL" doctor ./script
	assert_line --index 0 "./script: $(realpath "$PYTHON")"
}

@test 'OpenSSL inside a program is found by its symbols, in any of its tables' {
	local source='int SSL_write(void) { return 0; } int SSL_CTX_set_ciphersuites(void) { return 0; }
		const char *v = "OpenSSL 3.5.1 1 Jul 2026"; int main(void) { return 0; }'
	source_of inside "$source"
	assert_doctor 0 full openssl_inside '' ./inside
	assert_equal "$(said '.tls[0] | .label + ", " + .reached_by')" 'OpenSSL 3.5.1 inside, detour'
	source_of exported "$source" -rdynamic -s
	assert_doctor 0 full openssl_inside '' ./exported
	source_of boring "$source int SSL_CTX_set_custom_verify(void) { return 0; }"
	assert_doctor 1 opaque boringssl '' ./boring
}

# says NAME TEXT [OPTIONS]...: a program with that text in it.
says() {
	source_of "$1" "const char *text = \"$2\"; int main(void) { return 0; }" "${@:3}"
}

@test 'without symbols the texts in a program tell' {
	says bare ssl/statem/statem_clnt.c -s
	assert_doctor 1 opaque openssl_bare '' ./bare
	says rust x/rustls-0.23.40/src/client.rs -s
	assert_doctor 1 opaque rustls '' ./rust
	says boring ../ssl/handshake_client.cc -s
	assert_doctor 1 opaque boringssl '' ./boring
	program bun
	objcopy --add-section .bun=bun.c bun
	assert_doctor 1 opaque boringssl '' ./bun
	assert_doctor 0 no_tls '' '' "$TOOL" # which looks for these texts
}

@test 'two kinds of TLS, one of them out of reach: partly' {
	says both /rustls-0.23.40/src/client.rs -Wl,--no-as-needed -lssl
	assert_doctor 1 partly openssl+rustls '' ./both
}

@test 'what keeps the library out is named: static, C library, machine, rights, Go' {
	program static -static
	assert_doctor 1 not '' static ./static
	program static -static-pie
	assert_doctor 1 not '' static ./static
	program musl -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1
	assert_doctor 1 not '' libc ./musl
	program other
	printf '\xb7' | dd of=other bs=1 seek=18 conv=notrunc status=none # e_machine: aarch64
	assert_doctor 1 not '' machine ./other
	run -1 "$TOOL" doctor ./other
	assert_line --partial 'another kind of machine than the gateway: aarch64.'
	printf '\x01' | dd of=other bs=1 seek=4 conv=notrunc status=none # EI_CLASS: 32 bits
	assert_doctor 1 not '' machine ./other
	program rights
	chmod u+s rights
	assert_doctor 1 not '' rights ./rights
	says go 'crypto/tls.(*Conn).Write'
	objcopy --add-section .go.buildinfo=go.c go
	assert_doctor 1 not go go ./go
}

@test 'Java is known by its launcher, Qt and NSS by their libraries' {
	for library in libjli.so libQt5Network.so.5 libssl3.so; do
		echo 'int f(void) { return 0; }' >lib.c
		"${CC:-cc}" -shared -fPIC -Wl,-soname,$library -o $library lib.c
	done
	needs() { program "$1" -Wl,--no-as-needed -L. "-l:$2" '-Wl,-rpath,$ORIGIN'; }
	needs java libjli.so
	assert_doctor 1 opaque jsse '' ./java
	needs qt libQt5Network.so.5
	assert_doctor 0 full openssl_by_name '' ./qt
	needs firefox libssl3.so
	assert_doctor 1 opaque nss '' ./firefox
}

@test 'a shared library is looked at like a program' {
	assert_doctor 0 full openssl '' "$(echo /usr/lib/python3*/lib-dynload/_ssl.*.so)"
	source_of wheel.so 'static int SSL_write(void) { return 0; } int f(void) { return SSL_write(); }' \
		-shared -fPIC
	chmod -x wheel.so
	assert_doctor 1 opaque openssl_in_library '' ./wheel.so
}

@test 'libraries are found as the loader finds them' {
	mkdir lib deep
	echo 'int f(void) { return 0; }' >lib.c
	"${CC:-cc}" -shared -fPIC -Wl,-soname,libssl.so.1.1 -o deep/libssl.so.1.1 lib.c
	"${CC:-cc}" -shared -fPIC -Wl,-soname,libmid.so -o lib/libmid.so lib.c -Wl,--no-as-needed \
		-Ldeep -l:libssl.so.1.1
	# DT_RPATH counts for the libraries of libraries, DT_RUNPATH does not
	link() { program "$1" -Wl,--no-as-needed -Llib -lmid -Wl,--allow-shlib-undefined "$2" \
		'-Wl,-rpath,$ORIGIN/lib:${ORIGIN}/deep'; }
	link rpath -Wl,--disable-new-dtags
	assert_doctor 0 full openssl '' ./rpath
	assert_equal "$(said '.tls[0] | .version + " " + .file')" "1.1 $(realpath deep/libssl.so.1.1)"
	link runpath -Wl,--enable-new-dtags
	assert_doctor 0 no_tls '' '' ./runpath
	LD_LIBRARY_PATH=$PWD/deep assert_doctor 0 full openssl '' ./runpath
	# as ld.so itself says
	for program in rpath runpath; do
		run "$TOOL" doctor --json "./$program"
		assert_equal "$(said '[.tls[] | .file] | length')" \
			"$(ldd "./$program" | grep -c 'libssl.so.1.1 => /' || true)"
	done
}

@test 'what is no program, or not there, is said and ends with 3' {
	run -3 "$TOOL" doctor no-such-program
	assert_output --partial 'no-such-program: not found'
	echo text >text
	run -3 "$TOOL" doctor ./text
	assert_output --partial 'no program, no library, and no script'
	run -2 "$TOOL" doctor --host curl
	run -2 "$TOOL" doctor curl wget
}

@test 'a file that is cut off or full of wrong numbers does not hurt' {
	program whole -rdynamic
	for bytes in 20 64 100 500 5000; do
		head -c $bytes whole >cut
		chmod +x cut
		run "$TOOL" doctor ./cut
		[[ $status -le 3 ]] || fail "ended with $status at $bytes bytes"
	done
}

# ---- processes ----

@test 'a process that aigw run started is governed; the same without is not' {
	kept "$TOOL" run -- "$PYTHON" -c "import ssl; $PY_READY"
	run -0 "$TOOL" doctor --json "$KEPT_PID"
	assert_equal "$(said '[.pid, .governed, .reached, .library_loaded, .library] | map(tostring) | join(" ")')" \
		"$KEPT_PID yes full true $(realpath "$SHIM")"
	assert_equal "$(said '[.tls[] | .kind] | unique | join("+")')" openssl
	run -0 "$TOOL" doctor "$KEPT_PID"
	assert_line 'governed now: yes'
	run "$TOOL" doctor --host --json
	assert_equal "$(said ".processes[] | select(.pid == $KEPT_PID) | .governed + \" \" + .tls")" 'yes OpenSSL 3'
}

@test 'a process without the library is not governed, and is told what to do' {
	kept "$PYTHON" -c "import ssl; $PY_READY"
	run -1 "$TOOL" doctor "$KEPT_PID"
	assert_line 'governed now: no'
	assert_line --partial "Start it again with 'aigw run'"
	run -1 "$TOOL" doctor --host
	assert_line --index 0 --regexp '^PID +USER +PROGRAM +TLS +REACHED BY +GOVERNED$'
	assert_line --regexp "^$KEPT_PID +.* +python3[.0-9]* +OpenSSL 3 +symbol +no$"
	assert_line --regexp '^[0-9]+ processes, [0-9]+ with TLS or out of reach, [0-9]+ of these governed$'
}

@test 'AIGW=off is seen in a process' {
	kept env AIGW=off "$TOOL" run -- "$PYTHON" -c "$PY_READY"
	run -1 "$TOOL" doctor --json "$KEPT_PID"
	assert_equal "$(said '"\(.library_loaded) \(.switched_off) \(.governed)"')" 'true true no'
}

@test 'a process that is not there ends with 3' {
	run -3 "$TOOL" doctor 4194304
	assert_output --partial 'not found'
}

# ---- the host, the installation ----

# with_preload TEXT COMMAND...: in a world of its own where /etc/ld.so.preload says that.
with_preload() {
	unshare -m "$BASH" -c 'mkdir -p etc && mount -t tmpfs none etc && cp -a /etc/. etc/ && mount --bind etc /etc &&
		printf "$1" >/etc/ld.so.preload && shift && exec "$@"' with_preload "$@"
}

@test '/etc/ld.so.preload is read, and what is wrong in it is said' {
	[[ $EUID = 0 ]] && unshare -m true 2>/dev/null || skip 'needs root and mount namespaces'
	cp "$SHIM" libaigw.so
	run --separate-stderr with_preload "# c\n/no/such.so:$PWD/libaigw.so x" "$TOOL" doctor --host --json
	assert_equal "$(said '.checks[] | select(.name == "ld.so.preload") | "\(.fine) \(.found)"')" \
		"true $PWD/libaigw.so"
	run -1 --separate-stderr with_preload '# libaigw.so\n' "$TOOL" doctor --host --json
	assert_equal "$(said '.checks[0] | "\(.fine) \(.found)"')" \
		'false /etc/ld.so.preload does not name the library'
	run -1 --separate-stderr with_preload '/no/libaigw.so\n' "$TOOL" doctor --host --json
	assert_equal "$(said '.checks[0] | "\(.fine) \(.found)"')" 'false /no/libaigw.so: not found'
}

@test 'an installation that works is fine; what is missing is named' {
	run -0 "$TOOL" doctor
	assert_line --partial 'This installation works.'
	run -0 "$TOOL" doctor --json
	assert_equal "$(said '.checks | map(.name) | join(" ")')" 'library start policy key log environment'
	assert_equal "$(said '.checks | map(.fine) | unique | tostring')" '[true]'
	echo '{' >"$AIGW_HOME/policy.json"
	run -1 "$TOOL" doctor
	assert_line --regexp '^policy +no '
	rm "$AIGW_HOME/policy.json"
	run -1 "$TOOL" doctor
	assert_line --regexp '^policy +no .*not there'
	assert_line --partial "'aigw init' writes one"
	run -1 env AIGW_LIB=/no/libaigw.so "$TOOL" doctor
	assert_line --regexp '^library +no +/no/libaigw.so: not found'
	run -1 env AIGW=off "$TOOL" doctor
	assert_line --regexp '^environment +no +AIGW=off'
	head -c 4000 "$SHIM" >libaigw.so
	run -1 env AIGW_LIB="$PWD/libaigw.so" "$TOOL" doctor
	assert_line --regexp '^(library|start) +no '
}

# ---- run ----

@test 'run warns once of each kind of program that it cannot govern, and starts it' {
	program static -static
	program go
	objcopy --add-section .go.buildinfo=go.c go
	for name in static go; do
		run -5 --separate-stderr "$TOOL" run -- "./$name"
		assert_equal "${#stderr_lines[@]}" 1
		[[ $stderr = "aigw: warning: ./$name will not be governed or recorded: it is a $name"* ]] ||
			[[ $stderr = "aigw: warning: ./$name will not be governed or recorded: it is a Go"* ]]
		[[ $stderr = *'egress rule'* ]]
	done
}

@test 'run warns of a program with more rights than its caller' {
	as=()
	[[ $EUID != 0 ]] || as=(setpriv --reuid=65534 --clear-groups --inh-caps=+dac_override
		--ambient-caps=+dac_override)
	# no file may be made by another user here: --strict stops before the start
	run -1 --separate-stderr "${as[@]}" "$TOOL" run --strict -- passwd --help
	[[ $stderr = *'it runs with more rights than its caller'*'was not started (--strict)'* ]]
}

@test 'run --strict does not start what cannot be governed, and starts the rest' {
	program static -static
	run -1 "$TOOL" run --strict -- ./static
	assert_line --partial './static was not started (--strict)'
	run -0 "$TOOL" run --strict -- true
	refute_output
	run -1 env AIGW=off "$TOOL" run --strict -- true
}

@test 'run says in one line that TLS it cannot look into is refused, or let through' {
	echo 'int f(void) { return 0; }' >lib.c
	"${CC:-cc}" -shared -fPIC -Wl,-soname,libjli.so -o libjli.so lib.c
	program java -Wl,--no-as-needed -L. -l:libjli.so '-Wl,-rpath,$ORIGIN'
	program bun
	objcopy --add-section .bun=bun.c bun
	source_of deno 'int napi_create_function(void) { return 0; } int main(void) { return 5; }' -rdynamic
	for name in java bun deno; do
		the_policy_allows '*' # opaque_tls is "refuse" where nothing is said
		run -5 --separate-stderr "$TOOL" run --strict -- "./$name"
		assert_equal "${#stderr_lines[@]}" 1
		[[ $stderr = *'cannot be looked into; connections to model providers are refused (transport.opaque_tls)' ]]
	done
	write_policy "{ \"version\": 1, \"audit\": { \"recipients\": [\"$RECIPIENT\"] },
		\"transport\": { \"opaque_tls\": \"allow\" },
		\"environments\": { \"test\": {} }, \"default_environment\": \"test\" }"
	run -5 --separate-stderr "$TOOL" run -- ./java
	[[ $stderr = *'are recorded, not what is said in them'* ]]
}

@test 'run has nothing to say of an ordinary program' {
	for command in "$PYTHON --version" 'curl --version' 'git --version' 'sh -c true'; do
		# shellcheck disable=SC2086  # a command line
		run -0 --separate-stderr "$TOOL" run -- $command
		assert_equal "$stderr" ''
	done
}

@test 'a program that goes on for 300 GB, most of it not there, is looked at in seconds' {
	program endless
	cp endless table
	truncate -s 300G endless table
	# its table of symbols goes on to the end
	$PYTHON - table <<-'END'
		import struct, sys
		with open(sys.argv[1], "r+b") as file:
		    head = file.read(64)
		    at, = struct.unpack_from("<Q", head, 40)
		    count, = struct.unpack_from("<H", head, 60)
		    for i in range(count):
		        file.seek(at + 64 * i)
		        section = file.read(64)
		        if struct.unpack_from("<I", section, 4)[0] in (2, 11):  # SHT_SYMTAB, SHT_DYNSYM
		            offset, = struct.unpack_from("<Q", section, 24)
		            file.seek(at + 64 * i + 32)
		            file.write(struct.pack("<Q", (300 << 30) - offset))
	END
	for name in endless table; do
		run timeout 30 "$TOOL" doctor "./$name"
		assert_success
		assert_output --partial 'No TLS was found'
	done
}
