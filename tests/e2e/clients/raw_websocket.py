"""Asks for a WebSocket by hand and then sends bytes that are no frames: raw_websocket.py PORT PATH TEXT [TIMES]

The provider sends back what it gets. Without TIMES the text goes out byte by byte; with it, so often
and as fast as the socket takes it, which does not block."""
import hashlib
import os
import select
import socket
import ssl
import sys

PORT, PATH, TEXT = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()


def ask(line):
    line.sendall(
        f"GET {PATH} HTTP/1.1\r\nHost: api.openai.com:{PORT}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {os.environ['API_KEY']}\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += line.recv(1)
    print(head.split(b"\r\n")[0].decode())


def drip(line):
    got = b""
    for byte in TEXT:
        line.sendall(bytes([byte]))
    while len(got) < len(TEXT):
        got += line.recv(65536)
    print(got.decode())


def pour(line, text):
    """Prints the digest of what came back, and "blocked" when the socket ever was."""
    line.setblocking(False)
    sent, got, blocked = 0, bytearray(), False
    while len(got) < len(text):
        try:
            if sent < len(text):
                sent += line.send(text[sent : sent + 300000])
        except ssl.SSLWantWriteError:
            blocked = True
        try:
            while piece := line.recv(65536):
                got += piece
        except ssl.SSLWantReadError:
            pass
        select.select([line], [line] if sent < len(text) else [], [], 5)
    print(len(got), hashlib.sha256(got).hexdigest(), "blocked" if blocked else "never blocked")


context = ssl.create_default_context()
with socket.create_connection(("api.openai.com", PORT)) as plain:
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with context.wrap_socket(plain, server_hostname="api.openai.com") as line:
        ask(line)
        if len(sys.argv) > 4:
            pour(line, TEXT * int(sys.argv[4]))
        else:
            drip(line)
