import type { RemedyAdvice } from '../finding.ts';
import type { Forecast } from '../forecast/forecast.ts';
import { commandLine, fixProgram, look, remedyList, restartHolder, ssState } from '../rules/shared/remedies.ts';
import { thousands } from '../rules/shared/words.ts';
import type { NamespaceSnapshot } from '../snapshot.ts';
import { TcpState } from '../tcp/states.ts';
import type { BindSet } from './bind_request.ts';
import { holderText } from './explain_bind.ts';
import type { PortHolder } from './holders.ts';
import type { PortFacts } from './port_facts.ts';

export interface PortSituation {
  port: number;
  /** The network namespace that asks. */
  namespace: NamespaceSnapshot;
  /** What refuses a plain bind here. */
  blockers: readonly PortHolder[];
  bind: Readonly<Record<BindSet, string>>;
  until: Forecast | undefined;
  facts: PortFacts;
  /** The value of `--address`, where one was given. */
  addressText: string | undefined;
}

/** Ends by itself, and may be ended: no program would miss it. */
const CLOSING: ReadonlySet<number> = new Set([
  TcpState.FIN_WAIT1,
  TcpState.FIN_WAIT2,
  TcpState.CLOSE_WAIT,
  TcpState.LAST_ACK,
  TcpState.CLOSING,
  TcpState.TIME_WAIT,
]);

/** What can be done about a port, the gentlest first. */
export function portAdvice(situation: PortSituation): RemedyAdvice[] {
  const { bind, blockers } = situation;
  if (bind.plain !== 'EADDRINUSE') return remedyList(reserve(situation));
  const stays = blockers.filter(({ last }) => last.kind !== 'at');
  return remedyList(
    bind.reuseaddr === 'ok'
      ? fixProgram('set SO_REUSEADDR before bind, as Node, Go and Java do for their listeners: it succeeds now')
      : undefined,
    bind.reuseaddr !== 'ok' && bind.reuseport === 'ok'
      ? fixProgram('set SO_REUSEPORT before bind to share the port with its holder: new connections are then spread')
      : undefined,
    situation.until?.kind === 'at' ? wait(situation) : undefined,
    ...restarts(stays),
    situation.until?.kind === 'at' ? undefined : wait(situation),
    clear(situation),
    stays.some(({ state }) => state !== TcpState.LISTEN && state !== TcpState.BOUND_INACTIVE)
      ? look('see why these connections stay', `lastack why :${situation.port}`)
      : undefined,
    reserve(situation),
  );
}

const HOLDERS_NAMED = 3;

/** Each program once, however many kinds of sockets it has. */
function restarts(holders: readonly PortHolder[]): (RemedyAdvice | undefined)[] {
  const byLabel = new Map(holders.map(({ holder }) => [holder.label, holder]));
  return [...byLabel.values()].slice(0, HOLDERS_NAMED).map(restartHolder);
}

function wait({ port, until, addressText }: PortSituation): RemedyAdvice {
  const address = addressText === undefined ? [] : ['--address', addressText];
  const command = commandLine(['lastack', 'port', String(port), ...address, '--wait']);
  if (until?.kind === 'at') return { id: 'wait', what: 'wait until it is free, then start the program', command };
  return {
    id: 'wait',
    what: 'wait in a script until the holder has let go of it (nothing that runs ends it)',
    command,
  };
}

function clear({ port, blockers }: PortSituation): RemedyAdvice | undefined {
  const closing = blockers.filter(({ state }) => CLOSING.has(state));
  if (closing.length === 0) return undefined;
  const states = [...new Set(closing.map(({ state }) => ssState(state)))];
  const filter = states.flatMap((state) => ['state', state]).join(' ');
  const count = closing.reduce((sum, { rows }) => sum + rows.length, 0);
  return {
    id: 'drop',
    what: `end ${count === 1 ? 'the closing connection' : `the ${thousands(count)} closing connections`} (${holderText(closing[0])}${closing.length > 1 ? ' and others' : ''}); this shows the plan`,
    command: `lastack clear ${filter} sport = :${port} --dry-run`,
    cost: 'what is not delivered yet is lost; a late segment may reach the next connection of the same addresses',
  };
}

/** Only for a port in the range that outgoing connections get. */
function reserve({ facts }: PortSituation): RemedyAdvice | undefined {
  if (!facts.isEphemeral || facts.isReserved !== false || facts.reservedWithPort === undefined) return undefined;
  return {
    id: 'sysctl',
    what: 'keep outgoing connections of other programs off this port',
    command: `sysctl -w net.ipv4.ip_local_reserved_ports=${facts.reservedWithPort}`,
    cost: 'one port less for them; lost at the next boot unless written to /etc/sysctl.d',
  };
}
