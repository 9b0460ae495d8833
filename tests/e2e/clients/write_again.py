"""A request three times over on a connection that was shut down before it: how each ended.

usage: write_again.py PORT [--plain]"""
import socket
import ssl
import sys

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
if "--plain" not in sys.argv:
    s = ssl.create_default_context().wrap_socket(s, server_hostname="api.openai.com")
body = b'{"model": "gpt-5", "messages": [{"role": "user", "content": "hello"}]}'
socket.socket.shutdown(s, socket.SHUT_WR)
for _ in range(3):
    try:
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: Bearer k\r\n"
                  b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        print("sent")
    except OSError as e:
        print(type(e).__name__)
