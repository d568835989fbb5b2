/** What holds the house together: layers that lead downwards, no circles of imports, lists that say what there is. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { circlesIn, circlesOf } from '../tools/import-circles.mjs';
import { packagesIn, wrongDependencies } from '../tools/package-list.mjs';

const root = join(import.meta.dirname, '..');

describe('circles of imports', () => {
  it('are found, each with its files', () => {
    const graph = new Map([
      ['a', ['b', 'e']],
      ['b', ['c']],
      ['c', ['a', 'd']],
      ['d', []],
      ['e', ['e']],
    ]);
    expect(circlesOf(graph).map((circle) => [...circle].sort())).toEqual([['e'], ['a', 'b', 'c']]);
  });

  it('are nowhere', () => {
    expect(circlesIn(root)).toEqual([]);
  });
});

describe('packages', () => {
  it('depend on lower layers alone, which lint knows all of', () => {
    const packages = packagesIn(root);
    expect(wrongDependencies(packages)).toEqual([]);
    const highest = Math.max(...packages.map(({ layer }) => layer));
    const rules = readFileSync(join(root, 'eslint.config.js'), 'utf8');
    expect(/HIGHEST_LAYER = (\d+);/u.exec(rules)?.[1]).toBe(String(highest));
  });

  it('that look upwards or sideways are named', () => {
    const entry = (name: string, layer: number, dependencies: readonly string[] = []) => ({
      ...{ name, layer, dependencies, folder: '', description: '' },
    });
    expect(
      wrongDependencies([
        entry('a', 1, ['b', 'c']),
        entry('b', 1),
        entry('c', 2, ['a']),
        entry('d', Number.NaN),
      ]),
    ).toEqual([
      'a (layer 1) depends on b (layer 1)',
      'a (layer 1) depends on c (layer 2)',
      'd: expected a tag layer:N in nx.tags, got none',
    ]);
  });

  it('stand in the lists of the documentation as in their manifests', () => {
    const run = () => execFileSync(process.execPath, [join(root, 'tools/package-list.mjs'), '--check']);
    expect(run).not.toThrow();
  });
});
