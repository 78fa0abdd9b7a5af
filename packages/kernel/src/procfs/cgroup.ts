import { printable } from '@lastack/core';
import { readText } from './text.ts';

/** What a control group path says about the process in it. */
export interface CgroupIdentity {
  unit?: string;
  container?: string;
}

const SHORT_ID = 12;

interface ContainerPattern {
  engine: string;
  pattern: RegExp;
}

// One path segment each; group 1 is the id. The helpers that sit beside a container (`crio-conmon-…`) match none.
const SEGMENT_PATTERNS: readonly ContainerPattern[] = [
  { engine: 'docker', pattern: /^docker-([0-9a-f]{64})\.scope$/ },
  { engine: 'podman', pattern: /^libpod-([0-9a-f]{64})(?:\.scope)?$/ },
  { engine: 'containerd', pattern: /^(?:cri-containerd|nerdctl)-([0-9a-f]{64})\.scope$/ },
  { engine: 'containerd', pattern: /:cri-containerd:([0-9a-f]{64})$/ },
  { engine: 'cri-o', pattern: /^crio-([0-9a-f]{64})(?:\.scope)?$/ },
  { engine: 'lxc', pattern: /^lxc\.payload[.-](.+)$/ },
];

// `kubepods-burstable-pod1234_….slice` (systemd driver, also before `:cri-containerd:ID`), `pod1234-…` (cgroupfs driver).
const POD_SEGMENT = /(?:^|-)pod([0-9a-f]{8}[-_0-9a-f]{24,28}|[0-9a-f]{32})(?:\.slice)?(?=$|:)/;
const BARE_ID = /^[0-9a-f]{64}$/;
const UNIT = /\.(?:service|scope)$/;
const PARENT_ENGINES: Readonly<Record<string, string>> = { docker: 'docker', libpod_parent: 'podman', lxc: 'lxc' };

function containerOfSegment(segment: string, parent: string | undefined): string | undefined {
  for (const { engine, pattern } of SEGMENT_PATTERNS) {
    const id = pattern.exec(segment)?.[1];
    if (id !== undefined) return `${engine}:${BARE_ID.test(id) ? id.slice(0, SHORT_ID) : id}`;
  }
  const engine = parent !== undefined && Object.hasOwn(PARENT_ENGINES, parent) ? PARENT_ENGINES[parent] : undefined;
  if (engine === 'lxc') return `lxc:${segment}`;
  if (!BARE_ID.test(segment)) return undefined;
  return engine === undefined ? undefined : `${engine}:${segment.slice(0, SHORT_ID)}`;
}

function podOfSegment(segment: string): string | undefined {
  const uid = POD_SEGMENT.exec(segment)?.[1];
  return uid === undefined ? undefined : `pod:${uid.replaceAll('_', '-')}`;
}

/** Identity from one path such as `/system.slice/nginx.service`. A container inside a unit hides that unit. */
export function parseCgroupPath(path: string): CgroupIdentity {
  const segments = path.replace(/ \(deleted\)$/, '').split('/');
  const identity: CgroupIdentity = {};
  let inKubepods = false;
  let inPod = false;
  segments.forEach((segment, index) => {
    inKubepods ||= segment.startsWith('kubepods');
    const pod = inKubepods ? podOfSegment(segment) : undefined;
    const name = pod ?? containerOfSegment(segment, segments[index - 1]);
    if (name !== undefined) {
      // A pod's name says more than those of the containers in it.
      if (!inPod) identity.container = printable(name);
      inPod ||= pod !== undefined;
      delete identity.unit;
    } else if (UNIT.test(segment)) {
      identity.unit = printable(segment);
    }
  });
  return identity;
}

/**
 * Identity from the text of /proc/PID/cgroup: lines `0::PATH` (version 2) and `N:CONTROLLERS:PATH` (version 1).
 * Version 2 and systemd's own hierarchy know units best; other hierarchies fill in what those leave open.
 */
export function parseCgroup(text: string): CgroupIdentity {
  const ranked: { rank: number; path: string }[] = [];
  for (const line of text.split('\n')) {
    const [id, controllers, ...rest] = line.split(':');
    if (controllers === undefined || rest.length === 0) continue;
    const rank = id === '0' && controllers === '' ? 0 : controllers === 'name=systemd' ? 1 : 2;
    ranked.push({ rank, path: rest.join(':') });
  }
  const identity: CgroupIdentity = {};
  for (const { path } of ranked.sort((left, right) => left.rank - right.rank)) {
    const found = parseCgroupPath(path);
    identity.unit ??= found.unit;
    identity.container ??= found.container;
  }
  return defined(identity);
}

function defined({ unit, container }: CgroupIdentity): CgroupIdentity {
  return { ...(unit !== undefined && { unit }), ...(container !== undefined && { container }) };
}

/** Identity of a process; empty when the file is absent, gone or forbidden. */
export function readCgroup(procRoot: string, pid: number): CgroupIdentity {
  const text = readText(`${procRoot}/${pid}/cgroup`);
  return text === undefined ? {} : parseCgroup(text);
}
