/**
 * Which container a process's cgroup paths say that it is in. Engines name cgroups after what they run, each in its own
 * way; this knows the ways, and asks no engine. Names and images come later, from the engines' files (helper/host/engines/).
 */

import type { Engine } from '../protocol/containers.ts';
import type { CgroupPath } from './cgroup.ts';
import { unescapeUnit } from './unitName.ts';

export interface CgroupClaim {
  engine: Engine;
  /** 64 hexadecimal digits, the name of a machine, a unit or an application. */
  id: string;
  /** What tells it from all others of its engine, where the id does not: two names of units may be the same once they are unescaped. */
  unique?: string;
  /** Only that it is an engine's container: several name the cgroup like that, and the engine given is the likeliest. */
  isGuess?: true;
  /** A name that whoever claims it knows already. */
  name?: string;
  /** Uid of the user manager whose cgroup it is below, when there is one. */
  uid?: number;
  pod?: { uid: string };
  /** The container in whose cgroup it is. */
  outer?: CgroupClaim;
  /** The part of each path up to and with the container's own cgroup. */
  cgroups: CgroupPath[];
}

/** What the name of one directory of a cgroup path says. */
type Match = Pick<CgroupClaim, 'engine' | 'id' | 'unique' | 'isGuess' | 'name'>;

interface Found {
  match: Match;
  /** In the path's names. */
  index: number;
}

const HEX64 = '[0-9a-f]{64}';
const IS_ID = new RegExp(`^${HEX64}$`);

interface Pattern {
  pattern: RegExp;
  engine: Engine;
  /** `machine`: the id is the name unescaped. `unit`: the id is the name as systemd knows it. `instance`: several have the same id. */
  names?: 'machine' | 'unit' | 'instance';
}

/** By decreasing authority: an engine's container in a service is the container, not the service. */
const PATTERNS: Pattern[] = [
  // Engines that run under systemd's driver make a scope a container; under cgroupfs a directory.
  { pattern: new RegExp(`^docker-(${HEX64})\\.scope$`), engine: 'docker' },
  { pattern: new RegExp(`^libpod-(${HEX64})(?:\\.scope)?$`), engine: 'podman' },
  // --cgroups=split, as Quadlet runs them: below the service (podman: libpod/container_internal_linux.go).
  { pattern: new RegExp(`^libpod-payload-(${HEX64})$`), engine: 'podman' },
  { pattern: new RegExp(`^cri-containerd-(${HEX64})\\.scope$`), engine: 'containerd' },
  { pattern: new RegExp(`^nerdctl-(${HEX64})\\.scope$`), engine: 'containerd' },
  { pattern: new RegExp(`^crio-(${HEX64})(?:\\.scope)?$`), engine: 'cri-o' },
  // SLICE:PREFIX:ID is meant for systemd's driver; a runtime that uses cgroupfs takes it for a name.
  { pattern: new RegExp(`\\.slice:docker:(${HEX64})$`), engine: 'docker' },
  { pattern: new RegExp(`\\.slice:libpod:(${HEX64})$`), engine: 'podman' },
  { pattern: new RegExp(`\\.slice:(?:cri-containerd|nerdctl):(${HEX64})$`), engine: 'containerd' },
  { pattern: new RegExp(`\\.slice:crio:(${HEX64})$`), engine: 'cri-o' },
  { pattern: /^isoscope-([0-9a-f]{16})$/, engine: 'isoscope' },
  { pattern: /^lxc\.payload\.(.+)$/, engine: 'lxc' },
  // libvirt registers its machines as DRIVER-ID-NAME (virSystemdMakeMachineName), and without systemd names them NAME.libvirt-DRIVER.
  { pattern: /^machine-lxc\\x2d[0-9]+\\x2d(.+)\.scope$/, engine: 'lxc', names: 'machine' },
  { pattern: /^(?:lxc-[0-9]+-)?(.+)\.libvirt-lxc$/, engine: 'lxc', names: 'instance' },
  { pattern: /^machine-(?!qemu\\x2d)(.+)\.scope$/, engine: 'systemd-nspawn', names: 'machine' },
  { pattern: /^systemd-nspawn@(.+)\.service$/, engine: 'systemd-nspawn', names: 'machine' },
];

const LEAVES: Pattern[] = [
  { pattern: /^snap\.(.+?)(?:-[0-9a-f]{8}-[0-9a-f-]{27})?\.(?:scope|service)$/, engine: 'snap' },
  { pattern: /^app-flatpak-(.+)-[0-9]+\.scope$/, engine: 'flatpak', names: 'instance' },
  { pattern: /^(.+\.service)$/, engine: 'systemd', names: 'unit' },
];

/** Undefined when no engine and no unit claims the process. */
export function claimOfCgroups(cgroups: readonly CgroupPath[]): CgroupClaim | undefined {
  // Controllers that the engine did not use leave the process where it was; of those that tell something the longest path says most.
  const paths = [...new Set(cgroups.map(({ path }) => path))].sort((one, other) => depth(other) - depth(one));
  const ways = paths.map((path) => path.split('/'));
  let best: string[] = [];
  let chain: Found[] = [];
  for (const way of ways) {
    const containers = containersIn(way);
    if (containers.length > chain.length) [best, chain] = [way, containers];
  }
  if (chain.length > 0)
    return chain.reduce<CgroupClaim | undefined>((outer, found) => claimOf(cgroups, best, found, outer), undefined);
  for (const way of ways) {
    const unit = innermostUnit(way);
    if (unit !== undefined) return claimOf(cgroups, way, unit, undefined);
  }
  return undefined;
}

function claimOf(
  cgroups: readonly CgroupPath[],
  names: readonly string[],
  { match, index }: Found,
  outer: CgroupClaim | undefined,
): CgroupClaim {
  const claim: CgroupClaim = { ...match, cgroups: ownCgroups(cgroups, names[index] ?? '') };
  const uid = /^\/user\.slice\/user-([0-9]+)\.slice\//.exec(names.join('/'))?.[1];
  if (uid !== undefined) claim.uid = Number(uid);
  if (outer !== undefined) claim.outer = outer;
  const above = names.slice(0, index + 1);
  const pod = podOfKubelet(above);
  if (pod !== undefined && (claim.engine === 'containerd' || claim.engine === 'docker')) claim.engine = 'kubernetes';
  const uidOfPod = pod ?? podOfPodman(above);
  if (uidOfPod !== undefined) claim.pod = { uid: uidOfPod };
  return claim;
}

function depth(path: string): number {
  return path.split('/').length;
}

/** Every container on the way, the outermost first: Docker in Docker, kind, engines in LXC. */
function containersIn(names: readonly string[]): Found[] {
  const found: Found[] = [];
  for (const [index, name] of names.entries()) {
    const match = matchOf(PATTERNS, name) ?? bareId(names, index);
    if (match !== undefined) found.push({ match, index });
  }
  return found;
}

/** `user@1000.service` holds a user's units; the unit meant is the innermost one. */
function innermostUnit(names: readonly string[]): Found | undefined {
  for (const [index, name] of [...names.entries()].reverse()) {
    const match = matchOf(LEAVES, name);
    if (match !== undefined && !/^user@[0-9]+\.service$/.test(name)) return { match, index };
  }
  return undefined;
}

function matchOf(patterns: readonly Pattern[], name: string): Match | undefined {
  for (const { pattern, engine, names } of patterns) {
    const id = pattern.exec(name)?.[1];
    if (id === undefined) continue;
    const title = unescapeUnit(id);
    if (names === undefined) return { engine, id };
    if (names === 'unit') return title === id ? { engine, id } : { engine, id, name: title };
    return { engine, id: title, ...(names === 'machine' && title === id ? {} : { unique: name }) };
  }
  return undefined;
}

/** The cgroupfs drivers name the directory by the id alone, and the one above it says whose it is. */
function bareId(names: readonly string[], index: number): Match | undefined {
  const name = names[index] ?? '';
  const above = names[index - 1] ?? '';
  if ((above === 'lxc' || above === 'lxc.payload') && name !== '') return { engine: 'lxc', id: name };
  if (!IS_ID.test(name)) return undefined;
  // A pod of podman: its containers are below, beside what monitors them.
  if (above === 'libpod_parent') return undefined;
  // Amazon's agent: /ecs/<task>/<id>, of Docker.
  if (above === 'docker' || names[index - 2] === 'ecs') return { engine: 'docker', id: name };
  if (above.startsWith('libpod')) return { engine: 'podman', id: name };
  // kubepods/burstable/pod<uid>/<id>: the engine below the kubelet is containerd unless it says otherwise.
  // containerd without Kubernetes: /<namespace>/<id>, /default/<id>, /k8s.io/<id>; but Docker with --cgroup-parent, too.
  return { engine: 'containerd', id: name, isGuess: true };
}

/**
 * `kubepods-burstable-pod0a1b_2c3d.slice` (systemd writes `-` as `_`) or `kubepods/burstable/pod0a1b-2c3d`; a kubelet with a `--cgroup-root` has that before
 * it, as kind has `kubelet`.
 */
function podOfKubelet(names: readonly string[]): string | undefined {
  if (!names.some((name) => /(?:^|-)kubepods/.test(name))) return undefined;
  for (const name of [...names].reverse()) {
    const uid = /^(?:(?:.+-)?kubepods.*-)?pod([0-9a-f_-]{32,36})(?:\.slice)?(?::|$)/.exec(name)?.[1];
    if (uid !== undefined) return uid.replaceAll('_', '-');
  }
  return undefined;
}

/** `machine-libpod_pod_<id>.slice`, `user-libpod_pod_<id>.slice`, or `libpod_parent/<id>`. */
function podOfPodman(names: readonly string[]): string | undefined {
  for (const [index, name] of names.entries()) {
    const id = new RegExp(`libpod_pod_(${HEX64})\\.slice$`).exec(name)?.[1];
    if (id !== undefined) return id;
    if (names[index - 1] === 'libpod_parent' && IS_ID.test(name)) return name;
  }
  return undefined;
}

/** crun(1), `run.oci.systemd.subgroup`: in a scope of systemd it makes one more cgroup, which has the limits and is frozen. */
export const CRUN_SUBGROUP = 'container';

function ownCgroups(cgroups: readonly CgroupPath[], name: string): CgroupPath[] {
  const own: CgroupPath[] = [];
  for (const { hierarchy, path } of cgroups) {
    const names = path.split('/');
    const index = names.indexOf(name);
    if (index === -1) continue;
    const end = name.endsWith('.scope') && names[index + 1] === CRUN_SUBGROUP ? index + 2 : index + 1;
    own.push({ hierarchy, path: names.slice(0, end).join('/') });
  }
  return own;
}
