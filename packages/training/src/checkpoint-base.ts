/**
 * The base of a checkpoint that holds what was trained alone: a model folder or a checkpoint, named by a path that may have
 * changed since, and known by the SHA-256 of its weights.
 */
import { StateError } from '@polygate/core';
import { sha256File } from '@polygate/core/node';
import { stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve } from 'node:path';
import type { CheckpointBase, CheckpointPlace, RunState } from './checkpoint-state.ts';

const WEIGHTS_FILE = 'model.safetensors';

/** `runs/x` of `runs/x/checkpoints/step-7`. */
const runOf = ({ path }: CheckpointPlace): string => resolve(path, '..', '..');

const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() === true;

/**
 * What a run that trains a part of a model names as its base.
 * @param folder model folder or checkpoint with all weights
 * @param runDirectory folder of the run that stands on it
 * @throws StateError (code `base-missing`) where it has no weights
 */
export const baseOf = async (folder: string, runDirectory: string): Promise<CheckpointBase> => {
  const weights = join(folder, WEIGHTS_FILE);
  if (!(await isFile(weights))) {
    throw new StateError(
      `base: expected weights at ${weights}, got none; give the folder of a model or a checkpoint`,
      { code: 'base-missing', fields: { path: weights } },
    );
  }
  const path = relative(resolve(runDirectory), resolve(folder));
  return { path: path === '' ? '.' : path.replaceAll('\\', '/'), sha256: await sha256File(weights) };
};

/**
 * The weights that a checkpoint stands on, compared with what its state says of them.
 * @param given folder of the base, or of the run that it is a checkpoint of, where it is no longer where the state says
 * @returns path of the weights file; undefined for a checkpoint with all weights of its model
 * @throws StateError (code `base-missing`) where it isn't there, (code `base-differs`) where its weights are others
 */
export const requireBase = async (
  checkpoint: CheckpointPlace,
  { base }: Pick<RunState, 'base'>,
  given?: string,
): Promise<string | undefined> => {
  if (!base) return undefined;
  const hinted = isAbsolute(base.path)
    ? [base.path]
    : [join(runOf(checkpoint), base.path), resolve(base.path)];
  const folders =
    given === undefined
      ? hinted
      : [given, join(given, 'checkpoints', basename(base.path.replaceAll('\\', '/')))];
  const remedy = 'put the base there, or give the folder that it is in now (--base FOLDER)';
  let other: string | undefined;
  for (const folder of folders) {
    const weights = join(folder, WEIGHTS_FILE);
    if (!(await isFile(weights))) continue;
    const sha256 = await sha256File(weights);
    if (sha256 === base.sha256) return weights;
    other = `${weights} with ${sha256}`;
  }
  if (other !== undefined) {
    throw new StateError(
      `checkpoint ${checkpoint.path}: expected a base whose weights have SHA-256 ${base.sha256}, got ${other}; its weights belong to that base alone: ${remedy}`,
      { code: 'base-differs', fields: { path: checkpoint.path, base: base.path, expected: base.sha256 } },
    );
  }
  throw new StateError(
    `checkpoint ${checkpoint.path}: expected its base, the weights with SHA-256 ${base.sha256}, in ${folders.join(' or ')}, got none; ${remedy}`,
    { code: 'base-missing', fields: { path: checkpoint.path, base: base.path } },
  );
};
