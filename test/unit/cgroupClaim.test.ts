/** Which container a process's cgroups name, on recorded `/proc/PID/cgroup` of many engines and drivers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCgroups } from '../../helper/proc/cgroup.ts';
import { claimOfCgroups } from '../../helper/proc/cgroupClaim.ts';

const ID = 'c5db98afcc8a0e0f099e5773e4c35ad3b7cb18e474b8c832f86b32de7f0f3e66';
const OTHER = '58ddc2f7d1d8a1f0a8b1a5a1a0a9b8c7d6e5f4030201000f0e0d0c0b0a090807';

function claimed(text: string): string {
  const claim = claimOfCgroups(parseCgroups(text));
  if (claim === undefined) return 'nobody';
  return [claim.engine, claim.id, claim.uid, claim.pod?.uid].filter((part) => part !== undefined).join(' ');
}

const RECORDED: [what: string, text: string, expected: string][] = [
  ['Docker, cgroupfs driver, v1', `9:name=systemd:/docker/${ID}\n4:memory:/docker/${ID}\n0::/docker/${ID}`, `docker ${ID}`],
  ['Docker, systemd driver, v2', `0::/system.slice/docker-${ID}.scope`, `docker ${ID}`],
  ['Docker, rootless', `0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${ID}.scope`, `docker ${ID} 1000`],
  ['a service in a Docker container', `0::/system.slice/docker-${ID}.scope/system.slice/nginx.service`, `docker ${ID}`],
  [
    'a sandbox with one limit, below a service',
    `4:memory:/system.slice/code.service\n3:pids:/isoscope-0123456789abcdef`,
    'isoscope 0123456789abcdef',
  ],
  ['Docker in Docker', `0::/docker/${ID}/docker/${OTHER}`, `docker ${ID}`],
  ['podman, systemd driver', `0::/machine.slice/libpod-${ID}.scope/container`, `podman ${ID}`],
  ['podman, cgroupfs driver, v1', `2:cpu:/libpod_parent/libpod-${ID}\n1:name=systemd:/`, `podman ${ID}`],
  [
    'podman, rootless',
    `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container`,
    `podman ${ID} 1000`,
  ],
  ['the monitor of podman, which is not in the container', `0::/machine.slice/libpod-conmon-${ID}.scope`, 'nobody'],
  [
    'Kubernetes, containerd, systemd driver',
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b2c3d_1111_2222_3333_444455556666.slice/cri-containerd-${ID}.scope`,
    `kubernetes ${ID} 0a1b2c3d-1111-2222-3333-444455556666`,
  ],
  [
    'Kubernetes, containerd, cgroupfs driver, v1',
    `4:memory:/kubepods/besteffort/pod0a1b2c3d-1111-2222-3333-444455556666/${ID}`,
    `kubernetes ${ID} 0a1b2c3d-1111-2222-3333-444455556666`,
  ],
  [
    'Kubernetes, CRI-O',
    `0::/kubepods.slice/kubepods-pod0a1b2c3d_1111_2222_3333_444455556666.slice/crio-${ID}.scope/container`,
    `cri-o ${ID} 0a1b2c3d-1111-2222-3333-444455556666`,
  ],
  ['the monitor of CRI-O', `0::/system.slice/crio-conmon-${ID}.scope`, 'nobody'],
  ['nerdctl, systemd driver', `0::/system.slice/nerdctl-${ID}.scope`, `containerd ${ID}`],
  ['containerd, cgroupfs driver', `0::/default/${ID}`, `containerd ${ID}`],
  ['LXC', '4:memory:/lxc.payload.web1\n0::/lxc.payload.web1', 'lxc web1'],
  ['LXC of a name with dots and dashes', '0::/lxc.payload.my.web-1/init.scope', 'lxc my.web-1'],
  ['LXC before 4.0', '4:memory:/lxc/web1\n1:name=systemd:/lxc/web1/init.scope', 'lxc web1'],
  ['the monitor of LXC', '0::/lxc.monitor.web1', 'nobody'],
  ['systemd-nspawn', '0::/machine.slice/machine-debian\\x2d12.scope/payload', 'systemd-nspawn debian-12'],
  ['systemd-nspawn as a service', '0::/machine.slice/systemd-nspawn@debian\\x2d12.service/payload', 'systemd-nspawn debian-12'],
  ['a virtual machine of libvirt', '0::/machine.slice/machine-qemu\\x2d1\\x2dwin.scope/libvirt/vcpu0', 'nobody'],
  ['a service', '0::/system.slice/ssh.service', 'systemd ssh.service'],
  ['an instance of a service', '0::/system.slice/system-getty.slice/getty@tty1.service', 'systemd getty@tty1.service'],
  [
    'a service of a user',
    '0::/user.slice/user-1000.slice/user@1000.service/app.slice/pipewire.service',
    'systemd pipewire.service 1000',
  ],
  ['a login session', '0::/user.slice/user-1000.slice/session-2.scope', 'nobody'],
  ["a user's manager itself", '0::/user.slice/user-1000.slice/user@1000.service/init.scope', 'nobody'],
  [
    'snap',
    '0::/user.slice/user-1000.slice/user@1000.service/app.slice/snap.firefox.firefox-6f1a3c2e-0d1f-4b6e-8c0a-5a9f7e3b2c1d.scope',
    'snap firefox.firefox 1000',
  ],
  ['a service of a snap', '0::/system.slice/snap.lxd.daemon.service', 'snap lxd.daemon'],
  [
    'flatpak',
    '0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-org.gnome.Maps-4711.scope',
    'flatpak org.gnome.Maps 1000',
  ],
  ['the root of everything', '9:name=systemd:/\n0::/', 'nobody'],
  ['a zombie whose cgroup was removed', `0::/docker/${ID} (deleted)`, `docker ${ID}`],
  ['a directory that only looks like an id', `0::/docker/${ID}0`, 'nobody'],
  ['nothing at all', '', 'nobody'],
];

for (const [what, text, expected] of RECORDED) {
  test(`${what}: ${expected.replace(ID, '<id>')}`, () => assert.equal(claimed(text), expected));
}

test('the cgroups of a container are its own in each hierarchy, not those below it, and none where it has none', () => {
  const text = `4:memory:/docker/${ID}/inner\n3:cpuset:/\n2:cpu,cpuacct:/docker/${ID}\n0::/docker/${ID}/inner/deep`;
  assert.deepEqual(claimOfCgroups(parseCgroups(text))?.cgroups, [
    { hierarchy: 'memory', path: `/docker/${ID}` },
    { hierarchy: 'cpu,cpuacct', path: `/docker/${ID}` },
    { hierarchy: 'unified', path: `/docker/${ID}` },
  ]);
});

test('of a container of crun its own cgroup is the one that crun makes in the scope of systemd, where its limits are', () => {
  const scope = `/machine.slice/libpod-${ID}.scope`;
  const own = (path: string) => claimOfCgroups(parseCgroups(`0::${path}`))?.cgroups.map((cgroup) => cgroup.path);
  assert.deepEqual(own(`${scope}/container`), [`${scope}/container`]);
  assert.deepEqual(own(`${scope}/container/init.scope`), [`${scope}/container`]);
  assert.deepEqual(own(`${scope}/inner`), [scope]);
  assert.deepEqual(own(scope), [scope]);
  assert.deepEqual(own(`/docker/${ID}/container`), [`/docker/${ID}`], 'without systemd there is none');
});
