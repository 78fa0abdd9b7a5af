"""waiter.py HOST PORT [keepalive]: as waiter.c, in Python; with its own keepalive of two hours if told so."""
import errno
import select
import socket
import sys

address, port = sys.argv[1], int(sys.argv[2])
connection = socket.create_connection((address, port))
if "keepalive" in sys.argv:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
print("connected", connection.getsockname()[1], connection.fileno(), flush=True)
OPTIONS = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE)] + [
    (socket.IPPROTO_TCP, number) for number in (4, 5, 6, socket.TCP_LINGER2, 18, socket.TCP_SYNCNT)
]
is_open = True
while True:
    readable, _, _ = select.select([sys.stdin] + ([connection] if is_open else []), [], [])
    if connection in readable:
        try:
            if connection.recv(64):
                continue
            print("ended EOF", flush=True)
        except OSError as error:
            print("ended", errno.errorcode[error.errno], flush=True)
        is_open = False
    if sys.stdin in readable:
        command = sys.stdin.readline().strip()
        if command == "":
            break
        if command == "options":
            print("options", *(connection.getsockopt(*option) for option in OPTIONS), flush=True)
        elif command == "send":
            print("sent", connection.send(b"x"), flush=True)
        elif command == "half":
            connection.shutdown(socket.SHUT_WR)
            print("half 0", flush=True)
        elif command == "close":
            is_open = False
            connection.close()
            print("closed 0", flush=True)
