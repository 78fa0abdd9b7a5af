import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CONNTRACK_STATES,
  ConntrackAttribute,
  ConntrackFormatError,
  ConntrackMessage,
  ConntrackNested,
  type ConntrackSelector,
  decodeConntrack,
  encodeConntrackDelete,
  encodeConntrackDump,
  encodeConntrackGet,
} from './conntrack.ts';

/** Values of C expressions, by the compiler over the kernel's own headers. */
function valuesFromC(expressions: Record<string, string>): Record<string, number> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lastack-values-'));
  try {
    const prints = Object.entries(expressions).map(([name, c]) => `printf("%s %d\\n", "${name}", (int)(${c}));`);
    const headers = ['stdio.h', 'linux/netfilter/nfnetlink_conntrack.h', 'linux/netfilter/nf_conntrack_tcp.h'];
    const source = `${headers.map((header) => `#include <${header}>`).join('\n')}\nint main(void){${prints.join('')}}`;
    writeFileSync(path.join(folder, 'values.c'), source);
    execFileSync('gcc', ['-o', path.join(folder, 'values'), path.join(folder, 'values.c')]);
    const lines = execFileSync(path.join(folder, 'values'), { encoding: 'utf8' }).trim().split('\n');
    return Object.fromEntries(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text.replace(/#.*$/gm, '').replace(/\s+/g, ''), 'hex'));

const selector = (more: Partial<ConntrackSelector> = {}): ConntrackSelector => ({
  tuple: { source: { address: '10.0.0.1', port: 40000 }, destination: { address: '10.0.0.2', port: 80 } },
  id: 0x01020304,
  zone: 0,
  ...more,
});

/**
 * One message of a dump on Linux 6.18, for a connection over loopback, half-closed; `conntrack -L -o extended,id` said:
 * CLOSE_WAIT src=127.0.0.1 dst=127.0.0.1 sport=40000 dport=8080 … [ASSURED] mark=42 zone=5 use=1 id=3814350894
 */
const MESSAGE = bytesOf(`
  dc000000 0001 0200 01000000 8f140000   # length 220, type 0x0100, multi, sequence 1
  02 00 0000                             # AF_INET
  3400 0180 1400 0180 08000100 7f000001 08000200 7f000001
            1c00 0280 05000100 06000000 06000200 9c400000 06000300 1f900000
  3400 0280 1400 0180 08000100 7f000001 08000200 7f000001
            1c00 0280 05000100 06000000 06000200 1f900000 06000300 9c400000
  0600 1200 00050000                     # CTA_ZONE 5
  0800 0300 0000000e                     # CTA_STATUS
  0800 0800 0000002a                     # CTA_MARK 42
  0800 0c00 e35a602e                     # CTA_ID
  0800 0b00 00000001                     # CTA_USE
  0800 0700 0000003b                     # CTA_TIMEOUT 59 s
  3000 0480 2c00 0180 05000100 05000000 05000200 0a000000 05000300 0a000000
            06000400 27000000 06000500 23000000
`);

describe('numbers against the C compiler', () => {
  it('attributes and states', () => {
    const wanted: Record<string, string> = {
      'attribute.TUPLE_ORIGINAL': 'CTA_TUPLE_ORIG',
      'attribute.TUPLE_REPLY': 'CTA_TUPLE_REPLY',
      'attribute.STATUS': 'CTA_STATUS',
      'attribute.PROTOINFO': 'CTA_PROTOINFO',
      'attribute.TIMEOUT': 'CTA_TIMEOUT',
      'attribute.MARK': 'CTA_MARK',
      'attribute.ID': 'CTA_ID',
      'attribute.ZONE': 'CTA_ZONE',
      'nested.TUPLE_IP': 'CTA_TUPLE_IP',
      'nested.TUPLE_PROTO': 'CTA_TUPLE_PROTO',
      'nested.TUPLE_ZONE': 'CTA_TUPLE_ZONE',
      'nested.IP_V4_SOURCE': 'CTA_IP_V4_SRC',
      'nested.IP_V4_DESTINATION': 'CTA_IP_V4_DST',
      'nested.IP_V6_SOURCE': 'CTA_IP_V6_SRC',
      'nested.IP_V6_DESTINATION': 'CTA_IP_V6_DST',
      'nested.PROTO_NUMBER': 'CTA_PROTO_NUM',
      'nested.PROTO_SOURCE_PORT': 'CTA_PROTO_SRC_PORT',
      'nested.PROTO_DESTINATION_PORT': 'CTA_PROTO_DST_PORT',
      'nested.PROTOINFO_TCP': 'CTA_PROTOINFO_TCP',
      'nested.PROTOINFO_TCP_STATE': 'CTA_PROTOINFO_TCP_STATE',
      'message.NEW': '(NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW',
      'message.GET': '(NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET',
      'message.DELETE': '(NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE',
    };
    for (const [number, name] of CONNTRACK_STATES.entries()) wanted[`state.${number}`] = `TCP_CONNTRACK_${name}`;
    const ours: Record<string, number> = {};
    for (const [name, value] of Object.entries(ConntrackAttribute)) ours[`attribute.${name}`] = value;
    for (const [name, value] of Object.entries(ConntrackNested)) ours[`nested.${name}`] = value;
    for (const [name, value] of Object.entries(ConntrackMessage)) ours[`message.${name}`] = value;
    for (const number of CONNTRACK_STATES.keys()) ours[`state.${number}`] = number;
    expect(ours).toEqual(valuesFromC(wanted));
  });
});

describe('a request to delete', () => {
  it('carries the tuple, the id and the zone', () => {
    expect(hex(encodeConntrackDelete(7, selector({ zone: 5 })))).toBe(
      hex(
        bytesOf(`
          58000000 0201 0500 07000000 00000000   # length 88, DELETE, REQUEST and ACK
          02 00 0000
          3400 0180  1400 0180 0800 0100 0a000001 0800 0200 0a000002
                     1c00 0280 0500 0100 06000000 0600 0200 9c40 0000 0600 0300 0050 0000
          0800 0c00 01020304
          0600 1200 0005 0000
        `),
      ),
    );
  });

  it('is impossible without a whole tuple, which would flush the table', () => {
    const none = undefined as unknown as ConntrackSelector['tuple'];
    const end = { address: '10.0.0.1', port: 1 };
    const broken: ConntrackSelector['tuple'][] = [
      none,
      {} as ConntrackSelector['tuple'],
      { source: end } as ConntrackSelector['tuple'],
      { source: end, destination: { address: '', port: 80 } },
      { source: end, destination: { address: '*', port: 80 } },
      { source: end, destination: { address: '10.0.0.256', port: 80 } },
      { source: end, destination: { address: '10.0.0.2', port: 0 } },
      { source: end, destination: { address: '10.0.0.2', port: Number.NaN } },
      { source: end, destination: { address: '10.0.0.2', port: 65_536 } },
      { source: end, destination: { address: '10.0.0.2' } as typeof end },
      { source: end, destination: { address: 'fd00::2', port: 80 } },
    ];
    for (const tuple of broken) {
      expect(() => encodeConntrackDelete(1, selector({ tuple }))).toThrow(RangeError);
      expect(() => encodeConntrackGet(1, selector({ tuple }))).toThrow(RangeError);
    }
    // @ts-expect-error: the type asks for a tuple as well
    expect(() => encodeConntrackDelete(1, { id: 1, zone: 0 })).toThrow(RangeError);
  });

  it('holds a tuple with two addresses whatever was given', () => {
    const ends = fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), port: fc.integer() });
    fc.assert(
      fc.property(fc.record({ source: ends, destination: ends }), fc.integer(), (tuple, id) => {
        let bytes: Uint8Array;
        try {
          bytes = encodeConntrackDelete(1, { tuple, id, zone: 0 });
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          return;
        }
        const view = new DataView(bytes.buffer);
        expect(view.getUint16(22, true)).toBe(0x8001);
        expect(view.getUint16(20, true)).toBeGreaterThanOrEqual(52);
      }),
    );
  });
});

describe('an entry', () => {
  it('is read in full', () => {
    expect(decodeConntrack(MESSAGE)).toEqual({
      family: 4,
      original: { source: { address: '127.0.0.1', port: 40000 }, destination: { address: '127.0.0.1', port: 8080 } },
      reply: { source: { address: '127.0.0.1', port: 8080 }, destination: { address: '127.0.0.1', port: 40000 } },
      state: 'CLOSE_WAIT',
      timeoutMs: 59_000,
      id: 3_814_350_894,
      zone: 5,
      mark: 42,
      status: 14,
    });
  });

  it('is found in what the encoder writes, over IPv6 as well', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.ipV6(), fc.integer({ min: 1, max: 65_535 }), (from, to, port) => {
        if (/^(0|:)*ffff:/i.test(from) || /^(0|:)*ffff:/i.test(to)) return;
        const tuple = { source: { address: from, port }, destination: { address: to, port: 443 } };
        const request = encodeConntrackGet(1, { tuple, id: 9, zone: 3 });
        const whole = new Uint8Array(request.length + 52 + 24);
        whole.set(request);
        const size = new DataView(request.buffer).getUint16(20, true);
        whole.set(request.subarray(20, 20 + size), request.length);
        const message = whole.subarray(0, request.length + size);
        const view = new DataView(message.buffer);
        view.setUint32(0, message.length, true);
        view.setUint16(4, ConntrackMessage.NEW, true);
        view.setUint16(request.length + 2, 0x8002, true);
        const entry = decodeConntrack(message);
        const canonical = (text: string) => new URL(`http://[${text}]/`).hostname;
        expect(entry).toMatchObject({ family: 6, id: 9, zone: 3, original: { source: { port } } });
        expect(canonical(entry?.original.source.address ?? '')).toBe(canonical(from));
        expect(canonical(entry?.original.destination.address ?? '')).toBe(canonical(to));
      }),
    );
  });

  it('of another protocol is passed over', () => {
    const udp = MESSAGE.slice();
    const at = hex(MESSAGE).indexOf('0500010006000000') / 2 + 4;
    udp[at] = 17;
    expect(decodeConntrack(udp)).toBeUndefined();
  });

  it('cut at any length is an error and nothing else', () => {
    for (let length = 0; length < MESSAGE.length; length++) {
      expect(() => decodeConntrack(MESSAGE.subarray(0, length))).toThrow(ConntrackFormatError);
      const honest = MESSAGE.slice(0, length);
      if (length >= 4) new DataView(honest.buffer).setUint32(0, length, true);
      try {
        decodeConntrack(honest);
      } catch (error) {
        expect(error).toBeInstanceOf(ConntrackFormatError);
      }
    }
  });

  it('of random bytes is an entry, nothing, or an error', () => {
    const mutated = fc
      .array(fc.tuple(fc.nat(MESSAGE.length - 1), fc.nat(255)), { minLength: 1, maxLength: 12 })
      .map((changes) => {
        const bytes = MESSAGE.slice();
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        try {
          decodeConntrack(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ConntrackFormatError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('the dump', () => {
  it('asks for both families', () => {
    expect(hex(encodeConntrackDump(1))).toBe('1400000001010103010000000000000000000000');
  });
});
