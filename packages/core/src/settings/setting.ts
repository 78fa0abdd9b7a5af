/** Inclusive bounds of each number of a setting. */
export interface ValueRange {
  least: number;
  most: number;
}

/** When a change shows: at once, at timers armed after it, or on sockets made after it. */
export type TakesEffect = 'at once' | 'newly armed timers' | 'new sockets';

/** What one number of a setting counts. `switch`: numbers that stand for choices. */
export type SettingUnit =
  | 's'
  | 'ms'
  | 'µs'
  | 'retries'
  | 'probes'
  | 'sockets'
  | 'connections'
  | 'pages'
  | 'ports'
  | 'segments per second'
  | 'switch';

/** A setting that is no more: what it did harm to, and what to do today. */
export interface GoneSetting {
  broke: string;
  instead: string;
}

/** One kernel setting that governs, or is believed to govern, how TCP connections end. Plain facts, of no host. */
export interface KernelSetting {
  /** `tcp_fin_timeout`. */
  name: string;
  /** Below /proc/sys: `net/ipv4/tcp_fin_timeout`. */
  path: string;
  /** `host`: one value for all network namespaces, and only the host's own shows it. */
  scope: 'namespace' | 'host';
  unit: SettingUnit;
  /** Its numbers' keys in `Settings`, where it holds several: `ip_local_port_range_low`, `ip_local_port_range_high`. */
  parts?: readonly string[];
  /** The kernel's default as it reads, numbers separated by one space; undefined when it depends on the machine. */
  kernelDefault?: string;
  /** Where the default comes from, or how to read it: `acts as 8`. */
  defaultNote?: string;
  /** What the kernel itself takes, found by writing into a namespace (6.18, HZ 250). Undefined: not measured. */
  range?: ValueRange;
  /** What does what its name says; narrower than `range`. */
  sensible: ValueRange;
  /** Why nothing outside `sensible` is. */
  sensibleBecause?: string;
  /** First kernel that has it; undefined when all from 4.10 on do. */
  since?: string;
  /** First kernel that has it no more. */
  until?: string;
  governs: string;
  doesNotGovern: string;
  takesEffect: TakesEffect;
  risk: string;
  gone?: GoneSetting;
}

/** Why a value may not be written, and what may be instead. */
export interface RefusedValue {
  because: string;
  todo?: string;
}
