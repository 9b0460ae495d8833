#!/usr/bin/env bats
# Other preloaded libraries beside us, before us and after us: calls are governed as ever, other
# traffic is as it is without us, and nobody locks up or recurses.
load helper

setup() {
	the_policy_allows 'openai/gpt-5*'
	start_provider --alpn http/1.1
	cd "$BATS_TEST_TMPDIR"
	body gpt-5 >allowed
	body forbidden >forbidden
}

teardown() {
	stop_provider
}

# library NAME: its path, below whatever directory this machine's libraries are in.
library() {
	local path
	path=$(find /usr/lib -path "*/$1" -print -quit)
	[[ $path ]] || fail "$1 is not installed"
	echo "$path"
}

# preloading LIST COMMAND...: the two that every test needs are always there.
preloading() {
	timeout -k 2 60 env ${AROUND+"${AROUND[@]}"} LD_PRELOAD="$1" "${@:2}"
}

# What two threads and a child that all make calls print, whatever the order they came in.
threads_and_a_child() {
	cat <<-END
		import http.client, os, socket, sys, threading, time
		sys.path.insert(0, "$CLIENTS")
		sys.argv = ["", "$OPENAI/chat/completions"]
		from common import HEADERS
		statuses, lock = [], threading.Lock()
		def calls(model):
		    for i in range(4):
		        c = http.client.HTTPSConnection("api.openai.com", $PORT)
		        # nss_wrapper loses names when threads ask it at the same time, also without us
		        c._create_connection = lambda *_: socket.create_connection(("127.0.0.1", $PORT))
		        c.request("POST", "/v1/chat/completions", open(model, "rb").read(), HEADERS)
		        answer = c.getresponse()
		        answer.read()
		        c.close()
		        with lock: statuses.append(answer.status)
		def both():
		    threads = [threading.Thread(target=calls, args=(m,)) for m in ("allowed", "forbidden") * 2]
		    for t in threads: t.start()
		    for t in threads: t.join()
		both()
		# A thread that Python has joined may still be in OpenSSL's clean-up, with a lock that a child would
		# wait for without end, also without us.
		while len(os.listdir("/proc/self/task")) > 1: time.sleep(0.001)
		child = os.fork()
		if child:
		    assert os.waitpid(child, 0)[1] == 0
		else:
		    both()
		print(statuses.count(200), statuses.count(403), len(statuses), flush=True)
	END
}

# stands_beside LIBRARY [without-threads]: before us and after us, with three programs.
stands_beside() {
	local beside=$1 order program calls=4

	threads_and_a_child >threads.py
	same_beside "$beside:$NAMES" "$beside:$SHIM:$NAMES"
	same_beside "$beside:$NAMES" "$SHIM:$beside:$NAMES"
	for order in "$beside:$SHIM:$NAMES" "$SHIM:$beside:$NAMES"; do
		for program in "curl -sS -H @headers --data-binary @BODY -w \nHTTP_%{http_code}\n $OPENAI/chat/completions" \
			"$PYTHON $CLIENTS/py_urllib.py $OPENAI/chat/completions BODY"; do
			echo "# $order: $program" >&2
			printf 'Authorization: Bearer %s\nContent-Type: application/json\n' "$API_KEY" >headers
			# shellcheck disable=SC2086  # words
			run preloading "$order" ${program//BODY/allowed}
			assert_success
			assert_line --regexp '^HTTP.200$'
			# shellcheck disable=SC2086
			run preloading "$order" ${program//BODY/forbidden}
			assert_success
			assert_line --regexp '^HTTP.403$'
			assert_output --partial policy_denied
		done
		[[ ${2:-} != without-threads ]] || continue
		run preloading "$order" $PYTHON threads.py
		assert_success
		assert_output $'16 16 32\n8 8 16'
		calls=$((calls + 16))
	done
	assert_equal "$(records '[.[] | select(.outcome == "complete")] | length') complete" "$calls complete"
	assert_equal "$(records '[.[] | select(.outcome == "refused")] | length') refused" "$calls refused"
	assert_log_whole
	assert_equal "$(provider_saw '[.[] | select(.event == "request" and (.host | startswith("api.")))] | length')" "$calls"
}

# Output, errors and exit status of programs without calls to models do not differ.
same_beside() {
	local without=$1 with=$2 program was is

	for program in "curl -sS $PLAIN/plain -d x=1" "curl -sS --cacert /dev/null $PLAIN/plain" \
		"$PYTHON -c import(urllib.request)" "ls -la $ROOT/src" 'cat /nowhere' 'git --version'; do
		was=0 is=0
		# shellcheck disable=SC2086
		preloading "$without" $program >without.out 2>without.err || was=$?
		# shellcheck disable=SC2086
		preloading "$with" $program >with.out 2>with.err || is=$?
		assert_equal "$with: $program: exit $is" "$with: $program: exit $was"
		diff without.out with.out
		diff without.err with.err
	done
}

@test 'jemalloc before and after us' {
	stands_beside "$(library libjemalloc.so.2)"
}

@test 'tcmalloc before and after us' {
	stands_beside "$(library libtcmalloc_minimal.so.4)"
}

@test 'forks between threads that make calls, with jemalloc or tcmalloc before and after us' {
	local name beside order
	for name in libjemalloc.so.2 libtcmalloc_minimal.so.4; do
		beside=$(library $name)
		for order in "$beside:$SHIM" "$SHIM:$beside"; do
			run preloading "$order" "$BIN/odd_client" --ca "$CERTS/ca.pem" --port "$PORT" fork 2 gpt-5
			assert_success
			assert_line 'FORKS some CALLS some'
		done
	done
	assert_log_whole
}

@test 'libfaketime before and after us' {
	AROUND=(FAKETIME=+2d FAKETIME_DONT_RESET=1)
	stands_beside "$(library faketime/libfaketimeMT.so.1)"
}

@test 'the log has the time of the host, not that of libfaketime' {
	local beside order now
	beside=$(library faketime/libfaketimeMT.so.1)
	AROUND=(FAKETIME=+2d)
	for order in "$beside:$SHIM:$NAMES" "$SHIM:$beside:$NAMES"; do
		now=$(date -u +%s)
		run preloading "$order" $PYTHON -c 'import time; print(int(time.time()))'
		((output > now + 80000)) # the program believes it
		run preloading "$order" $PYTHON "$CLIENTS/py_urllib.py" "$OPENAI/chat/completions" allowed
		assert_success
		assert_answers 200
		assert_equal "$(last_record "(.time | sub(\"[.][0-9]+Z\"; \"Z\") | fromdate) - $now | fabs < 60")" true
	done
}

@test 'fakeroot before and after us' {
	local faked
	# The daemon behind it, as the fakeroot command starts it. It is not for threads.
	faked=$(faked-sysv 3>&-)
	AROUND=(FAKEROOTKEY="${faked%%:*}")
	run stands_beside "$(library libfakeroot/libfakeroot-sysv.so)" without-threads
	kill "${faked##*:}"
	assert_success
}

@test 'what fakeroot pretends is pretended with us as without' {
	local beside
	beside=$(dirname "$(library libfakeroot/libfakeroot-sysv.so)")
	for command in 'id -u' 'touch f; chown 1234:77 f; stat -c %u:%g f' 'mknod d c 1 3; stat -c %F d; rm d'; do
		fakeroot sh -c "$command" >without
		# us before it, and us after it
		fakeroot sh -c "export LD_PRELOAD=$SHIM:\$LD_PRELOAD; $command" >with
		diff without with
		fakeroot sh -c "export LD_PRELOAD=\$LD_PRELOAD:$SHIM; $command" >with
		diff without with
		env LD_PRELOAD="$SHIM" fakeroot sh -c "$command" >with
		diff without with
	done
	assert_equal "$(cat without)" 'character special file'
}

@test 'nss_wrapper before and after us' {
	stands_beside "$(library libnss_wrapper.so)"
}

@test 'several of them around us' {
	AROUND=(FAKETIME=+2d)
	stands_beside "$(library libtcmalloc_minimal.so.4):$(library faketime/libfaketimeMT.so.1)"
}
