"""ctypes over libssl, as programs do that have no binding: every function is looked up by handle.
$LIBRARIES: several copies, separated by colons, used in turn."""
import ctypes
import io
import itertools
import os
import socket

from by_hand import talk, where

libraries = [ctypes.CDLL(name) for name in os.environ.get("LIBRARIES", "libssl.so.3").split(":")]
for library in libraries:
    for name in "TLS_client_method", "SSL_CTX_new", "SSL_new":
        getattr(library, name).restype = ctypes.c_void_p
VERIFY_PEER, SET_TLSEXT_HOSTNAME = 1, 55


class Peer(io.RawIOBase):
    def __init__(self, ssl):
        self.library = ssl
        context = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
        ssl.SSL_CTX_set_default_verify_paths(context)
        ssl.SSL_CTX_set_verify(context, VERIFY_PEER, None)
        self.ssl = ctypes.c_void_p(ssl.SSL_new(context))
        self.socket = socket.create_connection((where.hostname, where.port))
        name = where.hostname.encode()
        ssl.SSL_ctrl(self.ssl, SET_TLSEXT_HOSTNAME, ctypes.c_long(0), name)
        ssl.SSL_set1_host(self.ssl, name)
        ssl.SSL_set_fd(self.ssl, self.socket.fileno())
        if ssl.SSL_connect(self.ssl) != 1:
            raise OSError("no handshake")
        self.answers = io.BufferedReader(self)

    def readable(self):
        return True

    def readinto(self, space):
        return max(self.library.SSL_read(self.ssl, (ctypes.c_char * len(space)).from_buffer(space),
                                         len(space)), 0)

    def write(self, data):
        if self.library.SSL_write(self.ssl, data, len(data)) != len(data):
            raise OSError("no write")

    def close(self):
        if not self.closed:
            self.library.SSL_shutdown(self.ssl)
            self.library.SSL_free(self.ssl)
            self.socket.close()
        super().close()


turns = itertools.cycle(libraries)
talk(lambda: Peer(next(turns)))
