"""A WebSocket client: websocket.py URL [--plain-frames] [--key-in-protocol] MESSAGE...

Prints each message it gets until the answer to its last message is done, then closes. What refuses
the connection is printed as the other clients do it. "drop" as a message ends without a good-bye."""
import asyncio
import os
import sys

import websockets

URL, MESSAGES = sys.argv[1], sys.argv[2:]
COMPRESSION = "deflate"
if MESSAGES[:1] == ["--plain-frames"]:
    COMPRESSION = None
    MESSAGES = MESSAGES[1:]


async def receive(line):
    """Until this response is done."""
    while True:
        text = await line.recv()
        print(text if len(text) < 1000 else f"{len(text)} long", flush=True)
        if "response.done" in str(text):
            return


async def main():
    headers = {"Authorization": "Bearer " + os.environ["API_KEY"]}
    protocols = None
    if MESSAGES[:1] == ["--key-in-protocol"]:  # as browsers do
        MESSAGES.pop(0)
        protocols = ["realtime", "openai-insecure-api-key." + os.environ["API_KEY"]]
        headers = {}
    line = await websockets.connect(
        URL, extra_headers=headers, subprotocols=protocols, compression=COMPRESSION, max_size=None
    )
    print(await line.recv(), flush=True)
    for message in MESSAGES:
        if message == "drop":
            os._exit(0)
        await line.send(message)
        await receive(line)
    await line.close()
    print("closed", line.close_code, flush=True)


try:
    asyncio.run(main())
except websockets.InvalidStatusCode as refused:
    print("HTTP", refused.status_code, refused.headers.get("x-aigw-rule"))
    sys.exit(1)
except websockets.ConnectionClosed as closed:
    print("closed", closed.rcvd.code if closed.rcvd else "without a word")
