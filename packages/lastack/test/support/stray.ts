import type { Actor } from '@lastack/lab';
import { expect } from 'vitest';
import type { Connection } from '../../../lab/src/connection.ts';

const PROGRAM = `
import json, socket, struct, sys
source, target = sys.argv[1:3]
flags, sequence, acknowledgment = map(int, sys.argv[3:6])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.bind((source, 0))
for sport, dport in json.loads(sys.argv[6]):
    def segment(checksum):
        return struct.pack('!HHIIBBHHH', sport, dport, sequence, acknowledgment, 5 << 4, flags, 1024, checksum, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack('!BBH', 0, 6, 20) + segment(0)
    total = sum(struct.unpack('!%dH' % (len(pseudo) // 2), pseudo))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    raw.sendto(segment(~total & 0xffff), (target, 0))
`;

const FLAGS = { SYN: 0x02, RST: 0x04, ACK: 0x10 } as const;

interface Ends {
  server: Actor;
  serverAddress: string;
  clientAddress: string;
}

interface Segment {
  flag: keyof typeof FLAGS;
  /** 1 unless given, which fits nowhere. */
  sequence?: number;
  acknowledgment?: number;
}

/** One segment for each connection, as if from the server over IPv4. */
export async function straySegments(
  { server, serverAddress, clientAddress }: Ends,
  all: readonly Connection[],
  { flag, sequence = 1, acknowledgment = 1 }: Segment = { flag: 'ACK' },
): Promise<void> {
  const ports = all.map(({ clientPort, servicePort }) => [servicePort, clientPort]);
  const numbers = [FLAGS[flag], sequence >>> 0, acknowledgment >>> 0].map(String);
  const words = [serverAddress, clientAddress, ...numbers, JSON.stringify(ports)];
  const { code, stderr } = await server.run('python3', ['-c', PROGRAM, ...words]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}
