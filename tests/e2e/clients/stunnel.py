"""stunnel for a program that speaks without TLS: one for each connection, as inetd starts them."""
import os
import socket
import subprocess

from by_hand import talk, where

CONFIGURATION = f"""
client = yes
connect = {where.hostname}:{where.port}
sni = {where.hostname}
checkHost = {where.hostname}
verifyChain = yes
CAfile = {os.environ["SSL_CERT_FILE"]}
"""


class Peer:
    def __init__(self):
        ours, theirs = socket.socketpair()
        configuration, end = os.pipe()
        os.write(end, CONFIGURATION.encode())
        os.close(end)
        self.process = subprocess.Popen(["stunnel4", "-fd", str(configuration)], stdin=theirs,
                                        stdout=theirs, stderr=subprocess.DEVNULL,
                                        pass_fds=[configuration])
        os.close(configuration)
        theirs.close()
        self.socket = ours
        self.answers = ours.makefile("rb")

    def write(self, data):
        self.socket.sendall(data)

    def close(self):
        self.answers.close()
        self.socket.close()
        self.process.wait(20)


talk(Peer)
