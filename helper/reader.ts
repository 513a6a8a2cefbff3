/** The entry of a reader thread: everything that reads file systems which may never answer. */
import { parentPort } from 'node:worker_threads';
import { answerFileInRoot } from './host/fileInRoot.ts';
import { answerLayerWatch } from './host/layers/arming.ts';
import { answerLayerFiles } from './host/layers/fileWork.ts';
import { answerJobs, JobTable } from './reading/answering.ts';
import { answerOpenInRoot } from './reading/openInRoot.ts';

const jobs = new JobTable();
answerOpenInRoot(jobs);
answerFileInRoot(jobs);
answerLayerFiles(jobs);
answerLayerWatch(jobs);
if (parentPort !== null) answerJobs(parentPort, jobs);
