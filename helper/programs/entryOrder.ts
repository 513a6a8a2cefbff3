/**
 * In which order namespaces can be entered: setns(2) demands `CAP_SYS_ADMIN` in the user namespace that owns the one entered,
 * and in the caller's own.
 *
 * - A privileged helper has that over all namespaces below its own user namespace, and would lose it by entering one: the
 *   user namespace comes last.
 * - An unprivileged one has it over nothing but the user namespaces that its user owns, and gains it by entering one: user
 *   namespaces come first, from the outermost inwards, each followed by the namespaces that it owns.
 *
 * (nsenter(1) tries both ways; knowing the owners, one pass suffices, for nested user namespaces too.)
 */
import fs from 'node:fs';
import { close } from '../kernel/files.ts';
import { openOwner, openParent } from '../kernel/nsfs.ts';
import { append } from '../lists.ts';
import { type HeldNamespace, isOwnNamespace } from './target.ts';

export interface EntryOrder {
  order: HeldNamespace[];
  /** Closes the user namespaces on the way that were opened for it. */
  dispose(): void;
}

/** User namespaces nest at most 32 deep (user_namespaces(7)). */
const MAX_DEPTH = 32;

export function entryOrder(namespaces: readonly HeldNamespace[], privileged: boolean): EntryOrder {
  const user = namespaces.find(({ kind }) => kind === 'user');
  // The pid namespace first, for what enters it is the child of a fork; the mount namespace last, for it changes the root.
  const others = namespaces.filter((namespace) => namespace !== user).sort((a, b) => rank(a) - rank(b));
  if (user === undefined) return { order: others, dispose: () => undefined };
  if (privileged) return { order: [...others, user], dispose: () => undefined };
  const chain = chainTo(user);
  const owners = others.map((namespace) => ownerIn(chain, namespace));
  const order = others.filter((_, index) => owners[index] === undefined);
  for (const link of chain) append(order, [link, ...others.filter((_, index) => owners[index] === link)]);
  return {
    order,
    dispose: () => {
      for (const link of chain) if (link !== user) close(link.descriptor);
    },
  };
}

function rank({ kind }: HeldNamespace): number {
  return kind === 'pid' ? 0 : kind === 'mnt' ? 2 : 1;
}

/** The user namespaces from just below the helper's own to `user`. */
function chainTo(user: HeldNamespace): HeldNamespace[] {
  const chain = [user];
  while (chain.length <= MAX_DEPTH) {
    const parent = openParentOr(chain);
    if (parent < 0) return chain;
    if (isOwnNamespace('user', parent)) {
      close(parent);
      return chain;
    }
    chain.unshift({ kind: 'user', name: `user:[${fs.fstatSync(parent).ino}]`, descriptor: parent });
  }
  return chain;
}

/** What was opened before is closed when the next cannot be. */
function openParentOr(chain: readonly HeldNamespace[]): number {
  try {
    return openParent(chain[0]!.descriptor);
  } catch (error) {
    for (const { descriptor } of chain.slice(0, -1)) close(descriptor);
    throw error;
  }
}

function ownerIn(chain: HeldNamespace[], namespace: HeldNamespace): HeldNamespace | undefined {
  const owner = openOwner(namespace.descriptor);
  if (owner < 0) return undefined;
  const { ino } = fs.fstatSync(owner);
  close(owner);
  return chain.find((link) => fs.fstatSync(link.descriptor).ino === ino);
}
