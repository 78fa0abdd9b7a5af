/** Which end of the connection a condition looks at: `src`/`sport` or `dst`/`dport`. */
export type Side = 'local' | 'remote';

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** Address and/or port of one end. What is undefined matches anything. */
export interface HostNode {
  type: 'host';
  side: Side;
  /** From an `inet:` or `inet6:` prefix. */
  family?: 4 | 6;
  /** 4 or 16 bytes in network order; bits after the prefix are not compared. */
  address?: readonly number[];
  prefixBits?: number;
  port?: number;
}

/** `sport`/`dport` with an order; equality is a HostNode without address. */
export interface PortNode {
  type: 'port';
  side: Side;
  family?: 4 | 6;
  comparison: '<' | '<=' | '>' | '>=';
  port: number;
}

/** Bits `1 << TcpState`. */
export interface StateNode {
  type: 'state';
  mask: number;
}

export interface DeviceNode {
  type: 'device';
  /** Interface name, or its index when the filter gives a number. */
  device: string | number;
}

/** Holds when `socket mark & mask === mark`, as in ss. */
export interface MarkNode {
  type: 'mark';
  mark: number;
  mask: number;
}

export interface CgroupNode {
  type: 'cgroup';
  path: string;
}

/** Text compared as a whole, with `*` for any run of characters (comm only). */
export interface TextNode {
  type: 'comm' | 'netns';
  text: string;
}

export interface NumberNode {
  /** `age` in milliseconds, the queues in bytes; `pid` is only ever compared for equality. */
  type: 'pid' | 'age' | 'recvq' | 'sendq';
  comparison: Comparison;
  value: number;
}

export interface FlagNode {
  type: 'autobound' | 'orphan' | 'unaccepted' | 'stuck';
}

export interface NotNode {
  type: 'not';
  of: FilterNode;
}

export interface AndNode {
  type: 'and';
  of: readonly FilterNode[];
}

export interface OrNode {
  type: 'or';
  of: readonly FilterNode[];
}

export type LeafNode =
  | HostNode
  | PortNode
  | StateNode
  | DeviceNode
  | MarkNode
  | CgroupNode
  | TextNode
  | NumberNode
  | FlagNode;

export type FilterNode = LeafNode | NotNode | AndNode | OrNode;

/** A filter as read. Everything in it must hold; the empty filter matches every socket. Plain data. */
export interface FilterAst {
  /** From the leading `state`/`exclude` clauses, bits `1 << TcpState`; undefined: every state. */
  states?: number;
  /** From `inet:`/`inet6:`: as in ss, one such prefix restricts the whole filter to that family. */
  family?: 4 | 6;
  expression?: FilterNode;
  /** Where the filter may mean something else than its author thinks. One line each, for the user to read. */
  notes: readonly string[];
}
