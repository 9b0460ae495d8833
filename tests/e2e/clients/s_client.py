"""`openssl s_client` as people script it: text in, text out."""
import subprocess
import urllib.parse

from common import HEADERS, URL, bodies, show, show_status

where = urllib.parse.urlsplit(URL)


def connect():
    return subprocess.Popen(
        ["openssl", "s_client", "-quiet", "-no_ign_eof", "-nocommands",
         "-verify_quiet", "-verify_return_error",
         "-servername", where.hostname, "-connect", where.netloc],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def read_answer(out):
    status = int(out.readline().split()[1])
    headers = {}
    while (line := out.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        while size := int(out.readline(), 16):
            show(out.read(size))
            out.readline()
        out.readline()
    elif "content-length" in headers:
        show(out.read(int(headers["content-length"])))
    else:
        show(out.read())
    show_status(status)
    return headers.get("connection") != "close"


client = None
for body in bodies():
    if not client:
        client = connect()
    head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    client.stdin.write(head.encode() + b"\r\n" + body)
    client.stdin.flush()
    if not read_answer(client.stdout):
        client.communicate(timeout=20)
        client = None
if client:
    client.communicate(timeout=20)  # the end of its input ends it
