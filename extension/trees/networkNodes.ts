/** What a net namespace holds: its interfaces with their far ends, its routes, the rules that choose among them, and the sockets that listen in it. */
import * as vscode from 'vscode';
import type { Namespace, NamespaceRef } from '../../helper/protocol/namespaces.ts';
import type {
  NetworkAddress,
  NetworkInspectResult,
  NetworkInterface,
  NetworkProtocol,
  NetworkRoute,
  NetworkRule,
  NetworkSocket,
} from '../../helper/protocol/network.ts';
import { Command } from '../base/commandIds.ts';
import { type HostDelta, keyOf } from '../model/clientModel.ts';
import { compareNames } from '../model/hierarchy.ts';
import { oneLine } from '../plain/plainText.ts';
import { factsTooltip } from '../plain/tooltip.ts';
import { isUnknown, namespacePlace, parts, processName } from '../words/hostWords.ts';
import { ProcessNode } from './processNode.ts';
import { type FactNode, GroupNode, type TreeContext, TreeNode } from './treeNode.ts';
import { failureRow, unknownRow } from './unknownNode.ts';

/** A group of a net namespace's rows, read from the kernel when it is opened. */
abstract class NetworkGroup extends GroupNode {
  protected readonly ref: NamespaceRef;

  constructor(tree: TreeContext, id: string, parent: TreeNode, ref: NamespaceRef) {
    super(tree, id, parent);
    this.ref = ref;
  }

  override get namespace(): Namespace | undefined {
    return this.model.namespaces.get(keyOf(this.ref));
  }

  protected abstract list(network: NetworkInspectResult): TreeNode[];

  override async children(): Promise<TreeNode[]> {
    let network: NetworkInspectResult;
    try {
      network = await this.tree.host.network(this.ref);
    } catch (error) {
      return [failureRow(this, this.label(), error)];
    }
    const rows = this.list(network);
    return rows.length > 0 ? rows : [this.fact('none', '', vscode.l10n.t('none'), 'dash')];
  }

  override touchedBy(delta: HostDelta): boolean {
    return delta.networks.has(keyOf(this.ref));
  }
}

export class InterfacesGroup extends NetworkGroup {
  protected label(): string {
    return vscode.l10n.t('Interfaces');
  }
  protected icon(): string {
    return 'plug';
  }
  protected override get expanded(): boolean {
    return true;
  }

  protected list(network: NetworkInspectResult): TreeNode[] {
    return this.rows(network.interfaces, (link) => {
      const node = this.child(`interface ${link.index}`, (id) => new InterfaceNode(this.tree, id, this));
      node.link = link;
      return node;
    });
  }
}

/** `eth0`, its addresses, and at the other end `veth12ab` in the host. */
class InterfaceNode extends TreeNode {
  link: NetworkInterface | undefined;

  override item(): vscode.TreeItem {
    const { link } = this;
    if (link === undefined) return new vscode.TreeItem('');
    const item = new vscode.TreeItem(oneLine(link.name), vscode.TreeItemCollapsibleState.Collapsed);
    const facts = [shortAddress(link), farEnd(this.tree, link)].filter((text) => text !== undefined).join(' ');
    item.description = parts(facts, up(link) ? undefined : vscode.l10n.t('down'));
    item.iconPath = up(link)
      ? new vscode.ThemeIcon('circle-filled', new vscode.ThemeColor('testing.iconPassed'))
      : new vscode.ThemeIcon('circle-outline', new vscode.ThemeColor('disabledForeground'));
    item.contextValue = 'interface';
    item.accessibilityInformation = {
      label: vscode.l10n.t('Interface {0}, {1}, {2}', link.name, up(link) ? 'up' : 'down', String(item.description)),
    };
    return item;
  }

  override children(): TreeNode[] {
    const { link } = this;
    if (link === undefined) return [];
    const rows = link.addresses.map((address) =>
      this.fact(
        `address ${address.address}`,
        addressText(address),
        parts(familyName(address), scopeText(address)),
        'symbol-number',
      ),
    );
    if (link.peer !== undefined) rows.push(this.peer(link.peer));
    if (link.controller !== undefined) {
      rows.push(this.fact('controller', vscode.l10n.t('Port of'), oneLine(link.controller), 'git-merge'));
    }
    if (link.mac !== undefined) rows.push(this.fact('mac', vscode.l10n.t('MAC address'), link.mac, 'circuit-board'));
    rows.push(
      this.fact('state', vscode.l10n.t('State'), parts(operationalState(link), kindText(link), `MTU ${link.mtu}`), 'info'),
    );
    return rows;
  }

  private peer(peer: NonNullable<NetworkInterface['peer']>): FactNode {
    const veth = this.link?.kind === 'veth';
    const node = this.fact(
      'peer',
      veth ? vscode.l10n.t('Other end') : vscode.l10n.t('On top of'),
      peer.name === undefined ? unknownPeer(peer.index) : oneLine(peer.name),
      'arrow-swap',
    );
    if (peer.namespace !== undefined) {
      node.description = vscode.l10n.t('{0} in {1}', node.description, peerPlace(this.tree, peer.namespace));
      const namespace = this.model.namespaces.get(keyOf(peer.namespace));
      node.command = { command: Command.revealInNamespaces, title: vscode.l10n.t('Reveal'), arguments: [{ namespace }] };
    }
    return node;
  }

  override tooltip(): vscode.MarkdownString | undefined {
    const { link } = this;
    if (link === undefined) return undefined;
    return factsTooltip(link.name, [
      [vscode.l10n.t('Other end'), farEnd(this.tree, link)],
      [vscode.l10n.t('Addresses'), addresses(link).join(', ')],
      [vscode.l10n.t('MAC address'), link.mac],
      [vscode.l10n.t('State'), operationalState(link)],
      [vscode.l10n.t('Kind'), kindText(link)],
      [vscode.l10n.t('MTU'), String(link.mtu)],
      [vscode.l10n.t('Port of'), link.controller],
      [vscode.l10n.t('Flags'), link.flags.join(' ')],
    ]);
  }
}

/** Loopback and tunnels have the operational state `unknown` when they work (RFC 2863): then the flags tell. */
function up(link: NetworkInterface): boolean {
  return link.state === 'up' || (link.state === 'unknown' && link.flags.includes('UP'));
}

function operationalState(link: NetworkInterface): string {
  if (up(link)) return vscode.l10n.t('up');
  const words: Record<string, string> = {
    down: vscode.l10n.t('down'),
    dormant: vscode.l10n.t('waiting for an external event'),
    lowerlayerdown: vscode.l10n.t('the layer below is down'),
    notpresent: vscode.l10n.t('not present'),
    unknown: vscode.l10n.t('down'),
  };
  return words[link.state] ?? oneLine(link.state);
}

function kindText(link: NetworkInterface): string {
  if (link.kind === 'physical') return vscode.l10n.t('device');
  return link.kind === 'veth' ? vscode.l10n.t('veth pair') : oneLine(link.kind);
}

/** "⇄ veth12ab in the host" */
function farEnd(tree: TreeContext, link: NetworkInterface): string | undefined {
  const { peer } = link;
  if (peer === undefined) return undefined;
  const arrow = link.kind === 'veth' ? '⇄' : '↳';
  const name = peer.name === undefined ? unknownPeer(peer.index) : oneLine(peer.name);
  if (peer.namespace === undefined) return `${arrow} ${name}`;
  return `${arrow} ${vscode.l10n.t('{0} in {1}', name, peerPlace(tree, peer.namespace))}`;
}

function unknownPeer(index: number): string {
  return vscode.l10n.t('interface {0} of an unknown namespace', index);
}

function peerPlace(tree: TreeContext, ref: NamespaceRef): string {
  return namespacePlace(tree.model, ref);
}

function addressText(address: NetworkAddress): string {
  return `${address.address}/${address.prefixLength}`;
}

/** IPv4 first, and those of the link itself last: what a person looks for comes first. */
function addresses(link: NetworkInterface): string[] {
  const rank = (address: NetworkAddress) => (address.family === 'inet6' ? 1 : 0) + (address.scope === 'link' ? 2 : 0);
  return [...link.addresses].sort((a, b) => rank(a) - rank(b)).map(addressText);
}

/** The address by which others reach it, if it has one: those of the link itself every interface has. */
function shortAddress(link: NetworkInterface): string | undefined {
  return link.addresses.some((address) => address.scope !== 'link') ? addresses(link)[0] : undefined;
}

/** "172.17.0.2 · eth0": the first address by which it is reached, and how many interfaces have others. */
export function networkSum({ interfaces }: NetworkInspectResult): string {
  const [first, ...others] = interfaces.flatMap((link) => {
    const address = link.kind === 'loopback' ? undefined : shortAddress(link);
    return address === undefined ? [] : [{ name: oneLine(link.name), address: address.replace(/\/\d+$/, '') }];
  });
  if (first === undefined) return vscode.l10n.t('no address');
  return parts(first.address, first.name, others.length === 0 ? undefined : vscode.l10n.t('{0} more', others.length));
}

function familyName(address: { family: 'inet' | 'inet6' }): string {
  return address.family === 'inet' ? 'IPv4' : 'IPv6';
}

function scopeText(address: NetworkAddress): string {
  const words: Record<string, string> = {
    global: vscode.l10n.t('global'),
    link: vscode.l10n.t('this link only'),
    host: vscode.l10n.t('this host only'),
  };
  return words[address.scope] ?? oneLine(address.scope);
}

export class RoutesGroup extends NetworkGroup {
  protected label(): string {
    return vscode.l10n.t('Routes');
  }
  protected icon(): string {
    return 'milestone';
  }

  protected list(network: NetworkInspectResult): TreeNode[] {
    const used = new Map<string, number>();
    const isDefault = (route: NetworkRoute) => route.destination === 'default';
    const sorted = [...network.routes].sort((a, b) => Number(isDefault(b)) - Number(isDefault(a)));
    return this.rows(sorted, (route) => {
      const text = `${route.family} ${route.destination} ${route.gateway ?? ''} ${route.interface ?? ''} ${route.table}`;
      const times = used.get(text) ?? 0;
      used.set(text, times + 1);
      const label = isDefault(route) ? vscode.l10n.t('default') : route.destination;
      return this.fact(`route ${text} ${times}`, label, routeText(route), 'arrow-right');
    });
  }
}

/** Number of the main table, `RT_TABLE_MAIN` of rtnetlink(7). */
const MAIN_TABLE = 254;

function routeText(route: NetworkRoute): string {
  return parts(
    route.gateway === undefined ? undefined : vscode.l10n.t('via {0}', route.gateway),
    route.interface === undefined ? undefined : vscode.l10n.t('on {0}', oneLine(route.interface)),
    route.source === undefined ? undefined : vscode.l10n.t('from {0}', route.source),
    route.type === 'unicast' ? undefined : oneLine(route.type),
    route.destination === 'default' && route.family === 'inet6' ? 'IPv6' : undefined,
    route.table === MAIN_TABLE ? undefined : vscode.l10n.t('table {0}', route.table),
  );
}

export class RulesGroup extends NetworkGroup {
  protected label(): string {
    return vscode.l10n.t('Policy rules');
  }
  protected icon(): string {
    return 'list-ordered';
  }

  /** Where each goes on is told by the next, so their order is kept. */
  protected list(network: NetworkInspectResult): TreeNode[] {
    const used = new Map<string, number>();
    return this.rows(network.rules, (rule) => {
      const text = JSON.stringify(rule);
      const times = used.get(text) ?? 0;
      used.set(text, times + 1);
      return this.fact(`rule ${text} ${times}`, `${rule.priority}: ${conditions(rule)}`, consequence(rule), 'arrow-right');
    });
  }
}

function conditions(rule: NetworkRule): string {
  const range = ([first, last]: [number, number]) => (first === last ? String(first) : `${first}–${last}`);
  const { mark, mask, uids, sourcePorts, destinationPorts } = rule;
  const hex = (number: number) => `0x${number.toString(16)}`;
  const all = [
    rule.from && vscode.l10n.t('from {0}', rule.from),
    rule.to && vscode.l10n.t('to {0}', rule.to),
    rule.fromInterface && vscode.l10n.t('in by {0}', oneLine(rule.fromInterface)),
    rule.toInterface && vscode.l10n.t('out by {0}', oneLine(rule.toInterface)),
    mark !== undefined && vscode.l10n.t('marked {0}', mask === undefined ? hex(mark) : `${hex(mark)}/${hex(mask)}`),
    uids && vscode.l10n.t('of uid {0}', range(uids)),
    rule.ipProtocol !== undefined && ipProtocolName(rule.ipProtocol),
    sourcePorts && vscode.l10n.t('source port {0}', range(sourcePorts)),
    destinationPorts && vscode.l10n.t('port {0}', range(destinationPorts)),
    rule.tos !== undefined && vscode.l10n.t('service type {0}', hex(rule.tos)),
    rule.hasMore && vscode.l10n.t('other conditions'),
  ].filter((text) => typeof text === 'string');
  if (all.length === 0) return vscode.l10n.t('all packets');
  return rule.inverted ? vscode.l10n.t('all but {0}', all.join(', ')) : all.join(', ');
}

function consequence(rule: NetworkRule): string {
  const words: Record<NetworkRule['action'], string> = {
    table: rule.l3mdev
      ? vscode.l10n.t('table of the VRF')
      : vscode.l10n.t('table {0}', rule.table === undefined ? '?' : tableName(rule.table)),
    goto: vscode.l10n.t('go on at {0}', String(rule.goto)),
    nop: vscode.l10n.t('go on'),
    blackhole: 'blackhole',
    unreachable: 'unreachable',
    prohibit: 'prohibit',
    unknown: vscode.l10n.t('unknown action'),
  };
  const { suppressPrefixLength: length } = rule;
  return parts(
    words[rule.action],
    length === undefined ? undefined : vscode.l10n.t('but for prefixes up to /{0}', length),
    rule.family === 'inet6' ? 'IPv6' : undefined,
  );
}

/** `RT_TABLE_*` of rtnetlink(7). */
function tableName(table: number): string {
  return { 253: 'default', 254: 'main', 255: 'local' }[table] ?? String(table);
}

/** `IPPROTO_*`. */
function ipProtocolName(protocol: number): string {
  const names: Record<number, string> = {
    ...{ 1: 'ICMP', 2: 'IGMP', 4: 'IPIP', 6: 'TCP', 17: 'UDP', 41: 'IPv6 in IP', 47: 'GRE', 50: 'ESP', 51: 'AH', 58: 'ICMPv6' },
    ...{ 88: 'EIGRP', 89: 'OSPF', 103: 'PIM', 112: 'VRRP', 132: 'SCTP', 136: 'UDP-Lite' },
  };
  return names[protocol] ?? vscode.l10n.t('IP protocol {0}', protocol);
}

/** What can be reached from outside stands by itself: of the others there may be hundreds. */
export class SocketsGroup extends NetworkGroup {
  protected label(): string {
    return vscode.l10n.t('Listening sockets');
  }
  protected icon(): string {
    return 'radio-tower';
  }

  protected list(network: NetworkInspectResult): TreeNode[] {
    const { sockets, untold } = network;
    if (isUnknown(sockets)) {
      return [unknownRow(this, 'sockets', this.label(), sockets)];
    }
    const sorted = [...sockets].sort(compareSockets);
    const rows = this.rows(
      sorted.filter(({ protocol }) => !isUnix(protocol) && !isRaw(protocol)),
      (socket) => socketRow(this, socket),
    );
    const groups: [string, string, (protocol: NetworkProtocol) => boolean][] = [
      ['raw', vscode.l10n.t('Raw and packet sockets'), isRaw],
      ['unix', vscode.l10n.t('Unix sockets'), isUnix],
    ];
    for (const [key, title, isOfIt] of groups) {
      const found = sorted.filter(({ protocol }) => isOfIt(protocol));
      if (found.length === 0) continue;
      const group = this.child(key, (id) => new SocketGroup(this.tree, id, this));
      Object.assign(group, { title, sockets: found });
      rows.push(group);
    }
    for (const protocol of untold) {
      const label = vscode.l10n.t('Sockets of {0}', oneLine(protocol));
      rows.push(
        this.fact(`untold ${protocol}`, label, vscode.l10n.t('unknown: this kernel does not tell of them'), 'question'),
      );
    }
    return rows;
  }
}

function isUnix(protocol: NetworkProtocol): boolean {
  return protocol.startsWith('unix');
}

function isRaw(protocol: NetworkProtocol): boolean {
  return protocol === 'raw' || protocol === 'raw6' || protocol === 'packet';
}

/** Sockets of a kind. */
class SocketGroup extends GroupNode {
  title = '';
  sockets: readonly NetworkSocket[] = [];

  protected label(): string {
    return this.title;
  }
  protected icon(): string {
    return 'radio-tower';
  }
  protected override description(): string {
    return String(this.sockets.length);
  }

  override children(): TreeNode[] {
    return this.rows(this.sockets, (socket) => socketRow(this, socket));
  }
}

function socketRow(parent: TreeNode, socket: NetworkSocket): TreeNode {
  const node = parent.child(`socket ${socket.protocol} ${socket.inode}`, (id) => new SocketNode(parent.tree, id, parent));
  node.socket = socket;
  return node;
}

/** By port, then by path. */
function compareSockets(a: NetworkSocket, b: NetworkSocket): number {
  return (
    (a.port ?? 0) - (b.port ?? 0) ||
    a.protocol.localeCompare(b.protocol) ||
    compareNames(a.address, b.address) ||
    a.inode - b.inode
  );
}

class SocketNode extends TreeNode {
  socket: NetworkSocket | undefined;

  override item(): vscode.TreeItem {
    const { socket } = this;
    if (socket === undefined) return new vscode.TreeItem('');
    const { None, Collapsed } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(endpoint(socket), socket.processes.length > 0 ? Collapsed : None);
    item.description = parts(protocolText(socket), holders(socket));
    item.iconPath = new vscode.ThemeIcon('radio-tower');
    item.contextValue = 'socket';
    return item;
  }

  override children(): TreeNode[] {
    const refs = this.socket?.processes ?? [];
    const held = new Map(refs.map((ref) => [ref.pid, this.model.process(ref)]));
    const processes = [...held.values()].filter((process) => process !== undefined);
    return this.rows(processes, (process) =>
      this.child(ProcessNode.key(process), (id) => new ProcessNode(this.tree, id, this, process, 'row', () => true)),
    );
  }

  override tooltip(): vscode.MarkdownString | undefined {
    const { socket } = this;
    if (socket === undefined) return undefined;
    const processes = socket.processes.map((process) =>
      vscode.l10n.t('{0}, descriptor {1}', processName(process), process.descriptor),
    );
    return factsTooltip(endpoint(socket), [
      [vscode.l10n.t('Protocol'), protocolText(socket)],
      [vscode.l10n.t('Owner'), socket.uid === undefined ? undefined : vscode.l10n.t('uid {0}', socket.uid)],
      [vscode.l10n.t('Processes'), processes.join('; ') || holders(socket)],
      [vscode.l10n.t('Inode'), String(socket.inode)],
    ]);
  }
}

function endpoint(socket: NetworkSocket): string {
  if (socket.etherType !== undefined)
    return socket.interface === undefined ? vscode.l10n.t('all interfaces') : oneLine(socket.interface);
  if (socket.port === undefined) return oneLine(socket.address) || vscode.l10n.t('(no address)');
  return `${socket.address.includes(':') ? `[${socket.address}]` : socket.address}:${socket.port}`;
}

/** `tcp`, `raw · ICMP`, `packet · all frames`. */
function protocolText({ protocol, ipProtocol, etherType }: NetworkSocket): string {
  const what =
    etherType === undefined
      ? ipProtocol === undefined
        ? undefined
        : ipProtocolName(ipProtocol)
      : etherType === ALL_FRAMES
        ? vscode.l10n.t('all frames')
        : vscode.l10n.t('frames of type {0}', `0x${etherType.toString(16).padStart(4, '0')}`);
  return parts(protocol, what);
}

/** `ETH_P_ALL`. */
const ALL_FRAMES = 3;

function holders(socket: NetworkSocket): string {
  const [first, ...rest] = new Map(socket.processes.map((process) => [process.pid, process])).values();
  if (first === undefined) return vscode.l10n.t('holder unknown');
  return rest.length === 0 ? processName(first) : vscode.l10n.t('{0} and {1} more', processName(first), rest.length);
}
