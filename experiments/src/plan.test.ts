import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baseRecipe, scoredTasks } from './base-recipe.ts';
import { experimentNamed, experiments } from './catalogue.ts';
import { canonicalJson, planRuns, type PlanOptions } from './plan.ts';

const options: PlanOptions = {
  base: baseRecipe,
  scored: scoredTasks,
  seeds: [1, 2],
  suiteHash: 'suite',
  runs: 'runs',
};

describe('canonicalJson', () => {
  it('writes the keys of every record in order', () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[{"c":null,"d":1}]}');
  });

  it('does not depend on the order in which keys were set, and stays JSON of the same value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(turned)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('planRuns', () => {
  it('trains all variants of a seed on the same recipe but for the experts', () => {
    const orders = planRuns(experimentNamed('table3'), options);
    expect(orders.map(({ variant, seed }) => `${variant} ${seed}`).slice(0, 10)).toEqual([
      'dense 1',
      'task-specific 1',
      'token 1',
      'context 1',
      'modality 1',
      'task 1',
      'attribute 1',
      'token-dropless 1',
      'context-dropless 1',
      'dense 2',
    ]);
    for (const { recipe, seed } of orders) {
      expect({ ...recipe, model: { ...recipe.model, moe: null } }).toEqual({
        ...orders[0]?.recipe,
        seed,
      });
    }
  });

  it('names runs by what decides them: experiments share the runs of equal recipes, other data are other runs', () => {
    const keys = (name: string, more: Partial<PlanOptions> = {}) =>
      new Map(
        planRuns(experimentNamed(name), { ...options, ...more }).map((order) => [
          `${order.variant} ${order.seed}`,
          order.key,
        ]),
      );
    const table3 = keys('table3');
    expect(new Set(table3.values()).size).toBe(table3.size);
    for (const name of ['table11', 'table1', 'experts']) {
      expect(keys(name).get('dense 1')).toBe(table3.get('dense 1'));
    }
    expect(keys('table11').get('attribute 2')).toBe(table3.get('attribute 2'));
    expect(keys('experts').get('experts-8-top-2 2')).toBe(table3.get('attribute 2'));
    expect(keys('table3', { suiteHash: 'other' }).get('dense 1')).not.toBe(table3.get('dense 1'));
  });

  it('holds experiments whose baselines and tasks are their own', () => {
    for (const { baseline, variants, metrics } of Object.values(experiments)) {
      const names = variants.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      expect(names).toContain(baseline);
      for (const { task } of metrics) expect(Object.keys(baseRecipe.tasks)).toContain(task);
    }
    expect(() => experimentNamed('table4')).toThrow(
      'unknown experiment "table4": did you mean "table3"? known: experts, table1, table11, table3',
    );
  });
});
