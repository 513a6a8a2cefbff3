/**
 * Which container a process's cgroup paths say that it is in. Engines name cgroups after what they run, each in its own
 * way; this knows the ways, and asks no engine. Names and images come later, from the engines' files (helper/host/engines/).
 */

import type { Engine } from '../protocol.ts';
import type { CgroupPath } from './cgroup.ts';

export interface CgroupClaim {
  engine: Engine;
  /** 64 hexadecimal digits, the name of a machine, a unit or an application. */
  id: string;
  /** A name that whoever claims it knows already. */
  name?: string;
  /** Uid of the user manager whose cgroup it is below, when there is one. */
  uid?: number;
  pod?: { uid: string };
  /** The part of each path up to and with the container's own cgroup. */
  cgroups: CgroupPath[];
}

/** What the name of one directory of a cgroup path says. */
interface Match {
  engine: Engine;
  id: string;
}

const HEX64 = '[0-9a-f]{64}';

/** By decreasing authority: an engine's container in a service is the container, not the service. */
const PATTERNS: { pattern: RegExp; engine: Engine; decode?: (name: string) => string }[] = [
  // Engines that run under systemd's driver make a scope a container; under cgroupfs a directory.
  { pattern: new RegExp(`^docker-(${HEX64})\\.scope$`), engine: 'docker' },
  { pattern: new RegExp(`^libpod-(${HEX64})(?:\\.scope)?$`), engine: 'podman' },
  { pattern: new RegExp(`^cri-containerd-(${HEX64})\\.scope$`), engine: 'containerd' },
  { pattern: new RegExp(`^nerdctl-(${HEX64})\\.scope$`), engine: 'containerd' },
  { pattern: new RegExp(`^crio-(${HEX64})(?:\\.scope)?$`), engine: 'cri-o' },
  { pattern: /^isoscope-([0-9a-f]{16})$/, engine: 'isoscope' },
  { pattern: /^lxc\.payload\.(.+)$/, engine: 'lxc' },
  { pattern: /^machine-(?!qemu)(.+)\.scope$/, engine: 'systemd-nspawn', decode: unescapeUnit },
  { pattern: /^systemd-nspawn@(.+)\.service$/, engine: 'systemd-nspawn', decode: unescapeUnit },
];

const LEAVES: { pattern: RegExp; engine: Engine; decode?: (name: string) => string }[] = [
  { pattern: /^snap\.(.+?)(?:-[0-9a-f]{8}-[0-9a-f-]{27})?\.(?:scope|service)$/, engine: 'snap' },
  { pattern: /^app-flatpak-(.+)-[0-9]+\.scope$/, engine: 'flatpak', decode: unescapeUnit },
  { pattern: /^(.+\.service)$/, engine: 'systemd', decode: unescapeUnit },
];

/** Undefined when no engine and no unit claims the process. */
export function claimOfCgroups(cgroups: readonly CgroupPath[]): CgroupClaim | undefined {
  // Controllers that the engine did not use leave the process where it was; of those that tell something the longest path says most.
  const paths = [...new Set(cgroups.map(({ path }) => path))].sort((one, other) => depth(other) - depth(one));
  const ways = paths.map((path) => path.split('/'));
  const names = ways.find((way) => outermostContainer(way) !== undefined) ?? ways[0];
  const found = names === undefined ? undefined : (outermostContainer(names) ?? innermostUnit(names));
  if (names === undefined || found === undefined) return undefined;
  const claim: CgroupClaim = {
    engine: found.match.engine,
    id: found.match.id,
    cgroups: ownCgroups(cgroups, names[found.index] ?? ''),
  };
  const uid = /^\/user\.slice\/user-([0-9]+)\.slice\//.exec(names.join('/'))?.[1];
  if (uid !== undefined) claim.uid = Number(uid);
  const pod = podUid(names);
  if (pod !== undefined) {
    claim.pod = { uid: pod };
    if (claim.engine === 'containerd' || claim.engine === 'docker') claim.engine = 'kubernetes';
  }
  return claim;
}

function depth(path: string): number {
  return path.split('/').length;
}

/** A container in a container (Docker in Docker, LXC with services) belongs to the outer one. */
function outermostContainer(names: readonly string[]): { match: Match; index: number } | undefined {
  for (const [index, name] of names.entries()) {
    const match = matchOf(PATTERNS, name) ?? bareId(names, index);
    if (match !== undefined) return { match, index };
  }
  return undefined;
}

/** `user@1000.service` holds a user's units; the unit meant is the innermost one. */
function innermostUnit(names: readonly string[]): { match: Match; index: number } | undefined {
  for (const [index, name] of [...names.entries()].reverse()) {
    const match = matchOf(LEAVES, name);
    if (match !== undefined && !/^user@[0-9]+\.service$/.test(name)) return { match, index };
  }
  return undefined;
}

function matchOf(patterns: typeof PATTERNS, name: string): Match | undefined {
  for (const { pattern, engine, decode } of patterns) {
    const id = pattern.exec(name)?.[1];
    if (id !== undefined) return { engine, id: decode === undefined ? id : decode(id) };
  }
  return undefined;
}

/** The cgroupfs drivers name the directory by the id alone, and the one above it says whose it is. */
function bareId(names: readonly string[], index: number): Match | undefined {
  const name = names[index] ?? '';
  const above = names[index - 1] ?? '';
  if ((above === 'lxc' || above === 'lxc.payload') && name !== '') return { engine: 'lxc', id: name };
  if (!new RegExp(`^${HEX64}$`).test(name)) return undefined;
  if (above === 'docker') return { engine: 'docker', id: name };
  if (above === 'libpod_parent' || above.startsWith('libpod')) return { engine: 'podman', id: name };
  // kubepods/burstable/pod<uid>/<id>: the engine below the kubelet is containerd unless it says otherwise.
  // containerd without Kubernetes: /<namespace>/<id>, /default/<id>, /k8s.io/<id>.
  return { engine: 'containerd', id: name };
}

/** `kubepods-burstable-pod0a1b_2c3d.slice` (systemd writes `-` as `_`) or `kubepods/burstable/pod0a1b-2c3d`. */
function podUid(names: readonly string[]): string | undefined {
  if (!names.some((name) => name.startsWith('kubepods'))) return undefined;
  for (const name of names) {
    const uid = /^(?:kubepods.*-)?pod([0-9a-f_-]{32,36})(?:\.slice)?$/.exec(name)?.[1];
    if (uid !== undefined) return uid.replaceAll('_', '-');
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

/** systemd.unit(5), "String escaping": `-` for `/`, `\x2d` for `-`. A machine's name holds no slash, so only `\x` is undone. */
function unescapeUnit(name: string): string {
  return name.replaceAll(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}
