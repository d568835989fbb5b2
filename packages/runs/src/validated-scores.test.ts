import { describe, expect, it } from 'vitest';
import type { Suite } from '@polygate/datasets';
import { parseRecipe } from '@polygate/generalist';
import { datasetsWithoutHeldOut } from './validated-scores.ts';

describe('datasets without a held-out split', () => {
  it('are those whose other splits have no rows', () => {
    const dataset = (name: string, rows: Readonly<Record<string, number>>) => ({
      name,
      kind: 'text',
      splits: Object.fromEntries(Object.entries(rows).map(([split, count]) => [split, { rows: count }])),
    });
    const suite = {
      datasets: [
        dataset('a', { train: 4 }),
        dataset('b', { train: 4, test: 1 }),
        dataset('c', { train: 4, test: 0 }),
      ],
    } as unknown as Suite;
    const family = 'masked-language-modelling';
    const { tasks } = parseRecipe({
      name: 'x',
      suite: 'data/x',
      tasks: Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { family, dataset: name }])),
    });
    expect(datasetsWithoutHeldOut({ suite }, tasks)).toEqual(['a', 'c']);
  });
});
