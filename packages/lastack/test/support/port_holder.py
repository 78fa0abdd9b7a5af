"""Has a port in one of several ways until its input ends: port_holder.py WAY PORT [UID]. Says `ready` when it stands.

In a namespace of its own (see port.test.ts). WAY: listen, listen6, reuseport, bound, fin-wait-2, time-wait, churn.
"""
import errno
import os
import socket
import subprocess
import sys
import time

way, port = sys.argv[1], int(sys.argv[2])
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
if len(sys.argv) > 3:
    os.seteuid(int(sys.argv[3]))
LOOPBACK = "127.0.0.1"


def opened(family=socket.AF_INET, address=LOOPBACK, option=socket.SO_REUSEADDR, backlog=8):
    one = socket.socket(family)
    one.setsockopt(socket.SOL_SOCKET, option, 1)
    one.bind((address, port))
    if backlog:
        one.listen(backlog)
    return one


def sysctl(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
        file.write(value)


def closed_by_server(peer_closes):
    with opened() as listener:
        client = socket.create_connection((LOOPBACK, port))
        server, _ = listener.accept()
    server.close()
    if peer_closes:
        client.close()
    return client


def churn():
    """Opens and closes until no local port is left; says after how many seconds that was."""
    sysctl("ip_local_port_range", "40000 40599")
    sysctl("tcp_tw_reuse", "0")
    listener = opened(backlog=64)
    print("ready", flush=True)
    started = time.monotonic()
    while time.monotonic() - started < 60:
        try:
            client = socket.create_connection((LOOPBACK, port))
        except OSError as error:
            assert error.errno == errno.EADDRNOTAVAIL, error
            print(time.monotonic() - started, flush=True)
            break
        server, _ = listener.accept()
        client.close()
        server.close()
        time.sleep(0.01)


if way == "churn":
    churn()
    sys.exit()
if way == "fin-wait-2":
    sysctl("tcp_fin_timeout", "4")
kept = {
    "listen": opened,
    "listen6": lambda: opened(socket.AF_INET6, "::1"),
    "reuseport": lambda: opened(option=socket.SO_REUSEPORT),
    "bound": lambda: opened(backlog=0),
    "fin-wait-2": lambda: closed_by_server(False),
    "time-wait": lambda: closed_by_server(True),
}[way]()
print("ready", flush=True)
sys.stdin.read()
