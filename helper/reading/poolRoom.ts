/**
 * The room for calls on libuv's pool that the kernel may keep: reads and writes of its own files, of a cgroup that it holds back. All share it. A call has
 * its place from the start, not from when it is found late: so of the four threads never more than two are lost.
 */
import { withinDeadline } from './deadline.ts';

const PLACES = 2;

let taken = 0;
let lost = 0;
/** Who waits for a place, first come first served. */
const waiting: (() => void)[] = [];

/** True while every place is lost to a call that was given up: nobody need wait for one. */
export function isRoomLost(): boolean {
  return lost >= PLACES;
}

export interface PoolCall<T> {
  begin(): Promise<T>;
  /** Instead of it, when there never was a place. */
  unbegun?(): void;
  millis: number;
  /** Why it is not begun: all places are lost, or none came free in time. */
  refused(): Error;
  /** It was begun and takes longer. It keeps its place until it ends. */
  late(): Error;
}

/** What `begin` gives, begun as soon as there is a place. Rejects with what `refused` or `late` gives. */
export async function inPoolRoom<T>({ begin, unbegun, millis, refused, late }: PoolCall<T>): Promise<T> {
  try {
    await place(millis, refused);
  } catch (error) {
    unbegun?.();
    throw error;
  }
  let isLate = false;
  const call = begin().finally(() => {
    if (isLate) lost -= 1;
    leave();
  });
  return await withinDeadline(call, millis, () => {
    isLate = true;
    lost += 1;
    return late();
  });
}

async function place(millis: number, refused: () => Error): Promise<void> {
  if (isRoomLost()) throw refused();
  if (taken < PLACES) {
    taken += 1;
    return;
  }
  let come: (() => void) | undefined;
  const free = new Promise<void>((resolve) => {
    come = resolve;
    waiting.push(resolve);
  });
  await withinDeadline(free, millis, () => {
    waiting.splice(waiting.indexOf(come!), 1);
    return refused();
  });
}

/** To the next who waits: the place stays taken. */
function leave(): void {
  const next = waiting.shift();
  if (next === undefined) taken -= 1;
  else next();
}
