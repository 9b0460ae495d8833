import asyncio

import aiohttp

from common import HEADERS, URL, bodies, show, show_status


async def main():
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for body in bodies():
            async with session.post(URL, data=body, headers=HEADERS) as answer:
                async for piece in answer.content.iter_any():
                    show(piece)
                show_status(answer.status)


asyncio.run(main())
