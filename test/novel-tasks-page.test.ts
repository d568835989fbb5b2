/** The page about tasks that a model never saw has the cloze forms that there are, and a recipe that is one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRecipe } from '@polygate/generalist';
import { clozePresetNamed, clozePresetNames } from '@polygate/tasks';
import { describe, expect, it } from 'vitest';

const page = readFileSync(join(import.meta.dirname, '../docs/novel-tasks.md'), 'utf8');

/** `negative: bad, positive: wonderful` */
const wordsOf = (cell: string): Record<string, string> =>
  Object.fromEntries(cell.split(', ').map((pair) => pair.split(': ') as [string, string]));

describe('the page about novel tasks', () => {
  it('shows every cloze form as it is', () => {
    const rows = [...page.matchAll(/^\| `([a-z0-9-]+)` +\| `([^`]+)` +\| (.+?) +\| (.+?) +\|$/gmu)];
    expect(rows.map(([, name]) => name).sort()).toEqual([...clozePresetNames()].sort());
    for (const [, name = '', pattern, words = '', scores] of rows) {
      const preset = clozePresetNamed(name);
      expect(pattern).toBe(preset.pattern);
      expect(wordsOf(words)).toEqual(preset.words);
      expect(scores?.split(', ')[0]).toBe(preset.scores[0]);
    }
  });

  it('shows recipes that are read', () => {
    const recipes = [...page.matchAll(/^```jsonc\n([\s\S]*?)^```$/gmu)].map(
      // Written for people, with commas at the ends.
      ([, text = '']) => JSON.parse(text.replace(/,(\s*[}\]])/gu, '$1')) as object,
    );
    expect(recipes.length).toBeGreaterThan(1);
    const families = recipes.flatMap((recipe) =>
      Object.values(parseRecipe(recipe).tasks).map(({ family }) => family),
    );
    expect(families).toEqual(['video-captioning', 'video-text-retrieval', 'text-classification']);
  });
});
