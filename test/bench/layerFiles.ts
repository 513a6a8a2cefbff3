/** The changes of a Docker container that wrote many files, against `docker diff`; and where one path of a tall stack comes from. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { LayersChanges, LayersList, LayersProvenance, type OverlayRef } from '../../helper/protocol/layers.ts';
import { docker, startDocker } from '../fixtures/docker.ts';
import { type RunningHelper, startHelper } from '../fixtures/helper.ts';
import { makeOverlay, type Overlay } from '../fixtures/overlay.ts';
import { emptyNodeMegabytes } from './emptyNode.ts';
import { type Figures, inTurns, type Row } from './rows.ts';

const run = promisify(execFile);
const DIRECTORIES = 100;
const FILES_EACH = 1000;
const PAGE = 10_000;
const TALL = 30;
const MANY = 1_000_000;
const RUNS = 7;

async function inContainer(
  measure: (helper: RunningHelper, overlay: OverlayRef, name: string) => Promise<Figures>,
): Promise<Figures> {
  await using daemon = await startDocker();
  using container = daemon.run(`isoscope-bench-${process.pid}`, ['sleep', '100000']);
  const script = `for d in $(seq ${DIRECTORIES}); do mkdir -p /big/$d; cd /big/$d; seq ${FILES_EACH} | xargs touch; done`;
  docker('exec', container.name, 'sh', '-c', script);
  await using helper = await startHelper();
  const { overlays } = await helper.request(LayersList, {});
  const found = overlays.find((one) => one.isRoot && one.container?.includes(container.id.slice(0, 12)));
  if (found === undefined) throw new Error('the overlay of the container was not found');
  return await measure(helper, refOf(found), container.name);
}

function refOf({ mountNamespace, mountId, device }: OverlayRef): OverlayRef {
  return { mountNamespace, mountId, device };
}

async function allChanges(
  helper: RunningHelper,
  overlay: OverlayRef,
  expected: number,
  progress: (count: number) => void = () => undefined,
): Promise<void> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await helper.request(LayersChanges, { overlay, limit: PAGE, ...(after === undefined ? {} : { after }) });
    count += page.changes.length;
    after = page.next;
    progress(count);
  } while (after !== undefined);
  if (count < expected) throw new Error(`only ${count} of ${expected} changes were told`);
}

const changes: Row = {
  name: 'changes of a container that wrote 100,000 files (peer: docker diff)',
  target: 0.33,
  unit: 'ms',
  measure: () =>
    inContainer((helper, overlay, name) =>
      inTurns(
        RUNS,
        () => allChanges(helper, overlay, DIRECTORIES * FILES_EACH),
        async () => void (await run('docker', ['diff', name], { maxBuffer: 64 * 1024 * 1024 })),
      ),
    ),
};

const firstChanges: Row = {
  name: 'first thousand changes of a container that wrote 100,000 files (peer: docker diff)',
  target: 0.1,
  unit: 'ms',
  measure: () =>
    inContainer((helper, overlay, name) =>
      inTurns(
        RUNS,
        async () => void (await helper.request(LayersChanges, { overlay })),
        async () => void (await run('docker', ['diff', name], { maxBuffer: 64 * 1024 * 1024 })),
      ),
    ),
};

/** Ordinary mounts of one's own. */
async function onMount(
  overlay: Overlay,
  measure: (helper: RunningHelper, ref: OverlayRef) => Promise<Figures>,
): Promise<Figures> {
  overlay.mount();
  await using helper = await startHelper();
  const { overlays } = await helper.request(LayersList, {});
  const found = overlays.find(({ mountPoint }) => mountPoint === overlay.merged);
  if (found === undefined) throw new Error('the overlay was not found');
  return await measure(helper, refOf(found));
}

const flatDirectory: Row = {
  name: 'first thousand changes of one directory with 100,000 new files (peer: ls -U)',
  target: 2.5,
  unit: 'ms',
  async measure() {
    using overlay = makeOverlay(2);
    fill(overlay.layers[0]!, 1, 100_000);
    return await onMount(overlay, (helper, ref) =>
      inTurns(
        RUNS,
        async () => void (await helper.request(LayersChanges, { overlay: ref })),
        async () => void (await run('ls', ['-U', path.join(overlay.merged, '1')], { maxBuffer: 64 * 1024 * 1024 })),
      ),
    );
  },
};

const provenance: Row = {
  name: 'provenance of a path in a stack of 30 layers (peer: stat of it in each)',
  target: 1,
  unit: 'ms',
  async measure() {
    using overlay = makeOverlay(TALL);
    for (const layer of overlay.layers) {
      const directory = path.join(layer, 'usr/lib/python3');
      mkdirSync(directory, { recursive: true });
      writeFileSync(path.join(directory, 'site.py'), layer);
    }
    return await onMount(overlay, async (helper, ref) => {
      const request = { overlay: ref, path: '/usr/lib/python3/site.py' };
      const places = overlay.layers.map((layer) => path.join(layer, request.path));
      return await inTurns(
        200,
        async () => void (await helper.request(LayersProvenance, request)),
        async () => void (await run('stat', places)),
      );
    });
  },
};

/** What the last three quarters of a large walk need more than the first. */
const memory: Row = {
  name: 'growth of the helper over the last 750,000 of 1,000,000 changes (peer: an empty Node)',
  target: 0.5,
  unit: 'MB',
  async measure() {
    using overlay = makeOverlay(2);
    fill(overlay.layers[0]!, 1, MANY);
    return await onMount(overlay, async (helper, ref) => {
      let early = Number.NaN;
      await allChanges(helper, ref, MANY, (count) => {
        if (Number.isNaN(early) && count >= MANY / 4) early = peakMegabytes(helper);
      });
      return { ours: peakMegabytes(helper) - early, peer: await emptyNodeMegabytes() };
    });
  },
};

function fill(layer: string, directories: number, filesEach: number): void {
  const script = `for d in $(seq ${directories}); do mkdir $d; (cd $d; seq -f 'a file %.0f' ${filesEach} | tr '\\n' '\\0' | xargs -0 touch); done`;
  execFileSync('sh', ['-c', script], { cwd: layer });
}

function peakMegabytes({ process: { pid } }: RunningHelper): number {
  return Number(/^VmHWM:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

export const layerFileRows: Row[] = [changes, firstChanges, flatDirectory, provenance, memory];
