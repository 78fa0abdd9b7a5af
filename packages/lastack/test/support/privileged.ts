import { labPrivilege } from '@lastack/lab';

/** In CI a missing privilege is a failure; elsewhere it is said and the tests are skipped. */
function missing(tests: string, because: string): string {
  if (process.env.CI) throw new Error(`${tests} cannot run: ${because}`);
  process.stderr.write(`${tests} skipped: ${because}\n`);
  return because;
}

/** Why this process cannot make network namespaces of its own; undefined when it can. */
export function missingNamespaces(): string | undefined {
  const privilege = labPrivilege();
  if (privilege.kind === 'direct') return undefined;
  const because =
    privilege.kind === 'none'
      ? privilege.because
      : `run the tests as root, or as: ${privilege.prefix.join(' ')} npx vitest run packages/lastack`;
  return missing('tests with network namespaces', because);
}

/** Why this process cannot start a program as another user; undefined when it can. */
export function missingOtherUsers(): string | undefined {
  if (process.getuid?.() === 0) return undefined;
  return missing('tests as another user', 'only root can start a program as another user; run the tests as root');
}
