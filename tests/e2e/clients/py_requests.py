import requests

from common import HEADERS, URL, bodies, show, show_status

with requests.Session() as session:
    for body in bodies():
        with session.post(URL, data=body, headers=HEADERS, stream=True) as answer:
            for piece in answer.iter_content(None):
                show(piece)
            show_status(answer.status_code)
