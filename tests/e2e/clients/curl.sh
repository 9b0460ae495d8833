#!/bin/bash
# The command line tool. $CURL_HTTP: --http1.1, --http2 or nothing for curl's own choice.
url=$1
shift
args=()
for file; do
	((${#args[@]})) && args+=(--next)
	args+=(-sS -N ${CURL_HTTP:+"$CURL_HTTP"} -H "Authorization: Bearer $API_KEY"
		-H 'Content-Type: application/json' --data-binary "@$file" -w '\nHTTP %{http_code}\n' "$url")
done
exec curl "${args[@]}"
