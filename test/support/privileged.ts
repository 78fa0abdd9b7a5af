import { labPrivilege } from '@lastack/lab';

/** Whether the lab is to be used; without the right to it: a failure in CI, a skipped test with the reason elsewhere. */
export function mayUseLab(): boolean {
  const privilege = labPrivilege();
  if (privilege.kind !== 'none') return true;
  if (process.env.CI) throw new Error(`tests that need the lab cannot run: ${privilege.because}`);
  process.stderr.write(`tests that need the lab are skipped: ${privilege.because}\n`);
  return false;
}
