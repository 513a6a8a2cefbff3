/** What of a container weakens its isolation, each thing once, the worst first: from what the parts of its overview tell. Pure. */
import * as vscode from 'vscode';
import type { MountEntry } from '../../helper/protocol/mounts.ts';
import type { NamespaceKind } from '../../helper/protocol/namespaces.ts';
import type { ProcessesInspectResult } from '../../helper/protocol/processes.ts';
import { oneLine } from '../plain/plainText.ts';
import { saidText } from '../plain/saidText.ts';
import { dangerOf } from '../words/dangerousCapabilities.ts';
import { isUnknown, kindName } from '../words/hostWords.ts';
import type { CgroupAnswers } from './cgroupFacts.ts';

export interface Danger {
  severity: 'danger' | 'caution';
  text: string;
  detail: string;
  /** What shows more of it. */
  link?: 'process' | 'cgroup';
}

/** What is known of it; a part that is not there yet tells nothing. */
export interface DangerFacts {
  process: ProcessesInspectResult | undefined;
  cgroups: CgroupAnswers | undefined;
  mounts: readonly MountEntry[] | undefined;
}

/** Who is in one of these with the host sees or disturbs what is the host's. The others nearly all containers share, or tell little. */
export const TELLING_KINDS: readonly NamespaceKind[] = ['mnt', 'pid', 'net', 'ipc'];
/** So many of them in effect are what `--privileged` gives. */
const PRIVILEGED = ['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO'];
const ENGINE_SOCKET = /\/(docker|containerd|crio|podman)\.sock$/;

export function dangersOf(facts: DangerFacts): Danger[] {
  const { process, cgroups, mounts } = facts;
  // What gives the host away at once stands before what is of use for it.
  const found = [
    ...ofProcess(process, ofRoot),
    ...ofMounts(mounts),
    ...ofProcess(process, ofCapabilities),
    ...ofCgroups(cgroups),
    ...ofProcess(process, ofNamespaces),
    ...ofProcess(process, ofFilter),
  ];
  return [...found.filter(({ severity }) => severity === 'danger'), ...found.filter(({ severity }) => severity === 'caution')];
}

function ofProcess(process: ProcessesInspectResult | undefined, find: (process: ProcessesInspectResult) => Danger[]): Danger[] {
  return process === undefined ? [] : find(process);
}

function isOfHost(process: ProcessesInspectResult, kind: string): boolean {
  return process.isolation.some(({ namespace, host }) => namespace.kind === kind && host);
}

function ofCapabilities(process: ProcessesInspectResult): Danger[] {
  const { capabilities } = process;
  if (isUnknown(capabilities) || !isOfHost(process, 'user')) return [];
  const { effective } = capabilities;
  if (PRIVILEGED.every((name) => effective.includes(name))) {
    return [
      {
        severity: 'danger',
        text: vscode.l10n.t('It is privileged'),
        detail: vscode.l10n.t(
          '{0} capabilities hold against the host: it can load kernel modules and mount its disks.',
          effective.length,
        ),
        link: 'process',
      },
    ];
  }
  // Over a network of its own it may do what it likes.
  const names = effective.filter(
    (name) => dangerOf(name) !== undefined && (name !== 'CAP_NET_ADMIN' || isOfHost(process, 'net')),
  );
  if (names.length === 0) return [];
  return [
    {
      severity: 'danger',
      text: vscode.l10n.t('Capabilities that hold against the host'),
      detail: names.map((name) => `${name}: ${dangerOf(name)}`).join('; '),
      link: 'process',
    },
  ];
}

function ofRoot({ root }: ProcessesInspectResult): Danger[] {
  if (isUnknown(root) || isUnknown(root.hostRootReachableAt) || root.hostRootReachableAt.length === 0) return [];
  const places = root.hostRootReachableAt.slice(0, 3).map((place) => oneLine(place));
  return [
    {
      severity: 'danger',
      text: vscode.l10n.t('The host’s root directory is within its mounts'),
      detail: vscode.l10n.t('at {0}', places.join(', ')),
      link: 'process',
    },
  ];
}

function ofNamespaces(process: ProcessesInspectResult): Danger[] {
  const shared = TELLING_KINDS.filter((kind) => isOfHost(process, kind));
  if (shared.length === 0) return [];
  return [
    {
      severity: shared.includes('mnt') || shared.includes('pid') ? 'danger' : 'caution',
      text: vscode.l10n.t('It shares namespaces with the host'),
      detail: shared.map(kindName).join(', '),
      link: 'process',
    },
  ];
}

function ofFilter(process: ProcessesInspectResult): Danger[] {
  const { seccomp } = process;
  if (isUnknown(seccomp) || seccomp.mode !== 'disabled') return [];
  return [
    {
      severity: 'caution',
      text: vscode.l10n.t('No seccomp filter'),
      detail: vscode.l10n.t('it may make every system call'),
      link: 'process',
    },
  ];
}

function ofCgroups(answers: CgroupAnswers | undefined): Danger[] {
  const risks = answers?.flatMap(({ risks: own }) => own).filter(({ severity }) => severity === 'danger') ?? [];
  const [first] = risks;
  if (first === undefined) return [];
  const text =
    first.kind === 'releaseAgent'
      ? vscode.l10n.t('It can have a program run as root on the host')
      : vscode.l10n.t('It may write files of cgroups');
  return [{ severity: 'danger', text, detail: oneLine(saidText(first.evidence), 120), link: 'cgroup' }];
}

function ofMounts(mounts: readonly MountEntry[] | undefined): Danger[] {
  return (mounts ?? [])
    .filter(({ mountPoint, root }) => ENGINE_SOCKET.test(mountPoint) || ENGINE_SOCKET.test(root))
    .map(({ mountPoint }) => ({
      severity: 'danger' as const,
      text: vscode.l10n.t('An engine’s socket is mounted'),
      detail: vscode.l10n.t('who may write to {0} starts containers as root on the host', oneLine(mountPoint)),
    }));
}
