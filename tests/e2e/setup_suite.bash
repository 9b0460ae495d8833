# Once per run: certificates. Everything else belongs to a test and lies in $BATS_TEST_TMPDIR.
setup_suite() {
	export CERTS=$BATS_RUN_TMPDIR/certs
	"$BATS_TEST_DIRNAME/../bin/make-certs" "$CERTS"
}
