"""$BIO_CLIENT, over a BIO of libssl's: see tests/bin/bio_client.c, also for $BIO_MODE."""
import os

from by_hand import Program, talk, where

talk(lambda: Program(os.environ["BIO_CLIENT"], *os.environ.get("BIO_MODE", "").split(),
                     where.hostname, str(where.port)))
