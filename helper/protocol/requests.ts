/** The list of what the protocol has: who answers, asks, tests or describes every request takes it from here. */
import {
  CgroupsChange,
  CgroupsExplain,
  CgroupsFreeze,
  CgroupsInspect,
  CgroupsKill,
  CgroupsList,
  CgroupsReadFile,
  CgroupsSubscribe,
  CgroupsWriteFile,
} from './cgroups.ts';
import { ContainersList } from './containers.ts';
import { HostWatch, Initialize } from './host.ts';
import {
  LayersChanges,
  LayersExport,
  LayersExportEnd,
  LayersExportRead,
  LayersInspect,
  LayersList,
  LayersMeasure,
  LayersProvenance,
  LayersReadDirectory,
  LayersReadFile,
  LayersStat,
  LayersWatch,
} from './layers.ts';
import type { Request } from './message.ts';
import { MountsList } from './mounts.ts';
import { NamespacesInspect, NamespacesList } from './namespaces.ts';
import { NetworkInspect } from './network.ts';
import { ProcessesInspect, ProcessesList } from './processes.ts';
import { ProgramsExplain, ProgramsRun, TerminalsOpen } from './programs.ts';
import {
  SandboxesCreate,
  SandboxesExplain,
  SandboxesImages,
  SandboxesList,
  SandboxesRemove,
  SandboxesRestart,
  SandboxesRun,
  SandboxesStop,
} from './sandboxes.ts';

const LIST = [
  Initialize,
  HostWatch,
  ...[ProcessesList, ProcessesInspect],
  ContainersList,
  ...[NamespacesList, NamespacesInspect],
  NetworkInspect,
  MountsList,
  ...[ProgramsRun, ProgramsExplain, TerminalsOpen],
  ...[CgroupsList, CgroupsInspect, CgroupsReadFile, CgroupsWriteFile, CgroupsSubscribe],
  ...[CgroupsExplain, CgroupsChange, CgroupsFreeze, CgroupsKill],
  ...[LayersList, LayersInspect, LayersReadDirectory, LayersStat, LayersReadFile, LayersChanges, LayersProvenance],
  ...[LayersMeasure, LayersWatch, LayersExport, LayersExportRead, LayersExportEnd],
  ...[SandboxesExplain, SandboxesImages, SandboxesCreate, SandboxesRun, SandboxesList],
  ...[SandboxesStop, SandboxesRemove, SandboxesRestart],
];

type Listed = (typeof LIST)[number];
export type Method = Listed['method'];
export type Requests = { [One in Listed as One['method']]: One };
export type Params<M extends Method> = Requests[M] extends Request<M, infer P, infer _R> ? P : never;
export type Result<M extends Method> = Requests[M] extends Request<M, infer _P, infer R> ? R : never;

/** Every request, by its method. */
export const REQUESTS = Object.fromEntries(LIST.map((request) => [request.method, request])) as Requests;
