"""urllib.request: a connection for each request, as that module has it. For several bodies it is
http.client, the module below it, which keeps its connection."""
import http.client
import urllib.error
import urllib.parse
import urllib.request

from common import FILES, HEADERS, URL, bodies, show, show_status


def read(answer):
    while piece := answer.read1(65536):
        show(piece)
    answer.close()  # the answer, not the connection
    show_status(answer.status)


if len(FILES) == 1:
    for body in bodies():
        try:
            read(urllib.request.urlopen(urllib.request.Request(URL, body, HEADERS)))
        except urllib.error.HTTPError as error:
            show(error.read())
            show_status(error.code)
else:
    where = urllib.parse.urlsplit(URL)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    connection = kind(where.hostname, where.port)
    for body in bodies():
        connection.request("POST", where.path, body, HEADERS)
        read(connection.getresponse())
