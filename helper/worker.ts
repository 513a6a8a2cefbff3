/**
 * What a Worker of the helper does. The helper is one file, so a Worker is started from that same file, and its order says
 * which part of it is to run: what leaves a root directory or a namespace for good.
 */
import { carryOutVisits, type VisitOrder } from './host/mountNamespaceVisit.ts';

export type WorkerOrder = VisitOrder;

export function carryOut(order: WorkerOrder): void {
  carryOutVisits(order);
}
