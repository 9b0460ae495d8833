"""`openssl s_client` as people script it: text in, text out."""
from by_hand import Program, talk, where

talk(lambda: Program(
    "openssl", "s_client", "-quiet", "-no_ign_eof", "-nocommands",
    "-verify_quiet", "-verify_return_error",
    "-servername", where.hostname, "-connect", where.netloc))
