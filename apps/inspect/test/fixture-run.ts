/** Run folders as training and measuring leave them, of untrained tiny models, with made-up curves. */
import { createRandom } from '@polygate/core';
import type { EncoderConfig } from '@polygate/encoder';
import { createUniPerceiverModel, saveModel } from '@polygate/generalist';
import {
  interferenceMatrix,
  plainMatrix,
  writeInterference,
  type InterferenceRecord,
} from '@polygate/interference';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tinyModel } from '../../../packages/generalist/test/tiny-suite.ts';

const tasks = {
  colours: { family: 'image-classification', dataset: 'colours' },
  'images/captioning': { family: 'image-captioning', dataset: 'images' },
  'images/retrieval': { family: 'image-text-retrieval', dataset: 'images' },
  'lines <&">': { family: 'masked-language-modelling', dataset: 'lines' },
} as const;

const STEPS = 400;

export interface FixtureOptions {
  /** Experts by attribute, or a dense model. @default true */
  readonly experts?: boolean;
  readonly seed?: number;
  readonly interference?: boolean;
}

const metricLines = (seed: number, experts: boolean): string[] => {
  const random = createRandom(seed);
  const names = Object.keys(tasks);
  const lines: string[] = [];
  const put = (step: number, kind: string, values: object): void => {
    lines.push(JSON.stringify({ step, kind, ...values }));
  };
  for (let step = 1; step <= STEPS; step += 1) {
    const at = random.integer(names.length);
    const loss = (1 + at) * (0.4 + Math.exp(-step / 120)) + 0.08 * random.normal();
    put(step, 'train', { task: names[at], loss, learningRate: 1e-3 });
    if (experts && step % 20 === 0) {
      const sites = [
        { block: 0, linears: ['attention.qkv', 'attention.output'] },
        { block: 0, linears: ['ffn.fc1', 'ffn.fc2'] },
      ].map((site, index) => {
        const load = [0.5 - step / 2000, 0.3 + step / 2000, 0.2];
        return {
          ...site,
          tokens: 100,
          load,
          importance: load,
          entropy: 1 - step / 1000,
          droppedFraction: 0,
          dead: [],
          maximumViolation: 0.5 + index / 10,
          groups: [
            { modality: 'visual', attributes: '10011001', tokens: 60, load, importance: load },
            { modality: 'text', attributes: '10010100', tokens: 40, load, importance: load },
          ],
        };
      });
      put(step, 'routing', { task: names[at], condition: 'attribute', experts: 3, topK: 2, sites });
    }
    if (step % 100 === 0) {
      put(
        step,
        'validation',
        Object.fromEntries(
          names.flatMap((name, task) => [
            [`${name}/test/loss`, 1 + task + 1 / step],
            [`${name}/test/accuracy`, 0.2 + step / 1000],
          ]),
        ),
      );
    }
  }
  return lines;
};

/** A measured interference of made-up gradients in the form of a record. */
const fixtureInterference = (run: string, seed: number, experts: boolean): InterferenceRecord => {
  const random = createRandom(seed);
  const count = Object.keys(tasks).length;
  const batches = 6;
  const matrix = (): ReturnType<typeof plainMatrix> =>
    plainMatrix(
      interferenceMatrix({
        tasks: count,
        batches,
        values: Float64Array.from({ length: count * count * batches * batches }, (_, at) => {
          const [i, j] = [
            Math.floor(at / (count * batches * batches)),
            Math.floor(at / (batches * batches)) % count,
          ];
          const b = Math.floor(at / batches) % batches;
          if (b === at % batches) return NaN;
          return (i === j ? 2 : (i - j) / 2) + 0.2 * random.normal();
        }),
      }),
    );
  return {
    kind: 'polygate-interference',
    version: 1,
    run,
    trainedSteps: STEPS,
    tasks: Object.keys(tasks),
    batches,
    directions: 2,
    stepShare: 1e-3,
    seed: 1,
    updates: 16,
    rounds: 3,
    learningRate: 1e-3,
    model: { weights: 4096, updates: matrix() },
    repeated: ['colours'],
    engine: { name: 'wasm', device: 'cpu', precision: 'f32' },
    sites: [
      {
        layer: 1,
        layers: 1,
        linear: 'ffn.fc2',
        experts: experts ? 3 : 0,
        condition: experts ? 'attribute' : null,
        weights: 512,
        step: 0.01,
        firstOrder: matrix(),
        exact: matrix(),
      },
    ],
  };
};

/** Writes a run folder. */
export const writeFixtureRun = async (run: string, options: FixtureOptions = {}): Promise<void> => {
  const { experts = true, seed = 1, interference = true } = options;
  const checkpoint = join(run, 'checkpoints', `step-${STEPS}`);
  await mkdir(checkpoint, { recursive: true });
  using model = tinyModel(seed);
  const { moe, ...dense } = model.config.encoder as EncoderConfig;
  using source = createUniPerceiverModel(
    { ...model.config, encoder: { ...dense, ...(experts && moe ? { moe } : {}) } },
    model.tokenizer,
    createRandom(seed),
  );
  await saveModel(source, checkpoint);
  await writeFile(
    join(checkpoint, 'state.json'),
    JSON.stringify({ version: 1, step: STEPS, seed, cursors: {}, samples: 1600, tokens: 9000 }),
  );
  await writeFile(
    join(run, 'recipe.json'),
    JSON.stringify({ recipe: { name: 'tiny', suite: 'nowhere', seed, tasks, engine: 'wasm' } }),
  );
  // A run at work: its last line is torn.
  await writeFile(join(run, 'metrics.jsonl'), `${metricLines(seed, experts).join('\n')}\n{"step":40`);
  if (!interference) return;
  await mkdir(join(run, 'inspect'), { recursive: true });
  await writeInterference(join(run, 'inspect', 'interference.json'), fixtureInterference(run, seed, experts));
};
