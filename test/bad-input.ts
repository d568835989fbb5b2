/** What the tests of bad input share: a prepared suite, a folder for each case, and what an error must be. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare } from '@polygate/app-prepare';
import { pretrain } from '@polygate/app-pretrain';
import type { PolygateError } from '@polygate/core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { prepareSmallSuite, smallPrepareRecipe, smallTrainingRecipe } from './small-suite.ts';

/** Far above what a case takes on a loaded machine: one that meets it hangs. */
export const timeout = 300_000;

export let root = '';
/** A suite that stays as it was prepared; cases copy it. */
export let good = '';
/** Of the case at work. */
export let folder = '';

/** Prepares the suite before the cases of a file, and gives each case a folder. */
export const useSmallSuite = (): void => {
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'polygate-bad-input-'));
    good = (await prepareSmallSuite(join(root, 'good'))).directory;
  }, timeout);
  afterAll(() => rm(root, { recursive: true, force: true }));
  beforeEach(async () => {
    folder = await mkdtemp(join(root, 'case-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
};

/** The error of a call: of the class, with the text, and nothing in it that only a programmer could read. */
export const expectError = async (
  call: Promise<unknown>,
  type: abstract new (...given: never[]) => PolygateError,
  text: string | RegExp,
): Promise<PolygateError> => {
  const error: unknown = await call.then(
    () => new Error('expected an error, got none'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(type);
  const typed = error as PolygateError;
  expect(typed.message).toMatch(text);
  expect(typed.message).not.toMatch(/\n\s+at |undefined|\[object/u);
  expect(typed.code).not.toBe('');
  return typed;
};

export const prepareSmall = (set: readonly string[] = []) =>
  prepare({ recipe: smallPrepareRecipe, set, workDirectory: folder });

/** Each attempt has a run folder of its own: folders belong to the first recipe that they were used with. */
export const newRun = (): Promise<string> => mkdtemp(join(folder, 'run-'));

export const train = async (set: readonly string[] = [], suite = good) =>
  pretrain({ recipe: smallTrainingRecipe(suite), set: ['steps=2 steps', ...set], run: await newRun() });

/** A copy of the good suite to damage. */
export const copySuite = async (): Promise<string> => {
  const suite = join(folder, 'suite');
  await cp(good, suite, { recursive: true });
  return suite;
};
