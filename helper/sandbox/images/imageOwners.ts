/**
 * Whose the files of an image are in a sandbox. An ordinary user unpacks them as its own, and then has a launcher in the sandbox's user namespace,
 * where newuidmap(1) has mapped its subordinate ids, give them away: chown(2) needs CAP_CHOWN over both ids there, which the helper has not.
 */

import fs from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../../failure.ts';
import { CLONE_FLAGS } from '../../kernel/nsfs.ts';
import { SIGKILL } from '../../kernel/numbers.ts';
import { launch, StepFailure } from '../../launcher/launch.ts';
import { integer, named, string } from '../../launcher/program.ts';
import { Steps } from '../../launcher/steps.ts';
import { printable } from '../../launcher/text.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import { type IdMaps, insideOf, outsideOf, rootOf } from '../idMaps/idMaps.ts';
import type { Ids, Wanted } from './layerWriter.ts';

const HERE = named('AT_FDCWD');
const AT_SYMLINK_NOFOLLOW = named('AT_SYMLINK_NOFOLLOW');
const S_ISUID_ISGID = 0o6000;
const PERMISSIONS = 0o7777;
/** Those that a later layer replaces are among them. */
const MAX_FILES = 2_000_000;
/** How many are looked at before other requests are answered. */
const FILES_AT_ONCE = 1000;
/** What one program of the launcher is given, which is made in one go. */
const MAX_BATCH_STEPS = 2048;
const MAX_BATCH_BYTES = 512 * 1024;
/** Of owners that are told. */
const MAX_TOLD = 5;

/** Owners that files do not keep: how many files, and which owners. */
export class LostOwners {
  files = 0;
  private readonly ids = { user: new Set<number>(), group: new Set<number>() };

  /** What is undefined is kept. */
  add(uid: number | undefined, gid: number | undefined): void {
    this.files += 1;
    for (const [kind, id] of [['user', uid] as const, ['group', gid] as const]) {
      const known = this.ids[kind];
      if (id !== undefined && known.size <= MAX_TOLD) known.add(id);
    }
  }

  toString(): string {
    const told = Object.entries(this.ids).filter(([, { size }]) => size > 0);
    return told
      .map(([kind, ids]) => `${kind} ${[...ids].slice(0, MAX_TOLD).join(', ')}${ids.size > MAX_TOLD ? ', …' : ''}`)
      .join('; ');
  }
}

/** From ids of the image to those of the host. */
export class OwnerMapping {
  private readonly lost = new LostOwners();
  private readonly idMaps: IdMaps;

  constructor(idMaps: IdMaps) {
    this.idMaps = idMaps;
  }

  map({ uid, gid }: Ids): Ids {
    const [user, group] = [outsideOf(this.idMaps.uid, uid), outsideOf(this.idMaps.gid, gid)];
    if (user === undefined || group === undefined)
      this.lost.add(user === undefined ? uid : undefined, group === undefined ? gid : undefined);
    return { uid: user ?? rootOf(this.idMaps.uid), gid: group ?? rootOf(this.idMaps.gid) };
  }

  /** What a person should know. */
  notes(): Said[] {
    const { lost } = this;
    if (lost.files === 0) return [];
    return [said('noteUnmappedOwners', lost.files, String(lost))];
  }
}

/** Owners and modes that files of one file system, by their inode numbers, lack until they are given away. */
export class OwnersToGive {
  private readonly wanted = new Map<number, Wanted>();

  /** What the file has now is not what it is to have in the end; or it is, whatever was noted before. */
  note(stat: fs.Stats, wanted: Wanted): void {
    const { uid, gid, mode } = wanted;
    const isSo = stat.uid === uid && stat.gid === gid && (mode === undefined || mode === (stat.mode & PERMISSIONS));
    if (isSo) this.wanted.delete(stat.ino);
    else this.wanted.set(stat.ino, wanted);
    if (this.wanted.size > MAX_FILES)
      throw new Failure('invalid', said('tooManyOwners', MAX_FILES), {
        hint: said('chooseIdMappingsRootOrUser'),
      });
  }

  /**
   * Of what is below `directory`, in which nobody else changes anything. Both it and the user namespace with these id maps are open descriptors.
   * Rejects with a `Failure`; then some have been given and others not.
   */
  async give(directory: number, idMaps: IdMaps, userNamespace: number): Promise<void> {
    // All are looked for first: where the directories have been given away the helper cannot go any more.
    const files = await this.find(directory);
    if (files.length === 0) return;
    let batch = new Batch(directory, userNamespace);
    for (const file of files) {
      if (batch.isFull) {
        await batch.run();
        batch = new Batch(directory, userNamespace);
      }
      batch.add(file, idMaps);
    }
    await batch.run();
  }

  /** Each once, however many names it has. */
  private async find(directory: number): Promise<FileToGive[]> {
    const files: FileToGive[] = [];
    const pending = ['.'];
    let seen = 0;
    for (let path = pending.pop(); path !== undefined && this.wanted.size > 0; path = pending.pop()) {
      seen += 1;
      if (seen % FILES_AT_ONCE === 0) await setImmediate();
      const file = `/proc/self/fd/${directory}/${path}`;
      const stat = fs.lstatSync(file);
      if (stat.isDirectory()) {
        for (const name of await fs.promises.readdir(file)) pending.push(path === '.' ? name : `${path}/${name}`);
      }
      const wanted = this.wanted.get(stat.ino);
      if (wanted !== undefined) files.push({ path, stat, wanted });
      this.wanted.delete(stat.ino);
    }
    return files;
  }
}

/** `path` is below the directory, and no part of it is a link. */
interface FileToGive {
  path: string;
  stat: fs.Stats;
  wanted: Wanted;
}

/** As many files as one program of the launcher gives away. */
class Batch {
  private readonly steps = new Steps();
  private bytes = 0;

  /** What is in the directory names nothing outside: it is the root directory. */
  constructor(directory: number, userNamespace: number) {
    const user = this.steps.descriptor(userNamespace, 'the user namespace');
    this.steps.call('setns', [user, integer(CLONE_FLAGS.user, 'CLONE_NEWUSER')], said('enterUserNamespace'));
    this.steps.add({ kind: 'tether', signal: SIGKILL, purpose: said('endWhenHelperEnds') });
    this.steps.call('fchdir', [this.steps.descriptor(directory, 'the image')], said('goToImageFiles'));
    this.steps.call('chroot', [string('.')], said('seeNothingElse'));
  }

  get isFull(): boolean {
    return this.steps.count + 2 > MAX_BATCH_STEPS || this.bytes > MAX_BATCH_BYTES;
  }

  add({ path, stat, wanted: { uid, gid, mode } }: FileToGive, idMaps: IdMaps): void {
    const [user, group] = [insideOf(idMaps.uid, uid)!, insideOf(idMaps.gid, gid)!];
    const name = string(path);
    this.bytes += Buffer.byteLength(path) + 1;
    const purpose = said('giveOwner', printable(path), user, group);
    this.steps.call('fchownat', [HERE, name, integer(user), integer(group), AT_SYMLINK_NOFOLLOW], purpose);
    // The kernel takes these from what changes its owner. A link has no mode of its own, and none is wanted.
    const isLacking = mode !== undefined && ((mode & S_ISUID_ISGID) !== 0 || (stat.mode & PERMISSIONS) !== mode);
    if (isLacking)
      this.steps.call('fchmodat', [HERE, name, integer(mode, `0${mode.toString(8)}`)], said('giveMode', printable(path)));
  }

  async run(): Promise<void> {
    const launched = launch({ ...this.steps.compiled(), stdio: ['ignore', 'ignore', 'ignore'] });
    try {
      await launched.started;
    } catch (error) {
      throw error instanceof StepFailure ? new Failure(error.data.reason, error.text, error.data) : error;
    }
    const end = await launched.ended;
    if (end.code !== 0) throw new Failure('kernel', said('ownersWereKilled'));
  }
}
