"""Prints one line per TCP packet seen in this network namespace: TIME_MS out|in SPORT DPORT FLAGS. Ends with its input."""
import select, socket, struct, sys, time

ETH_P_ALL, PACKET_OUTGOING, TCP = 3, 4, 6
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
print('ready', flush=True)
while True:
    readable, _, _ = select.select([wire, sys.stdin], [], [])
    if wire in readable:
        packet, (_, protocol, kind, *_) = wire.recvfrom(65535)
        if protocol == 0x0800 and packet[9] == TCP:
            segment = packet[(packet[0] & 15) * 4:]
        elif protocol == 0x86DD and packet[6] == TCP:
            segment = packet[40:]
        else:
            continue
        source, destination = struct.unpack('!HH', segment[:4])
        flags = ''.join(name for bit, name in enumerate('FSRPA') if segment[13] >> bit & 1)
        way = 'out' if kind == PACKET_OUTGOING else 'in'
        print(int(time.time() * 1000), way, source, destination, flags, flush=True)
    elif sys.stdin in readable and not sys.stdin.readline():
        break
