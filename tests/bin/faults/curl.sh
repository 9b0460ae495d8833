#!/bin/sh
# SPDX-License-Identifier: MIT
# curl.sh PORT FILE: curl sends what stands in the file as a whole request.
set -eu
run=$(sed -n 's/^X-Run: \([^\r]*\).*/\1/p' "$2")
exec curl -sS --max-time 30 --resolve "api.openai.com:$1:127.0.0.1" -H 'Authorization: Bearer sk-test' \
	-H "X-Run: $run" -H 'Content-Type: application/json' -w '\nHTTP %{http_code}\n' -d "$(tail -n 1 "$2")" \
	"https://api.openai.com:$1/v1/chat/completions"
