"""Sockets of many kinds in the network namespace this runs in; answers questions about them, one JSON line each.

{"ss": [ARGUMENT, ...]}           -> {"status": N, "lines": [...]}
{"dump": BYTECODE_HEX, "states": MASK} -> {"rows": [...]} or {"errno": N}, read from sock_diag directly
"""
import ctypes, json, os, socket, struct, subprocess, sys, time

V4, V6 = socket.AF_INET, socket.AF_INET6
kept = []


def run(*arguments):
    subprocess.run(arguments, check=True)


def listener(family, address, port, only_v6=True, backlog=8):
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == V6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if only_v6 else 0)
    one.bind((address, port))
    one.listen(backlog)
    kept.append(one)
    return one


def client(family, source, target, mark=None, device=None, wait=True):
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if mark is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    if device is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if source is not None:
        one.bind(source)
    one.setblocking(wait)
    one.connect_ex(target) if not wait else one.connect(target)
    kept.append(one)
    return one


def make_sockets():
    run("ip", "link", "set", "lo", "up")
    for address in ("10.0.0.1/8", "10.1.0.1/8"):
        run("ip", "address", "add", address, "dev", "lo")
    run("ip", "address", "add", "2001:db8::1/64", "dev", "lo", "nodad")
    web = listener(V4, "0.0.0.0", 80)
    dual = listener(V6, "::", 443, only_v6=False)
    listener(V4, "127.0.0.1", 22)
    full = listener(V4, "10.0.0.1", 2200, backlog=0)
    client(V4, ("10.0.0.1", 2001), ("127.0.0.1", 80))
    client(V4, ("10.1.0.1", 2002), ("10.0.0.1", 80), mark=5)
    client(V4, ("10.1.0.1", 2003), ("10.0.0.1", 443))
    client(V6, ("2001:db8::1", 2004), ("::1", 443))
    client(V6, ("::ffff:10.0.0.1", 2005), ("::ffff:127.0.0.1", 443))
    client(V4, ("127.0.0.1", 2006), ("127.0.0.1", 22), device="lo")
    # Ports of the ephemeral range: given out by the kernel, and asked for.
    client(V4, None, ("10.0.0.1", 80))
    client(V4, ("10.0.0.1", 40000), ("10.0.0.1", 80))
    # FIN_WAIT2 and CLOSE_WAIT, then TIME_WAIT.
    half = client(V4, ("10.0.0.1", 2007), ("10.1.0.1", 80))
    half.shutdown(socket.SHUT_WR)
    gone = client(V6, ("::1", 2008), ("::1", 443))
    for _ in range(64):
        accepted, peer = dual.accept()
        kept.append(accepted)
        if peer[1] == 2008:
            break
    gone.close()
    kept.remove(gone)
    accepted.recv(1)
    accepted.close()
    kept.remove(accepted)
    # The first fills the accept queue, the others stay in SYN_SENT.
    client(V4, ("10.0.0.1", 2009), ("10.0.0.1", 2200))
    client(V4, ("10.0.0.1", 2010), ("10.0.0.1", 2200), wait=False)
    assert web and full
    time.sleep(0.2)


def rows(data):
    at = 0
    while at < len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        if kind == 3:
            yield "done"
        elif kind == 2:
            yield -struct.unpack_from("=i", data, at + 16)[0]
        else:
            yield row(data[at + 16 : at + length])
        at += (length + 3) & ~3


def row(body):
    family, state = body[0], body[1]
    local_port, remote_port = struct.unpack_from(">HH", body, 4)
    size = 4 if family == V4 else 16
    interface, cookie_low, cookie_high = struct.unpack_from("=III", body, 40)
    _, receive, send, _, inode = struct.unpack_from("=IIIII", body, 52)
    result = {
        "state": state, "family": 4 if family == V4 else 6, "timer": body[2], "inode": inode,
        "local": list(body[8 : 8 + size]), "remote": list(body[24 : 24 + size]),
        "localPort": local_port, "remotePort": remote_port, "interfaceIndex": interface,
        "receiveQueue": receive, "sendQueue": send, "cookie": "%x" % (cookie_high << 32 | cookie_low),
    }
    at = 72
    while at + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, at)
        if kind == 15:
            result["mark"] = struct.unpack_from("=I", body, at + 4)[0]
        if kind == 21:
            result["cgroupId"] = str(struct.unpack_from("=Q", body, at + 4)[0])
        at += (length + 3) & ~3
    return result


def dump(bytecode, states):
    found = []
    for family in (V4, V6):
        diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
        body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, states) + bytes(48)
        if bytecode:
            body += struct.pack("=HH", 4 + len(bytecode), 1) + bytecode
        diag.send(struct.pack("=IHHII", 16 + len(body), 20, 0x301, 1, 0) + body)
        done = False
        while not done:
            for item in rows(diag.recv(65536)):
                if item == "done":
                    done = True
                elif isinstance(item, int):
                    return {"errno": item}
                else:
                    found.append(item)
        diag.close()
    return {"rows": found}


def cgroup():
    """This process's cgroup and one it is not in: paths and ids. None without cgroup v2."""
    mounts = [line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2"]
    paths = [line.strip().split(":", 2)[2] for line in open("/proc/self/cgroup") if line.startswith("0:")]
    if not mounts or not paths or not os.path.isdir(mounts[0] + paths[0]):
        return None
    own = (mounts[0] + paths[0]).rstrip("/")
    others = [entry.path for entry in os.scandir(mounts[0]) if entry.is_dir() and not own.startswith(entry.path)]
    return {path: str(os.stat(path).st_ino) for path in [own, *others[:1]]}


def answer(request):
    if "ss" in request:
        done = subprocess.run(["ss", *request["ss"]], capture_output=True, text=True)
        return {"status": done.returncode, "lines": done.stdout.splitlines()}
    return dump(bytes.fromhex(request["dump"]), request["states"])


# Dies with the test that started it.
ctypes.CDLL(None).prctl(1, 9)
make_sockets()
low, high = map(int, open("/proc/sys/net/ipv4/ip_local_port_range").read().split())
print(json.dumps({"loopback": socket.if_nametoindex("lo"), "ports": [low, high], "cgroup": cgroup()}), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
