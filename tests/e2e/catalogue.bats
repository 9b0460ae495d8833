#!/usr/bin/env bats
# The catalogue of providers: what `aigw providers` says is what policy/providers.json says, and the
# generator takes nothing that is malformed.

# shellcheck disable=SC2154  # bats' own
load helper

FILE=$ROOT/policy/providers.json

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# refused JQ MESSAGE: the file with that change is refused with that message, and nothing is written.
refused() {
	jq "$1" "$FILE" >changed.json
	run -1 "$BUILD/make-catalogue" changed.json
	assert_output --regexp 'changed\.json:[0-9]+:[0-9]+: '
	assert_output --partial "$2"
	refute_output --partial 'struct'
}

@test "the table has every provider of the file, in its order" {
	assert_equal "$(aigw providers | tail -n +2 | cut -d' ' -f1)" "$(jq -r '.providers[].name' "$FILE")"
}

@test "as JSON it has their hosts, dialects, dates and sources" {
	what='[.[] | {name, dialect, hosts, date, source, paths_only: (.paths_only // false),
		certainty: (.certainty // "read")}]'
	assert_equal "$(aigw providers --json | jq -c "$what")" "$(jq -c ".providers | $what" "$FILE")"
}

@test "one provider: its endpoints are those of its mounts below their bases" {
	run -0 aigw providers groq --json
	mounted=$(jq -r '.dialects[] | select(.name == "openai") | .endpoints[].match' "$FILE" |
		sed 's, /, /openai/v1/,')
	assert_equal "$(jq -r '.endpoints[] | .method + " " + .path' <<<"$output")" "$mounted"
	assert_equal "$(jq -r '.credentials[0]' <<<"$output")" 'header authorization bearer'
	run -0 aigw providers databricks
	refute_output --partial '/serving-endpoints/files'
	assert_output --partial 'only the endpoints below'
	assert_output --partial 'a guess'
}

@test "a provider that is not there is a finding, and the near name is told" {
	run -1 aigw providers cohre
	assert_output --partial "did you mean 'cohere'?"
	run -2 aigw providers openai anthropic
}

@test "every host that only a guess knows says so" {
	assert_equal "$(aigw providers --json | jq -r '[.[] | select(.certainty == "guess").name] | join(" ")')" \
		"$(jq -r '[.providers[] | select(.certainty == "guess").name] | join(" ")' "$FILE")"
}

@test "the generator takes the file, and writes the same every time" {
	"$BUILD/make-catalogue" "$FILE" >one
	"$BUILD/make-catalogue" "$FILE" >two
	cmp one two
}

@test "the generator refuses what is malformed, and says where" {
	refused '.version = 1' 'version 2 was expected'
	refused 'del(.dialects)' 'the dialects must stand before'
	refused 'del(.providers)' '"providers": missing here'
	refused '.more = 1' 'unknown key'
	refused '.dialects |= map(select(.name != "cohere"))' 'cohere'
	refused '.dialects[0].name = "opanai"' 'this version has no such dialect'
	refused '.dialects[0].refusal = "shrug"' 'no such error shape'
	refused '.dialects[0].credentials = ["cookie jar"]' 'a credential is'
	refused '.dialects[0].endpoints[0].match = "post /x"' 'a method is upper case'
	refused '.dialects[0].endpoints[0].match = "POST x"' 'a path begins with /'
	refused '.dialects[0].endpoints[0].match = "POST /a*b"' 'a segment is a word'
	refused '.dialects[0].endpoints[0].match = "POST /**/a"' 'a segment is a word'
	refused '.dialects[0].endpoints[0].match = "POST /{model}"' 'goes with "model": "path"'
	refused '.dialects[0].endpoints[0] |= (.match = "POST /{model}/{model}" | .model = "path")' 'one {model} at most'
	refused '.dialects[0].endpoints[0].model = "path"' 'goes with "model": "path"'
	refused '.dialects[0].endpoints[0].model = "head"' 'a model stands in'
	refused '.dialects[0].endpoints[0].operation = "sing"' 'no such operation'
	refused '.dialects[0].endpoints[0].stream = "river"' 'stream is one of'
	refused '.dialects[0].endpoints[0].text = ["model"]' 'a JSON pointer begins with /'
	refused '.dialects[0].endpoints[0].dialect = "openai"' "only a provider's own endpoint"
	refused '.dialects[0].endpoints += [.dialects[0].endpoints[0]]' 'stands in the list already'
	refused '.providers[0].name = "Open AI"' 'a name is lower case'
	refused '.providers[1].name = "openai"' 'two providers have this name'
	refused '.providers[0].hosts = []' 'name at least one host'
	refused '.providers[0].hosts = ["*.com"]' 'at least two names'
	refused '.providers[1].hosts = ["api.openai.com"]' 'this host stands in the file already'
	refused '.providers[0].hosts = ["API.openai.com"]' 'lower case'
	refused '.providers[0].mounts = ["openai v1"]' 'a mount is a dialect'
	refused '.providers[0].mounts = ["opanai /v1"]' 'no such dialect'
	refused '.providers[0].mounts = ["openai /v*"]' 'a word or *'
	refused '.providers[0].mounts = []' 'this provider has no endpoint'
	refused '.providers[0].drop = ["GET /x"]' 'no mounted dialect has this endpoint'
	refused '.providers[0].paths_only = false' 'true or left out'
	refused '.providers[0].certainty = "sure"' 'certainty is'
	refused '.providers[0].date = "2026-13"' 'a date is year and month'
	refused 'del(.providers[0].source)' '"source": missing here'
}
