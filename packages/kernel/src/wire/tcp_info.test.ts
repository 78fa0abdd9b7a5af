import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiagField } from './inet_diag.ts';
import { readTcpInfo, TCP_INFO_BYTES, TCP_INFO_MINIMUM_BYTES, TcpInfoField } from './tcp_info.ts';

/** Offsets as the C compiler lays the structures out. */
function offsetsFromC(type: string, header: string, members: Record<string, string>): Record<string, number> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lastack-offsets-'));
  try {
    const prints = Object.entries(members).map(
      ([name, member]) => `printf("%s %zu\\n", "${name}", offsetof(${type}, ${member}));`,
    );
    const source = `#include <stdio.h>\n#include <stddef.h>\n#include <${header}>\nint main(void){${prints.join('')}}`;
    writeFileSync(path.join(folder, 'offsets.c'), source);
    execFileSync('gcc', ['-o', path.join(folder, 'offsets'), path.join(folder, 'offsets.c')]);
    const lines = execFileSync(path.join(folder, 'offsets'), { encoding: 'utf8' }).trim().split('\n');
    return Object.fromEntries(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('structures against the C compiler', () => {
  it('struct tcp_info', () => {
    const offsets = offsetsFromC('struct tcp_info', 'linux/tcp.h', {
      state: 'tcpi_state',
      retransmits: 'tcpi_retransmits',
      probes: 'tcpi_probes',
      backoff: 'tcpi_backoff',
      options: 'tcpi_options',
      rtoUs: 'tcpi_rto',
      unacked: 'tcpi_unacked',
      lastDataSentMs: 'tcpi_last_data_sent',
      lastDataReceivedMs: 'tcpi_last_data_recv',
      lastAckReceivedMs: 'tcpi_last_ack_recv',
      rttUs: 'tcpi_rtt',
      rttVarianceUs: 'tcpi_rttvar',
      totalRetransmits: 'tcpi_total_retrans',
      bytesAcked: 'tcpi_bytes_acked',
      bytesReceived: 'tcpi_bytes_received',
      notSentBytes: 'tcpi_notsent_bytes',
      bytesSent: 'tcpi_bytes_sent',
      sendWindow: 'tcpi_snd_wnd',
    });
    // The compiler's headers may be older than the fields that follow tcpi_snd_wnd; those are checked on real sockets.
    for (const [name, offset] of Object.entries(offsets)) {
      expect([name, TcpInfoField[name as keyof typeof TcpInfoField]]).toEqual([name, offset]);
    }
  });

  it('struct inet_diag_msg', () => {
    expect(DiagField).toEqual(
      offsetsFromC('struct inet_diag_msg', 'linux/inet_diag.h', {
        family: 'idiag_family',
        state: 'idiag_state',
        timer: 'idiag_timer',
        retries: 'idiag_retrans',
        localPort: 'id.idiag_sport',
        remotePort: 'id.idiag_dport',
        localAddress: 'id.idiag_src',
        remoteAddress: 'id.idiag_dst',
        interfaceIndex: 'id.idiag_if',
        cookie: 'id.idiag_cookie',
        expiresMs: 'idiag_expires',
        receiveQueue: 'idiag_rqueue',
        sendQueue: 'idiag_wqueue',
        uid: 'idiag_uid',
        inode: 'idiag_inode',
      }),
    );
  });
});

describe('readTcpInfo', () => {
  const bytes = new Uint8Array(TCP_INFO_BYTES).fill(1);
  const view = new DataView(bytes.buffer);

  it('leaves out what a shorter structure does not reach, at every length', () => {
    const ends = {
      bytesAcked: 128,
      bytesReceived: 136,
      notSentBytes: 148,
      bytesSent: 208,
      sendWindow: 232,
      receiveWindow: 236,
      totalRto: 242,
      totalRtoRecoveries: 244,
      totalRtoTimeMs: 248,
    } as const;
    for (let length = 0; length <= TCP_INFO_BYTES; length++) {
      const info = readTcpInfo(view, 0, length);
      if (length < TCP_INFO_MINIMUM_BYTES) {
        expect(info).toBeUndefined();
        continue;
      }
      for (const [field, end] of Object.entries(ends)) {
        expect([length, field, info?.[field as keyof typeof ends] !== undefined]).toEqual([
          length,
          field,
          length >= end,
        ]);
      }
    }
  });

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: TCP_INFO_BYTES, maxLength: TCP_INFO_BYTES }), (random) => {
        const info = readTcpInfo(new DataView(random.slice().buffer), 0, TCP_INFO_BYTES);
        expect(info?.rtoMs).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
