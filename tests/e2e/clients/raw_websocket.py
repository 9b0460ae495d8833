"""Asks for a WebSocket by hand and then sends bytes that are no frames: raw_websocket.py PORT PATH TEXT

The provider sends back what it gets; it is printed."""
import os
import socket
import ssl
import sys

PORT, PATH, TEXT = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
context = ssl.create_default_context()
with socket.create_connection(("api.openai.com", PORT)) as plain:
    with context.wrap_socket(plain, server_hostname="api.openai.com") as line:
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
        got = b""
        for byte in TEXT:
            line.sendall(bytes([byte]))
        while len(got) < len(TEXT):
            got += line.recv(65536)
        print(got.decode())
