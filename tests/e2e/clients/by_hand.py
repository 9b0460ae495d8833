"""HTTP/1.1 written out, for what carries bytes and knows no HTTP. connect() gives an object that
has write(bytes), a file `answers` to read from, and close()."""
import subprocess
import urllib.parse

from common import HEADERS, URL, bodies, show, show_status

where = urllib.parse.urlsplit(URL)


class Program:
    """One that passes on its standard input, and to its standard output."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answers = self.process.stdout

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close(self):
        self.process.communicate(timeout=20)  # the end of its input ends it


def read_answer(answers):
    """Prints an answer; true when the connection may carry another one."""
    status = int(answers.readline().split()[1])
    headers = {}
    while (line := answers.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        while size := int(answers.readline(), 16):
            show(answers.read(size))
            answers.readline()
        answers.readline()
    elif "content-length" in headers:
        show(answers.read(int(headers["content-length"])))
    else:
        show(answers.read())
    show_status(status)
    return headers.get("connection") != "close"


def talk(connect):
    peer = None
    for body in bodies():
        peer = peer or connect()
        head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        peer.write(head.encode() + b"\r\n" + body)
        if not read_answer(peer.answers):
            peer.close()
            peer = None
    if peer:
        peer.close()
