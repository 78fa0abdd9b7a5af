"""Opens and closes the same address pairs again and again, in no order: about half of them are open and the others in
TIME_WAIT, at the server's side (a newer SYN takes the pair over at once) or at the client's (its connect() does, after a
second). Each connection is tried out before it is closed. Prints "ready", then, at the end of its input, JSON: how many
were opened, how many of them on a pair that was in TIME_WAIT, and the pairs that something else ended."""
import errno, json, random, select, socket, subprocess, sys, time

PAIRS = 400
TIMEOUT_S = 10
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
for name, value in (('tcp_tw_reuse', '1'), ('tcp_timestamps', '1'), ('tcp_max_tw_buckets', '100000')):
    with open('/proc/sys/net/ipv4/' + name, 'w') as file:
        file.write(value)


def service(family, address):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 0))
    listener.listen(PAIRS * 2)
    listener.settimeout(TIMEOUT_S)
    return listener


class Pair:
    def __init__(self, family, address, listener, port, client_waits):
        self.family, self.address, self.listener, self.port = family, address, listener, port
        self.client_waits = client_waits
        self.client, self.closed, self.opened, self.reused, self.victims = None, None, 0, 0, []

    def open(self):
        client = socket.socket(self.family)
        client.settimeout(TIMEOUT_S)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((self.address, self.port))
        try:
            client.connect(self.listener.getsockname())
            server = self.accepted()
        except OSError as error:
            client.close()
            # Or its TIME_WAIT is younger than a second.
            if error.errno != errno.EADDRNOTAVAIL or not self.client_waits:
                self.victims.append(f'{self.address} {self.port}: {error}')
            return
        self.client, self.server = client, server
        self.opened += 1
        if self.closed is not None:
            self.reused += 1

    def accepted(self):
        while True:
            server, peer = self.listener.accept()
            server.settimeout(TIMEOUT_S)
            if peer[1] == self.port:
                return server
            # Left over from one that was ended while it opened.
            server.close()

    def works(self):
        try:
            self.client.send(b'x')
            assert self.server.recv(1) == b'x'
            self.server.send(b'y')
            assert self.client.recv(1) == b'y'
            return True
        except (OSError, AssertionError):
            return False

    def close(self):
        if not self.works():
            self.victims.append(f'{self.address} {self.port}')
        ends = (self.client, self.server) if self.client_waits else (self.server, self.client)
        for end in ends:
            end.close()
        self.client, self.closed = None, time.monotonic()

    def step(self):
        if self.client:
            self.close()
        elif not self.client_waits or self.closed is None or time.monotonic() - self.closed > 1.2:
            self.open()


services = [(socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')]
services = [(family, address, service(family, address)) for family, address in services]
pairs = [Pair(*each, 20000 + index, index % 2 == 0) for each in services for index in range(PAIRS)]
print('ready', flush=True)
steps = 0
while steps % 100 or not select.select([sys.stdin], [], [], 0)[0]:
    random.choice(pairs).step()
    steps += 1
for pair in pairs:
    if pair.client:
        pair.close()
total = lambda count: sum(map(count, pairs))
print(json.dumps({
    'opened': total(lambda pair: pair.opened),
    'reused': {
        'server': total(lambda pair: 0 if pair.client_waits else pair.reused),
        'client': total(lambda pair: pair.reused if pair.client_waits else 0),
    },
    'victims': sum((pair.victims for pair in pairs), []),
}))
