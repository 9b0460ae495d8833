"""asyncio streams, with HTTP/1.1 written out by hand."""
import asyncio
import ssl
import urllib.parse

from common import HEADERS, URL, bodies, show, show_status


async def read_answer(reader):
    """Prints an answer; true when the connection may carry another one."""
    status = int((await reader.readline()).split()[1])
    headers = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            show(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
    elif "content-length" in headers:
        show(await reader.readexactly(int(headers["content-length"])))
    else:
        show(await reader.read())
    show_status(status)
    return headers.get("connection") != "close"


async def main():
    where = urllib.parse.urlsplit(URL)
    context = ssl.create_default_context()
    writer = None
    for body in bodies():
        if not writer:
            reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=context)
        head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        writer.write(head.encode() + b"\r\n")
        writer.write(body)
        await writer.drain()
        if not await asyncio.wait_for(read_answer(reader), 20):
            writer.close()
            await writer.wait_closed()
            writer = None
    if writer:
        writer.close()
        await writer.wait_closed()


asyncio.run(main())
