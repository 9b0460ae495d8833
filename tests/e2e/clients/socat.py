"""socat between its standard streams and TLS."""
import os

from by_hand import Program, talk, where

talk(lambda: Program(
    "socat", "-t20", "-",
    f"OPENSSL:{where.hostname}:{where.port},cafile={os.environ['SSL_CERT_FILE']},"
    f"snihost={where.hostname},commonname={where.hostname}"))
