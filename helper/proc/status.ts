/** `/proc/PID/status`: proc_pid_status(5). */

export interface Status {
  /** Real, effective, saved and file system ids. */
  uid: [number, number, number, number];
  gid: [number, number, number, number];
  groups: number[];
  /** The pid in each pid namespace, from the reader's own inwards. Kernels before 4.1 do not tell. */
  namespacePids: number[];
  capabilities: { inheritable: bigint; permitted: bigint; effective: bigint; bounding: bigint; ambient: bigint };
  noNewPrivileges: boolean | undefined;
  /** 0 disabled, 1 strict, 2 filter (seccomp(2)). */
  seccompMode: number | undefined;
  seccompFilters: number | undefined;
}

export function parseStatus(text: string): Status {
  const fields = fieldsOf(text);
  const mask = (name: string) => BigInt(`0x${/^[0-9a-f]+$/.exec(fields.get(name) ?? '')?.[0] ?? '0'}`);
  const number = (name: string) => (fields.has(name) ? Number(fields.get(name)) : undefined);
  const flag = number('NoNewPrivs');
  return {
    uid: fourIds(fields.get('Uid')),
    gid: fourIds(fields.get('Gid')),
    groups: numbers(fields.get('Groups')),
    namespacePids: numbers(fields.get('NSpid')),
    capabilities: {
      inheritable: mask('CapInh'),
      permitted: mask('CapPrm'),
      effective: mask('CapEff'),
      bounding: mask('CapBnd'),
      ambient: mask('CapAmb'),
    },
    noNewPrivileges: flag === undefined ? undefined : flag === 1,
    seccompMode: number('Seccomp'),
    seccompFilters: number('Seccomp_filters'),
  };
}

/** Names escape newlines here (`\n`), so a line is always a field. */
function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return fields;
}

function numbers(text: string | undefined): number[] {
  return text === undefined || text === '' ? [] : text.split(/\s+/).map(Number).filter(Number.isSafeInteger);
}

function fourIds(text: string | undefined): [number, number, number, number] {
  const [real = 0, effective = 0, saved = 0, fileSystem = 0] = numbers(text);
  return [real, effective, saved, fileSystem];
}
