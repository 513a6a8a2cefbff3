/** What reader threads are asked about the files of layers. */

import { Failure } from '../../failure.ts';
import type {
  LayerEntry,
  LayerSize,
  LayersChangesResult,
  LayersExportReadResult,
  LayersProvenanceResult,
  LayersReadDirectoryResult,
} from '../../protocol/layers.ts';
import { job } from '../../reading/job.ts';
import { said } from '../../saying.ts';
import type { Stack } from './merged.ts';

/** The layer that a job is about. The descriptors of the stack come with it. */
export interface InLayer {
  stack: Stack;
  layer: number | 'merged';
  /** Only the content of metacopy files: it adds nothing to what is seen. */
  isData: boolean;
  /** What pages are kept by. */
  key: string;
  /** Of the merged view: what is seen at the path, on a mount that covers it. `O_PATH`. */
  seen?: number;
}

export interface ChangesRequest {
  after?: string;
  limit: number;
  sizes?: boolean;
}

/** What an entry takes with all that is in it. */
export interface EntrySize {
  name: string;
  sizeBytes: number;
  allocatedBytes: number;
  entries: number;
}

/** How far a measurement is. */
export interface Measured {
  entries: number;
  sizeBytes: number;
  allocatedBytes: number;
  path: string;
}

export const ListDirectory = job<
  InLayer & { path: string; after?: string; limit: number; changedOnly?: boolean },
  LayersReadDirectoryResult
>('layers.list');
export const StatPath = job<InLayer & { path: string }, LayerEntry>('layers.stat');
export const ReadLayerFile = job<
  InLayer & { path: string; offset: number; length: number },
  { base64: string; sizeBytes: number; modifiedMillis: number }
>('layers.readFile');
export const FindChanges = job<InLayer & ChangesRequest, LayersChangesResult>('layers.changes');
export const TraceProvenance = job<{ stack: Stack; path: string; noFollow?: boolean; seen?: number }, LayersProvenanceResult>(
  'layers.provenance',
);
export const Measure = job<InLayer & { path: string; children?: boolean }, LayerSize & { children?: EntrySize[] }, Measured>(
  'layers.measure',
);
export const BeginExport = job<InLayer & { path: string }, { id: string }>('layers.beginExport');
export const ReadExport = job<{ id: string }, LayersExportReadResult>('layers.readExport');
export const EndExport = job<{ id: string }, Record<string, never>>('layers.endExport');

export function unknownExport(): Failure {
  return new Failure('gone', said('exportHasEnded'), {
    hint: said('exportAgain'),
  });
}
