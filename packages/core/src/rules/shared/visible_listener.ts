import type { RuleContext } from '../../finding.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';
import { isQueueFull, listenerIndex, listenersAt } from './listeners.ts';

function usesAddress({ table }: NamespaceSnapshot, address: string, port: number): boolean {
  for (let row = 0; row < table.count; row++) {
    if (table.localPort(row) === port && table.localAddress(row) === address) return true;
  }
  return false;
}

/**
 * Whether the listener that this client waits for is visible (in its own or another namespace of this host) and its
 * accept queue is full: then the listener's finding explains the client.
 */
export function waitsForFullListener(namespace: NamespaceSnapshot, row: Row, context: RuleContext): boolean {
  const { table } = namespace;
  const [address, port] = [table.remoteAddress(row), table.remotePort(row)];
  return context.snapshot.namespaces.some((other) => {
    const listeners = listenersAt(other.table, context.memo(other, listenerIndex), address, port);
    if (!listeners.some((listener) => isQueueFull(other.table, listener))) return false;
    // A wildcard listener is the one meant only where the address lives: the queue itself holds sockets that show it.
    const isLocal = other === namespace && namespace.paths.get(address)?.route === 'local';
    return isLocal || usesAddress(other, address, port);
  });
}
