#!/usr/bin/env bats
# make install and make uninstall, as a packager and as a person use them.
load helper

into() { # into TARGET [VARIABLE=VALUE...]: never builds elsewhere than the tested build
	make -s -C "$ROOT" BUILD="$BUILD" "$@"
}

files_below() {
	(cd "$1" && find . -mindepth 1 | sort)
}

@test "uninstall removes exactly what install put there" {
	local dest=$BATS_TEST_TMPDIR/dest
	mkdir -p "$dest/usr/bin" "$dest/usr/share/man/man1"
	echo mine >"$dest/usr/bin/mine"
	echo mine >"$dest/usr/share/man/man1/mine.1"
	files_below "$dest" >"$BATS_TEST_TMPDIR/before"
	into install PREFIX=/usr DESTDIR="$dest"
	assert [ -x "$dest/usr/bin/aigw" ]
	assert [ -f "$dest/usr/lib/aigw/libaigw.so" ]
	assert [ -f "$dest/usr/share/man/man7/aigw.7" ]
	assert [ -x "$dest/usr/bin/aigwd" ]
	assert [ -f "$dest/usr/share/man/man8/aigwd.8" ]
	assert [ -f "$dest/usr/lib/systemd/system/aigwd.socket" ]
	run -0 grep '^ExecStart=' "$dest/usr/lib/systemd/system/aigwd.service"
	assert_output ExecStart=/usr/bin/aigwd
	run -0 grep '^ExecStart=' "$dest/usr/lib/systemd/system/aigwd-keys.service"
	assert_output 'ExecStart=/usr/bin/aigwd --hold-keys'
	run -0 grep '^ExecStart=' "$dest/usr/lib/systemd/system/aigwd-drain.service"
	assert_output --partial 'ExecStart=/usr/bin/aigwd --drain '
	into uninstall PREFIX=/usr DESTDIR="$dest"
	files_below "$dest" >"$BATS_TEST_TMPDIR/after"
	run -0 diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "systemd finds nothing to say about the units, and the collector's is well locked in" {
	local dest=$BATS_TEST_TMPDIR/place unit
	into install PREFIX="$dest" DESTDIR=
	# what it does not know it says, and goes on
	run -0 systemd-analyze verify --man=no "$dest/lib/systemd/system"/aigwd.{service,socket} \
		"$dest/lib/systemd/system/aigwd-drain.service"
	assert_output ''
	run -0 env XDG_RUNTIME_DIR="$BATS_TEST_TMPDIR" systemd-analyze --user verify --man=no "$dest/lib/systemd/user"/*
	assert_output ''
	run -0 systemd-analyze security --offline=yes --threshold=20 "$dest/lib/systemd/system/aigwd.service"
	run -0 systemd-analyze security --offline=yes --threshold=30 "$dest/lib/systemd/system/aigwd-drain.service"
}

@test "nothing at all is left below an empty DESTDIR" {
	local dest=$BATS_TEST_TMPDIR/dest
	mkdir "$dest"
	into install PREFIX=/usr DESTDIR="$dest"
	into uninstall PREFIX=/usr DESTDIR="$dest"
	run -0 files_below "$dest"
	assert_output ''
}

@test "the installed aigw finds its library and governs a program with it" {
	local dest=$BATS_TEST_TMPDIR/place
	into install PREFIX="$dest" DESTDIR=
	run -0 "$dest/bin/aigw" run -v -- /bin/echo hello
	assert_output --partial "$dest/lib/aigw/libaigw.so"
	assert_line hello
	into uninstall PREFIX="$dest" DESTDIR=
}
