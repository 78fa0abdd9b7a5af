import {
  type FilterAst,
  FilterError,
  type Note,
  parseFilter,
  type Row,
  RULES,
  renderFilterError,
  requirements,
} from '@lastack/core';
import { type DiagTable, readServices, readTimerHz } from '@lastack/kernel';
import { type Command, Option } from 'commander';
import { type Effects, Exit, UserError } from '../../effects.ts';
import { withUsefulAdvice } from '../../engine/advice.ts';
import { conntrackOf, entryOf } from '../../engine/conntrack.ts';
import { diagnose } from '../../engine/diagnose.ts';
import { checkCgroups } from '../../engine/filter_context.ts';
import { forecastListed } from '../../engine/forecast_listed.ts';
import { type ListedNamespace, type ListRequest, listSockets, type SocketSink } from '../../engine/list_sockets.ts';
import type { Scope } from '../../engine/namespaces.ts';
import { closeNamespaces, observe, openNamespaces } from '../../engine/observation.ts';
import { checkNamespaces } from '../../engine/tune/place.ts';
import { conntrackJson } from '../../report/conntrack_json.ts';
import { socketJson } from '../../report/socket_json.ts';
import { NARROW_COLUMNS, NarrowSocketList } from '../render/narrow_socket_list.ts';
import { noMatch } from '../render/no_match.ts';
import { noteLine } from '../render/note_line.ts';
import { pageOptions } from '../render/report_options.ts';
import { SocketListText } from '../render/socket_list_text.ts';
import { TextChunks } from '../render/text_chunks.ts';
import { refuseSsOptions } from '../ss_options.ts';

interface ListOptions {
  json?: boolean;
  ndjson?: boolean;
  allNetns?: boolean;
  owners: boolean;
  conntrack?: boolean;
}

export function listCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  const ls = program
    .command('ls')
    .description('list sockets like ss, with the time at which each goes away and its owner')
    .argument('[filter...]', 'the language of ss, for example: state fin-wait-1 dst 10.0.2.46 and dport = :2572')
    .option('--all-netns', 'sockets of every network namespace that can be entered')
    .option('--no-owners', 'do not search for the processes that hold the sockets (faster)')
    .option('--conntrack', "beside each socket the firewall's entry for it: state and time left")
    .option('--json', 'one JSON document, schema lastack.sockets/1')
    .addOption(new Option('--ndjson', 'one JSON object per line and socket').conflicts('json'))
    .allowUnknownOption(false)
    .exitOverride((error) => {
      if (error.code === 'commander.unknownOption') refuseSsOptions('ls', ls.args);
      throw error;
    })
    .action(async (words: string[], options: ListOptions) => {
      // Commander takes -4 and -6 for numbers.
      refuseSsOptions('ls', words);
      done(await list(effects, words, options));
    });
}

async function list(effects: Effects, words: string[], options: ListOptions): Promise<number> {
  const filter = readFilter(effects, words);
  checkCgroups(effects, filter);
  checkNamespaces(effects, filter);
  const notes: Note[] = [];
  const needs = requirements(filter);
  const scope: Scope = options.allNetns || needs.namespaces.length > 0 ? 'all' : 'own';
  const timerHz = lazyTimerHz(effects);
  const stuck = needs.stuck ? await stuckCookies(effects, scope) : undefined;
  const printer = makePrinter(effects, options, scope, timerHz);
  const opened = openNamespaces(effects, scope, notes);
  let count = 0;
  try {
    for (const open of opened) {
      const conntrack = options.conntrack ? await conntrackOf(effects, open.ref, notes) : undefined;
      count += await listSockets(
        effects,
        open,
        { filter, withOwners: options.owners, streaming: printer.streaming, timerHz, stuck, conntrack },
        notes,
        printer,
      );
    }
  } finally {
    closeNamespaces(opened);
  }
  const said = withUsefulAdvice(effects, notes);
  printer.end(said);
  for (const note of said) effects.stderr.write(`lastack: ${noteLine(note)}\n`);
  if (notes.some(({ incomplete }) => incomplete)) return Exit.PARTIAL;
  if (count > 0) return Exit.OK;
  if (!options.json && !options.ndjson) effects.stderr.write(`lastack: ${noMatch(scope)}\n`);
  return Exit.FOUND_OR_NO_MATCH;
}

function readFilter(effects: Effects, words: string[]): FilterAst {
  try {
    const needsServices = words.some((word) => /[:a-z]/i.test(word));
    const filter = parseFilter(words, { services: needsServices ? readServices() : undefined });
    for (const note of filter.notes) effects.stderr.write(`lastack: ${note}\n`);
    return filter;
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new UserError(renderFilterError(error, effects.stderr.columns));
  }
}

async function stuckCookies(effects: Effects, scope: Scope): Promise<Set<bigint>> {
  const observation = await observe(effects, scope);
  const findings = await diagnose(effects, observation, { rules: RULES, minimumIntervalMs: 0 });
  closeNamespaces(observation.namespaces);
  return new Set(findings.flatMap(({ sockets }) => sockets.map(({ namespace, row }) => namespace.table.cookie(row))));
}

interface Printer extends SocketSink {
  /** Whether sockets may come while the dump goes on. */
  streaming: boolean;
  end(notes: readonly Note[]): void;
}

type TimerHz = NonNullable<ListRequest['timerHz']>;

/** Asked of the kernel once, when the first socket needs it. */
function lazyTimerHz({ libc }: Effects): TimerHz {
  let known: { timerHz: number | undefined } | undefined;
  return () => {
    known ??= { timerHz: readTimerHz(libc()) };
    return known.timerHz;
  };
}

function makePrinter(effects: Effects, options: ListOptions, scope: Scope, timerHz: TimerHz): Printer {
  const sinceMs = stopwatch(effects);
  if (options.json) return jsonPrinter(effects, timerHz, sinceMs);
  if (options.ndjson) return ndjsonPrinter(effects, timerHz, sinceMs);
  const columns = {
    namespaces: scope !== 'own',
    owners: options.owners,
    conntrack: options.conntrack ?? false,
    timerHz,
    sinceMs,
  };
  const page = pageOptions(effects);
  const streaming = !effects.stdout.isTerminal;
  if (page.width < NARROW_COLUMNS) {
    const list = new NarrowSocketList(effects.stdout, columns, page);
    return { streaming, add: list.add, end: () => list.end() };
  }
  const list = new SocketListText(effects.stdout, columns, streaming ? effects.compiled('reply_lines') : undefined);
  return { streaming, read: list.read, add: list.add, bulk: list.bulk, learn: list.learn, end: () => list.end() };
}

/** Started when the forecasts begin to count. */
function stopwatch(effects: Effects): () => number {
  const startedMs = effects.monotonicMs();
  return () => effects.monotonicMs() - startedMs;
}

function ndjsonPrinter(effects: Effects, timerHz: TimerHz, sinceMs: () => number): Printer {
  const out = new TextChunks(effects.stdout);
  return {
    streaming: true,
    add: (table, row, namespace) => out.add(`${JSON.stringify(listedJson(table, row, namespace, timerHz, sinceMs))}\n`),
    end: () => out.flush(),
  };
}

function jsonPrinter(effects: Effects, timerHz: TimerHz, sinceMs: () => number): Printer {
  const out = new TextChunks(effects.stdout);
  const head = { schema: 'lastack.sockets/1', host: effects.hostname, kernel: effects.kernelRelease };
  const at = new Date(effects.now()).toISOString();
  out.add(`${JSON.stringify({ ...head, at }).slice(0, -1)},"sockets":[`);
  let separator = '\n';
  return {
    streaming: true,
    add(table, row, namespace) {
      out.add(separator + JSON.stringify(listedJson(table, row, namespace, timerHz, sinceMs)));
      separator = ',\n';
    },
    end(notes) {
      const complete = notes.every(({ incomplete }) => !incomplete);
      out.add(`],\n"complete":${complete},"notes":${JSON.stringify(notes)}}\n`);
      out.flush();
    },
  };
}

function listedJson(table: DiagTable, row: Row, namespace: ListedNamespace, timerHz: TimerHz, sinceMs: () => number) {
  const owners = namespace.owners?.get(table.inode(row)) ?? [];
  const forecast = forecastListed(table, row, namespace, timerHz(), sinceMs());
  const socket = socketJson(namespace, table, row, owners, forecast);
  const entry = namespace.conntrack && entryOf(namespace.conntrack, table, row);
  return entry ? { ...socket, conntrack: conntrackJson(entry) } : socket;
}
