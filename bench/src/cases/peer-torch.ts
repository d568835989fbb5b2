/**
 * Training steps of plain encoders against PyTorch as its users write them: plainly, with its own attention, and compiled,
 * with the fused optimizer where there is one. What counts is the fastest of these.
 */
import { StateError } from '@polygate/core';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureInTurn, median, pairLine, type PairLine } from '../pair.ts';
import {
  createEncoderRun,
  fasterPrecision,
  stepFlops,
  tinyEncoder,
  type EncoderRun,
  type EncoderShape,
} from './encoder-model.ts';
import { pytorch, startStepper, type Stepper, type StepSettings } from './stepper.ts';

type Precision = 'f32' | 'bf16';

/** A shape, and what its line is named by: `CASE-PRECISION-WHAT`. */
type NamedShape = readonly [caseName: string, what: string, shape: EncoderShape];

const tolerance = { f32: 1e-4, bf16: 3e-2 } as const;
const COMPARED_STEPS = 10;
const LEARNING_RATE = 1e-4;
const PEAK_SIZE = 2048;
/** OpenMP's threads spin for .2 s after their last loop, on processors that the next side needs. */
const PAUSE_MS = 300;
/** Steps of about this many seconds are measured less often. */
const LONG_STEP = 1;

const ways = ['plain', 'attention', 'compiled'] as const;

/** GFLOP/s of a large product of ours, the best of five. */
const measurePeak = async (): Promise<number> => {
  const [a, b] = [tf.randomNormal([PEAK_SIZE, PEAK_SIZE]), tf.randomNormal([PEAK_SIZE, PEAK_SIZE])];
  let best = Infinity;
  for (let i = 0; i < 5; i += 1) {
    const began = performance.now();
    const product = tf.matMul(a, b);
    const first = tf.slice(product, [0, 0], [1, 1]);
    await first.data();
    best = Math.min(best, performance.now() - began);
    tf.dispose([product, first]);
  }
  tf.dispose([a, b]);
  return (2 * PEAK_SIZE ** 3) / best / 1e6;
};

/** @returns the largest relative difference. @throws StateError above the tolerance */
const compare = async (ours: readonly number[], peer: Stepper, precision: Precision): Promise<number> => {
  let worst = 0;
  for (const loss of ours) {
    const theirs = (await peer.step()).loss;
    worst = Math.max(worst, Math.abs(loss - theirs) / Math.max(1e-9, Math.abs(theirs)));
  }
  if (worst < tolerance[precision]) return worst;
  throw new StateError(
    `peer-torch: expected equal losses within ${tolerance[precision]} over ${ours.length} steps in ${precision}, got a relative difference of ${worst}`,
  );
};

/** PyTorch in all ways that it has. */
const startPeers = async (
  settings: StepSettings,
): Promise<readonly (readonly [way: string, peer: Stepper])[]> => {
  const peers: [string, Stepper][] = [];
  for (const way of ways) {
    const peer = await startStepper(pytorch, { ...settings, way, peak: way === 'plain' });
    if (peer.lacks === undefined) peers.push([way, peer]);
  }
  return peers;
};

const lossesOf = async (run: EncoderRun): Promise<number[]> => {
  const losses: number[] = [];
  for (let i = 0; i < COMPARED_STEPS; i += 1) losses.push(await run.step());
  return losses;
};

/** Steps all sides from the same weights and compares the losses, then times them in turn. */
async function* comparePrecision(
  precision: Precision,
  [caseName, what, shape]: NamedShape,
): AsyncIterable<PairLine> {
  const threads = Math.min(2, availableParallelism());
  const choice = await selectEngine({ engine: 'torch', precision, threads });
  const ownPeak = await measurePeak();
  const run = createEncoderRun(shape, 1, LEARNING_RATE);
  const folder = await mkdtemp(join(tmpdir(), 'polygate-bench-'));
  const values = join(folder, 'values.f32');
  let peers: Awaited<ReturnType<typeof startPeers>> = [];
  try {
    await writeFile(values, new Uint8Array((await run.values()).buffer));
    peers = await startPeers({ ...shape, precision, threads, learningRate: LEARNING_RATE, values, folder });
    const losses = await lossesOf(run);
    let worst = 0;
    for (const [, peer] of peers) worst = Math.max(worst, await compare(losses, peer, precision));
    const began = performance.now();
    await run.step();
    const isLong = performance.now() - began > LONG_STEP * 1e3;
    const [ours = [], ...theirs] = await measureInTurn(
      [
        { name: 'polygate', run: async () => void (await run.step()) },
        ...peers.map(([way, peer]) => ({ name: way, run: async () => (await peer.step()).seconds })),
      ],
      { rounds: isLong ? 7 : 21, warmup: 2, pauseMs: PAUSE_MS },
    );
    const medians = theirs.map(median);
    const fastest = medians.indexOf(Math.min(...medians));
    const [way, peer] = peers[fastest] as (typeof peers)[number];
    const peak = Math.max(ownPeak, ...peers.map((each) => each[1].peak ?? 0));
    const ofPeak = (seconds: number): number => stepFlops(shape) / seconds / 1e9 / peak;
    yield pairLine(
      { name: `polygate ${choice.name} ${precision}`, times: ours },
      { name: `pytorch ${peer.version} ${precision}, ${way}`, times: theirs[fastest] ?? [] },
      {
        name: `${caseName}-${precision}-${what}`,
        validated: `losses equal over ${COMPARED_STEPS} steps, worst relative difference ${worst.toExponential(2)}`,
        detail: {
          ...shape,
          threads,
          peakGflops: Math.round(peak),
          ofPeak: { ours: ofPeak(median(ours)), theirs: ofPeak(medians[fastest] ?? NaN) },
          seconds: Object.fromEntries(peers.map((each, at) => [each[0], medians[at]])),
        },
      },
    );
  } finally {
    for (const [, peer] of peers) peer.close();
    run.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A case on shapes, in f32, and in bf16 where that is faster: else PyTorch takes 20 times as long in it, and nobody trains so. */
const caseOf = (describe: string, shapes: readonly NamedShape[]) => ({
  describe,
  async *run(): AsyncIterable<PairLine> {
    const faster = await fasterPrecision();
    for (const precision of new Set([faster, 'f32'] as const)) {
      for (const shape of shapes) yield* comparePrecision(precision, shape);
    }
  },
});

export const peerTorch = caseOf(
  'training step of a 12-layer encoder against PyTorch in its fastest way: width 192 at batch 4, 16 and 64, width 768 at 4',
  [
    ...[4, 16, 64].map((batch): NamedShape => ['peer-torch', `batch${batch}`, tinyEncoder(batch)]),
    [
      'peer-torch',
      'width768-batch4',
      { layers: 12, width: 768, heads: 12, hidden: 3072, batch: 4, length: 197 },
    ],
  ],
);

/** Steps whose products are small: the overhead around them is what differs. */
export const smallStep = caseOf(
  'training step of small encoders against PyTorch in its fastest way: 32 sequences of 10, 37 and 50 tokens',
  [
    ['small-step', '10-tokens', { layers: 3, width: 128, heads: 4, hidden: 512, batch: 32, length: 10 }],
    ['small-step', '37-tokens', { layers: 3, width: 128, heads: 4, hidden: 512, batch: 32, length: 37 }],
    ['small-step', '50-tokens', { layers: 6, width: 256, heads: 8, hidden: 1024, batch: 32, length: 50 }],
  ],
);
