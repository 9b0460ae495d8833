"""Another ordinary program: asks gpt-4o over asyncio streams, HTTP written by hand."""
import asyncio
import json
import os
import ssl
import urllib.parse


async def main():
    url = urllib.parse.urlsplit(os.environ["OPENAI_BASE_URL"] + "/chat/completions")
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello?"}]})
    reader, writer = await asyncio.open_connection(
        url.hostname, url.port, ssl=ssl.create_default_context())
    writer.write((
        f"POST {url.path} HTTP/1.1\r\n"
        f"Host: {url.netloc}\r\n"
        f"Authorization: Bearer {os.environ['OPENAI_API_KEY']}\r\n"
        f"Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n{body}").encode())
    head, _, text = (await reader.read()).decode().partition("\r\n\r\n")
    print(head.splitlines()[0])
    answer = json.loads(text)
    print(answer["error"]["message"] if "error" in answer
          else answer["choices"][0]["message"]["content"])
    writer.close()


asyncio.run(main())
