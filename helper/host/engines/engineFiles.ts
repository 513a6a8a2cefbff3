/** Where the files of engines are, and what they tell about a container, whichever engine it is. */
import type { Container } from '../../protocol/containers.ts';
import type { ProcessRecord } from '../processRecord.ts';
import type { Daemon } from './daemons.ts';

export interface Description {
  name: string;
  image?: string;
  pod?: Omit<NonNullable<Container['pod']>, 'uid'>;
}

/** Who may have started a container. */
export type Shim = Pick<ProcessRecord, 'name' | 'uid' | 'arguments'>;

/** Where engines keep their files. */
export interface EngineFiles {
  daemons: readonly Daemon[];
  /** Told of each directory before it is looked into. */
  tell(directory: string): void;
}
