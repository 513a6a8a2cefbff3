/** The files of layers, as a reader thread reads them. */
import type { LayerEntry } from '../../protocol/layers.ts';
import type { JobContext, JobTable } from '../../reading/answering.ts';
import { ChangePages } from './changePages.ts';
import { readFile, readSeen } from './content.ts';
import type { Names } from './directory.ts';
import { Exports } from './exports.ts';
import {
  BeginExport,
  EndExport,
  FindChanges,
  ListDirectory,
  Measure,
  type Measured,
  ReadExport,
  ReadLayerFile,
  StatPath,
  TraceProvenance,
} from './fileJobs.ts';
import { readDirectory, seenEntry, statPath } from './listing.ts';
import { measure } from './measure.ts';
import { forRequest } from './merged.ts';
import { Pace } from './pace.ts';
import { PageCache } from './pageCache.ts';
import { provenanceOf } from './provenance.ts';

/** At most five a second reach the client. */
const PROGRESS_MILLIS = 200;

export function answerLayerFiles(jobs: JobTable): void {
  const names = new PageCache<Names>();
  const changes = new ChangePages();
  const exports = new Exports();

  jobs.on(ListDirectory, async ({ stack, layer, isData, key, ...request }, context) => {
    const listed = await readDirectory(forRequest(stack), { layer, ...request }, names, key, new Pace(context));
    return isData ? { ...listed, entries: listed.entries.map(withoutMarks) } : listed;
  });
  jobs.on(StatPath, ({ stack, layer, isData, path, seen }) => {
    const entry = (seen === undefined ? undefined : seenEntry(seen, path)) ?? statPath(forRequest(stack), layer, path);
    return isData ? withoutMarks(entry) : entry;
  });
  jobs.on(ReadLayerFile, ({ stack, layer, path, offset, length, seen }) =>
    seen === undefined ? readFile(forRequest(stack), layer, path, offset, length) : readSeen(seen, path, offset, length),
  );
  jobs.on(FindChanges, ({ stack, layer, isData, key, ...request }, context) =>
    isData ? { changes: [] } : changes.page({ stack: forRequest(stack), layer: Number(layer), key, ...request }, context),
  );
  jobs.on(TraceProvenance, ({ stack, seen, ...request }) => {
    const entry = seen === undefined ? undefined : seenEntry(seen, request.path);
    return { ...provenanceOf(forRequest(stack), request), ...(entry === undefined ? {} : { seen: entry }) };
  });
  jobs.on(Measure, async ({ stack, layer, isData, key: _, ...request }, context) => {
    const measured = await measure(forRequest(stack), { layer, ...request }, new Pace(context), reporter(context));
    return isData ? { ...measured, added: 0 } : measured;
  });
  jobs.on(BeginExport, ({ stack, layer, path }, { descriptors }) =>
    exports.begin(forRequest(stack), descriptors.move(), layer, path),
  );
  jobs.on(ReadExport, ({ id }, context) => exports.read(id, context));
  jobs.on(EndExport, async ({ id }) => {
    await exports.end(id);
    return {};
  });
}

function withoutMarks(entry: LayerEntry): LayerEntry {
  return { ...entry, marks: [] };
}

function reporter({ tell }: JobContext<Measured>): (measured: Measured) => void {
  let told = performance.now();
  return (measured) => {
    if (performance.now() - told < PROGRESS_MILLIS) return;
    told = performance.now();
    tell(measured);
  };
}
