import { describe, expect, it } from 'vitest';
import type { Suite } from '@polygate/datasets';
import { silentLogger } from '@polygate/core';
import { parseRecipe, type RecipeInput } from '@polygate/generalist';
import {
  bestOf,
  datasetsWithoutHeldOut,
  datasetsWithoutValidation,
  validatedScores,
} from './validated-scores.ts';

const dataset = (name: string, rows: Readonly<Record<string, number>>) => ({
  name,
  kind: 'text',
  splits: Object.fromEntries(Object.entries(rows).map(([split, count]) => [split, { rows: count }])),
});
const suiteOf = (...datasets: readonly ReturnType<typeof dataset>[]) => ({
  suite: { datasets } as unknown as Suite,
});
const recipeOf = (names: readonly string[], validation: RecipeInput['validation'] = {}) =>
  parseRecipe({
    name: 'x',
    suite: 'data/x',
    tasks: Object.fromEntries(
      names.map((name) => [name, { family: 'masked-language-modelling', dataset: name }]),
    ),
    validation,
  });

describe('datasets without a held-out split', () => {
  it('are those whose other splits have no rows', () => {
    const data = suiteOf(
      dataset('a', { train: 4 }),
      dataset('b', { train: 4, test: 1 }),
      dataset('c', { train: 4, test: 0 }),
    );
    const { tasks } = recipeOf(['a', 'b', 'c']);
    expect(datasetsWithoutHeldOut(data, tasks)).toEqual(['a', 'c']);
    expect([...datasetsWithoutValidation(data, tasks)]).toEqual([['b', ['test']]]);
  });
});

describe('the score that chooses a checkpoint', () => {
  const data = suiteOf(
    dataset('a', { train: 4, val: 2, test: 2 }),
    dataset('b', { train: 4, test: 2 }),
    dataset('c', { train: 4, validation: 2, held: 2 }),
  );
  const chosen = (names: readonly string[], validation: NonNullable<RecipeInput['validation']>) => {
    const recipe = recipeOf(names, validation);
    const warned: string[] = [];
    const logger = { ...silentLogger, warn: (text: string) => warned.push(text) };
    const scores = validatedScores(data, recipe, recipe.tasks);
    const unvalidated = datasetsWithoutValidation(data, recipe.tasks);
    const best = bestOf(recipe, { names: scores, unvalidated, logger });
    const values = Object.fromEntries(scores.map((name, i) => [name, 2 ** i]));
    return { scores: scores.filter((name) => name.endsWith('loss')), value: best?.score(values), warned };
  };

  it('is of the validation split, which alone is looked at', () => {
    expect(chosen(['a', 'b', 'c'], { best: { score: 'loss' } })).toEqual({
      scores: ['a/val/loss', 'c/validation/loss'],
      value: (1 + 4) / 2,
      warned: [],
    });
  });

  it('stays there where the recipe also looks at other splits', () => {
    const { scores, value, warned } = chosen(['a', 'b'], {
      splits: ['validation', 'test'],
      best: { score: 'loss' },
    });
    expect(scores).toEqual(['a/val/loss', 'a/test/loss', 'b/test/loss']);
    expect([value, warned]).toEqual([1, []]);
    for (const [name, split] of [
      ['a', 'test'],
      ['c', 'held'],
    ] as const) {
      const validation = { splits: ['validation', split], best: { score: `${name}/${split}/loss` } };
      expect(() => chosen(['a', 'c'], validation)).toThrow(
        `recipe: validation.best.score: expected a value of the validation split, got "${name}/${split}/loss", of ${split}, whose scores would then be those that it was chosen by; choose by a/val/loss or`,
      );
    }
  });

  it('may be of a test split that the recipe names where there is no other, which is warned of', () => {
    const { value, warned } = chosen(['b'], { splits: ['test'], best: { score: 'b/test/loss' } });
    expect([value, warned.length]).toEqual([1, 1]);
    expect(warned[0]).toContain('"b/test/loss" chooses the checkpoint by test');
    expect(() => chosen(['b'], { best: { score: 'loss' } })).toThrow(
      'held out is test alone of b, which training does not look at: prepare a validation split (validationPercent)',
    );
  });
});
