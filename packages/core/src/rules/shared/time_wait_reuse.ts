import { plainAddress } from '../../address.ts';
import type { NamespaceSnapshot, Row } from '../../snapshot.ts';

/** Whether connect() may take over a TIME_WAIT towards this address: off, only on loopback (the default), or always. */
export function isReusable({ settings, table }: Pick<NamespaceSnapshot, 'settings' | 'table'>, row: Row): boolean {
  if (settings.tcp_timestamps === 0) return false;
  if (settings.tcp_tw_reuse === 1) return true;
  const address = plainAddress(table.remoteAddress(row));
  return settings.tcp_tw_reuse === 2 && (address === '::1' || address.startsWith('127.'));
}
