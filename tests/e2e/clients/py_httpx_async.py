import asyncio

import httpx

from common import HEADERS, URL, bodies, show, show_status


async def main():
    async with httpx.AsyncClient(timeout=20) as client:
        for body in bodies():
            async with client.stream("POST", URL, content=body, headers=HEADERS) as answer:
                async for piece in answer.aiter_bytes():
                    show(piece)
                show_status(answer.status_code)


asyncio.run(main())
