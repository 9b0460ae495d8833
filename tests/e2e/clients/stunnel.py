"""stunnel in client mode: the program in front speaks HTTP, stunnel does the TLS."""
import os
import subprocess

from proxied import talk, where

CONFIGURATION = """
pid = {directory}/pid
output = {directory}/log
[provider]
client = yes
accept = {directory}/socket
connect = {where.hostname}:{where.port}
sni = {where.hostname}
checkHost = {where.hostname}
verifyChain = yes
CAfile = {authority}
"""


def start(directory):
    with open(f"{directory}/conf", "w") as file:
        file.write(CONFIGURATION.format(directory=directory, where=where,
                                        authority=os.environ["SSL_CERT_FILE"]))
    subprocess.run(["stunnel4", f"{directory}/conf"], check=True, stderr=subprocess.DEVNULL)


talk(start)
