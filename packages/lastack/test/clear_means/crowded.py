"""Leaves so many TIME_WAIT sockets (first argument), says "ready", and stays until the end of its input."""
import socket, subprocess, sys

subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
with open('/proc/sys/net/ipv4/tcp_max_tw_buckets', 'w') as file:
    file.write('1000000')
listener = socket.socket()
listener.bind(('127.0.0.1', 1081))
listener.listen()
for port in range(2000, 2000 + int(sys.argv[1])):
    client = socket.socket()
    client.bind(('127.0.0.1', port))
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    client.close()
    server.close()
print('ready', flush=True)
sys.stdin.read()
