/** A routing condition in a module of somebody else, through the command line: trained, evaluated, asked and exported. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from '../polygate.ts';
import { prepareSmallSuite, smallTrainingRecipe } from '../small-suite.ts';

const EXTENSION = join(import.meta.dirname, 'toy-condition.mjs');
let scratch: string;
let run: string;
let recipeFile: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-toy-condition-'));
  run = join(scratch, 'run');
  const { directory } = await prepareSmallSuite(scratch);
  recipeFile = join(scratch, 'toy.json');
  const small = smallTrainingRecipe(directory);
  const recipe = {
    ...small,
    name: 'toy-condition',
    steps: '60 steps',
    model: {
      ...small.model,
      moe: { condition: 'toy-pair', conditionSettings: { taskWeight: 2 }, experts: 3 },
    },
    extensions: [EXTENSION],
  };
  await writeFile(recipeFile, JSON.stringify(recipe));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

describe('a routing condition of an extension', () => {
  it('is described, and trained by a recipe; its settings are in the model', async () => {
    const described = await polygate('pretrain', '--recipe', recipeFile, '--describe');
    expect(described.out).toContain('chosen by toy-pair (the pair of modality and task)');
    const { code, log } = await polygate('pretrain', '--recipe', recipeFile, '--run', run);
    expect(log).toContain('finished at step 60');
    expect(code).toBe(0);
    const config = JSON.parse(
      await readFile(join(run, 'checkpoints', 'step-60', 'config.json'), 'utf8'),
    ) as Record<string, unknown>;
    expect(config).toMatchObject({
      encoder: { moe: { condition: 'toy-pair', conditionSettings: { taskWeight: 2 } } },
    });
  });

  it('routes a run that is evaluated and exported without naming it again', async () => {
    const evaluated = await polygate('evaluate', '--run', run, '--json', '--engine', 'wasm', '--limit', '4');
    expect(evaluated.code).toBe(0);
    const { scores } = JSON.parse(evaluated.out) as { readonly scores: readonly unknown[] };
    expect(scores.length).toBeGreaterThan(0);
    const out = join(scratch, 'exported');
    const exported = await polygate('export', '--run', run, '--out', out);
    expect(exported.log).not.toContain('error');
    expect(exported.code).toBe(0);
    const config = JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as {
      readonly encoder: {
        readonly merged: { readonly groups: readonly { readonly by: readonly string[] }[] };
      };
    };
    expect(config.encoder.merged.groups[0]?.by).toEqual(['modality', 'task']);
  });

  it('has settings of its own, which are checked like all others', async () => {
    const set = (setting: string) =>
      polygate('pretrain', '--recipe', recipeFile, '--run', join(scratch, 'other'), '--set', setting);
    const wrong = await set('model.moe.conditionSettings.taskWeight=-1');
    expect(wrong.code).not.toBe(0);
    expect(wrong.log).toContain('toy-pair condition: taskWeight');
    const unknown = await set('model.moe.condition=toy-pairs');
    expect(unknown.log).toContain('unknown condition "toy-pairs": did you mean "toy-pair"?');
  });
});
