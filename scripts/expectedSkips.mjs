/**
 * Why a test may be skipped, by the run that it is in: a reason that is not here fails the stage, so that an engine that broke, or a program
 * that is not installed any more, does not pass for a choice. Each run has what the others cannot have.
 */

/** With the helper as root there is nothing that only an ordinary user is refused. */
const AS_ROOT = [
  /^the helper is root( here|, who may (see|enter) every one)?$/,
  /^root (sees them|sees everything|may read them|can read names)$/,
  /^needs (root that runs the helper as another user|a helper of an ordinary user( beside root)?)$/,
  /^root delegates cgroups to the ordinary user of ISOSCOPE_TEST_UID$/,
  /^the user has no subordinate ids$/,
];

const AS_USER = [
  /^the helper is not root$/,
  /^the helper may not read these layers$/,
  /^the layers of Docker are for root alone$/,
  /^the run as root has it$/,
  /^only root /,
  /^needs root to mount it$/,
  /^only root, or who was given some, has cgroups to leave behind$/,
  /^without a cgroup of its own only root can tell it from the host$/,
];

/** Debian 12 without systemd, with cgroups of both versions. */
const ON_THIS_HOST = [
  /^podman is tested in the guest, where cgroups are version 2$/,
  /^the user has no systemd that hands down controllers$/,
  /^no cgroup is delegated to the user$/,
  /^(memory|cpuset) is not in v2 here$/,
  /^the host does not forward packets$/,
  /^cgroup v1$/,
  /^this kernel has no \/proc\/sysrq-trigger$/,
];

/** A Debian with systemd and version 2 alone, without Docker and LXC. */
const IN_THE_GUEST = [
  /^(python3|nft|lxc-start|runc|gcc|docker and dockerd) is not installed$/,
  /^v2 has (threads in threaded cgroups only|one file|no release_agent)$/,
  /^v2 has cgroup.kill, which the owner of the cgroup may write$/,
  /^(pids|cpu) is not in v1 here$/,
  /^no hierarchy with blkio is mounted$/,
  /^this kernel has no (lowerdir|datadir)\+( with userxattr)?$/,
  /^this kernel gives an ordinary user no events$/,
  /^the temporary folder is in memory$/,
  /^the host does not forward packets$/,
  /^no cgroup is delegated to the user$/,
];

/** @type {Record<string, RegExp[]>} */
export const EXPECTED_SKIPS = {
  unit: [],
  package: [],
  e2e: [],
  vm: [],
  oldvm: [],
  'kernel as root': [...AS_ROOT, ...ON_THIS_HOST],
  'kernel as a user': [...AS_USER, ...ON_THIS_HOST],
  'old Node': [...AS_ROOT, ...ON_THIS_HOST, /^this Node runs no TypeScript$/],
  'guest as root': [...AS_ROOT, ...IN_THE_GUEST],
  'guest as user': [...AS_USER, ...IN_THE_GUEST],
  'old guest as root': [...AS_ROOT, ...IN_THE_GUEST, /^this lsns does not tell of parents$/, /^it needs Linux /],
};

/**
 * @param {string} run
 * @param {{ name: string, reason: string }[]} skips
 * @returns {string[]} a failure for each that is not expected
 */
export function unexpectedSkips(run, skips) {
  const expected = EXPECTED_SKIPS[run] ?? [];
  return skips
    .filter(({ reason }) => !expected.some((pattern) => pattern.test(reason)))
    .map(({ name, reason }) => `${name}\nwas skipped, which is not expected in the run ${run}: ${reason}`);
}
