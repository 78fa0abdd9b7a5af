import type { Effects } from '../../effects.ts';

export interface SystemctlResult {
  /** undefined: it was ended by a signal, or at the time limit. */
  code: number | undefined;
  stdout: string;
  /** The first line of what it said went wrong. */
  complaint: string;
  /** There is no such program. */
  isMissing: boolean;
}

const OUTPUT_LIMIT_BYTES = 1 << 20;

/** Runs systemctl with an argument vector, never through a shell. Never rejects. */
export function systemctl(
  { env }: Pick<Effects, 'env'>,
  args: readonly string[],
  { limitMs, signal }: { limitMs: number; signal?: AbortSignal },
): Promise<SystemctlResult> {
  // Loaded when it is needed: it would make every start of lastack slower.
  const { execFile } = process.getBuiltinModule('node:child_process');
  return new Promise((resolve) => {
    const options = {
      env: { ...env, LC_ALL: 'C', SYSTEMD_COLORS: '0', SYSTEMD_PAGER: '' } as NodeJS.ProcessEnv,
      timeout: limitMs,
      maxBuffer: OUTPUT_LIMIT_BYTES,
      signal,
    };
    execFile('systemctl', ['--no-pager', '--no-ask-password', ...args], options, (error, stdout, stderr) => {
      const failure = error as (Error & { code?: string | number | null }) | null;
      resolve({
        code: failure === null ? 0 : typeof failure.code === 'number' ? failure.code : undefined,
        stdout,
        complaint: stderr.trim().split('\n')[0] || failure?.message.split('\n')[0] || '',
        isMissing: failure?.code === 'ENOENT',
      });
    });
  });
}
