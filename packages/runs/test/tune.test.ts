/** Tuning a run on a base that stays as it is: what is trained, stored, resumed and opened. */
import { silentProgress } from '@polygate/core';
import { sha256File } from '@polygate/core/node';
import { parseRecipe, saveModel, type RecipeInput } from '@polygate/generalist';
import { openRun, trainRecipe } from '@polygate/runs';
import { readSafetensors } from '@polygate/nn';
import { maximumDifference } from '@polygate/tensor/testing';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinySuite } from '../../generalist/test/tiny-suite.ts';

let suite = '';
let scratch = '';
let base = '';

const classification = { family: 'image-classification', dataset: 'colours', batchSize: 4 } as const;

const recipe = (change: RecipeInput = {}) =>
  parseRecipe({
    suite,
    steps: '4 steps',
    engine: 'wasm',
    seed: 5,
    checkpoint: { every: '2 steps', keep: 2 },
    validation: { every: '100%', splits: ['test'] },
    ...change,
  });

const tuned = (change: RecipeInput = {}) =>
  recipe({
    name: 'tuned',
    initialize: { from: base },
    tune: { method: 'prompt', prompts: 3 },
    tasks: { naming: classification },
    optimizer: { learningRate: 1e-2, weightDecay: 0, clipNorm: 1 },
    schedule: { kind: 'constant', warmup: '1 step' },
    ...change,
  });

const checkpoint = (run: string, step = 4): string => join(run, 'checkpoints', `step-${step}`);
const weightsOf = (run: string, step = 4): string => join(checkpoint(run, step), 'model.safetensors');

beforeAll(async () => {
  suite = await writeTinySuite();
  scratch = await mkdtemp(join(tmpdir(), 'polygate-tune-'));
  base = join(scratch, 'base');
  const model = {
    preset: 'mini-moe',
    layers: 2,
    width: 16,
    heads: 2,
    hidden: 32,
    patchSize: 4,
    maxPositions: 32,
    moe: { experts: 3 },
  } as const;
  const tasks = {
    naming: classification,
    writing: { family: 'image-captioning', dataset: 'images', batchSize: 4 },
  } as const;
  await trainRecipe({ recipe: recipe({ model, tasks }), run: base });
}, 60_000);
afterAll(async () => {
  await rm(suite, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

describe('prompt tuning', () => {
  it('trains prompts, the prefix bias, norms and a head alone, and names its base', async () => {
    const run = join(scratch, 'prompts');
    const before = await sha256File(weightsOf(base));
    await trainRecipe({ recipe: tuned(), run });
    expect(await sha256File(weightsOf(base))).toBe(before);
    const { tensors } = await readSafetensors(weightsOf(run));
    const names = [...tensors.keys()];
    const norms = [
      'blocks.0.norm1',
      'blocks.0.norm2',
      'blocks.1.norm1',
      'blocks.1.norm2',
      'embedding.norm',
      'head.norm',
    ];
    expect(names.toSorted()).toEqual(
      [
        'adapter.prompts.0',
        'adapter.prompts.1',
        'adapter.prefix.bias',
        'adapter.heads.naming.weight',
        'adapter.heads.naming.bias',
        'adapter.heads.naming.mix',
        ...norms.flatMap((norm) => [`adapter.replaced.${norm}.weight`, `adapter.replaced.${norm}.bias`]),
      ].toSorted(),
    );
    const state = JSON.parse(await readFile(join(checkpoint(run), 'state.json'), 'utf8')) as object;
    expect(state).toMatchObject({ base: { sha256: before }, version: 3 });

    using opened = await openRun(run);
    expect(opened.model.config.adapter).toMatchObject({ method: 'prompt', prompts: 3, noise: true });
    using untuned = await openRun(base);
    for (const { name } of untuned.model.parameters.specs) {
      expect(await opened.model.base?.read(name), name).toEqual(await untuned.model.parameters.read(name));
    }
    // Everything that the method adds has moved.
    for (const name of names) {
      const values = await opened.model.parameters.read(name);
      const plain = name.startsWith('adapter.replaced.')
        ? await untuned.model.parameters.read(name.slice('adapter.replaced.'.length))
        : new Float32Array(values.length).fill(name.endsWith('.mix') ? 1 : 0);
      expect(values, name).not.toEqual(plain);
    }
  }, 60_000);

  it('goes on after a stop as a run that never stopped', async () => {
    const whole = join(scratch, 'whole');
    await trainRecipe({ recipe: tuned(), run: whole });
    const stopped = join(scratch, 'stopped');
    const controller = new AbortController();
    const progress = {
      ...silentProgress,
      note: (line: string) => void (line.startsWith('checkpoint') && controller.abort()),
    };
    const first = await trainRecipe(
      { recipe: tuned(), run: stopped },
      { signal: controller.signal, progress },
    );
    expect(first).toMatchObject({ status: 'stopped', step: 2 });
    await trainRecipe({ recipe: tuned(), run: stopped });
    expect(await sha256File(weightsOf(stopped))).toBe(await sha256File(weightsOf(whole)));
  }, 60_000);

  it('has prompts for each side in retrieval, and no head', async () => {
    const run = join(scratch, 'retrieval');
    const tasks = { finding: { family: 'image-text-retrieval', dataset: 'images', batchSize: 4 } } as const;
    await trainRecipe({ recipe: tuned({ tasks, steps: '2 steps' }), run });
    const { tensors } = await readSafetensors(weightsOf(run, 2));
    const names = [...tensors.keys()].filter((name) => !name.startsWith('adapter.replaced.'));
    expect(names.toSorted()).toEqual([
      'adapter.prefix.bias',
      'adapter.prompts.inputs.0',
      'adapter.prompts.inputs.1',
      'adapter.prompts.targets.0',
      'adapter.prompts.targets.1',
    ]);
  }, 60_000);

  it('has a learned token for each class in place of a head, where it is asked for', async () => {
    const run = join(scratch, 'tokens');
    const tune = { method: 'prompt', prompts: 0, norms: false, classes: 'token' } as const;
    await trainRecipe({ recipe: tuned({ tune, steps: '2 steps' }), run });
    const { tensors } = await readSafetensors(weightsOf(run, 2));
    expect([...tensors.keys()]).toEqual(['adapter.labels.naming', 'adapter.prefix.bias']);
    using opened = await openRun(run);
    const values = await opened.model.parameters.read('adapter.labels.naming');
    expect(values.some((value) => value !== 0)).toBe(true);
  }, 60_000);

  it('refuses a recipe without a start, one with a model beside it, and a base that changed', async () => {
    const run = join(scratch, 'refused');
    await expect(trainRecipe({ recipe: tuned({ initialize: undefined }), run })).rejects.toThrow(
      'recipe: tune: expected initialize.from, the run or model that is tuned, got none; name it (--from FOLDER)',
    );
    await expect(trainRecipe({ recipe: tuned({ model: { layers: 3 } }), run })).rejects.toThrow(
      `recipe: tune: expected no model beside the one that is tuned (${base}), got settings of one; leave model out`,
    );
    await expect(
      trainRecipe({
        recipe: tuned({
          tasks: { writing: { family: 'image-captioning', dataset: 'images' } },
          tune: { method: 'prompt', classes: 'head' },
        }),
        run,
      }),
    ).rejects.toThrow(
      'tune: expected a classification for classes=head, got the task "writing" of image-captioning, which knows no classes; leave tune.classes out',
    );
    const copy = join(scratch, 'copied-base');
    await cp(base, copy, { recursive: true });
    const prompts = join(scratch, 'on-copy');
    await trainRecipe({ recipe: tuned({ initialize: { from: copy }, steps: '2 steps' }), run: prompts });
    await cp(join(checkpoint(base, 2)), join(checkpoint(copy)), { recursive: true });
    await expect(openRun(prompts)).rejects.toThrow(
      /expected a base whose weights have SHA-256 [0-9a-f]{64}, got/u,
    );
  }, 60_000);
});

describe('low-rank adaptation', () => {
  const low = (change: RecipeInput = {}) =>
    tuned({ tune: { method: 'lora', rank: 2, dropout: 0.2, classes: 'head' }, ...change });

  it('trains its products and a head alone, leaves every weight of the base, and goes on after a stop', async () => {
    const before = await sha256File(weightsOf(base));
    const whole = join(scratch, 'low');
    await trainRecipe({ recipe: low(), run: whole });
    const { tensors } = await readSafetensors(weightsOf(whole));
    const linears = ['attention.qkv', 'attention.output', 'ffn.fc1', 'ffn.fc2'];
    expect([...tensors.keys()].toSorted()).toEqual(
      [
        ...[0, 1].flatMap((block) =>
          linears.flatMap((linear) =>
            ['a', 'b'].map((matrix) => `adapter.lora.${block}.${linear}.${matrix}`),
          ),
        ),
        ...['weight', 'bias', 'mix'].map((part) => `adapter.heads.naming.${part}`),
      ].toSorted(),
    );
    using opened = await openRun(whole);
    using untuned = await openRun(base);
    for (const { name } of untuned.model.parameters.specs) {
      expect(await opened.model.base?.read(name), name).toEqual(await untuned.model.parameters.read(name));
    }
    expect(await sha256File(weightsOf(base))).toBe(before);
    for (const linear of linears) {
      expect(
        (await opened.model.parameters.read(`adapter.lora.1.${linear}.b`)).some((value) => value !== 0),
      ).toBe(true);
    }

    const stopped = join(scratch, 'low-stopped');
    const controller = new AbortController();
    const progress = {
      ...silentProgress,
      note: (line: string) => void (line.startsWith('checkpoint') && controller.abort()),
    };
    await trainRecipe({ recipe: low(), run: stopped }, { signal: controller.signal, progress });
    await trainRecipe({ recipe: low(), run: stopped });
    expect(await sha256File(weightsOf(stopped))).toBe(await sha256File(weightsOf(whole)));
  }, 60_000);
});

describe('fine-tuning', () => {
  it('trains all weights from where they are, and stores them all', async () => {
    const run = join(scratch, 'fine');
    await trainRecipe({ recipe: tuned({ tune: { method: 'fine', dropPath: 0.2 } }), run });
    using opened = await openRun(run);
    using untuned = await openRun(base);
    expect(opened.model.parameters.specs).toEqual(untuned.model.parameters.specs);
    expect(opened.state?.base).toBeUndefined();
    const name = 'blocks.0.norm1.weight';
    expect(await opened.model.parameters.read(name)).not.toEqual(await untuned.model.parameters.read(name));
  }, 60_000);

  it('leaves frozen parts bit for bit, and stores the others beside the name of the base', async () => {
    const run = join(scratch, 'frozen');
    const frozen = ['embedding.*', 'blocks.0.*', 'temperature.*'];
    const tasks = { finding: { family: 'image-text-retrieval', dataset: 'images', batchSize: 4 } } as const;
    await trainRecipe({ recipe: tuned({ tune: { method: 'fine', frozen }, tasks, steps: '2 steps' }), run });
    const { tensors } = await readSafetensors(weightsOf(run, 2));
    // The base knows no temperature of this family: a new one is trained whatever is frozen.
    expect([...tensors.keys()].filter((name) => !/^(?:blocks\.1|routers|head)\./u.test(name))).toEqual([
      'temperature.image-text-retrieval',
    ]);
    using opened = await openRun(run);
    using untuned = await openRun(base);
    for (const { name } of untuned.model.parameters.specs) {
      const values = await untuned.model.parameters.read(name);
      if (/^(?:embedding|blocks\.0|temperature)\./u.test(name)) {
        expect(await opened.model.parameters.read(name), name).toEqual(values);
      }
    }
    const moved = 'blocks.1.ffn.fc1.experts.0.weight';
    expect(await opened.model.parameters.read(moved)).not.toEqual(await untuned.model.parameters.read(moved));
    await expect(
      trainRecipe({
        recipe: tuned({ tune: { method: 'fine', frozen: ['block.*'] } }),
        run: join(scratch, 'x'),
      }),
    ).rejects.toThrow(/unknown parameter "block\.\*"/u);
  }, 60_000);

  it('lets the rate fall from layer to layer', async () => {
    const moved = async (layerDecay: number | undefined): Promise<readonly number[]> => {
      const run = join(scratch, `decay-${layerDecay}`);
      const optimizer = {
        kind: 'sgd',
        learningRate: 1e-2,
        momentum: 0,
        weightDecay: 0,
        clipNorm: null,
      } as const;
      const recipe = tuned({
        tune: { method: 'fine', noise: false },
        optimizer: { ...optimizer, ...(layerDecay === undefined ? {} : { layerDecay }) },
        schedule: { kind: 'constant', warmup: '0 steps' },
        steps: '1 steps',
        checkpoint: { every: '1 steps' },
      });
      await trainRecipe({ recipe, run });
      using opened = await openRun(run);
      using untuned = await openRun(base);
      const names = ['embedding.word', 'blocks.0.norm1.bias', 'blocks.1.norm1.bias', 'head.linear.bias'];
      // Awaited here: the models live as long as this function.
      return await Promise.all(
        names.map(async (name) => {
          const [a, b] = [
            await opened.model.parameters.read(name),
            await untuned.model.parameters.read(name),
          ];
          return Math.hypot(...a.map((value, i) => value - (b[i] ?? NaN)));
        }),
      );
    };
    const [even, falling] = [await moved(undefined), await moved(0.5)];
    // Layers 0 (embedding), 1 and 2 (blocks) and 3 (head): 1/8, 1/4, 1/2 and 1 of the rate.
    even.forEach((step, layer) => {
      expect(step).toBeGreaterThan(1e-6);
      expect((falling[layer] ?? NaN) / step).toBeCloseTo(0.5 ** (3 - layer), 2);
    });
  }, 60_000);

  it('merges experts for the tasks and trains what comes of it; so it tunes exported models', async () => {
    const run = join(scratch, 'merged');
    const still = {
      optimizer: { learningRate: 1e-12, weightDecay: 0 },
      steps: '1 steps',
      checkpoint: { every: '1 steps' },
    };
    await trainRecipe({ recipe: tuned({ tune: { method: 'fine', experts: 'merged' }, ...still }), run });
    using start = await openRun(base);
    using merged = await openRun(run);
    const exported = start.model.exports?.merged?.({ tasks: ['naming'] }).model;
    if (!exported) throw new Error('expected an export');
    expect(merged.model.isExported).toBe(true);
    expect(merged.model.parameters.specs).toEqual(exported.parameters.specs);
    for (const { name } of exported.parameters.specs) {
      const values = await exported.parameters.read(name);
      expect(maximumDifference(await merged.model.parameters.read(name), values), name).toBeLessThan(1e-9);
    }
    const folder = join(scratch, 'exported');
    await saveModel(exported, folder);
    exported.dispose();

    const again = join(scratch, 'merged-again');
    const from = { initialize: { from: folder } };
    await trainRecipe({ recipe: tuned({ tune: { method: 'fine' }, ...from }), run: again });
    using moved = await openRun(again);
    const name = 'blocks.1.ffn.fc1.merged.1.weight';
    expect(await moved.model.parameters.read(name)).not.toEqual(await merged.model.parameters.read(name));
    const half = join(scratch, 'merged-half');
    const tune = { method: 'fine', frozen: ['blocks.*'] } as const;
    await trainRecipe({ recipe: tuned({ tune, ...from, steps: '2 steps' }), run: half });
    using kept = await openRun(half);
    expect(await kept.model.parameters.read(name)).toEqual(await merged.model.parameters.read(name));

    const refused = join(scratch, 'merged-refused');
    const writing = {
      writing: { family: 'masked-language-modelling', dataset: 'lines', batchSize: 4 },
    } as const;
    await expect(
      trainRecipe({ recipe: tuned({ tune: { method: 'fine' }, ...from, tasks: writing }), run: refused }),
    ).rejects.toThrow(
      'tune: expected a model that was exported for the segments of masked-language-modelling, got one that has no weights for them; tune the run that it was exported from, or export that anew for a task of this family',
    );
    await expect(
      trainRecipe({ recipe: tuned({ tune: { ...tune, experts: 'merged' } }), run: refused }),
    ).rejects.toThrow(
      `tune: expected no frozen parts where experts are merged while they are tuned, as no base holds those; merge them first (polygate export --run ${base} --out FOLDER) and tune what that wrote, or leave tune.frozen out`,
    );
  }, 60_000);
});
