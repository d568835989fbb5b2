/**
 * Whether data keep up with training: the batches of the demo's five tasks, read, decoded, augmented, patched and tagged
 * by the stream alone, against a training run that consumes the same batches; and where the time of a step goes.
 */
import { prepare } from '@polygate/app-prepare';
import { resolvePretrainRecipe } from '@polygate/app-pretrain';
import { crc32, createRandom, silentProgress, StateError } from '@polygate/core';
import {
  buildTaskSources,
  createUniPerceiverModel,
  encoderOf,
  measureTaskBatch,
  openSuite,
  type Generalist,
  type OpenSuite,
  type Recipe,
} from '@polygate/generalist';
import { AdamW, constant } from '@polygate/nn';
import { createMixture, forEachSink, pipe } from '@polygate/stream';
import { imageToText, patchStage, tagStage, type TaskBatch } from '@polygate/tasks';
import { selectEngine } from '@polygate/tensor';
import { sourceRandom, train, type StepReport, type TrainSource } from '@polygate/training';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measurePair, type PairLine } from '../pair.ts';

/** Updates of one side of a pair, on a native engine and on others. */
const STEPS = { native: 24, portable: 3 } as const;
const PAIRS = 5;

type Sources = readonly TrainSource<TaskBatch>[];

/** Checksum of what the model would see of a batch. */
const checksum = ({ inputs, labels, targets }: TaskBatch): number => {
  const parts = [inputs, targets.sequences].flatMap(({ segments }) =>
    segments.flatMap(({ arrays }) => Object.values(arrays)),
  );
  return [...parts, labels].reduce(
    (sum, { buffer, byteOffset, byteLength }) => crc32(new Uint8Array(buffer, byteOffset, byteLength), sum),
    0,
  );
};

interface Consumed {
  readonly tokens: number;
  readonly sum: number;
}

/** Takes the batches of the first updates, in the order in which training draws them, and does nothing with them. */
const drain = async (
  sources: Sources,
  recipe: Recipe,
  options: { readonly steps: number; readonly check?: boolean },
): Promise<Consumed> => {
  const mixture = createMixture(sources, { seed: recipe.seed, temperature: recipe.mixing.temperature });
  const random = createRandom(recipe.seed);
  const byName = new Map(sources.map((source) => [source.name, source]));
  let tokens = 0;
  let sum = 0;
  for (let i = 0; i < options.steps; i += 1) {
    const { step, name, cursor } = mixture.next();
    const source = byName.get(name);
    if (!source) throw new StateError(`stream: expected a source "${name}", got none`);
    const batch = await source.next(cursor, {
      random: sourceRandom(random, source, { cursor, step, use: 'data' }),
    });
    tokens += measureTaskBatch(batch).tokens;
    if (options.check) sum = (sum * 31 + checksum(batch)) % 2 ** 32;
  }
  return { tokens, sum };
};

/** Decoding, patching and tagging of the captioned images as stages of a pipe, without a task: patches a second. */
const drainStages = async (data: OpenSuite, model: Generalist): Promise<number> => {
  const shards = await data.shards('emoji-captions', 'train');
  const segment = { modality: 'visual', causal: false, source: 'input' } as const;
  const start = performance.now();
  const rows = await pipe(
    shards,
    patchStage(model.image),
    tagStage({ signature: imageToText, segment }),
    forEachSink({ name: 'count', needs: ['patches', 'attributes'] }, () => {}),
  );
  return (rows * model.image.patchCount * 1000) / (performance.now() - start);
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const rounded = (value: number): number => Number(value.toPrecision(4));

/** Share of each phase in the time of all steps, and their milliseconds a step. */
const phasesOf = (reports: readonly StepReport[]): Readonly<Record<string, unknown>> => {
  const phases = { data: 'dataMs', forwardBackward: 'computeMs', optimizer: 'optimizerMs' } as const;
  const totals = Object.entries(phases).map(
    ([name, key]) => [name, sum(reports.map((r) => r[key]))] as const,
  );
  const all = sum(totals.map(([, milliseconds]) => milliseconds));
  return Object.fromEntries(
    totals.map(([name, milliseconds]) => [
      name,
      { share: rounded(milliseconds / all), msPerStep: rounded(milliseconds / reports.length) },
    ]),
  );
};

/** The suite and recipe of the demo; a finished `data/mini` is used as it is. */
const openDemo = async (native: boolean): Promise<{ readonly recipe: Recipe; readonly folder: string }> => {
  const { directory } = await prepare({ recipe: 'mini', output: 'data' });
  const name = native ? 'demo' : 'demo-wasm';
  return { recipe: resolvePretrainRecipe({ recipe: name, set: [`suite=${directory}`] }), folder: directory };
};

async function* compareStream(): AsyncIterable<PairLine> {
  const engine = await selectEngine({ engine: 'auto', precision: 'bf16' });
  const native = engine.name !== 'wasm' && engine.name !== 'cpu';
  const steps = native ? STEPS.native : STEPS.portable;
  const { recipe, folder } = await openDemo(native);
  await using data = await openSuite(folder);
  const encoder = encoderOf(recipe.model, { vocabularySize: data.tokenizer.size, channels: 3 });
  const image = { ...data.suite.image, channels: 3 };
  const config = { encoder, image, tokenizerHash: data.tokenizer.hash };
  using model = createUniPerceiverModel(config, data.tokenizer, createRandom(recipe.seed));
  using optimizer = new AdamW(model.encoder.parameters, { learningRate: 1e-4 });
  const runs = await mkdtemp(join(tmpdir(), 'polygate-bench-'));
  /** Opens the suite anew, so that neither side finds what the other has decoded. */
  const withSources = async <T>(use: (sources: Sources) => Promise<T>): Promise<T> => {
    await using opened = await openSuite(folder);
    return await use(
      await buildTaskSources(opened, recipe, { image: model.image, vocabulary: model.vocabulary }),
    );
  };
  const reports: StepReport[] = [];
  let consumed = 0;
  const consume = async (): Promise<number> => {
    const stepReports: StepReport[] = [];
    const runDirectory = await mkdtemp(join(runs, 'run-'));
    await withSources((sources) =>
      train({
        parameters: model.encoder.parameters,
        optimizer,
        schedule: constant({ base: 1e-4 }),
        sources,
        loss: (batch, { random }) => model.loss(batch, { training: true, random }),
        steps,
        seed: recipe.seed,
        temperature: recipe.mixing.temperature,
        runDirectory,
        measure: measureTaskBatch,
        progress: silentProgress,
        callbacks: [{ onStep: (report) => void stepReports.push(report) }],
      }),
    );
    await rm(runDirectory, { recursive: true });
    reports.push(...stepReports);
    consumed = sum(stepReports.map(({ tokens }) => tokens));
    // Checkpoints and the opening of the run are no part of a step.
    return (
      sum(stepReports.map(({ dataMs, computeMs, optimizerMs }) => dataMs + computeMs + optimizerMs)) / 1000
    );
  };
  const supply = (): Promise<number> =>
    withSources(async (sources) => {
      const start = performance.now();
      await drain(sources, recipe, { steps });
      return (performance.now() - start) / 1000;
    });
  try {
    const read = () => withSources((sources) => drain(sources, recipe, { steps, check: true }));
    const [first, second] = [await read(), await read()];
    await consume();
    if (first.sum !== second.sum || first.tokens !== consumed) {
      throw new StateError(
        `stream: expected the same batches on both sides, got checksums ${first.sum} and ${second.sum}, tokens ${first.tokens} and ${consumed}`,
      );
    }
    reports.length = 0;
    const line = await measurePair(
      { name: 'stream alone', run: supply },
      { name: `training on ${engine.name} ${engine.precision}`, run: consume },
      {
        name: 'stream',
        validated: `equal checksums of ${steps} batches read twice; both sides took ${consumed} tokens`,
        pairs: PAIRS,
        warmup: 1,
      },
    );
    await using cold = await openSuite(folder);
    const detail = {
      recipe: recipe.name,
      steps,
      streamTokensPerSecond: Math.round(consumed / line.aSeconds),
      trainingTokensPerSecond: Math.round(consumed / line.bSeconds),
      decodePatchTagTokensPerSecond: Math.round(await drainStages(cold, model)),
      stepPhases: phasesOf(reports.slice(-PAIRS * steps)),
    };
    yield { ...line, detail };
  } finally {
    await rm(runs, { recursive: true, force: true });
  }
}

export const stream = {
  describe: 'tokens a second of the stream alone against what training consumes, and the step split by phase',
  run: compareStream,
};
