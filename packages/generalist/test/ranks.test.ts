/** Runs of several ranks against one process alone: losses of every step, and the weights at the end. */
import { createRandom, inProcessCommunicators, silentProgress, type Communicator } from '@polygate/core';
import {
  buildTaskSources,
  createUniPerceiverModel,
  parseRecipe,
  type UniPerceiverModel,
} from '@polygate/generalist';
import type { ExpertConfig } from '@polygate/encoder';
import { AdamW, constant } from '@polygate/nn';
import { cutTaskBatch, type TaskBatch } from '@polygate/tasks';
import { sourceRandom, train, type TrainSource } from '@polygate/training';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useDoublePrecision } from './double-precision.ts';
import { conditionalModel, tinyTasks, tinyTokenizer, useTinySuite } from './tiny-suite.ts';

const tiny = useTinySuite();
const ROWS = 6;
/** Losses of routers of tokens, those that are functions of sums over a batch among them. */
const losses = { balance: 0.1, z: 0.01, importance: 0.1, load: 0.1 };

const experts = {
  dense: undefined,
  attribute: { experts: 3, topK: 2, noise: 1 },
  token: { condition: 'token', experts: 3, topK: 1, noise: 1, capacityFactor: 'dropless', losses },
  'task-specific': { condition: 'task-specific' },
} satisfies Readonly<Record<string, ExpertConfig | undefined>>;

type Kind = keyof typeof experts;

/** Of every rank alike: drop path, noise of the gates, and experts of a kind. */
const modelOf = (kind: Kind): UniPerceiverModel => {
  using base = conditionalModel(experts[kind]);
  const { config } = base;
  const encoder = { ...config.encoder, dropPath: 0.3 } as typeof config.encoder;
  return createUniPerceiverModel({ ...config, encoder }, tinyTokenizer(), createRandom(1));
};

const sampled: Readonly<Record<string, object>> = {
  'image-captioning': { candidates: { kind: 'sampled', negatives: 4 } },
  'masked-language-modelling': { candidates: { kind: 'sampled', negatives: 4 } },
};

const sourcesOf = async (
  model: UniPerceiverModel,
  families: readonly string[],
): Promise<readonly TrainSource<TaskBatch>[]> => {
  const tasks = Object.fromEntries(
    tinyTasks
      .filter(({ family }) => families.includes(family))
      .map(({ name, family, dataset }) => [name, { family, dataset, batchSize: ROWS, ...sampled[family] }]),
  );
  const { data } = tiny;
  return buildTaskSources(data, parseRecipe({ tasks }), { image: model.image, vocabulary: model.vocabulary });
};

interface Outcome {
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly weights: ReadonlyMap<string, Float32Array>;
}

interface RunOptions {
  readonly kind: Kind;
  readonly families: readonly string[];
  readonly steps: number;
  /** @default a folder of its own */
  readonly run?: string;
  /** Sources in place of those of the families, for one process. */
  readonly change?: (source: TrainSource<TaskBatch>) => TrainSource<TaskBatch>;
  readonly accumulate?: number;
  /** Whether a weight of this rank alone is no number. */
  readonly isPoisoned?: boolean;
}

let runs = 0;

/** One rank's training; of all ranks alike in what it tells. */
const trainRank = async (
  communicator: Communicator,
  {
    kind,
    families,
    steps,
    run,
    accumulate = 1,
    isPoisoned = false,
    change = (source) => source,
  }: RunOptions & { readonly run: string },
): Promise<Outcome> => {
  using model = modelOf(kind);
  const { parameters } = model;
  if (isPoisoned) parameters.write('head.norm.bias', new Float32Array(16).fill(Number.NaN));
  using optimizer = new AdamW(parameters, { weightDecay: 0.05 });
  const losses: number[] = [];
  const norms: number[] = [];
  await train<TaskBatch>({
    parameters,
    optimizer,
    schedule: constant({ base: 3e-3 }),
    sources: (await sourcesOf(model, families)).map(change),
    loss: (batch, { random, exchange }) =>
      model.loss(batch, { training: true, random, ...(exchange ? { exchange } : {}) }),
    weights: (batch) => model.weights(batch),
    steps,
    seed: 5,
    accumulate,
    clipNorm: 1,
    runDirectory: run,
    progress: silentProgress,
    callbacks: [
      {
        onStep({ loss, gradientNorm }) {
          losses.push(loss);
          norms.push(gradientNorm);
        },
      },
    ],
    ...(communicator.size > 1
      ? { ranks: { communicator, cut: cutTaskBatch, exchanges: (batch) => model.exchanges(batch) } }
      : {}),
  });
  const weights = new Map<string, Float32Array>();
  for (const { name, variable } of parameters.entries())
    weights.set(name, Float32Array.from(await variable.data()));
  return { losses, norms, weights };
};

const trained = async (size: number, options: RunOptions): Promise<Outcome> => {
  runs += 1;
  const run = options.run ?? join(tiny.scratch, `ranks-${runs}`);
  const outcomes = await Promise.all(
    inProcessCommunicators(size).map((communicator) => trainRank(communicator, { ...options, run })),
  );
  const [first, ...others] = outcomes as [Outcome, ...Outcome[]];
  // All ranks tell the same losses and end with the same weights, to the last bit.
  for (const other of others) expect(other).toEqual(first);
  return first;
};

/** Largest difference of two runs, in units of the largest value. */
const difference = (a: Outcome, b: Outcome): { readonly losses: number; readonly weights: number } => {
  const worst = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
    Math.max(...Array.from(x, (value, i) => Math.abs(value - (y[i] ?? NaN)))) /
    Math.max(...Array.from(x, Math.abs), 1e-9);
  expect([...b.weights.keys()]).toEqual([...a.weights.keys()]);
  return {
    losses: worst(a.losses, b.losses),
    weights: Math.max(...[...a.weights].map(([name, values]) => worst(values, b.weights.get(name) ?? []))),
  };
};

describe('several ranks in double precision', () => {
  useDoublePrecision();

  // Gates are noisy, candidates sampled, layers dropped, and AdamW divides gradients by their own size.
  it.each([
    ['dense', 'image-classification', [4]],
    ['attribute', 'image-classification', [2]],
    ['attribute', 'image-captioning', [2]],
    ['attribute', 'image-text-retrieval', [2, 4]],
    ['token', 'image-text-retrieval', [2]],
    ['token', 'masked-language-modelling', [2, 4]],
    ['task-specific', 'masked-language-modelling', [2]],
  ] as const)('train as one process: %s experts, %s', async (kind, family, sizes) => {
    const options = { kind, families: [family], steps: 2 };
    const alone = await trained(1, options);
    for (const size of sizes) {
      const { losses, weights } = difference(alone, await trained(size, options));
      // Sums are added in another order. In single precision that is 1e-4 here, a twentieth of what its rounding makes
      // of one process alone.
      expect(losses).toBeLessThan(1e-9);
      expect(weights).toBeLessThan(1e-8);
    }
  });
});

describe('several ranks', () => {
  it('train as one process that adds up the same parts, to the last bit', async () => {
    const options = { kind: 'attribute', families: ['image-classification'], steps: 3 } as const;
    const parts = await trained(1, {
      ...options,
      accumulate: 2,
      change: (source) => ({
        ...source,
        batchSize: ROWS / 2,
        // Part 2c and 2c + 1 are the halves of batch c, drawn as of the whole.
        async next(cursor) {
          const batch = Math.floor(cursor / 2);
          const random = sourceRandom(
            createRandom(5),
            { name: source.name, batchSize: ROWS },
            { cursor: batch, step: batch, use: 'data' },
          );
          return cutTaskBatch(await source.next(batch, { random }), 2)[cursor % 2]?.batch as TaskBatch;
        },
      }),
    });
    expect(await trained(2, options)).toEqual(parts);
  });

  it('go on with the checkpoint of another number of processes', async () => {
    const options = { kind: 'dense', families: ['image-classification'] } as const;
    const whole = await trained(1, { ...options, steps: 5 });
    const run = join(tiny.scratch, 'changing');
    const first = await trained(2, { ...options, steps: 2, run });
    const second = await trained(1, { ...options, steps: 3, run });
    const last = await trained(4, { ...options, steps: 5, run });
    const resumed = { ...last, losses: [first, second, last].flatMap(({ losses }) => losses) };
    const { losses, weights } = difference(whole, resumed);
    expect(losses).toBeLessThan(1e-5);
    expect(weights).toBeLessThan(2e-3);
    const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n');
    const records = lines.map((line) => JSON.parse(line) as { step: number; exchangeBytes?: number });
    // Written once, by rank 0.
    expect(records.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    // Step 3 was made by one process.
    expect(records.map(({ exchangeBytes = 0 }) => exchangeBytes > 0)).toEqual([
      true,
      true,
      false,
      true,
      true,
    ]);
  });

  it('end together when one of them fails, and when they are of two runs', async () => {
    const group = inProcessCommunicators(2);
    const options = { kind: 'dense', families: ['image-classification'], steps: 3 } as const;
    const outcomes = await Promise.allSettled(
      group.map((communicator) =>
        trainRank(communicator, {
          ...options,
          run: join(tiny.scratch, 'failing'),
          change: (source) => ({
            ...source,
            next: (cursor, context) => {
              if (communicator.rank === 1 && cursor === 1) throw new Error('no such disk');
              return source.next(cursor, context);
            },
          }),
        }),
      ),
    );
    expect(outcomes.map((each) => each.status === 'rejected' && (each.reason as Error).message)).toEqual([
      'communicator: expected all ranks to answer, but rank 1 ended the run: no such disk; the last checkpoint resumes',
      'no such disk',
    ]);
    const poisoned = await Promise.allSettled(
      inProcessCommunicators(2).map((communicator) =>
        trainRank(communicator, {
          ...options,
          run: join(tiny.scratch, 'poisoned'),
          isPoisoned: communicator.rank === 1,
        }),
      ),
    );
    // The sums of both ranks are not finite: who made them so must be told.
    expect(poisoned.map((each) => each.status === 'rejected' && (each.reason as Error).message)).toEqual(
      [0, 1].map(
        () =>
          expect.stringContaining(
            'train: step 1 (task "naming"): expected finite numbers of all ranks, got rank 1 with a loss of NaN; the update was not made',
          ) as string,
      ),
    );
    const two = await Promise.allSettled(
      inProcessCommunicators(2).map((communicator) =>
        trainRank(communicator, {
          ...options,
          run: join(tiny.scratch, 'disagreeing'),
          steps: 3 + communicator.rank,
        }),
      ),
    );
    expect(two.map((each) => each.status === 'rejected' && (each.reason as Error).message)).toEqual(
      [0, 1].map(
        () =>
          expect.stringContaining(
            'expected one run on all ranks, got steps 3 on rank 0 and 4 on rank 1',
          ) as string,
      ),
    );
  });
});
