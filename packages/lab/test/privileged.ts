import { labPrivilege } from '../src/mod.ts';

/** Why the tests that need namespaces cannot run here; undefined when they can. In CI that is a failure. */
export function missingPrivilege(): string | undefined {
  const privilege = labPrivilege();
  if (privilege.kind === 'direct') return undefined;
  const because =
    privilege.kind === 'none'
      ? privilege.because
      : `run the tests as root, or as: ${privilege.prefix.join(' ')} npx vitest run packages/lab`;
  if (process.env.CI) throw new Error(`the lab tests cannot run: ${because}`);
  process.stderr.write(`lab tests skipped: ${because}\n`);
  return because;
}
