#!/usr/bin/env bats
# Written by make-clients; the tests themselves are in client_tests.bash.
# shellcheck disable=SC2016  # the command lines are expanded in the test
load helper
load client_tests

@test 'php curl: an allowed call works as without us, and is recorded' { allowed 'php $CLIENTS/curl.php'; }
@test 'php curl: a streamed call works as without us, and is recorded whole' { streamed 'php $CLIENTS/curl.php'; }
@test 'php curl: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'php $CLIENTS/curl.php'; }
@test 'php curl: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'php $CLIENTS/curl.php'; }
@test 'php curl: 5 MB arrive unchanged' { uploaded 'php $CLIENTS/curl.php'; }
@test 'php curl: a kept connection carries on; its refused call does not get out' { kept_alive 'php $CLIENTS/curl.php'; }

@test 'Qt: an allowed call works as without us, and is recorded' { allowed 'env QT_QPA_PLATFORM=offscreen $PYTHON $CLIENTS/qt.py'; }
@test 'Qt: a streamed call works as without us, and is recorded whole' { streamed 'env QT_QPA_PLATFORM=offscreen $PYTHON $CLIENTS/qt.py'; }
@test 'Qt: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'env QT_QPA_PLATFORM=offscreen $PYTHON $CLIENTS/qt.py'; }
@test 'Qt: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'env QT_QPA_PLATFORM=offscreen $PYTHON $CLIENTS/qt.py'; }
@test 'Qt: 5 MB arrive unchanged' { uploaded 'env QT_QPA_PLATFORM=offscreen $PYTHON $CLIENTS/qt.py'; }
@test 'Qt: a kept connection carries on; its refused call does not get out' { kept_alive 'env QT_QPA_PLATFORM=offscreen $PYTHON $CLIENTS/qt.py'; }

@test 'python3 ctypes: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/py_ctypes.py'; }
@test 'python3 ctypes: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/py_ctypes.py'; }
@test 'python3 ctypes: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/py_ctypes.py'; }
@test 'python3 ctypes: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/py_ctypes.py'; }
@test 'python3 ctypes: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/py_ctypes.py'; }
@test 'python3 ctypes: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/py_ctypes.py'; }

@test 'BIO_f_ssl: an allowed call works as without us, and is recorded' { allowed 'env BIO_CLIENT=$BIN/bio_client $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl: a streamed call works as without us, and is recorded whole' { streamed 'env BIO_CLIENT=$BIN/bio_client $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'env BIO_CLIENT=$BIN/bio_client $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'env BIO_CLIENT=$BIN/bio_client $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl: 5 MB arrive unchanged' { uploaded 'env BIO_CLIENT=$BIN/bio_client $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl: a kept connection carries on; its refused call does not get out' { kept_alive 'env BIO_CLIENT=$BIN/bio_client $PYTHON $CLIENTS/bio.py'; }

@test 'BIO_f_ssl, _ex: an allowed call works as without us, and is recorded' { allowed 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=ex $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, _ex: a streamed call works as without us, and is recorded whole' { streamed 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=ex $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, _ex: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=ex $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, _ex: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=ex $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, _ex: 5 MB arrive unchanged' { uploaded 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=ex $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, _ex: a kept connection carries on; its refused call does not get out' { kept_alive 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=ex $PYTHON $CLIENTS/bio.py'; }

@test 'BIO_f_ssl, buffered: an allowed call works as without us, and is recorded' { allowed 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=buffered $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, buffered: a streamed call works as without us, and is recorded whole' { streamed 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=buffered $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, buffered: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=buffered $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, buffered: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=buffered $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, buffered: 5 MB arrive unchanged' { uploaded 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=buffered $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, buffered: a kept connection carries on; its refused call does not get out' { kept_alive 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=buffered $PYTHON $CLIENTS/bio.py'; }

@test 'BIO_f_ssl, nonblocking: an allowed call works as without us, and is recorded' { allowed 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=nonblocking $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, nonblocking: a streamed call works as without us, and is recorded whole' { streamed 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=nonblocking $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, nonblocking: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=nonblocking $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, nonblocking: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=nonblocking $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, nonblocking: 5 MB arrive unchanged' { uploaded 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=nonblocking $PYTHON $CLIENTS/bio.py'; }
@test 'BIO_f_ssl, nonblocking: a kept connection carries on; its refused call does not get out' { kept_alive 'env BIO_CLIENT=$BIN/bio_client BIO_MODE=nonblocking $PYTHON $CLIENTS/bio.py'; }

@test 'tcl-tls: an allowed call works as without us, and is recorded' { allowed 'tclsh $CLIENTS/tls.tcl'; }
@test 'tcl-tls: a streamed call works as without us, and is recorded whole' { streamed 'tclsh $CLIENTS/tls.tcl'; }
@test 'tcl-tls: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'tclsh $CLIENTS/tls.tcl'; }
@test 'tcl-tls: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'tclsh $CLIENTS/tls.tcl'; }
@test 'tcl-tls: 5 MB arrive unchanged' { uploaded 'tclsh $CLIENTS/tls.tcl'; }
@test 'tcl-tls: a kept connection carries on; its refused call does not get out' { kept_alive 'tclsh $CLIENTS/tls.tcl'; }

# without kept_alive: a connection for each request
@test 'lua-sec: an allowed call works as without us, and is recorded' { allowed 'lua5.4 $CLIENTS/sec.lua'; }
@test 'lua-sec: a streamed call works as without us, and is recorded whole' { streamed 'lua5.4 $CLIENTS/sec.lua'; }
@test 'lua-sec: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 'lua5.4 $CLIENTS/sec.lua'; }
@test 'lua-sec: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 'lua5.4 $CLIENTS/sec.lua'; }
@test 'lua-sec: 5 MB arrive unchanged' { uploaded 'lua5.4 $CLIENTS/sec.lua'; }

@test 'socat: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/socat.py'; }
@test 'socat: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/socat.py'; }
@test 'socat: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/socat.py'; }
@test 'socat: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/socat.py'; }
@test 'socat: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/socat.py'; }
@test 'socat: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/socat.py'; }

@test 'nginx as a proxy: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/nginx.py'; }
@test 'nginx as a proxy: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/nginx.py'; }
@test 'nginx as a proxy: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/nginx.py'; }
@test 'nginx as a proxy: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/nginx.py'; }
@test 'nginx as a proxy: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/nginx.py'; }
@test 'nginx as a proxy: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/nginx.py'; }

@test 'stunnel: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/stunnel.py'; }
@test 'stunnel: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/stunnel.py'; }
@test 'stunnel: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/stunnel.py'; }
@test 'stunnel: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/stunnel.py'; }
@test 'stunnel: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/stunnel.py'; }
@test 'stunnel: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/stunnel.py'; }

# without kept_alive: a connection for each request
@test 'wget: an allowed call works as without us, and is recorded' { allowed '$CLIENTS/wget.sh'; }
@test 'wget: a streamed call works as without us, and is recorded whole' { streamed '$CLIENTS/wget.sh'; }
@test 'wget: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$CLIENTS/wget.sh'; }
@test 'wget: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$CLIENTS/wget.sh'; }
@test 'wget: 5 MB arrive unchanged' { uploaded '$CLIENTS/wget.sh'; }

@test 'python3 pycurl: an allowed call works as without us, and is recorded' { allowed '$PYTHON $CLIENTS/py_curl.py'; }
@test 'python3 pycurl: a streamed call works as without us, and is recorded whole' { streamed '$PYTHON $CLIENTS/py_curl.py'; }
@test 'python3 pycurl: a refused call gets 403 over TLS 1.3, the provider no byte' { refused_13 '$PYTHON $CLIENTS/py_curl.py'; }
@test 'python3 pycurl: a refused streamed call gets 403 over TLS 1.2, the provider no byte' { refused_12 '$PYTHON $CLIENTS/py_curl.py'; }
@test 'python3 pycurl: 5 MB arrive unchanged' { uploaded '$PYTHON $CLIENTS/py_curl.py'; }
@test 'python3 pycurl: a kept connection carries on; its refused call does not get out' { kept_alive '$PYTHON $CLIENTS/py_curl.py'; }

@test 'this file is what make-clients writes' {
	run diff "$BATS_TEST_FILENAME" <("$BATS_TEST_DIRNAME/make-clients" more)
	assert_success
}
