/** Which container a process's cgroups name, on recorded `/proc/PID/cgroup` of many engines and drivers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOfClaim } from '../../helper/host/containerGroup.ts';
import { parseCgroups } from '../../helper/proc/cgroup.ts';
import { claimOfCgroups } from '../../helper/proc/cgroupClaim.ts';

const ID = 'c5db98afcc8a0e0f099e5773e4c35ad3b7cb18e474b8c832f86b32de7f0f3e66';
const OTHER = '58ddc2f7d1d8a1f0a8b1a5a1a0a9b8c7d6e5f4030201000f0e0d0c0b0a090807';

function claimed(text: string): string {
  const claim = claimOfCgroups(parseCgroups(text));
  if (claim === undefined) return 'nobody';
  const inner = [claim.engine, claim.id, claim.uid, claim.pod?.uid].filter((part) => part !== undefined).join(' ');
  return claim.outer === undefined ? inner : `${inner} in ${claim.outer.engine} ${claim.outer.id}`;
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
  ['Docker in Docker', `0::/docker/${ID}/docker/${OTHER}`, `docker ${OTHER} in docker ${ID}`],
  [
    'Docker in Docker, of which only some hierarchies tell',
    `5:pids:/docker/${ID}\n4:memory:/docker/${ID}/docker/${OTHER}\n3:cpu:/docker/${ID}/a/b/c/d`,
    `docker ${OTHER} in docker ${ID}`,
  ],
  [
    'kind: a pod of the kubelet in a Docker container',
    `0::/system.slice/docker-${ID}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod0a1b2c3d_1111_2222_3333_444455556666.slice/cri-containerd-${OTHER}.scope`,
    `kubernetes ${OTHER} 0a1b2c3d-1111-2222-3333-444455556666 in docker ${ID}`,
  ],
  [
    'kind, cgroupfs driver',
    `4:memory:/docker/${ID}/kubelet/kubepods/besteffort/pod0a1b2c3d-1111-2222-3333-444455556666/${OTHER}`,
    `kubernetes ${OTHER} 0a1b2c3d-1111-2222-3333-444455556666 in docker ${ID}`,
  ],
  ['rootless podman in LXC', `0::/lxc.payload.web/user.slice/libpod-${ID}.scope/container`, `podman ${ID} in lxc web`],
  ["Amazon's ECS", `4:memory:/ecs/0123456789abcdef0123456789abcdef/${ID}`, `docker ${ID}`],
  ['Docker, --cgroup-parent, systemd driver', `0::/my.slice/docker-${ID}.scope`, `docker ${ID}`],
  [
    'Kubernetes, a slice for systemd that became a name',
    `4:memory:/system.slice/containerd.service/kubepods-burstable-pod0a1b2c3d_1111_2222_3333_444455556666.slice:cri-containerd:${ID}`,
    `kubernetes ${ID} 0a1b2c3d-1111-2222-3333-444455556666`,
  ],
  ['Docker, a slice for systemd that became a name', `4:memory:/system.slice:docker:${ID}`, `docker ${ID}`],
  ['libvirt’s LXC', '0::/machine.slice/machine-lxc\\x2d2471\\x2dweb\\x2d1.scope', 'lxc web-1'],
  ['libvirt’s LXC without systemd', '4:memory:/machine/lxc-22222-web.libvirt-lxc', 'lxc web'],
  ['libvirt’s LXC before it had numbers', '4:memory:/machine/web.libvirt-lxc', 'lxc web'],
  ['podman, systemd driver', `0::/machine.slice/libpod-${ID}.scope/container`, `podman ${ID}`],
  ['podman, cgroupfs driver, v1', `2:cpu:/libpod_parent/libpod-${ID}\n1:name=systemd:/`, `podman ${ID}`],
  [
    'podman, rootless',
    `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container`,
    `podman ${ID} 1000`,
  ],
  ['podman, a unit of Quadlet', `0::/system.slice/web.service/libpod-payload-${ID}`, `podman ${ID}`],
  ['the monitor of a unit of Quadlet', '0::/system.slice/web.service/runtime', 'systemd web.service'],
  [
    'podman, a pod, systemd driver',
    `0::/machine.slice/machine-libpod_pod_${OTHER}.slice/libpod-${ID}.scope/container`,
    `podman ${ID} ${OTHER}`,
  ],
  ['podman, a pod, cgroupfs driver', `4:memory:/libpod_parent/${OTHER}/libpod-${ID}`, `podman ${ID} ${OTHER}`],
  ['the monitor of a pod of podman', `4:memory:/libpod_parent/${OTHER}/conmon`, 'nobody'],
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
  ['a service with an escaped name', '0::/system.slice/foo\\x2dbar.service', 'systemd foo\\x2dbar.service'],
  [
    'a unit of a user at the root of one hierarchy',
    '1:name=systemd:/app-flatpak-org.gnome.Maps-1.scope\n0::/',
    'flatpak org.gnome.Maps',
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

test('names of units are shown as people write them, and two that then look the same are still two', () => {
  const claims = ['foo\\x2dbar.service', 'foo-bar.service', 'caf\\xc3\\xa9.service', 'bad\\xff.service'].map((unit) =>
    claimOfCgroups(parseCgroups(`0::/system.slice/${unit}`)),
  );
  assert.deepEqual(
    claims.map((claim) => claim?.name ?? claim?.id),
    ['foo-bar.service', 'foo-bar.service', 'café.service', 'bad\\xff.service'],
  );
  assert.equal(new Set(claims.map((claim) => keyOfClaim(claim!))).size, claims.length);
});

test('two instances of one application of flatpak, and machines of alike names, are two', () => {
  for (const names of [
    ['app-flatpak-org.gnome.Maps-1.scope', 'app-flatpak-org.gnome.Maps-2.scope'],
    ['machine-a\\x2db.scope', 'machine-a-b.scope'],
  ]) {
    const keys = names.map((name) => keyOfClaim(claimOfCgroups(parseCgroups(`0::/a.slice/${name}`))!));
    assert.notEqual(keys[0], keys[1]);
  }
});

test('of a container in a container the cgroups are its own, and the outer one has those above', () => {
  const claim = claimOfCgroups(parseCgroups(`4:memory:/docker/${ID}/docker/${OTHER}\n3:cpuset:/docker/${ID}`));
  assert.deepEqual(claim?.cgroups, [{ hierarchy: 'memory', path: `/docker/${ID}/docker/${OTHER}` }]);
  assert.deepEqual(
    claim?.outer?.cgroups.map((cgroup) => cgroup.path),
    [`/docker/${ID}`, `/docker/${ID}`],
  );
});
