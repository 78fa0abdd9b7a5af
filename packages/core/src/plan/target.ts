import type { NamespaceSnapshot, Owner, Row } from '../snapshot.ts';
import type { SocketKind } from '../tcp/kind.ts';

export interface EndpointAddress {
  address: string;
  port: number;
}

/** A socket that is to be cleared, as plain data: it outlives the snapshot it was seen in. */
export interface ClearTarget {
  namespaceInode: number;
  namespaceLabel: string;
  family: 4 | 6;
  /** TcpState number when it was seen. */
  state: number;
  kind: SocketKind;
  local: EndpointAddress;
  remote: EndpointAddress;
  /** With it the socket cannot be confused with a later one of the same addresses. */
  cookie: bigint;
  interfaceIndex: number;
  inode: number;
  uid: number;
  /** Bytes the program has not read. */
  receiveQueueBytes: number;
  /** Bytes the peer has not acknowledged. */
  sendQueueBytes: number;
  /** Every process that holds it, as far as could be read. */
  owners: readonly Owner[];
  /** Id of the rule that found it stuck, if one did. */
  rule?: string;
}

/** The row as a target. */
export function targetOf(
  { inode, label, table }: Pick<NamespaceSnapshot, 'inode' | 'label' | 'table'>,
  row: Row,
  owners: readonly Owner[],
  rule?: string,
): ClearTarget {
  return {
    namespaceInode: inode,
    namespaceLabel: label,
    family: table.family(row),
    state: table.state(row),
    kind: table.kind(row),
    local: { address: table.localAddress(row), port: table.localPort(row) },
    remote: { address: table.remoteAddress(row), port: table.remotePort(row) },
    cookie: table.cookie(row),
    interfaceIndex: table.interfaceIndex(row),
    inode: table.inode(row),
    uid: table.uid(row),
    receiveQueueBytes: table.receiveQueue(row),
    sendQueueBytes: table.sendQueue(row),
    owners,
    rule,
  };
}
