"""What shutdown(SHUT_RD) does to a connected socket; what waking a program relies on."""
import select
import socket

server = socket.create_server(("127.0.0.1", 0))
here = socket.create_connection(server.getsockname())
there, _ = server.accept()
poll, edge = select.poll(), select.epoll()
poll.register(here, select.POLLIN)
edge.register(here, select.EPOLLIN | select.EPOLLET)
print("before", len(poll.poll(0)), len(edge.poll(0)))
here.shutdown(socket.SHUT_RD)
print("after", len(poll.poll(0)), len(edge.poll(0)))
print("read", here.recv(10))
here.sendall(b"to there")
print("there got", there.recv(10))
there.sendall(b"to here")
select.select([], [], [], 0.05)
print("later bytes", here.recv(10))
