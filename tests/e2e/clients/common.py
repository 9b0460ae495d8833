"""What the Python clients share: the command line and the way answers are printed."""
import os
import sys

URL, FILES = sys.argv[1], sys.argv[2:]
HEADERS = {"Authorization": "Bearer " + os.environ["API_KEY"], "Content-Type": "application/json"}


def bodies():
    for name in FILES:
        with open(name, "rb") as file:
            yield file.read()


def show(piece):
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def show_status(status):
    show(b"\nHTTP %d\n" % status)
