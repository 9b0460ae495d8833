"""A call for each line of standard input, and a line "call N" for each that was answered."""
import json
import os
import sys
import urllib.request

body = json.dumps({"model": "gpt-5", "messages": [{"role": "user", "content": "Hello"}]}).encode()
for number, _ in enumerate(sys.stdin, 1):
    request = urllib.request.Request(
        sys.argv[1] + "/chat/completions", body,
        {"Authorization": "Bearer " + os.environ["API_KEY"], "Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        answer.read()
    print("call", number, flush=True)
