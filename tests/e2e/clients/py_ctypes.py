"""ctypes over libssl, as programs do that have no binding: every function is looked up by handle."""
import ctypes
import io
import socket

from by_hand import talk, where

ssl = ctypes.CDLL("libssl.so.3")
for name in "TLS_client_method", "SSL_CTX_new", "SSL_new":
    getattr(ssl, name).restype = ctypes.c_void_p
VERIFY_PEER, SET_TLSEXT_HOSTNAME = 1, 55


class Peer(io.RawIOBase):
    def __init__(self):
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
        return max(ssl.SSL_read(self.ssl, (ctypes.c_char * len(space)).from_buffer(space), len(space)), 0)

    def write(self, data):
        if ssl.SSL_write(self.ssl, data, len(data)) != len(data):
            raise OSError("no write")

    def close(self):
        if not self.closed:
            ssl.SSL_shutdown(self.ssl)
            ssl.SSL_free(self.ssl)
            self.socket.close()
        super().close()


talk(Peer)
