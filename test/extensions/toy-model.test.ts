/** A model in a module of somebody else, through the command line: trained, resumed, evaluated, asked. */
import { createRandom } from '@polygate/core';
import { loadExtensions } from '@polygate/core/node';
import { configureModel, createModel, loadModel, type ModelSettings } from '@polygate/generalist';
import { imageSequences } from '@polygate/modalities';
import { segmentRows, type TaskBatch } from '@polygate/tasks';
import { trainTokenizer } from '@polygate/tokens';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from '../polygate.ts';
import { prepareSmallSuite, smallTrainingRecipe } from '../small-suite.ts';

const EXTENSION = join(import.meta.dirname, 'toy-model.mjs');
let scratch: string;
let run: string;
let recipeFile: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-toy-model-'));
  run = join(scratch, 'run');
  const { directory } = await prepareSmallSuite(scratch);
  recipeFile = join(scratch, 'toy.json');
  const recipe = {
    ...smallTrainingRecipe(directory),
    name: 'toy',
    extensions: [EXTENSION],
    model: { architecture: 'toy-pooled', width: 16 },
    tasks: { colours: { family: 'image-classification', dataset: 'colours', batchSize: 8 } },
    optimizer: { learningRate: 1e-2 },
    steps: '80 steps',
    checkpoint: { every: '40 steps', keep: 2 },
  };
  await writeFile(recipeFile, JSON.stringify(recipe));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const pretrain = (...more: string[]) => polygate('pretrain', '--recipe', recipeFile, ...more);
const readState = async (folder: string): Promise<{ extra: { model: { pace: number; best: number } } }> =>
  JSON.parse(await readFile(join(folder, 'checkpoints', 'step-80', 'state.json'), 'utf8')) as never;
const weightsOf = (folder: string): Promise<Buffer> =>
  readFile(join(folder, 'checkpoints', 'step-80', 'model.safetensors'));

describe('a model of an extension', () => {
  it('is trained by a recipe and told of the ends of epochs', async () => {
    const { code, log } = await pretrain('--run', run);
    expect(log).toContain('finished at step 80');
    expect(code).toBe(0);
    const config = JSON.parse(
      await readFile(join(run, 'checkpoints', 'step-80', 'config.json'), 'utf8'),
    ) as Record<string, unknown>;
    expect(config).toMatchObject({ architecture: 'toy-pooled', pooled: { width: 16, patch: 4 } });
    const { extra } = await readState(run);
    expect(extra.model.best).toBeGreaterThan(0);
    expect(extra.model.pace).toBeLessThanOrEqual(0.1);
  });

  it('goes on where it was stopped, with its batch norm and its own state', async () => {
    const stopped = join(scratch, 'stopped');
    await cp(run, stopped, { recursive: true, verbatimSymlinks: true });
    await rm(join(stopped, 'checkpoints', 'step-80'), { recursive: true });
    const { log } = await pretrain('--run', stopped);
    expect(log).toContain('after step 40');
    expect((await weightsOf(stopped)).equals(await weightsOf(run))).toBe(true);
    expect((await readState(stopped)).extra).toEqual((await readState(run)).extra);
  });

  it('is evaluated and asked without naming it again', async () => {
    const evaluated = await polygate(
      ...[
        'evaluate',
        '--run',
        run,
        '--json',
        '--datasets',
        'colours',
        '--splits',
        'train',
        '--engine',
        'wasm',
      ],
    );
    const { scores } = JSON.parse(evaluated.out) as {
      readonly scores: readonly { readonly metric: string; readonly value: number }[];
    };
    expect(scores.find(({ metric }) => metric === 'top-1')?.value).toBeGreaterThan(0.8);
    const image = join(scratch, 'images', 'red', 'left-4.svg');
    const asked = await polygate('predict', 'classify', image, '--run', run, '--json', '--engine', 'wasm');
    expect(asked.log).not.toContain('error');
    const { labels } = JSON.parse(asked.out) as { readonly labels: readonly { readonly label: string }[] };
    expect(labels[0]?.label).toBe('red');
    const other = await polygate('predict', 'classify', image, '--run', run, '--labels', 'red,pink');
    expect(other.log).toContain('expected classes of "colours" (blue, green, red, white), got "pink"');
    const caption = await polygate('predict', 'caption', image, '--run', run);
    expect(caption.code).toBeGreaterThan(0);
    const exported = await polygate('export', '--run', run, '--out', join(scratch, 'exported'));
    expect(exported.log).toContain(
      'export: expected a model whose experts can be merged, got one of the architecture toy-pooled',
    );
  });

  it('is described by its record, and its settings are checked like all others', async () => {
    expect((await pretrain('--describe')).out).toContain('toy-pooled: width 16, heads for colours');
    const refused = await pretrain('--run', join(scratch, 'x'), '--set', 'model.preset=mini');
    expect(refused.log).toContain('model.preset');
    expect(refused.log).toContain('model.width');
    using model = await loadModel(run);
    expect(model.describe()).toContainEqual(['model', 'width 16, a head for each of 1 tasks']);
  });
});

describe('supervised heads', () => {
  it('are trained by flags of several labels and by numbers', async () => {
    await loadExtensions([EXTENSION], { askedBy: 'test', folders: [import.meta.dirname] });
    const tokenizer = trainTokenizer(['a red square'], { vocabularySize: 280 });
    const tasks = [{ name: 'tags', family: 'tagging', dataset: 'tags', classes: ['round', 'red'] }];
    const config = configureModel(
      { architecture: 'toy-pooled', width: 4, patch: 4, noise: 0 } as unknown as ModelSettings,
      {
        vocabularySize: tokenizer.size,
        image: { height: 4, width: 4, channels: 3 },
        tokenizerHash: tokenizer.hash,
        tasks,
      },
    );
    using model = createModel(config, tokenizer, createRandom(1));
    model.parameters.write('heads.tags.weight', new Float32Array(8));
    // Every row has the outputs 0 and 2.
    model.parameters.write('heads.tags.bias', Float32Array.of(0, 2));
    const patches = Float32Array.from({ length: 2 * 48 }, (_, i) => i / 48);
    const images = {
      size: 2,
      patches,
      patchCount: 1,
      patchWidth: 48,
      grid: { rows: 1, columns: 1, frames: 1 },
    };
    const batch = (loss: string, values: readonly number[]): TaskBatch => ({
      ...{ task: 'tags', family: 'tagging', temperature: 'tagging', lossWeight: 1, labelSmoothing: 0 },
      inputs: imageSequences(images, segmentRows.image),
      queries: 'prefix',
      labels: new Int32Array(0),
      targets: model.vocabulary.whole(),
      loss,
      values: Float32Array.from(values),
    });
    const valueOf = (asked: TaskBatch): readonly number[] => {
      const { loss, metrics } = model.loss(asked, { training: false });
      const values = [loss, ...Object.values(metrics)].map((scalar) => scalar.dataSync()[0] ?? NaN);
      tf.dispose([loss, metrics]);
      return values;
    };
    // Of -log(sigmoid) and -log(1 - sigmoid): log 2 twice, log(1 + e^2) and log(1 + e^-2).
    const expected = (2 * Math.log(2) + Math.log1p(Math.exp(2)) + Math.log1p(Math.exp(-2))) / 4;
    const [loss = NaN, accuracy] = valueOf(batch('multi-label', [1, 0, 0, 1]));
    expect(loss).toBeCloseTo(expected, 5);
    // An output of 0 says no: right in the second row, and the last flag is.
    expect(accuracy).toBeCloseTo(2 / 4, 6);
    // Squares of 1, 1, 0 and 2.
    expect(valueOf(batch('regression', [1, 1, 0, 4]))[0]).toBeCloseTo(6 / 4, 5);
    expect(() => model.loss(batch('contrastive', []), { training: false })).toThrow(
      'task "tags": expected a loss that the model toy-pooled has (cross-entropy, multi-label, regression), got "contrastive"',
    );
  });
});
