/**
 * Every parser against damaged files: a typed error of its own kinds, or the value that the input says. The same
 * targets and damage by the hundred thousand, with bounds on time and memory: `node tools/fuzz.mjs`.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FormatError, PolygateError } from '@polygate/core';
import { caseOf, inputOf, judge, MAX_STEPS, type FuzzCase } from '../tools/fuzz/fuzz-case.ts';
import { WrongValue, type FuzzTarget, type OpenTarget } from '../tools/fuzz/target.ts';
import { fuzzTargets } from '../tools/fuzz/targets.ts';

const RUNS = 40;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-fuzz-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const openTarget = async (target: FuzzTarget): Promise<OpenTarget> => {
  const directory = join(folder, target.name);
  await mkdir(directory, { recursive: true });
  return target.open(directory);
};

const step = fc.integer({ min: 0, max: 0xffffffff });
/** Shrinks to fewer steps of damage. */
const anyCase: fc.Arbitrary<FuzzCase> = fc.record({
  seed: fc.nat(1000),
  steps: fc.array(step, { minLength: 1, maxLength: MAX_STEPS }),
});

describe.each(fuzzTargets.map((target) => [target.name, target] as const))('%s', (_, target) => {
  it('takes valid inputs, and damaged ones by a typed error or the right value', async () => {
    const open = await openTarget(target);
    try {
      for (const seed of open.seeds) {
        const verdict = await judge(target, open, seed);
        // A lock of another host, and text that is no setting of both recipes, are valid and refused.
        if (!['lock', 'settings'].includes(target.name)) expect(verdict).toEqual({ kind: 'right' });
      }
      await fc.assert(
        fc.asyncProperty(anyCase, async (fuzzCase) => {
          const verdict = await judge(target, open, inputOf(target, open, fuzzCase));
          if (verdict.kind === 'wrong') throw new Error(verdict.problem);
        }),
        { seed: 1, numRuns: RUNS },
      );
    } finally {
      await open.close?.();
    }
  });
});

describe('the judge', () => {
  const made = (error: Error | undefined): OpenTarget => ({
    seeds: [Buffer.from('abcdefgh')],
    mutators: [],
    parse: () => (error ? Promise.reject(error) : Promise.resolve()),
  });
  const target: FuzzTarget = { name: 'made', errors: ['FormatError'], open: async () => made(undefined) };
  const verdictOf = (error?: Error) => judge(target, made(error), Buffer.from('x'));

  it('tells typed errors of the target from all others, and right values from wrong ones', async () => {
    expect(await verdictOf()).toEqual({ kind: 'right' });
    expect(await verdictOf(new FormatError('no', { code: 'bad' }))).toEqual({ kind: 'typed', code: 'bad' });
    for (const [error, problem] of [
      [new TypeError('x is null'), /^an untyped error: TypeError: x is null/u],
      [new WrongValue('1, not 2'), /^another value: 1, not 2$/u],
      [new PolygateError('no', 'other'), /^PolygateError where FormatError are allowed: no$/u],
    ] as const) {
      expect(await verdictOf(error)).toEqual({ kind: 'wrong', problem: expect.stringMatching(problem) });
    }
  });

  it('makes the same input of the same words, whatever else ran', () => {
    const open = made(undefined);
    const inputs = [3, 1, 3].map((index) => inputOf(target, open, caseOf(target, 7, index)));
    expect(inputs[0]).toEqual(inputs[2]);
    expect(inputs[0]).not.toEqual(inputs[1]);
    expect(open.seeds[0]).toEqual(Buffer.from('abcdefgh'));
  });
});
