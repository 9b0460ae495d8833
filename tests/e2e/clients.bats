#!/usr/bin/env bats
# Written by make-clients; the tests themselves are in client_tests.bash.
# shellcheck disable=SC2016  # the command lines are expanded in the test
load helper
load client_tests

@test 'curl with HTTP/1.1: an allowed call works as without us, and is recorded' { allowed 'env CURL_HTTP=--http1.1 $CLIENTS/curl.sh'; }
@test 'curl with HTTP/1.1: a streamed call works as without us, and is recorded whole' { streamed 'env CURL_HTTP=--http1.1 $CLIENTS/curl.sh'; }
@test 'curl with HTTP/1.1: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'env CURL_HTTP=--http1.1 $CLIENTS/curl.sh'; }
@test 'curl with HTTP/1.1: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'env CURL_HTTP=--http1.1 $CLIENTS/curl.sh'; }
@test 'curl with HTTP/1.1: 5 MB arrive unchanged' { uploaded 'env CURL_HTTP=--http1.1 $CLIENTS/curl.sh'; }
@test 'curl with HTTP/1.1: a kept connection carries on; its refused call does not get out' { kept_alive 'env CURL_HTTP=--http1.1 $CLIENTS/curl.sh'; }

@test 'curl as it is: an allowed call works as without us, and is recorded' { allowed '$CLIENTS/curl.sh'; }
@test 'curl as it is: a streamed call works as without us, and is recorded whole' { streamed '$CLIENTS/curl.sh'; }
@test 'curl as it is: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$CLIENTS/curl.sh'; }
@test 'curl as it is: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$CLIENTS/curl.sh'; }
@test 'curl as it is: 5 MB arrive unchanged' { uploaded '$CLIENTS/curl.sh'; }
@test 'curl as it is: a kept connection carries on; its refused call does not get out' { kept_alive '$CLIENTS/curl.sh'; }

@test 'python3 urllib: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/py_urllib.py'; }
@test 'python3 urllib: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/py_urllib.py'; }
@test 'python3 urllib: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/py_urllib.py'; }
@test 'python3 urllib: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/py_urllib.py'; }
@test 'python3 urllib: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/py_urllib.py'; }
@test 'python3 urllib: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/py_urllib.py'; }

@test 'python3 requests: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/py_requests.py'; }
@test 'python3 requests: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/py_requests.py'; }
@test 'python3 requests: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/py_requests.py'; }
@test 'python3 requests: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/py_requests.py'; }
@test 'python3 requests: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/py_requests.py'; }
@test 'python3 requests: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/py_requests.py'; }

@test 'python3 httpx: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/py_httpx.py'; }
@test 'python3 httpx: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/py_httpx.py'; }
@test 'python3 httpx: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/py_httpx.py'; }
@test 'python3 httpx: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/py_httpx.py'; }
@test 'python3 httpx: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/py_httpx.py'; }
@test 'python3 httpx: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/py_httpx.py'; }

@test 'python3 httpx, async: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/py_httpx_async.py'; }
@test 'python3 httpx, async: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/py_httpx_async.py'; }
@test 'python3 httpx, async: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/py_httpx_async.py'; }
@test 'python3 httpx, async: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/py_httpx_async.py'; }
@test 'python3 httpx, async: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/py_httpx_async.py'; }
@test 'python3 httpx, async: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/py_httpx_async.py'; }

@test 'python3 aiohttp: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/py_aiohttp.py'; }
@test 'python3 aiohttp: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/py_aiohttp.py'; }
@test 'python3 aiohttp: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/py_aiohttp.py'; }
@test 'python3 aiohttp: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/py_aiohttp.py'; }
@test 'python3 aiohttp: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/py_aiohttp.py'; }
@test 'python3 aiohttp: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/py_aiohttp.py'; }

@test 'python3 asyncio streams: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/py_asyncio.py'; }
@test 'python3 asyncio streams: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/py_asyncio.py'; }
@test 'python3 asyncio streams: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/py_asyncio.py'; }
@test 'python3 asyncio streams: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/py_asyncio.py'; }
@test 'python3 asyncio streams: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/py_asyncio.py'; }
@test 'python3 asyncio streams: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/py_asyncio.py'; }

@test 'ruby net/http: an allowed call works as without us, and is recorded' { allowed 'ruby $CLIENTS/net_http.rb'; }
@test 'ruby net/http: a streamed call works as without us, and is recorded whole' { streamed 'ruby $CLIENTS/net_http.rb'; }
@test 'ruby net/http: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'ruby $CLIENTS/net_http.rb'; }
@test 'ruby net/http: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'ruby $CLIENTS/net_http.rb'; }
@test 'ruby net/http: 5 MB arrive unchanged' { uploaded 'ruby $CLIENTS/net_http.rb'; }
@test 'ruby net/http: a kept connection carries on; its refused call does not get out' { kept_alive 'ruby $CLIENTS/net_http.rb'; }

@test 'perl LWP: an allowed call works as without us, and is recorded' { allowed 'perl $CLIENTS/lwp.pl'; }
@test 'perl LWP: a streamed call works as without us, and is recorded whole' { streamed 'perl $CLIENTS/lwp.pl'; }
@test 'perl LWP: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'perl $CLIENTS/lwp.pl'; }
@test 'perl LWP: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'perl $CLIENTS/lwp.pl'; }
@test 'perl LWP: 5 MB arrive unchanged' { uploaded 'perl $CLIENTS/lwp.pl'; }
@test 'perl LWP: a kept connection carries on; its refused call does not get out' { kept_alive 'perl $CLIENTS/lwp.pl'; }

@test 'php streams: an allowed call works as without us, and is recorded' { allowed 'php $CLIENTS/streams.php'; }
@test 'php streams: a streamed call works as without us, and is recorded whole' { streamed 'php $CLIENTS/streams.php'; }
@test 'php streams: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'php $CLIENTS/streams.php'; }
@test 'php streams: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'php $CLIENTS/streams.php'; }
@test 'php streams: 5 MB arrive unchanged' { uploaded 'php $CLIENTS/streams.php'; }
@test 'php streams: a kept connection carries on; its refused call does not get out' { kept_alive 'php $CLIENTS/streams.php'; }

@test 'openssl s_client: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/s_client.py'; }
@test 'openssl s_client: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/s_client.py'; }
@test 'openssl s_client: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/s_client.py'; }
@test 'openssl s_client: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/s_client.py'; }
@test 'openssl s_client: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/s_client.py'; }
@test 'openssl s_client: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/s_client.py'; }

@test 'this file is what make-clients writes' {
	run diff "$BATS_TEST_FILENAME" <("$BATS_TEST_DIRNAME/make-clients")
	assert_success
}
