import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** CAP_NET_ADMIN and CAP_SYS_ADMIN: to build networks, and to make and enter namespaces. */
const NEEDED = (1n << 12n) | (1n << 21n);

/**
 * What permits the lab here.
 * - `direct`: this process may make network namespaces
 * - `user-namespace`: not so, but run again with `prefix` in front of its argument vector it may
 * - `none`: neither; `because` says why and what would allow it
 */
export type LabPrivilege =
  | { kind: 'direct' }
  | { kind: 'user-namespace'; prefix: readonly string[] }
  | { kind: 'none'; because: string };

const AS_ROOT_OF_A_USER_NAMESPACE = ['unshare', '--user', '--map-root-user', '--net', '--'] as const;

function effectiveCapabilities(): bigint {
  const line = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'));
  return BigInt(`0x${line?.[1] ?? '0'}`);
}

/** Settings by which distributions forbid user namespaces to ordinary users. */
const FORBIDDING: readonly { file: string; forbids: (value: number) => boolean; todo: string }[] = [
  {
    file: '/proc/sys/kernel/unprivileged_userns_clone',
    forbids: (value) => value === 0,
    todo: 'sysctl -w kernel.unprivileged_userns_clone=1',
  },
  {
    file: '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    forbids: (value) => value !== 0,
    todo: 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  },
  {
    file: '/proc/sys/user/max_user_namespaces',
    forbids: (value) => value === 0,
    todo: 'sysctl -w user.max_user_namespaces=1024',
  },
];

function numberIn(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'latin1'));
  } catch {
    return undefined;
  }
}

function whyNot(complaint: string): string {
  const cause = FORBIDDING.find(({ file, forbids }) => {
    const value = numberIn(file);
    return value !== undefined && forbids(value);
  });
  const reason = cause ? `${cause.file} forbids user namespaces (as root: ${cause.todo})` : complaint;
  return `the lab needs root or a user namespace: ${reason}; run it as root instead`;
}

export function labPrivilege(): LabPrivilege {
  if ((effectiveCapabilities() & NEEDED) === NEEDED) return { kind: 'direct' };
  const [program, ...args] = AS_ROOT_OF_A_USER_NAMESPACE;
  const trial = spawnSync(program, [...args, 'true'], { encoding: 'utf8', timeout: 5_000 });
  if (trial.status === 0) return { kind: 'user-namespace', prefix: AS_ROOT_OF_A_USER_NAMESPACE };
  const missing = trial.error && 'code' in trial.error && trial.error.code === 'ENOENT';
  const complaint = missing ? 'the program `unshare` is missing; install util-linux' : trial.stderr.trim();
  return { kind: 'none', because: whyNot(complaint.split('\n')[0] ?? '') };
}
