/** One process at a time trains in a run folder. Those that only read it need no lock. */
import { acquireLock, type Lock } from '@polygate/core/node';
import { join } from 'node:path';

/** Name of the lock in a run folder; it is there only while a process trains. */
const LOCK_FILE = '.lock';

/**
 * Takes the lock of a run folder, which is made if need be and goes again when nothing comes into it.
 * @param task what is done, for the error text of others
 * @throws StateError (code `locked`) naming the process that trains there
 */
export const lockRun = (runDirectory: string, task: string): Promise<Lock> =>
  acquireLock(join(runDirectory, LOCK_FILE), { task, subject: `the run ${runDirectory}` });
