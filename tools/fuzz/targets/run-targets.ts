/** Recipes, settings, runs, checkpoints, metrics and model folders. */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePrepareRecipe, applyPrepareSettings, prepareRecipes } from '@polygate/app-prepare';
import { createRandom, parseDuration, sealJson } from '@polygate/core';
import { acquireLock } from '@polygate/core/node';
import type { EncoderConfig } from '@polygate/encoder';
import { loadMergedEncoder } from '@polygate/encoder/merged';
import {
  applyOverrides,
  createUniPerceiverModel,
  exportMerged,
  loadModel,
  parseRecipe,
  saveModel,
  type RecipeInput,
} from '@polygate/generalist';
import { readInterference } from '@polygate/interference';
import type { TrainedTask } from '@polygate/tasks';
import { AdamW, allocateParameters } from '@polygate/nn';
import { readRun } from '@polygate/runs';
import { selectEngine } from '@polygate/tensor';
import { trainTokenizer } from '@polygate/tokens';
import {
  bestCheckpoint,
  latestCheckpoint,
  readCheckpoint,
  readMetricRecords,
  readState,
  truncateMetrics,
  verifyFiles,
  writeCheckpoint,
} from '@polygate/training';
import { readMetrics } from '../../../apps/inspect/src/report/metrics-log.ts';
import { readRecipeFile } from '../../../apps/polygate/src/recipe-file.ts';
import { mutateJson, mutateJsonLine, mutateJsonText } from '../json-mutations.ts';
import { expectRight, type FuzzTarget, type Mutator } from '../target.ts';
import { textMutations } from '../text-mutations.ts';
import { fileIn, utf8 } from './reading.ts';

const trainingRecipe = {
  name: 'small',
  suite: 'data/small',
  model: {
    preset: 'mini-moe',
    layers: 1,
    width: 12,
    heads: 2,
    moe: { experts: 3, topK: 2, capacityFactor: { train: 1 } },
  },
  tasks: {
    colours: {
      family: 'image-classification',
      dataset: 'colours',
      batchSize: 2,
      candidates: { kind: 'sampled', negatives: 4 },
    },
  },
  optimizer: { learningRate: 3e-3, clipNorm: null },
  schedule: { kind: 'constant', warmup: '3%' },
  steps: '10 steps',
  validation: { every: '50%', limit: 2, splits: ['test'], best: { score: 'loss', better: 'lower' } },
} satisfies RecipeInput;

const recipe: FuzzTarget = {
  name: 'pretrain-recipe',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'recipe.json');
    return {
      seeds: [utf8(JSON.stringify(trainingRecipe)), utf8('{}'), utf8('\uFEFF{"steps":60}')],
      mutators: [mutateJson],
      async parse(bytes) {
        const read = parseRecipe(await readRecipeFile(await save(bytes)));
        expectRight(
          JSON.stringify(parseRecipe(read)) === JSON.stringify(read),
          'another recipe when parsed again',
        );
      },
    };
  },
};

const prepareRecipe: FuzzTarget = {
  name: 'prepare-recipe',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'recipe.json');
    const example = {
      name: 'own',
      sources: {
        photos: {
          source: 'captions-csv',
          file: 'a.csv',
          images: 'photos',
          delimiter: ',',
          splitColumn: 'split',
        },
        pairs: { source: 'webdataset', files: ['a.tar'], classes: ['x', 'y'] },
        reviews: { source: 'labelled-tsv', file: 'a.tsv', textColumns: ['sentence'], labelColumn: 1 },
      },
      image: { size: 8, background: 'white' },
      budgets: { imageBytes: 1000 },
    };
    return {
      seeds: [example, prepareRecipes.mini, prepareRecipes['mini-small']].map((each) =>
        utf8(JSON.stringify(each)),
      ),
      mutators: [mutateJson],
      async parse(bytes) {
        const read = parsePrepareRecipe(await readRecipeFile(await save(bytes)));
        expectRight(
          JSON.stringify(parsePrepareRecipe(read)) === JSON.stringify(read),
          'another recipe when parsed again',
        );
      },
    };
  },
};

const settings: FuzzTarget = {
  name: 'settings',
  errors: ['ConfigError'],
  open: async () => ({
    seeds: [
      'image.size=32',
      'sources.photos.file=1.10',
      'sources.photos.classes=["a","b"]',
      'limits.rate=1e-1',
      'tokenizer={"lowercase":false}',
      'steps=60',
      'optimizer.clipNorm=null',
      'tasks.a.candidates={"kind":"whole"}',
      'model.moe.experts=4',
      'validation.splits=test,val',
      '3 epochs',
      '5%',
    ].map(utf8),
    mutators: textMutations,
    async parse(bytes) {
      const text = Buffer.from(bytes).toString('utf8');
      const typed = async (action: () => unknown): Promise<unknown> => {
        try {
          return action();
        } catch (error) {
          return error;
        }
      };
      const sources = { photos: { source: 'jsonl', file: 'a.jsonl' } };
      const results = [
        await typed(() => applyPrepareSettings({ name: 'own', sources }, [text])),
        await typed(() => applyOverrides(trainingRecipe, [text])),
        await typed(() => parseDuration(text)),
      ];
      for (const result of results)
        if (result instanceof Error && result.name !== 'ConfigError') throw result;
      expectRight(
        !('polluted' in {}) && Object.keys(Object.prototype).length === 0,
        'a changed Object.prototype',
      );
      const last = results.find((result) => result instanceof Error);
      if (last instanceof Error) throw last;
    },
  }),
};

const metricLines = [
  { step: 1, kind: 'train', task: 'a', loss: 2.5, learningRate: 1e-3 },
  { step: 2, kind: 'train', task: 'a', loss: 2.25 },
  { step: 2, kind: 'validation', 'a/test/loss': 2.1 },
  {
    step: 2,
    kind: 'routing',
    task: 'a',
    condition: 'attribute',
    experts: 2,
    sites: [
      {
        block: 0,
        linears: ['fc1'],
        tokens: 10,
        load: [0.5, 0.5],
        entropy: 0.7,
        droppedFraction: 0,
        maximumViolation: 0,
        groups: [{ modality: 'image', attributes: '1001', tokens: 10, load: [1, 0], importance: [1, 0] }],
      },
    ],
  },
];

const metrics: FuzzTarget = {
  name: 'metrics-log',
  errors: [],
  async open(folder) {
    const save = fileIn(folder, 'metrics.jsonl');
    return {
      seeds: [utf8(`${metricLines.map((line) => JSON.stringify(line)).join('\n')}\n`)],
      mutators: [mutateJsonLine, ...textMutations],
      async parse(bytes) {
        const path = await save(bytes);
        const log = await readMetrics(folder);
        for (const points of log.losses.values())
          expectRight(
            points.every(({ x, y }) => Number.isFinite(x) && typeof y === 'number'),
            'losses that are no points',
          );
        await truncateMetrics(path, 1);
        const kept = await readFile(path);
        expectRight(Buffer.from(bytes.subarray(0, kept.length)).equals(kept), 'not a beginning of the file');
        // Damaged lines stay, with what stands between them and a line of an earlier step.
        // A step that is not a number is such damage.
        let last = 0;
        for await (const record of readMetricRecords(path)) {
          const value = record?.['step'];
          if (typeof value === 'number') last = value;
        }
        expectRight(last <= 1, 'a line of a later step at the end');
      },
    };
  },
};

const interference: FuzzTarget = {
  name: 'interference-json',
  errors: ['FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'interference.json');
    const estimate = { value: 0.5, standardError: null };
    const matrix = {
      cells: [[{ ratio: estimate, mean: estimate, median: estimate }]],
      own: [estimate],
      effects: [[[1, null]]],
    };
    const site = {
      layer: 1,
      layers: 2,
      linear: 'fc1',
      experts: 0,
      condition: null,
      weights: 9,
      step: 0.1,
      firstOrder: matrix,
      exact: null,
    };
    const record = {
      kind: 'polygate-interference',
      version: 1,
      run: 'runs/a',
      trainedSteps: 10,
      tasks: ['a'],
      batches: 2,
      directions: 1,
      stepShare: 0.01,
      seed: 1,
      repeated: [],
      engine: { name: 'cpu', device: 'cpu', precision: 'f32' },
      sites: [site],
    };
    return {
      seeds: [utf8(JSON.stringify(record))],
      mutators: [mutateJson],
      async parse(bytes) {
        await readInterference(await save(bytes));
      },
    };
  },
};

const lock: FuzzTarget = {
  name: 'lock',
  errors: ['StateError'],
  async open(folder) {
    const path = join(folder, 'lock');
    const record = {
      pid: 1,
      host: 'elsewhere',
      id: '00000000-0000-4000-8000-000000000000',
      task: 'pretrain',
      since: '2020-01-01T00:00:00Z',
      started: '1',
    };
    return {
      seeds: [utf8(JSON.stringify(record)), utf8(JSON.stringify({ ...record, pid: 999_999_999 }))],
      mutators: [mutateJson],
      async parse(bytes) {
        await writeFile(path, bytes);
        const held = await acquireLock(path, { task: 'fuzz', subject: 'the folder' });
        await held.release();
      },
    };
  },
};

const specs = [
  { name: 'shared.weight', shape: [3, 4], initializer: { kind: 'xavierUniform' }, role: 'weight' },
  { name: 'shared.bias', shape: [3], initializer: { kind: 'zeros' }, role: 'bias' },
] as const;

const STATE = 'state.json';
const resealed = (text: string): string => {
  try {
    const { sha256: _, ...state } = JSON.parse(text) as Record<string, unknown>;
    return sealJson(state);
  } catch {
    return text;
  }
};

const checkpoint: FuzzTarget = {
  name: 'checkpoint',
  errors: ['ConfigError', 'FormatError', 'ShapeError', 'StateError'],
  async open(folder) {
    await selectEngine({ engine: 'cpu' });
    const parameters = allocateParameters(specs, createRandom(1));
    const optimizer = new AdamW(parameters);
    const live = { parameters, optimizer };
    const state = { version: 2, step: 0, seed: 5, cursors: { often: 3 }, samples: 4, tokens: 16 } as const;
    const { path } = await writeCheckpoint(live, state, {
      runDirectory: folder,
      files: { 'config.json': '{}' },
    });
    const file = join(path, STATE);
    const seed = await readFile(file);
    const expected = JSON.stringify(await readState({ step: 0, path }));
    return {
      seeds: [seed],
      mutators: [
        (bytes, random) => Buffer.from(resealed(mutateJsonText(Buffer.from(bytes).toString('utf8'), random))),
      ],
      async parse(bytes) {
        await writeFile(file, bytes);
        await latestCheckpoint(folder);
        const saved = { step: 0, path };
        const read = await readState(saved);
        // Sealed text that was changed is refused; here the seal itself fits again.
        if (Buffer.from(bytes).toString('utf8') === seed.toString('utf8'))
          expectRight(JSON.stringify(read) === expected, 'another state');
        for (const count of [read.step, read.samples, read.tokens, ...Object.values(read.cursors)])
          expectRight(Number.isSafeInteger(count) && count >= 0, `the count ${count}`);
        await verifyFiles(saved, read);
        await readCheckpoint(live, saved);
        await bestCheckpoint(folder);
      },
      close() {
        optimizer.dispose();
        parameters.dispose();
      },
    };
  },
};

/** Writes a file of a model folder anew for each input. */
const modelTarget = (
  name: string,
  file: string,
  options: { readonly merged?: boolean; readonly mutate: Mutator },
): FuzzTarget => ({
  name,
  errors: ['ConfigError', 'FormatError', 'ShapeError', 'StateError'],
  async open(folder) {
    await selectEngine({ engine: 'cpu' });
    const tokenizer = trainTokenizer(['a red bar and a blue bar'], { vocabularySize: 262 });
    const encoder: EncoderConfig = {
      layers: 1,
      width: 8,
      heads: 2,
      hidden: 8,
      vocabularySize: tokenizer.size,
      prefixToken: tokenizer.specials.spe,
      maxPositions: 8,
      patch: { size: 4, channels: 3 },
      moe: { experts: 2, topK: 1, condition: 'attribute' },
    };
    const tasks: readonly TrainedTask[] = [{ name: 'captions', family: 'image-captioning', dataset: 'bars' }];
    const config = {
      encoder,
      image: { height: 8, width: 8, channels: 3 },
      tokenizerHash: tokenizer.hash,
      tasks,
    };
    const directory = join(folder, 'model');
    await mkdir(directory, { recursive: true });
    const model = createUniPerceiverModel(config, tokenizer, createRandom(1));
    const saved = options.merged ? exportMerged(model, { tasks: ['captions'] }) : model;
    await saveModel(saved, directory);
    saved.dispose();
    if (saved !== model) model.dispose();
    const path = join(directory, file);
    const seed = await readFile(path);
    return {
      seeds: [seed],
      mutators: [options.mutate],
      async parse(bytes) {
        await writeFile(path, bytes);
        (await loadModel(directory)).dispose();
        if (options.merged) (await loadMergedEncoder(directory)).dispose();
      },
    };
  },
});

const run: FuzzTarget = {
  name: 'run-record',
  errors: ['ConfigError', 'FormatError', 'StateError'],
  async open(folder) {
    const directory = join(folder, 'run');
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'config.json'), '{}');
    const record = { recipe: trainingRecipe, engine: { name: 'cpu', device: 'cpu', precision: 'f32' } };
    const seeds = [utf8(JSON.stringify(record)), utf8(JSON.stringify(trainingRecipe))];
    await cp(directory, join(folder, 'copy'), { recursive: true });
    return {
      seeds,
      mutators: [mutateJson],
      async parse(bytes) {
        await writeFile(join(directory, 'recipe.json'), bytes);
        const { recipe: read } = await readRun(directory);
        expectRight(read !== undefined && typeof read.suite === 'string', 'no recipe');
      },
    };
  },
};

export const runTargets: readonly FuzzTarget[] = [
  recipe,
  prepareRecipe,
  settings,
  metrics,
  interference,
  lock,
  run,
  checkpoint,
  modelTarget('model-config', 'config.json', { mutate: mutateJson }),
  modelTarget('merged-config', 'config.json', { merged: true, mutate: mutateJson }),
];
