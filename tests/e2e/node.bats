#!/usr/bin/env bats
# Written by make-clients; the tests themselves are in client_tests.bash.
# shellcheck disable=SC2016  # the command lines are expanded in the test
load helper
load client_tests

@test 'node 20 https: an allowed call works as without us, and is recorded' { allowed '$NODES/20/node $CLIENTS/node/https.mjs'; }
@test 'node 20 https: a streamed call works as without us, and is recorded whole' { streamed '$NODES/20/node $CLIENTS/node/https.mjs'; }
@test 'node 20 https: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$NODES/20/node $CLIENTS/node/https.mjs'; }
@test 'node 20 https: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$NODES/20/node $CLIENTS/node/https.mjs'; }
@test 'node 20 https: 5 MB arrive unchanged' { uploaded '$NODES/20/node $CLIENTS/node/https.mjs'; }
@test 'node 20 https: a kept connection carries on; its refused call does not get out' { kept_alive '$NODES/20/node $CLIENTS/node/https.mjs'; }

@test 'node 20 fetch: an allowed call works as without us, and is recorded' { allowed '$NODES/20/node $CLIENTS/node/fetch.mjs'; }
@test 'node 20 fetch: a streamed call works as without us, and is recorded whole' { streamed '$NODES/20/node $CLIENTS/node/fetch.mjs'; }
@test 'node 20 fetch: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$NODES/20/node $CLIENTS/node/fetch.mjs'; }
@test 'node 20 fetch: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$NODES/20/node $CLIENTS/node/fetch.mjs'; }
@test 'node 20 fetch: 5 MB arrive unchanged' { uploaded '$NODES/20/node $CLIENTS/node/fetch.mjs'; }
@test 'node 20 fetch: a kept connection carries on; its refused call does not get out' { kept_alive '$NODES/20/node $CLIENTS/node/fetch.mjs'; }

@test 'node 22 https: an allowed call works as without us, and is recorded' { allowed '$NODES/22/node $CLIENTS/node/https.mjs'; }
@test 'node 22 https: a streamed call works as without us, and is recorded whole' { streamed '$NODES/22/node $CLIENTS/node/https.mjs'; }
@test 'node 22 https: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$NODES/22/node $CLIENTS/node/https.mjs'; }
@test 'node 22 https: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$NODES/22/node $CLIENTS/node/https.mjs'; }
@test 'node 22 https: 5 MB arrive unchanged' { uploaded '$NODES/22/node $CLIENTS/node/https.mjs'; }
@test 'node 22 https: a kept connection carries on; its refused call does not get out' { kept_alive '$NODES/22/node $CLIENTS/node/https.mjs'; }

@test 'node 22 fetch: an allowed call works as without us, and is recorded' { allowed '$NODES/22/node $CLIENTS/node/fetch.mjs'; }
@test 'node 22 fetch: a streamed call works as without us, and is recorded whole' { streamed '$NODES/22/node $CLIENTS/node/fetch.mjs'; }
@test 'node 22 fetch: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$NODES/22/node $CLIENTS/node/fetch.mjs'; }
@test 'node 22 fetch: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$NODES/22/node $CLIENTS/node/fetch.mjs'; }
@test 'node 22 fetch: 5 MB arrive unchanged' { uploaded '$NODES/22/node $CLIENTS/node/fetch.mjs'; }
@test 'node 22 fetch: a kept connection carries on; its refused call does not get out' { kept_alive '$NODES/22/node $CLIENTS/node/fetch.mjs'; }

@test 'node 24 https: an allowed call works as without us, and is recorded' { allowed '$NODES/24/node $CLIENTS/node/https.mjs'; }
@test 'node 24 https: a streamed call works as without us, and is recorded whole' { streamed '$NODES/24/node $CLIENTS/node/https.mjs'; }
@test 'node 24 https: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$NODES/24/node $CLIENTS/node/https.mjs'; }
@test 'node 24 https: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$NODES/24/node $CLIENTS/node/https.mjs'; }
@test 'node 24 https: 5 MB arrive unchanged' { uploaded '$NODES/24/node $CLIENTS/node/https.mjs'; }
@test 'node 24 https: a kept connection carries on; its refused call does not get out' { kept_alive '$NODES/24/node $CLIENTS/node/https.mjs'; }

@test 'node 24 fetch: an allowed call works as without us, and is recorded' { allowed '$NODES/24/node $CLIENTS/node/fetch.mjs'; }
@test 'node 24 fetch: a streamed call works as without us, and is recorded whole' { streamed '$NODES/24/node $CLIENTS/node/fetch.mjs'; }
@test 'node 24 fetch: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$NODES/24/node $CLIENTS/node/fetch.mjs'; }
@test 'node 24 fetch: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$NODES/24/node $CLIENTS/node/fetch.mjs'; }
@test 'node 24 fetch: 5 MB arrive unchanged' { uploaded '$NODES/24/node $CLIENTS/node/fetch.mjs'; }
@test 'node 24 fetch: a kept connection carries on; its refused call does not get out' { kept_alive '$NODES/24/node $CLIENTS/node/fetch.mjs'; }

@test 'this file is what make-clients writes' {
	run diff "$BATS_TEST_FILENAME" <("$BATS_TEST_DIRNAME/make-clients" node)
	assert_success
}
