/** The text filter of the trees: which processes, containers and namespaces a text finds. Pure functions of the model. */
import type { Container } from '../../helper/protocol/containers.ts';
import type { Namespace, NamespaceKind } from '../../helper/protocol/namespaces.ts';
import type { Process } from '../../helper/protocol/processes.ts';
import { type ClientModel, keyOf, type NamespaceKey, namespaceKey } from './clientModel.ts';

/** Whether a text has all the words of the filter, in any order, whatever their case. */
export function matcher(filter: string): (text: string) => boolean {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return (text) => {
    const lower = text.toLowerCase();
    return words.every((word) => lower.includes(word));
  };
}

/**
 * What a filter's text finds in one state of the model. Something found by its own name shows all that is in it; something that only
 * holds a finding shows just that.
 */
export class Findings {
  readonly text: string;
  private readonly model: ClientModel;
  private readonly found: (text: string) => boolean;
  /** Processes found by their own text, and all their ancestors, so that the way to each stays visible. */
  private readonly processes = new Set<number>();
  private readonly onTheWay = new Set<number>();
  private readonly containers = new Set<string>();
  private readonly containersWithFindings = new Set<string>();
  private readonly namespaces = new Set<NamespaceKey>();
  private readonly namespacesWithFindings = new Set<NamespaceKey>();

  constructor(model: ClientModel, text: string) {
    this.text = text;
    this.model = model;
    this.found = matcher(text);
    for (const container of model.containers.values())
      if (this.found(containerText(container))) this.containers.add(container.key);
    for (const key of this.containers) this.addOuter(key);
    for (const process of model.processes.values()) if (this.found(processText(process))) this.addProcess(process);
    for (const namespace of model.namespaces.values()) this.addNamespace(namespace);
  }

  private addProcess(process: Process): void {
    this.processes.add(process.pid);
    if (process.container !== undefined) this.addContainer(process.container);
    for (const [kind, ino] of Object.entries(process.namespaces) as [NamespaceKind, number | null][]) {
      if (ino !== null) this.namespacesWithFindings.add(namespaceKey(kind, ino));
    }
    for (let at: Process | undefined = process; at !== undefined && !this.onTheWay.has(at.pid); ) {
      this.onTheWay.add(at.pid);
      at = this.model.processes.get(at.parentPid);
    }
  }

  private addContainer(key: string): void {
    this.containersWithFindings.add(key);
    this.addOuter(key);
  }

  /** The way to a container in a container stays visible. */
  private addOuter(key: string): void {
    for (let at = this.outerOf(key); at !== undefined && !this.containersWithFindings.has(at); at = this.outerOf(at)) {
      this.containersWithFindings.add(at);
    }
  }

  private outerOf(key: string): string | undefined {
    return this.model.containers.get(key)?.outer;
  }

  private addNamespace(namespace: Namespace): void {
    const key = keyOf(namespace);
    const leader = namespace.leader === undefined ? undefined : this.model.process(namespace.leader);
    const container = leader?.container === undefined ? undefined : this.model.containers.get(leader.container);
    const ofContainer = !namespace.host && container !== undefined && this.containers.has(container.key);
    if (ofContainer || this.found(namespaceText(namespace))) this.namespaces.add(key);
  }

  /** The container itself is found, so everything in it is shown. */
  containerItself(key: string): boolean {
    return this.containers.has(key);
  }

  container(key: string): boolean {
    return this.containers.has(key) || this.containersWithFindings.has(key);
  }

  namespaceItself(key: NamespaceKey): boolean {
    return this.namespaces.has(key);
  }

  namespace(key: NamespaceKey): boolean {
    return this.namespaces.has(key) || this.namespacesWithFindings.has(key);
  }

  process(process: Process): boolean {
    return this.processes.has(process.pid);
  }

  /** The process is found, or one below it is. */
  processOrBelow(process: Process): boolean {
    return this.onTheWay.has(process.pid);
  }
}

function processText(process: Process): string {
  const line = Array.isArray(process.arguments) ? process.arguments.join(' ') : '';
  return `${process.name}\n${line}\n${process.pid}\n${process.nestedPids.join('\n')}\n${process.user}`;
}

function containerText(container: Container): string {
  const pod =
    container.pod === undefined ? '' : `${container.pod.name ?? ''}\n${container.pod.namespace ?? ''}\n${container.pod.uid}`;
  return `${container.name}\n${container.image ?? ''}\n${container.id}\n${container.engine}\n${pod}`;
}

function namespaceText(namespace: Namespace): string {
  const pins = namespace.pins.map((pin) => (pin.by === 'bindMount' ? pin.mountPoint : 'name' in pin ? pin.name : ''));
  return `${namespace.kind}:[${namespace.ino}]\n${namespace.leader?.name ?? ''}\n${pins.join('\n')}`;
}
