# SPDX-License-Identifier: MIT
"""What programs and providers say in the seeds of fuzz_gate and fuzz_gnutls, and the names of what both read."""

OBSERVE, MODELS, ASK, SET, LIMITS, ALLOW, OWN, NONE = range(8)
OPENAI, ANTHROPIC, NAMELESS, CHATGPT, OTHER, VLLM, GEMINI = range(7)
ALL, SOME, WAIT, BROKEN = range(4)  # of a plan, with `much` above them
KEY = "aigw-production-0Eoh211G4c8wtVWM00my5rsNSFlKgaWqQ4mb8joueeM"



def request(body='{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}', host="api.openai.com",
            path="/v1/chat/completions", fields="", method="POST"):
    return (f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer sk-x\r\n{fields}Content-Length: {len(body)}\r\n\r\n{body}")


def response(body='{"id":"c1","model":"gpt-5","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}',
             fields="", status="200 OK"):
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{fields}"
            f"Content-Length: {len(body)}\r\n\r\n{body}")


EVENTS = ['{"id":"c1","model":"gpt-5","choices":[{"delta":{"content":"a"}}],"usage":null}',
          '{"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}', "[DONE]"]


def stream(chunked=True, events=EVENTS):
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    body = ["data: %s\n\n" % e for e in events]
    if chunked:
        return (head + "Transfer-Encoding: chunked\r\n\r\n" +
                "".join("%x\r\n%s\r\n" % (len(e), e) for e in body) + "0\r\n\r\n")
    return head + "Content-Length: %d\r\n\r\n" % len("".join(body)) + "".join(body)


STREAM = '{"model":"gpt-5","stream":true,"messages":[]}'
SOCKET = ("GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: api.openai.com\r\nUpgrade: websocket\r\n"
          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
AGREED = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


def frame(text, opcode=1, masked=False):
    head = bytes([0x80 | opcode, len(text) | (0x80 if masked else 0)])
    return head + (b"\0\0\0\0" if masked else b"") + text.encode()
