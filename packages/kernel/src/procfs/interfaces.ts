import { type InterfaceCounters, printable } from '@lastack/core';
import { parseNumber, readText } from './text.ts';

// Columns of /proc/net/dev behind `NAME:`.
const RECEIVE_ERRORS = 2;
const RECEIVE_DROPS = 3;
const TRANSMIT_ERRORS = 10;
const TRANSMIT_DROPS = 11;
const COLUMNS = 16;

/** Counters of /proc/net/dev, one entry a device. Lines of another shape (the two headings) are skipped. */
export function parseInterfaces(text: string): InterfaceCounters[] {
  const interfaces: InterfaceCounters[] = [];
  for (const line of text.split('\n')) {
    const colon = line.lastIndexOf(':');
    if (colon < 0) continue;
    const values = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(parseNumber);
    const [receiveErrors, receiveDrops] = [values[RECEIVE_ERRORS], values[RECEIVE_DROPS]];
    const [transmitErrors, transmitDrops] = [values[TRANSMIT_ERRORS], values[TRANSMIT_DROPS]];
    if (values.length < COLUMNS || receiveErrors === undefined || receiveDrops === undefined) continue;
    if (transmitErrors === undefined || transmitDrops === undefined) continue;
    const device = printable(line.slice(0, colon).trim());
    interfaces.push({ device, receiveErrors, transmitErrors, receiveDrops, transmitDrops });
  }
  return interfaces;
}

export interface InterfaceQuery {
  procRoot: string;
  /**
   * `/sys`, for speed and duplex. Give it only for the namespace that mounted it: /sys/class/net shows that one's
   * devices to every thread, and another namespace may have a device of the same name.
   */
  sysRoot?: string;
}

/** Errors and drops since boot of each device of the calling thread's namespace. */
export function readInterfaces({ procRoot, sysRoot }: InterfaceQuery): InterfaceCounters[] {
  const interfaces = parseInterfaces(readText(`${procRoot}/thread-self/net/dev`) ?? '');
  if (sysRoot === undefined) return interfaces;
  return interfaces.map((entry) => ({ ...entry, ...readLink(`${sysRoot}/class/net/${entry.device}`) }));
}

/** A device that is down refuses these files; one without a speed says -1 or `unknown`. */
function readLink(directory: string): Pick<InterfaceCounters, 'speedMbps' | 'duplex'> {
  const speedMbps = parseNumber(readText(`${directory}/speed`));
  const duplex = readText(`${directory}/duplex`)?.trim();
  return {
    ...(speedMbps !== undefined && speedMbps > 0 && { speedMbps }),
    ...((duplex === 'full' || duplex === 'half') && { duplex }),
  };
}

/** Whether a device has carrier, from sysfs; undefined where it cannot be told (device down or absent). */
export function readCarrier(sysRoot: string, device: string): boolean | undefined {
  const carrier = parseNumber(readText(`${sysRoot}/class/net/${device}/carrier`));
  return carrier === undefined ? undefined : carrier === 1;
}
