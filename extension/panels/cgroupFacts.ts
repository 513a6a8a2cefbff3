/** What the sections of a page on cgroups are made of: figures of one or several answers, as values, facts and limits with words. */
import * as vscode from 'vscode';
import type { CgroupRef, CgroupsInspectResult, Figure, Lacking, Limit, Pressure } from '../../helper/protocol/cgroups.ts';
import type { Unknown } from '../../helper/protocol/errors.ts';
import type { Block, Fact, Table, Value } from '../../webview/messages.ts';
import { keyOfCgroup } from '../model/cgroupModel.ts';
import { oneLine } from '../plain/plainText.ts';
import { bytesText, durationText, lackingText, shortPath } from '../words/cgroupWords.ts';
import { isUnknown, unknownText } from '../words/hostWords.ts';

/** One cgroup, or those of one place in several hierarchies, of which each knows its own controllers. */
export type CgroupAnswers = [CgroupsInspectResult, ...CgroupsInspectResult[]];

/** From this share of a limit on it is shown as close. */
export const CLOSE = 0.9;

export function isLacking(value: unknown): value is Lacking {
  return typeof value === 'object' && value !== null && 'lacking' in value;
}

/** The first answer's that has it. */
export function first<T extends object>(
  answers: CgroupAnswers,
  part: (answer: CgroupsInspectResult) => T | Lacking | Unknown,
): T | undefined {
  for (const answer of answers) {
    const value = part(answer);
    if (!isLacking(value) && !isUnknown(value)) return value as T;
  }
  return undefined;
}

/**
 * A part as all answers together tell it: each figure of the first that has it, or why the one whose controller it is of has none. On v1 `cpuacct`
 * counts what `cpu` limits.
 */
export function together<T extends object>(
  answers: CgroupAnswers,
  part: (answer: CgroupsInspectResult) => T | Lacking,
): T | undefined {
  const [start, ...others] = answers.map(part).filter((value): value is T => !isLacking(value));
  if (start === undefined) return undefined;
  const whole = { ...start };
  for (const other of others)
    for (const key of Object.keys(other) as (keyof T)[]) {
      const [known, said] = [whole[key] as unknown, other[key] as unknown];
      if (isLacking(known) && (!isLacking(said) || known.lacking === 'controller')) whole[key] = other[key];
    }
  return whole;
}

export function plain(text: string, note?: string): Value {
  return note === undefined ? { text } : { text, note };
}

export function code(text: string, length = 200): Value {
  return { text: oneLine(text, length), code: true };
}

export function none(text: string): Value {
  return { text, tone: 'muted' };
}

/** A figure as `show` puts it, or why there is none. */
export function shown<T>(figure: Figure<T>, show: (value: T) => Value): Value {
  if (isLacking(figure)) return none(lackingText(figure));
  if (isUnknown(figure)) return { text: unknownText(figure), tone: 'unknown' };
  return show(figure as T);
}

/** A fact, and why there is none. */
export interface FoundFact extends Fact {
  lacking?: Lacking['lacking'];
}

export function fact<T>(label: string, figure: Figure<T>, show: (value: T) => Value): FoundFact {
  const value = shown(figure, show);
  return isLacking(figure) ? { label, value, lacking: figure.lacking } : { label, value };
}

/** The facts that there are, and in a line each those that are lacking, with the reason. */
export function facts(...list: FoundFact[]): Block[] {
  const there = list.filter(({ lacking }) => lacking === undefined);
  const blocks: Block[] = there.length === 0 ? [] : [{ kind: 'facts', facts: there }];
  for (const reason of new Set(list.map(({ lacking }) => lacking))) {
    if (reason === undefined) continue;
    const names = list.filter(({ lacking }) => lacking === reason).map(({ label }) => label);
    blocks.push({ kind: 'text', tone: 'muted', text: lackingList(reason, names.join(', ')) });
  }
  return blocks;
}

function lackingList(reason: Lacking['lacking'], names: string): string {
  const words: Record<Lacking['lacking'], string> = {
    version: vscode.l10n.t('Not in this version of cgroups: {0}', names),
    kernel: vscode.l10n.t('Not in this kernel: {0}', names),
    controller: vscode.l10n.t('Of a controller that is not enabled here, or is in another hierarchy: {0}', names),
    root: vscode.l10n.t('Not at the root: {0}', names),
  };
  return words[reason];
}

export function number(figure: Figure<unknown>): number | undefined {
  return typeof figure === 'number' ? figure : undefined;
}

export const bytes = (value: number) => plain(bytesText(value));
export const time = (value: number) => plain(durationText(value));
export const yesNo = (value: boolean) => plain(value ? vscode.l10n.t('yes') : vscode.l10n.t('no'));

export interface LimitWords {
  /** The limit of its own, with the raw value. */
  own: (value: number) => string;
  amount: (value: number) => string;
  /** Whether what is left of its own limit is worth a line: CPU time is had or not in each period, and none is left over. */
  headroom: boolean;
}

/** Its own limit, the one that binds with who sets it, and what is left until there. */
export function limitFacts(label: string, figure: Figure<Limit>, answers: CgroupAnswers, words: LimitWords): FoundFact[] {
  const own = fact(label, figure, ({ own: value, raw, file }) => {
    const note = `${file}: ${oneLine(raw.trim(), 60)}`;
    return value === null ? { ...none(vscode.l10n.t('none of its own')), note } : plain(words.own(value), note);
  });
  if (isLacking(figure) || isUnknown(figure)) return [own];
  const { effective, headroom, file } = figure as Limit;
  const binding: Fact = { label: vscode.l10n.t('Effective limit'), value: effectiveValue(effective, answers, words) };
  // A number of CPUs is not shared out as a quota is.
  const isQuota = effective?.file === file && !isOneOf(effective.by, answers);
  if (headroom === null || (!isQuota && !words.headroom)) return [own, binding];
  const left = { label: vscode.l10n.t('Headroom'), value: plain(words.amount(headroom), headroomNote(effective, answers)) };
  return [own, binding, left];
}

function isOneOf(ref: CgroupRef | undefined, answers: CgroupAnswers): boolean {
  return ref !== undefined && answers.some((answer) => keyOfCgroup(answer) === keyOfCgroup(ref));
}

export function effectiveValue(effective: Limit['effective'], answers: CgroupAnswers, words: LimitWords): Value {
  if (effective === null) return none(vscode.l10n.t('none, up to the root'));
  return plain(words.amount(effective.value), bindingNote(effective, answers));
}

/** Who sets the limit that binds, and where that stands: a quota, the CPUs of a cpuset, or those of the host. */
function bindingNote({ by, file, raw }: NonNullable<Limit['effective']>, answers: CgroupAnswers): string {
  if (by === undefined) return vscode.l10n.t('the host has no more online ({0}: {1})', file, oneLine(raw, 40));
  const isCpuset = file.startsWith('cpuset.');
  if (!isOneOf(by, answers))
    return vscode.l10n.t('set by {0} ({1})', shortPath(by.path), isCpuset ? cpusText(file, raw) : file);
  return isCpuset ? vscode.l10n.t('its cpuset has no more ({0})', cpusText(file, raw)) : vscode.l10n.t('its own binds');
}

function cpusText(file: string, raw: string): string {
  return `${file}: ${oneLine(raw, 40)}`;
}

function headroomNote(effective: Limit['effective'], answers: CgroupAnswers): string | undefined {
  if (effective?.by === undefined || isOneOf(effective.by, answers)) return undefined;
  return vscode.l10n.t('shared with all below {0}', shortPath(effective.by.path));
}

export function pressureBlocks(name: string, figure: Figure<Pressure>): Block[] {
  const label = vscode.l10n.t('Pressure');
  if (isLacking(figure) || isUnknown(figure)) return facts(fact(label, figure, () => plain('')));
  const { some, full } = figure as Pressure;
  const row = (title: string, line: Pressure['some']) => ({
    cells: [
      plain(title),
      ...[line.avg10, line.avg60, line.avg300].map((share) => plain(`${share} %`)),
      plain(durationText(line.totalMicros)),
    ],
  });
  const table: Table = {
    caption: vscode.l10n.t('Share of time in which tasks waited for {0}', name),
    columns: [label, '10 s', '60 s', '300 s', vscode.l10n.t('In total')],
    rows: [
      row(vscode.l10n.t('some task waited'), some),
      ...(full === undefined ? [] : [row(vscode.l10n.t('all waited'), full)]),
    ],
  };
  return [{ kind: 'table', table }];
}
