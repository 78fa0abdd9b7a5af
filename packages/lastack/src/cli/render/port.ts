import {
  BIND_SETS,
  type BindSet,
  bindAddressText,
  endpointText,
  type Forecast,
  holderText,
  type PortHolder,
  portStateText,
  TcpState,
} from '@lastack/core';
import type { ExplainedAddress, PortAnswer } from '../../engine/port/port_answer.ts';
import { unseenLines } from './report.ts';
import { remedyLines } from './report_finding.ts';
import { Page, type PageOptions } from './report_layout.ts';
import { clearsWhen, counted, forecastText, sentence, thousands } from './report_words.ts';

/** What `lastack port N` prints. The first sentence answers: free or not, by whom, until when. */
export function renderPort(answer: PortAnswer, options: PageOptions): string {
  const page = new Page(options);
  const lines = [
    ...headline(page, answer),
    ...page.labelled('Held by', holderLines(page, answer)),
    ...page.labelled('Bind now', bindLines(page, answer.tried)),
    ...page.labelled('Because', reasonLines(page, answer.tried)),
    ...page.paragraph('Frees', answer.until && forecastText(answer.until)),
    ...page.labelled('Port', factLines(page, answer)),
    ...page.labelled('Do now', remedyLines(page, answer.remedies)),
    ...unseenLines(page, answer.observation.notes, []),
  ];
  return `${lines.join('\n')}\n`;
}

function headline(page: Page, answer: PortAnswer): string[] {
  const { bind } = answer;
  const { green, red, yellow } = page.style;
  const free = bind.plain === 'ok';
  const colour = free ? green : bind.reuseaddr === 'ok' ? yellow : red;
  const mark = page.say(markOf(bind));
  const [first, ...others] = page.prose(verdict(answer), '  ', `${mark}  `);
  return [
    colour(mark) + page.style.bold(first.slice(mark.length)),
    ...others.map((line) => `  ${page.style.bold(line.trimStart())}`),
  ];
}

function markOf({ plain, reuseaddr }: PortAnswer['bind']): string {
  if (plain === 'ok') return '✔ FREE';
  if (plain !== 'EADDRINUSE') return '✖ REFUSED';
  return reuseaddr === 'ok' ? '● BUSY' : '✖ TAKEN';
}

function verdict({ question, bind, blockers, until, holders, tried }: PortAnswer): string {
  const { port, addressText } = question;
  const what = `Port ${port}${addressText === undefined ? '' : ` at ${addressText}`}`;
  if (bind.plain === 'ok') {
    const elsewhere = holders.filter(({ isHere }) => !isHere).length > 0 ? ' (held in other network namespaces)' : '';
    const besides = holders.some(({ isHere }) => isHere) ? ', beside the sockets below' : '';
    return `${what} is free here: a plain bind succeeds now${besides}${elsewhere}.`;
  }
  if (bind.plain !== 'EADDRINUSE') {
    const { because } = tried.find(({ results }) => results.plain === bind.plain) as ExplainedAddress;
    return sentence(`${what} cannot be bound here (${bind.plain}): ${because.plain}`);
  }
  const [first] = blockers;
  const who = first === undefined ? 'a socket that is not visible' : holderText(first);
  const more =
    blockers.length > 1 ? ` and ${counted(blockers.length - 1, 'other kind', 'other kinds')} of sockets` : '';
  const when = until ? `, ${freeText(until)}` : '';
  const reuse = bind.reuseaddr === 'ok' ? ' With SO_REUSEADDR a bind succeeds now.' : '';
  return `${what} is taken by ${who}${more}${when}.${reuse}`;
}

/** `free in 41 s to 43 s`, `never free by itself`. */
export function freeText(until: Forecast): string {
  if (until.kind === 'never') return 'never free by itself';
  if (until.kind === 'unknown') return 'until when cannot be told';
  return `free ${clearsWhen(until)}`;
}

const HOLDERS_SHOWN = 12;

function holderLines(page: Page, { holders, observation }: PortAnswer): string[] {
  if (holders.length === 0) return page.body('no socket that can be seen');
  const several = observation.namespaces.length > 1 || holders.some(({ isHere }) => !isHere);
  const lines = holders.slice(0, HOLDERS_SHOWN).flatMap((holder) => page.body(holderLine(holder, several), '  '));
  const more = holders.length - HOLDERS_SHOWN;
  return more > 0 ? [...lines, page.say(`and ${counted(more, 'more kind', 'more kinds')} of sockets`)] : lines;
}

function holderLine(holder: PortHolder, several: boolean): string {
  const { namespace, rows, state, forecast, holder: owner } = holder;
  const [row] = rows;
  const { table } = namespace;
  const local = endpointText(table.localAddress(row), table.localPort(row));
  const hasPeer = state !== TcpState.LISTEN && state !== TcpState.BOUND_INACTIVE;
  const peer =
    rows.length === 1 && hasPeer ? ` → ${endpointText(table.remoteAddress(row), table.remotePort(row))}` : '';
  const count = rows.length > 1 ? `${thousands(rows.length)} × ` : '';
  const where = several ? `, network namespace ${namespace.label}` : '';
  return `${count}${portStateText(state)} ${local}${peer} (${heldText(holder, owner.label)}${where}): ${clearsWhen(forecast)}, ${forecast.because}`;
}

function heldText({ kind, rows, holder }: PortHolder, label: string): string {
  if (kind === 'minisocket') return 'held by no process';
  if (kind === 'request') return 'half open, has no port of its own';
  if (kind === 'unaccepted') return 'not accepted yet';
  const [first] = holder.owners;
  const fd = rows.length === 1 && holder.owners.length === 1 && first ? ` fd ${first.fd}` : '';
  const unit = first?.unit ?? first?.container;
  const group = unit !== undefined && !label.includes(unit) ? `, ${unit}` : '';
  return `${label}${fd}${group}`;
}

const HEADINGS: Readonly<Record<BindSet, string>> = {
  plain: 'plain',
  reuseaddr: 'SO_REUSEADDR',
  reuseport: 'SO_REUSEPORT',
  both: 'both',
};
const COLUMN = 14;
const ADDRESS_COLUMN = 18;

function bindLines(page: Page, tried: readonly ExplainedAddress[]): string[] {
  const wide = Math.max(ADDRESS_COLUMN, ...tried.map(({ at }) => bindAddressText(at).length + 2));
  if (page.bodyWidth < wide + COLUMN * 3 + 10) return tried.flatMap((each) => narrowBind(page, each));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => cell.padEnd(index === 0 ? wide : COLUMN))
      .join('')
      .trimEnd();
  return [
    page.style.dim(line(['address', ...BIND_SETS.map((set) => HEADINGS[set])])),
    ...tried.map(({ at, results }) => line([bindAddressText(at), ...BIND_SETS.map((set) => results[set])])),
  ];
}

function narrowBind(page: Page, { at, results }: ExplainedAddress): string[] {
  const said = BIND_SETS.map((set) => `${HEADINGS[set]} ${results[set]}`).join(', ');
  return page.body(`${bindAddressText(at)}: ${said}`, '  ');
}

const REASONS_SHOWN = 6;

/** Each reason once, with the option sets that it is true of. Why something succeeds is only said beside sockets. */
function reasonLines(page: Page, tried: readonly ExplainedAddress[]): string[] {
  const setsOf = new Map<string, Set<string>>();
  for (const { results, because, predictions } of tried) {
    for (const set of BIND_SETS) {
      const { sharing, doubtful } = predictions[set];
      if (results[set] === 'ok' && sharing.length + doubtful.length === 0) continue;
      const reason = `${results[set]}: ${because[set]}`;
      setsOf.set(reason, (setsOf.get(reason) ?? new Set()).add(HEADINGS[set]));
    }
  }
  const all = [...setsOf].map(([reason, sets]) => `${[...sets].join(', ')} → ${reason}`);
  const lines = all.slice(0, REASONS_SHOWN).flatMap((text) => page.body(text, '  '));
  const more = all.length - REASONS_SHOWN;
  return more > 0 ? [...lines, page.say(`and ${counted(more, 'more reason')} (see --json)`)] : lines;
}

function factLines(page: Page, { facts, question, bind }: PortAnswer): string[] {
  const said: string[] = [];
  const range = `${facts.ephemeralFrom} to ${facts.ephemeralTo} (net.ipv4.ip_local_port_range)`;
  if (facts.isEphemeral && facts.isReserved !== true) {
    said.push(`lies in ${range}: an outgoing connection of any program may take it whenever it is free`);
  } else if (facts.isReserved) {
    said.push('is in net.ipv4.ip_local_reserved_ports: outgoing connections do not get it by chance');
  }
  if (facts.isPrivileged && bind.plain !== 'EACCES') {
    said.push(
      `is below ${facts.unprivilegedFrom} (net.ipv4.ip_unprivileged_port_start): programs without CAP_NET_BIND_SERVICE get EACCES`,
    );
  }
  return said.flatMap((text) => page.body(`${question.port} ${text}`, '  '));
}
