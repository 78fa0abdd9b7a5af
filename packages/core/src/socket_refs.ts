import type { NamespaceSnapshot, Row } from './snapshot.ts';

export interface SocketRef {
  namespace: NamespaceSnapshot;
  row: Row;
}

/** Sockets in an order, made when they are asked for: a finding may concern 300,000, of which three are shown. */
export interface SocketRefs<T = SocketRef> extends Iterable<T> {
  readonly length: number;
  at(index: number): T | undefined;
  slice(from: number, to: number): T[];
  map<U>(change: (item: T, index: number) => U): U[];
  some(test: (item: T) => boolean): boolean;
}

/** `itemAt(index)` for each index below `length`, as one list. */
export class LazyRefs<T> implements SocketRefs<T> {
  readonly length: number;
  readonly #itemAt: (index: number) => T;

  constructor(length: number, itemAt: (index: number) => T) {
    this.length = length;
    this.#itemAt = itemAt;
  }

  at(index: number): T | undefined {
    return index >= 0 && index < this.length ? this.#itemAt(index) : undefined;
  }

  slice(from: number, to: number): T[] {
    const items: T[] = [];
    for (let index = from; index < Math.min(to, this.length); index++) items.push(this.#itemAt(index));
    return items;
  }

  map<U>(change: (item: T, index: number) => U): U[] {
    const results: U[] = [];
    for (let index = 0; index < this.length; index++) results.push(change(this.#itemAt(index), index));
    return results;
  }

  some(test: (item: T) => boolean): boolean {
    for (let index = 0; index < this.length; index++) if (test(this.#itemAt(index))) return true;
    return false;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let index = 0; index < this.length; index++) yield this.#itemAt(index);
  }
}

/** Rows of one namespace. */
export class RowRefs extends LazyRefs<SocketRef> {
  readonly namespace: NamespaceSnapshot;
  readonly rows: ArrayLike<Row>;

  constructor(namespace: NamespaceSnapshot, rows: ArrayLike<Row>) {
    super(rows.length, (index) => ({ namespace, row: rows[index] }));
    this.namespace = namespace;
    this.rows = rows;
  }
}
