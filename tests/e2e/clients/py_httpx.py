import httpx

from common import HEADERS, URL, bodies, show, show_status

with httpx.Client(timeout=20) as client:
    for body in bodies():
        with client.stream("POST", URL, content=body, headers=HEADERS) as answer:
            for piece in answer.iter_bytes():
                show(piece)
            show_status(answer.status_code)
