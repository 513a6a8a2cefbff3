/** How a container is reached, on its overview: its interfaces with the ends of their cables, and what listens. */
import * as vscode from 'vscode';
import type { NetworkInspectResult, NetworkSocket } from '../../helper/protocol/network.ts';
import type { Fact, Section } from '../../webview/messages.ts';
import { type ClientModel, namespaceKey } from '../model/clientModel.ts';
import { oneLine } from '../plain/plainText.ts';
import { isUnknown, namespacePlace, parts, unknownText } from '../words/hostWords.ts';
import { code, none } from './cgroupFacts.ts';
import { fact, knownValue, noted, type OverviewSubject, unreadBlock } from './overviewParts.ts';

/** More are for its rows. */
const MOST_SHOWN = 8;

export function reachedSection({ container, model, reading }: OverviewSubject): Section {
  const heading = vscode.l10n.t('How it is reached');
  const ino = container.namespaces.net;
  const isHosts = typeof ino === 'number' && model.namespaces.get(namespaceKey('net', ino))?.host === true;
  if (isHosts) {
    const text = vscode.l10n.t('It shares the host’s network: what listens in it listens on the host.');
    return { heading, blocks: [{ kind: 'text', tone: 'danger', text }] };
  }
  const unread = unreadBlock(reading.network);
  const network = knownValue(reading.network);
  if (unread !== undefined || network === undefined) return { heading, blocks: unread === undefined ? [] : [unread] };
  return { heading, blocks: [{ kind: 'facts', facts: [...interfaceFacts(network, model), ...listenerFacts(network)] }] };
}

function interfaceFacts({ interfaces, routes }: NetworkInspectResult, model: ClientModel): Fact[] {
  const others = interfaces.filter(({ kind }) => kind !== 'loopback');
  if (others.length === 0) return [fact(vscode.l10n.t('Interfaces'), none(vscode.l10n.t('none but the loopback')))];
  const facts = others.slice(0, MOST_SHOWN).map(({ name, addresses, peer, state }) => {
    const global = addresses.filter(({ scope }) => scope === 'global').map(({ address }) => address);
    const text = global.length === 0 ? vscode.l10n.t('no address') : global.join(', ');
    const end =
      peer?.name === undefined
        ? undefined
        : peer.namespace === undefined
          ? vscode.l10n.t('its cable ends at {0}', oneLine(peer.name, 20))
          : vscode.l10n.t('its cable ends at {0} in {1}', oneLine(peer.name, 20), namespacePlace(model, peer.namespace));
    return fact(oneLine(name, 20), {
      ...(global.length === 0 ? none(text) : { text, code: true }),
      ...noted(parts(end, state === 'down' ? vscode.l10n.t('down') : undefined)),
      link: 'namespace net',
    });
  });
  const gateway = routes.find(({ destination }) => destination === 'default')?.gateway;
  if (gateway !== undefined) facts.push(fact(vscode.l10n.t('Gateway'), code(gateway)));
  return facts;
}

function listenerFacts({ sockets }: NetworkInspectResult): Fact[] {
  const label = vscode.l10n.t('Listens on');
  if (isUnknown(sockets)) return [fact(label, { text: unknownText(sockets), tone: 'unknown' })];
  const listening = sockets.filter(({ port, protocol }) => port !== undefined && /^(tcp|udp|sctp)/.test(protocol));
  if (listening.length === 0) return [fact(label, none(vscode.l10n.t('no port')))];
  const texts = [...new Set(listening.map(listenerText))];
  const more = texts.length - MOST_SHOWN;
  const shown = texts.slice(0, MOST_SHOWN).join(', ');
  return [fact(label, { text: more > 0 ? vscode.l10n.t('{0} and {1} more', shown, more) : shown, link: 'namespace net' })];
}

const ANY = ['0.0.0.0', '::'];

function listenerText({ address, port, protocol, processes }: NetworkSocket): string {
  const family = protocol.replace(/6$/, '');
  const host = ANY.includes(address) ? '' : address.includes(':') ? `[${address}]` : address;
  const place = `${host}:${port}${family === 'tcp' ? '' : `/${family}`}`;
  const [first] = processes;
  return first === undefined ? place : `${place} ${oneLine(first.name, 20)}`;
}
