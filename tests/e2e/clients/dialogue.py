"""One process that stays: asks what its standard input tells it to, one line each.

    MODEL...          a call for each model; answers "MODEL STATUS"
    until STATUS M S  calls with model M until the status comes, at most S seconds; answers
                      "STATUS MILLISECONDS"
    first M           a streamed call; answers the first event and stays in the middle of the stream
"""
import json
import sys
import time
import urllib.error
import urllib.request

from common import HEADERS, URL


def ask(model, stream=False):
    body = json.dumps({"model": model, "stream": stream, "messages": []}).encode()
    return urllib.request.urlopen(urllib.request.Request(URL, body, HEADERS), timeout=20)


def status(model):
    try:
        with ask(model) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


for line in sys.stdin:
    words = line.split()
    if words[0] == "until":
        start = time.monotonic()
        while (found := status(words[2])) != int(words[1]) and time.monotonic() < start + float(words[3]):
            pass
        print(found, round((time.monotonic() - start) * 1000), flush=True)
    elif words[0] == "first":
        answer = ask(words[1], stream=True)
        print(answer.readline().decode().strip(), flush=True)
    else:
        for model in words:
            print(model, status(model), flush=True)
