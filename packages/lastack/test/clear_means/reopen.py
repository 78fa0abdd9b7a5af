"""Re-opens the same address pairs again and again, each new connection tried out before it is closed by its program.
Prints "ready PORT PORT" (the two services), then, at the end of its input, JSON: how many were opened, and the cookies of
those that something else ended."""
import json, select, socket, struct, subprocess, sys

PAIRS = 32
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)


def service(family, address):
    listener = socket.socket(family)
    listener.bind((address, 0))
    listener.listen(PAIRS * 2)
    return listener


def cookie(end):
    return struct.unpack('=Q', end.getsockopt(socket.SOL_SOCKET, 57, 8))[0]


class Pair:
    def __init__(self, family, address, listener, port):
        self.family, self.address, self.listener, self.port = family, address, listener, port
        self.opened, self.victims = 0, []
        self.open()

    def open(self):
        self.client = socket.socket(self.family)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.client.bind((self.address, self.port))
        self.client.connect(self.listener.getsockname())
        self.server, _ = self.listener.accept()
        self.opened += 1

    def again(self):
        try:
            self.client.send(b'x')
            assert self.server.recv(1) == b'x'
            self.server.send(b'y')
            assert self.client.recv(1) == b'y'
        except (OSError, AssertionError):
            self.victims += [cookie(self.client), cookie(self.server)]
        # Without TIME_WAIT: the same pair is free at once.
        for end in (self.client, self.server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.client.close()
        self.server.close()
        self.open()


services = [(socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')]
services = [(family, address, service(family, address)) for family, address in services]
pairs = [Pair(*each, 20000 + index) for each in services for index in range(PAIRS)]
print('ready', *(listener.getsockname()[1] for _, _, listener in services), flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for pair in pairs:
        pair.again()
for pair in pairs:
    pair.again()
print(json.dumps({'opened': sum(pair.opened for pair in pairs), 'victims': sum((pair.victims for pair in pairs), [])}))
