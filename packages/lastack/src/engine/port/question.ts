import { ANY_DUAL, ANY_IPV4, type BindAddress, nearestWord, printable } from '@lastack/core';
import { localAddresses, readServices } from '@lastack/kernel';
import { UserError } from '../../effects.ts';
import { canonicalAddress } from '../target.ts';

const MAX_PORT = 65_535;

/** `8080`, `:8080` or the name of a service. @throws UserError */
export function parsePort(text: string): number {
  const bare = text.trim().replace(/^:/, '');
  if (/^\d+$/.test(bare)) {
    const port = Number(bare);
    if (port >= 1 && port <= MAX_PORT) return port;
    const why = port === 0 ? 'port 0 stands for "any free port"' : `ports go up to ${MAX_PORT}`;
    throw new UserError(`there is no port ${printable(bare)}: ${why}; for example: lastack port 8080`);
  }
  const services = readServices();
  const port = services.get(bare) ?? services.get(bare.toLowerCase());
  if (port !== undefined && port > 0) return port;
  const near = /^-?[\d.,]+$/.test(bare) ? undefined : nearestWord(bare, services.keys());
  const help =
    near === undefined ? 'give a number from 1 to 65535, or a name of /etc/services' : `did you mean ${near}?`;
  throw new UserError(`'${printable(text)}' is no port; ${help}`);
}

/** The address of `--address`, link-local ones with their interface (`fe80::1%eth0`). @throws UserError */
export function parseBindAddress(text: string): BindAddress {
  const bare = text.trim().replace(/^\[(.*)\]$/, '$1');
  const address = bare === '*' ? ANY_IPV4.address : canonicalAddress(bare);
  if (address === undefined) {
    const example = 'for example 127.0.0.1, 0.0.0.0, ::1 or :: (dual-stack)';
    throw new UserError(`--address ${printable(text)}: not an IPv4 or IPv6 address; ${example}`);
  }
  if (address === ANY_DUAL.address) return ANY_DUAL;
  const family = address.includes(':') ? 6 : 4;
  const scope = /%(.+)$/.exec(bare)?.[1];
  return { family, address, v6only: false, scopeId: scope === undefined ? undefined : scopeIdOf(scope) };
}

/** The interface of a scope, by name or index. @throws UserError */
function scopeIdOf(scope: string): number {
  if (/^\d{1,9}$/.test(scope)) return Number(scope);
  const here = localAddresses();
  const found = here.find((entry) => entry.interface === scope && entry.scopeId !== undefined);
  if (found?.scopeId !== undefined) return found.scopeId;
  const names = [...new Set(here.filter(({ scopeId }) => scopeId !== undefined).map((entry) => entry.interface))];
  const known = names.length > 0 ? `; there are ${names.map(printable).join(', ')}` : '';
  throw new UserError(`there is no interface '${printable(scope)}' with a link-local address${known}`);
}
