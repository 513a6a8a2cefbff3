/** Opening the view of layers on a host with many overlay mounts. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LayersList } from '../../helper/protocol/layers.ts';
import { startHelper } from '../fixtures/helper.ts';
import { startEmptyNode } from './emptyNode.ts';
import { median, millisOf, type Row } from './rows.ts';

const OVERLAYS = 200;
/** As many as an ordinary image has; all are of one image, which makes the most of sharing. */
const LOWER = 12;
const RUNS = 5;

/** 200 overlay mounts on a file system of their own. */
function makeOverlays(): Disposable {
  const folder = mkdtempSync(path.join(tmpdir(), 'isoscope-bench-'));
  execFileSync('mount', ['-t', 'tmpfs', 'isoscope-bench', folder]);
  const remove = () => {
    execFileSync('umount', ['--recursive', '--lazy', folder]);
    rmSync(folder, { recursive: true });
  };
  try {
    const lower = Array.from({ length: LOWER }, (_, at) => path.join(folder, `lower${at}`));
    for (const directory of lower) mkdirSync(directory);
    for (let at = 0; at < OVERLAYS; at += 1) {
      const [upper, work, merged] = ['upper', 'work', 'merged'].map((name) => path.join(folder, `${at}`, name));
      for (const directory of [upper!, work!, merged!]) mkdirSync(directory, { recursive: true });
      const options = `lowerdir=${lower.join(':')},upperdir=${upper},workdir=${work}`;
      execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', merged!]);
    }
  } catch (error) {
    remove();
    throw error;
  }
  return { [Symbol.dispose]: remove };
}

/** The first list of a helper that just started, as when the view is opened first. */
const opening: Row = {
  name: 'opening the layers view with 200 overlay mounts (peer: the start of an empty Node)',
  target: 6,
  unit: 'ms',
  async measure() {
    using _ = makeOverlays();
    const times: number[] = [];
    const starts: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      await using helper = await startHelper();
      times.push(
        await millisOf(async () => {
          const { overlays } = await helper.request(LayersList, {});
          const found = overlays.filter(({ layers }) => layers.length === LOWER + 1).length;
          if (found < OVERLAYS) throw new Error(`only ${found} of ${OVERLAYS} overlays were found`);
        }),
      );
      starts.push(await millisOf(startEmptyNode));
    }
    return { ours: median(times), peer: median(starts) };
  },
};

export const layerRows: Row[] = [opening];
