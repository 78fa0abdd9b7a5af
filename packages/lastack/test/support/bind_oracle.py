"""What bind() and then listen() really say. Reads {"addresses": [[address, v6only]], "ports": {set: port}} as JSON.

Each option set has a port of its own that stands in the same state: a successful SO_REUSEPORT bind changes what the
kernel answers to later ones on the same port. Prints {set: [[bind, listen], ...]} in the order of the addresses.
"""
import errno
import json
import socket
import sys

IPV6_V6ONLY = 26
SETS = {
    "plain": [],
    "reuseaddr": [socket.SO_REUSEADDR],
    "reuseport": [socket.SO_REUSEPORT],
    "both": [socket.SO_REUSEADDR, socket.SO_REUSEPORT],
}


def said(call, *arguments):
    try:
        call(*arguments)
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]


def attempt(address, v6only, port, options):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as one:
        if ":" in address:
            one.setsockopt(socket.IPPROTO_IPV6, IPV6_V6ONLY, 1 if v6only else 0)
        for option in options:
            one.setsockopt(socket.SOL_SOCKET, option, 1)
        bound = said(one.bind, (address, port))
        return [bound, said(one.listen, 1) if bound == "ok" else None]


def tries(addresses, port, options):
    # Dual-stack first: what it allows holds for every other address.
    first = sorted(range(len(addresses)), key=lambda index: addresses[index] != ["::", False])
    found = {index: attempt(*addresses[index], port, options) for index in first}
    return [found[index] for index in range(len(addresses))]


for line in sys.stdin:
    job = json.loads(line)
    print(json.dumps({name: tries(job["addresses"], port, SETS[name]) for name, port in job["ports"].items()}))
