#!/usr/bin/env bats
# What is said of real programs, by the README and by `aigw doctor`, is what is measured here: one
# call that the policy allows, one that it refuses. tools/dev/coverage-table writes the README's part.

# shellcheck disable=SC2154  # bats' variables
load helper
load coverage

setup() {
	MEASURED=$BATS_FILE_TMPDIR/measured
}

teardown() {
	stop_provider
}

@test 'every program of the table is here and was measured' {
	CALLS=$BATS_TEST_TMPDIR
	body gpt-5 >"$CALLS/allowed"
	body gpt-4o >"$CALLS/refused"
	the_policy_allows 'openai/gpt-5*'
	while IFS= read -r row; do
		[[ ! $row ]] || coverage_row "$row"
	done <<<"$coverage_rows" >"$MEASURED"
	[[ ! ${COVERAGE_TABLE:-} ]] || cp "$MEASURED" "$COVERAGE_TABLE"
	cat "$MEASURED"
	run ! grep -v '^| ' "$MEASURED"
	refute_output
	run ! grep unclear "$MEASURED"
	refute_output
}

@test 'what the doctor calls reached is governed, and nothing else is' {
	[[ -s $MEASURED ]]
	while IFS='|' read -r _ name _ _ way allowed refused _; do
		case $way in
		*nothing* | *ClientHello*)
			[[ $allowed != *recorded* ]] || fail "$name is governed, and the doctor says it is not"
			;;
		*)
			assert_equal "$name:$allowed/$refused" "$name: recorded / 403, no byte sent "
			;;
		esac
	done <"$MEASURED"
}

@test 'the table in the README is what was measured, versions aside' {
	local program
	[[ -s $MEASURED ]]
	# what is not installed here stays as it was
	while IFS='|' read -r _ program _; do
		grep -qF "|$program|" <(committed_rows) || fail "the README lacks$program"
	done <"$MEASURED"
	run diff <(committed_rows | grep -F -f <(cut -d'|' -f1,2 "$MEASURED" | sed 's/$/|/') | without_versions) \
		<(without_versions <"$MEASURED")
	assert_success
}
