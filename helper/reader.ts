/** The entry of a reader thread: everything that reads file systems which may never answer. */
import { parentPort } from 'node:worker_threads';
import { answerEngines } from './host/engines/engineWork.ts';
import { answerFileInRoot } from './host/fileInRootWork.ts';
import { answerLayerWatch } from './host/layers/arming.ts';
import { answerLayerFiles } from './host/layers/fileWork.ts';
import { answerLayerRoles } from './host/layers/roleWork.ts';
import { answerUsers } from './host/users.ts';
import { answerJobs, JobTable } from './reading/answering.ts';
import { answerOpenAt } from './reading/openAt.ts';
import { answerOpenInRoot } from './reading/openInRoot.ts';
import { answerImages } from './sandbox/images/imageWork.ts';
import { answerPlanFiles } from './sandbox/plan/planFiles.ts';

const jobs = new JobTable();
answerOpenAt(jobs);
answerOpenInRoot(jobs);
answerFileInRoot(jobs);
answerLayerFiles(jobs);
answerLayerWatch(jobs);
answerLayerRoles(jobs);
answerEngines(jobs);
answerUsers(jobs);
answerPlanFiles(jobs);
answerImages(jobs);
if (parentPort !== null) answerJobs(parentPort, jobs);
