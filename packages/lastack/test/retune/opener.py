"""Opens connections to itself when told to, and says what its own getsockopt gives for them. Commands on standard input:
open; wait (until the latest have keepalive: how long that took); options. Holds other sockets as well."""
import json
import socket
import subprocess
import sys
import time

NUMBERS = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE)] + [(socket.IPPROTO_TCP, number) for number in (4, 5, 6)]
LIMIT_S = 20

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
listener = socket.create_server(("127.0.0.1", 0))
others = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM), *socket.socketpair(), socket.socket()]
connections = []


def say(value):
    print(json.dumps(value), flush=True)


def read(one):
    return [one.getsockopt(*number) for number in NUMBERS]


def seen():
    return {"options": [read(one) for one in connections], "listener": read(listener)}


say("ready")
opened = time.monotonic()
for line in sys.stdin:
    if line == "open\n":
        connections.append(socket.create_connection(listener.getsockname()))
        connections.append(listener.accept()[0])
        opened = time.monotonic()
        say("open")
    elif line == "wait\n":
        while not all(read(one)[0] for one in connections) and time.monotonic() < opened + LIMIT_S:
            time.sleep(0.005)
        # Set in one go, keepalive itself last of its options.
        say({"seconds": time.monotonic() - opened, **seen()})
    elif line == "options\n":
        say(seen())
