import { describe, expect, it } from 'vitest';
import { parseCgroup, parseCgroupPath } from './cgroup.ts';

const ID = '0123456789abcdef'.repeat(4);
const SHORT = '0123456789ab';
const POD = '2b8a1f3c-5d6e-4f70-8a9b-0c1d2e3f4a5b';
const POD_ = POD.replaceAll('-', '_');

describe('parseCgroupPath', () => {
  it.each([
    ['/', {}],
    ['/init.scope', { unit: 'init.scope' }],
    ['/system.slice/nginx.service', { unit: 'nginx.service' }],
    ['/system.slice/nginx.service (deleted)', { unit: 'nginx.service' }],
    ['/system.slice/system-getty.slice/getty@tty1.service', { unit: 'getty@tty1.service' }],
    ['/system.slice/envoy.service/supervisor', { unit: 'envoy.service' }],
    ['/user.slice/user-1000.slice/session-3.scope', { unit: 'session-3.scope' }],
    ['/user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.scope', { unit: 'app-foo.scope' }],
    ['/system.slice/evil\u001b]0;x.service', { unit: 'evil\\x1b]0;x.service' }],
    [`/system.slice/docker-${ID}.scope`, { container: `docker:${SHORT}` }],
    [`/docker/${ID}`, { container: `docker:${SHORT}` }],
    [`/docker/${ID}/system.slice/app.service`, { container: `docker:${SHORT}`, unit: 'app.service' }],
    [`/machine.slice/libpod-${ID}.scope/container`, { container: `podman:${SHORT}` }],
    [`/libpod_parent/libpod-${ID}`, { container: `podman:${SHORT}` }],
    [`/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`, { container: `podman:${SHORT}` }],
    [`/machine.slice/libpod-conmon-${ID}.scope`, { unit: `libpod-conmon-${ID}.scope` }],
    [`/system.slice/nerdctl-${ID}.scope`, { container: `containerd:${SHORT}` }],
    [`/system.slice/crio-${ID}.scope`, { container: `cri-o:${SHORT}` }],
    ['/lxc/web1/init.scope', { container: 'lxc:web1', unit: 'init.scope' }],
    ['/lxc.payload.web1', { container: 'lxc:web1' }],
    [
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${POD_}.slice/cri-containerd-${ID}.scope`,
      { container: `pod:${POD}` },
    ],
    [`/kubepods.slice/kubepods-pod${POD_}.slice/crio-${ID}.scope`, { container: `pod:${POD}` }],
    [`/kubepods/besteffort/pod${POD}/${ID}`, { container: `pod:${POD}` }],
    [
      `/system.slice/containerd.service/kubepods-burstable-pod${POD_}.slice:cri-containerd:${ID}`,
      { container: `pod:${POD}` },
    ],
    [`/system.slice/containerd.service/default:cri-containerd:${ID}`, { container: `containerd:${SHORT}` }],
    ['/system.slice/podman.service', { unit: 'podman.service' }],
    [`/constructor/${ID}`, {}],
  ])('%s', (path, identity) => {
    expect(parseCgroupPath(path)).toEqual(identity);
  });
});

describe('parseCgroup', () => {
  it('reads version 2', () => {
    expect(parseCgroup('0::/system.slice/ssh.service\n')).toEqual({ unit: 'ssh.service' });
  });

  it('prefers systemd’s own hierarchy of version 1, and learns the container from any other', () => {
    const text = `12:cpuset:/docker/${ID}\n11:memory:/system.slice/wrong.service\n1:name=systemd:/system.slice/right.service\n0::/\n`;
    expect(parseCgroup(text)).toEqual({ unit: 'right.service', container: `docker:${SHORT}` });
  });

  it('keeps colons of the path', () => {
    expect(parseCgroup(`0::/system.slice:cri-containerd:${ID}\n`)).toEqual({ container: `containerd:${SHORT}` });
  });

  it.each(['', '\n', 'nonsense', '0:', '0:::\n'])('takes %j for nothing', (text) => {
    expect(parseCgroup(text)).toEqual({});
  });
});
