/** `/proc/PID/uid_map` and `gid_map`: user_namespaces(7). */
import type { IdMapping } from '../protocol/processes.ts';

export function parseIdMap(text: string): IdMapping[] {
  const mappings: IdMapping[] = [];
  for (const line of text.split('\n')) {
    const [inside, outside, count] = line.trim().split(/\s+/).map(Number);
    if (inside !== undefined && outside !== undefined && count !== undefined) mappings.push({ inside, outside, count });
  }
  return mappings;
}
