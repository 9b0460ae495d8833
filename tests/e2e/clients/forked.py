"""Forks between a request and its answer; the child frees its copy of the connection and ends."""
import gc
import http.client
import os
import ssl
import sys
import urllib.parse

where = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPSConnection(where.hostname, where.port, timeout=20,
                                         context=ssl.create_default_context())
connection.request("POST", where.path, sys.argv[2],
                   {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['API_KEY']}"})
child = os.fork()
if child == 0:
    del connection
    gc.collect()
    os._exit(0)
os.waitpid(child, 0)
answer = connection.getresponse()
print(answer.status, len(answer.read()) > 0)
