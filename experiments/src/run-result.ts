/** What a finished run leaves in its folder; it is renamed into place, so that it is never half there. */
import { parseJson } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const RESULT_FILE = 'result.json';

/** The result of a run that was finished before. */
export const readRunResult = async <Result>(
  folder: string,
  file = RESULT_FILE,
): Promise<Result | undefined> => {
  const path = join(folder, file);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (parseJson(text, path) as Result);
};

export const writeRunResult = (folder: string, result: object, file = RESULT_FILE): Promise<void> =>
  writeFileAtomic(join(folder, file), `${JSON.stringify(result, null, 1)}\n`);
