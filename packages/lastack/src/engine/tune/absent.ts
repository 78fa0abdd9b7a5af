import { type KernelSetting, sysctlName } from '@lastack/core';
import type { Effects } from '../../effects.ts';

/** Why this namespace shows no such setting, and what to do. */
export function absenceOf(
  setting: KernelSetting,
  { kernelRelease }: Pick<Effects, 'kernelRelease'>,
  label: string,
): string {
  const { name, scope, since, until, gone, path } = setting;
  const kernel = kernelRelease.split('-')[0];
  if (gone)
    return `${name}: removed in Linux ${until} (here runs ${kernel}); it ${broken(gone.broke)}; instead ${gone.instead}`;
  if (scope === 'host' && label !== 'host') {
    return `${name} is one value for the whole host, and ${label} does not show it; use --netns host`;
  }
  if (path.startsWith('net/netfilter/'))
    return `${name}: connection tracking is not loaded on this kernel (nf_conntrack)`;
  if (since !== undefined) return `${name}: this kernel (${kernel}) does not have it; it came with Linux ${since}`;
  return `${sysctlName(setting)}: this kernel (${kernel}) does not show it here`;
}

function broken(text: string): string {
  return text.replace(/^it /, '');
}
