"""What the clients in front of a reverse proxy share: HTTP without TLS over a local socket."""
import http.client
import os
import signal
import socket
import tempfile
import urllib.parse

from common import HEADERS, URL, bodies, show, show_status

where = urllib.parse.urlsplit(URL)


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__(where.netloc)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def talk(start):
    """start(directory) starts a proxy that goes into the background once it listens at the socket
    "socket" there, and leaves its process id in "pid"."""
    with tempfile.TemporaryDirectory() as directory:
        start(directory)
        with open(f"{directory}/pid") as file:
            pid = int(file.read())
        try:
            connection = Connection(f"{directory}/socket")
            for body in bodies():
                connection.request("POST", where.path, body, HEADERS)
                answer = connection.getresponse()
                while piece := answer.read1(65536):
                    show(piece)
                answer.close()
                show_status(answer.status)
            connection.close()
        finally:
            os.kill(pid, signal.SIGTERM)
