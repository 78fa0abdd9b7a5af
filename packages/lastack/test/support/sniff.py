"""Prints every TCP packet of this network namespace between two ports as one JSON line: an oracle that shares no code
with lastack. Arguments: the two ports. Prints "ready" first; ends when its standard input does."""
import json, os, select, socket, struct, sys

ports = {int(sys.argv[1]), int(sys.argv[2])}
tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
NAMES = "FSRPAUEC"


def folded(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


print("ready", flush=True)
while True:
    readable, _, _ = select.select([tap, sys.stdin], [], [])
    if sys.stdin in readable and not os.read(0, 4096):
        break
    if tap not in readable:
        continue
    packet, (interface, _, kind, _, _) = tap.recvfrom(65535)
    if packet[0] >> 4 == 4 and packet[9] == 6:
        head = (packet[0] & 15) * 4
        end = struct.unpack("!H", packet[2:4])[0]
        family, source, target = socket.AF_INET, packet[12:16], packet[16:20]
        good = folded(packet[:head]) == 0xFFFF
    elif packet[0] >> 4 == 6 and packet[6] == 6:
        head, end = 40, 40 + struct.unpack("!H", packet[4:6])[0]
        family, source, target = socket.AF_INET6, packet[8:24], packet[24:40]
        good = True
    else:
        continue
    tcp = packet[head:end]
    sport, dport, seq, ack, offset, flags = struct.unpack("!HHIIBB", tcp[:14])
    if {sport, dport} != ports:
        continue
    pseudo = source + target + struct.pack("!IHBB", len(tcp), 0, 0, 6)
    good = good and folded(pseudo + tcp) == 0xFFFF
    print(json.dumps({
        "interface": interface, "outgoing": kind == 4,
        "source": socket.inet_ntop(family, source), "sport": sport, "dport": dport,
        "sequence": seq, "acknowledgment": ack, "bytes": len(tcp) - (offset >> 4) * 4, "checksums": good,
        "flags": "".join(name for bit, name in enumerate(NAMES) if flags >> bit & 1),
    }), flush=True)
