#!/usr/bin/env bats
# The ways to a TLS library that are no plain call: dlsym, RTLD_DEEPBIND, several copies of one. And
# that the loader behaves as ever for those who use it for something else.
load helper

DOORS=$BIN/doors
LIBSSL=$(ldd "$DOORS/plugin.so" | sed -n 's/.*libssl\.so\.3 => \([^ ]*\).*/\1/p')

setup() {
	the_policy_allows 'openai/gpt-5*'
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	stop_provider
}

# calls MODEL WORD... -- PLUGIN...: see tests/bin/door_client.c
calls() {
	local model=$1 words=()
	shift
	while [[ $1 != -- ]]; do
		words+=("$1")
		shift
	done
	shift
	run --separate-stderr shimmed timeout 40 "$BIN/door_client" call "${words[@]}" \
		api.openai.com "$PORT" "$model" "$@"
	[[ $status = 0 ]] || echo "exit $status, its errors: $stderr"
}

# copy_of_libssl NAME: libNAME.so.3, another library for the loader, and plugin-NAME.so that uses it.
copy_of_libssl() {
	cp "$LIBSSL" "lib$1.so.3"
	patchelf --set-soname "lib$1.so.3" "lib$1.so.3"
	${CC:-cc} -D_GNU_SOURCE -shared -fPIC -Wl,-z,lazy -o "plugin-$1.so" "$ROOT/tests/bin/doors/plugin.c" \
		"-Wl,-rpath,$PWD" "./lib$1.so.3"
}

# As if it had been linked -Bsymbolic: it calls its own functions past everybody. Sets DF_SYMBOLIC.
make_symbolic() {
	local at
	at=$((16#$(readelf -SW "$1" | sed -nE 's/.* \.dynamic +DYNAMIC +[0-9a-f]+ ([0-9a-f]+).*/\1/p')))
	$PYTHON - "$1" "$at" <<-'END'
		import struct, sys
		with open(sys.argv[1], "r+b") as file:
		    file.seek(int(sys.argv[2]))
		    while (entry := struct.unpack("qQ", file.read(16)))[0] != 30:  # DT_FLAGS
		        assert entry[0]
		    file.seek(-8, 1)
		    file.write(struct.pack("Q", entry[1] | 2))
	END
	readelf -d "$1" | grep -q SYMBOLIC
}

assert_no_request_byte() {
	assert_equal "$(provider_saw '[.[].request_bytes // 0] | add // 0') request bytes" '0 request bytes'
}

# ---- RTLD_DEEPBIND ----

@test 'a plugin loaded with RTLD_DEEPBIND is governed, bound at once or lazily' {
	for how in deep 'deep lazy' 'deep later' 'deep lazy later'; do
		start_provider
		# shellcheck disable=SC2086  # words
		calls gpt-4o $how -- "$DOORS/plugin.so"
		assert_output 'HTTP 403 libssl.so.3'
		assert_no_request_byte
	done
	start_provider
	calls gpt-5 deep -- "$DOORS/plugin.so"
	assert_output 'HTTP 200 libssl.so.3'
	assert_provider_saw 1
}

@test 'so is one whose import table is read-only, and one found without a path' {
	mkdir sealed
	cp "$DOORS/plugin.so" sealed/libsealed.so
	readelf -d "$LIBSSL" | grep -q BIND_NOW # then its own table is read-only
	start_provider
	LD_LIBRARY_PATH=sealed calls gpt-4o deep -- libsealed.so
	assert_output 'HTTP 403 libssl.so.3'
	assert_no_request_byte
}

@test 'read-only pages are read-only again afterwards' {
	run --separate-stderr shimmed $PYTHON -c "
import ctypes, os
old = open('/proc/self/maps').read()
ctypes.CDLL('$DOORS/plugin.so', os.RTLD_DEEPBIND | os.RTLD_NOW).plugin_call
def shape(maps, name): return [line.split()[1] for line in maps.splitlines() if line.endswith(name)]
print(shape(open('/proc/self/maps').read(), 'libssl.so.3'))"
	with=$output
	run --separate-stderr with_names $PYTHON -c "
import ctypes, os
ctypes.CDLL('$DOORS/plugin.so', os.RTLD_DEEPBIND | os.RTLD_NOW).plugin_call
def shape(maps, name): return [line.split()[1] for line in maps.splitlines() if line.endswith(name)]
print(shape(open('/proc/self/maps').read(), 'libssl.so.3'))"
	assert_output "$with"
}

@test 'a plugin with functions of its own under our names keeps them' {
	same_with_and_without "$BIN/door_client" deep "$DOORS/deep.so"
	run shimmed "$BIN/door_client" deep "$DOORS/deep.so"
	assert_line 'write 17, send 1017, dlsym mine'
}

@test 'with AIGW=off RTLD_DEEPBIND is as it was' {
	start_provider
	AIGW=off calls gpt-4o deep -- "$DOORS/plugin.so"
	assert_output 'HTTP 200 libssl.so.3'
}

# ---- several copies ----

@test 'two plugins with a libssl each are both governed, by their own' {
	copy_of_libssl one
	copy_of_libssl two
	for how in '' deep 'deep lazy'; do
		start_provider
		# shellcheck disable=SC2086  # words
		calls gpt-4o $how -- "$PWD/plugin-one.so" "$PWD/plugin-two.so" "$DOORS/plugin.so"
		assert_output $'HTTP 403 libone.so.3\nHTTP 403 libtwo.so.3\nHTTP 403 libssl.so.3'
		assert_no_request_byte
		start_provider
		# shellcheck disable=SC2086
		calls gpt-5 $how -- "$PWD/plugin-one.so" "$PWD/plugin-two.so" "$DOORS/plugin.so"
		assert_output $'HTTP 200 libone.so.3\nHTTP 200 libtwo.so.3\nHTTP 200 libssl.so.3'
		assert_provider_saw 3
	done
}

@test 'two copies that are only known by handle are not mixed up' {
	copy_of_libssl one
	copy_of_libssl two
	make_symbolic libone.so.3
	make_symbolic libtwo.so.3
	start_provider
	body gpt-5 >call
	body gpt-4o >refused
	for library in libone.so.3 libtwo.so.3; do echo "$PWD/$library"; done >libraries
	run --separate-stderr shimmed env LIBRARIES="$(paste -sd: libraries)" \
		timeout 40 $PYTHON "$CLIENTS/py_ctypes.py" "$OPENAI/chat/completions" call refused call refused
	assert_success
	assert_answers 200 403 200 403
	assert_provider_saw 2
	assert_equal "$(records 'map(.connection.library // "") | unique | length')" 2
}

# ---- BIO_f_ssl ----

@test 'a write through a BIO that blocks is carried on, also where only errno says that it blocks' {
	for client in "tclsh $CLIENTS/tls.tcl" \
		"env BIO_CLIENT=$BIN/bio_client BIO_MODE=nonblocking $PYTHON $CLIENTS/bio.py"; do
		start_provider --slow-reader
		big_body gpt-5 $((1 << 20)) >big
		# shellcheck disable=SC2086  # words
		run --separate-stderr shimmed timeout 60 $client "$OPENAI/chat/completions" big
		assert_success
		assert_answers 200
		assert_provider_saw 1
		assert_equal "$(provider_saw '.[] | select(.event == "request").body_sha256')" \
			"$(sha256sum <big | cut -d' ' -f1)"
		assert_recorded .outcome complete
	done
}

# ---- dlsym and dlopen as ever ----

@test 'dlsym, dlopen, dlerror and errno say what they would without us' {
	same_with_and_without "$BIN/door_client" facts "$LIBSSL"
	LD_BIND_NOW=1 same_with_and_without "$BIN/door_client" facts "$LIBSSL"
}

@test 'a library finds its own through its RUNPATH, and RTLD_NEXT is what is next to it' {
	same_with_and_without "$BIN/door_client" caller "$DOORS/caller.so"
	same_with_and_without "$BIN/door_client" caller deep "$DOORS/caller.so"
	run shimmed "$BIN/door_client" caller "$DOORS/caller.so"
	assert_line -n 0 'dlopen inner'
	assert_line -n 3 'dlopen inner'
}

@test 'another preload that stands in front of dlsym works before us and behind us' {
	local without
	without=$(LD_PRELOAD=$DOORS/other.so "$BIN/door_client" other)
	assert_equal "$without" $'other: text\nother: heard\nother: heard'
	for order in "$SHIM:$DOORS/other.so" "$DOORS/other.so:$SHIM"; do
		run env LD_PRELOAD="$order" timeout 10 "$BIN/door_client" other
		assert_success
		assert_output "$without"
	done
}

@test 'what is asked for by handle is governed in front of that other preload' {
	body gpt-4o >refused
	start_provider
	run --separate-stderr env LD_PRELOAD="$SHIM:$DOORS/other.so:$NAMES" timeout 40 $PYTHON \
		"$CLIENTS/py_ctypes.py" "$OPENAI/chat/completions" refused
	assert_refused_without_leak
}

@test 'allocators that ask dlsym before anybody is ready start, in each order' {
	for allocator in libjemalloc.so.2 libtcmalloc_minimal.so.4; do
		for order in "$SHIM:$allocator" "$allocator:$SHIM"; do
			run env LD_PRELOAD="$order" timeout 10 $PYTHON -c 'import ssl; print("fine")'
			assert_success
			assert_output fine
		done
	done
}

@test 'ctypes without TLS is left alone' {
	same_with_and_without $PYTHON -c '
import ctypes
libc, libm = ctypes.CDLL(None), ctypes.CDLL("libm.so.6")
libm.cos.restype = ctypes.c_double
print(libc.strlen(b"four"), libm.cos(ctypes.c_double(0)), hasattr(libm, "SSL_write"), hasattr(libm, "Bessel"))
try: libm.Simply
except AttributeError as error: print(error)'
}
