import { describe, expect, it } from 'vitest';
import { foreignNames, NAME_SYSTEMS, stateFromForeignName, systemTitle } from './names.ts';
import { type StateName, TcpState } from './states.ts';

describe('names elsewhere', () => {
  it('gives the hex of /proc/net/tcp from the kernel header numbers', () => {
    for (const [name, number] of Object.entries(TcpState)) {
      if (number > TcpState.CLOSING) continue;
      const hex = number.toString(16).toUpperCase().padStart(2, '0');
      expect(foreignNames(name as StateName).find((entry) => entry.system === 'proc-net-tcp')?.names).toEqual([hex]);
    }
  });

  it.each([
    ['solaris', 'BOUND', 'BOUND_INACTIVE'],
    ['solaris', 'IDLE', 'CLOSE'],
    ['solaris', 'SYN_RECEIVED', 'SYN_RECV'],
    ['solaris', 'SYN_RCVD', 'SYN_RECV'],
    ['solaris', 'FIN_WAIT_1', 'FIN_WAIT1'],
    ['bsd', 'SYN_RCVD', 'SYN_RECV'],
    ['macos', 'FIN_WAIT_2', 'FIN_WAIT2'],
    ['aix', 'closed', 'CLOSE'],
    ['windows-netstat', 'LISTENING', 'LISTEN'],
    ['windows-netstat', 'TIMED_WAIT', 'TIME_WAIT'],
    ['windows-powershell', 'Bound', 'BOUND_INACTIVE'],
    ['windows-powershell', 'SynReceived', 'SYN_RECV'],
    ['windows-powershell', 'DeleteTCB', 'CLOSE'],
    ['proc-net-tcp', '0A', 'LISTEN'],
    ['proc-net-tcp', '0x08', 'CLOSE_WAIT'],
    ['ss', 'ESTAB', 'ESTABLISHED'],
    ['ss', 'unconn', 'CLOSE'],
    ['conntrack', 'FIN_WAIT', 'FIN_WAIT1'],
    ['conntrack', 'CLOSE_WAIT', 'CLOSE_WAIT'],
    ['conntrack', 'LAST_ACK', 'LAST_ACK'],
    [undefined, 'Fin-Wait-1', 'FIN_WAIT1'],
    [undefined, 'TCPS_SYN_RCVD', 'SYN_RECV'],
    [undefined, 'MIB_TCP_STATE_TIME_WAIT', 'TIME_WAIT'],
    [undefined, 'TCP_NEW_SYN_RECV', 'NEW_SYN_RECV'],
    [undefined, 'bound', 'BOUND_INACTIVE'],
    [undefined, 'bound-inactive', 'BOUND_INACTIVE'],
  ] as const)('%s calls it %s: %s', (system, name, state) => {
    expect(stateFromForeignName(system, name)).toBe(state);
  });

  it.each([
    ['bsd', 'BOUND'],
    ['windows-netstat', 'CLOSING'],
    ['ss', 'IDLE'],
    [undefined, 'FIN_WAIT'],
    [undefined, 'nonsense'],
    [undefined, ''],
    [undefined, 'tcp'],
  ] as const)('does not guess: %s %s', (system, name) => {
    expect(stateFromForeignName(system, name)).toBeUndefined();
  });

  it('finds every name it lists, up to the phases that share a name', () => {
    const shared: Partial<Record<StateName, StateName>> = { NEW_SYN_RECV: 'SYN_RECV' };
    for (const state of Object.keys(TcpState) as StateName[]) {
      for (const { system, names } of foreignNames(state)) {
        if (system === 'conntrack' || (state === 'BOUND_INACTIVE' && /rfc9293|ss/.test(system))) continue;
        for (const name of names) expect(stateFromForeignName(system, name)).toBe(shared[state] ?? state);
      }
    }
  });

  it('has a title for every system', () => {
    for (const system of NAME_SYSTEMS) expect(systemTitle(system)).not.toBe('');
  });
});
