"""An ordinary program: asks Claude over urllib, prints the words as they come."""
import json
import os
import sys
import urllib.request

request = urllib.request.Request(
    os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages",
    json.dumps({
        "model": "claude-opus-5",
        "max_tokens": 200,
        "stream": True,
        "messages": [{"role": "user", "content": "What is two times two?"}],
    }).encode(),
    {
        "x-api-key": os.environ["ANTHROPIC_API_KEY"],
        "anthropic-version": "2023-06-01",
        "content-type": "application/json",
    })
with urllib.request.urlopen(request) as answer:
    for line in answer:
        if line.startswith(b"data: "):
            event = json.loads(line[len("data: "):])
            if event["type"] == "content_block_delta":
                sys.stdout.write(event["delta"]["text"])
                sys.stdout.flush()
print()
