import { type Destination, endpointText, formatDuration, type Pressure, plainAddress } from '@lastack/core';
import type { NamespacePressure, PressureReport } from '../../engine/port/pressure.ts';
import { unseenLines } from './report.ts';
import { Page, type PageOptions } from './report_layout.ts';
import { counted, thousands } from './report_words.ts';

const SHOWN = 10;

/** What `lastack port --pressure` prints: for each namespace the ports that connections take, most towards one first. */
export function renderPressure(report: PressureReport, options: PageOptions): string {
  const page = new Page(options);
  const busy = report.namespaces.filter(({ pressure }) => pressure.used > 0);
  const idle = report.namespaces.length - busy.length;
  const lines = [
    ...busy.flatMap((each, index) => [...(index > 0 ? [''] : []), ...namespaceLines(page, each)]),
    ...(busy.length === 0 || idle > 0 ? page.prose(idleText(busy.length, report.namespaces), '  ', '') : []),
    ...page
      .prose(`Rates are from two reads ${formatDuration(report.elapsedMs)} apart (--interval).`, '  ', '')
      .map(page.style.dim),
    ...unseenLines(page, report.notes, []),
  ];
  return `${lines.join('\n')}\n`;
}

function idleText(busy: number, all: readonly NamespacePressure[]): string {
  const [only] = all;
  if (busy === 0 && all.length === 1) {
    const { from, to } = only.pressure;
    return `No outgoing connection has a local port from ${from} to ${to} in network namespace ${only.label}.`;
  }
  const where = counted(all.length - busy, 'network namespace');
  return `No outgoing connection has a local port of the range in ${where}${busy > 0 ? ' more' : ''}.`;
}

function namespaceLines(page: Page, { label, pressure, reserved }: NamespacePressure): string[] {
  const { from, to, ports, used, destinations } = pressure;
  const less = reserved === undefined || reserved.length === 0 ? '' : ' without those reserved';
  const head = `Network namespace ${label}: ${counted(used, 'connection')} from ports ${from} to ${to}; ${thousands(ports)} to choose from${less} for each pair of local address and destination`;
  const more = destinations.length - SHOWN;
  return [
    ...page.prose(head, '  ', '').map(page.style.bold),
    ...destinations.slice(0, SHOWN).flatMap((each) => destinationLines(page, each, pressure)),
    ...(more > 0 ? page.prose(`and ${counted(more, 'more destination')} with fewer (--json)`, '  ') : []),
  ];
}

function destinationLines(page: Page, destination: Destination, { ports }: Pressure): string[] {
  const { localAddress, remoteAddress, remotePort, used, timeWait } = destination;
  const share = ports === 0 ? 100 : Math.floor((used / ports) * 100);
  const counts = `${thousands(used)} ports (${share} %), ${thousands(timeWait)} of them in TIME_WAIT`;
  const rates = `${rate(destination.takenPerSecond)} taken and ${rate(destination.freedPerSecond)} given back a second`;
  const reuse = destination.reusable && timeWait > 0 ? '; connect may take the TIME_WAIT over (tcp_tw_reuse)' : '';
  return [
    ...page.prose(`${plainAddress(localAddress)} → ${endpointText(remoteAddress, remotePort)}`, '    ', '  '),
    ...page.prose(`${counts}; ${rates}${reuse}`, '    '),
    ...emphasised(page, destination),
  ];
}

function emphasised(page: Page, { exhaustion }: Destination): string[] {
  const { because } = exhaustion;
  switch (exhaustion.kind) {
    case 'now':
      return page.prose(`Exhausted: ${because}`, '    ').map(page.style.red);
    case 'in':
      return page
        .prose(`Exhausted in about ${formatDuration(exhaustion.inMs)}: ${because}`, '    ')
        .map(page.style.yellow);
    default:
      return page.prose(`Not exhausted at this rate: ${because}`, '    ');
  }
}

function rate(perSecond: number): string {
  return perSecond >= 10 ? thousands(Math.round(perSecond)) : perSecond.toFixed(1).replace(/\.0$/, '');
}
