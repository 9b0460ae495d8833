"""A governed connection over a memory BIO (asyncio), with children of vfork between connect and the
ClientHello: they close every descriptor, in the parent's memory. Prints the status of the answer."""
import asyncio
import os
import socket
import ssl
import subprocess
import sys


async def main(port):
    sock = socket.create_connection(("127.0.0.1", port))
    for _ in range(3):
        subprocess.run(["/bin/true"], close_fds=True, check=True)
        subprocess.run(["/bin/true"], stdin=subprocess.DEVNULL, stdout=sock, check=True)
        os.posix_spawn("/bin/true", ["true"], {}, file_actions=[
            (os.POSIX_SPAWN_CLOSE, sock.fileno()), (os.POSIX_SPAWN_DUP2, 0, sock.fileno())])
        os.wait()
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(
        sock=sock, ssl=ssl.create_default_context(), server_hostname="api.openai.com")
    body = b'{"model":"forbidden","messages":[]}'
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    line = await asyncio.wait_for(reader.readline(), 10)
    print("HTTP", line.split()[1].decode())


asyncio.run(main(int(sys.argv[1])))
