/** What lists have in common. */

export interface ListParams {
  /** `revision` of an earlier answer: only what changed since then is sent. */
  since?: number;
}
