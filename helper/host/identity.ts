/** Who the helper is on this host: the answer to `initialize`. */
import fs from 'node:fs';
import os from 'node:os';
import manifest from '../../package.json' with { type: 'json' };
import { libcFunction } from '../kernel/libc.ts';
import { capabilityNames } from '../proc/capabilities.ts';
import { parseStatus } from '../proc/status.ts';
import { type InitializeResult, PROTOCOL_VERSION } from '../protocol/host.ts';
import { describeHierarchy, modeOf, readHierarchies } from './cgroups/hierarchies.ts';
import { ownNamespaces } from './hostNamespaces.ts';
import { isInitial } from './initialNamespaces.ts';
import { userName } from './users.ts';

const _SC_CLK_TCK = 2;
const sysconf = libcFunction('long sysconf(int name)');

export function identity(streamSocket: string, changes: 'events' | 'scan'): InitializeResult {
  const uid = process.geteuid?.() ?? 0;
  const capabilities = ownCapabilities();
  const namespaces = ownNamespaces();
  return {
    protocolVersion: PROTOCOL_VERSION,
    version: manifest.version,
    pid: process.pid,
    kernelRelease: os.release(),
    architecture: os.arch(),
    hostname: os.hostname(),
    uid,
    user: userName(uid),
    capabilities,
    mode: isPrivileged() ? 'privileged' : 'unprivileged',
    cgroups: cgroupHierarchies(),
    namespaces,
    clockTicks: Number(sysconf(_SC_CLK_TCK)),
    bootTimeMillis: bootTimeMillis(),
    streamSocket,
    changes,
  };
}

export function ownCapabilities(): string[] {
  return capabilityNames(parseStatus(fs.readFileSync('/proc/self/status', 'utf8')).capabilities.effective);
}

/** Whether the helper has all that the kernel asks of whoever examines a process: what it is refused then, nobody on this host is shown. */
export function isPrivileged(): boolean {
  const capabilities = ownCapabilities();
  const { user } = ownNamespaces();
  return (
    capabilities.includes('CAP_SYS_ADMIN') && capabilities.includes('CAP_SYS_PTRACE') && (user === undefined || isInitial(user))
  );
}

function bootTimeMillis(): number {
  const seconds = /^btime ([0-9]+)$/m.exec(fs.readFileSync('/proc/stat', 'utf8'))?.[1];
  return seconds === undefined ? Date.now() - os.uptime() * 1000 : Number(seconds) * 1000;
}

/** Every hierarchy that the kernel has in use, whether mounted where the helper can see it or not. */
function cgroupHierarchies(): InitializeResult['cgroups'] {
  const hierarchies = readHierarchies();
  return { mode: modeOf(hierarchies), hierarchies: hierarchies.map(describeHierarchy) };
}
