import {
  ageBounds,
  compileFilter,
  type FilterAst,
  type FilterContext,
  forecastInputOf,
  forecastNeedsInfo,
  type Note,
  type Row,
  requirements,
  type Settings,
  type SocketOwners,
  stateMask,
  TcpState,
  TimerCode,
} from '@lastack/core';
import {
  type BulkVisitor,
  CapabilityBit,
  compileBytecode,
  DiagTable,
  dumpSockets,
  effectiveCapabilities,
  fetchInfo,
  hasCapability,
  NO_OWNERS,
  type OwnerSearch,
  RowPacker,
} from '@lastack/kernel';
import type { Effects } from '../effects.ts';
import type { ConntrackIndex } from './conntrack.ts';
import { filterContext } from './filter_context.ts';
import type { OpenNamespace } from './observation.ts';
import { ownerSearch, searchMeanwhile } from './owner_search.ts';

const { BOUND_INACTIVE, CLOSE, NEW_SYN_RECV } = TcpState;

export interface ListRequest {
  filter: FilterAst;
  withOwners: boolean;
  /** Matching sockets may be handed over while the dump goes on; those that need a second look come last then. */
  streaming: boolean;
  /** Undefined when nobody forecasts. */
  timerHz?: () => number | undefined;
  /** Cookies of the sockets that findings name, when the filter asks for `stuck`. */
  stuck: ReadonlySet<bigint> | undefined;
  conntrack?: ConntrackIndex;
}

export interface ListedNamespace {
  label: string;
  settings: Settings;
  /** By inode; undefined when nobody asked. */
  owners: SocketOwners | undefined;
  /** Connection tracking beside the sockets; undefined when nobody asked or there is none. */
  conntrack: ConntrackIndex | undefined;
}

/** Receives each matching socket once. */
export interface SocketSink {
  /** All sockets added from now on until the next call were read before this one. */
  read?(): void;
  /** With TCP_INFO where the forecast needs that. */
  add(table: DiagTable, row: Row, namespace: ListedNamespace): void;
  /** Takes many at once straight from the replies, and counts them; the others are added. */
  bulk?: BulkVisitor & { readonly count: number };
  /** Where rows go straight away that need no second look; they are not added then. */
  into?: DiagTable;
  /** Is told at once of each socket that `bulk` left, so that it can take the next ones like it. */
  learn?(table: DiagTable, row: Row, namespace: ListedNamespace): void;
}

/**
 * Lists the sockets of one namespace that match. What the kernel can check is checked there; the rest here.
 * @returns how many matched. Rejects with KernelError.
 */
export async function listSockets(
  effects: Effects,
  open: OpenNamespace,
  request: ListRequest,
  notes: Note[],
  sink: SocketSink,
): Promise<number> {
  const context = await filterContext(effects, open, request.filter, notes);
  const listing = new Listing(effects, open, request, context, notes, sink);
  await listing.dump();
  await listing.finish();
  return listing.count;
}

class Listing {
  count = 0;
  readonly #effects: Effects;
  readonly #open: OpenNamespace;
  readonly #request: ListRequest;
  readonly #context: FilterContext;
  readonly #notes: Note[];
  readonly #sink: SocketSink;
  readonly #namespace: ListedNamespace & { owners: SocketOwners | undefined };
  readonly #needs: ReturnType<typeof requirements>;
  readonly #search: OwnerSearch | undefined;
  /** Sockets of the batch now being received. */
  readonly #batch = new DiagTable();
  /** Between this and the second look the kernel's clock went on. */
  readonly #startedMs: number;
  /** Sockets that cannot be handed over before the dump has ended. */
  readonly #kept = new DiagTable();

  constructor(
    effects: Effects,
    open: OpenNamespace,
    request: ListRequest,
    context: FilterContext,
    notes: Note[],
    sink: SocketSink,
  ) {
    this.#effects = effects;
    this.#startedMs = effects.monotonicMs();
    this.#open = open;
    this.#request = request;
    this.#context = context;
    this.#notes = notes;
    this.#sink = sink;
    this.#namespace = {
      get label() {
        return open.ref.label;
      },
      get settings() {
        return open.settings;
      },
      owners: undefined,
      conntrack: request.conntrack,
    };
    this.#needs = requirements(request.filter);
    if (request.withOwners || this.#needs.owners) this.#search = ownerSearch(effects, notes);
  }

  async dump(): Promise<void> {
    const { filter, streaming, withOwners } = this.#request;
    const { bytes, residual: left } = compileBytecode(filter, {
      cgroupIdOf: this.#context.cgroupIdOf,
      interfaceIndexOf: this.#context.interfaceIndexOf,
      allowMark: hasCapability(effectiveCapabilities(this.#effects.procRoot), CapabilityBit.NET_ADMIN),
    });
    const residual = left && isChosenByState(left) ? undefined : left;
    const keepAll = !streaming || this.#isSecondLookNeeded();
    const canBulk = !keepAll && !residual;
    const into = canBulk ? this.#sink.into : undefined;
    const counted = canBulk ? this.#sink.bulk : undefined;
    const bulk = counted ?? (into && RowPacker.into(into, this.#effects.compiled('pack_rows')));
    const before = (counted?.count ?? 0) + (into?.count ?? 0);
    // The first look may let through too much, never too little, while the second is still to come.
    const matches = this.#isSecondLookNeeded() || !residual ? () => true : compileFilter(residual, this.#context);
    const batch = this.#batch;
    const dump = dumpSockets(
      this.#open.diag,
      { states: stateMask(filter), bytecode: bytes, aside: this.#open.diagAside, bulk },
      (words, view, at, end) => {
        if (into) return into.append(words, view, at, end);
        batch.append(words, view, at, end);
        if (counted) this.#sink.learn?.(batch, batch.count - 1, this.#namespace);
      },
      () => {
        this.#sink.read?.();
        for (let row = 0; row < batch.count; row++) {
          if (!matches(batch, row)) continue;
          if (keepAll || (withOwners && batch.inode(row) !== 0) || needsInfo(batch, row))
            this.#kept.copyRow(batch, row);
          else this.#give(batch, row);
        }
        batch.clear();
      },
    );
    // Read while the kernel works: the first socket will ask for it.
    if (this.#request.timerHz) {
      void this.#open.settings;
      this.#request.timerHz();
    }
    const incomplete = await searchMeanwhile(this.#search, dump);
    this.count += (counted?.count ?? 0) + (into?.count ?? 0) - before;
    if (incomplete) this.#note('sockets', incomplete, true);
  }

  /** Second look at what was kept: TCP_INFO, owners, and the conditions that ask for them. */
  async finish(): Promise<void> {
    const kept = this.#kept;
    await this.#readInfo();
    this.#namespace.owners = this.#readOwners();
    this.#sink.read?.();
    const matches = this.#isSecondLookNeeded() ? compileFilter(this.#request.filter, this.#secondContext()) : undefined;
    for (let row = 0; row < kept.count; row++) if (!matches || matches(kept, row)) this.#give(kept, row);
  }

  #isSecondLookNeeded(): boolean {
    return this.#needs.owners || this.#needs.info || this.#needs.stuck;
  }

  #give(table: DiagTable, row: Row): void {
    this.#sink.add(table, row, this.#namespace);
    this.count++;
  }

  async #readInfo(): Promise<void> {
    const rows: Row[] = [];
    for (let row = 0; row < this.#kept.count; row++) {
      const wanted = this.#needs.info ? this.#kept.kind(row) !== 'minisocket' : needsInfo(this.#kept, row);
      if (wanted) rows.push(row);
    }
    if (rows.length === 0) return;
    const incomplete = await fetchInfo(this.#open.diag, this.#kept, rows);
    if (incomplete) this.#note('TCP_INFO', incomplete, false);
  }

  /** The search is only brought to its end where some socket can have an owner. */
  #readOwners(): SocketOwners | undefined {
    if (!this.#search) return undefined;
    for (let row = 0; row < this.#kept.count; row++) {
      if (this.#kept.inode(row) !== 0) return this.#search.finish();
    }
    return NO_OWNERS;
  }

  #secondContext(): FilterContext {
    const { owners } = this.#namespace;
    const { stuck, timerHz } = this.#request;
    const readWithinMs = this.#effects.monotonicMs() - this.#startedMs;
    const place = { table: this.#kept, settings: this.#namespace.settings, options: new Map(), readWithinMs };
    return {
      ...this.#context,
      ownersOf: (inode) => owners?.get(inode),
      ageOf: (row) => ageBounds(forecastInputOf({ timerHz: timerHz?.() }, place, row)),
      isStuck: (row) => stuck?.has(this.#kept.cookie(row)),
    };
  }

  #note(what: string, because: string, incomplete: boolean): void {
    this.#notes.push({ what: `${what} of network namespace ${this.#namespace.label}`, because, incomplete });
  }
}

/** States that are reported as what they were asked for as: all but half-open requests and sockets without connection. */
const PLAIN_STATES = [CLOSE, BOUND_INACTIVE, NEW_SYN_RECV].reduce((mask, state) => mask & ~(1 << state), 0x1fff);

/**
 * Only states are left to choose by, and the dump's mask has chosen by them. The kernel looks at the state a moment before it
 * writes it down: like ss, this shows a socket that moved on in between in its new state.
 */
function isChosenByState({ states = 0, expression }: FilterAst): boolean {
  return expression === undefined && (states & ~PLAIN_STATES) === 0;
}

/** Idle sockets have no timer, and most of the others none whose end depends on TCP_INFO. */
function needsInfo(table: DiagTable, row: Row): boolean {
  const timer = table.timer(row);
  return timer !== TimerCode.NONE && forecastNeedsInfo(table.state(row), table.kind(row), timer);
}
