/** The files that say what limits a cgroup, of it and of its ancestors, each read within the limit of time. */
import { isSystemError, unknownFrom } from '../../failure.ts';
import type { Unknown } from '../../protocol/errors.ts';
import type { Chain, Link } from './chain.ts';
import { readFile } from './directory.ts';
import { type LimitedCgroup, type LimitFiles, limitsOfVersion } from './effectiveLimit.ts';
import type { CgroupTexts } from './texts.ts';

const HUGETLB = /^hugetlb\.[^.]+\.(?:rsvd\.)?(?:limit_in_bytes|usage_in_bytes|max|current)$/;

/** The cgroup itself first; what `texts` has of it is not read again. */
export async function readLimitTexts({ cgroup, links }: Chain, texts: CgroupTexts): Promise<LimitedCgroup[]> {
  const all: LimitFiles[] = Object.values(limitsOfVersion(cgroup.version));
  const named = all.flatMap(({ file, period, usage }) => [file, period, usage]).filter((name) => name !== undefined);
  const files = [...named, ...texts.names.filter((name) => HUGETLB.test(name))].filter(
    (name) => texts.has(name) || cgroup.version === 2,
  );
  const limited: LimitedCgroup[] = [];
  for (const link of links) {
    const read = limited.length === 0 ? (name: string) => Promise.resolve(texts.get(name)) : textsOf(link);
    limited.push(await readOne(link, files, read));
  }
  return limited;
}

/** Undefined when there is no such file: a controller is handed down, so those above have what is below, but for the root. */
function textsOf({ fd }: Link): (name: string) => Promise<string | Unknown | undefined> {
  return async (name) => {
    try {
      return await readFile(fd, name);
    } catch (error) {
      return isSystemError(error) && error.code === 'ENOENT' ? undefined : unknownFrom(error);
    }
  };
}

async function readOne(
  { ref }: Link,
  files: readonly string[],
  read: (name: string) => Promise<string | Unknown | undefined>,
): Promise<LimitedCgroup> {
  const texts = new Map<string, Buffer>();
  const unknown = new Map<string, Unknown>();
  for (const file of files) {
    const text = await read(file);
    if (typeof text === 'string') texts.set(file, Buffer.from(text, 'latin1'));
    else if (text !== undefined) unknown.set(file, text);
  }
  return { ref, read: (file) => texts.get(file), whyUnknown: (file) => unknown.get(file) };
}
