import type { Finding } from '../finding.ts';
import { TcpState } from '../tcp/states.ts';
import type { TuningProfile } from './tuning.ts';

/** A value that might help a finding; whether it does, the forecast says. */
export interface Candidate {
  name: string;
  value: string;
  sideEffects: string;
}

interface Choice {
  name: string;
  /** Without a profile, and where a profile leans to another side. */
  value: number;
  for?: Partial<Record<TuningProfile, number>>;
  sideEffects: string;
}

/** 6 to 7 s on a short path: the third repetition of a FIN that nobody acknowledged. */
const ORPHANS: Choice = {
  name: 'tcp_orphan_retries',
  value: 3,
  // A database must not lose the last rows of an answer to a short outage.
  for: { proxy: 2, database: 5 },
  sideEffects:
    'acts at once on every orphan of the namespace: peers that are slow or briefly away lose the rest of their data',
};

/** 8 is the least that RFC 1122 allows. */
const HELD: Choice = {
  name: 'tcp_retries2',
  value: 8,
  for: { database: 10 },
  sideEffects:
    'acts at once on every connection of the namespace: outages of the path that are longer than this end them; TCP_USER_TIMEOUT does it for one program alone',
};

const HALF_OPEN: Choice = {
  name: 'tcp_synack_retries',
  value: 3,
  for: { client: 5, database: 5 },
  sideEffects: 'clients behind very lossy paths are given up sooner',
};

const CONNECTING: Choice = {
  name: 'tcp_syn_retries',
  value: 6,
  // Only who says that this host connects to others wants that to fail sooner for all its programs.
  for: { proxy: 3, client: 3 },
  sideEffects:
    'connections to hosts that need longer to come up fail; a timeout in the program does it for one program alone',
};

const FIN_IN_FLIGHT: ReadonlySet<number> = new Set([TcpState.FIN_WAIT1, TcpState.CLOSING, TcpState.LAST_ACK]);

/** Values that might help this finding: those that its rule proposes itself, and those of the limits that apply. */
export function candidatesFor(finding: Finding, profile: TuningProfile | undefined): Candidate[] {
  const proposed = finding.remedies.flatMap(({ setting, cost = 'none known' }): Candidate[] =>
    setting === undefined ? [] : [{ ...setting, sideEffects: cost }],
  );
  const names = new Set(proposed.map(({ name }) => name));
  const limits = limitsOf(finding)
    .filter(({ name }) => !names.has(name))
    .map(
      (choice): Candidate => ({
        name: choice.name,
        value: String((profile && choice.for?.[profile]) ?? choice.value),
        sideEffects: choice.sideEffects,
      }),
    );
  return preferred([...proposed, ...limits], profile);
}

function limitsOf({ sockets }: Finding): Choice[] {
  const [first] = sockets;
  if (first === undefined) return [];
  const { table } = first.namespace;
  const state = table.state(first.row);
  const hasOrphans = sockets.some(({ row }) => table.kind(row) === 'orphan');
  if (FIN_IN_FLIGHT.has(state)) return hasOrphans ? [ORPHANS] : [HELD];
  if (state === TcpState.ESTABLISHED || state === TcpState.CLOSE_WAIT) return [HELD];
  if (state === TcpState.SYN_SENT) return [CONNECTING];
  return state === TcpState.SYN_RECV ? [HALF_OPEN] : [];
}

/** Who connects out is helped most by using ports again; who listens wants ports rather than less protection. */
function preferred(candidates: readonly Candidate[], profile: TuningProfile | undefined): Candidate[] {
  if (profile !== 'client' && profile !== 'proxy') return [...candidates];
  const rank = ({ name }: Candidate) => (name === 'tcp_tw_reuse' ? 0 : 1);
  return [...candidates].sort((left, right) => rank(left) - rank(right));
}
