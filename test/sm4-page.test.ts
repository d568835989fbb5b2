/** The page about SM^4 shows a recipe that is read, and the presets and defaults that there are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configureModel, parseRecipe } from '@polygate/generalist';
import { describe, expect, it } from 'vitest';

const page = readFileSync(join(import.meta.dirname, '../docs/sm4.md'), 'utf8');

const experts = (model: object): unknown => {
  const settings = parseRecipe({ model: { architecture: 'sm4', ...model } } as never).model;
  const image = { height: 32, width: 32, channels: 3 };
  const config = configureModel(settings, { vocabularySize: 300, image, tokenizerHash: '' });
  return config as unknown;
};

describe('the page about SM^4', () => {
  it('shows a recipe that is read', () => {
    const [, text = ''] = /<!-- recipe -->\s+```json\n([\s\S]*?)```/u.exec(page) ?? [];
    const { model, tasks } = parseRecipe(JSON.parse(text));
    expect(model).toMatchObject({ architecture: 'sm4', allocation: { patience: 1, loss: 'alone' } });
    expect(Object.keys(tasks)).toEqual(['pushes']);
  });

  it('has the numbers of the presets, and the defaults of both algorithms', () => {
    const presets = [...page.matchAll(/^\| `(small|medium|large)` +\| (\d+) +\| (\d+) +\| ([\d.]+) +\|$/gmu)];
    expect(presets).toHaveLength(3);
    for (const [, preset, count, latents, balance] of presets) {
      const losses = { importance: Number(balance), load: Number(balance) };
      expect(experts({ preset })).toMatchObject({
        encoder: { latents: Number(latents), moe: { groups: [{ experts: Number(count), losses }, {}] } },
      });
    }
    expect(experts({})).toMatchObject({
      sm4: {
        allocation: { patience: 1, minimumDelta: 0, smoothing: 0, by: 'task-modality', loss: 'alone' },
        pace: { scope: 'task', entropy: 'token', unitMean: false },
      },
    });
    expect(
      experts({ attention: 'modality', feedForward: 'dense', blocks: { every: 2 }, layers: 4 }),
    ).toMatchObject({
      encoder: { moe: { groups: [{ condition: 'token-by-modality', blocks: { every: 2 } }] } },
    });
  });
});
