/** The id maps of a new user namespace, as a specification asks for them: subuid(5). */
import fs from 'node:fs';
import { Failure } from '../../failure.ts';
import { readUsers } from '../../host/userFile.ts';
import { own } from '../../programs/identity.ts';
import type { IdMappings, SandboxIdMapping } from '../../protocol/sandboxes.ts';
import type { Said } from '../../protocol/sentences.ts';
import { said } from '../../saying.ts';
import type { IdMaps } from './idMaps.ts';

const MAX_SUBID_BYTES = 1024 * 1024;

export function planIdMaps(asked: IdMappings, notes: Said[]): IdMaps {
  const { uid, gid, privileged } = own();
  const writtenBy = privileged ? 'helper' : 'self';
  const only = (inside: number, outside: number) => [{ containerID: inside, hostID: outside, size: 1 }];
  if (asked === 'root') return { uid: only(0, uid), gid: only(0, gid), writtenBy };
  if (asked === 'user') return { uid: only(uid, uid), gid: only(gid, gid), writtenBy };
  if (asked === 'subids') {
    const ranges = (file: string, id: number) => [...only(0, id), ...subordinate(file)];
    return {
      uid: ranges('/etc/subuid', uid),
      gid: ranges('/etc/subgid', gid),
      writtenBy: privileged ? 'helper' : 'newuidmap',
    };
  }
  const { uidMappings, gidMappings } = asked;
  checkOverlap(uidMappings, 'uidMappings');
  checkOverlap(gidMappings, 'gidMappings');
  if (privileged) return { uid: uidMappings, gid: gidMappings, writtenBy };
  const isOwn = (mappings: SandboxIdMapping[], id: number) =>
    mappings.length === 1 && mappings[0]!.hostID === id && mappings[0]!.size === 1;
  if (isOwn(uidMappings, uid) && isOwn(gidMappings, gid)) return { uid: uidMappings, gid: gidMappings, writtenBy };
  notes.push(said('noteIdMapsByTools'));
  return { uid: uidMappings, gid: gidMappings, writtenBy: 'newuidmap' };
}

/** `name:first:count`, each range after the last one inside. */
function subordinate(file: string): SandboxIdMapping[] {
  const { uid } = own();
  const username = readUsers().names.get(uid) ?? String(uid);
  const lines = readFile(file).split('\n');
  const mappings: SandboxIdMapping[] = [];
  let inside = 1;
  for (const line of lines) {
    const [who, first, count] = line.split(':');
    if (who !== username && who !== String(uid)) continue;
    const [hostID, size] = [Number(first), Number(count)];
    if (!Number.isSafeInteger(hostID) || !Number.isSafeInteger(size) || size < 1) continue;
    mappings.push({ containerID: inside, hostID, size });
    inside += size;
  }
  if (mappings.length > 0) return mappings;
  throw new Failure('notFound', said('noRangeOfIds', file, username), {
    path: file,
    hint: said('addLineOfIds', username, file),
  });
}

function readFile(file: string): string {
  try {
    if (fs.statSync(file).size > MAX_SUBID_BYTES) return '';
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function checkOverlap(mappings: SandboxIdMapping[], field: string): void {
  for (const side of ['containerID', 'hostID'] as const) {
    const sorted = mappings.toSorted((a, b) => a[side] - b[side]);
    const overlapping = sorted.find((mapping, index) => {
      const before = sorted[index - 1];
      return before !== undefined && before[side] + before.size > mapping[side];
    });
    if (overlapping !== undefined) {
      const message = said('idRangesOverlap', field, side, overlapping[side]);
      throw new Failure('invalid', message, { field: [field, mappings.indexOf(overlapping), side] });
    }
  }
}
