/** A run folder as training leaves it, of an untrained tiny model. */
import { saveModel } from '@polygate/generalist';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tinyModel } from './tiny-suite.ts';

export const writeTinyRun = async (run: string, suite: string): Promise<void> => {
  const checkpoint = join(run, 'checkpoints', 'step-7');
  await mkdir(checkpoint, { recursive: true });
  using model = tinyModel(3);
  await saveModel(model, checkpoint);
  await writeFile(
    join(checkpoint, 'state.json'),
    JSON.stringify({
      version: 1,
      step: 7,
      seed: 11,
      cursors: { colours: 7 },
      samples: 56,
      tokens: 1_500_000,
    }),
  );
  await writeFile(
    join(run, 'recipe.json'),
    JSON.stringify({
      recipe: { name: 'tiny', suite, seed: 11, steps: '7 steps', engine: 'wasm', model: { preset: 'mini' } },
      engine: { name: 'wasm', device: 'cpu', precision: 'f32' },
    }),
  );
};
