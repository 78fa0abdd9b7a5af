"""Holds a listener and both ends of one connection, its server's end in CLOSE_WAIT.

holder.py [ignore] [fork] [up]: ignores SIGTERM and SIGHUP; has a child process hold the same; brings up loopback first.
Prints its ports (server's, client's) and the pids that hold them.
"""
import os
import signal
import socket
import subprocess
import sys
import time

if "up" in sys.argv:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
if "ignore" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.shutdown(socket.SHUT_WR)
time.sleep(0.1)
pids = [os.getpid()]
if "fork" in sys.argv:
    child = os.fork()
    if child == 0:
        # Ends with the test, whatever becomes of its parent.
        time.sleep(60)
        os._exit(0)
    pids.append(child)
print(server.getsockname()[1], client.getsockname()[1], *pids, flush=True)
sys.stdin.read()
