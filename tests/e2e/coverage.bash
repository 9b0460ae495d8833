# The table of real programs in the README: who is in it, and how each is measured. Loaded by
# coverage.bats behind helper.
# shellcheck shell=bash disable=SC2154,SC2016,SC2034  # variables of and for bats; expanded row by row

# One line for each row: what it is called, how it says its version, the file that `aigw doctor` is
# asked about, the client (clients/README). A row that begins with "?" is measured where its program
# is installed, and otherwise stays as it is in the README; all others must be here.
coverage_rows='
curl                  | curl --version                 | curl         | $CLIENTS/curl.sh
Python urllib         | $PYTHON --version              | $PYTHON      | $PYTHON $CLIENTS/py_urllib.py
Python requests       | $(python_version requests)     | $PYTHON      | $PYTHON $CLIENTS/py_requests.py
Python httpx, async   | $(python_version httpx)        | $PYTHON      | $PYTHON $CLIENTS/py_httpx_async.py
Python aiohttp        | $(python_version aiohttp)      | $PYTHON      | $PYTHON $CLIENTS/py_aiohttp.py
Python pycurl         | $(python_version pycurl)       | $(python_file pycurl) | $PYTHON $CLIENTS/py_curl.py
Ruby net/http         | ruby --version                 | ruby         | ruby $CLIENTS/net_http.rb
Perl LWP              | perl --version                 | perl         | perl $CLIENTS/lwp.pl
PHP streams           | php --version                  | php          | php $CLIENTS/streams.php
PHP curl              | php --version                  | $(php_extension curl) | php $CLIENTS/curl.php
Qt                    | $(python_version PyQt5.QtCore QT_VERSION_STR) | $(one /usr/lib/*/libQt5Network.so.5) | env QT_QPA_PLATFORM=offscreen $PYTHON $CLIENTS/qt.py
Tcl, tls              | tcl_version                    | tclsh | tclsh $CLIENTS/tls.tcl
Lua, sec              | lua5.4 -v                      | lua5.4       | lua5.4 $CLIENTS/sec.lua
socat                 | socat -V                       | socat        | $PYTHON $CLIENTS/socat.py
stunnel               | stunnel4 -version              | stunnel4     | $PYTHON $CLIENTS/stunnel.py
nginx as a proxy      | /usr/sbin/nginx -v             | /usr/sbin/nginx | $PYTHON $CLIENTS/nginx.py
openssl s_client      | openssl version                | openssl      | $PYTHON $CLIENTS/s_client.py
wget                  | wget --version                 | wget         | $CLIENTS/wget.sh
? Node.js 20          | $NODES/20/node --version       | $NODES/20/node | $NODES/20/node $CLIENTS/node/fetch.mjs
? Node.js 22          | $NODES/22/node --version       | $NODES/22/node | $NODES/22/node $CLIENTS/node/fetch.mjs
? Node.js 24          | $NODES/24/node --version       | $NODES/24/node | $NODES/24/node $CLIENTS/node/fetch.mjs
? Java HttpClient     | java --version                 | $(java_compiler) | $(java_with_authority) $CLIENTS/Ask.java HTTP
? Bun fetch           | $NPM_CLIENTS/bun --version     | $NPM_CLIENTS/bun | $NPM_CLIENTS/bun $CLIENTS/fetch.js
? Deno fetch          | $NPM_CLIENTS/deno --version    | $NPM_CLIENTS/deno | $NPM_CLIENTS/deno run --quiet --allow-all --cert $CERTS/ca.pem $CLIENTS/fetch.js
? Go, dynamic         | go version                     | $(go_program) | $(go_program)
? Go, static          | go version                     | $(go_program static) | $(go_program static)
'

# python_version MODULE [NAME]: the command that prints it
python_version() {
	echo "$PYTHON -c \"import $1 as m; print(getattr(m, '${2:-__version__}', 0) or m.version)\""
}

php_extension() {
	echo "$(php -r 'echo ini_get("extension_dir");')/$1.so"
}

tcl_version() {
	echo 'puts [package require tls]' | tclsh
}

one() {
	echo "$1"
}

python_file() {
	"$PYTHON" -c "import $1; print($1.__file__)"
}

# Ask.java is compiled as it starts: a runtime alone cannot.
java_compiler() {
	java --list-modules 2>/dev/null | grep -q jdk.compiler && echo java || echo no-java-compiler
}

java_with_authority() {
	local store=$BATS_TEST_TMPDIR/authority.p12
	[[ -e $store ]] || keytool -importcert -noprompt -alias test -file "$CERTS/ca.pem" \
		-keystore "$store" -storepass changeit >/dev/null 2>&1
	echo "java -Djavax.net.ssl.trustStore=$store -Djavax.net.ssl.trustStorePassword=changeit"
}

# Built once for each build directory: the first time takes a minute.
go_program() {
	local program=$BUILD/tests/go-call${1:+-$1} cgo=1
	[[ ! ${1:-} ]] || cgo=0
	command -v go >/dev/null || { echo go; return; }
	[[ $program -nt $CLIENTS/call.go ]] || env GOCACHE="$BUILD/go-cache" GOFLAGS= GO111MODULE=off \
		CGO_ENABLED=$cgo go build -o "$program" "$CLIENTS/call.go" >&2
	echo "$program"
}

trimmed() {
	local text=$1
	text=${text#"${text%%[! ]*}"}
	echo "${text%"${text##*[! ]}"}"
}

# The version of Debian's package or of upstream, whatever the program says first.
version_of() {
	eval "$1" 2>&1 | grep -oE '[0-9]+(\.[0-9]+[a-z]*)+' | head -n 1
}

# measured CLIENT [PROVIDER_OPTION]...: the last two cells. The client makes the call that is allowed,
# then the one that is refused; a cell says only what client, provider and log agree on.
measured() {
	local client=$1 answers requests records refused
	shift
	start_provider "$@"
	rm -rf "$AIGW_HOME/audit"
	mkdir -m 700 "$AIGW_HOME/audit"
	eval "set -- $client \"\$OPENAI/chat/completions\" \"\$CALLS/allowed\" \"\$CALLS/refused\""
	run --separate-stderr governed timeout 60 "$@"
	answers=$(grep -o '^HTTP [0-9]*' <<<"$output" | cut -d' ' -f2 | paste -sd+)
	requests=$(provider_saw '([.[] | select(.event == "request")] | length | tostring)
		+ "+" + ([.[].stray_bytes // 0] | add // 0 | tostring)')
	records=$(records 'map(.decision.action) | join("+")')
	refused=$(aigw log --json | jq -rs 'flatten | any(.type == "refused_connection")')
	case "$answers $requests $records $refused" in
	'200+403 1+0 allow+refuse false') echo 'recorded | 403, no byte sent' ;;
	'200+200 2+0  false') echo 'not seen | not seen' ;;
	' 0+0  true') echo 'connection refused | connection refused' ;;
	*) echo "unclear: answers $answers, requests $requests, records $records, refused $refused | $stderr" ;;
	esac
}

# coverage_row ROW: a line of the table, or nothing when the program of a "?" row is not here.
coverage_row() {
	local name version subject client said
	IFS='|' read -r name version subject client <<<"$1"
	name=$(trimmed "$name")
	eval "subject=$(trimmed "$subject")"
	said=$("$BUILD/aigw" doctor --json "$subject" 2>/dev/null) || (($? == 1)) || {
		[[ $name = '?'* ]] && echo "# not here, not measured: ${name#\? }" >&3 || echo "$name: not here"
		return
	}
	eval "version=\"$(trimmed "$version")\""
	local reach options=()
	reach=$(jq -r .reached <<<"$said")
	# the provider offers h2 but does not speak it: only who is governed is kept from choosing it
	[[ $reach = full ]] || options=(--alpn http/1.1)
	printf '| %s | %s | %s | %s | %s |\n' "$(trimmed "${name#\?}")" "$(version_of "$version")" \
		"$(jq -r '.tls | map(.label) | unique | join(", ")' <<<"$said" |
			sed -E 's/([0-9]+)\.[0-9]+\.[0-9]+[a-z]*/\1/g')" \
		"$(jq -r 'if .obstacles | length > 0 then "nothing: " + (.obstacles | map(.kind) | join(", "))
			else .tls | map(.reached_by) | unique | join(", ") end' <<<"$said")" \
		"$(measured "$client" "${options[@]}")"
}

# The lines of the table that stand in the README.
committed_rows() {
	sed -n '/^<!-- coverage -->$/,/^<!-- end of coverage -->$/p' "$ROOT/README.md" |
		grep '^| ' | tail -n +2
}

without_versions() {
	sed -E 's/^(\| [^|]* \|)[^|]*\|/\1/'
}
