import type { Evidence } from '../../finding.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { RowRefs } from '../../socket_refs.ts';
import type { Service } from './service.ts';
import { counted } from './words.ts';

/** `on :8080` where this end offers the service, `to 10.0.0.9:443` where it uses it. */
export function place(service: Service): string {
  return service.role === 'server' ? `on ${service.label}` : `to ${service.label}`;
}

export function refsOf(namespace: NamespaceSnapshot, rows: ArrayLike<Row>): RowRefs {
  return new RowRefs(namespace, rows);
}

/** What would be lost: bytes the peer has not acknowledged, bytes the program has not read. */
export function queueEvidence({ table }: NamespaceSnapshot, rows: readonly Row[]): Evidence[] {
  let unsent = 0;
  let unread = 0;
  for (const row of rows) {
    unsent += table.sendQueue(row);
    unread += table.receiveQueue(row);
  }
  const evidence: Evidence[] = [];
  if (unsent > 0) {
    evidence.push({
      fact: 'not acknowledged by the peer (Send-Q; a FIN counts as one byte)',
      value: counted(unsent, 'byte'),
      source: 'sock_diag idiag_wqueue',
    });
  }
  if (unread > 0) {
    evidence.push({
      fact: 'not read by the program (Recv-Q; a FIN counts as one byte)',
      value: counted(unread, 'byte'),
      source: 'sock_diag idiag_rqueue',
    });
  }
  return evidence;
}
