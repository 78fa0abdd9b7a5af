import { createRequire } from 'node:module';

/** Loads the package koffi on the first call. The build puts the package's script into the bundle in place of this. */
export function requireKoffi(): unknown {
  return createRequire(import.meta.url)('koffi');
}
