# SPDX-License-Identifier: MIT
"""fork_calls.py PORT FILE: the request in the file, by the parent, then by a child and the parent."""
import os
import socket
import ssl
import sys


def call(port, request):
    context = ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", port)) as plain:
        with context.wrap_socket(plain, server_hostname="api.openai.com") as line:
            line.sendall(request)
            answer = b""
            while piece := line.recv(65536):
                answer += piece
    os.write(1, answer + b"\n")


def main():
    with open(sys.argv[2], "rb") as f:
        request = f.read()
    port = int(sys.argv[1])
    call(port, request)
    child = os.fork()
    call(port, request)
    if child:
        _, status = os.waitpid(child, 0)
        sys.exit(os.waitstatus_to_exitcode(status) & 127)


main()
