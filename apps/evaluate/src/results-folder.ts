/** Where the results of a run on a suite go: those of another suite than the run's are beside its own, not over them. */
import { basename, join, resolve } from 'node:path';
import { packagedModel, type OpenSuite } from '@polygate/generalist';
import type { RunRecord } from '@polygate/runs';

/** Folder in that of a run with a folder for each other suite that it was scored on. */
const OTHER_SUITES = 'suites';

/**
 * @param home folder of the adapter that is scored, else of the run, or the package of a model
 * @returns `results/NAME` for a package, which is not written to; `home` for the suite that the run was trained on, and for a
 * model that does not say which; else `home/suites/NAME`
 */
export const resultsFolder = async (
  home: string,
  { recipe }: Pick<RunRecord, 'recipe'>,
  { folder, suite }: Pick<OpenSuite, 'folder' | 'suite'>,
): Promise<string> => {
  if ((await packagedModel(home)) !== undefined) return join('results', basename(home));
  const trained = recipe?.suite;
  return trained === undefined || resolve(trained) === resolve(folder)
    ? home
    : join(home, OTHER_SUITES, suite.name);
};
