#!/bin/bash
# wget has one body for all URLs of a call: here it makes one call, and one connection, for each file.
url=$1
shift
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
for file; do
	wget --no-config --ca-certificate="$SSL_CERT_FILE" ${WGET_MORE:+"$WGET_MORE"} --tries=1 -nv \
		-O - --content-on-error --server-response --header="Authorization: Bearer $API_KEY" \
		--header='Content-Type: application/json' --post-file="$file" "$url" 2>"$errors"
	status=$?
	# 8: the server answered with an error status
	if ((status != 0 && status != 8)); then
		cat "$errors" >&2
		exit "$status"
	fi
	printf '\nHTTP %s\n' "$(sed -n 's/^ *HTTP\/[0-9.]* \([0-9]*\).*/\1/p' "$errors" | tail -n 1)"
done
