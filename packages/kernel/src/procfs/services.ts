import { readText } from './text.ts';

/** TCP services of a text in the form of /etc/services: name and aliases → port. The first line of a name wins. */
export function parseServices(text: string): Map<string, number> {
  const services = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, portAndProtocol, ...aliases] = line.split('#', 1)[0].trim().split(/\s+/);
    const port = /^(\d{1,5})\/tcp$/.exec(portAndProtocol ?? '')?.[1];
    if (port === undefined || Number(port) > 65_535) continue;
    for (const alias of [name, ...aliases]) if (!services.has(alias)) services.set(alias, Number(port));
  }
  return services;
}

/** Empty when the file is absent. */
export function readServices(path = '/etc/services'): Map<string, number> {
  return parseServices(readText(path) ?? '');
}
