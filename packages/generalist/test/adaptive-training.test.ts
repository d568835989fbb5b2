/** What changes while a model trains: experts of each modality and task, and the pace of each modality. */
import { createRandom, memoryMetricSink, type MetricRecord } from '@polygate/core';
import { makeTask, parseRecipe, type ModelLossOptions, type UniPerceiverModel } from '@polygate/generalist';
import { AdamW, constant } from '@polygate/nn';
import type { TaskBatch } from '@polygate/tasks';
import { train } from '@polygate/training';
import * as tf from '@tensorflow/tfjs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { conditionalModel, tinyTasks, useTinySuite } from './tiny-suite.ts';

const tiny = useTinySuite();

const batchOf = async (model: UniPerceiverModel, name: string): Promise<TaskBatch> => {
  const { family, dataset } = tinyTasks.find((each) => each.name === name) as (typeof tinyTasks)[number];
  const recipe = parseRecipe({
    tasks: {
      [name]: {
        family,
        dataset,
        candidates: { kind: 'sampled', negatives: 16, distribution: 'uniform' },
      } as never,
    },
  }).tasks[name];
  if (!recipe) throw new Error('expected a task');
  const { suite, tokenizer } = tiny.data;
  const task = makeTask(name, recipe, { suite, tokenizer, image: model.image, vocabulary: model.vocabulary });
  const rows = await (await tiny.data.shards(dataset, 'train')).read([0, 3, 5, 6]);
  return task.collate(rows, { random: createRandom(1), training: true });
};

type Adaptive = Pick<ModelLossOptions, 'topK' | 'rowWeights'>;

let runs = 0;

/** Trains alternating tasks for some steps. @returns what the routers did, by step */
const trained = async (
  model: UniPerceiverModel,
  steps: number,
  adapt: (step: number) => Adaptive,
): Promise<readonly MetricRecord[]> => {
  const names = ['writing', 'reading'];
  const batches = await Promise.all(names.map((name) => batchOf(model, name)));
  const sink = memoryMetricSink();
  using optimizer = new AdamW(model.parameters, { weightDecay: 0 });
  runs += 1;
  await train({
    parameters: model.parameters,
    optimizer,
    schedule: constant({ base: 1e-2 }),
    sources: names.map((name, at) => ({ name, weight: 1, next: () => batches[at] as TaskBatch })),
    loss: (batch, { random, step }) =>
      model.loss(batch, { training: true, telemetry: true, random, ...adapt(step) }),
    steps,
    seed: 3,
    runDirectory: join(tiny.scratch, String(runs)),
    metrics: sink,
  });
  return sink.records.filter(({ kind }) => kind === 'routing');
};

interface Group {
  readonly modality: string;
  readonly task: string;
  readonly topK?: number;
}

/** Experts that a token chose, by step, task and modality. */
const chosenIn = (records: readonly MetricRecord[]): readonly (readonly [string, number])[] =>
  records.flatMap(({ step, values }) => {
    const { task, topK, sites } = values as unknown as {
      readonly task: string;
      readonly topK: number;
      readonly sites: readonly { readonly groups: readonly Group[] }[];
    };
    return sites.flatMap(({ groups }) =>
      groups.map((group) => [`${step} ${task} ${group.modality}`, group.topK ?? topK] as const),
    );
  });

describe.each([
  ['token', { condition: 'token', experts: 4, topK: 1, renormalize: true, capacityFactor: 'dropless' }],
  ['attribute', { condition: 'attribute', experts: 4, topK: 1, renormalize: true }],
] as const)('a model routed by %s', (_, moe) => {
  it('chooses as many experts as the rule says for the modality, the task and the step', async () => {
    using model = conditionalModel(moe);
    const byStep = (step: number): Adaptive => ({
      topK: (group, { modality, task }) => {
        expect(group).toBe('experts');
        if (modality === 'visual') return 1 + step;
        return task === 'reading' ? 3 : undefined;
      },
    });
    const chosen = chosenIn(await trained(model, 3, byStep));
    const kinds = new Set(chosen.map(([name]) => name.slice(2)));
    expect([...kinds].sort()).toEqual(['reading text', 'writing text', 'writing visual']);
    for (const [name, count] of chosen) {
      const [step = '', task, modality] = name.split(' ');
      // Reports count from the step that is made, rules from 0.
      expect(count, name).toBe(modality === 'visual' ? Number(step) : task === 'reading' ? 3 : 1);
    }
  });

  it('teaches its linears nothing of a modality of weight 0, and the rest of it at full pace', async () => {
    // A single gate that is renormalised is 1 and teaches its router nothing.
    using model = conditionalModel({ ...moe, topK: 2 });
    using twin = conditionalModel({ ...moe, topK: 2 });
    const valuesOf = (subject: UniPerceiverModel): ReadonlyMap<string, Float32Array> =>
      new Map(
        subject.parameters
          .entries()
          .map(({ name, variable }) => [name, variable.dataSync<'float32'>().slice()] as const),
      );
    const start = valuesOf(model);
    await trained(model, 2, () => ({ rowWeights: () => 0 }));
    await trained(twin, 2, () => ({}));
    const [frozen, free] = [valuesOf(model), valuesOf(twin)];
    const moved = (values: ReadonlyMap<string, Float32Array>): readonly string[] =>
      [...values].flatMap(([name, each]) => (each.every((v, i) => v === start.get(name)?.[i]) ? [] : [name]));
    const linears = (names: readonly string[]) =>
      names.filter((name) => /^blocks\..*(attention|ffn)\..*(weight|bias)$/u.test(name));
    expect(linears(moved(free)).length).toBeGreaterThan(4);
    expect(linears(moved(frozen))).toEqual([]);
    expect(moved(frozen)).toEqual(expect.arrayContaining(['embedding.word', 'blocks.0.norm1.weight']));
    expect(moved(frozen).some((name) => name.startsWith('routers.'))).toBe(true);
  });

  it('is evaluated with the rule, beside what is cached without it', async () => {
    using model = conditionalModel(moe);
    using wider = conditionalModel({ ...moe, topK: 3 });
    const lossOf = async (subject: UniPerceiverModel, options: Adaptive): Promise<number> => {
      const batch = { ...(await batchOf(subject, 'reading')) };
      const { loss, metrics } = subject.loss(batch, { training: false, ...options });
      const [value = NaN] = loss.dataSync();
      tf.dispose([loss, ...Object.values(metrics)]);
      return value;
    };
    const before = await lossOf(model, {});
    expect(await lossOf(model, { topK: () => 3 })).toBeCloseTo(await lossOf(wider, {}), 5);
    expect(await lossOf(model, {})).toBe(before);
    expect(await lossOf(wider, {})).not.toBeCloseTo(before, 5);
  });
});
