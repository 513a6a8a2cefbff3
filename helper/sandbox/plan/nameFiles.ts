/** What tells a program in a sandbox the addresses of names: its own hosts(5) and resolv.conf(5), mounted read-only over those of the root. */
import fs from 'node:fs';
import net from 'node:net';
import { isSystemError } from '../../failure.ts';
import type { SandboxNetwork } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { parseAddress6 } from '../specification/ipv6.ts';
import type { Place, PlannedMount } from './plannedMounts.ts';
import type { RootPlan } from './planRoot.ts';
import type { ResolvedSpec } from './resolvedSpec.ts';

type Veth = Extract<SandboxNetwork, { type: 'veth' }>;

/** The second is what systemd-resolved forwards to: the first then names only its own address on `lo`. */
const RESOLVERS_OF_HOST = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];
const MAX_RESOLVER_BYTES = 64 * 1024;
/** resolv.conf(5), MAXNS. */
const MAX_NAMESERVERS = 3;
const LOCAL = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback'];
/** As Debian has it, for a name that has no address of its own. */
const OWN_NAME_ADDRESS = '127.0.1.1';

export function nameFiles(
  spec: ResolvedSpec,
  root: RootPlan,
  { at, notes }: { at: (destination: string) => Place; notes: Said[] },
): PlannedMount[] {
  const mounts: PlannedMount[] = [];
  const add = (destination: string, content: string, when: 'always' | 'whereItIs') => {
    const place = at(destination);
    if (place.kind !== 'file' && when === 'whereItIs') return;
    if (place.kind !== 'file' && root.type === 'bind' && root.readOnly) {
      notes.push(said('noteRootHasNoFile', destination));
      return;
    }
    mounts.push({ what: 'content', content, place });
  };
  const { network } = spec;
  // What is in a directory of the host, or asked for by name, is not added to unasked.
  const isBare = spec.root.type === 'image' || (network.type === 'veth' && root.type !== 'bind');
  if (spec.hosts !== undefined) add('/etc/hosts', hostsOf(spec), 'always');
  else if (spec.namespaces.net === 'new') add('/etc/hosts', hostsOf(spec), isBare ? 'always' : 'whereItIs');
  if (network.type === 'veth' && network.nameservers !== undefined) add('/etc/resolv.conf', resolverOf(network), 'always');
  return mounts;
}

function hostsOf({ network, hostname, hosts }: ResolvedSpec): string {
  const addresses = network.type === 'veth' ? [network.address, network.address6] : [OWN_NAME_ADDRESS];
  const own = addresses.flatMap((address) =>
    hostname === undefined || address === undefined ? [] : [`${address.split('/')[0]}\t${hostname}`],
  );
  return lines([...LOCAL, ...own, ...(hosts ?? []).map((entry) => `${entry.address}\t${entry.names.join(' ')}`)]);
}

function resolverOf({ nameservers, searchDomains, resolverOptions }: Veth): string {
  const list = (keyword: string, words: string[] | undefined) =>
    words === undefined || words.length === 0 ? [] : [`${keyword} ${words.join(' ')}`];
  return lines([
    ...(nameservers ?? []).map((server) => `nameserver ${server}`),
    ...list('search', searchDomains),
    ...list('options', resolverOptions),
  ]);
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}

/** With translated addresses and no name servers of its own it asks those of the host, as far as they are reached from inside. */
export function withResolverOfHost(network: Veth, notes: Said[]): Veth {
  if (network.nat !== true || network.nameservers !== undefined) return network;
  for (const file of RESOLVERS_OF_HOST) {
    const found = parseResolver(read(file), network.address6 !== undefined);
    if (found.nameservers.length > 0) return { ...found, ...network };
  }
  notes.push(said('noteNameServersOnLoopback'));
  return network;
}

/** Of resolv.conf(5) what a sandbox can use; the last `search` or `domain` counts. */
export function parseResolver(
  text: string,
  hasIpv6: boolean,
): Pick<Veth, 'searchDomains' | 'resolverOptions'> & { nameservers: string[] } {
  const found: ReturnType<typeof parseResolver> = { nameservers: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && isReachedFromInside(words[0], hasIpv6)) found.nameservers.push(words[0]!);
    if ((keyword === 'search' || keyword === 'domain') && words.length > 0) found.searchDomains = words.filter(isName);
    if (keyword === 'options') found.resolverOptions = [...(found.resolverOptions ?? []), ...words];
  }
  return { ...found, nameservers: found.nameservers.slice(0, MAX_NAMESERVERS) };
}

/** Of IPv6 those that are on no link of the host's, where the pair of interfaces has addresses of that. */
function isReachedFromInside(address = '', hasIpv6 = false): boolean {
  if (hasIpv6 && parseAddress6(address) !== undefined) return true;
  return net.isIPv4(address) && !address.startsWith('127.') && address !== '0.0.0.0';
}

function isName(word: string): boolean {
  return /^[A-Za-z0-9_.-]+$/.test(word) && word !== '.';
}

function read(file: string): string {
  try {
    const descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    try {
      const content = Buffer.alloc(MAX_RESOLVER_BYTES);
      return content.toString('latin1', 0, fs.readSync(descriptor, content));
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (error) {
    if (isSystemError(error)) return '';
    throw error;
  }
}
